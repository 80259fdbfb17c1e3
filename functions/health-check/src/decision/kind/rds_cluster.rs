//! A database cluster: in use, with a writer, and with readers where it has to survive the loss of a zone
//! (RDS API, `DBCluster`).
//!
//! How its members are is said of the members.

use jiff::Timestamp;
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use super::rds_instance::{State, certificate, must};
use crate::decision::{Findings, Verdict};

/// What `DescribeDBClusters` says of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `Status`: free text.
    pub status: String,
    /// Such as `aurora-postgresql`.
    pub engine: String,
    /// `serverless` is the first Aurora Serverless, which has no instances that can be seen.
    pub mode: String,
    /// Since when it is there.
    pub created: Option<Timestamp>,
    /// Its instances.
    pub members: Vec<Member>,
    /// Whether it is a part of something whose writer is elsewhere: a global cluster, or a replica of another.
    pub follows: bool,
    /// Whether its instances are in several zones.
    pub multi_az: Option<bool>,
    /// Whether its storage is encrypted.
    pub encrypted: Option<bool>,
    /// For how many days backups are kept.
    pub kept_days: Option<i32>,
    /// Whether it is protected from being deleted.
    pub deletion_protection: Option<bool>,
    /// Whether it has a public address.
    pub public: Option<bool>,
    /// When its server certificate ends.
    pub certificate_ends: Option<Timestamp>,
    /// What AWS is going to maintain.
    pub maintenance: Vec<String>,
}

/// An instance of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether it writes.
    pub writes: Option<bool>,
}

/// A cluster that RDS does not know.
pub fn absent() -> Verdict {
    super::rds_instance::absent()
}

/// How the cluster is.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    let state = State::judge(&mut found, &facts.status, facts.created, (rules, expected), now);
    found.saw("Engine", &facts.engine);
    found.saw("Pending maintenance", facts.maintenance.join(", "));
    if matches!(state, State::Available | State::Working) {
        writer(&mut found, facts);
        if expected.multi_az {
            zones(&mut found, facts);
        }
    }
    if !matches!(state, State::Creating | State::Deleting) {
        protection(&mut found, facts, expected);
        certificate(&mut found, facts.certificate_ends, rules, now);
    }
    found.verdict(state.healthy(&facts.status))
}

fn writer(found: &mut Findings, facts: &Facts) {
    let count = facts.members.len();
    if facts.mode == "serverless" && count == 0 {
        return;
    }
    let writer = facts.members.iter().find(|member| member.writes == Some(true));
    let unsaid = facts.members.iter().any(|member| member.writes.is_none());
    found.saw("Instances", count);
    match writer {
        Some(writer) => {
            found.saw("Writer", &writer.name);
        }
        None if facts.follows && count == 0 => {
            found.not_applicable("it has no instances: it only keeps a copy");
        }
        None if facts.follows => {
            found.saw("Writer", "elsewhere");
        }
        None if count == 0 => {
            found.failed("it has no instances", "Add an instance to it.");
        }
        None if unsaid => {
            found.unknown("RDS does not say which of its instances writes", "Check it by hand.");
        }
        None => {
            found.failed(
                format!("none of its {count} instances writes"),
                "Let it fail over to an instance that works.",
            );
        }
    }
}

fn zones(found: &mut Findings, facts: &Facts) {
    match facts.members.len() {
        // Said above, or a Serverless cluster, which moves to another zone by itself.
        0 => {}
        1 => {
            found.degraded("it has no reader that could take over", "Add a reader in another zone.");
        }
        _ => {
            let (so, not_so) = ("its instances are in several zones", "all its instances are in one zone");
            must(found, facts.multi_az, so, not_so, "Move a reader to another zone.");
        }
    }
}

