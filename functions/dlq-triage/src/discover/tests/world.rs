//! An account that answers as it was told to, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use aws_sdk_eventbridge::operation as eb_op;
use aws_sdk_eventbridge::types as eb;
use aws_sdk_lambda::operation as lm_op;
use aws_sdk_lambda::operation::list_event_source_mappings::{
    ListEventSourceMappingsError as NoMappings, ListEventSourceMappingsOutput as ListMappings,
};
use aws_sdk_lambda::operation::list_function_event_invoke_configs::{
    ListFunctionEventInvokeConfigsError as NoConfigs, ListFunctionEventInvokeConfigsOutput as ListConfigs,
};
use aws_sdk_lambda::types as lm;
use aws_sdk_sns::operation as sns_op;
use aws_sdk_sns::operation::get_subscription_attributes::{
    GetSubscriptionAttributesError as NoAttributes, GetSubscriptionAttributesOutput as SubscriptionAttributes,
};
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::error::ErrorMetadata;
use aws_sdk_sqs::operation as sqs_op;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};

use super::*;

/// A queue of the account.
#[derive(Default, Clone)]
pub(super) struct SomeQueue {
    pub(super) name: String,
    /// The name of its dead-letter queue.
    pub(super) dead: Option<String>,
    pub(super) environment: Option<String>,
}

/// What there is, and what fails.
#[derive(Default)]
pub(super) struct Account {
    pub(super) queues: Vec<SomeQueue>,
    pub(super) functions: Vec<lm::FunctionConfiguration>,
    /// By function.
    pub(super) destinations: Vec<(String, lm::FunctionEventInvokeConfig)>,
    pub(super) mappings: Vec<lm::EventSourceMappingConfiguration>,
    /// Each with its redrive policy, and whether it is raw.
    pub(super) subscriptions: Vec<(aws_sdk_sns::types::Subscription, Option<String>, &'static str)>,
    pub(super) buses: Vec<String>,
    /// By bus.
    pub(super) rules: Vec<(String, String)>,
    /// By bus and rule.
    pub(super) targets: Vec<(String, String, eb::Target)>,
    /// An operation, of what (nothing: of all), and the code that it fails with.
    pub(super) broken: Vec<(&'static str, &'static str, &'static str)>,
}

/// An account, and what it was asked.
#[derive(Clone, Default)]
pub(super) struct World {
    account: Arc<Account>,
    calls: Arc<Mutex<Vec<String>>>,
}

/// Everything that a search can reach.
pub(super) struct Clients {
    sqs: aws_sdk_sqs::Client,
    lambda: aws_sdk_lambda::Client,
    sns: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
}

impl Clients {
    pub(super) fn reach(&self) -> Reach<'_> {
        Reach { sqs: &self.sqs, lambda: &self.lambda, sns: &self.sns, events: &self.events }
    }
}

impl World {
    pub(super) fn of(account: Account) -> Self {
        Self { account: Arc::new(account), calls: Arc::default() }
    }

    pub(super) fn clients(&self) -> Clients {
        Clients { sqs: self.sqs(), lambda: self.lambda(), sns: self.sns(), events: self.events() }
    }

    /// What was asked since the last time, in the order of the alphabet.
    pub(super) fn calls(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.sort();
        calls
    }

    /// Notes the call; how it fails, if it does.
    fn asked(&self, operation: &str, of: &str) -> Option<ErrorMetadata> {
        self.calls.lock().unwrap().push(format!("{operation} {of}").trim().to_owned());
        let mut broken = self.account.broken.iter();
        let (_, _, code) =
            broken.find(|(broken, what, _)| *broken == operation && (what.is_empty() || *what == of))?;
        Some(ErrorMetadata::builder().code(*code).message("no").build())
    }

