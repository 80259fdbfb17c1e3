//! How people call things, and the sentences and commands about what is done.

use serde_json::{Value, json};
use shared::ledger::operation::{Means, Operation};
use shared::target::Target;

use crate::cause::request::CONFIRMATION;
use crate::cause::{Request, Wanted};
use crate::decision::{Act, Plan, Rollback, short};

/// How people call it: `prod/web`.
pub(super) fn name(target: &Target) -> String {
    match target {
        Target::Service { cluster, service } => format!("{cluster}/{service}"),
        Target::Alias { function, alias } => format!("{function}:{alias}"),
        Target::Stack { name } => name.clone(),
    }
}

/// What kind of thing it is, as a notice's subject has it.
pub(super) const fn kind(target: &Target) -> &'static str {
    match target {
        Target::Service { .. } => "ecs-service",
        Target::Alias { .. } => "lambda-alias",
        Target::Stack { .. } => "cloudformation-stack",
    }
}

/// A revision as people call it: `web:41`, `version 7`, a stack's status.
pub(super) fn revision(target: &Target, revision: &str) -> String {
    match target {
        Target::Alias { .. } => format!("version {revision}"),
        Target::Service { .. } | Target::Stack { .. } => short(revision).to_owned(),
    }
}

/// What is returned to, and of what it is a copy.
pub(super) fn arrival(target: &Target, to: &str, copy_of: Option<&str>) -> String {
    let to = revision(target, to);
    copy_of.map_or_else(|| to.clone(), |original| format!("{to} (a copy of {})", revision(target, original)))
}

/// What carries the tags that hold for a target.
pub(super) fn tagged(target: &Target) -> String {
    match target {
        Target::Service { .. } => format!("the service {}", name(target)),
        Target::Alias { function, .. } => format!("the function {function}"),
        Target::Stack { name } => format!("the stack {name}"),
    }
}

/// The title of a notice that tells what was done.
pub(super) fn title(target: &Target, operation: &Operation) -> String {
    let name = name(target);
    let to = arrival(target, &operation.to, operation.copy_of.as_deref());
    match operation.means {
        Means::UpdateService | Means::UpdateAlias | Means::CreateDeployment => {
            format!("{name} rolled back to {to}")
        }
        Means::StopServiceDeployment | Means::StopDeployment => {
            format!("{name} goes back to {to}: the deployment in flight was stopped")
        }
        Means::Scale => format!("{name} scaled back up to {to}"),
        Means::Redeploy | Means::RedeployByCodeDeploy => format!("{name} redeployed with {to}"),
        Means::CancelUpdateStack => format!("Stack {name}: its update was cancelled"),
        Means::ContinueUpdateRollback => format!("Stack {name}: its rollback was continued"),
        Means::RollbackStack => format!("Stack {name}: its rollback was begun"),
    }
}

/// What was done, as one sentence.
pub(super) fn deed(target: &Target, operation: &Operation) -> String {
    let name = name(target);
    let from = revision(target, &operation.from);
    let to = arrival(target, &operation.to, operation.copy_of.as_deref());
    match operation.means {
        Means::UpdateService => format!("Set {name} from {from} back to {to}"),
        Means::UpdateAlias => format!("Pointed {name} from {from} back to {to}, for all requests"),
        Means::Scale => format!("Scaled {name} from {from} to {to}"),
        Means::StopServiceDeployment => {
            format!("Stopped the deployment of {from} to {name}, so that ECS goes back to {to}")
        }
        Means::StopDeployment => {
            format!("Stopped the deployment of {from} to {name}, so that CodeDeploy goes back to {to}")
        }
        Means::CreateDeployment => format!("Told CodeDeploy to deploy {to} to {name} in place of {from}"),
        Means::Redeploy | Means::RedeployByCodeDeploy => format!("Deployed {to} to {name} anew"),
        Means::CancelUpdateStack => {
            format!("Cancelled the update of the stack {name}, so that CloudFormation rolls it back")
        }
        Means::ContinueUpdateRollback => {
            format!("Told CloudFormation to continue the rollback of the stack {name}")
        }
        Means::RollbackStack => {
            format!("Told CloudFormation to roll the stack {name} back to its last stable state")
        }
    }
}

