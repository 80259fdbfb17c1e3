//! One redeploy, from step to step.
//!
//! Its message comes again until it is over; what `deployment-watch` sends in between only brings the next look forward.
//! Every step begins with what is true now, and records what became of each service before it goes on to the next, so a
//! step that is cut off is gone on with where it stopped.

mod end;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use shared::error::Class;
use shared::lambda::Invocation;
use shared::ledger::redeploy::{Cause, Member, Phase, Redeploy, Standing};
use shared::target::Target;
use shared::{Error, Report, Result};
use tokio::time::Instant;

use crate::Reach;
use crate::act::{self, Outcome};
use crate::decision::service::{self, Case, Facts, Plan, Skipped, Step, Verdict};
use crate::decision::waves::{self, Next};
use crate::decision::{arrival, later};
use crate::discover::{Dependants, Found, Scan, Use};
use crate::facts::{Secret, Service};
use crate::reference::SecretId;
use crate::{observe, tell};
use end::{finish, tell_of_the_trouble, tell_of_the_wait};
pub(crate) use end::{publish, record_told};

/// The time that is kept back for writing down where a step stopped.
const MARGIN: Duration = Duration::from_secs(15);

/// So many services are looked at side by side.
const SIDE_BY_SIDE: usize = 5;

/// How soon a step is tried again that another invocation has in hand, or that a throttle stopped.
const SOON: SignedDuration = SignedDuration::from_secs(5);

/// How soon a redeploy is looked at again whose mode is off.
const WHILE_OFF: SignedDuration = SignedDuration::from_mins(15);

/// How soon a search goes on that had no time left.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(1);

/// What came of a step.
pub(crate) struct Seen {
    pub(crate) report: Report,
    /// When to look again; none where it is over.
    pub(crate) again: Option<SignedDuration>,
}

/// Goes on with a redeploy; `woken`, because a deployment ended that it may wait for.
///
/// # Errors
/// What kept it from being gone on with.
pub(crate) async fn step(reach: &Reach, id: &str, woken: bool, invocation: &Invocation) -> Result<Seen> {
    let ledger = &reach.clients.ledger;
    let Some(redeploy) = ledger.redeploy(id).await? else {
        return Ok(over("ignored", "", "no such redeploy is known"));
    };
    if redeploy.phase.is_over() {
        return Ok(over("ignored", &redeploy.name, "the redeploy is over"));
    }
    if !ledger.step(id, &invocation.request_id, invocation.deadline, invocation.now).await? {
        let report = Report::new("busy", &redeploy.name, "another invocation goes on with it");
        return Ok(Seen { report, again: Some(SOON) });
    }
    // Whoever had it in hand until a moment ago may have brought it on, or to its end.
    let went = match ledger.redeploy(id).await {
        Ok(Some(now)) if now.phase.is_over() => Ok(over("ignored", &now.name, "the redeploy is over")),
        Ok(Some(mut now)) => {
            let went = Box::pin(go_on(reach, &mut now, woken, invocation)).await;
            if let Err(error) = &went
                && error.class() == Class::Permanent
            {
                // If even this fails, the first error is still the one to report.
                let _ = tell_of_the_trouble(reach, &now, error, invocation.now).await;
            }
            went
        }
        Ok(None) => Ok(over("ignored", "", "no such redeploy is known")),
        Err(error) => Err(error),
    };
    // Whatever came of it, the next one may go on; if even this fails, at the end of this invocation's time.
    let _ = ledger.stepped(id, &invocation.request_id, invocation.now).await;
    went
}

