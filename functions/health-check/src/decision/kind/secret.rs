//! A secret: with a value, not deleted, and rotated in time (Secrets Manager API, `DescribeSecret`). Its value is never
//! asked for.
//!
//! `NextRotationDate` is the latest date on which it rotates; in the past, the rotation has failed. A version that stays
//! `AWSPENDING` is a rotation that began and did not end: `DescribeSecret` does not say when, but not after the secret
//! was changed last.

use jiff::Timestamp;
use shared::policy::Health as Rules;

use crate::decision::{Findings, Verdict};

/// How much of a message of AWS is told.
const LONGEST: usize = 300;

/// What `DescribeSecret` says of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether Secrets Manager knows it.
    pub gone: bool,
    /// `RotationEnabled`; missing where it was never set up.
    pub rotates: Option<bool>,
    /// On this date at the latest.
    pub rotates_next: Option<Timestamp>,
    /// When it rotated last.
    pub rotated: Option<Timestamp>,
    /// When anything about it changed last.
    pub changed: Option<Timestamp>,
    /// When it will be deleted, where that is decided.
    pub deleted: Option<Timestamp>,
    /// The Region that it is a copy of, where it is one: rotation is done there.
    pub copy_of: Option<String>,
    /// The stages of each version.
    pub versions: Vec<Vec<String>>,
    /// Its copies in other Regions.
    pub replicas: Vec<Replica>,
}

/// A copy of a secret in another Region.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replica {
    /// The Region.
    pub region: String,
    /// `InSync`, `InProgress` or `Failed`; a word of AWS that may be new.
    pub status: String,
    /// Why it failed.
    pub message: String,
}

/// How the secret is.
pub fn verdict(facts: &Facts, rules: &Rules, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent(
            "it does not exist (any more)",
            "Create the secret again, or take away what names it: what starts with it cannot start.",
        );
        return found.verdict("");
    }
    let date = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    found.saw("Last changed", date(facts.changed)).saw("Last rotated", date(facts.rotated));
    if let Some(at) = facts.deleted {
        found.saw("Deletion", at).failed(
            format!("it is marked for deletion ({})", at.strftime("%F")),
            "Restore the secret, unless nothing needs it any more.",
        );
    }
    let current = facts.versions.iter().any(|stages| has(stages, "AWSCURRENT"));
    if !current && facts.deleted.is_none() {
        found.failed(
            "it has no current value: no version of it is AWSCURRENT",
            "Put a value into the secret, or mark a version of it as AWSCURRENT.",
        );
    }
    pending(&mut found, facts, rules, now);
    if facts.copy_of.is_none() {
        rotation(&mut found, facts, now);
    }
    facts.replicas.iter().for_each(|replica| copy(&mut found, replica));
    found.verdict("it has a value")
}

fn has(stages: &[String], stage: &str) -> bool {
    stages.iter().any(|it| it == stage)
}

fn pending(found: &mut Findings, facts: &Facts, rules: &Rules, now: Timestamp) {
    const TODO: &str =
        "Look at the logs of its rotation function, mend what keeps it, and rotate the secret again.";
    let pending = |stages: &Vec<String>| has(stages, "AWSPENDING") && !has(stages, "AWSCURRENT");
    if !facts.versions.iter().any(pending) {
        return;
    }
    match facts.changed {
        Some(at) if rules.thresholds.stuck < now.duration_since(at) => {
            found.degraded(
                format!("its rotation is stuck: a version waits as AWSPENDING since {at:.0}"),
                TODO,
            );
        }
        Some(_) => {
            found.saw("Rotation", "under way");
        }
        None => {
            found.unknown("a version of it is AWSPENDING, and it is not said since when", TODO);
        }
    }
}

fn rotation(found: &mut Findings, facts: &Facts, now: Timestamp) {
    match (facts.rotates, facts.rotates_next) {
        (Some(true), Some(next)) => {
            found.saw("Next rotation", next);
            if next < now {
                found.degraded(
                    format!("its rotation is overdue since {next}"),
                    "Look at the logs of its rotation function, and rotate the secret.",
                );
            }
        }
        (Some(true), None) => {
            found.unknown("it rotates, but it is not said when", "Look at its rotation by hand.");
        }
        (Some(false) | None, _) => {
            found.saw("Rotation", "off");
        }
    }
}

