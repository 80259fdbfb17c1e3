//! Notices of dead letters.

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::dlq::Verdict;

use crate::act::Done;
use crate::decision::emptying::held;
use crate::decision::group::{Redrive, Step, Still};
use crate::decision::loss::Loss;
use crate::decision::news::{News, What};
use crate::discover::DeadLetters;
use crate::look::{Look, OTHERS, Tally};

/// The name in `source`.
pub(crate) const SOURCE: &str = "dlq-triage";

/// What every notice of a queue has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The queue.
    pub(crate) letters: &'a DeadLetters,
    /// The environment.
    pub(crate) environment: &'a str,
    /// The clock.
    pub(crate) now: Timestamp,
}

/// What is told of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfGroup<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// What was seen of it; nothing, where none are left.
    pub(crate) tally: Option<&'a Tally>,
    /// What it is, in one line.
    pub(crate) line: &'a str,
    /// Why its letters died.
    pub(crate) verdict: Verdict,
    /// What is done with it.
    pub(crate) step: &'a Step,
    /// Its redrive.
    pub(crate) redrive: Option<&'a Redrive>,
    /// How many letters went to the archive just now.
    pub(crate) archived: u64,
    /// What failed just now.
    pub(crate) errors: &'a [String],
    /// Where the archive has them.
    pub(crate) run: &'a str,
}

/// The incident of a group.
pub(crate) fn incident(queue: &str, group: &str) -> String {
    format!("dlq:{queue}:{group}")
}

