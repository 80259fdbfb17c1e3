//! Every rule for a service that CodeDeploy deploys, as a table: web:7 arrived five minutes ago, after web:6 had run
//! for days, and the alarm fired a minute ago.

mod cases;
mod properties;

use shared::ledger::revision::Revision;
use shared::notice::Severity;

use super::*;
use crate::decision::Redeployed;
use cases::{Case, ago, case, deployment, fired, own, specification, td};

/// From, to, how sure, and the one call.
type Expected = Result<(String, String, Basis, Act), Why>;

#[expect(clippy::unnecessary_wraps, reason = "it stands beside the reasons in the tables")]
fn created(from: u32, to: u32, basis: Basis) -> Expected {
    let act = Act::CreateDeployment {
        application: "shop".to_owned(),
        group: "web".to_owned(),
        specification: specification(to),
    };
    Ok((td(from), td(to), basis, act))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside the reasons in the tables")]
fn stopped(from: u32, to: u32, basis: Basis) -> Expected {
    Ok((td(from), td(to), basis, Act::StopDeployment { deployment: "d-1".to_owned() }))
}

fn deployed(deployment: &str, minutes: i64) -> Basis {
    Basis::Deployed { deployment: deployment.to_owned(), finished_at: Some(ago(minutes)) }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a table reads better without references")]
fn check(name: &str, change: impl FnOnce(&mut Case), expected: Expected) -> Option<Plan> {
    let mut case = case();
    change(&mut case);
    let got = case.settle();
    let short = got.clone().map(|plan| (plan.from, plan.to, plan.basis, plan.act));
    assert_eq!(short, expected, "{name}");
    got.ok()
}

fn bad(revision: u32) -> Revision {
    Revision { arn: td(revision), standing: Standing::Bad, since: ago(10) }
}

#[test]
fn a_deployment_that_arrived_is_followed_by_one_of_what_ran_before() {
    let plan = check("as it is", |_| {}, created(7, 6, deployed("d-0", 5_000))).unwrap();
    assert!(plan.blames);
    assert!(
        plan.notes.iter().any(|note| note.contains("alarms of the deployment group")),
        "{:?}",
        plan.notes
    );
    assert_eq!(plan.before.get("deployment"), Some(&json!("d-1")));

    let history = |case: &mut Case| {
        case.history(&[("d-1", 5, 7), ("d-b", 200, 6), ("d-a", 400, 5), ("d-0", 5_000, 4)]);
    };
    check("the one before", history, created(7, 6, deployed("d-b", 200)));
    let passed_over = |case: &mut Case| {
        history(case);
        case.memory.revisions = vec![bad(6)];
    };
    check("the one before is bad", passed_over, created(7, 5, deployed("d-a", 400)));
    let short = |case: &mut Case| case.history(&[("d-1", 5, 7), ("d-b", 16, 6), ("d-a", 400, 5)]);
    check("the one before ran nine minutes", short, created(7, 5, deployed("d-a", 400)));
    let cut = |case: &mut Case| case.record.whole = false;
    let plan = check("a long record", cut, created(7, 6, deployed("d-0", 5_000))).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("Only the newest")), "{:?}", plan.notes);
}

#[test]
fn without_something_good_to_deploy_nothing_is_done() {
    let same = |case: &mut Case| case.history(&[("d-1", 5, 7), ("d-b", 100, 7), ("d-0", 5_000, 6)]);
    check("the same again", same, Err(Why::SameCode { task_definition: td(7), redeployed: None }));
    check("the first", |case| case.history(&[("d-1", 5, 7)]), Err(Why::NoHistory));
    check("ping-pong", |case| case.memory.revisions = vec![bad(6)], Err(Why::NothingGood));
    let unreadable = |id: &str| Err(Why::Unreadable { deployment: id.to_owned() });
    let kept = |case: &mut Case| case.record.succeeded[1].specification = None;
    check("kept in S3, but named", kept, unreadable("d-0"));
    let again = |case: &mut Case| {
        case.history(&[("d-1", 5, 7), ("d-b", 16, 6), ("d-a", 400, 6)]);
        case.record.succeeded[2].specification = None;
    };
    check("the same was kept later", again, created(7, 6, deployed("d-a", 400)));
    let unknown = |case: &mut Case| case.record.succeeded[1].task_definition = None;
    check("kept in S3", unknown, unreadable("d-0"));
    let newest = |case: &mut Case| {
        case.record.newest.task_definition = None;
        case.record.succeeded[0].task_definition = None;
    };
    check("the newest is kept in S3", newest, unreadable("d-1"));
}

