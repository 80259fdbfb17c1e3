//! The case that the tables vary, and how it is decided: everything about it says "roll back".

use std::collections::BTreeMap;

use jiff::SignedDuration;
use shared::alarm::{AlarmChange, State, Transport};
use shared::ledger::incident::Incident;
use shared::ledger::lease::Lease;
use shared::ledger::once::Claim;
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::revision::{Revision, Standing};
use shared::ledger::target::Memory;
use shared::notice;
use shared::policy::{self, Loaded};
use shared::tags::Tags;

use super::{Policy, Question, Rollback, Step, Verdict, decide, operation_id, service};
use crate::cases::{ago, now, policy, td};
use crate::cause::{Cause, Request, Wanted};
use crate::facts::service::{
    Container, Controller, Found, Image, Port, Scene, Secret, Service, ServiceDeployment, ServiceRevision,
    Standing as Deployable, Status, TaskDefinition,
};
use crate::facts::{self, Alarm, Child, Facts, World};

/// The last that may be asked before there is a verdict.
const QUESTIONS: usize = 12;

pub(in crate::decision) const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web";

/// All there is to know of a case. The decision sees of it what it asks for.
#[derive(Debug, Clone)]
pub(in crate::decision) struct Truth {
    pub(in crate::decision) facts: Facts,
    /// The task definitions that ECS knows.
    pub(in crate::decision) definitions: BTreeMap<String, TaskDefinition>,
    pub(in crate::decision) policy: Policy,
}

/// `web:7` was deployed five minutes ago, its alarm fired a minute ago, and `web:6` ran for hours before it.
pub(in crate::decision) fn truth() -> Truth {
    let scene = Scene {
        service: Some(web()),
        owner: Some(Some("UPDATE_COMPLETE".to_owned())),
        earlier: Some(vec![td(6), td(5)]),
        code_deploy: Some(None),
        rotated: Some(Vec::new()),
        ..Scene::default()
    };
    let facts = Facts {
        claim: Some(Claim::Won),
        rules: Some(Loaded::default()),
        alarm: Some(Alarm { state: Some(State::Alarm), tags: Tags::new() }),
        children: Some(Vec::new()),
        behind: Some(Vec::new()),
        incident: Some(None),
        world: Some(World { memory: Memory::default(), scene: facts::Scene::Service(Box::new(scene)) }),
        ..Facts::of(Cause::Alarm(change()))
    };
    let definitions = (1..=9).map(|revision| (td(revision), definition(revision))).collect();
    let mut truth = Truth { facts, definitions, policy: policy() };
    truth.history(&[(Status::Successful, 5, 7), (Status::Successful, 500, 6)]);
    truth
}

pub(in crate::decision) fn change() -> AlarmChange {
    let dimensions = [("ClusterName", "prod"), ("ServiceName", "web")];
    AlarmChange {
        transport: Transport::Sns,
        name: "web-5xx".to_owned(),
        arn: Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web-5xx".to_owned()),
        description: None,
        state: State::Alarm,
        previous: Some(State::Ok),
        reason: "Threshold Crossed: 1 datapoint was greater than the threshold".to_owned(),
        has_reason_data: false,
        changed_at: ago(1),
        muted: false,
        composite: false,
        dimensions: vec![dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into()],
    }
}

fn web() -> Service {
    Service {
        arn: "arn:aws:ecs:eu-west-1:123456789012:service/prod/web".to_owned(),
        active: true,
        controller: Controller::Ecs,
        strategy: "ROLLING".to_owned(),
        task_definition: td(7),
        desired: 3,
        running: 3,
        deployed_at: Some(ago(7)),
        ports: vec![Port { container: "web".to_owned(), port: 8080 }],
        fargate: true,
        code_deploy: None,
        tags: Tags::new(),
    }
}

/// `web:<revision>`, with one container, whose image and secret are there.
pub(in crate::decision) fn definition(revision: u32) -> TaskDefinition {
    let image = format!("{REPOSITORY}:1.{revision}");
    TaskDefinition {
        arn: td(revision),
        standing: Deployable::Active,
        containers: vec![Container { name: "web".to_owned(), image: image.clone(), ports: vec![8080] }],
        fargate: true,
        images: vec![Image { container: "web".to_owned(), image, found: Found::There }],
        secrets: vec![Secret { name: "prod/web/db".to_owned(), found: Found::There }],
    }
}

