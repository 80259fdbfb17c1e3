//! What is looked at for which question.

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::operation::list_tags_for_resource::ListTagsForResourceOutput;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_sdk_dynamodb::operation::put_item::PutItemOutput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::operation::list_service_deployments::ListServiceDeploymentsOutput;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::types::Parameter;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use serde_json::json;
use shared::ledger::once::Claim;

use super::*;
use crate::cases;
use crate::decision::stack;
use crate::tests::{Mocks, time};

fn facts() -> Facts {
    let event = json!({
        "AlarmName": "web-5xx", "AlarmArn": "arn:alarm", "NewStateValue": "ALARM",
        "StateChangeTime": "2026-11-20T03:00:00Z",
    });
    Facts::of(Cause::Alarm(shared::alarm::from_message(&event, None).unwrap()))
}

async fn ask(mocks: &Mocks<'_>, facts: &mut Facts, question: Question) -> Result<()> {
    let (now, deadline) = (time("2026-11-20T03:00:30Z"), time("2026-11-20T03:02:30Z"));
    let invocation = Invocation { request_id: "request-1".to_owned(), now, deadline };
    answer(&mocks.clients(), facts, question, &cases::policy(), &invocation).await
}

fn policy(document: &'static str) -> Rule {
    mock!(aws_sdk_ssm::Client::get_parameter)
        .match_requests(|asked| asked.name() == Some("/watchkeeper/prod/policy"))
        .then_output(move || {
            let parameter = Parameter::builder().value(document).version(3).build();
            GetParameterOutput::builder().parameter(parameter).build()
        })
}

#[tokio::test]
async fn an_alarms_case_begins_with_its_claim_its_policy_and_the_alarm_as_it_is_now() {
    let claimed = mock!(aws_sdk_dynamodb::Client::put_item)
        .match_requests(|put| {
            let pk = put.item().and_then(|item| item.get("pk")).and_then(|pk| pk.as_s().ok());
            pk.is_some_and(|pk| pk == "once#alarm:arn:alarm@1795143600000")
        })
        .then_output(|| PutItemOutput::builder().build());
    let described = mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(|| {
        let alarm = MetricAlarm::builder().alarm_arn("arn:alarm").state_value(StateValue::Alarm).build();
        DescribeAlarmsOutput::builder().metric_alarms(alarm).build()
    });
    let tags = mock!(aws_sdk_cloudwatch::Client::list_tags_for_resource)
        .then_output(|| ListTagsForResourceOutput::builder().build());
    let rules = policy("rollback: {cooldown: 90m}");
    let mocks =
        Mocks { dynamodb: &[&claimed], cloudwatch: &[&described, &tags], ssm: &[&rules], ..Mocks::default() };
    let mut facts = facts();

    ask(&mocks, &mut facts, Question::Claim).await.unwrap();

    assert_eq!(facts.claim, Some(Claim::Won));
    assert_eq!(facts.claimed.as_deref(), Some("alarm:arn:alarm@1795143600000"));
    assert_eq!(facts.alarm.unwrap().state, Some(shared::alarm::State::Alarm));
    let rules = facts.rules.unwrap();
    assert_eq!((rules.version, rules.policy.rollback.cooldown), (3, jiff::SignedDuration::from_mins(90)));
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_or_understood_stops_the_case() {
    let denied = mock!(aws_sdk_ssm::Client::get_parameter).then_error(|| {
        GetParameterError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let malformed = policy("rollback: {cooldwon: 90m}");
    for (rule, expected) in [
        (&denied, "ssm:GetParameter is denied"),
        (&malformed, "the policy /watchkeeper/prod/policy, line 1: "),
    ] {
        let mut facts = facts();
        let mocks = Mocks { ssm: &[rule], ..Mocks::default() };
        let error = ask(&mocks, &mut facts, Question::Rules).await.unwrap_err();
        assert!(error.chain().starts_with(expected), "{error:?}");
        assert_eq!(facts.rules, None);
    }
}

#[tokio::test]
async fn a_target_is_looked_at_together_with_what_is_remembered_of_it() {
    let remembered = mock!(aws_sdk_dynamodb::Client::query).then_output(|| QueryOutput::builder().build());
    let none = mock!(aws_sdk_ecs::Client::describe_services)
        .then_output(|| DescribeServicesOutput::builder().build());
    let nothing = mock!(aws_sdk_ecs::Client::list_service_deployments)
        .then_output(|| ListServiceDeploymentsOutput::builder().build());
    let mocks = Mocks { dynamodb: &[&remembered], ecs: &[&none, &nothing], ..Mocks::default() };
    let mut facts = facts();

    ask(&mocks, &mut facts, Question::World("ecs:prod/web".parse().unwrap())).await.unwrap();

    let world = facts.world.unwrap();
    assert_eq!(world.memory, shared::ledger::target::Memory::default());
    assert_eq!(world.scene, Scene::Service(Box::default()));
    assert_eq!(remembered.num_calls(), 1);
}

#[tokio::test]
async fn a_question_about_another_kind_of_target_is_an_error_and_no_call() {
    let mut facts = facts();
    let world =
        World { memory: shared::ledger::target::Memory::default(), scene: Scene::Service(Box::default()) };
    facts.world = Some(world);
    let error =
        ask(&Mocks::default(), &mut facts, Question::Stack(stack::Question::Update)).await.unwrap_err();
    assert!(error.chain().contains("another kind of target"), "{error:?}");
}
