//! When something that was known and is not seen any more is gone, and when it only was not looked for.

use std::collections::BTreeSet;

use super::change::Found;

/// What a sweep can say of what it did not see.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// Whether all was discovered, and reached before the deadline.
    pub whole: bool,
    /// What each of these is remembered by that could not be checked, or not all of it.
    pub unclear: &'a BTreeSet<String>,
}

/// Whether it is gone: all was discovered, and of what leads to it, over however many steps, nothing could not be looked at.
/// What leads to it and was not seen itself is gone, then, too. Nobody knows what leads to a thing that nothing is known to
/// lead to, so that of such a one anything that could not be checked may have been it.
#[must_use]
pub fn is_gone(found: &Found, looked: Looked<'_>) -> bool {
    let Looked { whole, unclear } = looked;
    let led_to = match (found.by_itself, found.by.is_empty()) {
        (true, true) => true,
        (false, true) => unclear.is_empty(),
        (_, false) => found.by.iter().all(|id| !unclear.contains(id)),
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
        let both = Found { by_itself: true, ..led_to(&["ecs-service:web"]) };
        let cases = [
            (tagged.clone(), true, &[][..], true),
            (tagged.clone(), true, &["ecs-service:web"], true),
            (tagged, false, &[], false),
            // Its tag may have been taken away, and the service may use it still.
            (both.clone(), true, &["ecs-service:web"], false),
            (both, true, &["kms-key:k"], true),
            (led_to(&["ecs-service:web"]), true, &[], true),
            (led_to(&["ecs-service:web"]), true, &["kms-key:k"], true),
            (led_to(&["ecs-service:web", "ecs-service:api"]), true, &["ecs-service:web"], false),
            // The task definition was not seen because the service could not be looked at.
            (led_to(&["task-definition:web", "ecs-service:web"]), true, &["ecs-service:web"], false),
            (led_to(&["ecs-service:web"]), false, &[], false),
            (led_to(&[]), true, &[], true),
            (led_to(&[]), true, &["kms-key:k"], false),
        ];
        for (found, whole, unclear, expected) in cases {
            let unclear: BTreeSet<String> = unclear.iter().map(ToString::to_string).collect();
            let gone = is_gone(&found, Looked { whole, unclear: &unclear });
            assert_eq!(gone, expected, "{found:?}, {whole}, {unclear:?}");
        }
    }
}
