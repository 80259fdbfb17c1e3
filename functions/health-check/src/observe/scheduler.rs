//! EventBridge Scheduler schedules, singly and by group: a list of a group tells the state of all, and only those that
//! are not enabled are asked for once more, as only that tells when they end, and whether they fire once only. Programs
//! make a schedule for each thing to come, so that a group may hold very many: then not all are listed or asked for.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_scheduler::types::{ScheduleState, ScheduleSummary};
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::Verdict;
use crate::decision::kind::schedule::{Calls, Facts, Group, group, verdict};
use crate::observe::metrics::Query;
use crate::observe::sqs::beside::{WHILE, beside, dead_letters, gap, is_absent, measure, time};
use crate::sweep::{Api, Ask, Pages};

/// The group of schedules that name none.
const DEFAULT: &str = "default";

/// A page has a hundred schedules, and a sweep has minutes: of a group that holds more, the first ones stand for all.
const MOST_PAGES: usize = 20;

/// So many of a group that are not enabled are asked for once more: Scheduler is asked eight times a second.
const MOST_ASKED: usize = 100;

/// The metrics of a group; there are none of single schedules (Scheduler User Guide, Monitoring).
const METRICS: [&str; 4] = [
    "TargetErrorCount",
    "InvocationDroppedCount",
    "InvocationsSentToDeadLetterCount",
    "InvocationsFailedToBeSentToDeadLetterCount",
];

/// What Scheduler says of a schedule.
#[derive(Default)]
struct Read {
    arn: String,
    target: String,
    letters: String,
    facts: Facts,
}

/// What is known of the metrics of the groups.
struct Measured {
    calls: BTreeMap<String, Calls>,
    gaps: Vec<Verdict>,
}

/// Checks all of them: a component named `group/*` stands for a group and all schedules in it.
pub(crate) async fn check(ask: &Ask<'_>, schedules: &[Component]) {
    let names: BTreeSet<&str> = schedules.iter().map(|schedule| split(schedule).0).collect();
    let (groups, single): (Vec<_>, Vec<_>) = schedules.iter().partition(|schedule| split(schedule).1 == "*");
    let measured = metrics(ask, &names).await;
    join_all(groups.iter().map(|group| whole(ask, group, &measured))).await;
    // What its group was listed with was said already; what was not on the list is asked for.
    let alone = single.into_iter().filter(|schedule| !ask.is_said(&schedule.id()));
    join_all(alone.map(|schedule| one(ask, schedule, &measured))).await;
}

/// Group and name of a schedule.
fn split(schedule: &Component) -> (&str, &str) {
    schedule.name.split_once('/').unwrap_or((DEFAULT, &schedule.name))
}

async fn metrics(ask: &Ask<'_>, groups: &BTreeSet<&str>) -> Measured {
    let of = |group: &&str, name| Query {
        namespace: "AWS/Scheduler",
        name,
        dimensions: vec![("ScheduleGroup", (*group).to_owned())],
        statistic: "Sum",
        over: WHILE,
    };
    let queries: Vec<Query> = groups.iter().flat_map(|group| METRICS.map(|name| of(group, name))).collect();
    let (values, gaps) = measure(ask, &queries).await;
    let mut values = values.into_iter();
    let mut next = || values.next().flatten();
    let calls = groups.iter().map(|group| {
        let calls = Calls { errors: next(), dropped: next(), dead: next(), lost: next() };
        ((*group).to_owned(), calls)
    });
    Measured { calls: calls.collect(), gaps }
}

/// One that is not asked for with its group: the metrics of the group count for it.
async fn one(ask: &Ask<'_>, schedule: &Component, measured: &Measured) {
    let (group, name) = split(schedule);
    match read(ask, group, name).await {
        Ok(read) => {
            let facts = if read.facts.absent {
                read.facts.clone()
            } else {
                let calls = measured.calls.get(group).copied().unwrap_or_default();
                Facts { group: calls, gaps: measured.gaps.clone(), ..read.facts.clone() }
            };
            ask.say(schedule, verdict(&facts, ask.now));
            tell(ask, schedule, &read);
        }
        Err(error) => ask.unknown(schedule, &error),
    }
}

