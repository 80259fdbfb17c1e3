//! What people and the log are told of a verdict.

mod words;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::error::Class;
use shared::ledger::incident::Incident;
use shared::ledger::operation::{Means, Operation};
use shared::notice::{Link, Notice, Severity, State, Subject};
use shared::tags;
use shared::target::Target;
use shared::{Error, Report};

use crate::cause::{Cause, Wanted};
use crate::decision::{Held, Policy, Rollback, Verdict, Withheld, span};
use crate::facts::Facts;

const SOURCE: &str = "alarm-rollback";

/// The outcome's fixed word.
pub(crate) const fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ignore(_) => "ignored",
        Verdict::Hold { .. } => "held",
        Verdict::Propose { .. } => "proposed",
        Verdict::RollBack(_) | Verdict::RolledBack { .. } => "rolled_back",
        Verdict::HandOver { .. } => "handed_over",
        Verdict::Resolve(_) => "resolved",
    }
}

/// The report: outcome, reason, and everything the decision saw.
pub(crate) fn report(facts: &Facts, policy: &Policy, verdict: &Verdict) -> Report {
    let (target, reason, detail) = match verdict {
        Verdict::Ignore(why) => (None, why.to_string(), json!(why)),
        Verdict::Hold { target, why } => (target.clone(), why.to_string(), json!(why)),
        Verdict::Propose { rollback, withheld } => (
            Some(rollback.target.clone()),
            format!("{withheld}: {} ({})", words::proposal(rollback), rollback.plan.basis.grounds()),
            json!({"withheld": withheld, "rollback": rollback}),
        ),
        Verdict::RollBack(rollback) => {
            let deed = words::deed(&rollback.target, &operation_of(rollback, facts));
            (
                Some(rollback.target.clone()),
                format!("{deed} ({})", rollback.plan.basis.grounds()),
                json!(rollback),
            )
        }
        Verdict::RolledBack { target, operation } => (
            Some(target.clone()),
            format!("{}, by an invocation that was cut off", words::deed(target, operation)),
            json!(operation),
        ),
        Verdict::HandOver { target, operation } => (
            Some(target.clone()),
            format!("the alarm is OK; whether the rollback (operation {operation}) is over is looked at now"),
            Value::Null,
        ),
        Verdict::Resolve(incident) => (incident.target.parse().ok(), "it is over".to_owned(), Value::Null),
    };
    let subject = target.map_or_else(|| headline(facts), |target| target.to_string());
    let word = outcome(verdict);
    let report = Report::new(word, subject, reason.clone())
        .record("facts", facts)
        .record("policy", policy)
        .record("mode", &mode(facts, policy))
        .record("verdict", &json!({"outcome": word, "detail": detail}));
    report.answering(answer(facts, verdict, word, &reason))
}

/// What whoever invoked the function reads.
fn answer(facts: &Facts, verdict: &Verdict, word: &str, reason: &str) -> Value {
    let mut answer = json!({"outcome": word, "reason": reason});
    let Some(object) = answer.as_object_mut() else {
        return answer;
    };
    match verdict {
        Verdict::Hold { why, .. } => {
            let next = match facts.cause {
                Cause::Request(_) => why.next_step_by_hand(),
                Cause::Alarm(_) | Cause::Stack(_) => why.next_step(),
            };
            object.insert("next_step".to_owned(), json!(next));
            if why.is_missing() {
                object.insert("missing".to_owned(), json!(true));
            }
            if let (Held::Stack(why), Some(_)) = (why, fixing(facts)) {
                object.insert("standing".to_owned(), json!(why.standing()));
                object.insert("allowed_by".to_owned(), json!(why.allowed_by()));
            }
        }
        Verdict::Propose { rollback, .. } => {
            object.insert("plan".to_owned(), json!(rollback.plan));
            object.insert("command".to_owned(), json!(by_hand(facts, rollback)));
        }
        Verdict::RollBack(rollback) => {
            object.insert("operation".to_owned(), json!(rollback.operation));
            object.insert("plan".to_owned(), json!(rollback.plan));
            let undo = words::undo(&rollback.target, &operation_of(rollback, facts));
            object.insert("undo".to_owned(), json!(undo));
            object.extend(follow(&rollback.target));
        }
        Verdict::RolledBack { target, operation } => {
            object.insert("operation".to_owned(), json!(operation.id));
            object.insert("undo".to_owned(), json!(words::undo(target, operation)));
            object.extend(follow(target));
        }
        Verdict::Ignore(_) | Verdict::HandOver { .. } | Verdict::Resolve(_) => {}
    }
    answer
}

