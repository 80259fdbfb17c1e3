//! A CloudWatch alarm: what it says, and whether anybody hears it (CloudWatch API, `DescribeAlarms`).
//!
//! An alarm that fires says that something else is wrong, so it is degraded, not failed: what is wrong is checked itself.
//! An alarm that only drives a scaling policy is in ALARM whenever that scales, and says nothing of health.

use jiff::Timestamp;

use crate::decision::{Findings, Verdict, cut};

/// How much of a reason or a description is told.
const LONGEST: usize = 300;

/// What `DescribeAlarms` says of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether it is there.
    pub there: bool,
    /// `metric`, `composite` or `log`.
    pub sort: &'static str,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`; a word of AWS that may be new.
    pub state: String,
    /// Why it is in this state.
    pub reason: String,
    /// When it last changed its state.
    pub since: Option<Timestamp>,
    /// What its maker wrote about it.
    pub description: String,
    /// `ActionsEnabled`
    pub acts: Option<bool>,
    /// The ARNs of what it does in ALARM.
    pub actions: Vec<String>,
    /// `TreatMissingData`: `breaching`, `notBreaching`, `ignore` or `missing`; composite alarms have none.
    pub missing_data: String,
    /// What keeps a composite alarm's actions back: `Alarm`, `WaitPeriod` or `ExtensionPeriod`.
    pub suppressed_by: String,
}

impl Facts {
    /// Whether all that it does is to scale.
    fn scales(&self) -> bool {
        !self.actions.is_empty() && self.actions.iter().all(|action| action.contains(":scalingPolicy:"))
    }
}

/// How the alarm is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    if !facts.there {
        found.absent(
            "it does not exist (any more)",
            "Create the alarm again, or take away what names it: nobody watches what it watched.",
        );
        return found.verdict("");
    }
    found.saw("Sort", facts.sort).saw("State", &facts.state);
    found.saw("Since", facts.since.map(|at| at.to_string()).unwrap_or_default());
    found.saw("Description", first_part(&facts.description));
    state(&mut found, facts);
    match facts.acts {
        Some(true) => {
            found.saw("Actions", facts.actions.len());
        }
        Some(false) => {
            found.degraded("its actions are off", "Turn the alarm's actions on again.");
        }
        None => {
            found.unknown("CloudWatch does not say whether its actions are on", "Check it by hand.");
        }
    }
    found.saw("Actions kept back by", &facts.suppressed_by);
    let healthy = match facts.state.as_str() {
        "ALARM" => "it drives scaling, and asks for it now",
        "INSUFFICIENT_DATA" => "it has no data, and counts that as nothing wrong",
        _ => "it does not fire",
    };
    found.verdict(healthy)
}

fn state(found: &mut Findings, facts: &Facts) {
    match facts.state.as_str() {
        "OK" => {}
        "ALARM" if facts.scales() => {
            found.saw("Reason", first_part(&facts.reason));
        }
        "ALARM" => {
            let reason = first_part(&facts.reason);
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            found.degraded(format!("it fires{why}"), "Look at what it watches.");
        }
        "INSUFFICIENT_DATA" => {
            found.saw("Missing data", &facts.missing_data).saw("Reason", first_part(&facts.reason));
            match (facts.missing_data.as_str(), facts.sort) {
                ("notBreaching", _) => {}
                // It keeps the state that it has, and never had one: that is no word on what it watches.
                ("ignore", _) => {
                    found.not_applicable(
                        "it has had no data yet, and keeps the state that it has without any",
                    );
                }
                // The default; many metrics only come when something happens.
                ("missing", _) | ("", "metric") => {
                    found.not_applicable("it has no data, and nobody said what that means");
                }
                _ => {
                    found.unknown(
                        "it has not enough data to say",
                        "Look whether its metric still comes, or say in the alarm how missing data counts.",
                    );
                }
            }
        }
        "" => {
            found.unknown("CloudWatch does not say what state it is in", "Check it by hand.");
        }
        other => {
            let why = format!("CloudWatch says a state that is not known here: {other}");
            found.unknown(why, "Check it by hand.");
        }
    }
}

