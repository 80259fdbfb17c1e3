//! Finds the dead-letter queues of an environment, each with what sends letters to it.
//!
//! A queue does not say whose dead-letter queue it is: its sources name it. So all that can name one are looked at: the
//! redrive policies of all queues, the functions' dead-letter configs and on-failure destinations, the event source
//! mappings, the subscriptions of SNS, the targets of EventBridge's rules. What is named, and is a queue of this
//! account and Region, is a dead-letter queue; so is one that nothing names and that is called like one.
//!
//! Only the list of queues has to be there. What else cannot be looked at, because a permission is missing, a service
//! throttles, there is too much of it, or the time is over, is said in [`Found::blind`], and the rest is found.
//!
//! Not looked at, because nothing here reads them: EventBridge Scheduler, Pipes, and the dead-letter queue of an event
//! bus as a whole. Their queues are found by their names.

mod ask;
pub mod attributes;
pub mod belongs;
mod functions;
mod queues;
mod subscriptions;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration;
use serde::{Deserialize, Serialize};
use shared::tags::{self, Tags};
use shared::{Error, Result};
use tokio::time::Instant;

use ask::Seen;
use attributes::Attributes;

/// A queue, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Its ARN.
    pub arn: String,
    /// What SQS is called with.
    pub url: String,
    /// Its name, with the `.fifo` of a FIFO queue.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// What it says of itself.
    pub attributes: Attributes,
}

/// What sends its dead letters to a queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A queue, by its redrive policy.
    Queue {
        /// Its ARN.
        arn: String,
        /// What SQS is called with.
        url: String,
        /// After so many receives a message is dead.
        max_receives: u32,
        /// So long a message that was received stays hidden.
        #[serde(with = "unsigned_duration::friendly::compact::required")]
        visibility: Duration,
        /// Whether it is a FIFO queue.
        fifo: bool,
    },
    /// A function that is invoked asynchronously.
    Function {
        /// Its ARN, with the version or the alias that the destination is set for; without `$LATEST`.
        arn: String,
        /// What names the queue.
        by: By,
    },
    /// An event source mapping, by its on-failure destination. Its letters point to a batch.
    Mapping {
        /// Its UUID.
        id: String,
        /// The ARN of the function.
        function: String,
        /// The ARN of what it reads; a Kafka of one's own has none.
        stream: Option<String>,
    },
    /// A subscription of SNS, by its redrive policy.
    Subscription {
        /// Its ARN.
        arn: String,
        /// The ARN of the topic.
        topic: String,
        /// How it is delivered: `sqs`, `lambda`, `https`, …
        protocol: String,
        /// Where it is delivered to. Serialised only where it is an ARN: an address may hold a password, or be a
        /// person's.
        #[serde(default, skip_serializing_if = "is_no_arn")]
        endpoint: String,
        /// Whether the message is delivered without SNS's envelope.
        raw: bool,
    },
    /// A target of one of EventBridge's rules.
    Target {
        /// The name of the event bus.
        bus: String,
        /// The ARN of the rule.
        rule: String,
        /// The target's id within the rule.
        id: String,
        /// The ARN of the target.
        arn: String,
        /// Whether it gets something else than the event (`Input`, `InputPath`, `InputTransformer`).
        transforms: bool,
        /// The message group that it is sent with (`SqsParameters`).
        group: Option<String>,
    },
}

/// What of a function names the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Its dead-letter config: the letter is the event.
    DeadLetterConfig,
    /// Its on-failure destination: the letter wraps the event.
    OnFailure,
}

fn is_no_arn(endpoint: &str) -> bool {
    !endpoint.starts_with("arn:")
}

/// A dead-letter queue, and where its letters come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetters {
    /// The queue.
    pub queue: Queue,
    /// What names it, by kind and ARN. Empty: nothing that was looked at does.
    pub sources: Vec<Source>,
    /// What of it, or of what may send letters to it, could not be looked at.
    pub blind: Vec<String>,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The dead-letter queues, by ARN.
    pub queues: Vec<DeadLetters>,
    /// What could not be looked at and why, a sentence each. Where a permission is missing, it is named.
    pub blind: Vec<String>,
}

