//! Events of the corpus, as they stand and as of now.

use anyhow::Context;
use jiff::Timestamp;
use local::place;
use serde_json::{Map, Value, json};

/// An event of the corpus.
pub(crate) fn event(path: &str) -> anyhow::Result<Value> {
    let path = place::root().join("events").join(path);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", place::shown(&path)))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", place::shown(&path)))
}

/// A change of an alarm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The alarm's name.
    pub(crate) name: &'a str,
    /// Its ARN.
    pub(crate) arn: &'a str,
    /// The state before.
    pub(crate) from: &'a str,
    /// The state now.
    pub(crate) to: &'a str,
    /// Why, in CloudWatch's words.
    pub(crate) reason: &'a str,
    /// The dimensions of its metric.
    pub(crate) dimensions: &'a [(&'a str, &'a str)],
}

impl Change<'_> {
    /// The event by which CloudWatch invokes a function that is the alarm's action, as of now.
    pub(crate) fn event(&self) -> anyhow::Result<Value> {
        let mut event = event("alarm-rollback/direct-metric.json")?;
        let [now, before] = [wall(), Timestamp::UNIX_EPOCH]
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string());
        let dimensions: Map<String, Value> =
            self.dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        for (pointer, value) in [
            ("/alarmArn", json!(self.arn)),
            ("/time", json!(now)),
            ("/alarmData/alarmName", json!(self.name)),
            ("/alarmData/state/value", json!(self.to)),
            ("/alarmData/state/reason", json!(self.reason)),
            ("/alarmData/state/timestamp", json!(now)),
            ("/alarmData/previousState/value", json!(self.from)),
            ("/alarmData/previousState/timestamp", json!(before)),
            ("/alarmData/configuration/metrics/0/metricStat/metric/dimensions", Value::Object(dimensions)),
        ] {
            *event.pointer_mut(pointer).with_context(|| format!("the event has no {pointer}"))? = value;
        }
        if let Some(configuration) = event.pointer_mut("/alarmData/configuration")
            && let Some(configuration) = configuration.as_object_mut()
        {
            configuration.remove("description");
        }
        Ok(event)
    }
}

/// The batch by which Lambda hands a message of the timers queue over. It has no receipt, so that a timer that is not
/// over is not given back: who hands it over hands it over again.
pub(crate) fn timer(body: &str) -> Value {
    json!({"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661970000001",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": wall().as_millisecond().to_string(),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }]})
}

/// The time by the clock on the wall.
pub(crate) fn wall() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the functions read the clock on the wall")]
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use shared::alarm::{self, State};

    use super::{Change, timer};

    #[test]
    fn a_change_reads_back_as_it_was_made() {
        let dimensions = [("ClusterName", "shop"), ("ServiceName", "web")];
        let (name, arn) = ("web-errors", "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web-errors");
        let change = Change { name, arn, from: "ALARM", to: "OK", reason: "well", dimensions: &dimensions };
        let read = alarm::parse(&change.event().unwrap()).unwrap();
        let [read] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!((read.name.as_str(), read.arn.as_deref(), read.state), (name, Some(arn), State::Ok));
        assert_eq!((read.previous, read.reason.as_str()), (Some(State::Alarm), "well"));
        let expected = [("shop".to_owned(), "web".to_owned())];
        assert_eq!(read.dimension_pairs("ClusterName", "ServiceName"), expected);
        assert!(!read.set_by_hand() && read.description.is_none(), "{read:?}");
    }

    #[test]
    fn a_timer_reads_back_as_it_was_sent() {
        let records = shared::queue::read(&timer("{\"watch\": 1}")).unwrap();
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((record.body.as_str(), record.receipt.as_deref()), ("{\"watch\": 1}", None));
        assert!(record.id.is_some() && record.sent.is_some(), "{record:?}");
    }
}
