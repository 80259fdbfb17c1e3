//! Plans: what somebody is told would be done, and that it is what is done then.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use local::proxy::{Fault, When};
use local::recorded::Letter;
use serde_json::{Value, json};

use super::again::{RULE, dead, paid};
use super::world::{World, fifo, nothing, orders, redrive};

/// Eight letters that pass, twelve that do not, and one that nobody knows the way of.
async fn world() -> World {
    let world = World::of(orders()).await;
    world.account.policy(RULE);
    for number in 0..8 {
        paid(&world, number);
    }
    for number in 0..12 {
        dead(&world, Letter::new(json!({"type": "broken", "id": number}).to_string()));
    }
    world.put("orders-dlq", Letter::new("nobody knows where it comes from"));
    world
}

/// A request, as a dry run or not.
fn as_plan(asked: &Value, is_plan: bool) -> Value {
    let mut asked = asked.clone();
    for fields in asked.as_object_mut().unwrap().values_mut() {
        if is_plan {
            fields["dry_run"] = json!(true);
        } else {
            fields["by"] = json!("ann");
        }
    }
    asked
}

async fn planned(world: &World, asked: &Value) -> Value {
    world.ask(&as_plan(asked, true)).await
}

/// All that is kept anywhere.
async fn everything(world: &World) -> Vec<String> {
    let mut kept = vec![format!("{:?} {:?}", world.bodies("orders"), world.bodies("orders-dlq"))];
    kept.push(format!("{:?} {:?}", world.parts(), world.notices()));
    let keys = [format!("letters#{}", world.queues.arn("orders-dlq")), "letters#deeds".to_owned()];
    for key in keys {
        for item in world.clients.ledger.list(&key, "", 1_000).await.unwrap() {
            let sorted: BTreeMap<_, _> = item.into_iter().collect();
            kept.push(format!("{sorted:?}"));
        }
    }
    kept
}

async fn group(world: &World, line: &str) -> String {
    let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
    let groups = groups["groups"].as_object().unwrap();
    groups.iter().find(|(_, group)| group["line"].as_str().unwrap().contains(line)).unwrap().0.clone()
}

#[tokio::test]
async fn a_plan_is_what_is_done_then_and_changes_nothing() {
    let queue = "orders-dlq";
    // What it is, of which group and by how many characters of its id, and the request.
    for (what, group_of, length, mut asked) in [
        ("a group that does not pass", "type=broken", 16, json!({"redrive": {"queue": queue}})),
        ("a group that passes", "type=order.paid", 6, json!({"redrive": {"queue": queue}})),
        ("everything", "", 0, json!({"redrive": {"queue": queue, "everything": true}})),
        ("a group into the archive", "type=broken", 7, json!({"archive": {"queue": queue, "count": 12}})),
        ("all into the archive", "", 0, json!({"archive": {"queue": queue, "count": 21}})),
        ("what passes back", "", 0, json!({"drain": {"queue": queue, "count": 21}})),
        ("a group that passes back", "type=order.paid", 16, json!({"drain": {"queue": queue, "count": 8}})),
        ("a purge", "", 0, json!({"purge": {"queue": queue, "count": 21}})),
    ] {
        let world = world().await;
        if !group_of.is_empty() {
            let id = group(&world, group_of).await;
            asked
                .as_object_mut()
                .unwrap()
                .values_mut()
                .for_each(|fields| fields["group"] = json!(id[..length]));
        }
        let before = everything(&world).await;
        let plan = planned(&world, &asked).await;
        assert_eq!(everything(&world).await, before, "{what} changes something");
        assert_eq!(plan["outcome"], "proposed", "{what}: {plan:#}");

        let done = world.ask(&as_plan(&asked, false)).await;
        let of = |group: &str, word: &str| {
            let counts = done.get("done").map_or_else(|| &done["sent"], |done| &done[word]);
            let is_told = done.get("done").is_some() || word == "redriven";
            counts[group].as_u64().filter(|_| is_told).unwrap_or_default()
        };
        for told in plan["groups"].as_array().unwrap() {
            let id = told["group"].as_str().unwrap();
            assert_eq!(told["send"], of(id, "redriven"), "{what}: {told:#} {done:#}");
            assert_eq!(told["archive"], of(id, "archived"), "{what}: {told:#} {done:#}");
            assert!(!told["why"].as_str().unwrap().is_empty());
            let sum: u64 =
                ["send", "later", "archive", "leave"].map(|word| told[word].as_u64().unwrap()).iter().sum();
            assert_eq!(told["letters"], sum, "{what}: {told:#}");
        }
        for word in ["send", "later", "archive", "leave"] {
            let sum: u64 =
                plan["groups"].as_array().unwrap().iter().map(|it| it[word].as_u64().unwrap()).sum();
            assert_eq!(plan[word], sum, "{what}");
        }
    }
}

