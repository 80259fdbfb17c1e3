//! CloudWatch alarms, a hundred in a call.
//!
//! Without sorts `DescribeAlarms` tells of metric alarms alone. Log alarms are young, and not every Region knows the
//! word, so only what is neither a metric nor a composite alarm is looked for among them.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, Dimension, LogAlarm, MetricAlarm};
use aws_smithy_types::DateTime;
use futures_util::future::join_all;
use jiff::Timestamp;
use shared::Result;
use shared::error::Call;

use crate::component::Component;
use crate::decision::kind::alarm::{Facts, verdict};
use crate::sweep::{Api, Ask, Pages};

/// CloudWatch takes at most this many names in a call (`DescribeAlarms`, `AlarmNames`).
const MOST_NAMES: usize = 100;

/// An alarm that was read, with what it watches where that is checked, too.
type Read = (Facts, Option<Component>);

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, alarms: &[Component]) {
    join_all(alarms.chunks(MOST_NAMES).map(|some| together(ask, some))).await;
}

async fn together(ask: &Ask<'_>, alarms: &[Component]) {
    let mut open: Vec<&Component> = alarms.iter().collect();
    for sorts in [vec![AlarmType::MetricAlarm, AlarmType::CompositeAlarm], vec![AlarmType::LogAlarm]] {
        if open.is_empty() {
            return;
        }
        let mut read = BTreeMap::new();
        let all = describe(ask, &open, &sorts, &mut read).await;
        open.retain(|alarm| match read.get(&alarm.name) {
            Some(read) => {
                say(ask, alarm, read);
                false
            }
            None => true,
        });
        if let Err(error) = all {
            for alarm in open {
                ask.unknown(alarm, &error);
            }
            return;
        }
    }
    for alarm in open {
        ask.say(alarm, verdict(&Facts::default()));
    }
}

/// What an alarm watches is looked at when it fires: then that may be the cause.
fn say(ask: &Ask<'_>, alarm: &Component, (facts, watched): &Read) {
    let verdict = verdict(facts);
    let fires = facts.state == "ALARM" && verdict.health.is_bad();
    ask.say(alarm, verdict);
    if let Some(watched) = watched.clone().filter(|_| fires) {
        ask.needs(alarm, watched);
    }
}

