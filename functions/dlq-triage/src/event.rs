//! What the function is asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::queue::{self, Record};
use shared::{Error, Result, alarm, text};

use crate::discover::Source;

/// What the function is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing, and why.
    Nothing(String),
    /// To look after all queues of the environment.
    All,
    /// To look after the queues that these messages name.
    Queues(Vec<Record>),
    /// To look after one queue, because an alarm says so.
    Alarm {
        /// The queue's name.
        queue: String,
    },
    /// Something by hand.
    Hand(Hand),
}

/// What somebody asks for, as `{"<what>": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// How the queues stand, from what is remembered of them: nothing is received.
    Status(Status),
    /// A few letters, redacted.
    Peek(Peek),
    /// What there is, group by group.
    Groups(Named),
    /// To send letters back.
    Redrive(Redrive),
    /// To move letters into the archive.
    Archive(Emptying),
    /// To send letters back that can succeed, and to move the others into the archive.
    Drain(Emptying),
    /// To empty a queue: all goes into the archive.
    Purge(Emptying),
    /// To send letters of the archive to their queue again.
    Restore(Restore),
}

/// Of which queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Its name, URL or ARN; without it, of all.
    #[serde(default)]
    pub queue: Option<String>,
}

/// Which queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name, URL or ARN.
    pub queue: String,
}

/// Which letters are shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peek {
    /// Of which queue: its name, URL or ARN.
    pub queue: String,
    /// How many, 1 to 100.
    #[serde(default = "ten")]
    pub count: usize,
    /// Of this group only.
    #[serde(default)]
    pub group: Option<String>,
}

const fn ten() -> usize {
    10
}

/// Which letters are sent back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// Of which queue: its name, URL or ARN.
    pub queue: String,
    /// Of which group.
    #[serde(default)]
    pub group: Option<String>,
    /// Or all, whatever they died of.
    #[serde(default)]
    pub everything: bool,
    /// Whether only the plan is wanted.
    #[serde(default)]
    pub dry_run: bool,
    /// Who asks; a plan may be asked for by nobody.
    #[serde(default)]
    pub by: String,
}

/// Which letters are taken out of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emptying {
    /// Of which queue: its name, URL or ARN.
    pub queue: String,
    /// How many there are, so that nobody empties what they have not looked at.
    pub count: u64,
    /// Of one group only; not for a purge.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether only the plan is wanted.
    #[serde(default)]
    pub dry_run: bool,
    /// Who asks; a plan may be asked for by nobody.
    #[serde(default)]
    pub by: String,
}

/// Which letters leave the archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Of which queue: its name, URL or ARN.
    pub queue: String,
    /// The run's key, as its notice names it, or one part's.
    pub run: String,
    /// Where to.
    pub to: To,
    /// Of one group only.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether a part is sent that was restored before.
    #[serde(default)]
    pub again: bool,
    /// Whether only the plan is wanted.
    #[serde(default)]
    pub dry_run: bool,
    /// Who asks; a plan may be asked for by nobody.
    #[serde(default)]
    pub by: String,
}

/// Where letters of the archive are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// To the dead-letter queue.
    Dlq,
    /// To where they came from.
    Source,
}

/// What a message of our own queue names: `{"triage": {"queue": "<ARN>", "known": {"url": …, "sources": […]}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triage {
    /// What is to be looked after.
    pub triage: Target,
}

/// A queue, and what is known of it already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its ARN.
    pub queue: String,
    /// Without it, it is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
}

/// What is known of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What SQS is called with.
    pub url: String,
    /// Where its letters come from.
    pub sources: Vec<Source>,
}

impl Triage {
    /// Reads a message's body.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(body: &str) -> Result<Self, String> {
        serde_json::from_str(body)
            .map_err(|error| format!("the message names no queue to look after: {error}"))
    }
}

