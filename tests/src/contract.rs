//! The template against the code, in both directions; and the tree against its own rules.

mod alarms;
mod cloudformation;
mod corpus;
mod rotation;
mod template;
mod tree;

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use shared::Result;
use shared::config::Env;

use template::Template;
use watchkeeper::stack::From;

type Test = fn() -> anyhow::Result<()>;

/// Name and test, in the order in which they are run.
pub(crate) const TESTS: [(&str, Test); 26] = [
    ("the_template_sets_exactly_the_variables_that_the_code_reads", variables),
    ("what_the_functions_are_given_by_hand_is_found_in_the_stack", settings),
    ("the_template_grants_exactly_the_actions_that_the_code_calls", permissions),
    ("nothing_is_granted_on_everything_that_can_be_granted_on_less", resources),
    ("values_of_secrets_are_read_by_the_hook_and_for_the_channels_and_links_alone", values),
    ("a_message_that_comes_back_is_not_handed_out_twice_at_once", queues),
    ("every_function_has_a_folder_a_log_group_with_retention_and_alarms_of_its_own", furniture),
    ("alarms_on_the_watch_itself_go_around_the_watch", self_alerts),
    ("decisions_are_pure", tree::decisions_are_pure),
    ("functions_do_not_know_one_another", tree::functions_are_apart),
    ("every_event_in_the_corpus_is_json_and_the_build_is_never_cached", tree::corpus_and_settings),
    ("secret_redeploy_understands_its_corpus_and_refuses_what_is_hostile", corpus::secret_redeploy),
    ("rotation::nothing_is_rotated_that_is_not_given", rotation::nothing_is_rotated_that_is_not_given),
    ("rotation::a_schedule_rotates_by_the_hook_and_not_at_once", rotation::by_the_hook_and_not_at_once),
    ("rotation::the_hook_is_an_output_of_the_template", rotation::the_hook_is_an_output_of_the_template),
    ("rotation::every_parameter_is_used_and_described", rotation::every_parameter_is_used_and_described),
    ("alarms::every_alarm_says_what_it_is_about", alarms::every_alarm_says_what_it_is_about),
    ("alarms::every_alarm_is_described", alarms::every_alarm_is_described),
    ("alarms::no_two_services_share_an_alarm", alarms::no_two_services_share_an_alarm),
    ("alarms::every_parameter_is_used_and_described", alarms::every_parameter_is_used_and_described),
    (
        "alarms::the_defaults_are_the_figures_of_the_runbooks",
        alarms::the_defaults_are_the_figures_of_the_runbooks,
    ),
    ("alarms::what_a_service_lacks_gets_no_alarm", alarms::what_a_service_lacks_gets_no_alarm),
    ("alarms::what_is_given_by_half_is_refused", alarms::what_is_given_by_half_is_refused),
    (
        "alarms::every_calculation_is_one_that_cloudwatch_takes",
        alarms::every_calculation_is_one_that_cloudwatch_takes,
    ),
    (
        "alarms::a_service_is_not_blamed_for_its_neighbours",
        alarms::a_service_is_not_blamed_for_its_neighbours,
    ),
    (
        "alarms::an_alarm_on_lines_reads_what_their_filter_counts",
        alarms::an_alarm_on_lines_reads_what_their_filter_counts,
    ),
];

