//! What the digest says: the morning round, in one message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::policy::health::Digest;

use super::Health;
use crate::component::Kind;
use crate::result::{Checked, Sweep};

/// So many lines of one heading; the others are counted.
const LINES: usize = 10;

/// Whether a digest is due, and whether that is the weekly one. What was due while nobody looked is told once. Where none was
/// told yet, what was due since the first sweep that is remembered counts.
#[must_use]
pub fn due(
    rules: &Digest,
    told: Option<Timestamp>,
    first_sweep: Option<Timestamp>,
    now: Timestamp,
) -> Option<bool> {
    let (due, weekly) = rules.last_due(now)?;
    let since = told.or(first_sweep)?;
    (since < due).then_some(weekly)
}

/// The headings of the morning round: the kinds under each.
const DAILY: [(&str, &[Kind]); 7] = [
    ("Alarms firing", &[Kind::Alarm]),
    ("Certificates", &[Kind::Certificate, Kind::Tls]),
    ("Deployments and stacks", &[Kind::Service, Kind::Stack, Kind::StoppedTasks, Kind::TaskDefinition]),
    ("Dead letters and queues", &[Kind::Letters, Kind::Queue]),
    ("Databases and backups", &[Kind::Backup, Kind::Instance, Kind::Cluster, Kind::Cache, Kind::Table]),
    ("Secrets and keys", &[Kind::Secret, Kind::Key]),
    ("AWS", &[Kind::AwsHealth]),
];

/// What the weekly round looks at beside it.
const WEEKLY: [(&str, &[Kind]); 3] = [
    ("Cost", &[Kind::Budget]),
    ("Security", &[Kind::Image, Kind::WebAcl, Kind::Listener, Kind::Bucket, Kind::Tagging]),
    ("Capacity", &[Kind::Scaling]),
];

/// The facts of the digest, in order: heading and text. Healthy headings say so in one line.
#[must_use]
pub fn facts(sweep: &Sweep, weekly: bool) -> Vec<(String, String)> {
    let mut headings: Vec<(&str, &[Kind])> = DAILY.to_vec();
    // What a month costs is looked at every day; the rest of the weekly round takes an hour that nobody has daily.
    headings.extend(WEEKLY.iter().filter(|(name, _)| weekly || *name == "Cost"));
    let mut facts: Vec<(String, String)> = headings
        .into_iter()
        .filter_map(|(heading, kinds)| Some((heading.to_owned(), said(sweep, kinds)?)))
        .collect();
    let listed = |kind: Kind| DAILY.iter().chain(&WEEKLY).any(|(_, kinds)| kinds.contains(&kind));
    let others: Vec<&Checked> =
        sweep.components.iter().filter(|it| it.health.is_bad() && !listed(it.kind)).collect();
    if !others.is_empty() {
        facts.push(("Everything else".to_owned(), lines(&others)));
    }
    facts
}

fn said(sweep: &Sweep, kinds: &[Kind]) -> Option<String> {
    let of: Vec<&Checked> = sweep.components.iter().filter(|it| kinds.contains(&it.kind)).collect();
    let bad: Vec<&Checked> = of.iter().copied().filter(|it| it.health.is_bad()).collect();
    let unknown = of.iter().filter(|it| it.health == Health::Unknown).count();
    let mut text = match (of.is_empty(), bad.is_empty()) {
        (true, _) => return None,
        (false, true) => {
            let well = of.iter().filter(|it| it.health == Health::Healthy).count();
            // What a number says of itself is worth reading also where it is well.
            match (kinds, of.first()) {
                ([Kind::Budget], Some(budget)) => budget.reason.clone(),
                _ => format!("all {well} well"),
            }
        }
        (false, false) => lines(&bad),
    };
    if unknown > 0 {
        text = format!("{text}; {unknown} could not be checked");
    }
    Some(text)
}

fn lines(bad: &[&Checked]) -> String {
    let mut lines: Vec<String> =
        bad.iter().take(LINES).map(|it| format!("{} {}: {}", it.health.word(), it.name, it.reason)).collect();
    if bad.len() > LINES {
        lines.push(format!("{} more", bad.len() - LINES));
    }
    lines.join("\n")
}

/// How many of each kind were looked at, the most first.
#[must_use]
pub fn kinds(sweep: &Sweep) -> Vec<(Kind, usize)> {
    let mut counts = BTreeMap::new();
    for checked in &sweep.components {
        *counts.entry(checked.kind).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::policy::Policy;

    use super::due;

    #[test]
    fn a_digest_is_told_once_at_its_hour_and_made_good_when_nobody_looked() {
        let text = "health: {digest: {daily: '08:00', weekly: thu, zone: UTC}}";
        let rules = Policy::parse("policy", text).unwrap().health.digest;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // 2026-11-26 is a Thursday.
        let cases = [
            (None, None, "2026-11-26T09:00:00Z", None),
            (None, Some("2026-11-26T08:30:00Z"), "2026-11-26T09:00:00Z", None),
            (None, Some("2026-11-26T07:30:00Z"), "2026-11-26T08:00:00Z", Some(true)),
            (Some("2026-11-26T08:00:10Z"), Some("2026-11-20T07:30:00Z"), "2026-11-26T12:00:00Z", None),
            (Some("2026-11-26T08:00:10Z"), None, "2026-11-27T08:00:00Z", Some(false)),
            (Some("2026-11-22T08:00:10Z"), None, "2026-11-26T07:00:00Z", Some(false)),
        ];
        for (told, first, now, expected) in cases {
            assert_eq!(
                due(&rules, told.map(at), first.map(at), at(now)),
                expected,
                "{told:?} {first:?} {now}"
            );
        }
    }
}