async fn describe(
    ask: &Ask<'_>,
    alarms: &[&Component],
    sorts: &[AlarmType],
    read: &mut BTreeMap<String, Read>,
) -> Result<()> {
    let names: Vec<String> = alarms.iter().map(|alarm| alarm.name.clone()).collect();
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let turn = ask.turn(Api::Alarms).await;
        let answer = ask
            .clients
            .cloudwatch()
            .describe_alarms()
            .set_alarm_names(Some(names.clone()))
            .set_alarm_types(Some(sorts.to_vec()))
            .max_records(100)
            .set_next_token(token)
            .send()
            .await
            .action("cloudwatch:DescribeAlarms")?;
        drop(turn);
        read.extend(answer.metric_alarms.unwrap_or_default().into_iter().filter_map(metric));
        read.extend(answer.composite_alarms.unwrap_or_default().into_iter().filter_map(composite));
        read.extend(answer.log_alarms.unwrap_or_default().into_iter().filter_map(log));
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

fn time(at: Option<DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(at?.secs()).ok()
}

/// What every sort of alarm says by the same names, in a type of its own.
macro_rules! facts {
    ($sort:literal, $alarm:ident) => {
        Facts {
            there: true,
            sort: $sort,
            state: $alarm.state_value.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            reason: $alarm.state_reason.unwrap_or_default(),
            since: time($alarm.state_transitioned_timestamp.or($alarm.state_updated_timestamp)),
            description: $alarm.alarm_description.unwrap_or_default(),
            acts: $alarm.actions_enabled,
            actions: $alarm.alarm_actions.unwrap_or_default(),
            ..Facts::default()
        }
    };
}

fn metric(alarm: MetricAlarm) -> Option<(String, Read)> {
    let watched = watched(&alarm);
    let missing_data = alarm.treat_missing_data.unwrap_or_default();
    Some((alarm.alarm_name?, (Facts { missing_data, ..facts!("metric", alarm) }, watched)))
}

fn composite(alarm: CompositeAlarm) -> Option<(String, Read)> {
    let suppressed_by = alarm.actions_suppressed_by.map(|by| by.as_str().to_owned()).unwrap_or_default();
    Some((alarm.alarm_name?, (Facts { suppressed_by, ..facts!("composite", alarm) }, None)))
}

fn log(alarm: LogAlarm) -> Option<(String, Read)> {
    let missing_data = alarm.treat_missing_data.unwrap_or_default();
    Some((alarm.alarm_name?, (Facts { missing_data, ..facts!("log", alarm) }, None)))
}

/// What one of the alarm's metrics is about, in the alarm's own account and Region.
fn watched(alarm: &MetricAlarm) -> Option<Component> {
    let arn = alarm.alarm_arn()?;
    let account = arn.split(':').nth(4);
    let ours = alarm.metrics().iter().filter(|query| query.account_id().is_none_or(|id| Some(id) == account));
    let of_queries = ours.filter_map(|query| Some(query.metric_stat()?.metric()?.dimensions()));
    // The dimensions of one metric say what it is about; those of two together may name what is not there.
    std::iter::once(alarm.dimensions()).chain(of_queries).find_map(|dimensions| about(arn, dimensions))
}

/// What a metric of these dimensions is about.
fn about(alarm: &str, dimensions: &[Dimension]) -> Option<Component> {
    let of = |name: &str| dimensions.iter().find(|it| it.name() == Some(name)).and_then(|it| it.value());
    let mut parts = alarm.split(':').skip(1);
    let (partition, _, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let at = |service: &str, resource: String| {
        Component::at(&format!("arn:{partition}:{service}:{region}:{account}:{resource}"))
    };
    if let (Some(cluster), Some(service)) = (of("ClusterName"), of("ServiceName")) {
        return at("ecs", format!("service/{cluster}/{service}"));
    }
    [
        ("TargetGroup", "elasticloadbalancing", ""),
        ("LoadBalancer", "elasticloadbalancing", "loadbalancer/"),
        ("DBInstanceIdentifier", "rds", "db:"),
        ("DBClusterIdentifier", "rds", "cluster:"),
        ("QueueName", "sqs", ""),
        ("FunctionName", "lambda", "function:"),
        ("TableName", "dynamodb", "table/"),
        ("TopicName", "sns", ""),
    ]
    .into_iter()
    .find_map(|(name, service, sort)| at(service, format!("{sort}{}", of(name)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{MOST_NAMES, check};
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::observe::aws_health::tests::refusing;
    use crate::sweep::Ask;
    use crate::wire::{Call, Reply, Wire, now};

    fn alarm(name: &str, state: &str) -> Value {
        json!({
            "AlarmName": name,
            "AlarmArn": format!("arn:aws:cloudwatch:eu-central-1:1:alarm:{name}"),
            "StateValue": state, "StateReason": "Threshold Crossed.", "ActionsEnabled": true,
            "AlarmActions": ["arn:aws:sns:eu-central-1:1:alarms"], "TreatMissingData": "missing",
            "StateUpdatedTimestamp": {"$time": 1_790_000_000},
            "Dimensions": [
                {"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "web"}
            ],
        })
    }

    async fn checked(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (Verdict, Vec<String>) {
        let wire = Wire::new(answer);
        let ask = wire.ask();
        check(&ask, &[Component::at("arn:aws:cloudwatch:eu-central-1:1:alarm:web: 5xx").unwrap()]).await;
        let more = ask.take_more().iter().map(|it| it.arn().to_owned()).collect();
        (ask.verdict(Kind::Alarm, "web: 5xx").unwrap(), more)
    }

    #[tokio::test]
    async fn an_alarm_is_read_as_cloudwatch_answers_and_one_that_fires_leads_to_what_it_watches() {
        let service = "arn:aws:ecs:eu-central-1:1:service/prod/web";
        let metric = |state: &str| json!({"MetricAlarms": [alarm("web: 5xx", state)]});
        let composite = |state: &str| json!({"CompositeAlarms": [alarm("web: 5xx", state)]});
        let cases = [
            (metric("OK"), Health::Healthy, "it does not fire", None),
            (metric("ALARM"), Health::Degraded, "it fires: Threshold Crossed", Some(service)),
            (composite("ALARM"), Health::Degraded, "it fires: Threshold Crossed", None),
            (metric("INSUFFICIENT_DATA"), Health::NotApplicable, "it has no data", None),
            (metric("PANIC"), Health::Unknown, "PANIC", None),
            (
                json!({"MetricAlarms": [{"AlarmName": "web: 5xx"}]}),
                Health::Unknown,
                "what state it is in",
                None,
            ),
            (json!({"MetricAlarms": [{"StateValue": "OK"}]}), Health::Failed, "does not exist", None),
            (json!({}), Health::Failed, "does not exist", None),
        ];
        for (answer, health, reason, watched) in cases {
            let reply = Reply::cbor(&answer);
            let (verdict, more) = checked(move |_| reply.clone()).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            assert_eq!(more.first().map(String::as_str), watched, "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn what_an_alarm_watches_is_known_by_its_dimensions_also_in_its_expressions() {
        let cases = [
            ("QueueName", "orders", Some("arn:aws:sqs:eu-central-1:1:orders")),
            ("DBInstanceIdentifier", "orders", Some("arn:aws:rds:eu-central-1:1:db:orders")),
            (
                "TargetGroup",
                "targetgroup/web/943f",
                Some("arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/943f"),
            ),
            (
                "LoadBalancer",
                "app/web/50dc",
                Some("arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc"),
            ),
            ("InstanceId", "i-1", None),
        ];
        for (name, value, expected) in cases {
            for within in [false, true] {
                let dimensions = json!([{"Name": name, "Value": value}]);
                let mut firing = alarm("web: 5xx", "ALARM");
                firing["Dimensions"] = if within { json!([]) } else { dimensions.clone() };
                if within {
                    let stat = json!({"Metric": {"Dimensions": dimensions}, "Period": 60, "Stat": "Sum"});
                    firing["Metrics"] = json!([{"Id": "m1", "MetricStat": stat}]);
                }
                let reply = Reply::cbor(&json!({"MetricAlarms": [firing]}));
                let (_, more) = checked(move |_| reply.clone()).await;
                assert_eq!(more.first().map(String::as_str), expected, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn what_an_alarm_watches_is_named_by_one_metric_of_its_own_account() {
        let queue = || json!([{"Name": "QueueName", "Value": "orders"}]);
        let of = |account: Option<&str>, dimensions: Value| {
            let stat = json!({"Metric": {"Dimensions": dimensions}, "Period": 60, "Stat": "Sum"});
            let mut query = json!({"Id": "m", "MetricStat": stat});
            if let Some(account) = account {
                query["AccountId"] = json!(account);
            }
            query
        };
        let dimension = |name: &str, value: &str| json!([{"Name": name, "Value": value}]);
        let orders = Some("arn:aws:sqs:eu-central-1:1:orders");
        let cases = [
            (json!([of(None, queue())]), orders),
            (json!([of(Some("1"), queue())]), orders),
            (json!([of(Some("2"), queue())]), None),
            (json!([of(Some("2"), dimension("QueueName", "theirs")), of(None, queue())]), orders),
            (
                json!([
                    of(None, dimension("ClusterName", "prod")),
                    of(None, dimension("ServiceName", "web"))
                ]),
                None,
            ),
            (json!([{"Id": "e", "Expression": "m1 + m2"}]), None),
        ];
        for (metrics, expected) in cases {
            let mut firing = alarm("web: 5xx", "ALARM");
            firing["Dimensions"] = json!([]);
            firing["Metrics"] = metrics.clone();
            let reply = Reply::cbor(&json!({"MetricAlarms": [firing]}));
            let (_, more) = checked(move |_| reply.clone()).await;
            assert_eq!(more.first().map(String::as_str), expected, "{metrics}");
        }
    }

    #[tokio::test]
    async fn a_log_alarm_is_looked_for_only_where_no_other_alarm_has_the_name() {
        let (verdict, _) = checked(|call| {
            let answer = if call.body.contains("LogAlarm") {
                json!({"LogAlarms": [alarm("web: 5xx", "ALARM")]})
            } else {
                json!({})
            };
            Reply::cbor(&answer)
        })
        .await;
        assert_eq!(verdict.health, Health::Degraded);
        let (verdict, _) = checked(|call| {
            let refused = call.body.contains("LogAlarm");
            if refused { Reply::error(400, "ValidationError") } else { Reply::cbor(&json!({})) }
        })
        .await;
        assert_eq!(verdict.health, Health::Unknown, "it may be a log alarm: {verdict:?}");
    }

    #[tokio::test]
    async fn a_page_that_fails_leaves_only_the_rest_unknown() {
        let wire = Wire::new(|call| {
            if call.body.contains("NextToken") {
                return Reply::error(400, "Throttling");
            }
            Reply::cbor(&json!({"MetricAlarms": [alarm("a", "OK")], "NextToken": "more"}))
        });
        let ask = wire.ask();
        check(&ask, &[Component::new(Kind::Alarm, "a"), Component::new(Kind::Alarm, "b")]).await;
        assert_eq!(ask.verdict(Kind::Alarm, "a").unwrap().health, Health::Healthy);
        let other = ask.verdict(Kind::Alarm, "b").unwrap();
        assert_eq!(other.health, Health::Unknown);
        assert!(other.reason.contains("cloudwatch:DescribeAlarms"), "{other:?}");
        assert_eq!(wire.calls().len(), 2);
    }

    #[tokio::test]
    async fn a_denial_makes_all_of_them_unknown_and_names_the_action() {
        let (wire, clients) = (Wire::new(|_| Reply::ok("")), refusing("AccessDenied"));
        let ask = Ask::new(&clients, &wire.probes, &wire.rules, &wire.expected, "prod", now());
        check(&ask, &[Component::new(Kind::Alarm, "a"), Component::new(Kind::Alarm, "b")]).await;
        for name in ["a", "b"] {
            let verdict = ask.verdict(Kind::Alarm, name).unwrap();
            assert_eq!(verdict.health, Health::Unknown);
            assert!(verdict.reason.contains("cloudwatch:DescribeAlarms is denied"), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_hundred_alarms_are_one_call() {
        let names: Vec<String> = (0..=MOST_NAMES).map(|it| format!("alarm-{it}")).collect();
        let alarms: Vec<Value> = names.iter().map(|name| alarm(name, "OK")).collect();
        let reply = Reply::cbor(&json!({"MetricAlarms": alarms}));
        let wire = Wire::new(move |_| reply.clone());
        let ask = wire.ask();
        let components: Vec<_> = names.iter().map(|name| Component::new(Kind::Alarm, name)).collect();
        check(&ask, &components).await;
        assert_eq!((wire.calls().len(), ask.said().len()), (2, MOST_NAMES + 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_answer_without_its_state_or_name_is_never_healthy(
            gone in prop::sample::select(vec!["AlarmName", "StateValue", "ActionsEnabled"]),
            other in prop::sample::select(vec!["StateReason", "AlarmActions", "Dimensions", "AlarmArn", ""]),
            word in prop::option::of("[A-Z]{0,3}"),
        ) {
            let mut answer = alarm("web: 5xx", "OK");
            let fields = answer.as_object_mut().unwrap();
            fields.remove(other);
            fields.remove(gone);
            if let Some(word) = word.filter(|word| gone == "StateValue" && word != "OK") {
                fields.insert(gone.to_owned(), json!(word));
            }
            let reply = Reply::cbor(&json!({"MetricAlarms": [answer]}));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (verdict, _) = runtime.block_on(checked(move |_| reply.clone()));
            prop_assert!(verdict.health != Health::Healthy, "{:?}", verdict);
        }
    }
}