async fn go_on(reach: &Reach, redeploy: &mut Redeploy, woken: bool, invocation: &Invocation) -> Result<Seen> {
    let now = invocation.now;
    let secret = observe::secret::describe(&reach.clients.secretsmanager, &redeploy.secret).await?;
    // It may go on once the mode is back.
    if secret.as_ref().and_then(|secret| arrival::foreign(secret, &reach.policy))
        == Some(arrival::Ignored::Off)
    {
        return waiting(reach, redeploy, WHILE_OFF, &arrival::Ignored::Off.to_string(), now).await;
    }
    if let Some(why) = dropped(redeploy, secret.as_ref(), reach) {
        redeploy.phase = Phase::Dropped;
        reach.clients.ledger.record_redeploy(redeploy, now).await?;
        return Ok(over("dropped", &redeploy.name, &why));
    }
    let Some(mut secret) = secret else {
        return Ok(over("dropped", &redeploy.name, "there is no such secret"));
    };
    // What no tag says, the hook may know from the value.
    if secret.strategy().is_none() {
        let rotation = reach.clients.ledger.rotation(&secret.arn).await?;
        secret.rotated_by = rotation
            .filter(|rotation| rotation.version == redeploy.version)
            .map(|rotation| rotation.strategy);
    }
    let mut members = if redeploy.phase == Phase::Collecting {
        let due = match redeploy.cause {
            Cause::ByHand { .. } => redeploy.began,
            Cause::Event | Cause::Sweep => later(redeploy.began, reach.policy.rules.redeploy.settle),
        };
        if now < due {
            let why = "other secrets that change are waited for";
            return waiting(reach, redeploy, due.duration_since(now), why, now).await;
        }
        match collect(reach, redeploy, &secret, invocation).await? {
            Some(members) => members,
            None => {
                return waiting(reach, redeploy, AT_ONCE, "its dependants are still being looked for", now)
                    .await;
            }
        }
    } else {
        reach.clients.ledger.members(&redeploy.id).await?
    };
    // Which of them ended, the message does not say: all that wait for a deployment are looked at.
    let waits = |member: &&mut Member| member.standing == Standing::Deferred && member.waited_for.is_some();
    for member in members.iter_mut().filter(|_| woken).filter(waits) {
        member.until = None;
    }
    // A wave that was cut off has begun all the same.
    let begun = members.iter().filter_map(|member| member.wave).max();
    redeploy.waves = redeploy.waves.max(begun.map_or(0, |wave| wave + 1));
    let mut run = Run { reach, redeploy, secret: &secret, members: &mut members, invocation };
    match run.waves().await? {
        Some(Next::Over(phase)) => finish(reach, redeploy, &members, &secret, phase, now).await,
        Some(Next::Wait { again, why }) => {
            tell_of_the_wait(reach, redeploy, &members, &secret, &why, now).await?;
            waiting(reach, redeploy, again, &why, now).await
        }
        Some(Next::Wave { .. }) | None => {
            waiting(reach, redeploy, AT_ONCE, "the time of the invocation is over", now).await
        }
    }
}

/// Why a redeploy is of no use any more.
fn dropped(redeploy: &Redeploy, secret: Option<&Secret>, reach: &Reach) -> Option<String> {
    // Its end was seen, and people may not have heard of it: that the label was put back is a part of the end.
    if redeploy.ended.is_some() && secret.is_some() {
        return None;
    }
    let Some(secret) = secret else {
        return Some(arrival::Ignored::NoSecret.to_string());
    };
    if let Some(why) = arrival::foreign(secret, &reach.policy) {
        return Some(why.to_string());
    }
    (secret.version(&redeploy.label) != Some(redeploy.version.as_str()))
        .then(|| arrival::Ignored::Superseded.to_string())
}

/// Finds the services, judges what can be judged of them without a look, and writes them down. `None`: not all were found
/// in the time.
async fn collect(
    reach: &Reach,
    redeploy: &mut Redeploy,
    secret: &Secret,
    invocation: &Invocation,
) -> Result<Option<Vec<Member>>> {
    let now = invocation.now;
    let Some(dependants) = find(reach, std::slice::from_ref(secret), invocation).await? else {
        return Ok(None);
    };
    let members = members(reach, redeploy, secret, &dependants, now);
    reach.clients.ledger.record_members(&redeploy.id, &members, now).await?;
    redeploy.phase = Phase::Running;
    redeploy.unread = dependants.unread.len();
    reach.clients.ledger.record_redeploy(redeploy, now).await?;
    Ok(Some(members))
}

/// Every service that uses one of these secrets; `None`: the time was over before all were looked at.
pub(crate) async fn find(
    reach: &Reach,
    secrets: &[Secret],
    invocation: &Invocation,
) -> Result<Option<Dependants>> {
    let ids: Vec<_> = secrets
        .iter()
        .map(|secret| SecretId { arn: secret.arn.clone(), name: secret.name.clone() })
        .collect();
    let end = Instant::now() + invocation.left(MARGIN);
    let clusters = &reach.policy.clusters;
    let Reach { clients, discovery, .. } = reach;
    match Box::pin(discovery.dependants(&clients.ecs, &clients.ledger, clusters, &ids, invocation.now, end))
        .await?
    {
        Scan::Whole(dependants) => Ok(Some(dependants)),
        Scan::Unfinished { .. } => Ok(None),
    }
}

