//! The wiring of `alarm-rollback`; its story is told in `lib.rs`.

use alarm_rollback::{AlarmRollback, Config};
use shared::config::Env;
use shared::lambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let function = AlarmRollback::new(Config::read(&Env::process())?);

    lambda::serve("alarm-rollback", async |event, invocation| function.handle(&event, &invocation).await)
        .await
}
