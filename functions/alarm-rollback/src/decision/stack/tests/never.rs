//! Whatever CloudFormation answers.

use proptest::prelude::*;

use super::*;

const STATUSES: [&str; 10] = [
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "CREATE_FAILED",
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "ROLLBACK_COMPLETE",
];
const NAMES: [&str; 4] = ["Web", "Queue", "Database", "Storage"];
const REASONS: [Option<&str>; 5] = [
    None,
    Some(CANCELLED),
    Some("Resource creation cancelled"),
    Some("It did not stabilize."),
    Some("Not found"),
];

prop_compose! {
    fn event()(own in any::<bool>(), minutes in 0..120_i64, status in 0..10_usize, name in 0..4_usize, reason in 0..5_usize)
        -> Event
    {
        Event {
            own,
            resource: NAMES[name].to_owned(),
            reason: REASONS[reason].map(ToOwned::to_owned),
            ..super::own(minutes, STATUSES[status])
        }
    }
}

fn events() -> impl Strategy<Value = Events> {
    let reach = prop_oneof![Just(Reach::Newest), Just(Reach::Found), Just(Reach::End), Just(Reach::Limit)];
    (prop::collection::vec(event(), 0..12), reach).prop_map(|(mut telling, reach)| {
        telling.sort_by_key(|event| std::cmp::Reverse(event.at));
        Events { telling, reach }
    })
}

prop_compose! {
    fn inside()(events in events(), found in prop::collection::vec((0..4_usize, 0..3_usize, 0..5_usize), 0..5)) -> Inside {
        let resources = found.into_iter().map(|(name, status, reason)| Resource {
            status: ["UPDATE_FAILED", "UPDATE_IN_PROGRESS", "CREATE_FAILED"][status].to_owned(),
            reason: REASONS[reason].map(ToOwned::to_owned),
            // The nested stack may name itself, which CloudFormation never does.
            ..resource(NAMES[name], if name == 3 { NESTED } else { "AWS::ECS::Service" }, "", "")
        });
        Inside { events, resources: resources.collect() }
    }
}

prop_compose! {
    fn any_scene()(
        status in 0..10_usize, events in events(), root in inside(), nested in inside(), role in any::<bool>(),
        is_nested in prop::bool::weighted(0.1),
    )
        -> Scene
    {
        let mut scene = scene(STATUSES[status], &[]);
        if !role {
            scene = without_role(scene);
        }
        scene.root = is_nested.then(|| "shop".to_owned());
        scene.events = events;
        scene.inside = [(ID.to_owned(), root), (STORAGE.to_owned(), nested)].into();
        scene
    }
}

fn any_wish() -> impl Strategy<Value = Wish> {
    prop_oneof![Just(Wish::Unstick), Just(Wish::Previous), (0..120_i64).prop_map(alarm)]
}

/// A rollback that failed again, whatever stands inside.
fn failed_with() -> impl Strategy<Value = Scene> {
    let status =
        prop_oneof![Just("UPDATE_FAILED"), Just("UPDATE_FAILED"), Just("UPDATE_ROLLBACK_IN_PROGRESS")];
    let event = (event(), status).prop_map(|(event, status)| Event { status: status.to_owned(), ..event });
    let events = prop::collection::vec(event, 0..12).prop_map(|mut telling| {
        telling.sort_by_key(|event| std::cmp::Reverse(event.at));
        Events { telling, reach: Reach::Found }
    });
    let level = (events, inside()).prop_map(|(events, inside)| Inside { events, ..inside }).boxed();
    (level.clone(), level).prop_map(|(root, nested)| {
        let inside = [(ID.to_owned(), root), (STORAGE.to_owned(), nested)].into();
        Scene { inside, ..failed_again() }
    })
}

