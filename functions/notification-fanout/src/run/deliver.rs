//! One notice on one channel: its turn, claim, send, remember, record.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use shared::notice::{self, Notice, Severity};
use shared::{Result, id};

use super::{Run, pace};
use crate::bucket::{self, Rate, Source, Turn};
use crate::channel::{Channel, Outbox, Sent, Telling};
use crate::decision::{self, LEAST_TIME, Meaning, Outcome, pause};
use crate::delivery::{self, Delivery, Entry, Remembered, State};
use crate::render::{Occasion, View};
use crate::{MARGIN, PATIENCE, SOON, queue};

/// How many dead letters are written at once.
const LETTERS: usize = 16;

/// Why something is left to the next invocation.
const NEARLY_OVER: &str = "the invocation is nearly over";

/// After so many, failures on our side do not make what failed stay away for longer.
const STUMBLES: u32 = 4;

/// One notice on one channel, decided to be told.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) notice: &'a Notice,
    pub(super) together: &'a [Notice],
    pub(super) channel: &'a Channel,
    pub(super) occasion: Occasion<'a>,
    /// The occasion in the ledger; empty where it is news.
    pub(super) word: &'a str,
    pub(super) started: Option<Timestamp>,
    pub(super) mentions: &'a [String],
    pub(super) held: Option<&'a Delivery>,
    pub(super) remembered: &'a Remembered,
    /// The queue's id of the message that asks for it.
    pub(super) message: &'a str,
    /// What goes to the dead-letter queue if nobody can be told.
    pub(super) bodies: &'a [String],
    /// Whether it may be told elsewhere, if the channel refuses it.
    pub(super) fallback: bool,
    /// Whose word it counts as, where that may be told with others.
    pub(super) source: Option<&'a str>,
    /// After how long it is told again, if it goes on. What storms is not: its group is.
    pub(super) repeat: Option<SignedDuration>,
}

/// What came of it.
pub(super) enum Handed {
    /// It is over, or comes again.
    Is(Outcome),
    /// Not before then.
    NotBefore {
        /// When it may be tried again.
        until: Timestamp,
        /// Whether that is because its source says too much, and not for the channel's pace.
        storms: bool,
    },
}

