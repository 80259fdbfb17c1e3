//! A deployment's notice as a GitHub deployment with its statuses.
//!
//! A deployment is created once: what GitHub calls it is remembered, and where that was lost, it is found again by our
//! key in its payload. Then it gets one status for every notice. A rollback fails the bad one, and is itself a
//! deployment of the commit that runs again. `auto_merge` is off and `required_contexts` is empty, because GitHub
//! would otherwise merge branches instead of deploying, or refuse; `auto_inactive` is off, because our own statuses
//! say what runs.

mod answer;

use reqwest::{Method, Url};
use serde_json::{Value, json};
use shared::id;
use shared::notice::{Deployment, Health, Notice, Status};

use crate::channel::{Memory, Outbox, Sent, Telling, plain};
use crate::decision::Meaning;
use crate::http::Request;

/// The longest description, of a deployment and of a status (GitHub, "REST API endpoints for deployment statuses").
pub const LONGEST_DESCRIPTION: usize = 140;

const LONGEST_WORD: usize = 200;

const LONGEST_LINK: usize = 2_000;

/// How much of a list of deployments is read, in bytes; each of the thirty has about four thousand.
const LARGEST_LIST: usize = 1024 * 1024;

/// What the channel remembers: which deployments of ours GitHub has, by our key.
const PREFIX: &str = "github-";

/// Why a notice is not for this channel, if it is not.
///
/// # Errors
/// The reason, as the end of a sentence on the channel.
pub fn takes(repository: &str, notice: &Notice) -> Result<(), &'static str> {
    let Some(deployment) = &notice.deployment else {
        return Err("takes deployments; this is none");
    };
    // Whoever publishes says what was deployed, never where it is written down.
    if deployment.repository.as_ref().is_some_and(|theirs| !theirs.eq_ignore_ascii_case(repository)) {
        return Err("takes deployments of its own repository; this is of another");
    }
    if steps(notice, deployment).is_empty() {
        return Err("takes deployments of a commit; this names no full hash of one");
    }
    Ok(())
}

/// One deployment at GitHub, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Ours alone: by this it is found again.
    pub key: String,
    /// The full hash of what is deployed.
    pub commit: String,
    /// What is created where GitHub does not have it.
    pub create: Value,
    /// What is said of it now.
    pub status: Value,
}

/// What this notice comes to: one deployment, and after a rollback a second one.
#[must_use]
pub fn steps(notice: &Notice, deployment: &Deployment) -> Vec<Step> {
    let (state, words) = status(deployment);
    let back = deployment.back_to.as_deref().filter(|_| deployment.status == Status::RolledBack);
    let bad = commit(deployment.commit.as_deref()).map(|commit| {
        let key = id::of(&["deployment", &deployment.id]);
        step(notice, deployment, key, commit, (state, words.clone()))
    });
    let back = commit(back).map(|commit| {
        let key = id::of(&["back", &deployment.id]);
        step(notice, deployment, key, commit, ("success", "runs again after a rollback".to_owned()))
    });
    bad.into_iter().chain(back).collect()
}

