//! SNS topics: their attributes and all of their subscriptions, as SNS has no call for many topics.

use aws_sdk_sns::types::Subscription as Answer;
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;
use url::Url;

use crate::component::Component;
use crate::decision::Verdict;
use crate::decision::kind::topic::{Facts, Subscription, verdict};
use crate::observe::metrics::Query;
use crate::observe::sqs::beside::{WHILE, beside, gap, is_absent, key, measure};
use crate::sweep::{Api, Ask, Pages};

/// How SNS says that a topic is not there.
const ABSENT: [&str; 2] = ["NotFound", "NotFoundException"];

/// What SNS says of a topic.
#[derive(Default)]
struct Read {
    facts: Facts,
    /// The ARNs of what is subscribed to it.
    endpoints: Vec<String>,
    key: String,
}

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, topics: &[Component]) {
    let read = join_all(topics.iter().map(|topic| async move { (topic, read(ask, topic).await) })).await;
    let mut known = Vec::new();
    for (topic, read) in read {
        match read {
            Ok(read) => known.push((topic, read)),
            Err(error) => ask.unknown(topic, &error),
        }
    }
    let queries: Vec<Query> =
        known.iter().filter(|(_, read)| !read.facts.absent).map(|(topic, _)| failed(topic)).collect();
    let (values, gaps) = measure(ask, &queries).await;
    let mut values = values.into_iter();
    for (topic, read) in known {
        let facts = if read.facts.absent {
            read.facts
        } else {
            let failed = values.next().flatten();
            Facts { failed, gaps: [read.facts.gaps, gaps.clone()].concat(), ..read.facts }
        };
        ask.say(topic, verdict(&facts));
        let followed = read.endpoints.iter().filter_map(|arn| beside(topic.arn(), arn));
        followed.chain(key(topic.arn(), &read.key)).for_each(|other| ask.needs(topic, other));
    }
}

fn failed(topic: &Component) -> Query {
    Query {
        namespace: "AWS/SNS",
        name: "NumberOfNotificationsFailed",
        dimensions: vec![("TopicName", topic.name.clone())],
        statistic: "Sum",
        over: WHILE,
    }
}

/// Either call may be denied alone: what the other answered still counts. An error only where neither was answered.
async fn read(ask: &Ask<'_>, topic: &Component) -> Result<Read> {
    let mut read = Read::default();
    let attributes = attributes(ask, topic, &mut read).await;
    if read.facts.absent {
        return Ok(read);
    }
    let subscriptions = subscriptions(ask, topic, &mut read).await;
    if read.facts.absent {
        return Ok(read);
    }
    match (attributes, subscriptions) {
        (Err(error), Err(_)) if read.facts.subscriptions.is_empty() => return Err(error),
        (attributes, subscriptions) => {
            let gaps = [("its attributes", attributes), ("its subscriptions", subscriptions)];
            let gaps = gaps.into_iter().filter_map(|(what, done)| Some(gap(what, &done.err()?)));
            read.facts.gaps = gaps.collect::<Vec<Verdict>>();
        }
    }
    Ok(read)
}

