mod browser;
mod html;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::markup::LONGEST;
use super::{Point, STYLE, page};
use crate::decision::Health;
use crate::result::{Sweep, samples};
use html::{Element, read};
use shared::text::clean;

/// Every five minutes, the newest last.
fn history(many: usize) -> Vec<Point> {
    let ago = |n: usize| samples::began() - SignedDuration::from_mins(5 * i64::try_from(n).unwrap());
    let point = |n| Point { at: ago(n), failed: n % 3, degraded: n % 7, unknown: n % 2, healthy: 50 };
    (1..=many).rev().map(point).collect()
}

/// A sweep in which all texts are these.
fn all_of(text: &str, other: &str) -> Sweep {
    let of = |health| {
        let mut it = samples::checked(&format!("alarm:{text}"), health, other)
            .because_of(&[text, "alarm:elsewhere"])
            .affects(&[other, text])
            .saw(&[(text, other), (other, text)])
            .todo(&[text, other]);
        it.arn = Some(other.to_owned());
        it
    };
    let mut sweep = samples::of(Health::ALL.map(of).into());
    sweep.environment = text.to_owned();
    sweep.incomplete = vec![other.to_owned(), text.to_owned()];
    sweep
}

fn ids(elements: &[Element], name: &str) -> Vec<String> {
    elements.iter().filter(|it| it.name == name).map(|it| it.get("id").to_owned()).collect()
}

/// What holds for every page.
#[track_caller]
fn is_sound(page: &str) -> Vec<Element> {
    const KNOWN: [&str; 41] = [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "article",
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "dl",
        "div",
        "dt",
        "dd",
        "a",
        "bdi",
        "span",
        "time",
        "details",
        "summary",
        "figure",
        "figcaption",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "svg",
        "symbol",
        "path",
        "circle",
        "use",
        "g",
        "rect",
    ];
    let elements = read(page);
    let mut seen = BTreeSet::new();
    for it in &elements {
        assert!(KNOWN.contains(&it.name.as_str()), "{it:?}");
        for (attribute, value) in &it.attributes {
            assert!(!attribute.starts_with("on") && attribute != "style" && attribute != "src", "{it:?}");
            if attribute == "href" {
                assert!(value.starts_with('#'), "{it:?}");
            }
        }
        if let Some(id) = it.attributes.get("id") {
            assert!(seen.insert(id.as_str()), "twice: {id}");
        }
    }
    for it in &elements {
        for attribute in ["href", "aria-labelledby"] {
            let id = it.get(attribute).trim_start_matches('#');
            assert!(id.is_empty() || seen.contains(id), "it leads nowhere: {it:?}");
        }
        if it.name == "svg" {
            let told = it.get("role") == "img" && !it.get("aria-label").is_empty();
            assert!(told || it.get("aria-hidden") == "true", "{it:?}");
        }
        if it.get("class").split(' ').any(|class| class == "state") {
            assert!(!it.text.trim().is_empty(), "a state without a word: {it:?}");
        }
    }
    let headings: Vec<_> =
        elements.iter().filter_map(|it| it.name.strip_prefix('h')?.parse::<u8>().ok()).collect();
    assert!(
        headings.split_first().is_some_and(|(first, rest)| *first == 1 && !rest.contains(&1)),
        "{headings:?}"
    );
    assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{headings:?}");
    elements
}

#[test]
fn what_is_wrong_comes_first_and_then_what_is_unknown() {
    let page = page(&samples::sweep(60), &history(40));
    let elements = is_sound(&page);
    let sections: Vec<_> =
        elements.iter().filter(|it| it.name == "section").map(|it| it.get("aria-labelledby")).collect();
    assert_eq!(sections, ["incomplete", "wrong", "unknown", "history", "healthy", "not-applicable"]);
    let find = |name: &str| elements.iter().find(|it| it.name == name).unwrap();
    assert_eq!(find("html").get("lang"), "en");
    assert_eq!(find("title").text, "prod: 3 failed, 6 degraded, 1 unknown, 49 healthy, 1 not applicable");
    assert_eq!(find("h1").text, "prod: failed");
    let policy = elements.iter().find(|it| it.get("http-equiv") == "Content-Security-Policy").unwrap();
    assert_eq!(policy.get("content"), "default-src 'none'; style-src 'unsafe-inline'");
    let first = find("article");
    for said in [
        "failed secret prod/db\nit is about to be deleted on 2026-12-03\n",
        "Since26 November 2026, 09:50 UTC, for 2 h 10 min\n",
        "To doRestore the secret, or have the services that read it use another one.\n",
        "Affectsservice prod/webservice prod/apitarget group webload balancer web\n",
        "Last changed2026-08-02\n",
        "ARNarn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/db-a1B2c3\n",
    ] {
        assert!(first.text.contains(said), "{said:?} in {:?}", first.text);
    }
}

