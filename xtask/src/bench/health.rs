//! What a sweep of a thousand resources costs: the real binary, in front of an AWS that takes fifty milliseconds a call and
//! lets no more calls through than an account has.

mod account;
mod answers;
mod budget;
pub(super) mod here;

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use local::progress::Progress;
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};

use super::binaries::{Subject, Subjects, megabytes};
use super::row::Row;
use account::{Account, CALL, Called};

/// What the template gives the function.
const TIMEOUT: Duration = Duration::from_mins(4);

/// The calls that can only come one after the other: the policy; ten pages of what bears the tag; then a service, its
/// metrics, its stopped tasks, its task definition, a secret of that, and its key.
const ONE_AFTER_THE_OTHER: u32 = 1 + 10 + 6;

/// Limits: seconds, times what the budgets alone cost, MB.
const TIME_GOAL: f64 = 15.0;
const BUDGET_GOAL: f64 = 1.2;
const RSS_GOAL: f64 = 64.0;

/// How often the proxy is made to forget its calls, see [`Account::forget_calls`].
const FORGET: Duration = Duration::from_millis(50);

/// Time, calls and memory of a sweep, and what is left of it in half the time.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    progress.step("Sweeping a thousand resources, within the APIs' budgets (a minute by its nature)");
    let subject = &subjects.health_check;
    let stage = Stage { subject, account: Account::new().await? };
    let by_hand = json!({"check": {"format": "summary"}});

    let function = stage.spawn().await?;
    let whole = stage.sweep(&function, &by_hand, TIMEOUT).await?;
    let remembered = stage.sweep(&function, &json!({"check": "all"}), TIMEOUT).await?;
    let rss = megabytes(function.peak_rss()?);
    drop(function);
    for action in &whole.called.throttled {
        progress.detail(&format!("over the account's budget: {action}"));
    }
    ensure!(whole.unknown == 0, "{} are unknown: {}", whole.unknown, whole.answer);
    ensure!(remembered.called.published == 0, "people were told of what is healthy");
    ensure!(remembered.called.written == 1, "{} entries were written", remembered.called.written);

    let function = stage.spawn().await?;
    // The function keeps a sixth of its time back, to tell people and to remember.
    let half = whole.took / 2 * 6 / 5;
    let part = stage.sweep(&function, &by_hand, half).await?;
    let text = part.answer.get("text").and_then(Value::as_str).unwrap_or_default();
    let says = text.contains("the time was over before") && part.unknown > 0;

    let row = |what: &str, unit, value| Row::new(subject.name, what, unit, value);
    let tagged = account::tagged().len();
    let all = format!("{tagged} resources, {} ms a call", CALL.as_millis());
    let (least, slowest) = least(&whole.called);
    let count = |count: usize| anyhow::Ok(f64::from(u32::try_from(count)?));
    let mut rows = vec![
        row(&format!("{all}: swept"), "s", whole.took.as_secs_f64()).at_most(TIME_GOAL),
        row(&format!("of it, the budgets alone ({slowest})"), "s", least.as_secs_f64()),
        row("the sweep over that", "", whole.took.as_secs_f64() / least.as_secs_f64()).at_most(BUDGET_GOAL),
        row("AWS calls of it", "calls", count(whole.called.calls)?),
        row("of these, over the account's budget", "calls", count(whole.called.throttled.len())?)
            .at_most(0.0),
        row("components checked", "", count(whole.checked)?).at_least(count(tagged)?),
        row("of these, unknown", "", count(whole.unknown)?).at_most(0.0),
        row("swept and remembered", "s", remembered.took.as_secs_f64()).at_most(TIME_GOAL),
        row("peak RSS after two sweeps", "MB", rss).at_most(RSS_GOAL),
        row("in half the time: answered", "s", part.took.as_secs_f64()).at_most(half.as_secs_f64()),
        row("in half the time: says what was not reached (1: yes)", "", f64::from(u8::from(says)))
            .at_least(1.0),
        row("in half the time: unknown", "", count(part.unknown)?),
    ];
    drop(function);
    progress.step("Sweeping sixty resources on local AWS");
    rows.extend(here::rows(subject, progress).await?);
    Ok(rows)
}

/// The least time that the calls take within the function's budgets, and the API that keeps it waiting longest.
fn least(called: &Called) -> (Duration, &'static str) {
    let times = called.apis.iter().map(|(api, calls)| (api.time_for(*calls), api.name));
    let (longest, name) = times.max().unwrap_or_default();
    (longest + CALL * ONE_AFTER_THE_OTHER, name)
}

struct Stage<'a> {
    subject: &'a Subject,
    account: Account,
}

/// What was seen of one sweep.
struct Swept {
    took: Duration,
    answer: Value,
    checked: usize,
    unknown: usize,
    called: Called,
}

impl Stage<'_> {
    async fn spawn(&self) -> anyhow::Result<Function> {
        let env = [("AWS_ENDPOINT_URL", self.account.url().to_owned()), ("ENVIRONMENT", "prod".to_owned())];
        self.subject.spawn(&env).await
    }

    /// Hands over an event, with full buckets.
    async fn sweep(&self, function: &Function, asked: &Value, timeout: Duration) -> anyhow::Result<Swept> {
        drop(self.account.called());
        let began = Instant::now();
        let invoked = function.invoke(Event::new(asked).timeout(timeout));
        tokio::pin!(invoked);
        let invoked = loop {
            tokio::select! {
                invoked = &mut invoked => break invoked?,
                () = tokio::time::sleep(FORGET) => self.account.forget_calls(),
            }
        };
        let took = began.elapsed();
        let called = self.account.called();
        let Outcome::Ok(answer) = invoked.outcome else {
            bail!("the sweep failed: {:?}", invoked.outcome);
        };
        ensure!(called.unexpected.is_empty(), "there is no answer to {:?}", called.unexpected);
        let counts = answer.get("counts").and_then(Value::as_object).context("no counts")?;
        let count = |count: &Value| usize::try_from(count.as_u64().unwrap_or_default());
        let unknown = counts.get("unknown").map(count).transpose()?.unwrap_or_default();
        let checked = counts.values().map(count).sum::<Result<usize, _>>()?;
        Ok(Swept { took, answer, checked, unknown, called })
    }
}
