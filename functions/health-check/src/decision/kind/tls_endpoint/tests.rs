use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;

use super::{Away, Facts, Path, Shown, Trouble, called, days, verdict};
use crate::decision::Health;
use crate::decision::kind::dns_name::Unresolved;

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn at(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

fn shown(subject: &str, issuer: &str, ends: Timestamp) -> Shown {
    Shown {
        subject: format!("CN={subject}"),
        issuer: format!("CN={issuer}"),
        begins: Some(at(-300)),
        ends: Some(ends),
        names: vec!["www.example.com".to_owned()],
        fingerprint: "ab12".to_owned(),
    }
}

/// A good one, whose certificate ends in 200 days.
fn good() -> Facts {
    Facts {
        host: "www.example.com".to_owned(),
        away: None,
        trouble: None,
        chain: vec![shown("www.example.com", "Mid", at(200)), shown("Mid", "Root", at(900))],
        path: Path::Until(at(200)),
        fits: true,
    }
}

/// One whose certificate ends then.
fn ending(ends: Timestamp) -> Facts {
    let mut facts = good();
    facts.chain[0].ends = Some(ends);
    facts.path = Path::Until(ends);
    facts
}

fn bare(away: Option<Away>, trouble: Option<Trouble>) -> Facts {
    Facts { away, trouble, chain: Vec::new(), ..good() }
}

#[track_caller]
fn check(facts: &Facts, health: Health, reason: &str) {
    let verdict = verdict(facts, &Rules::default(), now());
    assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
    assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "what is to do: {verdict:?}");
    assert!(verdict.todo.iter().all(|todo| todo.ends_with('.')), "{verdict:?}");
}

#[test]
fn a_certificate_is_healthy_until_it_ends_soon_and_expired_when_it_has() {
    let second = SignedDuration::from_secs(1);
    let cases = [
        (good(), Health::Healthy, "its certificate is valid until 2027-06-14"),
        (ending(at(30) + second), Health::Healthy, "its certificate is valid until 2026-12-26"),
        (ending(at(30)), Health::Degraded, "its certificate ends on 2026-12-26, in 30 days"),
        (ending(at(20)), Health::Degraded, "its certificate ends on 2026-12-16, in 20 days"),
        (ending(at(7) + second), Health::Degraded, "its certificate ends on 2026-12-03, in 7 days"),
        (ending(at(7)), Health::Failed, "its certificate ends on 2026-12-03, in 7 days"),
        (ending(now() + second), Health::Failed, "its certificate ends on 2026-11-26, in 0 hours"),
        (ending(now()), Health::Failed, "its certificate expired on 2026-11-26, 0 hours ago"),
        (ending(at(-3)), Health::Failed, "its certificate expired on 2026-11-23, 3 days ago"),
    ];
    for (facts, health, reason) in cases {
        check(&facts, health, reason);
    }
    let mut early = good();
    early.chain[0].begins = Some(at(1));
    check(&early, Health::Failed, "its certificate is not valid before 2026-11-27");
}

#[test]
fn an_intermediate_that_expired_is_named_where_it_is_needed_and_only_seen_where_it_is_not() {
    let mut facts = good();
    facts.chain[1].ends = Some(at(-2));
    facts.path = Path::Expired(Some(at(-2)));
    let reason = "the intermediate certificate Mid expired on 2026-11-24, and no other path leads to a root that is \
                  trusted";
    check(&facts, Health::Failed, reason);

    facts.path = Path::Until(at(200));
    check(&facts, Health::Healthy, "its certificate is valid until 2027-06-14");
    let seen = verdict(&facts, &Rules::default(), now()).evidence;
    assert!(seen.iter().any(|fact| fact.name == "Expired and not needed" && fact.value == "Mid"), "{seen:?}");

    facts.path = Path::Expired(None);
    let reason = "an intermediate certificate expired, and no other path leads to a root that is trusted";
    check(&facts, Health::Failed, reason);
}

#[test]
fn an_intermediate_that_ends_before_the_certificate_counts_as_it_does() {
    let mut facts = good();
    for (ends, health, reason) in [
        (at(6), Health::Failed, "the intermediate certificate Mid ends on 2026-12-02, in 6 days"),
        (at(20), Health::Degraded, "the intermediate certificate Mid ends on 2026-12-16, in 20 days"),
        (at(100), Health::Healthy, "its certificate is valid until 2027-06-14"),
    ] {
        facts.chain[1].ends = Some(ends);
        facts.path = Path::Until(ends);
        check(&facts, health, reason);
    }
}

#[test]
fn who_is_not_trusted_is_named() {
    let chain = |chain: Vec<Shown>| Facts { chain, path: Path::Untrusted, ..good() };
    let leaf = || shown("www.example.com", "Mid", at(200));
    let cases = [
        (chain(vec![leaf()]), "Mid, which issued www.example.com, is neither presented nor trusted"),
        (
            chain(vec![leaf(), shown("Mid", "Root", at(900))]),
            "Root, which issued Mid, is neither presented nor trusted",
        ),
        (
            chain(vec![leaf(), shown("Root", "Root", at(900)), shown("Mid", "Root", at(900))]),
            "the root Root is not trusted",
        ),
        (chain(vec![shown("a", "a", at(200))]), "its certificate is signed by itself"),
        (
            // In a circle: nobody is the root.
            chain(vec![leaf(), shown("Mid", "Top", at(900)), shown("Top", "Mid", at(900))]),
            "no path leads to a root that is trusted",
        ),
    ];
    for (facts, reason) in cases {
        check(&facts, Health::Failed, reason);
    }
    check(
        &Facts { path: Path::Unjudged("no root is known here".to_owned()), ..good() },
        Health::Unknown,
        "whether its certificate is trusted could not be checked: no root is known here",
    );
    check(
        &Facts { path: Path::Broken("BadSignature".to_owned()), ..good() },
        Health::Failed,
        "its certificate is not accepted: BadSignature",
    );
}

