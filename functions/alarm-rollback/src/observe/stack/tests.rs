//! What CloudFormation answers, and what is made of it.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_stack_events::DescribeStackEventsOutput;
use aws_sdk_cloudformation::operation::describe_stacks::{DescribeStacksError, DescribeStacksOutput};
use aws_sdk_cloudformation::operation::list_stack_resources::ListStackResourcesOutput;
use aws_sdk_cloudformation::operation::list_stacks::ListStacksOutput;
use aws_sdk_cloudformation::types::{ResourceStatus, Stack as Described, Tag};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use aws_smithy_types::error::ErrorMetadata;
use shared::ledger::Ledger;

use super::*;

const ID: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing/1";
const STORAGE: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/billing-Storage-Z2VK/2";

/// Clients of which only CloudFormation's answers.
pub(crate) fn clients(cloudformation: Client) -> Clients {
    Clients {
        cloudwatch: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, &[]),
        ecs: mock_client!(aws_sdk_ecs, RuleMode::MatchAny, &[]),
        ecr: mock_client!(aws_sdk_ecr, RuleMode::MatchAny, &[]),
        secretsmanager: mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, &[]),
        ssm: mock_client!(aws_sdk_ssm, RuleMode::MatchAny, &[]),
        codedeploy: mock_client!(aws_sdk_codedeploy, RuleMode::MatchAny, &[]),
        lambda: mock_client!(aws_sdk_lambda, RuleMode::MatchAny, &[]),
        cloudformation,
        sqs: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, &[]),
        sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, &[]),
        ledger: Ledger::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, &[]), "ledger"),
    }
}

fn answering(rules: &[&Rule]) -> Clients {
    clients(mock_client!(aws_sdk_cloudformation, RuleMode::MatchAny, rules, |config| config
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())))
}

fn at(seconds: i64) -> DateTime {
    DateTime::from_secs(seconds)
}

fn root() -> Described {
    Described::builder()
        .stack_id(ID)
        .stack_name("billing")
        .stack_status(StackStatus::UpdateRollbackFailed)
        .role_arn("arn:aws:iam::123456789012:role/deploy")
        .creation_time(at(10))
        .last_updated_time(at(100))
        .tags(Tag::builder().key("watchkeeper:environment").value("prod").build())
        .build()
}

fn found(name: &'static str, stack: Described) -> Rule {
    mock!(Client::describe_stacks)
        .match_requests(move |request| request.stack_name() == Some(name))
        .then_output(move || DescribeStacksOutput::builder().stacks(stack.clone()).build())
}

fn event(seconds: i64, resource: &str, physical: &str, status: ResourceStatus) -> StackEvent {
    StackEvent::builder()
        .stack_id(ID)
        .logical_resource_id(resource)
        .physical_resource_id(physical)
        .timestamp(at(seconds))
        .resource_type(if physical == ID { "AWS::CloudFormation::Stack" } else { "AWS::ECS::Service" })
        .resource_status(status)
        .resource_status_reason("r".repeat(1000))
        .client_request_token("token")
        .build()
}

/// Pages of events, and a token after each.
fn paged(pages: Vec<Vec<StackEvent>>, ends: bool) -> Rule {
    let count = pages.len();
    let mut rule = mock!(Client::describe_stack_events).sequence();
    for (index, page) in pages.into_iter().enumerate() {
        rule = rule.output(move || {
            let more = !ends || index + 1 < count;
            let page = DescribeStackEventsOutput::builder().set_stack_events(Some(page.clone()));
            page.set_next_token(more.then(|| format!("page-{index}"))).build()
        });
    }
    rule.build()
}

