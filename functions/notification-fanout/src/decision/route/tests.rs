use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::Policy;

use super::*;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn policy(text: &str) -> Policy {
    Policy::parse("/p", text).unwrap()
}

fn notice(labels: &[(&str, &str)]) -> Notice {
    let subject = Subject { kind: "alarm".to_owned(), id: "web".to_owned(), arn: None };
    let mut notice = Notice::new("alarm:web", State::Firing, Severity::Sev3, subject, "web", now());
    notice.labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    notice
}

const fn channel(name: &str, is_read: bool, is_verified: bool) -> ChannelFacts<'_> {
    ChannelFacts { name, is_read, is_verified }
}

const CHANNELS: [ChannelFacts<'static>; 7] = [
    channel("default", true, true),
    channel("a", true, true),
    channel("testing", true, true),
    channel("production-a", true, true),
    channel("production-b", true, true),
    channel("bc", true, true),
    channel("hook", false, true),
];

fn routed<'a>(policy: &'a Policy, channels: &'a [ChannelFacts<'a>], notice: &Notice) -> Routing<'a> {
    let world = World {
        notify: &policy.notify,
        production: true,
        windows: &policy.windows,
        channels,
        silences: &[],
        firing: &[],
    };
    route(&world, notice, now())
}

const TREE: &str = r#"
notify:
  route:
    channels: [default]
    group_by: []
    routes:
    - match: {owner: team-a}
      channels: [a]
      routes:
      - match: {env: testing}
        channels: [testing]
        group_by: [incident]
      - match: {env: production}
        channels: [production-a]
        group_wait: 1m
        continue: true
      - match: {env: "produ*", job: "*"}
        channels: [production-b]
        group_wait: 30s
        group_interval: 10m
        repeat_interval: 1h
        group_by: [job]
    - match: {owner: [team-b, team-c]}
      channels: [bc]
      group_by: [foo, bar]
      group_wait: 2m
    - match: {group_by: role}
      group_by: [role]
      routes:
      - match: {env: testing}
        channels: [testing]
        routes:
        - match: {wait: long}
          group_wait: 2m
"#;

/// `channel wait/interval/repeat [labels of the group]`, for every destination.
fn shown(routing: &Routing<'_>) -> Vec<String> {
    let one = |to: &Destination<'_>| {
        let Timing { wait, interval, repeat, .. } = to.timing;
        let repeat = repeat.map_or("never".to_owned(), |repeat| format!("{repeat:#}"));
        let group = match &to.group {
            Some(group) => format!("{:?}", group.labels.keys().collect::<Vec<_>>()),
            None => "itself".to_owned(),
        };
        format!("{} {wait:#}/{interval:#}/{repeat} {group}", to.channel)
    };
    routing.destinations.iter().map(one).collect()
}

#[track_caller]
fn check(labels: &[(&str, &str)], expected: &[&str], route: &str) {
    let policy = policy(TREE);
    let routing = routed(&policy, &CHANNELS, &notice(labels));
    assert_eq!(shown(&routing), expected, "{labels:?}");
    assert_eq!(routing.destinations.last().map(|last| last.route.as_str()), Some(route), "{labels:?}");
}

#[test]
fn the_deepest_routes_that_match_tell_and_inherit_what_they_do_not_say() {
    let team = ("owner", "team-a");
    check(&[], &["default 0s/5m/never []"], "root");
    check(&[team], &["a 0s/5m/never []"], "root > owner=team-a");
    check(&[team, ("env", "unset")], &["a 0s/5m/never []"], "root > owner=team-a");
    check(&[("owner", "team-c")], &["bc 2m/5m/never [\"bar\", \"foo\"]"], "root > owner=team-b|team-c");
    check(&[team, ("env", "testing")], &["testing 0s/5m/never itself"], "root > owner=team-a > env=testing");
    check(
        &[team, ("env", "production")],
        &["production-a 1m/5m/never []", "production-b 30s/10m/1h [\"job\"]"],
        "root > owner=team-a > env=produ*, job=*",
    );
    check(&[("group_by", "role")], &["default 0s/5m/never [\"role\"]"], "root > group_by=role");
    let testing = [("env", "testing"), ("group_by", "role")];
    check(&testing, &["testing 0s/5m/never [\"role\"]"], "root > group_by=role > env=testing");
    check(
        &[testing[0], testing[1], ("wait", "long")],
        &["testing 2m/5m/never [\"role\"]"],
        "root > group_by=role > env=testing > wait=long",
    );
}

