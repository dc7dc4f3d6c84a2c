//! Listeners: accepting, the backlog, going away.

mod common;

use common::*;
use linger::{CloseReason, ListenConfig};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn accept_after_the_peer_has_closed_yields_text_then_its_end() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let mut ours = client.connect(server_addr()).await.expect("connected");
    ours.write_all(b"gone already").await.expect("written");
    let close = tokio::spawn(ours.close());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (mut theirs, _peer) = listener.accept().await.expect("accepted");
    let mut text = String::new();
    theirs.read_to_string(&mut text).await.expect("text, then FIN");
    assert_eq!(text, "gone already");
    assert_eq!(theirs.close().await, Ok(()));
    assert_eq!(close.await.expect("task"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn connection_that_was_reset_before_accept_tells_so() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    client.connect(server_addr()).await.expect("connected").abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (mut theirs, peer) = listener.accept().await.expect("accepted");
    assert_eq!(peer.ip(), std::net::IpAddr::from(RIGHT));
    assert_eq!(theirs.read(&mut [0]).await.expect_err("reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(theirs.close().await, Err(CloseReason::Reset));
    drop(listener);
    server.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn backlog_bounds_the_connections_that_wait() {
    let (server, client) = pair();
    let config = ListenConfig::default().backlog(2);
    let listener = server.listen_with(server_addr(), config).await.expect("free");
    let connects: Vec<_> = (0..5)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.connect(server_addr()).await })
        })
        .collect();
    // The queue of half-open connections is as short: some SYNs are sent again.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let snapshot = server.snapshot();
    assert_eq!(snapshot.listeners[0].accept_queue, 3, "one more than the backlog, as Linux counts");
    let mut accepted = Vec::new();
    for _ in 0..5 {
        accepted.push(listener.accept().await.expect("accepted"));
    }
    for connect in connects {
        connect.await.expect("task").expect("connected once there was room");
    }
    assert_eq!(accepted.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn every_acceptor_gets_its_connection() {
    let (server, client) = pair();
    let listener = std::sync::Arc::new(server.listen(server_addr()).await.expect("free"));
    let acceptors: Vec<_> = (0..4)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.accept().await.expect("accepted").1 })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut ours = Vec::new();
    for _ in 0..4 {
        ours.push(client.connect(server_addr()).await.expect("connected"));
    }
    let mut peers = Vec::new();
    for acceptor in acceptors {
        peers.push(acceptor.await.expect("task"));
    }
    peers.sort();
    let mut expected: Vec<_> = ours.iter().map(linger::TcpStream::local_addr).collect();
    expected.sort();
    assert_eq!(peers, expected);
}

#[tokio::test(start_paused = true)]
async fn dropped_accept_loses_no_connection() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let mut first = Box::pin(listener.accept());
    let mut second = Box::pin(listener.accept());
    poll_fn(|cx| {
        assert!(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let ours = client.connect(server_addr()).await.expect("connected");
    // The first was called, and goes without looking.
    drop(first);
    let (theirs, peer) = second.await.expect("its turn passed on");
    assert_eq!(peer, ours.local_addr());
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn poll_accept_waits_like_accept() {
    let (server, client) = pair();
    let mut listener = server.listen(server_addr()).await.expect("free");
    let accept = tokio::spawn(async move {
        let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
        accepted.expect("accepted").1
    });
    tokio::task::yield_now().await;
    let ours = client.connect(server_addr()).await.expect("connected");
    assert_eq!(accept.await.expect("task"), ours.local_addr());
}

#[tokio::test(start_paused = true)]
async fn dropped_listener_resets_who_waits_and_refuses_who_comes() {
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let again = server.listen(server_addr()).await.expect_err("taken");
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    let mut ours = client.connect(server_addr()).await.expect("connected");
    drop(listener);
    assert_eq!(ours.read(&mut [0]).await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
    let refused = client.connect(server_addr()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(ours);
    server.assert_quiescent();
    server.listen(server_addr()).await.expect("free again");
}

#[tokio::test(start_paused = true)]
async fn port_zero_is_a_free_port_and_any_address_is_ours() {
    let (server, client) = pair();
    let listener = server.listen(([0, 0, 0, 0], 0)).await.expect("free");
    let port = listener.local_addr().port();
    assert_ne!(port, 0);
    let ours = client.connect((LEFT, port)).await.expect("connected");
    let (theirs, _) = listener.accept().await.expect("accepted");
    assert_eq!(theirs.local_addr(), (LEFT, port).into());
    drop(ours);
    let error = server.listen(([192, 0, 2, 1], 80)).await.expect_err("not ours");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connections_live_at_once() {
    const COUNT: usize = 1000;
    let (server, client) = pair();
    let listener = server.listen(server_addr()).await.expect("free");
    let serve = tokio::spawn(async move {
        for _ in 0..COUNT {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            tokio::spawn(async move {
                let mut text = Vec::new();
                stream.read_to_end(&mut text).await.expect("text");
                stream.write_all(&text).await.expect("written");
                stream.close().await.expect("closed in order");
            });
        }
    });
    let clients: Vec<_> = (0..COUNT)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut stream = client.connect(server_addr()).await.expect("connected");
                let text = number.to_be_bytes();
                stream.write_all(&text).await.expect("written");
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.shutdown().await.expect("half closed");
                let mut back = Vec::new();
                stream.read_to_end(&mut back).await.expect("echo");
                assert_eq!(back, text);
                stream.close().await.expect("closed in order");
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(server.snapshot().connections.len(), COUNT);
    for client in clients {
        client.await.expect("client");
    }
    serve.await.expect("server");
    past_time_wait().await;
    server.assert_quiescent();
    client.assert_quiescent();
}
