//! `wk policy`.

use std::path::Path;

use serde_json::json;
use shared::policy::{self, Policy};

use crate::Problem;
use crate::args::PolicyTask;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::{Out, Tone};

const EXAMPLE: &str = include_str!("../../../policy.example.yaml");

/// Nothing where it is about the policy that is in place.
pub(super) fn without_account(task: &PolicyTask, out: &Out) -> Option<Result<Exit, Problem>> {
    Some(match task {
        PolicyTask::Check { file: Some(file) } => {
            read(file).map(|text| check(&file.display().to_string(), &text, out))
        }
        PolicyTask::Check { file: None } => return None,
        PolicyTask::Schema => {
            out.raw(&format!("{:#}\n", policy::schema().to_value()));
            Ok(Exit::Good)
        }
        PolicyTask::Init => {
            out.raw(EXAMPLE);
            Ok(Exit::Good)
        }
    })
}

pub(super) async fn in_place(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    let name = policy::parameter(&reach.stack.environment);
    if let Some(text) = reach.policy().await? {
        return Ok(check(&name, &text, out));
    }
    out.answer(&json!({"policy": name, "is_there": false, "problem": null}), |out| {
        out.line(Tone::Plain, &format!("There is no parameter {name}: the defaults hold."));
    });
    Ok(Exit::Good)
}

fn check(name: &str, text: &str, out: &Out) -> Exit {
    let problem = Policy::parse(name, text).err().map(|error| error.chain());
    out.answer(&json!({"policy": name, "is_there": true, "problem": problem}), |out| match &problem {
        None => {
            out.line(Tone::Good, &format!("{name} can be read, and says nothing that contradicts itself."));
        }
        Some(problem) => out.line(Tone::Bad, problem),
    });
    if problem.is_none() { Exit::Good } else { Exit::Errors }
}

/// A file's text.
///
/// # Errors
/// When it cannot be read; the text names it.
pub(super) fn read(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file)
        .map_err(|error| Problem::new(format!("{} cannot be read: {error}", file.display())))
}
