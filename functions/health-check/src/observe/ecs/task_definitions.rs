//! Task definitions, one call each: ECS has no call for many. Only names are read, never the values of secrets.

use aws_sdk_ecs::types as ecs;
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use crate::component::Component;
use crate::decision::kind::task_definition::{Facts, absent, images, secrets, verdict};
use crate::sweep::{Api, Ask};

/// Checks all of them, and has their images and secrets checked.
pub(crate) async fn check(ask: &Ask<'_>, task_definitions: &[Component]) {
    join_all(task_definitions.iter().map(|one| check_one(ask, one))).await;
}

async fn check_one(ask: &Ask<'_>, component: &Component) {
    match describe(ask, component.arn()).await {
        Ok((facts, arn)) => {
            ask.say(component, verdict(&facts));
            let arn = arn.as_deref().unwrap_or(component.arn());
            for other in images(&facts, arn).into_iter().chain(secrets(&facts, arn)) {
                ask.needs(component, other);
            }
        }
        // ECS has no code of its own for one that is not there: "Unable to describe task definition".
        Err(error)
            if error.code() == Some("ClientException")
                && error.chain().contains("Unable to describe task definition") =>
        {
            ask.say(component, absent());
        }
        Err(error) => ask.unknown(component, &error),
    }
}

async fn describe(ask: &Ask<'_>, arn: &str) -> Result<(Facts, Option<String>)> {
    let _turn = ask.turn(Api::EcsDefinitions).await;
    let answer = ask
        .clients
        .ecs()
        .describe_task_definition()
        .task_definition(arn)
        .send()
        .await
        .action("ecs:DescribeTaskDefinition")?;
    let Some(definition) = answer.task_definition else { return Ok((Facts::default(), None)) };
    Ok((facts(&definition), definition.task_definition_arn))
}

fn facts(definition: &ecs::TaskDefinition) -> Facts {
    let containers = definition.container_definitions();
    let of_container = |container: &ecs::ContainerDefinition| {
        let log =
            container.log_configuration().map(ecs::LogConfiguration::secret_options).unwrap_or_default();
        let named = container.secrets().iter().chain(log).map(|secret| secret.value_from().to_owned());
        let registry = container.repository_credentials().map(|it| it.credentials_parameter().to_owned());
        named.chain(registry).filter(|from| !from.is_empty()).collect::<Vec<_>>()
    };
    Facts {
        status: definition.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        containers: containers.len(),
        images: containers.iter().filter_map(|one| Some(one.image()?.to_owned())).collect(),
        secrets: containers.iter().flat_map(of_container).collect(),
    }
}
