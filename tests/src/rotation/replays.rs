//! Steps that come twice, late, or not as they should.

use std::collections::BTreeSet;

use anyhow::ensure;
use futures_util::FutureExt;
use local::rotation::{CURRENT, PENDING, Rotation, STEPS, Step, token};
use local::runtime_api::{Event, Function, Outcome};
use serde_json::json;

use super::scene::{Kind, Scene};
use crate::stage::{Stage, Test};

pub(super) const TESTS: [(&str, Test); 6] = [
    ("every_step_that_comes_twice_or_again_after_the_end_changes_nothing", |stage| {
        twice(stage).boxed_local()
    }),
    ("a_rotation_that_somebody_wrote_over_by_hand_does_not_take_the_label_back", |stage| {
        abandoned(stage).boxed_local()
    }),
    ("a_step_that_is_none_and_a_token_that_is_none_are_refused", |stage| strange(stage).boxed_local()),
    ("rotation_that_was_never_configured_is_no_reason_to_refuse_but_one_turned_off_is", |stage| {
        configured(stage).boxed_local()
    }),
    ("a_test_run_tests_a_copy_of_the_current_value_and_changes_nothing", |stage| {
        only_tested(stage).boxed_local()
    }),
    ("a_secret_of_another_account_is_written_with_the_token_of_its_rotation", |stage| {
        across(stage).boxed_local()
    }),
];

/// The message of a step that must fail for good.
fn refusal(step: &Step) -> anyhow::Result<&str> {
    match &step.outcome {
        Outcome::Error { kind, message } if kind == "Permanent" => Ok(message),
        outcome => anyhow::bail!("{} ended with {outcome:?}", step.name),
    }
}

async fn well(rotation: &Rotation, hook: &Function, name: &'static str) -> anyhow::Result<()> {
    let step = rotation.step(hook, name).await?;
    ensure!(step.went_well(), "{step}");
    Ok(())
}

async fn twice(stage: &Stage) -> anyhow::Result<()> {
    for kind in Kind::ALL {
        let scene = Scene::new(stage, kind, &format!("twice-{}", kind.word())).await?;
        let hook = scene.hook().await?;
        let first = scene.secrets.version(&scene.name, CURRENT)?.unwrap_or_default();
        let rotation = scene.rotation("one")?;
        let mut pending = BTreeSet::new();
        for name in STEPS {
            // ElastiCache may still be at it; then the step comes again.
            let mut went_well = 0;
            for _ in 0..10 {
                let step = rotation.step(&hook, name).await?;
                went_well += usize::from(step.went_well());
                let transient = matches!(&step.outcome, Outcome::Error { kind, .. } if kind == "Transient");
                ensure!(step.went_well() || transient, "{}: {step}", kind.word());
                if went_well == 2 {
                    break;
                }
                if let Some(cache) = scene.cache.as_ref().filter(|_| transient) {
                    cache.settled().await?;
                }
            }
            ensure!(went_well == 2, "{}: {name} does not go well twice", kind.word());
            pending.extend(scene.secrets.value(&scene.name, PENDING)?);
            scene.expect_a_way_in().await?;
        }
        ensure!(pending.len() == 1, "{}: {} different pending values", kind.word(), pending.len());
        let moves = |scene: &Scene<'_>| {
            let changes = scene.secrets.changes();
            changes.iter().filter(|change| change.action.ends_with("UpdateSecretVersionStage")).count()
        };
        ensure!(moves(&scene) == 1, "{}: the label moved {} times", kind.word(), moves(&scene));

        // The whole rotation again, as when the answer to its last step was lost.
        for name in STEPS {
            well(&rotation, &hook, name).await?;
        }
        ensure!(moves(&scene) == 1, "{}: the label moved again", kind.word());
        scene.rotate(&hook, "one").await?;
        scene.expect_rotated(&rotation, &first).await?;
        scene.hear_out(&hook).await?;
        scene.expect_silence()?;
    }
    Ok(())
}

