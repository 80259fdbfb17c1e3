use jiff::Timestamp;
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::Policy;

use super::*;

#[test]
fn every_channel_has_its_route_and_its_reason() {
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let policy = Policy::parse(
        "/p",
        r#"
notify:
  hours: {office: [{name: o, from: "14:00", to: "18:00", zone: UTC}]}
  route:
    channels: [ops, later, email, oops]
    group_by: [service]
    routes:
    - match: {service: web}
      channels: [ops, email, oops]
      continue: true
    - channels: [later]
      hours: office
  channels: {email: {production_only: true}}
"#,
    )
    .unwrap();
    let channel = |name| ChannelFacts { name, is_read: true, is_verified: true };
    let channels = ["ops", "later", "email", "other"].map(channel);
    let world = World {
        notify: &policy.notify,
        production: false,
        windows: &[],
        channels: &channels,
        silences: &[],
        firing: &[],
    };
    let subject = Subject { kind: "alarm".to_owned(), id: "web".to_owned(), arn: None };
    let mut notice = Notice::new("alarm:web", State::Firing, Severity::Sev3, subject, "web", now);
    notice.labels.insert("service".to_owned(), "web".to_owned());
    let explanation = explain(&world, &notice, now);
    assert_eq!(
        explanation.lines(),
        [
            "ops is told: with the group of service=web, after 0s, or 5m after it was told last (by root > service=web)",
            "later is told later: outside of the hours office; looked at again at 2026-11-25T14:00:00Z (by root > everything)",
            "email is not told: the channel is told only of production (by root > service=web)",
            "other is not told: no route leads to it",
            "oops: the policy names it, and the secret lacks it",
        ]
    );
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["channels"][1]["would"], "hold");
    assert_eq!(json["channels"][3]["would"], "not_routed");
    assert_eq!(json["unknown"], serde_json::json!(["oops"]));
}
