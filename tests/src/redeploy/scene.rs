//! One redeploy's own corner of the world: an environment with a ledger, queues, a topic and secrets of its own, a fleet,
//! and the two functions in front of it. The test is the platform: it reads off the proxies what is sent, and hands it
//! over; where the functions ask to be called later, it does not wait for that.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use local::proxy::{Call, Fault, Proxy, When};
use local::recorded::Fleet;
use local::runtime_api::{Event, Function, Outcome};
use serde_json::{Value, json};
use shared::ledger::Ledger;
use shared::ledger::redeploy::{Member, Redeploy, Standing};
use shared::ledger::rotation::{Rotation, State};
use shared::ledger::{Item, s};
use shared::strategy::Strategy;

use super::post::{Message, Queue};
use super::secrets::{Secret, VALUE};
use crate::faults::{reached, spawn_with};
use crate::rig::told;
use crate::stage::{Stage, Test};

/// A test, as the lists of tests have it.
pub(super) type Named = (&'static str, Test);

/// How soon the deployments of a fleet are done that are to be done.
pub(super) const QUICK: Duration = Duration::from_millis(40);

/// The shortest time that other secrets are waited for, and waves that hold a few services at once.
pub(super) const TEN_AT_ONCE: &str = "redeploy: {settle: 1s, waves: {first: 10, growth: 1, at_most: 10}}";

/// When nothing comes for as long, nothing is under way.
const QUIET: Duration = Duration::from_millis(250);

/// What is due within this time is waited for: secrets that change together are.
const SOON: Duration = Duration::from_millis(1_500);

/// As many messages does the platform hand over at once.
const BATCH: usize = 10;

/// How often time may pass before a redeploy has to be over.
const ROUNDS: usize = 30;

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What `secret-redeploy` reported of one invocation.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) outcome: String,
    pub(super) reason: String,
    /// The same of each message, where there were several.
    pub(super) messages: Vec<String>,
    /// Its answer, or the text of its error.
    pub(super) answer: Value,
}

impl Seen {
    /// Whether it came to this outcome, for a reason with these words.
    #[track_caller]
    pub(super) fn expect(&self, outcome: &str, words: &str) -> anyhow::Result<()> {
        ensure!(self.outcome == outcome && self.reason.contains(words), "not {outcome} ({words}): {self:#?}");
        Ok(())
    }
}

pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) environment: String,
    settings: Vec<(&'static str, String)>,
    pub(super) ledger: Ledger,
    pub(super) fleet: Fleet,
    /// In front of `secret-redeploy`; `deployment-watch` has one of its own.
    pub(super) proxy: Proxy,
    behind: Proxy,
    redeployer: Function,
    watch: Function,
    /// So many calls of each proxy have been read.
    read: [usize; 2],
    /// So many messages were sent.
    sent: usize,
    messages: Vec<Message>,
    /// For how long the message with this receipt was given back.
    given_back: HashMap<String, Duration>,
    pub(super) timeout: Duration,
    kill: Option<(usize, Fault)>,
    hangs: Option<(String, usize)>,
    /// The services that were redeployed when it hung.
    pub(super) done_by_then: Vec<String>,
    /// What processes wrote that are gone.
    logs: Vec<String>,
    /// The redeploys that were begun, in their order.
    pub(super) redeploys: Vec<String>,
    /// What the rotation hook was told.
    pub(super) settled: Vec<Value>,
    /// What `secret-redeploy` reported.
    pub(super) seen: Vec<Seen>,
}

/// The functions, each behind a proxy of its own.
pub(super) struct Functions {
    pub(super) front: Proxy,
    pub(super) behind: Proxy,
    pub(super) redeployer: Function,
    pub(super) watch: Function,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        environment: String,
        settings: Vec<(&'static str, String)>,
        ledger: Ledger,
        fleet: Fleet,
        functions: Functions,
    ) -> Self {
        let Functions { front, behind, redeployer, watch } = functions;
        Self {
            stage,
            environment,
            settings,
            ledger,
            fleet,
            proxy: front,
            behind,
            redeployer,
            watch,
            read: [0, 0],
            sent: 0,
            messages: Vec::new(),
            given_back: HashMap::new(),
            timeout: TIMEOUT,
            kill: None,
            hangs: None,
            done_by_then: Vec::new(),
            logs: Vec::new(),
            redeploys: Vec::new(),
            settled: Vec::new(),
            seen: Vec::new(),
        }
    }
}

