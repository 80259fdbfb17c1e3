//! Where and as whom to log in, read from what a secret holds.

use serde::Serialize;

use crate::document::Document;
use crate::hidden::Hidden;

/// What is appended to the name of the first of two users to name the second.
const CLONE: &str = "_clone";

/// PostgreSQL cuts longer names off.
const LONGEST_NAME: usize = 63;

/// Where and as whom to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The kind of server.
    pub server: Server,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user; none where a token alone is asked for.
    pub user: Option<String>,
    /// The password or token.
    pub password: Hidden,
}

/// The kind of server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// PostgreSQL, and the database.
    Postgres {
        /// The database's name.
        database: String,
    },
    /// Valkey or Redis.
    Valkey,
}

impl Access {
    /// Whether both lead to the same server, and to the same database of it.
    pub fn same_place(&self, other: &Self) -> bool {
        self.server == other.server && self.host == other.host && self.port == other.port
    }
}

/// A PostgreSQL user.
///
/// # Errors
/// What the secret lacks, as the end of a sentence.
pub fn postgres(document: &Document) -> Result<Access, String> {
    Ok(Access {
        server: Server::Postgres {
            database: document.field("dbname").unwrap_or_else(|| "postgres".to_owned()),
        },
        host: required(document, "host")?,
        port: port(document, 5432)?,
        user: Some(required(document, "username")?),
        password: Hidden::new(required(document, "password")?),
    })
}

/// The database's superuser, whose secret may hold no more than the name and the password; the rest is then the user's.
///
/// # Errors
/// What does not fit, as the end of a sentence.
pub fn superuser(document: &Document, user: &Access) -> Result<Access, String> {
    if let Some(host) = document.field("host")
        && host != user.host
    {
        return Err(format!("is for the host {host:?}, not for {:?}", user.host));
    }
    let database = document.field("dbname");
    Ok(Access {
        server: database.map_or_else(|| user.server.clone(), |database| Server::Postgres { database }),
        host: user.host.clone(),
        port: port(document, user.port)?,
        user: Some(required(document, "username")?),
        password: Hidden::new(required(document, "password")?),
    })
}

/// The ARN of the superuser's secret.
///
/// # Errors
/// What the secret lacks, as the end of a sentence.
pub fn superuser_arn(document: &Document) -> Result<String, String> {
    document
        .field("masterarn")
        .or_else(|| document.field("superuser_secret_arn"))
        .ok_or_else(|| "lacks the field masterarn".to_owned())
}

/// A Valkey user.
///
/// # Errors
/// What the secret lacks, as the end of a sentence.
pub fn valkey_user(document: &Document) -> Result<Access, String> {
    Ok(Access {
        server: Server::Valkey,
        host: required(document, "host")?,
        port: port(document, 6379)?,
        user: Some(required(document, "username")?),
        password: Hidden::new(required(document, "password")?),
    })
}

/// The id of the ElastiCache user.
///
/// # Errors
/// What the secret lacks, as the end of a sentence.
pub fn user_id(document: &Document) -> Result<String, String> {
    if let Some(id) = document.field("user_id") {
        return Ok(id);
    }
    let arn = document.field("user_arn").ok_or_else(|| "lacks the field user_id or user_arn".to_owned())?;
    match arn.rsplit_once(":user:") {
        Some((_, id)) if !id.is_empty() => Ok(id.to_owned()),
        Some(_) | None => Err("holds a user_arn that is no ARN of an ElastiCache user".to_owned()),
    }
}

/// Access by an AUTH token.
///
/// # Errors
/// What the secret lacks, as the end of a sentence.
pub fn valkey_token(document: &Document) -> Result<Access, String> {
    Ok(Access {
        server: Server::Valkey,
        host: required(document, "host")?,
        port: port(document, 6379)?,
        user: None,
        password: Hidden::new(required(document, token_field(document))?),
    })
}

/// The field that holds the AUTH token.
pub fn token_field(document: &Document) -> &'static str {
    if document.has("auth_token") { "auth_token" } else { "password" }
}

/// A field that must be there.
///
/// # Errors
/// That it is not, as the end of a sentence.
pub fn required(document: &Document, name: &str) -> Result<String, String> {
    match document {
        Document::Plain(_) => Err("holds no JSON object".to_owned()),
        Document::Object(_) => document.field(name).ok_or_else(|| format!("lacks the field {name}")),
    }
}

fn port(document: &Document, usual: u16) -> Result<u16, String> {
    if !document.has("port") {
        return Ok(usual);
    }
    let port = document.field("port").and_then(|port| port.trim().parse().ok()).filter(|port| *port != 0);
    port.ok_or_else(|| "holds a port that is none".to_owned())
}

/// Two users that take turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The one that owns what there is.
    pub base: String,
    /// The one that acts as the first.
    pub clone: String,
}

impl Pair {
    /// The pair that this user is one of.
    ///
    /// # Errors
    /// Why it cannot be one, as the end of a sentence.
    pub fn of(user: &str) -> Result<Self, String> {
        let base = user.strip_suffix(CLONE).filter(|base| !base.is_empty()).unwrap_or(user);
        let pair = Self { base: base.to_owned(), clone: format!("{base}{CLONE}") };
        if LONGEST_NAME < pair.clone.len() {
            return Err(format!(
                "names the user {base:?}: with {CLONE} the name is longer than PostgreSQL's {LONGEST_NAME} bytes"
            ));
        }
        Ok(pair)
    }

    /// Whose turn it is after this user's.
    pub fn after(&self, user: &str) -> &str {
        if user == self.base { &self.clone } else { &self.base }
    }
}

#[cfg(test)]
mod tests;
