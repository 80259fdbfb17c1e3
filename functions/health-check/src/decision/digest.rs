//! What the digest says: the morning round, in one message.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::policy::health::Digest;

use super::Health;
use crate::component::Kind;
use crate::result::words::counted;
use crate::result::{Checked, Sweep};

/// So many lines of one heading; the others are counted.
const LINES: usize = 10;

/// A digest that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When it was due: what makes it the same, whichever sweep tells it.
    pub at: Timestamp,
    /// Whether it is the weekly one.
    pub weekly: bool,
}

/// The digest that is due, if one is. What was due while nobody looked is told once. Where none was
/// told yet, what was due since the first sweep that is remembered counts.
#[must_use]
pub fn due(
    rules: &Digest,
    told: Option<Timestamp>,
    first_sweep: Option<Timestamp>,
    now: Timestamp,
) -> Option<Due> {
    let (at, weekly) = rules.last_due(now)?;
    let since = told.or(first_sweep)?;
    (since < at).then_some(Due { at, weekly })
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

/// The facts of the digest, in order: heading and text. Healthy headings say so in one line, and what could not be checked
/// is never a part of them.
#[must_use]
pub fn facts(sweep: &Sweep, weekly: bool) -> Vec<(String, String)> {
    let mut headings: Vec<(&str, &[Kind])> = DAILY.to_vec();
    // What a month costs is looked at every day; the rest of the weekly round takes an hour that nobody has daily.
    headings.extend(WEEKLY.iter().filter(|(name, _)| weekly || *name == "Cost"));
    let mut facts: Vec<(String, String)> = headings
        .iter()
        .filter_map(|(heading, kinds)| Some(((*heading).to_owned(), said(sweep, kinds)?)))
        .collect();
    let shown = |kind: Kind| headings.iter().any(|(_, kinds)| kinds.contains(&kind));
    let later = |kind: Kind| WEEKLY.iter().any(|(_, kinds)| kinds.contains(&kind));
    let others = || sweep.components.iter().filter(|it| !shown(it.kind));
    // What has failed waits for no week.
    let bad: Vec<&Checked> =
        others().filter(|it| it.health == Health::Failed || it.health.is_bad() && !later(it.kind)).collect();
    let mut text: Vec<String> = Vec::new();
    if !bad.is_empty() {
        text.push(lines(&bad));
    }
    text.extend(unchecked(&others().filter(|it| it.health == Health::Unknown).collect::<Vec<_>>()));
    if !text.is_empty() {
        facts.push(("Everything else".to_owned(), text.join("; ")));
    }
    facts
}

fn said(sweep: &Sweep, kinds: &[Kind]) -> Option<String> {
    let of: Vec<&Checked> = sweep.components.iter().filter(|it| kinds.contains(&it.kind)).collect();
    if of.is_empty() {
        return None;
    }
    let those = |is: &dyn Fn(Health) -> bool| -> Vec<&Checked> {
        of.iter().copied().filter(|it| is(it.health)).collect()
    };
    let (bad, unknown) = (those(&Health::is_bad), those(&|health| health == Health::Unknown));
    let well = those(&|health| health == Health::Healthy).len();
    let mut text: Vec<String> = Vec::new();
    if !bad.is_empty() {
        text.push(lines(&bad));
    } else if unknown.is_empty() {
        text.push(match (kinds, of.first()) {
            // What a number says of itself is worth reading also where it is well.
            ([Kind::Budget], Some(budget)) => budget.reason.clone(),
            _ if well == 0 => "nothing to say of".to_owned(),
            _ => format!("all {well} well"),
        });
    } else if well > 0 {
        text.push(format!("{well} well"));
    }
    text.extend(unchecked(&unknown));
    Some(text.join("; "))
}

/// How many could not be checked, of which kinds; nothing where there is none.
fn unchecked(unknown: &[&Checked]) -> Option<String> {
    let mut counts = BTreeMap::<Kind, usize>::new();
    for checked in unknown {
        *counts.entry(checked.kind).or_default() += 1;
    }
    let kinds: Vec<String> = counts.into_iter().map(|(kind, many)| counted(kind, many)).collect();
    (!kinds.is_empty()).then(|| format!("could not be checked: {}", kinds.join(", ")))
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

    use super::{Due, due, facts};
    use crate::result::samples::{checked, of as sweep};

    #[test]
    fn a_digest_is_told_once_at_its_hour_and_made_good_when_nobody_looked() {
        let text = "health: {digest: {daily: '08:00', weekly: thu, zone: UTC}}";
        let rules = Policy::parse("policy", text).unwrap().health.digest;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // 2026-11-26 is a Thursday.
        let cases = [
            (None, None, "2026-11-26T09:00:00Z", None),
            (None, Some("2026-11-26T08:30:00Z"), "2026-11-26T09:00:00Z", None),
            (
                None,
                Some("2026-11-26T07:30:00Z"),
                "2026-11-26T08:00:00Z",
                Some(("2026-11-26T08:00:00Z", true)),
            ),
            (Some("2026-11-26T08:00:10Z"), Some("2026-11-20T07:30:00Z"), "2026-11-26T12:00:00Z", None),
            (
                Some("2026-11-26T08:00:10Z"),
                None,
                "2026-11-27T08:00:00Z",
                Some(("2026-11-27T08:00:00Z", false)),
            ),
            (
                Some("2026-11-22T08:00:10Z"),
                None,
                "2026-11-26T07:00:00Z",
                Some(("2026-11-25T08:00:00Z", false)),
            ),
        ];
        for (told, first, now, expected) in cases {
            let expected = expected.map(|(due, weekly)| Due { at: at(due), weekly });
            assert_eq!(
                due(&rules, told.map(at), first.map(at), at(now)),
                expected,
                "{told:?} {first:?} {now}"
            );
        }
    }

    #[test]
    fn what_could_not_be_looked_at_makes_no_heading_look_well_and_what_failed_waits_for_no_week() {
        use crate::decision::Health::{Degraded, Failed, Healthy, NotApplicable, Unknown};
        let cases = [
            ("secret:a", Unknown, "Secrets and keys", Some("could not be checked: 1 secret")),
            ("secret:a", Healthy, "Secrets and keys", Some("all 1 well")),
            ("secret:a", NotApplicable, "Secrets and keys", Some("nothing to say of")),
            ("secret:a", Failed, "Secrets and keys", Some("failed a: said")),
            ("budget:costs", Unknown, "Cost", Some("could not be checked: 1 budget")),
            ("lambda-function:a", Unknown, "Everything else", Some("could not be checked: 1 function")),
            ("lambda-function:a", Degraded, "Everything else", Some("degraded a: said")),
            // What the weekly round looks at.
            ("image:a", Failed, "Everything else", Some("failed a: said")),
            ("image:a", Unknown, "Everything else", Some("could not be checked: 1 image")),
            ("image:a", Degraded, "Everything else", None),
        ];
        for (id, health, heading, expected) in cases {
            let sweep = sweep(vec![checked(id, health, "said")]);
            let facts = facts(&sweep, false);
            let text = facts.iter().find(|(name, _)| name == heading).map(|(_, text)| text.as_str());
            assert_eq!(text, expected, "{id} {health:?} {facts:?}");
        }
        let of = [
            checked("secret:a", Unknown, ""),
            checked("secret:b", Healthy, ""),
            checked("kms-key:k", Unknown, ""),
        ];
        let facts = facts(&sweep(of.to_vec()), false);
        assert_eq!(facts[0].1, "1 well; could not be checked: 1 KMS key, 1 secret");
    }
}
