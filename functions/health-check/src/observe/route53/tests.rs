use std::collections::BTreeSet;
use std::io;

use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use tokio::runtime;

use super::{AT_ONCE, Leads, check_health_checks, check_zones, one_zone, resolve, why};
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::sweep::Ask;
use crate::wire::{Call, Reply, Wire};

const ZONE: &str = "arn:aws:route53:::hostedzone/Z1";

fn zone(private: bool) -> Reply {
    Reply::ok(format!(
        r#"<?xml version="1.0"?><GetHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
        <HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>r</CallerReference>
        <Config><PrivateZone>{private}</PrivateZone></Config><ResourceRecordSetCount>9</ResourceRecordSetCount>
        </HostedZone></GetHostedZoneResponse>"#
    ))
}

fn record(name: &str, sort: &str, value: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>{sort}</Type><TTL>300</TTL><ResourceRecords><ResourceRecord>\
         <Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn alias(name: &str, target: &str, check: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>A</Type><AliasTarget><HostedZoneId>Z215</HostedZoneId>\
         <DNSName>{target}</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>\
         <HealthCheckId>{check}</HealthCheckId></ResourceRecordSet>"
    )
}

fn apex() -> String {
    record("example.com.", "NS", "ns-1.awsdns-00.com.")
        + &record("example.com.", "SOA", "ns-1.awsdns-00.com. a 1")
}

fn records(records: &str, next: Option<&str>) -> Reply {
    let next_name =
        next.map(|name| format!("<NextRecordName>{name}</NextRecordName><NextRecordType>A</NextRecordType>"));
    Reply::ok(format!(
        r#"<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
        <ResourceRecordSets>{records}</ResourceRecordSets><IsTruncated>{}</IsTruncated>{}<MaxItems>300</MaxItems>
        </ListResourceRecordSetsResponse>"#,
        next.is_some(),
        next_name.unwrap_or_default()
    ))
}

fn asks_for_records(call: &Call) -> bool {
    call.action == "GET /2013-04-01/hostedzone/Z1/rrset"
}

/// Where names lead in these tests.
async fn leads(host: String) -> Leads {
    assert!(host.ends_with('.'), "no search domain is tried: {host}");
    match host {
        host if host.starts_with("gone") => Leads::Nowhere,
        host if host.starts_with("dark") => Leads::Unclear("no answer".to_owned()),
        _ => Leads::Somewhere,
    }
}

async fn verdict(ask: &Ask<'_>) -> Verdict {
    one_zone(ask, &Component::at(ZONE).unwrap(), &leads).await;
    ask.verdict(Kind::Records, "Z1").unwrap()
}

#[tokio::test]
async fn the_records_of_a_zone_are_read_to_the_end_and_followed() {
    let wire = Wire::new(|call| match call {
        call if !asks_for_records(call) => zone(false),
        call if call.query.contains("name=m.example.com") => records(
            &[
                record("old.example.com.", "CNAME", "Gone.example.net"),
                record("docs.example.com.", "CNAME", "www.example.com"),
                record("_x.example.com.", "CNAME", "gone.acm-validations.aws."),
                record("mail.example.com.", "CNAME", "gone._domainkey.example.net."),
                record("note.example.com.", "TXT", "\"gone.example.net\""),
            ]
            .concat(),
            None,
        ),
        _ => records(
            &(apex() + &alias("www.example.com.", "dualstack.web-1.elb.amazonaws.com.", "h1")),
            Some("m.example.com."),
        ),
    });
    let ask = wire.ask();
    let verdict = verdict(&ask).await;
    assert_eq!(verdict.health, Health::Degraded, "{verdict:?}");
    assert_eq!(verdict.reason, "1 record leads nowhere: old.example.com. → gone.example.net");
    assert_eq!(wire.calls().len(), 3);
    let needs = ask.said()["route53-zone:Z1"].needs.clone();
    assert_eq!(needs, BTreeSet::from(["route53-health-check:h1".to_owned()]));
    assert_eq!(ask.take_more().len(), 1);
}

