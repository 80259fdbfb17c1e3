//! From what arrived to notices. Whatever arrives becomes one, or several: our own notice, a deployment of which a workflow
//! tells, what services of AWS tell (one file per family), or a generic notice that shows what it was. Nothing in a
//! message says where it goes.
//!
//! A family reads tolerantly and chooses: what happened in words, the key under which beginning and end of the same
//! problem belong together, where that stands, and the few facts that help. What has an end that is told fires until then;
//! what has none is for the record.

mod alarm;
mod backup;
mod budgets;
mod cloudformation;
mod codedeploy;
mod deployment;
mod dms;
mod ecs;
mod event;
mod generic;
mod glue;
mod guardduty;
mod health;
mod letter;
mod rds;
mod security_hub;
mod size;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::id;
use shared::notice::{Notice, SCHEMA};

use crate::queue::Record;
use letter::{Letter, Reader};

/// How many envelopes of SNS are opened, one in another: topics that are chained by a function wrap twice.
const DEEPEST: usize = 4;

/// The most notices that one message becomes.
const MOST_NOTICES: usize = 25;

/// One notice and the messages of the batch that brought it: SNS and SQS may both repeat themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work<'a> {
    /// What is to be delivered.
    pub notice: Notice,
    /// The messages; there is at least one. Each may have brought other notices, too: it is finished only when all are.
    pub records: Vec<&'a Record>,
}

/// The notices of a batch, each once.
#[must_use]
pub fn gather<'a>(records: &'a [Record], environment: &str, now: Timestamp) -> Vec<Work<'a>> {
    let mut gathered: Vec<Work<'a>> = Vec::with_capacity(records.len());
    for record in records {
        for notice in read(record, environment, now) {
            let same = |work: &&mut Work<'_>| {
                let held = &work.notice;
                (&held.incident, held.revision, held.state)
                    == (&notice.incident, notice.revision, notice.state)
            };
            match gathered.iter_mut().find(same) {
                // Two findings of one message may be the same.
                Some(work) if work.records.last().is_some_and(|last| std::ptr::eq(*last, record)) => {}
                Some(work) => work.records.push(record),
                None => gathered.push(Work { notice, records: vec![record] }),
            }
        }
    }
    gathered
}

/// The notices that a message is, or becomes: at least one.
#[must_use]
pub fn read(record: &Record, environment: &str, now: Timestamp) -> Vec<Notice> {
    let letter = Letter::from_queue(record, Reader { now, environment });
    let mut notices = opened(&letter, DEEPEST);
    let omitted = notices.len().saturating_sub(MOST_NOTICES);
    notices.truncate(MOST_NOTICES);
    if omitted > 0
        && let Some(last) = notices.last_mut()
    {
        last.fact("Note", format!("the message tells of {omitted} more, which are not shown"));
    }
    for notice in &mut notices {
        if notice.environment.is_empty() {
            environment.clone_into(&mut notice.environment);
        }
        size::bound(notice);
    }
    as_known(&mut notices, record);
    notices
}

/// A message that was sent back from the dead letters is not told again to who has heard it, also where its time was only
/// that of its sending.
fn as_known(notices: &mut [Notice], record: &Record) {
    let Some((incident, revision)) = &record.known_as else {
        return;
    };
    let mut known = notices.iter_mut().filter(|notice| notice.incident == *incident);
    if let (Some(notice), None) = (known.next(), known.next()) {
        notice.revision = *revision;
        rename(notice);
    }
}

fn rename(notice: &mut Notice) {
    notice.id = id::of(&[&notice.incident, &notice.revision.to_string(), notice.state.as_str()]);
}

/// Opens all envelopes, then reads what was in them.
fn opened(letter: &Letter<'_>, deep: usize) -> Vec<Notice> {
    let content = serde_json::from_str(letter.text).unwrap_or_else(|_| Value::String(letter.text.to_owned()));
    if let Some(less) = deep.checked_sub(1) {
        if let Some(inner) = Letter::from_sns(&content, letter.reader()) {
            return opened(&inner, less);
        }
        if let Some(inner) = Letter::from_records(&content, letter.reader()) {
            return inner.iter().take(MOST_NOTICES).flat_map(|inner| opened(inner, less)).collect();
        }
    }
    told(&content, letter)
}

fn told(content: &Value, letter: &Letter<'_>) -> Vec<Notice> {
    let known = known(content, letter);
    if !known.is_empty() {
        return known;
    }
    // A list is taken apart only where all of it is understood: otherwise nobody would see what belonged together.
    if let Value::Array(list) = content
        && !list.is_empty()
    {
        let each: Vec<_> = list.iter().map(|one| self::known(one, letter)).collect();
        if each.iter().all(|notices| !notices.is_empty()) {
            return each.into_iter().flatten().collect();
        }
    }
    vec![generic::told(content, letter)]
}

/// A family: a notice, where the message is one of its.
type Recognise = fn(&Value, &Letter<'_>) -> Option<Notice>;

const FAMILIES: [Recognise; 12] = [
    deployment::recognise,
    alarm::recognise,
    health::recognise,
    ecs::recognise,
    codedeploy::recognise,
    cloudformation::recognise,
    guardduty::recognise,
    backup::recognise,
    rds::recognise,
    dms::recognise,
    glue::recognise,
    budgets::recognise,
];

/// What our own notices and the families know.
fn known(content: &Value, letter: &Letter<'_>) -> Vec<Notice> {
    if let Some(own) = own(content, letter.now) {
        return vec![own];
    }
    let mut notices: Vec<_> =
        FAMILIES.iter().find_map(|family| family(content, letter)).into_iter().collect();
    if notices.is_empty() {
        notices = security_hub::recognise_all(content, letter);
    }
    for notice in &mut notices {
        notice.title = size::title(&notice.title);
        if notice.summary.trim().is_empty() {
            notice.summary.clone_from(&notice.title);
        }
        not_ahead(notice, letter);
    }
    notices
}

/// How far a publisher's clock may be ahead of ours.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

fn latest(now: Timestamp) -> Timestamp {
    now.saturating_add(CLOCKS_DIFFER).unwrap_or(now)
}

/// What says that it happened in the future happened when it was sent: taken at its word, it would silence its incident
/// until then.
fn not_ahead(notice: &mut Notice, letter: &Letter<'_>) {
    if notice.time <= latest(letter.now) {
        return;
    }
    notice.fact("Note", format!("it says that it happened at {:.0}, which is yet to come", notice.time));
    notice.time = letter.time().min(letter.now);
    notice.revision = u64::try_from(notice.time.as_millisecond()).unwrap_or_default();
    rename(notice);
}

/// A notice of the contract's version. Fields that the contract does not have are passed over. One from the future is
/// shown like any other message.
fn own(content: &Value, now: Timestamp) -> Option<Notice> {
    if content.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        return None;
    }
    let notice: Notice = serde_json::from_value(content.clone()).ok()?;
    let latest = latest(now).as_millisecond();
    let in_time = i64::try_from(notice.revision).is_ok_and(|revision| revision <= latest);
    (in_time && !notice.incident.is_empty()).then_some(notice)
}

#[cfg(test)]
mod tests;
