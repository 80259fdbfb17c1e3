//! A hosted zone: there, with records that lead somewhere.
//!
//! A record that leads nowhere serves nobody, and where its target can be had by others, they are served by them. Only
//! records that say where an address is are followed: those with an underscore (proofs of ownership, DKIM) lead to text.

use crate::decision::{Findings, Verdict};

/// How many dangling records are named.
const NAMED: usize = 5;

/// What is known of a hosted zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The API does not know it.
    pub gone: bool,
    /// Its domain, such as `example.com.`.
    pub domain: String,
    /// Only its VPCs are answered from it.
    pub private: bool,
    /// How many record sets were read.
    pub records: usize,
    /// Whether the domain's start of authority and its name servers were among them.
    pub authority: bool,
    /// Why not all records could be read.
    pub unlisted: Option<Verdict>,
    /// Records that lead nowhere: name and target.
    pub dangling: Vec<(String, String)>,
    /// Targets of which it is not known whether they lead anywhere, and why.
    pub unresolved: Vec<(String, String)>,
    /// How many targets were left out, for there are too many.
    pub left_out: usize,
}

/// How the hosted zone is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent("it does not exist any more", "Create it again, or take what names it away.");
        return found.verdict("");
    }
    found.saw("Domain", &facts.domain).saw("Records", facts.records);
    if facts.private {
        found.saw("Private", "its records are not followed");
    }
    if 0 < facts.left_out {
        found.saw("Not followed", format!("{} records, for there are many", facts.left_out));
    }
    match &facts.unlisted {
        Some(why) => {
            found.unknown(format!("its records {}", why.reason), why.todo.join(" "));
        }
        None if !facts.authority => {
            found.unknown(
                "its start of authority or its name servers are not among its records",
                "Check it by hand.",
            );
        }
        None => {}
    }
    dangling(&mut found, &facts.dangling);
    if let Some((target, why)) = facts.unresolved.first() {
        let more = match facts.unresolved.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        found.unknown(
            format!("whether its records lead anywhere is not known: {target}{more}: {why}"),
            "It is checked again at the next sweep.",
        );
    }
    found.verdict("it is there, and no record that was followed leads nowhere")
}

fn dangling(found: &mut Findings, dangling: &[(String, String)]) {
    if dangling.is_empty() {
        return;
    }
    let mut named: Vec<String> =
        dangling.iter().take(NAMED).map(|(name, target)| format!("{name} → {target}")).collect();
    if let Some(more) = dangling.len().checked_sub(NAMED).filter(|more| 0 < *more) {
        named.push(format!("{more} more"));
    }
    let leads = if dangling.len() == 1 { "1 record leads" } else { "records lead" };
    let count = if dangling.len() == 1 { String::new() } else { format!("{} ", dangling.len()) };
    found.degraded(
        format!("{count}{leads} nowhere: {}", named.join(", ")),
        "Delete the records, or make them lead to what there is.",
    );
}

#[cfg(test)]
mod tests {
    use super::{Facts, verdict};
    use crate::decision::{Findings, Health};

    #[test]
    fn a_hosted_zone_is_there_and_its_records_lead_somewhere() {
        let good =
            || Facts { domain: "example.com.".to_owned(), records: 12, authority: true, ..Facts::default() };
        let pairs = |count: usize| {
            (0..count).map(|n| (format!("a{n}.example.com."), "gone.example.net.".to_owned())).collect()
        };
        let denied = || {
            let mut found = Findings::new();
            found.unknown("could not be checked: denied", "Allow it.");
            Some(found.verdict(""))
        };
        let cases = [
            (good(), Health::Healthy, "it is there"),
            (Facts { private: true, ..good() }, Health::Healthy, "it is there"),
            (Facts { left_out: 3, ..good() }, Health::Healthy, "it is there"),
            (
                Facts { dangling: pairs(1), ..good() },
                Health::Degraded,
                "1 record leads nowhere: a0.example.com. → gone.example.net.",
            ),
            (Facts { dangling: pairs(5), ..good() }, Health::Degraded, "5 records lead nowhere"),
            (Facts { dangling: pairs(7), ..good() }, Health::Degraded, "gone.example.net., 2 more"),
            (Facts { unresolved: pairs(1), ..good() }, Health::Unknown, "not known: a0.example.com.: gone"),
            (Facts { unresolved: pairs(3), ..good() }, Health::Unknown, "and 2 more"),
            (
                Facts { dangling: pairs(1), unlisted: denied(), ..good() },
                Health::Degraded,
                "1 record leads nowhere: a0.example.com. → gone.example.net.; its records could not be checked",
            ),
            (
                Facts { unlisted: denied(), ..Facts::default() },
                Health::Unknown,
                "could not be checked: denied",
            ),
            (Facts { authority: false, ..good() }, Health::Unknown, "start of authority or its name servers"),
            (Facts::default(), Health::Unknown, "start of authority"),
            (Facts { gone: true, ..Facts::default() }, Health::Failed, "does not exist any more"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{verdict:?}");
        }
    }
}
