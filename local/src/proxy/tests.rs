use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Answer, Call, Fault, Protocol, Proxy, When, longest_chain};

/// What stands behind the proxy: it counts what reaches it and tells the `Host` it saw.
#[derive(Default)]
struct Behind {
    reached: AtomicUsize,
}

async fn behind() -> (String, Arc<Behind>) {
    async fn answer(State(behind): State<Arc<Behind>>, headers: HeaderMap, body: String) -> String {
        behind.reached.fetch_add(1, Ordering::SeqCst);
        json!({"host": headers["host"].to_str().unwrap(), "body": body}).to_string()
    }
    let behind = Arc::new(Behind::default());
    let routes = Router::new().fallback(answer).with_state(Arc::clone(&behind));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, behind)
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A signed call, as the SDK writes it.
fn call(url: &str, service: &str, protocol: Protocol, operation: &str) -> Request<Full<Bytes>> {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIA/20261120/eu-central-1/{service}/aws4_request, SignedHeaders=host"
    );
    let request = Request::post(match protocol {
        Protocol::Xml => format!("{url}/{operation}"),
        Protocol::Cbor => format!("{url}/service/Granite/operation/{operation}"),
        Protocol::Rest => format!("{url}/2015-03-31/functions/{operation}?Qualifier=live"),
        Protocol::Json | Protocol::Query => format!("{url}/"),
    })
    .header("authorization", scope);
    let (request, body) = match protocol {
        Protocol::Json => {
            (request.header("x-amz-target", format!("Some_2014.{operation}")), "{\"of\":1}".to_owned())
        }
        Protocol::Query => (
            request.header("content-type", "application/x-www-form-urlencoded"),
            format!("Version=2010-03-31&Action={operation}&Message=Action%3D1"),
        ),
        Protocol::Cbor | Protocol::Rest | Protocol::Xml => (request, String::new()),
    };
    request.body(Full::new(body.into())).unwrap()
}

/// Status and body, or `None` if the connection was cut.
async fn send(request: Request<Full<Bytes>>) -> Option<(u16, Bytes)> {
    let response = client().request(request).await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.into_body().collect().await.ok()?.to_bytes()))
}

#[tokio::test]
async fn a_call_is_named_by_its_iam_action() {
    #[track_caller]
    fn check(proxy: &Proxy, expected: &str, protocol: Protocol) {
        let calls = proxy.calls();
        let last = calls.last().unwrap();
        assert_eq!((last.action.as_str(), last.protocol), (expected, protocol));
        assert_eq!(last.status, Some(200));
        assert!(last.ended.unwrap() >= last.arrived);
    }
    let (url, _behind) = behind().await;
    let proxy = Proxy::forwarding(&url).await.unwrap();
    for (service, protocol, operation, expected) in [
        ("ecs", Protocol::Json, "UpdateService", "ecs:UpdateService"),
        ("monitoring", Protocol::Cbor, "DescribeAlarms", "cloudwatch:DescribeAlarms"),
        ("sns", Protocol::Query, "Publish", "sns:Publish"),
        ("lambda", Protocol::Rest, "web", "lambda:POST /2015-03-31/functions/web"),
    ] {
        send(call(proxy.url(), service, protocol, operation)).await.unwrap();
        check(&proxy, expected, protocol);
    }
    assert_eq!(proxy.calls()[0].json(), json!({"of": 1}));
}

