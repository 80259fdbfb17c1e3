//! Whatever the history, memory, policy and request: never to a revision that is bad, identical in effect or not
//! deployable; never while another holds the target; one act at most; and always an end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, prop_assert_ne,
    prop_compose, prop_oneof, proptest,
};
use shared::alarm::State;
use shared::ledger::lease::Lease;
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::revision::{Revision, Standing};
use shared::policy::{Confidence, Freeze, Frozen, ScaledToZero};
use shared::tags::Mode;

use super::super::Basis;
use super::truth::{digest, operation, tag};
use super::*;
use crate::cases::{ago, now, td};
use crate::cause::{Cause, Wanted};
use crate::facts::service::{Controller, Found, Standing as Deployable, Status};

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        2 => Just(Status::InProgress),
        8 => Just(Status::Successful),
        1 => Just(Status::Stopped),
        1 => Just(Status::RollingBack),
        1 => Just(Status::RolledBack),
        1 => Just(Status::RollbackFailed),
        1 => Just(Status::Unknown),
    ]
}

fn end() -> impl Strategy<Value = Option<End>> {
    prop::option::of(prop_oneof![
        Just(End::Recovered),
        Just(End::Superseded),
        Just(End::Refused),
        Just(End::Failed),
        Just(End::Unhealed),
    ])
}

/// Mostly a time that is known.
fn minutes(most: i64) -> impl Strategy<Value = Option<i64>> {
    prop::option::weighted(0.9, -5..most)
}

/// One deployment of a history: in what state, when begun and ended, what it runs, with which digest.
type Deployment = (Status, Option<i64>, Option<i64>, u32, Option<u8>);

/// Whether a task definition is there, and what of it.
type Definition = (u8, u8, u8, u8, bool);

prop_compose! {
    fn history()(
        // Where the times are told one after the other, the history is one that ECS would list; else a hostile one.
        orderly in prop::bool::weighted(0.7),
        deployments in prop::collection::vec(
            (status(), minutes(200), minutes(200), 1_u32..7, prop::option::weighted(0.8, 0_u8..2)),
            0..7,
        ),
    ) -> Vec<Deployment> {
        if !orderly {
            return deployments;
        }
        let mut at = 0;
        deployments.into_iter().map(|(status, pause, length, revision, image)| {
            at += pause.unwrap_or(20).max(0) / 2;
            let ended = at;
            at += length.unwrap_or(2).max(0) / 10;
            (status, Some(at), Some(ended), revision, image)
        }).collect()
    }
}

prop_compose! {
    fn memories()(
        known in prop::collection::btree_map(1_u32..9, (any::<bool>(), minutes(300)), 0..6),
        lease in prop::option::weighted(0.3, (0_usize..5, -60_i64..60)),
        operations in prop::collection::vec(
            (1_u32..9, 1_u32..9, 0_i64..2_000, end(), any::<bool>(), 0_u8..3),
            0..5,
        ),
        own in prop::option::weighted(0.3, (1_u32..9, prop::option::of(1_u32..7), 0_i64..30, end(), 0_u8..3)),
    ) -> (BTreeMap<u32, (bool, Option<i64>)>, Option<(usize, i64)>, Vec<Operation>, Option<Operation>) {
        let means = |kind| match kind {
            0 => Means::UpdateService,
            1 => Means::StopServiceDeployment,
            _ => Means::Scale,
        };
        let operations = operations.into_iter().enumerate().map(|(index, (from, to, minutes, end, asked, kind))| {
            Operation {
                means: means(kind),
                asked_by: asked.then(|| "ann".to_owned()),
                deployment: (kind == 1).then(|| "deployment-0".to_owned()),
                ..operation(&format!("op-{index}"), from, to, minutes, end)
            }
        });
        let own = own.map(|(to, copy_of, minutes, end, kind)| Operation {
            means: means(kind),
            copy_of: copy_of.map(td),
            deployment: (kind == 1).then(|| "deployment-0".to_owned()),
            // A copy is a revision that there was not before.
            ..operation("own", 7, if copy_of.is_some() { 9 } else { to }, minutes, end)
        });
        (known, lease, operations.collect(), own)
    }
}

fn wanted() -> impl Strategy<Value = Option<Wanted>> {
    prop_oneof![
        7 => Just(None),
        1 => Just(Some(Wanted::Previous)),
        1 => prop_oneof![(0_u32..9).prop_map(td), "\\PC{0,30}", (0_u32..9).prop_map(|number| format!("web:{number}"))]
            .prop_map(|named| Some(Wanted::Revision(named))),
        1 => (-10_i64..300).prop_map(|minutes| Some(Wanted::At(ago(minutes)))),
        1 => (0_u32..6).prop_map(|operation| Some(Wanted::Undo(format!("op-{operation}")))),
    ]
}

