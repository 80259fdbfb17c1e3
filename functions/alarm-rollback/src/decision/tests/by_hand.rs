//! What is asked by hand.

use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::revision::Standing;
use shared::policy::{Freeze, Frozen, ScaledToZero};
use shared::tags::Mode;

use super::truth::{digest, operation, redeploy, tag};
use super::*;
use crate::cases::{ago, now, td};
use crate::cause::Wanted;
use crate::facts::service::{Found, Status};

rules! {
    back_to_the_previous_good_one_however_long_ago,
    back_to_a_revision_that_somebody_names,
    back_to_what_ran_at_a_time,
    what_was_done_can_be_undone,
    it_is_a_dry_run_unless_said_otherwise,
    production_asks_for_the_confirmation_word,
    a_person_waits_for_no_cooldown_but_for_a_rollback_under_way,
    a_person_decides_over_freezes_but_not_over_safety,
    what_is_not_ours_is_not_touched_by_hand_either,
}

fn asked(name: &'static str, wanted: Wanted, change: impl FnOnce(&mut Truth), verdict: &'static str) -> Case {
    case(name, truth().by_hand(wanted).with(change), verdict)
}

fn back_to_the_previous_good_one_however_long_ago() -> Vec<Case> {
    let previous = |name, change: fn(&mut Truth), verdict| asked(name, Wanted::Previous, change, verdict);
    let newest = |truth: &mut Truth, status| {
        truth.history(&[(status, 5, 7), (Status::Successful, 500, 6)]);
        truth.scene().sources = Some(vec!["revision-1".to_owned()]);
    };
    vec![
        previous(
            "a recent deployment",
            |_| {},
            "web:7 -> web:6: update the service to web:6 (high confidence",
        ),
        previous(
            "a deployment of days ago",
            |truth| truth.history(&[(Status::Successful, 9_000, 7), (Status::Successful, 90_000, 6)]),
            "web:7 -> web:6",
        ),
        previous(
            "the one before is bad",
            |truth| truth.remember(6, Standing::Bad, 60),
            "hold: there is no revision known to be good",
        ),
        asked(
            "a deployment in flight",
            Wanted::Previous,
            |truth| newest(truth, Status::InProgress),
            "web:7 -> web:6: stop deployment-0",
        ),
        asked(
            "ECS is at it",
            Wanted::Previous,
            |truth| newest(truth, Status::RollingBack),
            "hold: ECS is already rolling the deployment back",
        ),
        asked(
            "ECS did it",
            Wanted::Previous,
            |truth| {
                newest(truth, Status::RolledBack);
                truth.service().task_definition = td(6);
            },
            "hold: ECS has already rolled the deployment back",
        ),
        previous(
            "a service at zero, which the policy recovers",
            |truth| {
                truth.service().desired = 0;
                truth.rules().rollback.scaled_to_zero = ScaledToZero::Recover(2);
            },
            "0 tasks -> 2 tasks: scale to 2",
        ),
    ]
}

fn back_to_a_revision_that_somebody_names() -> Vec<Case> {
    let named =
        |name, revision: &str, verdict| asked(name, Wanted::Revision(revision.to_owned()), |_| {}, verdict);
    let fifth = "web:7 -> web:5: update the service to web:5 (somebody named it)";
    let long = "x".repeat(1_000);
    vec![
        named("by its number", "5", fifth),
        named("by family and number", "web:5", fifth),
        named("by its ARN", &td(5), fifth),
        named("another family by its short name", "api:5", "hold: \"api:5\" is no task definition"),
        named("a newer one", "9", "web:7 -> web:9"),
        named("what runs", "web:7", "hold: it runs web:7 already"),
        named(
            "what ECS does not know",
            "41",
            "hold: ECS does not know the task definition web:41 (any more)",
        ),
        named("a family alone", "web", "hold: \"web\" is no task definition; write web:41, 41 or its ARN"),
        named("nothing", "", "hold: \"\" is no task definition"),
        named("a number below zero", "-1", "hold: \"-1\" is no task definition"),
        named(
            "an ARN of another account",
            "arn:aws:ecs:eu-west-1:999999999999:task-definition/web:5",
            "hold: \"arn:",
        ),
        named("an ARN of a service", "arn:aws:ecs:eu-west-1:123456789012:service/prod/web", "hold: \"arn:"),
        named("a command", "web:5; rm -rf", "hold: \"web:5; rm -rf\" is no task definition"),
        named("very much", &long, "hold: \"xxxx"),
        asked(
            "a bad one, at their word",
            Wanted::Revision("5".to_owned()),
            |truth| truth.remember(5, Standing::Bad, 60),
            fifth,
        ),
        asked(
            "one whose image is gone",
            Wanted::Revision("5".to_owned()),
            |truth| truth.definition(5).images[0].found = Found::Gone,
            "hold: web:5 cannot be deployed: its image",
        ),
        asked(
            "of a service at zero, which the policy recovers",
            Wanted::Revision("5".to_owned()),
            |truth| {
                truth.service().desired = 0;
                truth.rules().rollback.scaled_to_zero = ScaledToZero::Recover(2);
            },
            "hold: the service is scaled to zero",
        ),
    ]
}

