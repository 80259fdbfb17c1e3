//! Every kind of channel is told, by the deployed functions, and what each of them got is shown as people would see it:
//! on one page, `target/demo/notifications.html`.
//!
//! The receiver stands in the place of the vendors and answers as they do; topics and email are those of local AWS.

mod got;
mod notices;
mod vendors;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use local::deployment::until;
use local::place;
use serde_json::{Map, Value, json};

use self::got::Got;
use super::page::{self, Cell, Column, Kind, Row, State};
use super::record::Story;
use super::report::text;
use super::{SOON, Stand};
use crate::corpus::wall;
use crate::say::{self, Tone};

pub(super) use vendors::{PARAMETERS, POLICY, secret};

/// How many notices come at once.
const BURST: usize = 30;

/// The fan-out's and the acknowledging function's log.
const FANOUT_LOG: &str = "NotificationFanoutLogGroup";
const ACKNOWLEDGE_LOG: &str = "AcknowledgeLogGroup";

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("channels", "Every kind of channel is told, and shown as people see it");
    let vendors =
        "the receiver answers as Slack, Teams, PagerDuty and GitHub do; topics and email are local AWS's";
    say::also("in place", vendors);
    stand.deployment.receiver.answer_by(vendors::answers());
    let began = wall();
    let mut told = Told { stand, got: Got::start(stand).await?, rows: Vec::new() };
    told.incident(began).await?;
    told.deployment().await?;
    told.report().await?;
    told.burst().await?;

    let mut rows = told.rows;
    let seen = Seen::of(stand, notices::INCIDENT).await?;
    explain(&mut rows, &seen);
    expect(&rows)?;
    no_link_in_logs(stand).await?;
    let columns = seen.columns(&rows);
    let path = place::shown(&write(&columns, &rows, began)?);
    let mut channels = Map::new();
    for Column { kind, messages, state } in &columns {
        let (name, state) = (kind.channel(), state.as_str());
        say::row(Tone::Good, "✓", &format!("{name:<11} {messages:>3} messages   {state}"));
        channels.insert(name.to_owned(), json!({"messages": messages, "state": state}));
    }
    stand.say(Tone::Good, "page", &path);
    let reason =
        format!("{} kinds of channel heard; {BURST} notices at once were read as one", columns.len());
    story.done(json!({"reason": reason, "page": path, "folded": BURST, "channels": channels}));
    Ok(())
}

/// What is told, one after the other.
struct Told<'a> {
    stand: &'a Stand,
    got: Got<'a>,
    rows: Vec<Row>,
}

