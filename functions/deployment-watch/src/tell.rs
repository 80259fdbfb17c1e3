//! What people and the log are told of a verdict.

mod news;
mod words;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::alarm::State as AlarmState;
use shared::ecs::diagnosis::Diagnosis;
use shared::ledger::incident;
use shared::ledger::operation::Operation;
use shared::notice::{Link, Notice, Severity, State, Subject};
use shared::target::Target;
use shared::{Error, Report};

use crate::decision::{Broken, Close, Ended, Failure, Policy, Redeployed, Verdict, incident_of};
use crate::event::Hint;
use crate::facts::{Facts, Service, World};
pub(crate) use news::news;
use words::{again_command, kind, made, name, revision, span};

const SOURCE: &str = "deployment-watch";

/// The outcome's fixed word.
pub(crate) const fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ignore(_) => "ignored",
        Verdict::Wait { .. } => "waiting",
        Verdict::Follow { .. } => "followed",
        Verdict::Close(close) => match close.ended {
            Ended::Recovered { .. } => "recovered",
            Ended::Unhealed { .. } => "unhealed",
            Ended::Failed { .. } => "failed_rollback",
            Ended::Superseded { .. } => "superseded",
        },
        Verdict::Redeployed(redeployed) => match redeployed.ended {
            Ended::Recovered { .. } | Ended::Unhealed { .. } => "redeployed",
            Ended::Failed { .. } => "not_redeployed",
            Ended::Superseded { .. } => "superseded",
        },
        Verdict::Deployed { .. } => "deployed",
        Verdict::Broken(_) => "failed_deployment",
        Verdict::Good(_) => "proved",
    }
}

/// The report: outcome, reason, everything the decision saw, and which redeploys were woken.
pub(crate) fn report(facts: &Facts, policy: &Policy, verdict: &Verdict, woken: &[String]) -> Report {
    let (reason, detail) = match verdict {
        Verdict::Ignore(why) => (why.to_string(), json!(why)),
        Verdict::Wait { why, .. } => (why.to_string(), json!(why)),
        Verdict::Follow { operation } => (format!("it is the operation {operation}'s"), json!(operation)),
        Verdict::Close(close) => (sentence(close), json!(close.ended)),
        Verdict::Redeployed(redeployed) => (
            anew(redeployed),
            json!({"ended": redeployed.ended, "operation": redeployed.operation.id,
                "redeploy": redeployed.operation.redeploy}),
        ),
        Verdict::Deployed { proof, resolves } => {
            let told = if resolves.is_some() { "; what was told of a failure is over" } else { "" };
            (
                format!("{} is deployed{told}", revision(&proof.target, &proof.revision)),
                json!(proof.deployment),
            )
        }
        Verdict::Broken(broken) => (failed_title(broken), json!(broken.diagnosis)),
        Verdict::Good(proof) => {
            (format!("{} has stayed good", revision(&proof.target, &proof.revision)), json!(proof.deployment))
        }
    };
    let word = outcome(verdict);
    Report::new(word, facts.hint.target().to_string(), reason.clone())
        .record("facts", facts)
        .record("policy", policy)
        .record("verdict", &json!({"outcome": word, "detail": detail, "wakes": woken}))
        .answering(json!({"outcome": word, "reason": reason}))
}

/// How an operation ended, in one sentence.
fn sentence(close: &Close) -> String {
    let Close { target, operation, ended, .. } = close;
    let name = name(target);
    match ended {
        Ended::Recovered { alarm: Some(alarm), .. } => {
            let opened = close.incident.as_ref().map_or(operation.began, |incident| incident.opened);
            let took = span(alarm.since.unwrap_or(close.at).duration_since(opened));
            format!(
                "{name} is healthy again: {} and the alarm OK {took} after it fired",
                made(target, operation)
            )
        }
        Ended::Recovered { deployed, alarm: None } => {
            let took = span(deployed.duration_since(operation.began));
            format!("{name} is done: {}, {took} after it was begun", made(target, operation))
        }
        Ended::Unhealed { alarm, .. } if alarm.state == AlarmState::InsufficientData => {
            format!("{name}: {}, but the alarm {} has no data", made(target, operation), alarm.name)
        }
        Ended::Unhealed { alarm, .. } => {
            format!("{name}: {}, but the alarm {} still fires", made(target, operation), alarm.name)
        }
        Ended::Failed { failure, .. } => format!("{name} was not rolled back: {failure}"),
        Ended::Superseded { running } => {
            format!("{name}: somebody did something else; now: {}", revision(target, running))
        }
    }
}

