//! A password is sent to a server whose certificate is trusted, and to no other.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use shared::error::Class;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::hidden::Hidden;

const PASSWORD: &str = "hunter22hunter22";

fn access(server: Server, port: u16) -> Access {
    Access {
        server,
        host: "localhost".to_owned(),
        port,
        user: Some("app".to_owned()),
        password: Hidden::new(PASSWORD),
    }
}

fn postgres_server() -> Server {
    Server::Postgres { database: "shop".to_owned() }
}

/// What comes of logging in where this is what a connection meets, and all that was sent in the clear.
async fn against<F>(server: Server, meet: impl FnOnce(TcpStream) -> F) -> (Result<Login>, Vec<u8>)
where
    F: Future<Output = Vec<u8>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = access(server, port);
    let meeting = async { meet(listener.accept().await.unwrap().0).await };
    tokio::join!(login(&asked, false, Duration::from_secs(5)), meeting)
}

async fn stranger(tcp: TcpStream) -> Vec<u8> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
        .unwrap();
    let mut got = Vec::new();
    if let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await {
        let _ = tls.read_to_end(&mut got).await;
    }
    got
}

#[track_caller]
fn check(login: Result<Login>, sent: &[u8], expected: &str) {
    let error = login.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.to_string().starts_with("localhost:"), "{error}");
    assert!(
        !String::from_utf8_lossy(sent).contains(PASSWORD) && !error.chain().contains(PASSWORD),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_the_login() {
    let (login, sent) = against(Server::Valkey, stranger).await;
    check(login, &sent, "shows a certificate that is not to be trusted");
    let (login, sent) = against(postgres_server(), async |mut tcp| {
        let mut request = [0; 8];
        tcp.read_exact(&mut request).await.unwrap();
        tcp.write_all(b"S").await.unwrap();
        stranger(tcp).await
    })
    .await;
    check(login, &sent, "shows a certificate that is not to be trusted");
}

#[tokio::test]
async fn a_server_without_tls_is_sent_nothing_and_said_to_be_one() {
    let (login, sent) = against(Server::Valkey, async |mut tcp| {
        let mut got = vec![0; 4096];
        let length = tcp.read(&mut got).await.unwrap();
        got.truncate(length);
        tcp.write_all(b"-ERR Protocol error\r\n").await.unwrap();
        let _ = tcp.read_to_end(&mut got).await;
        got
    })
    .await;
    check(login, &sent, "does not speak TLS: no password was sent");
    let (login, sent) = against(postgres_server(), async |mut tcp| {
        let mut got = vec![0; 8];
        tcp.read_exact(&mut got).await.unwrap();
        tcp.write_all(b"N").await.unwrap();
        let _ = tcp.read_to_end(&mut got).await;
        got
    })
    .await;
    check(login, &sent, "does not speak TLS: no password was sent");
}

#[tokio::test]
async fn a_server_that_is_away_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for server in [Server::Valkey, postgres_server()] {
        let error = login(&access(server, port), false, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(error.class(), Class::Transient);
        assert!(error.to_string().contains("could not be reached"), "{error}");
        assert!(error.to_string().contains("refused"), "it says why: {error}");
    }
}

#[tokio::test]
async fn no_server_is_waited_for_beyond_the_invocation() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (server, left) in [(Server::Valkey, 50), (postgres_server(), 50), (Server::Valkey, 0)] {
        let error = login(&access(server, port), false, Duration::from_millis(left)).await.unwrap_err();
        assert_eq!(error.class(), Class::Transient, "{error}");
    }
}
