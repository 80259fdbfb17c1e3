//! Queues: all that there are, and where they send their dead letters.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use shared::error::Call;
use shared::tags::Tags;
use shared::{Error, Result};
use tokio::time::Instant;

use super::ask::{Kind, Seen, Short, each, pages};
use super::attributes::{Attributes, NAMES};
use super::{Named, Queue, Source};

/// A thousand take a hundred rounds of ten, some five seconds, and that at every look. Each has a policy of its own,
/// which may deny what the next one allows.
const QUEUES: Kind = Kind { name: "queues", at_most: 1_000, at_once: 10, patience: None };

/// Their tags are asked for one by one, too.
const TAGS: Kind = Kind { name: "tags of queues", ..QUEUES };

/// SQS lists at most this many queues on one page (SQS API, `ListQueues`).
const ON_A_PAGE: i32 = 1_000;

/// What SQS answers for a queue that is not there: in its old protocol, and in JSON.
const GONE: [&str; 2] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// The URLs of all queues. Those whose names begin so come first, so that they are not the ones that are too many.
///
/// # Errors
/// What `sqs:ListQueues` answers.
pub(super) async fn listed(client: &Client, beginning: &str, until: Instant) -> Result<Seen<String>> {
    let (mut urls, mut known, mut blind) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let first = (!beginning.is_empty()).then_some(beginning);
    for beginning in first.map(Some).into_iter().chain([None]) {
        let list = pages(&QUEUES, until, async |token| {
            let listed = client
                .list_queues()
                .max_results(ON_A_PAGE)
                .set_queue_name_prefix(beginning.map(ToOwned::to_owned))
                .set_next_token(token)
                .send()
                .await
                .action("sqs:ListQueues")?;
            Ok((listed.queue_urls.unwrap_or_default(), listed.next_token))
        });
        let list = list.await;
        match list.short {
            Some(Short::Failed(error)) => return Err(error),
            Some(short) => {
                blind.insert(short.told(&QUEUES));
            }
            None => {}
        }
        urls.extend(list.found.into_iter().filter(|url| known.insert(url.clone())));
    }
    if QUEUES.at_most < urls.len() {
        urls.truncate(QUEUES.at_most);
        blind.insert(Short::Limit.told(&QUEUES));
    }
    Ok(Seen { found: urls, blind: blind.into_iter().collect() })
}

/// These queues, without their tags.
pub(super) async fn all(client: &Client, urls: &[String], until: Instant) -> Seen<Queue> {
    each(&QUEUES, until, urls, |url| name(url), async |url| read(client, url).await).await
}

/// One queue, without its tags; `None`: there is none.
///
/// # Errors
/// What `sqs:GetQueueAttributes` answers.
pub(super) async fn read(client: &Client, url: &str) -> Result<Option<Queue>> {
    let said = client
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(NAMES.to_vec()))
        .send()
        .await
        .action("sqs:GetQueueAttributes");
    let Some(said) = unless_gone(said)? else { return Ok(None) };
    let said = said.attributes.unwrap_or_default();
    let Some(arn) = said.get(&aws_sdk_sqs::types::QueueAttributeName::QueueArn) else {
        return Err(Error::Malformed(format!("sqs:GetQueueAttributes does not say the ARN of {url}")));
    };
    Ok(Some(Queue {
        arn: arn.clone(),
        url: url.to_owned(),
        name: name(url).to_owned(),
        tags: Tags::new(),
        attributes: Attributes::of(&said),
    }))
}

/// These queues with their tags, but those that are not there any more, and those whose tags cannot be read.
pub(super) async fn tagged(client: &Client, queues: &[&Queue], until: Instant) -> Seen<Queue> {
    let ask = async |queue: &&Queue| {
        let tags = tags(client, &queue.url).await?;
        Ok(tags.map(|tags| Queue { tags, ..(*queue).clone() }))
    };
    each(&TAGS, until, queues, |queue| &queue.name, ask).await
}

/// The tags of a queue; `None`: there is no such queue.
///
/// # Errors
/// What `sqs:ListQueueTags` answers.
pub(super) async fn tags(client: &Client, url: &str) -> Result<Option<Tags>> {
    let said = client.list_queue_tags().queue_url(url).send().await.action("sqs:ListQueueTags");
    Ok(unless_gone(said)?.map(|said| said.tags.unwrap_or_default().into_iter().collect()))
}

/// What a queue names, where it has a redrive policy.
pub(super) fn source(queue: &Queue) -> Option<Named> {
    let redrive = queue.attributes.redrive.as_ref()?;
    let source = Source::Queue {
        arn: queue.arn.clone(),
        url: queue.url.clone(),
        max_receives: redrive.max_receives,
        visibility: queue.attributes.visibility,
        fifo: queue.attributes.fifo,
    };
    Some((redrive.target.clone(), source))
}

fn unless_gone<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(said) => Ok(Some(said)),
        Err(error) if error.code().is_some_and(|code| GONE.contains(&code)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
