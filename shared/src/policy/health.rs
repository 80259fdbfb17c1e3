//! What is checked, what counts as healthy, and what people are told of it.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::read::{self, Lasting, Perhaps, Step, Whole};
use super::{DAY, Day, MINUTE, TimeOfDay, WEEK, window};
use crate::target;

/// What is checked, what counts as healthy, and what people are told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// From when on something is degraded, or failed.
    pub thresholds: Thresholds,
    /// What the environment has to have; what is not named follows from what kind of environment it is.
    pub expect: Expectations,
    /// Addresses that are asked over HTTP.
    pub endpoints: Vec<Endpoint>,
    /// Names that must resolve, and whose certificate is checked, such as `www.example.com`.
    pub domains: Vec<String>,
    /// Names of CloudFormation stacks, or beginnings of them and a star, that belong to the environment beside the tagged.
    pub stacks: Vec<String>,
    /// What is not checked: a kind, or a kind and a name, or the beginning of one and a star, such as `kms-key` or
    /// `sqs-queue:import-*`.
    pub ignore: Vec<Ignored>,
    /// When a change counts.
    pub change: Change,
    /// When the digests are told.
    pub digest: Digest,
    /// Where the status page is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

/// The kinds of what is checked, by the words that they are known by.
pub const KINDS: [&str; 37] = [
    "alarm",
    "autoscaling",
    "aws-health",
    "backup",
    "budget",
    "cache",
    "certificate",
    "dlq",
    "dns-name",
    "dynamodb-table",
    "ecs-cluster",
    "ecs-service",
    "ecs-stopped-tasks",
    "endpoint",
    "event-rule",
    "event-source",
    "image",
    "kms-key",
    "lambda-function",
    "listener",
    "load-balancer",
    "log-group",
    "rds-cluster",
    "rds-instance",
    "route53-health-check",
    "route53-zone",
    "s3-bucket",
    "schedule",
    "secret",
    "sns-topic",
    "sqs-queue",
    "stack",
    "tags",
    "target-group",
    "task-definition",
    "tls-endpoint",
    "waf",
];

/// What is not checked: a kind, or of a kind those of a name, or whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    kind: String,
    name: Option<String>,
}

impl Ignored {
    /// Whether this is not checked.
    pub fn covers(&self, kind: &str, name: &str) -> bool {
        let named = self.name.as_deref().is_none_or(|own| target::covers(own, name));
        self.kind == kind && named
    }

    /// `<kind>`, `<kind>:<name>` or `<kind>:<beginning>*`; the kind is one of [`KINDS`].
    fn parse(text: &str) -> Option<Self> {
        let (kind, name) = match text.trim().split_once(':') {
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (text.trim(), None),
        };
        KINDS.contains(&kind).then(|| Self { kind: kind.to_owned(), name })
    }
}

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let expected =
            "a kind of what is checked, such as kms-key, or a kind and a name, such as sqs-queue:import-*";
        read::text(from, expected, Self::parse)
    }
}

impl Serialize for Ignored {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.name {
            Some(name) => to.collect_str(&format_args!("{}:{name}", self.kind)),
            None => to.serialize_str(&self.kind),
        }
    }
}

impl JsonSchema for Ignored {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = format!("^({})(:.*)?$", KINDS.join("|"));
        json_schema!({"type": "string", "pattern": pattern, "examples": ["kms-key", "sqs-queue:import-*"]})
    }
}

/// From when on something is degraded, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Percent of requests that fail: degraded. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub errors: u32,
    /// Percent of requests that fail: failed. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub many_errors: u32,
    /// How long an answer takes: degraded. From 1s to 1m.
    #[serde(with = "Lasting::<1, MINUTE>")]
    pub slow: SignedDuration,
    /// How long an answer takes: failed. From 1s to 1m.
    #[serde(with = "Lasting::<1, MINUTE>")]
    pub too_slow: SignedDuration,
    /// More messages than this wait: degraded. From 1 to 1000000.
    #[serde(with = "Whole::<1, 1_000_000>")]
    pub queued: u32,
    /// The oldest message waits for longer than this: degraded. From 1m to 14d.
    #[serde(with = "Lasting::<MINUTE, { 2 * WEEK }>")]
    pub queued_for: SignedDuration,
    /// Percent of CPU in use: degraded. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub cpu: u32,
    /// Percent of memory in use: degraded. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub memory: u32,
    /// Percent of storage in use: degraded. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub storage: u32,
    /// Percent of a database's connections in use: degraded. From 1 to 100.
    #[serde(with = "Whole::<1, 100>")]
    pub connections: u32,
    /// Percent of a cache's reads that it answers; fewer: degraded. From 0 to 100.
    #[serde(with = "Whole::<0, 100>")]
    pub cache_hits: u32,
    /// So long before it ends, a certificate is degraded. From 1d to 90d.
    #[serde(with = "Lasting::<DAY, { 90 * DAY }>")]
    pub certificate: SignedDuration,
    /// So long before it ends, a certificate has failed. From 1d to 90d.
    #[serde(with = "Lasting::<DAY, { 90 * DAY }>")]
    pub certificate_ends: SignedDuration,
    /// What changes for longer than this is stuck: a deployment, a stack, a rotation. From 5m to 7d.
    #[serde(with = "Lasting::<{ 5 * MINUTE }, WEEK>")]
    pub stuck: SignedDuration,
    /// The newest backup is older than this: degraded. From 1h to 40d.
    #[serde(with = "Lasting::<{ 60 * MINUTE }, { 40 * DAY }>")]
    pub backup: SignedDuration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            errors: 1,
            many_errors: 5,
            slow: SignedDuration::from_secs(2),
            too_slow: SignedDuration::from_secs(5),
            queued: 100,
            queued_for: SignedDuration::from_mins(15),
            cpu: 60,
            memory: 70,
            storage: 85,
            connections: 80,
            cache_hits: 70,
            certificate: SignedDuration::from_hours(30 * 24),
            certificate_ends: SignedDuration::from_hours(7 * 24),
            stuck: SignedDuration::from_mins(30),
            backup: SignedDuration::from_hours(26),
        }
    }
}

