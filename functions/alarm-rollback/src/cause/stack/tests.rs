use super::*;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/alarm-rollback");

fn read(case: &str) -> Value {
    let text = std::fs::read_to_string(format!("{EVENTS}/{case}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_change_is_read_with_the_stacks_name_status_and_time() {
    let root = "billing-prod";
    let table = [
        ("stack-update-rollback-failed", root, "UPDATE_ROLLBACK_FAILED", "2026-11-20T12:31:07Z", true),
        ("stack-update-rollback-complete", root, "UPDATE_ROLLBACK_COMPLETE", "2026-11-20T13:02:44Z", false),
        ("stack-update-complete", root, "UPDATE_COMPLETE", "2026-11-20T12:05:19Z", false),
        (
            "stack-nested-update-rollback-failed",
            "billing-prod-Storage-Z2VKC706XKXT",
            "UPDATE_ROLLBACK_FAILED",
            "2026-11-20T12:31:02Z",
            true,
        ),
    ];
    for (case, name, status, at, stuck) in table {
        let event = read(case);
        let change = of_event(&event).unwrap();
        assert_eq!((change.name.as_str(), change.status.as_str()), (name, status), "{case}");
        assert_eq!(change.at.to_string(), at);
        assert_eq!(change.id, event["resources"][0]);
        assert_eq!(change.is_stuck(), stuck);
    }
}

#[test]
fn another_event_is_no_change_of_a_stack() {
    for case in ["sweep-stacks", "eventbridge-metric", "direct-metric", "sns-metric"] {
        assert_eq!(of_event(&read(case)), None, "{case}");
    }
    for broken in ["/detail/stack-id", "/detail/status-details/status", "/time", "/detail-type"] {
        let mut event = read("stack-update-rollback-failed");
        *event.pointer_mut(broken).unwrap() = "x".into();
        let read = of_event(&event);
        assert_eq!(read.is_none(), broken != "/detail/status-details/status", "{broken}");
        *event.pointer_mut(broken).unwrap() = Value::Null;
        assert_eq!(of_event(&event), None, "{broken}");
    }
}
