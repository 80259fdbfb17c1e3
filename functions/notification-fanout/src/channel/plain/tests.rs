use proptest::prelude::*;

use super::*;
use crate::render::samples::{self, any_sample, hostile};

#[track_caller]
fn check_line(raw: &str, limit: usize, expected: &str) {
    assert_eq!(line(raw, limit), expected);
}

#[test]
fn a_line_is_one_line_and_says_that_it_was_cut() {
    check_line("a\r\nBcc: b\u{2028}c\0", 20, "a Bcc: b c");
    check_line("abcdef", 6, "abcdef");
    check_line("abcdefg", 6, "abcde…");
    check_line("ab 👩‍👩‍👧", 6, "ab…");
    check_line(" \n\u{200b}", 6, "");
}

#[test]
fn what_is_left_out_of_a_text_is_counted() {
    let text = fit(&"x".repeat(1_000), 100);
    assert_eq!(text, format!("{}\n… 940 characters omitted …\n{}", "x".repeat(40), "x".repeat(20)));
}

#[test]
fn only_an_address_that_may_be_followed_is_kept() {
    assert_eq!(https("https://a.invalid/<b>'\"", 99).unwrap(), "https://a.invalid/%3Cb%3E%27%22");
    for refused in [
        "javascript:alert(1)",
        "http://a.invalid/",
        "https://",
        "a",
        &format!("https://a.invalid/{}", "x".repeat(99)),
    ] {
        assert_eq!(https(refused, 99), None, "{refused}");
    }
}

#[test]
fn a_long_line_is_broken_at_spaces_where_there_are_some() {
    assert_eq!(folded("aa bb cc\ndddddd", 5, char::len_utf8), "aa\nbb cc\nddddd\nd");
    assert_eq!(folded("שרת", 1, char::len_utf8), "ש\nר\nת");
}

#[test]
fn what_does_not_fit_a_rung_is_counted_in_the_document() {
    let sample = samples::report();
    let document = Document::of(&Page::of(&sample.view()), TINY, 2_000);
    assert_eq!(document.facts.last().unwrap(), &("…".to_owned(), "… 47 more omitted".to_owned()));
    assert_eq!(document.links.len(), 1, "only https");
    assert!(document.text().contains("… 26 more omitted"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_is_longer_than_its_limit(raw in hostile(), limit in 60_usize..4_000) {
        for text in [line(&raw, limit), fit(&raw, limit)] {
            prop_assert!(text.encode_utf16().count() <= limit, "{} > {limit}", text.len());
            let unwanted = ['\r', '\0', '\u{202e}'];
            prop_assert!(!text.contains(unwanted));
        }
        prop_assert!(!line(&raw, limit).contains('\n'));
        let folded = folded(&fit(&raw, limit), 100, char::len_utf8);
        prop_assert!(folded.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn the_last_rung_is_small_whatever_it_shows(sample in any_sample()) {
        let document = Document::of(&Page::of(&sample.view()), TINY, 800);
        prop_assert!(document.text().len() < 40_000);
    }
}