/// How somebody sees how it ends.
fn follow(target: &Target) -> [(String, Value); 1] {
    let how = match target {
        Target::Service { .. } => format!("Follow it: wk monitor {target}"),
        Target::Alias { .. } | Target::Stack { .. } => format!("See how it stands: wk diagnose {target}"),
    };
    [("next_step".to_owned(), json!(how))]
}

/// The mode that held: the default, overridden by the tags that were seen.
fn mode(facts: &Facts, policy: &Policy) -> tags::Mode {
    let alarm = facts.alarm.as_ref().map(|alarm| &alarm.tags);
    let target = facts.world.as_ref().and_then(|world| world.scene.tags());
    tags::Mode::resolve(policy.mode, alarm.into_iter().chain(target))
}

/// What happened, before anything is known of it.
fn headline(facts: &Facts) -> String {
    match &facts.cause {
        Cause::Alarm(change) => format!("alarm:{}", change.name),
        Cause::Stack(change) => format!("stack:{}", change.name),
        Cause::Request(request) => request.target.to_string(),
    }
}

/// What happened, as the beginning of a sentence.
fn happened(facts: &Facts) -> String {
    match &facts.cause {
        Cause::Alarm(change) => format!("{} fires", change.name),
        Cause::Stack(change) => format!("The stack {} is in {}", change.name, change.status),
        Cause::Request(request) => {
            let by = request.by.as_deref().unwrap_or("Somebody");
            match fixing(facts) {
                Some(stack) => format!("{by} asked to bring the stack {stack} on"),
                None => format!("{by} asked for a rollback"),
            }
        }
    }
}

/// The stack that somebody asks to have brought on.
fn fixing(facts: &Facts) -> Option<String> {
    match &facts.cause {
        Cause::Request(request) if matches!(request.wanted, Wanted::Fix { .. }) => {
            Some(words::name(&request.target))
        }
        Cause::Request(_) | Cause::Alarm(_) | Cause::Stack(_) => None,
    }
}

/// The operation that a rollback begins, as far as it is told of.
fn operation_of(rollback: &Rollback, facts: &Facts) -> Operation {
    let plan = &rollback.plan;
    Operation {
        id: rollback.operation.clone(),
        incident: facts.incident_key(),
        means: plan.act.means(),
        from: plan.from.clone(),
        to: plan.to.clone(),
        copy_of: plan.copy_of.clone(),
        deployment: plan.act.deployment(),
        blames: plan.blames,
        before: Some(plan.before.to_string()),
        asked_by: rollback.asked_by.clone(),
        redeploy: None,
        said: None,
        began: rollback.began,
        deadline: rollback.began,
        end: None,
    }
}

/// The notice for a verdict that people hear of.
pub(crate) fn notice(facts: &Facts, policy: &Policy, verdict: &Verdict, now: Timestamp) -> Notice {
    let mut notice = match verdict {
        Verdict::RollBack(rollback) => {
            let operation = operation_of(rollback, facts);
            let mut notice = done(facts, policy, &rollback.target, &operation, now);
            notice.fact("Why this one", rollback.plan.basis.grounds());
            for note in &rollback.plan.notes {
                notice.fact("Note", note);
            }
            notice
        }
        Verdict::RolledBack { target, operation } => done(facts, policy, target, operation, now),
        Verdict::Propose { rollback, withheld } => proposed(facts, policy, rollback, withheld),
        Verdict::Hold { target, why } => held(facts, policy, target.as_ref(), why),
        Verdict::Resolve(incident) => resolved(facts, policy, incident),
        Verdict::HandOver { target, .. } => {
            open(facts, policy, State::Info, Severity::Sev4, Some(target), &happened(facts))
        }
        Verdict::Ignore(why) => {
            let mut notice = open(facts, policy, State::Info, Severity::Sev4, None, &happened(facts));
            notice.summary = why.to_string();
            notice
        }
    };
    about_the_cause(&mut notice, facts);
    notice
}

