//! What people are told of a secret and its dependants.

use jiff::{SignedDuration, Timestamp};
use shared::Error;
use shared::ledger::incident::Incident;
use shared::ledger::redeploy::{Member, Redeploy, Standing};
use shared::ledger::rotation::Rotation;
use shared::notice::{Notice, Severity, State, Subject};
use shared::strategy::Strategy;

use crate::by_hand::WORD;
use crate::decision::Policy;
use crate::decision::put_back::Verdict as PutBack;
use crate::decision::sweep::Trouble;
use crate::event::{Broken, How};
use crate::facts::Secret;
use crate::reference::{Place, Reference, Wanted};

const SOURCE: &str = "secret-redeploy";

/// As many services are named in one fact; the report has all of them.
const NAMED: usize = 20;

/// A fact's value is cut where it is longer than 2,000 characters; that there are more must stand before that.
const LONGEST: usize = 1_900;

/// Where a reference stands, in words.
pub(crate) fn place(reference: &Reference) -> String {
    let of = reference.container.as_deref().map(|name| format!(" of container {name}")).unwrap_or_default();
    let key = reference.key.as_deref().map(|key| format!(" (key {key})")).unwrap_or_default();
    let wanted = match &reference.wanted {
        Wanted::Stage(stage) if stage == "AWSCURRENT" => String::new(),
        Wanted::Stage(stage) => format!(", label {stage}"),
        Wanted::Version(version) => format!(", version {version}"),
    };
    let place = match reference.place {
        Place::Secret => "secrets",
        Place::Log => "log options",
        Place::Volume => "an FSx volume",
        Place::ServiceConnect => "log options of Service Connect",
        Place::Registry => "registry credentials",
        Place::Environment => "a plain environment variable",
    };
    format!("{place}{of}{key}{wanted}")
}

/// How many services stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) redeployed: u32,
    pub(crate) fresh: u32,
    pub(crate) skipped: u32,
    pub(crate) proposed: u32,
    pub(crate) failed: u32,
    pub(crate) left: u32,
}

pub(crate) fn counts(members: &[Member]) -> Counts {
    let mut counts = Counts::default();
    for member in members {
        let place = match member.standing {
            Standing::Fresh if was_redeployed(member) => &mut counts.redeployed,
            Standing::Fresh => &mut counts.fresh,
            Standing::Skipped => &mut counts.skipped,
            Standing::Proposed => &mut counts.proposed,
            Standing::Failed => &mut counts.failed,
            Standing::Queued | Standing::Deferred | Standing::Moving => &mut counts.left,
        };
        *place += 1;
    }
    counts
}

/// Whether it has the new version because of this redeploy, and not because somebody else deployed it.
fn was_redeployed(member: &Member) -> bool {
    member.standing == Standing::Fresh && member.wave.is_some() && member.operation.is_some()
}