/// The digest of the image that a task definition ran with; another where its tag was moved.
pub(in crate::decision) fn digest(what: &str) -> BTreeMap<String, String> {
    [("web".to_owned(), format!("sha256:{what}"))].into()
}

/// ECS's service revision that runs this task definition.
pub(in crate::decision) fn revision(arn: &str, revision: u32) -> ServiceRevision {
    ServiceRevision {
        arn: arn.to_owned(),
        task_definition: td(revision),
        images: digest(&revision.to_string()),
        around: BTreeMap::new(),
    }
}

/// An operation that began so many minutes ago.
pub(in crate::decision) fn operation(
    id: &str,
    from: u32,
    to: u32,
    minutes: i64,
    end: Option<End>,
) -> Operation {
    Operation {
        id: id.to_owned(),
        incident: "alarm:other".to_owned(),
        means: Means::UpdateService,
        from: td(from),
        to: td(to),
        copy_of: None,
        deployment: None,
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: ago(minutes),
        deadline: ago(minutes - 30),
        end,
    }
}

/// A redeploy by Watchkeeper that began so many minutes ago, because the secret `prod/web/db` changed.
pub(in crate::decision) fn redeploy(from: u32, to: u32, minutes: i64, end: Option<End>) -> Operation {
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/web/db-AbCdEf";
    Operation {
        incident: format!("secret:{secret}"),
        means: Means::Redeploy,
        copy_of: (from != to).then(|| td(from)),
        deployment: Some("ecs-svc/1".to_owned()),
        blames: false,
        redeploy: Some("redeploy-1".to_owned()),
        ..operation(&format!("re-{minutes}"), from, to, minutes, end)
    }
}

/// What people were told so many minutes ago.
pub(in crate::decision) fn incident(minutes: i64, state: notice::State, operation: Option<&str>) -> Incident {
    Incident {
        key: "alarm:web-5xx".to_owned(),
        state,
        revision: u64::try_from(ago(minutes).as_millisecond()).unwrap(),
        target: "ecs:prod/web".to_owned(),
        operation: operation.map(ToOwned::to_owned),
        opened: ago(minutes),
    }
}

pub(in crate::decision) fn tag(tags: &mut Tags, name: &str, value: &str) {
    tags.insert(format!("watchkeeper:{name}"), value.to_owned());
}

impl Truth {
    pub(in crate::decision) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same target, asked for by hand.
    pub(in crate::decision) fn by_hand(self, wanted: Wanted) -> Self {
        let request = Request {
            id: "request-1".to_owned(),
            asked_at: now(),
            target: "ecs:prod/web".parse().unwrap(),
            wanted,
            dry_run: false,
            confirmed: true,
            by: Some("ann".to_owned()),
        };
        self.with(|truth| truth.facts.cause = Cause::Request(request))
    }

    pub(in crate::decision) fn change(&mut self) -> &mut AlarmChange {
        let Cause::Alarm(change) = &mut self.facts.cause else {
            panic!("not an alarm");
        };
        change
    }

    pub(in crate::decision) fn request(&mut self) -> &mut Request {
        let Cause::Request(request) = &mut self.facts.cause else {
            panic!("not a request");
        };
        request
    }

    pub(in crate::decision) fn rules(&mut self) -> &mut policy::Policy {
        &mut self.facts.rules.as_mut().unwrap().policy
    }

    pub(in crate::decision) fn alarm(&mut self) -> &mut Alarm {
        self.facts.alarm.as_mut().unwrap()
    }

    pub(in crate::decision) fn memory(&mut self) -> &mut Memory {
        &mut self.facts.world.as_mut().unwrap().memory
    }

    pub(in crate::decision) fn scene(&mut self) -> &mut Scene {
        let facts::Scene::Service(scene) = &mut self.facts.world.as_mut().unwrap().scene else {
            panic!("not a service");
        };
        scene
    }

    pub(in crate::decision) fn service(&mut self) -> &mut Service {
        self.scene().service.as_mut().unwrap()
    }

