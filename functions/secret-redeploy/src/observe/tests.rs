//! What AWS says, made into facts.

use std::sync::Arc;

use aws_sdk_codedeploy::operation::batch_get_applications::BatchGetApplicationsOutput;
use aws_sdk_codedeploy::operation::batch_get_deployment_groups::BatchGetDeploymentGroupsOutput;
use aws_sdk_codedeploy::operation::batch_get_deployments::BatchGetDeploymentsOutput;
use aws_sdk_codedeploy::operation::list_applications::ListApplicationsOutput;
use aws_sdk_codedeploy::operation::list_deployment_groups::ListDeploymentGroupsOutput;
use aws_sdk_codedeploy::operation::list_deployments::ListDeploymentsOutput;
use aws_sdk_codedeploy::types as cd;
use aws_sdk_ecr::operation::describe_images::{DescribeImagesError, DescribeImagesOutput};
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::operation::describe_tasks::DescribeTasksOutput;
use aws_sdk_ecs::operation::list_tasks::{ListTasksError, ListTasksOutput};
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_sdk_secretsmanager::types as sm;
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use shared::ledger::Ledger;

use super::*;
use crate::Clients;
use crate::budget::Budget;
use crate::cases::{at, policy, td};
use crate::discover::Discovery;
use crate::facts::{Group, Names};

#[derive(Default)]
struct Mocks<'a> {
    codedeploy: &'a [&'a Rule],
    ecr: &'a [&'a Rule],
    ecs: &'a [&'a Rule],
    secretsmanager: &'a [&'a Rule],
}

impl Mocks<'_> {
    fn reach(&self) -> Reach {
        let none: &[&Rule] = &[];
        let clients = Clients {
            codedeploy: mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, self.codedeploy),
            ecr: mock_client!(aws_sdk_ecr, RuleMode::MatchAny, self.ecr, |config| config
                .retry_config(RetryConfig::disabled())),
            ecs: mock_client!(aws_sdk_ecs, RuleMode::MatchAny, self.ecs, |config| config
                .retry_config(RetryConfig::disabled())),
            secretsmanager: mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, self.secretsmanager),
            sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, none),
            sqs: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, none),
            ssm: mock_client!(aws_sdk_ssm, RuleMode::MatchAny, none),
            ledger: Ledger::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, none), "ledger"),
        };
        let budget = Arc::new(Budget::new());
        let text = String::new;
        Reach {
            clients,
            discovery: Arc::new(Discovery::new(Arc::clone(&budget))),
            budget,
            policy: policy(),
            topic: text(),
            timers: text(),
            redeploys: text(),
            settlements: text(),
        }
    }
}

fn web() -> Target {
    "ecs:prod/web".parse().unwrap()
}

