//! The way back: where a letter of a flavour is sent to, so that only whoever gave it up gets it again.

use crate::discover::{By, Source};
use crate::flavour::Flavour;
use crate::signature::unversioned;

/// Where letters are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// A queue.
    Queue {
        /// Its ARN.
        arn: &'a str,
        /// The message group for letters that have none.
        group: Option<&'a str>,
    },
    /// A function, invoked asynchronously.
    Function {
        /// Its ARN, with the version or alias that failed.
        arn: &'a str,
        /// What it is handed.
        event: Event<'a>,
    },
}

impl<'a> Way<'a> {
    /// The ARN of what gets them.
    #[must_use]
    pub const fn arn(&self) -> &'a str {
        let (Self::Queue { arn, .. } | Self::Function { arn, .. }) = self;
        arn
    }
}

/// What a function is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The letter's payload.
    Payload,
    /// The letter as SNS would hand it over (Lambda developer guide, "Using AWS Lambda with Amazon SNS").
    Notification {
        /// The subscription's ARN.
        subscription: &'a str,
    },
}

/// The way back for letters of this flavour that were given up by `of`, or why there is none.
///
/// # Errors
/// The reason, in words, and what can be done by hand.
pub fn way<'a>(flavour: Flavour, of: &'a str, sources: &'a [Source]) -> Result<Way<'a>, String> {
    match flavour {
        // A letter can be forged by whoever may send to its queue: it goes only to where such letters come from.
        Flavour::Queue
            if sources.iter().any(|source| matches!(source, Source::Queue { arn, .. } if arn == of)) =>
        {
            Ok(Way::Queue { arn: of, group: None })
        }
        Flavour::Queue => {
            Err("the queue that it names is not seen to send its dead letters here (any more)".to_owned())
        }
        Flavour::FunctionDestination if sources.iter().any(|source| is_failure_of(source, of)) => {
            Ok(Way::Function { arn: of, event: Event::Payload })
        }
        Flavour::FunctionDestination => {
            Err("the function that it names is not seen to send its failures here (any more)".to_owned())
        }
        Flavour::FunctionConfig => only(
            sources.iter().filter_map(|source| match source {
                Source::Function { arn, by: By::DeadLetterConfig } => {
                    Some(Way::Function { arn, event: Event::Payload })
                }
                Source::Queue { .. }
                | Source::Function { .. }
                | Source::Mapping { .. }
                | Source::Subscription { .. }
                | Source::Target { .. } => None,
            }),
            "function whose dead-letter config names the queue",
        ),
        Flavour::Subscription => {
            let of_topic = sources.iter().filter_map(|source| match source {
                Source::Subscription { arn, topic, protocol, endpoint, raw: false } if topic == of => {
                    Some((arn, protocol.as_str(), endpoint))
                }
                Source::Queue { .. }
                | Source::Function { .. }
                | Source::Mapping { .. }
                | Source::Subscription { .. }
                | Source::Target { .. } => None,
            });
            let (arn, protocol, endpoint) =
                only(of_topic, "subscription of the topic whose redrive policy names the queue")?;
            match protocol {
                "sqs" => Ok(Way::Queue { arn: endpoint, group: None }),
                "lambda" => {
                    Ok(Way::Function { arn: endpoint, event: Event::Notification { subscription: arn } })
                }
                other => Err(format!(
                    "its subscriber is reached by {other}, to which SNS alone can deliver: publishing it again \
                     would reach all subscribers of the topic"
                )),
            }
        }
        Flavour::Target => of_target(of, sources),
        Flavour::Notice => only(
            sources.iter().filter_map(|source| match source {
                Source::Queue { arn, .. } => Some(Way::Queue { arn, group: None }),
                Source::Function { .. }
                | Source::Mapping { .. }
                | Source::Subscription { .. }
                | Source::Target { .. } => None,
            }),
            "queue whose redrive policy names the queue",
        ),
        Flavour::BusRecord => {
            Err("it only tells of events that the bus could not deliver, and holds none of them".to_owned())
        }
        Flavour::Stream => {
            Err("it only points to records of a stream: read them again from the shard before they expire"
                .to_owned())
        }
        Flavour::Unknown => only(
            sources.iter().filter_map(|source| match source {
                Source::Subscription { arn: _, protocol, endpoint, raw: true, .. } if protocol == "sqs" => {
                    Some(Way::Queue { arn: endpoint, group: None })
                }
                Source::Queue { .. }
                | Source::Function { .. }
                | Source::Mapping { .. }
                | Source::Subscription { .. }
                | Source::Target { .. } => None,
            }),
            "source that sends letters such as this",
        ),
    }
}

