//! `valkey-user`: an ElastiCache user with two passwords, the new and the current one. ElastiCache applies a change while
//! the user is `modifying`; the steps wait for it by being asked for again.

use super::case::Case;
use super::{Action, Asked, Fill, Outcome, Recipe, Verdict, done, refuse, wait};
use crate::account;
use crate::facts::{Login, User, Which};
use crate::generate::Shape;
use crate::hidden::Hidden;

pub(super) fn create(case: &Case<'_>) -> Asked<Recipe> {
    let current = case.current()?;
    // The first rotation may find no password.
    for field in ["host", "username"] {
        case.read("AWSCURRENT", account::required(current, field))?;
    }
    case.read("AWSCURRENT", account::user_id(current))?;
    let fill = vec![("password".to_owned(), Fill::Random(Shape::PASSWORD))];
    Ok(Recipe::Fields { base: current.clone(), fill })
}

pub(super) fn set(case: &Case<'_>) -> Asked<Verdict> {
    let (held, next) = (case.current()?, case.valued_pending()?);
    let pending = case.read("AWSPENDING", account::valkey_user(next))?;
    let id = case.read("AWSCURRENT", account::user_id(held))?;
    if account::user_id(next).as_ref() != Ok(&id) || next.field("username") != held.field("username") {
        return refuse("AWSPENDING is for another user than AWSCURRENT; nothing is set there");
    }
    let user = fit(case, &id, pending.user.as_deref())?;
    // A user without password is let in with any.
    if user.authentication == "password" && case.login(Which::Pending, &pending)?.is_in() {
        return Ok(done(Outcome::Set, "the server lets AWSPENDING in already"));
    }
    if user.status != "active" {
        return wait(format!("the ElastiCache user {id} is {}", user.status));
    }
    let mut passwords = vec![pending.password.clone()];
    // Never the same twice: ElastiCache refuses it.
    passwords
        .extend(held.field("password").map(Hidden::new).filter(|password| *password != pending.password));
    Ok(case.act(Action::SetUserPasswords { user: id, passwords }))
}

pub(super) fn test(case: &Case<'_>) -> Asked<Verdict> {
    let next = case.valued_pending()?;
    let pending = case.read("AWSPENDING", account::valkey_user(next))?;
    let id = case.read("AWSPENDING", account::user_id(next))?;
    let user = fit(case, &id, pending.user.as_deref())?;
    if user.status != "active" {
        return wait(format!("the ElastiCache user {id} is {}", user.status));
    }
    match case.login(Which::Pending, &pending)? {
        Login::In { user, .. } if Some(user) == pending.user.as_ref() => {
            Ok(done(Outcome::Tested, "the server lets AWSPENDING in, and answers"))
        }
        Login::In { user, .. } => refuse(format!("the server takes AWSPENDING for the user {user:?}")),
        Login::Refused { said } => refuse(format!("the server does not let AWSPENDING in: {said}")),
    }
}

/// The user, if it is one whose password can be rotated.
fn fit<'a>(case: &Case<'a>, id: &str, name: Option<&str>) -> Asked<&'a User> {
    let user = case.user(id)?;
    if user.authentication == "iam" {
        return refuse(format!(
            "the ElastiCache user {id} authenticates by IAM and has no password: there is nothing to rotate"
        ));
    }
    if Some(user.name.as_str()) != name {
        return refuse(format!("the ElastiCache user {id} is named {:?}, not as the secret says", user.name));
    }
    if user.status == "deleting" {
        return refuse(format!("the ElastiCache user {id} is being deleted"));
    }
    Ok(user)
}
