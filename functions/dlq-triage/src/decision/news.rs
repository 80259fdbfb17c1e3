//! What people are told: a change worth knowing, once.

use jiff::Timestamp;
use serde::Serialize;
use shared::notice::{Severity, State};
use shared::policy::dlq::Verdict;

use super::group::{Phase, Redrive, Step};
use super::loss::Loss;

/// A group has grown when there are so many times as many as people were told of, and so many more at least.
const GROWN: u64 = 2;
const GROWN_BY: u64 = 10;

/// What became of a group since it was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Whether people were told that it goes on.
    pub fires: bool,
    /// How many letters they were told of.
    pub told: u64,
    /// Why its letters died.
    pub verdict: Verdict,
    /// How many there are now.
    pub count: u64,
    /// Whether the whole queue was looked at: else, that there are none says nothing.
    pub whole: bool,
    /// What is done with it now.
    pub step: &'a Step,
    /// Its redrive, as it is after that.
    pub redrive: Option<&'a Redrive>,
}

/// What people are told of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct News {
    /// What happened.
    pub what: What,
    /// Where the incident stands then.
    #[serde(skip)]
    pub state: State,
    /// How soon somebody has to answer.
    pub severity: Severity,
}

/// What happened to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It was never seen before, or was gone.
    New,
    /// There are many more than people know of.
    Growing,
    /// Its letters return: they are sent back no more.
    Aborted,
    /// All were sent back.
    Redriven,
    /// None are left.
    Gone,
}

/// What people are told of a group; nothing where nothing changed that is worth knowing.
#[must_use]
pub fn news(change: &Change<'_>) -> Option<News> {
    let sent = change.redrive.map_or(0, |redrive| redrive.sent);
    let firing = |what, severity| Some(News { what, state: State::Firing, severity });
    let resolved = |what| Some(News { what, state: State::Resolved, severity: Severity::Sev3 });
    match change.step {
        Step::Abort => return firing(What::Aborted, Severity::Sev3),
        Step::Finish if change.count == 0 && change.fires && sent > 0 => return resolved(What::Redriven),
        Step::Leave(_) | Step::Canary { .. } | Step::Wait { .. } | Step::Send { .. } | Step::Finish => {}
    }
    if change.count == 0 {
        // A canary that is out may come back.
        let is_out = change.redrive.is_some_and(Redrive::is_running);
        return if change.whole && change.fires && !is_out { resolved(What::Gone) } else { None };
    }
    if !change.fires {
        return firing(What::New, severity(change));
    }
    let grown = change.told.saturating_mul(GROWN) <= change.count
        && change.told.saturating_add(GROWN_BY) <= change.count;
    if grown { firing(What::Growing, severity(change)) } else { None }
}

/// What is sent back by itself is for the record, until it returns.
fn severity(change: &Change<'_>) -> Severity {
    let goes = matches!(change.step, Step::Canary { .. } | Step::Wait { .. } | Step::Send { .. });
    let returned = change.redrive.is_some_and(|redrive| matches!(redrive.phase, Phase::Aborted { .. }));
    if goes && !returned && change.verdict == Verdict::Transient { Severity::Sev4 } else { Severity::Sev3 }
}

