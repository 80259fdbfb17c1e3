//! `wk freeze`.

use clap::{Args as ClapArgs, Subcommand};

use super::{When, Who};

/// The freeze switch of the policy.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  wk freeze                                  how it stands
  wk freeze on --reason \"the fair\" --until 3d
  wk freeze on --until 2026-12-27T00:00:00Z
  wk freeze off

It sets one line of the policy, and leaves the rest as it is. What is asked for by hand goes through.
Exit codes: 0 it is so, 2 it is so, but somebody else wrote at the same moment, 3 could not run.")]
pub struct Freeze {
    /// On or off; without either, it is said how it stands.
    #[command(subcommand)]
    pub switch: Option<Switch>,
}

/// On or off.
#[derive(Debug, Subcommand)]
pub enum Switch {
    /// Nothing is changed by itself any more; people are still told what would have been done.
    On {
        /// Why; people are told.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// It ends by itself: 2h or 3d from now, or at a time such as 2026-12-27T00:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = When::read)]
        until: Option<When>,
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
    /// Things are changed again, as the policy says otherwise.
    Off {
        /// Who asks.
        #[command(flatten)]
        who: Who,
    },
}
