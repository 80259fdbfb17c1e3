//! A change: the plan first, then, with `--apply` and the word that production asks for, what was planned.

use serde_json::Value;
use shared::target::Target;

use super::{CHANGED, PLAN, each, shown, sure, text};
use crate::Problem;
use crate::args::Sure;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

/// What is planned and done, and how it is told.
pub(super) struct Deed<'a> {
    /// Whom it is asked of.
    pub(super) function: Function,
    /// The request: as a dry run or not, with the word.
    pub(super) event: &'a dyn Fn(bool, Option<&str>) -> Value,
    /// The word that production asks for.
    pub(super) word: &'static str,
    /// The cluster of what it is done to.
    pub(super) cluster: Option<&'a str>,
    /// The outcome's word where it is done.
    pub(super) done: &'static str,
    /// How it ends where nothing is proposed.
    pub(super) without: fn(&Value) -> Exit,
    /// How an answer is shown.
    pub(super) show: &'a dyn Fn(&Value, &Out),
    /// What to do where nobody knows whether it was done.
    pub(super) unknown: &'static str,
    /// Whether it is to be done, and with which word.
    pub(super) sure: &'a Sure,
}

impl Deed<'_> {
    /// Tells the plan, and carries it out where that is asked for.
    pub(super) async fn run(&self, reach: &Reach, out: &Out) -> Result<Exit, Problem> {
        let plan = reach.ask(self.function, &(self.event)(true, None)).await?;
        let is_possible = text(&plan, "/outcome") == "proposed";
        if !self.sure.apply || !is_possible {
            out.answer(&plan, |out| {
                (self.show)(&plan, out);
                if is_possible {
                    out.line(Tone::Plain, PLAN);
                }
            });
            return Ok(if is_possible { Exit::Good } else { (self.without)(&plan) });
        }
        if out.is_for_people() {
            (self.show)(&plan, out);
        }
        let confirm = sure(reach, self.sure.confirm.as_deref(), self.word, self.cluster, out).await?;
        // Somebody who types a word has read that plan, and takes their time.
        let now = reach.ask(self.function, &(self.event)(true, None)).await?;
        if now.get("plan") != plan.get("plan") {
            out.answer(&now, |out| (self.show)(&now, out));
            out.problem(&CHANGED);
            return Ok(Exit::Errors);
        }
        out.begin();
        let done = match reach.ask(self.function, &(self.event)(false, confirm)).await {
            Ok(done) => done,
            Err(problem) => {
                out.problem(&problem);
                out.problem(&self.unknown);
                return Ok(Exit::Errors);
            }
        };
        out.answer(&done, |out| (self.show)(&done, out));
        Ok(if text(&done, "/outcome") == self.done { Exit::Good } else { Exit::Errors })
    }
}

/// How it ends where nothing is proposed: what was named and is not there could not run.
pub(super) fn unless_missing(plan: &Value, otherwise: Exit) -> Exit {
    if plan.get("missing") == Some(&Value::Bool(true)) { Exit::Unable } else { otherwise }
}

/// The cluster of a target; nothing of what runs in none.
pub(super) fn cluster(target: &Target) -> Option<&str> {
    match target {
        Target::Service { cluster, .. } => Some(cluster),
        Target::Alias { .. } | Target::Stack { .. } => None,
    }
}

/// What was decided, and why; what to know of it, and what comes next.
pub(super) fn outcome(answer: &Value, out: &Out) {
    let word = text(answer, "/outcome");
    let tone = match word {
        "rolled_back" | "scaled" | "begun" => Tone::Good,
        "proposed" | "held" => Tone::Warm,
        _ => Tone::Plain,
    };
    // That a plan is none but a plan is said below it, or the word is asked for.
    let reason = text(answer, "/reason");
    let reason = reason.strip_prefix("this is a dry run: ").unwrap_or(reason);
    out.line(tone, &format!("{}: {reason}", word.replace('_', " ")));
    for note in each(answer, "/plan/notes") {
        out.fact("note", note.as_str().unwrap_or_default());
    }
    facts(answer, &[("next", "/next_step"), ("operation", "/operation"), ("take it back", "/undo")], out);
}

/// Those of these that an answer has, each behind its label.
pub(super) fn facts(answer: &Value, wanted: &[(&str, &str)], out: &Out) {
    for (label, pointer) in wanted {
        if answer.pointer(pointer).is_some_and(|it| !it.is_null()) {
            out.fact(label, shown(answer, pointer));
        }
    }
}
