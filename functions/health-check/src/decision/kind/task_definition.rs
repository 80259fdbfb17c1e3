//! The task definition that a service runs: whether it is there, and what it names: images, secrets, parameters.

use std::collections::BTreeSet;

use shared::ecs::image::EcrImage;

use crate::component::{Component, Kind};
use crate::decision::{Findings, Verdict};

/// What `DescribeTaskDefinition` says of a task definition. Nothing here is the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `status`: `ACTIVE`, `INACTIVE`, `DELETE_IN_PROGRESS`.
    pub status: String,
    /// How many containers it has.
    pub containers: usize,
    /// Their images, as they are named.
    pub images: BTreeSet<String>,
    /// Where containers, log drivers and registries get secrets from (`valueFrom`).
    pub secrets: BTreeSet<String>,
}

/// The component of a task definition by its ARN, or by `family:revision`.
pub fn component(arn: &str) -> Component {
    match arn.split_once(":task-definition/") {
        Some((_, name)) => {
            Component { arn: Some(arn.to_owned()), ..Component::new(Kind::TaskDefinition, name) }
        }
        None => Component::new(Kind::TaskDefinition, arn),
    }
}

/// How the task definition is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    found.saw("Status", &facts.status);
    found.saw("Images", join(facts.images.iter().map(String::as_str)));
    found.saw("Secrets", join(facts.secrets.iter().filter_map(|from| Some(secret(from)?.said()))));
    found.saw(
        "Parameters, which are not checked",
        join(facts.secrets.iter().filter_map(|from| parameter(from))),
    );
    match facts.status.as_str() {
        "ACTIVE" => {}
        "INACTIVE" => {
            found.degraded(
                "it is retired: tasks still start from it, but no service can be made or deployed with it",
                "Register it again, and deploy the service with the new revision.",
            );
        }
        "DELETE_IN_PROGRESS" => {
            found.degraded(
                "it is being deleted, as soon as nothing runs from it",
                "Register it again, and deploy the service with the new revision.",
            );
        }
        "" => {
            found.unknown("ECS does not say what status it has", "Check it by hand.");
        }
        other => {
            found.unknown(format!("ECS says a status that is not known here: {other}"), "Check it by hand.");
        }
    }
    if facts.containers == 0 {
        found.unknown("ECS does not say what containers it has", "Check it by hand.");
    }
    found.verdict("it is active")
}

/// The verdict on one that ECS does not know.
pub fn absent() -> Verdict {
    let mut found = Findings::new();
    found.failed(
        "it does not exist (any more): no task can start from it",
        "Register it again, and deploy the service with the new revision.",
    );
    found.verdict("")
}

fn join(names: impl Iterator<Item = impl Into<String>>) -> String {
    names.map(Into::into).collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// A secret as a task definition names it: `<ARN>[:json key:stage:version]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// Its ARN.
    pub arn: String,
    /// The key in the secret's JSON, where one is asked for.
    pub key: Option<String>,
}

impl SecretReference {
    fn said(&self) -> String {
        let name = Kind::of(&self.arn).map_or(self.arn.as_str().to_owned(), |(_, name)| name);
        self.key.as_ref().map_or(name.clone(), |key| format!("{name} (key {key})"))
    }
}

/// The secret of Secrets Manager that this names; nothing where it names something else.
pub fn secret(value_from: &str) -> Option<SecretReference> {
    let parts: Vec<&str> = value_from.split(':').collect();
    let is_secret = parts.get(2) == Some(&"secretsmanager") && parts.get(5) == Some(&"secret");
    let arn = parts.get(..7).filter(|_| is_secret)?.join(":");
    let key = parts.get(7).filter(|key| !key.is_empty()).map(|key| (*key).to_owned());
    Some(SecretReference { arn, key })
}

/// The name of the SSM parameter that this names, by ARN or name; nothing where it names something else.
fn parameter(value_from: &str) -> Option<&str> {
    if !value_from.starts_with("arn:") {
        return Some(value_from);
    }
    let resource = value_from.splitn(6, ':').nth(5)?;
    resource.strip_prefix("parameter").filter(|name| name.starts_with('/'))
}

/// The secrets that it names, of its own account and Region: others cannot be asked for from here.
pub fn secrets(facts: &Facts, task_definition: &str) -> Vec<Component> {
    let arns: BTreeSet<String> = facts.secrets.iter().filter_map(|from| Some(secret(from)?.arn)).collect();
    let near = |arn: &&String| place(arn) == place(task_definition);
    arns.iter().filter(near).filter_map(|arn| Component::at(arn)).collect()
}