#[tokio::test]
async fn a_call_to_s3_is_named_by_its_action_and_says_its_object_and_its_headers() {
    let proxy = Proxy::answering(|_| Answer::json(&json!({})).with_header("etag", "\"1\"")).await.unwrap();
    let scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261120/eu-central-1/s3/aws4_request, SignedHeaders=host";
    let in_host = "archive.s3.eu-central-1.amazonaws.com";
    for (method, host, path, action, key) in [
        ("PUT", "127.0.0.1:80", "/archive/a/b%20c%2Bd?x-id=PutObject", "s3:PutObject", "a/b c+d"),
        ("PUT", in_host, "/a/b", "s3:PutObject", "a/b"),
        ("GET", in_host, "/a", "s3:GetObject", "a"),
        ("HEAD", "localhost:80", "/archive/a", "s3:GetObject", "a"),
        ("HEAD", "archive.localhost", "/a?versionId=1", "s3:GetObjectVersion", "a"),
        ("DELETE", "s3.eu-central-1.amazonaws.com", "/archive/a", "s3:DeleteObject", "a"),
        ("GET", in_host, "/?list-type=2&prefix=a", "s3:ListBucket", ""),
        ("HEAD", "127.0.0.1", "/archive", "s3:ListBucket", ""),
        ("GET", in_host, "/a?tagging", "s3:GET /a", "a"),
        ("PUT", in_host, "/?versioning", "s3:PUT /", ""),
    ] {
        let request = Request::builder().method(method).uri(format!("{}{path}", proxy.url()));
        let request =
            request.header("host", host).header("authorization", scope).header("x-amz-meta-of", "1");
        let response = client().request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["etag"], "\"1\"");
        assert_eq!(response.headers()["content-type"], "application/xml");
        let call = proxy.calls().pop().unwrap();
        assert_eq!(
            (&*call.action, call.protocol, call.method.as_str()),
            (action, Protocol::Xml, method),
            "{path}"
        );
        assert_eq!(call.object(), ("archive".to_owned(), key.to_owned()), "{path}");
        assert_eq!(
            (call.header("X-Amz-Meta-Of"), call.headers().any(|(name, _)| name == "host")),
            (Some("1"), true)
        );
    }
}

#[tokio::test]
async fn what_the_signature_covers_passes_through_unchanged() {
    let (url, _behind) = behind().await;
    let proxy = Proxy::forwarding(&url).await.unwrap();
    let (_, body) = send(call(proxy.url(), "ecs", Protocol::Json, "UpdateService")).await.unwrap();
    let seen: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(seen, json!({"host": &proxy.url()["http://".len()..], "body": "{\"of\":1}"}));
}

#[tokio::test]
async fn a_fault_answers_cuts_or_repeats_and_reaches_aws_as_it_says() {
    let (url, behind) = behind().await;
    let proxy = Proxy::forwarding(&url).await.unwrap();
    for (fault, status, reached) in [
        (Fault::Throttle, Some(400), 0),
        (Fault::Deny, Some(400), 0),
        (Fault::InternalError, Some(500), 0),
        (Fault::Unavailable, Some(503), 0),
        (Fault::Delay(Duration::from_millis(1)), Some(200), 1),
        (Fault::CutBefore, None, 0),
        (Fault::CutAfter, None, 1),
        (Fault::Repeat, Some(200), 2),
    ] {
        proxy.heal();
        proxy.inject("ecs:UpdateService", When::Always, fault);
        behind.reached.store(0, Ordering::SeqCst);
        let answer = send(call(proxy.url(), "ecs", Protocol::Json, "UpdateService")).await;
        assert_eq!(answer.map(|(status, _)| status), status, "{fault:?}");
        assert_eq!(behind.reached.load(Ordering::SeqCst), reached, "{fault:?}");
        assert_eq!(proxy.calls().last().unwrap().fault, Some(fault));
    }
}

