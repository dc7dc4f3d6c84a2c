//! Streams between two stacks: opening, text, every kind of end.

mod common;

use bytes::Bytes;
use common::*;
use linger::{CloseReason, ConnectConfig, State};
use std::io::{ErrorKind, IoSlice};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn echo_comes_back_and_both_sides_close_in_order() {
    let (server, client) = pair();
    let (listener, mut theirs, mut ours) = connected(&server, &client).await;
    assert_eq!(ours.peer_addr(), theirs.local_addr());
    assert_eq!(ours.local_addr(), theirs.peer_addr());
    assert_eq!(ours.info().state, State::Established);

    let echo = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let n = theirs.read(&mut buffer).await?;
            if n == 0 {
                return Ok::<_, std::io::Error>(theirs.close().await);
            }
            theirs.write_all(&buffer[..n]).await?;
        }
    });
    let text: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, mut write) = tokio::io::split(ours);
    let sent = text.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&sent).await.expect("written");
        write
    });
    let mut back = vec![0; text.len()];
    read.read_exact(&mut back).await.expect("echo");
    assert_eq!(back, text);
    ours = read.unsplit(writer.await.expect("writer"));
    assert_eq!(ours.close().await, Ok(()));
    assert_eq!(echo.await.expect("task").expect("echo"), Ok(()));
    drop(listener);
    past_time_wait().await;
    server.assert_quiescent();
    client.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn half_closed_connection_still_delivers_the_reply() {
    let (server, client) = pair();
    let (_listener, mut theirs, mut ours) = connected(&server, &client).await;
    ours.write_all(b"question").await.expect("written");
    ours.shutdown().await.expect("half closed");
    let mut question = String::new();
    theirs.read_to_string(&mut question).await.expect("read to the FIN");
    assert_eq!(question, "question");
    assert_eq!(theirs.info().state, State::CloseWait);

    let reply = vec![7_u8; 300_000];
    let (written, read) = tokio::join!(theirs.write_all(&reply), async {
        let mut back = vec![0; reply.len()];
        ours.read_exact(&mut back).await.map(|_| back)
    });
    written.expect("written after the peer's FIN");
    assert_eq!(read.expect("read after our FIN"), reply);
    assert_eq!(ours.write(b"more").await.expect_err("our half is closed").kind(), ErrorKind::BrokenPipe);
    ours.shutdown().await.expect("shutting down twice is no error");
    let (one, two) = tokio::join!(theirs.close(), ours.close());
    assert_eq!((one, two), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_the_peers_fin() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    let close = tokio::spawn(ours.close());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!close.is_finished(), "the peer has not closed");
    assert_eq!(client.snapshot().connections[0].state, State::FinWait2);
    assert_eq!(theirs.close().await, Ok(()));
    assert_eq!(close.await.expect("task"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn close_tells_that_the_peer_reset() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    let close = tokio::spawn(ours.close());
    tokio::time::sleep(Duration::from_millis(100)).await;
    theirs.abort();
    assert_eq!(close.await.expect("task"), Err(CloseReason::Reset));
}

#[tokio::test(start_paused = true)]
async fn close_tells_of_an_end_that_came_before() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    theirs.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ours.close().await, Err(CloseReason::Reset));
    assert!(client.snapshot().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn close_is_bounded_when_the_peer_keeps_its_half_open() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    let began = tokio::time::Instant::now();
    assert_eq!(ours.close().await, Err(CloseReason::TimedOut));
    assert!(began.elapsed() >= config().tcp.fin_wait_2_timeout);
    assert!(client.snapshot().connections.is_empty());
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn close_with_unread_text_is_aborted_and_resets_the_peer() {
    let (server, client) = pair();
    let (_listener, mut theirs, mut ours) = connected(&server, &client).await;
    ours.write_all(b"never read").await.expect("written");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut byte = [0];
    theirs.read_exact(&mut byte).await.expect("the first octet");
    assert_eq!(theirs.close().await, Err(CloseReason::Aborted));
    assert_eq!(ours.read(&mut byte).await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn dropped_stream_with_unread_text_resets_the_peer() {
    let (server, client) = pair();
    let (_listener, theirs, mut ours) = connected(&server, &client).await;
    ours.write_all(b"never read").await.expect("written");
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(theirs);
    let error = ours.read(&mut [0]).await.expect_err("RST");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let inside = error.get_ref().and_then(|inside| inside.downcast_ref::<CloseReason>());
    assert_eq!(inside, Some(&CloseReason::Reset));
    assert_eq!(ours.write(b"x").await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
    assert!(server.snapshot().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn dropped_stream_delivers_what_was_written() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    theirs.write_all(b"last words").await.expect("written");
    drop(theirs);
    let mut ours = ours;
    let mut text = String::new();
    ours.read_to_string(&mut text).await.expect("text, then FIN");
    assert_eq!(text, "last words");
    assert_eq!(ours.close().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn abort_resets_and_leaves_nothing() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    ours.abort();
    assert_eq!(theirs.read(&mut [0]).await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
    drop(theirs);
    assert!(client.snapshot().connections.is_empty() && server.snapshot().connections.is_empty());
    assert!(client.snapshot().time_wait.is_empty(), "an abort leaves no TIME-WAIT");
}

#[tokio::test(start_paused = true)]
async fn connect_to_a_closed_port_is_refused() {
    let (_server, client) = pair();
    let error = client.connect((LEFT, 81)).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    client.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn connect_to_a_silent_peer_times_out() {
    let (net, _cable) = alone();
    let error = net.connect((RIGHT, 80)).await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    net.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn abandoned_connect_leaves_nothing() {
    let (net, _cable) = alone();
    let attempt = net.connect((RIGHT, 80));
    assert!(tokio::time::timeout(Duration::from_secs(2), attempt).await.is_err());
    net.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn connect_reports_a_source_that_is_not_ours() {
    let (_server, client) = pair();
    let config = ConnectConfig::default().local(([192, 0, 2, 1], 0).into());
    let error = client.connect_with(server_addr(), config).await.expect_err("not ours");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

#[tokio::test(start_paused = true)]
async fn connect_on_a_tuple_in_time_wait_is_refused_until_it_is_over() {
    let mut without_timestamps = config();
    without_timestamps.tcp.timestamps = false;
    let (server, client) = pair_with(config(), without_timestamps);
    let (listener, theirs, ours) = connected(&server, &client).await;
    let local = ours.local_addr();
    let (one, two) = tokio::join!(ours.close(), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        theirs.close().await
    });
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(client.snapshot().time_wait.len(), 1, "the side that closed first waits");
    let again = || client.connect_with(server_addr(), ConnectConfig::default().local(local));
    assert_eq!(again().await.expect_err("in TIME-WAIT").kind(), ErrorKind::AddrInUse);
    past_time_wait().await;
    let ours = again().await.expect("TIME-WAIT is over");
    drop((listener, ours));
}

#[tokio::test(start_paused = true)]
async fn writer_waits_while_the_peer_does_not_read() {
    let mut small = config();
    small.tcp.recv_buffer = 16_384;
    small.tcp.send_buffer = 16_384;
    let (server, client) = pair_with(small.clone(), small);
    let (_listener, mut theirs, mut ours) = connected(&server, &client).await;
    let text = vec![1_u8; 1_000_000];
    let length = text.len();
    let writer = tokio::spawn(async move { ours.write_all(&text).await.map(|()| ours) });
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!writer.is_finished(), "neither buffer holds that much");
    let held =
        client.snapshot().connections[0].info.send_queue + server.snapshot().connections[0].info.recv_queue;
    assert!(held <= 2 * 16_384, "{held} octets are held");

    let mut back = vec![0; length];
    theirs.read_exact(&mut back).await.expect("all of it");
    assert!(back.iter().all(|&octet| octet == 1));
    writer.await.expect("task").expect("written");
}

#[tokio::test(start_paused = true)]
async fn vectored_write_takes_every_slice() {
    let (server, client) = pair();
    let (_listener, mut theirs, mut ours) = connected(&server, &client).await;
    assert!(ours.is_write_vectored());
    let slices = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two "), IoSlice::new(b"three")];
    assert_eq!(ours.write_vectored(&slices).await.expect("written"), 13);
    assert_eq!(ours.write(b"").await.expect("an empty write is no error"), 0);
    ours.shutdown().await.expect("half closed");
    let mut text = String::new();
    theirs.read_to_string(&mut text).await.expect("text");
    assert_eq!(text, "one two three");
}

#[tokio::test(start_paused = true)]
async fn chunks_go_through_whole_and_end_with_none() {
    let (server, client) = pair();
    let (_listener, mut theirs, mut ours) = connected(&server, &client).await;
    let text = Bytes::from(vec![9_u8; 10_000_000]);
    let sent = text.clone();
    let writer = tokio::spawn(async move {
        ours.write_chunk(sent).await?;
        ours.write_chunk(Bytes::new()).await?;
        ours.shutdown().await.map(|()| ours)
    });
    let mut octets = 0;
    while let Some(chunk) = theirs.read_chunk(1000).await.expect("text") {
        assert!(!chunk.is_empty() && chunk.len() <= 1000 && chunk.iter().all(|&octet| octet == 9));
        octets += chunk.len();
    }
    assert_eq!(octets, text.len());
    assert!(theirs.read_chunk(1000).await.expect("still the end").is_none());
    let ours = writer.await.expect("task").expect("written");
    let (one, two) = tokio::join!(ours.close(), theirs.close());
    assert_eq!((one, two), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn owner_shows_in_the_snapshot_up_to_time_wait() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    ours.set_owner("checkout worker");
    let owner = |snapshot: linger::Snapshot| snapshot.connections[0].owner.clone();
    assert_eq!(owner(client.snapshot()).as_deref(), Some("checkout worker"));
    let (one, two) = tokio::join!(ours.close(), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        theirs.close().await
    });
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(client.snapshot().time_wait[0].owner.as_deref(), Some("checkout worker"));
}

#[tokio::test(start_paused = true)]
async fn nodelay_lets_small_segments_leave_while_others_are_in_flight() {
    let (server, client) = pair();
    let (_listener, _theirs, mut ours) = connected(&server, &client).await;
    let frames = || client.counters().frames_out;
    ours.set_nodelay(true);
    let before = frames();
    for _ in 0..3 {
        ours.write_all(b"x").await.expect("written");
        tokio::task::yield_now().await;
    }
    assert_eq!(frames() - before, 3, "three writes, three segments");
}
