//! DynamoDB tables, one call each, and one more where they have to be restorable: DynamoDB has no call for many.

use aws_sdk_dynamodb::types::{ContinuousBackupsDescription, TableDescription};
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use super::rds::time;
use super::{backup, metrics};
use crate::component::Component;
use crate::decision::kind::table::{COUNTED, Facts, Part, absent, verdict};
use crate::sweep::{Api, Ask, Recovery, unknown};

/// What is counted by table.
const THROTTLES: [&str; 2] = ["ReadThrottleEvents", "WriteThrottleEvents"];
/// `SystemErrors` are counted by table and operation: the four that make nearly all traffic stand for all.
const OPERATIONS: [&str; 4] = ["GetItem", "PutItem", "Query", "UpdateItem"];

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, components: &[Component]) {
    let tables = join_all(components.iter().map(|component| table(ask, component))).await;
    let mut seen: Vec<_> = tables.into_iter().flatten().collect();
    measure(ask, seen.iter_mut().filter(|seen| seen.facts.is_up()).collect()).await;
    for Seen { component, table, facts } in &seen {
        ask.say(component, verdict(facts, ask.rules, ask.expected, ask.now));
        // A table without a key here is encrypted with one that is AWS's own.
        let key = table.sse_description().and_then(|sse| sse.kms_master_key_arn());
        if let Some(key) = key.and_then(Component::at) {
            ask.needs(component, key);
        }
        if let Some(arn) = table.table_arn().or(component.arn.as_deref())
            && facts.is_up()
        {
            ask.leads(component, backup::of(component, arn));
        }
    }
}

struct Seen<'a> {
    component: &'a Component,
    table: TableDescription,
    facts: Facts,
}

async fn table<'a>(ask: &Ask<'_>, component: &'a Component) -> Option<Seen<'a>> {
    let table = match describe(ask, &component.name).await {
        Ok(table) => table,
        Err(error) if error.code() == Some("ResourceNotFoundException") => {
            ask.say(component, absent());
            return None;
        }
        Err(error) => {
            ask.unknown(component, &error);
            return None;
        }
    };
    let mut facts = facts(&table);
    if ask.expected.protected && facts.is_up() {
        let said = continuous_backups(ask, &component.name).await;
        facts.point_in_time = Some(said.map(|said| point_in_time(said.as_ref())));
    }
    Some(Seen { component, table, facts })
}

async fn describe(ask: &Ask<'_>, name: &str) -> Result<TableDescription> {
    let _turn = ask.turn(Api::DynamoDb).await;
    let call = ask.clients.dynamodb().describe_table().table_name(name);
    let answer = call.send().await.action("dynamodb:DescribeTable")?;
    Ok(answer.table.unwrap_or_else(|| TableDescription::builder().build()))
}

/// What `DynamoDB` says of the continuous backups of a table: asked once a sweep.
pub(super) async fn continuous_backups(ask: &Ask<'_>, name: &str) -> Recovery {
    let known = ask.recovery.borrow().get(name).cloned();
    if let Some(known) = known {
        return known;
    }
    let _turn = ask.turn(Api::DynamoDbBackups).await;
    let call = ask.clients.dynamodb().describe_continuous_backups().table_name(name);
    let answer = call.send().await.action("dynamodb:DescribeContinuousBackups");
    let said = answer.map(|said| said.continuous_backups_description).map_err(|error| unknown(&error));
    ask.recovery.borrow_mut().insert(name.to_owned(), said.clone());
    said
}

/// The state of the point-in-time recovery; nothing where it is not said.
pub(super) fn point_in_time(said: Option<&ContinuousBackupsDescription>) -> String {
    let said = said.and_then(|said| said.point_in_time_recovery_description());
    let word = said.and_then(|said| said.point_in_time_recovery_status());
    word.map(|word| word.as_str().to_owned()).unwrap_or_default()
}

