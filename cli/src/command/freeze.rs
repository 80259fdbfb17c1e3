//! `wk freeze`: the switch in the policy that stops all that Watchkeeper changes by itself.

mod edit;
mod write;

use serde_json::json;
use shared::Report;
use shared::policy::{self, Freeze as Switched, Frozen, Policy};

use super::{by, one_line};
use crate::Problem;
use crate::args::{Freeze, Switch};
use crate::exit::Exit;
use crate::reach::{Reach, now};
use crate::say::{Out, Tone};
use write::{Written, read, write};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 200;

pub(super) async fn run(reach: &Reach, asked: &Freeze, out: &Out) -> Result<Exit, Problem> {
    let Some(switch) = &asked.switch else { return stands(reach, out).await };
    if reach.is_remote() {
        return Err(Problem::new(
            "no function may write the policy: wk freeze on and off write it with your own credentials only, without --remote",
        ));
    }
    let name = policy::parameter(&reach.stack.environment);
    let known = read(reach, &name).await?;
    let text = known.as_ref().map(|it| it.text.as_str()).unwrap_or_default();
    let now = now();
    let before = Policy::parse(&name, text).map_err(|error| {
        Problem::new(format!("{}. Mend that first: until then nothing is changed anyway", error.chain()))
    })?;
    let (wanted, who) = match switch {
        Switch::Off { who } => (Switched::Off, by(who)),
        Switch::On { reason, until, who } => {
            let until = until.map(|until| until.from(now)).transpose().map_err(Problem::new)?;
            if until.is_some_and(|until| until <= now) {
                return Err(Problem::new("--until is over already: nothing would be frozen"));
            }
            let who = by(who);
            let name = who.as_deref().unwrap_or_default();
            // People are told the reason with everything that is not done.
            let reason = one_line("--reason", reason.as_deref().unwrap_or_default(), LONGEST_REASON)?;
            let reason = match Some(reason).filter(|reason| !reason.is_empty()) {
                Some(reason) => format!("{reason} ({name})"),
                None => format!("by {name}"),
            };
            (Switched::On(Frozen { until, reason: Some(reason) }), who)
        }
    };
    if is_so(&before, switch, &wanted, now) {
        let words = format!("{}: nothing was changed", stand(&before, now));
        out.answer(
            &json!({"changed": false, "frozen": before.frozen(now).is_some(), "freeze": before.freeze}),
            |out| {
                out.line(Tone::Plain, &words);
            },
        );
        return Ok(Exit::Good);
    }
    let who = who?;
    let edited = edit::set(&name, text, &wanted).map_err(Problem::new)?;
    out.begin();
    let Written { version, alone } = write(reach, &name, known.as_ref(), &edited).await?;
    let after = Policy { freeze: wanted, ..Policy::default() };
    let words = stand(&after, now);
    reach.keep(
        &Report::new("freeze_set", name.clone(), words.clone())
            .record("by", &who)
            .record("version", &version)
            .record("freeze", &after.freeze),
    );
    out.answer(
        &json!({"changed": true, "frozen": after.frozen(now).is_some(), "freeze": after.freeze, "was": before.freeze,
            "policy": name, "version": version, "alone": alone}),
        |out| {
            out.line(Tone::Good, &words);
            out.fact("was", format!("freeze: {}", edit::value(&before.freeze)));
            out.fact("is", format!("freeze: {}", edit::value(&after.freeze)));
            out.fact("policy", format!("{name}, version {version}"));
            if after.frozen(now).is_some() {
                out.fact("to end it", "wk freeze off");
            }
        },
    );
    if !alone {
        out.problem(&format!(
            "somebody else wrote {name} at the same moment: what they wrote is in the version before {version}. Look, and \
             put it right"
        ));
        return Ok(Exit::Warnings);
    }
    Ok(Exit::Good)
}

async fn stands(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    let name = policy::parameter(&reach.stack.environment);
    let text = reach.policy().await?.unwrap_or_default();
    let policy = Policy::parse(&name, &text).map_err(|error| Problem::new(error.chain()))?;
    let now = now();
    let window = policy.window(now).map(ToString::to_string);
    out.answer(
        &json!({"frozen": policy.frozen(now).is_some(), "freeze": policy.freeze, "window": window}),
        |out| {
            let tone = if policy.frozen(now).is_some() { Tone::Warm } else { Tone::Plain };
            out.line(tone, &stand(&policy, now));
            if let Some(window) = &window {
                out.line(Tone::Warm, &format!("a maintenance window is open, too: {window}"));
            }
        },
    );
    Ok(Exit::Good)
}

/// How it stands, in words.
fn stand(policy: &Policy, now: jiff::Timestamp) -> String {
    match policy.frozen(now) {
        Some(frozen) => format!("frozen {frozen}"),
        None => "not frozen".to_owned(),
    }
}

/// Whether nothing is to be done: it is off, or on as it is wanted. Whoever gives neither reason nor end wants no other.
fn is_so(before: &Policy, switch: &Switch, wanted: &Switched, now: jiff::Timestamp) -> bool {
    let frozen = before.frozen(now).is_some();
    match switch {
        Switch::Off { .. } => !frozen,
        Switch::On { reason: None, until: None, .. } => frozen,
        Switch::On { .. } => frozen && before.freeze == *wanted,
    }
}

#[cfg(test)]
mod tests {
    use shared::policy::{Freeze, Frozen, Policy};

    use super::{is_so, stand};
    use crate::args::{Switch, Who};

    fn at(time: &str) -> jiff::Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn what_is_so_already_is_not_written_again() {
        let now = at("2026-11-26T12:00:00Z");
        let who = || Who { by: None };
        let frozen = |until: Option<&str>, reason: &str| {
            Freeze::On(Frozen { until: until.map(at), reason: Some(reason.to_owned()) })
        };
        let on = |reason: Option<&str>| Switch::On {
            reason: reason.map(ToOwned::to_owned),
            until: None,
            who: who(),
        };
        let off = Switch::Off { who: who() };
        let holidays = frozen(None, "holidays (ann)");
        for (before, switch, wanted, expected) in [
            (Freeze::Off, &off, Freeze::Off, true),
            (holidays.clone(), &off, Freeze::Off, false),
            (frozen(Some("2026-11-26T11:00:00Z"), "over"), &off, Freeze::Off, true),
            (Freeze::Off, &on(None), frozen(None, "by ann"), false),
            (holidays.clone(), &on(None), frozen(None, "by ben"), true),
            (holidays.clone(), &on(Some("holidays")), holidays.clone(), true),
            (holidays.clone(), &on(Some("an incident")), frozen(None, "an incident (ann)"), false),
            (frozen(Some("2026-11-26T11:00:00Z"), "over"), &on(None), frozen(None, "by ann"), false),
        ] {
            let policy = Policy { freeze: before.clone(), ..Policy::default() };
            assert_eq!(is_so(&policy, switch, &wanted, now), expected, "{before:?} {switch:?}");
        }
        let policy = Policy { freeze: holidays, ..Policy::default() };
        assert_eq!(stand(&policy, now), "frozen until the freeze is taken out of the policy: holidays (ann)");
    }
}
