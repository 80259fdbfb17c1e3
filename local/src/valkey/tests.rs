use super::{Valkey, refused};
use crate::progress::Silent;
use crate::tls::Authority;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_lets_in_by_the_passwords_that_it_was_given_and_keeps_who_is_in() {
    let authority = Authority::new().unwrap();
    let server = Valkey::start("valkey-unit", &authority, &Silent).await.unwrap();
    assert!(server.door().is_open().await.unwrap());

    let admin = server.admin();
    admin.passwords("default", &["the first".to_owned()]).await.unwrap();
    assert!(!server.door().is_open().await.unwrap());
    let mut early = server.door().login(None, "the first").await.unwrap();
    admin.passwords("default", &["the first".to_owned(), "the second".to_owned()]).await.unwrap();
    server.door().login(None, "the first").await.unwrap();
    admin.passwords("default", &["the second".to_owned()]).await.unwrap();
    server.door().login(Some("default"), "the second").await.unwrap();
    assert!(refused(&server.door().login(None, "the first").await.unwrap_err()));
    early.expect(&["PING"], "PONG").await.unwrap();

    let said = std::fs::read_to_string(server.log()).unwrap();
    assert!(!said.contains("the first") && !said.contains("the second"), "{said}");
    let port = server.port();
    drop(server);
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(), "the server outlived its owner");
}
