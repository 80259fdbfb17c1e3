use proptest::prelude::*;

use super::{Text, address, bytes, units};
use crate::render::samples::hostile;

#[track_caller]
fn check(raw: &str, expected: &str, shown: impl Fn(&Text<'_>) -> String) {
    assert_eq!(shown(&Text::of(raw)).replace('\u{200b}', "·"), expected);
}

#[test]
fn markdown_shows_what_was_written() {
    let shown = |text: &Text<'_>| text.markdown(1_000);
    check("a_b *c* `d` [e](https://f.invalid)", r"a\_b \*c\* \`d\` \[e](https://f.invalid)", shown);
    check(
        "# a\n- b\n  1. c\n2) d\n> e\n1.5 s - f",
        "\\# a\n\n\\- b\n\n  1\\. c\n\n2\\) d\n\n\\> e\n\n1\\.5 s - f",
        shown,
    );
    check("<at>all</at> p99 < 2 s", "<·at>all<·/at> p99 < 2 s", shown);
    check("{{DATE(2026-01-01T00:00:00Z)}}", "{·{DATE(2026-01-01T00:00:00Z)}}", shown);
    check("a\n\n\nb", "a\n\nb", shown);
    check("```@Here", "\\`·\\`·\\`@·Here", shown);
}

#[test]
fn what_cannot_be_escaped_is_broken() {
    let shown = |text: &Text<'_>| text.defused(1_000);
    check("<!channel> [a](https://b.invalid)", "‹!channel› [a]·(https://b.invalid)", shown);
    check("# a\n- b\n> c @everyone ```", "·# a\n·- b\n› c @·everyone `·`·`", shown);
}

#[test]
fn only_whole_https_addresses_are_clicked() {
    let check = |url: &str, expected: Option<&str>| assert_eq!(address(url, 60).as_deref(), expected);
    check("https://a.invalid/?b=1&c=é", Some("https://a.invalid/?b=1&c=%C3%A9"));
    check("http://a.invalid/", None);
    check("javascript:alert(1)", None);
    check("https://a.invalid/?b|c", None);
    check(&format!("https://a.invalid/{}", "x".repeat(60)), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_is_longer_than_its_limit(raw in hostile(), limit in 80_usize..4_000) {
        let text = Text::of(&raw);
        for shown in [text.fit(limit), text.line(limit), text.label(limit), text.fenced(limit)] {
            prop_assert!(units(&shown) <= limit.max(12), "{} > {limit}: {shown}", units(&shown));
        }
        let shown = [
            text.markdown(limit),
            text.markdown_line(limit),
            text.defused(limit),
            text.defused_line(limit),
        ];
        for shown in shown {
            prop_assert!(bytes(&shown) <= limit, "{} > {limit}: {shown}", bytes(&shown));
        }
    }
}
