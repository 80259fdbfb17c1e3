//! The tags that everything has to have, as the policy lists them.

use std::collections::BTreeMap;

use shared::tags::ENVIRONMENT;

use crate::decision::{Findings, Verdict};

/// How many of those that lack a tag are named.
const NAMED: usize = 10;

/// Which tags each of those lacks whose tags are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The environment.
    pub environment: String,
    /// Nothing belongs to the environment: nothing bears its tag, and the policy names nothing.
    pub nothing: bool,
    /// How many of each sort bear its tag, and are nothing that is checked.
    pub passed_over: BTreeMap<String, usize>,
    /// How many have known tags.
    pub looked_at: usize,
    /// Those that lack one: what they are known by, and the tags that they lack.
    pub lacking: Vec<(String, Vec<String>)>,
}

/// How the tags are; `required` are the tags that everything has to have.
pub fn verdict(facts: &Facts, required: &[String]) -> Verdict {
    let mut found = Findings::new();
    let Facts { looked_at, lacking, .. } = facts;
    let passed_over = facts.passed_over.iter().map(|(sort, many)| format!("{many} × {sort}"));
    found.saw("Tagged, and not checked", passed_over.collect::<Vec<_>>().join(", "));
    if facts.nothing {
        let Facts { environment, .. } = facts;
        found.unknown(
            format!("nothing bears the tag {ENVIRONMENT} = {environment}: nothing is watched"),
            "Tag what belongs to the environment: step 5 of \"Deploy\" in the README says how.",
        );
        return found.verdict("");
    }
    if required.is_empty() {
        found.not_applicable("the policy requires no tags");
        return found.verdict("");
    }
    found.saw("Required", required.join(", ")).saw("Looked at", looked_at);
    if *looked_at == 0 {
        found.unknown("no tags of anything are known", "Tag what belongs to the environment.");
    }
    for (name, tags) in lacking.iter().take(NAMED) {
        found.saw(name, format!("lacks {}", tags.join(", ")));
    }
    if !lacking.is_empty() {
        let many = lacking.len();
        let lack = if many == 1 { "lacks" } else { "lack" };
        found.saw("Lacking", many).degraded(
            format!("{many} of {looked_at} {lack} a required tag"),
            "Add the tags that are named to what lacks them.",
        );
    }
    found.verdict("everything has the tags that it has to have")
}

#[cfg(test)]
mod tests {
    use super::{Facts, NAMED, verdict};
    use crate::decision::Health;

    #[test]
    fn what_lacks_a_required_tag_is_counted_and_the_first_are_named() {
        let lacking = |many: usize| Facts {
            looked_at: 20,
            lacking: (0..many).map(|it| (format!("s3-bucket:{it}"), vec!["owner".to_owned()])).collect(),
            ..Facts::default()
        };
        let owner = ["owner".to_owned()];
        let cases: [(Facts, &[String], Health, &str); 5] = [
            (lacking(0), &owner, Health::Healthy, "everything has the tags that it has to have"),
            (lacking(1), &owner, Health::Degraded, "1 of 20 lacks a required tag"),
            (lacking(12), &owner, Health::Degraded, "12 of 20 lack a required tag"),
            (lacking(0), &[], Health::NotApplicable, "the policy requires no tags"),
            (Facts::default(), &owner, Health::Unknown, "no tags of anything are known"),
        ];
        for (facts, required, health, reason) in cases {
            let verdict = verdict(&facts, required);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            let named = verdict.evidence.iter().filter(|fact| fact.value == "lacks owner").count();
            assert_eq!(named, facts.lacking.len().min(NAMED));
        }
    }
}
