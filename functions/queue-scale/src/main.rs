//! The wiring of `queue-scale`; its story is told in `lib.rs`.

use queue_scale::{Config, QueueScale};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = QueueScale::new(Config::read(&Env::process())?);

    lambda::serve("queue-scale", async |event, invocation| function.handle(&event, &invocation).await).await
}
