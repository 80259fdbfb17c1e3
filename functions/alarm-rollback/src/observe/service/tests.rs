//! What ECS answers of services and deployments, and what is made of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_cloudformation::operation::describe_stacks::{DescribeStacksError, DescribeStacksOutput};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use aws_sdk_ecs::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_ecs::operation::describe_service_deployments::DescribeServiceDeploymentsOutput;
use aws_sdk_ecs::operation::describe_service_revisions::DescribeServiceRevisionsOutput;
use aws_sdk_ecs::operation::describe_services::{DescribeServicesError, DescribeServicesOutput};
use aws_sdk_ecs::operation::list_clusters::ListClustersOutput;
use aws_sdk_ecs::operation::list_service_deployments::{
    ListServiceDeploymentsError, ListServiceDeploymentsOutput,
};
use aws_sdk_ecs::operation::list_services::{ListServicesError, ListServicesOutput};
use aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use jiff::Timestamp;
use shared::error::Class;

use super::*;
use crate::cases::td;
use crate::tests::Mocks;

type Client = aws_sdk_ecs::Client;

fn clients(ecs: &[&Rule]) -> Clients {
    Mocks { ecs, ..Mocks::default() }.clients()
}

fn at(seconds: i64) -> DateTime {
    DateTime::from_secs(seconds)
}

fn code(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

fn described(service: ecs::Service) -> Rule {
    mock!(Client::describe_services)
        .match_requests(|asked| {
            asked.cluster() == Some("prod")
                && asked.services() == ["web"]
                && asked.include() == [ecs::ServiceField::Tags]
        })
        .then_output(move || DescribeServicesOutput::builder().services(service.clone()).build())
}

fn service() -> ecs::builders::ServiceBuilder {
    ecs::Service::builder().service_arn("arn:service").status("ACTIVE").task_definition(td(7))
}

fn group(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}")
}

#[tokio::test]
async fn a_service_is_read_with_its_primary_deployment_its_ports_and_its_tags() {
    let deployment =
        |status: &str, seconds| ecs::Deployment::builder().status(status).created_at(at(seconds)).build();
    let controller = ecs::DeploymentController::builder().r#type(ecs::DeploymentControllerType::External);
    let rule = described(
        service()
            .desired_count(3)
            .running_count(2)
            .deployments(deployment("ACTIVE", 100))
            .deployments(deployment("PRIMARY", 200))
            .deployment_controller(controller.build().unwrap())
            .deployment_configuration(
                ecs::DeploymentConfiguration::builder().strategy(ecs::DeploymentStrategy::BlueGreen).build(),
            )
            .load_balancers(ecs::LoadBalancer::builder().container_name("web").container_port(8080).build())
            .load_balancers(ecs::LoadBalancer::builder().load_balancer_name("classic").build())
            .capacity_provider_strategy(
                ecs::CapacityProviderStrategyItem::builder()
                    .capacity_provider("FARGATE_SPOT")
                    .build()
                    .unwrap(),
            )
            .tags(ecs::Tag::builder().key("watchkeeper:mode").value("act").build())
            .build(),
    );
    let unsupported = mock!(Client::list_service_deployments)
        .then_error(|| ListServiceDeploymentsError::generic(code("UnsupportedFeatureException")));

    let scene = scene(&clients(&[&rule, &unsupported]), "prod", "web").await.unwrap();

    let service = scene.service.unwrap();
    assert_eq!(service.deployed_at, Timestamp::from_second(200).ok());
    assert_eq!(service.controller, Controller::Other("EXTERNAL".to_owned()));
    assert_eq!(service.strategy, "BLUE_GREEN");
    assert_eq!((service.desired, service.running, service.active, service.fargate), (3, 2, true, true));
    assert_eq!(service.ports, [Port { container: "web".to_owned(), port: 8080 }]);
    assert_eq!(service.tags.get("watchkeeper:mode").map(String::as_str), Some("act"));
    assert!(scene.deployments.is_empty(), "a controller without history has none");
}

#[tokio::test]
async fn the_newest_task_set_that_codedeploy_made_names_its_deployment() {
    let set = |id: Option<&str>, seconds| {
        ecs::TaskSet::builder().set_external_id(id.map(ToOwned::to_owned)).created_at(at(seconds)).build()
    };
    let controller = ecs::DeploymentController::builder().r#type(ecs::DeploymentControllerType::CodeDeploy);
    let rule = described(
        service()
            .deployment_controller(controller.build().unwrap())
            .task_sets(set(Some("d-NEW"), 200))
            .task_sets(set(Some("d-OLD"), 100))
            .task_sets(set(None, 300))
            .build(),
    );
    let got = describe(&clients(&[&rule]), "prod", "web").await.unwrap().unwrap();
    assert_eq!((got.controller, got.code_deploy.as_deref()), (Controller::CodeDeploy, Some("d-NEW")));
    assert_eq!((got.strategy.as_str(), got.fargate), ("ROLLING", false));
}

