//! The other kinds of target, through the whole decision. What is right for each is shown beside its rules.

use shared::ledger::operation::{Means, Operation};
use shared::ledger::target::Memory;
use shared::notice;

use super::truth::{incident, operation, tag};
use super::*;
use crate::cases::{ago, td};
use crate::cause::{Cause, StackChange, Wanted};
use crate::facts::service::{Controller, Found, Standing};
use crate::facts::{self, World, alias, code_deploy, stack};

rules! {
    a_service_that_codedeploy_deploys_is_rolled_back_by_codedeploy,
    an_alias_is_pointed_back,
    a_stack_that_is_stuck_is_brought_on,
    by_hand_a_stack_gets_what_is_asked_for_beyond_the_policy,
    a_stack_that_is_well_is_nothing_to_hear_of,
    a_stack_that_got_well_takes_back_what_people_were_told,
}

fn deployment(id: &str, status: code_deploy::Status, minutes: i64, revision: u32) -> code_deploy::Deployment {
    code_deploy::Deployment {
        id: id.to_owned(),
        status,
        rollback: false,
        description: None,
        created_at: Some(ago(minutes + 2)),
        completed_at: (status != code_deploy::Status::InProgress).then(|| ago(minutes)),
        task_definition: Some(td(revision)),
        specification: Some("{}".to_owned()),
    }
}

fn by_code_deploy(status: code_deploy::Status) -> impl FnOnce(&mut Truth) {
    move |truth| {
        truth.service().controller = Controller::CodeDeploy;
        truth.service().code_deploy = Some("d-1".to_owned());
        truth.scene().deployments.clear();
        let newest = deployment("d-1", status, 5, 7);
        let succeeded = (status == code_deploy::Status::Succeeded).then(|| newest.clone());
        truth.scene().code_deploy = Some(Some(code_deploy::Record {
            application: "shop".to_owned(),
            group: "web".to_owned(),
            newest,
            succeeded: succeeded
                .into_iter()
                .chain([deployment("d-0", code_deploy::Status::Succeeded, 900, 6)])
                .collect(),
            whole: true,
        }));
    }
}

fn a_service_that_codedeploy_deploys_is_rolled_back_by_codedeploy() -> Vec<Case> {
    let cut_off = |truth: &mut Truth| {
        by_code_deploy(code_deploy::Status::Succeeded)(truth);
        let own = Operation { means: Means::CreateDeployment, ..truth.own() };
        truth.lease(&own, 59);
    };
    vec![
        when(
            "its deployment arrived",
            by_code_deploy(code_deploy::Status::Succeeded),
            "web:7 -> web:6: tell CodeDeploy to deploy to web (high confidence",
        ),
        when(
            "its deployment is on its way",
            by_code_deploy(code_deploy::Status::InProgress),
            "web:7 -> web:6: tell CodeDeploy to stop d-1 (high confidence",
        ),
        when("its deployment failed", by_code_deploy(code_deploy::Status::Failed), "hold: "),
        when(
            "it was begun and cut off",
            cut_off,
            "web:7 -> web:6: tell CodeDeploy to deploy to web (chosen when this operation was begun)",
        ),
        when(
            "what it would return to was deregistered",
            |truth| {
                by_code_deploy(code_deploy::Status::Succeeded)(truth);
                truth.definition(6).standing = Standing::Inactive;
            },
            "hold: web:6 was deregistered, and the application specification to return to names it",
        ),
        when(
            "what it would return to has lost its image",
            |truth| {
                by_code_deploy(code_deploy::Status::Succeeded)(truth);
                truth.definition(6).images[0].found = Found::Gone;
            },
            "hold: web:6 cannot be deployed: its image ",
        ),
        when(
            "its stack is being updated",
            |truth| {
                by_code_deploy(code_deploy::Status::Succeeded)(truth);
                blame::owned(Some("UPDATE_IN_PROGRESS"))(truth);
            },
            "hold: the stack that owns the service is being changed",
        ),
    ]
}

