//! What is known, as lines: a section for each thing that somebody on call asks, what is wrong first.

mod now;
mod parts;

use health_check::component::Kind;
use health_check::decision::Health;
use health_check::result::Checked;
use jiff::Timestamp;

use super::row::{Row, ago, lasting, many, wrapped};
use super::source::{DeadLetters, Follower, Source};
use super::state::{Freshness, State};
use crate::say::Tone;

/// A part of what is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pane {
    /// What matters of each of the others.
    #[default]
    All,
    Wrong,
    Now,
    Services,
    Alarms,
    Queues,
    Checks,
}

impl Pane {
    pub(super) const ALL: [Self; 7] =
        [Self::All, Self::Wrong, Self::Now, Self::Services, Self::Alarms, Self::Queues, Self::Checks];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Wrong => "Wrong",
            Self::Now => "Now",
            Self::Services => "Services",
            Self::Alarms => "Alarms",
            Self::Queues => "Queues",
            Self::Checks => "Checks",
        }
    }

    /// The one that comes so many after it; after the last, the first.
    pub(super) fn after(self, steps: usize) -> Self {
        let here = Self::ALL.iter().position(|pane| *pane == self).unwrap_or_default();
        Self::ALL.get((here + steps) % Self::ALL.len()).copied().unwrap_or_default()
    }
}

/// How the lines are to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: usize,
    /// Whether all is told, or what matters only.
    pub(super) whole: bool,
    /// Of a list, so many entries are told where not all is.
    pub(super) most: usize,
    pub(super) now: Timestamp,
}

impl Frame {
    /// Whether there is room for more than what matters.
    const fn is_roomy(self) -> bool {
        self.whole || ROOM <= self.most
    }
}

/// From so many entries on, there is room for what is well, too.
const ROOM: usize = 10;

/// What a state is called takes so much.
const WORD: usize = 9;

/// A part of a pane.
type Section = fn(&State, Frame) -> Vec<Row>;

/// The lines of a pane; of all of them, in one or two columns of this width each.
pub(super) fn pane(state: &State, pane: Pane, columns: usize, frame: Frame) -> Vec<Vec<Row>> {
    let frame = Frame { whole: pane != Pane::All, ..frame };
    let one = |section: Section| vec![section(state, frame)];
    match pane {
        Pane::All => {
            let columns: &[&[Section]] = match columns {
                2 => &[&[wrong, services], &[now::now, alarms, queues]],
                _ => &[&[wrong, now::now, services, alarms, queues]],
            };
            let column = |sections: &&[Section]| {
                let mut rows = Vec::new();
                for section in *sections {
                    if !rows.is_empty() {
                        rows.push(Row::new());
                    }
                    rows.extend(section(state, frame));
                }
                rows
            };
            columns.iter().map(column).collect()
        }
        Pane::Wrong => one(wrong),
        Pane::Now => one(now::now),
        Pane::Services => one(services),
        Pane::Alarms => one(alarms),
        Pane::Queues => one(queues),
        Pane::Checks => one(checks),
    }
}

/// How much of a pane wants somebody's eye; for its name.
pub(super) fn count(state: &State, pane: Pane) -> usize {
    let checked = || state.sweep().into_iter().flat_map(|sweep| &sweep.components);
    match pane {
        Pane::All | Pane::Checks => 0,
        Pane::Wrong => checked().filter(|it| is_wrong(it.health)).count(),
        Pane::Now => state.incidents().map_or(0, |it| it.firing.len()),
        Pane::Services => checked().filter(|it| it.kind == Kind::Service && is_wrong(it.health)).count(),
        Pane::Alarms => checked().filter(|it| is_firing(it)).count(),
        Pane::Queues => {
            let full = |it: &&DeadLetters| it.waiting + it.in_hand > 0;
            let letters = state.letters().map_or(0, |it| it.queues.iter().filter(full).count());
            letters + checked().filter(|it| it.kind == Kind::Queue && is_wrong(it.health)).count()
        }
    }
}

pub(super) const fn is_wrong(health: Health) -> bool {
    matches!(health, Health::Failed | Health::Degraded | Health::Unknown)
}

