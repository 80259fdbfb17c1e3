//! What people and the log are told of a verdict.

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use shared::error::Class;
use shared::notice::{Link, Notice, Severity, State, Subject};
use shared::tags;
use shared::target::Target;
use shared::{Error, Report};

use crate::decision::{Held, Policy, Rollback, Verdict, short};
use crate::facts::Facts;

const SOURCE: &str = "alarm-rollback";

/// The outcome's fixed word.
pub(crate) const fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ignore(_) => "ignored",
        Verdict::Hold { .. } => "held",
        Verdict::Propose(_) => "proposed",
        Verdict::RollBack(_) | Verdict::RolledBack(_) => "rolled_back",
        Verdict::Resolve(_) => "resolved",
    }
}

/// The report: outcome, reason, and everything the decision saw.
pub(crate) fn report(facts: &Facts, policy: &Policy, verdict: &Verdict) -> Report {
    let (target, reason, detail) = match verdict {
        Verdict::Ignore(why) => (None, why.to_string(), json!(why)),
        Verdict::Hold { target, why } => (target.clone(), why.to_string(), json!(why)),
        Verdict::Propose(rollback) => {
            (Some(rollback.target.clone()), format!("observe mode: {}", sentence(rollback)), json!(rollback))
        }
        Verdict::RollBack(rollback) => (Some(rollback.target.clone()), sentence(rollback), json!(rollback)),
        Verdict::RolledBack(rollback) => (
            Some(rollback.target.clone()),
            format!("{}, by an invocation that was cut off", sentence(rollback)),
            json!(rollback),
        ),
        Verdict::Resolve(recovery) => {
            (recovery.incident.target.parse().ok(), "the alarm is OK again".to_owned(), Value::Null)
        }
    };
    let subject = target.map_or_else(|| format!("alarm:{}", facts.change.name), |target| target.to_string());
    let word = outcome(verdict);
    Report::new(word, subject, reason.clone())
        .record("facts", facts)
        .record("policy", policy)
        .record("mode", &mode(facts, policy))
        .record("verdict", &json!({"outcome": word, "detail": detail}))
        .answering(json!({"outcome": word, "reason": reason}))
}

/// The mode that held: the default, overridden by the tags that were seen.
fn mode(facts: &Facts, policy: &Policy) -> tags::Mode {
    let alarm = facts.alarm.as_ref().map(|alarm| &alarm.tags);
    let service = facts.scene.as_ref().and_then(|scene| scene.service.as_ref()).map(|service| &service.tags);
    tags::Mode::resolve(policy.mode, alarm.into_iter().chain(service))
}

fn sentence(rollback: &Rollback) -> String {
    format!("from {} back to {} ({})", short(&rollback.from), short(&rollback.to), rollback.grounds())
}

/// The notice for a verdict that people hear of.
pub(crate) fn notice(facts: &Facts, policy: &Policy, verdict: &Verdict, now: Timestamp) -> Notice {
    let alarm = &facts.change.name;
    let mut notice = match verdict {
        Verdict::RollBack(rollback) | Verdict::RolledBack(rollback) => {
            let name = subject_name(&rollback.target);
            let title = format!("{name} rolled back to {}", short(&rollback.to));
            let mut notice =
                open(facts, policy, State::Firing, Severity::Sev2, Some(&rollback.target), &title);
            notice.summary = format!(
                "The alarm {alarm} fired soon after {} was deployed to {name}. Watchkeeper told ECS to run {} again.",
                short(&rollback.from),
                short(&rollback.to)
            );
            rollback_facts(&mut notice, rollback);
            notice.fact("Operation", &rollback.operation);
            notice.actions.push(format!(
                "Set {name} from {} back to {}, {} after the alarm fired.",
                short(&rollback.from),
                short(&rollback.to),
                span(now.duration_since(facts.change.changed_at))
            ));
            notice.next_steps.extend([
                format!(
                    "Watch {name} until {} runs everywhere and {alarm} is OK; Watchkeeper says when it is.",
                    short(&rollback.to)
                ),
                format!(
                    "Find out what is wrong with {}; it is remembered as bad and is not returned to.",
                    short(&rollback.from)
                ),
                format!("To take the rollback back: {}", update_command(rollback, &rollback.from)),
            ]);
            notice
        }
        Verdict::Propose(rollback) => {
            let name = subject_name(&rollback.target);
            let title = format!("{name} would be rolled back to {}", short(&rollback.to));
            let mut notice =
                open(facts, policy, State::Firing, Severity::Sev2, Some(&rollback.target), &title);
            notice.summary = format!(
                "The alarm {alarm} fired soon after {} was deployed to {name}. Watchkeeper only observes here, so \
                 nothing was changed.",
                short(&rollback.from)
            );
            rollback_facts(&mut notice, rollback);
            notice.next_steps.extend([
                format!("To roll back: {}", update_command(rollback, &rollback.to)),
                format!("To let Watchkeeper act: tag the service {}=act.", tags::MODE),
            ]);
            notice
        }
        Verdict::Hold { target, why } => held(facts, policy, target.as_ref(), why),
        Verdict::Resolve(recovery) => {
            let incident = &recovery.incident;
            let target: Option<Target> = incident.target.parse().ok();
            let title = format!("{alarm} is OK again");
            let mut notice = open(facts, policy, State::Resolved, Severity::Sev2, target.as_ref(), &title)
                .following(incident.revision);
            let lasted = span(facts.change.changed_at.duration_since(incident.opened));
            notice.summary = format!("The alarm {alarm} went back to OK after {lasted}.");
            notice.fact("Duration", lasted);
            if let Some(operation) = recovery.operation.as_ref().filter(|_| recovery.proved) {
                notice.fact(
                    "Rolled back",
                    format!("from {} to {}", short(&operation.from), short(&operation.to)),
                );
                notice.fact("Operation", &operation.id);
                notice.actions.push(format!("Remembered {} as good.", short(&operation.to)));
            }
            notice
        }
        Verdict::Ignore(why) => {
            let mut notice = open(facts, policy, State::Info, Severity::Sev4, None, alarm);
            notice.summary = why.to_string();
            notice
        }
    };
    about_the_alarm(&mut notice, facts);
    notice
}

