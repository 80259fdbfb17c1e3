//! The link by which an incident is acknowledged: signed, so that nobody can make one, and it expires.
//!
//! `<address>?incident=<incident>&expires=<seconds since the epoch>&token=<token>`, where the token is the hexadecimal
//! HMAC-SHA-256 of environment, incident and expiry. Whoever holds the link can acknowledge this one incident, and
//! nothing else.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use url::Url;

use crate::{Error, Result};

/// How long a link can be used: over a long weekend.
pub const LINK_LASTS: SignedDuration = SignedDuration::from_hours(96);

/// How far the clocks of those who publish may be ahead of ours.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Signs links, and checks them.
#[derive(Clone)]
pub struct Signer {
    environment: String,
    key: String,
}

/// What a link names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The incident's key.
    pub incident: String,
    /// Until when it can be used.
    pub expires: Timestamp,
}

impl Named {
    /// Whether the link was made before this time, and so for something else than what began then.
    pub fn was_made_before(&self, time: Timestamp) -> bool {
        let made = self.expires.saturating_sub(LINK_LASTS).unwrap_or(Timestamp::MIN);
        made.saturating_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX) < time
    }
}

/// Why a link cannot be used, in words for whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A part of it is missing, or it was not made by us.
    Forged,
    /// It is too old.
    Expired,
}

impl Signer {
    /// A signer for the incidents of an environment.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a key of fewer than 32 characters.
    pub fn new(environment: &str, key: &str) -> Result<Self> {
        let key = key.trim();
        if key.len() < 32 {
            return Err(Error::Malformed(
                "the key for acknowledging must have at least 32 characters; let the template make it"
                    .to_owned(),
            ));
        }
        Ok(Self { environment: environment.to_owned(), key: key.to_owned() })
    }

    /// The link for an incident, or nothing where the address is no `https` address.
    #[must_use]
    pub fn link(&self, address: &str, incident: &str, expires: Timestamp) -> Option<String> {
        let mut url: Url = address.parse().ok()?;
        if url.scheme() != "https" {
            return None;
        }
        let token = hex::encode(self.mac(incident, expires.as_second())?.finalize().into_bytes());
        url.query_pairs_mut()
            .clear()
            .append_pair("incident", incident)
            .append_pair("expires", &expires.as_second().to_string())
            .append_pair("token", &token);
        Some(url.into())
    }

    /// What a link's query names, if we made it and it is not too old. The comparison takes the same time for every
    /// wrong token.
    ///
    /// # Errors
    /// A [`Refusal`] otherwise.
    pub fn check(&self, query: &str, now: Timestamp) -> Result<Named, Refusal> {
        let field = |wanted: &str| {
            let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found.next().map(|(_, value)| value.into_owned())
        };
        let (incident, expires, token) =
            (field("incident").ok_or(Refusal::Forged)?, field("expires"), field("token"));
        let seconds: i64 = expires.and_then(|text| text.parse().ok()).ok_or(Refusal::Forged)?;
        let token = token.and_then(|token| hex::decode(token).ok()).ok_or(Refusal::Forged)?;
        let mac = self.mac(&incident, seconds).ok_or(Refusal::Forged)?;
        mac.verify_slice(&token).map_err(|_| Refusal::Forged)?;
        let expires = Timestamp::from_second(seconds).map_err(|_| Refusal::Forged)?;
        if expires <= now { Err(Refusal::Expired) } else { Ok(Named { incident, expires }) }
    }

    fn mac(&self, incident: &str, expires: i64) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).ok()?;
        for part in ["acknowledge", &self.environment, incident, &expires.to_string()] {
            // The length before each part keeps the parts apart, whatever they contain.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }
}

/// The key is left out.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::LINK_LASTS;
    use jiff::{SignedDuration, Timestamp};

    use super::{Named, Refusal, Signer};

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const INCIDENT: &str = "alarm:arn:aws:cloudwatch:eu-central-1:1:alarm:web & db/höhe?#";

    fn now() -> Timestamp {
        "2026-11-20T03:00:00Z".parse().unwrap()
    }

    fn query(expires: Timestamp) -> String {
        let link = Signer::new("prod", KEY).unwrap().link("https://a.example/", INCIDENT, expires).unwrap();
        link.split_once('?').unwrap().1.to_owned()
    }

    #[test]
    fn a_link_is_for_what_went_on_when_it_was_made() {
        let named = Named { incident: INCIDENT.to_owned(), expires: now() + LINK_LASTS };
        for (began, before) in [(-60, false), (0, false), (299, false), (301, true), (86_400, true)] {
            let began = now() + SignedDuration::from_secs(began);
            assert_eq!(named.was_made_before(began), before, "{began}");
        }
    }

    #[track_caller]
    fn check(query: &str, expected: Result<(), Refusal>) {
        let checked = Signer::new("prod", KEY).unwrap().check(query, now());
        assert_eq!(checked.map(|Named { incident, .. }| assert_eq!(incident, INCIDENT)), expected, "{query}");
    }

    #[test]
    fn a_link_is_good_until_it_expires_and_only_as_it_was_made() {
        let later = now() + SignedDuration::from_hours(1);
        let good = query(later);
        check(&good, Ok(()));
        check(&query(now()), Err(Refusal::Expired));
        check(&good.replace("web", "api"), Err(Refusal::Forged));
        check(&good.replace("expires=1", "expires=2"), Err(Refusal::Forged));
        check(&format!("incident=other&{good}"), Err(Refusal::Forged));
        for broken in
            ["", "incident=x", "incident=x&expires=1&token=zz", "incident=x&expires=x&token=00", "%ff"]
        {
            check(broken, Err(Refusal::Forged));
        }
        let other = Signer::new("staging", KEY).unwrap();
        assert_eq!(other.check(&good, now()), Err(Refusal::Forged), "a link is of one environment");
    }

    #[test]
    fn a_signer_wants_a_real_key_and_never_shows_it() {
        let signer = Signer::new("prod", KEY).unwrap();
        assert_eq!(format!("{signer:?}"), "Signer(prod)");
        assert_eq!(signer.link("http://a.example/", "i", now()), None);
        let error = Signer::new("prod", "short").unwrap_err();
        assert!(error.to_string().contains("at least 32") && !error.to_string().contains("short"), "{error}");
    }
}
