//! What is looked at: which function answers it, how often it is asked, and what is read out of the answer.

use health_check::result::Sweep;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::policy::{self, Policy};

use crate::Problem;
use crate::command::{each, text};
use crate::reach::{Function, Reach, now};

/// What was done longer ago is not told of.
const LATELY: SignedDuration = SignedDuration::from_hours(24);

/// Something that is looked at by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Everything the services stand on: `health-check`, hundreds of calls.
    Health,
    /// What goes on, and what was over lately: one query of the ledger.
    Incidents,
    /// What was done within a day, and what is not over: some queries of the ledger.
    Deeds,
    /// The dead-letter queues: `dlq-triage` looks at all that can name one.
    Letters,
    /// The services that follow a queue: some calls for each rule of the policy.
    Scaling,
    /// What the owners decided: one parameter.
    Policy,
}

impl Source {
    pub(super) const ALL: [Self; 6] =
        [Self::Health, Self::Incidents, Self::Deeds, Self::Letters, Self::Scaling, Self::Policy];

    /// How long it is left alone after a look. What makes many calls is asked as seldom as everything.
    pub(super) fn pace(self, every: SignedDuration) -> SignedDuration {
        match self {
            Self::Health => every,
            Self::Letters => every.max(SignedDuration::from_secs(60)),
            Self::Incidents => SignedDuration::from_secs(10),
            Self::Scaling => SignedDuration::from_secs(15),
            Self::Deeds | Self::Policy => SignedDuration::from_secs(30),
        }
    }

    /// As people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Health => "the checks",
            Self::Incidents => "the incidents",
            Self::Deeds => "the operations",
            Self::Letters => "the dead letters",
            Self::Scaling => "the scaling",
            Self::Policy => "the policy",
        }
    }
}

/// What was seen.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    Health(Box<Sweep>),
    Incidents(Incidents),
    Deeds(Vec<Deed>),
    Letters(Letters),
    Scaling(Vec<Follower>),
    Policy(Box<Policy>),
}

/// What goes on, the worst first, and what was over lately, the newest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Incidents {
    pub(super) firing: Vec<Incident>,
    pub(super) over: Vec<Incident>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Incident {
    pub(super) key: String,
    pub(super) severity: String,
    pub(super) title: String,
    pub(super) started: Option<Timestamp>,
    pub(super) since: Option<Timestamp>,
    pub(super) flapping: bool,
    pub(super) escalated: u64,
    /// Who has it in hand, and since when.
    pub(super) by: Option<(String, Option<Timestamp>)>,
}

/// Something that was done, or is under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Deed {
    pub(super) at: Option<Timestamp>,
    pub(super) what: String,
    pub(super) target: String,
    pub(super) outcome: String,
    pub(super) why: String,
    pub(super) by: String,
}

