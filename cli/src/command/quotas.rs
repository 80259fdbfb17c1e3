//! Whether Fargate has room for a deployment: old and new tasks run beside each other, and beyond the account's quota of vCPUs
//! no task starts.
//!
//! `CloudWatch` knows both numbers: what is used is a metric of `AWS/Usage` (ECS Developer Guide, "AWS Fargate usage metrics"),
//! and its quota is `SERVICE_QUOTA` of it (CloudWatch User Guide, "Using metric math").

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch as cloudwatch;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_ecs::types::{
    CapacityProviderStrategyItem, DeploymentConfiguration, DeploymentControllerType, LaunchType,
    TaskDefinition,
};
use jiff::{SignedDuration, Timestamp};
use shared::error::Call;

use super::checks::Checks;
use crate::Problem;
use crate::service::Service;

/// Usage is told every five minutes; the newest of so long is taken.
const LATELY: SignedDuration = SignedDuration::from_mins(20);
const PERIOD: i32 = 300;

/// From here on there is little room.
const NEARLY: f64 = 0.8;

/// What tasks are billed as, each with a quota of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    OnDemand,
    Spot,
}

impl Class {
    /// The value of the metric's dimension.
    const fn word(self) -> &'static str {
        match self {
            Self::OnDemand => "Standard/OnDemand",
            Self::Spot => "Standard/Spot",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::OnDemand => "Fargate On-Demand",
            Self::Spot => "Fargate Spot",
        }
    }
}

/// What a deployment of one service takes beside what runs, in vCPUs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Need {
    service: String,
    class: Class,
    extra: f64,
}

/// What a deployment of this service takes; nothing where it does not run on Fargate.
pub(super) fn need(service: &Service, definition: &TaskDefinition) -> Option<Need> {
    let described = &service.described;
    let providers: Vec<_> = described
        .capacity_provider_strategy()
        .iter()
        .map(CapacityProviderStrategyItem::capacity_provider)
        .collect();
    let class = match (providers.as_slice(), described.launch_type()) {
        ([], Some(LaunchType::Fargate)) => Class::OnDemand,
        ([], _) => return None,
        (all, _) if all.iter().all(|name| *name == "FARGATE_SPOT") => Class::Spot,
        (all, _) if all.iter().all(|name| name.starts_with("FARGATE")) => Class::OnDemand,
        _ => return None,
    };
    let cpus = definition.cpu().and_then(vcpus)?;
    let by_ecs =
        described.deployment_controller().is_none_or(|it| *it.r#type() == DeploymentControllerType::Ecs);
    let most = described.deployment_configuration().and_then(DeploymentConfiguration::maximum_percent);
    let tasks = beside(described.desired_count(), by_ecs.then(|| most.unwrap_or(200)));
    Some(Need { service: service.label(), class, extra: f64::from(tasks) * cpus })
}

/// The CPU units of a task, in vCPUs: `256`, or as some write it, `.25 vCPU` (ECS API, `TaskDefinition`).
fn vcpus(text: &str) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    let cpus = match text.strip_suffix("vcpu") {
        Some(number) => number.trim().parse().ok()?,
        None => text.parse::<f64>().ok()? / 1024.0,
    };
    Some(cpus).filter(|cpus: &f64| cpus.is_finite() && *cpus >= 0.0)
}

/// How many tasks a deployment starts beside the old ones: ECS rounds down to what the upper limit in percent allows, and one that
/// is not ECS's own has all of them twice.
fn beside(desired: i32, percent: Option<i32>) -> i32 {
    match percent {
        None => desired,
        Some(percent) => {
            let most = i64::from(desired) * i64::from(percent) / 100;
            i32::try_from(most - i64::from(desired)).unwrap_or(i32::MAX).clamp(0, desired.max(0))
        }
    }
}

/// What is used of a class, and what may be; nothing where `CloudWatch` does not say it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Room {
    used: Option<f64>,
    quota: Option<f64>,
}

