//! Asks AWS for many things, and keeps what it answered when one answer fails, when there is too much of it, or when
//! the time is over.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use shared::{Error, Result};
use tokio::time::{Instant, timeout_at};

/// So many names stand in a sentence; the others are counted.
const NAMES: usize = 5;

/// One kind of thing, and how it is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// What they are called in a sentence.
    pub(super) name: &'static str,
    /// So many are looked at.
    pub(super) at_most: usize,
    /// So many calls are on their way at once.
    pub(super) at_once: usize,
    /// Where so many answers are all denials, the others are not asked for: the permission is missing, and asking on
    /// would use up what the account may ask. None where each may have a policy of its own.
    pub(super) patience: Option<usize>,
}

/// What was found of a kind, and a sentence for each reason why it is not all.
#[derive(Debug)]
pub(super) struct Seen<T> {
    pub(super) found: Vec<T>,
    pub(super) blind: Vec<String>,
}

/// A page, and the token of the next one.
pub(super) type Page<T> = (Vec<T>, Option<String>);

/// What was listed of a kind.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub(super) found: Vec<T>,
    /// Why it is not all.
    pub(super) short: Option<Short>,
}

/// Why a list is not whole.
#[derive(Debug)]
pub(super) enum Short {
    /// There are more than are looked at.
    Limit,
    /// The time is over.
    Time,
    /// A page failed.
    Failed(Error),
}

impl Short {
    /// The sentence for it.
    pub(super) fn told(&self, kind: &Kind) -> String {
        let Kind { name, at_most, .. } = kind;
        match self {
            Self::Limit => format!("only {at_most} {name} were looked at; there are more"),
            Self::Time => format!("the time was over before all {name} were listed"),
            Self::Failed(error) => format!("the list of {name} is not whole: {}", error.chain()),
        }
    }
}

impl<T> Listed<T> {
    /// The same, with a sentence for why it is not all.
    pub(super) fn told(self, kind: &Kind) -> Seen<T> {
        let blind = self.short.iter().map(|short| short.told(kind)).collect();
        Seen { found: self.found, blind }
    }
}

/// Lists a kind, page by page.
pub(super) async fn pages<T>(
    kind: &Kind,
    until: Instant,
    ask: impl AsyncFn(Option<String>) -> Result<Page<T>>,
) -> Listed<T> {
    let mut found = Vec::new();
    let mut token = None;
    let short = loop {
        if until <= Instant::now() {
            break Some(Short::Time);
        }
        match timeout_at(until, ask(token.take())).await {
            Err(_) => break Some(Short::Time),
            Ok(Err(error)) => break Some(Short::Failed(error)),
            Ok(Ok((some, next))) => {
                found.extend(some);
                token = more(next);
            }
        }
        if kind.at_most < found.len() || (kind.at_most == found.len() && token.is_some()) {
            found.truncate(kind.at_most);
            break Some(Short::Limit);
        }
        if token.is_none() {
            break None;
        }
    };
    Listed { found, short }
}

/// Lists what one thing has, where it is few and belongs together: all of it, or the failure.
pub(super) async fn every<T>(ask: impl AsyncFn(Option<String>) -> Result<Page<T>>) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let (some, next) = ask(token.take()).await?;
        found.extend(some);
        token = more(next);
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// An empty token is none.
fn more(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

/// Asks for each of these. One that is not there any more answers with nothing, and nothing is said of it.
pub(super) async fn each<I, T>(
    kind: &Kind,
    until: Instant,
    items: &[I],
    name: impl Fn(&I) -> &str,
    ask: impl AsyncFn(&I) -> Result<Option<T>>,
) -> Seen<T> {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    let (mut answered, mut denied) = (0, 0);
    let mut blind = Vec::new();
    let mut answers =
        stream::iter(items).map(async |item| (item, ask(item).await)).buffer_unordered(kind.at_once);
    while answered < items.len() {
        let left = items.len() - answered;
        if kind.patience.is_some_and(|patience| patience <= denied && denied == answered) {
            blind.push(format!("{left} more {} were not asked for, as all before were denied", kind.name));
            break;
        }
        let answer =
            if until <= Instant::now() { None } else { timeout_at(until, answers.next()).await.ok() };
        match answer {
            None => {
                let all = items.len();
                blind.push(format!("the time was over before {left} of {all} {} were looked at", kind.name));
                break;
            }
            Some(None) => break,
            Some(Some((_, Ok(answer)))) => found.extend(answer),
            Some(Some((item, Err(error)))) => {
                denied += usize::from(matches!(error, Error::Denied { .. }));
                failed.push((name(item).to_owned(), error));
            }
        }
        answered += 1;
    }
    blind.splice(0..0, told(kind, failed));
    Seen { found, blind }
}

/// A sentence for each way in which things failed: the first few by name, and why the first did.
fn told(kind: &Kind, mut failed: Vec<(String, Error)>) -> Vec<String> {
    failed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut ways = BTreeMap::<Option<String>, Vec<(String, Error)>>::new();
    for (name, error) in failed {
        ways.entry(error.code().map(ToOwned::to_owned)).or_default().push((name, error));
    }
    let sentence = |failed: &Vec<(String, Error)>| {
        let names: Vec<&str> = failed.iter().take(NAMES).map(|(name, _)| name.as_str()).collect();
        let others = match failed.len().saturating_sub(NAMES) {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let why = failed.first().map(|(_, error)| error.chain()).unwrap_or_default();
        format!("{} not looked at: {}{others}: {why}", kind.name, names.join(", "))
    };
    ways.values().map(sentence).collect()
}

#[cfg(test)]
mod tests;