#[tokio::test]
async fn a_plan_says_what_could_not_be_looked_at() {
    let world = World::with(orders(), RetryConfig::disabled()).await;
    paid(&world, 1);
    world.proxy.inject("sns:ListSubscriptions", When::Always, Fault::Throttle);
    for (what, fields) in [("redrive", json!({"everything": true})), ("drain", json!({"count": 1}))] {
        let mut fields = fields.clone();
        fields["queue"] = json!("orders-dlq");
        let plan = planned(&world, &json!({ what: fields })).await;
        let note = plan["notes"][0].as_str().unwrap();
        assert!(
            note.starts_with("a way back may not be seen, as not all was: the list of subscriptions"),
            "{note}"
        );
    }
    let groups = world.ask(&json!({"groups": {"queue": "orders-dlq"}})).await;
    assert!(groups["blind"][0].as_str().unwrap().contains("sns:ListSubscriptions"), "{groups:#}");
    world.proxy.heal();
    let plan = planned(&world, &json!({"redrive": {"queue": "orders-dlq", "everything": true}})).await;
    assert_eq!(plan["notes"], json!([]));
}

#[tokio::test]
async fn a_plan_says_in_which_stages_where_to_and_why() {
    let world = world().await;
    let broken = group(&world, "type=broken").await;
    let plan = planned(&world, &json!({"redrive": {"queue": "orders-dlq", "everything": true}})).await;
    let groups = plan["groups"].as_array().unwrap();
    let of = |id: &str| groups.iter().find(|group| group["group"] == id).unwrap();
    assert_eq!((&of(&broken)["stages"], &of(&broken)["later"]), (&json!([5, 7]), &json!(7)), "{plan:#}");
    assert_eq!(of(&broken)["to"], world.queues.arn("orders"));
    assert_eq!(of(&broken)["patience_seconds"], 300);
    let lost = of(&group(&world, "no JSON object").await);
    assert_eq!((&lost["leave"], lost.get("to")), (&json!(1), None));
    assert!(
        lost["why"].as_str().unwrap().starts_with("they cannot be sent back: there is no source"),
        "{lost}"
    );
    assert_eq!(
        plan["reason"],
        "of 21 letters in orders-dlq, 10 would be sent back now; 10 would be sent back later, if those before them do not \
         return; 1 would stay"
    );

    // The canary is out: who asks again hears that it is waited for.
    let asked = json!({"redrive": {"queue": "orders-dlq", "group": broken}});
    world.ask(&as_plan(&asked, false)).await;
    let plan = planned(&world, &asked).await;
    let told =
        plan["groups"].as_array().unwrap().iter().find(|group| group["group"] == broken.as_str()).unwrap();
    assert_eq!(
        (&told["send"], &told["later"], &told["stages"]),
        (&json!(0), &json!(7), &json!([7])),
        "{plan:#}"
    );
    assert!(told["why"].as_str().unwrap().contains("whether they return"), "{told}");
}