fn of_alias(change: impl FnOnce(&mut alias::Scene)) -> impl FnOnce(&mut Truth) {
    move |truth| {
        tag(&mut truth.alarm().tags, "target", "lambda:checkout:live");
        let published = |version: u32| alias::Version {
            version: version.to_string(),
            code: Some(format!("sha-{version}")),
            published_at: Some(ago(if version == 10 { 5 } else { 9_000 })),
        };
        let mut scene = alias::Scene {
            alias: Some(alias::Alias {
                arn: "arn:aws:lambda:eu-west-1:123456789012:function:checkout:live".to_owned(),
                function: "checkout".to_owned(),
                name: "live".to_owned(),
                version: "10".to_owned(),
                revision_id: "revision-1".to_owned(),
                ..alias::Alias::default()
            }),
            history: Some(alias::History {
                versions: vec![published(9), published(10)],
                all_versions: true,
                whole: true,
                ..alias::History::default()
            }),
            taken: Some(std::collections::BTreeSet::new()),
        };
        change(&mut scene);
        let scene = facts::Scene::Alias(Box::new(scene));
        truth.facts.world = Some(World { memory: Memory::default(), scene });
    }
}

fn an_alias_is_pointed_back() -> Vec<Case> {
    let weighted = of_alias(|scene| {
        let alias = scene.alias.as_mut().unwrap();
        alias.version = "9".to_owned();
        alias.weights = [("10".to_owned(), 100_000)].into();
    });
    vec![
        when(
            "from a canary to its stable side",
            weighted,
            "10 -> 9: point the alias to 9 (high confidence: it is the stable",
        ),
        when("to the version before", of_alias(|_| {}), "10 -> 9: point the alias to 9 (low confidence"),
        when("there is none", of_alias(|scene| scene.alias = None), "hold: "),
        when(
            "it belongs to another environment",
            of_alias(|scene| tag(&mut scene.alias.as_mut().unwrap().tags, "environment", "dev")),
            "ignore: it belongs to the environment dev",
        ),
    ]
}

/// A stack in this status since so many minutes, which was well before.
fn of_stack(status: &'static str, minutes: i64) -> impl FnOnce(&mut Truth) {
    move |truth| {
        let id = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/1";
        let event = |minutes, status: &str| stack::Event {
            at: ago(minutes),
            own: true,
            resource: "billing".to_owned(),
            status: status.to_owned(),
            reason: None,
            token: None,
        };
        truth.facts.cause = Cause::Stack(StackChange {
            name: "billing".to_owned(),
            id: id.to_owned(),
            status: status.to_owned(),
            at: ago(minutes),
        });
        let scene = stack::Scene {
            stack: Some(stack::Stack {
                id: id.to_owned(),
                name: "billing".to_owned(),
                status: status.to_owned(),
                role: Some("arn:aws:iam::123456789012:role/deploy".to_owned()),
                updated_at: Some(ago(minutes + 5)),
                ..stack::Stack::default()
            }),
            events: stack::Events {
                telling: vec![event(minutes, status), event(9_000, "UPDATE_COMPLETE")],
                reach: stack::Reach::End,
            },
            ..stack::Scene::default()
        };
        let scene = facts::Scene::Stack(Box::new(scene));
        truth.facts.world = Some(World { memory: Memory::default(), scene });
    }
}

fn scene(truth: &mut Truth) -> &mut stack::Scene {
    let facts::Scene::Stack(scene) = &mut truth.facts.world.as_mut().unwrap().scene else {
        panic!("not a stack");
    };
    scene
}

