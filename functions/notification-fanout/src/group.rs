//! Notices that wait to be told together: what the ledger holds of them.
//!
//! | partition key | sort key | entry |
//! |---|---|---|
//! | `groups#<environment>` | `<group>` | a group: its channel, when it is due, and what it told last |
//! | `group#<group>` | `<incident>` | one of its notices, as it stands |
//!
//! A group is due at a time. A [`Reminder`](shared::timer::Reminder) is armed before that time is written, and a sweep
//! finds groups whose reminder was lost, so that nothing waits for ever. Whoever tells a group takes it first: what joins
//! meanwhile makes it due anew.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use shared::ledger::{Item, Ledger, expiry, get_ms, get_n, get_s, ms, s};
use shared::notice::{Fact, Notice, State};
use shared::{Error, Result, id};

use crate::decision::dedup;
use crate::decision::group::Member;
use crate::decision::route::Timing;

/// Longer than any silence is likely to last; a group that is due is told long before.
const DAYS_KEPT: i64 = 90;

/// In bytes; the rest of a notice that is larger is cut, and says so. A thousand of them are read together.
const LARGEST_NOTICE: usize = 16_000;

/// What is more is told in the next message.
pub(crate) const MOST_MEMBERS: usize = 1_000;

/// How many groups of an environment are looked at together.
const MOST_GROUPS: usize = 1_000;

/// How often a change is tried anew when somebody else was faster.
const TRIES: usize = 12;

/// Why notices wait for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A route says so.
    Route,
    /// The channel can take no more right now.
    Waiting,
    /// They are not to be told right now: a silence, a window, out of hours.
    Held,
    /// The incident comes and goes.
    Flapping,
    /// Their source says too much.
    Storm,
}

impl Kind {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Flapping => "flapping",
            Self::Storm => "storm",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Route, Self::Waiting, Self::Held, Self::Flapping, Self::Storm]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }

    /// Whether it keeps those that go on, so that each telling shows all of them.
    pub const fn keeps(self) -> bool {
        matches!(self, Self::Route | Self::Storm)
    }
}

/// A group, as the ledger holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Whom it is told to.
    pub channel: String,
    /// Why its members wait.
    pub kind: Kind,
    /// What its members have in common.
    pub labels: BTreeMap<String, String>,
    /// How long it waits.
    pub timing: Timing,
    /// When its first member joined: it is another incident than an earlier group of the same id.
    pub began: Timestamp,
    /// When it is to be told.
    pub due: Option<Timestamp>,
    /// Until when somebody tells it.
    pub in_hand: Option<Timestamp>,
    /// What was told last.
    pub last: Option<dedup::Entry>,
    entry: Option<Item>,
}

/// A member with the entry it was read from.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The member.
    pub member: Member,
    entry: Item,
}

impl Group {
    /// A group that does not exist yet.
    pub fn new(
        id: String,
        channel: &str,
        kind: Kind,
        labels: BTreeMap<String, String>,
        timing: Timing,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            channel: channel.to_owned(),
            kind,
            labels,
            timing,
            began: now,
            due: None,
            in_hand: None,
            last: None,
            entry: None,
        }
    }

    /// The same, as if nothing of it were written down.
    #[must_use]
    pub fn unwritten(self) -> Self {
        Self { due: None, in_hand: None, entry: None, ..self }
    }

    /// The incident that it is as a whole.
    pub fn incident(&self) -> String {
        format!("group:{}:{}", self.id, self.began.as_millisecond())
    }

    /// When it is to be told, if one joins now: not before its interval since the last time is over.
    #[must_use]
    pub fn due_for(&self, now: Timestamp) -> Timestamp {
        let later = |time: Timestamp, by: SignedDuration| time.saturating_add(by).unwrap_or(now);
        match &self.last {
            None => later(now, self.timing.wait),
            Some(last) => later(last.at, self.timing.interval).max(now),
        }
    }
}

/// The group with this id.
///
/// # Errors
/// What `dynamodb:GetItem` answers.
pub async fn find(ledger: &Ledger, environment: &str, id: &str) -> Result<Option<Group>> {
    Ok(ledger.look_up(&groups(environment), id).await?.and_then(read))
}

/// The groups that should have been told before this time.
///
/// # Errors
/// What `dynamodb:Query` answers.
pub async fn overdue(ledger: &Ledger, environment: &str, before: Timestamp) -> Result<Vec<Group>> {
    let all = ledger.list(&groups(environment), "", MOST_GROUPS).await?;
    let late = |group: &Group| group.due.or(group.in_hand).is_some_and(|time| time < before);
    Ok(all.into_iter().filter_map(read).filter(late).collect())
}

