//! What people read, to the letter, for one of each kind.

use std::fmt::Write;

use shared::alarm::{AlarmChange, State as AlarmState, Transport};
use shared::ledger::incident::Incident;

use super::*;
use crate::cases::policy;
use crate::decision::{Basis, Recovery};
use crate::facts::{Controller, Scene, Service, Strategy};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn facts() -> Facts {
    let mut facts = Facts::of(AlarmChange {
        transport: Transport::Sns,
        name: "web 5xx".to_owned(),
        arn: Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web 5xx".to_owned()),
        description: Some("More than 5 % of answers are errors.".to_owned()),
        state: AlarmState::Alarm,
        previous: Some(AlarmState::Ok),
        reason: "Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (5.0).".to_owned(),
        has_reason_data: false,
        changed_at: at("2026-11-20T03:00:00Z"),
        muted: false,
        composite: false,
        dimensions: Vec::new(),
    });
    facts.scene = Some(Scene {
        service: Some(Service {
            arn: "arn:aws:ecs:eu-west-1:123456789012:service/prod/web".to_owned(),
            active: true,
            controller: Controller::Ecs,
            strategy: Strategy::Rolling,
            task_definition: "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7".to_owned(),
            desired: 3,
            running: 2,
            deployed_at: None,
            tags: tags::Tags::new(),
        }),
        ..Scene::default()
    });
    facts
}

fn rollback() -> Rollback {
    Rollback {
        operation: "op-1".to_owned(),
        target: "ecs:prod/web".parse().unwrap(),
        from: "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7".to_owned(),
        to: "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:6".to_owned(),
        basis: Basis::Lower,
        began: at("2026-11-20T03:00:20Z"),
    }
}

/// The notice as its reader meets it, links and ids left out.
fn read(notice: &Notice) -> String {
    let mut text =
        format!("{} {} {}\n{}\n", notice.severity, notice.state.as_str(), notice.title, notice.summary);
    for fact in &notice.facts {
        let _ = writeln!(text, "{}: {}", fact.name, fact.value);
    }
    for action in &notice.actions {
        let _ = writeln!(text, "done: {action}");
    }
    for step in &notice.next_steps {
        let _ = writeln!(text, "next: {step}");
    }
    text
}

#[track_caller]
fn check(verdict: &Verdict, expected: &str) {
    let notice = notice(&facts(), &policy(), verdict, at("2026-11-20T03:00:21Z"));
    assert_eq!(read(&notice), expected);
}

#[test]
fn a_rollback_says_what_happened_what_was_done_and_what_is_left() {
    check(
        &Verdict::RollBack(rollback()),
        "SEV-2 firing prod/web rolled back to web:6\n\
         The alarm web 5xx fired soon after web:7 was deployed to prod/web. Watchkeeper told ECS to run web:6 again.\n\
         Tasks: 2 running of 3 desired\n\
         From: web:7\n\
         To: web:6\n\
         Why this one: low confidence: the next lower active revision of its family; whether it ever ran is not recorded\n\
         Operation: op-1\n\
         Alarm: web 5xx\n\
         Description: More than 5 % of answers are errors.\n\
         CloudWatch says: Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (5.0).\n\
         done: Set prod/web from web:7 back to web:6, 21s after the alarm fired.\n\
         next: Watch prod/web until web:6 runs everywhere and web 5xx is OK; Watchkeeper says when it is.\n\
         next: Find out what is wrong with web:7; it is remembered as bad and is not returned to.\n\
         next: To take the rollback back: aws ecs update-service --cluster prod --service web --task-definition web:7\n",
    );
}

#[test]
fn a_proposal_says_how_to_do_it_and_how_to_allow_it() {
    check(
        &Verdict::Propose(rollback()),
        "SEV-2 firing prod/web would be rolled back to web:6\n\
         The alarm web 5xx fired soon after web:7 was deployed to prod/web. Watchkeeper only observes here, so nothing \
         was changed.\n\
         Tasks: 2 running of 3 desired\n\
         From: web:7\n\
         To: web:6\n\
         Why this one: low confidence: the next lower active revision of its family; whether it ever ran is not recorded\n\
         Alarm: web 5xx\n\
         Description: More than 5 % of answers are errors.\n\
         CloudWatch says: Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (5.0).\n\
         next: To roll back: aws ecs update-service --cluster prod --service web --task-definition web:6\n\
         next: To let Watchkeeper act: tag the service watchkeeper:mode=act.\n",
    );
}

#[test]
fn doing_nothing_is_told_with_its_reason() {
    check(
        &Verdict::Hold { target: "ecs:prod/web".parse().ok(), why: Held::SameCode },
        "SEV-3 firing web 5xx fires; prod/web was left alone\n\
         Nothing was rolled back: the newest deployment runs the same task definition as the one before, so its code is \
         not to blame; a rotated secret or a moved image tag may be.\n\
         Tasks: 2 running of 3 desired\n\
         Alarm: web 5xx\n\
         Description: More than 5 % of answers are errors.\n\
         CloudWatch says: Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (5.0).\n\
         next: Look at the secrets and images the tasks started with, not at the code.\n",
    );
}

#[test]
fn a_recovery_closes_the_same_incident_under_a_higher_revision() {
    let fired = notice(&facts(), &policy(), &Verdict::RollBack(rollback()), at("2026-11-20T03:00:21Z"));
    let mut recovered = facts();
    recovered.change.state = AlarmState::Ok;
    recovered.change.changed_at = at("2026-11-20T03:06:05Z");
    let incident = Incident {
        key: recovered.incident_key(),
        state: State::Firing,
        revision: fired.revision,
        target: "ecs:prod/web".to_owned(),
        operation: Some("op-1".to_owned()),
        opened: at("2026-11-20T03:00:00Z"),
    };
    let recovery = Recovery { incident, operation: None, proved: false };
    let notice = notice(&recovered, &policy(), &Verdict::Resolve(recovery), at("2026-11-20T03:06:06Z"));
    assert_eq!(notice.incident, fired.incident);
    assert!(notice.revision > fired.revision);
    assert_eq!(notice.state, State::Resolved);
    assert!(notice.summary.contains("went back to OK after 6m 5s"), "{}", notice.summary);
}

#[test]
fn a_failure_names_the_missing_action_and_comes_after_what_a_verdict_would_say() {
    let error = Error::Denied { action: "ecs:UpdateService", source: "not authorized".into() };
    let notice = failure(&facts(), &policy(), &error);
    assert_eq!(notice.severity, Severity::Sev1);
    assert!(notice.facts.iter().any(|fact| fact.value.contains("ecs:UpdateService is denied")));
    assert_eq!(notice.incident, facts().incident_key());
    assert!(
        notice.revision
            > super::notice(&facts(), &policy(), &Verdict::RollBack(rollback()), notice.time).revision
    );
}

#[test]
fn links_survive_names_with_spaces() {
    let notice = notice(&facts(), &policy(), &Verdict::RollBack(rollback()), at("2026-11-20T03:00:21Z"));
    let urls: Vec<_> = notice.links.iter().map(|link| link.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web/deployments?region=eu-west-1",
            "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/web%205xx",
        ]
    );
}
