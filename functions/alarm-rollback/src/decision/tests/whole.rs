//! The tables as a whole: every verdict and reason is reached, and every reason is a plain sentence.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::super::{Basis, Held, Ignored, Withheld};
use super::*;

/// Every rule, with its cases.
fn table() -> Vec<(&'static str, Vec<Case>)> {
    let files = [
        arrival::rules(),
        guards::rules(),
        blame::rules(),
        candidate::rules(),
        in_flight::rules(),
        deployable::rules(),
        by_hand::rules(),
        recovery::rules(),
        kinds::rules(),
    ];
    files.into_iter().flatten().collect()
}

/// A function that names the variant of a value, and the names of all. A variant that is missing here does not
/// compile; one that no case reaches fails.
macro_rules! variants {
    ($type:ident, $name:ident, $all:ident: $($variant:ident)*) => {
        const $all: &[&str] = &[$(stringify!($variant)),*];

        const fn $name(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => stringify!($variant),)*
            }
        }
    };
}

variants!(Verdict, verdict, VERDICTS: Ignore Hold Propose RollBack RolledBack HandOver Resolve);
variants!(Withheld, withheld, WITHHELD: Observe DryRun Frozen Window Confidence);
variants!(Basis, basis, BASES: Deployed Source Before Stable LastStable Remembered Lower Named Begun Restored);
variants!(Ignored, ignored, IGNORED:
    NoData Unchanged Muted InHand Repeated Cleared OtherEnvironment OtherTarget Off NoTarget NothingOpen Superseded
    Quiet);
variants!(Act, act, ACTS:
    UpdateService Scale StopServiceDeployment RegisterTaskDefinition CreateDeployment StopDeployment UpdateAlias
    CancelUpdateStack ContinueUpdateRollback RollbackStack);
variants!(Held, held, HELD:
    NoTarget ManyTargets MalformedTarget SetByHand Stale InProgress Unfinished Cleared Cooldown TooMany Overtaken
    Unsafe Unconfirmed NoOperation Weighted KnownBad NoService NotActive Controller OwnerInProgress ScaledToZero NoDeployment TooOld
    FiringBefore OwnRollback EcsRollingBack EcsRolledBack EcsRollbackFailed Stopped UnknownDeployment SameCode
    FixOnItsWay NoHistory Moving NothingGood NotARevision RunsAlready NothingRanThen Gone Deregistered ImageGone SecretGone
    PortMismatch NotForFargate CodeDeploy Alias Stack);

#[test]
fn every_verdict_and_every_reason_is_reached() {
    let mut reached = BTreeSet::new();
    for case in table().into_iter().flat_map(|(_, cases)| cases) {
        let settled = case.truth.verdict();
        reached.insert(("verdict", verdict(&settled)));
        let rollback = match &settled {
            Verdict::Ignore(why) => {
                reached.insert(("ignored", ignored(why)));
                None
            }
            Verdict::Hold { why, .. } => {
                reached.insert(("held", held(why)));
                None
            }
            Verdict::Propose { rollback, withheld: why } => {
                reached.insert(("withheld", withheld(why)));
                Some(rollback)
            }
            Verdict::RollBack(rollback) => Some(rollback),
            Verdict::RolledBack { .. } | Verdict::HandOver { .. } | Verdict::Resolve(_) => None,
        };
        if let Some(Rollback { plan, .. }) = rollback {
            reached.insert(("basis", basis(&plan.basis)));
            reached.insert(("act", act(&plan.act)));
        }
    }
    let all = [
        ("verdict", VERDICTS),
        ("ignored", IGNORED),
        ("held", HELD),
        ("withheld", WITHHELD),
        ("basis", BASES),
        ("act", ACTS),
    ];
    let all: BTreeSet<_> =
        all.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, *name))).collect();
    let missing: Vec<_> = all.difference(&reached).collect();
    assert!(missing.is_empty(), "no case reaches {missing:?}");
}

/// What people read of every case.
fn reasons() -> String {
    let mut text = String::new();
    for (rule, cases) in table() {
        writeln!(text, "{}", rule.replace('_', " ")).unwrap();
        for Case { name, truth, .. } in cases {
            let verdict = truth.verdict();
            writeln!(text, "  {name}\n    {}", said(&verdict)).unwrap();
            if let Verdict::Hold { why, .. } = &verdict {
                writeln!(text, "    {}: {}", why.severity().as_str(), why.next_step()).unwrap();
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn what_people_read_is_what_was_reviewed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/decision/tests/reasons.txt");
    let now = reasons();
    if fs::read_to_string(&file).unwrap_or_default() != now {
        let new = std::env::temp_dir().join("reasons.txt");
        fs::write(&new, now).unwrap();
        let (file, new) = (file.display(), new.display());
        panic!("people read something else now. See `diff {file} {new}`; if it is meant, `cp {new} {file}`.");
    }
}

#[test]
fn every_reason_is_a_plain_sentence() {
    for Case { name, truth, .. } in table().into_iter().flat_map(|(_, cases)| cases) {
        let (reason, next, notes) = match truth.verdict() {
            Verdict::Ignore(why) => (why.to_string(), None, Vec::new()),
            Verdict::Hold { why, .. } => (why.to_string(), Some(why.next_step()), Vec::new()),
            Verdict::Propose { rollback, withheld } => (withheld.to_string(), None, rollback.plan.notes),
            Verdict::RollBack(rollback) => (rollback.plan.basis.grounds(), None, rollback.plan.notes),
            Verdict::RolledBack { .. } | Verdict::HandOver { .. } | Verdict::Resolve(_) => continue,
        };
        for text in notes.iter().chain(&next).chain([&reason]) {
            let debug = ["{", "}", "Some(", "None", "::", "\\", "  ", "\n", "  "];
            for trace in debug {
                assert!(!text.contains(trace), "{name}: {trace:?} in {text}");
            }
        }
        assert!(
            !reason.ends_with('.') && reason.contains(' '),
            "{name}: it is a part of a sentence: {reason}"
        );
        for whole in notes.iter().chain(&next) {
            // What is to be typed has no full stop.
            assert!(
                whole.ends_with('.') || whole.contains(": aws "),
                "{name}: it is a whole sentence: {whole}"
            );
            assert!(whole.starts_with(char::is_uppercase), "{name}: it is a whole sentence: {whole}");
        }
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for (rule, cases) in table() {
        for Case { name, .. } in cases {
            assert!(names.insert((rule, name)), "{rule}: {name} stands there twice");
        }
    }
}
