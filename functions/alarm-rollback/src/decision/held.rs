//! Why nothing is done, in plain words; how soon somebody has to answer; and what is left to do.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use shared::notice::Severity;
use shared::tags::{self, Unsafe};

use super::verdict::{short, span};
use super::{Redeployed, alias, code_deploy, stack};
use crate::cause::request::CONFIRMATION;

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The alarm does not say what it is about.
    NoTarget,
    /// It is about several targets.
    ManyTargets {
        /// Which.
        targets: Vec<String>,
    },
    /// Its target tag cannot be read.
    MalformedTarget {
        /// What it says.
        tag: String,
    },
    /// The alarm's state was set by hand: a test.
    SetByHand,
    /// The change arrived too late.
    Stale {
        /// When it happened.
        changed_at: Timestamp,
    },
    /// A rollback of this target is under way.
    InProgress {
        /// Its id.
        operation: String,
        /// When it began.
        began: Timestamp,
    },
    /// A rollback of this target was begun and does not get on.
    Unfinished {
        /// Its id.
        operation: String,
        /// When it began.
        began: Timestamp,
    },
    /// The alarm stopped firing before the rollback that was begun for it could be made.
    Cleared,
    /// A rollback of this target was made a short while ago.
    Cooldown {
        /// When the cooldown ends.
        until: Timestamp,
    },
    /// This target was rolled back too often.
    TooMany {
        /// How often.
        count: u32,
        /// Within which time.
        #[serde(serialize_with = "as_span")]
        within: SignedDuration,
    },
    /// This operation was begun, and then somebody changed the target.
    Overtaken {
        /// What runs now.
        running: String,
    },
    /// The target is marked as unsafe to roll back.
    Unsafe {
        /// Until when.
        until: Unsafe,
    },
    /// A production environment asks for the confirmation word.
    Unconfirmed,
    /// There is no operation with this id to undo.
    NoOperation {
        /// The id.
        id: String,
    },
    /// The alias was weighted before the operation that shall be undone.
    Weighted,
    /// What ran at that time was rolled away from since.
    KnownBad {
        /// Its ARN.
        task_definition: String,
    },
    /// There is no such service.
    NoService,
    /// The service is being deleted.
    NotActive,
    /// Somebody else deploys the service.
    Controller {
        /// Who.
        controller: String,
    },
    /// The stack that owns the service is being changed.
    OwnerInProgress {
        /// The stack's status.
        status: String,
    },
    /// The service is meant to run no task.
    ScaledToZero,
    /// Neither ECS nor CodeDeploy says when the service was deployed.
    NoDeployment,
    /// No deployment is recent enough.
    TooOld {
        /// The newest one's time.
        deployed_at: Timestamp,
    },
    /// The alarm fired before the newest deployment began.
    FiringBefore {
        /// When that began.
        deployed_at: Timestamp,
    },
    /// The newest deployment is Watchkeeper's own rollback.
    OwnRollback {
        /// Its id.
        operation: String,
    },
    /// ECS is rolling back by itself.
    EcsRollingBack,
    /// ECS has rolled back by itself.
    EcsRolledBack,
    /// ECS could not roll back.
    EcsRollbackFailed,
    /// Somebody stopped the newest deployment.
    Stopped,
    /// The newest deployment is in a state that this version does not know.
    UnknownDeployment,
    /// The newest deployment changed no code.
    SameCode {
        /// The secrets that changed shortly before it.
        rotated: Vec<String>,
        /// The redeploy that it is, where Watchkeeper made it.
        redeployed: Option<Redeployed>,
    },
    /// The deployment in flight replaces a revision that is bad itself.
    FixOnItsWay,
    /// What ran before the newest deployment is not known.
    NoHistory,
    /// A deployment is beginning that ECS does not list yet.
    Moving,
    /// There is nothing good to return to.
    NothingGood,
    /// What somebody named is no task definition.
    NotARevision {
        /// What they named.
        named: String,
    },
    /// It runs already.
    RunsAlready {
        /// What.
        task_definition: String,
    },
    /// Nothing is recorded to have run at that time.
    NothingRanThen {
        /// When.
        at: Timestamp,
    },
    /// The task definition to return to is unknown to ECS.
    Gone {
        /// Its ARN.
        task_definition: String,
    },
    /// The task definition that CodeDeploy would return to was deregistered.
    Deregistered {
        /// Its ARN.
        task_definition: String,
    },
    /// An image of the task definition to return to is not there any more.
    ImageGone {
        /// The task definition's ARN.
        task_definition: String,
        /// The image.
        image: String,
    },
    /// A secret or parameter of the task definition to return to does not resolve any more.
    SecretGone {
        /// The task definition's ARN.
        task_definition: String,
        /// Its name; never a value.
        secret: String,
    },
    /// The service's load balancer reaches a container or port that the task definition to return to lacks.
    PortMismatch {
        /// The task definition's ARN.
        task_definition: String,
        /// The container.
        container: String,
        /// Its port.
        port: i32,
    },
    /// The service runs on Fargate, for which the task definition to return to is not made.
    NotForFargate {
        /// The task definition's ARN.
        task_definition: String,
    },
    /// A CodeDeploy service.
    CodeDeploy(code_deploy::Why),
    /// A Lambda alias.
    Alias(alias::Why),
    /// A stack.
    Stack(stack::Why),
}

