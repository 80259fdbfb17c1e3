use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use shared::notice::{self, Notice};

use super::*;
use crate::delivery::{Delivery, State};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_176_000 + seconds).unwrap()
}

fn notice(state: notice::State, seconds: i64) -> Notice {
    let subject = notice::Subject { kind: "alarm".into(), id: "cpu".into(), arn: None };
    Notice::new("i-1", state, notice::Severity::Sev2, subject, "t", at(seconds))
}

const NOW: Standing = Standing::Tell;

fn new(notice: &Notice) -> Facts<'_> {
    Facts {
        notice,
        message: "m-1",
        useless: None,
        held: None,
        told: None,
        earlier: &[],
        over: false,
        resolved: true,
        standing: &NOW,
        grouped: false,
        calm_at: None,
        quiet_until: None,
        time_left: Duration::from_secs(20),
    }
}

/// What is decided at 0 s.
#[track_caller]
fn check_with(facts: &Facts<'_>, expected: &Verdict) {
    assert_eq!(decide(facts, at(0)), *expected);
}

#[track_caller]
fn check(state: State, expected: &Verdict) {
    let held = Delivery { state, attempts: 1 };
    let firing = notice(notice::State::Firing, 0);
    assert_eq!(decide(&Facts { held: Some(&held), ..new(&firing) }, at(0)), *expected);
}

#[test]
fn what_a_channel_has_is_never_sent_again() {
    check(State::Acknowledged, &Verdict::AlreadyDelivered);
    check(State::AcceptedUnverified, &Verdict::AlreadyDelivered);
}

#[test]
fn a_pending_delivery_is_sent_when_its_time_has_come() {
    for reserved in [false, true] {
        check(State::Pending { not_before: at(1), reserved }, &Verdict::WaitUntil(at(1)));
        check(State::Pending { not_before: at(0), reserved }, &Verdict::Deliver);
    }
}

#[test]
fn a_delivery_in_hand_is_left_to_its_owner_until_the_deadline() {
    let owner = "another".to_owned();
    check(State::InFlight { owner: owner.clone(), deadline: at(9) }, &Verdict::InHand(at(9)));
    check(State::InFlight { owner, deadline: at(0) }, &Verdict::Deliver);
}

#[test]
fn what_waits_with_others_is_left_to_them() {
    check(State::Joined { group: "g".to_owned() }, &Verdict::Joined { group: "g".to_owned() });
}

#[test]
fn a_refused_delivery_is_tried_again_only_for_another_message() {
    check(State::Failed { message: "m-1".to_owned() }, &Verdict::RefusedBefore);
    check(State::Failed { message: "m-0".to_owned() }, &Verdict::Deliver);
}

/// What is decided of a notice at 10 s, where the channel was told this at 0 s (`None`: nothing).
#[track_caller]
fn check_told(told: Option<(notice::State, i64)>, state: notice::State, expected: &Verdict) {
    let told = told.map(|(state, seconds)| Told {
        state,
        revision: notice(state, seconds).revision,
        at: at(seconds),
    });
    let next = notice(state, 10);
    assert_eq!(decide(&Facts { told: told.as_ref(), ..new(&next) }, at(10)), *expected, "{told:?}");
}

#[test]
fn an_end_waits_for_whoever_has_its_beginning_in_hand() {
    let end = notice(notice::State::Resolved, 0);
    for (earlier, expected) in [
        (&[][..], Verdict::Unheard),
        (&[at(9)], Verdict::InHand(at(9))),
        (&[at(-5), at(9)], Verdict::InHand(at(9))),
        (&[at(0)], Verdict::Deliver),
    ] {
        check_with(&Facts { earlier, ..new(&end) }, &expected);
    }
    // What is muted stays so, whoever died over its beginning.
    let drop = Standing::Drop { why: "muted".to_owned() };
    let muted = Facts { earlier: &[at(0)], standing: &drop, ..new(&end) };
    check_with(&muted, &Verdict::NotTold { why: "muted".to_owned() });
}

#[test]
fn an_incident_is_told_once_in_each_of_its_states_in_whatever_order_they_come() {
    use notice::State::{Firing, Info, Resolved};
    check_told(None, Firing, &Verdict::Deliver);
    check_told(None, Info, &Verdict::Deliver);
    check_told(None, Resolved, &Verdict::Unheard);
    check_told(Some((Firing, 0)), Firing, &Verdict::Deliver);
    check_told(Some((Firing, 0)), Resolved, &Verdict::Deliver);
    check_told(Some((Resolved, 0)), Firing, &Verdict::Deliver);
    check_told(Some((Firing, 10)), Firing, &Verdict::AlreadyDelivered);
    check_told(Some((Resolved, 20)), Firing, &Verdict::Overtaken);
    check_told(Some((Resolved, 20)), Info, &Verdict::Deliver);
}