#[tokio::test]
async fn a_stack_is_read_with_its_role_its_tags_and_its_newest_events() {
    let events = vec![
        event(300, "billing", ID, ResourceStatus::UpdateFailed),
        event(200, "Web", "web", ResourceStatus::UpdateInProgress),
        event(150, "Web", "web", ResourceStatus::UpdateFailed),
        event(140, "Api", "api", ResourceStatus::UpdateComplete),
    ];
    let (found, events) = (found("billing", root()), paged(vec![events], false));
    let scene = scene(&answering(&[&found, &events]), "billing").await.unwrap();

    let stack = scene.stack.unwrap();
    assert_eq!((stack.id.as_str(), stack.name.as_str()), (ID, "billing"));
    assert_eq!(stack.status, "UPDATE_ROLLBACK_FAILED");
    assert_eq!(stack.role.as_deref(), Some("arn:aws:iam::123456789012:role/deploy"));
    assert_eq!(stack.updated_at.unwrap().as_second(), 100);
    assert_eq!(stack.tags["watchkeeper:environment"], "prod");
    assert_eq!(scene.root, None);
    assert_eq!(scene.kinds, BTreeMap::from([("Web".to_owned(), "AWS::ECS::Service".to_owned())]));
    assert_eq!(scene.events.reach, Reach::Newest);
    let kept: Vec<_> =
        scene.events.telling.iter().map(|event| (event.own, event.resource.as_str())).collect();
    assert_eq!(kept, [(true, "billing"), (false, "Web")], "progress of resources tells nothing");
    assert_eq!(scene.events.telling[0].token.as_deref(), Some("token"));
    assert_eq!(scene.events.telling[0].reason.as_ref().unwrap().len(), LONGEST_REASON);
}