fn a_stack_that_is_stuck_is_brought_on() -> Vec<Case> {
    let allowed = |truth: &mut Truth| {
        of_stack("UPDATE_IN_PROGRESS", 60)(truth);
        truth.rules().rollback.stacks.cancel = true;
    };
    let without_role = |truth: &mut Truth| {
        of_stack("UPDATE_ROLLBACK_FAILED", 5)(truth);
        scene(truth).stack.as_mut().unwrap().role = None;
    };
    let continued = "UPDATE_ROLLBACK_FAILED -> UPDATE_ROLLBACK_COMPLETE: continue the stack's rollback (high";
    vec![
        when("its rollback failed", of_stack("UPDATE_ROLLBACK_FAILED", 5), continued),
        when(
            "its update does not end, and may be cancelled",
            allowed,
            "UPDATE_IN_PROGRESS -> UPDATE_ROLLBACK_COMPLETE: cancel the stack's update (high confidence",
        ),
        when(
            "its update failed",
            of_stack("UPDATE_FAILED", 60),
            "UPDATE_FAILED -> UPDATE_ROLLBACK_COMPLETE: roll the stack back (high confidence",
        ),
        when("it has no role of its own", without_role, "hold: "),
        when(
            "marked as unsafe",
            |truth| {
                of_stack("UPDATE_ROLLBACK_FAILED", 5)(truth);
                tag(&mut scene(truth).stack.as_mut().unwrap().tags, "rollback", "unsafe");
            },
            "hold: it is marked as unsafe to roll back",
        ),
    ]
}

fn by_hand_a_stack_gets_what_is_asked_for_beyond_the_policy() -> Vec<Case> {
    let asked = |name, skip_unfixable, cancel_in_progress, status, minutes, verdict| {
        let wanted = Wanted::Fix { skip_unfixable, cancel_in_progress };
        let truth = truth().with(of_stack(status, minutes)).by_hand(wanted);
        let target = "stack:billing".parse().unwrap();
        case(name, truth.with(|truth| truth.request().target = target), verdict)
    };
    let cancelled =
        "UPDATE_IN_PROGRESS -> UPDATE_ROLLBACK_COMPLETE: cancel the stack's update (high confidence";
    let continued = "UPDATE_ROLLBACK_FAILED -> UPDATE_ROLLBACK_COMPLETE: continue the stack's rollback (high";
    vec![
        asked("a failed rollback", false, false, "UPDATE_ROLLBACK_FAILED", 5, continued),
        asked(
            "nothing is skipped before that is needed",
            true,
            false,
            "UPDATE_ROLLBACK_FAILED",
            5,
            continued,
        ),
        asked("an update that does not end", false, true, "UPDATE_IN_PROGRESS", 60, cancelled),
        asked("a young one", false, true, "UPDATE_IN_PROGRESS", 5, "hold: the stack is not stuck yet"),
        asked(
            "a complete one",
            true,
            true,
            "UPDATE_COMPLETE",
            5,
            "hold: the stack is not stuck (UPDATE_COMPLETE)",
        ),
    ]
}

fn a_stack_that_is_well_is_nothing_to_hear_of() -> Vec<Case> {
    vec![
        when("its update is young", of_stack("UPDATE_IN_PROGRESS", 5), "ignore: "),
        when(
            "nobody was told of it",
            of_stack("UPDATE_COMPLETE", 5),
            "ignore: the alarm is OK, and nobody was told",
        ),
    ]
}

fn a_stack_that_got_well_takes_back_what_people_were_told() -> Vec<Case> {
    let told = |end| {
        move |truth: &mut Truth| {
            of_stack("UPDATE_ROLLBACK_COMPLETE", 1)(truth);
            truth.facts.incident = Some(Some(incident(9, notice::State::Firing, Some("op-1"))));
            truth.memory().operations = vec![operation("op-1", 7, 6, 8, end)];
        }
    };
    let over = Some(shared::ledger::operation::End::Recovered);
    vec![
        when("its rollback is watched", told(None), "hand over op-1 of stack:billing"),
        when("its rollback is over", told(over), "resolve alarm:web-5xx"),
    ]
}
