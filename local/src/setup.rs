//! The tools of local AWS: a Python virtual environment from pinned requirements, made once.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::progress::Progress;
use crate::{job, place};

/// The oldest Python that the pinned packages run on.
const OLDEST: (u32, u32) = (3, 10);

/// Tried in this order.
const PYTHONS: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];

/// The installed tools.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The Python that the tools run on.
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// One of the tools, such as `sam`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// A search path on which the tools come first.
    pub fn path(&self) -> anyhow::Result<OsString> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.join("bin")).chain(std::env::split_paths(&inherited));
        std::env::join_paths(folders).context("the search path PATH cannot be extended")
    }
}

/// Installs the tools, or finds them installed: then no network is needed.
///
/// # Errors
/// Without a fitting Python, and when pip cannot install; the text says what to do.
pub async fn tools(progress: &dyn Progress) -> anyhow::Result<Tools> {
    install(&place::tools(), &place::requirements(), progress).await
}

async fn install(folder: &Path, requirements: &Path, progress: &dyn Progress) -> anyhow::Result<Tools> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _lock = lock(&folder.join("lock")).await?;

    let pinned =
        std::fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let tools = Tools { folder: folder.join("venv") };
    let stamp = folder.join("stamp");
    // An environment keeps the path it was made at in its scripts, so a checkout that moved makes a new one.
    let wanted = hex::encode(
        Sha256::new()
            .chain_update(tools.folder.as_os_str().as_encoded_bytes())
            .chain_update(&pinned)
            .finalize(),
    );
    let stamped = std::fs::read_to_string(&stamp).unwrap_or_default();
    if stamped == wanted && tools.python().exists() {
        return Ok(tools);
    }

    let python = find_python().await?;
    // Half an environment is worse than none: the stamp goes first and comes back last.
    if stamp.exists() {
        std::fs::remove_file(&stamp)?;
    }
    if tools.folder.exists() {
        std::fs::remove_dir_all(&tools.folder)
            .with_context(|| format!("cannot remove {}", tools.folder.display()))?;
    }
    progress.step(&format!(
        "Installing local AWS into {} with {python}: once, a minute or two, 800 MB",
        place::shown(&tools.folder)
    ));
    make(&python, &tools, folder).await?;
    fill(&tools, requirements, folder, progress).await?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    progress.step("Local AWS is installed; from now on no network is needed");
    Ok(tools)
}

/// Waits for whoever else is installing or building in this checkout.
pub(crate) async fn lock(path: &Path) -> anyhow::Result<File> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    })
    .await?
}

async fn find_python() -> anyhow::Result<String> {
    let mut found = Vec::new();
    for python in PYTHONS {
        let Some(version) = version(python).await else { continue };
        if version >= OLDEST {
            return Ok(python.to_owned());
        }
        found.push(format!("{python} is {}.{}", version.0, version.1));
    }
    let found =
        if found.is_empty() { "none was found".to_owned() } else { format!("only {}", found.join(", ")) };
    bail!(
        "Local AWS needs Python {}.{} or newer on the PATH; {found}. Install it (Debian, Ubuntu: apt install \
         python3 python3-venv; macOS: brew install python3; elsewhere: python.org) and run this again.",
        OLDEST.0,
        OLDEST.1
    )
}

async fn version(python: &str) -> Option<(u32, u32)> {
    let output = Command::new(python)
        .args(["-c", "import sys; print(*sys.version_info[:2])"])
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

async fn make(python: &str, tools: &Tools, folder: &Path) -> anyhow::Result<()> {
    let log = folder.join("venv.log");
    let ended = job::run(job::cleaned(python).args(["-m", "venv"]).arg(&tools.folder), &log, |_| ()).await?;
    if !ended.status.success() {
        bail!(
            "{python} cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv. What it \
             said is in {}.",
            place::shown(&log)
        );
    }
    Ok(())
}

async fn fill(
    tools: &Tools,
    requirements: &Path,
    folder: &Path,
    progress: &dyn Progress,
) -> anyhow::Result<()> {
    let log = folder.join("pip.log");
    let mut complaint = None;
    let mut command = job::cleaned(tools.python());
    command
        .args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"])
        .arg("--requirement")
        .arg(requirements);
    let ended = job::run(&mut command, &log, |line| {
        if let Some(error) = line.strip_prefix("ERROR: ") {
            complaint.get_or_insert_with(|| error.to_owned());
        }
        if let Some(package) = line.strip_prefix("Collecting ") {
            progress.detail(&format!("collecting {}", package.split(" (").next().unwrap_or(package)));
        } else if line.starts_with("Installing collected packages") {
            progress.detail("unpacking");
        }
    })
    .await?;
    if !ended.status.success() {
        bail!(
            "pip could not install local AWS: {}. Check the network, or point pip at an index that can be reached \
             (PIP_INDEX_URL or pip.conf), and run this again. What pip said is in {}.",
            complaint.as_deref().unwrap_or("it did not say why").trim_end_matches('.'),
            place::shown(&log)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
