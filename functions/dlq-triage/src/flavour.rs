//! How a letter came to be dead, told by its fingerprint, and what it says of why.
//!
//! | flavour | fingerprint |
//! |---|---|
//! | a queue's redrive policy | `DeadLetterQueueSourceArn` |
//! | an EventBridge target | attributes `RULE_ARN`, `TARGET_ARN`, `ERROR_CODE`, … |
//! | a function's dead-letter config | attributes `RequestID`, `ErrorCode`, `ErrorMessage`; the body is the event |
//! | a function's on-failure destination | `requestContext` with `functionArn` and `condition` |
//! | a stream's on-failure destination | the same, with `KinesisBatchInfo` or `DDBStreamBatchInfo` in place of a payload |
//! | an SNS subscription | the envelope, `"Type": "Notification"` and `TopicArn` |
//! | a record of an EventBridge v2 bus | `busArn` and `failedMessages`; the events themselves are not in it |
//! | a notice that could not be delivered | attributes `channel` and `error`, as `notification-fanout` writes them |
//!
//! The body is read in one pass, without building a tree, and no deeper than its first level; what stands below is kept
//! as text and looked into only where the fingerprint asks for it. So a body of any depth is read in linear time.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as Derive, Serialize};
use serde_json::value::RawValue;

use crate::letter::Letter;
use crate::signature::{cut, kind};

/// How a letter came to be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Derive)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// A queue gave it up after its `maxReceiveCount`.
    Queue,
    /// A function's dead-letter config (`DeadLetterConfig`).
    FunctionConfig,
    /// A function's on-failure destination.
    FunctionDestination,
    /// An SNS subscription's redrive policy.
    Subscription,
    /// An EventBridge rule could not reach its target.
    Target,
    /// A record of an EventBridge v2 bus: it tells of events, and holds none.
    BusRecord,
    /// An event source mapping gave up a batch of a stream: it points to records, and holds none.
    Stream,
    /// A notice that no channel could be told.
    Notice,
    /// None of these.
    Unknown,
}

impl Flavour {
    /// The word in reports and ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::FunctionConfig => "function_config",
            Self::FunctionDestination => "function_destination",
            Self::Subscription => "subscription",
            Self::Target => "target",
            Self::BusRecord => "bus_record",
            Self::Stream => "stream",
            Self::Notice => "notice",
            Self::Unknown => "unknown",
        }
    }
}

/// What a letter says of where it comes from and why it is dead. It borrows from the letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin<'a> {
    /// How it came to be dead.
    pub flavour: Flavour,
    /// The ARN of what gave it up, or could not take it: a queue, a function, a topic, a target.
    pub of: Cow<'a, str>,
    /// The error's type or code.
    pub kind: Cow<'a, str>,
    /// The error's message.
    pub message: Cow<'a, str>,
    /// The stack frame in which it happened.
    pub frame: Cow<'a, str>,
    /// Why it was given up: `RetriesExhausted`, `EventAgeExceeded`, `MaximumRetryAttempts`, ….
    pub condition: Cow<'a, str>,
    /// Where no error is known: what kind of message it is, by its discriminating fields or else its top-level names.
    pub shape: Cow<'a, str>,
    /// What is sent again.
    pub payload: Payload<'a>,
}

/// What is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The body as it is.
    Body,
    /// This part of the body.
    Part(&'a str),
    /// Nothing: the letter only tells of something that stands elsewhere.
    None,
}

impl<'a> Origin<'a> {
    /// Reads a letter.
    pub fn of(letter: &'a Letter) -> Self {
        let top = Top::read(&letter.body);
        let mut origin = Self::by_attributes(letter).unwrap_or_else(|| Self::by_body(letter, &top));
        if let Some(source) = &letter.source {
            // Whatever it was before: a queue holds it by its redrive policy, and takes it back as it is.
            origin.flavour = Flavour::Queue;
            origin.of = Cow::Borrowed(source);
            origin.payload = Payload::Body;
        }
        if origin.kind.is_empty() && origin.message.is_empty() {
            origin.shape = top.shape();
        }
        origin
    }

    fn new(flavour: Flavour, of: Cow<'a, str>) -> Self {
        Self {
            flavour,
            of,
            kind: Cow::Borrowed(""),
            message: Cow::Borrowed(""),
            frame: Cow::Borrowed(""),
            condition: Cow::Borrowed(""),
            shape: Cow::Borrowed(""),
            payload: Payload::Body,
        }
    }

    fn by_attributes(letter: &'a Letter) -> Option<Self> {
        let text = |name: &str| Cow::Borrowed(letter.text(name).unwrap_or_default());
        if letter.attributes.is_empty() {
            return None;
        }
        if letter.text("RULE_ARN").is_some() {
            return Some(Self {
                kind: text("ERROR_CODE"),
                message: text("ERROR_MESSAGE"),
                condition: text("EXHAUSTED_RETRY_CONDITION"),
                ..Self::new(Flavour::Target, text("TARGET_ARN"))
            });
        }
        if letter.text("RequestID").is_some() && letter.text("ErrorCode").is_some() {
            return Some(Self {
                kind: text("ErrorCode"),
                message: text("ErrorMessage"),
                ..Self::new(Flavour::FunctionConfig, Cow::Borrowed(""))
            });
        }
        if letter.text("channel").is_some() && letter.text("error").is_some() {
            return Some(Self { message: text("error"), ..Self::new(Flavour::Notice, text("channel")) });
        }
        None
    }

