//! A PostgreSQL server of our own: TLS only, SCRAM only, and a log of every statement.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::unistd::User;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use crate::job;
use crate::place;
use crate::programs::{self, Served, Wanted};
use crate::progress::Progress;
use crate::tls::Authority;

/// How long a server may take until it lets the superuser in; it needs less than a second.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long a client waits for a connection that nobody refuses.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// The superuser. As on RDS, there is a database of the same name.
pub const SUPERUSER: &str = "postgres";

/// Only over TLS, and only with a password that is checked by SCRAM.
const WHO_MAY: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n";

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct Postgres {
    door: Door,
    password: String,
    log: PathBuf,
    _served: Served,
}

/// Where to log in. It leads nowhere when the server has ended.
#[derive(Debug, Clone)]
pub struct Door {
    port: u16,
    tls: Arc<ClientConfig>,
}

/// A login that lasts as long as this value.
#[derive(Debug)]
pub struct Session {
    /// What speaks to the server.
    pub client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Postgres {
    /// Finds or installs PostgreSQL, makes a database under `target/local/<name>`, and starts a server on a port that
    /// is free, known by `localhost` and 127.0.0.1 to whoever trusts the authority.
    ///
    /// # Errors
    /// When any of it fails; the text is for a person and says what to do.
    pub async fn start(
        name: &str,
        authority: &Authority,
        password: &str,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let wanted = Wanted {
            name: "PostgreSQL",
            programs: &["postgres"],
            folders: debian,
            packages: &["postgresql"],
            elsewhere: "macOS: brew install postgresql@17; elsewhere: postgresql.org/download",
        };
        // A link on the search path may lead there; the other programs stand beside the real one.
        let program = wanted.find(progress).await?.canonicalize()?;
        let user = programs::other_than_root(&["postgres", "nobody"])?;
        let folder = programs::folder(name, user.as_ref())?;
        let data = folder.join("data");
        initialise(&program, &folder, &data, password, user.as_ref()).await?;
        settle(&data, authority, user.as_ref())?;

        let door = Door { port: programs::free_port()?, tls: programs::trusting(authority)? };
        let log = folder.join("postgres.log");
        let arguments = ["-D", &data.to_string_lossy(), "-p", &door.port.to_string()].map(ToOwned::to_owned);
        let mut served = Served::start(&program, &arguments, user.as_ref(), "QUIT", &folder, &log)?;
        let ask = async || door.login(SUPERUSER, password, SUPERUSER).await.is_ok();
        served.ready("PostgreSQL", &log, START_WITHIN, ask).await?;
        Ok(Self { door, password: password.to_owned(), log, _served: served })
    }

    /// The port it listens on, of the loopback interface.
    pub const fn port(&self) -> u16 {
        self.door.port
    }

    /// The password of [`SUPERUSER`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// All that the server says: each connection, each statement, each error.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Where to log in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Opens a connection of the superuser.
    pub async fn superuser(&self) -> anyhow::Result<Session> {
        self.door.login(SUPERUSER, &self.password, SUPERUSER).await
    }
}

/// What the server keeps of a password, to be written in its place: so the password is in no statement and in no log.
pub fn verifier(password: &str) -> String {
    postgres_protocol::password::scram_sha_256(password.as_bytes())
}

/// Whether a login failed because the server does not take the user's password.
pub fn refused(error: &anyhow::Error) -> bool {
    use tokio_postgres::error::SqlState;

    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| {
        *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
    })
}

/// Where Debian keeps the programs of each version, the newest first.
fn debian() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

async fn initialise(
    program: &Path,
    folder: &Path,
    data: &Path,
    password: &str,
    user: Option<&User>,
) -> anyhow::Result<()> {
    let initdb = program.with_file_name("initdb");
    let secret = folder.join("password");
    std::fs::write(&secret, password).with_context(|| format!("cannot write {}", secret.display()))?;
    if let Some(user) = user {
        programs::give(&secret, user)?;
    }
    let mut command = Command::new(&initdb);
    command
        .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"])
        .args(["--auth=scram-sha-256", "--username", SUPERUSER])
        .arg(format!("--pwfile={}", secret.display()))
        .arg("--pgdata")
        .arg(data)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let log = folder.join("initdb.log");
    let ended = job::run(&mut command, &log, |_| ()).await?;
    std::fs::remove_file(&secret)?;
    if !ended.status.success() {
        bail!("initdb failed; all it said is in {}:\n{}", place::shown(&log), ended.last.join("\n"));
    }
    Ok(())
}

/// Writes the server's settings, certificate and rules.
fn settle(data: &Path, authority: &Authority, user: Option<&User>) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let (certificate, key) = authority.server_pem(&["localhost", "127.0.0.1"])?;
    // Parameters too, so that a secret that was sent as one would be seen.
    let settings = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
shared_buffers = '16MB'
log_destination = 'stderr'
logging_collector = off
log_statement = 'all'
log_connections = on
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
log_line_prefix = '%m [%p] %u '
";
    for (name, content) in [
        ("server.crt", certificate.as_str()),
        ("server.key", key.as_str()),
        ("pg_hba.conf", WHO_MAY),
        ("postgresql.auto.conf", settings),
    ] {
        let path = data.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        if let Some(user) = user {
            programs::give(&path, user)?;
        }
    }
    Ok(())
}

impl Door {
    /// Asks for TLS (PostgreSQL protocol, `SSLRequest`), checks the server's certificate, and logs in, as whatever uses
    /// the server does.
    ///
    /// # Errors
    /// When the server refuses; [`refused`] tells whether it was for the password.
    pub async fn login(&self, user: &str, password: &str, database: &str) -> anyhow::Result<Session> {
        let connecting = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.set_nodelay(true)?;
            stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
            if stream.read_u8().await? != b'S' {
                bail!("the server does not speak TLS");
            }
            let stream = programs::over_tls(stream, &self.tls).await?;
            let mut config = Config::new();
            // The stream is TLS already.
            config.user(user).password(password).dbname(database).ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect_raw(stream, NoTls).await?;
            // It ends when the client does; what is wrong with it, the client's next call says.
            let driver = tokio::spawn(async move { drop(connection.await) });
            Ok(Session { client, driver })
        };
        tokio::time::timeout(CONNECT_WITHIN, connecting).await.context("the server did not answer")?
    }
}

#[cfg(test)]
mod tests;
