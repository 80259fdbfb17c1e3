//! One secret, the server that it is for, and the function that rotates it, with everything that any of them says.

use std::io::{Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use local::postgres::{self, SUPERUSER, verifier};
use local::proxy::Proxy;
use local::recorded::{ElastiCache, SecretsManager};
use local::rotation::{CURRENT, Ended, PENDING, PREVIOUS, Rotation, token};
use local::runtime_api::Function;
use local::valkey::{self, Valkey};
use local::wire::Wire;
use serde_json::{Value, json};

use super::SUPERUSER_PASSWORD;
use super::app::App;
use crate::faults::spawn_with;
use crate::stage::{Stage, Told};

/// How the secret is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Alternating,
    User,
    Token,
    Random,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Postgres, Self::Alternating, Self::User, Self::Token, Self::Random];

    /// The word of the tag.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Alternating => "postgres-alternating",
            Self::User => "valkey-user",
            Self::Token => "valkey-auth-token",
            Self::Random => "random",
        }
    }
}

/// Where whatever uses the secret logs in: straight at the server, past the wire.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    Postgres(postgres::Door),
    Valkey(valkey::Door),
    /// Nothing but the secret holds the value.
    None,
}

impl Door {
    /// Logs in with what a version holds, and does what a service would do first.
    pub(crate) async fn enter(&self, value: &Value) -> anyhow::Result<()> {
        let text = |name: &str| value[name].as_str();
        match self {
            Self::Postgres(door) => {
                let user = text("username").context("no username")?;
                let database = text("dbname").context("no dbname")?;
                let session = door.login(user, text("password").context("no password")?, database).await?;
                let owner = user.trim_end_matches("_clone");
                session.client.query(&format!("SELECT count(*) FROM {owner}.orders"), &[]).await?;
            }
            Self::Valkey(door) => {
                let password = text("auth_token").or_else(|| text("password")).context("no password")?;
                door.login(text("username"), password).await?;
            }
            Self::None => {}
        }
        Ok(())
    }
}

pub(crate) struct Scene<'a> {
    stage: &'a Stage,
    kind: Kind,
    /// The secret's name, and the database user's.
    pub(crate) name: String,
    pub(crate) secrets: SecretsManager,
    pub(crate) proxy: Proxy,
    /// What leads to the server; the function knows no other way.
    pub(crate) wire: Option<Wire>,
    pub(crate) cache: Option<ElastiCache>,
    valkey: Option<Valkey>,
    door: Door,
    /// How long the database's log was before.
    said_before: u64,
    /// What was said, and by whom.
    heard: Mutex<Vec<(String, String)>>,
}

/// The secret of the database's superuser, as RDS keeps it: a name and a password.
const MASTER: &str = "rds!cluster-master";

/// The ElastiCache user's id and the replication group's.
pub(crate) const USER: &str = "app-user-1";
pub(crate) const GROUP: &str = "sessions";

impl<'a> Scene<'a> {
    /// A secret with a first value that works.
    pub(crate) async fn new(stage: &'a Stage, kind: Kind, name: &str) -> anyhow::Result<Self> {
        Self::with(stage, kind, name, |cache| cache).await
    }

