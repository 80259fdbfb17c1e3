//! The service of the story, on local AWS.

use std::time::Duration;

use anyhow::Context;
use aws_sdk_ecs as ecs;
use aws_sdk_ecs::types::{ContainerDefinition, Tag};

use crate::corpus::wall;

/// The cluster.
const CLUSTER: &str = "demo";

/// The service, and the family of its task definitions.
const SERVICE: &str = "web";

/// The service.
#[derive(Debug)]
pub(super) struct Stage {
    ecs: ecs::Client,
}

impl Stage {
    pub(super) fn new(config: &local::aws::SdkConfig) -> Self {
        Self { ecs: ecs::Client::new(config) }
    }

    /// The cluster, two revisions of the task definition, and the service on the first.
    pub(super) async fn create_service(&self) -> anyhow::Result<()> {
        self.ecs.create_cluster().cluster_name(CLUSTER).send().await?;
        for image in ["shop/web:1.4.0", "shop/web:1.5.0"] {
            let container = ContainerDefinition::builder().name("web").image(image).memory(128).build();
            self.ecs
                .register_task_definition()
                .family(SERVICE)
                .container_definitions(container)
                .send()
                .await?;
        }
        let tag = Tag::builder().key("watchkeeper:environment").value("dev").build();
        self.ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name(SERVICE)
            .task_definition("web:1")
            .desired_count(1)
            .tags(tag)
            .send()
            .await?;
        Ok(())
    }

    /// The update to the bad revision. Then the clock reaches the next full second, because the local alarm tells
    /// when it fired in whole seconds, and must not seem to have fired before.
    pub(super) async fn deploy_bad(&self) -> anyhow::Result<()> {
        self.ecs.update_service().cluster(CLUSTER).service(SERVICE).task_definition("web:2").send().await?;
        next_second().await
    }

    /// The task definition that the service is set to, as `family:revision`.
    pub(super) async fn running(&self) -> anyhow::Result<String> {
        let service = self.service().await?;
        let arn = service.task_definition().context("the service has no task definition")?;
        Ok(arn.rsplit('/').next().unwrap_or(arn).to_owned())
    }

    /// The ids of the service's deployments.
    pub(super) async fn deployments_made(&self) -> anyhow::Result<Vec<String>> {
        let service = self.service().await?;
        Ok(service
            .deployments()
            .iter()
            .filter_map(|deployment| deployment.id().map(ToOwned::to_owned))
            .collect())
    }

    async fn service(&self) -> anyhow::Result<ecs::types::Service> {
        let described = self.ecs.describe_services().cluster(CLUSTER).services(SERVICE).send().await?;
        described.services().first().cloned().context("the service is not there")
    }
}

/// Waits until the clock shows another second.
async fn next_second() -> anyhow::Result<()> {
    let part = u64::try_from(wall().subsec_nanosecond().max(0))?;
    tokio::time::sleep(Duration::from_secs(1).saturating_sub(Duration::from_nanos(part))).await;
    Ok(())
}
