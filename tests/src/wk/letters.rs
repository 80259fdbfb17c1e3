//! `wk dlq`.

use anyhow::{Context, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt;
use local::deployment::until;
use serde_json::json;

use super::wk;
use crate::stage::{PATIENCE, Stage, Test};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![("dead_letters_are_looked_through_and_archived", |stage| letters(stage).boxed_local())]
}

const QUEUE: &str = "triage-wk-dlq";
/// What dies there.
const WORK: &str = "triage-wk";
/// What stands below a plan.
const PLAN: &str = "This is the plan; nothing was changed. With --apply it is carried out.";

async fn letters(stage: &Stage) -> anyhow::Result<()> {
    let dead = stage.sqs.create_queue().queue_name(QUEUE).tags("watchkeeper:environment", "dev");
    let dead = dead.send().await?.queue_url.context("no queue")?;
    let arn = format!("arn:aws:sqs:{}:{}:{QUEUE}", local::aws::REGION, local::aws::ACCOUNT);
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
    let work = stage.sqs.create_queue().queue_name(WORK);
    work.attributes(QueueAttributeName::RedrivePolicy, policy).send().await?;
    for order in 0..3 {
        let body = json!({"kind": "broken", "order": order, "password": "hunter2"}).to_string();
        stage.sqs.send_message().queue_url(&dead).message_body(body).send().await?;
    }

    wk(stage, &["dlq", "status", QUEUE]).await?.expect(2, &[QUEUE, "3"])?.shown("dlq-status")?;
    let unknown = "unknown cause; JSON with kind=broken";
    let peeked = wk(stage, &["dlq", "peek", QUEUE, "--count", "2"]).await?.expect(0, &[unknown])?;
    wk(stage, &["dlq", "groups", QUEUE]).await?.expect(0, &[unknown])?.shown("dlq-groups")?;
    ensure!(!peeked.out.contains("hunter2"), "{peeked:#?}");
    let groups = wk(stage, &["--output", "json", "dlq", "groups", QUEUE]).await?.expect(0, &[])?.json()?;
    let group = groups["groups"].as_object().and_then(|groups| groups.keys().next()).context("no group")?;
    ensure!(groups["letters"] == 3 && groups["groups"][group]["waiting"] == 3, "{groups:#}");
    let short = group.get(..6).context("a short id")?;
    refusals(stage, group).await?;
    plans(stage, short).await?;
    let kept = wk(stage, &["dlq", "archive", QUEUE, "--count", "3", "--group", short, "--apply"]).await?;
    let kept = kept.expect(0, &["3 would go to the archive", "3 letters were read", "archived", "run"])?;
    let kept = kept.shown("dlq-archive-done")?;
    ensure!(!kept.out.contains("\"audit\""), "the audit is in the answer: {kept:#?}");
    let run = kept.out.lines().find_map(|line| line.trim().strip_prefix("run")).context("no run")?.trim();
    let empty = until(PATIENCE, async || {
        let said = wk(stage, &["dlq", "status", QUEUE]).await?;
        Ok((said.exit == 0).then_some(()))
    });
    empty.await?.context("the queue is not empty")?;
    restores(stage, run, short).await?;
    audited(stage, run).await
}