    /// The same, with an ElastiCache of the test's choosing.
    pub(crate) async fn with(
        stage: &'a Stage,
        kind: Kind,
        name: &str,
        choose: impl FnOnce(ElastiCache) -> ElastiCache,
    ) -> anyhow::Result<Self> {
        let name = name.replace('-', "_");
        let first = format!("the-first-value-of-{}", name.replace('_', "-"));
        let tags = [("watchkeeper:rotation", kind.word())];
        let mut secrets = SecretsManager::new();
        let (mut wire, mut cache, mut valkey, mut door) = (None, None, None, Door::None);
        let mut said_before = 0;
        let value = match kind {
            Kind::Postgres | Kind::Alternating => {
                let server = stage.servers.postgres(stage).await?;
                said_before = std::fs::metadata(server.log())?.len();
                let own = Wire::to(server.port()).await?;
                let mut value = json!({"engine": "postgres", "host": "localhost", "port": own.port(), "username": name,
                    "password": first, "dbname": SUPERUSER});
                if kind == Kind::Alternating {
                    let password = format!("the-master-value-of-{}", name.replace('_', "-"));
                    let master = json!({"username": format!("{name}_master"), "password": password});
                    secrets = secrets.with_secret(MASTER, &master.to_string(), &[]);
                    secrets.turn(MASTER, None)?;
                    value["masterarn"] = secrets.arn(MASTER)?.into();
                    found(server, &name, &password, &first).await?;
                } else {
                    found(server, &name, "nobody-logs-in-with-this", &first).await?;
                }
                door = Door::Postgres(server.door());
                wire = Some(own);
                value
            }
            Kind::User | Kind::Token => {
                let authority = &stage.deployment.authority;
                let server = Valkey::start(&format!("tests/valkey-{name}"), authority, &Told).await?;
                let own = Wire::to(server.port()).await?;
                let mut value = json!({"engine": "valkey", "host": "localhost", "port": own.port()});
                let double = ElastiCache::of(server.admin()).settling_after(1);
                let double = if kind == Kind::User {
                    value["username"] = "app".into();
                    value["user_id"] = USER.into();
                    value["password"] = first.as_str().into();
                    double.with_user(USER, "app", &[&first]).await?
                } else {
                    value["replication_group_id"] = GROUP.into();
                    value["auth_token"] = first.as_str().into();
                    double.with_group(GROUP, Some(&first)).await?
                };
                cache = Some(choose(double));
                door = Door::Valkey(server.door());
                (wire, valkey) = (Some(own), Some(server));
                value
            }
            Kind::Random => Value::String(first),
        };
        // A text is no JSON document here, as a SECRET_KEY_BASE is none.
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let secrets = secrets.with_secret(&name, &text, &tags);

        let (answers, also) = (secrets.clone(), cache.clone());
        let endpoint = stage.deployment.aws.endpoint();
        let proxy = Proxy::forwarding_but(&endpoint, move |call| {
            answers.answer(call).or_else(|| also.as_ref()?.answer(call))
        });
        let proxy = proxy.await?;
        let heard = Mutex::default();
        Ok(Self { stage, kind, name, secrets, proxy, wire, cache, valkey, door, said_before, heard })
    }

    /// The function's process.
    pub(crate) async fn hook(&self) -> anyhow::Result<Function> {
        spawn_with(self.stage, &self.stage.secret_rotation, self.proxy.url(), &[]).await
    }

    /// The same, where nobody trusts the authority of the servers.
    pub(crate) async fn hook_that_trusts_others(&self) -> anyhow::Result<Function> {
        let bundle = self.stage.deployment.folder.join("other-roots.pem");
        local::tls::Authority::new()?.write_bundle(&bundle)?;
        let settings = [("SSL_CERT_FILE", bundle.to_string_lossy().into_owned())];
        spawn_with(self.stage, &self.stage.secret_rotation, self.proxy.url(), &settings).await
    }

    /// What the ledger says of the rotation.
    pub(crate) async fn entry(&self) -> anyhow::Result<shared::ledger::rotation::Rotation> {
        let arn = self.secrets.arn(&self.name)?;
        self.stage.ledger.rotation(&arn).await?.context("the ledger knows of no rotation")
    }

    /// Logs in with what a version holds and creates a table; whose it is.
    pub(crate) async fn owner_of_a_new_table(&self, value: &Value, table: &str) -> anyhow::Result<String> {
        let Door::Postgres(door) = &self.door else { anyhow::bail!("there is no database") };
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let session = door.login(text("username"), text("password"), text("dbname")).await?;
        session.client.batch_execute(&format!("CREATE TABLE {}.{table} (id int)", self.name)).await?;
        let asked =
            "SELECT tableowner::text FROM pg_tables WHERE schemaname = $1::text AND tablename = $2::text";
        let row = session.client.query_one(asked, &[&self.name, &table]).await?;
        Ok(row.get(0))
    }