fn meta(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

fn sdk(minutes: i64) -> DateTime {
    DateTime::from_millis(at(minutes).as_millisecond())
}

async fn facts(mocks: &Mocks<'_>, question: Question) -> Result<Facts> {
    let mut facts = Facts { service: Some(Some(crate::cases::service())), ..Facts::default() };
    answer(&mocks.reach(), &mut facts, &web(), question).await?;
    Ok(facts)
}

#[tokio::test]
async fn every_page_of_the_tasks_that_run_is_read() {
    use aws_sdk_ecs::Client;
    let list = mock!(Client::list_tasks)
        .match_requests(|asked| {
            asked.desired_status() == Some(&ecs::DesiredStatus::Running)
                && (asked.cluster(), asked.service_name()) == (Some("prod"), Some("web"))
        })
        .then_compute_output(|asked| match asked.next_token() {
            None => ListTasksOutput::builder().task_arns("a").next_token("2").build(),
            Some(_) => ListTasksOutput::builder().task_arns("b").next_token("").build(),
        });
    let describe = mock!(Client::describe_tasks).then_compute_output(|asked| {
        let container = ecs::Container::builder().name("app").image_digest("sha256:aaaa").build();
        let unknown = ecs::Container::builder().name("sidecar").build();
        let task = ecs::Task::builder()
            .created_at(sdk(if asked.tasks() == ["a"] { 1 } else { 2 }))
            .started_by("ecs-svc/1")
            .task_definition_arn(td("web", 7));
        DescribeTasksOutput::builder().tasks(task.containers(container).containers(unknown).build()).build()
    });
    let tasks =
        facts(&Mocks { ecs: &[&list, &describe], ..Mocks::default() }, Question::Tasks).await.unwrap().tasks;
    assert_eq!(tasks, Some(vec![crate::cases::task(1), crate::cases::task(2)]));
}

#[tokio::test]
async fn a_service_that_was_deleted_has_no_tasks_and_a_denial_is_named() {
    use aws_sdk_ecs::Client;
    for (code, expected) in [
        ("ServiceNotFoundException", Ok(Some(Vec::new()))),
        ("ClusterNotFoundException", Ok(Some(Vec::new()))),
        ("AccessDeniedException", Err("ecs:ListTasks is denied")),
    ] {
        let list = mock!(Client::list_tasks).then_error(move || ListTasksError::generic(meta(code)));
        let found = facts(&Mocks { ecs: &[&list], ..Mocks::default() }, Question::Tasks).await;
        match (found, expected) {
            (Ok(facts), Ok(tasks)) => assert_eq!(facts.tasks, tasks),
            (Err(error), Err(said)) => assert!(error.chain().starts_with(said), "{error:?}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn what_an_image_is_called_is_compared_with_what_it_means_by_now() {
    const HERE: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let images = [
        ("pinned", format!("{HERE}/a@sha256:aaaa"), Ok(Names::Pinned)),
        ("tagged", format!("{HERE}/shop/web:live"), Ok(Names::Digest("sha256:live".to_owned()))),
        ("untagged", format!("{HERE}/shop/web"), Ok(Names::Digest("sha256:latest".to_owned()))),
        ("gone", format!("{HERE}/shop/web:gone"), Ok(Names::Nothing)),
        ("no-repository", format!("{HERE}/shop/web:norepo"), Ok(Names::Nothing)),
        ("region", "123456789012.dkr.ecr.eu-west-2.amazonaws.com/a:1".to_owned(), Ok(Names::Unchecked)),
        ("account", "999999999999.dkr.ecr.eu-west-1.amazonaws.com/a:1".to_owned(), Ok(Names::Unchecked)),
        ("elsewhere", "nginx:1".to_owned(), Ok(Names::Unchecked)),
        ("denied", format!("{HERE}/shop/web:denied"), Err("ecr:DescribeImages is denied")),
    ];
    for (name, image, expected) in images {
        let called = image.clone();
        let definition = mock!(aws_sdk_ecs::Client::describe_task_definition)
            .match_requests(|asked| asked.task_definition() == Some(&td("web", 7)))
            .then_output(move || {
                let container = ecs::ContainerDefinition::builder().name(name).image(&called).build();
                let definition = ecs::TaskDefinition::builder().container_definitions(container).build();
                DescribeTaskDefinitionOutput::builder().task_definition(definition).build()
            });
        let described = mock!(aws_sdk_ecr::Client::describe_images)
            .match_requests(|asked| {
                (asked.registry_id(), asked.repository_name()) == (Some("123456789012"), Some("shop/web"))
            })
            .then_compute_response(|asked| match asked.image_ids()[0].image_tag().unwrap() {
                "gone" => MockResponse::Error(DescribeImagesError::generic(meta("ImageNotFoundException"))),
                "norepo" => {
                    MockResponse::Error(DescribeImagesError::generic(meta("RepositoryNotFoundException")))
                }
                "denied" => MockResponse::Error(DescribeImagesError::generic(meta("AccessDeniedException"))),
                tag => {
                    let image =
                        aws_sdk_ecr::types::ImageDetail::builder().image_digest(format!("sha256:{tag}"));
                    MockResponse::Output(DescribeImagesOutput::builder().image_details(image.build()).build())
                }
            });
        let mocks = Mocks { ecs: &[&definition], ecr: &[&described], ..Mocks::default() };
        match (facts(&mocks, Question::Images).await, expected) {
            (Ok(facts), Ok(names)) => {
                let expected = crate::facts::Image { container: name.to_owned(), image, names };
                assert_eq!(facts.images, Some(vec![expected]));
            }
            (Err(error), Err(said)) => assert!(error.chain().starts_with(said), "{error:?}"),
            (found, expected) => panic!("{name}: {found:?} instead of {expected:?}"),
        }
    }
}

/// Two applications for ECS and one for servers; `web` is deployed by the group `blue` of the second.
fn code_deploy(service: &'static str, statuses: &'static [(cd::DeploymentStatus, i64)]) -> [Rule; 6] {
    use aws_sdk_codedeploy::Client;
    let applications =
        mock!(Client::list_applications).then_compute_output(|asked| match asked.next_token() {
            None => ListApplicationsOutput::builder()
                .applications("servers")
                .applications("other")
                .next_token("2")
                .build(),
            Some(_) => ListApplicationsOutput::builder().applications("shop").build(),
        });
    let described = mock!(Client::batch_get_applications).then_compute_output(|asked| {
        let infos = asked.application_names().iter().map(|name| {
            let platform =
                if name == "servers" { cd::ComputePlatform::Server } else { cd::ComputePlatform::Ecs };
            cd::ApplicationInfo::builder().application_name(name).compute_platform(platform).build()
        });
        BatchGetApplicationsOutput::builder().set_applications_info(Some(infos.collect())).build()
    });
    let groups = mock!(Client::list_deployment_groups).then_compute_output(|asked| {
        let name = asked.application_name().unwrap();
        assert_ne!(name, "servers");
        let names = if name == "shop" { vec!["green".to_owned(), "blue".to_owned()] } else { Vec::new() };
        ListDeploymentGroupsOutput::builder().set_deployment_groups(Some(names)).build()
    });
    let described_groups = mock!(Client::batch_get_deployment_groups).then_compute_output(move |asked| {
        let infos = asked.deployment_group_names().iter().map(|name| {
            let service = if name == "blue" { service } else { "another" };
            let service = cd::EcsService::builder()
                .service_name(service)
                .cluster_name("arn:aws:ecs:eu-west-1:123456789012:cluster/prod");
            cd::DeploymentGroupInfo::builder()
                .deployment_group_name(name)
                .ecs_services(service.build())
                .build()
        });
        BatchGetDeploymentGroupsOutput::builder().set_deployment_groups_info(Some(infos.collect())).build()
    });
    let deployments = mock!(Client::list_deployments).then_output(move || {
        let ids = (0..statuses.len()).map(|number| format!("d-{number}")).collect();
        ListDeploymentsOutput::builder().set_deployments(Some(ids)).build()
    });
    let described_deployments = mock!(Client::batch_get_deployments).then_output(move || {
        let infos = statuses.iter().enumerate().map(|(number, (status, minutes))| {
            let content = cd::AppSpecContent::builder().content(format!("spec-{number}")).build();
            let revision = cd::RevisionLocation::builder()
                .revision_type(cd::RevisionLocationType::AppSpecContent)
                .app_spec_content(content);
            cd::DeploymentInfo::builder()
                .deployment_id(format!("d-{number}"))
                .status(status.clone())
                .create_time(sdk(*minutes))
                .revision(revision.build())
                .build()
        });
        BatchGetDeploymentsOutput::builder().set_deployments_info(Some(infos.collect())).build()
    });
    [applications, described, groups, described_groups, deployments, described_deployments]
}

#[tokio::test]
async fn the_group_that_names_the_service_is_found_with_its_last_success() {
    use cd::DeploymentStatus::{Failed, InProgress, Ready, Stopped, Succeeded};
    const RELEASED: &[(cd::DeploymentStatus, i64)] =
        &[(Succeeded, -60), (Failed, -10), (Succeeded, -20), (Stopped, -5)];
    const WAITING: &[(cd::DeploymentStatus, i64)] = &[(Succeeded, -60), (Ready, -10)];
    const UNDER_WAY: &[(cd::DeploymentStatus, i64)] = &[(InProgress, -1)];
    for (statuses, under_way, specification) in [
        (RELEASED, None, Some("spec-2")),
        (WAITING, Some("d-1"), Some("spec-0")),
        (UNDER_WAY, Some("d-0"), None),
        (&[], None, None),
    ] {
        let rules = code_deploy("web", statuses);
        let rules: Vec<&Rule> = rules.iter().collect();
        let found = facts(&Mocks { codedeploy: &rules, ..Mocks::default() }, Question::Group).await.unwrap();
        let expected = Group {
            application: "shop".to_owned(),
            name: "blue".to_owned(),
            under_way: under_way.map(ToOwned::to_owned),
            specification: specification.map(ToOwned::to_owned),
        };
        assert_eq!(found.group, Some(Some(expected)));
    }
    let rules = code_deploy("website", &[]);
    let rules: Vec<&Rule> = rules.iter().collect();
    let found = facts(&Mocks { codedeploy: &rules, ..Mocks::default() }, Question::Group).await.unwrap();
    assert_eq!(found.group, Some(None));
}

#[tokio::test]
async fn every_page_of_the_secrets_is_read_with_all_that_counts() {
    let list = mock!(aws_sdk_secretsmanager::Client::list_secrets).then_compute_output(|asked| {
        if asked.next_token().is_some() {
            let bare = sm::SecretListEntry::builder().arn("b").name("b").deleted_date(sdk(0)).build();
            return ListSecretsOutput::builder().secret_list(bare).build();
        }
        let tag = sm::Tag::builder().key("watchkeeper:rotation").value("postgres").build();
        let entry = sm::SecretListEntry::builder()
            .arn(crate::cases::SECRET)
            .name("prod/db")
            .tags(tag)
            .secret_versions_to_stages("v", vec!["AWSCURRENT".to_owned()])
            .rotation_enabled(true)
            .last_rotated_date(sdk(-3))
            .next_rotation_date(sdk(60))
            .last_changed_date(sdk(-2));
        ListSecretsOutput::builder().secret_list(entry.build()).next_token("2").build()
    });
    let reach = Mocks { secretsmanager: &[&list], ..Mocks::default() }.reach();
    let all = secret::all(&reach.clients.secretsmanager).await.unwrap();
    let [first, second] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(first.strategy(), Some(shared::strategy::Strategy::Postgres));
    assert_eq!((first.version("AWSCURRENT"), first.version("AWSPREVIOUS")), (Some("v"), None));
    assert_eq!(
        (first.rotates, first.rotated_at, first.next_rotation),
        (Some(true), Some(at(-3)), Some(at(60)))
    );
    assert_eq!((first.changed_at, first.deleted), (Some(at(-2)), false));
    assert_eq!((second.rotates, second.deleted, second.strategy()), (None, true, None));
}
