//! Notices that waited are told together.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, State};
use shared::{Result, id};

use super::Run;
use super::deliver::{Asked, Handed, stumble};
use crate::channel::Channel;
use crate::decision::dedup::{Entry, Need, News, news};
use crate::decision::group::{Flush, Member, flush, summary};
use crate::decision::route::{GroupKey, Standing};
use crate::decision::{self, Outcome};
use crate::delivery::{self, Remembered};
use crate::group::{self, Group, Kept, Kind};
use crate::queue::Record;
use crate::render::Occasion;
use crate::{MARGIN, SOON};

/// How many members are looked up or written down at once.
const AT_ONCE: usize = 16;

/// How often a member is tried to be written down.
const TRIES: usize = 3;

/// A group is told, and each of its members written down, in one go: for each that takes this long, at the most.
const EACH: Duration = Duration::from_millis(8);

/// When a group of more members than are told together comes again, where its members wait to be told once.
const AT_ONCE_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// The same, at the least, where it keeps them.
const LEAST_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// What became of a reminder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reminded {
    /// It has nothing left to remind of.
    Done {
        /// What came of it.
        outcome: &'static str,
        /// In words.
        why: String,
    },
    /// It has to come again then.
    At {
        /// When.
        at: Timestamp,
        /// What came of it until then.
        outcome: &'static str,
        /// In words.
        why: String,
    },
}

/// What a group comes to.
struct Told {
    outcome: &'static str,
    why: String,
    last: Option<Entry>,
    due: Option<Timestamp>,
    left: usize,
}

/// A member that may be told, with what is written of it on the channel.
struct Candidate {
    kept: Kept,
    remembered: Remembered,
}

