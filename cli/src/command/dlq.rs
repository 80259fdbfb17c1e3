//! `wk dlq`.

use serde_json::{Map, Value, json};

use super::{by, each, shown, text};
use crate::Problem;
use crate::args::{Dlq, Emptying};
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

pub(super) async fn run(reach: &Reach, asked: &Dlq, out: &Out) -> Result<Exit, Problem> {
    if let Some(look) = plan(asked) {
        let answer = reach.ask(Function::DlqTriage, &event(&look)?).await?;
        out.answer(&answer, |out| {
            if matches!(look, Dlq::Status { .. }) {
                status(&answer, out);
            } else {
                groups(&answer, out);
            }
            out.line(Tone::Plain, "This is what there is; nothing was changed. With --apply it is done.");
        });
        return Ok(Exit::Good);
    }
    let answer = reach.ask(Function::DlqTriage, &event(asked)?).await?;
    out.answer(&answer, |out| match asked {
        Dlq::Status { .. } => status(&answer, out),
        Dlq::Peek { .. } => peek(&answer, out),
        Dlq::Groups { .. } => groups(&answer, out),
        Dlq::Redrive { .. } => redriven(&answer, out),
        Dlq::Archive(_) | Dlq::Drain(_) | Dlq::Purge(_) => emptied(&answer, out),
        Dlq::Restore { .. } => restored(&answer, out),
    });
    Ok(exit(asked, &answer))
}

/// What is looked at in place of what nobody said to apply.
fn plan(asked: &Dlq) -> Option<Dlq> {
    match asked {
        Dlq::Redrive { queue, apply: false, .. }
        | Dlq::Archive(Emptying { queue, apply: false, .. })
        | Dlq::Drain(Emptying { queue, apply: false, .. })
        | Dlq::Purge(Emptying { queue, apply: false, .. }) => Some(Dlq::Groups { queue: queue.clone() }),
        Dlq::Restore { queue, apply: false, .. } => Some(Dlq::Status { queue: Some(queue.clone()) }),
        Dlq::Status { .. }
        | Dlq::Peek { .. }
        | Dlq::Groups { .. }
        | Dlq::Redrive { .. }
        | Dlq::Archive(_)
        | Dlq::Drain(_)
        | Dlq::Purge(_)
        | Dlq::Restore { .. } => None,
    }
}

/// The request that the function knows.
fn event(asked: &Dlq) -> Result<Value, Problem> {
    Ok(match asked {
        Dlq::Status { queue } => json!({"status": {"queue": queue}}),
        Dlq::Peek { queue, count, group } => {
            json!({"peek": {"queue": queue, "count": count, "group": group}})
        }
        Dlq::Groups { queue } => json!({"groups": {"queue": queue}}),
        Dlq::Redrive { queue, group, everything, who, apply: _ } => {
            json!({"redrive": {"queue": queue, "group": group, "everything": everything, "by": by(who)?}})
        }
        Dlq::Archive(asked) => emptying("archive", asked)?,
        Dlq::Drain(asked) => emptying("drain", asked)?,
        Dlq::Purge(asked) => emptying("purge", asked)?,
        Dlq::Restore { queue, run, to, group, again, who, apply: _ } => {
            json!({"restore": {"queue": queue, "run": run, "to": to.word(), "group": group, "again": again, "by": by(who)?}})
        }
    })
}

fn emptying(how: &str, asked: &Emptying) -> Result<Value, Problem> {
    let Emptying { queue, count, group, who, apply: _ } = asked;
    let what = json!({"queue": queue, "count": count, "group": group, "by": by(who)?});
    Ok(Value::Object(Map::from_iter([(how.to_owned(), what)])))
}

/// A queue with letters is worth a look; what could not be done is an error.
fn exit(asked: &Dlq, answer: &Value) -> Exit {
    let has = |pointer: &str| match answer.pointer(pointer) {
        Some(Value::Array(them)) => !them.is_empty(),
        Some(Value::Object(them)) => !them.is_empty(),
        Some(_) | None => false,
    };
    let failed = |failed: bool, partly: bool| match (failed, partly) {
        (true, _) => Exit::Errors,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    };
    match asked {
        Dlq::Status { .. } => {
            let some = |it: &Value, field: &str| it.get(field).and_then(Value::as_u64) > Some(0);
            let letters = each(answer, "/queues").any(|it| some(it, "visible") || some(it, "in_flight"));
            failed(false, letters || has("/blind"))
        }
        Dlq::Peek { .. } | Dlq::Groups { .. } => Exit::Good,
        Dlq::Redrive { .. } => failed(has("/errors"), sum(answer, "/sent") == 0),
        Dlq::Archive(_) | Dlq::Drain(_) | Dlq::Purge(_) => {
            failed(has("/done/errors"), answer.pointer("/done/whole") != Some(&Value::Bool(true)))
        }
        Dlq::Restore { .. } => failed(has("/why"), has("/not_begun")),
    }
}