/// All of it in one line.
pub(crate) fn summary(members: &[Member]) -> String {
    let Counts { redeployed, fresh, skipped, proposed, failed, left } = counts(members);
    let parts = [
        (redeployed, "redeployed"),
        (fresh, "had the new version already"),
        (proposed, "would be redeployed"),
        (skipped, "left alone"),
        (failed, "failed"),
        (left, "not begun"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() {
        "no service uses it".to_owned()
    } else {
        format!("of {} services: {}", members.len(), parts.join(", "))
    }
}

/// Everything that the end is told from.
pub(crate) struct Story<'a> {
    pub(crate) redeploy: &'a Redeploy,
    pub(crate) members: &'a [Member],
    pub(crate) secret: &'a Secret,
    pub(crate) back: &'a PutBack,
    /// Why the label could not be put back.
    pub(crate) failure: Option<&'a str>,
    pub(crate) settled: bool,
    pub(crate) ended: Timestamp,
}

/// The notice of the end; none where nobody needs to hear of it.
pub(crate) fn ended(story: &Story<'_>, known: Option<&Incident>, policy: &Policy) -> Option<Notice> {
    let Story { redeploy, members, .. } = story;
    let counts = counts(members);
    let was_firing = known.is_some_and(|known| known.state == State::Firing);
    let of_note = members.iter().any(|member| member.needs_a_hand);
    let name = &redeploy.name;
    let (state, severity, title) = if counts.failed > 0 {
        (State::Firing, Severity::Sev2, format!("{name} changed, and redeploying its services stopped"))
    } else if counts.proposed > 0 {
        let services = services(counts.proposed);
        // Nobody brings them the new value, and the old one no longer works.
        let (state, severity) = if story.secret.strategy() == Some(Strategy::Postgres) {
            (State::Firing, Severity::Sev2)
        } else {
            (State::Info, Severity::Sev4)
        };
        (state, severity, format!("{name} changed: {services} would be redeployed"))
    } else if counts.redeployed > 0 || was_firing || (of_note && redeploy.put_back.is_none()) {
        let state = if was_firing { State::Resolved } else { State::Info };
        let severity = if of_note { Severity::Sev3 } else { Severity::Sev4 };
        let title = match (counts.redeployed, of_note) {
            (0, true) => format!("{name} changed: services that use it need a hand"),
            (0, false) => format!("{name} changed: all services that use it have the new version"),
            (redeployed, true) => {
                format!("{name} changed: {} redeployed, others need a hand", services(redeployed))
            }
            (redeployed, false) => format!("{name} changed: {} redeployed", services(redeployed)),
        };
        (state, severity, title)
    } else {
        return None;
    };
    let mut notice = open(&redeploy.secret, name, state, severity, &title, story.ended, policy);
    notice = notice.following(known.map_or(0, |known| known.revision));
    notice.summary = told(story, &counts);
    notice.fact("Secret", name);
    notice.fact("Version", format!("{} ({})", redeploy.version, redeploy.label));
    notice.fact("Changed", format!("{:.0}", redeploy.moved));
    if counts.redeployed > 0 {
        let took = span(story.ended.duration_since(redeploy.moved));
        notice.fact("Waves", redeploy.waves);
        notice.fact("Took", took);
    }
    notice.fact("Redeploy", &redeploy.id);
    if redeploy.unread > 0 {
        let what = "task definitions that services run and ECS no longer describes: whether they name it, nobody knows";
        notice.fact("Not looked at", format!("{} {what}", redeploy.unread));
    }
    list(&mut notice, "Failed", members.iter().filter(|member| member.standing == Standing::Failed), true);
    list(&mut notice, "Redeployed", members.iter().filter(|member| was_redeployed(member)), false);
    let fresh = members.iter().filter(|member| member.standing == Standing::Fresh && !was_redeployed(member));
    list(&mut notice, "Had the new version already", fresh, false);
    for (heading, which) in [
        ("Would be redeployed", Standing::Proposed),
        ("Not begun", Standing::Queued),
        ("Waits", Standing::Deferred),
    ] {
        list(&mut notice, heading, members.iter().filter(|member| member.standing == which), false);
    }
    list(
        &mut notice,
        "Left alone",
        members.iter().filter(|member| member.standing == Standing::Skipped),
        true,
    );
    if counts.redeployed > 0 {
        notice.actions.push(format!(
            "Redeployed {} in {} with the image that ran.",
            services(counts.redeployed),
            if redeploy.waves == 1 { "one wave".to_owned() } else { format!("{} waves", redeploy.waves) }
        ));
    }
    put_back(&mut notice, story);
    steps(&mut notice, story, &counts, policy);
    Some(notice)
}

fn told(story: &Story<'_>, counts: &Counts) -> String {
    let Story { redeploy, members, secret, settled, .. } = story;
    let mut told = format!(
        "The label {} of {} moved to another version; {}.",
        redeploy.label,
        redeploy.name,
        summary(members)
    );
    if counts.proposed > 0 && counts.failed == 0 {
        told.push_str(" Their mode is observe, so nothing was changed. ");
        told.push_str(old_value(secret));
    } else if counts.failed > 0 {
        told.push(' ');
        told.push_str("No further wave begins.");
        told.push(' ');
        told.push_str(old_value(secret));
    } else if !settled && secret.strategy() == Some(Strategy::ValkeyAuthToken) {
        told.push_str(" The old token stays valid, because not everybody is known to run with the new one.");
    }
    told
}

/// What becomes of those who still have the old value.
fn old_value(secret: &Secret) -> &'static str {
    match secret.strategy() {
        Some(Strategy::PostgresAlternating) => {
            "The user before stays usable until the next rotation, so whatever still runs with it goes on."
        }
        Some(Strategy::ValkeyUser) => {
            "The password before stays usable until the next rotation, so whatever still runs with it goes on."
        }
        Some(Strategy::ValkeyAuthToken) => {
            "The token before stays valid until every service runs with the new one, and the next rotation is refused until then."
        }
        Some(Strategy::Postgres) => {
            "The password before no longer works: what still runs with it cannot open new connections."
        }
        Some(Strategy::Random) | None => "Whether the value before still works depends on who checks it.",
    }
}

