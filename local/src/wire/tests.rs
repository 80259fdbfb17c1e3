use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Dead, Wire};

/// A server that answers every byte with the next one.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    stream.write_u8(byte + 1).await.unwrap();
                }
            });
        }
    });
    port
}

async fn ask(stream: &mut TcpStream, byte: u8) -> Option<u8> {
    stream.write_u8(byte).await.unwrap();
    tokio::time::timeout(Duration::from_millis(200), stream.read_u8()).await.ok()?.ok()
}

#[tokio::test]
async fn a_wire_carries_both_ways_and_counts() {
    let wire = Wire::to(server().await).await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", wire.port())).await.unwrap();
    assert_eq!(ask(&mut stream, 1).await, Some(2));
    assert_eq!(ask(&mut stream, 7).await, Some(8));
    assert_eq!(wire.sent(), 2);
}

#[tokio::test]
async fn a_wire_that_is_dead_before_or_after_something_says_when_that_came() {
    for dead in [Dead::Before(2), Dead::After(2)] {
        let wire = Wire::to(server().await).await.unwrap();
        wire.die(dead);
        let mut stream = TcpStream::connect(("127.0.0.1", wire.port())).await.unwrap();
        assert_eq!(ask(&mut stream, 1).await, Some(2), "{dead:?}");
        assert_eq!(ask(&mut stream, 7).await, None, "{dead:?}");
        tokio::time::timeout(Duration::from_secs(5), wire.reached()).await.unwrap();
        wire.heal();
        let mut stream = TcpStream::connect(("127.0.0.1", wire.port())).await.unwrap();
        assert_eq!(ask(&mut stream, 1).await, Some(2), "{dead:?}");
    }
}