#[test]
fn what_is_not_told_now_waits_with_others_or_says_why_not() {
    let firing = &notice(notice::State::Firing, 0);
    let hold = Standing::Hold { until: at(60), why: "silenced".to_owned() };
    let drop = Standing::Drop { why: "muted".to_owned() };
    let join =
        |kind, due: Option<i64>, why: &str| Verdict::Join { kind, due: due.map(at), why: why.to_owned() };
    check_with(&Facts { standing: &hold, ..new(firing) }, &join(Kind::Held, Some(60), "silenced"));
    check_with(&Facts { standing: &drop, ..new(firing) }, &Verdict::NotTold { why: "muted".to_owned() });
    check_with(
        &Facts { useless: Some("no use"), ..new(firing) },
        &Verdict::NotTold { why: "no use".to_owned() },
    );
    let grouped = join(Kind::Route, None, "its route groups it with others");
    check_with(&Facts { grouped: true, ..new(firing) }, &grouped);
    let calm = join(Kind::Flapping, Some(90), "it comes and goes; it is told when it is calm");
    check_with(&Facts { calm_at: Some(at(90)), ..new(firing) }, &calm);
}

#[test]
fn the_end_of_what_waits_joins_it_so_that_it_is_not_told_as_if_it_went_on() {
    let hold = Standing::Hold { until: at(60), why: "silenced".to_owned() };
    let resolved = notice(notice::State::Resolved, 10);
    let waits = decide(&Facts { standing: &hold, ..new(&resolved) }, at(10));
    assert!(matches!(waits, Verdict::Join { kind: Kind::Held, .. }), "{waits:?}");
    let grouped = decide(&Facts { grouped: true, ..new(&resolved) }, at(10));
    assert!(matches!(grouped, Verdict::Join { kind: Kind::Route, .. }), "{grouped:?}");
}

#[test]
fn what_is_over_is_not_told_as_if_it_went_on_but_what_was_done_is() {
    let mut firing = notice(notice::State::Firing, 0);
    check_with(&Facts { over: true, ..new(&firing) }, &Verdict::Overtaken);
    firing.actions.push("Rolled back.".to_owned());
    check_with(&Facts { over: true, ..new(&firing) }, &Verdict::Deliver);
}

#[test]
fn a_channel_that_asked_for_quiet_gets_nothing_until_then() {
    let firing = &notice(notice::State::Firing, 0);
    let quiet = |until| Facts { quiet_until: Some(at(until)), ..new(firing) };
    check_with(&quiet(5), &Verdict::WaitUntil(at(5)));
    check_with(&quiet(0), &Verdict::Deliver);
}

#[test]
fn nothing_is_begun_without_the_time_to_end_it() {
    let firing = &notice(notice::State::Firing, 0);
    check_with(&Facts { time_left: Duration::from_millis(900), ..new(firing) }, &Verdict::NoTime);
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, json: body.starts_with('{'), body: body.to_owned() }
}

fn word(meaning: Meaning) -> String {
    match meaning {
        Meaning::Acknowledged => "acknowledged".to_owned(),
        Meaning::Accepted => "accepted".to_owned(),
        Meaning::Simplify(why) => format!("simplify: {why}"),
        Meaning::Later { quiet: true, why, .. } => format!("quiet: {why}"),
        Meaning::Later { quiet: false, why, .. } => format!("later: {why}"),
        Meaning::Refused(why) => format!("refused: {why}"),
    }
}

#[track_caller]
fn check_slack(status: u16, body: &str, expected: &str) {
    assert_eq!(word(slack(&reply(status, body), at(0))), expected);
}

