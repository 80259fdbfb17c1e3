use crate::channel::{Kind, Memory};
use crate::decision::Meaning;
use crate::receiver::{Receiver, answer};
use crate::render::samples::{self, tell};

async fn check(script: crate::receiver::Script, expected: Meaning, requests: usize) -> Vec<String> {
    let receiver = Receiver::start(script).await;
    let kind = Kind::Slack { url: receiver.url("/hook") };
    let sent = tell(&receiver.http, kind, &samples::report(), &Memory::new()).await;
    assert_eq!((sent.meaning, sent.memory), (expected, None));
    let got = receiver.got("/hook");
    assert_eq!(got.len(), requests);
    got.into_iter().map(|got| got.body).collect()
}

#[tokio::test]
async fn a_webhook_is_told_plainer_until_it_says_ok() {
    check(|_, _| Some(answer("200 OK", "", "ok")), Meaning::Acknowledged, 1).await;
    let bodies = check(
        |_, before| match before {
            0 => Some(answer("400 Bad Request", "", "invalid_blocks")),
            1 => Some(answer("400 Bad Request", "", "msg_too_long")),
            _ => Some(answer("200 OK", "", "ok")),
        },
        Meaning::Acknowledged,
        3,
    )
    .await;
    let blocks: Vec<_> = bodies.iter().map(|body| body.contains("\"blocks\"")).collect();
    assert_eq!(blocks, [true, false, false]);
    assert!(bodies[2].len() < 600, "{}", bodies[2]);
    let refused = Meaning::Refused("400 invalid_payload".to_owned());
    check(|_, _| Some(answer("400 Bad Request", "", "invalid_payload")), refused, 3).await;
}
