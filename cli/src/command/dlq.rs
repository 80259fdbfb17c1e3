//! `wk dlq`.

mod plan;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::notices::quoted;
use super::when::{self, aged, at};
use super::{CHANGED, PLAN, by, each, shown, sure, text};
use crate::Problem;
use crate::args::{Dlq, Emptying};
use crate::exit::Exit;
use crate::reach::{Function, Reach, now};
use crate::say::{Out, Tone};

pub(super) async fn run(reach: &Reach, asked: &Dlq, out: &Out) -> Result<Exit, Problem> {
    let Some((wanted, word)) = asked.deed() else {
        let answer = reach.ask(Function::DlqTriage, &event(asked, false)?).await?;
        out.answer(&answer, |out| show(asked, &answer, out));
        return Ok(exit(asked, &answer));
    };
    // Before anything else: whoever may not ask need not wait for the plan.
    let deed = if wanted.apply { Some(event(asked, false)?) } else { None };
    let planning = event(asked, true)?;
    let plan = reach.ask(Function::DlqTriage, &planning).await?;
    let is_possible = text(&plan, "/outcome") == "proposed";
    let Some(deed) = deed.filter(|_| is_possible) else {
        out.answer(&plan, |out| {
            plan::show(&plan, out);
            if is_possible {
                out.line(Tone::Plain, PLAN);
            }
        });
        return Ok(Exit::Good);
    };
    if out.is_for_people() {
        plan::show(&plan, out);
    }
    let word = sure(reach, wanted.confirm.as_deref(), word, None, out).await?;
    // Another look costs receives: only who types a word takes their time.
    if word.is_some() && wanted.confirm.is_none() {
        let now = reach.ask(Function::DlqTriage, &planning).await?;
        if plan::numbers(&now) != plan::numbers(&plan) {
            out.answer(&now, |out| plan::show(&now, out));
            out.problem(&CHANGED);
            return Ok(Exit::Errors);
        }
    }
    out.begin();
    let answer = reach.ask(Function::DlqTriage, &deed).await?;
    out.answer(&answer, |out| show(asked, &answer, out));
    Ok(exit(asked, &answer))
}

fn show(asked: &Dlq, answer: &Value, out: &Out) {
    match asked {
        Dlq::Status { .. } => status(answer, now(), out),
        Dlq::Peek { .. } => peek(answer, out),
        Dlq::Groups { .. } => groups(answer, out),
        Dlq::Redrive { .. } => redriven(answer, out),
        Dlq::Archive(_) | Dlq::Drain(_) | Dlq::Purge(_) => emptied(answer, out),
        Dlq::Restore { .. } => restored(answer, out),
    }
}

/// The request that the function knows; of a deed, for its plan or for the deed.
fn event(asked: &Dlq, is_plan: bool) -> Result<Value, Problem> {
    let (word, mut fields, who) = match asked {
        Dlq::Status { queue } => return Ok(json!({"status": {"queue": queue}})),
        Dlq::Peek { queue, count, group } => {
            return Ok(json!({"peek": {"queue": queue, "count": count, "group": group}}));
        }
        Dlq::Groups { queue } => return Ok(json!({"groups": {"queue": queue}})),
        Dlq::Redrive { queue, group, everything, sure } => {
            ("redrive", json!({"queue": queue, "group": group, "everything": everything}), &sure.who)
        }
        Dlq::Archive(asked) => ("archive", emptying(asked), &asked.sure.who),
        Dlq::Drain(asked) => ("drain", emptying(asked), &asked.sure.who),
        Dlq::Purge(asked) => ("purge", emptying(asked), &asked.sure.who),
        Dlq::Restore { queue, run, to, group, again, sure } => {
            let to = to.word();
            (
                "restore",
                json!({"queue": queue, "run": run, "to": to, "group": group, "again": again}),
                &sure.who,
            )
        }
    };
    let (name, value) =
        if is_plan { ("dry_run", Value::Bool(true)) } else { ("by", Value::String(by(who)?)) };
    if let Some(fields) = fields.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    Ok(Value::Object(Map::from_iter([(word.to_owned(), fields)])))
}

fn emptying(Emptying { queue, count, group, sure: _ }: &Emptying) -> Value {
    json!({"queue": queue, "count": count, "group": group})
}

