//! Servers that are not ours: found on this machine, or installed where the run may, and ended with their owner.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::unistd::{Uid, User};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::job::{self, Group};
use crate::progress::Progress;
use crate::tls::Authority;
use crate::{place, setup};

/// How long a server may take to end by itself when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Keeps the services of a package that is being installed from being started (Debian's `invoke-rc.d`).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// A program of a server, and how it comes to be on a machine.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// What a person calls it.
    pub(crate) name: &'a str,
    /// What the program may be called, best first.
    pub(crate) programs: &'a [&'a str],
    /// Folders beside the search path, where they are when they are looked into.
    pub(crate) folders: fn() -> Vec<PathBuf>,
    /// The Debian packages that may bring it, best first.
    pub(crate) packages: &'a [&'a str],
    /// How it is installed elsewhere, as a person would type it.
    pub(crate) elsewhere: &'a str,
}

impl Wanted<'_> {
    /// Where the program is. It is installed by apt if it is nowhere, apt is there and this process may.
    ///
    /// # Errors
    /// When it is nowhere; the text says what to install.
    pub(crate) async fn find(&self, progress: &dyn Progress) -> anyhow::Result<PathBuf> {
        let look = || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all: Vec<PathBuf> = std::env::split_paths(&path)
                .chain((self.folders)())
                .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
                .collect();
            let named = |name: &&str| all.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
            self.programs.iter().find_map(named)
        };
        if let Some(found) = look() {
            return Ok(found);
        }
        let by_apt = Uid::effective().is_root() && Path::new("/usr/bin/apt-get").exists();
        if by_apt {
            let failed = self.install(&|| look().is_some(), progress).await.err();
            if let Some(found) = look() {
                return Ok(found);
            }
            if let Some(failed) = failed {
                return Err(failed.context(self.advice()));
            }
        }
        bail!(self.advice())
    }

    fn advice(&self) -> String {
        format!(
            "{} is needed and was not found: none of {} is on the PATH. Install it (Debian, Ubuntu: apt install {}; {}) \
             and run this again.",
            self.name,
            self.programs.join(", "),
            self.packages.join(" or "),
            self.elsewhere
        )
    }

    async fn install(
        &self,
        is_there: &(dyn Fn() -> bool + Sync),
        progress: &dyn Progress,
    ) -> anyhow::Result<()> {
        let folder = place::local();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let _lock = setup::lock(&folder.join("apt.lock")).await?;
        if is_there() {
            // Another run has installed it meanwhile.
            return Ok(());
        }
        let log = folder.join("apt.log");
        let _quiet = NoServices::declare()?;
        let mut said = Vec::new();
        // The lists may be missing or old; what is there may still do without.
        let _ = apt(&["update", "-qq"], &log).await;
        for package in self.packages {
            progress.step(&format!("Installing {} with apt-get install {package}", self.name));
            let ended = apt(&["install", "-y", "-qq", "--no-install-recommends", package], &log).await?;
            if ended.status.success() {
                return Ok(());
            }
            said.extend(ended.last);
        }
        bail!("apt-get could not install {}:\n{}", self.name, said.join("\n"))
    }
}

async fn apt(arguments: &[&str], log: &Path) -> anyhow::Result<job::Ended> {
    let mut command = Command::new("/usr/bin/apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    job::run(&mut command, log, |_| ()).await
}

/// While it lives, no package starts a service; a policy of the machine's own stays as it is.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn declare() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt;

        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").with_context(|| format!("cannot write {POLICY}"))?;
        let this = Self { ours: true };
        std::fs::set_permissions(POLICY, PermissionsExt::from_mode(0o755))?;
        Ok(this)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            // Left behind it would only keep services from starting at their installation.
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

/// Whom a server runs as that refuses to run as root: the first of these users that there is. `None` where this
/// process is not root, and the server runs as who it is.
pub(crate) fn other_than_root(names: &[&str]) -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let found = names.iter().find_map(|name| User::from_name(name).ok().flatten());
    found.map(Some).with_context(|| format!("no user but root to run it as; tried {}", names.join(", ")))
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// An empty folder of this name under `target/local`, or, where the user cannot reach that, under the system's own
/// folder for what is temporary.
pub(crate) fn folder(name: &str, user: Option<&User>) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;

    let mut folder = place::local().join(name);
    let can_pass = |path: &Path| std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o001 != 0);
    if user.is_some() && !place::root().ancestors().all(can_pass) {
        folder = std::env::temp_dir().join(format!("watchkeeper-{}", name.replace('/', "-")));
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    if let Some(user) = user {
        give(&folder, user)?;
    }
    Ok(folder)
}

/// Makes a file or folder the user's own.
pub(crate) fn give(path: &Path, user: &User) -> anyhow::Result<()> {
    std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
        .with_context(|| format!("cannot give {} to {}", path.display(), user.name))
}

/// A server's process. It ends with this value, and also when this process is killed.
#[derive(Debug)]
pub(crate) struct Served {
    group: Group,
    /// Closing this ends the server.
    leash: Option<ChildStdin>,
}

/// Starts the server and asks it to end with the signal when nobody holds the standard input any more.
const ON_A_LEASH: &str = r#"
signal=$1; shift
exec 3<&0
"$@" </dev/null & server=$!
{ cat <&3 >/dev/null; kill -s "$signal" $server; } & watch=$!
wait $server; ended=$?
kill $watch 2>/dev/null
exit $ended
"#;

impl Served {
    /// Starts the program with these arguments as this user, with all that it says going to the log.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        user: Option<&User>,
        signal: &str,
        folder: &Path,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = job::create(log)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", ON_A_LEASH, "server", signal])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")])
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output);
        if let Some(user) = user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let mut group = Group::start(&mut command)?;
        let leash = group.child().stdin.take();
        Ok(Self { group, leash })
    }

    /// Waits until the server answers the question, or says why it does not.
    pub(crate) async fn ready(
        &mut self,
        name: &str,
        log: &Path,
        within: Duration,
        ask: impl AsyncFn() -> bool,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + within;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !ask().await {
            let ended = self.group.child().try_wait()?;
            if ended.is_some() || Instant::now() > end {
                let text = std::fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(15).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                bail!("{name} did not start. The end of {}:\n{}", place::shown(log), last.join("\n"));
            }
            tick.tick().await;
        }
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.leash.take());
        let end = Instant::now() + END_WITHIN;
        while Instant::now() < end && matches!(self.group.child().try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A client's settings that trust this authority alone.
pub(crate) fn trusting(authority: &Authority) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.ca_pem().as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Speaks TLS over a connection to a server on this machine.
pub(crate) async fn over_tls(
    stream: TcpStream,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}
