//! CloudFormation stacks that are stuck, as local AWS never leaves them.

use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use jiff::SignedDuration;
use serde_json::Value;

use super::{Change, ago, arn, hash, locked, now};
use crate::proxy::{Answer, Call};

mod calls;
mod stack;

use stack::{Resource, Stack};

/// Why a resource was not updated, where another's failure ended the operation.
pub(crate) const CANCELLED: &str = "Resource update cancelled";

/// All the stacks of an account.
///
/// It answers `DescribeStacks`, `ListStacks`, `DescribeStackEvents`, `DescribeStackResources`, `ListStackResources`,
/// `ContinueUpdateRollback`, `CancelUpdateStack` and `RollbackStack`. A clone is the same double. What a call began
/// stands still until [`Stacks::advance`] moves it, or ends by itself after [`Stacks::settling_after`] so many looks.
#[derive(Debug, Clone, Default)]
pub struct Stacks {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    stacks: Vec<Stack>,
    changes: Vec<Change>,
    looks_per_step: Option<usize>,
    page: Option<usize>,
    /// The tokens of the calls that began something, each with the call.
    tokens: Vec<(String, Value)>,
}

impl Stacks {
    /// No stacks.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stack in `UPDATE_COMPLETE`, which runs the service `Service`.
    #[must_use]
    pub fn steady(self, name: &str) -> Self {
        let mut stack = Stack::new(name, "UPDATE_COMPLETE", ago(60 * 24 * 30), ago(60 * 24));
        stack.resources.push(service(name, "Service", "UPDATE_COMPLETE"));
        stack.note("UPDATE_COMPLETE", None, ago(60 * 24));
        self.has(stack)
    }

    /// A stack in `UPDATE_IN_PROGRESS` since so many minutes, because its service `Service` does not settle.
    #[must_use]
    pub fn updating(self, name: &str, minutes: i64) -> Self {
        let mut stack = Stack::new(name, "UPDATE_IN_PROGRESS", ago(60 * 24 * 30), ago(minutes));
        stack.resources.push(service(name, "Service", "UPDATE_COMPLETE"));
        stack.reason = Some("User Initiated".to_owned());
        stack.note("UPDATE_IN_PROGRESS", Some("User Initiated"), ago(minutes));
        stack.set("Service", "UPDATE_IN_PROGRESS", None, ago(minutes));
        self.has(stack)
    }

    /// A stack in `CREATE_FAILED`, whose service `Service` could not be created and whose `Bucket` is there. It never
    /// was stable: `RollbackStack` deletes it.
    #[must_use]
    pub fn never_created(self, name: &str) -> Self {
        let begun = ago(50);
        let mut stack = Stack::new(name, "CREATE_FAILED", begun, begun);
        stack.disable_rollback = true;
        stack.resources.push(Resource::new(
            "Bucket",
            &format!("{name}-bucket"),
            "AWS::S3::Bucket",
            "CREATE_COMPLETE",
        ));
        stack.resources.push(service(name, "Service", "CREATE_IN_PROGRESS"));
        stack.note("CREATE_IN_PROGRESS", Some("User Initiated"), begun);
        stack.set("Bucket", "CREATE_COMPLETE", None, ago(48));
        stack.set("Service", "CREATE_FAILED", Some(BREAKER), ago(20));
        stack.end("CREATE_FAILED", Some("The following resource(s) failed to create: [Service]. "), ago(20));
        self.has(stack)
    }

    /// A stack in `UPDATE_FAILED`: its update failed and was not to be rolled back. `RollbackStack` brings it back.
    #[must_use]
    pub fn half_updated(self, name: &str) -> Self {
        let mut stack = Stack::new(name, "UPDATE_FAILED", ago(60 * 24 * 30), ago(50));
        stack.disable_rollback = true;
        stack.resources.push(service(name, "Service", "UPDATE_COMPLETE"));
        stack.note("UPDATE_IN_PROGRESS", Some("User Initiated"), ago(50));
        stack.set("Service", "UPDATE_FAILED", Some(BREAKER), ago(20));
        stack.end("UPDATE_FAILED", Some("The following resource(s) failed to update: [Service]. "), ago(20));
        self.has(stack)
    }

