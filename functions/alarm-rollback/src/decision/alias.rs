//! The rules for a Lambda alias.
//!
//! An alias is one pointer, or two with a share of the requests each, and Lambda keeps no history of it. What CodeDeploy
//! recorded comes first, then what the ledger remembers, then the numbers of the versions.

mod by_hand;
mod choice;
mod why;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::target::Memory;

use super::plan::{Act, Ask, Basis, Plan, Position, Wish};
use crate::facts::alias::{Alias, History, Scene, Shift, Version};
use crate::facts::code_deploy::Status;
pub use why::Why;

/// What the rules still have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// CodeDeploy's deployments of the alias since then and whatever is in progress, and the function's versions.
    History {
        /// Since when.
        since: Timestamp,
    },
    /// The versions that the function's other aliases send requests to.
    Taken,
}

type Asked<T> = Result<T, Question>;

/// How long before the attribution window a deployment may have begun that ended within it.
const SHIFTS_WITHIN: SignedDuration = SignedDuration::from_hours(2);

/// How far back CodeDeploy is asked where a person asks: as long as ECS keeps its own history.
const FAR_BACK: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The plan, or why there is none.
pub(super) fn plan(scene: &Scene, memory: &Memory, ask: &Ask<'_>) -> Asked<Result<Plan, Why>> {
    let Some(alias) = &scene.alias else {
        return Ok(Err(Why::Missing));
    };
    if number(&alias.version).is_none() {
        return Ok(Err(Why::Latest));
    }
    if *ask.wish == Wish::Unstick {
        return Ok(Err(Why::NeverStuck));
    }
    let history = scene.history.as_ref().ok_or_else(|| Question::History { since: since(ask) })?;
    let case = Case { scene, alias, history, memory, ask };
    if let Some(own) = ask.own {
        return Ok(case.resume(own));
    }
    match ask.wish {
        Wish::TakeBack { fired_at } => case.take_back(Some(*fired_at)),
        Wish::Previous | Wish::Unstick => case.take_back(None),
        Wish::Revision(version) => Ok(case.to_named(version)),
        Wish::At(at) => Ok(case.to_what_ran(*at)),
    }
}

fn since(ask: &Ask<'_>) -> Timestamp {
    let back = match ask.wish {
        Wish::TakeBack { .. } | Wish::Revision(_) | Wish::Unstick => {
            ask.rules.rollback.attribution_window.saturating_add(SHIFTS_WITHIN)
        }
        Wish::Previous | Wish::At(_) => FAR_BACK,
    };
    ask.now.saturating_sub(back).unwrap_or(ask.now)
}

/// How far an operation is that was begun before.
pub(super) fn position(scene: &Scene, operation: &Operation) -> Position {
    let Some(alias) = &scene.alias else {
        return Position::Overtaken { running: "nothing: the alias is gone".to_owned() };
    };
    let is_whole = alias.weights.is_empty();
    if is_whole && alias.version == operation.to {
        return Position::Made;
    }
    let leaves_it_whole = is_whole && alias.version == operation.from;
    let leaves_a_share = alias.version == operation.to && alias.weights.contains_key(&operation.from);
    if leaves_it_whole || leaves_a_share || is_as_before(alias, operation) {
        return Position::Before;
    }
    let shares = alias.weights.keys().map(|version| format!(" and {version}"));
    Position::Overtaken { running: format!("{}{}", alias.version, shares.collect::<String>()) }
}

/// Whether an alias points where it pointed when the operation was begun. The shares may have grown since.
fn is_as_before(alias: &Alias, operation: &Operation) -> bool {
    let then = operation.before.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    then.is_some_and(|then| {
        let weights = then.get("weights").and_then(Value::as_object);
        then.get("version").and_then(Value::as_str) == Some(alias.version.as_str())
            && weights.is_some_and(|weights| weights.keys().eq(alias.weights.keys()))
    })
}

/// One alias, and all that is known of it.
struct Case<'a> {
    scene: &'a Scene,
    alias: &'a Alias,
    history: &'a History,
    memory: &'a Memory,
    ask: &'a Ask<'a>,
}

/// A version to return to.
struct Choice {
    version: String,
    basis: Basis,
}

