//! What is asked by hand. A person decided, so there is no blame to find and no cooldown to wait for; what would
//! make things worse is refused all the same.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;
use shared::ledger::operation::Operation;
use shared::policy;
use shared::tags::Mode;

use super::guard::unsafe_now;
use super::plan::{Act, Ask, Wish};
use super::{Asked, Facts, Held, Ignored, Policy, Question, Rollback, Verdict, Withheld};
use crate::cause::{Request, Wanted};
use crate::facts::World;

pub(super) fn settle(facts: &Facts, request: &Request, policy: &Policy, now: Timestamp) -> Asked<Verdict> {
    if policy.mode == Mode::Off {
        return Ok(Verdict::Ignore(Ignored::Off));
    }
    let target = &request.target;
    let world = match super::watched(facts, target, policy)? {
        Ok(world) => world,
        Err(why) => return Ok(Verdict::Ignore(why)),
    };
    let rules = &facts.rules.as_ref().ok_or(Question::Rules)?.policy;
    let hold = |why| Ok(Verdict::Hold { target: Some(target.clone()), why });

    let id = super::operation_id(facts, target);
    let own = super::open(world, &id);
    if let Some(verdict) = super::resumed(target, world, own) {
        return Ok(verdict);
    }
    if let Some(why) = in_progress(request, world, &id, now) {
        return hold(why);
    }
    let wish = match &request.wanted {
        Wanted::Previous => Wish::Previous,
        Wanted::Revision(revision) => Wish::Revision(revision.clone()),
        Wanted::At(at) => Wish::At(*at),
        Wanted::Fix { .. } => Wish::Unstick,
        // A redeploy left nothing that one could want back.
        Wanted::Undo(id) => match world.memory.operations.iter().find(|operation| operation.id == *id) {
            Some(operation) if was_weighted(operation) => return hold(Held::Weighted),
            Some(operation) => Wish::Revision(operation.from.clone()),
            None => return hold(Held::NoOperation { id: id.clone() }),
        },
    };
    let allowed = allowed(rules, &request.wanted);
    let ask = Ask { wish: &wish, own, rules: &allowed, now };
    let mut plan = match super::planned(world, &ask)? {
        Ok(plan) => plan,
        Err(why) => return hold(why),
    };
    // What an undone rollback returned to is not bad: somebody wants back to what it left.
    plan.blames &= !matches!(request.wanted, Wanted::Undo(_));
    if let (Wanted::Fix { skip_unfixable: true, .. }, Act::ContinueUpdateRollback { skip }) =
        (&request.wanted, &plan.act)
        && skip.is_empty()
    {
        plan.notes.push(
            "Nothing is skipped yet: the rollback was not continued since it failed, and that is tried first. If it fails \
             again, ask again."
                .to_owned(),
        );
    }
    if let Some(why) = unsafe_now(world, now) {
        return hold(why);
    }
    let production = rules.is_production(&policy.environment);
    if !request.dry_run && production && !request.confirmed {
        return hold(Held::Unconfirmed);
    }
    let rollback = Rollback {
        operation: id,
        target: target.clone(),
        plan,
        began: own.map_or(now, |operation| operation.began),
        asked_by: Some(request.by.clone().unwrap_or_else(|| "somebody".to_owned())),
    };
    Ok(if request.dry_run {
        Verdict::Propose { rollback, withheld: Withheld::DryRun }
    } else {
        Verdict::RollBack(rollback)
    })
}

/// The policy, with what a person allows beyond it for this once.
fn allowed<'a>(rules: &'a policy::Policy, wanted: &Wanted) -> Cow<'a, policy::Policy> {
    let Wanted::Fix { skip_unfixable, cancel_in_progress } = wanted else {
        return Cow::Borrowed(rules);
    };
    let mut allowed = rules.clone();
    allowed.rollback.stacks.skip_resources |= skip_unfixable;
    allowed.rollback.stacks.cancel |= cancel_in_progress;
    Cow::Owned(allowed)
}

/// Whether an alias sent requests to two versions before this operation: one version alone would not restore that.
fn was_weighted(operation: &Operation) -> bool {
    let before = operation.before.as_deref().and_then(|before| serde_json::from_str::<Value>(before).ok());
    let weights = before.as_ref().and_then(|before| before.get("weights")?.as_object());
    weights.is_some_and(|weights| !weights.is_empty())
}

/// Whether a rollback is under way that is not the one to undo.
fn in_progress(request: &Request, world: &World, own: &str, now: Timestamp) -> Option<Held> {
    let lease = world.memory.lease_at(now).filter(|lease| lease.owner != own)?;
    let holder = world.memory.operation(&lease.owner)?;
    let undone = matches!(&request.wanted, Wanted::Undo(id) if *id == holder.id);
    (holder.is_running(now) && !undone)
        .then(|| Held::InProgress { operation: holder.id.clone(), began: holder.began })
}
