//! A CloudWatch alarm's change of state, as it arrives by any of its three transports.
//!
//! The structs of `aws_lambda_events` 1.2 refuse metric-math alarms, composite alarms without a suppressor,
//! day-long periods and metrics without dimensions, so the shapes are read here, and tolerantly: only the alarm's
//! name, its new state and the time of the change must be there. Shapes: CloudWatch User Guide, "Invoke a Lambda
//! function from an alarm", "Alarm events and EventBridge", "Notifying users on alarm changes".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// How an alarm reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// The alarm's own Lambda action.
    Direct,
    /// The `CloudWatch Alarm State Change` event.
    EventBridge,
    /// The alarm's SNS action.
    Sns,
}

/// An alarm's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Breaching.
    Alarm,
    /// Not breaching.
    Ok,
    /// Not enough data to say.
    InsufficientData,
}

impl State {
    /// Reads CloudWatch's word.
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "ALARM" => Some(Self::Alarm),
            "OK" => Some(Self::Ok),
            "INSUFFICIENT_DATA" => Some(Self::InsufficientData),
            _ => None,
        }
    }

    /// CloudWatch's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "ALARM",
            Self::Ok => "OK",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// One change of an alarm's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmChange {
    /// How it arrived.
    pub transport: Transport,
    /// The alarm's name, unique in its account and Region.
    pub name: String,
    /// Its ARN; derived from the topic's where an SNS message does not say.
    pub arn: Option<String>,
    /// What its owner wrote about it.
    pub description: Option<String>,
    /// The new state.
    pub state: State,
    /// The state before, where it is said; none where its actions were suppressed until now, because this is the
    /// first that anybody hears of it.
    pub previous: Option<State>,
    /// Why it changed, in CloudWatch's words.
    pub reason: String,
    /// Whether the evaluation's data came with it. SNS messages never carry it.
    pub has_reason_data: bool,
    /// When it changed.
    pub changed_at: Timestamp,
    /// Whether its owner muted its actions just now: by a suppressor alarm or a mute rule.
    pub muted: bool,
    /// Whether it is made of other alarms.
    pub composite: bool,
    /// The dimensions of every metric it watches; none for a composite alarm.
    pub dimensions: Vec<BTreeMap<String, String>>,
}

impl AlarmChange {
    /// Whether a person set this state by hand (`SetAlarmState`): CloudWatch's own evaluations come with data, or
    /// with a reason in its own words.
    pub fn set_by_hand(&self) -> bool {
        let evaluated = if self.composite { is_composed(&self.reason) } else { is_evaluated(&self.reason) };
        !self.has_reason_data && !evaluated
    }

    /// The distinct values of these two dimensions, for metrics that carry both.
    pub fn dimension_pairs(&self, first: &str, second: &str) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = self
            .dimensions
            .iter()
            .filter_map(|metric| Some((metric.get(first)?.clone(), metric.get(second)?.clone())))
            .collect();
        pairs.sort();
        pairs.dedup();
        pairs
    }
}

/// Every alarm change in an event: of a direct action or EventBridge one, of an SNS event one per record. An SNS
/// record that is no alarm, like any other event, is an error that says what was found instead.
///
/// # Errors
/// What the event is instead of an alarm change, in words for people.
pub fn parse(event: &Value) -> Result<Vec<AlarmChange>, String> {
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        return from_message(event, None).map(|change| vec![change]);
    };
    if records.is_empty() {
        return Err("it has no records".to_owned());
    }
    records
        .iter()
        .map(|record| {
            let sns = record.get("Sns").ok_or("its record is not from SNS")?;
            let message = text(sns, "Message").ok_or("its SNS record has no message")?;
            let message = serde_json::from_str(message).map_err(|_| "its SNS message is not JSON")?;
            from_message(&message, text(sns, "TopicArn"))
        })
        .collect()
}

/// One alarm change in any of its three shapes. The topic, where there is one, tells the Region and partition.
///
/// # Errors
/// What the value is instead of an alarm change, in words for people.
pub fn from_message(value: &Value, topic: Option<&str>) -> Result<AlarmChange, String> {
    if let Some(data) = value.get("alarmData") {
        return change(Transport::Direct, data, text(value, "alarmArn"));
    }
    if text(value, "detail-type") == Some("CloudWatch Alarm State Change") {
        let detail = value.get("detail").ok_or("it has no detail")?;
        let arn = value.get("resources").and_then(|all| all.get(0)).and_then(Value::as_str);
        return change(Transport::EventBridge, detail, arn);
    }
    if text(value, "AlarmName").is_some() && text(value, "NewStateValue").is_some() {
        return from_sns(value, topic);
    }
    match text(value, "detail-type") {
        Some(other) => Err(format!("it is the event {:?}, not an alarm's change of state", cut(other))),
        None => Err("it is not an alarm's change of state".to_owned()),
    }
}

