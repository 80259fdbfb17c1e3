//! The function against strict doubles of SQS and the ledger's table, and a service that keeps its count.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use jiff::{SignedDuration, Timestamp, Unit};
use local::aws::sdk_config;
use local::proxy::{Answer, Call, Proxy};
use local::recorded::{Letter, Queues, Table, uncovered};
use serde_json::{Value, json};
use shared::lambda::Invocation;
use shared::notice::{Notice, Severity, State};

use super::*;

const POLICY: &str = "scale: [{queue: orders, service: 'ecs:shop/worker', at_most: 10}]";

/// What the doubles of SQS and DynamoDB do not cover.
struct Account {
    policy: String,
    service: Value,
    /// Whether Application Auto Scaling has the service.
    autoscaled: bool,
    /// What `UpdateService` answers, where it does not do it.
    refusal: Option<&'static str>,
    updates: Vec<Value>,
    notices: Vec<Notice>,
    /// Whether nobody can be told anything.
    untold: bool,
    /// So many calls are still carried out.
    lives: usize,
}

impl Account {
    fn answer(&mut self, call: &Call) -> Option<Answer> {
        Some(match call.action.as_str() {
            "ssm:GetParameter" => Answer::json(&json!({"Parameter": {"Value": self.policy, "Version": 1}})),
            "ecs:DescribeServices" if call.json()["services"] == json!(["worker"]) => {
                Answer::json(&json!({"services": [self.service], "failures": []}))
            }
            "ecs:DescribeServices" => {
                Answer::json(&json!({"services": [], "failures": [{"reason": "MISSING"}]}))
            }
            "ecs:UpdateService" => {
                if let Some(code) = self.refusal {
                    return Some(Answer::error(400, code, "not now"));
                }
                let asked = call.json();
                for count in ["desiredCount", "runningCount"] {
                    self.service[count] = asked["desiredCount"].clone();
                }
                self.updates.push(asked);
                Answer::json(&json!({"service": self.service}))
            }
            "application-autoscaling:DescribeScalableTargets" => {
                let target = json!({"ServiceNamespace": "ecs", "ResourceId": "service/shop/worker",
                    "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1, "MaxCapacity": 9,
                    "RoleARN": "arn:aws:iam::1:role/x", "CreationTime": 1});
                Answer::json(&json!({"ScalableTargets": if self.autoscaled { vec![target] } else { vec![] }}))
            }
            "sns:Publish" if self.untold => Answer::error(500, "InternalError", "not now"),
            "sns:Publish" => {
                let form = call.form();
                let message = form.iter().find(|(name, _)| name == "Message").unwrap();
                self.notices.push(serde_json::from_str(&message.1).unwrap());
                Answer::query(call, "<MessageId>1</MessageId>")
            }
            _ => return None,
        })
    }
}

struct World {
    queues: Queues,
    account: Arc<Mutex<Account>>,
    clients: Clients,
    mode: Mode,
    _proxy: Proxy,
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is left of an invocation is measured against the real clock"
)]
fn real_now() -> Timestamp {
    Timestamp::now()
}