async fn whole(ask: &Ask<'_>, component: &Component, measured: &Measured) {
    let (name, _) = split(component);
    let mut schedules = Vec::new();
    let listed = list(ask, name, &mut schedules).await;
    let mut facts = Group {
        schedules: schedules.len(),
        unsaid: schedules.iter().filter(|schedule| !is_said(schedule)).count(),
        calls: measured.calls.get(name).copied().unwrap_or_default(),
        gaps: measured.gaps.clone(),
        ..Group::default()
    };
    match listed {
        Ok(more) => facts.more = more,
        Err(error) if schedules.is_empty() && is_absent(&error, &["ResourceNotFoundException"]) => {
            facts = Group { absent: true, ..Group::default() };
        }
        Err(error) if schedules.is_empty() => return ask.unknown(component, &error),
        Err(error) => facts.gaps.push(gap("its schedules", &error)),
    }
    let (disabled, others): (Vec<_>, Vec<_>) = schedules.iter().partition(|it| state(it) == "DISABLED");
    for schedule in others {
        listed_one(ask, name, schedule);
    }
    let asked = disabled.iter().take(MOST_ASKED).map(|schedule| disabled_one(ask, name, schedule));
    facts.once = join_all(asked).await.into_iter().filter(|once| *once).count();
    facts.unasked = disabled.len().saturating_sub(MOST_ASKED);
    ask.say(component, group(&facts));
    for schedule in &schedules {
        ask.led(component, named(name, schedule).id());
    }
}

/// Whether it is said in what state a schedule is.
fn is_said(schedule: &ScheduleSummary) -> bool {
    schedule.state().is_some_and(|state| ["ENABLED", "DISABLED"].contains(&state.as_str()))
}

fn state(summary: &ScheduleSummary) -> &str {
    summary.state().map(ScheduleState::as_str).unwrap_or_default()
}

/// A schedule of a group, by its name.
fn named(group: &str, summary: &ScheduleSummary) -> Component {
    let name = format!("{group}/{}", summary.name().unwrap_or_default());
    Component { arn: summary.arn().map(ToOwned::to_owned), ..Component::new(Kind::Schedule, name) }
}

/// A schedule of a group, of which the list tells enough.
fn listed_one(ask: &Ask<'_>, group: &str, summary: &ScheduleSummary) {
    let component = named(group, summary);
    let target = summary.target().map(|target| target.arn().to_owned()).unwrap_or_default();
    let facts = Facts { state: state(summary).to_owned(), target: target.clone(), ..Facts::default() };
    let read = Read { arn: component.arn().to_owned(), target, letters: String::new(), facts };
    ask.say(&component, verdict(&read.facts, ask.now));
    tell(ask, &component, &read);
}

/// A schedule of a group that is disabled: whether it fires once only, and so is only counted.
async fn disabled_one(ask: &Ask<'_>, group: &str, summary: &ScheduleSummary) -> bool {
    let component = named(group, summary);
    match read(ask, group, summary.name().unwrap_or_default()).await {
        Ok(read) if read.facts.expression.starts_with("at(") => return true,
        Ok(read) => {
            ask.say(&component, verdict(&read.facts, ask.now));
            tell(ask, &component, &read);
        }
        Err(error) => ask.unknown(&component, &error),
    }
    false
}

fn tell(ask: &Ask<'_>, schedule: &Component, read: &Read) {
    if let Some(target) = beside(&read.arn, &read.target) {
        ask.needs(schedule, target);
    }
    if let Some(letters) = dead_letters(&read.arn, &read.letters) {
        ask.leads(schedule, letters);
    }
}

