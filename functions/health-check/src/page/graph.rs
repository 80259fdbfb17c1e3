//! How it was before: two small graphs of stacked bars, and their numbers.

use std::fmt::Write;

use crate::decision::Health;
use crate::page::Point;
use crate::page::markup::{Brief, Text, state};
use crate::result::Sweep;
use crate::result::words::when;

/// How many sweeps are shown, at most.
const SHOWN: usize = 96;

/// How many places for bars there are at least, so that a few bars are not as wide as walls.
const PLACES: usize = 32;

/// How many sweeps are told in numbers.
const TOLD: usize = 24;

/// In units of the graph: how far apart the bars are, and how high the graph is.
const STEP: usize = 10;
const HEIGHT: usize = 100;

/// A part of a bar: its class, how many it stands for, how wide it is. The worse, the wider, so that they are told
/// apart by their shape, too.
type Part = (&'static str, usize, usize);

/// The parts of a bar, from the bottom up.
type Parts = fn(&Point) -> Vec<Part>;

fn bad(point: &Point) -> Vec<Part> {
    vec![("failed", point.failed, 9), ("degraded", point.degraded, 6), ("unknown", point.unknown, 3)]
}

fn all(point: &Point) -> Vec<Part> {
    let mut parts = bad(point);
    for (.., width) in &mut parts {
        *width = 8;
    }
    parts.push(("healthy", point.healthy, 8));
    parts
}

/// The section.
pub(super) fn write(page: &mut String, sweep: &Sweep, history: &[Point]) {
    let now = Point::from(sweep);
    let mut points: Vec<_> =
        history.iter().filter(|point| point.at.as_second() < now.at.as_second()).copied().collect();
    points.sort_by_key(|point| point.at);
    points.push(now);
    let points = points.get(points.len().saturating_sub(SHOWN)..).unwrap_or_default();
    let [first, .., last] = points else {
        // One sweep is no history.
        return;
    };
    page.push_str(
        "<section aria-labelledby=\"history\">\n<h2 id=\"history\">The last checks</h2>\n<div class=\"graphs\">\n",
    );
    // The bars stand at the right; where they are few, so do their times.
    let few = if points.len() < PLACES { " few" } else { "" };
    let ends = format!(
        "<p class=\"ends{few}\"><span>from {}</span> <span>to {} UTC</span></p>",
        Brief(first.at),
        Brief(last.at)
    );
    let legend = [
        (Health::Failed, "failed, wide"),
        (Health::Degraded, "degraded"),
        (Health::Unknown, "unknown, narrow"),
    ]
    .map(|(health, words)| state(health, words))
    .join(" ");
    let graphs: [(&str, Parts, &str); 2] = [
        ("Not healthy", bad, &legend),
        ("All that was checked", all, "What is healthy is grey, and on top."),
    ];
    for (title, parts, legend) in graphs {
        let most = points.iter().map(|point| sum(&parts(point))).max().unwrap_or_default();
        let label = format!(
            "{title}: {} checks from {} to {}, at most {most}, last {}",
            points.len(),
            when(first.at),
            when(last.at),
            sum(&parts(last))
        );
        let _ = writeln!(
            page,
            "<figure>\n<figcaption>{title}: <span class=\"soft\">at most {most}</span></figcaption>\n\
             <p class=\"fine\">{legend}</p>\n{}\n{ends}\n</figure>",
            svg(points, parts, most, &label)
        );
    }
    page.push_str("</div>\n");
    numbers(page, points);
    page.push_str("</section>\n");
}

fn sum(parts: &[Part]) -> usize {
    parts.iter().fold(0, |sum, (_, many, _)| sum.saturating_add(*many))
}

fn svg(points: &[Point], parts: Parts, most: usize, label: &str) -> String {
    let places = points.len().max(PLACES);
    let mut svg = format!(
        "<svg class=\"graph\" role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {1} {HEIGHT}\" preserveAspectRatio=\"none\">\
         <title>{0}</title>",
        Text(label),
        places * STEP
    );
    for (place, point) in points.iter().enumerate() {
        // The newest is at the right, also where there are fewer than places.
        let left = (places - points.len() + place) * STEP;
        svg.push_str(&bar(point, &parts(point), left, most.max(1)));
    }
    svg.push_str("</svg>");
    svg
}

/// One bar, from the bottom up; what there is any of is never too low to be seen.
fn bar(point: &Point, parts: &[Part], left: usize, most: usize) -> String {
    let mut bar = format!("<g><title>{}: {}</title>", when(point.at), spoken(point));
    let (mut below, mut top) = (0_usize, HEIGHT);
    for (class, many, width) in parts.iter().filter(|(_, many, _)| *many > 0) {
        below = below.saturating_add(*many);
        let reached = HEIGHT.saturating_sub(below.saturating_mul(HEIGHT) / most).min(top.saturating_sub(3));
        let _ = write!(
            bar,
            "<rect class=\"{class}\" x=\"{}\" y=\"{reached}\" width=\"{width}\" height=\"{}\"/>",
            left + (STEP - width) / 2,
            top - reached
        );
        top = reached;
    }
    bar.push_str("</g>");
    bar
}

fn spoken(point: &Point) -> String {
    let Point { failed, degraded, unknown, healthy, .. } = point;
    format!("{failed} failed, {degraded} degraded, {unknown} unknown, {healthy} healthy")
}

/// The newest of them in numbers, for those who cannot see the graphs.
fn numbers(page: &mut String, points: &[Point]) {
    page.push_str(
        "<details class=\"group\">\n<summary>The last checks in numbers</summary>\n<div class=\"scroll\" role=\"region\" \
         aria-label=\"The last checks in numbers\" tabindex=\"0\">\n<table>\n<thead><tr><th scope=\"col\">Checked at (UTC)</th>\
         <th scope=\"col\">failed</th><th scope=\"col\">degraded</th><th scope=\"col\">unknown</th>\
         <th scope=\"col\">healthy</th></tr></thead>\n<tbody>\n",
    );
    for point in points.iter().rev().take(TOLD) {
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Brief(point.at),
            point.failed,
            point.degraded,
            point.unknown,
            point.healthy
        );
    }
    page.push_str("</tbody>\n</table>\n</div>\n</details>\n");
}
