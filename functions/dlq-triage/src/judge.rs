//! What a letter is: its origin, its group, and why it died.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jiff::Timestamp;
use shared::policy::dlq::Verdict;

use crate::classify::{Rules, by_signature, is_oversize};
use crate::flavour::Origin;
use crate::letter::Letter;
use crate::signature::Signature;

/// More signatures are not kept in memory; a queue with more has none in common.
const MOST_KINDS: usize = 20_000;

/// Judges the letters of one queue.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    known: RefCell<HashMap<Signature, Rc<Kind>>>,
    now: Timestamp,
}

/// What all letters of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The group's id.
    pub id: String,
    /// What it follows from.
    pub signature: Signature,
    /// Why they died, where no rule says otherwise.
    pub verdict: Verdict,
}

/// What a letter is.
#[derive(Debug)]
pub struct Judged<'a> {
    /// How it came to be dead.
    pub origin: Origin<'a>,
    /// Its group.
    pub kind: Rc<Kind>,
    /// Why it died.
    pub verdict: Verdict,
    /// The policy's rule that says so.
    pub rule: Option<String>,
}

impl Judge {
    /// By these rules.
    pub fn new(rules: Rules, now: Timestamp) -> Self {
        Self { rules, known: RefCell::default(), now }
    }

    /// What a letter is.
    pub fn judge<'a>(&self, letter: &'a Letter) -> Judged<'a> {
        let origin = Origin::of(letter);
        let kind = self.kind(Signature::of(&origin));
        let by_rule = if self.rules.is_empty() { None } else { self.rules.judge(letter, &origin, self.now) };
        let (verdict, rule) = match by_rule {
            Some((verdict, rule)) => (verdict, Some(rule.to_owned())),
            None if is_oversize(letter.size()) => (Verdict::Oversize, None),
            None => (kind.verdict, None),
        };
        Judged { origin, kind, verdict, rule }
    }

    fn kind(&self, signature: Signature) -> Rc<Kind> {
        if let Some(kind) = self.known.borrow().get(&signature) {
            return Rc::clone(kind);
        }
        let kind = Rc::new(Kind {
            id: signature.id(),
            verdict: by_signature(&signature),
            signature: signature.clone(),
        });
        let mut known = self.known.borrow_mut();
        if known.len() < MOST_KINDS {
            known.insert(signature, Rc::clone(&kind));
        }
        kind
    }
}
