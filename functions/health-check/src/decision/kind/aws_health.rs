//! What AWS says of its own health: issues and investigations that are open, and changes that come (AWS Health API).
//!
//! Account notifications stay open for months after their date: only one whose date is near counts, the others are told.

use jiff::{SignedDuration, Timestamp};

use crate::decision::{Findings, Verdict};

/// How near a change has to be to count.
const NEAR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many events are told as what was seen.
const TOLD: usize = 10;

/// The services, as AWS Health names them, whose events concern an environment, even where AWS does not say whom they
/// hit. An event of the account's own concerns it whatever its service.
const CONCERNING: [&str; 27] = [
    "ACM",
    "APPLICATION_AUTOSCALING",
    "AUTOSCALING",
    "BACKUP",
    "CLOUDFORMATION",
    "CLOUDWATCH",
    "DYNAMODB",
    "EC2",
    "ECR",
    "ECS",
    "ELASTICACHE",
    "ELASTICLOADBALANCING",
    "EVENTS",
    "FARGATE",
    "IAM",
    "INTERNETCONNECTIVITY",
    "KMS",
    "LAMBDA",
    "MULTIPLE_SERVICES",
    "RDS",
    "ROUTE53",
    "S3",
    "SECRETSMANAGER",
    "SNS",
    "SQS",
    "VPC",
    "WAF",
];

/// What AWS Health says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether the support plan allows to ask.
    pub supported: bool,
    /// The events that are open or come; nothing where AWS did not say.
    pub events: Option<Vec<Event>>,
    /// The verdict on the call that failed before all were read.
    pub unread: Option<Verdict>,
}

/// An event of AWS Health.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The service, such as `ECS`.
    pub service: String,
    /// What happens, such as `AWS_ECS_OPERATIONAL_ISSUE`.
    pub code: String,
    /// `issue`, `investigation`, `scheduledChange` or `accountNotification`; a word of AWS that may be new.
    pub category: String,
    /// `open`, `upcoming` or `closed`.
    pub status: String,
    /// `PUBLIC`, `ACCOUNT_SPECIFIC` or `NONE`.
    pub scope: String,
    /// The Region, or `global`.
    pub region: String,
    /// When it starts.
    pub starts: Option<Timestamp>,
}

impl Event {
    /// Whether it is about what an environment stands on. What does not say its service may be.
    fn concerns(&self) -> bool {
        self.scope == "ACCOUNT_SPECIFIC"
            || self.service.is_empty()
            || CONCERNING.iter().any(|service| self.service.eq_ignore_ascii_case(service))
    }

    /// What it is called.
    fn named(&self) -> String {
        let Self { service, code, region, .. } = self;
        let service = if service.is_empty() { "a service" } else { service };
        let place = if region.is_empty() { String::new() } else { format!(" in {region}") };
        let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
        format!("{service}{place}{code}")
    }
}

/// How AWS is, as far as it says.
pub fn verdict(facts: &Facts, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if !facts.supported {
        found.not_applicable("it is not a part of the support plan");
        return found.verdict("");
    }
    if let Some(why) = &facts.unread {
        found.unknown(format!("not all events were read: it {}", why.reason), why.todo.join(" "));
    }
    let Some(events) = &facts.events else {
        found.unknown("AWS Health does not say what happens", "Look at the AWS Health Dashboard.");
        return found.verdict("");
    };
    let open = events.iter().filter(|event| event.status != "closed");
    let (ours, others): (Vec<_>, Vec<_>) = open.partition(|event| event.concerns());
    found.saw("Events", ours.len());
    if !others.is_empty() {
        found.saw("Events of other services", others.len());
    }
    for event in ours.iter().take(TOLD) {
        let starts = event.starts.map(|at| format!(", {at:.0}")).unwrap_or_default();
        found.saw(&event.named(), format!("{}{starts}", event.category));
    }
    for event in ours {
        judge(&mut found, event, now);
    }
    found.verdict("AWS says of nothing that concerns this environment")
}

