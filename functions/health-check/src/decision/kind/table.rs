//! A DynamoDB table: active, with its indexes and replicas, not throttled, and restorable where it has to be
//! (DynamoDB API, `TableDescription`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// Over how long throttles and errors are counted.
pub const COUNTED: SignedDuration = SignedDuration::from_mins(15);

/// What `DescribeTable` and `DescribeContinuousBackups` say of a table, and what CloudWatch counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `TableStatus`, such as `ACTIVE`; a word of AWS that may be new.
    pub status: String,
    /// Since when it is there.
    pub created: Option<Timestamp>,
    /// Since when its key cannot be used, where that is so.
    pub unreadable_since: Option<Timestamp>,
    /// Its global secondary indexes.
    pub indexes: Vec<Part>,
    /// Its replicas in other Regions.
    pub replicas: Vec<Part>,
    /// `PointInTimeRecoveryStatus`, where it was asked.
    pub point_in_time: Option<Result<String, Verdict>>,
    /// Whether it is protected from being deleted.
    pub deletion_protection: Option<bool>,
    /// CloudWatch's metrics by name, summed up; what did not happen is not there.
    pub metrics: BTreeMap<&'static str, f64>,
    /// Why the metrics could not be asked.
    pub unmeasured: Option<Verdict>,
}

/// An index or a replica.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Its name, or its Region.
    pub name: String,
    /// Its state; a word of AWS that may be new.
    pub status: String,
}

impl Facts {
    /// Whether it is up, so that it has to be measured.
    pub fn is_up(&self) -> bool {
        matches!(self.status.as_str(), "ACTIVE" | "UPDATING")
    }
}

/// A table that DynamoDB does not know.
pub fn absent() -> Verdict {
    let mut found = Findings::new();
    found.absent("it does not exist (any more)", "Restore it, or take it out of what uses it.");
    found.verdict("")
}

/// How the table is.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    found.saw("Status", &facts.status);
    status(&mut found, facts, rules, now);
    for index in &facts.indexes {
        part(&mut found, "index", index);
    }
    for replica in &facts.replicas {
        part(&mut found, "replica", replica);
    }
    if facts.is_up() {
        if let Some(protected) = facts.deletion_protection {
            found.saw("Deletion protection", protected);
        }
        if expected.protected {
            point_in_time(&mut found, facts.point_in_time.as_ref());
        }
        counts(&mut found, facts);
    }
    found.verdict(if facts.status == "ACTIVE" { "it is active" } else { "it is active while it is updated" })
}

fn status(found: &mut Findings, facts: &Facts, rules: &Rules, now: Timestamp) {
    let key = "Enable its KMS key, and let DynamoDB use it again.";
    let age = facts.created.map(|at| now.duration_since(at));
    match facts.status.as_str() {
        "ACTIVE" | "UPDATING" => {}
        "CREATING" if age.is_some_and(|age| rules.thresholds.stuck < age) => {
            found.degraded("it is being created for too long", "Look at what creates it.");
        }
        "CREATING" => {
            found.not_applicable("it is not there yet: CREATING");
        }
        "DELETING" => {
            found.degraded("it is being deleted", "Make sure that nothing uses it any more.");
        }
        "INACCESSIBLE_ENCRYPTION_CREDENTIALS" => {
            let since = facts.unreadable_since.map(|at| format!(" since {}", at.strftime("%F")));
            let since = since.unwrap_or_default();
            found.failed(format!("its KMS key cannot be used{since}"), key);
        }
        "ARCHIVING" | "ARCHIVED" => {
            found.failed(
                "it is archived, because its KMS key could not be used for a week",
                "Restore it from the backup that DynamoDB made of it.",
            );
        }
        "REPLICATION_NOT_AUTHORIZED" => {
            found.degraded("it may not replicate", "Give its replication the permission again.");
        }
        "" => {
            found.unknown("DynamoDB does not say what state it is in", "Check it by hand.");
        }
        other => {
            let why = format!("DynamoDB says a state that is not known here: {other}");
            found.unknown(why, "Check it by hand.");
        }
    }
}

