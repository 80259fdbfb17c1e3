//! The rules for an ECS service that CodeDeploy deploys.
//!
//! ECS refuses another task definition for such a service, so CodeDeploy has to be told: to stop and go back while a
//! deployment is on its way, and afterwards to deploy the last good application specification again.

mod why;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::ledger::operation::{End, Means, Operation};
use shared::ledger::revision::Standing;
use shared::ledger::target::Memory;

use super::plan::{Act, Ask, Basis, Plan, Wish};
use super::redeploy;
use crate::facts::code_deploy::{Deployment, Record, Status};
pub use why::Why;

/// A revision that was replaced sooner than this after its deployment ended has proved nothing: an alarm about it may
/// still have been on its way.
const PROVED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The plan, or why there is none. `service_task_definition` is what ECS says that the service runs.
pub(super) fn plan(
    record: &Record,
    service_task_definition: &str,
    memory: &Memory,
    ask: &Ask<'_>,
) -> Result<Plan, Why> {
    let case = Case { record, service_task_definition, memory, ask };
    if let Some(own) = ask.own {
        return case.resume(own);
    }
    match ask.wish {
        Wish::TakeBack { fired_at } => case.take_back(Some(*fired_at)),
        Wish::Previous => case.take_back(None),
        Wish::Unstick => Err(Why::NeverStuck),
        Wish::Revision(wanted) => case.to_named(wanted),
        Wish::At(at) => case.to_what_ran(*at),
    }
}

/// One service, and all that is known of it.
struct Case<'a> {
    record: &'a Record,
    service_task_definition: &'a str,
    memory: &'a Memory,
    ask: &'a Ask<'a>,
}

