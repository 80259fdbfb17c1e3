//! `alarms.yaml`, worked out as CloudFormation would, and held against what Watchkeeper, CloudWatch and the runbooks
//! ask of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use shared::tags;
use shared::target::Target;

use super::cloudformation::{self, conditions_in, list, map, names_in, plain, text};

const SERVICE: [(&str, &str); 3] = [("Environment", "production"), ("Cluster", "prod"), ("Service", "web")];
const BALANCED: [(&str, &str); 2] =
    [("LoadBalancer", "app/front/50dc6c495c0c9188"), ("TargetGroup", "targetgroup/web/943f017f100becff")];
const EVERYTHING: [(&str, &str); 7] = [
    ("OwnLoadBalancer", "yes"),
    ("ContainerInsights", "on"),
    ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:alarms"),
    ("LogGroup", "/ecs/web"),
    ("ThrottlingPattern", "ThrottlingException"),
    ("FailedLoginPattern", "\"login failed\""),
    ("TooLittleActivity", "on"),
];

/// What stands after a deployment with some parameters.
struct Deployed {
    /// By logical id, the properties with all functions worked out.
    alarms: BTreeMap<String, Value>,
    filters: BTreeMap<String, Value>,
    conditions: BTreeMap<String, bool>,
}

pub(super) fn every_alarm_says_what_it_is_about() -> anyhow::Result<()> {
    let expected = Target::Service { cluster: "prod".to_owned(), service: "web".to_owned() };
    for (id, alarm) in Pack::read()?.whole()?.alarms {
        let tags: BTreeMap<_, _> =
            list(&alarm, "Tags").map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
        let target = tags.get(tags::TARGET).map(|target| target.parse::<Target>());
        ensure!(target == Some(Ok(expected.clone())), "{id} is about {target:?}");
        ensure!(tags.get(tags::ENVIRONMENT) == Some(&"production"), "{id} belongs to nobody: {tags:?}");
    }
    Ok(())
}

/// What an alarm means and what to do first; 1,024 characters are CloudWatch's limit.
pub(super) fn every_alarm_is_described() -> anyhow::Result<()> {
    let mut told = BTreeSet::new();
    for (id, alarm) in Pack::read()?.whole()?.alarms {
        let description = text(&alarm, "AlarmDescription");
        ensure!(description.contains("web"), "{id} does not name its service: {description:?}");
        ensure!(description.matches(". ").count() == 1 && description.ends_with('.'), "{id}: {description}");
        ensure!(description.len() <= 1024, "the description of {id} is too long");
        ensure!(told.insert(description.to_owned()), "{id} says the same as another");
    }
    Ok(())
}

/// A name holds cluster and service, parted by what neither can contain; and it never begins like those of the alarms
/// on the watch itself, which are left out by their stack's name and a hyphen.
pub(super) fn no_two_services_share_an_alarm() -> anyhow::Result<()> {
    let pack = Pack::read()?;
    for name in ["Cluster", "Service"] {
        let pattern = text(&pack.0.0["Parameters"][name], "AllowedPattern");
        ensure!(pattern == "^[A-Za-z0-9_-]+$", "{name} may contain a stroke: {pattern}");
    }
    let longest = ["Cluster", "Service"].map(|name| pack.0.0["Parameters"][name]["MaxLength"].as_u64());
    let longest: u64 = longest.into_iter().map(|length| length.unwrap_or(255)).sum();

    let mut names = BTreeSet::new();
    for (id, alarm) in pack.whole()?.alarms {
        let name = text(&alarm, "AlarmName");
        let own = name.strip_prefix("ecs/prod/web/").with_context(|| format!("{id} is called {name}"))?;
        ensure!(!own.is_empty() && !own.contains('/'), "{id} is called {name}");
        ensure!(longest + "ecs///".len() as u64 + own.len() as u64 <= 255, "{name} can become too long");
        ensure!(names.insert(own.to_owned()), "two alarms are called {name}");
    }
    Ok(())
}

pub(super) fn every_parameter_is_used_and_described() -> anyhow::Result<()> {
    let pack = Pack::read()?;
    let mut used = BTreeSet::new();
    names_in(&pack.0.0["Resources"], &mut used);
    names_in(&pack.0.0["Conditions"], &mut used);
    for (name, parameter) in map(&pack.0.0["Parameters"]) {
        ensure!(used.contains(name), "{name} is used nowhere");
        ensure!(!text(parameter, "Description").is_empty(), "{name} is not described");
        let required = SERVICE.iter().any(|(service, _)| service == name);
        ensure!(parameter.get("Default").is_none() == required, "{name} has a default, or should have one");
    }
    let mut used = BTreeSet::new();
    conditions_in(&pack.0.0["Resources"], &mut used);
    conditions_in(&pack.0.0["Conditions"], &mut used);
    for (name, _) in map(&pack.0.0["Conditions"]) {
        ensure!(used.contains(name), "the condition {name} decides nothing");
    }
    Ok(())
}

