//! Carries out what was decided. Everything here may be cut off at any point and done again.

mod cache;
mod secret;

use jiff::Timestamp;
use shared::ledger::rotation::{Overlap, Phase, Rotation, State, Written};
use shared::strategy::Strategy;
use shared::{Error, Result};

use crate::Clients;
use crate::account::{Access, Server};
use crate::decision::{Action, Plan};
use crate::facts::{Facts, Which};
use crate::server::{self, postgres};

/// What an action brings with it.
pub(crate) struct Acting<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) now: Timestamp,
    /// What is left of the invocation.
    pub(crate) left: &'a (dyn Fn() -> std::time::Duration + Sync),
}

/// What came of it, beside what was meant to.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Effect {
    /// Settings of the first of two users that the second could not be given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) settings_lacking: Vec<String>,
    /// Since when new connections with the old credential fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exposed: Option<Timestamp>,
}

impl Acting<'_> {
    /// Does it. `attempted` is set as soon as the change may come to effect.
    pub(crate) async fn carry_out(
        &self,
        facts: &mut Facts,
        plan: &Plan,
        attempted: &mut bool,
    ) -> Result<Effect> {
        let mut effect = Effect::default();
        match &plan.action {
            Action::Create(recipe) => {
                let made = secret::make(recipe)?;
                facts.seen.extend(made.hidden());
                self.begin(facts, plan, None).await?;
                let kept = secret::put(self.clients, facts, &made).await?;
                facts.values.insert(Which::Pending, Some(kept));
            }
            Action::SetPassword { session, proof } => {
                let exposed = facts
                    .entry()
                    .and_then(|entry| entry.exposed)
                    .or((!plan.strategy.overlaps()).then_some(self.now));
                self.begin(facts, plan, exposed).await?;
                *attempted = true;
                let work = postgres::set_password(session, database(session), proof);
                server::within((self.left)(), work).await.map_err(|failure| failure.of(session))?;
                self.prove(facts, proof).await?;
                effect.exposed = exposed;
            }
            Action::Alternate { session, pair, proof } => {
                self.begin(facts, plan, None).await?;
                *attempted = true;
                let work = postgres::alternate(session, database(session), pair, proof);
                effect.settings_lacking =
                    server::within((self.left)(), work).await.map_err(|failure| failure.of(session))?;
                self.prove(facts, proof).await?;
            }
            Action::SetUserPasswords { user, passwords } => {
                self.begin(facts, plan, None).await?;
                *attempted = true;
                cache::set_passwords(self.clients, user, passwords).await?;
            }
            Action::RotateToken { group, token } => {
                self.begin(facts, plan, None).await?;
                // Before it is added: what was added and is not known of would be dropped by the next one.
                self.overlap(facts, Phase::Added).await?;
                *attempted = true;
                cache::rotate_token(self.clients, group, token).await?;
            }
            Action::AdoptToken => self.overlap(facts, Phase::Added).await?,
            Action::Finish => {
                *attempted = true;
                secret::finish(self.clients, facts, plan.from.as_deref()).await?;
                effect.exposed = facts.entry().and_then(|entry| entry.exposed);
                // The label has moved: that this cannot be written down must not undo it.
                let _ = self.record(facts, plan, State::Rotated, effect.exposed).await;
            }
            Action::Rotated => {
                effect.exposed = facts.entry().and_then(|entry| entry.exposed);
                let _ = self.record(facts, plan, State::Rotated, effect.exposed).await;
            }
            Action::SetToken { group, token } => {
                self.overlap(facts, Phase::Settling).await?;
                *attempted = true;
                cache::set_token(self.clients, group, token).await?;
                self.settled(facts, plan).await?;
            }
            Action::Settled => self.settled(facts, plan).await?,
        }
        Ok(effect)
    }

    /// That the server lets in what was just set.
    async fn prove(&self, facts: &mut Facts, proof: &Access) -> Result<()> {
        let login = server::login(proof, false, (self.left)()).await?;
        let is_in = login.is_in();
        facts.logins.insert(Which::Pending, login);
        if is_in {
            return Ok(());
        }
        Err(Error::Malformed("the server does not let AWSPENDING in after its password was set".to_owned()))
    }

    /// Records what the rotation sets out from before anything is changed: `finishSecret` moves the label from that
    /// version and no other.
    async fn begin(&self, facts: &mut Facts, plan: &Plan, exposed: Option<Timestamp>) -> Result<()> {
        let begun = self.entry(facts, plan, State::UnderWay, exposed);
        match self.clients.ledger.record_rotation(&begun, self.now).await? {
            Written::Written => {
                // What is written of a failure after this builds on it.
                facts.rotation = Some(Some(begun));
                Ok(())
            }
            Written::Outdated => {
                Err(Error::Later("a later step of the secret's rotation is under way".to_owned()))
            }
        }
    }

    async fn settled(&self, facts: &Facts, plan: &Plan) -> Result<()> {
        if plan.strategy == Strategy::ValkeyAuthToken {
            self.overlap(facts, Phase::Settled).await?;
        }
        let exposed = facts.entry().and_then(|entry| entry.exposed);
        // Where something newer stands, that is of another version, and this one needs no telling of.
        let (Written::Written | Written::Outdated) =
            self.record(facts, plan, State::Settled, exposed).await?;
        Ok(())
    }

    async fn overlap(&self, facts: &Facts, phase: Phase) -> Result<()> {
        let overlap = Overlap { version: facts.work.version().to_owned(), phase, at: self.now };
        match self.clients.ledger.record_overlap(facts.work.secret(), &overlap, self.now).await? {
            Written::Written => Ok(()),
            Written::Outdated => Err(Error::Later("a token was added to the group meanwhile".to_owned())),
        }
    }

    async fn record(
        &self,
        facts: &Facts,
        plan: &Plan,
        state: State,
        exposed: Option<Timestamp>,
    ) -> Result<Written> {
        let rotation = self.entry(facts, plan, state, exposed);
        self.clients.ledger.record_rotation(&rotation, self.now).await
    }

    fn entry(&self, facts: &Facts, plan: &Plan, state: State, exposed: Option<Timestamp>) -> Rotation {
        // What AWSCURRENT was when it began; by now it may be this version itself.
        let began = match state {
            State::UnderWay => None,
            State::Rotated | State::Settled | State::Failed => {
                facts.entry().and_then(|known| known.previous.clone())
            }
        };
        Rotation {
            secret: facts.work.secret().to_owned(),
            version: facts.work.version().to_owned(),
            previous: began.or_else(|| plan.from.clone()).filter(|from| from != facts.work.version()),
            strategy: plan.strategy,
            step: facts.work.step().to_owned(),
            state,
            said: String::new(),
            exposed,
            at: self.now,
        }
    }
}

fn database(access: &Access) -> &str {
    match &access.server {
        Server::Postgres { database } => database,
        Server::Valkey => "",
    }
}

#[cfg(test)]
mod tests;
