//! Writes down what was concluded, and wakes whoever waits for it. Nothing here changes anything that runs; everything may
//! be done again.

use std::time::Duration;

use jiff::Timestamp;
use shared::Result;
use shared::ledger::incident::Incident;
use shared::ledger::revision::{Revision, Standing};
use shared::notice::{Notice, State};
use shared::timer::{Timer, Work};

use crate::Clients;
use crate::decision::{Broken, Close, Proof, Redeployed};

/// Ends an operation: what people were told is recorded first, so that whoever looks again knows of it; then what was
/// learnt; the end comes last, because only an open operation is looked at again.
pub(crate) async fn close(
    clients: &Clients,
    close: &Close,
    notice: Option<&Notice>,
    now: Timestamp,
) -> Result<()> {
    let Close { target, operation, ended, .. } = close;
    if let Some(notice) = notice {
        let incident = match &close.incident {
            Some(known) => Incident { state: notice.state, revision: notice.revision, ..known.clone() },
            None => Incident {
                key: operation.incident.clone(),
                state: notice.state,
                revision: notice.revision,
                target: target.to_string(),
                operation: Some(operation.id.clone()),
                opened: operation.began,
            },
        };
        clients.ledger.record(&incident, now).await?;
    }
    if ended.disproves() {
        let bad = Revision { arn: operation.to.clone(), standing: Standing::Bad, since: now };
        clients.ledger.remember(target, &bad).await?;
    }
    clients.ledger.finish(target, operation, ended.end(), now).await
}

/// Ends a redeploy of one service, with why. Its revision is neither better nor worse known for it.
pub(crate) async fn redeployed(clients: &Clients, redeployed: &Redeployed, now: Timestamp) -> Result<()> {
    let Redeployed { target, operation, ended } = redeployed;
    clients.ledger.finish(target, operation, ended.end(), now).await
}

/// Tells whoever makes redeploys that these may go on.
pub(crate) async fn wake(clients: &Clients, queue: &str, redeploys: &[String]) -> Result<()> {
    for redeploy in redeploys {
        let work = Work::Advance { redeploy: redeploy.clone() };
        work.send(&clients.sqs, queue, Duration::ZERO).await?;
    }
    Ok(())
}

/// Records a failed deployment: what was learnt, and that people were told.
pub(crate) async fn broken(
    clients: &Clients,
    broken: &Broken,
    notice: &Notice,
    now: Timestamp,
) -> Result<()> {
    if broken.disproved {
        let arn = broken.task_definition.clone();
        let bad = Revision { arn, standing: Standing::Bad, since: broken.at };
        clients.ledger.remember(&broken.target, &bad).await?;
    }
    let incident = Incident {
        key: notice.incident.clone(),
        state: notice.state,
        revision: notice.revision,
        target: broken.target.to_string(),
        operation: None,
        opened: broken.at,
    };
    clients.ledger.record(&incident, now).await
}

/// Asks to be reminded of a deployment that is done.
pub(crate) async fn arm(clients: &Clients, queue: &str, proof: &Proof, delay: Duration) -> Result<()> {
    let Proof { target, revision, deployment, since } = proof.clone();
    Timer::Prove { target, revision, deployment, since }.arm(&clients.sqs, queue, delay).await
}

/// Records that what people were told is over.
pub(crate) async fn resolved(
    clients: &Clients,
    known: &Incident,
    notice: &Notice,
    now: Timestamp,
) -> Result<()> {
    let incident = Incident { state: State::Resolved, revision: notice.revision, ..known.clone() };
    clients.ledger.record(&incident, now).await
}

/// Remembers that a revision is good.
pub(crate) async fn good(clients: &Clients, proof: &Proof) -> Result<()> {
    let good = Revision { arn: proof.revision.clone(), standing: Standing::Good, since: proof.since };
    clients.ledger.remember(&proof.target, &good).await
}

#[cfg(test)]
mod tests;