/// The alarm, its threshold, how it is compared, period in seconds, how many of how many periods, missing data.
type Figures = (&'static str, &'static str, &'static str, u64, u64, u64, &'static str);

/// The runbooks' figures. Where a comment names a part of them, that part is ours: the runbooks leave it open.
const FIGURES: [Figures; 12] = [
    ("Errors", "5", "GreaterThanThreshold", 60, 5, 5, "notBreaching"),
    ("SevereErrors", "10", "GreaterThanThreshold", 60, 2, 2, "notBreaching"), // its two minutes
    ("Slow", "5", "GreaterThanThreshold", 60, 5, 5, "notBreaching"),          // its five minutes
    ("SlowerThanUsual", "usual 4", "GreaterThanUpperThreshold", 60, 10, 10, "notBreaching"), // stands for twice
    ("FewerRequestsThanUsual", "usual 3", "LessThanLowerThreshold", 60, 10, 10, "ignore"), // stands for half
    ("TooQuiet", "1", "LessThanThreshold", 3600, 2, 2, "breaching"),
    ("TargetsUnhealthy", "0", "GreaterThanThreshold", 60, 3, 5, "missing"), // its minutes
    ("TasksMissing", "0", "GreaterThanThreshold", 60, 5, 5, "missing"),     // its minutes
    ("CpuHigh", "80", "GreaterThanThreshold", 60, 10, 10, "missing"),       // its minutes
    ("MemoryHigh", "80", "GreaterThanThreshold", 60, 10, 10, "missing"),    // its minutes
    ("Throttled", "1", "GreaterThanOrEqualToThreshold", 300, 1, 1, "notBreaching"),
    ("LoginsFailing", "10", "GreaterThanOrEqualToThreshold", 300, 1, 1, "notBreaching"),
];

pub(super) fn the_defaults_are_the_figures_of_the_runbooks() -> anyhow::Result<()> {
    let alarms = Pack::read()?.whole()?.alarms;
    let listed: BTreeSet<_> = FIGURES.iter().map(|figures| figures.0).collect();
    ensure!(alarms.keys().map(String::as_str).collect::<BTreeSet<_>>() == listed, "an alarm has no figures");
    for (id, threshold, comparison, period, datapoints, periods, missing) in FIGURES {
        let alarm = &alarms[id];
        let found = match alarm["ThresholdMetricId"].as_str() {
            Some(band) => {
                let expression = text(query(alarm, band)?, "Expression");
                let (_, width) =
                    expression.split_once(", ").with_context(|| format!("{id}: {expression}"))?;
                format!("{band} {}", width.trim_end_matches(')'))
            }
            None => plain(&alarm["Threshold"]),
        };
        ensure!(found == threshold, "the threshold of {id} is {found}");
        ensure!(text(alarm, "ComparisonOperator") == comparison, "{id} is compared otherwise");
        ensure!(
            periods_of(alarm) == BTreeSet::from([period]),
            "{id} has the periods {:?}",
            periods_of(alarm)
        );
        ensure!(alarm["EvaluationPeriods"] == periods, "{id} looks at {}", alarm["EvaluationPeriods"]);
        let found = alarm["DatapointsToAlarm"].as_u64().unwrap_or(periods);
        ensure!(found == datapoints, "{id} fires after {found} periods");
        ensure!(text(alarm, "TreatMissingData") == missing, "{id} takes missing data for something else");
    }
    for (name, expected) in [("MinimumRequests", json!(20)), ("ResponseTimeStatistic", json!("p95"))] {
        ensure!(Pack::read()?.0.0["Parameters"][name]["Default"] == expected, "{name} is not {expected}");
    }
    Ok(())
}