#[tokio::test]
async fn a_zone_is_what_its_answers_say() {
    let gone = || record("old.example.com.", "CNAME", "gone.example.net");
    let dark = || record("far.example.com.", "CNAME", "dark.example.net");
    let denied = || Reply::xml_error(403, "AccessDenied");
    let cases = [
        (zone(false), records(&apex(), None), Health::Healthy, "it is there"),
        // Private names are not known here.
        (zone(true), records(&(apex() + &gone()), None), Health::Healthy, "it is there"),
        (zone(false), records(&(apex() + &dark()), None), Health::Unknown, "dark.example.net: no answer"),
        (zone(false), records("", None), Health::Unknown, "start of authority"),
        (zone(false), denied(), Health::Unknown, "route53:ListResourceRecordSets is denied"),
        (denied(), denied(), Health::Unknown, "route53:GetHostedZone is denied"),
        (Reply::xml_error(400, "Throttling"), denied(), Health::Unknown, "Throttling"),
        (Reply::xml_error(404, "NoSuchHostedZone"), denied(), Health::Failed, "it does not exist any more"),
    ];
    for (about, list, health, reason) in cases {
        let wire = Wire::new(move |call| if asks_for_records(call) { list.clone() } else { about.clone() });
        let verdict = verdict(&wire.ask()).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

#[tokio::test]
async fn records_that_were_read_before_a_page_failed_count() {
    let first = || {
        records(&(apex() + &record("old.example.com.", "CNAME", "gone.example.net")), Some("p.example.com."))
    };
    let rest = [
        (Reply::xml_error(400, "Throttling"), "Throttling"),
        // The same page again and again.
        (first(), "where to go on"),
    ];
    for (rest, reason) in rest {
        let wire = Wire::new(move |call| match call {
            call if !asks_for_records(call) => zone(false),
            call if call.query.contains("name=p") => rest.clone(),
            _ => first(),
        });
        let verdict = verdict(&wire.ask()).await;
        assert_eq!(verdict.health, Health::Degraded, "{verdict:?}");
        assert!(verdict.reason.starts_with("1 record leads nowhere"), "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        assert_eq!(wire.calls().len(), 3);
    }
}

#[tokio::test]
async fn no_more_than_fifty_targets_are_followed() {
    let many: String = (0..60)
        .map(|n| record(&format!("r{n}.example.com."), "CNAME", &format!("t{n}.example.net")))
        .collect();
    let list = records(&(apex() + &many), None);
    let wire = Wire::new(move |call| if asks_for_records(call) { list.clone() } else { zone(false) });
    let verdict = verdict(&wire.ask()).await;
    let left_out = verdict.evidence.iter().find(|fact| fact.name == "Not followed").unwrap();
    assert!(left_out.value.starts_with("10 records"), "{verdict:?}");
}

#[tokio::test]
async fn only_a_name_that_is_not_there_leads_nowhere() {
    assert_eq!(resolve("localhost").await, Leads::Somewhere);
    let cases = [
        ("Name or service not known", Leads::Nowhere),
        ("Name does not resolve", Leads::Nowhere),
        ("No address associated with hostname", Leads::Somewhere),
        (
            "Temporary failure in name resolution",
            Leads::Unclear(
                "failed to lookup address information: Temporary failure in name resolution".to_owned(),
            ),
        ),
    ];
    for (said, leads) in cases {
        let error = io::Error::other(format!("failed to lookup address information: {said}"));
        assert_eq!(why(&error), leads);
    }
}

fn check(config: &str) -> Reply {
    Reply::ok(format!(
        r#"<?xml version="1.0"?><GetHealthCheckResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
        <HealthCheck><Id>h1</Id><CallerReference>r</CallerReference><HealthCheckConfig>{config}</HealthCheckConfig>
        <HealthCheckVersion>1</HealthCheckVersion></HealthCheck></GetHealthCheckResponse>"#
    ))
}

fn observed(said: &[&str]) -> Reply {
    let observation = |said: &&str| {
        format!(
            "<HealthCheckObservation><Region>eu-west-1</Region><IPAddress>1.2.3.4</IPAddress><StatusReport>\
             <Status>{said}</Status><CheckedTime>2026-11-26T11:59:00Z</CheckedTime></StatusReport></HealthCheckObservation>"
        )
    };
    Reply::ok(format!(
        r#"<?xml version="1.0"?><GetHealthCheckStatusResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
        <HealthCheckObservations>{}</HealthCheckObservations></GetHealthCheckStatusResponse>"#,
        said.iter().map(observation).collect::<String>()
    ))
}

const HTTPS: &str =
    "<Type>HTTPS</Type><FullyQualifiedDomainName>www.example.com</FullyQualifiedDomainName><Port>443</Port>";
const UP: &str = "Success: HTTP Status Code 200, OK";
const DOWN: &str = "Failure: Connection timed out.";

fn checked(config: Reply, status: Reply) -> Wire {
    Wire::new(move |call| match call.action.as_str() {
        "GET /2013-04-01/healthcheck/h1" => config.clone(),
        "GET /2013-04-01/healthcheck/h1/status" => status.clone(),
        other => panic!("not expected: {other}"),
    })
}

#[tokio::test]
async fn a_health_check_is_read_as_route_53_answers() {
    let denied = || Reply::xml_error(403, "AccessDenied");
    let calculated = "<Type>CALCULATED</Type><HealthThreshold>1</HealthThreshold><ChildHealthChecks>\
        <ChildHealthCheck>h2</ChildHealthCheck><ChildHealthCheck>h3</ChildHealthCheck></ChildHealthChecks>";
    let alarm = "<Type>CLOUDWATCH_METRIC</Type><AlarmIdentifier><Region>eu-central-1</Region><Name>5xx</Name></AlarmIdentifier>";
    let cases: Vec<(Reply, Reply, Health, &str, Vec<&str>)> = vec![
        (check(HTTPS), observed(&[UP, UP, DOWN]), Health::Healthy, "enough of its checkers", vec![]),
        (check(HTTPS), observed(&[DOWN, DOWN, DOWN]), Health::Failed, "0 of 3 checkers reach it", vec![]),
        (check(HTTPS), observed(&[]), Health::Unknown, "say nothing yet", vec![]),
        (
            check(&format!("{HTTPS}<Inverted>true</Inverted>")),
            observed(&[UP]),
            Health::Failed,
            "it is inverted",
            vec![],
        ),
        (
            check(&format!("{HTTPS}<Disabled>true</Disabled>")),
            denied(),
            Health::Degraded,
            "it is disabled",
            vec![],
        ),
        (
            check(calculated),
            denied(),
            Health::NotApplicable,
            "it follows 2 other",
            vec!["route53-health-check:h2", "route53-health-check:h3"],
        ),
        (check(alarm), denied(), Health::NotApplicable, "it follows an alarm", vec!["alarm:5xx"]),
        (
            check(&alarm.replace("eu-central-1", "us-east-1")),
            denied(),
            Health::NotApplicable,
            "it follows an alarm",
            vec![],
        ),
        (check("<Type>GOPHER</Type>"), denied(), Health::Unknown, "not known here: GOPHER", vec![]),
        (check(HTTPS), denied(), Health::Unknown, "route53:GetHealthCheckStatus is denied", vec![]),
        (denied(), denied(), Health::Unknown, "route53:GetHealthCheck is denied", vec![]),
        (
            Reply::xml_error(404, "NoSuchHealthCheck"),
            denied(),
            Health::Failed,
            "it does not exist any more",
            vec![],
        ),
    ];
    for (config, status, health, reason, needs) in cases {
        let wire = checked(config, status);
        let ask = wire.ask();
        check_health_checks(&ask, &[Component::new(Kind::HealthCheck, "h1")]).await;
        let verdict = ask.verdict(Kind::HealthCheck, "h1").unwrap();
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        let said = ask.said();
        let needed: Vec<&str> = said["route53-health-check:h1"].needs.iter().map(String::as_str).collect();
        assert_eq!(needed, needs);
    }
}

#[tokio::test]
async fn what_may_be_secret_in_the_address_of_a_health_check_is_not_told() {
    for path in ["/health?token=s3cret", "/health#s3cret", "/health?#s3cret"] {
        let wire = checked(
            check(&format!("{HTTPS}<ResourcePath>{path}</ResourcePath>")),
            observed(&["Failure: https://www.example.com/health?token=s3cret answered nothing."]),
        );
        let ask = wire.ask();
        check_health_checks(&ask, &[Component::new(Kind::HealthCheck, "h1")]).await;
        let verdict = ask.verdict(Kind::HealthCheck, "h1").unwrap();
        let endpoint = verdict.evidence.iter().find(|fact| fact.name == "Endpoint").unwrap();
        assert_eq!(endpoint.value, "www.example.com:443/health");
        assert!(!format!("{verdict:?}").contains("s3cret"), "{verdict:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mangled_answer_is_never_healthy(word in "[A-Za-z ]{0,10}", cut in 0usize..1000) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cases = [
            (format!("<Type>{word}x</Type>"), observed(&[UP, UP])),
            (HTTPS.to_owned(), observed(&[&format!("x{word}"), &word.replace("Success", "")])),
        ];
        let healthy = |config: Reply, status: Reply| runtime.block_on(async {
            let wire = checked(config, status);
            let ask = wire.ask();
            check_health_checks(&ask, &[Component::new(Kind::HealthCheck, "h1")]).await;
            ask.verdict(Kind::HealthCheck, "h1").unwrap().health == Health::Healthy
        });
        for (config, status) in cases {
            prop_assert!(!healthy(check(&config), status));
        }
        prop_assert!(!healthy(check(&HTTPS[..cut % "<Type>HTTP".len()]), observed(&[UP])));
    }
}

#[tokio::test(start_paused = true)]
async fn a_zone_is_done_before_each_of_many_was_asked_for() {
    let wire = Wire::new(|call| if asks_for_records(call) { records(&apex(), None) } else { zone(true) });
    let ask = wire.ask();
    let zones: Vec<Component> =
        (0..20).map(|it| Component::at(&format!("arn:aws:route53:::hostedzone/Z{it}")).unwrap()).collect();
    check_zones(&ask, &zones).await;
    assert_eq!(ask.said().len(), 20);
    let first = wire.calls().iter().position(asks_for_records).unwrap();
    assert!(first <= AT_ONCE, "records were asked for after {first} zones");
}
