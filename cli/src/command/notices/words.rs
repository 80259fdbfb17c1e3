//! How what is told, and what is silenced, is put into words.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use shared::policy::notify::Matchers;

use crate::command::{shown, text};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// What a silence matches, as people write it.
pub(super) fn matched(silence: &Value) -> String {
    let matches = silence.get("match").cloned().unwrap_or_default();
    let read: Result<Matchers, _> = serde_json::from_value(matches);
    read.map_or_else(|_| shown(silence, "/match"), |matches| matches.to_string())
}

/// How long a silence still lasts, or when it begins.
pub(super) fn lasts(silence: &Value, now: Timestamp) -> String {
    let read = |field: &str| text(silence, field).parse::<Timestamp>().ok();
    match (read("/from"), read("/until")) {
        (_, Some(until)) if until <= now => "over".to_owned(),
        (Some(from), _) if now < from => format!("begins in {}", span(from.duration_since(now))),
        (_, Some(until)) => span(until.duration_since(now)),
        (_, None) => "–".to_owned(),
    }
}

/// A duration, to its second unit: nobody plans by the seconds of three days.
pub(super) fn span(duration: SignedDuration) -> String {
    // Begun seconds count: of two hours that begin now, nobody wants to read that they are not quite two.
    let seconds = i64::try_from((duration.as_millis() + 999) / 1_000).unwrap_or(i64::MAX).max(0);
    let (days, hours, minutes) = (seconds / DAY, seconds % DAY / HOUR, seconds % HOUR / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, 0) => format!("{hours}h"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, 0, _) => format!("{days}d"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// As a shell takes it for one word.
pub(in crate::command) fn quoted(key: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_:/.,@+=%".contains(c);
    if !key.is_empty() && key.chars().all(is_plain) {
        key.to_owned()
    } else {
        format!("'{}'", key.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::{lasts, matched, quoted, span};
    use crate::command::when::at;

    #[test]
    fn a_duration_is_told_in_its_two_largest_units() {
        for (seconds, expected) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (7_500, "2h 5m"),
            (86_400, "1d"),
            (86_400 + 3_599, "1d"),
            (3 * 86_400 + 4 * 3_600 + 61, "3d 4h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn a_silence_says_how_long_it_still_lasts() {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        for (silence, expected) in [
            (json!({"until": "2026-11-27T14:00:00Z"}), "2h"),
            (json!({"until": "2026-11-27T13:59:59.1Z"}), "2h"),
            (json!({"until": "2026-11-27T12:00:00Z"}), "over"),
            (json!({"until": "2026-11-30T00:00:00Z", "from": "2026-11-27T13:00:00Z"}), "begins in 1h"),
            (json!({"until": "2026-11-28T12:00:00Z", "from": "2026-11-27T11:00:00Z"}), "1d"),
            (json!({"until": "soon"}), "–"),
        ] {
            assert_eq!(lasts(&silence, now), expected, "{silence}");
        }
    }

    #[test]
    fn what_is_matched_and_when_is_told_as_people_write_it() {
        let silence = json!({"match": {"source": ["rds", "cloudwatch"], "service": "web"}, "until": "2026-11-27T14:00:00.123Z"});
        assert_eq!(matched(&silence), "service=web, source=rds|cloudwatch");
        assert_eq!(matched(&json!({"match": 5})), "5");
        assert_eq!(
            (at(&silence, "/until"), at(&silence, "/from")),
            ("2026-11-27T14:00:00Z".to_owned(), "–".to_owned())
        );
    }

    #[test]
    fn a_key_is_one_word_for_a_shell() {
        for (key, expected) in [
            (
                "alarm:arn:aws:cloudwatch:eu-central-1:1:alarm:ecs/web",
                "alarm:arn:aws:cloudwatch:eu-central-1:1:alarm:ecs/web",
            ),
            ("alarm:web: 5xx", "'alarm:web: 5xx'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(key), expected);
        }
    }
}
