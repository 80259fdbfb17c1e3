//! Times as people write them: so long from now, so long back, or with all that a time needs.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A time to come, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this time.
    At(Timestamp),
    /// So long from now.
    In(SignedDuration),
}

impl When {
    /// Reads `2026-12-01T00:00:00Z`, `30m`, `2h` or `3d`.
    ///
    /// # Errors
    /// What may be written, where it is neither a time nor a duration.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        match lasting(text) {
            Some(span) if span.is_positive() => Ok(Self::In(span)),
            Some(_) => Err("it lies not ahead: write how long from now, such as 30m, 2h or 3d".to_owned()),
            None => {
                Err("write how long from now, such as 30m, 2h or 3d, or a time with its offset, such as \
                         2026-12-01T00:00:00Z"
                    .to_owned())
            }
        }
    }

    /// The time that is meant, where it is that time now; to the second.
    ///
    /// # Errors
    /// Where no calendar goes as far.
    pub(crate) fn from(self, now: Timestamp) -> Result<Timestamp, String> {
        match self {
            Self::At(time) => Ok(time),
            Self::In(span) => Timestamp::from_second(now.as_second())
                .and_then(|now| now.checked_add(span))
                .map_err(|_| format!("{span:#} from now is further than any calendar goes")),
        }
    }
}

/// A time back from now, of which so many days are remembered.
///
/// # Errors
/// What is wrong with it, and what to write.
pub(super) fn back(text: &str, days: i64) -> Result<SignedDuration, String> {
    match lasting(text) {
        Some(span) if span.is_positive() && span <= SignedDuration::from_hours(24 * days) => Ok(span),
        Some(_) => Err(format!("{days} days are remembered: write up to {days}d")),
        None => Err("write how long back from now, such as 90m, 12h or 7d".to_owned()),
    }
}

/// A duration; a day is 24 hours and a week is 7 days.
fn lasting(text: &str) -> Option<SignedDuration> {
    text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{When, back};

    #[test]
    fn a_time_to_come_is_read_as_people_write_it() {
        let now: Timestamp = "2026-11-27T12:00:00.5Z".parse().unwrap();
        for (text, expected) in [
            ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-01T01:00:00+01:00", "2026-12-01T00:00:00Z"),
            // Whether it is over is for the function to say.
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("30m", "2026-11-27T12:30:00Z"),
            ("2h", "2026-11-27T14:00:00Z"),
            ("3d", "2026-11-30T12:00:00Z"),
            ("1w", "2026-12-04T12:00:00Z"),
            ("1d 12h", "2026-11-29T00:00:00Z"),
            ("90 minutes", "2026-11-27T13:30:00Z"),
        ] {
            let read = When::read(text).and_then(|when| when.from(now));
            assert_eq!(read, Ok(expected.parse().unwrap()), "{text}");
        }
        for (text, said) in [
            ("tomorrow", "write how long from now"),
            ("2026-12-01", "a time with its offset"),
            ("2026-12-01T00:00:00", "a time with its offset"),
            ("2", "write how long from now"),
            ("", "write how long from now"),
            ("1 month", "write how long from now"),
            ("0m", "it lies not ahead"),
            ("-2h", "it lies not ahead"),
            ("2h ago", "it lies not ahead"),
            ("9999999999999999999d", "write how long from now"),
            ("7000000d", "further than any calendar goes"),
        ] {
            let read = When::read(text).and_then(|when| when.from(now));
            assert!(read.as_ref().is_err_and(|error| error.contains(said)), "{text}: {read:?}");
        }
    }

    #[test]
    fn a_time_back_is_asked_for_as_far_as_it_is_remembered() {
        for (text, days, hours) in [
            ("12h", 30, 12),
            ("7d", 30, 168),
            ("30d", 30, 720),
            ("180d", 180, 4_320),
            ("120m", 180, 2),
            ("1h 60m", 180, 2),
        ] {
            assert_eq!(back(text, days), Ok(SignedDuration::from_hours(hours)), "{text}");
        }
        for (text, days, said) in [
            ("31d", 30, "up to 30d"),
            ("181d", 180, "up to 180d"),
            ("-1h", 30, "up to 30d"),
            ("0h", 30, "up to 30d"),
            ("0d", 180, "up to 180d"),
            ("yesterday", 30, "such as 90m, 12h or 7d"),
            ("7", 30, "such as 90m, 12h or 7d"),
            ("9999999999999999999d", 180, "such as 90m, 12h or 7d"),
        ] {
            assert!(back(text, days).is_err_and(|error| error.contains(said)), "{text}");
        }
    }
}
