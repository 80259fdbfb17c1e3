//! Whether a silence that is asked for by hand can do what it is meant for, what is odd about it, and what it silences at
//! once.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::ledger::activity::Activity;
use shared::policy::notify::Silence;

/// What every notice has, under names of our own: see [`shared::notice::Notice::matched`].
const FIELDS: [&str; 7] = ["severity", "state", "source", "environment", "kind", "subject", "incident"];

/// The labels that notices of Watchkeeper bear, and those that are made of events of AWS. A publisher's may have any name.
const LABELS: [&str; 11] = [
    "service",
    "region",
    "account",
    "alarm_state",
    "cluster",
    "queue",
    "status",
    "verdict",
    "category",
    "aws_service",
    "acknowledged_by",
];

/// The longest that a silence made by hand lasts: what is never told belongs into the policy.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The longest id, in bytes.
const LONGEST_ID: usize = 100;

/// What the ids of the policy's silences begin with; behind it stands their place in the list.
const OF_POLICY: &str = "policy-";

/// The id that a silence of the policy is shown with, by its place in the list.
#[must_use]
pub fn policy_id(place: usize) -> String {
    format!("{OF_POLICY}{}", place + 1)
}

/// Why a silence is not kept; nothing where it is.
#[must_use]
pub fn refusal(silence: &Silence, now: Timestamp) -> Option<String> {
    if silence.matches.is_empty() {
        return Some("a silence needs something to match, such as {\"service\": \"web\"}".to_owned());
    }
    if let Some(name) = silence.matches.excludes_itself() {
        return Some(format!(
            "silence.match.{name} excludes all that it asks for: no notice would ever match ({})",
            silence.matches
        ));
    }
    if silence.until <= now {
        return Some(format!(
            "silence.until is over: {:.0} is not after {now:.0}. Write a time to come; a silence that is to end now is ended \
             by its id",
            silence.until
        ));
    }
    if let Some(from) = silence.from.filter(|from| silence.until <= *from) {
        return Some(format!(
            "silence.until is not after silence.from, {from:.0}: it would end before it begins"
        ));
    }
    if LONGEST < silence.until.duration_since(now) {
        return Some(format!(
            "silence.until is more than a year away: at most {:.0}. What is never to be told belongs into the policy, as a \
             route",
            now.saturating_add(LONGEST).unwrap_or(Timestamp::MAX)
        ));
    }
    if silence.id.len() > LONGEST_ID {
        return Some(format!(
            "silence.id is longer than {LONGEST_ID} characters: leave it out, and it gets one"
        ));
    }
    let of_policy = silence.id.starts_with(OF_POLICY);
    of_policy.then(|| format!("silence.id begins with {OF_POLICY}, as those of the policy do: leave it out"))
}

/// What is odd about a silence that is kept all the same: a publisher may give its notices any label, so a name that
/// nobody knows is not refused.
#[must_use]
pub fn remark(
    silence: &Silence,
    environment: &str,
    of_policy: &BTreeSet<&str>,
    firing: &[Activity],
) -> Option<String> {
    let ours = || FIELDS.into_iter().chain(LABELS);
    let is_known = |name: &str| {
        ours().any(|known| known == name)
            || of_policy.contains(name)
            || firing.iter().any(|activity| activity.labels.contains_key(name))
    };
    let unknown = silence.matches.names().filter(|name| !is_known(name)).map(|name| {
        let hint = match nearest(name, ours().chain(of_policy.iter().copied())) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", ours().collect::<Vec<_>>().join(", ")),
        };
        format!(
            "{name} is neither a field nor a label of anything that Watchkeeper tells, the policy names, or goes on: only \
             what a publisher labels so would match; {hint}"
        )
    });
    let elsewhere =
        || format!("environment: what is told here is of {environment}, unless its publisher says otherwise");
    let elsewhere = (!silence.matches.admits("environment", environment)).then(elsewhere);
    let everything =
        is_everything(silence, environment).then(|| "this silences everything, pages too".to_owned());
    let remarks: Vec<_> = everything.into_iter().chain(unknown).chain(elsewhere).collect();
    (!remarks.is_empty()).then(|| remarks.join(". "))
}

/// Whether nothing that it asks for narrows what is told here.
fn is_everything(silence: &Silence, environment: &str) -> bool {
    let matches = &silence.matches;
    let all = |name, values: &[&str]| values.iter().all(|value| matches.admits(name, value));
    matches.names().all(|name| match name {
        "environment" => matches.admits(name, environment),
        "severity" => all(name, &["sev1", "sev2", "sev3", "sev4"]),
        "state" => all(name, &["firing", "resolved", "info"]),
        _ => matches.admits_all(name),
    })
}

/// What goes on and is silenced at once, the worst and then the oldest first.
#[must_use]
pub fn silenced<'a>(silence: &Silence, firing: &'a [Activity], now: Timestamp) -> Vec<&'a Activity> {
    let holds = silence.holds(now);
    let mut silenced: Vec<_> =
        firing.iter().filter(|activity| holds && silence.matches.matches(&activity.labels)).collect();
    silenced.sort_by_key(|activity| (activity.severity, activity.started));
    silenced
}

/// The known word that was probably meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.trim().to_lowercase().chars().take(40).collect();
    let far = |known: &str| {
        // The beginning of a word is meant for it: env, sev, acc.
        let begins = word.len() >= 3 && known.starts_with(&word);
        if begins { 1 } else { distance(&word, known) }
    };
    let bearable = if word.chars().count() < 5 { 1 } else { 2 };
    let near = known.into_iter().map(|known| (far(known), known)).min_by_key(|(far, _)| *far);
    near.filter(|(far, _)| *far <= bearable).map(|(_, known)| known)
}

/// How many characters are to be changed, added or left out, to make the one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (place, a) in one.chars().enumerate() {
        let mut left = place + 1;
        let mut next = vec![left];
        for ((diagonal, above), b) in row.iter().zip(row.iter().skip(1)).zip(other.chars()) {
            left = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