impl Told<'_> {
    fn row(&mut self, title: &str, about: &str, cells: Vec<Cell>) {
        self.rows.push(Row { title: title.to_owned(), about: about.to_owned(), cells });
    }

    /// An incident begins, is acknowledged, and is over.
    async fn incident(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let beginning = notices::incident(now);
        self.got.publish(std::slice::from_ref(&beginning)).await?;
        let cells = self.got.wait_for(|kind| usize::from(kind != Kind::GitHub)).await?;
        let about =
            "SEV-1, with what was done, what is left to do, where to look, and a link to acknowledge.";
        self.row("An incident begins", about, cells);
        self.stand.say(Tone::Bad, "told", "a SEV-1 begins, with what was done and what is left to do");

        acknowledge(self.stand).await?;
        let cells = self.got.wait_for(|kind| usize::from(kind != Kind::GitHub)).await?;
        self.row("Somebody acknowledges it", "By the signed link, on the page that it leads to.", cells);
        self.stand.say(Tone::Good, "told", "Ana follows the signed link to its page and has it in hand");

        self.got.publish(&[notices::resolution(&beginning, wall())]).await?;
        let due = |kind| match kind {
            Kind::GitHub => 0,
            Kind::SlackApp => 2,
            Kind::Slack
            | Kind::Teams
            | Kind::PagerDuty
            | Kind::Text
            | Kind::Email
            | Kind::AmazonQ
            | Kind::Webhook => 1,
        };
        let cells = self.got.wait_for(due).await?;
        self.row("It is over", "With how long it lasted; the same incident everywhere.", cells);
        self.stand.say(Tone::Good, "told", "it is over: the same incident ends on every channel");
        Ok(())
    }

    /// A workflow tells of its deployment.
    async fn deployment(&mut self) -> anyhow::Result<()> {
        self.got.publish_message(&notices::deployment("begun", wall())).await?;
        // GitHub is asked for the deployment before it is created and gets its status.
        let mut cells = self.got.wait_for(|kind| if kind == Kind::GitHub { 3 } else { 1 }).await?;
        self.got.publish_message(&notices::deployment("succeeded", wall())).await?;
        let later = self.got.wait_for(|kind| if kind == Kind::SlackApp { 2 } else { 1 }).await?;
        for (cell, later) in cells.iter_mut().zip(later) {
            cell.messages.extend(later.messages);
        }
        let about = "It publishes one message when it begins, and one when it is done and healthy.";
        self.row("A workflow deploys", about, cells);
        self.stand.say(Tone::Plain, "told", "a workflow deploys payments: begun, then succeeded and healthy");
        Ok(())
    }

    async fn report(&mut self) -> anyhow::Result<()> {
        self.got.publish(&[notices::report(wall())]).await?;
        let cells = self.got.wait_for(|kind| usize::from(kind != Kind::GitHub)).await?;
        let about = "51 findings and a stack trace of 9 KB, full of what breaks markup or calls everybody.";
        self.row("A report that is hard to show", about, cells);
        self.stand.say(Tone::Warm, "told", "a report of 51 findings, full of what breaks markup");
        Ok(())
    }

    /// Many at once, which people read as one.
    async fn burst(&mut self) -> anyhow::Result<()> {
        self.got.publish(&notices::burst(BURST, wall())).await?;
        let due = |kind| match kind {
            Kind::PagerDuty | Kind::GitHub => 0,
            Kind::Webhook => BURST,
            Kind::Slack | Kind::SlackApp | Kind::Teams | Kind::Text | Kind::Email | Kind::AmazonQ => 1,
        };
        let cells = self.got.wait_for(due).await?;
        let about = "The route groups them by service: people are told once, machines of each.";
        self.row("Thirty come at once", about, cells);
        self.stand.say(
            Tone::Warm,
            "told",
            &format!("{BURST} notices at once, which people read as one message"),
        );
        Ok(())
    }
}

/// Follows the link in Slack's message as a browser does: to the page, and by its form.
async fn acknowledge(stand: &Stand) -> anyhow::Result<()> {
    let messages = stand.deployment.receiver.requests("/channels/slack");
    let message = messages.first().map(|request| request.json().to_string()).unwrap_or_default();
    let link = vendors::acknowledge_link(&message).context("Slack got no link to acknowledge")?;
    let path = vendors::local_path(&link).context("the link does not lead to a function's URL")?;
    let (status, page) = stand.deployment.ask("GET", &path, "").await?;
    ensure!(status == 200 && page.contains("<form"), "the link's page answers {status}");
    let (status, _) = stand.deployment.ask("POST", &path, "name=Ana").await?;
    ensure!(status == 200, "to acknowledge answers {status}");
    Ok(())
}

/// What the fan-out reported of its deliveries.
struct Seen {
    reports: Vec<Value>,
}

impl Seen {
    /// Waits until the report of the first notice is there.
    async fn of(stand: &Stand, incident: &str) -> anyhow::Result<Self> {
        let found = until(SOON, async || {
            let reports = stand.deployment.reports(FANOUT_LOG).await?;
            Ok(reports.iter().any(|report| report.to_string().contains(incident)).then_some(reports))
        })
        .await?;
        Ok(Self { reports: found.context("the fan-out did not report what it told")? })
    }

    /// What came of the last notice on a channel.
    async fn last_of(stand: &Stand, channel: &str) -> anyhow::Result<String> {
        let seen = Self { reports: stand.deployment.reports(FANOUT_LOG).await? };
        Ok(seen.outcomes(channel).last().map_or("nothing".to_owned(), |(_, outcome)| outcome.to_string()))
    }

