//! The functions, built as they are for real: `sam build`, which calls cargo-lambda.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::progress::Progress;
use crate::setup::{self, Tools};
use crate::{job, place};

/// What the binaries are made from; a change in any of it makes the last build stale.
const SOURCES: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "template.yaml", "shared", "functions"];

/// Whole-program optimisation takes minutes of each function, and what is built here runs on this machine alone: it is spared
/// that, unless the environment says otherwise. What is measured is built by the bench, as it is deployed.
const SPARED: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
];

/// A build that can be deployed.
#[derive(Debug, Clone)]
pub struct Build {
    folder: PathBuf,
}

impl Build {
    /// The template, pointing at the built functions.
    pub fn template(&self) -> PathBuf {
        self.folder.join("template.yaml")
    }

    /// The binary of a function, by its logical id in the template.
    pub fn binary(&self, logical_id: &str) -> PathBuf {
        self.folder.join(logical_id).join("bootstrap")
    }
}

/// The value of the template's parameter `Architecture` for this host.
pub const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// Builds every function of the template for this host, unless the last build was made from the same sources.
///
/// # Errors
/// When the functions do not compile; the text ends with what the compiler said.
pub async fn functions(tools: &Tools, progress: &dyn Progress) -> anyhow::Result<Build> {
    let local = place::local();
    std::fs::create_dir_all(&local).with_context(|| format!("cannot create {}", local.display()))?;
    let _lock = setup::lock(&local.join("build.lock")).await?;

    let build = Build { folder: local.join("build") };
    let stamp = local.join("build.stamp");
    let wanted = fingerprint(&place::root())?;
    if std::fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == wanted) && build.template().exists() {
        return Ok(build);
    }
    if stamp.exists() {
        std::fs::remove_file(&stamp)?;
    }

    progress.step(&format!(
        "Building the functions for {} with sam build (the first time takes minutes)",
        architecture()
    ));
    let log = local.join("build.log");
    let mut command = sam(tools)?;
    command
        .current_dir(place::root())
        .args(["build", "--template-file", "template.yaml", "--parameter-overrides"])
        .arg(format!("Architecture={}", architecture()))
        .arg("--build-dir")
        .arg(&build.folder)
        .envs(SPARED.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()));
    let ended = job::run(&mut command, &log, |line| {
        let line = line.trim_start();
        if ["Compiling", "Building", "Finished"].iter().any(|word| line.starts_with(word)) {
            progress.detail(line);
        }
    })
    .await?;
    if !ended.status.success() {
        bail!(
            "sam build failed; all it said is in {}. The end of it:\n{}",
            place::shown(&log),
            ended.last.join("\n")
        );
    }
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(build)
}

/// The `sam` of the tools, which reads no settings but those it is given and tells nobody.
pub(crate) fn sam(tools: &Tools) -> anyhow::Result<tokio::process::Command> {
    let home = place::local().join("sam");
    std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let mut command = job::cleaned(tools.program("sam"));
    command
        .env("PATH", tools.path()?)
        .env("SAM_CLI_TELEMETRY", "0")
        .env("SAM_CLI_POLL_DELAY", "0.5")
        .env("__SAM_CLI_APP_DIR", &home)
        .env("AWS_CONFIG_FILE", home.join("none"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.join("none"));
    Ok(command)
}

/// The content of all sources, hashed in a fixed order.
fn fingerprint(root: &Path) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new().chain_update(architecture());
    for file in files {
        let content = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(file.as_os_str().as_encoded_bytes());
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    Ok(hex::encode(hash.finalize()))
}

/// All files below the path but the tests, which are not part of a build.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.file_name().is_some_and(|name| name == "tests" || name == "tests.rs") {
        return Ok(());
    }
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
