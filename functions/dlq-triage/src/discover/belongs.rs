//! Which dead-letter queues are an environment's. No calls, no clock.

use shared::tags::{ENVIRONMENT, Tags};

/// Whether a dead-letter queue belongs to this environment. Its own tag decides; without one, the tags of the queues
/// that it serves: it belongs where one of them does. Where no tag says anything, it belongs nowhere, unless it was
/// `chosen`: an operator named it, by its name or by the beginning of it.
pub fn belongs(queue: &Tags, sources: &[&Tags], environment: &str, chosen: bool) -> bool {
    if let Some(own) = tag(queue) {
        return own == environment;
    }
    let mut tagged = sources.iter().filter_map(|tags| tag(tags)).peekable();
    if tagged.peek().is_none() {
        return chosen;
    }
    tagged.any(|tag| tag == environment)
}

fn tag(tags: &Tags) -> Option<&str> {
    tags.get(ENVIRONMENT).map(|value| value.trim())
}

/// Whether a queue is called like one for dead letters: `orders-dlq`, `OrdersDLQ.fifo`, `orders-dead-letters`.
pub fn sounds_dead(name: &str) -> bool {
    ending(name).is_some()
}

/// How the names of those probably begin that send their dead letters to a queue of this name.
pub fn stem(name: &str) -> &str {
    let stem = ending(name).and_then(|at| name.get(..at)).unwrap_or(name).trim_end_matches(['-', '_', '.']);
    if stem.is_empty() { name } else { stem }
}

/// Where the part of a name begins that says what it is.
fn ending(name: &str) -> Option<usize> {
    let name = name.strip_suffix(".fifo").unwrap_or(name).to_ascii_lowercase();
    let endings = ["dlq", "dead-letters", "deadletters"].iter();
    endings.filter_map(|ending| name.strip_suffix(ending)).map(str::len).next()
}

#[cfg(test)]
mod tests;
