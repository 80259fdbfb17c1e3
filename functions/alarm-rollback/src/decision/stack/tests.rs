//! Every status, every reason, and what is never done.

mod begun;
mod never;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::notice::Severity;
use shared::policy::Policy;

use super::*;
use crate::facts::stack::{Events, Inside, NESTED, Resource};

const ID: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/1";
const STORAGE: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing-Storage-Z2VK/2";
const CANCELLED: &str = "Resource update cancelled";

/// Minutes before now.
fn ago(minutes: i64) -> Timestamp {
    let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    now.saturating_sub(SignedDuration::from_mins(minutes)).unwrap()
}

fn own(minutes: i64, status: &str) -> Event {
    Event {
        at: ago(minutes),
        own: true,
        resource: "billing".to_owned(),
        status: status.to_owned(),
        reason: None,
        token: Some("Console-UpdateStack-1".to_owned()),
    }
}

fn failed(minutes: i64, resource: &str, reason: &str) -> Event {
    let reason = Some(reason.to_owned());
    Event { own: false, resource: resource.to_owned(), reason, token: None, ..own(minutes, "UPDATE_FAILED") }
}

fn resource(name: &str, kind: &str, status: &str, reason: &str) -> Resource {
    Resource {
        name: name.to_owned(),
        kind: kind.to_owned(),
        id: (kind == NESTED).then(|| STORAGE.to_owned()),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
    }
}

/// A stack in this status, with these own events, newest first, and read to the end.
fn scene(status: &str, own_events: &[(i64, &str)]) -> Scene {
    let telling = own_events.iter().map(|(minutes, status)| own(*minutes, status)).collect();
    Scene {
        stack: Some(Stack {
            id: ID.to_owned(),
            name: "billing".to_owned(),
            status: status.to_owned(),
            role: Some("arn:aws:iam::123456789012:role/deploy".to_owned()),
            updated_at: Some(ago(20)),
            ..Stack::default()
        }),
        events: Events { telling, reach: Reach::End },
        ..Scene::default()
    }
}

/// An update that began twenty minutes ago, whose rollback failed, and which was continued and failed again: two
/// resources in `UPDATE_FAILED`, of which one was cancelled, and one in a nested stack.
fn failed_again() -> Scene {
    let mut scene = scene(
        "UPDATE_ROLLBACK_FAILED",
        &[
            (2, "UPDATE_ROLLBACK_FAILED"),
            (5, "UPDATE_ROLLBACK_IN_PROGRESS"),
            (10, "UPDATE_ROLLBACK_FAILED"),
            (15, "UPDATE_ROLLBACK_IN_PROGRESS"),
            (20, "UPDATE_IN_PROGRESS"),
            (900, "UPDATE_COMPLETE"),
        ],
    );
    let web = "Service arn:…/web did not stabilize.";
    let embedded = "Embedded stack was not successfully updated.";
    let root = Inside {
        events: Events {
            telling: vec![
                own(2, "UPDATE_ROLLBACK_FAILED"),
                failed(3, "Queue", CANCELLED),
                failed(3, "Storage", embedded),
                failed(4, "Web", web),
                failed(4, "Alarm", "It failed and is tried again."),
                own(5, "UPDATE_ROLLBACK_IN_PROGRESS"),
                failed(12, "Topic", "It failed in the first rollback."),
            ],
            reach: Reach::Found,
        },
        resources: vec![
            resource("Queue", "AWS::SQS::Queue", "UPDATE_FAILED", CANCELLED),
            resource("Web", "AWS::ECS::Service", "UPDATE_FAILED", web),
            resource("Storage", NESTED, "UPDATE_FAILED", embedded),
            resource("Alarm", "AWS::CloudWatch::Alarm", "UPDATE_IN_PROGRESS", "It is tried again."),
            resource("Topic", "AWS::SNS::Topic", "UPDATE_FAILED", "It failed in the first rollback."),
        ],
    };
    let storage = Inside {
        events: Events {
            telling: vec![
                failed(4, "Database", "DB instance not found"),
                failed(4, "Parameters", "Update canceled"),
                own(5, "UPDATE_ROLLBACK_IN_PROGRESS"),
            ],
            reach: Reach::Found,
        },
        resources: vec![
            resource("Database", "AWS::RDS::DBInstance", "UPDATE_FAILED", "DB instance not found"),
            resource("Parameters", "AWS::RDS::DBParameterGroup", "UPDATE_FAILED", "Update canceled"),
        ],
    };
    scene.inside = [(ID.to_owned(), root), (STORAGE.to_owned(), storage)].into();
    scene
}

