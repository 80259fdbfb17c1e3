//! The calls of a search, one each. They do not wait for the budget; they tell it of throttles.

use std::sync::Arc;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::describe_services::DescribeServicesError;
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionError;
use aws_sdk_ecs::operation::list_clusters::ListClustersError;
use aws_sdk_ecs::operation::list_services::ListServicesError;
use aws_sdk_ecs::types as ecs;
use shared::error::Call;
use shared::{Error, Result};

use crate::budget::{Budget, Family};
use crate::reference::{Reference, of_definition};

/// ECS describes at most this many services in one call (ECS API, `DescribeServices`).
pub(super) const SERVICES_AT_ONCE: usize = 10;

/// ECS lists at most this many clusters or services on one page (ECS API, `ListClusters` and `ListServices`).
const ON_A_PAGE: i32 = 100;

/// What ECS answers for a cluster that is not there.
const NO_CLUSTER: &str = "ClusterNotFoundException";

/// A page of clusters by name, and the token of the next page.
pub(super) async fn listed_clusters(
    client: &Client,
    budget: &Arc<Budget>,
    token: Option<String>,
) -> Result<(Vec<String>, Option<String>)> {
    let listed = client
        .list_clusters()
        .max_results(ON_A_PAGE)
        .set_next_token(token)
        .customize()
        .interceptor(budget.watch::<ListClustersError>(Family::ClusterRead))
        .send()
        .await
        .action("ecs:ListClusters")?;
    let name = |arn: &String| arn.rsplit('/').next().map(ToOwned::to_owned);
    let names = listed.cluster_arns.unwrap_or_default().iter().filter_map(name).collect();
    Ok((names, more(listed.next_token)))
}

/// A page of a cluster's services, and the token of the next page. A cluster that is not there has none.
pub(super) async fn listed_services(
    client: &Client,
    budget: &Arc<Budget>,
    cluster: &str,
    token: Option<String>,
) -> Result<(Vec<String>, Option<String>)> {
    let listed = client
        .list_services()
        .cluster(cluster)
        .max_results(ON_A_PAGE)
        .set_next_token(token)
        .customize()
        .interceptor(budget.watch::<ListServicesError>(Family::ServiceRead))
        .send()
        .await
        .action("ecs:ListServices");
    match listed {
        Ok(listed) => Ok((listed.service_arns.unwrap_or_default(), more(listed.next_token))),
        Err(error) if error.code() == Some(NO_CLUSTER) => Ok((Vec::new(), None)),
        Err(error) => Err(error),
    }
}

/// At most ten services of one cluster, with their tags. Those that are not there are left out.
pub(super) async fn described(
    client: &Client,
    budget: &Arc<Budget>,
    cluster: &str,
    names: &[String],
) -> Result<Vec<ecs::Service>> {
    let described = client
        .describe_services()
        .cluster(cluster)
        .set_services(Some(names.to_vec()))
        .include(ecs::ServiceField::Tags)
        .customize()
        .interceptor(budget.watch::<DescribeServicesError>(Family::ServiceRead))
        .send()
        .await
        .action("ecs:DescribeServices");
    let described = match described {
        Ok(described) => described,
        Err(error) if error.code() == Some(NO_CLUSTER) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let gone = |failure: &&ecs::Failure| failure.reason() == Some("MISSING");
    match described.failures().iter().find(|failure| !gone(failure)) {
        Some(failure) => Err(Error::Malformed(format!(
            "ecs:DescribeServices does not describe {}: {}",
            failure.arn().unwrap_or("a service"),
            failure.reason().or(failure.detail()).unwrap_or("it does not say why")
        ))),
        None => Ok(described.services.unwrap_or_default()),
    }
}

/// What a task definition refers to; `None` where ECS does not describe it any more: it was deregistered, and then
/// deleted, or nothing that ECS knows of runs with it.
pub(super) async fn references(
    client: &Client,
    budget: &Arc<Budget>,
    arn: &str,
) -> Result<Option<Vec<Reference>>> {
    let described = client
        .describe_task_definition()
        .task_definition(arn)
        .customize()
        .interceptor(budget.watch::<DescribeTaskDefinitionError>(Family::DefinitionRead))
        .send()
        .await
        .action("ecs:DescribeTaskDefinition");
    match described {
        Ok(described) => Ok(described.task_definition().map(of_definition)),
        Err(error) if matches!(error.code(), Some("ClientException" | "InvalidParameterException")) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn more(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}