/// A full hash; a branch, or the beginning of a hash, could be something else tomorrow.
fn commit(text: Option<&str>) -> Option<&str> {
    let text = text?.trim();
    (matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// GitHub's word for how far it is, and ours. A deployment that somebody ended did neither succeed nor fail, and
/// `inactive` would mean that it ran: it is an `error`.
fn status(deployment: &Deployment) -> (&'static str, String) {
    let health = deployment.health.map(Health::as_str);
    let state = match (deployment.status, deployment.health) {
        (Status::Begun, _) => "in_progress",
        (Status::Succeeded, None | Some(Health::Healthy)) => "success",
        (Status::Succeeded, Some(Health::Degraded | Health::Failed))
        | (Status::Failed | Status::RolledBack, _) => "failure",
        (Status::Cancelled, _) => "error",
    };
    let words = match health {
        Some(health) => format!("{}, {health}", deployment.status),
        None => deployment.status.to_string(),
    };
    (state, words)
}

fn step(
    notice: &Notice,
    deployment: &Deployment,
    key: String,
    commit: &str,
    (state, words): (&str, String),
) -> Step {
    let word = |text: &str| plain::line(text, LONGEST_WORD);
    let service = word(&deployment.service);
    let what = match deployment.revision.as_deref().map(word) {
        Some(revision) if !revision.is_empty() => format!("{service} {revision}"),
        Some(_) | None => service.clone(),
    };
    let environment = environment(notice);
    let create = json!({
        "ref": commit,
        "task": "deploy",
        "auto_merge": false,
        "required_contexts": [],
        "payload": {
            "watchkeeper": key,
            "deployment": word(&deployment.id),
            "service": service,
            "revision": deployment.revision.as_deref().map(word),
            "image": deployment.image.as_deref().map(word),
        },
        "environment": environment,
        "description": plain::line(&what, LONGEST_DESCRIPTION),
        "transient_environment": false,
        "production_environment": is_production(&environment),
    });
    let mut status = json!({
        "state": state,
        "description": plain::line(&format!("{what}: {words}"), LONGEST_DESCRIPTION),
        "environment": environment,
        "auto_inactive": false,
    });
    if let Some(link) = deployment.workflow.as_deref().and_then(|link| plain::https(link, LONGEST_LINK))
        && let Some(status) = status.as_object_mut()
    {
        status.insert("log_url".to_owned(), link.into());
    }
    Step { key, commit: commit.to_owned(), create, status }
}

fn environment(notice: &Notice) -> String {
    match plain::line(&notice.environment, LONGEST_WORD) {
        environment if environment.is_empty() => "production".to_owned(),
        environment => environment,
    }
}

fn is_production(environment: &str) -> bool {
    let environment = environment.to_ascii_lowercase();
    let first = environment.split(['-', '_', '/', ' ']).next().unwrap_or_default();
    matches!(first, "prod" | "production" | "live")
}

/// Sends one notice.
pub async fn send(token: &str, repository: &str, api: &Url, out: &Outbox<'_>, telling: &Telling<'_>) -> Sent {
    let notice = telling.view.notice;
    if let Err(why) = takes(repository, notice) {
        return Meaning::Refused(why.to_owned()).into();
    }
    let github = GitHub { token, repository, api, out };
    let mut memory = telling.memory.clone();
    let mut meaning = Meaning::Acknowledged;
    for step in notice.deployment.iter().flat_map(|deployment| steps(notice, deployment)) {
        if let Err(failed) = github.tell(&step, &mut memory).await {
            meaning = failed;
            break;
        }
    }
    Sent { meaning, memory: Some(memory) }
}

struct GitHub<'a> {
    token: &'a str,
    repository: &'a str,
    api: &'a Url,
    out: &'a Outbox<'a>,
}

impl GitHub<'_> {
    async fn tell(&self, step: &Step, memory: &mut Memory) -> Result<(), Meaning> {
        let name = format!("{PREFIX}{}", step.key);
        let known = match memory.get(&name).and_then(|known| known.parse().ok()) {
            Some(known) => Some(known),
            None => self.find(step).await?,
        };
        let deployment = match known {
            Some(known) => known,
            None => self.create(step).await?,
        };
        memory.insert(name.clone(), deployment.to_string());
        let url = self.url(&[&deployment.to_string(), "statuses"])?;
        let told = self.ask(&Method::POST, &url, Some(&step.status)).await;
        if let Err(Meaning::Refused(_)) = told {
            // It may have been deleted: the next notice looks for it anew.
            memory.remove(&name);
        }
        told.map(|_| ())
    }

    /// What an attempt has created whose end is not known.
    async fn find(&self, step: &Step) -> Result<Option<u64>, Meaning> {
        let mut url = self.url(&[])?;
        let environment = step.create.get("environment").and_then(Value::as_str).unwrap_or_default();
        url.query_pairs_mut()
            .append_pair("sha", &step.commit)
            .append_pair("environment", environment)
            .append_pair("per_page", "30");
        Ok(answer::found(&self.ask(&Method::GET, &url, None).await?, &step.key))
    }

    async fn create(&self, step: &Step) -> Result<u64, Meaning> {
        let created = self.ask(&Method::POST, &self.url(&[])?, Some(&step.create)).await?;
        created.get("id").and_then(Value::as_u64).ok_or_else(answer::unreadable)
    }

    fn url(&self, further: &[&str]) -> Result<Url, Meaning> {
        let mut url = self.api.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().push("repos").extend(self.repository.split('/')).push("deployments");
                path.extend(further);
            }
            Err(()) => {
                return Err(Meaning::Refused("api is not an address that paths can be added to".to_owned()));
            }
        }
        Ok(url)
    }

    async fn ask(&self, method: &Method, url: &Url, body: Option<&Value>) -> Result<Value, Meaning> {
        let headers = [
            ("Authorization", format!("Bearer {}", self.token)),
            ("Accept", "application/vnd.github+json".to_owned()),
            ("X-GitHub-Api-Version", "2022-11-28".to_owned()),
        ];
        let body = body.map(Value::to_string);
        let request =
            Request { method, url, headers: &headers, body: body.as_deref(), largest: LARGEST_LIST };
        answer::read(&self.out.ask(request).await?, self.out.now)
    }
}

#[cfg(test)]
mod tests;
