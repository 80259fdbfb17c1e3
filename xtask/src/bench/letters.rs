//! What `dlq-triage` makes of a queue full of dead letters: the real binary, in front of strict doubles of SQS, S3 and the
//! ledger, which answer at once, so that what is measured is the function and its calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use local::progress::Progress;
use local::proxy::{Answer, Fault, Proxy, When};
use local::recorded::{Letter, Objects, Queues, Table};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};

use super::Row;
use super::binaries::{Subject, Subjects, megabytes};
use super::samples::Samples;

/// How many letters there are.
const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];

/// How many causes they died of, and how many of these pass.
const CAUSES: usize = 40;
const PASSING: usize = 10;

/// How many letters are drained beside the bare calls and beside a script, and how often.
const COMPARED: usize = 10_000;
const SCRIPTED: usize = 1_000;
const TURNS: usize = 3;

/// How many do so at once in `dlq-triage`.
const WORKERS: usize = 8;

/// At most so many times what the bare calls take, and at least so many times as fast as a script.
const OVER_BARE: f64 = 1.1;
const OVER_SCRIPT: f64 = 8.0;

/// What the bare calls are.
const CALLS: [&str; 7] = [
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "sqs:SendMessageBatch",
    "sqs:DeleteMessage",
    "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility",
    "sqs:ChangeMessageVisibilityBatch",
];

/// About what a call to SQS or S3 takes within its Region.
const CALL: Duration = Duration::from_millis(8);

/// In dollars, in us-east-1: a call of SQS, a PUT of S3, a second of an arm64 function with what the template gives it.
const PER_SQS_CALL: f64 = 0.40 / 1e6;
const PER_S3_PUT: f64 = 0.005 / 1e3;
const PER_SECOND: f64 = 0.000_013_333_4 * 256.0 / 1_024.0;

/// In MB, however many letters there are.
const RSS_GOAL: f64 = 48.0;

/// What the template gives the function.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The proxy looks through all calls that it remembers whenever one ends.
const FORGET: Duration = Duration::from_millis(50);

const POLICY: &str =
    "dlq: {redrive: {per_second: 10000}, rules: [{name: what passes, error: 'passes', verdict: transient}]}";

/// Times and memory.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let subject = &subjects.dlq_triage;
    let mut rows = Vec::new();
    for count in COUNTS {
        progress.step(&format!("Draining {count} dead letters"));
        let drained = drain(subject, count, Duration::ZERO).await?;
        let row = |what: &str, unit, value| {
            Row::new(subject.name, &format!("{count} letters drained: {what}"), unit, value)
        };
        rows.push(row("took", "s", drained.took.as_secs_f64()));
        rows.push(row(
            "letters a second",
            "/s",
            f64::from(u32::try_from(count)?) / drained.took.as_secs_f64(),
        ));
        rows.push(row("peak RSS", "MB", megabytes(drained.rss)).at_most(RSS_GOAL));
    }
    progress.step("Draining dead letters beside the bare calls, and beside a script");
    rows.extend(beside(subjects).await?);
    Ok(rows)
}

/// How it stands beside the bare calls, which are answered at once, and beside a script that takes one letter after the
/// other, where each call takes as long as in a Region. Each in turn, several times, so that what else the machine does is
/// in all of them.
async fn beside(subjects: &Subjects) -> anyhow::Result<Vec<Row>> {
    let (triage, bare) = (&subjects.dlq_triage, &subjects.bare);
    let mut times = <[Samples; 4]>::default();
    let mut calls = (0, 0);
    for _ in 0..TURNS {
        let [own, least, far, script] = &mut times;
        let drained = drain(triage, COMPARED, Duration::ZERO).await?;
        let emptied = empty(bare, COMPARED, Some(WORKERS), Duration::ZERO).await?;
        own.add(drained.took);
        least.add(emptied.took);
        calls = (drained.calls, emptied.calls);
        far.add(drain(triage, SCRIPTED, CALL).await?.took);
        script.add(empty(bare, SCRIPTED, None, CALL).await?.took);
    }
    let [own, least, far, script] = times.map(|times| times.median());
    let row = |count, what: &str, unit, value| {
        Row::new(triage.name, &format!("{count} letters: {what}"), unit, value)
    };
    Ok(vec![
        row(COMPARED, "drained, beside the bare calls", "ms", own).beside(least).at_most(least * OVER_BARE),
        row(COMPARED, "calls of SQS, beside these", "", f64::from(u32::try_from(calls.0)?))
            .beside(f64::from(u32::try_from(calls.1)?)),
        row(
            SCRIPTED,
            &format!("{} ms a call, times as fast as a script", CALL.as_millis()),
            "",
            script / far,
        )
        .at_least(OVER_SCRIPT),
    ])
}

