//! A database password is rotated, and the services that use it are redeployed, by the deployed functions.
//!
//! Local AWS labels the version that is pending and leaves it at that; the four steps of the hook are called here, as
//! Secrets Manager calls them. Everything after that happens by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aws_sdk_ecs as ecs;
use aws_sdk_ecs::types::{ContainerDefinition, Secret};
use aws_sdk_lambda as lambda;
use aws_sdk_secretsmanager as secrets;
use aws_sdk_secretsmanager::types::Tag;
use local::postgres::{Door, Postgres, SUPERUSER, verifier};
use local::rotation::{CURRENT, STEPS, token};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::record::Story;
use super::report::text;
use super::{SOON, Stand};
use crate::say::{self, Terminal, Tone};

const SECRET: &str = "shop/database";
const MASTER: &str = "shop/database-master";
const CLUSTER: &str = "storefront";

/// Two waves, each followed to its end.
const PATIENCE: Duration = Duration::from_mins(2);

/// Plays the act.
pub(super) async fn play(story: &mut Story, stand: &Stand) -> anyhow::Result<()> {
    story.scene("secret", "A database password is rotated, and the services that use it are redeployed");
    let client = secrets::Client::new(&stand.deployment.config);
    let database = Database::start(stand).await;
    let (strategy, value) = match &database {
        Ok(database) => ("postgres-alternating", database.secret(&client).await?),
        Err(error) => {
            say::also(
                "without",
                &format!("PostgreSQL cannot be had here, so a random key is rotated: {error:#}"),
            );
            ("random", "0123456789abcdef0123456789abcdef".to_owned())
        }
    };
    let tag = Tag::builder().key("watchkeeper:rotation").value(strategy).build();
    let created = client.create_secret().name(SECRET).secret_string(value).tags(tag).send().await?;
    let arn = created.arn().context("the secret has no ARN")?.to_owned();
    let first = created.version_id().context("the secret has no version")?.to_owned();
    stand.say(Tone::Plain, "secret", &format!("{SECRET} is tagged watchkeeper:rotation = {strategy}"));
    services(stand, &arn, &first).await?;
    let app = match &database {
        Ok(database) => Some(App::start(database.server.door(), client.clone())),
        Err(_) => None,
    };

    let heard = stand.heard();
    rotate(stand, &client, &arn).await?;
    let report = stand
        .deployment
        .wait_for_report("SecretRedeployLogGroup", PATIENCE, |report| {
            text(report, "outcome") == "redeployed" && text(report, "subject") == SECRET
        })
        .await?;
    stand.say(Tone::Good, "redeployed", text(&report, "reason"));
    for member in report.pointer("/record/members").and_then(Value::as_array).into_iter().flatten() {
        let target = text(member, "target").trim_start_matches("ecs:");
        let wave = member.get("wave").and_then(Value::as_u64);
        match wave {
            Some(wave) => say::also(target, &format!("redeployed in wave {}", wave + 1)),
            None => say::also(target, &format!("left alone: {}", text(member, "why"))),
        }
    }
    let notice = stand.told(heard).await?;
    ensure!(text(&notice, "title").contains("2 services redeployed"), "it says {}", text(&notice, "title"));

    let mut connections = Value::Null;
    if let (Some(app), Ok(database)) = (app, &database) {
        let (opened, failed) = app.stop();
        ensure!(failed == 0, "{failed} of {opened} connections failed");
        stand.say(
            Tone::Good,
            "database",
            &format!("{opened} new connections during all of it, with the value of their time: none failed"),
        );
        database.expect_no_clear_text(&client).await?;
        say::also("log", "the database's log has every statement, and no password");
        connections = opened.into();
    }
    story.done(json!({
        "reason": text(&report, "reason"),
        "strategy": strategy,
        "took_seconds": report.get("Took"),
        "title": text(&notice, "title"),
        "connections": connections,
    }));
    Ok(())
}

/// The steps of the hook, as Secrets Manager calls them.
async fn rotate(stand: &Stand, client: &secrets::Client, arn: &str) -> anyhow::Result<()> {
    let hook = lambda::Client::new(&stand.deployment.config);
    let name = stand.deployment.output("SecretRotationFunction")?;
    let version = token("the demo");
    client.rotate_secret().secret_id(arn).client_request_token(&version).send().await?;
    stand.say(
        Tone::Plain,
        "rotate",
        "Secrets Manager calls secret-rotation, step by step (here: the demo in its place)",
    );
    for step in STEPS {
        let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": version});
        let payload = lambda::primitives::Blob::new(event.to_string());
        let answer = hook.invoke().function_name(name).payload(payload).send().await?;
        if answer.function_error().is_some() {
            let said = answer.payload().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned());
            bail!("{step} failed: {}", said.unwrap_or_default());
        }
        let report = stand
            .deployment
            .wait_for_report("SecretRotationLogGroup", SOON, |report| report.to_string().contains(step))
            .await?;
        say::also(step, text(&report, "reason"));
    }
    let described = client.describe_secret().secret_id(arn).send().await?;
    let current = described.version_ids_to_stages().and_then(|stages| stages.get(&version));
    ensure!(
        current.is_some_and(|stages| stages.iter().any(|stage| stage == CURRENT)),
        "the label did not move"
    );
    stand.say(Tone::Good, "rotated", "AWSCURRENT moved to the new version; the old value still works");
    Ok(())
}

