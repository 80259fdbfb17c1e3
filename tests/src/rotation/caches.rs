//! Valkey users and AUTH tokens, rotated under a service that opens a new connection every ten milliseconds. The server
//! is real; what ElastiCache does with it is a strict double.

use anyhow::ensure;
use futures_util::FutureExt;
use local::recorded::ElastiCache;
use local::rotation::{CURRENT, PENDING, PREVIOUS};
use local::runtime_api::Outcome;
use serde_json::Value;

use super::measured;
use super::scene::{GROUP, Kind, Scene, USER};
use crate::stage::{Stage, Test};

pub(super) const TESTS: [(&str, Test); 5] = [
    ("a_valkey_user_loses_no_connection_in_two_rotations", |stage| user(stage).boxed_local()),
    ("an_auth_token_loses_no_connection_and_the_old_one_is_refused_once_all_run_with_the_new", |stage| {
        token(stage).boxed_local()
    }),
    ("a_second_token_is_not_added_while_somebody_may_run_with_the_oldest", |stage| {
        second(stage).boxed_local()
    }),
    ("a_group_that_is_modified_for_long_is_waited_for_by_being_asked_again", |stage| {
        held(stage).boxed_local()
    }),
    ("a_settlement_comes_back_while_the_group_is_modified_and_is_then_made", |stage| {
        settled_late(stage).boxed_local()
    }),
];

const A_WHILE: usize = 30;

fn cache<'a>(scene: &'a Scene<'_>) -> anyhow::Result<&'a ElastiCache> {
    scene.cache.as_ref().ok_or_else(|| anyhow::anyhow!("the scene has no ElastiCache"))
}

async fn user(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::User, "valkey-user").await?;
    let hook = scene.hook().await?;
    let app = scene.app()?;
    app.connects(A_WHILE).await?;
    for word in ["one", "two"] {
        scene.rotate(&hook, word).await?;
        app.connects(A_WHILE).await?;
        app.redeploy()?;
        app.connects(A_WHILE).await?;
        let passwords = cache(&scene)?.passwords(USER)?;
        let current = scene.secrets.json(&scene.name, CURRENT)?;
        let previous = scene.secrets.json(&scene.name, PREVIOUS)?;
        let both = [&current["password"], &previous["password"]];
        ensure!(
            both == [&passwords[0], &passwords[1]] && passwords.len() == 2,
            "not the new and the old one"
        );
    }
    let opened = app.expect_all(5 * A_WHILE)?;
    measured(&format!("valkey-user: 0 of {opened} connections lost in two rotations"));
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn token(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Token, "valkey-token").await?;
    let hook = scene.hook().await?;
    let app = scene.app()?;
    app.connects(A_WHILE).await?;
    for word in ["one", "two"] {
        let old = scene.secrets.json(&scene.name, CURRENT)?;
        scene.rotate(&hook, word).await?;
        ensure!(scene.takes(&old).await?, "the old token is gone before anybody was redeployed");
        app.connects(A_WHILE).await?;
        app.redeploy()?;
        app.connects(A_WHILE).await?;

        expect_settled(&scene.settle(&hook).await?)?;
        cache(&scene)?.settled().await?;
        ensure!(!scene.takes(&old).await?, "the old token is still taken");
        ensure!(cache(&scene)?.tokens(GROUP)?.len() == 1, "two tokens are left");
        app.connects(A_WHILE).await?;
        // The message can come twice.
        expect_settled(&scene.settle(&hook).await?)?;
    }
    let opened = app.expect_all(7 * A_WHILE)?;
    measured(&format!(
        "valkey-auth-token: 0 of {opened} connections lost in two rotations and two settlements"
    ));
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

fn expect_settled(answer: &Value) -> anyhow::Result<()> {
    let left = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
    ensure!(left == 0, "the settlement was given back: {answer}");
    Ok(())
}