/// What each deed refuses, it refuses as a plan already, and changes nothing.
async fn refusals(stage: &Stage, group: &str) -> anyhow::Result<()> {
    let unknown = format!("there is no group 0123456789 in {QUEUE}; there are {group} (3: unknown cause");
    let run = format!("dev/{QUEUE}/1999/01/01/x");
    let cases: [(&[&str], &str); 9] = [
        (&["redrive", QUEUE, "--group", "0123456789"], &unknown),
        (&["redrive", QUEUE, "--group", "012"], "write at least 6 characters of its id"),
        (&["redrive", QUEUE, "--group", group], "cannot be sent back: there is no source"),
        (&["archive", QUEUE, "--count", "2"], "is left as it is: there are 3 letters and not 2"),
        (&["archive", QUEUE, "--count", "3", "--group", "0123456789"], &unknown),
        (&["drain", QUEUE, "--count", "2"], "there are 3 letters and not 2"),
        (&["purge", QUEUE, "--count", "2"], "there are 3 letters and not 2"),
        (&["restore", QUEUE, &run, "--to", "dlq"], "there is no part of the archive under"),
        (&["restore", QUEUE, "dev/another/x", "--to", "dlq"], "a run of this queue begins with"),
    ];
    for (words, why) in cases {
        let asked = [&["dlq"], words].concat();
        wk(stage, &asked).await?.expect(1, &[why])?;
        wk(stage, &[asked.as_slice(), &["--apply"]].concat()).await?.expect(1, &[why])?;
    }
    let remote = wk(stage, &["--remote", "dlq", "redrive", QUEUE, "--group", "0123456789"]).await?;
    remote.expect(1, &[&unknown])?;
    let gone = wk(stage, &["dlq", "purge", "triage-not-there-dlq", "--count", "2"]).await?;
    ensure!(gone.exit != 0 && gone.error.contains("does not exist"), "{gone:#?}");
    Ok(())
}

/// The plans say what would be done, and nothing is.
async fn plans(stage: &Stage, group: &str) -> anyhow::Result<()> {
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &["redrive", QUEUE, "--everything"],
            &["would stay", "there is nothing to do", "there is no source"],
        ),
        (&["archive", QUEUE, "--count", "3"], &["3 would go to the archive", PLAN]),
        (
            &["archive", QUEUE, "--count", "3", "--group", group],
            &["3 would go to the archive", "asked for", PLAN],
        ),
        (&["drain", QUEUE, "--count", "3"], &["3 would go to the archive", "cannot be sent back", PLAN]),
        (&["purge", QUEUE, "--count", "3"], &["3 would go to the archive", "kind=broken", PLAN]),
    ];
    for (words, told) in cases {
        let own = wk(stage, &[&["dlq"], words].concat()).await?.expect(0, told)?;
        let remote = wk(stage, &[&["--remote", "dlq"], words].concat()).await?.expect(0, told)?;
        ensure!(own.out == remote.out, "{own:#?} {remote:#?}");
        own.shown(&format!("dlq-{}-plan{}", words[0], if words.contains(&group) { "-group" } else { "" }))?;
    }
    let json = ["--output", "json", "dlq", "purge", QUEUE, "--count", "3"];
    let plan = wk(stage, &json).await?.expect(0, &[])?.json()?;
    ensure!(
        plan["outcome"] == "proposed" && plan["archive"] == 3 && plan["groups"][0]["archive"] == 3,
        "{plan:#}"
    );
    wk(stage, &["dlq", "status", QUEUE]).await?.expect(2, &[QUEUE, "3"]).map(drop)
}