impl World {
    /// A service of two tasks, and so many messages.
    async fn of(waiting: usize) -> Self {
        let queues = Queues::at(real_now().round(Unit::Millisecond).unwrap()).alone();
        let queues = queues.queue("orders", &json!({"MessageRetentionPeriod": 345_600})).unwrap();
        for number in 0..waiting {
            queues.put("orders", Letter::new(number.to_string())).unwrap();
        }
        let service = json!({"serviceName": "worker", "status": "ACTIVE", "schedulingStrategy": "REPLICA",
            "desiredCount": 2, "runningCount": 2, "deployments": [{"status": "PRIMARY"}], "tags": []});
        let account = Account {
            policy: POLICY.to_owned(),
            service,
            refusal: None,
            updates: Vec::new(),
            notices: Vec::new(),
            autoscaled: false,
            untold: false,
            lives: usize::MAX,
        };
        let account = Arc::new(Mutex::new(account));
        let (answering, table, double) = (Arc::clone(&account), Table::new("ledger"), queues.clone());
        let proxy = Proxy::answering(move |call| {
            let mut account = answering.lock().unwrap();
            let Some(lives) = account.lives.checked_sub(1) else {
                return Answer::error(500, "Dead", "nobody asks any more");
            };
            account.lives = lives;
            let answer = account.answer(call).or_else(|| double.answer(call)).or_else(|| table.answer(call));
            answer.unwrap_or_else(|| uncovered(call))
        });
        let proxy = proxy.await.unwrap();
        let retries = RetryConfig::standard().with_max_attempts(1);
        let sdk = sdk_config(proxy.url()).await.into_builder().retry_config(retries).build();
        let clients = Clients::new(&sdk, "ledger");
        Self { queues, account, clients, mode: Mode::Act, _proxy: proxy }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }

    fn later(&self, minutes: u64) {
        self.queues.advance(Duration::from_mins(minutes));
    }

    /// Somebody works off all but so many messages.
    fn work(&self, left: usize) {
        let attributes = json!({"MessageRetentionPeriod": 345_600});
        self.queues.remove("orders").unwrap();
        let queues = self.queues.clone().queue("orders", &attributes).unwrap();
        for number in 0..left {
            queues.put("orders", Letter::new(number.to_string())).unwrap();
        }
    }

    async fn ask(&self, event: &Value) -> Result<Report> {
        let config = Config {
            environment: "prod".to_owned(),
            mode: self.mode,
            clusters: "shop".to_owned(),
            ledger_table: "ledger".to_owned(),
            notices_topic: "arn:aws:sns:eu-central-1:123456789012:notices".to_owned(),
        };
        let function =
            QueueScale { clients: OnceCell::new_with(Some(self.clients.clone())), ..QueueScale::new(config) };
        let now = self.queues.now();
        let deadline = real_now() + SignedDuration::from_secs(60);
        function.handle(event, &Invocation { request_id: "r-1".to_owned(), now, deadline }).await
    }

    /// The schedule, and what is reported.
    async fn tick(&self) -> String {
        let report = self.ask(&json!({"scale": "all"})).await.unwrap();
        format!("{}: {}", report.outcome(), report.reason())
    }

    fn desired(&self) -> u64 {
        self.account().service["desiredCount"].as_u64().unwrap()
    }

    /// What people were told, each thing once.
    fn told(&self) -> Vec<(State, String)> {
        let mut told: Vec<Notice> = Vec::new();
        for notice in &self.account().notices {
            if told.iter().all(|known| known.id != notice.id) {
                told.push(notice.clone());
            }
        }
        assert!(told.iter().all(|notice| notice.incident == told[0].incident), "one incident");
        assert!(told.is_sorted_by_key(|notice| notice.revision), "in order");
        told.into_iter().map(|notice| (notice.state, notice.title)).collect()
    }
}

fn firing(title: &str) -> (State, String) {
    (State::Firing, title.to_owned())
}

fn resolved(title: &str) -> (State, String) {
    (State::Resolved, title.to_owned())
}

#[tokio::test]
async fn a_service_follows_its_queue_up_and_back() {
    let world = World::of(480).await;
    assert!(world.tick().await.starts_with("scaled: ecs:shop/worker: from 2 to 5 tasks, for orders"));
    world.later(1);
    assert!(world.tick().await.contains("as many tasks as the messages"));
    world.work(900);
    world.later(3);
    world.tick().await;
    assert_eq!(world.desired(), 9);
    world.work(30);
    for _ in 0..15 {
        world.later(1);
        assert!(world.tick().await.starts_with("kept"), "too early");
        assert_eq!(world.desired(), 9);
    }
    world.later(1);
    assert!(world.tick().await.starts_with("scaled"));
    assert_eq!(world.desired(), 2);
    world.later(1);
    assert_eq!(world.tick().await, "kept: ecs:shop/worker: left as it is: few messages wait");
    let expected = [
        firing("shop/worker scaled from 2 to 5 tasks"),
        firing("shop/worker scaled from 5 to 9 tasks"),
        resolved("shop/worker has its own 2 tasks again"),
    ];
    assert_eq!(world.told(), expected);
    let account = world.account();
    let only = BTreeSet::from(["cluster", "desiredCount", "service"].map(ToOwned::to_owned));
    let named = |update: &Value| update.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert!(account.updates.iter().all(|update| named(update) == only));
}

