//! Whether the task definition to return to can be deployed, and whether a copy of it has to be registered for that.

use std::collections::BTreeMap;

use super::{Asked, Question};
use crate::decision::Held;
use crate::facts::service::{Found, Scene, Service, Standing, TaskDefinition};

/// A task definition that can be deployed.
pub(super) struct Fit {
    /// By container: the image to write instead, where a copy has to be registered; empty for a mere copy.
    pub(super) copy: Option<BTreeMap<String, String>>,
    /// What could not be checked.
    pub(super) unchecked: Vec<String>,
    /// Why a copy has to be registered.
    pub(super) copied: Vec<String>,
}

pub(super) fn check(
    service: &Service,
    scene: &Scene,
    arn: &str,
    images: &BTreeMap<String, String>,
) -> Asked<Result<Fit, Held>> {
    let looked = scene.candidate.as_ref().filter(|candidate| candidate.arn == arn);
    let candidate =
        looked.ok_or_else(|| Question::Candidate { arn: arn.to_owned(), images: images.clone() })?;
    Ok(judge(service, candidate, images))
}

fn judge(
    service: &Service,
    candidate: &TaskDefinition,
    digests: &BTreeMap<String, String>,
) -> Result<Fit, Held> {
    let task_definition = || candidate.arn.clone();
    if candidate.standing == Standing::Gone {
        return Err(Held::Gone { task_definition: task_definition() });
    }
    if service.fargate && !candidate.fargate {
        return Err(Held::NotForFargate { task_definition: task_definition() });
    }
    for reached in &service.ports {
        let has = candidate
            .containers
            .iter()
            .any(|container| container.name == reached.container && container.ports.contains(&reached.port));
        if !has {
            let (container, port) = (reached.container.clone(), reached.port);
            return Err(Held::PortMismatch { task_definition: task_definition(), container, port });
        }
    }
    // What runs already differs from what ran by its image only, so a copy has to name that image.
    let is_running = candidate.arn == service.task_definition;
    let (mut unchecked, mut copied) = (Vec::new(), Vec::new());
    let mut pinned = BTreeMap::new();
    for image in &candidate.images {
        // Where a tag may name another image by now, only the digest that ran is what was good.
        if (image.found != Found::There || is_running)
            && let Some(digest) = digests.get(&image.container)
            && !image.image.contains('@')
        {
            pinned.insert(image.container.clone(), format!("{}@{digest}", untagged(&image.image)));
        }
        match &image.found {
            Found::There => {}
            Found::Gone => {
                let image = image.image.clone();
                return Err(Held::ImageGone { task_definition: task_definition(), image });
            }
            Found::Moved if pinned.contains_key(&image.container) => copied.push(format!(
                "The tag of {} names another image by now; a copy that names the digest is registered.",
                image.image
            )),
            Found::Moved => {
                unchecked.push(format!("Not checked: whether {} is the image that ran.", image.image));
            }
            Found::Unchecked(why) => {
                unchecked
                    .push(format!("Not checked: whether the image {} is still there ({why}).", image.image));
            }
        }
    }
    for secret in &candidate.secrets {
        match &secret.found {
            Found::There | Found::Moved => {}
            Found::Gone => {
                let secret = secret.name.clone();
                return Err(Held::SecretGone { task_definition: task_definition(), secret });
            }
            Found::Unchecked(why) => {
                unchecked.push(format!("Not checked: whether {} still resolves ({why}).", secret.name));
            }
        }
    }
    if is_running && copied.is_empty() && !pinned.is_empty() {
        copied.push(
            "It runs with another image by now; a copy that names the digest that ran is registered."
                .to_owned(),
        );
    }
    let copy = (candidate.standing == Standing::Inactive || !pinned.is_empty()).then_some(pinned);
    if candidate.standing == Standing::Inactive {
        copied.push("It was deregistered; a copy of it is registered.".to_owned());
    }
    Ok(Fit { copy, unchecked, copied })
}

/// An image without its tag: `registry:5000/shop/web:1.4` is `registry:5000/shop/web`.
pub(crate) fn untagged(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        Some((_, tag)) => image.strip_suffix(tag).and_then(|image| image.strip_suffix(':')).unwrap_or(image),
        None => image,
    }
}
