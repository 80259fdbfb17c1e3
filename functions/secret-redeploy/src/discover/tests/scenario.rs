//! Many spellings, one secret.

use aws_sdk_ecs::types as ecs;

use super::world::{World, arn, cluster, define, serve, service, service_in};
use super::{HOUR, discovery, search, whole};
use crate::reference::{Place, Wanted};

const DATABASE: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db";
const OLD_VERSION: &str = "11111111-2222-4333-8444-555555555555";

fn container() -> ecs::builders::ContainerDefinitionBuilder {
    ecs::ContainerDefinition::builder().name("app")
}

fn option(text: &str) -> ecs::Secret {
    ecs::Secret::builder().name("DB_PASSWORD").value_from(text).build().unwrap()
}

fn log(text: &str) -> ecs::LogConfiguration {
    let log = ecs::LogConfiguration::builder().log_driver(ecs::LogDriver::Splunk);
    log.secret_options(option(text)).build().unwrap()
}

fn of(container: ecs::builders::ContainerDefinitionBuilder) -> ecs::TaskDefinition {
    ecs::TaskDefinition::builder().container_definitions(container.build()).build()
}

fn injects(text: &str) -> ecs::TaskDefinition {
    of(container().secrets(option(text)))
}

/// A service's name, its task definition, and what is to be found of it.
type Row = (&'static str, ecs::TaskDefinition, Option<(Place, Wanted)>);

fn table() -> Vec<Row> {
    let current = Wanted::default();
    let pinned = Wanted::Version(OLD_VERSION.to_owned());
    let found = |wanted: &Wanted| Some((Place::Secret, wanted.clone()));
    let pulls = |text: &str| {
        let credentials = ecs::RepositoryCredentials::builder().credentials_parameter(text).build().unwrap();
        of(container().repository_credentials(credentials))
    };
    let knows =
        |text: &str| of(container().environment(ecs::KeyValuePair::builder().name("DB").value(text).build()));
    vec![
        ("whole", injects(&format!("{DATABASE}-AbCdEf")), found(&current)),
        ("key", injects(&format!("{DATABASE}-AbCdEf:password::")), found(&current)),
        ("partial", injects(DATABASE), found(&current)),
        ("log", of(container().log_configuration(log(DATABASE))), Some((Place::Log, current.clone()))),
        ("pinned", injects(&format!("{DATABASE}-AbCdEf:::{OLD_VERSION}")), found(&pinned)),
        (
            "previous",
            injects(&format!("{DATABASE}::AWSPREVIOUS:")),
            found(&Wanted::Stage("AWSPREVIOUS".to_owned())),
        ),
        ("parameter", injects("/aws/reference/secretsmanager/prod/db"), found(&current)),
        ("registry", pulls("prod/db"), Some((Place::Registry, current.clone()))),
        ("environment", knows(&format!("{DATABASE}-AbCdEf")), Some((Place::Environment, current))),
        ("decoy", injects(&format!("{DATABASE}-replica-AbCdEf")), None),
        ("decoy-partial", injects(&format!("{DATABASE}-replica")), None),
        (
            "gov",
            injects("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:prod/db-AbCdEf"),
            None,
        ),
        ("region", injects("arn:aws:secretsmanager:eu-west-2:123456789012:secret:prod/db-AbCdEf"), None),
        ("recreated", injects(&format!("{DATABASE}-GhIjKl")), None),
        ("named", injects("prod/db"), None),
        ("plain", of(container()), None),
    ]
}

#[tokio::test]
async fn exactly_those_that_use_the_secret_are_found_with_how_they_do() {
    let world = World::new();
    cluster(&world, "prod");
    for (name, definition, _) in table() {
        define(&world, name, definition);
        service_in(&world, "prod", name, &[name]);
    }

    let found = whole(search(&world, &discovery(), "prod", HOUR).await);

    let mut got: Vec<_> = found
        .found
        .iter()
        .map(|found| {
            let [only] = found.uses.as_slice() else { panic!("{found:?}") };
            assert_eq!(only.secret, format!("{DATABASE}-AbCdEf"));
            let definition = only.definition.clone().unwrap();
            (
                found.service.target.to_string(),
                definition,
                only.reference.place,
                only.reference.wanted.clone(),
            )
        })
        .collect();
    let mut expected: Vec<_> = table()
        .into_iter()
        .filter_map(|(name, _, found)| found.map(|found| (name, found)))
        .map(|(name, (place, wanted))| (format!("ecs:prod/{name}"), arn(name), place, wanted))
        .collect();
    got.sort_by(|one, two| one.0.cmp(&two.0));
    expected.sort_by(|one, two| one.0.cmp(&two.0));
    assert_eq!(got, expected);
    assert_eq!((found.services, found.unread), (table().len(), Vec::new()));
}

#[tokio::test]
async fn every_deployment_task_set_and_proxy_is_looked_at_and_not_the_primary_alone() {
    let world = World::new();
    cluster(&world, "prod");
    define(&world, "plain", of(container()));
    define(&world, "uses", injects(DATABASE));
    define(&world, "pins", injects(&format!("{DATABASE}:::{OLD_VERSION}")));
    service_in(&world, "prod", "older", &["plain", "uses", "pins"]);
    let set = |family: &str, status: &str| {
        ecs::TaskSet::builder()
            .id(format!("set-{family}"))
            .status(status)
            .task_definition(arn(family))
            .build()
    };
    let sets = service("prod", "sets").task_sets(set("plain", "PRIMARY")).task_sets(set("uses", "ACTIVE"));
    serve(&world, sets.build());
    let connect = ecs::ServiceConnectConfiguration::builder().enabled(true).log_configuration(log(DATABASE));
    let deployment = ecs::Deployment::builder()
        .id("ecs-svc/1")
        .status("PRIMARY")
        .task_definition(arn("plain"))
        .service_connect_configuration(connect.build());
    serve(&world, service("prod", "proxy").deployments(deployment.build()).build());
    serve(&world, service("prod", "new").task_definition(arn("uses")).build());
    let over =
        ecs::Deployment::builder().id("ecs-svc/0").status("INACTIVE").task_definition(arn("uses")).build();
    let current =
        ecs::Deployment::builder().id("ecs-svc/1").status("PRIMARY").task_definition(arn("plain")).build();
    serve(&world, service("prod", "over").deployments(current).deployments(over).build());

    let found = whole(search(&world, &discovery(), "prod", HOUR).await);

    let got: Vec<_> = found
        .found
        .iter()
        .map(|found| {
            let uses: Vec<_> =
                found.uses.iter().map(|one| (one.definition.clone(), one.reference.place)).collect();
            (found.service.target.to_string(), uses)
        })
        .collect();
    let (uses, pins) = ((Some(arn("uses")), Place::Secret), (Some(arn("pins")), Place::Secret));
    assert_eq!(
        got,
        [
            ("ecs:prod/older".to_owned(), vec![pins, uses.clone()]),
            ("ecs:prod/sets".to_owned(), vec![uses.clone()]),
            ("ecs:prod/proxy".to_owned(), vec![(None, Place::ServiceConnect)]),
            ("ecs:prod/new".to_owned(), vec![uses]),
        ]
    );
}
