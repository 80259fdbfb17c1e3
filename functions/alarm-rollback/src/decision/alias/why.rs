//! Why nothing is done with an alias, in plain words.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use shared::notice::Severity;

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is no such function or alias.
    Missing,
    /// It points, or would point, to `$LATEST`.
    Latest,
    /// It was asked to be brought on, and only a stack can be stuck.
    NeverStuck,
    /// CodeDeploy is rolling it back.
    RollingBack {
        /// The deployment's id.
        deployment: String,
    },
    /// CodeDeploy has rolled it back.
    RolledBack {
        /// The deployment's id.
        deployment: String,
    },
    /// The deployment on its way leaves a version that is bad itself.
    FixOnItsWay {
        /// The bad version.
        version: String,
    },
    /// It came to its version too long ago.
    TooOld {
        /// The version.
        version: String,
        /// Since when.
        since: Timestamp,
    },
    /// The alarm fired before it came to its version.
    FiringBefore {
        /// The version.
        version: String,
        /// Since when.
        since: Timestamp,
    },
    /// Nobody says when it came to its version.
    NoTime {
        /// The version.
        version: String,
    },
    /// It came to its version by one of our own operations.
    OwnRollback {
        /// Which.
        operation: String,
    },
    /// The version before has the same code.
    SameCode {
        /// The version it runs, or is being shifted to.
        from: String,
        /// The version before.
        to: String,
    },
    /// There is nothing good to return to.
    NothingGood {
        /// The version it runs.
        version: String,
    },
    /// The function has more versions than are looked through.
    TooManyVersions,
    /// CodeDeploy is shifting it elsewhere than a person wants it.
    Busy {
        /// The deployment's id.
        deployment: String,
    },
    /// A person named something that is no version.
    NotAVersion {
        /// What was named.
        text: String,
    },
    /// There is no such version.
    NoVersion {
        /// Which.
        version: String,
    },
    /// It points there already.
    AlreadyThere {
        /// Where.
        version: String,
    },
    /// What ran at a time is not known.
    NotRecorded {
        /// The time.
        at: Timestamp,
    },
    /// What ran at a time is bad.
    Bad {
        /// The version.
        version: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such function, or it has no alias of that name"),
            Self::Latest => f.write_str("the alias points to $LATEST, which has no version before it"),
            Self::NeverStuck => f.write_str("an alias cannot be stuck; only a stack can"),
            Self::RollingBack { deployment } => {
                write!(f, "CodeDeploy is already rolling the alias back (deployment {deployment})")
            }
            Self::RolledBack { deployment } => {
                write!(f, "CodeDeploy has already rolled the alias back (deployment {deployment})")
            }
            Self::FixOnItsWay { version } => write!(
                f,
                "the deployment on its way replaces version {version}, which is held to be bad; taking it back would \
                 return to that"
            ),
            Self::TooOld { version, since } => {
                write!(f, "no deployment is recent enough to blame; version {version} is of {since:.0}")
            }
            Self::FiringBefore { version, since } => {
                write!(f, "the alarm fired before the deployment of version {version} began at {since:.0}")
            }
            Self::NoTime { version } => {
                write!(f, "neither CodeDeploy nor Lambda says when the alias came to version {version}")
            }
            Self::OwnRollback { operation } => write!(
                f,
                "the alias came to its version by Watchkeeper's own rollback (operation {operation}); a rollback is \
                 not rolled back"
            ),
            Self::SameCode { from, to } => write!(
                f,
                "version {from} has the same code as version {to} before it, so its code is not to blame; its \
                 configuration or a rotated secret may be"
            ),
            Self::NothingGood { version } => {
                write!(f, "there is no version known to be good to return to from version {version}")
            }
            Self::TooManyVersions => {
                f.write_str("the function has more published versions than Watchkeeper looks through")
            }
            Self::Busy { deployment } => write!(
                f,
                "CodeDeploy is deploying the alias (deployment {deployment}) and would overwrite what is set by hand"
            ),
            Self::NotAVersion { text } => {
                write!(f, "{text:?} is not the number of a published version")
            }
            Self::NoVersion { version } => write!(f, "the function has no published version {version}"),
            Self::AlreadyThere { version } => write!(f, "the alias points to version {version} already"),
            Self::NotRecorded { at } => write!(
                f,
                "Lambda keeps no history of an alias, and neither CodeDeploy nor the ledger says for sure what ran at \
                 {at:.0}"
            ),
            Self::Bad { version } => {
                write!(f, "version {version} ran then, and is held to be bad: it was rolled away from")
            }
        }
    }
}

impl Why {
    /// How soon somebody has to answer.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::FixOnItsWay { .. }
            | Self::SameCode { .. }
            | Self::NothingGood { .. }
            | Self::TooManyVersions
            | Self::NoTime { .. } => Severity::Sev2,
            Self::Missing
            | Self::Latest
            | Self::NeverStuck
            | Self::RollingBack { .. }
            | Self::RolledBack { .. }
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::OwnRollback { .. }
            | Self::Busy { .. }
            | Self::NotAVersion { .. }
            | Self::NoVersion { .. }
            | Self::AlreadyThere { .. }
            | Self::NotRecorded { .. }
            | Self::Bad { .. } => Severity::Sev3,
        }
    }

    /// What is left for a person to do.
    pub fn next_step(&self) -> String {
        match self {
            Self::Missing => "Mend the alarm's tag or its dimensions, or the name in the request.".to_owned(),
            Self::Latest => "Publish versions and point the alias to one: aws lambda publish-version \
                             --function-name <function>. Until then, deploy the code before anew."
                .to_owned(),
            Self::NeverStuck => "Name a stack, or ask to roll the alias back.".to_owned(),
            Self::RollingBack { deployment } => format!(
                "Watch it: aws deploy get-deployment --deployment-id {deployment}. If the alarm still fires when it is \
                 over, the deployment was not the cause."
            ),
            Self::RolledBack { .. } | Self::OwnRollback { .. } => {
                "Look for a cause other than the deployment: the rollback did not help.".to_owned()
            }
            Self::FixOnItsWay { .. } => {
                "Look whether the fix on its way helps; if it does not, deploy a version that is known to be good."
                    .to_owned()
            }
            Self::TooOld { .. } | Self::FiringBefore { .. } => {
                "Look for a cause other than a deployment.".to_owned()
            }
            Self::SameCode { .. } => {
                "Look at what the versions differ in: environment variables, layers, and secrets that were rotated."
                    .to_owned()
            }
            Self::NoTime { .. } | Self::NothingGood { .. } | Self::TooManyVersions | Self::NotRecorded { .. } => {
                "If a deployment is to blame, choose a version (aws lambda list-versions-by-function --function-name \
                 <function>) and set it: aws lambda update-alias --function-name <function> --name <alias> \
                 --function-version <version> --routing-config AdditionalVersionWeights={}."
                    .to_owned()
            }
            Self::Busy { deployment } => format!(
                "Stop that first: aws deploy stop-deployment --deployment-id {deployment} --auto-rollback-enabled."
            ),
            Self::NotAVersion { .. } | Self::NoVersion { .. } => {
                "Name one of these: aws lambda list-versions-by-function --function-name <function>.".to_owned()
            }
            Self::AlreadyThere { .. } => "Nothing; name another version if this one is not meant.".to_owned(),
            Self::Bad { version } => {
                format!("Name another time, or version {version} itself if it is wanted all the same.")
            }
        }
    }
}
