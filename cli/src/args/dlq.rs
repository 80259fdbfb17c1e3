//! `wk dlq`.

use clap::{ArgGroup, Args as ClapArgs, Subcommand, ValueEnum};

use super::Sure;

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
    #[command(
        after_help = "With --apply, production asks for the word REDRIVE: it is typed, or given with --confirm REDRIVE."
    )]
    #[command(group = ArgGroup::new("which").args(["group", "everything"]).required(true).multiple(false))]
    Redrive {
        /// Its name, URL or ARN.
        queue: String,
        /// Of this group: its id, or at least 6 characters of its beginning.
        #[arg(long)]
        group: Option<String>,
        /// All, whatever they died of.
        #[arg(long)]
        everything: bool,
        /// What makes it a deed.
        #[command(flatten)]
        sure: Sure,
    },
    /// Keep letters in the archive, and take them out of the queue. Without --apply, only the plan is told.
    #[command(
        after_help = "With --apply, production asks for the word ARCHIVE: it is typed, or given with --confirm ARCHIVE."
    )]
    Archive(Emptying),
    /// Send back what can succeed, and archive the others. Without --apply, only the plan is told.
    #[command(
        after_help = "With --apply, production asks for the word DRAIN: it is typed, or given with --confirm DRAIN."
    )]
    Drain(Emptying),
    /// Empty a queue: all goes into the archive. Without --apply, only the plan is told.
    #[command(
        after_help = "With --apply, production asks for the word PURGE: it is typed, or given with --confirm PURGE."
    )]
    Purge(Emptying),
    /// Send letters of the archive to their queue again. Without --apply, only the plan is told.
    #[command(
        after_help = "With --apply, production asks for the word RESTORE: it is typed, or given with --confirm RESTORE."
    )]
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
        /// What makes it a deed.
        #[command(flatten)]
        sure: Sure,
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
    /// What makes it a deed.
    #[command(flatten)]
    pub sure: Sure,
}

/// Where letters of the archive are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// To the dead-letter queue.
    Dlq,
    /// To where they came from.
    Source,
}

impl Dlq {
    /// What makes it a deed, and the word that production asks for; nothing of what only looks.
    pub(crate) const fn deed(&self) -> Option<(&Sure, &'static str)> {
        match self {
            Self::Redrive { sure, .. } => Some((sure, "REDRIVE")),
            Self::Archive(Emptying { sure, .. }) => Some((sure, "ARCHIVE")),
            Self::Drain(Emptying { sure, .. }) => Some((sure, "DRAIN")),
            Self::Purge(Emptying { sure, .. }) => Some((sure, "PURGE")),
            Self::Restore { sure, .. } => Some((sure, "RESTORE")),
            Self::Status { .. } | Self::Peek { .. } | Self::Groups { .. } => None,
        }
    }
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
