//! The functions, built for this host and laid out as `sam build` does it, so that `sam deploy` takes them.
//!
//! They are built by the same command and with the same profile as the tests and the tasks: what takes minutes, the SDKs, is
//! compiled once for all of them. How they are built to be deployed for real is tried in `.ci/run`, and measured by the bench.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::progress::Progress;
use crate::setup::{self, Tools};
use crate::{job, place};

/// What stands in the template before the folder of a function.
const CODE: &str = "CodeUri: functions/";

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

/// Builds every function of the template for this host.
///
/// # Errors
/// When the functions do not compile; the text ends with what the compiler said.
pub async fn functions(progress: &dyn Progress) -> anyhow::Result<Build> {
    let local = place::local();
    std::fs::create_dir_all(&local).with_context(|| format!("cannot create {}", local.display()))?;
    let _lock = setup::lock(&local.join("build.lock")).await?;
    let template = place::template();
    let text =
        std::fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
    let (laid_out, names) = laid_out(&text);
    ensure!(!names.is_empty(), "{} has no line with {CODE:?}", template.display());

    let binaries = compiled(&names, progress).await?;
    let build = Build { folder: local.join("build") };
    for (name, binary) in names.iter().zip(binaries) {
        place_binary(&binary, &build.binary(&logical_id(name))).await?;
    }
    std::fs::write(build.template(), laid_out)
        .with_context(|| format!("cannot write {}", build.template().display()))?;
    Ok(build)
}

/// The template with the folders of what is built in the place of the sources', and the names of the functions.
fn laid_out(template: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let lines = template.lines().map(|line| match line.split_once(CODE) {
        Some((indent, name)) if indent.trim().is_empty() => {
            let name = name.trim().to_owned();
            let line = format!("{indent}CodeUri: {}\n", logical_id(&name));
            names.push(name);
            line
        }
        _ => format!("{line}\n"),
    });
    let laid_out = lines.collect();
    (laid_out, names)
}

/// The logical id of a function in the template, by its package's name: each word with a capital.
fn logical_id(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    name.split('-').map(capital).collect()
}

/// Builds these binaries, and says where they are.
async fn compiled(names: &[String], progress: &dyn Progress) -> anyhow::Result<Vec<PathBuf>> {
    let log = place::local().join("build.log");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = job::cleaned(cargo);
    command.current_dir(place::root()).args(["build", "--message-format", "json-render-diagnostics"]);
    for name in names {
        command.args(["--bin", name]);
    }
    let (mut found, mut compiles) = (vec![None; names.len()], false);
    let ended = job::run(&mut command, &log, |line| {
        if let Ok(message) = serde_json::from_str::<Value>(line) {
            let is_named = |name: &String| message.pointer("/target/name").is_some_and(|it| it == name);
            let slot = names.iter().position(is_named).and_then(|nth| found.get_mut(nth));
            if let (Some(slot), Some(path)) = (slot, message.get("executable").and_then(Value::as_str)) {
                *slot = Some(PathBuf::from(path));
            }
            return;
        }
        let line = line.trim_start();
        if line.starts_with("Compiling") && !std::mem::replace(&mut compiles, true) {
            progress.step("Building the functions (the first time takes minutes)");
        }
        progress.detail(line);
    })
    .await?;
    if !ended.status.success() {
        bail!(
            "the functions do not build; all cargo said is in {}. The end of it:\n{}",
            place::shown(&log),
            ended.last.join("\n")
        );
    }
    let found = names.iter().zip(found);
    found.map(|(name, path)| path.with_context(|| format!("cargo does not say where {name} is"))).collect()
}

/// Puts a binary where the template has it, unless it is there: without its symbols, which are most of it and would be
/// zipped, uploaded and unzipped; with them where there is no `strip`.
async fn place_binary(from: &Path, to: &Path) -> anyhow::Result<()> {
    let made = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    if made(to).is_some_and(|made_to| made(from).is_some_and(|made_from| made_from < made_to)) {
        return Ok(());
    }
    let folder = to.parent().context("a binary is in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Not in its place: a process of the last run may still run it.
    let new = to.with_extension("new");
    let stripped = job::cleaned("strip").arg("-o").arg(&new).arg(from).stderr(Stdio::null()).status().await;
    if !stripped.is_ok_and(|status| status.success()) {
        std::fs::copy(from, &new).with_context(|| format!("cannot write {}", new.display()))?;
    }
    std::fs::rename(&new, to).with_context(|| format!("cannot write {}", to.display()))
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

#[cfg(test)]
mod tests {
    use super::{laid_out, logical_id};

    #[test]
    fn a_package_has_its_logical_id() {
        for (name, expected) in [
            ("acknowledge", "Acknowledge"),
            ("dlq-triage", "DlqTriage"),
            ("secret-rotation", "SecretRotation"),
        ] {
            assert_eq!(logical_id(name), expected);
        }
    }

    #[test]
    fn a_template_is_laid_out_with_what_is_built() {
        let template = "A:\n  CodeUri: functions/dlq-triage\n  Description: CodeUri: functions/no\nB: 1\n";
        let expected = "A:\n  CodeUri: DlqTriage\n  Description: CodeUri: functions/no\nB: 1\n";
        assert_eq!(laid_out(template), (expected.to_owned(), vec!["dlq-triage".to_owned()]));
    }
}
