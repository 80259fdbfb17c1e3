//! What a queue is about to lose, and how soon somebody has to know.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::notice::Severity;
use shared::policy::dlq::{Archived, Dlq};

/// The time between two scheduled runs (`Schedule` in the template), and as much again for one that fails.
pub const TWO_RUNS: SignedDuration = SignedDuration::from_mins(30);

/// What is about to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// When the first letter is lost.
    pub at: Timestamp,
    /// How soon somebody has to know.
    pub severity: Severity,
}

/// What a queue is about to lose whose oldest letter was sent then. Within two runs: `sev2`. Within the time in which
/// letters are archived: `sev3`, where that is not done by itself.
#[must_use]
pub fn loss(lost_at: Option<Timestamp>, policy: &Dlq, may_act: bool, now: Timestamp) -> Option<Loss> {
    let at = lost_at?;
    let left = at.duration_since(now);
    let keeps = may_act && policy.archive.what != Archived::Nothing;
    if left <= TWO_RUNS {
        return Some(Loss { at, severity: Severity::Sev2 });
    }
    (left <= policy.archive.before_loss && !keeps).then_some(Loss { at, severity: Severity::Sev3 })
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use shared::notice::Severity;
    use shared::policy::dlq::{Archive, Archived, Dlq};

    use super::loss;

    #[test]
    fn the_sooner_letters_are_lost_the_sooner_somebody_has_to_know() {
        use Archived::{All, BeforeLoss, Nothing};
        let now: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
        let policy = |what| Dlq { archive: Archive { what, ..Archive::default() }, ..Dlq::default() };
        let cases = [
            (29, BeforeLoss, true, Some(Severity::Sev2)),
            (-5, BeforeLoss, true, Some(Severity::Sev2)),
            (31, BeforeLoss, true, None),
            (31, All, true, None),
            (31, BeforeLoss, false, Some(Severity::Sev3)),
            (31, Nothing, true, Some(Severity::Sev3)),
            (12 * 60, Nothing, true, Some(Severity::Sev3)),
            (12 * 60 + 1, Nothing, true, None),
        ];
        for (minutes, what, may_act, expected) in cases {
            let at = now + SignedDuration::from_mins(minutes);
            let got = loss(Some(at), &policy(what), may_act, now);
            assert_eq!(got.map(|loss| loss.severity), expected, "{minutes} {what:?} {may_act}");
        }
        assert_eq!(loss(None, &Dlq::default(), true, now), None, "an empty queue loses nothing");
    }
}
