//! A batch of whatever anybody may publish: each message by itself.

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::receiver::{Answer, Request};
use local::runtime_api::{Event, Outcome};
use serde_json::{Value, json};

use super::doubles::{at, double, slack, take, webhook};
use super::scene::{Named, SHORT, Scene};
use crate::stage::Stage;

pub(super) const TESTS: [Named; 1] =
    [("of_a_hostile_batch_each_message_is_told_by_itself_and_only_what_may_pass_comes_again", |stage| {
        hostile(stage).boxed_local()
    })];

/// The largest message that SNS takes.
const LARGEST: usize = 262_144;

/// Words by which a message is found again, and what a channel of its own makes of it.
const WORDS: [(&str, &str); 3] =
    [("increased task launch times", "taken"), ("orders-unhealthy", "broken"), ("half", "refused")];

fn about(request: &Request, word: &str) -> bool {
    String::from_utf8_lossy(&request.body).contains(word)
}

async fn hostile(stage: &Stage) -> anyhow::Result<()> {
    let (people, answer) = double(slack, take);
    at(stage, "/batch/slack", answer);
    let broken = std::sync::atomic::AtomicBool::new(true);
    let moody = move |request: &Request| {
        let taken = webhook(request)?;
        let of = |wanted: &str| WORDS.iter().any(|(word, what)| *what == wanted && about(request, word));
        if of("refused") {
            return Err(Answer::new(400, "no such field"));
        }
        if of("broken") && broken.swap(false, std::sync::atomic::Ordering::Relaxed) {
            return Err(Answer::new(503, "").header("Retry-After", "1"));
        }
        Ok(taken)
    };
    let (machine, answer) = double(moody, take);
    at(stage, "/batch/machine", answer);
    let channels = |at: &str| {
        json!([
            {"name": "batch-ops", "type": "slack", "url": format!("{at}/slack")},
            {"name": "batch-audit", "type": "webhook", "url": format!("{at}/machine"), "secret": "key"},
        ])
    };
    // A channel that is told seven things at once needs no turn for each.
    let policy = "notify: {channels: {batch-ops: {at_most: {count: 100, within: 1s, burst: 100}}}}";
    let scene = Scene::new(stage, "batch", channels, policy).await?;
    let mut batch = Stage::events("notification-fanout")?
        .into_iter()
        .find_map(|(name, event)| (name == "hostile-batch").then_some(event))
        .context("the corpus has no hostile batch")?;
    let records = batch["Records"].as_array_mut().context("the batch has no records")?;
    let mut large = records[0].clone();
    large["messageId"] = json!("large");
    large["body"] = json!(format!("large {}", "x".repeat(LARGEST - 6)));
    records.push(large);
    let all: Vec<Value> = records.clone();
    ensure!(all.len() == 7, "{} messages", all.len());
    let id_of = |word: &str| {
        let found = all.iter().find(|record| record["body"].as_str().is_some_and(|body| body.contains(word)));
        found.map(|record| record["messageId"].clone()).with_context(|| format!("no message about {word}"))
    };

    let function = scene.healthy().await?;
    let invoked = function.invoke(Event::new(&batch).timeout(SHORT)).await?;
    let Outcome::Ok(answer) = invoked.outcome else {
        anyhow::bail!("the batch as a whole ended with {:?}", invoked.outcome)
    };
    let again = json!([{"itemIdentifier": id_of("orders-unhealthy")?}]);
    ensure!(answer["batchItemFailures"] == again, "not only what may pass comes again: {answer}");
    ensure!(people.taken().len() == 7, "people were told {} of 7", people.taken().len());
    ensure!(machine.taken().len() == 5, "the machine was told {} of 5", machine.taken().len());

    // The platform hands over what was not finished.
    let comes = json!({"Records": all.iter().filter(|record| record["messageId"] == again[0]["itemIdentifier"])
        .collect::<Vec<_>>()});
    let done = local::deployment::until(crate::stage::PATIENCE, async || {
        let invoked = function.invoke(Event::new(&comes).timeout(SHORT)).await?;
        let Outcome::Ok(answer) = invoked.outcome else {
            anyhow::bail!("the one that came again ended with {:?}", invoked.outcome)
        };
        Ok((answer["batchItemFailures"] == json!([])).then_some(()))
    });
    done.await?.context("it comes again and again")?;
    ensure!(
        people.taken().len() == 7 && machine.taken().len() == 6,
        "a repetition is told again, or not at all"
    );

    for (word, what) in WORDS {
        let times =
            machine.all().iter().filter(|heard| heard.is_taken() && about(&heard.request, word)).count();
        ensure!(times == usize::from(what != "refused"), "{word} was taken {times} times");
    }
    let letters = scene.letters().await?;
    let [letter] = letters.as_slice() else { anyhow::bail!("{} letters are dead, not one", letters.len()) };
    ensure!(letter.body().is_some_and(|body| body.contains("half")), "another letter is dead: {letter:?}");
    let elsewhere = stage.deployment.receiver.all().iter().any(|request| request.path.contains("attacker"));
    ensure!(!elsewhere, "a publisher chose where it goes");
    Ok(())
}
