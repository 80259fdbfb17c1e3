use std::time::Duration;

use aws_sdk_elasticache::operation::describe_replication_groups::DescribeReplicationGroupsOutput;
use aws_sdk_elasticache::operation::describe_users::DescribeUsersOutput;
use aws_sdk_elasticache::types::error::{ReplicationGroupNotFoundFault, UserNotFoundFault};
use aws_sdk_elasticache::types::{Authentication, AuthenticationType, ReplicationGroup};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::types::Tag;
use aws_sdk_secretsmanager::types::error::ResourceNotFoundException;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::Blob;
use aws_smithy_types::error::ErrorMetadata;
use shared::error::Class;
use shared::strategy::Strategy;

use super::*;
use crate::cases::{Mocks, SECRET, facts};
use crate::event::Hook;
use crate::facts::Which;

async fn ask(mocks: Mocks<'_>, question: Question) -> Result<Facts> {
    let mut facts = facts(Hook::SetSecret, Strategy::ValkeyUser);
    answer(&mocks.clients(), &mut facts, question, Duration::from_secs(1)).await?;
    Ok(facts)
}

#[tokio::test]
async fn a_secret_is_its_labels_and_tags() {
    let rule = mock!(aws_sdk_secretsmanager::Client::describe_secret)
        .match_requests(|request| request.secret_id() == Some(SECRET))
        .then_output(|| {
            DescribeSecretOutput::builder()
                .name("prod/db")
                .version_ids_to_stages("v1", vec!["AWSCURRENT".to_owned()])
                .tags(Tag::builder().key("a").value("b").build())
                .build()
        });
    let facts = ask(Mocks { secrets: &[&rule], ..Mocks::default() }, Question::Secret).await.unwrap();
    let secret = facts.secret().unwrap();
    assert_eq!((secret.name.as_str(), secret.version("AWSCURRENT")), ("prod/db", Some("v1")));
    assert_eq!((secret.rotation_enabled, secret.tags.get("a").map(String::as_str)), (None, Some("b")));
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_is_denied() {
    let gone = mock!(aws_sdk_secretsmanager::Client::describe_secret).then_error(|| {
        DescribeSecretError::ResourceNotFoundException(ResourceNotFoundException::builder().build())
    });
    let facts = ask(Mocks { secrets: &[&gone], ..Mocks::default() }, Question::Secret).await.unwrap();
    assert_eq!(facts.secret, Some(None));
    let denied = mock!(aws_sdk_secretsmanager::Client::describe_secret).then_error(|| {
        DescribeSecretError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let error = ask(Mocks { secrets: &[&denied], ..Mocks::default() }, Question::Secret).await.unwrap_err();
    assert!(matches!(error, Error::Denied { action: "secretsmanager:DescribeSecret", .. }), "{error}");
}

fn source() -> Source {
    Source { secret: SECRET.to_owned(), version: Some("v2".to_owned()), stage: Some("AWSPENDING") }
}

async fn value_of(rule: &Rule) -> Result<Option<Document>> {
    let question = Question::Value(Which::Pending, source());
    let facts = ask(Mocks { secrets: &[rule], ..Mocks::default() }, question).await?;
    Ok(facts.values[&Which::Pending].clone())
}

#[tokio::test]
async fn a_value_is_read_by_version_and_label_and_may_not_be_there_yet() {
    let rule = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .match_requests(|request| {
            request.version_id() == Some("v2")
                && request.version_stage() == Some("AWSPENDING")
                && request.secret_id() == Some(SECRET)
        })
        .then_output(|| GetSecretValueOutput::builder().secret_string("text").build());
    assert_eq!(value_of(&rule).await.unwrap().unwrap().text().reveal(), "text");
    let label = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_error(|| {
        GetSecretValueError::ResourceNotFoundException(ResourceNotFoundException::builder().build())
    });
    assert_eq!(value_of(&label).await.unwrap(), None);
}

#[tokio::test]
async fn a_value_that_cannot_be_rotated_is_named_and_not_shown() {
    let binary = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_output(|| GetSecretValueOutput::builder().secret_binary(Blob::new("bytes")).build());
    let error = value_of(&binary).await.unwrap_err();
    assert!(error.to_string().ends_with("is binary, which is not rotated"), "{error}");
    let twice = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_output(|| {
        GetSecretValueOutput::builder().secret_string(r#"{"a":"hunter22","a":"hunter23"}"#).build()
    });
    let error = value_of(&twice).await.unwrap_err();
    assert!(error.to_string().ends_with(r#"names the field "a" twice"#), "{error}");
}

#[tokio::test]
async fn a_throttle_passes() {
    let rule = mock!(aws_sdk_secretsmanager::Client::get_secret_value).then_error(|| {
        GetSecretValueError::generic(ErrorMetadata::builder().code("ThrottlingException").build())
    });
    assert_eq!(value_of(&rule).await.unwrap_err().class(), Class::Transient);
}

#[tokio::test]
async fn an_elasticache_user_is_its_name_status_and_authentication() {
    let rule = mock!(aws_sdk_elasticache::Client::describe_users)
        .match_requests(|request| request.user_id() == Some("app-1"))
        .then_output(|| {
            let how = Authentication::builder().r#type(AuthenticationType::Iam).build();
            let user = aws_sdk_elasticache::types::User::builder();
            let user = user.user_name("app").status("Modifying").authentication(how).build();
            DescribeUsersOutput::builder().users(user).build()
        });
    let mocks = Mocks { elasticache: &[&rule], ..Mocks::default() };
    let facts = ask(mocks, Question::User("app-1".to_owned())).await.unwrap();
    assert_eq!(facts.user, Some(Some(crate::cases::user("modifying", "iam"))));
    let gone = mock!(aws_sdk_elasticache::Client::describe_users)
        .then_error(|| DescribeUsersError::UserNotFoundFault(UserNotFoundFault::builder().build()));
    let mocks = Mocks { elasticache: &[&gone], ..Mocks::default() };
    assert_eq!(ask(mocks, Question::User("app-1".to_owned())).await.unwrap().user, Some(None));
}

#[tokio::test]
async fn a_replication_group_is_its_status_and_whether_it_speaks_tls() {
    for (encrypted, tls) in [(Some(true), true), (Some(false), false), (None, false)] {
        let rule = mock!(aws_sdk_elasticache::Client::describe_replication_groups)
            .match_requests(|request| request.replication_group_id() == Some("cache"))
            .then_output(move || {
                let group = ReplicationGroup::builder();
                let group = group.status("available").set_transit_encryption_enabled(encrypted).build();
                DescribeReplicationGroupsOutput::builder().replication_groups(group).build()
            });
        let mocks = Mocks { elasticache: &[&rule], ..Mocks::default() };
        let facts = ask(mocks, Question::Group("cache".to_owned())).await.unwrap();
        assert_eq!(facts.group, Some(Some(Group { tls, ..crate::cases::group("available") })));
    }
    let gone = mock!(aws_sdk_elasticache::Client::describe_replication_groups).then_error(|| {
        DescribeReplicationGroupsError::ReplicationGroupNotFoundFault(
            ReplicationGroupNotFoundFault::builder().build(),
        )
    });
    let mocks = Mocks { elasticache: &[&gone], ..Mocks::default() };
    assert_eq!(ask(mocks, Question::Group("cache".to_owned())).await.unwrap().group, Some(None));
}
