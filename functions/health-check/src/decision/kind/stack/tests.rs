use jiff::Timestamp;
use shared::policy::Health as Rules;

use super::{Event, Facts, NAMED, Trouble, troubles, verdict};
use crate::decision::{Health, Verdict};

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn of(status: &str) -> Facts {
    since(status, "2026-11-26T11:30:00Z")
}

fn since(status: &str, at: &str) -> Facts {
    Facts {
        there: true,
        status: status.to_owned(),
        since: at.parse().ok(),
        drift: "NOT_CHECKED".to_owned(),
        protected: Some(true),
        ..Facts::default()
    }
}

#[test]
fn a_stack_is_what_its_state_says() {
    let cases = [
        ("CREATE_COMPLETE", Health::Healthy, "it is stable"),
        ("UPDATE_COMPLETE", Health::Healthy, "it is stable"),
        ("IMPORT_COMPLETE", Health::Healthy, "it is stable"),
        ("CREATE_IN_PROGRESS", Health::Healthy, "it is changing"),
        ("UPDATE_IN_PROGRESS", Health::Healthy, "it is changing"),
        ("DELETE_IN_PROGRESS", Health::Healthy, "it is changing"),
        ("IMPORT_IN_PROGRESS", Health::Healthy, "it is changing"),
        ("REVIEW_IN_PROGRESS", Health::Healthy, "it is changing"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Health::Healthy, "it is changing"),
        ("ROLLBACK_IN_PROGRESS", Health::Degraded, "its last change has failed, and is rolled back"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Health::Degraded, "its last change has failed, and is rolled back"),
        ("IMPORT_ROLLBACK_IN_PROGRESS", Health::Degraded, "its last change has failed, and is rolled back"),
        (
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            Health::Degraded,
            "its last change was rolled back: what runs is not what was deployed",
        ),
        (
            "UPDATE_ROLLBACK_COMPLETE",
            Health::Degraded,
            "its last change was rolled back: what runs is not what was deployed",
        ),
        (
            "IMPORT_ROLLBACK_COMPLETE",
            Health::Degraded,
            "its last change was rolled back: what runs is not what was deployed",
        ),
        (
            "ROLLBACK_COMPLETE",
            Health::Failed,
            "its creation was rolled back: nothing of it is there, and it cannot be updated",
        ),
        ("DELETE_COMPLETE", Health::Failed, "it was deleted"),
        ("CREATE_FAILED", Health::Failed, "it could not be created"),
        ("ROLLBACK_FAILED", Health::Failed, "it could not be created"),
        ("DELETE_FAILED", Health::Failed, "it could not be deleted"),
        ("UPDATE_FAILED", Health::Failed, "its update has failed"),
        ("UPDATE_ROLLBACK_FAILED", Health::Failed, "its rollback has failed: it takes no more updates"),
        ("IMPORT_ROLLBACK_FAILED", Health::Failed, "the rollback of its import has failed"),
        ("SLEEPING", Health::Unknown, "CloudFormation says a state that is not known here: SLEEPING"),
        (
            "SLEEP_IN_PROGRESS",
            Health::Unknown,
            "CloudFormation says a state that is not known here: SLEEP_IN_PROGRESS",
        ),
        ("", Health::Unknown, "CloudFormation does not say what state it is in"),
    ];
    for (status, health, reason) in cases {
        let verdict = verdict(&of(status), &Rules::default(), now());
        assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{status}");
        assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{status}");
    }
    let gone = verdict(&Facts::default(), &Rules::default(), now());
    assert_eq!((gone.health, gone.reason.as_str()), (Health::Failed, "it does not exist (any more)"));
}

