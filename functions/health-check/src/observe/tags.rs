//! The tags that everything has to have, of what was found by its tags: nothing is asked for.

use crate::component::{Component, Kind};
use crate::decision::kind::tags::{Facts, verdict};
use crate::sweep::Ask;

/// What the check is known by.
pub(crate) const NAME: &str = "required tags";

/// Checks the tags of all of them. What has no tags here was not found by them: what it has is not known. `whole` says whether
/// all that is tagged could be listed.
pub(crate) fn check(ask: &Ask<'_>, components: &[Component], whole: bool) {
    let required = &ask.expected.tags;
    let tagged = || components.iter().filter(|component| !component.tags.is_empty());
    let lacks = |component: &Component| -> Vec<String> {
        required.iter().filter(|tag| !component.tags.contains_key(*tag)).cloned().collect()
    };
    let lacking = tagged().map(|it| (it.id(), lacks(it))).filter(|(_, tags)| !tags.is_empty());
    let facts = Facts {
        environment: ask.environment.to_owned(),
        nothing: whole && components.iter().all(is_of_account),
        looked_at: tagged().count(),
        lacking: lacking.collect(),
        passed_over: ask.passed_over(),
    };
    ask.say(&Component::new(Kind::Tagging, NAME), verdict(&facts, required));
}

/// Whether it is looked at in any account, whatever bears the tag.
fn is_of_account(component: &Component) -> bool {
    matches!(component.kind, Kind::AwsHealth | Kind::Budget)
}

#[cfg(test)]
mod tests {
    use shared::tags::Tags;

    use super::{NAME, check};
    use crate::component::{Component, Kind};
    use crate::decision::Health;
    use crate::wire::{Reply, Wire};

    #[test]
    fn what_lacks_a_tag_is_named_and_what_was_not_found_by_its_tags_is_not_looked_at() {
        let mut wire = Wire::new(|_| Reply::error(400, "AccessDenied"));
        wire.expected.tags = vec!["owner".to_owned()];
        let ask = wire.ask();
        let tagged = |name: &str, tag: &str| {
            let tags = Tags::from([(tag.to_owned(), String::new())]);
            Component { tags, ..Component::new(Kind::Bucket, name) }
        };
        let found = [tagged("a", "owner"), tagged("b", "Owner"), Component::new(Kind::Bucket, "not known")];
        ask.pass_over("ec2:instance".to_owned());
        check(&ask, &found, true);
        let verdict = ask.verdict(Kind::Tagging, NAME).unwrap();
        assert_eq!(verdict.health, Health::Degraded);
        assert_eq!(verdict.reason, "1 of 2 lacks a required tag");
        assert!(verdict.evidence.iter().any(|fact| fact.name == "s3-bucket:b"));
        assert!(verdict.evidence.iter().any(|fact| fact.value == "1 × ec2:instance"), "{verdict:?}");
        assert!(wire.calls().is_empty());
    }

    #[test]
    fn an_account_in_which_nothing_belongs_to_the_environment_is_not_known_to_be_well() {
        let account = || vec![Component::new(Kind::AwsHealth, "AWS"), Component::new(Kind::Budget, "costs")];
        let with = |kind| account().into_iter().chain([Component::new(kind, "a")]).collect();
        let cases: [(Vec<Component>, bool, Health); 4] = [
            (account(), true, Health::Unknown),
            (Vec::new(), true, Health::Unknown),
            // What could not be listed is said by itself.
            (account(), false, Health::NotApplicable),
            (with(Kind::Endpoint), true, Health::NotApplicable),
        ];
        for (found, whole, health) in cases {
            let wire = Wire::new(|_| Reply::error(400, "AccessDenied"));
            let ask = wire.ask();
            check(&ask, &found, whole);
            let verdict = ask.verdict(Kind::Tagging, NAME).unwrap();
            assert_eq!(verdict.health, health, "{found:?} {verdict:?}");
            let says = verdict.reason.contains("nothing bears the tag watchkeeper:environment = prod");
            assert_eq!(says, health == Health::Unknown, "{verdict:?}");
        }
    }
}
