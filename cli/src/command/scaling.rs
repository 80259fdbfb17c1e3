//! `wk scaling`.

use serde_json::json;

use super::{each, shown, text};
use crate::Problem;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

pub(super) async fn run(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    let answer = reach.ask(Function::QueueScale, &json!({"scale": "plan"})).await?;
    let failed = each(&answer, "/services").any(|it| it.get("error").is_some());
    out.answer(&answer, |out| {
        let rows: Vec<_> = each(&answer, "/services")
            .map(|it| {
                let why = if it.get("error").is_some() { shown(it, "/error") } else { shown(it, "/reason") };
                let tasks = format!(
                    "{} of {}",
                    shown(it, "/facts/service/running"),
                    shown(it, "/facts/service/desired")
                );
                vec![shown(it, "/service"), tasks, shown(it, "/facts/waiting"), why]
            })
            .collect();
        if rows.is_empty() {
            out.line(Tone::Plain, text(&answer, "/reason"));
        } else {
            out.table(&["SERVICE", "TASKS", "WAITING", "WHAT WOULD BE DONE"], rows);
        }
    });
    Ok(if failed { Exit::Errors } else { Exit::Good })
}
