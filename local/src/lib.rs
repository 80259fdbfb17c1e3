//! Local AWS and the doubles around it: what the demo, the bench and the tests stand on.
//!
//! [`deployment::Deployment`] is the whole of it: the tools set up, the functions built, MiniStack started, the
//! template deployed, and a receiver listening. Nothing of it outlives its owner.

pub mod aws;
pub mod browser;
pub mod build;
pub mod deployment;
pub mod job;
pub mod place;
pub mod postgres;
mod programs;
pub mod progress;
pub mod proxy;
pub mod receiver;
pub mod recorded;
pub mod rotation;
pub mod runtime_api;
pub mod setup;
pub mod tls;
pub mod valkey;
pub mod wire;
