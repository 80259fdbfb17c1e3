//! Every rule for an alias, as a table: version 10 was published five minutes ago and the alarm fired a minute ago.

mod cases;
mod properties;

use shared::ledger::operation::{End, Means};
use shared::ledger::revision::Standing;
use shared::notice::Severity;

use super::*;
use crate::decision::alias::Why;
use cases::{World, ago, fired, now, operation, revision, shift, version, world};

/// From, to, how sure, and the one call.
type Expected = Result<(String, String, Basis, Act), Why>;

#[expect(clippy::unnecessary_wraps, reason = "it stands beside the reasons in the tables")]
fn pointed(from: &str, to: &str, basis: Basis) -> Expected {
    let act = Act::UpdateAlias { version: to.to_owned(), revision_id: "revision-1".to_owned() };
    Ok((from.to_owned(), to.to_owned(), basis, act))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside the reasons in the tables")]
fn stopped(from: &str, to: &str, basis: Basis) -> Expected {
    let act = Act::StopDeployment { deployment: "d-1".to_owned() };
    Ok((from.to_owned(), to.to_owned(), basis, act))
}

fn deployed(deployment: &str, minutes: i64) -> Basis {
    Basis::Deployed { deployment: deployment.to_owned(), finished_at: Some(ago(minutes)) }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a table reads better without references")]
fn check(case: &str, change: impl FnOnce(&mut World), expected: Expected) -> Option<Plan> {
    let mut world = world();
    change(&mut world);
    let got = world.settle();
    let short = got.clone().map(|plan| (plan.from, plan.to, plan.basis, plan.act));
    assert_eq!(short, expected, "{case}");
    got.ok()
}

#[test]
fn what_cannot_be_taken_back_is_left_alone() {
    check("no alias", |world| world.scene.alias = None, Err(Why::Missing));
    check("$LATEST", |world| world.alias().version = "$LATEST".to_owned(), Err(Why::Latest));
    check("stuck", |world| world.wish = Wish::Unstick, Err(Why::NeverStuck));
}

#[test]
fn a_weighted_alias_returns_to_its_stable_version() {
    let weighted = |world: &mut World| {
        world.alias().version = "9".to_owned();
        world.alias().weights.insert("10".to_owned(), 100_000);
    };
    let plan = check("a canary without CodeDeploy", weighted, pointed("10", "9", Basis::Stable)).unwrap();
    assert!(plan.blames);
    assert!(plan.notes.iter().any(|note| note.contains("keeps no time of its own")), "{:?}", plan.notes);
    assert_eq!(plan.before, json!({"version": "9", "weights": {"10": 0.1}, "revision_id": "revision-1"}));

    let stop = |world: &mut World| {
        weighted(world);
        world.deployments(vec![shift("d-1", Status::InProgress, 5, "9", "10")]);
    };
    let plan = check("a canary by CodeDeploy", stop, stopped("10", "9", Basis::Stable)).unwrap();
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);

    for (case, change, why) in [
        (
            "a fix on its way over a bad version",
            (|world: &mut World| world.memory.revisions = vec![revision("9", Standing::Bad, 30)])
                as fn(&mut World),
            Why::FixOnItsWay { version: "9".to_owned() },
        ),
        (
            "the same code on both sides",
            |world| world.version("10").code = Some("sha-9".to_owned()),
            Why::SameCode { from: "10".to_owned(), to: "9".to_owned() },
        ),
    ] {
        let with = |world: &mut World, before: &dyn Fn(&mut World)| {
            before(world);
            change(world);
        };
        check(case, |world| with(world, &weighted), Err(why.clone()));
        check(case, |world| with(world, &stop), Err(why));
    }
    let old = |world: &mut World| {
        weighted(world);
        world.version("10").published_at = Some(ago(61));
    };
    check("weighted for long", old, Err(Why::TooOld { version: "10".to_owned(), since: ago(61) }));
    let late = |world: &mut World| {
        weighted(world);
        world.wish = fired(6);
    };
    check("firing before", late, Err(Why::FiringBefore { version: "10".to_owned(), since: ago(5) }));
    let unknown = |world: &mut World| {
        weighted(world);
        world.version("10").published_at = None;
    };
    check("no time", unknown, Err(Why::NoTime { version: "10".to_owned() }));
}

#[test]
fn a_deployment_by_codedeploy_on_its_way_is_stopped_however_it_shifts() {
    let all_at_once =
        |world: &mut World| world.deployments(vec![shift("d-1", Status::InProgress, 5, "9", "10")]);
    check("all at once", all_at_once, stopped("10", "9", Basis::Source));
    check(
        "begun long ago, and still on its way",
        |world| world.deployments(vec![shift("d-1", Status::InProgress, 300, "9", "10")]),
        stopped("10", "9", Basis::Source),
    );
    check(
        "firing before it began",
        |world| {
            all_at_once(world);
            world.wish = fired(8);
        },
        Err(Why::FiringBefore { version: "10".to_owned(), since: ago(7) }),
    );
    check(
        "a rollback itself",
        |world| {
            all_at_once(world);
            world.history().deployments[0].rollback = true;
        },
        Err(Why::RollingBack { deployment: "d-1".to_owned() }),
    );
    check(
        "leading back to $LATEST",
        |world| world.deployments(vec![shift("d-1", Status::InProgress, 5, "$LATEST", "10")]),
        Err(Why::Latest),
    );
}

#[test]
fn codedeploys_record_comes_first_then_the_ledger_then_the_numbers() {
    let recorded = |world: &mut World| {
        world.deployments(vec![
            shift("d-2", Status::Succeeded, 5, "7", "10"),
            shift("d-1", Status::Succeeded, 500, "6", "7"),
        ]);
        world.memory.revisions = vec![revision("8", Standing::Good, 100)];
    };
    check("CodeDeploy", recorded, pointed("10", "7", deployed("d-2", 5)));

    let remembered = |world: &mut World| {
        let good = |version, minutes| revision(version, Standing::Good, minutes);
        world.memory.revisions = vec![good("10", 1), good("8", 100), good("7", 200)];
    };
    check("the ledger", remembered, pointed("10", "8", Basis::Remembered { since: ago(100) }));

    let plan = check("the numbers", |_| {}, pointed("10", "9", Basis::Lower)).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("version 10 was published")), "{:?}", plan.notes);
}

