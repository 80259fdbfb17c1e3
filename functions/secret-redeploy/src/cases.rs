//! What the tests of several modules begin with: at 03:00 the label of `prod/db` moved from [`OLD`] to [`NEW`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::ledger::operation::{Means, Operation};
use shared::ledger::redeploy::{Cause, Member, Phase, Redeploy, Standing};
use shared::tags::{Mode, Tags};

use crate::decision::Policy;
use crate::discover::Use;
use crate::facts::{Controller, Deployment, Rollout, Secret, Service, Strategy, Task};
use crate::reference::{Place, Reference, Wanted};

pub(crate) const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";
pub(crate) const OLD: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const NEW: &str = "99999999-8888-4777-8666-555555555555";

/// This many minutes after 03:00.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let three: Timestamp = "2026-11-20T03:00:00Z".parse().unwrap();
    three + SignedDuration::from_mins(minutes)
}

/// `redeploy=on` becomes the tag `watchkeeper:redeploy` with the value `on`.
pub(crate) fn tag(text: &str) -> Tags {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(key, value)| (format!("watchkeeper:{key}"), value.to_owned())).collect()
}

/// The defaults, where things are done.
pub(crate) fn policy() -> Policy {
    Policy {
        environment: "test".to_owned(),
        clusters: "prod".to_owned(),
        mode: Mode::Act,
        rules: shared::policy::Policy::default(),
        version: 3,
    }
}

pub(crate) fn with_rules(text: &str) -> Policy {
    Policy { rules: shared::policy::Policy::parse("/p", text).unwrap(), ..policy() }
}

pub(crate) fn secret() -> Secret {
    let stages = [(NEW, "AWSCURRENT"), (OLD, "AWSPREVIOUS")];
    Secret {
        arn: SECRET.to_owned(),
        name: "prod/db".to_owned(),
        stages: stages.map(|(version, stage)| (version.to_owned(), vec![stage.to_owned()])).into(),
        changed_at: Some(at(0)),
        rotated_by: None,
        ..Secret::default()
    }
}

pub(crate) fn rotated_by(strategy: &str) -> Secret {
    Secret { tags: tag(&format!("rotation={strategy}")), ..secret() }
}

pub(crate) fn redeploy() -> Redeploy {
    Redeploy {
        id: "redeploy-1".to_owned(),
        secret: SECRET.to_owned(),
        name: "prod/db".to_owned(),
        label: "AWSCURRENT".to_owned(),
        version: NEW.to_owned(),
        moved: at(0),
        holds_before: None,
        cause: Cause::Event,
        phase: Phase::Running,
        waves: 0,
        began: at(0),
        unread: 0,
        told: false,
        ended: None,
        next: None,
        even_if_fresh: false,
        put_back: None,
    }
}

pub(crate) fn member(name: &str, standing: Standing) -> Member {
    Member {
        target: format!("ecs:prod/{name}").parse().unwrap(),
        uses: vec!["secrets of container app".to_owned()],
        rank: 3,
        standing,
        why: "because".to_owned(),
        since: at(1),
        runs_old: standing != Standing::Fresh,
        needs_a_hand: false,
        until: None,
        wave: None,
        operation: None,
        deployment: None,
        waited_for: None,
    }
}

/// One that began in the first wave.
pub(crate) fn begun(name: &str, standing: Standing) -> Member {
    Member { wave: Some(0), operation: Some("op-1".to_owned()), ..member(name, standing) }
}

pub(crate) fn td(family: &str, revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:{revision}")
}

pub(crate) fn deployment(id: &str, rollout: Option<Rollout>, minutes: i64) -> Deployment {
    Deployment {
        id: format!("ecs-svc/{id}"),
        primary: true,
        task_definition: td("web", 7),
        rollout,
        created_at: Some(at(minutes)),
    }
}

/// Three tasks of `web:7`, deployed a day before.
pub(crate) fn service() -> Service {
    Service {
        target: "ecs:prod/web".parse().unwrap(),
        arn: "arn:aws:ecs:eu-west-1:123456789012:service/prod/web".to_owned(),
        active: true,
        controller: Controller::Ecs,
        daemon: false,
        strategy: Strategy::Rolling,
        pauses: Vec::new(),
        minimum_percent: Some(100),
        maximum_percent: Some(200),
        desired: 3,
        running: 3,
        tags: Tags::new(),
        deployments: vec![deployment("1", Some(Rollout::Completed), -24 * 60)],
        task_sets: Vec::new(),
        load_balancer: Some(("app".to_owned(), 8080)),
    }
}

pub(crate) const DIGEST: &str = "sha256:aaaa";

pub(crate) fn task(minutes: i64) -> Task {
    Task {
        created_at: Some(at(minutes)),
        started_by: "ecs-svc/1".to_owned(),
        task_definition: td("web", 7),
        digests: BTreeMap::from([("app".to_owned(), DIGEST.to_owned())]),
    }
}

/// One reference to the secret; what is wanted of it is a label, or a version by its id.
pub(crate) fn used(place: Place, wanted: &str) -> Use {
    let secret = serde_json::from_value(SECRET.into()).unwrap();
    let wanted = if wanted.len() == 36 {
        Wanted::Version(wanted.to_owned())
    } else {
        Wanted::Stage(wanted.to_owned())
    };
    let reference = Reference { place, container: Some("app".to_owned()), secret, key: None, wanted };
    Use { definition: Some(td("web", 7)), reference, secret: SECRET.to_owned() }
}

/// The operation that redeploys the service for [`redeploy`].
pub(crate) fn operation() -> Operation {
    Operation {
        id: "op-1".to_owned(),
        incident: format!("secret:{SECRET}"),
        means: Means::Redeploy,
        from: td("web", 7),
        to: td("web", 7),
        copy_of: None,
        deployment: Some("ecs-svc/2".to_owned()),
        blames: false,
        before: Some("ecs-svc/1".to_owned()),
        asked_by: None,
        redeploy: Some("redeploy-1".to_owned()),
        said: None,
        began: at(1),
        deadline: at(61),
        end: None,
    }
}
