//! An SQS queue: how much waits in it, for how long, and what becomes of what nobody can deal with (SQS API,
//! `GetQueueAttributes`; the counts are eventually consistent, so they are told as approximate).

use jiff::SignedDuration;
use shared::policy::Health as Rules;
use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// So many messages of a queue may be in flight, standard or FIFO, unless the account was granted more (SQS quotas).
const MOST_IN_FLIGHT: u32 = 120_000;

/// What SQS and CloudWatch say of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// SQS does not know it.
    pub absent: bool,
    /// It keeps the order of its messages.
    pub fifo: bool,
    /// How many messages wait.
    pub visible: Option<u32>,
    /// How many are being dealt with.
    pub in_flight: Option<u32>,
    /// How many are not to be seen yet.
    pub delayed: Option<u32>,
    /// For how long messages are kept.
    pub retention: Option<SignedDuration>,
    /// Whether what it holds is encrypted.
    pub encrypted: Option<bool>,
    /// Where messages go that nobody can deal with.
    pub redrive: Redrive,
    /// For how long the oldest message has waited.
    pub oldest: Option<SignedDuration>,
    /// What could not be asked, and why.
    pub gaps: Vec<Verdict>,
}

/// Where messages go that nobody can deal with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Redrive {
    /// Nowhere: they come back until they are too old.
    #[default]
    Nowhere,
    /// To the queue with this ARN.
    To(String),
    /// There is a policy that cannot be read.
    Unread,
}

/// How the queue is.
pub fn verdict(facts: &Facts, rules: &Rules, expected: &Expected) -> Verdict {
    let mut found = Findings::new();
    if facts.absent {
        return absent(found);
    }
    saw(facts, &mut found);
    if counted(facts, &mut found) {
        waiting(facts, rules, &mut found);
        in_flight(facts, &mut found);
        kept(facts, expected, &mut found);
        encrypted(facts, expected, &mut found);
    }
    gaps(&facts.gaps, &mut found);
    found.verdict(format!("about {} wait", messages(facts.visible.unwrap_or_default())))
}

/// The verdict on a queue that SQS does not know.
pub(super) fn absent(mut found: Findings) -> Verdict {
    found.absent(
        "it does not exist any more",
        "Bring the queue back, or take it out of what names it, and check the tags of its stack.",
    );
    found.verdict("")
}

/// Notes what SQS and CloudWatch say.
pub(super) fn saw(facts: &Facts, found: &mut Findings) {
    let about = |count: Option<u32>| count.map(|count| format!("about {count}")).unwrap_or_default();
    found
        .saw("Waiting", about(facts.visible))
        .saw("In flight", about(facts.in_flight))
        .saw("Delayed", about(facts.delayed.filter(|count| *count > 0)))
        .saw("Oldest message", facts.oldest.map(lasting).unwrap_or_default())
        .saw("Kept for", facts.retention.map(lasting).unwrap_or_default());
    if let Redrive::To(arn) = &facts.redrive {
        found.saw("Dead-letter queue", arn.rsplit(':').next().unwrap_or(arn));
    }
}

/// Whether SQS says how many messages there are; where it does not, nothing else that it says is worth much.
pub(super) fn counted(facts: &Facts, found: &mut Findings) -> bool {
    let counted = facts.visible.is_some() && facts.in_flight.is_some();
    if !counted {
        found.unknown("SQS does not say how many messages it holds", "Check it by hand.");
    }
    counted
}

/// Whether what it holds is encrypted, where that is expected.
pub(super) fn encrypted(facts: &Facts, expected: &Expected, found: &mut Findings) {
    match facts.encrypted {
        Some(false) if expected.protected => {
            found.degraded(
                "what it holds is not encrypted",
                "Turn on its encryption by SQS, or by a KMS key.",
            );
        }
        None if expected.protected => {
            found.unknown("SQS does not say whether what it holds is encrypted", "Check it by hand.");
        }
        Some(_) | None => {}
    }
}

impl Facts {
    /// Whether SQS says that there is no message in it.
    pub(super) fn is_empty(&self) -> bool {
        [self.visible, self.in_flight].iter().all(|count| *count == Some(0))
            && self.delayed.unwrap_or_default() == 0
    }
}

/// Says what could not be asked.
pub(super) fn gaps(gaps: &[Verdict], found: &mut Findings) {
    for gap in gaps {
        found.unknown(gap.reason.clone(), gap.todo.join(" "));
    }
}

