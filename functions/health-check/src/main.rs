//! The wiring of `health-check`; its story is told in `lib.rs`.

use health_check::{Config, HealthCheck};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = HealthCheck::new(Config::read(&Env::process())?);

    lambda::serve("health-check", async |event, invocation| function.handle(&event, &invocation).await).await
}