async fn attributes(ask: &Ask<'_>, topic: &Component, read: &mut Read) -> Result<()> {
    let answer = {
        let _turn = ask.turn(Api::Sns).await;
        let call = ask.clients.sns().get_topic_attributes().topic_arn(topic.arn());
        call.send().await.action("sns:GetTopicAttributes")
    };
    match answer {
        Ok(answer) => {
            let attributes = answer.attributes.unwrap_or_default();
            read.facts.confirmed =
                attributes.get("SubscriptionsConfirmed").and_then(|count| count.parse().ok());
            read.key = attributes.get("KmsMasterKeyId").cloned().unwrap_or_default();
            Ok(())
        }
        Err(error) if is_absent(&error, &ABSENT) => {
            read.facts.absent = true;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// All pages; those that were read before one failed stay.
async fn subscriptions(ask: &Ask<'_>, topic: &Component, read: &mut Read) -> Result<()> {
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let answer = {
            let _turn = ask.turn(Api::Sns).await;
            let call = ask.clients.sns().list_subscriptions_by_topic().topic_arn(topic.arn());
            call.set_next_token(token).send().await.action("sns:ListSubscriptionsByTopic")
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_absent(&error, &ABSENT) => {
                read.facts.absent = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for subscription in answer.subscriptions() {
            read.facts.subscriptions.push(Subscription {
                arn: subscription.subscription_arn().unwrap_or_default().to_owned(),
                place: place(subscription),
            });
            read.endpoints.extend(subscription.endpoint().map(ToOwned::to_owned));
        }
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            // Without even an empty list, nothing was said.
            read.facts.listed = answer.subscriptions.is_some();
            return Ok(());
        }
    }
}

/// Where a subscription leads, as far as that is no secret: addresses of people are theirs, and the path or the user
/// of a URL may be a key.
fn place(subscription: &Answer) -> String {
    let (protocol, endpoint) =
        (subscription.protocol().unwrap_or_default(), subscription.endpoint().unwrap_or_default());
    let name = match protocol {
        "sqs" | "lambda" | "firehose" => endpoint.rsplit([':', '/']).next().unwrap_or_default().to_owned(),
        "http" | "https" => {
            let url = Url::parse(endpoint).ok();
            url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    format!("{protocol} {name}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::types::Subscription;
    use proptest::prelude::*;

    use super::{check, place};
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::observe::sqs::tests::{mangled, now};
    use crate::wire::{Reply, Wire};

    const TOPIC: &str = "arn:aws:sns:eu-central-1:1:news";

    fn attributes() -> Reply {
        let entry = |key: &str, value: &str| format!("<entry><key>{key}</key><value>{value}</value></entry>");
        let entries = [entry("SubscriptionsConfirmed", "1"), entry("KmsMasterKeyId", "0a1b")].concat();
        Reply::xml("GetTopicAttributes", &format!("<Attributes>{entries}</Attributes>"))
    }

    fn page(arns: &[&str], token: &str) -> String {
        let member = |arn: &&str| {
            format!(
                "<member><TopicArn>{TOPIC}</TopicArn><Protocol>sqs</Protocol><SubscriptionArn>{arn}</SubscriptionArn>\
                 <Owner>1</Owner><Endpoint>arn:aws:sqs:eu-central-1:1:orders</Endpoint></member>"
            )
        };
        let members: String = arns.iter().map(member).collect();
        let token = if token.is_empty() { String::new() } else { format!("<NextToken>{token}</NextToken>") };
        format!("<Subscriptions>{members}</Subscriptions>{token}")
    }

    fn list(arns: &[&str], token: &str) -> Reply {
        Reply::xml("ListSubscriptionsByTopic", &page(arns, token))
    }

    fn wire(attributes: Reply, first: Reply, second: Reply, failed: Option<f64>) -> Wire {
        Wire::new(move |call| match call.action.as_str() {
            "GetTopicAttributes" => attributes.clone(),
            "ListSubscriptionsByTopic" if call.body.contains("NextToken") => second.clone(),
            "ListSubscriptionsByTopic" => first.clone(),
            _ => Reply::metrics(&[failed]),
        })
    }

    async fn checked(wire: &Wire) -> Verdict {
        let ask = wire.ask();
        check(&ask, &[Component::at(TOPIC).unwrap()]).await;
        ask.verdict(Kind::Subscriptions, "news").unwrap()
    }

    #[tokio::test]
    async fn a_topic_is_read_as_sns_answers_and_what_cannot_be_asked_is_unknown() {
        let sure = "arn:aws:sns:eu-central-1:1:news:0a1b";
        let (denied, throttled) =
            (Reply::xml_error(403, "AuthorizationError"), Reply::xml_error(400, "Throttling"));
        let (gone, none) = (Reply::xml_error(404, "NotFound"), list(&[], ""));
        let cases = [
            (attributes(), list(&[sure], ""), none.clone(), None, Health::Healthy, "1 subscribed"),
            (
                attributes(),
                list(&[sure], "t"),
                list(&["PendingConfirmation"], ""),
                None,
                Health::Degraded,
                "sqs orders",
            ),
            (attributes(), list(&[sure], ""), none.clone(), Some(2.0), Health::Degraded, "2 notifications"),
            (attributes(), none.clone(), none.clone(), None, Health::Unknown, "lists none"),
            (denied.clone(), none.clone(), none.clone(), None, Health::Degraded, "nobody"),
            (
                denied.clone(),
                list(&[sure], ""),
                none.clone(),
                None,
                Health::Unknown,
                "its attributes could not be checked: sns:GetTopicAttributes is denied",
            ),
            (
                denied.clone(),
                denied.clone(),
                none.clone(),
                None,
                Health::Unknown,
                "could not be checked: sns:GetTopicAttributes is denied",
            ),
            (
                attributes(),
                denied,
                none.clone(),
                None,
                Health::Unknown,
                "sns:ListSubscriptionsByTopic is denied",
            ),
            (attributes(), list(&[sure], "t"), throttled.clone(), None, Health::Unknown, "Throttling"),
            (
                attributes(),
                list(&["PendingConfirmation"], "t"),
                throttled,
                None,
                Health::Degraded,
                "its subscriptions could not be checked",
            ),
            (gone.clone(), none.clone(), none.clone(), None, Health::Failed, "does not exist"),
            (attributes(), gone, none, None, Health::Failed, "does not exist"),
        ];
        for (attributes, first, second, failed, health, reason) in cases {
            let verdict = checked(&wire(attributes, first, second, failed)).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{reason}: {verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_topic_stands_on_what_is_subscribed_to_it_and_on_its_key() {
        let sure = "arn:aws:sns:eu-central-1:1:news:0a1b";
        let wire = wire(attributes(), list(&[sure], ""), list(&[], ""), None);
        let ask = wire.ask();
        check(&ask, &[Component::at(TOPIC).unwrap()]).await;
        let needs: Vec<_> = ask.said().get("sns-topic:news").unwrap().needs.iter().cloned().collect();
        assert_eq!(needs, ["kms-key:0a1b", "sqs-queue:orders"]);
    }

    #[test]
    fn no_address_and_no_secret_is_told() {
        for (protocol, endpoint, told) in [
            ("email", "me@example.com", "email"),
            ("sms", "+43123456", "sms"),
            (
                "https",
                "https://user:key@hooks.example.com/services/T0/secret?token=1",
                "https hooks.example.com",
            ),
            ("https", "no address", "https"),
            ("sqs", "arn:aws:sqs:eu-central-1:1:orders", "sqs orders"),
            ("lambda", "arn:aws:lambda:eu-central-1:1:function:hook", "lambda hook"),
            ("firehose", "arn:aws:firehose:eu-central-1:1:deliverystream/logs", "firehose logs"),
            ("", "", ""),
        ] {
            let subscription = Subscription::builder().protocol(protocol).endpoint(endpoint).build();
            assert_eq!(place(&subscription), told);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_topic_is_healthy_whose_subscription_is_mangled(
            body in mangled(&page(&["arn:aws:sns:eu-central-1:1:news:0a1b"], "")),
        ) {
            let list = Reply::xml("ListSubscriptionsByTopic", &body);
            let verdict = now(checked(&wire(attributes(), list, Reply::error(500, "InternalError"), None)));
            let whole = body.contains("<SubscriptionArn>arn:");
            prop_assert!(whole || verdict.health != Health::Healthy, "{body} {verdict:?}");
        }
    }
}
