//! The secret's own changes: a value for the pending version, and the label's move.

use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use shared::error::Call;
use shared::{Error, Result};

use crate::decision::{Fill, Recipe, Source};
use crate::document::Document;
use crate::facts::{Facts, Work};
use crate::hidden::Hidden;
use crate::{Clients, generate, observe};

/// A value by its recipe.
pub(super) fn make(recipe: &Recipe) -> Result<Document> {
    match recipe {
        Recipe::Whole(shape) => Ok(Document::Plain(generate::value(*shape)?)),
        Recipe::Fields { base, fill } => {
            let mut made = base.clone();
            for (name, fill) in fill {
                let value = match fill {
                    Fill::Random(shape) => generate::value(*shape)?,
                    Fill::Text(text) => Hidden::new(text),
                    Fill::Value(value) => value.clone(),
                };
                made = made.with(name, &value);
            }
            Ok(made)
        }
    }
}

/// Gives the pending version its value, and answers which it has: another one, if somebody was faster.
pub(super) async fn put(clients: &Clients, facts: &Facts, made: &Document) -> Result<Document> {
    let token = match &facts.work {
        Work::Step(request) => request.rotation_token.as_ref().map(|token| token.reveal().to_owned()),
        Work::Settle { .. } => None,
    };
    let put = clients
        .secrets
        .put_secret_value()
        .secret_id(facts.work.secret())
        .client_request_token(facts.work.version())
        .secret_string(made.text().reveal())
        .version_stages("AWSPENDING")
        .set_rotation_token(token)
        .send()
        .await;
    match put {
        Ok(_) => Ok(made.clone()),
        Err(error)
            if error.as_service_error().is_some_and(PutSecretValueError::is_resource_exists_exception) =>
        {
            let source = Source {
                secret: facts.work.secret().to_owned(),
                version: Some(facts.work.version().to_owned()),
                stage: Some("AWSPENDING"),
            };
            let there = observe::value(clients, &source).await?;
            there.ok_or_else(|| {
                Error::Later("AWSPENDING has got a value meanwhile, which cannot be read yet".to_owned())
            })
        }
        Err(error) => Err(error).action("secretsmanager:PutSecretValue"),
    }
}

/// Moves AWSCURRENT from the version that the rotation set out from to the pending one. Secrets Manager moves it only if
/// that version still holds it. AWSPENDING is left: Secrets Manager takes it away itself.
pub(super) async fn finish(clients: &Clients, facts: &Facts, from: Option<&str>) -> Result<()> {
    let version = facts.work.version();
    let moved = clients
        .secrets
        .update_secret_version_stage()
        .secret_id(facts.work.secret())
        .version_stage("AWSCURRENT")
        .move_to_version_id(version)
        .set_remove_from_version_id(from.map(ToOwned::to_owned))
        .send()
        .await
        .action("secretsmanager:UpdateSecretVersionStage");
    let Err(error) = moved else { return Ok(()) };
    // An answer that was lost looks like a refusal when it is asked again.
    match observe::secret(clients, facts.work.secret()).await {
        Ok(Some(secret)) if secret.holds(version, "AWSCURRENT") => Ok(()),
        Ok(_) | Err(_) => Err(error),
    }
}
