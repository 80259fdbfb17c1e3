//! Whether a deployment can be to blame, and whether the service can be rolled back at all.

use shared::ledger::operation::End;

use super::truth::operation;
use super::*;
use crate::cases::{ago, now};
use crate::facts::service::{Controller, Status};

rules! {
    a_service_that_cannot_be_rolled_back_is_left_alone,
    a_service_whose_stack_is_being_changed_is_left_to_the_stack,
    only_a_recent_deployment_is_blamed,
    the_window_counts_from_the_end_of_the_deployment,
    a_deployment_after_the_alarm_is_not_blamed,
    what_ecs_does_by_itself_is_left_to_ecs,
    watchkeepers_own_rollback_is_not_rolled_back,
}

fn a_service_that_cannot_be_rolled_back_is_left_alone() -> Vec<Case> {
    let external = Controller::Other("EXTERNAL".to_owned());
    vec![
        when("no service", |truth| truth.scene().service = None, "hold: there is no service of that name"),
        when("draining", |truth| truth.service().active = false, "hold: the service is being deleted"),
        when(
            "EXTERNAL",
            |truth| truth.service().controller = external,
            "hold: the service is deployed by EXTERNAL, not by ECS or CodeDeploy",
        ),
        when(
            "CodeDeploy has no record of it",
            |truth| {
                truth.service().controller = Controller::CodeDeploy;
                truth.service().code_deploy = Some("d-1".to_owned());
            },
            "hold: it is not known when the service was last deployed",
        ),
        when(
            "CodeDeploy never deployed it",
            |truth| truth.service().controller = Controller::CodeDeploy,
            "hold: it is not known when the service was last deployed",
        ),
    ]
}

/// A service that belongs to a stack in this status.
pub(super) fn owned(status: Option<&'static str>) -> impl FnOnce(&mut Truth) {
    move |truth| {
        let stack = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1";
        truth.service().tags.insert("aws:cloudformation:stack-id".to_owned(), stack.to_owned());
        truth.scene().owner = Some(status.map(ToOwned::to_owned));
    }
}

fn a_service_whose_stack_is_being_changed_is_left_to_the_stack() -> Vec<Case> {
    vec![
        when(
            "being updated",
            owned(Some("UPDATE_IN_PROGRESS")),
            "hold: the stack that owns the service is being changed (UPDATE_IN_PROGRESS)",
        ),
        when(
            "being rolled back",
            owned(Some("UPDATE_ROLLBACK_IN_PROGRESS")),
            "hold: the stack that owns the service is being changed (UPDATE_ROLLBACK_IN_PROGRESS)",
        ),
        when("at rest", owned(Some("UPDATE_COMPLETE")), "web:7 -> web:6: update the service to web:6"),
        when(
            "only reviewed",
            owned(Some("REVIEW_IN_PROGRESS")),
            "web:7 -> web:6: update the service to web:6",
        ),
        when("gone", owned(None), "web:7 -> web:6: update the service to web:6"),
    ]
}

fn only_a_recent_deployment_is_blamed() -> Vec<Case> {
    let at = |minutes: Option<i64>| {
        move |truth: &mut Truth| {
            truth.scene().deployments.clear();
            truth.service().deployed_at = minutes.map(ago);
        }
    };
    vec![
        when("at the edge", at(Some(60)), "web:7 -> web:6"),
        when(
            "too old",
            at(Some(61)),
            "hold: no deployment is recent enough to blame; the newest is of 2026-11-20T11:01:00Z",
        ),
        when("no time is known", at(None), "hold: it is not known when the service was last deployed"),
    ]
}

fn the_window_counts_from_the_end_of_the_deployment() -> Vec<Case> {
    let newest = |status, minutes| {
        move |truth: &mut Truth| {
            truth.history(&[(status, minutes, 7), (Status::Successful, 900, 6)]);
            truth.scene().sources = Some(vec!["revision-1".to_owned()]);
        }
    };
    let wide = |truth: &mut Truth| {
        newest(Status::Successful, 119)(truth);
        truth.rules().rollback.attribution_window = jiff::SignedDuration::from_hours(2);
    };
    vec![
        when("at the edge", newest(Status::Successful, 60), "web:7 -> web:6"),
        when("too old", newest(Status::Successful, 61), "hold: no deployment is recent enough"),
        when("by the policy recent", wide, "web:7 -> web:6"),
        when(
            "on its way for five hours",
            newest(Status::InProgress, 300),
            "web:7 -> web:6: stop deployment-0",
        ),
    ]
}

fn a_deployment_after_the_alarm_is_not_blamed() -> Vec<Case> {
    let created =
        |minutes| move |truth: &mut Truth| truth.scene().deployments[0].created_at = Some(ago(minutes));
    vec![
        when("at the same moment", created(1), "web:7 -> web:6"),
        when(
            "after it",
            created(0),
            "hold: the alarm fired before the newest deployment began at 2026-11-20T12:02:00Z",
        ),
        when(
            "not yet listed by ECS",
            |truth| truth.service().deployed_at = Some(now()),
            "hold: the alarm fired before the newest deployment began",
        ),
    ]
}

fn what_ecs_does_by_itself_is_left_to_ecs() -> Vec<Case> {
    let newest = |status, minutes| {
        move |truth: &mut Truth| truth.history(&[(status, minutes, 7), (Status::Successful, 5_000, 6)])
    };
    let old = "hold: no deployment is recent enough to blame";
    vec![
        when(
            "rolling back",
            newest(Status::RollingBack, 5),
            "hold: ECS is already rolling the deployment back",
        ),
        when("rolling back for long", newest(Status::RollingBack, 200), "hold: ECS is already rolling"),
        when(
            "rolled back",
            newest(Status::RolledBack, 5),
            "hold: ECS has already rolled the deployment back",
        ),
        when(
            "failed to",
            newest(Status::RollbackFailed, 5),
            "hold: ECS tried to roll the deployment back and failed",
        ),
        when("stopped", newest(Status::Stopped, 5), "hold: somebody stopped the newest deployment"),
        when(
            "in a new state",
            newest(Status::Unknown, 5),
            "hold: the newest deployment is in a state this version",
        ),
        when("rolled back long ago", newest(Status::RolledBack, 3_000), old),
        when("failed to long ago", newest(Status::RollbackFailed, 3_000), old),
        when("stopped long ago", newest(Status::Stopped, 3_000), old),
    ]
}

fn watchkeepers_own_rollback_is_not_rolled_back() -> Vec<Case> {
    let ours = |to, minutes, end| {
        move |truth: &mut Truth| truth.memory().operations = vec![operation("op-1", 8, to, minutes, end)]
    };
    let own = "hold: the newest deployment is Watchkeeper's own rollback (operation op-1)";
    vec![
        when("not over", ours(7, 8, None), own),
        when("it helped", ours(7, 8, Some(End::Recovered)), own),
        when("it did not help", ours(7, 8, Some(End::Unhealed)), own),
        when("the clocks differ", ours(7, 6, Some(End::Recovered)), own),
        when("it was refused", ours(7, 8, Some(End::Refused)), "web:7 -> web:6"),
        when("it was to something else", ours(5, 8, Some(End::Superseded)), "web:7 -> web:6"),
        when("somebody deployed the same later", ours(7, 300, Some(End::Recovered)), "web:7 -> web:6"),
    ]
}
