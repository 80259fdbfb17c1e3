use super::*;

const DEAD: &str = "arn:aws:sqs:eu-west-1:123456789012:orders-dlq";

fn said(pairs: &[(QueueAttributeName, &str)]) -> HashMap<QueueAttributeName, String> {
    pairs.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect()
}

#[test]
fn a_queue_is_what_it_says() {
    let policy = format!(r#"{{"deadLetterTargetArn":"{DEAD}","maxReceiveCount":5}}"#);
    let attributes = Attributes::of(&said(&[
        (QueueAttributeName::ApproximateNumberOfMessages, "12"),
        (QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "3"),
        (QueueAttributeName::ApproximateNumberOfMessagesDelayed, "1"),
        (QueueAttributeName::MessageRetentionPeriod, "1209600"),
        (QueueAttributeName::VisibilityTimeout, "180"),
        (QueueAttributeName::QueueArn, "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"),
        (QueueAttributeName::RedrivePolicy, &policy),
    ]));
    let expected = Attributes {
        visible: 12,
        in_flight: 3,
        delayed: 1,
        retention: SignedDuration::from_hours(14 * 24),
        visibility: Duration::from_mins(3),
        fifo: true,
        redrive: Some(Redrive { target: DEAD.to_owned(), max_receives: 5 }),
    };
    assert_eq!(attributes, expected);
    assert_eq!(
        serde_json::to_value(&attributes).unwrap(),
        serde_json::json!({"visible": 12, "in_flight": 3, "delayed": 1, "retention": "336h", "visibility": "3m",
            "fifo": true, "redrive": {"target": DEAD, "max_receives": 5}})
    );
}

#[test]
fn what_a_queue_does_not_say_is_as_sqs_has_it() {
    let nothing = Attributes {
        visible: 0,
        in_flight: 0,
        delayed: 0,
        retention: SignedDuration::from_hours(96),
        visibility: Duration::from_secs(30),
        fifo: false,
        redrive: None,
    };
    assert_eq!(Attributes::of(&HashMap::new()), nothing);
    let nonsense: Vec<_> =
        NAMES.into_iter().flat_map(|name| ["", "-1", "1e3", "ü"].map(|text| (name.clone(), text))).collect();
    for one in nonsense {
        assert_eq!(Attributes::of(&said(std::slice::from_ref(&one))), nothing, "{one:?}");
    }
    let most = u64::MAX.to_string();
    let all = NAMES.map(|name| (name, most.as_str()));
    assert_eq!(Attributes::of(&said(&all)).retention, nothing.retention);
}

#[track_caller]
fn check(policy: &str, expected: Option<u32>) {
    let expected = expected.map(|max_receives| Redrive { target: DEAD.to_owned(), max_receives });
    assert_eq!(Redrive::of(policy), expected, "{policy}");
}

#[test]
fn the_count_of_a_redrive_policy_is_a_number_or_a_text() {
    check(&format!(r#"{{"maxReceiveCount":3,"deadLetterTargetArn":"{DEAD}"}}"#), Some(3));
    check(&format!(r#"{{"maxReceiveCount":"3","deadLetterTargetArn":"{DEAD}"}}"#), Some(3));
    check(&format!(r#"{{"maxReceiveCount":" 3 ","deadLetterTargetArn":" {DEAD} "}}"#), Some(3));
}

#[test]
fn a_redrive_policy_without_a_count_still_names_its_queue() {
    check(&format!(r#"{{"deadLetterTargetArn":"{DEAD}"}}"#), Some(10));
    for count in ["null", "-1", "1.5", "4294967296", "[]", r#""many""#] {
        check(&format!(r#"{{"maxReceiveCount":{count},"deadLetterTargetArn":"{DEAD}"}}"#), Some(10));
    }
}

#[test]
fn what_names_no_queue_is_no_redrive_policy() {
    for policy in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"deadLetterTargetArn":""}"#,
        r#"{"deadLetterTargetArn":7}"#,
        "\"arn\"",
    ] {
        check(policy, None);
    }
}