#[test]
fn versions_are_compared_by_their_number_and_10_is_above_9() {
    check(
        "9 is not above 10",
        |world| {
            world.history().versions = ["9", "11", "10", "2"].map(|number| version(number, 5)).to_vec();
        },
        pointed("10", "9", Basis::Lower),
    );
    check(
        "10 is below 11",
        |world| {
            world.alias().version = "11".to_owned();
            world.history().versions = ["9", "10", "11"].map(|number| version(number, 5)).to_vec();
        },
        pointed("11", "10", Basis::Lower),
    );
}

#[test]
fn the_next_lower_version_is_passed_over_where_it_would_not_help() {
    let taken = |world: &mut World| world.taken = ["9".to_owned()].into();
    check("another alias carries it", taken, pointed("10", "8", Basis::Lower));
    let same = |world: &mut World| world.version("9").code = Some("sha-10".to_owned());
    check("it has the same code", same, pointed("10", "8", Basis::Lower));
    let unknown = |world: &mut World| world.version("9").code = None;
    check("its code is not known", unknown, pointed("10", "8", Basis::Lower));
    let bad = |world: &mut World| {
        world.memory.revisions = vec![revision("9", Standing::Bad, 3), revision("8", Standing::Bad, 4)];
    };
    check("it is bad", bad, pointed("10", "7", Basis::Lower));

    let nothing = || Err(Why::NothingGood { version: "10".to_owned() });
    let alone = |world: &mut World| world.history().versions = vec![version("10", 5), version("11", 1)];
    check("there is none", alone, nothing());
    check("the current code is not known", |world| world.version("10").code = None, nothing());
    check("too many versions", |world| world.history().all_versions = false, Err(Why::TooManyVersions));
}

#[test]
fn a_record_that_leads_to_something_bad_is_not_walked_past_blindly() {
    let bad = |world: &mut World| {
        world.deployments(vec![shift("d-1", Status::Succeeded, 5, "9", "10")]);
        world.memory.revisions = vec![revision("9", Standing::Bad, 30)];
    };
    check("ping-pong", bad, Err(Why::NothingGood { version: "10".to_owned() }));
    let remembered = |world: &mut World| {
        bad(world);
        world.memory.revisions.push(revision("7", Standing::Good, 400));
    };
    let known = pointed("10", "7", Basis::Remembered { since: ago(400) });
    check("bad, but the ledger knows a good one", remembered, known.clone());
    let deleted = |world: &mut World| {
        remembered(world);
        world.memory.revisions.remove(0);
        world.history().versions.retain(|version| version.version != "9");
    };
    check("deleted, but the ledger knows a good one", deleted, known);
    let same = |world: &mut World| {
        world.deployments(vec![shift("d-1", Status::Succeeded, 5, "9", "10")]);
        world.version("10").code = Some("sha-9".to_owned());
    };
    let why = Why::SameCode { from: "10".to_owned(), to: "9".to_owned() };
    check("only the configuration changed", same, Err(why));
    let older = |world: &mut World| {
        world.deployments(vec![shift("d-1", Status::Succeeded, 5, "9", "10")]);
        world.history().versions.clear();
        world.history().all_versions = false;
    };
    let plan = check("not looked through", older, pointed("10", "9", deployed("d-1", 5))).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("could not be checked")), "{:?}", plan.notes);
}

