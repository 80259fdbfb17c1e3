//! Screens, as people see them.

use std::fmt::Write;

use expect_test::{ExpectFile, expect_file};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::{CrosstermBackend, TestBackend};
use ratatui::style::Color;
use ratatui::{TerminalOptions, Viewport};
use serde_json::{Value, json};
use shared::policy::Policy;

use super::draw::{Look, draw};
use super::keys::View;
use super::sections::Pane;
use super::source::{self, Seen, Source};
use super::state::{Place, State};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);
const TINY: (u16, u16) = (40, 10);

pub(super) fn at() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn minutes(ago: i64) -> Timestamp {
    at() - SignedDuration::from_mins(ago)
}

/// A sweep that found these, by `<kind>:<name>`, state and reason, beside thirty services that are well.
pub(super) fn swept(wrong: &[(&str, &str, &str)]) -> Seen {
    let mut all: Vec<Value> =
        wrong.iter().map(|(id, health, reason)| component(id, health, reason)).collect();
    for number in 1..=30 {
        all.push(component(&format!("ecs-service:prod/service-{number:02}"), "healthy", "2 of 2 tasks run"));
    }
    of(&all)
}

fn component(id: &str, health: &str, reason: &str) -> Value {
    let (kind, name) = id.split_once(':').unwrap();
    let evidence = match kind {
        "ecs-service" if health == "failed" => json!([
            {"name": "Tasks", "value": "0 running, 1 pending, 2 desired"}, {"name": "Deployed for", "value": "12 minutes"}]),
        "ecs-service" => json!([{"name": "Tasks", "value": "2 running, 0 pending, 2 desired"}]),
        "alarm" if health == "healthy" => json!([{"name": "State", "value": "OK"}]),
        "alarm" => json!([{"name": "State", "value": "ALARM"}]),
        "sqs-queue" => {
            json!([{"name": "Waiting", "value": "about 812"}, {"name": "Oldest message", "value": "21 minutes"}])
        }
        _ => json!([]),
    };
    let mut it =
        json!({"kind": kind, "name": name, "health": health, "reason": reason, "evidence": evidence});
    if health != "healthy" {
        it["since"] = json!(minutes(130));
        it["todo"] = json!(["See why, and mend that."]);
    }
    it
}

fn of(components: &[Value]) -> Seen {
    let count = |health: &str| components.iter().filter(|it| it["health"] == health).count();
    let (failed, degraded, unknown) = (count("failed"), count("degraded"), count("unknown"));
    let health = match (failed, degraded, unknown) {
        (0, 0, 0) => "healthy",
        (0, 0, _) => "unknown",
        (0, _, _) => "degraded",
        _ => "failed",
    };
    let sweep = json!({
        "schema": "watchkeeper.health/1", "environment": "prod", "began": at(), "took_ms": 4_200, "health": health,
        "counts": {"failed": failed, "degraded": degraded, "unknown": unknown, "healthy": count("healthy"),
            "not_applicable": 0},
        "components": components,
    });
    source::sweep(&json!({"text": sweep.to_string()})).unwrap()
}

fn state() -> State {
    let place = Place {
        environment: "prod".to_owned(),
        stack: "watchkeeper-prod".to_owned(),
        account: "111122223333, eu-central-1".to_owned(),
        mode: "act".to_owned(),
        remote: false,
        kinds: Vec::new(),
        of: None,
    };
    State::new(place, SignedDuration::from_secs(60))
}

fn known(state: &mut State, source: Source, seen: Seen, ago: i64) {
    state.answered(source, Ok(seen), at() - SignedDuration::from_secs(ago));
}

fn policy(text: &str) -> Seen {
    Seen::Policy(Box::new(Policy::parse("policy", text).unwrap()))
}

