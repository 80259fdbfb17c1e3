use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

use super::{check_clusters, check_instances};
use crate::component::{Component, Kind};
use crate::decision::Health;
use crate::sweep::Ask;
use crate::wire::{Call, Reply, Wire};

const STATUS: &str = "<DBInstanceStatus>available</DBInstanceStatus>";

fn instance(name: &str, more: &str) -> String {
    format!(
        "<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier>\
         <DBInstanceArn>arn:aws:rds:eu-central-1:1:db:{name}</DBInstanceArn>{STATUS}<Engine>postgres</Engine>\
         <DBInstanceClass>db.t4g.medium</DBInstanceClass><AllocatedStorage>100</AllocatedStorage>\
         <InstanceCreateTime>2026-01-01T00:00:00Z</InstanceCreateTime><MultiAZ>true</MultiAZ>\
         <StorageEncrypted>true</StorageEncrypted><BackupRetentionPeriod>7</BackupRetentionPeriod>\
         <DeletionProtection>true</DeletionProtection><PubliclyAccessible>false</PubliclyAccessible>\
         <PendingModifiedValues><MasterUserPassword>****</MasterUserPassword></PendingModifiedValues>\
         <KmsKeyId>arn:aws:kms:eu-central-1:1:key/k</KmsKeyId>{more}</DBInstance>"
    )
}

fn instances(of: &[String], marker: &str) -> Reply {
    let marker = if marker.is_empty() { String::new() } else { format!("<Marker>{marker}</Marker>") };
    let list = of.concat();
    Reply::xml("DescribeDBInstances", &format!("<DBInstances>{list}</DBInstances>{marker}"))
}

fn cluster(name: &str, members: &str) -> String {
    format!(
        "<DBCluster><DBClusterIdentifier>{name}</DBClusterIdentifier><Status>available</Status>\
         <DBClusterArn>arn:aws:rds:eu-central-1:1:cluster:{name}</DBClusterArn>\
         <Engine>aurora-postgresql</Engine><MultiAZ>true</MultiAZ><StorageEncrypted>true</StorageEncrypted>\
         <BackupRetentionPeriod>7</BackupRetentionPeriod><DeletionProtection>true</DeletionProtection>\
         <DBClusterMembers>{members}</DBClusterMembers></DBCluster>"
    )
}

fn member(name: &str, writes: bool) -> String {
    format!(
        "<DBClusterMember><DBInstanceIdentifier>{name}</DBInstanceIdentifier>\
         <IsClusterWriter>{writes}</IsClusterWriter></DBClusterMember>"
    )
}

/// An AWS with nothing to maintain, that measures this.
fn wire(metrics: &'static [Option<f64>], answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Wire {
    Wire::new(move |call| match call.action.as_str() {
        "DescribePendingMaintenanceActions" => Reply::xml(&call.action, ""),
        "GetMetricData" => Reply::metrics(metrics),
        _ => answer(call),
    })
}

const FINE: &[Option<f64>] = &[Some(12.0), Some(30.0), Some(53_687_091_200.0)];

fn named(kind: Kind, names: &[&str]) -> Vec<Component> {
    names.iter().map(|name| Component::new(kind, *name)).collect()
}

fn health(ask: &Ask<'_>, kind: Kind, name: &str) -> (Health, String) {
    let verdict = ask.verdict(kind, name).unwrap();
    (verdict.health, verdict.reason)
}

#[tokio::test]
async fn an_instance_is_read_as_rds_answers_and_what_it_stands_on_is_checked_too() {
    let secret = "<MasterUserSecret><SecretStatus>active</SecretStatus>\
                  <SecretArn>arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3</SecretArn></MasterUserSecret>";
    let list = [instance("orders", secret)];
    let wire = wire(FINE, move |_| instances(&list, ""));
    let ask = wire.ask();
    check_instances(&ask, &named(Kind::Instance, &["Orders", "gone"])).await;
    assert_eq!(health(&ask, Kind::Instance, "Orders"), (Health::Healthy, "it is available".to_owned()));
    let gone = health(&ask, Kind::Instance, "gone");
    assert_eq!(gone, (Health::Failed, "it does not exist (any more)".to_owned()));
    let said = ask.said();
    let needs: Vec<_> = said["rds-instance:Orders"].needs.iter().collect();
    assert_eq!(needs, ["kms-key:k", "secret:prod/db"]);
    let more: Vec<_> = ask.take_more().iter().map(Component::id).collect();
    assert_eq!(more, ["kms-key:k", "secret:prod/db", "backup:rds-instance:Orders"]);
    let calls = wire.calls();
    assert_eq!(calls.len(), 3, "one call for all instances, one for maintenance, one for metrics: {calls:?}");
    let told = format!("{said:?}");
    assert!(!told.contains("****"), "a password is never told: {told}");
}

