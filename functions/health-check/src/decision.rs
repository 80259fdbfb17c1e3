//! What is healthy, what changed, and what is the cause. No clients, no clock, no failure.
//!
//! Every kind has a file under [`kind`] with its facts, as its API answered them, and one pure function of them.

pub mod cause;
pub mod change;
pub mod digest;
pub mod gone;
pub mod kind;
pub mod unchecked;
pub mod urgency;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::notice::Fact;

/// How something is. Later is worse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It is not for this to say: scaled to zero, not attached, not a part of the support plan.
    NotApplicable,
    /// As it should be.
    Healthy,
    /// It could not be checked.
    #[default]
    Unknown,
    /// It works, but not as it should, or not for long.
    Degraded,
    /// It does not work.
    Failed,
}

impl Health {
    /// All, the worst first.
    pub const ALL: [Self; 5] =
        [Self::Failed, Self::Degraded, Self::Unknown, Self::Healthy, Self::NotApplicable];

    /// The word in the JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }

    /// Whether somebody has to do something about it.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Degraded | Self::Failed)
    }
}

/// What a check concluded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// How it is.
    pub health: Health,
    /// Why, in plain words, without a full stop.
    pub reason: String,
    /// What was seen: names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<std::collections::BTreeMap<String, String>>")]
    pub evidence: Vec<Fact>,
    /// What to do, in plain sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub todo: Vec<String>,
    /// It failed since it does not exist (any more). Where nothing needs it, that is no failure: lists of what is tagged
    /// name for a while what was deleted.
    #[serde(skip)]
    pub absent: bool,
    /// A part of it could not be checked, whatever else was found: it is no better than it was known to be, and what it
    /// leads to may not have been seen.
    #[serde(skip)]
    pub partly: bool,
    /// It is bad only because nothing is in it: no fault where what would be in it is scaled to zero.
    #[serde(skip)]
    pub vacant: bool,
}

/// Collects what a check finds, and makes one verdict of it: the worst counts, and what is as bad is said with it.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    found: Vec<(Health, String, String)>,
    evidence: Vec<Fact>,
    absent: bool,
    vacant: bool,
}

impl Findings {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what was seen. Empty values are left out, and so is what may be secret in addresses.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are given as they are")]
    pub fn saw(&mut self, name: &str, value: impl ToString) -> &mut Self {
        let value = public(&value.to_string());
        if !value.is_empty() {
            self.evidence.push(Fact { name: name.to_owned(), value });
        }
        self
    }

    /// It does not work: why, and what to do.
    pub fn failed(&mut self, why: impl Into<String>, todo: impl Into<String>) -> &mut Self {
        self.is(Health::Failed, why, todo)
    }

    /// It does not exist (any more): why, and what to do. It counts as failed.
    pub fn absent(&mut self, why: impl Into<String>, todo: impl Into<String>) -> &mut Self {
        self.absent = true;
        self.failed(why, todo)
    }

    /// Nothing is in it: why, and what to do. It counts as degraded.
    pub fn vacant(&mut self, why: impl Into<String>, todo: impl Into<String>) -> &mut Self {
        self.vacant = true;
        self.degraded(why, todo)
    }

    /// It works, but not as it should: why, and what to do.
    pub fn degraded(&mut self, why: impl Into<String>, todo: impl Into<String>) -> &mut Self {
        self.is(Health::Degraded, why, todo)
    }

    /// It could not be checked: why, and what to do.
    pub fn unknown(&mut self, why: impl Into<String>, todo: impl Into<String>) -> &mut Self {
        self.is(Health::Unknown, why, todo)
    }

    /// It is not for this to say: why. It counts only where nothing else was found.
    pub fn not_applicable(&mut self, why: impl Into<String>) -> &mut Self {
        self.is(Health::NotApplicable, why, "")
    }

    fn is(&mut self, health: Health, why: impl Into<String>, todo: impl Into<String>) -> &mut Self {
        self.found.push((health, public(&why.into()), public(&todo.into())));
        self
    }

    /// The worst that was found so far; healthy where nothing was.
    pub fn worst(&self) -> Health {
        self.found.iter().map(|(health, ..)| *health).max().unwrap_or(Health::Healthy)
    }

