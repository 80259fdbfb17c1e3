//! What becomes of a letter of the archive that is asked for again.

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// It is sent.
    Send,
    /// It was sent before: what is sent twice is at work twice.
    Before,
    /// It is of another group than the one that is asked for.
    Other,
}

/// What becomes of a letter: of the group that is asked for, or not; that was sent before, or not; where what was sent
/// before is wanted `again`, or not.
#[must_use]
pub const fn lot(is_meant: bool, was_sent: bool, again: bool) -> Lot {
    match (is_meant, was_sent, again) {
        (false, _, _) => Lot::Other,
        (true, true, false) => Lot::Before,
        (true, false, _) | (true, true, true) => Lot::Send,
    }
}

#[cfg(test)]
mod tests {
    use super::{Lot, lot};

    #[test]
    fn each_letter_that_is_asked_for_is_sent_once_unless_it_is_wanted_again() {
        for (is_meant, was_sent, again, expected) in [
            (true, false, false, Lot::Send),
            (true, false, true, Lot::Send),
            (true, true, false, Lot::Before),
            (true, true, true, Lot::Send),
            (false, false, false, Lot::Other),
            (false, true, true, Lot::Other),
        ] {
            assert_eq!(lot(is_meant, was_sent, again), expected, "{is_meant} {was_sent} {again}");
        }
    }
}