#[test]
fn a_redeploy_by_watchkeeper_is_named_and_its_copy_is_the_same_code() {
    let redeploy = |from, to| Operation {
        incident: "secret:arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf".to_owned(),
        means: Means::RedeployByCodeDeploy,
        from: td(from),
        to: td(to),
        copy_of: (from != to).then(|| td(from)),
        deployment: Some("d-1".to_owned()),
        blames: false,
        began: ago(8),
        ..own("re-1")
    };
    let redeployed = |at: i64| {
        let (operation, secret) = ("re-1".to_owned(), Some("prod/db".to_owned()));
        Some(Redeployed { operation, secret, at: ago(at) })
    };
    let held = |revision| Why::SameCode { task_definition: td(revision), redeployed: redeployed(8) };
    let again = |case: &mut Case| {
        case.history(&[("d-1", 5, 7), ("d-b", 100, 7), ("d-0", 5_000, 6)]);
        case.memory.redeploys = vec![redeploy(7, 7)];
    };
    check("as it is", again, Err(held(7)));
    let copied = |case: &mut Case| {
        case.history(&[("d-1", 5, 8), ("d-b", 100, 7), ("d-0", 5_000, 6)]);
        case.memory.redeploys = vec![redeploy(7, 8)];
    };
    check("as a copy", copied, Err(held(8)));
    let on_its_way = |case: &mut Case| {
        copied(case);
        case.record.newest = deployment("d-1", Status::InProgress, 5, 8);
        case.record.succeeded.remove(0);
    };
    check("as a copy, on its way", on_its_way, Err(held(8)));
    let left = |case: &mut Case| {
        case.history(&[("d-1", 5, 9), ("d-c", 100, 8), ("d-b", 900, 7), ("d-0", 5_000, 6)]);
        case.memory.redeploys = vec![redeploy(7, 8)];
        case.memory.revisions = vec![bad(8)];
    };
    check("the copy is bad, and so is its original", left, created(9, 6, deployed("d-0", 5_000)));
    let told = held(7).to_string();
    assert!(
        told.ends_with(
            "so its code is not to blame; it is rotation-related: Watchkeeper redeployed it at 2026-11-20T02:52:00Z \
             because of the secret prod/db (operation re-1)"
        ),
        "{told}"
    );
}

#[test]
fn a_deployment_on_its_way_is_stopped_unless_that_leads_to_something_bad() {
    let on_its_way = |case: &mut Case| {
        case.newest(Status::InProgress, 300);
    };
    check("however long ago it began", on_its_way, stopped(7, 6, Basis::Source));
    let with = |change: fn(&mut Case)| {
        move |case: &mut Case| {
            on_its_way(case);
            change(case);
        }
    };
    check(
        "a fix on its way over a bad one",
        with(|case| case.memory.revisions = vec![bad(6)]),
        Err(Why::FixOnItsWay { task_definition: td(6) }),
    );
    check(
        "the same again",
        with(|case| case.record.succeeded[0].task_definition = Some("web:7".to_owned())),
        Err(Why::SameCode { task_definition: td(7), redeployed: None }),
    );
    check(
        "the first, over what the service was created with",
        with(|case| {
            case.record.succeeded.clear();
            case.service = td(5);
        }),
        stopped(7, 5, Basis::Source),
    );
    let why = Why::Unreadable { deployment: "d-1".to_owned() };
    check("kept in S3", with(|case| case.record.newest.task_definition = None), Err(why));
    let why = Why::FiringBefore { deployed_at: ago(302) };
    check("firing before", with(|case| case.wish = fired(303)), Err(why));
}

#[test]
fn only_a_recent_deployment_that_came_before_the_alarm_is_blamed() {
    check("the window includes its edge", |case| case.newest(Status::Succeeded, 60), {
        created(7, 6, deployed("d-0", 5_000))
    });
    let old = |case: &mut Case| case.newest(Status::Succeeded, 61);
    check("too old", old, Err(Why::TooOld { deployed_at: ago(61) }));
    check("firing before", |case| case.wish = fired(8), Err(Why::FiringBefore { deployed_at: ago(7) }));
    let timeless = |case: &mut Case| {
        case.record.newest.created_at = None;
        case.record.newest.completed_at = None;
    };
    check("no time", timeless, Err(Why::NoTime { deployment: "d-1".to_owned() }));
}

