//! What to return to: the last revision known to be good, and how well that is known.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::ledger::operation::{Means, Operation};
use shared::ledger::revision::Standing;
use shared::ledger::target::Memory;

use super::super::plan::{Ask, Basis, Wish};
use super::super::redeploy::{self, is_same};
use super::{Asked, Question};
use crate::decision::Held;
use crate::facts::service::{Scene, Service, ServiceDeployment, ServiceRevision, Status};

/// A revision that was replaced sooner than this after its deployment ended has proved nothing: an alarm about it may
/// still have been on its way.
const PROVED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// A secret that changed this long before a deployment may have been what it was made for.
const ROTATED_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// What to return to, and by which way.
pub(super) enum Return {
    /// The deployment in flight is stopped; ECS goes back to what it began from.
    InFlight {
        /// The service deployment's ARN.
        deployment: String,
        /// What it deploys.
        target: ServiceRevision,
        /// What it began from.
        source: ServiceRevision,
    },
    /// This is deployed.
    Deploy {
        /// The task definition's ARN.
        task_definition: String,
        /// By container: the digest that ran.
        images: BTreeMap<String, String>,
        /// How it is known to be good.
        basis: Basis,
        /// What stood around it, where ECS recorded that.
        around: Option<BTreeMap<String, String>>,
    },
}

type Choice = Result<Return, Held>;

/// ECS's own history where there is any, and then nothing else: if all of it is bad or it says too little, walking
/// further back blindly would only be another outage. Without history the ledger, then the family. What a person
/// names is taken at their word.
pub(super) fn choose(service: &Service, scene: &Scene, memory: &Memory, ask: &Ask<'_>) -> Asked<Choice> {
    match ask.wish {
        Wish::Revision(named) => return Ok(by_name(named, service)),
        Wish::At(at) => {
            let Some(revisions) = history(scene)? else {
                return Ok(Err(Held::NothingRanThen { at: *at }));
            };
            return Ok(at_time(*at, revisions, service, scene, memory));
        }
        Wish::TakeBack { .. } | Wish::Unstick | Wish::Previous => {}
    }
    let Some(revisions) = history(scene)? else {
        // Where ECS tells of no deployment, the ledger tells whether the newest one changed code.
        let created = service.deployed_at.filter(|_| ask.wish.fired_at().is_some());
        if created.is_some_and(|at| redeploy::that_made(memory, &service.task_definition, at).is_some()) {
            return Ok(Err(same_code(created, service, scene, memory, ask)?));
        }
        return without_history(service, scene, memory);
    };
    let same_code = || {
        let created = scene.deployments.first().and_then(|newest| newest.created_at).or(service.deployed_at);
        same_code(created, service, scene, memory, ask)
    };
    let is_bad = |revision: &ServiceRevision, deployed| {
        bad_since(memory, ask.own, &revision.task_definition, deployed)
    };
    let find = |arn: &str| revisions.iter().find(|revision| revision.arn == arn);
    let Some(newest) = scene.deployments.first() else {
        return Ok(Err(Held::NoHistory));
    };
    match newest.status {
        Status::RollingBack => return Ok(Err(Held::EcsRollingBack)),
        Status::RolledBack => return Ok(Err(Held::EcsRolledBack)),
        Status::InProgress
        | Status::Successful
        | Status::Stopped
        | Status::RollbackFailed
        | Status::Unknown => {}
    }
    let Some(current) = find(&newest.revision) else {
        return Ok(Err(Held::NoHistory));
    };
    if current.task_definition != service.task_definition {
        return Ok(Err(Held::Moving));
    }
    let source = || -> Asked<Option<&ServiceRevision>> {
        let arns = scene.sources.as_ref().ok_or_else(|| Question::Sources(newest.arn.clone()))?;
        Ok(only(arns, scene).and_then(find))
    };
    if newest.status == Status::InProgress {
        let Some(source) = source()? else {
            return Ok(Err(Held::NoHistory));
        };
        if same_effect(memory, current, source) {
            return Ok(Err(same_code()?));
        }
        if is_bad(source, None) {
            return Ok(Err(Held::FixOnItsWay));
        }
        return Ok(Ok(Return::InFlight {
            deployment: newest.arn.clone(),
            target: current.clone(),
            source: source.clone(),
        }));
    }
    let mut before = scene
        .deployments
        .iter()
        .zip(scene.deployments.iter().skip(1))
        .filter(|(_, deployment)| deployment.status == Status::Successful)
        .filter_map(|(next, deployment)| Some((next, deployment, find(&deployment.revision)?)))
        .peekable();
    let Some((_, _, previous)) = before.peek() else {
        // ECS lists no successful deployment before the newest, but may know what that began from.
        let Some(source) = source()? else {
            return Ok(Err(Held::NoHistory));
        };
        if same_effect(memory, current, source) {
            return Ok(Err(same_code()?));
        }
        if is_bad(source, None) {
            return Ok(Err(Held::NothingGood));
        }
        return Ok(Ok(deploy(source, Basis::Before)));
    };
    if same_effect(memory, current, previous) {
        return Ok(Err(same_code()?));
    }
    let begun = ask.own.and_then(begun);
    let good = before.find(|(next, deployment, revision)| {
        !same_effect(memory, current, revision)
            && has_run(next, deployment)
            && !is_bad(revision, deployment.created_at)
            && begun.is_none_or(|begun| begun == revision.task_definition)
    });
    Ok(good.map_or(Err(Held::NothingGood), |(_, deployment, revision)| {
        Ok(deploy(revision, deployed(deployment)))
    }))
}

