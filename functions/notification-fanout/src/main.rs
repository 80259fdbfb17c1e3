//! Wiring only: settings in, invocations served.

use notification_fanout::{Config, Fanout};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::read(&Env::process())?;
    let fanout = &Fanout::new(config);

    lambda::serve("notification-fanout", async |event, invocation| fanout.handle(&event, &invocation).await)
        .await
}
