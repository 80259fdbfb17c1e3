use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::Activity;
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::Policy;

use super::*;
use crate::decision::route::ChannelFacts;

/// A Wednesday.
fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn notice(state: State, severity: Severity, labels: &[(&str, &str)]) -> Notice {
    let subject = Subject { kind: "alarm".to_owned(), id: "web".to_owned(), arn: None };
    let mut notice = Notice::new("alarm:web", state, severity, subject, "web", now());
    notice.labels = owned(labels);
    notice
}

fn owned(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn fires(incident: &str, labels: &[(&str, &str)]) -> Activity {
    Activity {
        incident: incident.to_owned(),
        state: State::Firing,
        revision: 1,
        severity: Severity::Sev1,
        title: String::new(),
        labels: owned(labels),
        since: now(),
        started: now(),
        changes: Vec::new(),
        flapping: false,
        acknowledged: None,
        escalated: 0,
    }
}

fn standing_of(text: &str, production: bool, firing: &[Activity], notice: &Notice) -> String {
    let policy = Policy::parse("/p", text).unwrap();
    let channels = [ChannelFacts { name: "ops", is_read: true, is_verified: true }];
    let world = World {
        notify: &policy.notify,
        production,
        windows: &policy.windows,
        channels: &channels,
        silences: &[],
        firing,
    };
    match standing(&world, "ops", &policy.notify.route.settle(None), notice, now()) {
        Standing::Tell => "tell".to_owned(),
        Standing::Hold { until, why } => {
            format!("hold {:#}: {why}", SignedDuration::from_secs(until.duration_since(now()).as_secs()))
        }
        Standing::Drop { why } => format!("drop: {why}"),
    }
}

#[track_caller]
fn check(text: &str, state: State, severity: Severity, expected: &str) {
    let notice = notice(state, severity, &[("service", "web")]);
    assert_eq!(standing_of(text, false, &[], &notice), expected, "{text}");
}

#[test]
fn a_channel_is_never_told_what_it_is_not_for() {
    let (firing, sev3) = (State::Firing, Severity::Sev3);
    let production = "notify: {channels: {ops: {production_only: true}}}";
    check(production, firing, sev3, "drop: the channel is told only of production");
    assert_eq!(standing_of(production, true, &[], &notice(firing, sev3, &[])), "tell");
    let severe = "notify: {channels: {ops: {least_severity: sev3}}}";
    check(severe, firing, sev3, "tell");
    check(
        severe,
        State::Resolved,
        Severity::Sev4,
        "drop: the channel is told from SEV-3 on, and this is SEV-4",
    );
    check("notify: {channels: {other: {least_severity: sev1}}}", firing, sev3, "tell");
}

fn silence(rest: &str) -> String {
    format!("notify: {{silences: [{{author: ann, reason: it moves, {rest}}}]}}")
}

#[test]
fn what_is_silenced_waits_and_is_looked_at_again() {
    let long = silence("match: {service: web}, until: 2026-12-01T00:00:00Z");
    let why = "silenced until 2026-12-01T00:00:00Z by ann: it moves";
    check(&long, State::Firing, Severity::Sev1, &format!("hold 15m: {why}"));
    check(&long, State::Resolved, Severity::Sev1, &format!("hold 15m: {why}"));
    check(&long, State::Info, Severity::Sev1, &format!("drop: {why}"));
    let short = silence("match: {service: web}, until: 2026-11-25T12:01:00Z");
    check(
        &short,
        State::Firing,
        Severity::Sev1,
        "hold 1m: silenced until 2026-11-25T12:01:00Z by ann: it moves",
    );
    check(
        &silence("match: {service: api}, until: 2026-12-01T00:00:00Z"),
        State::Firing,
        Severity::Sev1,
        "tell",
    );
    check(
        &silence("match: {service: web}, until: 2026-11-25T12:00:00Z"),
        State::Firing,
        Severity::Sev1,
        "tell",
    );
    let later = silence("match: {service: web}, from: 2026-11-25T12:00:01Z, until: 2026-12-01T00:00:00Z");
    check(&later, State::Firing, Severity::Sev1, "tell");
}

const RULE: &str =
    "notify: {inhibit: [{source: {kind: [host, both]}, target: {kind: [alarm, both]}, equal: [cluster]}]}";

#[track_caller]
fn check_inhibited(kind: &str, cluster: &str, source: &[(&str, &str)], expected: bool) {
    let mut notice = notice(State::Firing, Severity::Sev2, &[("cluster", cluster)]);
    kind.clone_into(&mut notice.subject.kind);
    let said = standing_of(RULE, false, &[fires("host:1", source)], &notice);
    let held = "hold 5m: inhibited while host:1 fires";
    assert_eq!(said, if expected { held } else { "tell" }, "{kind} in {cluster:?} with {source:?}");
}

#[test]
fn what_another_incident_explains_waits_while_that_one_fires() {
    check_inhibited("alarm", "prod", &[("kind", "host"), ("cluster", "prod")], true);
    check_inhibited("alarm", "prod", &[("kind", "host"), ("cluster", "dev")], false);
    check_inhibited("alarm", "prod", &[("kind", "disk"), ("cluster", "prod")], false);
    check_inhibited("disk", "prod", &[("kind", "host"), ("cluster", "prod")], false);
    // A label that is missing is the empty text, on either side.
    check_inhibited("alarm", "", &[("kind", "host")], true);
    check_inhibited("alarm", "prod", &[("kind", "host")], false);
}

#[test]
fn what_is_source_and_target_is_explained_only_by_what_is_source_alone() {
    check_inhibited("both", "prod", &[("kind", "both"), ("cluster", "prod")], false);
    check_inhibited("both", "prod", &[("kind", "host"), ("cluster", "prod")], true);
    check_inhibited("alarm", "prod", &[("kind", "both"), ("cluster", "prod")], true);
}

#[test]
fn an_incident_does_not_explain_itself_nor_does_one_that_is_over() {
    let mut notice = notice(State::Firing, Severity::Sev2, &[]);
    let source = [("kind", "host")];
    assert_eq!(standing_of(RULE, false, &[fires("alarm:web", &source)], &notice), "tell");
    let over = Activity { state: State::Resolved, ..fires("host:1", &source) };
    assert_eq!(standing_of(RULE, false, &[over], &notice), "tell");
    notice.state = State::Info;
    let said = standing_of(RULE, false, &[fires("host:1", &source)], &notice);
    assert_eq!(said, "drop: inhibited while host:1 fires");
}

#[test]
fn in_a_maintenance_window_each_severity_is_told_deferred_or_muted() {
    let window = |from: &str, to: &str| {
        format!(
            "windows: [{{name: w, from: \"{from}\", to: \"{to}\", zone: UTC}}]\nnotify: {{maintenance: {{sev3: defer, sev4: mute}}}}"
        )
    };
    let open = window("11:00", "13:30");
    let why = "the maintenance window w (11:00–13:30 UTC) is open";
    check(&open, State::Firing, Severity::Sev1, "tell");
    check(&open, State::Firing, Severity::Sev3, &format!("hold 1h 30m: {why}"));
    check(&open, State::Info, Severity::Sev3, &format!("hold 1h 30m: {why}"));
    check(&open, State::Firing, Severity::Sev4, &format!("drop: {why}"));
    check(&open, State::Info, Severity::Sev4, &format!("drop: {why}"));
    check(&open, State::Resolved, Severity::Sev4, &format!("hold 1h 30m: {why}"));
    check(&window("13:00", "14:00"), State::Firing, Severity::Sev4, "tell");
}

#[test]
fn outside_of_the_hours_of_their_route_notices_wait_or_are_dropped() {
    let hours = |from: &str, outside: &str| {
        format!(
            "notify: {{hours: {{office: [{{name: o, from: \"{from}\", to: \"18:00\", zone: UTC}}]}}, route: {{hours: office, outside_hours: {outside}}}}}"
        )
    };
    check(&hours("09:00", "drop"), State::Firing, Severity::Sev3, "tell");
    check(&hours("14:00", "wait"), State::Firing, Severity::Sev3, "hold 2h: outside of the hours office");
    check(&hours("14:00", "wait"), State::Info, Severity::Sev3, "hold 2h: outside of the hours office");
    check(&hours("14:00", "drop"), State::Firing, Severity::Sev3, "drop: outside of the hours office");
    check(&hours("14:00", "drop"), State::Resolved, Severity::Sev3, "hold 2h: outside of the hours office");
}
