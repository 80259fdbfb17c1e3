//! A search, against an account that remembers what it was asked.

mod account;
mod world;

use shared::error::Class;

use super::*;
use account::{account, arn, queue, rule_arn, url};
use world::{Account, World as Mock};

fn later() -> Instant {
    Instant::now() + Duration::from_mins(10)
}

async fn search(mock: &Mock, covers: &str, environment: &str) -> Found {
    all(&mock.clients().reach(), covers, environment, later()).await.unwrap()
}

fn names(found: &Found) -> Vec<&str> {
    found.queues.iter().map(|dead| dead.queue.name.as_str()).collect()
}

/// The sources of a queue, in words.
fn sources(found: &Found, name: &str) -> Vec<String> {
    let dead = found.queues.iter().find(|dead| dead.queue.name == name).unwrap();
    let last = |arn: &str| arn.rsplit(':').next().unwrap().to_owned();
    let mut words = Vec::new();
    for source in &dead.sources {
        words.push(match source {
            Source::Queue { arn, max_receives, .. } => format!("queue {} after {max_receives}", last(arn)),
            Source::Function { arn, by } => format!("{} {by:?}", arn.split(":function:").nth(1).unwrap()),
            Source::Mapping { id, .. } => format!("mapping {id}"),
            Source::Subscription { arn, raw, .. } => format!("subscription {} raw {raw}", last(arn)),
            Source::Target { bus, id, transforms, group, .. } => {
                format!("target {id} of {bus} transforms {transforms} group {group:?}")
            }
        });
    }
    words
}

#[tokio::test]
async fn each_kind_of_source_is_found_on_whichever_page_it_stands() {
    let mock = Mock::of(account());
    let found = search(&mock, "*", "prod").await;
    assert_eq!(found.blind, Vec::<String>::new());
    assert_eq!(names(&found), ["nobody-dlq", "orders-dead", "shared-dlq"]);
    assert_eq!(sources(&found, "nobody-dlq"), Vec::<String>::new());
    assert_eq!(sources(&found, "orders-dead"), ["queue orders after 3", "queue orders-copy after 3"]);
    assert_eq!(
        sources(&found, "shared-dlq"),
        [
            "mail DeadLetterConfig",
            "mail OnFailure",
            "mail:live OnFailure",
            "mapping m-1",
            "subscription s-1 raw true",
            "subscription s-2 raw false",
            "target t-1 of default transforms true group None",
            "target t-4 of shop transforms false group Some(\"orders\")",
        ]
    );
    for dead in &found.queues {
        assert_eq!((dead.queue.attributes.visible, &dead.blind), (2, &Vec::new()));
        assert_eq!(dead.queue.url, url(&dead.queue.name));
    }

    let calls = mock.calls();
    let count =
        |operation: &str| calls.iter().filter(|call| call.split(' ').next() == Some(operation)).count();
    assert_eq!(count("ListQueues"), 1);
    assert_eq!(count("GetQueueAttributes"), 9);
    assert_eq!(count("ListFunctions"), 2);
    assert_eq!(count("ListFunctionEventInvokeConfigs"), 3);
    assert_eq!(count("ListSubscriptions"), 4);
    assert_eq!(count("GetSubscriptionAttributes"), 3, "not of the one that is not confirmed");
    assert_eq!(count("ListTargetsByRule"), 4);
    let tags: Vec<_> = calls.iter().filter(|call| call.starts_with("ListQueueTags")).collect();
    assert_eq!(
        tags.len(),
        5 + 3,
        "of dead-letter queues, and of the sources of those that have none: {tags:?}"
    );
}

#[tokio::test]
async fn tags_decide_whose_a_queue_is_and_the_operator_where_there_are_none() {
    let mock = Mock::of(account());
    for (covers, environment, expected) in [
        ("*", "prod", vec!["nobody-dlq", "orders-dead", "shared-dlq"]),
        ("*", "test", vec!["other-dlq"]),
        ("*", "dev", vec![]),
        ("o*", "prod", vec!["orders-dead"]),
        ("u*", "prod", vec!["untagged-dlq"]),
        ("untagged-dlq", "test", vec!["untagged-dlq"]),
        ("other-dlq", "prod", vec![]),
        ("orders", "prod", vec![]),
        ("plain", "prod", vec![]),
        ("not-there", "prod", vec![]),
    ] {
        let found = search(&mock, covers, environment).await;
        assert_eq!((names(&found), &found.blind), (expected, &Vec::new()), "{covers} of {environment}");
    }
}

