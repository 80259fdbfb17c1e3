//! The calls of the CloudFormation API that the double answers, and its XML.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::stack::{Event, Resource, Stack};
use super::{CANCELLED, State};
use crate::proxy::{Answer, Call, escaped};
use crate::recorded::{Change, now, page};

/// What is left after the action is known: names and values.
type Form = BTreeMap<String, String>;

/// What an operation takes, of those that are answered. A list's members are named after it: `<list>.member.1`.
fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "cloudformation:DescribeStacks"
        | "cloudformation:DescribeStackEvents"
        | "cloudformation:ListStackResources" => &["StackName", "NextToken"],
        "cloudformation:ListStacks" => &["StackStatusFilter", "NextToken"],
        "cloudformation:DescribeStackResources" => &["StackName", "LogicalResourceId", "PhysicalResourceId"],
        "cloudformation:ContinueUpdateRollback" => {
            &["StackName", "RoleARN", "ResourcesToSkip", "ClientRequestToken", "ForceRollback"]
        }
        "cloudformation:CancelUpdateStack" => &["StackName", "ClientRequestToken"],
        "cloudformation:RollbackStack" => {
            &["StackName", "RoleARN", "ClientRequestToken", "RetainExceptOnCreate", "DeploymentConfig"]
        }
        _ => return None,
    })
}

pub(super) fn answer(state: &mut State, call: &Call) -> Option<Answer> {
    let known = parameters(&call.action)?;
    let mut form: Form = call.form().into_iter().collect();
    form.remove("Action");
    form.remove("Version");
    let stranger = form.keys().find(|name| name.split('.').next().is_none_or(|name| !known.contains(&name)));
    if let Some(stranger) = stranger {
        return Some(invalid(format!("Unknown parameter: {stranger}")));
    }
    let result = match call.operation() {
        "DescribeStacks" => describe_stacks(state, &form),
        "ListStacks" => list_stacks(state, &form),
        "DescribeStackEvents" => describe_stack_events(state, &form),
        "DescribeStackResources" => describe_stack_resources(state, &form),
        "ListStackResources" => list_stack_resources(state, &form),
        operation => change(state, operation, &form),
    };
    Some(match result {
        Ok(result) => Answer::query(call, &result),
        Err(refusal) => refusal,
    })
}

/// CloudFormation has one error for nearly everything that it refuses.
fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "ValidationError", message)
}

fn value<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.get(name).map(String::as_str)
}

fn members<'a>(form: &'a Form, name: &str) -> Vec<&'a str> {
    (1..).map_while(|nth| form.get(&format!("{name}.member.{nth}"))).map(String::as_str).collect()
}

/// The stack of a call: by name while it is there, by its ARN also after that.
fn named<'a>(state: &'a mut State, form: &Form) -> Result<&'a mut Stack, Answer> {
    let name = value(form, "StackName").ok_or_else(|| invalid("StackName is required"))?;
    let is = |stack: &&mut Stack| stack.id == name || stack.name == name && stack.deleted.is_none();
    state.stacks.iter_mut().find(is).ok_or_else(|| invalid(format!("Stack with id {name} does not exist")))
}

/// Somebody looked at a stack: what a call began in it may end.
fn looked(state: &mut State, id: &str) {
    let Some(looks_per_step) = state.looks_per_step else { return };
    let Some(stack) = state.stacks.iter_mut().find(|stack| stack.id == id && stack.moves) else { return };
    stack.looks += 1;
    if stack.looks >= looks_per_step {
        state.advance(id, now());
    }
}

fn paged<T>(state: &State, all: Vec<T>, form: &Form) -> Result<(Vec<T>, String), Answer> {
    let (found, next) = page(all, value(form, "NextToken"), state.page.unwrap_or(100))
        .ok_or_else(|| invalid("The specified token is not valid"))?;
    Ok((found, given("NextToken", next.as_deref())))
}

