//! The tree against its own rules: what the sources call, and what they must not know.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use local::place;
use serde_json::Value;

/// The folders in a folder of the repository.
pub(super) fn folders(under: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in
        std::fs::read_dir(place::root().join(under)).with_context(|| format!("there is no {under}/"))?
    {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Every IAM action that a function calls: in its own sources, and in those functions of `shared` that it uses, directly
/// or through others.
pub(super) fn actions_called(function: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut called = BTreeSet::new();
    let mut text = String::new();
    for file in sources(&place::root().join("functions").join(function).join("src"))? {
        let source = std::fs::read_to_string(file)?;
        called.extend(routines(&source).into_iter().flat_map(|routine| routine.actions));
        text.extend(source.split_whitespace());
    }
    let (mut used, mut unused) = (Vec::new(), Vec::new());
    for shared in shared_routines()? {
        let at = if shared.is_used_by(&text) { &mut used } else { &mut unused };
        at.push(shared);
    }
    while let Some(user) = used.pop() {
        let (more, rest) = unused.into_iter().partition(|other: &Shared| user.uses(other));
        unused = rest;
        used.extend::<Vec<_>>(more);
        called.extend(user.routine.actions);
    }
    Ok(called)
}

/// A function or method of `shared`.
struct Shared {
    /// The file's name, which is the module's.
    module: String,
    /// Whether it is a part of the ledger, whose methods are called on it.
    of_ledger: bool,
    routine: Routine,
}

impl Shared {
    fn is_used_by(&self, text: &str) -> bool {
        let name = &self.routine.name;
        if text.contains(&format!("{}::{name}(", self.module)) {
            return true;
        }
        if self.of_ledger {
            return text.contains(&format!("ledger.{name}("));
        }
        // `publish` is called on a notice of whatever name, but never without arguments, as the `send` of an SDK is; and
        // what is called on `self` is the function's own.
        let called = format!(".{name}(");
        text.match_indices(&called).any(|(at, _)| {
            let (before, after) = text.split_at(at);
            !before.ends_with("self") && !after[called.len()..].starts_with(')')
        })
    }

    fn uses(&self, other: &Self) -> bool {
        let name = &other.routine.name;
        let body = &self.routine.body;
        let method = other.of_ledger && self.of_ledger && body.contains(&format!("self.{name}("));
        let neighbour = self.module == other.module
            && body.match_indices(&format!("{name}(")).any(|(at, _)| {
                !body[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '.'))
            });
        method || neighbour || body.contains(&format!("{}::{name}(", other.module))
    }
}

/// All functions of `shared`, but those that only speak of permissions to a person.
fn shared_routines() -> anyhow::Result<Vec<Shared>> {
    let mut found = Vec::new();
    for file in sources(&place::root().join("shared/src"))? {
        let has = |part: &str| file.components().any(|component| component.as_os_str() == part);
        if has("diagnosis") {
            continue;
        }
        let of_ledger = has("ledger");
        let module = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        for routine in routines(&std::fs::read_to_string(&file)?) {
            found.push(Shared { module: module.clone(), of_ledger, routine });
        }
    }
    Ok(found)
}

/// A function, as it is written.
#[derive(Default)]
struct Routine {
    name: String,
    /// Without spaces and comments.
    body: String,
    /// The actions that it names.
    actions: Vec<String>,
}

/// The functions of a source. What stands before the first belongs to one without a name.
fn routines(source: &str) -> Vec<Routine> {
    let mut found = vec![Routine::default()];
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut line = line;
        if let Some((_, rest)) = line.split_once("fn ") {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                line = &rest[name.len()..];
                found.push(Routine { name, ..Routine::default() });
            }
        }
        if let Some(routine) = found.last_mut() {
            routine.body.extend(line.split_whitespace());
            let literals = line.split('"').skip(1).step_by(2).filter(|literal| is_action(literal));
            routine.actions.extend(literals.map(ToOwned::to_owned));
        }
    }
    found
}

/// `ecs:UpdateService`, `s3:GetObject`: a service in lower case (with hyphens), an action that begins with a capital, nothing else.
fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty()
            && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && action.starts_with(|first: char| first.is_ascii_uppercase())
            && action.len() > 2
            && action.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// All sources below a folder but the tests.
fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path)?);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What a decision must not know: clients, clocks, the runtime, the environment.
const IMPURE: [&str; 9] = [
    "aws_sdk",
    "aws_smithy",
    "tokio",
    "async ",
    ".await",
    "std::env",
    "Timestamp::now",
    "SystemTime",
    "Instant::now",
];

pub(super) fn decisions_are_pure() -> anyhow::Result<()> {
    for function in folders("functions")? {
        let source = place::root().join("functions").join(&function).join("src");
        ensure!(source.join("decision.rs").exists(), "{function} has no decision.rs");
        for file in sources(&source)? {
            let of_decision = file.strip_prefix(&source)?.to_string_lossy().starts_with("decision");
            let text = std::fs::read_to_string(&file)?;
            for word in IMPURE.iter().filter(|_| of_decision) {
                ensure!(!text.contains(word), "{} speaks of {word}", file.display());
            }
        }
    }
    Ok(())
}

pub(super) fn functions_are_apart() -> anyhow::Result<()> {
    let functions = folders("functions")?;
    for folder in functions.iter().map(|name| format!("functions/{name}")).chain(["shared".to_owned()]) {
        let manifest = std::fs::read_to_string(place::root().join(&folder).join("Cargo.toml"))?;
        for other in &functions {
            let depends = manifest.lines().any(|line| {
                line.starts_with(&format!("{other}.workspace")) || line.starts_with(&format!("{other} ="))
            });
            ensure!(!depends, "{folder} depends on {other}");
        }
    }
    Ok(())
}

pub(super) fn corpus_and_settings() -> anyhow::Result<()> {
    for function in folders("events")? {
        let folder = place::root().join("events").join(&function);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            let _: Value =
                serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
            count += 1;
        }
        ensure!(count > 0, "{function} has no events");
    }
    let settings = std::fs::read_to_string(place::root().join("samconfig.toml"))?;
    let cached = settings.lines().any(|line| line.trim_start().starts_with("cached"));
    ensure!(!cached, "a cached build ships a stale shared crate");
    Ok(())
}
