//! A change: the plan first, then, with `--apply` and the word that production asks for, what was planned.

use serde_json::Value;

use super::{PLAN, sure, text};
use crate::Problem;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::Out;

/// What is planned and done, and how it is told.
pub(super) struct Deed<'a> {
    /// Whom it is asked of.
    pub(super) function: Function,
    /// The request: as a dry run or not, with the word.
    pub(super) event: &'a dyn Fn(bool, Option<&str>) -> Value,
    /// The word that production asks for.
    pub(super) word: &'static str,
    /// The outcome's word where it is done.
    pub(super) done: &'static str,
    /// How it ends where nothing is proposed.
    pub(super) without: fn(&Value) -> Exit,
    /// How an answer is shown.
    pub(super) show: &'a dyn Fn(&Value, &Out),
    /// What to do where nobody knows whether it was done.
    pub(super) unknown: &'static str,
    /// Whether it is to be done.
    pub(super) apply: bool,
    /// The word, as it was given.
    pub(super) confirm: Option<&'a str>,
}

impl Deed<'_> {
    /// Tells the plan, and carries it out where that is asked for.
    pub(super) async fn run(&self, reach: &Reach, out: &Out) -> Result<Exit, Problem> {
        let plan = reach.ask(self.function, &(self.event)(true, None)).await?;
        let is_possible = text(&plan, "/outcome") == "proposed";
        if !self.apply || !is_possible {
            out.answer(&plan, |out| {
                (self.show)(&plan, out);
                if is_possible {
                    out.line(crate::say::Tone::Plain, PLAN);
                }
            });
            return Ok(if is_possible { Exit::Good } else { (self.without)(&plan) });
        }
        if out.is_for_people() {
            (self.show)(&plan, out);
        }
        let confirm = sure(reach, self.confirm, self.word, out).await?;
        // Somebody who types a word has read that plan, and takes their time.
        let now = reach.ask(self.function, &(self.event)(true, None)).await?;
        if now.get("plan") != plan.get("plan") {
            out.answer(&now, |out| (self.show)(&now, out));
            out.problem(&"the plan has changed meanwhile; nothing was done. Look, and ask again");
            return Ok(Exit::Errors);
        }
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