impl Case<'_> {
    /// `fired_at` where an alarm blames a deployment; a person's wish blames it by itself.
    fn take_back(&self, fired_at: Option<Timestamp>) -> Asked<Result<Plan, Why>> {
        if let Some(shift) = self.in_flight() {
            return Ok(self.stop(shift, fired_at));
        }
        match self.heaviest() {
            Some(share) => Ok(self.unweight(share, fired_at)),
            None => self.point_back(fired_at),
        }
    }

    /// CodeDeploy's deployment that is on its way; changing the alias under it would be undone by its next step.
    fn in_flight(&self) -> Option<&Shift> {
        self.history.deployments.iter().find(|shift| shift.status == Status::InProgress)
    }

    /// The version with the largest share beside the one that the alias points to. Lambda allows one.
    fn heaviest(&self) -> Option<&str> {
        let heaviest = self.alias.weights.iter().max_by_key(|(_, weight)| **weight);
        heaviest.map(|(version, _)| version.as_str())
    }

    fn stop(&self, shift: &Shift, fired_at: Option<Timestamp>) -> Result<Plan, Why> {
        if shift.rollback {
            return Err(Why::RollingBack { deployment: shift.id.clone() });
        }
        if let (Some(fired_at), Some(began)) = (fired_at, shift.created_at)
            && fired_at < began
        {
            return Err(Why::FiringBefore { version: shift.target.clone(), since: began });
        }
        self.returnable(&shift.target, &shift.current)?;
        let act = Act::StopDeployment { deployment: shift.id.clone() };
        let basis = if self.alias.weights.is_empty() { Basis::Source } else { Basis::Stable };
        Ok(self.planned(&shift.target, Choice { version: shift.current.clone(), basis }, act))
    }

    fn unweight(&self, share: &str, fired_at: Option<Timestamp>) -> Result<Plan, Why> {
        if let Some(fired_at) = fired_at {
            let published = self.published(share).ok_or_else(|| Why::NoTime { version: share.to_owned() })?;
            self.blame(share, published, published, fired_at)?;
        }
        self.returnable(share, &self.alias.version)?;
        let choice = Choice { version: self.alias.version.clone(), basis: Basis::Stable };
        let mut plan = self.point(share, choice);
        if fired_at.is_some() {
            plan.notes.push(timeless(share));
        }
        Ok(plan)
    }

    /// Whether a deployment on its way can be taken back: not onto a bad version, and not onto the same code.
    fn returnable(&self, from: &str, to: &str) -> Result<(), Why> {
        if number(to).is_none() {
            return Err(Why::Latest);
        }
        if self.memory.is_bad(to) {
            return Err(Why::FixOnItsWay { version: to.to_owned() });
        }
        if from == to || self.same_code(from, to) {
            return Err(Why::SameCode { from: from.to_owned(), to: to.to_owned() });
        }
        Ok(())
    }

    fn point_back(&self, fired_at: Option<Timestamp>) -> Asked<Result<Plan, Why>> {
        let arrival = self.arrival();
        if let Some(fired_at) = fired_at
            && let Err(why) = self.attribute(arrival, fired_at)
        {
            return Ok(Err(why));
        }
        let current = self.alias.version.as_str();
        let choice = match choice::previous(self, arrival)? {
            Ok(choice) => choice,
            Err(why) => return Ok(Err(why)),
        };
        let mut plan = self.point(current, choice);
        if fired_at.is_some() && arrival.is_none() {
            plan.notes.push(timeless(current));
        }
        Ok(Ok(plan))
    }

    /// CodeDeploy's newest deployment that brought the alias to where it is.
    fn arrival(&self) -> Option<&Shift> {
        self.history
            .deployments
            .iter()
            .find(|shift| shift.status == Status::Succeeded && shift.target == self.alias.version)
    }

    /// Whether the alias's coming to its version can be to blame; if not, why.
    fn attribute(&self, arrival: Option<&Shift>, fired_at: Timestamp) -> Result<(), Why> {
        let current = self.alias.version.as_str();
        let newest = self.history.deployments.first();
        let handled = newest.into_iter().chain(arrival).find(|shift| {
            shift.rollback && [shift.target.as_str(), shift.current.as_str()].contains(&current)
        });
        if let Some(shift) = handled {
            return Err(Why::RolledBack { deployment: shift.id.clone() });
        }
        let published = self.published(current);
        let settled = arrival.map_or(published, |shift| shift.completed_at.or(shift.created_at));
        let began = arrival.map_or(published, |shift| shift.created_at.or(shift.completed_at));
        let (Some(settled), Some(began)) = (settled, began) else {
            return Err(Why::NoTime { version: current.to_owned() });
        };
        self.blame(current, settled, began, fired_at)?;
        let ours = self.memory.operations.iter().find(|operation| {
            operation.to == current
                && operation.means == Means::UpdateAlias
                && operation.end != Some(End::Refused)
                && arrival
                    .is_none_or(|shift| shift.created_at.is_none_or(|created| created < operation.began))
        });
        ours.map_or(Ok(()), |operation| Err(Why::OwnRollback { operation: operation.id.clone() }))
    }

    fn blame(
        &self,
        version: &str,
        settled: Timestamp,
        began: Timestamp,
        fired_at: Timestamp,
    ) -> Result<(), Why> {
        let version = version.to_owned();
        if !crate::facts::within(settled, self.ask.now, self.ask.rules.rollback.attribution_window) {
            return Err(Why::TooOld { version, since: settled });
        }
        if fired_at < began {
            return Err(Why::FiringBefore { version, since: began });
        }
        Ok(())
    }

    /// What was begun is made as it was begun, by whatever leads there now.
    fn resume(&self, own: &Operation) -> Result<Plan, Why> {
        let choice = Choice { version: own.to.clone(), basis: Basis::Begun };
        if number(&own.to).is_none() {
            return Err(Why::Latest);
        }
        let stopped = self.history.deployments.iter().find(|shift| {
            own.means == Means::StopDeployment
                && own.deployment.as_ref() == Some(&shift.id)
                && shift.status == Status::Stopped
        });
        // Stopping what is stopped is no change; whether it was, is asked when it is done.
        let stop =
            stopped.or_else(|| self.in_flight().filter(|shift| !shift.rollback && shift.current == own.to));
        if let Some(shift) = stop {
            let act = Act::StopDeployment { deployment: shift.id.clone() };
            return Ok(self.planned(&own.from, choice, act));
        }
        match self.in_flight() {
            Some(shift) if shift.rollback => Err(Why::RollingBack { deployment: shift.id.clone() }),
            Some(shift) => Err(Why::Busy { deployment: shift.id.clone() }),
            None => Ok(self.point(&own.from, choice)),
        }
    }

    /// All requests to one version.
    fn point(&self, from: &str, choice: Choice) -> Plan {
        let act =
            Act::UpdateAlias { version: choice.version.clone(), revision_id: self.alias.revision_id.clone() };
        self.planned(from, choice, act)
    }

    fn planned(&self, from: &str, choice: Choice, act: Act) -> Plan {
        let mut notes = Vec::new();
        if !self.history.whole {
            notes.push(
                "CodeDeploy's record was too long to be searched whole: an older deployment of the alias may be \
                 missing from it."
                    .to_owned(),
            );
        }
        let compared = [from, &choice.version].iter().all(|version| self.code(version).is_some());
        if !compared {
            notes.push(format!(
                "Whether the code of version {from} differs from that of version {} could not be checked.",
                choice.version
            ));
        }
        Plan {
            from: from.to_owned(),
            to: choice.version,
            copy_of: None,
            basis: choice.basis,
            act,
            blames: match self.ask.wish {
                Wish::TakeBack { .. } | Wish::Previous => true,
                Wish::Unstick | Wish::Revision(_) | Wish::At(_) => false,
            },
            notes,
            before: before(self.alias),
        }
    }

    fn version(&self, version: &str) -> Option<&Version> {
        self.history.versions.iter().find(|published| published.version == version)
    }

    fn published(&self, version: &str) -> Option<Timestamp> {
        self.version(version)?.published_at
    }

    fn code(&self, version: &str) -> Option<&str> {
        self.version(version)?.code.as_deref()
    }

    /// Whether two versions are known to have the same code. Lambda publishes a version for another configuration, too.
    fn same_code(&self, one: &str, other: &str) -> bool {
        self.code(one).is_some_and(|code| self.code(other) == Some(code))
    }

    /// Whether Lambda is known not to have this version any more.
    fn is_deleted(&self, version: &str) -> bool {
        self.history.all_versions && self.version(version).is_none()
    }
}

/// A published version's number. They are compared by it: 10 comes after 9.
fn number(version: &str) -> Option<u64> {
    version.parse().ok().filter(|_| version.bytes().all(|byte| byte.is_ascii_digit()))
}

fn timeless(version: &str) -> String {
    format!(
        "An alias keeps no time of its own, so the time at which version {version} was published was taken for the \
         deployment's."
    )
}

fn before(alias: &Alias) -> Value {
    let weights: Map<String, Value> = alias
        .weights
        .iter()
        .map(|(version, weight)| (version.clone(), json!(f64::from(*weight) / 1_000_000.0)))
        .collect();
    json!({ "version": alias.version, "weights": weights, "revision_id": alias.revision_id })
}

#[cfg(test)]
mod tests;