#[test]
fn only_a_recent_deployment_that_came_before_the_alarm_is_blamed() {
    let old = |version: &str, minutes| Why::TooOld { version: version.to_owned(), since: ago(minutes) };
    let published = |minutes: i64| {
        move |world: &mut World| {
            world.version("10").published_at = Some(ago(minutes));
        }
    };
    check("the window includes its edge", published(60), pointed("10", "9", Basis::Lower));
    check("published too long ago", published(61), Err(old("10", 61)));
    check(
        "published long ago, deployed now",
        |world| {
            published(9_000)(world);
            world.deployments(vec![shift("d-1", Status::Succeeded, 5, "9", "10")]);
        },
        pointed("10", "9", deployed("d-1", 5)),
    );
    check(
        "published now by the clock of Lambda, deployed too long ago by CodeDeploy",
        |world| world.deployments(vec![shift("d-1", Status::Succeeded, 61, "9", "10")]),
        Err(old("10", 61)),
    );
    let before = Why::FiringBefore { version: "10".to_owned(), since: ago(5) };
    check("firing before", |world| world.wish = fired(6), Err(before));
    let why = Why::NoTime { version: "10".to_owned() };
    check("no time", |world| world.version("10").published_at = None, Err(why));
}

#[test]
fn a_rollback_is_not_rolled_back() {
    let handled = || Err(Why::RolledBack { deployment: "d-2".to_owned() });
    let mut rollback = shift("d-2", Status::Succeeded, 3, "11", "10");
    rollback.rollback = true;
    check("by CodeDeploy", |world| world.deployments(vec![rollback.clone()]), handled());
    rollback.status = Status::Failed;
    (rollback.current, rollback.target) = ("10".to_owned(), "11".to_owned());
    check("of what failed", |world| world.deployments(vec![rollback]), handled());

    let own = |world: &mut World| {
        world.memory.operations = vec![operation("op-0", Means::UpdateAlias, "11", "10", 30)];
    };
    check("our own", own, Err(Why::OwnRollback { operation: "op-0".to_owned() }));
    check(
        "our own, refused",
        |world| {
            own(world);
            world.memory.operations[0].end = Some(End::Refused);
        },
        pointed("10", "9", Basis::Lower),
    );
    check(
        "our own, and deployed again since",
        |world| {
            own(world);
            world.deployments(vec![shift("d-1", Status::Succeeded, 5, "9", "10")]);
        },
        pointed("10", "9", deployed("d-1", 5)),
    );
}

#[test]
fn by_hand_the_previous_one_is_found_without_attribution() {
    let previous = |world: &mut World| {
        world.wish = Wish::Previous;
        world.version("10").published_at = Some(ago(90_000));
    };
    let plan = check("long ago", previous, pointed("10", "9", Basis::Lower)).unwrap();
    assert!(plan.notes.is_empty() && plan.blames, "{plan:?}");
    check(
        "after a rollback",
        |world| {
            previous(world);
            world.memory.operations = vec![operation("op-0", Means::UpdateAlias, "11", "10", 30)];
        },
        pointed("10", "9", Basis::Lower),
    );
}

#[test]
fn by_hand_a_version_is_taken_as_named_if_there_is_one() {
    let named = |version: &'static str| {
        move |world: &mut World| {
            world.wish = Wish::Revision(version.to_owned());
        }
    };
    let plan = check("lower", named("8"), pointed("10", "8", Basis::Named)).unwrap();
    assert!(!plan.blames);
    for text in ["$LATEST", "live", "", "+9", "9.0", "٩"] {
        check(text, named(text), Err(Why::NotAVersion { text: text.to_owned() }));
    }
    check("unknown", named("12"), Err(Why::NoVersion { version: "12".to_owned() }));
    check("the current one", named("10"), Err(Why::AlreadyThere { version: "10".to_owned() }));
    check(
        "not looked through",
        |world| {
            named("12")(world);
            world.history().all_versions = false;
        },
        Err(Why::TooManyVersions),
    );
    check(
        "the stable side",
        |world| {
            named("9")(world);
            world.alias().version = "9".to_owned();
            world.alias().weights.insert("10".to_owned(), 500_000);
        },
        pointed("10", "9", Basis::Named),
    );
    let busy = |target: &'static str| {
        move |world: &mut World| {
            named(target)(world);
            world.deployments(vec![shift("d-1", Status::InProgress, 5, "9", "10")]);
        }
    };
    check("where CodeDeploy comes from", busy("9"), stopped("10", "9", Basis::Named));
    check("elsewhere", busy("8"), Err(Why::Busy { deployment: "d-1".to_owned() }));
    let bad = |world: &mut World| {
        named("8")(world);
        world.memory.revisions = vec![revision("8", Standing::Bad, 9)];
    };
    let plan = check("a bad one, by name", bad, pointed("10", "8", Basis::Named)).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("held to be bad")), "{:?}", plan.notes);
}