#[tokio::test]
async fn an_error_is_written_in_the_protocol_of_its_call() {
    let proxy = Proxy::answering(|_| Answer::json(&json!({}))).await.unwrap();
    proxy.inject("*", When::Always, Fault::Throttle);
    for (protocol, service, status, expected) in [
        (Protocol::Json, "ecs", 400, &br#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#[..]),
        (
            Protocol::Rest,
            "lambda",
            429,
            br#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#,
        ),
        (Protocol::Query, "sns", 400, b"<Code>Throttling</Code>"),
        (Protocol::Xml, "s3", 503, b"<Code>SlowDown</Code>"),
        (Protocol::Cbor, "monitoring", 400, b"\xa2\x79\x00\x06__type\x79\x00\x13ThrottlingException"),
    ] {
        let (answered, body) = send(call(proxy.url(), service, protocol, "Do")).await.unwrap();
        assert_eq!(answered, status, "{protocol:?}");
        let found = body.windows(expected.len()).any(|part| part == expected);
        assert!(found, "{protocol:?}: {}", body.escape_ascii());
    }
    proxy.heal();
    proxy.inject("sns:*", When::Always, Fault::Deny);
    let (status, body) = send(call(proxy.url(), "sns", Protocol::Query, "Publish")).await.unwrap();
    assert_eq!(status, 403);
    assert!(String::from_utf8_lossy(&body).contains("<Code>AuthorizationError</Code>"));
}

#[tokio::test]
async fn a_rule_is_about_the_calls_and_occurrences_it_names() {
    let proxy = Proxy::answering(|_| Answer::json(&json!({}))).await.unwrap();
    let statuses = async |when, pattern: &str| {
        proxy.heal();
        proxy.inject(pattern, when, Fault::Unavailable);
        let mut statuses = Vec::new();
        for operation in ["Describe", "Update", "Update", "Update"] {
            let answer = send(call(proxy.url(), "ecs", Protocol::Json, operation)).await;
            statuses.push(answer.unwrap().0);
        }
        statuses
    };
    assert_eq!(statuses(When::Always, "ecs:Update").await, [200, 503, 503, 503]);
    assert_eq!(statuses(When::First(2), "ecs:Update").await, [200, 503, 503, 200]);
    assert_eq!(statuses(When::Nth(2), "ecs:Update").await, [200, 200, 503, 200]);
    assert_eq!(statuses(When::Nth(2), "*").await, [200, 503, 200, 200]);
    assert_eq!(statuses(When::Always, "ecs:*").await, [503; 4]);
    assert_eq!(statuses(When::Always, "sns:*").await, [200; 4]);
    assert_eq!(statuses(When::Always, "ecs:Upd").await, [200; 4]);
}

#[tokio::test]
async fn a_caller_can_be_ended_while_its_call_hangs_on_either_side_of_aws() {
    let (url, behind) = behind().await;
    let proxy = Proxy::forwarding(&url).await.unwrap();
    for (fault, reached) in [(Fault::Hang, 0), (Fault::HangAfter, 1)] {
        proxy.heal();
        proxy.forget();
        proxy.inject("*", When::Always, fault);
        behind.reached.store(0, Ordering::SeqCst);
        let caller = tokio::spawn(send(call(proxy.url(), "ecs", Protocol::Json, "UpdateService")));
        let arrived = proxy.arrival("ecs:UpdateService", 1).await;
        assert_eq!(arrived.fault, Some(fault));
        while behind.reached.load(Ordering::SeqCst) < reached {
            tokio::task::yield_now().await;
        }
        assert!(!caller.is_finished());
        caller.abort();
        assert_eq!(behind.reached.load(Ordering::SeqCst), reached, "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_on_its_way_arrives_though_its_caller_is_gone() {
    let (url, behind) = behind().await;
    let proxy = Proxy::forwarding(&url).await.unwrap();
    proxy.inject("*", When::Always, Fault::Delay(Duration::from_millis(20)));
    let caller = tokio::spawn(send(call(proxy.url(), "ecs", Protocol::Json, "UpdateService")));
    proxy.arrival("*", 1).await;
    caller.abort();
    let arrived = async {
        while behind.reached.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), arrived).await.unwrap();
}

#[tokio::test]
async fn a_script_sees_the_call_it_answers() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let proxy = {
        let seen = Arc::clone(&seen);
        Proxy::answering(move |call| {
            seen.lock().unwrap().push((call.action.clone(), call.json()));
            Answer::error(400, "ResourceNotFoundException", "no such table")
        })
    };
    let proxy = proxy.await.unwrap();
    let (status, body) = send(call(proxy.url(), "dynamodb", Protocol::Json, "GetItem")).await.unwrap();
    assert_eq!(status, 400);
    assert!(body.starts_with(b"{\"__type\":\"ResourceNotFoundException\""));
    assert_eq!(*seen.lock().unwrap(), [("dynamodb:GetItem".to_owned(), json!({"of": 1}))]);
    assert_eq!((proxy.count("dynamodb:*"), proxy.count("ecs:*")), (1, 0));
}

#[test]
fn the_longest_chain_counts_calls_that_waited_for_one_another() {
    #[track_caller]
    fn check(calls: &[Call], expected: usize) {
        assert_eq!(longest_chain(calls, "ecs:UpdateService"), expected);
    }
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let call = |action: &str, arrived, ended: Option<u64>| Call {
        id: 0,
        action: action.to_owned(),
        method: hyper::Method::POST,
        headers: hyper::HeaderMap::new(),
        protocol: Protocol::Json,
        path: "/".to_owned(),
        body: Bytes::new(),
        arrived: at(arrived),
        ended: ended.map(at),
        status: None,
        fault: None,
    };
    let update = |arrived| call("ecs:UpdateService", arrived, Some(arrived + 5));
    check(&[], 0);
    check(&[call("a", 0, Some(9))], 0);
    check(&[update(0)], 1);
    check(&[call("a", 0, Some(5)), call("b", 5, Some(9)), update(9)], 3);
    // Three at once are one step; a call that never ended holds nobody up.
    check(&[call("a", 0, Some(5)), call("b", 1, Some(5)), call("c", 2, Some(6)), update(7)], 2);
    check(&[call("a", 0, None), update(7)], 1);
    // What comes after does not count.
    check(&[call("a", 0, Some(5)), update(7), call("b", 20, Some(21)), update(30)], 2);
}

#[tokio::test]
async fn a_call_with_an_answer_of_its_own_does_not_reach_aws_and_its_faults_still_happen() {
    let (url, behind) = behind().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let proxy = {
        let asked = Arc::clone(&asked);
        Proxy::forwarding_but(&url, move |call| {
            call.is("ecs:StopServiceDeployment").then(|| {
                asked.fetch_add(1, Ordering::SeqCst);
                Answer::error(400, "ConflictException", "it is over")
            })
        })
    };
    let proxy = proxy.await.unwrap();
    let stop = async || send(call(proxy.url(), "ecs", Protocol::Json, "StopServiceDeployment")).await;
    for (fault, status, answered) in [
        (None, Some(400), 1),
        (Some(Fault::CutAfter), None, 1),
        (Some(Fault::CutBefore), None, 0),
        (Some(Fault::Unavailable), Some(503), 0),
        (Some(Fault::Repeat), Some(400), 2),
    ] {
        proxy.heal();
        asked.store(0, Ordering::SeqCst);
        if let Some(fault) = fault {
            proxy.inject("ecs:StopServiceDeployment", When::Always, fault);
        }
        assert_eq!(stop().await.map(|(status, _)| status), status, "{fault:?}");
        assert_eq!(asked.load(Ordering::SeqCst), answered, "{fault:?}");
    }
    assert_eq!(behind.reached.load(Ordering::SeqCst), 0);
    send(call(proxy.url(), "ecs", Protocol::Json, "UpdateService")).await.unwrap();
    assert_eq!(behind.reached.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn operations_on_aliases_and_versions_have_their_iam_action() {
    let proxy = Proxy::answering(|_| Answer::json(&json!({}))).await.unwrap();
    for (method, path, expected) in [
        ("GET", "/web/aliases/live", "lambda:GetAlias"),
        ("PUT", "/web/aliases/live", "lambda:UpdateAlias"),
        ("GET", "/web/aliases?MaxItems=50", "lambda:ListAliases"),
        ("GET", "/web/versions?Marker=3", "lambda:ListVersionsByFunction"),
        ("DELETE", "/web/aliases/live", "lambda:DELETE /2015-03-31/functions/web/aliases/live"),
        ("POST", "/web/versions", "lambda:POST /2015-03-31/functions/web/versions"),
    ] {
        let path = format!("/2015-03-31/functions{path}");
        let mut request = call(proxy.url(), "lambda", Protocol::Rest, "web");
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("{}{path}", proxy.url()).parse().unwrap();
        send(request).await.unwrap();
        let last = proxy.calls().pop().unwrap();
        assert_eq!((last.action.as_str(), last.path.as_str()), (expected, path.as_str()));
    }
}

#[tokio::test]
async fn a_form_is_read_and_answered_in_xml() {
    let proxy = Proxy::answering(|call| {
        assert_eq!((call.operation(), &*call.form()[2].1), ("DescribeStacks", "Action=1"));
        Answer::query(call, "<Stacks/>")
    });
    let proxy = proxy.await.unwrap();
    let form = || call(proxy.url(), "cloudformation", Protocol::Query, "DescribeStacks");
    let (status, body) = send(form()).await.unwrap();
    assert_eq!(status, 200);
    let start = b"<DescribeStacksResponse><DescribeStacksResult><Stacks/></DescribeStacksResult>";
    assert!(body.starts_with(start), "{}", body.escape_ascii());
}
