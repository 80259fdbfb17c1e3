//! Every dependant runs with a version: what the strategy keeps for those who ran with the one before may go.

use shared::ledger::rotation::{Phase, State};
use shared::strategy::Strategy;

use super::case::{Case, group, login, overlap, value};
use super::{Action, Asked, Outcome, Question, Stop, Verdict, done, prologue, refuse, valkey_token, wait};
use crate::account;
use crate::facts::{Facts, Login, Which};

pub(super) fn settle(facts: &Facts, version: &str, environment: &str) -> Asked<Verdict> {
    if facts.secret == Some(None) {
        return Ok(Verdict::Drop { why: "the secret does not exist any more".to_owned() });
    }
    let secret = prologue::described(facts)?;
    prologue::allowed(secret, environment)?;
    if !secret.holds(version, "AWSCURRENT") {
        return Ok(Verdict::Drop {
            why: "another version is AWSCURRENT by now: that one is settled when its own dependants run with it".to_owned(),
        });
    }
    let Some(rotation) = &facts.rotation else { return Err(Stop::Ask(Question::Rotation)) };
    let entry = rotation.as_ref().filter(|entry| entry.version == version);
    let strategy = match entry {
        Some(entry) => entry.strategy,
        None => prologue::strategy(facts, secret)?,
    };
    let case = Case { facts, secret, version, strategy };
    if strategy == Strategy::ValkeyAuthToken {
        return token(&case);
    }
    match entry {
        None => Ok(Verdict::Drop { why: "the version was not rotated in by this function".to_owned() }),
        Some(entry) if entry.state == State::Settled => Ok(done(Outcome::Settled, "it was settled before")),
        Some(_) => Ok(case.act(Action::Settled)),
    }
}

fn token(case: &Case<'_>) -> Asked<Verdict> {
    let facts = case.facts;
    let settling = match overlap(facts)? {
        None => return Ok(Verdict::Drop { why: "no token was added by this function".to_owned() }),
        Some(overlap) if overlap.version != case.version => {
            return Ok(Verdict::Drop { why: "another token was added since".to_owned() });
        }
        Some(overlap) if overlap.phase == Phase::Settled => {
            return Ok(if facts.entry().is_some_and(|entry| entry.state != State::Settled) {
                case.act(Action::Settled)
            } else {
                done(Outcome::Settled, "it was settled before")
            });
        }
        Some(overlap) => overlap.phase == Phase::Settling,
    };
    let current = case.current()?;
    let access = case.read("AWSCURRENT", account::valkey_token(current))?;
    let id = valkey_token::group_id(case, current)?;
    match group(facts, &id)?.status.as_str() {
        "available" => {}
        "deleting" => {
            return Ok(Verdict::Drop { why: format!("the replication group {id} is being deleted") });
        }
        other => return wait(format!("the replication group {id} is {other}")),
    }
    // It was cut off after it began to take the older token away: whether it came to that, the older token shows. A second
    // SET without a ROTATE in between would be refused.
    if settling
        && let Some(previous) = value(facts, case.secret, Which::Previous)?
        && let Ok(previous) = account::valkey_token(previous)
        && let Login::Refused { .. } = login(facts, Which::Previous, &previous)?
    {
        return Ok(case.act(Action::Settled));
    }
    if let Login::Refused { said } = login(facts, Which::Current, &access)? {
        return refuse(format!(
            "the server does not let AWSCURRENT in ({said}): its token must not become the only one"
        ));
    }
    Ok(case.act(Action::SetToken { group: id, token: access.password }))
}
