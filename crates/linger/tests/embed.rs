//! A host pumped by hand under the handles of a `Net`, on a clock that only we move.

mod common;

use common::*;
use linger::embed::{Clock, Embedded};
use linger::proto::{Frame, Host, Instant, Transmit};
use linger::{InterfaceConfig, Net, Secret, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[derive(Default)]
struct Dirty(AtomicU64);

impl Wake for Dirty {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Side {
    net: Net,
    stack: Embedded,
    dirty: Arc<Dirty>,
}

fn side(ours: [u8; 4], clock: &Arc<AtomicU64>) -> Side {
    let mut host = Host::new(config(), Secret::from_bytes([ours[3]; 32]));
    host.add_interface(InterfaceConfig { addresses: vec![(ours.into(), 24)], ..InterfaceConfig::default() });
    let dirty = Arc::new(Dirty::default());
    let (net, stack) = Embedded::new(host, Clock::Manual(clock.clone()), dirty.clone().into());
    Side { net, stack, dirty }
}

/// Carries every frame that is due from one side to the other; whether there was one.
fn carry(from: &Side, to: &Side) -> bool {
    let mut frames = Vec::new();
    from.stack.with_host(|host, now| {
        host.handle_timeout(now);
        let mut out = Transmit::default();
        while host.poll_transmit(now, &mut out) {
            frames.push(Frame {
                bytes: out.to_bytes(),
                checksum: out.checksum,
                segment_size: out.segment_size,
            });
        }
    });
    let any = !frames.is_empty();
    to.stack.with_host(|host, now| host.handle_frames(now, Default::default(), &mut frames.into_iter()));
    from.stack.dispatch_events();
    to.stack.dispatch_events();
    any
}

/// Pumps both sides, moving the clock whenever nothing else happens, until `done`.
async fn pump(left: &Side, right: &Side, clock: &AtomicU64, done: impl Fn() -> bool) {
    for _ in 0..10_000 {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        if carry(left, right) | carry(right, left) {
            continue;
        }
        if done() {
            return;
        }
        let due = [left, right].map(|side| side.stack.with_host(|host, _| host.poll_timeout()));
        if let Some(at) = due.into_iter().flatten().min() {
            clock.fetch_max(at.as_nanos(), Ordering::Relaxed);
        }
    }
    panic!("not done after 10,000 turns");
}

#[tokio::test]
async fn streams_work_over_a_host_that_somebody_else_pumps() {
    let clock = Arc::new(AtomicU64::new(0));
    let (left, right) = (side(LEFT, &clock), side(RIGHT, &clock));
    let (server, client) = (left.net.clone(), right.net.clone());
    let serving = tokio::spawn(async move {
        let listener = server.listen(server_addr()).await.expect("free");
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("text");
        (text, stream.close().await)
    });
    tokio::task::yield_now().await;
    let asking = tokio::spawn(async move {
        let mut stream = client.connect(server_addr()).await.expect("connected");
        stream.write_all(b"over a pump of our own").await.expect("written");
        stream.close().await
    });
    pump(&left, &right, &clock, || serving.is_finished() && asking.is_finished()).await;
    assert_eq!(serving.await.expect("task"), ("over a pump of our own".to_owned(), Ok(())));
    assert_eq!(asking.await.expect("task"), Ok(()));
    assert_eq!(right.net.snapshot().time_wait.len(), 1);

    pump(&left, &right, &clock, || right.net.snapshot().time_wait.is_empty()).await;
    right.net.assert_quiescent();
    let elapsed = Instant::from_nanos(clock.load(Ordering::Relaxed)).since(Instant::ZERO);
    assert!(elapsed >= config().tcp.msl * 2, "2*MSL of a clock that nobody waits for");
}

#[tokio::test]
async fn pump_is_told_once_that_output_is_due_until_it_looks() {
    let clock = Arc::new(AtomicU64::new(0));
    let left = side(LEFT, &clock);
    let told = || left.dirty.0.load(Ordering::Relaxed);
    assert_eq!(told(), 0);
    let connect = || {
        let net = left.net.clone();
        tokio::spawn(async move { net.connect((RIGHT, 80)).await.map(|_| ()) })
    };
    let (one, two) = (connect(), connect());
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(told(), 1, "two connects, one call");
    left.stack.with_host(|_, _| ());
    let three = connect();
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(told(), 2);
    assert!(!left.stack.is_abandoned());

    let report = tokio::spawn(left.net.clone().shutdown(std::time::Duration::ZERO)).await.expect("task");
    assert_eq!(report.aborted, 3);
    assert!(left.stack.has_ended());
    for connect in [one, two, three] {
        assert!(connect.await.expect("task").is_err());
    }
    assert_eq!(left.net.snapshot().connections.iter().filter(|c| c.state != State::Closed).count(), 0);
}

#[tokio::test]
async fn dropped_pump_ends_the_stack() {
    let clock = Arc::new(AtomicU64::new(0));
    let Side { net, stack, .. } = side(LEFT, &clock);
    let connect = tokio::spawn({
        let net = net.clone();
        async move { net.connect((RIGHT, 80)).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    drop(stack);
    let error = connect.await.expect("task").expect_err("ended");
    assert_eq!(error.to_string(), "the stack has ended");
}
