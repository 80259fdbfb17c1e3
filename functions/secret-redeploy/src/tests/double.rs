//! A small world that answers as AWS does, holds the ledger with its conditions, and notes what it is asked to change.

mod table;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ecr::operation::describe_images::DescribeImagesOutput;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::operation::describe_tasks::DescribeTasksOutput;
use aws_sdk_ecs::operation::list_services::{ListServicesError, ListServicesOutput};
use aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput;
use aws_sdk_ecs::operation::list_tasks::ListTasksOutput;
use aws_sdk_ecs::operation::register_task_definition::RegisterTaskDefinitionOutput;
use aws_sdk_ecs::operation::update_service::{UpdateServiceError, UpdateServiceInput, UpdateServiceOutput};
use aws_sdk_ecs::types as ecs;
use aws_sdk_secretsmanager::operation::describe_secret::{DescribeSecretError, DescribeSecretOutput};
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_sdk_secretsmanager::operation::update_secret_version_stage::{
    UpdateSecretVersionStageError, UpdateSecretVersionStageOutput,
};
use aws_sdk_secretsmanager::types as sm;
use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
use aws_sdk_sqs::operation::send_message::SendMessageOutput;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::ledger::rotation::{self, Rotation};
use shared::ledger::{Item, Ledger};
use shared::strategy::Strategy;
use shared::tags::{Mode, Tags};
use shared::{Report, Result};

use crate::cases::{NEW, OLD, SECRET, at, td};
use crate::{Clients, Config, SecretRedeploy};

const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop";

/// A service of the cluster `prod`.
#[derive(Debug, Clone)]
pub(super) struct Web {
    pub(super) desired: i32,
    pub(super) tags: Tags,
    pub(super) deployments: Vec<ecs::Deployment>,
    /// When its tasks were made.
    pub(super) tasks: Vec<Timestamp>,
    /// What its task definition says behind the secret's ARN.
    pub(super) behind: String,
    /// The digest that the image's tag means now; its tasks run `sha256:aaaa`.
    pub(super) digest: &'static str,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) mode: Mode,
    pub(super) environment: &'static str,
    pub(super) policy: Option<String>,
    pub(super) secret_tags: Tags,
    pub(super) current: &'static str,
    pub(super) pending: Option<&'static str>,
    pub(super) changed_at: Timestamp,
    pub(super) services: BTreeMap<String, Web>,
    /// The error codes that the next calls of an action get, by the action and what it is about.
    pub(super) broken: BTreeMap<String, VecDeque<&'static str>>,
    /// Every change, in order.
    pub(super) journal: Vec<String>,
    pub(super) notices: Vec<Value>,
    /// What was sent to the own queue.
    pub(super) follows: Vec<String>,
    pub(super) table: BTreeMap<(String, String), Item>,
    invocations: usize,
}

#[derive(Debug, Clone)]
pub(super) struct World(Arc<Mutex<State>>);

pub(super) fn sdk(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}

