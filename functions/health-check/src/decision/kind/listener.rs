//! A listener: it speaks TLS of today, or leads whoever comes without it there.
//!
//! Words: Elastic Load Balancing API, `Listener`; which policies still take TLS 1.0 or 1.1: "Security policies for your
//! Application Load Balancer". Only the default action is looked at, not the rules before it.

use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// What is known of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The API does not know it.
    pub gone: bool,
    /// Such as `HTTPS`; gateway load balancers' have none.
    pub protocol: String,
    /// Its port.
    pub port: Option<i32>,
    /// Such as `ELBSecurityPolicy-TLS13-1-2-2021-06`.
    pub policy: String,
    /// The ARNs of its certificates.
    pub certificates: Vec<String>,
    /// What it does by default, in order.
    pub actions: Vec<Action>,
    /// The load balancer's type: `application`, `network` or `gateway`.
    pub sort: String,
    /// The load balancer's scheme: `internet-facing` or `internal`.
    pub scheme: String,
}

/// One of a listener's default actions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Action {
    /// Such as `forward` or `redirect`.
    pub sort: String,
    /// Of a redirect, the protocol that it leads to: `HTTPS`, or `#{protocol}` for the same.
    pub redirect: String,
}

/// How the listener is.
pub fn verdict(facts: &Facts, expected: &Expected) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent("it does not exist any more", "Create it again, or take what names it away.");
        return found.verdict("");
    }
    let port = facts.port.map(|port| port.to_string()).unwrap_or_default();
    found.saw("Protocol", &facts.protocol).saw("Port", port).saw("Security policy", &facts.policy);
    if facts.actions.iter().all(|action| action.sort.is_empty()) {
        found.unknown("it is not said what it does with requests", "Check it by hand.");
    }
    match facts.protocol.as_str() {
        "HTTP" if expected.tls && facts.sort != "network" => plain(&mut found, facts),
        "HTTPS" | "TLS" => secure(&mut found, facts, expected),
        "HTTP" | "TCP" | "UDP" | "TCP_UDP" | "QUIC" | "TCP_QUIC" | "GENEVE" => {}
        "" if facts.sort == "gateway" => {}
        "" => {
            found.unknown("it is not said which protocol it speaks", "Check it by hand.");
        }
        other => {
            found.unknown(
                format!("it speaks a protocol that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
    found.verdict(if matches!(facts.protocol.as_str(), "HTTPS" | "TLS") {
        "it speaks TLS"
    } else {
        "it listens"
    })
}

fn plain(found: &mut Findings, facts: &Facts) {
    let leads_on = facts.actions.iter().any(|it| it.sort == "redirect" && it.redirect == "HTTPS");
    if leads_on || !reached(found, facts) {
        return;
    }
    found.degraded(
        "the internet reaches it without TLS, and it does not lead to HTTPS",
        "Make its default action a redirect to HTTPS.",
    );
}

fn secure(found: &mut Findings, facts: &Facts, expected: &Expected) {
    if facts.certificates.is_empty() {
        found.unknown("it is not said which certificate it presents", "Check it by hand.");
    }
    if facts.policy.is_empty() {
        found.unknown("it is not said which security policy it has", "Check it by hand.");
    } else if expected.tls && old(&facts.policy) && reached(found, facts) {
        found.degraded(
            format!("it still speaks TLS 1.0 or 1.1: its security policy is {}", facts.policy),
            "Give it a security policy of today, such as ELBSecurityPolicy-TLS13-1-2-2021-06.",
        );
    }
}

/// Whether the internet reaches it; where that is not known, it is said.
fn reached(found: &mut Findings, facts: &Facts) -> bool {
    if !matches!(facts.scheme.as_str(), "internet-facing" | "internal") {
        found.unknown(
            format!("whether the internet reaches it is not known: its scheme is {:?}", facts.scheme),
            "Check its load balancer by hand.",
        );
    }
    facts.scheme == "internet-facing"
}

/// Whether a policy of this name takes TLS 1.0 or 1.1.
fn old(policy: &str) -> bool {
    let name = policy.strip_prefix("ELBSecurityPolicy-").unwrap_or(policy);
    let beginnings = ["TLS-1-0-", "TLS-1-1-", "TLS13-1-0-", "TLS13-1-1-", "FS-1-1-"];
    matches!(name, "2015-05" | "2016-08" | "FS-2018-06") || beginnings.iter().any(|it| name.starts_with(it))
}

#[cfg(test)]
mod tests {
    use shared::policy::health::Expectations;

    use super::{Action, Facts, verdict};
    use crate::decision::Health;

    fn of(protocol: &str, action: &str, redirect: &str, policy: &str) -> Facts {
        Facts {
            protocol: protocol.to_owned(),
            port: Some(443),
            policy: policy.to_owned(),
            certificates: vec!["arn:aws:acm:eu-central-1:1:certificate/c".to_owned()],
            actions: vec![Action { sort: action.to_owned(), redirect: redirect.to_owned() }],
            sort: "application".to_owned(),
            scheme: "internet-facing".to_owned(),
            ..Facts::default()
        }
    }

    const TODAY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

    #[test]
    fn a_listener_speaks_tls_of_today_or_leads_there() {
        let (fine, bad, open) = (Health::Healthy, Health::Degraded, Health::Unknown);
        let internal = |facts: Facts| Facts { scheme: "internal".to_owned(), ..facts };
        let policy = |name: &str| of("HTTPS", "forward", "", &format!("ELBSecurityPolicy-{name}"));
        let cases = [
            (of("HTTPS", "forward", "", TODAY), fine, "it speaks TLS"),
            (of("TLS", "forward", "", TODAY), fine, "it speaks TLS"),
            (of("HTTP", "redirect", "HTTPS", ""), fine, "it listens"),
            (of("HTTP", "redirect", "#{protocol}", ""), bad, "does not lead to HTTPS"),
            (of("HTTP", "redirect", "", ""), bad, "does not lead to HTTPS"),
            (of("HTTP", "forward", "", ""), bad, "does not lead to HTTPS"),
            (internal(of("HTTP", "forward", "", "")), fine, "it listens"),
            (
                Facts { scheme: "lunar".to_owned(), ..of("HTTP", "forward", "", "") },
                open,
                "its scheme is \"lunar\"",
            ),
            (Facts { sort: "network".to_owned(), ..of("TCP", "forward", "", "") }, fine, "it listens"),
            (Facts { sort: "gateway".to_owned(), ..of("", "forward", "", "") }, fine, "it listens"),
            (of("", "forward", "", ""), open, "which protocol"),
            (of("SPDY", "forward", "", ""), open, "not known here: SPDY"),
            (of("HTTPS", "", "", TODAY), open, "what it does with requests"),
            (Facts { actions: vec![], ..of("HTTPS", "", "", TODAY) }, open, "what it does with requests"),
            (of("HTTPS", "forward", "", ""), open, "which security policy"),
            (Facts { certificates: vec![], ..of("HTTPS", "forward", "", TODAY) }, open, "which certificate"),
            (policy("2015-05"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("2016-08"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("TLS-1-0-2015-04"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("TLS-1-1-2017-01"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("TLS13-1-0-2021-06"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("TLS13-1-1-2021-06"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("FS-2018-06"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("FS-1-1-2019-08"), bad, "still speaks TLS 1.0 or 1.1"),
            (policy("TLS-1-2-2017-01"), fine, "it speaks TLS"),
            (policy("FS-1-2-Res-2020-10"), fine, "it speaks TLS"),
            (policy("TLS13-1-3-2021-06"), fine, "it speaks TLS"),
            (policy("TLS13-1-2-Res-PQ-2025-09"), fine, "it speaks TLS"),
            (internal(policy("2016-08")), fine, "it speaks TLS"),
            (Facts::default(), open, "what it does with requests; it is not said which protocol"),
            (Facts { gone: true, ..Facts::default() }, Health::Failed, "does not exist any more"),
        ];
        let expected = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &expected);
            assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{verdict:?}");
        }
    }

    #[test]
    fn where_tls_is_not_expected_a_listener_may_do_without() {
        let expected = Expectations::default().of("dev", false);
        for facts in [of("HTTP", "forward", "", ""), of("HTTPS", "forward", "", "ELBSecurityPolicy-2016-08")]
        {
            assert_eq!(verdict(&facts, &expected).health, Health::Healthy, "{facts:?}");
        }
    }
}
