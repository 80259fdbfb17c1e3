use std::time::Duration;

use aws_smithy_mocks::{RuleMode, mock_client};
use rustls::RootCertStore;
use shared::notice::State;

use super::{Channel, Kind, Memory, Outbox, Sent, Telling, parse};
use crate::http::Http;
use crate::render::samples::{self, Sample};

/// What the tests of every channel send with.
pub(in crate::channel) struct Clients {
    pub(in crate::channel) http: Http,
    pub(in crate::channel) sns: aws_sdk_sns::Client,
    pub(in crate::channel) ses: aws_sdk_sesv2::Client,
}

impl Clients {
    /// Those that nobody answers.
    pub(in crate::channel) fn new() -> Self {
        Self {
            http: Http::trusting(RootCertStore::empty()).unwrap(),
            sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, []),
            ses: mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, []),
        }
    }

    /// Sends a sample, with what the channel remembers of its incident.
    pub(in crate::channel) async fn send(&self, kind: Kind, sample: &Sample, memory: &Memory) -> Sent {
        let channel = Channel { name: "ops".to_owned(), kind };
        let out = Outbox {
            http: &self.http,
            sns: &self.sns,
            ses: &self.ses,
            limit: &|| Duration::from_secs(5),
            now: sample.now,
        };
        let telling =
            Telling { view: sample.view(), channel: "ops", key: "0123456789abcdef", attempt: 1, memory };
        channel.send(&out, &telling).await
    }
}

#[track_caller]
fn check(secret: &str, expected: &str) {
    let got = match parse(secret) {
        Ok(channels) => format!("{channels:?}"),
        Err(error) => error.chain(),
    };
    assert!(got.contains(expected), "{got}\ndoes not say {expected:?}");
    assert!(!got.contains("hunter2"), "a value shows: {got}");
}

