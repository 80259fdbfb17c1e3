use aws_sdk_sqs::operation::start_message_move_task::builders::StartMessageMoveTaskFluentBuilder as Start;
use aws_sdk_sqs::types::{ListMessageMoveTasksResultEntry as Entry, MessageSystemAttributeName as System};
use serde_json::json;

use super::{DAY, Scene, code, one, pair, redrive, scene, system};
use crate::recorded::{Gone, Letter};

/// Lays so many messages into `dead`, as if they came from `jobs`.
fn fill(scene: &Scene, count: usize) {
    for number in 0..count {
        let letter =
            Letter { source: Some(scene.queues.arn("jobs")), receives: 3, ..Letter::new(number.to_string()) };
        scene.queues.put("dead", letter).unwrap();
    }
}

fn start(scene: &Scene) -> Start {
    scene.sqs.start_message_move_task().source_arn(scene.queues.arn("dead"))
}

async fn newest(scene: &Scene) -> Entry {
    let list = scene.sqs.list_message_move_tasks().source_arn(scene.queues.arn("dead")).send().await;
    list.unwrap().results.unwrap().remove(0)
}

#[tokio::test]
async fn a_task_moves_so_many_in_a_second_until_there_are_none() {
    let scene = scene(pair(3)).await;
    fill(&scene, 5);
    let handle = start(&scene).max_number_of_messages_per_second(2).send().await.unwrap().task_handle;
    let begun = newest(&scene).await;
    assert_eq!((begun.status(), begun.task_handle()), (Some("RUNNING"), handle.as_deref()));
    assert_eq!(begun.approximate_number_of_messages_to_move(), Some(5));
    assert_eq!((begun.max_number_of_messages_per_second(), begun.destination_arn()), (Some(2), None));
    assert_eq!(begun.started_timestamp(), 1_795_168_800_000);
    scene.advance(2);
    assert_eq!(newest(&scene).await.approximate_number_of_messages_moved(), 4);
    assert_eq!((scene.held("dead").len(), scene.held("jobs").len()), (1, 4));
    scene.advance(1);
    let done = newest(&scene).await;
    assert_eq!((done.status(), done.task_handle()), (Some("COMPLETED"), None));
    assert_eq!(done.approximate_number_of_messages_moved(), 5);
}

#[tokio::test]
async fn what_is_moved_is_a_new_message_with_a_time_and_a_count_of_its_own() {
    let scene = scene(pair(3)).await;
    fill(&scene, 1);
    let before = scene.queues.messages("dead").remove(0);
    scene.advance(DAY);
    start(&scene).send().await.unwrap();
    scene.advance(1);
    let moved = scene.receive("jobs").await.remove(0);
    assert_ne!(moved.message_id(), Some(&*before.id));
    assert_eq!(system(&moved, &System::ApproximateReceiveCount), Some("1"));
    assert_eq!(moved.attributes().unwrap().get(&"DeadLetterQueueSourceArn".into()), None);
    scene.advance(4 * DAY - 60);
    assert_eq!(scene.held("jobs"), ["0"]);
    assert_eq!(scene.gone("dead"), [("0".to_owned(), Gone::Moved)]);
}

