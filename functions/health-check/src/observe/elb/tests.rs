use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use tokio::runtime;

use super::{check_listeners, check_load_balancers, check_targets};
use crate::component::{Component, Kind};
use crate::decision::Health;
use crate::wire::{Call, Reply, Wire};

const FRONT: &str = "arn:aws:elasticloadbalancing:eu-central-1:1";

fn balancer(name: &str, state: &str, sort: &str) -> String {
    let path = if sort == "network" { "net" } else { "app" };
    format!(
        "<member><LoadBalancerArn>{FRONT}:loadbalancer/{path}/{name}/50dc</LoadBalancerArn>\
         <LoadBalancerName>{name}</LoadBalancerName><Scheme>internet-facing</Scheme><Type>{sort}</Type>\
         <State><Code>{state}</Code></State><CreatedTime>2026-01-01T00:00:00Z</CreatedTime></member>"
    )
}

fn balancers(members: &str) -> Reply {
    Reply::xml("DescribeLoadBalancers", &format!("<LoadBalancers>{members}</LoadBalancers>"))
}

fn https(name: &str) -> String {
    format!(
        "<member><ListenerArn>{FRONT}:listener/app/{name}/50dc/f443</ListenerArn><Protocol>HTTPS</Protocol>\
         <Port>443</Port><SslPolicy>ELBSecurityPolicy-TLS13-1-2-2021-06</SslPolicy><Certificates><member>\
         <CertificateArn>arn:aws:acm:eu-central-1:1:certificate/c1</CertificateArn></member></Certificates>\
         <DefaultActions><member><Type>forward</Type><TargetGroupArn>{FRONT}:targetgroup/{name}/943f</TargetGroupArn>\
         <ForwardConfig><TargetGroups><member><TargetGroupArn>{FRONT}:targetgroup/{name}-green/943f</TargetGroupArn>\
         <Weight>1</Weight></member><member><TargetGroupArn>{FRONT}:targetgroup/{name}-idle/943f</TargetGroupArn>\
         <Weight>0</Weight></member></TargetGroups></ForwardConfig></member></DefaultActions></member>"
    )
}

fn http(name: &str, protocol: &str) -> String {
    format!(
        "<member><ListenerArn>{FRONT}:listener/app/{name}/50dc/f80</ListenerArn><Protocol>HTTP</Protocol>\
         <Port>80</Port><DefaultActions><member><Type>redirect</Type><RedirectConfig>\
         <Protocol>{protocol}</Protocol><StatusCode>HTTP_301</StatusCode></RedirectConfig></member>\
         </DefaultActions></member>"
    )
}

fn listeners(members: &str) -> Reply {
    Reply::xml("DescribeListeners", &format!("<Listeners>{members}</Listeners>"))
}

fn group(name: &str, balancers: &str) -> String {
    format!(
        "<member><TargetGroupArn>{FRONT}:targetgroup/{name}/943f</TargetGroupArn>\
         <TargetGroupName>{name}</TargetGroupName><TargetType>ip</TargetType>\
         <LoadBalancerArns>{balancers}</LoadBalancerArns></member>"
    )
}

fn groups(members: &str) -> Reply {
    Reply::xml("DescribeTargetGroups", &format!("<TargetGroups>{members}</TargetGroups>"))
}

fn targets(all: &[(&str, &str)]) -> Reply {
    let member = |(state, reason): &(&str, &str)| {
        format!(
            "<member><Target><Id>10.0.0.1</Id><Port>80</Port></Target><TargetHealth><State>{state}</State>\
             <Reason>{reason}</Reason></TargetHealth></member>"
        )
    };
    let members: String = all.iter().map(member).collect();
    Reply::xml(
        "DescribeTargetHealth",
        &format!("<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"),
    )
}

fn at(resource: &str) -> Component {
    Component::at(&format!("{FRONT}:{resource}")).unwrap()
}

fn count(wire: &Wire, action: &str) -> usize {
    wire.calls().iter().filter(|call| call.action == action).count()
}

/// One load balancer with its two listeners, and these requests.
fn web(call: &Call, metrics: &[Option<f64>]) -> Reply {
    match call.action.as_str() {
        "DescribeLoadBalancers" => balancers(&balancer("web", "active", "application")),
        "DescribeListeners" => listeners(&(http("web", "HTTPS") + &https("web"))),
        "GetMetricData" => Reply::metrics(metrics),
        other => panic!("not expected: {other}"),
    }
}