impl About<'_> {
    fn notice(&self, incident: &str, state: State, severity: Severity, title: &str) -> Notice {
        let queue = &self.letters.queue;
        let subject =
            Subject { kind: "sqs-queue".to_owned(), id: queue.name.clone(), arn: Some(queue.arn.clone()) };
        let mut notice = Notice::new(incident, state, severity, subject, title, self.now);
        SOURCE.clone_into(&mut notice.source);
        self.environment.clone_into(&mut notice.environment);
        notice.labels.insert("queue".to_owned(), queue.name.clone());
        notice
    }

    /// Something changed with a group.
    pub(crate) fn of_group(&self, news: News, group: &OfGroup<'_>) -> Notice {
        let queue = &self.letters.queue.name;
        let count = group.tally.map_or(0, Tally::count);
        let line: String = group.line.chars().take(120).collect();
        let title = match news.what {
            What::New => format!("{} in {queue}: {line}", dead(count)),
            What::Growing => format!("{} in {queue} by now: {line}", dead(count)),
            What::Aborted => format!("Letters sent back from {queue} return: {line}"),
            What::Redriven => format!("All letters of a group in {queue} were sent back: {line}"),
            What::Gone => format!("No more letters of a group in {queue}: {line}"),
        };
        let mut notice = self.notice(&incident(queue, group.id), news.state, news.severity, &title);
        notice.labels.insert("verdict".to_owned(), group.verdict.to_string());
        notice.summary = self.summary(news, group, count);
        notice.fact("Group", group.id);
        notice.fact("Signature", group.line);
        notice.fact("Verdict", group.verdict);
        if let Some(tally) = group.tally {
            if let Some(rule) = &tally.rule {
                notice.fact("Rule of the policy", rule);
            }
            notice.fact("Letters", tally.count());
            if !tally.of.is_empty() {
                notice.fact("Given up by", &tally.of);
            }
            for (name, time) in [("First sent", tally.first), ("Last sent", tally.last)] {
                if let Some(time) = time {
                    notice.fact(name, time.strftime("%Y-%m-%d %H:%M:%S UTC"));
                }
            }
            if tally.redriven > 0 {
                notice.fact(
                    "Died",
                    format!("{} times, sent back {} times", tally.redriven + 1, tally.redriven),
                );
            }
            notice.fact("Sample (redacted)", &tally.sample);
        }
        if let Some(redrive) = group.redrive {
            notice.fact("Operation", &redrive.id);
            if let Some(by) = &redrive.by {
                notice.fact("Asked for by", by);
            }
            notice.actions.push(format!(
                "Sent {} back{}.",
                letters(redrive.sent),
                if redrive.returned > 0 { format!("; {} returned", redrive.returned) } else { String::new() },
            ));
        }
        if group.archived > 0 {
            notice.actions.push(format!("Moved {} to the archive: {}.", letters(group.archived), group.run));
        }
        if news.what == What::Aborted {
            for error in group.errors {
                notice.fact("Failed", error);
            }
        }
        if news.state == State::Firing {
            notice.next_steps = self.next_steps(group);
        }
        notice
    }

    fn summary(&self, news: News, group: &OfGroup<'_>, count: u64) -> String {
        let queue = &self.letters.queue.name;
        let why = match group.verdict {
            Verdict::Transient => "They died of something that passes.",
            Verdict::Permission => {
                "They died of a missing permission or a wrong setting, which somebody has to mend before they can succeed."
            }
            Verdict::Poison => "They died of what stands in them, and would die again.",
            Verdict::Stale => "They waited for too long, and may mean nothing any more.",
            Verdict::Oversize => "They are too large for whoever is to take them.",
            Verdict::Unknown => "What they died of is not known.",
        };
        match news.what {
            What::New => {
                format!("{queue} has {} of one kind that it did not have before. {why}", letters(count))
            }
            What::Growing => format!("{queue} has {} of one kind by now. {why}", letters(count)),
            What::Aborted => {
                if group.redrive.is_some_and(|redrive| redrive.sent == 0) {
                    return format!("None of them could be sent back: they stay in {queue}.");
                }
                let (sent, returned) =
                    group.redrive.map_or((0, 0), |redrive| (redrive.sent, redrive.returned));
                if returned == 0 {
                    return format!(
                        "{} were sent back, and the others could not be, again and again: they stay in {queue}.",
                        letters(sent)
                    );
                }
                format!(
                    "{} were sent back, and {returned} came back or died of the same since. No more are sent; the others \
                     stay in {queue}.",
                    letters(sent)
                )
            }
            What::Redriven => "They were sent back, and none of them returned.".to_owned(),
            What::Gone => format!("Whatever was done with them: none are left in {queue}."),
        }
    }

    fn next_steps(&self, group: &OfGroup<'_>) -> Vec<String> {
        let queue = &self.letters.queue.name;
        let id = group.id;
        let mut steps = Vec::new();
        if id == OTHERS {
            return vec![
                "There are more kinds of letters than are told apart: look at some (`peek`), and see what their senders \
                 write into the fields that say what kind of message it is. None of them is sent back by itself."
                    .to_owned(),
            ];
        }
        match group.step {
            Step::Canary { .. } | Step::Wait { .. } | Step::Send { .. } => {
                steps.push(
                    "Nothing: a few are sent back first, and the others when these do not return.".to_owned(),
                );
                return steps;
            }
            Step::Abort => {
                steps.push("Find out why they still die: the sample and the signature say where.".to_owned());
            }
            Step::Leave(still) => steps.extend(still_said(still)),
            Step::Finish => {}
        }
        match group.verdict {
            Verdict::Permission => {
                steps.push("Grant what the signature names, or put the setting right.".to_owned());
            }
            Verdict::Poison => {
                steps.push("Mend the consumer so that it takes such messages, or their sender.".to_owned());
            }
            Verdict::Stale => steps.push("Decide whether they still mean anything.".to_owned()),
            Verdict::Oversize => steps.push("Send them in parts, or by way of S3.".to_owned()),
            Verdict::Unknown => {
                steps.push("Look at them, and teach the policy what they are (dlq.rules).".to_owned());
            }
            Verdict::Transient => {}
        }
        match group.tally.and_then(|tally| tally.no_way.as_ref()) {
            Some(why) => steps.push(format!("They cannot be sent back: {why}.")),
            None => steps.push(format!(
                "Send them back when it is mended: invoke dlq-triage with {{\"redrive\": {{\"queue\": \"{queue}\", \
                 \"group\": \"{id}\", \"by\": \"<your name>\"}}}}"
            )),
        }
        let count = group.tally.map_or(0, Tally::count);
        steps.push(format!(
            "Or keep them in the archive: {{\"archive\": {{\"queue\": \"{queue}\", \"group\": \"{id}\", \"count\": {count}, \
             \"by\": \"<your name>\"}}}}"
        ));
        steps
    }

    /// Letters are about to be lost, or are not any more.
    pub(crate) fn of_loss(
        &self,
        state: State,
        severity: Severity,
        loss: Option<Loss>,
        look: &Look,
        errors: &[String],
    ) -> Notice {
        let queue = &self.letters.queue.name;
        let title = match state {
            State::Firing => format!("{queue} is about to lose letters"),
            State::Resolved | State::Info => format!("{queue} loses no letters any more"),
        };
        let mut notice = self.notice(&incident(queue, "loss"), state, severity, &title);
        if let Some(loss) = loss {
            let left = loss.at.duration_since(self.now).max(SignedDuration::ZERO);
            notice.summary = format!(
                "The oldest of its letters is lost in {:#}: SQS counts the time from when a message was first sent, \
                 not from when it came into this queue.",
                SignedDuration::from_mins(left.as_mins())
            );
            notice.fact("First loss", loss.at.strftime("%Y-%m-%d %H:%M:%S UTC"));
            notice.fact("Kept for", format!("{:#}", self.letters.queue.attributes.retention));
            notice.fact("Letters", look.letters);
            notice.next_steps.push(format!(
                "Keep them: invoke dlq-triage with {{\"archive\": {{\"queue\": \"{queue}\", \"count\": {}, \"by\": \
                 \"<your name>\"}}}}, or let the policy do it (dlq.archive.what)",
                look.letters
            ));
        } else {
            "What was about to be lost was sent back, archived, or is gone.".clone_into(&mut notice.summary);
        }
        for error in errors {
            notice.fact("Failed", error);
        }
        notice
    }

    /// The queue cannot be read, or can be again.
    pub(crate) fn unreadable(&self, why: Option<&str>) -> Notice {
        let queue = &self.letters.queue.name;
        let told = |state, title: &str| self.notice(&incident(queue, "unread"), state, Severity::Sev3, title);
        let Some(why) = why else {
            return told(State::Resolved, &format!("The letters in {queue} can be read again"));
        };
        let mut notice = told(State::Firing, &format!("The letters in {queue} cannot be read"));
        notice.summary = format!("There are letters, and nobody sees what they are: {why}.");
        notice
    }

    /// Something that somebody asked for is done.
    pub(crate) fn by_hand(&self, what: &str, by: &str, done: &Done, run: &str) -> Notice {
        let queue = &self.letters.queue.name;
        let title = format!("{what} of {queue}, asked for by {by}");
        let mut notice = self.notice(
            &incident(queue, &format!("hand#{}", self.now.as_millisecond())),
            State::Info,
            Severity::Sev4,
            &title,
        );
        let sum = |counts: &std::collections::BTreeMap<String, u64>| counts.values().sum::<u64>();
        notice.summary = format!(
            "{} read: {} sent back, {} archived, {} left.{}",
            letters(u64::try_from(done.letters).unwrap_or(u64::MAX)),
            sum(&done.redriven),
            sum(&done.archived),
            sum(&done.left),
            held(done.in_hand).map(|held| format!(" {held}.")).unwrap_or_default()
        );
        if sum(&done.archived) > 0 {
            notice.fact("Archive", run);
            notice.next_steps.push(format!(
                "To take it back: {{\"restore\": {{\"queue\": \"{queue}\", \"run\": \"{run}\", \"to\": \"dlq\", \"by\": \
                 \"<your name>\"}}}}"
            ));
        }
        for error in &done.errors {
            notice.fact("Failed", error);
        }
        notice
    }
}

fn still_said(still: &Still) -> Option<String> {
    match still {
        Still::MayNotAct(why) => Some(format!("They would be sent back by themselves, but {why}.")),
        Still::NotAutomatic => Some(
            "They could be sent back by themselves; the policy wants to be asked (dlq.redrive.automatic)."
                .to_owned(),
        ),
        Still::Held { until } => Some(format!(
            "They returned before, so they are not sent back by themselves until {}.",
            until.strftime("%Y-%m-%d %H:%M UTC")
        )),
        Still::TooMany => Some(
            "There are more than could be looked at, so that nobody would see them return: raise dlq.look in the policy, \
             or send them back by hand, a group at a time."
                .to_owned(),
        ),
        Still::NotTransient | Still::NoWay | Still::NoneLeft => None,
    }
}

fn letters(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

fn dead(count: u64) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}
