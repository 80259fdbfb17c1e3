//! A list of checks, one line each: how it is, and how to mend it.

use serde_json::{Value, json};

use super::text;
use crate::Problem;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// As it should be.
    Good,
    /// Nobody could look: it may be as it should be.
    Untried,
    /// It works, but somebody should know.
    Warning,
    /// It does not work, or is not there.
    Missing,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Untried => "untried",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Plain,
            Self::Untried => Tone::Faint,
            Self::Warning => Tone::Warm,
            Self::Missing => Tone::Bad,
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    state: State,
    name: String,
    says: String,
    mend: String,
}

/// The checks so far. People see each as soon as it is made.
#[derive(Debug)]
pub(super) struct Checks<'a> {
    out: &'a Out,
    /// What a check is called that failed.
    missing: &'static str,
    all: Vec<Check>,
}

impl<'a> Checks<'a> {
    /// None yet. What is wrong is called so.
    pub(super) const fn new(out: &'a Out, missing: &'static str) -> Self {
        Self { out, missing, all: Vec::new() }
    }

    /// One more.
    pub(super) fn say(&mut self, state: State, name: &str, says: impl Into<String>, mend: impl Into<String>) {
        let check = Check { state, name: name.to_owned(), says: says.into(), mend: mend.into() };
        if self.out.is_for_people() {
            self.out.line(state.tone(), &line(&check, self.missing));
        }
        self.all.push(check);
    }

    /// It is as it should be.
    pub(super) fn good(&mut self, name: &str, says: impl Into<String>) {
        self.say(State::Good, name, says, "");
    }

    /// It was not tried, and why.
    pub(super) fn untried(&mut self, name: &str, says: impl Into<String>) {
        self.say(State::Untried, name, says, "");
    }

    /// It works, but somebody should know.
    pub(super) fn warn(&mut self, name: &str, says: impl Into<String>, mend: impl Into<String>) {
        self.say(State::Warning, name, says, mend);
    }

    /// It does not work, or is not there.
    pub(super) fn missing(&mut self, name: &str, says: impl Into<String>, mend: impl Into<String>) {
        self.say(State::Missing, name, says, mend);
    }

    /// What goes on, for whoever waits.
    pub(super) fn note(&self, text: &str) {
        self.out.note(text);
    }

    /// The exit code of the worst.
    pub(super) fn worst(&self) -> Exit {
        match self.all.iter().map(|check| check.state).max().unwrap_or(State::Good) {
            State::Good | State::Untried => Exit::Good,
            State::Warning => Exit::Warnings,
            State::Missing => Exit::Errors,
        }
    }

    /// All are made.
    pub(super) fn end(self) -> Exit {
        let worst = self.worst();
        self.end_as(worst)
    }

    /// The others could not be made.
    pub(super) fn end_as(self, exit: Exit) -> Exit {
        if !self.out.is_for_people() {
            let checks: Vec<Value> = self.all.iter().map(|check| json(check, self.missing)).collect();
            self.out.raw(&format!("{:#}\n", json!({"exit": exit.code(), "checks": checks})));
        }
        exit
    }
}

/// What `health-check` finds of these kinds, or of all; nobody is told.
///
/// # Errors
/// As [`Reach::ask`].
pub(super) async fn sweep(reach: &Reach, kinds: &[&str]) -> Result<Value, Problem> {
    let asked = json!({"check": {"environment": reach.stack.environment, "kinds": kinds, "format": "json"}});
    let answer = reach.ask(Function::HealthCheck, &asked).await?;
    serde_json::from_str(text(&answer, "/text"))
        .map_err(|error| Problem::new(format!("what health-check answers cannot be read: {error}")))
}

fn json(check: &Check, missing: &str) -> Value {
    let Check { state, name, says, mend } = check;
    let state = if *state == State::Missing { missing } else { state.word() };
    json!({"check": name, "state": state, "says": says, "mend": (!mend.is_empty()).then_some(mend)})
}

fn line(check: &Check, missing: &str) -> String {
    let Check { state, name, says, mend } = check;
    let state = if *state == State::Missing { missing } else { state.word() };
    let says = says.trim_end_matches('.');
    let end = if says.ends_with('?') { "" } else { "." };
    let mend = if mend.is_empty() { String::new() } else { format!("{end} {mend}") };
    format!("{state:<8} {name:<14} {says}{mend}")
}

#[cfg(test)]
mod tests {
    use super::{Checks, State};
    use crate::exit::Exit;
    use crate::say::{Out, Output};

    #[test]
    fn the_worst_check_is_the_exit_code() {
        for (states, exit) in [
            (&[][..], Exit::Good),
            (&[State::Good, State::Untried], Exit::Good),
            (&[State::Warning, State::Good], Exit::Warnings),
            (&[State::Missing, State::Warning], Exit::Errors),
        ] {
            let out = Out::new(Output::Json);
            let mut checks = Checks::new(&out, "missing");
            for state in states {
                checks.say(*state, "a", "b", "c");
            }
            assert_eq!(checks.worst(), exit, "{states:?}");
        }
    }

    #[test]
    fn a_check_is_one_line_with_how_to_mend_it() {
        let check = |state, mend: &str| super::Check {
            state,
            name: "policy".to_owned(),
            says: "it cannot be read".to_owned(),
            mend: mend.to_owned(),
        };
        let said = super::line(&check(State::Missing, "Mend line 2"), "error");
        assert_eq!(said, "error    policy         it cannot be read. Mend line 2");
        assert_eq!(
            super::line(&check(State::Good, ""), "error"),
            "ok       policy         it cannot be read"
        );
    }
}
