//! CloudWatch's metrics, many in a call.

use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::types::{
    Dimension, MessageData, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode,
};
use jiff::SignedDuration;
use shared::error::Call;
use shared::{Error, Result};

use crate::sweep::{Api, Ask, Pages};

/// The permission, and the name of the call.
const ACTION: &str = "cloudwatch:GetMetricData";

/// CloudWatch takes at most this many queries in a call (`GetMetricData`, `MetricDataQueries`).
const MOST_QUERIES: usize = 500;

/// Metrics are asked for by the minute, and put together here: in a longer period of CloudWatch's own, an older one would stand
/// in for the newest while that has no number yet.
const PERIOD: i32 = 60;

/// What is a state and not a sum of what happened: of it, the newest counts, whatever it was before.
const STATES: [&str; 1] = ["ApproximateAgeOfOldestMessage"];

/// What is asked for: one number over the last while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Such as `AWS/RDS`.
    pub(crate) namespace: &'static str,
    /// Such as `CPUUtilization`.
    pub(crate) name: &'static str,
    /// Names and values.
    pub(crate) dimensions: Vec<(&'static str, String)>,
    /// Such as `Average`, `Sum` or `Maximum`.
    pub(crate) statistic: &'static str,
    /// Over how long: whole minutes.
    pub(crate) over: SignedDuration,
}

/// The number of each; nothing where there is none: silence is for the verdict to judge.
pub(crate) async fn ask(ask: &Ask<'_>, queries: &[Query]) -> Result<Vec<Option<f64>>> {
    let mut values = Vec::with_capacity(queries.len());
    for some in queries.chunks(MOST_QUERIES) {
        values.extend(page(ask, some).await?);
    }
    Ok(values)
}

async fn page(ask: &Ask<'_>, queries: &[Query]) -> Result<Vec<Option<f64>>> {
    let longest = queries.iter().map(|query| query.over).max().unwrap_or_default();
    let mut points: Vec<Vec<f64>> = vec![Vec::new(); queries.len()];
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let _turn = ask.turn(Api::Metrics).await;
        let answer = ask
            .clients
            .cloudwatch()
            .get_metric_data()
            .set_metric_data_queries(Some(queries.iter().enumerate().map(query).collect()))
            .start_time(time(ago(ask.now, longest)))
            .end_time(time(ask.now))
            .scan_by(ScanBy::TimestampDescending)
            .set_next_token(token)
            .send()
            .await
            .action(ACTION)?;
        answered(&answer, queries)?;
        for result in answer.metric_data_results() {
            let place = result.id().and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok());
            let Some((of, query)) = place.and_then(|place| points.get_mut(place).zip(queries.get(place)))
            else {
                continue;
            };
            let since = ago(ask.now, query.over).as_second();
            // They come side by side; a number whose time is missing is taken for one of the time that was asked for.
            let times = result.timestamps().iter().map(|at| Some(at.secs())).chain(std::iter::repeat(None));
            let within = result.values().iter().zip(times);
            of.extend(within.filter(|(_, at)| at.is_none_or(|at| since <= at)).map(|(value, _)| *value));
        }
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            let put_together = points.iter().zip(queries).map(|(of, query)| together(of, query));
            return Ok(put_together.collect());
        }
    }
}

/// An error where CloudWatch answers, and says that it did not do all: what it leaves out is not silence.
fn answered(answer: &GetMetricDataOutput, queries: &[Query]) -> Result<()> {
    let failed = |code: &str, said: String, transient| {
        let code = Some(code.to_owned());
        Err(Error::Aws { action: ACTION, code, transient, source: said.into() })
    };
    for result in answer.metric_data_results() {
        let place = result.id().and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok());
        let metric = place.and_then(|place| queries.get(place)).map(|query| (query.namespace, query.name));
        let (namespace, name) = metric.unwrap_or_default();
        let of = || format!("{namespace} {name}{}", messages(result.messages()));
        match result.status_code().map(StatusCode::as_str) {
            Some("Forbidden") => return Err(Error::Denied { action: ACTION, source: of().into() }),
            Some("InternalError") => {
                return failed("InternalError", format!("InternalError: {}", of()), true);
            }
            Some(_) | None => {}
        }
    }
    match answer.messages() {
        [] => Ok(()),
        all => failed("Messages", format!("CloudWatch did not do all{}", messages(all)), false),
    }
}

/// What CloudWatch says, as the end of a sentence.
fn messages(all: &[MessageData]) -> String {
    let said = all.iter().flat_map(|message| [message.code(), message.value()]).flatten();
    said.flat_map(|said| [": ", said]).collect()
}

/// One number of those of the minutes. A percentile of a while cannot be had from those of its minutes: the one in the
/// middle stands for it, so that a single bad minute does not.
fn together(points: &[f64], query: &Query) -> Option<f64> {
    if STATES.contains(&query.name) {
        return points.first().copied();
    }
    let sum = || points.iter().sum::<f64>();
    let by = |better: fn(f64, f64) -> f64| points.iter().copied().reduce(better);
    match query.statistic {
        "Sum" | "SampleCount" => by(|one, other| one + other),
        "Average" => {
            let count = u32::try_from(points.len()).ok().filter(|count| *count > 0)?;
            Some(sum() / f64::from(count))
        }
        "Minimum" => by(f64::min),
        statistic if statistic.starts_with('p') => median(points),
        _ => by(f64::max),
    }
}

