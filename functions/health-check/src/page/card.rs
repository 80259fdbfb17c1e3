//! What needs to be looked at: one card for each, with why, since when, what to do, and what was seen.

use std::collections::HashMap;
use std::fmt::Write;

use crate::component::Kind;
use crate::decision::Health;
use crate::page::markup::{Text, Time, class, state};
use crate::page::{LONG, TOO_LONG};
use crate::result::words::{lasting, spoken, those, wrong};
use crate::result::{Checked, Sweep};

/// What was seen of the causes among so many is open from the start.
const OPEN: usize = 5;

/// How many of what it affects, or of what is why, a card names.
const NAMED: usize = 12;

/// How many things to do, and how many that were seen, a card tells.
const TOLD: usize = 30;

/// The cards, and where each stands.
pub(super) struct Cards<'a> {
    sweep: &'a Sweep,
    wrong: Vec<Card<'a>>,
    unknown: Vec<Card<'a>>,
    places: HashMap<String, usize>,
}

/// What is on a card, and whether it stands below its cause.
#[derive(Clone, Copy)]
struct Card<'a> {
    it: &'a Checked,
    below: bool,
}

impl<'a> Cards<'a> {
    /// Those of what is wrong or unknown.
    pub(super) fn of(sweep: &'a Sweep) -> Self {
        // In a sweep, what something is bad because of stands before it.
        let below = |it: &Checked| !it.because_of.is_empty();
        let wrong: Vec<_> = wrong(sweep).map(|it| Card { it, below: below(it) }).collect();
        let unknown: Vec<_> = those(sweep, Health::Unknown).map(|it| Card { it, below: false }).collect();
        let all = wrong.iter().chain(&unknown).enumerate();
        let places = all.map(|(place, card)| (card.it.id(), place)).collect();
        Self { sweep, wrong, unknown, places }
    }

    /// The sections.
    pub(super) fn write(&self, page: &mut String) {
        if !self.sweep.components.is_empty() {
            self.section(page, "wrong", "What is wrong", &self.wrong, 0);
        }
        if !self.unknown.is_empty() {
            self.section(page, "unknown", "What could not be checked", &self.unknown, self.wrong.len());
        }
    }

    fn section(&self, page: &mut String, id: &str, title: &str, cards: &[Card<'_>], from: usize) {
        let _ = writeln!(page, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>");
        if cards.is_empty() {
            page.push_str("<p>Nothing that was checked is wrong.</p>\n");
        }
        let mut more = 0;
        for (place, card) in (from..).zip(cards) {
            if page.len() < TOO_LONG {
                self.card(page, *card, place);
            } else {
                more += 1;
            }
        }
        if more > 0 {
            let _ = writeln!(page, "<p>… and {more} more, which this page is too small for.</p>");
        }
        page.push_str("</section>\n");
    }

    fn card(&self, page: &mut String, Card { it, below }: Card<'_>, place: usize) {
        let below = if below { " below" } else { "" };
        let _ = writeln!(page, "<article class=\"card {}{below}\" id=\"c{place}\">", class(it.health));
        head(page, it);
        if page.len() < LONG {
            self.facts(page, it);
            evidence(page, it, place < OPEN && below.is_empty());
        }
        page.push_str("</article>\n");
    }

    fn facts(&self, page: &mut String, it: &Checked) {
        page.push_str("<dl class=\"said\">\n");
        if let Some(since) = it.since {
            let lasting = lasting(since, self.sweep.began);
            let _ = writeln!(
                page,
                "<div><dt>Since</dt><dd>{}, <span class=\"last\">for {lasting}</span></dd></div>",
                Time(since)
            );
        }
        if !it.todo.is_empty() {
            let todo = it.todo.iter().take(TOLD).map(|what| format!("<bdi>{}</bdi>", Text(what)));
            let _ = writeln!(
                page,
                "<div class=\"todo\"><dt>To do</dt><dd>{}</dd></div>",
                listed(&todo.collect::<Vec<_>>())
            );
        }
        self.others(page, "Because of", &it.because_of);
        self.others(page, "Affects", &it.affects);
        page.push_str("</dl>\n");
    }

    /// Other components, each a link to its card where it has one.
    fn others(&self, page: &mut String, label: &str, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        let mut items: Vec<_> = ids.iter().take(NAMED).map(|id| self.link(id)).collect();
        if let Some(more @ 1..) = ids.len().checked_sub(NAMED) {
            items.push(format!("and {more} more"));
        }
        let _ = writeln!(page, "<div class=\"links\"><dt>{label}</dt><dd>{}</dd></div>", listed(&items));
    }

    fn link(&self, id: &str) -> String {
        let name = match id.split_once(':').and_then(|(kind, name)| Some((Kind::named(kind)?, name))) {
            Some((kind, name)) => format!("{} <bdi>{}</bdi>", kind.title(), Text(name)),
            None => format!("<bdi>{}</bdi>", Text(id)),
        };
        match self.places.get(id) {
            Some(place) => format!("<a href=\"#c{place}\">{name}</a>"),
            None => name,
        }
    }
}

fn head(page: &mut String, it: &Checked) {
    let _ = writeln!(
        page,
        "<h3>{} <span class=\"soft\">{}</span> <bdi class=\"name\">{}</bdi></h3>\n\
         <p class=\"why\"><bdi>{}</bdi></p>",
        state(it.health, spoken(it.health)),
        it.kind.title(),
        Text(&it.name),
        Text(&it.reason)
    );
}

/// One as it is, more as a list.
fn listed(items: &[String]) -> String {
    match items {
        [one] => one.clone(),
        more => format!("<ul><li>{}</li></ul>", more.join("</li><li>")),
    }
}

fn evidence(page: &mut String, it: &Checked, open: bool) {
    let arn = it.arn.as_deref().map(|arn| ("ARN", arn));
    let facts: Vec<_> =
        it.evidence.iter().map(|fact| (fact.name.as_str(), fact.value.as_str())).chain(arn).collect();
    if facts.is_empty() {
        return;
    }
    let open = if open { " open" } else { "" };
    let _ = writeln!(page, "<details{open}>\n<summary>What was seen</summary>\n<dl class=\"facts\">");
    for (name, value) in facts.iter().take(TOLD) {
        let _ = writeln!(
            page,
            "<div><dt><bdi>{}</bdi></dt><dd><bdi>{}</bdi></dd></div>",
            Text(name),
            Text(value)
        );
    }
    page.push_str("</dl>\n");
    if let Some(more @ 1..) = facts.len().checked_sub(TOLD) {
        let _ = writeln!(page, "<p>… and {more} more.</p>");
    }
    page.push_str("</details>\n");
}
