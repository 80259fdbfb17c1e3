//! Writes the policy, and where the answer to that is lost, says what is true.
//!
//! `PutParameter` takes no condition, so it is looked just before it whether the policy still is what was read; what is not
//! there yet is made only where nobody else made it. It is not sent again blindly: a write whose answer was lost may have
//! been carried out, so it is looked again first.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_ssm as ssm;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use shared::policy::Policy;

use crate::Problem;
use crate::reach::{Reach, now};
use crate::stack::{causes, refused};

/// How often it is written at most.
const TRIES: u32 = 3;

/// The pause before it is looked again.
const PAUSE: Duration = Duration::from_millis(500);

/// The policy as it stands in its parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) text: String,
    pub(super) version: i64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) version: i64,
    /// Whether nobody else wrote at the same moment, as far as the version tells.
    pub(super) alone: bool,
}

/// What stands there, measured against what was read and what is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// What is to be written, in this version.
    Ours(i64),
    /// What was read.
    AsItWas,
    /// Something else.
    Others,
}

fn standing(seen: Option<&Parameter>, known: Option<&Parameter>, text: &str) -> Standing {
    let version = |parameter: Option<&Parameter>| parameter.map(|it| it.version);
    match seen {
        _ if version(seen) == version(known) => Standing::AsItWas,
        Some(seen) if seen.text.trim_end() == text.trim_end() => Standing::Ours(seen.version),
        Some(_) | None => Standing::Others,
    }
}

/// Whether it may have been written although this came back: no answer, an answer that is none, or one that a repetition
/// of the same call gets.
fn may_be_written(status: Option<u16>, code: Option<&str>) -> bool {
    let repeatable = ["ParameterAlreadyExists", "TooManyUpdates", "ThrottlingException", "RequestTimeout"];
    status.is_none_or(|status| status >= 500) || code.is_some_and(|code| repeatable.contains(&code))
}

/// What is true after a write without an answer, for the person who asked. `seen` is the text that stands there now, empty
/// where there is none; nothing where that cannot be known.
fn unanswered(name: &str, why: &str, seen: Option<&str>, now: jiff::Timestamp) -> String {
    let begin = format!("ssm:PutParameter had no usable answer ({why})");
    let Some(text) = seen else {
        return format!(
            "{begin}, and {name} cannot be looked at now: it cannot be known whether the freeze is set. Look with wk freeze \
             before you ask again"
        );
    };
    let stand = Policy::parse(name, text).map_or_else(
        |error| format!("it cannot be read: {}", error.chain()),
        |policy| super::stand(&policy, now),
    );
    format!("{begin}. {name} was looked at again: {stand}. Look with wk freeze, and ask again")
}

/// The text that stands there.
fn shown(parameter: Option<&Parameter>) -> &str {
    parameter.map(|it| it.text.as_str()).unwrap_or_default()
}

/// Reads the policy's parameter.
pub(super) async fn read(reach: &Reach, name: &str) -> Result<Option<Parameter>, Problem> {
    let found = match ssm::Client::new(reach.config()).get_parameter().name(name).send().await {
        Ok(found) => found.parameter,
        Err(error) if error.as_service_error().is_some_and(GetParameterError::is_parameter_not_found) => None,
        Err(error) => return Err(refused("ssm:GetParameter", &error)),
    };
    let Some(found) = found else { return Ok(None) };
    if found.r#type == Some(ParameterType::SecureString) {
        return Err(Problem::new(format!(
            "{name} is a SecureString; make it a String: a policy holds no secrets"
        )));
    }
    Ok(Some(Parameter { text: found.value.unwrap_or_default(), version: found.version }))
}