fn alarm(minutes: i64) -> Wish {
    Wish::TakeBack { fired_at: ago(minutes) }
}

fn allowing(cancel: bool, skip_resources: bool) -> Policy {
    let mut policy = Policy::default();
    policy.rollback.stacks.cancel = cancel;
    policy.rollback.stacks.skip_resources = skip_resources;
    policy
}

fn asked(scene: &Scene, wish: &Wish, rules: &Policy) -> Asked<Result<Plan, Why>> {
    plan(scene, &Memory::default(), &Ask { wish, own: None, rules, now: ago(0) })
}

fn held(scene: &Scene, wish: &Wish, rules: &Policy) -> Why {
    asked(scene, wish, rules).unwrap().unwrap_err()
}

fn planned(scene: &Scene, wish: &Wish, rules: &Policy) -> Plan {
    asked(scene, wish, rules).unwrap().unwrap()
}

fn skip(names: &[&str]) -> Act {
    Act::ContinueUpdateRollback { skip: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn without_role(mut scene: Scene) -> Scene {
    scene.stack.as_mut().unwrap().role = None;
    scene
}

fn operation(means: Means, began: i64, end: Option<End>) -> Operation {
    Operation {
        id: "0123456789abcdef".to_owned(),
        incident: "stack:1".to_owned(),
        means,
        from: "UPDATE_ROLLBACK_FAILED".to_owned(),
        to: ROLLED_BACK.to_owned(),
        copy_of: None,
        deployment: None,
        blames: false,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: ago(began),
        deadline: ago(began - 240),
        end,
    }
}

/// What is done in every status: for an alarm that fired a minute ago, by the watch, and by hand. `-` is the log only.
#[test]
fn every_status_has_its_answer() {
    let table = [
        ("CREATE_IN_PROGRESS", "being created", "-", "being created"),
        ("CREATE_FAILED", "would delete it", "would delete it", "would delete it"),
        ("CREATE_COMPLETE", "never updated", "-", "never updated"),
        ("ROLLBACK_IN_PROGRESS", "taking it back", "-", "taking it back"),
        ("ROLLBACK_FAILED", "so did taking that back", "so did taking that back", "so did taking that back"),
        ("ROLLBACK_COMPLETE", "nothing of it is left", "nothing of it is left", "nothing of it is left"),
        ("DELETE_IN_PROGRESS", "being deleted", "-", "being deleted"),
        ("DELETE_FAILED", "its deletion failed", "its deletion failed", "its deletion failed"),
        ("DELETE_COMPLETE", "was deleted", "-", "was deleted"),
        ("UPDATE_IN_PROGRESS", "cancel", "-", "cancel"),
        (
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "deleting what it replaced",
            "-",
            "deleting what it replaced",
        ),
        ("UPDATE_COMPLETE", "recently enough to be to blame", "-", "no call that takes that back"),
        ("UPDATE_FAILED", "rollback_stack", "-", "rollback_stack"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "already rolling", "-", "already rolling"),
        ("UPDATE_ROLLBACK_FAILED", "continue", "continue", "continue"),
        (
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "rolled its update back",
            "-",
            "rolled its update back",
        ),
        ("UPDATE_ROLLBACK_COMPLETE", "rolled its update back already", "-", "rolled its update back already"),
        ("REVIEW_IN_PROGRESS", "never created", "-", "never created"),
        ("IMPORT_IN_PROGRESS", "being imported", "-", "being imported"),
        ("IMPORT_COMPLETE", "were imported", "-", "were imported"),
        ("IMPORT_ROLLBACK_IN_PROGRESS", "import into it failed", "-", "import into it failed"),
        (
            "IMPORT_ROLLBACK_FAILED",
            "so did taking that back",
            "so did taking that back",
            "so did taking that back",
        ),
        ("IMPORT_ROLLBACK_COMPLETE", "was taken back", "-", "was taken back"),
        ("SOMETHING_NEW", "not know (SOMETHING_NEW)", "not know (SOMETHING_NEW)", "not know (SOMETHING_NEW)"),
    ];
    let rules = allowing(true, true);
    for (status, by_alarm, by_watch, by_hand) in table {
        let events = [(5, status), (20, "UPDATE_IN_PROGRESS"), (900, "CREATE_COMPLETE")];
        let scene = scene(status, &events);
        for (wish, expected) in [(alarm(1), by_alarm), (Wish::Unstick, by_watch), (Wish::Previous, by_hand)] {
            let got = match asked(&scene, &wish, &rules).unwrap() {
                Ok(plan) => serde_json::to_string(&plan.act).unwrap(),
                Err(why) if why.quiet() && wish == Wish::Unstick => "-".to_owned(),
                Err(why) => why.to_string(),
            };
            assert!(got.contains(expected), "{status}, {wish:?}: {got}");
        }
    }
    let covered: BTreeSet<_> = table.iter().map(|row| row.0).collect();
    assert!(status::words().all(|word| covered.contains(word)));
    assert_eq!(covered.len(), status::words().count() + 1);
}

#[test]
fn every_reason_is_a_sentence_with_a_next_step() {
    let (stuck_update, rules) =
        (scene("UPDATE_IN_PROGRESS", &[(45, "UPDATE_IN_PROGRESS")]), Policy::default());
    let mut waiting = stuck_update.clone();
    let web = resource("Web", "AWS::ECS::Service", "UPDATE_IN_PROGRESS", "");
    waiting.inside = [(ID.to_owned(), Inside { resources: vec![web], ..Inside::default() })].into();
    let mut endless = scene("UPDATE_FAILED", &[(5, "UPDATE_FAILED")]);
    endless.events.reach = Reach::Limit;
    let mut timeless = scene("UPDATE_IN_PROGRESS", &[]);
    timeless.stack.as_mut().unwrap().updated_at = None;
    let mut nested = scene("UPDATE_ROLLBACK_FAILED", &[]);
    nested.root = Some("shop".to_owned());
    let fresh = scene("UPDATE_IN_PROGRESS", &[(3, "UPDATE_IN_PROGRESS")]);
    let mut nothing = failed_again();
    nothing.inside.values_mut().for_each(|inside| inside.resources.clear());
    let failed_once = [(2, "UPDATE_ROLLBACK_FAILED"), (20, "UPDATE_IN_PROGRESS")];
    let complete = scene("UPDATE_COMPLETE", &[(5, "UPDATE_COMPLETE"), (20, "UPDATE_IN_PROGRESS")]);

    let cases = [
        (Scene::default(), alarm(1), "no stack of that name"),
        (complete.clone(), Wish::Revision("3".to_owned()), "no revision to name"),
        (complete.clone(), Wish::At(ago(60)), "no revision to name"),
        (complete.clone(), alarm(30), "fired before the newest update of the stack began"),
        (
            scene("UPDATE_COMPLETE", &[(90, "UPDATE_COMPLETE")]),
            alarm(1),
            "no update of the stack is recent enough",
        ),
        (complete.clone(), alarm(1), "recently enough to be to blame"),
        (complete, Wish::Unstick, "not stuck (UPDATE_COMPLETE)"),
        (nested, alarm(1), "belongs to the stack shop, and goes back only together with it"),
        (timeless, Wish::Unstick, "does not say when"),
        (fresh.clone(), Wish::Unstick, "is not stuck yet: it is in UPDATE_IN_PROGRESS"),
        (fresh, alarm(1), "does not allow to cancel that (rollback.stacks.cancel)"),
        (
            waiting.clone(),
            Wish::Unstick,
            "stuck in UPDATE_IN_PROGRESS since 2026-11-20T11:15:00Z; it waits for Web (AWS::ECS::Service)",
        ),
        (
            scene("UPDATE_ROLLBACK_IN_PROGRESS", &[(3, "UPDATE_ROLLBACK_IN_PROGRESS")]),
            Wish::Previous,
            "already rolling the stack back",
        ),
        (without_role(scene("UPDATE_ROLLBACK_FAILED", &failed_once)), Wish::Unstick, "has no service role"),
        (failed_again(), Wish::Unstick, "does not allow to skip what keeps it from ending"),
        (nothing, Wish::Unstick, "names no resource that failed because of the rollback"),
        (
            scene("UPDATE_FAILED", &[(5, "UPDATE_FAILED")]),
            Wish::Previous,
            "hold no stable state, so RollbackStack could delete it",
        ),
        (endless, Wish::Previous, "too many to be read whole"),
        (scene("CREATE_FAILED", &[]), Wish::Previous, "RollbackStack would delete it"),
    ];
    for (scene, wish, expected) in &cases {
        let why = held(scene, wish, &rules);
        let (text, step) = (why.to_string(), why.next_step());
        assert!(text.contains(expected), "{text}");
        assert!(!text.ends_with('.'), "it is the end of a sentence: {text}");
        assert!(step.starts_with(|first: char| first.is_uppercase()), "{step}");
        assert!(serde_json::to_value(&why).is_ok());
    }
    for word in status::words().chain(["SOMETHING_NEW"]) {
        let why = Why::NoWay { status: word.to_owned() };
        assert!(why.next_step().ends_with('.'), "{word}");
    }
    let blind = Inside::default();
    let mut blind_scene = waiting;
    blind_scene.inside = [(ID.to_owned(), blind)].into();
    assert!(
        held(&blind_scene, &Wish::Unstick, &rules).to_string().ends_with("does not say what it waits for")
    );
}

#[test]
fn a_failed_rollback_is_continued_without_skips_first() {
    let events =
        [(2, "UPDATE_ROLLBACK_FAILED"), (15, "UPDATE_ROLLBACK_IN_PROGRESS"), (20, "UPDATE_IN_PROGRESS")];
    let mut scene = scene("UPDATE_ROLLBACK_FAILED", &events);
    scene.events.telling.insert(1, failed(3, "Web", "The value s3cret of Password is not valid."));
    scene.events.telling.insert(2, failed(4, "Queue", CANCELLED));
    scene.kinds.insert("Web".to_owned(), "AWS::ECS::Service".to_owned());

    let plan = planned(&scene, &Wish::Unstick, &allowing(true, true));

    assert_eq!(plan.act, skip(&[]));
    assert_eq!(
        (plan.from.as_str(), plan.to.as_str()),
        ("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE")
    );
    assert_eq!((plan.basis, plan.blames), (Basis::LastStable, false));
    assert_eq!(plan.before["status"], "UPDATE_ROLLBACK_FAILED");
    // What failed, and not why: a reason may quote a property.
    assert_eq!(plan.before["failed"], json!({"Web": "AWS::ECS::Service", "Queue": null}));
}

#[test]
fn a_failure_of_an_earlier_update_is_no_earlier_attempt() {
    let events = [
        (2, "UPDATE_ROLLBACK_FAILED"),
        (15, "UPDATE_ROLLBACK_IN_PROGRESS"),
        (20, "UPDATE_IN_PROGRESS"),
        (200, "UPDATE_ROLLBACK_COMPLETE"),
        (210, "UPDATE_ROLLBACK_IN_PROGRESS"),
        (220, "UPDATE_ROLLBACK_FAILED"),
        (230, "UPDATE_ROLLBACK_IN_PROGRESS"),
    ];
    let scene = scene("UPDATE_ROLLBACK_FAILED", &events);
    assert_eq!(planned(&scene, &Wish::Unstick, &allowing(true, true)).act, skip(&[]));
}

#[test]
fn a_second_attempt_skips_exactly_what_failed_because_of_the_rollback() {
    let plan = planned(&failed_again(), &Wish::Unstick, &allowing(false, true));
    assert_eq!(plan.act, skip(&["Web", "billing-Storage-Z2VK.Database"]));
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("DB instance not found") && note.contains("UPDATE_COMPLETE"))
    );
}