/// Whether a source is the on-failure destination of this function, in whatever version or alias.
fn is_failure_of(source: &Source, function: &str) -> bool {
    let Source::Function { arn, by: By::OnFailure } = source else { return false };
    !function.is_empty() && unversioned(arn) == unversioned(function)
}

/// The way to a target of EventBridge.
fn of_target<'a>(of: &'a str, sources: &'a [Source]) -> Result<Way<'a>, String> {
    let targets = sources.iter().filter_map(|source| match source {
        Source::Target { arn, transforms, group, .. } if arn == of => Some((*transforms, group)),
        Source::Queue { .. }
        | Source::Function { .. }
        | Source::Mapping { .. }
        | Source::Subscription { .. }
        | Source::Target { .. } => None,
    });
    let Some((_, group)) = targets.clone().next() else {
        return Err("no rule that still exists has this target and this dead-letter queue".to_owned());
    };
    // Of several rules with this target, a letter may be any one's, whatever it says of itself.
    if targets.clone().any(|(transforms, _)| transforms) {
        return Err(
            "its rule changes the event before the target gets it: put the event again by hand".to_owned()
        );
    }
    to_target(of, group.as_deref())
}

fn to_target<'a>(arn: &'a str, group: Option<&'a str>) -> Result<Way<'a>, String> {
    match arn.split(':').nth(2) {
        Some("sqs") => Ok(Way::Queue { arn, group }),
        Some("lambda") => Ok(Way::Function { arn, event: Event::Payload }),
        Some(other) => {
            Err(format!("a target of {other} is not called by Watchkeeper: put the event again by hand"))
        }
        None => Err("its target has no ARN".to_owned()),
    }
}

