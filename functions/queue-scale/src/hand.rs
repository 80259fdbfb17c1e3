//! A count that somebody asks for by hand.
//!
//! ```json
//! {"scale": {"service": "ecs:prod/web", "to": 4, "dry_run": false, "confirm": "SCALE", "by": "ann"}}
//! ```
//!
//! Freeze and windows do not hold it back. What it sets is the service's own count from then on, as any count that
//! somebody else sets: a scaling on a queue that goes on ends with it, and the service is left alone for an hour.

pub mod decision;
mod tell;

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
use serde::Deserialize;
use serde_json::Value;
use shared::error::{Call, Class};
use shared::ledger::once::Claim;
use shared::ledger::scaling::{End, Kept, Scaling};
use shared::target::{Target, covers};
use shared::text::asked_by;
use shared::{Error, Report, Result, id};

use crate::Run;
use decision::{Autoscaling, Facts, Plan, Verdict, Why, decide};

/// The word that a production environment asks for.
pub(crate) const WORD: &str = "SCALE";

/// The most tasks that one service may have (ECS service quotas, "Tasks per service").
const MOST: u32 = 5_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The service.
    #[serde(with = "shared::target::as_text")]
    pub(crate) service: Target,
    /// The count.
    pub(crate) to: u32,
    /// Without it, and with `true`: only say what would be done.
    #[serde(default = "yes")]
    pub(crate) dry_run: bool,
    /// In production: [`WORD`].
    #[serde(default)]
    pub(crate) confirm: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub(crate) by: Option<String>,
}

const fn yes() -> bool {
    true
}

impl Request {
    /// Reads it; nothing where something else is asked for.
    ///
    /// # Errors
    /// [`Error::Event`] that says what is wrong.
    pub(crate) fn read(event: &Value) -> Result<Option<Self>> {
        let Some(asked) = event.get("scale").filter(|asked| asked.is_object()) else {
            return Ok(None);
        };
        let wrong = |problem: &str| Error::Event(format!("scale: {problem}"));
        let mut request = Self::deserialize(asked).map_err(|error| wrong(&error.to_string()))?;
        request.by = asked_by("scale", request.by.as_deref())?;
        if !matches!(request.service, Target::Service { .. }) {
            return Err(wrong(&format!("{} is no service; write ecs:<cluster>/<service>", request.service)));
        }
        if request.to > MOST {
            return Err(wrong(&format!("to: a service has {MOST} tasks at most")));
        }
        if request.confirm.as_deref().is_some_and(|word| word != WORD) {
            return Err(wrong(&format!("confirm: the word is {WORD}, in capitals")));
        }
        Ok(Some(request))
    }
}

