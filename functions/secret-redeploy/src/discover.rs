//! Finds the services that use a secret. ECS cannot be asked that, so every service of the clusters that are watched is
//! looked at, and every task definition that one of its tasks may run with.
//!
//! The task definitions are what takes long: ECS describes one in a call, and twenty a second. A revision never changes,
//! so what one refers to is kept in this process and in the ledger, and each is described once in its life. Services
//! come a page at a time, and only those that use a secret are kept. Where the time is over before all is read, what was
//! read stays known, and the next search goes on from there.
//!
//! Tasks that no service started are not looked for: nothing can redeploy them, and their next start reads the secret
//! anew.

mod call;
mod known;
mod service;

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_ecs::Client;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::ledger::Ledger;
use shared::ledger::definition::Definition;
use shared::target::Target;
use shared::{Error, Result};
use tokio::time::{Instant, timeout_at};

use crate::budget::{Budget, Family};
use crate::facts::Service;
use crate::reference::{self, Reference, SecretId};
use call::{SERVICES_AT_ONCE, described, listed_clusters, listed_services};
use known::Known;
pub use service::read_service;

/// The version of what is read of a task definition. Raise it when more is found than before, so that what the ledger
/// remembers is read anew.
const READER: u32 = 1;

/// So many answers to `DescribeServices` are held at once. Each is large: ten services with a hundred events each.
const SERVICES_IN_FLIGHT: usize = 4;

/// So many calls of `DescribeTaskDefinition` are on their way at once: the budget is used up even where each takes a
/// second.
const DEFINITIONS_IN_FLIGHT: usize = 20;

/// As many are asked of the ledger, described and written down in one go: what at most is lost with the process.
const DEFINITIONS_AT_ONCE: usize = 100;

/// How long, after the time is over, answers on their way are waited for.
const GRACE: Duration = Duration::from_secs(1);

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scan {
    /// All was looked at.
    Whole(Dependants),
    /// The time was over before. What was read is remembered: search again.
    Unfinished {
        /// The services that were looked at; there may be more.
        services: usize,
        /// Of those services, the task definitions that still have to be described.
        definitions_left: usize,
    },
}

/// What uses the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependants {
    /// How many services were looked at.
    pub services: usize,
    /// Those that refer to one of the secrets, in whichever way.
    pub found: Vec<Found>,
    /// What could not be read, so that nobody can say.
    pub unread: Vec<Unread>,
}

/// A service that refers to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The service.
    pub service: Service,
    /// Every reference, of every task definition that its tasks may run with.
    pub uses: Vec<Use>,
}

/// One reference of a service to one of the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The ARN of the task definition that holds it; none where the service itself does.
    pub definition: Option<String>,
    /// How it refers.
    pub reference: Reference,
    /// The ARN of the secret that is meant.
    pub secret: String,
}

/// A task definition that a service has tasks of and that ECS does not describe any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The service.
    pub target: Target,
    /// The ARN of the task definition.
    pub definition: String,
}

/// The search, and what it learnt. Keep one for as long as the process lives.
#[derive(Debug)]
pub struct Discovery {
    budget: Arc<Budget>,
    known: Mutex<Known>,
}

impl Discovery {
    /// Nothing is known yet.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, known: Mutex::default() }
    }

    /// Every service of these clusters (a name, or the beginning of one and a star) that uses one of the secrets, each
    /// with all its references. `now` is when what is read is written down, and `end` when no more call is begun: after
    /// it, three seconds are enough for those that are on their way and for the ledger.
    ///
    /// # Errors
    /// What `ecs:ListClusters`, `ecs:ListServices`, `ecs:DescribeServices`, `ecs:DescribeTaskDefinition`,
    /// `dynamodb:BatchGetItem` and `dynamodb:BatchWriteItem` answer. What was read before stays known.
    pub async fn dependants(
        &self,
        ecs: &Client,
        ledger: &Ledger,
        clusters: &str,
        secrets: &[SecretId],
        now: Timestamp,
        end: Instant,
    ) -> Result<Scan> {
        let mut search = Search {
            discovery: self,
            ecs,
            ledger,
            secrets,
            now,
            end,
            so_far: Dependants::default(),
            left: 0,
        };
        match search.run(clusters).await {
            Ok(()) => Ok(Scan::Whole(search.so_far)),
            Err(Halt::Time) => {
                Ok(Scan::Unfinished { services: search.so_far.services, definitions_left: search.left })
            }
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// These services of one cluster, as they are now. One that is not there is left out.
    ///
    /// # Errors
    /// What `ecs:DescribeServices` answers.
    pub async fn describe(&self, ecs: &Client, cluster: &str, names: &[String]) -> Result<Vec<Service>> {
        let mut services = Vec::with_capacity(names.len());
        for some in names.chunks(SERVICES_AT_ONCE) {
            self.budget.pace(Family::ServiceRead).await;
            services
                .extend(described(ecs, &self.budget, cluster, some).await?.iter().filter_map(read_service));
        }
        Ok(services)
    }

    fn known(&self, arn: &str) -> Option<Arc<[Reference]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(arn)
    }

    fn keep(&self, arn: &str, references: &Arc<[Reference]>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(arn, references);
    }
}