/// What the environment has to have. What is not named follows from what kind of environment it is: see [`Expected`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expectations {
    /// The least number of tasks of a service that is not scaled to zero. From 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none", with = "Perhaps::<1, 1_000>")]
    pub tasks: Option<u32>,
    /// Whether databases and caches stand in several zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_az: Option<bool>,
    /// Whether load balancers that the internet reaches speak TLS, and lead whoever comes without it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// Whether load balancers that the internet reaches have a web ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waf: Option<bool>,
    /// Whether what stores data encrypts it, and can be taken back to a point in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// For how many days logs are kept at least. From 1 to 3653.
    #[serde(skip_serializing_if = "Option::is_none", with = "Perhaps::<1, 3_653>")]
    pub log_days: Option<u32>,
    /// The tags that everything has to have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Dollars a month. From 1 to 100000000.
    #[serde(skip_serializing_if = "Option::is_none", with = "Perhaps::<1, 100_000_000>")]
    pub budget: Option<u32>,
}

/// What an environment has to have, with what the policy leaves open filled in.
#[expect(clippy::struct_excessive_bools, reason = "each is a demand of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// The least number of tasks of a service that is not scaled to zero.
    pub tasks: u32,
    /// Whether databases and caches stand in several zones.
    pub multi_az: bool,
    /// Whether load balancers that the internet reaches speak TLS, and lead whoever comes without it there.
    pub tls: bool,
    /// Whether load balancers that the internet reaches have a web ACL.
    pub waf: bool,
    /// Whether what stores data encrypts it, and can be taken back to a point in time.
    pub protected: bool,
    /// For how many days logs are kept at least.
    pub log_days: u32,
    /// The tags that everything has to have.
    pub tags: Vec<String>,
    /// Dollars a month.
    pub budget: u32,
}

/// What kind of environment it is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Development,
    Staging,
    Production,
}

impl Expectations {
    /// What an environment of this name has to have. One whose name says nothing counts as development.
    pub fn of(&self, environment: &str, production: bool) -> Expected {
        let name = environment.trim().to_ascii_lowercase();
        let staging = ["stag", "uat", "preprod", "qa"].iter().any(|word| name.starts_with(word));
        let stage = match (production, staging) {
            (true, _) => Stage::Production,
            (false, true) => Stage::Staging,
            (false, false) => Stage::Development,
        };
        let (tasks, log_days, budget) = match stage {
            Stage::Development => (1, 7, 50),
            Stage::Staging => (2, 14, 200),
            Stage::Production => (3, 30, 2_000),
        };
        let live = stage == Stage::Production;
        Expected {
            tasks: self.tasks.unwrap_or(tasks),
            multi_az: self.multi_az.unwrap_or(live),
            tls: self.tls.unwrap_or(stage != Stage::Development),
            waf: self.waf.unwrap_or(live),
            protected: self.protected.unwrap_or(live),
            log_days: self.log_days.unwrap_or(log_days),
            tags: self.tags.clone(),
            budget: self.budget.unwrap_or(budget),
        }
    }
}

/// An address that is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Such as `https://www.example.com/health`.
    pub url: String,
    /// The status that it answers with. From 100 to 599.
    #[serde(default = "ok", with = "Whole::<100, 599>")]
    pub status: u32,
    /// What its answer contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A GraphQL query that it is asked; the answer may have no errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<String>,
}

const fn ok() -> u32 {
    200
}

/// When a change counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// It is bad after so many sweeps that say so, one after another. From 1 to 20.
    #[serde(with = "Whole::<1, 20>")]
    pub bad: u32,
    /// It is good again after so many. From 1 to 20.
    #[serde(with = "Whole::<1, 20>")]
    pub good: u32,
    /// After this long, people are reminded of what is still bad. From 1h to 30d.
    #[serde(with = "Lasting::<{ 60 * MINUTE }, { 30 * DAY }>")]
    pub remind: SignedDuration,
}

impl Default for Change {
    fn default() -> Self {
        Self { bad: 3, good: 2, remind: SignedDuration::from_hours(24) }
    }
}

