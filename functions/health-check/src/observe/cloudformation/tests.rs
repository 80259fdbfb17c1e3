use proptest::prelude::*;

use super::{MOST_PAGES, check, discover};
use crate::component::{Component, Kind};
use crate::decision::{Health, Verdict};
use crate::observe::s3::tests::mangled;
use crate::wire::{Call, Reply, Wire};

const ARN: &str = "arn:aws:cloudformation:eu-central-1:1:stack/web/0a1b";

fn stack(status: &str, more: &str) -> String {
    format!(
        "<Stacks><member><StackId>{ARN}</StackId><StackName>web</StackName>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{status}</StackStatus>\
         <EnableTerminationProtection>true</EnableTerminationProtection>\
         <DriftInformation><StackDriftStatus>DRIFTED</StackDriftStatus></DriftInformation>{more}\
         </member></Stacks>"
    )
}

fn event(resource: &str, status: &str, reason: &str) -> String {
    let id = if resource == "web" { ARN } else { "physical" };
    format!(
        "<member><StackId>{ARN}</StackId><EventId>e</EventId><StackName>web</StackName>\
         <LogicalResourceId>{resource}</LogicalResourceId><PhysicalResourceId>{id}</PhysicalResourceId>\
         <ResourceType>AWS::ECS::Service</ResourceType><Timestamp>2026-11-26T11:00:00Z</Timestamp>\
         <ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>"
    )
}

fn events(of: &[(&str, &str, &str)], next: &str) -> Reply {
    let events: String =
        of.iter().map(|(resource, status, reason)| event(resource, status, reason)).collect();
    let next = if next.is_empty() { String::new() } else { format!("<NextToken>{next}</NextToken>") };
    Reply::xml("DescribeStackEvents", &format!("<StackEvents>{events}</StackEvents>{next}"))
}

/// What CloudFormation answers of a stack that it does not know.
fn absent() -> Reply {
    Reply::xml_error(
        400,
        "ValidationError</Code><Message>Stack with id web does not exist</Message></Error></ErrorResponse>",
    )
}

