//! EventBridge rules and their targets: two calls each, as EventBridge has none for many.

use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use crate::component::Component;
use crate::decision::kind::rule::{Facts, verdict};
use crate::observe::metrics::Query;
use crate::observe::sqs::beside::{WHILE, beside, dead_letters, gap, is_absent, measure};
use crate::sweep::{Api, Ask, Pages};

/// The bus of rules that name none.
const DEFAULT: &str = "default";

/// The metrics of a rule: they are there only when they are not zero.
const METRICS: [&str; 3] = ["FailedInvocations", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq"];

/// What EventBridge says of a rule.
#[derive(Default)]
struct Read {
    arn: String,
    facts: Facts,
    /// The ARNs of its targets.
    targets: Vec<String>,
    /// The ARNs of the queues that get what a target did not.
    letters: Vec<String>,
}

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, rules: &[Component]) {
    let read = join_all(rules.iter().map(|rule| async move { (rule, read(ask, rule).await) })).await;
    let mut known = Vec::new();
    for (rule, read) in read {
        match read {
            Ok(read) => known.push((rule, read)),
            Err(error) => ask.unknown(rule, &error),
        }
    }
    let queries: Vec<Query> =
        known.iter().filter(|(_, read)| !read.facts.absent).flat_map(|(rule, _)| queries(rule)).collect();
    let (values, gaps) = measure(ask, &queries).await;
    let mut values = values.into_iter();
    for (rule, read) in known {
        let facts = if read.facts.absent {
            read.facts
        } else {
            let mut next = || values.next().flatten();
            let (failed, dead, lost) = (next(), next(), next());
            Facts { failed, dead, lost, gaps: [read.facts.gaps, gaps.clone()].concat(), ..read.facts }
        };
        ask.say(rule, verdict(&facts));
        let targets = read.targets.iter().filter_map(|arn| beside(&read.arn, arn));
        targets.for_each(|target| ask.needs(rule, target));
        let letters = read.letters.iter().filter_map(|arn| dead_letters(&read.arn, arn));
        letters.for_each(|letters| ask.leads(rule, letters));
    }
}

/// Bus and name of a rule. The bus of a partner has slashes in its name, a rule has none.
fn split(rule: &Component) -> (&str, &str) {
    rule.name.rsplit_once('/').unwrap_or((DEFAULT, &rule.name))
}

fn queries(rule: &Component) -> impl Iterator<Item = Query> + use<> {
    let (bus, name) = split(rule);
    let mut dimensions = vec![("RuleName", name.to_owned())];
    // Metrics of the default bus do not name it (EventBridge User Guide, Monitoring).
    if bus != DEFAULT {
        dimensions.insert(0, ("EventBusName", bus.to_owned()));
    }
    METRICS.into_iter().map(move |name| Query {
        namespace: "AWS/Events",
        name,
        dimensions: dimensions.clone(),
        statistic: "Sum",
        over: WHILE,
    })
}

async fn read(ask: &Ask<'_>, rule: &Component) -> Result<Read> {
    let (bus, name) = split(rule);
    let answer = {
        let _turn = ask.turn(Api::Events).await;
        let call = ask.clients.events().describe_rule().event_bus_name(bus).name(name);
        call.send().await.action("events:DescribeRule")
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if is_absent(&error, &["ResourceNotFoundException"]) => {
            return Ok(Read { facts: Facts { absent: true, ..Facts::default() }, ..Read::default() });
        }
        Err(error) => return Err(error),
    };
    let facts = Facts {
        state: answer.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        managed_by: answer.managed_by.unwrap_or_default(),
        schedule: answer.schedule_expression.unwrap_or_default(),
        ..Facts::default()
    };
    let arn = answer.arn.unwrap_or_else(|| rule.arn().to_owned());
    let mut read = Read { arn, facts, ..Read::default() };
    // Where a rule that is disabled would lead is no matter.
    if read.facts.state != "DISABLED" {
        match targets(ask, rule, &mut read).await {
            Ok(()) => read.facts.targets = Some(read.targets.len()),
            Err(error) => read.facts.gaps.push(gap("its targets", &error)),
        }
    }
    Ok(read)
}

