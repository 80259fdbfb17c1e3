//! A batch of notices.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::{Activity, Known};
use shared::notice::{Notice, State};
use shared::queue::Queue;
use shared::timer::Reminder;
use shared::{Error, Report, Result};

use super::deliver::{Asked, Handed, may_be_folded, stumble};
use super::{Destination, Run, route};
use crate::channel::Channel;
use crate::decision::dedup::Told;
use crate::decision::escalate::{Step, step};
use crate::decision::flapping;
use crate::decision::{Facts, Outcome, Settlement, Verdict, decide, settle};
use crate::delivery::{self, Delivery, Remembered, Seen};
use crate::group::{self, Kind};
use crate::message::{self, Work};
use crate::queue::{self, Record};
use crate::render::Occasion;
use crate::{MARGIN, SOON, render, report};

/// More than a batch of the queue holds, and more channels than the design allows for: the bounds keep memory
/// bounded, and no delivery ever waits for one that hangs.
const NOTICES_AT_ONCE: usize = 20;
const CHANNELS_AT_ONCE: usize = 50;

/// Half a day less than the queue keeps a message (`MessageRetentionPeriod` in the template).
const FORGOTTEN_SOON: SignedDuration = SignedDuration::from_hours(84);

/// A message that is old, but was hardly received, has not had its chances yet.
const TRIED_OFTEN: u32 = 10;

/// How often an incident is looked at anew when another notice of it was faster.
const TRIES: usize = 8;

/// What came of one notice.
pub(crate) struct Done<'a> {
    pub(crate) work: Work<'a>,
    /// By channel, with the route that led there.
    pub(crate) outcomes: Vec<(String, String, Outcome)>,
    pub(crate) settlement: Settlement,
    /// What failed of the ledger and the queues.
    pub(crate) errors: Vec<Error>,
    /// On how many channels nothing came of it but an error.
    pub(crate) stumbled: usize,
    /// Channels that the policy names and the secret lacks.
    pub(crate) unknown: Vec<String>,
}

/// What is known of a notice before it is told anywhere.
struct Arrival {
    activity: Option<Activity>,
    /// Whether it is this notice with which the incident counts as coming and going.
    begins_to_flap: bool,
    routed: super::Routed,
    seen: Seen,
}

/// What became of earlier notices of an incident on a channel.
#[derive(Default)]
struct Earlier {
    /// The last that was delivered.
    delivered: Option<Told>,
    /// Until when others have some in hand.
    in_hand: Vec<Timestamp>,
}