async fn abandoned(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Alternating, "by-hand").await?;
    let hook = scene.hook().await?;
    let rotation = scene.rotation("one")?;
    for name in ["createSecret", "setSecret", "testSecret"] {
        well(&rotation, &hook, name).await?;
    }
    let value = scene.secrets.json(&scene.name, CURRENT)?;
    let by_hand = scene.secrets.write_by_hand(&scene.name, &value.to_string())?;
    let step = rotation.step(&hook, "finishSecret").await?;
    refusal(&step)?;
    ensure!(scene.secrets.version(&scene.name, CURRENT)? == Some(by_hand.clone()), "it was written over");

    // Also when the label is back, so that only the version that is current tells.
    let rotation = scene.rotation("two")?;
    for name in ["createSecret", "setSecret", "testSecret"] {
        well(&rotation, &hook, name).await?;
    }
    let by_hand = scene.secrets.write_by_hand(&scene.name, &value.to_string())?;
    let rotation = Rotation::begin(&scene.secrets, &scene.name, &rotation.token)?;
    let step = rotation.step(&hook, "finishSecret").await?;
    refusal(&step)?;
    ensure!(scene.secrets.version(&scene.name, CURRENT)? == Some(by_hand), "it was written over");
    ensure!(scene.lets_in(CURRENT).await?, "the value written by hand is not let in");
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn strange(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Random, "strange").await?;
    let hook = scene.hook().await?;
    let rotation = scene.rotation("one")?;
    let fine = rotation.event("createSecret")?;
    let mut unknown = fine.clone();
    unknown["Step"] = "dropSecret".into();
    let mut nameless = fine.clone();
    nameless.as_object_mut().map(|fields| fields.remove("ClientRequestToken"));
    let mut nobody = fine.clone();
    nobody["ClientRequestToken"] = token("another").into();
    for event in [unknown, nameless, nobody, json!({})] {
        let outcome = hook.invoke(Event::new(&event)).await?.outcome;
        let refused = matches!(&outcome, Outcome::Error { kind, .. } if kind == "Permanent");
        ensure!(refused, "{event} ended with {outcome:?}");
    }
    ensure!(scene.secrets.changes().is_empty(), "something was written");

    // The documentation spells the steps in both ways.
    for name in ["create_secret", "set_secret", "test_secret", "finish_secret"] {
        well(&rotation, &hook, name).await?;
    }
    ensure!(scene.secrets.version(&scene.name, CURRENT)? == Some(rotation.token), "it was not rotated");
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn configured(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::new(stage, Kind::Random, "never-configured").await?;
    let hook = scene.hook().await?;
    scene.secrets.turn(&scene.name, None)?;
    scene.rotate(&hook, "one").await?;

    let rotation = scene.rotation("two")?;
    scene.secrets.turn(&scene.name, Some(false))?;
    let step = rotation.step(&hook, "createSecret").await?;
    ensure!(refusal(&step)?.contains("turned off"), "{step}");
    ensure!(scene.secrets.value(&scene.name, PENDING)?.is_none(), "a value was made");
    scene.hear_out(&hook).await?;
    scene.expect_silence()
}

async fn only_tested(stage: &Stage) -> anyhow::Result<()> {
    for kind in Kind::ALL {
        let scene = Scene::new(stage, kind, &format!("only-tested-{}", kind.word())).await?;
        scene.secrets.turn(&scene.name, None)?;
        let hook = scene.hook().await?;
        let step = Rotation::only_test(&scene.secrets, &scene.name, &token("a test"), &hook).await?;
        ensure!(step.went_well(), "{}: {step}", kind.word());
        ensure!(scene.secrets.changes().is_empty(), "{}: something was written", kind.word());
        let changed = scene.cache.as_ref().is_some_and(|cache| !cache.changes().is_empty());
        ensure!(!changed, "{}: ElastiCache was told something", kind.word());
        ensure!(scene.lets_in(CURRENT).await?, "{}: the current value is not let in", kind.word());
        scene.hear_out(&hook).await?;
        scene.expect_silence()?;
    }
    Ok(())
}

async fn across(stage: &Stage) -> anyhow::Result<()> {
    const ROTATION_TOKEN: &str = "the-token-that-identifies-the-rotation";
    let scene = Scene::new(stage, Kind::Random, "across").await?;
    scene.secrets.move_to_another_account(&scene.name, ROTATION_TOKEN)?;
    let hook = scene.hook().await?;
    scene.rotate(&hook, "one").await?;
    scene.hear_out(&hook).await?;
    let said = [hook.stdout(), hook.stderr()].concat().join("\n");
    ensure!(!said.contains(ROTATION_TOKEN), "the function said the token of the rotation");
    scene.expect_silence()
}
