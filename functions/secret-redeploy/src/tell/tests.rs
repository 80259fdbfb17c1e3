//! The notices, as people read them.

use std::fmt::Write as _;

use shared::ledger::rotation;

use super::*;
use crate::cases::{NEW, OLD, SECRET, at, begun, member, policy, redeploy, rotated_by, secret};

/// A notice as text, whole.
fn read(notice: &Notice) -> String {
    let mut text = format!("{} {} {}\n", notice.severity, notice.state.as_str(), notice.title);
    for line in std::iter::once(&notice.summary).filter(|line| !line.is_empty()) {
        writeln!(text, "{line}").unwrap();
    }
    for fact in &notice.facts {
        writeln!(text, "{}: {}", fact.name, fact.value).unwrap();
    }
    for action in &notice.actions {
        writeln!(text, "done: {action}").unwrap();
    }
    for step in &notice.next_steps {
        writeln!(text, "next: {step}").unwrap();
    }
    assert_eq!((notice.source.as_str(), notice.environment.as_str()), ("secret-redeploy", "test"));
    assert_eq!((notice.subject.kind.as_str(), notice.subject.id.as_str()), ("secret", "prod/db"));
    assert_eq!(notice.subject.arn.as_deref(), Some(SECRET));
    text
}

struct Told {
    redeploy: Redeploy,
    members: Vec<Member>,
    secret: Secret,
    back: PutBack,
    failure: Option<&'static str>,
    settled: bool,
    known: Option<Incident>,
}

fn told(members: &[Member]) -> Told {
    Told {
        redeploy: Redeploy { waves: 2, ..redeploy() },
        members: members.to_vec(),
        secret: secret(),
        back: PutBack::No(crate::decision::put_back::No::NothingFailed),
        failure: None,
        settled: false,
        known: None,
    }
}

impl Told {
    fn notice(&self) -> Option<Notice> {
        let Self { redeploy, members, secret, back, failure, settled, known } = self;
        let story =
            Story { redeploy, members, secret, back, failure: *failure, settled: *settled, ended: at(7) };
        ended(&story, known.as_ref(), &policy())
    }
}

#[track_caller]
fn check(told: &Told, expected: &str) {
    assert_eq!(read(&told.notice().unwrap()), expected);
}

fn firing() -> Incident {
    Incident {
        key: format!("secret:{SECRET}"),
        state: State::Firing,
        revision: u64::try_from(at(30).as_millisecond()).unwrap(),
        target: String::new(),
        operation: None,
        opened: at(-5),
    }
}

fn left(name: &str, why: &str, needs_a_hand: bool) -> Member {
    Member { why: why.to_owned(), needs_a_hand, ..member(name, Standing::Skipped) }
}

const HEAD: &str = "Secret: prod/db\n\
                    Version: 99999999-8888-4777-8666-555555555555 (AWSCURRENT)\n\
                    Changed: 2026-11-20T03:00:00Z\n";

#[test]
fn a_redeploy_that_is_done_says_who_was_redeployed_and_who_was_not() {
    let mut told = told(&[
        begun("web", Standing::Fresh),
        begun("api", Standing::Fresh),
        member("new", Standing::Fresh),
        left("worker", "its tag watchkeeper:redeploy is off", false),
    ]);
    told.settled = true;
    check(
        &told,
        &format!(
            "SEV-4 info prod/db changed: 2 services redeployed\n\
             The label AWSCURRENT of prod/db moved to another version; of 4 services: 2 redeployed, 1 had the new version \
             already, 1 left alone.\n\
             {HEAD}\
             Waves: 2\n\
             Took: 7 min 0 s\n\
             Redeploy: redeploy-1\n\
             Redeployed: prod/web, prod/api\n\
             Had the new version already: prod/new\n\
             Left alone: prod/worker: its tag watchkeeper:redeploy is off\n\
             done: Redeployed 2 services in 2 waves with the image that ran.\n"
        ),
    );
}

