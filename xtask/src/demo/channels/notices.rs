//! What is told in the act.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::notice::{Link, Notice, Severity, State, Subject};

use super::vendors::REPOSITORY;

const SERVICE: &str = "payments";

/// The incident that begins, is acknowledged, and is over.
pub(super) const INCIDENT: &str = "demo:payments-down";

fn notice(incident: &str, severity: Severity, service: &str, title: &str, time: Timestamp) -> Notice {
    let subject = Subject { kind: "ecs-service".to_owned(), id: format!("shop/{service}"), arn: None };
    let mut notice = Notice::new(incident, State::Firing, severity, subject, title, time);
    "payments-monitor".clone_into(&mut notice.source);
    "prod".clone_into(&mut notice.environment);
    notice.labels.insert("service".to_owned(), service.to_owned());
    notice
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn link(title: &str, url: &str) -> Link {
    Link { title: title.to_owned(), url: url.to_owned() }
}

/// The beginning of an incident, seven minutes ago.
pub(super) fn incident(now: Timestamp) -> Notice {
    let before = |minutes| now.saturating_sub(SignedDuration::from_mins(minutes)).unwrap_or(now);
    let title = "payments does not answer; it is rolled back to payments:41";
    let mut notice = notice(INCIDENT, Severity::Sev1, SERVICE, title, before(7));
    notice.summary.push_str(
        "The alarm payments-5xx fired 4 minutes after payments:42 was deployed, so payments goes back to payments:41, \
         which ran for 6 days.",
    );
    notice.started = Some(before(9));
    for (name, value) in [
        ("Alarm", "payments-5xx"),
        ("From", "payments:42"),
        ("To", "payments:41"),
        ("Requests that fail", "42 % (p99 < 2 s & rising)"),
        ("Last error", "panicked at src/orders.rs:42:\nindex out of bounds: the len is 0 but the index is 3"),
    ] {
        notice.fact(name, value);
    }
    notice.actions = texts(&[
        "Called UpdateService on shop/payments with payments:41.",
        "Stopped two tasks of payments:42 that would not end.",
    ]);
    notice.next_steps = texts(&[
        "Look whether orders between 03:00 and now were paid twice.",
        "Mend payments:42, and deploy it as payments:43.",
    ]);
    notice.links = vec![
        link(
            "Service",
            "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/shop/services/payments?region=eu-central-1&tab=health",
        ),
        link(
            "Alarm",
            "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#alarmsV2:alarm/payments-5xx",
        ),
        link("Runbook", "https://wiki.example.com/runbooks/payments"),
    ];
    notice
}

/// Its end.
pub(super) fn resolution(beginning: &Notice, now: Timestamp) -> Notice {
    let mut notice =
        Notice { title: "payments answers again, on payments:41".to_owned(), time: now, ..beginning.clone() };
    notice.state = State::Resolved;
    notice = notice.following(u64::try_from(now.as_millisecond()).unwrap_or_default());
    "All 6 tasks run payments:41 and are healthy; the alarm payments-5xx is OK."
        .clone_into(&mut notice.summary);
    notice.facts.clear();
    notice.fact("Cause", "payments:42 reads an order's fourth line, which most orders do not have");
    notice.fact("Resolution", "rolled back to payments:41");
    notice.actions = texts(&["Waited until all 6 tasks were healthy for 2 minutes."]);
    notice.next_steps = texts(&["Mend payments:42, and deploy it as payments:43."]);
    notice
}

/// What a workflow publishes.
pub(super) fn deployment(status: &str, now: Timestamp) -> Value {
    json!({
        "schema": "watchkeeper.deployment/1",
        "id": "9182736450-1",
        "status": status,
        "service": SERVICE,
        "environment": "prod",
        "revision": "payments:43",
        "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/payments:1.43.0",
        "commit": "8f14e45fceea167a5a36dedd4bea2543c0ffee00",
        "branch": "main",
        "author": "Ana",
        "repository": REPOSITORY,
        "workflow": "https://github.com/shop/payments/actions/runs/9182736450",
        "health": if status == "succeeded" { "healthy" } else { "" },
        "time": now.to_string(),
    })
}

/// Findings whose texts try to break whatever shows them.
pub(super) fn report(now: Timestamp) -> Notice {
    let line = "at app.Orders::pay (orders.rs:42) ``` <!channel> 🔥👩‍👩‍👧 \u{202e}שלום & <b>*x* _y_ \
                [z](https://evil.invalid) <at>all</at> <script>alert(1)</script>\n";
    let trace = format!("panicked first\n{}the last line", line.repeat(9_000 / line.len()));
    let title = "51 checks of payments failed <!channel> @here";
    let mut notice = notice("demo:payments-checks", Severity::Sev2, SERVICE, title, now);
    notice.summary.push_str("51 of 80 checks failed. The first one's stack trace is below.");
    notice.fact("Worst", "the queue of payments is not read any more");
    // Published by something that bounds nothing.
    notice.facts.push(shared::notice::Fact { name: "Stack trace".to_owned(), value: trace });
    for finding in 1..=50 {
        notice.fact(
            &format!("Finding {finding}"),
            format!("@everyone target {finding} of שרת is unhealthy & draining"),
        );
    }
    notice.next_steps =
        (1..=12).map(|target| format!("- [ ] Look at target {target} <@U012ABCDEF>")).collect();
    notice.links = vec![
        link("Log | <all>", "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?a=1&b=2"),
        link("Not a link", "javascript:alert(1)"),
    ];
    notice
}

/// So many incidents of one service at the same moment.
pub(super) fn burst(count: usize, now: Timestamp) -> Vec<Notice> {
    (1..=count)
        .map(|index| {
            let title = format!("payments-import: file {index} of the bank cannot be read");
            let incident = format!("demo:import:{index}");
            let severity = if index <= 3 { Severity::Sev2 } else { Severity::Sev3 };
            let mut notice = notice(&incident, severity, "payments-import", &title, now);
            notice.summary.push_str("The bank's certificate has expired.");
            notice
        })
        .collect()
}