#[tokio::test]
async fn a_service_or_cluster_that_is_not_there_is_an_answer() {
    let missing = mock!(Client::describe_services).then_output(|| {
        let failure = ecs::Failure::builder().reason("MISSING").build();
        DescribeServicesOutput::builder().failures(failure).build()
    });
    assert_eq!(describe(&clients(&[&missing]), "prod", "web").await.unwrap(), None);

    let no_cluster = mock!(Client::describe_services)
        .then_error(|| DescribeServicesError::generic(code("ClusterNotFoundException")));
    assert_eq!(describe(&clients(&[&no_cluster]), "prod", "web").await.unwrap(), None);

    let denied = mock!(Client::describe_services)
        .then_error(|| DescribeServicesError::generic(code("AccessDeniedException")));
    let error = describe(&clients(&[&denied]), "prod", "web").await.unwrap_err();
    assert!(error.chain().starts_with("ecs:DescribeServices is denied"), "{error:?}");
}

fn brief(index: i64, status: ecs::ServiceDeploymentStatus) -> ecs::ServiceDeploymentBrief {
    ecs::ServiceDeploymentBrief::builder()
        .service_deployment_arn(format!("deployment-{index}"))
        .target_service_revision_arn("revision")
        .status(status)
        .created_at(at(index))
        .build()
}

#[tokio::test]
async fn deployments_come_newest_first_and_every_status_is_known() {
    use ecs::ServiceDeploymentStatus as S;
    let expected = [
        (S::Pending, Status::InProgress),
        (S::InProgress, Status::InProgress),
        (S::Successful, Status::Successful),
        (S::StopRequested, Status::Stopped),
        (S::Stopped, Status::Stopped),
        (S::RollbackRequested, Status::RollingBack),
        (S::RollbackInProgress, Status::RollingBack),
        (S::RollbackSuccessful, Status::RolledBack),
        (S::RollbackFailed, Status::RollbackFailed),
        (S::from("SOMETHING_NEW"), Status::Unknown),
    ];
    let briefs: Vec<_> =
        (0..).zip(&expected).map(|(index, (status, _))| brief(index, status.clone())).collect();
    let listed = mock!(Client::list_service_deployments).then_output(move || {
        ListServiceDeploymentsOutput::builder().set_service_deployments(Some(briefs.clone())).build()
    });

    let got = deployments(&clients(&[&listed]), "prod", "web").await.unwrap();

    let statuses: Vec<_> = got.iter().rev().map(|deployment| deployment.status).collect();
    assert_eq!(statuses, expected.map(|(_, status)| status));
}