impl Run<'_> {
    /// Tells a group, if its time has come.
    pub(super) async fn flush(&self, id: &str, record: &Record) -> Result<Reminded> {
        let (ledger, environment) = (&self.clients.ledger, self.environment());
        let done = |why: &str| Reminded::Done { outcome: "ignored", why: why.to_owned() };
        let waits = |at, why: &str| Reminded::At { at, outcome: "waiting", why: why.to_owned() };
        // Armed before the group is written down, it may be there first.
        let early = || waits(self.later(stumble(record.receives, id)), "its group is not there yet");
        let Some(group) = group::find(ledger, environment, id).await? else {
            return Ok(if self.is_young(record) { early() } else { done("nothing waits any more") });
        };
        match (group.in_hand, group.due) {
            (None, None) if self.is_young(record) => return Ok(early()),
            (Some(until), _) if self.now() < until => {
                return Ok(waits(until, "another invocation tells it"));
            }
            (_, Some(due)) if self.now() < due => return Ok(waits(due, "its time has not come")),
            (None, None) => return Ok(done("it was told")),
            (Some(_), _) | (_, Some(_)) => {}
        }
        let until = decision::after(self.invocation.deadline, SOON);
        let Some(taken) = group::take(ledger, environment, &group, until, self.now()).await? else {
            return Ok(waits(self.later(SOON), "another invocation was faster"));
        };
        match self.tell_group(&taken).await {
            Ok(told) => {
                let empty = told.left == 0;
                group::give_up(ledger, environment, &taken, told.last, told.due, empty, self.now()).await?;
                Ok(match told.due {
                    Some(at) => Reminded::At { at, outcome: told.outcome, why: told.why },
                    None => Reminded::Done { outcome: told.outcome, why: told.why },
                })
            }
            Err(error) => {
                let again = self.later(stumble(record.receives, &taken.id));
                // What counts is the error; without this the group is free again at its deadline.
                let last = taken.last.clone();
                let _ =
                    group::give_up(ledger, environment, &taken, last, Some(again), false, self.now()).await;
                Err(error)
            }
        }
    }

    async fn tell_group(&self, group: &Group) -> Result<Told> {
        let (members, more) = group::members(&self.clients.ledger, group).await?;
        let count = members.len();
        if self.invocation.left(MARGIN) < EACH * u32::try_from(count).unwrap_or(u32::MAX) {
            let (why, last) = ("the invocation is nearly over".to_owned(), group.last.clone());
            return Ok(Told { outcome: "waiting", why, last, due: Some(self.later(SOON)), left: count });
        }
        let mut told = match self.channel(&group.channel) {
            None => self.abandon(group, &members).await?,
            Some(channel) => {
                let (candidates, held) = self.reconsider(group, members).await?;
                if group.kind.keeps() {
                    self.tell_kept(group, channel, candidates, held).await?
                } else {
                    self.tell_waiting(group, channel, candidates, held).await?
                }
            }
        };
        if more {
            // A group that keeps its members does not come round to the others before its interval is over.
            let pause =
                if group.kind.keeps() { group.timing.interval.max(LEAST_INTERVAL) } else { AT_ONCE_AGAIN };
            let next = self.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
            told.left += 1;
            told.due = Some(told.due.map_or(next, |due| due.min(next)));
        }
        Ok(told)
    }

    /// Of all members those that may be told now, and when the first of the others is due. Those that are not to be told
    /// any more are forgotten.
    async fn reconsider(
        &self,
        group: &Group,
        members: Vec<Kept>,
    ) -> Result<(Vec<Candidate>, Option<(Timestamp, usize)>)> {
        let looked: Vec<_> = stream::iter(members)
            .map(|kept| async move {
                let ledger = &self.clients.ledger;
                let notice = &kept.member.notice;
                let activity = match notice.state {
                    State::Info => None,
                    State::Firing | State::Resolved => {
                        ledger.activity(self.environment(), &notice.incident).await?
                    }
                };
                let activity = activity.map(|known| known.activity);
                let over = activity.as_ref().is_some_and(|activity| {
                    activity.revision > notice.revision && activity.state != State::Firing
                });
                let calm = self.calm_at(activity.as_ref());
                let remembered = delivery::told(ledger, &notice.incident, &group.channel).await?;
                shared::Result::<_>::Ok((kept, over, calm, remembered, activity))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut candidates = Vec::new();
        let mut gone = Vec::new();
        let mut held: Option<(Timestamp, usize)> = None;
        for (kept, over, calm, remembered, activity) in looked {
            let notice = &kept.member.notice;
            let routed = self.route(notice, activity.as_ref());
            let found = routed.destinations.iter().find(|there| there.channel == group.channel);
            let until = match found.map(|there| &there.standing) {
                // Told before, it is shown as it stands; told for the first time, it must be wanted.
                // The end of what stormed was told by itself, or joins what went before it.
                _ if over
                    && notice.state == State::Firing
                    && (!kept.member.told || group.kind == Kind::Storm) =>
                {
                    Some(None)
                }
                _ if kept.member.told => None,
                None | Some(Standing::Drop { .. }) => Some(None),
                Some(Standing::Hold { until, .. }) => Some(Some(*until)),
                Some(Standing::Tell) => calm.map(Some),
            };
            match until {
                None => candidates.push(Candidate { kept, remembered }),
                Some(None) => gone.push(kept),
                Some(Some(until)) => {
                    let (first, count) = held.unwrap_or((until, 0));
                    held = Some((first.min(until), count + 1));
                }
            }
        }
        self.forget(gone.iter()).await?;
        candidates.sort_by_key(|candidate| {
            let notice = &candidate.kept.member.notice;
            (notice.severity, notice.state != State::Firing, notice.time)
        });
        Ok((candidates, held))
    }

    /// A group whose members are told once, when they can be.
    async fn tell_waiting(
        &self,
        group: &Group,
        channel: &Channel,
        candidates: Vec<Candidate>,
        held: Option<(Timestamp, usize)>,
    ) -> Result<Told> {
        let (news, old): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| {
            let told = candidate.remembered.told.as_ref();
            news(told, &candidate.kept.member.notice, group.timing.resolved) == News::Tell
        });
        self.forget(old.iter().map(|candidate| &candidate.kept)).await?;
        let left = held.map_or(0, |(_, count)| count);
        let due = held.map(|(until, _)| until);
        if news.is_empty() {
            let why = format!("nothing of it is to be told, {left} wait on");
            return Ok(Told { outcome: "ignored", why, last: group.last.clone(), due, left });
        }
        let outcome = self.tell_together(group, channel, &news, &[]).await?;
        self.settle_group(group, &news, &[], outcome, None, due, left).await
    }

    /// A group that is told again and again while anything of it goes on.
    async fn tell_kept(
        &self,
        group: &Group,
        channel: &Channel,
        candidates: Vec<Candidate>,
        held: Option<(Timestamp, usize)>,
    ) -> Result<Told> {
        let members: Vec<Member> = candidates.iter().map(|candidate| candidate.kept.member.clone()).collect();
        let (left_held, held_due) = (held.map_or(0, |(_, count)| count), held.map(|(until, _)| until));
        let decided = flush(&members, group.last.as_ref(), &group.timing, self.now(), self.now());
        let (need, chosen, forget) = match decided {
            Flush::NotYet { at } => {
                let why = "its time has not come".to_owned();
                let left = candidates.len() + left_held;
                return Ok(Told { outcome: "waiting", why, last: group.last.clone(), due: Some(at), left });
            }
            Flush::Nothing { forget } => (None, Vec::new(), forget),
            Flush::Tell { need, members, forget } => (Some(need), members, forget),
        };
        let (shown, rest): (Vec<_>, Vec<_>) =
            candidates.into_iter().enumerate().partition(|(place, _)| chosen.contains(place));
        let shown: Vec<Candidate> = shown.into_iter().map(|(_, candidate)| candidate).collect();
        let rest: Vec<Candidate> = rest.into_iter().map(|(_, candidate)| candidate).collect();
        let last = Some(entry(shown.iter().chain(&rest), self.now()));
        let silent = matches!(need, None | Some(Need::No | Need::AllResolved { tell: false }));
        let outcome = if silent || shown.is_empty() {
            None
        } else {
            Some(self.tell_together(group, channel, &shown, &forget).await?)
        };
        let Some(outcome) = outcome else {
            let of_all = shown.iter().chain(&rest).map(|candidate| &candidate.kept);
            let (gone, stay): (Vec<_>, Vec<_>) =
                of_all.partition(|kept| forget.contains(&kept.member.notice.incident));
            self.forget(gone).await?;
            let left = left_held + stay.len();
            let last = if need.is_some() { last } else { group.last.clone() };
            let due = [held_due, self.repeat_at(group, last.as_ref(), left)].into_iter().flatten().min();
            return Ok(Told { outcome: "ignored", why: "nothing of it is new".to_owned(), last, due, left });
        };
        let goes = |kept: &&Kept| {
            forget.contains(&kept.member.notice.incident) && !matches!(outcome, Outcome::Waits { .. })
        };
        let gone = self.forget(rest.iter().map(|candidate| &candidate.kept).filter(goes)).await?;
        let left = left_held + rest.len() - gone;
        self.settle_group(group, &shown, &forget, outcome, last, held_due, left).await
    }

    /// Tells some members of a group in one message; a single one as itself.
    async fn tell_together(
        &self,
        group: &Group,
        channel: &Channel,
        shown: &[Candidate],
        forget: &[String],
    ) -> Result<Outcome> {
        let notices: Vec<Notice> =
            shown.iter().map(|candidate| candidate.kept.member.notice.clone()).collect();
        let bodies: Vec<String> =
            notices.iter().filter_map(|notice| serde_json::to_string(notice).ok()).collect();
        let message = self.message_of(group);
        let word;
        let whole;
        let remembered;
        let together: &[Notice];
        let (notice, word, remembered) = match shown {
            [only] if !group.kind.keeps() => {
                together = &[];
                (&only.kept.member.notice, "", &only.remembered)
            }
            _ => {
                let all: Vec<&Notice> = notices.iter().collect();
                let key = GroupKey { id: group.id.clone(), labels: group.labels.clone() };
                let mut summary = summary(&key, &all, self.now(), self.environment());
                summary.incident = group.incident();
                summary.id =
                    id::of(&[&summary.incident, &summary.revision.to_string(), summary.state.as_str()]);
                // The same members at the same revisions are the same telling, whoever repeats it.
                let at = group.last.as_ref().map_or(0, |last| last.at.as_millisecond());
                let members: Vec<String> = notices.iter().map(|notice| notice.id.clone()).collect();
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                word = format!("{at}-{}-{}", id::of(&members), forget.len());
                whole = summary;
                remembered = delivery::told(&self.clients.ledger, &whole.incident, &channel.name).await?;
                together = &notices;
                (&whole, word.as_str(), &remembered)
            }
        };
        let seen = delivery::seen(&self.clients.ledger, notice, word).await?;
        let held = seen.held.get(&channel.name);
        if held.is_some_and(|held| held.state.delivered()) {
            return Ok(Outcome::AlreadyDelivered);
        }
        if let Some(until) =
            held.and_then(|held| held.state.taken_until()).filter(|until| self.now() < *until)
        {
            return Ok(Outcome::Waits { until, why: "it is in hand, or waits".to_owned() });
        }
        let asked = Asked {
            notice,
            together,
            channel,
            occasion: Occasion::News,
            word,
            started: notice.started,
            mentions: &[],
            held,
            remembered,
            message: &message,
            bodies: &bodies,
            fallback: true,
            source: None,
            repeat: None,
        };
        match self.hand_over(&asked, false).await? {
            Handed::Is(outcome) => Ok(outcome),
            Handed::NotBefore { until, .. } => {
                Ok(Outcome::Waits { until, why: "it is not the channel's turn".to_owned() })
            }
        }
    }

    /// What a group comes to after it was told, or could not be.
    #[expect(clippy::too_many_arguments, reason = "the parts of one conclusion")]
    async fn settle_group(
        &self,
        group: &Group,
        shown: &[Candidate],
        forget: &[String],
        outcome: Outcome,
        last: Option<Entry>,
        held: Option<Timestamp>,
        left: usize,
    ) -> Result<Told> {
        let count = shown.len();
        if let Outcome::Waits { until, why } = outcome {
            let due = held.map_or(until, |held| held.min(until));
            let (last, left) = (group.last.clone(), left + count);
            return Ok(Told { outcome: "waiting", why, last, due: Some(due), left });
        }
        if let Outcome::DeadLettered { why } = &outcome {
            return self.gave_up(group, shown, why, held, left).await;
        }
        let outcome = match outcome {
            Outcome::Rerouted { .. } => "rerouted",
            Outcome::Acknowledged
            | Outcome::AcceptedUnverified
            | Outcome::AlreadyDelivered
            | Outcome::Overtaken
            | Outcome::Unheard
            | Outcome::RefusedBefore
            | Outcome::Joined { .. }
            | Outcome::NotTold { .. }
            | Outcome::DeadLettered { .. }
            | Outcome::Waits { .. } => "delivered",
        };
        let kept = each(shown, |candidate| self.told_in_group(group, candidate, forget)).await?;
        let left = left + kept.iter().filter(|kept| **kept).count();
        let due = [held, self.repeat_at(group, last.as_ref(), left)].into_iter().flatten().min();
        let why = format!("{count} told together, {left} wait or go on");
        Ok(Told { outcome, why, last: last.or_else(|| group.last.clone()), due, left })
    }

    /// All that could not be told lies with the dead letters, each by itself. Nothing of it counts as told, so that each
    /// is told when it is sent back.
    async fn gave_up(
        &self,
        group: &Group,
        shown: &[Candidate],
        why: &str,
        due: Option<Timestamp>,
        left: usize,
    ) -> Result<Told> {
        each(shown, |candidate| self.is_dead(group, &candidate.kept, why)).await?;
        let why = format!("{} kept as dead letters: {why}", shown.len());
        Ok(Told { outcome: "dead_lettered", why, last: group.last.clone(), due, left })
    }

    /// Writes down that a member lies with the dead letters, and lets it go.
    async fn is_dead(&self, group: &Group, kept: &Kept, why: &str) -> Result<()> {
        let ledger = &self.clients.ledger;
        let entry = delivery::Entry { notice: &kept.member.notice, channel: &group.channel, occasion: "" };
        if !kept.member.told {
            delivery::gave_up(ledger, entry, &self.message_of(group), why, self.now()).await?;
        }
        group::forget(ledger, kept).await.map(drop)
    }

    /// Lets members go. How many are gone is the answer; the others have changed meanwhile.
    async fn forget(&self, members: impl IntoIterator<Item = &Kept>) -> Result<usize> {
        let gone = each(members, |kept| group::forget(&self.clients.ledger, kept)).await?;
        Ok(gone.into_iter().filter(|gone| *gone).count())
    }

    /// What stands for the queue's message where a group is told.
    fn message_of(&self, group: &Group) -> String {
        format!("group-{}-{}", group.id, self.invocation.request_id)
    }

    /// Writes down that a member was told with others. Whether it stays in its group is the answer.
    async fn told_in_group(&self, group: &Group, candidate: &Candidate, forget: &[String]) -> Result<bool> {
        let (ledger, Candidate { kept, remembered }) = (&self.clients.ledger, candidate);
        let notice = &kept.member.notice;
        let known = remembered.told.as_ref().is_some_and(|told| told.revision >= notice.revision);
        if !known {
            delivery::remember(ledger, notice, true, &group.channel, remembered, None, self.now()).await?;
        }
        let stays = group.kind.keeps() && notice.state == State::Firing && !forget.contains(&notice.incident);
        if !stays {
            // What changed meanwhile stays, and is told the next time.
            return Ok(!group::forget(ledger, kept).await?);
        }
        if !kept.member.told {
            group::mark_told(ledger, group, kept).await?;
        }
        Ok(true)
    }

    fn repeat_at(&self, group: &Group, last: Option<&Entry>, left: usize) -> Option<Timestamp> {
        let (repeat, last) = (group.timing.repeat?, last.filter(|last| left > 0 && !last.firing.is_empty())?);
        last.at.saturating_add(repeat).ok().map(|at| at.max(self.later(SOON)))
    }

    /// The channel was taken out of the secret while notices waited for it: they are kept as dead letters.
    async fn abandon(&self, group: &Group, members: &[Kept]) -> Result<Told> {
        let why = "the channels secret has no such channel any more";
        let about = [("channel", group.channel.as_str()), ("error", why)];
        let (sqs, dead_letters) = (&self.clients.sqs, &self.fanout.config.dead_letters);
        // Before it is written down, so that a record that has to be tried again makes no second letter.
        each(members.iter().filter(|kept| !kept.member.told), |kept| async move {
            let body = serde_json::to_string(&kept.member.notice).unwrap_or_default();
            crate::queue::dead_letter(sqs, dead_letters, &body, &about).await
        })
        .await?;
        each(members, |kept| self.is_dead(group, kept, why)).await?;
        Ok(Told { outcome: "dead_lettered", why: why.to_owned(), last: None, due: None, left: 0 })
    }
}

