//! What a task needs to start: which call is made for it, and what is made of the answer.

use std::collections::HashMap;

use aws_sdk_ecr::operation::describe_images::{DescribeImagesError, DescribeImagesOutput};
use aws_sdk_ecr::types::ImageDetail;
use aws_sdk_ecs::operation::describe_task_definition::{
    DescribeTaskDefinitionError, DescribeTaskDefinitionOutput,
};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretError;
use aws_sdk_ssm::operation::describe_parameters::{DescribeParametersError, DescribeParametersOutput};
use aws_sdk_ssm::types::ParameterMetadata;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use jiff::Timestamp;

use super::*;
use crate::cases::td;
use crate::tests::Mocks;

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";

fn code(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

fn described(definition: ecs::builders::TaskDefinitionBuilder) -> Rule {
    let definition = definition.build();
    mock!(aws_sdk_ecs::Client::describe_task_definition)
        .match_requests(|asked| asked.task_definition() == Some(&td(6)))
        .then_output(move || {
            DescribeTaskDefinitionOutput::builder().task_definition(definition.clone()).build()
        })
}

fn with(container: ecs::builders::ContainerDefinitionBuilder) -> ecs::builders::TaskDefinitionBuilder {
    let active = ecs::TaskDefinitionStatus::Active;
    ecs::TaskDefinition::builder().status(active).container_definitions(container.name("web").build())
}

fn secret_of(value_from: &str) -> ecs::Secret {
    ecs::Secret::builder().name("DB").value_from(value_from).build().unwrap()
}

#[tokio::test]
async fn a_task_definition_is_active_inactive_or_gone() {
    let read = async |rule: &Rule| {
        let clients = Mocks { ecs: &[rule], ..Mocks::default() }.clients();
        task_definition(&clients, &td(6), &BTreeMap::new()).await
    };
    for (status, standing) in [
        (ecs::TaskDefinitionStatus::Active, Standing::Active),
        (ecs::TaskDefinitionStatus::Inactive, Standing::Inactive),
        (ecs::TaskDefinitionStatus::DeleteInProgress, Standing::Inactive),
    ] {
        let rule = described(ecs::TaskDefinition::builder().status(status));
        assert_eq!(read(&rule).await.unwrap().standing, standing);
    }
    let refused = |of: &'static str| {
        mock!(aws_sdk_ecs::Client::describe_task_definition)
            .then_error(move || DescribeTaskDefinitionError::generic(code(of)))
    };
    let gone = read(&refused("ClientException")).await.unwrap();
    assert_eq!((gone.standing, gone.arn), (Standing::Gone, td(6)));
    let error = read(&refused("AccessDeniedException")).await.unwrap_err();
    assert!(error.chain().starts_with("ecs:DescribeTaskDefinition is denied"), "{error:?}");
}

#[tokio::test]
async fn containers_are_read_with_their_images_and_ports() {
    let ports = ecs::PortMapping::builder().container_port(8080).build();
    let container = ecs::ContainerDefinition::builder().image("shop/web:1.4").port_mappings(ports);
    let rule = described(with(container).compatibilities(ecs::Compatibility::Fargate));
    let clients = Mocks { ecs: &[&rule], ..Mocks::default() }.clients();

    let got = task_definition(&clients, &td(6), &BTreeMap::new()).await.unwrap();

    let expected = Container { name: "web".to_owned(), image: "shop/web:1.4".to_owned(), ports: vec![8080] };
    assert_eq!((got.containers, got.fargate), (vec![expected], true));
}

/// Looks for an image, of which this digest ran, in a registry where `sha256:1` is tagged `1.4` and `latest`, and
/// `sha256:0` has no tag. Answers what was found, and which id was asked for.
async fn look(image: &str, ran: Option<&str>) -> (Found, Option<String>) {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = asked.clone();
    let images = mock!(aws_sdk_ecr::Client::describe_images)
        .match_requests(|asked| {
            asked.registry_id() == Some("123456789012") && asked.repository_name() == Some("shop/web")
        })
        .then_compute_response(move |asked| {
            let id = &asked.image_ids()[0];
            *noted.lock().unwrap() = id.image_digest().or(id.image_tag()).map(ToOwned::to_owned);
            let tags: &[&str] = match (id.image_digest(), id.image_tag()) {
                (Some("sha256:1"), None) | (None, Some("1.4" | "latest")) => &["1.4", "latest"],
                (Some("sha256:0"), None) => &[],
                (_, _) => {
                    let gone = DescribeImagesError::generic(code("ImageNotFoundException"));
                    return aws_smithy_mocks::MockResponse::Error(gone);
                }
            };
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let detail = ImageDetail::builder().set_image_tags(Some(tags)).build();
            aws_smithy_mocks::MockResponse::Output(
                DescribeImagesOutput::builder().image_details(detail).build(),
            )
        });
    let definition = described(with(ecs::ContainerDefinition::builder().image(image)));
    let clients = Mocks { ecs: &[&definition], ecr: &[&images], ..Mocks::default() }.clients();
    let ran = ran.map(|digest| ("web".to_owned(), digest.to_owned())).into_iter().collect();

    let got = task_definition(&clients, &td(6), &ran).await.unwrap();

    let [only] = got.images.as_slice() else { panic!("{:?}", got.images) };
    assert_eq!((only.container.as_str(), only.image.as_str()), ("web", image));
    let id = asked.lock().unwrap().clone();
    (only.found.clone(), id)
}