    /// A stack and the stack `Web` nested in it, both in `UPDATE_ROLLBACK_FAILED`. In the nested one two services are
    /// in `UPDATE_FAILED`: `Service`, because its rollback failed, and `Worker`, because that ended the rollback
    /// (`Resource update cancelled`). The rollback fails again until [`Stacks::fix`], or until `Service` is skipped.
    #[must_use]
    pub fn stuck(self, name: &str) -> Self {
        let (created, begun) = (ago(60 * 24 * 30), ago(50));
        let mut root = Stack::new(name, "UPDATE_ROLLBACK_FAILED", created, begun);
        let word = hash(name).to_uppercase();
        let inner_name = format!("{name}-Web-{}", word.get(..13).unwrap_or_default());
        let mut inner = Stack::new(&inner_name, "UPDATE_ROLLBACK_FAILED", created, begun);
        inner.parent = Some(root.id.clone());
        inner.resources.push(service(&inner_name, "Service", "UPDATE_COMPLETE"));
        inner.resources.push(service(&inner_name, "Worker", "UPDATE_COMPLETE"));
        root.resources.push(Resource::new("Web", &inner.id, "AWS::CloudFormation::Stack", "UPDATE_COMPLETE"));

        root.note("UPDATE_IN_PROGRESS", Some("User Initiated"), begun);
        root.set("Web", "UPDATE_IN_PROGRESS", None, begun);
        inner.note("UPDATE_IN_PROGRESS", Some("User Initiated"), begun);
        inner.set("Service", "UPDATE_IN_PROGRESS", None, ago(49));
        inner.set("Worker", "UPDATE_IN_PROGRESS", None, ago(49));
        inner.set("Service", "UPDATE_FAILED", Some(BREAKER), ago(40));
        inner.set("Worker", "UPDATE_FAILED", Some(CANCELLED), ago(40));
        let both = "The following resource(s) failed to update: [Service, Worker]. ";
        inner.note("UPDATE_ROLLBACK_IN_PROGRESS", Some(both), ago(39));
        root.set("Web", "UPDATE_FAILED", Some(both), ago(39));
        root.note("UPDATE_ROLLBACK_IN_PROGRESS", Some(WEB_FAILED), ago(38));
        inner.set("Service", "UPDATE_IN_PROGRESS", None, ago(37));
        inner.set("Worker", "UPDATE_IN_PROGRESS", None, ago(37));
        inner.set("Service", "UPDATE_FAILED", Some(BREAKER), ago(31));
        inner.set("Worker", "UPDATE_FAILED", Some(CANCELLED), ago(31));
        inner.hold("Service", BREAKER);
        inner.end("UPDATE_ROLLBACK_FAILED", Some(both), ago(31));
        let embedded = stack::embedded(&inner.id, both);
        root.set("Web", "UPDATE_FAILED", Some(&embedded), ago(30));
        root.end("UPDATE_ROLLBACK_FAILED", Some(WEB_FAILED), ago(30));
        self.has(root).has(inner)
    }

    /// Gives the last stack, and what is nested in it, this service role.
    #[must_use]
    pub fn with_role(self, role_arn: &str) -> Self {
        self.last_root(|stack| stack.role = Some(role_arn.to_owned()))
    }

    /// Puts a tag on the last stack, and on what is nested in it.
    #[must_use]
    pub fn tagged(self, key: &str, value: &str) -> Self {
        self.last_root(|stack| stack.tags.push((key.to_owned(), value.to_owned())))
    }

    /// What a call began ends after so many calls that looked at the stack.
    #[must_use]
    pub fn settling_after(self, looks: usize) -> Self {
        self.state().looks_per_step = Some(looks.max(1));
        self
    }

    /// Stacks and events come in pages of this size; otherwise of 100.
    #[must_use]
    pub fn paged(self, size: usize) -> Self {
        self.state().page = Some(size.max(1));
        self
    }

