//! An ElastiCache replication group: in use, protected as it has to be, and answering from memory
//! (ElastiCache API, `ReplicationGroup`).

use jiff::Timestamp;
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use super::rds_instance::{SILENCE, below, must};
use crate::decision::{Findings, Verdict};

/// What `DescribeReplicationGroups` says of a group, and what CloudWatch measured of its nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `Status`: free text.
    pub status: String,
    /// Such as `valkey`.
    pub engine: String,
    /// Since when it is there.
    pub created: Option<Timestamp>,
    /// Its shards.
    pub shards: Vec<Shard>,
    /// `AutomaticFailover`, such as `enabled`.
    pub failover: String,
    /// `MultiAZ`, such as `enabled`.
    pub multi_az: String,
    /// Whether it speaks TLS.
    pub tls: Option<bool>,
    /// Whether what it stores is encrypted.
    pub encrypted: Option<bool>,
    /// Its nodes, each a cache cluster of its own.
    pub nodes: Vec<Node>,
    /// Why the metrics could not be asked.
    pub unmeasured: Option<Verdict>,
}

/// A shard: the API's node group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shard {
    /// Its number.
    pub name: String,
    /// `Status`: free text.
    pub status: String,
    /// The roles of its nodes, where the API says them.
    pub roles: Vec<String>,
}

/// A node, in percent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    /// The name of its cache cluster.
    pub name: String,
    /// `EngineCPUUtilization`
    pub cpu: Option<f64>,
    /// `DatabaseMemoryUsagePercentage`
    pub memory: Option<f64>,
    /// `CacheHitRate`; nothing where nobody reads.
    pub hits: Option<f64>,
}

impl Facts {
    /// Whether it is up, so that it has to be measured.
    pub fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "available" | "modifying" | "snapshotting")
    }
}

/// A group that ElastiCache does not know.
pub fn absent() -> Verdict {
    let mut found = Findings::new();
    found.absent("it does not exist (any more)", "Create it again, or take it out of what uses it.");
    found.verdict("")
}

/// How the group is.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    found.saw("Status", &facts.status).saw("Engine", &facts.engine);
    status(&mut found, facts, rules, now);
    if facts.is_up() {
        shards(&mut found, facts);
        protection(&mut found, facts, expected);
        nodes(&mut found, facts, rules, now);
    }
    found.verdict(if facts.status == "available" {
        "it is available".to_owned()
    } else {
        format!("it is up: {}", facts.status)
    })
}

fn status(found: &mut Findings, facts: &Facts, rules: &Rules, now: Timestamp) {
    let status = facts.status.as_str();
    let age = facts.created.map(|at| now.duration_since(at));
    match status {
        "available" | "modifying" | "snapshotting" => {}
        "creating" if age.is_some_and(|age| rules.thresholds.stuck < age) => {
            found.degraded("it is being created for too long", "Look at its events.");
        }
        "creating" => {
            found.not_applicable("it is not there yet: creating");
        }
        "deleting" => {
            found.degraded("it is being deleted", "Make sure that nothing uses it any more.");
        }
        "rebooting cluster nodes" => {
            found.degraded("it may not answer for a while: its nodes restart", "Wait for it.");
        }
        "create-failed" | "restore-failed" | "incompatible-network" => {
            found.failed(format!("it does not work: {status}"), "Look at its events, and create it again.");
        }
        "" => {
            found.unknown("ElastiCache does not say what state it is in", "Check it by hand.");
        }
        other => {
            let why = format!("ElastiCache says a state that is not known here: {other}");
            found.unknown(why, "Check it by hand.");
        }
    }
}

fn shards(found: &mut Findings, facts: &Facts) {
    found.saw("Shards", facts.shards.len());
    if facts.shards.is_empty() {
        found.unknown("ElastiCache does not say what shards it has", "Check it by hand.");
    }
    for shard in &facts.shards {
        let (name, status) = (&shard.name, shard.status.as_str());
        match status {
            "available" | "modifying" | "snapshotting" | "creating" | "deleting" => {}
            "" => {
                found.unknown(format!("the state of shard {name} is not said"), "Check it by hand.");
            }
            other => {
                let why = format!("shard {name} is in a state that is not known here: {other}");
                found.unknown(why, "Check it by hand.");
            }
        }
        // With cluster mode, roles are not said.
        let said = shard.roles.iter().any(|role| !role.is_empty());
        if said && !shard.roles.iter().any(|role| role == "primary") {
            found.failed(
                format!("shard {name} has no primary node"),
                "Let it fail over to a node that works.",
            );
        }
    }
}

fn protection(found: &mut Findings, facts: &Facts, expected: &Expected) {
    if expected.multi_az {
        let (so, not_so) = ("it fails over by itself", "it does not fail over by itself");
        switch(found, &facts.failover, so, not_so, "Turn automatic failover on.");
        let (so, not_so) = ("its nodes are in several zones", "its nodes need not be in several zones");
        switch(found, &facts.multi_az, so, not_so, "Turn Multi-AZ on.");
    }
    if expected.tls {
        let todo = "Turn encryption in transit on.";
        must(found, facts.tls, "it speaks TLS", "it does not speak TLS", todo);
    }
    if expected.protected {
        let (so, not_so) = ("what it stores is encrypted", "what it stores is not encrypted");
        must(found, facts.encrypted, so, not_so, "Create it again with encryption at rest.");
    }
}