#[tokio::test]
async fn whoever_dies_after_any_call_is_gone_on_with_and_people_hear_each_thing_once() {
    let mut nth = 0;
    loop {
        let world = World::of(480).await;
        world.account().lives = nth;
        let _ = world.ask(&json!({"scale": "all"})).await;
        let left = std::mem::replace(&mut world.account().lives, usize::MAX);
        world.later(1);
        world.tick().await;
        assert_eq!(world.desired(), 5, "after call {nth}");
        world.work(0);
        world.later(1);
        world.tick().await;
        world.later(15);
        world.account().lives = nth;
        let _ = world.ask(&json!({"scale": "all"})).await;
        world.account().lives = usize::MAX;
        world.later(1);
        world.tick().await;
        assert_eq!(world.desired(), 2, "after call {nth}");
        let expected = [
            firing("shop/worker scaled from 2 to 5 tasks"),
            resolved("shop/worker has its own 2 tasks again"),
        ];
        assert_eq!(world.told(), expected, "after call {nth}");
        if left > 0 {
            break;
        }
        nth += 1;
    }
    assert!(nth >= 9, "it takes only {nth} calls");
}

#[tokio::test]
async fn of_two_at_once_one_scales() {
    let world = World::of(480).await;
    let all = json!({"scale": "all"});
    let (one, other) = tokio::join!(world.ask(&all), world.ask(&all));
    assert!(one.unwrap().failure().is_none() && other.unwrap().failure().is_none());
    assert_eq!(world.desired(), 5);
    assert_eq!(world.told(), [firing("shop/worker scaled from 2 to 5 tasks")]);
}

#[tokio::test]
async fn whoever_sets_the_count_by_hand_is_left_alone() {
    let world = World::of(480).await;
    world.tick().await;
    world.account().service["desiredCount"] = json!(3);
    world.later(1);
    assert!(world.tick().await.contains("somebody else set it to 3 tasks"));
    for _ in 0..5 {
        world.later(10);
        assert!(world.tick().await.starts_with("kept"));
    }
    assert_eq!(world.desired(), 3);
    let expected = [
        firing("shop/worker scaled from 2 to 5 tasks"),
        resolved("shop/worker was set to 3 tasks by somebody else"),
    ];
    assert_eq!(world.told(), expected);
}

#[tokio::test]
async fn what_is_not_to_be_changed_is_not_and_people_hear_of_it_once_a_day() {
    let frozen = format!("freeze: true\n{POLICY}");
    let tags = |name: &str, value: &str| json!([{"key": format!("watchkeeper:{name}"), "value": value}]);
    for (mode, policy, tags, told) in [
        (Mode::Observe, POLICY, json!([]), 1),
        (Mode::Act, frozen.as_str(), json!([]), 1),
        (Mode::Act, POLICY, tags("mode", "observe"), 1),
        (Mode::Act, POLICY, tags("mode", "off"), 0),
        (Mode::Off, POLICY, json!([]), 0),
        (Mode::Act, POLICY, tags("environment", "staging"), 0),
    ] {
        let mut world = World::of(480).await;
        world.mode = mode;
        policy.clone_into(&mut world.account().policy);
        world.account().service["tags"] = tags.clone();
        let outcome = if mode == Mode::Off { "ignored" } else { "kept" };
        for _ in 0..3 {
            assert!(world.tick().await.starts_with(outcome));
        }
        assert_eq!((world.desired(), world.told().len()), (2, told), "{mode:?} {policy} {tags}");
    }
}