    pub(in crate::decision) fn definition(&mut self, revision: u32) -> &mut TaskDefinition {
        self.definitions.get_mut(&td(revision)).unwrap()
    }

    /// ECS's own history, newest first: status, minutes since its end, task definition. Each took two minutes, and
    /// the newest is what the service is meant to run.
    pub(in crate::decision) fn history(&mut self, history: &[(Status, i64, u32)]) {
        let arn = |index: usize| format!("revision-{index}");
        let scene = self.scene();
        let listed = history.iter().enumerate();
        scene.deployments = listed
            .clone()
            .map(|(index, (status, minutes, _))| ServiceDeployment {
                arn: format!("deployment-{index}"),
                status: *status,
                created_at: Some(ago(minutes + 2)),
                finished_at: (!matches!(status, Status::InProgress | Status::RollingBack))
                    .then(|| ago(*minutes)),
                revision: arn(index),
            })
            .collect();
        scene.revisions = Some(listed.map(|(index, (_, _, td))| revision(&arn(index), *td)).collect());
        scene.sources = Some(Vec::new());
        if let Some((_, minutes, newest)) = history.first() {
            let service = self.service();
            service.task_definition = td(*newest);
            service.deployed_at = Some(ago(minutes + 2));
        }
    }

    /// What the newest deployment began from, where ECS lists it no more among the deployments.
    pub(in crate::decision) fn began_from(&mut self, revisions: &[u32]) {
        let arn = |td: &u32| format!("source-{td}");
        let scene = self.scene();
        scene.sources = Some(revisions.iter().map(arn).collect());
        scene.revisions.as_mut().unwrap().extend(revisions.iter().map(|td| revision(&arn(td), *td)));
    }

    pub(in crate::decision) fn remember(&mut self, revision: u32, standing: Standing, minutes: i64) {
        self.memory().revisions.push(Revision { arn: td(revision), standing, since: ago(minutes) });
    }

    /// The lease of an operation, which holds for so many minutes more.
    pub(in crate::decision) fn lease(&mut self, operation: &Operation, minutes: i64) {
        let until = now() + SignedDuration::from_mins(minutes);
        self.memory().lease = Some(Lease { owner: operation.id.clone(), until });
        self.memory().operations.push(operation.clone());
    }

    pub(in crate::decision) fn id(&self) -> String {
        operation_id(&self.facts, &"ecs:prod/web".parse().unwrap())
    }

    /// The operation of this very case, begun a minute ago by an invocation that was cut off.
    pub(in crate::decision) fn own(&self) -> Operation {
        operation(&self.id(), 7, 6, 1, None)
    }

    /// What is written before the act: lease, operation, and what it blames.
    pub(in crate::decision) fn begin(&mut self, rollback: &Rollback) {
        let plan = rollback.plan.clone();
        let begun = Operation {
            means: plan.act.means(),
            from: plan.from.clone(),
            to: plan.to,
            copy_of: plan.copy_of,
            deployment: plan.act.deployment(),
            ..operation(&rollback.operation, 0, 0, 0, None)
        };
        self.memory().operations.retain(|known| known.id != begun.id);
        self.lease(&begun, 60);
        self.memory().revisions.retain(|known| known.arn != plan.from);
        if plan.blames {
            let left = Revision { arn: plan.from, standing: Standing::Bad, since: rollback.began };
            self.memory().revisions.push(left);
        }
    }

    /// A copy of what the operation returns to was registered.
    pub(in crate::decision) fn copied(&mut self, operation: &str, copy: u32) {
        let known = self.memory().operations.iter_mut().find(|known| known.id == operation).unwrap();
        known.copy_of = Some(std::mem::replace(&mut known.to, td(copy)));
        self.definitions.insert(td(copy), definition(copy));
    }

    pub(in crate::decision) fn verdict(&self) -> Verdict {
        self.run().1
    }

    /// The act's rollback; the case must be one.
    pub(in crate::decision) fn rollback(&self) -> Rollback {
        let verdict = self.verdict();
        let Verdict::RollBack(rollback) = verdict else {
            panic!("it is not rolled back: {verdict:?}");
        };
        rollback
    }

    pub(in crate::decision) fn asked(&self) -> Vec<Question> {
        self.run().0
    }