#[tokio::test]
async fn the_newest_deployments_are_found_on_whichever_page_they_are() {
    let page = |from: i64, next: Option<&str>| {
        let briefs = (from..from + 100).map(|index| brief(index, ecs::ServiceDeploymentStatus::Successful));
        let page = ListServiceDeploymentsOutput::builder().set_service_deployments(Some(briefs.collect()));
        page.set_next_token(next.map(ToOwned::to_owned)).build()
    };
    let first = page(0, Some("more"));
    let first = mock!(Client::list_service_deployments)
        .match_requests(|asked| asked.next_token().is_none())
        .then_output(move || first.clone());
    let second = page(100, None);
    let second = mock!(Client::list_service_deployments)
        .match_requests(|asked| asked.next_token() == Some("more"))
        .then_output(move || second.clone());

    let got = deployments(&clients(&[&first, &second]), "prod", "web").await.unwrap();

    let expected: Vec<_> = (180..200).rev().map(|index| format!("deployment-{index}")).collect();
    assert_eq!(got.iter().map(|deployment| deployment.arn.clone()).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_denied_read_names_its_action_and_is_never_taken_for_an_empty_answer() {
    for (denial, class) in
        [("AccessDeniedException", Class::Permanent), ("ThrottlingException", Class::Transient)]
    {
        let denied = mock!(Client::list_service_deployments)
            .then_error(move || ListServiceDeploymentsError::generic(code(denial)));
        let error = deployments(&clients(&[&denied]), "prod", "web").await.unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.chain().starts_with("ecs:ListServiceDeployments "), "{error:?}");
    }
}

#[tokio::test]
async fn the_revisions_that_a_deployment_began_from_are_its_sources() {
    let described = mock!(Client::describe_service_deployments)
        .match_requests(|asked| asked.service_deployment_arns() == ["deployment-7"])
        .then_output(|| {
            let source = |arn: &str| ecs::ServiceRevisionSummary::builder().arn(arn).build();
            let deployment = ecs::ServiceDeployment::builder()
                .source_service_revisions(source("revision-6"))
                .source_service_revisions(source("revision-5"));
            DescribeServiceDeploymentsOutput::builder().service_deployments(deployment.build()).build()
        });
    let got = sources(&clients(&[&described]), "deployment-7").await.unwrap();
    assert_eq!(got, ["revision-6", "revision-5"]);
}

#[tokio::test]
async fn a_revision_is_read_with_its_digests_by_container_and_with_what_stands_around_it() {
    let described = mock!(Client::describe_service_revisions).then_output(|| {
        let image = |name: &str, digest: Option<&str>| {
            let digest = digest.map(ToOwned::to_owned);
            ecs::ContainerImage::builder().container_name(name).set_image_digest(digest).build()
        };
        let network = ecs::AwsVpcConfiguration::builder()
            .subnets("subnet-b")
            .subnets("subnet-a")
            .security_groups("sg-1")
            .assign_public_ip(ecs::AssignPublicIp::Disabled)
            .build()
            .unwrap();
        let balancer = ecs::LoadBalancer::builder()
            .container_name("web")
            .container_port(8080)
            .target_group_arn(group("web/1"));
        let provider =
            ecs::CapacityProviderStrategyItem::builder().capacity_provider("FARGATE").weight(2).base(1);
        let revision = ecs::ServiceRevision::builder()
            .service_revision_arn("revision-6")
            .task_definition(td(6))
            .container_images(image("web", Some("sha256:1")))
            .container_images(image("proxy", None))
            .network_configuration(ecs::NetworkConfiguration::builder().awsvpc_configuration(network).build())
            .load_balancers(balancer.build())
            .capacity_provider_strategy(provider.build().unwrap())
            .platform_version("1.4.0");
        let bare = ecs::ServiceRevision::builder()
            .service_revision_arn("revision-5")
            .task_definition(td(5))
            .launch_type(ecs::LaunchType::Ec2);
        DescribeServiceRevisionsOutput::builder()
            .service_revisions(revision.build())
            .service_revisions(bare.build())
            .build()
    });

    let got = revisions(&clients(&[&described]), vec!["revision-5".to_owned()]).await.unwrap();

    assert_eq!(got[0].task_definition, td(6));
    assert_eq!(got[0].images, BTreeMap::from([("web".to_owned(), "sha256:1".to_owned())]));
    let around: Vec<_> = got[0].around.iter().map(|(name, words)| format!("{name}: {words}")).collect();
    assert_eq!(
        around,
        [
            "capacity providers: FARGATE weight 2 base 1",
            &format!("load balancers: web:8080 behind {}", group("web/1")),
            "platform version: 1.4.0",
            "public address: DISABLED",
            "security groups: sg-1",
            "subnets: subnet-a, subnet-b",
        ]
    );
    assert_eq!(got[1].around, BTreeMap::from([("launch type".to_owned(), "EC2".to_owned())]));
}

#[tokio::test]
async fn every_revision_is_described_though_ecs_takes_only_so_many_at_once() {
    let described = mock!(Client::describe_service_revisions)
        .match_requests(|asked| (1..=REVISIONS_AT_ONCE).contains(&asked.service_revision_arns().len()))
        .then_compute_output(|asked| {
            let revisions = asked.service_revision_arns().iter().map(|arn| {
                ecs::ServiceRevision::builder().service_revision_arn(arn).task_definition(td(6)).build()
            });
            let revisions = Some(revisions.collect());
            DescribeServiceRevisionsOutput::builder().set_service_revisions(revisions).build()
        });
    let twice = |index| [format!("revision-{index:02}"), format!("revision-{index:02}")];

    let got = revisions(&clients(&[&described]), (0..30).flat_map(twice).collect()).await.unwrap();

    assert_eq!((got.len(), described.num_calls()), (30, 2));
}

#[tokio::test]
async fn earlier_revisions_are_those_below_of_the_same_family_newest_first() {
    let listed = mock!(Client::list_task_definitions)
        .match_requests(|asked| {
            asked.family_prefix() == Some("web") && asked.status() == Some(&ecs::TaskDefinitionStatus::Active)
        })
        .then_output(|| {
            let other = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web-admin:3".to_owned();
            let arns = vec![td(10), td(7), td(9), other, td(2), td(6)];
            ListTaskDefinitionsOutput::builder().set_task_definition_arns(Some(arns)).build()
        });
    let got = earlier(&clients(&[&listed]), &td(9)).await.unwrap();
    assert_eq!(got, [td(7), td(6), td(2)]);
}

#[tokio::test]
async fn an_owner_is_as_its_root_is_or_gone_and_a_refusal_is_neither() {
    let stack = |id: &str, status: StackStatus, root: Option<&str>| {
        let stack = Stack::builder().stack_id(id).stack_name("billing").stack_status(status);
        let stack = stack.creation_time(at(0)).set_root_id(root.map(ToOwned::to_owned)).build();
        let id = id.to_owned();
        mock!(aws_sdk_cloudformation::Client::describe_stacks)
            .match_requests(move |asked| asked.stack_name() == Some(&id))
            .then_output(move || DescribeStacksOutput::builder().stacks(stack.clone()).build())
    };
    let look = async |rules: &[&Rule]| {
        let clients = Mocks { cloudformation: rules, ..Mocks::default() }.clients();
        owner(&clients, "arn:stack").await
    };
    let alone = stack("arn:stack", StackStatus::UpdateComplete, None);
    assert_eq!(look(&[&alone]).await.unwrap().as_deref(), Some("UPDATE_COMPLETE"));
    let nested = stack("arn:stack", StackStatus::UpdateComplete, Some("arn:root"));
    let root = stack("arn:root", StackStatus::UpdateInProgress, None);
    assert_eq!(look(&[&nested, &root]).await.unwrap().as_deref(), Some("UPDATE_IN_PROGRESS"));

    let refused = |code: &'static str, message: &'static str| {
        mock!(aws_sdk_cloudformation::Client::describe_stacks).then_error(move || {
            DescribeStacksError::generic(ErrorMetadata::builder().code(code).message(message).build())
        })
    };
    let gone = refused("ValidationError", "Stack with id arn:stack does not exist");
    assert_eq!(look(&[&gone]).await.unwrap(), None);
    let error = look(&[&refused("AccessDenied", "no")]).await.unwrap_err();
    assert!(error.chain().starts_with("cloudformation:DescribeStacks is denied"), "{error:?}");
}

/// A service in the cluster `prod`, behind these load balancers.
fn behind_them(name: &str, balancers: Vec<ecs::LoadBalancer>) -> ecs::Service {
    ecs::Service::builder()
        .service_name(name)
        .cluster_arn("arn:aws:ecs:eu-west-1:123456789012:cluster/prod")
        .set_load_balancers(Some(balancers))
        .build()
}

fn balancer(name: &str) -> ecs::LoadBalancer {
    ecs::LoadBalancer::builder().target_group_arn(group(name)).build()
}

#[tokio::test]
async fn the_services_behind_a_target_group_are_found_over_all_pages_of_the_clusters_that_are_watched() {
    let cluster = |name: &str| format!("arn:aws:ecs:eu-west-1:123456789012:cluster/{name}");
    let first = mock!(Client::list_clusters)
        .match_requests(|asked| asked.next_token().is_none())
        .then_output(move || {
            let page =
                ListClustersOutput::builder().cluster_arns(cluster("dev")).cluster_arns(cluster("prod-a"));
            page.next_token("more").build()
        });
    let second = mock!(Client::list_clusters)
        .match_requests(|asked| asked.next_token() == Some("more"))
        .then_output(move || ListClustersOutput::builder().cluster_arns(cluster("prod-b")).build());
    let of_a = mock!(Client::list_services)
        .match_requests(|asked| asked.cluster() == Some("prod-a") && asked.next_token().is_none())
        .then_output(|| {
            let arns = (0..15).map(|index| format!("a-{index}")).collect();
            ListServicesOutput::builder().set_service_arns(Some(arns)).next_token("more").build()
        });
    let more_of_a = mock!(Client::list_services)
        .match_requests(|asked| asked.cluster() == Some("prod-a") && asked.next_token() == Some("more"))
        .then_output(|| ListServicesOutput::builder().service_arns("web").build());
    let of_b = mock!(Client::list_services)
        .match_requests(|asked| asked.cluster() == Some("prod-b"))
        .then_error(|| ListServicesError::generic(code("ClusterNotFoundException")));
    let described = mock!(Client::describe_services)
        .match_requests(|asked| {
            asked.cluster() == Some("prod-a") && asked.services().len() <= SERVICES_AT_ONCE
        })
        .then_compute_output(|asked| {
            let services = asked.services().iter().map(|name| {
                let behind = if name == "web" { "web/0123" } else { "another/0123" };
                behind_them(name, vec![balancer(behind)])
            });
            DescribeServicesOutput::builder().set_services(Some(services.collect())).build()
        });
    let rules = [&first, &second, &of_a, &more_of_a, &of_b, &described];

    let groups = ["targetgroup/web/0123".to_owned()];
    let got = behind(&clients(&rules), &groups, "prod-*").await.unwrap();

    assert_eq!(got, ["ecs:prod/web".parse().unwrap()]);
    assert_eq!(described.num_calls(), 3, "ten, five and one");
}

/// Every request passes through here, and lets others pass before it goes on.
#[derive(Debug, Default)]
struct Gate {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Debug)]
struct Through(Arc<Gate>);