#[test]
fn what_somebody_else_has_in_hand_is_left_to_them() {
    let id = || "d-1".to_owned();
    for status in [Status::InProgress, Status::Succeeded, Status::Failed, Status::Stopped] {
        let rollback = |case: &mut Case| {
            case.newest(status, 5);
            case.record.newest.rollback = true;
        };
        check("CodeDeploy's rollback", rollback, Err(Why::RolledBack { deployment: id() }));
        let ours = |case: &mut Case| {
            case.newest(status, 5);
            case.memory.operations = vec![Operation { deployment: Some(id()), ..own("op-0") }];
        };
        check("our own rollback", ours, Err(Why::OwnRollback { operation: "op-0".to_owned() }));
        let named = |case: &mut Case| {
            case.newest(status, 5);
            case.record.newest.description = Some("Watchkeeper rolls back: operation op-0".to_owned());
            case.memory.operations = vec![own("op-0")];
        };
        check("our own by its words", named, Err(Why::OwnRollback { operation: "op-0".to_owned() }));
    }
    for status in [Status::Failed, Status::Stopped] {
        check("failed", |case| case.newest(status, 5), Err(Why::Failed { deployment: id() }));
    }
    check("new", |case| case.newest(Status::Unknown, 5), Err(Why::UnknownState { deployment: id() }));
}

#[test]
fn by_hand_the_previous_one_is_found_without_attribution() {
    check("stuck", |case| case.wish = Wish::Unstick, Err(Why::NeverStuck));
    let previous = |case: &mut Case| {
        case.newest(Status::Succeeded, 4_000);
        case.wish = Wish::Previous;
    };
    check("long ago", previous, created(7, 6, deployed("d-0", 5_000)));
    let failed = |case: &mut Case| {
        case.newest(Status::Failed, 5);
        case.record.succeeded.insert(0, deployment("d-b", Status::Succeeded, 100, 7));
        case.wish = Wish::Previous;
    };
    let why = Why::NothingGood;
    check(
        "what ran before is all there is",
        |case| {
            case.newest(Status::Failed, 5);
            case.wish = Wish::Previous;
        },
        Err(why),
    );
    check("after one that failed", failed, created(7, 6, deployed("d-0", 5_000)));
}

#[test]
fn by_hand_a_revision_or_a_time_is_looked_up_in_codedeploys_record() {
    let named = |text: &'static str| move |case: &mut Case| case.wish = Wish::Revision(text.to_owned());
    for text in ["web:6", "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:6"] {
        let plan = check(text, named(text), created(7, 6, Basis::Named)).unwrap();
        assert!(!plan.blames);
    }
    let why = |text: &str| Err(Why::NotARevision { text: text.to_owned() });
    for text in ["web", "", ":6", "web:latest"] {
        check(text, named(text), why(text));
    }
    check("the current", named("web:7"), Err(Why::AlreadyThere { task_definition: td(7) }));
    let unknown = Why::NotDeployed { task_definition: "web:2".to_owned() };
    check("never deployed", named("web:2"), Err(unknown));
    let known_bad = |case: &mut Case| {
        named("web:6")(case);
        case.memory.revisions = vec![bad(6)];
    };
    let plan = check("a bad one, by name", known_bad, created(7, 6, Basis::Named)).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("web:6 is held to be bad")), "{:?}", plan.notes);
    let busy = |text: &'static str, rollback| {
        move |case: &mut Case| {
            named(text)(case);
            case.newest(Status::InProgress, 5);
            case.record.newest.rollback = rollback;
        }
    };
    check("on its way from there", busy("web:6", false), stopped(7, 6, Basis::Source));
    let other = || Err(Why::Busy { deployment: "d-1".to_owned() });
    check("on its way elsewhere", busy("web:5", false), other());
    check("a rollback on its way", busy("web:6", true), other());

    let at = |minutes| move |case: &mut Case| case.wish = Wish::At(ago(minutes));
    check("before the newest", at(10), created(7, 6, deployed("d-0", 5_000)));
    check("since the newest", at(2), Err(Why::AlreadyThere { task_definition: td(7) }));
    check("before the record", at(6_000), Err(Why::NotRecorded { at: ago(6_000) }));
    check("in the future", at(-1), Err(Why::NotRecorded { at: ago(-1) }));
    let ran_bad = |case: &mut Case| {
        at(10)(case);
        case.memory.revisions = vec![bad(6)];
    };
    check("bad since", ran_bad, Err(Why::Bad { task_definition: td(6) }));
}