struct Drained {
    took: Duration,
    rss: u64,
    /// How many calls receive, let go, send and delete.
    calls: usize,
}

/// A queue whose letters are all read: those that pass are sent back, the others kept.
async fn drain(subject: &Subject, count: usize, delay: Duration) -> anyhow::Result<Drained> {
    let scene = Scene::set(count, delay).await?;
    let function = scene.spawn(subject).await?;
    let asked = json!({"drain": {"queue": "orders-dlq", "count": count, "by": "the bench"}});
    let (took, answer) = scene.invoke(&function, &asked).await?;
    check(&answer, count, &scene.queues)?;
    Ok(Drained { took, rss: function.peak_rss()?, calls: scene.calls(&CALLS) })
}

/// The same queue, emptied by the bare calls: so many at once, or one letter after the other.
async fn empty(
    subject: &Subject,
    count: usize,
    workers: Option<usize>,
    delay: Duration,
) -> anyhow::Result<Drained> {
    let scene = Scene::set(count, delay).await?;
    let function = scene.spawn(subject).await?;
    let (from, to) = (scene.queues.url("orders-dlq"), scene.queues.url("orders"));
    let asked = json!({"from": from, "to": to, "passes": "passes", "workers": workers});
    let (took, _) = scene.invoke(&function, &asked).await?;
    is_empty(count, &scene.queues)?;
    Ok(Drained { took, rss: function.peak_rss()?, calls: scene.calls(&CALLS) })
}

/// A million letters: what draining them takes of invocations, time, calls and money, where each call takes as long as
/// in a Region. Asked for again until nothing is left.
pub(super) async fn million(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    const COUNT: usize = 1_000_000;
    progress.step("Laying a million dead letters into a queue");
    let scene = Scene::set(COUNT, CALL).await?;
    let subject = &subjects.dlq_triage;
    let function = scene.spawn(subject).await?;
    let (mut took, mut invocations) = (Duration::ZERO, 0);
    loop {
        let left = scene.queues.count("orders-dlq");
        if left == 0 {
            break;
        }
        progress.step(&format!("Draining {left} dead letters"));
        let asked = json!({"drain": {"queue": "orders-dlq", "count": left, "by": "the bench"}});
        let (this, _) = scene.invoke(&function, &asked).await?;
        ensure!(scene.queues.count("orders-dlq") < left, "an invocation took nothing out of the queue");
        took += this;
        invocations += 1;
    }
    let back = scene.queues.count("orders");
    ensure!(back == COUNT * PASSING / CAUSES, "{back} letters came back to their queue");
    let counted = |actions: &[&str]| anyhow::Ok(f64::from(u32::try_from(scene.calls(actions))?));
    let (sqs, s3) = (counted(&CALLS)?, counted(&["s3:PutObject"])?);
    let cost = sqs * PER_SQS_CALL + s3 * PER_S3_PUT + took.as_secs_f64() * PER_SECOND;
    let row = |what: &str, unit, value| {
        Row::new(subject.name, &format!("a million letters drained: {what}"), unit, value)
    };
    Ok(vec![
        row("invocations", "", f64::from(invocations)),
        row("took", "min", took.as_secs_f64() / 60.0),
        row("calls of SQS", "", sqs),
        row("objects written", "", s3),
        row("peak RSS", "MB", megabytes(function.peak_rss()?)).at_most(RSS_GOAL),
        row("cost", "$", cost),
    ])
}

/// A queue full of dead letters, and the account around it.
struct Scene {
    queues: Queues,
    /// How often each action was called.
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
    proxy: Proxy,
}