fn describe_stacks(state: &mut State, form: &Form) -> Result<String, Answer> {
    if form.contains_key("StackName") {
        let stack = named(state, form)?;
        let (id, written) = (stack.id.clone(), described(stack));
        looked(state, &id);
        return Ok(list("Stacks", [written]));
    }
    let there = state.stacks.iter().filter(|stack| stack.deleted.is_none()).collect();
    let (found, next) = paged(state, there, form)?;
    Ok(list("Stacks", found.into_iter().map(described)) + &next)
}

fn list_stacks(state: &State, form: &Form) -> Result<String, Answer> {
    let statuses = members(form, "StackStatusFilter");
    let meant = |stack: &&Stack| statuses.is_empty() || statuses.contains(&stack.status);
    let (found, next) = paged(state, state.stacks.iter().filter(meant).collect(), form)?;
    Ok(list("StackSummaries", found.into_iter().map(shared)) + &next)
}

fn describe_stack_events(state: &mut State, form: &Form) -> Result<String, Answer> {
    let stack = named(state, form)?;
    let id = stack.id.clone();
    let events: Vec<String> = stack.events.iter().rev().map(|it| event(stack, it)).collect();
    let (events, next) = paged(state, events, form)?;
    looked(state, &id);
    Ok(list("StackEvents", events) + &next)
}

fn describe_stack_resources(state: &mut State, form: &Form) -> Result<String, Answer> {
    if let Some(physical) = value(form, "PhysicalResourceId") {
        if form.contains_key("StackName") {
            return Err(invalid("StackName and PhysicalResourceId are mutually exclusive"));
        }
        let owner =
            state.stacks.iter().find(|stack| stack.resources.iter().any(|it| it.physical == physical));
        let owner = owner.ok_or_else(|| invalid(format!("Stack for {physical} does not exist")))?;
        return Ok(list("StackResources", owner.resources.iter().map(|it| resource(owner, it))));
    }
    let stack = named(state, form)?;
    let logical = value(form, "LogicalResourceId");
    let found: Vec<String> = stack
        .resources
        .iter()
        .filter(|it| logical.is_none_or(|logical| it.logical == logical))
        .map(|it| resource(stack, it))
        .collect();
    if let (Some(logical), true) = (logical, found.is_empty()) {
        return Err(invalid(format!("Resource {logical} does not exist for stack {}", stack.name)));
    }
    let id = stack.id.clone();
    looked(state, &id);
    Ok(list("StackResources", found))
}

fn list_stack_resources(state: &mut State, form: &Form) -> Result<String, Answer> {
    let stack = named(state, form)?;
    let id = stack.id.clone();
    let found: Vec<String> = stack.resources.iter().map(summary).collect();
    let (found, next) = paged(state, found, form)?;
    looked(state, &id);
    Ok(list("StackResourceSummaries", found) + &next)
}

/// A call that changes a stack. With a token that came before, and the same call, it is an answer and nothing more;
/// with another call it is refused.
fn change(state: &mut State, operation: &str, form: &Form) -> Result<String, Answer> {
    let pairs: Map<String, Value> =
        form.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let sent = Change { action: format!("cloudformation:{operation}"), sent: Value::Object(pairs) };
    let token = value(form, "ClientRequestToken");
    if let Some(token) = token {
        let letters = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !letters || token.len() > 128 || !token.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(invalid(format!(
                "1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [a-zA-Z0-9][-a-zA-Z0-9]*"
            )));
        }
        if let Some((_, before)) = state.tokens.iter().find(|(before, _)| before == token) {
            return if *before == sent.sent {
                Ok(String::new())
            } else {
                let message = "A client request token already exists.";
                Err(Answer::error(400, "TokenAlreadyExistsException", message))
            };
        }
    }
    let result = match operation {
        "ContinueUpdateRollback" => continue_update_rollback(state, form)?,
        "CancelUpdateStack" => cancel_update_stack(state, form)?,
        _ => rollback_stack(state, form)?,
    };
    if let Some(token) = token {
        state.tokens.push((token.to_owned(), sent.sent.clone()));
    }
    state.changes.push(sent);
    Ok(result)
}

