//! The scaling of services: fifty in a call.

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::types::{
    ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState,
};
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::kind::autoscaling::{Facts, verdict};
use crate::sweep::{Api, Ask, Pages};

/// Application Auto Scaling takes at most this many resources in one call (`DescribeScalableTargets`, `ResourceIds`).
const AT_ONCE: usize = 50;

/// Checks the scaling of services, each with the number of tasks that it is meant to have now.
pub(crate) async fn check(ask: &Ask<'_>, services: &[(Component, u32)]) {
    join_all(services.chunks(AT_ONCE).map(|some| chunk(ask, some))).await;
}

async fn chunk(ask: &Ask<'_>, services: &[(Component, u32)]) {
    let mut targets = BTreeMap::new();
    let error = read(ask, services, &mut targets).await.err();
    for (service, desired) in services {
        let tags = service.tags.clone();
        let scaling = Component { tags, ..Component::new(Kind::Scaling, service.name.clone()) };
        match (targets.get(&resource(service)), &error) {
            // What a page before the one that failed said of it holds.
            (None, Some(error)) => ask.unknown(&scaling, error),
            (target, _) => ask.say(&scaling, verdict(&facts(target, *desired))),
        }
        ask.led(service, scaling.id());
    }
}

/// `service/<cluster>/<service>`
fn resource(service: &Component) -> String {
    let cluster = if service.name.contains('/') { "" } else { "default/" };
    format!("service/{cluster}{}", service.name)
}

async fn read(
    ask: &Ask<'_>,
    services: &[(Component, u32)],
    targets: &mut BTreeMap<String, ScalableTarget>,
) -> Result<()> {
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let _turn = ask.turn(Api::Autoscaling).await;
        let answer = ask
            .clients
            .scaling()
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_resource_ids(Some(services.iter().map(|(service, _)| resource(service)).collect()))
            .set_next_token(token)
            .send()
            .await
            .action("application-autoscaling:DescribeScalableTargets")?;
        let page = answer.scalable_targets.unwrap_or_default();
        targets.extend(page.into_iter().map(|target| (target.resource_id.clone(), target)));
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

fn facts(target: Option<&ScalableTarget>, desired: u32) -> Facts {
    let Some(target) = target else { return Facts { desired, ..Facts::default() } };
    let count = |count: i32| u32::try_from(count).unwrap_or_default();
    let state = target.suspended_state();
    let suspended = [
        (state.and_then(SuspendedState::dynamic_scaling_out_suspended), "scaling out"),
        (state.and_then(SuspendedState::dynamic_scaling_in_suspended), "scaling in"),
        (state.and_then(SuspendedState::scheduled_scaling_suspended), "scheduled scaling"),
    ];
    Facts {
        desired,
        bounds: Some((count(target.min_capacity()), count(target.max_capacity()))),
        suspended: suspended.into_iter().filter(|(is, _)| *is == Some(true)).map(|(_, what)| what).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::wire::{Reply, Wire};

    fn service(name: &str, desired: u32) -> (Component, u32) {
        (Component::new(Kind::Service, name), desired)
    }

    fn target(name: &str, most: u32) -> Value {
        json!({
            "ServiceNamespace": "ecs", "ResourceId": format!("service/{name}"),
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": most,
            "RoleARN": "arn:aws:iam::1:role/r", "CreationTime": 1.7e9,
            "SuspendedState": {"DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false,
                "ScheduledScalingSuspended": false},
        })
    }

    async fn verdicts(reply: Reply, services: &[(Component, u32)]) -> Vec<Verdict> {
        let wire = Wire::new(move |_| reply.clone());
        let ask = wire.ask();
        check(&ask, services).await;
        services.iter().map(|(service, _)| ask.verdict(Kind::Scaling, &service.name).unwrap()).collect()
    }

    #[tokio::test]
    async fn each_service_is_found_again_and_one_that_is_not_scaled_is_not_bad() {
        let mut suspended = target("prod/off", 9);
        *suspended.pointer_mut("/SuspendedState/DynamicScalingOutSuspended").unwrap() = json!(true);
        let answer = json!({"ScalableTargets": [target("prod/full", 3), target("prod/web", 4), suspended]});
        let services =
            [service("prod/web", 3), service("prod/full", 3), service("prod/off", 2), service("prod/fix", 1)];
        let told = verdicts(Reply::ok(answer), &services).await;
        let health: Vec<Health> = told.iter().map(|verdict| verdict.health).collect();
        assert_eq!(health, [Health::Healthy, Health::Degraded, Health::Degraded, Health::NotApplicable]);
        assert!(told.iter().any(|verdict| verdict.reason.contains("suspended: scaling out")), "{told:?}");
    }

    #[tokio::test]
    async fn a_denial_names_the_action_and_a_page_before_a_throttle_counts() {
        let denied = verdicts(Reply::error(400, "AccessDeniedException"), &[service("prod/web", 3)]).await;
        assert!(denied.iter().all(|verdict| verdict.health == Health::Unknown
            && verdict.reason.contains("application-autoscaling:DescribeScalableTargets is denied")));
        let wire = Wire::new(|call| {
            if call.body.contains("NextToken") {
                return Reply::error(400, "ThrottlingException");
            }
            Reply::ok(json!({"ScalableTargets": [target("prod/web", 4)], "NextToken": "2"}))
        });
        let ask = wire.ask();
        check(&ask, &[service("prod/web", 3), service("prod/late", 1)]).await;
        assert_eq!(ask.verdict(Kind::Scaling, "prod/web").unwrap().health, Health::Healthy);
        let late = ask.verdict(Kind::Scaling, "prod/late").unwrap();
        assert_eq!(late.health, Health::Unknown);
        assert!(late.reason.contains("ThrottlingException"), "{late:?}");
    }

    #[tokio::test]
    async fn fifty_services_are_one_call_and_none_are_none() {
        let wire = Wire::new(|_| Reply::ok(json!({"ScalableTargets": []})));
        let ask = wire.ask();
        check(&ask, &[]).await;
        assert!(wire.calls().is_empty());
        let services: Vec<_> = (0..51).map(|one| service(&format!("prod/s{one}"), 1)).collect();
        check(&ask, &services).await;
        assert_eq!(wire.calls().len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mangled_answer_is_never_healthy_without_its_limits(from in 0_usize..400, junk in "[a-z\"{:,0]{0,6}") {
            let good = json!({"ScalableTargets": [target("prod/web", 4)]}).to_string();
            let from = from.min(good.len());
            let to = (from + 9).min(good.len());
            let body = format!("{}{junk}{}", &good[..from], &good[to..]);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let told = runtime.block_on(verdicts(Reply::ok(&body), &[service("prod/web", 3)]));
            if told[0].health == Health::Healthy {
                prop_assert!(body.contains("\"MaxCapacity\":"), "{body}");
            }
        }
    }
}
