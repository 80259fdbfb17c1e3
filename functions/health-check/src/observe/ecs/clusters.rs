//! Clusters, a hundred in a call.

use aws_sdk_ecs::operation::describe_clusters::DescribeClustersOutput;
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use super::{count, last};
use crate::component::Component;
use crate::decision::kind::ecs_cluster::{Facts, verdict};
use crate::sweep::{Api, Ask};

/// ECS describes at most this many clusters in one call (ECS API, `DescribeClusters`).
const AT_ONCE: usize = 100;

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, clusters: &[Component]) {
    join_all(clusters.chunks(AT_ONCE).map(|some| chunk(ask, some))).await;
}

async fn chunk(ask: &Ask<'_>, clusters: &[Component]) {
    match describe(ask, clusters).await {
        Ok(answer) => {
            for cluster in clusters {
                ask.say(cluster, verdict(&facts(&answer, cluster)));
            }
        }
        Err(error) => clusters.iter().for_each(|cluster| ask.unknown(cluster, &error)),
    }
}

async fn describe(ask: &Ask<'_>, clusters: &[Component]) -> Result<DescribeClustersOutput> {
    let _turn = ask.turn(Api::Ecs).await;
    let names = clusters.iter().map(|cluster| cluster.arn().to_owned()).collect();
    let answer = ask.clients.ecs().describe_clusters().set_clusters(Some(names)).send().await;
    answer.action("ecs:DescribeClusters")
}

fn facts(answer: &DescribeClustersOutput, wanted: &Component) -> Facts {
    let name = last(&wanted.name);
    if let Some(cluster) = answer.clusters().iter().find(|cluster| cluster.cluster_name() == Some(name)) {
        return Facts {
            status: cluster.status().unwrap_or_default().to_owned(),
            failure: None,
            services: count(cluster.active_services_count()),
            running: count(cluster.running_tasks_count()),
            pending: count(cluster.pending_tasks_count()),
            instances: count(cluster.registered_container_instances_count()),
        };
    }
    let mut failures = answer.failures().iter();
    let failure = failures.find(|failure| failure.arn().map(last) == Some(name));
    let failure = failure.map(|failure| failure.reason().unwrap_or("without a reason").to_owned());
    Facts { failure, ..Facts::default() }
}
