//! What is read of the certificates that were presented, and where they lead.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use crate::decision::kind::tls_endpoint::{Path, Shown, Trouble};

/// So many certificates are looked at.
pub(super) const LONGEST: usize = 16;

/// What stands in a certificate; nothing but its fingerprint where it cannot be read.
pub(super) fn read(der: &CertificateDer<'_>) -> Shown {
    let fingerprint = hex::encode(Sha256::digest(der.as_ref()));
    let Ok(certificate) = Certificate::from_der(der) else {
        return Shown { fingerprint, ..Shown::default() };
    };
    let it = certificate.tbs_certificate;
    let names = match it.get::<SubjectAltName>() {
        Ok(Some((_, names))) => names.0.iter().filter_map(name).collect(),
        Ok(None) | Err(_) => Vec::new(),
    };
    Shown {
        subject: it.subject.to_string(),
        issuer: it.issuer.to_string(),
        begins: time(it.validity.not_before),
        ends: time(it.validity.not_after),
        names,
        fingerprint,
    }
}

fn time(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

fn name(name: &GeneralName) -> Option<String> {
    if let GeneralName::DnsName(name) = name {
        return Some(name.to_string());
    }
    let GeneralName::IpAddress(bytes) = name else { return None };
    let bytes = bytes.as_bytes();
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
}

/// Whether the certificate is for this name or address.
pub(super) fn fits(leaf: &CertificateDer<'_>, host: &str) -> bool {
    let (Ok(certificate), Ok(name)) =
        (ParsedCertificate::try_from(leaf), ServerName::try_from(host.trim_end_matches('.')))
    else {
        return false;
    };
    verify_server_name(&certificate, &name).is_ok()
}

/// Where the path leads, at a time at which the certificate itself is valid; `read` is what stands in all of them.
pub(super) fn path(
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    read: &[Shown],
    roots: &RootCertStore,
    now: Timestamp,
) -> Path {
    if roots.is_empty() {
        return Path::Unjudged("no certificate authority is trusted here".to_owned());
    }
    let certificate = match ParsedCertificate::try_from(leaf) {
        Ok(certificate) => certificate,
        Err(error) => return Path::Broken(error.to_string()),
    };
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let leads = |at: Timestamp| {
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, others, unix(at), algorithms)
    };
    let (begins, ends) = read.first().map_or((None, None), |leaf| (leaf.begins, leaf.ends));
    let moment = now.max(begins.unwrap_or(now)).min(ends.unwrap_or(now));
    match leads(moment) {
        // A path ends with the first of its certificates that does, so the best one ends with one of those presented.
        Ok(()) => {
            let ends = read.iter().filter_map(|shown| shown.ends).filter(|ends| moment <= *ends);
            Path::Until(ends.filter(|ends| leads(*ends).is_ok()).max().unwrap_or(moment))
        }
        Err(rustls::Error::InvalidCertificate(why)) => nowhere(&why),
        Err(other) => Path::Broken(other.to_string()),
    }
}

fn nowhere(why: &CertificateError) -> Path {
    match super::certificate(why) {
        Trouble::Expired => Path::Expired(ended(why)),
        Trouble::NotYet => Path::NotYet,
        Trouble::Untrusted => Path::Untrusted,
        Trouble::NotTls | Trouble::Alert(_) | Trouble::OtherName | Trouble::Other(_) => {
            Path::Broken(why.to_string())
        }
    }
}

/// When that ended which expired.
fn ended(why: &CertificateError) -> Option<Timestamp> {
    let CertificateError::ExpiredContext { not_after, .. } = why else { return None };
    Timestamp::from_second(i64::try_from(not_after.as_secs()).ok()?).ok()
}

fn unix(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}