fn put_back(notice: &mut Notice, story: &Story<'_>) {
    let Story { redeploy, back, failure, .. } = story;
    if let Some(to) = &redeploy.put_back {
        notice.actions.push(format!(
            "Put the label {} back to version {to}, as the policy wants it; what was redeployed is redeployed once more.",
            redeploy.label
        ));
        return;
    }
    if let Some(failure) = failure {
        notice.actions.push(format!("Tried to put the label back, which was refused: {failure}"));
    }
    if let PutBack::Helps { to, .. } = back {
        notice.next_steps.push(format!(
            "No service runs with the new version, so it may be unusable. To put the label back: aws secretsmanager \
             update-secret-version-stage --secret-id {} --version-stage {} --move-to-version-id {to} \
             --remove-from-version-id {}",
            redeploy.secret, redeploy.label, redeploy.version
        ));
    }
}

fn steps(notice: &mut Notice, story: &Story<'_>, counts: &Counts, policy: &Policy) {
    let Story { redeploy, members, .. } = story;
    if counts.failed > 0 && redeploy.put_back.is_none() {
        notice.next_steps.push(format!(
            "Mend what keeps the service from starting, then go on by hand: {}",
            by_hand(redeploy, policy)
        ));
    }
    if counts.proposed > 0 {
        notice.next_steps.push(format!("To redeploy them: {}", by_hand(redeploy, policy)));
    }
    if members.iter().any(|member| member.needs_a_hand) {
        notice.next_steps.push("See under \"Left alone\" what each service needs.".to_owned());
    }
}

/// The request that does it by hand.
fn by_hand(redeploy: &Redeploy, policy: &Policy) -> String {
    let production = policy.rules.is_production(&policy.environment);
    let confirm = if production { format!(", \"confirm\": \"{WORD}\"") } else { String::new() };
    let secret = &redeploy.name;
    format!(
        "{{\"redeploy\": {{\"secret\": \"{secret}\", \"dry_run\": false{confirm}}}}} to the function secret-redeploy"
    )
}

fn list<'a>(notice: &mut Notice, heading: &str, which: impl Iterator<Item = &'a Member>, why: bool) {
    let all: Vec<_> = which
        .map(|member| {
            let target = member.target.to_string();
            let name = target.strip_prefix("ecs:").unwrap_or(&target).to_owned();
            if why { format!("{name}: {}", member.why) } else { name }
        })
        .collect();
    if all.is_empty() {
        return;
    }
    let mut length = 0;
    let fits = |line: &&String| {
        let is_first = length == 0;
        length += line.chars().count() + 2;
        is_first || length < LONGEST
    };
    let named: Vec<_> = all.iter().take(NAMED).take_while(fits).cloned().collect();
    let omitted = all.len() - named.len();
    let mut text = named.join(if why { "\n" } else { ", " });
    if omitted > 0 {
        text = format!("{text} … and {omitted} more, see the log of secret-redeploy");
    }
    notice.fact(heading, text);
}

