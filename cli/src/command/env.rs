//! `wk env`: what a service really runs with. Values pass no function, and no line of this file prints one but where
//! [`may_show`] allows it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use aws_config::SdkConfig;
use aws_sdk_cloudformation as cloudformation;
use aws_sdk_ecs::types::{ContainerDefinition, TaskDefinition};
use serde_json::{Value, json};
use shared::policy::Policy;

use crate::Problem;
use crate::args::Variables;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::{Out, Tone};
use crate::service::{self, Service, short};
use crate::stack::Stack;

/// A variable of a container.
#[derive(Clone, PartialEq, Eq)]
struct Variable {
    container: String,
    name: String,
    holds: Holds,
}

/// What a variable holds. It has no `Debug`: a plain value may be a password that somebody put there.
#[derive(Clone, PartialEq, Eq)]
enum Holds {
    /// A value.
    Plain(String),
    /// A reference to a secret or a parameter, which is never followed.
    Secret(String),
    /// All that stands in a file of S3, which is not read.
    File(String),
}

impl Holds {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Plain(_) => "plain",
            Self::Secret(_) => "secret",
            Self::File(_) => "file",
        }
    }

    /// As it may be seen by anybody.
    fn masked(&self) -> String {
        match self {
            Self::Plain(value) if value.is_empty() => "empty".to_owned(),
            Self::Plain(_) => "set".to_owned(),
            Self::Secret(from) => format!("secret {}", reference(from)),
            Self::File(from) => format!("file {from}"),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Secret(_) | Self::File(_) => self.masked(),
        }
    }
}

pub(super) async fn run(reach: &Reach, asked: &Variables, out: &Out) -> Result<Exit, Problem> {
    if reach.is_remote() {
        return Err(Problem::new(
            "values pass no function: wk env reads them with your own credentials only, without --remote",
        ));
    }
    let (config, stack) = (reach.config(), &reach.stack);
    let service = service::find(config, stack, &asked.service).await?;
    if asked.show {
        let alone = out.is_for_people() && std::io::stdout().is_terminal();
        may_show(alone, reach.is_production().await, &service, &stack.environment).map_err(Problem::new)?;
    }
    let here = Seen::of(config, service, asked.filter.as_deref()).await?;
    match &asked.compare {
        None => {
            let answer = json!({"environment": stack.environment, "service": here.json(), "variables": masked(&here.variables)});
            out.answer(&answer, |out| here.show(asked.show, out));
            Ok(Exit::Good)
        }
        Some(other) => {
            let there = Stack::find(&cloudformation::Client::new(config), Some(other)).await?;
            let wanted = asked.with.as_deref().unwrap_or(here.service.name.as_str());
            let service = service::find(config, &there, wanted).await.map_err(|problem| {
                Problem::new(format!("{problem}. --with says what it is called in {other}"))
            })?;
            let there = Seen::of(config, service, asked.filter.as_deref()).await?;
            if there.service.label() == here.service.label() {
                return Err(Problem::new(format!(
                    "that is the same service, {}: --with says what it is called in {other}",
                    here.service.label()
                )));
            }
            Ok(compared(&here, &there, [&stack.environment, other], out))
        }
    }
}

/// A reference as people read it: without the rest of the ARN.
fn reference(from: &str) -> String {
    let name =
        from.split_once(":secret:").or_else(|| from.split_once(":parameter")).map_or(from, |(_, name)| name);
    let mut parts = name.split(':');
    let name = parts.next().unwrap_or_default().to_owned();
    let said = ["key", "stage", "version"].into_iter().zip(parts).filter(|(_, part)| !part.is_empty());
    said.fold(name, |name, (what, part)| format!("{name}, {what} {part}"))
}