/// What of the health checks contradicts itself, and where.
pub(super) fn problem(health: &Health) -> Option<(Vec<Step>, String)> {
    let Digest { daily, weekly, .. } = &health.digest;
    let lone = weekly.is_some() && daily.is_none();
    lone.then(|| {
        (
            vec!["health".into(), "digest".into(), "weekly".into()],
            "it needs the hour that daily says".to_owned(),
        )
    })
}

/// When the digests are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Digest {
    /// At what time of each day; without it, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<TimeOfDay>,
    /// On which day it is the weekly one in place of the daily; at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Day>,
    /// The IANA time zone of these times, such as Europe/Berlin.
    #[serde(serialize_with = "window::zone_name", deserialize_with = "window::zone")]
    #[schemars(with = "String")]
    pub zone: jiff::tz::TimeZone,
}

impl Digest {
    /// When a digest was due last, and whether that was the weekly one.
    pub fn last_due(&self, now: Timestamp) -> Option<(Timestamp, bool)> {
        let today = self.zone.to_datetime(now).date();
        [Ok(today), today.yesterday()].into_iter().flatten().find_map(|day| {
            let local = self.daily?.on(day)?;
            let due = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
            (due <= now).then(|| (due, self.weekly.is_some_and(|weekly| weekly == day.weekday().into())))
        })
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self { daily: None, weekly: None, zone: jiff::tz::TimeZone::UTC }
    }
}

/// Where the status page is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The key in the function's bucket, such as `status/index.html`.
    pub key: String,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Digest, Expectations};
    use crate::policy::Policy;

    fn digest(text: &str) -> Digest {
        Policy::parse("policy", &format!("health: {{digest: {text}}}")).unwrap().health.digest
    }

    #[test]
    fn a_digest_is_due_at_the_teams_hour_whatever_the_clock_does() {
        let vienna = "{daily: '08:30', weekly: mon, zone: Europe/Vienna}";
        let cases = [
            // Thursday
            (vienna, "2026-11-26T07:29:59Z", Some(("2026-11-25T07:30:00Z", false))),
            (vienna, "2026-11-26T07:30:00Z", Some(("2026-11-26T07:30:00Z", false))),
            // Monday, and the first after summer time.
            (vienna, "2026-10-26T08:00:00Z", Some(("2026-10-26T07:30:00Z", true))),
            (vienna, "2026-10-26T07:00:00Z", Some(("2026-10-25T07:30:00Z", false))),
            (
                "{daily: '02:30', zone: Europe/Vienna}",
                "2026-03-29T12:00:00Z",
                Some(("2026-03-29T01:30:00Z", false)),
            ),
            ("{zone: Europe/Vienna}", "2026-11-26T07:30:00Z", None),
        ];
        for (text, now, expected) in cases {
            let expected = expected.map(|(due, weekly)| (due.parse::<Timestamp>().unwrap(), weekly));
            assert_eq!(digest(text).last_due(now.parse().unwrap()), expected, "{text} at {now}");
        }
    }

    #[test]
    fn what_is_not_checked_is_a_kind_or_some_of_a_kind_and_a_word_that_is_none_is_refused() {
        let text = "health: {ignore: [kms-key, 'sqs-queue:import-*', 'alarm:web: 5xx']}";
        let ignore = Policy::parse("policy", text).unwrap().health.ignore;
        let cases = [
            ("kms-key", "k1", true),
            ("sqs-queue", "import-a", true),
            ("sqs-queue", "orders", false),
            ("alarm", "web: 5xx", true),
            ("alarm", "web: 5xx and more", false),
            ("secret", "k1", false),
        ];
        for (kind, name, expected) in cases {
            assert_eq!(ignore.iter().any(|rule| rule.covers(kind, name)), expected, "{kind}:{name}");
        }
        let error = Policy::parse("policy", "health:\n  ignore: [kms]").unwrap_err().to_string();
        assert!(error.contains("line 2: health.ignore[0]: it is not a kind of what is checked"), "{error}");
    }

    #[test]
    fn expectations_have_bounds() {
        for (text, said) in [
            ("tasks: 0", "0 is not a whole number from 1 to 1000"),
            ("log_days: 4000", "4000 is not a whole number from 1 to 3653"),
            ("budget: 0", "0 is not a whole number from 1 to 100000000"),
        ] {
            let error =
                Policy::parse("policy", &format!("health: {{expect: {{{text}}}}}")).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_an_environment_has_to_have_follows_from_its_name_unless_the_policy_says_it() {
        for (name, production, tasks, budget) in [
            ("dev", false, 1, 50),
            ("staging-2", false, 2, 200),
            ("eu", true, 3, 2_000),
            ("sandbox", false, 1, 50),
        ] {
            let expected = Expectations::default().of(name, production);
            assert_eq!((expected.tasks, expected.budget, expected.multi_az), (tasks, budget, production));
        }
        let own = Expectations { tasks: Some(7), multi_az: Some(false), ..Expectations::default() };
        let expected = own.of("prod", true);
        assert_eq!((expected.tasks, expected.multi_az, expected.waf), (7, false, true));
    }
}
