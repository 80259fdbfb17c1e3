//! APIs with methods and paths, and JSON both ways: Lambda, Scheduler, AWS Backup.

use jiff::Timestamp;
use local::proxy::Call;
use serde_json::{Value, json};

use super::{key, last, number};
use crate::bench::health::account::{FUNCTIONS, arn, hours};

/// How many schedules are in a group.
const SCHEDULES: usize = 10;

/// The answer to a call; nothing where a sweep has no business to make it.
pub(super) fn answer(call: &Call, now: Timestamp) -> Option<Value> {
    let path = call.path.split('?').next().unwrap_or_default().trim_end_matches('/');
    if path.ends_with("/event-source-mappings") {
        let mappings: Vec<_> = (0..FUNCTIONS / 2).map(mapping).collect();
        return Some(json!({"EventSourceMappings": mappings}));
    }
    if let Some(name) = path.strip_suffix("/configuration") {
        return Some(function(last(name)));
    }
    if path == "/schedules" {
        let group = call.path.split("ScheduleGroup=").nth(1).unwrap_or_default();
        let group = group.split('&').next().unwrap_or_default();
        return Some(json!({"Schedules": schedules(group)}));
    }
    if path.ends_with("/recovery-points") {
        let point = json!({"RecoveryPointArn": arn("backup", "recovery-point:1"), "Status": "COMPLETED",
            "CreationDate": hours(now, -3)});
        return Some(json!({"RecoveryPoints": [point]}));
    }
    None
}

fn function(name: &str) -> Value {
    json!({
        "FunctionName": name, "FunctionArn": arn("lambda", &format!("function:{name}")),
        "Runtime": "provided.al2023", "Timeout": 10, "State": "Active", "LastUpdateStatus": "Successful",
        "LastModified": "2026-01-01T00:00:00.000+0000", "KMSKeyArn": key(name),
    })
}

/// What feeds a function: the queue of its number.
fn mapping(function: usize) -> Value {
    let uuid = format!("0a1b-{function:03}");
    json!({
        "UUID": uuid, "FunctionArn": arn("lambda", &format!("function:hook-{function:03}")),
        "EventSourceArn": arn("sqs", &format!("jobs-{function:03}")), "State": "Enabled",
        "LastModified": 1_700_000_000.0, "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": arn("lambda", &format!("event-source-mapping:{uuid}")),
    })
}

fn schedules(group: &str) -> Vec<Value> {
    let schedules = (0..SCHEDULES).map(|schedule| {
        let name = format!("job-{schedule:03}");
        let function = (number(group) * SCHEDULES + schedule) % FUNCTIONS;
        json!({
            "Arn": arn("scheduler", &format!("schedule/{group}/{name}")), "GroupName": group, "Name": name,
            "State": "ENABLED", "Target": {"Arn": arn("lambda", &format!("function:hook-{function:03}"))},
        })
    });
    schedules.collect()
}