impl ResolveEndpoint for Through {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::new(async {
            let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            self.0.now.fetch_sub(1, Ordering::SeqCst);
            Ok(Endpoint::builder().url("https://ecs.eu-west-1.amazonaws.com").build())
        })
    }
}

#[tokio::test]
async fn the_services_of_one_page_are_described_at_once_and_those_of_the_next_after_them() {
    let listed = mock!(Client::list_services)
        .match_requests(|asked| asked.max_results() == Some(100))
        .then_compute_output(|asked| {
            let arns = (0..100).map(|index| format!("web-{index}")).collect();
            let next = asked.next_token().is_none().then(|| "more".to_owned());
            ListServicesOutput::builder().set_service_arns(Some(arns)).set_next_token(next).build()
        });
    let described = mock!(Client::describe_services).then_compute_output(|asked| {
        let services = asked.services().iter().map(|name| behind_them(name, vec![balancer("web/0123")]));
        DescribeServicesOutput::builder().set_services(Some(services.collect())).build()
    });
    let gate = Arc::new(Gate::default());
    let ecs = mock_client!(aws_sdk_ecs, RuleMode::MatchAny, &[&listed, &described], |config| config
        .endpoint_resolver(Through(Arc::clone(&gate))));
    let clients = Clients { ecs, ..Mocks::default().clients() };

    let got = behind(&clients, &["targetgroup/web/0123".to_owned()], "prod").await.unwrap();

    assert_eq!((got.len(), described.num_calls()), (200, 20));
    assert_eq!(gate.most.load(Ordering::SeqCst), 10, "ten calls at once, and no more");
}

