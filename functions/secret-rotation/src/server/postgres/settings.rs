//! The settings of a role (`ALTER ROLE … SET …`), which are the session user's own and are not inherited: without them the
//! second of two users would find another `search_path` or time-out than the first.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::Client;

use super::{Failure, column, execute, rows};

/// Whose values are lists of quoted names already (`GUC_LIST_QUOTE`, as in PostgreSQL's own `pg_dump`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Gives one role the settings of another, within a transaction. Answers the names of those that it may not be given.
pub(super) async fn copy(client: &Client, from: &str, to: &str) -> Result<Vec<String>, Failure> {
    let query = format!(
        "SELECT coalesce(d.datname, ''), setting FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, \
         unnest(s.setconfig) AS setting WHERE r.rolname = {}",
        escape_literal(from)
    );
    let mut lacking = Vec::new();
    for row in rows(client, &query).await? {
        let (database, setting) = (column(&row, 0), column(&row, 1));
        let Some((name, value)) = setting.split_once('=') else { continue };
        if name == "role" {
            continue;
        }
        execute(client, "SAVEPOINT setting").await?;
        match execute(client, &statement(to, &database, name, value)).await {
            Ok(()) => execute(client, "RELEASE SAVEPOINT setting").await?,
            // Some settings are a superuser's only.
            Err(Failure::Broken(_)) => {
                execute(client, "ROLLBACK TO SAVEPOINT setting").await?;
                lacking.push(name.to_owned());
            }
            Err(failure @ (Failure::Refused(_) | Failure::Away(_))) => return Err(failure),
        }
    }
    Ok(lacking)
}

fn statement(role: &str, database: &str, name: &str, value: &str) -> String {
    let role = escape_identifier(role);
    let within = if database.is_empty() {
        String::new()
    } else {
        format!("IN DATABASE {} ", escape_identifier(database))
    };
    let value = if LISTS.contains(&name) {
        let names: Vec<_> = names(value).iter().map(|name| escape_literal(name)).collect();
        names.join(", ")
    } else {
        escape_literal(value)
    };
    let name: Vec<_> = name.split('.').map(escape_identifier).collect();
    // An empty list cannot be written but as one empty name, which is how PostgreSQL keeps it, too.
    let value = if value.is_empty() { "''".to_owned() } else { value };
    format!("ALTER ROLE {role} {within}SET {} TO {value}", name.join("."))
}

/// The names of a list, without their quotes.
fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut rest = list.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            ' ' | '\t' | '\n' if !quoted => {}
            other => name.push(other),
        }
    }
    if !list.trim().is_empty() {
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::statement;

    #[track_caller]
    fn check(database: &str, name: &str, value: &str, expected: &str) {
        assert_eq!(statement("app_clone", database, name, value), expected);
    }

    #[test]
    fn a_setting_is_given_as_it_stands() {
        check("", "statement_timeout", "5s", r#"ALTER ROLE "app_clone" SET "statement_timeout" TO '5s'"#);
        check(
            "shop",
            "work_mem",
            "64MB",
            r#"ALTER ROLE "app_clone" IN DATABASE "shop" SET "work_mem" TO '64MB'"#,
        );
        check("", "my.tenant", "it's; --", r#"ALTER ROLE "app_clone" SET "my"."tenant" TO 'it''s; --'"#);
        check(r#"a"b"#, "work_mem", "", r#"ALTER ROLE "app_clone" IN DATABASE "a""b" SET "work_mem" TO ''"#);
    }

    #[test]
    fn a_list_of_names_stays_a_list() {
        check(
            "",
            "search_path",
            r#""$user", public, "with,comma", "with""quote""#,
            r#"ALTER ROLE "app_clone" SET "search_path" TO '$user', 'public', 'with,comma', 'with"quote'"#,
        );
        check("", "search_path", r#""""#, r#"ALTER ROLE "app_clone" SET "search_path" TO ''"#);
        check("", "search_path", "", r#"ALTER ROLE "app_clone" SET "search_path" TO ''"#);
    }
}