#[tokio::test]
async fn a_plan_is_refused_as_the_deed_is_and_with_the_same_words() {
    let world = world().await;
    let (broken, lost) = (group(&world, "type=broken").await, group(&world, "no JSON object").await);
    let queue = "orders-dlq";
    let run = "prod/orders-dlq/1999/01/01/x";
    for (asked, part) in [
        (
            json!({"redrive": {"queue": queue, "group": "0123456789abcdef"}}),
            "there is no group 0123456789abcdef",
        ),
        (
            json!({"redrive": {"queue": queue, "group": &broken[..5]}}),
            "write at least 6 characters of its id",
        ),
        (json!({"redrive": {"queue": queue, "group": lost}}), "cannot be sent back: there is no source"),
        (json!({"archive": {"queue": queue, "count": 3}}), "there are 21 letters and not 3"),
        (json!({"archive": {"queue": queue, "count": 3, "group": broken}}), "there are 12 letters and not 3"),
        (json!({"archive": {"queue": queue, "count": 3, "group": "0123456789abcdef"}}), "there is no group"),
        (json!({"drain": {"queue": queue, "count": 20}}), "there are 21 letters and not 20"),
        (json!({"purge": {"queue": queue, "count": 20}}), "there are 21 letters and not 20"),
        (json!({"purge": {"queue": "not-there", "count": 20}}), "the queue not-there does not exist"),
        (json!({"purge": {"queue": "orders", "count": 20}}), "orders is no dead-letter queue"),
        (
            json!({"restore": {"queue": queue, "run": run, "to": "dlq"}}),
            "there is no part of the archive under",
        ),
        (
            json!({"restore": {"queue": queue, "run": "prod/x/r", "to": "dlq"}}),
            "a run of this queue begins with",
        ),
    ] {
        let said = world.refused(&as_plan(&asked, true)).await;
        assert!(said.contains(part), "{asked}: {said}");
        assert_eq!(said, world.refused(&as_plan(&asked, false)).await, "{asked}");
    }
    assert_eq!(world.held(queue).len(), 21);
    // Of two groups, some beginning may be the same.
    let purge = json!({"purge": {"queue": queue, "count": 21}});
    world.ask(&as_plan(&purge, false)).await;
    let again = json!({"purge": {"queue": queue, "count": 0}});
    let said = world.refused(&as_plan(&again, true)).await;
    assert!(said.contains("less than 60 s ago") && !said.contains('.'), "{said}");
    assert_eq!(said, world.refused(&as_plan(&again, false)).await);
}

#[tokio::test]
async fn where_there_is_nothing_to_do_that_is_said() {
    let world = World::of(orders()).await;
    for asked in [
        json!({"redrive": {"queue": "orders-dlq", "everything": true}}),
        json!({"archive": {"queue": "orders-dlq", "count": 0}}),
        json!({"drain": {"queue": "orders-dlq", "count": 0}}),
        json!({"purge": {"queue": "orders-dlq", "count": 0}}),
    ] {
        let plan = planned(&world, &asked).await;
        assert_eq!(plan["outcome"], "nothing_to_do", "{plan:#}");
        assert_eq!(plan["reason"], "there are no letters in orders-dlq: there is nothing to do");
    }
}

#[tokio::test]
async fn the_plan_of_a_restore_knows_parts_groups_and_what_was_restored_before() {
    let world = world().await;
    let (broken, lost) = (group(&world, "type=broken").await, group(&world, "no JSON object").await);
    let run = world.ask(&json!({"archive": {"queue": "orders-dlq", "count": 21, "by": "ann"}})).await["run"]
        .clone();
    world.notices();
    let restore = |to: &str, more: Value| {
        let mut asked = json!({"restore": {"queue": "orders-dlq", "run": run, "to": to}});
        more.as_object().unwrap().iter().for_each(|(name, value)| asked["restore"][name] = value.clone());
        asked
    };
    for (asked, expected) in [
        (restore("dlq", json!({})), [21, 0, 0, 0]),
        (restore("source", json!({})), [20, 0, 0, 1]),
        (restore("dlq", json!({"group": &broken[..6]})), [12, 0, 9, 0]),
    ] {
        let before = everything(&world).await;
        let plan = planned(&world, &asked).await;
        assert_eq!(everything(&world).await, before, "{asked} changes something");
        let got =
            ["send", "restored_before", "passed_over", "cannot"].map(|word| plan[word].as_i64().unwrap());
        assert_eq!((got, &plan["outcome"]), (expected, &json!("proposed")), "{plan:#}");
        assert_eq!((plan["parts"].as_array().unwrap().len(), &plan["parts"][0]["send"]), (1, &plan["send"]));
    }
    for group in ["0123456789", &broken[..3]] {
        let asked = restore("dlq", json!({"group": group}));
        let said = world.refused(&as_plan(&asked, true)).await;
        assert!(said.contains(&format!("{broken} (12 letters)")), "{said}");
        assert_eq!(said, world.refused(&as_plan(&asked, false)).await);
    }
    let of_one = restore("source", json!({"group": lost}));
    let said = planned(&world, &of_one).await;
    assert_eq!((&said["outcome"], &said["cannot"]), (&json!("nothing_to_do"), &json!(1)), "{said:#}");

    let some = restore("dlq", json!({"group": &broken[..6]}));
    assert_eq!(world.ask(&as_plan(&some, false)).await["sent"], 12);
    let plan = planned(&world, &restore("dlq", json!({}))).await;
    assert_eq!((&plan["send"], &plan["restored_before"]), (&json!(9), &json!(12)), "{plan:#}");
    assert_eq!(
        plan["reason"],
        "of 21 letters in 1 part of the archive, 9 would be sent to orders-dlq; 12 were restored before, and would not be \
         sent again"
    );
    let plan = planned(&world, &some).await;
    assert_eq!((&plan["outcome"], &plan["send"]), (&json!("nothing_to_do"), &json!(0)), "{plan:#}");
    let again = restore("dlq", json!({"group": &broken[..6], "again": true}));
    assert_eq!(planned(&world, &again).await["send"], 12);
}