/// How long something lasts, in words.
pub(super) fn lasting(long: SignedDuration) -> String {
    let (count, unit) = match long.as_secs().max(0) {
        secs if secs >= 2 * 86_400 => (secs / 86_400, "day"),
        secs if secs >= 2 * 3_600 => (secs / 3_600, "hour"),
        secs if secs >= 60 => (secs / 60, "minute"),
        secs => (secs, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// How many messages, in words.
pub(super) fn messages(count: u32) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

fn waiting(facts: &Facts, rules: &Rules, found: &mut Findings) {
    let (most, longest) = (rules.thresholds.queued, rules.thresholds.queued_for);
    let visible = facts.visible.unwrap_or_default();
    if visible > most {
        found.degraded(
            format!("about {} wait, more than {most}", messages(visible)),
            "See whether what reads the queue works, and start more of it.",
        );
    }
    match facts.oldest.filter(|_| !facts.is_empty()) {
        Some(oldest) if oldest > longest => {
            found.degraded(
                format!("the oldest message has waited for {}", lasting(oldest)),
                "See whether what reads the queue works, and which message holds it up.",
            );
        }
        // CloudWatch has metrics of every queue that holds messages: silence is no good news.
        None if visible > 0 && facts.gaps.is_empty() => {
            found.unknown(
                "CloudWatch does not say for how long its oldest message has waited",
                "Look at the age of the queue's oldest message by hand, if this lasts.",
            );
        }
        Some(_) | None => {}
    }
}

fn in_flight(facts: &Facts, found: &mut Findings) {
    let count = facts.in_flight.unwrap_or_default();
    if count >= MOST_IN_FLIGHT / 10 * 9 {
        let then = if facts.fifo {
            "then a FIFO queue hands out nothing more, and gives no error"
        } else {
            "then SQS answers OverLimit"
        };
        found.degraded(
            format!("about {count} messages are in flight; {MOST_IN_FLIGHT} may be, {then}"),
            "See whether its readers delete what they are done with, or ask AWS for more.",
        );
    }
}

fn kept(facts: &Facts, expected: &Expected, found: &mut Findings) {
    match &facts.redrive {
        Redrive::Nowhere if expected.protected => {
            found.degraded(
                "it has no dead-letter queue: what nobody can deal with comes back until it is lost",
                "Give the queue a redrive policy with a dead-letter queue.",
            );
        }
        Redrive::Unread => {
            found.unknown("its redrive policy cannot be read", "Look at the queue's redrive policy.");
        }
        Redrive::Nowhere | Redrive::To(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use shared::policy::Health as Rules;
    use shared::policy::health::{Expectations, Expected};

    use super::{Facts, Redrive, lasting, verdict};
    use crate::decision::Health;

    fn prod() -> Expected {
        Expectations::default().of("prod", true)
    }

    fn good() -> Facts {
        Facts {
            visible: Some(0),
            in_flight: Some(0),
            delayed: Some(0),
            encrypted: Some(true),
            redrive: Redrive::To("arn:aws:sqs:eu-central-1:1:orders-dlq".to_owned()),
            ..Facts::default()
        }
    }

    fn waited(minutes: i64, facts: Facts) -> Facts {
        Facts { oldest: Some(SignedDuration::from_mins(minutes)), ..facts }
    }

    #[test]
    fn a_queue_is_as_full_and_as_slow_as_the_thresholds_allow() {
        let cases = [
            (good(), Health::Healthy, "about 0 messages wait"),
            (waited(1, Facts { visible: Some(1), ..good() }), Health::Healthy, "about 1 message wait"),
            (waited(15, Facts { visible: Some(100), ..good() }), Health::Healthy, "about 100"),
            (waited(15, Facts { visible: Some(101), ..good() }), Health::Degraded, "more than 100"),
            (waited(16, Facts { visible: Some(1), ..good() }), Health::Degraded, "for 16 minutes"),
            (Facts { visible: Some(1), ..good() }, Health::Unknown, "CloudWatch does not say"),
            (Facts { in_flight: Some(107_999), ..good() }, Health::Healthy, "about 0"),
            (Facts { in_flight: Some(108_000), ..good() }, Health::Degraded, "OverLimit"),
            (Facts { in_flight: Some(119_000), fifo: true, ..good() }, Health::Degraded, "gives no error"),
            (Facts { redrive: Redrive::Nowhere, ..good() }, Health::Degraded, "no dead-letter queue"),
            (Facts { redrive: Redrive::Unread, ..good() }, Health::Unknown, "redrive policy"),
            (Facts { encrypted: Some(false), ..good() }, Health::Degraded, "not encrypted"),
            (Facts { encrypted: None, ..good() }, Health::Unknown, "encrypted"),
            (Facts { visible: None, ..good() }, Health::Unknown, "how many messages"),
            (Facts { in_flight: None, ..good() }, Health::Unknown, "how many messages"),
            (Facts { absent: true, ..Facts::default() }, Health::Failed, "does not exist"),
            (Facts::default(), Health::Unknown, "how many messages"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &Rules::default(), &prod());
            assert_eq!(verdict.health, health, "{facts:?} {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            assert_eq!(
                verdict.health == Health::Healthy,
                verdict.todo.is_empty(),
                "what is to do: {facts:?}"
            );
        }
    }

    #[test]
    fn what_is_only_expected_of_production_is_not_asked_of_others() {
        let dev = Expectations::default().of("dev", false);
        for facts in [
            Facts { redrive: Redrive::Nowhere, ..good() },
            Facts { encrypted: Some(false), ..good() },
            Facts { encrypted: None, ..good() },
        ] {
            assert_eq!(verdict(&facts, &Rules::default(), &dev).health, Health::Healthy, "{facts:?}");
        }
    }

    #[test]
    fn what_could_not_be_asked_is_unknown_and_hides_nothing() {
        let gap = crate::decision::Verdict { reason: "its metrics".to_owned(), ..Default::default() };
        let facts = Facts { visible: Some(1), gaps: vec![gap.clone()], ..good() };
        let unknown = verdict(&facts, &Rules::default(), &prod());
        assert_eq!((unknown.health, unknown.reason.as_str()), (Health::Unknown, "its metrics"));
        let facts = Facts { visible: Some(101), gaps: vec![gap], ..good() };
        assert_eq!(verdict(&facts, &Rules::default(), &prod()).health, Health::Degraded);
    }

    #[test]
    fn how_long_something_lasts_is_said_in_its_largest_unit() {
        for (secs, words) in [
            (-5, "0 seconds"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(lasting(SignedDuration::from_secs(secs)), words);
        }
    }
}
