use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, proptest};
use rustls::RootCertStore;
use shared::policy::health::Endpoint;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Probes, check, component};
use crate::component::Kind;
use crate::decision::{Health, Verdict};
use crate::observe::tls::server::{Authority, FUTURE, acceptor};
use crate::wire::{Reply, Wire};

/// From a request to a whole HTTP answer; nothing for one that never comes.
type Script = fn(&str) -> Option<String>;

/// A server on loopback: its port, and what it was asked.
struct Server {
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(script: Script) -> Self {
        Self::serving(None, script).await
    }

    async fn serving(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, kept) = (tls.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &kept, script).await,
                        Some(tls) => serve(tls.accept(stream).await.ok()?, &kept, script).await,
                    }
                });
            }
        });
        Self { port, got }
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    fn at(&self, path: &str) -> Endpoint {
        endpoint(&format!("http://localhost:{}{path}", self.port))
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: &Mutex<Vec<String>>,
    script: Script,
) -> Option<()> {
    let mut bytes = Vec::new();
    let request = loop {
        stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length.unwrap_or(0) <= body.len() {
            break text;
        }
    };
    kept.lock().unwrap().push(request.clone());
    match script(&request) {
        Some(answer) => stream.write_all(answer.as_bytes()).await.ok()?,
        // Until the other side gives up.
        None => while stream.read_u8().await.is_ok() {},
    }
    stream.shutdown().await.ok()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint { url: url.to_owned(), status: 200, body: None, graphql: None }
}

fn names(name: &str) -> io::Result<Vec<IpAddr>> {
    match name {
        "localhost" => Ok(vec!["127.0.0.1".parse().unwrap()]),
        "metadata.test" => Ok(vec!["169.254.169.254".parse().unwrap()]),
        "sick.test" => Err(io::Error::other("Temporary failure in name resolution")),
        _ => Err(io::Error::other("Name or service not known")),
    }
}

fn probes(roots: RootCertStore) -> Probes {
    let mut probes = Probes::trusting(roots);
    probes.lookup = names;
    probes.limits.answer = Duration::from_secs(8);
    probes.limits.pause = Duration::from_millis(10);
    probes
}

async fn asked_by(probes: &Probes, endpoints: &[Endpoint]) -> Verdict {
    let wire = Wire::new(|_| Reply::error(500, "Nobody"));
    let ask = wire.ask();
    check(&ask, probes, endpoints).await;
    ask.verdict(Kind::Endpoint, &component(&endpoints[0]).name).unwrap()
}

async fn asked(endpoint: Endpoint) -> Verdict {
    asked_by(&probes(RootCertStore::empty()), &[endpoint]).await
}

#[track_caller]
fn assert(verdict: &Verdict, health: Health, reason: &str) {
    assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{verdict:?}");
}

