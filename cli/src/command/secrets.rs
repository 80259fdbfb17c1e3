//! `wk redeploy` and `wk secrets`.

use serde_json::{Value, json};

use super::deed::{Deed, cluster, facts, outcome};
use super::{CHANGED, PLAN, asker, each, services, shown, sure, text};
use crate::Problem;
use crate::args::Redeploy;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

const LOOKING: &str = "Looking at every task definition; the first time this takes a while …";

pub(super) async fn uses(reach: &Reach, secret: &str, out: &Out) -> Result<Exit, Problem> {
    out.note(LOOKING);
    let answer = reach.ask(Function::SecretRedeploy, &json!({"uses": {"secret": secret}})).await?;
    out.answer(&answer, |out| found(&answer, out));
    Ok(Exit::Good)
}

pub(super) async fn redeploy(reach: &Reach, asked: &Redeploy, out: &Out) -> Result<Exit, Problem> {
    let by = asker(&asked.sure)?;
    let Some(secret) = &asked.secret else {
        return one(reach, asked, &by, out).await;
    };
    let event = |dry_run: bool, confirm: Option<&str>| json!({"redeploy": {"secret": secret, "dry_run": dry_run, "confirm": confirm, "by": by}});
    out.note(LOOKING);
    let plan = reach.ask(Function::SecretRedeploy, &event(true, None)).await?;
    let is_over = is_over(&plan);
    if !asked.sure.apply || is_over {
        out.answer(&plan, |out| {
            found(&plan, out);
            out.line(
                Tone::Plain,
                if is_over { "Nobody has to be redeployed; nothing was begun." } else { PLAN },
            );
        });
        return Ok(Exit::Good);
    }
    if out.is_for_people() {
        found(&plan, out);
    }
    let confirm = sure(reach, asked.sure.confirm.as_deref(), "REDEPLOY", None, out).await?;
    // Somebody who types a word has read that plan, and takes their time.
    let now = reach.ask(Function::SecretRedeploy, &event(true, None)).await?;
    if fates(&now) != fates(&plan) {
        out.answer(&now, |out| found(&now, out));
        out.problem(&CHANGED);
        return Ok(Exit::Errors);
    }
    out.begin();
    let done = match reach.ask(Function::SecretRedeploy, &event(false, confirm)).await {
        Ok(done) => done,
        Err(problem) => {
            out.problem(&problem);
            out.problem(&"it may have begun all the same: look with wk secrets uses before you ask again");
            return Ok(Exit::Errors);
        }
    };
    let begun = text(&done, "/outcome") == "begun";
    out.answer(&done, |out| {
        let tone = if begun { Tone::Good } else { Tone::Warm };
        out.line(tone, &format!("{}: {}", text(&done, "/outcome"), text(&done, "/reason")));
        facts(&done, &[("redeploy", "/redeploy"), ("next", "/next_step")], out);
    });
    Ok(if begun { Exit::Good } else { Exit::Errors })
}

/// Whether nothing would come of a redeploy: of no service that was read, and all were. One that only waits for its turn, such as
/// for the end of a deployment, is redeployed then.
fn is_over(plan: &Value) -> bool {
    let over = |it: &Value| matches!(text(it, "/standing"), "fresh" | "skipped" | "proposed" | "failed");
    each(plan, "/services").all(over) && each(plan, "/unread").next().is_none()
}

/// What would become of each service; not why, in words.
fn fates(plan: &Value) -> Value {
    let fate = |it: &Value| json!([it.get("service"), it.get("standing"), it.get("plan")]);
    let all: Vec<_> = each(plan, "/services").map(fate).collect();
    json!([all, plan.get("unread")])
}

/// One service alone.
async fn one(reach: &Reach, asked: &Redeploy, by: &str, out: &Out) -> Result<Exit, Problem> {
    let service = services::service(reach, asked.service.as_deref().unwrap_or_default()).await?;
    let event = |dry_run: bool, confirm: Option<&str>| json!({"redeploy": {"service": service, "dry_run": dry_run, "confirm": confirm, "by": by}});
    let deed = Deed {
        function: Function::SecretRedeploy,
        event: &event,
        word: "REDEPLOY",
        cluster: cluster(&service),
        done: "begun",
        without: |_| Exit::Errors,
        show: &outcome,
        unknown: "it may have begun all the same: look with wk monitor before you ask again",
        sure: &asked.sure,
    };
    deed.run(reach, out).await
}

/// Who uses the secret, and what would become of each.
fn found(answer: &Value, out: &Out) {
    out.line(Tone::Strong, text(answer, "/reason"));
    let rows: Vec<_> = each(answer, "/services")
        .map(|it| {
            let standing = shown(it, "/standing").replace('_', " ");
            vec![shown(it, "/service"), standing, shown(it, "/why"), shown(it, "/plan/task_definition")]
        })
        .collect();
    if !rows.is_empty() {
        out.table(&["SERVICE", "STANDING", "WHY", "TASK DEFINITION"], rows);
    }
    for it in each(answer, "/services") {
        for note in each(it, "/plan/notes") {
            out.fact("note", format!("{}: {}", shown(it, "/service"), note.as_str().unwrap_or_default()));
        }
    }
    for unread in each(answer, "/unread") {
        out.fact("not read", format!("{}: {}", shown(unread, "/service"), shown(unread, "/task_definition")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{fates, is_over};

    #[test]
    fn a_plan_is_the_same_while_the_same_becomes_of_each_service() {
        let plan = |standing: &str, runs: &str, why: &str| {
            json!({"services": [{"service": "ecs:prod/web", "standing": standing, "why": why,
                "plan": {"task_definition": runs}}], "unread": []})
        };
        let before = plan("to_redeploy", "web:7", "its tasks are 3 minutes old");
        for (other, same) in [
            (plan("to_redeploy", "web:7", "its tasks are 4 minutes old"), true),
            (plan("to_redeploy", "web:8", "its tasks are 3 minutes old"), false),
            (plan("fresh", "web:7", "its tasks are 3 minutes old"), false),
            (json!({"services": [], "unread": []}), false),
        ] {
            assert_eq!(fates(&other) == fates(&before), same, "{other}");
        }
    }

    #[test]
    fn nothing_is_to_be_done_only_where_no_service_waits_and_all_were_read() {
        for (standings, unread, expected) in [
            (&[][..], json!([]), true),
            (&["fresh", "skipped", "proposed", "failed"], json!([]), true),
            (&["fresh", "to_redeploy"], json!([]), false),
            (&["fresh", "deferred"], json!([]), false),
            (&["queued"], json!([]), false),
            (&["moving"], json!([]), false),
            (&["of another version"], json!([]), false),
            (&["fresh"], json!([{"service": "ecs:prod/web"}]), false),
        ] {
            let services: Vec<_> = standings.iter().map(|standing| json!({"standing": standing})).collect();
            let plan = json!({"services": services, "unread": unread});
            assert_eq!(is_over(&plan), expected, "{plan}");
        }
    }
}
