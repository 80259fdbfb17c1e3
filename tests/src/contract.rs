//! The template against the code, in both directions; and the tree against its own rules.

mod alarms;
mod template;
mod tree;

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use shared::Result;
use shared::config::Env;

use template::Template;

type Test = fn() -> anyhow::Result<()>;

/// Name and test, in the order in which they are run.
pub(crate) const TESTS: [(&str, Test); 18] = [
    ("the_template_sets_exactly_the_variables_that_the_code_reads", variables),
    ("the_template_grants_exactly_the_actions_that_the_code_calls", permissions),
    ("nothing_is_granted_on_everything_that_can_be_granted_on_less", resources),
    ("every_function_has_a_folder_a_log_group_with_retention_and_alarms_of_its_own", furniture),
    ("alarms_on_the_watch_itself_go_around_the_watch", self_alerts),
    ("decisions_are_pure", tree::decisions_are_pure),
    ("functions_do_not_know_one_another", tree::functions_are_apart),
    ("every_event_in_the_corpus_is_json_and_the_build_is_never_cached", tree::corpus_and_settings),
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
fn readers() -> [(&'static str, Reader); 3] {
    [
        ("alarm-rollback", |env| alarm_rollback::Config::read(env).map(drop)),
        ("deployment-watch", |env| deployment_watch::Config::read(env).map(drop)),
        ("notification-fanout", |env| notification_fanout::Config::read(env).map(drop)),
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
            .filter(|statement| !statement.sid.starts_with("Platform"))
            .flat_map(|statement| statement.actions)
            .collect();
        let called = tree::actions_called(folder)?;
        let unused: Vec<_> = granted.difference(&called).collect();
        let missing: Vec<_> = called.difference(&granted).collect();
        ensure!(missing.is_empty(), "{folder} calls what is not granted: {missing:?}");
        ensure!(unused.is_empty(), "{folder} is granted what it does not call: {unused:?}");
    }
    Ok(())
}

/// Actions that know no resources, by the service authorization reference, or none for the way they are called.
const WITHOUT_RESOURCES: [&str; 15] = [
    "cloudformation:ListStacks",
    "cloudwatch:DescribeAlarms",
    "codedeploy:BatchGetDeploymentTargets",
    "codedeploy:ListDeploymentTargets",
    "codedeploy:ListDeployments",
    "codedeploy:StopDeployment",
    "ecs:DescribeTaskDefinition",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "ssm:DescribeParameters",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

fn resources() -> anyhow::Result<()> {
    let template = Template::read()?;
    for (folder, _) in readers() {
        for statement in template.statements(&template.function(folder)?)? {
            let everything = statement.resources == ["*"];
            ensure!(!statement.resources.is_empty(), "{folder}: {} names no resource", statement.sid);
            for action in &statement.actions {
                ensure!(!action.contains('*'), "{folder} is granted {action}");
                ensure!(
                    everything == WITHOUT_RESOURCES.contains(&action.as_str()),
                    "{folder} is granted {action} on {:?}",
                    statement.resources
                );
            }
        }
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
