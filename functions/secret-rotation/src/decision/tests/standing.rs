use shared::strategy::Strategy;

use crate::cases::{facts, let_in, refused};
use crate::decision::standing;
use crate::event::Hook;
use crate::facts::{Login, Which};

#[track_caller]
fn check(step: Hook, strategy: Strategy, login: Option<(Which, Login)>, attempted: bool, expected: &str) {
    let mut facts = facts(step, strategy);
    facts.logins.extend(login);
    assert_eq!(standing(&facts, attempted), expected);
}

#[test]
fn a_failure_says_what_state_the_credential_is_in() {
    let untouched = "AWSCURRENT (version v1) is untouched, and the server knows nothing of a new value.";
    check(Hook::CreateSecret, Strategy::Postgres, None, false, untouched);
    let set =
        |login, attempted, expected| check(Hook::SetSecret, Strategy::Postgres, login, attempted, expected);
    set(
        Some((Which::Current, let_in("app"))),
        false,
        "AWSCURRENT (version v1) still works; the new password is not set.",
    );
    set(
        Some((Which::Current, let_in("app"))),
        true,
        "The new password may be set already; then AWSCURRENT (version v1) lets nobody in, and setSecret, asked for again, \
         goes on.",
    );
    set(
        Some((Which::Current, refused())),
        false,
        "AWSCURRENT (version v1) does not log in, and the new password is not set.",
    );
    set(None, false, "The new password is not set by this step; AWSCURRENT (version v1) was not tried.");
    check(
        Hook::TestSecret,
        Strategy::Postgres,
        Some((Which::Pending, refused())),
        false,
        "AWSPENDING does not log in; AWSCURRENT (version v1) has not moved.",
    );
    check(
        Hook::FinishSecret,
        Strategy::PostgresAlternating,
        None,
        true,
        "AWSCURRENT (version v1) is another user than the one that was changed, and is as it was.",
    );
    for strategy in [Strategy::ValkeyUser, Strategy::ValkeyAuthToken] {
        let added = "AWSCURRENT (version v1) is as valid as it was: a new one is only ever added beside it.";
        check(Hook::SetSecret, strategy, None, true, added);
    }
    let unused = "AWSCURRENT (version v1) is untouched; the new value is in no use.";
    check(Hook::FinishSecret, Strategy::Random, None, true, unused);
}
