//! `wk status`.

use serde_json::{Value, json};

use super::{text, watch};
use crate::Problem;
use crate::args::{Format, Status};
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::Out;

pub(super) async fn run(reach: &Reach, status: &Status, out: &Out) -> Result<Exit, Problem> {
    if status.watch {
        return watch::run(reach, status, out).await;
    }
    let format = if out.is_for_people() { status.format.unwrap_or(Format::Table) } else { Format::Json };
    let environment = &reach.stack.environment;
    let mut asked = json!({"environment": environment, "kinds": status.kinds, "format": format.word()});
    // An older function, asked with --remote, does not know it.
    if let (Some(width), Some(fields)) = (out.width().filter(|_| !reach.is_remote()), asked.as_object_mut()) {
        fields.insert("width".to_owned(), json!(width));
    }
    let asked = json!({"check": asked});
    let answer = reach.ask(Function::HealthCheck, &asked).await?;
    // The text is the whole answer, as JSON too.
    out.raw(text(&answer, "/text"));
    let exit = answer.get("exit").and_then(Value::as_u64).map_or(Exit::Unable, Exit::of);
    if out.is_for_people() && format == Format::Table && matches!(exit, Exit::Errors | Exit::Warnings) {
        out.note("What to do about each: wk status --format verbose");
    }
    Ok(exit)
}