fn switch(found: &mut Findings, word: &str, so: &str, not_so: &str, todo: &str) {
    let said = match word {
        "enabled" | "enabling" => Some(true),
        "disabled" | "disabling" => Some(false),
        "" => None,
        other => {
            found.unknown(format!("whether {so} is not known: {other}"), "Check it by hand.");
            return;
        }
    };
    must(found, said, so, not_so, todo);
}

fn nodes(found: &mut Findings, facts: &Facts, rules: &Rules, now: Timestamp) {
    if facts.nodes.is_empty() {
        found.unknown("ElastiCache does not say what nodes it has", "Check it by hand.");
    }
    if let Some(why) = &facts.unmeasured {
        found.unknown(format!("its metrics {}", why.reason), why.todo.join(" "));
        return;
    }
    let young = facts.created.is_some_and(|at| now.duration_since(at) < SILENCE);
    for node in &facts.nodes {
        let name = &node.name;
        let Some(cpu) = node.cpu else {
            // New nodes of a group that changes have not spoken yet.
            if young || facts.status == "modifying" {
                found.saw(&format!("CPU of {name}"), "not measured yet");
            } else {
                found.degraded(
                    format!("{name} is silent: no metric came for {} minutes", SILENCE.as_mins()),
                    "Look whether it answers, and at its events.",
                );
            }
            continue;
        };
        found.saw(&format!("CPU of {name}"), format!("{cpu:.1} %"));
        let todo = "Find who asks it for so much, or choose a bigger node.";
        below(found, &format!("the CPU of {name}"), cpu, rules.thresholds.cpu, todo);
        match node.memory {
            Some(memory) => {
                found.saw(&format!("Memory of {name}"), format!("{memory:.1} %"));
                let todo = "Choose a bigger node, or let what it keeps end sooner.";
                below(found, &format!("the memory of {name}"), memory, rules.thresholds.memory, todo);
            }
            None => {
                found.unknown(format!("how full {name} is, is not known"), "Check it by hand.");
            }
        }
        hits(found, node, rules);
    }
}

