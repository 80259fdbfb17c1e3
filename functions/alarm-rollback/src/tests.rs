//! The function from an event to its report, with mocked clients; and what the tests of the effects begin with.

mod by_hand;
mod double;
mod handling;

use aws_smithy_mocks::{Rule, RuleMode, mock_client};
use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;
use shared::ledger::Ledger;

use super::Clients;

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:notices";
pub(crate) const TIMERS: &str = "https://sqs.invalid/timers";

/// By client: the rules by which it answers. Any other call fails the test.
#[derive(Default)]
pub(crate) struct Mocks<'a> {
    pub(crate) cloudwatch: &'a [&'a Rule],
    pub(crate) ecs: &'a [&'a Rule],
    pub(crate) ecr: &'a [&'a Rule],
    pub(crate) secretsmanager: &'a [&'a Rule],
    pub(crate) ssm: &'a [&'a Rule],
    pub(crate) cloudformation: &'a [&'a Rule],
    pub(crate) sqs: &'a [&'a Rule],
    pub(crate) sns: &'a [&'a Rule],
    pub(crate) dynamodb: &'a [&'a Rule],
}

macro_rules! mocked {
    ($sdk:ident, $rules:expr) => {
        mock_client!($sdk, RuleMode::MatchAny, $rules, |config| config.retry_config(RetryConfig::disabled()))
    };
}

impl Mocks<'_> {
    pub(crate) fn clients(&self) -> Clients {
        let none: &[&Rule] = &[];
        Clients {
            cloudwatch: mocked!(aws_sdk_cloudwatch, self.cloudwatch),
            ecs: mocked!(aws_sdk_ecs, self.ecs),
            ecr: mocked!(aws_sdk_ecr, self.ecr),
            secretsmanager: mocked!(aws_sdk_secretsmanager, self.secretsmanager),
            ssm: mocked!(aws_sdk_ssm, self.ssm),
            codedeploy: mocked!(aws_sdk_codedeploy, none),
            lambda: mocked!(aws_sdk_lambda, none),
            cloudformation: mocked!(aws_sdk_cloudformation, self.cloudformation),
            sqs: mocked!(aws_sdk_sqs, self.sqs),
            sns: mocked!(aws_sdk_sns, self.sns),
            ledger: Ledger::new(mocked!(aws_sdk_dynamodb, self.dynamodb), "ledger"),
        }
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A time as the SDK holds it.
pub(crate) fn sdk(time: Timestamp) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_millis(time.as_millisecond())
}
