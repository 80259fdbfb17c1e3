use aws_sdk_ecs::types as ecs;
use proptest::prelude::*;

use super::*;

const HOME: &str = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web";
const SECRETS: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";

fn secret(name: &str, end: &str) -> SecretId {
    SecretId { arn: format!("{SECRETS}{name}-{end}"), name: name.to_owned() }
}

fn database() -> SecretId {
    secret("prod/db", "AbCdEf")
}

fn stage(stage: &str) -> Wanted {
    Wanted::Stage(stage.to_owned())
}

fn version(version: &str) -> Wanted {
    Wanted::Version(version.to_owned())
}

/// What is read of a text that stands where ECS takes an ARN: the secret, its key and the version.
#[track_caller]
fn check_read(text: &str, expected: Option<(&str, Option<&str>, Wanted)>) {
    let read = Reference::read(Place::Secret, Some("app"), text);
    let expected = expected.map(|(secret, key, wanted)| Reference {
        place: Place::Secret,
        container: Some("app".to_owned()),
        secret: Spelling(secret.to_owned()),
        key: key.map(ToOwned::to_owned),
        wanted,
    });
    assert_eq!(read, expected, "{text}");
}

const VERSION: &str = "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111";

#[test]
fn each_of_the_three_fields_after_the_secret_may_be_empty_or_absent() {
    for secret in [
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db",
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:prod/db-AbCdEf",
        "arn:aws-iso-f:secretsmanager:us-isof-east-1:123456789012:secret:rds!cluster-1b2c-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b_c+d=e.f@g-h-AbCdEf",
    ] {
        let current = || stage("AWSCURRENT");
        check_read(secret, Some((secret, None, current())));
        check_read(&format!("{secret}:"), Some((secret, None, current())));
        check_read(&format!("{secret}:::"), Some((secret, None, current())));
        check_read(&format!("{secret}:password::"), Some((secret, Some("password"), current())));
        check_read(&format!("{secret}:password"), Some((secret, Some("password"), current())));
        check_read(&format!("{secret}::AWSPREVIOUS:"), Some((secret, None, stage("AWSPREVIOUS"))));
        check_read(&format!("{secret}:user:blue"), Some((secret, Some("user"), stage("blue"))));
        check_read(&format!("{secret}:::{VERSION}"), Some((secret, None, version(VERSION))));
        check_read(&format!("{secret}:user::{VERSION}"), Some((secret, Some("user"), version(VERSION))));
        check_read(&format!("{secret}::AWSCURRENT:{VERSION}"), Some((secret, None, version(VERSION))));
    }
}

#[test]
fn a_secret_in_the_guise_of_a_parameter_is_read_and_a_parameter_is_not() {
    for secret in [
        "/aws/reference/secretsmanager/prod/db",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/aws/reference/secretsmanager/prod/db",
        "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/aws/reference/secretsmanager/rds!cluster-1",
    ] {
        check_read(secret, Some((secret, None, stage("AWSCURRENT"))));
        check_read(&format!("{secret}:"), Some((secret, None, stage("AWSCURRENT"))));
        check_read(&format!("{secret}:blue"), Some((secret, None, stage("blue"))));
        check_read(&format!("{secret}:{VERSION}"), Some((secret, None, version(VERSION))));
    }
    for text in [
        "",
        "arn",
        "prod/db",
        "/prod/db",
        "/aws/reference/secretsmanager/",
        "/aws/reference/secretsmanager/:blue",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/db",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/aws/reference/secretsmanager/",
        "arn:aws:ssm:eu-west-1:123456789012:aws/reference/secretsmanager/prod/db",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret",
        "arn:aws:secretsmanager:eu-west-1:123456789012:policy:prod/db",
        "arn:aws:s3:::bucket/key",
    ] {
        check_read(text, None);
    }
}

/// Whether what is written means `prod/db`.
#[track_caller]
fn check_match(text: &str, expected: bool) {
    let reference = Reference::read_or_name(Place::Registry, None, text).unwrap();
    assert_eq!(matches(&reference, &database()), expected, "{text}");
    let both = [secret("other", "123456"), database()];
    assert_eq!(meant(&reference, HOME, &both), expected.then_some(&both[1]), "{text}");
}