/// The clients that a search needs.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// Queues.
    pub sqs: &'a aws_sdk_sqs::Client,
    /// Functions and event source mappings.
    pub lambda: &'a aws_sdk_lambda::Client,
    /// Subscriptions.
    pub sns: &'a aws_sdk_sns::Client,
    /// Rules and their targets.
    pub events: &'a aws_sdk_eventbridge::Client,
}

/// All dead-letter queues of this environment that `covers` (a name, or the beginning of one and a star) covers. What
/// is not looked at when the time is over, at `until`, is said in [`Found::blind`].
///
/// # Errors
/// What `sqs:ListQueues` answers.
pub async fn all(reach: &Reach<'_>, covers: &str, environment: &str, until: Instant) -> Result<Found> {
    let beginning = covers.strip_suffix('*').unwrap_or(covers);
    let listed = queues::listed(reach.sqs, beginning, until).await?;
    let mut world = World::look(reach, &listed.found, until).await;
    world.blind.splice(0..0, listed.blind);

    let dead: Vec<&Queue> = world
        .queues
        .values()
        .filter(|queue| shared::target::covers(covers, &queue.name))
        .filter(|queue| world.named.contains_key(&queue.arn) || belongs::sounds_dead(&queue.name))
        .collect();
    let tagged = queues::tagged(reach.sqs, &dead, until).await;
    world.blind.extend(tagged.blind);
    let queues = world.with_sources(reach, tagged.found, environment, covers != "*", until).await;
    Ok(Found { queues, blind: world.blind })
}

/// The queue with this URL, ARN or name, as a request by hand asks for it: alone, with its sources. That it was chosen
/// makes it belong to the environment, unless tags say otherwise; nobody asks whether anything names it.
///
/// # Errors
/// What `sqs:ListQueues`, and of this queue `sqs:GetQueueAttributes` and `sqs:ListQueueTags`, answer; where it does not
/// exist; where it belongs to another environment.
pub async fn one(reach: &Reach<'_>, which: &str, environment: &str, until: Instant) -> Result<Found> {
    let wanted = Wanted::of(which);
    let missing = || Error::Missing(format!("the queue {}", wanted.text));
    // Of too many, its sources are not among those that are left out, if they are called as it is.
    let listed = queues::listed(reach.sqs, belongs::stem(wanted.name), until).await?;
    let Some(url) = listed.found.iter().find(|url| wanted.fits(url)) else {
        let over = until <= Instant::now();
        let why = "the time was over before the queue was found; ask again";
        return Err(if over { Error::Later(why.to_owned()) } else { missing() });
    };
    let queue = queues::read(reach.sqs, url).await?.ok_or_else(missing)?;
    if wanted.arn.is_some_and(|arn| arn != queue.arn) {
        return Err(missing());
    }
    let tags = queues::tags(reach.sqs, url).await?.ok_or_else(missing)?;

    let mut world = World::look(reach, &listed.found, until).await;
    world.blind.splice(0..0, listed.blind);
    let name = queue.name.clone();
    let mut queues = world.with_sources(reach, vec![Queue { tags, ..queue }], environment, true, until).await;
    // Whoever decides about this one queue has to know that a source may be missing.
    for queue in &mut queues {
        queue.blind.extend(world.blind.iter().cloned());
    }
    if queues.is_empty() {
        return Err(Error::Malformed(format!(
            "{name} is left alone: the tag {} on it, or on the queues it serves, names another environment than \
             {environment}",
            tags::ENVIRONMENT
        )));
    }
    Ok(Found { queues, blind: world.blind })
}

/// A queue whose sources are known, as it is now; nothing, where it is gone.
///
/// # Errors
/// What `sqs:GetQueueAttributes` and `sqs:ListQueueTags` answer.
pub async fn again(reach: &Reach<'_>, url: &str, sources: Vec<Source>) -> Result<Option<DeadLetters>> {
    let Some(queue) = queues::read(reach.sqs, url).await? else { return Ok(None) };
    let Some(tags) = queues::tags(reach.sqs, url).await? else { return Ok(None) };
    Ok(Some(DeadLetters { queue: Queue { tags, ..queue }, sources, blind: Vec::new() }))
}

/// A queue as a person names it.
struct Wanted<'a> {
    text: &'a str,
    arn: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
}

