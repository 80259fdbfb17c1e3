//! `alarm-rollback` and `deployment-watch` behind one proxy, with a topic and a queue of their own: what they say to
//! people and what they ask to look at again is read off the proxy, so that nothing deployed has a hand in it.

use anyhow::{Context, ensure};
use local::proxy::{Answer, Call, Proxy};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};
use shared::timer::Timer;

use crate::faults::spawn_with;
use crate::stage::Stage;

pub(crate) struct Rig {
    pub(crate) proxy: Proxy,
    rollback: Function,
    watch: Function,
}

/// What came of one look of `deployment-watch`, as its report says.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) outcome: String,
    pub(crate) reason: String,
}

impl Looked {
    /// Whether it came to this outcome, for a reason with these words.
    pub(crate) fn expect(&self, outcome: &str, words: &str) -> anyhow::Result<()> {
        ensure!(self.outcome == outcome && self.reason.contains(words), "not {outcome} ({words}): {self:?}");
        Ok(())
    }
}

impl Rig {
    /// In the environment `dev`, in front of local AWS but for the calls that the script answers.
    pub(crate) async fn new(
        stage: &Stage,
        name: &str,
        script: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::within(stage, name, "dev", script).await
    }

    /// In an environment of its own, with a policy of its own.
    pub(crate) async fn within(
        stage: &Stage,
        name: &str,
        environment: &str,
        script: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let proxy = Proxy::forwarding_but(&stage.deployment.aws.endpoint(), script).await?;
        let mut settings = own_channels(stage, name).await?;
        settings.push(("ENVIRONMENT", environment.to_owned()));
        let rollback = spawn_with(stage, &stage.alarm_rollback, proxy.url(), &settings).await?;
        let watch = spawn_with(stage, &stage.deployment_watch, proxy.url(), &settings).await?;
        Ok(Self { proxy, rollback, watch })
    }

    /// Hands an event to `alarm-rollback`; its answer.
    pub(crate) async fn invoke(&self, event: &Value) -> anyhow::Result<Value> {
        match self.attempt(Event::new(event)).await? {
            Outcome::Ok(answer) => Ok(answer),
            outcome => anyhow::bail!("it ended with {outcome:?}"),
        }
    }

    /// The same, however it ends.
    pub(crate) async fn attempt(&self, event: Event) -> anyhow::Result<Outcome> {
        Ok(self.rollback.invoke(event).await?.outcome)
    }

    /// Hands the newest timer that was armed to `deployment-watch`.
    pub(crate) async fn look(&self) -> anyhow::Result<Looked> {
        let timers = self.timers();
        let timer = timers.last().context("no timer was armed")?;
        self.tell(&batch(timer)).await
    }

    /// Hands an event to `deployment-watch`.
    pub(crate) async fn tell(&self, event: &Value) -> anyhow::Result<Looked> {
        let invoked = self.watch.invoke(Event::new(event)).await?;
        ensure!(matches!(invoked.outcome, Outcome::Ok(_)), "the watch ended with {:?}", invoked.outcome);
        let report = self.watch.report(&invoked.request_id).await?;
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        Ok(Looked { outcome: text("outcome"), reason: text("reason") })
    }

    /// What people were told so far, without repetitions.
    pub(crate) fn notices(&self) -> Vec<Value> {
        told(&self.proxy)
    }

    /// The newest of so many notices.
    pub(crate) fn newest(&self, count: usize) -> anyhow::Result<Value> {
        let mut notices = self.notices();
        ensure!(
            notices.len() == count,
            "people were told {} things, not {count}: {notices:#?}",
            notices.len()
        );
        notices.pop().context("people were told nothing")
    }

    /// The timers that were armed so far, as the messages that they are.
    pub(crate) fn timers(&self) -> Vec<String> {
        let calls = self.proxy.calls();
        let sent = calls.iter().filter(|call| call.is("sqs:SendMessage"));
        sent.filter_map(|call| call.json()["MessageBody"].as_str().map(ToOwned::to_owned)).collect()
    }
}

/// The notices that were published through a proxy so far, without repetitions.
pub(crate) fn told(proxy: &Proxy) -> Vec<Value> {
    let mut notices: Vec<Value> = Vec::new();
    for call in proxy.calls().iter().filter(|call| call.is("sns:Publish") && call.status == Some(200)) {
        let message = call.form().into_iter().find(|(name, _)| name == "Message");
        let notice = message.and_then(|(_, text)| serde_json::from_str(&text).ok()).unwrap_or_default();
        if !notices.contains(&notice) {
            notices.push(notice);
        }
    }
    notices
}

/// A topic and a queue that nobody reads, as the functions' settings.
pub(crate) async fn own_channels(stage: &Stage, name: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let topic = stage.sns.create_topic().name(format!("{name}-notices")).send().await?;
    let queue = stage.sqs.create_queue().queue_name(format!("{name}-timers")).send().await?;
    Ok(vec![
        ("NOTICES_TOPIC_ARN", topic.topic_arn.context("the topic has no ARN")?),
        ("TIMERS_QUEUE_URL", queue.queue_url.context("the queue has no URL")?),
    ])
}

/// A timer as the queue hands it over.
pub(crate) fn batch(timer: &str) -> Value {
    json!({"Records": [{
        "messageId": "timer",
        "receiptHandle": "handle",
        "body": timer,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795213200000"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:timers",
    }]})
}

/// The timer of an operation.
pub(crate) fn timer(target: &str, operation: &str) -> anyhow::Result<String> {
    let target = target.parse().map_err(|problem: String| anyhow::anyhow!(problem))?;
    Ok(serde_json::to_string(&Timer::Watch { target, operation: operation.to_owned() })?)
}

/// One fact of a notice.
pub(crate) fn fact<'a>(notice: &'a Value, name: &str) -> Option<&'a str> {
    let facts = notice["facts"].as_array()?;
    facts.iter().find(|fact| fact["name"] == name)?["value"].as_str()
}

/// Whether the answer of `alarm-rollback` has this outcome, for a reason with these words.
pub(crate) fn expect(answer: &Value, outcome: &str, words: &str) -> anyhow::Result<()> {
    let reason = answer["reason"].as_str().unwrap_or_default();
    ensure!(answer["outcome"] == outcome && reason.contains(words), "not {outcome} ({words}): {answer:#}");
    Ok(())
}

/// Puts an environment's policy in place.
pub(crate) async fn put_policy(stage: &Stage, environment: &str, document: &str) -> anyhow::Result<()> {
    let name = shared::policy::parameter(environment);
    let put = stage.ssm.put_parameter().name(name).value(document).overwrite(true);
    put.r#type(aws_sdk_ssm::types::ParameterType::String).send().await?;
    Ok(())
}
