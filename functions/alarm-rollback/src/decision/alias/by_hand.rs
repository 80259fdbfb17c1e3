//! What a person names: a version, or a time.

use jiff::Timestamp;
use shared::ledger::operation::{End, Means};
use shared::ledger::revision::Standing;

use super::{Act, Basis, Case, Choice, Plan, Status, Why, number};

/// Something that says which version ran from some time on, and which before.
struct Turn<'a> {
    at: Timestamp,
    before: &'a str,
    after: &'a str,
    basis: Basis,
}

impl Case<'_> {
    pub(super) fn to_named(&self, version: &str) -> Result<Plan, Why> {
        if number(version).is_none() {
            return Err(Why::NotAVersion { text: version.to_owned() });
        }
        if self.version(version).is_none() {
            let version = version.to_owned();
            return Err(if self.history.all_versions {
                Why::NoVersion { version }
            } else {
                Why::TooManyVersions
            });
        }
        let bad = self.memory.is_bad(version);
        let mut plan = self.bring(version, Basis::Named)?;
        if bad {
            plan.notes.push(format!("Version {version} is held to be bad: it was rolled away from before."));
        }
        Ok(plan)
    }

    pub(super) fn to_what_ran(&self, at: Timestamp) -> Result<Plan, Why> {
        let (version, basis) = self.ran(at).ok_or(Why::NotRecorded { at })?;
        if self.is_deleted(&version) {
            return Err(Why::NoVersion { version });
        }
        if self.memory.is_bad(&version) {
            return Err(Why::Bad { version });
        }
        self.bring(&version, basis)
    }

    /// Sends all requests to a version; a deployment that is on its way there or from there is stopped, any other is
    /// its owner's to stop.
    fn bring(&self, version: &str, basis: Basis) -> Result<Plan, Why> {
        let choice = Choice { version: version.to_owned(), basis };
        if let Some(shift) = self.in_flight() {
            if shift.rollback || shift.current != version {
                return Err(Why::Busy { deployment: shift.id.clone() });
            }
            let act = Act::StopDeployment { deployment: shift.id.clone() };
            return Ok(self.planned(&shift.target, choice, act));
        }
        match self.heaviest() {
            None if self.alias.version == version => Err(Why::AlreadyThere { version: version.to_owned() }),
            Some(share) if self.alias.version == version => Ok(self.point(share, choice)),
            Some(_) | None => Ok(self.point(&self.alias.version, choice)),
        }
    }

    /// The version that ran at a time: where the last turn before it led, if the next turn, or else the alias itself,
    /// still found it there. Lambda keeps no history, so between two turns anybody may have pointed it elsewhere.
    fn ran(&self, at: Timestamp) -> Option<(String, Basis)> {
        if !self.history.whole || self.ask.now < at {
            return None;
        }
        let turns = self.turns();
        let after = turns.iter().position(|turn| at < turn.at).unwrap_or(turns.len());
        let (before, after) = turns.split_at_checked(after)?;
        let last = before.last()?;
        let found = after.first().map_or(self.alias.version.as_str(), |turn| turn.before);
        (found == last.after && number(found).is_some()).then(|| (found.to_owned(), last.basis.clone()))
    }

    /// Oldest first.
    fn turns(&self) -> Vec<Turn<'_>> {
        let shifts =
            self.history.deployments.iter().filter(|shift| shift.status == Status::Succeeded).filter_map(
                |shift| {
                    let at = shift.completed_at?;
                    let basis = Basis::Deployed { deployment: shift.id.clone(), finished_at: Some(at) };
                    Some(Turn { at, before: &shift.current, after: &shift.target, basis })
                },
            );
        let operations = self.memory.operations.iter().filter_map(|operation| {
            let made = operation.means == Means::UpdateAlias
                && operation.end.is_some_and(|end| end != End::Refused && end != End::Superseded);
            made.then(|| Turn {
                at: operation.began,
                before: &operation.from,
                after: &operation.to,
                basis: Basis::Remembered { since: operation.began },
            })
        });
        let good = self.memory.revisions.iter().filter(|revision| revision.standing == Standing::Good);
        let good = good.map(|revision| Turn {
            at: revision.since,
            before: &revision.arn,
            after: &revision.arn,
            basis: Basis::Remembered { since: revision.since },
        });
        let mut turns: Vec<_> = shifts.chain(operations).chain(good).collect();
        turns.sort_by_key(|turn| turn.at);
        turns
    }
}
