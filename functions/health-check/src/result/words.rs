//! The words that the formats share: how many, how long, which.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::component::Kind;
use crate::decision::Health;
use crate::result::{Checked, Counts, Sweep};

/// So many of a kind, such as `5 queues`.
pub(crate) fn counted(kind: Kind, many: usize) -> String {
    let title = kind.title();
    let uncountable = matches!(kind, Kind::AwsHealth | Kind::Scaling | Kind::StoppedTasks | Kind::Tagging);
    match many {
        1 => format!("1 {title}"),
        _ if uncountable => format!("{many} × {title}"),
        _ => format!("{many} {title}s"),
    }
}

/// How many are how, in words, the worst first; what there is none of is left out.
pub(crate) fn tally(counts: &Counts) -> String {
    let said: Vec<_> = Health::ALL
        .into_iter()
        .map(|health| (count(counts, health), health))
        .filter(|(many, _)| *many > 0)
        .map(|(many, health)| format!("{many} {}", spoken(health)))
        .collect();
    if said.is_empty() { "nothing was checked".to_owned() } else { said.join(", ") }
}

/// How many are so.
pub(crate) const fn count(counts: &Counts, health: Health) -> usize {
    match health {
        Health::Failed => counts.failed,
        Health::Degraded => counts.degraded,
        Health::Unknown => counts.unknown,
        Health::Healthy => counts.healthy,
        Health::NotApplicable => counts.not_applicable,
    }
}

/// As a person says it.
pub(crate) const fn spoken(health: Health) -> &'static str {
    match health {
        Health::NotApplicable => "not applicable",
        Health::Healthy | Health::Unknown | Health::Degraded | Health::Failed => health.word(),
    }
}

/// From then till then, in the two largest units: `2 h 10 min`.
pub(crate) fn lasting(from: Timestamp, till: Timestamp) -> String {
    let minutes = till.duration_since(from).as_mins();
    let (days, hours, minutes) = (minutes / (24 * 60), minutes / 60 % 24, minutes % 60);
    let two = |large: i64, unit: &str, small: i64, below: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {below}"),
    };
    match (days, hours) {
        (1.., _) => two(days, "d", hours, "h"),
        (_, 1..) => two(hours, "h", minutes, "min"),
        _ if minutes > 0 => format!("{minutes} min"),
        _ => "less than a minute".to_owned(),
    }
}

/// How long the sweep took: `850 ms`, `2.1 s`, `4 min 10 s`.
pub(crate) fn took(sweep: &Sweep) -> String {
    match sweep.took_ms {
        ms @ ..1000 => format!("{ms} ms"),
        ms @ ..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// To the minute, in UTC.
pub(crate) fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// In a narrow column: with the time while it is news, and only the day when it is long ago.
pub(crate) fn narrow(at: Timestamp, now: Timestamp) -> String {
    let old = now.duration_since(at) > SignedDuration::from_hours(180 * 24);
    at.strftime(if old { "%Y-%m-%d" } else { "%d %b %H:%M" }).to_string()
}

/// What is so, by kind.
pub(crate) fn by_kind(sweep: &Sweep, health: Health) -> BTreeMap<Kind, Vec<&Checked>> {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for checked in sweep.components.iter().filter(|checked| checked.health == health) {
        kinds.entry(checked.kind).or_default().push(checked);
    }
    kinds
}

/// What is so, in one line: `34 healthy: 5 queues, 3 services`; nothing where there is none.
pub(crate) fn rolled(sweep: &Sweep, health: Health) -> Option<String> {
    let mut kinds: Vec<_> =
        by_kind(sweep, health).into_iter().map(|(kind, them)| (kind, them.len())).collect();
    kinds.sort_by(|(kind, many), (other, more)| more.cmp(many).then(kind.title().cmp(other.title())));
    let all: usize = kinds.iter().map(|(_, many)| many).sum();
    let each: Vec<_> = kinds.into_iter().map(|(kind, many)| counted(kind, many)).collect();
    (all > 0).then(|| format!("{all} {}: {}", spoken(health), each.join(", ")))
}

/// What is wrong, in the sweep's order: causes before what they affect.
pub(crate) fn wrong(sweep: &Sweep) -> impl Iterator<Item = &Checked> {
    sweep.components.iter().filter(|checked| checked.health.is_bad())
}

/// What is so.
pub(crate) fn those(sweep: &Sweep, health: Health) -> impl Iterator<Item = &Checked> {
    sweep.components.iter().filter(move |checked| checked.health == health)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{counted, lasting, narrow, tally};
    use crate::component::Kind;
    use crate::result::Counts;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn how_long_is_said_in_the_two_largest_units() {
        let from = at("2026-11-26T10:00:00Z");
        let cases = [
            ("2026-11-26T10:00:59Z", "less than a minute"),
            ("2026-11-26T09:00:00Z", "less than a minute"),
            ("2026-11-26T10:01:00Z", "1 min"),
            ("2026-11-26T11:00:30Z", "1 h"),
            ("2026-11-26T12:10:00Z", "2 h 10 min"),
            ("2026-11-27T10:00:00Z", "1 d"),
            ("2026-11-29T14:59:00Z", "3 d 4 h"),
            ("2028-11-26T10:00:00Z", "731 d"),
        ];
        for (till, expected) in cases {
            assert_eq!(lasting(from, at(till)), expected, "{till}");
        }
    }

    #[test]
    fn a_time_long_ago_is_only_a_day() {
        let now = at("2026-11-26T10:00:00Z");
        assert_eq!(narrow(at("2026-11-02T09:05:00Z"), now), "02 Nov 09:05");
        assert_eq!(narrow(at("2025-11-02T09:05:00Z"), now), "2025-11-02");
    }

    #[test]
    fn many_are_said_in_the_plural_where_there_is_one() {
        let cases = [
            (Kind::Queue, 1, "1 queue"),
            (Kind::Queue, 5, "5 queues"),
            (Kind::WebAcl, 2, "2 web ACLs"),
            (Kind::StoppedTasks, 1, "1 stopped tasks"),
            (Kind::StoppedTasks, 2, "2 × stopped tasks"),
            (Kind::Scaling, 3, "3 × autoscaling"),
        ];
        for (kind, many, expected) in cases {
            assert_eq!(counted(kind, many), expected);
        }
        let counts = Counts { failed: 1, healthy: 3, not_applicable: 2, ..Counts::default() };
        assert_eq!(tally(&counts), "1 failed, 3 healthy, 2 not applicable");
        assert_eq!(tally(&Counts::default()), "nothing was checked");
    }
}