/// Nothing goes on.
fn calm() -> State {
    let mut state = state();
    known(&mut state, Source::Health, swept(&[("alarm:ecs/prod/web/5xx", "healthy", "it is OK")]), 34);
    known(&mut state, Source::Incidents, source::incidents(&json!({"incidents": [], "over": []})), 4);
    known(
        &mut state,
        Source::Letters,
        source::letters(&json!({"queues": [{"queue": "orders-dlq"}], "blind": []})),
        34,
    );
    known(&mut state, Source::Deeds, source::deeds(&json!({"deeds": []})), 12);
    known(&mut state, Source::Scaling, source::followers(&json!({"services": []})), 12);
    known(&mut state, Source::Policy, policy(""), 12);
    state
}

/// Much is wrong at once.
fn outage() -> State {
    let mut state = state();
    let mut wrong = vec![
        component("image:web:41", "failed", "the image is not in its repository any more"),
        component("ecs-service:prod/web", "failed", "0 of 2 tasks run; the image of a task cannot be pulled"),
        component("alarm:ecs/prod/web/5xx", "failed", "5xx are over 5 % for 3 of 3 minutes"),
        component("sqs-queue:orders", "degraded", "about 812 messages wait, more than 100"),
        component(
            "ecs-service:prod/worker",
            "degraded",
            "it uses 97 % of its CPU, from 80 % on it is too much",
        ),
        component("certificate:shop.example.com", "unknown", "acm:DescribeCertificate was refused"),
    ];
    wrong[0]["affects"] = json!(["ecs-service:prod/web"]);
    wrong[1]["because_of"] = json!(["image:web:41"]);
    for number in 1..=30 {
        wrong.push(component(
            &format!("ecs-service:prod/service-{number:02}"),
            "healthy",
            "2 of 2 tasks run",
        ));
    }
    known(&mut state, Source::Health, of(&wrong), 12);
    let incident = |severity: &str, title: &str, by: Value| {
        json!({"incident": format!("alarm:{title}"), "severity": severity, "title": title,
        "started": minutes(12), "since": minutes(12), "flapping": false, "escalated": 1, "acknowledged": by})
    };
    let incidents = json!({
        "incidents": [
            incident("sev1", "prod/web answers with errors", Value::Null),
            incident("sev2", "prod/web was rolled back to web:40", json!({"by": "ann", "at": minutes(3)}))],
        "over": [incident("sev3", "prod/search is healthy again", Value::Null)],
    });
    known(&mut state, Source::Incidents, source::incidents(&incidents), 4);
    let deeds = json!({"deeds": [
        {"at": minutes(2), "what": "rollback", "target": "ecs:prod/web", "outcome": "not over", "by": null,
            "why": "the alarm ecs/prod/web/5xx: web:41 to web:40"},
        {"at": minutes(90), "what": "redeploy", "target": "ecs:prod/api", "outcome": "recovered", "by": "ben",
            "why": "the secret prod/db: api:7"}]});
    known(&mut state, Source::Deeds, source::deeds(&deeds), 12);
    let letters = json!({"blind": [], "queues": [
        {"queue": "orders-dlq", "visible": 12, "in_flight": 0, "oldest_sent": minutes(60 * 80), "lost_at": minutes(-200),
            "groups": [{"group": "3f2a", "redrive": {"phase": {"canary": {"until": minutes(-10)}}, "sent": 3, "returned": 1}}]},
        {"queue": "mail-dlq", "visible": 0, "in_flight": 0, "groups": []}]});
    known(&mut state, Source::Letters, source::letters(&letters), 34);
    let scaling = json!({"services": [{"service": "ecs:prod/worker", "reason": "left as it is: not all of its tasks run yet",
        "facts": {"waiting": 812, "service": {"running": 3, "desired": 6},
            "known": {"own": 2, "before": 2, "to": 6, "began": minutes(7), "end": null}}}]});
    known(&mut state, Source::Scaling, source::followers(&scaling), 12);
    let frozen = "freeze: {until: 2026-11-30T00:00:00Z, reason: the big sale}";
    known(&mut state, Source::Policy, policy(frozen), 12);
    state
}

/// What was seen cannot be seen any more.
fn denied() -> State {
    let mut state = outage();
    let why = "health-check: tag:GetResources failed: AccessDeniedException: ann may not do this";
    for (source, why) in [
        (Source::Health, why),
        (Source::Letters, "sqs:ListQueues failed: ThrottlingException: Rate exceeded"),
        (Source::Policy, "AWS refused ssm:GetParameter: ThrottlingException: Rate exceeded"),
    ] {
        state.answered(source, Err(why.to_owned()), at() - SignedDuration::from_secs(1));
    }
    state
}