#[tokio::test]
async fn a_load_balancer_is_checked_with_its_listeners_and_its_requests() {
    let cases = [
        ([Some(1000.0), None, None, Some(0.2)], Health::Healthy, "it is active"),
        ([Some(1000.0), Some(20.0), Some(10.0), Some(0.2)], Health::Degraded, "3.0 % of its requests fail"),
        ([Some(1000.0), None, None, Some(6.0)], Health::Failed, "takes about 6.0 s"),
        ([None, None, None, None], Health::Healthy, "it is active"),
    ];
    for (metrics, health, reason) in cases {
        let wire = Wire::new(move |call| web(call, &metrics));
        let ask = wire.ask();
        check_load_balancers(&ask, &[at("loadbalancer/app/web/50dc")]).await;
        let verdict = ask.verdict(Kind::LoadBalancer, "web").unwrap();
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        assert_eq!(wire.calls().len(), 3);
        let said = ask.said();
        assert_eq!(
            said["load-balancer:web"].needs,
            BTreeSet::from(["listener:app/web/50dc/f443".to_owned(), "listener:app/web/50dc/f80".to_owned()])
        );
        let secure = &said["listener:app/web/50dc/f443"];
        assert_eq!(secure.verdict.health, Health::Healthy, "{secure:?}");
        assert_eq!(secure.needs, BTreeSet::from(["certificate:c1".to_owned()]));
        assert_eq!(said["listener:app/web/50dc/f80"].verdict.health, Health::Healthy);
        let more: BTreeSet<String> = ask.take_more().iter().map(Component::id).collect();
        for id in ["target-group:web", "target-group:web-green", "waf:web", "certificate:c1"] {
            assert!(more.contains(id), "{id} in {more:?}");
        }
        assert!(!more.contains("target-group:web-idle"), "{more:?}");
    }
}

#[tokio::test]
async fn listeners_that_were_checked_with_their_load_balancer_are_not_asked_for_again() {
    let wire = Wire::new(|call| web(call, &[None; 4]));
    let ask = wire.ask();
    check_load_balancers(&ask, &[at("loadbalancer/app/web/50dc")]).await;
    check_listeners(&ask, &[at("listener/app/web/50dc/f80")]).await;
    assert_eq!(wire.calls().len(), 3);
}

#[tokio::test]
async fn twenty_load_balancers_are_asked_for_at_once() {
    let wire = Wire::new(|call| match call.action.as_str() {
        "DescribeLoadBalancers" => {
            let names = (0..25).map(|n| format!("nlb{n}"));
            let asked = names.filter(|name| call.body.contains(&format!("%2F{name}%2F")));
            balancers(&asked.map(|name| balancer(&name, "active", "network")).collect::<String>())
        }
        _ => listeners("<member><Protocol>TCP</Protocol></member>"),
    });
    let ask = wire.ask();
    let all: Vec<Component> = (0..25).map(|n| at(&format!("loadbalancer/net/nlb{n}/50dc"))).collect();
    check_load_balancers(&ask, &all).await;
    assert_eq!(count(&wire, "DescribeLoadBalancers"), 2);
    assert_eq!(count(&wire, "GetMetricData"), 0, "network load balancers have no requests");
    assert_eq!(ask.said().values().filter(|it| it.verdict.health == Health::Healthy).count(), 25);
    assert!(ask.take_more().iter().all(|it| it.kind != Kind::WebAcl));
}

#[tokio::test]
async fn one_that_is_gone_does_not_hide_the_others() {
    let wire = Wire::new(|call| match call.action.as_str() {
        "DescribeLoadBalancers" if call.body.contains("old") => Reply::xml_error(400, "LoadBalancerNotFound"),
        _ => web(call, &[None; 4]),
    });
    let ask = wire.ask();
    check_load_balancers(&ask, &[at("loadbalancer/app/old/50dc"), at("loadbalancer/app/web/50dc")]).await;
    assert_eq!(ask.verdict(Kind::LoadBalancer, "web").unwrap().health, Health::Healthy);
    let gone = ask.verdict(Kind::LoadBalancer, "old").unwrap();
    assert_eq!((gone.health, gone.reason.as_str()), (Health::Failed, "it does not exist any more"));
}

