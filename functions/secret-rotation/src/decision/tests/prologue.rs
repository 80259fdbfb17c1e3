use shared::strategy::{ROTATION, Strategy};
use shared::tags::{ENVIRONMENT, MODE};

use super::{STEPS, check};
use crate::cases::{document, facts, rotation, secret};
use crate::event::Hook;
use crate::facts::{Facts, Secret, Which};
use shared::ledger::rotation::State;

#[track_caller]
fn check_every(change: impl Fn(&mut Secret), expected: &str) {
    for step in STEPS {
        let mut facts = facts(step, Strategy::Random);
        let mut secret = secret(Strategy::Random);
        change(&mut secret);
        facts.secret = Some(Some(secret));
        check(&facts, expected);
    }
}

#[test]
fn the_secret_is_looked_at_first() {
    for step in STEPS {
        let mut facts = facts(step, Strategy::Postgres);
        facts.secret = None;
        check(&facts, "look: Secret");
        facts.secret = Some(None);
        check(&facts, "refused: the secret does not exist");
    }
}

#[test]
fn rotation_that_is_turned_off_is_refused_and_never_turned_on_is_not() {
    check_every(|secret| secret.rotation_enabled = Some(false), "refused: rotation is turned off");
    let mut facts = facts(Hook::CreateSecret, Strategy::Postgres);
    facts.secret = Some(Some(Secret { rotation_enabled: None, ..secret(Strategy::Postgres) }));
    check(&facts, "created: ");
}

#[test]
fn a_token_must_be_a_version_that_is_pending() {
    check_every(|secret| drop(secret.stages.remove("v2")), "refused: the token is no version of the secret");
    check_every(
        |secret| drop(secret.stages.insert("v2".to_owned(), vec![])),
        "refused: the version is not AWSPENDING",
    );
    let previous = vec!["AWSPREVIOUS".to_owned()];
    check_every(
        |secret| drop(secret.stages.insert("v2".to_owned(), previous.clone())),
        "refused: the version is not AWSPENDING",
    );
}

#[test]
fn a_version_that_is_current_has_nothing_left_to_do_even_if_it_is_pending_too() {
    for labels in [vec!["AWSCURRENT"], vec!["AWSCURRENT", "AWSPENDING"]] {
        let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        check_every(
            |secret| {
                secret.stages.remove("v1");
                secret.stages.insert("v2".to_owned(), labels.clone());
            },
            "already_done: the version is AWSCURRENT already",
        );
    }
}

fn finished(entry: Option<State>) -> Facts {
    let mut facts = facts(Hook::FinishSecret, Strategy::Postgres);
    let mut secret = secret(Strategy::Postgres);
    secret.stages = [("v2".to_owned(), vec!["AWSCURRENT".to_owned()])].into();
    facts.secret = Some(Some(secret));
    facts.rotation = Some(entry.map(|state| rotation("v2", "v1", Strategy::Postgres, state)));
    facts
}

#[test]
fn a_move_that_was_not_written_down_is_written_down_when_it_is_asked_for_again() {
    check(&finished(Some(State::UnderWay)), "act: Rotated");
    check(&finished(Some(State::Failed)), "act: Rotated");
    for nothing in [Some(State::Rotated), Some(State::Settled), None] {
        check(&finished(nothing), "already_done: ");
    }
}

#[test]
fn tags_keep_a_secret_from_being_rotated() {
    let tagged = |name: &'static str, value: &'static str| {
        move |secret: &mut Secret| drop(secret.tags.insert(name.to_owned(), value.to_owned()))
    };
    check_every(tagged(ENVIRONMENT, "dev"), "refused: the secret belongs to the environment \"dev\"");
    check_every(tagged(MODE, "off"), "refused: the secret is left alone");
    check_every(tagged(MODE, "of"), "refused: the tag watchkeeper:mode cannot be read");
    check_every(tagged(ROTATION, "mysql"), "refused: the tag watchkeeper:rotation cannot be read: \"mysql\"");
    let mut facts = facts(Hook::CreateSecret, Strategy::Postgres);
    let mut allowed = secret(Strategy::Postgres);
    tagged(ENVIRONMENT, "prod")(&mut allowed);
    tagged(MODE, "observe")(&mut allowed);
    facts.secret = Some(Some(allowed));
    check(&facts, "created: ");
}

#[track_caller]
fn check_engine(current: &str, expected: Result<Strategy, &str>) {
    let mut facts = facts(Hook::CreateSecret, Strategy::Random);
    let mut untagged = secret(Strategy::Random);
    untagged.tags.clear();
    facts.secret = Some(Some(untagged));
    facts.values.insert(Which::Current, Some(document(current)));
    match expected {
        Ok(strategy) => assert_eq!(crate::decision::strategy(&facts), Some(strategy), "{current}"),
        Err(expected) => check(&facts, expected),
    }
}

#[test]
fn without_a_tag_the_secret_says_how_it_is_rotated() {
    check_engine(r#"{"engine":"postgres"}"#, Ok(Strategy::Postgres));
    check_engine(r#"{"engine":"Aurora-PostgreSQL","masterarn":"a"}"#, Ok(Strategy::PostgresAlternating));
    check_engine(r#"{"engine":"postgres","superuser_secret_arn":"a"}"#, Ok(Strategy::PostgresAlternating));
    check_engine(r#"{"engine":"valkey","user_id":"a"}"#, Ok(Strategy::ValkeyUser));
    check_engine(r#"{"engine":"redis","user_arn":"a","replication_group_id":"b"}"#, Ok(Strategy::ValkeyUser));
    check_engine(r#"{"engine":"elasticache","replication_group_id":"b"}"#, Ok(Strategy::ValkeyAuthToken));
    let unknown = "refused: nothing says how to rotate it: give it the tag";
    for current in [r#"{"engine":"mysql"}"#, r#"{"engine":"valkey"}"#, r#"{"password":"x"}"#, "plain"] {
        check_engine(current, Err(unknown));
    }
    let mut facts = facts(Hook::CreateSecret, Strategy::Random);
    let mut untagged = secret(Strategy::Random);
    untagged.tags.clear();
    untagged.stages.remove("v1");
    facts.secret = Some(Some(untagged));
    facts.values.clear();
    check(&facts, "refused: nothing says how to rotate it: it has no value");
}