fn held(facts: &Facts, policy: &Policy, target: Option<&Target>, why: &Held) -> Notice {
    let alarm = &facts.change.name;
    let state = if *why == Held::SetByHand { State::Info } else { State::Firing };
    let severity = severity(why);
    let title = match target {
        Some(target) => format!("{alarm} fires; {} was left alone", subject_name(target)),
        None => format!("{alarm} fires; nothing was done"),
    };
    let mut notice = open(facts, policy, state, severity, target, &title);
    notice.summary = format!("Nothing was rolled back: {why}.");
    notice.next_steps.push(next_step(why));
    notice
}

/// Who was counting on a rollback that cannot be made has to answer sooner.
const fn severity(why: &Held) -> Severity {
    match why {
        Held::SetByHand => Severity::Sev4,
        Held::NothingGood
        | Held::NoHistory
        | Held::Unfinished { .. }
        | Held::Inactive { .. }
        | Held::EcsRollbackFailed
        | Held::Unsafe { .. } => Severity::Sev2,
        Held::NoTarget
        | Held::ManyTargets { .. }
        | Held::MalformedTarget { .. }
        | Held::UnsupportedTarget
        | Held::NoService
        | Held::NotActive
        | Held::Stale { .. }
        | Held::Controller { .. }
        | Held::Strategy { .. }
        | Held::ScaledToZero
        | Held::InProgress { .. }
        | Held::Cooldown { .. }
        | Held::Overtaken { .. }
        | Held::NoDeployment
        | Held::TooOld { .. }
        | Held::FiringBefore { .. }
        | Held::OwnRollback { .. }
        | Held::EcsRollingBack
        | Held::EcsRolledBack
        | Held::Stopped
        | Held::UnknownDeployment
        | Held::Moving
        | Held::Cleared
        | Held::SameCode => Severity::Sev3,
    }
}

/// What is left for a person to do when nothing is done.
fn next_step(why: &Held) -> String {
    match why {
        Held::NoTarget | Held::ManyTargets { .. } | Held::MalformedTarget { .. } => {
            format!("Tag the alarm {}=ecs:<cluster>/<service> to say what it is about.", tags::TARGET)
        }
        Held::UnsupportedTarget | Held::Controller { .. } | Held::Strategy { .. } => {
            "Roll it back by the means it is deployed with, if its last deployment is to blame.".to_owned()
        }
        Held::NoService => format!("Mend the alarm's tag {} or its dimensions.", tags::TARGET),
        Held::SetByHand => "Nothing: the alarm reaches Watchkeeper.".to_owned(),
        Held::InProgress { .. } | Held::EcsRollingBack => {
            "Watch the rollback; if the alarm still fires when it is over, the deployment was not the cause."
                .to_owned()
        }
        Held::Cooldown { .. } | Held::OwnRollback { .. } | Held::EcsRolledBack => {
            "Look for a cause other than the deployment: the last rollback did not help.".to_owned()
        }
        Held::Stale { .. } => {
            "Look at the service now; roll back by hand if its deployment is to blame.".to_owned()
        }
        Held::NotActive | Held::ScaledToZero => {
            "Find out whether this is meant; if so, silence the alarm.".to_owned()
        }
        Held::Overtaken { .. } | Held::Moving | Held::Stopped => {
            "Ask whoever deployed; they have it in hand.".to_owned()
        }
        Held::NoDeployment | Held::TooOld { .. } | Held::FiringBefore { .. } | Held::UnknownDeployment => {
            "Look for a cause other than a deployment: dependencies, traffic, a rotated secret, the platform."
                .to_owned()
        }
        Held::Cleared => "Nothing, unless it fires again.".to_owned(),
        Held::EcsRollbackFailed
        | Held::NothingGood
        | Held::NoHistory
        | Held::Unfinished { .. }
        | Held::Inactive { .. } => "Deploy a revision that you know to be good, by hand and now.".to_owned(),
        Held::Unsafe { .. } => {
            "Mend forward, or decide by hand: somebody marked that going back may break data.".to_owned()
        }
        Held::SameCode => {
            "Look at the secrets and images the tasks started with, not at the code.".to_owned()
        }
    }
}