/// Only of the stack that contains the others, and only past resources whose rollback failed (CloudFormation API,
/// `ContinueUpdateRollback`).
fn continue_update_rollback(state: &mut State, form: &Form) -> Result<String, Answer> {
    let at = now();
    let stack = named(state, form)?;
    if stack.parent.is_some() {
        return Err(invalid(format!("{} is a nested stack; continue the rollback of its parent", stack.id)));
    }
    in_status(stack, "ContinueUpdateRollback", &["UPDATE_ROLLBACK_FAILED"])?;
    let (root, role) = (stack.id.clone(), value(form, "RoleARN"));
    let force = value(form, "ForceRollback") == Some("true");
    let named_skips = members(form, "ResourcesToSkip");
    if force && !named_skips.is_empty() {
        return Err(invalid("ForceRollback and ResourcesToSkip are mutually exclusive"));
    }
    let mut skips: Vec<(String, String)> = Vec::new();
    for skip in named_skips {
        skips.push(skippable(state, &root, skip)?);
    }
    for stack in state.stacks.iter_mut().filter(|it| it.id == root || it.parent.as_ref() == Some(&root)) {
        if let Some(role) = role {
            stack.role = Some(role.to_owned());
        }
        stack.begin("UPDATE_ROLLBACK_IN_PROGRESS", value(form, "ClientRequestToken"), at);
        let held =
            stack.resources.iter().filter(|it| it.held.is_some() && it.kind != "AWS::CloudFormation::Stack");
        if force {
            skips.extend(held.map(|it| (stack.id.clone(), it.logical.clone())));
        }
        let id = stack.id.clone();
        for (_, logical) in skips.iter().filter(|(owner, _)| *owner == id) {
            stack.skip(logical, at);
        }
    }
    Ok(String::new())
}

/// The stack and the resource that `Resource` or `NestedStackName.Resource` names, if it can be skipped.
fn skippable(state: &State, root: &str, skip: &str) -> Result<(String, String), Answer> {
    let (inside, logical) = skip.split_once('.').map_or((None, skip), |(stack, it)| (Some(stack), it));
    let owner = state.stacks.iter().find(|stack| match inside {
        Some(name) => stack.name == name && stack.parent.as_deref() == Some(root),
        None => stack.id == root,
    });
    let resource = owner.and_then(|stack| stack.resources.iter().find(|it| it.logical == logical));
    let refuse = |why: &str| Err(invalid(format!("Resource {skip} cannot be skipped: {why}")));
    match (owner, resource) {
        (Some(_), Some(it)) if it.kind == "AWS::CloudFormation::Stack" => {
            refuse("the embedded stack is not being deleted")
        }
        (Some(_), Some(it)) if it.status != "UPDATE_FAILED" || it.reason.as_deref() == Some(CANCELLED) => {
            refuse("it is not in UPDATE_FAILED because its rollback failed")
        }
        (Some(stack), Some(it)) => Ok((stack.id.clone(), it.logical.clone())),
        _ => refuse("there is no such resource"),
    }
}

fn cancel_update_stack(state: &mut State, form: &Form) -> Result<String, Answer> {
    let at = now();
    let stack = named(state, form)?;
    in_status(stack, "CancelUpdateStack", &["UPDATE_IN_PROGRESS"])?;
    stack.begin("UPDATE_ROLLBACK_IN_PROGRESS", value(form, "ClientRequestToken"), at);
    let under_way = stack.resources.iter().filter(|it| it.status == "UPDATE_IN_PROGRESS");
    for logical in under_way.map(|it| it.logical.clone()).collect::<Vec<_>>() {
        stack.set(&logical, "UPDATE_FAILED", Some(CANCELLED), at);
    }
    Ok(String::new())
}

