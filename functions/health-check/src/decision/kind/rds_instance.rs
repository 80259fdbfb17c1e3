//! An RDS instance: in use, protected as it has to be, and with room left (RDS API, `DBInstance`).
//!
//! `DBInstanceStatus` is free text: what is not on the lists here is unknown, and the word is said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// RDS does not say how many connections an instance takes: its parameter group does, with a formula of the engine's
/// own. Whoever knows the number says it with this tag.
pub const MAX_CONNECTIONS: &str = "watchkeeper:max-connections";

/// So long an instance may be silent; a young one has not spoken yet.
pub const SILENCE: SignedDuration = SignedDuration::from_mins(10);

const GIB: f64 = 1_073_741_824.0;

/// What `DescribeDBInstances` says of an instance, and what CloudWatch measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `DBInstanceStatus`: free text.
    pub status: String,
    /// Such as `postgres` or `aurora-mysql`.
    pub engine: String,
    /// Such as `db.t4g.medium`.
    pub class: String,
    /// Since when it is there.
    pub created: Option<Timestamp>,
    /// The cluster that it is a member of.
    pub cluster: Option<String>,
    /// What it is a read replica of.
    pub replica_of: Option<String>,
    /// Whether a standby is in another zone.
    pub multi_az: Option<bool>,
    /// Whether its storage is encrypted.
    pub encrypted: Option<bool>,
    /// For how many days backups are kept; 0 where there are none.
    pub kept_days: Option<i32>,
    /// Whether it is protected from being deleted.
    pub deletion_protection: Option<bool>,
    /// Whether it has a public address.
    pub public: Option<bool>,
    /// Its storage.
    pub storage_gib: Option<i32>,
    /// Until where its storage grows by itself.
    pub grows_to_gib: Option<i32>,
    /// What of its replication is not normal.
    pub replication: Vec<String>,
    /// The state of the secret that RDS keeps its master password in.
    pub secret: String,
    /// When its server certificate ends.
    pub certificate_ends: Option<Timestamp>,
    /// What is changed at the next chance.
    pub changes: Vec<String>,
    /// What AWS is going to maintain.
    pub maintenance: Vec<String>,
    /// The value of the tag [`MAX_CONNECTIONS`].
    pub most_connections: Option<String>,
    /// CloudWatch's metrics by name.
    pub metrics: BTreeMap<&'static str, f64>,
    /// Why the metrics could not be asked.
    pub unmeasured: Option<Verdict>,
}

impl Facts {
    /// Whether it is up, so that it has to be measured.
    pub fn is_up(&self) -> bool {
        matches!(State::of(&self.status), State::Available | State::Working)
    }

    /// Whether it has storage of its own: what shares the volume of a cluster has not.
    pub fn has_storage(&self) -> bool {
        !["aurora", "docdb", "neptune"].iter().any(|engine| self.engine.starts_with(engine))
    }

    /// Whether it is an Aurora instance that may pause.
    pub fn is_serverless(&self) -> bool {
        self.class == "db.serverless"
    }
}

/// What the status of an instance or a cluster means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is up, and nothing happens to it.
    Available,
    /// It is up while something is done to it.
    Working,
    /// It is not up, or not all the time, but comes back by itself.
    Interrupted,
    /// It is not there yet.
    Creating,
    /// It goes.
    Deleting,
    /// Somebody stopped it.
    Stopped,
    /// It does not work until somebody mends it.
    Broken,
    /// A word that is not known here.
    New,
}

impl State {
    /// The state by its word (RDS and Aurora user guides, "Viewing DB instance status", "Viewing DB cluster status").
    pub fn of(status: &str) -> Self {
        match status {
            "available" => Self::Available,
            "backing-up"
            | "configuring-enhanced-monitoring"
            | "configuring-iam-database-auth"
            | "configuring-log-exports"
            | "delete-precheck"
            | "modifying"
            | "resetting-master-credentials"
            | "scaling-compute"
            | "scaling-storage"
            | "storage-config-upgrade"
            | "storage-initialization"
            | "storage-optimization"
            | "update-iam-db-auth" => Self::Working,
            "backtracking" | "converting-to-vpc" | "failing-over" | "maintenance" | "moving-to-vpc"
            | "promoting" | "rebooting" | "renaming" | "starting" | "upgrading" => Self::Interrupted,
            "creating" | "migrating" | "preparing-data-migration" => Self::Creating,
            "deleting" => Self::Deleting,
            "stopped" | "stopping" => Self::Stopped,
            "cloning-failed"
            | "failed"
            | "inaccessible-encryption-credentials"
            | "inaccessible-encryption-credentials-recoverable"
            | "insufficient-capacity"
            | "insufficient-resource-limits"
            | "migration-failed"
            | "restore-error"
            | "storage-full" => Self::Broken,
            _ if status.starts_with("incompatible-") => Self::Broken,
            _ => Self::New,
        }
    }

