//! A plain template, worked out as CloudFormation would.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

/// The template, with every function in its long form.
pub(super) struct Template(pub(super) Value);

/// What stands after a deployment with some parameters.
pub(super) struct Deployed {
    /// By logical id, the type and the properties with all functions worked out.
    pub(super) resources: BTreeMap<String, (String, Value)>,
    pub(super) conditions: BTreeMap<String, bool>,
}

impl Template {
    /// The template of this name in the root of the repository.
    pub(super) fn read(file: &str) -> anyhow::Result<Self> {
        let path = local::place::root().join(file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(long(serde_norway::from_str(&text)?)?))
    }

    /// A deployment with these parameters beside the defaults, or the rule that refuses them.
    pub(super) fn deploy(&self, given: &[(&str, &str)]) -> anyhow::Result<Deployed> {
        let mut parameters: BTreeMap<_, _> = map(&self.0["Parameters"])
            .filter_map(|(name, parameter)| Some((name.clone(), parameter.get("Default")?.clone())))
            .collect();
        for (name, value) in given {
            ensure!(self.0["Parameters"].get(name).is_some(), "there is no parameter {name}");
            parameters.insert((*name).to_owned(), json!(value));
        }
        let scope = Scope { parameters, conditions: &self.0["Conditions"] };
        for (name, rule) in map(&self.0["Rules"]) {
            if !rule.get("RuleCondition").map_or(Ok(true), |condition| scope.holds(condition))? {
                continue;
            }
            for assertion in list(rule, "Assertions") {
                let said = text(assertion, "AssertDescription");
                ensure!(scope.holds(&assertion["Assert"])?, "{name}: {said}");
            }
        }
        let mut resources = BTreeMap::new();
        for (id, resource) in map(&self.0["Resources"]) {
            if !resource.get("Condition").map_or(Ok(true), |name| scope.condition(name))? {
                continue;
            }
            let properties = scope.value(&resource["Properties"])?.unwrap_or_default();
            resources.insert(id.clone(), (text(resource, "Type").to_owned(), properties));
        }
        let conditions = map(&self.0["Conditions"])
            .map(|(name, condition)| Ok((name.clone(), scope.holds(condition)?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Deployed { resources, conditions })
    }
}

/// What the functions of a template are worked out with.
struct Scope<'a> {
    parameters: BTreeMap<String, Value>,
    conditions: &'a Value,
}

impl Scope<'_> {
    /// The value without functions; none for `AWS::NoValue`.
    fn value(&self, value: &Value) -> anyhow::Result<Option<Value>> {
        Ok(Some(match (function(value), value) {
            (Some(("Ref", name)), _) if name == "AWS::NoValue" => return Ok(None),
            (Some(("Ref", name)), _) => self.parameter(&plain(name))?,
            (Some(("Fn::Sub", pattern)), _) => json!(self.filled(&plain(pattern))?),
            (Some(("Fn::If", arguments)), _) => {
                return self.value(&arguments[if self.condition(&arguments[0])? { 1 } else { 2 }]);
            }
            (_, Value::Array(values)) => {
                let values = values.iter().filter_map(|value| self.value(value).transpose());
                Value::Array(values.collect::<anyhow::Result<_>>()?)
            }
            (_, Value::Object(values)) => {
                let mut known = Map::new();
                for (name, value) in values {
                    known.extend(self.value(value)?.map(|value| (name.clone(), value)));
                }
                Value::Object(known)
            }
            _ => value.clone(),
        }))
    }

    fn holds(&self, condition: &Value) -> anyhow::Result<bool> {
        let (name, arguments) =
            function(condition).with_context(|| format!("{condition} is no condition"))?;
        let every = || list_of(arguments).map(|part| self.holds(part)).collect::<anyhow::Result<Vec<_>>>();
        Ok(match name {
            "Condition" => self.condition(arguments)?,
            "Fn::Not" => !self.holds(&arguments[0])?,
            "Fn::And" => every()?.into_iter().all(|holds| holds),
            "Fn::Or" => every()?.into_iter().any(|holds| holds),
            "Fn::Equals" => self.value(&arguments[0])? == self.value(&arguments[1])?,
            other => bail!("{other} is no condition"),
        })
    }

    fn condition(&self, name: &Value) -> anyhow::Result<bool> {
        let name = plain(name);
        self.holds(self.conditions.get(&name).with_context(|| format!("there is no condition {name}"))?)
    }

    fn parameter(&self, name: &str) -> anyhow::Result<Value> {
        self.parameters.get(name).cloned().with_context(|| format!("there is no parameter {name}"))
    }

    fn filled(&self, pattern: &str) -> anyhow::Result<String> {
        let mut filled = pattern.to_owned();
        for name in placeholders(pattern) {
            filled = filled.replace(&format!("${{{name}}}"), &plain(&self.parameter(name)?));
        }
        Ok(filled)
    }
}

/// Every function in its long form, as JSON templates have it.
fn long(value: Yaml) -> anyhow::Result<Value> {
    Ok(match value {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let name =
                if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") };
            Value::Object(Map::from_iter([(name, long(tagged.value)?)]))
        }
        Yaml::Sequence(values) => Value::Array(values.into_iter().map(long).collect::<anyhow::Result<_>>()?),
        Yaml::Mapping(values) => {
            let mut known = Map::new();
            for (name, value) in values {
                let name = name.as_str().ok_or_else(|| anyhow!("{name:?} is no name"))?.to_owned();
                known.insert(name, long(value)?);
            }
            Value::Object(known)
        }
        plain => serde_json::to_value(plain)?,
    })
}

/// The name and the arguments, where the value is a function.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let values = value.as_object().filter(|values| values.len() == 1)?;
    let (name, arguments) = values.iter().next()?;
    (name == "Ref" || name == "Condition" || name.starts_with("Fn::")).then_some((name.as_str(), arguments))
}

/// The names in `Ref` and `Fn::Sub`, save in descriptions, which only repeat what is used elsewhere.
pub(super) fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match (function(value), value) {
        (Some(("Ref", name)), _) => drop(names.insert(plain(name))),
        (Some(("Fn::Sub", pattern)), _) => {
            names.extend(placeholders(&plain(pattern)).map(ToOwned::to_owned));
        }
        (_, Value::Array(values)) => values.iter().for_each(|value| names_in(value, names)),
        (_, Value::Object(values)) => {
            let values = values.iter().filter(|(name, _)| *name != "AlarmDescription");
            values.for_each(|(_, value)| names_in(value, names));
        }
        _ => {}
    }
}

/// The conditions that decide whether something is there, that choose a value, or that others refer to.
pub(super) fn conditions_in(value: &Value, names: &mut BTreeSet<String>) {
    let chosen = value.get("Fn::If").map(|arguments| &arguments[0]);
    let decided = value.get("Condition");
    names.extend(chosen.into_iter().chain(decided).filter_map(Value::as_str).map(ToOwned::to_owned));
    let parts = value.as_object().into_iter().flat_map(Map::values);
    parts.chain(list_of(value)).for_each(|part| conditions_in(part, names));
}

fn placeholders(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    list_of(value.get(name).unwrap_or(&Value::Null))
}

pub(super) fn list_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A string or a number as it is written.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
