//! What the tests of several modules begin with: at 03:00 web:42 was rolled back to web:41.

use aws_smithy_mocks::{Rule, RuleMode, mock_client};
use aws_smithy_types::retry::RetryConfig;
use jiff::{SignedDuration, Timestamp};
use shared::alarm::State;
use shared::ecs::diagnosis::{Cause, Diagnosis};
use shared::ledger::Ledger;
use shared::ledger::incident::Incident;
use shared::ledger::operation::{Means, Operation};
use shared::ledger::target::Memory;
use shared::notice;
use shared::tags::Mode;
use shared::target::Target;

use crate::Clients;
use crate::decision::{Policy, Told};
use crate::event::{Change, Hint, Phase};
use crate::facts::{Alarm, Deployment, Facts, Rollout, Service};

pub(crate) const SERVICE: &str = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web";
pub(crate) const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";
pub(crate) const ALARM: &str = "alarm:arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web 5xx";

/// The defaults, in production.
pub(crate) fn policy() -> Policy {
    Policy {
        environment: "prod".to_owned(),
        clusters: "*".to_owned(),
        mode: Mode::Act,
        recovery: SignedDuration::from_mins(10),
        unread: None,
        version: 3,
        told: Told::default(),
    }
}

pub(crate) fn target() -> Target {
    "ecs:prod/web".parse().unwrap()
}

pub(crate) fn td(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

/// This many minutes after 03:00.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let three: Timestamp = "2026-11-20T03:00:00Z".parse().unwrap();
    three + SignedDuration::from_mins(minutes)
}

pub(crate) fn operation(means: Means) -> Operation {
    Operation {
        id: "op-1".to_owned(),
        incident: ALARM.to_owned(),
        means,
        from: td(42),
        to: td(41),
        copy_of: None,
        deployment: Some("ecs-svc/2".to_owned()),
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: at(0),
        deadline: at(30),
        end: None,
    }
}

/// At 03:00 web:42 was deployed anew, because a secret changed.
pub(crate) fn redeploy() -> Operation {
    Operation {
        id: "re-1".to_owned(),
        incident: format!("secret:{SECRET}"),
        from: td(42),
        to: td(42),
        blames: false,
        redeploy: Some("redeploy-1".to_owned()),
        ..operation(Means::Redeploy)
    }
}

pub(crate) fn deployment(id: &str, revision: u32, rollout: Rollout, minutes: i64) -> Deployment {
    Deployment {
        id: id.to_owned(),
        primary: true,
        task_definition: td(revision),
        rollout: Some(rollout),
        reason: String::new(),
        desired: 3,
        running: 3,
        created_at: Some(at(minutes)),
        updated_at: Some(at(minutes + 4)),
    }
}

pub(crate) fn service(deployments: &[Deployment]) -> Service {
    Service {
        arn: SERVICE.to_owned(),
        active: true,
        desired: 3,
        running: 3,
        deployments: deployments.to_vec(),
        ..Service::default()
    }
}

pub(crate) fn alarm(state: State, minutes: i64) -> Alarm {
    Alarm { name: "web 5xx".to_owned(), state, since: Some(at(minutes)) }
}

pub(crate) fn incident() -> Incident {
    Incident {
        key: ALARM.to_owned(),
        state: notice::State::Firing,
        revision: u64::try_from(at(-1).as_millisecond()).unwrap(),
        target: "ecs:prod/web".to_owned(),
        operation: Some("op-1".to_owned()),
        opened: at(-1),
    }
}

pub(crate) fn diagnosis() -> Diagnosis {
    Diagnosis {
        headline: "3 of 3 tasks: container app exited with code 1, the app's own error".to_owned(),
        causes: vec![Cause {
            count: 3,
            what: "container app exited with code 1, the app's own error".to_owned(),
            next_step: "Read the log of container app of task t1.".to_owned(),
        }],
    }
}

pub(crate) fn watch() -> Hint {
    watching("op-1")
}

pub(crate) fn watching(operation: &str) -> Hint {
    Hint::Watch { target: target(), operation: Some(operation.to_owned()) }
}

pub(crate) fn change(phase: Phase, deployment: &str, minutes: i64) -> Hint {
    Hint::Deployment(Change {
        target: target(),
        service: SERVICE.to_owned(),
        deployment: deployment.to_owned(),
        phase,
        reason: "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        at: at(minutes),
    })
}

/// Everything that can be asked about an operation is known.
pub(crate) fn facts(hint: Hint, operations: &[Operation]) -> Facts {
    let (redeploys, operations) =
        operations.iter().cloned().partition(|operation| operation.means.redeploys());
    Facts {
        memory: Some(Memory { operations, redeploys, ..Memory::default() }),
        alarm: Some(Some(alarm(State::Alarm, -1))),
        incident: Some(None),
        failed: Some(None),
        diagnosis: Some(diagnosis()),
        ..Facts::of(hint)
    }
}

/// The clients of a test, each with what it answers; nothing is tried twice.
#[derive(Default)]
pub(crate) struct Mocks<'a> {
    pub(crate) cloudformation: &'a [&'a Rule],
    pub(crate) cloudwatch: &'a [&'a Rule],
    pub(crate) codedeploy: &'a [&'a Rule],
    pub(crate) dynamodb: &'a [&'a Rule],
    pub(crate) ecs: &'a [&'a Rule],
    pub(crate) lambda: &'a [&'a Rule],
    pub(crate) sns: &'a [&'a Rule],
    pub(crate) sqs: &'a [&'a Rule],
    pub(crate) ssm: &'a [&'a Rule],
}

macro_rules! client {
    ($crate_name:ident, $rules:expr) => {
        mock_client!($crate_name, RuleMode::MatchAny, $rules, |config| config
            .retry_config(RetryConfig::disabled()))
    };
}

impl Mocks<'_> {
    pub(crate) fn clients(&self) -> Clients {
        Clients {
            cloudformation: client!(aws_sdk_cloudformation, self.cloudformation),
            cloudwatch: client!(aws_sdk_cloudwatch, self.cloudwatch),
            codedeploy: client!(aws_sdk_codedeploy, self.codedeploy),
            ecs: client!(aws_sdk_ecs, self.ecs),
            lambda: client!(aws_sdk_lambda, self.lambda),
            sns: client!(aws_sdk_sns, self.sns),
            sqs: client!(aws_sdk_sqs, self.sqs),
            ssm: client!(aws_sdk_ssm, self.ssm),
            ledger: Ledger::new(client!(aws_sdk_dynamodb, self.dynamodb), "ledger"),
        }
    }
}
