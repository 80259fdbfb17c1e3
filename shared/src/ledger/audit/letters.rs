//! What was done with dead letters: by hand, as `dlq-triage` leaves it here, and of groups that are sent back, as it
//! remembers them.
//!
//! What is asked for by hand stands under one key, whatever queue it is about, and is found by its time. It is written when
//! it begins, and again when it ends.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Deed, sort};
use crate::error::Call;
use crate::ledger::{Item, Ledger, expiry, get_s, s};
use crate::{Error, Result};

/// Begins as all keys do that `dlq-triage` may write under.
pub(super) const PARTITION: &str = "letters#deeds";

const DAYS_KEPT: i64 = 180;

/// DynamoDB takes 400 KB of an entry, and an error may say anything.
const LONGEST: usize = 500;

/// Something that somebody asked to be done with the letters of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// What.
    pub what: What,
    /// The operation's id: of the same id and time there is one entry.
    pub id: String,
    /// When it began.
    pub at: Timestamp,
    /// The queue's name.
    pub queue: String,
    /// Of one group only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The key of the archive's run: where letters went, or came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// What came of it; nothing while it goes on, and where it died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came: Option<Came>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// To send letters back.
    Redrive,
    /// To move letters into the archive.
    Archive,
    /// To send back what passes, and to move the others into the archive.
    Drain,
    /// To empty a queue into the archive.
    Purge,
    /// To send letters of the archive.
    Restore,
}

