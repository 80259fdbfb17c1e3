//! What the tests of several modules begin with: an incident that goes on.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::{Acknowledged, Activity};
use shared::notice::{Severity, State};

pub(crate) const INCIDENT: &str =
    "alarm:arn:aws:cloudwatch:eu-central-1:123456789012:alarm:ecs/prod/web/errors";

/// This many minutes after the incident began.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let began: Timestamp = "2026-11-25T03:00:00Z".parse().unwrap();
    began + SignedDuration::from_mins(minutes)
}

/// It goes on since it began, and nobody has it in hand.
pub(crate) fn activity() -> Activity {
    let labels = [("kind", "alarm"), ("subject", "prod/web"), ("source", "alarm-rollback"), ("team", "shop")];
    Activity {
        incident: INCIDENT.to_owned(),
        state: State::Firing,
        revision: 1,
        severity: Severity::Sev1,
        title: "prod/web answers with errors".to_owned(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        since: at(0),
        started: at(0),
        changes: vec![at(0)],
        flapping: false,
        acknowledged: None,
        escalated: 0,
    }
}

/// Somebody has had it in hand since the 12th minute.
pub(crate) fn held(by: &str) -> Activity {
    Activity { acknowledged: Some(Acknowledged { by: by.to_owned(), at: at(12) }), ..activity() }
}

/// It is over since the 30th minute.
pub(crate) fn over() -> Activity {
    Activity { state: State::Resolved, since: at(30), ..activity() }
}
