//! A TLS endpoint: the certificates that it presents, and whether a path of them leads to a root that is trusted.

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;

use super::dns_name::{Unresolved, seconds};
use crate::decision::{Findings, Verdict};

/// So many names of a certificate are told.
const NAMES: usize = 5;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Away {
    /// The name has no address.
    Unresolved(Unresolved),
    /// It has one that must not be reached.
    Forbidden,
    /// Nobody listens.
    Refused,
    /// There was none within this.
    TimedOut(SignedDuration),
    /// It came to nothing, in the words of whoever tried.
    Broken(String),
}

impl Away {
    /// Adds it to what was found.
    pub fn tell(&self, found: &mut Findings) {
        match self {
            Self::Unresolved(unresolved) => unresolved.tell(found),
            Self::Forbidden => {
                found.unknown(
                    "it leads to a link-local or metadata address, which is not asked",
                    "Mend its address in the policy, or where its name leads.",
                );
            }
            Self::Refused => {
                found.failed("the connection is refused", "Start what should listen there.");
            }
            Self::TimedOut(limit) => {
                found.failed(
                    format!("no answer within {}", seconds(*limit)),
                    "Look at what should answer there, and at the security groups and routes on the way.",
                );
            }
            Self::Broken(why) => {
                found.failed(format!("there is no answer: {why}"), "Look at what should answer there.");
            }
        }
    }
}

/// What went wrong while TLS was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// What answers does not speak TLS.
    NotTls,
    /// The other side refuses, with this alert.
    Alert(String),
    /// The certificate, or one on its path, has expired.
    Expired,
    /// The certificate, or one on its path, is not valid yet.
    NotYet,
    /// No path leads to a root that is trusted.
    Untrusted,
    /// The certificate is for other names.
    OtherName,
    /// Anything else, in the words of the library.
    Other(String),
}

impl Trouble {
    /// Adds it to what was found.
    pub fn tell(&self, found: &mut Findings) {
        const CERTIFICATE: &str = "Renew the certificate, and present it.";
        let (why, todo) = match self {
            Self::NotTls => ("it does not speak TLS".to_owned(), "Turn TLS on there, or mend the port."),
            Self::Alert(alert) => {
                (format!("it refuses the TLS handshake: {alert}"), "Look at its TLS settings.")
            }
            Self::Expired => ("its certificate, or one on its path, has expired".to_owned(), CERTIFICATE),
            Self::NotYet => ("its certificate, or one on its path, is not valid yet".to_owned(), CERTIFICATE),
            Self::Untrusted => (
                "its certificate is not trusted".to_owned(),
                "Present the intermediate certificates, too, or have it issued by an authority that is trusted.",
            ),
            Self::OtherName => (
                "its certificate is for another name".to_owned(),
                "Present a certificate that has this name.",
            ),
            Self::Other(why) => (format!("the TLS handshake fails: {why}"), "Look at its TLS settings."),
        };
        found.failed(why, todo);
    }
}

/// A certificate that was presented.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Whom it is for, as a distinguished name.
    pub subject: String,
    /// Who issued it, as a distinguished name.
    pub issuer: String,
    /// From when on it is valid; nothing where it cannot be read.
    pub begins: Option<Timestamp>,
    /// Until when it is valid; nothing where it cannot be read.
    pub ends: Option<Timestamp>,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// SHA-256 of it, in hex.
    pub fingerprint: String,
}

/// Where the path from the certificate leads. It is judged at a time at which the certificate itself is valid, so that
/// one that expired is not called untrusted, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// To a root that is trusted, until then by the best of all paths.
    Until(Timestamp),
    /// Nowhere, for one that is presented expired; at that time, if it is told.
    Expired(Option<Timestamp>),
    /// Nowhere, for one that is presented is not valid yet.
    NotYet,
    /// To no root that is trusted.
    Untrusted,
    /// Nowhere, in the words of the library.
    Broken(String),
    /// It could not be judged.
    Unjudged(String),
}