/// Does something for each, some at a time, and again for those that it failed for. What was told with others has to be
/// written down of each of them: those of which it is not are told again.
async fn each<'a, T: 'a, R, F>(
    all: impl IntoIterator<Item = &'a T>,
    act: impl Fn(&'a T) -> F,
) -> Result<Vec<R>>
where
    F: Future<Output = Result<R>>,
{
    let (mut left, mut done, mut failure): (Vec<_>, _, _) = (all.into_iter().collect(), Vec::new(), None);
    for _ in 0..TRIES {
        let acts = left.into_iter().map(|one| {
            let act = act(one);
            async move { (one, act.await) }
        });
        let results: Vec<_> = stream::iter(acts).buffer_unordered(AT_ONCE).collect().await;
        (left, failure) = (Vec::new(), None);
        for (one, result) in results {
            match result {
                Ok(result) => done.push(result),
                Err(error) => {
                    left.push(one);
                    failure = Some(error);
                }
            }
        }
    }
    failure.map_or(Ok(done), Err)
}

/// What a group told, for the next time.
fn entry<'a>(candidates: impl Iterator<Item = &'a Candidate>, now: Timestamp) -> Entry {
    let mut entry = Entry { firing: BTreeSet::new(), resolved: BTreeSet::new(), at: now };
    for candidate in candidates {
        let notice = &candidate.kept.member.notice;
        match notice.state {
            State::Firing => entry.firing.insert(notice.incident.clone()),
            State::Resolved => entry.resolved.insert(notice.incident.clone()),
            State::Info => false,
        };
    }
    entry
}