    fn queue(&self, url: &str) -> Option<&SomeQueue> {
        self.account.queues.iter().find(|queue| super::url(&queue.name) == url)
    }
}

/// One thing on a page; a token is the number of the next page.
fn page<T: Clone>(all: &[T], token: Option<&str>) -> (Option<T>, Option<String>) {
    let from: usize = token.map_or(0, |token| token.parse().unwrap());
    (all.get(from).cloned(), (from + 1 < all.len()).then(|| (from + 1).to_string()))
}

/// What an operation answers: the failure that it was told to, or this.
macro_rules! answer {
    ($world:expr, $operation:literal, $of:expr, $error:ty, $output:expr) => {
        match $world.asked($operation, $of) {
            Some(meta) => MockResponse::Error(<$error>::generic(meta)),
            None => MockResponse::Output($output),
        }
    };
}

impl World {
    fn sqs(&self) -> aws_sdk_sqs::Client {
        use aws_sdk_sqs::Client;
        let world = self.clone();
        let list = mock!(Client::list_queues).then_compute_response(move |asked| {
            let prefix = asked.queue_name_prefix().unwrap_or_default();
            assert_eq!(asked.max_results(), Some(1000));
            let queues = world.account.queues.iter().filter(|queue| queue.name.starts_with(prefix));
            let urls: Vec<Vec<String>> = queues
                .map(|queue| url(&queue.name))
                .collect::<Vec<_>>()
                .chunks(400)
                .map(<[_]>::to_vec)
                .collect();
            let (urls, next) = page(&urls, asked.next_token());
            let output = sqs_op::list_queues::ListQueuesOutput::builder().set_queue_urls(urls);
            let output = output.set_next_token(next).build();
            answer!(world, "ListQueues", prefix, sqs_op::list_queues::ListQueuesError, output)
        });
        let world = self.clone();
        let read = mock!(Client::get_queue_attributes).then_compute_response(move |asked| {
            assert_eq!(asked.attribute_names(), attributes::NAMES);
            let queue = world.queue(asked.queue_url().unwrap()).unwrap();
            let policy = queue.dead.as_ref().map(|dead| {
                format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":"3"}}"#, arn("sqs", dead))
            });
            let output = sqs_op::get_queue_attributes::GetQueueAttributesOutput::builder()
                .attributes(QueueAttributeName::QueueArn, arn("sqs", &queue.name))
                .attributes(QueueAttributeName::ApproximateNumberOfMessages, "2");
            let output = match policy {
                Some(policy) => output.attributes(QueueAttributeName::RedrivePolicy, policy),
                None => output,
            };
            answer!(
                world,
                "GetQueueAttributes",
                &queue.name,
                sqs_op::get_queue_attributes::GetQueueAttributesError,
                output.build()
            )
        });
        let world = self.clone();
        let tags = mock!(Client::list_queue_tags).then_compute_response(move |asked| {
            let queue = world.queue(asked.queue_url().unwrap()).unwrap();
            let mut output = sqs_op::list_queue_tags::ListQueueTagsOutput::builder();
            if let Some(environment) = &queue.environment {
                output = output.tags(tags::ENVIRONMENT, environment);
            }
            let output = output.build();
            answer!(world, "ListQueueTags", &queue.name, sqs_op::list_queue_tags::ListQueueTagsError, output)
        });
        mock_client!(aws_sdk_sqs, RuleMode::MatchAny, &[&list, &read, &tags], |config| config
            .retry_config(RetryConfig::disabled()))
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        use aws_sdk_lambda::Client;
        let world = self.clone();
        let functions = mock!(Client::list_functions).then_compute_response(move |asked| {
            let (function, next) = page(&world.account.functions, asked.marker());
            let output = lm_op::list_functions::ListFunctionsOutput::builder()
                .set_functions(Some(function.into_iter().collect()))
                .set_next_marker(next)
                .build();
            let of = asked.marker().unwrap_or_default();
            answer!(world, "ListFunctions", of, lm_op::list_functions::ListFunctionsError, output)
        });
        let world = self.clone();
        let configs = mock!(Client::list_function_event_invoke_configs).then_compute_response(move |asked| {
            let name = asked.function_name().unwrap().rsplit(':').next().unwrap();
            let of = world.account.destinations.iter().filter(|(function, _)| function == name);
            let (config, next) =
                page(&of.map(|(_, config)| config.clone()).collect::<Vec<_>>(), asked.marker());
            let output = ListConfigs::builder()
                .set_function_event_invoke_configs(Some(config.into_iter().collect()))
                .set_next_marker(next)
                .build();
            answer!(world, "ListFunctionEventInvokeConfigs", name, NoConfigs, output)
        });
        let world = self.clone();
        let mappings = mock!(Client::list_event_source_mappings).then_compute_response(move |asked| {
            let (mapping, next) = page(&world.account.mappings, asked.marker());
            let mappings = Some(mapping.into_iter().collect());
            let output =
                ListMappings::builder().set_event_source_mappings(mappings).set_next_marker(next).build();
            answer!(world, "ListEventSourceMappings", "", NoMappings, output)
        });
        mock_client!(aws_sdk_lambda, RuleMode::MatchAny, &[&functions, &configs, &mappings], |config| config
            .retry_config(RetryConfig::disabled()))
    }

