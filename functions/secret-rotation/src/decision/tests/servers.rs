//! `postgres`, `postgres-alternating` and `valkey-user`.

use shared::strategy::Strategy;

use super::check;
use crate::cases::{document, facts, let_in, refused, rotation, user};
use crate::event::Hook;
use crate::facts::{Facts, Login, Which};
use shared::ledger::rotation::State;

fn with(step: Hook, strategy: Strategy, change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = facts(step, strategy);
    change(&mut facts);
    facts
}

fn login(which: Which, login: Login) -> impl Fn(&mut Facts) {
    move |facts| drop(facts.logins.insert(which, login.clone()))
}

fn value(which: Which, text: &'static str) -> impl Fn(&mut Facts) {
    move |facts| drop(facts.values.insert(which, Some(document(text))))
}

#[test]
fn a_user_s_password_is_made_new_and_a_second_user_takes_turns() {
    for (strategy, expected) in [
        (Strategy::Postgres, "act: create password new 48"),
        (Strategy::PostgresAlternating, "act: create username app_clone, password new 48"),
        (Strategy::ValkeyUser, "act: create password new 48"),
    ] {
        let mut facts = facts(Hook::CreateSecret, strategy);
        facts.values.insert(Which::Pending, None);
        check(&facts, expected);
    }
    let turned = value(
        Which::Current,
        r#"{"host":"db","username":"app_clone","password":"current-1","superuser_secret_arn":"arn:master"}"#,
    );
    let mut facts = with(Hook::CreateSecret, Strategy::PostgresAlternating, turned);
    facts.values.insert(Which::Pending, None);
    check(&facts, "act: create username app, password new 48");
}

