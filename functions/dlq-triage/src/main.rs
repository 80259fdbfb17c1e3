//! The wiring of `dlq-triage`; its story is told in `lib.rs`.

use dlq_triage::{Config, DlqTriage};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = DlqTriage::new(Config::read(&Env::process())?);

    lambda::serve("dlq-triage", async |event, invocation| function.handle(&event, &invocation).await).await
}
