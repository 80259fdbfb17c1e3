use std::time::Duration;

use reqwest::{Certificate, Client};

use super::{Answer, Receiver};
use crate::tls::Authority;

const SOON: Duration = Duration::from_secs(5);

async fn start() -> (Receiver, Client) {
    let authority = Authority::new().unwrap();
    let receiver = Receiver::start(&authority).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = Certificate::from_pem(authority.ca_pem().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([root]).build().unwrap();
    (receiver, client)
}

#[tokio::test]
async fn what_is_sent_is_remembered_and_answered_ok() {
    let (receiver, client) = start().await;
    let sent = client
        .post(format!("{}/hook?team=1", receiver.url()))
        .header("x-signature", "abc")
        .body(r#"{"text":"hello"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!((sent.status().as_u16(), sent.text().await.unwrap().as_str()), (200, "ok"));

    let requests = receiver.wait_for("/hook", 1, SOON).await.unwrap();
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].header("X-Signature"), "abc");
    assert_eq!(requests[0].json()["text"], "hello");
}

#[tokio::test]
async fn queued_answers_are_given_in_turn_and_per_path() {
    let (receiver, client) = start().await;
    receiver.answer("/hook", Answer::new(429, "slow down").header("retry-after", "7"));
    receiver.answer("/hook", Answer::new(503, ""));
    let mut statuses = Vec::new();
    for path in ["/other", "/hook", "/hook", "/hook"] {
        let answer = client.post(format!("{}{path}", receiver.url())).send().await.unwrap();
        statuses.push((path, answer.status().as_u16(), answer.headers().get("retry-after").cloned()));
    }
    let retry = Some("7".parse().unwrap());
    assert_eq!(
        statuses,
        [("/other", 200, None), ("/hook", 429, retry), ("/hook", 503, None), ("/hook", 200, None)]
    );
}

#[tokio::test]
async fn a_reset_breaks_the_connection_and_the_request_still_counts() {
    let (receiver, client) = start().await;
    receiver.answer("/hook", Answer::reset());
    let broken = client.post(format!("{}/hook", receiver.url())).body("x").send().await;
    assert!(broken.is_err(), "{broken:?}");
    assert_eq!(receiver.requests("/hook").len(), 1);
    assert_eq!(client.post(format!("{}/hook", receiver.url())).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_delayed_answer_holds_up_no_other() {
    let (receiver, client) = start().await;
    receiver.answer("/slow", Answer::new(200, "late").after(SOON));
    let slow = tokio::spawn(client.post(format!("{}/slow", receiver.url())).send());
    receiver.wait_for("/slow", 1, SOON).await.unwrap();
    assert_eq!(client.post(format!("{}/fast", receiver.url())).send().await.unwrap().status(), 200);
    slow.abort();
}

#[tokio::test]
async fn waiting_ends_with_what_came_when_the_time_is_over() {
    let (receiver, client) = start().await;
    client.post(format!("{}/hook", receiver.url())).send().await.unwrap();
    let error = receiver.wait_for("/hook", 2, Duration::from_millis(10)).await.unwrap_err();
    assert_eq!(error.to_string(), "1 of 2 requests came to /hook within 0.01 s");
}

#[tokio::test]
async fn a_script_answers_what_it_knows_but_what_is_queued_comes_first() {
    let (receiver, client) = start().await;
    receiver.answer_by(|request| request.path.starts_with("/api/").then(|| Answer::new(202, &request.path)));
    receiver.answer("/api/one", Answer::new(500, "broken"));
    let mut answers = Vec::new();
    for path in ["/api/one", "/api/one", "/api/two", "/other"] {
        let sent = client.post(format!("{}{path}", receiver.url())).send().await.unwrap();
        answers.push((sent.status().as_u16(), sent.text().await.unwrap()));
    }
    let answers: Vec<_> = answers.iter().map(|(status, body)| (*status, body.as_str())).collect();
    assert_eq!(answers, [(500, "broken"), (202, "/api/one"), (202, "/api/two"), (200, "ok")]);
}
