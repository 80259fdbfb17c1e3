//! Backups of resources: AWS Backup is asked for each, RDS for fifty a call, and DynamoDB only where nothing else is
//! fresh and the table's own check has not asked already.

use aws_sdk_backup::types::RecoveryPointByResource;
use aws_sdk_dynamodb::types::ContinuousBackupsDescription;
use aws_sdk_rds::types::{DbCluster, DbInstance};
use futures_util::future::{join_all, join3};
use jiff::Timestamp;
use shared::error::Call;
use shared::{Error, Result};

use super::rds::{Asked, Listed, time};
use super::{dynamodb, rds};
use crate::component::{Component, Kind};
use crate::decision::kind::backup::{Facts, Own, Point, verdict};
use crate::decision::{Findings, Verdict};
use crate::sweep::{Api, Ask, Pages, unknown};

/// The backup of a component: it has the component's id for a name, because a database and a table may be called the
/// same.
pub(crate) fn of(component: &Component, arn: &str) -> Component {
    let arn = Some(arn.to_owned());
    Component { arn, tags: component.tags.clone(), ..Component::new(Kind::Backup, component.id()) }
}

/// Checks how the resources with these components' ARNs are backed up.
pub(crate) async fn check(ask: &Ask<'_>, components: &[Component]) {
    let (asked, nameless): (Vec<_>, Vec<_>) = components.iter().partition(|it| it.arn.is_some());
    for component in nameless {
        ask.say(component, without_arn());
    }
    let resources: Vec<_> = asked.into_iter().map(|it| (it, Component::at(it.arn()))).collect();
    let names = |kind: Kind| {
        let of_kind = resources.iter().filter_map(|(_, resource)| resource.as_ref());
        of_kind.filter(|resource| resource.kind == kind).cloned().collect::<Vec<_>>()
    };
    let (instances, clusters) = (rds::names(&names(Kind::Instance)), rds::names(&names(Kind::Cluster)));
    let points = join_all(resources.iter().map(|(component, _)| points(ask, component.arn())));
    let (instances, clusters, points) =
        join3(rds::instances(ask, &instances), rds::clusters(ask, &clusters), points).await;
    join_all(resources.iter().zip(points).map(async |((component, resource), (points, failed))| {
        let mut facts = Facts { points, ..Facts::default() };
        facts.unasked.extend(failed.map(|error| unknown(&error)));
        if let Some(resource) = resource {
            own(ask, resource, &mut facts, (&instances, &clusters)).await;
        }
        ask.say(component, verdict(&facts, ask.rules, ask.expected, ask.now));
    }))
    .await;
}

fn without_arn() -> Verdict {
    let mut found = Findings::new();
    found.unknown("it has no ARN to be asked by", "Check it by hand.");
    found.verdict("")
}

/// Reads what the service of a resource keeps by itself.
async fn own(
    ask: &Ask<'_>,
    resource: &Component,
    facts: &mut Facts,
    (instances, clusters): (&Listed<DbInstance>, &Listed<DbCluster>),
) {
    let until = |at: Option<Timestamp>| at.map_or(Own::Off, Own::Until);
    if resource.kind == Kind::Instance {
        match instances.of(&resource.name) {
            Asked::Is(instance) => {
                facts.own = until(time(instance.latest_restorable_time()));
                facts.created = time(instance.instance_create_time());
            }
            Asked::Absent => {}
            Asked::Failed(error) => facts.unasked.push(unknown(error)),
        }
    } else if resource.kind == Kind::Cluster {
        match clusters.of(&resource.name) {
            Asked::Is(cluster) => {
                facts.own = until(time(cluster.latest_restorable_time()));
                facts.created = time(cluster.cluster_create_time());
            }
            Asked::Absent => {}
            Asked::Failed(error) => facts.unasked.push(unknown(error)),
        }
    } else if resource.kind == Kind::Table && !facts.is_fresh(ask.rules, ask.now) {
        match dynamodb::continuous_backups(ask, &resource.name).await {
            Ok(said) => match dynamodb::point_in_time(said.as_ref()).as_str() {
                "ENABLED" => facts.own = restorable(said.as_ref()),
                "DISABLED" => facts.own = Own::Off,
                word => facts.unasked.push(unsaid(word)),
            },
            Err(unknown) => facts.unasked.push(unknown),
        }
    }
}