    /// Why it is healthy, where it is.
    pub(super) fn healthy(self, status: &str) -> String {
        if self == Self::Available { "it is available".to_owned() } else { format!("it is up: {status}") }
    }

    /// Says what it means, and gives it back.
    pub(super) fn judge(
        found: &mut Findings,
        status: &str,
        created: Option<Timestamp>,
        (rules, expected): (&Rules, &Expected),
        now: Timestamp,
    ) -> Self {
        let state = Self::of(status);
        found.saw("Status", status);
        match state {
            Self::Available | Self::Working => {}
            Self::Interrupted => {
                found.degraded(
                    format!("it may not answer for a while: {status}"),
                    "Wait for it; if it lasts, look at its events.",
                );
            }
            Self::Creating if created.is_some_and(|at| rules.thresholds.stuck < now.duration_since(at)) => {
                found.degraded(format!("it is {status} for too long"), "Look at its events.");
            }
            Self::Creating => {
                found.not_applicable(format!("it is not there yet: {status}"));
            }
            Self::Deleting => {
                found.degraded("it is being deleted", "Make sure that nothing uses it any more.");
            }
            // Where nothing has to survive the loss of a zone, people stop what they do not need at night.
            Self::Stopped if !expected.multi_az => {
                found.not_applicable(format!("it is {status}"));
            }
            Self::Stopped => {
                found.failed(format!("it is {status}"), "Start it, or delete it if it is not needed.");
            }
            Self::Broken => {
                found.failed(format!("it does not work: {status}"), cure(status));
            }
            Self::New if status.is_empty() => {
                found.unknown("RDS does not say what state it is in", "Check it by hand.");
            }
            Self::New => {
                found.unknown(
                    format!("RDS says a state that is not known here: {status}"),
                    "Check it by hand.",
                );
            }
        }
        state
    }
}

fn cure(status: &str) -> &'static str {
    match status {
        "storage-full" => "Give it more storage.",
        "inaccessible-encryption-credentials" | "inaccessible-encryption-credentials-recoverable" => {
            "Enable its KMS key, let RDS use it, and start it again."
        }
        "incompatible-network" => "Mend its subnet group: RDS needs free addresses in its zones.",
        "incompatible-parameters" => "Mend its parameter group, and reboot it.",
        "incompatible-option-group" => "Mend its option group.",
        "insufficient-capacity" | "insufficient-resource-limits" => {
            "Choose another class or another zone, or ask for a higher quota."
        }
        _ => "Look at its events, and restore it from a backup to a new one.",
    }
}

/// What is expected and is not so is degraded; what is not said is unknown.
pub(super) fn must(found: &mut Findings, said: Option<bool>, so: &str, not_so: &str, todo: &str) {
    match said {
        Some(true) => {}
        Some(false) => {
            found.degraded(not_so, todo);
        }
        None => {
            found.unknown(format!("it is not said whether {so}"), "Check it by hand.");
        }
    }
}

/// From the limit on, a percentage is degraded.
pub(super) fn below(found: &mut Findings, what: &str, percent: f64, limit: u32, todo: &str) {
    if percent >= f64::from(limit) {
        found.degraded(format!("{what} is at {percent:.1} %"), todo);
    }
}

/// A server certificate that ends.
pub(super) fn certificate(found: &mut Findings, ends: Option<Timestamp>, rules: &Rules, now: Timestamp) {
    let Some(ends) = ends else { return };
    let (left, limits) = (ends.duration_since(now), &rules.thresholds);
    let (day, todo) = (ends.strftime("%F").to_string(), "Rotate its server certificate.");
    if left <= limits.certificate_ends {
        found.saw("Certificate ends", &day);
        found.failed(format!("its server certificate ends on {day}"), todo);
    } else if left <= limits.certificate {
        found.saw("Certificate ends", &day);
        found.degraded(format!("its server certificate ends on {day}"), todo);
    }
}

/// An instance that RDS does not know.
pub fn absent() -> Verdict {
    let mut found = Findings::new();
    found.absent("it does not exist (any more)", "Restore it, or take it out of what uses it.");
    found.verdict("")
}

/// How the instance is.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    let state = State::judge(&mut found, &facts.status, facts.created, (rules, expected), now);
    found.saw("Engine", &facts.engine).saw("Class", &facts.class);
    found.saw("Pending change", facts.changes.join(", "));
    found.saw("Pending maintenance", facts.maintenance.join(", "));
    if !matches!(state, State::Creating | State::Deleting) {
        protection(&mut found, facts, expected);
        certificate(&mut found, facts.certificate_ends, rules, now);
    }
    for what in &facts.replication {
        found.degraded(format!("its replication is not normal: {what}"), "Look at its replication.");
    }
    if facts.secret == "impaired" {
        found.degraded(
            "RDS cannot rotate the secret of its master user",
            "Give RDS access to the secret and its KMS key again.",
        );
    }
    if facts.is_up() {
        measures(&mut found, facts, state, rules, now);
    }
    found.verdict(state.healthy(&facts.status))
}