/// What is written down of the services that were found.
pub(crate) fn members(
    reach: &Reach,
    redeploy: &Redeploy,
    secret: &Secret,
    dependants: &Dependants,
    now: Timestamp,
) -> Vec<Member> {
    let mut members: Vec<_> = dependants
        .found
        .iter()
        .filter_map(|Found { service, uses }| {
            let uses: Vec<Use> = uses.iter().filter(|one| one.secret == secret.arn).cloned().collect();
            if uses.is_empty() {
                return None;
            }
            let case = Case {
                redeploy,
                secret: &secret.tags,
                uses: Some(&uses),
                waits_since: None,
                even_if_fresh: redeploy.even_if_fresh,
            };
            let mut member = member(service, &uses, now);
            match service::left_alone(&case, service, &reach.policy) {
                Some(Skipped::OtherLabel) => return None,
                Some(why) => settle(&mut member, &Verdict::Skip(why), now),
                None => {}
            }
            Some(member)
        })
        .collect();
    members.sort_by(|a, b| (a.rank, &a.target).cmp(&(b.rank, &b.target)));
    members
}

fn member(service: &Service, uses: &[Use], now: Timestamp) -> Member {
    let first = shared::tags::Redeploying::of(&service.tags) == shared::tags::Redeploying::First;
    let desired = u32::try_from(service.desired).unwrap_or_default();
    let mut places: Vec<_> = uses.iter().map(|one| tell::place(&one.reference)).collect();
    places.sort();
    places.dedup();
    Member {
        target: service.target.clone(),
        uses: places,
        // The canary is who is tagged as one; otherwise the smallest service stands to lose the least.
        rank: if first { 0 } else { desired.max(1) },
        standing: Standing::Queued,
        why: "its turn has not come".to_owned(),
        since: now,
        runs_old: true,
        needs_a_hand: false,
        until: None,
        wave: None,
        operation: None,
        deployment: None,
        waited_for: None,
    }
}

/// Writes down what became of a service.
pub(crate) fn settle(member: &mut Member, verdict: &Verdict, now: Timestamp) {
    let (standing, why) = match verdict {
        Verdict::Fresh { why } => (Standing::Fresh, why.clone()),
        Verdict::Skip(why) => (Standing::Skipped, why.to_string()),
        Verdict::Defer { why, .. } => (Standing::Deferred, why.to_string()),
        Verdict::Ride { deployment, .. } => {
            (Standing::Moving, format!("the deployment {deployment} is under way"))
        }
        Verdict::Failed { said } => (Standing::Failed, said.clone()),
        Verdict::Propose(_) => {
            (Standing::Proposed, "it would be redeployed, if its mode were act".to_owned())
        }
        Verdict::Act(_) => (Standing::Moving, "it is being redeployed".to_owned()),
    };
    // What was said when it was begun, such as where it pauses, holds until it is over.
    let goes_on = member.standing == Standing::Moving
        && matches!(verdict, Verdict::Ride { operation: Some(own), .. } if member.operation.as_ref() == Some(own));
    if member.standing != standing {
        member.since = now;
    }
    member.standing = standing;
    if !goes_on {
        member.why = why;
    }
    member.until = None;
    match verdict {
        Verdict::Fresh { .. } => member.runs_old = false,
        Verdict::Skip(why) => {
            member.runs_old = why.runs_old();
            member.needs_a_hand = why.concerns_people();
        }
        Verdict::Defer { why, until } => {
            member.until = Some(*until);
            member.waited_for = why.deployment().map(ToOwned::to_owned).or(member.waited_for.take());
        }
        Verdict::Ride { deployment, operation } => {
            member.deployment = Some(deployment.clone());
            member.operation = operation.clone().or(member.operation.take());
        }
        Verdict::Act(plan) => {
            member.operation = Some(plan.operation.clone());
            if let [first, rest @ ..] = plan.notes.as_slice() {
                member.why = rest.iter().fold(first.clone(), |all, note| format!("{all}; {note}"));
            }
        }
        Verdict::Failed { .. } | Verdict::Propose(_) => {}
    }
}