#[test]
fn an_attempt_that_the_ledger_remembers_counts_like_one_in_the_events() {
    let events =
        [(2, "UPDATE_ROLLBACK_FAILED"), (15, "UPDATE_ROLLBACK_IN_PROGRESS"), (20, "UPDATE_IN_PROGRESS")];
    let mut scene = scene("UPDATE_ROLLBACK_FAILED", &events);
    scene.inside = failed_again().inside;
    let rules = &allowing(false, true);
    let remembering = |operation: Operation| {
        let memory = Memory { operations: vec![operation], ..Memory::default() };
        plan(&scene, &memory, &Ask { wish: &Wish::Unstick, own: None, rules, now: ago(0) })
            .unwrap()
            .unwrap()
            .act
    };
    let tried = skip(&["Web", "billing-Storage-Z2VK.Database"]);
    assert_eq!(remembering(operation(Means::ContinueUpdateRollback, 8, Some(End::Failed))), tried);
    for untried in [
        operation(Means::ContinueUpdateRollback, 30, Some(End::Failed)),
        operation(Means::ContinueUpdateRollback, 8, Some(End::Refused)),
        operation(Means::CancelUpdateStack, 8, Some(End::Failed)),
    ] {
        assert_eq!(remembering(untried), skip(&[]));
    }
}

