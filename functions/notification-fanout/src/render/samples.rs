//! Views for the tests of every channel: what people are told most, what is hardest to show, and whatever proptest makes up.

use std::time::Duration;

use aws_smithy_mocks::{RuleMode, mock_client};
use expect_test::expect_file;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use shared::notice::{Deployment, Fact, Health, Link, Notice, Severity, State, Status, Subject};

use super::{Occasion, View};
use crate::channel::{Channel, Kind, Memory, Outbox, Sent, Telling};
use crate::http::Http;

/// A link to acknowledge by; whoever holds it can.
pub(crate) const ACKNOWLEDGE: &str =
    "https://ack.watchkeeper.invalid/a/eyJpbmNpZGVudCI6MX0.c2lnbmF0dXJl?by=chat&v=1";

/// All that a [`View`] borrows.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// What the files of its snapshots are named after.
    pub(crate) name: &'static str,
    pub(crate) notice: Notice,
    pub(crate) together: Vec<Notice>,
    pub(crate) occasion: Occasion<'static>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) acknowledge: Option<&'static str>,
    pub(crate) mentions: Vec<String>,
    pub(crate) now: Timestamp,
}

impl Sample {
    pub(crate) fn of(name: &'static str, notice: Notice) -> Self {
        Self {
            name,
            notice,
            together: Vec::new(),
            occasion: Occasion::News,
            started: None,
            acknowledge: None,
            mentions: Vec::new(),
            now: at("2026-11-20T12:00:05Z"),
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            notice: &self.notice,
            together: &self.together,
            occasion: self.occasion,
            started: self.started,
            acknowledge: self.acknowledge,
            mentions: &self.mentions,
            now: self.now,
        }
    }
}

/// Every sample, each of which is told differently.
pub(crate) fn all() -> Vec<Sample> {
    vec![rollback(), resolution(), deployment(), together(), report(), empty(), escalation(), reminder()]
}

/// Tells a sample on a channel, by the client of its receiver.
pub(crate) async fn tell(http: &Http, kind: Kind, sample: &Sample, memory: &Memory) -> Sent {
    let sns = mock_client!(aws_sdk_sns, RuleMode::MatchAny, []);
    tell_with(http, &sns, kind, sample, memory).await
}

/// The same, with a client for topics.
pub(crate) async fn tell_with(
    http: &Http,
    sns: &aws_sdk_sns::Client,
    kind: Kind,
    sample: &Sample,
    memory: &Memory,
) -> Sent {
    let ses = mock_client!(aws_sdk_sesv2, RuleMode::MatchAny, []);
    let out = Outbox { http, sns, ses: &ses, limit: &|| Duration::from_secs(5), now: sample.now };
    let telling = Telling { view: sample.view(), channel: "ops", key: "key-1", attempt: 1, memory };
    Channel { name: "ops".to_owned(), kind }.send(&out, &telling).await
}

/// That somebody has the incident of [`rollback`] in hand.
pub(crate) fn acknowledgement() -> Sample {
    let mut sample = rollback();
    sample.notice.becomes(State::Info);
    sample.notice.labels.insert(shared::notice::ACKNOWLEDGED_BY.to_owned(), "ann".to_owned());
    sample
}

/// Compares JSON with `snapshots/<channel>/<sample>.<rung>.json`; with `UPDATE_EXPECT=1` writes it there,
/// if the folder is there.
pub(crate) fn check_snapshot(channel: &str, sample: &str, rung: &str, json: &Value) {
    let mut sorted = json.clone();
    // Other crates may have asked serde_json to keep the order; alone, it sorts.
    sorted.sort_all_objects();
    let pretty = serde_json::to_string_pretty(&sorted).unwrap();
    expect_file![format!("snapshots/{channel}/{sample}.{rung}.json")].assert_eq(&format!("{pretty}\n"));
}