fn names<'a>(routing: &Routing<'a>) -> Vec<&'a str> {
    routing.destinations.iter().map(|to| to.channel).collect()
}

#[test]
fn without_a_policy_every_channel_is_told_at_once_each_incident_by_itself() {
    let policy = Policy::default();
    let routing = routed(&policy, &CHANNELS, &notice(&[]));
    assert_eq!(routing.destinations.len(), CHANNELS.len());
    for to in &routing.destinations {
        assert_eq!((&to.standing, &to.group, to.timing.wait), (&Standing::Tell, &None, SignedDuration::ZERO));
    }
}

#[test]
fn a_channel_that_several_routes_reach_is_told_once_by_the_first() {
    let policy = policy(
        "notify: {route: {routes: [{channels: [a], group_wait: 1m, continue: true}, {channels: [a, bc]}]}}",
    );
    let routing = routed(&policy, &CHANNELS, &notice(&[]));
    assert_eq!(shown(&routing), ["a 1m/5m/never itself", "bc 0s/5m/never itself"]);
}

#[test]
fn machines_are_told_each_incident_by_itself() {
    let policy = policy("notify: {route: {group_by: [service], channels: [a, hook]}}");
    let routing = routed(&policy, &CHANNELS, &notice(&[]));
    assert_eq!(shown(&routing), ["a 0s/5m/never [\"service\"]", "hook 0s/5m/never itself"]);
}

#[test]
fn a_group_is_the_same_for_the_same_channel_route_and_values() {
    let policy = policy("notify: {route: {group_by: [service], channels: [a, bc]}}");
    let id = |labels: &[(&str, &str)], place: usize| {
        routed(&policy, &CHANNELS, &notice(labels)).destinations[place].group.clone().unwrap().id
    };
    let web = id(&[("service", "web")], 0);
    assert_eq!(id(&[("service", "web"), ("team", "x")], 0), web);
    assert_ne!(id(&[("service", "api")], 0), web);
    assert_ne!(id(&[("service", "web")], 1), web);
    // A label that is missing is the empty text.
    assert_eq!(id(&[], 0), id(&[("service", "")], 0));
}

