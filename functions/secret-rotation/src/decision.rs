//! What a step does. No clock, no network, no failure.
//!
//! [`decide`] is asked again and again while the facts grow: it answers with the next question, or with the verdict.
//! Every step may be asked for again after it was cut off anywhere, so what it would do is first looked for in the world:
//! a value that is there is kept, a password that logs in is not set again, a label that has moved is not moved.

mod alternating;
mod case;
mod finish;
mod postgres;
mod prologue;
mod random;
mod settle;
mod standing;
mod valkey_token;
mod valkey_user;

use serde::Serialize;
use shared::strategy::Strategy;

use crate::account::{Access, Pair};
use crate::document::Document;
use crate::event::Hook;
use crate::facts::{Facts, Which, Work};
use crate::generate::Shape;
use crate::hidden::Hidden;

use case::Case;
pub use standing::standing;

/// The next question, or the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look, add to the facts, and ask again.
    Look(Question),
    /// Nothing more needs to be known.
    Settled(Verdict),
}

/// What must be known next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The secret's versions, labels and tags.
    Secret,
    /// What a version holds.
    Value(Which, Source),
    /// What the hook did last.
    Rotation,
    /// Which token was added last.
    Overlap,
    /// Whether a credential logs in.
    Login(Which, Access),
    /// The ElastiCache user of this id.
    User(String),
    /// The replication group of this id.
    Group(String),
}

/// Which version of which secret to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The secret's ARN.
    pub secret: String,
    /// The version's id.
    pub version: Option<String>,
    /// The label that it must hold.
    pub stage: Option<&'static str>,
}

/// What was concluded, with its reason in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The step is done, and nothing is left to do.
    Done {
        /// The outcome.
        outcome: Outcome,
        /// Why.
        why: String,
    },
    /// There is nothing to settle.
    Drop {
        /// Why.
        why: String,
    },
    /// It is not possible yet; the step is tried again.
    Wait {
        /// For what.
        why: String,
    },
    /// It is not done, and trying again does not help.
    Refuse {
        /// Why, and what to do.
        why: String,
    },
    /// This is done.
    Act(Box<Plan>),
}

/// What is done. It leaves nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// How the secret is rotated.
    pub strategy: Strategy,
    /// The version that is AWSCURRENT: the one that the rotation sets out from.
    pub from: Option<String>,
    /// What is done.
    pub action: Action,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The pending version gets a value.
    Create(Recipe),
    /// A PostgreSQL user's password is set, by the user.
    SetPassword {
        /// Who logs in to set it.
        session: Access,
        /// Who logs in to show that it is set.
        proof: Access,
    },
    /// The password of one of two PostgreSQL users is set, by a superuser.
    Alternate {
        /// Who logs in to set it.
        session: Access,
        /// The two.
        pair: Pair,
        /// Who logs in to show that it is set.
        proof: Access,
    },
    /// An ElastiCache user gets these passwords.
    SetUserPasswords {
        /// Its id.
        user: String,
        /// The new one first; at most two.
        passwords: Vec<Hidden>,
    },
    /// A replication group gets a further token.
    RotateToken {
        /// The group's id.
        group: String,
        /// The token.
        token: Hidden,
    },
    /// It is recorded that the group has the token already.
    AdoptToken,
    /// AWSCURRENT moves to the pending version.
    Finish,
    /// It is recorded that AWSCURRENT had moved already.
    Rotated,
    /// A replication group keeps this token only.
    SetToken {
        /// The group's id.
        group: String,
        /// The token.
        token: Hidden,
    },
    /// It is recorded that nothing is left to do.
    Settled,
}

/// How a value is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// All of it is new.
    Whole(Shape),
    /// These fields are new.
    Fields {
        /// What stays as it is.
        base: Document,
        /// The new fields.
        fill: Vec<(String, Fill)>,
    },
}

/// What a field gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// A new value.
    Random(Shape),
    /// This text, which is no secret.
    Text(String),
    /// This value.
    Value(Hidden),
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The pending version has a value.
    Created,
    /// The server knows it.
    Set,
    /// It was tried.
    Tested,
    /// It is the current one.
    Finished,
    /// It was the current one before.
    AlreadyDone,
    /// Nothing is kept for the version before.
    Settled,
}

impl Outcome {
    /// The word of the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Set => "set",
            Self::Tested => "tested",
            Self::Finished => "finished",
            Self::AlreadyDone => "already_done",
            Self::Settled => "settled",
        }
    }
}

