//! Many tasks on several threads, every kind of end at once.

mod common;

use common::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const CONNECTIONS: usize = 300;
/// In real time, which this test runs in: far more than it takes, so that a lost wake-up fails instead of hanging.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn mixed_ends_on_several_threads_leave_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let mixed = async {
        let (server, client) = pair();
        let listener = server.listen(server_addr()).await.expect("free");
        let serving = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            for _ in 0..CONNECTIONS {
                let (mut stream, _) = listener.accept().await.expect("accepted");
                tasks.spawn(async move {
                    let mut buffer = vec![0; 4096];
                    // Whatever the client does, this ends.
                    while let Ok(n) = stream.read(&mut buffer).await {
                        if n == 0 || stream.write_all(&buffer[..n]).await.is_err() {
                            break;
                        }
                    }
                });
            }
            tasks.join_all().await;
        });
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let client = client.clone();
            tasks.spawn(async move {
                let mut stream = client.connect(server_addr()).await.expect("connected");
                let text = vec![7; 10_000];
                match number % 5 {
                    0 => {
                        // An RST that overtakes the handshake's ACK would leave nothing to accept.
                        stream.write_all(&text).await.expect("written");
                        stream.read_exact(&mut [0]).await.expect("echo");
                        stream.abort();
                    }
                    1 => drop(stream),
                    2 => stream.write_all(&text).await.expect("written"),
                    3 => {
                        stream.write_all(&text).await.expect("written");
                        let mut back = vec![0; text.len()];
                        stream.read_exact(&mut back).await.expect("echo");
                        stream.close().await.expect("closed in order");
                    }
                    _ => {
                        let (mut read, mut write) = stream.into_split();
                        let writer = tokio::spawn(async move { write.write_all(&text).await });
                        let mut back = Vec::new();
                        read.read_to_end(&mut back).await.expect("echo, then FIN");
                        writer.await.expect("task").expect("written");
                        assert_eq!(back.len(), 10_000);
                    }
                }
            });
        }
        tasks.join_all().await;
        serving.await.expect("server");
        for net in [&server, &client] {
            let report = net.clone().shutdown(Duration::from_secs(10)).await;
            assert_eq!((report.aborted, report.orphans), (0, 0));
            assert!(net.snapshot().connections.is_empty());
        }
    };
    let bounded = async { tokio::time::timeout(LIMIT, mixed).await };
    assert!(runtime.expect("threads").block_on(bounded).is_ok(), "somebody was never woken");
}
