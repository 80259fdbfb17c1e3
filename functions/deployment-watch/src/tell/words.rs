//! How people call things.

use jiff::{SignedDuration, Unit};
use shared::ledger::operation::{Means, Operation};
use shared::target::Target;

use crate::decision::short;

/// The kind of a notice's subject.
pub(super) const fn kind(target: &Target) -> &'static str {
    match target {
        Target::Service { .. } => "ecs-service",
        Target::Alias { .. } => "lambda-alias",
        Target::Stack { .. } => "cloudformation-stack",
    }
}

/// How people call it: `prod/web`.
pub(super) fn name(target: &Target) -> String {
    match target {
        Target::Service { cluster, service } => format!("{cluster}/{service}"),
        Target::Alias { function, alias } => format!("{function}:{alias}"),
        Target::Stack { name } => name.clone(),
    }
}

/// A revision as people call it: `web:41`, `version 7`, a stack's status. What is no revision stands as it is.
pub(super) fn revision(target: &Target, revision: &str) -> String {
    match target {
        Target::Service { .. } => short(revision).to_owned(),
        Target::Alias { .. } if revision.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("version {revision}")
        }
        Target::Alias { .. } | Target::Stack { .. } => revision.to_owned(),
    }
}

/// What was done, as in "prod/web: … ".
pub(super) fn made(target: &Target, operation: &Operation) -> String {
    let to = revision(target, &operation.to);
    match operation.means {
        Means::Scale => format!("brought back to {to}"),
        Means::Redeploy | Means::RedeployByCodeDeploy => format!("redeployed with {to}"),
        Means::UpdateService
        | Means::StopServiceDeployment
        | Means::CreateDeployment
        | Means::StopDeployment
        | Means::UpdateAlias => format!("rolled back to {to}"),
        Means::CancelUpdateStack => "the update was cancelled and rolled back".to_owned(),
        Means::ContinueUpdateRollback => "its rollback was continued and is complete".to_owned(),
        Means::RollbackStack => "rolled back to its last stable state".to_owned(),
    }
}

/// The command that deploys this revision.
pub(super) fn again_command(target: &Target, revision: &str) -> String {
    match target {
        Target::Service { cluster, service } => format!(
            "aws ecs update-service --cluster {cluster} --service {service} --task-definition {revision}"
        ),
        Target::Alias { function, alias } => format!(
            "aws lambda update-alias --function-name {function} --name {alias} --function-version {revision}"
        ),
        Target::Stack { name } => format!("aws cloudformation describe-stack-events --stack-name {name}"),
    }
}

/// A span as people say it: `1h 5m 12s`.
pub(super) fn span(duration: SignedDuration) -> String {
    let duration = if duration.is_negative() { SignedDuration::ZERO } else { duration };
    let rounded = duration.round(Unit::Second).unwrap_or(duration);
    format!("{rounded:#}")
}
