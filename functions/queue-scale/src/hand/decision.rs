//! Whether a service gets the count that somebody asks for: a pure decision. A person decided, so there is nothing to wait
//! for but a rollback, which sets what runs itself; what they should know stands in the plan.

use std::fmt;

use serde::Serialize;
use shared::ledger::scaling::Scaling;
use shared::policy::Scale;

use super::WORD;
use crate::decision::{Deployment, Service};

/// What is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The service, where there is one.
    pub service: Option<Service>,
    /// Why the service is no business of ours, in words.
    pub foreign: Option<String>,
    /// The rollback that goes on, by its operation's id.
    pub rolling_back: Option<String>,
    /// The redeploy that goes on, by its operation's id.
    pub redeploying: Option<String>,
    /// The policy's rule for it.
    pub rule: Option<Scale>,
    /// What is remembered of its last scaling.
    pub known: Option<Scaling>,
    /// What Application Auto Scaling is told of it.
    pub autoscaling: Option<Autoscaling>,
    /// Why Application Auto Scaling could not be asked.
    pub unread: Option<String>,
    /// The least number of tasks that the policy expects of a service.
    pub least: u32,
    /// The environment.
    pub environment: String,
    /// Whether it is production.
    pub production: bool,
}

/// Between which counts Application Auto Scaling keeps a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Autoscaling {
    /// The least.
    pub least: i32,
    /// The most.
    pub most: i32,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing, because of this.
    Hold(Why),
    /// Nothing: it has that count.
    Keep,
    /// This would be done.
    Propose(Plan),
    /// This is done.
    Set(Plan),
}

/// One change of a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The count that it is to have now.
    pub from: u32,
    /// The count that it gets.
    pub to: u32,
    /// What a person should know before. Whole sentences.
    pub notes: Vec<String>,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is no such service.
    Missing,
    /// It drains, or is deleted.
    Inactive,
    /// It has one task on each instance.
    Daemon,
    /// It is no business of ours.
    Foreign {
        /// Why, in words.
        why: String,
    },
    /// It is being rolled back.
    RollingBack {
        /// The operation's id.
        operation: String,
    },
    /// Production asks for the word.
    Unconfirmed,
    /// Somebody else changed it a moment ago.
    Overtaken,
    /// The same request was dealt with before.
    Repeated,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no service of that name"),
            Self::Inactive => f.write_str("the service is being deleted"),
            Self::Daemon => f.write_str("it is a daemon service, whose count is that of its instances"),
            Self::Foreign { why } => f.write_str(why),
            Self::RollingBack { operation } => {
                write!(f, "a rollback of it is in progress (operation {operation})")
            }
            Self::Unconfirmed => write!(f, "this is production, which asks for \"confirm\": \"{WORD}\""),
            Self::Overtaken => f.write_str("it was scaled by somebody else a moment ago"),
            Self::Repeated => f.write_str("this request was dealt with before"),
        }
    }
}

impl Why {
    /// What is left to do.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Missing => "Mend its name: ecs:<cluster>/<service>.",
            Self::Inactive => "Find out whether this is meant.",
            Self::Daemon => "Change the number of instances.",
            Self::Foreign { .. } => "Ask the stack that watches it, or set the count in ECS.",
            Self::RollingBack { .. } => "Wait for its end: wk audit says when it is over.",
            Self::Unconfirmed => "Ask again with the word.",
            Self::Overtaken | Self::Repeated => {
                "Look how it stands, and ask again if that is not what you want."
            }
        }
    }
}

/// What becomes of the request.
pub fn decide(to: u32, dry_run: bool, confirmed: bool, facts: &Facts) -> Verdict {
    if let Some(why) = facts.foreign.clone() {
        return Verdict::Hold(Why::Foreign { why });
    }
    let Some(service) = facts.service else {
        return Verdict::Hold(Why::Missing);
    };
    if !service.active {
        return Verdict::Hold(Why::Inactive);
    }
    if !service.counted {
        return Verdict::Hold(Why::Daemon);
    }
    // A count that is there only while a queue is long goes away with it: asked for by somebody, it stays.
    let borrowed = facts.known.as_ref().is_some_and(|known| known.end.is_none() && known.own != to);
    if service.desired == to && !borrowed {
        return Verdict::Keep;
    }
    if let Some(operation) = facts.rolling_back.clone() {
        return Verdict::Hold(Why::RollingBack { operation });
    }
    let plan = Plan { from: service.desired, to, notes: notes(to, service, facts) };
    if dry_run {
        return Verdict::Propose(plan);
    }
    if facts.production && !confirmed {
        return Verdict::Hold(Why::Unconfirmed);
    }
    Verdict::Set(plan)
}

fn notes(to: u32, service: Service, facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    if to == 0 {
        notes.push("Without a task nobody answers: whatever calls the service fails.".to_owned());
    } else if to < facts.least {
        notes.push(format!(
            "The policy expects at least {} of each service in {}: the health checks will tell of it.",
            tasks(facts.least),
            facts.environment
        ));
    }
    if let Some(bounds) = facts.autoscaling {
        notes.push(bound(to, bounds));
    }
    if let Some(why) = &facts.unread {
        notes.push(format!("Whether Application Auto Scaling scales it is not known: {why}."));
    }
    if let Some(rule) = &facts.rule {
        notes.push(match facts.known.as_ref().filter(|known| known.goes_on()) {
            Some(known) => format!(
                "It is scaled just now from its own {} to {}, for the messages in {}: that ends, and {to} is its own count \
                 from then on.",
                known.own, known.to, rule.queue
            ),
            None => format!(
                "It follows the queue {} to {} at most: it is left alone for an hour, and {to} is its own count then.",
                rule.queue,
                tasks(rule.at_most)
            ),
        });
    }
    match service.deployment {
        Deployment::Done => {}
        Deployment::UnderWay | Deployment::Replacing => {
            notes.push("A deployment of it is under way; the count holds for what it deploys.".to_owned());
        }
    }
    if let Some(operation) = &facts.redeploying {
        notes.push(format!("It is being redeployed (operation {operation})."));
    }
    if service.running < service.desired && service.desired < to {
        notes.push(format!(
            "Only {} of {} run now: see why the others do not start, more of them are no help (wk diagnose).",
            service.running,
            tasks(service.desired)
        ));
    }
    notes
}

fn bound(to: u32, bounds: Autoscaling) -> String {
    let Autoscaling { least, most } = bounds;
    let range = format!("between {least} and {most}");
    let outside = i64::from(to) < i64::from(least) || i64::from(most) < i64::from(to);
    if outside {
        format!(
            "Application Auto Scaling keeps it {range}, and will take it back there: change these bounds to keep {to}."
        )
    } else {
        format!("Application Auto Scaling keeps it {range}, and may change it again.")
    }
}

pub(crate) fn tasks(count: u32) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}