    /// What came of all notices on a channel.
    fn outcomes<'a>(&'a self, channel: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let notices = self.reports.iter().filter_map(|report| report.pointer("/record/notices")?.as_array());
        notices
            .flatten()
            .filter_map(move |notice| Some((text(notice, "incident"), notice.get("channels")?.get(channel)?)))
    }

    fn columns(&self, rows: &[Row]) -> Vec<Column> {
        Kind::ALL
            .into_iter()
            .map(|kind| {
                let cells = rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.kind == kind);
                let accepted = self
                    .outcomes(kind.channel())
                    .any(|(_, outcome)| text(outcome, "outcome") == "accepted_unverified");
                Column {
                    kind,
                    messages: cells.map(|cell| cell.messages.len()).sum(),
                    state: if accepted { State::Accepted } else { State::Acknowledged },
                }
            })
            .collect()
    }
}

/// Says in each empty cell why nothing came, in the fan-out's words.
fn explain(rows: &mut [Row], seen: &Seen) {
    for row in rows {
        // What came to the webhook tells which incident the row is about.
        let incident = row.cells.iter().find(|cell| cell.kind == Kind::Webhook);
        let incident =
            incident.and_then(|cell| Some(text(&cell.messages.first()?.body, "incident").to_owned()));
        for cell in row.cells.iter_mut().filter(|cell| cell.messages.is_empty()) {
            let why = seen
                .outcomes(cell.kind.channel())
                .filter(|(about, _)| incident.as_deref() == Some(*about))
                .map(|(_, outcome)| text(outcome, "why"))
                .find(|why| !why.is_empty());
            why.unwrap_or("its route leads elsewhere").clone_into(&mut cell.why);
        }
    }
}

/// What must hold whatever the page looks like.
fn expect(rows: &[Row]) -> anyhow::Result<()> {
    let all = |kind: Kind| {
        let cells = rows.iter().flat_map(|row| &row.cells).filter(move |cell| cell.kind == kind);
        cells.flat_map(|cell| &cell.messages)
    };
    for kind in Kind::ALL {
        ensure!(all(kind).next().is_some(), "nothing came to {}", kind.channel());
    }
    let alerts: Vec<_> = all(Kind::PagerDuty).map(|message| &message.body).collect();
    let of = |action: &str| {
        let event = alerts.iter().find(|event| text(event, "event_action") == action);
        event.map(|event| text(event, "dedup_key")).unwrap_or_default()
    };
    ensure!(
        !of("trigger").is_empty() && of("trigger") == of("resolve"),
        "PagerDuty is told the end under {:?}, the beginning under {:?}",
        of("resolve"),
        of("trigger")
    );
    let folded =
        all(Kind::Slack).any(|message| message.body.to_string().contains(&format!("{BURST} incidents")));
    ensure!(folded, "Slack was not told of {BURST} incidents as one");
    let threaded = all(Kind::SlackApp).any(|message| !text(&message.body, "thread_ts").is_empty());
    ensure!(threaded, "nothing was answered in a thread of Slack");
    Ok(())
}

/// Whoever reads the logs must not be able to acknowledge.
async fn no_link_in_logs(stand: &Stand) -> anyhow::Result<()> {
    for log in [FANOUT_LOG, ACKNOWLEDGE_LOG] {
        let lines = stand.deployment.log_lines(log).await?;
        ensure!(!lines.iter().any(|line| page::holds_token(line)), "a line of {log} holds a signed link");
    }
    Ok(())
}

fn write(columns: &[Column], rows: &[Row], at: Timestamp) -> anyhow::Result<PathBuf> {
    let html = page::render(columns, rows, at);
    let secrets = vendors::SECRETS.into_iter().find(|secret| html.contains(secret));
    ensure!(secrets.is_none() && !page::holds_token(&html), "the page holds a secret");
    let path = place::root().join("target/demo/notifications.html");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(&path, html).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
