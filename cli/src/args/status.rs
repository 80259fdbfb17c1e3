//! `wk status`.

use clap::builder::PossibleValuesParser;
use clap::{Args as ClapArgs, ValueEnum};
use health_check::component::Kind;
use jiff::SignedDuration;

const LIVE: &str = "\
Examples:
  wk status                                   what is wrong, first of all
  wk status --kind ecs-service --kind dlq     only these kinds
  wk status --format html > status.html       the status page
  wk status --watch

With --watch, q or Ctrl-C ends it, and ? shows the other keys. A source that fails or is slow keeps what it said last, \
marked as STALE, with its age and the error. NO_COLOR is honoured.

It exits as wk status does, with what was seen last: 0, 1 or 2; with 2 at least where that could not be looked at anew, 3 \
where nothing could be seen, and 130 where it was ended before the first look.

Each look at everything costs API calls (a thousand CloudWatch metrics are about a cent): --every says how often.";

/// The shortest and the longest time between two looks at everything.
const SHORTEST: SignedDuration = SignedDuration::from_secs(30);
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Which checks, and how they are shown.
#[derive(Debug, ClapArgs)]
#[command(after_help = LIVE)]
pub struct Status {
    /// Only this kind, such as ecs-service; may be given several times.
    #[arg(long = "kind", value_name = "KIND", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::word)), hide_possible_values = true)]
    pub kinds: Vec<String>,
    /// How it is shown, table if nothing is said; yaml is short, for language models.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Stay, and show in the whole terminal how it goes on.
    #[arg(long)]
    pub watch: bool,
    /// How often everything is checked anew while it stays: from 30s to 1h. What is cheap is looked at more often.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = pace, requires = "watch")]
    pub every: SignedDuration,
}

/// A time between two looks.
fn pace(text: &str) -> Result<SignedDuration, String> {
    let seconds = text.parse().map(SignedDuration::from_secs).ok();
    let pace = seconds.or_else(|| text.parse().ok()).ok_or("write a duration such as 60s or 2m")?;
    if pace < SHORTEST || LONGEST < pace {
        return Err("it costs hundreds of API calls each time: from 30s to 1h".to_owned());
    }
    Ok(pace)
}

/// How checks are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the words are the function's own")]
pub enum Format {
    Summary,
    Table,
    Yaml,
    Json,
    Verbose,
    Html,
}

impl Format {
    /// The function's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Table => "table",
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Verbose => "verbose",
            Self::Html => "html",
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::pace;

    #[test]
    fn how_often_it_looks_is_bounded_and_said_in_seconds_or_with_a_unit() {
        for (text, expected) in [
            ("60s", Some(60)),
            ("60", Some(60)),
            ("2m", Some(120)),
            ("1h", Some(3_600)),
            ("29s", None),
            ("0", None),
            ("-60s", None),
            ("2h", None),
            ("often", None),
            ("", None),
        ] {
            assert_eq!(pace(text).ok(), expected.map(SignedDuration::from_secs), "{text}");
        }
    }
}
