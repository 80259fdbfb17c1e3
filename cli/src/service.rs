//! ECS services as they run, for what no function looks at.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_ecs as ecs;
use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, ServiceField, TaskDefinition};
use secret_redeploy::budget::{Budget, Family};
use shared::error::Call;
use shared::tags;
use shared::target::{Target, covers};

use crate::Problem;
use crate::stack::Stack;

/// `DescribeServices` takes at most this many at once (ECS API).
const AT_ONCE: usize = 10;

/// `ListServices` answers at most this many at once (ECS API).
const LISTED: i32 = 100;

/// What ECS answers of a cluster that is not there.
const NO_CLUSTER: &str = "ClusterNotFoundException";

/// A service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Its cluster's name.
    pub(crate) cluster: String,
    /// Its name.
    pub(crate) name: String,
    /// The environment that its tag names.
    pub(crate) environment: Option<String>,
    /// As ECS describes it.
    pub(crate) described: ecs::types::Service,
}

impl Service {
    /// As people call it.
    pub(crate) fn label(&self) -> String {
        format!("{}/{}", self.cluster, self.name)
    }

    /// As a target.
    pub(crate) fn target(&self) -> Target {
        Target::Service { cluster: self.cluster.clone(), service: self.name.clone() }
    }

    /// The task definition of what is deployed last: its primary deployment, or its primary task set.
    pub(crate) fn definition(&self) -> Option<&str> {
        let primary = |status: Option<&str>| status == Some("PRIMARY");
        let deployment = self.described.deployments().iter().find(|it| primary(it.status()));
        let set = self.described.task_sets().iter().find(|it| primary(it.status()));
        deployment
            .and_then(Deployment::task_definition)
            .or_else(|| set?.task_definition())
            .or_else(|| self.described.task_definition())
    }

    /// What is being deployed just now, in words; nothing where nothing is.
    pub(crate) fn moving(&self) -> Option<String> {
        let sets = self.described.task_sets().len();
        if sets > 1 {
            return Some(format!("{sets} task sets: a deployment is under way"));
        }
        let live = self.described.deployments().iter().filter(|it| it.status() != Some("INACTIVE"));
        let rolls = |it: &&Deployment| it.rollout_state() == Some(&DeploymentRolloutState::InProgress);
        let under_way = live.clone().find(rolls);
        let several = live.count() > 1;
        match under_way {
            Some(it) => Some(format!(
                "{} is being deployed: {} of {} tasks run",
                short(it.task_definition().unwrap_or_default()),
                it.running_count(),
                it.desired_count()
            )),
            None if several => Some("tasks of an older deployment still run".to_owned()),
            None => None,
        }
    }

    /// The ends of its target groups' ARNs, as metrics name them: `targetgroup/<name>/<id>`.
    pub(crate) fn target_groups(&self) -> impl Iterator<Item = &str> {
        let balancers = self.described.load_balancers().iter();
        balancers.filter_map(|it| it.target_group_arn()?.rsplit(':').next())
    }
}

/// The last part of an ARN.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// What somebody calls a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Called<'a> {
    cluster: Option<&'a str>,
    name: &'a str,
}

impl<'a> Called<'a> {
    fn read(text: &'a str) -> Result<Self, Problem> {
        let bare = text.trim();
        let bare = bare.strip_prefix("ecs:").unwrap_or(bare);
        let called = match bare.split_once('/') {
            Some((cluster, name)) => Self { cluster: Some(cluster), name },
            None => Self { cluster: None, name: bare },
        };
        let all = [called.cluster.unwrap_or("a"), called.name];
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
        };
        if all.iter().all(|text| is_name(text)) {
            Ok(called)
        } else {
            Err(Problem::new(format!("{text:?} is no service; write web, prod/web or ecs:prod/web")))
        }
    }
}

/// The service of an environment that somebody calls so.
///
/// # Errors
/// What ECS answers; where there is none, or it cannot be told which is meant.
pub(crate) async fn find(config: &SdkConfig, stack: &Stack, text: &str) -> Result<Service, Problem> {
    pick(named(config, stack, text).await?, stack, text)
}

/// Every service of the clusters that the stack watches that is called so, whosever it is.
///
/// # Errors
/// What ECS answers; where it is no name.
pub(crate) async fn named(config: &SdkConfig, stack: &Stack, text: &str) -> Result<Vec<Service>, Problem> {
    let (client, budget) = (ecs::Client::new(config), Budget::new());
    let called = Called::read(text)?;
    let clusters = match called.cluster {
        Some(cluster) => vec![cluster.to_owned()],
        None => watched(&client, &budget, stack).await?,
    };
    let mut found = Vec::new();
    for cluster in &clusters {
        found.extend(in_cluster(&client, &budget, cluster, &[called.name.to_owned()]).await?);
    }
    Ok(found)
}

