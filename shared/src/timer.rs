//! What one function asks another, or itself, to look at later: [`Timer`] is read by `deployment-watch`, [`Work`] by
//! `secret-redeploy`, [`Settlement`] by `secret-rotation`, [`Reminder`] by `notification-fanout`.
//!
//! A timer is a message on a queue of the function that reads it; while its time has not come, it is given back
//! (see [`crate::queue`]). It says only where to look: what it still means when it arrives, the ledger decides, so
//! that arming it twice does no harm.

use std::time::Duration;

use aws_sdk_sqs::Client;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Call;
use crate::queue::whole_seconds;
use crate::target::Target;
use crate::{Error, Result};

/// The longest that SQS delays a message (SQS API, `SendMessage`, `DelaySeconds`).
const LONGEST: Duration = Duration::from_mins(15);

/// What is to be looked at again, as the JSON of a message:
/// `{"watch": {"target": "ecs:prod/web", "operation": "…"}}` or
/// `{"prove": {"target": "ecs:prod/web", "revision": "arn:…", "deployment": "…", "since": "2026-11-20T03:00:00Z"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timer {
    /// An operation: has it come to its end?
    Watch {
        /// What the operation is about.
        #[serde(with = "crate::target::as_text")]
        target: Target,
        /// The operation's id in the ledger.
        operation: String,
    },
    /// A deployment that succeeded: did its revision stay good?
    Prove {
        /// What was deployed to.
        #[serde(with = "crate::target::as_text")]
        target: Target,
        /// What was deployed, such as the task definition's ARN.
        revision: String,
        /// The deployment's id.
        deployment: String,
        /// When it succeeded.
        since: Timestamp,
    },
}

impl Timer {
    /// Sends the timer; it arrives after this long, at most 15 minutes.
    ///
    /// # Errors
    /// What `sqs:SendMessage` answers.
    pub async fn arm(&self, sqs: &Client, queue_url: &str, delay: Duration) -> Result<()> {
        send(self, sqs, queue_url, delay).await
    }

    /// Reads a message's body; fields that are not known are left to whoever knows them.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(body: &str) -> Result<Self, String> {
        serde_json::from_str(body).map_err(|error| format!("the message is no timer: {error}"))
    }
}

/// What `secret-redeploy` is asked to go on with, on the queue that it reads itself, as the JSON of a message:
/// `{"follow": {"redeploy": "…"}}` or `{"advance": {"redeploy": "…"}}`. How far the redeploy is, the ledger and the world
/// say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// The redeploy's own message: it comes again until the redeploy is over.
    Follow {
        /// Its id.
        redeploy: String,
    },
    /// Something that it waits for came to its end: look now. It comes once.
    Advance {
        /// Its id.
        redeploy: String,
    },
}

impl Work {
    /// The redeploy that is meant.
    pub fn redeploy(&self) -> &str {
        match self {
            Self::Follow { redeploy } | Self::Advance { redeploy } => redeploy,
        }
    }
}

impl Work {
    /// Sends the message; it arrives after this long, at most 15 minutes.
    ///
    /// # Errors
    /// What `sqs:SendMessage` answers.
    pub async fn send(&self, sqs: &Client, queue_url: &str, delay: Duration) -> Result<()> {
        send(self, sqs, queue_url, delay).await
    }

    /// Reads a message's body.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(body: &str) -> Result<Self, String> {
        serde_json::from_str(body)
            .map_err(|error| format!("the message asks for nothing that is known: {error}"))
    }
}

/// What `secret-rotation` is told on the queue that it reads, as the JSON of a message:
/// `{"settle": {"secret": "arn:…", "version": "…"}}`: every dependant runs with that version of the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    /// What the strategy still keeps for those who ran with the version before may go.
    Settle {
        /// The secret's ARN.
        secret: String,
        /// The version that all of them run with.
        version: String,
    },
}

impl Settlement {
    /// Sends the message.
    ///
    /// # Errors
    /// What `sqs:SendMessage` answers.
    pub async fn send(&self, sqs: &Client, queue_url: &str) -> Result<()> {
        send(self, sqs, queue_url, Duration::ZERO).await
    }
}

/// What `notification-fanout` reminds itself of, on a queue that it reads itself, as the JSON of a message:
/// `{"flush": {"group": "…"}}`, `{"escalate": {"incident": "…"}}` or `{"repeat": {"incident": "…", "channel": "…"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reminder {
    /// Notices wait to be told together.
    Flush {
        /// Their group's id.
        group: String,
    },
    /// An incident may have to be escalated.
    Escalate {
        /// Its key.
        incident: String,
    },
    /// A channel may have to be told again that an incident goes on.
    Repeat {
        /// The incident's key.
        incident: String,
        /// The channel's name.
        channel: String,
    },
}

