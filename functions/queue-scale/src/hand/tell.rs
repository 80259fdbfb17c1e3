//! What is answered, and what people are told.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::Report;
use shared::ledger::scaling::Scaling;
use shared::notice::{Notice, Severity, State, Subject};

use super::Request;
use super::decision::{Facts, Plan, Verdict, tasks};

/// The report, and the answer in it.
pub(super) fn report(request: &Request, facts: &Facts, verdict: &Verdict, operation: &str) -> Report {
    let service = request.service.to_string();
    let (outcome, reason) = match verdict {
        Verdict::Hold(why) => ("held", why.to_string()),
        Verdict::Keep => ("kept", format!("{service} is to have {} already", tasks(request.to))),
        Verdict::Propose(plan) => {
            ("proposed", format!("{service} would be set from {} to {}", plan.from, tasks(plan.to)))
        }
        Verdict::Set(plan) => {
            ("scaled", format!("{service} was set from {} to {}", plan.from, tasks(plan.to)))
        }
    };
    let mut answer = json!({"outcome": outcome, "reason": reason, "facts": facts});
    let more: Vec<(&str, Value)> = match verdict {
        Verdict::Hold(why) => vec![("next_step", json!(why.next_step()))],
        Verdict::Keep => Vec::new(),
        Verdict::Propose(plan) => vec![("plan", json!(plan))],
        Verdict::Set(plan) => {
            let follow = format!("Follow it: wk monitor {service}");
            vec![
                ("plan", json!(plan)),
                ("operation", json!(operation)),
                ("undo", json!(undo(request, plan))),
                ("next_step", json!(follow)),
            ]
        }
    };
    if let Some(fields) = answer.as_object_mut() {
        fields.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    let scaled = if matches!(verdict, Verdict::Set(_)) { 1.0 } else { 0.0 };
    Report::new(outcome, service, reason)
        .metric("Scalings", "Count", scaled)
        .record("asked_by", &request.by)
        .record("facts", facts)
        .record("verdict", verdict)
        .answering(answer)
}

fn undo(request: &Request, plan: &Plan) -> String {
    format!("wk scale {} {} --apply", request.service, plan.from)
}

/// For the record; where a scaling on a queue ends with it, that incident is over.
pub(super) fn notice(
    request: &Request,
    plan: &Plan,
    facts: &Facts,
    ended: Option<&Scaling>,
    operation: &str,
    now: Timestamp,
) -> Notice {
    let target = request.service.to_string();
    let name = target.strip_prefix("ecs:").unwrap_or(&target).to_owned();
    let by = request.by.as_deref().unwrap_or("somebody");
    let subject = Subject { kind: "ecs-service".to_owned(), id: name.clone(), arn: None };
    let title = format!("{name} was set from {} to {} by {by}", plan.from, tasks(plan.to));
    let (incident, state) = match ended {
        Some(scaling) => (format!("queue-depth:{}:{target}", scaling.queue), State::Resolved),
        None => (format!("scaled:{target}"), State::Info),
    };
    let mut notice = Notice::new(&incident, state, Severity::Sev4, subject, &title, now);
    "queue-scale".clone_into(&mut notice.source);
    notice.environment.clone_from(&facts.environment);
    notice.started = ended.map(|scaling| scaling.began);
    notice.summary = match ended {
        Some(scaling) => format!(
            "It was scaled for the messages in {}; {} is its own count from now on.",
            scaling.queue.rsplit(':').next().unwrap_or(&scaling.queue),
            tasks(plan.to)
        ),
        None => "Nothing but the count was changed.".to_owned(),
    };
    notice.fact("Asked by", by);
    notice.fact("Operation", operation);
    for note in &plan.notes {
        notice.fact("Note", note);
    }
    notice.actions = vec![format!("Set {name} from {} to {}.", plan.from, tasks(plan.to))];
    notice.next_steps = vec![format!("To take it back: {}", undo(request, plan))];
    notice
}