fn judge(found: &mut Findings, event: &Event, now: Timestamp) {
    const FOLLOW: &str = "Follow the event in the AWS Health Dashboard.";
    const PREPARE: &str = "Read the event in the AWS Health Dashboard, and do what it asks for in time.";
    let named = event.named();
    let near = |at: Timestamp| at.duration_since(now) <= NEAR;
    let when = |at: Timestamp| at.strftime("%F %H:%M UTC").to_string();
    match (event.category.as_str(), event.starts) {
        ("issue", _) => {
            found.degraded(format!("AWS has an issue with {named}"), FOLLOW);
        }
        ("investigation", _) => {
            found.degraded(format!("AWS investigates {named}"), FOLLOW);
        }
        ("scheduledChange", Some(at)) if near(at) => {
            found.degraded(format!("AWS changes {named} at {}", when(at)), PREPARE);
        }
        ("scheduledChange", None) => {
            found.unknown(format!("AWS changes {named}, and does not say when"), PREPARE);
        }
        ("accountNotification", Some(at)) if now < at && near(at) => {
            found.degraded(format!("AWS has announced something for {named} at {}", when(at)), PREPARE);
        }
        ("scheduledChange" | "accountNotification", _) => {}
        ("", _) => {
            found.unknown(format!("AWS does not say what happens to {named}"), FOLLOW);
        }
        (other, _) => {
            let why = format!("AWS Health says a category that is not known here: {other}, of {named}");
            found.unknown(why, FOLLOW);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Event, Facts, verdict};
    use crate::decision::{Health, Verdict};

    fn event(category: &str, starts: &str) -> Event {
        Event {
            service: "ECS".to_owned(),
            code: "AWS_ECS_SOMETHING".to_owned(),
            category: category.to_owned(),
            status: "open".to_owned(),
            scope: "PUBLIC".to_owned(),
            region: "eu-central-1".to_owned(),
            starts: starts.parse().ok(),
        }
    }

    fn of(events: Vec<Event>) -> Facts {
        Facts { supported: true, events: Some(events), unread: None }
    }

    #[test]
    fn what_is_wrong_at_aws_or_changes_soon_counts_and_the_rest_is_told() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let it = "ECS in eu-central-1 (AWS_ECS_SOMETHING)";
        let past = "2026-11-20T00:00:00Z";
        let throttled =
            Verdict { reason: "could not be checked: throttled".to_owned(), ..Verdict::default() };
        let cases = [
            (Facts::default(), Health::NotApplicable, "it is not a part of the support plan".to_owned()),
            (
                Facts { supported: true, ..Facts::default() },
                Health::Unknown,
                "AWS Health does not say what happens".to_owned(),
            ),
            (of(Vec::new()), Health::Healthy, String::new()),
            (
                Facts { unread: Some(throttled.clone()), ..of(vec![event("accountNotification", past)]) },
                Health::Unknown,
                "not all events were read: it could not be checked: throttled".to_owned(),
            ),
            (
                Facts { unread: Some(throttled), ..of(vec![event("issue", past)]) },
                Health::Degraded,
                format!(
                    "AWS has an issue with {it}; not all events were read: it could not be checked: throttled"
                ),
            ),
            (of(vec![event("issue", past)]), Health::Degraded, format!("AWS has an issue with {it}")),
            (of(vec![event("issue", "")]), Health::Degraded, format!("AWS has an issue with {it}")),
            (of(vec![event("investigation", past)]), Health::Degraded, format!("AWS investigates {it}")),
            (
                of(vec![Event { status: "closed".to_owned(), ..event("issue", past) }]),
                Health::Healthy,
                String::new(),
            ),
            (
                of(vec![Event { service: "MULTIPLE_SERVICES".to_owned(), ..event("issue", past) }]),
                Health::Degraded,
                "AWS has an issue with MULTIPLE_SERVICES in eu-central-1 (AWS_ECS_SOMETHING)".to_owned(),
            ),
            (
                of(vec![Event { service: "CHIME".to_owned(), ..event("issue", past) }]),
                Health::Healthy,
                String::new(),
            ),
            (
                of(vec![Event {
                    service: "CHIME".to_owned(),
                    scope: "ACCOUNT_SPECIFIC".to_owned(),
                    ..event("issue", past)
                }]),
                Health::Degraded,
                "AWS has an issue with CHIME in eu-central-1 (AWS_ECS_SOMETHING)".to_owned(),
            ),
            (
                of(vec![event("scheduledChange", "2026-12-03T12:00:00Z")]),
                Health::Degraded,
                format!("AWS changes {it} at 2026-12-03 12:00 UTC"),
            ),
            (of(vec![event("scheduledChange", "2026-12-03T12:00:01Z")]), Health::Healthy, String::new()),
            (
                of(vec![event("scheduledChange", "")]),
                Health::Unknown,
                format!("AWS changes {it}, and does not say when"),
            ),
            (of(vec![event("accountNotification", past)]), Health::Healthy, String::new()),
            (of(vec![event("accountNotification", "")]), Health::Healthy, String::new()),
            (
                of(vec![event("accountNotification", "2026-11-27T00:00:00Z")]),
                Health::Degraded,
                format!("AWS has announced something for {it} at 2026-11-27 00:00 UTC"),
            ),
            (
                of(vec![event("omen", past)]),
                Health::Unknown,
                format!("AWS Health says a category that is not known here: omen, of {it}"),
            ),
            (of(vec![event("", past)]), Health::Unknown, format!("AWS does not say what happens to {it}")),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, now);
            assert_eq!(verdict.health, health, "{facts:?}");
            let healthy = "AWS says of nothing that concerns this environment";
            let reason = if health == Health::Healthy { healthy } else { &reason };
            assert_eq!(verdict.reason, reason, "{facts:?}");
        }
        let silent = Event::default();
        assert_eq!(verdict(&of(vec![silent]), now).reason, "AWS does not say what happens to a service");
    }
}