/// Looks and asks until it is decided what becomes of a service.
pub(crate) async fn conclude(
    reach: &Reach,
    case: &Case<'_>,
    target: &Target,
    service: Option<Service>,
    now: Timestamp,
) -> Result<Verdict> {
    let mut facts = Facts { service: service.map(Some), ..Facts::default() };
    loop {
        match service::decide(case, &facts, &reach.policy, now) {
            Step::Settled(verdict) => return Ok(verdict),
            Step::Look(question) => {
                observe::answer(reach, &mut facts, target, question).await?;
            }
        }
    }
}

/// A redeploy whose services are known.
struct Run<'a> {
    reach: &'a Reach,
    redeploy: &'a mut Redeploy,
    secret: &'a Secret,
    members: &'a mut Vec<Member>,
    invocation: &'a Invocation,
}

impl Run<'_> {
    /// Looks at what moves, and begins waves as long as there is something to begin. The answer is what to do after that;
    /// `None`: the time of the invocation is over.
    async fn waves(&mut self) -> Result<Option<Next>> {
        let moving = self.those(|member| member.standing == Standing::Moving);
        let judged = self.judge(&moving, usize::MAX).await?;
        if let Some(error) = judged.error {
            return Err(error);
        }
        if !judged.whole {
            return Ok(None);
        }
        loop {
            let now = self.invocation.now;
            let next = waves::next(self.redeploy, self.members, &self.reach.policy.rules, now);
            let Next::Wave { size } = next else {
                return Ok(Some(next));
            };
            let ready = self.those(|member| waves::is_ready(member, now));
            let judged = self.judge(&ready, size).await?;
            if judged.begun > 0 {
                self.redeploy.waves += 1;
                self.reach.clients.ledger.record_redeploy(self.redeploy, now).await?;
            }
            if let Some(error) = judged.error {
                return Err(error);
            }
            if !judged.whole {
                return Ok(None);
            }
        }
    }

    fn those(&self, which: impl Fn(&Member) -> bool) -> Vec<usize> {
        let all = self.members.iter().enumerate();
        all.filter(|(_, member)| which(member)).map(|(index, _)| index).collect()
    }

    /// Looks at these services, until so many are on their way; each group is written down before the next.
    async fn judge(&mut self, which: &[usize], most: usize) -> Result<Judged> {
        let mut judged = Judged { begun: 0, whole: true, error: None };
        let mut which = which.iter().copied();
        loop {
            let some: Vec<usize> =
                which.by_ref().take(SIDE_BY_SIDE.min(most.saturating_sub(judged.begun))).collect();
            if some.is_empty() {
                return Ok(judged);
            }
            if self.invocation.left(MARGIN).is_zero() {
                judged.whole = false;
                return Ok(judged);
            }
            let services = self.described(&some).await?;
            let looks = some.iter().filter_map(|index| self.members.get(*index)).map(|member| {
                let service = services.get(&member.target).cloned();
                self.look(member.clone(), service, most < usize::MAX)
            });
            let looked = join_all(looks).await;
            let mut stops = false;
            let mut changed = Vec::new();
            for (index, looked) in some.into_iter().zip(looked) {
                match looked {
                    Ok(member) => {
                        judged.begun += usize::from(member.standing == Standing::Moving);
                        stops |= member.standing == Standing::Failed;
                        changed.push(member.clone());
                        if let Some(place) = self.members.get_mut(index) {
                            *place = member;
                        }
                    }
                    Err(error) => judged.error = judged.error.or(Some(error)),
                }
            }
            let Reach { clients, .. } = self.reach;
            clients.ledger.record_members(&self.redeploy.id, &changed, self.invocation.now).await?;
            // Where one fails at once, the next ones would, too. What moves is looked at to the last.
            if judged.error.is_some() || (stops && most < usize::MAX) {
                return Ok(judged);
            }
        }
    }

    /// Ten services in a call, where they share a cluster.
    async fn described(&self, which: &[usize]) -> Result<BTreeMap<Target, Service>> {
        let mut by_cluster: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for member in which.iter().filter_map(|index| self.members.get(*index)) {
            if let Target::Service { cluster, service } = &member.target {
                by_cluster.entry(cluster).or_default().push(service.clone());
            }
        }
        let mut found = BTreeMap::new();
        for (cluster, names) in by_cluster {
            let services = self.reach.discovery.describe(&self.reach.clients.ecs, cluster, &names).await?;
            found.extend(services.into_iter().map(|service| (service.target.clone(), service)));
        }
        Ok(found)
    }

    /// Decides what becomes of one service, and does it. What was begun and came to nothing takes its turn in a wave again,
    /// where freeze and windows are asked.
    async fn look(&self, mut member: Member, service: Option<Service>, acts: bool) -> Result<Member> {
        let now = self.invocation.now;
        let case = Case {
            redeploy: self.redeploy,
            secret: &self.secret.tags,
            uses: None,
            waits_since: (member.standing == Standing::Deferred).then_some(member.since),
            even_if_fresh: self.redeploy.even_if_fresh,
        };
        let was_waiting = member.waited_for.clone().filter(|_| member.standing == Standing::Deferred);
        let verdict = match conclude(self.reach, &case, &member.target, service, now).await {
            Ok(verdict) => verdict,
            // What will not pass by itself is told with the service; the others wait for no reason otherwise.
            Err(error) if error.class() == Class::Permanent => Verdict::Failed { said: error.chain() },
            Err(error) => return Err(error),
        };
        let verdict = match verdict {
            Verdict::Act(_) if !acts => {
                member.standing = Standing::Queued;
                "its turn comes again: what was begun came to nothing".clone_into(&mut member.why);
                return Ok(member);
            }
            Verdict::Act(plan) => {
                self.begins(&member, &plan, now).await?;
                match act::redeploy(self.reach, self.redeploy, &member.target, &plan, now).await? {
                    Outcome::Made { deployment } => {
                        member.deployment = deployment;
                        Verdict::Act(plan)
                    }
                    Outcome::Taken => Verdict::Defer {
                        why: service::Deferred::Interval { until: later(now, SOON) },
                        until: later(now, SOON),
                    },
                    Outcome::Refused(error) if is_gone(&error) => Verdict::Skip(Skipped::Gone),
                    Outcome::Refused(error) => Verdict::Failed { said: error.chain() },
                }
            }
            Verdict::Fresh { .. }
            | Verdict::Skip(_)
            | Verdict::Defer { .. }
            | Verdict::Ride { .. }
            | Verdict::Failed { .. }
            | Verdict::Propose(_) => verdict,
        };
        settle(&mut member, &verdict, now);
        if member.standing == Standing::Moving {
            member.wave.get_or_insert(self.redeploy.waves);
        }
        let ledger = &self.reach.clients.ledger;
        let waits = member.waited_for.clone().filter(|_| member.standing == Standing::Deferred);
        match (&was_waiting, &waits) {
            (None, Some(_)) => {
                let until = later(now, self.reach.policy.rules.redeploy.patience);
                ledger.wait_for(&member.target, &self.redeploy.id, until).await?;
            }
            (Some(_), None) => ledger.waited_for(&member.target, &self.redeploy.id).await?,
            (Some(_), Some(_)) | (None, None) => {}
        }
        Ok(member)
    }

    /// Writes down that a service is begun with, before it is: whoever goes on after a crash counts it as begun.
    async fn begins(&self, member: &Member, plan: &Plan, now: Timestamp) -> Result<()> {
        let mut begun = member.clone();
        settle(&mut begun, &Verdict::Act(plan.clone()), now);
        begun.wave.get_or_insert(self.redeploy.waves);
        self.reach.clients.ledger.record_members(&self.redeploy.id, &[begun], now).await
    }
}

/// Whether the service, or its cluster, was deleted since it was looked at.
fn is_gone(error: &Error) -> bool {
    let codes = ["ClusterNotFoundException", "ServiceNotActiveException", "ServiceNotFoundException"];
    error.code().is_some_and(|code| codes.contains(&code))
}

struct Judged {
    begun: usize,
    /// Whether all were looked at; otherwise the time was over.
    whole: bool,
    /// What kept one of them from being dealt with now.
    error: Option<Error>,
}

/// Records when it goes on.
async fn waiting(
    reach: &Reach,
    redeploy: &mut Redeploy,
    again: SignedDuration,
    why: &str,
    now: Timestamp,
) -> Result<Seen> {
    redeploy.next = Some(later(now, again));
    reach.clients.ledger.record_redeploy(redeploy, now).await?;
    let report = Report::new("waiting", &redeploy.name, why).record("redeploy", redeploy);
    Ok(Seen { report, again: Some(again) })
}

fn over(outcome: &'static str, name: &str, why: &str) -> Seen {
    Seen { report: Report::new(outcome, name, why), again: None }
}
