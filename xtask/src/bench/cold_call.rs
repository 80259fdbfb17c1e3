//! A cold process up to the answer of its first AWS call: what trust roots, entropy and the handshake cost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use local::place;
use local::proxy::{Answer, Call, Proxy};
use local::runtime_api::{Event, Outcome};
use local::tls::Authority;
use serde_json::{Value, json};

use super::binaries::{Subject, Subjects};
use super::row::Row;
use super::samples::Samples;
use crate::corpus::event;

/// How often each is started on each way.
const STARTS: usize = 15;

/// In milliseconds.
const GOAL: f64 = 25.0;

/// A function, an event with which it calls AWS once, and what AWS answers.
struct Case<'a> {
    function: &'a Subject,
    event: Value,
    action: &'static str,
    /// What it asks for at the same time, in any order, and may not get to where another answer is faster.
    beside: &'static [&'static str],
    answer: fn(&Call) -> Answer,
}

/// Init and first invocation, with one AWS call in it.
pub(super) async fn rows(subjects: &Subjects) -> anyhow::Result<Vec<Row>> {
    let folder = place::local().join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let authority = Authority::new()?;
    let roots = Roots::write(&authority, &folder)?;

    let mut rows = Vec::new();
    for case in cases(subjects)? {
        rows.extend(measure(&case, &authority, &roots).await?);
    }
    Ok(rows)
}

fn cases(subjects: &Subjects) -> anyhow::Result<[Case<'_>; 8]> {
    Ok([
        Case {
            function: &subjects.alarm_rollback,
            event: event("alarm-rollback/eventbridge-ok.json")?,
            action: "dynamodb:GetItem",
            beside: &[],
            answer: |_| Answer::json(&json!({})),
        },
        Case {
            function: &subjects.deployment_watch,
            event: event("deployment-watch/ecs-in-progress.json")?,
            action: "ssm:GetParameter",
            beside: &[],
            answer: |_| Answer::error(400, "ParameterNotFound", "there is no policy"),
        },
        Case {
            function: &subjects.dlq_triage,
            event: event("dlq-triage/schedule.json")?,
            action: "ssm:GetParameter",
            beside: &[],
            answer: refused,
        },
        Case {
            function: &subjects.health_check,
            event: json!({"check": "all"}),
            action: "ssm:GetParameter",
            beside: &[],
            answer: refused,
        },
        Case {
            function: &subjects.notification_fanout,
            event: event("notification-fanout/notice-raw.json")?,
            action: "secretsmanager:GetSecretValue",
            beside: &["secretsmanager:GetSecretValue", "ssm:GetParameter", "dynamodb:Query"],
            answer: refused,
        },
        Case {
            function: &subjects.queue_scale,
            event: event("queue-scale/schedule.json")?,
            action: "ssm:GetParameter",
            beside: &[],
            answer: refused,
        },
        Case {
            function: &subjects.secret_redeploy,
            event: event("secret-redeploy/label-current.json")?,
            action: "ssm:GetParameter",
            beside: &[],
            answer: refused,
        },
        Case {
            function: &subjects.secret_rotation,
            event: event("secret-rotation/create-secret.json")?,
            action: "secretsmanager:DescribeSecret",
            beside: &[],
            answer: refused,
        },
    ])
}

fn refused(call: &Call) -> Answer {
    Answer::error(400, "AccessDeniedException", format!("{} is not allowed", call.action))
}

/// Where the functions find whom to trust.
struct Roots {
    /// As many as a real system has.
    system: PathBuf,
    /// The local authority alone.
    one: PathBuf,
    count: usize,
}

impl Roots {
    fn write(authority: &Authority, folder: &Path) -> anyhow::Result<Self> {
        let (system, one) = (folder.join("roots.pem"), folder.join("root.pem"));
        authority.write_bundle(&system)?;
        std::fs::write(&one, authority.ca_pem())
            .with_context(|| format!("cannot write {}", one.display()))?;
        let count = std::fs::read_to_string(&system)?.matches("-----BEGIN CERTIFICATE-----").count();
        Ok(Self { system, one, count })
    }
}

async fn measure(case: &Case<'_>, authority: &Authority, roots: &Roots) -> anyhow::Result<[Row; 3]> {
    let tls = authority.server_config(&["127.0.0.1"])?;
    let front = Proxy::answering_over_tls(tls, case.answer).await?;
    let plain = Proxy::answering(case.answer).await?;
    let ways = [(&front, &roots.system), (&front, &roots.one), (&plain, &roots.system)];
    let mut times = <[Samples; 3]>::default();
    for _ in 0..STARTS {
        for ((aws, roots), times) in ways.iter().zip(&mut times) {
            times.add(once(case, aws, roots).await?);
        }
    }

    let [full, one_root, no_tls] = times.map(|times| times.median());
    let row = |what: &str, value| Row::new(case.function.name, what, "ms", value);
    Ok([
        row("cold start to first TLS answer", full).beside(no_tls).at_most(GOAL),
        row("of it, handshake", full - no_tls),
        row(&format!("of it, {} trust roots (not 1)", roots.count), full - one_root),
    ])
}

/// From the start of the process to the answer of its first invocation.
async fn once(case: &Case<'_>, aws: &Proxy, roots: &Path) -> anyhow::Result<Duration> {
    aws.forget();
    let env =
        [("AWS_ENDPOINT_URL", aws.url().to_owned()), ("SSL_CERT_FILE", roots.to_string_lossy().into_owned())];
    let function = case.function.spawn(&env).await?;
    let invoked = function.invoke(Event::new(&case.event)).await?;
    let actions: Vec<_> = aws.calls().into_iter().map(|call| call.action).collect();
    let answered = match invoked.outcome {
        Outcome::Ok(_) | Outcome::Error { .. } => true,
        Outcome::TimedOut | Outcome::Exited(_) => false,
    };
    let mut expected = [&[case.action], case.beside].concat();
    let is_expected = |action: &String| {
        let place = expected.iter().position(|expected| action == expected);
        place.map(|place| expected.swap_remove(place)).is_some()
    };
    let expected = actions.iter().all(is_expected) && actions.iter().any(|action| action == case.action);
    if !answered || !expected {
        bail!(
            "{} should call {} once, beside at most {:?}, but called {actions:?}: {:?}",
            case.function.name,
            case.action,
            case.beside,
            invoked.outcome
        );
    }
    Ok(function.init() + invoked.took)
}