/// What people are told of a loss: that it is ahead, that it is more urgent by now, or that it is over.
#[must_use]
pub fn of_loss(told: Option<Severity>, loss: Option<Loss>) -> Option<(State, Severity)> {
    match (told, loss) {
        (None, Some(loss)) => Some((State::Firing, loss.severity)),
        // The lower, the more urgent.
        (Some(told), Some(loss)) if loss.severity < told => Some((State::Firing, loss.severity)),
        (Some(told), None) => Some((State::Resolved, told)),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// How many more letters there are in an hour, as far as two looks tell.
#[must_use]
pub fn per_hour(before: Option<(u64, Timestamp)>, depth: u64, now: Timestamp) -> Option<f64> {
    let (known, at) = before?;
    let seconds = now.duration_since(at).as_secs_f64();
    (seconds >= 1.0).then(|| (as_number(depth) - as_number(known)) * 3600.0 / seconds)
}

/// A count as metrics have it.
pub(crate) fn as_number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use shared::notice::{Severity, State};
    use shared::policy::dlq::Verdict;

    use super::{Change, What, news, of_loss, per_hour};
    use crate::decision::group::{Phase, Redrive, Step, Still};
    use crate::decision::loss::Loss;

    fn now() -> Timestamp {
        "2026-11-26T08:00:00Z".parse().unwrap()
    }

    fn redrive(phase: Phase) -> Redrive {
        Redrive {
            id: "op".to_owned(),
            began: now(),
            by: None,
            phase,
            sent: 5,
            returned: 0,
            tries: 1,
            round: 1,
        }
    }

    const LEFT: Step = Step::Leave(Still::NotTransient);
    const SEND: Step = Step::Send { room: 20 };

    #[track_caller]
    fn check(change: &Change<'_>, expected: Option<(What, State, Severity)>) {
        let got = news(change).map(|news| (news.what, news.state, news.severity));
        assert_eq!(got, expected, "{change:?}");
    }

    #[test]
    fn a_change_worth_knowing_is_told_once() {
        use Severity::{Sev3, Sev4};
        use State::{Firing, Resolved};
        let ramp = redrive(Phase::Ramp { until: now() });
        let aborted = redrive(Phase::Aborted { at: now() });
        let done = redrive(Phase::Done { at: now() });
        let unknown = Change {
            fires: false,
            told: 0,
            verdict: Verdict::Poison,
            count: 7,
            whole: true,
            step: &LEFT,
            redrive: None,
        };
        let known = Change { fires: true, told: 7, ..unknown };
        check(&unknown, Some((What::New, Firing, Sev3)));
        check(
            &Change { verdict: Verdict::Transient, step: &SEND, ..unknown },
            Some((What::New, Firing, Sev4)),
        );
        check(&known, None);
        check(&Change { count: 16, ..known }, None);
        check(&Change { count: 17, ..known }, Some((What::Growing, Firing, Sev3)));
        check(&Change { told: 100, count: 199, ..known }, None);
        check(&Change { count: 0, ..known }, Some((What::Gone, Resolved, Sev3)));
        check(&Change { count: 0, whole: false, ..known }, None);
        check(&Change { count: 0, redrive: Some(&ramp), step: &SEND, ..known }, None);
        check(&Change { count: 0, ..unknown }, None);
        check(
            &Change { step: &Step::Abort, redrive: Some(&aborted), ..known },
            Some((What::Aborted, Firing, Sev3)),
        );
        let finished = Change { count: 0, step: &Step::Finish, redrive: Some(&done), ..known };
        check(&finished, Some((What::Redriven, Resolved, Sev3)));
        check(&Change { count: 3, ..finished }, None);
    }

    #[test]
    fn a_loss_is_told_when_it_is_ahead_more_urgent_or_over() {
        let loss = |severity| Some(Loss { at: now(), severity });
        let cases = [
            (None, loss(Severity::Sev3), Some((State::Firing, Severity::Sev3))),
            (Some(Severity::Sev3), loss(Severity::Sev2), Some((State::Firing, Severity::Sev2))),
            (Some(Severity::Sev2), loss(Severity::Sev3), None),
            (Some(Severity::Sev2), loss(Severity::Sev2), None),
            (Some(Severity::Sev2), None, Some((State::Resolved, Severity::Sev2))),
            (None, None, None),
        ];
        for (told, loss, expected) in cases {
            assert_eq!(of_loss(told, loss), expected, "{told:?} {loss:?}");
        }
    }

    #[test]
    fn growth_is_what_two_looks_tell() {
        let hour_ago = now() - SignedDuration::from_mins(30);
        assert_eq!(per_hour(Some((100, hour_ago)), 150, now()), Some(100.0));
        assert_eq!(per_hour(Some((100, hour_ago)), 0, now()), Some(-200.0));
        assert_eq!(per_hour(Some((100, now())), 0, now()), None);
        assert_eq!(per_hour(None, 5, now()), None);
    }
}