/// What an endpoint presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The name or address that it was asked by.
    pub host: String,
    /// Why there is no connection, where there is none.
    pub away: Option<Away>,
    /// What went wrong while TLS was agreed on.
    pub trouble: Option<Trouble>,
    /// What it presented, its own certificate first.
    pub chain: Vec<Shown>,
    /// Where the path from the certificate leads.
    pub path: Path,
    /// Whether the certificate is for the name that was asked.
    pub fits: bool,
}

/// How the endpoint is.
pub fn verdict(facts: &Facts, rules: &Rules, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if let Some(away) = &facts.away {
        away.tell(&mut found);
        return found.verdict("");
    }
    let Some((leaf, others)) = facts.chain.split_first() else {
        match &facts.trouble {
            Some(trouble) => trouble.tell(&mut found),
            None => drop(found.unknown("it presented no certificate", "Check it by hand.")),
        }
        return found.verdict("");
    };
    evidence(facts, leaf, others, now, &mut found);
    match &facts.trouble {
        // After it has presented its certificates, it may refuse us for having none of our own.
        Some(Trouble::Alert(alert)) => drop(found.saw("Handshake", alert)),
        Some(trouble) => trouble.tell(&mut found),
        None => {}
    }
    own(leaf, rules, now, &mut found);
    path(facts, leaf, rules, now, &mut found);
    if !facts.fits {
        let names = if leaf.names.is_empty() { "no name".to_owned() } else { some(&leaf.names) };
        found.failed(
            format!("its certificate is for {names}, not for {}", facts.host),
            "Present a certificate that has this name.",
        );
    }
    found.verdict(
        leaf.ends.map_or_else(String::new, |ends| format!("its certificate is valid until {}", day(ends))),
    )
}

/// The certificate's own dates.
fn own(leaf: &Shown, rules: &Rules, now: Timestamp, found: &mut Findings) {
    let (Some(begins), Some(ends)) = (leaf.begins, leaf.ends) else {
        found.unknown("its certificate cannot be read", "Check it by hand.");
        return;
    };
    if now < begins {
        found.failed(
            format!("its certificate is not valid before {}", day(begins)),
            "Present the certificate that is valid now.",
        );
    }
    if ends <= now {
        found.failed(
            format!("its certificate expired on {}, {} ago", day(ends), days(now.duration_since(ends))),
            "Renew the certificate, and present the new one.",
        );
    } else {
        ending("its certificate", ends, "Renew the certificate, and present the new one.", rules, now, found);
    }
}

/// What ends soon.
fn ending(what: &str, ends: Timestamp, todo: &str, rules: &Rules, now: Timestamp, found: &mut Findings) {
    let left = ends.duration_since(now);
    let why = format!("{what} ends on {}, in {}", day(ends), days(left));
    if left <= rules.thresholds.certificate_ends {
        found.failed(why, todo);
    } else if left <= rules.thresholds.certificate {
        found.degraded(why, todo);
    }
}

/// Where the path leads.
fn path(facts: &Facts, leaf: &Shown, rules: &Rules, now: Timestamp, found: &mut Findings) {
    const OTHER: &str = "Present the intermediate certificate that is valid now in its place.";
    match &facts.path {
        Path::Until(until) => {
            let sooner = leaf.ends.is_some_and(|ends| now < ends && *until < ends);
            if sooner && now < *until {
                ending(&named(&facts.chain, *until), *until, OTHER, rules, now, found);
            }
        }
        Path::Expired(when) => {
            let what = match when {
                Some(when) => format!("{} expired on {}", named(&facts.chain, *when), day(*when)),
                None => "an intermediate certificate expired".to_owned(),
            };
            found.failed(format!("{what}, and no other path leads to a root that is trusted"), OTHER);
        }
        Path::NotYet => {
            found.failed(
                "an intermediate certificate is not valid yet, and no other path leads to a root that is trusted",
                OTHER,
            );
        }
        Path::Untrusted => untrusted(&facts.chain, leaf, found),
        Path::Broken(why) => {
            found.failed(format!("its certificate is not accepted: {why}"), "Have it issued anew.");
        }
        Path::Unjudged(why) => {
            found.unknown(
                format!("whether its certificate is trusted could not be checked: {why}"),
                "Set SSL_CERT_FILE to a file of PEM certificates.",
            );
        }
    }
}

