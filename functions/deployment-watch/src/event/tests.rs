//! The corpus in `events/deployment-watch`, and what is made of each file.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn corpus(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/deployment-watch").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}")))
        .unwrap()
}

/// Every file, and the beginning of what it is read as.
const EXPECTED: [(&str, &str); 29] = [
    ("codedeploy-failure.json", "nothing: CodeDeploy does not say whose"),
    ("codedeploy-stop.json", "nothing: CodeDeploy does not say whose"),
    ("codedeploy-success.json", "nothing: CodeDeploy does not say whose"),
    ("ecs-alarms-failed.json", "Failed ecs:prod/web ecs-svc/1234567890123456789 2026-11-20T03:10:00.123Z"),
    ("ecs-alarms-rolling-back.json", "RollingBack ecs:prod/web ecs-svc/1111111111111111111"),
    ("ecs-china.json", "Completed ecs:prod/web"),
    ("ecs-circuit-breaker-rolling-back.json", "RollingBack ecs:prod/web ecs-svc/1111111111111111111"),
    ("ecs-completed.json", "Completed ecs:prod/web ecs-svc/1234567890123456789 2026-11-20T03:10:00.123Z"),
    ("ecs-failed.json", "Failed ecs:prod/web ecs-svc/1234567890123456789 2026-11-20T03:10:00.123Z"),
    ("ecs-in-progress.json", "Began ecs:prod/web"),
    ("ecs-old-service-arn.json", "nothing: the service's ARN is of the old form"),
    ("ecs-unknown-name.json", "nothing: the deployment changed in a way that ends nothing"),
    (
        "ecs-without-reason-and-time.json",
        "Completed ecs:prod/web ecs-svc/1234567890123456789 2026-11-20T03:10:01Z",
    ),
    (
        "hostile-detail-is-text.json",
        "error: the event is not understood: a change of an ECS deployment lacks its name",
    ),
    ("hostile-foreign-records.json", "error: the event is not understood: its records come from \"aws:sns\""),
    ("hostile-null.json", "error: the event is not understood: it is neither"),
    ("hostile-number.json", "error: the event is not understood: it is neither"),
    (
        "hostile-other-event.json",
        "error: the event is not understood: its detail-type is \"ECS Task State Change\"",
    ),
    ("hostile-service-name.json", "nothing: the service's ARN is of the old form"),
    ("hostile-stack-id.json", "error: the event is not understood: the id of a stack"),
    ("stack-nested.json", "watch stack:billing-prod-Network-1ABCDEFGHIJKL"),
    ("stack-update-complete.json", "watch stack:billing-prod"),
    ("stack-update-in-progress.json", "nothing: the stack is still being changed"),
    ("stack-update-rollback-complete.json", "watch stack:billing-prod"),
    ("stack-update-rollback-failed.json", "watch stack:billing-prod"),
    ("timers-batch.json", "timers: 4"),
    ("timers-empty.json", "timers: 0"),
    ("timers-malformed.json", "timers: 2"),
    ("timers-watch.json", "timers: 1"),
];

fn read(event: &Value) -> String {
    match parse(event) {
        Ok(Arrived::Timers(records)) => format!("timers: {}", records.len()),
        Ok(Arrived::Nothing(why)) => format!("nothing: {why}"),
        Ok(Arrived::Hint(Hint::Deployment(change))) => {
            format!("{:?} {} {} {}", change.phase, change.target, change.deployment, change.at)
        }
        Ok(Arrived::Hint(Hint::Watch { target, operation: None })) => format!("watch {target}"),
        Ok(Arrived::Hint(other)) => format!("{other:?}"),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn every_event_of_the_corpus_is_read_as_what_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/deployment-watch");
    let there: BTreeSet<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<_> = EXPECTED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, listed, "a file is listed here, and what is listed is there");
    for (name, expected) in EXPECTED {
        let read = read(&corpus(name));
        assert!(read.starts_with(expected), "{name}: {read}");
    }
}

#[test]
fn a_timer_of_the_batch_says_where_to_look() {
    let Ok(Arrived::Timers(records)) = parse(&corpus("timers-batch.json")) else { panic!("no batch") };
    let hints: Vec<Hint> = records.iter().map(|record| Timer::read(&record.body).unwrap().into()).collect();
    let targets: Vec<_> = hints.iter().map(|hint| hint.target().to_string()).collect();
    assert_eq!(targets, ["ecs:prod/web", "ecs:prod/web", "stack:billing-prod", "lambda:checkout:live"]);
    assert!(
        matches!(&hints[1], Hint::Prove { deployment, .. } if deployment == "ecs-svc/1234567890123456789")
    );
}
