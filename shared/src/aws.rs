//! AWS clients: one configuration, made when it is first needed, so that a start pays only for what it uses.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::OnceCell;

/// The configuration that all clients of one process share.
#[derive(Debug, Default)]
pub struct Aws {
    config: OnceCell<SdkConfig>,
}

impl Aws {
    /// Nothing is read or built yet.
    pub const fn new() -> Self {
        Self { config: OnceCell::const_new() }
    }

    /// The shared configuration: region, credentials and endpoint as the environment gives them
    /// (`AWS_ENDPOINT_URL` included), trust roots of the system or of `SSL_CERT_FILE`.
    pub async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(load).await
    }
}

async fn load() -> SdkConfig {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::adaptive().with_max_attempts(4).with_max_backoff(Duration::from_secs(3)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(5))
                .operation_timeout(Duration::from_secs(15))
                .build(),
        )
        .load()
        .await
}
