//! The wiring of `deployment-watch`; its story is told in `lib.rs`.

use deployment_watch::{Config, DeploymentWatch};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = DeploymentWatch::new(Config::read(&Env::process())?);

    lambda::serve("deployment-watch", async |event, invocation| function.handle(&event, &invocation).await)
        .await
}