    /// Whatever kept the resource from being rolled back is mended.
    pub fn fix(&self, stack: &str, resource: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        let stack = state.find_mut(stack)?;
        let resource = stack.resources.iter_mut().find(|it| it.logical == resource);
        resource.context("the stack has no such resource")?.held = None;
        Ok(())
    }

    /// Brings what goes on in a stack to its end, and says in what status. An error if nothing goes on.
    pub fn advance(&self, stack: &str) -> anyhow::Result<&'static str> {
        let mut state = self.state();
        let id = state.find_mut(stack)?.id.clone();
        anyhow::ensure!(state.advance(&id, now()), "nothing goes on in {stack}");
        Ok(state.find_mut(&id)?.status)
    }

    /// The status of a stack, by its name or ARN, also of one that is deleted.
    pub fn status(&self, stack: &str) -> anyhow::Result<&'static str> {
        Ok(self.state().find_mut(stack)?.status)
    }

    /// The ARN of a stack.
    pub fn id(&self, stack: &str) -> anyhow::Result<String> {
        Ok(self.state().find_mut(stack)?.id.clone())
    }

    /// The name of the stack that is nested in this one.
    pub fn nested(&self, stack: &str) -> anyhow::Result<String> {
        let mut state = self.state();
        let id = state.find_mut(stack)?.id.clone();
        let nested = state.stacks.iter().find(|stack| stack.parent.as_ref() == Some(&id));
        Ok(nested.context("nothing is nested in the stack")?.name.clone())
    }

    /// The calls that changed something, in their order.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    /// The answer to a call that this double covers.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        calls::answer(&mut self.state(), call)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn has(self, stack: Stack) -> Self {
        self.state().stacks.push(stack);
        self
    }

    fn last_root(self, change: impl Fn(&mut Stack)) -> Self {
        let mut state = self.state();
        let root =
            state.stacks.iter().rev().find(|stack| stack.parent.is_none()).map(|stack| stack.id.clone());
        for stack in &mut state.stacks {
            if Some(&stack.id) == root.as_ref() || stack.parent.is_some() && stack.parent == root {
                change(stack);
            }
        }
        drop(state);
        self
    }
}

impl State {
    fn find_mut(&mut self, name: &str) -> anyhow::Result<&mut Stack> {
        let found = self.stacks.iter_mut().find(|stack| stack.name == name || stack.id == name);
        found.with_context(|| format!("there is no stack {name}"))
    }

    /// Ends what goes on in a stack; what is nested in it, first. `false` if nothing goes on.
    fn advance(&mut self, id: &str, at: jiff::Timestamp) -> bool {
        let nested: Vec<String> = self
            .stacks
            .iter()
            .filter(|stack| stack.parent.as_deref() == Some(id))
            .map(|stack| stack.id.clone())
            .collect();
        let mut failed = Vec::new();
        for nested in nested {
            self.advance(&nested, at);
            if let Ok(inner) = self.find_mut(&nested)
                && inner.status == "UPDATE_ROLLBACK_FAILED"
            {
                failed.push((nested, inner.reason.clone().unwrap_or_default()));
            }
        }
        let Ok(stack) = self.find_mut(id) else { return false };
        for resource in stack.resources.iter_mut().filter(|it| it.kind == "AWS::CloudFormation::Stack") {
            let inner = failed.iter().find(|(id, _)| *id == resource.physical);
            resource.held = inner.map(|(id, reason)| stack::embedded(id, reason));
        }
        // The parent ends a moment later than what is nested in it.
        stack.advance(at.checked_add(SignedDuration::from_millis(1)).unwrap_or(at))
    }
}

/// How the ECS resource handler words that a service did not settle.
const BREAKER: &str = "Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit \
     Breaker was triggered'.\" (HandlerErrorCode: GeneralServiceException)";

const WEB_FAILED: &str = "The following resource(s) failed to update: [Web]. ";

fn service(stack: &str, logical: &str, status: &'static str) -> Resource {
    let physical = arn("ecs", &format!("service/prod/{stack}-{logical}"));
    Resource::new(logical, &physical, "AWS::ECS::Service", status)
}

#[cfg(test)]
mod tests;
