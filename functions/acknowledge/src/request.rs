//! What comes in: a request from a browser by the function's URL, or an invocation by hand.
//!
//! Anybody may call the URL, but only IAM lets anybody invoke the function. What tells them apart is `requestContext`,
//! which Lambda itself puts into every event of a URL, on the outermost level, where nothing of the caller's stands.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use shared::{Error, Result, text};

/// Whoever does not say who they are.
pub const SOMEBODY: &str = "somebody with the link";

/// A name with every character percent-encoded and some room: a form holds nothing else.
const LARGEST_BODY: usize = 4_096;

/// What comes in.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// By the function's URL.
    Web(Web),
    /// By an invocation.
    ByHand(ByHand),
}

/// A request of HTTP.
#[derive(Clone, PartialEq, Eq)]
pub struct Web {
    /// What is to be done.
    pub method: Method,
    /// The link's query, as it came.
    pub query: String,
    /// Who sent the form, or what is odd about it.
    pub name: Result<String, &'static str>,
    /// Where the request comes from, as Lambda saw it.
    pub source_ip: String,
    /// What sent it, as it says itself.
    pub user_agent: String,
}

/// The query holds the link's token and is left out.
impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Web({:?}, {:?})", self.method, self.name)
    }
}

/// The methods of HTTP, as far as they matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Show the incident.
    Get,
    /// As `GET`, but for the page.
    Head,
    /// Acknowledge the incident.
    Post,
    /// Any other.
    Other,
}

impl Method {
    /// The word for the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Other => "other",
        }
    }
}

/// A request by hand: `{"acknowledge": {"incident": "…", "by": "ann"}}`, `{"incidents": {}}`, or `{"incidents": {"over":
/// true, "since": "2026-11-20T00:00:00Z"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ByHand {
    /// Write down who has an incident in hand.
    Acknowledge(Wanted),
    /// What goes on now?
    Incidents(Listing),
}

/// Which incidents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listing {
    /// Also those that are over.
    pub over: bool,
    /// Those that were over since then; within the last day where it is left out.
    #[serde(deserialize_with = "time")]
    pub since: Option<Timestamp>,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let wrong = |_| {
        let text: String = text.chars().take(60).collect();
        D::Error::custom(format!(
            "incidents.since: {text:?} is not a time with its offset, such as 2026-11-20T00:00:00Z"
        ))
    };
    text.parse().map(Some).map_err(wrong)
}

/// Who has what in hand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The incident's key.
    pub incident: String,
    /// Who.
    pub by: String,
}

/// The request that an event is.
///
/// # Errors
/// [`Error::Event`] for one that cannot be understood, with the field.
pub fn read(event: &Value) -> Result<Request> {
    match event.get("requestContext") {
        Some(context) => web(event, context).map(Request::Web),
        None => by_hand(event).map(Request::ByHand),
    }
}

fn web(event: &Value, context: &Value) -> Result<Web> {
    let http = |field: &str| context.get("http").and_then(|http| http.get(field)).and_then(Value::as_str);
    let Some(method) = http("method") else {
        let advice =
            "it has a requestContext, but no requestContext.http.method: it comes from no function URL";
        return Err(Error::Event(advice.to_owned()));
    };
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Other,
    };
    let cut = |text: Option<&str>| text.unwrap_or_default().chars().take(200).collect();
    let query = event.get("rawQueryString").and_then(Value::as_str).unwrap_or_default();
    Ok(Web {
        method,
        query: query.to_owned(),
        name: if method == Method::Post { sender(event) } else { Ok(SOMEBODY.to_owned()) },
        source_ip: cut(http("sourceIp")),
        user_agent: cut(http("userAgent")),
    })
}

/// The name in the form, or what is odd about it.
fn sender(event: &Value) -> Result<String, &'static str> {
    let body = event.get("body").and_then(Value::as_str).unwrap_or_default();
    if body.len() > LARGEST_BODY {
        return Err("The form is larger than any name.");
    }
    // Of a browser's form this is always so. An empty body needs no type: nothing was typed in.
    let kind = event.get("headers").and_then(|headers| headers.get("content-type")).and_then(Value::as_str);
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !body.is_empty() && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err("What was sent is not this page's form.");
    }
    let form = if event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true) {
        Cow::from(aws_smithy_types::base64::decode(body).map_err(|_| "The form cannot be read.")?)
    } else {
        Cow::from(body.as_bytes())
    };
    let mut fields = url::form_urlencoded::parse(&form);
    let name = fields.find(|(field, _)| field == "name").map(|(_, name)| name).unwrap_or_default();
    named(&name)
}

/// A name as it is written down.
fn named(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() { Ok(SOMEBODY.to_owned()) } else { text::name(name) }
}

fn by_hand(event: &Value) -> Result<ByHand> {
    let request: ByHand = serde_json::from_value(event.clone()).map_err(|error| {
        let example = json!({"acknowledge": {"incident": "alarm:…", "by": "ann"}});
        Error::Event(format!(
            "it is neither a request to the URL nor one by hand, such as {example}: {error}"
        ))
    })?;
    match request {
        ByHand::Acknowledge(Wanted { by, .. }) if by.trim().is_empty() => {
            Err(Error::Event("acknowledge.by is empty: say who has the incident in hand".to_owned()))
        }
        ByHand::Acknowledge(Wanted { incident, .. }) if incident.trim().is_empty() => {
            let advice = "the incident is empty: its key stands at the end of each message";
            Err(Error::Event(advice.to_owned()))
        }
        ByHand::Acknowledge(Wanted { incident, by }) => {
            let by = named(&by).map_err(|why| Error::Event(format!("acknowledge.by: {why}")))?;
            Ok(ByHand::Acknowledge(Wanted { incident, by }))
        }
        ByHand::Incidents(Listing { over: false, since: Some(_) }) => {
            let advice = "incidents.since is about what is over: it goes with \"over\": true";
            Err(Error::Event(advice.to_owned()))
        }
        ByHand::Incidents(_) => Ok(request),
    }
}

#[cfg(test)]
mod tests;