    /// Asks until it is settled, as the handler does.
    pub(in crate::decision) fn run(&self) -> (Vec<Question>, Verdict) {
        let mut known = Facts::of(self.facts.cause.clone());
        let mut asked = Vec::new();
        while asked.len() < QUESTIONS {
            match decide(&known, &self.policy, now()) {
                Step::Settled(verdict) => return (asked, verdict),
                Step::Look(question) => {
                    assert!(!asked.contains(&question), "asked again: {question:?}, after {asked:?}");
                    self.answer(&mut known, &question);
                    asked.push(question);
                }
            }
        }
        panic!("there is no end of questions: {asked:?}");
    }

    fn answer(&self, known: &mut Facts, question: &Question) {
        match question {
            Question::Claim => {
                known.claim.clone_from(&self.facts.claim);
                known.rules.clone_from(&self.facts.rules);
                if matches!(known.cause, Cause::Alarm(_)) {
                    known.alarm.clone_from(&self.facts.alarm);
                }
            }
            Question::Rules => known.rules.clone_from(&self.facts.rules),
            Question::Incident => known.incident = Some(self.facts.incident.clone().flatten()),
            Question::Alarm => known.alarm.clone_from(&self.facts.alarm),
            Question::Children => known.children.clone_from(&self.facts.children),
            Question::Behind(_) => known.behind.clone_from(&self.facts.behind),
            Question::World(_) => known.world = self.facts.world.as_ref().map(at_first_sight),
            Question::Service(question) => self.answer_of_service(known, question),
            Question::Alias(_) => {
                let (facts::Scene::Alias(known), facts::Scene::Alias(all)) = self.scenes(known) else {
                    panic!("not an alias");
                };
                known.clone_from(all);
            }
            Question::Stack(question) => panic!("a stack's events are read at first sight: {question:?}"),
        }
    }

    fn scenes<'a>(&'a self, known: &'a mut Facts) -> (&'a mut facts::Scene, &'a facts::Scene) {
        (&mut known.world.as_mut().unwrap().scene, &self.facts.world.as_ref().unwrap().scene)
    }

    fn answer_of_service(&self, known: &mut Facts, question: &service::Question) {
        use service::Question as Q;
        let (facts::Scene::Service(known), facts::Scene::Service(all)) = self.scenes(known) else {
            panic!("not a service");
        };
        match question {
            Q::Owner(_) => known.owner.clone_from(&all.owner),
            Q::Sources(_) => known.sources.clone_from(&all.sources),
            // ECS describes those that were asked for.
            Q::Revisions(arns) => {
                let described =
                    all.revisions.iter().flatten().filter(|revision| arns.contains(&revision.arn));
                known.revisions = Some(described.cloned().collect());
            }
            Q::Earlier(_) => known.earlier.clone_from(&all.earlier),
            Q::Candidate { arn, .. } => {
                let gone = || TaskDefinition { arn: arn.clone(), ..TaskDefinition::default() };
                known.candidate = Some(self.definitions.get(arn).cloned().unwrap_or_else(gone));
            }
            Q::CodeDeploy(_) => known.code_deploy.clone_from(&all.code_deploy),
            Q::Rotated(_) => known.rotated.clone_from(&all.rotated),
        }
    }
}

/// A target as it is seen before its rules ask for more.
fn at_first_sight(world: &World) -> World {
    let scene = match &world.scene {
        facts::Scene::Service(scene) => facts::Scene::Service(Box::new(Scene {
            service: scene.service.clone(),
            deployments: scene.deployments.clone(),
            ..Scene::default()
        })),
        facts::Scene::Alias(scene) => facts::Scene::Alias(Box::new(facts::alias::Scene {
            alias: scene.alias.clone(),
            ..facts::alias::Scene::default()
        })),
        facts::Scene::Stack(_) => world.scene.clone(),
    };
    World { memory: world.memory.clone(), scene }
}

/// A child of a composite alarm, which is about this service by its dimensions.
pub(in crate::decision) fn child(name: &str, service: &str) -> Child {
    let dimensions = [("ClusterName", "prod"), ("ServiceName", service)];
    Child {
        name: name.to_owned(),
        tags: Tags::new(),
        dimensions: vec![dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).into()],
    }
}