#[tokio::test]
async fn an_endpoint_is_asked_as_the_policy_says_and_its_answer_is_read() {
    let server = Server::start(|request| {
        Some(match request.split(' ').nth(1).unwrap() {
            "/health?key=secret" => answer("200 OK", "", r#"{"status":"pass"}"#),
            "/none" => answer("204 No Content", "", ""),
            "/down" => answer("503 Service Unavailable", "", ""),
            _ => answer("404 Not Found", "", ""),
        })
    })
    .await;
    let good = Endpoint { body: Some("pass".to_owned()), ..server.at("/health?key=secret") };
    assert(&asked(good.clone()).await, Health::Healthy, "it answers with 200");
    let request = server.got()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /health?key=secret http/1.1\r\n"), "{request}");
    assert!(request.contains("user-agent: watchkeeper-health-check\r\n"), "{request}");

    let other = Endpoint { body: Some("fail".to_owned()), ..good };
    assert(&asked(other).await, Health::Failed, r#"its answer does not contain "fail""#);
    let none = Endpoint { status: 204, ..server.at("/none") };
    assert(&asked(none).await, Health::Healthy, "it answers with 204");
    assert(&asked(server.at("/down")).await, Health::Failed, "it answers with 503, not with 200");
    assert(&asked(server.at("/gone")).await, Health::Failed, "it answers with 404, not with 200");
}

#[tokio::test]
async fn a_graphql_query_is_posted_and_its_errors_count() {
    let server = Server::start(|request| {
        let body = request.split_once("\r\n\r\n").unwrap().1;
        Some(match body {
            r#"{"query":"{ health }"}"# => answer("200 OK", "", r#"{"data":{"health":"ok"}}"#),
            _ => answer("200 OK", "", r#"{"data":null,"errors":[{"message":"no database"}]}"#),
        })
    })
    .await;
    let of = |query: &str| Endpoint { graphql: Some(query.to_owned()), ..server.at("/graphql") };
    assert(&asked(of("{ health }")).await, Health::Healthy, "it answers with 200");
    let request = server.got()[0].to_ascii_lowercase();
    assert!(request.starts_with("post /graphql ") && request.contains("application/json"), "{request}");
    let verdict = asked(of("{ deep }")).await;
    assert(&verdict, Health::Failed, "the GraphQL query has errors: no database");

    let both = [of("{ health }"), of("{ deep }"), server.at("/graphql")];
    let verdict = asked_by(&probes(RootCertStore::empty()), &both).await;
    assert_eq!(verdict.health, Health::Failed, "the worst of those of one name counts: {verdict:?}");
}

#[tokio::test]
async fn a_redirect_is_followed_on_its_host_only_and_else_told() {
    let server = Server::start(|request| {
        Some(match request.split(' ').nth(1).unwrap() {
            "/here" => answer("301 Moved Permanently", "location: /there\r\n", ""),
            "/there" => answer("200 OK", "", ""),
            "/away" => answer("302 Found", "location: https://u:p@elsewhere.test/x?token=secret\r\n", ""),
            "/metadata" => answer("302 Found", "location: http://169.254.169.254/latest\r\n", ""),
            "/round" => answer("302 Found", "location: /round\r\n", ""),
            "/lost" => answer("302 Found", "", ""),
            _ => answer("404 Not Found", "", ""),
        })
    })
    .await;
    assert(&asked(server.at("/here")).await, Health::Healthy, "it answers with 200");
    let moved = Endpoint { status: 301, ..server.at("/here") };
    assert(&asked(moved).await, Health::Healthy, "it answers with 301");
    for (path, reason) in [
        ("/away", "it answers with 302, not with 200 and leads to https://elsewhere.test/x"),
        ("/metadata", "it answers with 302, not with 200 and leads to http://169.254.169.254/latest"),
        ("/lost", "it answers with 302, not with 200"),
    ] {
        assert(&asked(server.at(path)).await, Health::Failed, reason);
    }
    let before = server.got().len();
    let round = asked(server.at("/round")).await;
    assert!(round.reason.starts_with("it answers with 302, not with 200 and leads to"), "{round:?}");
    assert_eq!(server.got().len() - before, 6, "it is not followed for ever");
}

#[tokio::test]
async fn no_answer_is_told_in_words_and_asked_again_where_the_connection_failed() {
    let silent = Server::start(|_| None).await;
    let mut hasty = probes(RootCertStore::empty());
    hasty.limits.answer = Duration::from_millis(500);
    assert(&asked_by(&hasty, &[silent.at("/")]).await, Health::Failed, "no answer within 0.5 s");
    assert_eq!(silent.got().len(), 1, "what is slow is not asked again");

    let cut = Server::start(|_| Some(String::new())).await;
    let verdict = asked(cut.at("/")).await;
    assert!(verdict.reason.starts_with("there is no answer: "), "{verdict:?}");
    assert_eq!((verdict.health, cut.got().len()), (Health::Failed, 2));
    assert!(!verdict.reason.contains("localhost"), "{verdict:?}");

    let short =
        Server::start(|_| Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned())).await;
    assert_eq!(asked(short.at("/")).await.health, Health::Failed);

    for (url, health, reason) in [
        ("http://localhost:1/", Health::Failed, "the connection is refused"),
        ("http://gone.test/", Health::Failed, "the name does not resolve"),
        ("https://localhost:1/", Health::Unknown, "no certificate authority is trusted here"),
        (
            "http://sick.test/",
            Health::Unknown,
            "the name could not be resolved: Temporary failure in name resolution",
        ),
        ("not a url?secret", Health::Unknown, "its address cannot be asked: it is no URL"),
        ("ftp://localhost/", Health::Unknown, "its address cannot be asked: it is neither http nor https"),
    ] {
        assert(&asked(endpoint(url)).await, health, reason);
    }
}

#[tokio::test]
async fn an_endpoint_that_comes_back_at_once_is_healthy() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let server = Server::start(|_| {
        let first = TIMES.fetch_add(1, Ordering::SeqCst) == 0;
        Some(if first { String::new() } else { answer("200 OK", "", "") })
    })
    .await;
    let verdict = asked(server.at("/")).await;
    assert(&verdict, Health::Healthy, "it answers with 200");
    assert!(verdict.evidence.iter().any(|fact| fact.name == "Tries" && fact.value == "2"), "{verdict:?}");
}

#[tokio::test]
async fn metadata_addresses_are_never_asked() {
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.test/",
    ] {
        let verdict = asked(endpoint(url)).await;
        assert_eq!(verdict.health, Health::Unknown, "{url}: {verdict:?}");
        assert!(verdict.reason.contains("link-local or metadata"), "{url}: {verdict:?}");
    }
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_read() {
    let server = Server::start(|_| Some(answer("200 OK", "", &"x".repeat(1_000_000)))).await;
    let verdict = asked(Endpoint { body: Some("y".to_owned()), ..server.at("/") }).await;
    assert(&verdict, Health::Failed, r#"the beginning of its answer does not contain "y""#);
    let verdict = asked(Endpoint { graphql: Some("{ all }".to_owned()), ..server.at("/") }).await;
    assert_eq!(verdict.health, Health::Unknown, "{verdict:?}");
}

#[tokio::test]
async fn what_tls_says_is_told_in_words() {
    let (root, stranger) = (Authority::root("Root", FUTURE), Authority::root("Stranger", FUTURE));
    let ok: Script = |_| Some(answer("200 OK", "", ""));
    let cases = [
        (root.leaf("localhost", FUTURE), Health::Healthy, "it answers with 200"),
        (
            root.leaf("localhost", (2020, 1, 1)),
            Health::Failed,
            "its certificate, or one on its path, has expired",
        ),
        (stranger.leaf("localhost", FUTURE), Health::Failed, "its certificate is not trusted"),
        (root.leaf("other.test", FUTURE), Health::Failed, "its certificate is for another name"),
    ];
    for ((leaf, key), health, reason) in cases {
        let server = Server::serving(Some(acceptor(vec![leaf], &key)), ok).await;
        let url = format!("https://localhost:{}/", server.port);
        assert(&asked_by(&probes(root.trusted()), &[endpoint(&url)]).await, health, reason);
    }
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", plain.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        while stream.read_u8().await.is_ok() {}
    });
    let verdict = asked_by(&probes(root.trusted()), &[endpoint(&url)]).await;
    assert(&verdict, Health::Failed, "it does not speak TLS");
}