/// The tone and the word of a state: neither says anything that the other does not.
pub(super) const fn state_of(health: Health) -> (Tone, &'static str) {
    match health {
        Health::Failed => (Tone::Bad, "FAILED"),
        Health::Degraded => (Tone::Warm, "DEGRADED"),
        Health::Unknown => (Tone::Warm, "UNKNOWN"),
        Health::Healthy => (Tone::Good, "ok"),
        Health::NotApplicable => (Tone::Faint, "off"),
    }
}

/// The title of a section, how it is to be taken, and the reason where that is not for sure.
fn heading(title: &str, source: Source, state: &State, frame: Frame) -> Vec<Row> {
    let Frame { width, now, .. } = frame;
    let head = Row::new().with(Tone::Strong, title);
    let again = |again: Option<Timestamp>| match again.map(|at| at.duration_since(now).as_secs()) {
        Some(secs) if secs > 10 => format!("; again in {} s", secs / 10 * 10),
        Some(_) => "; again at once".to_owned(),
        None => String::new(),
    };
    let (head, why) = match state.freshness(source, now) {
        Freshness::Fresh { at } => (head.right(Tone::Faint, &ago(at, now), width), None),
        Freshness::Waited { since } => {
            let long = since
                .map(|since| lasting(since, now))
                .filter(|_| since.is_some_and(|since| now.duration_since(since).as_secs() >= 60));
            let words =
                long.map_or_else(|| "no data yet".to_owned(), |long| format!("no data yet, since {long}"));
            (head.right(Tone::Faint, &words, width), None)
        }
        Freshness::Unseen { why, again: at } => (
            head.right(Tone::Bad, "NO DATA", width),
            Some(format!("cannot be looked at: {why}{}", again(at))),
        ),
        Freshness::Stale { at, why, again: when } => (
            head.right(Tone::Warm, &format!("STALE, {}", ago(at, now)), width),
            Some(format!("not renewed: {why}{}", again(when))),
        ),
    };
    let most = if frame.whole { 12 } else { 2 };
    let why = why.map(|why| wrapped(Tone::Warm, &why, 2, width, most)).unwrap_or_default();
    std::iter::once(head).chain(why).collect()
}

/// The same for a source whose section stands above: why it cannot be looked at is not said twice on one screen.
fn heading_again(title: &str, source: Source, state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading(title, source, state, frame);
    if !frame.whole {
        rows.truncate(1);
    }
    rows
}

/// Of many entries, as many as there is room for, and how many there are besides.
fn listed<T>(all: &[T], frame: Frame, rows: &mut Vec<Row>, entry: impl Fn(&T) -> Vec<Row>) {
    let most = if frame.whole { all.len() } else { frame.most };
    rows.extend(all.iter().take(most).flat_map(entry));
    if let Some(more) = all.len().checked_sub(most).filter(|more| *more > 0) {
        rows.push(Row::new().with(Tone::Faint, &format!("  … and {more} more (Tab)")).fit(frame.width));
    }
}

fn nothing(tone: Tone, text: &str, frame: Frame) -> Vec<Row> {
    wrapped(tone, text, 2, frame.width, 3)
}

/// What is wrong: causes before what they affect, and otherwise the worst first, as the sweep has it.
fn wrong(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading("WHAT IS WRONG", Source::Health, state, frame);
    let Some(sweep) = state.sweep() else { return rows };
    let all: Vec<&Checked> = sweep.components.iter().filter(|it| is_wrong(it.health)).collect();
    if all.is_empty() {
        let said = match sweep.components.len() {
            0 => nothing(
                Tone::Warm,
                "nothing was found to check: is anything tagged watchkeeper:environment?",
                frame,
            ),
            _ => nothing(Tone::Good, "nothing: all that was checked is ok", frame),
        };
        rows.extend(said);
    }
    listed(&all, frame, &mut rows, |it| checked(it, frame));
    for gap in sweep.incomplete.iter().take(if frame.whole { usize::MAX } else { 1 }) {
        rows.extend(wrapped(
            Tone::Warm,
            &format!("not looked at: {gap}"),
            2,
            frame.width,
            if frame.whole { 9 } else { 1 },
        ));
    }
    rows
}

