//! One rollback, call by call: what is written before the act, and what is left behind when it is cut off.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use aws_sdk_ecs::operation::update_service::{UpdateServiceError, UpdateServiceOutput};
use aws_sdk_ecs::types as ecs;
use aws_sdk_sqs::operation::send_message::{SendMessageError, SendMessageOutput};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use serde_json::json;
use shared::ledger::{Item, get_ms, get_n, get_s};
use shared::notice::State;

use super::*;
use crate::cases::td;
use crate::decision::{Basis, Plan};
use crate::tests::{Mocks, TIMERS, time};

const BEGAN: &str = "2026-11-20T03:00:00Z";

fn rollback(act: Act) -> Rollback {
    Rollback {
        operation: "op-1".to_owned(),
        target: "ecs:prod/web".parse().unwrap(),
        plan: Plan {
            from: td(7),
            to: td(6),
            copy_of: None,
            basis: Basis::Source,
            act,
            blames: true,
            notes: Vec::new(),
            before: json!({"desired": 3}),
        },
        began: time(BEGAN),
        asked_by: Some("ann".to_owned()),
    }
}

fn update() -> Act {
    Act::UpdateService { task_definition: td(6) }
}

/// The ledger and the queue. What they are told is kept.
struct Written {
    transacted: Rule,
    put: Rule,
    sent: Rule,
    transactions: Arc<Mutex<Vec<Vec<TransactWriteItem>>>>,
    items: Arc<Mutex<Vec<Item>>>,
}

impl Written {
    fn new() -> Self {
        let transactions = Arc::<Mutex<Vec<Vec<TransactWriteItem>>>>::default();
        let items = Arc::<Mutex<Vec<Item>>>::default();
        let (all, each) = (transactions.clone(), items.clone());
        Self {
            transacted: mock!(aws_sdk_dynamodb::Client::transact_write_items).then_compute_output(
                move |asked| {
                    all.lock().unwrap().push(asked.transact_items().to_vec());
                    TransactWriteItemsOutput::builder().build()
                },
            ),
            put: mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |asked| {
                each.lock().unwrap().push(asked.item().unwrap().clone());
                PutItemOutput::builder().build()
            }),
            sent: mock!(aws_sdk_sqs::Client::send_message)
                .match_requests(|sent| {
                    let body = r#"{"watch":{"target":"ecs:prod/web","operation":"op-1"}}"#;
                    sent.queue_url() == Some(TIMERS)
                        && sent.message_body() == Some(body)
                        && sent.delay_seconds() == Some(10)
                })
                .then_output(|| SendMessageOutput::builder().build()),
            transactions,
            items,
        }
    }

    /// What the n-th transaction puts, without what it deletes.
    fn begun(&self, index: usize) -> Vec<Item> {
        let transactions = self.transactions.lock().unwrap();
        transactions[index].iter().filter_map(|item| Some(item.put()?.item().clone())).collect()
    }

    /// The operation as it was put on its own, after the act.
    fn amended(&self) -> Vec<Item> {
        let items = self.items.lock().unwrap();
        let operations = items.iter().filter(|item| get_s(item, "sk").unwrap().starts_with("operation#"));
        operations.cloned().collect()
    }

    async fn run(&self, ecs: &[&Rule], rollback: &Rollback, over: Option<&str>) -> Result<Outcome> {
        self.run_under(ecs, rollback, over, &policy::Policy::default()).await
    }

    async fn run_under(
        &self,
        ecs: &[&Rule],
        rollback: &Rollback,
        over: Option<&str>,
        rules: &policy::Policy,
    ) -> Result<Outcome> {
        let dynamodb = [&self.transacted, &self.put];
        let mocks = Mocks { ecs, dynamodb: &dynamodb, sqs: &[&self.sent], ..Mocks::default() };
        let incident = Incident {
            key: "alarm:web-5xx".to_owned(),
            state: State::Firing,
            revision: 1,
            target: "ecs:prod/web".to_owned(),
            operation: Some("op-1".to_owned()),
            opened: time(BEGAN),
        };
        let order = Order { rollback, incident: &incident, rules, timers: TIMERS, over };
        roll_back(&mocks.clients(), &order, time("2026-11-20T03:00:01Z")).await
    }
}

fn code(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message("no").build()
}

fn updated() -> Rule {
    mock!(aws_sdk_ecs::Client::update_service).then_output(|| {
        let deployment = |id: &str, status: &str| ecs::Deployment::builder().id(id).status(status).build();
        let service = ecs::Service::builder()
            .deployments(deployment("ecs-svc/7", "ACTIVE"))
            .deployments(deployment("ecs-svc/9", "PRIMARY"));
        UpdateServiceOutput::builder().service(service.build()).build()
    })
}

fn refused(of: &'static str) -> Rule {
    mock!(aws_sdk_ecs::Client::update_service).then_error(move || UpdateServiceError::generic(code(of)))
}