/// Writes the policy, if it still is what was read.
pub(super) async fn write(
    reach: &Reach,
    name: &str,
    known: Option<&Parameter>,
    text: &str,
) -> Result<Written, Problem> {
    let config = ssm::config::Builder::from(reach.config()).retry_config(RetryConfig::disabled()).build();
    let client = ssm::Client::from_conf(config);
    let before = known.map_or(0, |it| it.version);
    let written = |version: i64, puts: u32| Written { version, alone: version <= before + i64::from(puts) };
    // Why the last write may or may not have been carried out.
    let mut lost: Option<String> = None;
    for puts in 0..=TRIES {
        let seen = match (read(reach, name).await, &lost) {
            (Ok(seen), _) => seen,
            (Err(problem), None) => return Err(problem),
            (Err(_), Some(why)) => return Err(Problem::new(unanswered(name, why, None, now()))),
        };
        match (standing(seen.as_ref(), known, text), &lost) {
            (Standing::Ours(version), _) => return Ok(written(version, puts)),
            (Standing::AsItWas, Some(why)) if puts == TRIES => {
                return Err(Problem::new(unanswered(name, why, Some(shown(seen.as_ref())), now())));
            }
            (Standing::AsItWas, _) => {}
            (Standing::Others, None) => {
                return Err(Problem::new(format!(
                    "somebody else has changed {name} meanwhile; nothing was written. Ask again"
                )));
            }
            (Standing::Others, Some(why)) => {
                return Err(Problem::new(unanswered(name, why, Some(shown(seen.as_ref())), now())));
            }
        }
        let put = client
            .put_parameter()
            .name(name)
            .r#type(ParameterType::String)
            .tier(ParameterTier::IntelligentTiering)
            .value(text)
            .overwrite(known.is_some());
        match put.send().await {
            Ok(answer) => return Ok(written(answer.version, puts + 1)),
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                let sent = !matches!(error, SdkError::ConstructionFailure(_));
                if !sent || !may_be_written(status, error.code()) {
                    return Err(refused("ssm:PutParameter", &error));
                }
                lost = Some(causes(&error));
            }
        }
        tokio::time::sleep(PAUSE * (puts + 1)).await;
    }
    let why = lost.unwrap_or_default();
    Err(Problem::new(unanswered(name, &why, None, now())))
}

#[cfg(test)]
mod tests {
    use super::{Parameter, Standing, may_be_written, standing, unanswered};

    fn parameter(text: &str, version: i64) -> Parameter {
        Parameter { text: text.to_owned(), version }
    }

    #[test]
    fn what_stands_there_after_a_lost_answer_is_told_apart() {
        let (before, frozen) = (parameter("freeze: false\n", 4), "freeze: true\n");
        for (seen, known, expected) in [
            (Some(parameter(frozen, 5)), Some(&before), Standing::Ours(5)),
            (Some(parameter("freeze: true", 6)), Some(&before), Standing::Ours(6)),
            (Some(before.clone()), Some(&before), Standing::AsItWas),
            (Some(parameter("freeze: {reason: a}\n", 5)), Some(&before), Standing::Others),
            (Some(parameter("freeze: false\n", 5)), Some(&before), Standing::Others),
            (None, Some(&before), Standing::Others),
            (None, None, Standing::AsItWas),
            (Some(parameter(frozen, 1)), None, Standing::Ours(1)),
            (Some(parameter("production: true\n", 1)), None, Standing::Others),
        ] {
            assert_eq!(standing(seen.as_ref(), known, frozen), expected, "{seen:?} {known:?}");
        }
    }

    #[test]
    fn only_a_refusal_says_for_sure_that_nothing_was_written() {
        for (status, code, expected) in [
            (None, None, true),
            (Some(500), Some("InternalServerError"), true),
            (Some(503), None, true),
            (Some(400), Some("TooManyUpdates"), true),
            (Some(400), Some("ThrottlingException"), true),
            (Some(400), Some("ParameterAlreadyExists"), true),
            (Some(400), Some("AccessDeniedException"), false),
            (Some(400), Some("ParameterLimitExceeded"), false),
            (Some(403), None, false),
        ] {
            assert_eq!(may_be_written(status, code), expected, "{status:?} {code:?}");
        }
    }

    #[test]
    fn what_is_true_is_said_after_a_lost_answer() {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        for (seen, said) in [
            (None, "it cannot be known whether the freeze is set. Look with wk freeze"),
            (Some(""), "/p was looked at again: not frozen. Look with wk freeze, and ask again"),
            (
                Some("freeze: {reason: \"the fair\"}\n"),
                "looked at again: frozen until the freeze is taken out of the policy: the fair",
            ),
            (Some("freeze: perhaps\n"), "looked at again: it cannot be read: "),
        ] {
            let words = unanswered("/p", "timeout", seen, now);
            assert!(words.starts_with("ssm:PutParameter had no usable answer (timeout)"), "{words}");
            assert!(words.contains(said), "{words}");
        }
    }
}
