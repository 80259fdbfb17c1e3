//! What people ask to be done is left where the audit finds it, when it begins and when it ends.

use shared::id;
use shared::ledger::audit::letters::{Came, Handled, What};

use crate::act::Done;
use crate::discover::DeadLetters;
use crate::run::Run;

impl Run<'_> {
    /// A deed that begins now.
    pub(crate) fn deed(&self, what: What, letters: &DeadLetters, by: &str) -> Handled {
        Handled {
            what,
            id: id::of(&[&letters.queue.arn, what.as_str(), &self.invocation.request_id]),
            at: self.now(),
            queue: letters.queue.name.clone(),
            group: None,
            run: None,
            by: by.to_owned(),
            came: None,
        }
    }

    /// Leaves it for the audit. It does not fail: why that could not be written is the answer, and no reason to leave
    /// undone what was asked for, or to say nothing of it.
    pub(crate) async fn leave(&self, deed: &Handled) -> Option<String> {
        let error = self.clients.ledger.leave_letters(deed).await.err()?;
        Some(format!("the audit does not know how it ended: {}", error.chain()))
    }
}

/// What came of reading a queue.
pub(crate) fn came(done: &Done) -> Came {
    Came {
        sent: done.redriven.values().sum(),
        archived: done.archived.values().sum(),
        left: done.left.values().sum(),
        in_hand: done.in_hand,
        failed: done.errors.first().cloned(),
    }
}
