//! `wk validate`: whether a deployment can succeed, before it is begun.

use std::collections::BTreeSet;

use serde_json::Value;
use shared::policy::{self, Policy};

use super::checks::{Checks, State, sweep};
use super::keys::{Found, Keys, Standing, secret_name};
use super::quotas::{self, Need};
use super::{each, text};
use crate::Problem;
use crate::alarms;
use crate::args::Validate;
use crate::exit::Exit;
use crate::reach::{Reach, now};
use crate::say::Out;
use crate::service::{self, Service, short};

/// What `health-check` is asked for: the kind, how the checks are called, and what is said where all are well.
const KINDS: [(&str, &str, &str); 7] = [
    ("ecs-service", "services", "have the tasks that they are to have"),
    ("task-definition", "definitions", "are active"),
    ("image", "images", "are there"),
    ("secret", "secrets", "have a value"),
    ("stack", "stacks", "are stable"),
    ("certificate", "certificates", "are valid"),
    ("alarm", "alarms", "do not fire"),
];

/// What belongs to one service; the others are the whole environment's.
const OF_A_SERVICE: [&str; 4] = ["ecs-service", "task-definition", "image", "secret"];

/// What a deployment replaces: that it is broken is perhaps why there is one.
const REPLACED: [&str; 3] = ["ecs-service", "task-definition", "image"];

/// As many are told of one kind; the others are counted.
const MOST: usize = 20;

pub(super) async fn run(reach: &Reach, asked: &Validate, out: &Out) -> Result<Exit, Problem> {
    let (config, stack) = (reach.config(), &reach.stack);
    let mut checks = Checks::new(out, "error");
    let one = match &asked.service {
        Some(text) => Some(service::find(config, stack, text).await?),
        None => None,
    };
    policy(reach, &mut checks).await;
    checks.note("Checking what a deployment needs …");
    let kinds = KINDS.map(|(kind, ..)| kind);
    let all = sweep(reach, &kinds).await?;
    let services = if let Some(service) = &one {
        vec![service.clone()]
    } else {
        let labels = each(&all, "/components").filter(|it| text(it, "/kind") == "ecs-service");
        let labels: Vec<_> = labels.map(|it| text(it, "/name").to_owned()).collect();
        service::all(config, &labels).await?
    };
    if services.is_empty() {
        checks.warn(
            "services",
            format!("no service bears the tag watchkeeper:environment={}", stack.environment),
            "Tag what belongs to it, as the README says",
        );
    }
    let (needs, room) = needs(reach, &services, &mut checks).await;
    found(&all, one.is_some().then_some(&needs), &mut checks);
    moving(&services, &mut checks);
    quotas::check(config, &room, now(), &mut checks).await;
    watched(reach, &services, &mut checks).await;
    Ok(checks.end())
}

/// Whether Watchkeeper would look after the deployment.
async fn policy(reach: &Reach, checks: &mut Checks<'_>) {
    let name = policy::parameter(&reach.stack.environment);
    let policy = match reach.policy().await {
        Ok(text) => Policy::parse(&name, &text.unwrap_or_default()).map_err(|error| error.chain()),
        Err(problem) => Err(problem.to_string()),
    };
    let policy = match policy {
        Ok(policy) => policy,
        Err(why) => {
            checks.missing("policy", why, "Mend it: until then, nothing is rolled back");
            return;
        }
    };
    match policy.frozen(now()) {
        None => checks.good("freeze", "not frozen"),
        Some(frozen) => checks.warn(
            "freeze",
            format!("frozen {frozen}"),
            "Ask whoever froze it; a bad deployment is not rolled back by itself until wk freeze off",
        ),
    }
    match policy.window(now()) {
        None => checks.good("window", "no maintenance window is open"),
        Some(window) => checks.warn(
            "window",
            format!("the maintenance window {window} is open"),
            "Deploy after it, or watch with wk monitor: nothing is rolled back by itself in it",
        ),
    }
}

