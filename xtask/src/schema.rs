//! The JSON Schema of the policy, as a file that editors and checks can use.

use anyhow::Context;
use local::place;

use crate::say;

const FILE: &str = "policy.schema.json";

/// Writes the schema from the types.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(&shared::policy::schema())?;
    text.push('\n');
    std::fs::write(place::root().join(FILE), text).with_context(|| format!("cannot write {FILE}"))?;
    say::line(&format!("{FILE} is written."));
    Ok(())
}
