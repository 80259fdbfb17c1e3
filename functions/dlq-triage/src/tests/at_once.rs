//! Two invocations at the same queue, and what the schedule, the queue and the alarm ask for at the same time.

use futures_util::future::join;
use local::proxy::{Fault, When};
use serde_json::{Value, json};

use super::again::{RULE, paid};
use super::world::{World, failures, orders};

async fn world() -> World {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..12 {
        paid(&world, number);
    }
    world
}

fn alarm(state: &str, queue: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
        "account": "123456789012", "time": "2026-11-20T10:00:00Z", "region": "eu-central-1",
        "resources": ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:depth"],
        "detail": {"alarmName": "depth", "state": {"value": state, "reason": "deep", "timestamp": "2026-11-20T10:00:00.000+0000"},
            "previousState": {"value": "OK", "timestamp": "2026-11-20T09:00:00.000+0000"},
            "configuration": {"metrics": [{"id": "m", "returnData": true, "metricStat": {"period": 60, "stat": "Maximum",
                "metric": {"namespace": "AWS/SQS", "name": "ApproximateNumberOfMessagesVisible", "dimensions": {"QueueName": queue}}}}]}},
    })
}

#[tokio::test]
async fn of_two_at_the_same_queue_the_second_waits() {
    let world = world().await;
    // The first takes its time over the first letters.
    world.proxy.inject(
        "sqs:ReceiveMessage",
        When::First(1),
        Fault::Delay(std::time::Duration::from_millis(300)),
    );
    let message = world.message("orders-dlq");
    let (one, other) = join(Box::pin(world.handle(&message)), Box::pin(world.handle(&message))).await;
    let mut outcomes =
        [one.unwrap(), other.unwrap()].map(|report| (report.outcome(), failures(&report).len()));
    outcomes.sort_unstable();
    assert_eq!(outcomes, [("triaged", 0), ("waits", 1)]);
    assert_eq!((world.held("orders").len(), world.held("orders-dlq").len()), (5, 7), "one canary");

    // By hand too.
    world.proxy.inject(
        "sqs:ReceiveMessage",
        When::First(1),
        Fault::Delay(std::time::Duration::from_millis(300)),
    );
    let purge = json!({"purge": {"queue": "orders-dlq", "count": 7, "by": "ann"}});
    let (run, purge) = join(Box::pin(world.handle(&message)), Box::pin(world.handle(&purge))).await;
    let refused = [
        run.map(|report| report.reason().to_owned()).unwrap_or_default(),
        purge.map_or_else(|it| it.chain(), |_| String::new()),
    ];
    assert!(refused.iter().any(|why| why.contains("another invocation works on the queue")), "{refused:?}");
}

#[tokio::test]
async fn an_alarm_and_the_schedule_come_to_the_same() {
    let world = world().await;
    let report = world.handle(&alarm("ALARM", "orders-dlq")).await.unwrap();
    assert_eq!(report.outcome(), "triaged", "{report:?}");
    assert_eq!(world.held("orders").len(), 5);
    let _ = world.sweep().await;
    let _ = world.handle(&alarm("ALARM", "orders-dlq")).await.unwrap();
    assert_eq!(world.held("orders").len(), 5, "the canary is out");
    for (state, queue, part) in [
        ("OK", "orders-dlq", "does not fire"),
        ("ALARM", "orders", "no dead-letter queue"),
        ("ALARM", "not-there", "does not exist"),
    ] {
        let report = world.handle(&alarm(state, queue)).await.unwrap();
        assert!(report.outcome() == "ignored" && report.reason().contains(part), "{report:?}");
    }
}

#[tokio::test]
async fn however_often_it_is_asked_one_message_to_itself_is_on_its_way() {
    let world = world().await;
    let _ = world.sweep().await;
    for _ in 0..4 {
        let _ = world.handle(&world.message("orders-dlq")).await.unwrap();
    }
    assert_eq!(world.held(super::world::TRIAGES).len(), 1, "{:?}", world.held(super::world::TRIAGES));
}

#[tokio::test]
async fn messages_that_are_none_and_queues_that_are_gone_do_not_come_back() {
    let world = world().await;
    let mut event = world.message("orders-dlq");
    let mut other = event["Records"][0].clone();
    other["body"] = json!("{}");
    event["Records"].as_array_mut().unwrap().push(other);
    let report = world.handle(&event).await.unwrap();
    assert_eq!(failures(&report), Vec::<String>::new(), "{report:?}");
    let _ = world.handle(&json!({"triage": "all"})).await.unwrap();
    world.queues.remove("orders").unwrap();
    world.queues.remove("orders-dlq").unwrap();
    let reports = world.deliver().await;
    assert_eq!((reports[0].outcome(), reports[0].reason()), ("ignored", "the queue is gone"));
}

#[tokio::test]
async fn an_alarm_and_a_message_of_nothing_are_understood() {
    let world = world().await;
    for event in [
        json!({"Records": []}),
        json!({"Records": [{"messageId": "1", "body": "", "eventSource": "aws:sqs"}]}),
    ] {
        let _ = world.handle(&event).await.unwrap();
    }
    for event in
        [json!({}), json!(null), json!({"redrive": {}}), json!({"triage": 1}), json!({"Records": "x"})]
    {
        let error = world.handle(&event).await.unwrap_err();
        assert!(error.chain().starts_with("the event is not understood"), "{error:?}");
    }
}