    fn by_body(letter: &'a Letter, top: &Top<'a>) -> Self {
        if let Some(context) = top.context.and_then(read::<Context<'a>>).filter(|it| it.function.is_some()) {
            return Self::by_destination(context, top);
        }
        if let (Some(bus), true) = (&top.bus, top.failed) {
            return Self {
                kind: top.error_code.clone().unwrap_or_default(),
                message: top.error_message.clone().unwrap_or_default(),
                condition: top.exhausted.clone().unwrap_or_default(),
                payload: Payload::None,
                ..Self::new(Flavour::BusRecord, top.target.clone().unwrap_or_else(|| bus.clone()))
            };
        }
        match (&top.kind, &top.topic) {
            (Some(kind), Some(topic)) if kind == "Notification" => {
                Self::new(Flavour::Subscription, topic.clone())
            }
            _ => {
                let of = Cow::Borrowed(letter.source.as_deref().unwrap_or_default());
                Self::new(Flavour::Unknown, of)
            }
        }
    }

    /// A record of Lambda's destinations.
    fn by_destination(context: Context<'a>, top: &Top<'a>) -> Self {
        let response = top.response.and_then(read::<Failure<'a>>).unwrap_or_default();
        let is_stream = top.batch;
        let frame = response.stack.map(innermost).unwrap_or_default();
        Self {
            kind: response.kind.map(|Text(text)| text).unwrap_or_default(),
            message: response.message.map(|Text(text)| text).unwrap_or_default(),
            frame,
            condition: context.condition.map(|Text(text)| text).unwrap_or_default(),
            payload: match top.payload {
                Some(payload) if !is_stream => Payload::Part(payload.get()),
                Some(_) | None => Payload::None,
            },
            ..Self::new(
                if is_stream { Flavour::Stream } else { Flavour::FunctionDestination },
                context.function.map(|Text(text)| text).unwrap_or_default(),
            )
        }
    }
}

fn read<'a, T: Derive<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Text that is borrowed where it stands without escapes.
#[derive(Debug, Clone, Default, PartialEq)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        from.deserialize_str(Any)
    }
}

/// The part of Lambda's record that says which function it was, and why it was given up.
#[derive(Derive)]
struct Context<'a> {
    #[serde(borrow, rename = "functionArn")]
    function: Option<Text<'a>>,
    #[serde(borrow)]
    condition: Option<Text<'a>>,
}

/// What a function answers that fails. Runtimes differ in the stack: a list of lines, or of frames, or one text.
#[derive(Derive, Default)]
struct Failure<'a> {
    #[serde(borrow, rename = "errorType")]
    kind: Option<Text<'a>>,
    #[serde(borrow, rename = "errorMessage")]
    message: Option<Text<'a>>,
    #[serde(borrow, alias = "stackTrace", alias = "trace")]
    stack: Option<&'a RawValue>,
}

/// What stands at a body's first level.
#[derive(Default)]
struct Top<'a> {
    context: Option<&'a RawValue>,
    payload: Option<&'a RawValue>,
    response: Option<&'a RawValue>,
    /// Whether it lists events that failed.
    failed: bool,
    kind: Option<Cow<'a, str>>,
    topic: Option<Cow<'a, str>>,
    bus: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    error_code: Option<Cow<'a, str>>,
    error_message: Option<Cow<'a, str>>,
    exhausted: Option<Cow<'a, str>>,
    /// Whether it points to the records of a stream.
    batch: bool,
    names: Vec<Cow<'a, str>>,
    /// Names and values of the fields by which messages are told apart.
    words: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    is_json: bool,
}

/// The fields by which messages are commonly told apart.
pub(crate) const DISCRIMINATORS: [&str; 15] = [
    "action",
    "command",
    "detail-type",
    "event",
    "eventName",
    "eventSource",
    "eventType",
    "event_type",
    "jobType",
    "kind",
    "messageType",
    "schema",
    "source",
    "type",
    "__typename",
];

/// The shape of what is no JSON object.
pub(crate) const TEXT: &str = "text";

/// More names say no more about what kind of message it is.
const MOST_NAMES: usize = 24;

/// A discriminating value is short.
const LONGEST_WORD: usize = 80;

impl<'a> Top<'a> {
    fn read(body: &'a str) -> Self {
        if !body.trim_start().starts_with('{') {
            return Self::default();
        }
        // What is no JSON after all has been understood up to there, and counts as text.
        serde_json::from_str(body).unwrap_or_default()
    }