impl Scene<'_> {
    /// Hands an event to `secret-redeploy`.
    pub(super) async fn tell(&mut self, event: &Value) -> anyhow::Result<Seen> {
        self.rotated(event).await?;
        let event = Event::new(event).request_id(format!("{}-{}", self.environment, self.seen.len()));
        let outcome = match self.invoke(event.clone()).await? {
            // The platform tries an event again, with the same id.
            Outcome::Exited(_) | Outcome::TimedOut => self.invoke(event).await?,
            outcome => outcome,
        };
        ensure!(matches!(outcome, Outcome::Ok(_) | Outcome::Error { .. }), "it ended with {outcome:?}");
        self.collect();
        self.seen.last().cloned().context("nothing was reported")
    }

    /// Where the event tells of a version that became current, the hook has rotated it in, and waits to hear that every
    /// dependant has it.
    async fn rotated(&self, event: &Value) -> anyhow::Result<()> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let (Some("AWSCURRENT"), Some(secret), Some(version)) =
            (text("/detail/labelUpdated"), text("/resources/0"), text("/detail/versionId"))
        else {
            return Ok(());
        };
        let at = crate::world::now();
        let rotation = Rotation {
            secret: secret.to_owned(),
            version: version.to_owned(),
            previous: None,
            strategy: Strategy::PostgresAlternating,
            step: "finishSecret".to_owned(),
            state: State::Rotated,
            said: String::new(),
            exposed: None,
            at,
        };
        self.ledger.record_rotation(&rotation, at).await?;
        Ok(())
    }

    /// Tells of the secret's move, and goes on until its redeploys are over.
    pub(super) async fn follow(&mut self, secret: &Secret) -> anyhow::Result<()> {
        self.tell(&secret.moved()).await?.expect("begun", "dependants are looked for")?;
        self.until_over().await
    }

    /// From now on, the process of `secret-redeploy` dies at its nth call, once.
    pub(super) fn kill_at(&mut self, nth: usize, fault: Fault) {
        self.proxy.inject("*", When::Nth(nth), fault);
        self.kill = Some((nth, fault));
    }

    /// Whether it still has to die.
    pub(super) const fn is_to_die(&self) -> bool {
        self.kill.is_some()
    }

    async fn invoke(&mut self, event: Event) -> anyhow::Result<Outcome> {
        let event = event.timeout(self.timeout);
        let invoked = match self.kill {
            None => {
                let (proxy, wanted) = (&self.proxy, self.hangs.clone());
                let hangs = async {
                    let Some((action, nth)) = wanted else { return std::future::pending().await };
                    proxy.arrival(&action, nth).await;
                    proxy.inject("*", When::Always, Fault::Hang);
                };
                let mut invoking = std::pin::pin!(self.redeployer.invoke(event));
                tokio::select! {
                    invoked = &mut invoking => invoked?,
                    () = hangs => {
                        let invoked = invoking.await?;
                        ensure!(invoked.outcome == Outcome::TimedOut, "it hangs and ends with {:?}", invoked.outcome);
                        proxy.heal();
                        self.hangs = None;
                        self.done_by_then = self.fleet.updated();
                        invoked
                    }
                }
            }
            Some((nth, fault)) => {
                let invoked = tokio::select! {
                    invoked = self.redeployer.invoke(event) => Some(invoked?),
                    reached = reached(&self.proxy, nth, fault) => { reached?; None }
                };
                match invoked {
                    Some(invoked) => invoked,
                    None => {
                        let status = self.redeployer.kill().await?;
                        self.kill = None;
                        self.restart().await?;
                        self.let_its_time_pass().await?;
                        return Ok(Outcome::Exited(status));
                    }
                }
            }
        };
        match &invoked.outcome {
            Outcome::TimedOut | Outcome::Exited(_) => self.restart().await?,
            Outcome::Ok(answer) => {
                let report = self.redeployer.report(&invoked.request_id).await?;
                let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
                let messages = report["record"]["messages"].as_array().cloned().unwrap_or_default();
                let messages =
                    messages.iter().map(|one| format!("{}: {}", one["outcome"], one["reason"])).collect();
                let (outcome, reason) = (text("outcome"), text("reason"));
                self.seen.push(Seen { outcome, reason, messages, answer: answer.clone() });
            }
            Outcome::Error { kind, message } => {
                let (outcome, reason) = ("failed".to_owned(), format!("{kind}: {message}"));
                self.seen.push(Seen { outcome, reason, messages: Vec::new(), answer: Value::Null });
            }
        }
        Ok(invoked.outcome)
    }

    /// A new process of `secret-redeploy`, which knows nothing.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        let redeployer = &self.stage.secret_redeploy;
        let fresh = spawn_with(self.stage, redeployer, self.proxy.url(), &self.settings).await?;
        let old = std::mem::replace(&mut self.redeployer, fresh);
        self.logs.extend(old.stdout());
        self.logs.extend(old.stderr());
        Ok(())
    }

    /// Another process beside it.
    pub(super) async fn another(&self) -> anyhow::Result<Function> {
        spawn_with(self.stage, &self.stage.secret_redeploy, self.proxy.url(), &self.settings).await
    }

    /// The first process, for two things at a time.
    pub(super) const fn process(&self) -> &Function {
        &self.redeployer
    }

    /// Whoever died had a redeploy in hand until the end of its time; nobody waits for that here.
    async fn let_its_time_pass(&mut self) -> anyhow::Result<()> {
        self.collect();
        for item in self.entries().await? {
            let is = |name: &str, value: &str| {
                item.get(name).is_some_and(|it| it.as_s().is_ok_and(|it| it == value))
            };
            if is("sk", "stepping") {
                let delete = self.ledger.client.delete_item().table_name(&self.ledger.table);
                let key = |name: &str| item.get(name).cloned().unwrap_or_else(|| s(""));
                delete.key("pk", key("pk")).key("sk", key("sk")).send().await?;
            }
        }
        Ok(())
    }

    /// Reads off the proxies what was sent since the last time.
    pub(super) fn collect(&mut self) {
        for (read, proxy) in self.read.iter_mut().zip([&self.proxy, &self.behind]) {
            let calls = proxy.calls();
            let new: Vec<Call> = calls.get(*read..).unwrap_or_default().to_vec();
            *read = calls.len();
            for call in new.iter().filter(|call| call.status == Some(200)) {
                let sent = call.json();
                if call.is("sqs:ChangeMessageVisibility") {
                    let after = Duration::from_secs(sent["VisibilityTimeout"].as_u64().unwrap_or_default());
                    let receipt = sent["ReceiptHandle"].as_str().unwrap_or_default();
                    self.given_back.insert(receipt.to_owned(), after);
                }
                let body = sent["MessageBody"].as_str().filter(|_| call.is("sqs:SendMessage"));
                let url = sent["QueueUrl"].as_str().unwrap_or_default();
                let queue = Queue::ALL.into_iter().find(|queue| url.ends_with(queue.name()));
                let (Some(body), Some(queue)) = (body, queue) else { continue };
                let parsed: Value = serde_json::from_str(body).unwrap_or_default();
                if queue == Queue::Settlements {
                    self.settled.push(parsed["settle"].clone());
                    continue;
                }
                let followed = parsed["follow"]["redeploy"].as_str().map(ToOwned::to_owned);
                self.redeploys.extend(followed.filter(|id| !self.redeploys.contains(id)));
                let delay = Duration::from_secs(sent["DelaySeconds"].as_u64().unwrap_or_default());
                self.sent += 1;
                let (id, due) = (self.sent, Instant::now() + delay);
                self.messages.push(Message { id, queue, body: body.to_owned(), due, receives: 1 });
            }
        }
    }

    /// Hands over whatever is due, until nothing more comes.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let mut last = Instant::now();
        loop {
            self.collect();
            let mut something = false;
            for event in self.fleet.take_events() {
                something = true;
                self.tell_watch(&event).await?;
            }
            self.collect();
            for queue in [Queue::Timers, Queue::Redeploys] {
                let due = self.due(queue);
                if !due.is_empty() {
                    something = true;
                    self.deliver(queue, due).await?;
                }
            }
            if something {
                last = Instant::now();
                continue;
            }
            let soon = self.messages.iter().any(|message| message.due < Instant::now() + SOON);
            if !soon && QUIET < last.elapsed() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Goes on until every redeploy is over: what asks to come later comes as soon as nothing else does.
    pub(super) async fn until_over(&mut self) -> anyhow::Result<()> {
        for _ in 0..ROUNDS {
            self.run().await?;
            if !self.messages.iter().any(|message| message.is("follow")) {
                return Ok(());
            }
            self.hurry();
        }
        bail!("it does not come to its end: {}", self.story().await?)
    }

    /// Goes on until this is so.
    pub(super) async fn until(
        &mut self,
        is_so: impl AsyncFn(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        for _ in 0..ROUNDS {
            self.run().await?;
            if is_so(self).await? {
                return Ok(());
            }
            self.hurry();
        }
        bail!("it does not come so far: {}", self.story().await?)
    }

    /// Goes on until an action is called for the nth time; from then on nothing is answered any more, until the platform
    /// has ended the process.
    pub(super) async fn hang_at(&mut self, action: &str, nth: usize) -> anyhow::Result<()> {
        self.proxy.inject(action, When::Nth(nth), Fault::Hang);
        self.hangs = Some((action.to_owned(), nth));
        while self.hangs.is_some() {
            self.run().await?;
            self.hurry();
        }
        Ok(())
    }

    /// What waits for its time is due now.
    pub(super) fn hurry(&mut self) {
        let waits = |message: &&mut Message| message.queue == Queue::Redeploys || message.is("watch");
        for message in self.messages.iter_mut().filter(waits) {
            message.due = Instant::now();
        }
    }

    fn due(&mut self, queue: Queue) -> Vec<Message> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.messages.retain(|message| {
            let taken = message.queue == queue && message.due <= now && due.len() < BATCH;
            if taken {
                due.push(message.clone());
            }
            !taken
        });
        due
    }

    async fn deliver(&mut self, queue: Queue, messages: Vec<Message>) -> anyhow::Result<()> {
        let event = Event::new(&json!({"Records": messages.iter().map(Message::record).collect::<Vec<_>>()}));
        let outcome = if queue == Queue::Timers {
            self.watch.invoke(event).await?.outcome
        } else {
            self.invoke(event).await?
        };
        self.collect();
        let back: Vec<String> = match &outcome {
            Outcome::Ok(answer) => {
                let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
                failures
                    .iter()
                    .filter_map(|item| item["itemIdentifier"].as_str().map(ToOwned::to_owned))
                    .collect()
            }
            Outcome::Error { .. } => bail!("a batch failed: {outcome:?}"),
            // The queue hands all of them over once more.
            Outcome::TimedOut | Outcome::Exited(_) => {
                messages.iter().map(|message| format!("message-{}", message.id)).collect()
            }
        };
        for mut message in messages {
            if back.contains(&format!("message-{}", message.id)) {
                let after = self.given_back.get(&message.receipt()).copied().unwrap_or_default();
                message.due = Instant::now() + after;
                message.receives += 1;
                self.messages.push(message);
            }
        }
        Ok(())
    }

    /// Hands an event to `deployment-watch`.
    async fn tell_watch(&mut self, event: &Value) -> anyhow::Result<()> {
        let outcome = self.watch.invoke(Event::new(event)).await?.outcome;
        ensure!(matches!(outcome, Outcome::Ok(_)), "the watch ended with {outcome:?}");
        Ok(())
    }

    /// The newest redeploy.
    pub(super) async fn redeploy(&self) -> anyhow::Result<Redeploy> {
        let id = self.redeploys.last().context("no redeploy was begun")?;
        self.ledger.redeploy(id).await?.context("the redeploy is not in the ledger")
    }

    /// The services of the newest redeploy, by `cluster/name`.
    pub(super) async fn members(&self) -> anyhow::Result<BTreeMap<String, Member>> {
        match self.redeploys.last() {
            Some(id) => self.members_of(id).await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// The services of a redeploy.
    pub(super) async fn members_of(&self, id: &str) -> anyhow::Result<BTreeMap<String, Member>> {
        let members = self.ledger.members(id).await?.into_iter();
        Ok(members.map(|member| (member.target.to_string().replacen("ecs:", "", 1), member)).collect())
    }

    /// One service of the newest redeploy.
    pub(super) async fn member(&self, service: &str) -> anyhow::Result<Member> {
        self.members().await?.remove(service).with_context(|| format!("{service} is no part of the redeploy"))
    }

    /// Whether a service of the newest redeploy stands so, for a reason with these words.
    pub(super) async fn expect(&self, service: &str, standing: Standing, words: &str) -> anyhow::Result<()> {
        let member = self.member(service).await?;
        ensure!(
            member.standing == standing && member.why.contains(words),
            "not {standing:?} ({words}): {member:#?}"
        );
        Ok(())
    }

    /// The services that were redeployed, by their names; each time.
    pub(super) fn updated(&self) -> Vec<String> {
        let mut updated = self.fleet.updated();
        updated.sort();
        updated
    }

    pub(super) fn expect_updated(&self, expected: &[&str]) -> anyhow::Result<()> {
        let updated = self.updated();
        ensure!(updated == expected, "redeployed were {updated:?}, not {expected:?}");
        Ok(())
    }

    /// What `secret-redeploy` told people, without repetitions.
    pub(super) fn notices(&self) -> Vec<Value> {
        told(&self.proxy)
    }

    /// The newest of so many notices.
    pub(super) fn newest(&self, count: usize) -> anyhow::Result<Value> {
        let mut notices = self.notices();
        ensure!(
            notices.len() == count,
            "people were told {} things, not {count}: {notices:#?}",
            notices.len()
        );
        notices.pop().context("people were told nothing")
    }

    /// What happened, for whoever has to find out why.
    async fn story(&self) -> anyhow::Result<String> {
        let members = self.members().await?.into_iter();
        let members = members.map(|(name, member)| format!("{name}: {:?}, {}", member.standing, member.why));
        let seen = self
            .seen
            .iter()
            .rev()
            .take(6)
            .rev()
            .map(|seen| format!("{}: {} {}", seen.outcome, seen.reason, seen.messages.join("; ")));
        Ok(members.chain(seen).collect::<Vec<_>>().join("\n"))
    }

    /// Every entry of the ledger.
    pub(super) async fn entries(&self) -> anyhow::Result<Vec<Item>> {
        let mut entries = Vec::new();
        let mut from = None;
        loop {
            let scan = self.ledger.client.scan().table_name(&self.ledger.table).consistent_read(true);
            let page = scan.set_exclusive_start_key(from).send().await?;
            entries.extend(page.items.unwrap_or_default());
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(entries);
            }
        }
    }

    /// At the end of every test: no value of a secret was asked for, sent, written down or said.
    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        let asked = self.proxy.count("secretsmanager:GetSecretValue")
            + self.behind.count("secretsmanager:GetSecretValue");
        ensure!(asked == 0, "values were asked for {asked} times");
        for call in self.proxy.calls().iter().chain(&self.behind.calls()) {
            let body = String::from_utf8_lossy(&call.body);
            ensure!(!body.contains(VALUE), "{} carries a value: {body}", call.action);
        }
        for process in [&self.redeployer, &self.watch] {
            self.logs.extend(process.stdout());
            self.logs.extend(process.stderr());
        }
        let line = self.logs.iter().find(|line| line.contains(VALUE));
        ensure!(line.is_none(), "a log has a value: {line:?}");
        ensure!(self.logs.iter().any(|line| line.contains("\"outcome\"")), "nothing was logged");
        let entry = self.entries().await?.into_iter().find(|item| format!("{item:?}").contains(VALUE));
        ensure!(entry.is_none(), "the ledger has a value: {entry:?}");
        Ok(())
    }
}

/// Says a number that was measured, beside the test run's own output.
pub(super) fn measured(text: &str) {
    let _ = writeln!(std::io::stderr(), "  measured: {text}");
}