/// What the services run with: names of components, and what is missing of secrets and keys; and how much room a deployment of
/// each takes.
async fn needs(
    reach: &Reach,
    services: &[Service],
    checks: &mut Checks<'_>,
) -> (BTreeSet<String>, Vec<Need>) {
    let (mut needs, mut room) = (BTreeSet::new(), Vec::new());
    let (mut keys, mut secrets, mut there) = (Keys::default(), Vec::new(), 0_usize);
    for service in services {
        needs.insert(service.label());
        let definition = match service::definition(reach.config(), service).await {
            Ok(definition) => definition,
            Err(problem) => {
                checks.missing("definitions", format!("{}: {problem}", service.label()), "");
                continue;
            }
        };
        room.extend(quotas::need(service, &definition));
        needs.insert(short(definition.task_definition_arn().unwrap_or_default()).to_owned());
        needs.extend(
            definition.container_definitions().iter().filter_map(|it| it.image().map(ToOwned::to_owned)),
        );
        // With --remote, only functions look, and no function reads a value.
        if reach.is_remote() {
            continue;
        }
        for found in keys.of(reach.config(), service, &definition).await {
            needs.insert(found.name.clone());
            if found.standing == Standing::There {
                there += 1;
            } else {
                secrets.push((service.label(), found));
            }
        }
    }
    if reach.is_remote() {
        checks.warn(
            "keys",
            "which keys the secrets have was not looked at",
            "No function reads a value: ask without --remote",
        );
    } else if secrets.is_empty() {
        checks.good("keys", format!("all {there} references to secrets, keys and parameters resolve"));
    }
    for (label, Found { name, key, standing, .. }) in secrets {
        let key = key.map(|key| format!(", key {key}")).unwrap_or_default();
        let says = format!("{label}: {}{key}: {}", secret_name(&name), standing.why());
        match standing {
            Standing::Missing(_) => checks.missing("keys", says, "A task that starts now would not"),
            Standing::There | Standing::Unknown(_) => checks.warn("keys", says, "Check it by hand"),
        }
    }
    (needs, room)
}

/// What `health-check` found: of one service only what that needs, and all that is the environment's.
fn found(all: &Value, needs: Option<&BTreeSet<String>>, checks: &mut Checks<'_>) {
    for (kind, name, well) in KINDS {
        let of_kind = |it: &&Value| text(it, "/kind") == kind;
        let ours =
            |it: &&Value| needs.is_none_or(|needs| !OF_A_SERVICE.contains(&kind) || is_needed(it, needs));
        let components: Vec<_> = each(all, "/components").filter(of_kind).filter(ours).collect();
        let bad: Vec<_> =
            components.iter().filter_map(|it| Some((it, state(text(it, "/health"))?))).collect();
        // What runs now is about to be replaced, perhaps because of this; and what is not of this service does not stop it.
        let replaced = REPLACED.contains(&kind) || (needs.is_some() && !OF_A_SERVICE.contains(&kind));
        for (it, state) in bad.iter().take(MOST) {
            let state = if replaced { &State::Warning } else { state };
            let todo: Vec<_> = each(it, "/todo").filter_map(Value::as_str).collect();
            let todo = todo.join(" ");
            checks.say(
                *state,
                name,
                format!("{}: {}", text(it, "/name"), text(it, "/reason")),
                todo.trim_end_matches('.'),
            );
        }
        if let Some(more) = bad.len().checked_sub(MOST).filter(|more| *more > 0) {
            checks.warn(name, format!("and {more} more"), "wk status has them all");
        }
        if bad.is_empty() && !components.is_empty() {
            let all = components.len();
            checks.good(name, format!("{all} of {all} {well}"));
        }
    }
    for line in each(all, "/incomplete").filter_map(Value::as_str) {
        checks.warn("incomplete", line, "");
    }
}

/// Whether a service needs this, as its name or its ARN says.
fn is_needed(it: &Value, needs: &BTreeSet<String>) -> bool {
    let (name, arn) = (text(it, "/name"), text(it, "/arn"));
    needs.contains(name)
        || needs.contains(arn)
        || (!arn.is_empty() && needs.iter().any(|need| need.starts_with(arn)))
}

fn state(health: &str) -> Option<State> {
    match health {
        "failed" => Some(State::Missing),
        "degraded" | "unknown" => Some(State::Warning),
        _ => None,
    }
}

