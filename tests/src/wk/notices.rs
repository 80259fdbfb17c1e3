//! `wk silence`, `wk route test`, `wk ack` and `wk incidents`.

use futures_util::FutureExt;

use super::wk;
use crate::stage::{Stage, Test};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![("who_is_told_is_tried_silenced_and_acknowledged", |stage| notices(stage).boxed_local())]
}

async fn notices(stage: &Stage) -> anyhow::Result<()> {
    let tried = wk(stage, &["route", "test", "--severity", "sev1", "--subject", "prod/web"]).await?;
    tried.expect(0, &["ops is told", "audit is told"])?;
    let matched = "service=wk-silenced";
    wk(stage, &["silence", matched]).await?.expect(3, &["--until", "--reason"])?;
    let silence = ["silence", matched, "--until", "2099-01-01T00:00:00Z", "--reason", "a test of wk"];
    wk(stage, &silence).await?.expect(0, &["silenced until 2099"])?;
    wk(stage, &["silence"]).await?.expect(0, &["a test of wk", "ann"])?;
    wk(stage, &["ack", "nothing-of-the-kind"]).await?.expect(1, &[])?;
    wk(stage, &["incidents"]).await?.expect(0, &[])?;
    // As the policy of the stage names it.
    stage.sqs.create_queue().queue_name("follow-orders").send().await?;
    wk(stage, &["scaling"]).await?.expect(0, &["ecs:demo/follow-web"]).map(drop)
}
