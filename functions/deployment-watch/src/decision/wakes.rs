//! Which redeploys may go on: those of which one service is over, and those that waited for a deployment to end. Telling
//! it twice does no harm, so that whatever was cut off is told again.

use super::verdict::{Ignored, Verdict};
use crate::event::{Hint, Phase};
use crate::facts::Facts;

/// The redeploys that may go on now, by their ids.
pub(super) fn of(facts: &Facts, verdict: &Verdict) -> Vec<String> {
    let Some(memory) = &facts.memory else {
        return Vec::new();
    };
    let over = match verdict {
        Verdict::Redeployed(redeployed) => Some(&redeployed.operation),
        // Its end was written down; whether that was told, nobody knows.
        Verdict::Ignore(Ignored::Ended { operation, .. }) => memory.operation(operation),
        Verdict::Ignore(_)
        | Verdict::Wait { .. }
        | Verdict::Follow { .. }
        | Verdict::Close(_)
        | Verdict::Deployed { .. }
        | Verdict::Broken(_)
        | Verdict::Good(_) => None,
    };
    let mut wakes: Vec<_> = over.and_then(|operation| operation.redeploy.clone()).into_iter().collect();
    let ends = match &facts.hint {
        Hint::Deployment(change) => matches!(change.phase, Phase::Completed | Phase::Failed),
        Hint::Watch { .. } | Hint::Prove { .. } => false,
    };
    for waiting in memory.waiting.iter().filter(|_| ends) {
        if !wakes.contains(waiting) {
            wakes.push(waiting.clone());
        }
    }
    wakes
}

#[cfg(test)]
mod tests;