/// Compares text with `snapshots/<channel>/<sample>.<ending>`; with `UPDATE_EXPECT=1` writes it there.
pub(crate) fn check_text_snapshot(channel: &str, sample: &str, ending: &str, text: &str) {
    expect_file![format!("snapshots/{channel}/{sample}.{ending}")].assert_eq(text);
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn fact(name: &str, value: &str) -> Fact {
    Fact { name: name.to_owned(), value: value.to_owned() }
}

fn link(title: &str, url: &str) -> Link {
    Link { title: title.to_owned(), url: url.to_owned() }
}

fn service() -> Subject {
    Subject {
        kind: "ecs-service".into(),
        id: "prod/web".into(),
        arn: Some("arn:aws:ecs:eu-central-1:123456789012:service/prod/web".into()),
    }
}

fn of(state: State, severity: Severity, title: &str, time: &str) -> Notice {
    let mut notice = Notice::new("alarm-rollback/ecs:prod/web", state, severity, service(), title, at(time));
    notice.source = "alarm-rollback".to_owned();
    notice.environment = "prod".to_owned();
    notice
}

/// A rollback that has begun: with actions, next steps, facts and links.
pub(crate) fn rollback() -> Sample {
    let mut notice =
        of(State::Firing, Severity::Sev1, "web is rolled back to web:41", "2026-11-20T12:00:00Z");
    notice.summary =
        "The alarm web-5xx fired 4 minutes after web:42 was deployed, so web goes back to web:41, \
                      which ran for 6 days."
            .to_owned();
    notice.facts = vec![
        fact("Alarm", "web-5xx"),
        fact("From", "web:42"),
        fact("To", "web:41"),
        fact(
            "Reason",
            "Threshold Crossed: 3 out of the last 3 datapoints were greater than 5.0 (p99 < 2 s & more)",
        ),
        fact("Last error", "panicked at src/orders.rs:42:\nindex out of bounds: the len is 0"),
    ];
    notice.actions = vec!["Called UpdateService on prod/web with web:41.".to_owned()];
    notice.next_steps = vec![
        "Mend web:42 and deploy it as web:43.".to_owned(),
        "Keep web:42 out of the pipeline.".to_owned(),
    ];
    notice.links = vec![
        link(
            "Service",
            "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web?region=eu-central-1&tab=health",
        ),
        link("Alarm", "https://eu-central-1.console.aws.amazon.com/cloudwatch/home#alarmsV2:alarm/web-5xx"),
    ];
    let mut sample = Sample::of("rollback", notice);
    sample.started = Some(at("2026-11-20T11:56:00Z"));
    sample.acknowledge = Some(ACKNOWLEDGE);
    sample
}

/// The end of that rollback.
pub(crate) fn resolution() -> Sample {
    let mut notice = of(State::Resolved, Severity::Sev1, "web runs web:41 again", "2026-11-20T12:09:30Z");
    notice.summary = "All 6 tasks run web:41 and are healthy.".to_owned();
    notice.facts = vec![fact("From", "web:42"), fact("To", "web:41"), fact("Tasks", "6 of 6")];
    let mut sample = Sample::of("resolution", notice);
    sample.started = Some(at("2026-11-20T11:56:00Z"));
    sample.acknowledge = Some(ACKNOWLEDGE);
    sample.now = at("2026-11-20T12:09:31Z");
    sample
}

/// A deployment that succeeded, told for the record.
pub(crate) fn deployment() -> Sample {
    let mut notice = of(State::Info, Severity::Sev4, "web:43 is deployed", "2026-11-20T15:30:00Z");
    notice.incident = "deployment/ecs-svc/4711".to_owned();
    notice.source = "deployment-watch".to_owned();
    notice.summary = "web:43 replaced web:41 in 3 minutes.".to_owned();
    notice.deployment = Some(Deployment {
        id: "ecs-svc/4711".to_owned(),
        status: Status::Succeeded,
        service: "prod/web".to_owned(),
        revision: Some("web:43".to_owned()),
        image: Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com/web:1.43.0".to_owned()),
        commit: Some("8f14e45fceea167a5a36dedd4bea2543c0ffee00".to_owned()),
        branch: Some("main".to_owned()),
        author: Some("Ana <ana@example.com>".to_owned()),
        repository: Some("example/web".to_owned()),
        workflow: Some("https://github.com/example/web/actions/runs/123456789".to_owned()),
        health: Some(Health::Healthy),
        back_to: None,
    });
    let mut sample = Sample::of("deployment", notice);
    sample.started = Some(at("2026-11-20T15:27:00Z"));
    sample.now = at("2026-11-20T15:30:01Z");
    sample
}

/// Forty notices told as one.
pub(crate) fn together() -> Sample {
    let mut sample = Sample::of("together", many(40));
    sample.together = (0..40).map(member).collect();
    sample.started = Some(at("2026-11-20T11:59:00Z"));
    sample.acknowledge = Some(ACKNOWLEDGE);
    sample
}

/// The notice that stands for so many.
pub(crate) fn many(count: usize) -> Notice {
    let title = format!("{count} alarms in prod");
    let mut notice = of(State::Firing, Severity::Sev2, &title, "2026-11-20T12:00:00Z");
    notice.incident = "group/prod".to_owned();
    notice.subject = Subject { kind: "group".into(), id: "prod".into(), arn: None };
    notice
}

/// One of several that are told together.
pub(crate) fn member(index: usize) -> Notice {
    let severity = if index < 3 { Severity::Sev2 } else { Severity::Sev3 };
    let title = format!("alarm {index} is in ALARM");
    let mut notice = of(State::Firing, severity, &title, "2026-11-20T12:00:00Z");
    notice.incident = format!("alarm/{index}");
    notice.subject = Subject { kind: "alarm".into(), id: format!("prod-service-{index}"), arn: None };
    notice
}

/// 51 findings, one of them with a stack trace of 9 KB that is full of what breaks markup.
pub(crate) fn report() -> Sample {
    let line = "at app.Orders::pay (orders.rs:42) ``` <!channel> 🔥👩‍👩‍👧 \u{202e}שלום & <b>*x* _y_ [z](https://evil.invalid) <at>all</at>\n";
    let trace = format!("panicked first\n{}the last line", line.repeat(9_000 / line.len()));
    let mut notice =
        of(State::Firing, Severity::Sev2, "51 findings <!channel> @here", "2026-11-20T12:00:00Z");
    notice.incident = "health-check/prod".to_owned();
    notice.source = "health-check".to_owned();
    notice.summary = format!("51 checks failed. The first says:\n```\n{trace}\n```");
    notice.facts = vec![fact("Stack trace", &trace)];
    notice.facts.extend((0..50).map(|index| {
        fact(&format!("Finding {index}"), &format!("@everyone target {index} of שרת is unhealthy & draining"))
    }));
    notice.actions = vec![format!("Read the log:\n{trace}")];
    notice.next_steps = (0..30).map(|index| format!("- [ ] Look at target {index} <@U012ABCDEF>")).collect();
    notice.links = vec![
        link("Log | <all>", "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?a=1&b=2"),
        link("Bad", "javascript:alert(1)"),
    ];
    Sample::of("report", notice)
}

/// A notice in which there is nothing.
pub(crate) fn empty() -> Sample {
    let subject = Subject { kind: String::new(), id: String::new(), arn: None };
    let notice =
        Notice::new("", State::Firing, Severity::Sev3, subject, " \n\u{200b}", at("2026-11-20T12:00:00Z"));
    Sample::of("empty", notice)
}

/// A rollback that nobody acknowledged.
pub(crate) fn escalation() -> Sample {
    let mut sample = rollback();
    sample.name = "escalation";
    sample.occasion =
        Occasion::Escalation { who: "The second on call", after: SignedDuration::from_mins(15) };
    sample.mentions = vec!["U012ABCDE".to_owned(), "S045FGHIJ".to_owned(), "<!channel>".to_owned()];
    sample.now = at("2026-11-20T12:15:00Z");
    sample
}

/// A rollback that still goes on.
pub(crate) fn reminder() -> Sample {
    let mut sample = rollback();
    sample.name = "reminder";
    sample.occasion = Occasion::Reminder;
    sample.now = at("2026-11-20T13:00:00Z");
    sample
}

/// Text that breaks markup, is far too long, or is no text at all.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("```".to_owned()),
        Just("`".to_owned()),
        Just("<!channel>".to_owned()),
        Just("<@U123>@here@EVERYONE@channel <at>all</at>".to_owned()),
        Just("👩‍👩‍👧‍👦🏽".to_owned()),
        Just("\u{202e}עברית\u{2066}".to_owned()),
        Just("e\u{301}\u{301}\u{301}".to_owned()),
        Just("&amp;&&<<>>\"\"\\\\".to_owned()),
        Just("[a](https://evil.invalid)**b**__c__# d\n- e\n1. f ![g](h)".to_owned()),
        Just("\r\n\n\t\0\u{1b}".to_owned()),
        Just("long ".repeat(700)),
        "\\PC{0,80}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A view in which everything is hostile, and of every size.
pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
    let severity =
        prop_oneof![Just(Severity::Sev1), Just(Severity::Sev2), Just(Severity::Sev3), Just(Severity::Sev4)];
    let state = prop_oneof![Just(State::Firing), Just(State::Resolved), Just(State::Info)];
    let occasion = prop_oneof![
        Just(Occasion::News),
        Just(Occasion::Reminder),
        Just(Occasion::Escalation { who: "<!channel> **x**", after: SignedDuration::from_mins(15) }),
        Just(Occasion::Rerouted { channel: "ops", why: "500 `x` <at>all</at>" }),
    ];
    let words = (hostile(), hostile(), hostile());
    let lists = (
        prop::collection::vec((hostile(), hostile()), 0..70),
        prop::collection::vec(hostile(), 0..30),
        prop::collection::vec((hostile(), "https://[a-z]{1,8}\\.invalid/\\PC{0,150}"), 0..30),
        prop_oneof![4 => Just(0_usize), 1 => 1..300_usize],
    );
    let rest = (any::<bool>(), any::<bool>(), hostile());
    (severity, state, occasion, words, lists, rest).prop_map(
        |(severity, state, occasion, (title, summary, word), (facts, lines, links, together), rest)| {
            let mut notice = of(state, severity, &title, "2026-11-20T12:00:00Z");
            notice.incident.clone_from(&summary);
            notice.summary = summary;
            notice.source.clone_from(&title);
            notice.subject.id.clone_from(&word);
            notice.environment.clone_from(&word);
            notice.facts = facts.iter().map(|(name, value)| fact(name, value)).collect();
            notice.next_steps.clone_from(&lines);
            notice.actions = lines;
            notice.links = links.iter().map(|(title, url)| link(title, url)).collect();
            let (deploys, acknowledges, mention) = rest;
            notice.deployment = deploys.then(|| Deployment {
                service: word.clone(),
                commit: Some(word.clone()),
                author: Some(title.clone()),
                workflow: Some(word),
                ..deployment().notice.deployment.unwrap()
            });
            let mut sample = Sample::of("any", notice);
            sample.together = (0..together).map(member).collect();
            if let Some(first) = sample.together.first_mut() {
                first.title = title;
            }
            sample.occasion = occasion;
            sample.started = acknowledges.then(|| at("2026-11-20T11:00:00Z"));
            sample.acknowledge = acknowledges.then_some(ACKNOWLEDGE);
            sample.mentions = vec![mention, "U012ABCDE".to_owned()];
            sample
        },
    )
}
