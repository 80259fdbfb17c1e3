//! A stack that is stuck, by hand: first what would be done, then what came of it, then what would be skipped.

use anyhow::ensure;
use local::recorded::Stacks;
use serde_json::{Value, json};

use super::Stand;
use super::apart::Apart;
use super::record::Story;
use super::report::{said, text};
use crate::say::{self, Tone};

const STACK: &str = "shop";

/// What somebody asks by hand.
const DRY_RUN: &str = r#"{"rollback": {"target": "stack:shop"}}"#;
const ACT: &str = r#"{"rollback": {"target": "stack:shop", "dry_run": false, "by": "ann"}}"#;

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("stuck-stack", "A stack is stuck, and somebody asks what can be done");
    say::also("recorded", "local AWS leaves no stack stuck: what CloudFormation says here is recorded");
    let role = format!("arn:aws:iam::{}:role/{STACK}-deploy", local::aws::ACCOUNT);
    let stacks = Stacks::new().stuck(STACK).with_role(&role);
    let answers = stacks.clone();
    let apart = Apart::start(stand, move |call| answers.answer(call)).await?;
    let nested = stacks.nested(STACK)?;
    stand.say(
        Tone::Bad,
        "stack",
        &format!("{STACK} is in {}, because the stack nested in it is", stacks.status(STACK)?),
    );

    let dry_run = asked(stand, &apart, DRY_RUN, "proposed").await?;
    say::also("by hand", text(&dry_run, "command"));
    let changes = stacks.changes();
    ensure!(changes.is_empty(), "a dry run changed something: {changes:?}");
    stand.say(Tone::Good, "stack", "nothing was called that changes it: a dry run is the default");

    let heard = stand.heard();
    asked(stand, &apart, ACT, "rolled_back").await?;
    let changes = stacks.changes();
    let skips =
        |sent: &Value| sent.as_object().is_some_and(|sent| sent.keys().any(|name| name.contains("Skip")));
    ensure!(
        matches!(changes.as_slice(), [change]
            if change.action == "cloudformation:ContinueUpdateRollback" && !skips(&change.sent)),
        "other calls were made: {changes:?}"
    );
    stand.say(Tone::Good, "called", "cloudformation:ContinueUpdateRollback, without skipping anything");
    stand.told(heard).await?;

    let status = stacks.advance(STACK)?;
    ensure!(status == "UPDATE_ROLLBACK_FAILED", "the stack came to {status}");
    stand.say(Tone::Bad, "stack", &format!("{STACK} came to {status} again"));
    let heard = stand.heard();
    let closed = apart.watch().await?.report;
    stand.say(Tone::Warm, "watch", &said(&closed));
    ensure!(text(&closed, "outcome") == "failed_rollback", "it ended otherwise: {}", said(&closed));
    stand.told(heard).await?;

    let again = asked(stand, &apart, DRY_RUN, "held").await?;
    say::also("next step", text(&again, "next_step"));
    let blocked = format!("{nested}.Service");
    let names = |name: &str| text(&again, "next_step").contains(name);
    ensure!(names(&blocked) && !names("Worker"), "it would skip something else: {again}");
    ensure!(stacks.changes().len() == 1, "something was changed meanwhile: {:?}", stacks.changes());
    stand.say(
        Tone::Good,
        "stack",
        "only what cannot be rolled back would be skipped, not what was cancelled with it; nothing was changed",
    );
    story.done(json!({
        "outcome": text(&again, "outcome"),
        "reason": text(&again, "reason"),
        "dry_run": text(&dry_run, "reason"),
        "closed": text(&closed, "reason"),
        "would_skip": [blocked],
        "recorded": ["cloudformation"],
    }));
    Ok(())
}

/// Asks by hand; the answer.
async fn asked(stand: &Stand, apart: &Apart, event: &str, outcome: &str) -> anyhow::Result<Value> {
    stand.say(Tone::Plain, "asked", event);
    let seen = apart.hand(&serde_json::from_str(event)?).await?;
    stand.decided(&seen.report, outcome)?;
    Ok(seen.answer)
}
