//! What the APIs answer, read into the facts of the kinds: one file per service.
//!
//! Each file has a `check` that is given all components of its kinds at once, asks for them in as few calls as the API
//! allows, and says a verdict of each; a failed call is [`Ask::unknown`] for the components that it was about.

pub(crate) mod acm;
pub(crate) mod alarms;
pub(crate) mod aws_health;
pub(crate) mod backup;
pub(crate) mod budgets;
pub(crate) mod cloudformation;
pub(crate) mod dns;
pub(crate) mod dynamodb;
pub(crate) mod ecr;
pub(crate) mod ecs;
pub(crate) mod elasticache;
pub(crate) mod elb;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod kms;
pub(crate) mod lambda;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod rds;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod scaling;
pub(crate) mod scheduler;
pub(crate) mod secrets;
pub(crate) mod sns;
pub(crate) mod sqs;
pub(crate) mod tags;
pub(crate) mod tls;
pub(crate) mod waf;