type Reader = fn(&Env<'_>) -> Result<()>;

/// Every function by its folder, with its settings' reader: the reader is its own oracle.
fn readers() -> [(&'static str, Reader); 9] {
    [
        ("acknowledge", |env| acknowledge::Config::read(env).map(drop)),
        ("alarm-rollback", |env| alarm_rollback::Config::read(env).map(drop)),
        ("deployment-watch", |env| deployment_watch::Config::read(env).map(drop)),
        ("dlq-triage", |env| dlq_triage::Config::read(env).map(drop)),
        ("health-check", |env| health_check::Config::read(env).map(drop)),
        ("notification-fanout", |env| notification_fanout::Config::read(env).map(drop)),
        ("queue-scale", |env| queue_scale::Config::read(env).map(drop)),
        ("secret-redeploy", |env| secret_redeploy::Config::read(env).map(drop)),
        ("secret-rotation", |env| secret_rotation::Config::read(env).map(drop)),
    ]
}

fn variables() -> anyhow::Result<()> {
    let template = Template::read()?;
    for (folder, read) in readers() {
        let set = template.function(folder)?.variables();
        let asked = RefCell::new(BTreeSet::new());
        let lookup = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            set.contains(name).then(|| value_of(name))
        };
        read(&Env::new(&lookup)).with_context(|| format!("{folder} refuses what the template sets"))?;
        ensure!(asked.take() == set, "{folder} reads other variables than the template sets: {set:?}");

        for missing in &set {
            let lookup = |name: &str| (name != missing).then(|| value_of(name));
            let error = read(&Env::new(&lookup)).err().map(|error| error.to_string()).unwrap_or_default();
            let expected = format!("environment variable {missing} is not set");
            ensure!(error == expected, "without {missing} {folder} says {error:?}");
        }
    }
    Ok(())
}

/// The functions whose code `wk` runs itself.
const BY_HAND: [&str; 7] = [
    "acknowledge",
    "alarm-rollback",
    "dlq-triage",
    "health-check",
    "notification-fanout",
    "queue-scale",
    "secret-redeploy",
];

fn settings() -> anyhow::Result<()> {
    let template = Template::read()?;
    for folder in BY_HAND {
        let function = template.function(folder)?;
        for variable in function.variables() {
            let known = watchkeeper::stack::SETTINGS.iter().find(|(name, _)| *name == variable);
            let (_, from) = known.with_context(|| format!("wk does not know {variable} of {folder}"))?;
            let same = match from {
                From::Parameter(name) => {
                    template.has_parameter(name) && function.is_parameter(&variable, name)
                }
                From::Output(name) => template.output(name) == function.variable(&variable),
            };
            ensure!(same, "wk takes {variable} of {folder} from {from:?}, which is something else");
        }
    }
    Ok(())
}

fn value_of(name: &str) -> String {
    if name == "MODE" { "act" } else { "value" }.to_owned()
}

fn permissions() -> anyhow::Result<()> {
    let template = Template::read()?;
    for (folder, _) in readers() {
        let function = template.function(folder)?;
        let granted: BTreeSet<_> = template
            .statements(&function)?
            .into_iter()
            .filter(|statement| !statement.sid.starts_with("Platform") && !statement.denies)
            .flat_map(|statement| statement.actions)
            .collect();
        let mut called = tree::actions_called(folder)?;
        let beside: Vec<_> = ASKED_FOR_BESIDE.iter().filter(|(action, _)| called.contains(*action)).collect();
        called.extend(beside.into_iter().map(|(_, other)| (*other).to_owned()));
        let unused: Vec<_> = granted.difference(&called).collect();
        let missing: Vec<_> = called.difference(&granted).collect();
        ensure!(missing.is_empty(), "{folder} calls what is not granted: {missing:?}");
        ensure!(unused.is_empty(), "{folder} is granted what it does not call: {unused:?}");
    }
    Ok(())
}

/// Actions that know no resources, by the service authorization reference.
const WITHOUT_RESOURCES: [&str; 34] = [
    "acm:ListCertificates",
    "application-autoscaling:DescribeScalableTargets",
    "backup:ListRecoveryPointsByResource",
    "cloudformation:ListStacks",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "codedeploy:BatchGetDeploymentTargets",
    "codedeploy:ListApplications",
    "codedeploy:ListDeploymentTargets",
    "codedeploy:StopDeployment",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ecs:DescribeTaskDefinition",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "events:ListEventBuses",
    "events:ListRules",
    "health:DescribeEvents",
    "lambda:ListEventSourceMappings",
    "lambda:ListFunctions",
    "scheduler:ListSchedules",
    "secretsmanager:ListSecrets",
    "sns:ListSubscriptions",
    "ssm:DescribeParameters",
    "tag:GetResources",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// Actions that know none for the way in which a function calls them.
const CALLED_WITHOUT: [(&str, &str); 1] = [("alarm-rollback", "codedeploy:ListDeployments")];

/// Actions that AWS asks for beside the one that is called.
const ASKED_FOR_BESIDE: [(&str, &str); 1] = [("wafv2:GetWebACLForResource", "wafv2:GetWebACL")];

fn resources() -> anyhow::Result<()> {
    let template = Template::read()?;
    for (folder, _) in readers() {
        for statement in template.statements(&template.function(folder)?)? {
            let everything = statement.resources == ["*"];
            ensure!(!statement.resources.is_empty(), "{folder}: {} names no resource", statement.sid);
            for action in statement.actions.iter().filter(|_| !statement.denies) {
                ensure!(!action.contains('*'), "{folder} is granted {action}");
                let without = WITHOUT_RESOURCES.contains(&action.as_str())
                    || CALLED_WITHOUT.contains(&(folder, action.as_str()));
                ensure!(everything == without, "{folder} is granted {action} on {:?}", statement.resources);
            }
        }
    }
    Ok(())
}

/// The hook reads no value beyond the pattern that it is given, and writes none; what redeploys services reads none at
/// all, and moves a label only where the hook may have moved it.
fn values() -> anyhow::Result<()> {
    const ROTATED: &str =
        "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${RotatedSecrets}";
    const GUARDED: [&str; 6] = [
        "secretsmanager:BatchGetSecretValue",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecret",
        "secretsmanager:UpdateSecretVersionStage",
        "kms:Decrypt",
    ];
    let template = Template::read()?;
    let mut granted = BTreeSet::new();
    for (folder, _) in readers() {
        for statement in template.statements(&template.function(folder)?)? {
            for action in statement.actions.iter().filter(|action| GUARDED.contains(&action.as_str())) {
                for resource in &statement.resources {
                    granted.insert(format!("{folder}: {action} on {resource}"));
                }
            }
        }
    }
    let expected = [
        "acknowledge: secretsmanager:GetSecretValue on AcknowledgeKey.Id".to_owned(),
        "dlq-triage: kms:Decrypt on QueueKeyArns".to_owned(),
        "notification-fanout: secretsmanager:GetSecretValue on AcknowledgeKey.Id".to_owned(),
        "notification-fanout: secretsmanager:GetSecretValue on ChannelsSecretArn".to_owned(),
        format!("secret-redeploy: secretsmanager:UpdateSecretVersionStage on {ROTATED}"),
        "secret-rotation: kms:Decrypt on RotationKeyArns".to_owned(),
        format!("secret-rotation: secretsmanager:GetSecretValue on {ROTATED}"),
        format!("secret-rotation: secretsmanager:PutSecretValue on {ROTATED}"),
        format!("secret-rotation: secretsmanager:UpdateSecretVersionStage on {ROTATED}"),
    ];
    ensure!(granted == BTreeSet::from(expected), "these are granted: {granted:#?}");
    Ok(())
}

/// Lambda asks for six times the function's time, lest a message be handed out again while it is still dealt with.
fn queues() -> anyhow::Result<()> {
    let template = Template::read()?;
    let read = template.queues_read();
    ensure!(read.len() == 6, "not six queues are read: {read:?}");
    for (queue, function) in read {
        let time = template.number("AWS::Serverless::Function", &function, &["Timeout"]);
        let hidden = template.number("AWS::SQS::Queue", &queue, &["VisibilityTimeout"]);
        ensure!(time.is_some() && hidden == time.map(|time| 6 * time), "{queue}: {hidden:?} for {time:?}");
        let path = ["RedrivePolicy", "maxReceiveCount"];
        let receives = template.number("AWS::SQS::Queue", &queue, &path);
        ensure!(receives.is_some_and(|count| count >= 100), "{queue} gives up after {receives:?} receives");
    }
    Ok(())
}

fn furniture() -> anyhow::Result<()> {
    let template = Template::read()?;
    let folders: BTreeSet<_> = readers().iter().map(|(folder, _)| (*folder).to_owned()).collect();
    ensure!(tree::folders("functions")? == folders, "every function has its reader in this test");
    ensure!(template.functions() == folders, "every folder of functions/ is a function of the template");
    ensure!(tree::folders("events")? == folders, "every function has its events");
    for folder in &folders {
        let function = template.function(folder)?;
        ensure!(template.log_group_of(&function)?.contains(folder.as_str()), "{folder} logs elsewhere");
        for metric in ["Errors", "Throttles"] {
            ensure!(template.has_alarm(metric, &function.id), "{folder} has no alarm on {metric}");
        }
    }
    Ok(())
}

fn self_alerts() -> anyhow::Result<()> {
    for (alarm, actions) in Template::read()?.alarm_actions() {
        ensure!(actions == ["SelfAlerts"], "the alarm {alarm} goes to {actions:?}");
    }
    Ok(())
}