#[test]
fn what_a_cause_affects_stands_below_it_and_leads_back_to_it() {
    let sweep = samples::of(vec![
        samples::checked("secret:a", Health::Failed, "gone"),
        samples::checked("ecs-service:a", Health::Failed, "down").because_of(&["secret:a", "secret:b"]),
        samples::checked("secret:b", Health::Degraded, "old"),
        samples::checked("ecs-service:b", Health::Degraded, "slow").because_of(&["secret:b"]),
        samples::checked("alarm:c", Health::Failed, "in alarm").affects(&["endpoint:elsewhere"]),
    ]);
    let page = page(&sweep, &[]);
    let elements = is_sound(&page);
    let cards: Vec<_> = elements.iter().filter(|it| it.name == "article").collect();
    let told: Vec<_> =
        cards.iter().map(|it| (it.text.lines().nth(1).unwrap(), it.get("class").contains("below"))).collect();
    let expected = [
        ("failed secret a", false),
        ("failed service a", true),
        ("degraded secret b", false),
        ("degraded service b", true),
        ("failed alarm c", false),
    ];
    assert_eq!(told, expected);
    let links: Vec<_> =
        elements.iter().filter(|it| it.name == "a" && it.get("href").starts_with("#c")).collect();
    assert_eq!(links.iter().map(|it| it.get("href")).collect::<Vec<_>>(), ["#c0", "#c2", "#c2"]);
    assert!(page.contains("<dd>endpoint <bdi>elsewhere</bdi></dd>"), "what has no card is no link");
}

#[test]
fn it_says_what_was_not_checked() {
    let elements = is_sound(&page(&samples::empty(), &[]));
    assert!(elements.iter().any(|it| it.name == "h1" && it.text == "prod: nothing was checked"));
    let mut sweep = samples::of(vec![samples::checked("alarm:a", Health::Healthy, "it is OK")]);
    let elements = is_sound(&page(&sweep, &[]));
    assert!(elements.iter().any(|it| it.text.contains("This check is not complete")));
    assert!(elements.iter().any(|it| it.text == "the deadline came before 2 log groups"));
    sweep.incomplete.clear();
    let text = page(&sweep, &[]);
    assert!(!text.contains("not complete") && text.contains("Nothing that was checked is wrong."));
}

#[test]
fn the_history_is_told_in_bars_and_in_numbers_with_this_sweep_as_the_last() {
    let sweep = samples::sweep(60);
    let mut points = history(2);
    points.push(Point::from(&sweep));
    points.rotate_left(1);
    let elements = is_sound(&page(&sweep, &points));
    let graphs: Vec<_> = elements.iter().filter(|it| it.name == "svg" && it.get("role") == "img").collect();
    assert_eq!(graphs.len(), 2);
    let label =
        "Not healthy: 3 checks from 2026-11-26 11:50 UTC to 2026-11-26 12:00 UTC, at most 10, last 10";
    assert_eq!(graphs[0].get("aria-label"), label);
    let rows: Vec<_> = elements.iter().filter(|it| it.name == "tr").map(|it| it.text.as_str()).collect();
    assert_eq!(rows[1..], ["26 Nov 12:0036149", "26 Nov 11:5511150", "26 Nov 11:5022050"]);
    assert!(!page(&sweep, &[]).contains("id=\"history\""), "one sweep is no history");
}

#[test]
fn a_point_is_remembered_in_few_words() {
    let point = Point::from(&samples::sweep(60));
    let text = serde_json::to_string(&point).unwrap();
    assert_eq!(text, "[1795694400,3,6,1,49]");
    assert_eq!(serde_json::from_str::<Point>(&text).unwrap(), point);
    assert!(serde_json::from_str::<Point>("[99999999999999,0,0,0,0]").is_err());
}

