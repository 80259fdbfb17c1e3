//! `postgres`: one user, who changes the password of its own. From then until the label has moved and the dependants run
//! anew, their new connections fail: this strategy has no overlap.

use super::case::Case;
use super::{Action, Asked, Fill, Outcome, Recipe, Verdict, done, refuse};
use crate::account::{self, Access};
use crate::facts::{Login, Which};
use crate::generate::Shape;

pub(super) fn create(case: &Case<'_>) -> Asked<Recipe> {
    let current = case.current()?;
    case.read("AWSCURRENT", account::postgres(current))?;
    let fill = vec![("password".to_owned(), Fill::Random(Shape::PASSWORD))];
    Ok(Recipe::Fields { base: current.clone(), fill })
}

pub(super) fn set(case: &Case<'_>) -> Asked<Verdict> {
    let pending = case.read("AWSPENDING", account::postgres(case.valued_pending()?))?;
    let current = case.read("AWSCURRENT", account::postgres(case.current()?))?;
    if !same_user(&pending, &current) {
        return refuse(
            "AWSPENDING is for another user, host or database than AWSCURRENT; nothing is set there",
        );
    }
    if case.login(Which::Pending, &pending)?.is_in() {
        return Ok(done(Outcome::Set, "the server lets AWSPENDING in already"));
    }
    // The current password, otherwise the one before; no other is ever tried.
    let session = match case.login(Which::Current, &current)? {
        Login::In { .. } => current,
        Login::Refused { said } => {
            let previous = case.previous()?.and_then(|document| account::postgres(document).ok());
            match previous.filter(|previous| same_user(previous, &current)) {
                Some(previous) if case.login(Which::Previous, &previous)?.is_in() => previous,
                Some(_) | None => {
                    return refuse(format!(
                        "the server lets in neither AWSPENDING nor AWSCURRENT nor AWSPREVIOUS, so the password cannot be \
                         changed ({said}): set the user's password to the AWSCURRENT one by hand"
                    ));
                }
            }
        }
    };
    Ok(case.act(Action::SetPassword { session, proof: pending }))
}

pub(super) fn test(case: &Case<'_>) -> Asked<Verdict> {
    let pending = case.read("AWSPENDING", account::postgres(case.valued_pending()?))?;
    match case.login(Which::Pending, &pending)? {
        Login::In { user, .. } if Some(user) == pending.user.as_ref() => {
            Ok(done(Outcome::Tested, "the server lets AWSPENDING in, and answers a query"))
        }
        Login::In { user, .. } => refuse(format!("the server takes AWSPENDING for the user {user:?}")),
        Login::Refused { said } => refuse(format!("the server does not let AWSPENDING in: {said}")),
    }
}

fn same_user(one: &Access, other: &Access) -> bool {
    one.same_place(other) && one.user == other.user
}