/// What others write may be long, wide, and mean.
fn mean() -> State {
    let mut state = state();
    let long = format!("ecs-service:prod/{}", "a-very-long-name-".repeat(12));
    let wrong = vec![
        component(&long, "failed", &"because ".repeat(60)),
        component("ecs-service:prod/\u{1b}[2J\u{1b}[31mhidden\u{202e}", "degraded", "line\none\r\u{7}bell"),
        component("ecs-service:prod/日本語の名前のとても長いサービス", "failed", "タスクが動いていません"),
        component(
            "rds-instance:orders",
            "failed",
            &format!("arn:aws:rds:eu-central-1:111122223333:db:{}", "x".repeat(200)),
        ),
    ];
    known(&mut state, Source::Health, of(&wrong), 5);
    let incidents = json!({"incidents": [{"incident": "i\u{1b}[H", "severity": "sev1\u{1b}c", "title": "t\u{9b}31m\u{2028}x".repeat(30),
        "started": "yesterday", "acknowledged": {"by": "\u{1b}]0;ann\u{7}", "at": null}}]});
    known(&mut state, Source::Incidents, source::incidents(&incidents), 4);
    state
}

/// What is on the screen: the text, and below it what is set off, by its column and how.
fn screen(state: &State, view: &mut View, size: (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, state, view, Look { is_coloured: false }, at())).unwrap();
    let mut text = String::new();
    let buffer = terminal.backend().buffer();
    for y in 0..size.1 {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..size.0 {
            let symbol = buffer[(x, y)].symbol();
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(symbol);
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text
}

#[track_caller]
fn check(state: &State, pane: Pane, sizes: &[(u16, u16)], expected: &ExpectFile) {
    let mut all = String::new();
    for size in sizes {
        let mut view = View { pane, ..View::default() };
        writeln!(all, "── {} × {} {}", size.0, size.1, "─".repeat(20)).unwrap();
        all.push_str(&screen(state, &mut view, *size));
    }
    assert!(
        !all.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}', '\r']),
        "it steers the terminal: {all:?}"
    );
    expected.assert_eq(&all);
}

#[test]
fn when_all_is_well_that_is_said() {
    check(&calm(), Pane::All, &[SMALL, LARGE, TINY], &expect_file!["../../../snapshots/watch-calm.txt"]);
}

#[test]
fn in_an_outage_what_is_wrong_stands_first() {
    check(&outage(), Pane::All, &[SMALL, LARGE, TINY], &expect_file!["../../../snapshots/watch-outage.txt"]);
}

#[test]
fn what_cannot_be_seen_is_said_and_what_was_seen_is_marked_as_stale() {
    let mut unseen = state();
    let why = "health-check: tag:GetResources failed: AccessDeniedException: ann may not do this";
    unseen.answered(Source::Health, Err(why.to_owned()), at());
    unseen.answered(Source::Incidents, Err("dynamodb:Query failed: AccessDeniedException".to_owned()), at());
    check(&unseen, Pane::All, &[SMALL, TINY], &expect_file!["../../../snapshots/watch-denied.txt"]);
    check(&denied(), Pane::All, &[SMALL, LARGE, TINY], &expect_file!["../../../snapshots/watch-stale.txt"]);
}

#[test]
fn before_anything_is_seen_that_is_said() {
    check(&state(), Pane::All, &[SMALL, LARGE, TINY], &expect_file!["../../../snapshots/watch-empty.txt"]);
}

#[test]
fn long_names_are_cut_and_hidden_characters_do_nothing() {
    check(&mean(), Pane::All, &[SMALL, LARGE, TINY], &expect_file!["../../../snapshots/watch-mean.txt"]);
    for pane in Pane::ALL {
        let mut view = View { pane, ..View::default() };
        let text = screen(&mean(), &mut view, SMALL);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}', '\r']), "{text:?}");
    }
}