    /// The verdict; where nothing was found, it is healthy, for this reason.
    pub fn verdict(self, healthy: impl Into<String>) -> Verdict {
        let Self { mut found, evidence, absent, vacant } = self;
        if found.is_empty() {
            let (health, reason) = (Health::Healthy, public(&healthy.into()));
            return Verdict { health, reason, evidence, ..Verdict::default() };
        }
        // Stable: what is equally bad stays in the order in which it was found.
        found.sort_by(|(one, ..), (other, ..)| other.cmp(one));
        let health = found.first().map_or(Health::Unknown, |(health, ..)| *health);
        let partly = found.iter().any(|(it, ..)| *it == Health::Unknown);
        let told = found.iter().filter(|(it, ..)| *it == health || Health::Unknown <= *it);
        let (mut reasons, mut todo) = (Vec::<&str>::new(), Vec::<String>::new());
        for (_, why, what) in told {
            if !reasons.contains(&why.as_str()) {
                reasons.push(why);
            }
            if !what.is_empty() && !todo.contains(what) {
                todo.push(what.clone());
            }
        }
        Verdict { health, reason: reasons.join("; "), evidence, todo, absent, partly, vacant }
    }
}

/// No longer than so many letters.
pub fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// A text of others without what may be secret in the addresses that it names: their logins, queries and fragments.
pub fn public(text: &str) -> String {
    if !text.contains("://") && !text.contains('?') {
        return text.to_owned();
    }
    let ends = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '<' | '>');
    text.split_inclusive(ends)
        .map(|word| {
            let (word, end) = match word.char_indices().next_back() {
                Some((at, last)) if ends(last) => word.split_at(at),
                Some(_) | None => (word, ""),
            };
            address(word) + end
        })
        .collect()
}