#[test]
fn what_a_secret_lacks_is_named_before_anything_is_changed() {
    for (strategy, current, expected) in [
        (Strategy::Postgres, r#"{"username":"app","password":"p"}"#, "lacks the field host"),
        (Strategy::Postgres, "plain", "holds no JSON object"),
        (
            Strategy::PostgresAlternating,
            r#"{"host":"db","username":"app","password":"p"}"#,
            "lacks the field masterarn",
        ),
        (Strategy::ValkeyUser, r#"{"host":"kv","username":"app"}"#, "lacks the field user_id or user_arn"),
        (Strategy::ValkeyAuthToken, r#"{"host":"kv","password":"p"}"#, "replication_group_id"),
    ] {
        let mut facts = facts(Hook::CreateSecret, strategy);
        facts.values.insert(Which::Pending, None);
        facts.values.insert(Which::Current, Some(document(current)));
        let told = super::told(&super::decide(&facts, "prod"));
        assert!(
            told.starts_with("refused: the AWSCURRENT") && told.contains("of the secret prod/db"),
            "{told}"
        );
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_valkey_user_s_first_rotation_may_find_no_password() {
    let first = value(Which::Current, r#"{"host":"kv","username":"app","user_id":"app-1"}"#);
    let mut facts = with(Hook::CreateSecret, Strategy::ValkeyUser, &first);
    facts.values.insert(Which::Pending, None);
    check(&facts, "act: create password new 48");
    let mut facts = with(Hook::SetSecret, Strategy::ValkeyUser, first);
    facts.user = Some(Some(user("active", "no-password")));
    check(&facts, r#"act: passwords of app-1: ["pending-2"]"#);
}

#[test]
fn a_password_that_logs_in_is_not_set_again() {
    for (strategy, name) in [(Strategy::Postgres, "app"), (Strategy::ValkeyUser, "app")] {
        let mut facts = with(Hook::SetSecret, strategy, login(Which::Pending, let_in(name)));
        facts.user = Some(Some(user("modifying", "password")));
        check(&facts, "set: the server lets AWSPENDING in already");
    }
    let acting = Login::In { user: "app_clone".to_owned(), acts_as: "app".to_owned() };
    let facts = with(Hook::SetSecret, Strategy::PostgresAlternating, login(Which::Pending, acting));
    check(&facts, "set: the server lets AWSPENDING in already");
}

#[test]
fn a_user_changes_its_own_password_with_the_current_one_or_the_one_before_and_no_other() {
    let mut facts = facts(Hook::SetSecret, Strategy::Postgres);
    check(&facts, "look: login Pending app@db");
    facts.logins.insert(Which::Pending, refused());
    check(&facts, "look: login Current app@db");
    let asked = facts.clone();
    facts.logins.insert(Which::Current, let_in("app"));
    check(&facts, "act: set by current-1, proved by pending-2");

    let mut facts = asked;
    facts.logins.insert(Which::Current, refused());
    check(&facts, "look: login Previous app@db");
    let asked = facts.clone();
    facts.logins.insert(Which::Previous, let_in("app"));
    check(&facts, "act: set by previous-0, proved by pending-2");
    facts.logins.insert(Which::Previous, refused());
    check(&facts, "refused: the server lets in neither AWSPENDING nor AWSCURRENT nor AWSPREVIOUS");

    for other in [
        r#"{"host":"other","username":"app","password":"previous-0"}"#,
        r#"{"host":"db","username":"root","password":"previous-0"}"#,
        "plain",
    ] {
        let mut facts = asked.clone();
        facts.values.insert(Which::Previous, Some(document(other)));
        check(&facts, "refused: the server lets in neither");
    }
    let mut facts = asked;
    facts.values.insert(Which::Previous, None);
    check(&facts, "refused: the server lets in neither");
}

#[test]
fn a_pending_value_for_somebody_else_is_not_set() {
    for pending in [
        r#"{"host":"other","username":"app","password":"pending-2"}"#,
        r#"{"host":"db","username":"root","password":"pending-2"}"#,
        r#"{"host":"db","username":"app","password":"pending-2","dbname":"other"}"#,
        r#"{"host":"db","username":"app","password":"pending-2","port":1}"#,
    ] {
        let set = with(Hook::SetSecret, Strategy::Postgres, value(Which::Pending, pending));
        check(&set, "refused: AWSPENDING is for another user, host or database");
        let set = with(Hook::SetSecret, Strategy::PostgresAlternating, value(Which::Pending, pending));
        check(&set, "refused: AWSPENDING is not for the other of the two users");
    }
    for pending in [
        r#"{"host":"kv","username":"root","password":"pending-2","user_id":"app-1"}"#,
        r#"{"host":"kv","username":"app","password":"pending-2","user_id":"root-1"}"#,
    ] {
        let set = with(Hook::SetSecret, Strategy::ValkeyUser, value(Which::Pending, pending));
        check(&set, "refused: AWSPENDING is for another user");
    }
}

#[test]
fn a_superuser_sets_the_other_user_s_password_only_for_a_secret_that_logs_in() {
    let mut facts = facts(Hook::SetSecret, Strategy::PostgresAlternating);
    check(&facts, "look: login Pending app_clone@db");
    facts.logins.insert(Which::Pending, refused());
    check(&facts, "look: login Current app@db");
    let asked = facts.clone();
    facts.logins.insert(Which::Current, refused());
    check(&facts, "refused: the server does not let AWSCURRENT in");
    let mut facts = asked;
    facts.logins.insert(Which::Current, let_in("app"));
    check(&facts, "look: value Superuser - AWSCURRENT");
    facts.values.insert(Which::Superuser, None);
    check(&facts, "refused: the superuser's secret arn:master does not exist");
    for (master, expected) in [
        (
            r#"{"username":"root","password":"root-pass","host":"other"}"#,
            "refused: the superuser's secret arn:master is for",
        ),
        (r#"{"username":"root"}"#, "refused: the superuser's secret arn:master lacks the field password"),
        (r#"{"username":"root","password":"root-pass"}"#, "look: login Superuser root@db"),
    ] {
        facts.values.insert(Which::Superuser, Some(document(master)));
        check(&facts, expected);
    }
    facts.logins.insert(Which::Superuser, refused());
    check(&facts, "waiting: the server does not let the superuser of arn:master in");
    facts.logins.insert(Which::Superuser, let_in("root"));
    check(
        &facts,
        r#"act: alternate by root in Postgres { database: "postgres" }, of Pair { base: "app", clone: "app_clone" }, proved by Some("app_clone")"#,
    );
    // A clone that acts as itself is brought to act as the first.
    facts.logins.insert(Which::Pending, let_in("app_clone"));
    check(&facts, "act: alternate by root");
}

#[test]
fn a_valkey_user_gets_the_new_password_beside_the_current_one() {
    let mut facts = facts(Hook::SetSecret, Strategy::ValkeyUser);
    check(&facts, "look: User(\"app-1\")");
    facts.user = Some(None);
    check(&facts, "refused: there is no ElastiCache user");
    facts.user = Some(Some(user("active", "iam")));
    check(&facts, "refused: the ElastiCache user app-1 authenticates by IAM");
    facts.user = Some(Some(user("deleting", "password")));
    check(&facts, "refused: the ElastiCache user app-1 is being deleted");
    facts.user = Some(Some(user("active", "password")));
    check(&facts, "look: login Pending app@kv");
    facts.logins.insert(Which::Pending, refused());
    check(&facts, r#"act: passwords of app-1: ["pending-2", "current-1"]"#);
    facts.user = Some(Some(user("modifying", "password")));
    check(&facts, "waiting: the ElastiCache user app-1 is modifying");
    // A user without password is let in with any: that says nothing.
    facts.logins.insert(Which::Pending, let_in("app"));
    facts.user = Some(Some(user("active", "no-password")));
    check(&facts, "act: passwords of app-1");
    // The same is never sent twice.
    let pending = facts.values[&Which::Pending].clone();
    facts.values.insert(Which::Current, pending);
    check(&facts, r#"act: passwords of app-1: ["pending-2"]"#);
    facts.user = Some(Some(crate::facts::User { name: "other".to_owned(), ..user("active", "password") }));
    check(&facts, "refused: the ElastiCache user app-1 is named \"other\"");
}

#[test]
fn a_test_is_a_login_as_the_secret_s_user() {
    for (strategy, name) in [
        (Strategy::Postgres, "app"),
        (Strategy::PostgresAlternating, "app_clone"),
        (Strategy::ValkeyUser, "app"),
    ] {
        let mut facts = facts(Hook::TestSecret, strategy);
        facts.user = Some(Some(user("active", "password")));
        let told = super::told(&super::decide(&facts, "prod"));
        assert!(told.starts_with("look: login Pending"), "{told}");
        facts.logins.insert(Which::Pending, refused());
        check(&facts, "refused: the server does not let AWSPENDING in: no");
        facts.logins.insert(Which::Pending, let_in("somebody"));
        check(&facts, "refused: the server takes AWSPENDING for the user \"somebody\"");
        facts.logins.insert(Which::Pending, let_in(name));
        check(&facts, "tested: the server lets AWSPENDING in");
    }
}

#[test]
fn a_test_run_alone_needs_no_other_step_before_it() {
    for strategy in [Strategy::Postgres, Strategy::PostgresAlternating, Strategy::ValkeyUser] {
        let mut facts = facts(Hook::TestSecret, strategy);
        let current = facts.values[&Which::Current].clone();
        facts.values.insert(Which::Pending, current);
        facts.user = Some(Some(user("active", "password")));
        facts.logins.insert(Which::Pending, let_in("app"));
        check(&facts, "tested: ");
    }
}

#[test]
fn the_second_user_must_act_as_the_first_once_this_function_has_set_it() {
    let mut facts =
        with(Hook::TestSecret, Strategy::PostgresAlternating, login(Which::Pending, let_in("app_clone")));
    check(&facts, "tested: ");
    facts.rotation = Some(Some(rotation("v2", "v1", Strategy::PostgresAlternating, State::UnderWay)));
    check(&facts, "refused: AWSPENDING acts as \"app_clone\", not as \"app\"");
}

#[test]
fn a_test_waits_until_a_valkey_user_is_active() {
    let mut facts = facts(Hook::TestSecret, Strategy::ValkeyUser);
    facts.user = Some(Some(user("modifying", "password")));
    check(&facts, "waiting: the ElastiCache user app-1 is modifying");
}