fn done(facts: &Facts, policy: &Policy, target: &Target, operation: &Operation, now: Timestamp) -> Notice {
    let title = words::title(target, operation);
    let severity = if matches!(facts.cause, Cause::Alarm(_)) { Severity::Sev2 } else { Severity::Sev3 };
    let mut notice = open(facts, policy, State::Firing, severity, Some(target), &title);
    let deed = words::deed(target, operation);
    let name = words::name(target);
    let from = words::revision(target, &operation.from);
    notice.summary = format!("{} {deed}.", blamed(facts, target, operation.means, &from));
    notice.fact("From", &from);
    notice.fact("To", words::arrival(target, &operation.to, operation.copy_of.as_deref()));
    notice.fact("Operation", &operation.id);
    let took = span(now.duration_since(facts.cause.at()));
    notice.actions.push(match &facts.cause {
        Cause::Alarm(_) => format!("{deed}, {took} after the alarm fired."),
        Cause::Stack(_) | Cause::Request(_) => format!("{deed}."),
    });
    notice.next_steps.push(match &facts.cause {
        Cause::Alarm(change) => format!(
            "Wait for the closing notice: Watchkeeper follows {name} to the end, and says whether {} went back to OK.",
            change.name
        ),
        Cause::Stack(_) | Cause::Request(_) => {
            format!("Wait for the closing notice: Watchkeeper follows {name} to the end.")
        }
    });
    if operation.blames {
        notice.next_steps.push(format!(
            "Find out what is wrong with {from}; it is remembered as bad and is not returned to."
        ));
    }
    if let Some(command) = words::undo(target, operation) {
        notice.next_steps.push(format!("To take it back: {command}"));
    }
    notice
}

/// Why something is done, as one sentence.
fn blamed(facts: &Facts, target: &Target, means: Means, from: &str) -> String {
    let name = words::name(target);
    let Cause::Alarm(change) = &facts.cause else {
        return format!("{}.", happened(facts));
    };
    let alarm = &change.name;
    match means {
        Means::UpdateService
        | Means::UpdateAlias
        | Means::CreateDeployment
        | Means::Redeploy
        | Means::RedeployByCodeDeploy => {
            format!("The alarm {alarm} fired soon after {from} was deployed to {name}.")
        }
        Means::StopServiceDeployment | Means::StopDeployment => {
            format!("The alarm {alarm} fired while {from} was being deployed to {name}.")
        }
        Means::Scale => format!("The alarm {alarm} fired, and {name} was scaled to zero."),
        Means::CancelUpdateStack | Means::ContinueUpdateRollback | Means::RollbackStack => {
            format!("The alarm {alarm} fired, and the stack {name} is in {from}.")
        }
    }
}

fn proposed(facts: &Facts, policy: &Policy, rollback: &Rollback, withheld: &Withheld) -> Notice {
    let Rollback { target, plan, .. } = rollback;
    let from = words::revision(target, &plan.from);
    let title = words::proposed_title(rollback);
    let mut notice = open(facts, policy, State::Firing, Severity::Sev2, Some(target), &title);
    notice.summary = format!(
        "{} Nothing was changed, because {withheld}; otherwise {}.",
        blamed(facts, target, plan.act.means(), &from),
        words::proposal(rollback)
    );
    notice.fact("From", &from);
    notice.fact("To", words::arrival(target, &plan.to, plan.copy_of.as_deref()));
    notice.fact("Why this one", plan.basis.grounds());
    for note in &plan.notes {
        notice.fact("Note", note);
    }
    notice.next_steps.push(format!("To do it by hand: {}", by_hand(facts, rollback)));
    notice.next_steps.extend(match withheld {
        Withheld::Observe => Some(format!("To let Watchkeeper act: {}.", allowing(facts, target))),
        Withheld::Confidence { .. } => {
            Some("To let Watchkeeper act: lower rollback.confidence in the policy.".to_owned())
        }
        Withheld::DryRun | Withheld::Frozen { .. } | Withheld::Window { .. } => None,
    });
    notice
}