/// Why a search stops before its end.
enum Halt {
    /// The time is over.
    Time,
    /// Something failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A service of the page in hand.
struct Candidate {
    service: Service,
    definitions: BTreeSet<String>,
    own: Vec<Reference>,
}

/// What the task definitions of the page in hand refer to; nothing where ECS does not describe one any more.
type Page = HashMap<String, Option<Arc<[Reference]>>>;

struct Search<'a> {
    discovery: &'a Discovery,
    ecs: &'a Client,
    ledger: &'a Ledger,
    secrets: &'a [SecretId],
    now: Timestamp,
    end: Instant,
    so_far: Dependants,
    left: usize,
}

impl Search<'_> {
    async fn run(&mut self, clusters: &str) -> Result<(), Halt> {
        for cluster in self.clusters(clusters).await? {
            let mut token = None;
            loop {
                self.pace(Family::ServiceRead).await?;
                let (names, next) =
                    listed_services(self.ecs, &self.discovery.budget, &cluster, token.take()).await?;
                let candidates = self.candidates(&cluster, &names).await?;
                self.so_far.services += candidates.len();
                let mut page = Page::new();
                let learnt = self.learn(&candidates, &mut page).await;
                self.left = candidates
                    .iter()
                    .flat_map(|candidate| &candidate.definitions)
                    .filter(|arn| !page.contains_key(*arn))
                    .collect::<BTreeSet<_>>()
                    .len();
                learnt?;
                for candidate in candidates {
                    self.sort(candidate, &page);
                }
                token = next;
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The names of the clusters that are watched.
    async fn clusters(&self, pattern: &str) -> Result<Vec<String>, Halt> {
        let Some(beginning) = pattern.strip_suffix('*') else {
            return Ok(vec![pattern.to_owned()]);
        };
        let mut names = Vec::new();
        let mut token = None;
        loop {
            self.pace(Family::ClusterRead).await?;
            let (some, next) = listed_clusters(self.ecs, &self.discovery.budget, token.take()).await?;
            names.extend(some.into_iter().filter(|name| name.starts_with(beginning)));
            token = next;
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    /// The services of one page of the list. One that vanished since is left out.
    async fn candidates(&self, cluster: &str, names: &[String]) -> Result<Vec<Candidate>, Halt> {
        let some = stream::iter(names.chunks(SERVICES_AT_ONCE)).map(async |some| {
            self.pace(Family::ServiceRead).await?;
            let services = described(self.ecs, &self.discovery.budget, cluster, some).await?;
            Ok::<_, Halt>(services.iter().filter_map(candidate).collect::<Vec<_>>())
        });
        let mut some = some.buffered(SERVICES_IN_FLIGHT);
        let mut candidates = Vec::with_capacity(names.len());
        while let Some(described) = some.next().await {
            candidates.extend(described?);
        }
        Ok(candidates)
    }

    /// Finds out what the task definitions of these services refer to: from this process, the ledger, or ECS.
    async fn learn(&self, candidates: &[Candidate], page: &mut Page) -> Result<(), Halt> {
        let mut unknown = BTreeSet::new();
        for arn in candidates.iter().flat_map(|candidate| &candidate.definitions) {
            match self.discovery.known(arn) {
                Some(references) => {
                    page.insert(arn.clone(), Some(references));
                }
                None => {
                    unknown.insert(arn.as_str());
                }
            }
        }
        let unknown: Vec<&str> = unknown.into_iter().collect();
        for some in unknown.chunks(DEFINITIONS_AT_ONCE) {
            if self.end <= Instant::now() {
                return Err(Halt::Time);
            }
            for definition in self.ledger.definitions(some, READER).await? {
                // What cannot be read is read anew.
                if let Ok(references) = serde_json::from_str::<Vec<Reference>>(&definition.references) {
                    self.keep(page, definition.arn, Some(references));
                }
            }
            let some: Vec<&str> = some.iter().copied().filter(|arn| !page.contains_key(*arn)).collect();
            self.describe(&some, page).await?;
        }
        Ok(())
    }

    /// Describes these task definitions. Whatever then stops the search, each answer is written down before.
    async fn describe(&self, arns: &[&str], page: &mut Page) -> Result<(), Halt> {
        let failed = Cell::new(false);
        let go_on = || if failed.get() { Err(Halt::Time) } else { Ok(()) };
        let answers = stream::iter(arns).map(async |arn: &&str| {
            go_on()?;
            self.pace(Family::DefinitionRead).await?;
            go_on()?;
            let references = call::references(self.ecs, &self.discovery.budget, arn).await?;
            Ok(((*arn).to_owned(), references))
        });
        let mut answers = answers.buffer_unordered(DEFINITIONS_IN_FLIGHT);
        let last = self.end.checked_add(GRACE).unwrap_or(self.end);
        let mut halt = None;
        let mut read = Vec::new();
        loop {
            match timeout_at(last, answers.next()).await {
                Ok(None) => break,
                Ok(Some(Ok((arn, references)))) => {
                    if let Some(references) = &references {
                        let references = serde_json::to_string(references).map_err(|error| {
                            Error::Malformed(format!(
                                "the references of {arn} cannot be written down: {error}"
                            ))
                        })?;
                        read.push(Definition { arn: arn.clone(), references });
                    }
                    self.keep(page, arn, references);
                }
                Ok(Some(Err(why))) => {
                    // What failed is told, not that the time is over; and it would fail again.
                    if !failed.get() {
                        failed.set(matches!(why, Halt::Failed(_)));
                        halt = Some(why);
                    }
                }
                Err(_) => {
                    halt.get_or_insert(Halt::Time);
                    break;
                }
            }
        }
        drop(answers);
        let remembered = self.ledger.remember_definitions(&read, READER, self.now).await;
        match halt {
            Some(halt) => Err(halt),
            None => Ok(remembered?),
        }
    }

    fn keep(&self, page: &mut Page, arn: String, references: Option<Vec<Reference>>) {
        let references: Option<Arc<[Reference]>> = references.map(Into::into);
        if let Some(references) = &references {
            self.discovery.keep(&arn, references);
        }
        page.insert(arn, references);
    }

    /// Keeps a service that refers to one of the secrets, and says of which task definitions nobody knows.
    fn sort(&mut self, candidate: Candidate, page: &Page) {
        let Candidate { service, definitions, own } = candidate;
        let mut uses = Vec::new();
        let mut add = |definition: Option<&String>, references: &[Reference]| {
            uses.extend(references.iter().filter_map(|reference| {
                let secret = reference::meant(reference, &service.arn, self.secrets)?;
                Some(Use {
                    definition: definition.cloned(),
                    reference: reference.clone(),
                    secret: secret.arn.clone(),
                })
            }));
        };
        add(None, &own);
        for arn in &definitions {
            if let Some(Some(references)) = page.get(arn) {
                add(Some(arn), references);
            } else {
                let unread = Unread { target: service.target.clone(), definition: arn.clone() };
                self.so_far.unread.push(unread);
            }
        }
        if !uses.is_empty() {
            self.so_far.found.push(Found { service, uses });
        }
    }

    async fn pace(&self, family: Family) -> Result<(), Halt> {
        if self.discovery.budget.pace_by(family, self.end).await { Ok(()) } else { Err(Halt::Time) }
    }
}

fn candidate(service: &aws_sdk_ecs::types::Service) -> Option<Candidate> {
    let own = reference::of_service(service);
    let facts = read_service(service)?;
    let mut definitions: BTreeSet<String> =
        facts.task_definitions().into_iter().map(ToOwned::to_owned).collect();
    // A service that nothing was deployed of yet names its task definition itself.
    definitions.extend(service.task_definition().map(ToOwned::to_owned));
    Some(Candidate { service: facts, definitions, own })
}

#[cfg(test)]
mod tests;