fn restorable(said: Option<&ContinuousBackupsDescription>) -> Own {
    let said = said.and_then(|said| said.point_in_time_recovery_description());
    time(said.and_then(|said| said.latest_restorable_date_time())).map_or(Own::On, Own::Until)
}

fn unsaid(word: &str) -> Verdict {
    let why = match word {
        "" => "the state of its point-in-time recovery is not said".to_owned(),
        word => format!("the state of its point-in-time recovery is not known here: {word}"),
    };
    let mut found = Findings::new();
    found.unknown(why, "Check it by hand.");
    found.verdict("")
}

/// The recovery points of a resource, and what kept the rest from being read.
async fn points(ask: &Ask<'_>, arn: &str) -> (Vec<Point>, Option<Error>) {
    let (mut found, mut token, mut pages) = (Vec::new(), None, Pages::default());
    loop {
        let next = page(ask, arn, token).await.and_then(|(some, next)| {
            found.extend(some.iter().map(point));
            pages.next(next)
        });
        token = match next {
            Ok(None) => return (found, None),
            Ok(next) => next,
            // Of what it has never backed up, AWS Backup knows nothing.
            Err(error) if error.code() == Some("ResourceNotFoundException") => return (found, None),
            Err(error) => return (found, Some(error)),
        };
    }
}

async fn page(
    ask: &Ask<'_>,
    arn: &str,
    token: Option<String>,
) -> Result<(Vec<RecoveryPointByResource>, Option<String>)> {
    let _turn = ask.turn(Api::Backup).await;
    let call = ask.clients.backup().list_recovery_points_by_resource();
    let call = call.resource_arn(arn).set_next_token(token);
    let answer = call.send().await.action("backup:ListRecoveryPointsByResource")?;
    Ok((answer.recovery_points.unwrap_or_default(), answer.next_token))
}