/// The notice of a failure. It belongs to the alarm's incident, so that the alarm's end takes it back, and comes after
/// the revision under which a verdict would be told, so that neither hides the other.
pub(crate) fn failure(facts: &Facts, policy: &Policy, error: &Error) -> Notice {
    let alarm = &facts.change.name;
    let subject = Subject { kind: "alarm".to_owned(), id: alarm.clone(), arn: facts.change.arn.clone() };
    let title = format!("{alarm} fires; Watchkeeper could not deal with it");
    let time = facts.change.changed_at;
    let notice = Notice::new(&facts.incident_key(), State::Firing, Severity::Sev1, subject, &title, time);
    let mut notice = notice.clone().following(notice.revision);
    SOURCE.clone_into(&mut notice.source);
    notice.environment.clone_from(&policy.environment);
    let then = match error.class() {
        Class::Transient => "It tries again within minutes, and says so if that works.",
        Class::Permanent => "Trying again does not mend it.",
    };
    notice.summary = format!(
        "An error stopped Watchkeeper while it dealt with the alarm. Do not rely on a rollback. {then}"
    );
    notice.fact("Error", error.chain());
    notice.next_steps.extend([
        "Look at the service now; roll back by hand if its deployment is to blame.".to_owned(),
        "Mend the error; an event that fails for good waits in the queue FailedInvocations.".to_owned(),
    ]);
    about_the_alarm(&mut notice, facts);
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
    let service = facts.scene.as_ref().and_then(|scene| scene.service.as_ref());
    let subject = match target {
        Some(target) => Subject {
            kind: "ecs-service".to_owned(),
            id: subject_name(target),
            arn: service.map(|service| service.arn.clone()),
        },
        None => {
            Subject { kind: "alarm".to_owned(), id: facts.change.name.clone(), arn: facts.change.arn.clone() }
        }
    };
    let mut notice =
        Notice::new(&facts.incident_key(), state, severity, subject, title, facts.change.changed_at);
    SOURCE.clone_into(&mut notice.source);
    notice.environment.clone_from(&policy.environment);
    if let Some(service) = service {
        notice.fact("Tasks", format!("{} running of {} desired", service.running, service.desired));
    }
    if let Some(link) = target.zip(region(facts)).and_then(|(target, region)| service_link(target, region)) {
        notice.links.push(link);
    }
    notice
}

fn rollback_facts(notice: &mut Notice, rollback: &Rollback) {
    notice.fact("From", short(&rollback.from));
    notice.fact("To", short(&rollback.to));
    notice.fact("Why this one", rollback.grounds());
}

fn about_the_alarm(notice: &mut Notice, facts: &Facts) {
    let change = &facts.change;
    notice.fact("Alarm", &change.name);
    if let Some(description) = &change.description {
        notice.fact("Description", description);
    }
    notice.fact("CloudWatch says", &change.reason);
    if let Some(region) = region(facts) {
        let name: String = change.name.bytes().map(percent).collect();
        let url = format!(
            "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{name}"
        );
        notice.links.push(Link { title: "Alarm".to_owned(), url });
    }
}

/// The Region stands in the alarm's ARN.
fn region(facts: &Facts) -> Option<&str> {
    facts.change.arn.as_deref()?.split(':').nth(3).filter(|region| !region.is_empty())
}

fn service_link(target: &Target, region: &str) -> Option<Link> {
    let Target::Service { cluster, service } = target else {
        return None;
    };
    let url = format!(
        "https://{region}.console.aws.amazon.com/ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}"
    );
    Some(Link { title: "Service".to_owned(), url })
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// How people call it: `prod/web`.
fn subject_name(target: &Target) -> String {
    match target {
        Target::Service { cluster, service } => format!("{cluster}/{service}"),
        Target::Alias { function, alias } => format!("{function}:{alias}"),
        Target::Stack { name } => name.clone(),
    }
}

fn update_command(rollback: &Rollback, to: &str) -> String {
    match &rollback.target {
        Target::Service { cluster, service } => format!(
            "aws ecs update-service --cluster {cluster} --service {service} --task-definition {}",
            short(to)
        ),
        Target::Alias { .. } | Target::Stack { .. } => String::new(),
    }
}

/// A span as people say it: `1h 5m 12s`.
fn span(duration: SignedDuration) -> String {
    let duration = if duration.is_negative() { SignedDuration::ZERO } else { duration };
    let rounded = duration.round(Unit::Second).unwrap_or(duration);
    format!("{rounded:#}")
}

#[cfg(test)]
mod tests;
