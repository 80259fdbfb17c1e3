//! What a decision needs to know.

use aws_sdk_ecs::operation::describe_services::DescribeServicesError;
use aws_sdk_ecs::types as ecs;
use aws_sdk_ecs::types::DeploymentRolloutState::InProgress;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use shared::error::Call;
use shared::ledger::scaling::Kept;
use shared::policy::Scale;
use shared::tags::{self, Mode, Tags};
use shared::target::Target;
use shared::{Error, Result};

use crate::Run;
use crate::decision::{Deployment, Facts, Service};

/// The messages of a queue.
struct Messages {
    queue: String,
    waiting: u64,
    in_flight: u64,
}

impl Run<'_> {
    /// The queue, the service, and what is remembered of them.
    pub(crate) async fn look(&self, rule: &Scale) -> Result<(Facts, Kept)> {
        let ledger = &self.clients.ledger;
        let (queue, service, kept, memory) = tokio::try_join!(
            self.messages(&rule.queue),
            self.service(&rule.service),
            ledger.scaling(&rule.service),
            ledger.recall(&rule.service),
        )?;
        let open = kept.scaling.as_ref().filter(|scaling| scaling.goes_on());
        let messages = match (queue, open) {
            (Some(messages), _) => messages,
            // In a queue that is gone nothing waits: the service is not left with tasks for it.
            (None, Some(scaling)) => Messages { queue: scaling.queue.clone(), waiting: 0, in_flight: 0 },
            (None, None) => {
                let name = &rule.queue;
                return Err(Error::Missing(format!(
                    "the queue {name}, which the policy names under `scale`,"
                )));
            }
        };
        let Messages { queue, waiting, in_flight } = messages;
        // It is no matter but for more tasks.
        let autoscaled =
            u64::from(rule.above) < waiting && self.autoscaling(&rule.service).await?.0.is_some();
        let now = self.invocation.now;
        let busy = memory.all().find(|operation| operation.is_running(now));
        let busy = busy.map(|operation| format!("the end of the operation {}", operation.id));
        let tags = service.as_ref().map(|(_, tags)| tags);
        let known = kept.scaling.clone();
        let (foreign, withheld) = (self.foreign(tags), self.withheld(tags));
        let service = service.map(|(service, _)| service);
        Ok((Facts { queue, waiting, in_flight, service, busy, autoscaled, known, foreign, withheld }, kept))
    }

    /// How many messages there are, where there is such a queue.
    async fn messages(&self, name: &str) -> Result<Option<Messages>> {
        let sqs = &self.clients.sqs;
        let found = sqs.get_queue_url().queue_name(name).send().await;
        let found = match found {
            Err(error) if error.as_service_error().is_some_and(GetQueueUrlError::is_queue_does_not_exist) => {
                return Ok(None);
            }
            found => found.action("sqs:GetQueueUrl")?,
        };
        let (waiting, in_flight) =
            (Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible);
        let asked = sqs.get_queue_attributes().set_queue_url(found.queue_url);
        let names = vec![Attribute::QueueArn, waiting.clone(), in_flight.clone()];
        let answer = asked.set_attribute_names(Some(names)).send().await.action("sqs:GetQueueAttributes")?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |count: &Attribute| {
            let count = attributes.get(count).and_then(|count| count.parse().ok());
            count.ok_or_else(|| Error::Malformed(format!("SQS does not say how many messages {name} has")))
        };
        let queue = attributes.get(&Attribute::QueueArn).cloned().unwrap_or_default();
        Ok(Some(Messages { queue, waiting: count(&waiting)?, in_flight: count(&in_flight)? }))
    }

    /// The service and its tags, where there is one of this environment.
    pub(crate) async fn service(&self, target: &Target) -> Result<Option<(Service, Tags)>> {
        let Target::Service { cluster, service } = target else { return Ok(None) };
        let described = self
            .clients
            .ecs
            .describe_services()
            .cluster(cluster)
            .services(service)
            .include(ecs::ServiceField::Tags)
            .send()
            .await;
        let described = match described {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeServicesError::is_cluster_not_found_exception) =>
            {
                return Ok(None);
            }
            described => described.action("ecs:DescribeServices")?,
        };
        let Some(found) = described.services().first() else { return Ok(None) };
        let tag = |tag: &ecs::Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
        let tags: Tags = found.tags().iter().filter_map(tag).collect();
        let service = Service {
            desired: count(found.desired_count()),
            running: count(found.running_count()),
            active: found.status() == Some("ACTIVE"),
            counted: found.scheduling_strategy() != Some(&ecs::SchedulingStrategy::Daemon),
            deployment: deployment(found),
        };
        Ok(Some((service, tags)))
    }

    /// Why the service is no business of ours.
    pub(crate) fn foreign(&self, tags: Option<&Tags>) -> Option<String> {
        let environment = tags.and_then(|tags| tags.get(tags::ENVIRONMENT));
        if let Some(other) = environment.filter(|other| **other != self.config.environment) {
            return Some(format!("its tag says that it belongs to {other}"));
        }
        let off = Mode::resolve(self.config.mode, tags) == Mode::Off;
        off.then(|| "Watchkeeper is switched off for it".to_owned())
    }

    /// Why nothing is changed by itself now.
    fn withheld(&self, tags: Option<&Tags>) -> Option<String> {
        let now = self.invocation.now;
        if let Some(frozen) = self.policy.frozen(now) {
            return Some(format!("the policy freezes changes ({frozen})"));
        }
        if let Some(window) = self.policy.window(now) {
            return Some(format!("the maintenance window {} is open", window.name));
        }
        let observed = Mode::resolve(self.config.mode, tags) < Mode::Act;
        observed.then(|| "it is only observed".to_owned())
    }
}

/// A new count alone begins no deployment.
fn deployment(service: &ecs::Service) -> Deployment {
    let deployments = service.deployments();
    if deployments.len() > 1 || service.task_sets().len() > 1 {
        Deployment::Replacing
    } else if deployments.iter().any(|it| it.rollout_state() == Some(&InProgress)) {
        Deployment::UnderWay
    } else {
        Deployment::Done
    }
}

fn count(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}
