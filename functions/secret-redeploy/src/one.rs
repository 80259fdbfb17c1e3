//! A redeploy of one service, as somebody asks for it: what runs is deployed anew, such as to have its connections made
//! again. What a redeploy after a secret changed does with a service holds here, too; whether its tasks are fresh does not
//! matter. It is no wave: nothing waits for it, and `deployment-watch` writes down how it ends.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::ledger::redeploy::{Cause, Phase, Redeploy};
use shared::notice::{Notice, Severity, State, Subject};
use shared::tags::{self, Tags};
use shared::target::{Target, covers};
use shared::{Error, Report, Result, id};

use crate::Reach;
use crate::act::{self, Outcome};
use crate::by_hand::WORD;
use crate::decision::service::{Case, Plan, Skipped, Verdict};
use crate::event::{CURRENT, OneService};
use crate::run;

/// How often it is decided anew, because somebody else was faster.
const ATTEMPTS: u32 = 3;

/// Says what would be done, or does it.
///
/// # Errors
/// What kept it from being decided or done.
pub(crate) async fn redeploy(reach: &Reach, request: &OneService, invocation: &Invocation) -> Result<Report> {
    let target = &request.service;
    let now = invocation.now;
    let Target::Service { cluster, .. } = target else {
        return Err(Error::Event(format!("{target} is no service; write ecs:<cluster>/<service>")));
    };
    if !covers(&reach.policy.clusters, cluster) {
        return Ok(held(target, &format!("{target} is not among the targets that this stack watches"), None));
    }
    let redeploy = wanted(request, invocation);
    for _ in 0..ATTEMPTS {
        let none = Tags::new();
        let case =
            Case { redeploy: &redeploy, secret: &none, uses: None, waits_since: None, even_if_fresh: true };
        let plan = match run::conclude(reach, &case, target, None, now).await? {
            Verdict::Act(plan) | Verdict::Propose(plan) => plan,
            Verdict::Ride { deployment, .. } => return Ok(begun(target, &redeploy, None, Some(&deployment))),
            Verdict::Skip(why) => {
                let careful = matches!(why, Skipped::Image { .. } | Skipped::Daemon);
                let next = careful.then(|| {
                    format!(
                        "To have it deployed all the same, as its task definition says: tag it {} = on.",
                        tags::REDEPLOY
                    )
                });
                return Ok(held(target, &why.to_string(), next.as_deref()));
            }
            Verdict::Defer { why, .. } => {
                let next = "Wait for its end, or see why it does not come, then ask again.";
                return Ok(held(target, &why.to_string(), Some(next)));
            }
            Verdict::Failed { said } => return Ok(held(target, &said, None)),
            Verdict::Fresh { why } => return Ok(held(target, &why, None)),
        };
        if request.dry_run {
            return Ok(proposed(target, &plan));
        }
        let production = reach.policy.rules.is_production(&reach.policy.environment);
        if production && request.confirm.as_deref() != Some(WORD) {
            let reason = format!("{} is production: nothing was begun", reach.policy.environment);
            return Ok(held(target, &reason, Some(&format!("Say \"confirm\": \"{WORD}\"."))));
        }
        match act::redeploy(reach, &redeploy, target, &plan, now).await? {
            Outcome::Made { deployment } => {
                let notice = notice(reach, request, &plan, now);
                notice.publish(&reach.clients.sns, &reach.topic).await?;
                return Ok(begun(target, &redeploy, Some(&plan), deployment.as_deref()));
            }
            Outcome::Taken => {}
            Outcome::Refused(error) => return Err(error),
        }
    }
    Err(Error::Later(format!("{target} was changed by somebody else again and again")))
}

/// The redeploy that its one operation belongs to. The same request, sent again, is the same.
fn wanted(request: &OneService, invocation: &Invocation) -> Redeploy {
    let name = request.service.to_string();
    Redeploy {
        id: id::of(&["by hand", &name, &invocation.request_id]),
        secret: name.clone(),
        name,
        label: CURRENT.to_owned(),
        version: String::new(),
        moved: invocation.now,
        holds_before: None,
        cause: Cause::ByHand { by: request.by.clone() },
        phase: Phase::Running,
        waves: 0,
        began: invocation.now,
        unread: 0,
        told: false,
        ended: None,
        next: None,
        even_if_fresh: true,
        put_back: None,
    }
}

fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn proposed(target: &Target, plan: &Plan) -> Report {
    let reason = format!("{target} would be deployed anew, with {} as it runs", short(&plan.from));
    let answer = json!({"outcome": "proposed", "reason": reason, "plan": shown(plan)});
    Report::new("proposed", target.to_string(), reason).record("plan", plan).answering(answer)
}

fn shown(plan: &Plan) -> Value {
    json!({"task_definition": plan.from, "by": plan.means, "pins": plan.pins, "notes": plan.notes})
}

fn begun(target: &Target, redeploy: &Redeploy, plan: Option<&Plan>, deployment: Option<&str>) -> Report {
    let reason = format!("{target} is deployed anew");
    let answer = json!({
        "outcome": "begun",
        "reason": reason,
        "operation": plan.map(|plan| &plan.operation),
        "deployment": deployment,
        "plan": plan.map(shown),
        "next_step": format!("Follow it: wk monitor {target}"),
    });
    Report::new("begun", target.to_string(), reason).record("redeploy", redeploy).answering(answer)
}

fn held(target: &Target, why: &str, next: Option<&str>) -> Report {
    let answer = json!({"outcome": "held", "reason": why, "next_step": next});
    Report::new("held", target.to_string(), why).answering(answer)
}

fn notice(reach: &Reach, request: &OneService, plan: &Plan, now: Timestamp) -> Notice {
    let target = request.service.to_string();
    let name = target.strip_prefix("ecs:").unwrap_or(&target).to_owned();
    let by = request.by.as_deref().unwrap_or("somebody");
    let subject = Subject { kind: "ecs-service".to_owned(), id: name.clone(), arn: None };
    let title = format!("{name} is redeployed by {by}");
    let incident = format!("redeploy:{target}");
    let mut notice = Notice::new(&incident, State::Info, Severity::Sev4, subject, &title, now);
    "secret-redeploy".clone_into(&mut notice.source);
    notice.environment.clone_from(&reach.policy.environment);
    notice.summary = format!("What runs is deployed anew, with {} as it is.", short(&plan.from));
    notice.fact("Asked by", by);
    notice.fact("Task definition", short(&plan.from));
    notice.fact("Operation", &plan.operation);
    for note in &plan.notes {
        notice.fact("Note", note);
    }
    notice
}
