//! When something that was known and is not seen any more is gone, and when it only was not looked for.

use std::collections::BTreeSet;

use super::change::Found;

/// What a sweep can say of what it did not see.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// Whether all was discovered, and reached before the deadline.
    pub whole: bool,
    /// The ids of what could not be checked.
    pub unknown: &'a BTreeSet<&'a str>,
}

/// Whether it is gone: where it would have been found, all was looked at. Nobody knows what leads to a thing that nothing
/// is known to lead to, so that of such a one anything that could not be checked may have been it.
#[must_use]
pub fn is_gone(found: &Found, looked: Looked<'_>) -> bool {
    let Looked { whole, unknown } = looked;
    let led_to = match (found.by_itself, found.by.is_empty()) {
        (true, _) => true,
        (false, true) => unknown.is_empty(),
        (false, false) => found.by.iter().all(|id| !unknown.contains(id.as_str())),
    };
    whole && led_to
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Looked, is_gone};
    use crate::decision::change::Found;

    #[test]
    fn what_was_not_seen_is_gone_only_where_it_would_have_been_found() {
        let tagged = Found { by_itself: true, ..Found::default() };
        let led_to =
            |by: &[&str]| Found { by_itself: false, by: by.iter().map(ToString::to_string).collect() };
        let cases = [
            (tagged.clone(), true, &[][..], true),
            (tagged.clone(), true, &["ecs-service:web"], true),
            (tagged, false, &[], false),
            (led_to(&["ecs-service:web"]), true, &[], true),
            (led_to(&["ecs-service:web"]), true, &["kms-key:k"], true),
            (led_to(&["ecs-service:web", "ecs-service:api"]), true, &["ecs-service:web"], false),
            (led_to(&["ecs-service:web"]), false, &[], false),
            (led_to(&[]), true, &[], true),
            (led_to(&[]), true, &["kms-key:k"], false),
        ];
        for (found, whole, unknown, expected) in cases {
            let unknown: BTreeSet<&str> = unknown.iter().copied().collect();
            let gone = is_gone(&found, Looked { whole, unknown: &unknown });
            assert_eq!(gone, expected, "{found:?}, {whole}, {unknown:?}");
        }
    }
}
