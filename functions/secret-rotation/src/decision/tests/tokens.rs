//! `valkey-auth-token`: never a third token while one of two may be in use.

use shared::ledger::rotation::Phase;
use shared::strategy::Strategy;

use super::check;
use crate::cases::{document, facts, group, let_in, overlap, refused};
use crate::event::Hook;
use crate::facts::{Facts, Group, Which};

fn begun(step: Hook, added: Option<(&str, Phase)>) -> Facts {
    let mut facts = facts(step, Strategy::ValkeyAuthToken);
    facts.overlap = Some(added.map(|(version, phase)| overlap(version, phase)));
    facts
}

fn created(added: Option<(&str, Phase)>) -> Facts {
    let mut facts = begun(Hook::CreateSecret, added);
    facts.values.insert(Which::Pending, None);
    facts
}

const HELD: &str = "refused: services may still run with the token before AWSCURRENT";

#[test]
fn a_rotation_is_refused_while_services_may_run_with_the_token_before_the_current_one() {
    for phase in [Phase::Added, Phase::Settling] {
        check(&created(Some(("v1", phase))), HELD);
        check(&begun(Hook::CreateSecret, Some(("v1", phase))), HELD);
        check(&begun(Hook::SetSecret, Some(("v1", phase))), HELD);
    }
    for free in [None, Some(("v1", Phase::Settled)), Some(("v0", Phase::Settled)), Some(("v2", Phase::Added))]
    {
        check(&created(free), "act: create password new 48");
    }
    let mut unknown = created(None);
    unknown.overlap = None;
    check(&unknown, "look: Overlap");
}

#[test]
fn a_token_that_was_added_and_never_came_into_use_is_used_before_a_further_one() {
    let mut facts = created(Some(("v9", Phase::Added)));
    check(&facts, "look: value Left v9 -");
    facts.values.insert(Which::Left, Some(document(r#"{"host":"kv","password":"left-9"}"#)));
    check(&facts, "act: create password kept left-9");
    for gone in [None, Some(document("{}")), Some(document(r#"{"password":"current-1"}"#))] {
        facts.values.insert(Which::Left, gone);
        check(&facts, "refused: the token of version v9 was added to the group and never came into use");
    }
}

#[test]
fn a_token_is_added_beside_the_one_in_use() {
    let mut facts = begun(Hook::SetSecret, None);
    check(&facts, "look: login Pending -@kv");
    facts.logins.insert(Which::Pending, refused());
    check(&facts, "look: Group(\"cache\")");
    facts.group = Some(None);
    check(&facts, "refused: there is no replication group \"cache\"");
    facts.group = Some(Some(Group { tls: false, ..group("available") }));
    check(&facts, "refused: the replication group cache has no encryption in transit");
    facts.group = Some(Some(group("modifying")));
    check(&facts, "waiting: the replication group cache is modifying");
    facts.group = Some(Some(group("deleting")));
    check(&facts, "refused: the replication group cache is deleting");
    facts.group = Some(Some(group("available")));
    check(&facts, "act: rotate cache to pending-2");
}

#[test]
fn a_token_that_logs_in_is_not_added_again_and_is_known_of() {
    let mut facts = begun(Hook::SetSecret, Some(("v2", Phase::Added)));
    facts.logins.insert(Which::Pending, let_in("default"));
    check(&facts, "set: the server lets AWSPENDING in already");
    facts.overlap = Some(None);
    check(&facts, "act: AdoptToken");
    facts.overlap = Some(Some(overlap("v9", Phase::Added)));
    check(&facts, "act: AdoptToken");
}

#[test]
fn a_token_is_not_added_if_another_was_added_meanwhile() {
    let mut facts = begun(Hook::SetSecret, Some(("v9", Phase::Added)));
    facts.logins.insert(Which::Pending, refused());
    facts.group = Some(Some(group("available")));
    check(&facts, "look: value Left v9 -");
    facts.values.insert(Which::Left, Some(document(r#"{"password":"left-9"}"#)));
    check(&facts, "refused: the token of version v9 was added to the group meanwhile");
    facts.values.insert(Which::Left, Some(document(r#"{"password":"pending-2"}"#)));
    check(&facts, "act: rotate cache to pending-2");
}

#[test]
fn a_pending_token_for_another_group_is_not_added() {
    for pending in [
        r#"{"host":"other","password":"pending-2","replication_group_id":"cache"}"#,
        r#"{"host":"kv","password":"pending-2","replication_group_id":"other"}"#,
    ] {
        let mut facts = begun(Hook::SetSecret, None);
        facts.values.insert(Which::Pending, Some(document(pending)));
        check(&facts, "refused: AWSPENDING is for another replication group");
    }
}

#[test]
fn a_test_waits_until_the_group_is_available_and_logs_in() {
    let mut facts = begun(Hook::TestSecret, None);
    facts.group = Some(Some(group("modifying")));
    check(&facts, "waiting: the replication group cache is modifying");
    facts.group = Some(Some(group("available")));
    check(&facts, "look: login Pending -@kv");
    facts.logins.insert(Which::Pending, refused());
    check(&facts, "refused: the server does not let AWSPENDING in");
    facts.logins.insert(Which::Pending, let_in("default"));
    check(&facts, "tested: ");
}