/// What was archived is planned to be restored, and is; and a queue that has letters of a source is sent back to it.
async fn restores(stage: &Stage, run: &str, group: &str) -> anyhow::Result<()> {
    let nothing = wk(stage, &["dlq", "purge", QUEUE, "--count", "0"]).await?;
    nothing.expect(0, &["there are no letters in", "there is nothing to do"])?;
    let restore = ["dlq", "restore", QUEUE, run, "--to", "dlq", "--group", group];
    let plan = wk(stage, &restore).await?;
    plan.expect(0, &["of 3 letters in 1 part of the archive, 3 would be sent to", PLAN])?
        .shown("dlq-restore-plan")?;
    let wrong = wk(stage, &["dlq", "restore", QUEUE, run, "--to", "dlq", "--group", "0123456789"]).await?;
    wrong.expect(1, &["there is no group 0123456789", "(3 letters)"])?;
    wk(stage, &["dlq", "status", QUEUE]).await?.expect(0, &[QUEUE])?;
    let restored = wk(stage, &[restore.as_slice(), &["--apply"]].concat()).await?;
    restored.expect(0, &["3 would be sent to", "3 letters were sent"])?.shown("dlq-restore-done")?;
    wk(stage, &restore).await?.expect(0, &["3 were restored before", "nothing to do", "--again"])?;
    wk(stage, &["dlq", "status", QUEUE]).await?.expect(2, &[QUEUE])?;

    let drained = wk(stage, &["dlq", "drain", QUEUE, "--count", "3", "--apply", "--by", "ben"]).await?;
    let drained = drained.expect(0, &["3 would go to the archive", "archived"])?;
    let kept = drained.out.lines().find_map(|line| line.trim().strip_prefix("run")).context("no run")?.trim();
    wk(stage, &["dlq", "restore", QUEUE, kept, "--to", "dlq", "--apply"])
        .await?
        .expect(0, &["3 letters were sent"])?;
    let purge = ["--remote", "dlq", "purge", QUEUE, "--count", "3"];
    wk(stage, &[purge.as_slice(), &["--apply", "--by", "ben"]].concat())
        .await?
        .expect(0, &["3 would go", "archived"])?;
    wk(stage, &["dlq", "purge", QUEUE, "--count", "0"]).await?.expect(1, &["less than 60 s ago"])?;

    // Of a queue that has a source, letters go back: the plan says where to, and how many.
    let body = json!({"kind": "broken", "order": 17}).to_string();
    let work = stage.sqs.get_queue_url().queue_name(WORK).send().await?.queue_url.context("no queue")?;
    stage.sqs.send_message().queue_url(&work).message_body(body).send().await?;
    let died = until(PATIENCE, async || {
        stage.sqs.receive_message().queue_url(&work).visibility_timeout(0).send().await?;
        Ok((wk(stage, &["dlq", "status", QUEUE]).await?.exit == 2).then_some(()))
    });
    died.await?.context("the message does not die")?;
    let redrive = ["dlq", "redrive", QUEUE, "--everything"];
    // Where a call fails, the plan says that it has not seen all, and is asked for again.
    let planned = until(PATIENCE, async || {
        let said = wk(stage, &redrive).await?;
        let is_blind = said.out.contains("a way back may not be seen");
        if is_blind {
            eprintln!("… planned again: {}", said.out);
        }
        Ok((!is_blind).then_some(said))
    });
    let planned = planned.await?.context("not all is ever seen")?;
    planned
        .expect(0, &["1 would be sent back now", "to triage-wk, 1: a few first", PLAN])?
        .shown("dlq-redrive-plan-source")?;
    let sent = wk(stage, &[redrive.as_slice(), &["--apply", "--by", "cat"]].concat()).await?;
    let sent = sent.expect(0, &["1 would be sent back now", "1 letter was sent back"])?;
    sent.shown("dlq-redrive-done").map(drop)
}

/// The audit knows who asked for what, of which queue, and what came of it; of what was refused or planned, nothing.
async fn audited(stage: &Stage, run: &str) -> anyhow::Result<()> {
    let audit = wk(stage, &["--output", "json", "audit", "--since", "1h"]).await?.json()?;
    let deeds = audit["deeds"].as_array().context("no deeds")?.iter();
    let deeds: Vec<_> =
        deeds.filter(|deed| deed["target"] == QUEUE && deed["what"] != "acknowledge").collect();
    let of = |what: &str, by: &str, outcome: &str, why: &str| {
        let fits = |deed: &&&serde_json::Value| {
            let text = |field: &str| deed[field].as_str().unwrap_or_default();
            text("what") == what
                && text("by") == by
                && text("outcome").starts_with(outcome)
                && text("why").contains(why)
        };
        ensure!(
            deeds.iter().filter(fits).count() == 1,
            "{what} by {by}: {outcome} is not there once: {deeds:#?}"
        );
        Ok(())
    };
    of("archive", "ann", "3 archived", run)?;
    of("restore", "ann", "3 sent", run)?;
    of("drain", "ben", "0 sent, 3 archived", "asked for by hand, kept as dev/")?;
    of("purge", "ben", "3 archived", "asked for by hand, kept as dev/")?;
    of("redrive", "cat", "1 sent", "asked for by hand")?;
    of("redrive", "cat", "canary: 1 sent", "unknown cause; JSON with kind=broken")?;
    let people = wk(stage, &["audit", "--since", "1h"]).await?;
    ensure!(people.out.contains("purge") && people.out.contains("3 archived"), "{people:#?}");
    Ok(())
}
