//! `wk doctor`: what is missing for Watchkeeper and its operator, and how to mend it. What an early check cannot give, the
//! later ones do without, as far as they can.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_secretsmanager as secretsmanager;
use aws_sdk_sts as sts;
use notification_fanout::channel::{self, Kind};
use serde_json::{Value, json};
use shared::policy::{self, Policy};

use super::checks::{Checks, sweep};
use super::{each, text};
use crate::Problem;
use crate::alarms;
use crate::args::Args;
use crate::exit::Exit;
use crate::reach::{Function, NO_REGION, Reach, configured, now, region, without_credentials};
use crate::say::Out;
use crate::stack::{Stack, refused};

/// A service that nobody has, where no service is known to ask about: whether one may ask is seen all the same.
const NO_SERVICE: &str = "ecs:watchkeeper-doctor/none";

pub(super) async fn run(args: &Args, environment: Option<&str>, out: &Out) -> Exit {
    let mut checks = Checks::new(out, "missing");
    let Some(config) = account(args, &mut checks).await else { return checks.end_as(Exit::Unable) };
    let stack = match Stack::find(&cloudformation::Client::new(&config), environment).await {
        Ok(stack) => stack,
        Err(problem) => {
            checks.missing("stack", problem.to_string(), "");
            if let Some(environment) = environment {
                // Where it is known by name, its policy can be read without it.
                let name = policy::parameter(environment);
                let text = Reach::policy_at(&config, environment).await;
                read_policy(&name, text, &mut checks);
            }
            return checks.end_as(Exit::Unable);
        }
    };
    of_stack(&stack, &mut checks);
    let reach = Reach::at(config, stack, args.remote);
    let name = policy::parameter(&reach.stack.environment);
    let policy = read_policy(&name, reach.policy().await, &mut checks);
    channels(&reach, policy.as_ref(), &mut checks).await;
    checks.note("Checking everything once, to see what may be looked at; this may take a minute …");
    let all = looked(&reach, &mut checks).await;
    alarmed(&reach, &mut checks).await;
    permissions(&reach, &all, policy.is_some(), &mut checks).await;
    checks.end()
}

/// Region and credentials; nothing where AWS cannot be asked at all.
async fn account(args: &Args, checks: &mut Checks<'_>) -> Option<SdkConfig> {
    let config = match configured(args.profile.as_deref()).await {
        Ok(config) => config,
        Err(problem) => {
            checks.missing(
                "credentials",
                problem.to_string(),
                "Log in (aws sso login), or give another --profile",
            );
            return None;
        }
    };
    match region(&config) {
        Some(region) => checks.good("region", region.to_string()),
        None => checks.missing("region", NO_REGION, ""),
    }
    if let Some(why) = without_credentials(&config).await {
        checks.missing("credentials", why, "Log in (aws sso login), or give a --profile");
        return None;
    }
    if region(&config).is_none() {
        checks.good("credentials", "there are some; whose they are, AWS cannot be asked without a Region");
        return None;
    }
    match sts::Client::new(&config).get_caller_identity().send().await {
        Ok(it) => checks
            .good("credentials", format!("you are {}", it.arn().unwrap_or("somebody AWS does not name"))),
        Err(error) => {
            let problem = refused("sts:GetCallerIdentity", &error).to_string();
            checks.missing("credentials", problem, "Log in anew, or give another --profile");
            return None;
        }
    }
    Some(config)
}

