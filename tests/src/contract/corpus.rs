//! What the functions make of `events/`, where their own tests do not say.

use anyhow::{bail, ensure};
use secret_redeploy::event::{Arrived, Moved, parse};

use crate::stage::Stage;

/// Each shape is understood, and what is hostile is refused; a rotation that succeeded is a move of the label, wherever
/// `CloudTrail` names the secret.
pub(super) fn secret_redeploy() -> anyhow::Result<()> {
    let (mut shapes, mut succeeded) = (0, 0);
    for (name, event) in Stage::events("secret-redeploy")? {
        let read = parse(&event);
        ensure!(read.is_err() == name.starts_with("hostile-"), "{name}: {read:?}");
        shapes += 1;
        if !name.starts_with("rotation-succeeded-") || name.ends_with("-of-no-secret") {
            continue;
        }
        let Ok(Arrived::Moved(Moved { secret, label, version, .. })) = read else {
            bail!("{name} moves nothing: {read:?}");
        };
        let named = secret.contains("prod/db") || secret.contains("rds!cluster-");
        ensure!(named && label == "AWSCURRENT", "{name} moves {label} of {secret}");
        // The request's id holds the version behind the ARN, so a name does not lead to it.
        let told = !name.ends_with("-foreign-request-id") && !name.ends_with("-request-parameters");
        ensure!(version.is_some() == told, "{name} moves it to {version:?}");
        succeeded += 1;
    }
    ensure!(shapes > 30 && succeeded == 8, "{shapes} shapes, {succeeded} rotations that succeeded");
    Ok(())
}
