//! The page in a real browser: on a telephone and on a desk, in light and in dark.

use local::browser::{Screens, see};
use local::progress::Silent;

use super::{all_of, history};
use crate::page::page;
use crate::result::samples;

/// The narrowest screen that pages have to fit (WCAG 2.2, success criterion 1.4.10), a telephone, and a desk.
const WIDTHS: [u32; 3] = [320, 390, 1_280];

/// In the order of the pages.
const NAMES: [&str; 5] =
    ["60 components", "1,000 components", "nothing", "words without an end", "another script"];

#[tokio::test]
async fn it_can_be_read_on_every_screen_without_scrolling_sideways() {
    let endless = "arn:aws:ecs:".repeat(60);
    let sweeps = [
        samples::sweep(60),
        samples::sweep(1_000),
        samples::empty(),
        all_of(&endless, "a\u{301}\u{200f}<script>alert(1)</script>"),
        all_of("שלום עולם", "日本語の長い説明文が続きます。".repeat(20).as_str()),
    ];
    let pages = sweeps.map(|sweep| page(&sweep, &history(300)));
    for dark in [false, true] {
        let name = format!("unit-page-{}", if dark { "dark" } else { "light" });
        let seen = see(&name, &pages, &Screens { widths: &WIDTHS, dark }, &Silent).await.unwrap();
        assert_eq!(seen.len(), pages.len() * WIDTHS.len());
        for it in seen {
            let shown = format!("{}, {} pixels, dark: {dark}", NAMES[it.page], it.width);
            assert!(it.needs <= it.width, "{shown}: it is {} pixels wide: {:#?}", it.needs, it.wide);
            assert!(it.fetched.is_empty(), "{shown}: it asks for {:?}", it.fetched);
            assert!(it.texts > 5, "{shown}: {} texts are shown", it.texts);
            let wrong = [&it.pale, &it.small, &it.cut].map(|some| some.iter().take(5).collect::<Vec<_>>());
            assert!(wrong.iter().all(Vec::is_empty), "{shown}: pale, small, cut: {wrong:#?}");
        }
    }
}