fn moving(services: &[Service], checks: &mut Checks<'_>) {
    let moving: Vec<_> = services.iter().filter_map(|it| Some((it.label(), it.moving()?))).collect();
    for (label, moving) in &moving {
        checks.warn("deployments", format!("{label}: {moving}"), "Wait for its end: wk monitor");
    }
    if moving.is_empty() && !services.is_empty() {
        checks.good("deployments", "none is under way");
    }
}

/// Whether an alarm would tell of a bad deployment.
async fn watched(reach: &Reach, services: &[Service], checks: &mut Checks<'_>) {
    if services.is_empty() {
        return;
    }
    let alarms = match alarms::all(reach.config(), &reach.stack.name).await {
        Ok(alarms) => alarms,
        Err(problem) => {
            checks.warn("watched", format!("which alarms there are is not known: {problem}"), "");
            return;
        }
    };
    let unwatched: Vec<_> =
        services.iter().filter(|service| !alarms.iter().any(|alarm| alarm.is_about(service))).collect();
    for service in unwatched.iter().take(MOST) {
        checks.warn(
            "watched",
            format!("no alarm is about {}: a bad deployment of it is rolled back by nobody", service.label()),
            "Deploy alarms.yaml for it (docs/alarms.md), or tag an alarm with watchkeeper:target",
        );
    }
    if unwatched.is_empty() {
        checks.good("watched", "each service has an alarm that is about it");
    } else if let Some(more) = unwatched.len().checked_sub(MOST).filter(|more| *more > 0) {
        checks.warn("watched", format!("nor about {more} more services"), "");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::found;
    use crate::command::checks::Checks;
    use crate::exit::Exit;
    use crate::say::{Out, Output};

    fn sweep(all: &[(&str, &str, &str, &str)]) -> Value {
        let components = all.iter().map(|(kind, name, arn, health)| {
            json!({"kind": kind, "name": name, "arn": arn, "health": health, "reason": "as it is", "todo": ["Mend it."]})
        });
        json!({"components": components.collect::<Vec<_>>()})
    }

    #[track_caller]
    fn check(all: &[(&str, &str, &str, &str)], needs: Option<&[&str]>, exit: Exit) {
        let out = Out::new(Output::Json);
        let mut checks = Checks::new(&out, "error");
        let needs: Option<BTreeSet<String>> =
            needs.map(|them| them.iter().map(ToString::to_string).collect());
        found(&sweep(all), needs.as_ref(), &mut checks);
        assert_eq!(checks.worst(), exit, "{all:?}");
    }

    #[test]
    fn what_fails_is_an_error_and_what_is_not_known_a_warning() {
        check(&[("image", "web:1", "", "healthy")], None, Exit::Good);
        check(&[("image", "web:1", "", "not_applicable")], None, Exit::Good);
        check(&[("image", "web:1", "", "degraded")], None, Exit::Warnings);
        check(&[("image", "web:1", "", "unknown"), ("stack", "web", "", "failed")], None, Exit::Errors);
        check(&[("sqs-queue", "orders", "", "failed")], None, Exit::Good);
    }

    #[test]
    fn of_one_service_only_what_it_needs_is_told_and_all_that_is_shared() {
        let arn = "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3";
        let reference = format!("{arn}:password::");
        let needs = ["prod/web", "web:7", "registry/web:1", reference.as_str()];
        check(&[("ecs-service", "prod/worker", "", "failed")], Some(&needs), Exit::Good);
        check(&[("ecs-service", "prod/web", "", "failed")], Some(&needs), Exit::Warnings);
        check(&[("task-definition", "web:7", "", "degraded")], Some(&needs), Exit::Warnings);
        check(&[("image", "web:1", "registry/web:1", "failed")], Some(&needs), Exit::Warnings);
        check(&[("secret", "prod/db", arn, "failed")], Some(&needs), Exit::Errors);
        check(&[("secret", "prod/other", "arn:aws:x", "failed")], Some(&needs), Exit::Good);
        check(&[("certificate", "example.com", "arn:c", "failed")], Some(&needs), Exit::Warnings);
        check(&[("certificate", "example.com", "arn:c", "failed")], None, Exit::Errors);
    }
}
