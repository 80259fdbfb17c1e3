use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shared::ledger::activity::{Acknowledged, Activity, MOST_CHANGES};
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::notify::Flapping;

use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_795_176_000).unwrap() + SignedDuration::from_mins(minutes)
}

fn notice(state: State, severity: Severity, minutes: i64) -> Notice {
    let subject = Subject { kind: "alarm".to_owned(), id: "web".to_owned(), arn: None };
    Notice::new("alarm:web", state, severity, subject, "web", at(minutes))
}

fn firing(minutes: i64) -> Notice {
    notice(State::Firing, Severity::Sev2, minutes)
}

fn resolved(minutes: i64) -> Notice {
    notice(State::Resolved, Severity::Sev3, minutes)
}

/// The incident after these notices, each heard when it happened.
fn after(notices: &[Notice]) -> Activity {
    let policy = Flapping::default();
    let follow =
        |before: Option<Activity>, notice: &Notice| follow(before.as_ref(), notice, &policy, notice.time);
    notices.iter().fold(None, follow).unwrap()
}

/// The same changes every so many minutes, from a beginning on.
fn changing(count: i64, every: i64) -> Vec<Notice> {
    (0..count).map(|n| if n % 2 == 0 { firing(n * every) } else { resolved(n * every) }).collect()
}

#[test]
fn an_incident_is_followed_from_its_first_notice() {
    let first = after(&[firing(0)]);
    assert_eq!(
        (first.state, first.severity, first.since, first.started),
        (State::Firing, Severity::Sev2, at(0), at(0))
    );
    assert_eq!((first.changes, first.labels["severity"].as_str()), (vec![at(0)], "sev2"));
    assert_eq!(after(&[resolved(0)]).changes, []);
    assert_eq!(after(&[notice(State::Info, Severity::Sev4, 0)]).state, State::Info);
}

#[test]
fn a_revision_that_is_known_or_older_changes_nothing() {
    let known = after(&[firing(5)]);
    for (notice, expected) in [(firing(5), true), (resolved(4), true), (resolved(6), false)] {
        assert_eq!(follow(Some(&known), &notice, &Flapping::default(), at(6)).is_none(), expected);
    }
}

#[test]
fn while_it_fires_a_later_notice_leaves_who_has_it_in_hand() {
    let acknowledged = Some(Acknowledged { by: "ann".to_owned(), at: at(1) });
    let known = Activity { acknowledged: acknowledged.clone(), escalated: 2, ..after(&[firing(0)]) };
    let worse =
        follow(Some(&known), &notice(State::Firing, Severity::Sev1, 9), &Flapping::default(), at(9)).unwrap();
    assert_eq!((worse.acknowledged, worse.escalated, worse.severity), (acknowledged, 2, Severity::Sev1));
    assert_eq!((worse.since, worse.started, worse.changes), (at(0), at(0), vec![at(0)]));
}

#[test]
fn what_becomes_more_severe_before_anybody_was_called_is_counted_anew() {
    let worse = after(&[firing(0), notice(State::Firing, Severity::Sev1, 60)]);
    assert_eq!((worse.since, worse.started), (at(60), at(0)));
    let milder = after(&[firing(0), notice(State::Firing, Severity::Sev3, 60)]);
    assert_eq!((milder.since, milder.severity), (at(0), Severity::Sev3));
}

#[test]
fn a_new_beginning_forgets_who_had_it_in_hand() {
    let acknowledged = Some(Acknowledged { by: "ann".to_owned(), at: at(1) });
    let known = Activity { acknowledged: acknowledged.clone(), escalated: 2, ..after(&[firing(0)]) };
    let policy = Flapping::default();
    let over = follow(Some(&known), &resolved(9), &policy, at(9)).unwrap();
    assert_eq!((over.since, over.started, &over.acknowledged), (at(9), at(0), &acknowledged));
    assert_eq!(over.severity, Severity::Sev2, "an end is as severe as its incident was");
    let again = follow(Some(&over), &firing(20), &policy, at(20)).unwrap();
    assert_eq!((again.since, again.started, again.acknowledged, again.escalated), (at(20), at(20), None, 0));
    assert_eq!(again.changes, [at(0), at(9), at(20)]);
}

#[test]
fn what_is_for_the_record_leaves_an_incident_as_it_stands() {
    let known = after(&[firing(0)]);
    let noted = after(&[firing(0), notice(State::Info, Severity::Sev4, 3)]);
    assert!(noted.revision > known.revision);
    assert_eq!(Activity { revision: known.revision, ..noted }, known);
}

#[test]
fn what_is_heard_late_or_is_not_yet_counts_from_when_it_is_heard() {
    for (time, now, expected) in [(0, 15, 0), (0, 16, 16), (5, 0, 0)] {
        let heard = follow(None, &firing(time), &Flapping::default(), at(now)).unwrap();
        assert_eq!(heard.started, at(expected), "{time} heard at {now}");
    }
}

#[track_caller]
fn check_flaps(count: i64, every: i64, expected: bool) {
    let activity = after(&changing(count, every));
    assert_eq!(activity.flapping, expected, "{count} changes every {every} minutes");
    let calm = expected.then(|| at((count - 1) * every + 10));
    assert_eq!(calm_at(&activity, &Flapping::default()), calm);
}

#[test]
fn it_flaps_from_the_sixth_change_within_half_an_hour_on() {
    check_flaps(5, 5, false);
    check_flaps(6, 5, true);
    check_flaps(7, 5, true);
    check_flaps(12, 6, false);
}

#[test]
fn it_flaps_until_it_is_calm_although_it_changes_less_often() {
    let mut notices = changing(6, 1);
    // The sixth was an end, after 5 minutes.
    notices.extend([firing(14), resolved(23), firing(32), resolved(41)]);
    assert!(after(&notices).flapping, "never ten minutes without a change");
    notices.push(firing(51));
    let calm = after(&notices);
    assert_eq!((calm.flapping, calm.changes), (false, vec![at(51)]));
}

#[test]
fn when_it_was_calm_it_takes_as_many_changes_again() {
    let calm = calmed(&after(&changing(6, 1)));
    assert_eq!((calm.flapping, calm.changes.len()), (false, 0));
    let again = follow(Some(&calm), &firing(6), &Flapping::default(), at(6)).unwrap();
    assert!(!again.flapping);
    assert_eq!(calm_at(&again, &Flapping::default()), None);
}

proptest! {
    #[test]
    fn however_often_it_changes_it_stays_small_and_never_goes_back(steps in prop::collection::vec((0u8..3, 0i64..40), 1..80)) {
        let mut minutes = 0;
        let mut before: Option<Activity> = None;
        for (state, later) in steps {
            minutes += later;
            let state = [State::Firing, State::Resolved, State::Info][usize::from(state)];
            let after = follow(before.as_ref(), &notice(state, Severity::Sev2, minutes), &Flapping::default(), at(minutes));
            if let (Some(before), Some(after)) = (&before, &after) {
                prop_assert!(before.revision < after.revision);
                prop_assert!(before.started <= after.started && before.since <= after.since);
                prop_assert!(after.changes.len() <= MOST_CHANGES && after.changes.is_sorted());
            }
            before = after.or(before);
        }
    }
}