#[tokio::test]
async fn a_group_is_peeked_at_by_the_beginning_of_its_id() {
    let world = world().await;
    let broken = group(&world, "type=broken").await;
    let peek = |group: &str| json!({"peek": {"queue": "orders-dlq", "group": group, "count": 12}});
    assert_eq!(world.ask(&peek(&broken[..6])).await["letters"].as_array().unwrap().len(), 12);
    let why = world.refused(&peek("0123456789")).await;
    assert!(
        why.contains("there is no group 0123456789 in the 21 letters of orders-dlq that were received"),
        "{why}"
    );
    assert!(why.contains(&broken), "{why}");
    assert!(world.held("orders-dlq").iter().all(|held| held.is_visible), "they are let go of");
}

#[tokio::test]
async fn of_a_queue_that_is_empty_now_nothing_is_told_of_what_was_there() {
    let world = world().await;
    let _ = world.sweep().await;
    let status = world.ask(&json!({"status": {"queue": "orders-dlq"}})).await;
    assert!(status["queues"][0]["oldest_sent"].is_string(), "{status:#}");
    world.consume("orders-dlq").await;
    let status = world.ask(&json!({"status": {"queue": "orders-dlq"}})).await;
    let queue = &status["queues"][0];
    for field in ["oldest_sent", "oldest_age_seconds", "lost_at", "time_to_loss_seconds"] {
        assert!(queue[field].is_null(), "{field}: {queue:#}");
    }
    assert_eq!(queue["groups"], json!([]));
    assert!(queue["looked_at"].is_string(), "{queue:#}");
}

#[tokio::test]
async fn of_a_fifo_queue_a_plan_knows_the_first_letters_and_says_so() {
    let queues = nothing().queue("orders-dlq.fifo", &fifo(json!({}))).unwrap();
    let queues = queues.queue("orders.fifo", &fifo(redrive("orders-dlq.fifo", 2))).unwrap();
    queues.tag("orders-dlq.fifo", &[(shared::tags::ENVIRONMENT, "prod")]).unwrap();
    let world = World::of(queues).await;
    for number in 0..25 {
        let letter = Letter { group: Some("g".to_owned()), ..Letter::new(format!("{number:02}")) };
        let source = Some(world.queues.arn("orders.fifo"));
        world.put("orders-dlq.fifo", Letter { source, receives: 2, ..letter });
    }
    let asked = json!({"archive": {"queue": "orders-dlq.fifo", "count": 25}});
    let plan = planned(&world, &asked).await;
    let all = plan["archive"].as_u64().unwrap() + plan["unseen"].as_u64().unwrap();
    assert_eq!((all, &plan["letters"], &plan["whole"]), (25, &json!(25), &json!(false)), "{plan:#}");
    assert!(plan["notes"][0].as_str().unwrap().contains("FIFO"), "{plan:#}");
    let done = world.ask(&as_plan(&asked, false)).await;
    assert_eq!(done["done"]["letters"], 25, "{done:#}");
}

/// What the audit is left of deeds: what, by whom, of what, and what came of it.
async fn deeds(world: &World) -> Vec<Value> {
    let items = world.clients.ledger.list("letters#deeds", "", 1_000).await.unwrap();
    items
        .iter()
        .map(|item| serde_json::from_str(item["document"].as_s().unwrap()).unwrap())
        .inspect(|deed: &Value| assert!(deed["at"].is_string() && deed["id"].is_string(), "{deed}"))
        .collect()
}

