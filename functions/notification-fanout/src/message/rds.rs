//! Databases. Shapes: Amazon RDS User Guide, "Overview of events for Amazon RDS" and "Working with Amazon RDS event
//! notification".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Console, Event, Told, encoded, fact, parts_of, place_by, subject, text, time};
use super::letter::Letter;

/// An event of a database, by `EventBridge` or by an event subscription.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    from_event(content, letter).or_else(|| from_subscription(content, letter))
}

/// What both shapes tell.
struct Known<'a> {
    /// Such as `db-instance`, in any spelling.
    kind: &'a str,
    id: &'a str,
    arn: Option<&'a str>,
    said: &'a str,
    event: Option<&'a str>,
    categories: Vec<&'a str>,
}

fn from_event(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.rds", content)?;
    let categories = event.detail.get("EventCategories").and_then(Value::as_array);
    let known = Known {
        kind: event.text("/SourceType").unwrap_or(event.kind),
        id: event.text("/SourceIdentifier")?,
        arn: event.text("/SourceArn").or(event.resource()),
        said: event.text("/Message")?,
        event: event.text("/EventID"),
        categories: categories.into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let mut notice =
        known.notice(event.text("/Date").and_then(time).or(event.time()), event.region(), letter);
    if let Some(account) = event.account() {
        notice.labels.insert("account".to_owned(), account.to_owned());
    }
    place_by(&mut notice, event.detail.get("Tags"));
    Some(notice)
}

fn from_subscription(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let kind = text(content, "/Event Source")?;
    // Other services write theirs in the same form.
    if kind.starts_with("replication") {
        return None;
    }
    let known = Known {
        kind,
        id: text(content, "/Source ID")?,
        arn: text(content, "/Source ARN"),
        said: text(content, "/Event Message")?,
        event: text(content, "/Event ID").map(|link| link.rsplit('#').next().unwrap_or(link)),
        categories: Vec::new(),
    };
    let when = text(content, "/Event Time").and_then(time);
    let (region, _) = letter.place();
    let mut notice = known.notice(when, region, letter);
    place_by(&mut notice, content.get("Tags"));
    Some(notice)
}

impl Known<'_> {
    fn notice(&self, when: Option<jiff::Timestamp>, region: Option<&str>, letter: &Letter<'_>) -> Notice {
        let Self { kind, id, arn, said, event, categories } = self;
        let (what, state, severity) = self.meaning();
        let incident = format!("rds:{}:{what}", arn.unwrap_or(id));
        let title = format!("{} {id}: {}", self.called(), said.trim_end_matches('.'));
        let told = Told {
            incident: &incident,
            state,
            severity,
            subject: subject("database", id, *arn),
            title: &title,
            time: when,
        };
        let (_, own, account) = arn.map(parts_of).unwrap_or_default();
        let region = own.or(region);
        let mut notice = told.notice("rds", (region, account.or(letter.place().1)), letter);
        (*said).clone_into(&mut notice.summary);
        notice.fact(self.called(), id);
        if !categories.is_empty() {
            notice.fact("Category", categories.join(", "));
        }
        fact(&mut notice, "Event", *event);
        if state == State::Firing {
            let step = match what {
                "storage" => "Give it more storage, or free some, before it stops.",
                "replication" => "Look why the replica does not follow, and read from the writer meanwhile.",
                _ => "Look at the database's log, and whether the services that use it connect again.",
            };
            notice.next_steps.push(step.to_owned());
        }
        let cluster = kind.to_ascii_lowercase().contains("cluster");
        if let Some(console) = region.and_then(Console::of) {
            let page = format!("#database:id={};is-cluster={cluster}", encoded(id));
            notice.links.push(console.link("Database", "rds/home", &page));
        }
        notice
    }

    fn called(&self) -> &'static str {
        let kind = self.kind.to_ascii_lowercase();
        match kind {
            kind if kind.contains("snapshot") => "Snapshot",
            kind if kind.contains("cluster") => "Database cluster",
            kind if kind.contains("parameter") => "Parameter group",
            kind if kind.contains("proxy") => "Database proxy",
            kind if kind.contains("green") => "Blue/green deployment",
            _ => "Database",
        }
    }

    /// Which problem it is about, and where that stands. Event subscriptions do not say their categories, and one
    /// category holds both beginning and end, so that the words count.
    fn meaning(&self) -> (&'static str, State, Severity) {
        let said = self.said.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let is = |category: &str| self.categories.contains(&category);
        if says(&["failover"]) || is("failover") {
            return match () {
                () if says(&["abandon", "completed", "complete "]) || said.ends_with("complete") => {
                    ("failover", State::Resolved, Severity::Sev3)
                }
                () if says(&["started", "beginning", "initiat"]) => {
                    ("failover", State::Firing, Severity::Sev2)
                }
                () => ("failover", State::Info, Severity::Sev3),
            };
        }
        if says(&["replication", "read replica"]) && says(&["error", "stopped", "terminated", "ended"]) {
            return ("replication", State::Firing, Severity::Sev3);
        }
        if says(&["replication"]) && says(&["resumed"]) {
            return ("replication", State::Resolved, Severity::Sev4);
        }
        if says(&["storage"]) && says(&["exhausted", "low", "full"]) || is("low storage") {
            let severity =
                if says(&["has been exhausted", "full"]) { Severity::Sev1 } else { Severity::Sev2 };
            return ("storage", State::Firing, severity);
        }
        if says(&["storage"]) && says(&["finished"]) {
            return ("storage", State::Resolved, Severity::Sev4);
        }
        if says(&["recovery"]) && says(&["complete"]) {
            return ("failure", State::Resolved, Severity::Sev3);
        }
        if says(&["recovery"]) && says(&["started"]) || is("failure") {
            return ("failure", State::Firing, Severity::Sev2);
        }
        if says(&["shutdown", "shut down"]) {
            return ("availability", State::Firing, Severity::Sev2);
        }
        if says(&["restarted", "db instance started"]) {
            return ("availability", State::Resolved, Severity::Sev3);
        }
        let severity = match () {
            () if is("deletion") || is("security") || is("recovery") || says(&["deleted"]) => Severity::Sev3,
            () => Severity::Sev4,
        };
        ("events", State::Info, severity)
    }
}