fn meta(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

pub(super) fn deployed(
    id: &str,
    status: &str,
    rollout: &str,
    at: Timestamp,
    task_definition: &str,
) -> ecs::Deployment {
    ecs::Deployment::builder()
        .id(id)
        .status(status)
        .rollout_state(rollout.into())
        .created_at(sdk(at))
        .task_definition(task_definition)
        .build()
}

impl World {
    /// At 03:00 the label moved. Each of these services runs as many tasks of the day before as it has, and uses the secret.
    pub(super) fn new(strategy: &str, services: &[(&str, i32)]) -> Self {
        let web = |name: &str, desired: i32| Web {
            desired,
            tags: Tags::new(),
            deployments: vec![deployed(
                &format!("ecs-svc/{name}-1"),
                "PRIMARY",
                "COMPLETED",
                at(-1_440),
                &td(name, 7),
            )],
            tasks: vec![at(-1_440); usize::try_from(desired).unwrap()],
            behind: String::new(),
            digest: "sha256:aaaa",
        };
        let tags = if strategy.is_empty() {
            Tags::new()
        } else {
            crate::cases::tag(&format!("rotation={strategy}"))
        };
        Self(Arc::new(Mutex::new(State {
            now: at(0),
            mode: Mode::Act,
            environment: "test",
            policy: None,
            secret_tags: tags,
            current: NEW,
            pending: None,
            changed_at: at(0),
            services: services
                .iter()
                .map(|(name, desired)| ((*name).to_owned(), web(name, *desired)))
                .collect(),
            broken: BTreeMap::new(),
            journal: Vec::new(),
            notices: Vec::new(),
            follows: Vec::new(),
            table: BTreeMap::new(),
            invocations: 0,
        })))
    }

    /// The same, and a sweep saw where the label stood before it moved.
    pub(super) async fn seen(strategy: &str, services: &[(&str, i32)]) -> Self {
        let world = Self::new(strategy, services);
        (world.state().current, world.state().changed_at) = (OLD, at(-600));
        let report = world.invoke(0, &json!({"sweep": "secrets"})).await.unwrap();
        assert_eq!((report.outcome(), world.changes()), ("swept", Vec::new()));
        (world.state().current, world.state().changed_at) = (NEW, at(0));
        world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn web(&self, name: &str, change: impl FnOnce(&mut Web)) {
        change(self.state().services.get_mut(name).unwrap());
    }

    /// The next call of this action on this gets this error.
    pub(super) fn breaks(&self, call: &str, code: &'static str) {
        self.state().broken.entry(call.to_owned()).or_default().push_back(code);
    }

    fn broken(&self, call: &str) -> Option<&'static str> {
        self.state().broken.get_mut(call)?.pop_front()
    }

    fn note(&self, what: impl Into<String>) {
        self.state().journal.push(what.into());
    }

    /// What was changed since this was asked last.
    pub(super) fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().journal)
    }

    pub(super) fn notices(&self) -> Vec<Value> {
        std::mem::take(&mut self.state().notices)
    }

    /// An entry of the ledger whose content is JSON.
    pub(super) fn entry(&self, pk: &str, sk: &str) -> Value {
        let state = self.state();
        let item = &state.table[&(pk.to_owned(), sk.to_owned())];
        serde_json::from_str(item["content"].as_s().unwrap()).unwrap()
    }

    /// The deployment of a service is over, as ECS and `deployment-watch` say.
    pub(super) fn arrives(&self, name: &str) {
        let mut state = self.state();
        let now = state.now;
        let web = state.services.get_mut(name).unwrap();
        web.deployments.truncate(1);
        let primary = web.deployments.remove(0);
        let created = primary.created_at().copied().unwrap();
        let (id, definition) = (primary.id().unwrap(), primary.task_definition().unwrap());
        let created = Timestamp::from_millisecond(created.to_millis().unwrap()).unwrap();
        web.deployments.push(deployed(id, "PRIMARY", "COMPLETED", created, definition));
        web.tasks = vec![now; web.tasks.len()];
        end(&mut state, name, "recovered", None);
    }

    /// The deployment of a service failed, was taken back, and `deployment-watch` wrote down why.
    pub(super) fn fails(&self, name: &str, said: &str) {
        let mut state = self.state();
        let now = state.now;
        let web = state.services.get_mut(name).unwrap();
        let back = deployed(&format!("ecs-svc/{name}-3"), "PRIMARY", "COMPLETED", now, &td(name, 7));
        web.deployments = vec![back];
        end(&mut state, name, "failed", Some(said));
    }

    /// One invocation, this many seconds after the last one.
    pub(super) async fn invoke(&self, seconds: i64, event: &Value) -> Result<Report> {
        let (function, invocation) = {
            let mut state = self.state();
            state.now += SignedDuration::from_secs(seconds);
            state.invocations += 1;
            let config = Config {
                environment: state.environment.to_owned(),
                mode: state.mode,
                clusters: "prod".to_owned(),
                ledger_table: "ledger".to_owned(),
                notices_topic: "arn:topic".to_owned(),
                timers_queue: "https://sqs.invalid/timers".to_owned(),
                redeploys_queue: "https://sqs.invalid/redeploys".to_owned(),
                settlements_queue: "https://sqs.invalid/settlements".to_owned(),
            };
            // The deadline is asked of the clock.
            let deadline = "2200-01-01T00:00:00Z".parse().unwrap();
            let invocation =
                Invocation { request_id: format!("r-{}", state.invocations), now: state.now, deadline };
            (config, invocation)
        };
        SecretRedeploy::with_clients(function, self.clients()).handle(event, &invocation).await
    }

    /// The event of the move, and the id of the redeploy that it began.
    pub(super) async fn moves(&self) -> String {
        let version = self.state().current;
        let event = json!({"detail-type": "Secret Label Updated", "time": self.state().now.to_string(),
            "resources": [SECRET], "detail": {"name": "prod/db", "labelUpdated": "AWSCURRENT", "versionId": version}});
        let report = self.invoke(0, &event).await.unwrap();
        assert_eq!(report.outcome(), "begun", "{}", report.reason());
        self.state().follows.last().cloned().unwrap()
    }

    /// The redeploy's own message, this many seconds later.
    pub(super) async fn follow(&self, seconds: i64, id: &str) -> Report {
        self.invoke(seconds, &batch(&[json!({"follow": {"redeploy": id}})])).await.unwrap()
    }

    pub(super) async fn goes_on(&self, seconds: i64, id: &str) {
        drop(self.follow(seconds, id).await);
    }

    /// The hook rotated this version in, and waits to hear that every dependant has it.
    pub(super) async fn rotated(&self, version: &str) {
        let rotation = Rotation {
            secret: SECRET.to_owned(),
            version: version.to_owned(),
            previous: Some(OLD.to_owned()),
            strategy: Strategy::ValkeyAuthToken,
            step: "finishSecret".to_owned(),
            state: rotation::State::Rotated,
            said: String::new(),
            exposed: None,
            at: at(0),
        };
        self.clients().ledger.record_rotation(&rotation, at(0)).await.unwrap();
    }

    pub(super) fn clients(&self) -> Clients {
        let dynamodb = self.ledger();
        let ecs = self.services();
        let [describe, list, stage] = self.secrets();
        let [send, back, publish, policy, images] = self.others();
        let dynamodb: Vec<&Rule> = dynamodb.iter().collect();
        let ecs: Vec<&Rule> = ecs.iter().collect();
        let ledger = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, &dynamodb, |config| config
            .retry_config(RetryConfig::disabled()));
        Clients {
            codedeploy: mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, &[] as &[&Rule]),
            ecr: mock_client!(aws_sdk_ecr, RuleMode::MatchAny, [&images]),
            ecs: mock_client!(aws_sdk_ecs, RuleMode::MatchAny, &ecs, |config| config
                .retry_config(RetryConfig::disabled())),
            secretsmanager: mock_client!(
                aws_sdk_secretsmanager,
                RuleMode::MatchAny,
                [&describe, &list, &stage],
                |config| { config.retry_config(RetryConfig::disabled()) }
            ),
            sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&publish], |config| config
                .retry_config(RetryConfig::disabled())),
            sqs: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send, &back]),
            ssm: mock_client!(aws_sdk_ssm, RuleMode::MatchAny, [&policy]),
            ledger: Ledger::new(ledger, "ledger"),
        }
    }

    fn services(&self) -> Vec<Rule> {
        use aws_sdk_ecs::Client;
        let world = self.clone();
        let list = mock!(Client::list_services).then_compute_response(move |_| {
            if let Some(code) = world.broken("ListServices") {
                return MockResponse::Error(ListServicesError::generic(meta(code)));
            }
            let names = world.state().services.keys().map(|name| arn(name)).collect();
            MockResponse::Output(ListServicesOutput::builder().set_service_arns(Some(names)).build())
        });
        let world = self.clone();
        let describe = mock!(Client::describe_services).then_compute_output(move |asked| {
            let state = world.state();
            let names = asked.services().iter().map(|name| name.rsplit('/').next().unwrap());
            let found = names.filter_map(|name| Some(described(name, state.services.get(name)?)));
            DescribeServicesOutput::builder().set_services(Some(found.collect())).build()
        });
        let world = self.clone();
        let definition = mock!(Client::describe_task_definition).then_compute_output(move |asked| {
            let arn = asked.task_definition().unwrap();
            let family = family(arn);
            let state = world.state();
            let runs = |web: &&Web| web.deployments.iter().any(|one| one.task_definition() == Some(arn));
            let behind = state.services.values().find(runs).map(|web| web.behind.clone()).unwrap_or_default();
            let secret =
                ecs::Secret::builder().name("DB").value_from(format!("{SECRET}{behind}")).build().unwrap();
            let container =
                ecs::ContainerDefinition::builder().name("app").image(format!("{REPOSITORY}/{family}:live"));
            let definition = ecs::TaskDefinition::builder()
                .family(&family)
                .container_definitions(container.secrets(secret).build());
            DescribeTaskDefinitionOutput::builder().task_definition(definition.build()).build()
        });
        let world = self.clone();
        let tasks = mock!(Client::list_tasks).then_compute_output(move |asked| {
            let name = asked.service_name().unwrap();
            let count = world.state().services.get(name).map_or(0, |web| web.tasks.len());
            let arns = (0..count).map(|number| format!("{name}/{number}")).collect();
            ListTasksOutput::builder().set_task_arns(Some(arns)).build()
        });
        let world = self.clone();
        let described_tasks = mock!(Client::describe_tasks).then_compute_output(move |asked| {
            let state = world.state();
            let task = |arn: &String| {
                let (name, number) = arn.split_once('/')?;
                let created = *state.services.get(name)?.tasks.get(number.parse::<usize>().ok()?)?;
                let container = ecs::Container::builder().name("app").image_digest("sha256:aaaa").build();
                Some(ecs::Task::builder().created_at(sdk(created)).containers(container).build())
            };
            DescribeTasksOutput::builder()
                .set_tasks(Some(asked.tasks().iter().filter_map(task).collect()))
                .build()
        });
        let world = self.clone();
        let update = mock!(Client::update_service).then_compute_response(move |asked| {
            let name = asked.service().unwrap();
            if let Some(code) = world.broken(&format!("UpdateService {name}")) {
                return MockResponse::Error(UpdateServiceError::generic(meta(code)));
            }
            // Nothing else: a count passed here would fight autoscaling.
            let least = UpdateServiceInput::builder().cluster("prod").service(name);
            let least = match asked.task_definition() {
                Some(copy) => least.task_definition(copy),
                None => least.force_new_deployment(true),
            };
            assert_eq!(*asked, least.build().unwrap());
            let copy = asked.task_definition().map(|copy| format!(" to {copy}")).unwrap_or_default();
            world.note(format!("update {name}{copy}"));
            let mut state = world.state();
            let now = state.now;
            let web = state.services.get_mut(name).unwrap();
            let older = web.deployments.remove(0);
            let definition = asked.task_definition().unwrap_or(older.task_definition().unwrap()).to_owned();
            let primary = deployed(&format!("ecs-svc/{name}-2"), "PRIMARY", "IN_PROGRESS", now, &definition);
            let id = older.id().unwrap();
            web.deployments = vec![primary, deployed(id, "ACTIVE", "COMPLETED", at(-1_440), &td(name, 7))];
            MockResponse::Output(UpdateServiceOutput::builder().service(described(name, web)).build())
        });
        let world = self.clone();
        let register = mock!(Client::register_task_definition).then_compute_output(move |asked| {
            let image = asked.container_definitions()[0].image().unwrap().to_owned();
            world.note(format!("register {image}"));
            let copy =
                ecs::TaskDefinition::builder().task_definition_arn(td(asked.family().unwrap(), 8)).build();
            RegisterTaskDefinitionOutput::builder().task_definition(copy).build()
        });
        let newest =
            mock!(Client::list_task_definitions).then_output(|| ListTaskDefinitionsOutput::builder().build());
        vec![list, describe, definition, tasks, described_tasks, update, register, newest]
    }

    fn secrets(&self) -> [Rule; 3] {
        use aws_sdk_secretsmanager::Client;
        let world = self.clone();
        let describe = mock!(Client::describe_secret).then_compute_response(move |asked| {
            if ![SECRET, "prod/db"].contains(&asked.secret_id().unwrap()) {
                return MockResponse::Error(DescribeSecretError::generic(meta("ResourceNotFoundException")));
            }
            let state = world.state();
            let mut found = DescribeSecretOutput::builder()
                .arn(SECRET)
                .name("prod/db")
                .last_changed_date(sdk(state.changed_at))
                .set_tags(Some(sm_tags(&state.secret_tags)));
            for (version, stages) in stages(&state) {
                found = found.version_ids_to_stages(version, stages);
            }
            MockResponse::Output(found.build())
        });
        let world = self.clone();
        let list = mock!(Client::list_secrets).then_output(move || {
            let state = world.state();
            let mut found = sm::SecretListEntry::builder()
                .arn(SECRET)
                .name("prod/db")
                .last_changed_date(sdk(state.changed_at))
                .set_tags(Some(sm_tags(&state.secret_tags)));
            for (version, stages) in stages(&state) {
                found = found.secret_versions_to_stages(version, stages);
            }
            ListSecretsOutput::builder().secret_list(found.build()).build()
        });
        let world = self.clone();
        let stage = mock!(Client::update_secret_version_stage).then_compute_response(move |asked| {
            if let Some(code) = world.broken("UpdateSecretVersionStage") {
                return MockResponse::Error(UpdateSecretVersionStageError::generic(meta(code)));
            }
            assert_eq!((asked.secret_id(), asked.version_stage()), (Some(SECRET), Some("AWSCURRENT")));
            assert_eq!((asked.move_to_version_id(), asked.remove_from_version_id()), (Some(OLD), Some(NEW)));
            world.note("put the label back");
            world.state().current = OLD;
            MockResponse::Output(UpdateSecretVersionStageOutput::builder().build())
        });
        [describe, list, stage]
    }

    fn others(&self) -> [Rule; 5] {
        let world = self.clone();
        let send = mock!(aws_sdk_sqs::Client::send_message).then_compute_output(move |sent| {
            let queue = sent.queue_url().unwrap().rsplit('/').next().unwrap();
            let body: Value = serde_json::from_str(sent.message_body().unwrap()).unwrap();
            let delay = sent.delay_seconds().unwrap_or_default();
            match queue {
                "redeploys" => {
                    world.note(format!("follow in {delay} s"));
                    let id = body["follow"]["redeploy"].as_str().unwrap().to_owned();
                    world.state().follows.push(id);
                }
                "settlements" => {
                    world.note(format!("settle {}", body["settle"]["version"].as_str().unwrap()));
                }
                _ => world.note(format!("watch {}", body["watch"]["target"].as_str().unwrap())),
            }
            SendMessageOutput::builder().build()
        });
        let world = self.clone();
        let back = mock!(aws_sdk_sqs::Client::change_message_visibility).then_compute_output(move |back| {
            world.note(format!("again in {} s", back.visibility_timeout().unwrap_or_default()));
            ChangeMessageVisibilityOutput::builder().build()
        });
        let world = self.clone();
        let publish = mock!(aws_sdk_sns::Client::publish).then_compute_response(move |published| {
            if let Some(code) = world.broken("Publish") {
                return MockResponse::Error(PublishError::generic(meta(code)));
            }
            let notice: Value = serde_json::from_str(published.message().unwrap()).unwrap();
            let (severity, state) = (notice["severity"].as_str().unwrap(), notice["state"].as_str().unwrap());
            world.note(format!("tell {severity} {state}: {}", notice["title"].as_str().unwrap()));
            world.state().notices.push(notice);
            MockResponse::Output(PublishOutput::builder().build())
        });
        let world = self.clone();
        let policy = mock!(aws_sdk_ssm::Client::get_parameter).then_compute_response(move |_| {
            let Some(text) = world.state().policy.clone() else {
                let none = aws_sdk_ssm::types::error::ParameterNotFound::builder().build();
                return MockResponse::Error(GetParameterError::ParameterNotFound(none));
            };
            let found = aws_sdk_ssm::types::Parameter::builder().value(text).version(3).build();
            MockResponse::Output(GetParameterOutput::builder().parameter(found).build())
        });
        let world = self.clone();
        let images = mock!(aws_sdk_ecr::Client::describe_images).then_compute_output(move |asked| {
            let name = asked.repository_name().unwrap().rsplit('/').next().unwrap();
            let digest = world.state().services[name].digest;
            let image = aws_sdk_ecr::types::ImageDetail::builder().image_digest(digest).build();
            DescribeImagesOutput::builder().image_details(image).build()
        });
        [send, back, publish, policy, images]
    }
}

