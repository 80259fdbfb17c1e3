//! `rotation.yaml`, worked out as CloudFormation would.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::cloudformation::{Template, conditions_in, map, names_in, text};

const HOOK: &str = "arn:aws:lambda:eu-central-1:123456789012:function:watchkeeper-SecretRotation-1";

/// Each secret's parameter, its schedule, and after how many days it is rotated by default: the runbooks' figures.
const SCHEDULES: [(&str, &str, u64); 3] = [
    ("DatabaseSecretArn", "DatabaseRotation", 30),
    ("ValkeySecretArn", "ValkeyRotation", 30),
    ("KeyBaseSecretArn", "KeyBaseRotation", 90),
];

fn arn(parameter: &str) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/{parameter}-AbCdEf")
}

/// The schedules that stand when these secrets are given.
fn schedules(secrets: &[&str], beside: &[(&str, &str)]) -> anyhow::Result<Vec<(String, Value)>> {
    let arns: Vec<_> = secrets.iter().map(|secret| arn(secret)).collect();
    let given: Vec<_> = secrets.iter().copied().zip(arns.iter().map(String::as_str)).collect();
    let deployed =
        Template::read("rotation.yaml")?.deploy(&[&[("HookArn", HOOK)], &given[..], beside].concat())?;
    let mut found = Vec::new();
    for (id, (kind, properties)) in deployed.resources {
        ensure!(kind == "AWS::SecretsManager::RotationSchedule", "{id} is {kind}");
        found.push((id, properties));
    }
    Ok(found)
}

pub(super) fn nothing_is_rotated_that_is_not_given() -> anyhow::Result<()> {
    for (secret, schedule, _) in SCHEDULES {
        let alone = schedules(&[secret], &[])?;
        ensure!(alone.iter().map(|(id, _)| id.as_str()).eq([schedule]), "{secret} alone gives {alone:?}");
    }
    let refusal = schedules(&[], &[]).err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(refusal.contains("At least one secret is given"), "nothing at all: {refusal:?}");
    Ok(())
}

pub(super) fn by_the_hook_and_not_at_once() -> anyhow::Result<()> {
    for (secret, id, days) in SCHEDULES {
        let [(_, schedule)] = <[_; 1]>::try_from(schedules(&[secret], &[])?)
            .map_err(|other| anyhow::anyhow!("{secret} gives {other:?}"))?;
        let expected = json!({
            "SecretId": arn(secret),
            "RotationLambdaARN": HOOK,
            "RotateImmediatelyOnUpdate": "false",
            "RotationRules": {"AutomaticallyAfterDays": days},
        });
        ensure!(schedule == expected, "{id}: {schedule}");
        let windowed = schedules(&[secret], &[("Duration", "3h")])?;
        ensure!(windowed[0].1["RotationRules"]["Duration"] == "3h", "{id}: {windowed:?}");
    }
    Ok(())
}

/// Whoever follows the description of `HookArn` finds what it names.
pub(super) fn the_hook_is_an_output_of_the_template() -> anyhow::Result<()> {
    let (schedules, template) = (Template::read("rotation.yaml")?, Template::read("template.yaml")?);
    let said = text(&schedules.0["Parameters"]["HookArn"], "Description");
    let output = said.split_whitespace().find(|word| word.starts_with("SecretRotation"));
    let output = output.with_context(|| format!("it names no output: {said}"))?;
    let value = &template.0["Outputs"][output]["Value"];
    ensure!(*value == json!({"Fn::GetAtt": "SecretRotation.Arn"}), "{output} is {value}");
    Ok(())
}

pub(super) fn every_parameter_is_used_and_described() -> anyhow::Result<()> {
    let template = Template::read("rotation.yaml")?.0;
    let mut used = BTreeSet::new();
    names_in(&template["Resources"], &mut used);
    names_in(&template["Conditions"], &mut used);
    for (name, parameter) in map(&template["Parameters"]) {
        ensure!(used.contains(name), "{name} is used nowhere");
        ensure!(!text(parameter, "Description").is_empty(), "{name} is not described");
        ensure!(
            parameter.get("Default").is_none() == (name == "HookArn"),
            "{name} has a default, or should have one"
        );
    }
    let mut used = BTreeSet::new();
    conditions_in(&template["Resources"], &mut used);
    conditions_in(&template["Conditions"], &mut used);
    for (name, _) in map(&template["Conditions"]) {
        ensure!(used.contains(name), "the condition {name} decides nothing");
    }
    Ok(())
}
