//! What the checks of queues, topics, rules, schedules and functions have in common.

use jiff::{SignedDuration, Timestamp};
use shared::Error;

use crate::component::{Component, Kind};
use crate::decision::Verdict;
use crate::decision::kind::dlq::sounds_dead;
use crate::observe::metrics::{self, Query};
use crate::sweep::{self, Ask};

/// How far back the metrics are asked for.
pub(crate) const WHILE: SignedDuration = SignedDuration::from_mins(15);

/// What an ARN is the name of, where it stands in the account and the Region of another: what stands elsewhere cannot
/// be asked from here, and would only seem to be missing.
pub(crate) fn beside(own: &str, other: &str) -> Option<Component> {
    let place = |arn: &str| -> Option<(String, String)> {
        let mut parts = arn.split(':').skip(3).map(ToOwned::to_owned);
        Some((parts.next()?, parts.next()?))
    };
    let ((region, account), (its_region, its_account)) = (place(own)?, place(other)?);
    // Buckets and the like have neither.
    let near = |here: &str, there: &str| there.is_empty() || here == there;
    let component = Component::at(other)?;
    (near(&region, &its_region) && near(&account, &its_account)).then(|| named(component))
}

/// A dead-letter queue beside another, whatever its name is.
pub(crate) fn dead_letters(own: &str, other: &str) -> Option<Component> {
    let queue = beside(own, other).filter(|it| matches!(it.kind, Kind::Queue | Kind::Letters))?;
    Some(Component { kind: Kind::Letters, ..queue })
}

/// The KMS key that is used by what has this ARN: the key's ARN or id. Aliases are not followed.
pub(crate) fn key(own: &str, key: &str) -> Option<Component> {
    if key.starts_with("arn:") {
        return beside(own, key);
    }
    let mut parts = own.split(':').skip(1);
    let (partition, _, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let id = Some(key).filter(|key| !key.is_empty() && !key.contains('/'))?;
    Component::at(&format!("arn:{partition}:kms:{region}:{account}:key/{id}"))
}

/// A queue by the kind that its name says.
pub(crate) fn named(component: Component) -> Component {
    let dead = component.kind == Kind::Queue && sounds_dead(&component.name);
    let kind = if dead { Kind::Letters } else { component.kind };
    Component { kind, ..component }
}

/// The values of the metrics; where they could not be asked, none, and what kept them from being asked.
pub(crate) async fn measure(ask: &Ask<'_>, queries: &[Query]) -> (Vec<Option<f64>>, Vec<Verdict>) {
    match metrics::ask(ask, queries).await {
        Ok(values) => (values, Vec::new()),
        Err(error) => (vec![None; queries.len()], vec![gap("its metrics", &error)]),
    }
}

/// What could not be asked beside what could, and why.
pub(crate) fn gap(what: &str, error: &Error) -> Verdict {
    let verdict = sweep::unknown(error);
    Verdict { reason: format!("{what} {}", verdict.reason), ..verdict }
}

/// A time of an API.
pub(crate) fn time(time: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(time?.secs()).ok()
}

/// Whether an API answered that what was asked for is not there.
pub(crate) fn is_absent(error: &Error, codes: &[&str]) -> bool {
    error.code().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::{beside, dead_letters, key};

    #[test]
    fn only_what_stands_in_the_same_account_and_region_is_followed() {
        let own = "arn:aws:sns:eu-central-1:1:news";
        let id = |arn: &str| beside(own, arn).map(|it| it.id());
        assert_eq!(id("arn:aws:sqs:eu-central-1:1:orders").as_deref(), Some("sqs-queue:orders"));
        assert_eq!(id("arn:aws:sqs:eu-central-1:1:orders-dlq").as_deref(), Some("dlq:orders-dlq"));
        assert_eq!(id("arn:aws:s3:::assets").as_deref(), Some("s3-bucket:assets"));
        for elsewhere in [
            "arn:aws:sqs:eu-west-1:1:orders",
            "arn:aws:sqs:eu-central-1:2:orders",
            "arn:aws:states:eu-central-1:1:stateMachine:x",
            "me@example.com",
            "",
        ] {
            assert_eq!(id(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(beside("", "arn:aws:sqs:eu-central-1:1:orders"), None);
        let letters = dead_letters(own, "arn:aws:sqs:eu-central-1:1:failed").map(|it| it.id());
        assert_eq!(letters.as_deref(), Some("dlq:failed"));
    }

    #[test]
    fn a_key_is_found_by_its_arn_or_its_id_and_not_by_an_alias() {
        let own = "arn:aws:sqs:eu-central-1:1:orders";
        let arn = |it: &str| key(own, it).and_then(|key| key.arn);
        let full = "arn:aws:kms:eu-central-1:1:key/0a1b";
        assert_eq!(arn("0a1b").as_deref(), Some(full));
        assert_eq!(arn(full).as_deref(), Some(full));
        for none in
            ["alias/aws/sqs", "arn:aws:kms:eu-central-1:1:alias/x", "arn:aws:kms:eu-west-1:1:key/0a1b", ""]
        {
            assert_eq!(arn(none), None, "{none}");
        }
    }
}