impl Scene {
    /// With so many letters; each call takes so much longer.
    async fn set(count: usize, delay: Duration) -> anyhow::Result<Self> {
        let redrive = json!({"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:orders-dlq", "maxReceiveCount": 3});
        let queues = Queues::new()
            .queue("orders-dlq", &json!({"MessageRetentionPeriod": "1209600"}))?
            .queue("orders", &json!({"RedrivePolicy": redrive.to_string()}))?
            .queue("triages", &json!({}))?;
        for number in 0..count {
            queues.put("orders-dlq", letter(number, &queues.arn("orders")))?;
        }
        let doubles = (queues.clone(), Objects::new().bucket("archive"), Table::new("ledger"));
        let calls: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let counted = Arc::clone(&calls);
        let proxy = Proxy::answering(move |call| {
            *lock(&counted).entry(call.action.clone()).or_default() += 1;
            let (queues, objects, table) = &doubles;
            let answer = queues.answer(call).or_else(|| objects.answer(call)).or_else(|| table.answer(call));
            answer.unwrap_or_else(|| match call.action.as_str() {
                "ssm:GetParameter" => Answer::json(&json!({"Parameter": {"Value": POLICY, "Version": 1}})),
                "sns:Publish" => Answer::query(call, "<MessageId>1</MessageId>"),
                "sns:ListSubscriptions" => Answer::query(call, "<Subscriptions/>"),
                // Nothing else sends letters to the queue.
                _ => Answer::json(&json!({})),
            })
        })
        .await?;
        if !delay.is_zero() {
            proxy.inject("*", When::Always, Fault::Delay(delay));
        }
        Ok(Self { queues, calls, proxy })
    }

    async fn spawn(&self, subject: &Subject) -> anyhow::Result<Function> {
        subject.spawn(&[("AWS_ENDPOINT_URL", self.proxy.url().to_owned())]).await
    }

    async fn invoke(&self, function: &Function, asked: &Value) -> anyhow::Result<(Duration, Value)> {
        let began = Instant::now();
        let invoked = function.invoke(Event::new(asked).timeout(TIMEOUT));
        tokio::pin!(invoked);
        let invoked = loop {
            tokio::select! {
                invoked = &mut invoked => break invoked?,
                () = tokio::time::sleep(FORGET) => self.proxy.forget(),
            }
        };
        match invoked.outcome {
            Outcome::Ok(answer) => Ok((began.elapsed(), answer)),
            ended @ (Outcome::Error { .. } | Outcome::TimedOut | Outcome::Exited(_)) => {
                bail!("it ended with {ended:?}")
            }
        }
    }

    fn calls(&self, actions: &[&str]) -> usize {
        let calls = lock(&self.calls);
        actions.iter().filter_map(|action| calls.get(*action)).sum()
    }
}

fn lock(calls: &Mutex<BTreeMap<String, usize>>) -> MutexGuard<'_, BTreeMap<String, usize>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether every letter is where it belongs.
fn check(answer: &Value, count: usize, queues: &Queues) -> anyhow::Result<()> {
    let sum = |what: &str| -> anyhow::Result<usize> {
        let all = answer.pointer(what).and_then(Value::as_object).context("no counts")?;
        Ok(usize::try_from(all.values().filter_map(Value::as_u64).sum::<u64>())?)
    };
    let (sent, kept) = (sum("/done/redriven")?, sum("/done/archived")?);
    let passing = count * PASSING / CAUSES;
    ensure!((sent, kept) == (passing, count - passing), "{sent} were sent back and {kept} kept: {answer}");
    is_empty(count, queues)
}

fn is_empty(count: usize, queues: &Queues) -> anyhow::Result<()> {
    ensure!(queues.count("orders-dlq") == 0, "letters are left in the queue");
    let back = queues.count("orders");
    ensure!(back == count * PASSING / CAUSES, "{back} letters came back to their queue");
    Ok(())
}

fn letter(number: usize, source: &str) -> Letter {
    let cause = number % CAUSES;
    let word = if cause < PASSING { "passes" } else { "stays" };
    let body = json!({"type": format!("order.{word}.{cause}"), "order": number, "memo": "x".repeat(1_900)});
    Letter { source: Some(source.to_owned()), ..Letter::new(body.to_string()) }
}