#[test]
fn by_hand_what_ran_at_a_time_is_only_taken_where_it_is_on_record() {
    let at = |minutes: i64| {
        move |world: &mut World| {
            world.deployments(vec![
                shift("d-2", Status::Succeeded, 100, "8", "10"),
                shift("d-x", Status::Failed, 150, "8", "9"),
                shift("d-1", Status::Succeeded, 200, "7", "8"),
            ]);
            world.wish = Wish::At(ago(minutes));
        }
    };
    let unknown = |minutes| Err(Why::NotRecorded { at: ago(minutes) });
    check("between two", at(120), pointed("10", "8", deployed("d-1", 200)));
    check("since the newest", at(50), Err(Why::AlreadyThere { version: "10".to_owned() }));
    check("before the record", at(250), unknown(250));
    check("in the future", at(-1), unknown(-1));
    check(
        "changed otherwise in between",
        |world| {
            at(120)(world);
            world.history().deployments[0].current = "6".to_owned();
        },
        unknown(120),
    );
    check(
        "changed otherwise since",
        |world| {
            at(50)(world);
            world.alias().version = "9".to_owned();
        },
        unknown(50),
    );
    check(
        "the record was cut",
        |world| {
            at(120)(world);
            world.history().whole = false;
        },
        unknown(120),
    );
    check(
        "bad since",
        |world| {
            at(120)(world);
            world.memory.revisions = vec![revision("8", Standing::Bad, 90)];
        },
        Err(Why::Bad { version: "8".to_owned() }),
    );
    check(
        "deleted since",
        |world| {
            at(120)(world);
            world.history().versions.retain(|version| version.version != "8");
        },
        Err(Why::NoVersion { version: "8".to_owned() }),
    );
    check(
        "by what the ledger remembers",
        |world| {
            world.wish = Wish::At(ago(50));
            let mut made = operation("op-0", Means::UpdateAlias, "9", "8", 60);
            made.end = Some(End::Recovered);
            let later = operation("op-1", Means::UpdateAlias, "8", "10", 40);
            world.memory.operations = vec![Operation { end: Some(End::Unhealed), ..later }, made];
            world.memory.revisions = vec![revision("8", Standing::Good, 55)];
        },
        pointed("10", "8", Basis::Remembered { since: ago(55) }),
    );
}

#[test]
fn what_was_begun_goes_on_as_it_was_begun() {
    let begun = |means| {
        move |world: &mut World| {
            world.own = Some(operation("op-1", means, "10", "8", 1));
            world.memory.revisions = vec![revision("10", Standing::Bad, 1)];
        }
    };
    let plan = check("the alias", begun(Means::UpdateAlias), pointed("10", "8", Basis::Begun)).unwrap();
    assert!(plan.blames);
    let with = |means, deployment: Shift| {
        move |world: &mut World| {
            begun(means)(world);
            world.own.as_mut().unwrap().deployment = Some("d-1".to_owned());
            world.deployments(vec![deployment]);
        }
    };
    let on_its_way = shift("d-1", Status::InProgress, 5, "8", "10");
    let stop = || stopped("10", "8", Basis::Begun);
    check("not stopped yet", with(Means::StopDeployment, on_its_way.clone()), stop());
    check("CodeDeploy began meanwhile", with(Means::UpdateAlias, on_its_way.clone()), stop());
    let mut over = shift("d-1", Status::Stopped, 5, "8", "10");
    over.rollback = true;
    check("stopped already", with(Means::StopDeployment, over), stop());
    check(
        "arrived before it could be stopped",
        with(Means::StopDeployment, shift("d-1", Status::Succeeded, 1, "8", "10")),
        pointed("10", "8", Basis::Begun),
    );
    let other = shift("d-3", Status::InProgress, 1, "10", "11");
    let busy = Why::Busy { deployment: "d-3".to_owned() };
    check("somebody deploys", with(Means::UpdateAlias, other.clone()), Err(busy));
    let rolling = Shift { rollback: true, ..other };
    let why = Why::RollingBack { deployment: "d-3".to_owned() };
    check("CodeDeploy rolls back", with(Means::UpdateAlias, rolling), Err(why));
    check(
        "to $LATEST",
        |world| {
            begun(Means::UpdateAlias)(world);
            world.own.as_mut().unwrap().to = "$LATEST".to_owned();
        },
        Err(Why::Latest),
    );
}

