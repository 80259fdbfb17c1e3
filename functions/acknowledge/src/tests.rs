//! The function as a whole: pages with their headers, one acknowledgement, one notice, and no token anywhere.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;
use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};
use aws_sdk_sns::types::error::InternalErrorException;
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use aws_smithy_types::retry::RetryConfig;
use shared::Error;
use shared::ledger::Item;

use super::*;
use crate::cases::{INCIDENT, activity, at, held, over};

/// What the corpus is signed with.
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What AWS holds, and what was published.
#[derive(Default)]
struct World {
    entry: Option<Item>,
    writes: usize,
    published: Vec<Value>,
    /// Whether the topic takes nothing right now.
    mute: bool,
}

struct Stage {
    function: Acknowledge,
    world: Arc<Mutex<World>>,
}

impl Stage {
    /// With this incident in the ledger.
    async fn with(activity: Option<Activity>) -> Self {
        let key = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
            .match_requests(|request| request.secret_id() == Some("key"))
            .then_output(|| GetSecretValueOutput::builder().secret_string(KEY).build());
        let stage = Self::keyed(&key);
        if let Some(activity) = activity {
            let ledger = &stage.function.clients.get().unwrap().ledger;
            assert!(ledger.note("dev", &activity, None, at(0)).await.unwrap());
            stage.world.lock().unwrap().writes = 0;
        }
        stage
    }

    fn keyed(key: &Rule) -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let of = || Arc::clone(&world);
        let (w1, w2, w3, w4) = (of(), of(), of(), of());
        let get = mock!(aws_sdk_dynamodb::Client::get_item).then_compute_output(move |input| {
            let wanted = input.key().unwrap();
            let entry = w1.lock().unwrap().entry.clone();
            let found = entry.filter(|entry| entry["pk"] == wanted["pk"] && entry["sk"] == wanted["sk"]);
            GetItemOutput::builder().set_item(found).build()
        });
        let put = mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |input| {
            let mut world = w2.lock().unwrap();
            world.entry = input.item().cloned();
            world.writes += 1;
            PutItemOutput::builder().build()
        });
        let query = mock!(aws_sdk_dynamodb::Client::query).then_compute_output(move |_| {
            QueryOutput::builder()
                .set_items(w3.lock().unwrap().entry.clone().map(|entry| vec![entry]))
                .build()
        });
        let publish = mock!(aws_sdk_sns::Client::publish).then_compute_response(move |input| {
            let mut world = w4.lock().unwrap();
            if world.mute {
                let error = InternalErrorException::builder().build();
                return MockResponse::Error(PublishError::InternalErrorException(error));
            }
            assert_eq!(input.topic_arn(), Some("topic"));
            world.published.push(serde_json::from_str(input.message().unwrap()).unwrap());
            MockResponse::Output(PublishOutput::builder().build())
        });
        let dynamodb = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&get, &put, &query]);
        let clients = Clients {
            ledger: Ledger::new(dynamodb, "ledger"),
            secrets: mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, [key]),
            sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&publish], |conf| conf
                .retry_config(RetryConfig::disabled())),
        };
        let config = Config {
            environment: "dev".to_owned(),
            table: "ledger".to_owned(),
            notices_topic: "topic".to_owned(),
            key: "key".to_owned(),
        };
        let function = Acknowledge { clients: OnceCell::from(clients), ..Acknowledge::new(config) };
        Self { function, world }
    }

    /// What a file of the corpus is answered with, in the 12th minute.
    async fn handle(&self, name: &str) -> Result<Report> {
        let path = format!("{}/../../events/acknowledge/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        self.answer_to(&event).await
    }

    async fn answer_to(&self, event: &Value) -> Result<Report> {
        // The deadline is asked of the clock.
        let deadline = "2200-01-01T00:00:00Z".parse().unwrap();
        let invocation = Invocation { request_id: "r-1".to_owned(), now: at(12), deadline };
        let report = self.function.handle(event, &invocation).await;
        let token = event["queryStringParameters"]["token"].as_str().unwrap_or("no token");
        let seen = report.as_ref().map_or_else(Error::chain, line);
        assert!(!seen.contains(token), "the token is seen: {seen}");
        report
    }

    fn published(&self) -> Vec<Value> {
        self.world.lock().unwrap().published.clone()
    }
}

