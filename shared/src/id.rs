//! Deterministic ids: the same cause always gets the same id, so a repeated effect is recognised as itself.

use sha2::{Digest, Sha256};

/// Sixteen hexadecimal characters of the SHA-256 of the parts, which are kept apart by a separator that none of
/// them contains.
pub fn of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0x1f]);
    }
    let mut id = hex::encode(hash.finalize());
    id.truncate(16);
    id
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn moving_a_letter_between_parts_changes_the_id() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_eq!(of(&[]).len(), 16);
    }
}
