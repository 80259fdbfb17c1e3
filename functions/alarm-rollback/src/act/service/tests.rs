//! The calls that change a service, to the letter.

use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput;
use aws_sdk_ecs::operation::register_task_definition::{
    RegisterTaskDefinitionError, RegisterTaskDefinitionInput, RegisterTaskDefinitionOutput,
};
use aws_sdk_ecs::operation::stop_service_deployment::{
    StopServiceDeploymentError, StopServiceDeploymentInput, StopServiceDeploymentOutput,
};
use aws_sdk_ecs::operation::update_service::{UpdateServiceInput, UpdateServiceOutput};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use shared::ecs::copy::OPERATION;
use shared::error::Class;

use super::*;
use crate::cases::td;
use crate::tests::Mocks;

type Client = aws_sdk_ecs::Client;

async fn made(ecs: &[&Rule], act: &Act) -> Result<Made> {
    let clients = Mocks { ecs, ..Mocks::default() }.clients();
    perform(&clients, "prod", "web", act, "op-1").await
}

/// Answers only this very request.
fn updated(expected: UpdateServiceInput) -> Rule {
    mock!(Client::update_service).match_requests(move |asked| *asked == expected).then_output(|| {
        let primary = ecs::Deployment::builder().id("ecs-svc/9").status("PRIMARY").build();
        let service = ecs::Service::builder().deployments(primary).build();
        UpdateServiceOutput::builder().service(service).build()
    })
}

#[tokio::test]
async fn only_the_task_definition_or_only_the_count_is_set() {
    let of = || UpdateServiceInput::builder().cluster("prod").service("web");
    let cases = [
        (Act::UpdateService { task_definition: td(6) }, of().task_definition(td(6))),
        (Act::Scale { desired: 3 }, of().desired_count(3)),
    ];
    for (act, expected) in cases {
        let rule = updated(expected.build().unwrap());
        let Ok(Made::Done { deployment }) = made(&[&rule], &act).await else { panic!("{act:?}") };
        assert_eq!(deployment.as_deref(), Some("ecs-svc/9"));
        assert_eq!(rule.num_calls(), 1);
    }
}

#[tokio::test]
async fn a_deployment_in_flight_is_stopped_so_that_ecs_rolls_it_back() {
    let expected = StopServiceDeploymentInput::builder()
        .service_deployment_arn("deployment-7")
        .stop_type(ecs::StopServiceDeploymentStopType::Rollback)
        .build()
        .unwrap();
    let rule = mock!(Client::stop_service_deployment)
        .match_requests(move |asked| *asked == expected)
        .then_output(|| StopServiceDeploymentOutput::builder().build());
    let act = Act::StopServiceDeployment { deployment: "deployment-7".to_owned() };
    let Ok(Made::Done { deployment }) = made(&[&rule], &act).await else { panic!("stopped") };
    assert_eq!(deployment.as_deref(), Some("deployment-7"));
}

#[tokio::test]
async fn a_deployment_that_is_over_is_decided_anew_and_a_denial_is_not() {
    let act = Act::StopServiceDeployment { deployment: "deployment-7".to_owned() };
    let stop = async |code: &'static str| {
        let rule = mock!(Client::stop_service_deployment).then_error(move || {
            StopServiceDeploymentError::generic(ErrorMetadata::builder().code(code).build())
        });
        made(&[&rule], &act).await
    };
    for code in ["ConflictException", "ServiceDeploymentNotFoundException"] {
        assert!(matches!(stop(code).await, Ok(Made::Again)), "{code}");
    }
    let error = stop("AccessDeniedException").await.err().unwrap();
    assert!(error.chain().starts_with("ecs:StopServiceDeployment is denied"), "{error:?}");
    assert_eq!(stop("ThrottlingException").await.err().unwrap().class(), Class::Transient);
}

fn tag(key: &str, value: &str) -> ecs::Tag {
    ecs::Tag::builder().key(key).value(value).build()
}

fn container(name: &str, image: &str) -> ecs::ContainerDefinition {
    ecs::ContainerDefinition::builder().name(name).image(image).cpu(64).essential(true).build()
}

/// A task definition with everything that one can have.
fn original() -> ecs::builders::TaskDefinitionBuilder {
    let proxy = ecs::ProxyConfiguration::builder().container_name("proxy").build().unwrap();
    let constraint = ecs::TaskDefinitionPlacementConstraint::builder().expression("zone == a").build();
    ecs::TaskDefinition::builder()
        .task_definition_arn(td(6))
        .family("web")
        .revision(6)
        .status(ecs::TaskDefinitionStatus::Inactive)
        .task_role_arn("arn:task-role")
        .execution_role_arn("arn:execution-role")
        .network_mode(ecs::NetworkMode::Awsvpc)
        .container_definitions(container("web", "shop/web:1.4"))
        .container_definitions(container("proxy", "shop/proxy:2"))
        .volumes(ecs::Volume::builder().name("scratch").build())
        .placement_constraints(constraint)
        .requires_compatibilities(ecs::Compatibility::Fargate)
        .cpu("256")
        .memory("512")
        .pid_mode(ecs::PidMode::Task)
        .ipc_mode(ecs::IpcMode::Task)
        .proxy_configuration(proxy)
        .ephemeral_storage(ecs::EphemeralStorage::builder().size_in_gib(30).build())
        .runtime_platform(
            ecs::RuntimePlatform::builder().cpu_architecture(ecs::CpuArchitecture::Arm64).build(),
        )
        .enable_fault_injection(true)
}

