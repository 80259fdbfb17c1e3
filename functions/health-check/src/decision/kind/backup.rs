//! How a resource can be brought back: a recovery point of AWS Backup, or what the service keeps by itself.
//!
//! One that is fresh is enough.

use jiff::{SignedDuration, Timestamp};
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// What is kept of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The recovery points that AWS Backup has of it.
    pub points: Vec<Point>,
    /// What its service keeps by itself.
    pub own: Own,
    /// Since when the resource is there, where that is known: a new one has not been backed up yet.
    pub created: Option<Timestamp>,
    /// Why something of this could not be asked.
    pub unasked: Vec<Verdict>,
}

/// A recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Point {
    /// `Status`, such as `COMPLETED`; a word of AWS that may be new.
    pub status: String,
    /// What AWS Backup says of the status.
    pub message: String,
    /// When it was made; of one that goes on, when it was begun.
    pub made: Option<Timestamp>,
    /// Whether it goes on: it leads back to each point in time.
    pub goes_on: bool,
}

/// What the service of a resource keeps by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Own {
    /// Nothing, or it was not asked.
    #[default]
    None,
    /// It can be turned on, and is off.
    Off,
    /// It is on.
    On,
    /// It leads back to this time.
    Until(Timestamp),
}

impl Facts {
    /// Whether it can be taken back to a time that is near enough.
    pub fn is_fresh(&self, rules: &Rules, now: Timestamp) -> bool {
        newest(self, now).is_some_and(|at| now.duration_since(at) <= rules.thresholds.backup)
    }
}

/// How well the resource is backed up.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    let limit = rules.thresholds.backup;
    let newest = newest(facts, now);
    if let Some(newest) = newest {
        found.saw("Newest backup", newest);
    }
    told(&mut found, facts);
    attempts(&mut found, facts);
    let age = newest.map(|at| now.duration_since(at));
    if let Some(age) = age.filter(|age| *age <= limit) {
        for why in &facts.unasked {
            found.saw("Not asked", &why.reason);
        }
        return found.verdict(format!("it is backed up: {}", old(age)));
    }
    for why in &facts.unasked {
        found.unknown(&why.reason, why.todo.join(" "));
    }
    let mut sure = facts.unasked.is_empty();
    for word in facts.points.iter().map(|point| point.status.as_str()).filter(|word| !is_known(word)) {
        let why = match word {
            "" => "AWS Backup does not say the state of a recovery point".to_owned(),
            word => format!("AWS Backup says a state that is not known here: {word}"),
        };
        found.unknown(why, "Check it by hand.");
        sure = false;
    }
    let why = match age {
        Some(age) => format!("its newest backup is too old: {}", old(age)),
        None => "it has no backup".to_owned(),
    };
    let young = facts.created.is_some_and(|at| now.duration_since(at) <= limit);
    if young && age.is_none() {
        found.not_applicable("it is too new to be backed up");
    } else if !expected.protected {
        found.not_applicable(format!("{why}, and need not have one"));
    } else if sure {
        let todo = "Take it into a backup plan, or turn the backups of its own service on, and look why none was made.";
        found.degraded(why, todo);
    }
    found.verdict("it is backed up")
}

/// To when the resource can be taken back.
fn newest(facts: &Facts, now: Timestamp) -> Option<Timestamp> {
    let points = facts.points.iter().filter_map(|point| match point.status.as_str() {
        "AVAILABLE" | "COMPLETED" if point.goes_on => Some(now),
        "AVAILABLE" | "COMPLETED" => point.made,
        _ => None,
    });
    let own = match facts.own {
        Own::None | Own::Off => None,
        Own::On => Some(now),
        Own::Until(at) => Some(at),
    };
    points.chain(own).max()
}

fn is_known(status: &str) -> bool {
    ["AVAILABLE", "COMPLETED", "CREATING", "DELETING", "EXPIRED", "PARTIAL", "STOPPED"].contains(&status)
}

fn told(found: &mut Findings, facts: &Facts) {
    let of = |status: &str| facts.points.iter().filter(|point| point.status == status).count();
    found.saw("Recovery points", facts.points.len());
    for status in ["PARTIAL", "EXPIRED", "STOPPED"] {
        let count = of(status);
        if 0 < count {
            found.saw(&format!("Recovery points {status}"), count);
        }
    }
    match facts.own {
        Own::None => {}
        Own::Off => {
            found.saw("Backups of its own service", "off");
        }
        Own::On => {
            found.saw("Backups of its own service", "on");
        }
        Own::Until(at) => {
            found.saw("Restorable until", at);
        }
    }
}

/// Whether AWS Backup got something done when it last tried.
fn attempts(found: &mut Findings, facts: &Facts) {
    let tried =
        facts.points.iter().filter(|point| !["CREATING", "DELETING"].contains(&point.status.as_str()));
    let Some(last) = tried.max_by_key(|point| point.made) else { return };
    if ["PARTIAL", "STOPPED"].contains(&last.status.as_str()) {
        let message = if last.message.is_empty() { String::new() } else { format!(": {}", last.message) };
        found.degraded(
            format!("its newest recovery point is {}{message}", last.status),
            "Look at its backup job, and let AWS Backup make a new one.",
        );
    }
}