/// Parameters beside the service's name, and the alarms that they bring.
type Offer = (Vec<(&'static str, &'static str)>, Vec<&'static str>);

pub(super) fn what_a_service_lacks_gets_no_alarm() -> anyhow::Result<()> {
    let always = ["CpuHigh", "MemoryHigh"];
    let balanced =
        ["Errors", "SevereErrors", "Slow", "SlowerThanUsual", "FewerRequestsThanUsual", "TargetsUnhealthy"];
    let balancer = &BALANCED[..];
    let log = ("LogGroup", "/ecs/web");
    let cases: [Offer; 6] = [
        (vec![], vec![]),
        (balancer.to_vec(), balanced.to_vec()),
        ([balancer, &[("TooLittleActivity", "on")]].concat(), [&balanced[..], &["TooQuiet"]].concat()),
        (vec![("ContainerInsights", "on")], vec!["TasksMissing"]),
        (vec![log, ("ThrottlingPattern", "Throttl")], vec!["Throttled"]),
        (vec![log, ("FailedLoginPattern", "failed")], vec!["LoginsFailing"]),
    ];
    let pack = Pack::read()?;
    let mut seen = BTreeSet::new();
    for (given, further) in cases {
        let deployed = pack.deploy(&given)?;
        let expected: BTreeSet<_> = always.iter().copied().chain(further).collect();
        let found: BTreeSet<_> = deployed.alarms.keys().map(String::as_str).collect();
        ensure!(found == expected, "with {given:?} there are {found:?}");
        let silent = deployed.alarms.values().all(|alarm| alarm.get("AlarmActions").is_none());
        ensure!(silent, "with {given:?} there are actions that nobody asked for");
        seen.extend(deployed.conditions);
    }
    let whole = pack.whole()?;
    for (id, alarm) in &whole.alarms {
        for actions in ["AlarmActions", "OKActions"] {
            let expected = json!(["arn:aws:sns:eu-central-1:123456789012:alarms"]);
            ensure!(alarm[actions] == expected, "{id} tells {} of its change", alarm[actions]);
        }
    }
    seen.extend(whole.conditions);
    for (name, _) in map(&pack.0.0["Conditions"]) {
        for way in [true, false] {
            ensure!(seen.contains(&(name.clone(), way)), "{name} is never {way}");
        }
    }
    Ok(())
}

pub(super) fn what_is_given_by_half_is_refused() -> anyhow::Result<()> {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&BALANCED[..1], "LoadBalancer and TargetGroup are given together"),
        (&BALANCED[1..], "LoadBalancer and TargetGroup are given together"),
        (&[("TooLittleActivity", "on")], "TooLittleActivity needs"),
        (&[("ThrottlingPattern", "Throttl")], "need LogGroup"),
        (&[("FailedLoginPattern", "failed")], "need LogGroup"),
    ];
    for (given, expected) in cases {
        let refusal = Pack::read()?.deploy(given).err().map(|error| error.to_string());
        ensure!(refusal.as_deref().is_some_and(|said| said.contains(expected)), "{given:?}: {refusal:?}");
    }
    Ok(())
}

/// The rules of the `CloudWatch` API, `PutMetricAlarm` and `MetricDataQuery`: an alarm watches one series; against a
/// band it returns both, and has no threshold; all metrics have the same period; at most ten of them.
pub(super) fn every_calculation_is_one_that_cloudwatch_takes() -> anyhow::Result<()> {
    let pack = Pack::read()?;
    for own in ["yes", "no"] {
        let given = [&BALANCED[..], &EVERYTHING[1..], &[("OwnLoadBalancer", own)]].concat();
        for (id, alarm) in pack.deploy(&given)?.alarms {
            ensure!(periods_of(&alarm).len() == 1, "{id} mixes periods");
            let band = alarm["ThresholdMetricId"].as_str();
            ensure!(band.is_some() == alarm.get("Threshold").is_none(), "{id} has two thresholds or none");
            let queries: Vec<_> = list(&alarm, "Metrics").collect();
            ensure!(queries.is_empty() != alarm.get("MetricName").is_none(), "{id} watches two things");
            if queries.is_empty() {
                continue;
            }
            let ids: BTreeSet<_> = queries.iter().map(|query| text(query, "Id")).collect();
            ensure!(ids.len() == queries.len() && ids.len() <= 10, "{id} has the ids {ids:?}");
            let returned = queries.iter().filter(|query| query["ReturnData"] == true);
            let returned: BTreeSet<_> = returned.map(|query| text(query, "Id")).collect();
            let mut expected = BTreeSet::new();
            let mut used: BTreeSet<&str> = band.into_iter().collect();
            for query in &queries {
                let names: Vec<_> = words(text(query, "Expression")).collect();
                for name in &names {
                    ensure!(ids.contains(name), "{id}: {} calculates with {name}", text(query, "Id"));
                }
                if Some(text(query, "Id")) == band {
                    expected.extend(names.iter().copied().chain(band));
                }
                used.extend(names);
            }
            let watched: BTreeSet<_> = ids.difference(&used).copied().collect();
            if band.is_none() {
                expected = watched;
            } else {
                ensure!(watched.is_empty(), "{id} calculates {watched:?} for nothing");
            }
            ensure!(expected.len() == 1 + usize::from(band.is_some()), "{id} watches {expected:?}");
            ensure!(returned == expected, "{id} returns {returned:?} instead of {expected:?}");
        }
    }
    Ok(())
}