fn described(tags: Vec<ecs::Tag>) -> Rule {
    mock!(Client::describe_task_definition)
        .match_requests(|asked| {
            asked.task_definition() == Some(&td(6)) && asked.include() == [ecs::TaskDefinitionField::Tags]
        })
        .then_output(move || {
            DescribeTaskDefinitionOutput::builder()
                .task_definition(original().build())
                .set_tags(Some(tags.clone()))
                .build()
        })
}

/// The family's newest task definition is `web:9`, with these tags.
fn newest(tags: Vec<ecs::Tag>) -> [Rule; 2] {
    let listed = mock!(Client::list_task_definitions)
        .match_requests(|asked| {
            asked.family_prefix() == Some("web") && asked.sort() == Some(&ecs::SortOrder::Desc)
        })
        .then_output(|| ListTaskDefinitionsOutput::builder().task_definition_arns(td(9)).build());
    let described = mock!(Client::describe_task_definition)
        .match_requests(|asked| asked.task_definition() == Some(&td(9)))
        .then_output(move || DescribeTaskDefinitionOutput::builder().set_tags(Some(tags.clone())).build());
    [listed, described]
}

fn registered(expected: impl Fn(&RegisterTaskDefinitionInput) -> bool + Send + Sync + 'static) -> Rule {
    mock!(Client::register_task_definition).match_requests(expected).then_output(|| {
        let copy = ecs::TaskDefinition::builder().task_definition_arn(td(10)).build();
        RegisterTaskDefinitionOutput::builder().task_definition(copy).build()
    })
}

fn copy_with(images: &[(&str, &str)]) -> Act {
    let images = images.iter().map(|(name, image)| ((*name).to_owned(), (*image).to_owned()));
    Act::RegisterTaskDefinition { of: td(6), images: images.collect() }
}

#[tokio::test]
async fn a_copy_has_everything_of_the_original_but_the_images_that_are_pinned() {
    let tags = vec![
        tag("team", "shop"),
        tag("aws:cloudformation:stack-name", "billing"),
        tag("watchkeeper:operation", "op-0"),
        tag("watchkeeper:copy-of", "web:2"),
    ];
    let definition = original().build();
    let expected = RegisterTaskDefinitionInput::builder()
        .family("web")
        .set_task_role_arn(definition.task_role_arn)
        .set_execution_role_arn(definition.execution_role_arn)
        .set_network_mode(definition.network_mode)
        .container_definitions(container("web", "shop/web@sha256:1"))
        .container_definitions(container("proxy", "shop/proxy:2"))
        .set_volumes(definition.volumes)
        .set_placement_constraints(definition.placement_constraints)
        .set_requires_compatibilities(definition.requires_compatibilities)
        .set_cpu(definition.cpu)
        .set_memory(definition.memory)
        .set_pid_mode(definition.pid_mode)
        .set_ipc_mode(definition.ipc_mode)
        .set_proxy_configuration(definition.proxy_configuration)
        .set_ephemeral_storage(definition.ephemeral_storage)
        .set_runtime_platform(definition.runtime_platform)
        .set_enable_fault_injection(definition.enable_fault_injection)
        .tags(tag("watchkeeper:operation", "op-1"))
        .tags(tag("watchkeeper:copy-of", &td(6)))
        .tags(tag("team", "shop"))
        .build()
        .unwrap();
    let rule = registered(move |asked| {
        assert_eq!(*asked, expected);
        true
    });
    let (of, [listed, other]) = (described(tags), newest(vec![tag("watchkeeper:operation", "op-0")]));

    let act = copy_with(&[("web", "shop/web@sha256:1")]);
    let Ok(Made::Copied { task_definition }) = made(&[&of, &listed, &other, &rule], &act).await else {
        panic!("copied")
    };
    assert_eq!(task_definition, td(10));
}

#[tokio::test]
async fn a_copy_has_its_own_tags_even_where_the_original_has_as_many_as_there_may_be() {
    let tags = (0..50).map(|index| tag(&format!("tag-{index}"), "x")).collect();
    let rule = registered(|asked| asked.tags().len() == 50 && asked.tags()[0].key() == Some(OPERATION));
    let (of, [listed, other]) = (described(tags), newest(Vec::new()));
    assert!(made(&[&of, &listed, &other, &rule], &copy_with(&[])).await.is_ok());
}

#[tokio::test]
async fn a_copy_that_this_operation_registered_before_is_found_again() {
    let (of, [listed, own]) = (described(Vec::new()), newest(vec![tag("watchkeeper:operation", "op-1")]));
    let Ok(Made::Copied { task_definition }) = made(&[&of, &listed, &own], &copy_with(&[])).await else {
        panic!("found")
    };
    assert_eq!(task_definition, td(9));
}

#[tokio::test]
async fn a_denied_copy_names_its_action() {
    let (of, [listed, other]) = (described(Vec::new()), newest(Vec::new()));
    let denied = mock!(Client::register_task_definition).then_error(|| {
        RegisterTaskDefinitionError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let error = made(&[&of, &listed, &other, &denied], &copy_with(&[])).await.err().unwrap();
    assert!(error.chain().starts_with("ecs:RegisterTaskDefinition is denied"), "{error:?}");
}