#[tokio::test]
async fn a_denial_of_one_kind_leaves_the_others_and_names_the_permission() {
    let denied = "is denied to this function's role: grant it on the resource named in the cause: \
                  AccessDeniedException: no";
    for (operation, what, gone) in [
        ("ListFunctions", "the list of functions is not whole: lambda:ListFunctions", 3),
        (
            "ListFunctionEventInvokeConfigs",
            "on-failure destinations of functions not looked at: mail, reader: lambda:ListFunctionEventInvokeConfigs",
            2,
        ),
        (
            "ListEventSourceMappings",
            "the list of event source mappings is not whole: lambda:ListEventSourceMappings",
            1,
        ),
        ("ListSubscriptions", "the list of subscriptions is not whole: sns:ListSubscriptions", 2),
        (
            "GetSubscriptionAttributes",
            "subscriptions not looked at: arn:aws:sns:eu-west-1:123456789012:orders:s-1, \
             arn:aws:sns:eu-west-1:123456789012:orders:s-2, arn:aws:sns:eu-west-1:123456789012:orders:s-3: \
             sns:GetSubscriptionAttributes",
            2,
        ),
        ("ListEventBuses", "the list of event buses is not whole: events:ListEventBuses", 2),
        ("ListRules", "event buses not looked at: default, shop: events:ListRules", 2),
        ("ListTargetsByRule", "rules not looked at: nightly, placed, plain: events:ListTargetsByRule", 2),
    ] {
        let broken = vec![(operation, "", "AccessDeniedException")];
        let found = search(&Mock::of(Account { broken, ..account() }), "*", "prod").await;
        assert_eq!(found.blind, [format!("{what} {denied}")]);
        assert_eq!(names(&found), ["nobody-dlq", "orders-dead", "shared-dlq"]);
        assert_eq!(sources(&found, "shared-dlq").len(), 8 - gone, "{operation}");
    }
}

#[tokio::test]
async fn a_throttle_costs_only_what_it_hit() {
    let broken = vec![
        ("ListFunctions", "1", "TooManyRequestsException"),
        ("ListTargetsByRule", "nightly", "ThrottlingException"),
        ("GetQueueAttributes", "orders-copy", "RequestThrottled"),
    ];
    let found = search(&Mock::of(Account { broken, ..account() }), "*", "prod").await;
    assert_eq!(
        found.blind,
        [
            "queues not looked at: orders-copy: sqs:GetQueueAttributes failed: RequestThrottled: no",
            "the list of functions is not whole: lambda:ListFunctions failed: TooManyRequestsException: no",
            "rules not looked at: nightly: events:ListTargetsByRule failed: ThrottlingException: no",
        ]
    );
    assert_eq!(sources(&found, "orders-dead"), ["queue orders after 3"]);
    assert_eq!(sources(&found, "shared-dlq").len(), 7);
}

#[tokio::test]
async fn what_vanishes_between_two_calls_is_not_spoken_of() {
    for code in ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"] {
        let broken = vec![
            ("GetQueueAttributes", "other-dlq", code),
            ("ListQueueTags", "nobody-dlq", code),
            ("ListQueueTags", "orders-copy", code),
            ("ListFunctionEventInvokeConfigs", "reader", "ResourceNotFoundException"),
            ("GetSubscriptionAttributes", "s-1", "NotFound"),
            ("ListRules", "shop", "ResourceNotFoundException"),
            ("ListTargetsByRule", "plain", "ResourceNotFoundException"),
        ];
        let found = search(&Mock::of(Account { broken, ..account() }), "*", "prod").await;
        assert_eq!(found.blind, Vec::<String>::new());
        assert_eq!(names(&found), ["orders-dead", "shared-dlq"]);
        assert_eq!(sources(&found, "shared-dlq").len(), 6);
    }
}

#[tokio::test]
async fn a_queue_whose_tags_cannot_be_read_is_nobodys() {
    let broken = vec![
        ("ListQueueTags", "shared-dlq", "AccessDenied"),
        ("ListQueueTags", "orders-copy", "AccessDenied"),
    ];
    let found = search(&Mock::of(Account { broken, ..account() }), "*", "prod").await;
    assert_eq!(names(&found), ["nobody-dlq", "orders-dead"]);
    assert_eq!(
        found.queues[1].blind,
        [format!("the tags of its source {} are not known", arn("sqs", "orders-copy"))]
    );
    let said: Vec<_> = found.blind.iter().map(|said| said.split(" is denied").next().unwrap()).collect();
    assert_eq!(
        said,
        [
            "tags of queues not looked at: shared-dlq: sqs:ListQueueTags",
            "tags of queues not looked at: orders-copy: sqs:ListQueueTags",
        ]
    );
}

#[tokio::test]
async fn without_the_list_of_queues_nothing_is_found() {
    for (code, class) in [("AccessDenied", Class::Permanent), ("ThrottlingException", Class::Transient)] {
        let mock = Mock::of(Account { broken: vec![("ListQueues", "", code)], ..account() });
        let error = all(&mock.clients().reach(), "*", "prod", later()).await.unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.chain().starts_with("sqs:ListQueues "), "{error:?}");
        assert_eq!(mock.calls(), ["ListQueues"], "and nothing else is asked");
    }
}

#[tokio::test]
async fn of_too_many_queues_those_that_are_covered_come_first() {
    let mut queues: Vec<_> = (0..1_100).map(|number| queue(&format!("a-{number:04}"), None, None)).collect();
    queues.push(queue("z-dlq", Some("prod"), None));
    let mock = Mock::of(Account { queues, ..Account::default() });
    let found = search(&mock, "z-*", "prod").await;
    assert_eq!(names(&found), ["z-dlq"]);
    assert_eq!(found.blind, ["only 1000 queues were looked at; there are more"]);
    let calls = mock.calls();
    let count = |operation: &str| calls.iter().filter(|call| call.starts_with(operation)).count();
    assert_eq!((count("ListQueues"), count("GetQueueAttributes")), (1 + 3, 1_000));
    assert_eq!(search(&mock, "*", "prod").await.queues, []);
}