#[tokio::test]
async fn what_could_not_be_asked_for_is_unknown_and_only_that() {
    let cases = [
        ("DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers is denied"),
        ("DescribeListeners", "its listeners could not be checked"),
        ("GetMetricData", "its requests could not be checked"),
    ];
    for (refused, reason) in cases {
        let wire = Wire::new(move |call| match call.action.as_str() {
            "GetMetricData" if refused == "GetMetricData" => Reply::error(400, "AccessDeniedException"),
            action if action == refused => Reply::xml_error(403, "AccessDenied"),
            _ => web(call, &[None; 4]),
        });
        let ask = wire.ask();
        check_load_balancers(&ask, &[at("loadbalancer/app/web/50dc")]).await;
        let verdict = ask.verdict(Kind::LoadBalancer, "web").unwrap();
        assert_eq!(verdict.health, Health::Unknown, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        assert!(refused == "GetMetricData" || verdict.todo[0].starts_with("Allow "), "{verdict:?}");
        let listener = ask.verdict(Kind::Listener, "app/web/50dc/f443");
        assert_eq!(listener.is_some(), refused == "GetMetricData");
    }
}

#[tokio::test]
async fn a_later_page_that_is_throttled_leaves_unknown_what_it_was_about() {
    let wire = Wire::new(|call| match call.action.as_str() {
        "DescribeLoadBalancers" if call.body.contains("Marker=2") => Reply::xml_error(400, "Throttling"),
        "DescribeLoadBalancers" => Reply::xml(
            "DescribeLoadBalancers",
            &format!(
                "<LoadBalancers>{}</LoadBalancers><NextMarker>2</NextMarker>",
                balancer("web", "active", "application")
            ),
        ),
        _ => web(call, &[None; 4]),
    });
    let ask = wire.ask();
    check_load_balancers(&ask, &[at("loadbalancer/app/web/50dc"), at("loadbalancer/app/shop/50dc")]).await;
    assert_eq!(ask.verdict(Kind::LoadBalancer, "web").unwrap().health, Health::Healthy);
    let other = ask.verdict(Kind::LoadBalancer, "shop").unwrap();
    assert_eq!(other.health, Health::Unknown);
    assert!(other.reason.contains("Throttling"), "{other:?}");
}

#[tokio::test]
async fn an_api_that_answers_the_same_page_again_is_left() {
    let wire =
        Wire::new(|_| Reply::xml("DescribeLoadBalancers", "<LoadBalancers/><NextMarker>2</NextMarker>"));
    let ask = wire.ask();
    check_load_balancers(&ask, &[at("loadbalancer/app/web/50dc")]).await;
    assert_eq!(ask.verdict(Kind::LoadBalancer, "web").unwrap().health, Health::Unknown);
    assert_eq!(wire.calls().len(), 2);
}

#[tokio::test]
async fn listeners_alone_are_checked_by_their_load_balancer() {
    let wire = Wire::new(|call| match call.action.as_str() {
        "DescribeListeners" => listeners(&(http("web", "#{protocol}") + &https("web"))),
        _ => web(call, &[None; 4]),
    });
    let ask = wire.ask();
    let all =
        ["app/web/50dc/f80", "app/web/50dc/f443", "app/web/50dc/f1"].map(|it| at(&format!("listener/{it}")));
    let nameless = Component::new(Kind::Listener, "nameless");
    check_listeners(&ask, &[all.as_slice(), &[nameless]].concat()).await;
    let health = |name: &str| ask.verdict(Kind::Listener, name).unwrap().health;
    assert_eq!(health("app/web/50dc/f80"), Health::Degraded);
    assert_eq!(health("app/web/50dc/f443"), Health::Healthy);
    assert_eq!(health("app/web/50dc/f1"), Health::Failed);
    assert_eq!(health("nameless"), Health::Unknown);
    assert_eq!(wire.calls().len(), 2);
}

#[tokio::test]
async fn listeners_of_a_load_balancer_that_is_gone_or_not_told_are_gone_or_unknown() {
    let cases = [
        ("DescribeLoadBalancers", "LoadBalancerNotFound", Health::Failed),
        ("DescribeLoadBalancers", "AccessDenied", Health::Unknown),
        ("DescribeListeners", "AccessDenied", Health::Unknown),
    ];
    for (refused, code, health) in cases {
        let wire = Wire::new(move |call| {
            if call.action == refused { Reply::xml_error(400, code) } else { web(call, &[None; 4]) }
        });
        let ask = wire.ask();
        check_listeners(&ask, &[at("listener/app/web/50dc/f80")]).await;
        let verdict = ask.verdict(Kind::Listener, "app/web/50dc/f80").unwrap();
        assert_eq!(verdict.health, health, "{refused} {code}: {verdict:?}");
    }
}

#[tokio::test]
async fn target_groups_are_what_their_targets_are_and_stand_on_their_load_balancers() {
    let balancer = format!("<member>{FRONT}:loadbalancer/app/web/50dc</member>");
    let late = ("unhealthy", "Target.Timeout");
    let denied = || Reply::xml_error(403, "AccessDenied");
    let cases = [
        (balancer.as_str(), targets(&[("healthy", "")]), Health::Healthy, "1 of 1 targets is healthy"),
        (&balancer, targets(&[("healthy", ""), late]), Health::Degraded, "1 of 2 targets is healthy"),
        (&balancer, targets(&[late]), Health::Failed, "the load balancer fails open"),
        (&balancer, targets(&[]), Health::Degraded, "it has no targets"),
        (&balancer, targets(&[("unused", "Target.NotInUse")]), Health::NotApplicable, "in use"),
        (
            &balancer,
            targets(&[("unavailable", "Target.HealthCheckDisabled")]),
            Health::NotApplicable,
            "is not checked",
        ),
        (&balancer, targets(&[("sleepy", "")]), Health::Unknown, "not known here: sleepy"),
        ("", targets(&[late]), Health::NotApplicable, "no load balancer uses it"),
        (&balancer, denied(), Health::Unknown, "elasticloadbalancing:DescribeTargetHealth is denied"),
        (&balancer, Reply::xml_error(400, "TargetGroupNotFound"), Health::Failed, "does not exist any more"),
        (&balancer, Reply::xml("DescribeTargetHealth", ""), Health::Unknown, "does not say what there is"),
    ];
    for (attached, health_of, health, reason) in cases {
        let described = groups(&group("web", attached));
        let wire = Wire::new(move |call| match call.action.as_str() {
            "DescribeTargetGroups" => described.clone(),
            _ => health_of.clone(),
        });
        let ask = wire.ask();
        check_targets(&ask, &[at("targetgroup/web/943f")]).await;
        let verdict = ask.verdict(Kind::Targets, "web").unwrap();
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        if health == Health::Healthy {
            assert!(ask.said()["target-group:web"].needs.contains("load-balancer:web"));
        }
    }
}

#[tokio::test]
async fn target_groups_are_asked_for_by_name_where_no_arn_is_known() {
    let wire = Wire::new(|call| match call.action.as_str() {
        "DescribeTargetGroups" if call.body.contains("Names.member.1=shop") => groups(&group("shop", "")),
        "DescribeTargetGroups" => Reply::xml_error(403, "AccessDenied"),
        _ => targets(&[]),
    });
    let ask = wire.ask();
    check_targets(&ask, &[at("targetgroup/web/943f"), Component::new(Kind::Targets, "shop")]).await;
    assert_eq!(ask.verdict(Kind::Targets, "shop").unwrap().health, Health::NotApplicable);
    let verdict = ask.verdict(Kind::Targets, "web").unwrap();
    assert!(verdict.reason.contains("elasticloadbalancing:DescribeTargetGroups is denied"), "{verdict:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_answer_is_never_healthy(word in "[a-z_.]{0,12}", cut in 0usize..10_000) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let balancer_xml = balancer("web", &format!("{word}x"), "application");
        let whole = balancer("web", "active", "application");
        let cut = whole[..cut % whole.find("tive</Code>").unwrap()].to_owned();
        for members in [balancer_xml, cut, whole.replace("State>", "Fate>"), whole.replace("Code>", "Mode>")] {
            let wire = Wire::new(move |call| match call.action.as_str() {
                "DescribeLoadBalancers" => balancers(&members),
                _ => web(call, &[None; 4]),
            });
            let ask = wire.ask();
            runtime.block_on(check_load_balancers(&ask, &[at("loadbalancer/app/web/50dc")]));
            let verdict = ask.verdict(Kind::LoadBalancer, "web").unwrap();
            prop_assert!(verdict.health != Health::Healthy, "{verdict:?}");
        }
        let attached = format!("<member>{FRONT}:loadbalancer/app/web/50dc</member>");
        for state in [format!("{word}x"), String::new()] {
            let (described, health_of) = (groups(&group("web", &attached)), targets(&[("healthy", ""), (&state, "")]));
            let wire = Wire::new(move |call| match call.action.as_str() {
                "DescribeTargetGroups" => described.clone(),
                _ => health_of.clone(),
            });
            let ask = wire.ask();
            runtime.block_on(check_targets(&ask, &[at("targetgroup/web/943f")]));
            let verdict = ask.verdict(Kind::Targets, "web").unwrap();
            prop_assert!(verdict.health != Health::Healthy, "{state}: {verdict:?}");
        }
    }
}