/// A queue with letters is worth a look; what could not be done is an error.
fn exit(asked: &Dlq, answer: &Value) -> Exit {
    let has = |pointer: &str| match answer.pointer(pointer) {
        Some(Value::Array(them)) => !them.is_empty(),
        Some(Value::Object(them)) => !them.is_empty(),
        Some(_) | None => false,
    };
    let failed = |failed: bool, partly: bool| match (failed, partly) {
        (true, _) => Exit::Errors,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    };
    match asked {
        Dlq::Status { .. } => {
            let some = |it: &Value, field: &str| it.get(field).and_then(Value::as_u64) > Some(0);
            let letters = each(answer, "/queues").any(|it| some(it, "visible") || some(it, "in_flight"));
            failed(false, letters || has("/blind"))
        }
        Dlq::Peek { .. } | Dlq::Groups { .. } => Exit::Good,
        Dlq::Redrive { .. } => failed(has("/errors"), sum(answer, "/sent") == 0),
        Dlq::Archive(_) | Dlq::Drain(_) | Dlq::Purge(_) => {
            failed(has("/done/errors"), answer.pointer("/done/whole") != Some(&Value::Bool(true)))
        }
        Dlq::Restore { .. } => failed(has("/why"), has("/not_begun")),
    }
}

/// How many letters of all groups.
fn sum(answer: &Value, pointer: &str) -> u64 {
    let groups = answer.pointer(pointer).and_then(Value::as_object);
    groups.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

fn status(answer: &Value, now: Timestamp, out: &Out) {
    let rows: Vec<Vec<String>> = each(answer, "/queues")
        .map(|it| {
            let counts = ["/queue", "/visible", "/in_flight"].map(|field| shown(it, field));
            let unseen = is_unseen(it).then_some("not looked at yet");
            let times = ["/oldest_sent", "/lost_at"]
                .map(|field| unseen.map_or_else(|| aged(it, field, now), ToOwned::to_owned));
            counts.into_iter().chain(times).chain([aged(it, "/looked_at", now)]).collect()
        })
        .collect();
    if rows.is_empty() {
        out.line(Tone::Plain, "there is no dead-letter queue that this environment reads");
    } else {
        out.table(&["QUEUE", "LETTERS", "IN HAND", "OLDEST", "LOST AT", "LOOKED AT"], rows);
    }
    for queue in each(answer, "/queues").filter(|queue| each(queue, "/groups").next().is_some()) {
        let head = format!("{} as of {}", shown(queue, "/queue"), at(queue, "/looked_at"));
        out.line(Tone::Strong, &head);
        for group in each(queue, "/groups") {
            let line = format!(
                "{} {}: {}",
                shown(group, "/count"),
                shown(group, "/verdict"),
                shown(group, "/signature")
            );
            out.fact(&shown(group, "/group"), line);
        }
    }
    for of in each(answer, "/queues").chain([answer]) {
        not_seen(of, out);
    }
}

/// Whether it has letters, and nobody has looked at them yet.
fn is_unseen(queue: &Value) -> bool {
    let letters = count(queue, "/visible").saturating_add(count(queue, "/in_flight"));
    letters > 0 && queue.get("looked_at").is_none_or(Value::is_null)
}

/// What could not be looked at of where letters come from.
fn not_seen(of: &Value, out: &Out) {
    for blind in each(of, "/blind") {
        out.line(Tone::Warm, &format!("not seen: {}", shown(blind, "")));
    }
}

fn peek(answer: &Value, out: &Out) {
    for letter in each(answer, "/letters") {
        let line =
            format!("{}  {}  {}", shown(letter, "/id"), shown(letter, "/verdict"), shown(letter, "/group"));
        out.line(Tone::Strong, &line);
        out.fact("sent", at(letter, "/sent"));
        for (label, field) in [("receives", "/receives"), ("died of", "/signature"), ("body", "/body")] {
            out.fact(label, shown(letter, field));
        }
    }
    if each(answer, "/letters").next().is_none() {
        out.line(Tone::Plain, "no letter was there to be shown");
    }
    if !text(answer, "/note").is_empty() {
        out.line(Tone::Warm, text(answer, "/note"));
    }
}

fn groups(answer: &Value, out: &Out) {
    out.line(Tone::Strong, &format!("{}: {}", shown(answer, "/queue"), counted(count(answer, "/letters"))));
    let groups = answer.get("groups").and_then(Value::as_object);
    let rows: Vec<_> = groups
        .into_iter()
        .flatten()
        .map(|(id, it)| vec![id.clone(), shown(it, "/waiting"), shown(it, "/verdict"), shown(it, "/line")])
        .collect();
    if !rows.is_empty() {
        out.table(&["GROUP", "LETTERS", "VERDICT", "WHAT THEY DIED OF"], rows);
    }
    if answer.get("whole") == Some(&Value::Bool(false)) {
        out.line(Tone::Warm, "not all letters were looked at: the queue holds more than one look reads");
    }
    if answer.get("lost_at").is_some_and(|at| !at.is_null()) {
        out.fact("lost at", aged(answer, "/lost_at", now()));
    }
    not_seen(answer, out);
}

/// So many letters.
fn counted(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

/// So many letters, before what was done with them.
fn were(count: u64) -> String {
    if count == 1 { "1 letter was".to_owned() } else { format!("{count} letters were") }
}

fn count(answer: &Value, pointer: &str) -> u64 {
    answer.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

fn redriven(answer: &Value, out: &Out) {
    let sent = sum(answer, "/sent");
    let tone = if sent == 0 { Tone::Warm } else { Tone::Good };
    out.line(tone, &format!("{}: {} sent back", shown(answer, "/queue"), were(sent)));
    for (group, step) in answer.get("steps").and_then(Value::as_object).into_iter().flatten() {
        out.fact(group, words(step));
    }
    if answer.get("next").is_some_and(|next| !next.is_null()) {
        out.fact("next", at(answer, "/next"));
    }
    errors(answer, "/errors", out);
}

/// What becomes of a group, in the function's own words.
fn words(step: &Value) -> String {
    let of = |word: &str, field: &str| step.pointer(&format!("/{word}/{field}"));
    if let Some(room) = of("canary", "room") {
        return format!("a few first: up to {}", shown(room, ""));
    }
    if let Some(room) = of("send", "room") {
        return format!("more are sent: up to {}", shown(room, ""));
    }
    if let Some(until) = of("wait", "until") {
        return format!("until {} it is seen whether they return", words(until));
    }
    if let Some(until) = of("leave", "held/until") {
        return format!("held until {}, because letters returned", words(until));
    }
    match step {
        Value::String(word) => when::whole(word).unwrap_or_else(|| word.replace('_', " ")),
        Value::Object(fields) => {
            let said =
                fields.iter().map(|(word, more)| format!("{}: {}", word.replace('_', " "), words(more)));
            said.collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => step.to_string(),
    }
}

fn emptied(answer: &Value, out: &Out) {
    let whole = answer.pointer("/done/whole") == Some(&Value::Bool(true));
    let tone = if whole { Tone::Good } else { Tone::Warm };
    out.line(tone, &format!("{}: {} read", shown(answer, "/queue"), were(count(answer, "/done/letters"))));
    for (label, pointer) in
        [("sent back", "/done/redriven"), ("archived", "/done/archived"), ("left", "/done/left")]
    {
        out.fact(label, sum(answer, pointer));
    }
    if answer.pointer("/done/doubled").and_then(Value::as_u64) > Some(0) {
        out.fact("twice", format!("{}: they may come again", shown(answer, "/done/doubled")));
    }
    let notes: Vec<_> = each(answer, "/notes").filter_map(Value::as_str).collect();
    if !whole && notes.is_empty() {
        out.line(Tone::Warm, "these were not all: ask for the same again");
    }
    for note in notes {
        out.line(Tone::Warm, note);
    }
    out.fact("run", shown(answer, "/run"));
    if sum(answer, "/done/archived") > 0 {
        let (queue, run) = (quoted(text(answer, "/queue")), quoted(text(answer, "/run")));
        out.fact("restore", format!("wk dlq restore {queue} {run} --to dlq"));
    }
    errors(answer, "/done/errors", out);
}

fn restored(answer: &Value, out: &Out) {
    out.line(Tone::Good, &format!("{}: {} sent", shown(answer, "/queue"), were(count(answer, "/sent"))));
    if answer.get("not_sent").and_then(Value::as_u64) > Some(0) {
        out.fact("not sent", shown(answer, "/not_sent"));
    }
    for (label, list) in [("restored before", "/restored_before"), ("not begun", "/not_begun")] {
        for part in each(answer, list) {
            out.fact(label, part.as_str().unwrap_or_default());
        }
    }
    errors(answer, "/why", out);
}

fn errors(answer: &Value, pointer: &str, out: &Out) {
    for error in once_each(each(answer, pointer)) {
        out.line(Tone::Bad, &error);
    }
}

/// Each error once, in the order in which they came first, with how often it came.
fn once_each<'a>(errors: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut all: Vec<(String, u64)> = Vec::new();
    for error in errors.map(|it| it.as_str().map_or_else(|| it.to_string(), ToOwned::to_owned)) {
        match all.iter_mut().find(|(said, _)| *said == error) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => all.push((error, 1)),
        }
    }
    let told = |(said, count)| if count == 1 { said } else { format!("{count} times: {said}") };
    all.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::{event, exit, is_unseen, once_each, words};
    use crate::args::{Args, Command, Dlq};
    use crate::exit::Exit;

    fn dlq(line: &str) -> Dlq {
        let Command::Dlq(asked) = Args::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("{line}");
        };
        asked
    }

    #[test]
    fn a_plan_is_a_dry_run_of_nobody_and_a_deed_says_who_asks() {
        let words = |line: &str, plan: Value, deed: Value| {
            let asked = dlq(line);
            assert_eq!(asked.deed().map(|(sure, _)| sure.apply), Some(line.contains("--apply")), "{line}");
            assert_eq!((event(&asked, true).unwrap(), event(&asked, false).unwrap()), (plan, deed), "{line}");
        };
        words(
            "wk dlq redrive q --group abcdef --by ann",
            json!({"redrive": {"queue": "q", "group": "abcdef", "everything": false, "dry_run": true}}),
            json!({"redrive": {"queue": "q", "group": "abcdef", "everything": false, "by": "ann"}}),
        );
        for (word, line) in [("archive", "archive"), ("drain", "drain"), ("purge", "purge")] {
            words(
                &format!("wk dlq {line} q --count 3 --by ann --apply"),
                json!({ word: {"queue": "q", "count": 3, "group": null, "dry_run": true} }),
                json!({ word: {"queue": "q", "count": 3, "group": null, "by": "ann"} }),
            );
        }
        words(
            "wk dlq restore q r --to source --by ann",
            json!({"restore": {"queue": "q", "run": "r", "to": "source", "group": null, "again": false, "dry_run": true}}),
            json!({"restore": {"queue": "q", "run": "r", "to": "source", "group": null, "again": false, "by": "ann"}}),
        );
        for look in ["wk dlq status", "wk dlq peek q", "wk dlq groups q"] {
            assert!(dlq(look).deed().is_none(), "{look}");
        }
    }

    #[test]
    fn letters_that_nobody_looked_at_are_told_apart() {
        for (queue, expected) in [
            (json!({"visible": 3, "in_flight": 0, "looked_at": null}), true),
            (json!({"visible": 0, "in_flight": 1}), true),
            (json!({"visible": 0, "in_flight": 0, "looked_at": null}), false),
            (json!({"visible": 3, "in_flight": 0, "looked_at": "2026-11-26T03:00:00Z"}), false),
        ] {
            assert_eq!(is_unseen(&queue), expected, "{queue}");
        }
    }

    #[test]
    fn the_same_error_is_told_once_with_how_often_it_came() {
        let errors = [json!("denied"), json!("a part is broken"), json!("denied"), json!({"code": 5})];
        let expected = ["2 times: denied", "a part is broken", "{\"code\":5}"];
        assert_eq!(once_each(errors.iter()), expected);
    }

    #[test]
    fn what_came_of_a_deed_is_its_exit() {
        for (line, answer, expected) in [
            ("wk dlq redrive q --everything", json!({"sent": {"g": 5}, "errors": []}), Exit::Good),
            ("wk dlq redrive q --everything", json!({"sent": {}, "errors": []}), Exit::Warnings),
            ("wk dlq redrive q --everything", json!({"sent": {"g": 5}, "errors": ["no"]}), Exit::Errors),
            ("wk dlq purge q --count 3", json!({"done": {"whole": true, "errors": []}}), Exit::Good),
            ("wk dlq purge q --count 3", json!({"done": {"whole": false, "errors": []}}), Exit::Warnings),
            ("wk dlq purge q --count 3", json!({"done": {"whole": true, "errors": ["no"]}}), Exit::Errors),
            ("wk dlq restore q r --to dlq", json!({"why": [], "not_begun": []}), Exit::Good),
            ("wk dlq restore q r --to dlq", json!({"why": [], "not_begun": ["p"]}), Exit::Warnings),
            ("wk dlq restore q r --to dlq", json!({"why": ["no"], "not_begun": []}), Exit::Errors),
        ] {
            assert_eq!(exit(&dlq(line), &answer), expected, "{line} {answer}");
        }
    }

    #[test]
    fn what_is_done_with_a_group_is_told_in_words() {
        for (step, expected) in [
            (json!({"canary": {"room": 5}}), "a few first: up to 5"),
            (json!({"send": {"room": 40}}), "more are sent: up to 40"),
            (json!("abort"), "abort"),
            (
                json!({"leave": {"held": {"until": "2026-11-26T03:00:00Z"}}}),
                "held until 2026-11-26T03:00:00Z, because letters returned",
            ),
            (json!({"leave": "not_transient"}), "leave: not transient"),
            (
                json!({"wait": {"until": "2026-11-26T03:00:00.123456Z"}}),
                "until 2026-11-26T03:00:00Z it is seen whether they return",
            ),
        ] {
            assert_eq!(words(&step), expected);
        }
    }
}