/// The one of these that is meant.
///
/// # Errors
/// Where there is none, or it cannot be told which.
pub(crate) fn pick(found: Vec<Service>, stack: &Stack, text: &str) -> Result<Service, Problem> {
    let chosen = choose(&found, &stack.environment, text, |it| (it.label(), it.environment.clone()))?;
    found.into_iter().nth(chosen).ok_or_else(|| Problem::new(format!("there is no service {text}")))
}

/// Which of these is meant: what the environment's tag names comes before what no tag names, and what another
/// environment's names is never meant.
fn choose<T>(
    found: &[T],
    environment: &str,
    text: &str,
    known: impl Fn(&T) -> (String, Option<String>),
) -> Result<usize, Problem> {
    let known: Vec<_> = found.iter().map(known).collect();
    let of = |wanted: Option<&str>| -> Vec<usize> {
        let fits = |(_, (_, tag)): &(usize, &(String, Option<String>))| tag.as_deref() == wanted;
        known.iter().enumerate().filter(fits).map(|(place, _)| place).collect()
    };
    let fitting = [of(Some(environment)), of(None)].into_iter().find(|them| !them.is_empty());
    match fitting.as_deref() {
        Some([one]) => Ok(*one),
        Some(several) => {
            let labels: Vec<_> = several
                .iter()
                .filter_map(|place| known.get(*place))
                .map(|(label, _)| label.as_str())
                .collect();
            Err(Problem::new(format!(
                "in {environment} there are several services {text}: {}. Say which",
                labels.join(", ")
            )))
        }
        None => Err(Problem::new(match known.first() {
            Some((label, Some(other))) => {
                format!("{label} belongs to {other}, as its tag says: ask with --env {other}")
            }
            Some(_) | None => format!(
                "there is no service {text} in the clusters of {environment} in this account and Region"
            ),
        })),
    }
}

/// `<cluster>/<service>` of every service of the clusters that the stack watches.
///
/// # Errors
/// What ECS answers.
pub(crate) async fn listed(config: &SdkConfig, stack: &Stack) -> Result<Vec<String>, Problem> {
    let (client, budget) = (ecs::Client::new(config), Budget::new());
    let mut labels = Vec::new();
    for cluster in watched(&client, &budget, stack).await? {
        let mut pages = client.list_services().cluster(&cluster).max_results(LISTED).into_paginator().send();
        loop {
            budget.pace(Family::ServiceRead).await;
            let Some(page) = pages.next().await else { break };
            let arns = match page.action("ecs:ListServices") {
                Ok(page) => page.service_arns.unwrap_or_default(),
                Err(error) if error.code() == Some(NO_CLUSTER) => break,
                Err(error) => return Err(error.into()),
            };
            labels.extend(arns.iter().map(|arn| format!("{cluster}/{}", short(arn))));
        }
    }
    Ok(labels)
}

/// The clusters that the stack watches.
async fn watched(client: &ecs::Client, budget: &Budget, stack: &Stack) -> Result<Vec<String>, Problem> {
    let pattern = stack.setting("CLUSTERS").unwrap_or_else(|| "*".to_owned());
    if !pattern.ends_with('*') {
        return Ok(vec![pattern]);
    }
    let mut found = Vec::new();
    let mut pages = client.list_clusters().into_paginator().send();
    loop {
        budget.pace(Family::ClusterRead).await;
        let Some(page) = pages.next().await else { return Ok(found) };
        let arns = page.action("ecs:ListClusters")?.cluster_arns.unwrap_or_default();
        found.extend(arns.iter().map(|arn| short(arn).to_owned()).filter(|name| covers(&pattern, name)));
    }
}

/// The services with these names, `<cluster>/<service>`, that there are.
///
/// # Errors
/// What ECS answers.
pub(crate) async fn all(config: &SdkConfig, labels: &[String]) -> Result<Vec<Service>, Problem> {
    let (client, budget) = (ecs::Client::new(config), Budget::new());
    let mut by_cluster = BTreeMap::<&str, Vec<String>>::new();
    for (cluster, name) in labels.iter().filter_map(|label| label.split_once('/')) {
        by_cluster.entry(cluster).or_default().push(name.to_owned());
    }
    let mut found = Vec::new();
    for (cluster, names) in by_cluster {
        for some in names.chunks(AT_ONCE) {
            found.extend(in_cluster(&client, &budget, cluster, some).await?);
        }
    }
    Ok(found)
}

