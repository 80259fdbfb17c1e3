//! What holds of every service, however it stands.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Strategy;

use super::*;
use crate::cases::{OLD, tag};

fn minutes() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.9, select(vec![-1_440_i64, -10, -1, 0, 1, 3]))
        .prop_map(|minutes| minutes.map(at))
}

fn a_deployment() -> impl Strategy<Value = Deployment> {
    let rollout = prop::option::of(select(vec![Rollout::InProgress, Rollout::Completed, Rollout::Failed]));
    (select(vec!["1", "2", "3"]), any::<bool>(), rollout, minutes()).prop_map(
        |(id, primary, rollout, created_at)| Deployment { primary, created_at, ..deployment(id, rollout, 0) },
    )
}

fn a_set() -> impl Strategy<Value = TaskSet> {
    (select(vec!["s1", "s2"]), any::<bool>(), minutes(), any::<bool>()).prop_map(
        |(id, primary, created_at, steady)| TaskSet {
            id: id.to_owned(),
            primary,
            task_definition: td("web", 7),
            created_at,
            steady,
        },
    )
}

fn some_tags() -> impl Strategy<Value = Tags> {
    let all = [
        "",
        "mode=off",
        "mode=observe",
        "mode=act",
        "redeploy=on",
        "redeploy=off",
        "redeploy=first",
        "redeploy=?",
        "environment=dev",
        "environment=test",
    ];
    (select(all.to_vec()), select(all.to_vec())).prop_map(|(one, two)| tag(&format!("{one} {two}")))
}

fn a_service() -> impl Strategy<Value = Service> {
    let controller =
        select(vec![Controller::Ecs, Controller::Ecs, Controller::CodeDeploy, Controller::External]);
    let shape =
        (controller, any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.9));
    let percents = (prop::option::of(0..200), prop::option::of(0..300));
    let lists = (prop::collection::vec(a_deployment(), 0..4), prop::collection::vec(a_set(), 0..3));
    (shape, percents, 0..4, 0..4, some_tags(), lists).prop_map(
        |(
            (controller, shifted, paused, daemon, active),
            percents,
            desired,
            running,
            tags,
            (deployments, task_sets),
        )| Service {
            active,
            controller,
            daemon,
            strategy: if shifted { crate::facts::Strategy::Shifted } else { crate::facts::Strategy::Rolling },
            pauses: paused.then(|| "PRE_SCALE_UP".to_owned()).into_iter().collect(),
            minimum_percent: percents.0,
            maximum_percent: percents.1,
            desired,
            running,
            tags,
            deployments,
            task_sets,
            ..service()
        },
    )
}

fn an_operation() -> impl Strategy<Value = Operation> {
    let end = prop::option::of(select(vec![End::Recovered, End::Superseded, End::Refused, End::Failed]));
    let of = select(vec![Some("redeploy-1"), Some("redeploy-0"), None]);
    let deployment = prop::option::of(select(vec!["ecs-svc/1", "ecs-svc/2", "d-1"]));
    (select(vec!["op-1", "op-2"]), of, end, deployment, select(vec![1_i64, 10])).prop_map(
        |(id, of, end, deployment, deadline)| Operation {
            id: id.to_owned(),
            redeploy: of.map(ToOwned::to_owned),
            end,
            deployment: deployment.map(ToOwned::to_owned),
            deadline: at(deadline),
            ..operation()
        },
    )
}

fn a_memory() -> impl Strategy<Value = Memory> {
    let lease = prop::option::of((select(vec!["op-1", "op-0"]), select(vec![1_i64, 10])));
    let operations = || prop::collection::vec(an_operation(), 0..3);
    (lease, operations(), operations()).prop_map(|(lease, operations, redeploys)| Memory {
        redeploying: lease.map(|(owner, until)| Lease { owner: owner.to_owned(), until: at(until) }),
        operations,
        redeploys,
        ..Memory::default()
    })
}

fn some_uses() -> impl Strategy<Value = Vec<Use>> {
    let place = select(vec![Place::Secret, Place::Log, Place::Registry, Place::Environment]);
    let wanted = select(vec!["AWSCURRENT", "AWSCURRENT", "AWSPREVIOUS", "BLUE", OLD]);
    prop::collection::vec((place, wanted).prop_map(|(place, wanted)| used(place, wanted)), 0..3)
}