#[tokio::test]
async fn an_image_is_looked_for_by_what_ran_and_else_by_what_is_written() {
    let check = async |image: &str, ran: Option<&str>, found: Found, id: &str| {
        let image = format!("{HOST}/shop/web{image}");
        assert_eq!(look(&image, ran).await, (found, Some(id.to_owned())), "{image} that ran as {ran:?}");
    };
    check(":1.4", None, Found::There, "1.4").await;
    check(":1.5", None, Found::Gone, "1.5").await;
    check("", None, Found::There, "latest").await;
    check("@sha256:1", None, Found::There, "sha256:1").await;
    check("@sha256:0", None, Found::There, "sha256:0").await;
    check("@sha256:9", None, Found::Gone, "sha256:9").await;
    check(":gone@sha256:1", Some("sha256:1"), Found::There, "sha256:1").await;
    check(":1.4", Some("sha256:1"), Found::There, "sha256:1").await;
    check(":1.4", Some("sha256:0"), Found::Moved, "sha256:0").await;
    check(":1.4", Some("sha256:9"), Found::Gone, "sha256:9").await;
    check("", Some("sha256:1"), Found::There, "sha256:1").await;
    check("", Some("sha256:0"), Found::Moved, "sha256:0").await;
}

#[test]
fn every_host_of_ecr_is_known_and_no_other() {
    let read = |host: &str| {
        EcrImage::read(&format!("{host}/shop/web:1.4"))
            .map(|image| format!("{} {} {}", image.account, image.region, image.repository))
    };
    for host in [
        "1.dkr.ecr.eu-west-1.amazonaws.com",
        "1.dkr.ecr-fips.eu-west-1.amazonaws.com",
        "1.dkr-ecr.eu-west-1.on.aws",
        "1.dkr-ecr-fips.eu-west-1.on.aws",
        "1.dkr.ecr.eu-west-1.amazonaws.com.cn",
    ] {
        assert_eq!(read(host).as_deref(), Some("1 eu-west-1 shop/web"), "{host}");
    }
    for host in [
        "public.ecr.aws",
        "docker.io",
        "registry:5000",
        "1.dkr.ecr.eu-west-1.amazonaws.com.example.org",
        "1.dkr.ecr",
        "",
    ] {
        assert_eq!(read(host), None, "{host}");
    }
}

#[tokio::test]
async fn an_image_elsewhere_is_not_looked_for_and_says_so() {
    for (image, why) in [
        ("210987654321.dkr.ecr.eu-west-1.amazonaws.com/shop/web:1.4", "it is in another account or Region"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/web:1.4", "it is in another account or Region"),
        ("nginx", "it is not in Amazon ECR"),
        ("public.ecr.aws/nginx/nginx:1", "it is not in Amazon ECR"),
    ] {
        assert_eq!(look(image, Some("sha256:1")).await, (Found::Unchecked(why.to_owned()), None), "{image}");
    }
}

#[tokio::test]
async fn a_repository_that_is_gone_is_an_answer_and_a_denial_is_not() {
    let image = format!("{HOST}/shop/web:1.4");
    let look = async |of: &'static str| {
        let refused = mock!(aws_sdk_ecr::Client::describe_images)
            .then_error(move || DescribeImagesError::generic(code(of)));
        let definition = described(with(ecs::ContainerDefinition::builder().image(&image)));
        let clients = Mocks { ecs: &[&definition], ecr: &[&refused], ..Mocks::default() }.clients();
        task_definition(&clients, &td(6), &BTreeMap::new()).await
    };
    assert_eq!(look("RepositoryNotFoundException").await.unwrap().images[0].found, Found::Gone);
    let error = look("AccessDeniedException").await.unwrap_err();
    assert!(error.chain().starts_with("ecr:DescribeImages is denied"), "{error:?}");
}