/// What there is of these in a cluster; nothing where there is no such cluster.
async fn in_cluster(
    client: &ecs::Client,
    budget: &Budget,
    cluster: &str,
    names: &[String],
) -> Result<Vec<Service>, Problem> {
    budget.pace(Family::ServiceRead).await;
    let described = client
        .describe_services()
        .cluster(cluster)
        .set_services(Some(names.to_vec()))
        .include(ServiceField::Tags)
        .send()
        .await
        .action("ecs:DescribeServices");
    let described = match described {
        Ok(described) => described.services.unwrap_or_default(),
        Err(error) if error.code() == Some(NO_CLUSTER) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let there = described.into_iter().filter(|it| it.status() != Some("INACTIVE"));
    Ok(there
        .map(|described| Service {
            cluster: cluster.to_owned(),
            name: described.service_name().unwrap_or_default().to_owned(),
            environment: described
                .tags()
                .iter()
                .find(|tag| tag.key() == Some(tags::ENVIRONMENT))
                .and_then(|tag| tag.value().map(ToOwned::to_owned)),
            described,
        })
        .collect())
}

/// A task definition, as it stands.
///
/// # Errors
/// What ECS answers; where the service names none.
pub(crate) async fn definition(config: &SdkConfig, service: &Service) -> Result<TaskDefinition, Problem> {
    let arn = service
        .definition()
        .ok_or_else(|| Problem::new(format!("ECS does not say what {} runs", service.label())))?;
    let described = ecs::Client::new(config).describe_task_definition().task_definition(arn).send().await;
    let described = described.action("ecs:DescribeTaskDefinition")?;
    described.task_definition.ok_or_else(|| Problem::new(format!("ECS says nothing of {}", short(arn))))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, TaskSet};

    use super::{Called, Service, choose};

    #[test]
    fn a_service_is_called_as_people_call_it() {
        for (text, expected) in [
            ("web", Some((None, "web"))),
            ("prod/web", Some((Some("prod"), "web"))),
            ("ecs:prod/web", Some((Some("prod"), "web"))),
            ("", None),
            ("prod/", None),
            ("arn:aws:ecs:eu-central-1:1:service/prod/web", None),
            ("a b", None),
        ] {
            let read = Called::read(text).ok().map(|it| (it.cluster, it.name));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[track_caller]
    fn check(found: &[(&str, Option<&str>)], expected: Result<usize, &str>) {
        let chosen =
            choose(found, "prod", "web", |(label, tag)| ((*label).to_owned(), tag.map(ToOwned::to_owned)));
        match (chosen, expected) {
            (Ok(chosen), Ok(expected)) => assert_eq!(chosen, expected),
            (Err(problem), Err(said)) => assert!(problem.to_string().contains(said), "{problem}"),
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn whose_tag_names_the_environment_is_meant_and_nothing_of_another_one() {
        check(&[("a/web", None)], Ok(0));
        check(&[("a/web", None), ("b/web", Some("prod"))], Ok(1));
        check(&[("a/web", Some("staging")), ("b/web", None)], Ok(1));
        check(
            &[("a/web", Some("staging"))],
            Err("belongs to staging, as its tag says: ask with --env staging"),
        );
        check(&[("a/web", None), ("b/web", None)], Err("several services web: a/web, b/web. Say which"));
        check(&[], Err("there is no service web in the clusters of prod"));
    }

    fn service(described: aws_sdk_ecs::types::builders::ServiceBuilder) -> Service {
        Service {
            cluster: "prod".to_owned(),
            name: "web".to_owned(),
            environment: None,
            described: described.build(),
        }
    }

    fn deployment(status: &str, definition: &str, rollout: DeploymentRolloutState) -> Deployment {
        Deployment::builder().status(status).task_definition(definition).rollout_state(rollout).build()
    }

    #[test]
    fn what_runs_is_what_was_deployed_last_and_what_moves_is_said() {
        let of = aws_sdk_ecs::types::Service::builder;
        let done = DeploymentRolloutState::Completed;
        let calm =
            service(of().task_definition("web:9").deployments(deployment("PRIMARY", "web:7", done.clone())));
        assert_eq!((calm.definition(), calm.moving()), (Some("web:7"), None));
        let moving = of().deployments(deployment("ACTIVE", "web:6", done.clone())).deployments(deployment(
            "PRIMARY",
            "web:7",
            DeploymentRolloutState::InProgress,
        ));
        let moving = service(moving);
        assert_eq!(moving.definition(), Some("web:7"));
        assert_eq!(moving.moving().as_deref(), Some("web:7 is being deployed: 0 of 0 tasks run"));
        let set = |status: &str, definition: &str| {
            TaskSet::builder().status(status).task_definition(definition).build()
        };
        let by_code_deploy =
            service(of().task_sets(set("ACTIVE", "web:6")).task_sets(set("PRIMARY", "web:7")));
        assert_eq!(by_code_deploy.definition(), Some("web:7"));
        assert!(by_code_deploy.moving().is_some_and(|it| it.contains("2 task sets")));
        assert_eq!(service(of().task_definition("web:1")).definition(), Some("web:1"));
    }
}
