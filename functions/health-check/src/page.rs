//! The status page: one file, without scripts and without anything from elsewhere. What is wrong comes first, with
//! why, since when, and what to do. Whatever is not ours is escaped, and kept from turning the text around it.

mod card;
mod graph;
mod markup;

use std::fmt::Write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::component::Kind;
use crate::decision::Health;
use crate::result::words::{by_kind, count, counted, rolled, spoken, tally, took};
use crate::result::{Checked, Counts, Sweep};
use card::Cards;
use markup::{SHAPES, Text, Time, state};

const STYLE: &str = include_str!("page/style.css");

/// How long the page may get before what follows is told with fewer words, and before it is only counted. In bytes:
/// a page that is not loaded at night, over a phone, tells nothing.
const LONG: usize = 500_000;
const TOO_LONG: usize = 800_000;

/// How much of what kept a sweep from being whole is told.
const GAPS: usize = 30;

/// How many were how in one sweep of the past. As JSON it is `[second, failed, degraded, unknown, healthy]`: many of
/// them are remembered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Row", into = "Row")]
pub struct Point {
    /// When the sweep began.
    pub at: Timestamp,
    /// Those that did not work.
    pub failed: usize,
    /// Those that worked, but not as they should.
    pub degraded: usize,
    /// Those that could not be checked.
    pub unknown: usize,
    /// Those that were as they should be.
    pub healthy: usize,
}

type Row = (i64, usize, usize, usize, usize);

impl From<Point> for Row {
    fn from(point: Point) -> Self {
        (point.at.as_second(), point.failed, point.degraded, point.unknown, point.healthy)
    }
}

impl TryFrom<Row> for Point {
    type Error = jiff::Error;

    fn try_from((second, failed, degraded, unknown, healthy): Row) -> Result<Self, jiff::Error> {
        Ok(Self { at: Timestamp::from_second(second)?, failed, degraded, unknown, healthy })
    }
}

impl From<&Sweep> for Point {
    fn from(sweep: &Sweep) -> Self {
        let Counts { failed, degraded, unknown, healthy, not_applicable: _ } = sweep.counts;
        Self { at: sweep.began, failed, degraded, unknown, healthy }
    }
}

/// The page of a sweep, with how it was before. The sweep itself need not be in the history.
pub fn page(sweep: &Sweep, history: &[Point]) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let title = format!("{}: {}", sweep.environment, tally(&sweep.counts));
    let _ = writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{SHAPES}",
        Text(&title)
    );
    header(&mut page, sweep);
    page.push_str("<main>\n");
    incomplete(&mut page, sweep);
    Cards::of(sweep).write(&mut page);
    graph::write(&mut page, sweep, history);
    rest(&mut page, sweep, Health::Healthy, "What is healthy");
    rest(&mut page, sweep, Health::NotApplicable, "What is not applicable");
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn header(page: &mut String, sweep: &Sweep) {
    let (health, word) = match sweep.components.as_slice() {
        [] => (Health::Unknown, "nothing was checked"),
        _ => (sweep.health, spoken(sweep.health)),
    };
    let _ = writeln!(
        page,
        "<header>\n<h1><bdi>{}</bdi>: {}</h1>\n<ul class=\"counts\" role=\"list\" aria-label=\"How many are how\">",
        Text(&sweep.environment),
        state(health, word)
    );
    for health in Health::ALL {
        let many = count(&sweep.counts, health);
        if many > 0 {
            let section = if health.is_bad() { "wrong" } else { health.word() };
            let words = format!("{many} {}", spoken(health));
            let _ = writeln!(page, "<li><a href=\"#{section}\">{}</a></li>", state(health, &words));
        }
    }
    let _ = writeln!(
        page,
        "</ul>\n<p class=\"soft\">Checked at {}: {} in {}. A page older than a quarter of an hour says that nobody looks.</p>\n\
         </header>",
        Time(sweep.began),
        match sweep.components.len() {
            1 => "1 component".to_owned(),
            many => format!("{many} components"),
        },
        took(sweep)
    );
}

/// What kept the sweep from being whole stands before all else: without it, the rest would be taken for all there is.
fn incomplete(page: &mut String, sweep: &Sweep) {
    if sweep.incomplete.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<section class=\"card unknown\" aria-labelledby=\"incomplete\">\n<h2 id=\"incomplete\" class=\"lead\">{}</h2>\n\
         <p>What is not told here may be in any state.</p>\n<ul>",
        state(Health::Unknown, "This check is not complete")
    );
    for what in sweep.incomplete.iter().take(GAPS) {
        let _ = writeln!(page, "<li><bdi>{}</bdi></li>", Text(what));
    }
    if let Some(more @ 1..) = sweep.incomplete.len().checked_sub(GAPS) {
        let _ = writeln!(page, "<li>… and {more} more</li>");
    }
    page.push_str("</ul>\n</section>\n");
}

/// What nobody has to look at: one line for each kind, with the names behind it.
fn rest(page: &mut String, sweep: &Sweep, health: Health, title: &str) {
    let Some(line) = rolled(sweep, health) else {
        return;
    };
    let id = health.word();
    let _ = writeln!(
        page,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<div class=\"groups\">"
    );
    for (kind, them) in by_kind(sweep, health) {
        if page.len() > TOO_LONG {
            let _ = writeln!(page, "<p>{line}.</p>");
            break;
        }
        group(page, kind, health, &them);
    }
    page.push_str("</div>\n</section>\n");
}

fn group(page: &mut String, kind: Kind, health: Health, them: &[&Checked]) {
    let many = state(health, &counted(kind, them.len()));
    let _ = writeln!(page, "<details class=\"group\">\n<summary>{many}</summary>\n<ul class=\"rows\">");
    for it in them {
        if page.len() > TOO_LONG {
            page.push_str("<li>… and more, which this page is too small for.</li>\n");
            break;
        }
        let _ = writeln!(
            page,
            "<li><bdi class=\"name\">{}</bdi> <span class=\"soft\"><bdi>{}</bdi></span></li>",
            Text(&it.name),
            Text(&it.reason)
        );
    }
    page.push_str("</ul>\n</details>\n");
}

#[cfg(test)]
mod tests;
