//! `wk scale`.

use serde_json::{Value, json};

use super::deed::Deed;
use super::{by, each, services, text};
use crate::Problem;
use crate::args::Scale;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

pub(super) async fn run(reach: &Reach, asked: &Scale, out: &Out) -> Result<Exit, Problem> {
    let by = by(&asked.who)?;
    let service = services::service(reach, &asked.service).await?.to_string();
    let event = |dry_run: bool, confirm: Option<&str>| json!({"scale": {"service": service, "to": asked.count, "dry_run": dry_run, "confirm": confirm, "by": by}});
    let deed = Deed {
        function: Function::QueueScale,
        event: &event,
        word: "SCALE",
        done: "scaled",
        without: |plan| if text(plan, "/outcome") == "kept" { Exit::Good } else { Exit::Errors },
        show: &shown,
        unknown: "it may have been done all the same: look with wk diagnose before you ask again",
        apply: asked.apply,
        confirm: asked.sure.confirm.as_deref(),
    };
    deed.run(reach, out).await
}

fn shown(answer: &Value, out: &Out) {
    let word = text(answer, "/outcome");
    let tone = match word {
        "scaled" => Tone::Good,
        "proposed" | "held" => Tone::Warm,
        _ => Tone::Plain,
    };
    out.line(tone, &format!("{word}: {}", text(answer, "/reason")));
    for note in each(answer, "/plan/notes") {
        out.fact("note", note.as_str().unwrap_or_default());
    }
    for (label, pointer) in [("next", "/next_step"), ("operation", "/operation"), ("take it back", "/undo")] {
        if answer.pointer(pointer).is_some_and(|it| !it.is_null()) {
            out.fact(label, text(answer, pointer));
        }
    }
}