/// The notice that services wait while the old value no longer works; none where it still does.
pub(crate) fn waits(
    redeploy: &Redeploy,
    members: &[Member],
    secret: &Secret,
    why: &str,
    policy: &Policy,
) -> Option<Notice> {
    let waits = |member: &&Member| matches!(member.standing, Standing::Queued | Standing::Deferred);
    let any = members.iter().any(|member| waits(&member));
    // Without a strategy of ours nobody knows; whoever rotates it so has seen to it.
    if !any || secret.strategy() != Some(Strategy::Postgres) {
        return None;
    }
    let title = format!("{} changed, and services that use it wait to be redeployed", redeploy.name);
    let mut notice =
        open(&redeploy.secret, &redeploy.name, State::Firing, Severity::Sev2, &title, redeploy.moved, policy);
    notice.summary = format!("{} {}: {why}.", old_value(secret), "They wait");
    list(&mut notice, "Waits", members.iter().filter(waits), true);
    notice.next_steps.push(format!("To redeploy them now: {}", by_hand(redeploy, policy)));
    notice
        .next_steps
        .push("For rotations without such a gap, use the strategy postgres-alternating.".to_owned());
    Some(notice)
}

/// The notice that a redeploy cannot go on until somebody mends something.
pub(crate) fn troubled(redeploy: &Redeploy, error: &Error, policy: &Policy) -> Notice {
    let title = format!("{} changed, and its services cannot be redeployed", redeploy.name);
    let mut notice =
        open(&redeploy.secret, &redeploy.name, State::Firing, Severity::Sev2, &title, redeploy.began, policy);
    notice.summary = format!("{}. It is tried again every few minutes.", error.chain().trim_end_matches('.'));
    notice.fact("Redeploy", &redeploy.id);
    notice.next_steps.push("Mend what the error names; the redeploy then goes on by itself.".to_owned());
    notice
}

/// The notice that a rotation did not come to its end.
pub(crate) fn rotation_broken(
    broken: &Broken,
    secret: &Secret,
    rotation: Option<&Rotation>,
    known: Option<&Incident>,
    policy: &Policy,
) -> Notice {
    let name = &secret.name;
    let title = match broken.how {
        How::Failed => format!("The rotation of {name} failed"),
        How::Abandoned => format!("The rotation of {name} was abandoned"),
    };
    let severity = match secret.strategy() {
        // The password may have been set already.
        Some(Strategy::Postgres) if broken.how == How::Failed => Severity::Sev2,
        Some(_) | None => Severity::Sev3,
    };
    let mut notice = Notice::new(
        &rotation_incident(&secret.arn),
        State::Firing,
        severity,
        subject(&secret.arn, name),
        &title,
        broken.at,
    )
    .following(known.map_or(0, |known| known.revision));
    sign(&mut notice, policy);
    notice.summary = match broken.how {
        How::Failed => "Secrets Manager gave up after its retries.".to_owned(),
        How::Abandoned => {
            "Somebody wrote the secret while it was being rotated, so Secrets Manager dropped the rotation."
                .to_owned()
        }
    };
    quote(&mut notice, rotation);
    notice.next_steps.push(match broken.how {
        How::Failed => format!(
            "Mend what it names, then rotate again: aws secretsmanager rotate-secret --secret-id {name}"
        ),
        How::Abandoned => {
            "See whether the value that was written by hand is the one that the database or cache has."
                .to_owned()
        }
    });
    notice
}