async fn checked(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (Verdict, Vec<String>) {
    let wire = Wire::new(answer);
    let ask = wire.ask();
    check(&ask, &[Component::at(ARN).unwrap()]).await;
    let calls = wire.calls().into_iter().map(|call| call.action).collect();
    (ask.verdict(Kind::Stack, "web").unwrap(), calls)
}

#[tokio::test]
async fn a_stack_is_read_as_cloudformation_answers_and_its_events_only_where_it_is_bad() {
    let recent = "<LastUpdatedTime>2026-11-26T11:45:00Z</LastUpdatedTime>";
    let old = "<LastUpdatedTime>2026-11-26T11:00:00Z</LastUpdatedTime>";
    let invalid = "<DetailedStatus>VALIDATION_FAILED</DetailedStatus>";
    let cases = [
        ("UPDATE_COMPLETE", "", Health::Healthy, "it is stable", 1),
        ("UPDATE_IN_PROGRESS", recent, Health::Healthy, "it is changing", 1),
        ("UPDATE_IN_PROGRESS", old, Health::Failed, "it is stuck: UPDATE_IN_PROGRESS since", 2),
        ("UPDATE_ROLLBACK_COMPLETE", "", Health::Degraded, "was rolled back", 2),
        ("UPDATE_ROLLBACK_FAILED", "", Health::Failed, "its rollback has failed", 2),
        ("UPDATE_COMPLETE", invalid, Health::Degraded, "did not pass validation", 2),
        ("ASLEEP", "", Health::Unknown, "ASLEEP", 1),
        ("", "", Health::Unknown, "does not say what state", 1),
    ];
    for (status, more, health, reason, calls) in cases {
        let described = Reply::xml("DescribeStacks", &stack(status, more));
        let (verdict, asked) = checked(move |call| match call.action.as_str() {
            "DescribeStacks" => described.clone(),
            _ => events(
                &[
                    ("Web", "UPDATE_FAILED", "Circuit breaker"),
                    ("web", "UPDATE_IN_PROGRESS", "User Initiated"),
                ],
                "older",
            ),
        })
        .await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
        assert_eq!(asked.len(), calls, "{asked:?}");
        let told =
            |name: &str| verdict.evidence.iter().find(|it| it.name == name).map(|it| it.value.as_str());
        assert_eq!(told("Drift"), Some("DRIFTED"));
        let trouble = told("Web (AWS::ECS::Service)");
        assert_eq!(trouble, (calls == 2).then_some("UPDATE_FAILED: Circuit breaker"));
    }
}

#[tokio::test]
async fn what_is_not_there_was_deleted_or_cannot_be_asked_is_told_apart() {
    let cases = [
        (absent(), Health::Failed, "it does not exist"),
        (Reply::xml("DescribeStacks", &stack("DELETE_COMPLETE", "")), Health::Failed, "it was deleted"),
        (Reply::xml("DescribeStacks", ""), Health::Unknown, "does not say what state"),
        (Reply::xml_error(400, "ValidationError"), Health::Unknown, "ValidationError"),
        (Reply::xml_error(403, "AccessDenied"), Health::Unknown, "cloudformation:DescribeStacks is denied"),
        (Reply::xml_error(400, "Throttling"), Health::Unknown, "Throttling"),
    ];
    for (reply, health, reason) in cases {
        let (verdict, _) = checked(move |_| reply.clone()).await;
        assert_eq!(verdict.health, health, "{verdict:?}");
        assert!(verdict.reason.contains(reason), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_failed_state_stays_failed_where_the_events_are_denied_and_pages_that_were_read_count() {
    let failed = || Reply::xml("DescribeStacks", &stack("UPDATE_ROLLBACK_FAILED", ""));
    let (verdict, _) = checked(move |call| match call.action.as_str() {
        "DescribeStacks" => failed(),
        _ => Reply::xml_error(403, "AccessDenied"),
    })
    .await;
    assert_eq!(verdict.health, Health::Failed);
    assert!(verdict.reason.contains("cloudformation:DescribeStackEvents is denied"), "{verdict:?}");

    let (verdict, _) = checked(move |call| match (call.action.as_str(), call.body.contains("NextToken")) {
        ("DescribeStacks", _) => failed(),
        (_, false) => events(&[("Web", "UPDATE_FAILED", "why")], "older"),
        (_, true) => Reply::xml_error(400, "Throttling"),
    })
    .await;
    assert!(verdict.evidence.iter().any(|it| it.value == "UPDATE_FAILED: why"), "{verdict:?}");
    assert!(!verdict.reason.contains("could not"), "{verdict:?}");

    let (_, asked) = checked(move |call| match call.action.as_str() {
        "DescribeStacks" => failed(),
        _ => events(&[("Web", "UPDATE_COMPLETE", "")], "older"),
    })
    .await;
    assert_eq!(asked.len(), 1 + MOST_PAGES, "however long the change is");
}

fn page(names: &[&str], next: &str) -> Reply {
    let stacks: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                "<member><StackId>arn:aws:cloudformation:eu-central-1:1:stack/{name}/0a</StackId>\
                 <StackName>{name}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
                 <StackStatus>UPDATE_COMPLETE</StackStatus></member>"
            )
        })
        .collect();
    let next = if next.is_empty() { String::new() } else { format!("<NextToken>{next}</NextToken>") };
    let stacks = stacks.concat();
    Reply::xml("ListStacks", &format!("<StackSummaries>{stacks}</StackSummaries>{next}"))
}

#[tokio::test]
async fn stacks_that_the_policy_names_are_found_and_those_with_a_star_looked_for_on_all_pages() {
    let mut wire = Wire::new(|call| {
        let first = !call.body.contains("NextToken");
        if first { page(&["prod-web", "dev-web"], "more") } else { page(&["prod-db", "shop"], "") }
    });
    wire.rules.stacks = vec!["shop".to_owned()];
    let found = discover(&wire.ask()).await.unwrap();
    assert_eq!(found, [Component::new(Kind::Stack, "shop")]);
    assert!(wire.calls().is_empty(), "a name needs no call");

    wire.rules.stacks = vec!["shop".to_owned(), "prod-*".to_owned(), "sh*".to_owned()];
    let found: Vec<_> = discover(&wire.ask()).await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(found, ["shop", "prod-web", "prod-db"]);
    assert!(wire.calls().iter().all(|call| !call.body.contains("DELETE_COMPLETE")));
}

#[tokio::test]
async fn stacks_that_were_found_before_a_page_failed_are_checked_all_the_same() {
    let mut wire = Wire::new(|call| {
        let first = !call.body.contains("NextToken");
        if first { page(&["prod-web"], "more") } else { Reply::xml_error(403, "AccessDenied") }
    });
    wire.rules.stacks = vec!["prod-*".to_owned()];
    let ask = wire.ask();
    let error = discover(&ask).await.unwrap_err();
    assert!(error.chain().contains("cloudformation:ListStacks is denied"), "{error:?}");
    let more: Vec<_> = ask.take_more().iter().map(Component::id).collect();
    assert_eq!(more, ["stack:prod-web"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_answer_never_makes_a_stack_healthy(
        at in 0usize..400, long in 0usize..80, by in "[a-zA-Z</>]{0,3}"
    ) {
        let good = format!(
            "<DescribeStacksResponse><DescribeStacksResult>{}</DescribeStacksResult></DescribeStacksResponse>",
            stack("UPDATE_COMPLETE", "")
        );
        let body = mangled(&good, at, long, &by);
        let stable = body.contains(">UPDATE_COMPLETE<");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (verdict, _) = runtime.block_on(checked(move |_| Reply::ok(&body)));
        prop_assert!(stable || verdict.health != Health::Healthy, "{:?}", verdict);
    }
}