/// One thing that was checked: its state, since when, why, and where all is told, what to do.
fn checked(it: &Checked, frame: Frame) -> Vec<Row> {
    let (tone, word) = state_of(it.health);
    let since = it.since.map(|since| format!("for {}", lasting(since, frame.now))).unwrap_or_default();
    let head = Row::new()
        .column(tone, word, WORD)
        .with(Tone::Plain, &format!("{} ", it.kind.title()))
        .with(Tone::Strong, &it.name)
        .right(Tone::Faint, &since, frame.width);
    let mut rows = vec![head];
    let below = |tone, text: &str, most| wrapped(tone, text, WORD, frame.width, most);
    let lines = match (frame.whole, frame.is_roomy()) {
        (true, _) => 9,
        (false, true) => 2,
        // Something else has to be seen as well.
        (false, false) => 1,
    };
    rows.extend(below(Tone::Plain, &it.reason, lines));
    if !it.because_of.is_empty() {
        rows.extend(below(
            Tone::Faint,
            &format!("because of {}", it.because_of.join(", ")),
            if frame.whole { 9 } else { 1 },
        ));
    }
    if frame.whole {
        if !it.affects.is_empty() {
            rows.extend(below(Tone::Faint, &format!("affects {}", it.affects.join(", ")), 9));
        }
        for todo in &it.todo {
            rows.extend(below(Tone::Faint, &format!("do: {todo}"), 9));
        }
    }
    rows
}

/// The value of something that a check saw.
fn saw<'a>(it: &'a Checked, name: &str) -> &'a str {
    it.evidence.iter().find(|fact| fact.name == name).map_or("", |fact| fact.value.as_str())
}

/// Those of a kind, what is wrong first.
fn of_kind(state: &State, kind: Kind) -> Vec<&Checked> {
    let all = state.sweep().into_iter().flat_map(|sweep| &sweep.components);
    let mut them: Vec<&Checked> = all.filter(|it| it.kind == kind).collect();
    them.sort_by(|a, b| (b.health, &a.name).cmp(&(a.health, &b.name)));
    them
}

/// Running and desired tasks, and whether it is being deployed.
fn services(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading_again("SERVICES", Source::Health, state, frame);
    if state.sweep().is_none() {
        return rows;
    }
    let all = of_kind(state, Kind::Service);
    let has_room = frame.is_roomy();
    let telling: Vec<&Checked> = all
        .iter()
        .copied()
        .filter(|it| has_room || is_wrong(it.health) || !saw(it, "Deployed for").is_empty())
        .collect();
    let name = parts::names(telling.iter().map(|it| it.name.as_str()), frame);
    listed(&telling, frame, &mut rows, |it| vec![parts::service(it, name, frame)]);
    rows.extend(others(
        state,
        Kind::Service,
        (all.len() - telling.len(), all.len()),
        "ok, none of them being deployed",
        frame,
    ));
    rows
}

/// Of things that are checked: how many there are of which nothing is to be told.
fn others(state: &State, kind: Kind, (quiet, all): (usize, usize), how: &str, frame: Frame) -> Vec<Row> {
    let asked = &state.place.kinds;
    if all == 0 && !asked.is_empty() && !asked.iter().any(|asked| asked == kind.word()) {
        let words = format!("not looked at: --kind names other kinds than {}", kind.word());
        return nothing(Tone::Faint, &words, frame);
    }
    rest((quiet, all), kind.title(), how, frame)
}

/// Of so many, the quiet ones are not told of one by one.
fn rest((quiet, all): (usize, usize), what: &str, how: &str, frame: Frame) -> Vec<Row> {
    let count = |count: usize| many(u64::try_from(count).unwrap_or(u64::MAX), what);
    match (quiet, all) {
        (_, 0) => nothing(Tone::Faint, &format!("no {what} belongs to this environment"), frame),
        (0, _) => Vec::new(),
        (quiet, all) if quiet == all => nothing(Tone::Good, &format!("{}: {how}", count(all)), frame),
        (quiet, _) => nothing(Tone::Faint, &format!("{} more: {how}", count(quiet)), frame),
    }
}

