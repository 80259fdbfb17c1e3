//! A Valkey (or Redis) server of our own: TLS only, with ACL users.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::ClientConfig;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::programs::{self, Served, Wanted};
use crate::progress::Progress;
use crate::tls::Authority;

/// How long a server may take until it answers; it needs a tenth of a second.
const START_WITHIN: Duration = Duration::from_secs(15);

/// How long a client waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The user that keeps the others. No AWS account has one: there ElastiCache does what it does here.
const KEEPER: &str = "keeper";

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct Valkey {
    admin: Admin,
    log: PathBuf,
    _served: Served,
}

/// Where to log in. It leads nowhere when the server has ended.
#[derive(Debug, Clone)]
pub struct Door {
    port: u16,
    tls: Arc<ClientConfig>,
}

/// Keeps the users of a server: what ElastiCache can do with it and nobody else.
#[derive(Debug, Clone)]
pub struct Admin {
    door: Door,
    password: String,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TlsStream<TcpStream>>,
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A text or a number, in writing.
    Text(String),
    /// Nothing.
    Null,
    /// Several replies.
    List(Vec<Reply>),
    /// A refusal, such as `WRONGPASS invalid username-password pair or user is disabled.`
    Error(String),
}

impl Valkey {
    /// Finds or installs a server, and starts it on a port that is free, known by `localhost` and 127.0.0.1 to whoever
    /// trusts the authority. Everybody may do everything without a password, until [`Admin::passwords`] says otherwise.
    ///
    /// # Errors
    /// When any of it fails; the text is for a person and says what to do.
    pub async fn start(name: &str, authority: &Authority, progress: &dyn Progress) -> anyhow::Result<Self> {
        let wanted = Wanted {
            name: "Valkey or Redis",
            programs: &["valkey-server", "redis-server"],
            folders: Vec::new,
            packages: &["valkey-server", "redis-server"],
            elsewhere: "macOS: brew install valkey; elsewhere: valkey.io/download",
        };
        let program = wanted.find(progress).await?;
        let folder = programs::folder(name, None)?;
        let password = hex::encode(Sha256::digest(format!("{name} {}", std::process::id())));
        let door = Door { port: programs::free_port()?, tls: programs::trusting(authority)? };
        let admin = Admin { door, password };
        let settings = settings(&folder, authority, &admin)?;
        let log = folder.join("valkey.log");
        let arguments = [settings.to_string_lossy().into_owned()];
        let mut served = Served::start(&program, &arguments, None, "TERM", &folder, &log)?;
        let ask = async || admin.connect().await.is_ok();
        served.ready("Valkey", &log, START_WITHIN, ask).await?;
        Ok(Self { admin, log, _served: served })
    }

    /// The port it listens on, of the loopback interface.
    pub const fn port(&self) -> u16 {
        self.admin.port()
    }

    /// All that the server says.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Who keeps its users.
    pub fn admin(&self) -> Admin {
        self.admin.clone()
    }

    /// Where to log in.
    pub fn door(&self) -> Door {
        self.admin.door.clone()
    }
}

impl Door {
    /// Opens a connection, as whatever uses the server does: over TLS, with `AUTH`, and with a `PING` after it.
    ///
    /// # Errors
    /// When the server refuses; [`refused`] tells whether it was for the password.
    pub async fn login(&self, user: Option<&str>, password: &str) -> anyhow::Result<Connection> {
        let mut connection = self.open().await?;
        let mut auth = vec!["AUTH"];
        auth.extend(user);
        auth.push(password);
        connection.expect(&auth, "OK").await?;
        connection.expect(&["PING"], "PONG").await?;
        Ok(connection)
    }

    /// Whether somebody may in who names no password.
    pub async fn is_open(&self) -> anyhow::Result<bool> {
        let mut connection = self.open().await?;
        Ok(connection.ask(&["PING"]).await? == Reply::Text("PONG".to_owned()))
    }

