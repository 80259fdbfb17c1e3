//! Task definitions: what the services of the double can run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::{arn, digest, page, put, seconds, text, texts};
use super::service::Image;
use crate::aws::{ACCOUNT, REGION};
use crate::proxy::Answer;

#[derive(Debug)]
pub(in crate::recorded) struct Definition {
    pub(in crate::recorded) family: String,
    pub(in crate::recorded) revision: u64,
    pub(in crate::recorded) deregistered: Option<Timestamp>,
    registered: Timestamp,
    /// `TaskDefinition` of the ECS API, without what the other fields say.
    pub(in crate::recorded) body: Map<String, Value>,
    pub(in crate::recorded) tags: Value,
    /// As it was last written, until it changes.
    text: OnceLock<String>,
}

/// The task definitions, and which image a tag names today.
#[derive(Debug, Default)]
pub(in crate::recorded) struct Definitions {
    families: BTreeMap<String, BTreeMap<u64, Definition>>,
    digests: BTreeMap<String, String>,
}

/// `web:7` of `arn:…:task-definition/web:7`; a short name stays as it is.
pub(in crate::recorded) fn short(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, short)| short)
}

/// Family and revision of an ARN, of `web:7` or of `web`.
pub(in crate::recorded) fn split(name: &str) -> (&str, Option<u64>) {
    let short = short(name);
    match short.rsplit_once(':') {
        Some((family, revision)) => (family, revision.parse().ok()),
        None => (short, None),
    }
}

impl Definition {
    pub(in crate::recorded) fn arn(&self) -> String {
        arn("ecs", &format!("task-definition/{}:{}", self.family, self.revision))
    }

    pub(in crate::recorded) fn containers(&self) -> &[Value] {
        self.body.get("containerDefinitions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn written(&self) -> Value {
        let mut body = self.body.clone();
        body.insert("taskDefinitionArn".to_owned(), self.arn().into());
        body.insert("family".to_owned(), self.family.clone().into());
        body.insert("revision".to_owned(), self.revision.into());
        body.insert("registeredAt".to_owned(), seconds(self.registered));
        body.insert("registeredBy".to_owned(), format!("arn:aws:iam::{ACCOUNT}:root").into());
        let status = if self.deregistered.is_some() { "INACTIVE" } else { "ACTIVE" };
        body.insert("status".to_owned(), status.into());
        if let Some(at) = self.deregistered {
            body.insert("deregisteredAt".to_owned(), seconds(at));
        }
        Value::Object(body)
    }
}

impl Definitions {
    pub(in crate::recorded) fn knows(&self, name: &str) -> bool {
        self.families.contains_key(split(name).0)
    }

    /// The one of this ARN or name; of a family alone, its latest active one.
    pub(in crate::recorded) fn find(&self, name: &str) -> Option<&Definition> {
        let (family, revision) = split(name);
        let family = self.families.get(family)?;
        if let Some(revision) = revision {
            return family.get(&revision);
        }
        family.values().rev().find(|definition| definition.deregistered.is_none())
    }

    /// Makes sure of this task definition, and lays these fields over what it has.
    pub(in crate::recorded) fn define(&mut self, name: &str, over: &Value, at: Timestamp) -> String {
        let (family, revision) = split(name);
        let revision = revision.unwrap_or(1);
        let revisions = self.families.entry(family.to_owned()).or_default();
        let definition = revisions.entry(revision).or_insert_with(|| Definition {
            family: family.to_owned(),
            revision,
            deregistered: None,
            registered: at,
            body: usual(family, revision),
            tags: json!([]),
            text: OnceLock::new(),
        });
        definition.text.take();
        for (field, value) in over.as_object().into_iter().flatten() {
            definition.body.insert(field.clone(), value.clone());
        }
        definition.arn()
    }

    pub(in crate::recorded) fn deregister(&mut self, name: &str, at: Timestamp) {
        let (family, revision) = split(name);
        let revisions = self.families.get_mut(family);
        if let Some(definition) = revisions.zip(revision).and_then(|(all, revision)| all.get_mut(&revision)) {
            definition.deregistered = Some(at);
            definition.text.take();
        }
    }

    /// From now on the first container's tag names the image with this digest.
    pub(in crate::recorded) fn push(&mut self, name: &str, digest: &str) {
        let image = self.find(name).and_then(|definition| text(definition.containers().first()?, "image"));
        if let Some(image) = image.map(ToOwned::to_owned) {
            self.digests.insert(image, super::super::digest(digest));
        }
    }