/// The service revisions of ECS's history; `None` where ECS lists no deployments.
fn history(scene: &Scene) -> Asked<Option<&[ServiceRevision]>> {
    let Some(newest) = scene.deployments.first() else {
        return Ok(None);
    };
    let successful = |deployment: &&ServiceDeployment| deployment.status == Status::Successful;
    let says_little = !scene.deployments.iter().skip(1).any(|deployment| successful(&deployment));
    if newest.status == Status::InProgress || says_little {
        scene.sources.as_ref().ok_or_else(|| Question::Sources(newest.arn.clone()))?;
    }
    let revisions = scene.revisions.as_ref().ok_or_else(|| {
        let listed = scene.deployments.iter().map(|deployment| deployment.revision.clone());
        Question::Revisions(listed.chain(scene.sources.iter().flatten().cloned()).collect())
    })?;
    Ok(Some(revisions))
}

/// The one revision that a deployment began from; of several, the one that was last deployed successfully, which is
/// the one that ECS returns to (ECS Developer Guide, "Service deployments").
fn only<'a>(sources: &'a [String], scene: &Scene) -> Option<&'a str> {
    if let [source] = sources {
        return Some(source);
    }
    let last = scene.deployments.iter().skip(1).find(|deployment| deployment.status == Status::Successful)?;
    sources.iter().find(|source| **source == last.revision).map(String::as_str)
}

/// What an operation that was begun returns to: it is fixed, although what it left is known to be bad since.
fn begun(own: &Operation) -> Option<&str> {
    let chosen = own.copy_of.as_deref().unwrap_or(&own.to);
    (own.means == Means::UpdateService).then_some(chosen)
}

/// Two revisions with the same effect: the same task definition, or a copy of it that an operation registered, and the
/// same images as far as ECS resolved them.
fn same_effect(memory: &Memory, one: &ServiceRevision, other: &ServiceRevision) -> bool {
    let unknown = one.images.is_empty() || other.images.is_empty();
    is_same(memory, &one.task_definition, &other.task_definition) && (unknown || one.images == other.images)
}

fn deploy(revision: &ServiceRevision, basis: Basis) -> Return {
    Return::Deploy {
        task_definition: revision.task_definition.clone(),
        images: revision.images.clone(),
        basis,
        around: Some(revision.around.clone()),
    }
}

fn deployed(deployment: &ServiceDeployment) -> Basis {
    Basis::Deployed { deployment: deployment.arn.clone(), finished_at: deployment.finished_at }
}

/// The newest deployment, created at this time, changed no code: then the secrets that its tasks began with are worth
/// knowing, and for which of them it was made.
fn same_code(
    created: Option<Timestamp>,
    service: &Service,
    scene: &Scene,
    memory: &Memory,
    ask: &Ask<'_>,
) -> Asked<Held> {
    let rotated = scene.rotated.as_ref().ok_or_else(|| Question::Rotated(service.task_definition.clone()))?;
    let lately =
        |changed: Timestamp| created.is_some_and(|created| created.duration_since(changed) <= ROTATED_BEFORE);
    let rotated = rotated.iter().filter(|secret| secret.changed_at.is_some_and(lately));
    Ok(Held::SameCode {
        rotated: rotated.map(|secret| secret.name.clone()).collect(),
        redeployed: redeploy::recent(memory, &service.task_definition, ask),
    })
}