fn copy(found: &mut Findings, replica: &Replica) {
    let Replica { region, status, message } = replica;
    let region = if region.is_empty() { "another Region" } else { region };
    found.saw(&format!("Copy in {region}"), status);
    match status.as_str() {
        "InSync" | "InProgress" => {}
        "Failed" => {
            let message: String = message.chars().take(LONGEST).collect();
            let why = if message.is_empty() { String::new() } else { format!(": {message}") };
            found.degraded(
                format!("its copy in {region} has failed{why}"),
                "Mend what keeps the copy, and replicate the secret again.",
            );
        }
        "" => {
            found.unknown(format!("it is not said how its copy in {region} is"), "Check the copy by hand.");
        }
        other => {
            found.unknown(
                format!("its copy in {region} is in a state that is not known here: {other}"),
                "Check the copy by hand.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;

    use super::{Facts, Replica, verdict};
    use crate::decision::Health;

    fn at(text: &str) -> Option<Timestamp> {
        text.parse().ok()
    }

    fn stages(of: &[&[&str]]) -> Vec<Vec<String>> {
        of.iter().map(|stages| stages.iter().map(ToString::to_string).collect()).collect()
    }

    fn good() -> Facts {
        Facts {
            changed: at("2026-11-01T00:00:00Z"),
            versions: stages(&[&["AWSCURRENT", "AWSPENDING"], &["AWSPREVIOUS"]]),
            ..Facts::default()
        }
    }

    fn copy(status: &str) -> Facts {
        let replica = Replica {
            region: "eu-west-1".to_owned(),
            status: status.to_owned(),
            message: "The key is disabled.".to_owned(),
        };
        Facts { replicas: vec![replica], ..good() }
    }

    #[test]
    fn a_secret_has_a_value_and_rotates_in_time() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let rotating = |next: Option<Timestamp>| Facts { rotates: Some(true), rotates_next: next, ..good() };
        let pending = |changed: Option<Timestamp>| Facts {
            changed,
            versions: stages(&[&["AWSCURRENT"], &["AWSPENDING"]]),
            ..good()
        };
        let none = "it has no current value: no version of it is AWSCURRENT";
        let cases = [
            (good(), Health::Healthy, "it has a value"),
            (Facts { gone: true, ..Facts::default() }, Health::Failed, "it does not exist (any more)"),
            (Facts::default(), Health::Failed, none),
            (Facts { versions: stages(&[&["AWSPREVIOUS"], &[]]), ..good() }, Health::Failed, none),
            (
                Facts { deleted: at("2026-12-03T00:00:00Z"), ..good() },
                Health::Failed,
                "it is marked for deletion (2026-12-03)",
            ),
            (rotating(at("2026-11-26T12:00:00Z")), Health::Healthy, "it has a value"),
            (
                rotating(at("2026-11-26T11:59:59Z")),
                Health::Degraded,
                "its rotation is overdue since 2026-11-26T11:59:59Z",
            ),
            (rotating(None), Health::Unknown, "it rotates, but it is not said when"),
            (Facts { rotates: Some(false), ..good() }, Health::Healthy, "it has a value"),
            (
                Facts { copy_of: Some("eu-west-1".to_owned()), ..rotating(None) },
                Health::Healthy,
                "it has a value",
            ),
            (pending(at("2026-11-26T11:30:00Z")), Health::Healthy, "it has a value"),
            (
                pending(at("2026-11-26T11:29:59Z")),
                Health::Degraded,
                "its rotation is stuck: a version waits as AWSPENDING since 2026-11-26T11:29:59Z",
            ),
            (pending(None), Health::Unknown, "a version of it is AWSPENDING, and it is not said since when"),
            (copy("InSync"), Health::Healthy, "it has a value"),
            (copy("InProgress"), Health::Healthy, "it has a value"),
            (copy("Failed"), Health::Degraded, "its copy in eu-west-1 has failed: The key is disabled."),
            (
                copy("Adrift"),
                Health::Unknown,
                "its copy in eu-west-1 is in a state that is not known here: Adrift",
            ),
            (copy(""), Health::Unknown, "it is not said how its copy in eu-west-1 is"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &Rules::default(), now);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{facts:?}");
        }
    }
}