/// Reads an event.
///
/// # Errors
/// [`Error::Event`] that says what is not understood.
pub fn parse(event: &Value) -> Result<Asked> {
    if event.get("Records").is_some() {
        return queue::read(event).map(Asked::Queues);
    }
    if let Some(asked) = event.get("triage") {
        return match asked.as_str() {
            Some("all") => Ok(Asked::All),
            Some(_) | None => {
                Err(Error::Event("all queues are asked for as {\"triage\": \"all\"}".to_owned()))
            }
        };
    }
    if event.get("detail-type").is_some() {
        return alarmed(event);
    }
    let hand: Hand = serde_json::from_value(event.clone()).map_err(|error| {
        Error::Event(format!(
            "{error}. Write one of {{\"status\": {{}}}}, {{\"peek\"|\"groups\": {{\"queue\": …}}}}, {{\"redrive\": \
             {{\"queue\": …, \"group\": …, \"by\": …}}}}, {{\"archive\"|\"drain\"|\"purge\": {{\"queue\": …, \
             \"count\": …, \"by\": …}}}}, {{\"restore\": {{\"queue\": …, \"run\": …, \"to\": \"dlq\"|\"source\", \
             \"by\": …}}}}. With \"dry_run\": true in place of `by`, the last five answer with a plan"
        ))
    })?;
    check(&hand)?;
    named(&hand)?;
    Ok(Asked::Hand(hand))
}

fn check(hand: &Hand) -> Result<()> {
    let wrong = |what: &str| Err(Error::Event(what.to_owned()));
    match hand {
        Hand::Redrive(redrive) if redrive.group.is_some() == redrive.everything => {
            wrong("a redrive names either one group (`groups` lists them) or \"everything\": true")
        }
        Hand::Peek(peek) if !(1..=100).contains(&peek.count) => wrong("a peek shows 1 to 100 letters"),
        Hand::Purge(purge) if purge.group.is_some() => {
            wrong("a purge empties the whole queue; `archive` takes one group")
        }
        Hand::Redrive(Redrive { by, dry_run: false, .. })
        | Hand::Archive(Emptying { by, dry_run: false, .. })
        | Hand::Drain(Emptying { by, dry_run: false, .. })
        | Hand::Purge(Emptying { by, dry_run: false, .. })
        | Hand::Restore(Restore { by, dry_run: false, .. })
            if by.trim().is_empty() =>
        {
            wrong("`by` says who asks: give it, or \"dry_run\": true for the plan alone")
        }
        Hand::Status(_)
        | Hand::Peek(_)
        | Hand::Groups(_)
        | Hand::Redrive(_)
        | Hand::Archive(_)
        | Hand::Drain(_)
        | Hand::Purge(_)
        | Hand::Restore(_) => Ok(()),
    }
}

/// Who asks is written down, and told.
fn named(hand: &Hand) -> Result<()> {
    let (what, by) = match hand {
        Hand::Redrive(asked) => ("redrive", &asked.by),
        Hand::Archive(asked) => ("archive", &asked.by),
        Hand::Drain(asked) => ("drain", &asked.by),
        Hand::Purge(asked) => ("purge", &asked.by),
        Hand::Restore(asked) => ("restore", &asked.by),
        Hand::Status(_) | Hand::Peek(_) | Hand::Groups(_) => return Ok(()),
    };
    text::asked_by(what, Some(by)).map(drop)
}

