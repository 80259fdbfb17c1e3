//! `wk diagnose`, `wk rollback` and `wk stack fix`.

use serde_json::{Value, json};

use super::deed::{Deed, cluster, outcome, unless_missing};
use super::{asker, each, services, shown, text};
use crate::Problem;
use crate::args::{Fix, Rollback};
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

pub(super) async fn diagnose(reach: &Reach, target: Option<&str>, out: &Out) -> Result<Exit, Problem> {
    let Some(target) = target else {
        return services::all(reach, out).await;
    };
    let target = services::target(reach, target).await?.to_string();
    let target = target.as_str();
    let answer = reach.ask(Function::AlarmRollback, &json!({"diagnose": {"target": target}})).await?;
    out.answer(&answer, |out| {
        out.line(Tone::Strong, target);
        if let Some(now) = answer.get("now").filter(|now| !now.is_null()) {
            scene(now, out);
        }
        if each(&answer, "/tasks/stopped").next().is_some() {
            out.fact("tasks", shown(&answer, "/tasks/diagnosis/headline"));
        }
        for cause in each(&answer, "/tasks/diagnosis/causes") {
            out.fact(
                "",
                format!(
                    "{}: {}. {}",
                    times(cause.get("count").and_then(Value::as_u64)),
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
    let is_missing = answer.pointer("/rollback/missing") == Some(&Value::Bool(true));
    Ok(if is_missing { Exit::Unable } else { Exit::Good })
}

fn times(count: Option<u64>) -> String {
    match count {
        Some(1) => "once".to_owned(),
        Some(count) => format!("{count} times"),
        None => "an unknown number of times".to_owned(),
    }
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
                // Of all that is known, the thing itself.
                Value::Object(more) if name == kind => {
                    for (name, plain) in more {
                        if plain.is_string() || plain.is_number() || plain.is_boolean() {
                            out.fact(&name.replace('_', " "), shown(value, &format!("/{name}")));
                        }
                    }
                }
                Value::Null | Value::Array(_) | Value::Object(_) => {}
            }
        }
    }
}

pub(super) async fn rollback(reach: &Reach, asked: &Rollback, out: &Out) -> Result<Exit, Problem> {
    let by = asker(&asked.sure)?;
    let target = services::target(reach, &asked.target).await?;
    let event = |dry_run: bool, confirm: Option<&str>| {
        let mut event = json!({"target": target, "dry_run": dry_run, "by": by});
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
    let deed = Deed {
        function: Function::AlarmRollback,
        event: &event,
        word: "ROLLBACK",
        cluster: cluster(&target),
        done: "rolled_back",
        without: |plan| unless_missing(plan, Exit::Errors),
        show: &|answer, out| {
            outcome(answer, out);
            // What this can take back, it takes back with all that it knows; the AWS CLI would do as told.
            if !text(answer, "/undo").is_empty() {
                let operation = text(answer, "/operation");
                out.fact("or", format!("wk rollback {target} --undo {operation} --apply"));
            }
        },
        unknown: "it may have been done all the same: look with wk diagnose before you ask again",
        sure: &asked.sure,
    };
    deed.run(reach, out).await
}

/// `wk stack fix`: what is asked of the function beyond what the policy allows, the plan names.
pub(super) async fn fix(reach: &Reach, asked: &Fix, out: &Out) -> Result<Exit, Problem> {
    let by = asker(&asked.sure)?;
    let event = |dry_run: bool, confirm: Option<&str>| {
        json!({"fix": {"stack": asked.stack, "skip_unfixable": asked.skip_unfixable,
            "cancel_in_progress": asked.cancel_in_progress, "dry_run": dry_run, "confirm": confirm, "by": by}})
    };
    let deed = Deed {
        function: Function::AlarmRollback,
        event: &event,
        word: "ROLLBACK",
        cluster: None,
        done: "rolled_back",
        without: |plan| match text(plan, "/standing") {
            "well" => Exit::Good,
            "on_its_way" => Exit::Warnings,
            _ => unless_missing(plan, Exit::Errors),
        },
        show: &|answer, out| {
            outcome(answer, out);
            for skipped in each(answer, "/plan/act/continue_update_rollback/skip") {
                out.fact("skips", skipped.as_str().unwrap_or_default());
            }
            let flag = match text(answer, "/allowed_by") {
                "skip_unfixable" => "--skip-unfixable plans to continue without what keeps it from ending",
                "cancel_in_progress" => {
                    "--cancel-in-progress plans to cancel the update, and all of it goes back"
                }
                _ => return,
            };
            out.fact("or", flag);
        },
        unknown: "it may have been done all the same: look with wk stack fix before you ask again",
        sure: &asked.sure,
    };
    deed.run(reach, out).await
}
