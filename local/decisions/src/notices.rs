//! The notices that are rendered: one as people get it most, and the largest that anything sends.

use std::error::Error;

use jiff::{SignedDuration, Timestamp};
use shared::notice::{Deployment, Fact, Health, Link, Notice, Severity, State, Status, Subject};

/// How many findings the large one has.
const FINDINGS: usize = 51;

/// How long its stack trace is, in bytes.
const TRACE: usize = 9_000;

/// A rollback: 5 facts, 2 actions, 3 next steps, 2 links.
pub(crate) fn ordinary(now: Timestamp) -> Result<Notice, Box<dyn Error>> {
    let mut notice = begun("web is rolled back to web:41", now)?;
    "The alarm web-5xx fired 4 minutes after web:42 was deployed, so web goes back to web:41, which \
                      ran for 6 days."
        .clone_into(&mut notice.summary);
    notice.facts = vec![
        fact("Alarm", "web-5xx"),
        fact("From", "web:42"),
        fact("To", "web:41"),
        fact(
            "Reason",
            "Threshold Crossed: 3 out of the last 3 datapoints were greater than 5.0 (p99 < 2 s & more)",
        ),
        fact("Deployment", "ecs-svc/4870000000000000001"),
    ];
    notice.actions = vec![
        "Called UpdateService on prod/web with web:41.".to_owned(),
        "Remembered web:42 as bad.".to_owned(),
    ];
    notice.next_steps = vec![
        "Mend web:42 and deploy it as web:43.".to_owned(),
        "Keep web:42 out of the pipeline.".to_owned(),
        "Look at the alarm until it is OK.".to_owned(),
    ];
    notice.links = vec![
        link(
            "Service",
            "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web?region=eu-central-1",
        ),
        link("Alarm", "https://eu-central-1.console.aws.amazon.com/cloudwatch/home#alarmsV2:alarm/web-5xx"),
    ];
    Ok(notice)
}

/// A report that no channel takes whole: 51 findings, and a stack trace with what breaks markup.
pub(crate) fn large(now: Timestamp) -> Result<Notice, Box<dyn Error>> {
    let mut notice = begun("51 targets are unhealthy", now)?;
    let line =
        "at app.Orders::pay (orders.rs:42) ``` <!channel> 🔥 & <b>*x* _y_ [z](https://x.invalid) @here\n";
    let trace = line.repeat(TRACE / line.len() + 1);
    notice.summary = format!("{FINDINGS} checks failed.");
    notice.facts = vec![fact("Stack trace", &trace)];
    notice.facts.extend((1..=FINDINGS).map(|number| {
        fact(
            &format!("Finding {number}"),
            &format!("target {number} of prod-web is unhealthy & draining since 11:58"),
        )
    }));
    notice.actions = vec!["Collected the logs of all targets.".to_owned()];
    notice.next_steps = (1..=30).map(|number| format!("Look at target {number}.")).collect();
    notice.links = vec![link("Log", "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?a=1&b=2")];
    Ok(notice)
}

/// An incident in which a deployment was rolled back, so that every channel has something to say of it.
fn begun(title: &str, now: Timestamp) -> Result<Notice, Box<dyn Error>> {
    let subject = Subject {
        kind: "ecs-service".to_owned(),
        id: "prod/web".to_owned(),
        arn: Some("arn:aws:ecs:eu-central-1:123456789012:service/prod/web".to_owned()),
    };
    let mut notice =
        Notice::new("alarm-rollback/ecs:prod/web", State::Firing, Severity::Sev1, subject, title, now);
    "alarm-rollback".clone_into(&mut notice.source);
    "prod".clone_into(&mut notice.environment);
    notice.started = Some(now.checked_sub(SignedDuration::from_mins(4))?);
    notice.deployment = Some(Deployment {
        id: "ecs-svc/4870000000000000001".to_owned(),
        status: Status::RolledBack,
        service: "prod/web".to_owned(),
        revision: Some("web:42".to_owned()),
        image: Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web:1.5.0".to_owned()),
        commit: Some("6dcb09b5b57875f334f61aebed695e2e4193db5e".to_owned()),
        branch: Some("main".to_owned()),
        author: Some("ann".to_owned()),
        repository: Some("shop/web".to_owned()),
        workflow: Some("https://github.com/shop/web/actions/runs/1296269".to_owned()),
        health: Some(Health::Failed),
        back_to: Some("7638417db6d59f3c431d3e1f261cc637155684cd".to_owned()),
    });
    Ok(notice)
}

fn fact(name: &str, value: &str) -> Fact {
    Fact { name: name.to_owned(), value: value.to_owned() }
}

fn link(title: &str, url: &str) -> Link {
    Link { title: title.to_owned(), url: url.to_owned() }
}
