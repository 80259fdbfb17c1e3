//! A Lambda alias: what it points to, and by how much.

use anyhow::ensure;
use aws_sdk_cloudwatch::types::StateValue;
use futures_util::FutureExt;
use local::recorded::CodeDeploy;
use serde_json::{Value, json};

use super::alias_double::AliasDouble;
use crate::rig::{Rig, expect};
use crate::stage::{Stage, Test};
use crate::world::{Alarm, By, now};

pub(super) const TESTS: [(&str, Test); 3] = [
    ("a_weighted_alias_goes_back_to_its_stable_version_with_no_weights", |stage| {
        weighted(stage).boxed_local()
    }),
    ("an_alias_that_somebody_changed_meanwhile_is_decided_anew", |stage| meanwhile(stage).boxed_local()),
    ("the_version_before_11_is_10_and_not_9", |stage| by_number(stage).boxed_local()),
];

/// The functions in front of the alias, and its alarm, which fires.
async fn scene<'a>(
    stage: &'a Stage,
    function: &str,
    double: &AliasDouble,
) -> anyhow::Result<(Rig, Alarm<'a>, Value)> {
    let (answers, code_deploy) = (double.clone(), CodeDeploy::new());
    let rig =
        Rig::new(stage, function, move |call| answers.answer(call).or_else(|| code_deploy.answer(call)))
            .await?;
    let resource = format!("{function}:live");
    let dimensions = [("FunctionName", function), ("Resource", resource.as_str())];
    let alarm = Alarm::about(stage, &format!("{function}-errors"), &dimensions);
    alarm.put(false).await?;
    alarm.set(StateValue::Alarm).await?;
    let event = alarm.event(By::EventBridge, "OK", "ALARM", now())?;
    Ok((rig, alarm, event))
}

async fn weighted(stage: &Stage) -> anyhow::Result<()> {
    let double = AliasDouble::new("weighted", &["1", "2", "3"], "2").weighted("3", 0.1);
    let (rig, alarm, event) = scene(stage, "weighted", &double).await?;
    let answer = rig.invoke(&event).await?;
    expect(
        &answer,
        "rolled_back",
        "Pointed weighted:live from version 3 back to version 2, for all requests",
    )?;
    expect(&answer, "rolled_back", "high confidence")?;
    ensure!(double.points() == ("2".to_owned(), json!({})), "{:?}", double.points());
    let changes = double.changes();
    ensure!(changes.len() == 1, "{changes:?}");
    ensure!(changes[0]["RoutingConfig"] == json!({"AdditionalVersionWeights": {}}), "{changes:?}");
    ensure!(changes[0]["RevisionId"] == "revision-1", "{changes:?}");

    rig.look().await?.expect("waiting", "the alarm weighted-errors has until")?;
    alarm.set(StateValue::Ok).await?;
    rig.look().await?.expect("recovered", "rolled back to version 2")?;
    ensure!(rig.newest(2)?["state"] == "resolved", "{:#?}", rig.notices());
    Ok(())
}

async fn meanwhile(stage: &Stage) -> anyhow::Result<()> {
    let double = AliasDouble::new("meanwhile", &["1", "2", "3"], "2").weighted("3", 0.1);
    let double = double.reweighted_meanwhile("3", 0.5);
    let (rig, _, event) = scene(stage, "meanwhile", &double).await?;
    expect(&rig.invoke(&event).await?, "rolled_back", "back to version 2")?;
    ensure!(double.points() == ("2".to_owned(), json!({})), "{:?}", double.points());
    let (asked, changed) = (rig.proxy.count("lambda:UpdateAlias"), double.changes());
    ensure!(asked == 2 && changed.len() == 1, "asked {asked} times: {changed:?}");
    ensure!(changed[0]["RevisionId"] == "revision-2", "the second look was not acted on: {changed:?}");
    ensure!(rig.newest(1)?["state"] == "firing", "{:#?}", rig.notices());
    Ok(())
}

async fn by_number(stage: &Stage) -> anyhow::Result<()> {
    let double = AliasDouble::new("numbered", &["2", "9", "10", "11"], "11");
    let (rig, _, event) = scene(stage, "numbered", &double).await?;
    let answer = rig.invoke(&event).await?;
    expect(&answer, "rolled_back", "from version 11 back to version 10")?;
    expect(&answer, "rolled_back", "low confidence")?;
    ensure!(double.points() == ("10".to_owned(), json!({})), "{:?}", double.points());
    Ok(())
}
