//! The case that the table varies: everything about it says "roll back".

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::alarm::{AlarmChange, State, Transport};
use shared::ledger::once::Claim;
use shared::ledger::operation::{End, Operation};
use shared::ledger::target::Memory;

use crate::decision::operation_id;
use crate::facts::{
    Alarm, Controller, Facts, Scene, Service, ServiceDeployment, ServiceRevision, Status, Strategy,
    TaskDefinition,
};

pub(super) fn now() -> Timestamp {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

pub(super) fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

pub(super) fn td(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

/// `web:7` was deployed five minutes ago, its alarm fired a minute ago, and `web:6` is there to return to.
pub(super) fn case() -> Facts {
    let dimensions = [("ClusterName", "prod"), ("ServiceName", "web")];
    Facts {
        change: AlarmChange {
            transport: Transport::Sns,
            name: "web-5xx".to_owned(),
            arn: Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web-5xx".to_owned()),
            description: None,
            state: State::Alarm,
            previous: Some(State::Ok),
            reason: "Threshold Crossed: 1 datapoint was greater than the threshold".to_owned(),
            has_reason_data: false,
            changed_at: ago(1),
            muted: false,
            composite: false,
            dimensions: vec![dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into()],
        },
        claim: Some(Claim::Won),
        alarm: Some(Alarm { state: Some(State::Alarm), tags: BTreeMap::new() }),
        incident: None,
        scene: Some(Scene {
            service: Some(Service {
                arn: "arn:aws:ecs:eu-west-1:123456789012:service/prod/web".to_owned(),
                active: true,
                controller: Controller::Ecs,
                strategy: Strategy::Rolling,
                task_definition: td(7),
                desired: 3,
                running: 3,
                deployed_at: Some(ago(5)),
                tags: BTreeMap::new(),
            }),
            deployments: Vec::new(),
            memory: Memory::default(),
        }),
        revisions: None,
        earlier: Some(vec![td(6), td(5)]),
        candidate: Some(TaskDefinition { arn: td(6), active: true }),
    }
}

pub(super) fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = case();
    change(&mut facts);
    facts
}

pub(super) fn with_service(change: impl FnOnce(&mut Service)) -> Facts {
    with(|facts| change(facts.scene.as_mut().unwrap().service.as_mut().unwrap()))
}

pub(super) fn with_memory(change: impl FnOnce(&mut Memory)) -> Facts {
    with(|facts| change(&mut facts.scene.as_mut().unwrap().memory))
}

/// ECS's own history, newest first: status, minutes since its end, task definition.
pub(super) fn with_history(history: &[(Status, i64, u32)]) -> Facts {
    let arn = |index: usize| format!("revision-{index}");
    with(|facts| {
        facts.earlier = None;
        facts.revisions = Some(
            history
                .iter()
                .enumerate()
                .map(|(index, (_, _, revision))| ServiceRevision {
                    arn: arn(index),
                    task_definition: td(*revision),
                    images: std::collections::BTreeSet::new(),
                })
                .collect(),
        );
        let deployments = history.iter().enumerate().map(|(index, (status, minutes, _))| ServiceDeployment {
            arn: format!("deployment-{index}"),
            status: *status,
            created_at: Some(ago(minutes + 2)),
            finished_at: (*status == Status::Successful).then(|| ago(*minutes)),
            revision: arn(index),
        });
        facts.scene.as_mut().unwrap().deployments = deployments.collect();
    })
}

pub(super) fn tag(tags: &mut BTreeMap<String, String>, name: &str, value: &str) {
    tags.insert(format!("watchkeeper:{name}"), value.to_owned());
}

pub(super) fn operation(id: &str, from: u32, to: u32, minutes: i64, end: Option<End>) -> Operation {
    Operation {
        id: id.to_owned(),
        incident: "alarm:other".to_owned(),
        from: td(from),
        to: td(to),
        began: ago(minutes),
        deadline: ago(minutes - 30),
        end,
    }
}

pub(super) fn own_operation() -> Operation {
    let id = operation_id(&case(), &"ecs:prod/web".parse().unwrap());
    operation(&id, 7, 6, 1, None)
}
