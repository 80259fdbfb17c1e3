//! What the tests of several modules begin with: version v2 of the secret prod/db is rotated in after v1.

use aws_smithy_mocks::{Rule, RuleMode, mock_client};
use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;
use shared::ledger::Ledger;
use shared::ledger::rotation::{Overlap, Phase, Rotation, State};
use shared::strategy::{ROTATION, Strategy};

use crate::Clients;
use crate::document::Document;
use crate::event::{Hook, Request};
use crate::facts::{Facts, Group, Login, Secret, User, Which, Work};

pub(crate) const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";

pub(crate) fn noon() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn request(step: Hook) -> Request {
    Request { step, secret: SECRET.to_owned(), version: "v2".to_owned(), rotation_token: None }
}

pub(crate) fn secret(strategy: Strategy) -> Secret {
    let stages = [("v0", "AWSPREVIOUS"), ("v1", "AWSCURRENT"), ("v2", "AWSPENDING")];
    Secret {
        name: "prod/db".to_owned(),
        stages: stages.map(|(version, stage)| (version.to_owned(), vec![stage.to_owned()])).into(),
        rotation_enabled: Some(true),
        tags: [(ROTATION.to_owned(), strategy.as_str().to_owned())].into(),
    }
}

/// Versions, tags and what the ledger says are known, and nothing stands in the ledger; the values are those of a rotation
/// whose createSecret is done.
pub(crate) fn facts(step: Hook, strategy: Strategy) -> Facts {
    let mut facts = Facts::of(Work::Step(request(step)));
    facts.secret = Some(Some(secret(strategy)));
    facts.rotation = Some(None);
    facts.overlap = Some(None);
    let (current, pending, previous) = values(strategy);
    facts.values.insert(Which::Current, Some(document(current)));
    facts.values.insert(Which::Pending, Some(document(pending)));
    facts.values.insert(Which::Previous, Some(document(previous)));
    facts
}

/// What AWSCURRENT, AWSPENDING and AWSPREVIOUS hold.
pub(crate) const fn values(strategy: Strategy) -> (&'static str, &'static str, &'static str) {
    match strategy {
        Strategy::Postgres => (
            r#"{"engine":"postgres","host":"db","username":"app","password":"current-1"}"#,
            r#"{"engine":"postgres","host":"db","username":"app","password":"pending-2"}"#,
            r#"{"engine":"postgres","host":"db","username":"app","password":"previous-0"}"#,
        ),
        Strategy::PostgresAlternating => (
            r#"{"engine":"postgres","host":"db","username":"app","password":"current-1","masterarn":"arn:master"}"#,
            r#"{"engine":"postgres","host":"db","username":"app_clone","password":"pending-2","masterarn":"arn:master"}"#,
            r#"{"engine":"postgres","host":"db","username":"app_clone","password":"previous-0","masterarn":"arn:master"}"#,
        ),
        Strategy::ValkeyUser => (
            r#"{"engine":"valkey","host":"kv","username":"app","password":"current-1","user_id":"app-1"}"#,
            r#"{"engine":"valkey","host":"kv","username":"app","password":"pending-2","user_id":"app-1"}"#,
            r#"{"engine":"valkey","host":"kv","username":"app","password":"previous-0","user_id":"app-1"}"#,
        ),
        Strategy::ValkeyAuthToken => (
            r#"{"engine":"valkey","host":"kv","password":"current-1","replication_group_id":"cache"}"#,
            r#"{"engine":"valkey","host":"kv","password":"pending-2","replication_group_id":"cache"}"#,
            r#"{"engine":"valkey","host":"kv","password":"previous-0","replication_group_id":"cache"}"#,
        ),
        Strategy::Random => ("current-1", "pending-2", "previous-0"),
    }
}

pub(crate) fn document(text: &str) -> Document {
    Document::read(text).unwrap()
}

pub(crate) fn let_in(name: &str) -> Login {
    Login::In { user: name.to_owned(), acts_as: name.to_owned() }
}

pub(crate) fn refused() -> Login {
    Login::Refused { said: "no".to_owned() }
}

pub(crate) fn user(status: &str, authentication: &str) -> User {
    User { name: "app".to_owned(), status: status.to_owned(), authentication: authentication.to_owned() }
}

pub(crate) fn group(status: &str) -> Group {
    Group { status: status.to_owned(), tls: true }
}

pub(crate) fn overlap(version: &str, phase: Phase) -> Overlap {
    Overlap { version: version.to_owned(), phase, at: noon() }
}

pub(crate) fn rotation(version: &str, previous: &str, strategy: Strategy, state: State) -> Rotation {
    Rotation {
        secret: SECRET.to_owned(),
        version: version.to_owned(),
        previous: Some(previous.to_owned()),
        strategy,
        step: "setSecret".to_owned(),
        state,
        said: String::new(),
        exposed: None,
        at: noon(),
    }
}

/// The rules of each client; what is not listed is not called.
#[derive(Default)]
pub(crate) struct Mocks<'a> {
    pub(crate) secrets: &'a [&'a Rule],
    pub(crate) elasticache: &'a [&'a Rule],
    pub(crate) dynamodb: &'a [&'a Rule],
}

impl Mocks<'_> {
    pub(crate) fn clients(&self) -> Clients {
        let dynamodb = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, self.dynamodb, |conf| conf
            .retry_config(RetryConfig::disabled()));
        Clients {
            secrets: mock_client!(aws_sdk_secretsmanager, RuleMode::MatchAny, self.secrets, |conf| conf
                .retry_config(RetryConfig::disabled())),
            elasticache: mock_client!(aws_sdk_elasticache, RuleMode::MatchAny, self.elasticache, |conf| conf
                .retry_config(RetryConfig::disabled())),
            ledger: Ledger::new(dynamodb, "ledger"),
        }
    }
}
