//! An alarm goes back to OK.

use shared::alarm::State;
use shared::ledger::incident::Incident;
use shared::ledger::operation::End;
use shared::notice;

use super::truth::{incident, operation};
use super::*;
use crate::cases::ago;

rules! {
    a_recovery_takes_back_what_people_were_told,
    a_recovery_is_handed_to_whoever_watches_the_rollback,
}

fn recovered(told: Option<Incident>) -> Truth {
    truth().with(|truth| {
        truth.change().state = State::Ok;
        truth.change().previous = Some(State::Alarm);
        truth.alarm().state = Some(State::Ok);
        truth.facts.incident = Some(told);
    })
}

fn firing(minutes: i64, operation: Option<&str>) -> Incident {
    incident(minutes, notice::State::Firing, operation)
}

fn a_recovery_takes_back_what_people_were_told() -> Vec<Case> {
    let resolved = Some(incident(5, notice::State::Resolved, None));
    let now = |state| recovered(Some(firing(5, None))).with(|truth| truth.alarm().state = state);
    let nobody = "ignore: the alarm is OK, and nobody was told that it fired";
    let newer = "ignore: the alarm has changed again since; the newer change counts";
    vec![
        case("they were told that it fires", recovered(Some(firing(5, None))), "resolve alarm:web-5xx"),
        case("the alarm is deleted", now(None), "resolve alarm:web-5xx"),
        case("nobody was told", recovered(None), nobody),
        case("it was taken back before", recovered(resolved), nobody),
        case("it fired again since, and they were told", recovered(Some(firing(0, None))), newer),
        case("it fires again", now(Some(State::Alarm)), newer),
    ]
}

fn a_recovery_is_handed_to_whoever_watches_the_rollback() -> Vec<Case> {
    let ended = |end| {
        recovered(Some(firing(5, Some("op-1"))))
            .with(|truth| truth.memory().operations = vec![operation("op-1", 7, 6, 5, end)])
    };
    let unknown = recovered(Some(firing(5, Some("op-1"))));
    let mut elsewhere = incident(5, notice::State::Firing, Some("op-1"));
    elsewhere.target = String::new();
    vec![
        case("the rollback is not over", ended(None), "hand over op-1 of ecs:prod/web"),
        case("the rollback is over", ended(Some(End::Recovered)), "resolve alarm:web-5xx"),
        case("the rollback is forgotten", unknown, "resolve alarm:web-5xx"),
        case("of no known target", recovered(Some(elsewhere)), "resolve alarm:web-5xx"),
    ]
}

#[test]
fn an_end_at_the_very_time_of_the_last_word_counts() {
    let same = recovered(Some(firing(1, None))).with(|truth| truth.change().changed_at = ago(1));
    assert_eq!(said(&same.verdict()), "resolve alarm:web-5xx");
}

#[test]
fn an_end_that_nobody_waits_for_costs_one_look() {
    assert_eq!(recovered(None).asked(), [Question::Incident]);
    assert_eq!(recovered(Some(firing(5, None))).asked(), [Question::Incident, Question::Alarm]);
}
