//! Where things lie in the checkout. Everything made locally is under `target/`, so that removing it removes all.

use std::path::PathBuf;

/// The root of the workspace.
pub fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map_or(package.clone(), PathBuf::from)
}

/// The template that is deployed, for real and locally.
pub fn template() -> PathBuf {
    root().join("template.yaml")
}

/// What local AWS is pinned to.
pub fn requirements() -> PathBuf {
    root().join("tests/local-aws/requirements.txt")
}

/// The tools of local AWS, installed once: the virtual environment, its stamp and its log.
pub fn tools() -> PathBuf {
    root().join("target/local-aws")
}

/// What runs and what it writes: builds, logs, state, exports.
pub fn local() -> PathBuf {
    root().join("target/local")
}

/// A path as a person in the checkout would type it.
pub fn shown(path: &std::path::Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