fn of_stack(stack: &Stack, checks: &mut Checks<'_>) {
    let says = format!("{} watches {} ({}): {}", stack.name, stack.environment, stack.place(), stack.status);
    match standing(&stack.status) {
        Standing::Stable => checks.good("stack", says),
        Standing::Moving => checks.warn("stack", says, "Wait for the end of its deployment"),
        Standing::Broken => checks.missing("stack", says, "Look at its events, and deploy it anew"),
    }
    let lacks = stack.lacks();
    if lacks.is_empty() {
        checks.good("outputs", "it has all that this wk looks for");
    } else {
        let says = format!("it lacks {}: it is not of this wk's version", lacks.join(", "));
        checks.missing("outputs", says, "Deploy it anew from the same checkout as wk");
    }
    match stack.parameter("Mode") {
        Some("act") => checks.good("mode", "act: what the policy allows is done"),
        Some("observe") => {
            checks.good("mode", "observe: it says what it would do; tags let it act, or Mode=act");
        }
        Some("off") => {
            checks.warn("mode", "off: nothing is done and nobody is told", "Deploy it with Mode=observe");
        }
        Some(other) => checks.missing("mode", format!("{other} is not known"), "Deploy it with Mode=observe"),
        None => checks.missing("mode", "the stack does not say it", "Deploy it anew"),
    }
    match stack.parameter("AlertEmail") {
        Some(email) if !email.is_empty() => {
            checks.good(
                "alert email",
                "given; its subscription has to be confirmed once, by the link that came",
            );
        }
        Some(_) | None => checks.warn(
            "alert email",
            "nobody is told when Watchkeeper itself fails",
            "Deploy it with AlertEmail=<address>",
        ),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Stable,
    Moving,
    Broken,
}

/// What a stack's status means for what runs.
fn standing(status: &str) -> Standing {
    match status {
        // What was rolled back is what stood there before.
        "CREATE_COMPLETE"
        | "UPDATE_COMPLETE"
        | "UPDATE_ROLLBACK_COMPLETE"
        | "IMPORT_COMPLETE"
        | "IMPORT_ROLLBACK_COMPLETE" => Standing::Stable,
        moving if moving.ends_with("_IN_PROGRESS") => Standing::Moving,
        _ => Standing::Broken,
    }
}

fn read_policy(name: &str, text: Result<Option<String>, Problem>, checks: &mut Checks<'_>) -> Option<Policy> {
    let text = match text {
        Ok(Some(text)) => text,
        Ok(None) => {
            checks.good("policy", format!("there is no parameter {name}: the defaults hold"));
            return Some(Policy::default());
        }
        Err(problem) => {
            checks.missing("policy", problem.to_string(), "You need ssm:GetParameter on it");
            return None;
        }
    };
    match Policy::parse(name, &text) {
        Ok(policy) => {
            checks.good("policy", format!("{name} can be read"));
            if let Some(frozen) = policy.frozen(now()) {
                checks.warn("freeze", format!("frozen {frozen}"), "wk freeze off, when it is over");
            }
            Some(policy)
        }
        Err(error) => {
            checks.missing("policy", error.chain(), "Mend the line; wk policy check <file> tries it before");
            None
        }
    }
}

/// The channels, read as `notification-fanout` reads them. No value of theirs is told.
async fn channels(reach: &Reach, policy: Option<&Policy>, checks: &mut Checks<'_>) {
    let arn = reach.stack.parameter("ChannelsSecretArn").unwrap_or_default();
    if arn.is_empty() {
        checks.missing(
            "channels",
            "no secret with channels is named: nobody hears anything",
            "Deploy it with ChannelsSecretArn",
        );
        return;
    }
    let channels = match channel::fetch(&secretsmanager::Client::new(reach.config()), arn).await {
        Ok(channels) => channels,
        Err(error) => {
            let problem = Problem::from(error).to_string();
            let is_denied = problem.contains("denied");
            let mend = "docs/notifications.md says what the secret holds";
            if is_denied {
                checks.warn("channels", problem, "Ask somebody who may read it, or wk --remote route test");
            } else {
                checks.missing("channels", problem, mend);
            }
            return;
        }
    };
    for channel in &channels {
        let name = format!("channel {}", channel.name);
        match &channel.kind {
            Kind::Broken { why } => {
                checks.missing(&name, why, "Mend it in the secret; docs/notifications.md has each kind");
            }
            Kind::Slack { .. }
            | Kind::SlackApp { .. }
            | Kind::Teams { .. }
            | Kind::PagerDuty { .. }
            | Kind::GitHub { .. }
            | Kind::Sns { .. }
            | Kind::Email { .. }
            | Kind::AmazonQ { .. }
            | Kind::Webhook { .. } => checks.good(&name, format!("{}, well formed", channel.kind.as_str())),
        }
    }
    let there: BTreeSet<_> = channels.iter().map(|channel| channel.name.as_str()).collect();
    let named = policy.map(|policy| policy.notify.named()).unwrap_or_default();
    for name in named.iter().filter(|name| !there.contains(*name)) {
        checks.missing(
            &format!("channel {name}"),
            "the policy names it, and the secret does not have it",
            "Add it to the secret, or take it out of the policy",
        );
    }
}

/// One sweep: what is tagged, and what may not be looked at.
async fn looked(reach: &Reach, checks: &mut Checks<'_>) -> Value {
    let all = match sweep(reach, &[]).await {
        Ok(all) => all,
        Err(problem) => {
            checks.missing("wk status", problem.to_string(), mend(&problem.to_string()));
            return Value::Null;
        }
    };
    let environment = &reach.stack.environment;
    match each(&all, "/components").count() {
        0 => checks.warn(
            "tags",
            format!("nothing bears the tag watchkeeper:environment={environment}"),
            "Tag what belongs to it: aws resourcegroupstaggingapi tag-resources",
        ),
        some => checks
            .good("tags", format!("{some} things bear the environment's tag, or are led to by what does")),
    }
    match unseen(&all) {
        None => checks.good("wk status", "all that it looks at may be looked at"),
        Some((says, mend)) => checks.warn("wk status", says, mend),
    }
    all
}

/// What a sweep could not see, and how to mend it: what is denied, and else the first of what is unknown.
fn unseen(all: &Value) -> Option<(String, &'static str)> {
    let denied = denied(all);
    if !denied.is_empty() {
        let denied: Vec<_> = denied.into_iter().collect();
        let says = format!("not all may be looked at: {} is denied", denied.join(", "));
        return Some((says, mend("denied")));
    }
    let unknown: Vec<_> = each(all, "/components").filter(|it| text(it, "/health") == "unknown").collect();
    if let Some(first) = unknown.first() {
        let (kind, name, why) = (text(first, "/kind"), text(first, "/name"), text(first, "/reason"));
        return Some((
            format!("{} could not be checked, the first of them {kind}:{name}: {why}", unknown.len()),
            "wk status names each",
        ));
    }
    let first = each(all, "/incomplete").find_map(Value::as_str)?;
    Some((format!("not all was looked at: {first}"), ""))
}

/// The actions that a sweep says are denied.
fn denied(all: &Value) -> BTreeSet<String> {
    let reasons = each(all, "/components").map(|it| text(it, "/reason"));
    let lines = reasons.chain(each(all, "/incomplete").filter_map(Value::as_str));
    lines.flat_map(actions).collect()
}

/// Each `service:Action is denied` in a text.
fn actions(line: &str) -> impl Iterator<Item = String> {
    let mut parts: Vec<_> = line.split(" is denied").collect();
    parts.pop();
    let last = |part: &str| part.rsplit([' ', '(', ',']).next().map(ToOwned::to_owned);
    let is_action = |word: &String| {
        word.split_once(':').is_some_and(|(service, action)| !service.is_empty() && !action.is_empty())
    };
    parts.into_iter().filter_map(last).filter(is_action).collect::<Vec<_>>().into_iter()
}

async fn alarmed(reach: &Reach, checks: &mut Checks<'_>) {
    match alarms::all(reach.config(), &reach.stack.name).await {
        Ok(alarms) => {
            let telling = alarms.iter().filter(|alarm| alarm.says_what()).count();
            if telling == 0 {
                checks.warn(
                    "alarms",
                    format!("of {} alarms, none says what it is about: nothing is rolled back", alarms.len()),
                    "Deploy alarms.yaml per service (docs/alarms.md), or tag alarms with watchkeeper:target",
                );
            } else {
                checks
                    .good("alarms", format!("of {} alarms, {telling} say what they are about", alarms.len()));
            }
        }
        Err(problem) => checks.warn("alarms", problem.to_string(), mend(&problem.to_string())),
    }
}

/// What each command reads first, tried; nothing is changed.
async fn permissions(reach: &Reach, all: &Value, policy: bool, checks: &mut Checks<'_>) {
    let first = |kind: &str, field: &str| {
        let mut them = each(all, "/components").filter(|it| text(it, "/kind") == kind);
        them.next().map(|it| text(it, field).to_owned()).filter(|it| !it.is_empty())
    };
    let target =
        first("ecs-service", "/name").map_or_else(|| NO_SERVICE.to_owned(), |name| format!("ecs:{name}"));
    let mut tries = vec![
        ("wk rollback", Function::AlarmRollback, json!({"diagnose": {"target": target}})),
        ("wk dlq", Function::DlqTriage, json!({"status": {}})),
        ("wk scaling", Function::QueueScale, json!({"scale": "plan"})),
        ("wk incidents", Function::Acknowledge, json!({"incidents": {}})),
        ("wk route", Function::NotificationFanout, json!({"silences": {}})),
        ("wk audit", Function::NotificationFanout, json!({"audit": {"since": now()}})),
    ];
    match first("secret", "/arn") {
        Some(secret) => {
            tries.push(("wk redeploy", Function::SecretRedeploy, json!({"uses": {"secret": secret}})));
        }
        None => checks.untried("wk redeploy", "no secret bears the environment's tag"),
    }
    for (name, function, event) in tries {
        match reach.look(function, &event).await {
            Ok(answer) => {
                let blind: Vec<_> =
                    each(&answer, "/blind").chain(each(&answer, "/services")).filter_map(trouble).collect();
                if blind.is_empty() {
                    checks.good(name, "it may look; with --apply it may need more");
                } else {
                    let says = blind.join("; ");
                    checks.warn(name, says.clone(), mend(&says));
                }
            }
            // That there is no such service is what was to be seen.
            Err(problem) if target == NO_SERVICE && problem.to_string().contains("does not exist") => {
                checks.good(name, "it may look; with --apply it may need more");
            }
            Err(problem) if !policy && problem.to_string().contains("the policy /") => {
                checks.warn(name, "it waits for the policy to be mended", "");
            }
            Err(problem) => checks.missing(name, problem.to_string(), mend(&problem.to_string())),
        }
    }
}

/// What a part of an answer says that could not be looked at.
fn trouble(part: &Value) -> Option<String> {
    let said = ["/error", "/why", "/reason"].iter().find_map(|field| part.pointer(field)?.as_str());
    let said = part.as_str().or(said)?;
    let is_trouble = part.is_string() || part.get("error").is_some() || said.contains("denied");
    is_trouble.then(|| said.chars().take(300).collect())
}

/// How to mend what kept a read from being made.
fn mend(problem: &str) -> &'static str {
    if problem.contains("denied") || problem.contains("AccessDenied") || problem.contains("not authorized") {
        "Have it granted to you, or let the function do it: --remote"
    } else if problem.starts_with("environment variable ") {
        "The stack does not give it: see outputs"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Standing, actions, denied, standing, trouble, unseen};

    #[test]
    fn what_is_denied_is_named_by_its_action() {
        for (line, expected) in [
            ("ecs:DescribeServices is denied", vec!["ecs:DescribeServices"]),
            (
                "its scan (ecr:DescribeImageScanFindings is denied); kms:DescribeKey is denied to you",
                vec!["ecr:DescribeImageScanFindings", "kms:DescribeKey"],
            ),
            ("what it needs is denied", vec![]),
            ("it is there", vec![]),
        ] {
            assert_eq!(actions(line).collect::<Vec<_>>(), expected, "{line}");
        }
        let all = json!({"components": [{"reason": "ecs:DescribeServices is denied"}, {"reason": "it runs"}],
            "incomplete": ["tag:GetResources is denied", "ecs:DescribeServices is denied"]});
        assert_eq!(
            denied(&all).into_iter().collect::<Vec<_>>(),
            ["ecs:DescribeServices", "tag:GetResources"]
        );
    }

    #[test]
    fn a_stack_is_stable_moving_or_broken() {
        for (status, expected) in [
            ("UPDATE_COMPLETE", Standing::Stable),
            ("UPDATE_ROLLBACK_COMPLETE", Standing::Stable),
            ("UPDATE_IN_PROGRESS", Standing::Moving),
            ("UPDATE_ROLLBACK_FAILED", Standing::Broken),
            ("ROLLBACK_COMPLETE", Standing::Broken),
            ("", Standing::Broken),
        ] {
            assert_eq!(standing(status), expected, "{status}");
        }
    }

    #[test]
    fn what_could_not_be_looked_at_is_told_and_what_could_is_not() {
        assert_eq!(
            trouble(&json!({"service": "ecs:prod/web", "error": "denied"})).as_deref(),
            Some("denied")
        );
        assert_eq!(trouble(&json!("sqs:ListQueues is denied")).as_deref(), Some("sqs:ListQueues is denied"));
        assert_eq!(trouble(&json!({"service": "ecs:prod/web", "reason": "few messages wait"})), None);
    }

    #[test]
    fn what_a_sweep_could_not_see_is_never_well() {
        let of = |health: &str, reason: &str| json!({"kind": "tls", "name": "a", "health": health, "reason": reason});
        let denied = of("unknown", "kms:DescribeKey is denied to you");
        let slow = of("unknown", "it took too long");
        for (components, incomplete, expected) in [
            (json!([of("healthy", ""), of("failed", "it is down")]), json!([]), None),
            (
                json!([slow, of("healthy", "")]),
                json!([]),
                Some("1 could not be checked, the first of them tls:a"),
            ),
            (json!([slow, denied]), json!([]), Some("kms:DescribeKey is denied")),
            (json!([]), json!(["the time was over"]), Some("the time was over")),
        ] {
            let all = json!({"components": components, "incomplete": incomplete});
            let said = unseen(&all).map(|(says, _)| says);
            match expected {
                None => assert_eq!(said, None),
                Some(part) => assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{said:?}"),
            }
        }
    }
}
