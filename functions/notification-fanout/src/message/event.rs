//! What all events of AWS have in common: the envelope of `EventBridge`, times, tags, and places in the console.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;
use shared::notice::{Link, Notice, Severity, State, Subject};
use shared::tags;

use super::letter::Letter;

/// An event of `EventBridge`. All but what it is and where it comes from may be missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    /// Such as `aws.ecs`.
    pub(super) source: &'a str,
    /// Its `detail-type`.
    pub(super) kind: &'a str,
    pub(super) whole: &'a Value,
    pub(super) detail: &'a Value,
}

impl<'a> Event<'a> {
    /// An event from this source.
    pub(super) fn from(source: &str, content: &'a Value) -> Option<Self> {
        let event = Self {
            source: text(content, "/source")?,
            kind: text(content, "/detail-type")?,
            whole: content,
            detail: content.get("detail").filter(|detail| detail.is_object())?,
        };
        (event.source == source).then_some(event)
    }

    /// A text in its details, by its JSON pointer; an empty one is none.
    pub(super) fn text(&self, pointer: &str) -> Option<&'a str> {
        text(self.detail, pointer)
    }

    pub(super) fn account(&self) -> Option<&'a str> {
        text(self.whole, "/account")
    }

    pub(super) fn region(&self) -> Option<&'a str> {
        text(self.whole, "/region")
    }

    /// When it happened, as the envelope says.
    pub(super) fn time(&self) -> Option<Timestamp> {
        text(self.whole, "/time")?.parse().ok()
    }

    /// The first resource that it is about.
    pub(super) fn resource(&self) -> Option<&'a str> {
        text(self.whole, "/resources/0")
    }

    /// The console of the Region that it comes from.
    pub(super) fn console(&self) -> Option<Console<'a>> {
        Console::of(self.region()?)
    }
}

/// What a family says of itself before the words.
pub(super) struct Told<'a> {
    /// The same for the same problem.
    pub(super) incident: &'a str,
    pub(super) state: State,
    pub(super) severity: Severity,
    pub(super) subject: Subject,
    pub(super) title: &'a str,
    /// Where it does not say when, it was when it was sent.
    pub(super) time: Option<Timestamp>,
}

impl Told<'_> {
    /// The notice of this service of AWS, from this account and Region where they are known.
    pub(super) fn notice(
        self,
        service: &str,
        place: (Option<&str>, Option<&str>),
        letter: &Letter<'_>,
    ) -> Notice {
        let Self { incident, state, severity, subject, title, time } = self;
        let time = time.unwrap_or_else(|| letter.time());
        let mut notice = Notice::new(incident, state, severity, subject, title, time);
        service.clone_into(&mut notice.source);
        let (region, account) = place;
        let labels = [("service", Some(service)), ("region", region), ("account", account)];
        for (name, value) in labels {
            if let Some(value) = value {
                notice.labels.insert(name.to_owned(), value.to_owned());
            }
        }
        notice
    }

    /// The same for an event.
    pub(super) fn of(self, event: &Event<'_>, letter: &Letter<'_>) -> Notice {
        let service = event.source.strip_prefix("aws.").unwrap_or(event.source);
        let time = self.time.or_else(|| event.time());
        Self { time, ..self }.notice(service, (event.region(), event.account()), letter)
    }
}

pub(super) fn subject(kind: &str, id: &str, arn: Option<&str>) -> Subject {
    Subject { kind: kind.to_owned(), id: id.to_owned(), arn: arn.map(ToOwned::to_owned) }
}

/// A text at this JSON pointer; an empty one is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A fact, where there is something to say.
pub(super) fn fact(notice: &mut Notice, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        notice.fact(name, value);
    }
}

/// A time as the services of AWS write it: `2026-11-20T12:00:00Z`, `2026-11-20 12:00:00.123` (in UTC), or
/// `Fri, 20 Nov 2026 12:00:00 GMT`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let utc = || jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", text).ok();
    text.parse()
        .ok()
        .or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
        .or_else(|| utc()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp()))
}

/// The words behind the last slash or colon of an ARN, as people call the resource; what is no ARN stands as it is.
pub(super) fn name_of(arn: &str) -> &str {
    if !arn.starts_with("arn:") {
        return arn;
    }
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    resource.rsplit(['/', ':']).next().filter(|name| !name.is_empty()).unwrap_or(resource)
}

/// The service, Region and account of an ARN; a part that is empty is none.
pub(super) fn parts_of(arn: &str) -> (Option<&str>, Option<&str>, Option<&str>) {
    let mut parts = arn.splitn(6, ':').skip(2).map(|part| Some(part).filter(|part| !part.is_empty()));
    let mut next = || parts.next().flatten();
    if arn.starts_with("arn:") { (next(), next(), next()) } else { (None, None, None) }
}

/// The environment that tags tell: a map, or a list of key and value.
pub(super) fn environment(tags: Option<&Value>) -> Option<&str> {
    const NAMES: [&str; 5] = [tags::ENVIRONMENT, "environment", "Environment", "env", "Env"];
    let value = |name: &str| match tags? {
        Value::Object(map) => map.get(name)?.as_str(),
        Value::Array(list) => {
            let key = |tag: &&Value| text(tag, "/key").or_else(|| text(tag, "/Key")) == Some(name);
            let tag = list.iter().find(key)?;
            text(tag, "/value").or_else(|| text(tag, "/Value"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    NAMES.into_iter().find_map(value).map(str::trim).filter(|environment| !environment.is_empty())
}

/// Takes the environment from tags.
pub(super) fn place_by(notice: &mut Notice, tags: Option<&Value>) {
    if let Some(environment) = environment(tags) {
        environment.clone_into(&mut notice.environment);
    }
}

/// The AWS console of one Region. What stands in a message is not trusted to be a Region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Console<'a> {
    region: &'a str,
    domain: &'static str,
}

impl<'a> Console<'a> {
    pub(super) fn of(region: &'a str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(5..=25).contains(&region.len()) || !region.bytes().all(plain) || !region.contains('-') {
            return None;
        }
        let domain = if region.starts_with("cn-") {
            "console.amazonaws.cn"
        } else if region.starts_with("us-gov-") {
            "console.amazonaws-us-gov.com"
        } else {
            "console.aws.amazon.com"
        };
        Some(Self { region, domain })
    }

    /// A page of a service, such as `rds/home` and `#database:id=…`.
    pub(super) fn link(&self, title: &str, path: &str, fragment: &str) -> Link {
        let Self { region, domain } = self;
        let url = format!("https://{region}.{domain}/{path}?region={region}{fragment}");
        Link { title: title.to_owned(), url }
    }
}

/// A word as a part of an address.
pub(super) fn encoded(word: &str) -> String {
    word.bytes().fold(String::with_capacity(word.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