#[test]
fn each_pane_tells_the_whole_of_one_thing() {
    let mut all = String::new();
    for pane in Pane::ALL.into_iter().skip(1) {
        let mut view = View { pane, ..View::default() };
        all.push_str(&screen(&outage(), &mut view, SMALL));
        all.push('\n');
    }
    let mut help = View { is_help: true, ..View::default() };
    all.push_str(&screen(&outage(), &mut help, SMALL));
    expect_file!["../../../snapshots/watch-panes.txt"].assert_eq(&all);
}

#[test]
fn what_was_not_asked_for_is_not_said_to_be_missing() {
    let mut state = calm();
    state.place.kinds = vec!["ecs-service".to_owned(), "sqs-queue".to_owned()];
    known(&mut state, Source::Health, swept(&[]), 1);
    let text = screen(&state, &mut View::default(), SMALL);
    assert!(text.contains("30 ok of ecs-service, sqs-queue only"), "{text}");
    assert!(text.contains("not looked at: --kind names other kinds than alarm"), "{text}");
    assert!(text.contains("no queue belongs to this environment"), "{text}");
}

#[test]
fn no_size_is_too_small_or_too_large_to_be_drawn() {
    for state in [calm(), outage(), denied(), mean(), state()] {
        for size in [(1, 1), (1, 60), (8, 3), (20, 2), (139, 19), (140, 20), (400, 100)] {
            for pane in Pane::ALL {
                for is_help in [false, true] {
                    let mut view = View { pane, first: usize::MAX, is_help, ..View::default() };
                    screen(&state, &mut view, size);
                }
            }
        }
    }
}

#[test]
fn scrolling_ends_where_the_text_ends() {
    let mut view = View { pane: Pane::Checks, first: usize::MAX, ..View::default() };
    let text = screen(&outage(), &mut view, SMALL);
    assert!(text.contains("service-30"), "{text}");
    assert_eq!(view.page, 19);
    let end = view.first;
    assert!(text.contains(&format!("of {}", end + view.page)), "{text}");
    // And stays there when the rest goes away.
    screen(&calm(), &mut view, LARGE);
    assert!(view.first < end);
}

#[test]
fn without_colours_none_is_written_and_with_them_each_has_its_word() {
    let mut view = View::default();
    for is_coloured in [false, true] {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        let state = outage();
        terminal.draw(|frame| draw(frame, &state, &mut view, Look { is_coloured }, at())).unwrap();
        let coloured = terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(coloured, is_coloured);
    }
}

/// What is written to the terminal to get from one screen to another.
fn bytes(states: &[(&State, Timestamp)]) -> Vec<usize> {
    let area = ratatui::layout::Rect::new(0, 0, 80, 24);
    let options = TerminalOptions { viewport: Viewport::Fixed(area) };
    let mut written = Vec::new();
    let mut view = View::default();
    let mut to = Vec::new();
    {
        let mut terminal =
            Terminal::with_options(CrosstermBackend::new(Counted(&mut to, &mut written)), options).unwrap();
        for (state, now) in states {
            terminal.draw(|frame| draw(frame, state, &mut view, Look { is_coloured: true }, *now)).unwrap();
        }
    }
    written
}

/// A terminal that counts what each drawing takes.
struct Counted<'a>(&'a mut Vec<u8>, &'a mut Vec<usize>);

impl std::io::Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if !self.0.is_empty() {
            self.1.push(self.0.len());
            self.0.clear();
        }
        Ok(())
    }
}

#[test]
fn a_second_that_passes_takes_few_bytes_on_a_slow_link() {
    let outage = outage();
    let next = at() + SignedDuration::from_secs(1);
    let written = bytes(&[(&outage, at()), (&outage, next), (&calm(), next)]);
    let total: usize = written.iter().sum();
    assert!(total < 12_000, "three screens: {written:?}");
    let both = bytes(&[(&outage, at()), (&outage, next)]).iter().sum::<usize>();
    let first = bytes(&[(&outage, at())]).iter().sum::<usize>();
    assert!(both - first < 100, "the clock alone takes {} bytes", both - first);
}