fn part(found: &mut Findings, what: &str, part: &Part) {
    let Part { name, status } = part;
    match status.as_str() {
        "ACTIVE" => {}
        "CREATING" | "UPDATING" | "DELETING" => {
            found.saw(&format!("{what} {name}"), status);
        }
        "CREATION_FAILED"
        | "REGION_DISABLED"
        | "ARCHIVING"
        | "ARCHIVED"
        | "REPLICATION_NOT_AUTHORIZED"
        | "INACCESSIBLE_ENCRYPTION_CREDENTIALS" => {
            let todo = "Look at the replica in its Region, and create it again.";
            found.degraded(format!("its {what} {name} does not work: {status}"), todo);
        }
        "" => {
            found.unknown(format!("the state of its {what} {name} is not said"), "Check it by hand.");
        }
        other => {
            let why = format!("its {what} {name} is in a state that is not known here: {other}");
            found.unknown(why, "Check it by hand.");
        }
    }
}

fn point_in_time(found: &mut Findings, said: Option<&Result<String, Verdict>>) {
    let word = match said {
        Some(Ok(word)) => word.as_str(),
        Some(Err(why)) => {
            found.unknown(format!("its point-in-time recovery {}", why.reason), why.todo.join(" "));
            return;
        }
        None => "",
    };
    found.saw("Point-in-time recovery", word);
    match word {
        "ENABLED" => {}
        "DISABLED" => {
            found.degraded(
                "it cannot be taken back to a point in time",
                "Turn its point-in-time recovery on.",
            );
        }
        "" => {
            found.unknown(
                "it is not said whether it can be taken back to a point in time",
                "Check it by hand.",
            );
        }
        other => {
            let why = format!("the state of its point-in-time recovery is not known here: {other}");
            found.unknown(why, "Check it by hand.");
        }
    }
}