/// Whether plain values may be seen: `alone` at a terminal, outside of what is production or may be.
fn may_show(alone: bool, production: bool, service: &Service, environment: &str) -> Result<(), String> {
    if !alone {
        return Err(
            "--show shows values on a terminal only, and never as JSON: they must not end up in a log"
                .to_owned(),
        );
    }
    if production {
        return Err(format!(
            "{environment} is production, or it cannot be known that it is not: no value is shown"
        ));
    }
    if service.environment.as_deref() != Some(environment) {
        return Err(format!(
            "no tag {} says whose {} is, and what is not known counts as production: no value is shown",
            shared::tags::ENVIRONMENT,
            service.label()
        ));
    }
    // A tag is easily copied.
    if Policy::default().is_production(&service.cluster) {
        return Err(format!("the cluster {} is called as production is: no value is shown", service.cluster));
    }
    Ok(())
}

/// A service with what it runs with.
struct Seen {
    service: Service,
    definition: String,
    variables: Vec<Variable>,
}

impl Seen {
    async fn of(config: &SdkConfig, service: Service, filter: Option<&str>) -> Result<Self, Problem> {
        let definition = service::definition(config, &service).await?;
        let arn = definition.task_definition_arn().unwrap_or_default();
        let mut variables = variables(&definition);
        if let Some(filter) = filter {
            variables.retain(|it| fits(it, filter));
        }
        Ok(Self { definition: short(arn).to_owned(), variables, service })
    }

    fn json(&self) -> Value {
        json!({"name": self.service.label(), "task_definition": self.definition, "moving": self.service.moving()})
    }

    fn head(&self, out: &Out) {
        out.line(Tone::Strong, &format!("{} runs {}", self.service.label(), self.definition));
        if let Some(moving) = self.service.moving() {
            out.line(Tone::Warm, &moving);
        }
    }

    fn show(&self, plain: bool, out: &Out) {
        self.head(out);
        let value = |it: &Variable| if plain { it.holds.shown() } else { it.holds.masked() };
        let rows: Vec<_> =
            self.variables.iter().map(|it| vec![it.container.clone(), it.name.clone(), value(it)]).collect();
        if rows.is_empty() {
            out.line(Tone::Plain, "no variable is called so");
        } else {
            out.table(&["CONTAINER", "NAME", "VALUE"], rows);
        }
    }
}

/// All variables, container by container, in the order of their names.
fn variables(definition: &TaskDefinition) -> Vec<Variable> {
    let mut all: Vec<_> = definition.container_definitions().iter().flat_map(of_container).collect();
    all.sort_by(|a, b| (&a.container, &a.name).cmp(&(&b.container, &b.name)));
    all
}

fn of_container(container: &ContainerDefinition) -> Vec<Variable> {
    let label = container.name().unwrap_or_default();
    let variable = |name: &str, holds| Variable { container: label.to_owned(), name: name.to_owned(), holds };
    let plain = container.environment().iter().map(|it| {
        let value = it.value().unwrap_or_default().to_owned();
        variable(it.name().unwrap_or_default(), Holds::Plain(value))
    });
    let secrets =
        container.secrets().iter().map(|it| variable(it.name(), Holds::Secret(it.value_from().to_owned())));
    let files =
        container.environment_files().iter().map(|it| variable("*", Holds::File(it.value().to_owned())));
    plain.chain(secrets).chain(files).collect()
}

const DATABASE: [&str; 10] =
    ["DATABASE", "DB_", "_DB", "POSTGRES", "PG", "MYSQL", "REDIS", "VALKEY", "MONGO", "SQL"];
const SECRETS: [&str; 7] = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "KEY", "CREDENTIAL", "AUTH"];
const API: [&str; 5] = ["API", "URL", "ENDPOINT", "HOST", "ORIGIN"];

/// By its name alone: whoever could ask for a part of a value would learn the value.
fn fits(variable: &Variable, filter: &str) -> bool {
    let name = variable.name.to_ascii_uppercase();
    let any = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match filter.to_ascii_lowercase().as_str() {
        "database" => any(&DATABASE),
        "secrets" => any(&SECRETS) || matches!(variable.holds, Holds::Secret(_)),
        "api" => any(&API),
        _ => name.contains(&filter.to_ascii_uppercase()),
    }
}

