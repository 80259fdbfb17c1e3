//! `health-check`: finds what belongs to the environment by its tag, checks it, and tells what changed.
//!
//! ```text
//! schedule ─▶ discover ─▶ check each kind within its API's budget ─▶ root causes ─▶ compare with what is remembered
//!                                 ▲         │                                            │
//!                                 └─ more ◀─┘              it is remembered ◀─ people are told
//! ```
//!
//! A check that cannot be made is *unknown*, with the permission or the throttle that kept it; nothing is healthy by
//! default. What the deadline kept from being reached is said.
//!
//! People are told of a component before it is remembered that they were: a process that dies in between tells them again,
//! under the same incident and revision, which a channel is told once.

mod clients;
pub mod component;
pub mod decision;
mod discover;
mod event;
mod memory;
mod observe;
pub mod page;
pub mod result;
mod sweep;
mod tell;
mod watch;

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::config::Env;
use shared::error::Call;
use shared::lambda::Invocation;
use shared::ledger::Ledger;
use shared::notice::Notice;
use shared::policy::{self, Loaded};
use shared::tags::Mode;
use shared::{Error, Report, Result};
use tokio::sync::OnceCell;

use crate::clients::Clients;
use crate::decision::Health;
use crate::event::{Asked, Hand};
use crate::memory::Memory;
use crate::observe::http::Probes;
use crate::page::Point;
use crate::result::format::{render, render_within};
use crate::result::{Counts, Sweep};
use crate::sweep::whole::Swept;
use crate::sweep::{Ask, whole};
use crate::watch::About;

/// This part of the invocation's time is kept back, to tell people and to remember: a sixth.
const MARGIN: u32 = 6;

/// How many notices are published at once.
const PUBLISHED_AT_ONCE: usize = 8;

/// The settings, read once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment that is watched.
    pub environment: String,
    /// Whether it looks by itself: it does in every mode but `off`.
    pub mode: Mode,
    /// The ledger's table.
    pub ledger_table: String,
    /// Where notices go.
    pub notices_topic: String,
    /// The bucket of the status page.
    pub status_bucket: String,
}

impl Config {
    /// Reads the settings, or says which one is wrong.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable.
    pub fn read(env: &Env<'_>) -> Result<Self> {
        Ok(Self {
            environment: env.required("ENVIRONMENT")?,
            mode: env.required("MODE")?,
            ledger_table: env.required("LEDGER_TABLE")?,
            notices_topic: env.required("NOTICES_TOPIC_ARN")?,
            status_bucket: env.required("STATUS_BUCKET")?,
        })
    }
}

/// The function.
#[derive(Debug)]
pub struct HealthCheck {
    config: Config,
    aws: Aws,
    tools: OnceCell<Tools>,
}

/// What one process makes once.
#[derive(Debug)]
struct Tools {
    clients: Clients,
    probes: Probes,
    ledger: Ledger,
}

impl HealthCheck {
    /// Nothing is connected yet.
    pub fn new(config: Config) -> Self {
        Self { config, aws: Aws::new(), tools: OnceCell::const_new() }
    }

    async fn tools(&self) -> &Tools {
        self.tools
            .get_or_init(async || {
                let config = self.aws.config().await;
                let ledger = Ledger::new(aws_sdk_dynamodb::Client::new(config), &self.config.ledger_table);
                Tools { clients: Clients::new(config), probes: Probes::new(), ledger }
            })
            .await
    }

