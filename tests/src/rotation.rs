//! `secret-rotation` against a real PostgreSQL and a real Valkey, called as Secrets Manager calls it, under clients that
//! never stop connecting.

mod app;
mod caches;
mod databases;
mod killed;
mod replays;
mod scene;

use std::io::Write;

use local::postgres::Postgres;
use tokio::sync::OnceCell;

use crate::stage::{Stage, Test};

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests = databases::TESTS.into_iter().chain(caches::TESTS).chain(replays::TESTS).chain(killed::TESTS);
    tests.map(|(name, test)| (format!("rotation::{name}"), test)).collect()
}

/// The database server that these tests share; started by the first that needs it.
#[derive(Default)]
pub(crate) struct Servers {
    postgres: OnceCell<Postgres>,
}

/// The password of the superuser, who is nobody's secret here; looked for in every log all the same.
const SUPERUSER_PASSWORD: &str = "the-superuser-has-this-one";

impl Servers {
    async fn postgres(&self, stage: &Stage) -> anyhow::Result<&Postgres> {
        let authority = &stage.deployment.authority;
        let start = || Postgres::start("tests/postgres", authority, SUPERUSER_PASSWORD, &crate::stage::Told);
        self.postgres.get_or_try_init(start).await
    }
}

/// Says a number that was measured, beside the test run's own output.
fn measured(text: &str) {
    let _ = writeln!(std::io::stderr(), "  measured: {text}");
}
