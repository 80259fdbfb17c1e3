//! What Watchkeeper's own redeploys mean for a rollback. They deploy anew what runs, or a copy of it, because a secret
//! changed: so they change no code, and the secret is the first to look at.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::ledger::operation::{End, Operation};
use shared::ledger::target::Memory;

use super::plan::Ask;
use super::short;

/// How soon after its beginning an operation's deployment is created, a retry included.
const MADE_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// How far the clocks of ECS and of a function may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// A copy may be copied, too; more than this is no chain but a circle.
const COPIES: usize = 10;

/// A redeploy that Watchkeeper made, because a secret changed or somebody asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redeployed {
    /// Its operation's id.
    pub operation: String,
    /// The secret's name; nothing where somebody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// When it began.
    pub at: Timestamp,
}

impl fmt::Display for Redeployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, secret, at } = self;
        match secret {
            Some(secret) => write!(
                f,
                "Watchkeeper redeployed it at {at:.0} because of the secret {secret} (operation {operation})"
            ),
            None => write!(
                f,
                "Watchkeeper redeployed it at {at:.0} because somebody asked for it (operation {operation})"
            ),
        }
    }
}

impl From<&Operation> for Redeployed {
    fn from(operation: &Operation) -> Self {
        Self {
            operation: operation.id.clone(),
            secret: (!operation.incident.starts_with("request:"))
                .then(|| secret(&operation.incident).to_owned()),
            at: operation.began,
        }
    }
}

/// The redeploy of this very code that is recent enough to matter: within the attribution window, or on its way.
pub(super) fn recent(memory: &Memory, runs: &str, ask: &Ask<'_>) -> Option<Redeployed> {
    let window = ask.rules.rollback.attribution_window;
    let mut made = memory.redeploys.iter().filter(|operation| operation.end != Some(End::Refused));
    made.find(|operation| {
        let recent = ask.now.duration_since(operation.began) <= window || operation.is_running(ask.now);
        recent && is_same(memory, &operation.to, runs)
    })
    .map(Redeployed::from)
}

/// The redeploy that made the deployment of this time, where one did.
pub(super) fn that_made(memory: &Memory, runs: &str, created: Timestamp) -> Option<Redeployed> {
    let mut made = memory.redeploys.iter().filter(|operation| operation.end != Some(End::Refused));
    made.find(|operation| {
        let after = created.duration_since(operation.began);
        -CLOCKS_DIFFER <= after && after <= MADE_WITHIN && is_same(memory, &operation.to, runs)
    })
    .map(Redeployed::from)
}

/// Whether two task definitions, by ARN or name, are one, or copies of one.
pub(super) fn is_same(memory: &Memory, one: &str, other: &str) -> bool {
    short(original(memory, one)) == short(original(memory, other))
}

/// What a task definition is a copy of, which an operation registered; itself where it is none.
pub(super) fn original<'a>(memory: &'a Memory, task_definition: &'a str) -> &'a str {
    let copied = |copy: &&'a str| {
        let mut made = memory.all().filter(|operation| short(&operation.to) == short(copy));
        made.find_map(|operation| operation.copy_of.as_deref())
    };
    std::iter::successors(Some(task_definition), copied).take(COPIES).last().unwrap_or(task_definition)
}

/// The name of the secret that an incident (`secret:<ARN>`) is about: its ARN ends with the name and six characters.
fn secret(incident: &str) -> &str {
    let named = incident.strip_prefix("secret:").unwrap_or(incident);
    let Some(name) = named.splitn(7, ':').nth(6).filter(|_| named.starts_with("arn:")) else {
        return named;
    };
    match name.rsplit_once('-') {
        Some((name, end)) if end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric()) => name,
        Some(_) | None => name,
    }
}

#[cfg(test)]
mod tests;
