//! An ECS service as AWS describes it, made into facts.

use aws_sdk_ecs::types as ecs;
use shared::ecs::read_time;
use shared::target::Target;

use crate::facts::{Controller, Deployment, Rollout, Service, Strategy, TaskSet};
use crate::reference::live;

/// What is known of a service; `None` where ECS leaves out what every service has.
pub fn read_service(service: &ecs::Service) -> Option<Service> {
    let arn = service.service_arn()?;
    let cluster = service.cluster_arn().and_then(|arn| arn.rsplit('/').next())?;
    let configuration = service.deployment_configuration();
    let balancers = service.load_balancers().iter();
    let balancers =
        balancers.chain(service.task_sets().iter().flat_map(ecs::TaskSet::load_balancers)).find_map(port);
    Some(Service {
        target: Target::Service { cluster: cluster.to_owned(), service: service.service_name()?.to_owned() },
        arn: arn.to_owned(),
        active: service.status() == Some("ACTIVE"),
        controller: controller(service),
        daemon: service.scheduling_strategy() == Some(&ecs::SchedulingStrategy::Daemon),
        strategy: match configuration.and_then(ecs::DeploymentConfiguration::strategy) {
            None | Some(ecs::DeploymentStrategy::Rolling) => Strategy::Rolling,
            Some(_) => Strategy::Shifted,
        },
        pauses: configuration.map(pauses).unwrap_or_default(),
        minimum_percent: configuration.and_then(ecs::DeploymentConfiguration::minimum_healthy_percent),
        maximum_percent: configuration.and_then(ecs::DeploymentConfiguration::maximum_percent),
        desired: service.desired_count(),
        running: service.running_count(),
        tags: service
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())))
            .collect(),
        deployments: live(service).filter_map(deployment).collect(),
        task_sets: service.task_sets().iter().filter_map(task_set).collect(),
        load_balancer: balancers,
    })
}

fn controller(service: &ecs::Service) -> Controller {
    match service.deployment_controller().map(ecs::DeploymentController::r#type) {
        None | Some(ecs::DeploymentControllerType::Ecs) => Controller::Ecs,
        Some(ecs::DeploymentControllerType::CodeDeploy) => Controller::CodeDeploy,
        // One that is not known yet is somebody else, too: it is told of, and left alone.
        Some(_) => Controller::External,
    }
}

/// The stages at which a hook pauses the deployment until somebody continues it.
fn pauses(configuration: &ecs::DeploymentConfiguration) -> Vec<String> {
    let hooks = configuration.lifecycle_hooks().iter();
    let pausing =
        hooks.filter(|hook| hook.target_type() == Some(&ecs::DeploymentLifecycleHookTargetType::Pause));
    pausing
        .flat_map(ecs::DeploymentLifecycleHook::lifecycle_stages)
        .map(|stage| stage.as_str().to_owned())
        .collect()
}

fn deployment(deployment: &ecs::Deployment) -> Option<Deployment> {
    Some(Deployment {
        id: deployment.id()?.to_owned(),
        primary: deployment.status() == Some("PRIMARY"),
        task_definition: deployment.task_definition()?.to_owned(),
        rollout: match deployment.rollout_state() {
            Some(ecs::DeploymentRolloutState::InProgress) => Some(Rollout::InProgress),
            Some(ecs::DeploymentRolloutState::Completed) => Some(Rollout::Completed),
            Some(ecs::DeploymentRolloutState::Failed) => Some(Rollout::Failed),
            Some(_) | None => None,
        },
        created_at: deployment.created_at().and_then(read_time),
    })
}

fn task_set(set: &ecs::TaskSet) -> Option<TaskSet> {
    Some(TaskSet {
        id: set.id()?.to_owned(),
        primary: set.status() == Some("PRIMARY"),
        task_definition: set.task_definition()?.to_owned(),
        created_at: set.created_at().and_then(read_time),
        steady: set.stability_status() == Some(&ecs::StabilityStatus::SteadyState),
    })
}

fn port(balancer: &ecs::LoadBalancer) -> Option<(String, i32)> {
    Some((balancer.container_name()?.to_owned(), balancer.container_port()?))
}
