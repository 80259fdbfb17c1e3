//! `wk audit`.

use serde_json::{Value, json};

use super::when::at;
use super::{each, services, shown, text};
use crate::Problem;
use crate::args::Audit;
use crate::exit::Exit;
use crate::reach::{Function, Reach, now};
use crate::say::{Out, Tone};

pub(super) async fn run(reach: &Reach, asked: &Audit, out: &Out) -> Result<Exit, Problem> {
    let since = now().saturating_sub(asked.since).map_err(|error| Problem::new(error.to_string()))?;
    let target = match &asked.target {
        Some(text) => Some(services::target(reach, text).await?),
        None => None,
    };
    out.note("Looking through the ledger …");
    let event = json!({"audit": {"since": since, "target": target}});
    let answer = reach.ask(Function::NotificationFanout, &event).await?;
    out.answer(&answer, |out| show(&answer, out));
    let is_whole = each(&answer, "/missing").next().is_none();
    Ok(if is_whole { Exit::Good } else { Exit::Warnings })
}

fn show(answer: &Value, out: &Out) {
    let rows: Vec<_> = each(answer, "/deeds").map(row).collect();
    if rows.is_empty() {
        out.line(Tone::Plain, text(answer, "/reason"));
    } else {
        out.table(&["WHEN", "WHAT", "TARGET", "OUTCOME", "WHY", "WHO", "OPERATION"], rows);
    }
    for missing in each(answer, "/missing").filter_map(Value::as_str) {
        out.line(Tone::Warm, missing);
    }
}

fn row(deed: &Value) -> Vec<String> {
    let rest = ["/what", "/target", "/outcome", "/why", "/by", "/operation"].map(|field| shown(deed, field));
    std::iter::once(at(deed, "/at")).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::row;

    #[test]
    fn a_deed_is_one_row() {
        let deed = json!({"at": "2026-11-26T03:00:00.123Z", "what": "rollback", "target": "ecs:prod/web",
            "outcome": "recovered", "why": "the alarm web", "by": null, "operation": "op-1"});
        let expected =
            ["2026-11-26T03:00:00Z", "rollback", "ecs:prod/web", "recovered", "the alarm web", "–", "op-1"];
        assert_eq!(row(&deed), expected);
        assert_eq!(row(&json!({"at": null}))[0], "–");
    }
}
