use shared::ledger::redeploy::{Phase, Standing};
use shared::strategy::Strategy;

use super::*;
use crate::cases::{NEW, OLD, SECRET, at, deployment, member, redeploy, secret, service};

fn known(version: &str) -> Label {
    Label { version: version.to_owned(), at: at(-60), before: None }
}

#[test]
fn a_label_that_is_seen_for_the_first_time_is_remembered_from_then_on() {
    assert_eq!(
        label(&secret(), None, at(5)),
        Found::New(Label { version: NEW.to_owned(), at: at(0), before: None })
    );
    let silent = Secret { changed_at: None, ..secret() };
    assert_eq!(
        label(&silent, None, at(5)),
        Found::New(Label { version: NEW.to_owned(), at: at(5), before: None })
    );
}

#[test]
fn a_move_without_an_event_is_found_no_earlier_than_it_was() {
    let moved = Moved {
        secret: SECRET.to_owned(),
        label: "AWSCURRENT".to_owned(),
        version: Some(NEW.to_owned()),
        at: at(0),
    };
    assert_eq!(label(&secret(), Some(&known(OLD)), at(5)), Found::Lost(moved));
    assert_eq!(label(&secret(), Some(&known(NEW)), at(5)), Found::Known(known(NEW)));
    assert_eq!(label(&Secret::default(), Some(&known(NEW)), at(5)), Found::Nothing);
}

#[track_caller]
fn check_trouble(change: impl Fn(&mut Secret), hours: i64, expected: Option<&Trouble>) {
    let mut secret = Secret { rotates: Some(true), rotated_at: Some(at(-60)), ..secret() };
    change(&mut secret);
    let found = trouble(&secret, at(hours * 60));
    assert_eq!(found.as_ref(), expected);
    if let Some(found) = found {
        assert!(found.since() <= at(hours * 60));
    }
}

#[test]
fn a_rotation_is_overdue_a_day_after_its_date() {
    let due = |secret: &mut Secret| secret.next_rotation = Some(at(0));
    check_trouble(due, 23, None);
    check_trouble(due, 24, Some(&Trouble::Overdue { due: at(0) }));
    for rotates in [Some(false), None] {
        check_trouble(|secret| (secret.next_rotation, secret.rotates) = (Some(at(0)), rotates), 48, None);
    }
    check_trouble(|_| {}, 48, None);
}

#[test]
fn a_rotation_is_stuck_when_its_label_stays_behind() {
    let pending = |version: &'static str| {
        move |secret: &mut Secret| {
            secret.stages.entry(version.to_owned()).or_default().push("AWSPENDING".to_owned());
        }
    };
    let stuck = Trouble::Stuck { version: "third".to_owned(), since: at(0) };
    check_trouble(pending("third"), 1, None);
    check_trouble(pending("third"), 2, Some(&stuck));
    // Secrets Manager leaves the label on the version that became current, for a while or for ever.
    check_trouble(pending(NEW), 48, None);
    // What is stuck will not get on; that it is overdue, too, says less.
    check_trouble(
        |secret| {
            pending("third")(secret);
            secret.next_rotation = Some(at(0));
        },
        48,
        Some(&stuck),
    );
    // Without a date of the change it may have begun this moment.
    check_trouble(
        |secret| {
            pending("third")(secret);
            secret.changed_at = None;
        },
        48,
        None,
    );
}

#[track_caller]
fn check_lost(phase: Phase, next: Option<i64>, minutes: i64, expected: bool) {
    let redeploy = Redeploy { phase, next: next.map(at), ..redeploy() };
    assert_eq!(is_lost(&redeploy, at(minutes)), expected);
}

#[test]
fn the_message_of_a_redeploy_is_lost_half_an_hour_after_its_time() {
    check_lost(Phase::Running, Some(10), 39, false);
    check_lost(Phase::Running, Some(10), 40, true);
    check_lost(Phase::Collecting, None, 29, false);
    check_lost(Phase::Collecting, None, 30, true);
    for over in [Phase::Done, Phase::Stopped, Phase::Dropped] {
        check_lost(over, Some(10), 1_000, false);
    }
}

#[test]
fn the_hook_is_told_again_as_long_as_it_waits() {
    let rotation = |version: &str, state| Rotation {
        secret: SECRET.to_owned(),
        version: version.to_owned(),
        previous: None,
        strategy: Strategy::ValkeyAuthToken,
        step: "finishSecret".to_owned(),
        state,
        said: String::new(),
        exposed: None,
        at: at(0),
    };
    for state in [State::Rotated, State::UnderWay, State::Failed] {
        assert!(is_unsettled(Some(&rotation(NEW, state)), NEW));
        assert!(!is_unsettled(Some(&rotation(OLD, state)), NEW));
    }
    assert!(!is_unsettled(Some(&rotation(NEW, State::Settled)), NEW));
    assert!(!is_unsettled(None, NEW));
}

#[track_caller]
fn check_stale(change: impl Fn(&mut Service), expected: bool) {
    let mut service = service();
    change(&mut service);
    assert_eq!(may_be_stale(&service, at(0)), expected);
}

#[test]
fn only_a_service_that_was_not_deployed_since_is_worth_a_look() {
    check_stale(|_| {}, true);
    check_stale(|service| service.active = false, false);
    check_stale(|service| (service.desired, service.running) = (0, 0), false);
    check_stale(|service| (service.desired, service.running) = (0, 1), true);
    let newer =
        |rollout| move |service: &mut Service| service.deployments = vec![deployment("2", rollout, 1)];
    check_stale(newer(Some(Rollout::Completed)), false);
    check_stale(newer(Some(Rollout::InProgress)), false);
    check_stale(newer(None), false);
    check_stale(newer(Some(Rollout::Failed)), true);
    check_stale(|service| service.deployments = vec![deployment("2", None, 0)], true);
    check_stale(|service| service.deployments.clear(), true);
}

#[test]
fn whom_the_redeploy_saw_is_not_missed() {
    assert!(was_a_member(&service(), &[member("api", Standing::Fresh), member("web", Standing::Failed)]));
    assert!(!was_a_member(&service(), &[member("api", Standing::Fresh)]));
}

#[track_caller]
fn check_settled(members: &[Member], hours: i64, expected: bool) {
    let label = Label { at: at(0), ..known(NEW) };
    let has_it = |member: &Member| member.target.to_string() == "ecs:prod/mended";
    assert_eq!(is_settled(members, &label, has_it, at(hours * 60)), expected, "{members:?}");
}

#[test]
fn it_is_settled_when_whoever_was_left_behind_has_caught_up() {
    let fresh = member("a", Standing::Fresh);
    check_settled(std::slice::from_ref(&fresh), 1, true);
    for standing in [Standing::Skipped, Standing::Proposed, Standing::Failed] {
        check_settled(&[fresh.clone(), member("mended", standing)], 1, true);
        check_settled(&[fresh.clone(), member("b", standing)], 1, false);
    }
    for standing in [Standing::Queued, Standing::Deferred, Standing::Moving] {
        check_settled(&[fresh.clone(), member("mended", standing)], 1, false);
    }
    // Nobody is known to use it: whoever does has a day.
    check_settled(&[], 23, false);
    check_settled(&[], 24, true);
}