prop_compose! {
    fn worlds()(
        history in history(),
        described in prop::bool::weighted(0.9),
        current in prop::option::weighted(0.2, 1_u32..9),
        deployed in prop::option::weighted(0.3, minutes(100)),
        sources in prop::collection::vec(0_u32..9, 0..3),
        earlier in prop::collection::vec(1_u32..9, 0..5),
        definitions in prop::collection::btree_map(1_u32..9, (0_u8..12, 0_u8..12, 0_u8..12, 0_u8..12, any::<bool>()), 4..9),
        (known, lease, operations, own) in memories(),
        fired in -5_i64..25,
        wanted in wanted(),
        (desired, recover, fargate) in (prop_oneof![1 => Just(0), 9 => Just(3)], any::<bool>(), any::<bool>()),
        (mode, frozen, window, least) in (
            prop_oneof![1 => Just(Mode::Off), 2 => Just(Mode::Observe), 7 => Just(Mode::Act)],
            prop::bool::weighted(0.1),
            prop::bool::weighted(0.1),
            prop_oneof![8 => Just(Confidence::Low), 1 => Just(Confidence::Medium), 1 => Just(Confidence::High)],
        ),
        (controller, marked, owner) in (0_u8..20, prop::bool::weighted(0.05), 0_u8..12),
    ) -> Truth {
        let mut truth = truth();
        deploy(&mut truth, &history, &sources, described);
        define(&mut truth, definitions);
        let scene = truth.scene();
        scene.earlier = Some(earlier.into_iter().map(td).collect());
        let service = truth.service();
        service.desired = desired;
        service.fargate = fargate;
        if let Some(current) = current {
            service.task_definition = td(current);
        }
        if let Some(minutes) = deployed {
            service.deployed_at = minutes.map(ago);
        }
        if controller == 0 {
            service.controller = Controller::Other("EXTERNAL".to_owned());
        }
        if marked {
            tag(&mut truth.service().tags, "rollback", "unsafe");
        }
        if owner == 0 {
            blame::owned(Some("UPDATE_IN_PROGRESS"))(&mut truth);
        }
        truth.change().changed_at = ago(fired);
        truth.policy.mode = mode;
        let rules = truth.rules();
        rules.rollback.confidence = least;
        rules.freeze = if frozen { Freeze::On(Frozen::default()) } else { Freeze::Off };
        if window {
            rules.windows.push(guards::window("12:00", "13:00"));
        }
        if recover {
            rules.rollback.scaled_to_zero = ScaledToZero::Recover(2);
        }
        if let Some(wanted) = wanted {
            truth = truth.by_hand(wanted);
        }
        remember(&mut truth, known, lease, operations, own);
        truth
    }
}

fn deploy(truth: &mut Truth, history: &[Deployment], sources: &[u32], described: bool) {
    let orderly: Vec<_> =
        history.iter().map(|(status, _, ended, td, _)| (*status, ended.unwrap_or(0), *td)).collect();
    truth.history(&orderly);
    let scene = truth.scene();
    let revisions = scene.revisions.as_mut().unwrap();
    for (index, (_, began, ended, revision, image)) in history.iter().enumerate() {
        scene.deployments[index].created_at = began.map(ago);
        scene.deployments[index].finished_at = ended.map(ago);
        revisions[index].images =
            image.map(|image| digest(&format!("{revision}-{image}"))).unwrap_or_default();
    }
    let newest = scene.deployments.first().and_then(|newest| newest.created_at);
    truth.service().deployed_at = newest;
    // A source is one of the deployments' revisions, or one that is listed no more.
    let (listed, unlisted): (Vec<u32>, Vec<u32>) =
        sources.iter().partition(|source| usize::try_from(**source).is_ok_and(|index| index < history.len()));
    truth.began_from(&unlisted.into_iter().map(|source| source.max(1)).collect::<Vec<_>>());
    let scene = truth.scene();
    scene.sources.as_mut().unwrap().extend(listed.iter().map(|index| format!("revision-{index}")));
    if !described {
        scene.revisions.as_mut().unwrap().retain(|revision| revision.arn != "revision-1");
    }
}

