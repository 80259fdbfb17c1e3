//! Valkey and Redis: logging in over TLS. Three commands are needed: AUTH, PING and ACL WHOAMI. The well-kept client, `redis`,
//! is many times as much code for them and repeats in its errors what the server said to which command; so these few lines
//! of the protocol (RESP 2) stand here.

use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Failure, tls};
use crate::account::Access;
use crate::facts::Login;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(4);

/// Longer answers belong to none of the commands.
const LONGEST: u64 = 4096;

type Tried<T> = Result<T, Failure>;

/// Logs in, and asks something.
pub(crate) async fn login(access: &Access) -> Tried<Login> {
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect((access.host.as_str(), access.port)));
    let tcp = match connecting.await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => return Err(Failure::Away(format!("could not be reached: {error}"))),
        Err(_) => return Err(Failure::Away("could not be reached in time".to_owned())),
    };
    let name = ServerName::try_from(access.host.clone())
        .map_err(|_| Failure::Broken("is no name that a certificate could bear".to_owned()))?;
    let connector = TlsConnector::from(tls::valkey()?);
    let stream = connector.connect(name, tcp).await.map_err(|error| tls::failure(&error))?;
    converse(&mut BufStream::new(stream), access).await
}

async fn converse<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut S, access: &Access) -> Tried<Login> {
    let password = access.password.reveal();
    let auth = match access.user.as_deref() {
        Some(user) => ask(stream, &["AUTH", user, password]).await?,
        None => ask(stream, &["AUTH", password]).await?,
    };
    if let Reply::Error(said) = auth {
        return Err(refused(said));
    }
    let mut user = access.user.clone().unwrap_or_else(|| "default".to_owned());
    match ask(stream, &["PING"]).await? {
        Reply::Text(answer) if answer == "PONG" => {}
        // It is logged in, and may not ask this.
        Reply::Error(said) if said.starts_with("NOPERM") => {}
        Reply::Error(said) => return Err(passing(&said)),
        Reply::Text(_) => return Err(Failure::Broken("answers PING with something else".to_owned())),
    }
    // Before version 6 there are no users, and a user may be forbidden to ask.
    if let Reply::Text(name) = ask(stream, &["ACL", "WHOAMI"]).await? {
        user = name;
    }
    Ok(Login::In { acts_as: user.clone(), user })
}

/// What AUTH was answered.
fn refused(said: String) -> Failure {
    let code = said.split(' ').next().unwrap_or_default();
    match code {
        "WRONGPASS" | "NOAUTH" | "NOPERM" | "ERR" => Failure::Refused(said),
        _ => passing(&said),
    }
}

/// An answer that says that the server cannot now: it loads, fails over, or has too many clients.
fn passing(said: &str) -> Failure {
    Failure::Away(format!("says: {said}"))
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Text(String),
    Error(String),
}

async fn ask<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut S, words: &[&str]) -> Tried<Reply> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        for part in ["$", &word.len().to_string(), "\r\n", word, "\r\n"] {
            command.push_str(part);
        }
    }
    stream.write_all(command.as_bytes()).await.map_err(|error| tls::failure(&error))?;
    stream.flush().await.map_err(|error| tls::failure(&error))?;
    reply(stream).await
}

async fn reply<S: AsyncBufRead + Unpin>(stream: &mut S) -> Tried<Reply> {
    let head = line(stream).await?;
    let strange = || Failure::Broken("does not speak the protocol of Valkey and Redis".to_owned());
    let (kind, rest) = head.split_at_checked(1).ok_or_else(strange)?;
    match kind {
        "+" | ":" => Ok(Reply::Text(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        "$" => {
            let length: u64 = rest.parse().ok().filter(|length| *length <= LONGEST).ok_or_else(strange)?;
            let mut text = Vec::new();
            stream.take(length + 2).read_to_end(&mut text).await.map_err(|error| tls::failure(&error))?;
            let text = String::from_utf8_lossy(&text);
            text.strip_suffix("\r\n").map(|text| Reply::Text(text.to_owned())).ok_or_else(strange)
        }
        _ => Err(strange()),
    }
}

async fn line<S: AsyncBufRead + Unpin>(stream: &mut S) -> Tried<String> {
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await.map_err(|error| tls::failure(&error))?;
    let line = String::from_utf8_lossy(&line);
    line.strip_suffix("\r\n")
        .map(ToOwned::to_owned)
        .ok_or_else(|| Failure::Away("ended the connection within an answer".to_owned()))
}

#[cfg(test)]
mod tests;
