//! Letters that are about to be lost, and what of them is kept.

use jiff::SignedDuration;
use local::recorded::{Gone, Letter};
use serde_json::{Value, json};
use shared::notice::{Severity, State};
use shared::tags::Mode;

use super::again::{RULE, dead, paid};
use super::world::{World, fact, orders, outcome, titles};
use crate::flavour::Flavour;

const HOUR: u64 = 3_600;

/// A letter that was sent so many hours ago, of the 96 that its queue keeps it.
fn old(world: &World, hours: i64, body: &str) -> String {
    let sent = Some(world.now() - SignedDuration::from_hours(hours));
    let source = Some(world.queues.arn("orders"));
    world.put("orders-dlq", Letter { sent, receives: 2, source, ..Letter::new(body) })
}

#[tokio::test]
async fn a_letter_that_would_soon_be_lost_is_kept_first_with_all_that_belongs_to_it() {
    let world = World::of(orders()).await;
    // Three days and 23 hours in its source, and the queue it is in now says that its oldest came just now.
    let id = {
        let sent = Some(world.now() - SignedDuration::from_hours(95));
        let letter = Letter {
            sent,
            receives: 3,
            trace: Some("Root=1".to_owned()),
            group: Some("g".to_owned()),
            ..Letter::new("ä\n{")
        };
        let letter =
            Letter { source: Some(world.queues.arn("orders")), ..letter.with("tenant", "String", "ann") };
        world.put("orders-dlq", letter)
    };
    old(&world, 1, "young");

    let reports = world.sweep().await;
    assert_eq!(world.bodies("orders-dlq"), ["young"], "{:?}", outcome(&reports[0]));
    let kept = world.kept();
    assert_eq!(kept.len(), 1);
    let line = &kept[0];
    assert_eq!((line.id.as_ref(), line.body.as_ref(), line.flavour), (id.as_str(), "ä\n{", Flavour::Queue));
    assert_eq!((line.trace.as_deref(), line.message_group.as_deref()), (Some("Root=1"), Some("g")));
    assert_eq!(line.source.as_deref(), Some(world.queues.arn("orders").as_str()));
    assert_eq!(line.attributes["tenant"].text.as_deref(), Some("ann"));
    assert!(line.sent.is_some() && line.receives >= 4, "{line:?}");
    let told = world.notices();
    let of_it = told.iter().find(|notice| {
        notice.actions.iter().any(|action| action.starts_with("Moved 1 letter to the archive"))
    });
    assert!(of_it.is_some(), "{told:?}");
    assert!(!told.iter().any(|notice| notice.incident.ends_with(":loss")), "{:?}", titles(&told));
    world.advance(2 * HOUR);
    let _ = world.sweep().await;
    assert!(world.left_only_by("orders-dlq", &[Gone::Deleted]), "nothing is lost");
}

#[tokio::test]
async fn a_loss_that_nobody_may_prevent_is_told_and_told_again_when_it_is_near() {
    let mut world = World::of(orders()).await;
    world.config.mode = Mode::Observe;
    old(&world, 95, "old");
    let _ = world.sweep().await;
    let told = world.notices();
    let loss: Vec<_> = told.iter().filter(|notice| notice.incident.ends_with(":loss")).collect();
    assert_eq!(loss.len(), 1, "{:?}", titles(&told));
    assert_eq!((loss[0].state, loss[0].severity), (State::Firing, Severity::Sev3));
    assert!(loss[0].summary.contains("is lost in 1h"), "{}", loss[0].summary);
    let status = world.ask(&json!({"status": {"queue": "orders-dlq"}})).await;
    assert_eq!(status["queues"][0]["time_to_loss_seconds"], 3_600, "{status}");
    assert_eq!(status["queues"][0]["oldest_age_seconds"], 95 * 3_600);

    let _ = world.sweep().await;
    assert_eq!(world.notices(), [], "once is enough");
    world.advance(1_860);
    let _ = world.sweep().await;
    let told = world.notices();
    assert_eq!(titles(&told), ["firing SEV-2: orders-dlq is about to lose letters"]);
    assert_eq!((world.kept().len(), world.held("orders-dlq").len()), (0, 1), "and nothing else is done");
    world.advance(1_800);
    let _ = world.sweep().await;
    let told = world.notices();
    assert!(
        told.iter().any(|notice| notice.incident.ends_with(":loss") && notice.state == State::Resolved),
        "{told:?}"
    );
}

