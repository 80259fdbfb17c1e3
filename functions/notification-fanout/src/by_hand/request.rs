//! What is asked, read field by field, so that whoever asked wrongly is told which field, and what is written there instead.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use shared::notice::{Severity, State};
use shared::policy::notify::{Matchers, Silence};
use shared::{Error, Result, text};

use crate::decision::silence::nearest;

/// A time as it is written.
const TIME: &str = "a time with its offset, such as 2026-12-27T00:00:00Z";

/// The longest that is repeated of what somebody wrote, in characters.
const LONGEST: usize = 60;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Which channels would get this, and why.
    Explain(Box<Sketch>),
    /// Tell nobody for a while.
    Silence(Silence),
    /// That silence is over.
    Unsilence(End),
    /// Which silences are there?
    Silences,
    /// What was done, and why?
    Audit(Past),
    /// Could people be told now?
    Heartbeat,
}

/// Which silence is over, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its id.
    pub id: String,
    /// Who ends it.
    pub by: String,
}

/// Of which time, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Since when.
    pub since: Timestamp,
    /// Of this target only.
    pub target: Option<String>,
}

/// A notice as far as it matters for its routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    /// How soon somebody has to answer.
    pub severity: Severity,
    /// Where the incident stands.
    pub state: State,
    /// Who tells it.
    pub source: String,
    /// The environment; that of the stack where it is left out.
    pub environment: Option<String>,
    /// What kind of thing it is about.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The incident's key.
    pub incident: String,
    /// What has no field of its own.
    pub labels: BTreeMap<String, String>,
    /// A policy that is not in place yet, as its text; the one in place where it is left out.
    pub policy: Option<String>,
    /// When it is told; now where it is left out.
    pub at: Option<Timestamp>,
}

/// The request that an event is, if it is one.
///
/// # Errors
/// [`Error::Event`] for one that cannot be understood, with the field.
pub fn read(event: &Value) -> Result<Option<Request>> {
    let Some((name, asked)) =
        event.as_object().filter(|all| all.len() == 1).and_then(|all| all.iter().next())
    else {
        return Ok(None);
    };
    let read = match name.as_str() {
        "explain" => Fields::of("explain", asked).and_then(|fields| sketch(&fields)).map(Request::Explain),
        "silence" => Fields::of("silence", asked).and_then(|fields| silence(&fields)).map(Request::Silence),
        "unsilence" => Fields::of("unsilence", asked).and_then(|fields| end(&fields)).map(Request::Unsilence),
        "silences" => Fields::of("silences", asked).map(|_| Request::Silences),
        "audit" => Fields::of("audit", asked).and_then(|fields| past(&fields)).map(Request::Audit),
        "heartbeat" => Fields::of("heartbeat", asked).map(|_| Request::Heartbeat),
        _ => return Ok(None),
    };
    read.map(Some).map_err(Error::Event)
}

fn sketch(fields: &Fields<'_>) -> Result<Box<Sketch>, String> {
    fields.are_among(&[
        "severity",
        "state",
        "source",
        "environment",
        "kind",
        "subject",
        "incident",
        "labels",
        "policy",
        "at",
    ])?;
    let severity = |text: &str| {
        text.parse()
            .map_err(|_| fields.wrong("severity", text, "a severity: sev1, sev2, sev3 or sev4 (P1 to P4)"))
    };
    let state = |text: &str| match text {
        "firing" => Ok(State::Firing),
        "resolved" => Ok(State::Resolved),
        "info" => Ok(State::Info),
        _ => Err(fields.wrong("state", text, "a state: firing, resolved or info")),
    };
    let or = |name, otherwise: &str| {
        Ok::<_, String>(fields.text(name)?.map_or_else(|| otherwise.to_owned(), ToOwned::to_owned))
    };
    Ok(Box::new(Sketch {
        severity: fields.text("severity")?.map_or(Ok(Severity::Sev2), severity)?,
        state: fields.text("state")?.map_or(Ok(State::Firing), state)?,
        source: or("source", "by-hand")?,
        environment: fields.text("environment")?.map(ToOwned::to_owned),
        kind: or("kind", "message")?,
        subject: or("subject", "a test")?,
        incident: or("incident", "by-hand:a-test")?,
        labels: labels(fields)?,
        policy: fields.text("policy")?.map(ToOwned::to_owned),
        at: fields.time("at")?,
    }))
}

fn labels(fields: &Fields<'_>) -> Result<BTreeMap<String, String>, String> {
    let wrong = || "explain.labels holds names with one text each, such as {\"service\": \"web\"}".to_owned();
    let Some(labels) = fields.value("labels") else { return Ok(BTreeMap::new()) };
    let one = |(name, value): (&String, &Value)| {
        value.as_str().map(|value| (name.clone(), value.to_owned())).ok_or_else(wrong)
    };
    labels.as_object().ok_or_else(wrong)?.iter().map(one).collect()
}

