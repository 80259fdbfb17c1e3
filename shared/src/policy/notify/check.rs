//! Whether what the policy refers to is there, and whether what it says can be meant.

use super::super::read::Step;
use super::{Notify, Route};

/// Where a value stands, and what is wrong with it.
type Problem = (Vec<Step>, String);

/// The first value that cannot be meant.
pub(in crate::policy) fn problem(notify: &Notify) -> Option<Problem> {
    let found = channels(notify)
        .or_else(|| hours(notify))
        .or_else(|| root(&notify.route))
        .or_else(|| route(notify, &notify.route, &at("route")))
        .or_else(|| quiet(notify))
        .or_else(|| people(notify))
        .or_else(|| on_call(notify))
        .or_else(|| escalation(notify));
    found.map(|(mut path, wrong)| {
        path.insert(0, Step::from("notify"));
        (path, wrong)
    })
}

fn at<S: Into<Step>>(first: S) -> Vec<Step> {
    vec![first.into()]
}

fn below<S: Into<Step>>(path: &[Step], next: S) -> Vec<Step> {
    path.iter().cloned().chain([next.into()]).collect()
}

fn wrong(path: &[Step], field: &str, why: impl Into<String>) -> Problem {
    (below(path, field), why.into())
}

/// What a name is not that no channel can have.
const NO_CHANNEL: &str =
    "it is not the name of a channel: at most 64 letters, digits, dots, hyphens and underscores";

/// Whether a channel may have this name, as the channels secret has it.
fn is_channel(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= 64 && name.bytes().all(plain)
}

fn no_channel(names: &[String], path: &[Step]) -> Option<Problem> {
    let place = names.iter().position(|name| !is_channel(name))?;
    Some((below(&below(path, "channels"), place), NO_CHANNEL.to_owned()))
}

fn channels(notify: &Notify) -> Option<Problem> {
    if notify.fallback.as_deref().is_some_and(|name| !is_channel(name)) {
        return Some((at("fallback"), NO_CHANNEL.to_owned()));
    }
    let own = |(name, rules): (&String, &super::ChannelRules)| {
        let path = below(&at("channels"), name.as_str());
        if !is_channel(name) {
            return Some((path, NO_CHANNEL.to_owned()));
        }
        if rules.fallback.as_deref().is_some_and(|name| !is_channel(name)) {
            return Some(wrong(&path, "fallback", NO_CHANNEL));
        }
        let itself = rules.fallback.as_ref() == Some(name);
        itself.then(|| wrong(&path, "fallback", "a channel is no fallback of its own"))
    };
    notify.channels.iter().find_map(own)
}

fn hours(notify: &Notify) -> Option<Problem> {
    let empty = notify.hours.iter().find(|(_, windows)| windows.is_empty());
    empty.map(|(name, _)| wrong(&at("hours"), name, "hours without a window never begin"))
}

fn root(root: &Route) -> Option<Problem> {
    if !root.matches.is_empty() {
        return Some(wrong(&at("route"), "match", "the root takes every notice; match in its routes"));
    }
    root.goes_on.then(|| wrong(&at("route"), "continue", "there are no routes beside the root"))
}

fn route(notify: &Notify, this: &Route, path: &[Step]) -> Option<Problem> {
    if this.hours.as_ref().is_some_and(|name| !notify.hours.contains_key(name)) {
        return Some(wrong(path, "hours", "it is not a name in notify.hours"));
    }
    if this.group_by.iter().flatten().any(|label| label == "state") {
        return Some(wrong(path, "group_by", "by state, the end of an incident would be in another group"));
    }
    if let Some(problem) = no_channel(&this.channels, path) {
        return Some(problem);
    }
    let children = below(path, "routes");
    this.routes.iter().enumerate().find_map(|(place, child)| route(notify, child, &below(&children, place)))
}

fn quiet(notify: &Notify) -> Option<Problem> {
    let silence = notify.silences.iter().enumerate().find_map(|(place, silence)| {
        let path = below(&at("silences"), place);
        if silence.matches.is_empty() {
            return Some(wrong(&path, "match", "a silence names at least one label"));
        }
        let never = silence.from.is_some_and(|from| silence.until <= from);
        never.then(|| wrong(&path, "until", "the silence ends before it begins"))
    });
    let inhibition = || {
        notify.inhibit.iter().enumerate().find_map(|(place, rule)| {
            let path = below(&at("inhibit"), place);
            let sides = [("source", &rule.source), ("target", &rule.target)];
            let (side, _) = sides.into_iter().find(|(_, side)| side.is_empty())?;
            Some(wrong(&path, side, "an inhibition names at least one label on each side"))
        })
    };
    silence.or_else(inhibition)
}

fn people(notify: &Notify) -> Option<Problem> {
    let unreached = |person: &super::Person| person.channels.is_empty() && person.mention.is_none();
    let all = at("people");
    let named =
        |(name, person): (&String, &super::Person)| no_channel(&person.channels, &below(&all, name.as_str()));
    if let Some(problem) = notify.people.iter().find_map(named) {
        return Some(problem);
    }
    let (name, _) = notify.people.iter().find(|(_, person)| unreached(person))?;
    Some(wrong(&at("people"), name, "nobody is reached without channels or a mention"))
}

fn on_call(notify: &Notify) -> Option<Problem> {
    let unknown = |name: &String| {
        (!notify.people.contains_key(name)).then(|| "it is not a name in notify.people".to_owned())
    };
    notify.on_call.iter().find_map(|(name, rotation)| {
        if notify.people.contains_key(name) {
            return Some(wrong(&at("on_call"), name, "the name is a person's, too"));
        }
        let path = below(&at("on_call"), name.as_str());
        if rotation.order.is_empty() {
            return Some(wrong(&path, "order", "nobody is in it"));
        }
        let order = below(&path, "order");
        let turns = rotation.order.iter().enumerate();
        let turn = turns.clone().find_map(|(place, name)| Some((below(&order, place), unknown(name)?)));
        let overrides = below(&path, "overrides");
        turn.or_else(|| {
            rotation.overrides.iter().enumerate().find_map(|(place, stand_in)| {
                let path = below(&overrides, place);
                if let Some(unknown) = unknown(&stand_in.person) {
                    return Some(wrong(&path, "person", unknown));
                }
                let never = stand_in.until <= stand_in.from;
                never.then(|| wrong(&path, "until", "it ends before it begins"))
            })
        })
    })
}

fn escalation(notify: &Notify) -> Option<Problem> {
    let steps = &notify.escalation.steps;
    if notify.escalation.severities.is_empty() && !steps.is_empty() {
        return Some(wrong(&at("escalation"), "severities", "without any, nobody is ever called"));
    }
    let path = below(&at("escalation"), "steps");
    let is_known =
        |to: &str| is_channel(to) || notify.people.contains_key(to) || notify.on_call.contains_key(to);
    if let Some(place) = steps.iter().position(|step| !is_known(&step.to)) {
        let nobody = "it is neither the name of a channel, nor one in notify.people or notify.on_call";
        return Some(wrong(&below(&path, place), "to", nobody));
    }
    let nobody = steps.iter().position(|step| step.to.is_empty());
    let early = || steps.iter().zip(steps.iter().skip(1)).position(|(one, next)| next.after <= one.after);
    nobody.map(|place| wrong(&below(&path, place), "to", "it names nobody")).or_else(|| {
        early().map(|place| wrong(&below(&path, place + 1), "after", "it is not later than the step before"))
    })
}
