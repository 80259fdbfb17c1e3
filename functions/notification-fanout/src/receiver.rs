//! A real HTTPS receiver on loopback, for the tests: it keeps what it was sent and answers as it is told.

use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Url;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::Http;

/// What the receiver was sent.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

pub(crate) struct Receiver {
    pub(crate) http: Http,
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

/// From what was sent and how often its path was before to a whole HTTP answer; nothing for an answer that never
/// comes.
pub(crate) type Script = fn(&Got, usize) -> Option<String>;

impl Receiver {
    pub(crate) async fn start(script: Script) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, Arc::clone(&kept), script));
            }
        });
        Self { http: Http::trusting(roots).unwrap(), port, got }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("https://localhost:{}{path}", self.port).parse().unwrap()
    }

    pub(crate) fn got(&self, path: &str) -> Vec<Got> {
        self.got.lock().unwrap().iter().filter(|got| got.path == path).cloned().collect()
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    kept: Arc<Mutex<Vec<Got>>>,
    script: Script,
) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let got = receive(&mut stream).await?;
    let before = kept.lock().unwrap().iter().filter(|kept| kept.path == got.path).count();
    let answer = script(&got, before);
    kept.lock().unwrap().push(got);
    match answer {
        Some(answer) => stream.write_all(answer.as_bytes()).await.ok()?,
        // Until the other side gives up.
        None => while stream.read_u8().await.is_ok() {},
    }
    stream.shutdown().await.ok()
}

async fn receive(stream: &mut TlsStream<TcpStream>) -> Option<Got> {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let path = head.split(' ').nth(1)?.to_owned();
        let got = Got { path, head: head.to_owned(), body: body.to_owned() };
        let length: usize = got.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        if got.body.len() >= length {
            return Some(got);
        }
    }
}

/// A whole HTTP answer.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}
