//! Names, by the system's resolver: it is the one that what is checked uses, too.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::http::Probes;
use shared::address;

use crate::component::Component;
use crate::decision::kind::dns_name::{Facts, Unresolved, verdict};
use crate::sweep::{Api, Ask};

/// Resolves a name, and takes its time.
pub(super) type Lookup = fn(&str) -> io::Result<Vec<IpAddr>>;

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, probes: &Probes, names: &[Component]) {
    join_all(names.iter().map(|name| one(ask, probes, name))).await;
}

async fn one(ask: &Ask<'_>, probes: &Probes, name: &Component) {
    let found = {
        let _turn = ask.turn(Api::Probe).await;
        resolve(probes.lookup, probes.limits.resolve, &name.name).await
    };
    ask.say(name, verdict(&Facts { found }));
}

/// The addresses of a name; at least one.
pub(super) async fn resolve(lookup: Lookup, limit: Duration, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
    let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    // The system's resolver waits for its answer; a thread of its own waits with it.
    let asked = tokio::task::spawn_blocking(move || lookup(&name));
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(Ok(addresses))) if addresses.is_empty() => Err(Unresolved::Absent),
        Ok(Ok(answer)) => answer.map_err(|error| unresolved(&error)),
        Ok(Err(_)) => Err(Unresolved::Unsure("the resolver gave up".to_owned())),
        Err(_) => Err(Unresolved::TimedOut(SignedDuration::try_from(limit).unwrap_or_default())),
    }
}

/// By the system's resolver.
pub(super) fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// What the resolver means; it has words only: of glibc, musl and macOS, for `EAI_NONAME` and `EAI_NODATA`.
fn unresolved(error: &io::Error) -> Unresolved {
    const ABSENT: [&str; 5] = [
        "not known",
        "No address associated",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname",
    ];
    let said = error.to_string();
    if error.kind() == io::ErrorKind::NotFound || ABSENT.iter().any(|words| said.contains(words)) {
        return Unresolved::Absent;
    }
    // `failed to lookup address information: Temporary failure in name resolution`
    let said = said.rsplit_once("information: ").map_or(said.as_str(), |(_, why)| why);
    Unresolved::Unsure(said.to_owned())
}

/// Whether a host is a name, and no address.
pub(super) fn is_name(host: &str) -> bool {
    address::literal(host).is_none()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;
    use std::sync::Barrier;
    use std::time::Duration;

    use rustls::RootCertStore;

    use super::{check, unresolved};
    use crate::component::{Component, Kind};
    use crate::decision::Health;
    use crate::decision::kind::dns_name::Unresolved;
    use crate::observe::http::Probes;
    use crate::wire::{Reply, Wire};

    /// Who answers for the slow name, and who has given up waiting for it.
    static ANSWERED: Barrier = Barrier::new(2);

    fn names(name: &str) -> io::Result<Vec<IpAddr>> {
        match name {
            "here.test" => Ok(vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]),
            "empty.test" => Ok(Vec::new()),
            "slow.test" => {
                // Answered only when nobody waits for it any more.
                ANSWERED.wait();
                Ok(vec!["10.0.0.1".parse().unwrap()])
            }
            "sick.test" => Err(io::Error::other(
                "failed to lookup address information: Temporary failure in name resolution",
            )),
            _ => Err(io::Error::other("failed to lookup address information: Name or service not known")),
        }
    }

    #[tokio::test]
    async fn each_name_is_what_its_own_answer_says() {
        let wire = Wire::new(|_| Reply::error(500, "Nobody"));
        let ask = wire.ask();
        let mut probes = Probes::trusting(RootCertStore::empty());
        probes.lookup = names;
        let cases = [
            ("here.test", Health::Healthy, "it resolves"),
            ("gone.test", Health::Failed, "does not resolve"),
            ("empty.test", Health::Failed, "does not resolve"),
            ("sick.test", Health::Unknown, "could not be resolved: Temporary failure in name resolution"),
        ];
        let components: Vec<_> =
            cases.iter().map(|(name, ..)| Component::new(Kind::DnsName, *name)).collect();
        check(&ask, &probes, &components).await;
        for (name, health, reason) in cases {
            let verdict = ask.verdict(Kind::DnsName, name).unwrap();
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_not_resolved_in_time_is_not_known_to_be_gone() {
        let wire = Wire::new(|_| Reply::error(500, "Nobody"));
        let ask = wire.ask();
        let mut probes = Probes::trusting(RootCertStore::empty());
        probes.lookup = names;
        probes.limits.resolve = Duration::from_millis(100);
        check(&ask, &probes, &[Component::new(Kind::DnsName, "slow.test")]).await;
        ANSWERED.wait();
        let verdict = ask.verdict(Kind::DnsName, "slow.test").unwrap();
        assert_eq!(verdict.health, Health::Unknown);
        assert!(verdict.reason.contains("not resolved within 0.1 s"), "{verdict:?}");
    }

    #[tokio::test]
    async fn the_systems_resolver_is_asked() {
        let wire = Wire::new(|_| Reply::error(500, "Nobody"));
        let ask = wire.ask();
        let of = |name| Component::new(Kind::DnsName, name);
        check(&ask, &Probes::new(), &[of("localhost"), of("127.0.0.1"), of("not a name"), of("")]).await;
        for (name, healthy) in [("localhost", true), ("127.0.0.1", true), ("not a name", false), ("", false)]
        {
            let verdict = ask.verdict(Kind::DnsName, name).unwrap();
            assert_eq!(verdict.health == Health::Healthy, healthy, "{name}: {verdict:?}");
        }
    }

    #[test]
    fn only_what_the_resolver_knows_to_be_absent_is() {
        for (said, absent) in [
            ("failed to lookup address information: Name or service not known", true),
            ("failed to lookup address information: No address associated with hostname", true),
            ("failed to lookup address information: Name does not resolve", true),
            ("failed to lookup address information: Try again", false),
            ("failed to lookup address information: Non-recoverable failure in name resolution", false),
            ("Too many open files", false),
        ] {
            let found = unresolved(&io::Error::other(said));
            assert_eq!(found == Unresolved::Absent, absent, "{found:?}");
        }
    }
}
