//! A load balancer: set up, with listeners, and how many of its requests fail or take long.
//!
//! Words: Elastic Load Balancing API, `LoadBalancerState.Code`. `RequestCount` leaves out what is turned away before a
//! target is chosen (Application Load Balancer metrics), so that failures may outnumber requests: where no target is
//! left, all fail and none is counted.

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health;
use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// So many requests have to fail before it counts how many of all they are: of few requests, a single one is many
/// percent, and one that fails is no outage.
const FEWEST_FAILURES: f64 = 5.0;

/// Of fewer requests, how many percent fail says little, and the 95th percentile is nothing but the slowest.
const FEWEST_REQUESTS: f64 = 20.0;

/// What is known of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The API does not know it.
    pub gone: bool,
    /// `State.Code`, such as `active`; a word of AWS that may be new.
    pub state: String,
    /// `State.Reason`, in AWS's words.
    pub state_reason: String,
    /// `application`, `network` or `gateway`.
    pub sort: String,
    /// `internet-facing` or `internal`.
    pub scheme: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The protocols of its listeners, as far as they were read.
    pub listeners: Vec<String>,
    /// Why its listeners could not be read to the end.
    pub unlisted: Option<Verdict>,
    /// Its requests; nothing where they are not asked for, as with network load balancers.
    pub traffic: Option<Traffic>,
    /// Why its requests could not be asked for.
    pub unmeasured: Option<Verdict>,
}

/// The requests of the last while; what CloudWatch is silent about is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Traffic {
    /// How many had a target chosen.
    pub requests: Option<f64>,
    /// How many a target answered with 5xx.
    pub failed_at_target: Option<f64>,
    /// How many the load balancer answered with 5xx itself.
    pub failed_here: Option<f64>,
    /// The 95th percentile of how long targets took, in seconds: of its minutes, the one in the middle.
    pub seconds: Option<f64>,
}

// CloudWatch never answers what is not a number.
impl Eq for Traffic {}

/// How the load balancer is.
pub fn verdict(facts: &Facts, rules: &Health, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent("it does not exist any more", "Create it again, or take what names it away.");
        return found.verdict("");
    }
    found.saw("State", &facts.state).saw("Type", &facts.sort).saw("Scheme", &facts.scheme);
    let age = facts.created.map(|created| now.duration_since(created));
    let young = age.is_some_and(|age| age < rules.thresholds.stuck);
    state(&mut found, facts, age, rules);
    listeners(&mut found, facts, expected, young);
    if let Some(why) = &facts.unmeasured {
        found.unknown(format!("its requests {}", why.reason), why.todo.join(" "));
    }
    if let Some(traffic) = facts.traffic {
        requests(&mut found, traffic, rules);
    }
    let setting_up = facts.state == "provisioning";
    found.verdict(if setting_up { "it is being set up" } else { "it is active" })
}

fn state(found: &mut Findings, facts: &Facts, age: Option<SignedDuration>, rules: &Health) {
    let because = match facts.state_reason.as_str() {
        "" => String::new(),
        reason => format!(": {}", reason.trim_end_matches('.')),
    };
    match (facts.state.as_str(), age) {
        ("active", _) => {}
        ("active_impaired", _) => {
            found.degraded(
                format!("it cannot grow any more: it lacks resources{because}"),
                "Give its subnets more free addresses, at least eight each.",
            );
        }
        ("provisioning", Some(age)) if age < rules.thresholds.stuck => {}
        ("provisioning", Some(age)) => {
            found.failed(
                format!("it has been set up for {} minutes and is not ready{because}", age.as_mins()),
                "Look at what keeps it from being set up: its subnets, and its quotas.",
            );
        }
        ("provisioning", None) => {
            found.unknown("it is being set up, and since when is not said", "Check it by hand.");
        }
        ("failed", _) => {
            found.failed(
                format!("it could not be set up{because}"),
                "Mend what the reason names, delete it, and create it again.",
            );
        }
        ("", _) => {
            found.unknown("it is not said what state it is in", "Check it by hand.");
        }
        (other, _) => {
            found.unknown(format!("it is in a state that is not known here: {other}"), "Check it by hand.");
        }
    }
}

