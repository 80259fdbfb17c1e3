//! Functions and event source mappings: where they send what they could not handle.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{DestinationConfig, EventSourceMappingConfiguration, FunctionEventInvokeConfig};
use shared::Result;
use shared::error::Call;
use tokio::time::Instant;

use super::ask::{Kind, Seen, each, every, pages};
use super::{By, Named, Source};

/// Lambda answers fifteen calls a second, of all kinds and of all callers together: a thousand functions take a minute.
const FUNCTIONS: Kind = Kind { name: "functions", at_most: 1_000, at_once: 5, patience: Some(5) };

/// Their destinations are asked for one by one.
const DESTINATIONS: Kind = Kind { name: "on-failure destinations of functions", ..FUNCTIONS };

/// Twenty pages; they come whole.
const MAPPINGS: Kind = Kind { name: "event source mappings", at_most: 2_000, ..FUNCTIONS };

/// Lambda lists at most this many functions, or destinations of one, on a page (Lambda API, `ListFunctions` and
/// `ListFunctionEventInvokeConfigs`).
const FUNCTIONS_ON_A_PAGE: i32 = 50;

/// Lambda lists at most this many mappings on a page (Lambda API, `ListEventSourceMappings`).
const MAPPINGS_ON_A_PAGE: i32 = 100;

/// What functions name: by their dead-letter configs, which stand in the list, and by their on-failure destinations.
pub(super) async fn all(client: &Client, until: Instant) -> Seen<Named> {
    let list = pages(&FUNCTIONS, until, async |token| {
        let request = client.list_functions().max_items(FUNCTIONS_ON_A_PAGE).set_marker(token);
        let listed = request.send().await.action("lambda:ListFunctions")?;
        Ok((listed.functions.unwrap_or_default(), listed.next_marker))
    });
    let list = list.await.told(&FUNCTIONS);
    let (mut found, mut blind) = (Vec::new(), list.blind);
    let mut arns = Vec::with_capacity(list.found.len());
    for function in list.found {
        let Some(arn) = function.function_arn else { continue };
        let target = function.dead_letter_config.and_then(|config| config.target_arn);
        found.extend(named(target, Source::Function { arn: arn.clone(), by: By::DeadLetterConfig }));
        arns.push(arn);
    }
    let ask = async |arn: &String| destinations(client, arn).await;
    let some = each(&DESTINATIONS, until, &arns, |arn| name(arn), ask).await;
    found.extend(some.found.into_iter().flatten());
    blind.extend(some.blind);
    Seen { found, blind }
}

/// What one function names, whichever of its versions and aliases does; `None`: it is gone.
async fn destinations(client: &Client, function: &str) -> Result<Option<Vec<Named>>> {
    let configs = every(async |token| {
        let listed = client
            .list_function_event_invoke_configs()
            .function_name(function)
            .max_items(FUNCTIONS_ON_A_PAGE)
            .set_marker(token)
            .send()
            .await
            .action("lambda:ListFunctionEventInvokeConfigs")?;
        Ok((listed.function_event_invoke_configs.unwrap_or_default(), listed.next_marker))
    });
    match configs.await {
        Ok(configs) => {
            Ok(Some(configs.into_iter().filter_map(|config| destination(config, function)).collect()))
        }
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

fn destination(config: FunctionEventInvokeConfig, function: &str) -> Option<Named> {
    let arn = config.function_arn.as_deref().unwrap_or(function);
    let arn = arn.strip_suffix(":$LATEST").unwrap_or(arn).to_owned();
    named(on_failure(config.destination_config), Source::Function { arn, by: By::OnFailure })
}

/// What event source mappings name.
pub(super) async fn mappings(client: &Client, until: Instant) -> Seen<Named> {
    let list = pages(&MAPPINGS, until, async |token| {
        let request = client.list_event_source_mappings().max_items(MAPPINGS_ON_A_PAGE).set_marker(token);
        let listed = request.send().await.action("lambda:ListEventSourceMappings")?;
        Ok((listed.event_source_mappings.unwrap_or_default(), listed.next_marker))
    });
    let Seen { found, blind } = list.await.told(&MAPPINGS);
    Seen { found: found.into_iter().filter_map(mapping).collect(), blind }
}

fn mapping(mapping: EventSourceMappingConfiguration) -> Option<Named> {
    let source = Source::Mapping {
        id: mapping.uuid.unwrap_or_default(),
        function: mapping.function_arn.unwrap_or_default(),
        stream: mapping.event_source_arn,
    };
    named(on_failure(mapping.destination_config), source)
}

fn on_failure(config: Option<DestinationConfig>) -> Option<String> {
    config?.on_failure?.destination
}

fn named(target: Option<String>, source: Source) -> Option<Named> {
    target.filter(|target| !target.is_empty()).map(|target| (target, source))
}

fn name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}