/// How a redeploy of one service ended, in one sentence.
fn anew(redeployed: &Redeployed) -> String {
    let Redeployed { target, operation, ended } = redeployed;
    let name = name(target);
    let said = operation.said.as_deref().unwrap_or("nothing says why").trim_end_matches('.');
    match ended {
        Ended::Recovered { deployed, .. } | Ended::Unhealed { deployed, .. } => {
            let took = span(deployed.duration_since(operation.began));
            format!("{name} is done: {}, {took} after it was begun", made(target, operation))
        }
        Ended::Failed { .. } => format!("{name} was not redeployed: {said}"),
        Ended::Superseded { .. } => format!("{name}: its redeploy was overtaken: {said}"),
    }
}

/// The notice of a redeploy that somebody asked for by hand, of one service, and that did not arrive. One that follows from a
/// secret is told together with the others of it.
pub(crate) fn alone(policy: &Policy, redeployed: &Redeployed, now: Timestamp) -> Option<Notice> {
    let Redeployed { target, operation, ended } = redeployed;
    let severity = match ended {
        Ended::Failed { .. } => Severity::Sev2,
        Ended::Superseded { .. } => Severity::Sev4,
        Ended::Recovered { .. } | Ended::Unhealed { .. } => return None,
    };
    operation.incident.starts_with("request:").then(|| {
        let title = anew(redeployed);
        let subject = subject(target, None);
        let mut notice = Notice::new(&operation.incident, State::Info, severity, subject, &title, now);
        head(&mut notice, policy);
        notice.summary = format!("{title}. It was asked for by hand.");
        notice.fact("Revision", revision(target, &operation.to));
        notice.next_steps.push(format!("Look how it stands: wk diagnose {target}"));
        notice
    })
}

/// The notice that closes an operation; none where people have heard already that all is well.
pub(crate) fn closing(facts: &Facts, policy: &Policy, close: &Close) -> Option<Notice> {
    let Close { target, operation, ended, incident, at } = close;
    let known = incident.as_ref();
    let resolved = known.is_some_and(|known| known.state == State::Resolved);
    if resolved && matches!(ended, Ended::Recovered { .. } | Ended::Superseded { .. }) {
        return None;
    }
    let (state, severity) = standing(facts, close);
    let service = facts.service();
    let title = title(close);
    let subject = subject(target, service.map(|service| service.arn.as_str()));
    let mut notice = Notice::new(&operation.incident, state, severity, subject, &title, *at);
    notice = notice.following(known.map_or(0, |known| known.revision));
    head(&mut notice, policy);
    notice.summary = format!("{}.", sentence(close));
    tasks(&mut notice, service);
    notice.fact("From", revision(target, &operation.from));
    notice.fact("To", revision(target, &operation.to));
    match ended {
        Ended::Recovered { deployed, alarm } => {
            notice.fact(
                "Deployed",
                format!("{} after it was begun", span(deployed.duration_since(operation.began))),
            );
            if alarm.is_none() && incident::alarm_name(&operation.incident).is_some() {
                notice.fact("Note", "the alarm was deleted meanwhile");
            }
            if matches!(target, Target::Service { .. } | Target::Alias { .. }) {
                notice.actions.push(format!("Remembered {} as good.", revision(target, &operation.to)));
            }
            if operation.blames {
                let bad = revision(target, &operation.from);
                notice
                    .next_steps
                    .push(format!("Find out what is wrong with {bad}; it stays remembered as bad."));
            }
        }
        Ended::Unhealed { deployed, .. } => unhealed(&mut notice, policy, operation, target, *deployed),
        Ended::Failed { failure, running } => {
            if let Some(running) = running {
                notice.fact("Runs now", revision(target, running));
            }
            failed(&mut notice, facts, close, failure);
        }
        Ended::Superseded { .. } => {
            notice
                .next_steps
                .push("Ask whoever did it; Watchkeeper follows this rollback no longer.".to_owned());
        }
    }
    notice.fact("Operation", &operation.id);
    if let Some(asked_by) = &operation.asked_by {
        notice.fact("Asked for by", asked_by);
    }
    about_the_alarm(&mut notice, operation);
    link(&mut notice, target, facts.service());
    Some(notice)
}