/// Whether a reason is CloudWatch's own. An alarm on many time series (Metrics Insights, PromQL) counts them, and has
/// no data even where other alarms have it (CloudWatch User Guide, "Alarm events and EventBridge", "Limits").
fn is_evaluated(reason: &str) -> bool {
    const BEGINNINGS: [&str; 5] = [
        "Threshold Crossed:",
        "Thresholds Crossed:",
        "Insufficient Data:",
        "Unchecked:",
        "No time series were returned",
    ];
    BEGINNINGS.iter().any(|beginning| reason.starts_with(beginning))
        || reason.contains(" time series evaluated to ")
}

/// Whether the reason of a composite alarm is CloudWatch's own: it names the alarm that moved it, or its rule.
fn is_composed(reason: &str) -> bool {
    reason.contains(" transitioned to ") || reason.contains(" its alarm rule evaluates to ")
}

/// The direct action and EventBridge share one shape below their envelopes.
fn change(transport: Transport, data: &Value, arn: Option<&str>) -> Result<AlarmChange, String> {
    let state = data.get("state").ok_or("its alarm has no state")?;
    let configuration = data.get("configuration").unwrap_or(&Value::Null);
    let metrics = configuration.get("metrics").and_then(Value::as_array);
    // A composite alarm's actions run when its suppression ends, and then it was in ALARM before, too.
    let suppressed = |state: &Value| text(state, "actionsSuppressedBy").is_some();
    let previous = data.get("previousState").filter(|before| suppressed(state) || !suppressed(before));
    Ok(AlarmChange {
        transport,
        name: text(data, "alarmName").ok_or("its alarm has no name")?.to_owned(),
        arn: arn.map(ToOwned::to_owned),
        description: text(configuration, "description").map(ToOwned::to_owned),
        state: read_state(state, "value")?,
        previous: previous.and_then(|before| text(before, "value")).and_then(State::read),
        reason: text(state, "reason").unwrap_or_default().to_owned(),
        has_reason_data: text(state, "reasonData").is_some(),
        changed_at: read_time(state, "timestamp")?,
        muted: suppressed(state) || data.get("muteDetail").is_some_and(Value::is_object),
        composite: configuration.get("alarmRule").is_some(),
        dimensions: metrics
            .into_iter()
            .flatten()
            .filter_map(|metric| metric.get("metricStat")?.get("metric"))
            .map(|metric| read_dimensions(metric.get("dimensions")))
            .collect(),
    })
}

fn from_sns(message: &Value, topic: Option<&str>) -> Result<AlarmChange, String> {
    let name = text(message, "AlarmName").ok_or("its alarm has no name")?;
    let trigger = message.get("Trigger");
    let metrics = trigger.and_then(|trigger| trigger.get("Metrics")).and_then(Value::as_array);
    let dimensions = match (metrics, trigger) {
        (Some(metrics), _) => metrics
            .iter()
            .filter_map(|metric| metric.get("MetricStat")?.get("Metric"))
            .map(|metric| read_dimensions(metric.get("Dimensions")))
            .collect(),
        (None, Some(trigger)) => vec![read_dimensions(trigger.get("Dimensions"))],
        (None, None) => Vec::new(),
    };
    let arn = text(message, "AlarmArn").map(ToOwned::to_owned);
    Ok(AlarmChange {
        transport: Transport::Sns,
        name: name.to_owned(),
        arn: arn.or_else(|| arn_beside(topic?, text(message, "AWSAccountId"), name)),
        description: text(message, "AlarmDescription").map(ToOwned::to_owned),
        state: read_state(message, "NewStateValue")?,
        previous: text(message, "OldStateValue").and_then(State::read),
        reason: text(message, "NewStateReason").unwrap_or_default().to_owned(),
        has_reason_data: false,
        changed_at: read_time(message, "StateChangeTime")?,
        muted: false,
        composite: message.get("AlarmRule").is_some(),
        dimensions,
    })
}

/// An alarm publishes only to topics of its own Region, so the topic's ARN tells the alarm's.
fn arn_beside(topic: &str, account: Option<&str>, name: &str) -> Option<String> {
    let mut parts = topic.split(':').skip(1);
    let partition = parts.next()?;
    let region = parts.nth(1)?;
    let account = account.or(parts.next())?;
    Some(format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn read_state(value: &Value, name: &str) -> Result<State, String> {
    let word = text(value, name).ok_or("its alarm has no state value")?;
    State::read(word).ok_or_else(|| format!("{:?} is not an alarm state", cut(word)))
}

fn read_time(value: &Value, name: &str) -> Result<Timestamp, String> {
    let time = text(value, name).ok_or("its alarm does not say when it changed")?;
    time.parse().map_err(|_| format!("{:?} is not a time with an offset", cut(time)))
}

/// What an error quotes of an event that may be of any size.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A map in the direct action and EventBridge, a list of name and value in SNS.
fn read_dimensions(value: Option<&Value>) -> BTreeMap<String, String> {
    match value {
        Some(Value::Object(map)) => {
            map.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
        }
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|pair| {
                let name = text(pair, "name").or_else(|| text(pair, "Name"))?;
                let value = text(pair, "value").or_else(|| text(pair, "Value"))?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect(),
        Some(_) | None => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
