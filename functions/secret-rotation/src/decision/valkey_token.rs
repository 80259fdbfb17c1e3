//! `valkey-auth-token`: the AUTH token of a replication group. ROTATE adds a token beside the one in use; if two are valid
//! already, the older one is dropped. So a token that was added must come to be the only one (SET), or at least the one in
//! use, before another is added: otherwise those who still run with the oldest are cut off. The ledger's *overlap* says
//! which token was added last; it is written before the token is added, so that it cannot be forgotten.

use shared::ledger::rotation::{Overlap, Phase};

use super::case::Case;
use super::{Action, Asked, Fill, Outcome, Recipe, Source, Verdict, done, refuse, wait};
use crate::account;
use crate::facts::{Login, Which};
use crate::generate::Shape;
use crate::hidden::Hidden;

pub(super) fn create(case: &Case<'_>) -> Asked<Recipe> {
    let current = case.current()?;
    case.read("AWSCURRENT", account::required(current, "host"))?;
    group_id(case, current)?;
    let field = account::token_field(current);
    let in_use = case.read("AWSCURRENT", account::required(current, field))?;
    let fill = match free(case)? {
        Free::Yes => Fill::Random(Shape::PASSWORD),
        // The group knows this token already. A further one would drop the one in use.
        Free::But(overlap) => {
            let source = Source {
                secret: case.facts.work.secret().to_owned(),
                version: Some(overlap.version.clone()),
                stage: None,
            };
            let left = case.other(Which::Left, source)?;
            match left.and_then(|left| left.field(account::token_field(left))) {
                Some(token) if token != in_use => Fill::Value(Hidden::new(token)),
                Some(_) | None => {
                    return refuse(format!(
                        "the token of version {} was added to the group and never came into use, and can be read no more. A \
                         further token would drop the one in use: make the group keep AWSCURRENT's token (ROTATE to it, then SET, \
                         with modify-replication-group), then send {}",
                        overlap.version,
                        settlement(case.facts.work.secret(), &overlap.version),
                    ));
                }
            }
        }
    };
    Ok(Recipe::Fields { base: current.clone(), fill: vec![(field.to_owned(), fill)] })
}

pub(super) fn set(case: &Case<'_>) -> Asked<Verdict> {
    let (held, next) = (case.current()?, case.valued_pending()?);
    let pending = case.read("AWSPENDING", account::valkey_token(next))?;
    let id = group_id(case, held)?;
    if group_id(case, next)? != id || next.field("host") != held.field("host") {
        return refuse(
            "AWSPENDING is for another replication group or host than AWSCURRENT; nothing is set there",
        );
    }
    let free = free(case)?;
    if case.login(Which::Pending, &pending)?.is_in() {
        let known = case.overlap()?.is_some_and(|overlap| overlap.version == case.version);
        return Ok(if known {
            done(Outcome::Set, "the server lets AWSPENDING in already")
        } else {
            case.act(Action::AdoptToken)
        });
    }
    // Since createSecret another token was added, which this one would drop.
    if let Free::But(overlap) = free {
        let source = Source {
            secret: case.facts.work.secret().to_owned(),
            version: Some(overlap.version.clone()),
            stage: None,
        };
        let left = case.other(Which::Left, source)?;
        let left = left.and_then(|left| left.field(account::token_field(left)));
        if left.as_deref() != Some(pending.password.reveal()) {
            return refuse(format!(
                "the token of version {} was added to the group meanwhile, and a further one would drop the one in use: take \
                 AWSPENDING from version {}, then rotate again",
                overlap.version, case.version,
            ));
        }
    }
    let group = case.group(&id)?;
    if !group.tls {
        return refuse(format!(
            "the replication group {id} has no encryption in transit, and without it no AUTH token"
        ));
    }
    match group.status.as_str() {
        "available" => Ok(case.act(Action::RotateToken { group: id, token: pending.password })),
        "deleting" | "create-failed" => refuse(format!("the replication group {id} is {}", group.status)),
        other => wait(format!("the replication group {id} is {other}")),
    }
}

pub(super) fn test(case: &Case<'_>) -> Asked<Verdict> {
    let next = case.valued_pending()?;
    let pending = case.read("AWSPENDING", account::valkey_token(next))?;
    let id = group_id(case, next)?;
    let group = case.group(&id)?;
    if group.status != "available" {
        return wait(format!("the replication group {id} is {}", group.status));
    }
    match case.login(Which::Pending, &pending)? {
        Login::In { .. } => Ok(done(Outcome::Tested, "the server lets AWSPENDING in, and answers")),
        Login::Refused { said } => refuse(format!("the server does not let AWSPENDING in: {said}")),
    }
}

/// Whether a further token can be added.
pub(super) enum Free<'a> {
    Yes,
    /// Another token was added, and is neither in use nor gone.
    But(&'a Overlap),
}

/// Whether a further token can be added without dropping one that may be in use.
pub(super) fn free<'a>(case: &Case<'a>) -> Asked<Free<'a>> {
    match case.overlap()? {
        Some(overlap) if overlap.phase != Phase::Settled && overlap.version != case.version => {
            if Some(overlap.version.as_str()) == case.secret.version("AWSCURRENT") {
                return refuse(format!(
                    "services may still run with the token before AWSCURRENT, which a further token would drop. It goes when all \
                     of them are redeployed; see what keeps them. If none runs with it any more, send {}",
                    settlement(case.facts.work.secret(), &overlap.version),
                ));
            }
            Ok(Free::But(overlap))
        }
        Some(_) | None => Ok(Free::Yes),
    }
}

/// What tells this function that a version is in use everywhere.
fn settlement(secret: &str, version: &str) -> String {
    format!(r#"{{"settle":{{"secret":"{secret}","version":"{version}"}}}} to this function"#)
}

pub(super) fn group_id(case: &Case<'_>, document: &crate::document::Document) -> Asked<String> {
    case.read("AWSCURRENT or AWSPENDING", account::required(document, "replication_group_id"))
}
