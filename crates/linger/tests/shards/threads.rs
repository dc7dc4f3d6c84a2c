//! Shards in threads of their own.

use super::*;
use std::thread;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 400;
/// In real time, which this test runs in: far more than it takes, so that a lost wake-up fails instead of hanging.
const LIMIT: Duration = Duration::from_secs(120);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Serves what one shard accepts, until there is nothing to accept any more.
async fn echo(listener: linger::TcpListener, shard: usize) {
    while let Ok((mut stream, _)) = listener.accept().await {
        assert_eq!(stream.shard(), shard);
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            loop {
                let n = stream.read(&mut buffer).await.expect("open");
                if n == 0 {
                    return stream.close().await.expect("closed in order");
                }
                stream.write_all(&buffer[..n]).await.expect("open");
            }
        });
    }
}

#[test]
fn shards_on_threads_of_their_own_lose_nothing_on_queues_that_never_learn() {
    let queues = Queues::new(2, Habit::Contrary);
    let (builder, far) = sharded(&queues);
    let runtimes = [runtime(), runtime()];
    let net =
        builder.spawn_on(&runtimes.each_ref().map(|runtime| runtime.handle().clone())).expect("drivers");
    let (done, is_done) = watch::channel(false);
    let listener = runtimes[0].block_on(net.listen(server_addr())).expect("free");
    thread::scope(|scope| {
        let done = done; // dropped, should this panic: then the shards end too
        for ((shard, runtime), part) in runtimes.iter().enumerate().zip(listener.into_shards()) {
            let mut is_done = is_done.clone();
            scope.spawn(move || {
                runtime.block_on(async {
                    tokio::spawn(echo(part, shard));
                    is_done.wait_for(|done| *done).await.expect("the test goes on");
                });
            });
        }
        let main = runtime();
        let all = async {
            let peer = peer(far);
            let mut tasks = JoinSet::new();
            for number in 0..CONNECTIONS {
                let peer = peer.clone();
                tasks.spawn(async move {
                    let mut stream = peer.connect(server_addr()).await.expect("connected");
                    let text = vec![u8::try_from(number % 251).expect("small"); 20_000];
                    let mut back = vec![0; text.len()];
                    let (mut read, mut write) = stream.into_split();
                    let (sent, got) = tokio::join!(write.write_all(&text), read.read_exact(&mut back));
                    sent.and(got.map(drop)).expect("open");
                    assert_eq!(back, text);
                    stream = read.reunite(write).expect("halves of one");
                    stream.close().await.expect("closed in order");
                });
            }
            tasks.join_all().await;
            let counters = net.counters();
            assert_eq!((counters.resets_sent, counters.resets_received), (0, 0));
            assert_eq!(counters.accepted, CONNECTIONS as u64);
            assert!(counters.handed_over > 0);
            let report = net.clone().shutdown(Duration::from_secs(10)).await;
            assert_eq!((report.aborted, report.orphans), (0, 0));
            peer.shutdown(Duration::from_secs(10)).await;
        };
        let result = main.block_on(async { tokio::time::timeout(LIMIT, all).await });
        done.send(true).expect("the shards wait");
        assert!(result.is_ok(), "somebody was never woken");
    });
}
