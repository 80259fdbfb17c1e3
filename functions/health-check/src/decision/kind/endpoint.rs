//! An endpoint that is asked over HTTP: whether it answers, in time, as the policy says.

use jiff::SignedDuration;
use serde_json::{Map, Value};
use shared::policy::Health as Rules;
use shared::policy::health::Endpoint;

use super::tls_endpoint::{Away, Trouble};
use crate::decision::{Findings, Verdict};

/// So much of what a GraphQL error says is told, in letters.
const WORDS: usize = 160;

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long it took, until the whole answer was there.
    pub took: SignedDuration,
    /// The answer, or its beginning.
    pub body: String,
    /// Whether there was more of it.
    pub cut: bool,
    /// Where it leads, without what may be secret in it.
    pub leads_to: Option<String>,
    /// Where it led and was followed, on the same host.
    pub followed_to: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The address in the policy is none that can be asked.
    Unusable(String),
    /// There is no connection.
    Away(Away),
    /// TLS did not come about.
    Tls(Trouble),
    /// No certificate authority is trusted here, so that TLS cannot be verified.
    Rootless,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The answer, or why there is none.
    pub answer: Result<Answer, Failure>,
    /// How often it was asked.
    pub tries: u32,
}

/// How the endpoint is.
pub fn verdict(facts: &Facts, endpoint: &Endpoint, rules: &Rules) -> Verdict {
    let mut found = Findings::new();
    if 1 < facts.tries {
        found.saw("Tries", facts.tries);
    }
    match &facts.answer {
        Ok(answer) => answered(answer, endpoint, rules, &mut found),
        Err(Failure::Away(away)) => away.tell(&mut found),
        Err(Failure::Tls(trouble)) => trouble.tell(&mut found),
        Err(Failure::Unusable(why)) => {
            found.unknown(format!("its address cannot be asked: {why}"), "Mend its url in the policy.");
        }
        Err(Failure::Rootless) => {
            found.unknown(
                "no certificate authority is trusted here",
                "Set SSL_CERT_FILE to a file of PEM certificates.",
            );
        }
    }
    found.verdict(format!("it answers with {}", endpoint.status))
}

fn answered(answer: &Answer, endpoint: &Endpoint, rules: &Rules, found: &mut Findings) {
    found.saw("Status", answer.status).saw("Took", format!("{} ms", answer.took.as_millis()));
    found.saw("Led to", answer.followed_to.as_deref().unwrap_or_default());
    let as_expected = u32::from(answer.status) == endpoint.status;
    if !as_expected {
        status(answer, endpoint.status, found);
    }
    if endpoint.graphql.is_some() {
        graphql(answer, as_expected, found);
    }
    if let Some(part) = endpoint.body.as_deref()
        && as_expected
        && !answer.body.contains(part)
    {
        let what = if answer.cut { "the beginning of its answer" } else { "its answer" };
        found.failed(
            format!("{what} does not contain {part:?}"),
            "Look at what it answers, and mend it or the policy.",
        );
    }
    let took = format!("it took {:.1} s to answer", answer.took.as_secs_f64());
    let todo = "Look at what it waits for.";
    if rules.thresholds.too_slow <= answer.took {
        found.failed(took, todo);
    } else if rules.thresholds.slow <= answer.took {
        found.degraded(took, todo);
    }
}

fn status(answer: &Answer, expected: u32, found: &mut Findings) {
    let said = answer.status;
    let leads = answer.leads_to.as_deref().map(|to| format!(" and leads to {to}")).unwrap_or_default();
    let todo = match said {
        300..=399 => "Name the address that it leads to in the policy, or mend where it leads.",
        401 | 403 | 407 => "Let the check in without a login, or name another path in the policy.",
        429 => "Let the check in, or look at who asks so often.",
        400..=499 => "Look whether the path in the policy is right, and whether it is served.",
        _ => "Look at the logs of what answers there.",
    };
    found.failed(format!("it answers with {said}, not with {expected}{leads}"), todo);
}

/// By the GraphQL specification, 7.1: `data`, and `errors` where there are any.
fn graphql(answer: &Answer, as_expected: bool, found: &mut Findings) {
    let todo = "Look at the logs of the GraphQL service.";
    let said = match serde_json::from_str::<Map<String, Value>>(&answer.body) {
        Ok(said) => said,
        // An error page need not be JSON; its status says enough.
        Err(_) if !as_expected => return,
        Err(_) if answer.cut => {
            found.unknown(
                "its answer is too long to be read for errors",
                "Ask for less in the query in the policy.",
            );
            return;
        }
        Err(_) => {
            found.failed("its answer is not that of a GraphQL service", todo);
            return;
        }
    };
    let first = match said.get("errors") {
        None | Some(Value::Null) => None,
        Some(Value::Array(errors)) => errors.first(),
        other => other,
    };
    match first {
        Some(error) => {
            let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
            let message: String = message
                .chars()
                .map(|letter| if letter.is_control() { ' ' } else { letter })
                .take(WORDS)
                .collect();
            let colon = if message.is_empty() { "" } else { ": " };
            found.failed(format!("the GraphQL query has errors{colon}{message}"), todo);
        }
        None if said.get("data").is_some_and(Value::is_object) => {}
        None if as_expected => drop(found.failed("its answer to the GraphQL query has no data", todo)),
        None => {}
    }
}

#[cfg(test)]
mod tests;
