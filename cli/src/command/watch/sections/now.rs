//! What Watchkeeper does now, and what it told of lately.

use super::{Frame, WORD, heading, listed, nothing};
use crate::command::watch::row::{Row, ago, cut, lasting, wrapped};
use crate::command::watch::source::{Deed, Follower, Incident, Source};
use crate::command::watch::state::{Freshness, State};
use crate::say::Tone;

pub(super) fn now(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading("WHAT WATCHKEEPER DOES NOW", Source::Incidents, state, frame);
    rows.extend(doubts(state, frame));
    rows.extend(window(state, frame));
    let before = rows.len();
    let deeds = state.deeds().unwrap_or_default();
    let (over, under_way): (Vec<&Deed>, Vec<&Deed>) = deeds.iter().partition(|deed| deed.is_over());
    listed(&under_way, frame, &mut rows, |it| at_work(it, frame));
    if let Some(incidents) = state.incidents() {
        listed(&incidents.firing, frame, &mut rows, |it| incident(it, frame));
    }
    let scaled = state.followers().unwrap_or_default().iter().filter(|it| it.own.is_some());
    rows.extend(scaled.flat_map(|it| scaling(it, frame)));
    let redriven = state.letters().into_iter().flat_map(|it| &it.queues);
    for (queue, words) in redriven.flat_map(|queue| queue.redrives.iter().map(move |words| (queue, words))) {
        let head = Row::new().column(Tone::Warm, "REDRIVE", WORD).with(Tone::Strong, &queue.queue);
        rows.push(head.fit(frame.width));
        rows.extend(wrapped(Tone::Plain, words, WORD, frame.width, 2));
    }
    if state.incidents().is_some() && rows.len() == before {
        let is_known = state.deeds().is_some() && state.followers().is_some() && state.letters().is_some();
        let words = if is_known {
            "nothing: no incident goes on, nothing is under way"
        } else {
            "no incident goes on"
        };
        rows.extend(nothing(Tone::Good, words, frame));
    }
    let ended = state.incidents().map(|it| it.over.as_slice()).unwrap_or_default();
    for (title, told) in [
        ("OVER WITHIN THE LAST DAY", ended.iter().map(|it| ended_row(it, frame)).collect::<Vec<_>>()),
        ("DONE WITHIN THE LAST DAY", over.into_iter().map(|it| done(it, frame)).collect()),
    ] {
        if frame.whole && !told.is_empty() {
            rows.push(Row::new());
            rows.push(Row::new().with(Tone::Strong, title).fit(frame.width));
        }
        rows.extend(told.into_iter().take(if frame.whole { usize::MAX } else { frame.most / 2 }));
    }
    rows
}

/// An incident that is over.
fn ended_row(it: &Incident, frame: Frame) -> Row {
    let ended = it.since.map(|since| ago(since, frame.now)).unwrap_or_default();
    let row = Row::new().column(Tone::Faint, "over", WORD).with(Tone::Plain, &it.title);
    row.right(Tone::Faint, &ended, frame.width)
}

/// An operation that is under way.
fn at_work(it: &Deed, frame: Frame) -> Vec<Row> {
    let lasts = it.at.map(|at| format!("for {}", lasting(at, frame.now))).unwrap_or_default();
    let head = Row::new()
        .column(Tone::Warm, &it.what.to_uppercase(), WORD)
        .with(Tone::Strong, &it.target)
        .with(Tone::Plain, ", under way")
        .right(Tone::Faint, &lasts, frame.width);
    let who = if it.by.is_empty() { String::new() } else { format!(" (by {})", it.by) };
    let why =
        wrapped(Tone::Plain, &format!("{}{who}", it.why), WORD, frame.width, if frame.whole { 9 } else { 1 });
    std::iter::once(head).chain(why).collect()
}

/// What was done.
fn done(it: &Deed, frame: Frame) -> Row {
    let ended = it.at.map(|at| ago(at, frame.now)).unwrap_or_default();
    let who = if it.by.is_empty() { String::new() } else { format!(" by {}", it.by) };
    let row = Row::new()
        .column(Tone::Faint, "done", WORD)
        .with(Tone::Plain, &format!("{} {}{who}: {}", it.what, it.target, it.outcome));
    row.right(Tone::Faint, &ended, frame.width)
}