/// What does by hand what was planned.
fn by_hand(facts: &Facts, rollback: &Rollback) -> String {
    match &facts.cause {
        Cause::Request(request) => words::asked_again(request),
        Cause::Alarm(_) | Cause::Stack(_) => words::command(rollback),
    }
}

/// Where to say that Watchkeeper may act: the most careful tag wins, and the alarm may carry it.
fn allowing(facts: &Facts, target: &Target) -> String {
    let tag = tags::MODE;
    let hinders = |tags: &&tags::Tags| tags.get(tag).is_some_and(|mode| mode.trim() != "act");
    let on_alarm = facts.alarm.as_ref().map(|alarm| &alarm.tags).filter(hinders);
    let on_target = facts.world.as_ref().and_then(|world| world.scene.tags()).filter(hinders);
    let place = match (on_alarm, on_target) {
        (Some(_), None) => "the alarm".to_owned(),
        (Some(_), Some(_)) => format!("the alarm and on {}", words::tagged(target)),
        (None, _) => words::tagged(target),
    };
    format!("set the tag {tag} to act on {place}")
}

fn held(facts: &Facts, policy: &Policy, target: Option<&Target>, why: &Held) -> Notice {
    let state = if *why == Held::SetByHand { State::Info } else { State::Firing };
    let happened = happened(facts);
    let title = match (&facts.cause, target) {
        (Cause::Alarm(_), Some(target)) => format!("{happened}; {} was left alone", words::name(target)),
        (Cause::Alarm(_), None) | (Cause::Stack(_) | Cause::Request(_), _) => {
            format!("{happened}; nothing was done")
        }
    };
    let mut notice = open(facts, policy, state, why.severity(), target, &title);
    notice.summary = match &facts.cause {
        Cause::Alarm(_) | Cause::Request(_) => format!("Nothing was rolled back: {why}."),
        Cause::Stack(_) => format!("Nothing was done: {why}."),
    };
    notice.next_steps.push(why.next_step());
    notice
}

fn resolved(facts: &Facts, policy: &Policy, incident: &Incident) -> Notice {
    let target: Option<Target> = incident.target.parse().ok();
    let (title, what) = match &facts.cause {
        Cause::Alarm(change) => {
            (format!("{} is OK again", change.name), format!("The alarm {} went back to OK", change.name))
        }
        Cause::Stack(change) => (
            format!("Stack {} is in {}", change.name, change.status),
            format!("The stack {} came to {}", change.name, change.status),
        ),
        Cause::Request(request) => (format!("{} is well", request.target), "It is over".to_owned()),
    };
    let mut notice = open(facts, policy, State::Resolved, Severity::Sev2, target.as_ref(), &title)
        .following(incident.revision);
    let lasted = span(facts.cause.at().duration_since(incident.opened));
    notice.summary = format!("{what} after {lasted}.");
    notice.fact("Duration", lasted);
    notice
}

/// The notice of a failure. It belongs to the cause's incident, so that its end takes it back, and comes before the
/// revision under which a verdict is told, so that the verdict of a retry is news after it.
pub(crate) fn failure(facts: &Facts, policy: &Policy, error: &Error) -> Notice {
    let title = format!("{}; Watchkeeper could not deal with it", happened(facts));
    let notice = open(facts, policy, State::Firing, Severity::Sev1, None, &title);
    let mut notice = Notice { revision: facts.revision().saturating_sub(1), ..notice };
    notice.becomes(State::Firing);
    let then = match error.class() {
        Class::Transient => "It tries again within minutes, and says so if that works.",
        Class::Permanent => "Trying again does not mend it.",
    };
    notice.summary =
        format!("An error stopped Watchkeeper while it dealt with this. Do not rely on a rollback. {then}");
    notice.fact("Error", error.chain());
    notice.next_steps.extend([
        match &facts.cause {
            Cause::Alarm(_) | Cause::Request(_) => {
                "Look at it now; roll back by hand if its deployment is to blame.".to_owned()
            }
            Cause::Stack(change) => {
                format!("Look at the stack {} now, and bring it on by hand.", change.name)
            }
        },
        "Mend the error; an event that fails for good waits in the queue FailedInvocations.".to_owned(),
    ]);
    about_the_cause(&mut notice, facts);
    notice
}