fn masked(variables: &[Variable]) -> Vec<Value> {
    let one = |it: &Variable| {
        let mut one = json!({"container": it.container, "name": it.name, "kind": it.holds.kind()});
        let (field, value) = match &it.holds {
            Holds::Plain(_) => ("value", it.holds.masked()),
            Holds::Secret(from) | Holds::File(from) => ("from", from.clone()),
        };
        if let Some(fields) = one.as_object_mut() {
            fields.insert(field.to_owned(), json!(value));
        }
        one
    };
    variables.iter().map(one).collect()
}

/// How a variable is in two environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Same,
    Different,
    OnlyHere,
    OnlyThere,
}

impl Compared {
    const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::OnlyHere => "only here",
            Self::OnlyThere => "only there",
        }
    }
}

fn compare(here: &[Variable], there: &[Variable]) -> BTreeMap<(String, String), (Compared, [String; 2])> {
    let index = |all: &[Variable]| -> BTreeMap<(String, String), Vec<Holds>> {
        let mut index = BTreeMap::<_, Vec<Holds>>::new();
        for it in all {
            index.entry((it.container.clone(), it.name.clone())).or_default().push(it.holds.clone());
        }
        index
    };
    let (here, there) = (index(here), index(there));
    let names: BTreeSet<_> = here.keys().chain(there.keys()).cloned().collect();
    let one = |key: (String, String)| {
        let (ours, theirs) = (here.get(&key), there.get(&key));
        let compared = match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours == theirs => Compared::Same,
            (Some(_), Some(_)) => Compared::Different,
            (Some(_), None) => Compared::OnlyHere,
            (None, _) => Compared::OnlyThere,
        };
        let words = |held: Option<&Vec<Holds>>| {
            held.map_or_else(
                || "–".to_owned(),
                |held| held.iter().map(Holds::masked).collect::<Vec<_>>().join(", "),
            )
        };
        (key, (compared, [words(ours), words(theirs)]))
    };
    names.into_iter().map(one).collect()
}

