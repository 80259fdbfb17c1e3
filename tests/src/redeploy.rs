//! `secret-redeploy` and `deployment-watch` in front of a whole fleet of services: from a secret's label that moved to
//! the last service that has the new version. The secrets, the ledger, the queues and the topic are local AWS's own; ECS
//! with its budgets, its registry and CodeDeploy are a double.

mod busy;
mod deployed;
mod found;
mod killed;
mod mix;
mod place;
mod post;
mod refused;
mod scene;
mod secrets;
mod storm;
mod waves;

use crate::stage::Test;

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests = found::TESTS
        .into_iter()
        .chain(storm::TESTS)
        .chain(busy::TESTS)
        .chain(waves::TESTS)
        .chain(mix::TESTS)
        .chain(killed::TESTS)
        .chain(refused::TESTS)
        .chain(deployed::TESTS);
    tests.map(|(name, test)| (format!("redeploy::{name}"), test)).collect()
}