#[tokio::test]
async fn where_the_archive_fails_the_letters_stay_and_their_loss_is_told() {
    let world = World::of(orders()).await;
    world.proxy.inject("s3:PutObject", local::proxy::When::Always, local::proxy::Fault::Deny);
    dead(&world, Letter::new("young"));
    old(&world, 96, "as good as lost");
    world.queues.set("orders-dlq", &json!({"MessageRetentionPeriod": 96 * 3_600 + 1_200})).unwrap();
    let reports = world.sweep().await;
    let done = &outcome(&reports[0])["done"];
    assert!(done["errors"][0].as_str().unwrap().contains("s3:PutObject is denied"), "{done}");
    assert_eq!((world.bodies("orders-dlq").len(), done["archived"].clone()), (2, json!({})));
    let told = titles(&world.notices());
    assert!(told.contains(&"firing SEV-2: orders-dlq is about to lose letters".to_owned()), "{told:?}");
    world.proxy.heal();
    let _ = world.sweep().await;
    assert_eq!(
        (world.bodies("orders-dlq"), world.kept_bodies()),
        (vec!["young".to_owned()], vec!["as good as lost".to_owned()])
    );
    let told = titles(&world.notices());
    assert!(told.contains(&"resolved SEV-2: orders-dlq loses no letters any more".to_owned()), "{told:?}");
}

#[tokio::test]
async fn what_a_letter_points_to_is_kept_with_it() {
    let world = World::of(orders()).await;
    let s3 = &world.clients.s3;
    s3.put_object().bucket("payloads").key("a b/ü").body(b"large".to_vec().into()).send().await.unwrap();
    let pointer = |key: &str| {
        json!(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "payloads", "s3Key": key}]).to_string()
    };
    let id = dead(&world, Letter::new(pointer("a b/ü")));
    let gone = dead(&world, Letter::new(pointer("gone")));
    let archive = json!({"archive": {"queue": "orders-dlq", "count": 2, "by": "ann"}});
    let answer = world.ask(&archive).await;
    let kept = world.kept();
    let line = kept.iter().find(|line| line.id == id).unwrap();
    let key = line.payload.clone().unwrap();
    assert!(key.ends_with(&format!("/payloads/{id}")), "{key}");
    assert_eq!(world.account.state().copies, [(key, b"large".to_vec())]);
    // Of the other, all that there is is the pointer.
    let line = kept.iter().find(|line| line.id == gone).unwrap();
    assert_eq!((line.payload.as_ref(), line.body.as_ref()), (None, pointer("gone").as_str()));
    assert_eq!((world.held("orders-dlq"), kept.len()), (vec![], 2));
    let archived: u64 =
        answer["done"]["archived"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!((archived, &answer["done"]["errors"]), (2, &json!([])), "{answer}");
}

#[tokio::test]
async fn a_purge_wants_the_count_a_name_and_a_minute() {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..3 {
        paid(&world, number);
    }
    let purge = |count: u64| json!({"purge": {"queue": "orders-dlq", "count": count, "by": "ann"}});
    assert!(world.refused(&purge(2)).await.contains("there are 3 letters and not 2: look at what came"));
    // Somebody else has one in hand: it is there as well.
    let held = &world.receive("orders-dlq").await;
    assert_eq!(held.len(), 3);
    assert!(world.refused(&purge(0)).await.contains("there are 3 letters and not 0"));
    world.advance(31);

    let answer = world.ask(&purge(3)).await;
    assert_eq!(answer["done"]["letters"], 3);
    assert_eq!((world.held("orders-dlq"), world.kept().len()), (vec![], 3));
    let told = world.notices();
    assert_eq!(told[0].title, "Purge of orders-dlq, asked for by ann");
    assert!(told[0].next_steps[0].contains(&format!("\"run\": \"{}\"", answer["run"].as_str().unwrap())));
    assert_eq!(fact(&told[0], "Archive"), answer["run"].as_str().unwrap());

    world.advance(30);
    paid(&world, 4);
    assert!(world.refused(&purge(1)).await.contains("less than 60 s ago"));
    assert_eq!(world.held("orders-dlq").len(), 1);
    world.advance(31);
    paid(&world, 5);
    assert!(world.refused(&purge(1)).await.contains("there are 2 letters and not 1"), "one arrived");
    world.ask(&purge(2)).await;
    assert_eq!((world.held("orders-dlq"), world.kept().len()), (vec![], 5));
    assert_eq!(world.queues.calls("sqs:PurgeQueue"), 0, "SQS would lose what arrives meanwhile");
    assert!(world.left_only_by("orders-dlq", &[Gone::Deleted]));
    assert_eq!(world.held("orders"), [], "a purge sends nothing back");
}

