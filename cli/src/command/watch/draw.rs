//! The screen: two or three lines that say how it is, the panes' names, the pane, and the keys.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::keys::{KEYS, View};
use super::row::{Row, ago, many, wrapped};
use super::sections::{Frame as Telling, Pane, count, pane, state_of};
use super::source::Source;
use super::state::{Freshness, State};
use crate::say::Tone;

/// From this size on, there are two columns.
const WIDE: u16 = 140;
const HIGH: u16 = 20;

/// Of a list, so many entries have room at least.
const LEAST: usize = 4;

/// What the keys are for, in a line.
const KEYS_IN_SHORT: &str = "q end  Tab pane  j k scroll  r refresh  ? help";

/// How texts are set off: with colours only where they are wanted, and never by them alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) is_coloured: bool,
}

impl Look {
    fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let coloured = |colour| if self.is_coloured { style.fg(colour) } else { style };
        match tone {
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Faint if self.is_coloured => style.add_modifier(Modifier::DIM),
            Tone::Plain | Tone::Faint => style,
            Tone::Good => coloured(Color::Green),
            Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Warm => coloured(Color::Yellow),
        }
    }

    fn line(self, row: &Row) -> Line<'static> {
        let span = |(tone, text): &(Tone, String)| Span::styled(text.clone(), self.style(*tone));
        row.parts().iter().map(span).collect()
    }

    fn put(self, frame: &mut Frame<'_>, row: &Row, area: Rect) {
        frame.render_widget(self.line(row), area);
    }
}

/// Draws what is known; the view learns how far it can be scrolled.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, view: &mut View, look: Look, now: Timestamp) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut head = head(state, width, now);
    // The pane is what one came for.
    head.truncate(usize::from(area.height / 3).max(1));
    let mut rows = area.rows();
    for row in &head {
        if let Some(area) = rows.next() {
            look.put(frame, row, area);
        }
    }
    if area.height > 6
        && let Some(area) = rows.next()
    {
        look.put(frame, &names(state, view, width), area);
    }
    let mut body: Vec<Rect> = rows.collect();
    let foot = body.pop();

    let columns = if view.pane == Pane::All && area.width >= WIDE && area.height >= HIGH { 2 } else { 1 };
    let gap = if columns == 2 { 3 } else { 0 };
    let each = (width - gap) / columns;
    // A tall screen has room for more.
    let telling = Telling { width: each, whole: false, most: (body.len() / 5).max(LEAST), now };
    let texts = if view.is_help { vec![help(width)] } else { pane(state, view.pane, columns, telling) };
    let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
    view.page = body.len();
    view.first = view.first.min(longest.saturating_sub(body.len()));
    for (number, text) in texts.iter().enumerate() {
        let left = u16::try_from(number * (each + gap)).unwrap_or(u16::MAX);
        for (row, line) in text.iter().skip(view.first).zip(&body) {
            let width = u16::try_from(each).unwrap_or(u16::MAX);
            look.put(frame, row, Rect { x: line.x.saturating_add(left), width, ..*line }.intersection(*line));
        }
    }
    if let Some(area) = foot {
        look.put(frame, &keys(view, longest, width), area);
    }
}

/// Whose watch it is, and how it stands.
fn head(state: &State, width: usize, now: Timestamp) -> Vec<Row> {
    let place = &state.place;
    let how = if place.remote { ", asked from the deployed functions" } else { "" };
    let which = place.of.map(|(number, all)| format!(" ({number} of {all}, e: next)")).unwrap_or_default();
    let first = Row::new()
        .with(Tone::Strong, &place.environment)
        .with(Tone::Faint, &which)
        .with(Tone::Plain, &format!("  mode {}", place.mode))
        .with(Tone::Faint, &format!("  {} in {}{how}", place.stack, place.account))
        .right(Tone::Plain, &now.strftime("%H:%M:%SZ").to_string(), width);
    let mut rows = vec![first, verdict(state, width, now)];
    if let Some(frozen) = state.policy().and_then(|policy| policy.freeze.at(now)) {
        let words = format!("FROZEN: Watchkeeper changes nothing by itself {frozen}");
        rows.extend(wrapped(Tone::Warm, &words, 0, width, 1));
    }
    rows
}

