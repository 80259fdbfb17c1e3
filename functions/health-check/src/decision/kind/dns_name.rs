//! A name that must resolve.

use std::net::IpAddr;

use jiff::SignedDuration;

use crate::decision::{Findings, Verdict};

/// What the resolver says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its addresses, or why there are none.
    pub found: Result<Vec<IpAddr>, Unresolved>,
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such name, or it has no address.
    Absent,
    /// The resolver did not answer within this.
    TimedOut(SignedDuration),
    /// The resolver could not tell, in its words: its servers failed, or it did not reach them.
    Unsure(String),
}

impl Unresolved {
    /// Adds it to what was found. That a resolver does not answer says nothing of the name.
    pub fn tell(&self, found: &mut Findings) {
        const AGAIN: &str = "Check the resolver if the next sweep says the same.";
        match self {
            Self::Absent => found.failed(
                "the name does not resolve",
                "Add its record to the hosted zone, or take the name out of the policy.",
            ),
            Self::TimedOut(limit) => {
                found.unknown(format!("the name was not resolved within {}", seconds(*limit)), AGAIN)
            }
            Self::Unsure(why) => found.unknown(format!("the name could not be resolved: {why}"), AGAIN),
        };
    }
}

/// How the name is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    match &facts.found {
        Ok(addresses) if addresses.is_empty() => Unresolved::Absent.tell(&mut found),
        Ok(addresses) => {
            let fours = addresses.iter().filter(|address| address.is_ipv4()).count();
            found.saw("IPv4 addresses", fours).saw("IPv6 addresses", addresses.len().saturating_sub(fours));
        }
        Err(unresolved) => unresolved.tell(&mut found),
    }
    found.verdict("it resolves")
}

/// A time for people: `10 s`, or `0.3 s`.
pub(super) fn seconds(time: SignedDuration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::SignedDuration;

    use super::{Facts, Unresolved, verdict};
    use crate::decision::Health;

    #[test]
    fn a_name_is_what_the_resolver_says_and_a_silent_resolver_says_nothing() {
        let addresses =
            |texts: &[&str]| Ok(texts.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect());
        let slow = Unresolved::TimedOut(SignedDuration::from_secs(5));
        let unsure = Unresolved::Unsure("Temporary failure in name resolution".to_owned());
        let cases = [
            (addresses(&["10.0.0.1"]), Health::Healthy, "it resolves"),
            (addresses(&["10.0.0.1", "fd00::1"]), Health::Healthy, "it resolves"),
            (addresses(&[]), Health::Failed, "the name does not resolve"),
            (Err(Unresolved::Absent), Health::Failed, "the name does not resolve"),
            (Err(slow), Health::Unknown, "the name was not resolved within 5 s"),
            (
                Err(unsure),
                Health::Unknown,
                "the name could not be resolved: Temporary failure in name resolution",
            ),
        ];
        for (found, health, reason) in cases {
            let verdict = verdict(&Facts { found: found.clone() });
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{found:?}");
            assert_eq!(
                verdict.health == Health::Healthy,
                verdict.todo.is_empty(),
                "what is to do: {found:?}"
            );
        }
    }

    #[test]
    fn addresses_of_either_family_are_counted() {
        let found = Ok(["10.0.0.1", "10.0.0.2", "::1"].map(|text| text.parse().unwrap()).to_vec());
        let evidence = verdict(&Facts { found }).evidence;
        let evidence: Vec<_> =
            evidence.iter().map(|fact| (fact.name.as_str(), fact.value.as_str())).collect();
        assert_eq!(evidence, [("IPv4 addresses", "2"), ("IPv6 addresses", "1")]);
    }
}
