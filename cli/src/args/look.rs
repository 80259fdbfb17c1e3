//! `wk doctor`, `wk validate`, `wk env` and `wk audit`: what looks only.

use clap::Args as ClapArgs;
use jiff::SignedDuration;

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
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = ago)]
    pub since: SignedDuration,
    /// Only this, such as prod/web, lambda:orders:live or stack:billing.
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
}

/// The longest that anything is remembered.
const LONGEST: SignedDuration = SignedDuration::from_hours(180 * 24);

/// A time back from now.
fn ago(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?} is not a duration such as 90m, 24h or 7d");
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    let span = match days {
        Some(days) => SignedDuration::from_hours(days.checked_mul(24).ok_or_else(wrong)?),
        None => text.parse().map_err(|_| wrong())?,
    };
    if span.is_positive() && span <= LONGEST {
        Ok(span)
    } else {
        Err("no more than half a year is remembered: write up to 180d".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::ago;

    #[test]
    fn a_time_back_is_read_as_people_write_it() {
        for (text, hours) in [("24h", 24), ("7d", 168), ("180d", 4_320), ("120m", 2), ("1h 60m", 2)] {
            assert_eq!(ago(text), Ok(SignedDuration::from_hours(hours)), "{text}");
        }
        for (text, said) in [
            ("yesterday", "not a duration"),
            ("7", "not a duration"),
            ("181d", "up to 180d"),
            ("-1h", "up to 180d"),
            ("0d", "up to 180d"),
            ("9999999999999999999d", "not a duration"),
            ("999999999999999999d", "not a duration"),
        ] {
            assert!(ago(text).is_err_and(|error| error.contains(said)), "{text}");
        }
    }
}
