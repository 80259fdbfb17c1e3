//! Web ACLs, one call for each load balancer that the internet reaches.

use aws_sdk_wafv2::types::Rule;
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::kind::web_acl::{Facts, WebAcl, verdict};
use crate::sweep::{Api, Ask};

/// Checks the web ACL of each of these load balancers, which have to be application load balancers that the internet
/// reaches: `observe::elb` asks for them to be checked, under the load balancer's name and with its ARN.
pub(crate) async fn check(ask: &Ask<'_>, load_balancers: &[Component]) {
    join_all(load_balancers.iter().map(|balancer| one(ask, balancer))).await;
}

async fn one(ask: &Ask<'_>, balancer: &Component) {
    let component = Component { kind: Kind::WebAcl, ..balancer.clone() };
    match facts(ask, component.arn()).await {
        Ok(facts) => ask.say(&component, verdict(&facts, ask.expected)),
        Err(error) if error.code() == Some("WAFNonexistentItemException") => {
            ask.say(&component, verdict(&Facts { gone: true, attached: None }, ask.expected));
        }
        Err(error) => ask.unknown(&component, &error),
    }
}

async fn facts(ask: &Ask<'_>, arn: &str) -> Result<Facts> {
    let _turn = ask.turn(Api::Waf).await;
    let call = ask.clients.waf().get_web_acl_for_resource().resource_arn(arn);
    let answer = call.send().await.action("wafv2:GetWebACLForResource")?;
    let Some(acl) = answer.web_acl else { return Ok(Facts::default()) };
    let default = match acl.default_action.as_ref() {
        Some(action) if action.block.is_some() => "block",
        Some(action) if action.allow.is_some() => "allow",
        Some(_) | None => "",
    };
    let managed =
        [&acl.pre_process_firewall_manager_rule_groups, &acl.post_process_firewall_manager_rule_groups];
    let managed: usize = managed.into_iter().flatten().map(Vec::len).sum();
    let rules = acl.rules.as_deref().unwrap_or_default();
    let attached = WebAcl {
        name: acl.name.clone(),
        default: default.to_owned(),
        rules: rules.len() + managed,
        counting: rules.iter().filter(|rule| only_counts(rule)).count(),
    };
    Ok(Facts { attached: Some(attached), ..Facts::default() })
}

/// A rule counts instead of acting; a group of rules is told to.
fn only_counts(rule: &Rule) -> bool {
    rule.action.as_ref().is_some_and(|action| action.count.is_some())
        || rule.override_action.as_ref().is_some_and(|action| action.count.is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};
    use serde_json::{Value, json};
    use tokio::runtime;

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::wire::{Reply, Wire};

    const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc";

    fn acl(default: &Value, rules: &Value) -> Value {
        json!({"WebACL": {
            "Name": "edge", "Id": "a1", "ARN": "arn:aws:wafv2:eu-central-1:1:regional/webacl/edge/a1",
            "DefaultAction": default, "Rules": rules, "Capacity": 700, "LabelNamespace": "awswaf:1:webacl:edge:",
            "VisibilityConfig":
                {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "edge"},
        }})
    }

    async fn verdict(reply: Reply) -> Verdict {
        let wire = Wire::new(move |_| reply.clone());
        let ask = wire.ask();
        check(&ask, &[Component::at(BALANCER).unwrap()]).await;
        assert_eq!(wire.calls()[0].action, "GetWebACLForResource");
        assert!(wire.calls()[0].body.contains(BALANCER), "{:?}", wire.calls());
        ask.verdict(Kind::WebAcl, "web").unwrap()
    }

    #[tokio::test]
    async fn a_web_acl_is_read_as_waf_answers_and_goes_by_the_name_of_its_load_balancer() {
        let group =
            json!({"Name": "common", "Priority": 1, "OverrideAction": {"Count": {}}, "Statement": {}});
        let block = json!({"Name": "rate", "Priority": 2, "Action": {"Block": {}}, "Statement": {}});
        let cases = [
            (Reply::ok(acl(&json!({"Allow": {}}), &json!([group, block]))), Health::Healthy, "has a web ACL"),
            (Reply::ok(acl(&json!({"Block": {}}), &json!([]))), Health::Healthy, "has a web ACL"),
            (Reply::ok(acl(&json!({"Allow": {}}), &json!([group]))), Health::Degraded, "only count"),
            (Reply::ok(acl(&json!({"Allow": {}}), &json!([]))), Health::Degraded, "no rules"),
            (Reply::ok(acl(&json!({}), &json!([block]))), Health::Unknown, "not said"),
            (Reply::ok(json!({})), Health::Degraded, "no web ACL"),
            (
                Reply::error(400, "AccessDeniedException"),
                Health::Unknown,
                "wafv2:GetWebACLForResource is denied",
            ),
            (Reply::error(400, "ThrottlingException"), Health::Unknown, "ThrottlingException"),
            (Reply::error(400, "WAFNonexistentItemException"), Health::NotApplicable, "does not exist"),
        ];
        for (reply, health, reason) in cases {
            let verdict = verdict(reply).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mangled_answer_is_never_healthy(word in "[A-Za-z]{0,8}", cut in 0usize..1000) {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let rules = json!([{"Name": "rate", "Priority": 2, "Action": {"Block": {}}, "Statement": {}}]);
            let whole = acl(&json!({"Allow": {}}), &rules).to_string();
            let renamed = whole.replace("Allow", if word == "Allow" || word == "Block" { "" } else { &word });
            for body in [renamed, whole[..cut % whole.len()].to_owned()] {
                let verdict = runtime.block_on(verdict(Reply::ok(&body)));
                prop_assert!(verdict.health != Health::Healthy, "{body}: {verdict:?}");
            }
        }
    }
}
