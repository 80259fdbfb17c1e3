//! Why a letter died: the policy's rules first, then what its signature says.
//!
//! Most of it hangs on the signature alone, so it is judged once for all letters of a group.

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use shared::policy::dlq::{Rule, Verdict};
use shared::target::covers;
use shared::{Error, Result};

use crate::flavour::{Flavour, Origin};
use crate::letter::Letter;
use crate::signature::Signature;

/// The memory that one compiled expression may take; larger ones are refused.
const LARGEST_EXPRESSION: usize = 1 << 20;

/// Lambda takes events of 1 MB and queues of 1 MiB; this much is taken everywhere (Lambda quotas, SQS quotas, 2025).
const LARGEST: usize = 1_000_000;

/// What an error's type or code says by itself.
const KINDS: &[(&str, Verdict)] = &[
    // EventBridge's `ERROR_CODE` (EventBridge user guide, "Using dead-letter queues").
    ("CONNECTION_FAILURE", Verdict::Transient),
    ("INTERNAL_ERROR", Verdict::Transient),
    ("THROTTLING", Verdict::Transient),
    ("TIMEOUT", Verdict::Transient),
    ("RESOURCE_LIMIT_EXCEEDED", Verdict::Transient),
    ("NO_PERMISSIONS", Verdict::Permission),
    ("FAILED_TO_ASSUME_ROLE", Verdict::Permission),
    ("NO_RESOURCE", Verdict::Permission),
    ("INVALID_JSON", Verdict::Poison),
    ("INVALID_PARAMETER", Verdict::Poison),
    // AWS APIs.
    ("AccessDenied", Verdict::Permission),
    ("AccessDeniedException", Verdict::Permission),
    ("UnauthorizedOperation", Verdict::Permission),
    ("KMSAccessDeniedException", Verdict::Permission),
    ("ExpiredTokenException", Verdict::Permission),
    ("ResourceNotFoundException", Verdict::Permission),
    ("ProvisionedThroughputExceededException", Verdict::Transient),
    ("RequestLimitExceeded", Verdict::Transient),
    ("ServiceUnavailable", Verdict::Transient),
    ("ServiceUnavailableException", Verdict::Transient),
    ("SlowDown", Verdict::Transient),
    ("Throttling", Verdict::Transient),
    ("ThrottlingException", Verdict::Transient),
    ("TooManyRequestsException", Verdict::Transient),
    ("InternalServerError", Verdict::Transient),
    ("RequestEntityTooLarge", Verdict::Oversize),
    ("RequestTooLargeException", Verdict::Oversize),
    // Lambda's runtimes.
    ("Function.ResponseSizeTooLarge", Verdict::Oversize),
    ("Runtime.ImportModuleError", Verdict::Permission),
    ("Runtime.HandlerNotFound", Verdict::Permission),
    ("Runtime.InvalidEntrypoint", Verdict::Permission),
    ("Sandbox.Timedout", Verdict::Transient),
    // Languages.
    ("TimeoutError", Verdict::Transient),
    ("ConnectionError", Verdict::Transient),
    ("ConnectionResetError", Verdict::Transient),
    ("SocketTimeoutException", Verdict::Transient),
    ("java.net.SocketTimeoutException", Verdict::Transient),
    ("JSONDecodeError", Verdict::Poison),
    ("KeyError", Verdict::Poison),
    ("SyntaxError", Verdict::Poison),
    ("TypeError", Verdict::Poison),
    ("ValidationError", Verdict::Poison),
    ("ValidationException", Verdict::Poison),
    ("ValueError", Verdict::Poison),
    // Watchkeeper's own functions say it themselves.
    ("Transient", Verdict::Transient),
];

/// What an error's message says where its type does not; the first that it contains counts. All in lower case.
const WORDS: &[(&str, Verdict)] = &[
    ("not authorized", Verdict::Permission),
    ("accessdenied", Verdict::Permission),
    ("access denied", Verdict::Permission),
    ("is denied to this function's role", Verdict::Permission),
    ("permission denied", Verdict::Permission),
    ("forbidden", Verdict::Permission),
    ("resourcenotfoundexception", Verdict::Permission),
    ("does not exist", Verdict::Permission),
    ("too large", Verdict::Oversize),
    ("maximum allowed payload", Verdict::Oversize),
    ("task timed out", Verdict::Transient),
    ("timed out", Verdict::Transient),
    ("timeout", Verdict::Transient),
    ("etimedout", Verdict::Transient),
    ("econnrefused", Verdict::Transient),
    ("econnreset", Verdict::Transient),
    ("enotfound", Verdict::Transient),
    ("connection refused", Verdict::Transient),
    ("connection reset", Verdict::Transient),
    ("connection closed", Verdict::Transient),
    ("could not connect", Verdict::Transient),
    ("rate exceeded", Verdict::Transient),
    ("rate limit", Verdict::Transient),
    ("throttl", Verdict::Transient),
    ("too many requests", Verdict::Transient),
    ("too many connections", Verdict::Transient),
    ("service unavailable", Verdict::Transient),
    ("bad gateway", Verdict::Transient),
    ("gateway time", Verdict::Transient),
    ("deadlock", Verdict::Transient),
    ("try again", Verdict::Transient),
    ("unexpected token", Verdict::Poison),
    ("invalid json", Verdict::Poison),
    ("cannot parse", Verdict::Poison),
    ("schema", Verdict::Poison),
    ("validation", Verdict::Poison),
];