async fn second(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Token, "double-rotation").await?;
    let hook = scene.hook().await?;
    let app = scene.app()?;
    app.connects(A_WHILE).await?;
    scene.rotate(&hook, "one").await?;
    // One dependant still runs with the first token; the next rotation would evict it.
    let tokens = cache(&scene)?.tokens(GROUP)?;
    let rotation = scene.rotation("two")?;
    let ended = rotation.run(&hook).await?;
    scene.hear("the rotation two", format!("{ended:?}"));
    ensure!(ended.failed.is_some(), "a second token was rotated in");
    for step in &ended.steps {
        let Outcome::Error { kind, message } = &step.outcome else {
            anyhow::bail!("{step} of a rotation that must not begin");
        };
        ensure!(step.name == "createSecret" && kind == "Permanent", "{step}");
        ensure!(message.contains("settle"), "it does not say what to do: {message}");
    }
    ensure!(cache(&scene)?.tokens(GROUP)? == tokens, "the tokens were changed");
    ensure!(scene.secrets.value(&scene.name, PENDING)?.is_none(), "a value was made that is not to be used");
    app.connects(A_WHILE).await?;

    // When all are redeployed, the same rotation goes through.
    app.redeploy()?;
    app.connects(A_WHILE).await?;
    expect_settled(&scene.settle(&hook).await?)?;
    cache(&scene)?.settled().await?;
    scene.rotate(&hook, "two").await?;
    app.connects(A_WHILE).await?;
    app.redeploy()?;
    app.connects(A_WHILE).await?;
    app.expect_all(5 * A_WHILE)?;
    let allowed =
        |it: &str| it.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!&#$^<>-".contains(&byte));
    for value in scene.secrets.values(&scene.name)? {
        let value: Value = serde_json::from_str(&value)?;
        let token = value["auth_token"].as_str().unwrap_or_default();
        ensure!(
            allowed(token) && (16..=128).contains(&token.len()),
            "a token that ElastiCache does not allow"
        );
    }
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn held(stage: &Stage) -> anyhow::Result<()> {
    for kind in [Kind::User, Kind::Token] {
        let scene = Scene::new(stage, kind, &format!("held-{}", kind.word())).await?;
        let hook = scene.hook().await?;
        let app = scene.app()?;
        let rotation = scene.rotation("one")?;
        cache(&scene)?.hold();
        let ended = rotation.run(&hook).await?;
        scene.hear("the rotation", format!("{ended:?}"));
        ensure!(ended.failed.is_some(), "it went through while ElastiCache was still at it");
        for step in ended.failures() {
            let Outcome::Error { kind, message } = &step.outcome else { anyhow::bail!("{step}") };
            ensure!(kind == "Transient" && message.contains("modifying"), "{step}");
        }
        ensure!(
            cache(&scene)?.changes().len() == 1,
            "it was changed more than once: {:?}",
            cache(&scene)?.changes().len()
        );
        app.connects(A_WHILE).await?;

        cache(&scene)?.release();
        scene.rotate(&hook, "one").await?;
        ensure!(cache(&scene)?.changes().len() == 1, "it was changed again");
        app.connects(A_WHILE).await?;
        app.expect_all(2 * A_WHILE)?;
        scene.hear_out(&hook).await?;
        scene.expect_silence()?;
    }
    Ok(())
}

async fn settled_late(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Token, "settled-late").await?;
    let hook = scene.hook().await?;
    let old = scene.secrets.json(&scene.name, CURRENT)?;
    scene.rotate(&hook, "one").await?;
    let cache = cache(&scene)?;

    cache.modify_elsewhere(GROUP)?;
    cache.hold();
    let answer = scene.settle(&hook).await?;
    ensure!(answer["batchItemFailures"][0]["itemIdentifier"] == "timer", "it was not given back: {answer}");
    ensure!(scene.takes(&old).await?, "the old token is gone");
    cache.release();
    cache.settled().await?;
    expect_settled(&scene.settle(&hook).await?)?;
    cache.settled().await?;
    ensure!(!scene.takes(&old).await?, "the old token is still taken");
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}