/// The title of a notice that tells what would be done.
pub(super) fn proposed_title(rollback: &Rollback) -> String {
    let Rollback { target, plan: Plan { to, act, .. }, .. } = rollback;
    let (name, to) = (name(target), revision(target, to));
    match act.means() {
        Means::UpdateService
        | Means::UpdateAlias
        | Means::CreateDeployment
        | Means::StopServiceDeployment
        | Means::StopDeployment => format!("{name} would be rolled back to {to}"),
        Means::Scale => format!("{name} would be scaled back up to {to}"),
        Means::Redeploy | Means::RedeployByCodeDeploy => format!("{name} would be redeployed with {to}"),
        Means::CancelUpdateStack => format!("Stack {name}: its update would be cancelled"),
        Means::ContinueUpdateRollback => format!("Stack {name}: its rollback would be continued"),
        Means::RollbackStack => format!("Stack {name}: it would be rolled back"),
    }
}

/// What would be done, as the end of a sentence.
pub(super) fn proposal(rollback: &Rollback) -> String {
    let Rollback { target, plan: Plan { from, to, act, copy_of, .. }, .. } = rollback;
    let name = name(target);
    let (from, to) = (revision(target, from), arrival(target, to, copy_of.as_deref()));
    match act {
        Act::UpdateService { .. } | Act::RegisterTaskDefinition { .. } | Act::CreateDeployment { .. } => {
            format!("{name} would be set from {from} back to {to}")
        }
        Act::UpdateAlias { .. } => {
            format!("{name} would be pointed from {from} back to {to}, for all requests")
        }
        Act::Scale { .. } => format!("{name} would be scaled from {from} to {to}"),
        Act::StopServiceDeployment { .. } | Act::StopDeployment { .. } => {
            format!("the deployment of {from} to {name} would be stopped, so that it goes back to {to}")
        }
        Act::CancelUpdateStack => {
            format!("the update of the stack {name} would be cancelled, so that it is rolled back")
        }
        Act::ContinueUpdateRollback { skip } if skip.is_empty() => {
            format!("the rollback of the stack {name} would be continued")
        }
        Act::ContinueUpdateRollback { skip } => {
            format!("the rollback of the stack {name} would be continued without {}", skip.join(", "))
        }
        Act::RollbackStack => format!("the stack {name} would be rolled back to its last stable state"),
    }
}

/// What a person invokes this function with to have done what was only planned: who asked, asks the same again.
pub(super) fn asked_again(request: &Request) -> String {
    let (key, value) = match &request.wanted {
        Wanted::Previous => return by_request(&request.target, None),
        Wanted::Revision(revision) => ("to", revision.clone()),
        Wanted::At(at) => ("at", at.to_string()),
        Wanted::Undo(operation) => ("undo", operation.clone()),
        Wanted::Fix { skip_unfixable, cancel_in_progress } => {
            let fix = json!({"fix": {
                "stack": name(&request.target), "skip_unfixable": skip_unfixable,
                "cancel_in_progress": cancel_in_progress, "dry_run": false, "confirm": CONFIRMATION,
            }});
            return format!("invoke alarm-rollback with {fix}");
        }
    };
    by_request(&request.target, Some((key, value.as_str())))
}

