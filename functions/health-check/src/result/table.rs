//! A table of what is not healthy, as wide as the terminal; the rest is counted by kind.

use shared::text::clean;

use crate::decision::Health;
use crate::result::words::{narrow, rolled, tally, those, took, when, wrong};
use crate::result::{Checked, Sweep};

/// How wide it is where nobody says it, in characters.
pub(super) const WIDTH: usize = 100;

/// Narrower than this nothing can be read.
const NARROWEST: usize = 60;

/// How wide a column may be: state, kind, name, since, and at least the reason.
const WIDEST: [usize; 5] = [8, 21, 30, 12, 20];

/// The columns that give way where there is little room, the name first, and how narrow they may get.
const GIVE: [(usize, usize); 2] = [(2, 16), (1, 9)];

const TITLES: [&str; 5] = ["STATE", "KIND", "NAME", "SINCE", "REASON"];

/// The table.
pub(super) fn write(sweep: &Sweep, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut lines =
        vec![format!("{}, {}: {}", clean(&sweep.environment), when(sweep.began), tally(&sweep.counts))];
    lines.push(format!("{} checked in {}", sweep.components.len(), took(sweep)));
    lines.extend(sweep.incomplete.iter().map(|what| format!("not whole: {}", clean(what))));

    let mut rows: Vec<_> =
        wrong(sweep).chain(those(sweep, Health::Unknown)).map(|it| row(it, sweep)).collect();
    if !rows.is_empty() {
        rows.insert(0, TITLES.map(str::to_owned));
        let widths = widths(&rows, width);
        lines.push(String::new());
        lines.extend(rows.iter().flat_map(|row| laid(row, widths)));
    }
    let rest: Vec<_> = [Health::Healthy, Health::NotApplicable]
        .into_iter()
        .filter_map(|health| rolled(sweep, health))
        .collect();
    if !rest.is_empty() {
        lines.push(String::new());
        lines.extend(rest.iter().flat_map(|line| between_commas(line, width)));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// In lines that are broken only after a comma, and not between a number and what it counts.
fn between_commas(line: &str, width: usize) -> Vec<String> {
    const KEPT: &str = "\u{a0}";
    let items: Vec<_> = line.split(", ").map(|item| item.replace(' ', KEPT)).collect();
    wrapped(&items.join(", "), width).into_iter().map(|line| line.replace(KEPT, " ")).collect()
}

fn row(it: &Checked, sweep: &Sweep) -> [String; 5] {
    let mut reason = clean(&it.reason);
    if !it.because_of.is_empty() {
        reason = format!("{reason} (because of {})", clean(&it.because_of.join(", ")));
    }
    [
        it.health.word().to_owned(),
        it.kind.title().to_owned(),
        clean(&it.name),
        it.since.map(|since| narrow(since, sweep.began)).unwrap_or_default(),
        reason,
    ]
}

/// As wide as the widest cell, within bounds; the reason has the rest of the line.
fn widths(rows: &[[String; 5]], width: usize) -> [usize; 5] {
    let mut widths = WIDEST;
    for (place, (column, widest)) in widths.iter_mut().zip(WIDEST).enumerate().take(4) {
        let longest = rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count()).max();
        *column = longest.unwrap_or_default().min(widest);
    }
    let [.., least] = WIDEST;
    let over = |widths: &[usize; 5]| {
        let taken: usize = widths.iter().take(4).map(|column| column + 2).sum();
        (taken + least).saturating_sub(width)
    };
    for (place, narrowest) in GIVE {
        let over = over(&widths);
        if let Some(column) = widths.get_mut(place) {
            *column = column.saturating_sub(over).max(narrowest.min(*column));
        }
    }
    let left = width.saturating_sub(widths.iter().take(4).map(|column| column + 2).sum());
    let [.., reason] = &mut widths;
    *reason = left.max(1);
    widths
}

/// The lines of one row: each cell goes on below itself.
fn laid(row: &[String; 5], widths: [usize; 5]) -> Vec<String> {
    let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| wrapped(cell, width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    (0..height)
        .map(|line| {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let part = cell.get(line).map_or("", String::as_str);
                text.push_str(part);
                text.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(part.chars().count())));
            }
            text.trim_end().to_owned()
        })
        .collect()
}

/// In lines of at most this width, broken between words, and within one only where it is wider.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut wide) = (Vec::new(), String::new(), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if wide > 0 && wide + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            wide = 0;
        }
        if wide > 0 {
            line.push(' ');
            wide += 1;
        }
        for c in word.chars() {
            if wide == width {
                lines.push(std::mem::take(&mut line));
                wide = 0;
            }
            line.push(c);
            wide += 1;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, wrapped, write};
    use crate::decision::Health;
    use crate::result::samples;

    #[test]
    fn what_is_bad_comes_first_and_what_is_healthy_is_counted() {
        let sweep = samples::of(vec![
            samples::checked("secret:prod/db", Health::Failed, "it is about to be deleted"),
            samples::checked("ecs-service:prod/web", Health::Failed, "0 of 3 tasks run")
                .because_of(&["secret:prod/db"]),
            samples::checked("sqs-queue:orders", Health::Unknown, "sqs:GetQueueAttributes is denied"),
            samples::checked("s3-bucket:assets", Health::Healthy, "it is private"),
            samples::checked("s3-bucket:logs", Health::Healthy, "it is private"),
            samples::checked("kms-key:main", Health::Healthy, "it is enabled"),
            samples::checked("budget:month", Health::NotApplicable, "there is none"),
        ]);
        let expected = "\
prod, 2026-11-26 12:00 UTC: 2 failed, 1 unknown, 3 healthy, 1 not applicable
7 checked in 2.1 s
not whole: the deadline came before 2 log groups

STATE    KIND     NAME      SINCE         REASON
failed   secret   prod/db   26 Nov 09:50  it is about to be deleted
failed   service  prod/web  26 Nov 09:50  0 of 3 tasks run (because of secret:prod/db)
unknown  queue    orders    26 Nov 09:50  sqs:GetQueueAttributes is denied

3 healthy: 2 buckets, 1 KMS key
1 not applicable: 1 budget
";
        assert_eq!(write(&sweep, WIDTH), expected);
    }

    #[test]
    fn nothing_is_cut_and_no_line_is_too_wide() {
        let name = "a-name-that-is-much-longer-than-its-column/".repeat(4);
        let reason =
            "3 of the 12 targets are unhealthy, and none of them has answered within the timeout ".repeat(3);
        let id = format!("route53-health-check:{name}");
        let sweep = samples::of(vec![samples::checked(&id, Health::Degraded, &reason)]);
        for width in [0, 60, 72, 80, 100, 200] {
            for line in write(&sweep, width).lines() {
                assert!(line.chars().count() <= width.max(60), "{width}: {line}");
            }
        }
        let text = write(&sweep, WIDTH);
        let row: Vec<_> = text.lines().skip(5).take_while(|line| !line.is_empty()).collect();
        let column = |from: usize, many: usize| -> String {
            row.iter().map(|line| line.chars().skip(from).take(many).collect::<String>()).collect()
        };
        let name_at = "degraded".len() + 2 + "Route 53 health check".len() + 2;
        assert_eq!(column(name_at, 30).trim(), name);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> =
            row.iter().map(|line| line.chars().skip(name_at + 32 + 14).collect::<String>()).collect();
        assert_eq!(words(&lines.join(" ")), words(&reason));
    }

    #[test]
    fn lines_are_broken_between_words_and_within_a_word_only_where_it_is_wider() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
