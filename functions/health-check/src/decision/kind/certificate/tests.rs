use jiff::Timestamp;
use shared::policy::health::Thresholds;

use super::{Facts, Unproven, verdict};
use crate::decision::Health;

const NOW: &str = "2026-11-26T12:00:00Z";

fn issued(ends: &str) -> Facts {
    Facts {
        domain: "www.example.com".to_owned(),
        status: "ISSUED".to_owned(),
        sort: "AMAZON_ISSUED".to_owned(),
        users: Some(1),
        ends: Some(ends.parse().unwrap()),
        algorithm: "EC_prime256v1".to_owned(),
        serial: "0a:1b".to_owned(),
        eligible: "ELIGIBLE".to_owned(),
        ..Facts::default()
    }
}

fn renewal(word: &str, facts: Facts) -> Facts {
    Facts { renewal: word.to_owned(), ..facts }
}

fn status(word: &str) -> Facts {
    Facts { status: word.to_owned(), ..issued("2027-11-26T12:00:00Z") }
}

fn imported(ends: &str) -> Facts {
    Facts { sort: "IMPORTED".to_owned(), eligible: "INELIGIBLE".to_owned(), ..issued(ends) }
}

#[track_caller]
fn holds(cases: Vec<(Facts, Health, &str)>) {
    let now: Timestamp = NOW.parse().unwrap();
    for (facts, health, reason) in cases {
        let verdict = verdict(&facts, &Thresholds::default(), now);
        assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
        assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
        let nothing_to_do = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
        assert_eq!(nothing_to_do, verdict.todo.is_empty(), "{verdict:?}");
    }
}

#[test]
fn the_dates_count_and_not_only_the_status() {
    holds(vec![
        (issued("2027-11-26T12:00:00Z"), Health::Healthy, "it is valid until 2027-11-26"),
        (issued("2026-11-26T12:00:00Z"), Health::Failed, "it expired on 2026-11-26"),
        (issued("2026-11-26T12:00:01Z"), Health::Failed, "it ends in less than a day"),
        // Seven days, and thirty.
        (issued("2026-12-03T12:00:00Z"), Health::Failed, "it ends in 7 days, and is not renewed"),
        (issued("2026-12-03T12:00:01Z"), Health::Degraded, "it ends in 7 days"),
        (issued("2026-12-26T12:00:00Z"), Health::Degraded, "it ends in 30 days"),
        (issued("2026-12-26T12:00:01Z"), Health::Healthy, "it is valid until 2026-12-26"),
        (imported("2026-12-10T12:00:00Z"), Health::Degraded, "it ends in 14 days"),
        (imported("2026-12-01T12:00:00Z"), Health::Failed, "it ends in 5 days"),
        (Facts { ends: None, ..issued(NOW) }, Health::Unknown, "until when it is valid"),
    ]);
}

#[test]
fn what_acm_is_about_to_renew_is_healthy_until_it_nearly_ends() {
    let soon = || issued("2026-12-10T12:00:00Z");
    let unproven = |record: Option<(&str, &str)>| Unproven {
        domain: "www.example.com".to_owned(),
        record: record.map(|(name, value)| (name.to_owned(), value.to_owned())),
    };
    let waits = |unproven: Vec<Unproven>| Facts { unproven, ..renewal("PENDING_VALIDATION", soon()) };
    holds(vec![
        (renewal("PENDING_AUTO_RENEWAL", soon()), Health::Healthy, "it is valid until 2026-12-10"),
        (renewal("SUCCESS", soon()), Health::Healthy, "it is valid until 2026-12-10"),
        (renewal("SUCCESS", issued("2026-12-01T12:00:00Z")), Health::Failed, "it ends in 5 days"),
        (renewal("SUCCESS", imported("2026-12-10T12:00:00Z")), Health::Degraded, "it ends in 14 days"),
        (
            Facts { eligible: String::new(), ..renewal("SUCCESS", soon()) },
            Health::Degraded,
            "it ends in 14 days",
        ),
        (waits(vec![]), Health::Degraded, "it waits for the proof of its domains"),
        (
            waits(vec![unproven(Some(("_a", "_b")))]),
            Health::Degraded,
            "it waits for the proof of www.example.com",
        ),
        // A renewal that waits is bad however long the certificate lasts.
        (
            renewal("PENDING_VALIDATION", issued("2027-06-01T00:00:00Z")),
            Health::Degraded,
            "ACM cannot renew it",
        ),
        (
            Facts { renewal_failure: "CAA_ERROR".to_owned(), ..renewal("FAILED", soon()) },
            Health::Degraded,
            "ACM could not renew it: CAA_ERROR",
        ),
        (renewal("PAUSED", issued("2027-06-01T00:00:00Z")), Health::Unknown, "not known here: PAUSED"),
    ]);
    let now = NOW.parse().unwrap();
    let todo = |facts: &Facts| verdict(facts, &Thresholds::default(), now).todo.join(" ");
    let record = Some(("_a.example.com.", "_b.acm-validations.aws."));
    assert!(todo(&waits(vec![unproven(record)])).contains("_a.example.com. CNAME _b.acm-validations.aws."));
    assert!(todo(&waits(vec![unproven(None)])).contains("Answer ACM's mails"));
    assert!(todo(&imported("2026-12-10T12:00:00Z")).contains("never renews what was imported"));
}

#[test]
fn a_certificate_is_what_its_status_says_where_that_is_not_issued() {
    holds(vec![
        (status("EXPIRED"), Health::Failed, "it expired on 2027-11-26"),
        (status("REVOKED"), Health::Failed, "it is revoked"),
        (status("INACTIVE"), Health::Failed, "INACTIVE"),
        (status("VALIDATION_TIMED_OUT"), Health::Failed, "VALIDATION_TIMED_OUT"),
        (Facts { failure: "CAA_ERROR".to_owned(), ..status("FAILED") }, Health::Failed, "FAILED: CAA_ERROR"),
        (status("PENDING_VALIDATION"), Health::Degraded, "not issued yet"),
        (status("FORGED"), Health::Unknown, "not known here: FORGED"),
        (status(""), Health::Unknown, "what status it has"),
        (Facts::default(), Health::Unknown, "what status it has"),
        (Facts { gone: true, ..Facts::default() }, Health::Failed, "does not exist any more"),
    ]);
}

#[test]
fn what_nothing_uses_is_not_judged_and_silence_about_it_is_not_disuse() {
    let ended = || issued("2026-11-01T00:00:00Z");
    holds(vec![
        (Facts { users: Some(0), ..ended() }, Health::NotApplicable, "nothing uses it"),
        (Facts { users: None, ..ended() }, Health::Failed, "it expired on 2026-11-01"),
    ]);
}
