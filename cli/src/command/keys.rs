//! `wk secrets check`: whether the secrets and keys that a task definition names are there. The values are read with the
//! operator's own credentials, looked at for the names of their keys, and let go.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_ecs::types::TaskDefinition;
use aws_sdk_secretsmanager as secretsmanager;
use aws_sdk_ssm as ssm;
use secret_redeploy::reference::{self, Place, Reference, Wanted};
use serde_json::{Value, json};
use shared::error::Call;

use crate::Problem;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::{Out, Tone};
use crate::service::{self, Service, short};

/// `GetParameters` takes at most this many names (Systems Manager API).
const PARAMETERS_AT_ONCE: usize = 10;

/// More names of keys help nobody.
const MOST_KEYS: usize = 12;

/// How a reference stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// A task that starts finds it.
    There,
    /// A task that starts does not find it: why.
    Missing(String),
    /// It could not be looked at: why.
    Unknown(String),
}

impl Standing {
    const fn word(&self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Missing(_) => "missing",
            Self::Unknown(_) => "unknown",
        }
    }

    pub(super) fn why(&self) -> &str {
        match self {
            Self::There => "",
            Self::Missing(why) | Self::Unknown(why) => why,
        }
    }
}

/// One reference, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    container: String,
    place: &'static str,
    /// The secret or parameter, as it is written.
    pub(super) name: String,
    /// The key within it.
    pub(super) key: Option<String>,
    /// How it stands.
    pub(super) standing: Standing,
}

/// What is known of a secret: nothing of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Looked {
    /// The keys of its JSON; none where it is none.
    Keys(Option<BTreeSet<String>>),
    Missing(String),
    Unknown(String),
}

/// What was looked at already: many services share a secret.
#[derive(Debug, Default)]
pub(super) struct Keys {
    secrets: BTreeMap<(String, String), Looked>,
    parameters: BTreeMap<String, Standing>,
}

pub(super) async fn check(reach: &Reach, text: &str, out: &Out) -> Result<Exit, Problem> {
    if reach.is_remote() {
        return Err(Problem::new(
            "values pass no function: wk secrets check reads which keys there are with your own credentials only, without \
             --remote",
        ));
    }
    let service = service::find(reach.config(), &reach.stack, text).await?;
    let definition = service::definition(reach.config(), &service).await?;
    out.note("Looking at each secret for the names of its keys …");
    let found = Keys::default().of(reach.config(), &service, &definition).await;
    let name = short(definition.task_definition_arn().unwrap_or_default());
    let rows: Vec<Value> = found.iter().map(json_of).collect();
    let answer = json!({"service": service.label(), "task_definition": name, "secrets": rows});
    out.answer(&answer, |out| {
        out.line(Tone::Strong, &format!("{} runs {name}", service.label()));
        if found.is_empty() {
            out.line(Tone::Plain, "it names no secret and no parameter");
            return;
        }
        let dash = || "–".to_owned();
        let rows = found.iter().map(|it| {
            let container = if it.container.is_empty() { dash() } else { it.container.clone() };
            let key = it.key.clone().unwrap_or_else(dash);
            let why = it.standing.why().to_owned();
            vec![container, secret_name(&it.name).to_owned(), key, it.standing.word().to_owned(), why]
        });
        out.table(&["CONTAINER", "SECRET", "KEY", "IS", "WHY"], rows.collect());
    });
    Ok(exit(&found))
}

fn exit(found: &[Found]) -> Exit {
    let any = |word: &str| found.iter().any(|it| it.standing.word() == word);
    match (any("missing"), any("unknown")) {
        (true, _) => Exit::Errors,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    }
}

fn json_of(it: &Found) -> Value {
    let Found { container, place, name, key, standing } = it;
    json!({"container": container, "place": place, "from": name, "key": key, "is": standing.word(),
        "why": (!standing.why().is_empty()).then(|| standing.why())})
}

/// A secret without the rest of its ARN.
pub(super) fn secret_name(from: &str) -> &str {
    from.split_once(":secret:").map_or(from, |(_, name)| name)
}

impl Keys {
    /// All that a service's tasks read from secrets and parameters when they start.
    pub(super) async fn of(
        &mut self,
        config: &SdkConfig,
        service: &Service,
        definition: &TaskDefinition,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        let home = service.described.service_arn().unwrap_or_default();
        let own = reference::of_definition(definition);
        for it in own.into_iter().chain(reference::of_service(&service.described)) {
            // What the application reads by itself, and when, nobody knows here.
            if it.place == Place::Environment {
                continue;
            }
            let looked = if is_elsewhere(it.secret.as_str(), home) {
                Looked::Unknown(ELSEWHERE.to_owned())
            } else {
                self.secret(config, &it).await
            };
            found.push(Found {
                container: it.container.clone().unwrap_or_default(),
                place: place(it.place),
                name: it.secret.as_str().to_owned(),
                standing: standing(&looked, it.key.as_deref()),
                key: it.key,
            });
        }
        let parameters = parameters(definition);
        let here = parameters.iter().filter(|(.., from)| !is_elsewhere(from, home));
        self.parameters(config, here.map(|(_, name, _)| name.as_str())).await;
        found.extend(parameters.into_iter().map(|(container, name, from)| {
            let standing = self.parameters.get(&name).cloned().filter(|_| !is_elsewhere(&from, home));
            let why = if is_elsewhere(&from, home) { ELSEWHERE } else { "it was not looked at" };
            let standing = standing.unwrap_or_else(|| Standing::Unknown(why.to_owned()));
            Found { container, place: "parameter", name, key: None, standing }
        }));
        found
    }

