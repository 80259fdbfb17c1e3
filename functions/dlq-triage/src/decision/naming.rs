//! Which group somebody means, who has only the beginning of its id before them.

/// Fewer characters of an id name nothing: they fit too easily.
pub const SHORTEST: usize = 6;

/// More groups are not listed to whoever named another.
const LISTED: usize = 20;

/// Whether this is the group's id, or long enough a beginning of it.
#[must_use]
pub fn fits(asked: &str, id: &str) -> bool {
    asked == id || SHORTEST <= asked.len() && id.starts_with(asked)
}

/// The id of the one group that is meant. `groups` are those that there are, each with what people know it by.
///
/// # Errors
/// Why none is, or more than one, in words, with the groups that there are.
pub fn named(asked: &str, groups: &[(&str, String)], place: &str) -> Result<String, String> {
    if let Some((id, _)) = groups.iter().find(|(id, _)| *id == asked) {
        return Ok((*id).to_owned());
    }
    let fitting: Vec<&(&str, String)> = groups.iter().filter(|(id, _)| fits(asked, id)).collect();
    match (fitting.as_slice(), groups.is_empty()) {
        ([(id, _)], _) => Ok((*id).to_owned()),
        (_, true) => {
            Err(format!("there is no group {asked} in {place}, nor any other: no letters were found"))
        }
        ([], false) if asked.len() < SHORTEST => Err(format!(
            "{asked} names no group: write at least {SHORTEST} characters of its id. In {place} there are {}",
            list(groups.iter())
        )),
        ([], false) => {
            Err(format!("there is no group {asked} in {place}; there are {}", list(groups.iter())))
        }
        (several, false) => Err(format!(
            "{asked} is the beginning of {} groups in {place}; write more of the id: {}",
            several.len(),
            list(several.iter().copied())
        )),
    }
}

fn list<'g>(groups: impl ExactSizeIterator<Item = &'g (&'g str, String)>) -> String {
    let more = groups.len().saturating_sub(LISTED);
    let listed = groups.take(LISTED).map(|(id, said)| format!("{id} ({said})"));
    let mut listed: Vec<String> = listed.collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_group_is_named_by_enough_of_its_id() {
        let some =
            [("abcdef01", "12: a".to_owned()), ("abcdef02", "1: b".to_owned()), ("123", "c".to_owned())];
        for (asked, groups, expected) in [
            ("abcdef01", &some[..], Ok("abcdef01")),
            ("abcdef02", &some, Ok("abcdef02")),
            ("123", &some, Ok("123")),
            (
                "abcdef",
                &some,
                Err("the beginning of 2 groups in q; write more of the id: abcdef01 (12: a), abcdef02"),
            ),
            ("abcdef", &some[..1], Ok("abcdef01")),
            ("abcde", &some, Err("write at least 6 characters of its id. In q there are abcdef01 (12: a),")),
            ("", &some, Err("write at least 6 characters")),
            ("abcdef03", &some, Err("there is no group abcdef03 in q; there are abcdef01 (12: a)")),
            ("abcdef011", &some, Err("there is no group abcdef011 in q")),
            ("abcdef01", &[], Err("there is no group abcdef01 in q, nor any other")),
        ] {
            match (named(asked, groups, "q"), expected) {
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, expected) => {
                    assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned), "{asked}");
                }
            }
        }
    }

    #[test]
    fn of_many_groups_some_are_listed() {
        let ids: Vec<String> = (0..25).map(|number| format!("group-{number:02}")).collect();
        let groups: Vec<(&str, String)> = ids.iter().map(|id| (id.as_str(), "x".to_owned())).collect();
        let why = named("another", &groups, "q").unwrap_err();
        assert!(why.contains("group-19 (x), and 5 more") && !why.contains("group-20"), "{why}");
    }
}