    fn sns(&self) -> aws_sdk_sns::Client {
        use aws_sdk_sns::Client;
        let world = self.clone();
        let list = mock!(Client::list_subscriptions).then_compute_response(move |asked| {
            let (some, next) = page(&world.account.subscriptions, asked.next_token());
            let output = sns_op::list_subscriptions::ListSubscriptionsOutput::builder()
                .set_subscriptions(Some(some.into_iter().map(|(subscription, ..)| subscription).collect()))
                .set_next_token(next)
                .build();
            answer!(
                world,
                "ListSubscriptions",
                "",
                sns_op::list_subscriptions::ListSubscriptionsError,
                output
            )
        });
        let world = self.clone();
        let read = mock!(Client::get_subscription_attributes).then_compute_response(move |asked| {
            let arn = asked.subscription_arn().unwrap();
            let mut all = world.account.subscriptions.iter();
            let (_, policy, raw) = all.find(|(some, ..)| some.subscription_arn() == Some(arn)).unwrap();
            let output = SubscriptionAttributes::builder().attributes("RawMessageDelivery", *raw);
            let output = match policy {
                Some(policy) => output.attributes("RedrivePolicy", policy),
                None => output,
            };
            let id = arn.rsplit(':').next().unwrap();
            answer!(world, "GetSubscriptionAttributes", id, NoAttributes, output.build())
        });
        mock_client!(aws_sdk_sns, RuleMode::MatchAny, &[&list, &read], |config| config
            .retry_config(RetryConfig::disabled()))
    }

    fn events(&self) -> aws_sdk_eventbridge::Client {
        use aws_sdk_eventbridge::Client;
        let world = self.clone();
        let buses = mock!(Client::list_event_buses).then_compute_response(move |asked| {
            let (bus, next) = page(&world.account.buses, asked.next_token());
            let buses = bus.into_iter().map(|name| eb::EventBus::builder().name(name).build()).collect();
            let output =
                eb_op::list_event_buses::ListEventBusesOutput::builder().set_event_buses(Some(buses));
            let output = output.set_next_token(next).build();
            answer!(world, "ListEventBuses", "", eb_op::list_event_buses::ListEventBusesError, output)
        });
        let world = self.clone();
        let rules = mock!(Client::list_rules).then_compute_response(move |asked| {
            let bus = asked.event_bus_name().unwrap();
            let of: Vec<_> = world.account.rules.iter().filter(|(some, _)| some == bus).collect();
            let (rule, next) = page(&of, asked.next_token());
            let rule =
                rule.map(|(bus, name)| eb::Rule::builder().name(name).arn(rule_arn(bus, name)).build());
            let output = eb_op::list_rules::ListRulesOutput::builder()
                .set_rules(Some(rule.into_iter().collect()))
                .set_next_token(next)
                .build();
            answer!(world, "ListRules", bus, eb_op::list_rules::ListRulesError, output)
        });
        let world = self.clone();
        let targets = mock!(Client::list_targets_by_rule).then_compute_response(move |asked| {
            let (bus, rule) = (asked.event_bus_name().unwrap(), asked.rule().unwrap());
            let of = world.account.targets.iter().filter(|(some, name, _)| some == bus && name == rule);
            let of: Vec<_> = of.map(|(_, _, target)| target.clone()).collect();
            let (target, next) = page(&of, asked.next_token());
            let output = eb_op::list_targets_by_rule::ListTargetsByRuleOutput::builder()
                .set_targets(Some(target.into_iter().collect()))
                .set_next_token(next)
                .build();
            answer!(
                world,
                "ListTargetsByRule",
                rule,
                eb_op::list_targets_by_rule::ListTargetsByRuleError,
                output
            )
        });
        mock_client!(aws_sdk_eventbridge, RuleMode::MatchAny, &[&buses, &rules, &targets], |config| config
            .retry_config(RetryConfig::disabled()))
    }
}