#[tokio::test]
async fn a_task_is_refused_where_its_queues_do_not_allow_it() {
    let queues = pair(3).queue("other.fifo", &json!({"FifoQueue": "true"})).unwrap();
    let scene = scene(queues).await;
    let no_target = scene.sqs.start_message_move_task().source_arn(scene.queues.arn("jobs")).send().await;
    let refused = no_target.unwrap_err().into_service_error();
    assert_eq!(refused.meta().message(), Some("Source queue must be configured as a Dead Letter Queue."));
    for (destination, expected) in [
        ("none", "ResourceNotFoundException"),
        ("dead", "InvalidParameterValue"),
        ("other.fifo", "InvalidParameterValue"),
    ] {
        let refused = start(&scene).destination_arn(scene.queues.arn(destination)).send().await;
        assert_eq!(code(refused), expected, "{destination}");
    }
    assert_eq!(
        code(start(&scene).max_number_of_messages_per_second(501).send().await),
        "InvalidParameterValue"
    );
    let nowhere = scene.sqs.start_message_move_task().source_arn(scene.queues.arn("none")).send().await;
    assert_eq!(code(nowhere), "ResourceNotFoundException");
    assert_eq!(code(start(&scene).send().await), "ok");
    let second = start(&scene).send().await.unwrap_err().into_service_error();
    assert!(second.meta().message().unwrap().starts_with("There is already a task running."));
    assert_eq!(second.meta().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_task_that_is_cancelled_still_moves_for_a_while() {
    let scene = scene(pair(3)).await;
    fill(&scene, 20);
    let handle =
        start(&scene).max_number_of_messages_per_second(1).send().await.unwrap().task_handle.unwrap();
    scene.advance(2);
    let cancel = |handle: &str| scene.sqs.cancel_message_move_task().task_handle(handle).send();
    let cancelled = cancel(&handle).await.unwrap();
    assert_eq!(cancelled.approximate_number_of_messages_moved(), 2);
    assert_eq!(newest(&scene).await.status(), Some("CANCELLING"));
    assert_eq!(code(start(&scene).send().await), "InvalidParameterValue");
    scene.advance(60);
    let ended = newest(&scene).await;
    assert_eq!((ended.status(), ended.approximate_number_of_messages_moved()), (Some("CANCELLED"), 4));
    assert_eq!(code(cancel(&handle).await), "UnsupportedOperation");
    assert_eq!(code(cancel("nonsense").await), "InvalidParameterValue");
    let unknown = json!({"taskId": "1", "sourceArn": scene.queues.arn("dead")}).to_string();
    assert_eq!(code(cancel(&aws_smithy_types::base64::encode(unknown)).await), "ResourceNotFoundException");
}

#[tokio::test]
async fn a_task_fails_where_its_destination_is_deleted_under_it() {
    let scene = scene(pair(3).queue("other", &json!({})).unwrap()).await;
    fill(&scene, 10);
    let started =
        start(&scene).destination_arn(scene.queues.arn("other")).max_number_of_messages_per_second(1);
    started.send().await.unwrap();
    scene.advance(3);
    scene.queues.remove("other").unwrap();
    scene.advance(3);
    let failed = newest(&scene).await;
    assert_eq!(failed.status(), Some("FAILED"));
    assert_eq!(failed.failure_reason(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert_eq!(failed.approximate_number_of_messages_moved(), 3);
    assert_eq!(scene.held("dead").len(), 7);
}

#[tokio::test]
async fn a_task_without_a_destination_fails_at_what_no_queue_dead_lettered() {
    let scene = scene(pair(3)).await;
    fill(&scene, 1);
    scene.put("dead", "from a function");
    start(&scene).send().await.unwrap();
    scene.advance(1);
    let failed = newest(&scene).await;
    assert_eq!(
        (failed.status(), failed.failure_reason()),
        (Some("FAILED"), Some("CouldNotDetermineMessageSource"))
    );
    assert_eq!(
        (scene.held("jobs"), scene.held("dead")),
        (vec!["0".to_owned()], vec!["from a function".to_owned()])
    );
}

#[tokio::test]
async fn a_task_returns_each_message_to_the_queue_that_it_came_from() {
    let scene = scene(pair(3).queue("more", &redrive("dead", 3)).unwrap()).await;
    fill(&scene, 1);
    let letter = Letter { source: Some(scene.queues.arn("more")), ..Letter::new("more") };
    scene.queues.put("dead", letter).unwrap();
    start(&scene).send().await.unwrap();
    scene.advance(1);
    assert_eq!((scene.held("jobs"), scene.held("more")), (vec!["0".to_owned()], vec!["more".to_owned()]));
}

#[tokio::test]
async fn a_task_leaves_what_is_in_flight_and_fails_at_what_its_destination_is_too_small_for() {
    let scene = scene(pair(3)).await;
    fill(&scene, 2);
    scene.receive_up_to("dead", 1).await;
    start(&scene).send().await.unwrap();
    scene.advance(1);
    assert_eq!(newest(&scene).await.status(), Some("COMPLETED"));
    assert_eq!((scene.held("dead"), scene.held("jobs")), (vec!["0".to_owned()], vec!["1".to_owned()]));
    scene.advance(DAY);
    scene.queues.set("jobs", &json!({"MaximumMessageSize": 1_024})).unwrap();
    let large = Letter { source: Some(scene.queues.arn("jobs")), ..Letter::new("x".repeat(1_025)) };
    scene.queues.put("dead", large).unwrap();
    start(&scene).send().await.unwrap();
    scene.advance(1);
    assert_eq!(newest(&scene).await.status(), Some("FAILED"));
    assert_eq!(scene.held("dead").len(), 1);
}

#[tokio::test]
async fn a_task_out_of_a_fifo_queue_keeps_groups_and_makes_deduplication_ids() {
    let queues = one("dead.fifo", &json!({"FifoQueue": "true"}));
    let mut attributes = redrive("dead.fifo", 1);
    attributes["FifoQueue"] = json!("true");
    let scene = scene(queues.queue("orders.fifo", &attributes).unwrap()).await;
    for body in ["a1", "a2"] {
        scene.put_into_group("dead.fifo", "a", body);
    }
    let (source, destination) = (scene.queues.arn("dead.fifo"), scene.queues.arn("orders.fifo"));
    let started =
        scene.sqs.start_message_move_task().source_arn(source).destination_arn(destination).send().await;
    assert_eq!(code(started), "ok");
    scene.advance(1);
    let moved = scene.queues.messages("orders.fifo");
    assert_eq!(moved.iter().map(|it| &*it.body).collect::<Vec<_>>(), ["a1", "a2"]);
    for message in moved {
        assert_eq!((message.group.as_deref(), message.dedup), (Some("a"), Some(message.id)));
    }
}
