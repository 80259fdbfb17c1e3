//! What people read, to the letter: one notice of each kind, for each cause.

mod letters;

use std::collections::BTreeMap;
use std::fmt::Write;

use shared::alarm::{AlarmChange, State as AlarmState, Transport};

use super::*;
use crate::cases::{policy, td};
use crate::cause::{Request, StackChange, Wanted};
use crate::decision::{Act, Basis, Plan};
use crate::facts::service::{Controller, Scene, Service};
use crate::facts::{self, Alarm, World, stack};
use crate::tests::time;

const STACK: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/0123";

fn world(scene: facts::Scene) -> World {
    World { memory: shared::ledger::target::Memory::default(), scene }
}

fn service() -> facts::Scene {
    let service = Service {
        arn: "arn:aws:ecs:eu-west-1:123456789012:service/prod/web".to_owned(),
        active: true,
        controller: Controller::Ecs,
        strategy: "ROLLING".to_owned(),
        task_definition: td(7),
        desired: 3,
        running: 2,
        deployed_at: None,
        ports: Vec::new(),
        fargate: true,
        code_deploy: None,
        tags: tags::Tags::new(),
    };
    facts::Scene::Service(Box::new(Scene { service: Some(service), ..Scene::default() }))
}

fn billing() -> facts::Scene {
    let stack = stack::Stack { id: STACK.to_owned(), name: "billing".to_owned(), ..stack::Stack::default() };
    facts::Scene::Stack(Box::new(stack::Scene { stack: Some(stack), ..stack::Scene::default() }))
}

/// The alarm fired, and it is about this.
fn fired(scene: facts::Scene) -> Facts {
    let mut facts = Facts::of(Cause::Alarm(AlarmChange {
        transport: Transport::Sns,
        name: "web 5xx".to_owned(),
        arn: Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web 5xx".to_owned()),
        description: None,
        state: AlarmState::Alarm,
        previous: Some(AlarmState::Ok),
        reason: "Threshold Crossed: 7 % is more than 5 %.".to_owned(),
        has_reason_data: false,
        changed_at: time("2026-11-20T03:00:00Z"),
        muted: false,
        composite: false,
        dimensions: Vec::new(),
    }));
    facts.world = Some(world(scene));
    facts
}

/// The stack is stuck.
fn stuck(status: &str) -> Facts {
    let mut facts = Facts::of(Cause::Stack(StackChange {
        name: "billing".to_owned(),
        id: STACK.to_owned(),
        status: status.to_owned(),
        at: time("2026-11-20T03:00:00Z"),
    }));
    facts.world = Some(world(billing()));
    facts
}

/// Somebody asked.
fn asked(target: &str, wanted: Wanted, scene: facts::Scene) -> Facts {
    let mut facts = Facts::of(Cause::Request(Request {
        id: "request-1".to_owned(),
        asked_at: time("2026-11-20T03:00:00Z"),
        target: target.parse().unwrap(),
        wanted,
        dry_run: false,
        confirmed: true,
        by: Some("ann".to_owned()),
    }));
    facts.world = Some(world(scene));
    facts
}

fn rollback(target: &str, from: &str, to: &str, act: Act) -> Rollback {
    let blames = act.means() == Means::UpdateService || act.means() == Means::UpdateAlias;
    Rollback {
        operation: "op-1".to_owned(),
        target: target.parse().unwrap(),
        plan: Plan {
            from: from.to_owned(),
            to: to.to_owned(),
            copy_of: None,
            basis: Basis::Source,
            act,
            blames,
            notes: Vec::new(),
            before: Value::Null,
        },
        began: time("2026-11-20T03:00:20Z"),
        asked_by: None,
    }
}

fn of_service() -> Rollback {
    rollback("ecs:prod/web", &td(7), &td(6), Act::UpdateService { task_definition: td(6) })
}

fn of_alias() -> Rollback {
    let act = Act::UpdateAlias { version: "7".to_owned(), revision_id: "r-1".to_owned() };
    rollback("lambda:checkout:live", "8", "7", act)
}

fn of_stack(act: Act) -> Rollback {
    rollback("stack:billing", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE", act)
}

fn continued(skip: &[&str]) -> Act {
    Act::ContinueUpdateRollback { skip: skip.iter().map(|name| (*name).to_owned()).collect() }
}

/// Every act that there is, as a rollback of the target it is for.
fn every_act() -> Vec<Rollback> {
    let service = |act| rollback("ecs:prod/web", &td(7), &td(6), act);
    let (application, group) = ("shop".to_owned(), "web".to_owned());
    vec![
        of_service(),
        rollback("ecs:prod/web", "0 tasks", "3 tasks", Act::Scale { desired: 3 }),
        service(Act::StopServiceDeployment { deployment: "arn:deployment".to_owned() }),
        service(Act::RegisterTaskDefinition { of: td(6), images: BTreeMap::new() }),
        service(Act::CreateDeployment { application, group, specification: "{}".to_owned() }),
        service(Act::StopDeployment { deployment: "d-1".to_owned() }),
        of_alias(),
        rollback("lambda:checkout:live", "8", "7", Act::StopDeployment { deployment: "d-1".to_owned() }),
        of_stack(Act::CancelUpdateStack),
        of_stack(continued(&[])),
        of_stack(continued(&["Queue", "Inner.Table"])),
        of_stack(Act::RollbackStack),
    ]
}

/// The notice as its reader meets it, links and ids left out.
fn read(notice: &Notice) -> String {
    let mut text =
        format!("{} {} {}\n{}\n", notice.severity, notice.state.as_str(), notice.title, notice.summary);
    for fact in &notice.facts {
        let _ = writeln!(text, "{}: {}", fact.name, fact.value);
    }
    for action in &notice.actions {
        let _ = writeln!(text, "done: {action}");
    }
    for step in &notice.next_steps {
        let _ = writeln!(text, "next: {step}");
    }
    text
}

fn told(facts: &Facts, verdict: &Verdict) -> Notice {
    notice(facts, &policy(), verdict, time("2026-11-20T03:00:21Z"))
}

fn propose(rollback: Rollback, withheld: Withheld) -> Verdict {
    Verdict::Propose { rollback, withheld }
}
