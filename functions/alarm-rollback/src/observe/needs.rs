//! Looks at a task definition, and at what a task of it needs to start: images, secrets, parameters. Never at a value.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecr::types::ImageIdentifier;
use aws_sdk_ecs::types as ecs;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_ssm::types::ParameterStringFilter;
use futures_util::future::try_join_all;
use shared::ecs::image::EcrImage;
use shared::error::Call;
use shared::{Error, Result};

use super::read_time;
use crate::Clients;
use crate::facts::service::{Container, Found, Image, Rotated, Secret, Standing, TaskDefinition};

/// A filter takes at most this many values (Systems Manager API, `ParameterStringFilter`).
const PARAMETERS_AT_ONCE: usize = 50;

/// Why something is not looked for.
const ELSEWHERE: &str = "it is in another account or Region";

/// Where a task definition is: what is elsewhere is not looked for.
struct Home<'a> {
    region: &'a str,
    account: &'a str,
}

impl<'a> Home<'a> {
    /// Of `arn:aws:ecs:<region>:<account>:task-definition/…`.
    fn of(arn: &'a str) -> Self {
        let mut parts = arn.split(':').skip(3);
        Self { region: parts.next().unwrap_or_default(), account: parts.next().unwrap_or_default() }
    }

    fn is(&self, region: &str, account: &str) -> bool {
        (self.region, self.account) == (region, account)
    }
}

/// The task definition and what it stands on. `digests` are, by container, those of the images that ran.
pub(super) async fn task_definition(
    clients: &Clients,
    arn: &str,
    digests: &BTreeMap<String, String>,
) -> Result<TaskDefinition> {
    let gone = || TaskDefinition { arn: arn.to_owned(), ..TaskDefinition::default() };
    let Some(definition) = describe(clients, arn).await? else {
        return Ok(gone());
    };
    let containers = definition.container_definitions();
    let home = Home::of(arn);
    let images = containers.iter().map(|container| image(clients, container, &home, digests));
    let references = references(&definition, &home);
    let (images, secrets) = tokio::try_join!(try_join_all(images), secrets(clients, &references))?;
    Ok(TaskDefinition {
        arn: arn.to_owned(),
        standing: match definition.status() {
            Some(ecs::TaskDefinitionStatus::Active) => Standing::Active,
            Some(_) | None => Standing::Inactive,
        },
        containers: containers.iter().map(container).collect(),
        fargate: definition.compatibilities().contains(&ecs::Compatibility::Fargate),
        images: images.into_iter().flatten().collect(),
        secrets,
    })
}

/// The secrets that the containers of a task definition begin with, and when they last changed.
pub(super) async fn rotated(clients: &Clients, arn: &str) -> Result<Vec<Rotated>> {
    let Some(definition) = describe(clients, arn).await? else {
        return Ok(Vec::new());
    };
    let references = references(&definition, &Home::of(arn));
    let ids: BTreeSet<&str> = references.iter().filter_map(secret_id).collect();
    let changed = ids.into_iter().map(async |id| {
        let secret = describe_secret(clients, id).await?;
        Ok::<_, Error>(secret.map(|secret| Rotated {
            name: secret.name().unwrap_or(id).to_owned(),
            changed_at: secret.last_changed_date().and_then(read_time),
        }))
    });
    Ok(try_join_all(changed).await?.into_iter().flatten().collect())
}

