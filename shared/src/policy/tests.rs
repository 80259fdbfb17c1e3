//! What a document may say, and what follows from it at which time.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterOutput};
use aws_sdk_ssm::types::error::ParameterNotFound;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn read(text: &str) -> Policy {
    Policy::parse("/watchkeeper/prod/policy", text).unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[test]
fn without_content_the_defaults_hold() {
    for text in ["", "\n", "# nothing\n", "---\n", "--- # nothing\n", "{}", "freeze:\nwindows:\nrollback:\n"]
    {
        assert_eq!(read(text), Policy::default(), "{text:?}");
    }
    let nested = "rollback:\n  at_most:\n  scaled_to_zero:\n  stacks:\n";
    assert_eq!(read(nested), Policy::default());
}

#[test]
fn the_example_shows_every_field_with_its_default() {
    let text = include_str!("../../../policy.example.yaml");
    let example = read(text);
    // What has no default to show is shown by an instance.
    assert_eq!((example.windows.len(), example.production), (1, Some(true)));
    let dlq = Dlq { rules: Vec::new(), ..example.dlq.clone() };
    let whole = Policy { windows: Vec::new(), scale: Vec::new(), production: None, dlq, ..example.clone() };
    assert_eq!(whole, Policy::default());
    assert_eq!((example.dlq.rules.len(), example.scale.len()), (1, 1));

    let shown: Value = serde_norway::from_str(text).unwrap();
    let whole = Policy {
        windows: example.windows,
        production: Some(true),
        dlq: example.dlq,
        scale: example.scale,
        ..Policy::default()
    };
    assert_eq!(fields(&shown), fields(&serde_json::to_value(&whole).unwrap()));
}

#[test]
fn a_weekly_digest_needs_the_hour_of_the_daily_one() {
    let text = "health:\n  digest: {weekly: mon}\n";
    let why = Policy::parse("/watchkeeper/prod/policy", text).unwrap_err().to_string();
    assert!(why.contains("line 2") && why.contains("health.digest.weekly: it needs the hour"), "{why}");
}

#[test]
fn a_service_follows_one_queue() {
    let refused = |text: &str| Policy::parse("/watchkeeper/prod/policy", text).unwrap_err().to_string();
    let rule =
        |queue: &str, service: &str| format!("- {{queue: {queue}, service: \"{service}\", at_most: 5}}\n");
    let twice = format!("scale:\n{}{}", rule("a", "ecs:shop/web"), rule("b", "ecs:shop/web"));
    let why = refused(&twice);
    assert!(why.contains("line 3") && why.contains("ecs:shop/web follows another queue already"), "{why}");
    let why = refused(&format!("scale:\n{}", rule("a", "stack:shop")));
    assert!(
        why.contains("line 2")
            && why.contains("scale[0].service: it is not a service, written ecs:<cluster>/<service>"),
        "{why}"
    );
    let one = read(&format!("scale:\n{}", rule("a", "ecs:shop/web")));
    assert_eq!((one.scale[0].above, one.scale[0].per_task, one.scale[0].at_most), (100, 100, 5));
}

#[test]
fn the_schema_is_that_of_the_types() {
    let written: Value = serde_json::from_str(include_str!("../../../policy.schema.json")).unwrap();
    assert_eq!(written, schema().to_value(), "policy.schema.json is out of date; run `cargo xtask schema`");
}

/// The paths of all fields of a document.
fn fields(document: &Value) -> Vec<String> {
    let under = |name: String, value: &Value| {
        let below = fields(value).into_iter().map(|below| format!("{name}.{below}")).collect::<Vec<_>>();
        if below.is_empty() { vec![name] } else { below }
    };
    let mut found: Vec<_> = match document {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| under(name.clone(), value)).collect(),
        Value::Array(items) => items.iter().flat_map(|item| under("[]".to_owned(), item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    found.sort();
    found.dedup();
    found
}

const WHOLE: &str = r#"
freeze: {until: 2026-12-27T00:00:00Z, reason: "Christmas"}
production: true
windows:
  - { name: sunday, days: [sun], from: "02:00", to: "04:00", zone: Europe/Berlin }
  - { name: nightly, from: 23:30, to: 24:00, zone: UTC }
rollback:
  attribution_window: 90m
  stale_after: PT5M
  cooldown: 2 days
  at_most: { count: 1, within: 1w }
  recovery: 1h 30m
  confidence: medium
  scaled_to_zero: {recover: 2}
  stacks: { stuck_after: 45m, cancel: true, skip_resources: true }
"#;

#[test]
fn every_field_is_read_and_reads_back_as_it_was_written() {
    let policy = read(WHOLE);
    let rollback = Rollback {
        attribution_window: SignedDuration::from_mins(90),
        stale_after: SignedDuration::from_mins(5),
        cooldown: SignedDuration::from_hours(48),
        at_most: Cap { count: 1, within: SignedDuration::from_hours(7 * 24) },
        recovery: SignedDuration::from_mins(90),
        confidence: Confidence::Medium,
        scaled_to_zero: ScaledToZero::Recover(2),
        stacks: Stacks { stuck_after: SignedDuration::from_mins(45), cancel: true, skip_resources: true },
    };
    assert_eq!(policy.rollback, rollback);
    assert_eq!(policy.production, Some(true));
    assert_eq!(policy.windows[0].days, [Day::Sun]);
    let names: Vec<_> = policy.windows.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["sunday (sun 02:00–04:00 Europe/Berlin)", "nightly (23:30–24:00 UTC)"]);
    for policy in [policy, Policy::default(), read("freeze: true"), read("freeze: {reason: a move}")] {
        assert_eq!(read(&serde_norway::to_string(&policy).unwrap()), policy);
        assert_eq!(serde_json::from_value::<Policy>(serde_json::to_value(&policy).unwrap()).unwrap(), policy);
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = Policy::parse("/watchkeeper/prod/policy", text).unwrap_err().to_string();
    let expected = format!("the policy /watchkeeper/prod/policy, {expected}");
    assert!(error.starts_with(&expected), "\n     got {error}\nexpected {expected}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn what_cannot_be_meant_is_named_with_its_line_its_field_and_what_would_be_right() {
    let duration = "is not a duration from 1m to 7d, such as 90m or 1h 30m";
    for value in ["5s", "60", "0m", "-5m", "8d", "\"1 month\""] {
        let text = format!("freeze: false\nrollback:\n  confidence: low\n  cooldown: {value}\n");
        check_refused(&text, &format!("line 4: rollback.cooldown: it {duration}"));
    }
    for (text, expected) in [
        (
            "rollback:\n  cooldwn: 5m",
            "line 2: rollback: unknown field `cooldwn`, expected one of `attribution_",
        ),
        ("froze: true", "line 1: unknown field `froze`, expected one of `freeze`, `production`, `windows`"),
        ("rollback: {stale_after: 25h}", "line 1: rollback.stale_after: it is not a duration from 1m to 24h"),
        ("rollback:\n  stacks: {stuck_after: 1m}", "line 2: rollback.stacks.stuck_after: it is not a dura"),
        (
            "rollback:\n  at_most:\n    count: 0",
            "line 3: rollback.at_most.count: 0 is not a whole number from 1 to 100",
        ),
        (
            "rollback:\n  at_most:\n    count: -1",
            "line 3: rollback.at_most.count: invalid type: integer `-1`, expected a whole number from 1 to 100",
        ),
        ("rollback:\n  confidence: sure", "line 2: rollback.confidence: unknown word, expected one of"),
        (
            "rollback:\n  scaled_to_zero: start",
            "line 2: rollback.scaled_to_zero: it is not leave or {recover: <number of tasks>}",
        ),
        (
            "rollback:\n  scaled_to_zero: {recover: 0}",
            "line 2: rollback.scaled_to_zero.recover: 0 is not a whole",
        ),
        ("rollback:\n  cooldown: 1h\n  cooldown: 2h", "line 2: rollback: duplicate field `cooldown`"),
        ("freeze: maybe", "line 1: freeze: invalid type: a text, expected false, true or {until"),
        (
            "freeze:\n  until: 2026-12-27",
            "line 2: freeze.until: it is not a time with its offset, such as 2026-12-27T00:00:00Z",
        ),
        ("freeze: {unti: 2026-12-27T00:00:00Z}", "line 1: freeze: unknown field `unti`"),
        ("windows:\n- {name: x}", "line 2: windows[0]: missing field `from`"),
        ("windows:\n- from: \"24:00\"", "line 2: windows[0].from: it is not a time from 00:00 to 23:59"),
        ("windows:\n- to: 2:00", "line 2: windows[0].to: it is not a time from 00:00 to 24:00"),
        ("windows:\n- to: 24:01", "line 2: windows[0].to: it is not a time from 00:00 to 24:00"),
        ("windows:\n- to: +1:+2", "line 2: windows[0].to: it is not a time from 00:00 to 24:00"),
        ("windows:\n- to: 12:60", "line 2: windows[0].to: it is not a time from 00:00 to 24:00"),
        ("windows:\n- days: [mon, sunday]", "line 2: windows[0].days[1]: unknown word, expected one"),
        ("windows:\n- {}\n- zone: Berlin", "line 2: windows[0]: missing field `name`"),
        ("windows:\n- zone: Berlin", "line 2: windows[0].zone: it is not a time zone, such as Europe/Ber"),
        ("a: [", "line 1: unknown field `a`"),
        ("rollback:\n  cooldown: \"5m\n", "line 3: found unexpected end of stream"),
        ("freeze: false\n---\nfreeze: true\n", "deserializing from YAML containing more than one document"),
        ("42", "line 1: invalid type: integer `42`, expected a mapping of fields"),
    ] {
        check_refused(text, expected);
    }
}

/// What is written in the wrong place may be the address of a webhook, which opens it.
#[test]
fn no_text_of_the_document_is_repeated() {
    let url = "https://hooks.slack.com/services/T0/B0/hunter2";
    for (text, expected) in [
        ("notify: URL", "line 1: notify: invalid type: a text, expected a mapping of fields"),
        (
            "notify: {route: {channels: URL}}",
            "line 1: notify.route.channels: invalid type: a text, expected a list",
        ),
        (
            "notify: {route: {channels: [a, URL]}}",
            "line 1: notify.route.channels[1]: it is not the name of a channel",
        ),
        ("notify: {fallback: URL}", "line 1: notify.fallback: it is not the name of a channel"),
        (
            "notify: {channels: {ops: {fallback: URL}}}",
            "line 1: notify.channels.ops.fallback: it is not the name",
        ),
        ("notify: {channels: {URL: {}}}", "line 1: notify.channels.…: it is not the name of a channel"),
        (
            "notify: {channels: {ops: URL}}",
            "line 1: notify.channels.ops: invalid type: a text, expected a mapping of",
        ),
        (
            "notify: {channels: {URL: 1}}",
            "line 1: notify.channels.…: invalid type: integer `1`, expected a mapping",
        ),
        (
            "notify: {channels: {ops: {production_only: URL}}}",
            "line 1: notify.channels.ops.production_only: invalid",
        ),
        (
            "notify: {channels: {ops: {URL: 1}}}",
            "line 1: notify.channels.ops: unknown field, expected one of `prod",
        ),
        (
            "notify: {people: {ann: {channels: [URL]}}}",
            "line 1: notify.people.ann.channels[0]: it is not the name",
        ),
        (
            "notify: {escalation: {steps: [{after: 5m, to: URL}]}}",
            "line 1: notify.escalation.steps[0].to: it is neither",
        ),
        ("notify: {route: {hours: URL}}", "line 1: notify.route.hours: it is not a name in notify.hours"),
        (
            "notify: {route: {match: {severity: URL}}}",
            "line 1: notify.route.match.severity: it is not sev1 to sev4",
        ),
        (
            "notify: {route: {match: URL}}",
            "line 1: notify.route.match: invalid type: a text, expected labels",
        ),
        ("rollback: {cooldown: URL}", "line 1: rollback.cooldown: it is not a duration"),
        ("rollback: {confidence: URL}", "line 1: rollback.confidence: unknown word, expected one of `low`"),
        (
            "rollback: {at_most: {count: URL}}",
            "line 1: rollback.at_most.count: invalid type: a text, expected a whole",
        ),
        ("rollback: {scaled_to_zero: URL}", "line 1: rollback.scaled_to_zero: it is not leave"),
        ("freeze: URL", "line 1: freeze: invalid type: a text, expected false, true or"),
        ("freeze: {until: URL}", "line 1: freeze.until: it is not a time"),
        ("scale: [{queue: q, service: URL, at_most: 5}]", "line 1: scale[0].service: it is not a service"),
        ("windows: URL", "line 1: windows: invalid type: a text, expected a list"),
        ("production: URL", "line 1: production: invalid type: a text, expected true or false"),
        ("URL", "line 1: invalid type: a text, expected a mapping of fields"),
        ("URL: 1", "line 1: unknown field, expected one of `freeze`"),
    ] {
        for url in [url, "x\\\", expected `hunter2, expected "] {
            let text = text.replace("URL", &format!("\"{url}\""));
            let error = Policy::parse("/watchkeeper/prod/policy", &text).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("slack"), "{text}: {error}");
            let expected = format!("the policy /watchkeeper/prod/policy, {expected}");
            assert!(error.starts_with(&expected), "\n     got {error}\nexpected {expected}");
        }
    }
}

#[track_caller]
fn check_frozen(freeze: &str, now: &str, expected: Option<&str>) {
    let policy = read(&format!("freeze: {freeze}"));
    assert_eq!(policy.frozen(at(now)).map(ToString::to_string).as_deref(), expected, "{freeze} at {now}");
}

#[test]
fn a_freeze_is_on_until_its_end() {
    let now = "2026-12-24T12:00:00Z";
    let by_hand = "until the freeze is taken out of the policy";
    check_frozen("false", now, None);
    check_frozen("true", now, Some(by_hand));
    check_frozen("{}", now, Some(by_hand));
    check_frozen("{reason: a move}", now, Some("until the freeze is taken out of the policy: a move"));
    let christmas = "{until: 2026-12-27T00:00:00+01:00, reason: Christmas}";
    check_frozen(christmas, now, Some("until 2026-12-26T23:00:00Z: Christmas"));
    check_frozen(christmas, "2026-12-26T22:59:59Z", Some("until 2026-12-26T23:00:00Z: Christmas"));
    check_frozen(christmas, "2026-12-26T23:00:00Z", None);
}

#[test]
fn production_is_what_says_so_or_is_called_so() {
    for (environment, expected) in [
        ("prod", true),
        ("production", true),
        ("live", true),
        ("prd", true),
        ("prod-eu", true),
        ("PROD", true),
        ("Prod-EU", true),
        ("", false),
        ("dev", false),
        ("preprod", false),
        ("product", false),
        ("production-like", false),
        ("non-prod", false),
    ] {
        assert_eq!(Policy::default().is_production(environment), expected, "{environment}");
    }
    assert!(read("production: true").is_production("dev"));
    assert!(!read("production: false").is_production("prod"));
}

/// From when until when a window of this zone is open around this time: the first second and the one after the last.
fn open(days: &str, times: &str, zone: &str, around: &str) -> Option<(Timestamp, Timestamp)> {
    let (from, to) = times.split_once('-').unwrap();
    let policy = read(&format!(
        "windows: [{{name: w, days: [{days}], from: \"{from}\", to: \"{to}\", zone: {zone}}}]"
    ));
    let is_open = |time: Timestamp| policy.window(time).is_some();
    let middle = at(around);
    let minute = SignedDuration::from_mins(1);
    if !is_open(middle) {
        return None;
    }
    let mut first = middle;
    while is_open(first - minute) {
        first -= minute;
    }
    let mut end = middle;
    while is_open(end) {
        end += minute;
    }
    assert!(!is_open(first - SignedDuration::from_secs(1)) && is_open(end - SignedDuration::from_secs(1)));
    assert_eq!(policy.windows[0].ends_at(middle), Some(end), "{times} {zone} around {around}");
    Some((first, end))
}

#[track_caller]
fn check_open(days: &str, times: &str, zone: &str, around: &str, expected: Option<(&str, &str)>) {
    let expected = expected.map(|(from, to)| (at(from), at(to)));
    assert_eq!(open(days, times, zone, around), expected, "{days} {times} {zone} around {around}");
}

#[test]
fn a_window_is_open_on_its_days_from_its_beginning_until_its_end() {
    // 2026-11-22 is a Sunday.
    let sunday = Some(("2026-11-22T01:00:00Z", "2026-11-22T03:00:00Z"));
    check_open("sun", "02:00-04:00", "Europe/Berlin", "2026-11-22T02:00:00Z", sunday);
    check_open("sat, sun", "02:00-04:00", "Europe/Berlin", "2026-11-22T02:00:00Z", sunday);
    check_open("", "02:00-04:00", "Europe/Berlin", "2026-11-22T02:00:00Z", sunday);
    check_open("sat", "02:00-04:00", "Europe/Berlin", "2026-11-22T02:00:00Z", None);
    check_open("sun", "02:00-04:00", "Europe/Berlin", "2026-11-22T03:00:00Z", None);
    // Sunday there, Saturday in UTC.
    let kiritimati = Some(("2026-11-21T12:00:00Z", "2026-11-21T14:00:00Z"));
    check_open("sun", "02:00-04:00", "Pacific/Kiritimati", "2026-11-21T13:00:00Z", kiritimati);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_that_it_begins_on() {
    let night = Some(("2026-11-22T22:00:00Z", "2026-11-23T02:00:00Z"));
    check_open("sun", "22:00-02:00", "UTC", "2026-11-22T23:00:00Z", night);
    check_open("sun", "22:00-02:00", "UTC", "2026-11-23T01:59:00Z", night);
    check_open("sun", "22:00-02:00", "UTC", "2026-11-22T01:00:00Z", None);
    check_open("mon", "22:00-02:00", "UTC", "2026-11-23T01:00:00Z", None);
    // The year's, the month's and the leap day's end.
    let year = Some(("2027-12-31T22:00:00Z", "2028-01-01T02:00:00Z"));
    check_open("fri", "22:00-02:00", "UTC", "2028-01-01T01:00:00Z", year);
    let leap = Some(("2028-02-29T22:00:00Z", "2028-03-01T02:00:00Z"));
    check_open("tue", "22:00-02:00", "UTC", "2028-03-01T01:00:00Z", leap);
}

#[test]
fn the_end_of_the_day_is_written_as_24_00_or_00_00() {
    let evening = Some(("2026-11-22T20:00:00Z", "2026-11-23T00:00:00Z"));
    check_open("sun", "20:00-24:00", "UTC", "2026-11-22T23:59:00Z", evening);
    check_open("sun", "20:00-00:00", "UTC", "2026-11-22T23:59:00Z", evening);
    check_open("sun", "20:00-24:00", "UTC", "2026-11-23T00:00:00Z", None);
    let whole = Some(("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"));
    check_open("sun", "00:00-24:00", "UTC", "2026-11-22T12:00:00Z", whole);
    check_open("sun", "00:00-00:00", "UTC", "2026-11-22T12:00:00Z", whole);
    // The same time twice is a whole day.
    let noon = Some(("2026-11-22T12:00:00Z", "2026-11-23T12:00:00Z"));
    check_open("sun", "12:00-12:00", "UTC", "2026-11-23T03:00:00Z", noon);
}

#[test]
fn when_the_clock_is_changed_a_window_is_never_shorter_than_written() {
    // In Berlin, 02:00 to 03:00 is skipped on 2027-03-28, and shown twice on 2027-10-31.
    for (times, around, from, to) in [
        ("01:00-02:00", "2027-03-28T00:30:00Z", "2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z"),
        ("02:00-04:00", "2027-03-28T01:30:00Z", "2027-03-28T00:00:00Z", "2027-03-28T02:00:00Z"),
        ("02:15-03:00", "2027-03-28T00:30:00Z", "2027-03-28T00:15:00Z", "2027-03-28T01:00:00Z"),
        ("02:15-02:45", "2027-03-28T01:00:00Z", "2027-03-28T00:15:00Z", "2027-03-28T01:45:00Z"),
        ("03:00-04:00", "2027-03-28T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"),
        ("02:00-04:00", "2027-10-31T01:30:00Z", "2027-10-31T00:00:00Z", "2027-10-31T03:00:00Z"),
        ("01:00-02:30", "2027-10-31T00:30:00Z", "2027-10-30T23:00:00Z", "2027-10-31T01:30:00Z"),
        ("02:30-02:45", "2027-10-31T01:00:00Z", "2027-10-31T00:30:00Z", "2027-10-31T01:45:00Z"),
    ] {
        check_open("sun", times, "Europe/Berlin", around, Some((from, to)));
    }
    // In Beirut, midnight itself is skipped on 2027-03-28.
    let skipped = Some(("2027-03-27T21:00:00Z", "2027-03-27T23:00:00Z"));
    check_open("sun", "00:00-02:00", "Asia/Beirut", "2027-03-27T21:30:00Z", skipped);
}

#[test]
fn the_first_window_that_is_open_is_named() {
    let policy = read(concat!(
        "windows:\n",
        "- {name: night, from: \"22:00\", to: \"06:00\", zone: UTC}\n",
        "- {name: sunday, days: [sun], from: \"00:00\", to: \"24:00\", zone: UTC}\n",
    ));
    let name = |time| policy.window(at(time)).map(|window| window.name.as_str());
    assert_eq!(name("2026-11-22T03:00:00Z"), Some("night"));
    assert_eq!(name("2026-11-22T12:00:00Z"), Some("sunday"));
    assert_eq!(name("2026-11-23T12:00:00Z"), None);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_reason(text in r#"[a-z:{}\[\],&*!#|>'"%@`~\n 0-9-]{0,60}"#) {
        match Policy::parse("/p", &text) {
            Ok(_) => {}
            Err(error) => prop_assert!(error.to_string().len() > "the policy /p, ".len()),
        }
    }

    #[test]
    fn a_window_is_as_long_as_written_to_an_hour(start in 0u32..1_440, end in 0u32..=1_440, day in 0i64..730) {
        let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let text = format!(
            "windows: [{{name: w, from: \"{}\", to: \"{}\", zone: America/New_York}}]", clock(start), clock(end),
        );
        let written = i64::from(if end > start { end - start } else { end + 1_440 - start });
        let now = at("2026-01-01T12:00:00Z") + SignedDuration::from_hours(24 * day);
        let window = &read(&text).windows[0];
        if let Some(ends_at) = window.ends_at(now) {
            prop_assert!(ends_at > now);
            prop_assert!(ends_at.duration_since(now) <= SignedDuration::from_mins(written + 60));
        } else {
            prop_assert!(written < 1_440, "a window of a whole day, every day, is always open");
        }
    }
}

fn found(value: &'static str, kind: ParameterType) -> Rule {
    mock!(Client::get_parameter)
        .match_requests(|request| {
            request.name() == Some("/watchkeeper/prod/policy") && request.with_decryption().is_none()
        })
        .then_output(move || {
            let parameter = Parameter::builder().value(value).version(7).r#type(kind.clone()).build();
            GetParameterOutput::builder().parameter(parameter).build()
        })
}

fn refusing(error: impl Fn() -> GetParameterError + Send + Sync + 'static) -> Rule {
    mock!(Client::get_parameter).then_error(error)
}

async fn loaded(rule: Rule) -> Result<Loaded> {
    let ssm = mock_client!(aws_sdk_ssm, RuleMode::MatchAny, [&rule], |config| config
        .retry_config(RetryConfig::disabled()));
    load(&ssm, "prod").await
}

#[tokio::test]
async fn the_parameter_is_read_with_its_version() {
    let loaded = loaded(found("freeze: true", ParameterType::String)).await.unwrap();
    assert_eq!(loaded, Loaded { policy: read("freeze: true"), version: 7 });
}

#[tokio::test]
async fn without_the_parameter_the_defaults_hold() {
    let absent =
        refusing(|| GetParameterError::ParameterNotFound(ParameterNotFound::builder().message("no").build()));
    assert_eq!(loaded(absent).await.unwrap(), Loaded { policy: Policy::default(), version: 0 });
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_never_taken_for_the_default() {
    let code = |code: &'static str| {
        refusing(move || {
            GetParameterError::generic(ErrorMetadata::builder().code(code).message("no").build())
        })
    };
    for (rule, expected) in [
        (
            found("freeze: maybe", ParameterType::String),
            "the policy /watchkeeper/prod/policy, line 1: freeze: ",
        ),
        (
            found("AQICAHh", ParameterType::SecureString),
            "the policy /watchkeeper/prod/policy is a SecureString",
        ),
        (code("AccessDeniedException"), "ssm:GetParameter is denied to this function's role"),
        (code("ThrottlingException"), "ssm:GetParameter failed: ThrottlingException"),
    ] {
        let error = loaded(rule).await.unwrap_err().chain();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[track_caller]
fn check_opens(only_in: &str, now: &str, expected: &str) {
    let policy = read(&format!("redeploy:\n  only_in: {only_in}\n"));
    assert_eq!(policy.redeploy.opens(at(now)), at(expected));
}

#[test]
fn waves_begin_when_one_of_their_windows_is_open() {
    let sundays = r#"[{ name: s, days: [sun], from: "02:00", to: "04:00", zone: Europe/Berlin }]"#;
    check_opens("[]", "2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z");
    check_opens(sundays, "2026-11-22T01:30:00Z", "2026-11-22T01:30:00Z");
    check_opens(sundays, "2026-11-20T12:00:00Z", "2026-11-22T01:00:00Z");
    // The moment it closes, the next one counts.
    check_opens(sundays, "2026-11-22T03:00:00Z", "2026-11-29T01:00:00Z");
    let nightly = r#"[{ name: n, from: "23:30", to: "00:30", zone: UTC }]"#;
    check_opens(nightly, "2026-11-20T00:10:00Z", "2026-11-20T00:10:00Z");
    check_opens(nightly, "2026-11-20T00:30:00Z", "2026-11-20T23:30:00Z");
}

#[test]
fn waves_widen_up_to_their_cap() {
    let sizes = |waves: Waves| (0..6).map(|wave| waves.size(wave)).collect::<Vec<_>>();
    assert_eq!(sizes(Waves::default()), [1, 3, 9, 20, 20, 20]);
    assert_eq!(sizes(Waves { first: 5, growth: 1, at_most: 3 }), [5, 5, 5, 5, 5, 5]);
    assert_eq!(sizes(Waves { first: 100, growth: 10, at_most: 100 }), [100; 6]);
}

#[test]
fn zz_write() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    std::fs::write("/tmp/plan-rules-schema.json", text).unwrap();
}