#[tokio::test]
async fn what_ecs_refuses_is_told_and_what_fails_for_now_is_tried_again() {
    let world = World::of(480).await;
    world.account().refusal = Some("ThrottlingException");
    let report = world.ask(&json!({"scale": "all"})).await.unwrap();
    assert_eq!(report.failure().map(|(class, _)| class), Some(shared::error::Class::Transient));
    world.account().refusal = Some("AccessDeniedException");
    world.later(1);
    let report = world.ask(&json!({"scale": "all"})).await.unwrap();
    assert!(report.failure().unwrap().1.contains("ecs:UpdateService is denied"));
    assert_eq!(world.account().notices[0].severity, Severity::Sev2);
    for _ in 0..6 {
        world.later(9);
        assert!(world.tick().await.contains("left alone until"));
    }
    world.account().refusal = None;
    world.later(9);
    world.tick().await;
    assert_eq!(world.desired(), 5);

    // Also the way back: its own count is not forgotten.
    world.work(0);
    world.later(1);
    world.tick().await;
    world.account().refusal = Some("AccessDeniedException");
    world.later(15);
    assert!(world.ask(&json!({"scale": "all"})).await.unwrap().failure().is_some());
    world.account().refusal = None;
    for _ in 0..7 {
        world.later(9);
        world.tick().await;
    }
    assert_eq!(world.desired(), 2);
    let expected = [
        firing("shop/worker could not be set to 5 tasks"),
        firing("shop/worker scaled from 2 to 5 tasks"),
        firing("shop/worker could not be set to 2 tasks"),
        resolved("shop/worker has its own 2 tasks again"),
    ];
    assert_eq!(world.told(), expected);
}

#[tokio::test]
async fn a_refusal_that_could_not_be_told_is_told_the_next_time() {
    let world = World::of(480).await;
    world.account().refusal = Some("AccessDeniedException");
    world.account().untold = true;
    assert!(world.ask(&json!({"scale": "all"})).await.unwrap().failure().is_some());
    world.account().untold = false;
    world.later(1);
    assert!(world.ask(&json!({"scale": "all"})).await.unwrap().failure().is_some());
    assert_eq!(world.told(), [firing("shop/worker could not be set to 5 tasks")]);
    world.later(9);
    assert!(world.tick().await.contains("left alone until"));
}

