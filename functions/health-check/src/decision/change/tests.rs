use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Fact, Severity};
use shared::policy::health::Change;

use super::News::{self, Begins, Differs, Ends, Reminds, Spreads};
use super::{Affected, Kept, Level, Seen, faults, follow};
use crate::decision::{Health, Verdict};

/// A sweep every minute: how it is, and what is told of it.
type Case = &'static [(char, News)];

const NO: News = News::None;

fn verdict(letter: char) -> Verdict {
    let health = match letter {
        'h' => Health::Healthy,
        'n' => Health::NotApplicable,
        'd' => Health::Degraded,
        'f' => Health::Failed,
        'u' => Health::Unknown,
        other => panic!("{other} is no health"),
    };
    Verdict { health, ..Verdict::default() }
}

fn at(minute: usize) -> Timestamp {
    Timestamp::from_second(1_795_176_000 + 60 * i64::try_from(minute).unwrap()).unwrap()
}

/// One thing, sweep after sweep.
#[derive(Default)]
struct Thing {
    kept: Option<Kept>,
    rules: Change,
    affects: Affected,
}

impl Thing {
    fn sees(&mut self, verdict: &Verdict, explained: bool, severity: Severity, minute: usize) -> News {
        let causes = BTreeSet::new();
        let seen = Seen { verdict, causes: &causes, explained, affects: &self.affects, severity };
        let (kept, news) = follow(self.kept.as_ref(), &seen, &self.rules, at(minute));
        self.kept = Some(kept);
        news
    }
}

#[track_caller]
fn check(case: Case) -> Kept {
    let mut thing = Thing::default();
    for (minute, (letter, expected)) in case.iter().enumerate() {
        let before = thing.kept.clone();
        let news = thing.sees(&verdict(*letter), false, Severity::Sev2, minute);
        assert_eq!(news, *expected, "sweep {minute}: {letter}, after {before:?}");
    }
    thing.kept.unwrap()
}

#[test]
fn it_is_bad_after_three_sweeps_and_good_after_two() {
    let kept = check(&[
        ('h', NO),
        ('f', NO),
        ('f', NO),
        ('f', Begins),
        ('f', NO),
        ('h', NO),
        ('h', Ends),
        ('h', NO),
    ]);
    assert_eq!((kept.level, kept.since, kept.began), (Level::Well, Some(at(5)), Some(at(1))));
}

#[test]
fn what_comes_and_goes_is_not_told() {
    check(&[('f', NO), ('f', NO), ('h', NO), ('f', NO), ('f', NO), ('h', NO), ('f', NO), ('h', NO)]);
    check(&[('f', NO), ('f', NO), ('f', Begins), ('h', NO), ('f', NO), ('h', NO), ('f', NO)]);
}

#[test]
fn worse_and_less_bad_are_told_when_they_last() {
    check(&[
        ('d', NO),
        ('d', NO),
        ('d', Begins),
        ('f', NO),
        ('f', NO),
        ('f', Differs),
        ('d', NO),
        ('d', Differs),
    ]);
    check(&[('d', NO), ('f', NO), ('d', Begins), ('n', NO), ('n', Ends)]);
    check(&[('f', NO), ('f', NO), ('f', Begins), ('d', NO), ('h', Differs), ('h', NO), ('h', Ends)]);
    let coming_back = [('f', NO), ('h', NO), ('f', NO), ('f', NO), ('h', NO), ('h', Ends)];
    let case: Vec<_> = [('d', NO), ('d', NO), ('d', Begins)].into_iter().chain(coming_back).collect();
    check(case.leak());
}

#[test]
fn what_cannot_be_looked_at_is_not_over_and_not_worse_and_hides_no_failure() {
    check(&[
        ('f', NO),
        ('f', NO),
        ('f', Begins),
        ('u', NO),
        ('u', NO),
        ('u', NO),
        ('u', NO),
        ('h', NO),
        ('h', Ends),
    ]);
    check(&[('f', NO), ('u', NO), ('f', NO), ('u', NO), ('f', Begins)]);
    check(&[('u', NO), ('u', NO), ('u', NO), ('f', NO), ('f', NO), ('u', NO), ('f', Begins)]);
    let kept = check(&[('f', NO), ('u', NO), ('u', NO), ('u', NO)]);
    assert_eq!((kept.level, kept.since, kept.told), (Level::Unknown, Some(at(1)), None));
}

#[test]
fn what_something_else_explains_is_told_only_if_it_is_still_bad_afterwards() {
    let mut thing = Thing::default();
    let told: Vec<_> =
        (0..8).map(|minute| thing.sees(&verdict('f'), minute < 6, Severity::Sev2, minute)).collect();
    assert_eq!(told, [NO, NO, NO, NO, NO, NO, Begins, NO]);
    // What recovers with its cause is not told on its way out.
    let mut thing = Thing::default();
    for (minute, (letter, explained)) in
        [('f', true), ('f', true), ('f', true), ('h', false), ('h', false)].into_iter().enumerate()
    {
        assert_eq!(thing.sees(&verdict(letter), explained, Severity::Sev2, minute), NO, "sweep {minute}");
    }
    let mut thing = Thing::default();
    for (minute, letter) in "fffu".chars().enumerate() {
        assert_eq!(thing.sees(&verdict(letter), letter == 'f', Severity::Sev2, minute), NO, "{letter}");
    }
}