fn as_span<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&span(*duration))
}

impl fmt::Display for Held {
    #[expect(clippy::too_many_lines, reason = "one arm for each reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget => f.write_str("the alarm does not say what it is about"),
            Self::ManyTargets { targets } => {
                write!(f, "the alarm is about several targets: {}", targets.join(", "))
            }
            Self::MalformedTarget { tag } => {
                write!(f, "the alarm's tag {} says {tag:?}, which names no target", tags::TARGET)
            }
            Self::SetByHand => f.write_str("the alarm's state was set by hand, so this counts as a test"),
            Self::Stale { changed_at } => {
                write!(f, "it happened at {changed_at:.0} and was heard of too late to act on")
            }
            Self::InProgress { operation, began } => {
                write!(f, "a rollback of it is already in progress since {began:.0} (operation {operation})")
            }
            Self::Unfinished { operation, began } => write!(
                f,
                "a rollback of it was begun at {began:.0} and is not made yet; it is tried again \
                 (operation {operation})"
            ),
            Self::Cleared => f.write_str(
                "the alarm stopped firing before the rollback that was begun for it could be made",
            ),
            Self::Cooldown { until } => {
                write!(f, "it was rolled back a short while ago; the cooldown lasts until {until:.0}")
            }
            Self::TooMany { count, within } => {
                write!(
                    f,
                    "it was rolled back {count} times within {}, which the policy calls enough",
                    span(*within)
                )
            }
            Self::Overtaken { running } => {
                write!(f, "somebody changed it to {} while the rollback was being made", short(running))
            }
            Self::Unsafe { until: Unsafe::Always } => {
                write!(f, "it is marked as unsafe to roll back ({})", tags::ROLLBACK)
            }
            Self::Unsafe { until: Unsafe::Until(until) } => {
                write!(f, "it is marked as unsafe to roll back until {until:.0} ({})", tags::ROLLBACK)
            }
            Self::Unconfirmed => {
                write!(f, "this is production, which asks for \"confirm\": \"{CONFIRMATION}\"")
            }
            Self::NoOperation { id } => write!(f, "no operation {id:?} of it is remembered"),
            Self::Weighted => f.write_str(
                "the alias sent requests to two versions before, which pointing it to one of them would not restore",
            ),
            Self::KnownBad { task_definition } => {
                write!(f, "{} ran then, and was rolled away from since", short(task_definition))
            }
            Self::NoService => f.write_str("there is no service of that name"),
            Self::NotActive => f.write_str("the service is being deleted"),
            Self::Controller { controller } => {
                write!(f, "the service is deployed by {controller}, not by ECS or CodeDeploy")
            }
            Self::OwnerInProgress { status } => {
                write!(f, "the stack that owns the service is being changed ({status})")
            }
            Self::ScaledToZero => f.write_str("the service is scaled to zero"),
            Self::NoDeployment => f.write_str("it is not known when the service was last deployed"),
            Self::TooOld { deployed_at } => {
                write!(f, "no deployment is recent enough to blame; the newest is of {deployed_at:.0}")
            }
            Self::FiringBefore { deployed_at } => {
                write!(f, "the alarm fired before the newest deployment began at {deployed_at:.0}")
            }
            Self::OwnRollback { operation } => write!(
                f,
                "the newest deployment is Watchkeeper's own rollback (operation {operation}); a rollback is not \
                 rolled back"
            ),
            Self::EcsRollingBack => f.write_str("ECS is already rolling the deployment back"),
            Self::EcsRolledBack => f.write_str("ECS has already rolled the deployment back"),
            Self::EcsRollbackFailed => f.write_str("ECS tried to roll the deployment back and failed"),
            Self::Stopped => f.write_str("somebody stopped the newest deployment and has it in hand"),
            Self::UnknownDeployment => {
                f.write_str("the newest deployment is in a state this version does not know")
            }
            Self::SameCode { rotated, redeployed } => {
                f.write_str(
                    "the newest deployment runs the same task definition and images as the one before, so its code \
                     is not to blame",
                )?;
                let changed = || format!("{} changed shortly before", rotated.join(", "));
                match redeployed {
                    None if rotated.is_empty() => f.write_str("; a rotated secret or the platform may be"),
                    None => write!(f, "; it is rotation-related: {}", changed()),
                    Some(redeployed) if rotated.is_empty() => {
                        write!(f, "; it is rotation-related: {redeployed}")
                    }
                    Some(redeployed) => write!(f, "; it is rotation-related: {}, and {redeployed}", changed()),
                }
            }
            Self::FixOnItsWay => f.write_str(
                "the deployment in flight replaces a revision that is known to be bad, so it may be the fix",
            ),
            Self::NoHistory => f.write_str("what ran before the newest deployment is not known"),
            Self::Moving => f.write_str("another deployment of the service is just beginning"),
            Self::NothingGood => f.write_str("there is no revision known to be good to return to"),
            Self::NotARevision { named } => {
                write!(f, "{named:?} is no task definition; write web:41, 41 or its ARN")
            }
            Self::RunsAlready { task_definition } => write!(f, "it runs {} already", short(task_definition)),
            Self::NothingRanThen { at } => write!(f, "ECS has no record of what ran at {at:.0}"),
            Self::Gone { task_definition } => {
                write!(f, "ECS does not know the task definition {} (any more)", short(task_definition))
            }
            Self::Deregistered { task_definition } => write!(
                f,
                "{} was deregistered, and the application specification to return to names it",
                short(task_definition)
            ),
            Self::ImageGone { task_definition, image } => write!(
                f,
                "{} cannot be deployed: its image {image} is not in the registry any more",
                short(task_definition)
            ),
            Self::SecretGone { task_definition, secret } => write!(
                f,
                "{} cannot be deployed: its secret or parameter {secret} does not resolve any more",
                short(task_definition)
            ),
            Self::PortMismatch { task_definition, container, port } => write!(
                f,
                "{} cannot be deployed: the load balancer reaches port {port} of the container {container}, which it \
                 does not have",
                short(task_definition)
            ),
            Self::NotForFargate { task_definition } => write!(
                f,
                "{} cannot be deployed: the service runs on Fargate, for which it is not made",
                short(task_definition)
            ),
            Self::CodeDeploy(why) => why.fmt(f),
            Self::Alias(why) => why.fmt(f),
            Self::Stack(why) => why.fmt(f),
        }
    }
}