#[test]
fn a_target_group_is_meant_only_where_the_whole_end_of_the_arn_is() {
    let groups = ["targetgroup/web/0123".to_owned()];
    let check = |service: &ecs::Service, expected: bool| {
        assert_eq!(target(service, &groups).is_some(), expected, "{service:?}");
    };
    check(&behind_them("web", vec![balancer("other/1"), balancer("web/0123")]), true);
    for other in ["web/01234", "my-web/0123", "x/targetgroup/web/0123"] {
        check(&behind_them("web", vec![balancer(other)]), false);
    }
    check(&behind_them("web", vec![ecs::LoadBalancer::builder().load_balancer_name("web").build()]), false);

    let green = ecs::AdvancedConfiguration::builder().alternate_target_group_arn(group("web/0123")).build();
    let blue = ecs::LoadBalancer::builder().target_group_arn(group("blue/1")).advanced_configuration(green);
    check(&behind_them("web", vec![blue.build()]), true);

    let mut of_code_deploy = behind_them("web", Vec::new());
    let set = ecs::TaskSet::builder().load_balancers(balancer("web/0123")).build();
    of_code_deploy.task_sets = Some(vec![set]);
    check(&of_code_deploy, true);
}

#[tokio::test]
async fn one_cluster_that_is_named_needs_no_list_of_clusters() {
    let listed = mock!(Client::list_services)
        .match_requests(|asked| asked.cluster() == Some("prod"))
        .then_output(|| ListServicesOutput::builder().build());
    let denied =
        mock!(Client::list_services).then_error(|| ListServicesError::generic(code("AccessDeniedException")));
    let groups = ["targetgroup/web/0123".to_owned()];
    assert!(behind(&clients(&[&listed]), &groups, "prod").await.unwrap().is_empty());
    let error = behind(&clients(&[&denied]), &groups, "prod").await.unwrap_err();
    assert!(error.chain().starts_with("ecs:ListServices is denied"), "{error:?}");
}
