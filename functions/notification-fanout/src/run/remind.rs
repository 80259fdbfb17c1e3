//! A batch of reminders: groups that are due, incidents that nobody has acknowledged, incidents that go on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::ledger::activity::Activity;
use shared::notice::{Notice, State};
use shared::policy::notify::Notify;
use shared::queue::{Queue, answer};
use shared::timer::Reminder;
use shared::{Error, Report, Result};

use super::deliver::{Asked, Handed, stumble};
use super::flush::Reminded;
use super::{Destination, Run};
use crate::channel::Channel;
use crate::decision::Outcome;
use crate::decision::escalate::{Step, step};
use crate::decision::route::Standing;
use crate::delivery;
use crate::queue::Record;
use crate::render::Occasion;
use crate::{MARGIN, PATIENCE, SOON};

/// A message is kept for 14 days at most; one that waits on is sent anew before.
const MESSAGE_LASTS: SignedDuration = SignedDuration::from_hours(10 * 24);

/// So young, a reminder may be there before what it reminds of.
const YOUNG: SignedDuration = SignedDuration::from_secs(12);

/// How long until it is looked whether somebody has mended the policy.
const POLICY_MENDED: Duration = Duration::from_mins(1);

/// A message that was received so often is sent anew, before the queue gives it up: see `maxReceiveCount`.
const RECEIVED_OFTEN: u32 = 500;

