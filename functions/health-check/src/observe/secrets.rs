//! Secrets, one call each; their values are never asked for.

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use futures_util::future::join_all;
use jiff::Timestamp;
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::kind::secret::{Facts, Replica, verdict};
use crate::sweep::{Api, Ask};

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, secrets: &[Component]) {
    join_all(secrets.iter().map(|secret| one(ask, secret))).await;
}

async fn one(ask: &Ask<'_>, secret: &Component) {
    match describe(ask, secret.arn()).await {
        Ok(None) => {
            let gone = Facts { gone: true, ..Facts::default() };
            ask.say(secret, verdict(&gone, ask.rules, ask.now));
        }
        Ok(Some(answer)) => {
            let key = key(&answer);
            ask.say(secret, verdict(&facts(answer), ask.rules, ask.now));
            if let Some(key) = key {
                ask.needs(secret, key);
            }
        }
        Err(error) => ask.unknown(secret, &error),
    }
}

/// What Secrets Manager says; nothing where it does not know the secret.
async fn describe(ask: &Ask<'_>, id: &str) -> Result<Option<DescribeSecretOutput>> {
    let _turn = ask.turn(Api::Secrets).await;
    let answer = ask
        .clients
        .secrets()
        .describe_secret()
        .secret_id(id)
        .send()
        .await
        .action("secretsmanager:DescribeSecret");
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

fn facts(answer: DescribeSecretOutput) -> Facts {
    let time = |time: Option<aws_smithy_types::DateTime>| Timestamp::from_second(time?.secs()).ok();
    // A secret that has copies names its own Region as the primary one.
    let region = answer.arn.as_deref().and_then(|arn| arn.split(':').nth(3)).unwrap_or_default();
    let copy_of = answer.primary_region.filter(|primary| !region.is_empty() && primary != region);
    let replicas = answer.replication_status.unwrap_or_default().into_iter().map(|it| Replica {
        region: it.region.unwrap_or_default(),
        status: it.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        message: it.status_message.unwrap_or_default(),
    });
    Facts {
        gone: false,
        rotates: answer.rotation_enabled,
        rotates_next: time(answer.next_rotation_date),
        rotated: time(answer.last_rotated_date),
        changed: time(answer.last_changed_date),
        deleted: time(answer.deleted_date),
        copy_of,
        versions: answer.version_ids_to_stages.unwrap_or_default().into_values().collect(),
        replicas: replicas.collect(),
    }
}

/// The key of the account that encrypts it. It is named by its ARN, or by its id alone; behind an alias it is not known.
fn key(answer: &DescribeSecretOutput) -> Option<Component> {
    let id = answer.kms_key_id.as_deref()?;
    let named = if id.starts_with("arn:") || id.contains('/') {
        Component::at(id)
    } else {
        let mut parts = answer.arn.as_deref()?.split(':').skip(1);
        let (partition, _, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Component::at(&format!("arn:{partition}:kms:{region}:{account}:key/{id}"))
    };
    named.filter(|it| it.kind == Kind::Key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::observe::s3::tests::mangled;
    use crate::wire::{Reply, Wire, now};

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3";

    fn secret(more: Value) -> Value {
        let mut secret = json!({
            "ARN": ARN, "Name": "prod/db", "RotationEnabled": true,
            "LastChangedDate": 1.79e9, "NextRotationDate": now().as_second() + 86_400,
            "VersionIdsToStages": {"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT"]},
        });
        let Value::Object(more) = more else { return secret };
        secret.as_object_mut().unwrap().extend(more);
        secret
    }

    async fn checked(reply: Reply) -> (Verdict, Vec<String>) {
        let wire = Wire::new(move |_| reply.clone());
        let ask = wire.ask();
        check(&ask, &[Component::at(ARN).unwrap()]).await;
        assert!(wire.calls().iter().all(|call| call.action == "DescribeSecret"), "never the value");
        let more = ask.take_more().iter().map(|key| key.arn().to_owned()).collect();
        (ask.verdict(Kind::Secret, "prod/db").unwrap(), more)
    }

    #[tokio::test]
    async fn a_secret_is_read_as_secrets_manager_answers() {
        let past = now().as_second() - 1;
        let cases = [
            (Reply::ok(secret(json!({}))), Health::Healthy, "it has a value"),
            (Reply::ok(secret(json!({"NextRotationDate": past}))), Health::Degraded, "is overdue since"),
            (
                Reply::ok(secret(json!({"VersionIdsToStages": {"a": ["AWSCURRENT"], "b": ["AWSPENDING"]}}))),
                Health::Degraded,
                "its rotation is stuck",
            ),
            (Reply::ok(secret(json!({"DeletedDate": 1.8e9}))), Health::Failed, "marked for deletion"),
            (
                Reply::ok(secret(json!({"ReplicationStatus": [
                    {"Region": "eu-west-1", "Status": "Failed", "StatusMessage": "no key"}
                ]}))),
                Health::Degraded,
                "its copy in eu-west-1 has failed: no key",
            ),
            (
                Reply::ok(secret(json!({"PrimaryRegion": "eu-west-1", "NextRotationDate": past}))),
                Health::Healthy,
                "it has a value",
            ),
            (
                Reply::ok(secret(json!({"PrimaryRegion": "eu-central-1", "NextRotationDate": past}))),
                Health::Degraded,
                "is overdue since",
            ),
            (Reply::ok(json!({})), Health::Failed, "no current value"),
            (Reply::error(400, "ResourceNotFoundException"), Health::Failed, "does not exist"),
            (
                Reply::error(400, "AccessDeniedException"),
                Health::Unknown,
                "secretsmanager:DescribeSecret is denied",
            ),
            (Reply::error(400, "ThrottlingException"), Health::Unknown, "ThrottlingException"),
        ];
        for (reply, health, reason) in cases {
            let (verdict, _) = checked(reply).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_stands_on_the_key_that_encrypts_it() {
        let key = "arn:aws:kms:eu-central-1:1:key/k";
        for (id, expected) in [(key, Some(key)), ("k", Some(key)), ("alias/aws/secretsmanager", None)] {
            let (_, more) = checked(Reply::ok(secret(json!({"KmsKeyId": id})))).await;
            assert_eq!(more.first().map(String::as_str), expected, "{id}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_answer_never_gives_a_secret_a_value(
            at in 0usize..400, long in 0usize..60, by in "[a-z{}\":,]{0,3}"
        ) {
            let body = mangled(&secret(json!({})).to_string(), at, long, &by);
            let current = body.contains("\"AWSCURRENT\"");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (verdict, _) = runtime.block_on(checked(Reply::ok(body)));
            prop_assert!(current || verdict.health != Health::Healthy, "{:?}", verdict);
        }
    }
}
