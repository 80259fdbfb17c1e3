//! The decision as tables of cases: each line changes one thing about a case that would be rolled back.
//!
//! Every rule is a function that gives its cases, and a test of the same name; all of them together reach every
//! verdict and every reason. What people read of them stands in `tests/reasons.txt`.

/// Makes the rules of a file known to the whole table, and a test of each.
macro_rules! rules {
    ($($rule:ident,)*) => {
        pub(super) fn rules() -> Vec<(&'static str, Vec<super::Case>)> {
            vec![$((stringify!($rule), $rule())),*]
        }

        mod holds {
            $(
                #[test]
                fn $rule() {
                    super::super::hold_true(super::$rule());
                }
            )*
        }
    };
}

mod arrival;
mod blame;
mod by_hand;
mod candidate;
mod deployable;
mod guards;
mod in_flight;
mod kinds;
mod properties;
mod recovery;
mod scenarios;
pub(super) mod truth;
mod whole;

use super::{Act, Plan, Policy, Question, Rollback, Step, Verdict, decide, operation_id, service, short};
use truth::{Truth, truth};

/// One line of the table.
struct Case {
    /// What is special about it.
    name: &'static str,
    truth: Truth,
    /// How the verdict begins, in the words of [`said`].
    verdict: &'static str,
}

fn case(name: &'static str, truth: Truth, verdict: &'static str) -> Case {
    Case { name, truth, verdict }
}

/// The case that would be rolled back, with this change.
fn when(name: &'static str, change: impl FnOnce(&mut Truth), verdict: &'static str) -> Case {
    case(name, truth().with(change), verdict)
}

#[track_caller]
fn hold_true(cases: Vec<Case>) {
    assert!(!cases.is_empty(), "a rule without a case");
    for Case { name, truth, verdict } in cases {
        let got = said(&truth.verdict());
        assert!(got.starts_with(verdict), "{name}:\n     got: {got}\nexpected: {verdict}");
    }
}

/// A verdict on one line.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ignore(why) => format!("ignore: {why}"),
        Verdict::Hold { why, .. } => format!("hold: {why}"),
        Verdict::Propose { rollback, withheld } => {
            format!("propose, because {withheld}: {}", planned(&rollback.plan))
        }
        Verdict::RollBack(rollback) => planned(&rollback.plan),
        Verdict::RolledBack { operation, .. } => {
            format!("done before: {} -> {}", short(&operation.from), short(&operation.to))
        }
        Verdict::HandOver { target, operation } => format!("hand over {operation} of {target}"),
        Verdict::Resolve(incident) => format!("resolve {}", incident.key),
    }
}

fn planned(plan: &Plan) -> String {
    let act = match &plan.act {
        Act::UpdateService { task_definition } => format!("update the service to {}", short(task_definition)),
        Act::Scale { desired } => format!("scale to {desired}"),
        Act::StopServiceDeployment { deployment } => format!("stop {deployment}"),
        Act::RegisterTaskDefinition { of, images } if images.is_empty() => format!("copy {}", short(of)),
        Act::RegisterTaskDefinition { of, images } => {
            let images = images.values().map(|image| image.rsplit('/').next().unwrap_or(image));
            format!("copy {} with {}", short(of), images.collect::<Vec<_>>().join(", "))
        }
        Act::CreateDeployment { group, .. } => format!("tell CodeDeploy to deploy to {group}"),
        Act::StopDeployment { deployment } => format!("tell CodeDeploy to stop {deployment}"),
        Act::UpdateAlias { version, .. } => format!("point the alias to {version}"),
        Act::CancelUpdateStack => "cancel the stack's update".to_owned(),
        Act::ContinueUpdateRollback { .. } => "continue the stack's rollback".to_owned(),
        Act::RollbackStack => "roll the stack back".to_owned(),
    };
    let (from, to) = (short(&plan.from), short(&plan.to));
    let mut said = format!("{from} -> {to}: {act} ({})", plan.basis.grounds());
    for note in &plan.notes {
        said = format!("{said} [{note}]");
    }
    said
}
