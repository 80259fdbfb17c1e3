//! Where the pages of a list begin.

use std::collections::BTreeSet;

use shared::{Error, Result};

/// The places that a list was read from. One that comes twice would have it be read for ever.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    read: BTreeSet<String>,
}

impl Pages {
    /// Where the next page begins, of what the last one answered; nothing where it was the last.
    ///
    /// # Errors
    /// [`Error::Malformed`] where that page was read already.
    pub(crate) fn next(&mut self, token: Option<String>) -> Result<Option<String>> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        if self.read.insert(token.clone()) {
            return Ok(Some(token));
        }
        Err(Error::Malformed("the API leads back to a page that was read".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Pages;

    #[test]
    fn a_list_ends_and_never_begins_again() {
        let mut pages = Pages::default();
        let mut next = |token: &str| pages.next(Some(token.to_owned())).map_err(|error| error.to_string());
        assert_eq!(next("a"), Ok(Some("a".to_owned())));
        assert_eq!(next("b"), Ok(Some("b".to_owned())));
        assert_eq!(next(""), Ok(None));
        assert!(next("a").is_err_and(|said| said.contains("a page that was read")));
        assert_eq!(pages.next(None).ok(), Some(None));
    }
}
