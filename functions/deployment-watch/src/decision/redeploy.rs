//! A redeploy of one service that is over: whoever makes the redeploy reads in the ledger how it ended, and why.

use shared::ecs::diagnosis::Diagnosis;
use shared::ledger::operation::{Means, Operation};
use shared::target::Target;

use super::short;
use super::verdict::{Ended, Failure, Redeployed, Verdict};

/// Closes it. It has no notice of its own: a secret may be used by hundreds of services.
pub(super) fn over(
    target: &Target,
    operation: &Operation,
    ended: Ended,
    diagnosis: Option<&Diagnosis>,
) -> Verdict {
    let said = why(operation, &ended, diagnosis);
    let operation = Operation { said, ..operation.clone() };
    Verdict::Redeployed(Box::new(Redeployed { target: target.clone(), operation, ended }))
}

/// Why it did not arrive, and what to do about it, in words.
fn why(operation: &Operation, ended: &Ended, diagnosis: Option<&Diagnosis>) -> Option<String> {
    let cause = diagnosis.and_then(|diagnosis| Some((diagnosis, diagnosis.causes.first()?)));
    match ended {
        Ended::Recovered { .. } | Ended::Unhealed { .. } => None,
        Ended::Superseded { running } if running.starts_with("arn:") => {
            Some(format!("another deployment took its place, of {}", short(running)))
        }
        Ended::Superseded { running } => Some(running.clone()),
        Ended::Failed { failure, .. } => Some(match (failure, cause, diagnosis) {
            (Failure::Refuted { .. }, Some((diagnosis, cause)), _) => {
                format!("{}. {}", diagnosis.headline, cause.next_step)
            }
            // Without a cause the diagnosis repeats what ECS says; CodeDeploy says it itself.
            (Failure::Refuted { .. }, None, Some(diagnosis)) if operation.means == Means::Redeploy => {
                diagnosis.headline.clone()
            }
            (Failure::Late | Failure::Vanished, Some((diagnosis, cause)), _) => {
                format!("{failure}: {}. {}", diagnosis.headline, cause.next_step)
            }
            (
                Failure::Refuted { .. }
                | Failure::Late
                | Failure::Vanished
                | Failure::NotMade
                | Failure::TooLate,
                ..,
            ) => failure.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
