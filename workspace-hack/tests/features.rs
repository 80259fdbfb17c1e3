//! Whether what is built of a crate is built once: for all functions that are deployed, and for all that runs here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Each crate that these packages are built of, with the features it is built with.
fn features(packages: &[&str], edges: &str) -> Result<BTreeSet<(String, String)>> {
    let cargo = std::env::var_os("CARGO").ok_or("cargo runs the tests")?;
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--edges", edges, "--prefix", "none", "--format", "{p}|{f}"])
        .args(packages)
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
        for (name, features) in self::features(
            &["--target", "aarch64-unknown-linux-gnu", "--package", &function],
            "normal,build",
        )? {
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

#[test]
fn a_test_asks_for_the_same_features_as_a_program() -> Result<()> {
    let programs = features(&["--workspace"], "normal,build")?;
    assert!(programs.len() > 100, "only {} crates were found", programs.len());
    let names: BTreeSet<&str> = programs.iter().map(|(name, _)| name.as_str()).collect();
    let tests = features(&["--workspace"], "normal,build,dev")?;
    let more: Vec<_> =
        tests.difference(&programs).filter(|(name, _)| names.contains(name.as_str())).collect();
    assert!(
        more.is_empty(),
        "built once more for the tests, with all that depends on it; add the features that are missing to \
         tests/Cargo.toml: {more:#?}"
    );
    Ok(())
}
