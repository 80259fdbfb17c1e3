use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, proptest};
use rcgen::KeyPair;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::{Authority, Day, FUTURE, PAST, present};
use super::{address, chain, check};
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::observe::http::Probes;
use crate::wire::{Reply, Wire, now};

/// What is said of this port on loopback by who trusts these.
async fn looked(roots: RootCertStore, host: &str, port: u16) -> Verdict {
    within(Duration::from_secs(3), roots, host, port).await
}

/// The same with another limit for the handshake.
async fn within(limit: Duration, roots: RootCertStore, host: &str, port: u16) -> Verdict {
    let wire = Wire::new(|_| Reply::error(500, "Nobody"));
    let ask = wire.ask();
    let mut probes = Probes::trusting(roots);
    probes.limits.answer = limit;
    let name = format!("{host}:{port}");
    check(&ask, &probes, &[Component::new(Kind::Tls, &name)]).await;
    ask.verdict(Kind::Tls, &name).unwrap()
}

async fn presented(roots: RootCertStore, chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Verdict {
    looked(roots, "localhost", present(chain, key).await).await
}

fn seen<'a>(verdict: &'a Verdict, name: &str) -> Option<&'a str> {
    verdict.evidence.iter().find(|fact| fact.name == name).map(|fact| fact.value.as_str())
}

#[track_caller]
fn assert(verdict: &Verdict, health: Health, reason: &str) {
    assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{verdict:?}");
}

#[tokio::test]
async fn a_certificate_is_judged_by_when_it_ends() {
    let root = Authority::root("Root", FUTURE);
    let middle = root.intermediate("Middle", FUTURE);
    let cases: [(Day, Health, &str); 4] = [
        ((2027, 6, 14), Health::Healthy, "its certificate is valid until 2027-06-14"),
        ((2026, 12, 17), Health::Degraded, "its certificate ends on 2026-12-17, in 20 days"),
        ((2026, 12, 2), Health::Failed, "its certificate ends on 2026-12-02, in 5 days"),
        ((2026, 11, 20), Health::Failed, "its certificate expired on 2026-11-20, 6 days ago"),
    ];
    for (until, health, reason) in cases {
        let (leaf, key) = middle.leaf("localhost", until);
        let verdict = presented(root.trusted(), vec![leaf, middle.der.clone()], &key).await;
        assert(&verdict, health, reason);
        assert_eq!(seen(&verdict, "Earliest end of those on the way"), Some("2046-01-01: Middle"));
    }
}

#[tokio::test]
async fn a_good_certificate_behind_an_intermediate_that_expired_fails_and_the_intermediate_is_named() {
    let root = Authority::root("Root", FUTURE);
    let middle = root.intermediate("QuoVadis-like CA", (2026, 11, 1));
    let (leaf, key) = middle.leaf("localhost", (2027, 9, 26));
    let verdict = presented(root.trusted(), vec![leaf, middle.der.clone()], &key).await;
    let reason = "the intermediate certificate QuoVadis-like CA expired on 2026-11-01, and no other path leads to a \
                  root that is trusted";
    assert(&verdict, Health::Failed, reason);
    assert_eq!(seen(&verdict, "Certificate ends"), Some("2027-09-26"));
}

#[tokio::test]
async fn an_intermediate_that_ends_soon_counts_though_the_certificate_lasts() {
    let root = Authority::root("Root", FUTURE);
    let middle = root.intermediate("Middle", (2026, 12, 17));
    let (leaf, key) = middle.leaf("localhost", (2027, 9, 26));
    let verdict = presented(root.trusted(), vec![leaf, middle.der.clone()], &key).await;
    assert(&verdict, Health::Degraded, "the intermediate certificate Middle ends on 2026-12-17, in 20 days");
    assert_eq!(seen(&verdict, "Verified path ends"), Some("2026-12-17"));
}