impl Held {
    /// How soon somebody has to answer: who was counting on a rollback that cannot be made, sooner.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::SetByHand => Severity::Sev4,
            Self::NothingGood
            | Self::NoHistory
            | Self::Unfinished { .. }
            | Self::Gone { .. }
            | Self::Deregistered { .. }
            | Self::ImageGone { .. }
            | Self::SecretGone { .. }
            | Self::PortMismatch { .. }
            | Self::NotForFargate { .. }
            | Self::EcsRollbackFailed
            | Self::TooMany { .. }
            | Self::SameCode { .. }
            | Self::Unsafe { .. } => Severity::Sev2,
            Self::NoTarget
            | Self::ManyTargets { .. }
            | Self::MalformedTarget { .. }
            | Self::NoService
            | Self::NotActive
            | Self::Stale { .. }
            | Self::Controller { .. }
            | Self::OwnerInProgress { .. }
            | Self::ScaledToZero
            | Self::InProgress { .. }
            | Self::Cooldown { .. }
            | Self::Overtaken { .. }
            | Self::NoDeployment
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::OwnRollback { .. }
            | Self::EcsRollingBack
            | Self::EcsRolledBack
            | Self::Stopped
            | Self::UnknownDeployment
            | Self::FixOnItsWay
            | Self::Moving
            | Self::Cleared
            | Self::Unconfirmed
            | Self::NoOperation { .. }
            | Self::Weighted
            | Self::KnownBad { .. }
            | Self::NotARevision { .. }
            | Self::RunsAlready { .. }
            | Self::NothingRanThen { .. } => Severity::Sev3,
            Self::CodeDeploy(why) => why.severity(),
            Self::Alias(why) => why.severity(),
            Self::Stack(why) => why.severity(),
        }
    }

    /// What is left for a person to do.
    pub fn next_step(&self) -> String {
        match self {
            Self::NoTarget | Self::ManyTargets { .. } | Self::MalformedTarget { .. } => format!(
                "Tag the alarm {}=ecs:<cluster>/<service>, lambda:<function>:<alias> or stack:<name> to say what it is about.",
                tags::TARGET
            ),
            Self::Controller { .. } => {
                "Roll it back by the means it is deployed with, if its last deployment is to blame.".to_owned()
            }
            Self::OwnerInProgress { .. } => {
                "Watch the stack; an update that is to blame can be cancelled while it is UPDATE_IN_PROGRESS: aws cloudformation cancel-update-stack."
                    .to_owned()
            }
            Self::NoService => format!("Mend the alarm's tag {} or its dimensions, or the name in the request.", tags::TARGET),
            Self::SetByHand => "Nothing: the alarm reaches Watchkeeper.".to_owned(),
            Self::InProgress { .. } | Self::EcsRollingBack => {
                "Watch the rollback; if the alarm still fires when it is over, the deployment was not the cause."
                    .to_owned()
            }
            Self::Cooldown { .. } | Self::OwnRollback { .. } | Self::EcsRolledBack | Self::TooMany { .. } => {
                "Look for a cause other than the deployment: the last rollback did not help.".to_owned()
            }
            Self::Stale { .. } => {
                "Look at it now; roll back by hand if its deployment is to blame.".to_owned()
            }
            Self::NotActive | Self::ScaledToZero => {
                "Find out whether this is meant; if so, silence the alarm.".to_owned()
            }
            Self::Overtaken { .. } | Self::Moving | Self::Stopped | Self::FixOnItsWay => {
                "Ask whoever deployed; they have it in hand.".to_owned()
            }
            Self::NoDeployment
            | Self::TooOld { .. }
            | Self::FiringBefore { .. }
            | Self::UnknownDeployment => {
                "Look for a cause other than a deployment: dependencies, traffic, a rotated secret, the platform."
                    .to_owned()
            }
            Self::Cleared => "Nothing, unless it fires again.".to_owned(),
            Self::EcsRollbackFailed | Self::NothingGood | Self::NoHistory | Self::Unfinished { .. } => {
                "Deploy a revision that you know to be good, by hand and now.".to_owned()
            }
            Self::Gone { .. }
            | Self::Deregistered { .. }
            | Self::ImageGone { .. }
            | Self::SecretGone { .. }
            | Self::PortMismatch { .. }
            | Self::NotForFargate { .. } => {
                "Mend that, or deploy another revision that you know to be good, by hand and now.".to_owned()
            }
            Self::Unsafe { .. } => {
                "Mend forward, or decide by hand: somebody marked that going back may break data.".to_owned()
            }
            Self::SameCode { .. } => {
                "Look at the secrets the tasks started with and at what they depend on, not at the code.".to_owned()
            }
            Self::Unconfirmed => format!("Ask again with \"confirm\": \"{CONFIRMATION}\"."),
            Self::NoOperation { .. } => {
                "Take the operation's id from the notice of the rollback.".to_owned()
            }
            Self::Weighted => "Run the command that stands in the notice of that rollback.".to_owned(),
            Self::KnownBad { .. } => "Name it, if you want it all the same.".to_owned(),
            Self::NotARevision { .. } | Self::RunsAlready { .. } | Self::NothingRanThen { .. } => {
                "Name another revision.".to_owned()
            }
            Self::CodeDeploy(why) => why.next_step(),
            Self::Alias(why) => why.next_step(),
            Self::Stack(why) => why.next_step(),
        }
    }

    /// What whoever asked by hand does next: they have no alarm to mend.
    pub fn next_step_by_hand(&self) -> String {
        if self.is_missing() {
            "Look at the name: wk diagnose lists the services.".to_owned()
        } else if let Self::InProgress { .. } = self {
            "Wait for its end: wk monitor follows a service, and wk audit says how it ended.".to_owned()
        } else if let Self::Unfinished { .. } = self {
            "Wait for its end: wk audit says how it ended. If it does not get on, deploy a revision that you know to be good."
                .to_owned()
        } else if let Self::Cooldown { until } = self {
            format!(
                "Look for a cause other than the deployment: the last rollback did not help. It can be asked for again \
                 after {until:.0}."
            )
        } else {
            self.next_step()
        }
    }

    /// Whether what is to be rolled back does not exist.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::NoService | Self::Alias(alias::Why::Missing) | Self::Stack(stack::Why::Missing))
    }
}