fn back_to_what_ran_at_a_time() -> Vec<Case> {
    let at = |name, minutes, verdict| {
        asked(
            name,
            Wanted::At(ago(minutes)),
            |truth| {
                truth.history(&[
                    (Status::Successful, 5, 7),
                    (Status::RolledBack, 50, 8),
                    (Status::Successful, 100, 6),
                    (Status::Successful, 200, 5),
                ]);
            },
            verdict,
        )
    };
    let without = |truth: &mut Truth| truth.scene().deployments.clear();
    vec![
        at("between two deployments", 150, "web:7 -> web:5: update the service to web:5 (high confidence"),
        at("while one was on its way", 101, "web:7 -> web:5"),
        at("when one had just ended", 100, "web:7 -> web:6"),
        at("after one that did not stay", 40, "web:7 -> web:6"),
        at("now", 0, "hold: it runs web:7 already"),
        asked(
            "what ran then is bad",
            Wanted::At(ago(90)),
            |truth| {
                truth.history(&[(Status::Successful, 5, 7), (Status::Successful, 100, 6)]);
                truth.remember(6, Standing::Bad, 60);
            },
            "hold: web:6 ran then, and was rolled away from since",
        ),
        at("before all", 300, "hold: ECS has no record of what ran at 2026-11-20T07:02:00Z"),
        asked("ECS lists nothing", Wanted::At(ago(10)), without, "hold: ECS has no record of what ran at"),
    ]
}

fn what_was_done_can_be_undone() -> Vec<Case> {
    let undo = || Wanted::Undo("op-1".to_owned());
    let done = |end| {
        move |truth: &mut Truth| {
            truth.history(&[
                (Status::Successful, 5, 6),
                (Status::Successful, 60, 7),
                (Status::Successful, 500, 6),
            ]);
            truth.lease(&operation("op-1", 7, 6, 8, end), 52);
            truth.remember(7, Standing::Bad, 8);
        }
    };
    let scaled = |truth: &mut Truth| {
        let scaled =
            Operation { means: Means::Scale, from: "0 tasks".to_owned(), ..operation("op-1", 7, 6, 8, None) };
        truth.lease(&scaled, 52);
    };
    let weighted = |truth: &mut Truth| {
        let before = Some(r#"{"version": "7", "weights": {"8": 0.1}}"#.to_owned());
        let unweighted = Operation {
            means: Means::UpdateAlias,
            before,
            ..operation("op-1", 7, 6, 8, Some(End::Recovered))
        };
        truth.lease(&unweighted, 52);
    };
    vec![
        asked(
            "an alias was weighted before",
            undo(),
            weighted,
            "hold: the alias sent requests to two versions before",
        ),
        asked(
            "it is over",
            undo(),
            done(Some(End::Recovered)),
            "web:6 -> web:7: update the service to web:7 (somebody named it)",
        ),
        asked("it is still watched", undo(), done(None), "web:6 -> web:7: update the service to web:7"),
        asked(
            "nobody knows it",
            Wanted::Undo("op-9".to_owned()),
            |_| {},
            "hold: no operation \"op-9\" of it is remembered",
        ),
        asked(
            "it is a redeploy",
            Wanted::Undo("re-8".to_owned()),
            |truth| truth.memory().redeploys = vec![redeploy(6, 7, 8, None)],
            "hold: no operation \"re-8\" of it is remembered",
        ),
        asked(
            "somebody has undone it",
            undo(),
            |truth| {
                done(None)(truth);
                truth.service().task_definition = td(7);
            },
            "hold: it runs web:7 already",
        ),
        asked("it set a number of tasks", undo(), scaled, "hold: \"0 tasks\" is no task definition"),
    ]
}

fn it_is_a_dry_run_unless_said_otherwise() -> Vec<Case> {
    let dry = |truth: &mut Truth| {
        truth.request().dry_run = true;
        truth.request().confirmed = false;
    };
    vec![asked(
        "in production",
        Wanted::Previous,
        dry,
        "propose, because this is a dry run: web:7 -> web:6: update the service to web:6",
    )]
}

fn production_asks_for_the_confirmation_word() -> Vec<Case> {
    let unconfirmed = |environment: &'static str, production| {
        move |truth: &mut Truth| {
            truth.request().confirmed = false;
            environment.clone_into(&mut truth.policy.environment);
            truth.rules().production = production;
        }
    };
    let word = "hold: this is production, which asks for \"confirm\": \"ROLLBACK\"";
    let asked = |name, environment, production, verdict| {
        asked(name, Wanted::Previous, unconfirmed(environment, production), verdict)
    };
    vec![
        asked("prod", "prod", None, word),
        asked("prod-eu", "prod-eu", None, word),
        asked("staging", "staging", None, "web:7 -> web:6"),
        asked("staging, which the policy calls production", "staging", Some(true), word),
        asked("prod, which the policy does not call production", "prod", Some(false), "web:7 -> web:6"),
    ]
}