#[test]
fn another_name_is_told_beside_what_else_is_wrong() {
    let other = Facts { host: "api.example.com".to_owned(), fits: false, ..good() };
    check(&other, Health::Failed, "its certificate is for www.example.com, not for api.example.com");
    let mut expired = Facts { fits: false, ..ending(at(-3)) };
    expired.chain[0].names = (1..=7).map(|n| format!("n{n}")).collect();
    let reason = "its certificate expired on 2026-11-23, 3 days ago; its certificate is for n1, n2, n3, n4, n5 and 2 \
                  more, not for www.example.com";
    check(&expired, Health::Failed, reason);
    expired.chain[0].names.clear();
    assert!(verdict(&expired, &Rules::default(), now()).reason.contains("for no name, not for"));
}

#[test]
fn without_a_certificate_the_reason_is_told_in_words() {
    let limit = SignedDuration::from_secs(10);
    let cases = [
        (bare(Some(Away::Refused), None), Health::Failed, "the connection is refused"),
        (bare(Some(Away::TimedOut(limit)), None), Health::Failed, "no answer within 10 s"),
        (bare(Some(Away::Unresolved(Unresolved::Absent)), None), Health::Failed, "the name does not resolve"),
        (
            bare(Some(Away::Unresolved(Unresolved::TimedOut(limit))), None),
            Health::Unknown,
            "the name was not resolved within 10 s",
        ),
        (
            bare(Some(Away::Forbidden), None),
            Health::Unknown,
            "it leads to a link-local or metadata address, which is not asked",
        ),
        (bare(Some(Away::Broken("reset".to_owned())), None), Health::Failed, "there is no answer: reset"),
        (bare(None, Some(Trouble::NotTls)), Health::Failed, "it does not speak TLS"),
        (
            bare(None, Some(Trouble::Alert("UnrecognisedName".to_owned()))),
            Health::Failed,
            "it refuses the TLS handshake: UnrecognisedName",
        ),
        (bare(None, None), Health::Unknown, "it presented no certificate"),
    ];
    for (facts, health, reason) in cases {
        check(&facts, health, reason);
    }
    for trouble in [Trouble::Expired, Trouble::NotYet, Trouble::Untrusted, Trouble::OtherName] {
        let verdict = verdict(&bare(None, Some(trouble)), &Rules::default(), now());
        assert_eq!((verdict.health, verdict.todo.len()), (Health::Failed, 1), "{verdict:?}");
    }
}

#[test]
fn a_refusal_after_the_certificates_is_no_fault_of_theirs_and_a_broken_handshake_is() {
    let asks = Facts { trouble: Some(Trouble::Alert("CertificateRequired".to_owned())), ..good() };
    check(&asks, Health::Healthy, "its certificate is valid until 2027-06-14");
    let broken = Facts { trouble: Some(Trouble::Other("BadSignature".to_owned())), ..good() };
    check(&broken, Health::Failed, "the TLS handshake fails: BadSignature");
}

#[test]
fn a_certificate_that_cannot_be_read_is_unknown_and_never_healthy() {
    let facts = Facts { chain: vec![Shown::default()], ..good() };
    check(&facts, Health::Unknown, "its certificate cannot be read");
}

#[test]
fn what_was_seen_has_the_three_ends_and_the_fingerprint() {
    let evidence = verdict(&good(), &Rules::default(), now()).evidence;
    let evidence: Vec<_> = evidence.iter().map(|fact| (fact.name.as_str(), fact.value.as_str())).collect();
    let expected = [
        ("Names", "www.example.com"),
        ("Issued by", "Mid"),
        ("Certificate ends", "2027-06-14"),
        ("Days left", "200"),
        ("Earliest end of those on the way", "2029-05-14: Mid"),
        ("Verified path ends", "2027-06-14"),
        ("Fingerprint", "ab12"),
    ];
    assert_eq!(evidence, expected);
}

#[test]
fn a_name_and_a_time_are_told_as_people_say_them() {
    for (name, expected) in [
        ("CN=Mid", "Mid"),
        ("C=AT,O=Some,CN=Mid", "Mid"),
        ("CN=Mid\\, Ltd,O=Some", "Mid\\, Ltd"),
        ("CN=Mid+OU=x,O=Some", "Mid"),
        ("O=Some", "O=Some"),
        ("", "a certificate without a subject"),
    ] {
        assert_eq!(called(name), expected, "{name}");
    }
    for (hours, expected) in
        [(0, "0 hours"), (1, "1 hour"), (47, "47 hours"), (48, "2 days"), (71, "2 days"), (240, "10 days")]
    {
        assert_eq!(days(SignedDuration::from_hours(hours)), expected);
    }
}
