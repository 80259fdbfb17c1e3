//! AWS `CloudFormation`: stacks that changed, as events or as the text that a stack publishes to its topics. Shapes: AWS
//! CloudFormation User Guide, "Managing events with EventBridge" and "Set CloudFormation stack options".

use jiff::Timestamp;
use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Console, Event, Told, encoded, fact, parts_of, subject, time};
use super::letter::Letter;

/// A stack, or one of its resources, that changed.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    from_event(content, letter).or_else(|| from_text(content.as_str()?, letter))
}

/// What both shapes tell.
struct Known<'a> {
    stack: &'a str,
    status: &'a str,
    reason: Option<&'a str>,
    /// The resource and its type, where it is not the stack itself that changed.
    resource: Option<(&'a str, &'a str)>,
    time: Option<Timestamp>,
}

fn from_event(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.cloudformation", content)?;
    let resource = match event.kind {
        "CloudFormation Stack Status Change" => None,
        "CloudFormation Resource Status Change" => {
            Some((event.text("/logical-resource-id")?, event.text("/resource-type").unwrap_or("resource")))
        }
        _ => return None,
    };
    let known = Known {
        stack: event.text("/stack-id").or(event.resource())?,
        status: event.text("/status-details/status")?,
        reason: event.text("/status-details/status-reason"),
        resource,
        time: event.time(),
    };
    known.notice(letter)
}

/// Lines such as `StackName='web'`. The properties of a resource have lines of their own, and are not shown: they may hold
/// what should not be.
fn from_text(text: &str, letter: &Letter<'_>) -> Option<Notice> {
    let field = |name: &str| {
        let begin = format!("{name}='");
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(begin.as_str()));
        lines.next().map(|rest| rest.strip_suffix('\'').unwrap_or(rest)).filter(|value| !value.is_empty())
    };
    if !text.starts_with("StackId='") {
        return None;
    }
    let kind = field("ResourceType")?;
    let (logical, name) = (field("LogicalResourceId")?, field("StackName"));
    let itself = kind == "AWS::CloudFormation::Stack" && Some(logical) == name;
    let known = Known {
        stack: field("StackId")?,
        status: field("ResourceStatus")?,
        reason: field("ResourceStatusReason").filter(|reason| *reason != "null"),
        resource: (!itself).then_some((logical, kind)),
        time: field("Timestamp").and_then(time).or(letter.sent),
    };
    known.notice(letter)
}

impl Known<'_> {
    fn notice(&self, letter: &Letter<'_>) -> Option<Notice> {
        let Self { stack, status, reason, resource, time } = self;
        let (_, rest) = stack.split_once(":stack/")?;
        let name = rest.split('/').next().filter(|name| !name.is_empty())?;
        let (_, region, account) = parts_of(stack);
        let place = format!("{}:{}", region.unwrap_or_default(), account.unwrap_or_default());
        let (incident, (state, severity), title) = match resource {
            None => {
                let (state, severity, said) = standing(status);
                (format!("stack:{place}:{name}"), (state, severity), format!("The stack {name} {said}"))
            }
            Some((logical, kind)) => {
                let failed = status.ends_with("_FAILED");
                let severity = if failed { Severity::Sev3 } else { Severity::Sev4 };
                let title = format!("The stack {name}: {logical} ({kind}) is {status}");
                (format!("stack:{place}:{name}:{logical}"), (State::Info, severity), title)
            }
        };
        let told = Told {
            incident: &incident,
            state,
            severity,
            subject: subject("cloudformation-stack", name, Some(stack)),
            title: &title,
            time: *time,
        };
        let mut notice = told.notice("cloudformation", (region, account), letter);
        notice.summary = match reason {
            Some(reason) => format!("{title}: {reason}"),
            None => format!("{title}."),
        };
        notice.fact("Status", status);
        fact(&mut notice, "Reason", *reason);
        if state == State::Firing {
            let step = if *status == "UPDATE_ROLLBACK_FAILED" {
                format!(
                    "Mend what failed, then: aws cloudformation continue-update-rollback --stack-name {name}"
                )
            } else {
                "Look at its events for the first resource that failed.".to_owned()
            };
            notice.next_steps.push(step);
        }
        if let Some(console) = region.and_then(Console::of) {
            let page = format!("#/stacks/events?stackId={}", encoded(stack));
            notice.links.push(console.link("Stack", "cloudformation/home", &page));
        }
        Some(notice)
    }
}

/// A stack that was rolled back stands, but not as somebody wanted; its next update that succeeds ends that.
fn standing(status: &str) -> (State, Severity, &'static str) {
    match status {
        "CREATE_COMPLETE" => (State::Resolved, Severity::Sev4, "was created"),
        "UPDATE_COMPLETE" => (State::Resolved, Severity::Sev4, "was updated"),
        "IMPORT_COMPLETE" => (State::Resolved, Severity::Sev4, "took resources over"),
        "DELETE_COMPLETE" => (State::Resolved, Severity::Sev3, "was deleted"),
        "UPDATE_ROLLBACK_FAILED" => (State::Firing, Severity::Sev2, "could not be rolled back and is stuck"),
        "UPDATE_ROLLBACK_COMPLETE" | "ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            (State::Firing, Severity::Sev3, "was rolled back")
        }
        "DELETE_FAILED" => (State::Firing, Severity::Sev3, "could not be deleted"),
        status if status.ends_with("_FAILED") => (State::Firing, Severity::Sev2, "could not be changed"),
        status if status.contains("ROLLBACK") => (State::Info, Severity::Sev3, "is being rolled back"),
        _ => (State::Info, Severity::Sev4, "is being changed"),
    }
}
