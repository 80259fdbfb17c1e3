//! How a redeploy ends, and what people hear of it until then.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::error::Class;
use shared::ledger::incident::Incident;
use shared::ledger::redeploy::{Member, Phase, Redeploy, Standing};
use shared::notice::{Notice, State};
use shared::timer::Settlement;
use shared::{Error, Report, Result};

use super::Seen;
use crate::decision::put_back::{self, Verdict as PutBack};
use crate::decision::{later, sweep, waves};
use crate::facts::Secret;
use crate::{Reach, tell};

/// As long may waves follow one another before people hear that services wait whose old value no longer works.
const WAVES_TAKE: SignedDuration = SignedDuration::from_mins(15);

/// What will not pass by itself is told once, and taken back by the end.
pub(super) async fn tell_of_the_trouble(
    reach: &Reach,
    redeploy: &Redeploy,
    error: &Error,
    now: Timestamp,
) -> Result<()> {
    let notice = tell::troubled(redeploy, error, &reach.policy);
    let known = reach.clients.ledger.incident(&notice.incident).await?;
    if known.as_ref().is_some_and(|known| notice.revision <= known.revision) {
        return Ok(());
    }
    publish(reach, &notice).await?;
    record_told(reach, &notice, known, redeploy.began, now).await
}

/// Where the old value no longer works, services that wait fail meanwhile: people hear of that at once, and once.
pub(super) async fn tell_of_the_wait(
    reach: &Reach,
    redeploy: &mut Redeploy,
    members: &[Member],
    secret: &Secret,
    why: &str,
    now: Timestamp,
) -> Result<()> {
    // Waves follow one another; only where one takes long do those that come after it wait for something.
    let moves = members.iter().any(|member| member.standing == Standing::Moving);
    if redeploy.told || (moves && now < later(redeploy.began, WAVES_TAKE)) {
        return Ok(());
    }
    let Some(notice) = tell::waits(redeploy, members, secret, why, &reach.policy) else {
        return Ok(());
    };
    let known = reach.clients.ledger.incident(&notice.incident).await?;
    let notice = notice.following(known.as_ref().map_or(0, |known| known.revision));
    publish(reach, &notice).await?;
    record_told(reach, &notice, known, redeploy.moved, now).await?;
    redeploy.told = true;
    Ok(())
}

/// Tells people how it ended, and what is left to them; then it is over.
pub(super) async fn finish(
    reach: &Reach,
    redeploy: &mut Redeploy,
    members: &[Member],
    secret: &Secret,
    phase: Phase,
    now: Timestamp,
) -> Result<Seen> {
    let clients = &reach.clients;
    let known = clients.ledger.incident(&Redeploy::incident_of(&redeploy.secret)).await?;
    // The moment is written down first, so that whoever tells of it again tells the same; later than all that was told.
    let told_last = known.as_ref().map_or(0, |known| known.revision);
    let ended = redeploy.ended.unwrap_or_else(|| now.max(moment(told_last.saturating_add(1))));
    if redeploy.ended.is_none() {
        redeploy.ended = Some(ended);
        clients.ledger.record_redeploy(redeploy, now).await?;
    }
    let rotation = clients.ledger.rotation(&redeploy.secret).await?;
    let wanted = reach.policy.rules.redeploy.put_back;
    let back = put_back::decide(redeploy, members, secret, rotation.as_ref(), wanted);
    let mut failure = None;
    if let PutBack::Helps { do_it: false, .. } = &back {
        redeploy.put_back = None;
    }
    if let PutBack::Helps { to, do_it: true } = &back {
        // Written down first: once the label stands elsewhere, nothing else tells that it was put there.
        redeploy.put_back = Some(to.clone());
        clients.ledger.record_redeploy(redeploy, now).await?;
        match put_label_back(reach, redeploy, to).await {
            Ok(()) => {}
            Err(error) if error.class() == Class::Transient => return Err(error),
            Err(error) => {
                redeploy.put_back = None;
                clients.ledger.record_redeploy(redeploy, now).await?;
                failure = Some(error.chain());
            }
        }
    }
    let settled = phase == Phase::Done && redeploy.unread == 0 && waves::is_settled(members);
    // Only a version that our own hook rotated in has anything to settle.
    let waits = sweep::is_unsettled(rotation.as_ref(), &redeploy.version);
    if settled && waits {
        let settlement =
            Settlement::Settle { secret: redeploy.secret.clone(), version: redeploy.version.clone() };
        settlement.send(&clients.sqs, &reach.settlements).await?;
    }
    let story =
        tell::Story { redeploy, members, secret, back: &back, failure: failure.as_deref(), settled, ended };
    let notice = tell::ended(&story, known.as_ref(), &reach.policy);
    // Whoever was cut off after the record has told of it.
    if let Some(notice) = notice.filter(|_| moment(told_last) != moment_of(ended)) {
        publish(reach, &notice).await?;
        record_told(reach, &notice, known, ended, now).await?;
    }
    redeploy.phase = phase;
    redeploy.next = None;
    clients.ledger.record_redeploy(redeploy, now).await?;
    let counts = tell::counts(members);
    let word = if phase == Phase::Stopped { "stopped" } else { "redeployed" };
    let report = Report::new(word, &redeploy.name, tell::summary(members))
        .record("redeploy", redeploy)
        .record("members", &members)
        .record("put_back", &back)
        .metric("Redeployed", "Count", f64::from(counts.redeployed))
        .metric("Took", "Seconds", ended.duration_since(redeploy.moved).as_secs_f64())
        .answering(json!({"redeploy": redeploy.id}));
    Ok(Seen { report, again: None })
}

/// A time in the whole milliseconds in which revisions of incidents count.
fn moment(millis: u64) -> Timestamp {
    i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

fn moment_of(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or_default()
}

async fn put_label_back(reach: &Reach, redeploy: &Redeploy, to: &str) -> Result<()> {
    use shared::error::Call;

    let moved = reach
        .clients
        .secretsmanager
        .update_secret_version_stage()
        .secret_id(&redeploy.secret)
        .version_stage(&redeploy.label)
        .move_to_version_id(to)
        .remove_from_version_id(&redeploy.version)
        .send()
        .await;
    moved.action("secretsmanager:UpdateSecretVersionStage").map(drop)
}

pub(crate) async fn publish(reach: &Reach, notice: &Notice) -> Result<()> {
    notice.publish(&reach.clients.sns, &reach.topic).await
}

/// Records what people were told of a secret, so that its end is told, too.
pub(crate) async fn record_told(
    reach: &Reach,
    notice: &Notice,
    known: Option<Incident>,
    opened: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let opened = known.filter(|known| known.state == State::Firing).map_or(opened, |known| known.opened);
    let incident = Incident {
        key: notice.incident.clone(),
        state: notice.state,
        revision: notice.revision,
        target: String::new(),
        operation: None,
        opened,
    };
    reach.clients.ledger.record(&incident, now).await
}