/// Where the incident stands after this end, and how soon somebody has to answer.
fn standing(facts: &Facts, close: &Close) -> (State, Severity) {
    let Close { operation, ended, incident, .. } = close;
    let fires = incident::alarm_name(&operation.incident).is_some();
    let told = incident.as_ref().is_some_and(|known| known.state == State::Firing);
    // Where no alarm fires, it is over unless a stack stays as it must not.
    let well = match &facts.world {
        Some(World::Stack(Some(stack))) => stack.status.ends_with("_COMPLETE"),
        Some(World::Stack(None) | World::Alias(_) | World::Service(_)) => true,
        Some(World::ServiceDeployment(_) | World::CodeDeploy { .. }) | None => false,
    };
    match ended {
        Ended::Recovered { .. } => (State::Resolved, Severity::Sev2),
        Ended::Unhealed { alarm, .. } if alarm.state == AlarmState::InsufficientData => {
            (State::Firing, Severity::Sev2)
        }
        Ended::Superseded { .. } if !fires && !told => (State::Info, Severity::Sev4),
        Ended::Superseded { .. } | Ended::Failed { failure: Failure::TooLate, .. } if !fires && well => {
            (State::Resolved, Severity::Sev3)
        }
        Ended::Superseded { .. } => (State::Firing, Severity::Sev3),
        Ended::Unhealed { .. } | Ended::Failed { .. } => (State::Firing, Severity::Sev1),
    }
}

fn title(close: &Close) -> String {
    let Close { target, operation, ended, .. } = close;
    let name = name(target);
    match ended {
        Ended::Recovered { alarm: Some(_), .. } => {
            format!("{name} is healthy again: {}", made(target, operation))
        }
        Ended::Recovered { alarm: None, .. } => format!("{name}: {}", made(target, operation)),
        Ended::Unhealed { .. } => format!("{name}: {}, but that did not help", made(target, operation)),
        Ended::Failed { .. } if matches!(target, Target::Stack { .. }) => {
            format!("{name}: the rollback of the stack failed")
        }
        Ended::Failed { .. } => format!("{name}: the rollback to {} failed", revision(target, &operation.to)),
        Ended::Superseded { .. } => format!("{name}: the rollback was overtaken"),
    }
}

fn unhealed(
    notice: &mut Notice,
    policy: &Policy,
    operation: &Operation,
    target: &Target,
    deployed: Timestamp,
) {
    notice.fact("Deployed", format!("{deployed:.0}"));
    notice.fact("Waited for the alarm", span(policy.recovery));
    notice.next_steps.extend([
        format!(
            "The deployment of {} was not the cause, or not the only one: look at dependencies, data, traffic, a \
             rotated secret, the platform.",
            revision(target, &operation.from)
        ),
        "Watchkeeper makes no second rollback by itself; decide by hand.".to_owned(),
    ]);
}

fn failed(notice: &mut Notice, facts: &Facts, close: &Close, failure: &Failure) {
    let Close { target, operation, ended, .. } = close;
    if let Some(World::Stack(Some(stack))) = &facts.world {
        notice.fact("Status", &stack.status);
        for failure in &stack.failures {
            notice.fact("Failed resource", failure);
        }
    }
    if let Some(diagnosis) = &facts.diagnosis {
        analysis(notice, diagnosis);
    }
    if ended.disproves() {
        notice.actions.push(format!("Remembered {} as bad, too.", revision(target, &operation.to)));
    }
    let next = match (failure, target) {
        (Failure::TooLate, _) => format!(
            "{} is deployed; roll it back by hand if it is to blame.",
            revision(target, &operation.from)
        ),
        (_, Target::Stack { name }) => format!(
            "Mend what failed, then: aws cloudformation continue-update-rollback --stack-name {name}"
        ),
        (_, Target::Service { .. } | Target::Alias { .. }) => {
            "Deploy a revision that you know to be good, by hand and now; Watchkeeper makes no second rollback by \
             itself."
                .to_owned()
        }
    };
    notice.next_steps.push(next);
}