fn define(truth: &mut Truth, definitions: BTreeMap<u32, Definition>) {
    truth.definitions.clear();
    for (revision, (standing, image, secret, port, fargate)) in definitions {
        let mut definition = super::truth::definition(revision);
        definition.standing = match standing {
            0 => Deployable::Gone,
            1 => Deployable::Inactive,
            _ => Deployable::Active,
        };
        definition.images[0].found = match image {
            0 => Found::Gone,
            1 | 2 => Found::Moved,
            3 => Found::Unchecked("it is not in Amazon ECR".to_owned()),
            _ => Found::There,
        };
        if secret == 0 {
            definition.secrets[0].found = Found::Gone;
        }
        if port == 0 {
            definition.containers[0].ports.clear();
        }
        definition.fargate = fargate;
        truth.definitions.insert(td(revision), definition);
    }
}

fn remember(
    truth: &mut Truth,
    known: BTreeMap<u32, (bool, Option<i64>)>,
    lease: Option<(usize, i64)>,
    operations: Vec<Operation>,
    own: Option<Operation>,
) {
    let id = truth.id();
    let memory = truth.memory();
    memory.revisions = known
        .into_iter()
        .map(|(revision, (good, minutes))| Revision {
            arn: td(revision),
            standing: if good { Standing::Good } else { Standing::Bad },
            since: ago(minutes.unwrap_or(0)),
        })
        .collect();
    memory.operations = operations;
    memory.lease = lease.map(|(owner, minutes)| Lease { owner: format!("op-{owner}"), until: ago(minutes) });
    if let Some(mut own) = own {
        own.id.clone_from(&id);
        memory.lease = Some(Lease { owner: id, until: now() + SignedDuration::from_mins(30) });
        memory.revisions.retain(|revision| revision.arn != own.from);
        let left = Revision { arn: own.from.clone(), standing: Standing::Bad, since: own.began };
        memory.revisions.push(left);
        memory.operations.push(own);
    }
}