    /// Does what the event asks for.
    ///
    /// # Errors
    /// What kept the event from being dealt with: an event or a policy that is not understood, a ledger or a topic that does
    /// not answer. A check that fails is a part of the result.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Report> {
        let asked = event::read(event)?;
        if asked == Asked::All && self.config.mode == Mode::Off {
            let why = "the mode is off: nothing is looked at but by hand";
            return Ok(Report::new("ignored", "", why).answering(json!({"reason": why})));
        }
        let tools = self.tools().await;
        let environment = &self.config.environment;
        if let Asked::Hand(Hand { environment: Some(other), .. }) = &asked
            && other != environment
        {
            return Err(Error::Event(format!(
                "this function watches {environment}; ask the one of {other}'s stack"
            )));
        }
        let loaded = policy::load(tools.clients.ssm(), environment).await?;
        let production = loaded.policy.is_production(environment);
        let expected = loaded.policy.health.expect.of(environment, production);
        let ask = Ask::new(
            &tools.clients,
            &tools.probes,
            &loaded.policy.health,
            &expected,
            environment,
            invocation.now,
        );
        let left = invocation.left(Duration::ZERO);
        let until = tokio::time::Instant::now() + left.saturating_sub(left / MARGIN);
        match asked {
            Asked::Hand(hand) => {
                let mut sweep = whole::sweep(&ask, &hand.wanted(), until).await.sweep;
                // Without it, only since when is not known.
                let memory = Memory::of(&tools.ledger, environment).await.unwrap_or_default();
                watch::date(&mut sweep, |id| memory.component(id));
                Ok(report(&sweep, &loaded).answering(answer(&hand, &sweep)))
            }
            Asked::All => {
                let memory = Memory::of(&tools.ledger, environment).await?;
                let mut swept = whole::sweep(&ask, &None, until).await;
                self.settle(&mut swept, memory, tools, &loaded, invocation).await
            }
        }
    }

    /// Tells what changed, remembers it, and writes the status page.
    async fn settle(
        &self,
        swept: &mut Swept,
        memory: Memory,
        tools: &Tools,
        loaded: &Loaded,
        invocation: &Invocation,
    ) -> Result<Report> {
        let (environment, now) = (&self.config.environment, invocation.now);
        let mut plan = watch::plan(swept, &memory, &loaded.policy, environment, now);
        let notices = std::mem::take(&mut plan.notices);
        let (sns, topic) = (tools.clients.sns(), &self.config.notices_topic);
        let publish =
            async |(about, notice): &(About, Notice)| (about.clone(), notice.publish(sns, topic).await);
        let all: Vec<_> =
            stream::iter(&notices).map(publish).buffer_unordered(PUBLISHED_AT_ONCE).collect().await;
        let mut failed = None;
        let mut told = 0;
        for (about, published) in all {
            match published {
                Ok(()) => told += 1,
                // One that cannot be told keeps no other from being told, and is told by the next sweep.
                Err(error) => {
                    plan.untold(&about, &memory);
                    failed = Some(error);
                }
            }
        }
        memory.keep(&tools.ledger, environment, &plan.changed, &plan.sweeps, now).await?;
        let page = self.write_page(&swept.sweep, &plan.sweeps.points, tools, loaded).await;
        watch::measure(&swept.sweep, environment, now);
        let Sweep { health, counts, .. } = &swept.sweep;
        let report = report(&swept.sweep, loaded)
            .metric("NoticesTold", "Count", f64::from(told))
            .answering(json!({"health": health, "counts": counts, "told": told}));
        Ok(match failed.or(page.err()) {
            None => report,
            Some(error) => report.failing(&error),
        })
    }

    async fn write_page(
        &self,
        sweep: &Sweep,
        points: &[Point],
        tools: &Tools,
        loaded: &Loaded,
    ) -> Result<()> {
        let Some(page) = &loaded.policy.health.page else { return Ok(()) };
        tools
            .clients
            .s3()
            .put_object()
            .bucket(&self.config.status_bucket)
            .key(&page.key)
            .content_type("text/html; charset=utf-8")
            .cache_control("no-store")
            .body(ByteStream::from(page::page(sweep, points).into_bytes()))
            .send()
            .await
            .action("s3:PutObject")?;
        Ok(())
    }
}

/// What is answered by hand: the text in the format that was asked for, and what a process would exit with.
fn answer(hand: &Hand, sweep: &Sweep) -> Value {
    let text = match hand.width {
        Some(width) => render_within(sweep, hand.format, width),
        None => render(sweep, hand.format),
    };
    json!({"exit": sweep.exit(), "health": sweep.health, "counts": sweep.counts, "text": text})
}

fn report(sweep: &Sweep, loaded: &Loaded) -> Report {
    let Counts { failed, degraded, unknown, healthy, .. } = sweep.counts;
    let outcome = match sweep.exit() {
        0 => "healthy",
        1 => "failed_components",
        3 => "nothing_found",
        _ if sweep.health == Health::Unknown => "unknown_components",
        _ => "degraded_components",
    };
    let reason = format!("{failed} failed, {degraded} degraded, {unknown} unknown, {healthy} healthy");
    let bad: Vec<Value> = sweep
        .components
        .iter()
        .filter(|checked| checked.health.is_bad())
        .take(watch::RECORDED)
        .map(|checked| json!({"component": checked.id(), "health": checked.health, "reason": checked.reason}))
        .collect();
    Report::new(outcome, "", reason)
        .record("policy_version", &loaded.version)
        .record("took_ms", &sweep.took_ms)
        .record("incomplete", &sweep.incomplete)
        .record("bad", &bad)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire;
