//! Whether the step is to be taken at all.

use shared::strategy::{ROTATION, Strategy};
use shared::tags::{ENVIRONMENT, MODE, Mode};

use super::case::{Case, value};
use super::{Action, Asked, Outcome, Plan, Question, Stop, Verdict, done, refuse};
use crate::event::{Hook, Request};
use crate::facts::{Facts, Secret, Which};

/// The step's case, if the step is to be taken.
pub(super) fn admit<'a>(facts: &'a Facts, request: &'a Request, environment: &str) -> Asked<Case<'a>> {
    let secret = described(facts)?;
    // `RotationEnabled` is missing where rotation was never turned on, as in a first test run.
    if secret.rotation_enabled == Some(false) {
        return refuse("rotation is turned off for this secret");
    }
    allowed(secret, environment)?;
    if !secret.stages.contains_key(&request.version) {
        return refuse("the token is no version of the secret");
    }
    if secret.holds(&request.version, "AWSCURRENT") {
        return Err(Stop::Say(over(facts, request)?));
    }
    if !secret.holds(&request.version, "AWSPENDING") {
        return refuse(
            "the version is not AWSPENDING: its rotation was given up, or another one took its place",
        );
    }
    let strategy = strategy(facts, secret)?;
    Ok(Case { facts, secret, version: &request.version, strategy })
}

/// The secret, which must be there.
pub(super) fn described(facts: &Facts) -> Asked<&Secret> {
    match &facts.secret {
        None => Err(Stop::Ask(Question::Secret)),
        Some(None) => refuse("the secret does not exist"),
        Some(Some(secret)) => Ok(secret),
    }
}

/// What the tags say.
pub(super) fn allowed(secret: &Secret, environment: &str) -> Asked<()> {
    if let Some(other) = secret.tags.get(ENVIRONMENT).filter(|tagged| tagged.trim() != environment) {
        return refuse(format!("the secret belongs to the environment {other:?}, by its tag {ENVIRONMENT}"));
    }
    match secret.tags.get(MODE).map(|mode| mode.parse()) {
        // What a secret is rotated by is chosen where it is rotated: `observe` is for those who redeploy.
        None | Some(Ok(Mode::Act | Mode::Observe)) => Ok(()),
        Some(Ok(Mode::Off)) => refuse(format!("the secret is left alone, by its tag {MODE}")),
        Some(Err(why)) => refuse(format!("the tag {MODE} cannot be read: {why}")),
    }
}

/// The version is the current one: there is nothing left to do, whichever step is asked for again.
fn over(facts: &Facts, request: &Request) -> Asked<Verdict> {
    if request.step == Hook::FinishSecret {
        let Some(rotation) = &facts.rotation else { return Err(Stop::Ask(Question::Rotation)) };
        if let Some(entry) = rotation.as_ref().filter(|entry| entry.version == request.version)
            && !matches!(
                entry.state,
                shared::ledger::rotation::State::Rotated | shared::ledger::rotation::State::Settled
            )
        {
            // It was cut off between moving the label and writing so down.
            let (strategy, from) = (entry.strategy, entry.previous.clone());
            return Ok(Verdict::Act(Box::new(Plan { strategy, from, action: Action::Rotated })));
        }
    }
    Ok(done(Outcome::AlreadyDone, "the version is AWSCURRENT already"))
}

/// How the secret is rotated: by its tag, otherwise by what it says of itself.
pub(super) fn strategy(facts: &Facts, secret: &Secret) -> Asked<Strategy> {
    if let Some(tag) = secret.tags.get(ROTATION) {
        return tag.parse().or_else(|why| refuse(format!("the tag {ROTATION} cannot be read: {why}")));
    }
    let Some(current) = value(facts, secret, Which::Current)? else {
        return refuse(format!("nothing says how to rotate it: it has no value, and no tag {ROTATION}"));
    };
    let engine = current.field("engine").unwrap_or_default().to_ascii_lowercase();
    let has = |name: &str| current.has(name);
    match engine.trim() {
        "postgres" | "postgresql" | "aurora-postgresql" => {
            let pair = has("masterarn") || has("superuser_secret_arn");
            Ok(if pair { Strategy::PostgresAlternating } else { Strategy::Postgres })
        }
        "redis" | "valkey" | "elasticache" if has("user_id") || has("user_arn") => Ok(Strategy::ValkeyUser),
        "redis" | "valkey" | "elasticache" if has("replication_group_id") => Ok(Strategy::ValkeyAuthToken),
        _ => refuse(format!(
            "nothing says how to rotate it: give it the tag {ROTATION}, or an engine and the fields that belong to it"
        )),
    }
}
