//! Sets `freeze` in the text of a policy, and leaves every other character as it is.
//!
//! The line is found as a line, not by a parser of YAML, which would lose comments. What comes of it is read with the
//! policy's own parser, and must differ from what was there in nothing but the freeze; else nothing is written.

use jiff::Timestamp;
use serde_json::Value;
use shared::policy::{Freeze, Policy};

/// What is to stand there.
pub(super) fn value(freeze: &Freeze) -> String {
    let Freeze::On(frozen) = freeze else { return "false".to_owned() };
    let until = frozen.until.map(|until: Timestamp| format!("until: {until}"));
    // JSON's strings are YAML's, too.
    let reason = frozen.reason.as_ref().map(|reason| format!("reason: {}", Value::String(reason.clone())));
    let fields: Vec<_> = until.into_iter().chain(reason).collect();
    if fields.is_empty() { "true".to_owned() } else { format!("{{{}}}", fields.join(", ")) }
}

/// The policy's text with this freeze.
///
/// # Errors
/// Where the text cannot be read as it is, or is written so that the line cannot be set safely.
pub(super) fn set(parameter: &str, text: &str, freeze: &Freeze) -> Result<String, String> {
    let before = Policy::parse(parameter, text).map_err(|error| error.chain())?;
    let edited = line(text, &value(freeze));
    let wanted = Policy { freeze: freeze.clone(), ..before };
    match Policy::parse(parameter, &edited) {
        Ok(read) if read == wanted => Ok(edited),
        Ok(_) | Err(_) => Err(format!(
            "{parameter} is written so that its freeze cannot be set without touching the rest: set it by hand, freeze: {}",
            value(freeze)
        )),
    }
}

fn line(text: &str, value: &str) -> String {
    if text.trim().is_empty() || text.trim() == "{}" {
        return format!("freeze: {value}\n");
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(at) = lines.iter().position(|line| key(line).is_some()) else {
        return with_a_line(&lines, value);
    };
    let (before, rest) = lines.split_at(at);
    let (own, after) = rest.split_at(1 + continued(rest));
    let first = own.first().copied().unwrap_or_default();
    let head = key(first).unwrap_or_default();
    let ending = if first.ends_with("\r\n") { "\r\n" } else { "\n" };
    let ending = if own.last().is_some_and(|last| last.ends_with('\n')) { ending } else { "" };
    let comment = comment(first.get(head.len()..).unwrap_or_default());
    format!("{}{head} {value}{comment}{ending}{}", before.concat(), after.concat())
}

/// A new line at the top, where people look first: before everything but what has to come first.
fn with_a_line(lines: &[&str], value: &str) -> String {
    let ending = if lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
    let start = lines.iter().position(|line| line.trim_end() == "---").map_or(0, |at| at + 1);
    let (before, after) = lines.split_at(start);
    format!("{}freeze: {value}{ending}{}", before.concat(), after.concat())
}

/// What the line of the freeze begins with, up to the colon.
fn key(line: &str) -> Option<&str> {
    let names = ["freeze", "\"freeze\"", "'freeze'"];
    let name = names.into_iter().find(|name| line.starts_with(name))?;
    let rest = line.get(name.len()..)?;
    let colon = rest.find(':').filter(|at| rest.get(..*at).is_some_and(|gap| gap.trim().is_empty()))?;
    line.get(..=name.len() + colon)
}

/// How many lines below the first belong to it: those that are indented, and what is empty or a comment between them. A comment
/// that nothing of it follows is the owner's, wherever it begins.
fn continued(lines: &[&str]) -> usize {
    let is_nothing = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let is_indented = |line: &&str| line.starts_with([' ', '\t']) && !is_nothing(line);
    let rest = lines.get(1..).unwrap_or_default();
    let own = rest.iter().take_while(|line| is_indented(line) || is_nothing(line));
    own.enumerate().filter(|(_, line)| is_indented(line)).map(|(at, _)| at + 1).last().unwrap_or(0)
}

/// The comment behind a value, with the gap before it.
fn comment(value: &str) -> &str {
    let value = value.trim_end();
    let mut quote = None;
    let mut gap = None;
    let mut is_escaped = false;
    for (at, it) in value.char_indices() {
        match (quote, it) {
            // Between double quotes, what follows a backslash ends nothing.
            _ if is_escaped => is_escaped = false,
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), it) if it == open => quote = None,
            (None, '"' | '\'') if begins(value.get(..at)) => quote = Some(it),
            (None, '#') if gap.is_some() => return value.get(gap.unwrap_or(at)..).unwrap_or_default(),
            (Some(_) | None, _) => {}
        }
        gap = if it.is_whitespace() { gap.or(Some(at)) } else { None };
    }
    ""
}

