use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Authority;

/// Shakes hands with a server known by `names`, as `asked`, trusting `roots` (PEM).
async fn shake(authority: &Authority, names: &[&str], asked: &str, roots: &[u8]) -> std::io::Result<String> {
    let acceptor = TlsAcceptor::from(Arc::new(authority.server_config(names).unwrap()));
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        store.add_parsable_certificates([root.unwrap()]);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(async move {
        let mut stream = acceptor.accept(far).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await
    });
    let name = ServerName::try_from(asked.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, near).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    server.await.unwrap()?;
    Ok(said)
}

#[tokio::test]
async fn who_trusts_the_authority_trusts_its_servers_by_their_names_and_addresses() {
    let authority = Authority::new().unwrap();
    for asked in ["localhost", "127.0.0.1"] {
        let said = shake(&authority, &["localhost", "127.0.0.1"], asked, authority.ca_pem().as_bytes()).await;
        assert_eq!(said.unwrap(), "hello", "{asked}");
    }
}

#[tokio::test]
async fn another_name_and_another_authority_are_refused() {
    let authority = Authority::new().unwrap();
    let other = Authority::new().unwrap();
    let trusted = authority.ca_pem().as_bytes();
    assert!(shake(&authority, &["localhost"], "example.com", trusted).await.is_err());
    assert!(shake(&authority, &["localhost"], "localhost", other.ca_pem().as_bytes()).await.is_err());
}

#[tokio::test]
async fn the_bundle_holds_the_authority_after_the_roots_of_the_system() {
    let authority = Authority::new().unwrap();
    let path = std::env::temp_dir().join(format!("watchkeeper-bundle-{}.pem", std::process::id()));
    authority.write_bundle(&path).unwrap();
    let bundle = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(bundle.ends_with(authority.ca_pem().as_bytes()));
    assert_eq!(shake(&authority, &["localhost"], "localhost", &bundle).await.unwrap(), "hello");
}
