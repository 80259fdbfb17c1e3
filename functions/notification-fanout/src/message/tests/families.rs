//! One message of each kind that a family knows, and what is told of it.

use serde_json::{Value, json};
use shared::notice::{Notice, Severity, State, Status};

use super::{check_raw, event, fact, first, gather, now};
use crate::queue;

const RDS: &str = "arn:aws:rds:eu-central-1:123456789012:db:orders";

#[track_caller]
fn check(case: &str, standing: (State, Severity), incident: &str, title: &str) -> Notice {
    let notice = first(case);
    assert_eq!(notice.title, title);
    assert_eq!(((notice.state, notice.severity), notice.incident.as_str()), (standing, incident));
    assert!(!notice.summary.is_empty() && !notice.source.is_empty() && !notice.subject.id.is_empty());
    for link in &notice.links {
        assert!(link.url.starts_with("https://") && !link.url.contains(' '), "{}", link.url);
    }
    let steps = notice.state == State::Firing && notice.source != "cloudwatch";
    assert!(!steps || !notice.next_steps.is_empty(), "nobody is told what to do");
    notice
}

#[test]
fn alarms() {
    let arn = |name: &str| format!("cloudwatch:arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}");
    let notice = check(
        "alarm-metric",
        (State::Firing, Severity::Sev2),
        &arn("orders-queue-depth"),
        "Alarm orders-queue-depth went from OK to ALARM",
    );
    assert!(notice.links[0].url.ends_with("#alarmsV2:alarm/orders-queue-depth"));
    assert_eq!((&*notice.labels["region"], &*notice.labels["account"]), ("eu-central-1", "123456789012"));
    let notice = check(
        "alarm-metric-math-data-are-back",
        (State::Info, Severity::Sev4),
        &arn("orders-error-rate"),
        "Alarm orders-error-rate went from INSUFFICIENT_DATA to OK",
    );
    assert_eq!(notice.labels["alarm_state"], "OK");
    let notice = check(
        "alarm-eventbridge-suppressed",
        (State::Info, Severity::Sev4),
        &arn("orders-unhealthy"),
        "Alarm orders-unhealthy went from OK to ALARM",
    );
    assert_eq!(notice.environment, "prod");
    assert_eq!(fact(&notice, "Note"), Some("its owner muted its actions just now"));
    check(
        "alarm-direct",
        (State::Firing, Severity::Sev2),
        &arn("orders-5xx"),
        "Alarm orders-5xx went from OK to ALARM",
    );
}

#[test]
fn health() {
    const ISSUE: &str = "health:123456789012:arn:aws:health:eu-central-1::event/RDS/AWS_RDS_OPERATIONAL_ISSUE/\
                         AWS_RDS_OPERATIONAL_ISSUE_VKTXI_EXAMPLE111";
    let open = check(
        "health-issue-open",
        (State::Firing, Severity::Sev2),
        ISSUE,
        "AWS has a problem with RDS in eu-central-1",
    );
    assert_eq!(
        (fact(&open, "Affected"), open.time.to_string().as_str()),
        (Some(RDS), "2026-11-20T11:55:10Z")
    );
    assert_eq!(open.started, Some("2026-11-20T11:40:00Z".parse().unwrap()));
    let closed = check(
        "health-issue-closed",
        (State::Resolved, Severity::Sev2),
        ISSUE,
        "AWS has solved a problem of RDS in eu-central-1",
    );
    assert!(open.revision < closed.revision);
    let planned = check(
        "health-scheduled-change",
        (State::Info, Severity::Sev3),
        "health:123456789012:arn:aws:health:eu-central-1::event/ECS/AWS_ECS_TASK_PATCHING_RETIREMENT/\
         AWS_ECS_TASK_PATCHING_RETIREMENT_0002",
        "AWS plans a change of ECS in eu-central-1",
    );
    assert_eq!(planned.environment, "prod");
    check(
        "health-account-notification",
        (State::Info, Severity::Sev4),
        "health:123456789012:arn:aws:health:global::event/BILLING/AWS_BILLING_NOTIFICATION/AWS_BILLING_NOTIFICATION_0003",
        "AWS has news about BILLING in global",
    );
    check(
        "health-investigation",
        (State::Firing, Severity::Sev3),
        "health:123456789012:arn:aws:health:eu-central-1::event/ECS/AWS_ECS_OPERATIONAL_ISSUE/AWS_ECS_OPERATIONAL_ISSUE_0001",
        "AWS is looking into ECS in eu-central-1",
    );
    let exposed = check(
        "health-credentials-exposed",
        (State::Firing, Severity::Sev1),
        "health:123456789012:arn:aws:health:us-east-1::event/RISK/AWS_RISK_CREDENTIALS_EXPOSED/AWS_RISK_CREDENTIALS_EXPOSED-0004",
        "AWS has a problem with RISK in us-east-1",
    );
    assert!(exposed.next_steps[0].contains("inactive"));
}