#[test]
fn a_page_is_never_too_long_and_says_what_it_leaves_out() {
    const MOST: usize = 1_000_000;
    let large = page(&samples::sweep(1000), &history(500));
    is_sound(&large);
    assert!(large.len() < MOST / 2, "{}", large.len());
    assert!(!large.contains("too small"));

    let mut worst = samples::sweep(1000);
    for (place, it) in worst.components.iter_mut().enumerate() {
        (it.health, it.name) = (Health::Failed, format!("{}-{place}", it.name));
        it.reason = "\"<&>'".repeat(120);
        it.evidence.extend(std::iter::repeat_n(it.evidence.first().cloned(), 40).flatten());
        it.affects = vec!["alarm:\"\"".repeat(100); 100];
    }
    worst.incomplete = vec!["\"".repeat(1000); 1000];
    let page = page(&samples::of(worst.components), &history(500));
    let elements = is_sound(&page);
    assert!(page.len() < MOST, "{}", page.len());
    let cards = ids(&elements, "article").len();
    assert!(page.contains(&format!("… and {} more, which this page is too small for.", 1000 - cards)));
}

#[test]
fn every_text_can_be_read_by_light_and_by_dark() {
    let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let dark = dark.split_once("* {").unwrap().0;
    for (scheme, style) in [("light", light), ("dark", dark)] {
        let colours: BTreeMap<_, _> = style
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": #"))
            .collect();
        assert_eq!(colours.len(), 11, "{scheme}");
        let contrast = |one: &str, other: &str| {
            let (one, other) = (luminance(colours[one]), luminance(colours[other]));
            (one.max(other) + 0.05) / (one.min(other) + 0.05)
        };
        for ground in ["ground", "card"] {
            for ink in ["ink", "soft", "failed", "degraded", "unknown", "healthy", "rest"] {
                assert!(
                    contrast(ink, ground) >= 4.5,
                    "{scheme}: {ink} on {ground}: {}",
                    contrast(ink, ground)
                );
            }
        }
        for fill in ["failed", "degraded", "unknown", "pale"] {
            assert!(contrast(fill, "card") >= 3.0, "{scheme}: {fill}: {}", contrast(fill, "card"));
        }
    }
    for foreign in ["url(", "@import", "http", "gradient"] {
        assert!(!STYLE.contains(foreign), "{foreign}");
    }
}

/// How bright a colour is, as WCAG 2 reckons.
fn luminance(hex: &str) -> f64 {
    let part = |from: usize| {
        let value = f64::from(u8::from_str_radix(&hex[from..from + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

#[track_caller]
fn is_told_and_nothing_more(text: &str, other: &str) {
    let elements = is_sound(&page(&all_of(text, other), &history(3)));
    let plain = is_sound(&page(&all_of("a", "b"), &history(3)));
    let names = |of: &[Element]| of.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&elements), names(&plain), "a text makes no elements");
    for text in [text, other] {
        let shown: String = clean(text).chars().take(LONGEST).collect();
        let told = elements.iter().filter(|it| it.name == "bdi" && it.text.starts_with(&shown)).count();
        assert!(told >= 5, "{told}: {text:?}");
    }
}

#[test]
fn hostile_texts_are_texts() {
    for text in [
        "<script>alert(1)</script>",
        "\"'><img src=x onerror=alert(1)>",
        "</style></title><!-- ]]>",
        "&lt;b&gt; &amp;",
        "\u{202e}gpj.exe",
        "שלום עולם",
        "👩\u{200d}🚒😀",
        "a\nb\u{0}\u{7}",
        "javascript:alert(1)",
        "",
        &"very-long-".repeat(500),
    ] {
        is_told_and_nothing_more(text, "other");
        is_told_and_nothing_more("other", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_a_text_is_it_is_told_and_makes_no_markup(text in any::<String>(), other in "[<>&\"'a-z/= :#!-]{0,40}") {
        // By equal texts two would be one.
        if !text.starts_with(&other) && !other.starts_with(&text) {
            is_told_and_nothing_more(&text, &other);
        }
    }

    #[test]
    fn whatever_is_remembered_its_bars_stay_within_the_graph(points in proptest::collection::vec(any::<[usize; 4]>(), 1..120)) {
        let points: Vec<_> = history(points.len())
            .into_iter()
            .zip(points)
            .map(|(point, [failed, degraded, unknown, healthy])| Point { failed, degraded, unknown, healthy, ..point })
            .collect();
        for it in is_sound(&page(&samples::sweep(60), &points)).iter().filter(|it| it.name == "rect") {
            let number = |attribute| it.get(attribute).parse::<usize>().unwrap();
            assert!(number("y") + number("height") <= 100 && number("x") + number("width") <= 960, "{it:?}");
        }
    }
}