/// Lets a notice join; a later revision of the same incident stays.
///
/// # Errors
/// What the ledger answers.
pub async fn join(ledger: &Ledger, group: &Group, notice: &Notice, now: Timestamp) -> Result<()> {
    let (pk, sk) = (members_of(&group.id), member_key(notice));
    for _ in 0..TRIES {
        let before = ledger.look_up(&pk, &sk).await?;
        let known = before.as_ref().and_then(|entry| get_s(entry, "revision")?.parse::<u64>().ok());
        if known.is_some_and(|known| known >= notice.revision) {
            return Ok(());
        }
        let item = member_item(group, notice, now, false)?;
        if ledger.swap(item, before.as_ref()).await?.is_some() {
            return Ok(());
        }
    }
    Err(changing(group))
}

/// Makes the group due at this time, if it is not due earlier.
///
/// # Errors
/// What the ledger answers.
pub async fn make_due(
    ledger: &Ledger,
    environment: &str,
    group: &Group,
    due: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let mut group = group.clone();
    for _ in 0..TRIES {
        if group.entry.is_some() && group.due.is_some_and(|known| known <= due) {
            return Ok(());
        }
        let wanted = Group { due: Some(due), ..group.clone() };
        if ledger.swap(item(environment, &wanted, now), group.entry.as_ref()).await?.is_some() {
            return Ok(());
        }
        match find(ledger, environment, &group.id).await? {
            Some(found) => group = found,
            None => group.entry = None,
        }
    }
    Err(changing(&group))
}