/// Secrets Manager with a secret of which `v1` is `AWSCURRENT` and `v0` is `AWSPREVIOUS`, and with some that are not
/// whole, as their names say.
fn secretsmanager() -> Rule {
    mock!(aws_sdk_secretsmanager::Client::describe_secret).then_compute_response(|asked| {
        let id = asked.secret_id().unwrap();
        let is_known = [SECRET, SECRET.trim_end_matches("-AbCdEf"), "prod/db"].contains(&id);
        if !is_known && !["rds!", "deleted", "empty", "without-current"].iter().any(|name| id.contains(name))
        {
            let missing = DescribeSecretError::generic(code("ResourceNotFoundException"));
            return aws_smithy_mocks::MockResponse::Error(missing);
        }
        let version = |version: &str, stage: &str| (version.to_owned(), vec![stage.to_owned()]);
        let mut versions = HashMap::from([version("v1", "AWSCURRENT"), version("v0", "AWSPREVIOUS")]);
        if id.contains("without-current") {
            versions.remove("v1");
        }
        let deleted = id.contains("deleted").then(|| aws_smithy_types::DateTime::from_secs(0));
        let secret = DescribeSecretOutput::builder()
            .name("prod/db")
            .set_deleted_date(deleted)
            .set_version_ids_to_stages((!id.contains("empty")).then_some(versions))
            .last_changed_date(aws_smithy_types::DateTime::from_secs(1_000));
        aws_smithy_mocks::MockResponse::Output(secret.build())
    })
}

/// Parameter Store with `/prod/key`, `flat` and `/bare`; its first page is always empty.
fn ssm() -> Rule {
    mock!(aws_sdk_ssm::Client::describe_parameters).then_compute_output(|asked| {
        let [filter] = asked.parameter_filters() else { panic!("one filter") };
        assert_eq!((filter.key(), filter.option()), ("Name", Some("Equals")));
        if asked.next_token().is_none() {
            return DescribeParametersOutput::builder().next_token("more").build();
        }
        let there = ["/prod/key", "flat", "/bare"]
            .into_iter()
            .filter(|name| filter.values().iter().any(|asked| asked == name));
        let there = there.map(|name| ParameterMetadata::builder().name(name).build()).collect();
        DescribeParametersOutput::builder().set_parameters(Some(there)).build()
    })
}

async fn needed(definition: ecs::builders::TaskDefinitionBuilder) -> Vec<(String, Found)> {
    let (definition, secrets, parameters) = (described(definition), secretsmanager(), ssm());
    let mocks =
        Mocks { ecs: &[&definition], secretsmanager: &[&secrets], ssm: &[&parameters], ..Mocks::default() };
    let got = task_definition(&mocks.clients(), &td(6), &BTreeMap::new()).await.unwrap();
    got.secrets.into_iter().map(|secret| (secret.name, secret.found)).collect()
}

#[tokio::test]
async fn a_secret_resolves_if_the_stage_or_version_that_is_asked_for_is_there() {
    let check = async |value_from: &str, name: &str, found: Found| {
        let got = needed(with(ecs::ContainerDefinition::builder().secrets(secret_of(value_from)))).await;
        assert_eq!(got, [(name.to_owned(), found)], "{value_from}");
    };
    let partial = SECRET.trim_end_matches("-AbCdEf");
    for end in ["", ":password::", "::AWSPREVIOUS:", ":::v0", ":password:AWSCURRENT:"] {
        check(&format!("{SECRET}{end}"), SECRET, Found::There).await;
    }
    check(&format!("{partial}:password::"), partial, Found::There).await;
    check(&format!("{SECRET}::AWSPENDING:"), SECRET, Found::Gone).await;
    check(&format!("{SECRET}:password::v9"), SECRET, Found::Gone).await;

    let secret = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}");
    check(&secret("rds!db-1-AbCdEf"), &secret("rds!db-1-AbCdEf"), Found::There).await;
    check(&secret("deleted-AbCdEf"), &secret("deleted-AbCdEf"), Found::Gone).await;
    check(&secret("empty-AbCdEf"), &secret("empty-AbCdEf"), Found::Gone).await;
    check(&secret("unknown-AbCdEf"), &secret("unknown-AbCdEf"), Found::Gone).await;
    check(&secret("without-current-AbCdEf"), &secret("without-current-AbCdEf"), Found::Gone).await;
    let elsewhere = SECRET.replace("eu-west-1", "us-east-1");
    let unchecked = Found::Unchecked("it is in another account or Region".to_owned());
    check(&format!("{elsewhere}:password::"), &elsewhere, unchecked).await;
}