    /// What its containers would run if they started now.
    pub(in crate::recorded) fn images(&self, name: &str) -> Vec<Image> {
        let containers = self.find(name).map_or(&[][..], Definition::containers);
        let resolved = |image: &str| match image.split_once('@') {
            Some((_, pinned)) => pinned.to_owned(),
            None => self.digests.get(image).cloned().unwrap_or_else(|| digest(image)),
        };
        containers
            .iter()
            .filter_map(|container| {
                let image = text(container, "image")?.to_owned();
                let digest = resolved(&image);
                Some(Image {
                    container: text(container, "name")?.to_owned(),
                    name: image,
                    digest,
                    kept: true,
                })
            })
            .collect()
    }

    /// As [`Definitions::describe`], without writing again what did not change.
    pub(in crate::recorded) fn described(&self, sent: &Value) -> Result<Answer, Answer> {
        let definition = text(sent, "taskDefinition").and_then(|name| self.find(name));
        let definition = definition.ok_or_else(|| client("Unable to describe task definition."))?;
        let written = definition.text.get_or_init(|| definition.written().to_string());
        Ok(Answer::raw(
            200,
            if texts(sent, "include").contains(&"TAGS") {
                format!(r#"{{"taskDefinition":{written},"tags":{}}}"#, definition.tags)
            } else {
                format!(r#"{{"taskDefinition":{written}}}"#)
            },
        ))
    }

    pub(in crate::recorded) fn describe(&self, sent: &Value) -> Result<Value, Answer> {
        let definition = text(sent, "taskDefinition").and_then(|name| self.find(name));
        // This is how the real service words it for a revision that is not there.
        let definition = definition.ok_or_else(|| client("Unable to describe task definition."))?;
        let mut answer = json!({"taskDefinition": definition.written()});
        let tags = texts(sent, "include").contains(&"TAGS").then(|| definition.tags.clone());
        put(&mut answer, "tags", tags);
        Ok(answer)
    }

    pub(in crate::recorded) fn list(&self, sent: &Value) -> Result<Value, Answer> {
        let family = text(sent, "familyPrefix").unwrap_or_default();
        let inactive = match text(sent, "status").unwrap_or("ACTIVE") {
            "ACTIVE" => false,
            "INACTIVE" => true,
            other => return Err(super::invalid(format!("Unknown status {other}."))),
        };
        let revisions = self.families.get(family).into_iter().flat_map(BTreeMap::values);
        let mut found: Vec<&Definition> =
            revisions.filter(|definition| definition.deregistered.is_some() == inactive).collect();
        if text(sent, "sort") == Some("DESC") {
            found.reverse();
        }
        let (found, next) = page(found, text(sent, "nextToken"), super::size(sent, 100)?)
            .ok_or_else(|| super::invalid("Invalid token."))?;
        let mut answer =
            json!({"taskDefinitionArns": found.into_iter().map(Definition::arn).collect::<Vec<_>>()});
        put(&mut answer, "nextToken", next);
        Ok(answer)
    }

    pub(in crate::recorded) fn register(&mut self, sent: &Value, at: Timestamp) -> Result<Value, Answer> {
        let family = text(sent, "family").ok_or_else(|| client("Family should not be null or empty."))?;
        let containers = sent.get("containerDefinitions").and_then(Value::as_array);
        if containers.is_none_or(Vec::is_empty) {
            return Err(client("Container list cannot be empty."));
        }
        if containers.into_iter().flatten().any(|container| {
            text(container, "name").is_none_or(str::is_empty)
                || text(container, "image").is_none_or(str::is_empty)
        }) {
            return Err(client("Container.name and Container.image should not be null or empty."));
        }
        let revisions = self.families.entry(family.to_owned()).or_default();
        let revision = revisions.keys().next_back().copied().unwrap_or_default() + 1;
        let mut body = sent.as_object().cloned().unwrap_or_default();
        body.remove("family");
        let tags = body.remove("tags").unwrap_or_else(|| json!([]));
        body.entry("compatibilities").or_insert_with(|| json!(["EC2", "FARGATE"]));
        let definition = Definition {
            family: family.to_owned(),
            revision,
            deregistered: None,
            registered: at,
            body,
            tags: tags.clone(),
            text: OnceLock::new(),
        };
        let written = definition.written();
        revisions.insert(revision, definition);
        Ok(json!({"taskDefinition": written, "tags": tags}))
    }
}

fn usual(family: &str, revision: u64) -> Map<String, Value> {
    let body = json!({
        "containerDefinitions": [{
            "name": "app",
            "image": format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{family}:{revision}"),
            "cpu": 0,
            "essential": true,
            "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
            "environment": [],
            "mountPoints": [],
            "volumesFrom": [],
        }],
        "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/{family}-execution"),
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "compatibilities": ["EC2", "FARGATE"],
        "cpu": "256",
        "memory": "512",
        "volumes": [],
        "placementConstraints": [],
    });
    body.as_object().cloned().unwrap_or_default()
}

fn client(message: &'static str) -> Answer {
    Answer::error(400, "ClientException", message)
}