#[tokio::test]
async fn a_drain_sends_back_what_can_succeed_and_keeps_the_rest() {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..3 {
        paid(&world, number);
        dead(&world, Letter::new(format!(r#"{{"type": "broken", "id": {number}}}"#)));
    }
    let answer = world.ask(&json!({"drain": {"queue": "orders-dlq", "count": 6, "by": "ann"}})).await;
    let sum = |name: &str| {
        answer["done"][name].as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("redriven"), sum("archived"), sum("left")), (3, 3, 0), "{answer}");
    assert!(world.bodies("orders").iter().all(|body| body.contains("order.paid")));
    assert!(world.kept_bodies().iter().all(|body| body.contains("broken")));
    assert_eq!((world.held("orders").len(), world.kept().len(), world.held("orders-dlq")), (3, 3, vec![]));
}

#[tokio::test]
async fn of_one_group_alone_the_others_stay() {
    let world = World::of(orders()).await;
    for number in 0..4 {
        dead(
            &world,
            Letter::new(format!(
                r#"{{"type": "kind-{}", "id": {number}}}"#,
                if number == 0 { "a" } else { "b" }
            )),
        );
    }
    let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
    let of_three =
        groups["groups"].as_object().unwrap().iter().find(|(_, group)| group["waiting"] == 3).unwrap().0;
    let archive = |count: u64| -> Value {
        json!({"archive": {"queue": "orders-dlq", "group": of_three, "count": count, "by": "ann"}})
    };
    assert!(world.refused(&archive(4)).await.contains("there are 3 letters and not 4"));
    world.ask(&archive(3)).await;
    assert_eq!((world.kept().len(), world.held("orders-dlq").len()), (3, 1));
}

#[tokio::test]
async fn a_drain_of_one_group_touches_no_letter_of_another() {
    let world = World::of(orders()).await;
    for archive in ["nothing", "all"] {
        world.account.policy(&RULE.replace("dlq: {", &format!("dlq: {{archive: {{what: {archive}}}, ")));
        for number in 0..3 {
            paid(&world, number);
            dead(&world, Letter::new(format!(r#"{{"type": "broken", "id": {number}}}"#)));
        }
        let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
        let groups = groups["groups"].as_object().unwrap();
        let of = |line: &str| groups.iter().find(|(_, group)| group["line"] == line).unwrap().0.clone();
        let ask = |how: &str, group: &str| json!({how: {"queue": "orders-dlq", "group": group, "count": 3, "by": "ann"}});
        let sent = world.held("orders").len();
        world.ask(&ask("drain", &of("unknown cause; JSON with type=broken"))).await;
        assert_eq!((world.held("orders").len(), world.held("orders-dlq").len()), (sent, 3), "{archive}");
        assert!(world.kept_bodies().iter().all(|body| body.contains("broken")), "{archive}");
        world.ask(&ask("drain", &of("unknown cause; JSON with type=order.paid"))).await;
        assert_eq!((world.held("orders").len(), world.held("orders-dlq")), (sent + 3, vec![]), "{archive}");
    }
}

#[tokio::test]
async fn what_may_not_be_read_waits_as_long_as_it_can_and_people_hear_of_it() {
    let world = World::of(orders()).await;
    let pointer = json!(["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "denied", "s3Key": "k"}]);
    let (denied, other) = (pointer.to_string(), "other");
    old(&world, 95, &denied);
    old(&world, 95, other);
    let _ = world.sweep().await;
    assert_eq!(
        (world.bodies("orders-dlq"), world.kept_bodies()),
        (vec![denied.clone()], vec![other.to_owned()])
    );
    let told = world.notices();
    let loss = told.iter().find(|notice| notice.incident.ends_with(":loss")).unwrap();
    assert_eq!((loss.state, loss.severity), (State::Firing, Severity::Sev3));
    assert!(fact(loss, "Failed").contains("s3:GetObject is denied"), "{loss:?}");

    world.advance(2_100);
    let _ = world.sweep().await;
    assert_eq!(world.held("orders-dlq"), []);
    let kept = world.kept();
    let line = kept.iter().find(|line| line.body == denied).unwrap();
    assert!(line.payload.is_none() && line.without.as_ref().unwrap().contains("is denied"), "{line:?}");
    let told = world.notices();
    let loss = told.iter().find(|notice| notice.incident.ends_with(":loss")).unwrap();
    assert_eq!(loss.state, State::Resolved);
    assert!(fact(loss, "Failed").contains("is kept without what it points to"), "{loss:?}");
}

#[tokio::test]
async fn a_run_that_has_no_time_to_look_says_nothing_is_over() {
    let mut world = World::of(orders()).await;
    world.config.mode = Mode::Observe;
    old(&world, 95, "old");
    let _ = world.sweep().await;
    assert_eq!(world.notices().len(), 2);
    let _ = world.handle(&json!({"triage": "all"})).await.unwrap();
    world.left.set(SignedDuration::from_secs(20));
    let reports = world.deliver().await;
    assert_eq!(outcome(&reports[0])["look"]["whole"], false, "{reports:?}");
    world.left.set(SignedDuration::from_mins(5));
    assert_eq!(world.notices(), []);
    let status = world.ask(&json!({"status": {"queue": "orders-dlq"}})).await;
    assert_eq!(
        status["queues"][0]["time_to_loss_seconds"], 3_600,
        "what was seen before still holds: {status}"
    );
}
