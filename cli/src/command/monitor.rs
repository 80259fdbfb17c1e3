//! `wk monitor`: a deployment of an ECS service, followed to its end. It looks with the operator's own credentials and
//! changes nothing; how far the deployment is decide the rules of `deployment-watch`.

mod decision;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ecs as ecs;
use deployment_watch::follow::{self, Followed, View};
use jiff::SignedDuration;
use secret_redeploy::budget::{Budget, Family};
use shared::ecs::diagnosis::{Diagnosis, Evidence, diagnose};
use shared::ecs::{LogPlace, StoppedTask};
use shared::error::Class;
use shared::target::Target;
use tokio::time::{Instant, sleep};

use super::services;
use crate::Problem;
use crate::args::Monitor;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::Out;
use decision::{Ended, Told, ended};
use words::Voice;

/// After so long without a change, a line says that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// So many looks in a row may fail for now.
const FAILURES: u32 = 10;

pub(super) async fn run(reach: &Reach, asked: &Monitor, out: &Out) -> Result<Exit, Problem> {
    if reach.is_remote() {
        return Err(Problem::new("wk monitor looks with your own credentials; leave --remote out"));
    }
    let target = services::service(reach, &asked.service).await?;
    let Target::Service { cluster, service } = &target else {
        return Err(Problem::new(format!("{target} is no service")));
    };
    let watch = Watch {
        ecs: ecs::Client::new(reach.config()),
        budget: Budget::new(),
        cluster,
        service,
        every: Duration::try_from(asked.every).unwrap_or(HEARTBEAT),
    };
    watch.follow(Duration::try_from(asked.timeout).unwrap_or_default(), out).await
}

/// Where it is looked, and how often.
struct Watch<'a> {
    ecs: ecs::Client,
    budget: Budget,
    cluster: &'a str,
    service: &'a str,
    every: Duration,
}

/// What is seen in one look.
#[derive(Default)]
struct Look {
    view: Option<View>,
    stopped: Vec<StoppedTask>,
}

impl Watch<'_> {
    async fn follow(&self, timeout: Duration, out: &Out) -> Result<Exit, Problem> {
        let name = format!("{}/{}", self.cluster, self.service);
        let voice = Voice { out, name: &name };
        let began = Instant::now();
        let first = self.view().await?;
        let first = first.ok_or_else(|| Problem::new(format!("there is no service {name}")))?;
        if let Some(controller) = &first.controller {
            return Err(Problem::new(format!(
                "{name} is deployed by {controller}, not by ECS: follow it there (aws deploy wait deployment-successful)"
            )));
        }
        let Some(mut followed) = first.newest() else {
            return Err(Problem::new(format!("ECS names no deployment of {name}")));
        };
        // Whoever asked for a deployment a moment ago may be here before ECS tells of it.
        let mut settled = ended(&followed, Some(&first)).is_some();
        let mut look = Look { view: Some(first), stopped: Vec::new() };
        if settled {
            voice.waits(&followed);
            sleep(self.every).await;
            look.view = self.view().await?;
            if let Some(newest) = look.view.as_ref().and_then(View::newest)
                && newest.id != followed.id
            {
                (followed, settled) = (newest, false);
            }
        }
        voice.follows(&followed, look.view.as_ref());
        let (mut told, mut logs, mut spoke, mut failures) = (Told::default(), None, Instant::now(), 0);
        loop {
            if let Some(view) = &look.view {
                look.stopped = self.stopped(&followed, view).await.unwrap_or_default();
                if logs.is_none() && !look.stopped.is_empty() {
                    logs = shared::ecs::logs(&self.ecs, &followed.task_definition).await.ok();
                }
                let changes = told.changes(&followed, view, &look.stopped, logs.as_ref());
                if !changes.is_empty() {
                    spoke = Instant::now();
                }
                for change in &changes {
                    voice.change(change);
                }
            }
            let since = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
            if let Some(ended) = ended(&followed, look.view.as_ref()) {
                let diagnosis = self.why(&followed, &look, &ended, logs.as_ref()).await;
                return Ok(voice.ended(&followed, &ended, settled, since, diagnosis.as_ref()));
            }
            if timeout <= began.elapsed() {
                let diagnosis = diagnosis(&followed, &look, None, logs.as_ref());
                return Ok(voice.late(&followed, told.last(&followed), since, &diagnosis));
            }
            if HEARTBEAT <= spoke.elapsed() {
                voice.still(&followed, told.last(&followed), since);
                spoke = Instant::now();
            }
            sleep(self.every.min(timeout.saturating_sub(began.elapsed()))).await;
            match self.look().await {
                Ok(view) => (look.view, failures) = (view, 0),
                Err(error) if error.class() == Class::Transient && failures < FAILURES => {
                    failures += 1;
                    self.budget.slow(Family::ServiceRead);
                    voice.troubled(&error.chain());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn view(&self) -> Result<Option<View>, Problem> {
        Ok(self.look().await?)
    }

    async fn look(&self) -> shared::Result<Option<View>> {
        self.budget.pace(Family::ServiceRead).await;
        follow::look(&self.ecs, self.cluster, self.service).await
    }

    /// The tasks of the deployment that stopped; looked for where some do not run.
    async fn stopped(&self, followed: &Followed, view: &View) -> shared::Result<Vec<StoppedTask>> {
        let failed = view.tasks.get(&followed.id).is_some_and(|tasks| tasks.failed > 0);
        let own = view.service.deployment(&followed.id);
        if !failed && own.is_none_or(|own| own.desired <= own.running) {
            return Ok(Vec::new());
        }
        // Two calls of one family.
        self.budget.pace(Family::TaskRead).await;
        self.budget.pace(Family::TaskRead).await;
        shared::ecs::stopped_tasks(&self.ecs, self.cluster, self.service, Some(&followed.id)).await
    }

    /// Why it did not come to its end as it should.
    async fn why(
        &self,
        followed: &Followed,
        look: &Look,
        ended: &Ended,
        logs: Option<&BTreeMap<String, LogPlace>>,
    ) -> Option<Diagnosis> {
        let said = match ended {
            Ended::Completed { missing: 0, .. } | Ended::Replaced { .. } | Ended::Gone => return None,
            Ended::Completed { .. } => None,
            Ended::Failed { said } | Ended::RolledBack { said, .. } => Some(said.as_str()),
        };
        // The last tasks may have stopped after the last look at them. Of a rollback, those of what it takes back tell.
        let deployment = Some(followed.id.as_str()).filter(|_| !followed.takes_back);
        let stopped = shared::ecs::stopped_tasks(&self.ecs, self.cluster, self.service, deployment).await;
        let stopped = stopped.unwrap_or_else(|_| look.stopped.clone());
        let look = Look { view: look.view.clone(), stopped };
        Some(diagnosis(followed, &look, said, logs))
    }
}

fn diagnosis(
    followed: &Followed,
    look: &Look,
    said: Option<&str>,
    logs: Option<&BTreeMap<String, LogPlace>>,
) -> Diagnosis {
    let events = look.view.as_ref().map(|view| view.service.events.as_slice()).unwrap_or_default();
    let events = events.iter().filter(|event| followed.began.is_none_or(|began| began <= event.at));
    let events: Vec<_> = events.map(|event| event.message.clone()).collect();
    diagnose(Evidence { tasks: &look.stopped, events: &events, said, logs })
}