#[test]
fn backups() {
    let incident = format!("backup:{RDS}");
    let failed =
        check("backup-failed", (State::Firing, Severity::Sev3), &incident, "The backup of orders failed");
    assert_eq!(
        failed.summary,
        "The backup of orders failed: Backup job failed because the backup vault is locked."
    );
    check("backup-completed", (State::Resolved, Severity::Sev4), &incident, "The backup of orders is done");
    let text = check(
        "backup-text-failed",
        (State::Firing, Severity::Sev3),
        &incident,
        "The backup of orders failed",
    );
    assert_eq!(fact(&text, "Job"), Some("1b2345b2-f22c-4dab-5eb6-bbc7890ed123"));
    check(
        "backup-restore-failed",
        (State::Firing, Severity::Sev3),
        "restore:9f3c1b5e-6a1e-4b35-9c9b-0c7f9a3a2b11",
        "The restore of 9f3c1b5e-6a1e-4b35-9c9b-0c7f9a3a2b11 failed",
    );
}

#[test]
fn databases() {
    let incident = format!("rds:{RDS}:failover");
    let started = check(
        "rds-failover-started",
        (State::Firing, Severity::Sev2),
        &incident,
        "Database orders: Multi-AZ instance failover started",
    );
    assert_eq!(started.environment, "prod");
    let completed = check(
        "rds-subscription-failover-completed",
        (State::Resolved, Severity::Sev3),
        &incident,
        "Database orders: Multi-AZ instance failover completed",
    );
    assert!(started.revision < completed.revision);
    assert_eq!(fact(&completed, "Event"), Some("RDS-EVENT-0049"));
    let low = first("rds-low-storage");
    assert_eq!(
        (low.state, low.severity, low.incident),
        (State::Firing, Severity::Sev2, format!("rds:{RDS}:storage"))
    );
}

#[track_caller]
fn check_words(said: &str, categories: &[&str], what: &str, standing: (State, Severity)) {
    let notice = check_raw(&json!({
        "source": "aws.rds", "detail-type": "RDS DB Instance Event", "time": "2026-11-20T11:59:00Z",
        "detail": {"SourceIdentifier": "orders", "Message": said, "EventCategories": categories},
    }));
    assert_eq!(
        (notice.incident.as_str(), (notice.state, notice.severity)),
        (format!("rds:orders:{what}").as_str(), standing),
        "{said}"
    );
}

#[test]
fn what_a_database_says_is_understood_by_its_words() {
    let (firing, resolved, info) = (State::Firing, State::Resolved, State::Info);
    check_words("DB instance shutdown", &["availability"], "availability", (firing, Severity::Sev2));
    check_words("DB instance restarted", &["availability"], "availability", (resolved, Severity::Sev3));
    check_words(
        "Allocated storage has been exhausted",
        &["low storage"],
        "storage",
        (firing, Severity::Sev1),
    );
    check_words(
        "Finished applying modification to allocated storage",
        &["configuration change"],
        "storage",
        (resolved, Severity::Sev4),
    );
    check_words(
        "Recovery of the DB instance has started.",
        &["recovery"],
        "failure",
        (firing, Severity::Sev2),
    );
    check_words(
        "Recovery of the DB instance is complete.",
        &["recovery"],
        "failure",
        (resolved, Severity::Sev3),
    );
    check_words(
        "Replication on Read Replica ended due to errors",
        &["read replica"],
        "replication",
        (firing, Severity::Sev3),
    );
    check_words(
        "Replication for the Read Replica resumed",
        &["read replica"],
        "replication",
        (resolved, Severity::Sev4),
    );
    check_words("Finished DB Instance backup", &["backup"], "events", (info, Severity::Sev4));
    check_words("DB instance deleted", &["deletion"], "events", (info, Severity::Sev3));
}