#[test]
fn another_fault_of_the_same_level_is_told_and_other_numbers_are_none() {
    let says = |reason: &str| Verdict { reason: reason.to_owned(), ..verdict('d') };
    let mut thing = Thing::default();
    let mut told = Vec::new();
    let reasons = ["2 of 3 tasks", "1 of 3 tasks", "2 of 3 tasks"];
    let more = ["2 of 3 tasks; the deployment failed"; 4];
    for (minute, reason) in reasons.into_iter().chain(more).chain(["2 of 3 tasks"; 2]).enumerate() {
        told.push(thing.sees(&says(reason), false, Severity::Sev3, minute));
    }
    assert_eq!(told, [NO, NO, Begins, NO, NO, Differs, NO, NO, NO]);
    assert_eq!(faults("about 101 messages wait"), faults("about 2400 messages wait"));
    assert_eq!(faults("a; b").len(), 2);
    let same = [
        ("0 of 1 task runs", "2 of 10 tasks run"),
        ("1 of 3 targets is healthy", "2 of 3 targets are healthy"),
        ("1 of 20 lacks a required tag", "12 of 20 lack a required tag"),
        ("only 1 checker reaches it", "only 3 checkers reach it"),
        ("1 critical vulnerability", "14 critical vulnerabilities"),
        ("it has been pending for 50 minutes", "it has been pending for 1 hour"),
        ("it takes 900 ms", "it takes 1.5 s"),
        ("its certificate ends in 9 days", "its certificate ends in 1 day"),
        ("no checker reaches it", "2 checkers reach it"),
        ("5.0 % of requests fail", "12.5 % of requests fail"),
    ];
    for (one, other) in same {
        assert_eq!(faults(one), faults(other), "{one} {other}");
    }
    let different = [
        ("its address is taken", "its addresses are free"),
        ("2 of 3 tasks run", "2 of 3 targets run"),
        ("web is slow", "api is slow"),
    ];
    for (one, other) in different {
        assert_ne!(faults(one), faults(other), "{one} {other}");
    }
}

#[test]
fn what_affects_something_that_matters_more_is_told_more_loudly_once() {
    let mut thing = Thing::default();
    let loud =
        [Severity::Sev2, Severity::Sev2, Severity::Sev2, Severity::Sev1, Severity::Sev1, Severity::Sev2];
    let told: Vec<_> = loud
        .into_iter()
        .enumerate()
        .map(|(minute, severity)| thing.sees(&verdict('f'), false, severity, minute))
        .collect();
    assert_eq!(told, [NO, NO, Begins, Spreads, NO, NO]);
    // One sweep that sees it worse than it counts is not enough.
    let mut thing = Thing::default();
    let told: Vec<_> = "dddffff"
        .chars()
        .enumerate()
        .map(|(minute, letter)| {
            let severity = if letter == 'f' { Severity::Sev1 } else { Severity::Sev3 };
            thing.sees(&verdict(letter), false, severity, minute)
        })
        .collect();
    assert_eq!(told, [NO, NO, Begins, NO, NO, Differs, NO]);
}

