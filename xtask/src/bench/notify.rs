//! What `notification-fanout` makes of a burst of notices, and what it adds to the slowest of its channels: the real
//! binary, several instances of it, real HTTPS receivers, and an AWS that answers at once.

mod burst;
mod overhead;
mod world;

use std::path::PathBuf;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use local::place;
use local::progress::Progress;
use local::receiver::Receiver;
use local::runtime_api::Function;
use local::tls::Authority;
use shared::notice::{Fact, Link, Notice, Severity, State, Subject};

use super::binaries::{Subject as Binary, Subjects};
use super::row::Row;
use world::World;

/// All of it.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let stage = Stage::set(&subjects.notification_fanout).await?;
    progress.step("Measuring what the fan-out adds to its slowest channel");
    let mut rows = overhead::rows(&stage).await?;
    progress.step("Measuring a burst of notices (two minutes by its nature: a storm is told after one)");
    rows.extend(burst::rows(&stage).await?);
    Ok(rows)
}

/// The channels that speak HTTPS, and who is trusted.
struct Stage<'a> {
    subject: &'a Binary,
    receiver: Receiver,
    roots: PathBuf,
}

impl<'a> Stage<'a> {
    async fn set(subject: &'a Binary) -> anyhow::Result<Self> {
        let folder = place::local().join("bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let authority = Authority::new()?;
        let roots = folder.join("receiver.pem");
        std::fs::write(&roots, authority.ca_pem())
            .with_context(|| format!("cannot write {}", roots.display()))?;
        Ok(Self { subject, receiver: Receiver::start(&authority).await?, roots })
    }

    /// An instance of the function in this world.
    async fn spawn(&self, world: &World) -> anyhow::Result<Function> {
        let roots = self.roots.to_string_lossy().into_owned();
        let env = [("AWS_ENDPOINT_URL", world.url().to_owned()), ("SSL_CERT_FILE", roots)];
        self.subject.spawn(&env).await
    }

    fn row(&self, what: &str, unit: &'static str, value: f64) -> Row {
        Row::new(self.subject.name, what, unit, value)
    }
}

/// A notice of an incident, so much after a time.
fn notice(
    incident: &str,
    severity: Severity,
    now: Timestamp,
    after: SignedDuration,
) -> anyhow::Result<Notice> {
    let subject = Subject { kind: "ecs-service".to_owned(), id: format!("prod/{incident}"), arn: None };
    let title = format!("{incident} answers with errors");
    let time = now.checked_add(after)?;
    let mut notice =
        Notice::new(&format!("alarm:{incident}-5xx"), State::Firing, severity, subject, &title, time);
    "alarms".clone_into(&mut notice.source);
    "dev".clone_into(&mut notice.environment);
    "More than 5 of 100 requests fail.".clone_into(&mut notice.summary);
    notice.facts = [("Alarm", "5xx"), ("Threshold", "5.0"), ("Datapoint", "17.25")]
        .map(|(name, value)| Fact { name: name.to_owned(), value: value.to_owned() })
        .into();
    notice.next_steps = vec!["Look at the newest deployment.".to_owned()];
    notice.links = vec![Link {
        title: "Alarm".to_owned(),
        url: "https://eu-central-1.console.aws.amazon.com/cloudwatch/home#alarmsV2:alarm/5xx".to_owned(),
    }];
    Ok(notice)
}