impl Deed {
    pub(super) fn is_over(&self) -> bool {
        self.outcome != "not over"
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Letters {
    pub(super) queues: Vec<DeadLetters>,
    /// What could not be looked at, in words.
    pub(super) blind: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct DeadLetters {
    pub(super) queue: String,
    pub(super) waiting: u64,
    pub(super) in_hand: u64,
    pub(super) oldest: Option<Timestamp>,
    pub(super) lost_at: Option<Timestamp>,
    /// What is being sent back, a line for each group.
    pub(super) redrives: Vec<String>,
}

/// A service that follows a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Follower {
    pub(super) service: String,
    /// Running and desired.
    pub(super) tasks: Option<(u64, u64)>,
    pub(super) waiting: Option<u64>,
    /// What would be done, or what is wrong.
    pub(super) words: String,
    pub(super) is_error: bool,
    /// The count that is its own, while it has another.
    pub(super) own: Option<u64>,
    pub(super) began: Option<Timestamp>,
}

/// Looks.
///
/// # Errors
/// What the function, or AWS, answers.
pub(super) async fn look(source: Source, reach: &Reach, kinds: &[String]) -> Result<Seen, Problem> {
    let environment = &reach.stack.environment;
    Ok(match source {
        Source::Health => {
            let asked = json!({"check": {"environment": environment, "kinds": kinds, "format": "json"}});
            sweep(&reach.look(Function::HealthCheck, &asked).await?)?
        }
        Source::Incidents => {
            incidents(&reach.look(Function::Acknowledge, &json!({"incidents": {"over": true}})).await?)
        }
        Source::Deeds => {
            let since = now().saturating_sub(LATELY).map_err(|error| Problem::new(error.to_string()))?;
            deeds(&reach.look(Function::NotificationFanout, &json!({"audit": {"since": since}})).await?)
        }
        Source::Letters => letters(&reach.look(Function::DlqTriage, &json!({"status": {}})).await?),
        Source::Scaling => followers(&reach.look(Function::QueueScale, &json!({"scale": "plan"})).await?),
        Source::Policy => match reach.policy().await? {
            None => Seen::Policy(Box::default()),
            Some(text) => Seen::Policy(Box::new(Policy::parse(&policy::parameter(environment), &text)?)),
        },
    })
}

pub(super) fn sweep(answer: &Value) -> Result<Seen, Problem> {
    let sweep = serde_json::from_str(text(answer, "/text"));
    let strange =
        |error| Problem::new(format!("its answer is not understood, so it is another version's: {error}"));
    sweep.map(|sweep| Seen::Health(Box::new(sweep))).map_err(strange)
}

pub(super) fn incidents(answer: &Value) -> Seen {
    let read = |pointer| each(answer, pointer).map(incident).collect();
    Seen::Incidents(Incidents { firing: read("/incidents"), over: read("/over") })
}

fn incident(it: &Value) -> Incident {
    let by = text(it, "/acknowledged/by");
    Incident {
        key: text(it, "/incident").to_owned(),
        severity: text(it, "/severity").to_owned(),
        title: text(it, "/title").to_owned(),
        started: time(it, "/started"),
        since: time(it, "/since"),
        flapping: it.get("flapping") == Some(&Value::Bool(true)),
        escalated: count(it, "/escalated").unwrap_or_default(),
        by: (!by.is_empty()).then(|| (by.to_owned(), time(it, "/acknowledged/at"))),
    }
}

pub(super) fn deeds(answer: &Value) -> Seen {
    let deed = |it: &Value| Deed {
        at: time(it, "/at"),
        what: text(it, "/what").to_owned(),
        target: text(it, "/target").to_owned(),
        outcome: text(it, "/outcome").to_owned(),
        why: text(it, "/why").to_owned(),
        by: text(it, "/by").to_owned(),
    };
    Seen::Deeds(each(answer, "/deeds").map(deed).collect())
}

pub(super) fn letters(answer: &Value) -> Seen {
    let mut queues: Vec<_> = each(answer, "/queues").map(dead_letters).collect();
    // What is lost first is looked at first.
    queues
        .sort_by_key(|it| (it.waiting + it.in_hand == 0, it.lost_at.is_none(), it.lost_at, it.queue.clone()));
    let blind = each(answer, "/blind").chain(each(answer, "/queues").flat_map(|it| each(it, "/blind")));
    let blind = blind.map(|it| it.as_str().map_or_else(|| it.to_string(), ToOwned::to_owned)).collect();
    Seen::Letters(Letters { queues, blind })
}

fn dead_letters(it: &Value) -> DeadLetters {
    let redrives = each(it, "/groups").filter_map(|group| {
        let phase = group.pointer("/redrive/phase")?.as_object()?;
        let word = ["canary", "ramp"].into_iter().find(|word| phase.contains_key(*word))?;
        let how = if word == "canary" { "a few are tried" } else { "more and more are sent" };
        Some(format!(
            "group {}: {how}; {} sent, {} came back",
            text(group, "/group"),
            count(group, "/redrive/sent").unwrap_or_default(),
            count(group, "/redrive/returned").unwrap_or_default()
        ))
    });
    DeadLetters {
        queue: text(it, "/queue").to_owned(),
        waiting: count(it, "/visible").unwrap_or_default(),
        in_hand: count(it, "/in_flight").unwrap_or_default(),
        oldest: time(it, "/oldest_sent"),
        lost_at: time(it, "/lost_at"),
        redrives: redrives.collect(),
    }
}

pub(super) fn followers(answer: &Value) -> Seen {
    Seen::Scaling(each(answer, "/services").map(follower).collect())
}

fn follower(it: &Value) -> Follower {
    let error = it.get("error").and_then(Value::as_str);
    let known = it.pointer("/facts/known").filter(|known| known.get("end").is_some_and(Value::is_null));
    Follower {
        service: text(it, "/service").to_owned(),
        tasks: count(it, "/facts/service/running").zip(count(it, "/facts/service/desired")),
        waiting: count(it, "/facts/waiting"),
        words: error.unwrap_or_else(|| text(it, "/reason")).to_owned(),
        is_error: error.is_some(),
        own: known.and_then(|known| count(known, "/own")),
        began: known.and_then(|known| time(known, "/began")),
    }
}

fn count(it: &Value, pointer: &str) -> Option<u64> {
    it.pointer(pointer)?.as_u64()
}

fn time(it: &Value, pointer: &str) -> Option<Timestamp> {
    text(it, pointer).parse().ok()
}
