//! Certificates and a TLS server on loopback, for the tests.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A day: year, month, day.
pub(crate) type Day = (i32, u8, u8);

/// Long ago, and long ahead.
pub(crate) const PAST: Day = (2015, 1, 1);
pub(crate) const FUTURE: Day = (2046, 1, 1);

/// Something that issues certificates.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its own certificate; by whom, is up to who made it.
    pub(crate) der: CertificateDer<'static>,
}

fn authority(name: &str, until: Day) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    dated(&mut params, until);
    params
}

fn dated(params: &mut CertificateParams, (year, month, day): Day) {
    params.not_before = date_time_ymd(PAST.0, PAST.1, PAST.2);
    params.not_after = date_time_ymd(year, month, day);
}

impl Authority {
    /// A root.
    pub(crate) fn root(name: &str, until: Day) -> Self {
        let (params, key) = (authority(name, until), KeyPair::generate().unwrap());
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { params, key, der }
    }

    /// An intermediate that this one issues.
    pub(crate) fn intermediate(&self, name: &str, until: Day) -> Self {
        let (params, key) = (authority(name, until), KeyPair::generate().unwrap());
        let der = params.signed_by(&key, &self.issuer()).unwrap().der().clone();
        Self { params, key, der }
    }

    /// Another certificate for the same name and key of another authority.
    pub(crate) fn cross(&self, other: &Self, until: Day) -> CertificateDer<'static> {
        let mut params = other.params.clone();
        dated(&mut params, until);
        params.signed_by(&other.key, &self.issuer()).unwrap().der().clone()
    }

    /// A server's certificate and its key.
    pub(crate) fn leaf(&self, name: &str, until: Day) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        dated(&mut params, until);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer()).unwrap().der().clone(), key)
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// What trusts it.
    pub(crate) fn trusted(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        roots
    }
}

/// What presents these: the leaf first.
pub(crate) fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that presents these and says no more; its port.
pub(crate) async fn present(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> u16 {
    let acceptor = acceptor(chain, key);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    port
}