/// Looks whether there is room for these.
pub(super) async fn check(config: &SdkConfig, needs: &[Need], now: Timestamp, checks: &mut Checks<'_>) {
    let mut by_class = BTreeMap::<Class, Vec<&Need>>::new();
    for need in needs {
        by_class.entry(need.class).or_default().push(need);
    }
    for (class, needs) in by_class {
        match room(config, class, now).await {
            Ok(room) => say(class, &needs, room, checks),
            Err(problem) => checks.untried("quotas", format!("{}: {problem}", class.title())),
        }
    }
}

fn say(class: Class, needs: &[&Need], room: Room, checks: &mut Checks<'_>) {
    const MEND: &str = "Ask for more at Service Quotas (fargate), or deploy fewer at once";
    let title = class.title();
    let (Some(used), Some(quota)) = (room.used, room.quota) else {
        checks.untried(
            "quotas",
            format!("{title}: CloudWatch does not say how many vCPUs are used, and may be"),
        );
        return;
    };
    let free = quota - used;
    let stands = format!("{title}: {used} of {quota} vCPUs are used");
    let largest = needs.iter().max_by(|a, b| a.extra.total_cmp(&b.extra));
    let sum: f64 = needs.iter().map(|need| need.extra).sum();
    match largest {
        Some(need) if need.extra > free => checks.missing(
            "quotas",
            format!(
                "{stands}, and a deployment of {} takes {} more: its tasks would not start",
                need.service, need.extra
            ),
            MEND,
        ),
        _ if sum > free => checks.warn(
            "quotas",
            format!("{stands}, and deployments of all {} services at once take {sum} more", needs.len()),
            MEND,
        ),
        _ if used + sum > NEARLY * quota => {
            checks.warn("quotas", format!("{stands}, and a deployment takes up to {sum} more"), MEND);
        }
        _ => checks.good("quotas", format!("{stands}, and a deployment takes up to {sum} more")),
    }
}