#[tokio::test]
async fn a_parameter_is_found_by_its_arn_or_its_name_and_a_secret_behind_it_is_a_secret() {
    let check = async |value_from: &str, name: &str, found: Found| {
        let got = needed(with(ecs::ContainerDefinition::builder().secrets(secret_of(value_from)))).await;
        assert_eq!(got, [(name.to_owned(), found)], "{value_from}");
    };
    let arn = |name: &str| format!("arn:aws:ssm:eu-west-1:123456789012:parameter{name}");
    check("/prod/key", "/prod/key", Found::There).await;
    check("flat", "flat", Found::There).await;
    check("unknown", "unknown", Found::Gone).await;
    check(&arn("/prod/key"), "/prod/key", Found::There).await;
    check(&arn("/flat"), "flat", Found::There).await;
    check(&arn("/bare"), "bare", Found::There).await;
    check(&arn("/prod/unknown"), "/prod/unknown", Found::Gone).await;
    let unread = Found::Unchecked("its version or label is not looked at".to_owned());
    check("/prod/key:3", "/prod/key", unread.clone()).await;
    check(&arn("/flat:stable"), "flat", unread).await;
    check("/prod/unknown:3", "/prod/unknown", Found::Gone).await;
    let elsewhere = arn("/prod/key").replace("eu-west-1", "us-east-1");
    check(&elsewhere, "/prod/key", Found::Unchecked("it is in another account or Region".to_owned())).await;

    let behind = "/aws/reference/secretsmanager/prod/db";
    check(behind, "prod/db", Found::There).await;
    check(&arn(behind), "prod/db", Found::There).await;
    check(&format!("{behind}:AWSPREVIOUS"), "prod/db", Found::There).await;
    check(&format!("{behind}:v9"), "prod/db", Found::Gone).await;
}

#[tokio::test]
async fn every_place_where_a_task_definition_names_a_secret_is_looked_at_and_each_secret_once() {
    let options = ecs::LogConfiguration::builder()
        .log_driver(ecs::LogDriver::Splunk)
        .secret_options(secret_of("flat"))
        .build()
        .unwrap();
    let registry = ecs::RepositoryCredentials::builder().credentials_parameter("unknown").build().unwrap();
    let container = ecs::ContainerDefinition::builder()
        .secrets(secret_of(&format!("{SECRET}:user::")))
        .secrets(secret_of(&format!("{SECRET}:password::")))
        .log_configuration(options)
        .repository_credentials(registry);
    let share = ecs::FSxWindowsFileServerAuthorizationConfig::builder()
        .credentials_parameter("arn:aws:ssm:eu-west-1:123456789012:parameter/prod/key")
        .domain("corp")
        .build()
        .unwrap();
    let share = ecs::FSxWindowsFileServerVolumeConfiguration::builder()
        .file_system_id("fs-1")
        .root_directory("share")
        .authorization_config(share)
        .build()
        .unwrap();
    let share = ecs::Volume::builder().fsx_windows_file_server_volume_configuration(share).build();

    let got = needed(with(container).volumes(share)).await;

    assert_eq!(
        got,
        [
            (SECRET.to_owned(), Found::There),
            ("unknown".to_owned(), Found::Gone),
            ("/prod/key".to_owned(), Found::There),
            ("flat".to_owned(), Found::There),
        ]
    );
}

#[tokio::test]
async fn a_denied_look_at_a_secret_or_parameter_names_its_action() {
    let secrets = mock!(aws_sdk_secretsmanager::Client::describe_secret)
        .then_error(|| DescribeSecretError::generic(code("AccessDeniedException")));
    let parameters = mock!(aws_sdk_ssm::Client::describe_parameters)
        .then_error(|| DescribeParametersError::generic(code("AccessDeniedException")));
    for (value_from, action) in
        [(SECRET, "secretsmanager:DescribeSecret"), ("flat", "ssm:DescribeParameters")]
    {
        let definition = described(with(ecs::ContainerDefinition::builder().secrets(secret_of(value_from))));
        let mocks = Mocks {
            ecs: &[&definition],
            secretsmanager: &[&secrets],
            ssm: &[&parameters],
            ..Mocks::default()
        };
        let error = task_definition(&mocks.clients(), &td(6), &BTreeMap::new()).await.unwrap_err();
        assert!(error.chain().starts_with(&format!("{action} is denied")), "{error:?}");
    }
}

#[tokio::test]
async fn the_secrets_of_a_task_definition_tell_when_they_changed() {
    let unknown = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:unknown-AbCdEf";
    let container = ecs::ContainerDefinition::builder()
        .secrets(secret_of(&format!("{SECRET}:user::")))
        .secrets(secret_of(&format!("{SECRET}:password::")))
        .secrets(secret_of(unknown))
        .secrets(secret_of("flat"));
    let (definition, secrets) = (described(with(container)), secretsmanager());
    let clients = Mocks { ecs: &[&definition], secretsmanager: &[&secrets], ..Mocks::default() }.clients();

    let got = rotated(&clients, &td(6)).await.unwrap();

    let changed_at = Timestamp::from_second(1_000).ok();
    assert_eq!(got, [Rotated { name: "prod/db".to_owned(), changed_at }]);
    assert_eq!(secrets.num_calls(), 2, "each secret once");
}