/// What the load balancer answers by itself is counted only where no other service can be meant.
pub(super) fn a_service_is_not_blamed_for_its_neighbours() -> anyhow::Result<()> {
    for (own, expected) in [("yes", "HTTPCode_ELB_5XX_Count"), ("no", "TargetConnectionErrorCount")] {
        let deployed = Pack::read()?.deploy(&[&BALANCED[..], &[("OwnLoadBalancer", own)]].concat())?;
        for id in ["Errors", "SevereErrors"] {
            let alarm = &deployed.alarms[id];
            let mut metrics = Vec::new();
            for query in list(alarm, "Metrics").filter(|query| query.get("MetricStat").is_some()) {
                let metric = &query["MetricStat"]["Metric"];
                let whole =
                    list(metric, "Dimensions").all(|dimension| text(dimension, "Name") == "LoadBalancer");
                ensure!(!whole || own == "yes", "{id} counts {metric} of the whole load balancer");
                metrics.push(text(metric, "MetricName"));
            }
            ensure!(
                metrics == ["RequestCount", "HTTPCode_Target_5XX_Count", expected],
                "{id} counts {metrics:?}"
            );
        }
    }
    Ok(())
}

pub(super) fn an_alarm_on_lines_reads_what_their_filter_counts() -> anyhow::Result<()> {
    let deployed = Pack::read()?.whole()?;
    for (alarm, filter) in [("Throttled", "ThrottledLines"), ("LoginsFailing", "FailedLoginLines")] {
        let (alarm, filter) = (&deployed.alarms[alarm], &deployed.filters[filter]);
        let counted = &filter["MetricTransformations"][0];
        ensure!(alarm["Namespace"] == counted["MetricNamespace"], "{alarm} looks elsewhere than {counted}");
        ensure!(alarm["MetricName"] == counted["MetricName"], "{alarm} looks elsewhere than {counted}");
        ensure!(text(counted, "MetricName").starts_with("prod/web/"), "{counted} is not the service's own");
        ensure!(filter["LogGroupName"] == "/ecs/web", "{filter} reads another log");
    }
    Ok(())
}

/// The pack of alarms.
struct Pack(cloudformation::Template);

impl Pack {
    fn read() -> anyhow::Result<Self> {
        cloudformation::Template::read("alarms.yaml").map(Self)
    }

    /// A service that has everything, with all that can be asked for.
    fn whole(&self) -> anyhow::Result<Deployed> {
        self.deploy(&[&BALANCED[..], &EVERYTHING].concat())
    }

    /// The service with these parameters beside its name, or the rule that refuses them.
    fn deploy(&self, given: &[(&str, &str)]) -> anyhow::Result<Deployed> {
        let deployed = self.0.deploy(&[&SERVICE[..], given].concat())?;
        let (mut alarms, mut filters) = (BTreeMap::new(), BTreeMap::new());
        for (id, (kind, properties)) in deployed.resources {
            match kind.as_str() {
                "AWS::CloudWatch::Alarm" => alarms.insert(id, properties),
                "AWS::Logs::MetricFilter" => filters.insert(id, properties),
                other => bail!("{id} is {other}"),
            };
        }
        Ok(Deployed { alarms, filters, conditions: deployed.conditions })
    }
}

/// The ids in an expression, which begin with a small letter; functions are written in capitals.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

fn query<'a>(alarm: &'a Value, id: &str) -> anyhow::Result<&'a Value> {
    let mut queries = list(alarm, "Metrics");
    queries.find(|query| text(query, "Id") == id).with_context(|| format!("nothing is called {id}"))
}

fn periods_of(alarm: &Value) -> BTreeSet<u64> {
    let periods = list(alarm, "Metrics").map(|query| &query["MetricStat"]["Period"]);
    periods.chain([&alarm["Period"]]).filter_map(Value::as_u64).collect()
}
