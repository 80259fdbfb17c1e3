//! The tree against its own rules: what the sources call, and what they must not know.

use std::collections::{BTreeMap, BTreeSet};
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

/// Every IAM action that a function calls: in its own sources, and in those functions of `shared` that it uses.
pub(super) fn actions_called(function: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut called = BTreeSet::new();
    let mut text = String::new();
    for file in sources(&place::root().join("functions").join(function).join("src"))? {
        let source = std::fs::read_to_string(file)?;
        called.extend(by_function(&source).into_values().flatten());
        text.extend(source.split_whitespace());
    }
    for file in sources(&place::root().join("shared/src"))? {
        let owner = if file.components().any(|part| part.as_os_str() == "ledger") { "ledger" } else { "" };
        let module = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        for (name, actions) in by_function(&std::fs::read_to_string(file)?) {
            // A method of the ledger is called on it; `publish` is called on a notice of whatever name.
            // A function of a module is called by its path.
            if text.contains(&format!("{owner}.{name}(")) || text.contains(&format!("{module}::{name}(")) {
                called.extend(actions);
            }
        }
    }
    Ok(called)
}

/// The actions named in a source, by the function that they are named in.
fn by_function(source: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        if let Some((_, rest)) = line.split_once("fn ") {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                current = name;
            }
        }
        for literal in line.split('"').skip(1).step_by(2).filter(|literal| is_action(literal)) {
            found.entry(current.clone()).or_default().push(literal.to_owned());
        }
    }
    found
}

/// `ecs:UpdateService`: a service in lower case, an action that begins with a capital, nothing else.
fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty()
            && service.bytes().all(|byte| byte.is_ascii_lowercase())
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
