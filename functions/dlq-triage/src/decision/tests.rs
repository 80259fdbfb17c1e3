use aws_sdk_sqs::types::MessageAttributeValue;
use jiff::{SignedDuration, Timestamp};
use shared::policy::dlq::{Archive, Archived, Dlq, Verdict};

use super::{Facts, Fate, Turn, fate, lost_at};
use crate::letter::{Letter, REDRIVEN};

fn now() -> Timestamp {
    "2026-11-26T08:00:00Z".parse().unwrap()
}

fn letter(sent_ago: i64, redriven: Option<&str>) -> Letter {
    let mark = |text: &str| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap();
        (REDRIVEN.to_owned(), value)
    };
    Letter {
        sent: Some(now() - SignedDuration::from_mins(sent_ago)),
        attributes: redriven.map(mark).into_iter().collect(),
        ..Letter::default()
    }
}

fn policy(what: Archived) -> Dlq {
    Dlq { archive: Archive { what, ..Archive::default() }, ..Dlq::default() }
}

#[test]
fn of_a_group_that_is_sent_back_each_letter_is_that_may_be() {
    use Fate::{Leave, Redrive};
    use Verdict::{Oversize, Poison, Transient};
    let cut_off = now() - SignedDuration::from_mins(10);
    let turn = Turn { operation: "op", cut_off, has_room: true, by_hand: false };
    let by_hand = Turn { by_hand: true, ..turn };
    let no_room = Turn { has_room: false, ..turn };
    let cases = [
        ("it waits", letter(11, None), Some(turn), true, Transient, Redrive),
        ("it arrived later", letter(9, None), Some(turn), true, Transient, Leave),
        ("no room is left", letter(11, None), Some(no_room), true, Transient, Leave),
        ("it returned", letter(11, Some("1/op")), Some(turn), true, Transient, Leave),
        ("another sent it before", letter(11, Some("2/other")), Some(turn), true, Transient, Redrive),
        ("it was sent too often", letter(11, Some("3/other")), Some(turn), true, Transient, Leave),
        ("somebody asked for it", letter(11, Some("3/other")), Some(by_hand), true, Transient, Redrive),
        ("there is no way back", letter(11, None), Some(turn), false, Transient, Leave),
        ("it is too large", letter(11, None), Some(turn), true, Oversize, Leave),
        ("it is too large, though asked for", letter(11, None), Some(by_hand), true, Oversize, Leave),
        ("a rule says otherwise of it", letter(11, None), Some(turn), true, Poison, Leave),
        ("somebody asked for poison", letter(11, None), Some(by_hand), true, Poison, Redrive),
        ("no redrive is under way", letter(11, None), None, true, Transient, Leave),
        ("nobody knows when it was sent", Letter::default(), Some(turn), true, Transient, Leave),
    ];
    for (what, letter, redrive, has_way, verdict, expected) in cases {
        let facts =
            Facts { letter: &letter, verdict, redrive, has_way, lost_at: None, drain: false, may_act: true };
        assert_eq!(fate(&facts, &policy(Archived::Nothing), now()), expected, "{what}");
        let observed = Facts { may_act: false, drain: true, ..facts };
        assert_eq!(fate(&observed, &policy(Archived::All), now()), Leave, "{what}, but nothing may be done");
    }
}

#[test]
fn what_is_not_sent_back_goes_to_the_archive_as_the_policy_says() {
    use Archived::{All, BeforeLoss, Nothing};
    let hours = |hours| Some(now() + SignedDuration::from_hours(hours));
    let cases = [
        (Nothing, hours(1), false, Fate::Leave),
        (Nothing, hours(1), true, Fate::Archive),
        (BeforeLoss, hours(13), false, Fate::Leave),
        (BeforeLoss, hours(12), false, Fate::Archive),
        (BeforeLoss, None, false, Fate::Leave),
        (All, None, false, Fate::Archive),
    ];
    for (what, lost_at, drain, expected) in cases {
        let letter = letter(11, None);
        let facts = Facts {
            letter: &letter,
            verdict: Verdict::Poison,
            redrive: None,
            has_way: true,
            lost_at,
            drain,
            may_act: true,
        };
        assert_eq!(fate(&facts, &policy(what), now()), expected, "{what:?} {lost_at:?} {drain}");
    }
}

#[test]
fn a_letter_for_which_there_is_no_room_yet_waits_unless_it_would_be_lost() {
    let letter = letter(11, None);
    let turn = Turn { operation: "op", cut_off: now(), has_room: false, by_hand: false };
    let facts = |minutes| Facts {
        letter: &letter,
        verdict: Verdict::Transient,
        redrive: Some(turn),
        has_way: true,
        lost_at: Some(now() + SignedDuration::from_mins(minutes)),
        drain: false,
        may_act: true,
    };
    for (minutes, what, expected) in [
        (31, Archived::All, Fate::Leave),
        (31, Archived::BeforeLoss, Fate::Leave),
        (30, Archived::BeforeLoss, Fate::Archive),
        (30, Archived::Nothing, Fate::Leave),
    ] {
        assert_eq!(fate(&facts(minutes), &policy(what), now()), expected, "{minutes} {what:?}");
    }
}

#[test]
fn a_letters_age_counts_from_when_it_was_first_sent() {
    let sent = now() - SignedDuration::from_hours(95);
    let hour = Some(now() + SignedDuration::from_hours(1));
    assert_eq!(lost_at(Some(sent), SignedDuration::from_hours(96)), hour);
    assert_eq!(lost_at(None, SignedDuration::from_hours(96)), None);
}