impl Action {
    /// What comes of it, and its reason.
    pub const fn outcome(&self) -> (Outcome, &'static str) {
        match self {
            Self::Create(_) => (Outcome::Created, "AWSPENDING has a new value"),
            Self::SetPassword { .. } => (Outcome::Set, "the user has the new password, and logs in with it"),
            Self::Alternate { .. } => {
                (Outcome::Set, "the other of the two users has the new password, and logs in with it")
            }
            Self::SetUserPasswords { .. } => {
                (Outcome::Set, "the user gets the new password beside the current one")
            }
            Self::RotateToken { .. } => (Outcome::Set, "the group gets the new token beside the current one"),
            Self::AdoptToken => (Outcome::Set, "the group has the token already"),
            Self::Finish => (Outcome::Finished, "AWSCURRENT has moved to the new version"),
            Self::Rotated => (Outcome::AlreadyDone, "AWSCURRENT had moved to the new version before"),
            Self::SetToken { .. } => (Outcome::Settled, "the group keeps the new token only"),
            Self::Settled => (Outcome::Settled, "nothing is kept for the version before"),
        }
    }
}

impl Verdict {
    /// The word of the report.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Done { outcome, .. } => outcome.as_str(),
            Self::Drop { .. } => "ignored",
            Self::Wait { .. } => "waiting",
            Self::Refuse { .. } => "refused",
            Self::Act(plan) => plan.action.outcome().0.as_str(),
        }
    }

    /// Its reason.
    pub fn why(&self) -> &str {
        match self {
            Self::Done { why, .. } | Self::Drop { why } | Self::Wait { why } | Self::Refuse { why } => why,
            Self::Act(plan) => plan.action.outcome().1,
        }
    }
}

/// The next question, or the verdict.
pub fn decide(facts: &Facts, environment: &str) -> Step {
    match conclude(facts, environment) {
        Ok(verdict) | Err(Stop::Say(verdict)) => Step::Settled(verdict),
        Err(Stop::Ask(question)) => Step::Look(question),
    }
}

/// How the secret is rotated, as far as that is known.
pub fn strategy(facts: &Facts) -> Option<Strategy> {
    prologue::strategy(facts, facts.secret()?).ok()
}

/// Why a rule is not followed to its end: a question is open, or there is nothing more to decide.
#[derive(Debug)]
enum Stop {
    Ask(Question),
    Say(Verdict),
}

/// `?` asks the question, or says the verdict.
type Asked<T> = Result<T, Stop>;

fn refuse<T>(why: impl Into<String>) -> Asked<T> {
    Err(Stop::Say(Verdict::Refuse { why: why.into() }))
}

fn wait<T>(why: impl Into<String>) -> Asked<T> {
    Err(Stop::Say(Verdict::Wait { why: why.into() }))
}

fn done(outcome: Outcome, why: impl Into<String>) -> Verdict {
    Verdict::Done { outcome, why: why.into() }
}

fn conclude(facts: &Facts, environment: &str) -> Asked<Verdict> {
    match &facts.work {
        Work::Settle { version, .. } => settle::settle(facts, version, environment),
        Work::Step(request) => {
            let case = prologue::admit(facts, request, environment)?;
            match request.step {
                Hook::CreateSecret => create(&case),
                Hook::SetSecret => set(&case),
                Hook::TestSecret => test(&case),
                Hook::FinishSecret => finish::finish(&case),
            }
        }
    }
}

fn create(case: &Case<'_>) -> Asked<Verdict> {
    if case.pending()?.is_some() {
        case.unmoved()?;
        if case.strategy == Strategy::ValkeyAuthToken {
            valkey_token::free(case)?;
        }
        return Ok(done(Outcome::Created, "AWSPENDING has a value already, which is kept"));
    }
    let recipe = match case.strategy {
        Strategy::Postgres => postgres::create(case),
        Strategy::PostgresAlternating => alternating::create(case),
        Strategy::ValkeyUser => valkey_user::create(case),
        Strategy::ValkeyAuthToken => valkey_token::create(case),
        Strategy::Random => random::create(case),
    }?;
    Ok(case.act(Action::Create(recipe)))
}

fn set(case: &Case<'_>) -> Asked<Verdict> {
    case.valued_pending()?;
    case.unmoved()?;
    match case.strategy {
        Strategy::Postgres => postgres::set(case),
        Strategy::PostgresAlternating => alternating::set(case),
        Strategy::ValkeyUser => valkey_user::set(case),
        Strategy::ValkeyAuthToken => valkey_token::set(case),
        Strategy::Random => Ok(done(Outcome::Set, "no server needs to know a random value")),
    }
}

/// The pending value is tried. It may be a test run: then no other step came before, and it equals the current one.
fn test(case: &Case<'_>) -> Asked<Verdict> {
    case.valued_pending()?;
    match case.strategy {
        Strategy::Postgres => postgres::test(case),
        Strategy::PostgresAlternating => alternating::test(case),
        Strategy::ValkeyUser => valkey_user::test(case),
        Strategy::ValkeyAuthToken => valkey_token::test(case),
        Strategy::Random => random::test(case),
    }
}

#[cfg(test)]
mod tests;