fn facts(table: &TableDescription) -> Facts {
    let indexes = table.global_secondary_indexes().iter().map(|index| Part {
        name: index.index_name().unwrap_or_default().to_owned(),
        status: index.index_status().map(|word| word.as_str().to_owned()).unwrap_or_default(),
    });
    let replicas = table.replicas().iter().map(|replica| Part {
        name: replica.region_name().unwrap_or_default().to_owned(),
        status: replica.replica_status().map(|word| word.as_str().to_owned()).unwrap_or_default(),
    });
    Facts {
        status: table.table_status().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        created: time(table.creation_date_time()),
        unreadable_since: table
            .sse_description()
            .and_then(|sse| time(sse.inaccessible_encryption_date_time())),
        indexes: indexes.collect(),
        replicas: replicas.collect(),
        deletion_protection: table.deletion_protection_enabled(),
        ..Facts::default()
    }
}

/// Counts the throttles and errors of what is up, all in one call.
async fn measure(ask: &Ask<'_>, mut seen: Vec<&mut Seen<'_>>) {
    let queries: Vec<_> = seen.iter().flat_map(|seen| queries(&seen.component.name)).collect();
    if queries.is_empty() {
        return;
    }
    match metrics::ask(ask, &queries).await {
        Ok(values) => {
            let mut values = queries.iter().map(|query| query.name).zip(values);
            for seen in &mut seen {
                for (name, value) in values.by_ref().take(THROTTLES.len() + OPERATIONS.len()) {
                    *seen.facts.metrics.entry(name).or_default() += value.unwrap_or_default();
                }
            }
        }
        Err(error) => {
            for seen in seen {
                seen.facts.unmeasured = Some(unknown(&error));
            }
        }
    }
}