fn verdict(state: &State, width: usize, now: Timestamp) -> Row {
    let Some(sweep) = state.sweep() else {
        let (tone, words) = match state.freshness(Source::Health, now) {
            Freshness::Unseen { .. } => (Tone::Bad, "NOT KNOWN: nothing could be checked"),
            Freshness::Waited { .. } | Freshness::Fresh { .. } | Freshness::Stale { .. } => {
                (Tone::Plain, "looking for the first time …")
            }
        };
        return Row::new().with(tone, words).fit(width);
    };
    let (tone, word) = state_of(sweep.health);
    let counts = sweep.counts;
    let counts = [
        (counts.failed, "failed"),
        (counts.degraded, "degraded"),
        (counts.unknown, "unknown"),
        (counts.healthy, "ok"),
        (counts.not_applicable, "off"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let kinds = &state.place.kinds;
    let only = if kinds.is_empty() { String::new() } else { format!(" of {} only", kinds.join(", ")) };
    let doubtful = state.doubtful(now);
    let (late, doubt) = match state.freshness(Source::Health, now) {
        Freshness::Stale { at, .. } => (true, format!("STALE, {}", ago(at, now))),
        Freshness::Waited { .. } | Freshness::Unseen { .. } | Freshness::Fresh { .. }
            if doubtful.is_empty() =>
        {
            (false, String::new())
        }
        Freshness::Waited { .. } | Freshness::Unseen { .. } | Freshness::Fresh { .. } => {
            let names: Vec<&str> = doubtful.iter().map(|source| source.name()).collect();
            (true, format!("NOT RENEWED: {}", names.join(", ")))
        }
    };
    Row::new()
        .with(tone, &word.to_uppercase())
        .with(Tone::Plain, &format!("  {}{only}", counts.join(", ")))
        .right(if late { Tone::Warm } else { Tone::Faint }, &doubt, width)
}

/// The panes; the one that is shown stands in brackets.
fn names(state: &State, view: &View, width: usize) -> Row {
    let name = |pane: Pane| match count(state, pane) {
        0 => pane.name().to_owned(),
        count => format!("{} {count}", pane.name()),
    };
    let mut row = Row::new();
    for pane in Pane::ALL {
        row = if pane == view.pane {
            row.with(Tone::Strong, &format!("[{}]", name(pane)))
        } else {
            row.with(Tone::Plain, &format!(" {} ", name(pane)))
        };
    }
    if row.width() <= width {
        return row;
    }
    let number = Pane::ALL.iter().position(|pane| *pane == view.pane).unwrap_or_default() + 1;
    Row::new()
        .with(Tone::Strong, &format!("[{}]", name(view.pane)))
        .with(Tone::Plain, &format!(" {number} of {}", Pane::ALL.len()))
        .right(Tone::Faint, &format!("Tab: {}", name(view.pane.after(1))), width)
}

fn keys(view: &View, longest: usize, width: usize) -> Row {
    let last = (view.first + view.page).min(longest);
    let place =
        if view.page < longest { format!("{}–{last} of {longest}", view.first + 1) } else { String::new() };
    Row::new().with(Tone::Faint, KEYS_IN_SHORT).right(Tone::Plain, &place, width)
}

fn help(width: usize) -> Vec<Row> {
    let mut rows = vec![Row::new().with(Tone::Strong, "KEYS").fit(width)];
    for (keys, what) in KEYS {
        rows.push(
            Row::new()
                .column(Tone::Plain, &format!("  {keys}"), 28.min(width / 2))
                .with(Tone::Plain, what)
                .fit(width),
        );
    }
    rows.push(Row::new());
    let words = "What fails or is slow keeps what it said last, marked STALE. Times are UTC. It exits as wk status does, with \
                 what was seen last. It changes nothing and tells nobody.";
    rows.extend(wrapped(Tone::Plain, words, 2, width, 9));
    rows
}

/// How it stood when it ended, for the terminal that is given back.
pub(super) fn farewell(state: &State, now: Timestamp) -> String {
    let Some(sweep) = state.sweep() else {
        return match state.freshness(Source::Health, now) {
            Freshness::Unseen { why, .. } => format!("nothing could be checked: {why}"),
            Freshness::Waited { .. } | Freshness::Fresh { .. } | Freshness::Stale { .. } => {
                "ended before anything was seen".to_owned()
            }
        };
    };
    let counts = sweep.counts;
    let many = |count: usize, what| many(u64::try_from(count).unwrap_or(u64::MAX), what);
    let doubt = match state.freshness(Source::Health, now) {
        Freshness::Stale { why, .. } => format!("; it could not be looked at anew: {why}"),
        Freshness::Waited { .. } | Freshness::Unseen { .. } | Freshness::Fresh { .. } => String::new(),
    };
    format!(
        "as of {:.0}: {} failed, {} degraded, {} unknown of {}{doubt}",
        sweep.began,
        counts.failed,
        counts.degraded,
        counts.unknown,
        many(sweep.components.len(), "component")
    )
}
