use std::time::{Duration, Instant};

use aws_sdk_ecs::types::Secret;

use super::super::{Family, Size};
use super::{Fleet, force, serve, tasks};

#[tokio::test]
async fn a_large_fleet_can_be_scanned_and_says_who_uses_the_secret() {
    let size = Size { services: 60, using: 8, ..Size::default() };
    let (fleet, using) = Fleet::of(&size);
    let (_proxy, ecs) = serve(&fleet).await;
    let mut users = Vec::new();
    for cluster in ecs.list_clusters().send().await.unwrap().cluster_arns() {
        let arns =
            ecs.list_services().cluster(cluster).max_results(100).send().await.unwrap().service_arns.unwrap();
        for ten in arns.chunks(10) {
            let described =
                ecs.describe_services().cluster(cluster).set_services(Some(ten.to_vec())).send().await;
            for service in described.unwrap().services() {
                assert_eq!(service.deployments().len(), 4);
                let mut found = false;
                for deployment in service.deployments() {
                    let name = deployment.task_definition().unwrap();
                    let described =
                        ecs.describe_task_definition().task_definition(name).send().await.unwrap();
                    let definition = described.task_definition.unwrap();
                    let container = &definition.container_definitions()[0];
                    let secrets = container
                        .secrets()
                        .iter()
                        .chain(container.log_configuration().unwrap().secret_options());
                    found |= secrets.map(Secret::value_from).any(|from| {
                        from.starts_with(&using.secret_arn)
                            || using.secret_arn[..using.secret_arn.len() - 7] == *from
                    });
                }
                if found {
                    users.push(service.service_arn().unwrap().split_once(":service/").unwrap().1.to_owned());
                }
            }
        }
    }
    users.sort_unstable();
    let mut expected = using.services.clone();
    expected.sort_unstable();
    assert_eq!(users, expected);
    assert_eq!(users.len(), 8);
    assert_eq!(fleet.count("ecs:DescribeTaskDefinition"), 240);
    assert_eq!(fleet.repeated("*"), [] as [String; 0]);
    assert_eq!(fleet.budget_time(), Family::TaskDefinitionRead.time_for(240));
    fleet.forget();
    assert_eq!(fleet.count("*"), 0);
}

#[test]
fn five_hundred_services_are_built_quickly() {
    let begun = Instant::now();
    let (fleet, using) = Fleet::of(&Size::default());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(using.services.len(), 50);
    assert_eq!(fleet.standing("cluster-1/service-0001").unwrap().running, 5);
}

#[test]
fn a_budget_costs_time_once_the_burst_is_spent() {
    for (family, calls, time) in [
        (Family::ServiceModify, 50, Duration::ZERO),
        (Family::ServiceModify, 300, Duration::from_secs(50)),
        (Family::TaskDefinitionRead, 2000, Duration::from_millis(97_500)),
        (Family::ServiceRead, 110, Duration::from_millis(500)),
        (Family::TaskDefinitionModify, 23, Duration::from_secs(3)),
    ] {
        assert_eq!(family.time_for(calls), time, "{family:?} {calls}");
    }
}

#[tokio::test]
async fn calls_over_the_budget_are_throttled_until_the_bucket_fills() {
    let fleet = (0..60).fold(Fleet::new().budgeted(), |fleet, nth| {
        fleet.service("prod", &format!("web-{nth}")).deployed("web:1", 60)
    });
    let (_proxy, ecs) = serve(&fleet).await;
    let begun = Instant::now();
    let mut refused = 0;
    for nth in 0..60 {
        if let Err((code, message)) = force(&ecs, &format!("web-{nth}")).await {
            assert_eq!((&*code, &*message), ("ThrottlingException", "Rate exceeded"));
            refused += 1;
        }
    }
    let filled = usize::try_from(begun.elapsed().as_millis() * 5 / 1000).unwrap() + 1;
    assert!(refused >= 10 - filled.min(10), "{refused} were refused");
    assert_eq!(fleet.throttled("ecs:UpdateService"), refused);
    assert_eq!(fleet.count("ecs:UpdateService"), 60 - refused);
    assert_eq!(fleet.changes().len(), 60 - refused);
    assert!(fleet.most_within("ecs:UpdateService", Duration::from_secs(1)) > 5);
    assert_eq!(fleet.most_within("ecs:UpdateService", Duration::ZERO), 0);
    assert_eq!(tasks(&ecs, "web-0").await.len(), 4, "another family has its own bucket");
    fleet.budget(false);
    assert!(force(&ecs, "web-59").await.is_ok());
}