/// `None`: ECS does not know it (any more).
async fn describe(clients: &Clients, arn: &str) -> Result<Option<ecs::TaskDefinition>> {
    let described = clients.ecs.describe_task_definition().task_definition(arn).send().await;
    match described.action("ecs:DescribeTaskDefinition") {
        Ok(described) => Ok(described.task_definition),
        Err(error) if matches!(error.code(), Some("ClientException" | "InvalidParameterException")) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn container(definition: &ecs::ContainerDefinition) -> Container {
    Container {
        name: definition.name().unwrap_or_default().to_owned(),
        image: definition.image().unwrap_or_default().to_owned(),
        ports: definition.port_mappings().iter().filter_map(ecs::PortMapping::container_port).collect(),
    }
}

/// Whether a container's image is still there, and whether its tag still names the digest that ran.
async fn image(
    clients: &Clients,
    container: &ecs::ContainerDefinition,
    home: &Home<'_>,
    digests: &BTreeMap<String, String>,
) -> Result<Option<Image>> {
    let (Some(name), Some(image)) = (container.name(), container.image()) else {
        return Ok(None);
    };
    let found = match EcrImage::read(image) {
        Some(ecr) if home.is(ecr.region, ecr.account) => {
            look_for(clients, &ecr, digests.get(name).map(String::as_str)).await?
        }
        Some(_) => Found::Unchecked(ELSEWHERE.to_owned()),
        None => Found::Unchecked("it is not in Amazon ECR".to_owned()),
    };
    Ok(Some(Image { container: name.to_owned(), image: image.to_owned(), found }))
}

async fn look_for(clients: &Clients, image: &EcrImage<'_>, ran: Option<&str>) -> Result<Found> {
    let id = ImageIdentifier::builder();
    // Asked for by the digest that ran, ECR answers which tags name it by now.
    let id = match image.digest.or(ran) {
        Some(digest) => id.image_digest(digest),
        None => id.image_tag(image.tag.unwrap_or("latest")),
    };
    let described = clients
        .ecr
        .describe_images()
        .registry_id(image.account)
        .repository_name(image.repository)
        .image_ids(id.build())
        .send()
        .await
        .action("ecr:DescribeImages");
    match described {
        Ok(described) if described.image_details().is_empty() => Ok(Found::Gone),
        Ok(described) => {
            let tag = image.tag.unwrap_or("latest");
            let tagged = || {
                described
                    .image_details()
                    .iter()
                    .any(|found| found.image_tags().iter().any(|named| named == tag))
            };
            Ok(if image.digest.is_some() || ran.is_none() || tagged() { Found::There } else { Found::Moved })
        }
        Err(error)
            if matches!(error.code(), Some("ImageNotFoundException" | "RepositoryNotFoundException")) =>
        {
            Ok(Found::Gone)
        }
        Err(error) => Err(error),
    }
}

/// What a `valueFrom` refers to (ECS API, `Secret`; Systems Manager User Guide, "Referencing Secrets Manager secrets").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Reference {
    /// A secret.
    Secret {
        /// Its ARN or name.
        id: String,
        /// The stage or version that is asked for; none means `AWSCURRENT`.
        wanted: Option<String>,
    },
    /// A parameter.
    Parameter {
        /// Its name.
        name: String,
        /// How else it may be spelt: the ARN of `/name` is that of `name`.
        other: Option<String>,
        /// Whether a version or label is asked for.
        pinned: bool,
    },
    /// A secret or parameter in another account or Region.
    Elsewhere(String),
}

impl Reference {
    fn read(value_from: &str, home: &Home<'_>) -> Self {
        let parts: Vec<&str> = value_from.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "secretsmanager", region, account, _, _, rest @ ..] => {
                let id = parts.iter().take(7).copied().collect::<Vec<_>>().join(":");
                if !home.is(region, account) {
                    return Self::Elsewhere(id);
                }
                // Behind the JSON key stand stage and version, of which only one is given.
                let wanted = rest.iter().skip(1).find(|part| !part.is_empty());
                Self::Secret { id, wanted: wanted.map(|part| (*part).to_owned()) }
            }
            ["arn", _, "ssm", region, account, resource, rest @ ..] => {
                let path = resource.strip_prefix("parameter").unwrap_or(resource);
                if !home.is(region, account) {
                    return Self::Elsewhere(path.to_owned());
                }
                match path.strip_prefix('/') {
                    Some(bare) if !bare.contains('/') => Self::Parameter {
                        name: bare.to_owned(),
                        other: Some(path.to_owned()),
                        pinned: !rest.is_empty(),
                    },
                    Some(_) | None => Self::named(path, rest.first().copied()),
                }
            }
            [name, rest @ ..] => Self::named(name, rest.first().copied()),
            [] => Self::named(value_from, None),
        }
    }

    /// A parameter by its name, behind which there may be a secret.
    fn named(name: &str, selector: Option<&str>) -> Self {
        match name.strip_prefix("/aws/reference/secretsmanager/") {
            Some(secret) => Self::Secret { id: secret.to_owned(), wanted: selector.map(ToOwned::to_owned) },
            None => Self::Parameter { name: name.to_owned(), other: None, pinned: selector.is_some() },
        }
    }

    /// What can only be a secret, by its ARN or name.
    fn secret(text: &str, home: &Home<'_>) -> Self {
        if text.starts_with("arn:") {
            return Self::read(text, home);
        }
        Self::Secret { id: text.to_owned(), wanted: None }
    }
}

