//! An incident that ends and comes back within seconds: each channel hears all three, under one key.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::doubles::{CONVERSATION, SlackApp, TOKEN, at, double, pagerduty, take};
use super::scene::{Named, SHORT, Scene, notice};
use crate::stage::{PATIENCE, Stage};

pub(super) const TESTS: [Named; 1] =
    [("what_ends_and_comes_back_is_told_three_times_under_one_key", |stage| returns(stage).boxed_local())];

const INCIDENT: &str = "returns-web";

async fn returns(stage: &Stage) -> anyhow::Result<()> {
    let (pager, answer) = double(pagerduty, take);
    at(stage, "/returns/pager/", answer);
    let app = SlackApp::default();
    let called = app.clone();
    at(stage, "/returns/slack/", move |request| called.called(request));
    let (topic, inbox) = fifo(stage, "returns").await?;
    let channels = |at: &str| {
        json!([
            {"name": "returns-app", "type": "slack-app", "token": TOKEN, "channel": CONVERSATION,
                "api": format!("{at}/slack/")},
            {"name": "returns-pager", "type": "pagerduty", "routing_key": "1".repeat(32), "api": format!("{at}/pager/")},
            {"name": "returns-topic", "type": "sns", "topic": topic},
        ])
    };
    let scene = Scene::new(stage, "returns", channels, "").await?;
    let function = scene.healthy().await?;
    for (seconds, state) in [(-4, "firing"), (-2, "resolved"), (0, "firing")] {
        scene.send(&[notice(INCIDENT, state, "sev2", seconds).to_string()]).await?;
        scene.work(&function, SHORT).await?;
    }

    let events = pager.all();
    let of = |name: &str| events.iter().map(|heard| heard.request.json()[name].clone()).collect::<Vec<_>>();
    ensure!(of("event_action") == ["trigger", "resolve", "trigger"], "the pager: {:?}", of("event_action"));
    let keys: BTreeSet<_> = of("dedup_key").iter().map(Value::to_string).collect();
    ensure!(keys.len() == 1, "the end does not find its beginning: {keys:?}");

    let posted = app.posted();
    let [first, answers @ ..] = posted.as_slice() else { anyhow::bail!("Slack was told nothing") };
    ensure!(first.thread.is_none() && first.said.len() == 3, "the first message is not changed: {posted:#?}");
    let shown: Vec<_> = first.said.iter().map(|said| said.contains("resolved")).collect();
    ensure!(shown == [false, true, false], "the message does not show where it stands: {:?}", first.said);
    let in_thread = answers.iter().all(|answer| answer.thread.as_ref() == Some(&first.ts));
    ensure!(answers.len() == 2 && in_thread, "what changed is not in the thread: {answers:#?}");
    ensure!(
        answers[0].broadcast && answers[0].said[0].contains("resolved"),
        "the end is quiet: {answers:#?}"
    );

    let messages = inbox_of(stage, &inbox, 3).await?;
    let attribute = |message: &Message, name: MessageSystemAttributeName| {
        message.attributes().and_then(|all| all.get(&name).cloned()).unwrap_or_default()
    };
    let ids: BTreeSet<_> = messages
        .iter()
        .map(|message| attribute(message, MessageSystemAttributeName::MessageDeduplicationId))
        .collect();
    let groups: BTreeSet<_> = messages
        .iter()
        .map(|message| attribute(message, MessageSystemAttributeName::MessageGroupId))
        .collect();
    ensure!(ids.len() == 3 && groups.len() == 1, "{} deduplication ids in {groups:?}", ids.len());
    let ended: Vec<_> =
        messages.iter().map(|message| message.body().unwrap_or_default().contains("resolved")).collect();
    ensure!(ended == [false, true, false], "the topic does not keep the order: {ended:?}");

    let mut states = scene.deliveries(INCIDENT).await?;
    states.sort();
    let expected: Vec<_> = [
        ("returns-app", "acknowledged"),
        ("returns-pager", "acknowledged"),
        ("returns-topic", "accepted_unverified"),
    ]
    .iter()
    .flat_map(|(channel, state)| std::iter::repeat_n(((*channel).to_owned(), (*state).to_owned()), 3))
    .collect();
    ensure!(states == expected, "not three revisions on each channel: {states:?}");
    Ok(())
}

/// A FIFO topic, and a queue that is subscribed to it.
async fn fifo(stage: &Stage, name: &str) -> anyhow::Result<(String, String)> {
    let (sns, sqs) = (&stage.sns, &stage.sqs);
    let file = format!("{name}.fifo");
    let topic = sns.create_topic().name(&file).attributes("FifoTopic", "true").send().await?;
    let topic = topic.topic_arn.context("the topic has no ARN")?;
    let arn = format!("arn:aws:sqs:{}:{}:{file}", local::aws::REGION, local::aws::ACCOUNT);
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage",
        "Principal": {"Service": "sns.amazonaws.com"}, "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
    let queue = sqs
        .create_queue()
        .queue_name(&file)
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::Policy, policy.to_string())
        .send()
        .await?;
    let subscribed = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&arn);
    subscribed.attributes("RawMessageDelivery", "true").send().await?;
    Ok((topic, queue.queue_url.context("the queue has no URL")?))
}

/// So many messages of a queue, in its order.
async fn inbox_of(stage: &Stage, url: &str, count: usize) -> anyhow::Result<Vec<Message>> {
    let mut messages = Vec::new();
    let received = async {
        while messages.len() < count {
            let received = stage.sqs.receive_message().queue_url(url).max_number_of_messages(10);
            let received = received.message_system_attribute_names(MessageSystemAttributeName::All);
            for message in received.wait_time_seconds(1).send().await?.messages.unwrap_or_default() {
                let handle = message.receipt_handle().unwrap_or_default();
                stage.sqs.delete_message().queue_url(url).receipt_handle(handle).send().await?;
                messages.push(message);
            }
        }
        anyhow::Ok(())
    };
    let ended = tokio::time::timeout(PATIENCE, received).await;
    match ended {
        Ok(result) => result?,
        Err(_) => anyhow::bail!("{} of {count} messages came to {url}", messages.len()),
    }
    Ok(messages)
}