/// An alarm on a queue's depth or age.
fn alarmed(event: &Value) -> Result<Asked> {
    let changes = alarm::parse(event).map_err(Error::Event)?;
    let Some(change) = changes.into_iter().next() else {
        return Ok(Asked::Nothing("the event has no alarm".to_owned()));
    };
    if change.state != alarm::State::Alarm {
        return Ok(Asked::Nothing(format!("the alarm {} does not fire", change.name)));
    }
    match change.dimensions.iter().find_map(|dimensions| dimensions.get("QueueName")) {
        Some(queue) => Ok(Asked::Alarm { queue: queue.clone() }),
        None => Ok(Asked::Nothing(format!("the alarm {} is about no queue", change.name))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Asked, Hand, parse};

    #[test]
    fn each_request_is_understood() {
        let queue = "orders-dlq";
        for (event, expected) in [
            (json!({"status": {}}), "Status"),
            (json!({"status": {"queue": queue}}), "Status"),
            (json!({"peek": {"queue": queue, "count": 3}}), "Peek"),
            (json!({"groups": {"queue": queue}}), "Groups"),
            (json!({"redrive": {"queue": queue, "group": "g", "by": "ann"}}), "Redrive"),
            (json!({"redrive": {"queue": queue, "everything": true, "by": "ann"}}), "Redrive"),
            (json!({"archive": {"queue": queue, "count": 3, "group": "g", "by": "ann"}}), "Archive"),
            (json!({"drain": {"queue": queue, "count": 3, "by": "ann"}}), "Drain"),
            (json!({"purge": {"queue": queue, "count": 3, "by": "ann"}}), "Purge"),
            (json!({"restore": {"queue": queue, "run": "r", "to": "source", "by": "ann"}}), "Restore"),
        ] {
            let Asked::Hand(hand) = parse(&event).unwrap() else { panic!("{event}") };
            assert!(format!("{hand:?}").starts_with(expected), "{hand:?}");
        }
        assert_eq!(parse(&json!({"triage": "all"})).unwrap(), Asked::All);
        assert!(
            matches!(parse(&json!({"peek": {"queue": "q"}})).unwrap(), Asked::Hand(Hand::Peek(peek)) if peek.count == 10)
        );
    }

    #[track_caller]
    fn refused(event: &Value, part: &str) {
        let said = parse(event).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_to_write() {
        refused(&json!({}), "Write one of {\"status\": {}}");
        refused(&json!({"empty": {}}), "unknown variant `empty`");
        refused(&json!({"triage": "some"}), "{\"triage\": \"all\"}");
        refused(&json!({"purge": {"queue": "q", "by": "ann"}}), "missing field `count`");
        for by in [json!({}), json!({"by": " "}), json!({"by": "", "dry_run": false})] {
            for (what, more) in [
                ("purge", json!({"count": 1})),
                ("archive", json!({"count": 1})),
                ("drain", json!({"count": 1})),
                ("redrive", json!({"everything": true})),
                ("restore", json!({"run": "r", "to": "dlq"})),
            ] {
                let mut asked = json!({"queue": "q"});
                let fields = [&more, &by].into_iter().filter_map(Value::as_object).flatten();
                fields.for_each(|(name, value)| asked[name] = value.clone());
                refused(&json!({ what: asked.clone() }), "`by` says who asks");
                asked["dry_run"] = json!(true);
                assert!(parse(&json!({ what: asked })).is_ok(), "a plan may be asked for by nobody");
            }
        }
        refused(
            &json!({"purge": {"queue": "q", "count": 1, "group": "g", "by": "ann"}}),
            "`archive` takes one group",
        );
        for what in ["archive", "drain", "purge"] {
            let asked = |by: &str| json!({ what: {"queue": "q", "count": 1, "by": by} });
            refused(&asked(&"a".repeat(81)), &format!("{what}.by: The name is longer than 80 characters."));
            refused(&asked("ann\u{1b}[2J"), &format!("{what}.by: The name contains characters that cannot"));
        }
        refused(&json!({"redrive": {"queue": "q", "by": "ann"}}), "either one group");
        refused(
            &json!({"redrive": {"queue": "q", "group": "g", "everything": true, "by": "ann"}}),
            "either one group",
        );
        refused(&json!({"peek": {"queue": "q", "count": 0}}), "1 to 100");
        refused(&json!({"groups": {"queue": "q", "force": true}}), "unknown field `force`");
        refused(
            &json!({"restore": {"queue": "q", "run": "r", "to": "elsewhere", "by": "ann"}}),
            "unknown variant",
        );
    }
}