/// The only one, or why it is not known which.
fn only<T>(mut all: impl Iterator<Item = T>, what: &str) -> Result<T, String> {
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("there is no {what}")),
        (Some(_), Some(_)) => {
            Err(format!("there is more than one {what}, and the letter does not say which it was"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Event, Way, way};
    use crate::discover::{By, Source};
    use crate::flavour::Flavour;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:1:function:orders";
    const QUEUE: &str = "arn:aws:sqs:eu-central-1:1:orders";
    const TOPIC: &str = "arn:aws:sns:eu-central-1:1:orders";

    fn queue(arn: &str) -> Source {
        Source::Queue {
            arn: arn.to_owned(),
            url: String::new(),
            max_receives: 3,
            visibility: Duration::from_secs(30),
            fifo: false,
        }
    }

    fn function(by: By) -> Source {
        Source::Function { arn: FUNCTION.to_owned(), by }
    }

    fn subscription(protocol: &str, endpoint: &str, raw: bool) -> Source {
        Source::Subscription {
            arn: format!("{TOPIC}:s"),
            topic: TOPIC.to_owned(),
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            raw,
        }
    }

    fn target(arn: &str, transforms: bool) -> Source {
        Source::Target {
            bus: "default".to_owned(),
            rule: "arn:rule".to_owned(),
            id: "1".to_owned(),
            arn: arn.to_owned(),
            transforms,
            group: Some("g".to_owned()),
        }
    }

    #[track_caller]
    fn check(flavour: Flavour, of: &str, sources: &[Source], expected: Result<Way<'_>, &str>) {
        match (way(flavour, of, sources), expected) {
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (got, expected) => assert_eq!(got, expected.map_err(ToOwned::to_owned), "{flavour:?}"),
        }
    }

    #[test]
    fn a_letter_goes_to_whoever_gave_it_up_and_to_nobody_else() {
        let to_queue = |group| Ok(Way::Queue { arn: QUEUE, group });
        let to_function = Ok(Way::Function { arn: FUNCTION, event: Event::Payload });
        check(Flavour::Queue, QUEUE, &[queue(QUEUE)], to_queue(None));
        check(
            Flavour::Queue,
            QUEUE,
            &[queue("arn:another")],
            Err("is not seen to send its dead letters here"),
        );
        check(Flavour::FunctionDestination, FUNCTION, &[function(By::OnFailure)], to_function);
        let version = format!("{FUNCTION}:7");
        let to_version = Ok(Way::Function { arn: &version, event: Event::Payload });
        check(Flavour::FunctionDestination, &version, &[function(By::OnFailure)], to_version);
        let others = [function(By::DeadLetterConfig), queue(QUEUE)];
        check(Flavour::FunctionDestination, FUNCTION, &others, Err("is not seen to send its failures here"));
        check(
            Flavour::FunctionDestination,
            "",
            &[function(By::OnFailure)],
            Err("is not seen to send its failures here"),
        );
        check(
            Flavour::FunctionConfig,
            "",
            &[function(By::DeadLetterConfig), function(By::OnFailure)],
            to_function,
        );
        check(Flavour::FunctionConfig, "", &[function(By::OnFailure)], Err("there is no function"));
        check(
            Flavour::FunctionConfig,
            "",
            &[function(By::DeadLetterConfig), function(By::DeadLetterConfig)],
            Err("more than one function"),
        );
        check(Flavour::Subscription, TOPIC, &[subscription("sqs", QUEUE, false)], to_queue(None));
        let subscription_arn = format!("{TOPIC}:s");
        let event = Event::Notification { subscription: &subscription_arn };
        check(
            Flavour::Subscription,
            TOPIC,
            &[subscription("lambda", FUNCTION, false)],
            Ok(Way::Function { arn: FUNCTION, event }),
        );
        check(
            Flavour::Subscription,
            TOPIC,
            &[subscription("https", "https://x", false)],
            Err("reached by https"),
        );
        check(
            Flavour::Subscription,
            "arn:another",
            &[subscription("sqs", QUEUE, false)],
            Err("there is no subscription"),
        );
        check(Flavour::Target, QUEUE, &[target(QUEUE, false)], to_queue(Some("g")));
        check(Flavour::Target, FUNCTION, &[target(FUNCTION, false)], to_function);
        check(Flavour::Target, FUNCTION, &[target(FUNCTION, true)], Err("changes the event"));
        for rules in [[false, true], [true, false]] {
            let both = rules.map(|transforms| target(FUNCTION, transforms));
            check(Flavour::Target, FUNCTION, &both, Err("changes the event"));
        }
        check(Flavour::Target, FUNCTION, &[target(QUEUE, true), target(FUNCTION, false)], to_function);
        check(Flavour::Target, FUNCTION, &[target(QUEUE, false)], Err("no rule that still exists"));
        let states = "arn:aws:states:eu-central-1:1:stateMachine:x";
        check(Flavour::Target, states, &[target(states, false)], Err("a target of states"));
        check(Flavour::Notice, "ops", &[queue(QUEUE), function(By::OnFailure)], to_queue(None));
        check(Flavour::BusRecord, "arn", &[queue(QUEUE)], Err("holds none of them"));
        check(Flavour::Stream, FUNCTION, &[queue(QUEUE)], Err("points to records"));
        check(Flavour::Unknown, "", &[subscription("sqs", QUEUE, true)], to_queue(None));
        check(Flavour::Unknown, "", &[queue(QUEUE)], Err("there is no source"));
    }
}