fn a_person_waits_for_no_cooldown_but_for_a_rollback_under_way() -> Vec<Case> {
    let held = |operation: Operation| move |truth: &mut Truth| truth.lease(&operation, 30);
    let often = |truth: &mut Truth| {
        truth.memory().operations = (1..9)
            .map(|hour| operation(&format!("op-{hour}"), 9, 8, hour * 60, Some(End::Recovered)))
            .collect();
    };
    vec![
        asked(
            "one is under way",
            Wanted::Previous,
            held(operation("op-1", 8, 7, 5, None)),
            "hold: a rollback of it is already in progress since",
        ),
        asked(
            "one is under way, and another is to be undone",
            Wanted::Undo("op-0".to_owned()),
            |truth| {
                truth.memory().operations.push(operation("op-0", 6, 5, 90, Some(End::Recovered)));
                truth.lease(&operation("op-1", 8, 7, 5, None), 30);
            },
            "hold: a rollback of it is already in progress since",
        ),
        asked(
            "the cooldown",
            Wanted::Previous,
            held(operation("op-1", 8, 7, 5, Some(End::Unhealed))),
            "web:7 -> web:6",
        ),
        asked("rolled back often", Wanted::Previous, often, "web:7 -> web:6"),
        asked(
            "it was done before it could be said",
            Wanted::Previous,
            |truth| {
                truth.lease(&truth.own(), 30);
                truth.service().task_definition = td(6);
            },
            "done before: web:7 -> web:6",
        ),
    ]
}

fn a_person_decides_over_freezes_but_not_over_safety() -> Vec<Case> {
    let frozen = |truth: &mut Truth| truth.rules().freeze = Freeze::On(Frozen::default());
    vec![
        asked("frozen", Wanted::Previous, frozen, "web:7 -> web:6"),
        asked(
            "marked as unsafe",
            Wanted::Previous,
            |truth| tag(&mut truth.service().tags, "rollback", "unsafe"),
            "hold: it is marked as unsafe to roll back",
        ),
        asked(
            "its stack is being updated",
            Wanted::Revision("5".to_owned()),
            blame::owned(Some("UPDATE_IN_PROGRESS")),
            "hold: the stack that owns the service is being changed",
        ),
    ]
}

fn what_is_not_ours_is_not_touched_by_hand_either() -> Vec<Case> {
    vec![
        asked("off", Wanted::Previous, |truth| truth.policy.mode = Mode::Off, "ignore: its mode is off"),
        asked(
            "off by its tag",
            Wanted::Previous,
            |truth| tag(&mut truth.service().tags, "mode", "off"),
            "ignore: its mode is off",
        ),
        asked(
            "another cluster",
            Wanted::Previous,
            |truth| truth.policy.clusters = "dev".to_owned(),
            "ignore: ecs:prod/web is not among the targets",
        ),
        asked(
            "another environment",
            Wanted::Previous,
            |truth| tag(&mut truth.service().tags, "environment", "dev"),
            "ignore: it belongs to the environment dev",
        ),
        asked(
            "no such service",
            Wanted::Previous,
            |truth| truth.scene().service = None,
            "hold: there is no service",
        ),
    ]
}

#[test]
fn who_asks_is_recorded_and_what_is_undone_is_not_blamed() {
    let asked = truth().by_hand(Wanted::Previous).rollback();
    assert_eq!((asked.asked_by.as_deref(), asked.began), (Some("ann"), now()));
    assert!(asked.plan.blames);
    let nobody = truth().by_hand(Wanted::Previous).with(|truth| truth.request().by = None).rollback();
    assert_eq!(nobody.asked_by.as_deref(), Some("somebody"));
    let undone = truth().by_hand(Wanted::Undo("op-1".to_owned())).with(|truth| {
        truth.service().task_definition = td(6);
        truth.memory().operations = vec![operation("op-1", 7, 6, 8, Some(End::Recovered))];
    });
    assert!(!undone.rollback().plan.blames, "somebody wants back to what it left");
}

#[test]
fn what_stands_there_is_recorded_so_that_it_can_be_undone() {
    let before = truth().by_hand(Wanted::Previous).rollback().plan.before;
    assert_eq!(before["task_definition"], td(7));
    assert_eq!(before["desired"], 3);
}

#[test]
fn what_a_person_names_is_not_more_than_two_hundred_characters_of_a_reason() {
    let long = "é".repeat(10_000);
    let verdict = truth().by_hand(Wanted::Revision(long)).verdict();
    assert!(said(&verdict).chars().count() < 300);
}

#[test]
fn by_hand_the_digest_that_ran_is_returned_to() {
    let asked = truth().by_hand(Wanted::At(ago(100))).with(|truth| {
        truth.definition(6).images[0].found = Found::Moved;
        truth.scene().revisions.as_mut().unwrap()[1].images = digest("then");
    });
    assert!(said(&asked.verdict()).starts_with("web:7 -> web:6: copy web:6 with web@sha256:then"));
}