#[test]
fn slack_has_the_message_only_if_it_says_exactly_ok() {
    check_slack(200, "ok", "acknowledged");
    check_slack(201, "ok", "refused: 201 ok");
    check_slack(200, "", "refused: 200");
    check_slack(200, "okay", "refused: 200 okay");
    check_slack(200, "<html>Sign in</html>", "refused: 200");
    check_slack(200, r#"{"ok":true}"#, "accepted");
    check_slack(200, r#"{"ok":tr"#, "later: 200 with JSON that cannot be read");
}

#[test]
fn slacks_refusals_are_final() {
    check_slack(400, "no_text", "refused: 400 no_text");
    check_slack(403, "action_prohibited", "refused: 403 action_prohibited");
    check_slack(403, "invalid_token", "refused: 403 invalid_token");
    check_slack(404, "no_service", "refused: 404 no_service");
    check_slack(404, "channel_not_found", "refused: 404 channel_not_found");
    check_slack(410, "channel_is_archived", "refused: 410 channel_is_archived");
    check_slack(200, "no_service", "refused: 200 no_service");
    check_slack(200, r#"{"ok":false,"error":"channel_not_found"}"#, "refused: 200 channel_not_found");
    check_slack(302, "", "refused: 302: redirects are not followed");
}

#[test]
fn slack_is_asked_again_later_when_the_trouble_is_its_own() {
    check_slack(429, r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#, "quiet: 429");
    check_slack(200, r#"{"ok":false,"error":"ratelimited"}"#, "quiet: 200 ratelimited");
    check_slack(200, r#"{"ok":false,"error":"internal_error"}"#, "later: 200 internal_error");
    check_slack(408, "", "later: 408");
    check_slack(500, "rollup_error", "later: 500");
    check_slack(503, "<html>", "later: 503");
}

#[test]
fn a_message_that_slack_finds_misbuilt_is_simplified() {
    check_slack(400, "invalid_blocks", "simplify: 400 invalid_blocks");
    check_slack(400, "invalid_attachments", "simplify: 400 invalid_attachments");
    check_slack(400, "invalid_payload", "simplify: 400 invalid_payload");
    check_slack(200, "msg_blocks_too_long", "simplify: 200 msg_blocks_too_long");
    check_slack(200, r#"{"ok":false,"error":"invalid_blocks"}"#, "simplify: 200 invalid_blocks");
    check_slack(413, "", "simplify: 413");
    let broken = "simplify: 400: a part of the message breaks a limit";
    check_slack(400, "must be less than 3001 characters [json-pointer:/blocks/0/text/text]", broken);
    check_slack(400, "no more than 25 items allowed [json-pointer:/blocks/1/elements]", broken);
}

#[test]
fn an_answer_is_never_repeated_but_for_its_code() {
    check_slack(400, "the token T0/B0/xyz is not valid", "refused: 400");
    check_slack(400, &"x".repeat(61), "refused: 400");
}

#[track_caller]
fn check_webhook(status: u16, expected: &str) {
    assert_eq!(word(webhook(&reply(status, "https://hooks.invalid/secret"), at(0))), expected);
}

#[test]
fn a_webhook_succeeds_with_any_2xx() {
    check_webhook(200, "acknowledged");
    check_webhook(204, "acknowledged");
    check_webhook(202, "accepted");
    check_webhook(307, "refused: 307: redirects are not followed");
    check_webhook(400, "refused: 400");
    check_webhook(410, "refused: 410");
    check_webhook(408, "later: 408");
    check_webhook(425, "later: 425");
    check_webhook(429, "quiet: 429");
    check_webhook(502, "later: 502");
}

#[track_caller]
fn check_retry_after(header: &str, expected: Option<u64>) {
    assert_eq!(retry_after(header, at(0)), expected.map(Duration::from_secs), "{header:?}");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    check_retry_after("30", Some(30));
    check_retry_after(" 0 ", Some(0));
    check_retry_after("99999999999999999999999", Some(u64::MAX));
    check_retry_after("Fri, 20 Nov 2026 12:02:00 GMT", Some(120));
    check_retry_after("Fri, 20 Nov 2026 11:00:00 GMT", Some(0));
    check_retry_after("-5", None);
    check_retry_after("soon", None);
    check_retry_after("", None);
}

#[test]
fn the_pause_doubles_up_to_a_quarter_of_an_hour() {
    let pauses: Vec<_> = (1..=9).map(|attempts| pause(None, attempts, 0).as_secs()).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900]);
    assert_eq!(pause(None, u32::MAX, 0), LONGEST_PAUSE);
}

proptest! {
    #[test]
    fn a_pause_is_never_shorter_than_asked_nor_longer_than_the_longest(
        asked in 0..100_000_u64, attempts: u32, seed: u64,
    ) {
        let asked = Duration::from_secs(asked);
        let pause = pause(Some(asked), attempts, seed);
        prop_assert!(asked.min(LONGEST_PAUSE) <= pause && pause <= LONGEST_PAUSE);
        prop_assert!(pause >= Duration::from_secs(1));
    }
}

#[test]
fn a_message_comes_again_as_soon_as_its_first_channel_may_be_tried() {
    let waits = |until| Outcome::Waits { until, why: String::new() };
    let settled = |outcomes: &[Outcome]| settle(outcomes, at(0));
    let finished =
        [Outcome::Acknowledged, Outcome::DeadLettered { why: "410".to_owned() }, Outcome::RefusedBefore];
    assert_eq!(settled(&finished), Settlement::Done);
    assert_eq!(settled(&[]), Settlement::Done);
    let waiting = [waits(at(90)), Outcome::Acknowledged, waits(at(30))];
    assert_eq!(settled(&waiting), Settlement::GiveBack(Duration::from_secs(30)));
    assert_eq!(settled(&[waits(at(-30))]), Settlement::GiveBack(Duration::ZERO));
    assert_eq!(settled(&[waits(Timestamp::MAX)]), Settlement::GiveBack(LONGEST_PAUSE));
}