/// The number in the middle; of two, what is between them.
fn median(points: &[f64]) -> Option<f64> {
    let mut points = points.to_vec();
    points.sort_by(f64::total_cmp);
    let upper = points.get(points.len() / 2)?;
    let lower = points.get(points.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// A minute more: a minute is known only when it is over.
fn ago(now: jiff::Timestamp, over: SignedDuration) -> jiff::Timestamp {
    now.saturating_sub(over.saturating_add(SignedDuration::from_mins(1))).unwrap_or(now)
}

fn time(at: jiff::Timestamp) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_secs(at.as_second())
}

fn query((place, query): (usize, &Query)) -> MetricDataQuery {
    let dimensions =
        query.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
    let metric = Metric::builder()
        .namespace(query.namespace)
        .metric_name(query.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD).stat(query.statistic).build();
    MetricDataQuery::builder().id(format!("q{place}")).metric_stat(stat).build()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;
    use shared::Error;
    use shared::error::Class;

    use super::{Query, ask, together};
    use crate::wire::{Reply, Wire, now};

    #[test]
    fn the_minutes_are_put_together_as_the_statistic_says() {
        let cases = [
            ("Sum", &[1.0, 2.0, 3.0][..], Some(6.0)),
            ("Average", &[1.0, 2.0, 3.0], Some(2.0)),
            ("Maximum", &[1.0, 3.0, 2.0], Some(3.0)),
            ("Minimum", &[2.0, 1.0, 3.0], Some(1.0)),
            ("p95", &[1.0, 30.0, 2.0], Some(2.0)),
            ("p95", &[4.0, 1.0, 30.0, 2.0], Some(3.0)),
            ("p99.9", &[5.0], Some(5.0)),
            ("p95", &[], None),
            ("Sum", &[], None),
            ("Average", &[], None),
        ];
        let query = |name, statistic| Query {
            namespace: "AWS/SQS",
            name,
            dimensions: Vec::new(),
            statistic,
            over: SignedDuration::from_mins(15),
        };
        for (statistic, points, expected) in cases {
            assert_eq!(together(points, &query("Any", statistic)), expected, "{statistic} of {points:?}");
        }
        // The newest comes first.
        assert_eq!(together(&[60.0, 900.0], &query("ApproximateAgeOfOldestMessage", "Maximum")), Some(60.0));
    }

    #[tokio::test]
    async fn what_is_older_than_was_asked_for_does_not_count_and_a_refusal_names_the_permission() {
        let query = |over| Query {
            namespace: "AWS/SQS",
            name: "NumberOfMessagesSent",
            dimensions: vec![("QueueName", "orders".to_owned())],
            statistic: "Sum",
            over: SignedDuration::from_mins(over),
        };
        let at = |minutes: i64| json!({"$time": now().as_second() - 60 * minutes});
        let points = json!({"Values": [1.0, 10.0, 100.0], "Timestamps": [at(1), at(6), at(14)]});
        let of = |id: &str| {
            let mut points = points.clone();
            points["Id"] = json!(id);
            points
        };
        let reply = Reply::cbor(&json!({"MetricDataResults": [of("q0"), of("q1"), of("q7")]}));
        let wire = Wire::new(move |_| reply.clone());
        assert_eq!(ask(&wire.ask(), &[query(5), query(15)]).await.unwrap(), [Some(11.0), Some(111.0)]);

        let wire = Wire::new(|_| Reply::cbor_error(403, "AccessDeniedException"));
        let error = ask(&wire.ask(), &[query(5)]).await.unwrap_err().to_string();
        assert!(error.starts_with("cloudwatch:GetMetricData is denied"), "{error}");
    }

    #[tokio::test]
    async fn what_cloudwatch_did_not_do_is_no_silence() {
        let query = Query {
            namespace: "AWS/SQS",
            name: "NumberOfMessagesSent",
            dimensions: Vec::new(),
            statistic: "Sum",
            over: SignedDuration::from_mins(5),
        };
        let result = |status: &str| json!({"Id": "q0", "StatusCode": status, "Values": [1.0]});
        let (transient, permanent) = (Some(Class::Transient), Some(Class::Permanent));
        let cases = [
            (json!({"MetricDataResults": [result("Complete")]}), None, ""),
            (json!({"MetricDataResults": [result("PartialData")]}), None, ""),
            (
                json!({"MetricDataResults": [result("InternalError")]}),
                transient,
                "AWS/SQS NumberOfMessagesSent",
            ),
            (json!({"MetricDataResults": [result("Forbidden")]}), permanent, "is denied"),
            (
                json!({"MetricDataResults": [], "Messages": [{"Code": "Limit", "Value": "too many metrics"}]}),
                permanent,
                "Limit: too many metrics",
            ),
        ];
        for (answer, class, said) in cases {
            let reply = Reply::cbor(&answer);
            let wire = Wire::new(move |_| reply.clone());
            let asked = ask(&wire.ask(), std::slice::from_ref(&query)).await;
            assert_eq!(asked.as_ref().err().map(Error::class), class, "{asked:?}");
            match asked {
                Ok(values) => assert_eq!(values, [Some(1.0)]),
                Err(error) => assert!(error.chain().contains(said), "{error:?}"),
            }
        }
    }
}