#[test]
fn an_operation_is_made_when_all_requests_go_where_it_led() {
    let at = |version: &str, weights: &[&str]| {
        let mut world = world();
        world.alias().version = version.to_owned();
        world.alias().weights = weights.iter().map(|version| ((*version).to_owned(), 100_000)).collect();
        world.scene
    };
    let own = operation("op-1", Means::UpdateAlias, "10", "9", 1);
    let overtaken = |running: &str| Position::Overtaken { running: running.to_owned() };
    for (scene, expected) in [
        (at("9", &[]), Position::Made),
        (at("10", &[]), Position::Before),
        (at("9", &["10"]), Position::Before),
        (at("9", &["11"]), overtaken("9 and 11")),
        (at("11", &[]), overtaken("11")),
        (at("10", &["11"]), overtaken("10 and 11")),
        (Scene::default(), overtaken("nothing: the alias is gone")),
    ] {
        assert_eq!(position(&scene, &own), expected, "{scene:?}");
    }
    let before = json!({"version": "10", "weights": {"11": 0.1}, "revision_id": "revision-1"}).to_string();
    let own = Operation { before: Some(before), ..own };
    assert_eq!(position(&at("10", &["11"]), &own), Position::Before, "as it was when it was begun");
}

#[test]
fn codedeploy_is_asked_as_far_back_as_the_wish_needs_and_other_aliases_only_for_a_guess() {
    for (wish, hours) in [
        (fired(1), 3),
        (Wish::Revision("8".to_owned()), 3),
        (Wish::Previous, 90 * 24),
        (Wish::At(ago(1)), 90 * 24),
    ] {
        let mut world = world();
        world.wish = wish;
        assert_eq!(world.asked()[0], Question::History { since: ago(hours * 60) });
    }
    assert_eq!(world().asked().len(), 2, "a guess looks at the other aliases");
    let mut recorded = world();
    recorded.deployments(vec![shift("d-1", Status::Succeeded, 5, "9", "10")]);
    assert_eq!(recorded.asked().len(), 1, "a record needs no guess");
}

#[test]
fn every_reason_is_a_clause_with_a_next_step() {
    let v = || "10".to_owned();
    let (deployment, since) = ("d-1".to_owned(), now());
    let reasons = [
        (Why::Missing, Severity::Sev3, "no alias of that name"),
        (Why::Latest, Severity::Sev3, "$LATEST"),
        (Why::NeverStuck, Severity::Sev3, "only a stack can"),
        (Why::RollingBack { deployment: deployment.clone() }, Severity::Sev3, "already rolling"),
        (Why::RolledBack { deployment: deployment.clone() }, Severity::Sev3, "already rolled"),
        (Why::FixOnItsWay { version: v() }, Severity::Sev2, "held to be bad"),
        (Why::TooOld { version: v(), since }, Severity::Sev3, "recent enough"),
        (Why::FiringBefore { version: v(), since }, Severity::Sev3, "fired before"),
        (Why::NoTime { version: v() }, Severity::Sev2, "neither CodeDeploy nor Lambda says when"),
        (Why::OwnRollback { operation: "op-1".to_owned() }, Severity::Sev3, "own rollback"),
        (Why::SameCode { from: v(), to: "9".to_owned() }, Severity::Sev2, "same code as version 9"),
        (Why::NothingGood { version: v() }, Severity::Sev2, "no version known to be good"),
        (Why::TooManyVersions, Severity::Sev2, "more published versions"),
        (Why::Busy { deployment }, Severity::Sev3, "would overwrite"),
        (Why::NotAVersion { text: "live".to_owned() }, Severity::Sev3, "\"live\" is not the number"),
        (Why::NoVersion { version: v() }, Severity::Sev3, "no published version 10"),
        (Why::AlreadyThere { version: v() }, Severity::Sev3, "version 10 already"),
        (Why::NotRecorded { at: since }, Severity::Sev3, "no history of an alias"),
        (Why::Bad { version: v() }, Severity::Sev3, "version 10 ran then"),
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
