//! A service as somebody at a terminal sees it.

use super::*;
use crate::facts::Rollout;

const NEW: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:43";
const OLD: &str = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:42";

fn deployment(id: &str, status: &str, revision: &str, state: &str) -> ecs::Deployment {
    ecs::Deployment::builder()
        .id(id)
        .status(status)
        .task_definition(revision)
        .rollout_state(state.into())
        .desired_count(3)
        .running_count(1)
        .pending_count(2)
        .failed_tasks(4)
        .build()
}

fn service(deployments: Vec<ecs::Deployment>) -> ecs::Service {
    let breaker = ecs::DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    let configuration = ecs::DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build();
    ecs::Service::builder()
        .service_arn("arn:aws:ecs:eu-west-1:123456789012:service/prod/web")
        .status("ACTIVE")
        .set_deployments(Some(deployments))
        .deployment_configuration(configuration)
        .build()
}

#[test]
fn a_view_has_what_a_person_wants_to_see() {
    let deployments = vec![
        deployment("ecs-svc/2", "PRIMARY", NEW, "IN_PROGRESS"),
        deployment("ecs-svc/1", "ACTIVE", OLD, "COMPLETED"),
    ];
    let view = View::read(service(deployments)).unwrap();
    assert_eq!(view.tasks["ecs-svc/2"], Tasks { pending: 2, failed: 4 });
    assert_eq!((view.breaker, view.controller.clone()), (Some(Breaker { rolls_back: true }), None));
    let newest = view.newest().unwrap();
    assert_eq!((newest.id.as_str(), newest.from.as_deref()), ("ecs-svc/2", Some(OLD)));
    assert_eq!(newest.progress(&view.service), Progress::OnItsWay);
}

#[test]
fn how_it_ends_say_the_rules_for_what_was_begun_here() {
    let followed = Followed {
        id: "ecs-svc/2".to_owned(),
        task_definition: NEW.to_owned(),
        from: Some(OLD.to_owned()),
        began: None,
        takes_back: false,
    };
    let back = |reason: &str| Deployment {
        reason: reason.to_owned(),
        ..stands("ecs-svc/3", true, OLD, Rollout::InProgress)
    };
    let other = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:44";
    let own = |primary, rollout| stands("ecs-svc/2", primary, NEW, rollout);
    let cases = [
        (vec![own(true, Rollout::InProgress)], "on_its_way"),
        (vec![own(true, Rollout::Completed)], "deployed"),
        (vec![own(true, Rollout::Failed)], "failed"),
        (vec![back("rolling back to deploymentId ecs-svc/1"), own(false, Rollout::Failed)], "failed"),
        // By whomever.
        (vec![back(""), own(false, Rollout::InProgress)], "failed"),
        (
            vec![stands("ecs-svc/3", true, other, Rollout::InProgress), own(false, Rollout::InProgress)],
            "superseded",
        ),
    ];
    for (deployments, expected) in cases {
        let service = Service { active: true, deployments, ..Service::default() };
        let progress = serde_json::to_value(followed.progress(&service)).unwrap();
        let word = progress.as_str().map(ToOwned::to_owned);
        let word = word.or_else(|| progress.as_object()?.keys().next().cloned()).unwrap();
        assert_eq!(word, expected, "{service:?}");
    }
}

fn stands(id: &str, primary: bool, revision: &str, rollout: Rollout) -> Deployment {
    Deployment {
        id: id.to_owned(),
        primary,
        task_definition: revision.to_owned(),
        rollout: Some(rollout),
        ..Deployment::default()
    }
}
