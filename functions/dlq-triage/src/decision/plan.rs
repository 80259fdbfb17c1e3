//! What becomes of a group's letters, before anything is done: how many are sent now, how many later, how many go to the
//! archive, and how many stay.
//!
//! Each letter that is looked at is asked about by the function that decides when it is read again
//! ([`Order::fate`](super::order::Order::fate)); what is counted here follows from its answers alone.

use serde::Serialize;
use shared::policy::dlq::Verdict;

use super::Fate;
use super::group::{Redrive, Step, Still, next_room};

/// What may become of the letters of a group, as they were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ahead {
    /// How many a redrive sends as soon as it has room for them.
    pub sendable: u64,
    /// How many of these go to the archive where it has no room: their queue would lose them before their turn.
    pub urgent: u64,
    /// How many of these go to the archive where nothing is sent back of the group.
    pub kept: u64,
    /// How many go to the archive, and could not be sent.
    pub archived: u64,
}

impl Ahead {
    /// One more letter: its fate where a redrive has room for it, where it has none, and where there is no redrive.
    pub fn add(&mut self, with_room: Fate, without_room: Fate, without_redrive: Fate) {
        match with_room {
            Fate::Redrive => {
                self.sendable += 1;
                self.urgent += u64::from(without_room == Fate::Archive);
                self.kept += u64::from(without_redrive == Fate::Archive);
            }
            Fate::Archive => self.archived += 1,
            Fate::Leave => {}
        }
    }
}

/// What becomes of a group's letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many are sent back now.
    pub send: u64,
    /// How many are sent back later, when those before them did not return.
    pub later: u64,
    /// How many go to the archive, and are taken out of their queue then.
    pub archive: u64,
    /// How many stay where they are.
    pub leave: u64,
}

impl Share {
    /// All of several groups.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            send: self.send + other.send,
            later: self.later + other.later,
            archive: self.archive + other.archive,
            leave: self.leave + other.leave,
        }
    }

    /// Whether all stays as it is.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.send == 0 && self.later == 0 && self.archive == 0
    }
}

/// What becomes of the letters of a group of which a redrive may send so many now; nothing where there is none.
#[must_use]
pub fn share(count: u64, ahead: Ahead, room: Option<u64>) -> Share {
    let Ahead { sendable, urgent, kept, archived } = ahead;
    let share = match room {
        None => Share { archive: kept + archived, ..Share::default() },
        Some(room) => {
            let send = room.min(sendable);
            let rest = sendable - send;
            let lost = urgent.min(rest);
            Share { send, later: rest - lost, archive: archived + lost, leave: 0 }
        }
    };
    Share { leave: count.saturating_sub(share.send + share.later + share.archive), ..share }
}

/// How many letters are sent at a time, from now on, if none of them return.
#[must_use]
pub fn stages(share: &Share, redrive: Option<&Redrive>, canary: u32) -> Vec<u64> {
    let mut stages = Vec::new();
    let mut sent = redrive.map_or(0, |redrive| redrive.sent);
    let (mut next, mut later) = (share.send, share.later);
    while next > 0 || later > 0 {
        if next > 0 {
            stages.push(next);
        }
        sent = sent.saturating_add(next);
        next = next_room(sent, canary).max(1).min(later);
        later -= next;
        if later == 0 && next > 0 {
            stages.push(next);
            break;
        }
    }
    stages
}

/// Why this becomes of a group whose letters are emptied out of their queue.
#[must_use]
pub fn why_emptied(is_meant: bool, sends: bool, verdict: Verdict, no_way: Option<&str>) -> String {
    match (is_meant, sends, verdict, no_way) {
        (false, _, _, _) => "another group is asked for".to_owned(),
        (true, false, _, _) => "it is asked for".to_owned(),
        (true, true, Verdict::Transient, None) => "they died of something that passes".to_owned(),
        (true, true, _, Some(why)) => format!("they cannot be sent back: {why}"),
        (true, true, verdict, None) => format!("they do not die of something that passes: {verdict}"),
    }
}

/// Why this becomes of a group in a redrive, by what is done with it and what was asked for.
#[must_use]
pub fn why_redriven(step: &Step, is_asked: bool, no_way: Option<&str>) -> String {
    let by_itself = if is_asked { "" } else { ", by itself" };
    match step {
        Step::Canary { .. } => {
            format!("a few first{by_itself}; the others when these had the time to die again and did not")
        }
        Step::Send { .. } => format!("those before them did not return{by_itself}"),
        Step::Wait { until } => {
            format!("some were sent, and it is known at {until:.0} whether they return{by_itself}")
        }
        Step::Abort => "some were sent, and return: no more are sent".to_owned(),
        Step::Finish => "all that were there were sent".to_owned(),
        Step::Leave(Still::NoWay | Still::NotTransient) if let Some(why) = no_way => {
            format!("they cannot be sent back: {why}")
        }
        Step::Leave(Still::NoWay) => "they cannot be sent back".to_owned(),
        Step::Leave(Still::NotTransient) if is_asked => "they are too large to be sent back".to_owned(),
        Step::Leave(Still::NotTransient) => "they are not asked for".to_owned(),
        Step::Leave(Still::NotAutomatic) => {
            "they are not asked for, and the policy wants to be asked (dlq.redrive.automatic)".to_owned()
        }
        Step::Leave(Still::MayNotAct(why)) => format!("they are not asked for, and {why}"),
        Step::Leave(Still::Held { until }) => format!("they returned before: they are left until {until:.0}"),
        Step::Leave(Still::NoneLeft) => "they came after the redrive that is just over".to_owned(),
        Step::Leave(Still::TooMany) => "there are more than could be looked at or told apart".to_owned(),
    }
}

#[cfg(test)]
mod tests;
