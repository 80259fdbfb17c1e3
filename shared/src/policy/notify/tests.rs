//! What the section may say, what is refused, and what matchers and rotations mean.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::policy::{Policy, schema};

const EXAMPLE: &str = include_str!("../../../../policy.example.yaml");

fn parse(text: &str) -> Result<Notify, String> {
    Policy::parse("/p", text).map(|policy| policy.notify).map_err(|error| error.to_string())
}

fn read(text: &str) -> Notify {
    parse(text).unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// The example with its instances, which are comments, in place of the empty lists and mappings above them.
fn with_instances() -> String {
    let (before, section) = EXAMPLE.split_once("\nnotify:").unwrap();
    let (_, section) = section.split_once('\n').unwrap();
    let lines: Vec<_> = section.lines().collect();
    let is_instance = |line: &&str| line.trim_start().starts_with("# ");
    let mut text = format!("{before}\nnotify:\n");
    for (place, line) in lines.iter().enumerate() {
        let next = lines.get(place + 1).is_some_and(is_instance);
        let line = match line.split_once('#') {
            Some((indent, instance)) if is_instance(line) => format!("{indent}{}", &instance[1..]),
            Some((value, _)) => value.trim_end().to_owned(),
            None => (*line).to_owned(),
        };
        let filled = line.strip_suffix(" []").or(line.strip_suffix(" {}"));
        text.push_str(filled.filter(|_| next).unwrap_or(&line));
        text.push('\n');
    }
    text
}

#[test]
fn the_example_shows_every_field() {
    let notify = serde_json::to_value(read(&with_instances())).unwrap();
    let schema = schema().to_value();
    let mut shown = BTreeSet::new();
    collect(&schema, &schema["$defs"]["Notify"], &notify, "notify", &mut shown);
    let missing: Vec<_> = shown.iter().filter(|path| path.ends_with('!')).collect();
    assert!(missing.is_empty(), "not in policy.example.yaml: {missing:?}");
    for path in
        ["notify.route.routes[].match", "notify.on_call{}.overrides[].person", "notify.escalation.steps[].to"]
    {
        assert!(shown.contains(path), "{path} in {shown:#?}");
    }
}

/// The fields of a schema, those with a `!` that the value lacks wherever it could have them.
fn collect(whole: &Value, schema: &Value, value: &Value, path: &str, shown: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &whole["$defs"][name.rsplit('/').next().unwrap()],
        None => schema,
    };
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        // What the root or the routes below it do not have, the others do.
        let of_route = path.starts_with("notify.route.") && !path.starts_with("notify.route.routes[].routes");
        match value.get(name) {
            Some(value) => {
                shown.insert(path.clone());
                collect(whole, below, value, &path, shown);
            }
            None if of_route => {}
            None if path.ends_with(".mention") => {}
            None => {
                shown.insert(format!("{path}!"));
            }
        }
    }
    for item in value.as_array().into_iter().flatten() {
        collect(whole, &schema["items"], item, &format!("{path}[]"), shown);
    }
    if schema["additionalProperties"].is_object() {
        for value in value.as_object().into_iter().flat_map(|map| map.values()) {
            collect(whole, &schema["additionalProperties"], value, &format!("{path}{{}}"), shown);
        }
    }
}

#[test]
fn every_field_reads_back_as_it_was_written() {
    let policy = Policy::parse("/p", &with_instances()).unwrap();
    assert_eq!(Policy::parse("/p", &serde_norway::to_string(&policy).unwrap()).unwrap(), policy);
    assert_eq!(serde_json::from_value::<Policy>(serde_json::to_value(&policy).unwrap()).unwrap(), policy);
}

#[test]
fn without_content_every_part_has_its_default() {
    let empty = "notify:\n  channels:\n  hours:\n  silences:\n  inhibit:\n  maintenance:\n  flapping:\n  storm:\n  people:\n  on_call:\n  escalation:\n";
    assert_eq!(read(empty), Notify::default());
    let settled = read("notify:\n  route:\n").route.settle(None).repeat_interval;
    assert_eq!(settled, Repeat::Never);
}

