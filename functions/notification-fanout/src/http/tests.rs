use std::time::Duration;

use reqwest::Method;
use rustls::RootCertStore;

use super::{Failure, Http, Request};
use crate::decision::Reply;
use crate::receiver::{Receiver, answer};

const LIMIT: Duration = Duration::from_secs(5);

async fn post(receiver: &Receiver, path: &str, limit: Duration) -> Result<Reply, Failure> {
    receiver
        .http
        .post(&receiver.url(path), &[("Idempotency-Key", "k-1".to_owned())], "{}".to_owned(), limit)
        .await
}

#[tokio::test]
async fn what_is_sent_arrives_and_the_answer_is_read() {
    let receiver = Receiver::start(|_, _| {
        Some(answer("429 Too Many Requests", "retry-after: 7\r\ncontent-type: application/json\r\n", "{}"))
    })
    .await;
    let reply = post(&receiver, "/hook", LIMIT).await.unwrap();
    let expected =
        Reply { status: 429, retry_after: Some("7".to_owned()), json: true, body: "{}".to_owned() };
    assert_eq!(reply, expected);
    let got = &receiver.got("/hook")[0];
    assert_eq!((got.header("idempotency-key"), got.body.as_str()), (Some("k-1"), "{}"));
    assert!(got.header("user-agent").unwrap().starts_with("watchkeeper/"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let receiver = Receiver::start(|_, _| Some(answer("302 Found", "location: /other\r\n", ""))).await;
    assert_eq!(post(&receiver, "/hook", LIMIT).await.unwrap().status, 302);
    assert!(receiver.got("/other").is_empty());
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_read() {
    let receiver = Receiver::start(|_, _| Some(answer("200 OK", "", &"x".repeat(1_000_000)))).await;
    assert_eq!(post(&receiver, "/hook", LIMIT).await.unwrap().body.len(), 64 * 1024);
}

#[tokio::test]
async fn a_failure_names_no_address() {
    let receiver = Receiver::start(|_, _| None).await;
    let limit = Duration::from_millis(300);
    assert_eq!(post(&receiver, "/secret", limit).await, Err(Failure::TimedOut(limit)));

    let said = |failure: Failure| {
        let said = failure.to_string();
        assert!(!said.contains("secret") && !said.contains("localhost"), "{said}");
        said
    };
    let cut = Receiver::start(|_, _| Some(String::new())).await;
    said(post(&cut, "/secret", LIMIT).await.unwrap_err());

    let distrustful = Http::trusting(RootCertStore::empty()).unwrap();
    let refused = distrustful.post(&receiver.url("/secret"), &[], String::new(), LIMIT).await.unwrap_err();
    assert!(said(refused).contains("certificate"));

    let nobody =
        receiver.http.post(&"https://localhost:1/secret".parse().unwrap(), &[], String::new(), LIMIT).await;
    assert!(said(nobody.unwrap_err()).contains("refused"));
}

#[tokio::test]
async fn only_https_to_a_permitted_address_is_sent() {
    let http = Http::trusting(RootCertStore::empty()).unwrap();
    for url in ["https://169.254.169.254/latest", "https://[fd00:ec2::254]/latest"] {
        let sent = http.post(&url.parse().unwrap(), &[], String::new(), LIMIT).await;
        assert_eq!(sent, Err(Failure::Forbidden), "{url}");
    }
    let plain = http.post(&"http://localhost:1/".parse().unwrap(), &[], String::new(), LIMIT).await;
    assert!(matches!(plain, Err(Failure::Unreachable(_))), "{plain:?}");
}

#[tokio::test]
async fn any_method_may_be_used_and_the_answer_tells_its_limits() {
    let receiver = Receiver::start(|_, _| {
        let limits = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1795176060\r\n";
        Some(answer("403 Forbidden", limits, "ab"))
    })
    .await;
    let url = receiver.url("/list?sha=1");
    let headers = [("Authorization", "Bearer hunter2".to_owned())];
    let request = Request { headers: &headers, largest: 1, ..Request::new(&Method::GET, &url) };
    let got = receiver.http.ask(request, LIMIT).await.unwrap();
    assert_eq!((got.remaining, got.reset, got.reply.body.as_str()), (Some(0), Some(1_795_176_060), "a"));
    let asked = &receiver.got("/list?sha=1")[0];
    assert!(asked.head.starts_with("GET "));
    assert_eq!((asked.header("authorization"), asked.header("content-type")), (Some("Bearer hunter2"), None));
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_told_without_its_value() {
    let http = Http::trusting(RootCertStore::empty()).unwrap();
    for value in ["hunter2\r\nX-Other: 1", "hunter2\0"] {
        let headers = [("Authorization", value.to_owned())];
        let sent = http.post(&"https://localhost:1/".parse().unwrap(), &headers, String::new(), LIMIT).await;
        let failure = sent.unwrap_err();
        assert_eq!(failure, Failure::Unsendable);
        assert!(!format!("{failure} {failure:?} {http:?}").contains("hunter2"));
    }
}
