//! The functions behind a proxy that throttles, denies and cuts, and killed at every call.

mod fanout;
mod rollback;
mod throttled;
mod watch;

use std::path::Path;

use anyhow::Context;
use local::proxy::{Fault, Proxy};
use local::runtime_api::Function;

use crate::stage::{PATIENCE, Stage, Test};

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests = rollback::TESTS.into_iter().chain(throttled::TESTS).chain(watch::TESTS).chain(fanout::TESTS);
    tests.map(|(name, test)| (format!("faults::{name}"), test)).collect()
}

/// A function's binary under the double of the platform, with the settings of the deployed one.
pub(crate) async fn spawn(stage: &Stage, binary: &Path, endpoint: &str) -> anyhow::Result<Function> {
    spawn_with(stage, binary, endpoint, &[]).await
}

/// The same with other settings in place of some.
pub(crate) async fn spawn_with(
    stage: &Stage,
    binary: &Path,
    endpoint: &str,
    settings: &[(&'static str, String)],
) -> anyhow::Result<Function> {
    let roots = stage.deployment.folder.join("roots.pem");
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ACCESS_KEY_ID", local::aws::ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", local::aws::SECRET_ACCESS_KEY.to_owned()),
        ("AWS_SESSION_TOKEN", String::new()),
        ("AWS_REGION", local::aws::REGION.to_owned()),
        ("SSL_CERT_FILE", roots.to_string_lossy().into_owned()),
        ("ENVIRONMENT", "dev".to_owned()),
        ("MODE", "act".to_owned()),
        ("CLUSTERS", "*".to_owned()),
        ("FUNCTIONS", "*".to_owned()),
        ("STACKS", "*".to_owned()),
        ("TIMERS_QUEUE_URL", stage.output("TimersUrl")?.to_owned()),
        ("REDEPLOYS_QUEUE_URL", stage.output("RedeploysUrl")?.to_owned()),
        ("SETTLEMENTS_QUEUE_URL", stage.output("SettlementsUrl")?.to_owned()),
        ("TRIAGES_QUEUE_URL", stage.output("TriagesUrl")?.to_owned()),
        ("STATUS_BUCKET", stage.output("StatusBucket")?.to_owned()),
        ("ARCHIVE_BUCKET", stage.output("ArchiveBucket")?.to_owned()),
        ("QUEUES", "*".to_owned()),
        ("LEDGER_TABLE", stage.output("LedgerTable")?.to_owned()),
        ("NOTICES_TOPIC_ARN", stage.output("NoticesTopicArn")?.to_owned()),
        ("CHANNELS_SECRET_ARN", stage.deployment.channels_secret.clone()),
        ("NOTICES_QUEUE_URL", stage.output("NoticesQueueUrl")?.to_owned()),
        ("REMINDERS_QUEUE_URL", stage.output("NoticeRemindersUrl")?.to_owned()),
        ("ACKNOWLEDGE_URL", stage.output("AcknowledgeUrl")?.to_owned()),
        ("ACKNOWLEDGE_KEY_ARN", stage.output("AcknowledgeKeyArn")?.to_owned()),
        ("DEAD_LETTERS_URL", stage.output("NoticesDeadLettersUrl")?.to_owned()),
    ];
    Function::spawn(binary, environment.into_iter().chain(settings.iter().cloned())).await
}

/// Waits until the nth call has come as far as the fault lets it.
pub(crate) async fn reached(proxy: &Proxy, nth: usize, fault: Fault) -> anyhow::Result<()> {
    proxy.arrival("*", nth).await;
    let done = local::deployment::until(PATIENCE, async || {
        let calls = proxy.calls();
        let call = calls.get(nth - 1);
        Ok(call.is_some_and(|call| fault == Fault::Hang || call.ended.is_some()).then_some(()))
    });
    done.await?.context("the call did not end")
}
