//! Whether a recent deployment can be to blame for an alarm.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::operation::End;
use shared::ledger::target::Memory;

use super::super::plan::Ask;
use crate::decision::Held;
use crate::facts::service::{Scene, Service, Status};

/// How far the clocks of ECS and of a function may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Why no deployment is to blame; none where the newest one can be.
pub(super) fn acquit(
    service: &Service,
    scene: &Scene,
    memory: &Memory,
    fired_at: Timestamp,
    ask: &Ask<'_>,
) -> Option<Held> {
    let rules = &ask.rules.rollback;
    let newest = scene.deployments.first();
    let in_hand = match newest.map(|deployment| deployment.status) {
        Some(Status::RollingBack) => return Some(Held::EcsRollingBack),
        Some(Status::RolledBack) => Some(Held::EcsRolledBack),
        Some(Status::RollbackFailed) => Some(Held::EcsRollbackFailed),
        Some(Status::Stopped) => Some(Held::Stopped),
        Some(Status::Unknown) => Some(Held::UnknownDeployment),
        Some(Status::InProgress | Status::Successful) | None => None,
    };
    // The two are asked for side by side; a deployment that is in one and not yet in the other counts.
    let created = service.deployed_at.max(newest.and_then(|deployment| deployment.created_at));
    // One that is still on its way is recent however long ago it began.
    let settled = match newest {
        Some(deployment) if deployment.status == Status::InProgress => Some(ask.now),
        Some(deployment) => deployment.finished_at.or(created),
        None => created,
    };
    let (Some(created), Some(settled)) = (created, settled) else {
        return in_hand.or(Some(Held::NoDeployment));
    };
    if ask.now.duration_since(settled) > rules.attribution_window {
        return Some(Held::TooOld { deployed_at: settled });
    }
    if in_hand.is_some() {
        return in_hand;
    }
    if fired_at < created {
        return Some(Held::FiringBefore { deployed_at: created });
    }
    let ours = memory.operations.iter().find(|operation| {
        operation.end != Some(End::Refused)
            && ask.own.is_none_or(|own| own.id != operation.id)
            && operation.to == service.task_definition
            && operation.began <= created.saturating_add(CLOCKS_DIFFER).unwrap_or(created)
            && created <= operation.began.saturating_add(rules.cooldown).unwrap_or(created)
    });
    ours.map(|operation| Held::OwnRollback { operation: operation.id.clone() })
}
