//! The schedule: what events have lost is found, and goes the same way as if they had come.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use shared::error::Class;
use shared::id;
use shared::lambda::Invocation;
use shared::ledger::redeploy::{Cause, Label, Member, Phase, Redeploy};
use shared::notice::State;
use shared::target::Target;
use shared::timer::{Settlement, Work};
use shared::{Report, Result};

use crate::Reach;
use crate::decision::arrival;
use crate::decision::service::{self, Case, Verdict};
use crate::decision::sweep::{self, Found};
use crate::discover::Dependants;
use crate::event::CURRENT;
use crate::facts::Secret;
use crate::{observe, run, tell};

/// What a sweep came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Swept {
    secrets: usize,
    new: Vec<String>,
    moved: Vec<String>,
    resumed: Vec<String>,
    missed: Vec<String>,
    settled: Vec<String>,
    in_trouble: Vec<String>,
    /// Whether the services were all looked at.
    whole: bool,
}

/// A secret whose label moved while it was watched.
struct Watched {
    secret: Secret,
    label: Label,
    redeploy: Redeploy,
}

/// Looks at every secret, and at every service that uses one whose label has moved.
///
/// # Errors
/// What kept it from looking; the next sweep looks again.
pub(crate) async fn sweep(reach: &Reach, invocation: &Invocation) -> Result<Report> {
    let now = invocation.now;
    let ledger = &reach.clients.ledger;
    let mut swept = Swept::default();
    let mut watched = Vec::new();
    for secret in observe::secret::all(&reach.clients.secretsmanager).await? {
        if arrival::foreign(&secret, &reach.policy).is_some() {
            continue;
        }
        swept.secrets += 1;
        if trouble(reach, &secret, invocation).await? {
            swept.in_trouble.push(secret.name.clone());
        }
        let known = ledger.label(&secret.arn, CURRENT).await?;
        match sweep::label(&secret, known.as_ref(), now) {
            Found::Nothing => {}
            Found::New(label) => {
                ledger.record_label(&secret.arn, CURRENT, &label, now).await?;
                swept.new.push(secret.name);
            }
            Found::Lost(moved) => {
                let facts = arrival::Facts { moved, secret: Some(secret.clone()), known };
                if let arrival::Verdict::Open { label, redeploy } =
                    arrival::decide(&facts, &reach.policy, Cause::Sweep, now)
                {
                    crate::open(reach, &redeploy, &label, Duration::ZERO, now).await?;
                    swept.moved.push(secret.name);
                }
            }
            // A label that was only ever seen where it is has no redeploy.
            Found::Known(label) => {
                let id = Redeploy::id_of(&secret.arn, CURRENT, &label);
                let redeploy = ledger.redeploy(&id).await?;
                watched.extend(redeploy.map(|redeploy| Watched { secret, label, redeploy }));
            }
        }
    }
    swept.whole = missed(reach, &watched, invocation, &mut swept).await?;
    let done =
        [&swept.moved, &swept.resumed, &swept.missed, &swept.settled].iter().any(|names| !names.is_empty());
    let reason = format!(
        "of {} secrets: {} moved unseen, {} redeploys resumed, {} begun for services that were missed, {} in trouble",
        swept.secrets,
        swept.moved.len(),
        swept.resumed.len(),
        swept.missed.len(),
        swept.in_trouble.len()
    );
    Ok(Report::new(if done { "repaired" } else { "swept" }, "secrets", reason).record("swept", &swept))
}

/// Tells of a rotation that does not get on, and of its end; whether it is in trouble.
async fn trouble(reach: &Reach, secret: &Secret, invocation: &Invocation) -> Result<bool> {
    let ledger = &reach.clients.ledger;
    let found = sweep::trouble(secret, invocation.now);
    // A secret that nobody rotates has nothing to be told of.
    if found.is_none() && secret.rotated_at.is_none() {
        return Ok(false);
    }
    let known = ledger.incident(&tell::rotation_incident(&secret.arn)).await?;
    let firing = known.as_ref().filter(|known| known.state == State::Firing);
    let notice = match (&found, firing) {
        (Some(trouble), None) => {
            let rotation = ledger.rotation(&secret.arn).await?;
            let rotated_by = rotation.as_ref().map(|rotation| rotation.strategy);
            tell::trouble(
                &Secret { rotated_by, ..secret.clone() },
                trouble,
                rotation.as_ref(),
                known.as_ref(),
                &reach.policy,
            )
        }
        // What failed is in order again once a rotation came to its end after it.
        (None, Some(firing)) if secret.rotated_at.is_some_and(|rotated| firing.opened < rotated) => {
            tell::in_order(secret, firing, invocation.now, &reach.policy)
        }
        (Some(_), Some(_)) | (None, _) => return Ok(found.is_some()),
    };
    run::publish(reach, &notice).await?;
    run::record_told(reach, &notice, known.clone(), notice.time, invocation.now).await?;
    Ok(found.is_some())
}

