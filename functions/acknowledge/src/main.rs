//! Wiring only: settings in, invocations served.

use acknowledge::{Acknowledge, Config};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::read(&Env::process())?;
    let function = &Acknowledge::new(config);

    lambda::serve("acknowledge", async |event, invocation| function.handle(&event, &invocation).await).await
}
