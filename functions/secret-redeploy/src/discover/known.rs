//! What this process knows of task definitions, the newest knowledge only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::reference::Reference;

/// So many task definitions are kept: five times those of a large account, some ten megabytes.
const KEPT: usize = 10_000;

/// References by the ARN of their task definition.
#[derive(Debug, Default)]
pub(super) struct Known {
    references: HashMap<Arc<str>, Arc<[Reference]>>,
    order: VecDeque<Arc<str>>,
}

impl Known {
    pub(super) fn get(&self, arn: &str) -> Option<Arc<[Reference]>> {
        self.references.get(arn).map(Arc::clone)
    }

    pub(super) fn insert(&mut self, arn: &str, references: &Arc<[Reference]>) {
        let arn: Arc<str> = arn.into();
        if self.references.insert(Arc::clone(&arn), Arc::clone(references)).is_none() {
            self.order.push_back(arn);
        }
        if KEPT < self.order.len()
            && let Some(oldest) = self.order.pop_front()
        {
            self.references.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Known};

    #[test]
    fn the_oldest_knowledge_goes_when_there_is_too_much() {
        let mut known = Known::default();
        for number in 0..KEPT + 10 {
            known.insert(&number.to_string(), &[].into());
            known.insert(&number.to_string(), &[].into());
        }
        assert_eq!((known.references.len(), known.order.len()), (KEPT, KEPT));
        assert!(known.get("9").is_none());
        assert!(known.get("10").is_some());
    }
}
