//! The decision where a notice goes, in a policy as large as they get.

use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;

use jiff::Timestamp;
use notification_fanout::decision::route::{ChannelFacts, World, route};
use shared::policy::Policy;

use crate::notices;

/// What is counted.
pub(crate) const WHAT: &str = "routings on one core: 100 routes, 50 channels told";

const ROUTES: usize = 100;
const CHANNELS: usize = 50;

/// The decision, ready to be made: the last of all routes takes the notice, and leads to every channel.
pub(crate) fn decision(now: Timestamp) -> Result<impl FnMut() -> usize, Box<dyn Error>> {
    let mut document = "notify:\n  route:\n    routes:\n".to_owned();
    for number in 1..ROUTES {
        writeln!(
            document,
            "    - {{match: {{severity: [sev1, sev2], service: \"shop-{number}-*\", environment: prod}}, \
             channels: [channel-1]}}"
        )?;
    }
    writeln!(document, "    - {{match: {{severity: sev1, environment: prod}}}}")?;
    let policy = Policy::parse("policy", &document)?;
    let names: Vec<String> = (1..=CHANNELS).map(|number| format!("channel-{number}")).collect();
    let notice = notices::ordinary(now)?;

    let decide = move || {
        let channels: Vec<_> =
            names.iter().map(|name| ChannelFacts { name, is_read: true, is_verified: true }).collect();
        let world = World {
            notify: &policy.notify,
            production: true,
            windows: &policy.windows,
            channels: &channels,
            silences: &[],
            firing: &[],
        };
        black_box(route(black_box(&world), black_box(&notice), black_box(now))).destinations.len()
    };
    match decide() {
        CHANNELS => Ok(decide),
        other => Err(format!("the routes lead to {other} channels, not to {CHANNELS}").into()),
    }
}