#[test]
fn a_change_that_takes_longer_than_it_may_is_stuck() {
    let cases = [
        ("UPDATE_IN_PROGRESS", Health::Failed),
        ("CREATE_IN_PROGRESS", Health::Failed),
        ("DELETE_IN_PROGRESS", Health::Failed),
        ("REVIEW_IN_PROGRESS", Health::Failed),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Health::Failed),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Health::Degraded),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", Health::Degraded),
    ];
    for (status, health) in cases {
        let verdict = verdict(&since(status, "2026-11-26T11:29:59Z"), &Rules::default(), now());
        let stuck = format!("it is stuck: {status} since 2026-11-26T11:29:59Z, longer than 30m");
        assert_eq!(verdict.health, health, "{status}");
        assert!(verdict.reason.contains(&stuck), "{}", verdict.reason);
    }
    let when = verdict(&since("UPDATE_IN_PROGRESS", ""), &Rules::default(), now());
    assert_eq!(when.health, Health::Unknown);
    assert_eq!(when.reason, "it is UPDATE_IN_PROGRESS, and it is not said since when");
}

#[test]
fn a_change_that_was_not_valid_is_degraded_and_a_new_word_is_unknown() {
    let detailed = |word: &str| Facts { detailed: word.to_owned(), ..of("UPDATE_COMPLETE") };
    for (word, health) in [
        ("CONFIGURATION_COMPLETE", Health::Healthy),
        ("VALIDATION_FAILED", Health::Degraded),
        ("HALF_DONE", Health::Unknown),
    ] {
        assert_eq!(verdict(&detailed(word), &Rules::default(), now()).health, health, "{word}");
    }
}

#[test]
fn what_a_change_stands_at_is_told_and_a_denial_does_not_hide_the_state() {
    let trouble = |name: usize| Trouble {
        resource: format!("Web{name} (AWS::ECS::Service)"),
        status: "UPDATE_FAILED".to_owned(),
        reason: "It did not stabilise".to_owned(),
    };
    let facts = Facts { troubles: Ok((0..7).map(trouble).collect()), ..of("UPDATE_ROLLBACK_FAILED") };
    let told = verdict(&facts, &Rules::default(), now());
    let named: Vec<_> = told.evidence.iter().filter(|fact| fact.name.starts_with("Web")).collect();
    assert_eq!(named.len(), NAMED);
    assert_eq!(named[0].value, "UPDATE_FAILED: It did not stabilise");
    assert!(told.evidence.iter().any(|fact| fact.name == "More resources" && fact.value == "2"));
    let denied = Verdict { reason: "could not be checked: denied".to_owned(), ..Verdict::default() };
    let facts = Facts { troubles: Err(denied), ..of("UPDATE_ROLLBACK_FAILED") };
    let told = verdict(&facts, &Rules::default(), now());
    assert_eq!(told.health, Health::Failed);
    assert!(told.reason.ends_with("its events could not be checked: denied"), "{}", told.reason);
}

fn event(resource: &str, status: &str, reason: &str) -> Event {
    Event {
        resource: resource.to_owned(),
        sort: "AWS::ECS::Service".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        own: resource == "web",
    }
}

#[test]
fn the_first_failure_leads_what_was_cancelled_is_left_out_and_older_changes_do_not_count() {
    let events = [
        event("Web", "UPDATE_IN_PROGRESS", ""),
        event("web", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Worker]."),
        event("Table", "UPDATE_FAILED", "Resource update cancelled"),
        event("Queue", "UPDATE_FAILED", "Access denied"),
        event("Worker", "UPDATE_FAILED", "Circuit breaker"),
        event("Web", "UPDATE_COMPLETE", ""),
        event("Worker", "UPDATE_IN_PROGRESS", ""),
        event("web", "UPDATE_IN_PROGRESS", "User Initiated"),
        event("Old", "CREATE_FAILED", "long ago"),
    ];
    let told: Vec<_> = troubles(&events).into_iter().map(|it| (it.resource, it.status, it.reason)).collect();
    let of = |name: &str, status: &str, reason: &str| {
        (format!("{name} (AWS::ECS::Service)"), status.to_owned(), reason.to_owned())
    };
    assert_eq!(
        told,
        [
            of("Worker", "UPDATE_FAILED", "Circuit breaker"),
            of("Queue", "UPDATE_FAILED", "Access denied"),
            of("Web", "UPDATE_IN_PROGRESS", ""),
        ]
    );
    assert_eq!(troubles(&[]), []);
}