#[tokio::test]
async fn of_too_many_queues_those_that_are_called_as_the_one_that_is_asked_for_come_first() {
    let mut queues: Vec<_> = (0..1_100).map(|number| queue(&format!("a-{number:04}"), None, None)).collect();
    queues.push(queue("z", None, Some("z-dlq")));
    queues.push(queue("z-dlq", Some("prod"), None));
    let mock = Mock::of(Account { queues, ..Account::default() });
    let found = one(&mock.clients().reach(), "z-dlq", "prod", later()).await.unwrap();
    assert_eq!(sources(&found, "z-dlq"), ["queue z after 3"]);
    assert_eq!(found.queues[0].blind, ["only 1000 queues were looked at; there are more"]);
}

#[tokio::test]
async fn when_the_time_is_over_nothing_is_asked_and_all_is_said() {
    let mock = Mock::of(account());
    let found = all(&mock.clients().reach(), "*", "prod", Instant::now()).await.unwrap();
    assert_eq!(found.queues, []);
    assert_eq!(
        found.blind,
        ["queues", "functions", "event source mappings", "subscriptions", "event buses"]
            .map(|kind| format!("the time was over before all {kind} were listed"))
    );
    assert_eq!(mock.calls(), Vec::<String>::new());
    let error = one(&mock.clients().reach(), "orders-dead", "prod", Instant::now()).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error:?}");
}

#[tokio::test]
async fn one_queue_is_found_by_name_url_and_arn_with_its_sources() {
    let mock = Mock::of(account());
    let whole = search(&mock, "*", "prod").await;
    for which in [
        "orders-dead".to_owned(),
        " orders-dead ".to_owned(),
        url("orders-dead"),
        "https://eu-west-1.queue.amazonaws.com/123456789012/orders-dead".to_owned(),
        arn("sqs", "orders-dead"),
    ] {
        let found = one(&mock.clients().reach(), &which, "prod", later()).await.unwrap();
        assert_eq!(found.queues, [whole.queues[1].clone()], "{which}");
        assert_eq!(found.blind, Vec::<String>::new());
    }
    mock.calls();
    one(&mock.clients().reach(), "orders-dead", "prod", later()).await.unwrap();
    let tags: Vec<_> = mock.calls().into_iter().filter(|call| call.starts_with("ListQueueTags")).collect();
    assert_eq!(tags, ["ListQueueTags orders", "ListQueueTags orders-copy", "ListQueueTags orders-dead"]);
}

#[tokio::test]
async fn a_queue_that_was_chosen_needs_neither_tags_nor_sources() {
    let mock = Mock::of(account());
    for name in ["untagged-dlq", "plain"] {
        let found = one(&mock.clients().reach(), name, "prod", later()).await.unwrap();
        assert_eq!((names(&found), found.queues[0].sources.len()), (vec![name], 0));
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_anothers_or_cannot_be_read_is_an_error() {
    for (which, code, expected) in [
        ("not-there".to_owned(), "", "the queue not-there does not exist"),
        ("orders-dea".to_owned(), "", "the queue orders-dea does not exist"),
        (String::new(), "", "the queue  does not exist"),
        (url("orders-dead").replace("1234", "9999"), "", "the queue https://"),
        (arn("sqs", "orders-dead").replace("1234", "9999"), "", "the queue arn:"),
        (arn("sqs", "orders-dead").replace("west", "east"), "", "the queue arn:"),
        ("other-dlq".to_owned(), "", "other-dlq is left alone: the tag watchkeeper:environment "),
        ("orders-dead".to_owned(), "QueueDoesNotExist", "the queue orders-dead does not exist"),
        ("orders-dead".to_owned(), "AccessDenied", "sqs:GetQueueAttributes is denied"),
    ] {
        let broken =
            if code.is_empty() { Vec::new() } else { vec![("GetQueueAttributes", "orders-dead", code)] };
        let mock = Mock::of(Account { broken, ..account() });
        let error = one(&mock.clients().reach(), &which, "prod", later()).await.unwrap_err();
        assert!(error.chain().starts_with(expected), "{error:?}");
        assert_eq!(error.class(), Class::Permanent);
    }
}

#[tokio::test]
async fn an_address_that_may_hold_a_secret_is_not_written_down() {
    let found = search(&Mock::of(account()), "shared-dlq", "prod").await;
    let written = serde_json::to_value(&found.queues[0].sources).unwrap();
    assert_eq!(
        written[4],
        serde_json::json!({"kind": "subscription", "arn": arn("sns", "orders:s-1"), "topic": arn("sns", "orders"),
            "protocol": "sqs", "endpoint": arn("sqs", "orders"), "raw": true})
    );
    assert_eq!(written[5].get("endpoint"), None);
    assert_eq!(written[0]["by"], "dead_letter_config");
}