#[test]
fn what_would_be_skipped_is_told_with_its_reason_and_the_command() {
    for (scene, allowed) in [(failed_again(), false), (without_role(failed_again()), true)] {
        let why = held(&scene, &Wish::Unstick, &allowing(true, allowed));
        assert_eq!(why.severity(), Severity::Sev2);
        assert!(!why.quiet());
        let (text, step) = (why.to_string(), why.next_step());
        assert!(text.contains("Web (AWS::ECS::Service: Service arn:…/web did not stabilize)"), "{text}");
        let nested = "billing-Storage-Z2VK.Database (AWS::RDS::DBInstance: DB instance not found)";
        assert!(text.contains(nested), "{text}");
        assert!(!text.contains("Queue") && !text.contains("Topic") && !text.contains("Alarm"), "{text}");
        let command = "aws cloudformation continue-update-rollback --stack-name billing --resources-to-skip Web \
                       billing-Storage-Z2VK.Database";
        assert!(step.contains(command), "{step}");
        assert!(step.contains("differ from the template"), "{step}");
    }
}

#[test]
fn nothing_is_done_without_a_service_role() {
    let rules = allowing(true, true);
    for (status, command) in [
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "cancel-update-stack"),
        ("UPDATE_FAILED", "rollback-stack"),
    ] {
        let scene = scene(status, &[(50, status), (90, "UPDATE_IN_PROGRESS"), (900, "CREATE_COMPLETE")]);
        assert!(asked(&scene, &Wish::Previous, &rules).unwrap().is_ok(), "{status}");
        let why = held(&without_role(scene), &Wish::Previous, &rules);
        let expected = format!("aws cloudformation {command} --stack-name billing");
        assert!(why.next_step().ends_with(&expected), "{}", why.next_step());
    }
}

