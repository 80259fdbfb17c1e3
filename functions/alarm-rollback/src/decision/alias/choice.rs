//! The version that an alias pointed to before, as far as that can be known.

use shared::ledger::revision::Standing;

use super::{Asked, Basis, Case, Choice, Question, Shift, Why, number};

/// CodeDeploy's record, then the ledger. Only where CodeDeploy says nothing, the numbers of the versions: where it
/// does, and what it says is bad, walking further back blindly would only be another outage.
pub(super) fn previous(case: &Case<'_>, arrival: Option<&Shift>) -> Asked<Result<Choice, Why>> {
    let current = case.alias.version.as_str();
    if let Some(shift) = arrival {
        let recorded = shift.current.as_str();
        if recorded == current || case.same_code(current, recorded) {
            let (from, to) = (current.to_owned(), recorded.to_owned());
            return Ok(Err(Why::SameCode { from, to }));
        }
        if is_usable(case, recorded) {
            let (deployment, finished_at) = (shift.id.clone(), shift.completed_at);
            return Ok(Ok(Choice {
                version: recorded.to_owned(),
                basis: Basis::Deployed { deployment, finished_at },
            }));
        }
    }
    if let Some(choice) = remembered(case) {
        return Ok(Ok(choice));
    }
    if arrival.is_some() {
        return Ok(Err(Why::NothingGood { version: current.to_owned() }));
    }
    lower(case)
}

fn is_usable(case: &Case<'_>, version: &str) -> bool {
    number(version).is_some()
        && version != case.alias.version
        && !case.memory.is_bad(version)
        && !case.is_deleted(version)
        && !case.same_code(&case.alias.version, version)
}

fn remembered(case: &Case<'_>) -> Option<Choice> {
    let good = case
        .memory
        .revisions
        .iter()
        .find(|revision| revision.standing == Standing::Good && is_usable(case, &revision.arn))?;
    Some(Choice { version: good.arn.clone(), basis: Basis::Remembered { since: good.since } })
}

/// The highest published version below the current one that has other code and that no other alias points to: what
/// another alias carries may be a version that is only being tried.
fn lower(case: &Case<'_>) -> Asked<Result<Choice, Why>> {
    let current = case.alias.version.as_str();
    if !case.history.all_versions {
        return Ok(Err(Why::TooManyVersions));
    }
    let (Some(limit), Some(code)) = (number(current), case.code(current)) else {
        return Ok(Err(Why::NothingGood { version: current.to_owned() }));
    };
    let taken = case.scene.taken.as_ref().ok_or(Question::Taken)?;
    let highest = case
        .history
        .versions
        .iter()
        .filter(|version| version.code.as_deref().is_some_and(|other| other != code))
        .filter(|version| is_usable(case, &version.version) && !taken.contains(&version.version))
        .filter_map(|version| Some((number(&version.version).filter(|number| *number < limit)?, version)))
        .max_by_key(|(number, _)| *number);
    Ok(highest.map_or_else(
        || Err(Why::NothingGood { version: current.to_owned() }),
        |(_, version)| Ok(Choice { version: version.version.clone(), basis: Basis::Lower }),
    ))
}