#[test]
fn who_needs_a_hand_is_told_of_more_urgently() {
    check(
        &told(&[begun("web", Standing::Fresh), left("files", "an external controller deploys it", true)]),
        &format!(
            "SEV-3 info prod/db changed: 1 service redeployed, others need a hand\n\
             The label AWSCURRENT of prod/db moved to another version; of 2 services: 1 redeployed, 1 left alone.\n\
             {HEAD}\
             Waves: 2\n\
             Took: 7 min 0 s\n\
             Redeploy: redeploy-1\n\
             Redeployed: prod/web\n\
             Left alone: prod/files: an external controller deploys it\n\
             done: Redeployed 1 service in 2 waves with the image that ran.\n\
             next: See under \"Left alone\" what each service needs.\n"
        ),
    );
    let alone = told(&[left("files", "an external controller deploys it", true)]).notice().unwrap();
    assert_eq!(
        (alone.title.as_str(), alone.severity),
        ("prod/db changed: services that use it need a hand", Severity::Sev3)
    );
}

#[test]
fn where_nothing_was_done_and_nobody_has_to_do_anything_nobody_is_told() {
    assert_eq!(told(&[]).notice(), None);
    assert_eq!(told(&[member("new", Standing::Fresh), left("off", "off", false)]).notice(), None);
}

#[test]
fn a_redeploy_that_failed_says_why_what_is_left_and_how_to_go_back() {
    let failed = Member {
        why: "its tasks do not start: password authentication failed".to_owned(),
        ..begun("web", Standing::Failed)
    };
    let mut told = told(&[failed, member("api", Standing::Queued), member("worker", Standing::Deferred)]);
    told.secret = rotated_by("postgres-alternating");
    told.back = PutBack::Helps { to: OLD.to_owned(), do_it: false };
    check(
        &told,
        &format!(
            "SEV-2 firing prod/db changed, and redeploying its services stopped\n\
             The label AWSCURRENT of prod/db moved to another version; of 3 services: 1 failed, 2 not begun. No further wave \
             begins. The user before stays usable until the next rotation, so whatever still runs with it goes on.\n\
             {HEAD}\
             Redeploy: redeploy-1\n\
             Failed: prod/web: its tasks do not start: password authentication failed\n\
             Not begun: prod/api\n\
             Waits: prod/worker\n\
             next: No service runs with the new version, so it may be unusable. To put the label back: aws secretsmanager \
             update-secret-version-stage --secret-id {SECRET} --version-stage AWSCURRENT --move-to-version-id {OLD} \
             --remove-from-version-id {NEW}\n\
             next: Mend what keeps the service from starting, then go on by hand: {{\"redeploy\": {{\"secret\": \"prod/db\", \
             \"dry_run\": false}}}} to the function secret-redeploy\n"
        ),
    );
    told.redeploy.put_back = Some(OLD.to_owned());
    let notice = told.notice().unwrap();
    assert_eq!(
        notice.actions,
        [format!(
            "Put the label AWSCURRENT back to version {OLD}, as the policy wants it; what was redeployed is redeployed once more."
        )]
    );
    assert_eq!(notice.next_steps, Vec::<String>::new());
}

#[test]
fn what_becomes_of_the_old_value_depends_on_the_strategy() {
    for (strategy, expected) in [
        (
            "postgres",
            "The password before no longer works: what still runs with it cannot open new connections.",
        ),
        (
            "postgres-alternating",
            "The user before stays usable until the next rotation, so whatever still runs with it goes on.",
        ),
        (
            "valkey-user",
            "The password before stays usable until the next rotation, so whatever still runs with it goes on.",
        ),
        (
            "valkey-auth-token",
            "The token before stays valid until every service runs with the new one, and the next rotation is refused until then.",
        ),
        ("random", "Whether the value before still works depends on who checks it."),
        ("", "Whether the value before still works depends on who checks it."),
    ] {
        let mut told = told(&[begun("web", Standing::Failed)]);
        told.secret = if strategy.is_empty() { secret() } else { rotated_by(strategy) };
        let summary = told.notice().unwrap().summary;
        assert!(summary.ends_with(expected), "{summary}");
    }
}