#[tokio::test]
async fn everything_is_recorded_before_the_act_and_its_deployment_after_it() {
    let (written, update_service) = (Written::new(), updated());
    let outcome = written.run(&[&update_service], &rollback(update()), None).await.unwrap();

    assert!(matches!(outcome, Outcome::Done));
    let [lease, operation, blamed, of_audit] = written.begun(0).try_into().unwrap();
    assert_eq!(get_s(&of_audit, "pk").as_deref(), Some("operations"));
    assert_eq!((get_s(&lease, "sk"), get_s(&lease, "owner")), (Some("lease".into()), Some("op-1".into())));
    let texts =
        ["id", "incident", "means", "from", "to", "before", "asked_by"].map(|name| get_s(&operation, name));
    let expected = ["op-1", "alarm:web-5xx", "update_service", &td(7), &td(6), r#"{"desired":3}"#, "ann"];
    assert_eq!(texts, expected.map(|text| Some(text.to_owned())));
    assert_eq!(get_ms(&operation, "began"), Some(time(BEGAN)));
    assert_eq!(get_n(&operation, "blames"), Some(1));
    assert_eq!((get_s(&operation, "deployment"), get_s(&operation, "end")), (None, None));
    assert_eq!((get_s(&blamed, "arn"), get_s(&blamed, "standing")), (Some(td(7)), Some("bad".into())));
    let [amended] = written.amended().try_into().unwrap();
    assert_eq!(get_s(&amended, "deployment").as_deref(), Some("ecs-svc/9"));
    assert_eq!(get_s(&amended, "before").as_deref(), Some(r#"{"desired":3}"#));
    assert_eq!(
        (written.sent.num_calls(), written.put.num_calls()),
        (1, 2),
        "the incident, and the deployment"
    );
}

#[tokio::test]
async fn an_act_is_made_only_if_all_of_it_is_written() {
    let throttled = "ThrottlingException";
    let lost = [
        Written {
            transacted: mock!(aws_sdk_dynamodb::Client::transact_write_items)
                .then_error(move || TransactWriteItemsError::generic(code(throttled))),
            ..Written::new()
        },
        Written {
            put: mock!(aws_sdk_dynamodb::Client::put_item)
                .then_error(move || PutItemError::generic(code(throttled))),
            ..Written::new()
        },
        Written {
            sent: mock!(aws_sdk_sqs::Client::send_message)
                .then_error(move || SendMessageError::generic(code(throttled))),
            ..Written::new()
        },
    ];
    for written in lost {
        let update_service = updated();
        let error = written.run(&[&update_service], &rollback(update()), None).await.err().unwrap();
        assert_eq!(error.class(), Class::Transient, "{error:?}");
        assert_eq!(update_service.num_calls(), 0);
    }
}

#[tokio::test]
async fn a_target_that_somebody_else_took_is_not_touched() {
    let taken = mock!(aws_sdk_dynamodb::Client::transact_write_items).then_error(|| {
        let reason = CancellationReason::builder().code("ConditionalCheckFailed").build();
        TransactWriteItemsError::TransactionCanceledException(
            TransactionCanceledException::builder().cancellation_reasons(reason).build(),
        )
    });
    let (written, update_service) = (Written { transacted: taken, ..Written::new() }, updated());
    let outcome = written.run(&[&update_service], &rollback(update()), None).await.unwrap();
    assert!(matches!(outcome, Outcome::Again));
    assert_eq!(update_service.num_calls(), 0);
}

#[tokio::test]
async fn a_lease_is_taken_over_only_from_the_operation_that_is_named() {
    for (over, expected) in [(None, "op-1"), (Some("op-0"), "op-0")] {
        let (written, update_service) = (Written::new(), updated());
        written.run(&[&update_service], &rollback(update()), over).await.unwrap();
        let transactions = written.transactions.lock().unwrap();
        let names = transactions[0][0].put().unwrap().expression_attribute_values().unwrap();
        assert_eq!(get_s(names, ":over").as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn the_lease_lasts_as_long_as_the_cooldown_and_never_less_than_the_operation_may_take() {
    for (cooldown, minutes) in [(1, 30), (29, 30), (31, 31), (120, 120)] {
        let mut rules = policy::Policy::default();
        rules.rollback.cooldown = SignedDuration::from_mins(cooldown);
        let (written, update_service) = (Written::new(), updated());
        written.run_under(&[&update_service], &rollback(update()), None, &rules).await.unwrap();
        let begun = written.begun(0);
        let until = time(BEGAN) + SignedDuration::from_mins(minutes);
        assert_eq!(get_ms(&begun[0], "until"), Some(until), "cooldown of {cooldown} minutes");
        assert_eq!(get_ms(&begun[1], "deadline"), Some(time(BEGAN) + SignedDuration::from_mins(30)));
    }
}

#[test]
fn a_stack_may_take_longer_than_a_service_and_a_shift_of_traffic_in_between() {
    let minutes = |means| takes(means).as_mins();
    assert_eq!(minutes(Means::UpdateAlias), 30);
    assert_eq!(minutes(Means::CreateDeployment), 60);
    assert_eq!(minutes(Means::ContinueUpdateRollback), 240);
}

#[tokio::test]
async fn a_stopped_deployment_is_known_beforehand_and_recorded_once() {
    let stopped = mock!(aws_sdk_ecs::Client::stop_service_deployment).then_output(|| {
        aws_sdk_ecs::operation::stop_service_deployment::StopServiceDeploymentOutput::builder().build()
    });
    let act = Act::StopServiceDeployment { deployment: "deployment-7".to_owned() };
    let written = Written::new();
    let outcome = written.run(&[&stopped], &rollback(act), None).await.unwrap();
    assert!(matches!(outcome, Outcome::Done));
    assert_eq!(get_s(&written.begun(0)[1], "deployment").as_deref(), Some("deployment-7"));
    assert!(written.amended().is_empty());
}

#[tokio::test]
async fn what_finished_before_it_was_stopped_is_decided_anew_and_the_operation_stays() {
    let finished = mock!(aws_sdk_ecs::Client::stop_service_deployment).then_error(|| {
        aws_sdk_ecs::operation::stop_service_deployment::StopServiceDeploymentError::generic(code(
            "ConflictException",
        ))
    });
    let act = Act::StopServiceDeployment { deployment: "deployment-7".to_owned() };
    let written = Written::new();
    let outcome = written.run(&[&finished], &rollback(act), None).await.unwrap();
    assert!(matches!(outcome, Outcome::Again));
    assert_eq!(written.transacted.num_calls(), 1, "nothing is given back");
}

#[tokio::test]
async fn a_copy_is_recorded_with_what_it_is_a_copy_of_and_the_decision_goes_on() {
    use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
    use aws_sdk_ecs::operation::list_task_definitions::ListTaskDefinitionsOutput;
    use aws_sdk_ecs::operation::register_task_definition::RegisterTaskDefinitionOutput;
    let described = mock!(aws_sdk_ecs::Client::describe_task_definition).then_output(|| {
        let definition = ecs::TaskDefinition::builder().family("web").build();
        DescribeTaskDefinitionOutput::builder().task_definition(definition).build()
    });
    let listed = mock!(aws_sdk_ecs::Client::list_task_definitions)
        .then_output(|| ListTaskDefinitionsOutput::builder().build());
    let registered = mock!(aws_sdk_ecs::Client::register_task_definition).then_output(|| {
        let copy = ecs::TaskDefinition::builder().task_definition_arn(td(8)).build();
        RegisterTaskDefinitionOutput::builder().task_definition(copy).build()
    });
    let act = Act::RegisterTaskDefinition { of: td(6), images: std::collections::BTreeMap::new() };
    let written = Written::new();
    let outcome = written.run(&[&described, &listed, &registered], &rollback(act), None).await.unwrap();
    assert!(matches!(outcome, Outcome::Again));
    let [amended] = written.amended().try_into().unwrap();
    assert_eq!((get_s(&amended, "to"), get_s(&amended, "copy_of")), (Some(td(8)), Some(td(6))));
    assert_eq!((get_s(&amended, "means"), get_s(&amended, "end")), (Some("update_service".into()), None));
}

#[tokio::test]
async fn a_refusal_gives_the_target_back_and_is_told() {
    for of in ["AccessDeniedException", "ClientException", "InvalidParameterException"] {
        let (written, update_service) = (Written::new(), refused(of));
        let outcome = written.run(&[&update_service], &rollback(update()), None).await.unwrap();
        let Outcome::Refused(error) = outcome else { panic!("{of} is a refusal") };
        assert!(error.chain().contains("ecs:UpdateService"), "{error:?}");
        assert_eq!(get_s(&written.begun(1)[0], "end").as_deref(), Some("refused"));
        let transactions = written.transactions.lock().unwrap();
        let deleted = transactions[1].iter().filter_map(|item| get_s(item.delete()?.key(), "sk"));
        assert_eq!(deleted.collect::<Vec<_>>(), ["lease".to_owned(), format!("revision#{}", td(7))]);
    }
}

#[tokio::test]
async fn a_throttle_keeps_the_target_for_the_retry() {
    let (written, update_service) = (Written::new(), refused("ThrottlingException"));
    let error = written.run(&[&update_service], &rollback(update()), None).await.err().unwrap();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(written.transacted.num_calls(), 1, "the operation stays begun");
}

#[tokio::test]
async fn an_act_of_another_kind_of_target_is_refused_without_a_call() {
    for act in [Act::RollbackStack, Act::UpdateAlias { version: "7".into(), revision_id: "r".into() }] {
        let outcome = Written::new().run(&[], &rollback(act), None).await.unwrap();
        let Outcome::Refused(error) = outcome else { panic!("no service knows it") };
        assert!(error.chain().ends_with("is no act for this kind of target"), "{error:?}");
    }
}
