//! A dead-letter queue: whether it holds letters, whether they become more, and when the first of them is lost.

use jiff::SignedDuration;
use shared::policy::health::Expected;

use super::queue;
use crate::decision::{Findings, Verdict};

/// Letters that are lost sooner than this leave too little time to deal with them.
const TOO_SOON: SignedDuration = SignedDuration::from_hours(24);

/// How the name of a dead-letter queue ends.
const ENDINGS: [&str; 7] = [
    "dlq",
    "dead-letter",
    "dead-letters",
    "deadletter",
    "deadletters",
    "dead-letter-queue",
    "deadletterqueue",
];

/// What SQS and CloudWatch say of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// What they say of any queue.
    pub queue: queue::Facts,
    /// The least number of letters that waited in it in the last hour.
    pub lowest: Option<f64>,
    /// Of the queues that send it letters, and were read: the one that keeps messages longest, and for how long.
    pub source: Option<(String, SignedDuration)>,
}

/// Whether a queue of this name is one for dead letters.
pub fn sounds_dead(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".fifo").unwrap_or(&name);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// How the dead-letter queue is.
pub fn verdict(facts: &Facts, expected: &Expected) -> Verdict {
    let (mut found, queue) = (Findings::new(), &facts.queue);
    if queue.absent {
        return queue::absent(found);
    }
    queue::saw(queue, &mut found);
    if queue::counted(queue, &mut found) {
        if held(queue) > 0 {
            letters(facts, &mut found);
            lost(queue, &mut found);
        }
        kept(facts, expected, &mut found);
        queue::encrypted(queue, expected, &mut found);
    }
    queue::gaps(&queue.gaps, &mut found);
    found.verdict("it holds no letters")
}

/// Letters that wait, and those that somebody looks at.
fn held(queue: &queue::Facts) -> u32 {
    [queue.visible, queue.in_flight, queue.delayed].into_iter().flatten().fold(0, u32::saturating_add)
}

fn letters(facts: &Facts, found: &mut Findings) {
    let count = held(&facts.queue);
    let holds = format!("it holds about {count} letter{}", if count == 1 { "" } else { "s" });
    let more = facts.lowest.map(|lowest| f64::from(facts.queue.visible.unwrap_or_default()) - lowest);
    match more {
        Some(more) if more >= 1.0 => {
            found.degraded(
                format!("{holds}, {more:.0} more than at the fewest in the last hour"),
                "Find what makes letters now, mend it, and send them back afterwards.",
            );
        }
        Some(_) | None => {
            found.degraded(holds, "Read the letters, and send them back or throw them away.");
        }
    }
    if facts.queue.gaps.is_empty() && (facts.lowest.is_none() || facts.queue.oldest.is_none()) {
        found.unknown(
            "CloudWatch does not say whether letters become more, or how old they are",
            "Look at the queue's metrics by hand, if this lasts.",
        );
    }
}

/// When the oldest letter is lost. In a standard queue the time before it became a letter counts, too, while its age
/// starts anew (SQS Developer Guide, dead-letter queues): what is left is at most this.
fn lost(queue: &queue::Facts, found: &mut Findings) {
    let Some(retention) = queue.retention else {
        found.unknown("SQS does not say for how long letters are kept", "Check it by hand.");
        return;
    };
    // The age is that of a minute ago; of nothing, nothing is lost.
    let Some(oldest) = queue.oldest.filter(|_| !queue.is_empty()) else { return };
    let left = retention.saturating_sub(oldest).max(SignedDuration::ZERO);
    let most = if queue.fifo { "" } else { "at most " };
    let left_in_words = format!("{most}{}", queue::lasting(left));
    found.saw("Lost in", &left_in_words);
    if left < TOO_SOON {
        found.failed(
            format!("the oldest letter is lost in {left_in_words}"),
            "Save the letters now, or have the queue keep them for longer.",
        );
    }
}