fn queries(table: &str) -> impl Iterator<Item = metrics::Query> {
    let of = |name, operation: Option<&str>| {
        let operation = operation.map(|operation| ("Operation", operation.to_owned()));
        metrics::Query {
            namespace: "AWS/DynamoDB",
            name,
            dimensions: [("TableName", table.to_owned())].into_iter().chain(operation).collect(),
            statistic: "Sum",
            over: COUNTED,
        }
    };
    let throttles = THROTTLES.into_iter().map(move |name| of(name, None));
    throttles.chain(OPERATIONS.into_iter().map(move |operation| of("SystemErrors", Some(operation))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
    use serde_json::{Value, json};

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::wire::{Call, Reply, Wire};

    const NONE: &[Option<f64>] = &[None; 6];

    fn table(status: &str) -> Value {
        json!({"Table": {
            "TableName": "orders", "TableArn": "arn:aws:dynamodb:eu-central-1:1:table/orders",
            "TableStatus": status, "CreationDateTime": 1.7e9, "DeletionProtectionEnabled": true,
            "GlobalSecondaryIndexes": [{"IndexName": "by-day", "IndexStatus": "ACTIVE"}],
            "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS",
                "KMSMasterKeyArn": "arn:aws:kms:eu-central-1:1:key/k"},
        }})
    }

    fn recovery(status: &str) -> Reply {
        Reply::ok(json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}}))
    }

    fn wire(described: Reply, recovery: Reply, metrics: Reply) -> Wire {
        Wire::new(move |call| match call.action.as_str() {
            "DescribeTable" => described.clone(),
            "DescribeContinuousBackups" => recovery.clone(),
            _ => metrics.clone(),
        })
    }

    async fn checked(wire: &Wire) -> Verdict {
        let ask = wire.ask();
        check(&ask, &[Component::new(Kind::Table, "orders")]).await;
        ask.verdict(Kind::Table, "orders").unwrap()
    }

    #[tokio::test]
    async fn a_table_is_read_as_dynamodb_answers_and_what_cannot_be_asked_is_unknown() {
        let (on, none) = (|| recovery("ENABLED"), || Reply::metrics(NONE));
        let ok = || Reply::ok(table("ACTIVE"));
        let throttled = Reply::metrics(&[Some(3.0), None, None, None, Some(2.0), Some(1.0)]);
        let denied = || Reply::error(400, "AccessDeniedException");
        let cases = [
            (ok(), on(), none(), Health::Healthy, "it is active"),
            (
                ok(),
                on(),
                throttled,
                Health::Degraded,
                "throttled reads in 15 minutes: 3; errors of DynamoDB itself in 15 minutes: 3",
            ),
            (ok(), recovery("DISABLED"), none(), Health::Degraded, "cannot be taken back"),
            (ok(), denied(), none(), Health::Unknown, "dynamodb:DescribeContinuousBackups is denied"),
            (ok(), Reply::ok(json!({})), none(), Health::Unknown, "it is not said whether"),
            (ok(), on(), denied(), Health::Unknown, "its metrics could not be checked"),
            (Reply::ok(table("ARCHIVED")), on(), denied(), Health::Failed, "it is archived"),
            (Reply::ok(table("MELTING")), on(), none(), Health::Unknown, "MELTING"),
            (Reply::ok(json!({})), on(), none(), Health::Unknown, "does not say"),
            (denied(), on(), none(), Health::Unknown, "dynamodb:DescribeTable is denied"),
            (Reply::error(400, "ThrottlingException"), on(), none(), Health::Unknown, "ThrottlingException"),
            (Reply::error(400, "ResourceNotFoundException"), on(), none(), Health::Failed, "does not exist"),
        ];
        for (described, recovery, metrics, health, reason) in cases {
            let verdict = checked(&wire(described, recovery, metrics)).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_table_stands_on_its_key_and_one_failed_call_is_about_one_table() {
        let wire = Wire::new(|call: &Call| match call.action.as_str() {
            "DescribeTable" if call.body.contains("users") => Reply::error(400, "ThrottlingException"),
            "DescribeTable" => Reply::ok(table("ACTIVE")),
            "DescribeContinuousBackups" => recovery("ENABLED"),
            _ => Reply::metrics(NONE),
        });
        let ask = wire.ask();
        let components = ["orders", "users"].map(|name| Component::new(Kind::Table, name));
        check(&ask, &components).await;
        assert_eq!(ask.verdict(Kind::Table, "orders").unwrap().health, Health::Healthy);
        assert_eq!(ask.verdict(Kind::Table, "users").unwrap().health, Health::Unknown);
        assert!(ask.said()["dynamodb-table:orders"].needs.contains("kms-key:k"));
        let more: Vec<_> = ask.take_more().iter().map(Component::id).collect();
        assert_eq!(more, ["kms-key:k", "backup:dynamodb-table:orders"]);
        let metrics = wire.calls().iter().filter(|call| call.action == "GetMetricData").count();
        assert_eq!(metrics, 1, "one call for all tables");
    }

    #[tokio::test]
    async fn where_nothing_is_protected_recovery_is_not_asked() {
        let mut wire = wire(Reply::ok(table("ACTIVE")), recovery("DISABLED"), Reply::metrics(NONE));
        wire.expected.protected = false;
        assert_eq!(checked(&wire).await.health, Health::Healthy);
        assert!(!wire.calls().iter().any(|call| call.action == "DescribeContinuousBackups"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mangled_answer_is_never_healthy_without_its_status(
            place in any::<proptest::sample::Index>(), length in 0_usize..60, with in "[A-Za-z\",:{}0-9]{0,8}", cut in any::<bool>(),
        ) {
            let good = table("ACTIVE").to_string();
            let start = place.index(good.len());
            let end = if cut { good.len() } else { (start + length).min(good.len()) };
            let mangled = format!("{}{with}{}", &good[..start], &good[end..]);
            let has_status = mangled.contains(r#""TableStatus":"ACTIVE""#);
            let wire = wire(Reply::ok(mangled), recovery("ENABLED"), Reply::metrics(NONE));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let verdict = runtime.block_on(checked(&wire));
            prop_assert!(has_status || verdict.health != Health::Healthy, "{verdict:?}");
        }
    }
}
