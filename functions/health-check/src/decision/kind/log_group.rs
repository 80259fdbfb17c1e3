//! A log group: there, and kept for as long as the environment has to keep its logs (CloudWatch Logs API).
//!
//! A group whose events never expire keeps them long enough, so it is healthy; that it costs more every month is told as
//! what was seen.

use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// What `DescribeLogGroups` says of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether it is there.
    pub there: bool,
    /// Days; nothing where its events never expire.
    pub kept: Option<i32>,
    /// `storedBytes`
    pub stored: Option<i64>,
    /// Whether it is encrypted with a key of the account.
    pub own_key: bool,
}

/// How the log group is.
pub fn verdict(facts: &Facts, expected: &Expected) -> Verdict {
    let mut found = Findings::new();
    if !facts.there {
        found.absent(
            "it does not exist (any more)",
            "Create the log group again, or take away what writes to it.",
        );
        return found.verdict("");
    }
    let wanted = expected.log_days;
    match facts.kept.map(u32::try_from) {
        None => {
            found.saw("Kept", "for ever");
        }
        Some(Ok(days)) if 0 < days => {
            found.saw("Kept", format!("{days} days"));
            if days < wanted {
                found.degraded(
                    format!("it is kept for {days} days only, not for {wanted}"),
                    format!("Set its retention to {wanted} days or more."),
                );
            }
        }
        Some(Ok(_) | Err(_)) => {
            found.unknown("CloudWatch Logs does not say for how long it is kept", "Check its retention.");
        }
    }
    if let Some(bytes) = facts.stored {
        found.saw("Stored", format!("{bytes} bytes"));
    }
    if facts.own_key {
        found.saw("Encryption", "aws:kms");
    }
    found.verdict("it is there, and kept for long enough")
}

#[cfg(test)]
mod tests {
    use shared::policy::health::Expectations;

    use super::{Facts, verdict};
    use crate::decision::Health;

    #[test]
    fn logs_are_kept_for_as_long_as_the_environment_has_to() {
        let kept = |kept: Option<i32>| Facts { there: true, kept, stored: Some(1), own_key: true };
        let cases = [
            (Facts::default(), Health::Failed, "it does not exist (any more)"),
            (kept(None), Health::Healthy, "it is there, and kept for long enough"),
            (kept(Some(30)), Health::Healthy, "it is there, and kept for long enough"),
            (kept(Some(14)), Health::Degraded, "it is kept for 14 days only, not for 30"),
            (kept(Some(0)), Health::Unknown, "CloudWatch Logs does not say for how long it is kept"),
            (kept(Some(-1)), Health::Unknown, "CloudWatch Logs does not say for how long it is kept"),
        ];
        let production = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &production);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{facts:?}");
        }
        let told = verdict(&kept(None), &production).evidence;
        assert_eq!(told.first().map(|fact| fact.value.as_str()), Some("for ever"));
    }
}