/// Whether a deployment ran long enough before the next one was asked for.
fn has_run(next: &ServiceDeployment, deployment: &ServiceDeployment) -> bool {
    let (Some(finished), Some(replaced)) = (deployment.finished_at, next.created_at) else {
        return false;
    };
    replaced.duration_since(finished) >= PROVED_AFTER
}

/// Whether it, a copy of it or what it is a copy of was rolled away from, and not deployed again since by somebody who knew better. What
/// the operation of this very case left does not count: it may be the same task definition with another image.
fn bad_since(
    memory: &Memory,
    own: Option<&Operation>,
    task_definition: &str,
    deployed: Option<Timestamp>,
) -> bool {
    memory.revisions.iter().any(|revision| {
        is_same(memory, &revision.arn, task_definition)
            && revision.standing == Standing::Bad
            && own.is_none_or(|own| own.from != revision.arn || own.began != revision.since)
            && deployed.is_none_or(|created| created <= revision.since)
    })
}

fn without_history(service: &Service, scene: &Scene, memory: &Memory) -> Asked<Choice> {
    let bare = |task_definition: &str, basis| {
        Ok(Ok(Return::Deploy {
            task_definition: task_definition.to_owned(),
            images: BTreeMap::new(),
            basis,
            around: None,
        }))
    };
    let runs = |arn: &str| is_same(memory, arn, &service.task_definition);
    let good =
        memory.revisions.iter().find(|revision| revision.standing == Standing::Good && !runs(&revision.arn));
    if let Some(good) = good {
        return bare(&good.arn, Basis::Remembered { since: good.since });
    }
    let earlier = scene.earlier.as_ref().ok_or_else(|| Question::Earlier(service.task_definition.clone()))?;
    let lower = earlier.iter().find(|arn| !runs(arn) && !memory.is_bad(arn));
    lower.map_or(Ok(Err(Held::NothingGood)), |arn| bare(arn, Basis::Lower))
}

/// What ran at a time: the newest deployment that had ended successfully by then.
fn at_time(
    at: Timestamp,
    revisions: &[ServiceRevision],
    service: &Service,
    scene: &Scene,
    memory: &Memory,
) -> Choice {
    let then = scene.deployments.iter().find(|deployment| {
        deployment.status == Status::Successful && deployment.finished_at.is_some_and(|ended| ended <= at)
    });
    let found = then.and_then(|deployment| {
        Some((deployment, revisions.iter().find(|revision| revision.arn == deployment.revision)?))
    });
    let Some((deployment, revision)) = found else {
        return Err(Held::NothingRanThen { at });
    };
    let newest = scene.deployments.first().map(|newest| newest.revision.as_str());
    let current = revisions.iter().find(|revision| Some(revision.arn.as_str()) == newest);
    if current.is_some_and(|current| same_effect(memory, current, revision)) {
        return Err(Held::RunsAlready { task_definition: service.task_definition.clone() });
    }
    if bad_since(memory, None, &revision.task_definition, deployment.created_at) {
        return Err(Held::KnownBad { task_definition: revision.task_definition.clone() });
    }
    Ok(deploy(revision, deployed(deployment)))
}

/// `41`, `web:41`, or the whole ARN.
fn by_name(named: &str, service: &Service) -> Choice {
    let malformed = || Held::NotARevision { named: named.chars().take(200).collect() };
    let current = service.task_definition.as_str();
    let (prefix, own) = current.rsplit_once('/').ok_or_else(malformed)?;
    let (family, _) = own.rsplit_once(':').ok_or_else(malformed)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_family = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = named.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')).unwrap_or(named);
    let arn = match name.rsplit_once(':') {
        None if is_number(name) => format!("{prefix}/{family}:{name}"),
        // Another family is meant only where it is named in full.
        Some((other, revision))
            if is_number(revision) && is_family(other) && (other == family || name != named) =>
        {
            format!("{prefix}/{name}")
        }
        Some(_) | None => return Err(malformed()),
    };
    if arn == current {
        return Err(Held::RunsAlready { task_definition: arn });
    }
    Ok(Return::Deploy { task_definition: arn, images: BTreeMap::new(), basis: Basis::Named, around: None })
}
