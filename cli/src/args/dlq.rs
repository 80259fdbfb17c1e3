//! `wk dlq`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::Who;

/// Dead-letter queues.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// How the queues stand: how many letters, since when, lost when.
    Status {
        /// Only this queue: its name, URL or ARN.
        queue: Option<String>,
    },
    /// Show some letters, without what tells of people.
    Peek {
        /// Its name, URL or ARN.
        queue: String,
        /// How many, 1 to 100.
        #[arg(long, default_value_t = 10)]
        count: usize,
        /// Of this group only: its id, or at least 6 characters of its beginning.
        #[arg(long)]
        group: Option<String>,
    },
    /// What the letters died of, group by group.
    Groups {
        /// Its name, URL or ARN.
        queue: String,
    },
    /// Send letters back: a few first, then the others. Without --apply, only the plan is told.
    Redrive {
        /// Its name, URL or ARN.
        queue: String,
        /// Of this group: its id, or at least 6 characters of its beginning.
        #[arg(long, conflicts_with = "everything", required_unless_present = "everything")]
        group: Option<String>,
        /// All, whatever they died of.
        #[arg(long)]
        everything: bool,
        /// Carry the plan out.
        #[arg(long)]
        apply: bool,
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
    /// Keep letters in the archive, and take them out of the queue. Without --apply, only the plan is told.
    Archive(Emptying),
    /// Send back what can succeed, and archive the others. Without --apply, only the plan is told.
    Drain(Emptying),
    /// Empty a queue: all goes into the archive. Without --apply, only the plan is told.
    Purge(Emptying),
    /// Send letters of the archive to their queue again. Without --apply, only the plan is told.
    Restore {
        /// Its name, URL or ARN.
        queue: String,
        /// The run's key, as its notice names it, or one part's.
        run: String,
        /// Where to.
        #[arg(long, value_enum)]
        to: To,
        /// Of this group only: its id, or at least 6 characters of its beginning.
        #[arg(long)]
        group: Option<String>,
        /// Also what was restored before.
        #[arg(long)]
        again: bool,
        /// Carry the plan out.
        #[arg(long)]
        apply: bool,
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
}

/// Which letters are taken out.
#[derive(Debug, ClapArgs)]
pub struct Emptying {
    /// Its name, URL or ARN.
    pub queue: String,
    /// How many there are, so that nobody empties what they have not looked at.
    #[arg(long)]
    pub count: u64,
    /// Of this group only: its id, or at least 6 characters of its beginning; not for a purge.
    #[arg(long)]
    pub group: Option<String>,
    /// Carry the plan out.
    #[arg(long)]
    pub apply: bool,
    /// Who asks.
    #[command(flatten)]
    pub who: Who,
}

/// Where letters of the archive are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// To the dead-letter queue.
    Dlq,
    /// To where they came from.
    Source,
}

impl To {
    /// The function's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Dlq => "dlq",
            Self::Source => "source",
        }
    }
}