/// Its images in ECR, of its own account and Region: named by repository and digest or tag, with all of it as ARN.
pub fn images(facts: &Facts, task_definition: &str) -> Vec<Component> {
    let near = |image: &EcrImage<'_>| place(task_definition) == Some((image.region, image.account));
    let component = |reference: &String| {
        let image = EcrImage::read(reference).filter(near)?;
        let name = match (image.digest, image.tag) {
            (Some(digest), _) => format!("{}@{digest}", image.repository),
            (None, tag) => format!("{}:{}", image.repository, tag.unwrap_or("latest")),
        };
        Some(Component { arn: Some(reference.clone()), ..Component::new(Kind::Image, name) })
    };
    facts.images.iter().filter_map(component).collect()
}

/// Region and account of an ARN.
fn place(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(3);
    Some((parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::{Facts, absent, component, images, secret, secrets, verdict};
    use crate::component::Kind;
    use crate::decision::Health;

    const ARN: &str = "arn:aws:ecs:eu-central-1:1:task-definition/web:7";

    #[test]
    fn a_task_definition_is_as_its_status_says() {
        let of = |status: &str| Facts { status: status.to_owned(), containers: 1, ..Facts::default() };
        let cases = [
            (of("ACTIVE"), Health::Healthy, "it is active"),
            (of("INACTIVE"), Health::Degraded, "it is retired"),
            (of("DELETE_IN_PROGRESS"), Health::Degraded, "it is being deleted"),
            (of(""), Health::Unknown, "does not say what status"),
            (of("MELTED"), Health::Unknown, "not known here: MELTED"),
            (Facts { containers: 0, ..of("ACTIVE") }, Health::Unknown, "what containers"),
            (Facts::default(), Health::Unknown, "what status"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            assert_eq!(health == Health::Healthy, verdict.todo.is_empty(), "{verdict:?}");
        }
        assert_eq!(absent().health, Health::Failed);
        assert_eq!(component(ARN).name, "web:7");
        assert_eq!(component(ARN).arn(), ARN);
        assert_eq!(component("web:7").id(), component(ARN).id());
    }

    #[test]
    fn a_secret_is_found_whatever_part_of_it_is_asked_for() {
        let arn = "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3";
        let cases = [
            (arn.to_owned(), Some((arn, None))),
            (format!("{arn}:password::"), Some((arn, Some("password")))),
            (format!("{arn}::AWSPREVIOUS:"), Some((arn, None))),
            ("arn:aws:ssm:eu-central-1:1:parameter/prod/flag".to_owned(), None),
            ("/prod/flag".to_owned(), None),
            ("arn:aws:secretsmanager:eu-central-1:1".to_owned(), None),
            (String::new(), None),
        ];
        for (from, expected) in cases {
            let read = secret(&from);
            let read = read.as_ref().map(|read| (read.arn.as_str(), read.key.as_deref()));
            assert_eq!(read, expected, "{from}");
        }
    }

    #[test]
    fn what_it_names_is_checked_where_it_can_be_asked_for_and_noted_otherwise() {
        let strings = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let facts = Facts {
            status: "ACTIVE".to_owned(),
            containers: 2,
            images: strings(&[
                "1.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2",
                "1.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2@sha256:a",
                "1.dkr.ecr.eu-central-1.amazonaws.com/shop/job",
                "2.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2",
                "1.dkr.ecr.us-east-1.amazonaws.com/shop/web:2",
                "public.ecr.aws/nginx/nginx:1",
            ]),
            secrets: strings(&[
                "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3:user::",
                "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3:password::",
                "arn:aws:secretsmanager:eu-central-1:2:secret:theirs-a1B2c3",
                "arn:aws:ssm:eu-central-1:1:parameter/prod/flag",
                "/prod/other",
            ]),
        };
        let names = |mut all: Vec<crate::component::Component>, kind: Kind| {
            assert!(all.iter().all(|one| one.kind == kind));
            all.sort_by(|one, other| one.name.cmp(&other.name));
            all.into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(names(secrets(&facts, ARN), Kind::Secret), ["prod/db"]);
        assert_eq!(
            names(images(&facts, ARN), Kind::Image),
            ["shop/job:latest", "shop/web:2", "shop/web@sha256:a"]
        );
        assert!(images(&facts, "web:7").is_empty(), "whose images could be asked for is not known");
        let verdict = verdict(&facts);
        let seen = |name: &str| verdict.evidence.iter().find(|fact| fact.name == name).unwrap().value.clone();
        assert_eq!(seen("Secrets"), "prod/db (key password), prod/db (key user), theirs");
        assert_eq!(seen("Parameters, which are not checked"), "/prod/flag, /prod/other");
    }
}