fn counts(found: &mut Findings, facts: &Facts) {
    if let Some(why) = &facts.unmeasured {
        found.unknown(format!("its metrics {}", why.reason), why.todo.join(" "));
        return;
    }
    let minutes = COUNTED.as_mins();
    let many = [
        ("ReadThrottleEvents", "throttled reads", "Let it read more, or spread its keys."),
        ("WriteThrottleEvents", "throttled writes", "Let it write more, or spread its keys."),
        ("SystemErrors", "errors of DynamoDB itself", "Look at the health of DynamoDB in this Region."),
    ];
    for (name, what, todo) in many {
        // DynamoDB sends these only when they happen: silence is none.
        let count = facts.metrics.get(name).copied().unwrap_or_default();
        if count > 0.0 {
            found.saw(name, format!("{count:.0}"));
            found.degraded(format!("{what} in {minutes} minutes: {count:.0}"), todo);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use shared::policy::Health as Rules;
    use shared::policy::health::{Expectations, Expected};

    use super::{Facts, Part, absent, verdict};
    use crate::decision::{Findings, Health, Verdict};

    fn good() -> Facts {
        Facts {
            status: "ACTIVE".to_owned(),
            point_in_time: Some(Ok("ENABLED".to_owned())),
            ..Facts::default()
        }
    }

    fn of(status: &str) -> Facts {
        Facts { status: status.to_owned(), ..good() }
    }

    fn part(status: &str) -> Vec<Part> {
        vec![Part { name: "by-day".to_owned(), status: status.to_owned() }]
    }

    fn denied() -> Verdict {
        let mut denied = Findings::new();
        denied.unknown("could not be checked: denied", "Allow it.");
        denied.verdict("")
    }

    #[track_caller]
    fn check(facts: &Facts, expected: &Expected, health: Health, reason: &str) {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let verdict = verdict(facts, &Rules::default(), expected, now);
        assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
        assert!(verdict.reason.contains(reason), "{reason}: {verdict:?}");
        let quiet = matches!(health, Health::Healthy | Health::NotApplicable);
        assert_eq!(quiet, verdict.todo.is_empty(), "what is to do: {verdict:?}");
    }

    #[test]
    fn a_table_is_what_its_state_and_those_of_its_parts_say() {
        let since = |text: &str| Facts { created: text.parse().ok(), ..of("CREATING") };
        let unreadable = Facts {
            unreadable_since: "2026-11-20T00:00:00Z".parse().ok(),
            ..of("INACCESSIBLE_ENCRYPTION_CREDENTIALS")
        };
        let indexed = |status: &str| Facts { indexes: part(status), ..good() };
        let replicated = |status: &str| Facts { replicas: part(status), ..good() };
        let cases = [
            (good(), Health::Healthy, "it is active"),
            (of("UPDATING"), Health::Healthy, "it is active while it is updated"),
            (since("2026-11-26T11:30:00Z"), Health::NotApplicable, "it is not there yet"),
            (since("2026-11-26T11:29:59Z"), Health::Degraded, "for too long"),
            (of("DELETING"), Health::Degraded, "it is being deleted"),
            (unreadable, Health::Failed, "its KMS key cannot be used since 2026-11-20"),
            (of("ARCHIVING"), Health::Failed, "it is archived"),
            (of("ARCHIVED"), Health::Failed, "it is archived"),
            (of("REPLICATION_NOT_AUTHORIZED"), Health::Degraded, "it may not replicate"),
            (of("MELTING"), Health::Unknown, "DynamoDB says a state that is not known here: MELTING"),
            (of(""), Health::Unknown, "DynamoDB does not say what state it is in"),
            (Facts::default(), Health::Unknown, "DynamoDB does not say"),
            (indexed("ACTIVE"), Health::Healthy, "it is active"),
            (indexed("CREATING"), Health::Healthy, "it is active"),
            (indexed(""), Health::Unknown, "the state of its index by-day is not said"),
            (indexed("MELTING"), Health::Unknown, "its index by-day is in a state"),
            (replicated("CREATION_FAILED"), Health::Degraded, "its replica by-day does not work"),
            (replicated("REGION_DISABLED"), Health::Degraded, "REGION_DISABLED"),
        ];
        let prod = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            check(&facts, &prod, health, reason);
        }
        assert_eq!(absent().health, Health::Failed);
    }

    #[test]
    fn where_data_is_protected_a_table_can_be_taken_back_to_a_point_in_time() {
        let with = |said| Facts { point_in_time: said, ..good() };
        let cases = [
            (with(Some(Ok("DISABLED".to_owned()))), Health::Degraded, "cannot be taken back"),
            (with(Some(Ok("MELTING".to_owned()))), Health::Unknown, "MELTING"),
            (with(Some(Ok(String::new()))), Health::Unknown, "it is not said whether"),
            (with(None), Health::Unknown, "it is not said whether"),
            (
                with(Some(Err(denied()))),
                Health::Unknown,
                "its point-in-time recovery could not be checked: denied",
            ),
        ];
        let (prod, dev) =
            (Expectations::default().of("prod", true), Expectations::default().of("dev", false));
        for (facts, health, reason) in cases {
            check(&facts, &prod, health, reason);
            check(&facts, &dev, Health::Healthy, "it is active");
        }
    }

    #[test]
    fn one_throttle_counts_and_what_cannot_be_counted_is_unknown() {
        let counted = |name, count| Facts { metrics: BTreeMap::from([(name, count)]), ..good() };
        let prod = Expectations::default().of("prod", true);
        check(&counted("ReadThrottleEvents", 0.0), &prod, Health::Healthy, "it is active");
        check(
            &counted("ReadThrottleEvents", 1.0),
            &prod,
            Health::Degraded,
            "throttled reads in 15 minutes: 1",
        );
        check(
            &counted("WriteThrottleEvents", 7.0),
            &prod,
            Health::Degraded,
            "throttled writes in 15 minutes: 7",
        );
        check(
            &counted("SystemErrors", 2.0),
            &prod,
            Health::Degraded,
            "errors of DynamoDB itself in 15 minutes: 2",
        );
        let unmeasured = Some(denied());
        let facts = Facts { unmeasured: unmeasured.clone(), ..good() };
        check(&facts, &prod, Health::Unknown, "its metrics could not be checked: denied");
        check(&Facts { unmeasured, ..of("ARCHIVED") }, &prod, Health::Failed, "it is archived");
    }
}