    fn take<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        let text =
            |raw: &'a RawValue| serde_json::from_str::<Text<'a>>(raw.get()).ok().map(|Text(text)| text);
        let raw: &'a RawValue = match name.as_ref() {
            "requestContext"
            | "requestPayload"
            | "responsePayload"
            | "failedMessages"
            | "Type"
            | "TopicArn"
            | "busArn"
            | "targetArn"
            | "errorCode"
            | "errorMessage"
            | "exhaustedRetryCondition"
            | "KinesisBatchInfo"
            | "DDBStreamBatchInfo" => map.next_value()?,
            known if DISCRIMINATORS.contains(&known) => map.next_value()?,
            _ => {
                map.next_value::<IgnoredAny>()?;
                self.names(name);
                return Ok(());
            }
        };
        match name.as_ref() {
            "requestContext" => self.context = Some(raw),
            "requestPayload" => self.payload = Some(raw),
            "responsePayload" => self.response = Some(raw),
            "failedMessages" => self.failed = true,
            "Type" => self.kind = text(raw),
            "TopicArn" => self.topic = text(raw),
            "busArn" => self.bus = text(raw),
            "targetArn" => self.target = text(raw),
            "errorCode" => self.error_code = text(raw),
            "errorMessage" => self.error_message = text(raw),
            "exhaustedRetryCondition" => self.exhausted = text(raw),
            "KinesisBatchInfo" | "DDBStreamBatchInfo" => self.batch = true,
            _ => {
                if let Some(word) = text(raw).filter(|word| word.len() <= LONGEST_WORD) {
                    self.words.push((name.clone(), word));
                }
            }
        }
        self.names(name);
        Ok(())
    }

    fn names(&mut self, name: Cow<'a, str>) {
        if self.names.len() < MOST_NAMES {
            self.names.push(name);
        }
    }

    /// The discriminating fields, or else the names, in an order of their own; empty for what is no JSON object.
    fn shape(&self) -> Cow<'a, str> {
        if !self.is_json {
            return Cow::Borrowed(TEXT);
        }
        let mut parts: Vec<String> = if self.words.is_empty() {
            self.names.iter().map(|name| kind(cut(name, LONGEST_WORD))).collect()
        } else {
            self.words.iter().map(|(name, word)| format!("{name}={}", kind(word))).collect()
        };
        parts.sort_unstable();
        parts.dedup();
        Cow::Owned(parts.join(" "))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Top<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
                let mut top = Top { is_json: true, ..Top::default() };
                while let Some(Text(name)) = map.next_key()? {
                    top.take(name, &mut map)?;
                }
                Ok(top)
            }
        }

        from.deserialize_map(Fields)
    }
}

/// Parts of a frame that say that it is not the application's own code: runtimes, libraries, languages.
const FOREIGN: [&str; 17] = [
    "node_modules",
    "node:",
    "internal/",
    "/var/runtime",
    "/var/lang",
    "/opt/",
    "site-packages",
    "dist-packages",
    "<frozen",
    "/rustc/",
    ".cargo/registry",
    "java.base",
    "java.util",
    "jdk.internal",
    "sun.reflect",
    "com.amazonaws.",
    "software.amazon.",
];

/// More frames are not looked at.
const MOST_FRAMES: usize = 50;

/// The frame of the application's own code in which it happened, or else the first. Python names the last call last, all
/// others name it first.
fn innermost(raw: &RawValue) -> Cow<'_, str> {
    let frames: Vec<Cow<'_, str>> = match read::<Vec<Frame<'_>>>(raw) {
        Some(frames) => frames.into_iter().take(MOST_FRAMES).filter_map(|Frame(frame)| frame).collect(),
        None => match read::<Text<'_>>(raw) {
            Some(Text(Cow::Borrowed(text))) => text.lines().take(MOST_FRAMES).map(Cow::Borrowed).collect(),
            Some(Text(Cow::Owned(text))) => {
                text.lines().take(MOST_FRAMES).map(|line| Cow::Owned(line.to_owned())).collect()
            }
            None => Vec::new(),
        },
    };
    // The error itself may head the list; its message would tell apart what is the same.
    let is_frame = |frame: &&Cow<'_, str>| {
        let frame = frame.trim();
        ["at ", "File \"", "/"].iter().any(|start| frame.starts_with(start)) || frame.ends_with(')')
    };
    let own = |frame: &&Cow<'_, str>| !FOREIGN.iter().any(|part| frame.contains(part));
    let is_python = frames.iter().any(|frame| frame.trim_start().starts_with("File \""));
    let mut candidates = frames.iter().filter(is_frame);
    let found = if is_python {
        candidates.clone().rfind(own).or_else(|| candidates.next_back())
    } else {
        candidates.clone().find(own).or_else(|| candidates.next())
    };
    found.map(|frame| Cow::Owned(frame.trim().to_owned())).unwrap_or_default()
}

/// A line, or a list of the parts of one; anything else is passed over.
struct Frame<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Frame<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(from)?;
        Ok(Self(serde_json::from_str::<Text<'de>>(raw.get()).ok().map(|Text(text)| text)))
    }
}

#[cfg(test)]
mod tests;