fn silence(fields: &Fields<'_>) -> Result<Silence, String> {
    fields.are_among(&["match", "from", "until", "author", "reason", "id"])?;
    Ok(Silence {
        id: fields.text("id")?.map(str::trim).unwrap_or_default().to_owned(),
        matches: matches(fields)?,
        from: fields.time("from")?,
        until: fields.time("until")?.ok_or_else(|| fields.lacks("until", &format!("write {TIME}")))?,
        author: fields.name("author", "say who wants it")?,
        reason: fields.said("reason", "say why")?,
    })
}

fn matches(fields: &Fields<'_>) -> Result<Matchers, String> {
    let example = "names fields with what they have to be, such as {\"service\": \"web\"}";
    let Some(asked) = fields.value("match") else {
        return Err(fields.lacks("match", &format!("it {example}")));
    };
    let all = asked.as_object().ok_or_else(|| format!("silence.match is no object: it {example}"))?;
    // By itself, so that the field is named that is wrong.
    for (name, value) in all {
        let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        let read: serde_json::Result<Matchers> = serde_json::from_value(alone);
        read.map_err(|error| format!("silence.match.{}: {error}", cut(name)))?;
    }
    serde_json::from_value(asked.clone()).map_err(|error| format!("silence.match: {error}"))
}

fn end(fields: &Fields<'_>) -> Result<End, String> {
    fields.are_among(&["id", "by"])?;
    Ok(End {
        id: fields.said("id", "{\"silences\": {}} lists those there are, with their ids")?,
        by: fields.name("by", "say who ends it")?,
    })
}

fn past(fields: &Fields<'_>) -> Result<Past, String> {
    fields.are_among(&["since", "target"])?;
    Ok(Past {
        since: fields.time("since")?.ok_or_else(|| fields.lacks("since", &format!("write {TIME}")))?,
        target: fields.text("target")?.map(ToOwned::to_owned),
    })
}

