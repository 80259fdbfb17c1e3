//! Whatever the history: never to a revision that is bad (as of now), the same, or not deployable; and always an end.

use proptest::prelude::{
    Just, ProptestConfig, prop, prop_assert, prop_assert_eq, prop_assert_ne, prop_compose, prop_oneof,
    proptest,
};

use super::*;
use crate::decision::Question;

fn status() -> impl proptest::strategy::Strategy<Value = Status> {
    prop_oneof![
        1 => Just(Status::InProgress),
        4 => Just(Status::Successful),
        1 => Just(Status::Stopped),
        1 => Just(Status::RollingBack),
        1 => Just(Status::RolledBack),
        1 => Just(Status::RollbackFailed),
        1 => Just(Status::Unknown),
    ]
}

prop_compose! {
    fn world()(
        history in prop::collection::vec((status(), 0_i64..200, 1_u32..10), 0..8),
        bad in prop::collection::vec(1_u32..10, 0..5),
        good in prop::collection::vec(1_u32..10, 0..3),
        earlier in prop::collection::vec(1_u32..10, 0..5),
        current in 1_u32..10,
        inactive in prop::collection::vec(1_u32..10, 0..4),
        lease in prop::option::of(-60_i64..60),
        operations in prop::collection::vec((1_u32..10, 1_u32..10, 0_i64..90), 0..3),
        deployed in prop::option::of(-5_i64..120),
        fired in -5_i64..30,
        desired in 0_i32..3,
        mode in prop_oneof![Just(Mode::Off), Just(Mode::Observe), Just(Mode::Act)],
    ) -> (Facts, Vec<u32>, Policy) {
        let mut facts = with_history(&history);
        facts.change.changed_at = ago(fired);
        facts.earlier = Some(earlier.into_iter().map(td).collect());
        let scene = facts.scene.as_mut().unwrap();
        let service = scene.service.as_mut().unwrap();
        service.task_definition = td(current);
        service.deployed_at = deployed.map(ago);
        service.desired = desired;
        scene.memory.revisions = bad.iter().map(|revision| (revision, Standing::Bad))
            .chain(good.iter().filter(|revision| !bad.contains(revision)).map(|revision| (revision, Standing::Good)))
            .map(|(revision, standing)| Revision { arn: td(*revision), standing, since: now() })
            .collect();
        scene.memory.lease = lease.map(|minutes| Lease { owner: "op-0".to_owned(), until: ago(minutes) });
        scene.memory.operations = operations.iter().enumerate()
            .map(|(index, (from, to, minutes))| operation(&format!("op-{index}"), *from, *to, *minutes, None))
            .collect();
        (facts, inactive, Policy { mode, ..policy() })
    }
}

/// Asks until it is settled, as the handler does.
fn settle(facts: &Facts, inactive: &[u32], policy: &Policy) -> Verdict {
    let mut known = Facts::of(facts.change.clone());
    for _ in 0..8 {
        match decide(&known, policy, now()) {
            Step::Settled(verdict) => return verdict,
            Step::Look(Question::ClaimAndAlarm) => {
                known.claim.clone_from(&facts.claim);
                known.alarm.clone_from(&facts.alarm);
            }
            Step::Look(Question::Scene(_)) => known.scene.clone_from(&facts.scene),
            Step::Look(Question::Revisions(_)) => known.revisions.clone_from(&facts.revisions),
            Step::Look(Question::Earlier(_)) => known.earlier.clone_from(&facts.earlier),
            Step::Look(Question::TaskDefinition(arn)) => {
                let active = !inactive.iter().any(|revision| td(*revision) == arn);
                known.candidate = Some(TaskDefinition { arn, active });
            }
            Step::Look(question) => panic!("not a question about an alarm: {question:?}"),
        }
    }
    panic!("the same thing is asked again and again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_is_never_rolled_back_to_what_is_bad_the_same_or_not_deployable((facts, inactive, policy) in world()) {
        let verdict = settle(&facts, &inactive, &policy);
        if let Verdict::RollBack(rollback) | Verdict::Propose(rollback) = &verdict {
            let scene = facts.scene.as_ref().unwrap();
            let service = scene.service.as_ref().unwrap();
            prop_assert_ne!(&rollback.to, &service.task_definition);
            prop_assert_eq!(&rollback.from, &service.task_definition);
            prop_assert!(!scene.memory.is_bad(&rollback.to));
            prop_assert!(!inactive.iter().any(|revision| td(*revision) == rollback.to));
            prop_assert!(scene.memory.lease_at(now()).is_none(), "within the cooldown");
            prop_assert!(service.desired > 0);
        }
        prop_assert!(policy.mode == Mode::Act || !matches!(verdict, Verdict::RollBack(_)));
    }
}
