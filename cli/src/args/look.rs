//! `wk doctor`, `wk validate`, `wk env` and `wk audit`: what looks only.

use clap::Args as ClapArgs;
use jiff::SignedDuration;

use super::time::back;

/// So many days are remembered of what was done.
const REMEMBERED: i64 = 180;

const SHOWING: &str = "\
Values are masked: they are set, or empty. --show shows the plain ones, never secrets, and only where nobody else reads them:
on a terminal, outside of production, of a service whose tag watchkeeper:environment names the environment. --filter looks at
names alone; the words database, secrets and api each stand for the names that usually have to do with that.

Exit codes: 0 shown, or both the same; 2 the two environments differ; 3 could not run.";

/// Before a deployment.
#[derive(Debug, ClapArgs)]
pub struct Validate {
    /// Only for this service, such as web or prod/web; without it, for all of the environment.
    pub service: Option<String>,
}

/// Of which service, and how.
#[derive(Debug, ClapArgs)]
#[command(after_help = SHOWING)]
pub struct Variables {
    /// Such as web, prod/web or ecs:prod/web.
    pub service: String,
    /// Only names with this in them; or one of the groups database, secrets, api.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Beside the same service of this environment: which are the same, and which differ.
    #[arg(long, value_name = "OTHER_ENV")]
    pub compare: Option<String>,
    /// What the service is called there, such as staging/web; without it, as here.
    #[arg(long, value_name = "SERVICE", requires = "compare")]
    pub with: Option<String>,
    /// Show plain values, outside of production and on a terminal only.
    #[arg(long, conflicts_with_all = ["compare", "remote"])]
    pub show: bool,
}

/// Of which time, and of what.
#[derive(Debug, ClapArgs)]
pub struct Audit {
    /// Since how long ago: 90m, 24h, 7d.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = |text: &str| back(text, REMEMBERED))]
    pub since: SignedDuration,
    /// Only this, such as prod/web, lambda:orders:live or stack:billing.
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
}
