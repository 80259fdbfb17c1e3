use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::policy::Health as Rules;
use shared::policy::health::{Expectations, Expected};

use super::{Facts, absent, verdict};
use crate::decision::{Findings, Health, Verdict};

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn prod() -> Expected {
    Expectations::default().of("prod", true)
}

fn metrics(values: &[(&'static str, f64)]) -> BTreeMap<&'static str, f64> {
    let mut all = BTreeMap::from([
        ("CPUUtilization", 12.5),
        ("DatabaseConnections", 40.0),
        ("FreeStorageSpace", 50.0 * super::GIB),
    ]);
    all.extend(values.iter().copied());
    all
}

fn good() -> Facts {
    Facts {
        status: "available".to_owned(),
        engine: "postgres".to_owned(),
        class: "db.t4g.medium".to_owned(),
        created: Some(at("2026-01-01T00:00:00Z")),
        multi_az: Some(true),
        encrypted: Some(true),
        kept_days: Some(7),
        deletion_protection: Some(true),
        public: Some(false),
        storage_gib: Some(100),
        metrics: metrics(&[]),
        ..Facts::default()
    }
}

fn of(status: &str) -> Facts {
    Facts { status: status.to_owned(), ..good() }
}

fn measured(values: &[(&'static str, f64)]) -> Facts {
    Facts { metrics: metrics(values), ..good() }
}

#[track_caller]
fn check(facts: &Facts, expected: &Expected, health: Health, reason: &str) -> Verdict {
    let verdict = verdict(facts, &Rules::default(), expected, now());
    assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
    assert!(verdict.reason.contains(reason), "{reason}: {verdict:?}");
    let quiet = matches!(health, Health::Healthy | Health::NotApplicable);
    assert_eq!(quiet, verdict.todo.is_empty(), "what is to do: {verdict:?}");
    verdict
}

#[test]
fn the_status_is_free_text_and_only_what_is_known_is_healthy() {
    let cases = [
        ("available", Health::Healthy, "it is available"),
        ("backing-up", Health::Healthy, "it is up: backing-up"),
        ("modifying", Health::Healthy, "it is up: modifying"),
        ("storage-optimization", Health::Healthy, "it is up: storage-optimization"),
        ("maintenance", Health::Degraded, "it may not answer for a while: maintenance"),
        ("rebooting", Health::Degraded, "it may not answer for a while: rebooting"),
        ("upgrading", Health::Degraded, "upgrading"),
        ("deleting", Health::Degraded, "it is being deleted"),
        ("stopped", Health::Failed, "it is stopped"),
        ("stopping", Health::Failed, "it is stopping"),
        ("failed", Health::Failed, "it does not work: failed"),
        ("storage-full", Health::Failed, "it does not work: storage-full"),
        ("restore-error", Health::Failed, "restore-error"),
        ("insufficient-capacity", Health::Failed, "insufficient-capacity"),
        ("incompatible-network", Health::Failed, "incompatible-network"),
        ("incompatible-anything", Health::Failed, "incompatible-anything"),
        ("inaccessible-encryption-credentials", Health::Failed, "inaccessible-encryption-credentials"),
        ("inaccessible-encryption-credentials-recoverable", Health::Failed, "recoverable"),
        ("Available", Health::Unknown, "RDS says a state that is not known here: Available"),
        ("melting", Health::Unknown, "RDS says a state that is not known here: melting"),
        ("", Health::Unknown, "RDS does not say what state it is in"),
    ];
    for (status, health, reason) in cases {
        check(&of(status), &prod(), health, reason);
    }
    assert_eq!(absent().health, Health::Failed);
    check(&Facts::default(), &prod(), Health::Unknown, "RDS does not say what state it is in");
}

#[test]
fn what_is_created_is_not_bad_until_it_takes_too_long() {
    let since = |text: &str| Facts { created: Some(at(text)), ..of("creating") };
    check(&since("2026-11-26T11:30:00Z"), &prod(), Health::NotApplicable, "not there yet");
    check(&since("2026-11-26T11:29:59Z"), &prod(), Health::Degraded, "it is creating for too long");
    check(&Facts { created: None, ..of("creating") }, &prod(), Health::NotApplicable, "not there yet");
}

#[test]
fn what_the_environment_has_to_have_is_missed() {
    let cases = [
        (Facts { multi_az: Some(false), ..good() }, Health::Degraded, "no standby in another zone"),
        (Facts { multi_az: None, ..good() }, Health::Unknown, "whether a standby is in another zone"),
        (Facts { encrypted: Some(false), ..good() }, Health::Degraded, "its storage is not encrypted"),
        (Facts { kept_days: Some(0), ..good() }, Health::Degraded, "it makes no automated backups"),
        (Facts { kept_days: None, ..good() }, Health::Unknown, "whether it makes backups"),
        (Facts { deletion_protection: Some(false), ..good() }, Health::Degraded, "not protected from"),
        (Facts { public: Some(true), ..good() }, Health::Degraded, "it has a public address"),
    ];
    for (facts, health, reason) in cases {
        check(&facts, &prod(), health, reason);
    }
    let bare = Facts {
        multi_az: Some(false),
        encrypted: Some(false),
        kept_days: Some(0),
        deletion_protection: None,
        ..good()
    };
    let dev = Expectations::default().of("dev", false);
    check(&bare, &dev, Health::Healthy, "it is available");
    check(&Facts { public: Some(true), ..bare }, &dev, Health::Degraded, "public");
    check(&of("stopped"), &dev, Health::NotApplicable, "it is stopped");
}

#[test]
fn a_member_and_a_replica_are_not_asked_for_what_another_has_for_them() {
    let name = || Some("orders".to_owned());
    let bare = Facts { multi_az: Some(false), kept_days: Some(0), ..good() };
    let member = Facts { cluster: name(), encrypted: None, deletion_protection: Some(false), ..bare.clone() };
    check(&member, &prod(), Health::Healthy, "it is available");
    check(&Facts { public: Some(true), ..member }, &prod(), Health::Degraded, "public");
    let replica = Facts { replica_of: name(), ..bare };
    check(&replica, &prod(), Health::Healthy, "it is available");
    check(&Facts { encrypted: Some(false), ..replica.clone() }, &prod(), Health::Degraded, "encrypted");
    let broken = Facts { replication: vec!["error: duplicate key".to_owned()], ..replica };
    check(&broken, &prod(), Health::Degraded, "its replication is not normal: error: duplicate key");
}

#[test]
fn what_is_measured_counts_from_its_threshold_on() {
    let gib = super::GIB;
    let tagged = |most: &str, open: f64| Facts {
        most_connections: Some(most.to_owned()),
        ..measured(&[("DatabaseConnections", open)])
    };
    let cases = [
        (measured(&[("CPUUtilization", 59.9)]), Health::Healthy, "it is available"),
        (measured(&[("CPUUtilization", 60.0)]), Health::Degraded, "its CPU is at 60.0 %"),
        (measured(&[("FreeStorageSpace", 15.1 * gib)]), Health::Healthy, "it is available"),
        (measured(&[("FreeStorageSpace", 15.0 * gib)]), Health::Degraded, "its storage is at 85.0 %"),
        (tagged("100", 79.0), Health::Healthy, "it is available"),
        (tagged("100", 80.0), Health::Degraded, "its use of 100 connections is at 80.0 %"),
        (
            tagged("many", 1.0),
            Health::Unknown,
            "its tag watchkeeper:max-connections is not a number above 0: many",
        ),
        (tagged("0", 1.0), Health::Unknown, "is not a number above 0: 0"),
        (measured(&[("DatabaseConnections", 5_000.0)]), Health::Healthy, "it is available"),
        (Facts { storage_gib: None, ..good() }, Health::Unknown, "how much of its storage is in use"),
        (Facts { storage_gib: Some(0), ..good() }, Health::Unknown, "how much of its storage is in use"),
    ];
    for (facts, health, reason) in cases {
        check(&facts, &prod(), health, reason);
    }
    let aurora = Facts {
        engine: "aurora-postgresql".to_owned(),
        storage_gib: Some(1),
        ..measured(&[("FreeStorageSpace", 1.0)])
    };
    check(&aurora, &prod(), Health::Healthy, "it is available");
    let mut unopened = tagged("100", 1.0);
    unopened.metrics.remove("DatabaseConnections");
    check(&unopened, &prod(), Health::Unknown, "how many connections are open is not known");
}

#[test]
fn silence_is_never_healthy_unless_it_is_young_paused_or_being_changed() {
    let silent = |status: &str| Facts { metrics: BTreeMap::new(), ..of(status) };
    check(&silent("available"), &prod(), Health::Degraded, "it is silent: no metric came for 10 minutes");
    check(&silent("modifying"), &prod(), Health::Healthy, "it is up: modifying");
    check(&silent("stopped"), &prod(), Health::Failed, "it is stopped");
    let since = |text: &str| Facts { created: Some(at(text)), ..silent("available") };
    check(&since("2026-11-26T11:50:00Z"), &prod(), Health::Degraded, "it is silent");
    check(&since("2026-11-26T11:50:01Z"), &prod(), Health::Healthy, "it is available");
    check(&Facts { created: None, ..silent("available") }, &prod(), Health::Degraded, "it is silent");
    let paused = Facts {
        class: "db.serverless".to_owned(),
        metrics: BTreeMap::from([("ServerlessDatabaseCapacity", 0.0)]),
        ..good()
    };
    check(&paused, &prod(), Health::NotApplicable, "it is paused");
    check(&Facts { class: "db.t4g.micro".to_owned(), ..paused }, &prod(), Health::Degraded, "it is silent");
}

#[test]
fn metrics_that_cannot_be_asked_are_unknown_and_do_not_hide_what_failed() {
    let mut denied = Findings::new();
    denied.unknown("could not be checked: denied", "Allow it.");
    let unmeasured = Some(denied.verdict(""));
    let facts = Facts { unmeasured: unmeasured.clone(), metrics: BTreeMap::new(), ..good() };
    let verdict = check(&facts, &prod(), Health::Unknown, "its metrics could not be checked: denied");
    assert_eq!(verdict.todo, ["Allow it."]);
    check(&Facts { unmeasured, ..of("storage-full") }, &prod(), Health::Failed, "storage-full");
}

#[test]
fn what_ends_or_cannot_be_rotated_is_told() {
    let ends = |text: &str| Facts { certificate_ends: Some(at(text)), ..good() };
    check(&ends("2026-12-26T12:00:01Z"), &prod(), Health::Healthy, "it is available");
    check(&ends("2026-12-26T12:00:00Z"), &prod(), Health::Degraded, "certificate ends on 2026-12-26");
    check(&ends("2026-12-03T12:00:00Z"), &prod(), Health::Failed, "certificate ends on 2026-12-03");
    check(&Facts { secret: "impaired".to_owned(), ..good() }, &prod(), Health::Degraded, "cannot rotate");
    let maintained = Facts { maintenance: vec!["system-update".to_owned()], ..good() };
    let verdict = check(&maintained, &prod(), Health::Healthy, "it is available");
    assert!(verdict.evidence.iter().any(|fact| fact.value == "system-update"), "{verdict:?}");
}
