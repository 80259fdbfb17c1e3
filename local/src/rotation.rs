//! The part of Secrets Manager that calls a rotation hook.
//!
//! It does what the user guide says under "Rotation by Lambda function": it labels a version without a value as
//! pending, calls the four steps one after another, and when one fails it begins again with the first.

use std::time::Duration;

use serde_json::{Value, json};

use crate::recorded::SecretsManager;
use crate::runtime_api::{Event, Function, Outcome};

/// How often the whole rotation is tried.
const ATTEMPTS: usize = 5;

/// How long it waits before it tries again; the service takes minutes.
const PAUSE: Duration = Duration::from_millis(25);

/// The four steps, as the service spells them.
pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// The version that applications read.
pub const CURRENT: &str = "AWSCURRENT";

/// The version that is being rotated to.
pub const PENDING: &str = "AWSPENDING";

/// The version that was current before.
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// A rotation that was begun.
#[derive(Debug, Clone)]
pub struct Rotation {
    secrets: SecretsManager,
    secret: String,
    /// The version that is being rotated to.
    pub token: String,
}

/// A step that was called.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a rotation ended.
#[derive(Debug)]
pub struct Ended {
    /// Every step that was called, over all attempts.
    pub steps: Vec<Step>,
    /// `None` when the rotation succeeded; else why the service holds that it did not.
    pub failed: Option<String>,
}

impl Rotation {
    /// Begins a rotation, or takes up the one with this token.
    ///
    /// # Errors
    /// When the service would refuse it: rotation is off, or another is not complete.
    pub fn begin(secrets: &SecretsManager, secret: &str, token: &str) -> anyhow::Result<Self> {
        secrets.begin(secret, token)?;
        Ok(Self { secrets: secrets.clone(), secret: secrets.arn(secret)?, token: token.to_owned() })
    }

    /// The event of a step.
    pub fn event(&self, step: &str) -> anyhow::Result<Value> {
        let mut event = json!({"Step": step, "SecretId": self.secret, "ClientRequestToken": self.token});
        if let (Some(token), Some(fields)) =
            (self.secrets.rotation_token(&self.secret)?, event.as_object_mut())
        {
            fields.insert("RotationToken".to_owned(), token.into());
        }
        Ok(event)
    }

    /// Calls one step.
    pub async fn step(&self, hook: &Function, name: &'static str) -> anyhow::Result<Step> {
        let outcome = hook.invoke(Event::new(&self.event(name)?)).await?.outcome;
        Ok(Step { name, outcome })
    }

    /// Calls the steps up to the one that fails, or all.
    pub async fn attempt(&self, hook: &Function) -> anyhow::Result<Vec<Step>> {
        let mut steps = Vec::new();
        for name in STEPS {
            let step = self.step(hook, name).await?;
            let went_well = step.went_well();
            steps.push(step);
            if !went_well {
                break;
            }
        }
        Ok(steps)
    }

    /// Calls the steps, again and again from the first when one fails, and closes the rotation.
    pub async fn run(&self, hook: &Function) -> anyhow::Result<Ended> {
        let mut steps = Vec::new();
        for _ in 0..ATTEMPTS {
            let attempt = self.attempt(hook).await?;
            let failed = attempt.last().filter(|step| !step.went_well()).map(Step::to_string);
            steps.extend(attempt);
            if failed.is_none() {
                let failed = self.secrets.end(&self.secret, &self.token).err().map(|error| error.to_string());
                return Ok(Ended { steps, failed });
            }
            if self.secrets.version(&self.secret, PENDING)?.as_deref() != Some(&*self.token)
                && self.secrets.version(&self.secret, CURRENT)?.as_deref() != Some(&*self.token)
            {
                return Ok(Ended { steps, failed: Some("the rotation was abandoned".to_owned()) });
            }
            tokio::time::sleep(PAUSE).await;
        }
        let failed = steps.last().map(Step::to_string);
        Ok(Ended { steps, failed })
    }

    /// What `RotateImmediately=false` does: calls the test alone, on a version that is gone afterwards.
    pub async fn only_test(
        secrets: &SecretsManager,
        secret: &str,
        token: &str,
        hook: &Function,
    ) -> anyhow::Result<Step> {
        secrets.begin_test(secret, token)?;
        let this = Self { secrets: secrets.clone(), secret: secrets.arn(secret)?, token: token.to_owned() };
        let step = this.step(hook, "testSecret").await;
        secrets.end_test(secret, token)?;
        step
    }
}

impl Step {
    /// Whether the hook answered.
    pub const fn went_well(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.name, self.outcome)
    }
}

impl Ended {
    /// The steps that failed.
    pub fn failures(&self) -> Vec<&Step> {
        self.steps.iter().filter(|step| !step.went_well()).collect()
    }
}

/// A token of its own for a word, as long as the service makes them.
pub fn token(word: &str) -> String {
    let digits = crate::recorded::digest(word);
    let at = |from: usize, to: usize| digits.get(7 + from..7 + to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", at(0, 8), at(8, 12), at(12, 15), at(15, 18), at(18, 30))
}