/// Less time than this is not worth beginning with.
const LEAST_TIME: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// Looks at what a batch of reminders is about, one after the other, and answers with those that come again.
    pub(crate) async fn remind(&self, records: &[Record]) -> Result<Report> {
        let reminders = Queue { sqs: &self.clients.sqs, url: &self.fanout.config.reminders_queue };
        let (mut unfinished, mut done, mut first_error) = (Vec::new(), Vec::new(), None);
        for record in records {
            let result = self.reminded(record).await;
            let (outcome, why, again) = match result {
                Ok(Reminded::Done { outcome, why }) => (outcome, why, None),
                Ok(Reminded::At { at, outcome, why }) => (outcome, why, Some(at)),
                Err(error) => {
                    let again = self.later(stumble(record.receives, &record.body));
                    let why = error.chain();
                    first_error.get_or_insert(error);
                    ("failed", why, Some(again))
                }
            };
            if let Some(at) = again {
                let after = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
                if let Some(receipt) = &record.receipt
                    && let Err(error) = reminders.give_back(receipt, after.max(SOON)).await
                {
                    // Without this it comes again too, only when the queue's own time is over.
                    first_error.get_or_insert(error);
                }
                unfinished.extend(record.id.as_deref());
            }
            let shown: String = record.body.chars().take(400).collect();
            done.push(json!({"reminder": shown, "outcome": outcome, "why": why, "again": again}));
        }
        let of = |wanted: &str| done.iter().filter(|one| one["outcome"] == wanted).count();
        let words = ["dead_lettered", "failed", "rerouted", "escalated", "delivered", "waiting", "ignored"];
        let outcome = words.into_iter().find(|word| of(word) > 0).unwrap_or("ignored");
        let reason = match done.as_slice() {
            [only] => only["why"].as_str().unwrap_or_default().to_owned(),
            several => format!("{} reminders, {} come again", several.len(), unfinished.len()),
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of a batch are far below 2^52")]
        let report = Report::new(outcome, "reminders", reason)
            .metric("DeadLettered", "Count", of("dead_lettered") as f64)
            .record("reminders", &done)
            .answering(answer(unfinished.iter().copied()));
        match first_error {
            Some(error) if of("failed") == done.len() => Err(error),
            Some(_) | None => Ok(report),
        }
    }

    async fn reminded(&self, record: &Record) -> Result<Reminded> {
        if self.invocation.left(MARGIN) < LEAST_TIME {
            let why = "the invocation is nearly over".to_owned();
            return Ok(Reminded::At { at: self.later(SOON), outcome: "waiting", why });
        }
        let reminder = Reminder::read(&record.body).map_err(Error::Malformed)?;
        let answer = match &reminder {
            Reminder::Flush { group } => self.flush(group, record).await?,
            Reminder::Escalate { incident } => self.escalate(incident, record).await?,
            Reminder::Repeat { incident, channel } => self.repeat(incident, channel, record).await?,
        };
        match answer {
            Reminded::At { at, outcome, why }
                if record.receives > RECEIVED_OFTEN
                    || record.sent.is_some_and(|sent| self.now().duration_since(sent) > MESSAGE_LASTS) =>
            {
                self.arm(&reminder, at).await?;
                Ok(Reminded::Done { outcome, why })
            }
            Reminded::At { .. } | Reminded::Done { .. } => Ok(answer),
        }
    }

    /// Calls whoever is next, if nobody has acknowledged.
    async fn escalate(&self, incident: &str, record: &Record) -> Result<Reminded> {
        let (ledger, environment) = (&self.clients.ledger, self.environment());
        let Some(known) = ledger.activity(environment, incident).await? else {
            return Ok(self.not_yet_known(record));
        };
        let activity = &known.activity;
        let (number, who, channels, mentions, after, next) =
            match step(self.notify(), Some(activity), self.now()) {
                Step::Over { .. } if self.lacks_policy() => return Ok(self.waits_for_policy()),
                // Armed before the incident was written down, it may find what was before.
                Step::Over { why } if self.is_young(record) => {
                    return Ok(again(self.later(PATIENCE), "waiting", why));
                }
                Step::Over { why } => return Ok(done(why)),
                Step::Wait { until } => return Ok(again(until, "waiting", "the next step is not due yet")),
                Step::Call { number, who, channels, mentions, after, next } => {
                    (number, who, channels, mentions, after, next)
                }
            };
        let notice = self.notice_of(activity).await?;
        let routed = self.route(&notice, Some(activity));
        // Whom nobody tells, nobody calls: a silence holds for the night, too.
        let told = |there: &&Destination| there.standing == Standing::Tell;
        if !routed.destinations.iter().any(|there| told(&there)) {
            let held = routed.destinations.iter().filter_map(|there| match &there.standing {
                Standing::Hold { until, why } => Some((*until, why)),
                Standing::Tell | Standing::Drop { .. } => None,
            });
            return Ok(match held.min_by_key(|(until, _)| *until) {
                Some((until, why)) => again(until, "waiting", why),
                None => done("no route tells anybody of it"),
            });
        }
        // Somebody without channels of their own is called by name where the incident is told.
        let channels = if channels.is_empty() {
            routed.destinations.iter().filter(told).map(|there| there.channel.clone()).collect()
        } else {
            channels
        };
        let word = format!("escalation-{number}-{}", activity.started.as_millisecond());
        let occasion = Occasion::Escalation { who: &who, after };
        let (mut waits, mut told) = (None::<Timestamp>, Vec::new());
        for name in &channels {
            let Some(channel) = self.channel(name) else {
                told.push(format!("{name}: the channels secret has no such channel"));
                continue;
            };
            let outcome =
                self.tell_again(&notice, channel, occasion, &word, &mentions, activity, record).await?;
            if let Outcome::Waits { until, .. } = &outcome {
                waits = Some(waits.map_or(*until, |first| first.min(*until)));
            }
            told.push(format!("{name}: {}", spoken(&outcome)));
        }
        let why = format!("step {number}: {who} ({})", told.join(", "));
        // A channel that cannot be told holds up no later step: when that is due, this one counts as taken.
        if let Some(until) = waits
            && next.is_none_or(|next| self.now() < next)
        {
            return Ok(again(next.map_or(until, |next| next.min(until)), "waiting", &why));
        }
        let taken = Activity { escalated: number, ..activity.clone() };
        if !ledger.note(environment, &taken, Some(&known), self.now()).await? {
            return Ok(again(self.later(SOON), "escalated", &why));
        }
        Ok(match next {
            Some(next) => again(next, "escalated", &why),
            None => Reminded::Done { outcome: "escalated", why },
        })
    }

    /// Tells a channel again that an incident goes on.
    async fn repeat(&self, incident: &str, channel: &str, record: &Record) -> Result<Reminded> {
        let ledger = &self.clients.ledger;
        let Some(known) = ledger.activity(self.environment(), incident).await? else {
            return Ok(self.not_yet_known(record));
        };
        let activity = &known.activity;
        if activity.state != State::Firing {
            return Ok(done("it is over"));
        }
        let Some(channel) = self.channel(channel) else {
            return Ok(done("the channels secret has no such channel any more"));
        };
        let notice = self.notice_of(activity).await?;
        let routed = self.route(&notice, Some(activity));
        let found = routed.destinations.iter().find(|there| there.channel == channel.name);
        let Some((destination, repeat)) = found.and_then(|there| Some((there, there.timing.repeat?))) else {
            if self.lacks_policy() {
                return Ok(self.waits_for_policy());
            }
            return Ok(done("no route repeats it on this channel"));
        };
        let remembered = delivery::told(ledger, incident, &channel.name).await?;
        let Some(told) = remembered.told.as_ref().filter(|told| told.state == State::Firing) else {
            return Ok(match record.receives {
                0..=3 => again(self.later(stumble(3, incident)), "waiting", "it is being told"),
                _ => done("the channel was not told that it goes on"),
            });
        };
        let due = told.at.saturating_add(repeat).unwrap_or(Timestamp::MAX);
        if self.now() < due {
            return Ok(again(due, "waiting", "its time has not come"));
        }
        let next = self.now().saturating_add(repeat).unwrap_or(Timestamp::MAX);
        if activity.acknowledged.is_some() {
            return Ok(again(next, "ignored", "somebody has it in hand"));
        }
        match &destination.standing {
            Standing::Tell => {}
            Standing::Hold { until, why } => return Ok(again(*until, "waiting", why)),
            Standing::Drop { why } => return Ok(again(next, "ignored", why)),
        }
        let word = format!("repeat-{}", told.at.as_millisecond());
        let outcome =
            self.tell_again(&notice, channel, Occasion::Reminder, &word, &[], activity, record).await?;
        Ok(match outcome {
            Outcome::Waits { until, why } => again(until, "waiting", &why),
            outcome @ (Outcome::Acknowledged
            | Outcome::AcceptedUnverified
            | Outcome::AlreadyDelivered
            | Outcome::Overtaken
            | Outcome::Unheard
            | Outcome::RefusedBefore
            | Outcome::Joined { .. }
            | Outcome::NotTold { .. }
            | Outcome::Rerouted { .. }
            | Outcome::DeadLettered { .. }) => again(next, "delivered", spoken(&outcome)),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "all that a telling is made of")]
    async fn tell_again(
        &self,
        notice: &Notice,
        channel: &Channel,
        occasion: Occasion<'_>,
        word: &str,
        mentions: &[String],
        activity: &Activity,
        record: &Record,
    ) -> Result<Outcome> {
        if let Err(why) = channel.takes(notice) {
            return Ok(Outcome::NotTold { why: why.to_owned() });
        }
        let seen = delivery::seen(&self.clients.ledger, notice, word).await?;
        let held = seen.held.get(&channel.name);
        let message = record.id.as_deref().unwrap_or_default();
        let unheard = delivery::Remembered::default();
        let remembered = seen.told.get(&channel.name).unwrap_or(&unheard);
        if held.is_some_and(|held| held.state.delivered()) {
            return self.was_delivered(notice, channel, held, remembered).await;
        }
        match held.map(|held| &held.state) {
            Some(delivery::State::Failed { message: refused }) if refused == message => {
                return Ok(Outcome::RefusedBefore);
            }
            Some(state) => {
                if let Some(until) = state.taken_until().filter(|until| self.now() < *until) {
                    return Ok(Outcome::Waits { until, why: "it is in hand, or waits".to_owned() });
                }
            }
            None => {}
        }
        let bodies: Vec<String> = serde_json::to_string(notice).ok().into_iter().collect();
        let asked = Asked {
            notice,
            together: &[],
            channel,
            occasion,
            word,
            started: Some(activity.started),
            mentions,
            held,
            remembered,
            message,
            bodies: &bodies,
            fallback: true,
            source: None,
            repeat: None,
        };
        match self.hand_over(&asked, true).await? {
            Handed::Is(outcome) => Ok(outcome),
            Handed::NotBefore { until, .. } => {
                Ok(Outcome::Waits { until, why: "it is not the channel's turn".to_owned() })
            }
        }
    }

    /// The last notice of an incident, or one made of what is known of it.
    async fn notice_of(&self, activity: &Activity) -> Result<Notice> {
        if let Some(notice) = delivery::kept(&self.clients.ledger, &activity.incident).await?
            && notice.state == State::Firing
        {
            return Ok(notice);
        }
        let label = |name: &str| activity.labels.get(name).cloned().unwrap_or_default();
        let subject = shared::notice::Subject { kind: label("kind"), id: label("subject"), arn: None };
        let Activity { incident, state, severity, title, since, .. } = activity;
        let mut notice = Notice::new(incident, *state, *severity, subject, title, *since);
        self.environment().clone_into(&mut notice.environment);
        notice.source = label("source");
        notice.labels.clone_from(&activity.labels);
        Ok(notice)
    }

    /// Whether nobody knows what the owners have decided: what they want to be reminded of then waits until somebody does.
    pub(super) fn lacks_policy(&self) -> bool {
        self.rules.problem.is_some() && *self.notify() == Notify::default()
    }

    fn waits_for_policy(&self) -> Reminded {
        again(self.later(POLICY_MENDED), "waiting", "the policy cannot be read")
    }

    /// Whether it was sent so lately that what it is about may not be written down yet.
    pub(super) fn is_young(&self, record: &Record) -> bool {
        record.sent.is_some_and(|sent| self.now().duration_since(sent) < YOUNG)
    }

    /// A reminder is armed before the incident is written down; where that never came, nothing is to be reminded of.
    fn not_yet_known(&self, record: &Record) -> Reminded {
        match record.receives {
            0..=3 => again(self.later(stumble(3, &record.body)), "waiting", "the incident is not known yet"),
            _ => done("the incident is not known"),
        }
    }
}

fn done(why: &str) -> Reminded {
    Reminded::Done { outcome: "ignored", why: why.to_owned() }
}

fn again(at: Timestamp, outcome: &'static str, why: &str) -> Reminded {
    Reminded::At { at, outcome, why: why.to_owned() }
}

fn spoken(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Acknowledged | Outcome::AcceptedUnverified => "told",
        Outcome::AlreadyDelivered => "was told",
        Outcome::Rerouted { .. } => "told on its fallback",
        Outcome::DeadLettered { .. } | Outcome::RefusedBefore => "refused",
        Outcome::Overtaken | Outcome::Unheard | Outcome::Joined { .. } => "not told",
        Outcome::NotTold { why } | Outcome::Waits { why, .. } => why,
    }
}
