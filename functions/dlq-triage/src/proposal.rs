//! The plan of a deed, as it is answered: what would become of each group, and of all.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use shared::Report;
use shared::policy::dlq::Verdict;

use crate::decision::plan::Share;
use crate::look::{Look, Tally};

/// The outcome's word where something would be done, and where there is nothing to do.
pub(crate) const PROPOSED: &str = "proposed";
pub(crate) const NOTHING: &str = "nothing_to_do";

/// What would become of a group.
#[derive(Debug, Serialize)]
pub(crate) struct OfGroup {
    /// Its id.
    pub(crate) group: String,
    /// What its letters have in common, in one line.
    pub(crate) line: String,
    /// Why they died.
    pub(crate) verdict: Verdict,
    /// How many there are.
    pub(crate) letters: u64,
    /// What becomes of how many.
    #[serde(flatten)]
    pub(crate) share: Share,
    /// Where those that are sent back go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// How many are sent at a time, one time after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stages: Vec<u64>,
    /// How long it is waited from one to the next, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) patience_seconds: Option<i64>,
    /// Whether somebody asks for it.
    pub(crate) asked: bool,
    /// Why, in words.
    pub(crate) why: String,
}

impl OfGroup {
    /// A group as it was seen.
    pub(crate) fn new(id: &str, tally: &Tally, share: Share, asked: bool, why: String) -> Self {
        let sends = share.send > 0 || share.later > 0;
        Self {
            group: id.to_owned(),
            line: tally.line.clone(),
            verdict: tally.verdict,
            letters: tally.count(),
            share,
            to: tally.to.clone().filter(|_| sends),
            stages: Vec::new(),
            patience_seconds: None,
            asked,
            why,
        }
    }

    /// The same, sent in these stages with this time between.
    pub(crate) fn in_stages(self, stages: Vec<u64>, patience: SignedDuration) -> Self {
        let patience_seconds = (!stages.is_empty()).then(|| patience.as_secs());
        Self { stages, patience_seconds, ..self }
    }
}

/// What would be done with a queue.
#[derive(Debug)]
pub(crate) struct Proposal<'a> {
    /// The queue's name.
    pub(crate) queue: &'a str,
    /// How many letters it has.
    pub(crate) letters: u64,
    /// What was seen of it.
    pub(crate) look: &'a Look,
    /// When it loses the first of them.
    pub(crate) lost_at: Option<Timestamp>,
    /// The groups.
    pub(crate) groups: Vec<OfGroup>,
    /// How many letters are dealt with that were not looked at.
    pub(crate) unseen: u64,
    /// How many of them others have in hand.
    pub(crate) in_hand: u64,
    /// What could not be looked at of the queue's sources: a way back may be missing for it.
    pub(crate) blind: &'a [String],
    /// What else to know.
    pub(crate) notes: Vec<String>,
}

impl Proposal<'_> {
    /// As it is answered and logged.
    pub(crate) fn report(mut self) -> Report {
        self.groups.sort_by(|one, other| {
            (other.asked, other.letters, &one.group).cmp(&(one.asked, one.letters, &other.group))
        });
        let all = self.groups.iter().fold(Share::default(), |all, group| all.and(group.share));
        let is_nothing = all.is_nothing() && self.unseen == 0;
        let outcome = if is_nothing { NOTHING } else { PROPOSED };
        let reason = reason(self.queue, self.letters, all, self.unseen, self.in_hand);
        let groups = serde_json::to_value(&self.groups).unwrap_or_default();
        let blind =
            self.blind.iter().map(|blind| format!("a way back may not be seen, as not all was: {blind}"));
        self.notes.extend(blind);
        let answer = json!({"outcome": outcome, "reason": reason, "queue": self.queue, "letters": self.letters,
            "looked_at": self.look.letters, "whole": self.look.whole, "lost_at": self.lost_at, "send": all.send,
            "later": all.later, "archive": all.archive, "leave": all.leave, "unseen": self.unseen,
            "in_hand": self.in_hand, "groups": groups, "notes": self.notes});
        Report::new(outcome, self.queue, reason).answering(answer)
    }
}

/// What would be done, in words.
fn reason(queue: &str, letters: u64, all: Share, unseen: u64, in_hand: u64) -> String {
    if letters == 0 {
        return format!("there are no letters in {queue}: there is nothing to do");
    }
    if all.is_nothing() && unseen == 0 {
        return format!("{} of {queue} would stay where they are: there is nothing to do", counted(letters));
    }
    let parts = [
        (all.send, "would be sent back now"),
        (all.later, "would be sent back later, if those before them do not return"),
        (all.archive, "would go to the archive"),
        (all.leave, "would stay"),
        (unseen.saturating_sub(in_hand), "were not looked at, and would be dealt with in the same way"),
        (in_hand, "are in others' hands, and would be dealt with only if they are back by then"),
    ];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("of {} in {queue}, {}", counted(letters), told.join("; "))
}

/// So many letters.
pub(crate) fn counted(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

#[cfg(test)]
mod tests {
    use super::reason;
    use crate::decision::plan::Share;

    #[test]
    fn a_plan_is_told_in_words() {
        let of = |send, later, archive, leave| Share { send, later, archive, leave };
        for (letters, all, unseen, in_hand, expected) in [
            (0, of(0, 0, 0, 0), 0, 0, "there are no letters in q: there is nothing to do"),
            (3, of(0, 0, 0, 3), 0, 0, "3 letters of q would stay where they are: there is nothing to do"),
            (1, of(1, 0, 0, 0), 0, 0, "of 1 letter in q, 1 would be sent back now"),
            (
                20,
                of(5, 7, 2, 6),
                0,
                0,
                "of 20 letters in q, 5 would be sent back now; 7 would be sent back later, if those before them do not \
                 return; 2 would go to the archive; 6 would stay",
            ),
            (
                9,
                of(0, 0, 4, 0),
                5,
                0,
                "of 9 letters in q, 4 would go to the archive; 5 were not looked at, and would be dealt with in the same way",
            ),
            (
                9,
                of(0, 0, 4, 0),
                5,
                5,
                "of 9 letters in q, 4 would go to the archive; 5 are in others' hands, and would be dealt with only if they \
                 are back by then",
            ),
        ] {
            assert_eq!(reason("q", letters, all, unseen, in_hand), expected);
        }
    }
}