#[tokio::test]
async fn an_expired_cross_sign_and_root_do_no_harm_where_another_path_is_good() {
    // As with DST Root CA X3: the old root has expired and still is presented; the new one is trusted by itself.
    let old = Authority::root("Old Root", (2021, 9, 30));
    let new = Authority::root("New Root", FUTURE);
    let cross = old.cross(&new, (2021, 9, 29));
    let middle = new.intermediate("Middle", FUTURE);
    let (leaf, key) = middle.leaf("localhost", (2027, 6, 14));
    let chain = vec![leaf, middle.der.clone(), cross, old.der.clone()];
    let verdict = presented(new.trusted(), chain.clone(), &key).await;
    assert(&verdict, Health::Healthy, "its certificate is valid until 2027-06-14");
    assert_eq!(seen(&verdict, "Expired and not needed"), Some("New Root, Old Root"));
    assert_eq!(seen(&verdict, "Earliest end of those on the way"), Some("2021-09-29: New Root"));
    assert_eq!(seen(&verdict, "Verified path ends"), Some("2027-06-14"));

    // Who trusts the old root alone is left with the path that has expired.
    let verdict = presented(old.trusted(), chain, &key).await;
    let reason = "the intermediate certificate New Root expired on 2021-09-29, and no other path leads to a root \
                  that is trusted";
    assert(&verdict, Health::Failed, reason);
}

#[tokio::test]
async fn an_expired_certificate_is_expired_and_called_untrusted_only_if_it_is() {
    let (root, stranger) = (Authority::root("Root", FUTURE), Authority::root("Stranger", FUTURE));
    let (leaf, key) = root.leaf("localhost", (2026, 11, 20));
    let expired = "its certificate expired on 2026-11-20, 6 days ago";
    assert(&presented(root.trusted(), vec![leaf.clone()], &key).await, Health::Failed, expired);
    let both = presented(stranger.trusted(), vec![leaf], &key).await;
    let reason = format!("{expired}; Root, which issued localhost, is neither presented nor trusted");
    assert(&both, Health::Failed, &reason);
}

#[tokio::test]
async fn who_is_not_trusted_is_named() {
    let (root, stranger) = (Authority::root("Root", FUTURE), Authority::root("Stranger", FUTURE));
    let middle = root.intermediate("Middle", FUTURE);
    let (leaf, key) = middle.leaf("localhost", (2027, 6, 14));
    let alone = presented(root.trusted(), vec![leaf.clone()], &key).await;
    assert(&alone, Health::Failed, "Middle, which issued localhost, is neither presented nor trusted");
    let whole = vec![leaf, middle.der.clone(), root.der.clone()];
    let verdict = presented(stranger.trusted(), whole.clone(), &key).await;
    assert(&verdict, Health::Failed, "the root Root is not trusted");
    let rootless = presented(RootCertStore::empty(), whole, &key).await;
    assert_eq!(rootless.health, Health::Unknown, "{rootless:?}");
    assert!(rootless.reason.contains("no certificate authority is trusted here"), "{rootless:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_says_whose_it_is() {
    let root = Authority::root("Root", FUTURE);
    let (leaf, key) = root.leaf("www.example.com", (2027, 6, 14));
    let verdict = presented(root.trusted(), vec![leaf], &key).await;
    assert(&verdict, Health::Failed, "its certificate is for www.example.com, not for localhost");
    let (leaf, key) = root.leaf("127.0.0.1", (2027, 6, 14));
    let port = present(vec![leaf], &key).await;
    let verdict = looked(root.trusted(), "127.0.0.1", port).await;
    assert(&verdict, Health::Healthy, "its certificate is valid until 2027-06-14");
}

#[tokio::test]
async fn a_new_certificate_has_a_new_fingerprint() {
    let root = Authority::root("Root", FUTURE);
    let mut fingerprints = Vec::new();
    let (leaf, key) = root.leaf("localhost", (2027, 6, 14));
    let (renewed, other) = root.leaf("localhost", (2027, 6, 14));
    for (leaf, key) in [(&leaf, &key), (&leaf, &key), (&renewed, &other)] {
        let verdict = presented(root.trusted(), vec![leaf.clone()], key).await;
        fingerprints.push(seen(&verdict, "Fingerprint").unwrap().to_owned());
    }
    assert_eq!(fingerprints[0].len(), 64);
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_ne!(fingerprints[0], fingerprints[2]);
}

#[tokio::test]
async fn what_speaks_no_tls_or_nothing_at_all_is_told_apart() {
    let roots = || Authority::root("Root", FUTURE).trusted();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        // Plain HTTP, a closed door, and silence.
        let (mut plain, _) = listener.accept().await.unwrap();
        plain.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let (mut closed, _) = listener.accept().await.unwrap();
        drop(closed.read(&mut [0; 1024]).await);
        drop(closed);
        let (silent, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop((plain, silent, listener));
    });
    assert(&looked(roots(), "localhost", port).await, Health::Failed, "it does not speak TLS");
    let closed = looked(roots(), "localhost", port).await;
    assert!(closed.reason.starts_with("the TLS handshake fails: "), "{closed:?}");
    let silent = within(Duration::from_millis(100), roots(), "localhost", port).await;
    assert!(silent.reason.contains("not finished within"), "{silent:?}");
    served.abort();
    drop(served.await);
    assert(&looked(roots(), "localhost", port).await, Health::Failed, "the connection is refused");
}

