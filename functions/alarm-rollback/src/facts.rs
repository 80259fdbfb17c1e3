//! What is known of a case. It grows as the decision asks: a field that is `None` was not looked at yet.

pub mod alias;
pub mod code_deploy;
pub mod service;
pub mod stack;

use jiff::Timestamp;
use serde::Serialize;
use shared::alarm::State;
use shared::ledger::incident::{self, Incident};
use shared::ledger::once::Claim;
use shared::ledger::target::Memory;
use shared::policy::Loaded;
use shared::tags::{Mode, Tags};
use shared::target::Target;

use crate::cause::Cause;
use crate::decision::Policy;

/// What is known of a case.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// What arrived.
    pub cause: Cause,
    /// Whether this cause is ours to deal with.
    #[serde(serialize_with = "claim")]
    pub claim: Option<Claim>,
    /// The key under which it was taken up.
    pub claimed: Option<String>,
    /// What the owners decided beforehand.
    pub rules: Option<Loaded>,
    /// The alarm as it is now.
    pub alarm: Option<Alarm>,
    /// The children of a composite alarm that are in ALARM.
    pub children: Option<Vec<Child>>,
    /// The services behind the target groups that the alarm is about.
    pub behind: Option<Vec<Target>>,
    /// What people were told before; the inner `None`: nothing.
    #[serde(skip)]
    pub incident: Option<Option<Incident>>,
    /// The target, and what is remembered of it.
    pub world: Option<World>,
}

impl Facts {
    /// Only what arrived.
    pub const fn of(cause: Cause) -> Self {
        Self {
            cause,
            claim: None,
            claimed: None,
            rules: None,
            alarm: None,
            children: None,
            behind: None,
            incident: None,
            world: None,
        }
    }

    /// The same for all that is ever said of one problem.
    pub fn incident_key(&self) -> String {
        match &self.cause {
            Cause::Alarm(change) => incident::alarm_key(change.arn.as_ref().unwrap_or(&change.name)),
            Cause::Stack(change) => format!("stack:{}", change.id),
            Cause::Request(request) => format!("request:{}", request.id),
        }
    }

    /// What people were told before.
    pub fn known(&self) -> Option<&Incident> {
        self.incident.as_ref()?.as_ref()
    }

    /// The revision of what people are told now: the time of the cause, in milliseconds. A stack that is found stuck
    /// again has the same time, so what is told of it follows what was told before, with room for a failure between.
    pub fn revision(&self) -> u64 {
        let at = u64::try_from(self.cause.at().as_millisecond()).unwrap_or_default();
        match (&self.cause, self.known()) {
            (Cause::Stack(_), Some(known)) => at.max(known.revision.saturating_add(2)),
            (Cause::Alarm(_) | Cause::Stack(_) | Cause::Request(_), _) => at,
        }
    }

    /// One cause, by whichever transport. An alarm and the time of its change are its identity (CloudWatch User
    /// Guide). A stack is found stuck again and again; it is dealt with anew when anything changed that the verdict
    /// hangs on: its status, its update, what was tried and how that ended, and what the owners allow.
    pub fn claim_key(&self, policy: &Policy, now: Timestamp) -> String {
        if let Some(claimed) = &self.claimed {
            return claimed.clone();
        }
        let key = self.incident_key();
        let (Cause::Stack(change), Some(world)) = (&self.cause, &self.world) else {
            return format!("{key}@{}", self.cause.at().as_millisecond());
        };
        let updated = match &world.scene {
            Scene::Stack(scene) => scene.stack.as_ref().and_then(|stack| stack.updated_at),
            Scene::Service(_) | Scene::Alias(_) => None,
        };
        let updated = updated.unwrap_or(change.at).as_millisecond();
        let operations = &world.memory.operations;
        let ended = operations.iter().filter(|operation| operation.end.is_some()).count();
        let mode = Mode::resolve(policy.mode, world.scene.tags());
        let rules = self.rules.as_ref();
        let version = rules.map_or(0, |loaded| loaded.version);
        let closed = rules
            .is_some_and(|loaded| loaded.policy.frozen(now).is_some() || loaded.policy.window(now).is_some());
        let tried = operations.len();
        format!("{key}@{}@{updated}#{ended}/{tried}@{version}{mode:?}{closed}", change.status)
    }
}

/// The alarm as CloudWatch describes it now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Alarm {
    /// Its state; `None` if it was deleted.
    pub state: Option<State>,
    /// Its tags.
    pub tags: Tags,
}

/// One child of a composite alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// The dimensions of every metric it watches.
    pub dimensions: Vec<std::collections::BTreeMap<String, String>>,
}

/// A target, and what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct World {
    /// What the ledger remembers.
    pub memory: Memory,
    /// What AWS says.
    pub scene: Scene,
}

/// What AWS says of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// An ECS service.
    Service(Box<service::Scene>),
    /// A Lambda alias.
    Alias(Box<alias::Scene>),
    /// A CloudFormation stack.
    Stack(Box<stack::Scene>),
}

impl Scene {
    /// The target's tags; none where there is no such target.
    pub fn tags(&self) -> Option<&Tags> {
        match self {
            Self::Service(scene) => scene.service.as_ref().map(|service| &service.tags),
            Self::Alias(scene) => scene.alias.as_ref().map(|alias| &alias.tags),
            Self::Stack(scene) => scene.stack.as_ref().map(|stack| &stack.tags),
        }
    }

    /// The target's ARN; none where there is no such target.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::Service(scene) => scene.service.as_ref().map(|service| service.arn.as_str()),
            Self::Alias(scene) => scene.alias.as_ref().map(|alias| alias.arn.as_str()),
            Self::Stack(scene) => scene.stack.as_ref().map(|stack| stack.id.as_str()),
        }
    }

    /// The service, where it is one.
    pub fn service(&self) -> Option<&service::Service> {
        match self {
            Self::Service(scene) => scene.service.as_ref(),
            Self::Alias(_) | Self::Stack(_) => None,
        }
    }
}

/// Whether something happened at most this long ago.
pub(crate) fn within(then: Timestamp, now: Timestamp, span: jiff::SignedDuration) -> bool {
    now.duration_since(then) <= span
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn claim<S: serde::Serializer>(claim: &Option<Claim>, serializer: S) -> Result<S::Ok, S::Error> {
    match claim {
        None => serializer.serialize_none(),
        Some(Claim::Won) => serializer.serialize_str("won"),
        Some(Claim::InHand) => serializer.serialize_str("in_hand"),
        Some(Claim::Done(outcome)) => serializer.serialize_str(&format!("done: {outcome}")),
    }
}