#[test]
fn a_route_that_says_nothing_is_as_the_root_is_without_a_policy() {
    assert_eq!(Route::default().settle(None), Settled::default());
    assert_eq!(Route::root().settle(None), Settled::default());
}

#[test]
fn a_route_has_what_it_does_not_say_from_the_route_above() {
    let notify = read(concat!(
        "notify:\n  hours: {office: [{name: o, from: '09:00', to: '18:00', zone: UTC}]}\n",
        "  route:\n    channels: [ops]\n    group_by: [service]\n    repeat_interval: 4h\n    hours: office\n",
        "    routes:\n    - {}\n    - {channels: [pager], group_by: [], repeat_interval: never, resolved: false}\n",
        "    - {group_by: [service, incident], group_wait: 30s, group_interval: 0s, outside_hours: drop}\n",
    ));
    let root = notify.route.settle(None);
    let [same, other, timed] = &notify.route.routes[..] else { panic!() };
    assert_eq!(same.settle(Some(&root)), root);
    assert_eq!(root.repeat_interval.every(), Some(SignedDuration::from_hours(4)));
    let other = other.settle(Some(&root));
    assert_eq!((other.channels, other.group_by), (&["pager".to_owned()][..], Some(&[][..])));
    assert_eq!((other.repeat_interval, other.resolved, other.hours), (Repeat::Never, false, Some("office")));
    let timed = timed.settle(Some(&root));
    assert_eq!((timed.channels, timed.group_by), (&["ops".to_owned()][..], None));
    assert_eq!((timed.group_wait.as_secs(), timed.group_interval.as_secs()), (30, 0));
    assert_eq!(timed.outside_hours, OutsideHours::Drop);
}