#[tokio::test]
async fn metadata_addresses_are_not_asked_and_a_name_is_needed() {
    let verdict = looked(RootCertStore::empty(), "169.254.169.254", 443).await;
    assert_eq!(verdict.health, Health::Unknown);
    assert!(verdict.reason.contains("metadata"), "{verdict:?}");

    let wire = Wire::new(|_| Reply::error(500, "Nobody"));
    let ask = wire.ask();
    let of = |name| Component::new(Kind::Tls, name);
    let probes = Probes::trusting(RootCertStore::empty());
    check(&ask, &probes, &[of("localhost:1"), of("127.0.0.1:1"), of("no name:1")]).await;
    let said = ask.said();
    assert!(said["tls-endpoint:localhost:1"].needs.contains("dns-name:localhost"));
    assert!(said["tls-endpoint:127.0.0.1:1"].needs.is_empty());
    assert_eq!(said["tls-endpoint:no name:1"].verdict.health, Health::Failed);
}

#[test]
fn a_name_has_a_port_or_that_of_https() {
    for (name, expected) in [
        ("www.example.com:8443", ("www.example.com", 8443)),
        ("www.example.com", ("www.example.com", 443)),
        ("[::1]:444", ("::1", 444)),
        ("::1", ("::1", 443)),
        ("[::1]", ("::1", 443)),
        ("www.example.com:", ("www.example.com:", 443)),
    ] {
        assert_eq!(address(name), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_certificate_is_never_accepted(place in any::<proptest::sample::Index>(), bits in 1u8..) {
        let root = Authority::root("Root", FUTURE);
        let (leaf, _) = root.leaf("localhost", (2027, 6, 14));
        let mut bytes = leaf.as_ref().to_vec();
        let at = place.index(bytes.len());
        bytes[at] ^= bits;
        let mangled = CertificateDer::from(bytes);
        let read = [chain::read(&mangled)];
        let path = chain::path(&mangled, &[], &read, &root.trusted(), now());
        assert!(!matches!(path, crate::decision::kind::tls_endpoint::Path::Until(_)), "{path:?}");
        let _ = chain::fits(&mangled, "localhost");
    }
}

#[test]
fn what_stands_in_a_certificate_is_read() {
    let root = Authority::root("Root", FUTURE);
    let (leaf, _) = root.leaf("localhost", (2027, 6, 14));
    let read = chain::read(&leaf);
    let day = |at: Option<jiff::Timestamp>| at.unwrap().strftime("%F").to_string();
    assert_eq!((day(read.begins), PAST), ("2015-01-01".to_owned(), (2015, 1, 1)));
    assert_eq!(
        (day(read.ends).as_str(), read.names.as_slice()),
        ("2027-06-14", &["localhost".to_owned()][..])
    );
}