/// Looks after the redeploys of these secrets, and for services that none of them saw; whether all were looked at.
async fn missed(
    reach: &Reach,
    watched: &[Watched],
    invocation: &Invocation,
    swept: &mut Swept,
) -> Result<bool> {
    let now = invocation.now;
    let ledger = &reach.clients.ledger;
    if watched.is_empty() {
        return Ok(true);
    }
    let secrets: Vec<_> = watched.iter().map(|watched| watched.secret.clone()).collect();
    let dependants = run::find(reach, &secrets, invocation).await?;
    for Watched { secret, label, redeploy } in watched {
        if sweep::is_lost(redeploy, now) {
            let message = Work::Follow { redeploy: redeploy.id.clone() };
            message.send(&reach.clients.sqs, &reach.redeploys, Duration::ZERO).await?;
            swept.resumed.push(secret.name.clone());
        }
        if !redeploy.phase.is_over() {
            continue;
        }
        let members = ledger.members(&redeploy.id).await?;
        let Some(dependants) = &dependants else {
            continue;
        };
        if dependants.unread.is_empty()
            && sweep::is_unsettled(ledger.rotation(&secret.arn).await?.as_ref(), &label.version)
        {
            let have_it = have_it(reach, secret, redeploy, &members, dependants).await?;
            if sweep::is_settled(&members, label, |member| have_it.contains(&member.target), now) {
                let settle =
                    Settlement::Settle { secret: secret.arn.clone(), version: label.version.clone() };
                settle.send(&reach.clients.sqs, &reach.settlements).await?;
                swept.settled.push(secret.name.clone());
            }
        }
        if let Some(again) = stale(reach, secret, redeploy, &members, dependants, invocation).await? {
            match ledger.redeploy(&again.id).await? {
                None => {
                    crate::open(reach, &again, label, Duration::ZERO, now).await?;
                    swept.missed.push(secret.name.clone());
                }
                // It has a message of its own, which comes again until it is over.
                Some(known) if !sweep::is_lost(&known, now) => {}
                Some(known) => {
                    crate::begin(reach, &known, Duration::ZERO, now).await?;
                    swept.resumed.push(secret.name.clone());
                }
            }
        }
    }
    Ok(dependants.is_some())
}

/// Which of the services that were left alone with the version before have the new one by now, because somebody deployed
/// them.
async fn have_it(
    reach: &Reach,
    secret: &Secret,
    redeploy: &Redeploy,
    members: &[Member],
    dependants: &Dependants,
) -> Result<BTreeSet<Target>> {
    let mut have_it = BTreeSet::new();
    for member in members.iter().filter(|member| member.runs_old) {
        let found = dependants.found.iter().find(|found| found.service.target == member.target);
        let uses: Vec<_> = found
            .into_iter()
            .flat_map(|found| &found.uses)
            .filter(|one| one.secret == secret.arn)
            .cloned()
            .collect();
        let service = found.filter(|_| !uses.is_empty()).map(|found| &found.service);
        let tasks = match service {
            Some(_) => observe::tasks(reach, &member.target).await?,
            None => Vec::new(),
        };
        let case = Case {
            redeploy,
            secret: &secret.tags,
            uses: Some(&uses),
            waits_since: None,
            even_if_fresh: false,
        };
        if service::has_it(&case, service, &tasks) {
            have_it.insert(member.target.clone());
        }
    }
    Ok(have_it)
}

/// The redeploy of services that run with the version before, and that the redeploy of the move never saw.
async fn stale(
    reach: &Reach,
    secret: &Secret,
    redeploy: &Redeploy,
    members: &[Member],
    dependants: &Dependants,
    invocation: &Invocation,
) -> Result<Option<Redeploy>> {
    let now = invocation.now;
    let mut stale = Vec::new();
    for found in &dependants.found {
        let uses: Vec<_> = found.uses.iter().filter(|one| one.secret == secret.arn).cloned().collect();
        let service = &found.service;
        if uses.is_empty()
            || sweep::was_a_member(service, members)
            || !sweep::may_be_stale(service, redeploy.moved)
        {
            continue;
        }
        let case = Case {
            redeploy,
            secret: &secret.tags,
            uses: Some(&uses),
            waits_since: None,
            even_if_fresh: false,
        };
        let verdict = match run::conclude(reach, &case, &service.target, Some(service.clone()), now).await {
            Ok(verdict) => verdict,
            // One service that cannot be looked at must not hide the others; its own redeploy tells of it.
            Err(error) if error.class() == Class::Permanent => continue,
            Err(error) => return Err(error),
        };
        match verdict {
            Verdict::Act(_) | Verdict::Propose(_) | Verdict::Defer { .. } => {
                stale.push(service.target.to_string());
            }
            Verdict::Fresh { .. } | Verdict::Skip(_) | Verdict::Ride { .. } | Verdict::Failed { .. } => {}
        }
    }
    if stale.is_empty() {
        return Ok(None);
    }
    stale.sort();
    // The same services are found once, however often the sweep comes by.
    let mut parts = vec!["sweep", redeploy.id.as_str()];
    parts.extend(stale.iter().map(String::as_str));
    let mut again = Redeploy { id: id::of(&parts), cause: Cause::Sweep, ..redeploy.clone() };
    again.phase = Phase::Collecting;
    (again.waves, again.began, again.told) = (0, now, false);
    (again.ended, again.next, again.put_back) = (None, None, None);
    Ok(Some(again))
}
