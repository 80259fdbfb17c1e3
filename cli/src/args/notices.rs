//! `wk incidents`, `wk silence` and `wk route`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use jiff::SignedDuration;
use shared::notice::Severity;

use super::Who;
use super::time::{When, back};

/// So many days are remembered of what is over.
const REMEMBERED: i64 = 30;

/// Below the help of `wk ack`.
pub(super) const ACK: &str = "\
Examples:
  wk ack alarm:web-5xx                       the key stands at the end of each message, and in wk incidents
  wk ack alarm:web-5xx --by ann

The first who says so counts, and the channels are told. It also stops the reminders, until the incident is over.
Exit codes: 0 it is yours, 1 somebody else was first, or it is over or unknown, 3 could not run.";

/// Which incidents.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  wk incidents                               what goes on, the worst first, and who has it in hand
  wk incidents --over                        also what was over within the last day
  wk incidents --over --since 7d             the same of a week; 30 days are remembered
  wk ack alarm:web-5xx                       you have that one in hand")]
pub struct Incidents {
    /// Also those that are over: when they ended, and how long they lasted.
    #[arg(long)]
    pub over: bool,
    /// Over since when, such as 12h or 7d back from now; without it, a day.
    #[arg(long, value_name = "TIME", requires = "over", value_parser = |text: &str| back(text, REMEMBERED))]
    pub since: Option<SignedDuration>,
}

/// What is silenced.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  wk silence                                 those there are, with their ids
  wk silence service=web --until 2h --reason \"the fair\"
  wk silence source=rds source=cloudwatch 'subject=prod-db*' --until 2026-12-01T00:00:00Z --reason \"it moves\"
  wk silence --end 0f1e2d3c4b5a6978          what goes on is told again

Fields are severity, state, source, environment, kind, subject, incident, service, and any label of a notice.
All have to fit; of a field that comes several times, one. * stands for any text, ! in front for not.
Exit codes: 0 done, 1 refused, 2 silenced, but look at the note, 3 could not run or was asked wrongly.")]
pub struct Silence {
    /// What it is about, such as service=web or source=rds; all of them have to fit.
    #[arg(value_name = "FIELD=VALUE", requires_all = ["until", "reason"])]
    pub matches: Vec<String>,
    /// Until when: 30m, 2h or 3d from now, or a time such as 2026-12-01T00:00:00Z; a year at most.
    #[arg(long, value_name = "TIME", requires = "matches", value_parser = When::read)]
    pub until: Option<When>,
    /// Why.
    #[arg(long, requires = "matches")]
    pub reason: Option<String>,
    /// End the silence with this id now; the list has the ids.
    #[arg(long, value_name = "ID", conflicts_with_all = ["matches", "until", "reason"])]
    pub end: Option<String>,
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
#[command(after_help = "\
Examples:
  wk route test --severity sev1 --subject prod/web --kind ecs-service
  wk route test --severity sev3 --at 2026-11-29T03:00:00Z      in the night from Saturday to Sunday
  wk route test --state resolved --label service=web           the end of an incident
  wk route test --severity sev2 --policy policy.yaml           under a policy that is not in place yet

Exit codes: 0 somebody would be told; 2 nobody would be, or a channel cannot be used or does not exist; 3 could not run, or
the policy in place cannot be read.")]
pub struct Sketch {
    /// How bad: sev1 to sev4.
    #[arg(long, default_value = "sev2", value_parser = severity)]
    pub severity: Severity,
    /// Whether it begins (firing), ends (resolved) or is told for the record (info).
    #[arg(long, default_value = "firing", value_parser = ["firing", "resolved", "info"], hide_possible_values = true)]
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
    /// When: a time such as 2026-11-29T03:00:00Z, or 8h from now; without it, now.
    #[arg(long, value_name = "TIME", value_parser = When::read)]
    pub at: Option<When>,
    /// Under this policy, which is not in place yet.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

fn severity(text: &str) -> Result<Severity, String> {
    text.parse().map_err(|_| "write sev1, sev2, sev3 or sev4 (P1 to P4 are read as the same)".to_owned())
}
