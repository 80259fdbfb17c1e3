use aws_sdk_sqs::operation::purge_queue::PurgeQueueError;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde_json::json;

use super::{code, morning, one, pair, scene};
use crate::proxy::Proxy;
use crate::recorded::{Gone, Queues, uncovered};

#[tokio::test]
async fn a_queue_says_how_it_is_set_and_what_it_holds() {
    let scene = scene(pair(5)).await;
    for body in ["one", "two", "three"] {
        scene.put("jobs", body);
    }
    scene.receive_up_to("jobs", 1).await;
    let delayed =
        scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body("four").delay_seconds(9);
    delayed.send().await.unwrap();
    let get = || scene.sqs.get_queue_attributes().queue_url(scene.queues.url("jobs"));
    let all = get().attribute_names(Name::All).send().await.unwrap().attributes.unwrap();
    for (name, expected) in [
        (Name::ApproximateNumberOfMessages, "2"),
        (Name::ApproximateNumberOfMessagesNotVisible, "1"),
        (Name::ApproximateNumberOfMessagesDelayed, "1"),
        (Name::CreatedTimestamp, "1795168800"),
        (Name::MaximumMessageSize, "1048576"),
        (Name::MessageRetentionPeriod, "345600"),
        (Name::QueueArn, "arn:aws:sqs:eu-central-1:123456789012:jobs"),
        (Name::VisibilityTimeout, "30"),
    ] {
        assert_eq!(all[&name], expected, "{name}");
    }
    assert!(all[&Name::RedrivePolicy].contains("\"maxReceiveCount\":5"));
    assert!(!all.contains_key(&Name::FifoQueue));
    assert_eq!(get().send().await.unwrap().attributes, None);
    let two = get().attribute_names(Name::QueueArn).attribute_names(Name::Policy).send().await.unwrap();
    assert_eq!(two.attributes.unwrap().len(), 1);
    assert_eq!(code(get().attribute_names("Nonsense".into()).send().await), "InvalidAttributeName");
}

#[test]
fn a_queue_is_set_only_to_what_it_can_be_set_to() {
    for (name, attributes) in [
        ("jobs", json!({"VisibilityTimeout": "43201"})),
        ("jobs", json!({"MessageRetentionPeriod": "59"})),
        ("jobs", json!({"MaximumMessageSize": "1048577"})),
        ("jobs", json!({"Nonsense": "1"})),
        ("jobs", json!({"FifoQueue": "true"})),
        ("jobs.fifo", json!({})),
        ("jobs", json!({"ContentBasedDeduplication": "true"})),
        ("no jobs", json!({})),
        ("jobs", json!({"RedrivePolicy": "{}"})),
    ] {
        assert!(morning().queue(name, &attributes).is_err(), "{name} {attributes}");
    }
}

#[tokio::test]
async fn queues_are_listed_by_their_beginning_and_page_by_page() {
    let mut queues = morning();
    for name in ["a-1", "a-2", "a-3", "b-1"] {
        queues = queues.queue(name, &json!({})).unwrap();
    }
    let scene = scene(queues).await;
    let list = || scene.sqs.list_queues().queue_name_prefix("a-");
    let all = list().send().await.unwrap();
    assert_eq!(all.queue_urls().len(), 3);
    assert_eq!(all.queue_urls()[0], "https://sqs.eu-central-1.amazonaws.com/123456789012/a-1");
    let first = list().max_results(2).send().await.unwrap();
    let rest = list().max_results(2).set_next_token(first.next_token.clone()).send().await.unwrap();
    assert_eq!((first.queue_urls().len(), rest.queue_urls().len(), rest.next_token()), (2, 1, None));
    assert_eq!(code(list().set_next_token(first.next_token).send().await), "InvalidParameterValue");
    let none = scene.sqs.list_queues().queue_name_prefix("c").send().await.unwrap();
    assert!(none.queue_urls.is_none());
}

#[tokio::test]
async fn a_queue_has_its_url_and_its_tags() {
    let scene = scene(one("jobs", &json!({}))).await;
    let url = scene.sqs.get_queue_url().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    assert_eq!(url, scene.queues.url("jobs"));
    let tags = || scene.sqs.list_queue_tags().queue_url(&url);
    assert_eq!(tags().send().await.unwrap().tags, None);
    scene.queues.tag("jobs", &[("team", "shop")]).unwrap();
    assert_eq!(tags().send().await.unwrap().tags.unwrap()["team"], "shop");
}

#[tokio::test]
async fn a_queue_that_is_not_there_does_not_exist() {
    let scene = scene(one("jobs", &json!({}))).await;
    scene.queues.remove("jobs").unwrap();
    for name in ["jobs", "never"] {
        let refused = scene.sqs.receive_message().queue_url(scene.queues.url(name)).send().await;
        let refused = refused.unwrap_err().into_service_error();
        assert!(refused.is_queue_does_not_exist(), "{refused:?}");
        assert_eq!(refused.meta().code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
        assert_eq!(code(scene.sqs.get_queue_url().queue_name(name).send().await), "NonExistentQueue");
    }
    let elsewhere = "https://sqs.eu-central-1.amazonaws.com/000000000000/jobs";
    assert_eq!(code(scene.sqs.purge_queue().queue_url(elsewhere).send().await), "InvalidAddress");
}

#[tokio::test]
async fn what_is_about_the_queues_of_others_is_left_to_them() {
    let queues = Queues::new().queue("jobs", &json!({})).unwrap();
    let answers = queues.clone();
    let proxy =
        Proxy::answering(move |call| answers.answer(call).unwrap_or_else(|| uncovered(call))).await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&crate::aws::sdk_config(proxy.url()).await);
    assert_eq!(code(sqs.purge_queue().queue_url(queues.url("other")).send().await), "NothingRecorded");
    assert_eq!(code(sqs.create_queue().queue_name("jobs").send().await), "NothingRecorded");
    queues.remove("jobs").unwrap();
    assert_eq!(code(sqs.purge_queue().queue_url(queues.url("jobs")).send().await), "NonExistentQueue");
}

#[tokio::test]
async fn a_purge_takes_what_is_in_flight_and_what_is_sent_within_the_minute_and_is_not_repeated_in_it() {
    let scene = scene(one("jobs", &json!({}))).await;
    for body in ["one", "two"] {
        scene.put("jobs", body);
    }
    scene.receive_up_to("jobs", 1).await;
    let purge = || scene.sqs.purge_queue().queue_url(scene.queues.url("jobs")).send();
    purge().await.unwrap();
    let send =
        |body: &str| scene.sqs.send_message().queue_url(scene.queues.url("jobs")).message_body(body).send();
    scene.advance(59);
    assert_eq!(code(send("three").await), "ok");
    let refused = purge().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    assert!(matches!(refused.into_service_error(), PurgeQueueError::PurgeQueueInProgress(_)));
    let purged = ["one", "two", "three"].map(|body| (body.to_owned(), Gone::Purged));
    assert_eq!((scene.gone("jobs"), scene.held("jobs")), (purged.to_vec(), Vec::new()));
    scene.advance(1);
    assert_eq!(code(send("four").await), "ok");
    assert_eq!(scene.held("jobs"), ["four"]);
    assert_eq!(code(purge().await), "ok");
    assert_eq!(scene.proxy.count("sqs:PurgeQueue"), 3);
}