impl<'a> Wanted<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let arn = text.starts_with("arn:").then_some(text);
        let mut parts = text.rsplit(if arn.is_some() { ':' } else { '/' });
        let name = parts.next().unwrap_or(text);
        Self { text, arn, account: parts.next(), name }
    }

    /// Hosts are not compared: SQS has several for one queue.
    fn fits(&self, url: &str) -> bool {
        let mut parts = url.rsplit('/');
        parts.next() == Some(self.name) && (self.account.is_none() || parts.next() == self.account)
    }
}

/// Something that names a dead-letter queue, behind the ARN that it names.
type Named = (String, Source);

/// All that was looked at.
struct World {
    /// By ARN; their tags are not read yet.
    queues: BTreeMap<String, Queue>,
    /// Who names them.
    named: BTreeMap<String, BTreeSet<Source>>,
    blind: Vec<String>,
}

impl World {
    async fn look(reach: &Reach<'_>, urls: &[String], until: Instant) -> Self {
        let (queues, functions, mappings, subscriptions, targets) = tokio::join!(
            queues::all(reach.sqs, urls, until),
            functions::all(reach.lambda, until),
            functions::mappings(reach.lambda, until),
            subscriptions::all(reach.sns, until),
            targets::all(reach.events, until),
        );
        let mut named = BTreeMap::<String, BTreeSet<Source>>::new();
        let mut blind = queues.blind;
        for (target, source) in queues.found.iter().filter_map(queues::source) {
            named.entry(target).or_default().insert(source);
        }
        for Seen { found, blind: some } in [functions, mappings, subscriptions, targets] {
            for (target, source) in found {
                named.entry(target).or_default().insert(source);
            }
            blind.extend(some);
        }
        let queues = queues.found.into_iter().map(|queue| (queue.arn.clone(), queue)).collect();
        Self { queues, named, blind }
    }

    /// Those of these queues that belong to the environment, each with its sources. Only where a queue has no tag of
    /// its own, those of its source queues are read.
    async fn with_sources(
        &mut self,
        reach: &Reach<'_>,
        dead: Vec<Queue>,
        environment: &str,
        chosen: bool,
        until: Instant,
    ) -> Vec<DeadLetters> {
        let untagged = dead.iter().filter(|queue| !queue.tags.contains_key(tags::ENVIRONMENT));
        let asked: BTreeSet<&str> = untagged.flat_map(|queue| self.source_queues(&queue.arn)).collect();
        let asked: Vec<&Queue> = asked.into_iter().filter_map(|arn| self.queues.get(arn)).collect();
        let Seen { found, blind } = queues::tagged(reach.sqs, &asked, until).await;
        let known: BTreeMap<String, Tags> =
            found.into_iter().map(|source| (source.arn, source.tags)).collect();
        self.blind.extend(blind);

        let mut queues: Vec<DeadLetters> = dead
            .into_iter()
            .filter_map(|queue| self.dead_letters(queue, &known, environment, chosen))
            .collect();
        queues.sort_by(|one, other| one.queue.arn.cmp(&other.queue.arn));
        queues
    }

    fn dead_letters(
        &self,
        queue: Queue,
        known: &BTreeMap<String, Tags>,
        environment: &str,
        chosen: bool,
    ) -> Option<DeadLetters> {
        let asked = !queue.tags.contains_key(tags::ENVIRONMENT);
        let (mut of_sources, mut blind) = (Vec::new(), Vec::new());
        for arn in self.source_queues(&queue.arn).filter(|_| asked) {
            match known.get(arn) {
                Some(tags) => of_sources.push(tags),
                None => blind.push(format!("the tags of its source {arn} are not known")),
            }
        }
        if !belongs::belongs(&queue.tags, &of_sources, environment, chosen) {
            return None;
        }
        let sources = self.named.get(&queue.arn).into_iter().flatten().cloned().collect();
        Some(DeadLetters { queue, sources, blind })
    }

    /// The ARNs of the queues that name this one.
    fn source_queues(&self, dead: &str) -> impl Iterator<Item = &str> {
        self.named.get(dead).into_iter().flatten().filter_map(|source| match source {
            Source::Queue { arn, .. } => Some(arn.as_str()),
            Source::Function { .. }
            | Source::Mapping { .. }
            | Source::Subscription { .. }
            | Source::Target { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests;