#[tokio::test]
async fn of_a_nested_stack_the_root_is_named() {
    let nested = Described::builder()
        .stack_id(STORAGE)
        .stack_name("billing-Storage-Z2VK")
        .stack_status(StackStatus::UpdateRollbackFailed)
        .creation_time(at(10))
        .parent_id("arn:aws:cloudformation:eu-west-1:123456789012:stack/billing-Data-A1/3")
        .root_id(ID)
        .build();
    let nested = found("billing-Storage-Z2VK", nested);
    let events = mock!(Client::describe_stack_events)
        .match_requests(|request| request.stack_name() == Some(STORAGE))
        .then_output(|| DescribeStackEventsOutput::builder().build());
    let scene = scene(&answering(&[&nested, &events]), "billing-Storage-Z2VK").await.unwrap();

    assert_eq!(scene.root.as_deref(), Some("billing"));
    assert_eq!(scene.stack.unwrap().name, "billing-Storage-Z2VK");
    assert_eq!(scene.events.reach, Reach::End);
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_an_answer_and_a_denial_is_an_error() {
    let refused = |code: &'static str, message: &'static str| {
        mock!(Client::describe_stacks).then_error(move || {
            DescribeStacksError::generic(ErrorMetadata::builder().code(code).message(message).build())
        })
    };
    let missing = refused("ValidationError", "Stack with id billing does not exist");
    assert_eq!(scene(&answering(&[&missing]), "billing").await.unwrap(), Scene::default());

    for (code, message) in [("AccessDenied", "no"), ("ValidationError", "1 validation error detected")] {
        let error = scene(&answering(&[&refused(code, message)]), "billing").await.unwrap_err();
        assert!(error.chain().contains("cloudformation:DescribeStacks"), "{error:?}");
    }
}

#[tokio::test]
async fn events_are_read_to_what_is_looked_for_and_not_without_end() {
    let own = |seconds, status| event(seconds, "billing", ID, status);
    let of = |resource: &str| event(1, resource, "x", ResourceStatus::CreateComplete);
    let start = Scene { stack: Some(Stack { id: ID.to_owned(), ..Stack::default() }), ..Scene::default() };
    let pages = vec![
        vec![own(9, ResourceStatus::UpdateFailed)],
        vec![own(8, ResourceStatus::UpdateInProgress), of("Web")],
        vec![own(7, ResourceStatus::UpdateComplete)],
    ];

    for (question, calls) in [(Question::Update, 2), (Question::Stable, 3)] {
        let rule = paged(pages.clone(), false);
        let mut scene = start.clone();
        answer(&answering(&[&rule]), &mut scene, question).await.unwrap();
        assert_eq!((scene.events.reach, rule.num_calls()), (Reach::Found, calls));
    }

    let never = vec![vec![of("Web")]; PAGES];
    let (endless, whole) = (paged(never.clone(), false), paged(never, true));
    for (rule, reach) in [(endless, Reach::Limit), (whole, Reach::End)] {
        let mut scene = start.clone();
        answer(&answering(&[&rule]), &mut scene, Question::Stable).await.unwrap();
        assert_eq!((scene.events.reach, rule.num_calls()), (reach, PAGES));
    }
}

#[tokio::test]
async fn what_stands_inside_is_what_is_not_complete_on_every_page() {
    let resource = |name: &str, status| {
        StackResourceSummary::builder()
            .logical_resource_id(name)
            .physical_resource_id(STORAGE)
            .resource_type("AWS::CloudFormation::Stack")
            .resource_status(status)
            .last_updated_timestamp(at(1))
            .build()
    };
    let first = resource("Done", ResourceStatus::UpdateComplete);
    let second = resource("Storage", ResourceStatus::UpdateFailed);
    let listed = mock!(Client::list_stack_resources)
        .sequence()
        .output(move || {
            let page = ListStackResourcesOutput::builder().stack_resource_summaries(first.clone());
            page.next_token("2").build()
        })
        .output(move || ListStackResourcesOutput::builder().stack_resource_summaries(second.clone()).build())
        .build();
    let events = vec![
        event(9, "Storage", STORAGE, ResourceStatus::UpdateFailed),
        event(8, "billing", ID, ResourceStatus::UpdateRollbackInProgress),
    ];
    let events = paged(vec![events], false);
    let mut scene =
        Scene { stack: Some(Stack { id: ID.to_owned(), ..Stack::default() }), ..Scene::default() };
    answer(&answering(&[&listed, &events]), &mut scene, Question::Inside(vec![ID.to_owned()])).await.unwrap();

    let inside = &scene.inside[ID];
    assert_eq!(inside.resources.len(), 1);
    assert_eq!(
        (inside.resources[0].name.as_str(), inside.resources[0].id.as_deref()),
        ("Storage", Some(STORAGE))
    );
    assert_eq!((inside.events.telling.len(), inside.events.reach), (2, Reach::Found));
}

#[tokio::test]
async fn a_sweep_finds_the_stuck_stacks_of_every_page_but_no_nested_ones() {
    let summary = |name: &str, parent: Option<&str>| {
        StackSummary::builder()
            .stack_id(format!("arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/1"))
            .stack_name(name)
            .stack_status(StackStatus::UpdateInProgress)
            .creation_time(at(10))
            .last_updated_time(at(100))
            .set_parent_id(parent.map(ToOwned::to_owned))
            .build()
    };
    let (first, nested, second) =
        (summary("billing", None), summary("nested", Some(ID)), summary("web", None));
    let listed = mock!(Client::list_stacks)
        .match_requests(|request| {
            let wanted: Vec<_> = request.stack_status_filter().iter().map(StackStatus::as_str).collect();
            wanted == STUCK
        })
        .sequence()
        .output(move || {
            let page = ListStacksOutput::builder().stack_summaries(first.clone());
            page.stack_summaries(nested.clone()).next_token("2").build()
        })
        .output(move || ListStacksOutput::builder().stack_summaries(second.clone()).build())
        .build();

    let now = Timestamp::from_second(1000).unwrap();
    let swept = stuck(&answering(&[&listed]), now).await.unwrap();

    let names: Vec<_> = swept.iter().map(|change| change.name.as_str()).collect();
    assert_eq!(names, ["billing", "web"]);
    assert!(swept.iter().all(|change| change.is_stuck() && change.at.as_second() == 100));
}

#[tokio::test]
async fn a_sweep_leaves_out_what_is_being_changed_for_less_than_any_policy_calls_stuck() {
    use StackStatus::{UpdateFailed, UpdateInProgress, UpdateRollbackFailed, UpdateRollbackInProgress};
    let table = [
        (UpdateInProgress, 300, false),
        (UpdateInProgress, 301, true),
        (UpdateRollbackInProgress, 1, false),
        (UpdateRollbackInProgress, 301, true),
        (UpdateRollbackFailed, 1, true),
        (UpdateFailed, 1, true),
    ];
    for (status, age, expected) in table {
        let summary = StackSummary::builder()
            .stack_id(ID)
            .stack_name("billing")
            .stack_status(status.clone())
            .creation_time(at(10))
            .last_updated_time(at(1000 - age))
            .build();
        let listed = mock!(Client::list_stacks)
            .then_output(move || ListStacksOutput::builder().stack_summaries(summary.clone()).build());
        let swept = stuck(&answering(&[&listed]), Timestamp::from_second(1000).unwrap()).await.unwrap();
        assert_eq!(!swept.is_empty(), expected, "{status:?} since {age} seconds");
    }
}
