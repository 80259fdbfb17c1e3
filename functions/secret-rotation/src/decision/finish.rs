//! `finishSecret`: the label moves from the version that the rotation set out from, and from no other.

use shared::strategy::Strategy;

use super::case::{Case, value};
use super::{Action, Asked, Verdict, refuse};
use crate::facts::Which;

pub(super) fn finish(case: &Case<'_>) -> Asked<Verdict> {
    let pending = case.valued_pending()?;
    case.unmoved()?;
    // No server would notice.
    if case.strategy == Strategy::Random && value(case.facts, case.secret, Which::Current)? == Some(pending) {
        return refuse("AWSPENDING equals AWSCURRENT: nothing was renewed");
    }
    Ok(case.act(Action::Finish))
}
