//! An account with everything once, and more than one page of everything.

use aws_sdk_eventbridge::types as eb;
use aws_sdk_eventbridge::types::builders::TargetBuilder;
use aws_sdk_lambda::types as lm;

use super::world::{Account, SomeQueue};

pub(super) fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:eu-west-1:123456789012:{name}")
}

pub(super) fn url(name: &str) -> String {
    format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}")
}

pub(super) fn rule_arn(bus: &str, name: &str) -> String {
    let path = if bus == "default" { name.to_owned() } else { format!("{bus}/{name}") };
    arn("events", &format!("rule/{path}"))
}

/// A queue, its environment, and its dead-letter queue.
pub(super) fn queue(name: &str, environment: Option<&str>, dead: Option<&str>) -> SomeQueue {
    SomeQueue {
        name: name.to_owned(),
        dead: dead.map(ToOwned::to_owned),
        environment: environment.map(ToOwned::to_owned),
    }
}

fn function(name: &str, dead: Option<&str>) -> lm::FunctionConfiguration {
    let config = dead.map(|dead| lm::DeadLetterConfig::builder().target_arn(arn("sqs", dead)).build());
    let arn = arn("lambda", &format!("function:{name}"));
    lm::FunctionConfiguration::builder().function_arn(arn).set_dead_letter_config(config).build()
}

fn on_failure(target: String) -> lm::DestinationConfig {
    let failure = lm::OnFailure::builder().destination(target).build();
    lm::DestinationConfig::builder().on_failure(failure).build()
}

fn destination(function: &str, qualifier: &str, target: String) -> (String, lm::FunctionEventInvokeConfig) {
    let config = lm::FunctionEventInvokeConfig::builder()
        .function_arn(arn("lambda", &format!("function:{function}:{qualifier}")))
        .destination_config(on_failure(target));
    (function.to_owned(), config.build())
}

fn subscription(
    id: &str,
    protocol: &str,
    endpoint: &str,
    dead: Option<&str>,
    raw: &'static str,
) -> (aws_sdk_sns::types::Subscription, Option<String>, &'static str) {
    let some = aws_sdk_sns::types::Subscription::builder()
        .subscription_arn(if id == "PendingConfirmation" {
            id.to_owned()
        } else {
            arn("sns", &format!("orders:{id}"))
        })
        .topic_arn(arn("sns", "orders"))
        .protocol(protocol)
        .endpoint(endpoint);
    let policy = dead.map(|dead| format!(r#"{{"deadLetterTargetArn":"{}"}}"#, arn("sqs", dead)));
    (some.build(), policy, raw)
}

fn target(id: &str, dead: Option<&str>) -> TargetBuilder {
    let dead = dead.map(|dead| eb::DeadLetterConfig::builder().arn(arn("sqs", dead)).build());
    eb::Target::builder().id(id).arn(arn("sqs", id)).set_dead_letter_config(dead)
}

/// Everything once, and more than one page of everything.
pub(super) fn account() -> Account {
    let mapping =
        lm::EventSourceMappingConfiguration::builder().function_arn(arn("lambda", "function:reader"));
    let group = eb::SqsParameters::builder().message_group_id("orders").build();
    Account {
        queues: vec![
            queue("shared-dlq", Some("prod"), None),
            queue("orders", Some("prod"), Some("orders-dead")),
            queue("orders-copy", None, Some("orders-dead")),
            queue("orders-dead", None, None),
            queue("other", Some("test"), Some("other-dlq")),
            queue("other-dlq", None, None),
            queue("nobody-dlq", Some("prod"), None),
            queue("untagged-dlq", None, None),
            queue("plain", Some("prod"), None),
        ],
        functions: vec![function("mail", Some("shared-dlq")), function("reader", None)],
        destinations: vec![
            destination("mail", "$LATEST", arn("sqs", "shared-dlq")),
            destination("mail", "live", arn("sqs", "shared-dlq")),
            destination("reader", "$LATEST", arn("sns", "shared-dlq")),
        ],
        mappings: vec![
            mapping
                .clone()
                .uuid("m-1")
                .event_source_arn(arn("kinesis", "stream/clicks"))
                .destination_config(on_failure(arn("sqs", "shared-dlq")))
                .build(),
            mapping.uuid("m-2").build(),
        ],
        subscriptions: vec![
            subscription("s-1", "sqs", &arn("sqs", "orders"), Some("shared-dlq"), "true"),
            subscription("PendingConfirmation", "email", "a@example.com", None, "false"),
            subscription("s-2", "https", "https://user:word@example.com/", Some("shared-dlq"), "false"),
            subscription("s-3", "lambda", &arn("lambda", "function:mail"), None, "false"),
        ],
        buses: vec!["default".to_owned(), "shop".to_owned()],
        rules: [("default", "nightly"), ("default", "plain"), ("shop", "placed")]
            .map(|(bus, rule)| (bus.to_owned(), rule.to_owned()))
            .to_vec(),
        targets: [
            ("default", "nightly", target("t-1", Some("shared-dlq")).input("{}").build()),
            ("default", "plain", target("t-2", None).build()),
            ("shop", "placed", target("t-3", None).build()),
            ("shop", "placed", target("t-4", Some("shared-dlq")).sqs_parameters(group).build()),
        ]
        .map(|(bus, rule, target)| (bus.to_owned(), rule.to_owned(), target.unwrap()))
        .to_vec(),
        broken: Vec::new(),
    }
}