#[test]
fn what_has_failed_tells_what_it_affects_once_that_counts_and_again_when_that_comes_back() {
    // By sweep: what is bad because of it, what of that counts, what is well again; and what is told.
    type Sweep = (&'static str, &'static str, &'static str, News);
    let cases: [(char, &[Sweep]); 3] = [
        (
            'f',
            &[
                ("a", "", "", NO),
                ("a", "", "", NO),
                ("a", "a", "", Begins),
                ("a b", "a", "", NO),
                ("a b", "a b", "", Spreads),
                ("b", "b", "", NO),
                ("a b", "a b", "", NO),
                ("b", "b", "a", NO),
                ("a b", "b", "", NO),
                ("a b", "a b", "", Spreads),
            ],
        ),
        // What was named is known, though it counted later only.
        ('f', &[("", "", "", NO), ("", "", "", NO), ("a", "", "", Begins), ("a", "a", "", NO)]),
        // What something degraded affects is told by itself.
        ('d', &[("", "", "", NO), ("", "", "", NO), ("", "", "", Begins), ("a", "a", "", NO)]),
    ];
    let set = |ids: &str| ids.split_whitespace().map(ToOwned::to_owned).collect::<BTreeSet<_>>();
    for (letter, sweeps) in cases {
        let mut thing = Thing::default();
        for (minute, (now, counted, over, expected)) in sweeps.iter().enumerate() {
            thing.affects = Affected { now: set(now), counted: set(counted), over: set(over) };
            let news = thing.sees(&verdict(letter), false, Severity::Sev2, minute);
            assert_eq!(news, *expected, "{letter} {minute}: {:?}", thing.affects);
        }
    }
}

#[test]
fn what_something_else_explains_by_now_is_neither_told_anew_nor_reminded_of_but_its_end_is() {
    let rules = Change { remind: SignedDuration::from_mins(10), ..Change::default() };
    let mut thing = Thing { rules, ..Thing::default() };
    let cases = [
        ('d', false, 0, NO),
        ('d', false, 1, NO),
        ('d', false, 2, Begins),
        ('f', true, 3, NO),
        ('f', true, 4, NO),
        ('f', true, 5, NO),
        ('f', true, 13, NO),
        ('u', true, 14, NO),
        ('f', false, 15, Differs),
        ('h', true, 16, NO),
        ('h', true, 17, Ends),
    ];
    for (letter, explained, minute, expected) in cases {
        assert_eq!(thing.sees(&verdict(letter), explained, Severity::Sev2, minute), expected, "{minute}");
    }
}

#[test]
fn what_was_looked_at_in_part_is_no_better_than_it_was_and_may_be_worse() {
    let partly = |letter| Verdict { partly: true, ..verdict(letter) };
    let mut thing = Thing::default();
    let all = ["f", "f", "f", "d?", "d?", "d?", "d", "d", "f?", "f?", "f?", "h", "h"];
    let expected = [NO, NO, Begins, NO, NO, NO, NO, Differs, NO, NO, Differs, NO, Ends];
    for (minute, (said, expected)) in all.into_iter().zip(expected).enumerate() {
        let letter = said.chars().next().unwrap();
        let seen = if said.ends_with('?') { partly(letter) } else { verdict(letter) };
        assert_eq!(thing.sees(&seen, false, Severity::Sev2, minute), expected, "{minute}: {said}");
    }
}

#[test]
fn what_is_told_while_it_cannot_be_looked_at_is_as_loud_as_it_was_when_it_was_seen() {
    let rules = Change { remind: SignedDuration::from_mins(10), ..Change::default() };
    let mut thing = Thing { rules, ..Thing::default() };
    let says = |letter, reason: &str| Verdict { reason: reason.to_owned(), ..verdict(letter) };
    for minute in 0..3 {
        thing.sees(&says('f', "0 of 3 tasks run"), false, Severity::Sev1, minute);
    }
    let news = thing.sees(&says('u', "denied"), false, Severity::Sev4, 12);
    let kept = thing.kept.unwrap();
    assert_eq!((news, kept.told.unwrap().severity), (Reminds, Severity::Sev1));
    assert_eq!(kept.last.unwrap().reason, "0 of 3 tasks run");
}

#[test]
fn an_end_that_could_not_be_told_waits_while_it_seems_to_begin_anew() {
    let mut thing = Thing::default();
    for (minute, letter) in "fffhh".chars().enumerate() {
        thing.sees(&verdict(letter), false, Severity::Sev2, minute);
    }
    let told = super::Told {
        at: at(2),
        level: Level::Failed,
        severity: Severity::Sev2,
        faults: BTreeSet::new(),
        affects: BTreeSet::new(),
    };
    thing.kept.as_mut().unwrap().told = Some(told);
    assert_eq!(thing.sees(&verdict('f'), false, Severity::Sev2, 5), NO);
    assert_eq!(thing.sees(&verdict('h'), false, Severity::Sev2, 6), Ends);
}

#[test]
fn nobody_is_reminded_of_what_gets_well() {
    let mut thing = Thing {
        rules: Change { remind: SignedDuration::from_hours(1), ..Change::default() },
        ..Thing::default()
    };
    let cases =
        [('f', 0, NO), ('f', 1, NO), ('f', 2, Begins), ('h', 62, NO), ('u', 63, Reminds), ('h', 64, Ends)];
    for (letter, minute, expected) in cases {
        assert_eq!(thing.sees(&verdict(letter), false, Severity::Sev2, minute), expected, "minute {minute}");
    }
}

#[test]
fn people_are_reminded_and_a_new_certificate_begins_anew() {
    let rules = Change { remind: SignedDuration::from_hours(1), bad: 1, ..Change::default() };
    let certificate = |print: &str| Verdict {
        evidence: vec![Fact { name: "Fingerprint".to_owned(), value: print.to_owned() }],
        ..verdict('d')
    };
    let mut thing = Thing { rules, ..Thing::default() };
    let mut sweep = |print: &str, minute| thing.sees(&certificate(print), false, Severity::Sev3, minute);
    assert_eq!([sweep("a", 0), sweep("a", 59), sweep("a", 60), sweep("a", 61)], [Begins, NO, Reminds, NO]);
    assert_eq!([sweep("b", 119), sweep("b", 120), sweep("b", 179)], [NO, NO, Reminds]);
}

#[test]
fn what_is_remembered_is_read_as_it_was_written_and_words_that_are_new_are_not_missed() {
    let mut thing = Thing::default();
    for minute in 0..3 {
        thing.sees(&verdict('f'), false, Severity::Sev1, minute);
    }
    let kept = thing.kept.unwrap();
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), kept);
    assert_eq!(serde_json::from_str::<Kept>("{}").unwrap(), Kept::default());
}