/// The notice of a deployment that failed without us.
pub(crate) fn broken(facts: &Facts, policy: &Policy, broken: &Broken) -> Notice {
    let Broken { target, task_definition, back_to, .. } = broken;
    let name = name(target);
    let failed = revision(target, task_definition);
    let severity = if broken.running == 0 { Severity::Sev1 } else { Severity::Sev2 };
    let state = if broken.over { State::Info } else { State::Firing };
    let key = incident_of(&broken.service);
    let subject = subject(target, Some(&broken.service));
    let mut notice = Notice::new(&key, state, severity, subject, &failed_title(broken), broken.at);
    notice = notice.following(broken.incident.as_ref().map_or(0, |known| known.revision));
    head(&mut notice, policy);
    notice.summary = match back_to {
        Some(back_to) => format!(
            "ECS could not deploy {failed} to {name} and went back to {}: {}.",
            revision(target, back_to),
            broken.diagnosis.headline
        ),
        None => format!(
            "ECS could not deploy {failed} to {name} and did not go back: {}.",
            broken.diagnosis.headline
        ),
    };
    notice.fact("Tasks", format!("{} running of {} desired", broken.running, broken.desired));
    notice.fact("Failed", &failed);
    if let Some(back_to) = back_to {
        notice.fact(if broken.over { "Runs now" } else { "Goes back to" }, revision(target, back_to));
    }
    analysis(&mut notice, &broken.diagnosis);
    if broken.disproved {
        notice.actions.push(format!("Remembered {failed} as bad; no alarm leads back to it."));
    }
    if back_to.is_none() {
        let back = again_command(target, "<a revision that you know to be good>");
        notice.next_steps.push(format!("To go back: {back}"));
    }
    link(&mut notice, target, facts.service());
    notice
}

fn failed_title(broken: &Broken) -> String {
    let Broken { target, task_definition, back_to, .. } = broken;
    let name = name(target);
    let failed = revision(target, task_definition);
    match back_to {
        Some(back_to) => format!(
            "{name}: the deployment of {failed} failed, ECS went back to {}",
            revision(target, back_to)
        ),
        None => format!("{name}: the deployment of {failed} failed"),
    }
}

/// The notice that takes a failed deployment back.
pub(crate) fn deployed(facts: &Facts, policy: &Policy, task_definition: &str, known: u64) -> Option<Notice> {
    let Hint::Deployment(change) = &facts.hint else {
        return None;
    };
    let target = &change.target;
    let name = name(target);
    let running = revision(target, task_definition);
    let subject = subject(target, Some(&change.service));
    let title = format!("{name}: {running} is deployed");
    let key = incident_of(&change.service);
    let mut notice = Notice::new(&key, State::Resolved, Severity::Sev2, subject, &title, change.at);
    notice = notice.following(known);
    head(&mut notice, policy);
    notice.summary =
        format!("After a failed deployment, {running} is deployed to {name} and ECS calls it steady.");
    tasks(&mut notice, facts.service());
    link(&mut notice, target, facts.service());
    Some(notice)
}