    /// Begins the rotation of this word, or takes it up.
    pub(crate) fn rotation(&self, word: &str) -> anyhow::Result<Rotation> {
        Rotation::begin(&self.secrets, &self.name, &token(&format!("{} {word}", self.name)))
    }

    /// A whole rotation that must succeed.
    pub(crate) async fn rotate(&self, hook: &Function, word: &str) -> anyhow::Result<Ended> {
        let ended = self.rotation(word)?.run(hook).await?;
        self.hear(&format!("the rotation {word}"), format!("{ended:?}"));
        ensure!(ended.failed.is_none(), "{} {word}: {}", self.name, ended.failed.unwrap_or_default());
        Ok(ended)
    }

    /// Tells the hook that every dependant runs with the current version, as its queue does; what it gives back.
    pub(crate) async fn settle(&self, hook: &Function) -> anyhow::Result<Value> {
        let version = self.secrets.version(&self.name, CURRENT)?;
        let body = json!({"settle": {"secret": self.secrets.arn(&self.name)?, "version": version}});
        let invoked =
            hook.invoke(local::runtime_api::Event::new(&crate::rig::batch(&body.to_string()))).await?;
        self.hear("a settlement", format!("{:?}", invoked.outcome));
        match invoked.outcome {
            local::runtime_api::Outcome::Ok(answer) => Ok(answer),
            outcome => anyhow::bail!("the settlement ended with {outcome:?}"),
        }
    }

    /// A service that uses the secret.
    pub(crate) fn app(&self) -> anyhow::Result<App> {
        App::start(&self.secrets, &self.name, self.door.clone())
    }

    /// Whether the server takes what stands under a label. There may be nothing.
    pub(crate) async fn lets_in(&self, stage: &str) -> anyhow::Result<bool> {
        match self.secrets.value(&self.name, stage)? {
            None => Ok(false),
            Some(text) => {
                let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
                self.takes(&value).await
            }
        }
    }