#[test]
fn a_secret_is_found_in_every_spelling_and_nothing_else_is() {
    for same in [
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db:password::",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf:password:AWSCURRENT",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/aws/reference/secretsmanager/prod/db",
        "/aws/reference/secretsmanager/prod/db",
        "/aws/reference/secretsmanager/prod/db:blue",
        "prod/db",
    ] {
        check_match(same, true);
    }
    for other in [
        // Another secret, whose name begins in the same way or is the beginning.
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-replica-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-replica",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/d",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod",
        // The same name, deleted and made again.
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-GhIjKl",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-abcdef",
        // Elsewhere.
        "arn:aws-us-gov:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
        "arn:aws:secretsmanager:eu-west-2:123456789012:secret:prod/db-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:210987654321:secret:prod/db-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:210987654321:secret:prod/db",
        "arn:aws-us-gov:ssm:eu-west-1:123456789012:parameter/aws/reference/secretsmanager/prod/db",
        "arn:aws:ssm:eu-west-2:123456789012:parameter/aws/reference/secretsmanager/prod/db",
        "arn:aws:ssm:eu-west-1:210987654321:parameter/aws/reference/secretsmanager/prod/db",
        // Names.
        "/aws/reference/secretsmanager/prod/db-replica",
        "/aws/reference/secretsmanager/prod/db-AbCdEf",
        "prod/db-AbCdEf",
        "prod/db-replica",
        "PROD/DB",
    ] {
        check_match(other, false);
    }
}

#[test]
fn a_name_that_ends_like_an_arn_is_told_from_one_and_the_whole_arn_wins() {
    let short = secret("prod/db", "abcdef");
    let long = secret("prod/db-abcdef", "GhIjKl");
    let reference = |text: &str| Reference::read(Place::Secret, None, &format!("{SECRETS}{text}")).unwrap();

    let ambiguous = reference("prod/db-abcdef");
    assert!(matches(&ambiguous, &short) && matches(&ambiguous, &long));
    for both in [[short.clone(), long.clone()], [long.clone(), short.clone()]] {
        assert_eq!(meant(&ambiguous, HOME, &both), Some(&short));
        assert_eq!(meant(&reference("prod/db-abcdef-GhIjKl"), HOME, &both), Some(&long));
        assert_eq!(meant(&reference("prod/db"), HOME, &both), Some(&short));
    }
    assert_eq!(meant(&ambiguous, HOME, std::slice::from_ref(&long)), Some(&long));
}

#[test]
fn an_arn_that_is_not_whole_is_not_cut_further() {
    for arn in ["", "arn", "secret-AbCdE", "secret-AbCdEfG", "secret-AbC.Ef", "secret:db"] {
        assert_eq!(without_end(arn), None, "{arn}");
    }
    assert_eq!(without_end("secret:a-b-AbCdEf"), Some("secret:a-b"));
}

#[test]
fn a_name_means_a_secret_where_the_task_runs() {
    let secrets = [database()];
    for name in ["prod/db", "/aws/reference/secretsmanager/prod/db"] {
        let reference = Reference::read_or_name(Place::Registry, None, name).unwrap();
        assert_eq!(meant(&reference, HOME, &secrets), secrets.first());
        for elsewhere in [
            "arn:aws:ecs:eu-west-1:210987654321:service/prod/web",
            "arn:aws:ecs:eu-west-2:123456789012:service/prod/web",
            "arn:aws-cn:ecs:eu-west-1:123456789012:service/prod/web",
            "web",
        ] {
            assert_eq!(meant(&reference, elsewhere, &secrets), None, "{elsewhere}");
        }
    }
}

fn option(name: &str, text: &str) -> ecs::Secret {
    ecs::Secret::builder().name(name).value_from(text).build().unwrap()
}

fn log(text: &str) -> ecs::LogConfiguration {
    ecs::LogConfiguration::builder()
        .log_driver(ecs::LogDriver::Splunk)
        .secret_options(option("splunk-token", text))
        .build()
        .unwrap()
}

fn variable(text: &str) -> ecs::KeyValuePair {
    ecs::KeyValuePair::builder().name("DB_SECRET").value(text).build()
}

#[test]
fn every_place_of_a_task_definition_is_read_and_the_same_reference_once() {
    let arn = database().arn;
    let credentials =
        ecs::RepositoryCredentials::builder().credentials_parameter("registry").build().unwrap();
    let app = ecs::ContainerDefinition::builder()
        .name("app")
        .secrets(option("DB_PASSWORD", &format!("{arn}:password::")))
        .secrets(option("DB_PASSWORD_AGAIN", &format!("{arn}:password::")))
        .secrets(option("LEVEL", "arn:aws:ssm:eu-west-1:123456789012:parameter/level"))
        .secrets(option("LEVEL", "level"))
        .log_configuration(log(&arn))
        .repository_credentials(credentials)
        .environment(variable(&arn))
        .environment(variable("prod/db"))
        .environment(ecs::KeyValuePair::builder().name("EMPTY").build())
        .build();
    let authorization = ecs::FSxWindowsFileServerAuthorizationConfig::builder()
        .credentials_parameter(&arn)
        .domain("example.com")
        .build();
    let share = ecs::FSxWindowsFileServerVolumeConfiguration::builder()
        .file_system_id("fs-1")
        .root_directory("/")
        .authorization_config(authorization.unwrap())
        .build();
    let definition = ecs::TaskDefinition::builder()
        .container_definitions(app)
        .container_definitions(ecs::ContainerDefinition::builder().name("sidecar").build())
        .volumes(ecs::Volume::builder().name("plain").build())
        .volumes(ecs::Volume::builder().fsx_windows_file_server_volume_configuration(share.unwrap()).build())
        .build();

    let references = of_definition(&definition);

    let read: Vec<_> = references
        .iter()
        .map(|reference| {
            (
                reference.place,
                reference.container.as_deref(),
                reference.secret.as_str(),
                reference.key.as_deref(),
            )
        })
        .collect();
    let arn = arn.as_str();
    assert_eq!(
        read,
        [
            (Place::Secret, Some("app"), arn, Some("password")),
            (Place::Log, Some("app"), arn, None),
            (Place::Registry, Some("app"), "registry", None),
            (Place::Environment, Some("app"), arn, None),
            (Place::Volume, None, arn, None),
        ]
    );
    assert_eq!(of_definition(&ecs::TaskDefinition::builder().build()), []);
}

