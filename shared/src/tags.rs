//! The tags that Watchkeeper reads on the user's resources. All are optional.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Key and value of every tag on one resource.
pub type Tags = BTreeMap<String, String>;

/// The environment that a resource belongs to.
pub const ENVIRONMENT: &str = "watchkeeper:environment";
/// What Watchkeeper may do with a resource.
pub const MODE: &str = "watchkeeper:mode";
/// On an alarm: what it is about.
pub const TARGET: &str = "watchkeeper:target";
/// On a service: `unsafe`, or `unsafe-until:<RFC 3339>`, where a migration forbids going back.
pub const ROLLBACK: &str = "watchkeeper:rollback";
/// On a service: how it takes part in redeploys after a secret changed, see [`Redeploying`].
pub const REDEPLOY: &str = "watchkeeper:redeploy";

/// On a service or a task definition: the full hash of the commit that is deployed.
pub const COMMIT: &str = "watchkeeper:commit";
/// On a service or a task definition: the branch or tag that it was built from.
pub const BRANCH: &str = "watchkeeper:branch";
/// On a service or a task definition: who made the change.
pub const AUTHOR: &str = "watchkeeper:author";
/// On a service or a task definition: the repository, `owner/name`.
pub const REPOSITORY: &str = "watchkeeper:repository";
/// On a service or a task definition: the `https` address of the workflow's run.
pub const WORKFLOW: &str = "watchkeeper:workflow";

/// How a service takes part in redeploys after a secret changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Redeploying {
    /// Without the tag: with the careful defaults.
    #[default]
    Careful,
    /// `off`: not at all.
    Off,
    /// `on`: also where its tasks cannot overlap, and where it reads the secret by itself.
    On,
    /// `first`: before all others.
    First,
    /// What stands there cannot be read: not at all, because whoever wrote it wanted to say something.
    Unread,
}

impl Redeploying {
    /// What the tag on a service says.
    pub fn of(tags: &Tags) -> Self {
        match tags.get(REDEPLOY).map(|value| value.trim()) {
            None => Self::Careful,
            Some("off") => Self::Off,
            Some("on") => Self::On,
            Some("first") => Self::First,
            Some(_) => Self::Unread,
        }
    }
}

/// What Watchkeeper may do. Ordered by how much it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Neither act nor speak.
    Off,
    /// Say what would be done.
    Observe,
    /// Do it.
    Act,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "off" => Ok(Self::Off),
            "observe" => Ok(Self::Observe),
            "act" => Ok(Self::Act),
            other => Err(format!("{other:?} is not a mode; write off, observe or act")),
        }
    }
}

impl Mode {
    /// The mode that holds for resources with these tags. The default `off` is the stop switch, and nothing overrides
    /// it; otherwise the most careful tag wins over all others and over the default. A tag that cannot be read counts
    /// as `observe`, because whoever wrote it wanted to say something.
    pub fn resolve<'a>(default: Self, resources: impl IntoIterator<Item = &'a Tags>) -> Self {
        if default == Self::Off {
            return Self::Off;
        }
        resources
            .into_iter()
            .filter_map(|tags| tags.get(MODE))
            .map(|value| value.parse().unwrap_or(Self::Observe))
            .min()
            .unwrap_or(default)
    }
}

/// Whether, and until when, a service must not be rolled back. The value of [`ROLLBACK`] decides; one that cannot
/// be read forbids without end, because the careful reading of a mistyped warning is the warning.
pub fn unsafe_to_roll_back(tags: &Tags, now: Timestamp) -> Option<Unsafe> {
    let value = tags.get(ROLLBACK)?.trim();
    match value.strip_prefix("unsafe-until:").map(|until| until.trim().parse::<Timestamp>()) {
        Some(Ok(until)) => (now < until).then_some(Unsafe::Until(until)),
        None if value == "safe" => None,
        Some(Err(_)) | None => Some(Unsafe::Always),
    }
}

/// How long a service must not be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsafe {
    /// Until the tag is removed.
    Always,
    /// Until then.
    Until(Timestamp),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[track_caller]
    fn check_mode(default: Mode, alarm: Option<&str>, service: Option<&str>, expected: Mode) {
        let of = |value: Option<&str>| value.map_or_else(Tags::new, |value| tags(&[(MODE, value)]));
        assert_eq!(Mode::resolve(default, [&of(alarm), &of(service)]), expected);
    }

    #[test]
    fn the_most_careful_tag_wins_over_the_default() {
        check_mode(Mode::Observe, None, None, Mode::Observe);
        check_mode(Mode::Observe, None, Some("act"), Mode::Act);
        check_mode(Mode::Observe, Some("observe"), Some("act"), Mode::Observe);
        check_mode(Mode::Act, Some("act"), Some("off"), Mode::Off);
        check_mode(Mode::Act, None, Some("Akt"), Mode::Observe);
    }

    #[test]
    fn off_by_default_is_off_for_all() {
        check_mode(Mode::Off, None, None, Mode::Off);
        check_mode(Mode::Off, Some("act"), Some("act"), Mode::Off);
    }

    #[track_caller]
    fn check_unsafe(value: Option<&str>, expected: Option<Unsafe>) {
        let tags = value.map_or_else(Tags::new, |value| tags(&[(ROLLBACK, value)]));
        assert_eq!(unsafe_to_roll_back(&tags, "2026-11-20T12:00:00Z".parse().unwrap()), expected);
    }

    #[test]
    fn an_unreadable_warning_is_still_a_warning() {
        let later = "2026-11-20T13:00:00Z";
        check_unsafe(None, None);
        check_unsafe(Some("safe"), None);
        check_unsafe(Some("unsafe"), Some(Unsafe::Always));
        check_unsafe(Some(&format!("unsafe-until:{later}")), Some(Unsafe::Until(later.parse().unwrap())));
        check_unsafe(Some("unsafe-until:2026-11-20T11:00:00Z"), None);
        check_unsafe(Some("unsafe-until:tomorrow"), Some(Unsafe::Always));
        check_unsafe(Some("unsave"), Some(Unsafe::Always));
    }
}