#[test]
fn what_would_be_done_is_told_for_the_record() {
    let notice =
        told(&[member("web", Standing::Proposed), member("api", Standing::Proposed)]).notice().unwrap();
    assert_eq!((notice.state, notice.severity), (State::Info, Severity::Sev4));
    assert_eq!(notice.title, "prod/db changed: 2 services would be redeployed");
    assert_eq!(
        notice.next_steps,
        [
            "To redeploy them: {\"redeploy\": {\"secret\": \"prod/db\", \"dry_run\": false}} to the function secret-redeploy"
        ]
    );
}

#[test]
fn what_fired_is_told_to_be_over_and_after_what_was_told_before() {
    let mut told = told(&[begun("web", Standing::Fresh)]);
    told.known = Some(firing());
    let notice = told.notice().unwrap();
    assert_eq!((notice.state, notice.revision), (State::Resolved, firing().revision + 1));
    told.members = vec![member("web", Standing::Fresh)];
    let notice = told.notice().unwrap();
    assert_eq!(notice.title, "prod/db changed: all services that use it have the new version");
    told.known = Some(Incident { state: State::Resolved, ..firing() });
    assert_eq!(told.notice(), None);
}

#[test]
fn a_hundred_services_are_counted_and_the_first_are_named() {
    let many = |standing, why: &str| -> Vec<Member> {
        (0..500)
            .map(|number| Member { why: why.to_owned(), ..begun(&format!("service-{number:03}"), standing) })
            .collect()
    };
    let value = |told: &Told, name: &str| {
        let notice = told.notice().unwrap();
        assert!(serde_json::to_string(&notice).unwrap().len() < 20_000);
        notice.facts.into_iter().find(|fact| fact.name == name).unwrap().value
    };
    let fresh = value(&told(&many(Standing::Fresh, "")), "Redeployed");
    assert!(fresh.starts_with("prod/service-000, prod/service-001, "), "{fresh}");
    assert!(fresh.ends_with("prod/service-019 … and 480 more, see the log of secret-redeploy"), "{fresh}");
    // Reasons are long: the count stands there, however few fit.
    let failed = value(&told(&many(Standing::Failed, &"x".repeat(400))), "Failed");
    assert!(failed.ends_with("… and 496 more, see the log of secret-redeploy"), "{failed}");
    // One that is too long by itself is cut, and says so.
    let one = value(&told(&[Member { why: "x".repeat(5_000), ..begun("web", Standing::Failed) }]), "Failed");
    assert!(one.starts_with("prod/web: xxx") && one.ends_with("characters omitted)"), "{one}");
}

#[test]
fn only_where_the_old_value_is_gone_people_hear_that_services_wait() {
    let members = [member("web", Standing::Queued), member("api", Standing::Fresh)];
    let of =
        |secret: &Secret, members: &[Member]| waits(&redeploy(), members, secret, "it is frozen", &policy());
    let notice = of(&rotated_by("postgres"), &members).unwrap();
    assert_eq!(
        read(&notice),
        "SEV-2 firing prod/db changed, and services that use it wait to be redeployed\n\
         The password before no longer works: what still runs with it cannot open new connections. They wait: it is frozen.\n\
         Waits: prod/web: because\n\
         next: To redeploy them now: {\"redeploy\": {\"secret\": \"prod/db\", \"dry_run\": false}} to the function \
         secret-redeploy\n\
         next: For rotations without such a gap, use the strategy postgres-alternating.\n"
    );
    assert_eq!(notice.time, at(0));
    assert_eq!(of(&rotated_by("postgres"), &members[1..]), None);
    for other in ["postgres-alternating", "valkey-user", "valkey-auth-token", "random"] {
        assert_eq!(of(&rotated_by(other), &members), None);
    }
}

fn hook() -> Rotation {
    Rotation {
        secret: SECRET.to_owned(),
        version: NEW.to_owned(),
        previous: None,
        strategy: Strategy::Postgres,
        step: "testSecret".to_owned(),
        state: rotation::State::Failed,
        said: "the new password is refused".to_owned(),
        exposed: None,
        at: at(-1),
    }
}

