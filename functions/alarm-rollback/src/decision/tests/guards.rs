//! What forbids to act on any kind of target.

use jiff::{SignedDuration, Timestamp};
use shared::ledger::lease::Lease;
use shared::ledger::operation::{End, Operation};
use shared::ledger::revision::Standing;
use shared::policy::{Confidence, Freeze, Frozen, ScaledToZero, Window};
use shared::tags::Mode;

use super::truth::{operation, redeploy, tag};
use super::*;
use crate::cases::{ago, now, td};
use crate::facts::service::Status;

rules! {
    a_late_alarm_is_told_but_not_acted_on,
    a_state_set_by_hand_is_a_test,
    one_rollback_at_a_time_and_then_a_cooldown,
    a_rollback_that_was_begun_and_not_made_is_not_called_one,
    a_target_is_rolled_back_at_most_so_often,
    redeploys_hold_no_rollback_off,
    a_service_marked_as_unsafe_is_not_rolled_back,
    a_freeze_and_a_window_leave_it_at_a_proposal,
    what_is_not_known_well_enough_is_only_proposed,
    a_service_at_zero_is_recovered_only_where_the_policy_says_so,
    an_operation_that_was_cut_off_goes_on_where_it_stopped,
    a_retry_returns_to_what_was_chosen_at_first,
    a_retry_is_held_by_every_guard_but_its_own_lease,
}

fn a_late_alarm_is_told_but_not_acted_on() -> Vec<Case> {
    let fired = |minutes| {
        move |truth: &mut Truth| {
            truth.change().changed_at = ago(minutes);
            truth.history(&[(Status::Successful, 20, 7), (Status::Successful, 500, 6)]);
        }
    };
    let patient = |truth: &mut Truth| {
        fired(16)(truth);
        truth.rules().rollback.stale_after = SignedDuration::from_mins(30);
    };
    vec![
        when("at the edge", fired(15), "web:7 -> web:6"),
        when("too late", fired(16), "hold: it happened at 2026-11-20T11:46:00Z and was heard of too late"),
        when("the policy has more time", patient, "web:7 -> web:6"),
    ]
}

fn a_state_set_by_hand_is_a_test() -> Vec<Case> {
    let said = |reason: &'static str, has_reason_data, composite| {
        move |truth: &mut Truth| {
            let change = truth.change();
            reason.clone_into(&mut change.reason);
            change.has_reason_data = has_reason_data;
            change.composite = composite;
        }
    };
    let test = "hold: the alarm's state was set by hand";
    vec![
        when("a reason of somebody's own", said("testing", false, false), test),
        when("a reason that comes with data", said("testing", true, false), "web:7 -> web:6"),
        when("a composite alarm's", said("testing", false, true), test),
        when("moved by a child", said("web-5xx transitioned to ALARM", false, true), "web:7 -> web:6"),
    ]
}

fn held(minutes: i64, operation: Operation) -> impl FnOnce(&mut Truth) {
    move |truth| truth.lease(&operation, minutes)
}

fn one_rollback_at_a_time_and_then_a_cooldown() -> Vec<Case> {
    let at_work = "hold: a rollback of it is already in progress since";
    let cooldown =
        "hold: it was rolled back a short while ago; the cooldown lasts until 2026-11-20T12:03:00Z";
    let forgotten = |truth: &mut Truth| {
        truth.memory().lease =
            Some(Lease { owner: "op-1".to_owned(), until: now() + SignedDuration::from_mins(1) });
    };
    let ended_as_this = |truth: &mut Truth| {
        let own = Operation { end: Some(End::Superseded), ..truth.own() };
        truth.lease(&own, 1);
    };
    let by_hand = Operation { asked_by: Some("ann".to_owned()), ..operation("op-1", 8, 7, 10, None) };
    vec![
        when("begun a minute ago", held(1, operation("op-1", 7, 6, 1, None)), at_work),
        when("made and not over", held(1, operation("op-1", 8, 7, 10, None)), at_work),
        when("asked for by hand", held(1, by_hand), at_work),
        when("past its deadline", held(1, operation("op-1", 8, 7, 40, None)), cooldown),
        when("over", held(1, operation("op-1", 8, 7, 10, Some(End::Recovered))), cooldown),
        when("over, and begun for this very alarm", ended_as_this, cooldown),
        when("of an operation that is not remembered", forgotten, cooldown),
        when(
            "the lease is over",
            held(0, operation("op-1", 9, 8, 60, Some(End::Recovered))),
            "web:7 -> web:6",
        ),
    ]
}

