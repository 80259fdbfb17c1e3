//! The images that tags name, as ECR keeps them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::deployments::definitions::Definition;
use super::super::deployments::service::Image;
use super::super::deployments::{invalid, size};
use super::super::{digest, page, put, seconds, text};
use crate::aws::{ACCOUNT, REGION};
use crate::proxy::Answer;

/// Repositories by their full name, such as `123456789012.dkr.ecr.eu-central-1.amazonaws.com/web`.
#[derive(Debug, Default)]
pub(super) struct Registry {
    repositories: BTreeMap<String, Repository>,
}

#[derive(Debug, Default)]
struct Repository {
    tags: BTreeMap<String, String>,
    /// When each digest was pushed.
    images: BTreeMap<String, Timestamp>,
}

/// What an image is named by, within its repository.
enum By<'a> {
    Tag(&'a str),
    Digest(&'a str),
}

/// The full name of the repository, and what the image is named by. A name without a registry is completed.
fn split(image: &str, registry: impl FnOnce(&str) -> String) -> (String, By<'_>) {
    let (name, by) = if let Some((name, digest)) = image.split_once('@') {
        // A tag before the digest says nothing.
        (tagless(name).0, By::Digest(digest))
    } else {
        let (name, tag) = tagless(image);
        (name, By::Tag(tag.unwrap_or("latest")))
    };
    let has_registry = name.split_once('/').is_some_and(|(first, _)| first.contains(['.', ':']));
    (if has_registry { name.to_owned() } else { registry(name) }, by)
}

fn tagless(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

/// The account's own repository, which a test means by a short name.
fn mine(name: &str) -> String {
    own(ACCOUNT, name)
}

/// Docker Hub's repository, which a container means by a short name.
fn public(name: &str) -> String {
    format!("docker.io/{name}")
}

fn own(account: &str, name: &str) -> String {
    format!("{account}.dkr.ecr.{REGION}.amazonaws.com/{name}")
}

impl Registry {
    /// From now on the tag names the image with this digest, or the one that follows from the word.
    pub(super) fn push(&mut self, image: &str, word: &str, at: Timestamp) {
        let (name, by) = split(image, mine);
        let repository = self.repositories.entry(name).or_default();
        let digest = digest(word);
        repository.images.entry(digest.clone()).or_insert(at);
        if let By::Tag(tag) = by {
            repository.tags.insert(tag.to_owned(), digest);
        }
    }

    /// Makes sure that what a task definition names is there.
    pub(super) fn hold(&mut self, image: &str, at: Timestamp) {
        let (name, by) = split(image, public);
        let repository = self.repositories.entry(name).or_default();
        match by {
            By::Tag(tag) => {
                let named = repository.tags.entry(tag.to_owned()).or_insert_with(|| digest(image));
                repository.images.entry(named.clone()).or_insert(at);
            }
            By::Digest(digest) => {
                repository.images.entry(digest.to_owned()).or_insert(at);
            }
        }
    }

    /// The tag or the digest is deleted; an image goes with its digest, and its tags with it.
    pub(super) fn lose(&mut self, image: &str) {
        let (name, by) = split(image, mine);
        let Some(repository) = self.repositories.get_mut(&name) else { return };
        match by {
            By::Tag(tag) => {
                repository.tags.remove(tag);
            }
            By::Digest(digest) => {
                repository.images.remove(digest);
                repository.tags.retain(|_, named| named != digest);
            }
        }
    }

    /// The digest of the image, if it is there.
    fn find(&self, image: &str) -> Option<&str> {
        let (name, by) = split(image, public);
        let repository = self.repositories.get(&name)?;
        let digest = match by {
            By::Tag(tag) => repository.tags.get(tag)?.as_str(),
            By::Digest(digest) => digest,
        };
        Some(repository.images.get_key_value(digest)?.0)
    }

    /// What the containers would run if they started now; or the first image that is not there.
    pub(super) fn images(&self, definition: &Definition) -> (Vec<Image>, Option<String>) {
        let (mut images, mut missing) = (Vec::new(), None);
        for container in definition.containers() {
            let (Some(name), Some(image)) = (text(container, "name"), text(container, "image")) else {
                continue;
            };
            let found = self.find(image);
            // What other registries have, nobody here knows.
            if found.is_none() && split(image, public).0.starts_with(&mine("")) {
                missing.get_or_insert_with(|| image.to_owned());
            }
            let pinned = image.split_once('@').map(|(_, digest)| digest);
            images.push(Image {
                container: name.to_owned(),
                name: image.to_owned(),
                digest: found.or(pinned).map_or_else(|| digest(image), ToOwned::to_owned),
                kept: text(container, "versionConsistency") != Some("disabled"),
            });
        }
        (images, missing)
    }

    /// `ecr:DescribeImages`.
    pub(super) fn describe(&self, sent: &Value) -> Result<Value, Answer> {
        let account = text(sent, "registryId").unwrap_or(ACCOUNT);
        let name = text(sent, "repositoryName").ok_or_else(|| {
            invalid("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must not be null'")
        })?;
        let repository = self.repositories.get(&own(account, name)).ok_or_else(|| {
            let message = format!(
                "The repository with name '{name}' does not exist in the registry with id '{account}'"
            );
            Answer::error(400, "RepositoryNotFoundException", message)
        })?;
        let detail = |digest: &str, pushed: &Timestamp| {
            let tags: Vec<&str> = repository
                .tags
                .iter()
                .filter(|(_, named)| *named == digest)
                .map(|(tag, _)| tag.as_str())
                .collect();
            let mut written = json!({
                "registryId": account,
                "repositoryName": name,
                "imageDigest": digest,
                "imageSizeInBytes": 52_428_800,
                "imagePushedAt": seconds(*pushed),
                "imageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "artifactMediaType": "application/vnd.docker.container.image.v1+json",
            });
            put(&mut written, "imageTags", (!tags.is_empty()).then_some(tags));
            written
        };
        if let Some(ids) = sent.get("imageIds").and_then(Value::as_array) {
            if ids.is_empty() || ids.len() > 100 {
                return Err(invalid(
                    "Invalid parameter at 'imageIds' failed to satisfy constraint: 'Member must have length between 1 and 100'",
                ));
            }
            if sent.get("maxResults").is_some() || sent.get("nextToken").is_some() {
                return Err(invalid("Pagination is not supported when imageIds are specified"));
            }
            let found = ids.iter().map(|id| {
                let (tag, digest) = (text(id, "imageTag"), text(id, "imageDigest"));
                let named = match tag {
                    Some(tag) => repository.tags.get(tag).filter(|named| digest.is_none_or(|digest| digest == *named)),
                    None => None,
                };
                let digest_of = if tag.is_some() { named.map(String::as_str) } else { digest };
                let image = digest_of.and_then(|digest| repository.images.get_key_value(digest));
                image.map(|(digest, pushed)| detail(digest, pushed)).ok_or_else(|| {
                    let message = format!(
                        "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the \
                         repository with name '{name}' in the registry with id '{account}'",
                        digest.unwrap_or("null"),
                        tag.unwrap_or("null"),
                    );
                    Answer::error(400, "ImageNotFoundException", message)
                })
            });
            return Ok(json!({"imageDetails": found.collect::<Result<Vec<_>, _>>()?}));
        }
        let all = repository.images.iter().map(|(digest, pushed)| detail(digest, pushed)).collect();
        let (found, next) =
            page(all, text(sent, "nextToken"), size(sent, 100)?).ok_or_else(|| invalid("Invalid token."))?;
        let mut answer = json!({"imageDetails": found});
        put(&mut answer, "nextToken", next);
        Ok(answer)
    }
}
