use serde_json::{Value, json};

use super::super::receiving::{delete, receive};
use super::pair;
use crate::recorded::Letter;

/// Takes a second or two; were anything searched for, it would take hours.
#[test]
fn a_hundred_thousand_messages_are_received_and_deleted_as_fast_as_a_few() {
    let queues = pair(3);
    for number in 0..100_000 {
        queues.put("dead", Letter::new(number.to_string())).unwrap();
    }
    let mut state = queues.state();
    let mut seen = 0;
    loop {
        state.settle();
        let received = receive(&mut state, &json!({"MaxNumberOfMessages": 10}), "dead").unwrap();
        let Some(messages) = received.get("Messages").and_then(Value::as_array) else { break };
        for message in messages {
            assert_eq!(message["Body"], seen.to_string());
            seen += 1;
            let handle = json!({"ReceiptHandle": message["ReceiptHandle"]});
            delete(state.find("dead").unwrap(), &handle).unwrap();
        }
    }
    assert_eq!(seen, 100_000);
}
