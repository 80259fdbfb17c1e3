//! An ACM certificate: issued, in use, and renewed in time.
//!
//! Words: ACM API, `CertificateDetail`. A certificate may be called `ISSUED` after it has ended, so that its dates count
//! and not only its status. ACM renews what it issued itself, as long as it is in use and the DNS records that prove the
//! domains stay in place; what was imported it never renews. Certificates of `CloudFront` live in us-east-1 and are not
//! looked at here, unless that is where this runs.

use jiff::{SignedDuration, Timestamp};
use shared::policy::health::Thresholds;

use crate::decision::{Findings, Verdict};

/// What `DescribeCertificate` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The API does not know it.
    pub gone: bool,
    /// The first domain that it is for.
    pub domain: String,
    /// Such as `ISSUED`; a word of AWS that may be new.
    pub status: String,
    /// Why it could not be issued, in a word of AWS.
    pub failure: String,
    /// `AMAZON_ISSUED`, `IMPORTED` or `PRIVATE`.
    pub sort: String,
    /// How many use it; nothing where that is not said.
    pub users: Option<usize>,
    /// Until when it is valid.
    pub ends: Option<Timestamp>,
    /// Such as `RSA_2048` or `EC_prime256v1`.
    pub algorithm: String,
    /// Its serial number: another one is another certificate.
    pub serial: String,
    /// Whether ACM can renew it: `ELIGIBLE` or `INELIGIBLE`.
    pub eligible: String,
    /// Of the newest renewal, such as `PENDING_VALIDATION`; empty where there was none.
    pub renewal: String,
    /// Why the newest renewal failed, in a word of AWS.
    pub renewal_failure: String,
    /// The domains that are not proven: of the renewal, or of the request.
    pub unproven: Vec<Unproven>,
}

/// A domain that ACM cannot prove to be ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unproven {
    /// The domain.
    pub domain: String,
    /// The DNS record that would prove it: name and value; nothing where it is proven by mail or HTTP.
    pub record: Option<(String, String)>,
}

/// How the certificate is.
pub fn verdict(facts: &Facts, limits: &Thresholds, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent("it does not exist any more", "Request it again, or take what names it away.");
        return found.verdict("");
    }
    let ends = facts.ends.map(|at| at.strftime("%F").to_string());
    found.saw("Domain", &facts.domain).saw("Status", &facts.status).saw("Type", &facts.sort);
    found.saw("Ends", ends.as_deref().unwrap_or_default()).saw("Key", &facts.algorithm);
    found.saw("Serial", &facts.serial).saw("Renewal", &facts.renewal);
    if facts.users == Some(0) {
        found.not_applicable("nothing uses it");
        return found.verdict("");
    }
    status(&mut found, facts);
    if facts.status == "ISSUED" {
        dates(&mut found, facts, limits, now);
        renewal(&mut found, facts);
    }
    found.verdict(format!("it is valid until {}", ends.unwrap_or_default()))
}

fn status(found: &mut Findings, facts: &Facts) {
    let because = if facts.failure.is_empty() { String::new() } else { format!(": {}", facts.failure) };
    match facts.status.as_str() {
        "ISSUED" => {}
        "PENDING_VALIDATION" => {
            let (domains, todo) = proof(&facts.unproven);
            found.degraded(format!("it is not issued yet: ACM waits for the proof of {domains}"), todo);
        }
        "EXPIRED" => expired(found, facts),
        "REVOKED" => {
            found.failed("it is revoked", "Request another, and put it where this one is.");
        }
        "FAILED" | "VALIDATION_TIMED_OUT" | "INACTIVE" => {
            found.failed(
                format!("it was never issued, or is not any more ({}{because})", facts.status),
                "Mend what the reason names, delete it, and request it again.",
            );
        }
        "" => {
            found.unknown("it is not said what status it has", "Check it by hand.");
        }
        other => {
            found.unknown(format!("it has a status that is not known here: {other}"), "Check it by hand.");
        }
    }
}

fn expired(found: &mut Findings, facts: &Facts) {
    let when = facts.ends.map(|at| format!(" on {}", at.strftime("%F"))).unwrap_or_default();
    found.failed(format!("it expired{when}"), another(facts));
}

fn another(facts: &Facts) -> &'static str {
    match facts.sort.as_str() {
        "IMPORTED" => "Import its successor into the same ARN: ACM never renews what was imported.",
        _ => "Request another, and put it where this one is.",
    }
}

fn dates(found: &mut Findings, facts: &Facts, limits: &Thresholds, now: Timestamp) {
    let Some(ends) = facts.ends else {
        found.unknown("it is not said until when it is valid", "Check it by hand.");
        return;
    };
    if ends <= now {
        expired(found, facts);
        return;
    }
    let left = now.duration_until(ends);
    let renews = facts.sort == "AMAZON_ISSUED" && facts.eligible == "ELIGIBLE";
    let on_its_way = renews && matches!(facts.renewal.as_str(), "SUCCESS" | "PENDING_AUTO_RENEWAL");
    let why = format!("it ends in {}{}", days(left), if renews { ", and is not renewed" } else { "" });
    let todo = if renews {
        "See in ACM why it is not renewed: the proof of its domains, or a CAA record."
    } else {
        another(facts)
    };
    if left <= limits.certificate_ends {
        found.failed(why, todo);
    } else if left <= limits.certificate && !on_its_way {
        found.degraded(why, todo);
    }
}

fn renewal(found: &mut Findings, facts: &Facts) {
    match facts.renewal.as_str() {
        "" | "SUCCESS" | "PENDING_AUTO_RENEWAL" => {}
        "PENDING_VALIDATION" => {
            let (domains, todo) = proof(&facts.unproven);
            found.degraded(format!("ACM cannot renew it: it waits for the proof of {domains}"), todo);
        }
        "FAILED" => {
            let why = if facts.renewal_failure.is_empty() { "" } else { ": " };
            found.degraded(
                format!("ACM could not renew it{why}{}", facts.renewal_failure),
                "Mend what the reason names, and request another.",
            );
        }
        other => {
            found.unknown(
                format!("its renewal is in a state that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
}

/// The domains that are not proven, and what to do about them.
fn proof(unproven: &[Unproven]) -> (String, String) {
    if unproven.is_empty() {
        return ("its domains".to_owned(), "See in ACM which domains are not proven.".to_owned());
    }
    let domains: Vec<&str> = unproven.iter().map(|it| it.domain.as_str()).collect();
    let records: Vec<String> = unproven
        .iter()
        .filter_map(|it| it.record.as_ref())
        .map(|(name, value)| format!("{name} CNAME {value}"))
        .collect();
    let todo = if records.is_empty() {
        "Answer ACM's mails to the owners of these domains.".to_owned()
    } else {
        format!("Put these DNS records in place: {}", records.join("; "))
    };
    (domains.join(", "), todo)
}

fn days(left: SignedDuration) -> String {
    match left.as_hours() / 24 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Whether a certificate's name is one for this domain: a star stands for one label (RFC 9525, section 6.3).
#[must_use]
pub fn covers(name: &str, domain: &str) -> bool {
    let plain = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
    let (name, domain) = (plain(name), plain(domain));
    let below = name.strip_prefix("*.").zip(domain.split_once('.'));
    name == domain || below.is_some_and(|(parent, (_, domain))| parent == domain)
}

#[cfg(test)]
mod tests;
