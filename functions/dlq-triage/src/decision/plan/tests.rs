use jiff::Timestamp;
use proptest::prelude::*;
use shared::policy::dlq::Verdict;

use super::{Ahead, Share, share, stages, why_emptied, why_redriven};
use crate::decision::Fate::{Archive, Leave, Redrive as Back};
use crate::decision::group::{Phase, Redrive, Step, Still};

fn now() -> Timestamp {
    "2026-11-26T08:00:00.5Z".parse().unwrap()
}

const fn of(send: u64, later: u64, archive: u64, leave: u64) -> Share {
    Share { send, later, archive, leave }
}

#[test]
fn what_becomes_of_a_group_follows_from_the_fates_of_its_letters() {
    let mut ahead = Ahead::default();
    for fates in [
        (Back, Leave, Leave),
        (Back, Leave, Archive),
        (Back, Archive, Archive),
        (Archive, Archive, Archive),
        (Leave, Leave, Leave),
    ] {
        ahead.add(fates.0, fates.1, fates.2);
    }
    assert_eq!(ahead, Ahead { sendable: 3, urgent: 1, kept: 2, archived: 1 });
    for (room, expected) in [
        (None, of(0, 0, 3, 2)),
        (Some(0), of(0, 2, 2, 1)),
        (Some(1), of(1, 1, 2, 1)),
        (Some(3), of(3, 0, 1, 1)),
        (Some(u64::MAX), of(3, 0, 1, 1)),
    ] {
        assert_eq!(share(5, ahead, room), expected, "{room:?}");
    }
    assert_eq!(share(0, Ahead::default(), Some(5)), Share::default());
    assert!(share(5, Ahead::default(), None).is_nothing());
}

#[test]
fn a_few_go_first_and_then_ever_more() {
    let redrive = |sent| Redrive {
        id: "op".to_owned(),
        began: now(),
        by: None,
        phase: Phase::Canary { until: now() },
        sent,
        returned: 0,
        tries: 0,
        round: 0,
    };
    for (plan, sent, expected) in [
        (of(0, 0, 3, 3), 0, vec![]),
        (of(3, 0, 0, 0), 0, vec![3]),
        (of(5, 7, 0, 0), 0, vec![5, 7]),
        (of(5, 30, 0, 0), 0, vec![5, 20, 10]),
        (of(5, 20, 0, 0), 0, vec![5, 20]),
        (of(20, 100, 0, 0), 5, vec![20, 100]),
        (of(0, 30, 0, 0), 5, vec![20, 10]),
        (of(0, 3, 0, 0), 0, vec![3]),
    ] {
        assert_eq!(stages(&plan, Some(&redrive(sent)), 5), expected, "{plan:?} {sent}");
    }
    assert_eq!(stages(&of(5, 7, 0, 0), None, 5), [5, 7]);
}

proptest! {
    #[test]
    fn no_letter_is_told_of_twice_or_not_at_all(
        sendable in 0u64..1_000, urgent in 0u64..1_000, archived in 0u64..1_000, more in 0u64..1_000,
        room in proptest::option::of(0u64..2_000), sent in 0u64..100,
    ) {
        let ahead = Ahead { sendable, urgent: urgent.min(sendable), kept: urgent.min(sendable), archived };
        let count = sendable + archived + more;
        let share = share(count, ahead, room);
        prop_assert_eq!(share.send + share.later + share.archive + share.leave, count);
        let redrive = Redrive { id: String::new(), began: now(), by: None, phase: Phase::Canary { until: now() },
            sent, returned: 0, tries: 0, round: 0 };
        prop_assert_eq!(stages(&share, Some(&redrive), 5).iter().sum::<u64>(), share.send + share.later);
    }
}

#[test]
fn each_group_is_told_with_why() {
    use Verdict::{Poison, Transient};
    for (is_meant, sends, verdict, no_way, expected) in [
        (false, true, Transient, None, "another group is asked for"),
        (true, false, Transient, None, "it is asked for"),
        (true, true, Transient, None, "they died of something that passes"),
        (true, true, Transient, Some("no source"), "they cannot be sent back: no source"),
        (true, true, Poison, None, "they do not die of something that passes: poison"),
    ] {
        assert_eq!(why_emptied(is_meant, sends, verdict, no_way), expected);
    }
    for (step, is_asked, no_way, expected) in [
        (Step::Canary { room: 5 }, true, None, "a few first; the others when"),
        (Step::Canary { room: 5 }, false, None, "a few first, by itself; the others when"),
        (Step::Send { room: 20 }, true, None, "those before them did not return"),
        (Step::Wait { until: now() }, true, None, "it is known at 2026-11-26T08:00:00Z whether they return"),
        (Step::Abort, true, None, "and return: no more are sent"),
        (Step::Finish, true, None, "all that were there were sent"),
        (Step::Leave(Still::NotTransient), true, Some("no source"), "they cannot be sent back: no source"),
        (Step::Leave(Still::NotTransient), true, None, "they are too large"),
        (Step::Leave(Still::NotTransient), false, None, "they are not asked for"),
        (Step::Leave(Still::NoWay), false, Some("no source"), "they cannot be sent back: no source"),
        (Step::Leave(Still::NoWay), false, None, "they cannot be sent back"),
        (Step::Leave(Still::NotAutomatic), false, None, "dlq.redrive.automatic"),
        (Step::Leave(Still::MayNotAct("the mode is observe".to_owned())), false, None, "the mode is observe"),
        (Step::Leave(Still::Held { until: now() }), false, None, "left until 2026-11-26T08:00:00Z"),
        (Step::Leave(Still::NoneLeft), true, None, "came after the redrive"),
        (Step::Leave(Still::TooMany), false, None, "more than could be looked at"),
    ] {
        let why = why_redriven(&step, is_asked, no_way);
        assert!(why.contains(expected), "{step:?}: {why}");
    }
}