impl Run<'_> {
    /// Tells a notice on a channel when it is the channel's turn. With `reserve`, the next turn is reserved for it.
    pub(super) async fn hand_over(&self, asked: &Asked<'_>, reserve: bool) -> Result<Handed> {
        let Asked { notice, channel, held, .. } = *asked;
        let ledger = &self.clients.ledger;
        let entry = Entry { notice, channel: &channel.name, occasion: asked.word };
        let reserved = matches!(held, Some(Delivery { state: State::Pending { reserved: true, .. }, .. }));
        if !reserved {
            let turn = self.turn(channel, asked.source, reserve).await?;
            if let Turn::Storm(until) = turn {
                return Ok(Handed::NotBefore { until, storms: true });
            }
            self.repeat_after(asked).await?;
            match turn {
                Turn::Now | Turn::Storm(_) => {}
                Turn::At(until) if reserve => {
                    delivery::postpone(ledger, entry, held, until, self.now()).await?;
                    return Ok(Handed::NotBefore { until, storms: false });
                }
                Turn::At(until) => return Ok(Handed::NotBefore { until, storms: false }),
            }
        }
        // A slow ledger may have taken the time that the channel has for its answer; unheard, it would be told twice. Nothing
        // is written: whoever comes next may tell it with others.
        if self.has_no_time() {
            return Ok(self.too_late());
        }
        let deadline = decision::after(self.invocation.deadline, SOON);
        let owner = &self.invocation.request_id;
        let Some(in_hand) = delivery::claim(ledger, entry, held, owner, deadline, self.now()).await? else {
            let why = "another invocation was faster to take it in hand".to_owned();
            return Ok(Handed::Is(Outcome::Waits { until: self.later(PATIENCE), why }));
        };
        if self.has_no_time() {
            let state = State::Pending { not_before: self.later(SOON), reserved: true };
            // Without this line the delivery is free again at its deadline.
            let _ = delivery::record(ledger, entry, &in_hand, state, NEARLY_OVER, self.now()).await;
            return Ok(self.too_late());
        }

        let Sent { meaning, memory } = self.send(asked, &entry, in_hand.attempts).await;
        let told = meaning.is_success();
        // Without it the end of the incident would not be told.
        let remembering = async {
            if !told && memory.is_none() {
                return Ok(());
            }
            let (name, before) = (&channel.name, asked.remembered);
            delivery::remember(ledger, notice, told, name, before, memory.as_ref(), self.now()).await
        };
        let (outcome, state) = match meaning {
            Meaning::Acknowledged => (Outcome::Acknowledged, State::Acknowledged),
            Meaning::Accepted => (Outcome::AcceptedUnverified, State::AcceptedUnverified),
            Meaning::Later { after, quiet, why } => {
                let until = self.later(pause(after, in_hand.attempts, decision::seed(&entry.key())));
                if quiet {
                    self.fanout.quiet.borrow_mut().insert(channel.name.clone(), until);
                    // Others learn it from the ledger; what they do not learn they are told by the channel.
                    let _ = bucket::quiet(ledger, &channel.name, until, self.now()).await;
                }
                (Outcome::Waits { until, why }, State::Pending { not_before: until, reserved: false })
            }
            Meaning::Simplify(why) | Meaning::Refused(why) => {
                match self.undeliverable(asked, &entry, &why).await {
                    Ok(outcome @ Outcome::Waits { until, .. }) => {
                        (outcome, State::Pending { not_before: until, reserved: false })
                    }
                    Ok(outcome) => (outcome, State::Failed { message: asked.message.to_owned() }),
                    Err(error) => {
                        let not_before = self.later(pause(None, in_hand.attempts, 0));
                        let state = State::Pending { not_before, reserved: false };
                        // What counts is the error; without these lines the delivery is free again at its deadline.
                        let recording = delivery::record(ledger, entry, &in_hand, state, "", self.now());
                        let _ = tokio::join!(remembering, recording);
                        return Err(error);
                    }
                }
            }
        };
        // What happened has happened. Were the message given back because that could not be written down, people
        // would surely be told twice; left as it is, only a repetition by the queue could do that. Whoever looks
        // between the two writes takes what was delivered for told.
        let recording = delivery::record(ledger, entry, &in_hand, state, outcome.why(), self.now());
        let written = if memory.is_some() {
            // What the channel asks us to remember, such as which message to change, stands nowhere else.
            (remembering.await, recording.await)
        } else {
            tokio::join!(remembering, recording)
        };
        match written {
            // It counts as sent, and the next look only writes down what was told.
            (Err(error), Ok(true)) => {
                let until = self.later(pause(None, in_hand.attempts, decision::seed(&entry.key())));
                Ok(Handed::Is(Outcome::Waits { until, why: error.chain() }))
            }
            _ => Ok(Handed::Is(outcome)),
        }
    }

    /// Whether too little is left of the invocation for a channel to answer in.
    fn has_no_time(&self) -> bool {
        self.invocation.left(MARGIN) < LEAST_TIME
    }

    fn too_late(&self) -> Handed {
        Handed::Is(Outcome::Waits { until: self.later(SOON), why: NEARLY_OVER.to_owned() })
    }

    /// Takes a turn of a channel, one after the other within this process.
    async fn turn(&self, channel: &Channel, source: Option<&str>, reserve: bool) -> Result<Turn> {
        let storm = &self.notify().storm;
        let every = storm.within.checked_div(i32::try_from(storm.count).unwrap_or(i32::MAX));
        let rate = Rate { every: every.unwrap_or(storm.within), burst: storm.count };
        let id = source.map(|source| id::of(&[source]));
        let source = id.as_deref().map(|id| Source { id, rate });

        let (name, pace) = (&channel.name, pace(channel, self.notify()));
        let line = self.fanout.line(name);
        let mut known = line.lock().await;
        bucket::take(&self.clients.ledger, name, pace, source, reserve, &mut known, self.now()).await
    }

    async fn send(&self, asked: &Asked<'_>, entry: &Entry<'_>, attempt: u32) -> Sent {
        // Several are acknowledged each by its own key.
        let link = match asked.together {
            [] => self.link(asked.notice),
            [only] => self.link(only),
            [_, _, ..] => None,
        };
        let view = View {
            notice: asked.notice,
            together: asked.together,
            occasion: asked.occasion,
            started: asked.started.or(asked.notice.started),
            acknowledge: link.as_deref(),
            mentions: asked.mentions,
            now: self.now(),
        };
        let out = Outbox {
            http: &self.clients.http,
            sns: &self.clients.sns,
            ses: &self.clients.ses,
            limit: &|| PATIENCE.min(self.invocation.left(MARGIN)),
            now: self.now(),
        };
        let key = entry.key();
        let memory = &asked.remembered.memory;
        let telling = Telling { view, channel: &asked.channel.name, key: &key, attempt, memory };
        asked.channel.send(&out, &telling).await
    }

    /// What a channel refuses for good is told on its fallback, or kept in the dead-letter queue.
    async fn undeliverable(&self, asked: &Asked<'_>, entry: &Entry<'_>, why: &str) -> Result<Outcome> {
        let fallback = self.notify().fallback_of(&asked.channel.name).filter(|_| asked.fallback);
        let fallback = fallback.and_then(|name| self.channel(name));
        if let Some(to) = fallback.filter(|channel| channel.takes(asked.notice).is_ok()) {
            match self.reroute(asked, to, why).await? {
                Outcome::Acknowledged | Outcome::AcceptedUnverified | Outcome::AlreadyDelivered => {
                    return Ok(Outcome::Rerouted { to: to.name.clone(), why: why.to_owned() });
                }
                waits @ Outcome::Waits { .. } => return Ok(waits),
                Outcome::Overtaken
                | Outcome::Unheard
                | Outcome::RefusedBefore
                | Outcome::Joined { .. }
                | Outcome::NotTold { .. }
                | Outcome::Rerouted { .. }
                | Outcome::DeadLettered { .. } => {}
            }
        }
        let revision = entry.notice.revision.to_string();
        let about = [
            ("channel", entry.channel),
            ("error", why),
            ("incident", &entry.notice.incident),
            ("revision", &revision),
        ];
        // Several are kept each under its own name: their bodies say it.
        let about = if asked.bodies.len() == 1 { &about[..] } else { about.split_at(2).0 };
        let (sqs, dead_letters) = (&self.clients.sqs, &self.fanout.config.dead_letters);
        let letters = asked.bodies.iter().map(|body| queue::dead_letter(sqs, dead_letters, body, about));
        stream::iter(letters).buffer_unordered(LETTERS).try_collect::<()>().await?;
        Ok(Outcome::DeadLettered { why: why.to_owned() })
    }

    async fn reroute(&self, asked: &Asked<'_>, to: &Channel, why: &str) -> Result<Outcome> {
        let word = format!("for-{}", asked.channel.name);
        let seen = delivery::seen(&self.clients.ledger, asked.notice, &word).await?;
        let remembered = seen.told.get(&to.name).cloned().unwrap_or_default();
        let held = seen.held.get(&to.name);
        match held.map(|held| &held.state) {
            Some(State::Acknowledged | State::AcceptedUnverified) => {
                return self.was_delivered(asked.notice, to, held, &remembered).await;
            }
            Some(State::Failed { message }) if *message == asked.message => {
                return Ok(Outcome::RefusedBefore);
            }
            Some(_) | None => {}
        }
        let rerouted = Asked {
            channel: to,
            occasion: Occasion::Rerouted { channel: &asked.channel.name, why },
            word: &word,
            held,
            remembered: &remembered,
            bodies: &[],
            fallback: false,
            source: None,
            repeat: None,
            ..*asked
        };
        match Box::pin(self.hand_over(&rerouted, true)).await? {
            Handed::Is(outcome) => Ok(outcome),
            Handed::NotBefore { until, .. } => {
                Ok(Outcome::Waits { until, why: format!("it is not the turn of {}", to.name) })
            }
        }
    }
}

/// Whether it may be told with others, because people read the channel: the worst is never held up by a storm.
pub(super) fn may_be_folded(notice: &Notice) -> bool {
    notice.state == notice::State::Info || notice.severity > Severity::Sev1
}

/// How long what failed on our side stays away: a minute at most. A message is received for many reasons, most of them no
/// failures, and what waits here may be the worst that happens tonight.
pub(super) fn stumble(receives: u32, seed: &str) -> Duration {
    pause(None, receives.min(STUMBLES), decision::seed(seed))
}
