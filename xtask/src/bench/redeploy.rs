//! How long it takes to find who uses a secret in a large account whose API budgets hold, and how much of that is not done
//! again: in the same process, and in a new one that has the ledger only.

use std::time::Duration;

use anyhow::{Context, bail};
use local::aws::{LocalAws, Port};
use local::progress::Progress;
use local::proxy::{Answer, Proxy};
use local::recorded::Fleet;
use local::recorded::fleet::{Size, Use};
use local::runtime_api::{Event, Function, Outcome};
use local::{place, setup};
use serde_json::{Value, json};

use super::binaries::{Subject, Subjects, megabytes};
use super::rollback::{TABLE, create_table};
use super::row::Row;

/// What the template gives the function.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Limits: times the budget, of the calls of a cold search, MB.
const TIME_GOAL: f64 = 1.2;
const WARM_GOAL: f64 = 0.1;
const RSS_GOAL: f64 = 40.0;

/// Time, calls and memory of a search, and of two further ones.
pub(super) async fn rows(subjects: &Subjects, progress: &dyn Progress) -> anyhow::Result<Vec<Row>> {
    let tools = setup::tools(progress).await?;
    let folder = place::local().join("bench/redeploy");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", place::shown(&folder)))?;
    }
    let aws = LocalAws::start(&tools, Port::Free, &folder, &[]).await?;
    create_table(&aws.sdk_config().await).await?;
    let account = Account::new(&aws, Size::default()).await?;
    let subject = &subjects.secret_redeploy;

    let function = account.spawn(subject, &aws).await?;
    let cold = account.search(&function).await?;
    let in_memory = account.search(&function).await?;
    let rss = megabytes(function.peak_rss()?);
    drop(function);
    let function = account.spawn(subject, &aws).await?;
    let from_ledger = account.search(&function).await?;
    drop(function);
    aws.stop().await;

    let Size { services, revisions, .. } = account.size;
    let row = |what: &str, unit, value| Row::new(subject.name, what, unit, value);
    let all = format!("{services} services, {} revisions: found", services * revisions);
    let budget = cold.budget.as_secs_f64();
    Ok(vec![
        row(&format!("{all} (beside: the budget)"), "s", cold.took.as_secs_f64())
            .beside(budget)
            .at_most(TIME_GOAL * budget),
        row("AWS calls of that", "calls", cold.calls),
        row("of these, repeated", "calls", cold.repeated).at_most(0.0),
        row("of these, over the budget", "calls", cold.throttled),
        row("again in the same process, share of calls", "", in_memory.calls / cold.calls).at_most(WARM_GOAL),
        row("again in a new process, share of calls", "", from_ledger.calls / cold.calls).at_most(WARM_GOAL),
        row("again in a new process", "s", from_ledger.took.as_secs_f64()),
        row("peak RSS after two searches", "MB", rss).at_most(RSS_GOAL),
    ])
}

/// An account with a fleet, and a secret that some of it use.
struct Account {
    size: Size,
    fleet: Fleet,
    using: Use,
    proxy: Proxy,
}

/// What was seen of one search.
struct Searched {
    took: Duration,
    /// The least that the budgets allow for the calls that it took.
    budget: Duration,
    calls: f64,
    repeated: f64,
    throttled: f64,
}

impl Account {
    async fn new(aws: &LocalAws, size: Size) -> anyhow::Result<Self> {
        let (fleet, using) = Fleet::of(&size);
        for service in &using.services {
            // Who uses it is asked here, and not what becomes of each.
            fleet.alter(service, &json!({"tags": [{"key": "watchkeeper:redeploy", "value": "off"}]}))?;
        }
        fleet.budget(true);
        let secret = json!({
            "ARN": using.secret_arn,
            "Name": size.secret,
            "VersionIdsToStages": {"11111111-2222-4333-8444-555555555555": ["AWSCURRENT"]},
        });
        let answers = fleet.clone();
        let proxy = Proxy::forwarding_but(&aws.endpoint(), move |call| {
            if call.is("secretsmanager:DescribeSecret") {
                return Some(Answer::json(&secret));
            }
            answers.answer(call)
        })
        .await?;
        Ok(Self { size, fleet, using, proxy })
    }

    async fn spawn(&self, subject: &Subject, aws: &LocalAws) -> anyhow::Result<Function> {
        let mut env: Vec<_> = aws.environment().into_iter().collect();
        env.extend([("AWS_ENDPOINT_URL", self.proxy.url().to_owned()), ("LEDGER_TABLE", TABLE.to_owned())]);
        subject.spawn(&env).await
    }

    /// Asks who uses the secret, with full buckets.
    async fn search(&self, function: &Function) -> anyhow::Result<Searched> {
        self.fleet.forget();
        self.proxy.forget();
        let event = Event::new(&json!({"uses": {"secret": self.size.secret}})).timeout(TIMEOUT);
        let invoked = function.invoke(event).await?;
        let Outcome::Ok(answer) = &invoked.outcome else {
            bail!("the search failed: {:?}", invoked.outcome);
        };
        let found = answer.get("services").and_then(Value::as_array).map_or(0, Vec::len);
        if found != self.using.services.len() {
            bail!("{found} services were found, not {}", self.using.services.len());
        }
        let count = |count: usize| anyhow::Ok(f64::from(u32::try_from(count)?));
        Ok(Searched {
            took: invoked.took,
            budget: self.fleet.budget_time(),
            calls: count(self.proxy.calls().len())?,
            repeated: count(self.fleet.repeated("ecs:*").len())?,
            throttled: count(self.fleet.throttled("ecs:*"))?,
        })
    }
}