impl Run<'_> {
    /// Tells the notices of a batch, and answers with the messages that have to come again.
    pub(crate) async fn tell(&self, records: &[Record]) -> Result<Report> {
        let gathered = message::gather(records, self.environment(), self.invocation.now);
        let done = stream::iter(gathered).map(|work| self.fan_out(work)).buffer_unordered(NOTICES_AT_ONCE);
        let mut done: Vec<Done<'_>> = done.collect().await;
        for done in &mut done {
            self.keep_what_is_old(done).await;
        }
        let unfinished = report::unfinished(&done);
        let notices = Queue { sqs: &self.clients.sqs, url: &self.fanout.config.notices_queue };
        let mut errors = Vec::new();
        for (record, after) in &unfinished {
            if let Some(receipt) = &record.receipt {
                // Without this the message comes again too, only when the queue's own time is over.
                errors.extend(notices.give_back(receipt, *after).await.err());
            }
        }
        report::of_notices(done, &unfinished, errors, self)
    }

    /// One notice to all its channels.
    async fn fan_out<'w>(&self, mut work: Work<'w>) -> Done<'w> {
        let arrival = match self.arrive(&mut work.notice).await {
            Ok(arrival) => arrival,
            Err(error) => {
                let outcome = self.stumbled(&work, &error);
                let channels = self.secrets.channels.iter();
                let outcomes: Vec<_> =
                    channels.map(|channel| (channel.name.clone(), String::new(), outcome.clone())).collect();
                let settlement = settle(std::iter::once(&outcome), self.now());
                let stumbled = outcomes.len();
                return Done {
                    work,
                    outcomes,
                    settlement,
                    errors: vec![error],
                    stumbled,
                    unknown: Vec::new(),
                };
            }
        };
        let (mut outcomes, mut errors, mut stumbled) = (Vec::new(), Vec::new(), 0);
        {
            let (work, arrival) = (&work, &arrival);
            let mut results =
                stream::iter(&arrival.routed.destinations)
                    .map(|destination| async move {
                        (destination, self.deliver(work, arrival, destination).await)
                    })
                    .buffer_unordered(CHANNELS_AT_ONCE);
            while let Some((destination, result)) = results.next().await {
                let outcome = result.unwrap_or_else(|error| {
                    let outcome = self.stumbled(work, &error);
                    errors.push(error);
                    stumbled += 1;
                    outcome
                });
                outcomes.push((destination.channel.clone(), destination.route.clone(), outcome));
            }
        }
        let settlement = settle(outcomes.iter().map(|(_, _, outcome)| outcome), self.now());
        Done { work, outcomes, settlement, errors, stumbled, unknown: arrival.routed.unknown }
    }

    /// What a channel could not take for so long that the queue is about to forget it is kept as a dead letter.
    async fn keep_what_is_old(&self, done: &mut Done<'_>) {
        let forgotten_soon = |record: &&Record| {
            let age = record.sent.map(|sent| self.now().duration_since(sent));
            record.receives > TRIED_OFTEN && age.is_some_and(|age| FORGOTTEN_SOON < age)
        };
        if !done.work.records.iter().any(forgotten_soon) {
            return;
        }
        let notice = &done.work.notice;
        let body = done.work.records.first().map_or("", |record| record.body.as_str());
        let revision = notice.revision.to_string();
        for (channel, _, outcome) in &mut done.outcomes {
            let Outcome::Waits { why, .. } = outcome else { continue };
            let why = format!("it could not be told for days: {why}");
            let about = [
                ("channel", channel.as_str()),
                ("error", &why),
                ("incident", &notice.incident),
                ("revision", &revision),
            ];
            let dead_letters = &self.fanout.config.dead_letters;
            match queue::dead_letter(&self.clients.sqs, dead_letters, body, &about).await {
                Ok(()) => *outcome = Outcome::DeadLettered { why },
                Err(error) => done.errors.push(error),
            }
        }
        done.settlement = settle(done.outcomes.iter().map(|(_, _, outcome)| outcome), self.now());
    }

    /// Writes down that the incident goes on, or is over; begins its escalation; and finds out who is told.
    async fn arrive(&self, notice: &mut Notice) -> Result<Arrival> {
        let incident = notice.incident.clone();
        let seen = delivery::entries(&self.clients.ledger, &incident, notice.revision);
        let (followed, seen) = tokio::join!(self.follow(notice), seen);
        let ((activity, begins_to_flap), seen) = (followed?, delivery::Seen::of(seen?, notice, ""));
        let mut routed = self.route(notice, activity.as_ref());
        if notice.state == State::Resolved {
            route::follow_up(&mut routed.destinations, &seen);
        }
        if begins_to_flap {
            let calm = render::lasting(self.notify().flapping.calm);
            notice
                .summary
                .push_str(" It comes and goes. What becomes of it is told when it has been calm for ");
            notice.summary.push_str(&calm);
            notice.summary.push('.');
        }
        Ok(Arrival { activity, begins_to_flap, routed, seen })
    }

    /// The incident, with what this notice says of it written down, and whether it begins to come and go with it.
    async fn follow(&self, notice: &mut Notice) -> Result<(Option<Activity>, bool)> {
        // An alarm that had no data is OK again: for the record, unless people were told that it fires.
        let may_end = notice.labels.get("alarm_state").is_some_and(|state| state == "OK");
        if notice.state == State::Info && !may_end {
            return Ok((None, false));
        }
        let (ledger, environment) = (&self.clients.ledger, self.environment());
        for _ in 0..TRIES {
            let known = ledger.activity(environment, &notice.incident).await?;
            let before = known.as_ref().map(|known: &Known| &known.activity);
            if notice.state == State::Info {
                if before.is_none_or(|before| before.state != State::Firing) {
                    return Ok((known.map(|known| known.activity), false));
                }
                notice.becomes(State::Resolved);
            }
            let Some(next) = flapping::follow(before, notice, &self.notify().flapping, self.now()) else {
                return Ok((known.map(|known| known.activity), false));
            };
            // Where nobody knows the policy, the reminder waits until somebody does.
            let goes_on = |activity: Option<&Activity>| {
                !matches!(step(self.notify(), activity, self.now()), Step::Over { .. })
                    || self.lacks_policy() && activity.is_some_and(|activity| activity.state == State::Firing)
            };
            let begins = before.is_none_or(|before| before.started != next.started || !goes_on(Some(before)));
            if begins && goes_on(Some(&next)) {
                delivery::keep(ledger, notice, self.now()).await?;
                // It finds the incident written down then.
                let reminder = Reminder::Escalate { incident: notice.incident.clone() };
                self.arm(&reminder, self.later(SOON)).await?;
            }
            let flaps = next.flapping && before.is_none_or(|before| !before.flapping);
            if ledger.note(environment, &next, known.as_ref(), self.now()).await? {
                return Ok((Some(next), flaps));
            }
        }
        Err(Error::Later(format!("the incident {} changes all the time", notice.incident)))
    }

    /// One notice on one channel.
    async fn deliver(
        &self,
        work: &Work<'_>,
        arrival: &Arrival,
        destination: &Destination,
    ) -> Result<Outcome> {
        let Some(channel) = self.channel(&destination.channel) else {
            return Ok(Outcome::NotTold { why: "the channels secret has no such channel".to_owned() });
        };
        let notice = &work.notice;
        let unheard = Remembered::default();
        let held = arrival.seen.held.get(&channel.name);
        let remembered = arrival.seen.told.get(&channel.name).unwrap_or(&unheard);
        let message = message_id(work);
        let facts = Facts {
            notice,
            message,
            useless: channel.takes(notice).err(),
            held,
            told: remembered.told.as_ref(),
            earlier: &[],
            over: arrival.activity.as_ref().is_some_and(|activity| {
                activity.state == State::Resolved && notice.revision < activity.revision
            }),
            resolved: destination.timing.resolved,
            standing: &destination.standing,
            grouped: destination.group.is_some(),
            calm_at: self.calm_at(arrival.activity.as_ref()).filter(|_| !arrival.begins_to_flap),
            quiet_until: self.fanout.quiet.borrow().get(&channel.name).copied(),
            time_left: self.invocation.left(MARGIN),
        };
        let waits = |until: Timestamp, why: &str| Ok(Outcome::Waits { until, why: why.to_owned() });
        match self.decide(facts, channel).await? {
            Verdict::Deliver => {}
            Verdict::Join { kind, due, why } => {
                return self.join(notice, destination, held, kind, due, why).await;
            }
            Verdict::AlreadyDelivered => {
                return self.was_delivered(notice, channel, held, remembered).await;
            }
            Verdict::Joined { group } => {
                let why = "it waits with others already".to_owned();
                return Ok(Outcome::Joined { group, due: None, why });
            }
            Verdict::Overtaken => return Ok(Outcome::Overtaken),
            Verdict::Unheard => return Ok(Outcome::Unheard),
            Verdict::Unwanted => {
                self.is_known(notice, channel, remembered).await?;
                return Ok(Outcome::NotTold { why: "it is not told that something is over".to_owned() });
            }
            Verdict::NotTold { why } => return Ok(Outcome::NotTold { why }),
            Verdict::RefusedBefore => return Ok(Outcome::RefusedBefore),
            Verdict::WaitUntil(until) => {
                let why = "the channel is to be left alone until then";
                return match held {
                    None if channel.kind.is_read() => {
                        self.join(notice, destination, held, Kind::Waiting, Some(until), why.to_owned()).await
                    }
                    _ => waits(until, why),
                };
            }
            Verdict::InHand(until) => return waits(until, "another invocation has it in hand"),
            Verdict::NoTime => return waits(self.later(SOON), "the invocation is nearly over"),
        }
        // What nobody reads is told in order, each in its turn; what people read is told together when it has to wait.
        let folds = channel.kind.is_read() && held.is_none();
        let source = Some(notice.source.as_str()).filter(|_| folds && may_be_folded(notice));
        let bodies: Vec<String> =
            work.records.first().map(|record| record.body.clone()).into_iter().collect();
        let asked = Asked {
            notice,
            together: &[],
            channel,
            occasion: Occasion::News,
            word: "",
            started: arrival.activity.as_ref().map(|activity| activity.started),
            mentions: &[],
            held,
            remembered,
            message,
            bodies: &bodies,
            fallback: true,
            source,
            repeat: destination.timing.repeat.filter(|_| notice.state == State::Firing),
        };
        match self.hand_over(&asked, !folds).await? {
            Handed::Is(outcome) => Ok(outcome),
            Handed::NotBefore { storms: true, .. } => {
                let why = format!("{} says more than the policy allows", notice.source);
                self.join(notice, destination, held, Kind::Storm, None, why).await
            }
            Handed::NotBefore { until, .. } if folds => {
                let why = "it is not the channel's turn".to_owned();
                self.join(notice, destination, held, Kind::Waiting, Some(until), why).await
            }
            Handed::NotBefore { until, .. } => waits(until, "it is not the channel's turn"),
        }
    }

    /// What is written down as delivered is remembered as told, too, where that failed.
    pub(super) async fn was_delivered(
        &self,
        notice: &Notice,
        channel: &Channel,
        held: Option<&Delivery>,
        remembered: &Remembered,
    ) -> Result<Outcome> {
        let known = remembered.told.as_ref().is_some_and(|told| told.revision >= notice.revision);
        if held.is_some_and(|held| held.state.delivered()) && !known && notice.state != State::Info {
            self.is_known(notice, channel, remembered).await?;
        }
        Ok(Outcome::AlreadyDelivered)
    }

    /// What to do, with a look at what became of earlier notices where it hangs on that.
    async fn decide(&self, facts: Facts<'_>, channel: &Channel) -> Result<Verdict> {
        let verdict = decide(&facts, self.now());
        if verdict != Verdict::Unheard {
            return Ok(verdict);
        }
        let Earlier { delivered, mut in_hand } = self.earlier(facts.notice, channel).await?;
        if delivered.is_none() && in_hand.is_empty() {
            // What is told with others is written down as told before it is in hand no more: it may have been told between
            // the two looks.
            let told =
                delivery::told(&self.clients.ledger, &facts.notice.incident, &channel.name).await?.told;
            in_hand.extend((told.as_ref() != facts.told).then(|| self.later(SOON)));
        }
        // A delivery by itself may be written down a moment before what it told.
        let told = delivered.as_ref().into_iter().chain(facts.told).max_by_key(|told| told.revision);
        Ok(decide(&Facts { told, earlier: &in_hand, ..facts }, self.now()))
    }

    /// What became of earlier notices of the incident on the channel. While others have them in hand, by themselves or in
    /// a group, the ledger does not say yet that the channel was told.
    async fn earlier(&self, notice: &Notice, channel: &Channel) -> Result<Earlier> {
        let ledger = &self.clients.ledger;
        let mut earlier = Earlier::default();
        for (told, state) in delivery::before(ledger, notice, &channel.name).await? {
            match state {
                delivery::State::InFlight { deadline, .. } => earlier.in_hand.push(deadline),
                delivery::State::Joined { group } => {
                    let group = group::find(ledger, self.environment(), &group).await?;
                    earlier.in_hand.extend(group.and_then(|group| group.in_hand));
                }
                delivery::State::Acknowledged | delivery::State::AcceptedUnverified => {
                    let later = |known: &Told| known.revision < told.revision;
                    if earlier.delivered.as_ref().is_none_or(later) {
                        earlier.delivered = Some(told);
                    }
                }
                delivery::State::Pending { .. } | delivery::State::Failed { .. } => {}
            }
        }
        Ok(earlier)
    }

    /// Writes down that the channel needs to hear no more of this state.
    async fn is_known(&self, notice: &Notice, channel: &Channel, remembered: &Remembered) -> Result<()> {
        let ledger = &self.clients.ledger;
        delivery::remember(ledger, notice, true, &channel.name, remembered, None, self.now()).await
    }

    /// Has the channel told again after a while that the incident goes on, where that is wanted.
    pub(super) async fn repeat_after(&self, asked: &Asked<'_>) -> Result<()> {
        let Asked { notice, channel, repeat: Some(pause), .. } = *asked else { return Ok(()) };
        delivery::keep(&self.clients.ledger, notice, self.now()).await?;
        let due = self.now().saturating_add(pause).unwrap_or_else(|_| self.now());
        let (incident, channel) = (notice.incident.clone(), channel.name.clone());
        self.arm(&Reminder::Repeat { incident, channel }, due).await
    }

    /// When the incident counts as calm, while it flaps.
    pub(super) fn calm_at(&self, activity: Option<&Activity>) -> Option<Timestamp> {
        flapping::calm_at(activity?, &self.notify().flapping).filter(|calm| self.now() < *calm)
    }

    /// What a delivery comes to that failed on our side: it is tried again, later each time.
    fn stumbled(&self, work: &Work<'_>, error: &Error) -> Outcome {
        let receives = work.records.iter().map(|record| record.receives).max().unwrap_or(1);
        let until = self.later(stumble(receives, &work.notice.id));
        Outcome::Waits { until, why: error.chain() }
    }
}

fn message_id<'a>(work: &'a Work<'_>) -> &'a str {
    work.records.first().and_then(|record| record.id.as_deref()).unwrap_or_default()
}