#[test]
fn migrations_and_jobs() {
    let incident = "dms:arn:aws:dms:eu-central-1:123456789012:task:ORDERSTOLAKE";
    let failed = check(
        "dms-task-failed",
        (State::Firing, Severity::Sev2),
        incident,
        "Replication task ORDERSTOLAKE: Last Error  Stop Reason FATAL_ERROR Error Level FATAL",
    );
    assert_eq!(fact(&failed, "What happened"), Some("REPLICATION_TASK_FAILED"));
    check(
        "dms-task-started",
        (State::Resolved, Severity::Sev4),
        incident,
        "Replication task ORDERSTOLAKE: Replication task started, with flag = resume-processing",
    );
    check(
        "dms-subscription-task-failed",
        (State::Firing, Severity::Sev2),
        "dms:orders-to-lake",
        "Replication task orders-to-lake: Replication task has failed",
    );
    check(
        "glue-job-failed",
        (State::Firing, Severity::Sev3),
        "glue:eu-central-1:123456789012:job:orders-to-lake",
        "The Glue job orders-to-lake failed",
    );
    check(
        "glue-crawler-succeeded",
        (State::Resolved, Severity::Sev4),
        "glue:eu-central-1:123456789012:crawler:orders",
        "The Glue crawler orders is done",
    );
}

#[test]
fn security() {
    let notice = check(
        "guardduty-finding",
        (State::Firing, Severity::Sev2),
        "guardduty:arn:aws:guardduty:eu-central-1:123456789012:detector/123456789012/finding/16afba5c5c43e07c9e3e5e2e544e95df",
        "198.51.100.7 is performing SSH brute force attacks against i-05746eb48123455e0.",
    );
    assert_eq!((notice.environment.as_str(), fact(&notice, "Seen")), ("prod", Some("34 times")));
    let notice = check(
        "security-hub-finding",
        (State::Firing, Severity::Sev2),
        "securityhub:arn:aws:securityhub:eu-central-1:123456789012:security-control/S3.8/finding/a1b2c3d4-5678-90ab-cdef-EXAMPLE11118",
        "S3 general purpose buckets should block public access",
    );
    assert_eq!(
        (notice.environment.as_str(), notice.subject.id.as_str()),
        ("prod", "arn:aws:s3:::orders-export")
    );
}

#[track_caller]
fn check_severity(number: f64, archived: bool, expected: (State, Severity)) {
    let notice = check_raw(&json!({
        "source": "aws.guardduty", "detail-type": "GuardDuty Finding",
        "detail": {"id": "f", "type": "t", "severity": number, "service": {"archived": archived}},
    }));
    assert_eq!((notice.state, notice.severity), expected, "{number}");
}

#[test]
fn the_numbers_of_guardduty_are_severities() {
    check_severity(9.0, false, (State::Firing, Severity::Sev1));
    check_severity(8.9, false, (State::Firing, Severity::Sev2));
    check_severity(4.0, false, (State::Firing, Severity::Sev3));
    check_severity(3.9, false, (State::Info, Severity::Sev4));
    check_severity(8.0, true, (State::Resolved, Severity::Sev2));
}

/// The findings of one event, each with its label, workflow status and record state.
fn findings(each: &[(&str, &str, &str, &str)]) -> Value {
    let findings: Vec<_> = each
        .iter()
        .map(|(id, label, workflow, record)| {
            json!({"Id": id, "Title": "t", "Severity": {"Label": label}, "Workflow": {"Status": workflow},
                "RecordState": record, "UpdatedAt": "2026-11-20T11:59:00Z"})
        })
        .collect();
    json!({"source": "aws.securityhub", "detail-type": "Security Hub Findings - Imported", "detail": {"findings": findings}})
}

#[test]
fn each_finding_of_one_event_is_a_notice_and_the_message_belongs_to_all() {
    let body = findings(&[
        ("a", "CRITICAL", "NEW", "ACTIVE"),
        ("b", "MEDIUM", "RESOLVED", "ACTIVE"),
        ("c", "LOW", "NEW", "ACTIVE"),
        ("d", "HIGH", "NEW", "ARCHIVED"),
        ("a", "CRITICAL", "NEW", "ACTIVE"),
    ]);
    let record = json!({"messageId": "m-1", "body": body.to_string()});
    let records = queue::read(&json!({"Records": [record]})).unwrap();
    let gathered = gather(&records, "dev", now());
    let told: Vec<_> = gathered
        .iter()
        .map(|work| (work.notice.incident.as_str(), work.notice.state, work.notice.severity))
        .collect();
    let expected = [
        ("securityhub:a", State::Firing, Severity::Sev1),
        ("securityhub:b", State::Resolved, Severity::Sev3),
        ("securityhub:c", State::Info, Severity::Sev4),
        ("securityhub:d", State::Resolved, Severity::Sev2),
    ];
    assert_eq!(told, expected);
    assert!(gathered.iter().all(|work| work.records == [&records[0]]));
}