fn is_firing(it: &Checked) -> bool {
    it.kind == Kind::Alarm && saw(it, "State") == "ALARM"
}

/// Those that fire first.
fn alarms(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading_again("ALARMS", Source::Health, state, frame);
    if state.sweep().is_none() {
        return rows;
    }
    let all = of_kind(state, Kind::Alarm);
    let (firing, silent): (Vec<&Checked>, Vec<&Checked>) = all.iter().copied().partition(|it| is_firing(it));
    let wrong = silent.iter().copied().filter(|it| frame.whole || is_wrong(it.health));
    let telling: Vec<&Checked> = firing.into_iter().chain(wrong).collect();
    listed(&telling, frame, &mut rows, |it| parts::alarm(it, frame));
    rows.extend(others(state, Kind::Alarm, (all.len() - telling.len(), all.len()), "not firing", frame));
    rows
}

/// Dead letters, what is lost first; then the queues that are worked on, and the services that follow one.
fn queues(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading("DEAD LETTERS", Source::Letters, state, frame);
    if let Some(letters) = state.letters() {
        let full = |it: &&DeadLetters| frame.whole || it.waiting + it.in_hand > 0;
        let telling: Vec<&DeadLetters> = letters.queues.iter().filter(full).collect();
        let name = parts::names(telling.iter().map(|it| it.queue.as_str()), frame);
        listed(&telling, frame, &mut rows, |it| parts::dead_letters(it, name, frame));
        rows.extend(rest(
            (letters.queues.len() - telling.len(), letters.queues.len()),
            "dead-letter queue",
            "empty",
            frame,
        ));
        for blind in letters.blind.iter().take(if frame.whole { usize::MAX } else { 1 }) {
            rows.extend(wrapped(
                Tone::Warm,
                &format!("not looked at: {blind}"),
                2,
                frame.width,
                if frame.whole { 9 } else { 1 },
            ));
        }
    }
    rows.push(Row::new());
    rows.extend(heading_again("WORK QUEUES", Source::Health, state, frame));
    if state.sweep().is_some() {
        let all = of_kind(state, Kind::Queue);
        let telling: Vec<&Checked> =
            all.iter().copied().filter(|it| frame.whole || is_wrong(it.health)).collect();
        let name = parts::names(telling.iter().map(|it| it.name.as_str()), frame);
        listed(&telling, frame, &mut rows, |it| vec![parts::queue(it, name, frame)]);
        rows.extend(others(state, Kind::Queue, (all.len() - telling.len(), all.len()), "ok", frame));
    }
    let followers = state.followers().unwrap_or_default();
    let doubted = matches!(
        state.freshness(Source::Scaling, frame.now),
        Freshness::Unseen { .. } | Freshness::Stale { .. }
    );
    // Where the policy has none, there is nothing to say.
    if !followers.is_empty() || doubted {
        rows.push(Row::new());
        rows.extend(heading("SERVICES THAT FOLLOW A QUEUE", Source::Scaling, state, frame));
        let name = parts::names(followers.iter().map(|it| it.service.as_str()), frame);
        let them: Vec<&Follower> = followers.iter().collect();
        listed(&them, frame, &mut rows, |it| parts::follower(it, name, frame));
    }
    rows
}

/// Everything that was checked, by kind.
fn checks(state: &State, frame: Frame) -> Vec<Row> {
    let mut rows = heading("EVERYTHING THAT WAS CHECKED", Source::Health, state, frame);
    let Some(sweep) = state.sweep() else { return rows };
    let mut all: Vec<&Checked> = sweep.components.iter().collect();
    all.sort_by(|a, b| (b.health, a.kind, &a.name).cmp(&(a.health, b.kind, &b.name)));
    for it in all {
        let (tone, word) = state_of(it.health);
        let row = Row::new()
            .column(tone, word, WORD)
            .with(Tone::Plain, &format!("{} {}", it.kind.title(), it.name))
            .with(Tone::Faint, &format!("  {}", it.reason));
        rows.push(row.fit(frame.width));
    }
    rows
}