#[track_caller]
fn check_refused(section: &str, expected: &str) {
    let error = parse(&format!("freeze: false\nnotify:\n{section}")).unwrap_err();
    let expected = format!("the policy /p, {expected}");
    assert!(error.starts_with(&expected), "\n     got {error}\nexpected {expected}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn what_cannot_be_meant_is_named_with_its_line_and_field() {
    for (section, expected) in [
        ("  rout: {}", "line 3: notify: unknown field `rout`, expected one of `route`, `channels`"),
        ("  route: {matches: {}}", "line 3: notify.route: unknown field `matches`, expected one of `match`"),
        (
            "  route:\n    group_wait: 2h",
            "line 4: notify.route.group_wait: it is not a duration from 0s to 1h",
        ),
        (
            "  route: {repeat_interval: 5m}",
            "line 3: notify.route.repeat_interval: it is not never or a duration",
        ),
        ("  route: {outside_hours: hold}", "line 3: notify.route.outside_hours: unknown word"),
        (
            "  route:\n    routes:\n    - match: {severity: high}",
            "line 5: notify.route.routes[0].match.severity: it is not sev1 to sev4",
        ),
        (
            "  route:\n    routes:\n    - match:\n        state:\n        - firing\n        - \"!ended\"",
            "line 8: notify.route.routes[0].match.state[1]: it is not firing, resolved or info",
        ),
        (
            "  route: {routes: [{match: {service: []}}]}",
            "line 3: notify.route.routes[0].match.service: an empty list matches nothing",
        ),
        (
            "  route: {routes: [{match: {service: 5}}]}",
            "line 3: notify.route.routes[0].match.service: invalid type: integer `5`, expected a text",
        ),
        (
            "  route: {routes: [{match: [service]}]}",
            "line 3: notify.route.routes[0].match: invalid type: a list, expected labels",
        ),
        (
            "  route: {routes: [{match: {a: b, a: c}}]}",
            "line 3: notify.route.routes[0].match: a label stands there twice",
        ),
        (
            "  channels: {ops: {least_severity: low}}",
            "line 3: notify.channels.ops.least_severity: unknown word",
        ),
        (
            "  channels: {ops: {at_most: {count: 0}}}",
            "line 3: notify.channels.ops.at_most.count: 0 is not a whole number",
        ),
        (
            "  silences:\n  - match: {a: b}\n    until: 2026-12-01T00:00:00Z\n    author: ann",
            "line 4: notify.silences[0]: missing field `reason`",
        ),
        (
            "  silences: [{match: {a: b}, author: a, reason: r}]",
            "line 3: notify.silences[0]: missing field `until`",
        ),
        (
            "  silences: [{until: 2026-12-01}]",
            "line 3: notify.silences[0].until: it is not a time with its offset",
        ),
        ("  silences: [{author: \" \"}]", "line 3: notify.silences[0].author: it is not a text"),
        ("  maintenance: {sev1: hide}", "line 3: notify.maintenance.sev1: unknown word"),
        ("  flapping: {changes: 2}", "line 3: notify.flapping.changes: 2 is not a whole number from 3 to 32"),
        ("  storm: {within: 2h}", "line 3: notify.storm.within: it is not a duration from 1m to 1h"),
        ("  on_call: {p: {since: 2026-13-01}}", "line 3: notify.on_call.p.since: it is not a date"),
        ("  on_call: {p: {zone: Berlin}}", "line 3: notify.on_call.p.zone: it is not a time zone"),
        (
            "  on_call: {p: {handover: {at: \"24:00\"}}}",
            "line 3: notify.on_call.p.handover.at: it is not a time",
        ),
        (
            "  escalation: {steps: [{after: 2d, to: ann}]}",
            "line 3: notify.escalation.steps[0].after: it is not a duration",
        ),
    ] {
        check_refused(section, expected);
    }
}

#[test]
fn what_refers_to_nothing_or_contradicts_itself_is_named_with_its_line_and_field() {
    let people = "  people: {ann: {channels: [a]}, ben: {mention: U1}}\n";
    let rotation =
        |rest: &str| format!("{people}  on_call:\n    p:\n      zone: UTC\n      since: 2026-01-05\n{rest}");
    for (section, expected) in [
        ("  channels:\n    ops:\n      fallback: ops".to_owned(), "line 5: notify.channels.ops.fallback: a channel is no fallback of its own"),
        ("  hours:\n    night: []".to_owned(), "line 4: notify.hours.night: hours without a window never begin"),
        ("  route:\n    match: {service: web}".to_owned(), "line 4: notify.route.match: the root takes every notice"),
        ("  route:\n    continue: true".to_owned(), "line 4: notify.route.continue: there are no routes beside the root"),
        ("  route:\n    hours: office".to_owned(), "line 4: notify.route.hours: it is not a name in notify.hours"),
        ("  route:\n    routes:\n    - {}\n    - channels: [a]\n      routes:\n      - match: {a: b}\n        hours: office".to_owned(), "line 9: notify.route.routes[1].routes[0].hours: it is not a name in notify.hours"),
        ("  route:\n    group_by:\n    - state".to_owned(), "line 5: notify.route.group_by: by state, the end"),
        ("  silences:\n  - match: {}\n    until: 2026-12-01T00:00:00Z\n    author: a\n    reason: r".to_owned(), "line 4: notify.silences[0].match: a silence names at least one label"),
        ("  silences:\n  - match: {a: b}\n    from: 2026-12-01T00:00:00Z\n    until: 2026-12-01T00:00:00Z\n    author: a\n    reason: r".to_owned(), "line 6: notify.silences[0].until: the silence ends before it begins"),
        ("  inhibit:\n  - source: {a: b}\n    target: {}".to_owned(), "line 5: notify.inhibit[0].target: an inhibition names at least one label"),
        ("  people:\n    ann: {}".to_owned(), "line 4: notify.people.ann: nobody is reached without"),
        (rotation("      order: []"), "line 8: notify.on_call.p.order: nobody is in it"),
        (rotation("      order:\n      - ann\n      - bob"), "line 10: notify.on_call.p.order[1]: it is not a name in notify.people"),
        (rotation("      order: [ann]\n      overrides:\n      - {from: 2026-12-01T00:00:00Z, until: 2026-12-02T00:00:00Z, person: bob}"), "line 10: notify.on_call.p.overrides[0].person: it is not"),
        (rotation("      order: [ann]\n      overrides:\n      - {from: 2026-12-02T00:00:00Z, until: 2026-12-01T00:00:00Z, person: ben}"), "line 10: notify.on_call.p.overrides[0].until: it ends before it begins"),
        (rotation("      order: [ann]").replace("    p:", "    ann:"), "line 6: notify.on_call.ann: the name is a person's, too"),
        ("  escalation:\n    steps:\n    - {after: 15m, to: a}\n    - {after: 15m, to: b}".to_owned(), "line 6: notify.escalation.steps[1].after: it is not later"),
        ("  escalation:\n    severities: []\n    steps: [{after: 0s, to: a}]".to_owned(), "line 4: notify.escalation.severities: without any"),
        ("  escalation: {steps: [{after: 0s, to: \"\"}]}".to_owned(), "line 3: notify.escalation.steps[0].to: it names nobody"),
    ] {
        check_refused(&section, expected);
    }
}

#[track_caller]
fn check_match(matchers: &str, labels: &[(&str, &str)], expected: bool) {
    let matchers: Matchers = serde_norway::from_str(matchers).unwrap();
    let owned: BTreeMap<_, _> =
        labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    assert_eq!(matchers.matches(&owned), expected, "{matchers} on {labels:?}");
}

#[test]
fn every_label_must_have_one_of_its_values() {
    let web = [("service", "web-1"), ("severity", "sev2")];
    check_match("{}", &web, true);
    check_match("{service: web-1}", &web, true);
    check_match("{service: web}", &web, false);
    check_match("{service: web-1, severity: sev1}", &web, false);
    check_match("{service: [api, web-1], severity: [sev1, P2]}", &web, true);
    check_match("{service: [api, db]}", &web, false);
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, expected) in [
        ("web-*", "web-1", true),
        ("web-*", "web-", true),
        ("web-*", "web", false),
        ("*-1", "web-1", true),
        ("*-1", "web-12", false),
        ("w*b-*", "web-1", true),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*", "", true),
        ("**", "x", true),
        ("a*b*c", "a-c-b", false),
        ("a*b*c", "abbc", true),
        ("*ö*", "größe", true),
        ("web-1", "web-*", false),
    ] {
        check_match(&format!("{{service: \"{pattern}\"}}"), &[("service", text)], expected);
    }
}

