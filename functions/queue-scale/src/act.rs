//! Carrying out what was decided. Everything here may be done again.

use jiff::{SignedDuration, Timestamp};
use shared::error::{Call, Class};
use shared::ledger::once::Claim;
use shared::ledger::scaling::{Kept, Scaling};
use shared::notice::Notice;
use shared::policy::Scale;
use shared::target::Target;
use shared::{Error, Result, id};

use crate::Run;
use crate::decision::{Facts, Step};
use crate::tell::About;

/// After ECS refused a change, none is tried for so long.
const HOLD: SignedDuration = SignedDuration::from_hours(1);

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

impl Run<'_> {
    /// Does it.
    pub(crate) async fn act(&self, rule: &Scale, facts: &Facts, step: Step, kept: &mut Kept) -> Result<()> {
        let about = About { rule, facts, environment: &self.config.environment };
        match step {
            Step::Nothing { .. } => Ok(()),
            // Whoever was faster knows as much.
            Step::Remember { scaling, .. } => self.keep(rule, kept, scaling).await.map(drop),
            Step::Set { scaling } => self.set(&about, scaling, kept).await,
            Step::Tell { scaling } => {
                if kept.scaling.as_ref() == Some(&scaling) || self.keep(rule, kept, scaling.clone()).await? {
                    self.tell(&about.set(&scaling), rule, scaling, kept).await?;
                }
                Ok(())
            }
            Step::StepAside { scaling, aside } => {
                if kept.scaling.as_ref() == Some(&scaling) || self.keep(rule, kept, scaling.clone()).await? {
                    self.tell(&about.stepped_aside(&scaling, aside), rule, scaling, kept).await?;
                }
                Ok(())
            }
            Step::Propose { to, withheld } => self.propose(&about, to, &withheld).await,
        }
    }

    /// Written down, made, written down as made, told, written down as told.
    async fn set(&self, about: &About<'_>, scaling: Scaling, kept: &mut Kept) -> Result<()> {
        let (rule, now) = (about.rule, self.invocation.now);
        if !self.keep(rule, kept, scaling.clone()).await? {
            return Ok(());
        }
        if let Err(error) = self.update(&rule.service, scaling.to).await {
            if error.class() == Class::Transient {
                return Err(error);
            }
            let hold = now.saturating_add(HOLD).unwrap_or(now);
            let (to, made, hold) = (scaling.before, Some(now), Some(hold));
            let refused = Scaling { to, made, hold, told: true, end: None, ..scaling.clone() };
            // Told first: whoever dies in between meets the same refusal a minute later, and tells it again.
            self.publish(&about.refused(&scaling, &error)).await?;
            self.keep(rule, kept, refused).await?;
            return Err(error);
        }
        let scaling = Scaling { made: Some(now), ..scaling };
        if self.keep(rule, kept, scaling.clone()).await? {
            self.tell(&about.set(&scaling), rule, scaling, kept).await?;
        }
        Ok(())
    }

    async fn tell(&self, notice: &Notice, rule: &Scale, scaling: Scaling, kept: &mut Kept) -> Result<()> {
        self.publish(notice).await?;
        self.keep(rule, kept, Scaling { told: true, ..scaling }).await.map(drop)
    }

    /// Nothing but the count is named, so that nothing else changes.
    pub(crate) async fn update(&self, target: &Target, to: u32) -> Result<()> {
        let Target::Service { cluster, service } = target else {
            return Err(Error::Malformed(format!("{target} is no service")));
        };
        let to = i32::try_from(to).unwrap_or(i32::MAX);
        let update = self.clients.ecs.update_service().cluster(cluster).service(service).desired_count(to);
        update.send().await.action("ecs:UpdateService").map(drop)
    }

    /// Says what would be done, once a day for each reason and direction.
    async fn propose(&self, about: &About<'_>, to: u32, withheld: &str) -> Result<()> {
        let now = self.invocation.now;
        let day = now.as_second() / DAY;
        let rule = about.rule;
        let back = about.facts.service.is_some_and(|service| to < service.desired);
        let parts =
            ["scale", &rule.queue, &rule.service.to_string(), withheld, &back.to_string(), &day.to_string()];
        let key = id::of(&parts);
        let ledger = &self.clients.ledger;
        let claim = ledger.claim(&key, &self.invocation.request_id, now, self.invocation.deadline).await?;
        if claim == Claim::Won {
            let day = Timestamp::from_second(day * DAY).unwrap_or(now);
            self.publish(&about.proposed(to, withheld, day, now)).await?;
            ledger.complete(&key, "proposed", now).await?;
        }
        Ok(())
    }

    async fn keep(&self, rule: &Scale, kept: &mut Kept, scaling: Scaling) -> Result<bool> {
        self.clients.ledger.keep_scaling(&rule.service, kept, scaling, self.invocation.now).await
    }

    pub(crate) async fn publish(&self, notice: &Notice) -> Result<()> {
        notice.publish(&self.clients.sns, &self.config.notices_topic).await
    }
}