#[test]
fn a_stuck_update_is_cancelled_only_where_the_policy_allows() {
    let mut scene = scene("UPDATE_IN_PROGRESS", &[(45, "UPDATE_IN_PROGRESS")]);
    assert_eq!(planned(&scene, &Wish::Unstick, &allowing(true, false)).act, Act::CancelUpdateStack);

    let rules = Policy::default();
    assert_eq!(asked(&scene, &Wish::Unstick, &rules), Err(Question::Inside(vec![ID.to_owned()])));
    let nested = resource("Storage", NESTED, "UPDATE_IN_PROGRESS", "");
    scene.inside.insert(ID.to_owned(), Inside { resources: vec![nested], ..Inside::default() });
    assert_eq!(asked(&scene, &Wish::Unstick, &rules), Err(Question::Inside(vec![STORAGE.to_owned()])));
    let web = resource("Web", "AWS::ECS::Service", "UPDATE_IN_PROGRESS", "");
    scene.inside.insert(STORAGE.to_owned(), Inside { resources: vec![web], ..Inside::default() });
    let why = held(&scene, &Wish::Unstick, &rules);
    assert!(why.to_string().contains("it waits for billing-Storage-Z2VK.Web (AWS::ECS::Service)"), "{why}");
    let step = why.next_step();
    assert!(step.contains("desired count or a task definition"), "{step}");
    assert!(step.ends_with("aws cloudformation cancel-update-stack --stack-name billing"), "{step}");
}

