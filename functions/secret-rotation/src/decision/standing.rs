//! What state the credential is in, for whoever reads of a failure.

use shared::strategy::Strategy;

use super::strategy;
use crate::event::Hook;
use crate::facts::{Facts, Which};

/// One sentence. `attempted` says that the change of this step was begun, so that it may have come to effect.
pub fn standing(facts: &Facts, attempted: bool) -> String {
    let Some(secret) = facts.secret() else {
        return "Nothing was changed.".to_owned();
    };
    let current = match secret.version("AWSCURRENT") {
        Some(version) => format!("AWSCURRENT (version {version})"),
        None => "The secret has no AWSCURRENT version".to_owned(),
    };
    let lets_in = |which| facts.logins.get(&which).map(crate::facts::Login::is_in);
    let Some(step) = facts.work.hook() else {
        return format!("{current} works; the older token may be valid beside it.");
    };
    let strategy = strategy(facts);
    match (strategy, step) {
        (_, Hook::CreateSecret) => {
            format!("{current} is untouched, and the server knows nothing of a new value.")
        }
        (Some(Strategy::Random), _) => format!("{current} is untouched; the new value is in no use."),
        (Some(Strategy::Postgres), Hook::SetSecret) => match (lets_in(Which::Current), attempted) {
            (_, true) => format!(
                "The new password may be set already; then {current} lets nobody in, and setSecret, asked for again, goes on."
            ),
            (Some(true), false) => format!("{current} still works; the new password is not set."),
            (Some(false), false) => format!("{current} does not log in, and the new password is not set."),
            (None, false) => format!("The new password is not set by this step; {current} was not tried."),
        },
        (Some(Strategy::Postgres), Hook::TestSecret | Hook::FinishSecret) => match lets_in(Which::Pending) {
            Some(false) => format!("AWSPENDING does not log in; {current} has not moved."),
            Some(true) | None => format!(
                "If setSecret was done, the server knows only the new password: {current} lets nobody in who connects anew, \
                     until finishSecret has moved the label."
            ),
        },
        (Some(Strategy::PostgresAlternating), Hook::SetSecret) => match lets_in(Which::Current) {
            Some(false) => format!("{current} does not log in, and nothing was changed."),
            Some(true) | None => {
                format!("{current} is another user than the one that is changed, and is as it was.")
            }
        },
        (Some(Strategy::PostgresAlternating), Hook::TestSecret | Hook::FinishSecret) => {
            format!("{current} is another user than the one that was changed, and is as it was.")
        }
        (Some(Strategy::ValkeyUser | Strategy::ValkeyAuthToken), _) => {
            format!("{current} is as valid as it was: a new one is only ever added beside it.")
        }
        (None, Hook::SetSecret | Hook::TestSecret | Hook::FinishSecret) => {
            format!("{current} has not moved.")
        }
    }
}