fn point(point: &RecoveryPointByResource) -> Point {
    // `arn:aws:backup:…:recovery-point:continuous:…` and, of RDS, `arn:aws:rds:…:auto-backup:…`
    let goes_on = |arn: &str| [":continuous:", ":auto-backup:"].iter().any(|part| arn.contains(part));
    Point {
        status: point.status().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        message: point.status_message().unwrap_or_default().to_owned(),
        made: time(point.creation_date()),
        goes_on: point.recovery_point_arn().is_some_and(goes_on),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
    use serde_json::{Value, json};

    use super::{check, dynamodb, of};
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::wire::{Call, Reply, Wire, now};

    const DATABASE: &str = "arn:aws:rds:eu-central-1:1:db:orders";
    const CLUSTER: &str = "arn:aws:rds:eu-central-1:1:cluster:orders";
    const TABLE: &str = "arn:aws:dynamodb:eu-central-1:1:table/orders";
    const FILES: &str = "arn:aws:elasticfilesystem:eu-central-1:1:file-system/fs-1";

    fn backup(arn: &str) -> Component {
        let resource = Component::at(arn).unwrap_or_else(|| Component::new(Kind::Bucket, arn));
        of(&resource, arn)
    }

    fn points(status: &str, hours: i32) -> Value {
        let made = f64::from(i32::try_from(now().as_second()).unwrap() - hours * 3600);
        json!({"RecoveryPoints": [{"RecoveryPointArn": "arn:aws:backup:eu-central-1:1:recovery-point:1",
            "Status": status, "CreationDate": made}]})
    }

    fn restorable(kind: &str, time: &str) -> Reply {
        Reply::xml(
            &format!("Describe{kind}s"),
            &format!(
                "<{kind}s><{kind}><{kind}Identifier>orders</{kind}Identifier>\
                 <LatestRestorableTime>{time}</LatestRestorableTime></{kind}></{kind}s>"
            ),
        )
    }

    fn recovery(status: &str) -> Reply {
        Reply::ok(json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status,
                "LatestRestorableDateTime": now().as_second() - 300}}}))
    }

    fn is_backup(call: &Call) -> bool {
        call.action.ends_with("/recovery-points")
    }

    async fn checked(wire: &Wire, arn: &str) -> Verdict {
        let (ask, component) = (wire.ask(), backup(arn));
        check(&ask, std::slice::from_ref(&component)).await;
        ask.verdict(Kind::Backup, &component.name).unwrap()
    }

    #[tokio::test]
    async fn a_resource_is_backed_up_by_a_fresh_recovery_point_or_by_its_own_service() {
        let (fresh, old) = (|| Reply::ok(points("COMPLETED", 3)), || Reply::ok(points("COMPLETED", 300)));
        let none = || Reply::ok(json!({"RecoveryPoints": []}));
        let denied = || Reply::error(403, "AccessDeniedException");
        let (now, then) = ("2026-11-26T11:55:00Z", "2026-11-01T00:00:00Z");
        let cases = [
            (FILES, fresh(), none(), Health::Healthy, "3 h old"),
            (FILES, none(), none(), Health::Degraded, "it has no backup"),
            (FILES, old(), none(), Health::Degraded, "too old: 12 d old"),
            (
                FILES,
                Reply::error(400, "ResourceNotFoundException"),
                none(),
                Health::Degraded,
                "it has no backup",
            ),
            (FILES, denied(), none(), Health::Unknown, "backup:ListRecoveryPointsByResource is denied"),
            (DATABASE, none(), restorable("DBInstance", now), Health::Healthy, "it is backed up"),
            (DATABASE, denied(), restorable("DBInstance", now), Health::Healthy, "it is backed up"),
            (DATABASE, none(), restorable("DBInstance", then), Health::Degraded, "25 d old"),
            (DATABASE, fresh(), Reply::xml_error(403, "AccessDenied"), Health::Healthy, "3 h old"),
            (
                DATABASE,
                none(),
                Reply::xml_error(403, "AccessDenied"),
                Health::Unknown,
                "rds:DescribeDBInstances is denied",
            ),
            (CLUSTER, none(), restorable("DBCluster", now), Health::Healthy, "it is backed up"),
            (
                CLUSTER,
                none(),
                Reply::xml("DescribeDBClusters", "<DBClusters></DBClusters>"),
                Health::Degraded,
                "it has no backup",
            ),
            (
                CLUSTER,
                none(),
                Reply::xml("DescribeDBClusters", ""),
                Health::Unknown,
                "does not say what there is",
            ),
            (TABLE, none(), recovery("ENABLED"), Health::Healthy, "it is backed up"),
            (TABLE, none(), recovery("DISABLED"), Health::Degraded, "it has no backup"),
            (TABLE, none(), recovery("MELTED"), Health::Unknown, "MELTED"),
            (TABLE, none(), denied(), Health::Unknown, "dynamodb:DescribeContinuousBackups is denied"),
            (TABLE, fresh(), denied(), Health::Healthy, "3 h old"),
            (FILES, Reply::ok(points("PARTIAL", 3)), none(), Health::Degraded, "PARTIAL"),
            (FILES, Reply::ok(points("MELTED", 3)), none(), Health::Unknown, "MELTED"),
        ];
        for (arn, backups, own, health, reason) in cases {
            let wire = Wire::new(move |call| if is_backup(call) { backups.clone() } else { own.clone() });
            let verdict = checked(&wire, arn).await;
            assert_eq!(verdict.health, health, "{arn}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{arn}: {verdict:?}");
        }
    }

    #[tokio::test]
    async fn many_are_asked_at_once_and_each_is_told_of_its_own() {
        let wire = Wire::new(|call| match call.action.as_str() {
            "DescribeDBInstances" => restorable("DBInstance", "2026-11-26T11:55:00Z"),
            "DescribeDBClusters" => restorable("DBCluster", "2026-11-01T00:00:00Z"),
            "DescribeContinuousBackups" => recovery("ENABLED"),
            _ => Reply::ok(json!({"RecoveryPoints": []})),
        });
        let ask = wire.ask();
        let nameless = Component::new(Kind::Backup, "nameless");
        check(&ask, &[backup(DATABASE), backup(CLUSTER), backup(TABLE), nameless]).await;
        let health = |name: &str| ask.verdict(Kind::Backup, name).unwrap().health;
        assert_eq!(health("rds-instance:orders"), Health::Healthy);
        assert_eq!(health("rds-cluster:orders"), Health::Degraded);
        assert_eq!(health("dynamodb-table:orders"), Health::Healthy);
        assert_eq!(health("nameless"), Health::Unknown);
        assert_eq!(wire.calls().len(), 6);
    }

    #[tokio::test]
    async fn what_a_tables_own_check_has_asked_is_not_asked_again() {
        for (said, health) in [
            (recovery("ENABLED"), Health::Healthy),
            (recovery("DISABLED"), Health::Degraded),
            (Reply::error(400, "AccessDeniedException"), Health::Unknown),
        ] {
            let wire = Wire::new(move |call| match call.action.as_str() {
                "DescribeTable" => Reply::ok(json!({"Table": {"TableArn": TABLE, "TableStatus": "ACTIVE"}})),
                "DescribeContinuousBackups" => said.clone(),
                "GetMetricData" => Reply::metrics(&[None; 6]),
                _ => Reply::ok(json!({"RecoveryPoints": []})),
            });
            let ask = wire.ask();
            dynamodb::check(&ask, &[Component::new(Kind::Table, "orders")]).await;
            check(&ask, &ask.take_more()).await;
            assert_eq!(ask.verdict(Kind::Backup, "dynamodb-table:orders").unwrap().health, health);
            let calls = wire.calls();
            let asked = calls.iter().filter(|call| call.action == "DescribeContinuousBackups").count();
            assert_eq!(asked, 1);
        }
    }

    #[tokio::test]
    async fn points_that_were_read_before_a_page_failed_count() {
        let with = |status: &'static str| {
            Wire::new(move |call: &Call| {
                if call.query.contains("nextToken=") {
                    return Reply::error(400, "ThrottlingException");
                }
                let mut page = points(status, 3);
                page["NextToken"] = json!("next");
                Reply::ok(page)
            })
        };
        let verdict = checked(&with("COMPLETED"), FILES).await;
        assert_eq!(verdict.health, Health::Healthy, "{verdict:?}");
        let verdict = checked(&with("EXPIRED"), FILES).await;
        assert_eq!(verdict.health, Health::Unknown, "{verdict:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mangled_answer_is_never_healthy_without_its_status(
            place in any::<proptest::sample::Index>(), length in 0_usize..60, with in "[A-Za-z\",:{}0-9]{0,8}", cut in any::<bool>(),
        ) {
            let good = points("COMPLETED", 3).to_string();
            let start = place.index(good.len());
            let end = if cut { good.len() } else { (start + length).min(good.len()) };
            let mangled = format!("{}{with}{}", &good[..start], &good[end..]);
            let has_status = mangled.contains(r#""Status":"COMPLETED""#);
            let wire = Wire::new(move |_| Reply::ok(&mangled));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let verdict = runtime.block_on(checked(&wire, FILES));
            prop_assert!(has_status || verdict.health != Health::Healthy, "{verdict:?}");
        }
    }
}