impl Case<'_> {
    /// `fired_at` where an alarm blames a deployment; a person's wish blames it by itself.
    fn take_back(&self, fired_at: Option<Timestamp>) -> Result<Plan, Why> {
        let newest = &self.record.newest;
        if let Some(operation) = self.ours(newest) {
            return Err(Why::OwnRollback { operation: operation.id.clone() });
        }
        if newest.rollback && (fired_at.is_some() || newest.status == Status::InProgress) {
            return Err(Why::RolledBack { deployment: newest.id.clone() });
        }
        if let Some(fired_at) = fired_at {
            self.blame(fired_at)?;
        }
        match newest.status {
            Status::InProgress => self.stop(),
            Status::Succeeded => self.deploy_previous(),
            // By hand it is taken for what it is: something that did not arrive.
            Status::Failed | Status::Stopped if fired_at.is_none() => self.deploy_previous(),
            Status::Failed | Status::Stopped => Err(Why::Failed { deployment: newest.id.clone() }),
            Status::Unknown => Err(Why::UnknownState { deployment: newest.id.clone() }),
        }
    }

    /// The operation that created a deployment.
    fn ours(&self, deployment: &Deployment) -> Option<&Operation> {
        self.memory.operations.iter().find(|operation| {
            operation.means == Means::CreateDeployment
                && operation.end != Some(End::Refused)
                && (operation.deployment.as_ref() == Some(&deployment.id) || is_of(deployment, operation))
        })
    }

    fn blame(&self, fired_at: Timestamp) -> Result<(), Why> {
        let newest = &self.record.newest;
        let created = newest.created_at.or(newest.completed_at);
        // One that is still on its way is recent however long ago it began.
        let settled = match newest.status {
            Status::InProgress => Some(self.ask.now),
            Status::Succeeded | Status::Failed | Status::Stopped | Status::Unknown => {
                newest.completed_at.or(created)
            }
        };
        let (Some(created), Some(settled)) = (created, settled) else {
            return Err(Why::NoTime { deployment: newest.id.clone() });
        };
        if !crate::facts::within(settled, self.ask.now, self.ask.rules.rollback.attribution_window) {
            return Err(Why::TooOld { deployed_at: settled });
        }
        if fired_at < created {
            return Err(Why::FiringBefore { deployed_at: created });
        }
        Ok(())
    }

    /// Stops the deployment on its way, which leads back to what it began from.
    fn stop(&self) -> Result<Plan, Why> {
        let newest = &self.record.newest;
        let runs = newest.task_definition.as_deref().ok_or_else(|| unreadable(newest))?;
        let source = match self.before_newest().next() {
            Some(deployment) => {
                deployment.task_definition.as_deref().ok_or_else(|| unreadable(deployment))?
            }
            // The first deployment of the group: the service was created with what it leaves.
            None => self.service_task_definition,
        };
        if self.same_code(source, runs) {
            return Err(self.code_is_the_same(runs));
        }
        if self.is_bad(source) {
            return Err(Why::FixOnItsWay { task_definition: source.to_owned() });
        }
        let act = Act::StopDeployment { deployment: newest.id.clone() };
        Ok(self.planned(runs, source, Basis::Source, act))
    }

    fn deploy_previous(&self) -> Result<Plan, Why> {
        let runs = self.runs()?;
        let newest_arrived = self.record.newest.status == Status::Succeeded;
        let mut before = self.before_newest().peekable();
        match before.peek() {
            None => return Err(Why::NoHistory),
            Some(previous) => {
                let previous = previous.task_definition.as_deref().ok_or_else(|| unreadable(previous))?;
                if newest_arrived && self.same_code(previous, runs) {
                    return Err(self.code_is_the_same(runs));
                }
            }
        }
        let good = before.find(|deployment| {
            deployment.task_definition.as_deref().is_some_and(|task_definition| {
                !self.same_code(task_definition, runs)
                    && !self.is_bad(task_definition)
                    && self.has_run(deployment)
            })
        });
        self.deploy(runs, good.ok_or(Why::NothingGood)?)
    }

    fn to_named(&self, wanted: &str) -> Result<Plan, Why> {
        let runs = self.runs()?;
        let wanted = revision(wanted).ok_or_else(|| Why::NotARevision { text: wanted.to_owned() })?;
        if self.record.newest.status == Status::InProgress {
            return self.stop_towards(wanted);
        }
        if is_same(wanted, runs) {
            return Err(Why::AlreadyThere { task_definition: runs.to_owned() });
        }
        let found = self.record.succeeded.iter().find(|deployment| {
            deployment.task_definition.as_deref().is_some_and(|known| is_same(known, wanted))
        });
        let found = found.ok_or_else(|| Why::NotDeployed { task_definition: wanted.to_owned() })?;
        let mut plan = self.deploy(runs, found)?;
        plan.basis = Basis::Named;
        if self.is_bad(&plan.to) {
            plan.notes.push(format!(
                "{} is held to be bad: it was rolled away from before.",
                super::short(&plan.to)
            ));
        }
        Ok(plan)
    }

    fn to_what_ran(&self, at: Timestamp) -> Result<Plan, Why> {
        let ran = self
            .record
            .succeeded
            .iter()
            .find(|deployment| deployment.completed_at.is_some_and(|completed| completed <= at))
            .filter(|_| at <= self.ask.now)
            .ok_or(Why::NotRecorded { at })?;
        let task_definition = ran.task_definition.as_deref().ok_or_else(|| unreadable(ran))?;
        if self.is_bad(task_definition) {
            return Err(Why::Bad { task_definition: task_definition.to_owned() });
        }
        if self.record.newest.status == Status::InProgress {
            return self.stop_towards(task_definition);
        }
        let runs = self.runs()?;
        if is_same(task_definition, runs) {
            return Err(Why::AlreadyThere { task_definition: runs.to_owned() });
        }
        self.deploy(runs, ran)
    }

    /// A deployment on its way is stopped only if that leads where a person wants to be.
    fn stop_towards(&self, wanted: &str) -> Result<Plan, Why> {
        let newest = &self.record.newest;
        let busy = || Why::Busy { deployment: newest.id.clone() };
        if newest.rollback || self.ours(newest).is_some() {
            return Err(busy());
        }
        let plan = self.stop()?;
        if is_same(&plan.to, wanted) { Ok(plan) } else { Err(busy()) }
    }

    /// What was begun is made as it was begun, by whatever leads there now.
    fn resume(&self, own: &Operation) -> Result<Plan, Why> {
        let newest = &self.record.newest;
        let begun = |act| Ok(self.planned(&own.from, &own.to, Basis::Begun, act));
        let is_the_one = own.deployment.as_ref() == Some(&newest.id);
        // Stopping what is stopped is no change; whether it was, is asked when it is done.
        let stoppable = matches!(newest.status, Status::InProgress | Status::Stopped | Status::Failed);
        if own.means == Means::StopDeployment && is_the_one && stoppable {
            return begun(Act::StopDeployment { deployment: newest.id.clone() });
        }
        if newest.status == Status::InProgress && !is_of(newest, own) {
            return Err(Why::Busy { deployment: newest.id.clone() });
        }
        let good = self.record.succeeded.iter().find(|deployment| {
            deployment.task_definition.as_deref().is_some_and(|known| is_same(known, &own.to))
        });
        let good = good.ok_or_else(|| Why::NotDeployed { task_definition: own.to.clone() })?;
        begun(self.create(good)?)
    }

    /// What the service runs by CodeDeploy's account: what ECS says may be what the service was created with.
    fn runs(&self) -> Result<&str, Why> {
        let newest = &self.record.newest;
        let running =
            if newest.status == Status::Succeeded { Some(newest) } else { self.record.succeeded.first() };
        running.map_or(Ok(self.service_task_definition), |deployment| {
            deployment.task_definition.as_deref().ok_or_else(|| unreadable(deployment))
        })
    }

    /// Those that succeeded before the newest, newest first.
    fn before_newest(&self) -> impl Iterator<Item = &Deployment> {
        self.record.succeeded.iter().filter(|deployment| deployment.id != self.record.newest.id)
    }

    /// Whether a deployment ran long enough before the next one was asked for.
    fn has_run(&self, deployment: &Deployment) -> bool {
        let mut next = &self.record.newest;
        for later in &self.record.succeeded {
            if later.id == deployment.id {
                break;
            }
            next = later;
        }
        let (Some(completed), Some(replaced)) = (deployment.completed_at, next.created_at) else {
            return false;
        };
        next.id != deployment.id && replaced.duration_since(completed) >= PROVED_AFTER
    }

    fn is_bad(&self, task_definition: &str) -> bool {
        self.memory
            .revisions
            .iter()
            .any(|known| known.standing == Standing::Bad && self.same_code(&known.arn, task_definition))
    }

    /// Whether two task definitions are one, or copies of one.
    fn same_code(&self, one: &str, other: &str) -> bool {
        redeploy::is_same(self.memory, one, other)
    }

    fn code_is_the_same(&self, runs: &str) -> Why {
        let redeployed = redeploy::recent(self.memory, runs, self.ask);
        Why::SameCode { task_definition: runs.to_owned(), redeployed }
    }

    fn deploy(&self, from: &str, good: &Deployment) -> Result<Plan, Why> {
        let act = self.create(good)?;
        let to = good.task_definition.as_deref().ok_or_else(|| unreadable(good))?;
        let basis = Basis::Deployed { deployment: good.id.clone(), finished_at: good.completed_at };
        let mut plan = self.planned(from, to, basis, act);
        plan.notes.push(
            "The alarms of the deployment group are not heeded during this deployment: one that fires because of what \
             is left would stop it."
                .to_owned(),
        );
        Ok(plan)
    }

    /// Any specification of the same task definition serves.
    fn create(&self, good: &Deployment) -> Result<Act, Why> {
        let task_definition = good.task_definition.as_deref().ok_or_else(|| unreadable(good))?;
        let mut alike = self.record.succeeded.iter().filter(|deployment| {
            deployment.task_definition.as_deref().is_some_and(|known| is_same(known, task_definition))
        });
        let specification = alike.find_map(|deployment| deployment.specification.clone());
        Ok(Act::CreateDeployment {
            application: self.record.application.clone(),
            group: self.record.group.clone(),
            specification: specification.ok_or_else(|| unreadable(good))?,
        })
    }

    fn planned(&self, from: &str, to: &str, basis: Basis, act: Act) -> Plan {
        let mut notes = Vec::new();
        if !self.record.whole {
            notes.push(
                "Only the newest of CodeDeploy's deployments of this service were looked at.".to_owned(),
            );
        }
        Plan {
            from: from.to_owned(),
            to: to.to_owned(),
            copy_of: None,
            basis,
            act,
            blames: match self.ask.wish {
                Wish::TakeBack { .. } | Wish::Previous => true,
                Wish::Unstick | Wish::Revision(_) | Wish::At(_) => false,
            },
            notes,
            before: json!({
                "task_definition": self.service_task_definition,
                "application": self.record.application,
                "group": self.record.group,
                "deployment": self.record.newest.id,
            }),
        }
    }
}

/// Whether a deployment says that this operation created it.
fn is_of(deployment: &Deployment, operation: &Operation) -> bool {
    deployment.description.as_deref().is_some_and(|text| text.contains(operation.id.as_str()))
}

fn unreadable(deployment: &Deployment) -> Why {
    Why::Unreadable { deployment: deployment.id.clone() }
}

/// `web:41` or an ARN that ends so; not a family alone, which is whatever revision was newest at the time.
fn revision(text: &str) -> Option<&str> {
    let (family, revision) = super::short(text).rsplit_once(':')?;
    (!family.is_empty() && revision.parse::<u64>().is_ok()).then_some(text)
}

/// Whether two texts, ARNs or not, name one task definition.
fn is_same(one: &str, other: &str) -> bool {
    super::short(one) == super::short(other)
}

#[cfg(test)]
mod tests;
