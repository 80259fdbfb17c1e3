use jiff::{SignedDuration, Timestamp};

use super::{Freshness, Place, State};
use crate::command::watch::source::{Incidents, Seen, Source};
use crate::command::watch::tests::{at, swept};
use crate::exit::Exit;

const EVERY: SignedDuration = SignedDuration::from_secs(60);

fn state() -> State {
    State::new(Place::default(), EVERY)
}

fn seconds(secs: i64) -> Timestamp {
    at() + SignedDuration::from_secs(secs)
}

fn incidents() -> Seen {
    Seen::Incidents(Incidents::default())
}

#[test]
fn each_source_is_asked_by_itself_and_never_twice_at_once() {
    let mut known = state();
    assert_eq!(known.due(at()), Source::ALL, "all is due at first");
    for source in Source::ALL {
        known.asked(source, at());
    }
    assert_eq!(known.due(seconds(3_600)), [], "what is being asked is not asked again");
    known.answered(Source::Incidents, Ok(incidents()), seconds(1));
    assert_eq!(known.next_due(), Some(seconds(11)));
    assert_eq!(known.due(seconds(10)), []);
    assert_eq!(known.due(seconds(11)), [Source::Incidents]);
}

#[test]
fn what_was_asked_when_it_was_left_is_asked_again_when_somebody_comes_back() {
    let mut known = state();
    known.answered(Source::Incidents, Ok(incidents()), at());
    for source in Source::ALL.into_iter().filter(|source| *source != Source::Incidents) {
        known.asked(source, at());
    }
    known.leave();
    let others = [Source::Health, Source::Deeds, Source::Letters, Source::Scaling, Source::Policy];
    assert_eq!(known.due(seconds(1)), others);
}

#[test]
fn what_fails_is_asked_less_and_less_often_and_as_often_as_before_when_it_answers() {
    let mut known = state();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        known.asked(Source::Incidents, at());
        known.answered(Source::Incidents, Err("throttled".to_owned()), at());
        pauses.push(known.next_due().unwrap().duration_since(at()).as_secs());
    }
    assert_eq!(pauses, [20, 40, 80, 160, 300, 300, 300, 300]);
    known.answered(Source::Incidents, Ok(incidents()), at());
    assert_eq!(known.next_due(), Some(seconds(10)));
    // What is asked seldom anyhow is never asked more often because it fails.
    let mut seldom = State::new(Place::default(), SignedDuration::from_hours(1));
    seldom.answered(Source::Health, Err("denied".to_owned()), at());
    assert_eq!(seldom.next_due(), Some(seconds(3_600)));
}

#[test]
fn a_refresh_asks_at_once_but_not_what_was_seen_just_now() {
    let mut known = state();
    known.answered(Source::Incidents, Ok(incidents()), at());
    known.asked(Source::Health, at());
    for source in [Source::Deeds, Source::Letters, Source::Scaling, Source::Policy] {
        known.answered(source, Err("denied".to_owned()), at());
    }
    known.refresh(seconds(2));
    assert_eq!(known.due(seconds(2)), []);
    known.refresh(seconds(4));
    let others = [Source::Incidents, Source::Deeds, Source::Letters, Source::Scaling, Source::Policy];
    assert_eq!(known.due(seconds(4)), others, "the sweep is still under way");
}

#[test]
fn what_was_seen_is_kept_when_a_look_fails_and_is_never_taken_for_fresh() {
    let mut known = state();
    let waited = Freshness::Waited { since: None };
    assert_eq!(known.freshness(Source::Health, at()), waited);
    known.asked(Source::Health, at());
    assert_eq!(known.freshness(Source::Health, at()), Freshness::Waited { since: Some(at()) });
    known.answered(Source::Health, Err("denied".to_owned()), at());
    let unseen = Freshness::Unseen { why: "denied".to_owned(), again: Some(seconds(120)) };
    assert_eq!(known.freshness(Source::Health, at()), unseen);

    known.answered(Source::Health, Ok(swept(&[])), at());
    assert_eq!(known.freshness(Source::Health, seconds(150)), Freshness::Fresh { at: at() });
    known.asked(Source::Health, seconds(60));
    let late = known.freshness(Source::Health, seconds(151));
    assert!(matches!(&late, Freshness::Stale { why, .. } if why.contains("has not ended")), "{late:?}");
    known.answered(Source::Health, Err("throttled".to_owned()), seconds(152));
    let stale = known.freshness(Source::Health, seconds(152));
    let again = Some(seconds(272));
    assert_eq!(stale, Freshness::Stale { at: at(), why: "throttled".to_owned(), again });
    assert!(known.sweep().is_some(), "what was seen is kept");
    assert_eq!(known.doubtful(seconds(152)), [Source::Health]);
}

#[test]
fn it_exits_with_what_was_seen_last_and_never_well_on_what_is_not_known() {
    let (ok, failed) = (swept(&[]), swept(&[("ecs-service:prod/web", "failed", "0 of 2 tasks run")]));
    let denied = || Err("denied".to_owned());
    let cases = [
        (vec![], Exit::Interrupted),
        (vec![denied()], Exit::Unable),
        (vec![Ok(ok.clone())], Exit::Good),
        (vec![Ok(failed.clone())], Exit::Errors),
        (vec![denied(), Ok(ok.clone())], Exit::Good),
        (vec![Ok(ok), denied()], Exit::Warnings),
        (vec![Ok(failed), denied()], Exit::Errors),
    ];
    for (looks, expected) in cases {
        let mut known = state();
        let said = format!("{looks:?}");
        for look in looks {
            known.answered(Source::Health, look, at());
        }
        assert_eq!(known.exit(at()), expected, "{said}");
    }
}
