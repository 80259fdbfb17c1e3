//! The worst report: 51 findings, a stack trace with fences, whatever calls the whole channel, and a channel that refuses
//! blocks.

use std::fmt::Write;

use anyhow::ensure;
use futures_util::FutureExt;
use local::receiver::{Answer, Request};
use serde_json::{Value, json};

use super::doubles::{at, double, slack, take};
use super::scene::{Named, SHORT, Scene, notice};
use crate::stage::Stage;

pub(super) const TESTS: [Named; 1] =
    [("the_worst_report_is_told_as_text_where_its_blocks_are_refused", |stage| worst(stage).boxed_local())];

const FINDINGS: usize = 51;

/// What must not arrive as it is.
const LOUD: [&str; 4] = ["<!channel>", "<!here>", "<!everyone>", "<@U012ABCDEF>"];

/// A Slack that does not like any blocks.
fn without_blocks(request: &Request) -> Result<Answer, Answer> {
    let taken = slack(request)?;
    if request.json()["blocks"].as_array().is_some_and(|blocks| !blocks.is_empty()) {
        return Err(Answer::new(400, "invalid_blocks"));
    }
    Ok(taken)
}

fn trace() -> String {
    let mut trace = "first line of the trace\n```\n".to_owned();
    for frame in 0.. {
        if trace.len() > 9_000 {
            break;
        }
        let _ = writeln!(
            trace,
            "at frame_{frame} (<!channel> \u{1f525} \u{202e}\u{5d0}\u{5d1} ``` <@U012ABCDEF>)"
        );
    }
    trace + "```\nlast line of the trace"
}

async fn worst(stage: &Stage) -> anyhow::Result<()> {
    let (picky, answer) = double(without_blocks, take);
    at(stage, "/report/picky", answer);
    let (easy, answer) = double(slack, take);
    at(stage, "/report/easy", answer);
    let channels = |at: &str| {
        json!([
            {"name": "report-picky", "type": "slack", "url": format!("{at}/picky")},
            {"name": "report-easy", "type": "slack", "url": format!("{at}/easy")},
        ])
    };
    let scene = Scene::new(stage, "report", channels, "").await?;
    let mut report = notice("report-worst", "firing", "sev1", 0);
    report["title"] =
        json!("51 findings <!everyone> \u{1f525}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{202e}abc");
    report["summary"] = json!(format!("<!here> {}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd} ".repeat(300)));
    let finding = |nth: usize| match nth {
        0 => json!({"name": "Trace", "value": trace()}),
        _ => {
            json!({"name": format!("Finding {nth} <!channel>"), "value": format!("*bold* `code ``` _x_ {}", "\u{1f525}".repeat(90))})
        }
    };
    report["facts"] = (0..FINDINGS).map(finding).collect();
    scene.send(&[report.to_string()]).await?;
    let function = scene.healthy().await?;
    scene.work(&function, SHORT).await?;

    let rich = easy.all();
    ensure!(rich.len() == 1 && rich[0].is_taken(), "Slack refuses what is within its limits: {rich:#?}");
    let message = rich[0].request.json();
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    let size = message["blocks"].to_string().encode_utf16().count();
    ensure!(!blocks.is_empty() && blocks.len() <= 50, "{} blocks", blocks.len());
    ensure!(size <= 12_000, "{size} characters of blocks");
    let whole = texts(&message).concat();
    for wanted in ["first line of the trace", "last line of the trace", "omitted"] {
        ensure!(whole.contains(wanted), "{wanted:?} is missing: {whole}");
    }
    quiet(&message)?;

    let tried = picky.all();
    let taken: Vec<_> = tried.iter().map(|heard| heard.is_taken()).collect();
    ensure!(taken == [false, true], "the channel that refuses blocks was sent {taken:?}");
    let plain = tried[1].request.json();
    let text = plain["text"].as_str().unwrap_or_default();
    ensure!(plain.get("blocks").is_none_or(|blocks| *blocks == json!([])), "blocks again: {plain:#}");
    ensure!(text.encode_utf16().count() <= 4_000, "the text is too long: {}", text.len());
    ensure!(text.contains("51 findings") && text.contains("omitted"), "the text says too little: {text}");
    quiet(&plain)?;

    let mut states = scene.deliveries("report-worst").await?;
    states.sort();
    let expected = ["report-easy", "report-picky"].map(|name| (name.to_owned(), "acknowledged".to_owned()));
    ensure!(states == expected, "the ledger says {states:?}");
    ensure!(scene.letters().await?.is_empty(), "the worst report was given up");
    Ok(())
}

/// Nothing calls the whole channel, no fence stays open, nothing turns the direction of what follows.
fn quiet(message: &Value) -> anyhow::Result<()> {
    for text in texts(message) {
        let loud = LOUD.iter().find(|loud| text.contains(**loud));
        ensure!(loud.is_none(), "it calls {loud:?}: {text}");
        ensure!(text.matches("```").count().is_multiple_of(2), "a fence stays open: {text}");
        ensure!(!text.contains('\u{202e}'), "it turns the direction: {text}");
    }
    Ok(())
}

/// Every text of a message.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