/// The first part of a text, without the full stop that reasons have not.
fn first_part(text: &str) -> String {
    cut(text.trim().trim_end_matches('.'), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::{Facts, LONGEST, first_part, verdict};
    use crate::decision::Health;

    fn of(state: &str) -> Facts {
        Facts {
            there: true,
            sort: "metric",
            state: state.to_owned(),
            reason: "Threshold Crossed: 3 datapoints were greater than the threshold (1.0).".to_owned(),
            acts: Some(true),
            actions: vec!["arn:aws:sns:eu-central-1:1:alarms".to_owned()],
            missing_data: "missing".to_owned(),
            ..Facts::default()
        }
    }

    #[test]
    fn an_alarm_is_what_its_state_says_and_is_heard() {
        let missing = |word: &str| Facts { missing_data: word.to_owned(), ..of("INSUFFICIENT_DATA") };
        let scaling =
            "arn:aws:autoscaling:eu-central-1:1:scalingPolicy:1:resource/ecs/service/prod/web".to_owned();
        let fires = "it fires: Threshold Crossed: 3 datapoints were greater than the threshold (1.0)";
        let silent = "it has no data, and nobody said what that means";
        let cases = [
            (of("OK"), Health::Healthy, "it does not fire".to_owned()),
            (of("ALARM"), Health::Degraded, fires.to_owned()),
            (Facts { reason: String::new(), ..of("ALARM") }, Health::Degraded, "it fires".to_owned()),
            (
                Facts { actions: vec![scaling.clone()], ..of("ALARM") },
                Health::Healthy,
                "it drives scaling, and asks for it now".to_owned(),
            ),
            (
                Facts { actions: vec![scaling, "arn:aws:sns:eu-central-1:1:a".to_owned()], ..of("ALARM") },
                Health::Degraded,
                fires.to_owned(),
            ),
            (Facts { actions: Vec::new(), ..of("ALARM") }, Health::Degraded, fires.to_owned()),
            (missing("missing"), Health::NotApplicable, silent.to_owned()),
            (missing(""), Health::NotApplicable, silent.to_owned()),
            (
                Facts { acts: Some(false), ..missing("missing") },
                Health::Degraded,
                "its actions are off".to_owned(),
            ),
            (missing("breaching"), Health::Unknown, "it has not enough data to say".to_owned()),
            (
                Facts { sort: "composite", ..missing("") },
                Health::Unknown,
                "it has not enough data to say".to_owned(),
            ),
            (
                missing("notBreaching"),
                Health::Healthy,
                "it has no data, and counts that as nothing wrong".to_owned(),
            ),
            (
                missing("ignore"),
                Health::NotApplicable,
                "it has had no data yet, and keeps the state that it has without any".to_owned(),
            ),
            (Facts { acts: Some(false), ..of("OK") }, Health::Degraded, "its actions are off".to_owned()),
            (
                Facts { acts: Some(false), ..of("ALARM") },
                Health::Degraded,
                format!("{fires}; its actions are off"),
            ),
            (
                Facts { acts: None, ..of("OK") },
                Health::Unknown,
                "CloudWatch does not say whether its actions are on".to_owned(),
            ),
            (of(""), Health::Unknown, "CloudWatch does not say what state it is in".to_owned()),
            (
                of("PANIC"),
                Health::Unknown,
                "CloudWatch says a state that is not known here: PANIC".to_owned(),
            ),
            (Facts::default(), Health::Failed, "it does not exist (any more)".to_owned()),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!((verdict.health, &verdict.reason), (health, &reason), "{facts:?}");
            let nothing = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
            assert_eq!(nothing, verdict.todo.is_empty(), "{facts:?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut() {
        let exact = "ä".repeat(LONGEST);
        assert_eq!(first_part(&exact), exact);
        let long = first_part(&format!("{exact}ä"));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST, true));
    }
}