fn protection(found: &mut Findings, facts: &Facts, expected: &Expected) {
    if facts.public == Some(true) {
        found.degraded("it has a public address", "Turn public access off.");
    }
    // What a cluster answers for is said of the cluster.
    if facts.cluster.is_some() {
        return;
    }
    let is_replica = facts.replica_of.is_some();
    if expected.multi_az && !is_replica {
        let todo = "Turn Multi-AZ on.";
        must(
            found,
            facts.multi_az,
            "a standby is in another zone",
            "it has no standby in another zone",
            todo,
        );
    }
    if expected.protected {
        let todo = "Restore it from an encrypted copy of a snapshot.";
        must(found, facts.encrypted, "its storage is encrypted", "its storage is not encrypted", todo);
        let todo = "Turn deletion protection on.";
        let (so, not_so) = ("it is protected from being deleted", "it is not protected from being deleted");
        must(found, facts.deletion_protection, so, not_so, todo);
        if !is_replica {
            let kept = facts.kept_days.map(|days| 0 < days);
            let todo = "Set how long its backups are kept.";
            must(found, kept, "it makes backups", "it makes no automated backups", todo);
        }
    }
}

fn measures(found: &mut Findings, facts: &Facts, state: State, rules: &Rules, now: Timestamp) {
    if let Some(why) = &facts.unmeasured {
        found.unknown(format!("its metrics {}", why.reason), why.todo.join(" "));
        return;
    }
    let metric = |name: &str| facts.metrics.get(name).copied();
    let Some(cpu) = metric("CPUUtilization") else {
        silence(found, facts, state, now);
        return;
    };
    found.saw("CPU", format!("{cpu:.1} %"));
    below(found, "its CPU", cpu, rules.thresholds.cpu, "Find the slow queries, or choose a bigger class.");
    if facts.has_storage() {
        storage(found, facts, metric("FreeStorageSpace"), rules);
    }
    connections(found, facts, metric("DatabaseConnections"), rules);
}

fn silence(found: &mut Findings, facts: &Facts, state: State, now: Timestamp) {
    let young = facts.created.is_some_and(|at| now.duration_since(at) < SILENCE);
    let paused = facts.metrics.get("ServerlessDatabaseCapacity").is_some_and(|units| *units <= 0.0);
    if paused && facts.is_serverless() {
        found.not_applicable("it is paused: nobody uses it");
    } else if young || state == State::Working {
        found.saw("CPU", "not measured yet");
    } else {
        found.degraded(
            format!("it is silent: no metric came for {} minutes", SILENCE.as_mins()),
            "Look whether it answers, and at its events.",
        );
    }
}

fn storage(found: &mut Findings, facts: &Facts, free: Option<f64>, rules: &Rules) {
    let has = facts.storage_gib.filter(|gib| 0 < *gib).map(f64::from);
    let (Some(free), Some(has)) = (free, has) else {
        found.unknown("how much of its storage is in use is not known", "Check it by hand.");
        return;
    };
    let used = 100.0 - 100.0 * free / (has * GIB);
    found.saw("Storage", format!("{used:.1} % of {has} GiB"));
    if let Some(most) = facts.grows_to_gib {
        found.saw("Storage grows to", format!("{most} GiB"));
    }
    below(
        found,
        "its storage",
        used,
        rules.thresholds.storage,
        "Give it more storage, or delete what is not needed.",
    );
}

fn connections(found: &mut Findings, facts: &Facts, open: Option<f64>, rules: &Rules) {
    if let Some(open) = open {
        found.saw("Connections", format!("{open:.0}"));
    }
    let Some(most) = &facts.most_connections else { return };
    let limit = most.trim().parse::<u32>().ok().filter(|most| 0 < *most).map(f64::from);
    match (open, limit) {
        (Some(open), Some(limit)) => {
            let (what, limits) = (format!("its use of {limit} connections"), &rules.thresholds);
            let todo = "Find who holds connections, or let it take more.";
            below(found, &what, 100.0 * open / limit, limits.connections, todo);
        }
        (None, Some(_)) => {
            found.unknown("how many connections are open is not known", "Check it by hand.");
        }
        (_, None) => {
            let todo = format!("Set its tag {MAX_CONNECTIONS} to the number of connections that it takes.");
            found.unknown(format!("its tag {MAX_CONNECTIONS} is not a number above 0: {most}"), todo);
        }
    }
}

#[cfg(test)]
mod tests;
