//! What is told, before any channel's markup: one model for all renderers.
//!
//! A [`View`] is what is known when a notice is told on a channel. A [`Page`] is what people read of it, in order:
//! headline, lead, standing, summary, sections, facts, links, footer. All of it is untrusted text: each renderer
//! cleans and cuts it for its channel with [`text`].

pub mod ladder;
#[cfg(test)]
pub(crate) mod samples;
pub mod text;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Fact, Link, Notice, Severity, State};

use self::text::Text;

/// What is known when a notice is told on a channel.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The notice; for several that are told together, one that stands for them.
    pub notice: &'a Notice,
    /// Those that are told together, the most severe first; none where the notice stands for itself.
    pub together: &'a [Notice],
    /// Why it is told now.
    pub occasion: Occasion<'a>,
    /// When the incident began.
    pub started: Option<Timestamp>,
    /// The link by which it is acknowledged. Whoever holds it can, so it goes to channels only.
    pub acknowledge: Option<&'a str>,
    /// Whom to call by name, such as `U012ABCDE`; what it means depends on the channel.
    pub mentions: &'a [String],
    /// Now.
    pub now: Timestamp,
}

/// Why a notice is told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion<'a> {
    /// It is new, or has changed.
    News,
    /// It still goes on.
    Reminder,
    /// Nobody acknowledged it.
    Escalation {
        /// Who is called now.
        who: &'a str,
        /// How long it was not acknowledged.
        after: SignedDuration,
    },
    /// Another channel refused it.
    Rerouted {
        /// Which one.
        channel: &'a str,
        /// What it answered.
        why: &'a str,
    },
}

/// How it looks: the colour beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// SEV-1.
    Critical,
    /// SEV-2.
    Major,
    /// SEV-3.
    Minor,
    /// SEV-4.
    Low,
    /// It is over.
    Good,
    /// For the record.
    Neutral,
}

/// What people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// The colour beside it.
    pub tone: Tone,
    /// One line that says it all.
    pub headline: String,
    /// Why it is told again, or here.
    pub lead: Option<String>,
    /// Severity, status, environment, service, started, duration: names and values, always short.
    pub standing: Vec<(&'static str, String)>,
    /// One paragraph.
    pub summary: Cow<'a, str>,
    /// What was done, what is left to do, what is told together.
    pub sections: Vec<Section<'a>>,
    /// Names and values; a value may be a stack trace.
    pub facts: &'a [Fact],
    /// Where to look.
    pub links: Vec<Cow<'a, Link>>,
    /// Where to acknowledge.
    pub acknowledge: Option<&'a str>,
    /// Where it comes from.
    pub footer: String,
    /// The incident's key: what the shortest message is found by.
    pub incident: &'a str,
}

/// A heading and what stands under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// The heading.
    pub heading: &'static str,
    /// One line each.
    pub items: Vec<Cow<'a, str>>,
}

impl<'a> Page<'a> {
    /// What people read of this.
    #[must_use]
    pub fn of(view: &View<'a>) -> Self {
        let notice = view.notice;
        let together = view.together.iter().map(|notice| Cow::Owned(member(notice))).collect();
        let lines = |lines: &'a [String]| lines.iter().map(|line| Cow::Borrowed(line.as_str())).collect();
        let sections = [
            Section { heading: "Told together", items: together },
            Section { heading: "What Watchkeeper did", items: lines(&notice.actions) },
            Section { heading: "What is left to do", items: lines(&notice.next_steps) },
        ];
        let workflow = notice.deployment.as_ref().and_then(|deployment| deployment.workflow.as_ref());
        let workflow = workflow.filter(|url| notice.links.iter().all(|link| link.url != **url));
        let workflow =
            workflow.map(|url| Cow::Owned(Link { title: "Workflow".to_owned(), url: url.clone() }));
        Self {
            tone: tone(notice),
            headline: headline(notice),
            lead: lead(view.occasion),
            standing: standing(view),
            summary: Cow::Borrowed(&notice.summary),
            sections: sections.into_iter().filter(|section| !section.items.is_empty()).collect(),
            facts: &notice.facts,
            links: notice.links.iter().map(Cow::Borrowed).chain(workflow).collect(),
            acknowledge: view.acknowledge.filter(|_| notice.state == State::Firing),
            footer: footer(notice),
            incident: &notice.incident,
        }
    }
}