#[tokio::test]
async fn an_instance_that_is_bad_is_told_with_what_is_measured() {
    let list = [instance("orders", "")];
    let bad = wire(&[Some(91.0), Some(30.0), Some(1.0)], move |_| instances(&list, ""));
    let ask = bad.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders"])).await;
    let expected = "its CPU is at 91.0 %; its storage is at 100.0 %".to_owned();
    assert_eq!(health(&ask, Kind::Instance, "orders"), (Health::Degraded, expected));

    let tag = "<TagList><Tag><Key>watchkeeper:max-connections</Key><Value>31</Value></Tag></TagList>";
    let list = [instance("orders", tag)];
    let crowded = wire(FINE, move |_| instances(&list, ""));
    let ask = crowded.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders"])).await;
    assert!(health(&ask, Kind::Instance, "orders").1.contains("its use of 31 connections"));

    let list = [instance("orders", "")];
    let silent = wire(&[None, None, None], move |_| instances(&list, ""));
    let ask = silent.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders"])).await;
    assert!(health(&ask, Kind::Instance, "orders").1.contains("it is silent"));
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown_and_names_the_permission() {
    let wire = Wire::new(|_| Reply::xml_error(403, "AccessDenied"));
    let ask = wire.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders"])).await;
    check_clusters(&ask, &named(Kind::Cluster, &["orders"])).await;
    let (is, why) = health(&ask, Kind::Instance, "orders");
    assert_eq!(is, Health::Unknown);
    assert!(why.contains("rds:DescribeDBInstances is denied"), "{why}");
    let (is, why) = health(&ask, Kind::Cluster, "orders");
    assert_eq!(is, Health::Unknown);
    assert!(why.contains("rds:DescribeDBClusters is denied"), "{why}");
}

#[tokio::test]
async fn metrics_and_maintenance_that_are_denied_leave_the_rest() {
    let list = [instance("orders", "").replace("available", "storage-full"), instance("users", "")];
    let wire = Wire::new(move |call| match call.action.as_str() {
        "DescribeDBInstances" => instances(&list, ""),
        "GetMetricData" => Reply::error(403, "AccessDenied"),
        _ => Reply::xml_error(403, "AccessDenied"),
    });
    let ask = wire.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders", "users"])).await;
    assert_eq!(health(&ask, Kind::Instance, "orders").0, Health::Failed);
    let (is, why) = health(&ask, Kind::Instance, "users");
    assert_eq!(is, Health::Unknown);
    assert!(why.contains("its metrics could not be checked"), "{why}");
    let verdict = ask.verdict(Kind::Instance, "users").unwrap();
    let maintenance = verdict.evidence.iter().find(|fact| fact.name == "Pending maintenance").unwrap();
    assert!(maintenance.value.contains("rds:DescribePendingMaintenanceActions is denied"), "{verdict:?}");
}

#[tokio::test]
async fn what_was_read_before_a_page_failed_counts() {
    let list = [instance("orders", "")];
    let wire = wire(FINE, move |call| {
        if call.body.contains("Marker=") {
            return Reply::xml_error(400, "Throttling");
        }
        instances(&list, "next")
    });
    let ask = wire.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders", "users"])).await;
    assert_eq!(health(&ask, Kind::Instance, "orders").0, Health::Healthy);
    let (is, why) = health(&ask, Kind::Instance, "users");
    assert_eq!(is, Health::Unknown);
    assert!(why.contains("Throttling"), "{why}");
}

#[tokio::test]
async fn many_are_asked_in_few_calls() {
    let names: Vec<String> = (0..120).map(|number| format!("db{number}")).collect();
    let wire = wire(FINE, move |_| instances(&[], ""));
    let ask = wire.ask();
    check_instances(&ask, &named(Kind::Instance, &names.iter().map(String::as_str).collect::<Vec<_>>()))
        .await;
    let calls = wire.calls();
    assert_eq!(calls.iter().filter(|call| call.action == "DescribeDBInstances").count(), 3);
    assert!(!calls.iter().any(|call| call.action == "GetMetricData"), "nothing is there to be measured");
    let none = Wire::new(|_| Reply::error(500, "Unasked"));
    check_instances(&none.ask(), &[]).await;
    check_clusters(&none.ask(), &[]).await;
    assert!(none.calls().is_empty());
}

#[tokio::test]
async fn a_cluster_stands_on_its_instances() {
    let list = cluster("orders", &[member("a", true), member("b", false)].concat()) + &cluster("lone", "");
    let list = format!("<DBClusters>{list}</DBClusters>");
    let wire = wire(FINE, move |_| Reply::xml("DescribeDBClusters", &list));
    let ask = wire.ask();
    check_clusters(&ask, &named(Kind::Cluster, &["orders", "lone", "gone"])).await;
    assert_eq!(health(&ask, Kind::Cluster, "orders").0, Health::Healthy);
    assert_eq!(health(&ask, Kind::Cluster, "lone").1, "it has no instances");
    assert_eq!(health(&ask, Kind::Cluster, "gone").0, Health::Failed);
    let said = ask.said();
    let needs: Vec<_> = said["rds-cluster:orders"].needs.iter().collect();
    assert_eq!(needs, ["rds-instance:a", "rds-instance:b"]);
    let more = ask.take_more();
    assert_eq!(more[0].arn(), "arn:aws:rds:eu-central-1:1:db:a");
    assert_eq!(more[2].id(), "backup:rds-cluster:orders");
}

#[tokio::test]
async fn pending_maintenance_is_told() {
    let list = [instance("orders", "")];
    let wire = Wire::new(move |call| match call.action.as_str() {
        "GetMetricData" => Reply::metrics(FINE),
        "DescribeDBInstances" => instances(&list, ""),
        action => Reply::xml(
            action,
            "<PendingMaintenanceActions><ResourcePendingMaintenanceActions>\
             <ResourceIdentifier>arn:aws:rds:eu-central-1:1:db:orders</ResourceIdentifier>\
             <PendingMaintenanceActionDetails><PendingMaintenanceAction><Action>system-update</Action>\
             <ForcedApplyDate>2026-12-24T00:00:00Z</ForcedApplyDate></PendingMaintenanceAction>\
             </PendingMaintenanceActionDetails></ResourcePendingMaintenanceActions></PendingMaintenanceActions>",
        ),
    });
    let ask = wire.ask();
    check_instances(&ask, &named(Kind::Instance, &["orders"])).await;
    let verdict = ask.verdict(Kind::Instance, "orders").unwrap();
    assert_eq!(verdict.health, Health::Healthy);
    let told = verdict.evidence.iter().any(|fact| fact.value == "system-update from 2026-12-24 on");
    assert!(told, "{verdict:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_answer_is_never_healthy_without_its_status(
        place in any::<proptest::sample::Index>(), length in 0_usize..60, with in "[a-z<>/0-9]{0,8}", cut in any::<bool>(),
    ) {
        let good = instance("orders", "");
        let start = place.index(good.len());
        let end = if cut { good.len() } else { (start + length).min(good.len()) };
        let mangled = format!("{}{with}{}", &good[..start], &good[end..]);
        let has_status = mangled.contains(STATUS);
        let wire = wire(FINE, move |_| instances(std::slice::from_ref(&mangled), ""));
        let ask = wire.ask();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(check_instances(&ask, &named(Kind::Instance, &["orders"])));
        let verdict = ask.verdict(Kind::Instance, "orders").unwrap();
        prop_assert!(has_status || verdict.health != Health::Healthy, "{verdict:?}");
    }
}

#[tokio::test]
async fn an_answer_without_a_list_says_of_nothing_that_it_is_not_there() {
    for (list, health) in [("<DBInstances></DBInstances>", Health::Failed), ("", Health::Unknown)] {
        let wire = Wire::new(move |call| Reply::xml(&call.action, list));
        let ask = wire.ask();
        check_instances(&ask, &named(Kind::Instance, &["orders"])).await;
        assert_eq!(self::health(&ask, Kind::Instance, "orders").0, health, "{list}");
    }
}
