//! A KMS key: enabled, and not about to be deleted (KMS API, `KeyMetadata.KeyState`).

use jiff::Timestamp;

use crate::decision::{Findings, Verdict};

/// What `DescribeKey` says of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// KMS does not know it.
    pub gone: bool,
    /// `KeyState`, such as `Enabled` or `PendingDeletion`; a word of AWS that may be new.
    pub state: String,
    /// When it is gone, where that is decided.
    pub deleted_at: Option<Timestamp>,
    /// Until when imported material can be used.
    pub material_until: Option<Timestamp>,
}

/// How the key is.
pub fn verdict(facts: &Facts, now: Timestamp) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent(
            "it does not exist (any more): nothing it encrypted can be read",
            "Move what names the key to another one.",
        );
        return found.verdict("");
    }
    found.saw("State", &facts.state);
    match facts.state.as_str() {
        "Enabled" => {}
        // It cannot be used yet, or is changed while it can: neither takes long.
        "Creating" | "Updating" => {
            found.not_applicable(format!("it is {}", facts.state.to_ascii_lowercase()));
        }
        "Disabled" => {
            found.failed(
                "it is disabled: nothing it encrypts can be read",
                "Enable the key, or move what uses it.",
            );
        }
        "PendingDeletion" | "PendingReplicaDeletion" => {
            let when = facts.deleted_at.map(|at| format!(" on {}", at.strftime("%F"))).unwrap_or_default();
            found.failed(
                format!("it is about to be deleted{when}, and what it encrypts with it"),
                "Cancel the deletion, unless nothing that it encrypts is needed any more.",
            );
        }
        "PendingImport" | "Unavailable" => {
            found.failed(format!("it cannot be used: {}", facts.state), "Bring its key material back.");
        }
        "" => {
            found.unknown("KMS does not say what state it is in", "Check it by hand.");
        }
        other => {
            found.unknown(format!("KMS says a state that is not known here: {other}"), "Check it by hand.");
        }
    }
    if let Some(until) = facts.material_until {
        found.saw("Key material until", until);
        if until <= now {
            found.failed("its key material has expired", "Import the key material again.");
        }
    }
    found.verdict("it is enabled")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Facts, verdict};
    use crate::decision::Health;

    #[test]
    fn a_key_is_what_its_state_says() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let of = |state: &str| Facts { state: state.to_owned(), ..Facts::default() };
        let cases = [
            (of("Enabled"), Health::Healthy, "it is enabled"),
            (of("Creating"), Health::NotApplicable, "it is creating"),
            (of("Updating"), Health::NotApplicable, "it is updating"),
            (of("Disabled"), Health::Failed, "it is disabled: nothing it encrypts can be read"),
            (
                Facts { deleted_at: at("2026-12-01T00:00:00Z"), ..of("PendingDeletion") },
                Health::Failed,
                "it is about to be deleted on 2026-12-01, and what it encrypts with it",
            ),
            (
                Facts { material_until: at("2026-11-26T11:59:59Z"), ..of("Enabled") },
                Health::Failed,
                "its key material has expired",
            ),
            (
                Facts { material_until: at("2027-11-26T11:59:59Z"), ..of("Enabled") },
                Health::Healthy,
                "it is enabled",
            ),
            (of("Frozen"), Health::Unknown, "KMS says a state that is not known here: Frozen"),
            (of(""), Health::Unknown, "KMS does not say what state it is in"),
            (
                Facts { gone: true, ..Facts::default() },
                Health::Failed,
                "it does not exist (any more): nothing it encrypted can be read",
            ),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, now);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            assert_eq!(
                matches!(verdict.health, Health::Healthy | Health::NotApplicable),
                verdict.todo.is_empty(),
                "what is to do: {facts:?}"
            );
        }
    }
}