fn hits(found: &mut Findings, node: &Node, rules: &Rules) {
    let title = format!("Hits of {}", node.name);
    let Some(hits) = node.hits else {
        found.saw(&title, "nobody reads");
        return;
    };
    found.saw(&title, format!("{hits:.1} %"));
    if hits < f64::from(rules.thresholds.cache_hits) {
        found.degraded(
            format!("{} answers {hits:.1} % of its reads", node.name),
            "Look whether it is big enough, and whether what it keeps ends too soon.",
        );
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;
    use shared::policy::health::{Expectations, Expected};

    use super::{Facts, Node, Shard, absent, verdict};
    use crate::decision::{Findings, Health, Verdict};

    fn node() -> Node {
        Node { name: "web-001".to_owned(), cpu: Some(10.0), memory: Some(20.0), hits: Some(95.0) }
    }

    fn shard(status: &str, roles: &[&str]) -> Shard {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Shard { name: "0001".to_owned(), status: status.to_owned(), roles }
    }

    fn good() -> Facts {
        Facts {
            status: "available".to_owned(),
            engine: "valkey".to_owned(),
            created: "2026-01-01T00:00:00Z".parse().ok(),
            shards: vec![shard("available", &["primary", "replica"])],
            failover: "enabled".to_owned(),
            multi_az: "enabled".to_owned(),
            tls: Some(true),
            encrypted: Some(true),
            nodes: vec![node()],
            unmeasured: None,
        }
    }

    fn of(status: &str) -> Facts {
        Facts { status: status.to_owned(), ..good() }
    }

    fn with(node: Node) -> Facts {
        Facts { nodes: vec![node], ..good() }
    }

    fn sharded(shard: Shard) -> Facts {
        Facts { shards: vec![shard], ..good() }
    }

    #[track_caller]
    fn check(facts: &Facts, expected: &Expected, health: Health, reason: &str) -> Verdict {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let verdict = verdict(facts, &Rules::default(), expected, now);
        assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
        assert!(verdict.reason.contains(reason), "{reason}: {verdict:?}");
        let quiet = matches!(health, Health::Healthy | Health::NotApplicable);
        assert_eq!(quiet, verdict.todo.is_empty(), "what is to do: {verdict:?}");
        verdict
    }

    #[test]
    fn a_cache_is_what_its_state_and_the_states_of_its_shards_say() {
        let since = |text: &str| Facts { created: text.parse().ok(), ..of("creating") };
        let cases = [
            (good(), Health::Healthy, "it is available"),
            (of("snapshotting"), Health::Healthy, "it is up: snapshotting"),
            (of("modifying"), Health::Healthy, "it is up: modifying"),
            (since("2026-11-26T11:30:00Z"), Health::NotApplicable, "it is not there yet"),
            (since("2026-11-26T11:29:59Z"), Health::Degraded, "for too long"),
            (of("deleting"), Health::Degraded, "it is being deleted"),
            (of("rebooting cluster nodes"), Health::Degraded, "its nodes restart"),
            (of("create-failed"), Health::Failed, "it does not work: create-failed"),
            (of("incompatible-network"), Health::Failed, "incompatible-network"),
            (of("melting"), Health::Unknown, "ElastiCache says a state that is not known here: melting"),
            (of(""), Health::Unknown, "ElastiCache does not say what state it is in"),
            (Facts::default(), Health::Unknown, "ElastiCache does not say"),
            (sharded(shard("melting", &[])), Health::Unknown, "shard 0001 is in a state"),
            (sharded(shard("", &[])), Health::Unknown, "the state of shard 0001 is not said"),
            (sharded(shard("available", &["", ""])), Health::Healthy, "it is available"),
            (sharded(shard("available", &["replica"])), Health::Failed, "shard 0001 has no primary node"),
            (Facts { shards: Vec::new(), ..good() }, Health::Unknown, "what shards it has"),
            (Facts { nodes: Vec::new(), ..good() }, Health::Unknown, "what nodes it has"),
        ];
        let prod = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            check(&facts, &prod, health, reason);
        }
        assert_eq!(absent().health, Health::Failed);
    }

    #[test]
    fn what_the_environment_has_to_have_is_missed() {
        let word = |word: &str| word.to_owned();
        let cases = [
            (
                Facts { failover: word("disabled"), ..good() },
                Health::Degraded,
                "does not fail over by itself",
            ),
            (Facts { failover: word("enabling"), ..good() }, Health::Healthy, "it is available"),
            (Facts { failover: word("melting"), ..good() }, Health::Unknown, "melting"),
            (Facts { multi_az: word("disabled"), ..good() }, Health::Degraded, "several zones"),
            (
                Facts { multi_az: word(""), ..good() },
                Health::Unknown,
                "whether its nodes are in several zones",
            ),
            (Facts { tls: Some(false), ..good() }, Health::Degraded, "it does not speak TLS"),
            (Facts { tls: None, ..good() }, Health::Unknown, "whether it speaks TLS"),
            (Facts { encrypted: Some(false), ..good() }, Health::Degraded, "is not encrypted"),
        ];
        let (prod, dev) =
            (Expectations::default().of("prod", true), Expectations::default().of("dev", false));
        for (facts, health, reason) in cases {
            check(&facts, &prod, health, reason);
            check(&facts, &dev, Health::Healthy, "it is available");
        }
    }

    #[test]
    fn what_is_measured_counts_from_its_threshold_on_and_silence_is_not_healthy() {
        let silent = || Node { cpu: None, memory: None, hits: None, ..node() };
        let young = Facts { created: "2026-11-26T11:50:01Z".parse().ok(), ..with(silent()) };
        let old = Facts { created: "2026-11-26T11:50:00Z".parse().ok(), ..with(silent()) };
        let cases = [
            (with(Node { cpu: Some(59.9), ..node() }), Health::Healthy, "it is available"),
            (with(Node { cpu: Some(60.0), ..node() }), Health::Degraded, "the CPU of web-001 is at 60.0 %"),
            (with(Node { memory: Some(69.9), ..node() }), Health::Healthy, "it is available"),
            (
                with(Node { memory: Some(70.0), ..node() }),
                Health::Degraded,
                "the memory of web-001 is at 70.0 %",
            ),
            (with(Node { memory: None, ..node() }), Health::Unknown, "how full web-001 is"),
            (with(Node { hits: Some(70.0), ..node() }), Health::Healthy, "it is available"),
            (
                with(Node { hits: Some(69.9), ..node() }),
                Health::Degraded,
                "web-001 answers 69.9 % of its reads",
            ),
            (with(Node { hits: None, ..node() }), Health::Healthy, "it is available"),
            (with(silent()), Health::Degraded, "web-001 is silent: no metric came for 10 minutes"),
            (young, Health::Healthy, "it is available"),
            (old, Health::Degraded, "is silent"),
            (
                Facts { status: "modifying".to_owned(), ..with(silent()) },
                Health::Healthy,
                "it is up: modifying",
            ),
        ];
        let prod = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            check(&facts, &prod, health, reason);
        }
    }

    #[test]
    fn metrics_that_cannot_be_asked_are_unknown_and_do_not_hide_what_failed() {
        let mut denied = Findings::new();
        denied.unknown("could not be checked: denied", "Allow it.");
        let facts = Facts { unmeasured: Some(denied.verdict("")), ..good() };
        let prod = Expectations::default().of("prod", true);
        let verdict = check(&facts, &prod, Health::Unknown, "its metrics could not be checked: denied");
        assert_eq!(verdict.todo, ["Allow it."]);
        let failed = Facts { shards: vec![shard("available", &["replica"])], ..facts };
        check(&failed, &prod, Health::Failed, "has no primary node");
    }
}