#[test]
fn an_exclamation_mark_says_not() {
    check_match("{team: \"!data\"}", &[("team", "web")], true);
    check_match("{team: \"!data\"}", &[("team", "data")], false);
    check_match("{team: \"!data*\"}", &[("team", "database")], false);
    check_match("{team: [\"!data\", \"!web\"]}", &[("team", "web")], false);
    check_match("{team: [\"!data\", \"!web\"]}", &[("team", "ops")], true);
    check_match("{team: [\"d*\", \"!data\"]}", &[("team", "data")], false);
    check_match("{team: [\"d*\", \"!data\"]}", &[("team", "dogs")], true);
    check_match("{severity: \"!P1\"}", &[("severity", "sev1")], false);
}

#[test]
fn a_label_that_is_missing_is_the_empty_text() {
    check_match("{team: \"\"}", &[], true);
    check_match("{team: \"*\"}", &[], true);
    check_match("{team: web}", &[], false);
    check_match("{team: \"!web\"}", &[], true);
    check_match("{team: \"!\"}", &[], false);
    check_match("{team: \"!\"}", &[("team", "web")], true);
}

#[test]
fn a_channel_falls_back_to_its_own_or_the_general_one_and_never_to_itself() {
    let notify = read("notify: {fallback: pager, channels: {email: {fallback: ops}}}");
    assert_eq!(notify.fallback_of("email"), Some("ops"));
    assert_eq!(notify.fallback_of("teams"), Some("pager"));
    assert_eq!(notify.fallback_of("pager"), None);
    assert_eq!(Notify::default().fallback_of("email"), None);
}

#[track_caller]
fn check_week(handover: &str, now: &str, expected: usize) {
    let notify = read(&format!(
        "notify: {{people: {{ann: {{channels: [a]}}}}, on_call: {{p: {{zone: Europe/Berlin, handover: {handover}, since: 2027-03-15, order: [ann]}}}}}}"
    ));
    assert_eq!(notify.on_call["p"].week(at(now)), expected, "{handover} at {now}");
}

