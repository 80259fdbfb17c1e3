//! Whatever the history: never to a version that is bad, deleted, `$LATEST` or the same code; and always an end.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assert_ne, prop_compose,
    prop_oneof, proptest,
};

use super::*;

fn number() -> impl Strategy<Value = String> {
    prop_oneof![8 => (6_u32..13).prop_map(|number| number.to_string()), 1 => Just("$LATEST".to_owned())]
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        1 => Just(Status::InProgress),
        4 => Just(Status::Succeeded),
        1 => Just(Status::Failed),
        1 => Just(Status::Stopped),
        1 => Just(Status::Unknown),
    ]
}

prop_compose! {
    fn shifts()(
        shifts in prop::collection::vec((status(), 0_i64..200, number(), number(), 0_u8..6), 0..5),
    ) -> Vec<Shift> {
        let mut shifts: Vec<_> = shifts.into_iter().enumerate().map(|(index, (status, minutes, current, target, kind))| {
            let mut shift = shift(&format!("d-{index}"), status, minutes, &current, &target);
            shift.rollback = kind == 0;
            shift
        }).collect();
        shifts.sort_by_key(|shift| std::cmp::Reverse(shift.created_at));
        shifts
    }
}

prop_compose! {
    fn worlds()(
        current in number(),
        share in prop::option::weighted(0.3, number()),
        deployments in shifts(),
        versions in prop::collection::btree_map(6_u32..13, (0_u8..4, prop::option::weighted(0.9, 0_i64..200)), 0..7),
        all_versions in prop::bool::weighted(0.8),
        whole in any::<bool>(),
        taken in prop::collection::btree_set(number(), 0..3),
        standing in prop::collection::btree_map(number(), (any::<bool>(), 0_i64..300), 0..6),
        operations in prop::collection::vec((number(), number(), 0_i64..200), 0..3),
        own in prop::option::weighted(0.1, (number(), number())),
        wish in prop_oneof![
            4 => (0_i64..100).prop_map(fired),
            2 => Just(Wish::Previous),
            1 => number().prop_map(Wish::Revision),
            1 => (-10_i64..300).prop_map(|minutes| Wish::At(ago(minutes))),
            1 => Just(Wish::Unstick),
        ],
    ) -> World {
        let mut world = world();
        world.alias().version = current;
        world.alias().weights = share.into_iter().map(|version| (version, 1)).collect();
        world.scene.history = Some(History {
            deployments,
            whole,
            versions: versions.into_iter().map(|(number, (code, minutes))| Version {
                version: number.to_string(),
                code: (code > 0).then(|| format!("sha-{code}")),
                published_at: minutes.map(ago),
            }).collect(),
            all_versions,
        });
        world.taken = taken;
        world.memory.revisions = standing.into_iter().map(|(version, (good, minutes))| {
            revision(&version, if good { Standing::Good } else { Standing::Bad }, minutes)
        }).collect();
        world.memory.operations = operations.into_iter().enumerate().map(|(index, (from, to, minutes))| {
            operation(&format!("op-{index}"), Means::UpdateAlias, &from, &to, minutes)
        }).collect();
        world.own = own.map(|(from, to)| operation("own", Means::UpdateAlias, &from, &to, 1));
        world.wish = wish;
        world
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn it_is_never_pointed_to_what_is_bad_latest_or_the_same_code(world in worlds()) {
        let Ok(plan) = world.settle() else { return Ok(()) };
        let history = world.scene.history.as_ref().unwrap();
        let alias = world.scene.alias.as_ref().unwrap();
        prop_assert!(plan.to.parse::<u64>().is_ok(), "{plan:?}");
        let is_on_its_way = history.deployments.iter().any(|shift| shift.status == Status::InProgress);
        match &plan.act {
            Act::UpdateAlias { version, revision_id } => {
                prop_assert_eq!(version, &plan.to);
                prop_assert_eq!(revision_id, &alias.revision_id);
                prop_assert!(!is_on_its_way, "CodeDeploy would overwrite it");
                prop_assert!(*version != alias.version || !alias.weights.is_empty() || world.own.is_some());
            }
            Act::StopDeployment { deployment } => {
                let shift = history.deployments.iter().find(|shift| shift.id == *deployment).unwrap();
                prop_assert!(!shift.rollback);
                prop_assert_eq!(&shift.current, &plan.to);
            }
            Act::UpdateService { .. }
            | Act::Scale { .. }
            | Act::StopServiceDeployment { .. }
            | Act::RegisterTaskDefinition { .. }
            | Act::CreateDeployment { .. }
            | Act::CancelUpdateStack
            | Act::ContinueUpdateRollback { .. }
            | Act::RollbackStack => prop_assert!(false, "{plan:?}"),
        }
        // What a person names and what was begun before are chosen already.
        if world.own.is_some() || matches!(world.wish, Wish::Revision(_)) {
            return Ok(());
        }
        prop_assert!(!world.memory.is_bad(&plan.to), "{plan:?}");
        if !matches!(world.wish, Wish::At(_)) {
            prop_assert_ne!(&plan.from, &plan.to);
            let code = |number: &str| {
                history.versions.iter().find(|version| version.version == number).and_then(|version| version.code.clone())
            };
            prop_assert!(code(&plan.from).is_none() || code(&plan.from) != code(&plan.to), "{plan:?}");
        }
        if plan.basis == Basis::Lower {
            prop_assert!(plan.to.parse::<u64>().unwrap() < plan.from.parse::<u64>().unwrap());
            prop_assert!(!world.taken.contains(&plan.to));
        }
    }
}
