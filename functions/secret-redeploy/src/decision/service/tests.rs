//! Every case of the table is one service as it is found; everything about the first says "redeploy". What people read of
//! them stands in `tests/reasons.txt`.

mod cases;
mod properties;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use shared::ledger::lease::Lease;

use super::*;
use crate::cases::{
    DIGEST, at, deployment, operation, policy, redeploy, service, task, td, used, with_rules,
};
use crate::facts::{Deployment, Names, TaskSet};
use cases::table;

/// All there is to know of a case. The decision sees of it what it asks for.
#[derive(Debug, Clone)]
struct Truth {
    service: Option<Service>,
    memory: Memory,
    tasks: Vec<Task>,
    images: Vec<Image>,
    group: Option<Group>,
    redeploy: Redeploy,
    secret: Tags,
    uses: Option<Vec<Use>>,
    waits_since: Option<Timestamp>,
    policy: Policy,
    now: Timestamp,
}

/// At 03:00 the secret changed; now it is 03:05, and `web` runs three tasks of the day before.
fn truth() -> Truth {
    Truth {
        service: Some(service()),
        memory: Memory::default(),
        tasks: vec![task(-1_440), task(-1_440), task(-600)],
        images: vec![image(Names::Digest(DIGEST.to_owned()))],
        group: None,
        redeploy: redeploy(),
        secret: Tags::new(),
        uses: Some(vec![used(Place::Secret, "AWSCURRENT")]),
        waits_since: None,
        policy: policy(),
        now: at(5),
    }
}

fn image(names: Names) -> Image {
    Image { container: "app".to_owned(), image: "shop/web:latest".to_owned(), names }
}

impl Truth {
    fn case(&self) -> Case<'_> {
        Case {
            redeploy: &self.redeploy,
            secret: &self.secret,
            uses: self.uses.as_deref(),
            waits_since: self.waits_since,
            even_if_fresh: self.redeploy.even_if_fresh,
        }
    }

    fn web(&mut self) -> &mut Service {
        self.service.as_mut().unwrap()
    }

    /// The verdict, and what was asked on the way; nothing is asked twice.
    fn asked(&self) -> (Verdict, Vec<Question>) {
        let mut facts = Facts::default();
        let mut asked = Vec::new();
        loop {
            match decide(&self.case(), &facts, &self.policy, self.now) {
                Step::Settled(verdict) => return (verdict, asked),
                Step::Look(question) => {
                    assert!(!asked.contains(&question), "{question:?} is asked twice");
                    asked.push(question);
                    match question {
                        Question::Service => facts.service = Some(self.service.clone()),
                        Question::Memory => facts.memory = Some(self.memory.clone()),
                        Question::Tasks => facts.tasks = Some(self.tasks.clone()),
                        Question::Images => facts.images = Some(self.images.clone()),
                        Question::Group => facts.group = Some(self.group.clone()),
                    }
                }
            }
        }
    }

    fn verdict(&self) -> Verdict {
        self.asked().0
    }
}

fn after(until: Timestamp) -> String {
    format!("{} s", until.duration_since(at(5)).as_secs())
}

fn described(plan: &Plan) -> String {
    let hours = plan.deadline.duration_since(at(5)).as_hours();
    let from = plan.from.rsplit('/').next().unwrap_or_default();
    let mut text = format!("{:?} of {from}, within {hours} h", plan.means);
    for (container, image) in &plan.pins {
        write!(text, ", {container}={image}").unwrap();
    }
    if let Some(group) = &plan.group {
        write!(text, ", by {}/{}", group.application, group.name).unwrap();
    }
    for note in &plan.notes {
        write!(text, "\n      note: {note}").unwrap();
    }
    text
}

/// A verdict, in words.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Fresh { why } => format!("fresh: {why}"),
        Verdict::Skip(why) => {
            let old = if why.runs_old() { ", runs the old version" } else { "" };
            let hand = if why.concerns_people() { ", needs a hand" } else { "" };
            format!("skip{old}{hand}: {why}")
        }
        Verdict::Defer { why, until } => format!("defer for {}: {why}", after(*until)),
        Verdict::Ride { deployment, operation } => {
            format!("ride on {deployment} ({})", operation.as_deref().unwrap_or("somebody's"))
        }
        Verdict::Failed { said } => format!("failed: {said}"),
        Verdict::Propose(plan) => format!("propose: {}", described(plan)),
        Verdict::Act(plan) => format!("act: {}", described(plan)),
    }
}

