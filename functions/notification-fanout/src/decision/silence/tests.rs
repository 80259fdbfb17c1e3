use serde_json::{Value, json};
use shared::notice::{Severity, State};

use super::*;

fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

fn silence(matches: &Value, until: &str) -> Silence {
    let silence = json!({"match": matches, "until": until, "author": "ann", "reason": "the database moves"});
    serde_json::from_value(silence).unwrap()
}

fn going_on(incident: &str, severity: Severity, labels: &[(&str, &str)]) -> Activity {
    Activity {
        incident: incident.to_owned(),
        state: State::Firing,
        revision: 1,
        severity,
        title: format!("{incident} is slow"),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        since: now(),
        started: now(),
        changes: Vec::new(),
        flapping: false,
        acknowledged: None,
        escalated: 0,
    }
}

#[test]
fn what_could_silence_nothing_or_too_much_is_refused() {
    let web = json!({"service": "web"});
    let hour = "2026-11-27T13:00:00Z";
    let with = |id: &str| Silence { id: id.to_owned(), ..silence(&web, hour) };
    let from = |from: &str| Silence { from: Some(from.parse().unwrap()), ..silence(&web, hour) };
    for (silence, said) in [
        (silence(&web, hour), None),
        (with("night"), None),
        (from("2026-11-27T12:30:00Z"), None),
        (from("2026-11-01T00:00:00Z"), None),
        (silence(&web, "2027-11-28T12:00:00Z"), None),
        (silence(&json!({"servce": "web"}), hour), None),
        (silence(&json!({}), hour), Some("needs something to match")),
        (
            silence(&json!({"service": ["web", "!web"]}), hour),
            Some("silence.match.service excludes all that it asks for"),
        ),
        (silence(&json!({"service": "!*"}), hour), Some("silence.match.service excludes")),
        (
            silence(&web, "2026-11-27T12:00:00Z"),
            Some("2026-11-27T12:00:00Z is not after 2026-11-27T12:00:00Z"),
        ),
        (silence(&web, "2020-01-01T00:00:00Z"), Some("silence.until is over: 2020-01-01T00:00:00Z")),
        (silence(&web, "2027-11-28T12:00:01Z"), Some("more than a year away: at most 2027-11-28T12:00:00Z")),
        (silence(&web, "9999-01-01T00:00:00Z"), Some("more than a year away")),
        (from(hour), Some("would end before it begins")),
        (with("policy-7"), Some("silence.id begins with policy-")),
        (with(&"x".repeat(101)), Some("silence.id is longer than 100")),
    ] {
        let refused = refusal(&silence, now());
        match said {
            None => assert_eq!(refused, None, "{silence:?}"),
            Some(said) => assert!(refused.as_ref().is_some_and(|why| why.contains(said)), "{refused:?}"),
        }
    }
}

#[test]
fn a_name_that_nobody_knows_is_remarked_with_what_may_be_meant() {
    let firing = [going_on("a", Severity::Sev1, &[("squad", "shop")])];
    let of_policy = BTreeSet::from(["team"]);
    for (matches, said) in [
        (json!({"service": "web", "severity": "sev1", "acknowledged_by": "ann"}), None),
        (json!({"team": "shop"}), None),
        (json!({"squad": "shop"}), None),
        (json!({"environment": "prod", "service": "web"}), None),
        (json!({"environment": "p*", "severity": ["sev1", "sev2"]}), None),
        (json!({"environment": "prod"}), Some("this silences everything, pages too")),
        (json!({"environment": "p*"}), Some("this silences everything, pages too")),
        (json!({"service": "*"}), Some("this silences everything, pages too")),
        (json!({"service": ["web", "**"], "source": "*"}), Some("this silences everything, pages too")),
        (json!({"severity": ["sev1", "sev2", "P3", "P4"]}), Some("this silences everything, pages too")),
        (json!({"state": "*", "subject": "*"}), Some("this silences everything, pages too")),
        (json!({"service": ["*", "!web"]}), None),
        (json!({"service": "*", "severity": "!sev1"}), None),
        (json!({"service": "web*"}), None),
        (json!({"servce": "web"}), Some("did you mean service?")),
        (json!({"Service": "web"}), Some("did you mean service?")),
        (json!({"sources": "rds"}), Some("did you mean source?")),
        (json!({"env": "prod"}), Some("did you mean environment?")),
        (json!({"taem": "shop"}), Some("known are severity, state,")),
        (json!({"tem": "shop"}), Some("did you mean team?")),
        (json!({"colour": "red"}), Some("colour is neither a field nor a label")),
        (json!({"environment": "staging"}), Some("what is told here is of prod")),
        (json!({"environment": "!prod"}), Some("what is told here is of prod")),
    ] {
        let remark = remark(&silence(&matches, "2026-11-27T13:00:00Z"), "prod", &of_policy, &firing);
        match said {
            None => assert_eq!(remark, None, "{matches}"),
            Some(said) => {
                assert!(remark.as_ref().is_some_and(|it| it.contains(said)), "{matches}: {remark:?}");
            }
        }
    }
}

#[test]
fn what_goes_on_and_is_silenced_is_named_the_worst_first() {
    let firing = [
        going_on("minor", Severity::Sev3, &[("service", "web")]),
        going_on("other", Severity::Sev1, &[("service", "api")]),
        going_on("major", Severity::Sev1, &[("service", "web")]),
    ];
    let named = |silence: &Silence| -> Vec<_> {
        silenced(silence, &firing, now()).into_iter().map(|it| it.incident.clone()).collect()
    };
    let web = silence(&json!({"service": "web"}), "2026-11-27T13:00:00Z");
    assert_eq!(named(&web), ["major", "minor"]);
    let later = Silence { from: Some("2026-11-27T12:30:00Z".parse().unwrap()), ..web };
    assert!(named(&later).is_empty());
}

/// A label that is told and not known here would be remarked although it is right.
#[test]
fn every_label_that_is_made_of_an_event_is_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/notification-fanout");
    let mut seen = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        // Their publishers may write what they like.
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Ok(records) = crate::queue::read(&event) else { continue };
        for work in crate::message::gather(&records, "prod", now()) {
            if !name.starts_with("notice-")
                && !name.starts_with("hostile-")
                && !name.starts_with("two-records")
            {
                seen.extend(work.notice.matched().into_keys());
            }
        }
    }
    let unknown: Vec<_> = seen
        .iter()
        .filter(|name| !FIELDS.contains(&name.as_str()) && !LABELS.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty() && seen.len() > 12, "unknown: {unknown:?} of {seen:?}");
}