#[test]
fn the_end_is_told_where_both_the_route_and_the_channel_want_it() {
    for (route, channel, expected) in [(true, true, true), (true, false, false), (false, true, false)] {
        let text = format!(
            "notify: {{route: {{channels: [a], resolved: {route}}}, channels: {{a: {{resolved: {channel}}}}}}}"
        );
        let policy = policy(&text);
        assert_eq!(
            routed(&policy, &CHANNELS, &notice(&[])).destinations[0].timing.resolved,
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_channel_that_the_secret_lacks_is_named_and_another_told_where_it_was_the_only_one() {
    let policy = policy(
        "notify: {fallback: bc, route: {channels: [oops], routes: [{match: {x: y}, channels: [oops, a]}]}}",
    );
    let routing = routed(&policy, &CHANNELS, &notice(&[("x", "y")]));
    assert_eq!((names(&routing), routing.unknown), (vec!["a"], vec!["oops".to_owned()]));
    let routing = routed(&policy, &CHANNELS, &notice(&[]));
    assert_eq!((names(&routing), &routing.unknown), (vec!["bc"], &vec!["oops".to_owned()]));
    assert_eq!(routing.destinations[0].route, "root > bc (the secret has none of its channels)");
}

#[track_caller]
fn check_urgent(text: &str, severity: Severity, expected: &[&str]) {
    let channels = [
        channel("teams", true, false),
        channel("email", true, false),
        channel("pager", false, true),
        channel("slack", true, true),
    ];
    let policy = policy(text);
    let routing = routed(&policy, &channels, &Notice { severity, ..notice(&[]) });
    assert_eq!(names(&routing), expected, "{text} {severity}");
}

#[test]
fn what_is_urgent_goes_to_a_channel_that_says_whether_people_can_see_it() {
    let teams = "notify: {route: {channels: [teams]}}";
    check_urgent(teams, Severity::Sev1, &["teams", "pager"]);
    check_urgent(teams, Severity::Sev2, &["teams", "pager"]);
    check_urgent(teams, Severity::Sev3, &["teams"]);
    check_urgent(
        "notify: {fallback: slack, route: {channels: [teams]}}",
        Severity::Sev1,
        &["teams", "slack"],
    );
    check_urgent(
        "notify: {fallback: email, route: {channels: [teams]}}",
        Severity::Sev1,
        &["teams", "pager"],
    );
    check_urgent("notify: {route: {channels: [teams, slack]}}", Severity::Sev1, &["teams", "slack"]);
    // Whoever drops it does not count, nor does it help to add such a one.
    let picky = "{route: {channels: [teams, slack]}, channels: {slack: {least_severity: sev1}}}";
    check_urgent(&format!("notify: {picky}"), Severity::Sev2, &["teams", "slack", "pager"]);
    let picky = "{route: {channels: [teams]}, channels: {pager: {least_severity: sev1}}}";
    check_urgent(&format!("notify: {picky}"), Severity::Sev2, &["teams", "slack"]);
    let muted = "{route: {channels: [teams]}, channels: {teams: {least_severity: sev1}}}";
    check_urgent(&format!("notify: {muted}"), Severity::Sev2, &["teams"]);
}

#[test]
fn an_end_takes_the_routes_of_its_beginning() {
    let policy =
        policy("notify: {route: {channels: [a], routes: [{match: {severity: sev1}, channels: [bc]}]}}");
    let begun = Activity {
        incident: "alarm:web".to_owned(),
        state: State::Firing,
        revision: 1,
        severity: Severity::Sev1,
        title: String::new(),
        labels: BTreeMap::new(),
        since: now(),
        started: now(),
        changes: Vec::new(),
        flapping: false,
        acknowledged: None,
        escalated: 0,
    };
    for (state, expected) in [(State::Resolved, "bc"), (State::Firing, "a"), (State::Info, "a")] {
        let world = World {
            notify: &policy.notify,
            production: true,
            windows: &[],
            channels: &CHANNELS,
            silences: &[],
            firing: std::slice::from_ref(&begun),
        };
        assert_eq!(names(&route(&world, &Notice { state, ..notice(&[]) }, now())), [expected], "{state:?}");
    }
}

proptest! {
    #[test]
    fn no_channel_is_forgotten_and_none_told_twice(
        severity in 0usize..4, state in 0usize..3, production: bool, maintenance in 0usize..3, minutes in 0i64..20_000,
        labels in prop::collection::btree_map("[ab]", "[ab*!]{0,2}", 0..3),
    ) {
        let telling = ["tell", "defer", "mute"][maintenance];
        let policy = policy(&format!(r#"
windows: [{{name: w, days: [sun], from: "02:00", to: "04:00", zone: Europe/Berlin}}]
notify:
  maintenance: {{sev1: {telling}, sev2: {telling}, sev3: {telling}, sev4: {telling}}}
  hours: {{day: [{{name: d, from: "09:00", to: "18:00", zone: UTC}}]}}
  route: {{hours: day, outside_hours: drop, group_by: [a], routes: [{{match: {{a: "!a*"}}, outside_hours: wait}}]}}
  channels: {{bc: {{production_only: true}}, a: {{least_severity: sev2}}}}
  silences: [{{match: {{b: "*b"}}, until: 2026-12-01T00:00:00Z, author: ann, reason: r}}]
"#));
        let world = World {
            notify: &policy.notify, production, windows: &policy.windows, channels: &CHANNELS, silences: &[], firing: &[],
        };
        let severity = [Severity::Sev1, Severity::Sev2, Severity::Sev3, Severity::Sev4][severity];
        let state = [State::Firing, State::Resolved, State::Info][state];
        let now = now() + SignedDuration::from_mins(minutes);
        let routing = route(&world, &Notice { severity, state, labels, ..notice(&[]) }, now);
        let all: Vec<_> = CHANNELS.iter().map(|channel| channel.name).collect();
        prop_assert_eq!(names(&routing), all);
        for to in &routing.destinations {
            match &to.standing {
                Standing::Tell => {}
                Standing::Hold { until, why } => prop_assert!(now < *until && !why.is_empty()),
                Standing::Drop { why } => prop_assert!(!why.is_empty()),
            }
        }
    }
}
