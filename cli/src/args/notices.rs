//! `wk silence` and `wk route`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::Who;

/// What is silenced.
#[derive(Debug, ClapArgs)]
pub struct Silence {
    /// What it is about, such as service=web or source=rds; all of them have to fit.
    #[arg(value_name = "FIELD=VALUE", requires_all = ["until", "reason"])]
    pub matches: Vec<String>,
    /// Until when, such as 2026-12-01T00:00:00Z.
    #[arg(long, value_name = "TIME", requires = "matches")]
    pub until: Option<String>,
    /// Why.
    #[arg(long, requires = "matches")]
    pub reason: Option<String>,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
}

/// Who is told what.
#[derive(Debug, Subcommand)]
pub enum Route {
    /// Which channels would get something, and why or why not. Nobody is told.
    Test(Sketch),
}

/// What would be told.
#[derive(Debug, ClapArgs)]
pub struct Sketch {
    /// How bad: sev1 to sev4.
    #[arg(long, default_value = "sev2")]
    pub severity: String,
    /// Whether it begins (firing), ends (resolved) or is told for the record (info).
    #[arg(long, default_value = "firing")]
    pub state: String,
    /// Who tells it, such as alarm-rollback.
    #[arg(long)]
    pub source: Option<String>,
    /// What kind of thing it is about, such as ecs-service.
    #[arg(long)]
    pub kind: Option<String>,
    /// What it is about, such as prod/web.
    #[arg(long)]
    pub subject: Option<String>,
    /// A label, such as service=web; may be given several times.
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// When, such as 2026-11-29T03:00:00Z; without it, now.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Under this policy, which is not in place yet.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}