fn listeners(found: &mut Findings, facts: &Facts, expected: &Expected, young: bool) {
    if let Some(why) = &facts.unlisted {
        found.unknown(format!("its listeners {}", why.reason), why.todo.join(" "));
        return;
    }
    found.saw("Listeners", facts.listeners.join(", "));
    // One that is being created gets its listeners last.
    if young {
        return;
    }
    if facts.listeners.is_empty() {
        found.failed(
            "it has no listener, so that nobody reaches anything through it",
            "Add a listener, or delete the load balancer.",
        );
        return;
    }
    let secure = facts.listeners.iter().any(|protocol| matches!(protocol.as_str(), "HTTPS" | "TLS"));
    if !expected.tls || secure || facts.sort != "application" {
        return;
    }
    match facts.scheme.as_str() {
        "internal" => {}
        "internet-facing" => {
            found.degraded(
                "the internet reaches it, and none of its listeners speaks TLS",
                "Add an HTTPS listener with a certificate.",
            );
        }
        other => {
            found.unknown(
                format!("whether the internet reaches it is not known: its scheme is {other:?}"),
                "Check it by hand.",
            );
        }
    }
}

fn requests(found: &mut Findings, traffic: Traffic, rules: &Health) {
    let limits = &rules.thresholds;
    let failed = traffic.failed_at_target.unwrap_or(0.0) + traffic.failed_here.unwrap_or(0.0);
    let all = traffic.requests.unwrap_or(0.0).max(failed);
    if 0.0 < all {
        found.saw("Requests in 15 minutes", format!("{all:.0}")).saw("Failed", format!("{failed:.0}"));
        let percent = failed / all * 100.0;
        let why = format!("{percent:.1} % of its requests fail: {failed:.0} of {all:.0} in 15 minutes");
        let todo = match traffic.failed_here.unwrap_or(0.0) {
            here if here * 2.0 > failed => {
                "Look at its targets: the load balancer itself answers with 5xx, so they are gone, refuse or are late."
            }
            _ => "Look at the logs of its targets, which answer with 5xx.",
        };
        let counts = FEWEST_FAILURES <= failed;
        if counts && FEWEST_REQUESTS <= all && f64::from(limits.many_errors) <= percent {
            found.failed(why, todo);
        } else if counts && f64::from(limits.errors) <= percent {
            found.degraded(why, todo);
        }
    }
    let Some(seconds) = traffic.seconds else { return };
    found.saw("Response time (p95)", format!("{seconds:.2} s"));
    if traffic.requests.is_none_or(|requests| requests < FEWEST_REQUESTS) {
        return;
    }
    let why = format!("one of 20 requests takes about {seconds:.1} s");
    let todo = "Look at what its targets wait for: CPU, database, other services.";
    if limits.too_slow.as_secs_f64() <= seconds {
        found.failed(why, todo);
    } else if limits.slow.as_secs_f64() <= seconds {
        found.degraded(why, todo);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;
    use shared::policy::health::Expectations;

    use super::{Facts, Traffic, verdict};
    use crate::decision::{Findings, Health};

    fn good() -> Facts {
        Facts {
            state: "active".to_owned(),
            sort: "application".to_owned(),
            scheme: "internet-facing".to_owned(),
            created: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            listeners: vec!["HTTP".to_owned(), "HTTPS".to_owned()],
            ..Facts::default()
        }
    }

    fn served(requests: f64, at_target: f64, here: f64, seconds: f64) -> Facts {
        let traffic = Traffic {
            requests: Some(requests),
            failed_at_target: Some(at_target),
            failed_here: Some(here),
            seconds: Some(seconds),
        };
        Facts { traffic: Some(traffic), ..good() }
    }

    #[test]
    fn a_load_balancer_is_what_its_state_its_listeners_and_its_requests_say() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let state = |state: &str| Facts { state: state.to_owned(), ..good() };
        let listeners =
            |all: &[&str]| Facts { listeners: all.iter().map(|it| (*it).to_owned()).collect(), ..good() };
        let denied = || {
            let mut found = Findings::new();
            found.unknown("could not be checked: denied", "Allow it.");
            Some(found.verdict(""))
        };
        let (fine, bad, down, open) = (Health::Healthy, Health::Degraded, Health::Failed, Health::Unknown);
        let cases = [
            (good(), fine, "it is active"),
            (Facts { gone: true, ..Facts::default() }, down, "it does not exist any more"),
            (Facts { state: String::new(), ..good() }, open, "it is not said what state"),
            (Facts::default(), down, "it has no listener"),
            (state("active_impaired"), bad, "it cannot grow any more"),
            (
                Facts { state_reason: "No subnet.".to_owned(), ..state("failed") },
                down,
                "it could not be set up: No subnet",
            ),
            (state("melted"), open, "not known here: melted"),
            (
                Facts { created: at("2026-11-26T11:30:01Z"), listeners: vec![], ..state("provisioning") },
                fine,
                "it is being set up",
            ),
            (
                Facts { created: at("2026-11-26T11:30:00Z"), ..state("provisioning") },
                down,
                "set up for 30 minutes",
            ),
            (Facts { created: None, ..state("provisioning") }, open, "since when is not said"),
            (listeners(&[]), down, "it has no listener"),
            (Facts { created: at("2026-11-26T11:45:00Z"), ..listeners(&[]) }, fine, "it is active"),
            (Facts { created: None, ..listeners(&[]) }, down, "it has no listener"),
            (listeners(&["HTTP"]), bad, "none of its listeners speaks TLS"),
            (Facts { scheme: "internal".to_owned(), ..listeners(&["HTTP"]) }, fine, "it is active"),
            (Facts { scheme: String::new(), ..listeners(&["HTTP"]) }, open, "whether the internet"),
            (Facts { sort: "network".to_owned(), ..listeners(&["TCP"]) }, fine, "it is active"),
            (Facts { unlisted: denied(), ..listeners(&[]) }, open, "its listeners could not be checked"),
            (Facts { unmeasured: denied(), ..good() }, open, "its requests could not be checked: denied"),
            (
                Facts { unmeasured: denied(), ..state("failed") },
                down,
                "it could not be set up; its requests could not be checked",
            ),
            // No requests are no verdict, and neither is silence.
            (Facts { traffic: Some(Traffic::default()), ..good() }, fine, "it is active"),
            (served(0.0, 0.0, 0.0, 0.0), fine, "it is active"),
            // Thresholds: 1 and 5 percent, 2 and 5 seconds.
            (served(1000.0, 9.0, 0.0, 1.99), fine, "it is active"),
            (served(1000.0, 10.0, 0.0, 0.1), bad, "1.0 % of its requests fail: 10 of 1000"),
            (served(1000.0, 20.0, 29.0, 0.1), bad, "4.9 % of its requests fail"),
            (served(1000.0, 50.0, 0.0, 0.1), down, "5.0 % of its requests fail"),
            (served(1000.0, 0.0, 50.0, 0.1), down, "5.0 % of its requests fail"),
            // Turned away before a target was chosen: not a request, and yet a failure.
            (served(0.0, 0.0, 20.0, 0.0), down, "100.0 % of its requests fail: 20 of 20"),
            (served(20.0, 0.0, 0.0, 2.0), bad, "one of 20 requests takes about 2.0 s"),
            (served(20.0, 0.0, 0.0, 5.0), down, "one of 20 requests takes about 5.0 s"),
            // A quiet quarter of an hour: few failures are none, and few requests are no outage.
            (served(1.0, 1.0, 0.0, 0.1), fine, "it is active"),
            (served(0.0, 0.0, 4.0, 0.0), fine, "it is active"),
            (served(40.0, 4.0, 0.0, 0.1), fine, "it is active"),
            (served(40.0, 5.0, 0.0, 0.1), down, "12.5 % of its requests fail"),
            (served(19.0, 5.0, 0.0, 0.1), bad, "26.3 % of its requests fail"),
            (served(0.0, 0.0, 19.0, 0.0), bad, "100.0 % of its requests fail: 19 of 19"),
            (served(19.0, 0.0, 0.0, 60.0), fine, "it is active"),
        ];
        let expected = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &Rules::default(), &expected, now);
            assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{verdict:?}");
        }
    }

    #[test]
    fn where_tls_is_not_expected_a_load_balancer_may_do_without() {
        let expected = Expectations::default().of("dev", false);
        let facts = Facts { listeners: vec!["HTTP".to_owned()], ..good() };
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        assert_eq!(verdict(&facts, &Rules::default(), &expected, now).health, Health::Healthy);
    }
}