/// A word without what may be secret in it, where it is an address, or a path with a query.
fn address(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        let query = word.split_once('?').filter(|(path, query)| path.contains('/') && query.contains('='));
        return query.map_or(word, |(path, _)| path).to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;
    use shared::policy::health::Expectations;

    use super::{Findings, Health, kind, public};

    #[test]
    fn the_worst_counts_and_leads_and_nothing_that_is_bad_is_left_out() {
        let mut found = Findings::new();
        found.saw("Tasks", 3).saw("Nothing", "").degraded("slow", "Look.").failed("down", "Run.");
        found.unknown("not asked", "Grant it.").not_applicable("no plan").degraded("slow", "Look.");
        let verdict = found.verdict("fine");
        assert_eq!(verdict.health, Health::Failed);
        assert_eq!(verdict.reason, "down; slow; not asked");
        assert_eq!(verdict.todo, ["Run.", "Look.", "Grant it."]);
        assert_eq!(verdict.evidence.len(), 1);
        assert!(verdict.partly, "a part of it was not asked");
        assert_eq!(Findings::new().verdict("fine").reason, "fine");
        assert_eq!(Findings::new().verdict("fine").health, Health::Healthy);
    }

    #[test]
    fn what_does_not_exist_has_failed_and_is_absent() {
        let (rules, expected) = (Rules::default(), Expectations::default().of("prod", true));
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let deleted = |status: &str| status.to_owned();
        let service =
            kind::ecs_service::Facts { status: deleted("INACTIVE"), ..kind::ecs_service::Facts::default() };
        let cluster = |status: &str, failure: Option<&str>| {
            let failure = failure.map(ToOwned::to_owned);
            kind::ecs_cluster::verdict(&kind::ecs_cluster::Facts {
                status: status.to_owned(),
                failure,
                ..kind::ecs_cluster::Facts::default()
            })
        };
        let stack = |there: bool| {
            let facts =
                kind::stack::Facts { there, status: deleted("DELETE_COMPLETE"), ..Default::default() };
            kind::stack::verdict(&facts, &rules, now)
        };
        macro_rules! gone {
            ($kind:ident, $field:ident $(, $more:expr)*) => {
                (
                    stringify!($kind),
                    kind::$kind::verdict(&kind::$kind::Facts { $field: true, ..Default::default() } $(, $more)*),
                )
            };
        }
        let queue = || kind::queue::Facts { absent: true, ..kind::queue::Facts::default() };
        let group = kind::schedule::Group { absent: true, ..kind::schedule::Group::default() };
        let cases = [
            ("service", kind::ecs_service::not_described(Some("MISSING"))),
            ("deleted service", kind::ecs_service::verdict(&service, &rules, &expected, now)),
            ("service without cluster", kind::ecs_service::without_cluster("prod")),
            ("cluster", cluster("", Some("MISSING"))),
            ("deleted cluster", cluster("INACTIVE", None)),
            ("database", kind::rds_instance::absent()),
            ("database cluster", kind::rds_cluster::absent()),
            ("cache", kind::cache::absent()),
            ("table", kind::table::absent()),
            ("queue", kind::queue::verdict(&queue(), &rules, &expected)),
            (
                "dead-letter queue",
                kind::dlq::verdict(
                    &kind::dlq::Facts { queue: queue(), ..kind::dlq::Facts::default() },
                    &expected,
                ),
            ),
            gone!(topic, absent),
            gone!(rule, absent),
            gone!(schedule, absent, now),
            ("group of schedules", kind::schedule::group(&group)),
            gone!(function, absent, &rules, now),
            (
                "bucket",
                kind::bucket::verdict(&kind::bucket::Facts::only(kind::bucket::Reach::Gone), &expected),
            ),
            gone!(secret, gone, &rules, now),
            gone!(certificate, gone, &rules.thresholds, now),
            ("stack", stack(false)),
            ("deleted stack", stack(true)),
            ("alarm", kind::alarm::verdict(&kind::alarm::Facts::default())),
            ("log group", kind::log_group::verdict(&kind::log_group::Facts::default(), &expected)),
            gone!(key, gone, now),
            gone!(load_balancer, gone, &rules, &expected, now),
            gone!(listener, gone, &expected),
            gone!(target_group, gone),
            gone!(hosted_zone, gone),
            gone!(route53_health_check, gone),
        ];
        for (what, verdict) in cases {
            assert_eq!((verdict.health, verdict.absent), (Health::Failed, true), "{what}: {verdict:?}");
            assert!(!serde_json::to_string(&verdict).unwrap().contains("absent"));
        }
        let deleted = kind::secret::Facts { deleted: Some(now), ..kind::secret::Facts::default() };
        let deleted = kind::secret::verdict(&deleted, &rules, now);
        assert_eq!((deleted.health, deleted.absent), (Health::Failed, false), "it can be restored");
        let mut found = Findings::new();
        found.failed("down", "Run.");
        assert!(!found.verdict("").absent);
    }

    #[test]
    fn what_may_be_secret_in_an_address_is_not_told() {
        let cases = [
            ("see https://a.example/b?token=s#t now", "see https://a.example/b now"),
            ("https://user:word@a.example:8/b@c", "https://a.example:8/b@c"),
            ("\"https://a.example#t\"", "\"https://a.example\""),
            ("(GET /b?token=s)", "(GET /b"),
            ("a.example:443/b?c=d\nnext", "a.example:443/b\nnext"),
            ("is it a/b? cron(0 12 * * ? *)", "is it a/b? cron(0 12 * * ? *)"),
            (
                "arn:aws:logs:eu-central-1:1:log-group:/ecs/web#1",
                "arn:aws:logs:eu-central-1:1:log-group:/ecs/web#1",
            ),
            ("", ""),
        ];
        for (text, told) in cases {
            assert_eq!(public(text), told);
        }
        let mut found = Findings::new();
        found
            .saw("At", "https://a.example?t=secret")
            .degraded("https://a?t=secret", "Ask https://a?t=secret");
        assert!(!format!("{:?}", found.verdict("")).contains("secret"));
    }

    #[test]
    fn what_could_not_be_checked_is_never_healthy() {
        assert_eq!(Health::default(), Health::Unknown);
        let mut found = Findings::new();
        found.not_applicable("scaled to zero").unknown("denied", "");
        assert_eq!(found.verdict("fine").health, Health::Unknown);
    }
}
