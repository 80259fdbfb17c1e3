//! What the exit code says, as the runbooks have it.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Healthy; done; or there was nothing to do.
    Good,
    /// Something failed, or what was asked for was refused.
    Errors,
    /// Something is degraded or could not be checked.
    Warnings,
    /// It could not run: wrong usage, no credentials, no stack, no permission.
    Unable,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// 0, 1, 2, 3, and what shells say of Ctrl-C.
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Errors => 1,
            Self::Warnings => 2,
            Self::Unable => 3,
            Self::Interrupted => 130,
        }
    }

    /// The one with this code; what is no code of ours could not run.
    pub const fn of(code: u64) -> Self {
        match code {
            0 => Self::Good,
            1 => Self::Errors,
            2 => Self::Warnings,
            _ => Self::Unable,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
