//! Database migrations. Shapes: AWS DMS User Guide, "Working with Amazon EventBridge events and notifications" and
//! "Working with Amazon SNS events and notifications".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Console, Event, Told, encoded, fact, name_of, subject, text, time};
use super::letter::Letter;

/// A change of a task or an instance, by `EventBridge` or by an event subscription.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    from_event(content, letter).or_else(|| from_subscription(content, letter))
}

/// What both shapes tell.
struct Known<'a> {
    /// Such as `REPLICATION_TASK`, in any spelling.
    kind: &'a str,
    id: &'a str,
    arn: Option<&'a str>,
    /// What became of it: a word, or what is said.
    word: &'a str,
    said: &'a str,
    event: Option<&'a str>,
}

fn from_event(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.dms", content)?;
    let arn = event.resource();
    let said = event.text("/detailMessage").or_else(|| event.text("/eventType"))?;
    let known = Known {
        kind: event.text("/type").unwrap_or(event.kind),
        id: arn.map(name_of)?,
        arn,
        word: event.text("/eventType").unwrap_or(said),
        said,
        event: event.text("/eventId"),
    };
    let (incident, title, state, severity) = known.told();
    let subject = subject("dms", known.id, arn);
    let told = Told { incident: &incident, state, severity, subject, title: &title, time: None };
    let mut notice = told.of(&event, letter);
    known.tell(&mut notice, event.console());
    Some(notice)
}

fn from_subscription(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let said = text(content, "/Event Message")?;
    let known = Known {
        kind: text(content, "/Event Source").filter(|kind| kind.starts_with("replication"))?,
        id: text(content, "/SourceId").or_else(|| text(content, "/Source ID"))?,
        arn: None,
        word: said,
        said,
        event: text(content, "/Event ID").map(|link| link.rsplit('#').next().unwrap_or(link)),
    };
    let (incident, title, state, severity) = known.told();
    let time = text(content, "/Event Time").and_then(time);
    let subject = subject("dms", known.id, None);
    let told = Told { incident: &incident, state, severity, subject, title: &title, time };
    let place = letter.place();
    let mut notice = told.notice("dms", place, letter);
    known.tell(&mut notice, place.0.and_then(Console::of));
    Some(notice)
}

impl Known<'_> {
    fn called(&self) -> &'static str {
        let kind = self.kind.to_ascii_lowercase();
        match kind {
            kind if kind.contains("task") => "Replication task",
            kind if kind.contains("instance") => "Replication instance",
            kind if kind.contains("endpoint") => "Replication endpoint",
            _ => "Replication",
        }
    }

    /// A task that failed is well again when it is started.
    fn told(&self) -> (String, String, State, Severity) {
        let word = self.word.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|one| word.contains(one));
        let (state, severity) = match () {
            () if says(&["failover", "fail over"]) => (State::Info, Severity::Sev3),
            () if says(&["fail", "low_storage", "low storage", "fatal"]) => (State::Firing, Severity::Sev2),
            () if says(&["started", "resumed", "running"]) => (State::Resolved, Severity::Sev4),
            () if says(&["stopped", "deleted", "suspended"]) => (State::Info, Severity::Sev3),
            () => (State::Info, Severity::Sev4),
        };
        let Self { id, said, .. } = self;
        let incident = format!("dms:{}", self.arn.unwrap_or(id));
        (incident, format!("{} {id}: {}", self.called(), said.trim_end_matches('.')), state, severity)
    }

    fn tell(&self, notice: &mut Notice, console: Option<Console<'_>>) {
        self.said.clone_into(&mut notice.summary);
        notice.fact(self.called(), self.id);
        if self.word != self.said {
            notice.fact("What happened", self.word);
        }
        fact(notice, "Event", self.event);
        if notice.state == State::Firing {
            notice.next_steps.push("Read the log of the task, mend the cause, and resume it.".to_owned());
        }
        if let Some(console) = console {
            let page =
                if self.called() == "Replication task" { "#taskDetails/" } else { "#replicationInstances/" };
            notice.links.push(console.link("AWS DMS", "dms/v2/home", &format!("{page}{}", encoded(self.id))));
        }
    }
}