#[test]
fn what_was_begun_goes_on_as_it_was_begun() {
    let begun = |means, deployment: Option<&str>, status| {
        let own = Operation { means, deployment: deployment.map(ToOwned::to_owned), ..own("op-1") };
        move |case: &mut Case| {
            case.newest(status, 1);
            case.memory.revisions = vec![bad(7)];
            case.memory.operations = vec![own.clone()];
            case.own = Some(own);
        }
    };
    let create = || created(7, 6, Basis::Begun);
    check("not created yet", begun(Means::CreateDeployment, None, Status::Succeeded), create());
    let unrecorded = |case: &mut Case| {
        begun(Means::CreateDeployment, None, Status::InProgress)(case);
        case.record.newest.description = Some("Watchkeeper rolls back: operation op-1".to_owned());
    };
    check("created, and not recorded", unrecorded, create());
    for status in [Status::InProgress, Status::Stopped, Status::Failed] {
        let stopping = begun(Means::StopDeployment, Some("d-1"), status);
        check("stopping", stopping, stopped(7, 6, Basis::Begun));
    }
    let arrived = begun(Means::StopDeployment, Some("d-1"), Status::Succeeded);
    check("arrived before it could be stopped", arrived, create());
    let overtaken = begun(Means::CreateDeployment, None, Status::InProgress);
    check("somebody deploys", overtaken, Err(Why::Busy { deployment: "d-1".to_owned() }));
    let gone = |case: &mut Case| {
        begun(Means::CreateDeployment, None, Status::Succeeded)(case);
        case.own.as_mut().unwrap().to = td(3);
    };
    check("not on record", gone, Err(Why::NotDeployed { task_definition: td(3) }));
}

#[test]
fn every_reason_is_a_clause_with_a_next_step() {
    let task_definition = || td(7);
    let (deployment, at) = (|| "d-1".to_owned(), ago(5));
    let reasons = [
        (Why::NeverStuck, Severity::Sev3, "only a stack can"),
        (Why::RolledBack { deployment: deployment() }, Severity::Sev3, "in hand already"),
        (Why::OwnRollback { operation: "op-1".to_owned() }, Severity::Sev3, "own rollback"),
        (Why::Failed { deployment: deployment() }, Severity::Sev2, "failed or was stopped"),
        (Why::UnknownState { deployment: deployment() }, Severity::Sev3, "does not know"),
        (Why::NoTime { deployment: deployment() }, Severity::Sev3, "does not say when"),
        (Why::TooOld { deployed_at: at }, Severity::Sev3, "recent enough"),
        (Why::FiringBefore { deployed_at: at }, Severity::Sev3, "fired before"),
        (Why::FixOnItsWay { task_definition: task_definition() }, Severity::Sev2, "replaces web:7"),
        (
            Why::SameCode { task_definition: task_definition(), redeployed: None },
            Severity::Sev2,
            "rotated secret",
        ),
        (Why::NoHistory, Severity::Sev2, "no successful deployment"),
        (Why::NothingGood, Severity::Sev2, "known to be good"),
        (Why::Unreadable { deployment: deployment() }, Severity::Sev2, "S3"),
        (Why::Busy { deployment: deployment() }, Severity::Sev3, "deploying the service already"),
        (Why::NotARevision { text: "web".to_owned() }, Severity::Sev3, "such as web:41"),
        (Why::NotDeployed { task_definition: task_definition() }, Severity::Sev3, "none of web:7"),
        (Why::AlreadyThere { task_definition: task_definition() }, Severity::Sev3, "runs web:7 already"),
        (Why::NotRecorded { at }, Severity::Sev3, "what ran at"),
        (Why::Bad { task_definition: task_definition() }, Severity::Sev3, "web:7 ran then"),
    ];
    for (why, severity, words) in reasons {
        let text = why.to_string();
        assert!(text.contains(words), "{text}");
        assert!(!text.ends_with('.') && !text.contains("  ") && !text.contains('\n'), "{text}");
        assert_eq!(why.severity(), severity, "{text}");
        let next = why.next_step();
        assert!(next.ends_with('.') && !next.contains("  ") && !next.contains('\n'), "{next}");
    }
}