impl What {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Archive => "archive",
            Self::Drain => "drain",
            Self::Purge => "purge",
            Self::Restore => "restore",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came {
    /// How many letters were sent.
    pub sent: u64,
    /// How many went into the archive.
    pub archived: u64,
    /// How many stayed where they were.
    pub left: u64,
    /// How many others had in hand, so that nothing was done with them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub in_hand: u64,
    /// What failed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Ledger {
    /// Leaves what somebody asked to be done with letters where the audit finds it; written again, it is changed.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers.
    pub async fn leave_letters(&self, handled: &Handled) -> Result<()> {
        let mut kept = handled.clone();
        if let Some(said) = kept.came.as_mut().and_then(|came| came.failed.as_mut()) {
            *said = said.chars().take(LONGEST).collect();
        }
        let text = serde_json::to_string(&kept)
            .map_err(|error| Error::Malformed(format!("a deed cannot be written as JSON: {error}")))?;
        let item = Item::from([
            ("pk".to_owned(), s(PARTITION)),
            ("sk".to_owned(), s(sort(handled.at, &handled.id))),
            ("document".to_owned(), s(text)),
            ("expires_at".to_owned(), expiry(handled.at, DAYS_KEPT)),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.action("dynamodb:PutItem").map(drop)
    }
}

/// An entry; nothing where it is of a version that is not understood.
pub(super) fn read(item: &Item) -> Option<Handled> {
    serde_json::from_str(&get_s(item, "document")?).ok()
}

/// It, as something that was done.
pub(super) fn of_handled(handled: Handled) -> Deed {
    let outcome = handled
        .came
        .as_ref()
        .map_or_else(|| "begun; how it ended is not known".to_owned(), |came| came_to(handled.what, came));
    let of = handled.group.map(|group| format!(", the group {group}")).unwrap_or_default();
    let run = match (handled.what, handled.run) {
        (What::Restore, Some(run)) => format!(", from {run}"),
        (What::Redrive | What::Archive | What::Drain | What::Purge, Some(run)) => format!(", kept as {run}"),
        (_, None) => String::new(),
    };
    Deed {
        at: Some(handled.at),
        what: handled.what.as_str(),
        target: handled.queue,
        outcome,
        why: format!("asked for by hand{of}{run}"),
        by: Some(handled.by),
        operation: Some(handled.id),
    }
}

fn came_to(what: What, came: &Came) -> String {
    let Came { sent, archived, left, in_hand, failed } = came;
    let counts: &[(u64, &str)] = match what {
        What::Redrive => &[(*sent, "sent")],
        What::Archive | What::Purge => &[(*archived, "archived"), (*left, "left")],
        What::Drain => &[(*sent, "sent"), (*archived, "archived"), (*left, "left")],
        What::Restore => &[(*sent, "sent"), (*left, "not sent")],
    };
    let held = (*in_hand, "in others' hands");
    let told =
        counts.iter().chain([&held]).enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0);
    let told: Vec<String> = told.map(|(_, (count, word))| format!("{count} {word}")).collect();
    let failed = failed.as_ref().map(|why| format!("; failed: {why}")).unwrap_or_default();
    format!("{}{failed}", told.join(", "))
}

/// The queue whose letters an incident is about: `dlq:<queue>:<group>`.
pub(super) fn queue(item: &Item) -> Option<String> {
    let incident = get_s(item, "incident")?;
    let (queue, _) = incident.strip_prefix("dlq:")?.split_once(':')?;
    Some(queue.to_owned())
}

/// A group that was sent back. `dlq-triage` owns the entry: what is not understood of it is left out.
pub(super) fn of_group(queue: &str, item: &Item) -> Option<Deed> {
    let group: Value = serde_json::from_str(&get_s(item, "document")?).ok()?;
    let redrive = group.get("redrive").filter(|redrive| redrive.is_object())?;
    let count = |name: &str| redrive.get(name).and_then(Value::as_u64).unwrap_or_default();
    let phase = redrive.get("phase")?;
    let phase = match phase.as_str() {
        Some(word) => word.to_owned(),
        None => phase.as_object()?.keys().next()?.clone(),
    };
    let line = group.pointer("/signature/line").and_then(Value::as_str).unwrap_or_default();
    Some(Deed {
        at: Some(redrive.get("began")?.as_str()?.parse().ok()?),
        what: What::Redrive.as_str(),
        target: queue.to_owned(),
        outcome: format!("{phase}: {} sent, {} returned", count("sent"), count("returned")),
        why: line.to_owned(),
        by: redrive.get("by").and_then(Value::as_str).map(ToOwned::to_owned),
        operation: redrive.get("id").and_then(Value::as_str).map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::{Came, Handled, What, of_handled};

    #[test]
    fn what_was_asked_for_is_told_in_words() {
        let handled = |what, group: Option<&str>, run: Option<&str>, came| Handled {
            what,
            id: "op".to_owned(),
            at: "2026-11-26T03:00:00Z".parse().unwrap(),
            queue: "orders-dlq".to_owned(),
            group: group.map(str::to_owned),
            run: run.map(str::to_owned),
            by: "ann".to_owned(),
            came,
        };
        let came = |sent, archived, left| Some(Came { sent, archived, left, ..Came::default() });
        let failed = Some(Came { failed: Some("no permission".to_owned()), ..Came::default() });
        let held = Some(Came { in_hand: 12, ..Came::default() });
        let unknown = "begun; how it ended is not known";
        for (handled, outcome, why) in [
            (handled(What::Redrive, Some("g"), None, came(5, 0, 0)), "5 sent", "by hand, the group g"),
            (handled(What::Redrive, None, None, None), unknown, "asked for by hand"),
            (handled(What::Archive, None, Some("r"), came(0, 12, 0)), "12 archived", "by hand, kept as r"),
            (
                handled(What::Purge, None, Some("r"), came(0, 12, 1)),
                "12 archived, 1 left",
                "by hand, kept as r",
            ),
            (handled(What::Purge, None, None, held), "0 archived, 12 in others' hands", "asked for by hand"),
            (handled(What::Drain, None, Some("r"), came(2, 3, 1)), "2 sent, 3 archived, 1 left", "kept as r"),
            (handled(What::Drain, None, Some("r"), came(0, 3, 0)), "0 sent, 3 archived", "kept as r"),
            (
                handled(What::Restore, Some("g"), Some("r"), came(4, 0, 1)),
                "4 sent, 1 not sent",
                "the group g, from r",
            ),
            (
                handled(What::Archive, None, None, failed),
                "0 archived; failed: no permission",
                "asked for by hand",
            ),
        ] {
            let deed = of_handled(handled);
            assert_eq!(deed.outcome, outcome);
            assert!(deed.why.ends_with(why), "{}", deed.why);
            assert_eq!(
                (deed.target.as_str(), deed.by.as_deref(), deed.operation.as_deref()),
                ("orders-dlq", Some("ann"), Some("op"))
            );
        }
    }
}
