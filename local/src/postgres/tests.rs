use super::{Postgres, SUPERUSER, refused};
use crate::progress::Silent;
use crate::tls::Authority;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_lets_in_by_password_over_tls_alone_and_logs_every_statement() {
    let authority = Authority::new().unwrap();
    let server = Postgres::start("postgres-unit", &authority, "the superuser's own", &Silent).await.unwrap();

    let admin = server.superuser().await.unwrap();
    admin.client.batch_execute("CREATE ROLE app LOGIN PASSWORD 'in the clear'").await.unwrap();
    let said = std::fs::read_to_string(server.log()).unwrap();
    assert!(said.contains("in the clear"), "a statement is not in the log:\n{said}");

    let session = server.door().login("app", "in the clear", SUPERUSER).await.unwrap();
    let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(session.client.query_one(ssl, &[]).await.unwrap().get::<_, bool>(0));

    assert!(refused(&server.door().login("app", "another", SUPERUSER).await.unwrap_err()));
    let mut plain = tokio_postgres::Config::new();
    plain.host("127.0.0.1").port(server.port()).user("app").password("in the clear").dbname(SUPERUSER);
    plain.ssl_mode(tokio_postgres::config::SslMode::Disable);
    let error = plain.connect(tokio_postgres::NoTls).await.err().unwrap().to_string();
    assert!(error.contains("db error"), "{error}");

    let tls = crate::programs::trusting(&Authority::new().unwrap()).unwrap();
    let stranger = super::Door { port: server.port(), tls };
    let came_in = stranger.login("app", "in the clear", SUPERUSER).await;
    assert!(came_in.is_err(), "whoever trusts another authority came in");

    let port = server.port();
    drop((session, admin));
    drop(server);
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(), "the server outlived its owner");
}
