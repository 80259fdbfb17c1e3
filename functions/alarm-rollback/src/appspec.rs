//! Reads CodeDeploy's application specification: JSON or YAML, as people and tools write it (CodeDeploy User Guide,
//! "`AppSpec` file structure"). What cannot be read says nothing; it is never an error.

use serde_norway::{Mapping, Value};

/// What is read of one; a deployment of a Lambda function or an ECS service is written in a few kilobytes.
const MOST: usize = 100_000;

/// A shift of a Lambda alias from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shift {
    /// The function's name.
    pub(crate) function: String,
    /// The alias.
    pub(crate) alias: String,
    /// The version that it leaves.
    pub(crate) current: String,
    /// The version that it leads to.
    pub(crate) target: String,
}

/// The shifts of Lambda aliases that a specification describes.
pub(crate) fn shifts(text: &str) -> Vec<Shift> {
    properties(text).iter().filter_map(shift).collect()
}

fn shift(properties: &Mapping) -> Option<Shift> {
    Some(Shift {
        function: function_name(&word(properties, "Name")?).to_owned(),
        alias: word(properties, "Alias")?,
        current: word(properties, "CurrentVersion")?,
        target: word(properties, "TargetVersion")?,
    })
}

/// The task definition of the one ECS service that a specification describes; none where it describes several that
/// differ.
pub(crate) fn task_definition(text: &str) -> Option<String> {
    let mut found: Vec<_> =
        properties(text).iter().filter_map(|properties| word(properties, "TaskDefinition")).collect();
    found.dedup();
    let one = found.pop()?;
    found.is_empty().then_some(one)
}

/// A function's name, whether it stands there by itself or in a whole or partial ARN.
pub(crate) fn function_name(text: &str) -> &str {
    let after = text.rsplit_once("function:").map_or(text, |(_, name)| name);
    after.split(':').next().unwrap_or(after)
}

/// The properties of every resource. `Resources` is a list of maps of one resource each; a single map is read, too.
fn properties(text: &str) -> Vec<Mapping> {
    if text.len() > MOST {
        return Vec::new();
    }
    let Ok(Value::Mapping(specification)) = serde_norway::from_str(text) else {
        return Vec::new();
    };
    let maps: Vec<&Mapping> = match get(&specification, "Resources") {
        Some(Value::Sequence(list)) => list.iter().filter_map(Value::as_mapping).collect(),
        Some(Value::Mapping(map)) => vec![map],
        _ => Vec::new(),
    };
    let resources = maps.into_iter().flat_map(Mapping::values);
    resources
        .filter_map(|resource| get(resource.as_mapping()?, "Properties")?.as_mapping().cloned())
        .collect()
}

/// By its key in any case: CodeDeploy accepts `resources` and `Resources`.
fn get<'a>(map: &'a Mapping, name: &str) -> Option<&'a Value> {
    let named = |key: &Value| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name));
    map.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
}

/// A text, or a number that somebody wrote without quotes.
fn word(map: &Mapping, name: &str) -> Option<String> {
    let text = match get(map, name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            return None;
        }
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