fn compared(here: &Seen, there: &Seen, environments: [&str; 2], out: &Out) -> Exit {
    let all = compare(&here.variables, &there.variables);
    let differ = all.values().filter(|(compared, _)| *compared != Compared::Same).count();
    let answer = json!({
        "environments": environments,
        "services": [here.json(), there.json()],
        "different": differ,
        "variables": all.iter().map(|((container, name), (compared, [ours, theirs]))| json!({
            "container": container, "name": name, "is": compared.word().replace(' ', "_"), "here": ours, "there": theirs,
        })).collect::<Vec<_>>(),
    });
    out.answer(&answer, |out| {
        here.head(out);
        there.head(out);
        let rows: Vec<_> = all
            .iter()
            .map(|((container, name), (compared, [ours, theirs]))| {
                vec![
                    container.clone(),
                    name.clone(),
                    compared.word().to_owned(),
                    ours.clone(),
                    theirs.clone(),
                ]
            })
            .collect();
        let [ours, theirs] = environments.map(str::to_uppercase);
        if !rows.is_empty() {
            out.table(&["CONTAINER", "NAME", "IS", &ours, &theirs], rows);
        }
        out.line(
            if differ == 0 { Tone::Good } else { Tone::Warm },
            &format!("{differ} of {} variables differ", all.len()),
        );
    });
    if differ == 0 { Exit::Good } else { Exit::Warnings }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{ContainerDefinition, KeyValuePair, Secret, TaskDefinition};

    use super::{Compared, Holds, Variable, compare, fits, masked, may_show, reference, variables};
    use crate::service::Service;

    const PASSWORD: &str = "hunter2";
    const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3:password::";

    fn definition(url: &str, more: bool) -> TaskDefinition {
        let pair = |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
        let secret = Secret::builder().name("DB_PASSWORD").value_from(SECRET);
        let container = ContainerDefinition::builder()
            .name("app")
            .environment(pair("DATABASE_URL", url))
            .environment(pair("EMPTY", ""))
            .secrets(secret.build().unwrap());
        let container = if more { container.environment(pair("LOG_LEVEL", "debug")) } else { container };
        TaskDefinition::builder().container_definitions(container.build()).build()
    }

    #[test]
    fn values_are_masked_and_secrets_are_named_by_their_reference() {
        let all = variables(&definition(PASSWORD, true));
        let said = serde_json::to_string(&masked(&all)).unwrap();
        assert!(!said.contains(PASSWORD) && !said.contains("debug"), "{said}");
        let words: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.holds.masked())).collect();
        assert_eq!(
            words,
            [
                ("DATABASE_URL", "set".to_owned()),
                ("DB_PASSWORD", "secret prod/db-a1B2c3, key password".to_owned()),
                ("EMPTY", "empty".to_owned()),
                ("LOG_LEVEL", "set".to_owned()),
            ]
        );
        let shown: Vec<_> = all.iter().map(|it| it.holds.shown()).collect();
        assert_eq!(shown, [PASSWORD, "secret prod/db-a1B2c3, key password", "", "debug"]);
        for (from, expected) in [
            (
                "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3::AWSPREVIOUS:",
                "prod/db-a1B2c3, stage AWSPREVIOUS",
            ),
            ("arn:aws:ssm:eu-central-1:1:parameter/app/url", "/app/url"),
            ("url", "url"),
        ] {
            assert_eq!(reference(from), expected);
        }
    }

    #[test]
    fn two_environments_are_compared_without_a_value() {
        let (here, there) = (variables(&definition(PASSWORD, true)), variables(&definition("other", false)));
        let all = compare(&here, &there);
        assert!(!format!("{all:?}").contains(PASSWORD), "{all:?}");
        let is = |name: &str| all[&("app".to_owned(), name.to_owned())].0;
        assert_eq!(is("DATABASE_URL"), Compared::Different);
        assert_eq!(is("DB_PASSWORD"), Compared::Same);
        assert_eq!(is("EMPTY"), Compared::Same);
        assert_eq!(is("LOG_LEVEL"), Compared::OnlyHere);
        assert_eq!(
            compare(&there, &here)[&("app".to_owned(), "LOG_LEVEL".to_owned())].0,
            Compared::OnlyThere
        );
    }

    #[test]
    fn a_filter_looks_at_names_alone() {
        let plain = |name: &str| Variable {
            container: "app".to_owned(),
            name: name.to_owned(),
            holds: Holds::Plain(PASSWORD.to_owned()),
        };
        for (name, filter, expected) in [
            ("DATABASE_URL", "data", true),
            ("DATABASE_URL", "hunter", false),
            ("PGHOST", "database", true),
            ("SESSION_KEY", "secrets", true),
            ("LOG_LEVEL", "secrets", false),
            ("GRAPHQL_ENDPOINT", "api", true),
            ("LOG_LEVEL", "api", false),
        ] {
            assert_eq!(fits(&plain(name), filter), expected, "{name} {filter}");
        }
    }

    #[test]
    fn values_are_shown_only_where_it_is_certain_that_it_is_not_production_and_nobody_else_reads_along() {
        let service = |cluster: &str, tag: Option<&str>| Service {
            cluster: cluster.to_owned(),
            name: "web".to_owned(),
            environment: tag.map(ToOwned::to_owned),
            described: aws_sdk_ecs::types::Service::builder().build(),
        };
        for (alone, production, cluster, tag, said) in [
            (true, false, "dev", Some("dev"), None),
            (false, false, "dev", Some("dev"), Some("on a terminal only")),
            (true, true, "dev", Some("dev"), Some("is production")),
            (true, false, "dev", None, Some("counts as production")),
            (true, false, "prod", Some("dev"), Some("the cluster prod")),
        ] {
            let may = may_show(alone, production, &service(cluster, tag), "dev");
            match said {
                None => assert_eq!(may, Ok(())),
                Some(said) => assert!(may.as_ref().is_err_and(|why| why.contains(said)), "{may:?}"),
            }
        }
    }
}