#[test]
fn a_week_begins_with_its_handover_by_the_local_clock() {
    // 2027-03-15 is a Monday.
    let monday = "{day: mon, at: \"09:00\"}";
    check_week(monday, "2020-01-01T00:00:00Z", 0);
    check_week(monday, "2027-03-15T07:59:59Z", 0);
    check_week(monday, "2027-03-15T08:00:00Z", 0);
    check_week(monday, "2027-03-22T07:59:59Z", 0);
    check_week(monday, "2027-03-22T08:00:00Z", 1);
    // Summer time begins on the 28th.
    check_week(monday, "2027-03-29T06:59:59Z", 1);
    check_week(monday, "2027-03-29T07:00:00Z", 2);
    // The first Wednesday after that day.
    check_week("{day: wed, at: \"00:00\"}", "2027-03-23T22:59:59Z", 0);
    check_week("{day: wed, at: \"00:00\"}", "2027-03-23T23:00:00Z", 1);
    check_week(monday, "2028-03-13T08:00:00Z", 52);
}

#[test]
fn a_handover_that_the_clock_skips_or_shows_twice_happens_once() {
    // In Berlin, 02:00 to 03:00 is skipped on Sunday 2027-03-28, and shown twice on Sunday 2027-10-31.
    let sunday = "{day: sun, at: \"02:30\"}";
    check_week(sunday, "2027-03-28T01:29:59Z", 0);
    check_week(sunday, "2027-03-28T01:30:00Z", 1);
    check_week(sunday, "2027-10-31T00:29:59Z", 31);
    check_week(sunday, "2027-10-31T00:30:00Z", 32);
    check_week(sunday, "2027-10-31T01:15:00Z", 32);
    check_week(sunday, "2027-10-31T01:30:00Z", 32);
}

#[test]
fn what_excludes_all_that_it_asks_for_is_found() {
    for (matchers, expected) in [
        ("{service: web}", None),
        ("{service: \"!web\"}", None),
        ("{service: [web, \"!web\"]}", Some("service")),
        ("{service: [web, api, \"!web\"]}", None),
        ("{team: shop, service: [\"web-a*\", \"!web-*\"]}", Some("service")),
        ("{service: [\"web-*\", \"!web-a*\"]}", None),
        ("{service: \"!*\"}", Some("service")),
        ("{service: [\"!\", \"!web\"]}", None),
    ] {
        let read: Matchers = serde_norway::from_str(matchers).unwrap();
        assert_eq!(read.excludes_itself(), expected, "{matchers}");
    }
}

#[test]
fn every_label_that_the_policy_speaks_of_is_known() {
    let notify = read(
        "notify:
  route: {group_by: [a], routes: [{match: {b: x}, routes: [{match: {c: \"!x\"}, group_by: [d]}]}]}
  silences: [{match: {e: x}, until: 2026-12-01T00:00:00Z, author: ann, reason: it moves}]
  inhibit: [{source: {f: x}, target: {g: x}, equal: [h]}]\n",
    );
    assert_eq!(notify.labels(), ["a", "b", "c", "d", "e", "f", "g", "h"].into());
}

proptest! {
    #[test]
    fn weeks_never_go_back(minutes in 0i64..1_500_000, later in 0i64..20_000) {
        let notify = read("notify: {people: {ann: {channels: [a]}}, on_call: {p: {zone: America/New_York, handover: {day: sun, at: \"01:30\"}, since: 2026-01-01, order: [ann]}}}");
        let now = at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(minutes);
        let (one, two) = (notify.on_call["p"].week(now), notify.on_call["p"].week(now + SignedDuration::from_mins(later)));
        prop_assert!(one <= two && two - one <= usize::try_from(later / (7 * 24 * 60)).unwrap() + 1);
    }

    #[test]
    fn a_pattern_without_a_star_is_only_itself(pattern in "[a-z.?]{0,5}", text in "[a-z.?]{0,5}") {
        check_match(&format!("{{l: \"{pattern}\"}}"), &[("l", &text)], pattern == text);
    }
    #[test]
    fn what_excludes_itself_matches_nothing(values in prop::collection::vec("!?[ab*]{0,3}", 1..4), text in "[ab]{0,4}") {
        let matchers: Matchers = serde_json::from_value(serde_json::json!({"l": values})).unwrap();
        if matchers.excludes_itself().is_some() {
            prop_assert!(!matchers.admits("l", &text), "{matchers}");
        }
    }
}
