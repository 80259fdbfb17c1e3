//! The calls that emptying a dead-letter queue takes, and nothing else: nothing is read, grouped, judged, kept or
//! written down, and a letter that was not sent is lost.
//!
//! The event says `from` and `to` which queue, as URLs, and what `passes`: letters that contain it are sent back, all
//! others only deleted. With `workers` it is done as `dlq-triage` does it, in batches and so many at once, after all were
//! received once and let go of; without, as a script does it, one letter after the other.

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use aws_smithy_http_client::{Builder, tls};
use futures_util::future::try_join_all;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

/// What SQS takes and gives at once.
const BATCH: i32 = 10;

/// In seconds.
const HIDDEN: i32 = 300;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let aws = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let empty = async |event: LambdaEvent<Value>| {
        let text = |name: &str| event.payload.get(name).and_then(Value::as_str).unwrap_or_default();
        let queues =
            Emptying { sqs: Client::new(&aws), from: text("from"), to: text("to"), passes: text("passes") };
        match event.payload.get("workers").and_then(Value::as_u64) {
            Some(workers) => {
                let receipts = try_join_all((0..workers).map(|_| queues.look())).await?;
                try_join_all(receipts.iter().map(|receipts| queues.let_go(receipts))).await?;
                try_join_all((0..workers).map(|_| queues.in_batches())).await?;
            }
            None => queues.one_by_one().await?,
        }
        Ok::<_, Error>(Value::Null)
    };
    lambda_runtime::run(service_fn(empty)).await
}

struct Emptying<'a> {
    sqs: Client,
    from: &'a str,
    to: &'a str,
    passes: &'a str,
}

impl Emptying<'_> {
    /// Receives all there are, and says their receipts.
    async fn look(&self) -> Result<Vec<String>, Error> {
        let mut receipts = Vec::new();
        loop {
            let letters = self.receive(BATCH).await?;
            if letters.is_empty() {
                return Ok(receipts);
            }
            receipts.extend(letters.into_iter().filter_map(|letter| letter.receipt_handle));
        }
    }

    async fn let_go(&self, receipts: &[String]) -> Result<(), Error> {
        for batch in receipts.chunks(BATCH.try_into()?) {
            let entries: Result<Vec<_>, _> = batch
                .iter()
                .enumerate()
                .map(|(number, receipt)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
                    entry.receipt_handle(receipt).visibility_timeout(0).build()
                })
                .collect();
            let change = self.sqs.change_message_visibility_batch().queue_url(self.from);
            change.set_entries(Some(entries?)).send().await?;
        }
        Ok(())
    }

    async fn in_batches(&self) -> Result<(), Error> {
        loop {
            let letters = self.receive(BATCH).await?;
            if letters.is_empty() {
                return Ok(());
            }
            let (mut back, mut out) = (Vec::new(), Vec::new());
            for (number, letter) in letters.iter().enumerate() {
                let body = letter.body().unwrap_or_default();
                if body.contains(self.passes) {
                    let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
                    back.push(entry.message_body(body).build()?);
                }
                let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
                out.push(entry.receipt_handle(letter.receipt_handle().unwrap_or_default()).build()?);
            }
            if !back.is_empty() {
                self.sqs.send_message_batch().queue_url(self.to).set_entries(Some(back)).send().await?;
            }
            self.sqs.delete_message_batch().queue_url(self.from).set_entries(Some(out)).send().await?;
        }
    }

    async fn one_by_one(&self) -> Result<(), Error> {
        while let Some(letter) = self.receive(1).await?.pop() {
            let body = letter.body().unwrap_or_default();
            if body.contains(self.passes) {
                self.sqs.send_message().queue_url(self.to).message_body(body).send().await?;
            }
            let receipt = letter.receipt_handle().unwrap_or_default();
            self.sqs.delete_message().queue_url(self.from).receipt_handle(receipt).send().await?;
        }
        Ok(())
    }

    async fn receive(&self, most: i32) -> Result<Vec<Message>, Error> {
        let receive = self.sqs.receive_message().queue_url(self.from).max_number_of_messages(most);
        // With all that comes with a letter, and not seen again before the end.
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        let receive = receive.message_attribute_names("All").visibility_timeout(HIDDEN);
        Ok(receive.send().await?.messages.unwrap_or_default())
    }
}
