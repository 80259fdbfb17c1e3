//! The shell around every handler: decode, handle, report once, answer.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Env;
use crate::report::{self, Run};
use crate::{Error, Report, Result};

/// What a handler knows of its invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The platform's id of the invocation. A retry by the platform keeps it.
    pub request_id: String,
    /// When it began; the only clock a handler reads.
    pub now: Timestamp,
    /// When the platform ends it.
    pub deadline: Timestamp,
}

impl Invocation {
    /// The time left for work, with the margin kept back for what must still be written down.
    pub fn left(&self, margin: Duration) -> Duration {
        #[expect(
            clippy::disallowed_methods,
            reason = "what is left of an invocation is a question to the clock"
        )]
        let now = Timestamp::now();
        Duration::try_from(self.deadline.duration_since(now)).unwrap_or_default().saturating_sub(margin)
    }
}

/// Serves invocations until the platform ends the process. Every invocation ends in one report line; a failed one
/// also answers with its class as `errorType`.
///
/// # Errors
/// When the environment has no name; when the Lambda Runtime API is not there or breaks its contract.
pub async fn serve<F>(function: &'static str, handle: F) -> Result<(), lambda_runtime::Error>
where
    F: AsyncFn(Value, Invocation) -> Result<Report>,
{
    let (warm, environment) = (Cell::new(false), Env::process().required::<String>("ENVIRONMENT")?);
    let (handle, warm, environment) = (&handle, &warm, &environment);
    // The raw text is taken, so that an event that is no JSON we can hold is answered by us, with a report.
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let cold = !warm.replace(true);
        let clock = Instant::now();
        #[expect(clippy::disallowed_methods, reason = "the one reading of the clock in an invocation")]
        let now = Timestamp::now();
        let LambdaEvent { payload, context } = event;
        let deadline = Timestamp::from_millisecond(i64::try_from(context.deadline).unwrap_or(i64::MAX));
        let invocation =
            Invocation { request_id: context.request_id.clone(), now, deadline: deadline.unwrap_or(now) };

        let result = match decode(&payload) {
            // Boxed: one allocation, and the compiler need not lay out the whole invocation inside the runtime's.
            Ok(event) => Box::pin(handle(event, invocation)).await,
            Err(error) => Err(error),
        };

        let millis = clock.elapsed().as_secs_f64() * 1_000.0;
        let request_id = &context.request_id;
        let run = Run { environment, function, request_id, cold, began: now, millis };
        match result {
            Ok(report) => {
                report::write(&report, &run);
                match report.failure() {
                    None => Ok(report.answer().clone()),
                    Some((class, text)) => Err(Diagnostic {
                        error_type: class.as_str().to_owned(),
                        error_message: text.to_owned(),
                    }),
                }
            }
            Err(error) => {
                report::write(&Report::failed(&error), &run);
                Err(Diagnostic::from(error))
            }
        }
    }))
    .await
}

fn decode(payload: &RawValue) -> Result<Value> {
    serde_json::from_str(payload.get())
        .map_err(|error| Error::Event(format!("it is not JSON that can be read: {error}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use serde_json::value::RawValue;

    use super::{Invocation, decode};

    #[track_caller]
    fn check_decode(payload: &str, expected: Result<&str, &str>) {
        let raw = RawValue::from_string(payload.to_owned()).unwrap();
        match (decode(&raw), expected) {
            (Ok(event), Ok(text)) => assert_eq!(event.to_string(), text),
            (Err(error), Err(text)) => assert!(error.chain().starts_with(text), "{error:?}"),
            (decoded, expected) => panic!("{decoded:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn any_json_is_an_event_and_what_cannot_be_held_is_answered() {
        check_decode("null", Ok("null"));
        check_decode(r#"{"b": [1, "ü"], "b": 2}"#, Ok(r#"{"b":2}"#));
        let unread = "the event is not understood: it is not JSON that can be read: ";
        check_decode(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), Err(unread));
        check_decode(r#""\ud800""#, Err(unread));
        check_decode("1e999", Err(unread));
    }

    #[track_caller]
    fn check_left(seconds: i64, margin: u64, expected: std::ops::RangeInclusive<u64>) {
        #[expect(clippy::disallowed_methods, reason = "what is left depends on the clock")]
        let now = Timestamp::now();
        let deadline = now + SignedDuration::from_secs(seconds);
        let left = Invocation { request_id: String::new(), now, deadline }.left(Duration::from_secs(margin));
        assert!(expected.contains(&left.as_secs()), "{left:?}");
    }

    #[test]
    fn what_is_left_keeps_the_margin_back_and_is_never_negative() {
        check_left(600, 0, 500..=600);
        check_left(600, 100, 400..=500);
        check_left(600, 700, 0..=0);
        check_left(-600, 0, 0..=0);
    }
}
