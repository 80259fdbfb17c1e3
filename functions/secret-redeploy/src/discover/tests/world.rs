//! An ECS and a table, as far as a search asks them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::operation::describe_task_definition::{
    DescribeTaskDefinitionError, DescribeTaskDefinitionOutput,
};
use aws_sdk_ecs::operation::list_clusters::ListClustersOutput;
use aws_sdk_ecs::operation::list_services::{ListServicesError, ListServicesOutput};
use aws_sdk_ecs::types as ecs;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use shared::ledger::{Item, Ledger, s};

use crate::reference::SecretId;

/// The SDK waits for any part of it, evenly: so long, that no part that comes up is short.
const YEARS: Duration = Duration::from_secs(100_000_000);

const TABLE: &str = "watchkeeper";

/// How ECS answers for a task definition instead of describing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Denied,
    Throttled,
    /// The SDK tries again, and is answered.
    ThrottledOnce,
}

#[derive(Debug, Default)]
struct State {
    clusters: Vec<String>,
    services: Vec<ecs::Service>,
    definitions: BTreeMap<String, ecs::TaskDefinition>,
    vanished: BTreeMap<String, String>,
    broken: BTreeMap<String, Broken>,
    entries: BTreeMap<String, Item>,
    /// How long the SDK waits before it tries again; none: it does not.
    patience: Option<Duration>,
    calls: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

pub(super) fn secret(name: &str, end: &str) -> SecretId {
    let arn = format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-{end}");
    SecretId { arn, name: name.to_owned() }
}

pub(super) fn arn(family: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:1")
}

fn cluster_arn(name: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:cluster/{name}")
}

pub(super) fn cluster(world: &World, name: &str) {
    world.0.lock().unwrap().clusters.push(name.to_owned());
}

/// A task definition whose only container refers to this secret.
pub(super) fn definition(world: &World, family: &str, secret: Option<&str>) {
    let arn = secret.map(|secret| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{secret}"));
    let secret = arn.map(|arn| ecs::Secret::builder().name("PASSWORD").value_from(arn).build().unwrap());
    let container =
        ecs::ContainerDefinition::builder().name("app").set_secrets(secret.map(|secret| vec![secret]));
    define(world, family, ecs::TaskDefinition::builder().container_definitions(container.build()).build());
}

pub(super) fn define(world: &World, family: &str, definition: ecs::TaskDefinition) {
    world.0.lock().unwrap().definitions.insert(arn(family), definition);
}

/// A service with a deployment of each of these task definitions, the first of them primary.
pub(super) fn service_in(world: &World, cluster: &str, name: &str, families: &[&str]) {
    let deployments = families.iter().enumerate().map(|(number, family)| {
        let status = if number == 0 { "PRIMARY" } else { "ACTIVE" };
        ecs::Deployment::builder()
            .id(format!("ecs-svc/{number}"))
            .status(status)
            .task_definition(arn(family))
            .build()
    });
    let service = service(cluster, name).set_deployments(Some(deployments.collect())).build();
    serve(world, service);
}

pub(super) fn service(cluster: &str, name: &str) -> ecs::builders::ServiceBuilder {
    ecs::Service::builder()
        .service_arn(format!("arn:aws:ecs:eu-west-1:123456789012:service/{cluster}/{name}"))
        .service_name(name)
        .cluster_arn(cluster_arn(cluster))
        .status("ACTIVE")
}

pub(super) fn serve(world: &World, service: ecs::Service) {
    world.0.lock().unwrap().services.push(service);
}

fn metadata(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

/// A page, and the token of the next.
fn page<T: Clone>(all: &[T], token: Option<&str>, size: usize) -> (Vec<T>, Option<String>) {
    let from = token.map_or(0, |token| token.parse().unwrap());
    let next = (from + size < all.len()).then(|| (from + size).to_string());
    (all.iter().skip(from).take(size).cloned().collect(), next)
}

impl World {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// What was asked since this was asked last.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// How many entries the table holds.
    pub(super) fn remembered(&self) -> usize {
        self.0.lock().unwrap().entries.len()
    }

    pub(super) fn vanish(&self, service: &str, reason: &str) {
        self.0.lock().unwrap().vanished.insert(service.to_owned(), reason.to_owned());
    }

    pub(super) fn fail(&self, family: &str, broken: Broken) {
        let mut state = self.0.lock().unwrap();
        state.broken.insert(arn(family), broken);
        state.patience = (broken == Broken::ThrottledOnce).then_some(Duration::from_millis(1));
    }

    /// Lets the SDK try again much later, so that the call does not come back.
    pub(super) fn hang(&self, family: &str) {
        self.fail(family, Broken::Throttled);
        self.0.lock().unwrap().patience = Some(YEARS);
    }

    pub(super) fn mend(&self) {
        self.0.lock().unwrap().broken.clear();
    }

    /// Makes every entry of the table unreadable.
    pub(super) fn spoil(&self) {
        for entry in self.0.lock().unwrap().entries.values_mut() {
            entry.insert("references".to_owned(), s("[{]"));
        }
    }

    fn note(&self, call: String) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap();
        state.calls.push(call);
        state
    }

    fn list_services(
        &self,
        cluster: &str,
        token: Option<&str>,
    ) -> MockResponse<ListServicesOutput, ListServicesError> {
        let state = self.note(format!("ListServices {cluster} {token:?}"));
        if !state.clusters.iter().any(|known| known == cluster) {
            return MockResponse::Error(ListServicesError::generic(metadata("ClusterNotFoundException")));
        }
        let in_cluster = |service: &&ecs::Service| service.cluster_arn() == Some(&cluster_arn(cluster));
        let arns: Vec<_> = state
            .services
            .iter()
            .filter(in_cluster)
            .filter_map(|service| service.service_arn.clone())
            .collect();
        let (arns, next) = page(&arns, token, 100);
        let listed = ListServicesOutput::builder().set_service_arns(Some(arns)).set_next_token(next);
        MockResponse::Output(listed.build())
    }

    fn describe_services(&self, arns: &[String]) -> DescribeServicesOutput {
        let state = self.note(format!("DescribeServices {arns:?}"));
        let mut described = DescribeServicesOutput::builder();
        for arn in arns {
            let service = state.services.iter().find(|service| service.service_arn() == Some(arn)).unwrap();
            described = match state.vanished.get(service.service_name().unwrap()) {
                Some(reason) => described.failures(ecs::Failure::builder().arn(arn).reason(reason).build()),
                None => described.services(service.clone()),
            };
        }
        described.build()
    }

    fn describe_definition(
        &self,
        arn: &str,
    ) -> MockResponse<DescribeTaskDefinitionOutput, DescribeTaskDefinitionError> {
        let state = self.note(format!("DescribeTaskDefinition {arn}"));
        let error = |code: &str| MockResponse::Error(DescribeTaskDefinitionError::generic(metadata(code)));
        match state.broken.get(arn) {
            Some(Broken::Denied) => return error("AccessDeniedException"),
            Some(Broken::Throttled) => return error("ThrottlingException"),
            Some(Broken::ThrottledOnce) | None => {}
        }
        match state.definitions.get(arn) {
            Some(definition) => MockResponse::Output(
                DescribeTaskDefinitionOutput::builder().task_definition(definition.clone()).build(),
            ),
            None => error("ClientException"),
        }
    }

    pub(super) fn clients(&self) -> (aws_sdk_ecs::Client, Ledger) {
        use aws_sdk_ecs::Client;
        let world = self.clone();
        let clusters = mock!(Client::list_clusters).then_compute_response(move |asked| {
            let state = world.note(format!("ListClusters {:?}", asked.next_token()));
            let arns: Vec<_> = state.clusters.iter().map(|name| cluster_arn(name)).collect();
            let (arns, next) = page(&arns, asked.next_token(), 2);
            let listed = ListClustersOutput::builder().set_cluster_arns(Some(arns)).set_next_token(next);
            MockResponse::Output(listed.build())
        });
        let world = self.clone();
        let listed = mock!(Client::list_services)
            .match_requests(|asked| asked.max_results() == Some(100))
            .then_compute_response(move |asked| {
                world.list_services(asked.cluster().unwrap(), asked.next_token())
            });
        let world = self.clone();
        let services = mock!(Client::describe_services)
            .match_requests(|asked| {
                asked.services().len() <= 10 && asked.include() == [ecs::ServiceField::Tags]
            })
            .then_compute_response(move |asked| {
                MockResponse::Output(world.describe_services(asked.services()))
            });
        let world = self.clone();
        let definitions = mock!(Client::describe_task_definition)
            .then_compute_response(move |asked| world.describe_definition(asked.task_definition().unwrap()));
        let world = self.clone();
        let twice = mock!(Client::describe_task_definition)
            .match_requests(move |asked| {
                let broken = world.0.lock().unwrap().broken.get(asked.task_definition().unwrap()).copied();
                broken == Some(Broken::ThrottledOnce)
            })
            .sequence()
            .error(|| DescribeTaskDefinitionError::generic(metadata("ThrottlingException")))
            .output(|| DescribeTaskDefinitionOutput::builder().build())
            .build();
        let retry = match self.0.lock().unwrap().patience {
            Some(patience) => {
                RetryConfig::standard().with_initial_backoff(patience).with_max_backoff(patience)
            }
            None => RetryConfig::disabled(),
        };
        let ecs = mock_client!(
            aws_sdk_ecs,
            RuleMode::MatchAny,
            [&clusters, &listed, &services, &twice, &definitions],
            |conf| conf.retry_config(retry.clone())
        );
        (ecs, self.ledger())
    }

    fn ledger(&self) -> Ledger {
        use aws_sdk_dynamodb::Client;
        let key = |item: &Item| item["pk"].as_s().unwrap().clone();
        let world = self.clone();
        let get = mock!(Client::batch_get_item).then_compute_response(move |asked| {
            let keys = asked.request_items().unwrap()[TABLE].keys();
            let keys: BTreeSet<_> = keys.iter().map(key).collect();
            let state = world.note(format!("BatchGetItem {keys:?}"));
            let items = keys.iter().filter_map(|key| state.entries.get(key)).cloned().collect();
            MockResponse::Output(BatchGetItemOutput::builder().responses(TABLE, items).build())
        });
        let world = self.clone();
        let put = mock!(Client::batch_write_item).then_compute_response(move |asked| {
            let puts = &asked.request_items().unwrap()[TABLE];
            let mut state = world.note(format!("BatchWriteItem {puts:?}"));
            for put in puts {
                let item = put.put_request().unwrap().item().clone();
                state.entries.insert(key(&item), item);
            }
            MockResponse::Output(BatchWriteItemOutput::builder().build())
        });
        let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&get, &put]);
        Ledger::new(client, TABLE)
    }
}
