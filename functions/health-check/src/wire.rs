//! An AWS for the tests of the checks: it answers each call with the words that the API would send.

use std::sync::{Arc, Mutex};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_cbor::Encoder;
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use serde_json::Value;
use shared::policy::Health as Rules;
use shared::policy::health::{Expectations, Expected};

use crate::clients::Clients;
use crate::observe::http::Probes;
use crate::sweep::Ask;

/// What a call asked for.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The service, such as `ecs`: the one that the signature is for.
    pub(crate) service: String,
    /// The action, such as `DescribeServices`; of REST services, method and path.
    pub(crate) action: String,
    /// The query string.
    pub(crate) query: String,
    /// The body: JSON, or a form.
    pub(crate) body: String,
}

/// What a call is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Reply {
    /// 200 with this body, JSON or XML.
    #[expect(clippy::needless_pass_by_value, reason = "texts and values are given as they are")]
    pub(crate) fn ok(body: impl ToString) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// 200 with an answer of a query API such as RDS: `<Action>Response` with `<Action>Result` around this.
    pub(crate) fn xml(action: &str, result: &str) -> Self {
        Self::ok(format!(
            "<{action}Response><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ))
    }

    /// A refusal with this code of an API that answers JSON.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::refusal(status, code, "said by the test")
    }

    /// The same with words.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
        Self { status, headers: Vec::new(), body: body.into_bytes() }
    }

    /// A refusal of an API that answers XML.
    pub(crate) fn xml_error(status: u16, code: &str) -> Self {
        let error = format!(
            "<Error><Type>Sender</Type><Code>{code}</Code><Message>said by the test</Message></Error>"
        );
        Self {
            status,
            headers: Vec::new(),
            body: format!("<ErrorResponse>{error}</ErrorResponse>").into_bytes(),
        }
    }

    /// 200 with CBOR, as CloudWatch answers: `{"$time": <seconds>}` is a time, a number with a point is a double.
    pub(crate) fn cbor(value: &Value) -> Self {
        let mut encoder = Encoder::new(Vec::new());
        encode(&mut encoder, value);
        Self { status: 200, headers: vec![("smithy-protocol", "rpc-v2-cbor")], body: encoder.into_writer() }
    }

    /// A refusal of an API that answers CBOR.
    pub(crate) fn cbor_error(status: u16, code: &str) -> Self {
        let said = serde_json::json!({"__type": code, "message": "said by the test"});
        Self { status, ..Self::cbor(&said) }
    }

    /// What `GetMetricData` answers: the value of each query, in order.
    pub(crate) fn metrics(values: &[Option<f64>]) -> Self {
        let results = values.iter().enumerate().map(|(place, value)| {
            let values: Vec<f64> = value.iter().copied().collect();
            serde_json::json!({"Id": format!("q{place}"), "Values": values})
        });
        Self::cbor(&serde_json::json!({"MetricDataResults": results.collect::<Vec<_>>()}))
    }

    /// With another status.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// With another body, made of this one.
    pub(crate) fn changed(self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        Self { body: change(&self.body), ..self }
    }

    /// With a header.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// The AWS, and what it was asked.
pub(crate) struct Wire {
    pub(crate) clients: Clients,
    pub(crate) probes: Probes,
    pub(crate) rules: Rules,
    pub(crate) expected: Expected,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// Has each call wait before it is made, as one over a network does: others go on meanwhile.
#[derive(Debug)]
struct Waits;

impl ProvideCredentials for Waits {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            tokio::task::yield_now().await;
            Ok(Credentials::new("test", "test", None, None, "test"))
        })
    }
}

/// When it is, in tests: 2026-11-26T12:00:00Z.
pub(crate) fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

/// The configuration of clients whose calls are answered so.
pub(crate) fn config(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> SdkConfig {
    let client = infallible_client_fn(move |request: http::Request<SdkBody>| {
        let reply = answer(&Call::of(&request));
        let mut response = http::Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        response.body(SdkBody::from(reply.body)).unwrap()
    });
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(Waits))
        .identity_cache(IdentityCache::no_cache())
        .http_client(client)
        .retry_config(RetryConfig::disabled())
        .build()
}

impl Wire {
    /// An AWS that answers like this.
    pub(crate) fn new(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&calls);
        let config = config(move |call| {
            kept.lock().unwrap().push(call.clone());
            answer(call)
        });
        let rules = Rules::default();
        let expected = Expectations::default().of("prod", true);
        Self { clients: Clients::new(&config), probes: Probes::new(), rules, expected, calls }
    }

    /// What checks are given.
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask::new(&self.clients, &self.probes, &self.rules, &self.expected, "prod", now())
    }

    /// What was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Call {
    fn of(request: &http::Request<SdkBody>) -> Self {
        let header = |name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        // `Credential=<key>/<date>/<region>/<service>/aws4_request`
        let service = header("authorization").split('/').nth(3).unwrap_or_default().to_owned();
        let path = request.uri().path();
        let target = header("x-amz-target");
        let form = body.strip_prefix("Action=").and_then(|rest| rest.split('&').next());
        // CBOR: `/service/GraniteServiceVersion20100801/operation/GetMetricData`
        let cbor = path.rsplit_once("/operation/").map(|(_, operation)| operation);
        let action = match (target.rsplit_once('.'), form, cbor) {
            (Some((_, action)), _, _) | (None, Some(action), _) | (None, None, Some(action)) => {
                action.to_owned()
            }
            (None, None, None) => format!("{} {path}", request.method()),
        };
        Self { service, action, query: request.uri().query().unwrap_or_default().to_owned(), body }
    }
}

fn encode(encoder: &mut Encoder, value: &Value) {
    match value {
        Value::Null => drop(encoder.null()),
        Value::Bool(value) => drop(encoder.boolean(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if number.is_i64() => drop(encoder.long(whole)),
            _ => drop(encoder.double(number.as_f64().unwrap())),
        },
        Value::String(text) => drop(encoder.str(text)),
        Value::Array(items) => {
            encoder.array(items.len());
            for item in items {
                encode(encoder, item);
            }
        }
        Value::Object(fields) => {
            if let Some(seconds) = fields.get("$time").and_then(Value::as_i64) {
                encoder.timestamp(&aws_smithy_types::DateTime::from_secs(seconds));
                return;
            }
            encoder.map(fields.len());
            for (name, value) in fields {
                encoder.str(name);
                encode(encoder, value);
            }
        }
    }
}