#[test]
fn a_rotation_that_broke_off_says_what_the_hook_said() {
    let broken = |how| Broken { secret: SECRET.to_owned(), how, at: at(0) };
    let notice =
        rotation_broken(&broken(How::Failed), &rotated_by("valkey-user"), Some(&hook()), None, &policy());
    assert_eq!(
        read(&notice),
        "SEV-3 firing The rotation of prod/db failed\n\
         Secrets Manager gave up after its retries.\n\
         Strategy: postgres\n\
         Last step: testSecret at 2026-11-20T02:59:00Z\n\
         It said: the new password is refused\n\
         next: Mend what it names, then rotate again: aws secretsmanager rotate-secret --secret-id prod/db\n"
    );
    let notice =
        rotation_broken(&broken(How::Abandoned), &rotated_by("postgres"), None, Some(&firing()), &policy());
    assert_eq!(
        read(&notice),
        "SEV-3 firing The rotation of prod/db was abandoned\n\
         Somebody wrote the secret while it was being rotated, so Secrets Manager dropped the rotation.\n\
         next: See whether the value that was written by hand is the one that the database or cache has.\n"
    );
    assert_eq!(notice.revision, firing().revision + 1);
    let urgent = rotation_broken(&broken(How::Failed), &rotated_by("postgres"), None, None, &policy());
    assert_eq!(urgent.severity, Severity::Sev2);
}

#[test]
fn what_the_sweep_finds_says_what_to_type() {
    let of = |found: &Trouble| read(&trouble(&secret(), found, None, None, &policy()));
    assert_eq!(
        of(&Trouble::Overdue { due: at(0) }),
        "SEV-3 firing The rotation of prod/db is overdue since 2026-11-20T03:00:00Z\n\
         It should have been rotated by then, and was not.\n\
         next: See why Secrets Manager does not rotate it: aws secretsmanager rotate-secret --secret-id prod/db\n"
    );
    assert_eq!(
        of(&Trouble::Stuck { version: "third".to_owned(), since: at(0) }),
        "SEV-3 firing A rotation of prod/db is stuck\n\
         The label AWSPENDING stands on version third, which never became current.\n\
         next: Mend what it says, and let Secrets Manager try again: aws secretsmanager rotate-secret --secret-id prod/db. To give that rotation up: aws secretsmanager update-secret-version-stage \
         --secret-id prod/db --version-stage AWSPENDING --remove-from-version-id third\n"
    );
    let over =
        in_order(&secret(), &Incident { key: rotation_incident(SECRET), ..firing() }, at(40), &policy());
    assert_eq!(read(&over), "SEV-4 resolved The rotation of prod/db is in order again\n");
}

#[track_caller]
fn check_place(place_of: Place, container: Option<&str>, key: Option<&str>, wanted: Wanted, expected: &str) {
    let secret = serde_json::from_value(SECRET.into()).unwrap();
    let reference = Reference {
        place: place_of,
        container: container.map(ToOwned::to_owned),
        secret,
        key: key.map(ToOwned::to_owned),
        wanted,
    };
    assert_eq!(place(&reference), expected);
}

#[test]
fn where_a_reference_stands_is_said_in_words() {
    let app = Some("app");
    check_place(Place::Secret, app, None, Wanted::default(), "secrets of container app");
    check_place(
        Place::Secret,
        app,
        Some("password"),
        Wanted::default(),
        "secrets of container app (key password)",
    );
    check_place(
        Place::Log,
        app,
        None,
        Wanted::Stage("BLUE".to_owned()),
        "log options of container app, label BLUE",
    );
    check_place(Place::Volume, None, None, Wanted::Version("v".to_owned()), "an FSx volume, version v");
    check_place(Place::ServiceConnect, None, None, Wanted::default(), "log options of Service Connect");
    check_place(Place::Registry, app, None, Wanted::default(), "registry credentials of container app");
    check_place(
        Place::Environment,
        app,
        None,
        Wanted::default(),
        "a plain environment variable of container app",
    );
}

#[test]
fn what_somebody_wrote_is_cut_to_a_line() {
    assert_eq!(cut("a\nb\u{7}"), "ab");
    assert_eq!(cut(&"ü".repeat(500)).chars().count(), 120);
}

#[test]
fn a_time_is_said_as_people_say_it() {
    for (seconds, expected) in
        [(-5, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (7_260, "2 h 1 min")]
    {
        assert_eq!(span(SignedDuration::from_secs(seconds)), expected);
    }
}
