use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, Severity, State};
use shared::policy::Policy;

use super::{About, plan};
use crate::decision::Health::{self, Degraded, Failed, Healthy, Unknown};
use crate::decision::change::{Found, Kept};
use crate::memory::{Memory, Sweeps};
use crate::result::samples::{began, checked};
use crate::result::{Checked, Counts, SCHEMA, Sweep};
use crate::sweep::whole::Swept;

const SERVICE: &str = "ecs-service:prod/web";
const DATABASE: &str = "rds-instance:orders";

/// What is remembered from sweep to sweep, and what was told.
#[derive(Default)]
struct Days {
    kept: BTreeMap<String, Kept>,
    sweeps: Sweeps,
    told: Vec<Notice>,
    minute: i64,
}

impl Days {
    /// A sweep, five minutes after the last.
    fn sweep(&mut self, components: Vec<Checked>, more: impl FnOnce(&mut Swept)) -> Vec<String> {
        let now: Timestamp = began() + SignedDuration::from_mins(self.minute);
        self.minute += 5;
        let health = components.iter().map(|it| it.health).max().unwrap_or(Health::NotApplicable);
        let sweep = Sweep {
            schema: SCHEMA.to_owned(),
            environment: "prod".to_owned(),
            began: now,
            took_ms: 1,
            health,
            counts: Counts::default(),
            incomplete: Vec::new(),
            components,
        };
        let unclear = sweep.components.iter().filter(|it| it.health == Unknown).map(Checked::remembered);
        let unclear = unclear.collect();
        let mut swept = Swept { sweep, found: BTreeMap::new(), unclear };
        more(&mut swept);
        let memory = Memory::with(self.kept.clone(), self.sweeps.clone());
        let plan = plan(&mut swept, &memory, &Policy::default(), "prod", now);
        self.kept.extend(plan.changed);
        self.sweeps = plan.sweeps;
        let titles = plan.notices.iter().map(|(_, notice)| notice.title.clone()).collect();
        self.told.extend(plan.notices.into_iter().map(|(_, notice)| notice));
        titles
    }

    fn sees(&mut self, components: &[Checked]) -> Vec<String> {
        self.sweep(components.to_vec(), |_| {})
    }

    fn sees_often(&mut self, times: usize, components: &[Checked]) -> Vec<String> {
        (0..times).flat_map(|_| self.sees(components)).collect()
    }
}

fn is(id: &str, health: Health, reason: &str) -> Checked {
    checked(id, health, reason)
}

/// The database is down, and the service because of it.
fn both_down() -> [Checked; 2] {
    [
        is(SERVICE, Failed, "0 of 3 tasks run").because_of(&[DATABASE]),
        is(DATABASE, Failed, "its storage is full").affects(&[SERVICE]),
    ]
}

#[test]
fn an_outage_that_its_last_cause_explains_no_more_is_told_though_that_fails_on() {
    let mut days = Days::default();
    let told = days.sees_often(4, &both_down());
    assert_eq!(told, ["database orders is failed: its storage is full"]);
    // It does not read from the database any more, and is down all the same.
    let own = [is(SERVICE, Failed, "no image"), is(DATABASE, Failed, "its storage is full")];
    assert_eq!(days.sees(&own), ["service prod/web is failed: no image"]);
}

#[test]
fn what_comes_back_with_its_cause_is_not_told_on_its_way_nor_because_of_a_moment_in_which_nobody_saw_the_cause()
 {
    for between in [Healthy, Unknown] {
        let mut days = Days::default();
        assert_eq!(days.sees_often(4, &both_down()).len(), 1);
        let one = [is(SERVICE, Failed, "0 of 3 tasks run"), is(DATABASE, between, "said")];
        assert_eq!(days.sees(&one), Vec::<String>::new(), "{between:?}");
    }
    // For how long nobody could see it, nobody knows that it is still the cause.
    let mut days = Days::default();
    days.sees_often(4, &both_down());
    let blind = [is(SERVICE, Failed, "0 of 3 tasks run"), is(DATABASE, Unknown, "denied")];
    assert_eq!(days.sees_often(4, &blind), ["service prod/web is failed: 0 of 3 tasks run"]);
}

#[test]
fn a_cause_that_affects_more_says_so_once_that_counts_and_names_it() {
    let mut days = Days::default();
    let alone = [is(SERVICE, Healthy, ""), is(DATABASE, Failed, "its storage is full")];
    assert_eq!(days.sees_often(5, &alone).len(), 1);
    let told = days.sees_often(6, &both_down());
    assert_eq!(told, ["database orders is failed, and affects more: its storage is full"]);
    let notice = days.told.last().unwrap();
    assert_eq!((notice.state, notice.severity), (State::Firing, Severity::Sev1));
    let new = notice.facts.iter().find(|fact| fact.name == "Affects now, too").unwrap();
    assert_eq!(new.value, SERVICE);
    // It comes back, and fails anew: that is more again.
    assert_eq!(days.sees_often(3, &alone), Vec::<String>::new());
    assert_eq!(days.sees_often(4, &both_down()), told);
}

#[test]
fn what_was_told_before_something_else_explained_it_is_not_told_anew_while_that_does() {
    let mut days = Days::default();
    let slow = [is(SERVICE, Degraded, "2 of 3 tasks run"), is(DATABASE, Healthy, "")];
    assert_eq!(days.sees_often(3, &slow).len(), 1);
    let told = days.sees_often(4, &both_down());
    assert_eq!(told, ["database orders is failed: its storage is full"]);
}