/// Who is to be trusted and is not: whoever issued the last that can be followed.
fn untrusted(chain: &[Shown], leaf: &Shown, found: &mut Findings) {
    const TRUST: &str = "have it issued by an authority that is trusted, or name its root in SSL_CERT_FILE.";
    if leaf.subject == leaf.issuer {
        found.failed("its certificate is signed by itself", format!("Present another: {TRUST}"));
        return;
    }
    let mut last = leaf;
    // No path is longer than what was presented, unless certificates issued one another in a circle.
    for _ in chain {
        match chain.iter().find(|shown| shown.subject == last.issuer) {
            Some(next) if next.subject != next.issuer => last = next,
            Some(root) => {
                let why = format!("the root {} is not trusted", called(&root.subject));
                found.failed(why, format!("Present another certificate: {TRUST}"));
                return;
            }
            None => {
                let (by, whom) = (called(&last.issuer), called(&last.subject));
                found.failed(
                    format!("{by}, which issued {whom}, is neither presented nor trusted"),
                    format!("Present the intermediate certificates, too; if none is missing, {TRUST}"),
                );
                return;
            }
        }
    }
    found.failed("no path leads to a root that is trusted", format!("Present another certificate: {TRUST}"));
}

fn evidence(facts: &Facts, leaf: &Shown, others: &[Shown], now: Timestamp, found: &mut Findings) {
    found.saw("Names", some(&leaf.names)).saw("Issued by", called(&leaf.issuer));
    if let Some(ends) = leaf.ends {
        found.saw("Certificate ends", day(ends));
        found.saw("Days left", ends.duration_since(now).as_hours().div_euclid(24));
    }
    if let Some((ends, first)) =
        others.iter().filter_map(|shown| Some((shown.ends?, shown))).min_by_key(|it| it.0)
    {
        found.saw("Earliest end of those on the way", format!("{}: {}", day(ends), called(&first.subject)));
    }
    if let Path::Until(until) = facts.path {
        found.saw("Verified path ends", day(until));
        let over: Vec<_> = others
            .iter()
            .filter(|shown| shown.ends.is_some_and(|ends| ends <= now))
            .map(|shown| called(&shown.subject).to_owned())
            .collect();
        found.saw("Expired and not needed", some(&over));
    }
    // By this, whoever reminds people sees that the certificate is a new one.
    found.saw("Fingerprint", &leaf.fingerprint);
}

/// The certificate beside the first that ends then.
fn named(chain: &[Shown], when: Timestamp) -> String {
    let it = chain.iter().skip(1).find(|shown| shown.ends == Some(when));
    it.map_or_else(
        || "an intermediate certificate".to_owned(),
        |shown| format!("the intermediate certificate {}", called(&shown.subject)),
    )
}

/// A distinguished name's common name; all of it where it has none.
fn called(name: &str) -> &str {
    if name.is_empty() {
        return "a certificate without a subject";
    }
    let from = match name.find(",CN=") {
        Some(at) => name.get(at + 4..),
        None => name.strip_prefix("CN="),
    };
    let Some(rest) = from else { return name };
    let mut escaped = false;
    let end = rest.find(|letter| {
        let ends = !escaped && matches!(letter, ',' | '+');
        escaped = !escaped && letter == '\\';
        ends
    });
    end.and_then(|end| rest.get(..end)).unwrap_or(rest)
}

fn some(names: &[String]) -> String {
    let told = names.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

fn day(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%F")
}

/// Whole days; hours where it is less than two.
fn days(time: SignedDuration) -> String {
    let hours = time.as_hours();
    match (hours, hours.div_euclid(24)) {
        (1, _) => "1 hour".to_owned(),
        (..48, _) => format!("{hours} hours"),
        (_, days) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests;