impl Run<'_> {
    /// Says what would be done, or does it.
    ///
    /// # Errors
    /// What kept it from being decided or done.
    pub(crate) async fn by_hand(&self, request: &Request) -> Result<Report> {
        let (facts, mut kept) = self.look_by_hand(&request.service).await?;
        let confirmed = request.confirm.is_some();
        let verdict = decide(request.to, request.dry_run, confirmed, &facts);
        let operation = id::of(&["scale", &request.service.to_string(), &self.invocation.request_id]);
        let verdict = match verdict {
            Verdict::Set(plan) => self.set_by_hand(request, plan, &facts, &operation, &mut kept).await?,
            other @ (Verdict::Hold(_) | Verdict::Keep | Verdict::Propose(_)) => other,
        };
        Ok(tell::report(request, &facts, &verdict, &operation))
    }

    async fn look_by_hand(&self, target: &Target) -> Result<(Facts, Kept)> {
        let now = self.invocation.now;
        let ledger = &self.clients.ledger;
        let (service, kept, memory, (autoscaling, unread)) = tokio::try_join!(
            self.service(target),
            ledger.scaling(target),
            ledger.recall(target),
            self.autoscaling(target),
        )?;
        let tags = service.as_ref().map(|(_, tags)| tags);
        let covered = matches!(target, Target::Service { cluster, .. }
            if covers(&self.config.clusters, cluster));
        let foreign = if covered {
            self.foreign(tags)
        } else {
            Some(format!("{target} is not among the targets that this stack watches"))
        };
        let running = |operations: &[shared::ledger::operation::Operation]| {
            operations.iter().find(|operation| operation.is_running(now)).map(|it| it.id.clone())
        };
        let environment = &self.config.environment;
        let production = self.policy.is_production(environment);
        let facts = Facts {
            service: service.as_ref().map(|(service, _)| *service),
            foreign,
            rolling_back: running(&memory.operations),
            redeploying: running(&memory.redeploys),
            rule: self.policy.scale.iter().find(|rule| rule.service == *target).cloned(),
            known: kept.scaling.clone(),
            autoscaling,
            unread,
            least: self.policy.health.expect.of(environment, production).tasks,
            environment: environment.clone(),
            production,
        };
        Ok((facts, kept))
    }

    /// Between which counts Application Auto Scaling keeps the service. That it cannot be asked keeps nobody from scaling.
    pub(crate) async fn autoscaling(&self, target: &Target) -> Result<(Option<Autoscaling>, Option<String>)> {
        let Target::Service { cluster, service } = target else { return Ok((None, None)) };
        let asked = self
            .clients
            .autoscaling
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_ids(format!("service/{cluster}/{service}"))
            .send()
            .await
            .action("application-autoscaling:DescribeScalableTargets");
        let found = match asked {
            Ok(found) => found.scalable_targets.unwrap_or_default().into_iter().next(),
            Err(error) if error.class() == Class::Permanent => {
                let how = if matches!(error, Error::Denied { .. }) { "is denied" } else { "failed" };
                return Ok((None, Some(format!("application-autoscaling:DescribeScalableTargets {how}"))));
            }
            Err(error) => return Err(error),
        };
        Ok((found.map(|found| Autoscaling { least: found.min_capacity, most: found.max_capacity }), None))
    }

    /// Written down, made, told, written down as told. Whoever dies in between leaves a count that queue-scale takes for
    /// somebody else's, as it is.
    async fn set_by_hand(
        &self,
        request: &Request,
        plan: Plan,
        facts: &Facts,
        operation: &str,
        kept: &mut Kept,
    ) -> Result<Verdict> {
        let (now, target) = (self.invocation.now, &request.service);
        let ledger = &self.clients.ledger;
        let owner = &self.invocation.request_id;
        match ledger.claim(operation, owner, now, self.invocation.deadline).await? {
            Claim::Won => {}
            Claim::InHand | Claim::Done(_) => return Ok(Verdict::Hold(Why::Repeated)),
        }
        let before = kept.scaling.clone();
        let open = before.as_ref().filter(|known| known.goes_on() && !known.queue.is_empty());
        let rule = facts.rule.as_ref();
        let scaling = Scaling {
            id: operation.to_owned(),
            queue: open
                .map(|known| known.queue.clone())
                .or(rule.map(|rule| rule.queue.clone()))
                .unwrap_or_default(),
            own: plan.to,
            before: plan.from,
            to: plan.to,
            began: now,
            changed: now,
            // Before it is: what was not made would never count as over.
            made: Some(now),
            told: false,
            calm: None,
            hold: None,
            looked: now,
            asked_by: Some(request.by.clone().unwrap_or_else(|| "somebody".to_owned())),
            end: Some(End::Superseded),
        };
        if !ledger.keep_scaling(target, kept, scaling.clone(), now).await? {
            return Ok(Verdict::Hold(Why::Overtaken));
        }
        if let Err(error) = self.update(target, plan.to).await {
            // Where it was made all the same, and only its answer was lost, what is remembered then is somebody else's count.
            let own = Scaling { own: plan.from, to: plan.from, told: true, end: Some(End::Back), ..scaling };
            ledger.keep_scaling(target, kept, before.unwrap_or(own), now).await?;
            return Err(error);
        }
        let open = open.cloned();
        self.publish(&tell::notice(request, &plan, facts, open.as_ref(), operation, now)).await?;
        ledger.keep_scaling(target, kept, Scaling { told: true, ..scaling }, now).await?;
        ledger.complete(operation, "scaled", now).await?;
        Ok(Verdict::Set(plan))
    }
}

#[cfg(test)]
mod tests;
