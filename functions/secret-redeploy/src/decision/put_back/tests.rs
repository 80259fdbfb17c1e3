use super::*;
use crate::cases::{NEW, OLD, begun, member, redeploy, rotated_by, secret};

#[track_caller]
fn check(redeploy: &Redeploy, members: &[Member], secret: &Secret, expected: &Verdict) {
    let verdict = decide(redeploy, members, secret, Some(&rotation(State::Rotated)), PutBack::WhenSafe);
    assert_eq!(&verdict, expected);
    // What the policy says changes what is done, not what would help.
    match (decide(redeploy, members, secret, Some(&rotation(State::Rotated)), PutBack::Never), verdict) {
        (Verdict::Helps { to, do_it: false }, Verdict::Helps { to: same, do_it: true }) => {
            assert_eq!(to, same);
        }
        (no, same) => assert_eq!(no, same),
    }
}

fn rotation(state: State) -> Rotation {
    Rotation {
        secret: crate::cases::SECRET.to_owned(),
        version: NEW.to_owned(),
        previous: Some(OLD.to_owned()),
        strategy: Strategy::PostgresAlternating,
        step: "finishSecret".to_owned(),
        state,
        said: String::new(),
        exposed: None,
        at: crate::cases::at(0),
    }
}

#[test]
fn only_what_the_hook_rotated_in_last_and_nobody_rotates_again_is_put_back() {
    let alternating = rotated_by("postgres-alternating");
    let verdict = |redeploy: &Redeploy, secret: &Secret, rotation: Option<Rotation>| {
        decide(redeploy, &failed(), secret, rotation.as_ref(), PutBack::WhenSafe)
    };
    assert_eq!(verdict(&redeploy(), &alternating, Some(rotation(State::Settled))), helps());
    for unknown in [
        None,
        Some(rotation(State::Failed)),
        Some(Rotation { version: OLD.to_owned(), ..rotation(State::Rotated) }),
    ] {
        assert_eq!(verdict(&redeploy(), &alternating, unknown), Verdict::No(No::NotOurs));
    }
    let mut rotating = alternating.clone();
    rotating.stages.insert("third".to_owned(), vec!["AWSPENDING".to_owned()]);
    assert_eq!(verdict(&redeploy(), &rotating, Some(rotation(State::Rotated))), Verdict::No(No::Rotating));
    let back = Redeploy { holds_before: Some(crate::cases::at(0)), ..redeploy() };
    assert_eq!(verdict(&back, &alternating, Some(rotation(State::Rotated))), Verdict::No(No::PutBackBefore));
}

fn failed() -> Vec<Member> {
    vec![begun("web", Standing::Failed), member("api", Standing::Queued)]
}

fn helps() -> Verdict {
    Verdict::Helps { to: OLD.to_owned(), do_it: true }
}

#[test]
fn the_label_is_put_back_only_where_the_strategy_keeps_the_old_value_usable() {
    for (strategy, expected) in [
        ("postgres-alternating", helps()),
        ("valkey-user", helps()),
        ("valkey-auth-token", Verdict::No(No::TwoTokens)),
        ("postgres", Verdict::No(No::OldIsGone)),
        ("random", Verdict::No(No::OldIsGone)),
        ("mysql", Verdict::No(No::OldIsGone)),
    ] {
        check(&redeploy(), &failed(), &rotated_by(strategy), &expected);
    }
    check(&redeploy(), &failed(), &secret(), &Verdict::No(No::OldIsGone));
}

#[test]
fn a_value_that_somebody_runs_with_is_usable_and_stays() {
    let of = |other: Member| vec![begun("web", Standing::Failed), other];
    let alternating = rotated_by("postgres-alternating");
    check(&redeploy(), &of(begun("api", Standing::Fresh)), &alternating, &Verdict::No(No::Usable));
    // Whoever was fresh before the redeploy says nothing: perhaps it never opened a connection.
    check(&redeploy(), &of(member("api", Standing::Fresh)), &alternating, &helps());
}

#[test]
fn what_was_never_deployed_speaks_against_no_value() {
    let refused = vec![member("web", Standing::Failed), member("api", Standing::Queued)];
    check(&redeploy(), &refused, &rotated_by("valkey-user"), &Verdict::No(No::NotTried));
}

#[test]
fn only_awscurrent_goes_back_and_only_from_where_it_was_put() {
    let alternating = rotated_by("postgres-alternating");
    let blue = Redeploy { label: "BLUE".to_owned(), ..redeploy() };
    check(&blue, &failed(), &alternating, &Verdict::No(No::OtherLabel));
    let other = Redeploy { version: "another".to_owned(), ..redeploy() };
    check(&other, &failed(), &alternating, &Verdict::No(No::Superseded));
    let mut alone = alternating.clone();
    alone.stages = [(NEW.to_owned(), vec!["AWSCURRENT".to_owned()])].into();
    check(&redeploy(), &failed(), &alone, &Verdict::No(No::NoPrevious));
    check(&redeploy(), &[member("web", Standing::Skipped)], &alternating, &Verdict::No(No::NothingFailed));
    check(&redeploy(), &[], &alternating, &Verdict::No(No::NothingFailed));
}

#[test]
fn why_not_is_a_plain_sentence() {
    for (no, said) in [
        (No::OtherLabel, "only AWSCURRENT is put back"),
        (No::Superseded, "the label has moved on since"),
        (No::NoPrevious, "no version carries AWSPREVIOUS"),
        (
            No::OldIsGone,
            "the secret's strategy does not keep the old value usable, so putting the label back would help nobody",
        ),
        (No::TwoTokens, "the next rotation of an AUTH token would take the older one away"),
        (No::Usable, "other services run with the new value, so it is usable"),
        (No::NothingFailed, "nothing failed"),
        (No::NotTried, "no service was deployed with the new value, so nothing speaks against it"),
    ] {
        assert_eq!(no.to_string(), said);
    }
}