#[test]
fn a_list_is_taken_apart_only_where_all_of_it_is_understood() {
    let known = |id: &str| findings(&[(id, "HIGH", "NEW", "ACTIVE")]);
    let read = |body: &Value| {
        let record = json!({"messageId": "m-1", "body": body.to_string()});
        super::super::read(&queue::read(&json!({"Records": [record]})).unwrap()[0], "dev", now())
    };
    let incidents = |body: Value| read(&body).into_iter().map(|notice| notice.incident).collect::<Vec<_>>();
    assert_eq!(incidents(json!([known("a"), known("b")])), ["securityhub:a", "securityhub:b"]);
    assert_eq!(incidents(json!([known("a"), 42])), ["sqs:m-1"]);
    let many: Vec<_> = (0..60).map(|index| known(&index.to_string())).collect();
    let told = read(&json!(many));
    assert_eq!(told.len(), 25);
    assert_eq!(fact(&told[24], "Note"), Some("the message tells of 35 more, which are not shown"));
}

#[test]
fn budgets() {
    let notice = check(
        "budgets-text",
        (State::Info, Severity::Sev3),
        "budget:123456789012:monthly:actual:> $100.00",
        "The budget monthly has passed its threshold: $104.22 of $125.00",
    );
    assert_eq!(fact(&notice, "Alert Threshold"), Some("> $100.00"));
}

#[test]
fn services_and_their_tasks() {
    let arn = "arn:aws:ecs:eu-central-1:123456789012:service/prod/web";
    let notice = check(
        "eventbridge-event",
        (State::Firing, Severity::Sev2),
        &format!("ecs-deployment:{arn}"),
        "The deployment of prod/web failed",
    );
    assert_eq!(
        (&*notice.labels["service"], notice.time.to_string().as_str()),
        ("web", "2026-11-20T11:59:58Z")
    );
    assert_eq!(
        notice.links[0].url,
        "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web/deployments?region=eu-central-1"
    );
    let action = format!("ecs-service:{arn}");
    let placement = check(
        "ecs-placement-failure",
        (State::Firing, Severity::Sev2),
        &action,
        "prod/web finds no place for its tasks",
    );
    let steady = check("ecs-steady", (State::Resolved, Severity::Sev4), &action, "prod/web is steady");
    assert!(placement.revision < steady.revision);
    let task = check(
        "ecs-task-stopped",
        (State::Info, Severity::Sev3),
        "ecs-task:arn:aws:ecs:eu-central-1:123456789012:task/prod/a1173316d40a45dea9",
        "A task of prod/web ended by itself",
    );
    let said = "app exited with 137: OutOfMemoryError: Container killed due to memory usage";
    assert_eq!(fact(&task, "Container"), Some(said));
}

#[test]
fn other_deployments() {
    check(
        "codedeploy-failure",
        (State::Firing, Severity::Sev2),
        "codedeploy:eu-central-1:123456789012:web/prod",
        "The CodeDeploy deployment of web/prod failed",
    );
    let stack = "stack:eu-central-1:123456789012:billing-prod";
    let notice = check(
        "cloudformation-rollback-failed",
        (State::Firing, Severity::Sev2),
        stack,
        "The stack billing-prod could not be rolled back and is stuck",
    );
    assert!(notice.next_steps[0].ends_with("continue-update-rollback --stack-name billing-prod"));
    check(
        "cloudformation-text-update-complete",
        (State::Resolved, Severity::Sev4),
        stack,
        "The stack billing-prod was updated",
    );
    check(
        "cloudformation-text-resource-failed",
        (State::Info, Severity::Sev3),
        &format!("{stack}:Service"),
        "The stack billing-prod: Service (AWS::ECS::Service) is UPDATE_FAILED",
    );
}