#[tokio::test]
async fn a_service_that_an_autoscaler_has_is_left_to_it() {
    let world = World::of(480).await;
    world.account().autoscaled = true;
    assert!(world.tick().await.contains("Application Auto Scaling sets its count"));
    assert_eq!((world.desired(), world.told()), (2, Vec::new()));
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_holds_nothing_up() {
    let world = World::of(480).await;
    world.tick().await;
    let ledger = &world.clients.ledger;
    let target = "ecs:shop/worker".parse().unwrap();
    let kept = ledger.scaling(&target).await.unwrap();
    assert!(kept.scaling.is_some());
    let entry = ledger.look_up("target#ecs:shop/worker", "scaling").await.unwrap();
    let mut entry = entry.unwrap();
    let before = entry.clone();
    entry.remove("own");
    ledger.swap(entry, Some(&before)).await.unwrap();
    world.work(900);
    world.later(3);
    assert!(world.tick().await.contains("from 5 to 9 tasks"));
    assert_eq!(world.desired(), 9);
}

#[tokio::test]
async fn a_queue_that_is_gone_leaves_no_service_with_tasks_for_it() {
    let world = World::of(480).await;
    world.tick().await;
    world.queues.remove("orders").unwrap();
    for _ in 0..3 {
        world.later(8);
        world.tick().await;
    }
    assert_eq!(world.desired(), 2);
    assert!(
        world.ask(&json!({"scale": "all"})).await.unwrap().failure().is_some(),
        "nobody hears of the queue"
    );
}

#[tokio::test]
async fn a_rule_that_fails_keeps_no_other_from_being_looked_at() {
    let world = World::of(480).await;
    let others = "{queue: no-such, service: 'ecs:shop/other', at_most: 2}, {queue: orders, service: 'ecs:shop/none', at_most: 2}";
    world.account().policy = POLICY.replace("[{", &format!("[{others}, {{"));
    let report = world.ask(&json!({"scale": "all"})).await.unwrap();
    assert!(report.failure().unwrap().1.contains("the queue no-such, which the policy names"));
    assert!(report.reason().contains("ecs:shop/none: left as it is: there is no such service"));
    assert_eq!(world.desired(), 5);
}

#[tokio::test]
async fn a_plan_changes_nothing_and_what_is_no_question_is_refused() {
    let world = World::of(480).await;
    let report = world.ask(&json!({"scale": "plan"})).await.unwrap();
    assert!(report.reason().contains("from 2 to 5 tasks"));
    assert_eq!(report.answer()["services"][0]["decided"]["step"], "set");
    assert_eq!(report.answer()["services"][0]["reason"], "from 2 to 5 tasks, for orders");
    assert_eq!((world.desired(), world.told()), (2, Vec::new()));
    for event in [json!(null), json!({}), json!({"scale": 3}), json!({"scale": "none"}), json!([1])] {
        let error = world.ask(&event).await.unwrap_err();
        assert!(error.to_string().contains("{\"scale\": \"all\"}"), "{error}");
    }
    world.account().policy = String::new();
    assert!(world.tick().await.starts_with("ignored"));
}

#[tokio::test]
async fn a_count_that_somebody_asks_for_is_the_services_own_from_then_on() {
    let world = World::of(480).await;
    world.tick().await;
    let asked = |dry_run: bool| json!({"scale": {"service": "ecs:shop/worker", "to": 3, "dry_run": dry_run, "confirm": "SCALE", "by": "ann"}});
    let plan = world.ask(&asked(true)).await.unwrap();
    assert_eq!((plan.outcome(), world.desired()), ("proposed", 5));
    assert_eq!(plan.answer()["plan"]["from"], 5);
    let done = world.ask(&asked(false)).await.unwrap();
    assert_eq!((done.outcome(), world.desired()), ("scaled", 3));
    assert_eq!(done.answer()["undo"], "wk scale ecs:shop/worker 5 --apply");
    assert_eq!(world.ask(&asked(false)).await.unwrap().outcome(), "kept");
    for _ in 0..5 {
        world.later(10);
        assert!(world.tick().await.contains("left alone until"));
    }
    let expected = [
        firing("shop/worker scaled from 2 to 5 tasks"),
        resolved("shop/worker was set from 5 to 3 tasks by ann"),
    ];
    assert_eq!((world.desired(), world.told()), (3, expected.to_vec()));
    world.later(11);
    world.tick().await;
    assert_eq!(world.desired(), 5, "its queue counts again");
}

#[tokio::test]
async fn a_count_that_is_refused_by_hand_changes_nothing_that_is_remembered() {
    let world = World::of(480).await;
    world.tick().await;
    let asked =
        json!({"scale": {"service": "ecs:shop/worker", "to": 3, "dry_run": false, "confirm": "SCALE"}});
    for refusal in ["AccessDeniedException", "ThrottlingException"] {
        world.account().refusal = Some(refusal);
        let error = world.ask(&asked).await.unwrap_err();
        assert!(error.to_string().contains("ecs:UpdateService"), "{error}");
    }
    let elsewhere =
        json!({"scale": {"service": "ecs:prod/web", "to": 3, "dry_run": false, "confirm": "SCALE"}});
    let held = world.ask(&elsewhere).await.unwrap();
    assert!(held.reason().contains("not among the targets"), "{}", held.reason());
    world.account().refusal = None;
    world.work(0);
    for _ in 0..3 {
        world.later(8);
        world.tick().await;
    }
    assert_eq!(world.desired(), 2, "it gets its own count back");
}