async fn room(config: &SdkConfig, class: Class, now: Timestamp) -> Result<Room, Problem> {
    let dimension = |(name, value): (&str, &str)| Dimension::builder().name(name).value(value).build();
    let dimensions =
        [("Service", "Fargate"), ("Type", "Resource"), ("Resource", "vCPU"), ("Class", class.word())];
    let metric = Metric::builder()
        .namespace("AWS/Usage")
        .metric_name("ResourceCount")
        .set_dimensions(Some(dimensions.map(dimension).into()))
        .build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD).stat("Maximum").build();
    let used = MetricDataQuery::builder().id("used").metric_stat(stat).build();
    let quota = MetricDataQuery::builder().id("quota").expression("SERVICE_QUOTA(used)").build();
    let since = now.saturating_sub(LATELY).unwrap_or(now);
    let answer = cloudwatch::Client::new(config)
        .get_metric_data()
        .metric_data_queries(used)
        .metric_data_queries(quota)
        .start_time(DateTime::from_secs(since.as_second()))
        .end_time(DateTime::from_secs(now.as_second()))
        .scan_by(ScanBy::TimestampDescending)
        .send()
        .await
        .action("cloudwatch:GetMetricData")?;
    let newest = |id: &str| {
        let result = answer.metric_data_results().iter().find(|it| it.id() == Some(id))?;
        result.values().first().copied()
    };
    Ok(Room { used: newest("used"), quota: newest("quota") })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{
        CapacityProviderStrategyItem, DeploymentConfiguration, DeploymentController,
        DeploymentControllerType, LaunchType, TaskDefinition,
    };

    use super::{Class, Need, Room, beside, need, say, vcpus};
    use crate::command::checks::Checks;
    use crate::exit::Exit;
    use crate::say::{Out, Output};
    use crate::service::Service;

    #[test]
    fn a_tasks_size_is_read_as_ecs_and_people_write_it() {
        for (text, expected) in [
            ("256", Some(0.25)),
            ("4096", Some(4.0)),
            (".5 vCPU", Some(0.5)),
            ("1 vcpu", Some(1.0)),
            ("2vCPU", Some(2.0)),
            ("", None),
            ("large", None),
            ("NaN", None),
            ("-256", None),
        ] {
            assert_eq!(vcpus(text), expected, "{text}");
        }
    }

    #[test]
    fn beside_the_old_tasks_as_many_new_ones_run_as_the_deployment_allows() {
        for (desired, percent, expected) in [
            (4, Some(200), 4),
            (4, Some(150), 2),
            (3, Some(150), 1),
            (4, Some(100), 0),
            (4, Some(50), 0),
            (4, Some(1000), 4),
            (0, Some(200), 0),
            (4, None, 4),
        ] {
            assert_eq!(beside(desired, percent), expected, "{desired} {percent:?}");
        }
    }

    #[test]
    fn only_what_runs_on_fargate_needs_its_quota() {
        let of = aws_sdk_ecs::types::Service::builder;
        let provider =
            |name: &str| CapacityProviderStrategyItem::builder().capacity_provider(name).build().unwrap();
        let wide = DeploymentConfiguration::builder().maximum_percent(150).build();
        let by_code_deploy =
            DeploymentController::builder().r#type(DeploymentControllerType::CodeDeploy).build().unwrap();
        for (described, expected) in [
            (of().launch_type(LaunchType::Fargate), Some((Class::OnDemand, 2.0))),
            (
                of().launch_type(LaunchType::Fargate).deployment_configuration(wide.clone()),
                Some((Class::OnDemand, 1.0)),
            ),
            (
                of().launch_type(LaunchType::Fargate)
                    .deployment_configuration(wide)
                    .deployment_controller(by_code_deploy),
                Some((Class::OnDemand, 2.0)),
            ),
            (of().launch_type(LaunchType::Ec2), None),
            (of(), None),
            (of().capacity_provider_strategy(provider("FARGATE_SPOT")), Some((Class::Spot, 2.0))),
            (
                of().capacity_provider_strategy(provider("FARGATE_SPOT"))
                    .capacity_provider_strategy(provider("FARGATE")),
                Some((Class::OnDemand, 2.0)),
            ),
            (of().capacity_provider_strategy(provider("our-machines")), None),
        ] {
            let service = Service {
                cluster: "prod".to_owned(),
                name: "web".to_owned(),
                environment: None,
                described: described.desired_count(4).build(),
            };
            let definition = TaskDefinition::builder().cpu("512").build();
            let found = need(&service, &definition).map(|need| (need.class, need.extra));
            assert_eq!(found, expected, "{service:?}");
            assert_eq!(need(&service, &TaskDefinition::builder().build()), None);
        }
    }

    #[test]
    fn a_deployment_for_which_there_is_no_room_is_an_error() {
        for (used, quota, extra, exit) in [
            (Some(10.0), Some(100.0), &[4.0, 4.0][..], Exit::Good),
            (Some(75.0), Some(100.0), &[4.0, 4.0], Exit::Warnings),
            (Some(94.0), Some(100.0), &[4.0, 4.0], Exit::Warnings),
            (Some(97.0), Some(100.0), &[4.0, 4.0], Exit::Errors),
            (Some(96.0), Some(100.0), &[4.0], Exit::Warnings),
            (None, Some(100.0), &[4.0], Exit::Good),
            (Some(97.0), None, &[4.0], Exit::Good),
        ] {
            let out = Out::new(Output::Json);
            let mut checks = Checks::new(&out, "error");
            let needs: Vec<_> = extra
                .iter()
                .map(|extra| Need { service: "prod/web".to_owned(), class: Class::OnDemand, extra: *extra })
                .collect();
            say(Class::OnDemand, &needs.iter().collect::<Vec<_>>(), Room { used, quota }, &mut checks);
            assert_eq!(checks.worst(), exit, "{used:?} of {quota:?}, {extra:?}");
        }
    }
}
