use tokio::io::{AsyncWriteExt, BufReader, duplex};

use super::*;
use crate::account::Server;
use crate::hidden::Hidden;

fn access(user: Option<&str>) -> Access {
    Access {
        server: Server::Valkey,
        host: "kv".to_owned(),
        port: 6379,
        user: user.map(ToOwned::to_owned),
        password: Hidden::new("hunter22"),
    }
}

/// What comes of a server that answers this, and what it was sent.
async fn with(user: Option<&str>, answers: &str) -> (Tried<Login>, String) {
    let (ours, mut theirs) = duplex(64 * 1024);
    theirs.write_all(answers.as_bytes()).await.unwrap();
    let (mut read, write) = tokio::io::split(theirs);
    let mut stream = BufStream::new(ours);
    // The server has said all that it will.
    drop(tokio::spawn(async move {
        let mut write = write;
        let _ = write.shutdown().await;
    }));
    let login = converse(&mut stream, &access(user)).await;
    drop(stream);
    let mut sent = String::new();
    let _ = BufReader::new(&mut read).read_to_string(&mut sent).await;
    (login, sent)
}

async fn check(user: Option<&str>, answers: &str, expected: &str) {
    let (login, _) = with(user, answers).await;
    let got = match login {
        Ok(Login::In { user, acts_as }) if user == acts_as => format!("in as {user}"),
        Ok(other) => format!("{other:?}"),
        Err(failure) => format!("{failure:?}"),
    };
    assert_eq!(got, expected, "{answers:?}");
}

#[tokio::test]
async fn a_login_counts_when_the_server_answers_a_question() {
    check(Some("app"), "+OK\r\n+PONG\r\n$3\r\napp\r\n", "in as app").await;
    check(None, "+OK\r\n+PONG\r\n$7\r\ndefault\r\n", "in as default").await;
    check(Some("app"), "+OK\r\n+PONG\r\n$5\r\nother\r\n", "in as other").await;
    check(Some("app"), "+OK\r\n-NOPERM no\r\n-NOPERM no\r\n", "in as app").await;
    check(None, "+OK\r\n+PONG\r\n-ERR unknown command\r\n", "in as default").await;
}

#[tokio::test]
async fn a_credential_that_is_wrong_is_told_from_a_server_that_cannot_now() {
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    check(Some("app"), &format!("-{wrong}\r\n"), &format!("Refused({wrong:?})")).await;
    check(None, "-ERR invalid password\r\n", "Refused(\"ERR invalid password\")").await;
    check(None, "-LOADING the dataset\r\n", "Away(\"says: LOADING the dataset\")").await;
    check(None, "+OK\r\n-MASTERDOWN no\r\n", "Away(\"says: MASTERDOWN no\")").await;
    check(None, "+OK\r\n", "Away(\"ended the connection within an answer\")").await;
    check(None, "", "Away(\"ended the connection within an answer\")").await;
}

#[tokio::test]
async fn what_is_no_answer_of_valkey_is_said_to_be_none() {
    let strange = "Broken(\"does not speak the protocol of Valkey and Redis\")";
    check(None, "HTTP/1.1 400 Bad Request\r\n\r\n", strange).await;
    check(None, "$99999999999\r\n", strange).await;
    check(None, "$-1\r\n", strange).await;
    check(None, "\r\n", strange).await;
    check(None, "ü\r\n", strange).await;
}

#[tokio::test]
async fn a_command_s_words_are_sent_by_their_length() {
    let (_, sent) = with(Some("app"), "+OK\r\n+PONG\r\n+app\r\n").await;
    assert_eq!(
        sent,
        "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$8\r\nhunter22\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nACL\r\n$6\r\nWHOAMI\r\n"
    );
}