/// What `deployment-watch` writes down of the operation of a service that is open.
fn end(state: &mut State, name: &str, end: &str, said: Option<&str>) {
    let pk = format!("target#ecs:prod/{name}");
    let operations =
        state.table.iter_mut().filter(|((its, sk), _)| *its == pk && sk.starts_with("operation#"));
    for (_, item) in operations.filter(|(_, item)| !item.contains_key("end")) {
        item.insert("end".to_owned(), AttributeValue::S(end.to_owned()));
        if let Some(said) = said {
            item.insert("said".to_owned(), AttributeValue::S(said.to_owned()));
        }
    }
}

fn stages(state: &State) -> Vec<(String, Vec<String>)> {
    let previous = if state.current == NEW { OLD } else { NEW };
    let mut all = vec![(state.current.to_owned(), "AWSCURRENT"), (previous.to_owned(), "AWSPREVIOUS")];
    all.extend(state.pending.map(|pending| (pending.to_owned(), "AWSPENDING")));
    all.into_iter().map(|(version, stage)| (version, vec![stage.to_owned()])).collect()
}

fn sm_tags(tags: &Tags) -> Vec<sm::Tag> {
    tags.iter().map(|(key, value)| sm::Tag::builder().key(key).value(value).build()).collect()
}

fn arn(name: &str) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:service/prod/{name}")
}

/// `web` of `arn:…:task-definition/web:7`.
fn family(definition: &str) -> String {
    definition.rsplit('/').next().unwrap().split(':').next().unwrap().to_owned()
}

fn described(name: &str, web: &Web) -> ecs::Service {
    let tags = web.tags.iter().map(|(key, value)| ecs::Tag::builder().key(key).value(value).build());
    ecs::Service::builder()
        .service_arn(arn(name))
        .service_name(name)
        .cluster_arn("arn:aws:ecs:eu-west-1:123456789012:cluster/prod")
        .status("ACTIVE")
        .desired_count(web.desired)
        .running_count(web.desired)
        .set_deployments(Some(web.deployments.clone()))
        .set_tags(Some(tags.collect()))
        .build()
}

pub(super) fn batch(bodies: &[Value]) -> Value {
    let records = bodies.iter().enumerate().map(|(index, body)| {
        json!({"messageId": format!("m-{index}"), "receiptHandle": format!("receipt-{index}"),
            "body": body.to_string(), "eventSource": "aws:sqs"})
    });
    json!({"Records": records.collect::<Vec<_>>()})
}
