//! The deployed template: real alarms, topics and queues of local AWS, IAM enforced, receivers over TLS.

mod by_hand;
mod health;
mod letters;
mod pack;
mod queue;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use aws_sdk_cloudwatch::types::StateValue;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use futures_util::FutureExt;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use local::receiver::{Answer, Request};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::ledger::operation::End;
use shared::ledger::revision::{Revision, Standing};

use crate::rig::fact;
use crate::stage::{PATIENCE, SIGNING_KEY, Stage, Test};
use crate::world::{By, World, notices, now, settled};

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests: [(&str, Test); 11] = [
        ("nobody_without_permission_gets_an_answer", |stage| enforced(stage).boxed_local()),
        ("a_real_alarm_rolls_a_bad_deployment_back_and_everybody_hears_of_it_once", |stage| {
            story(stage).boxed_local()
        }),
        ("an_alarm_that_is_ok_again_closes_the_rollback_with_one_notice", |stage| {
            closed(stage).boxed_local()
        }),
        ("the_same_alarm_ten_times_at_once_is_one_rollback_and_one_notice", |stage| ten(stage).boxed_local()),
        ("a_second_alarm_for_the_same_service_does_nothing_more_and_says_why", |stage| {
            second(stage).boxed_local()
        }),
        ("a_service_that_is_only_observed_is_left_alone_and_talked_about", |stage| {
            observed(stage).boxed_local()
        }),
        ("whatever_is_published_to_the_topic_becomes_a_readable_message", |stage| {
            anything(stage).boxed_local()
        }),
        ("a_channel_that_asks_to_wait_is_waited_for_and_delays_no_other", |stage| busy(stage).boxed_local()),
        ("what_a_channel_refuses_for_good_is_kept_with_the_reason", |stage| refused(stage).boxed_local()),
        ("a_message_sent_back_from_the_dead_letters_goes_only_where_it_is_missing", |stage| {
            sent_back(stage).boxed_local()
        }),
        ("every_event_of_the_corpus_is_answered", |stage| corpus(stage).boxed_local()),
    ];
    let tests = tests
        .into_iter()
        .chain(by_hand::TESTS)
        .chain(pack::TESTS)
        .chain(letters::TESTS)
        .chain(queue::TESTS)
        .chain(health::TESTS);
    tests.map(|(name, test)| (format!("deployed::{name}"), test)).collect()
}

async fn enforced(stage: &Stage) -> anyhow::Result<()> {
    let credentials =
        aws_sdk_ecs::config::Credentials::new("AKIANOBODYKNOWSTHIS1", "secret", None, None, "test");
    let config = aws_sdk_ecs::config::Builder::from(&stage.deployment.config)
        .credentials_provider(credentials)
        .build();
    let answer = aws_sdk_ecs::Client::from_conf(config).list_clusters().send().await;
    ensure!(answer.is_err(), "local AWS answers whoever asks, so a missing permission would not be noticed");
    Ok(())
}

async fn story(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "story-web").await?;
    let alarm = world.alarm("errors", true).await?;
    alarm.measure(1.0).await?;
    alarm.measure(9.0).await?;

    let heard = world.notices(1).await?;
    world.expect_revision(1).await?;
    ensure!(heard[0]["title"] == "demo/story-web rolled back to story-web:1", "{}", heard[0]);
    ensure!(heard[0]["state"] == "firing" && heard[0]["severity"] == "sev2", "{}", heard[0]);

    settled(stage, "quiet-after-one").await?;
    let at = |path: &str| -> Vec<Request> {
        let all = stage.deployment.receiver.requests(path);
        all.into_iter()
            .filter(|request| request.json().to_string().contains("story-web rolled back"))
            .collect()
    };
    let signed = at("/audit");
    ensure!(signed.len() == 1, "the webhook heard of it {} times", signed.len());
    for request in &signed {
        check_signature(request)?;
    }
    let slack = at("/slack");
    ensure!(slack.len() == 1, "Slack heard of it {} times", slack.len());
    let message = slack[0].json();
    ensure!(
        message["text"].as_str().is_some_and(|text| text.contains("rolled back")),
        "no fallback text: {message}"
    );

    Ok(())
}

async fn closed(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "closed-web").await?;
    let alarm = world.alarm("errors", true).await?;
    alarm.measure(9.0).await?;
    world.notices(1).await?;
    alarm.set(StateValue::Ok).await?;

    let heard = world.notices(2).await?;
    let (opened, closing) = (&heard[0], &heard[1]);
    ensure!(closing["state"] == "resolved" && closing["source"] == "deployment-watch", "{closing:#}");
    ensure!(
        closing["title"] == "demo/closed-web is healthy again: rolled back to closed-web:1",
        "{closing:#}"
    );
    ensure!(closing["incident"] == opened["incident"], "the end belongs to the same incident: {closing:#}");
    ensure!(closing["revision"].as_u64() > opened["revision"].as_u64(), "{closing:#}");
    ensure!(fact(closing, "From") == Some("closed-web:2"), "{closing:#}");
    ensure!(fact(closing, "To") == Some("closed-web:1"), "{closing:#}");
    let summary = closing["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains("and the alarm OK ") && summary.ends_with("s after it fired."), "{summary}");

    let memory = world.memory().await?;
    let good = |known: &Revision| known.standing == Standing::Good && known.arn.ends_with("/closed-web:1");
    ensure!(memory.revisions.iter().any(good), "the revision is not remembered as good: {memory:?}");
    ensure!(memory.operations.len() == 1 && memory.operations[0].end == Some(End::Recovered), "{memory:?}");
    // Neither the alarm's own OK nor a second look says it again.
    settled(stage, "quiet-after-the-end").await?;
    let heard = world.notices(2).await?;
    ensure!(heard.len() == 2, "people heard {} different things: {heard:#?}", heard.len());
    Ok(())
}