    async fn secret(&mut self, config: &SdkConfig, it: &Reference) -> Looked {
        let wanted = match &it.wanted {
            Wanted::Stage(stage) => stage.clone(),
            Wanted::Version(version) => version.clone(),
        };
        let key = (it.secret.as_str().to_owned(), wanted);
        if let Some(looked) = self.secrets.get(&key) {
            return looked.clone();
        }
        let looked = look(config, it).await;
        self.secrets.insert(key, looked.clone());
        looked
    }

    async fn parameters(&mut self, config: &SdkConfig, names: impl Iterator<Item = &str>) {
        let names: BTreeSet<_> = names.filter(|name| !self.parameters.contains_key(*name)).collect();
        let names: Vec<_> = names.into_iter().map(ToOwned::to_owned).collect();
        for some in names.chunks(PARAMETERS_AT_ONCE) {
            // Not decrypted: only whether they are there is asked for.
            let got = ssm::Client::new(config).get_parameters().set_names(Some(some.to_vec())).send().await;
            match got.action("ssm:GetParameters") {
                Ok(got) => {
                    let gone = got.invalid_parameters.unwrap_or_default();
                    for name in some {
                        let standing = if gone.contains(name) {
                            Standing::Missing("there is no such parameter".to_owned())
                        } else {
                            Standing::There
                        };
                        self.parameters.insert(name.clone(), standing);
                    }
                }
                Err(error) => {
                    let why = Problem::from(error).to_string();
                    for name in some {
                        self.parameters.insert(name.clone(), Standing::Unknown(why.clone()));
                    }
                }
            }
        }
    }
}

const fn place(place: Place) -> &'static str {
    match place {
        Place::Secret => "secret",
        Place::Log => "log",
        Place::Volume => "volume",
        Place::ServiceConnect => "service_connect",
        Place::Registry => "registry",
        Place::Environment => "environment",
    }
}

/// Looks at a secret for the names of its keys.
async fn look(config: &SdkConfig, it: &Reference) -> Looked {
    let asked = secretsmanager::Client::new(config).get_secret_value().secret_id(it.secret.as_str());
    let asked = match &it.wanted {
        Wanted::Stage(stage) => asked.version_stage(stage),
        Wanted::Version(version) => asked.version_id(version),
    };
    let error = match asked.send().await.action("secretsmanager:GetSecretValue") {
        Ok(value) => return Looked::Keys(value.secret_string().and_then(keys)),
        Err(error) => error,
    };
    match error.code() {
        Some("ResourceNotFoundException") => {
            let wanted = match &it.wanted {
                Wanted::Stage(stage) => format!("no version of it is {stage}"),
                Wanted::Version(version) => format!("it has no version {version}"),
            };
            Looked::Missing(format!("there is no such secret, or {wanted}"))
        }
        Some("InvalidRequestException") => {
            Looked::Missing("it is marked for deletion, or has no value".to_owned())
        }
        Some("DecryptionFailure") => {
            Looked::Missing("its key in KMS cannot decrypt it: look whether the key is enabled".to_owned())
        }
        _ => Looked::Unknown(Problem::from(error).to_string()),
    }
}

/// The names of the keys of a secret's JSON.
fn keys(text: &str) -> Option<BTreeSet<String>> {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return None };
    Some(fields.into_iter().map(|(name, _)| name).collect())
}

fn standing(looked: &Looked, key: Option<&str>) -> Standing {
    match (looked, key) {
        (Looked::Missing(why), _) => Standing::Missing(why.clone()),
        (Looked::Unknown(why), _) => Standing::Unknown(why.clone()),
        (Looked::Keys(_), None) => Standing::There,
        (Looked::Keys(None), Some(_)) => {
            Standing::Missing("its value is no JSON object: it has no keys".to_owned())
        }
        (Looked::Keys(Some(keys)), Some(key)) if keys.contains(key) => Standing::There,
        (Looked::Keys(Some(keys)), Some(_)) => {
            let names: Vec<_> = keys.iter().take(MOST_KEYS).map(String::as_str).collect();
            let more = keys.len().saturating_sub(MOST_KEYS);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            Standing::Missing(format!("it has no such key; it has: {}{more}", names.join(", ")))
        }
    }
}