fn anything() -> impl Strategy<Value = Truth> {
    let names = select(vec![
        Names::Pinned,
        Names::Digest(DIGEST.to_owned()),
        Names::Digest("sha256:bbbb".to_owned()),
        Names::Nothing,
        Names::Unchecked,
    ]);
    let tasks = prop::collection::vec(minutes(), 0..4);
    let group = prop::option::of(prop::option::of(Just("d-1".to_owned())));
    let wish = (any::<bool>(), prop::option::of(Just(at(-10))), minutes());
    let policy = (
        select(vec![Mode::Act, Mode::Act, Mode::Observe, Mode::Off]),
        select(vec!["", "redeploy: {moved_image: refuse}"]),
    );
    let context = (some_tags(), prop::option::of(some_uses()), wish, policy);
    (
        prop::option::weighted(0.95, a_service()),
        a_memory(),
        tasks,
        prop::collection::vec(names, 0..2),
        group,
        context,
    )
        .prop_map(
            |(service, memory, tasks, names, group, (secret, uses, (even, holds, waits), (mode, rules)))| {
                let mut truth = truth();
                truth.service = service;
                truth.memory = memory;
                truth.tasks = tasks.into_iter().map(|created_at| Task { created_at, ..task(0) }).collect();
                truth.images = names.into_iter().map(image).collect();
                truth.group = group.map(|under_way| Group {
                    application: "shop".to_owned(),
                    name: "web".to_owned(),
                    under_way,
                    specification: None,
                });
                (truth.secret, truth.uses, truth.waits_since) = (secret, uses, waits);
                (truth.redeploy.even_if_fresh, truth.redeploy.holds_before) = (even, holds);
                truth.policy = Policy { mode, ..with_rules(rules) };
                truth
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn there_is_always_a_verdict_and_no_question_twice(truth in anything()) {
        let (verdict, asked) = truth.asked();
        prop_assert!(asked.len() <= 5);
        prop_assert!(!said(&verdict).is_empty());
    }

    #[test]
    fn nothing_is_done_that_is_not_allowed_or_of_no_use(truth in anything()) {
        let Verdict::Act(plan) = truth.verdict() else { return Ok(()) };
        let web = truth.service.as_ref().unwrap();
        prop_assert!(web.active && web.controller != Controller::External);
        prop_assert_eq!(Mode::resolve(truth.policy.mode, [&truth.secret, &web.tags]), Mode::Act);
        prop_assert!(!matches!(Redeploying::of(&web.tags), Redeploying::Off | Redeploying::Unread));
        prop_assert!(web.tags.get(tags::ENVIRONMENT).is_none_or(|name| name == "test"));
        let moved = truth.redeploy.moved;
        let younger = |task: &Task| task.created_at.is_some_and(|created| moved < created);
        prop_assert!(truth.redeploy.even_if_fresh || !truth.tasks.iter().all(younger));
        // Nobody else's deployment is overwritten.
        if web.controller == Controller::Ecs {
            prop_assert!(web.deployments.iter().all(|one| one.primary && one.rollout != Some(Rollout::InProgress)));
        }
        prop_assert!(truth.group.is_none_or(|group| web.controller == Controller::Ecs || group.under_way.is_none()));
        prop_assert!(!truth.memory.operations.iter().any(|one| one.is_running(truth.now)));
        // What is open of this redeploy is made once: it has no deployment yet, if it is begun again.
        let mut own = truth.memory.redeploys.iter().filter(|one| one.redeploy.as_deref() == Some("redeploy-1"));
        prop_assert!(own.next().is_none_or(|own| own.end.is_some() || own.deployment.is_none()));
        if let Some(uses) = &truth.uses {
            let current = |one: &Use| matches!(&one.reference.wanted, Wanted::Stage(stage) if stage != "BLUE");
            prop_assert!(uses.iter().any(|one| one.reference.place != Place::Registry && current(one)));
        }
        // What is deployed is what runs.
        let means_what_runs = |image: &Image| match &image.names {
            Names::Pinned => true,
            Names::Digest(digest) => digest == DIGEST || plan.pins.contains_key("app"),
            Names::Nothing | Names::Unchecked => plan.pins.contains_key("app"),
        };
        let known = !truth.tasks.is_empty() || Redeploying::of(&web.tags) != Redeploying::On;
        prop_assert!(!known || truth.images.iter().all(means_what_runs));
        prop_assert!(truth.now < plan.deadline);
    }

    #[test]
    fn who_waits_is_looked_at_later_and_not_for_ever(truth in anything()) {
        let Verdict::Defer { until, .. } = truth.verdict() else { return Ok(()) };
        prop_assert!(truth.now < until);
        let mut later = truth.clone();
        later.waits_since = Some(truth.now - truth.policy.rules.redeploy.patience);
        prop_assert!(!matches!(later.verdict(), Verdict::Defer { .. }), "{:?}", later.verdict());
    }

    #[test]
    fn only_what_is_deployed_or_rides_on_a_deployment_moves(truth in anything()) {
        use shared::ledger::redeploy::Standing;
        let verdict = truth.verdict();
        let mut member = crate::cases::member("web", Standing::Queued);
        crate::run::settle(&mut member, &verdict, truth.now);
        let moves = matches!(verdict, Verdict::Act(_) | Verdict::Ride { .. });
        prop_assert_eq!(member.standing == Standing::Moving, moves);
        prop_assert_eq!(member.until.is_some(), member.standing == Standing::Deferred);
        prop_assert!(member.runs_old || !matches!(member.standing, Standing::Failed | Standing::Proposed | Standing::Deferred));
    }
}