#[tokio::test]
async fn each_deed_by_hand_is_left_for_the_audit() {
    let world = world().await;
    let (broken, queue) = (group(&world, "type=broken").await, "orders-dlq");
    let mut known = Vec::new();
    let mut run = Value::Null;
    // The first pass sends five of those that pass as well, by itself.
    for (asked, came) in [
        (
            json!({"redrive": {"queue": queue, "group": &broken[..6]}}),
            json!({"sent": 5, "archived": 0, "left": 0}),
        ),
        (
            json!({"archive": {"queue": queue, "group": &broken[..6], "count": 7}}),
            json!({"sent": 0, "archived": 7, "left": 4}),
        ),
        (
            json!({"restore": {"queue": queue, "run": null, "to": "dlq"}}),
            json!({"sent": 7, "archived": 0, "left": 0}),
        ),
        (json!({"purge": {"queue": queue, "count": 11}}), json!({"sent": 0, "archived": 11, "left": 0})),
    ] {
        world.advance(1);
        let mut asked = as_plan(&asked, false);
        if let Some(wanted) = asked.pointer_mut("/restore/run") {
            *wanted = run.clone();
        }
        let done = world.ask(&asked).await;
        run = done.get("run").cloned().unwrap_or(run);
        let left = deeds(&world).await;
        let new: Vec<&Value> = left.iter().filter(|deed| !known.contains(&deed["id"])).collect();
        let [deed] = new.as_slice() else { panic!("{asked}: {left:#?}") };
        let what = asked.as_object().unwrap().keys().next().unwrap();
        assert_eq!(
            (deed["what"].as_str(), &deed["by"], &deed["queue"]),
            (Some(what.as_str()), &json!("ann"), &json!(queue))
        );
        assert_eq!(deed["came"], came, "{deed:#}");
        assert_eq!(deed.get("run").is_some(), what != "redrive", "{deed:#}");
        known.push(deed["id"].clone());
    }
    // Of a refusal, and of what the function does by itself, nothing is left.
    let _ = world.sweep().await;
    world.refused(&json!({"archive": {"queue": queue, "count": 99, "by": "ann"}})).await;
    assert_eq!(deeds(&world).await.len(), known.len());
}

#[tokio::test]
async fn what_others_have_in_hand_is_not_said_to_be_done() {
    let queue = "orders-dlq";
    for what in ["archive", "drain", "purge"] {
        let world = world().await;
        for _ in 0..3 {
            world.receive(queue).await;
        }
        let asked = json!({ what: {"queue": queue, "count": 21} });
        let held = "21 letters are in others' hands: ask again when they are back";
        let plan = planned(&world, &asked).await;
        assert_eq!((&plan["outcome"], &plan["notes"]), (&json!("proposed"), &json!([held])), "{plan:#}");
        assert_eq!(
            plan["reason"],
            "of 21 letters in orders-dlq, 21 are in others' hands, and would be dealt with only if they are back by then"
        );
        let answer = world.ask(&as_plan(&asked, false)).await;
        let done = &answer["done"];
        assert_eq!(
            (&done["letters"], &done["whole"], &done["in_hand"], &done["errors"], &answer["notes"]),
            (&json!(0), &json!(false), &json!(21), &json!([]), &json!([held])),
            "{what}: {answer:#}"
        );
        let came = json!({"sent": 0, "archived": 0, "left": 0, "in_hand": 21});
        assert_eq!((world.held(queue).len(), &deeds(&world).await[0]["came"]), (21, &came), "{what}");
        let told = world.notices();
        let summary = told.last().map_or("", |notice| notice.summary.as_str());
        assert!(summary.ends_with(&format!(" {held}.")), "{summary}");

        // They are back, some minutes later.
        world.advance(120);
        let answer = world.ask(&as_plan(&asked, false)).await;
        assert_eq!((&answer["done"]["whole"], &answer["notes"]), (&json!(true), &json!([])), "{answer:#}");
        assert_eq!((answer["done"].get("in_hand"), world.held(queue).len()), (None, 0), "{what}");
    }
}

#[tokio::test]
async fn a_deed_that_the_audit_cannot_be_left_is_done_and_told_all_the_same() {
    // The lease is written first, then the deed when it begins and when it ends.
    for (nth, is_told, has_ended) in [(2, false, true), (3, true, false)] {
        let world = world().await;
        world.proxy.inject("dynamodb:PutItem", When::Nth(nth), Fault::Deny);
        let answer = world.ask(&json!({"archive": {"queue": "orders-dlq", "count": 21, "by": "ann"}})).await;
        world.proxy.heal();
        let errors = answer["done"]["errors"].to_string();
        assert_eq!((world.held("orders-dlq").len(), world.kept().len()), (0, 21), "{answer:#}");
        assert_eq!(
            errors.contains("the audit does not know how it ended: dynamodb:PutItem is denied"),
            is_told,
            "{errors}"
        );
        assert_eq!(deeds(&world).await[0].get("came").is_some(), has_ended);
    }
}