/// What of it cannot be known.
fn doubts(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = Vec::new();
    for source in [Source::Policy, Source::Deeds] {
        let name = source.name();
        let (tone, words) = match state.freshness(source, frame.now) {
            Freshness::Unseen { why, .. } => (Tone::Bad, format!("NO DATA, {name} cannot be read: {why}")),
            Freshness::Stale { why, .. } => (Tone::Warm, format!("STALE, {name} cannot be read anew: {why}")),
            Freshness::Waited { .. } | Freshness::Fresh { .. } => continue,
        };
        rows.extend(wrapped(tone, &words, 2, frame.width, if frame.whole { 9 } else { 2 }));
    }
    rows
}

/// A maintenance window that is open.
fn window(state: &State, frame: Frame) -> Vec<Row> {
    let windows = state.policy().map(|policy| policy.windows.as_slice()).unwrap_or_default();
    let open = windows.iter().find_map(|window| Some((window, window.ends_at(frame.now)?)));
    let Some((window, until)) = open else { return Vec::new() };
    let left = lasting(frame.now, until);
    let words = format!("in the window {} for another {left}: nothing is changed by itself", window.name);
    wrapped(Tone::Warm, &words, 2, frame.width, 2)
}

fn incident(it: &Incident, frame: Frame) -> Vec<Row> {
    let lasts = it.started.map(|started| format!("for {}", lasting(started, frame.now))).unwrap_or_default();
    let tone = if matches!(it.severity.as_str(), "sev1" | "sev2") { Tone::Bad } else { Tone::Warm };
    if !frame.is_roomy() {
        let who = it.by.as_ref().map_or_else(|| "unanswered".to_owned(), |(by, _)| format!("{by} has it"));
        let row = Row::new().column(tone, &it.severity.to_uppercase(), WORD).with(Tone::Strong, &it.title);
        return vec![row.right(Tone::Plain, &format!("{lasts}, {}", cut(&who, 16)), frame.width)];
    }
    let head = Row::new()
        .column(tone, &it.severity.to_uppercase(), WORD)
        .with(Tone::Strong, &it.title)
        .right(Tone::Faint, &lasts, frame.width);
    let mut rows = vec![head];
    let (tone, mut words) = match &it.by {
        Some((by, since)) => {
            let since = since.map(|since| format!(", {}", ago(since, frame.now))).unwrap_or_default();
            (Tone::Good, format!("in hand: {by}{since}"))
        }
        None => (Tone::Warm, "firing, nobody has it in hand".to_owned()),
    };
    match it.escalated {
        0 => {}
        1 => words.push_str("; escalated once"),
        times => words.push_str(&["; escalated ", &times.to_string(), " times"].concat()),
    }
    if it.flapping {
        words.push_str("; it flaps");
    }
    rows.extend(wrapped(tone, &words, WORD, frame.width, 2));
    if frame.whole && it.by.is_none() {
        // As it is typed: wrapped, it could not be copied.
        let command = Row::new()
            .with(Tone::Faint, &" ".repeat(WORD))
            .with(Tone::Faint, &format!("wk ack {}", quoted(&it.key)));
        rows.push(command.fit(frame.width));
    }
    rows
}

fn scaling(it: &Follower, frame: Frame) -> Vec<Row> {
    let lasts = it.began.map(|began| format!("for {}", lasting(began, frame.now))).unwrap_or_default();
    let desired = it.tasks.map_or_else(|| "–".to_owned(), |(_, desired)| desired.to_string());
    let own = it.own.map_or_else(|| "–".to_owned(), |own| own.to_string());
    let head = Row::new()
        .column(Tone::Warm, "SCALED", WORD)
        .with(Tone::Strong, &it.service)
        .with(Tone::Plain, &format!(" to {desired}, its own are {own}"))
        .right(Tone::Faint, &lasts, frame.width);
    std::iter::once(head).chain(wrapped(Tone::Plain, &it.words, WORD, frame.width, 2)).collect()
}

/// As a shell takes it for one word.
fn quoted(key: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_:/.,@+=%".contains(c);
    if key.chars().all(is_plain) { key.to_owned() } else { format!("'{}'", key.replace('\'', r"'\''")) }
}
