use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::send_message::SendMessageOutput;
use aws_smithy_mocks::{mock, mock_client};
use serde_json::{Map, json};

use super::{dead_letter, read};

#[track_caller]
fn check_known_as(attributes: &[(&str, &str)], expected: Option<(&str, u64)>) {
    let attributes: Map<_, _> = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!({"stringValue": value, "dataType": "String"})))
        .collect();
    let record = &read(&json!({"Records": [{"messageAttributes": attributes}]})).unwrap()[0];
    let known_as = record.known_as.as_ref().map(|(incident, revision)| (incident.as_str(), *revision));
    assert_eq!(known_as, expected, "{attributes:?}");
}

#[test]
fn a_dead_letter_is_known_by_its_incident_and_revision_together() {
    check_known_as(&[("incident", "alarm:web"), ("revision", "7")], Some(("alarm:web", 7)));
    check_known_as(&[("incident", "alarm:web")], None);
    check_known_as(&[("incident", ""), ("revision", "7")], None);
    check_known_as(&[("incident", "alarm:web"), ("revision", "x")], None);
    check_known_as(&[], None);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_body_and_says_what_happened() {
    let rule = mock!(Client::send_message)
        .match_requests(|request| {
            let attributes = request.message_attributes().unwrap();
            request.message_body() == Some("{\"a\":1}")
                && attributes["error"].string_value() == Some("410 channel_is_archived")
                && !attributes.contains_key("channel")
        })
        .then_output(|| SendMessageOutput::builder().build());
    let sqs = mock_client!(aws_sdk_sqs, [&rule]);
    let about = [("error", "410 channel\n_is_archived"), ("channel", "")];
    dead_letter(&sqs, "https://sqs.invalid/dlq", "{\"a\":1}", &about).await.unwrap();
    assert_eq!(rule.num_calls(), 1);
}