fn a_rollback_that_was_begun_and_not_made_is_not_called_one() -> Vec<Case> {
    let stopping =
        Operation { deployment: Some("deployment-0".to_owned()), ..operation("op-1", 7, 6, 3, None) };
    vec![
        when(
            "three minutes ago",
            held(50, operation("op-1", 7, 6, 3, None)),
            "hold: a rollback of it was begun at 2026-11-20T11:59:00Z and is not made yet; it is tried again \
             (operation op-1)",
        ),
        when(
            "its invocation may still be at it",
            held(50, operation("op-1", 7, 6, 2, None)),
            "hold: a rollback of it is already in progress",
        ),
        when(
            "the service runs something else since",
            held(50, operation("op-1", 8, 6, 3, None)),
            "hold: a rollback of it is already in progress",
        ),
        when("it stops a deployment", held(50, stopping), "hold: a rollback of it is already in progress"),
    ]
}

fn a_target_is_rolled_back_at_most_so_often() -> Vec<Case> {
    let made = |hours: [i64; 3], end: End, asked_by: Option<&'static str>| {
        move |truth: &mut Truth| {
            truth.memory().operations = hours
                .iter()
                .map(|hours| Operation {
                    asked_by: asked_by.map(ToOwned::to_owned),
                    ..operation(&format!("op-{hours}"), 9, 8, hours * 60, Some(end))
                })
                .collect();
        }
    };
    let twice = |truth: &mut Truth| {
        made([2, 5, 30], End::Recovered, None)(truth);
        truth.rules().rollback.at_most.count = 2;
        truth.rules().rollback.at_most.within = SignedDuration::from_hours(6);
    };
    vec![
        when(
            "three times in a day",
            made([2, 5, 23], End::Recovered, None),
            "hold: it was rolled back 3 times within 24h, which the policy calls enough",
        ),
        when("twice in six hours, by the policy", twice, "hold: it was rolled back 2 times within 6h"),
        when("once a day ago", made([2, 5, 24], End::Recovered, None), "web:7 -> web:6"),
        when("refused ones changed nothing", made([2, 5, 23], End::Refused, None), "web:7 -> web:6"),
        when(
            "by hand it was somebody's will",
            made([2, 5, 23], End::Recovered, Some("ann")),
            "web:7 -> web:6",
        ),
    ]
}

fn redeploys_hold_no_rollback_off() -> Vec<Case> {
    // web:6 was redeployed again and again before web:7 came.
    let redeployed = |truth: &mut Truth| {
        truth.memory().redeploys =
            (1..=9).map(|hours| redeploy(6, 6, hours * 60 + 10, Some(End::Recovered))).collect();
    };
    let leased = |truth: &mut Truth| {
        redeployed(truth);
        let until = now() + SignedDuration::from_hours(1);
        truth.memory().redeploying = Some(Lease { owner: "re-10".to_owned(), until });
    };
    let under_way = |truth: &mut Truth| {
        leased(truth);
        truth.memory().redeploys.insert(0, redeploy(6, 6, 10, None));
    };
    vec![
        when("nine of them in a day", redeployed, "web:7 -> web:6"),
        when("the next has to wait for its interval", leased, "web:7 -> web:6"),
        when("one is under way, and somebody deployed over it", under_way, "web:7 -> web:6"),
    ]
}

fn a_service_marked_as_unsafe_is_not_rolled_back() -> Vec<Case> {
    let marked = |value| move |truth: &mut Truth| tag(&mut truth.service().tags, "rollback", value);
    let unsafe_ = "hold: it is marked as unsafe to roll back (watchkeeper:rollback)";
    let until = "hold: it is marked as unsafe to roll back until 2026-11-20T13:00:00Z (watchkeeper:rollback)";
    vec![
        when("without end", marked("unsafe"), unsafe_),
        when("a tag that cannot be read", marked("unsafe-until:tomorrow"), unsafe_),
        when("until later", marked("unsafe-until:2026-11-20T13:00:00Z"), until),
        when("until now", marked("unsafe-until:2026-11-20T12:02:00Z"), "web:7 -> web:6"),
    ]
}

fn frozen(until: Option<Timestamp>) -> impl FnOnce(&mut Truth) {
    move |truth| truth.rules().freeze = Freeze::On(Frozen { until, reason: Some("Black Friday".to_owned()) })
}

pub(super) fn window(from: &str, to: &str) -> Window {
    let text = format!("windows: [{{name: patching, from: \"{from}\", to: \"{to}\", zone: UTC}}]");
    shared::policy::Policy::parse("a test's", &text).unwrap().windows.remove(0)
}

fn a_freeze_and_a_window_leave_it_at_a_proposal() -> Vec<Case> {
    let open = |from, to| move |truth: &mut Truth| truth.rules().windows = vec![window(from, to)];
    let both = |truth: &mut Truth| {
        frozen(None)(truth);
        open("12:00", "13:00")(truth);
        truth.policy.mode = Mode::Observe;
    };
    vec![
        when(
            "frozen until later",
            frozen(Some(ago(-60))),
            "propose, because the policy freezes all changes (until 2026-11-20T13:02:00Z: Black Friday): web:7 -> web:6",
        ),
        when("frozen until now", frozen(Some(now())), "web:7 -> web:6"),
        when(
            "in a window",
            open("12:00", "13:00"),
            "propose, because it is the maintenance window \"patching\": web:7 -> web:6",
        ),
        when("before a window", open("12:03", "13:00"), "web:7 -> web:6"),
        when(
            "all of it",
            both,
            "propose, because the policy freezes all changes (until the freeze is taken out",
        ),
    ]
}

