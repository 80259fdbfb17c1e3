//! The decision of `alarm-rollback`: the pure function, asked again and again about the same facts, of which nothing is
//! left to find out.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;

use alarm_rollback::cause::Cause;
use alarm_rollback::decision::{Act, Policy, Step, Verdict, decide};
use alarm_rollback::facts::service::{
    Container, Controller, Found, Image, Port, Scene as Service, Secret, Service as Described,
    ServiceDeployment, ServiceRevision, Standing, Status, TaskDefinition,
};
use alarm_rollback::facts::{Alarm, Facts, Scene, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::alarm;
use shared::ledger::once::Claim;
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::revision::{Revision, Standing as Known};
use shared::ledger::target::Memory;
use shared::policy::Loaded;
use shared::tags::{Mode, Tags};

/// How many deployments the service had, and how far they lie apart.
const DEPLOYMENTS: u32 = 20;
const APART: SignedDuration = SignedDuration::from_hours(7);

/// The newest revision, and the one to return to.
const NEWEST: u32 = 60;
const GOOD: u32 = 56;

const TAG: &str = "1.4";

/// The decision, ready to be made.
pub(crate) fn decision(now: Timestamp) -> Result<impl FnMut() -> usize, Box<dyn Error>> {
    let (facts, policy) = (facts(now)?, policy());
    match decide(&facts, &policy, now) {
        Step::Settled(Verdict::RollBack(rollback))
            if rollback.plan.act == (Act::UpdateService { task_definition: task_definition(GOOD) }) => {}
        other @ (Step::Look(_) | Step::Settled(_)) => {
            return Err(format!("the facts lead elsewhere: {other:?}").into());
        }
    }
    Ok(move || {
        black_box(decide(black_box(&facts), black_box(&policy), black_box(now)));
        1
    })
}

fn policy() -> Policy {
    Policy {
        environment: "prod".to_owned(),
        mode: Mode::Act,
        clusters: "prod-*".to_owned(),
        functions: "*".to_owned(),
        stacks: "*".to_owned(),
    }
}

/// An alarm about a service that was deployed ten minutes ago and often before.
fn facts(now: Timestamp) -> Result<Facts, Box<dyn Error>> {
    let ago = |minutes: i64| now.saturating_sub(SignedDuration::from_mins(minutes));
    let event = json!({
        "source": "aws.cloudwatch",
        "alarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web-errors",
        "alarmData": {
            "alarmName": "web-errors",
            "state": {"value": "ALARM", "reason": "Threshold Crossed", "reasonData": "{}", "timestamp": ago(1)?},
            "previousState": {"value": "OK", "timestamp": ago(600)?},
            "configuration": {"metrics": [{"id": "m1", "returnData": true, "metricStat": {"stat": "Average",
                "period": 60, "metric": {"namespace": "AWS/ECS", "name": "CPUUtilization",
                    "dimensions": {"ClusterName": "prod-1", "ServiceName": "web"}}}}]},
        },
    });
    let change = alarm::parse(&event)?.pop().ok_or("the event tells of no alarm")?;
    let mut facts = Facts::of(Cause::Alarm(change));
    facts.claim = Some(Claim::Won);
    facts.rules = Some(Loaded::default());
    facts.alarm = Some(Alarm { state: Some(alarm::State::Alarm), tags: tags(&[("team", "shop")]) });
    let scene = scene(now)?;
    facts.world = Some(World { memory: memory(now)?, scene: Scene::Service(Box::new(scene)) });
    Ok(facts)
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:ecs:eu-central-1:123456789012:{kind}/{name}")
}

fn task_definition(revision: u32) -> String {
    arn("task-definition", &format!("web:{revision}"))
}

fn service_revision(revision: u32) -> String {
    arn("service-revision", &format!("prod-1/web/48700000000000000{revision:02}"))
}

/// What the ledger remembers: a rollback of last week, and what it taught.
fn memory(now: Timestamp) -> Result<Memory, Box<dyn Error>> {
    let days = |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days));
    let (left, returned) = (task_definition(50), task_definition(49));
    let operation = Operation {
        id: "8c1f0a7e5d3b9264".to_owned(),
        incident: "alarm:arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web-errors".to_owned(),
        means: Means::UpdateService,
        from: left.clone(),
        to: returned.clone(),
        copy_of: None,
        deployment: Some("ecs-svc/4870000000000000001".to_owned()),
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: days(7)?,
        deadline: days(7)?,
        end: Some(End::Recovered),
    };
    // The newest but one was found bad by somebody else's rollback, after it was deployed.
    let known = [(NEWEST - 2, Known::Bad, 0), (50, Known::Bad, 7), (49, Known::Good, 7)];
    let revisions = known.into_iter().map(|(revision, standing, ago)| {
        Ok(Revision { arn: task_definition(revision), standing, since: days(ago)? })
    });
    let revisions = revisions.collect::<Result<_, jiff::Error>>()?;
    Ok(Memory { operations: vec![operation], revisions, ..Memory::default() })
}

/// The service: of its deployments before the newest, one was found bad, one was rolled back by ECS and one did not run
/// for long, so that the search goes on.
fn scene(now: Timestamp) -> Result<Service, Box<dyn Error>> {
    let newest = now.checked_sub(SignedDuration::from_mins(12))?;
    let mut deployments = Vec::new();
    let mut revisions = Vec::new();
    for (age, revision) in (0..DEPLOYMENTS).map(|age| (age, NEWEST - age)) {
        let created = newest.checked_sub(APART * i32::try_from(age)?)?;
        let takes = if revision == GOOD + 1 { APART } else { SignedDuration::from_mins(2) };
        let status = if revision == NEWEST - 1 { Status::RolledBack } else { Status::Successful };
        deployments.push(ServiceDeployment {
            arn: arn("service-deployment", &format!("prod-1/web/deployment-{revision}")),
            status,
            created_at: Some(created),
            finished_at: Some(created.checked_add(takes)?),
            revision: service_revision(revision),
        });
        revisions.push(ServiceRevision {
            arn: service_revision(revision),
            task_definition: task_definition(revision),
            images: BTreeMap::from([("app".to_owned(), format!("sha256:{revision:064}"))]),
            around: BTreeMap::from([
                ("subnets".to_owned(), "subnet-0a1b2c3d, subnet-1a2b3c4d".to_owned()),
                ("security groups".to_owned(), "sg-0a1b2c3d".to_owned()),
                ("platform version".to_owned(), "1.4.0".to_owned()),
            ]),
        });
    }
    let image = format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web:{TAG}");
    let there = |name: &str| Secret { name: name.to_owned(), found: Found::There };
    Ok(Service {
        service: Some(Described {
            arn: arn("service", "prod-1/web"),
            active: true,
            controller: Controller::Ecs,
            strategy: "ROLLING".to_owned(),
            task_definition: task_definition(NEWEST),
            desired: 4,
            running: 4,
            deployed_at: Some(newest),
            ports: vec![Port { container: "app".to_owned(), port: 8080 }],
            fargate: true,
            code_deploy: None,
            tags: tags(&[("watchkeeper:environment", "prod"), ("team", "shop"), ("cost-center", "42")]),
        }),
        deployments,
        revisions: Some(revisions),
        candidate: Some(TaskDefinition {
            arn: task_definition(GOOD),
            standing: Standing::Active,
            containers: vec![Container { name: "app".to_owned(), image: image.clone(), ports: vec![8080] }],
            fargate: true,
            images: vec![Image { container: "app".to_owned(), image, found: Found::There }],
            secrets: vec![there("shop/web/database"), there("shop/web/payment")],
        }),
        ..Service::default()
    })
}