/// What people read of every case.
fn reasons() -> String {
    let mut text = String::new();
    for (rule, cases) in table() {
        writeln!(text, "{rule}").unwrap();
        for (name, truth) in cases {
            writeln!(text, "  {name}\n    {}", said(&truth.verdict())).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn what_people_read_is_what_was_reviewed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/decision/service/tests/reasons.txt");
    let now = reasons();
    if fs::read_to_string(&file).unwrap_or_default() != now {
        let new = std::env::temp_dir().join("secret-redeploy-reasons.txt");
        fs::write(&new, now).unwrap();
        let (file, new) = (file.display(), new.display());
        panic!("people read something else now. See `diff {file} {new}`; if it is meant, `cp {new} {file}`.");
    }
}

/// The name of a verdict's variant, and of the one within.
fn kind(verdict: &Verdict) -> Vec<String> {
    let word = |value: &dyn std::fmt::Debug| {
        let text = format!("{value:?}");
        text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
    };
    match verdict {
        Verdict::Skip(why) => {
            let waited = if let Skipped::WaitedTooLong { why } = why { Some(word(why)) } else { None };
            [Some(word(why)), waited].into_iter().flatten().collect()
        }
        Verdict::Defer { why, .. } => vec![word(why)],
        Verdict::Fresh { .. }
        | Verdict::Ride { .. }
        | Verdict::Failed { .. }
        | Verdict::Propose(_)
        | Verdict::Act(_) => vec![word(verdict)],
    }
}

#[test]
fn every_verdict_and_every_reason_is_reached() {
    let truths = || table().into_iter().flat_map(|(_, cases)| cases).map(|(_, truth)| truth);
    let reached: BTreeSet<_> = truths().flat_map(|truth| kind(&truth.verdict())).collect();
    let all = [
        "Act",
        "Broken",
        "Daemon",
        "External",
        "Failed",
        "Fresh",
        "Gone",
        "Image",
        "Immovable",
        "Interval",
        "NoGroup",
        "Off",
        "OptedOut",
        "OtherEnvironment",
        "OtherLabel",
        "Pinned",
        "Propose",
        "ReadsItself",
        "Registry",
        "Ride",
        "RollingBack",
        "ScaledToZero",
        "UnderWay",
        "Unread",
        "WaitedTooLong",
    ];
    assert_eq!(reached, all.map(ToOwned::to_owned).into());
}

#[test]
fn what_costs_most_is_asked_last_and_only_where_it_counts() {
    #[track_caller]
    fn check(change: impl Fn(&mut Truth), expected: &[Question]) {
        let mut truth = truth();
        change(&mut truth);
        assert_eq!(truth.asked().1, expected);
    }
    use Question::{Group, Images, Memory, Service, Tasks};
    check(|_| {}, &[Service, Memory, Tasks, Images]);
    check(|truth| truth.service = None, &[Service]);
    check(|truth| truth.web().tags = crate::cases::tag("redeploy=off"), &[Service]);
    check(|truth| truth.memory.redeploys = vec![operation()], &[Service, Memory]);
    check(|truth| truth.tasks = vec![task(1)], &[Service, Memory, Tasks]);
    check(cases::by_code_deploy, &[Service, Memory, Tasks, Group, Images]);
}

#[track_caller]
fn check_least_and_most(desired: i32, minimum: Option<i32>, maximum: Option<i32>, immovable: bool) {
    let mut truth = truth();
    let web = truth.web();
    (web.desired, web.minimum_percent, web.maximum_percent) = (desired, minimum, maximum);
    let skipped = matches!(truth.verdict(), Verdict::Skip(Skipped::Immovable { .. }));
    assert_eq!(skipped, immovable, "{desired} tasks, {minimum:?} to {maximum:?}");
}

#[test]
fn a_service_moves_if_ecs_can_stop_a_task_or_start_one() {
    check_least_and_most(1, Some(100), Some(100), true);
    check_least_and_most(3, Some(100), Some(100), true);
    // The least is rounded up, the most down.
    check_least_and_most(1, Some(50), Some(100), true);
    check_least_and_most(1, Some(1), Some(199), true);
    check_least_and_most(2, Some(51), Some(149), true);
    check_least_and_most(3, Some(67), Some(133), true);
    check_least_and_most(1, Some(0), Some(100), false);
    check_least_and_most(2, Some(50), Some(100), false);
    check_least_and_most(2, Some(100), Some(150), false);
    check_least_and_most(3, Some(67), Some(134), false);
    check_least_and_most(3, Some(66), Some(100), false);
    check_least_and_most(1, None, None, false);
    check_least_and_most(1, Some(100), None, false);
    check_least_and_most(1, None, Some(100), true);
    // Nothing has to be stopped or started where nothing is meant to run.
    check_least_and_most(0, Some(100), Some(100), false);
}

#[test]
fn who_waits_for_long_is_looked_at_ever_less_often() {
    #[track_caller]
    fn check(since: i64, expected: i64) {
        let mut truth = truth();
        truth
            .web()
            .deployments
            .push(Deployment { primary: false, ..deployment("0", Some(Rollout::InProgress), -30) });
        truth.waits_since = Some(at(since));
        let Verdict::Defer { until, .. } = truth.verdict() else { panic!("{truth:?}") };
        assert_eq!(until.duration_since(at(5)).as_mins(), expected);
    }
    check(5, 2);
    check(-15, 2);
    check(-45, 5);
    check(-600, 15);
    // Its patience is over first.
    check(5 - 24 * 60 + 4, 4);
}

#[test]
fn an_operation_is_the_same_until_it_has_ended() {
    let id = |truth: &Truth| {
        let Verdict::Act(plan) = truth.verdict() else { panic!("{truth:?}") };
        plan.operation
    };
    let first = truth();
    let mut cut_off = truth();
    cut_off.memory.redeploys = vec![Operation { deployment: None, id: id(&first), ..operation() }];
    assert_eq!(id(&cut_off), id(&first));
    let mut interrupted = truth();
    interrupted.memory.redeploys = vec![Operation { end: Some(End::Superseded), ..operation() }];
    assert_ne!(id(&interrupted), id(&first));
    let mut other = truth();
    other.redeploy.id = "redeploy-2".to_owned();
    assert_ne!(id(&other), id(&first));
}

#[test]
fn a_deployment_that_nobody_ends_is_not_followed_for_ever() {
    let mut foreign = truth();
    foreign.web().deployments = vec![deployment("3", Some(Rollout::InProgress), 1)];
    let mut set = truth();
    set.web().controller = Controller::CodeDeploy;
    set.web().deployments.clear();
    set.web().task_sets = vec![TaskSet {
        id: "green".to_owned(),
        primary: false,
        task_definition: td("web", 7),
        created_at: Some(at(1)),
        steady: false,
    }];
    for mut truth in [foreign, set] {
        truth.now = at(60);
        assert!(matches!(truth.verdict(), Verdict::Ride { operation: None, .. }), "{truth:?}");
        truth.now = at(61);
        assert!(
            matches!(truth.verdict(), Verdict::Defer { why: Deferred::UnderWay { .. }, .. }),
            "{truth:?}"
        );
    }
    let mut own = truth();
    own.memory.redeploys = vec![Operation { end: None, deadline: at(60), ..operation() }];
    own.now = at(119);
    assert!(matches!(own.verdict(), Verdict::Ride { operation: Some(_), .. }), "{own:?}");
    own.now = at(120);
    assert!(matches!(own.verdict(), Verdict::Failed { .. }), "{own:?}");
}

#[track_caller]
fn check_has_it(change: impl Fn(&mut Truth), expected: bool) {
    let mut truth = truth();
    truth.tasks = vec![task(1)];
    change(&mut truth);
    assert_eq!(has_it(&truth.case(), truth.service.as_ref(), &truth.tasks), expected);
}

#[test]
fn who_was_left_alone_has_the_new_version_once_all_its_tasks_are_younger() {
    check_has_it(|_| {}, true);
    check_has_it(|truth| truth.tasks.push(task(-1)), false);
    check_has_it(|truth| truth.tasks.clear(), true);
    check_has_it(
        |truth| (truth.web().desired, truth.web().running, truth.tasks) = (0, 0, vec![task(-1)]),
        true,
    );
    check_has_it(|truth| truth.service = None, true);
    check_has_it(|truth| truth.web().active = false, true);
    // Its own wish changes nothing of what runs.
    check_has_it(|truth| truth.web().tags = crate::cases::tag("redeploy=off"), true);
    check_has_it(|truth| truth.web().controller = Controller::External, true);
    // A version that is pinned stays, however young the task is.
    let pinned = |place| move |truth: &mut Truth| truth.uses = Some(vec![used(place, crate::cases::OLD)]);
    check_has_it(pinned(Place::Secret), false);
    check_has_it(pinned(Place::Environment), false);
}

#[test]
fn a_plan_says_what_runs_and_what_ran_before() {
    let Verdict::Act(plan) = truth().verdict() else { panic!("no plan") };
    assert_eq!((plan.from, plan.before.as_deref()), (td("web", 7), Some("ecs-svc/1")));
    assert_eq!((plan.group, plan.behind), (None, Some(("app".to_owned(), 8080))));
    let mut truth = truth();
    cases::by_code_deploy(&mut truth);
    let Verdict::Act(plan) = truth.verdict() else { panic!("no plan") };
    assert_eq!((plan.from, plan.before.as_deref()), (td("web", 7), Some("ecs-svc/set")));
    assert_eq!(plan.group, truth.group);
}
