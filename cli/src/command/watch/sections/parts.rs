//! One entry of a list each.

use health_check::result::Checked;

use super::{Frame, WORD, saw, state_of};
use crate::command::watch::row::{Row, lasting, many, wrapped};
use crate::command::watch::source::{DeadLetters, Follower};
use crate::say::Tone;
use unicode_width::UnicodeWidthStr;

/// The column of the names: as wide as the widest, and no more than half of a line.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>, frame: Frame) -> usize {
    let widest = names.map(UnicodeWidthStr::width).max().unwrap_or_default();
    widest.min(frame.width / 2).max(4)
}

/// `FAILED   prod/web  0/2  being deployed for 3 minutes; 0 of 2 tasks run`
pub(super) fn service(it: &Checked, name: usize, frame: Frame) -> Row {
    let (tone, word) = state_of(it.health);
    let deployed = saw(it, "Deployed for");
    let mut words = Vec::new();
    if !deployed.is_empty() {
        words.push(format!("being deployed for {deployed}"));
    }
    // What is deployed says so itself; of what is well, the numbers say enough.
    let is_said = !deployed.is_empty() && it.reason.starts_with("a deployment is in progress");
    if !(is_said || matches!(word, "ok")) {
        words.push(it.reason.clone());
    }
    Row::new()
        .column(tone, word, WORD)
        .column(Tone::Strong, &it.name, name)
        .column(Tone::Plain, &format!("  {}", tasks(saw(it, "Tasks"))), 9)
        .with(Tone::Plain, &words.join("; "))
        .fit(frame.width)
}

/// `2/3` of "2 running, 0 pending, 3 desired".
fn tasks(seen: &str) -> String {
    let of = |what: &str| {
        let mut parts = seen.split(", ");
        parts.find_map(|part| part.strip_suffix(what)?.trim().parse::<u32>().ok())
    };
    match (of(" running"), of(" desired")) {
        (Some(running), Some(desired)) => format!("{running}/{desired}"),
        _ => "–".to_owned(),
    }
}

pub(super) fn alarm(it: &Checked, frame: Frame) -> Vec<Row> {
    let state = saw(it, "State");
    let (tone, _) = state_of(it.health);
    let since = it.since.or_else(|| saw(it, "Since").parse().ok());
    let since = since.map(|since| format!("for {}", lasting(since, frame.now))).unwrap_or_default();
    let word = match state {
        "ALARM" => "ALARM",
        "OK" => "ok",
        "INSUFFICIENT_DATA" => "no data",
        _ => "UNKNOWN",
    };
    let head = Row::new().column(tone, word, WORD).with(Tone::Strong, &it.name).right(
        Tone::Faint,
        &since,
        frame.width,
    );
    let mut rows = vec![head];
    if word != "ok" {
        rows.extend(wrapped(Tone::Plain, &it.reason, WORD, frame.width, if frame.whole { 9 } else { 1 }));
    }
    rows
}

/// `  orders-dlq  12 letters, 3 in hand            lost in 3 h 20 min`
pub(super) fn dead_letters(it: &DeadLetters, name: usize, frame: Frame) -> Vec<Row> {
    let lost = match it.lost_at {
        Some(at) if at <= frame.now => "being lost NOW".to_owned(),
        Some(at) => format!("lost in {}", lasting(frame.now, at)),
        None if it.waiting + it.in_hand > 0 => "loss not known".to_owned(),
        None => String::new(),
    };
    let soon = it.lost_at.is_some_and(|at| at.duration_since(frame.now).as_hours() < 12);
    let mut words = vec![if it.waiting == 0 { "no letters".to_owned() } else { many(it.waiting, "letter") }];
    words.extend((it.in_hand > 0).then(|| format!("{} in hand", it.in_hand)));
    let oldest = it.oldest.filter(|_| it.waiting > 0 && frame.whole);
    words.extend(oldest.map(|oldest| format!("the oldest {} old", lasting(oldest, frame.now))));
    let words = words.join(", ");
    let tone = if it.waiting + it.in_hand == 0 { Tone::Faint } else { Tone::Warm };
    let head = Row::new()
        .with(Tone::Plain, "  ")
        .column(Tone::Strong, &it.queue, name)
        .with(tone, &format!("  {words}"))
        .right(if soon { Tone::Bad } else { Tone::Plain }, &lost, frame.width);
    let redrives = it.redrives.iter().flat_map(|words| wrapped(Tone::Plain, words, 4, frame.width, 2));
    std::iter::once(head).chain(redrives).collect()
}

pub(super) fn queue(it: &Checked, name: usize, frame: Frame) -> Row {
    let (tone, word) = state_of(it.health);
    let seen = [("Waiting", "wait"), ("In flight", "in flight"), ("Oldest message", "the oldest")];
    let seen: Vec<String> = seen
        .into_iter()
        .map(|(fact, what)| (saw(it, fact), what))
        .filter(|(value, _)| !value.is_empty())
        .map(
            |(value, what)| {
                if what == "the oldest" { format!("{what} for {value}") } else { format!("{value} {what}") }
            },
        )
        .collect();
    let words = if word == "ok" { seen.join(", ") } else { it.reason.clone() };
    Row::new()
        .column(tone, word, WORD)
        .column(Tone::Strong, &it.name, name)
        .with(Tone::Plain, &format!("  {words}"))
        .fit(frame.width)
}

pub(super) fn follower(it: &Follower, name: usize, frame: Frame) -> Vec<Row> {
    let tasks = it.tasks.map_or_else(|| "–".to_owned(), |(running, desired)| format!("{running}/{desired}"));
    let waiting = it.waiting.map(|waiting| format!("{waiting} wait")).unwrap_or_default();
    let head = Row::new()
        .with(Tone::Plain, "  ")
        .column(Tone::Strong, &it.service, name)
        .column(Tone::Plain, &format!("  {tasks}"), 9)
        .with(Tone::Plain, &waiting)
        .fit(frame.width);
    let (tone, words) = if it.is_error {
        (Tone::Bad, format!("ERROR: {}", it.words))
    } else {
        (Tone::Faint, it.words.clone())
    };
    std::iter::once(head)
        .chain(wrapped(tone, &words, 4, frame.width, if frame.whole { 9 } else { 1 }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::tasks;

    #[test]
    fn the_tasks_of_a_service_are_read_off_what_the_check_saw() {
        for (seen, expected) in [
            ("2 running, 0 pending, 3 desired", "2/3"),
            ("0 running, 1 pending, 1 desired", "0/1"),
            ("", "–"),
            ("some running", "–"),
        ] {
            assert_eq!(tasks(seen), expected);
        }
    }
}
