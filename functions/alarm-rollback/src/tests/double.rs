//! A small world that answers as AWS does, and notes in which order it is asked to change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use aws_sdk_ecs::operation::describe_service_revisions::DescribeServiceRevisionsOutput;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::operation::list_service_deployments::ListServiceDeploymentsOutput;
use aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput;
use aws_sdk_ecs::operation::register_task_definition::RegisterTaskDefinitionOutput;
use aws_sdk_ecs::operation::update_service::{UpdateServiceError, UpdateServiceOutput};
use aws_sdk_ecs::types as ecs;
use aws_sdk_sns::operation::publish::PublishOutput;
use aws_sdk_sqs::operation::send_message::SendMessageOutput;
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_smithy_mocks::{MockResponse, Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::ledger::Item;
use shared::{Report, Result};

use super::{Mocks, TIMERS, TOPIC, sdk, time};
use crate::cases::{policy, td};
use crate::{AlarmRollback, Config};

type Shared<T> = Arc<Mutex<T>>;

/// One service, `prod/web`, with what was deployed to it, and everything that is changed because of it.
#[derive(Clone)]
pub(super) struct World {
    /// What the service is meant to run.
    pub(super) running: u32,
    /// When that was deployed.
    pub(super) deployed_at: Timestamp,
    /// The task definitions that were deregistered.
    pub(super) inactive: Vec<u32>,
    /// Whether the alarm fires at the moment.
    pub(super) firing: bool,
    /// The error code of `ecs:UpdateService`, if it is refused.
    pub(super) refusal: Option<&'static str>,
    /// Every change, in order.
    pub(super) journal: Shared<Vec<String>>,
    /// What was published.
    pub(super) notices: Shared<Vec<Value>>,
    table: Shared<BTreeMap<(String, String), Item>>,
}

pub(super) const NOW: &str = "2026-11-20T03:00:30Z";

impl World {
    /// `web:7` was deployed 20 minutes ago in place of `web:6`, which ran for a day.
    pub(super) fn new() -> Self {
        Self {
            running: 7,
            deployed_at: time("2026-11-20T02:40:00Z"),
            inactive: Vec::new(),
            firing: true,
            refusal: None,
            journal: Shared::default(),
            notices: Shared::default(),
            table: Shared::default(),
        }
    }

    /// What was changed so far.
    pub(super) fn changes(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }

    /// The notices so far.
    pub(super) fn told(&self) -> Vec<Value> {
        self.notices.lock().unwrap().clone()
    }

    /// One attribute of what is remembered of `prod/web`.
    pub(super) fn remembered(&self, sk: &str, name: &str) -> Option<String> {
        let table = self.table.lock().unwrap();
        let item = table.get(&("target#ecs:prod/web".to_owned(), sk.to_owned()))?;
        item.get(name)?.as_s().ok().cloned()
    }

    /// Puts an item into the ledger, as an earlier invocation did.
    pub(super) fn remember(&self, pk: &str, sk: &str, attributes: &[(&str, AttributeValue)]) {
        let own = [("pk", pk), ("sk", sk)].map(|(name, value)| (name, AttributeValue::S(value.to_owned())));
        let item = own.into_iter().chain(attributes.iter().cloned());
        let item = item.map(|(name, value)| (name.to_owned(), value)).collect();
        self.table.lock().unwrap().insert((pk.to_owned(), sk.to_owned()), item);
    }

    /// One invocation, 30 seconds after the alarm fired.
    pub(super) async fn invoke(&self, event: &Value) -> Result<Report> {
        let (dynamodb, ecs, others) = (self.ledger(), self.services(), self.others());
        let [parameter, alarm, tags, sent, published, stacks] = others.each_ref();
        let dynamodb: Vec<&Rule> = dynamodb.iter().collect();
        let ecs: Vec<&Rule> = ecs.iter().collect();
        let mocks = Mocks {
            dynamodb: &dynamodb,
            ecs: &ecs,
            ssm: &[parameter],
            cloudwatch: &[alarm, tags],
            sqs: &[sent],
            sns: &[published],
            cloudformation: &[stacks],
            ..Mocks::default()
        };
        let config = Config {
            policy: policy(),
            ledger_table: "ledger".to_owned(),
            notices_topic: TOPIC.to_owned(),
            timers_queue: TIMERS.to_owned(),
        };
        let now = time(NOW);
        let deadline = time("2026-11-20T03:02:30Z");
        let invocation = Invocation { request_id: "request-1".to_owned(), now, deadline };
        AlarmRollback::with_clients(config, mocks.clients()).handle(event, &invocation).await
    }

    fn note(&self, what: impl Into<String>) {
        self.journal.lock().unwrap().push(what.into());
    }

    /// The table, without its conditions: there is one invocation at a time.
    fn ledger(&self) -> Vec<Rule> {
        let world = self.clone();
        let put = mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |put| {
            let item = put.item().unwrap();
            world.note(word(item));
            world.table.lock().unwrap().insert(key(item), item.clone());
            PutItemOutput::builder().build()
        });
        let world = self.clone();
        let transact =
            mock!(aws_sdk_dynamodb::Client::transact_write_items).then_compute_output(move |all| {
                let mut table = world.table.lock().unwrap();
                for item in all.transact_items() {
                    if let Some(put) = item.put() {
                        table.insert(key(put.item()), put.item().clone());
                    }
                    if let Some(delete) = item.delete() {
                        table.remove(&key(delete.key()));
                    }
                }
                world.note(all.transact_items().iter().map(written).collect::<Vec<_>>().join(" + "));
                TransactWriteItemsOutput::builder().build()
            });
        let world = self.clone();
        let query = mock!(aws_sdk_dynamodb::Client::query).then_compute_output(move |query| {
            let pk = text(query.expression_attribute_values().unwrap(), ":pk");
            let table = world.table.lock().unwrap();
            let items =
                table.iter().filter(|((its, _), _)| *its == pk).map(|(_, item)| item.clone()).collect();
            QueryOutput::builder().set_items(Some(items)).build()
        });
        let world = self.clone();
        let get = mock!(aws_sdk_dynamodb::Client::get_item).then_compute_output(move |get| {
            let item = world.table.lock().unwrap().get(&key(get.key().unwrap())).cloned();
            GetItemOutput::builder().set_item(item).build()
        });
        vec![put, transact, query, get]
    }

    fn services(&self) -> Vec<Rule> {
        let world = self.clone();
        let services = mock!(aws_sdk_ecs::Client::describe_services).then_output(move || {
            let primary = ecs::Deployment::builder().id("ecs-svc/7").status("PRIMARY");
            let service = ecs::Service::builder()
                .service_arn("arn:aws:ecs:eu-west-1:123456789012:service/prod/web")
                .status("ACTIVE")
                .task_definition(td(world.running))
                .desired_count(3)
                .running_count(2)
                .deployments(primary.created_at(sdk(world.deployed_at)).build());
            DescribeServicesOutput::builder().services(service.build()).build()
        });
        let world = self.clone();
        let deployments = mock!(aws_sdk_ecs::Client::list_service_deployments).then_output(move || {
            let brief = |revision: u32, created: Timestamp, finished: Timestamp| {
                ecs::ServiceDeploymentBrief::builder()
                    .service_deployment_arn(format!("deployment-{revision}"))
                    .target_service_revision_arn(format!("revision-{revision}"))
                    .status(ecs::ServiceDeploymentStatus::Successful)
                    .created_at(sdk(created))
                    .finished_at(sdk(finished))
                    .build()
            };
            let before = brief(6, time("2026-11-19T02:00:00Z"), time("2026-11-19T02:05:00Z"));
            ListServiceDeploymentsOutput::builder()
                .service_deployments(before)
                .service_deployments(brief(7, world.deployed_at, world.deployed_at))
                .build()
        });
        let revisions = mock!(aws_sdk_ecs::Client::describe_service_revisions).then_output(|| {
            let revision = |revision: u32| {
                let arn = format!("revision-{revision}");
                let revision =
                    ecs::ServiceRevision::builder().service_revision_arn(arn).task_definition(td(revision));
                revision.build()
            };
            DescribeServiceRevisionsOutput::builder()
                .service_revisions(revision(6))
                .service_revisions(revision(7))
                .build()
        });
        let world = self.clone();
        let task_definition =
            mock!(aws_sdk_ecs::Client::describe_task_definition).then_compute_output(move |asked| {
                let arn = asked.task_definition().unwrap();
                let inactive = world.inactive.iter().any(|revision| arn == td(*revision));
                let status = if inactive {
                    ecs::TaskDefinitionStatus::Inactive
                } else {
                    ecs::TaskDefinitionStatus::Active
                };
                let container = ecs::ContainerDefinition::builder().name("web").image("shop/web:1.4").build();
                let definition =
                    ecs::TaskDefinition::builder().family("web").status(status).task_definition_arn(arn);
                let definition = definition.container_definitions(container).build();
                DescribeTaskDefinitionOutput::builder().task_definition(definition).build()
            });
        let listed = mock!(aws_sdk_ecs::Client::list_task_definitions)
            .then_output(|| ListTaskDefinitionsOutput::builder().task_definition_arns(td(7)).build());
        let world = self.clone();
        let registered = mock!(aws_sdk_ecs::Client::register_task_definition).then_output(move || {
            world.note("ecs:RegisterTaskDefinition");
            let copy = ecs::TaskDefinition::builder().task_definition_arn(td(8)).build();
            RegisterTaskDefinitionOutput::builder().task_definition(copy).build()
        });
        vec![
            services,
            deployments,
            revisions,
            task_definition,
            listed,
            registered,
            self.updated(),
            nothing_stopped(),
        ]
    }

    fn updated(&self) -> Rule {
        let world = self.clone();
        mock!(aws_sdk_ecs::Client::update_service).then_compute_response(move |update| {
            if let Some(code) = world.refusal {
                let refusal = ErrorMetadata::builder().code(code).message("no").build();
                return MockResponse::Error(UpdateServiceError::generic(refusal));
            }
            let to = update.task_definition().unwrap();
            world.note(format!("ecs:UpdateService {}", crate::decision::short(to)));
            let primary = ecs::Deployment::builder().id("ecs-svc/9").status("PRIMARY").build();
            let service = ecs::Service::builder().deployments(primary).build();
            MockResponse::Output(UpdateServiceOutput::builder().service(service).build())
        })
    }

    fn others(&self) -> [Rule; 6] {
        let parameter = mock!(aws_sdk_ssm::Client::get_parameter).then_error(|| {
            let none = aws_sdk_ssm::types::error::ParameterNotFound::builder().build();
            GetParameterError::ParameterNotFound(none)
        });
        let world = self.clone();
        let alarm = mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(move || {
            use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
            let state = if world.firing { StateValue::Alarm } else { StateValue::Ok };
            let alarm = MetricAlarm::builder().alarm_arn(ALARM).state_value(state).build();
            aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput::builder()
                .metric_alarms(alarm)
                .build()
        });
        let tags = mock!(aws_sdk_cloudwatch::Client::list_tags_for_resource).then_output(|| {
            let tag =
                aws_sdk_cloudwatch::types::Tag::builder().key("watchkeeper:target").value("ecs:prod/web");
            aws_sdk_cloudwatch::operation::list_tags_for_resource::ListTagsForResourceOutput::builder()
                .tags(tag.build())
                .build()
        });
        let world = self.clone();
        let sent = mock!(aws_sdk_sqs::Client::send_message).then_compute_output(move |sent| {
            assert_eq!(sent.queue_url(), Some(TIMERS));
            let delay = sent.delay_seconds().unwrap_or_default();
            assert!(sent.message_body().unwrap().starts_with(r#"{"watch":{"target":"ecs:prod/web","#));
            world.note(format!("timer in {delay}s"));
            SendMessageOutput::builder().build()
        });
        let world = self.clone();
        let published = mock!(aws_sdk_sns::Client::publish).then_compute_output(move |published| {
            assert_eq!(published.topic_arn(), Some(TOPIC));
            let notice: Value = serde_json::from_str(published.message().unwrap()).unwrap();
            world.note(format!("notice {}", notice["state"].as_str().unwrap()));
            world.notices.lock().unwrap().push(notice);
            PublishOutput::builder().build()
        });
        let stacks = mock!(aws_sdk_cloudformation::Client::list_stacks).then_output(|| {
            aws_sdk_cloudformation::operation::list_stacks::ListStacksOutput::builder().build()
        });
        [parameter, alarm, tags, sent, published, stacks]
    }
}

const ALARM: &str = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web-5xx";

/// The alarm's message, as its SNS action sends it.
pub(super) fn alarm(state: &str, at: &str) -> Value {
    json!({
        "AlarmName": "web-5xx",
        "AlarmArn": ALARM,
        "NewStateValue": state,
        "OldStateValue": if state == "ALARM" { "OK" } else { "ALARM" },
        "NewStateReason": "Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (5.0).",
        "StateChangeTime": at,
    })
}

fn nothing_stopped() -> Rule {
    mock!(aws_sdk_ecs::Client::list_tasks)
        .then_output(|| aws_sdk_ecs::operation::list_tasks::ListTasksOutput::builder().build())
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn key(item: &Item) -> (String, String) {
    (text(item, "pk"), text(item, "sk"))
}

/// An entry of the ledger, in words.
fn word(item: &Item) -> String {
    let (pk, sk) = key(item);
    match (pk.split('#').next(), sk.split('#').next()) {
        (Some("once"), _) => format!("claim {}", text(item, "state")),
        (Some("incident"), _) => format!("incident {}", text(item, "state")),
        (Some("operations"), _) => "audit".to_owned(),
        (_, Some("operation")) => {
            let end = text(item, "end");
            if end.is_empty() { "operation".to_owned() } else { format!("operation {end}") }
        }
        (_, Some(kind)) => kind.to_owned(),
        (_, None) => sk,
    }
}

fn written(item: &TransactWriteItem) -> String {
    match (item.put(), item.delete()) {
        (Some(put), _) => {
            let holders = put.expression_attribute_values();
            let taken_over = holders.is_some_and(|names| text(names, ":over") != text(names, ":owner"));
            if taken_over { format!("{} taken over", word(put.item())) } else { word(put.item()) }
        }
        (None, Some(delete)) => format!("no {}", word(delete.key())),
        (None, None) => "a mere check".to_owned(),
    }
}