const ELSEWHERE: &str = "it is in another Region or account, and not looked at from here";

/// Whether an ARN names another Region or account than that of the service. A bare name is of these.
fn is_elsewhere(from: &str, home: &str) -> bool {
    let place = |arn: &str| {
        let mut parts = arn.strip_prefix("arn:")?.split(':').skip(2);
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    place(from).zip(place(home)).is_some_and(|(from, home)| from != home)
}

/// The parameters that containers and their logs read: the container, the parameter's name, and how it is named there.
fn parameters(definition: &TaskDefinition) -> BTreeSet<(String, String, String)> {
    let containers = definition.container_definitions().iter();
    let all = containers.flat_map(|container| {
        let log = container.log_configuration().map(aws_sdk_ecs::types::LogConfiguration::secret_options);
        let all = container.secrets().iter().chain(log.unwrap_or_default());
        all.filter_map(|it| {
            let name = parameter(it.value_from())?.to_owned();
            Some((container.name().unwrap_or_default().to_owned(), name, it.value_from().to_owned()))
        })
    });
    all.collect()
}

/// The name of the parameter that this refers to; nothing where it refers to a secret.
fn parameter(from: &str) -> Option<&str> {
    let name = match from.strip_prefix("arn:") {
        Some(_) => {
            let mut parts = from.splitn(6, ':');
            let (service, resource) = (parts.nth(2)?, parts.nth(2)?);
            resource.strip_prefix("parameter").filter(|_| service == "ssm")?
        }
        None => from,
    };
    // A parameter on the outermost level is named without the slash that its ARN has.
    let bare = name.strip_prefix('/').filter(|bare| from.starts_with("arn:") && !bare.contains('/'));
    (!name.starts_with("/aws/reference/secretsmanager/")).then_some(bare.unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::{Exit, Found, Looked, Standing, exit, is_elsewhere, keys, parameter, standing};

    #[test]
    fn what_is_in_another_region_or_account_is_not_taken_for_something_here() {
        let home = "arn:aws:ecs:eu-central-1:111122223333:service/prod/web";
        for (from, elsewhere) in [
            ("/shop/key", false),
            ("prod/db", false),
            ("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/key", false),
            ("arn:aws:ssm:us-east-1:111122223333:parameter/shop/key", true),
            ("arn:aws:secretsmanager:eu-central-1:444455556666:secret:db-AbCdEf", true),
        ] {
            assert_eq!(is_elsewhere(from, home), elsewhere, "{from}");
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_missing_and_no_value_is_told() {
        let secret = r#"{"username": "ann", "password": "hunter2"}"#;
        let looked = Looked::Keys(keys(secret));
        assert!(!format!("{looked:?}").contains("hunter2"));
        assert_eq!(standing(&looked, Some("password")), Standing::There);
        assert_eq!(standing(&looked, None), Standing::There);
        let missing = standing(&looked, Some("PASSWORD"));
        assert_eq!(missing.why(), "it has no such key; it has: password, username");
        let text = Looked::Keys(keys("hunter2"));
        assert_eq!(standing(&text, Some("password")).why(), "its value is no JSON object: it has no keys");
        assert_eq!(standing(&text, None), Standing::There);
        assert_eq!(keys(r#"["hunter2"]"#), None);
        let many: Vec<_> = (0..14).map(|it| format!(r#""k{it:02}": 1"#)).collect();
        let many = Looked::Keys(keys(&format!("{{{}}}", many.join(","))));
        assert!(standing(&many, Some("x")).why().ends_with("k11 and 2 more"));
    }

    #[test]
    fn what_is_missing_is_worse_than_what_is_not_known() {
        let found = |standing| Found {
            container: String::new(),
            place: "secret",
            name: "prod/db".to_owned(),
            key: None,
            standing,
        };
        let unknown = || Standing::Unknown("denied".to_owned());
        let missing = || Standing::Missing("gone".to_owned());
        for (all, expected) in [
            (vec![], Exit::Good),
            (vec![Standing::There], Exit::Good),
            (vec![Standing::There, unknown()], Exit::Warnings),
            (vec![unknown(), missing()], Exit::Errors),
        ] {
            assert_eq!(exit(&all.into_iter().map(found).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn a_parameter_is_told_from_a_secret() {
        for (from, expected) in [
            ("/app/url", Some("/app/url")),
            ("url", Some("url")),
            ("arn:aws:ssm:eu-central-1:1:parameter/app/url", Some("/app/url")),
            ("arn:aws:ssm:eu-central-1:1:parameter/url", Some("url")),
            ("arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3:password::", None),
            ("/aws/reference/secretsmanager/prod/db", None),
            ("arn:aws:ssm:eu-central-1:1:parameter/aws/reference/secretsmanager/prod/db", None),
        ] {
            assert_eq!(parameter(from), expected, "{from}");
        }
    }
}