    async fn open(&self) -> anyhow::Result<Connection> {
        let opening = async {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(BufReader::new(programs::over_tls(stream, &self.tls).await?))
        };
        let stream = tokio::time::timeout(ANSWER_WITHIN, opening).await;
        Ok(Connection { stream: stream.context("the server did not answer")?? })
    }
}

/// Whether a login failed because the server does not take the password.
pub fn refused(error: &anyhow::Error) -> bool {
    let text = error.to_string();
    text.contains("WRONGPASS") || text.contains("NOAUTH")
}

impl Admin {
    /// The port of the server.
    pub const fn port(&self) -> u16 {
        self.door.port
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let mut connection = self.door.open().await?;
        connection.expect(&["AUTH", KEEPER, &self.password], "OK").await?;
        Ok(connection)
    }

    /// Lets a user in with these passwords and no other, at once; without any, with none at all. The server is told
    /// only their hashes. Connections that are open stay.
    pub async fn passwords(&self, user: &str, passwords: &[String]) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let mut command = ["ACL", "SETUSER", user, "on", "resetpass"].map(ToOwned::to_owned).to_vec();
        if passwords.is_empty() {
            command.push("nopass".to_owned());
        }
        command.extend(passwords.iter().map(|it| format!("#{}", hex::encode(Sha256::digest(it)))));
        command.extend(["~*", "&*", "+@all"].map(ToOwned::to_owned));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        connection.expect(&command, "OK").await
    }
}

impl Connection {
    /// Sends a command and waits for its reply (RESP, version 2).
    pub async fn ask(&mut self, command: &[&str]) -> anyhow::Result<Reply> {
        let words: Vec<String> =
            command.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        let sent = format!("*{}\r\n{}", command.len(), words.concat());
        let asking = async {
            self.stream.write_all(sent.as_bytes()).await?;
            self.stream.flush().await?;
            self.reply().await
        };
        tokio::time::timeout(ANSWER_WITHIN, asking).await.context("the server did not answer")?
    }

    async fn expect(&mut self, command: &[&str], text: &str) -> anyhow::Result<()> {
        match self.ask(command).await? {
            Reply::Text(got) if got == text => Ok(()),
            // What was sent is not said: it may be a password.
            Reply::Error(error) => bail!(error),
            Reply::Text(_) | Reply::Null | Reply::List(_) => bail!("the server did not answer {text}"),
        }
    }

    async fn reply(&mut self) -> anyhow::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            bail!("the server hung up");
        }
        let (kind, rest) = line.trim_end().split_at_checked(1).context("an empty reply")?;
        Ok(match kind {
            "+" | ":" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            "$" => match usize::try_from(rest.parse::<i64>()?) {
                Err(_) => Reply::Null,
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes).await?;
                    bytes.truncate(length);
                    Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
            },
            "*" => {
                let mut replies = Vec::new();
                for _ in 0..rest.parse::<i64>()? {
                    replies.push(Box::pin(self.reply()).await?);
                }
                Reply::List(replies)
            }
            other => bail!("a reply of an unknown kind: {other}"),
        })
    }
}

fn settings(folder: &Path, authority: &Authority, admin: &Admin) -> anyhow::Result<PathBuf> {
    let (certificate, key) = authority.server_pem(&["localhost", "127.0.0.1"])?;
    let keeper = hex::encode(Sha256::digest(&admin.password));
    // No disk, no daemon, and TLS for servers and clients alike.
    let settings = format!(
        "bind 127.0.0.1\nport 0\ntls-port {}\ntls-cert-file server.crt\ntls-key-file server.key\n\
         tls-ca-cert-file ca.crt\ntls-auth-clients no\nsave \"\"\nappendonly no\ndaemonize no\nloglevel verbose\n\
         user {KEEPER} on #{keeper} ~* &* +@all\n",
        admin.port()
    );
    for (name, content) in [
        ("server.crt", certificate.as_str()),
        ("server.key", key.as_str()),
        ("ca.crt", authority.ca_pem()),
        ("valkey.conf", settings.as_str()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(folder.join("valkey.conf"))
}

#[cfg(test)]
mod tests;
