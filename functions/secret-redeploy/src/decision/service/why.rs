//! Why a service is left alone, or has to wait, in words.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::tags;

/// Why a service is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// It was deleted.
    Gone,
    /// It belongs to another environment.
    OtherEnvironment {
        /// Which.
        environment: String,
    },
    /// Its tag says so.
    OptedOut,
    /// Its tag cannot be read.
    Unread,
    /// Its mode is `off`.
    Off,
    /// It asks for one version of the secret, whatever happens.
    Pinned {
        /// Which.
        version: String,
    },
    /// It has the secret's ARN in a plain environment variable, and reads the secret by itself.
    ReadsItself,
    /// It uses the secret to pull its image, which no running task notices.
    Registry,
    /// It asks for a label that did not move.
    OtherLabel,
    /// It runs no task, and is meant to run none.
    ScaledToZero,
    /// Somebody else's controller deploys it.
    External,
    /// One task on each machine, which is stopped before the next one starts.
    Daemon,
    /// ECS could neither stop a task nor start another one.
    Immovable {
        /// `minimumHealthyPercent`.
        minimum: i32,
        /// `maximumPercent`.
        maximum: i32,
        /// How many tasks it should run.
        desired: i32,
    },
    /// No CodeDeploy deployment group deploys it.
    NoGroup,
    /// Another image would be deployed, or it is not known which.
    Image {
        /// Why, in words.
        why: String,
    },
    /// What it waits for did not end in the time that the policy gives it.
    WaitedTooLong {
        /// For what.
        why: Deferred,
    },
}

impl Skipped {
    /// Whether tasks of it go on with the old version, which must then stay usable.
    pub const fn runs_old(&self) -> bool {
        match self {
            Self::Gone | Self::Registry | Self::OtherLabel | Self::ScaledToZero => false,
            Self::OtherEnvironment { .. }
            | Self::OptedOut
            | Self::Unread
            | Self::Off
            | Self::Pinned { .. }
            | Self::ReadsItself
            | Self::External
            | Self::Daemon
            | Self::Immovable { .. }
            | Self::NoGroup
            | Self::Image { .. }
            | Self::WaitedTooLong { .. } => true,
        }
    }

    /// Whether somebody should do something about it.
    pub const fn concerns_people(&self) -> bool {
        match self {
            Self::Gone
            | Self::OtherEnvironment { .. }
            | Self::OptedOut
            | Self::Off
            | Self::Registry
            | Self::OtherLabel
            | Self::ScaledToZero => false,
            Self::Unread
            | Self::Pinned { .. }
            | Self::ReadsItself
            | Self::External
            | Self::Daemon
            | Self::Immovable { .. }
            | Self::NoGroup
            | Self::Image { .. }
            | Self::WaitedTooLong { .. } => true,
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it was deleted"),
            Self::OtherEnvironment { environment } => write!(f, "it belongs to the environment {environment}"),
            Self::OptedOut => write!(f, "its tag {} is off", tags::REDEPLOY),
            Self::Unread => write!(f, "its tag {} cannot be read; write on, off or first", tags::REDEPLOY),
            Self::Off => write!(f, "its mode is off ({}, or the template's Mode)", tags::MODE),
            Self::Pinned { version } => write!(
                f,
                "it asks for version {version}, whatever the labels say, so a redeployment changes nothing; once no label \
                 keeps that version, Secrets Manager may delete it, and no task will start any more: take the version id \
                 out of its task definition"
            ),
            Self::ReadsItself => write!(
                f,
                "it has the secret's ARN in a plain environment variable and reads it by itself; if it does so only when it \
                 starts, tag it {} = on",
                tags::REDEPLOY
            ),
            Self::Registry => f.write_str("it uses the secret to pull its image only, which happens anew each time"),
            Self::OtherLabel => f.write_str("it asks for another label than the one that moved"),
            Self::ScaledToZero => f.write_str("it is scaled to zero; its next task reads the new version"),
            Self::External => f.write_str(
                "an external controller deploys it, which Watchkeeper never touches: have that redeploy it",
            ),
            Self::Daemon => write!(
                f,
                "it is a DAEMON, whose task on each machine is stopped before the next one starts; if that may happen by \
                 itself, tag it {} = on",
                tags::REDEPLOY
            ),
            Self::Immovable { minimum, maximum, desired } => write!(
                f,
                "with {desired} {}, minimumHealthyPercent {minimum} and maximumPercent {maximum}, ECS can neither stop a \
                 task nor start another one: raise maximumPercent, or lower the other",
                if *desired == 1 { "task" } else { "tasks" }
            ),
            Self::NoGroup => f.write_str(
                "CodeDeploy is to deploy it, and no deployment group names it: redeploy it as it is usually deployed",
            ),
            Self::Image { why } => write!(f, "{why}: deploy it yourself, with the image that you want"),
            Self::WaitedTooLong { why } => write!(f, "it was waited for in vain: {why}; redeploy it yourself"),
        }
    }
}

/// What has to end before a service may be redeployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferred {
    /// A deployment that began before the secret changed, or somebody else's that takes too long to be followed.
    UnderWay {
        /// Its id.
        deployment: String,
    },
    /// A rollback.
    RollingBack {
        /// Its operation.
        operation: String,
    },
    /// Its newest deployment failed, and was not taken back.
    Broken {
        /// Its id.
        deployment: String,
    },
    /// It was redeployed a short while ago.
    Interval {
        /// Until when it is left alone.
        until: Timestamp,
    },
}

impl Deferred {
    /// The deployment whose end is waited for.
    pub fn deployment(&self) -> Option<&str> {
        match self {
            Self::UnderWay { deployment } | Self::Broken { deployment } => Some(deployment),
            Self::RollingBack { .. } | Self::Interval { .. } => None,
        }
    }
}

impl fmt::Display for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnderWay { deployment } => {
                write!(f, "the deployment {deployment} is under way, which is not ours")
            }
            Self::RollingBack { operation } => write!(f, "it is being rolled back (operation {operation})"),
            Self::Broken { deployment } => {
                write!(f, "its newest deployment, {deployment}, failed and was not taken back")
            }
            Self::Interval { until } => {
                write!(f, "it was redeployed a short while ago, and is left alone until {until:.0}")
            }
        }
    }
}
