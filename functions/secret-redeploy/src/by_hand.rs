//! Requests by hand: who uses a secret, and redeploy them now.

use std::time::Duration;

use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::ledger::redeploy::{Cause, Label, Phase, Redeploy};
use shared::{Error, Report, Result, id};

use crate::Reach;
use crate::decision::arrival;
use crate::decision::service::{Case, Verdict};
use crate::event::{CURRENT, Request};
use crate::facts::Secret;
use crate::{observe, run, tell};

/// What has to be typed in production.
pub(crate) const WORD: &str = "REDEPLOY";

/// Who uses this secret, and what a redeploy would do.
///
/// # Errors
/// What kept it from being found.
pub(crate) async fn uses(reach: &Reach, id: &str, invocation: &Invocation) -> Result<Report> {
    looked(reach, id, false, invocation).await
}

async fn looked(reach: &Reach, id: &str, even_if_fresh: bool, invocation: &Invocation) -> Result<Report> {
    let secret = secret(reach, id).await?;
    let now = invocation.now;
    let redeploy = wanted(reach, &secret, None, even_if_fresh, invocation).await?;
    let Some(dependants) = run::find(reach, std::slice::from_ref(&secret), invocation).await? else {
        return Err(Error::Later(
            "not all services could be looked at in the time of the invocation; what was read is remembered: ask again"
                .to_owned(),
        ));
    };
    let mut members = run::members(reach, &redeploy, &secret, &dependants, now);
    let mut services = Vec::new();
    for member in &mut members {
        let mut plan = Value::Null;
        if !member.standing.is_over() {
            let case = Case {
                redeploy: &redeploy,
                secret: &secret.tags,
                uses: None,
                waits_since: None,
                even_if_fresh: redeploy.even_if_fresh,
            };
            let found = dependants.found.iter().find(|found| found.service.target == member.target);
            let service = found.map(|found| found.service.clone());
            let verdict = run::conclude(reach, &case, &member.target, service, now).await?;
            run::settle(member, &verdict, now);
            plan = match &verdict {
                Verdict::Act(plan) | Verdict::Propose(plan) => {
                    json!({"task_definition": plan.from, "by": plan.means, "pins": plan.pins, "notes": plan.notes})
                }
                Verdict::Fresh { .. }
                | Verdict::Skip(_)
                | Verdict::Defer { .. }
                | Verdict::Ride { .. }
                | Verdict::Failed { .. } => Value::Null,
            };
        }
        // A dry run begins nothing, so what would move is only wanted.
        let standing = if plan.is_null() { json!(member.standing) } else { json!("to_redeploy") };
        services.push(json!({
            "service": member.target.to_string(), "uses": member.uses, "standing": standing,
            "why": if plan.is_null() { member.why.clone() } else { "its tasks are older than the secret's last change".to_owned() },
            "plan": plan,
        }));
    }
    let to_redeploy = services.iter().filter(|service| service["standing"] == "to_redeploy").count();
    let reason = format!(
        "{} of {} services that were looked at use {}; {to_redeploy} would be redeployed",
        services.len(),
        dependants.services,
        secret.name
    );
    let unread: Vec<_> = dependants
        .unread
        .iter()
        .map(|unread| json!({"service": unread.target.to_string(), "task_definition": unread.definition}))
        .collect();
    let services = Value::from(services);
    let answer = json!({
        "outcome": "found",
        "reason": reason,
        "secret": {"name": secret.name, "arn": secret.arn, "version": redeploy.version, "changed": redeploy.moved,
            "strategy": secret.strategy()},
        "services": services,
        "unread": unread,
    });
    Ok(Report::new("found", &secret.name, reason).record("services", &services).answering(answer))
}

/// Redeploys the dependants of a secret, as a person asked for: now, whatever windows and freeze say.
///
/// # Errors
/// What kept it from being begun.
pub(crate) async fn redeploy(reach: &Reach, request: &Request, invocation: &Invocation) -> Result<Report> {
    if request.dry_run {
        return looked(reach, &request.secret, request.even_if_fresh, invocation).await;
    }
    let production = reach.policy.rules.is_production(&reach.policy.environment);
    if production && request.confirm.as_deref() != Some(WORD) {
        let reason = format!("{} is production: nothing was begun", reach.policy.environment);
        let next = format!("Say \"confirm\": \"{WORD}\".");
        let answer = json!({"outcome": "held", "reason": reason, "next_step": next});
        return Ok(Report::new("held", &request.secret, reason).answering(answer));
    }
    let secret = secret(reach, &request.secret).await?;
    let redeploy = wanted(reach, &secret, request.by.clone(), request.even_if_fresh, invocation).await?;
    let label = Label { version: redeploy.version.clone(), at: redeploy.moved, before: None };
    crate::begin(reach, &redeploy, Duration::ZERO, invocation.now).await?;
    let known = reach.clients.ledger.label(&secret.arn, CURRENT).await?;
    if known.is_none() {
        reach.clients.ledger.record_label(&secret.arn, CURRENT, &label, invocation.now).await?;
    }
    let reason =
        format!("the services that use {} are redeployed in waves; a notice tells of the end", secret.name);
    let next = format!("How far it is: wk secrets uses {}.", secret.name);
    let answer = json!({"outcome": "begun", "reason": reason, "redeploy": redeploy.id, "next_step": next});
    Ok(Report::new("begun", &secret.name, reason).record("redeploy", &redeploy).answering(answer))
}

async fn secret(reach: &Reach, id: &str) -> Result<Secret> {
    let found = observe::secret::describe(&reach.clients.secretsmanager, id).await?;
    let secret = found.ok_or_else(|| Error::Missing(format!("the secret {}", tell::cut(id))))?;
    match arrival::foreign(&secret, &reach.policy) {
        None => Ok(secret),
        Some(why) => Err(Error::Malformed(format!("{} is left alone: {why}", secret.name))),
    }
}

/// The redeploy that a person asks for: of whatever is older than the last move that is known.
async fn wanted(
    reach: &Reach,
    secret: &Secret,
    by: Option<String>,
    even_if_fresh: bool,
    invocation: &Invocation,
) -> Result<Redeploy> {
    let now = invocation.now;
    let Some(version) = secret.version(CURRENT) else {
        return Err(Error::Malformed(format!("no version of {} carries {CURRENT}", secret.name)));
    };
    let known = reach.clients.ledger.label(&secret.arn, CURRENT).await?;
    let known = known.filter(|known| known.version == version);
    // Without memory, whatever changed last: the label moved before that.
    let at = known.map_or(secret.changed_at.unwrap_or(now), |known| known.at);
    let label = Label { version: version.to_owned(), at, before: None };
    let mut redeploy = arrival::open(secret, CURRENT, &label, None, Cause::ByHand { by }, now);
    redeploy.id = id::of(&["by hand", &secret.arn, &invocation.request_id]);
    redeploy.even_if_fresh = even_if_fresh;
    redeploy.phase = Phase::Collecting;
    Ok(redeploy)
}
