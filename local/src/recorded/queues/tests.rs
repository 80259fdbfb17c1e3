use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use serde_json::{Value, json};

use super::{Gone, Letter, Queues};
use crate::aws::sdk_config;
use crate::proxy::Proxy;
use crate::recorded::uncovered;

mod dead_letters;
mod describing;
mod fifo;
mod large;
mod sending;
mod standard;

const DAY: u64 = 24 * 60 * 60;

struct Scene {
    queues: Queues,
    sqs: Client,
    proxy: Proxy,
}

/// No queues at ten in the morning.
fn morning() -> Queues {
    Queues::at("2026-11-20T10:00:00Z".parse().unwrap()).alone()
}

/// A queue with these attributes, in the morning.
fn one(name: &str, attributes: &Value) -> Queues {
    morning().queue(name, attributes).unwrap()
}

/// `jobs`, and `dead`, to which its messages go when they were received so often.
fn pair(most: u32) -> Queues {
    one("dead", &json!({})).queue("jobs", &redrive("dead", most)).unwrap()
}

fn redrive(target: &str, most: u32) -> Value {
    let policy = json!({"deadLetterTargetArn": Queues::new().arn(target), "maxReceiveCount": most});
    json!({"RedrivePolicy": policy.to_string()})
}

async fn scene(queues: Queues) -> Scene {
    let answers = queues.clone();
    let proxy =
        Proxy::answering(move |call| answers.answer(call).unwrap_or_else(|| uncovered(call))).await.unwrap();
    let sqs = Client::new(&sdk_config(proxy.url()).await);
    Scene { queues, sqs, proxy }
}

impl Scene {
    fn advance(&self, seconds: u64) {
        self.queues.advance(Duration::from_secs(seconds));
    }

    fn put(&self, queue: &str, body: &str) -> String {
        self.queues.put(queue, Letter::new(body)).unwrap()
    }

    fn put_into_group(&self, queue: &str, group: &str, body: &str) -> String {
        self.queues.put(queue, Letter { group: Some(group.to_owned()), ..Letter::new(body) }).unwrap()
    }

    /// Up to ten, with everything that is known of them.
    async fn receive(&self, queue: &str) -> Vec<Message> {
        self.receive_up_to(queue, 10).await
    }

    async fn receive_up_to(&self, queue: &str, count: i32) -> Vec<Message> {
        let receive =
            self.sqs.receive_message().queue_url(self.queues.url(queue)).max_number_of_messages(count);
        let receive = receive.message_system_attribute_names(System::All).message_attribute_names("All");
        receive.send().await.unwrap().messages.unwrap_or_default()
    }

    /// The bodies of what is received.
    async fn bodies(&self, queue: &str) -> Vec<String> {
        self.receive(queue).await.into_iter().map(|message| message.body.unwrap()).collect()
    }

    async fn delete(&self, queue: &str, handle: &str) -> String {
        code(self.sqs.delete_message().queue_url(self.queues.url(queue)).receipt_handle(handle).send().await)
    }

    async fn hide(&self, queue: &str, handle: &str, seconds: i32) -> String {
        let change = self.sqs.change_message_visibility().queue_url(self.queues.url(queue));
        code(change.receipt_handle(handle).visibility_timeout(seconds).send().await)
    }

    fn held(&self, queue: &str) -> Vec<String> {
        self.queues.messages(queue).into_iter().map(|message| message.body).collect()
    }

    fn gone(&self, queue: &str) -> Vec<(String, Gone)> {
        self.queues.gone(queue).into_iter().map(|(message, how)| (message.body, how)).collect()
    }
}

fn handle(message: &Message) -> &str {
    message.receipt_handle().unwrap()
}

fn system<'a>(message: &'a Message, name: &System) -> Option<&'a str> {
    message.attributes()?.get(name).map(String::as_str)
}

/// The code of a refusal, without what all of them begin with; or `ok`.
fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            error.code().unwrap_or_default().trim_start_matches("AWS.SimpleQueueService.").to_owned()
        }
    }
}