/// The command that does it by hand.
pub(super) fn command(rollback: &Rollback) -> String {
    let Rollback { target, plan, .. } = rollback;
    match (target, &plan.act) {
        (Target::Service { cluster, service }, Act::Scale { desired }) => scale(cluster, service, *desired),
        (Target::Service { cluster, service }, Act::UpdateService { task_definition }) => {
            set_service(cluster, service, task_definition)
        }
        (Target::Service { .. }, Act::StopServiceDeployment { deployment }) => format!(
            "aws ecs stop-service-deployment --service-deployment-arn {deployment} --stop-type ROLLBACK"
        ),
        (Target::Service { .. } | Target::Alias { .. }, Act::StopDeployment { deployment }) => {
            format!("aws deploy stop-deployment --deployment-id {deployment} --auto-rollback-enabled")
        }
        (Target::Alias { function, alias }, Act::UpdateAlias { version, .. }) => {
            set_alias(function, alias, version, "{}")
        }
        (Target::Stack { name }, Act::CancelUpdateStack) => {
            format!("aws cloudformation cancel-update-stack --stack-name {name}")
        }
        (Target::Stack { name }, Act::ContinueUpdateRollback { skip }) => {
            let skip = if skip.is_empty() {
                String::new()
            } else {
                format!(" --resources-to-skip {}", skip.join(" "))
            };
            format!("aws cloudformation continue-update-rollback --stack-name {name}{skip}")
        }
        (Target::Stack { name }, Act::RollbackStack) => {
            format!("aws cloudformation rollback-stack --stack-name {name}")
        }
        // A copy or an application specification is best made by what has it at hand.
        (Target::Service { .. } | Target::Alias { .. } | Target::Stack { .. }, _) => by_request(target, None),
    }
}

/// The command that takes an operation back; none where there is no way back.
pub(super) fn undo(target: &Target, operation: &Operation) -> Option<String> {
    match (target, operation.means) {
        (Target::Service { cluster, service }, Means::UpdateService | Means::StopServiceDeployment) => {
            Some(set_service(cluster, service, &operation.from))
        }
        (Target::Service { cluster, service }, Means::Scale) => Some(scale(cluster, service, 0)),
        (Target::Service { .. }, Means::CreateDeployment) => {
            Some(by_request(target, Some(("undo", &operation.id))))
        }
        (Target::Alias { function, alias }, Means::UpdateAlias) => {
            let (version, weights) = shares_before(operation);
            Some(set_alias(function, alias, &version, &weights))
        }
        (
            Target::Service { .. } | Target::Alias { .. } | Target::Stack { .. },
            Means::UpdateService
            | Means::StopServiceDeployment
            | Means::Scale
            | Means::UpdateAlias
            | Means::CreateDeployment
            | Means::StopDeployment
            | Means::CancelUpdateStack
            | Means::ContinueUpdateRollback
            | Means::RollbackStack
            | Means::Redeploy
            | Means::RedeployByCodeDeploy,
        ) => None,
    }
}

/// Where an alias pointed before the operation, and the shares of other versions in the AWS CLI's shorthand.
fn shares_before(operation: &Operation) -> (String, String) {
    let before = operation.before.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let weights = before.as_ref().and_then(|before| before.get("weights")?.as_object());
    let version = before.as_ref().and_then(|before| before.get("version")?.as_str());
    match (version, weights.filter(|weights| !weights.is_empty())) {
        (Some(version), Some(weights)) => {
            let shares: Vec<_> =
                weights.iter().map(|(version, share)| format!("{version}={share}")).collect();
            (version.to_owned(), format!("{{{}}}", shares.join(",")))
        }
        (_, None) | (None, _) => (operation.from.clone(), "{}".to_owned()),
    }
}

fn scale(cluster: &str, service: &str, tasks: i32) -> String {
    format!("aws ecs update-service --cluster {cluster} --service {service} --desired-count {tasks}")
}

fn set_service(cluster: &str, service: &str, task_definition: &str) -> String {
    let task_definition = short(task_definition);
    format!(
        "aws ecs update-service --cluster {cluster} --service {service} --task-definition {task_definition}"
    )
}

/// Without a routing configuration the alias would keep its weights.
fn set_alias(function: &str, alias: &str, version: &str, weights: &str) -> String {
    format!(
        "aws lambda update-alias --function-name {function} --name {alias} --function-version {version} \
         --routing-config AdditionalVersionWeights={weights}"
    )
}

/// With the word that production asks for; elsewhere it does no harm.
fn by_request(target: &Target, wanted: Option<(&str, &str)>) -> String {
    let wanted =
        wanted.map_or_else(String::new, |(key, value)| format!(" {}: {},", json!(key), json!(value)));
    format!(
        r#"invoke alarm-rollback with {{"rollback": {{"target": "{target}",{wanted} "dry_run": false, "confirm": "{CONFIRMATION}"}}}}"#
    )
}