/// It deletes a stack that never was stable (CloudFormation API, `RollbackStack`).
fn rollback_stack(state: &mut State, form: &Form) -> Result<String, Answer> {
    let at = now();
    let stack = named(state, form)?;
    in_status(stack, "RollbackStack", &["CREATE_FAILED", "UPDATE_FAILED"])?;
    let token = value(form, "ClientRequestToken");
    if stack.status == "CREATE_FAILED" {
        stack.begin("DELETE_IN_PROGRESS", token, at);
        stack.advance(at);
    } else {
        stack.begin("UPDATE_ROLLBACK_IN_PROGRESS", token, at);
    }
    Ok(tag("StackId", &stack.id))
}

fn in_status(stack: &Stack, operation: &str, statuses: &[&str]) -> Result<(), Answer> {
    if statuses.contains(&stack.status) {
        return Ok(());
    }
    Err(invalid(format!("{operation} cannot be called from current stack status {}", stack.status)))
}

fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

/// The element, or nothing.
fn given(name: &str, text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| tag(name, text))
}

fn time(name: &str, time: Timestamp) -> String {
    tag(name, &time.to_string())
}

fn list(name: &str, members: impl IntoIterator<Item = String>) -> String {
    let members: String =
        members.into_iter().flat_map(|it| ["<member>".to_owned(), it, "</member>".to_owned()]).collect();
    format!("<{name}>{members}</{name}>")
}

/// What `Stack` and `StackSummary` share.
fn shared(stack: &Stack) -> String {
    [
        tag("StackId", &stack.id),
        tag("StackName", &stack.name),
        time("CreationTime", stack.created),
        time("LastUpdatedTime", stack.updated),
        given("DeletionTime", stack.deleted.map(|at| at.to_string()).as_deref()),
        tag("StackStatus", stack.status),
        given("StackStatusReason", stack.reason.as_deref()),
        given("ParentId", stack.parent.as_deref()),
        // No deeper than one level: the root is the parent.
        given("RootId", stack.parent.as_deref()),
        format!("<DriftInformation>{}</DriftInformation>", tag("StackDriftStatus", "NOT_CHECKED")),
    ]
    .concat()
}

fn described(stack: &Stack) -> String {
    let tags = stack.tags.iter().map(|(key, value)| tag("Key", key) + &tag("Value", value));
    [
        shared(stack),
        given("RoleARN", stack.role.as_deref()),
        tag("DisableRollback", if stack.disable_rollback { "true" } else { "false" }),
        tag("EnableTerminationProtection", "false"),
        list("NotificationARNs", []),
        list("Tags", tags),
    ]
    .concat()
}

fn event(stack: &Stack, event: &Event) -> String {
    [
        tag("StackId", &stack.id),
        tag("EventId", &event.id),
        tag("StackName", &stack.name),
        tag("LogicalResourceId", &event.logical),
        tag("PhysicalResourceId", &event.physical),
        tag("ResourceType", event.kind),
        time("Timestamp", event.at),
        tag("ResourceStatus", event.status),
        given("ResourceStatusReason", event.reason.as_deref()),
        given("ClientRequestToken", event.token.as_deref()),
    ]
    .concat()
}

fn resource(stack: &Stack, resource: &Resource) -> String {
    [
        tag("StackName", &stack.name),
        tag("StackId", &stack.id),
        tag("LogicalResourceId", &resource.logical),
        tag("PhysicalResourceId", &resource.physical),
        tag("ResourceType", resource.kind),
        time("Timestamp", resource.at),
        tag("ResourceStatus", resource.status),
        given("ResourceStatusReason", resource.reason.as_deref()),
        format!("<DriftInformation>{}</DriftInformation>", tag("StackResourceDriftStatus", "NOT_CHECKED")),
    ]
    .concat()
}

fn summary(resource: &Resource) -> String {
    [
        tag("LogicalResourceId", &resource.logical),
        tag("PhysicalResourceId", &resource.physical),
        tag("ResourceType", resource.kind),
        time("LastUpdatedTimestamp", resource.at),
        tag("ResourceStatus", resource.status),
        given("ResourceStatusReason", resource.reason.as_deref()),
        format!("<DriftInformation>{}</DriftInformation>", tag("StackResourceDriftStatus", "NOT_CHECKED")),
    ]
    .concat()
}
