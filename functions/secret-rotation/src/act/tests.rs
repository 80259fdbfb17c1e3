//! One sequence of calls each, with what comes of it when it is cut off or refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_elasticache::operation::modify_replication_group::{
    ModifyReplicationGroupError, ModifyReplicationGroupOutput,
};
use aws_sdk_elasticache::operation::modify_user::{ModifyUserError, ModifyUserOutput};
use aws_sdk_elasticache::types::AuthTokenUpdateStrategyType as Update;
use aws_sdk_elasticache::types::error::{
    InvalidParameterValueException, InvalidReplicationGroupStateFault, InvalidUserStateFault,
};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_sdk_secretsmanager::operation::put_secret_value::{PutSecretValueError, PutSecretValueOutput};
use aws_sdk_secretsmanager::operation::update_secret_version_stage::{
    UpdateSecretVersionStageError, UpdateSecretVersionStageOutput,
};
use aws_sdk_secretsmanager::types::error::{ResourceExistsException, ResourceNotFoundException};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use shared::error::Class;

use super::*;
use crate::cases::{Mocks, SECRET, document, facts, noon};
use crate::decision::{Fill, Recipe};
use crate::event::Hook;
use crate::facts::Work;
use crate::generate::Shape;
use crate::hidden::Hidden;

async fn carry_out(mocks: &Mocks<'_>, facts: &mut Facts, action: Action) -> (Result<Effect>, bool) {
    let clients = mocks.clients();
    let acting = Acting { clients: &clients, now: noon(), left: &|| Duration::from_secs(5) };
    let strategy = crate::decision::strategy(facts).unwrap();
    let mut attempted = false;
    let plan = Plan { strategy, from: Some("v1".to_owned()), action };
    (acting.carry_out(facts, &plan, &mut attempted).await, attempted)
}

/// A table that takes what it is given, and what that was, in order: the kind of the entry, and its state or phase.
fn table() -> (Rule, Arc<Mutex<Vec<String>>>) {
    let given = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&given);
    let rule = mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |input| {
        let text = |name: &str| input.item().unwrap().get(name).and_then(|value| value.as_s().ok()).cloned();
        let state = text("state").or_else(|| text("phase")).unwrap();
        keep.lock().unwrap().push(format!("{} {} {state}", text("sk").unwrap(), text("version").unwrap()));
        PutItemOutput::builder().build()
    });
    (rule, given)
}

fn outdated() -> Rule {
    mock!(aws_sdk_dynamodb::Client::put_item).then_error(|| {
        PutItemError::ConditionalCheckFailedException(ConditionalCheckFailedException::builder().build())
    })
}

fn written(given: &Mutex<Vec<String>>) -> Vec<String> {
    given.lock().unwrap().clone()
}