/// As many pages as are read, and whether there are more; those that were read before one failed stay.
async fn list(ask: &Ask<'_>, group: &str, schedules: &mut Vec<ScheduleSummary>) -> Result<bool> {
    let (mut token, mut pages) = (None, Pages::default());
    for _ in 0..MOST_PAGES {
        let answer = {
            let _turn = ask.turn(Api::Scheduler).await;
            let call = ask.clients.scheduler().list_schedules().group_name(group).max_results(100);
            call.set_next_token(token).send().await.action("scheduler:ListSchedules")?
        };
        schedules.extend(answer.schedules);
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn read(ask: &Ask<'_>, group: &str, name: &str) -> Result<Read> {
    let answer = {
        let _turn = ask.turn(Api::Scheduler).await;
        let call = ask.clients.scheduler().get_schedule().group_name(group).name(name);
        call.send().await.action("scheduler:GetSchedule")
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if is_absent(&error, &["ResourceNotFoundException"]) => {
            return Ok(Read { facts: Facts { absent: true, ..Facts::default() }, ..Read::default() });
        }
        Err(error) => return Err(error),
    };
    let ends = time(answer.end_date());
    let (target, letters) = answer.target.map_or_else(Default::default, |target| {
        let letters = target.dead_letter_config.and_then(|config| config.arn).unwrap_or_default();
        (target.arn, letters)
    });
    let facts = Facts {
        state: answer.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        expression: answer.schedule_expression.unwrap_or_default(),
        ends,
        target: target.clone(),
        ..Facts::default()
    };
    Ok(Read { arn: answer.arn.unwrap_or_default(), target, letters, facts })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{MOST_ASKED, MOST_PAGES, check};
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::observe::sqs::tests::{mangled, now};
    use crate::wire::{Reply, Wire};

    fn schedule(name: &str, state: &str) -> Value {
        json!({
            "Arn": format!("arn:aws:scheduler:eu-central-1:1:schedule/jobs/{name}"),
            "GroupName": "jobs", "Name": name, "State": state, "ScheduleExpression": "rate(1 hour)",
            "Target": {
                "Arn": "arn:aws:lambda:eu-central-1:1:function:hook", "RoleArn": "arn:aws:iam::1:role/r",
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-central-1:1:undelivered"},
            },
        })
    }

    async fn single(answer: Reply, metrics: [Option<f64>; 4]) -> Verdict {
        let wire = Wire::new(move |call| match call.action.as_str() {
            "GET /schedules/nightly" => answer.clone(),
            _ => Reply::metrics(&metrics),
        });
        let ask = wire.ask();
        check(&ask, &[Component::new(Kind::Schedule, "jobs/nightly")]).await;
        ask.verdict(Kind::Schedule, "jobs/nightly").unwrap()
    }

    #[tokio::test]
    async fn a_schedule_is_read_as_scheduler_answers_and_what_cannot_be_asked_is_unknown() {
        let quiet = [None; 4];
        let mut ended = schedule("nightly", "DISABLED");
        ended["EndDate"] = json!(1_700_000_000.0);
        let cases = [
            (Reply::ok(schedule("nightly", "ENABLED")), quiet, Health::Healthy, "it is enabled"),
            (Reply::ok(schedule("nightly", "DISABLED")), quiet, Health::Degraded, "it is disabled"),
            (Reply::ok(ended), quiet, Health::NotApplicable, "it ended on 2023-11-14"),
            (Reply::ok(schedule("nightly", "NAPPING")), quiet, Health::Unknown, "NAPPING"),
            (Reply::ok(json!({})), quiet, Health::Unknown, "does not say"),
            (
                Reply::ok(schedule("nightly", "ENABLED")),
                [Some(2.0), None, None, None],
                Health::Degraded,
                "2 calls of its group failed",
            ),
            (
                Reply::error(403, "AccessDeniedException"),
                quiet,
                Health::Unknown,
                "scheduler:GetSchedule is denied",
            ),
            (Reply::error(404, "ResourceNotFoundException"), quiet, Health::Failed, "does not exist"),
        ];
        for (answer, metrics, health, reason) in cases {
            let verdict = single(answer, metrics).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    fn group(second: Reply, metrics: [Option<f64>; 4]) -> Wire {
        Wire::new(move |call| match call.action.as_str() {
            "GET /schedules" if call.query.contains("NextToken") => second.clone(),
            "GET /schedules" => {
                let schedules = [schedule("nightly", "ENABLED"), schedule("paused", "DISABLED")];
                Reply::ok(json!({"NextToken": "t", "Schedules": schedules}))
            }
            "GET /schedules/paused" => Reply::ok(schedule("paused", "DISABLED")),
            "GET /schedules/gone" => Reply::error(404, "ResourceNotFoundException"),
            _ => Reply::metrics(&metrics),
        })
    }

    #[tokio::test]
    async fn a_group_is_listed_to_its_end_and_says_each_schedule_and_itself() {
        let wire = group(Reply::ok(json!({"Schedules": [schedule("late", "ENABLED")]})), [None; 4]);
        let ask = wire.ask();
        let named = ["jobs/*", "jobs/late", "jobs/gone"].map(|name| Component::new(Kind::Schedule, name));
        check(&ask, &named).await;
        for (name, health) in [
            ("jobs/*", Health::Healthy),
            ("jobs/nightly", Health::Healthy),
            ("jobs/paused", Health::Degraded),
            ("jobs/late", Health::Healthy),
            ("jobs/gone", Health::Failed),
        ] {
            assert_eq!(ask.verdict(Kind::Schedule, name).unwrap().health, health, "{name}");
        }
        assert_eq!(ask.verdict(Kind::Schedule, "jobs/*").unwrap().reason, "it has 3 schedules");
        let needs: Vec<_> = ask.said().get("schedule:jobs/late").unwrap().needs.iter().cloned().collect();
        assert_eq!(needs, ["lambda-function:hook"]);
        assert!(ask.take_more().iter().any(|more| more.id() == "dlq:undelivered"));
        let singly = wire.calls().iter().filter(|call| call.action.starts_with("GET /schedules/")).count();
        assert_eq!(singly, 2, "only the one that is not enabled, and the one that is not on the list");
    }

    #[tokio::test]
    async fn a_group_with_very_many_schedules_is_read_in_part_and_says_so() {
        let pages = std::sync::atomic::AtomicUsize::new(0);
        let wire = Wire::new(move |call| match call.action.as_str() {
            "GET /schedules" => {
                let page = ["nightly", "paused"].map(|name| schedule(name, "ENABLED"));
                let token = format!("page {}", pages.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
                Reply::ok(json!({"NextToken": token, "Schedules": page}))
            }
            _ => Reply::metrics(&[None; 4]),
        });
        let ask = wire.ask();
        tokio::time::pause();
        check(&ask, &[Component::new(Kind::Schedule, "jobs/*")]).await;
        let group = ask.verdict(Kind::Schedule, "jobs/*").unwrap();
        assert_eq!(group.reason, "it has 40 schedules, and more that were not listed");
        assert_eq!(wire.calls().iter().filter(|call| call.action == "GET /schedules").count(), MOST_PAGES);
    }

    #[tokio::test]
    async fn schedules_that_fire_once_are_counted_and_no_more_are_asked_for_than_may_be() {
        let wire = Wire::new(|call| match call.action.as_str() {
            "GET /schedules" => {
                let many = (0..MOST_ASKED + 7).map(|place| schedule(&format!("s{place}"), "DISABLED"));
                Reply::ok(json!({"Schedules": many.collect::<Vec<_>>()}))
            }
            "GET /schedules/s0" => Reply::ok(schedule("s0", "DISABLED")),
            action if action.starts_with("GET /schedules/") => {
                let mut once = schedule("s", "DISABLED");
                once["ScheduleExpression"] = json!("at(2027-01-01T00:00:00)");
                Reply::ok(once)
            }
            _ => Reply::metrics(&[None; 4]),
        });
        let ask = wire.ask();
        tokio::time::pause();
        check(&ask, &[Component::new(Kind::Schedule, "jobs/*")]).await;
        let group = ask.verdict(Kind::Schedule, "jobs/*").unwrap();
        assert_eq!(group.health, Health::Unknown, "{group:?}");
        assert!(group.reason.starts_with("7 of its schedules are disabled"), "{group:?}");
        let once = group.evidence.iter().find(|fact| fact.name == "Disabled, and to fire once").unwrap();
        assert_eq!(once.value, (MOST_ASKED - 1).to_string());
        assert_eq!(ask.said().len(), 2, "the group, and the one that does not fire once");
    }

    #[tokio::test]
    async fn pages_that_were_read_before_one_failed_count() {
        let wire = group(Reply::error(429, "ThrottlingException"), [None; 4]);
        let ask = wire.ask();
        check(&ask, &[Component::new(Kind::Schedule, "jobs/*")]).await;
        let group = ask.verdict(Kind::Schedule, "jobs/*").unwrap();
        assert_eq!(group.health, Health::Unknown, "{group:?}");
        assert!(group.reason.contains("its schedules could not be checked"), "{group:?}");
        assert_eq!(ask.verdict(Kind::Schedule, "jobs/nightly").unwrap().health, Health::Healthy);
    }

    #[tokio::test]
    async fn a_group_that_is_not_there_or_cannot_be_listed_says_so() {
        for (status, code, health, reason) in [
            (404, "ResourceNotFoundException", Health::Failed, "does not exist"),
            (403, "AccessDeniedException", Health::Unknown, "scheduler:ListSchedules is denied"),
        ] {
            let wire = Wire::new(move |call| match call.action.as_str() {
                "GET /schedules" => Reply::error(status, code),
                _ => Reply::metrics(&[None; 4]),
            });
            let ask = wire.ask();
            check(&ask, &[Component::new(Kind::Schedule, "jobs/*")]).await;
            let verdict = ask.verdict(Kind::Schedule, "jobs/*").unwrap();
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_schedule_is_healthy_whose_state_is_mangled(
            body in mangled(&schedule("nightly", "ENABLED").to_string()),
        ) {
            let verdict = now(single(Reply::ok(&body), [None; 4]));
            let whole = body.contains(r#""State":"ENABLED""#);
            prop_assert!(whole || verdict.health != Health::Healthy, "{body} {verdict:?}");
        }
    }
}