/// A notice in one line.
#[must_use]
pub fn headline(notice: &Notice) -> String {
    let title = notice.title.replace(['\n', '\r'], " ");
    let title = if Text::of(&title).is_blank() { "(without a title)" } else { title.trim() };
    match notice.state {
        State::Firing => format!("{}: {title}", notice.severity),
        State::Resolved => format!("{} resolved: {title}", notice.severity),
        State::Info => title.to_owned(),
    }
}

fn member(notice: &Notice) -> String {
    let mut line = headline(notice);
    if !notice.subject.id.is_empty() && !line.contains(&notice.subject.id) {
        line.push_str(" · ");
        line.push_str(&notice.subject.id);
    }
    line
}

const fn tone(notice: &Notice) -> Tone {
    match (notice.state, notice.severity) {
        (State::Resolved, _) => Tone::Good,
        (State::Info, _) => Tone::Neutral,
        (State::Firing, Severity::Sev1) => Tone::Critical,
        (State::Firing, Severity::Sev2) => Tone::Major,
        (State::Firing, Severity::Sev3) => Tone::Minor,
        (State::Firing, Severity::Sev4) => Tone::Low,
    }
}

fn lead(occasion: Occasion<'_>) -> Option<String> {
    match occasion {
        Occasion::News => None,
        Occasion::Reminder => Some("A reminder: it still goes on.".to_owned()),
        Occasion::Escalation { who, after } if after.is_zero() => Some(format!("{who}, you are on call.")),
        Occasion::Escalation { who, after } => {
            Some(format!("{who}, this is yours now: nobody acknowledged it for {}.", lasting(after)))
        }
        Occasion::Rerouted { channel, why } => {
            Some(format!("This was meant for {channel}, which could not be told: {why}."))
        }
    }
}

fn standing(view: &View<'_>) -> Vec<(&'static str, String)> {
    let Notice { severity, state, environment, subject, deployment, .. } = view.notice;
    let mut standing = vec![("Severity", severity.to_string()), ("Status", state.as_str().to_owned())];
    let mut add = |name, value: &str| {
        if !value.trim().is_empty() {
            standing.push((name, value.to_owned()));
        }
    };
    add("Environment", environment);
    match deployment {
        None => add("About", format!("{} {}", subject.kind, subject.id).trim()),
        Some(deployment) => {
            add("Service", &deployment.service);
            add("Deployment", deployment.status.as_str());
            let known = [
                ("Revision", &deployment.revision),
                ("Image", &deployment.image),
                ("Commit", &deployment.commit),
                ("Branch", &deployment.branch),
                ("Author", &deployment.author),
            ];
            for (name, value) in known {
                add(name, value.as_deref().unwrap_or_default());
            }
            add("Health", deployment.health.map_or("", |health| health.as_str()));
        }
    }
    if let Some(started) = view.started {
        add("Started", &format!("{started:.0}"));
        if *state == State::Resolved {
            add("Duration", &lasting(view.notice.time.duration_since(started)));
        }
    }
    standing
}

fn footer(notice: &Notice) -> String {
    let Notice { source, time, incident, revision, .. } = notice;
    format!("{source} · {time:.0} · incident {incident} · revision {revision}").replace(['\n', '\r'], " ")
}

/// How long, as people say it: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
#[must_use]
pub fn lasting(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large} {large_unit}")
        } else {
            format!("{large} {large_unit} {small} {small_unit}")
        }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(minutes, "min", if minutes < 5 { seconds % 60 } else { 0 }, "s"),
        3_600..86_400 => two(hours, "h", minutes % 60, "min"),
        86_400.. => two(days, "d", hours % 24, "h"),
        ..0 => String::new(),
    }
}