/// All that a log shows of a report.
fn line(report: &Report) -> String {
    let (environment, function) = ("dev", "acknowledge");
    let run = shared::report::Run {
        environment,
        function,
        request_id: "r-1",
        cold: false,
        began: at(12),
        millis: 1.0,
    };
    shared::report::line(report, &run)
}

/// A file of the corpus, its status, the report's outcome, and whether it writes.
async fn check(activity: Option<Activity>, name: &str, status: u16, outcome: &str, writes: bool) {
    let stage = Stage::with(activity).await;
    let report = stage.handle(name).await.unwrap();
    assert_eq!((&report.answer()["statusCode"], report.outcome()), (&json!(status), outcome), "{name}");
    assert_eq!(stage.world.lock().unwrap().writes, usize::from(writes), "{name}");
    assert_eq!(stage.published().len(), usize::from(writes), "{name}");
}

#[tokio::test]
async fn every_request_of_the_corpus_has_its_answer_and_only_a_good_form_writes() {
    let firing = || Some(activity());
    for name in ["get", "head", "get-by-link-preview"] {
        check(firing(), name, 200, "shown", false).await;
        check(Some(held("ben")), name, 200, "shown", false).await;
        check(Some(over()), name, 200, "over", false).await;
        check(None, name, 404, "unknown", false).await;
    }
    for name in ["post", "post-as-text", "post-without-name"] {
        check(firing(), name, 200, "acknowledged", true).await;
        check(Some(held("ben")), name, 200, "before", false).await;
        check(Some(over()), name, 200, "over", false).await;
        check(None, name, 404, "unknown", false).await;
    }
    check(firing(), "get-expired", 410, "expired", false).await;
    let later = || Some(Activity { started: "2199-01-01T00:00:00Z".parse().unwrap(), ..activity() });
    for name in ["get", "post"] {
        check(later(), name, 410, "expired", false).await;
    }
    for name in ["get-forged", "get-without-query", "post-forged", "hostile-by-hand-in-body"] {
        check(firing(), name, 403, "forged", false).await;
    }
    check(firing(), "post-json", 400, "refused", false).await;
    check(firing(), "options", 405, "refused", false).await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_anything_is_read() {
    for name in ["hostile-context-without-method", "hostile-neither", "hostile-null"] {
        let error = Stage::with(Some(activity())).await.handle(name).await.unwrap_err();
        assert!(matches!(error, Error::Event(_)), "{error}");
    }
}

#[tokio::test]
async fn a_name_is_shown_as_text_and_told_as_it_was_typed() {
    let stage = Stage::with(Some(activity())).await;
    let report = stage.handle("hostile-name").await.unwrap();
    let page = report.answer()["body"].as_str().unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    let title = "<script>alert(1)</script> has acknowledged: prod/web answers with errors";
    assert_eq!(stage.published()[0]["title"], title);
}

#[tokio::test]
async fn nothing_keeps_frames_or_follows_a_page_and_a_preview_gets_no_body() {
    let stage = Stage::with(Some(activity())).await;
    let got = stage.handle("get").await.unwrap();
    let expected = json!({
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "content-security-policy":
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
    });
    assert_eq!(got.answer()["headers"], expected);
    let page = got.answer()["body"].as_str().unwrap();
    assert!(page.contains("<form") && !page.contains("token"), "{page}");

    let head = stage.handle("head").await.unwrap();
    assert_eq!((&head.answer()["headers"], &head.answer()["body"]), (&expected, &json!("")));
    let refused = stage.handle("options").await.unwrap();
    assert_eq!(refused.answer()["headers"]["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn a_repetition_tells_nothing_new_and_another_is_told_who_was_first() {
    let stage = Stage::with(Some(activity())).await;
    for _ in 0..2 {
        assert_eq!(stage.handle("post").await.unwrap().outcome(), "acknowledged");
    }
    assert_eq!(stage.handle("post-as-text").await.unwrap().outcome(), "before");
    let published = stage.published();
    assert_eq!(published[0], published[1], "readers know the second as the first");
    assert_eq!((published.len(), stage.world.lock().unwrap().writes), (2, 1));
    assert_eq!(published[0]["title"], "Ann Müller has acknowledged: prod/web answers with errors");
    assert_eq!(published[0]["revision"], at(12).as_millisecond());
}

#[tokio::test]
async fn what_could_not_be_told_is_told_when_it_is_asked_for_again() {
    let stage = Stage::with(Some(activity())).await;
    stage.world.lock().unwrap().mute = true;
    let error = stage.handle("post").await.unwrap_err();
    assert!(error.chain().starts_with("sns:Publish failed"), "{error:?}");
    stage.world.lock().unwrap().mute = false;
    assert_eq!(stage.handle("post").await.unwrap().outcome(), "acknowledged");
    assert_eq!((stage.published().len(), stage.world.lock().unwrap().writes), (1, 1));
}

#[tokio::test]
async fn by_hand_needs_no_link_and_is_answered_in_json() {
    let stage = Stage::with(Some(activity())).await;
    let listed = stage.handle("by-hand-incidents").await.unwrap();
    let incident = &listed.answer()["incidents"][0];
    assert_eq!((listed.outcome(), &incident["incident"]), ("listed", &json!(INCIDENT)));
    assert_eq!((&incident["severity"], &incident["acknowledged"]), (&json!("sev1"), &Value::Null));

    let done = stage.handle("by-hand-acknowledge").await.unwrap();
    assert_eq!(done.answer()["outcome"], "acknowledged");
    assert_eq!(done.answer()["incident"]["acknowledged"], json!({"by": "ann", "at": at(12)}));
    assert_eq!(stage.published().len(), 1);

    let unknown = Stage::with(None).await.handle("by-hand-acknowledge").await.unwrap();
    assert_eq!(
        (&unknown.answer()["outcome"], &unknown.answer()["incident"]),
        (&json!("unknown"), &Value::Null)
    );
    let over = Stage::with(Some(over())).await.handle("by-hand-incidents").await.unwrap();
    assert_eq!(over.answer()["incidents"], json!([]));
    assert_eq!(over.answer()["over"], Value::Null, "it is told where it is asked for");
    let over = Stage::with(Some(self::over())).await.handle("by-hand-incidents-over").await.unwrap();
    assert_eq!(
        (&over.answer()["incidents"], &over.answer()["over"][0]["state"]),
        (&json!([]), &json!("resolved"))
    );
    let over = Stage::with(Some(self::over())).await.handle("by-hand-incidents-since").await.unwrap();
    let ended = &over.answer()["over"][0];
    assert_eq!((&ended["ended"], &ended["lasted"]), (&json!(at(30)), &json!("30m")));
    assert_eq!((&over.answer()["omitted"], &incident["ended"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn without_a_usable_key_nothing_is_shown() {
    let gone = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_error(|| {
        GetSecretValueError::ResourceNotFoundException(ResourceNotFoundException::builder().build())
    });
    let error = Stage::keyed(&gone).handle("get").await.unwrap_err();
    assert!(error.chain().starts_with("secretsmanager:GetSecretValue failed"), "{error:?}");
    let short = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_output(|| GetSecretValueOutput::builder().secret_string("short").build());
    let error = Stage::keyed(&short).handle("get").await.unwrap_err();
    assert!(error.chain().contains("at least 32 characters"), "{error:?}");
}
