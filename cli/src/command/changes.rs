//! `wk diagnose` and `wk rollback`.

use serde_json::{Value, json};

use super::{PLAN, by, each, shown, sure, text};
use crate::Problem;
use crate::args::Rollback;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

pub(super) async fn diagnose(reach: &Reach, target: &str, out: &Out) -> Result<Exit, Problem> {
    let answer = reach.ask(Function::AlarmRollback, &json!({"diagnose": {"target": target}})).await?;
    out.answer(&answer, |out| {
        out.line(Tone::Strong, target);
        if let Some(now) = answer.get("now").filter(|now| !now.is_null()) {
            scene(now, out);
        }
        if answer.pointer("/tasks/diagnosis").is_some() {
            out.fact("tasks", shown(&answer, "/tasks/diagnosis/headline"));
        }
        for cause in each(&answer, "/tasks/diagnosis/causes") {
            out.fact(
                "",
                format!(
                    "{} times: {}. {}",
                    shown(cause, "/count"),
                    shown(cause, "/what"),
                    shown(cause, "/next_step")
                ),
            );
        }
        for task in each(&answer, "/tasks/stopped") {
            let ends: Vec<_> = each(task, "/containers")
                .map(|it| format!("{} ended with {}", shown(it, "/name"), shown(it, "/exit_code")))
                .collect();
            out.fact(
                "stopped",
                format!("{} {}: {}", shown(task, "/stopped_at"), shown(task, "/id"), ends.join(", ")),
            );
        }
        if let Some(rollback) = answer.get("rollback") {
            outcome(rollback, out);
        }
    });
    Ok(Exit::Good)
}

/// What a person wants to know of how a target stands: names and numbers, whatever kind it is of.
fn scene(now: &Value, out: &Out) {
    for (kind, it) in now.as_object().into_iter().flatten() {
        out.fact("kind", kind);
        for (name, value) in it.as_object().into_iter().flatten() {
            match value {
                Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                    out.fact(&name.replace('_', " "), shown(it, &format!("/{name}")));
                }
                Value::Null | Value::Array(_) | Value::Object(_) => {}
            }
        }
    }
}

pub(super) async fn rollback(reach: &Reach, asked: &Rollback, out: &Out) -> Result<Exit, Problem> {
    let by = by(&asked.who)?;
    let event = |dry_run: bool, confirm: Option<&str>| {
        let mut event = json!({"target": asked.target, "dry_run": dry_run, "by": by});
        let more = [
            ("to", asked.to.as_deref()),
            ("at", asked.at.as_deref()),
            ("undo", asked.undo.as_deref()),
            ("confirm", confirm),
        ];
        for (name, value) in more {
            if let (Some(fields), Some(value)) = (event.as_object_mut(), value) {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        json!({"rollback": event})
    };
    let plan = reach.ask(Function::AlarmRollback, &event(true, None)).await?;
    let is_possible = text(&plan, "/outcome") == "proposed";
    if !asked.apply || !is_possible {
        out.answer(&plan, |out| {
            outcome(&plan, out);
            if is_possible {
                out.line(Tone::Plain, PLAN);
            }
        });
        return Ok(if is_possible { Exit::Good } else { Exit::Errors });
    }
    if out.is_for_people() {
        outcome(&plan, out);
    }
    let confirm = sure(reach, asked.sure.confirm.as_deref(), "ROLLBACK", out).await?;
    // Somebody who types a word has read that plan, and takes their time.
    let now = reach.ask(Function::AlarmRollback, &event(true, None)).await?;
    if now.get("plan") != plan.get("plan") {
        out.answer(&now, |out| outcome(&now, out));
        out.problem(&"the plan has changed meanwhile; nothing was done. Look, and ask again");
        return Ok(Exit::Errors);
    }
    let done = match reach.ask(Function::AlarmRollback, &event(false, confirm)).await {
        Ok(done) => done,
        Err(problem) => {
            out.problem(&problem);
            out.problem(&"it may have been done all the same: look with wk diagnose before you ask again");
            return Ok(Exit::Errors);
        }
    };
    out.answer(&done, |out| outcome(&done, out));
    Ok(if text(&done, "/outcome") == "rolled_back" { Exit::Good } else { Exit::Errors })
}

/// What was decided, and why.
fn outcome(answer: &Value, out: &Out) {
    let word = text(answer, "/outcome");
    let tone = match word {
        "rolled_back" => Tone::Good,
        "proposed" | "held" => Tone::Warm,
        _ => Tone::Plain,
    };
    out.line(tone, &format!("{}: {}", word.replace('_', " "), text(answer, "/reason")));
    for note in each(answer, "/plan/notes") {
        out.fact("note", note.as_str().unwrap_or_default());
    }
    let more = [("next", "/next_step"), ("operation", "/operation"), ("take it back", "/undo")];
    for (label, pointer) in more {
        if answer.pointer(pointer).is_some_and(|it| !it.is_null()) {
            out.fact(label, shown(answer, pointer));
        }
    }
}
