//! Whether all functions ask for the same features of what they share.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Each crate that a function is built of, with the features it is built with.
fn features(function: &str) -> Result<BTreeSet<(String, String)>> {
    let cargo = std::env::var_os("CARGO").ok_or("cargo runs the tests")?;
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--package", function, "--edges", "normal,build", "--prefix", "none"])
        .args(["--target", "aarch64-unknown-linux-gnu", "--format", "{p}|{f}"])
        .output()?;
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout)?;
    let parts = lines.lines().filter_map(|line| line.split_once('|'));
    // What was shown before is marked so, and has its features once more.
    Ok(parts
        .map(|(name, features)| (name.to_owned(), features.trim_end_matches(" (*)").to_owned()))
        .collect())
}

#[test]
fn every_function_asks_for_the_same_features() -> Result<()> {
    let mut asked: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for function in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../functions"))? {
        let function = function?.file_name().to_string_lossy().into_owned();
        for (name, features) in self::features(&function)? {
            asked.entry(name).or_default().entry(features).or_default().push(function.clone());
        }
    }
    assert!(asked.len() > 100, "only {} crates were found", asked.len());
    asked.retain(|_, features| features.len() > 1);
    assert!(
        asked.is_empty(),
        "built more than once for `sam build`, with all that depends on it; \
         add the features that are missing to workspace-hack/Cargo.toml: {asked:#?}"
    );
    Ok(())
}