/// How many letters of all groups.
fn sum(answer: &Value, pointer: &str) -> u64 {
    let groups = answer.pointer(pointer).and_then(Value::as_object);
    groups.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

fn status(answer: &Value, out: &Out) {
    let rows: Vec<_> = each(answer, "/queues")
        .map(|it| {
            ["/queue", "/visible", "/in_flight", "/oldest_sent", "/lost_at", "/looked_at"]
                .map(|field| shown(it, field))
                .into()
        })
        .collect();
    if rows.is_empty() {
        out.line(Tone::Plain, "there is no dead-letter queue that this environment reads");
    } else {
        out.table(&["QUEUE", "LETTERS", "IN HAND", "OLDEST", "LOST AT", "LOOKED AT"], rows);
    }
    for queue in each(answer, "/queues") {
        for group in each(queue, "/groups") {
            let line = format!(
                "{} {}: {}",
                shown(group, "/count"),
                shown(group, "/verdict"),
                shown(group, "/signature")
            );
            out.fact(&shown(group, "/group"), line);
        }
    }
    for blind in each(answer, "/blind") {
        out.line(
            Tone::Warm,
            &format!("not seen: {}", blind.as_str().map_or_else(|| blind.to_string(), ToOwned::to_owned)),
        );
    }
}

fn peek(answer: &Value, out: &Out) {
    for letter in each(answer, "/letters") {
        let line =
            format!("{}  {}  {}", shown(letter, "/id"), shown(letter, "/verdict"), shown(letter, "/group"));
        out.line(Tone::Strong, &line);
        for (label, field) in
            [("sent", "/sent"), ("receives", "/receives"), ("died of", "/signature"), ("body", "/body")]
        {
            out.fact(label, shown(letter, field));
        }
    }
    if each(answer, "/letters").next().is_none() {
        out.line(Tone::Plain, "no letter was there to be shown");
    }
    if !text(answer, "/note").is_empty() {
        out.line(Tone::Warm, text(answer, "/note"));
    }
}

fn groups(answer: &Value, out: &Out) {
    out.line(Tone::Strong, &format!("{}: {} letters", shown(answer, "/queue"), shown(answer, "/letters")));
    let groups = answer.get("groups").and_then(Value::as_object);
    let rows: Vec<_> = groups
        .into_iter()
        .flatten()
        .map(|(id, it)| vec![id.clone(), shown(it, "/waiting"), shown(it, "/verdict"), shown(it, "/line")])
        .collect();
    if !rows.is_empty() {
        out.table(&["GROUP", "LETTERS", "VERDICT", "WHAT THEY DIED OF"], rows);
    }
    if answer.get("whole") == Some(&Value::Bool(false)) {
        out.line(Tone::Warm, "not all letters were looked at: the queue holds more than one look reads");
    }
    if answer.get("lost_at").is_some_and(|at| !at.is_null()) {
        out.fact("lost at", shown(answer, "/lost_at"));
    }
}

fn redriven(answer: &Value, out: &Out) {
    let sent = sum(answer, "/sent");
    let tone = if sent == 0 { Tone::Warm } else { Tone::Good };
    out.line(tone, &format!("{}: {sent} letters were sent back", shown(answer, "/queue")));
    for (group, step) in answer.get("steps").and_then(Value::as_object).into_iter().flatten() {
        out.fact(group, words(step));
    }
    if answer.get("next").is_some_and(|next| !next.is_null()) {
        out.fact("next", shown(answer, "/next"));
    }
    errors(answer, "/errors", out);
}

/// What becomes of a group, in the function's own words.
fn words(step: &Value) -> String {
    match step {
        Value::String(word) => word.replace('_', " "),
        Value::Object(fields) => {
            let said =
                fields.iter().map(|(word, more)| format!("{}: {}", word.replace('_', " "), words(more)));
            said.collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => step.to_string(),
    }
}

fn emptied(answer: &Value, out: &Out) {
    let whole = answer.pointer("/done/whole") == Some(&Value::Bool(true));
    let tone = if whole { Tone::Good } else { Tone::Warm };
    out.line(
        tone,
        &format!("{}: {} letters were read", shown(answer, "/queue"), shown(answer, "/done/letters")),
    );
    for (label, pointer) in
        [("sent back", "/done/redriven"), ("archived", "/done/archived"), ("left", "/done/left")]
    {
        out.fact(label, sum(answer, pointer));
    }
    if answer.pointer("/done/doubled").and_then(Value::as_u64) > Some(0) {
        out.fact("twice", format!("{}: they may come again", shown(answer, "/done/doubled")));
    }
    if !whole {
        out.line(Tone::Warm, "these were not all: ask for the same again");
    }
    out.fact("run", shown(answer, "/run"));
    errors(answer, "/done/errors", out);
}

fn restored(answer: &Value, out: &Out) {
    out.line(
        Tone::Good,
        &format!("{}: {} letters were sent", shown(answer, "/queue"), shown(answer, "/sent")),
    );
    if answer.get("not_sent").and_then(Value::as_u64) > Some(0) {
        out.fact("not sent", shown(answer, "/not_sent"));
    }
    for (label, list) in [("restored before", "/restored_before"), ("not begun", "/not_begun")] {
        for part in each(answer, list) {
            out.fact(label, part.as_str().unwrap_or_default());
        }
    }
    errors(answer, "/why", out);
}

fn errors(answer: &Value, pointer: &str, out: &Out) {
    for error in each(answer, pointer) {
        out.line(Tone::Bad, &error.as_str().map_or_else(|| error.to_string(), ToOwned::to_owned));
    }
}
