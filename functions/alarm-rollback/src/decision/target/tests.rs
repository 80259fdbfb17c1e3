//! What an alarm is about.

use super::*;
use crate::cause::Cause;
use crate::decision::tests::truth::{change, child, tag};

/// An alarm with the dimensions of these metrics.
fn about(metrics: &[&[(&str, &str)]]) -> AlarmChange {
    let metric = |pairs: &&[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    AlarmChange { dimensions: metrics.iter().map(metric).collect(), ..change() }
}

/// Where the alarm has been looked at, and has no tags.
fn found(change: &AlarmChange, behind: &[&str]) -> Found {
    let mut facts = Facts::of(Cause::Alarm(change.clone()));
    facts.alarm = Some(Alarm::default());
    facts.children = Some(Vec::new());
    facts.behind = Some(behind.iter().map(|target| target.parse().unwrap()).collect());
    find(&facts, change).unwrap()
}

#[track_caller]
fn check(metrics: &[&[(&str, &str)]], expected: &str) {
    let said = match found(&about(metrics), &["ecs:prod/web"]) {
        Found::One(target) => target.to_string(),
        Found::None => "nothing".to_owned(),
        Found::Many(targets) => targets.join(" and "),
        Found::Malformed(tag) => format!("malformed {tag}"),
    };
    assert_eq!(said, expected);
}

#[test]
fn dimensions_name_a_service() {
    check(&[&[("ClusterName", "prod"), ("ServiceName", "web")]], "ecs:prod/web");
    let cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";
    let service = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web";
    check(&[&[("ClusterName", cluster), ("ServiceName", service)]], "ecs:prod/web");
    check(&[&[("ClusterName", "prod")]], "nothing");
    check(&[&[("ServiceName", "web")]], "nothing");
    check(&[&[("ClusterName", "prod"), ("ServiceName", "web and more")]], "nothing");
    check(&[&[("ClusterName", ""), ("ServiceName", "web")]], "nothing");
    check(&[], "nothing");
}

#[test]
fn dimensions_name_an_alias_and_never_a_version() {
    let of = |resource| [("FunctionName", "checkout"), ("Resource", resource)];
    check(&[&of("checkout:live")], "lambda:checkout:live");
    check(&[&of("checkout:v2")], "lambda:checkout:v2");
    check(&[&of("checkout:7")], "nothing");
    check(&[&of("checkout:$LATEST")], "nothing");
    check(&[&of("checkout")], "nothing");
    check(&[&of("checkout:")], "nothing");
    check(&[&of("another:live")], "nothing");
    check(&[&[("FunctionName", "checkout")]], "nothing");
}

#[test]
fn a_target_group_leads_to_the_services_behind_it() {
    let group = ("TargetGroup", "targetgroup/web/0123456789abcdef");
    check(&[&[group, ("LoadBalancer", "app/web/0123456789abcdef")]], "ecs:prod/web");
    check(&[&[("LoadBalancer", "app/web/0123456789abcdef")]], "nothing");
    let shared = found(&about(&[&[group]]), &["ecs:prod/web", "ecs:prod/api", "ecs:prod/web"]);
    assert_eq!(shared, Found::Many(vec!["ecs:prod/api".to_owned(), "ecs:prod/web".to_owned()]));
    assert_eq!(found(&about(&[&[group]]), &[]), Found::None);
}

#[test]
fn the_groups_are_asked_about_once_each() {
    let group = |name| [("TargetGroup", name)];
    let change = about(&[&group("targetgroup/b/2"), &group("targetgroup/a/1"), &group("targetgroup/b/2")]);
    let mut facts = Facts::of(Cause::Alarm(change.clone()));
    facts.alarm = Some(Alarm::default());
    let groups = vec!["targetgroup/a/1".to_owned(), "targetgroup/b/2".to_owned()];
    assert_eq!(find(&facts, &change), Err(Question::Behind(groups)));
}

#[test]
fn one_target_named_twice_is_one_and_several_are_several() {
    let web = [("ClusterName", "prod"), ("ServiceName", "web")];
    check(&[&web, &web], "ecs:prod/web");
    let alias = [("FunctionName", "checkout"), ("Resource", "checkout:live")];
    check(&[&web, &alias], "ecs:prod/web and lambda:checkout:live");
}

#[test]
fn the_tag_overrules_the_dimensions() {
    let change = about(&[&[("ClusterName", "prod"), ("ServiceName", "web")]]);
    let tagged = |value: &str| {
        let mut alarm = Alarm::default();
        tag(&mut alarm.tags, "target", value);
        named(&change, &alarm)
    };
    assert_eq!(tagged("stack:billing"), Found::One("stack:billing".parse().unwrap()));
    assert_eq!(tagged("lambda:checkout:live"), Found::One("lambda:checkout:live".parse().unwrap()));
    assert_eq!(tagged("lambda:checkout:$LATEST"), Found::Malformed("lambda:checkout:$LATEST".to_owned()));
    assert_eq!(tagged(""), Found::Malformed(String::new()));
}

#[test]
fn dimensions_need_no_look_at_the_alarm_and_nothing_else_is_guessed_from_its_name() {
    let change = about(&[&[("ClusterName", "prod"), ("ServiceName", "web")]]);
    let unseen = Facts::of(Cause::Alarm(change.clone()));
    assert_eq!(find(&unseen, &change), Ok(Found::One("ecs:prod/web".parse().unwrap())));
    let nameless = AlarmChange { name: "ecs:prod/web".to_owned(), ..about(&[]) };
    assert_eq!(find(&Facts::of(Cause::Alarm(nameless.clone())), &nameless), Err(Question::Alarm));
    assert_eq!(found(&nameless, &[]), Found::None);
}

#[test]
fn a_composite_alarm_is_about_its_children() {
    let change = AlarmChange { composite: true, ..about(&[]) };
    let of = |children| {
        let mut facts = Facts::of(Cause::Alarm(change.clone()));
        facts.alarm = Some(Alarm::default());
        facts.children = children;
        facts.behind = Some(vec!["ecs:prod/behind".parse().unwrap()]);
        find(&facts, &change)
    };
    assert_eq!(of(None), Err(Question::Children));
    assert_eq!(of(Some(Vec::new())), Ok(Found::None));
    assert_eq!(of(Some(vec![child("a", "web")])), Ok(Found::One("ecs:prod/web".parse().unwrap())));
    // A child's tag overrules its dimensions, as the alarm's own does.
    let mut tagged = child("a", "web");
    tag(&mut tagged.tags, "target", "stack:shop");
    assert_eq!(of(Some(vec![tagged.clone()])), Ok(Found::One("stack:shop".parse().unwrap())));
    let many = vec!["ecs:prod/api".to_owned(), "stack:shop".to_owned()];
    assert_eq!(of(Some(vec![tagged, child("b", "api")])), Ok(Found::Many(many)));
    let mut grouped = child("c", "");
    grouped.dimensions = vec![[("TargetGroup".to_owned(), "targetgroup/web/1".to_owned())].into()];
    assert_eq!(of(Some(vec![grouped])), Ok(Found::One("ecs:prod/behind".parse().unwrap())));
}

#[test]
fn a_pattern_covers_a_name_or_what_begins_so() {
    for (pattern, name, expected) in [
        ("*", "prod", true),
        ("prod", "prod", true),
        ("prod", "prod-eu", false),
        ("prod*", "prod-eu", true),
        ("prod-*", "prod", false),
        ("", "prod", false),
        ("*prod", "prod", false),
    ] {
        assert_eq!(covers(pattern, name), expected, "{pattern} {name}");
    }
}