/// As a receiver checks it: HMAC-SHA-256 over timestamp and body, in hexadecimal.
fn check_signature(request: &Request) -> anyhow::Result<()> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_KEY.as_bytes())?;
    mac.update(request.header("watchkeeper-timestamp").as_bytes());
    mac.update(b".");
    mac.update(&request.body);
    let expected = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
    let got = request.header("watchkeeper-signature");
    ensure!(got == expected, "the signature is {got:?}");
    ensure!(!request.header("idempotency-key").is_empty(), "there is no idempotency key");
    Ok(())
}

async fn ten(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "ten-web").await?;
    let alarm = world.alarm("errors", false).await?;
    alarm.set(StateValue::Alarm).await?;
    let now = now();
    let events: Vec<Value> = [By::Direct, By::EventBridge, By::Sns]
        .into_iter()
        .cycle()
        .take(10)
        .map(|by| alarm.event(by, "OK", "ALARM", now))
        .collect::<anyhow::Result<_>>()?;

    let answers = join_all(events.iter().map(|event| stage.invoke("AlarmRollbackFunction", event))).await;

    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    for answer in answers {
        let answer = answer?.map_err(|error| anyhow::anyhow!("an invocation failed: {error}"))?;
        *outcomes.entry(answer["outcome"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
    }
    let expected = BTreeMap::from([("ignored".to_owned(), 9), ("rolled_back".to_owned(), 1)]);
    ensure!(outcomes == expected, "{outcomes:?}");
    world.expect_revision(1).await?;
    settled(stage, "quiet-after-all").await?;
    ensure!(world.notices(1).await?.len() == 1, "people heard of it more than once");
    Ok(())
}

async fn second(stage: &Stage) -> anyhow::Result<()> {
    let world = World::new(stage, "second-web").await?;
    for (name, outcome, reason) in
        [("errors", "rolled_back", "back to second-web:1"), ("latency", "held", "already in progress since")]
    {
        let alarm = world.alarm(name, false).await?;
        alarm.set(StateValue::Alarm).await?;
        let event = alarm.event(By::EventBridge, "OK", "ALARM", now())?;
        let answer = stage.invoke("AlarmRollbackFunction", &event).await?;
        let answer = answer.map_err(|error| anyhow::anyhow!("{name} failed: {error}"))?;
        ensure!(answer["outcome"] == outcome, "{name}: {answer}");
        ensure!(answer["reason"].as_str().is_some_and(|said| said.contains(reason)), "{name}: {answer}");
    }
    world.expect_revision(1).await?;
    let heard = world.notices(2).await?;
    let held =
        |told: &Value| told["summary"].as_str().is_some_and(|said| said.contains("already in progress"));
    ensure!(heard.iter().any(held), "{heard:#?}");
    Ok(())
}

async fn observed(stage: &Stage) -> anyhow::Result<()> {
    let world = World::tagged(stage, "observed-web", &[("watchkeeper:mode", "observe")]).await?;
    let alarm = world.alarm("errors", true).await?;
    alarm.measure(9.0).await?;
    let heard = world.notices(1).await?;
    ensure!(heard[0]["title"] == "demo/observed-web would be rolled back to observed-web:1", "{}", heard[0]);
    world.expect_revision(2).await
}

async fn anything(stage: &Stage) -> anyhow::Result<()> {
    let topic = stage.output("NoticesTopicArn")?;
    let alarm = json!({"AlarmName": "odd-alarm", "NewStateValue": "ALARM", "NewStateReason": "odd-reason",
        "StateChangeTime": "2026-11-20T03:00:00.000+0000", "AlarmDescription": null});
    let messages = [
        ("odd-text", "odd-text: the nightly export failed <!channel>".to_owned()),
        (
            "odd-json",
            json!({"odd-json": [1, 2, {"deep": null}], "channel": "https://attacker.example/"}).to_string(),
        ),
        ("odd-alarm", alarm.to_string()),
        ("odd-broken", "{\"odd-broken\": ".to_owned()),
    ];
    for message in ["42", "null", "\"\""] {
        stage.sns.publish().topic_arn(topic).message(message).send().await?;
    }
    for (word, message) in &messages {
        stage.sns.publish().topic_arn(topic).message(message).send().await?;
        notices(stage, "/audit", word, 1).await?;
        notices(stage, "/slack", word, 1).await?;
    }
    let loud = stage
        .deployment
        .receiver
        .requests("/slack")
        .iter()
        .any(|request| String::from_utf8_lossy(&request.body).contains("<!channel>"));
    ensure!(!loud, "a publisher called the whole channel");
    Ok(())
}

async fn busy(stage: &Stage) -> anyhow::Result<()> {
    let receiver = &stage.deployment.receiver;
    receiver.answer("/busy", Answer::new(429, "slow down").header("Retry-After", "2"));
    stage.sns.publish().topic_arn(stage.output("NoticesTopicArn")?).message("busy-once").send().await?;

    let of = |path: &str| -> Vec<Request> {
        let all = receiver.requests(path);
        all.into_iter()
            .filter(|request| String::from_utf8_lossy(&request.body).contains("busy-once"))
            .collect()
    };
    let tries =
        local::deployment::until(PATIENCE, async || Ok(Some(of("/busy")).filter(|tries| tries.len() == 2)));
    let tries = tries.await?.with_context(|| format!("the channel was tried {} times", of("/busy").len()))?;
    let waited = tries[1].at.duration_since(tries[0].at);
    ensure!(waited.as_secs_f64() >= 2.0, "the channel asked for 2 s and got {waited:?}");
    ensure!(of("/audit").len() == 1, "another channel heard of it {} times", of("/audit").len());
    let after = of("/audit")[0].at.saturating_duration_since(tries[0].at);
    ensure!(after.as_secs_f64() < 2.0, "another channel was delayed by {after:?}");
    Ok(())
}

async fn refused(stage: &Stage) -> anyhow::Result<()> {
    let receiver = &stage.deployment.receiver;
    receiver.answer("/strict", Answer::new(400, "no such field"));
    stage.sns.publish().topic_arn(stage.output("NoticesTopicArn")?).message("refused-once").send().await?;

    let letter = dead_letter(stage, "refused-once").await?;
    let attribute = |name: &str| {
        let attributes = letter.message_attributes();
        attributes
            .and_then(|all| all.get(name))
            .and_then(|value| value.string_value())
            .unwrap_or_default()
            .to_owned()
    };
    ensure!(attribute("channel") == "strict", "the letter does not say which channel: {letter:?}");
    ensure!(attribute("error").contains("400"), "the letter does not say why: {letter:?}");
    notices(stage, "/audit", "refused-once", 1).await?;
    notices(stage, "/slack", "refused-once", 1).await?;
    Ok(())
}

async fn sent_back(stage: &Stage) -> anyhow::Result<()> {
    let receiver = &stage.deployment.receiver;
    receiver.answer("/strict", Answer::new(400, "no such field"));
    stage.sns.publish().topic_arn(stage.output("NoticesTopicArn")?).message("sent-back").send().await?;
    let letter = dead_letter(stage, "sent-back").await?;

    let queue = stage.output("NoticesQueueUrl")?;
    let body = letter.body().context("the letter has no body")?;
    stage.sqs.send_message().queue_url(queue).message_body(body).send().await?;

    let of = |path: &str| {
        let all = receiver.requests(path);
        all.iter().filter(|request| String::from_utf8_lossy(&request.body).contains("sent-back")).count()
    };
    let again = local::deployment::until(PATIENCE, async || Ok((of("/strict") == 2).then_some(()))).await?;
    again.with_context(|| format!("the channel was tried {} times", of("/strict")))?;
    settled(stage, "quiet-again").await?;
    ensure!(of("/audit") == 1, "a channel that had it heard of it {} times", of("/audit"));
    Ok(())
}

/// The dead letter that contains the word, taken from the queue.
async fn dead_letter(stage: &Stage, word: &str) -> anyhow::Result<aws_sdk_sqs::types::Message> {
    let queue = stage.output("NoticesDeadLettersUrl")?;
    let found = local::deployment::until(PATIENCE, async || {
        let received = stage
            .sqs
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(10)
            .visibility_timeout(0)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await?;
        let messages = received.messages.unwrap_or_default();
        Ok(messages.into_iter().find(|message| message.body().is_some_and(|body| body.contains(word))))
    })
    .await?;
    let letter = found.with_context(|| format!("no dead letter speaks of {word}"))?;
    if let Some(handle) = letter.receipt_handle() {
        stage.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await?;
    }
    Ok(letter)
}

async fn corpus(stage: &Stage) -> anyhow::Result<()> {
    for (folder, function) in [
        ("alarm-rollback", "AlarmRollbackFunction"),
        ("deployment-watch", "DeploymentWatchFunction"),
        ("notification-fanout", "NotificationFanoutFunction"),
    ] {
        for (name, event) in Stage::events(folder)? {
            let answer = stage.invoke(function, &event).await?;
            if let Err(error) = answer {
                let kind = error["errorType"].as_str().unwrap_or_default();
                ensure!(kind == "Permanent", "{folder}/{name} ended with {error}");
            }
        }
    }
    Ok(())
}