fn kept(facts: &Facts, expected: &Expected, found: &mut Findings) {
    if !matches!(facts.queue.redrive, queue::Redrive::Nowhere) {
        found.saw("Redrive policy", "it has one of its own: who only looks at letters may move them on");
    }
    let (Some((source, longest)), Some(retention)) = (&facts.source, facts.queue.retention) else { return };
    // A FIFO queue starts to count anew.
    if expected.protected && !facts.queue.fifo && retention <= *longest {
        found.degraded(
            format!(
                "it keeps letters for {}, no longer than {source} does: what waited long there is lost soon here",
                queue::lasting(retention)
            ),
            "Have the dead-letter queue keep messages for 14 days.",
        );
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use shared::policy::health::{Expectations, Expected};

    use super::{Facts, queue, sounds_dead, verdict};
    use crate::decision::Health;

    fn prod() -> Expected {
        Expectations::default().of("prod", true)
    }

    fn of(visible: u32, lowest: Option<f64>, oldest_hours: Option<i64>) -> Facts {
        let queue = queue::Facts {
            visible: Some(visible),
            in_flight: Some(0),
            retention: Some(SignedDuration::from_hours(4 * 24)),
            encrypted: Some(true),
            oldest: oldest_hours.map(SignedDuration::from_hours),
            ..queue::Facts::default()
        };
        Facts { queue, lowest, source: None }
    }

    fn with(facts: Facts, change: impl FnOnce(&mut queue::Facts)) -> Facts {
        let mut facts = facts;
        change(&mut facts.queue);
        facts
    }

    #[test]
    fn letters_are_degraded_and_those_that_are_lost_soon_have_failed() {
        let cases = [
            (of(0, None, None), Health::Healthy, "it holds no letters"),
            (of(0, Some(0.0), Some(0)), Health::Healthy, "it holds no letters"),
            (of(1, Some(1.0), Some(1)), Health::Degraded, "it holds about 1 letter"),
            (of(7, Some(3.0), Some(1)), Health::Degraded, "7 letters, 4 more"),
            (of(7, Some(9.0), Some(72)), Health::Degraded, "it holds about 7 letters"),
            (of(7, Some(7.0), Some(73)), Health::Failed, "the oldest letter is lost in at most 23 hours"),
            (of(7, Some(7.0), Some(200)), Health::Failed, "at most 0 seconds"),
            (with(of(7, Some(7.0), Some(73)), |it| it.fifo = true), Health::Failed, "is lost in 23 hours"),
            (of(7, None, Some(1)), Health::Degraded, "CloudWatch does not say"),
            (of(7, Some(7.0), None), Health::Degraded, "CloudWatch does not say"),
            (with(of(0, None, None), |it| it.in_flight = Some(2)), Health::Degraded, "about 2 letters"),
            (with(of(0, None, None), |it| it.delayed = Some(2)), Health::Degraded, "about 2 letters"),
            (with(of(1, Some(1.0), Some(1)), |it| it.retention = None), Health::Degraded, "for how long"),
            (with(of(0, None, None), |it| it.visible = None), Health::Unknown, "how many messages"),
            (with(of(0, None, None), |it| it.encrypted = Some(false)), Health::Degraded, "not encrypted"),
            (with(of(0, None, None), |it| it.absent = true), Health::Failed, "does not exist"),
            (Facts::default(), Health::Unknown, "how many messages"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &prod());
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
    fn letters_are_kept_for_longer_than_messages_are() {
        let source = |days: i64| Some(("orders".to_owned(), SignedDuration::from_hours(24 * days)));
        let of = |days: i64| Facts { source: source(days), ..of(0, None, None) };
        assert_eq!(verdict(&of(3), &prod()).health, Health::Healthy);
        assert_eq!(verdict(&of(4), &prod()).health, Health::Degraded);
        assert_eq!(verdict(&with(of(4), |it| it.fifo = true), &prod()).health, Health::Healthy);
        let dev = Expectations::default().of("dev", false);
        assert_eq!(verdict(&of(4), &dev).health, Health::Healthy);
    }

    #[test]
    fn a_dead_letter_queue_is_known_by_the_end_of_its_name() {
        for name in
            ["orders-dlq", "OrdersDLQ.fifo", "dead-letters", "mail-deadletters", "x-dead-letter-queue"]
        {
            assert!(sounds_dead(name), "{name}");
        }
        for name in ["orders", "dlq-triage", "dead-letters-timers", "orders.fifo", ""] {
            assert!(!sounds_dead(name), "{name}");
        }
    }
}
