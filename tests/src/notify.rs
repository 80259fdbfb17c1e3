//! `notification-fanout` between queues and channels of its own: what people and machines are told when channels throttle,
//! refuse, hang and lie, when processes die, and when all of it happens at once. The queues, the ledger, the secrets and
//! the topics are local AWS's own; the channels are doubles over TLS that refuse what their vendors refuse.

mod batch;
mod burst;
mod doubles;
mod killed;
mod mix;
mod report;
mod returns;
mod scene;
mod teams;

use crate::stage::Test;

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests = burst::TESTS
        .into_iter()
        .chain(teams::TESTS)
        .chain(killed::TESTS)
        .chain(returns::TESTS)
        .chain(report::TESTS)
        .chain(batch::TESTS)
        .chain(mix::TESTS);
    tests.map(|(name, test)| (format!("notify::{name}"), test)).collect()
}