#[test]
fn an_update_is_stuck_only_after_the_policys_time() {
    let at = |minutes| scene("UPDATE_IN_PROGRESS", &[(minutes, "UPDATE_IN_PROGRESS")]);
    let rules = allowing(true, false);
    assert!(matches!(held(&at(30), &Wish::Unstick, &rules), Why::NotStuck { .. }));
    assert_eq!(planned(&at(31), &Wish::Unstick, &rules).act, Act::CancelUpdateStack);
    // Whom an alarm or a person sends does not wait.
    assert_eq!(planned(&at(2), &alarm(1), &rules).act, Act::CancelUpdateStack);
    assert_eq!(planned(&at(2), &Wish::Previous, &rules).act, Act::CancelUpdateStack);
    assert!(matches!(held(&at(2), &alarm(3), &rules), Why::FiringBefore { .. }));
}

#[test]
fn a_rollback_that_lasts_too_long_is_told() {
    let mut scene = scene("UPDATE_ROLLBACK_IN_PROGRESS", &[(31, "UPDATE_ROLLBACK_IN_PROGRESS")]);
    scene.inside.insert(ID.to_owned(), Inside::default());
    for wish in [alarm(1), Wish::Unstick, Wish::Previous] {
        let why = held(&scene, &wish, &allowing(true, true));
        assert!(matches!(&why, Why::Stuck { command: None, .. }), "{why}");
        assert!(!why.quiet());
    }
}

#[test]
fn a_failed_update_goes_back_only_to_a_stable_state_on_record() {
    for stable in STABLE {
        let scene =
            scene("UPDATE_FAILED", &[(45, "UPDATE_FAILED"), (60, "UPDATE_IN_PROGRESS"), (900, stable)]);
        assert_eq!(planned(&scene, &Wish::Unstick, &Policy::default()).act, Act::RollbackStack, "{stable}");
    }
    let mut scene =
        scene("UPDATE_FAILED", &[(45, "UPDATE_FAILED"), (60, "UPDATE_IN_PROGRESS"), (99, "CREATE_FAILED")]);
    // A nested stack's or another resource's state is not the stack's own.
    scene.events.telling.push(Event { own: false, ..own(100, "CREATE_COMPLETE") });
    assert_eq!(held(&scene, &Wish::Unstick, &Policy::default()), Why::NoStableState { whole: true });
    scene.events.reach = Reach::Found;
    assert_eq!(asked(&scene, &Wish::Unstick, &Policy::default()), Err(Question::Stable));
}

