//! An SNS topic: whether somebody is subscribed to it, and whether what it sends arrives (SNS API,
//! `ListSubscriptionsByTopic`: the ARN of a subscription stands for its state until it is confirmed).

use super::queue;
use crate::decision::{Findings, Verdict};

/// What SNS and CloudWatch say of a topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// SNS does not know it.
    pub absent: bool,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Whether these are all of them.
    pub listed: bool,
    /// How many are confirmed, as the topic's attributes say.
    pub confirmed: Option<u32>,
    /// How many notifications did not arrive in the last while.
    pub failed: Option<f64>,
    /// What could not be asked, and why.
    pub gaps: Vec<Verdict>,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    /// Its ARN, or a word such as `PendingConfirmation`.
    pub arn: String,
    /// Such as `sqs` or `email`, and where that tells no secret, a host or the name of a queue or function.
    pub place: String,
}

/// How the topic is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    if facts.absent {
        found.absent(
            "it does not exist any more",
            "Bring the topic back, or take it out of what publishes to it.",
        );
        return found.verdict("");
    }
    if facts.listed {
        found.saw("Subscriptions", facts.subscriptions.len());
    }
    subscribed(facts, &mut found);
    facts.subscriptions.iter().for_each(|subscription| state(subscription, &mut found));
    if let Some(failed) = facts.failed.filter(|failed| *failed > 0.0) {
        found.degraded(
            format!("{failed:.0} notifications did not arrive in the last 15 minutes"),
            "See whether the subscribers are there, and whether the topic may reach them.",
        );
    }
    queue::gaps(&facts.gaps, &mut found);
    found.verdict(format!("{} subscribed to it", facts.subscriptions.len()))
}

fn subscribed(facts: &Facts, found: &mut Findings) {
    if !facts.listed && facts.gaps.is_empty() {
        found.unknown("SNS does not say who is subscribed to it", "Check it by hand.");
    }
    if !facts.listed || facts.subscriptions.iter().any(|subscription| subscription.arn != "Deleted") {
        return;
    }
    // The attributes are eventually consistent, the list is not: one of them is wrong.
    match facts.confirmed.filter(|confirmed| *confirmed > 0) {
        Some(confirmed) => found.unknown(
            format!("SNS says that {confirmed} are subscribed to it, and lists none"),
            "Look at the topic's subscriptions by hand, if this lasts.",
        ),
        None => found.degraded(
            "nobody is subscribed to it: what it is sent is lost",
            "Subscribe whoever should hear of it, or delete the topic.",
        ),
    };
}

fn state(subscription: &Subscription, found: &mut Findings) {
    let place = &subscription.place;
    match subscription.arn.as_str() {
        arn if arn.starts_with("arn:") => {}
        "PendingConfirmation" => {
            found.degraded(
                format!("a subscription is not confirmed: {place}"),
                "Confirm the subscription, or have the topic send the confirmation again.",
            );
        }
        // It is gone, and SNS forgets it within days.
        "Deleted" => {
            found.saw("Deleted", place);
        }
        "" => {
            found.unknown(
                format!("SNS does not say whether a subscription is confirmed: {place}"),
                "Check it by hand.",
            );
        }
        other => {
            found.unknown(
                format!("SNS says a state of a subscription that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Subscription, verdict};
    use crate::decision::Health;

    fn of(arns: &[&str]) -> Facts {
        let subscription = |arn: &&str| Subscription { arn: (*arn).to_owned(), place: "email".to_owned() };
        Facts {
            subscriptions: arns.iter().map(subscription).collect(),
            listed: true,
            confirmed: u32::try_from(arns.len()).ok(),
            ..Facts::default()
        }
    }

    #[test]
    fn a_topic_is_what_its_subscriptions_are() {
        let sure = "arn:aws:sns:eu-central-1:1:news:0a1b";
        let cases = [
            (of(&[sure]), Health::Healthy, "1 subscribed to it"),
            (of(&[sure, "Deleted"]), Health::Healthy, "subscribed to it"),
            (of(&[sure, "PendingConfirmation"]), Health::Degraded, "not confirmed: email"),
            (of(&[sure, "Muted"]), Health::Unknown, "Muted"),
            (of(&[sure, ""]), Health::Unknown, "does not say"),
            (Facts { confirmed: Some(0), ..of(&["Deleted"]) }, Health::Degraded, "nobody is subscribed"),
            (of(&[]), Health::Degraded, "nobody is subscribed"),
            (Facts::default(), Health::Unknown, "does not say who"),
            (Facts { confirmed: None, ..of(&[]) }, Health::Degraded, "nobody is subscribed"),
            (Facts { confirmed: Some(2), ..of(&[]) }, Health::Unknown, "says that 2 are"),
            (Facts { failed: Some(0.0), ..of(&[sure]) }, Health::Healthy, "subscribed"),
            (Facts { failed: Some(3.0), ..of(&[sure]) }, Health::Degraded, "3 notifications"),
            (Facts { absent: true, ..Facts::default() }, Health::Failed, "does not exist"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            assert_eq!(
                verdict.health == Health::Healthy,
                verdict.todo.is_empty(),
                "what is to do: {facts:?}"
            );
        }
    }
}