/// Whether a task definition that ran in deployments of these times is bad by the ledger, and was not deployed since.
fn is_bad(truth: &Truth, own: Option<&Operation>, arn: &str, deployed: Option<Timestamp>) -> bool {
    truth.facts.world.as_ref().unwrap().memory.revisions.iter().any(|revision| {
        revision.arn == arn
            && revision.standing == Standing::Bad
            && own.is_none_or(|own| own.from != revision.arn || own.began != revision.since)
            && deployed.is_none_or(|deployed| deployed <= revision.since)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_an_alarm_takes_back_is_never_bad_the_same_or_not_deployable(mut truth in worlds()) {
        if !matches!(truth.facts.cause, Cause::Alarm(_)) {
            return Ok(());
        }
        let verdict = truth.verdict();
        let (Verdict::RollBack(Rollback { plan, .. }) | Verdict::Propose { rollback: Rollback { plan, .. }, .. }) =
            &verdict
        else {
            return Ok(());
        };
        let id = truth.id();
        let own = truth.memory().operation(&id).cloned();
        let service = truth.service().clone();
        if let Act::Scale { desired } = plan.act {
            prop_assert!(service.desired == 0 && desired == 2);
            return Ok(());
        }
        prop_assert!(service.desired > 0);
        prop_assert!(!matches!(service.controller, Controller::Other(_)));
        prop_assert!(!service.tags.contains_key("watchkeeper:rollback"), "unsafe");
        prop_assert!(!service.tags.contains_key("aws:cloudformation:stack-id"), "its stack is being updated");
        prop_assert_eq!(&plan.from, &service.task_definition);
        // What is returned to, before it is copied.
        let arn = plan.copy_of.as_ref().unwrap_or(&plan.to).clone();
        let scene = truth.scene().clone();
        let mut deployed_at = None;
        if let Basis::Deployed { deployment, .. } = &plan.basis {
            let found = scene.deployments.iter().find(|known| known.arn == *deployment).unwrap();
            prop_assert_eq!(found.status, Status::Successful);
            prop_assert_ne!(&found.arn, &scene.deployments[0].arn);
            deployed_at = found.created_at;
        }
        prop_assert!(!is_bad(&truth, own.as_ref(), &arn, deployed_at), "bad: {plan:?}");
        let definition = truth.definitions.get(&arn);
        prop_assert!(definition.is_some(), "ECS does not know it");
        let definition = definition.unwrap();
        prop_assert!(definition.standing != Deployable::Gone);
        prop_assert!(definition.images.iter().all(|image| image.found != Found::Gone));
        prop_assert!(definition.secrets.iter().all(|secret| secret.found != Found::Gone));
        prop_assert!(definition.containers[0].ports.contains(&8080));
        prop_assert!(definition.fargate || !service.fargate);
        match &plan.act {
            Act::UpdateService { task_definition } => {
                prop_assert_eq!(task_definition, &plan.to);
                prop_assert_ne!(task_definition, &service.task_definition, "it changes nothing");
                prop_assert!(plan.copy_of.is_some() || definition.standing == Deployable::Active);
            }
            Act::RegisterTaskDefinition { of, images } => {
                prop_assert_eq!(of, &plan.to);
                prop_assert!(*of != service.task_definition || !images.is_empty(), "a copy with the same effect");
            }
            Act::StopServiceDeployment { deployment } => {
                let newest = &scene.deployments[0];
                prop_assert_eq!((deployment, newest.status), (&newest.arn, Status::InProgress));
            }
            Act::Scale { .. }
            | Act::CreateDeployment { .. }
            | Act::StopDeployment { .. }
            | Act::UpdateAlias { .. }
            | Act::CancelUpdateStack
            | Act::ContinueUpdateRollback { .. }
            | Act::RollbackStack => prop_assert!(false, "it is for another kind: {plan:?}"),
        }
    }

    #[test]
    fn an_alarm_never_acts_while_another_holds_the_target_or_against_the_owners_will(mut truth in worlds()) {
        let verdict = truth.verdict();
        if !matches!(truth.facts.cause, Cause::Alarm(_)) {
            return Ok(());
        }
        let (mode, is_frozen) = (truth.policy.mode, truth.rules().frozen(now()).is_some());
        let in_window = truth.rules().window(now()).is_some();
        let least = truth.rules().rollback.confidence;
        if let Verdict::RollBack(rollback) = &verdict {
            prop_assert!(mode == Mode::Act && !is_frozen && !in_window);
            prop_assert!(rollback.plan.basis.confidence().is_none_or(|is| is >= least));
        }
        if let Verdict::RollBack(_) | Verdict::Propose { .. } = &verdict {
            prop_assert!(mode != Mode::Off);
            prop_assert!(now().duration_since(truth.change().changed_at) <= SignedDuration::from_mins(15));
            prop_assert_eq!(truth.alarm().state, Some(State::Alarm));
            let id = truth.id();
            let memory = truth.memory();
            if let Some(lease) = memory.lease_at(now()) {
                prop_assert_eq!(&lease.owner, &id, "another holds the target");
                let is_open = memory.operation(&id).is_some_and(|own| own.end.is_none());
                prop_assert!(is_open, "within the cooldown of what was done for the same alarm");
            }
            let made = memory.operations.iter().filter(|known| {
                known.id != id
                    && known.end != Some(End::Refused)
                    && known.asked_by.is_none()
                    && now().duration_since(known.began) < SignedDuration::from_hours(24)
            });
            prop_assert!(made.count() < 3, "too often");
        }
    }

    #[test]
    fn every_case_ends_and_nothing_is_asked_twice(truth in worlds()) {
        // `run` fails where a question comes again, and after twelve of them.
        let (asked, verdict) = truth.run();
        prop_assert!(asked.len() <= 8, "{asked:?}");
        // By hand too, nothing is deployed that cannot be, or that runs already.
        if let Verdict::RollBack(Rollback { plan, .. }) = &verdict {
            if let Act::UpdateService { task_definition } = &plan.act {
                prop_assert_ne!(task_definition, &plan.from);
            }
            prop_assert!(!truth.definitions.is_empty());
        }
    }

    #[test]
    fn what_was_begun_is_carried_on_with_and_not_chosen_anew(mut truth in worlds()) {
        let Verdict::RollBack(first) = truth.verdict() else { return Ok(()) };
        if truth.service().deployed_at > Some(now()) {
            return Ok(());
        }
        truth.begin(&first);
        if let Act::RegisterTaskDefinition { .. } = &first.plan.act {
            truth.copied(&first.operation, 9);
            // Whoever set the service to it is another.
            prop_assert_ne!(&truth.service().task_definition, &td(9));
        }
        let verdict = truth.verdict();
        let Verdict::RollBack(second) = verdict else {
            return Err(TestCaseError::fail(format!("it was begun: {first:?}\nand then: {verdict:?}")));
        };
        prop_assert_eq!(&second.operation, &first.operation);
        let source = second.plan.copy_of.as_ref().unwrap_or(&second.plan.to);
        prop_assert_eq!(source, first.plan.copy_of.as_ref().unwrap_or(&first.plan.to));
        let is_copy = matches!(first.plan.act, Act::RegisterTaskDefinition { .. });
        let updated = Act::UpdateService { task_definition: td(9) };
        prop_assert!(!is_copy || second.plan.act == updated, "another act for a copy");
    }
}