/// Three services that use the secret: one by a key of it, one as a whole, and one that asks for the version of today
/// for ever. Their images are named by digest, because local AWS runs none and knows no digests.
async fn services(stand: &Stand, arn: &str, version: &str) -> anyhow::Result<()> {
    // One wave after another needs no minute here.
    stand.put_policy("redeploy:\n  settle: 1s\n").await?;
    let client = ecs::Client::new(&stand.deployment.config);
    client.create_cluster().cluster_name(CLUSTER).send().await?;
    for (name, reference) in [
        ("web", format!("{arn}:password::")),
        ("worker", arn.to_owned()),
        ("reports", format!("{arn}:password::{version}")),
    ] {
        let secret = Secret::builder().name("DATABASE").value_from(&reference).build()?;
        let image = format!("shop/{name}@{}", local::recorded::digest(name));
        let container =
            ContainerDefinition::builder().name("app").image(image).memory(128).secrets(secret).build();
        client.register_task_definition().family(name).container_definitions(container).send().await?;
        client
            .create_service()
            .cluster(CLUSTER)
            .service_name(name)
            .task_definition(name)
            .desired_count(1)
            .send()
            .await?;
    }
    stand.say(
        Tone::Plain,
        "services",
        "storefront/web, storefront/worker and storefront/reports use it; reports asks for one version by its id",
    );
    Ok(())
}

/// A real PostgreSQL server, with the user of the application.
struct Database {
    server: Postgres,
}

/// The passwords of the demo's own making. No statement and no log may hold them.
const FIRST: &str = "the-demo's-first-password";
const SUPERUSERS: &str = "the-demo's-superuser-password";

impl Database {
    async fn start(stand: &Stand) -> anyhow::Result<Self> {
        let authority = &stand.deployment.authority;
        let server = Postgres::start("demo-postgres", authority, SUPERUSERS, &Terminal).await?;
        let superuser = server.superuser().await?;
        let made = format!(
            "CREATE ROLE app LOGIN PASSWORD '{}'; CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO app",
            verifier(FIRST)
        );
        superuser.client.batch_execute(&made).await?;
        stand.say(
            Tone::Plain,
            "database",
            &format!("PostgreSQL listens on port {}, over TLS only", server.port()),
        );
        Ok(Self { server })
    }

    /// What the secret holds at first; that of the superuser is made, too.
    async fn secret(&self, client: &secrets::Client) -> anyhow::Result<String> {
        let master = json!({"username": SUPERUSER, "password": SUPERUSERS}).to_string();
        let master = client.create_secret().name(MASTER).secret_string(master).send().await?;
        let value = json!({"engine": "postgres", "host": "localhost", "port": self.server.port(), "username": "app",
            "password": FIRST, "dbname": SUPERUSER, "masterarn": master.arn()});
        Ok(value.to_string())
    }

    /// That no password is in the server's log.
    async fn expect_no_clear_text(&self, client: &secrets::Client) -> anyhow::Result<()> {
        let log = std::fs::read_to_string(self.server.log())?;
        ensure!(log.contains("CREATE ROLE"), "the database's log has no statements");
        let (_, now) = login(client).await?;
        for password in [FIRST, SUPERUSERS, &now] {
            ensure!(!log.contains(password), "a password is in the database's log");
        }
        Ok(())
    }
}

/// What a service reads when it starts.
async fn login(client: &secrets::Client) -> anyhow::Result<(String, String)> {
    let value = client.get_secret_value().secret_id(SECRET).send().await?;
    let value: Value = serde_json::from_str(value.secret_string().context("the secret has no text")?)?;
    Ok((text(&value, "username").to_owned(), text(&value, "password").to_owned()))
}

/// What uses the database: it reads the secret when it starts, opens a new connection every 50 ms, and starts anew every
/// two seconds, as if it were redeployed some time after the rotation.
struct App {
    task: JoinHandle<()>,
    opened: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl App {
    fn start(door: Door, client: secrets::Client) -> Self {
        let (opened, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let counts = (Arc::clone(&opened), Arc::clone(&failed));
        let task = tokio::spawn(async move {
            let mut tick = interval(Duration::from_millis(50));
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut read = None;
            let mut count = 0_u32;
            loop {
                tick.tick().await;
                if count.is_multiple_of(40) {
                    read = login(&client).await.ok().or(read);
                }
                count = count.wrapping_add(1);
                let Some((user, password)) = &read else { continue };
                let counted =
                    if door.login(user, password, SUPERUSER).await.is_ok() { &counts.0 } else { &counts.1 };
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { task, opened, failed }
    }

    /// How many connections were opened, and how many were refused.
    fn stop(self) -> (u32, u32) {
        self.task.abort();
        let failed = self.failed.load(Ordering::Relaxed);
        (self.opened.load(Ordering::Relaxed) + failed, failed)
    }
}