fn of(channels: &str) -> String {
    format!(r#"{{"channels":[{channels}]}}"#)
}

#[test]
fn a_channel_prints_without_its_address_and_key() {
    let secret = of(r#"{"name":"ops","type":"slack","url":"https://hooks.invalid/hunter2","room":"x"},
        {"name":"audit","type":"webhook","url":"https://hooks.invalid/hunter2","secret":"hunter2"}"#);
    check(&secret, r#"[Channel { name: "ops", kind: slack }, Channel { name: "audit", kind: webhook }]"#);
}

#[test]
fn a_secret_without_certain_channels_is_refused() {
    let refused = "the channels secret cannot be used: ";
    check("hunter2", &format!("{refused}it is not JSON (line 1, column 1)"));
    check("[]", "it has no list named \"channels\"");
    check(r#"{"channels":"hunter2"}"#, "it has no list named \"channels\"");
    check(&of(""), "its list of channels is empty");
    check(&of(r#""hunter2""#), "channel 1 is not an object");
    check(&of(r#"{"name":"a","type":"slack"},{"type":"slack"}"#), "channel 2: name is missing");
    check(&of(r#"{"name":"hunter2!"}"#), "channel 1: name may have at most 64 letters");
    let twice = of(r#"{"name":"ops"},{"name":"ops"}"#);
    check(&twice, "two channels are named \"ops\"");
}

#[test]
fn a_channel_that_cannot_be_used_says_which_field_is_wrong() {
    let broken = |fields: &str, expected: &str| {
        let secret = of(&format!(
            r#"{{"name":"ops",{fields}}},{{"name":"ok","type":"slack","url":"https://a.invalid"}}"#
        ));
        check(&secret, &format!("Broken({expected})"));
        assert!(matches!(parse(&secret).unwrap()[1].kind, Kind::Slack { .. }), "the other channel goes on");
    };
    broken(
        r#""type":"hunter2""#,
        "type is not known; write slack, slack-app, teams, pagerduty, github, sns, email, amazon-q or webhook",
    );
    broken(r#""url":"https://a.invalid""#, "type is missing");
    broken(r#""type":"slack""#, "url is missing");
    broken(r#""type":"slack","url":7"#, "url is not a text");
    broken(r#""type":"slack","url":"hunter2""#, "url is not an address");
    broken(r#""type":"slack","url":"http://a.invalid/hunter2""#, "url must begin with https://");
    broken(r#""type":"webhook","url":"https://a.invalid/hunter2""#, "secret is missing");
    broken(r#""type":"webhook","url":"https://a.invalid/hunter2","secret":" ""#, "secret is empty");
    let metadata = "url leads to a link-local or metadata address";
    broken(r#""type":"slack","url":"https://169.254.169.254/hunter2""#, metadata);
    broken(r#""type":"slack","url":"https://0xa9fea9fe/hunter2""#, metadata);
    broken(r#""type":"slack","url":"https://[::ffff:169.254.169.254]/hunter2""#, metadata);
}

#[track_caller]
fn check_one(fields: &str, expected: &str) {
    let secret = of(&format!(r#"{{"name":"ops",{fields}}}"#));
    check(&secret, &format!("kind: {expected} }}"));
}

#[test]
fn every_type_is_read_with_its_defaults() {
    check_one(r#""type":"slack-app","token":"xoxb-hunter2","channel":"C012""#, "slack-app");
    check_one(r#""type":"teams","url":"https://x.logic.invalid/workflows/hunter2?sig=hunter2""#, "teams");
    check_one(r#""type":"sns","topic":"arn:aws:sns:eu-central-1:123456789012:hunter2""#, "sns");
    check_one(r#""type":"amazon-q","topic":"arn:aws-cn:sns:cn-north-1:123456789012:hunter2""#, "amazon-q");
    check_one(r#""type":"email","from":"Watch <hunter2@a.invalid>","to":["hunter2@b.invalid"]"#, "email");
    check_one(r#""type":"email","from":"hunter2@a.invalid","to":"hunter2@b.invalid""#, "email");

    let of = |fields: &str| parse(&of(&format!(r#"{{"name":"ops",{fields}}}"#))).unwrap().remove(0).kind;
    let pagerduty = |region: &str| {
        let kind = of(&format!(r#""type":"pagerduty","routing_key":" k "{region}"#));
        let Kind::PagerDuty { routing_key, api } = kind else { panic!("{kind:?}") };
        (routing_key, api.to_string())
    };
    assert_eq!(pagerduty(""), ("k".to_owned(), "https://events.pagerduty.com/v2/".to_owned()));
    assert_eq!(pagerduty(r#","region":"eu""#).1, "https://events.eu.pagerduty.com/v2/");
    let github = |api: &str| {
        let kind = of(&format!(r#""type":"github","token":"t","repository":"a/b"{api}"#));
        let Kind::GitHub { api, .. } = kind else { panic!("{kind:?}") };
        api.to_string()
    };
    assert_eq!(github(""), "https://api.github.com/");
    assert_eq!(github(r#","api":"https://git.invalid/api/v3""#), "https://git.invalid/api/v3/");
}

#[test]
fn every_wrong_field_is_named_and_its_value_is_not() {
    let broken = |fields: &str, expected: &str| check_one(fields, &format!("Broken({expected})"));
    broken(r#""type":"slack-app","channel":"C1""#, "token is missing");
    let unprinted = "has a space, or a character that cannot be sent";
    broken(
        r#""type":"slack-app","token":"hunter2\n","channel":"hunter2 b""#,
        &format!("channel {unprinted}"),
    );
    broken(r#""type":"slack-app","token":"a hunter2","channel":"C1""#, &format!("token {unprinted}"));
    broken(r#""type":"slack-app","token":"hunter2","channel":7"#, "channel is not a text");
    broken(r#""type":"teams","url":"http://hunter2.invalid""#, "url must begin with https://");
    broken(r#""type":"pagerduty""#, "routing_key is missing");
    broken(r#""type":"pagerduty","routing_key":"hunter2\u0000x""#, &format!("routing_key {unprinted}"));
    broken(
        r#""type":"pagerduty","routing_key":"k","region":"hunter2""#,
        "region is not known; write us or eu",
    );
    broken(r#""type":"pagerduty","routing_key":"k","region":7"#, "region is not a text");
    let address = "api must end with its path";
    broken(r#""type":"pagerduty","routing_key":"k","api":"https://a.invalid/?hunter2""#, address);
    let repository = "repository must be owner/name";
    for wrong in ["hunter2", "hunter2/", "/hunter2", "a/hunter2/c", "../hunter2", "a/hunter2?x", "a/.."] {
        broken(&format!(r#""type":"github","token":"t","repository":"{wrong}""#), repository);
    }
    broken(r#""type":"github","repository":"a/b""#, "token is missing");
    broken(r#""type":"github","token":"hunter2 x","repository":"a/b""#, &format!("token {unprinted}"));
    let topic = "topic must be the ARN of an SNS topic";
    broken(r#""type":"sns","topic":"arn:aws:sqs:r:1:hunter2""#, topic);
    broken(r#""type":"amazon-q","topic":"hunter2""#, topic);
    broken(r#""type":"email","to":["a@b.invalid"]"#, "from is missing");
    broken(r#""type":"email","from":"hunter2","to":["a@b.invalid"]"#, "from holds no email address");
    broken(
        r#""type":"email","from":"hunter2@a.invalid\r\nBcc: x@y.invalid","to":["a@b.invalid"]"#,
        "from holds no email address",
    );
    broken(
        r#""type":"email","from":"a@b.invalid","to":["a@b.invalid","hunter2"]"#,
        "to holds no email address",
    );
    broken(
        r#""type":"email","from":"a@b.invalid","to":["a@b.invalid, hunter2@c.invalid"]"#,
        "to holds no email address",
    );
    let many = vec![r#""hunter2@b.invalid""#; 51].join(",");
    for to in ["[]", "7", many.as_str()] {
        let to = if to.starts_with('"') { format!("[{to}]") } else { to.to_owned() };
        broken(
            &format!(r#""type":"email","from":"a@b.invalid","to":{to}"#),
            "to must be a list of 1 to 50 addresses",
        );
    }
    broken(r#""type":"webhook","url":"https://a.invalid/hunter2","secret":7"#, "secret is not a text");
}

#[test]
fn a_channel_takes_only_what_it_has_a_place_for() {
    let of = |fields: &str| parse(&of(&format!(r#"{{"name":"ops",{fields}}}"#))).unwrap().remove(0);
    let pagerduty = of(r#""type":"pagerduty","routing_key":"k""#);
    let github = of(r#""type":"github","token":"t","repository":"Example/Web""#);
    let slack = of(r#""type":"slack","url":"https://a.invalid""#);

    let (incident, deployment) = (samples::rollback().notice, samples::deployment().notice);
    let mut record = incident.clone();
    record.state = State::Info;
    for notice in [&incident, &deployment, &record] {
        assert_eq!(slack.takes(notice), Ok(()));
    }
    assert_eq!(pagerduty.takes(&incident), Ok(()));
    assert_eq!(pagerduty.takes(&samples::resolution().notice), Ok(()));
    assert_eq!(pagerduty.takes(&deployment), Ok(()));
    assert_eq!(pagerduty.takes(&record), Err("takes incidents and deployments; this is neither"));
    assert_eq!(pagerduty.takes(&samples::acknowledgement().notice), Ok(()));

    assert_eq!(github.takes(&deployment), Ok(()), "names of repositories have no case");
    assert_eq!(github.takes(&incident), Err("takes deployments; this is none"));
    let changed = |repository: Option<&str>, commit: Option<&str>| {
        let mut notice = deployment.clone();
        let told = notice.deployment.as_mut().unwrap();
        told.repository = repository.map(ToOwned::to_owned);
        told.commit = commit.map(ToOwned::to_owned);
        notice
    };
    let hash = "8f14e45fceea167a5a36dedd4bea2543c0ffee00";
    assert_eq!(github.takes(&changed(None, Some(hash))), Ok(()));
    let other = Err("takes deployments of its own repository; this is of another");
    assert_eq!(github.takes(&changed(Some("evil/web"), Some(hash))), other);
    for commit in [None, Some("main"), Some("8f14e45"), Some("8f14e45fceea167a5a36dedd4bea2543c0ffee0/")] {
        let nothing = Err("takes deployments of a commit; this names no full hash of one");
        assert_eq!(github.takes(&changed(None, commit)), nothing, "{commit:?}");
    }
}