#[test]
fn the_proxy_of_service_connect_is_read_in_every_deployment_that_is_not_over() {
    let deployment = |status: &str, text: &str| {
        let connect = ecs::ServiceConnectConfiguration::builder().enabled(true).log_configuration(log(text));
        ecs::Deployment::builder().status(status).service_connect_configuration(connect.build()).build()
    };
    let service = ecs::Service::builder()
        .deployments(deployment("PRIMARY", "arn:aws:ssm:eu-west-1:123456789012:parameter/token"))
        .deployments(deployment("ACTIVE", &format!("{SECRETS}older")))
        .deployments(deployment("ACTIVE", &format!("{SECRETS}older")))
        .deployments(deployment("INACTIVE", &format!("{SECRETS}oldest")))
        .deployments(ecs::Deployment::builder().status("ACTIVE").build())
        .build();
    let references = of_service(&service);
    assert_eq!(references.len(), 1);
    assert_eq!(references[0].secret.as_str(), format!("{SECRETS}older"));
    assert_eq!((references[0].place, &references[0].container), (Place::ServiceConnect, &None));
}

#[test]
fn a_reference_is_written_down_in_few_words_and_reads_back() {
    for (text, expected) in [
        ("prod/db", r#"{"place":"registry","container":"app","secret":"prod/db"}"#),
        (
            "arn:aws:secretsmanager:r:1:secret:a:k:blue",
            concat!(
                r#"{"place":"registry","container":"app","secret":"arn:aws:secretsmanager:r:1:secret:a","#,
                r#""key":"k","wanted":{"stage":"blue"}}"#
            ),
        ),
        (
            "arn:aws:secretsmanager:r:1:secret:a:::v",
            concat!(
                r#"{"place":"registry","container":"app","secret":"arn:aws:secretsmanager:r:1:secret:a","#,
                r#""wanted":{"version":"v"}}"#
            ),
        ),
    ] {
        let reference = Reference::read_or_name(Place::Registry, Some("app"), text).unwrap();
        let written = serde_json::to_string(&reference).unwrap();
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<Reference>(&written).unwrap(), reference);
    }
}

proptest! {
    /// Whatever the names are: a reference means the secrets that it spells, and no others.
    #[test]
    fn only_what_is_spelled_is_meant(
        name in "[a-z]{1,3}(-[a-z]{6})?(-[a-z]{1,2})?", end in "[A-Za-z0-9]{6}",
        other in "[a-z]{1,3}(-[a-z]{6})?(-[a-z]{1,2})?", other_end in "[A-Za-z0-9]{6}",
        field in "(:k?(:s?(:v?)?)?)?",
    ) {
        let (one, two) = (secret(&name, &end), secret(&other, &other_end));
        for written in [one.arn.clone(), format!("{SECRETS}{name}")] {
            let reference = Reference::read(Place::Secret, None, &format!("{written}{field}")).unwrap();
            prop_assert!(matches(&reference, &one));
            let spelled = written == two.arn || written == format!("{SECRETS}{other}");
            prop_assert_eq!(matches(&reference, &two), spelled);
        }
    }

    /// Nothing that may stand in a task definition makes the reader stumble.
    #[test]
    fn any_text_is_read_or_left(text in "\\PC{0,80}", tail in "(arn|aws|ssm|secretsmanager|secret|parameter|/aws/reference/secretsmanager/|:|-|é|AbCdEf){0,12}") {
        for text in [text.clone(), tail.clone(), format!("arn:{tail}"), format!("{PARAMETER}{text}")] {
            if let Some(reference) = Reference::read_or_name(Place::Registry, None, &text) {
                prop_assert!(text.starts_with(reference.secret.as_str()));
                let _ = meant(&reference, &tail, &[SecretId { arn: tail.clone(), name: text }]);
            }
        }
    }
}