/// Takes the group in hand, if it still is what was read. Answers with the group in hand.
///
/// # Errors
/// What `dynamodb:PutItem` answers.
pub async fn take(
    ledger: &Ledger,
    environment: &str,
    group: &Group,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Group>> {
    let taken = Group { due: None, in_hand: Some(until), ..group.clone() };
    let entry = ledger.swap(item(environment, &taken, now), group.entry.as_ref()).await?;
    Ok(entry.map(|entry| Group { entry: Some(entry), ..taken }))
}

/// Gives the group out of hand: what it told, and when it is due again. What joined meanwhile may have made it due
/// earlier. One that has nothing left is taken away.
///
/// # Errors
/// What the ledger answers.
pub async fn give_up(
    ledger: &Ledger,
    environment: &str,
    in_hand: &Group,
    last: Option<dedup::Entry>,
    due: Option<Timestamp>,
    empty: bool,
    now: Timestamp,
) -> Result<()> {
    let mut group = in_hand.clone();
    for _ in 0..TRIES {
        let due = [group.due, due].into_iter().flatten().min();
        if empty
            && due.is_none()
            && let Some(entry) = &group.entry
        {
            if ledger.take_away(entry).await? {
                return Ok(());
            }
        } else {
            let free = Group { due, in_hand: None, last: last.clone(), ..group.clone() };
            if ledger.swap(item(environment, &free, now), group.entry.as_ref()).await?.is_some() {
                return Ok(());
            }
        }
        match find(ledger, environment, &group.id).await? {
            Some(found) => group = found,
            None => return Ok(()),
        }
    }
    Err(changing(&group))
}

/// The members of a group, as many as are told together at most, and whether there are more.
///
/// # Errors
/// What `dynamodb:Query` answers.
pub async fn members(ledger: &Ledger, group: &Group) -> Result<(Vec<Kept>, bool)> {
    let mut found = ledger.list(&members_of(&group.id), "", MOST_MEMBERS + 1).await?;
    let more = found.len() > MOST_MEMBERS;
    found.truncate(MOST_MEMBERS);
    Ok((found.into_iter().filter_map(kept).collect(), more))
}

/// Writes down that a member was told, unless it has changed meanwhile.
///
/// # Errors
/// What `dynamodb:PutItem` answers.
pub async fn mark_told(ledger: &Ledger, group: &Group, kept: &Kept) -> Result<()> {
    let item = member_item(group, &kept.member.notice, kept.member.at, true)?;
    ledger.swap(item, Some(&kept.entry)).await?;
    Ok(())
}

/// Lets a member go, unless it has changed meanwhile. Whether it is gone is the answer.
///
/// # Errors
/// What `dynamodb:DeleteItem` answers.
pub async fn forget(ledger: &Ledger, kept: &Kept) -> Result<bool> {
    ledger.take_away(&kept.entry).await
}

fn changing(group: &Group) -> Error {
    Error::Later(format!("the group {} of {} changes all the time", group.id, group.channel))
}

fn groups(environment: &str) -> String {
    format!("groups#{environment}")
}

fn members_of(group: &str) -> String {
    format!("group#{group}")
}

/// One entry per incident; each notice that is for the record stands for itself.
fn member_key(notice: &Notice) -> String {
    match notice.state {
        State::Firing | State::Resolved => id::of(&[&notice.incident]),
        State::Info => id::of(&[&notice.incident, "info", &notice.revision.to_string()]),
    }
}

fn member_item(group: &Group, notice: &Notice, at: Timestamp, told: bool) -> Result<Item> {
    let text = serde_json::to_string(&bounded(notice))
        .map_err(|error| Error::Malformed(format!("a notice cannot be written as JSON: {error}")))?;
    Ok([
        ("pk", s(members_of(&group.id))),
        ("sk", s(member_key(notice))),
        ("notice", s(text)),
        ("revision", s(notice.revision.to_string())),
        ("at", ms(at)),
        ("told", AttributeValue::Bool(told)),
        ("expires_at", expiry(at, DAYS_KEPT)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect())
}

/// The notice, small enough to be kept.
pub(crate) fn bounded(notice: &Notice) -> Notice {
    let mut kept = notice.clone();
    let size = |notice: &Notice| serde_json::to_string(notice).map_or(usize::MAX, |text| text.len());
    if size(&kept) <= LARGEST_NOTICE {
        return kept;
    }
    let omitted = kept.facts.len();
    kept.facts = vec![Fact { name: "Facts omitted".to_owned(), value: omitted.to_string() }];
    kept.labels.clear();
    let cut = |text: &mut String, most: usize| {
        if text.chars().count() > most {
            *text = text.chars().take(most).chain(['…']).collect();
        }
    };
    cut(&mut kept.summary, 4_000);
    cut(&mut kept.title, 500);
    cut(&mut kept.subject.id, 500);
    for lines in [&mut kept.actions, &mut kept.next_steps] {
        lines.truncate(10);
        for line in lines.iter_mut() {
            cut(line, 500);
        }
    }
    kept.links.retain(|link| link.url.len() <= 600 && link.title.len() <= 500);
    kept.links.truncate(10);
    kept
}

fn kept(entry: Item) -> Option<Kept> {
    let notice = serde_json::from_str(&get_s(&entry, "notice")?).ok()?;
    let told = entry.get("told").is_some_and(|told| told.as_bool() == Ok(&true));
    Some(Kept { member: Member { notice, at: get_ms(&entry, "at")?, told }, entry })
}

fn item(environment: &str, group: &Group, now: Timestamp) -> Item {
    let seconds = |duration: SignedDuration| AttributeValue::N(duration.as_secs().to_string());
    let labels = group.labels.iter().map(|(name, value)| (name.clone(), s(value))).collect();
    let words = |words: &BTreeSet<String>| AttributeValue::L(words.iter().map(s).collect());
    let mut entries = vec![
        ("pk", s(groups(environment))),
        ("sk", s(&group.id)),
        ("channel", s(&group.channel)),
        ("kind", s(group.kind.as_str())),
        ("labels", AttributeValue::M(labels)),
        ("wait", seconds(group.timing.wait)),
        ("interval", seconds(group.timing.interval)),
        ("resolved", AttributeValue::Bool(group.timing.resolved)),
        ("began", ms(group.began)),
        ("expires_at", expiry(now, DAYS_KEPT)),
    ];
    entries.extend(group.timing.repeat.map(|repeat| ("repeat", seconds(repeat))));
    entries.extend(group.due.map(|due| ("due", ms(due))));
    entries.extend(group.in_hand.map(|until| ("in_hand", ms(until))));
    if let Some(last) = &group.last {
        entries.extend([
            ("told_firing", words(&last.firing)),
            ("told_resolved", words(&last.resolved)),
            ("told_at", ms(last.at)),
        ]);
    }
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read(entry: Item) -> Option<Group> {
    let seconds = |name| get_n(&entry, name).map(SignedDuration::from_secs);
    let words = |name: &str| -> Option<BTreeSet<String>> {
        let list = entry.get(name)?.as_l().ok()?;
        Some(list.iter().filter_map(|word| word.as_s().ok().cloned()).collect())
    };
    let labels = entry.get("labels").and_then(|labels| labels.as_m().ok()).into_iter().flatten();
    Some(Group {
        id: get_s(&entry, "sk")?,
        channel: get_s(&entry, "channel")?,
        kind: Kind::read(&get_s(&entry, "kind")?)?,
        labels: labels.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect(),
        timing: Timing {
            wait: seconds("wait")?,
            interval: seconds("interval")?,
            repeat: seconds("repeat"),
            resolved: entry.get("resolved").is_none_or(|wanted| wanted.as_bool() != Ok(&false)),
        },
        began: get_ms(&entry, "began")?,
        due: get_ms(&entry, "due"),
        in_hand: get_ms(&entry, "in_hand"),
        last: get_ms(&entry, "told_at").map(|at| dedup::Entry {
            firing: words("told_firing").unwrap_or_default(),
            resolved: words("told_resolved").unwrap_or_default(),
            at,
        }),
        entry: Some(entry),
    })
}
