//! What every Watchkeeper function shares, in reading order.
//!
//! - [`lambda`]: the shell around a handler; one report per invocation.
//! - [`config`], [`aws`]: settings read once, clients made when first needed.
//! - [`error`], [`report`]: the two things an invocation can end with.
//! - [`address`]: where nobody may be led to; [`text`]: what nobody may be shown.
//! - [`alarm`], [`target`], [`tags`]: the words of the field, parsed tolerantly from what AWS sends.
//! - [`strategy`]: how a secret is rotated.
//! - [`ecs`]: why a deployment does not get on.
//! - [`policy`]: what the owners of an environment have decided.
//! - [`notice`]: the one message that functions publish.
//! - [`acknowledge`]: the link by which somebody says that they have an incident in hand.
//! - [`queue`], [`timer`]: what comes again later, and what is asked to come.
//! - [`ledger`]: what the world forgets.

pub mod acknowledge;
pub mod address;
pub mod alarm;
pub mod aws;
pub mod config;
pub mod ecs;
pub mod error;
pub mod id;
pub mod lambda;
pub mod ledger;
pub mod notice;
pub mod policy;
pub mod queue;
pub mod report;
pub mod strategy;
pub mod tags;
pub mod target;
pub mod text;
pub mod timer;

pub use error::{Error, Result};
pub use report::Report;