/// All pages; those that were read before one failed stay.
async fn targets(ask: &Ask<'_>, rule: &Component, read: &mut Read) -> Result<()> {
    let (bus, name) = split(rule);
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let answer = {
            let _turn = ask.turn(Api::Events).await;
            let call = ask.clients.events().list_targets_by_rule().event_bus_name(bus).rule(name);
            call.set_next_token(token).send().await.action("events:ListTargetsByRule")?
        };
        for target in answer.targets() {
            read.targets.push(target.arn().to_owned());
            let letters = target.dead_letter_config().and_then(|config| config.arn());
            read.letters.extend(letters.map(ToOwned::to_owned));
        }
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::observe::sqs::tests::{mangled, now};
    use crate::wire::{Reply, Wire};

    const RULE: &str = "arn:aws:events:eu-central-1:1:rule/shop/nightly";

    fn rule(state: &str) -> Value {
        json!({"Name": "nightly", "Arn": RULE, "State": state, "EventBusName": "shop", "EventPattern": "{}"})
    }

    fn targets(token: Option<&str>) -> Reply {
        let letters = json!({"Arn": "arn:aws:sqs:eu-central-1:1:undelivered"});
        let hook = "arn:aws:lambda:eu-central-1:1:function:hook:live";
        let elsewhere = "arn:aws:sqs:eu-west-1:1:orders";
        Reply::ok(json!({"NextToken": token, "Targets": [
            {"Id": "1", "Arn": hook, "DeadLetterConfig": letters},
            {"Id": "2", "Arn": elsewhere},
        ]}))
    }

    fn wire(rule: Reply, first: Reply, second: Reply, metrics: [Option<f64>; 3]) -> Wire {
        Wire::new(move |call| match call.action.as_str() {
            "DescribeRule" => rule.clone(),
            "ListTargetsByRule" if call.body.contains("NextToken") => second.clone(),
            "ListTargetsByRule" => first.clone(),
            _ => Reply::metrics(&metrics),
        })
    }

    async fn checked(wire: &Wire) -> Verdict {
        let ask = wire.ask();
        check(&ask, &[Component::at(RULE).unwrap()]).await;
        ask.verdict(Kind::Rule, "shop/nightly").unwrap()
    }

    #[tokio::test]
    async fn a_rule_is_read_as_eventbridge_answers_and_what_cannot_be_asked_is_unknown() {
        let (denied, throttled) =
            (|| Reply::error(400, "AccessDeniedException"), || Reply::error(400, "ThrottlingException"));
        let none = || Reply::ok(json!({"Targets": []}));
        let on = || Reply::ok(rule("ENABLED"));
        let quiet = [None, None, None];
        let cases = [
            (on(), targets(None), none(), quiet, Health::Healthy, "it is enabled"),
            (on(), none(), none(), quiet, Health::Degraded, "no targets"),
            (on(), targets(None), none(), [Some(3.0), None, None], Health::Degraded, "3 calls"),
            (on(), targets(None), none(), [None, None, Some(1.0)], Health::Failed, "are lost"),
            (Reply::ok(rule("DISABLED")), denied(), none(), quiet, Health::Degraded, "it is disabled"),
            (Reply::ok(rule("DOZING")), targets(None), none(), quiet, Health::Unknown, "DOZING"),
            (Reply::ok(json!({})), targets(None), none(), quiet, Health::Unknown, "does not say"),
            (denied(), none(), none(), quiet, Health::Unknown, "events:DescribeRule is denied"),
            (
                on(),
                denied(),
                none(),
                quiet,
                Health::Unknown,
                "its targets could not be checked: events:ListTargetsByRule",
            ),
            (on(), targets(Some("t")), throttled(), quiet, Health::Unknown, "ThrottlingException"),
            (
                Reply::error(400, "ResourceNotFoundException"),
                none(),
                none(),
                quiet,
                Health::Failed,
                "does not exist",
            ),
        ];
        for (rule, first, second, metrics, health, reason) in cases {
            let verdict = checked(&wire(rule, first, second, metrics)).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_rule_stands_on_its_targets_and_is_asked_for_on_its_bus() {
        let wire = wire(Reply::ok(rule("ENABLED")), targets(None), targets(None), [None, None, None]);
        let ask = wire.ask();
        check(&ask, &[Component::at(RULE).unwrap(), Component::new(Kind::Rule, "plain")]).await;
        let needs: Vec<_> =
            ask.said().get("event-rule:shop/nightly").unwrap().needs.iter().cloned().collect();
        assert_eq!(needs, ["lambda-function:hook"]);
        assert!(ask.take_more().iter().any(|more| more.id() == "dlq:undelivered"));
        let buses: Vec<Value> = wire
            .calls()
            .iter()
            .filter(|call| call.action == "DescribeRule")
            .map(|call| serde_json::from_str::<Value>(&call.body).unwrap())
            .collect();
        assert_eq!(
            buses,
            [
                json!({"Name": "nightly", "EventBusName": "shop"}),
                json!({"Name": "plain", "EventBusName": "default"}),
            ]
        );
        assert_eq!(wire.calls().iter().filter(|call| call.action == "GetMetricData").count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_rule_is_healthy_whose_state_is_mangled(body in mangled(&rule("ENABLED").to_string())) {
            let wire = wire(Reply::ok(&body), targets(None), targets(None), [None, None, None]);
            let verdict = now(checked(&wire));
            let whole = body.contains(r#""State":"ENABLED""#);
            prop_assert!(whole || verdict.health != Health::Healthy, "{body} {verdict:?}");
        }
    }
}