/// What a signature says of all its letters.
#[must_use]
pub fn by_signature(signature: &Signature) -> Verdict {
    let Signature { kind, condition, message, flavour, .. } = signature;
    if condition == "EventAgeExceeded"
        || condition == "MaximumEventAgeInSeconds"
        || condition == "RecordAgeExceeded"
    {
        return Verdict::Stale;
    }
    if matches!(flavour, Flavour::BusRecord | Flavour::Stream) && kind.is_empty() {
        return Verdict::Unknown;
    }
    let short = kind.rsplit(['.', '$']).next().unwrap_or(kind);
    let known = KINDS.iter().find(|(word, _)| word == kind || *word == short).map(|(_, verdict)| *verdict);
    // An answer of HTTP, as a dead-letter config writes it: 200 says only that the function failed by itself.
    let by_status = match kind.parse::<u16>() {
        Ok(429 | 500..=599) => Some(Verdict::Transient),
        Ok(401 | 403 | 404) => Some(Verdict::Permission),
        Ok(413) => Some(Verdict::Oversize),
        Ok(400 | 415 | 422) => Some(Verdict::Poison),
        Ok(_) | Err(_) => None,
    };
    if let Some(verdict) = known.or(by_status) {
        return verdict;
    }
    // Where no error is known, the message is only what kind of message it is.
    let has_error = matches!(
        flavour,
        Flavour::Target | Flavour::FunctionConfig | Flavour::FunctionDestination | Flavour::Notice
    );
    if kind.is_empty() && !has_error {
        return Verdict::Unknown;
    }
    let said = message.to_lowercase();
    let by_word = WORDS.iter().find(|(word, _)| said.contains(word)).map(|(_, verdict)| *verdict);
    // Our own functions name the class in place of a type: what does not pass is either denied or in the event.
    by_word.unwrap_or(if kind == "Permanent" { Verdict::Poison } else { Verdict::Unknown })
}

/// The policy's rules, ready to be applied to a queue.
#[derive(Debug, Default)]
pub struct Rules(Vec<Ready>);

#[derive(Debug)]
struct Ready {
    name: String,
    error: Option<Regex>,
    body: Option<Regex>,
    older_than: Option<jiff::SignedDuration>,
    verdict: Verdict,
}

impl Rules {
    /// Those of the rules that are about this queue.
    ///
    /// # Errors
    /// [`Error::Malformed`] that names the rule whose expression cannot be used: letters are not judged by half of what
    /// was decided.
    pub fn of(rules: &[Rule], queue: &str) -> Result<Self> {
        let about = rules.iter().filter(|rule| covers(&rule.queue, queue));
        about.map(Ready::of).collect::<Result<_>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the first rule that fits says, and its name.
    pub fn judge(&self, letter: &Letter, origin: &Origin<'_>, now: Timestamp) -> Option<(Verdict, &str)> {
        let ready = self.0.iter().find(|rule| rule.fits(letter, origin, now))?;
        Some((ready.verdict, &ready.name))
    }
}

impl Ready {
    fn of(rule: &Rule) -> Result<Self> {
        let compile = |field: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let built = RegexBuilder::new(text).size_limit(LARGEST_EXPRESSION).build();
            built.map(Some).map_err(|error| {
                let name = &rule.name;
                Error::Malformed(format!("the policy's rule {name:?} of dlq.rules cannot be used: its `{field}` is no regular expression: {error}"))
            })
        };
        Ok(Self {
            name: rule.name.clone(),
            error: compile("error", &rule.error)?,
            body: compile("body", &rule.body)?,
            older_than: rule.older_than,
            verdict: rule.verdict,
        })
    }

    fn fits(&self, letter: &Letter, origin: &Origin<'_>, now: Timestamp) -> bool {
        let age = letter.sent.map(|sent| now.duration_since(sent));
        let is_old = self.older_than.is_none_or(|least| age.is_some_and(|age| least < age));
        let says = |error: &Regex| {
            [&origin.kind, &origin.message, &origin.frame, &origin.condition, &origin.shape]
                .iter()
                .any(|text| error.is_match(text))
        };
        is_old
            && self.error.as_ref().is_none_or(says)
            && self.body.as_ref().is_none_or(|body| body.is_match(&letter.body))
    }
}

/// Whether whoever is to take it cannot, for its size.
#[must_use]
pub const fn is_oversize(size: usize) -> bool {
    LARGEST < size
}

#[cfg(test)]
mod tests;