    /// Whether the server takes these credentials; any answer but a refusal of the password is an error.
    pub(crate) async fn takes(&self, value: &Value) -> anyhow::Result<bool> {
        match self.door.enter(value).await {
            Ok(()) => Ok(true),
            Err(error) if postgres::refused(&error) || valkey::refused(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// That the current value or the pending one works: nobody is locked out.
    pub(crate) async fn expect_a_way_in(&self) -> anyhow::Result<()> {
        ensure!(
            self.lets_in(CURRENT).await? || self.lets_in(PENDING).await?,
            "{}: neither the current nor the pending value is let in",
            self.name
        );
        Ok(())
    }

    /// That the rotation of this token came to its end: it is current, works, and nothing is pending.
    pub(crate) async fn expect_rotated(&self, rotation: &Rotation, from: &str) -> anyhow::Result<()> {
        let label = |stage| self.secrets.version(&self.name, stage);
        let (current, previous, pending) = (label(CURRENT)?, label(PREVIOUS)?, label(PENDING)?);
        ensure!(
            current.as_deref() == Some(&*rotation.token)
                && previous.as_deref() == Some(from)
                && pending.is_none(),
            "{}: current {current:?}, previous {previous:?}, pending {pending:?}",
            self.name
        );
        ensure!(self.lets_in(CURRENT).await?, "{}: the new value is not let in", self.name);
        let written = self.secrets.written(&self.name, &rotation.token)?.len();
        ensure!(written == 1, "{}: {written} different values were written for one version", self.name);
        let overlaps = !matches!(self.kind, Kind::Postgres | Kind::Random);
        ensure!(!overlaps || self.lets_in(PREVIOUS).await?, "{}: the old value is cut off", self.name);
        Ok(())
    }

    /// Keeps what somebody said, for [`Scene::expect_silence`].
    pub(crate) fn hear(&self, who: &str, said: impl Into<String>) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push((who.to_owned(), said.into()));
    }

    /// Keeps what a process of the function wrote, once all that it wrote before its answers is read.
    pub(crate) async fn hear_out(&self, hook: &Function) -> anyhow::Result<()> {
        hook.reported().await?;
        self.hear("the function", [hook.stdout(), hook.stderr()].concat().join("\n"));
        Ok(())
    }

    /// That no secret value is in anything that was said: by the function, the servers, in the calls to AWS but those
    /// that carry it by their nature, and so in the ledger.
    pub(crate) fn expect_silence(&self) -> anyhow::Result<()> {
        let mut said = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(server) = &self.valkey {
            said.push(("Valkey".to_owned(), std::fs::read_to_string(server.log())?));
        }
        said.push(("PostgreSQL".to_owned(), self.said_by_the_database()?));
        let carriers =
            ["secretsmanager:PutSecretValue", "elasticache:ModifyUser", "elasticache:ModifyReplicationGroup"];
        for call in self.proxy.calls().iter().filter(|call| !carriers.iter().any(|it| call.is(it))) {
            let sent = String::from_utf8_lossy(&call.body).into_owned();
            said.push((call.action.clone(), sent + &call.path));
        }
        let values = self.hidden()?;
        for (who, text) in &said {
            for value in &values {
                ensure!(!text.contains(value.as_str()), "{}: {who} said a secret value", self.name);
            }
        }
        let wrote = said.iter().any(|(who, text)| who == "the function" && !text.is_empty());
        ensure!(wrote && !values.is_empty(), "nothing was listened to");
        Ok(())
    }

    /// What the database server said since the scene was made.
    pub(crate) fn said_by_the_database(&self) -> anyhow::Result<String> {
        let Some(server) = self.stage.servers.postgres.get() else { return Ok(String::new()) };
        let mut log = std::fs::File::open(server.log())?;
        log.seek(SeekFrom::Start(self.said_before))?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Every value that nobody may say.
    fn hidden(&self) -> anyhow::Result<Vec<String>> {
        let mut hidden = vec![SUPERUSER_PASSWORD.to_owned()];
        let mut all = self.secrets.values(&self.name)?;
        if self.kind == Kind::Alternating {
            all.extend(self.secrets.values(MASTER)?);
        }
        for text in all {
            match serde_json::from_str::<Value>(&text) {
                Ok(Value::Object(fields)) => {
                    let secret =
                        fields.into_iter().filter(|(name, _)| name == "password" || name == "auth_token");
                    hidden.extend(secret.filter_map(|(_, value)| Some(value.as_str()?.to_owned())));
                }
                _ => hidden.push(text),
            }
        }
        Ok(hidden)
    }
}

/// A master user who is no superuser, as on RDS; the user that the application has, made by it; and something that is
/// the application's own.
async fn found(
    server: &postgres::Postgres,
    name: &str,
    master_password: &str,
    password: &str,
) -> anyhow::Result<()> {
    let master = format!("{name}_master");
    let superuser = server.superuser().await?;
    let made = format!("CREATE ROLE {master} LOGIN CREATEROLE PASSWORD '{}'", verifier(master_password));
    superuser.client.batch_execute(&made).await?;
    let master = server.door().login(&master, master_password, SUPERUSER).await?;
    master
        .client
        .batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{}'", verifier(password)))
        .await?;
    let own = format!(
        "CREATE SCHEMA {name} AUTHORIZATION {name}; CREATE TABLE {name}.orders (id int); ALTER TABLE {name}.orders OWNER TO {name}"
    );
    superuser.client.batch_execute(&own).await?;
    Ok(())
}
