//! PostgreSQL users, rotated under a service that opens a new connection every ten milliseconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::rotation::{CURRENT, STEPS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::measured;
use super::scene::{Kind, Scene};
use crate::stage::{Stage, Test};
use crate::world::now;

pub(super) const TESTS: [(&str, Test); 4] = [
    ("two_users_that_take_turns_lose_no_connection_in_two_rotations", |stage| {
        alternating(stage).boxed_local()
    }),
    ("a_single_user_loses_connections_from_set_secret_to_the_redeploy_and_at_no_other_time", |stage| {
        single(stage).boxed_local()
    }),
    ("a_server_that_speaks_no_tls_is_told_nothing", |stage| plain(stage).boxed_local()),
    ("a_server_that_nobody_vouches_for_is_told_nothing", |stage| strange(stage).boxed_local()),
];

/// How many connections are to be seen in a part of the story.
const A_WHILE: usize = 30;

async fn alternating(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Alternating, "alternating").await?;
    let hook = scene.hook().await?;
    let app = scene.app()?;
    app.connects(A_WHILE).await?;
    let began = Instant::now();
    for (word, user) in [("one", "alternating_clone"), ("two", "alternating")] {
        let before = scene.secrets.json(&scene.name, CURRENT)?;
        let ended = scene.rotate(&hook, word).await?;
        ensure!(ended.steps.len() == STEPS.len(), "{:?}", ended.failures());
        let after = scene.secrets.json(&scene.name, CURRENT)?;
        ensure!(after["username"] == user && after["password"] != before["password"], "not {user}'s turn");
        // What either creates belongs to the first, so that nothing has to change hands when they change turns.
        let owner = scene.owner_of_a_new_table(&after, word).await?;
        ensure!(owner == "alternating", "what {user} creates belongs to {owner}");
        // It goes on with the credential that is current no more, until somebody redeploys it.
        app.connects(A_WHILE).await?;
        app.redeploy()?;
        app.connects(A_WHILE).await?;
    }
    let opened = app.expect_all(5 * A_WHILE)?;
    measured(&format!(
        "postgres-alternating: 0 of {opened} connections lost in two rotations within {} ms",
        began.elapsed().as_millis()
    ));
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn single(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Postgres, "single").await?;
    let hook = scene.hook().await?;
    let app = scene.app()?;
    app.connects(A_WHILE).await?;

    let rotation = scene.rotation("one")?;
    let mut set_began = None;
    let mut set_ended = None;
    for name in STEPS {
        let (began, by_the_clock) = (Instant::now(), now());
        let step = rotation.step(&hook, name).await?;
        ensure!(step.went_well(), "{step}");
        if name == "setSecret" {
            (set_began, set_ended) = (Some(began), Some(Instant::now()));
            // Whoever is told of it later is told the same window.
            let entry = scene.entry().await?;
            let exposed = entry.exposed.context("the ledger does not say since when connections fail")?;
            // The ledger keeps whole milliseconds.
            let window = by_the_clock.as_millisecond()..=now().as_millisecond();
            ensure!(window.contains(&exposed.as_millisecond()), "not exposed since {exposed}");
            app.connects(A_WHILE).await?;
        }
    }
    let moved = Instant::now();
    app.connects(A_WHILE).await?;
    let redeployed = app.redeploy()?;
    app.connects(A_WHILE).await?;

    let (Some(set_began), Some(set_ended)) = (set_began, set_ended) else {
        anyhow::bail!("the password was never set");
    };
    let attempts = app.attempts();
    let lost: Vec<_> = attempts.iter().filter(|attempt| attempt.failed.is_some()).collect();
    ensure!(!lost.is_empty(), "the documented window is none: then it should not be documented");
    for attempt in &lost {
        let within = attempt.ended >= set_began && attempt.began <= redeployed;
        let said = attempt.failed.as_deref().unwrap_or_default();
        ensure!(within, "a connection was lost outside the window: {said}");
        ensure!(said.contains("db error") || said.contains("password"), "lost for another reason: {said}");
    }
    // Within the window all are lost, so the window is what it is said to be.
    let inside = |attempt: &&super::app::Attempt| attempt.began > set_ended && attempt.ended < redeployed;
    ensure!(attempts.iter().filter(inside).all(|attempt| attempt.failed.is_some()), "the window is shorter");
    let first = lost.iter().map(|attempt| attempt.began).min().unwrap_or(set_began);
    let last = lost.iter().map(|attempt| attempt.ended).max().unwrap_or(redeployed);
    let millis = |from: Instant, to: Instant| to.saturating_duration_since(from).as_millis();
    measured(&format!(
        "postgres: {} of {} connections lost, within {} ms; setSecret took {} ms, from its end to the label's move {} ms, \
         to the redeploy {} ms",
        lost.len(),
        attempts.len(),
        millis(first, last),
        millis(set_began, set_ended),
        millis(set_ended, moved),
        millis(set_ended, redeployed),
    ));
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

/// A server that refuses TLS (PostgreSQL protocol, `N`), and keeps all that it hears.
async fn without_tls() -> anyhow::Result<(u16, Arc<Mutex<Vec<u8>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    keep.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
                    let _ = stream.write_all(b"N").await;
                }
            });
        }
    });
    Ok((port, heard))
}

async fn plain(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Postgres, "plain").await?;
    let (port, heard) = without_tls().await?;
    let mut value = scene.secrets.json(&scene.name, CURRENT)?;
    value["port"] = port.into();
    scene.secrets.write_by_hand(&scene.name, &value.to_string())?;
    let hook = scene.hook().await?;
    let ended = scene.rotation("one")?.run(&hook).await?;
    scene.hear("the rotation", format!("{ended:?}"));
    let failure = ended.failed.unwrap_or_default();
    ensure!(failure.contains("setSecret") && failure.contains("TLS"), "not for want of TLS: {failure}");
    // Each time it asked for TLS, which is eight bytes, and hung up.
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(!heard.is_empty(), "it did not even ask");
    ensure!(heard.chunks(8).all(|asked| asked == [0, 0, 0, 8, 4, 210, 22, 47]), "it said more");
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn strange(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Alternating, "strange-authority").await?;
    let hook = scene.hook_that_trusts_others().await?;
    let from = scene.said_by_the_database()?.len();
    let ended = scene.rotation("one")?.run(&hook).await?;
    scene.hear("the rotation", format!("{ended:?}"));
    let failure = ended.failed.unwrap_or_default();
    ensure!(
        failure.contains("setSecret") && failure.contains("certificate"),
        "not for the certificate: {failure}"
    );
    let said = scene.said_by_the_database()?;
    let since = &said[from..];
    ensure!(since.contains("SSL connection") && !since.contains("authenti"), "it went on: {since}");
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}
