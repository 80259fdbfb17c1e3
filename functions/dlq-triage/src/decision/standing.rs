//! What the last look at a queue still says of it.

use jiff::Timestamp;

/// When the oldest letter was sent that was seen at the last look; nothing where the queue is empty now, because it is not
/// there any more.
#[must_use]
pub const fn oldest(seen: Option<Timestamp>, is_empty: bool) -> Option<Timestamp> {
    if is_empty { None } else { seen }
}

/// How many letters a group still has, of those that were seen at the last look.
#[must_use]
pub const fn there(seen: u64, is_empty: bool) -> u64 {
    if is_empty { 0 } else { seen }
}

#[cfg(test)]
mod tests {
    use super::{oldest, there};

    #[test]
    fn what_was_seen_is_not_there_any_more_where_the_queue_is_empty() {
        let at: Option<jiff::Timestamp> = "2026-11-26T08:00:00Z".parse().ok();
        for (seen, count, is_empty, expected) in [
            (at, 3, false, (at, 3)),
            (at, 3, true, (None, 0)),
            (None, 0, false, (None, 0)),
            (None, 0, true, (None, 0)),
        ] {
            assert_eq!((oldest(seen, is_empty), there(count, is_empty)), expected);
        }
    }
}
