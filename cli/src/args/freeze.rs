//! `wk freeze`.

use clap::{Args as ClapArgs, Subcommand};

use super::Who;

/// The freeze switch of the policy.
#[derive(Debug, ClapArgs)]
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
        /// It ends by itself at this time, such as 2026-12-27T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        until: Option<jiff::Timestamp>,
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