/// The fields of a request. One that is `null` is left out.
struct Fields<'a> {
    request: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(request: &'static str, asked: &'a Value) -> Result<Self, String> {
        let fields = asked.as_object();
        let fields =
            fields.ok_or_else(|| format!("{request} is an object, such as {{\"{request}\": {{…}}}}"))?;
        Ok(Self { request, fields })
    }

    fn are_among(&self, known: &[&str]) -> Result<(), String> {
        let Some(odd) = self.fields.keys().find(|name| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let hint = nearest(odd, known.iter().copied());
        let hint = hint.map_or_else(|| ".".to_owned(), |name| format!(", did you mean {name}?"));
        Err(format!("{}.{} is no field{hint} There are: {}", self.request, cut(odd), known.join(", ")))
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let text = |value: &'a Value| {
            value
                .as_str()
                .ok_or_else(|| format!("{}.{name} is no text, but {}", self.request, cut(&value.to_string())))
        };
        self.value(name).map(text).transpose()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, String> {
        let time = |text: &str| text.parse().map_err(|_| self.wrong(name, text, TIME));
        self.text(name)?.map(time).transpose()
    }

    /// A text that somebody has to give.
    fn said(&self, name: &str, advice: &str) -> Result<String, String> {
        match self.text(name)?.map(str::trim) {
            None => Err(self.lacks(name, advice)),
            Some("") => Err(format!("{}.{name} is empty: {advice}", self.request)),
            Some(text) => Ok(text.to_owned()),
        }
    }

    /// Who somebody says they are.
    fn name(&self, name: &str, advice: &str) -> Result<String, String> {
        let said = self.said(name, advice)?;
        text::name(&said).map_err(|why| format!("{}.{name}: {why}", self.request))
    }

    fn lacks(&self, name: &str, advice: &str) -> String {
        format!("{}.{name} is missing: {advice}", self.request)
    }

    fn wrong(&self, name: &str, text: &str, expected: &str) -> String {
        format!("{}.{name}: {:?} is not {expected}", self.request, cut(text))
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Request, read};

    /// What is wrong with a request; nothing where nothing is.
    fn wrong(event: &Value) -> Option<String> {
        read(event).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_no_request_is_left_to_the_queues() {
        for event in
            [json!(null), json!([]), json!({}), json!({"Records": []}), json!({"silence": {}, "more": 1})]
        {
            assert_eq!(read(&event).unwrap(), None, "{event}");
        }
    }

    #[test]
    fn each_request_of_the_corpus_is_read_and_a_hostile_one_is_refused() {
        for (name, hostile) in [
            ("by-hand-explain", false),
            ("by-hand-silence", false),
            ("by-hand-unsilence", false),
            ("by-hand-silences", false),
            ("hostile-by-hand-silence", true),
        ] {
            let path = format!("{}/../../events/notification-fanout/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let event = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let read = read(&event);
            assert!(if hostile { read.is_err() } else { matches!(read, Ok(Some(_))) }, "{name}: {read:?}");
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_null() {
        let silence = json!({"match": {"severity": ["P1", "!sev2"]}, "from": null, "until": "2026-12-01T01:00:00+01:00",
            "author": " ann ", "reason": "it moves", "id": null});
        let Some(Request::Silence(read)) = read(&json!({"silence": silence})).unwrap() else {
            panic!("none")
        };
        assert_eq!((read.author.as_str(), read.id.as_str(), read.from), ("ann", "", None));
        assert_eq!(
            (read.matches.to_string(), read.until.to_string()),
            ("severity=sev1|!sev2".to_owned(), "2026-12-01T00:00:00Z".to_owned())
        );
        for event in [json!({"explain": {}}), json!({"silences": {}}), json!({"heartbeat": {}})] {
            assert_eq!(wrong(&event), None, "{event}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field_and_what_is_written_there() {
        let silence = |name: &str, value: Value| {
            let mut all = json!({"match": {"service": "web"}, "until": "2026-12-01T00:00:00Z", "author": "ann",
                "reason": "it moves"});
            all[name] = value;
            json!({"silence": all})
        };
        for (event, said) in [
            (
                silence("until", json!("tomorrow")),
                "silence.until: \"tomorrow\" is not a time with its offset, such as",
            ),
            (silence("until", json!(5)), "silence.until is no text, but 5"),
            (silence("until", json!(null)), "silence.until is missing: write a time"),
            (silence("from", json!("2026-12-01")), "silence.from: \"2026-12-01\" is not a time"),
            (silence("reason", json!("  ")), "silence.reason is empty: say why"),
            (silence("author", json!(null)), "silence.author is missing: say who wants it"),
            (
                silence("untill", json!("x")),
                "silence.untill is no field, did you mean until? There are: match, from, until",
            ),
            (silence("colour", json!("x")), "silence.colour is no field. There are: match"),
            (silence("match", json!(null)), "silence.match is missing: it names fields"),
            (silence("match", json!("service=web")), "silence.match is no object: it names fields"),
            (
                silence("match", json!({"severity": "sev9"})),
                "silence.match.severity: it is not sev1 to sev4 or P1 to P4",
            ),
            (
                silence("match", json!({"state": "over"})),
                "silence.match.state: it is not firing, resolved or info",
            ),
            (
                silence("match", json!({"service": []})),
                "silence.match.service: an empty list matches nothing",
            ),
            (silence("match", json!({"": "web"})), "silence.match.: a label has a name"),
            (json!({"silence": 1}), "silence is an object"),
            (
                silence("author", json!("a".repeat(81))),
                "silence.author: The name is longer than 80 characters.",
            ),
            (
                json!({"unsilence": {"id": "x", "by": "ann\u{202e}"}}),
                "unsilence.by: The name contains characters that cannot be seen.",
            ),
            (json!({"unsilence": {"by": "ann"}}), "unsilence.id is missing: {\"silences\": {}} lists"),
            (json!({"unsilence": {"id": "x"}}), "unsilence.by is missing: say who ends it"),
            (json!({"unsilence": {"id": "x", "by": ""}}), "unsilence.by is empty: say who ends it"),
            (json!({"unsilence": {"id": "x", "bye": "ann"}}), "unsilence.bye is no field, did you mean by?"),
            (
                json!({"explain": {"severity": "sev9"}}),
                "explain.severity: \"sev9\" is not a severity: sev1, sev2, sev3 or sev4",
            ),
            (
                json!({"explain": {"state": "over"}}),
                "explain.state: \"over\" is not a state: firing, resolved or info",
            ),
            (json!({"explain": {"at": "noon"}}), "explain.at: \"noon\" is not a time"),
            (json!({"explain": {"labels": {"a": ["b"]}}}), "explain.labels holds names with one text each"),
            (json!({"explain": {"service": "web"}}), "explain.service is no field. There are: severity"),
            (json!({"audit": {}}), "audit.since is missing: write a time"),
            (json!({"audit": {"since": "7d"}}), "audit.since: \"7d\" is not a time"),
        ] {
            let wrong = wrong(&event).unwrap_or_default();
            assert!(wrong.starts_with(&format!("the event is not understood: {said}")), "{event}: {wrong}");
        }
    }
}
