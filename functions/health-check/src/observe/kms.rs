//! KMS keys, one call each: KMS has no call for many.

use futures_util::future::join_all;
use jiff::Timestamp;
use shared::Result;
use shared::error::Call;

use crate::component::Component;
use crate::decision::Findings;
use crate::decision::kind::key::{Facts, verdict};
use crate::sweep::{Api, Ask};

/// Checks all of them; `account` is the number of the account that all of it is in, empty where it is not known.
pub(crate) async fn check(ask: &Ask<'_>, keys: &[Component], account: &str) {
    join_all(keys.iter().map(|key| one(ask, key, account))).await;
}

async fn one(ask: &Ask<'_>, key: &Component, account: &str) {
    // Whoever owns it looks after it; asking for it from here is refused, sweep after sweep.
    if let Some(owner) = key.account().filter(|owner| !account.is_empty() && *owner != account) {
        let mut found = Findings::new();
        found.not_applicable(format!("it is a key of the account {owner}, and looked after there"));
        return ask.say(key, found.verdict(""));
    }
    match facts(ask, key.arn()).await {
        Ok(facts) => ask.say(key, verdict(&facts, ask.now)),
        Err(error) if error.code() == Some("NotFoundException") => {
            ask.say(key, verdict(&Facts { gone: true, ..Facts::default() }, ask.now));
        }
        Err(error) => ask.unknown(key, &error),
    }
}

async fn facts(ask: &Ask<'_>, arn: &str) -> Result<Facts> {
    let _turn = ask.turn(Api::Kms).await;
    let answer = ask.clients.kms().describe_key().key_id(arn).send().await.action("kms:DescribeKey")?;
    let Some(key) = answer.key_metadata else { return Ok(Facts::default()) };
    let time = |time: Option<aws_smithy_types::DateTime>| Timestamp::from_second(time?.secs()).ok();
    Ok(Facts {
        gone: false,
        state: key.key_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        deleted_at: time(key.deletion_date),
        material_until: time(key.valid_to),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::Health;
    use crate::wire::{Reply, Wire};

    #[tokio::test]
    async fn a_key_is_read_as_kms_answers_and_what_cannot_be_asked_is_unknown() {
        let cases = [
            (
                Reply::ok(json!({"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}})),
                Health::Healthy,
                "enabled",
            ),
            (
                Reply::ok(
                    json!({"KeyMetadata": {"KeyId": "k", "KeyState": "PendingDeletion", "DeletionDate": 1.8e9}}),
                ),
                Health::Failed,
                "deleted on 2027-01-15",
            ),
            (
                Reply::ok(json!({"KeyMetadata": {"KeyId": "k", "KeyState": "Melted"}})),
                Health::Unknown,
                "Melted",
            ),
            (Reply::ok(json!({})), Health::Unknown, "does not say"),
            (Reply::error(400, "AccessDeniedException"), Health::Unknown, "kms:DescribeKey is denied"),
            (Reply::error(400, "ThrottlingException"), Health::Unknown, "ThrottlingException"),
            (Reply::error(400, "NotFoundException"), Health::Failed, "does not exist"),
        ];
        for (reply, health, reason) in cases {
            let wire = Wire::new(move |_| reply.clone());
            let ask = wire.ask();
            check(&ask, &[Component::at("arn:aws:kms:eu-central-1:1:key/k").unwrap()], "1").await;
            let verdict = ask.verdict(Kind::Key, "k").unwrap();
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }
    #[tokio::test]
    async fn a_key_of_another_account_is_not_asked_for() {
        for (account, health, asked) in
            [("1", Health::Healthy, 1), ("", Health::Healthy, 1), ("2", Health::NotApplicable, 0)]
        {
            let wire =
                Wire::new(|_| Reply::ok(json!({"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}})));
            let ask = wire.ask();
            check(&ask, &[Component::at("arn:aws:kms:eu-central-1:1:key/k").unwrap()], account).await;
            let verdict = ask.verdict(Kind::Key, "k").unwrap();
            assert_eq!((verdict.health, wire.calls().len()), (health, asked), "{account}: {verdict:?}");
        }
    }
}
