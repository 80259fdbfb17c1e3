//! An operation: whether it came to its end, and whether that helped.

use jiff::{SignedDuration, Timestamp};
use shared::alarm::State;
use shared::ledger::incident;
use shared::ledger::operation::Operation;
use shared::target::Target;

use super::progress::{self, Progress};
use super::verdict::{Close, Ended, Failure, Ignored, Verdict, Waiting};
use super::{Asked, Place, Policy, Question, later, place, redeploy};
use crate::facts::Facts;

/// How soon an operation of up to this age is looked at again. A timer is received a thousand times at most (the
/// queue's `maxReceiveCount`), and the policy may give an alarm a whole day.
const PACE: [(SignedDuration, SignedDuration); 3] = [
    (SignedDuration::from_mins(10), SOON),
    (SignedDuration::from_hours(1), SignedDuration::from_mins(1)),
    (SignedDuration::from_hours(4), SignedDuration::from_mins(5)),
];
const SOON: SignedDuration = SignedDuration::from_secs(20);

/// And how soon one that is older.
const AT_LAST: SignedDuration = SignedDuration::from_mins(15);

/// An operation is made within the time-out of the invocation that began it, with room to spare.
const DECIDED_ANEW: SignedDuration = SignedDuration::from_mins(2);

/// How far this operation is, and what follows from it.
pub(super) fn watch(
    facts: &Facts,
    target: &Target,
    id: Option<&str>,
    policy: &Policy,
    now: Timestamp,
) -> Asked<Verdict> {
    let memory = facts.memory.as_ref().ok_or(Question::Memory)?;
    let found = match id {
        Some(id) => memory.operation(id),
        None => memory.operations.iter().find(|operation| operation.end.is_none()),
    };
    let Some(operation) = found else {
        return Ok(Verdict::Ignore(Ignored::NoOperation));
    };
    if let Some(end) = operation.end {
        return Ok(Verdict::Ignore(Ignored::Ended { operation: operation.id.clone(), end }));
    }
    let world = facts.world.as_ref().ok_or_else(|| Question::World(place(operation)))?;
    match progress::of(operation, world) {
        progress @ (Progress::NotMade | Progress::OnItsWay) => {
            if now < operation.deadline {
                let why = Waiting::Deployment { made: progress == Progress::OnItsWay };
                return Ok(wait(operation, why, operation.deadline, now));
            }
            let failure = if progress == Progress::NotMade { Failure::NotMade } else { Failure::Late };
            fail(facts, target, operation, failure, None, operation.deadline)
        }
        Progress::Deployed { at } => deployed(facts, target, operation, at, policy, now),
        Progress::Failed { said, running, disproves, at } => {
            let failure = Failure::Refuted { said, disproves };
            fail(facts, target, operation, failure, running, at.unwrap_or(now))
        }
        // ECS lists a deployment a moment after it was asked for; and whoever was too late decides anew within the same
        // invocation, and goes on by other means.
        Progress::Unlisted { .. } | Progress::TooLate { .. }
            if now < later(operation.began, DECIDED_ANEW) =>
        {
            let until = later(operation.began, DECIDED_ANEW);
            Ok(wait(operation, Waiting::Deployment { made: false }, until, now))
        }
        Progress::Unlisted { running } => {
            fail(facts, target, operation, Failure::Vanished, Some(running), now)
        }
        Progress::TooLate { at } => {
            fail(facts, target, operation, Failure::TooLate, Some(operation.from.clone()), at.unwrap_or(now))
        }
        Progress::Superseded { running, at } => {
            close(facts, target, operation, Ended::Superseded { running }, at.unwrap_or(now))
        }
    }
}

/// The older it is, the more seldom it is looked at, but what ends at a known time is told soon after that.
fn wait(operation: &Operation, why: Waiting, until: Timestamp, now: Timestamp) -> Verdict {
    let age = now.duration_since(operation.began);
    let again = PACE.iter().find(|(up_to, _)| age < *up_to).map_or(AT_LAST, |(_, again)| *again);
    Verdict::Wait { why, again: again.min(until.duration_since(now).max(SOON)) }
}

/// It is deployed; what counts is whether the alarm is OK.
fn deployed(
    facts: &Facts,
    target: &Target,
    operation: &Operation,
    at: Timestamp,
    policy: &Policy,
    now: Timestamp,
) -> Asked<Verdict> {
    let Some(name) = incident::alarm_name(&operation.incident) else {
        return close(facts, target, operation, Ended::Recovered { deployed: at, alarm: None }, at);
    };
    let alarm = facts.alarm.as_ref().ok_or_else(|| Question::Alarm(name.to_owned()))?;
    let Some(alarm) = alarm else {
        return close(facts, target, operation, Ended::Recovered { deployed: at, alarm: None }, at);
    };
    if alarm.state == State::Ok {
        let ended = Ended::Recovered { deployed: at, alarm: Some(alarm.clone()) };
        return close(facts, target, operation, ended, alarm.since.unwrap_or(at).max(at));
    }
    let until = later(at, policy.recovery);
    if now < until {
        let why = Waiting::Alarm { name: alarm.name.clone(), until };
        return Ok(wait(operation, why, until, now));
    }
    close(facts, target, operation, Ended::Unhealed { deployed: at, alarm: alarm.clone() }, until)
}

fn fail(
    facts: &Facts,
    target: &Target,
    operation: &Operation,
    failure: Failure,
    running: Option<String>,
    at: Timestamp,
) -> Asked<Verdict> {
    // Only a service has tasks that tell why; of a redeploy that was not made, there is none.
    let has_tasks = matches!(target, Target::Service { .. })
        && failure != Failure::TooLate
        && !(failure == Failure::NotMade && operation.means.redeploys());
    if has_tasks && facts.diagnosis.is_none() {
        let deployment = match place(operation) {
            Place::Target => operation.deployment.clone(),
            Place::ServiceDeployment(_) | Place::CodeDeploy(_) => None,
        };
        return Err(Question::Diagnosis {
            deployment,
            task_definition: Some(operation.to.clone()),
            since: Some(operation.began),
            said: match &failure {
                Failure::Refuted { said, .. } => said.clone(),
                Failure::Late | Failure::NotMade | Failure::Vanished | Failure::TooLate => String::new(),
            },
        });
    }
    close(facts, target, operation, Ended::Failed { failure, running }, at)
}

fn close(
    facts: &Facts,
    target: &Target,
    operation: &Operation,
    ended: Ended,
    at: Timestamp,
) -> Asked<Verdict> {
    if operation.means.redeploys() {
        return Ok(redeploy::over(target, operation, ended, facts.diagnosis.as_ref()));
    }
    let incident = facts.incident.as_ref().ok_or_else(|| Question::Incident(operation.incident.clone()))?;
    Ok(Verdict::Close(Box::new(Close {
        target: target.clone(),
        operation: operation.clone(),
        ended,
        incident: incident.clone(),
        at,
    })))
}
