//! Why something was not done, for the person at the terminal.

use std::fmt;

use shared::Error;
use shared::error::Class;

use crate::exit::Exit;

/// How a function says that it cannot read what it is asked.
const EVENT: &str = "the event is not understood: ";
/// How a function says that AWS denies it something: here it is not a function that is denied.
const DENIED: &str = "denied to this function's role";
/// How a function says that what was named is not there.
const MISSING: &str = " does not exist";

/// Why a command could not run, or did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    text: String,
    exit: Exit,
}

impl Problem {
    /// It could not run, in these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Unable }
    }

    /// It was understood, and is refused: things are not as they have to be for it.
    pub fn refused(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Errors }
    }

    /// What a function failed with, as its class and its words. A failure that stays is a refusal, unless it lies with who
    /// asks or with how the function is set up.
    pub fn answered(class: Class, said: &str) -> Self {
        let lies_here = said.starts_with(EVENT)
            || said.contains(DENIED)
            || said.ends_with(MISSING)
            || said.starts_with("environment variable ");
        let text = said.strip_prefix(EVENT).unwrap_or(said).replace(DENIED, "denied to you");
        match class {
            Class::Permanent if !lies_here => Self::refused(text),
            Class::Permanent | Class::Transient => Self::new(text),
        }
    }

    /// How it ends.
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::answered(error.class(), &error.chain())
    }
}

#[cfg(test)]
mod tests {
    use shared::Error;

    use super::Problem;
    use crate::exit::Exit;

    #[test]
    fn what_is_refused_is_told_apart_from_what_could_not_run() {
        let denied = Error::Denied { action: "ecs:UpdateService", source: "no".into() };
        let aws = |transient| Error::Aws {
            action: "ecs:UpdateService",
            code: None,
            transient,
            source: "no".into(),
        };
        for (error, exit, words) in [
            (Error::Missing("the queue q".to_owned()), Exit::Unable, "the queue q does not exist"),
            (Error::Malformed("q is left as it is".to_owned()), Exit::Errors, "q is left as it is"),
            (Error::Event("write a time".to_owned()), Exit::Unable, "write a time"),
            (Error::Later("another has it".to_owned()), Exit::Unable, "another has it"),
            (
                denied,
                Exit::Unable,
                "ecs:UpdateService is denied to you: grant it on the resource named in the cause: no",
            ),
            (aws(true), Exit::Unable, "ecs:UpdateService failed: no"),
            (aws(false), Exit::Errors, "ecs:UpdateService failed: no"),
            (
                Error::Config { name: "MODE", problem: "is not set".to_owned() },
                Exit::Unable,
                "environment variable MODE is not set",
            ),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.exit(), problem.to_string().as_str()), (exit, words));
        }
    }
}
