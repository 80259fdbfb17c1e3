//! The JSON Schemas of what people write, as files that editors and checks can use.

use anyhow::Context;
use local::place;

use crate::say;

const POLICY: &str = "policy.schema.json";
const DEPLOYMENT: &str = "deployment.schema.json";

/// Writes the schemas from the types.
pub(crate) fn run() -> anyhow::Result<()> {
    let schemas =
        [(POLICY, shared::policy::schema()), (DEPLOYMENT, shared::notice::deployment::message_schema())];
    for (file, schema) in schemas {
        let mut text = serde_json::to_string_pretty(&schema)?;
        text.push('\n');
        std::fs::write(place::root().join(file), text).with_context(|| format!("cannot write {file}"))?;
        say::line(&format!("{file} is written."));
    }
    Ok(())
}
