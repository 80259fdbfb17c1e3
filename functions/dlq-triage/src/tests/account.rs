//! What else the account has: a policy, a topic, functions, subscriptions, rules; and S3's copies, which the double of S3
//! does not make.

use std::sync::{Arc, Mutex, MutexGuard};

use local::proxy::{Answer, Call};
use local::recorded::Objects;
use serde_json::{Value, json};
use shared::notice::Notice;

/// A clone is the same account.
#[derive(Clone)]
pub(super) struct Account {
    objects: Objects,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) policy: Option<String>,
    notices: Vec<Notice>,
    /// The functions that were invoked, and with what.
    pub(super) invoked: Vec<(String, Value)>,
    /// The key and the bytes of each copy.
    pub(super) copies: Vec<(String, Vec<u8>)>,
    /// Name, and the ARN of the dead-letter config.
    pub(super) functions: Vec<(&'static str, Option<String>)>,
    /// The function's name, and where what fails goes.
    pub(super) destinations: Vec<(&'static str, String)>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Targets of the rule `placed` of the bus `default`, as EventBridge lists them.
    pub(super) targets: Vec<Value>,
}

pub(super) struct Subscription {
    pub(super) topic: &'static str,
    pub(super) protocol: &'static str,
    pub(super) endpoint: String,
    pub(super) dead: String,
    pub(super) raw: bool,
}

pub(super) fn function(name: &str) -> String {
    format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}")
}

pub(super) fn topic(name: &str) -> String {
    format!("arn:aws:sns:eu-central-1:123456789012:{name}")
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}

impl Account {
    pub(super) fn new(objects: Objects) -> Self {
        Self { objects, state: Arc::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn policy(&self, policy: &str) {
        self.state().policy = Some(policy.to_owned());
    }

    pub(super) fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.state().notices)
    }

    pub(super) fn answer(&self, call: &Call) -> Option<Answer> {
        let mut state = self.state();
        let form = |name: &str| call.form().into_iter().find(|(of, _)| of == name).map(|(_, value)| value);
        let path = call.path.split('?').next().unwrap();
        Some(match call.action.as_str() {
            "ssm:GetParameter" => match &state.policy {
                Some(policy) => {
                    Answer::json(&json!({"Parameter": {"Type": "String", "Value": policy, "Version": 1}}))
                }
                None => Answer::error(400, "ParameterNotFound", "there is no policy"),
            },
            "sns:Publish" => {
                state.notices.push(serde_json::from_str(&form("Message").unwrap()).unwrap());
                Answer::query(call, "<MessageId>1</MessageId>")
            }
            "sns:ListSubscriptions" => Answer::query(call, &state.listed()),
            "sns:GetSubscriptionAttributes" => {
                let asked = form("SubscriptionArn").unwrap();
                let found = state.subscriptions.iter().find(|it| asked == format!("{}:s", topic(it.topic)));
                Answer::query(call, &found.unwrap().attributes())
            }
            "events:ListEventBuses" => Answer::json(&json!({"EventBuses": [{"Name": "default"}]})),
            "events:ListRules" => {
                let rule =
                    json!({"Name": "placed", "Arn": "arn:aws:events:eu-central-1:123456789012:rule/placed"});
                Answer::json(&json!({"Rules": if state.targets.is_empty() { vec![] } else { vec![rule] }}))
            }
            "events:ListTargetsByRule" => Answer::json(&json!({"Targets": state.targets})),
            "lambda:GET /2015-03-31/functions" => {
                let listed = state.functions.iter().map(|(name, dead)| {
                    let dead = dead.as_ref().map(|dead| json!({"TargetArn": dead}));
                    json!({"FunctionName": name, "FunctionArn": function(name), "DeadLetterConfig": dead})
                });
                Answer::json(&json!({"Functions": listed.collect::<Vec<_>>()}))
            }
            "lambda:GET /2015-03-31/event-source-mappings" => {
                Answer::json(&json!({"EventSourceMappings": []}))
            }
            action if action.starts_with("lambda:GET") && path.ends_with("/event-invoke-config/list") => {
                let configs =
                    state.destinations.iter().filter(|(name, _)| path.contains(name)).map(|(name, to)| {
                        json!({"FunctionArn": format!("{}:$LATEST", function(name)),
                        "DestinationConfig": {"OnFailure": {"Destination": to}}})
                    });
                Answer::json(&json!({"FunctionEventInvokeConfigs": configs.collect::<Vec<_>>()}))
            }
            action if action.starts_with("lambda:POST") && path.ends_with("/invocations") => {
                assert_eq!(call.header("x-amz-invocation-type"), Some("Event"));
                let name = path.trim_end_matches("/invocations").rsplit("/functions/").next().unwrap();
                state.invoked.push((unescaped(name), call.json()));
                Answer::raw(202, "")
            }
            "s3:PutObject" => {
                let source = call.header("x-amz-copy-source")?;
                // S3 takes it URL-encoded.
                let source = unescaped(source);
                let (bucket, key) = source.split_once('/').unwrap();
                if bucket == "denied" {
                    return Some(Answer::error(403, "AccessDenied", "Access Denied"));
                }
                let all = self.objects.objects();
                let found = all
                    .into_iter()
                    .find(|(in_bucket, at, _)| (in_bucket.as_str(), at.as_str()) == (bucket, key));
                let Some((.., bytes)) = found else {
                    return Some(Answer::error(404, "NoSuchKey", "The specified key does not exist."));
                };
                state.copies.push((call.object().1, bytes));
                Answer::raw(200, "<CopyObjectResult><ETag>\"1\"</ETag></CopyObjectResult>")
            }
            _ => return None,
        })
    }
}

impl State {
    fn listed(&self) -> String {
        let member = |it: &Subscription| {
            let (topic, endpoint) = (topic(it.topic), &it.endpoint);
            format!(
                "<member><SubscriptionArn>{topic}:s</SubscriptionArn><TopicArn>{topic}</TopicArn><Protocol>{}</Protocol>\
                 <Endpoint>{endpoint}</Endpoint></member>",
                it.protocol
            )
        };
        let members: String = self.subscriptions.iter().map(member).collect();
        format!("<Subscriptions>{members}</Subscriptions>")
    }
}

impl Subscription {
    fn attributes(&self) -> String {
        let policy = json!({"deadLetterTargetArn": self.dead}).to_string().replace('"', "&quot;");
        let entry = |key: &str, value: &str| format!("<entry><key>{key}</key><value>{value}</value></entry>");
        format!(
            "<Attributes>{}{}</Attributes>",
            entry("RedrivePolicy", &policy),
            entry("RawMessageDelivery", &self.raw.to_string())
        )
    }
}