/// The notice of what the sweep found wrong with a rotation.
pub(crate) fn trouble(
    secret: &Secret,
    trouble: &Trouble,
    rotation: Option<&Rotation>,
    known: Option<&Incident>,
    policy: &Policy,
) -> Notice {
    let name = &secret.name;
    let (title, step) = match trouble {
        Trouble::Overdue { due } => (
            format!("The rotation of {name} is overdue since {due:.0}"),
            format!(
                "See why Secrets Manager does not rotate it: aws secretsmanager rotate-secret --secret-id {name}"
            ),
        ),
        Trouble::Stuck { version, .. } => (format!("A rotation of {name} is stuck"), stuck(secret, version)),
    };
    let at = trouble.since();
    let mut notice = Notice::new(
        &rotation_incident(&secret.arn),
        State::Firing,
        Severity::Sev3,
        subject(&secret.arn, name),
        &title,
        at,
    )
    .following(known.map_or(0, |known| known.revision));
    sign(&mut notice, policy);
    notice.summary = match trouble {
        Trouble::Overdue { .. } => "It should have been rotated by then, and was not.".to_owned(),
        Trouble::Stuck { version, .. } => {
            format!("The label AWSPENDING stands on version {version}, which never became current.")
        }
    };
    quote(&mut notice, rotation);
    notice.next_steps.push(step);
    notice
}

/// What to do about a rotation that is stuck.
fn stuck(secret: &Secret, version: &str) -> String {
    let name = &secret.name;
    let again = format!(
        "Mend what it says, and let Secrets Manager try again: aws secretsmanager rotate-secret --secret-id {name}"
    );
    // The server may know nothing but the pending password by now.
    if secret.strategy() == Some(Strategy::Postgres) {
        return format!(
            "{again}. Do not take the label off: the pending password may be the only one that works."
        );
    }
    format!(
        "{again}. To give that rotation up: aws secretsmanager update-secret-version-stage --secret-id {name} \
         --version-stage AWSPENDING --remove-from-version-id {version}"
    )
}

/// The notice that a rotation is in order again.
pub(crate) fn in_order(secret: &Secret, known: &Incident, now: Timestamp, policy: &Policy) -> Notice {
    let title = format!("The rotation of {} is in order again", secret.name);
    let mut notice = Notice::new(
        &known.key,
        State::Resolved,
        Severity::Sev4,
        subject(&secret.arn, &secret.name),
        &title,
        now,
    )
    .following(known.revision);
    sign(&mut notice, policy);
    notice
}

/// The key under which people hear of a secret's rotations, apart from what becomes of its dependants.
pub(crate) fn rotation_incident(secret: &str) -> String {
    format!("rotation:{secret}")
}

/// What the hook did last, where it is ours.
fn quote(notice: &mut Notice, rotation: Option<&Rotation>) {
    let Some(rotation) = rotation else {
        return;
    };
    notice.fact("Strategy", rotation.strategy);
    notice.fact("Last step", format!("{} at {:.0}", rotation.step, rotation.at));
    if !rotation.said.is_empty() {
        notice.fact("It said", &rotation.said);
    }
    if let Some(exposed) = rotation.exposed {
        notice.fact("New connections with the old value fail since", format!("{exposed:.0}"));
    }
}

fn open(
    secret: &str,
    name: &str,
    state: State,
    severity: Severity,
    title: &str,
    time: Timestamp,
    policy: &Policy,
) -> Notice {
    let mut notice =
        Notice::new(&Redeploy::incident_of(secret), state, severity, subject(secret, name), title, time);
    sign(&mut notice, policy);
    notice
}

fn sign(notice: &mut Notice, policy: &Policy) {
    SOURCE.clone_into(&mut notice.source);
    notice.environment.clone_from(&policy.environment);
}

fn subject(arn: &str, name: &str) -> Subject {
    Subject { kind: "secret".to_owned(), id: name.to_owned(), arn: Some(arn.to_owned()) }
}

fn services(count: u32) -> String {
    if count == 1 { "1 service".to_owned() } else { format!("{count} services") }
}

/// What somebody wrote, no longer than a line.
pub(crate) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// Minutes and seconds, as people say it.
fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