#[tokio::test]
async fn an_endpoint_stands_on_its_name_and_its_certificate() {
    let wire = Wire::new(|_| Reply::error(500, "Nobody"));
    let ask = wire.ask();
    let endpoints = ["https://gone.test/a?b=c", "http://gone.test:8080/", "https://[::1]:1/x"].map(endpoint);
    check(&ask, &probes(Authority::root("Root", FUTURE).trusted()), &endpoints).await;
    let said = ask.said();
    let needs = |id: &str| said[id].needs.iter().cloned().collect::<Vec<_>>();
    assert_eq!(needs("endpoint:https://gone.test/a"), ["dns-name:gone.test", "tls-endpoint:gone.test:443"]);
    assert_eq!(needs("endpoint:http://gone.test:8080"), ["dns-name:gone.test"]);
    assert_eq!(needs("endpoint:https://[::1]:1/x"), ["tls-endpoint:[::1]:1"]);
}

#[test]
fn an_endpoints_name_holds_no_login_and_no_query() {
    for (url, name) in [
        ("https://www.example.com/health?key=1#top", "https://www.example.com/health"),
        ("https://user:secret@www.example.com:8443/", "https://www.example.com:8443"),
        ("https://www.example.com", "https://www.example.com"),
        ("https://www.example.com/a/", "https://www.example.com/a/"),
        ("user:secret@no url?key=1", "no url"),
        ("", ""),
    ] {
        assert_eq!(component(&endpoint(url)).name, name, "{url}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_graphql_answer_is_never_healthy_when_its_data_is_gone(
        at in any::<proptest::sample::Index>(),
        letter in any::<char>(),
    ) {
        use crate::decision::kind::endpoint::{Answer, Facts, verdict};
        let good = r#"{"data":{"health":"ok"}}"#;
        let at = at.index(good.len());
        let endpoint = Endpoint { graphql: Some("{ health }".to_owned()), ..endpoint("http://a/") };
        let say = |body: String| {
            let answer = Answer {
                status: 200,
                took: jiff::SignedDuration::ZERO,
                body,
                cut: false,
                leads_to: None,
                followed_to: None,
            };
            verdict(&Facts { answer: Ok(answer), tries: 1 }, &endpoint, &shared::policy::Health::default())
        };
        assert_ne!(say(good[..at].to_owned()).health, Health::Healthy);
        let mut mangled = good.to_owned();
        mangled.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
        let verdict = say(mangled.clone());
        let whole = serde_json::from_str::<serde_json::Value>(&mangled).is_ok_and(|it| it["data"].is_object());
        assert_eq!(verdict.health == Health::Healthy, whole, "{mangled}");
    }
}
