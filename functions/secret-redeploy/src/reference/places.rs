//! Where a task definition and a service can refer to a secret: every place in the ECS API that `DescribeTaskDefinition`
//! and `DescribeServices` show.
//!
//! An Express service is an ordinary service with a task definition that ECS writes; its `primaryContainer.secrets` stand
//! there, and are found there.
//!
//! Not looked at, because the two calls do not show it: the daemons of managed instances (`DescribeDaemon`, and its own
//! kind of task definition), which are no services and which `UpdateService` does not reach; a credential spec (gMSA), a
//! file of environment variables or a configuration of `FireLens`, which stand in S3 or in a parameter and may name a
//! secret within; and what a command, a label or a longer text in the environment says.

use aws_sdk_ecs::types as ecs;

use super::{Place, Reference};

/// What a task definition refers to, in the order of its containers, the same only once.
pub fn of_definition(definition: &ecs::TaskDefinition) -> Vec<Reference> {
    let containers = definition.container_definitions().iter().flat_map(of_container);
    once(containers.chain(definition.volumes().iter().filter_map(of_volume)))
}

/// What a service refers to by itself, in any of its deployments, the same only once.
pub fn of_service(service: &ecs::Service) -> Vec<Reference> {
    let logs = live(service)
        .filter_map(|deployment| deployment.service_connect_configuration()?.log_configuration())
        .flat_map(ecs::LogConfiguration::secret_options);
    once(logs.filter_map(|option| Reference::read(Place::ServiceConnect, None, option.value_from())))
}

/// The deployments of a service that still run tasks, or may: all but those that were completely replaced.
pub(crate) fn live(service: &ecs::Service) -> impl Iterator<Item = &ecs::Deployment> {
    service.deployments().iter().filter(|deployment| deployment.status() != Some("INACTIVE"))
}

fn of_container(container: &ecs::ContainerDefinition) -> impl Iterator<Item = Reference> {
    let name = container.name();
    let secrets = container
        .secrets()
        .iter()
        .filter_map(move |secret| Reference::read(Place::Secret, name, secret.value_from()));
    let log = container.log_configuration().map(ecs::LogConfiguration::secret_options).unwrap_or_default();
    let log = log.iter().filter_map(move |option| Reference::read(Place::Log, name, option.value_from()));
    let registry = container.repository_credentials().and_then(|credentials| {
        Reference::read_or_name(Place::Registry, name, credentials.credentials_parameter())
    });
    // A name alone could be anything; only what can be nothing else is taken for a secret.
    let environment = container
        .environment()
        .iter()
        .filter_map(move |variable| Reference::read(Place::Environment, name, variable.value()?));
    secrets.chain(log).chain(registry).chain(environment)
}

fn of_volume(volume: &ecs::Volume) -> Option<Reference> {
    let credentials = volume.fsx_windows_file_server_volume_configuration()?.authorization_config()?;
    Reference::read(Place::Volume, None, credentials.credentials_parameter())
}

fn once(references: impl Iterator<Item = Reference>) -> Vec<Reference> {
    let mut all: Vec<Reference> = Vec::new();
    for reference in references {
        if !all.contains(&reference) {
            all.push(reference);
        }
    }
    all
}