#[test]
fn deployments_of_which_workflows_tell() {
    let incident = "deployment:prod:web:9876543210-1";
    let change = "web:42 (abc1234 by ann)";
    let notice = check(
        "deployment-succeeded",
        (State::Info, Severity::Sev4),
        incident,
        &format!("web was deployed to prod: {change}"),
    );
    assert_eq!(notice.environment, "prod");
    assert_eq!(notice.matched()["kind"], "deployment");
    let deployment = notice.deployment.unwrap();
    assert_eq!((deployment.status, deployment.repository.as_deref()), (Status::Succeeded, Some("acme/web")));
    let notice = check(
        "deployment-failed",
        (State::Info, Severity::Sev2),
        incident,
        &format!("The deployment of web to prod failed: {change}"),
    );
    assert!(notice.summary.ends_with("The migration did not end."), "{}", notice.summary);
    check(
        "deployment-rolled-back",
        (State::Info, Severity::Sev2),
        incident,
        &format!("The deployment of web to prod was rolled back: {change}; 0011223 runs again"),
    );
}

#[test]
fn a_message_about_a_deployment_is_told_with_what_is_wrong_with_it() {
    let notice = check(
        "deployment-with-mistakes",
        (State::Info, Severity::Sev4),
        "deployment:dev:web:9876543210",
        "web is being deployed to dev",
    );
    let notes: Vec<_> =
        notice.facts.iter().filter(|fact| fact.name == "Note").map(|fact| fact.value.as_str()).collect();
    let wrong = |what: &str| format!("The message about it is not quite right: {what}.");
    let expected = [
        wrong("its workflow is not an https address"),
        wrong("its health is \"fine\"; write healthy, degraded or failed"),
        wrong("its time is \"noon\"; write such as \"2026-11-20T12:00:00Z\""),
    ];
    assert_eq!(notes, expected);
    let notice = first("deployment-unusable");
    assert_eq!(notice.title, "A message about a deployment cannot be used");
    assert_eq!(
        notice.summary,
        "A workflow wrote of a deployment, but its service is missing; its status is \"done\"; write begun, succeeded, \
         failed, cancelled or rolled_back."
    );
    assert!(notice.deployment.is_none() && fact(&notice, "environment") == Some("prod"));
}

#[test]
fn a_region_that_is_none_becomes_no_address() {
    let glue = |region: &str| {
        check_raw(&json!({
            "source": "aws.glue", "detail-type": "Glue Job State Change", "region": region,
            "detail": {"jobName": "a/b c", "state": "FAILED"},
        }))
    };
    for region in ["evil.example/", "eu-central-1.evil.example", "", "EU-CENTRAL-1", "a-", "eu central-1"] {
        assert!(glue(region).links.is_empty(), "{region}");
    }
    let china = glue("cn-north-1");
    assert_eq!(
        china.links[0].url,
        "https://cn-north-1.console.amazonaws.cn/gluestudio/home?region=cn-north-1#/editor/job/a%2Fb%20c/runs"
    );
}

#[test]
fn what_happens_in_the_future_happened_when_it_was_sent() {
    let mut ahead = event("glue-job-failed");
    let body =
        ahead["Records"][0]["body"].as_str().unwrap().replace("2026-11-20T12:00:00Z", "2036-11-20T12:00:00Z");
    ahead["Records"][0]["body"] = json!(body);
    let notice = super::read(&queue::read(&ahead).unwrap()[0], "dev", now());
    assert_eq!(notice.time.to_string(), "2026-11-20T12:00:01Z");
    assert_eq!(notice.revision, 1_795_176_001_000);
    assert!(fact(&notice, "Note").unwrap().contains("yet to come"));
}

#[test]
fn what_comes_back_from_the_dead_letters_is_what_it_was_also_where_it_has_no_time() {
    let mut record = json!({
        "messageId": "m-2",
        "attributes": {"SentTimestamp": "1795176000500"},
        "body": r#"{"source":"aws.glue","detail-type":"Glue Job State Change","detail":{"jobName":"a","state":"FAILED"}}"#,
    });
    let read =
        |record: &Value| super::read(&queue::read(&json!({"Records": [record]})).unwrap()[0], "dev", now());
    let before = read(&record);
    record["attributes"]["SentTimestamp"] = json!("1795176004500");
    record["messageAttributes"] = json!({
        "incident": {"stringValue": before.incident, "dataType": "String"},
        "revision": {"stringValue": before.revision.to_string(), "dataType": "String"},
    });
    let after = read(&record);
    assert_eq!((&after.incident, after.revision, &after.id), (&before.incident, before.revision, &before.id));
}