/// Every reference of a task definition to a secret or parameter (ECS API, `TaskDefinition`).
fn references(definition: &ecs::TaskDefinition, home: &Home<'_>) -> BTreeSet<Reference> {
    let containers = definition.container_definitions();
    let own = containers.iter().flat_map(ecs::ContainerDefinition::secrets);
    let logs = containers
        .iter()
        .filter_map(|container| container.log_configuration())
        .flat_map(ecs::LogConfiguration::secret_options);
    let registries = containers
        .iter()
        .filter_map(|container| container.repository_credentials())
        .map(|credentials| Reference::secret(credentials.credentials_parameter(), home));
    let shares = definition
        .volumes()
        .iter()
        .filter_map(|volume| volume.fsx_windows_file_server_volume_configuration()?.authorization_config())
        .map(|authorization| Reference::secret(authorization.credentials_parameter(), home));
    let values = own.chain(logs).map(|secret| Reference::read(secret.value_from(), home));
    values.chain(registries).chain(shares).collect()
}

async fn secrets(clients: &Clients, references: &BTreeSet<Reference>) -> Result<Vec<Secret>> {
    let spelt: BTreeSet<&str> = references
        .iter()
        .filter_map(|reference| match reference {
            Reference::Parameter { name, other, .. } => Some([Some(name), other.as_ref()]),
            Reference::Secret { .. } | Reference::Elsewhere(_) => None,
        })
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    let spelt: Vec<&str> = spelt.into_iter().collect();
    let there = async {
        let parts = spelt.chunks(PARAMETERS_AT_ONCE).map(|names| existing(clients, names));
        Ok(try_join_all(parts).await?.into_iter().flatten().collect::<BTreeSet<_>>())
    };
    let ids = references.iter().filter_map(secret_id).collect::<BTreeSet<_>>();
    let described =
        try_join_all(ids.into_iter().map(async |id| Ok((id, describe_secret(clients, id).await?))));
    let (there, described): (_, Vec<_>) = tokio::try_join!(there, described)?;
    let described: BTreeMap<_, _> = described.into_iter().collect();
    let found = references.iter().map(|reference| match reference {
        Reference::Secret { id, wanted } => {
            let resolves = described
                .get(id.as_str())
                .and_then(Option::as_ref)
                .is_some_and(|secret| resolves(secret, wanted.as_deref()));
            Secret { name: id.clone(), found: if resolves { Found::There } else { Found::Gone } }
        }
        Reference::Parameter { name, other, pinned } => {
            let is_there = there.contains(name) || other.as_ref().is_some_and(|other| there.contains(other));
            let found = match (is_there, pinned) {
                (true, false) => Found::There,
                (true, true) => Found::Unchecked("its version or label is not looked at".to_owned()),
                (false, _) => Found::Gone,
            };
            Secret { name: name.clone(), found }
        }
        Reference::Elsewhere(name) => {
            Secret { name: name.clone(), found: Found::Unchecked(ELSEWHERE.to_owned()) }
        }
    });
    Ok(found.collect())
}

fn secret_id(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Secret { id, .. } => Some(id),
        Reference::Parameter { .. } | Reference::Elsewhere(_) => None,
    }
}

/// `None`: there is none. Its value is not read.
async fn describe_secret(clients: &Clients, id: &str) -> Result<Option<DescribeSecretOutput>> {
    let described = clients.secretsmanager.describe_secret().secret_id(id).send().await;
    match described.action("secretsmanager:DescribeSecret") {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a secret has the stage or version that is asked for, and is not about to be deleted: then its value is
/// refused (Secrets Manager API, `DeleteSecret`).
fn resolves(secret: &DescribeSecretOutput, wanted: Option<&str>) -> bool {
    let wanted = wanted.unwrap_or("AWSCURRENT");
    let versions = secret.version_ids_to_stages();
    secret.deleted_date().is_none()
        && versions.is_some_and(|versions| {
            versions
                .iter()
                .any(|(version, stages)| version == wanted || stages.iter().any(|stage| stage == wanted))
        })
}

/// Which of these parameters are there. Their values are not read.
async fn existing(clients: &Clients, names: &[&str]) -> Result<Vec<String>> {
    let filter = ParameterStringFilter::builder()
        .key("Name")
        .option("Equals")
        .set_values(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        .build()
        .map_err(|error| Error::Malformed(error.to_string()))?;
    // A page may be empty although another one follows (Systems Manager API, `DescribeParameters`).
    let mut pages =
        clients.ssm.describe_parameters().parameter_filters(filter).max_results(50).into_paginator().send();
    let mut there = Vec::new();
    while let Some(page) = pages.next().await {
        let parameters = page.action("ssm:DescribeParameters")?.parameters.unwrap_or_default();
        there.extend(parameters.into_iter().filter_map(|parameter| parameter.name));
    }
    Ok(there)
}

#[cfg(test)]
mod tests;