fn what_is_not_known_well_enough_is_only_proposed() -> Vec<Case> {
    let wanted = |least, history: bool| {
        move |truth: &mut Truth| {
            truth.rules().rollback.confidence = least;
            if !history {
                truth.scene().deployments.clear();
            }
        }
    };
    vec![
        when("high, and it is", wanted(Confidence::High, true), "web:7 -> web:6"),
        when("low, and it is", wanted(Confidence::Low, false), "web:7 -> web:6"),
        when(
            "medium, and it is low",
            wanted(Confidence::Medium, false),
            "propose, because the confidence is low, and the policy wants at least medium: web:7 -> web:6",
        ),
    ]
}

fn a_service_at_zero_is_recovered_only_where_the_policy_says_so() -> Vec<Case> {
    let at_zero = |then| {
        move |truth: &mut Truth| {
            truth.service().desired = 0;
            truth.rules().rollback.scaled_to_zero = then;
        }
    };
    let observed = |truth: &mut Truth| {
        at_zero(ScaledToZero::Recover(2))(truth);
        truth.policy.mode = Mode::Observe;
    };
    vec![
        when("left", at_zero(ScaledToZero::Leave), "hold: the service is scaled to zero"),
        when(
            "recovered",
            at_zero(ScaledToZero::Recover(2)),
            "0 tasks -> 2 tasks: scale to 2 (the number of tasks is restored, nothing else)",
        ),
        when("recovered to one", at_zero(ScaledToZero::Recover(1)), "0 tasks -> 1 task: scale to 1"),
        when(
            "only observed",
            observed,
            "propose, because Watchkeeper only observes here: 0 tasks -> 2 tasks",
        ),
    ]
}

fn an_operation_that_was_cut_off_goes_on_where_it_stopped() -> Vec<Case> {
    // The rollback worked so well that the alarm is quiet by now; people are told all the same.
    let runs = |revision| {
        move |truth: &mut Truth| {
            truth.service().task_definition = td(revision);
            truth.alarm().state = Some(shared::alarm::State::Ok);
            truth.lease(&truth.own(), 59);
        }
    };
    let redeployed = |truth: &mut Truth| {
        truth.lease(&truth.own(), 59);
        truth.service().deployed_at = Some(now());
    };
    vec![
        when("it was made", runs(6), "done before: web:7 -> web:6"),
        when("it was not made", runs(7), "hold: the alarm stopped firing before the rollback"),
        when("somebody deployed since", runs(9), "hold: somebody changed it to web:9 while the rollback"),
        when(
            "somebody deployed the same since",
            redeployed,
            "hold: somebody changed it to web:7 while the rollback",
        ),
    ]
}

fn a_retry_returns_to_what_was_chosen_at_first() -> Vec<Case> {
    // The older image of web:7 is bad, too; that this operation left web:7 overwrites since when.
    let begun = |truth: &mut Truth| {
        truth.history(&[
            (Status::Successful, 5, 7),
            (Status::Successful, 500, 7),
            (Status::Successful, 900, 6),
        ]);
        truth.scene().revisions.as_mut().unwrap()[1].images = super::truth::digest("old");
        truth.remember(7, Standing::Bad, 100);
        let rollback = truth.rollback();
        truth.begin(&rollback);
    };
    vec![when("past another image that is bad", begun, "web:7 -> web:6: update the service to web:6")]
}

fn a_retry_is_held_by_every_guard_but_its_own_lease() -> Vec<Case> {
    let retried = |change: fn(&mut Truth)| {
        move |truth: &mut Truth| {
            change(truth);
            truth.lease(&truth.own(), 59);
        }
    };
    vec![
        when("nothing changed", retried(|_| {}), "web:7 -> web:6"),
        when(
            "unsafe since",
            retried(|truth| tag(&mut truth.service().tags, "rollback", "unsafe")),
            "hold: it is marked as unsafe",
        ),
        when(
            "observed since",
            retried(|truth| tag(&mut truth.service().tags, "mode", "observe")),
            "propose, because Watchkeeper only observes here: web:7 -> web:6",
        ),
        when(
            "off since",
            retried(|truth| tag(&mut truth.service().tags, "mode", "off")),
            "ignore: its mode is off",
        ),
        when("frozen since", retried(|truth| frozen(None)(truth)), "propose, because the policy freezes"),
        when(
            "too late by now",
            retried(|truth| truth.change().changed_at = ago(55)),
            "hold: it happened at 2026-11-20T11:07:00Z and was heard of too late",
        ),
    ]
}

#[test]
fn a_retry_begins_when_its_operation_began() {
    let retried = truth().with(|truth| truth.lease(&truth.own(), 59));
    assert_eq!(retried.rollback().began, ago(1));
    assert_eq!(truth().rollback().began, now());
}
