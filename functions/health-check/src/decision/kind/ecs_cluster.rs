//! An ECS cluster: whether it can be used (ECS API, `Cluster.status`).

use crate::decision::{Findings, Verdict};

/// What `DescribeClusters` says of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `status`, such as `ACTIVE`; a word of AWS that may be new.
    pub status: String,
    /// Why ECS does not describe it: `failures[].reason`, such as `MISSING`.
    pub failure: Option<String>,
    /// How many services are active in it.
    pub services: u32,
    /// How many tasks run in it.
    pub running: u32,
    /// How many tasks are about to run in it.
    pub pending: u32,
    /// How many instances are registered with it; none where all is on Fargate.
    pub instances: u32,
}

/// How the cluster is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    match facts.failure.as_deref() {
        None => {}
        Some("MISSING") => {
            found.absent(
                "it does not exist (any more)",
                "Create the cluster again, or take away what names it.",
            );
            return found.verdict("");
        }
        Some(reason) => {
            found.unknown(format!("ECS does not describe it: {reason}"), "Check it by hand.");
            return found.verdict("");
        }
    }
    found.saw("Status", &facts.status).saw("Services", facts.services);
    found.saw("Tasks", format!("{} running, {} pending", facts.running, facts.pending));
    if 0 < facts.instances {
        found.saw("Instances", facts.instances);
    }
    match facts.status.as_str() {
        "ACTIVE" => {}
        // Its capacity providers are being made; what already runs is not touched.
        "PROVISIONING" => return found.verdict("its capacity providers are being made ready"),
        "DEPROVISIONING" => {
            found.degraded(
                "its capacity providers are being taken down",
                "See who takes them down; nothing new can be placed on what they give.",
            );
        }
        "FAILED" => {
            found.failed(
                "its capacity providers could not be made",
                "Look at the cluster's attachments and capacity providers, and mend or replace the one that failed.",
            );
        }
        "INACTIVE" => {
            found.absent("it was deleted", "Create the cluster again, or take away what names it.");
        }
        "" => {
            found.unknown("ECS does not say what status it has", "Check it by hand.");
        }
        other => {
            found.unknown(format!("ECS says a status that is not known here: {other}"), "Check it by hand.");
        }
    }
    found.verdict("it is active")
}

#[cfg(test)]
mod tests {
    use super::{Facts, verdict};
    use crate::decision::Health;

    #[test]
    fn a_cluster_is_as_its_status_says_and_a_word_that_is_not_known_is_unknown() {
        let of = |status: &str| Facts { status: status.to_owned(), ..Facts::default() };
        let without = |reason: &str| Facts { failure: Some(reason.to_owned()), ..Facts::default() };
        let cases = [
            (of("ACTIVE"), Health::Healthy, "it is active"),
            (of("PROVISIONING"), Health::Healthy, "its capacity providers are being made ready"),
            (of("DEPROVISIONING"), Health::Degraded, "its capacity providers are being taken down"),
            (of("FAILED"), Health::Failed, "its capacity providers could not be made"),
            (of("INACTIVE"), Health::Failed, "it was deleted"),
            (of(""), Health::Unknown, "ECS does not say what status it has"),
            (of("MELTED"), Health::Unknown, "ECS says a status that is not known here: MELTED"),
            (without("MISSING"), Health::Failed, "it does not exist (any more)"),
            (without("ODD"), Health::Unknown, "ECS does not describe it: ODD"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            assert_eq!(health == Health::Healthy, verdict.todo.is_empty(), "{facts:?}");
        }
    }
}