fn create() -> Action {
    let fill = vec![("password".to_owned(), Fill::Random(Shape::PASSWORD))];
    Action::Create(Recipe::Fields { base: document(r#"{"username":"app","password":"current-1"}"#), fill })
}

#[tokio::test]
async fn a_value_is_put_under_the_token_after_what_it_sets_out_from_is_written_down() {
    let (table, given) = table();
    let sent = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&sent);
    let put = mock!(aws_sdk_secretsmanager::Client::put_secret_value)
        .match_requests(|request| {
            request.client_request_token() == Some("v2")
                && request.secret_id() == Some(SECRET)
                && request.version_stages() == ["AWSPENDING"]
                && request.rotation_token() == Some("proof-of-rotation")
        })
        .then_compute_output(move |request| {
            request.secret_string().unwrap().clone_into(&mut keep.lock().unwrap());
            PutSecretValueOutput::builder().build()
        });
    let mut facts = facts(Hook::CreateSecret, Strategy::Postgres);
    if let Work::Step(request) = &mut facts.work {
        request.rotation_token = Some(Hidden::new("proof-of-rotation"));
    }
    let mocks = Mocks { secrets: &[&put], dynamodb: &[&table], ..Mocks::default() };
    carry_out(&mocks, &mut facts, create()).await.0.unwrap();
    assert_eq!(written(&given), ["rotation v2 under_way"]);
    let sent = document(&sent.lock().unwrap());
    assert_eq!(sent.field("username").as_deref(), Some("app"));
    assert!(Shape::PASSWORD.fits(&sent.field("password").unwrap()));
    assert_eq!(facts.values[&Which::Pending], Some(sent));
}

#[tokio::test]
async fn a_value_that_somebody_else_put_under_the_token_is_kept() {
    let (table, _) = table();
    let exists = || {
        mock!(aws_sdk_secretsmanager::Client::put_secret_value).then_error(|| {
            PutSecretValueError::ResourceExistsException(ResourceExistsException::builder().build())
        })
    };
    let (put, there) = (
        exists(),
        mock!(aws_sdk_secretsmanager::Client::get_secret_value)
            .match_requests(|request| {
                request.version_id() == Some("v2") && request.version_stage() == Some("AWSPENDING")
            })
            .then_output(|| GetSecretValueOutput::builder().secret_string("theirs").build()),
    );
    let mut ours = facts(Hook::CreateSecret, Strategy::Postgres);
    let mocks = Mocks { secrets: &[&put, &there], dynamodb: &[&table], ..Mocks::default() };
    carry_out(&mocks, &mut ours, create()).await.0.unwrap();
    assert_eq!(ours.values[&Which::Pending], Some(document("theirs")));

    let (put, not_yet) = (
        exists(),
        mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_error(|| {
            GetSecretValueError::ResourceNotFoundException(ResourceNotFoundException::builder().build())
        }),
    );
    let mocks = Mocks { secrets: &[&put, &not_yet], dynamodb: &[&table], ..Mocks::default() };
    let mut facts = facts(Hook::CreateSecret, Strategy::Postgres);
    let error = carry_out(&mocks, &mut facts, create()).await.0.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn nothing_is_changed_where_a_later_step_is_under_way_or_the_ledger_is_away() {
    let throttled = mock!(aws_sdk_dynamodb::Client::put_item)
        .then_error(|| PutItemError::generic(ErrorMetadata::builder().code("ThrottlingException").build()));
    for table in [outdated(), throttled] {
        for (strategy, action) in [
            (Strategy::Postgres, create()),
            (
                Strategy::ValkeyUser,
                Action::SetUserPasswords { user: "app-1".to_owned(), passwords: Vec::new() },
            ),
            (
                Strategy::ValkeyAuthToken,
                Action::RotateToken { group: "cache".to_owned(), token: Hidden::new("pending-2") },
            ),
        ] {
            let mut facts = facts(Hook::SetSecret, strategy);
            let mocks = Mocks { dynamodb: &[&table], ..Mocks::default() };
            let (done, attempted) = carry_out(&mocks, &mut facts, action).await;
            assert_eq!((done.unwrap_err().class(), attempted), (Class::Transient, false));
        }
    }
}

fn passwords() -> Action {
    let passwords = vec![Hidden::new("pending-2"), Hidden::new("current-1")];
    Action::SetUserPasswords { user: "app-1".to_owned(), passwords }
}

async fn set_passwords(rule: &Rule) -> (Result<Effect>, bool) {
    let (table, _) = table();
    let mut facts = facts(Hook::SetSecret, Strategy::ValkeyUser);
    let mocks = Mocks { elasticache: &[rule], dynamodb: &[&table], ..Mocks::default() };
    carry_out(&mocks, &mut facts, passwords()).await
}

#[tokio::test]
async fn an_elasticache_user_gets_both_passwords() {
    let rule = mock!(aws_sdk_elasticache::Client::modify_user)
        .match_requests(|request| {
            request.user_id() == Some("app-1") && request.passwords() == ["pending-2", "current-1"]
        })
        .then_output(|| ModifyUserOutput::builder().build());
    set_passwords(&rule).await.0.unwrap();
}

#[tokio::test]
async fn a_user_that_is_being_modified_passes_and_a_password_that_is_refused_does_not() {
    let busy = mock!(aws_sdk_elasticache::Client::modify_user)
        .then_error(|| ModifyUserError::InvalidUserStateFault(InvalidUserStateFault::builder().build()));
    let (done, attempted) = set_passwords(&busy).await;
    let error = done.unwrap_err();
    assert_eq!((error.class(), attempted), (Class::Transient, true));
    assert_eq!(error.to_string(), "the ElastiCache user app-1 is being modified");
    let refused = mock!(aws_sdk_elasticache::Client::modify_user).then_error(|| {
        ModifyUserError::InvalidParameterValueException(
            InvalidParameterValueException::builder().message("too short").build(),
        )
    });
    let error = set_passwords(&refused).await.0.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.to_string().contains("each must have 16 to 128 characters"), "{error}");
}

fn token(update: Update) -> Rule {
    mock!(aws_sdk_elasticache::Client::modify_replication_group)
        .match_requests(move |request| {
            request.replication_group_id() == Some("cache")
                && request.auth_token() == Some("pending-2")
                && request.auth_token_update_strategy() == Some(&update)
                && request.apply_immediately() == Some(true)
        })
        .then_output(|| ModifyReplicationGroupOutput::builder().build())
}

fn cache(action: fn(String, Hidden) -> Action) -> Action {
    action("cache".to_owned(), Hidden::new("pending-2"))
}

#[tokio::test]
async fn a_token_is_known_of_before_it_is_added() {
    let (table, given) = table();
    let rotate = token(Update::Rotate);
    let mut facts = facts(Hook::SetSecret, Strategy::ValkeyAuthToken);
    let mocks = Mocks { elasticache: &[&rotate], dynamodb: &[&table], ..Mocks::default() };
    let action = cache(|group, token| Action::RotateToken { group, token });
    carry_out(&mocks, &mut facts, action).await.0.unwrap();
    assert_eq!(written(&given), ["rotation v2 under_way", "overlap v2 added"]);
    assert_eq!(rotate.num_calls(), 1);
}

#[tokio::test]
async fn a_settlement_is_written_down_before_and_after_the_older_token_is_taken_away() {
    let (table, given) = table();
    let set = token(Update::Set);
    let mut facts = facts(Hook::FinishSecret, Strategy::ValkeyAuthToken);
    facts.work = Work::Settle { secret: SECRET.to_owned(), version: "v2".to_owned() };
    let mocks = Mocks { elasticache: &[&set], dynamodb: &[&table], ..Mocks::default() };
    let action = cache(|group, token| Action::SetToken { group, token });
    carry_out(&mocks, &mut facts, action).await.0.unwrap();
    assert_eq!(written(&given), ["overlap v2 settling", "overlap v2 settled", "rotation v2 settled"]);
}

#[tokio::test]
async fn a_group_that_is_being_modified_passes_and_a_token_that_is_refused_does_not() {
    let (table, given) = table();
    let busy = mock!(aws_sdk_elasticache::Client::modify_replication_group).then_error(|| {
        ModifyReplicationGroupError::InvalidReplicationGroupStateFault(
            InvalidReplicationGroupStateFault::builder().build(),
        )
    });
    let mut facts = facts(Hook::SetSecret, Strategy::ValkeyAuthToken);
    let mocks = Mocks { elasticache: &[&busy], dynamodb: &[&table], ..Mocks::default() };
    let action = cache(|group, token| Action::SetToken { group, token });
    let error = carry_out(&mocks, &mut facts, action.clone()).await.0.unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert_eq!(written(&given), ["overlap v2 settling"], "it is not settled");

    let refused = mock!(aws_sdk_elasticache::Client::modify_replication_group).then_error(|| {
        ModifyReplicationGroupError::InvalidParameterValueException(
            InvalidParameterValueException::builder().message("no").build(),
        )
    });
    let mocks = Mocks { elasticache: &[&refused], dynamodb: &[&table], ..Mocks::default() };
    let error = carry_out(&mocks, &mut facts, action).await.0.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.to_string().contains("SET takes only the token that was added last by ROTATE"), "{error}");
}

fn moved() -> Rule {
    mock!(aws_sdk_secretsmanager::Client::update_secret_version_stage)
        .match_requests(|request| {
            request.version_stage() == Some("AWSCURRENT")
                && request.move_to_version_id() == Some("v2")
                && request.remove_from_version_id() == Some("v1")
        })
        .then_output(|| UpdateSecretVersionStageOutput::builder().build())
}

fn not_moved() -> Rule {
    mock!(aws_sdk_secretsmanager::Client::update_secret_version_stage).then_error(|| {
        UpdateSecretVersionStageError::generic(
            ErrorMetadata::builder().code("InvalidParameterException").build(),
        )
    })
}

fn current(version: &'static str) -> Rule {
    mock!(aws_sdk_secretsmanager::Client::describe_secret).then_output(move || {
        DescribeSecretOutput::builder().version_ids_to_stages(version, vec!["AWSCURRENT".to_owned()]).build()
    })
}

#[tokio::test]
async fn the_label_moves_and_that_the_ledger_is_away_does_not_undo_it() {
    let (table, given) = table();
    let away = mock!(aws_sdk_dynamodb::Client::put_item)
        .then_error(|| PutItemError::generic(ErrorMetadata::builder().code("AccessDeniedException").build()));
    for ledger in [&table, &away] {
        let update = moved();
        let mut facts = facts(Hook::FinishSecret, Strategy::Postgres);
        let mocks = Mocks { secrets: &[&update], dynamodb: &[ledger], ..Mocks::default() };
        carry_out(&mocks, &mut facts, Action::Finish).await.0.unwrap();
        assert_eq!(update.num_calls(), 1);
    }
    assert_eq!(written(&given), ["rotation v2 rotated"]);
}

#[tokio::test]
async fn a_move_that_is_refused_is_looked_at_again_and_never_forced() {
    for (holder, succeeds) in [("v2", true), ("v3", false), ("v1", false)] {
        let (table, _) = table();
        let (update, describe) = (not_moved(), current(holder));
        let mut facts = facts(Hook::FinishSecret, Strategy::Postgres);
        let mocks = Mocks { secrets: &[&update, &describe], dynamodb: &[&table], ..Mocks::default() };
        let (done, _) = carry_out(&mocks, &mut facts, Action::Finish).await;
        assert_eq!((done.is_ok(), update.num_calls()), (succeeds, 1), "{holder}");
    }
}

#[tokio::test]
async fn what_was_exposed_stays_so_when_the_password_is_set_again() {
    // The server is not there: what counts is what was written down before it was asked.
    let item = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&item);
    let table = mock!(aws_sdk_dynamodb::Client::put_item).then_compute_output(move |input| {
        *keep.lock().unwrap() = input.item().and_then(|item| item.get("exposed").cloned());
        PutItemOutput::builder().build()
    });
    let access = Access {
        server: Server::Postgres { database: "shop".to_owned() },
        host: "127.0.0.1".to_owned(),
        port: 1,
        user: Some("app".to_owned()),
        password: Hidden::new("pending-2"),
    };
    let before: jiff::Timestamp = "2026-11-20T11:00:00Z".parse().unwrap();
    for (known, expected) in [(None, noon()), (Some(before), before)] {
        let mut facts = facts(Hook::SetSecret, Strategy::Postgres);
        facts.rotation = Some(known.map(|exposed| shared::ledger::rotation::Rotation {
            exposed: Some(exposed),
            ..crate::cases::rotation("v2", "v1", Strategy::Postgres, State::Failed)
        }));
        let mocks = Mocks { dynamodb: &[&table], ..Mocks::default() };
        let action = Action::SetPassword { session: access.clone(), proof: access.clone() };
        let (done, attempted) = carry_out(&mocks, &mut facts, action).await;
        assert_eq!((done.unwrap_err().class(), attempted), (Class::Transient, true));
        assert_eq!(item.lock().unwrap().take(), Some(shared::ledger::ms(expected)));
    }
}
