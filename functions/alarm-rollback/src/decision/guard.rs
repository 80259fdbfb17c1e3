//! What forbids to act on any kind of target, before it is asked what would be right for it, and after.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::operation::{End, Operation};
use shared::policy;
use shared::tags::{self, Mode};
use shared::target::Target;

use super::plan::{Ask, Plan, Wish};
use super::{Asked, Held, Rollback, Verdict, Withheld};
use crate::facts::World;

/// An operation is made within the time-out of the invocation that began it, with room to spare; else it is stuck.
const MADE_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// A case of one target, with all that was decided before its rules are asked.
pub(super) struct Case<'a> {
    /// The operation's id.
    pub(super) id: &'a str,
    pub(super) target: &'a Target,
    pub(super) world: &'a World,
    /// The operation, if it was begun before and is still open.
    pub(super) own: Option<&'a Operation>,
    pub(super) wish: &'a Wish,
    /// What the tags of alarm and target allow.
    pub(super) mode: Mode,
    /// When an alarm said so; only what an alarm said grows old.
    pub(super) heard: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Case<'_> {
    /// The guards, the plan, and what may withhold it.
    pub(super) fn settle(&self, rules: &policy::Policy) -> Asked<Verdict> {
        let hold = |why| Ok(Verdict::Hold { target: Some(self.target.clone()), why });
        if let Some(changed_at) =
            self.heard.filter(|at| self.now.duration_since(*at) > rules.rollback.stale_after)
        {
            return hold(Held::Stale { changed_at });
        }
        if let Some(why) = self.taken().or_else(|| self.too_many(rules)) {
            return hold(why);
        }
        let ask = Ask { wish: self.wish, own: self.own, rules, now: self.now };
        let plan = match super::planned(self.world, &ask)? {
            Ok(plan) => plan,
            Err(why) => return hold(why),
        };
        if let Some(why) = unsafe_now(self.world, self.now) {
            return hold(why);
        }
        let withheld = self.withheld(&plan, rules);
        let rollback = Rollback {
            operation: self.id.to_owned(),
            target: self.target.clone(),
            plan,
            began: self.own.map_or(self.now, |operation| operation.began),
            asked_by: None,
        };
        Ok(match withheld {
            Some(withheld) => Verdict::Propose { rollback, withheld },
            None => Verdict::RollBack(rollback),
        })
    }

    /// Whether another operation has the target; which, and how far it is.
    fn taken(&self) -> Option<Held> {
        let memory = &self.world.memory;
        let lease = memory.lease_at(self.now)?;
        // Its own operation goes on; one that is over was made for this very cause.
        if lease.owner == self.id && self.own.is_some() {
            return None;
        }
        let holder = memory.operation(&lease.owner);
        // A stack whose rollback was continued, and failed again, may be brought on in the next way.
        if *self.wish == Wish::Unstick && holder.is_some_and(|holder| holder.end == Some(End::Failed)) {
            return None;
        }
        Some(match holder {
            Some(holder)
                if holder.end.is_none()
                    && is_untouched(self.world, holder)
                    && self.now.duration_since(holder.began) > MADE_WITHIN =>
            {
                Held::Unfinished { operation: holder.id.clone(), began: holder.began }
            }
            Some(holder) if holder.is_running(self.now) => {
                Held::InProgress { operation: holder.id.clone(), began: holder.began }
            }
            Some(_) | None => Held::Cooldown { until: lease.until },
        })
    }

    /// Whether the target was changed as often as the policy allows.
    fn too_many(&self, rules: &policy::Policy) -> Option<Held> {
        let cap = &rules.rollback.at_most;
        let made = self.world.memory.operations.iter().filter(|operation| {
            operation.id != self.id
                && operation.end != Some(End::Refused)
                && operation.asked_by.is_none()
                && self.now.duration_since(operation.began) < cap.within
        });
        let made = u32::try_from(made.count()).unwrap_or(u32::MAX);
        (made >= cap.count).then_some(Held::TooMany { count: made, within: cap.within })
    }

    fn withheld(&self, plan: &Plan, rules: &policy::Policy) -> Option<Withheld> {
        if let Some(frozen) = rules.frozen(self.now) {
            return Some(Withheld::Frozen { why: frozen.to_string() });
        }
        if let Some(window) = rules.window(self.now) {
            return Some(Withheld::Window { name: window.name.clone() });
        }
        let least = rules.rollback.confidence;
        if let Some(is) = plan.basis.confidence().filter(|is| *is < least) {
            return Some(Withheld::Confidence { is, least });
        }
        (self.mode != Mode::Act).then_some(Withheld::Observe)
    }
}

/// Whether somebody marked the target as one that must not go back.
pub(super) fn unsafe_now(world: &World, now: Timestamp) -> Option<Held> {
    let until = tags::unsafe_to_roll_back(world.scene.tags()?, now)?;
    Some(Held::Unsafe { until })
}

/// Whether the operation's call was not made yet, as far as its target tells.
fn is_untouched(world: &World, operation: &Operation) -> bool {
    world.scene.service().is_some_and(|service| service.task_definition == operation.from)
        && operation.deployment.is_none()
}
