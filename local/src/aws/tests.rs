use std::net::{Ipv4Addr, TcpListener};

use super::{LocalAws, Port, is_ready};
use crate::progress::Silent;
use crate::{place, setup};

#[tokio::test]
async fn local_aws_starts_answers_and_leaves_nothing_behind() {
    let tools = setup::tools(&Silent).await.unwrap();
    let folder = place::local().join("unit");
    let aws = LocalAws::start(&tools, Port::Free, &folder, &[]).await.unwrap();
    let port = aws.port();
    assert!(is_ready(port).await);
    aws.stop().await;
    assert!(!is_ready(port).await);
}

#[tokio::test]
async fn a_busy_port_is_one_message_that_says_what_to_do() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let tools = setup::tools(&Silent).await.unwrap();
    let error =
        LocalAws::start(&tools, Port::Fixed(port), &place::local().join("unit-busy"), &[]).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("Port {port} is in use")), "{error}");
}