/// Whether a quote behind this begins a text; within one that has none, it is an apostrophe.
fn begins(before: Option<&str>) -> bool {
    let last = before.and_then(|before| before.chars().next_back());
    last.is_none_or(|last| last.is_whitespace() || "{[,:\"'".contains(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::policy::{Freeze, Frozen, Policy};

    use super::{comment, set, value};

    fn on(until: Option<&str>, reason: Option<&str>) -> Freeze {
        let until = until.map(|until| until.parse().unwrap());
        Freeze::On(Frozen { until, reason: reason.map(ToOwned::to_owned) })
    }

    #[track_caller]
    fn check(before: &str, freeze: &Freeze, after: &str) {
        assert_eq!(set("p", before, freeze).as_deref(), Ok(after), "{before}");
    }

    #[test]
    fn what_stands_there_is_written_as_people_write_it() {
        assert_eq!(value(&Freeze::Off), "false");
        assert_eq!(value(&on(None, None)), "true");
        assert_eq!(
            value(&on(Some("2026-12-27T00:00:00Z"), Some("holidays: \"quiet\""))),
            r#"{until: 2026-12-27T00:00:00Z, reason: "holidays: \"quiet\""}"#
        );
    }

    #[test]
    fn a_comment_begins_behind_what_is_quoted() {
        for (text, expected) in [
            (r" false # why", " # why"),
            (r" false", ""),
            (r" a#b # why", " # why"),
            (r#" {reason: "a # b"} # why"#, " # why"),
            (r#" {reason: "a \" # b"}"#, ""),
            (r#" {reason: "a \" # b"}  # why"#, "  # why"),
            (r#" {reason: "a \\" } # "why""#, r#" # "why""#),
            (r#" {reason: "\" # \" # "} # why"#, " # why"),
            (r" {reason: 'a \' } # why", " # why"),
            (r" {reason: 'it''s # quiet'} # why", " # why"),
            (r" {reason: it's quiet} # why", " # why"),
        ] {
            assert_eq!(comment(text), expected, "{text}");
        }
        let quoted = on(None, Some(r#"the "quiet # fair""#));
        let text = format!("freeze: {} # ask ann\n", value(&quoted));
        check(&text, &Freeze::Off, "freeze: false # ask ann\n");
    }

    #[test]
    fn the_line_is_changed_and_all_else_stays_as_it_is() {
        let frozen = on(None, Some("a # of things"));
        let line = r#"freeze: {reason: "a # of things"}"#;
        let rest = "# what is done\nrollback:\n  cooldown: 30m   # not long\n\n# the end\n";
        check("", &frozen, &format!("{line}\n"));
        check("{}\n", &frozen, &format!("{line}\n"));
        check(rest, &frozen, &format!("{line}\n{rest}"));
        check(&format!("# head\n---\n{rest}"), &frozen, &format!("# head\n---\n{line}\n{rest}"));
        check(&format!("freeze: false  # ask ann\n{rest}"), &frozen, &format!("{line}  # ask ann\n{rest}"));
        check(
            &format!("{line}  # ask ann\n{rest}"),
            &Freeze::Off,
            &format!("freeze: false  # ask ann\n{rest}"),
        );
        check(&format!("{rest}freeze: true"), &Freeze::Off, &format!("{rest}freeze: false"));
        check(&format!("{rest}freeze:\n"), &frozen, &format!("{rest}{line}\n"));
        check("\"freeze\" : true\n", &Freeze::Off, "\"freeze\" : false\n");
        check(
            &format!("freeze:\n  until: 2026-12-27T00:00:00Z\n\n  # why\n  reason: holidays\n\n{rest}"),
            &Freeze::Off,
            &format!("freeze: false\n\n{rest}"),
        );
        check(
            &format!("freeze: {{until: 2026-12-27T00:00:00Z,\n  reason: 'it''s quiet'}}\n{rest}"),
            &Freeze::Off,
            &format!("freeze: false\n{rest}"),
        );
        let owners = "  # Never lift it without asking ann.\n  # freeze: {until: …}\n";
        check(&format!("freeze: false\n{owners}{rest}"), &frozen, &format!("{line}\n{owners}{rest}"));
        check("freeze: true\r\nproduction: true\r\n", &Freeze::Off, "freeze: false\r\nproduction: true\r\n");
    }

    #[test]
    fn what_cannot_be_set_safely_is_left_to_people() {
        for (text, said) in [
            ("{freeze: true, production: true}\n", "set it by hand, freeze: false"),
            ("{production: true}\n", "set it by hand"),
            ("freeze: &now true\nproduction: *now\n", "set it by hand"),
            ("freeze: perhaps\n", "line 1"),
            ("rollback: {cooldown: 1}\n", "rollback.cooldown"),
        ] {
            let set = set("p", text, &Freeze::Off);
            assert!(set.as_ref().is_err_and(|why| why.contains(said)), "{text}: {set:?}");
        }
    }

    #[test]
    fn the_example_keeps_all_that_it_says() {
        let example = include_str!("../../../../policy.example.yaml");
        let frozen = on(Some("2026-12-27T00:00:00Z"), Some("holidays"));
        let edited = set("p", example, &frozen).unwrap();
        let changed = example.lines().zip(edited.lines()).filter(|(before, after)| before != after).count();
        assert_eq!((changed, example.lines().count()), (1, edited.lines().count()));
        assert_eq!(Policy::parse("p", &edited).unwrap().freeze, frozen);
    }

    proptest! {
        #[test]
        fn any_reason_is_read_back_as_it_was_given(reason in "\\PC{0,60}") {
            let text = "production: true\nfreeze: false # why not\n";
            let freeze = on(None, Some(&reason));
            if let Ok(edited) = set("p", text, &freeze) {
                prop_assert_eq!(Policy::parse("p", &edited).unwrap().freeze, freeze);
                let rest = edited.starts_with("production: true\nfreeze: {") && edited.ends_with("# why not\n");
                prop_assert!(rest, "{}", edited);
            }
        }
    }
}
