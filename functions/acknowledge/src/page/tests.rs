//! What stands on the page, and what never does.

use proptest::prelude::{any, prop_assert, proptest};
use shared::ledger::activity::Activity;

use super::{STYLE, render};
use crate::cases::{activity, held, over};
use crate::decision::Verdict;

#[track_caller]
fn check(verdict: &Verdict, there: &[&str], not_there: &[&str]) {
    let page = render(verdict);
    for text in there {
        assert!(page.contains(text), "{text:?} is missing: {page}");
    }
    for text in not_there {
        assert!(!page.contains(text), "{text:?} is there: {page}");
    }
}

const WHO: &str = "<bdi>ann</bdi>, <time datetime=\"2026-11-25T03:12:00Z\">2026-11-25 03:12 UTC</time>";

#[test]
fn a_page_says_what_goes_on_and_offers_the_form_only_while_nobody_has_it() {
    let open =
        ["prod/web answers with errors", "SEV-1", "goes on", "2026-11-25 03:00 UTC", "<dd>nobody</dd>"];
    check(&Verdict::Open(activity()), &open, &["Ended"]);
    check(
        &Verdict::Open(activity()),
        &["<form method=\"post\">", "<label for=\"name\">", "maxlength=\"80\""],
        &[],
    );
    let flapping = Activity { flapping: true, ..activity() };
    check(&Verdict::Open(flapping), &["comes and goes"], &[]);
    check(&Verdict::Held(held("ann")), &["Somebody has it in hand", WHO], &["<form"]);
    check(&Verdict::Done(held("ann")), &["<title>Acknowledged", "It is in your hands", WHO], &["<form"]);
    check(&Verdict::Before(held("ann")), &["Somebody else was first", WHO], &["<form"]);
    check(&Verdict::Over(over()), &["It is over", "Ended", "2026-11-25 03:30 UTC"], &["<form", "goes on"]);
    check(&Verdict::Unknown, &["No such incident"], &["<form", "<dl"]);
    check(&Verdict::Forged, &["This link is not valid"], &["<form", "<dl"]);
    check(&Verdict::Expired, &["This link has expired"], &["<form", "<dl"]);
    check(&Verdict::Odd("The name is longer."), &["The name is longer."], &["<form", "<dl"]);
    check(&Verdict::Method, &["Open the link in a browser."], &["<form", "<dl"]);
}

/// All tags and their attributes, but not the text between them.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|part| part.split_once('>').map_or(part, |(tag, _)| tag)).collect()
}

proptest! {
    #[test]
    fn whatever_anybody_writes_stays_text(title in any::<String>(), by in any::<String>(), hostile in 0..4_usize) {
        let hostile = ["", "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</title><b>&"][hostile];
        let plain = Activity { title: "x".to_owned(), ..held("x") };
        let written = Activity { title: format!("x{hostile}{title}"), ..held(&format!("{hostile}{by}")) };
        let (plain, written) = (render(&Verdict::Held(plain)), render(&Verdict::Held(written)));
        prop_assert!(tags(&plain) == tags(&written), "{written}");
    }
}

#[test]
fn a_page_loads_nothing_runs_nothing_and_serves_light_and_dark() {
    for verdict in [Verdict::Open(activity()), Verdict::Held(held("ann")), Verdict::Forged] {
        check(
            &verdict,
            &["lang=\"en\"", "name=\"viewport\""],
            &["http:", "https:", "<script", "url(", "@import"],
        );
    }
    assert!(STYLE.contains("prefers-color-scheme:dark") && !STYLE.contains('<'));
}

#[test]
fn a_title_that_is_missing_or_endless_still_makes_a_page() {
    check(&Verdict::Open(Activity { title: " ".to_owned(), ..activity() }), &["An incident"], &[]);
    let page = render(&Verdict::Open(Activity { title: "x".repeat(1_000_000), ..activity() }));
    assert!(page.len() < 10_000, "{}", page.len());
}
