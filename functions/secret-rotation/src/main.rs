//! The wiring of `secret-rotation`; its story is told in `lib.rs`.

use secret_rotation::{Config, SecretRotation};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = SecretRotation::new(Config::read(&Env::process())?);

    lambda::serve("secret-rotation", async |event, invocation| function.handle(&event, &invocation).await)
        .await
}