fn open(
    facts: &Facts,
    policy: &Policy,
    state: State,
    severity: Severity,
    target: Option<&Target>,
    title: &str,
) -> Notice {
    let scene = facts.world.as_ref().map(|world| &world.scene);
    let subject = match (target, &facts.cause) {
        (Some(target), _) => Subject {
            kind: words::kind(target).to_owned(),
            id: words::name(target),
            arn: scene.and_then(|scene| scene.arn()).map(ToOwned::to_owned),
        },
        (None, Cause::Alarm(change)) => {
            Subject { kind: "alarm".to_owned(), id: change.name.clone(), arn: change.arn.clone() }
        }
        (None, Cause::Stack(change)) => Subject {
            kind: "cloudformation-stack".to_owned(),
            id: change.name.clone(),
            arn: Some(change.id.clone()),
        },
        (None, Cause::Request(request)) => Subject {
            kind: words::kind(&request.target).to_owned(),
            id: words::name(&request.target),
            arn: None,
        },
    };
    let notice = Notice::new(&facts.incident_key(), state, severity, subject, title, facts.cause.at());
    let mut notice = match facts.revision().checked_sub(1) {
        Some(before) if before >= notice.revision => notice.following(before),
        Some(_) | None => notice,
    };
    SOURCE.clone_into(&mut notice.source);
    notice.environment.clone_from(&policy.environment);
    if let Some(service) = scene.and_then(|scene| scene.service()) {
        notice.fact("Tasks", format!("{} running of {} desired", service.running, service.desired));
    }
    if let Some((target, region)) = target.zip(region(facts)) {
        notice.links.push(console(target, region));
    }
    notice
}

fn about_the_cause(notice: &mut Notice, facts: &Facts) {
    let change = match &facts.cause {
        Cause::Alarm(change) => change,
        Cause::Stack(change) => {
            notice.fact("Stack", &change.id);
            return;
        }
        Cause::Request(request) => {
            notice.fact("Asked by", request.by.as_deref().unwrap_or("somebody who did not say"));
            return;
        }
    };
    notice.fact("Alarm", &change.name);
    if let Some(description) = &change.description {
        notice.fact("Description", description);
    }
    if !change.reason.is_empty() {
        notice.fact("CloudWatch says", &change.reason);
    }
    if let Some(region) = region(facts) {
        let name: String = change.name.bytes().map(percent).collect();
        let url = format!(
            "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{name}"
        );
        notice.links.push(Link { title: "Alarm".to_owned(), url });
    }
}

/// The Region stands in the ARN of whatever this is about.
fn region(facts: &Facts) -> Option<&str> {
    let arn = match &facts.cause {
        Cause::Alarm(change) => change.arn.as_deref(),
        Cause::Stack(change) => Some(change.id.as_str()),
        Cause::Request(_) => facts.world.as_ref().and_then(|world| world.scene.arn()),
    };
    arn?.split(':').nth(3).filter(|region| !region.is_empty())
}

fn console(target: &Target, region: &str) -> Link {
    let console = format!("https://{region}.console.aws.amazon.com");
    let (title, path) = match target {
        Target::Service { cluster, service } => {
            ("Service", format!("ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}"))
        }
        Target::Alias { function, alias } => {
            ("Alias", format!("lambda/home?region={region}#/functions/{function}/aliases/{alias}"))
        }
        Target::Stack { name } => {
            ("Stack", format!("cloudformation/home?region={region}#/stacks?filteringText={name}"))
        }
    };
    Link { title: title.to_owned(), url: format!("{console}/{path}") }
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests;