/// The notice of a failure of our own. It belongs to the operation's incident, so that its end takes this back; where
/// no operation is known, or it is one of a redeploy, nothing would, so that it is told for the record. Its revision is fixed by what was looked
/// at, so that the tenth failure says no more than the first.
pub(crate) fn failure(facts: &Facts, policy: &Policy, error: &Error, arrived: Timestamp) -> Notice {
    let target = facts.hint.target();
    let operation = match &facts.hint {
        Hint::Watch { operation: Some(id), .. } => {
            facts.memory.as_ref().and_then(|memory| memory.operation(id))
        }
        Hint::Watch { operation: None, .. } | Hint::Prove { .. } | Hint::Deployment(_) => None,
    };
    let (key, time) = match (operation, &facts.hint) {
        (Some(operation), _) => (operation.incident.clone(), operation.began),
        (None, Hint::Deployment(change)) => (format!("watch:{}", change.deployment), change.at),
        (None, Hint::Prove { deployment, since, .. }) => (format!("watch:{deployment}"), *since),
        (None, Hint::Watch { operation: id, .. }) => {
            (format!("watch:{}", id.clone().unwrap_or_else(|| target.to_string())), arrived)
        }
    };
    let name = name(target);
    let title = format!("{name} cannot be watched");
    let subject = subject(target, facts.service().map(|service| service.arn.as_str()));
    let (state, severity, what) = match operation {
        Some(operation) if operation.means.redeploys() => (State::Info, Severity::Sev2, "redeploy"),
        Some(_) => (State::Firing, Severity::Sev1, "rollback"),
        None => (State::Info, Severity::Sev1, "rollback"),
    };
    let notice = Notice::new(&key, state, severity, subject, &title, time);
    let mut notice = notice.clone().following(notice.revision);
    head(&mut notice, policy);
    notice.summary = format!(
        "An error keeps Watchkeeper from seeing what becomes of a deployment of {name}. Do not rely on its word that \
         a {what} is over. It tries again every minute."
    );
    notice.fact("Error", error.chain());
    notice.next_steps.extend([
        format!("Look at {name} now."),
        "Mend the error; where a permission is missing, it is named above.".to_owned(),
    ]);
    link(&mut notice, target, facts.service());
    notice
}

/// Several cases of one event in one report.
pub(crate) fn together(reports: &[Report], answer: Value) -> Report {
    let all: Vec<_> = reports
        .iter()
        .map(|report| json!({"outcome": report.outcome(), "reason": report.reason()}))
        .collect();
    Report::new("several", "", format!("{} cases were looked at", all.len()))
        .record("cases", &all)
        .answering(answer)
}

fn head(notice: &mut Notice, policy: &Policy) {
    SOURCE.clone_into(&mut notice.source);
    notice.environment.clone_from(&policy.environment);
    if let Some(why) = &policy.unread {
        notice.fact("Policy", format!("it could not be read, so its defaults hold: {why}"));
    }
}

fn analysis(notice: &mut Notice, diagnosis: &Diagnosis) {
    notice.fact("Why", &diagnosis.headline);
    for cause in &diagnosis.causes {
        if !diagnosis.headline.ends_with(&cause.what) {
            notice.fact("Also", format!("{} (seen {} times)", cause.what, cause.count));
        }
        notice.next_steps.push(cause.next_step.clone());
    }
}

fn tasks(notice: &mut Notice, service: Option<&Service>) {
    if let Some(service) = service {
        notice.fact("Tasks", format!("{} running of {} desired", service.running, service.desired));
    }
}

fn about_the_alarm(notice: &mut Notice, operation: &Operation) {
    if let Some(alarm) = incident::alarm_name(&operation.incident) {
        notice.fact("Alarm", alarm);
    }
}

fn subject(target: &Target, arn: Option<&str>) -> Subject {
    Subject { kind: kind(target).to_owned(), id: name(target), arn: arn.map(ToOwned::to_owned) }
}

/// The Region stands in the service's ARN.
fn link(notice: &mut Notice, target: &Target, service: Option<&Service>) {
    let arn = service.map(|service| service.arn.as_str()).or(notice.subject.arn.as_deref());
    let region = arn.and_then(|arn| arn.split(':').nth(3)).filter(|region| !region.is_empty());
    if let (Target::Service { cluster, service }, Some(region)) = (target, region) {
        let url = format!(
            "https://{region}.console.aws.amazon.com/ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}"
        );
        notice.links.push(Link { title: "Service".to_owned(), url });
    }
}

#[cfg(test)]
mod tests;