#[test]
fn a_long_reason_is_cut_in_what_people_read() {
    let blocker = Blocker {
        name: "Web".to_owned(),
        kind: "AWS::ECS::Service".to_owned(),
        reason: Some("é".repeat(300)),
    };
    assert_eq!(why::reasons(&[blocker]), format!("Web (AWS::ECS::Service: {})", "é".repeat(200)));
}

#[test]
fn nothing_is_done_to_a_nested_stack_whatever_is_wished() {
    let rules = allowing(true, true);
    let wishes = [alarm(1), Wish::Unstick, Wish::Previous, Wish::Revision("3".to_owned()), Wish::At(ago(60))];
    for status in status::words() {
        let events = [(45, status), (50, "UPDATE_IN_PROGRESS"), (900, "CREATE_COMPLETE")];
        let mut nested = scene(status, &events);
        nested.root = Some("shop".to_owned());
        for wish in &wishes {
            let why = held(&nested, wish, &rules);
            assert_eq!(why, Why::Nested { root: "shop".to_owned() }, "{status}, {wish:?}");
            assert!(why.quiet(), "the root's own change is told");
            let step = why.next_step();
            assert!(step.contains("`watchkeeper:target=stack:shop`"), "{step}");
            assert!(step.contains("name stack:shop in the request"), "{step}");
        }
    }
}

#[test]
fn only_what_is_needed_is_asked() {
    let mut scene = failed_again();
    scene.inside.clear();
    let rules = &allowing(false, true);
    assert_eq!(asked(&scene, &Wish::Unstick, rules), Err(Question::Inside(vec![ID.to_owned()])));
    scene.inside.insert(ID.to_owned(), failed_again().inside[ID].clone());
    assert_eq!(asked(&scene, &Wish::Unstick, rules), Err(Question::Inside(vec![STORAGE.to_owned()])));
    scene.events.reach = Reach::Newest;
    assert_eq!(asked(&scene, &Wish::Unstick, rules), Err(Question::Update));
}

#[test]
fn what_a_person_may_allow_for_once_is_named_and_nothing_else() {
    let never = allowing(false, false);
    let stuck = scene("UPDATE_IN_PROGRESS", &[(40, "UPDATE_IN_PROGRESS"), (900, "UPDATE_COMPLETE")]);
    let stuck = Scene { inside: [(ID.to_owned(), Inside::default())].into(), ..stuck };
    let cases = [
        (failed_again(), "stuck", Some("skip_unfixable")),
        (stuck, "stuck", Some("cancel_in_progress")),
        (scene("UPDATE_IN_PROGRESS", &[(4, "UPDATE_IN_PROGRESS")]), "on_its_way", None),
        (scene("UPDATE_ROLLBACK_IN_PROGRESS", &[(4, "UPDATE_ROLLBACK_IN_PROGRESS")]), "on_its_way", None),
        (scene("CREATE_IN_PROGRESS", &[]), "on_its_way", None),
        (scene("UPDATE_COMPLETE", &[]), "well", None),
        (scene("ROLLBACK_COMPLETE", &[]), "stuck", None),
        (
            without_role(scene(
                "UPDATE_ROLLBACK_FAILED",
                &[(4, "UPDATE_ROLLBACK_FAILED"), (20, "UPDATE_IN_PROGRESS")],
            )),
            "stuck",
            None,
        ),
    ];
    for (scene, standing, allowed_by) in cases {
        let why = held(&scene, &Wish::Unstick, &never);
        assert_eq!((why.standing(), why.allowed_by()), (standing, allowed_by), "{why:?}");
    }
}
