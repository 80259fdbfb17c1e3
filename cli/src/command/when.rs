//! Times as people read them: to the second, in one form, and how far away they are.

use jiff::Timestamp;
use serde_json::Value;

use crate::command::shown;

/// A time, to the second; nothing where it is none.
pub(super) fn whole(text: &str) -> Option<String> {
    // A number alone would be read as one by nobody.
    text.parse::<Timestamp>().ok().map(|time| format!("{time:.0}"))
}

/// The time that a field says, to the second; a dash where there is none.
pub(super) fn at(value: &Value, pointer: &str) -> String {
    let text = shown(value, pointer);
    whole(&text).unwrap_or(text)
}

/// The same, and how far away it is.
pub(super) fn aged(value: &Value, pointer: &str, now: Timestamp) -> String {
    let text = shown(value, pointer);
    match text.parse::<Timestamp>() {
        Ok(time) => format!("{time:.0} ({})", away(time, now)),
        Err(_) => text,
    }
}

/// How far away a time is.
fn away(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.duration_since(now).as_secs();
    match (seconds, lasting(seconds)) {
        (-59..=59, _) => "now".to_owned(),
        (60.., far) => format!("in {far}"),
        (_, far) => format!("{far} ago"),
    }
}

/// A time span, in words.
pub(super) fn lasting(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let (count, word) = match seconds {
        0..60 => (seconds, "second"),
        60..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{aged, at, lasting, whole};

    #[test]
    fn a_time_is_told_to_the_second_and_how_far_away_it_is() {
        let now = "2026-11-26T03:00:00Z".parse().unwrap();
        for (time, expected) in [
            ("2026-11-26T03:00:00.123456789Z", "2026-11-26T03:00:00Z (now)"),
            ("2026-11-26T03:01:00Z", "2026-11-26T03:01:00Z (in 1 minute)"),
            ("2026-11-26T02:00:00.9Z", "2026-11-26T02:00:00Z (59 minutes ago)"),
            ("2026-11-26T01:00:00Z", "2026-11-26T01:00:00Z (2 hours ago)"),
            ("2026-11-29T03:30:00Z", "2026-11-29T03:30:00Z (in 3 days)"),
        ] {
            assert_eq!(aged(&json!({"at": time}), "/at", now), expected);
        }
        let other = json!({"none": null, "at": "2026-11-26T03:00:00.5Z", "word": "soon"});
        assert_eq!((aged(&other, "/none", now), at(&other, "/none")), ("–".to_owned(), "–".to_owned()));
        assert_eq!(
            (at(&other, "/at"), at(&other, "/word")),
            ("2026-11-26T03:00:00Z".to_owned(), "soon".to_owned())
        );
        assert_eq!(
            (whole("no_way"), lasting(300), lasting(1)),
            (None, "5 minutes".to_owned(), "1 second".to_owned())
        );
    }
}
