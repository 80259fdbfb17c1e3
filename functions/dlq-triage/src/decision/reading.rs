//! How often the letters of a queue may be received.
//!
//! Every look costs a receive. A dead-letter queue that has a redrive policy of its own moves a letter on when it was
//! received more often than that allows, and the count goes on from the source: looking alone could empty it.

use serde::Serialize;

/// By itself, a queue is read only while more receives than this are left: they are for people.
const FOR_PEOPLE: u32 = 30;

/// By hand, one receive is kept for whoever has to read the queue after that.
const FOR_THE_NEXT: u32 = 1;

/// How a queue may be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// As often as it is good for: looking moves nothing.
    Freely,
    /// One receive of at most ten letters, by hand only: so many receives are left before letters move on.
    Once {
        /// How many, at least.
        left: u32,
    },
    /// Not at all.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// How a queue may be read that moves letters on after `own` receives, if it does, and whose letters come with `carried`
/// receives at most from their sources.
#[must_use]
pub fn reading(own: Option<u32>, carried: Option<u32>, by_hand: bool) -> Reading {
    let Some(own) = own else { return Reading::Freely };
    // It is moved when it is received once more than allowed.
    let left = own.saturating_sub(carried.unwrap_or_default());
    let refused = |what: &str| Reading::Refused {
        why: format!(
            "the queue has a redrive policy of its own with maxReceiveCount {own}, and its letters come with up to {} \
             receives: {what}. Take the redrive policy off the dead-letter queue, or raise its maxReceiveCount",
            carried.unwrap_or_default(),
        ),
    };
    match left {
        0 => refused("reading them would move them on"),
        _ if left > FOR_PEOPLE => Reading::Freely,
        left if by_hand && left > FOR_THE_NEXT => Reading::Once { left },
        left => refused(&format!("{left} receives are left, and are kept for people")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, reading};

    #[test]
    fn looking_never_moves_a_letter_on() {
        let refused =
            |own, carried, by_hand| matches!(reading(own, carried, by_hand), Reading::Refused { .. });
        assert_eq!(reading(None, Some(1000), false), Reading::Freely);
        assert_eq!(reading(Some(1000), Some(5), false), Reading::Freely);
        assert!(refused(Some(3), Some(3), true) && refused(Some(3), Some(5), true));
        assert!(refused(Some(3), Some(2), true), "the one that is left is kept");
        assert_eq!(reading(Some(3), Some(1), true), Reading::Once { left: 2 });
        assert_eq!(reading(Some(3), None, true), Reading::Once { left: 3 });
        assert!(refused(Some(3), None, false) && refused(Some(30), None, false), "by itself it stays away");
        assert_eq!(reading(Some(31), None, false), Reading::Freely);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let Reading::Refused { why } = reading(Some(3), Some(3), true) else { panic!("read") };
        assert!(why.contains("maxReceiveCount 3") && why.contains("would move them on. Take the"), "{why}");
    }
}