#[test]
fn what_is_not_seen_because_what_leads_to_it_could_not_be_looked_at_goes_on() {
    const SECRET: &str = "secret:prod/db";
    let led = |by: &[&str]| Found { by_itself: false, by: by.iter().map(ToString::to_string).collect() };
    let gone = "secret prod/db is not there any more";
    let service = |health| is(SERVICE, health, "said");
    let cases = [
        // The service could not be looked at, so that its task definition was not seen, nor the secret that this names.
        (vec![service(Unknown)], &[][..], false),
        // The service failed for a reason of its own, and a part of it could not be asked for.
        (vec![service(Failed)], &[SERVICE], false),
        (vec![service(Healthy)], &[], true),
        (vec![service(Healthy), is("kms-key:k", Unknown, "denied")], &[], true),
        (vec![], &[], true),
    ];
    for (after, unclear, ends) in cases {
        let mut days = Days::default();
        for _ in 0..3 {
            let bad = vec![is(SERVICE, Healthy, ""), is(SECRET, Failed, "it was deleted")];
            days.sweep(bad, |swept| {
                swept.found.insert(SECRET.to_owned(), led(&["task-definition:web", SERVICE]));
            });
        }
        for _ in 0..3 {
            days.sweep(after.clone(), |swept| swept.unclear.extend(unclear.iter().map(ToString::to_string)));
        }
        let ended = days.told.iter().any(|notice| notice.title == gone);
        assert_eq!(ended, ends, "{after:?} {unclear:?}");
    }
}

#[test]
fn people_are_reminded_in_the_words_of_the_last_sweep_that_saw_it() {
    let mut days = Days::default();
    let mut down = is(SERVICE, Failed, "0 of 3 tasks run");
    down.todo = vec!["Look at the tasks.".to_owned()];
    days.sees_often(3, &[down]);
    days.minute += 24 * 60;
    let told = days.sees(&[is(SERVICE, Unknown, "could not be checked: denied")]);
    assert_eq!(told, ["service prod/web is still failed: 0 of 3 tasks run"]);
    let notice = days.told.last().unwrap();
    assert_eq!(notice.severity, Severity::Sev1);
    assert_eq!(notice.next_steps, ["Look at the tasks."]);
    assert!(notice.summary.starts_with("0 of 3 tasks run. It has been so for 1 d"), "{}", notice.summary);
    assert!(notice.summary.ends_with("Just now: could not be checked: denied."), "{}", notice.summary);
    // Also where it was not even looked for.
    days.minute += 24 * 60;
    let told = days.sweep(Vec::new(), |swept| swept.sweep.incomplete.push("not listed".to_owned()));
    assert_eq!(told, ["service prod/web is still failed: 0 of 3 tasks run"]);
}

#[test]
fn an_end_says_what_it_was_since_when_and_how_it_is_now() {
    let cases = [
        (Healthy, "3 of 3 tasks run", "service prod/web is healthy again"),
        (
            Health::NotApplicable,
            "it is scaled to zero",
            "service prod/web is not failed any more: it is scaled to zero",
        ),
    ];
    for (health, reason, title) in cases {
        let mut days = Days::default();
        days.sees_often(3, &[is(SERVICE, Failed, "0 of 3 tasks run")]);
        let told = days.sees_often(2, &[is(SERVICE, health, reason)]);
        assert_eq!(told, [title]);
        let expected = format!(
            "It was failed from 2026-11-26 12:00 UTC on, for 15 min: 0 of 3 tasks run. Now: {reason}."
        );
        assert_eq!(days.told.last().unwrap().summary, expected);
    }
}

#[test]
fn what_is_new_and_could_not_be_told_is_told_by_the_next_sweep() {
    let mut days = Days::default();
    days.sees_often(3, &[is(SERVICE, Degraded, "2 of 3 tasks run")]);
    let more = [is(SERVICE, Degraded, "2 of 3 tasks run; the deployment failed")];
    assert_eq!(days.sees_often(2, &more), Vec::<String>::new());
    let before = Memory::with(days.kept.clone(), days.sweeps.clone());
    assert_eq!(days.sees(&more).len(), 1);
    let mut failed =
        super::Plan { notices: Vec::new(), changed: days.kept.clone(), sweeps: days.sweeps.clone() };
    failed.untold(&About::Component(SERVICE.to_owned()), &before);
    days.kept = failed.changed;
    assert_eq!(days.sees(&more).len(), 1);
}

#[test]
fn what_is_told_of_the_sweeps_is_the_same_notice_when_the_sweep_is_made_again() {
    let policy = Policy::parse("policy", "health: {digest: {daily: '12:30', zone: UTC}}").unwrap();
    let memory = || {
        let mut days = Days::default();
        days.sees_often(3, &[is("kms-key:k", Unknown, "denied")]);
        let kept = BTreeMap::from([("kms-key:k".to_owned(), days.kept["kms-key:k"].clone())]);
        Memory::with(kept, Sweeps { unchecked: None, ..days.sweeps })
    };
    let ids = |minute| {
        let now: Timestamp = began() + SignedDuration::from_mins(minute);
        let mut swept = Swept {
            sweep: Sweep {
                schema: SCHEMA.to_owned(),
                environment: "prod".to_owned(),
                began: now,
                took_ms: 1,
                health: Unknown,
                counts: Counts::default(),
                incomplete: Vec::new(),
                components: vec![is("kms-key:k", Unknown, "denied")],
            },
            found: BTreeMap::new(),
            unclear: BTreeSet::from(["kms-key:k".to_owned()]),
        };
        let plan = plan(&mut swept, &memory(), &policy, "prod", now);
        plan.notices.into_iter().map(|(_, notice)| notice.id).collect::<Vec<_>>()
    };
    assert_eq!((ids(30).len(), ids(30)), (2, ids(35)));
}
