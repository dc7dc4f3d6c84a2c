//! A whole stack: its end in every form, and that it is idle when there is nothing to do.

mod common;

use common::*;
use linger::device::{Capabilities, Channel};
use linger::proto::{Frame, TraceEvent, Transmit};
use linger::{CloseReason, Device, Net, StackEnded, State};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn shutdown_closes_every_connection_in_order_and_says_so() {
    let (server, client) = pair();
    let (listener, mut theirs, mut ours) = connected(&server, &client).await;
    theirs.write_all(b"last words").await.expect("written");
    let peer = tokio::spawn(async move {
        let mut text = String::new();
        ours.read_to_string(&mut text).await.expect("text, then FIN");
        (text, ours.close().await)
    });
    let accept = tokio::spawn(async move { listener.accept().await.map(|_| ()) });
    let read = tokio::spawn(async move { theirs.read(&mut [0]).await });
    tokio::task::yield_now().await;
    let report = server.clone().shutdown(DEADLINE).await;
    assert_eq!(
        (report.closed, report.failed, report.aborted, report.orphans, report.time_wait),
        (1, 0, 0, 0, 1)
    );
    assert_eq!(peer.await.expect("task"), ("last words".to_owned(), Ok(())));
    for pending in
        [accept.await.expect("task").expect_err("ended"), read.await.expect("task").expect_err("ended")]
    {
        assert_eq!(pending.kind(), ErrorKind::NotConnected);
        assert!(pending.get_ref().is_some_and(|inside| inside.is::<StackEnded>()));
    }
    assert_eq!(server.listen(server_addr()).await.expect_err("ended").kind(), ErrorKind::NotConnected);
    let again = server.shutdown(DEADLINE).await;
    assert_eq!(again, linger::ShutdownReport::default(), "a second shutdown finds nothing to do");
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_count_a_time_wait_whose_time_is_over() {
    for (wait, left) in [(Duration::from_millis(900), 1), (Duration::from_millis(1_100), 0)] {
        let (server, client) = pair();
        let (listener, theirs, mut ours) = connected(&server, &client).await;
        let closing = tokio::spawn(theirs.close());
        assert_eq!(ours.read(&mut [0]).await.expect("the end"), 0);
        assert_eq!(ours.close().await, Ok(()));
        assert_eq!(closing.await.expect("task"), Ok(()));
        // Time jumps: the driver has not swept the table when the shutdown looks at it.
        tokio::time::advance(wait).await;
        let report = server.shutdown(DEADLINE).await;
        assert_eq!((report.time_wait, report.closed), (left, 0), "after {wait:?}");
        drop(listener);
    }
}

#[tokio::test(start_paused = true)]
async fn time_waits_of_a_stack_that_ended_are_kept_by_the_next_one() {
    let (server, client) = pair();
    let (_listener, theirs, mut ours) = connected(&server, &client).await;
    let peer = tokio::spawn(async move {
        assert_eq!(ours.read(&mut [0]).await.expect("the end"), 0);
        ours.close().await
    });
    assert_eq!(server.clone().shutdown(DEADLINE).await.time_wait, 1);
    assert_eq!(peer.await.expect("task"), Ok(()));
    let octets = server.export_time_wait();
    let tuple = theirs.local_addr();
    let (next, _cable) = alone();
    assert_eq!(next.import_time_wait(&octets), Ok(1));
    assert_eq!(next.import_time_wait(&octets), Err(linger::ImportError::NotFresh));
    assert_eq!(next.snapshot().time_wait[0].tuple.local, tuple);
    past_time_wait().await;
    next.assert_quiescent();
    let (other, _cable) = alone();
    assert_eq!(other.import_time_wait(b"something else"), Err(linger::ImportError::NotAnExport));
}

#[tokio::test(start_paused = true)]
async fn shutdown_resets_what_has_not_closed_at_the_deadline() {
    let (server, client) = pair();
    let (_listener, theirs, mut ours) = connected(&server, &client).await;
    let began = tokio::time::Instant::now();
    let report = server.shutdown(Duration::from_secs(3)).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "the peer keeps its half open");
    assert_eq!((report.closed, report.aborted), (0, 1));
    assert_eq!(ours.read(&mut [0]).await.expect("the FIN that came first"), 0);
    let error = ours.write(b"x").await.expect_err("reset at the deadline");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn shutdown_throws_away_what_a_busy_peer_still_sends() {
    let (server, client) = pair();
    let (_listener, theirs, mut ours) = connected(&server, &client).await;
    let peer = tokio::spawn(async move {
        ours.write_all(&vec![0; 20_000_000]).await.expect("taken although nobody reads it");
        ours.close().await
    });
    tokio::task::yield_now().await;
    let report = server.shutdown(DEADLINE).await;
    assert_eq!((report.closed, report.aborted), (1, 0));
    assert_eq!(peer.await.expect("task"), Ok(()));
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn shutdown_leaves_a_close_that_waits_its_true_result() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    let close = tokio::spawn(theirs.close());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let shutdown = tokio::spawn(server.shutdown(DEADLINE));
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(ours.close().await, Ok(()));
    assert_eq!(close.await.expect("task"), Ok(()));
    assert_eq!(shutdown.await.expect("task").closed, 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_abandons_a_connect_that_waits() {
    let (net, _cable) = alone();
    let connect = tokio::spawn({
        let net = net.clone();
        async move { net.connect((RIGHT, 80)).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let report = net.shutdown(DEADLINE).await;
    assert_eq!(report.aborted, 1);
    assert_eq!(connect.await.expect("task").expect_err("ended").kind(), ErrorKind::NotConnected);
}

#[tokio::test(start_paused = true)]
async fn shutdown_resets_and_counts_orphans_that_have_not_ended_by_the_deadline() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    drop(theirs);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let report = server.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.closed, report.aborted, report.orphans), (0, 0, 1));
    // Nobody answers the client any more, so it must be told.
    assert_eq!(ours.close().await, Err(CloseReason::Reset));
}

#[tokio::test(start_paused = true)]
async fn dropped_shutdown_ends_the_stack_all_the_same() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    let shutdown = server.shutdown(DEADLINE);
    assert!(tokio::time::timeout(Duration::from_millis(100), shutdown).await.is_err());
    assert_eq!(theirs.read(&mut [0]).await.expect_err("ended").kind(), ErrorKind::NotConnected);
    drop((theirs, ours, client, _listener));
    assert_no_task_left().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_everything_leaves_no_task() {
    let (server, client) = pair();
    let (listener, mut theirs, ours) = connected(&server, &client).await;
    let socket = server.udp_bind((LEFT, 53)).await.expect("free");
    theirs.write_all(b"delivered all the same").await.expect("written");
    drop((server, client));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 2, "streams keep their stacks");
    drop((listener, socket, theirs));
    let mut ours = ours;
    let mut text = String::new();
    ours.read_to_string(&mut text).await.expect("text, then FIN");
    assert_eq!(text, "delivered all the same");
    drop(ours);
    assert_no_task_left().await;
}

#[tokio::test(start_paused = true)]
async fn stack_that_nobody_used_ends_with_its_handle() {
    let (net, _cable) = alone();
    drop(net);
    assert_no_task_left().await;
}

#[tokio::test(start_paused = true)]
async fn every_call_fails_once_the_driver_is_gone_and_none_panics() {
    let (one, two) = Channel::pair(256, ABLE);
    let (server, driver) = Net::builder().address(one, LEFT, 24).build().expect("entropy");
    let driver = tokio::spawn(driver);
    let client = Net::builder().address(two, RIGHT, 24).spawn().expect("runtime");
    let (listener, mut theirs, ours) = connected(&server, &client).await;
    let socket = server.udp_bind((LEFT, 53)).await.expect("free");
    let blocked = tokio::spawn(async move { socket.recv().await.map(|_| ()) });
    tokio::task::yield_now().await;
    driver.abort();
    assert!(driver.await.expect_err("aborted").is_cancelled());

    let gone = |error: io::Error| {
        assert_eq!(error.to_string(), "the stack has ended");
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    };
    gone(blocked.await.expect("task").expect_err("woken"));
    gone(theirs.read(&mut [0]).await.expect_err("read"));
    gone(theirs.write(b"x").await.expect_err("write"));
    gone(theirs.read_chunk(1).await.expect_err("read_chunk"));
    gone(theirs.write_chunk(bytes::Bytes::from_static(b"x")).await.expect_err("write_chunk"));
    gone(theirs.shutdown().await.expect_err("shutdown"));
    gone(listener.accept().await.map(|_| ()).expect_err("accept"));
    gone(server.connect((RIGHT, 1)).await.map(|_| ()).expect_err("connect"));
    gone(server.listen((LEFT, 1)).await.map(|_| ()).expect_err("listen"));
    gone(server.udp_bind((LEFT, 1)).await.map(|_| ()).expect_err("udp_bind"));
    theirs.set_nodelay(true);
    theirs.set_owner("nobody");
    assert_eq!(theirs.info().state, State::Established, "the host is frozen, not gone");
    assert_eq!(theirs.close().await, Err(CloseReason::Aborted));
    drop((listener, ours));
}

#[tokio::test(start_paused = true)]
async fn stack_ends_with_its_last_device() {
    let (net, cable) = alone();
    let listener = net.listen(server_addr()).await.expect("free");
    let accept = tokio::spawn(async move { listener.accept().await.map(|_| ()) });
    tokio::task::yield_now().await;
    drop(cable);
    assert_eq!(accept.await.expect("task").expect_err("ended").kind(), ErrorKind::NotConnected);
    drop(net);
    assert_no_task_left().await;
}

/// Breaks after the first look.
struct Broken(bool);

impl Device for Broken {
    fn capabilities(&self) -> Capabilities {
        ABLE
    }
    fn poll_recv(&mut self, cx: &mut Context<'_>, _batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(Err(io::Error::other("the cable is cut")));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
    fn poll_send(&mut self, _cx: &mut Context<'_>, _frame: &Transmit) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("the cable is cut")))
    }
}

#[tokio::test(start_paused = true)]
async fn failing_device_ends_the_stack_with_its_own_words() {
    let (net, driver) = Net::builder().address(Broken(false), LEFT, 24).build().expect("entropy");
    let driver = tokio::spawn(driver);
    let error = net.connect((RIGHT, 80)).await.expect_err("ended");
    assert_eq!(error.to_string(), "the stack has ended: the cable is cut");
    assert_eq!(driver.await.expect("task").expect_err("failed").to_string(), "the cable is cut");
    assert_eq!(net.send_errors(), 1, "the SYN");
}

#[test]
fn spawning_outside_a_runtime_is_an_error() {
    let (device, _cable) = Channel::with_handle(1, ABLE);
    assert!(Net::builder().address(device, LEFT, 24).spawn().is_err());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "10.0.0.1:80 -> 10.0.0.2")]
async fn quiescence_names_what_is_left() {
    let (server, client) = pair();
    let (_listener, theirs, _ours) = connected(&server, &client).await;
    theirs.set_owner("forgetful worker");
    server.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn observer_sees_every_state_of_a_connection() {
    let (one, two) = Channel::pair(256, ABLE);
    let server = Net::builder().address(one, LEFT, 24).config(config()).spawn().expect("runtime");
    let states = Arc::new(Mutex::new(Vec::new()));
    let seen = states.clone();
    let observer = move |event: &TraceEvent| {
        if let TraceEvent::State { after, .. } = event {
            seen.lock().expect("not poisoned").push(after.name());
        }
    };
    let client =
        Net::builder().address(two, RIGHT, 24).config(config()).observer(observer).spawn().expect("runtime");
    let (_listener, theirs, ours) = connected(&server, &client).await;
    let (one, two) = tokio::join!(ours.close(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        theirs.close().await
    });
    assert_eq!((one, two), (Ok(()), Ok(())));
    past_time_wait().await;
    let states = states.lock().expect("not poisoned").clone();
    assert_eq!(states, ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED"]);
}

/// Counts how often the driver looks.
struct Counted<D>(D, Arc<AtomicU64>);

impl<D: Device> Device for Counted<D> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.poll_recv(cx, batch)
    }
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        self.0.poll_send(cx, frame)
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connections_wake_nobody() {
    let looks = Arc::new(AtomicU64::new(0));
    let (one, two) = Channel::pair(256, ABLE);
    let server = Net::builder().address(Counted(one, looks.clone()), LEFT, 24).spawn().expect("runtime");
    let client = Net::builder().address(two, RIGHT, 24).spawn().expect("runtime");
    let listener = server.listen(server_addr()).await.expect("free");
    let mut held = Vec::new();
    for _ in 0..1000 {
        let (ours, theirs) = tokio::join!(client.connect(server_addr()), listener.accept());
        let (mut ours, mut theirs) = (ours.expect("connected"), theirs.expect("accepted").0);
        ours.write_all(b"request").await.expect("written");
        let mut text = [0; 7];
        theirs.read_exact(&mut text).await.expect("text");
        theirs.write_all(b"reply").await.expect("written");
        ours.read_exact(&mut text[..5]).await.expect("text");
        held.push((ours, tokio::spawn(async move { theirs.read(&mut [0]).await })));
    }
    // Timers of what went before run out: delayed ACKs, retransmission timers that are no longer needed.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = looks.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(looks.load(Ordering::Relaxed) - before, 0, "looks in ten idle minutes");
    drop(held);
}
