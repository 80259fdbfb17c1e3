//! When a group of letters is not sent back although somebody asks for it.

use shared::policy::dlq::Verdict;

/// Whether somebody who asks can have a group sent back.
#[must_use]
pub fn can_go(no_way: Option<&str>, verdict: Verdict) -> bool {
    refusal(no_way, verdict).is_none()
}

/// Why a group that somebody names is not sent back, if so.
#[must_use]
pub fn refusal(no_way: Option<&str>, verdict: Verdict) -> Option<String> {
    let why = match (no_way, verdict) {
        (Some(why), _) => why,
        (None, Verdict::Oversize) => {
            "they are larger than whoever gets them may be sent. Send them in parts, or by way of S3"
        }
        (
            None,
            Verdict::Transient | Verdict::Poison | Verdict::Permission | Verdict::Stale | Verdict::Unknown,
        ) => {
            return None;
        }
    };
    Some(format!("the letters of that group cannot be sent back: {why}"))
}

#[cfg(test)]
mod tests {
    use shared::policy::dlq::Verdict;

    use super::{can_go, refusal};

    #[test]
    fn what_has_no_way_or_is_too_large_is_not_sent_back_by_anybody() {
        for (no_way, verdict, expected) in [
            (None, Verdict::Transient, None),
            (None, Verdict::Poison, None),
            (None, Verdict::Unknown, None),
            (None, Verdict::Oversize, Some("cannot be sent back: they are larger")),
            (Some("there is no source"), Verdict::Transient, Some("cannot be sent back: there is no source")),
            (Some("there is no source"), Verdict::Oversize, Some("cannot be sent back: there is no source")),
        ] {
            let why = refusal(no_way, verdict);
            assert_eq!(can_go(no_way, verdict), expected.is_none());
            match expected {
                Some(part) => assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{why:?}"),
                None => assert_eq!(why, None),
            }
        }
    }
}