impl Reminder {
    /// Sends the reminder; it arrives after this long, at most 15 minutes.
    ///
    /// # Errors
    /// What `sqs:SendMessage` answers.
    pub async fn arm(&self, sqs: &Client, queue_url: &str, delay: Duration) -> Result<()> {
        send(self, sqs, queue_url, delay).await
    }

    /// Reads a message's body.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(body: &str) -> Result<Self, String> {
        serde_json::from_str(body).map_err(|error| format!("the message reminds of nothing known: {error}"))
    }
}

async fn send(message: &impl Serialize, sqs: &Client, queue_url: &str, delay: Duration) -> Result<()> {
    let body = serde_json::to_string(message)
        .map_err(|error| Error::Malformed(format!("a message cannot be written: {error}")))?;
    sqs.send_message()
        .queue_url(queue_url)
        .message_body(body)
        .delay_seconds(whole_seconds(delay, LONGEST))
        .send()
        .await
        .action("sqs:SendMessage")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::operation::send_message::{SendMessageError, SendMessageOutput};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::error::ErrorMetadata;
    use aws_smithy_types::retry::RetryConfig;

    use super::Timer;

    const WATCH: &str = r#"{"watch":{"target":"ecs:prod/web","operation":"op-1"}}"#;
    const PROVE: &str = concat!(
        r#"{"prove":{"target":"lambda:checkout:live","revision":"arn:td/web:7","deployment":"ecs-svc/1","#,
        r#""since":"2026-11-20T03:00:00Z"}}"#
    );

    #[test]
    fn a_timer_reads_back_as_it_was_written() {
        for text in [WATCH, PROVE] {
            assert_eq!(serde_json::to_string(&Timer::read(text).unwrap()).unwrap(), text);
        }
        let Timer::Watch { target, operation } = Timer::read(WATCH).unwrap() else { panic!("not a watch") };
        assert_eq!((target.to_string().as_str(), operation.as_str()), ("ecs:prod/web", "op-1"));
    }

    #[track_caller]
    fn check_refused(body: &str, expected: &str) {
        let error = Timer::read(body).unwrap_err();
        assert!(error.starts_with("the message is no timer: ") && error.contains(expected), "{error}");
    }

    #[test]
    fn what_is_no_timer_is_refused_in_words() {
        check_refused("", "EOF");
        check_refused("{}", "expected value");
        check_refused(r#"{"wake":{}}"#, "unknown variant `wake`, expected `watch` or `prove`");
        check_refused(r#"{"watch":{"target":"ecs:prod/web"}}"#, "missing field `operation`");
        check_refused(r#"{"watch":{"target":"web","operation":"x"}}"#, "\"web\" is not a target");
    }

    #[test]
    fn a_field_of_a_newer_version_is_passed_over() {
        let newer = r#"{"watch":{"target":"ecs:prod/web","operation":"op-1","why":"x"}}"#;
        assert_eq!(Timer::read(newer), Timer::read(WATCH));
    }

    async fn check_armed(delay: Duration, expected: i32) {
        let rule = mock!(Client::send_message)
            .match_requests(move |request| {
                request.queue_url() == Some("https://sqs.invalid/timers")
                    && request.message_body() == Some(WATCH)
                    && request.delay_seconds() == Some(expected)
            })
            .then_output(|| SendMessageOutput::builder().build());
        let sqs = mock_client!(aws_sdk_sqs, [&rule]);
        Timer::read(WATCH).unwrap().arm(&sqs, "https://sqs.invalid/timers", delay).await.unwrap();
        assert_eq!(rule.num_calls(), 1, "{delay:?}");
    }

    #[tokio::test]
    async fn a_timer_arrives_no_earlier_than_asked_and_no_later_than_sqs_allows() {
        check_armed(Duration::ZERO, 0).await;
        check_armed(Duration::from_millis(1), 1).await;
        check_armed(Duration::from_mins(15), 900).await;
        check_armed(Duration::from_hours(1), 900).await;
    }

    #[tokio::test]
    async fn a_denial_names_the_permission() {
        let denied = mock!(Client::send_message).then_error(|| {
            SendMessageError::generic(ErrorMetadata::builder().code("AccessDenied").message("no").build())
        });
        let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&denied], |config| config
            .retry_config(RetryConfig::disabled()));
        let error = Timer::read(WATCH).unwrap().arm(&sqs, "q", Duration::ZERO).await.unwrap_err();
        assert!(error.chain().starts_with("sqs:SendMessage is denied"), "{error}");
    }
}
