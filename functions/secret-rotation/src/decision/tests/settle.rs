use shared::ledger::rotation::{Phase, State};
use shared::strategy::Strategy;
use shared::tags::MODE;

use super::check;
use crate::cases::{SECRET, document, facts as base, group, let_in, overlap, refused, rotation, secret};
use crate::event::Hook;
use crate::facts::{Facts, Which, Work};

/// All dependants run with v1, which is current.
fn settle(strategy: Strategy, state: State, added: Option<(&str, Phase)>) -> Facts {
    let mut facts = base(Hook::FinishSecret, strategy);
    facts.work = Work::Settle { secret: SECRET.to_owned(), version: "v1".to_owned() };
    facts.rotation = Some(Some(rotation("v1", "v0", strategy, state)));
    facts.overlap = Some(added.map(|(version, phase)| overlap(version, phase)));
    facts
}

#[test]
fn most_strategies_keep_nothing_that_would_have_to_go() {
    for strategy in
        [Strategy::Postgres, Strategy::PostgresAlternating, Strategy::ValkeyUser, Strategy::Random]
    {
        for state in [State::UnderWay, State::Rotated, State::Failed] {
            check(&settle(strategy, state, None), "act: Settled");
        }
        check(&settle(strategy, State::Settled, None), "settled: it was settled before");
    }
}

#[test]
fn a_version_that_is_superseded_is_not_settled() {
    for strategy in Strategy::ALL {
        let mut facts = settle(strategy, State::Rotated, Some(("v1", Phase::Added)));
        facts.work = Work::Settle { secret: SECRET.to_owned(), version: "v0".to_owned() };
        check(&facts, "ignored: another version is AWSCURRENT by now");
        facts.secret = Some(None);
        check(&facts, "ignored: the secret does not exist any more");
    }
    let mut facts = settle(Strategy::Postgres, State::Rotated, None);
    facts.rotation = Some(None);
    check(&facts, "ignored: the version was not rotated in by this function");
}

#[test]
fn a_secret_that_is_left_alone_is_not_settled() {
    let mut facts = settle(Strategy::Postgres, State::Rotated, None);
    let mut off = secret(Strategy::Postgres);
    off.tags.insert(MODE.to_owned(), "off".to_owned());
    facts.secret = Some(Some(off));
    check(&facts, "refused: the secret is left alone");
}

#[test]
fn the_group_keeps_only_the_token_that_every_service_runs_with() {
    let mut facts = settle(Strategy::ValkeyAuthToken, State::Rotated, Some(("v1", Phase::Added)));
    check(&facts, "look: Group(\"cache\")");
    facts.group = Some(Some(group("modifying")));
    check(&facts, "waiting: the replication group cache is modifying");
    facts.group = Some(Some(group("deleting")));
    check(&facts, "ignored: the replication group cache is being deleted");
    facts.group = Some(Some(group("available")));
    check(&facts, "look: login Current -@kv");
    facts.logins.insert(Which::Current, refused());
    check(&facts, "refused: the server does not let AWSCURRENT in");
    facts.logins.insert(Which::Current, let_in("default"));
    check(&facts, "act: set cache to current-1");
    // What the ledger says of the rotation was lost or replaced; the overlap counts.
    facts.rotation = Some(Some(rotation("v2", "v1", Strategy::ValkeyAuthToken, State::Failed)));
    check(&facts, "act: set cache to current-1");
}

#[test]
fn a_settlement_that_was_cut_off_sees_by_the_older_token_whether_it_is_done() {
    let mut facts = settle(Strategy::ValkeyAuthToken, State::Rotated, Some(("v1", Phase::Settling)));
    facts.group = Some(Some(group("available")));
    check(&facts, "look: login Previous -@kv");
    let asked = facts.clone();
    facts.logins.insert(Which::Previous, refused());
    check(&facts, "act: Settled");
    let mut facts = asked;
    facts.logins.insert(Which::Previous, let_in("default"));
    facts.logins.insert(Which::Current, let_in("default"));
    check(&facts, "act: set cache to current-1");
    for none in [None, Some(document("plain"))] {
        facts.logins.remove(&Which::Previous);
        facts.values.insert(Which::Previous, none);
        check(&facts, "act: set cache to current-1");
    }
}

#[test]
fn what_was_settled_or_never_added_is_let_go() {
    let token = Strategy::ValkeyAuthToken;
    check(&settle(token, State::Settled, Some(("v1", Phase::Settled))), "settled: it was settled before");
    check(&settle(token, State::Rotated, Some(("v1", Phase::Settled))), "act: Settled");
    check(
        &settle(token, State::Rotated, Some(("v2", Phase::Added))),
        "ignored: another token was added since",
    );
    check(&settle(token, State::Rotated, None), "ignored: no token was added by this function");
}
