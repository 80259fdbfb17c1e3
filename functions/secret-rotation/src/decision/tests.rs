//! Each rule in a table: what is known, and what follows from it.

mod prologue;
mod properties;
mod random;
mod servers;
mod settle;
mod standing;
mod tokens;

use shared::ledger::rotation::State;
use shared::strategy::Strategy;

use super::{Action, Fill, Plan, Question, Recipe, Step, Verdict, decide};
use crate::cases::{document, facts, rotation};
use crate::event::Hook;
use crate::facts::{Facts, Which};

/// A step in words that a table can hold.
fn told(step: &Step) -> String {
    match step {
        Step::Look(Question::Login(which, access)) => {
            let user = access.user.as_deref().unwrap_or("-");
            format!("look: login {which:?} {user}@{}", access.host)
        }
        Step::Look(Question::Value(which, source)) => {
            let version = source.version.as_deref().unwrap_or("-");
            format!("look: value {which:?} {version} {}", source.stage.unwrap_or("-"))
        }
        Step::Look(question) => format!("look: {question:?}"),
        Step::Settled(Verdict::Act(plan)) => format!("act: {}", action(plan)),
        Step::Settled(verdict) => format!("{}: {}", verdict.outcome(), verdict.why()),
    }
}

fn action(plan: &Plan) -> String {
    let from = plan.from.as_deref().unwrap_or("-");
    match &plan.action {
        Action::Create(Recipe::Whole(shape)) => format!("create {} {:?}", shape.length, shape.alphabet),
        Action::Create(Recipe::Fields { fill, .. }) => {
            let filled: Vec<_> = fill
                .iter()
                .map(|(name, fill)| match fill {
                    Fill::Random(shape) => format!("{name} new {}", shape.length),
                    Fill::Text(text) => format!("{name} {text}"),
                    Fill::Value(value) => format!("{name} kept {}", value.reveal()),
                })
                .collect();
            format!("create {}", filled.join(", "))
        }
        Action::SetPassword { session, proof } => {
            format!("set by {}, proved by {}", session.password.reveal(), proof.password.reveal())
        }
        Action::Alternate { session, pair, proof } => format!(
            "alternate by {} in {:?}, of {pair:?}, proved by {:?}",
            session.user.as_deref().unwrap_or_default(),
            session.server,
            proof.user
        ),
        Action::SetUserPasswords { user, passwords } => {
            let passwords: Vec<_> = passwords.iter().map(crate::hidden::Hidden::reveal).collect();
            format!("passwords of {user}: {passwords:?}")
        }
        Action::RotateToken { group, token } => format!("rotate {group} to {}", token.reveal()),
        Action::SetToken { group, token } => format!("set {group} to {}", token.reveal()),
        Action::Finish => format!("finish from {from}"),
        Action::AdoptToken | Action::Rotated | Action::Settled => format!("{:?}", plan.action),
    }
}

#[track_caller]
fn check(facts: &Facts, expected: &str) {
    let told = told(&decide(facts, "prod"));
    assert!(told.starts_with(expected), "{told}\ninstead of\n{expected}");
}

const STEPS: [Hook; 4] = [Hook::CreateSecret, Hook::SetSecret, Hook::TestSecret, Hook::FinishSecret];

#[test]
fn a_pending_value_that_is_there_is_kept() {
    for strategy in Strategy::ALL {
        check(&facts(Hook::CreateSecret, strategy), "created: AWSPENDING has a value already, which is kept");
    }
}

#[test]
fn without_a_pending_value_no_step_but_the_first_is_taken() {
    for strategy in Strategy::ALL {
        for step in [Hook::SetSecret, Hook::TestSecret, Hook::FinishSecret] {
            let mut facts = facts(step, strategy);
            facts.values.insert(Which::Pending, None);
            check(&facts, "refused: AWSPENDING has no value: createSecret comes first");
        }
    }
}

#[test]
fn every_value_is_asked_for_by_version_and_label() {
    for strategy in Strategy::ALL {
        for step in STEPS {
            let mut facts = facts(step, strategy);
            facts.values.clear();
            check(&facts, "look: value Pending v2 AWSPENDING");
        }
        let mut facts = facts(Hook::CreateSecret, strategy);
        facts.values.clear();
        facts.values.insert(Which::Pending, None);
        check(&facts, "look: value Current v1 AWSCURRENT");
    }
}

#[test]
fn what_somebody_wrote_meanwhile_is_not_overwritten() {
    for strategy in Strategy::ALL {
        for step in [Hook::CreateSecret, Hook::SetSecret, Hook::FinishSecret] {
            let mut facts = facts(step, strategy);
            facts.rotation = Some(Some(rotation("v2", "v9", strategy, State::UnderWay)));
            check(
                &facts,
                "refused: AWSCURRENT moved from version v9 to version v1 while the rotation was under way",
            );
        }
    }
}

#[test]
fn the_label_moves_from_the_version_that_the_rotation_set_out_from() {
    for strategy in Strategy::ALL {
        let mut facts = facts(Hook::FinishSecret, strategy);
        check(&facts, "act: finish from v1");
        facts.rotation = Some(Some(rotation("v2", "v1", strategy, State::UnderWay)));
        check(&facts, "act: finish from v1");
        // What is remembered of another version says nothing of this one.
        facts.rotation = Some(Some(rotation("v1", "v0", strategy, State::Rotated)));
        check(&facts, "act: finish from v1");
        facts.rotation = None;
        check(&facts, "look: Rotation");
    }
}

#[test]
fn a_rotation_that_begins_anew_sets_out_from_what_is_current_now() {
    let mut facts = facts(Hook::CreateSecret, Strategy::Postgres);
    facts.values.insert(Which::Pending, None);
    facts.rotation = Some(Some(rotation("v2", "v9", Strategy::Postgres, State::Failed)));
    check(&facts, "act: create password new 48");
}

#[test]
fn a_random_value_that_was_not_renewed_does_not_become_current() {
    let mut facts = facts(Hook::FinishSecret, Strategy::Random);
    facts.values.insert(Which::Pending, Some(document("current-1")));
    check(&facts, "refused: AWSPENDING equals AWSCURRENT: nothing was renewed");
}
