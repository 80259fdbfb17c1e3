//! Subscriptions of SNS: where a message goes that could not be delivered.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::Subscription;
use shared::Result;
use shared::error::Call;
use tokio::time::Instant;

use super::ask::{Kind, Seen, each, pages};
use super::attributes::Redrive;
use super::{Named, Source};

/// The list does not say who has a redrive policy, so each is asked for: two thousand take some twenty seconds.
const SUBSCRIPTIONS: Kind = Kind { name: "subscriptions", at_most: 2_000, at_once: 5, patience: Some(5) };

/// What SNS answers for a subscription that is not there.
const GONE: &str = "NotFound";

/// What subscriptions name. One that nobody has confirmed yet has no ARN, and no dead letters.
pub(super) async fn all(client: &Client, until: Instant) -> Seen<Named> {
    let list = pages(&SUBSCRIPTIONS, until, async |token| {
        let request = client.list_subscriptions().set_next_token(token);
        let listed = request.send().await.action("sns:ListSubscriptions")?;
        Ok((listed.subscriptions.unwrap_or_default(), listed.next_token))
    });
    let Seen { found: mut listed, mut blind } = list.await.told(&SUBSCRIPTIONS);
    listed.retain(|subscription| arn(subscription).starts_with("arn:"));
    let ask = async |subscription: &Subscription| read(client, subscription).await;
    let Seen { found, blind: some } = each(&SUBSCRIPTIONS, until, &listed, arn, ask).await;
    blind.extend(some);
    Seen { found: found.into_iter().flatten().collect(), blind }
}

/// What one subscription names, if it names anything; `None`: it is gone.
async fn read(client: &Client, subscription: &Subscription) -> Result<Option<Option<Named>>> {
    let asked = client.get_subscription_attributes().subscription_arn(arn(subscription)).send().await;
    let said = match asked.action("sns:GetSubscriptionAttributes") {
        Ok(said) => said.attributes.unwrap_or_default(),
        Err(error) if error.code() == Some(GONE) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(said.get("RedrivePolicy").and_then(|policy| Redrive::of(policy)).map(|redrive| {
        let source = Source::Subscription {
            arn: arn(subscription).to_owned(),
            topic: subscription.topic_arn.clone().unwrap_or_default(),
            protocol: subscription.protocol.clone().unwrap_or_default(),
            endpoint: subscription.endpoint.clone().unwrap_or_default(),
            raw: said.get("RawMessageDelivery").is_some_and(|raw| raw.eq_ignore_ascii_case("true")),
        };
        (redrive.target, source)
    })))
}

fn arn(subscription: &Subscription) -> &str {
    subscription.subscription_arn().unwrap_or_default()
}
