//! The wiring of `secret-redeploy`; its story is told in `lib.rs`.

use secret_redeploy::{Config, SecretRedeploy};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = SecretRedeploy::new(Config::read(&Env::process())?);

    lambda::serve("secret-redeploy", async |event, invocation| function.handle(&event, &invocation).await)
        .await
}
