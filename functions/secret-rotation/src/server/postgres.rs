//! PostgreSQL: logging in, and setting a password as a SCRAM-SHA-256 verifier that is computed here, so that the server,
//! its logs and its extensions never see the clear text. `VALID UNTIL` and all else of a role stay as they are.

mod settings;

use std::time::Duration;

use postgres_protocol::escape::{escape_identifier, escape_literal};
use postgres_protocol::password::scram_sha_256;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Failure, tls};
use crate::account::{Access, Pair};
use crate::facts::Login;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(4);

type Tried<T> = Result<T, Failure>;

/// Logs in and reads.
pub(crate) async fn login(access: &Access, database: &str, is_superuser: bool) -> Tried<Login> {
    let binding = if is_superuser { ChannelBinding::Require } else { ChannelBinding::Prefer };
    let client = connect(access, database, binding).await?;
    let rows = rows(&client, "SELECT session_user::text, current_user::text, now()::text").await?;
    let row = rows.first().ok_or_else(|| Failure::Broken("answers a query with nothing".to_owned()))?;
    Ok(Login::In { user: column(row, 0), acts_as: column(row, 1) })
}

/// Sets the user's own password.
pub(crate) async fn set_password(session: &Access, database: &str, proof: &Access) -> Tried<()> {
    let client = connect(session, database, ChannelBinding::Prefer).await?;
    let user = escape_identifier(proof.user.as_deref().unwrap_or_default());
    execute(&client, &format!("ALTER ROLE {user} PASSWORD {}", verifier(proof))).await
}

/// Sets the password of the one of two users whose turn it is; makes it, if it is the second and not there yet. All of it
/// comes to be at once or not at all. Answers which of the first user's settings the second could not be given.
pub(crate) async fn alternate(
    session: &Access,
    database: &str,
    pair: &Pair,
    proof: &Access,
) -> Tried<Vec<String>> {
    // Where the secret leads to a server of somebody else's, that must not get the superuser's password in clear text.
    let client = connect(session, database, ChannelBinding::Require).await?;
    let next = proof.user.as_deref().unwrap_or_default();
    let Some(base) = role(&client, &pair.base).await? else {
        return Err(Failure::Broken(format!("has no role {:?}", pair.base)));
    };
    let known = if next == pair.base { Some(base) } else { role(&client, next).await? };
    if known.is_some_and(|role| role.superuser) {
        return Err(Failure::Broken(format!("has a superuser {next:?}, whose password is not set this way")));
    }
    let role = escape_identifier(next);
    let password = verifier(proof);
    execute(&client, "BEGIN; SET LOCAL lock_timeout = '3s'").await?;
    if known.is_some() {
        execute(&client, &format!("ALTER ROLE {role} LOGIN PASSWORD {password}")).await?;
    } else {
        let connections = base.connections;
        execute(
            &client,
            &format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {connections} PASSWORD {password}"),
        )
        .await?;
    }
    let mut lacking = Vec::new();
    if next != pair.base {
        let first = escape_identifier(&pair.base);
        if !member(&client, next, &pair.base).await? {
            execute(&client, &format!("GRANT {first} TO {role}")).await?;
        }
        lacking = settings::copy(&client, &pair.base, next).await?;
        execute(&client, &format!("ALTER ROLE {role} SET role TO {}", escape_literal(&pair.base))).await?;
    }
    execute(&client, "COMMIT").await?;
    Ok(lacking)
}

async fn connect(access: &Access, database: &str, binding: ChannelBinding) -> Tried<Client> {
    let config = tls::postgres()?;
    let mut to = Config::new();
    to.host(&access.host)
        .port(access.port)
        .user(access.user.as_deref().unwrap_or_default())
        .password(access.password.reveal())
        .dbname(database)
        .application_name("watchkeeper")
        .connect_timeout(CONNECT)
        .ssl_mode(SslMode::Require)
        .channel_binding(binding);
    let (client, connection) =
        to.connect(MakeRustlsConnect::new((*config).clone())).await.map_err(|error| failure(&error))?;
    // It ends when the client is dropped; what goes wrong with it, the client hears.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// What is to be known of a role.
#[derive(Clone, Copy)]
struct Role {
    superuser: bool,
    connections: i32,
}

async fn role(client: &Client, name: &str) -> Tried<Option<Role>> {
    let query = format!(
        "SELECT rolsuper::text, rolconnlimit::text FROM pg_catalog.pg_roles WHERE rolname = {}",
        escape_literal(name)
    );
    let rows = rows(client, &query).await?;
    Ok(rows.first().map(|row| Role {
        superuser: column(row, 0) == "true",
        connections: column(row, 1).parse().unwrap_or(-1),
    }))
}

/// Whether one role is a member of another already. It is asked first: granting it again may need more than was needed to
/// grant it once.
async fn member(client: &Client, name: &str, of: &str) -> Tried<bool> {
    let query = format!(
        "SELECT 1 FROM pg_catalog.pg_auth_members m \
         JOIN pg_catalog.pg_roles r ON r.oid = m.member JOIN pg_catalog.pg_roles g ON g.oid = m.roleid \
         WHERE r.rolname = {} AND g.rolname = {}",
        escape_literal(name),
        escape_literal(of)
    );
    Ok(!rows(client, &query).await?.is_empty())
}

/// The literal that stands for a password.
fn verifier(access: &Access) -> String {
    escape_literal(&scram_sha_256(access.password.reveal().as_bytes()))
}

async fn execute(client: &Client, statement: &str) -> Tried<()> {
    client.batch_execute(statement).await.map_err(|error| failure(&error))
}

async fn rows(client: &Client, query: &str) -> Tried<Vec<SimpleQueryRow>> {
    let messages = client.simple_query(query).await.map_err(|error| failure(&error))?;
    Ok(messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            SimpleQueryMessage::CommandComplete(_) | SimpleQueryMessage::RowDescription(_) | _ => None,
        })
        .collect())
}

fn column(row: &SimpleQueryRow, index: usize) -> String {
    row.try_get(index).ok().flatten().unwrap_or_default().to_owned()
}

/// What went wrong. Of the server's words only its message is taken: details, hints and contexts may quote statements.
fn failure(error: &tokio_postgres::Error) -> Failure {
    let Some(said) = error.as_db_error() else {
        let text = tls::chain(error);
        return if text.contains("server does not support TLS") {
            Failure::Broken(
                "does not speak TLS: no password was sent. Set ssl = on, or rds.force_ssl = 1".to_owned(),
            )
        } else {
            tls::failure(error)
        };
    };
    let code = said.code();
    let text = format!("{} (SQLSTATE {})", said.message(), code.code());
    if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) {
        return Failure::Refused(text);
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return Failure::Broken(format!(
            "says: {text}. Who sets another's password needs CREATEROLE, and since PostgreSQL 16 both roles WITH ADMIN OPTION"
        ));
    }
    // Connections (08), a read-only standby (25006), transactions that were rolled back (40), resources (53), locks (55),
    // an operator (57): they pass. A failover shows as one of them.
    let passes = ["08", "40", "53", "55", "57"].iter().any(|class| code.code().starts_with(class))
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION;
    if passes { Failure::Away(format!("says: {text}")) } else { Failure::Broken(format!("says: {text}")) }
}