/// The names under which resources may be skipped that failed for a reason of their own since the rollback began.
fn skippable(scene: &Scene) -> BTreeSet<String> {
    let failed = |id: &str| {
        let Inside { events, resources } = &scene.inside[id];
        let began = events
            .telling
            .iter()
            .position(|event| event.own && event.status == "UPDATE_ROLLBACK_IN_PROGRESS");
        let since = &events.telling[..began.unwrap_or(0)];
        let is_failed = |resource: &&Resource| {
            resource.kind != NESTED
                && resource.status == "UPDATE_FAILED"
                && since.iter().any(|event| {
                    let own_reason =
                        event.reason.as_ref().is_some_and(|reason| !reason.contains("cancelled"));
                    !event.own
                        && event.resource == resource.name
                        && event.status == "UPDATE_FAILED"
                        && own_reason
                })
        };
        resources.iter().filter(is_failed).map(|resource| resource.name.clone()).collect::<Vec<_>>()
    };
    let nested = failed(STORAGE).into_iter().map(|name| format!("billing-Storage-Z2VK.{name}"));
    failed(ID).into_iter().chain(nested).collect()
}

proptest! {
    #[test]
    fn no_call_is_made_that_deletes_skips_too_much_or_is_not_allowed(
        scene in any_scene(),
        wish in any_wish(),
        cancel in any::<bool>(),
        skip_resources in any::<bool>(),
    ) {
        let Ok(Ok(plan)) = asked(&scene, &wish, &allowing(cancel, skip_resources)) else {
            return Ok(());
        };
        let stack = scene.stack.as_ref().unwrap();
        prop_assert!(stack.role.is_some());
        prop_assert_eq!(&scene.root, &None);
        prop_assert!(!plan.blames);
        match &plan.act {
            Act::RollbackStack => {
                let stable = |event: &Event| event.own && STABLE.contains(&event.status.as_str());
                prop_assert!(scene.events.telling.iter().any(stable));
                prop_assert_eq!(&stack.status, "UPDATE_FAILED");
            }
            Act::CancelUpdateStack => {
                prop_assert!(cancel);
                prop_assert_eq!(&stack.status, "UPDATE_IN_PROGRESS");
            }
            Act::ContinueUpdateRollback { skip } => {
                prop_assert!(skip.is_empty() || skip_resources);
                let allowed = skippable(&scene);
                prop_assert!(skip.iter().all(|name| allowed.contains(name)), "{:?} of {:?}", skip, allowed);
                prop_assert_eq!(&stack.status, "UPDATE_ROLLBACK_FAILED");
            }
            Act::UpdateService { .. }
            | Act::Scale { .. }
            | Act::StopServiceDeployment { .. }
            | Act::RegisterTaskDefinition { .. }
            | Act::CreateDeployment { .. }
            | Act::StopDeployment { .. }
            | Act::UpdateAlias { .. } => prop_assert!(false, "{:?} is no act for a stack", plan.act),
        }
    }

    #[test]
    fn only_what_failed_because_of_the_rollback_is_skipped(scene in failed_with()) {
        let allowed = skippable(&scene);
        match asked(&scene, &Wish::Unstick, &allowing(false, true)).unwrap() {
            Ok(plan) => {
                let Act::ContinueUpdateRollback { skip } = plan.act else {
                    return Err(TestCaseError::fail("the rollback is continued"));
                };
                prop_assert!(!skip.is_empty());
                prop_assert!(skip.iter().all(|name| allowed.contains(name)), "{:?} of {:?}", skip, allowed);
            }
            Err(why) => prop_assert_eq!(why, Why::NothingToSkip),
        }
    }

    #[test]
    fn what_may_have_been_made_is_never_made_again(scene in any_scene(), began in 0..120_i64) {
        let operation = operation(Means::ContinueUpdateRollback, began, None);
        let again = scene.events.telling.iter().any(|event| {
            event.own && event.status == "UPDATE_ROLLBACK_IN_PROGRESS" && event.at >= operation.began
        });
        if position(&scene, &operation) == Position::Before {
            prop_assert!(!again);
            prop_assert_eq!(&scene.stack.as_ref().unwrap().status, "UPDATE_ROLLBACK_FAILED");
        }
    }
}
