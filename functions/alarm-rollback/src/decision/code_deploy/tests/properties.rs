//! Whatever the history: never to a task definition that is bad or the same, nor without its own specification.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assert_ne, prop_compose,
    prop_oneof, proptest,
};

use super::cases::now;
use super::*;

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        2 => Just(Status::InProgress),
        4 => Just(Status::Succeeded),
        1 => Just(Status::Failed),
        1 => Just(Status::Stopped),
        1 => Just(Status::Unknown),
    ]
}

prop_compose! {
    fn known()(
        status in status(),
        minutes in 0_i64..200,
        revision in 1_u32..8,
        rollback in prop::bool::weighted(0.1),
        named in prop::bool::weighted(0.9),
        kept in prop::bool::weighted(0.9),
    ) -> Deployment {
        let mut deployment = deployment("", status, minutes, revision);
        deployment.rollback = rollback;
        if !named {
            deployment.task_definition = None;
        }
        if !kept {
            deployment.specification = None;
        }
        deployment
    }
}

prop_compose! {
    fn cases()(
        deployments in prop::collection::vec(known(), 1..7),
        whole in any::<bool>(),
        service in 1_u32..8,
        bad in prop::collection::vec(1_u32..8, 0..4),
        operations in prop::collection::vec(0_usize..7, 0..2),
        wish in prop_oneof![
            4 => (0_i64..100).prop_map(fired),
            2 => Just(Wish::Previous),
            1 => (-10_i64..300).prop_map(|minutes| Wish::At(ago(minutes))),
        ],
    ) -> Case {
        let mut case = case();
        let mut deployments = deployments;
        deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
        for (index, deployment) in deployments.iter_mut().enumerate() {
            deployment.id = format!("d-{index}");
        }
        case.record.newest = deployments[0].clone();
        case.record.whole = whole;
        case.record.succeeded = deployments;
        case.record.succeeded.retain(|deployment| deployment.status == Status::Succeeded);
        case.service = td(service);
        case.memory.revisions = bad.into_iter()
            .map(|revision| Revision { arn: td(revision), standing: Standing::Bad, since: now() })
            .collect();
        case.memory.operations = operations.into_iter()
            .map(|index| Operation { deployment: Some(format!("d-{index}")), ..own(&format!("op-{index}")) })
            .collect();
        case.wish = wish;
        case
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_bad_or_the_same_is_never_deployed(case in cases()) {
        let Ok(plan) = case.settle() else { return Ok(()) };
        prop_assert_ne!(&plan.from, &plan.to);
        prop_assert!(!case.memory.is_bad(&plan.to), "{plan:?}");
        let newest = &case.record.newest;
        match &plan.act {
            Act::CreateDeployment { specification, .. } => {
                prop_assert_ne!(newest.status, Status::InProgress, "CodeDeploy would refuse it");
                let named = crate::appspec::task_definition(specification);
                prop_assert_eq!(named.as_deref(), Some(plan.to.as_str()));
            }
            Act::StopDeployment { deployment } => {
                prop_assert_eq!(deployment, &newest.id);
                prop_assert_eq!(newest.status, Status::InProgress);
                prop_assert!(!newest.rollback);
            }
            Act::UpdateService { .. }
            | Act::Scale { .. }
            | Act::StopServiceDeployment { .. }
            | Act::RegisterTaskDefinition { .. }
            | Act::UpdateAlias { .. }
            | Act::CancelUpdateStack
            | Act::ContinueUpdateRollback { .. }
            | Act::RollbackStack => prop_assert!(false, "{plan:?}"),
        }
    }
}
