//! Lambda functions, one call each, and what feeds them: all event source mappings of the account in pages of a hundred,
//! which are fewer calls than one for each function, and name those of aliases, too.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::types::EventSourceMappingConfiguration as Mapping;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::kind::{event_source, function};
use crate::observe::metrics::Query;
use crate::observe::sqs::beside::{WHILE, beside, dead_letters, is_absent, key, measure, time};
use crate::sweep::{Api, Ask, Pages};

/// The metrics of a function, and what is asked of them.
const METRICS: [(&str, &str); 4] =
    [("Invocations", "Sum"), ("Errors", "Sum"), ("Throttles", "Sum"), ("Duration", "Maximum")];

/// What Lambda says of a function.
#[derive(Default)]
struct Read {
    arn: String,
    key: String,
    letters: String,
    facts: function::Facts,
}

/// Checks all of them, and the event source mappings that lead to them.
pub(crate) async fn check_functions(ask: &Ask<'_>, functions: &[Component]) {
    if functions.is_empty() {
        return;
    }
    let read =
        join_all(functions.iter().map(|function| async move { (function, read(ask, function).await) })).await;
    let mut known = Vec::new();
    for (function, read) in read {
        match read {
            Ok(read) => known.push((function, read)),
            Err(error) => ask.unknown(function, &error),
        }
    }
    let queries: Vec<Query> =
        known.iter().filter(|(_, read)| !read.facts.absent).flat_map(|(it, _)| queries(it)).collect();
    let (values, gaps) = measure(ask, &queries).await;
    let mut values = values.into_iter();
    for (function, read) in known {
        let facts = if read.facts.absent {
            read.facts
        } else {
            let mut next = || values.next().flatten();
            let (invocations, errors, throttles, longest) = (next(), next(), next(), next());
            function::Facts { invocations, errors, throttles, longest, gaps: gaps.clone(), ..read.facts }
        };
        ask.say(function, function::verdict(&facts, ask.rules, ask.now));
        if let Some(key) = key(&read.arn, &read.key) {
            ask.needs(function, key);
        }
        if let Some(letters) = dead_letters(&read.arn, &read.letters) {
            ask.leads(function, letters);
        }
    }
    let named = functions.iter().map(|function| (function.name.as_str(), function)).collect();
    event_sources(ask, &named).await;
}

fn queries(function: &Component) -> impl Iterator<Item = Query> + use<> {
    let dimensions = vec![("FunctionName", function.name.clone())];
    METRICS.into_iter().map(move |(name, statistic)| Query {
        namespace: "AWS/Lambda",
        name,
        dimensions: dimensions.clone(),
        statistic,
        over: WHILE,
    })
}

async fn read(ask: &Ask<'_>, function: &Component) -> Result<Read> {
    let answer = {
        let _turn = ask.turn(Api::Lambda).await;
        let call = ask.clients.lambda().get_function_configuration().function_name(&function.name);
        call.send().await.action("lambda:GetFunctionConfiguration")
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if is_absent(&error, &["ResourceNotFoundException"]) => {
            let facts = function::Facts { absent: true, ..function::Facts::default() };
            return Ok(Read { facts, ..Read::default() });
        }
        Err(error) => return Err(error),
    };
    let facts = function::Facts {
        state: answer.state().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        state_reason: answer.state_reason_code().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        update: answer.last_update_status().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        update_reason: answer
            .last_update_status_reason_code()
            .map(|it| it.as_str().to_owned())
            .unwrap_or_default(),
        changed: answer.last_modified().and_then(changed),
        timeout: answer.timeout().map(|secs| SignedDuration::from_secs(secs.into())),
        runtime: answer.runtime().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        ..function::Facts::default()
    };
    let letters = answer.dead_letter_config.and_then(|config| config.target_arn);
    Ok(Read {
        arn: answer.function_arn.unwrap_or_else(|| function.arn().to_owned()),
        key: answer.kms_key_arn.unwrap_or_default(),
        letters: letters.unwrap_or_default(),
        facts,
    })
}

/// Lambda writes `2026-11-26T11:00:00.000+0000`.
fn changed(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()
}

/// Those that lead to one of these functions. Which there are is not known where they cannot be listed: that is said
/// once, of all.
async fn event_sources(ask: &Ask<'_>, functions: &BTreeMap<&str, &Component>) {
    let (mut token, mut pages, mut names) = (None, Pages::default(), BTreeSet::new());
    loop {
        let answer = {
            let _turn = ask.turn(Api::Lambda).await;
            let call = ask.clients.lambda().list_event_source_mappings().max_items(100);
            call.set_marker(token).send().await.action("lambda:ListEventSourceMappings")
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return ask.unknown(&Component::new(Kind::EventSource, "*"), &error),
        };
        for mapping in answer.event_source_mappings() {
            let function = mapping.function_arn().and_then(Component::at);
            if let Some(function) = function.and_then(|it| functions.get(it.name.as_str())) {
                event_source(ask, function, mapping, &mut names);
            }
        }
        token = match pages.next(answer.next_marker) {
            Ok(None) => return,
            Ok(next) => next,
            Err(error) => return ask.unknown(&Component::new(Kind::EventSource, "*"), &error),
        };
    }
}

fn event_source(ask: &Ask<'_>, function: &Component, mapping: &Mapping, names: &mut BTreeSet<String>) {
    let source = mapping.event_source_arn().unwrap_or_default();
    let own = mapping.function_arn().unwrap_or_default();
    // The stream of a table is not checked by itself: the table is.
    let stands_on = beside(own, source.split_once("/stream/").map_or(source, |(table, _)| table));
    let name = name(function, stands_on.as_ref(), mapping);
    // A queue and a table of the same name: none hides the other.
    let uuid = mapping.uuid().unwrap_or_default();
    let name = if names.insert(name.clone()) { name } else { format!("{name} ({uuid})") };
    let arn = mapping.event_source_mapping_arn().map(ToOwned::to_owned);
    let component = Component { arn, ..Component::new(Kind::EventSource, name) };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let facts = event_source::Facts {
        state: text(mapping.state()),
        reason: text(mapping.state_transition_reason()),
        result: text(mapping.last_processing_result()),
        changed: time(mapping.last_modified()),
    };
    ask.say(&component, event_source::verdict(&facts, ask.rules, ask.now));
    ask.led(function, component.id());
    ask.needs(&component, function.clone());
    if let Some(source) = stands_on {
        ask.needs(&component, source);
    }
}

/// The function, with the alias that is invoked, and what feeds it.
fn name(function: &Component, source: Option<&Component>, mapping: &Mapping) -> String {
    let arn = mapping.function_arn().unwrap_or_default();
    let invoked = arn.split_once(":function:").map_or(function.name.as_str(), |(_, invoked)| invoked);
    let tail = mapping.event_source_arn().and_then(|arn| arn.rsplit([':', '/']).next());
    let topic = mapping.topics().first().map(String::as_str);
    let names = [source.map(|source| source.name.as_str()), topic, tail, mapping.uuid()];
    let source = names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("unknown");
    format!("{invoked}<-{source}")
}

#[cfg(test)]
mod tests;