fn old(age: SignedDuration) -> String {
    match age.as_hours() {
        ..=0 => "less than an hour old".to_owned(),
        hours @ 1..48 => format!("{hours} h old"),
        hours => format!("{} d old", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Health as Rules;
    use shared::policy::health::{Expectations, Expected};

    use super::{Facts, Own, Point, verdict};
    use crate::decision::{Findings, Health, Verdict};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn point(status: &str, made: &str) -> Point {
        Point { status: status.to_owned(), made: made.parse().ok(), ..Point::default() }
    }

    fn of(points: &[Point]) -> Facts {
        Facts { points: points.to_vec(), ..Facts::default() }
    }

    fn own(own: Own) -> Facts {
        Facts { own, ..Facts::default() }
    }

    #[track_caller]
    fn check(facts: &Facts, expected: &Expected, health: Health, reason: &str) -> Verdict {
        let verdict = verdict(facts, &Rules::default(), expected, at("2026-11-26T12:00:00Z"));
        assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
        assert!(verdict.reason.contains(reason), "{reason}: {verdict:?}");
        let quiet = matches!(health, Health::Healthy | Health::NotApplicable);
        assert_eq!(quiet, verdict.todo.is_empty(), "what is to do: {verdict:?}");
        verdict
    }

    fn prod() -> Expected {
        Expectations::default().of("prod", true)
    }

    #[test]
    fn one_fresh_way_back_is_enough() {
        let old = point("COMPLETED", "2026-01-01T00:00:00Z");
        let goes_on = Point { goes_on: true, ..point("AVAILABLE", "2026-01-01T00:00:00Z") };
        let cases = [
            (of(&[old.clone(), point("COMPLETED", "2026-11-26T09:00:00Z")]), "it is backed up: 3 h old"),
            (of(&[point("COMPLETED", "2026-11-25T10:00:00Z")]), "it is backed up: 26 h old"),
            (of(&[goes_on]), "it is backed up: less than an hour old"),
            (own(Own::On), "it is backed up: less than an hour old"),
            (own(Own::Until(at("2026-11-26T11:55:00Z"))), "it is backed up: less than an hour old"),
            (Facts { own: Own::Until(at("2026-11-26T10:00:00Z")), ..of(&[old]) }, "it is backed up: 2 h old"),
        ];
        for (facts, reason) in cases {
            check(&facts, &prod(), Health::Healthy, reason);
        }
    }

    #[test]
    fn without_one_it_is_degraded_where_data_is_protected_and_nothing_elsewhere() {
        let cases = [
            (Facts::default(), "it has no backup"),
            (own(Own::Off), "it has no backup"),
            (of(&[point("COMPLETED", "2026-11-25T09:59:59Z")]), "its newest backup is too old: 26 h old"),
            (of(&[point("COMPLETED", "2026-11-01T00:00:00Z")]), "its newest backup is too old: 25 d old"),
            (of(&[point("AVAILABLE", "2026-11-01T00:00:00Z")]), "its newest backup is too old: 25 d old"),
            (own(Own::Until(at("2026-11-20T12:00:00Z"))), "its newest backup is too old: 6 d old"),
            (of(&[point("COMPLETED", "never")]), "it has no backup"),
            (of(&[point("CREATING", "2026-11-26T11:59:00Z")]), "it has no backup"),
            (of(&[point("EXPIRED", "2026-11-26T11:59:00Z")]), "it has no backup"),
        ];
        let dev = Expectations::default().of("dev", false);
        for (facts, reason) in cases {
            check(&facts, &prod(), Health::Degraded, reason);
            check(&facts, &dev, Health::NotApplicable, reason);
        }
        let new = |text: &str| Facts { created: Some(at(text)), ..Facts::default() };
        check(&new("2026-11-25T10:00:00Z"), &prod(), Health::NotApplicable, "it is too new");
        check(&new("2026-11-25T09:59:59Z"), &prod(), Health::Degraded, "it has no backup");
    }

    #[test]
    fn what_aws_backup_did_not_get_done_is_told_beside_what_is_fresh() {
        let fresh = point("COMPLETED", "2026-11-26T09:00:00Z");
        let partial = Point { message: "no time".to_owned(), ..point("PARTIAL", "2026-11-26T10:00:00Z") };
        let reason = "its newest recovery point is PARTIAL: no time";
        check(&of(&[partial.clone(), fresh.clone()]), &prod(), Health::Degraded, reason);
        check(
            &of(&[point("STOPPED", "2026-11-26T10:00:00Z"), fresh.clone()]),
            &prod(),
            Health::Degraded,
            "STOPPED",
        );
        let later = point("COMPLETED", "2026-11-26T11:00:00Z");
        let verdict = check(&of(&[partial, later, fresh]), &prod(), Health::Healthy, "1 h old");
        assert!(verdict.evidence.iter().any(|fact| fact.name == "Recovery points PARTIAL"), "{verdict:?}");
    }

    #[test]
    fn what_could_not_be_asked_is_unknown_unless_another_way_back_is_fresh() {
        let mut denied = Findings::new();
        denied.unknown("could not be checked: denied", "Allow it.");
        let unasked = vec![denied.verdict("")];
        let none = Facts { unasked: unasked.clone(), ..Facts::default() };
        let verdict = check(&none, &prod(), Health::Unknown, "could not be checked: denied");
        assert_eq!(verdict.todo, ["Allow it."]);
        let verdict = check(&Facts { unasked, ..own(Own::On) }, &prod(), Health::Healthy, "it is backed up");
        assert!(verdict.evidence.iter().any(|fact| fact.name == "Not asked"), "{verdict:?}");
    }

    #[test]
    fn a_state_that_is_not_known_is_unknown_and_named() {
        let dev = Expectations::default().of("dev", false);
        let odd = of(&[point("MELTED", "2026-11-26T09:00:00Z")]);
        for expected in [&prod(), &dev] {
            check(&odd, expected, Health::Unknown, "AWS Backup says a state that is not known here: MELTED");
        }
        check(&of(&[point("", "2026-11-26T09:00:00Z")]), &dev, Health::Unknown, "does not say the state");
    }
}
