//! `template.yaml`, as far as the contracts ask.

use std::collections::BTreeSet;

use anyhow::{Context, anyhow};
use serde_norway::Value;

pub(crate) struct Template(Value);

pub(crate) struct Function {
    /// Its logical id.
    pub(crate) id: String,
    properties: Value,
}

pub(crate) struct Statement {
    pub(crate) sid: String,
    /// Whether it refuses what others grant.
    pub(crate) denies: bool,
    pub(crate) actions: Vec<String>,
    /// The resources as they are written, without their tags.
    pub(crate) resources: Vec<String>,
}

impl Template {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let path = local::place::template();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(serde_norway::from_str(&text)?))
    }

    fn resources(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        let resources = self.0.get("Resources").and_then(Value::as_mapping);
        resources.into_iter().flatten().filter_map(move |(id, resource)| {
            (text(resource, "Type") == Some(kind)).then_some(())?;
            Some((id.as_str()?, resource.get("Properties")?))
        })
    }

    /// Whether it has a parameter of this name.
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.0.get("Parameters").is_some_and(|parameters| parameters.get(name).is_some())
    }

    /// What an output's value is written as.
    pub(crate) fn output(&self, name: &str) -> Option<&Value> {
        self.0.get("Outputs")?.get(name)?.get("Value")
    }

    /// The folder names of all functions.
    pub(crate) fn functions(&self) -> BTreeSet<String> {
        self.resources("AWS::Serverless::Function")
            .filter_map(|(_, properties)| {
                text(properties, "CodeUri")?.strip_prefix("functions/").map(ToOwned::to_owned)
            })
            .collect()
    }

    pub(crate) fn function(&self, folder: &str) -> anyhow::Result<Function> {
        self.resources("AWS::Serverless::Function")
            .find(|(_, properties)| text(properties, "CodeUri") == Some(&format!("functions/{folder}")))
            .map(|(id, properties)| Function { id: id.to_owned(), properties: properties.clone() })
            .ok_or_else(|| anyhow!("the template has no function with the code of {folder}"))
    }

    /// All statements of the role that the function runs under.
    pub(crate) fn statements(&self, function: &Function) -> anyhow::Result<Vec<Statement>> {
        let role = function
            .properties
            .get("Role")
            .and_then(reference)
            .context("the function has no role of its own")?;
        let (_, role) = self
            .resources("AWS::IAM::Role")
            .find(|(id, _)| *id == role)
            .with_context(|| format!("there is no role {role}"))?;
        let policies =
            role.get("Policies").and_then(Value::as_sequence).context("the role has no policies")?;
        let mut statements = Vec::new();
        for policy in policies {
            let document = policy.get("PolicyDocument").and_then(|document| document.get("Statement"));
            for statement in document.and_then(Value::as_sequence).into_iter().flatten() {
                let statement = chosen(statement);
                let effect = text(statement, "Effect").context("a statement has no effect")?;
                statements.push(Statement {
                    sid: text(statement, "Sid").context("a statement has no name")?.to_owned(),
                    denies: effect != "Allow",
                    actions: words(statement.get("Action")),
                    resources: words(statement.get("Resource")),
                });
            }
        }
        Ok(statements)
    }

    /// The name of the function's log group, which must have a retention.
    pub(crate) fn log_group_of(&self, function: &Function) -> anyhow::Result<String> {
        let logging = function.properties.get("LoggingConfig").and_then(|logging| logging.get("LogGroup"));
        let id = logging.and_then(reference).with_context(|| format!("{} has no log group", function.id))?;
        let (_, group) = self
            .resources("AWS::Logs::LogGroup")
            .find(|(name, _)| *name == id)
            .with_context(|| format!("there is no log group {id}"))?;
        group.get("RetentionInDays").with_context(|| format!("{id} keeps its logs for ever"))?;
        group.get("LogGroupName").and_then(plain).context("the log group has no name")
    }

    /// Whether an alarm watches this Lambda metric of the function.
    pub(crate) fn has_alarm(&self, metric: &str, function: &str) -> bool {
        self.resources("AWS::CloudWatch::Alarm").any(|(_, alarm)| {
            let dimensions = alarm.get("Dimensions").and_then(Value::as_sequence);
            text(alarm, "MetricName") == Some(metric)
                && dimensions
                    .into_iter()
                    .flatten()
                    .any(|dimension| dimension.get("Value").and_then(reference) == Some(function.to_owned()))
        })
    }

    /// Every queue that a function reads, with the logical id of the function.
    pub(crate) fn queues_read(&self) -> Vec<(String, String)> {
        let mut read = Vec::new();
        for (function, properties) in self.resources("AWS::Serverless::Function") {
            let events = properties.get("Events").and_then(Value::as_mapping);
            let queues = events.into_iter().flatten().filter(|(_, event)| text(event, "Type") == Some("SQS"));
            let queue = |event: &Value| event.get("Properties")?.get("Queue").and_then(reference);
            read.extend(queues.filter_map(|(_, event)| Some((queue(event)?, function.to_owned()))));
        }
        read
    }

    /// A whole number among the properties of a resource.
    pub(crate) fn number(&self, kind: &str, id: &str, path: &[&str]) -> Option<u64> {
        let (_, properties) = self.resources(kind).find(|(name, _)| *name == id)?;
        path.iter().try_fold(properties, |value, name| value.get(*name))?.as_u64()
    }

    /// Every alarm with the logical ids of its actions.
    pub(crate) fn alarm_actions(&self) -> Vec<(String, Vec<String>)> {
        self.resources("AWS::CloudWatch::Alarm")
            .map(|(id, alarm)| {
                let actions = alarm.get("AlarmActions").and_then(Value::as_sequence);
                (id.to_owned(), actions.into_iter().flatten().filter_map(reference).collect())
            })
            .collect()
    }
}

impl Function {
    /// What a variable is written as.
    pub(crate) fn variable(&self, name: &str) -> Option<&Value> {
        self.properties.get("Environment")?.get("Variables")?.get(name)
    }

    /// Whether a variable is the parameter of this name.
    pub(crate) fn is_parameter(&self, variable: &str, parameter: &str) -> bool {
        self.variable(variable).and_then(reference).is_some_and(|name| name == parameter)
    }

    pub(crate) fn variables(&self) -> BTreeSet<String> {
        let variables =
            self.properties.get("Environment").and_then(|environment| environment.get("Variables"));
        let variables = variables.and_then(Value::as_mapping);
        variables.into_iter().flatten().filter_map(|(name, _)| name.as_str()).map(ToOwned::to_owned).collect()
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// What an `!If` chooses where its condition holds; anything else is itself.
fn chosen(value: &Value) -> &Value {
    match value {
        Value::Tagged(tagged) if tagged.tag == "If" => tagged.value.get(1).unwrap_or(value),
        _ => value,
    }
}

/// The logical id in a `!Ref` or `!GetAtt`.
fn reference(value: &Value) -> Option<String> {
    let Value::Tagged(tagged) = value else {
        return None;
    };
    let id = tagged.value.as_str()?;
    Some(id.split_once('.').map_or(id, |(id, _)| id).to_owned())
}

/// A string, whatever its tag; where a text is split into several, the text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Tagged(tagged) if tagged.tag == "Split" => tagged.value.get(1).and_then(plain),
        Value::Tagged(tagged) => plain(&tagged.value),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Sequence(words)) => words.iter().filter_map(plain).collect(),
        Some(word) => plain(word).into_iter().collect(),
        None => Vec::new(),
    }
}