fn protection(found: &mut Findings, facts: &Facts, expected: &Expected) {
    if facts.public == Some(true) {
        found.degraded("it has a public address", "Turn public access off.");
    }
    if !expected.protected {
        return;
    }
    let todo = "Restore it from an encrypted copy of a snapshot.";
    must(found, facts.encrypted, "its storage is encrypted", "its storage is not encrypted", todo);
    let todo = "Turn deletion protection on.";
    let (so, not_so) = ("it is protected from being deleted", "it is not protected from being deleted");
    must(found, facts.deletion_protection, so, not_so, todo);
    let kept = facts.kept_days.map(|days| 0 < days);
    let todo = "Set how long its backups are kept.";
    must(found, kept, "it makes backups", "it makes no automated backups", todo);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;
    use shared::policy::health::Expectations;

    use super::{Facts, Member, absent, verdict};
    use crate::decision::Health;

    fn member(name: &str, writes: Option<bool>) -> Member {
        Member { name: name.to_owned(), writes }
    }

    fn good() -> Facts {
        Facts {
            status: "available".to_owned(),
            engine: "aurora-postgresql".to_owned(),
            members: vec![member("a", Some(true)), member("b", Some(false))],
            multi_az: Some(true),
            encrypted: Some(true),
            kept_days: Some(7),
            deletion_protection: Some(true),
            ..Facts::default()
        }
    }

    #[test]
    fn a_cluster_works_while_one_of_its_instances_writes() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let of = |status: &str| Facts { status: status.to_owned(), ..good() };
        let with = |members: &[Member]| Facts { members: members.to_vec(), ..good() };
        let a = member("a", Some(true));
        let serverless = Facts { mode: "serverless".to_owned(), ..with(&[]) };
        let old = "2026-11-26T11:29:59Z".parse().ok();
        let cases = [
            (good(), Health::Healthy, "it is available"),
            (of("modifying"), Health::Healthy, "it is up: modifying"),
            (of("failing-over"), Health::Degraded, "it may not answer for a while: failing-over"),
            (of("creating"), Health::NotApplicable, "it is not there yet: creating"),
            (Facts { created: old, ..of("creating") }, Health::Degraded, "it is creating for too long"),
            (of("deleting"), Health::Degraded, "it is being deleted"),
            (of("stopped"), Health::Failed, "it is stopped"),
            (of("migration-failed"), Health::Failed, "it does not work: migration-failed"),
            (of("inaccessible-encryption-credentials"), Health::Failed, "it does not work: inaccessible"),
            (of("melting"), Health::Unknown, "RDS says a state that is not known here: melting"),
            (Facts::default(), Health::Unknown, "RDS does not say what state it is in"),
            (with(&[]), Health::Failed, "it has no instances"),
            (serverless, Health::Healthy, "it is available"),
            (Facts { follows: true, ..with(&[]) }, Health::NotApplicable, "it only keeps a copy"),
            (
                Facts { follows: true, ..with(&[member("a", Some(false)), member("b", Some(false))]) },
                Health::Healthy,
                "it is available",
            ),
            (
                with(&[member("a", Some(false)), member("b", Some(false))]),
                Health::Failed,
                "none of its 2 instances writes",
            ),
            (with(&[member("a", None), member("b", None)]), Health::Unknown, "which of its instances writes"),
            (with(&[a]), Health::Degraded, "it has no reader that could take over"),
            (Facts { multi_az: Some(false), ..good() }, Health::Degraded, "are in one zone"),
            (
                Facts { multi_az: None, ..good() },
                Health::Unknown,
                "whether its instances are in several zones",
            ),
            (Facts { encrypted: Some(false), ..good() }, Health::Degraded, "not encrypted"),
            (Facts { encrypted: None, ..good() }, Health::Unknown, "whether its storage is encrypted"),
            (Facts { kept_days: Some(0), ..good() }, Health::Degraded, "no automated backups"),
            (Facts { deletion_protection: Some(false), ..good() }, Health::Degraded, "not protected"),
            (Facts { public: Some(true), ..good() }, Health::Degraded, "public address"),
        ];
        let expected = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &Rules::default(), &expected, now);
            assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
            let quiet = matches!(health, Health::Healthy | Health::NotApplicable);
            assert_eq!(quiet, verdict.todo.is_empty(), "what is to do: {verdict:?}");
        }
        assert_eq!(absent().health, Health::Failed);
    }

    #[test]
    fn where_less_is_expected_a_lone_and_open_cluster_is_healthy_and_may_be_stopped() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let lone = Facts {
            status: "available".to_owned(),
            members: vec![member("a", Some(true))],
            ..Facts::default()
        };
        let stopped = Facts { status: "stopped".to_owned(), ..Facts::default() };
        let expected = Expectations::default().of("dev", false);
        for (facts, health) in [(lone, Health::Healthy), (stopped, Health::NotApplicable)] {
            assert_eq!(verdict(&facts, &Rules::default(), &expected, now).health, health, "{facts:?}");
        }
    }
}
