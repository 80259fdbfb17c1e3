//! `postgres-alternating`: two users that take turns, so that the one in use stays valid until the rotation after the next.
//!
//! The second user is the first one's name and `_clone`. It is a member of the first and acts as the first from the moment
//! it logs in (`ALTER ROLE … SET role`), so what it creates belongs to the first, and privileges, row policies, owners and
//! default privileges are the first one's alone: nothing has to be granted twice or reassigned when they change turns.

use super::case::Case;
use super::{Action, Asked, Fill, Outcome, Recipe, Source, Verdict, done, refuse, wait};
use crate::account::{self, Access, Pair};
use crate::facts::{Login, Which};
use crate::generate::Shape;

pub(super) fn create(case: &Case<'_>) -> Asked<Recipe> {
    let current = case.current()?;
    let access = case.read("AWSCURRENT", account::postgres(current))?;
    case.read("AWSCURRENT", account::superuser_arn(current))?;
    let user = access.user.unwrap_or_default();
    let pair = case.read("AWSCURRENT", Pair::of(&user))?;
    let fill = vec![
        ("username".to_owned(), Fill::Text(pair.after(&user).to_owned())),
        ("password".to_owned(), Fill::Random(Shape::PASSWORD)),
    ];
    Ok(Recipe::Fields { base: current.clone(), fill })
}

pub(super) fn set(case: &Case<'_>) -> Asked<Verdict> {
    let held = case.current()?;
    let pending = case.read("AWSPENDING", account::postgres(case.valued_pending()?))?;
    let current = case.read("AWSCURRENT", account::postgres(held))?;
    let (next, user) = (name(&pending), name(&current));
    let pair = case.read("AWSCURRENT", Pair::of(user))?;
    if next != pair.after(user) || !pending.same_place(&current) {
        return refuse(
            "AWSPENDING is not for the other of the two users on AWSCURRENT's host and database; nothing is set there",
        );
    }
    if let Login::In { acts_as, .. } = case.login(Which::Pending, &pending)?
        && *acts_as == pair.base
    {
        return Ok(done(Outcome::Set, "the server lets AWSPENDING in already"));
    }
    // A superuser would set any password for whoever writes the secret; so the secret must show that it is the user's.
    if let Login::Refused { said } = case.login(Which::Current, &current)? {
        return refuse(format!(
            "the server does not let AWSCURRENT in, so it is not known to be the user's ({said}): set the user's password to \
             the AWSCURRENT one by hand"
        ));
    }
    let arn = case.read("AWSCURRENT", account::superuser_arn(held))?;
    let source = Source { secret: arn.clone(), version: None, stage: Some("AWSCURRENT") };
    let Some(superuser) = case.other(Which::Superuser, source)? else {
        return refuse(format!("the superuser's secret {arn} does not exist, or has no value"));
    };
    let superuser = account::superuser(superuser, &current)
        .or_else(|why| refuse(format!("the superuser's secret {arn} {why}")))?;
    if let Login::Refused { said } = case.login(Which::Superuser, &superuser)? {
        return wait(format!(
            "the server does not let the superuser of {arn} in ({said}): its own rotation may be under way"
        ));
    }
    Ok(case.act(Action::Alternate { session: superuser, pair, proof: pending }))
}

pub(super) fn test(case: &Case<'_>) -> Asked<Verdict> {
    let pending = case.read("AWSPENDING", account::postgres(case.valued_pending()?))?;
    let pair = case.read("AWSPENDING", Pair::of(name(&pending)))?;
    match case.login(Which::Pending, &pending)? {
        Login::Refused { said } => refuse(format!("the server does not let AWSPENDING in: {said}")),
        Login::In { user, .. } if user != name(&pending) => {
            refuse(format!("the server takes AWSPENDING for the user {user:?}"))
        }
        // In a test run the clone may be one that others made.
        Login::In { acts_as, .. } if *acts_as != pair.base && case.entry()?.is_some() => refuse(format!(
            "AWSPENDING acts as {acts_as:?}, not as {:?}: what it creates would not belong to the first of the two users",
            pair.base
        )),
        Login::In { .. } => Ok(done(Outcome::Tested, "the server lets AWSPENDING in, and answers a query")),
    }
}

fn name(access: &Access) -> &str {
    access.user.as_deref().unwrap_or_default()
}
