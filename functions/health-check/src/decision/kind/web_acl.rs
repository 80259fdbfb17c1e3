//! The web ACL of a load balancer that the internet reaches: there, and with rules that do something.
//!
//! Words: AWS WAF API, `WebACL`. It is known by the name of its load balancer.

use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// What is known of the web ACL of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The load balancer does not exist any more.
    pub gone: bool,
    /// What is attached; nothing where nothing is.
    pub attached: Option<WebAcl>,
}

/// A web ACL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebAcl {
    /// Its name.
    pub name: String,
    /// What is done with a request that no rule matches: `allow` or `block`; empty where it is not said.
    pub default: String,
    /// How many rules it has, those of Firewall Manager among them.
    pub rules: usize,
    /// How many of them only count.
    pub counting: usize,
}

/// How the web ACL is.
pub fn verdict(facts: &Facts, expected: &Expected) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.not_applicable("its load balancer does not exist any more");
        return found.verdict("");
    }
    let Some(acl) = &facts.attached else {
        if expected.waf {
            found.degraded(
                "the internet reaches its load balancer, and it has no web ACL",
                "Attach a web ACL to the load balancer.",
            );
        } else {
            found.not_applicable("its load balancer has no web ACL, and needs none here");
        }
        return found.verdict("");
    };
    found.saw("Web ACL", &acl.name).saw("By default", &acl.default).saw("Rules", acl.rules);
    match acl.default.as_str() {
        "block" => {}
        "allow" => {
            let idle = acl.rules <= acl.counting;
            if expected.waf && acl.rules == 0 {
                found.degraded("its web ACL has no rules, and lets everything in", "Add rules to it.");
            } else if expected.waf && idle {
                found.degraded(
                    "its web ACL lets everything in: its rules only count",
                    "Take its rules out of count mode.",
                );
            }
        }
        _ => {
            found.unknown("it is not said what its web ACL does by default", "Check it by hand.");
        }
    }
    found.verdict("its load balancer has a web ACL")
}

#[cfg(test)]
mod tests {
    use shared::policy::health::Expectations;

    use super::{Facts, WebAcl, verdict};
    use crate::decision::Health;

    fn acl(default: &str, rules: usize, counting: usize) -> Facts {
        let attached = WebAcl { name: "edge".to_owned(), default: default.to_owned(), rules, counting };
        Facts { attached: Some(attached), ..Facts::default() }
    }

    #[test]
    fn a_load_balancer_has_a_web_acl_that_keeps_something_out_where_it_is_expected() {
        let (fine, bad, open, none) =
            (Health::Healthy, Health::Degraded, Health::Unknown, Health::NotApplicable);
        // The facts, and how it is where a web ACL is expected, and where it is not.
        let cases = [
            (Facts::default(), (bad, none), "no web ACL"),
            (Facts { gone: true, ..Facts::default() }, (none, none), "does not exist any more"),
            (acl("allow", 3, 1), (fine, fine), "has a web ACL"),
            (acl("block", 0, 0), (fine, fine), "has a web ACL"),
            (acl("allow", 0, 0), (bad, fine), "web ACL"),
            (acl("allow", 2, 2), (bad, fine), "web ACL"),
            (acl("", 3, 0), (open, open), "not said what its web ACL does"),
        ];
        for (facts, (expecting, not), reason) in cases {
            for (name, production, health) in [("prod", true, expecting), ("dev", false, not)] {
                let verdict = verdict(&facts, &Expectations::default().of(name, production));
                assert_eq!(verdict.health, health, "{name} {facts:?}: {verdict:?}");
                assert!(verdict.reason.contains(reason), "{name} {facts:?}: {verdict:?}");
                let told = matches!(verdict.health, Health::Degraded | Health::Unknown);
                assert_eq!(told, !verdict.todo.is_empty(), "{verdict:?}");
            }
        }
    }
}
