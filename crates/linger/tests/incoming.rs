//! Listeners that hold SYNs until the application decides.

mod common;

use common::*;
use linger::device::Channel;
use linger::{
    AcceptError, CloseReason, Incoming, InterfaceConfig, ListenConfig, Net, Secret, TcpListener, TcpStream,
};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

fn holding() -> ListenConfig {
    ListenConfig::default().hold(true)
}

/// A holding listener, a client that connects, and its SYN.
async fn asked(server: &Net, client: &Net) -> (TcpListener, JoinHandle<io::Result<TcpStream>>, Incoming) {
    let listener = server.listen_with(server_addr(), holding()).await.expect("free");
    let client = client.clone();
    let connect = tokio::spawn(async move { client.connect(server_addr()).await });
    let incoming = listener.incoming().await.expect("a SYN");
    assert_eq!(incoming.local, server_addr());
    assert_eq!(incoming.remote.ip(), std::net::IpAddr::from(RIGHT));
    assert!(incoming.is_waiting());
    (listener, connect, incoming)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionAborted
        && error.get_ref().and_then(|inside| inside.downcast_ref()) == Some(&AcceptError::Gone)
}

async fn exchange(mut ours: TcpStream, mut theirs: TcpStream) {
    ours.write_all(b"hello").await.expect("open");
    let mut text = [0; 5];
    theirs.read_exact(&mut text).await.expect("open");
    assert_eq!(&text, b"hello");
    assert_eq!(tokio::join!(ours.close(), theirs.close()), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn accepting_a_held_syn_yields_the_stream_once_established() {
    let (server, client) = pair();
    let (listener, connect, incoming) = asked(&server, &client).await;
    sleep(Duration::from_secs(10)).await;
    assert!(!connect.is_finished(), "the peer waits, whatever upstream does");
    let theirs = incoming.accept().await.expect("the peer is patient");
    assert_eq!(theirs.local_addr(), server_addr());
    exchange(connect.await.expect("task").expect("connected"), theirs).await;
    drop(listener);
    past_time_wait().await;
    server.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn refusing_a_held_syn_refuses_the_peer() {
    let (server, client) = pair();
    let (_listener, connect, incoming) = asked(&server, &client).await;
    incoming.refuse();
    let error = connect.await.expect("task").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_held_syn_is_silence_and_the_peer_asks_again() {
    let (server, client) = pair();
    let (listener, connect, incoming) = asked(&server, &client).await;
    drop(incoming);
    assert!(timeout(Duration::from_millis(500), listener.incoming()).await.is_err(), "not at once");
    assert!(!connect.is_finished());
    let again = listener.incoming().await.expect("the SYN again");
    let theirs = again.accept().await.expect("it waits");
    exchange(connect.await.expect("task").expect("connected"), theirs).await;
}

#[tokio::test(start_paused = true)]
async fn peer_that_has_given_up_is_gone() {
    let (server, client) = pair();
    let listener = server.listen_with(server_addr(), holding().hold_timeout(Duration::from_secs(3)));
    let listener = listener.await.expect("free");
    let caller = client.clone();
    let ours = tokio::spawn(async move { caller.connect(server_addr()).await });
    let incoming = listener.incoming().await.expect("a SYN");
    ours.abort();
    sleep(Duration::from_secs(4)).await;
    assert!(!incoming.is_waiting());
    assert!(is_gone(&incoming.accept().await.expect_err("it was held too long")));
    assert_eq!(server.counters().held_expired, 1);
}

#[tokio::test(start_paused = true)]
async fn held_syn_ends_with_its_listener() {
    let (server, client) = pair();
    let (listener, connect, incoming) = asked(&server, &client).await;
    drop(listener);
    assert!(is_gone(&incoming.accept().await.expect_err("nobody listens")));
    // Its next SYN meets a closed port.
    let error = connect.await.expect("task").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    server.assert_quiescent();
}

#[tokio::test(start_paused = true)]
async fn each_waiting_task_gets_its_own_syn() {
    let (server, client) = pair();
    let listener = std::sync::Arc::new(server.listen_with(server_addr(), holding()).await.expect("free"));
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.incoming().await.expect("a SYN").accept().await })
        })
        .collect();
    tokio::task::yield_now().await;
    for _ in 0..4 {
        client.connect(server_addr()).await.expect("accepted").abort();
    }
    for one in waiting {
        assert!(one.await.expect("task").is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_wait_for_a_peer_and_forgets_who_is_held() {
    let (server, client) = pair();
    let (listener, connect, incoming) = asked(&server, &client).await;
    let waiting = tokio::spawn(async move { listener.incoming().await.map(drop) });
    sleep(Duration::from_millis(10)).await;
    server.shutdown(Duration::from_secs(1)).await;
    assert_eq!(waiting.await.expect("task").expect_err("over").kind(), ErrorKind::NotConnected);
    assert_eq!(incoming.accept().await.expect_err("over").kind(), ErrorKind::NotConnected);
    connect.abort();
}

#[tokio::test(start_paused = true)]
async fn accept_and_incoming_are_for_one_kind_of_listener_each() {
    let (server, _client) = pair();
    let holding = server.listen_with(server_addr(), holding()).await.expect("free");
    assert_eq!(holding.accept().await.expect_err("holds").kind(), ErrorKind::InvalidInput);
    let plain = server.listen(SocketAddr::from((LEFT, 81))).await.expect("free");
    assert_eq!(plain.incoming().await.expect_err("does not").kind(), ErrorKind::InvalidInput);
    let both = ListenConfig::default().any_port(true);
    let error = server.listen_with(server_addr(), both).await.expect_err("one port or any");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// What a transparent proxy does: any address, any port, upstream first.
#[tokio::test(start_paused = true)]
async fn listener_for_any_address_and_port_sees_what_the_peer_called() {
    let (near, far) = Channel::pair(256, ABLE);
    let ours = InterfaceConfig {
        addresses: vec![(LEFT.into(), 24)],
        any_address: true,
        ..InterfaceConfig::default()
    };
    let server = Net::builder().interface(near, ours).config(config()).secret(Secret::from_bytes([1; 32]));
    let server = server.spawn().expect("inside a runtime");
    let client = Net::builder().address(far, RIGHT, 24).config(config()).spawn().expect("inside a runtime");
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let listener = server.listen_with(any, holding().any_port(true)).await.expect("free");
    for called in ["192.0.2.7:443", "198.51.100.1:8080", "10.0.0.1:22"] {
        let called: SocketAddr = called.parse().expect("an address");
        let (ours, incoming) = tokio::join!(client.connect(called), async {
            let incoming = listener.incoming().await.expect("a SYN");
            assert_eq!(incoming.local, called);
            incoming.accept().await
        });
        exchange(ours.expect("connected"), incoming.expect("accepted")).await;
    }
    let (refused, ()) = tokio::join!(client.connect(SocketAddr::from(([192, 0, 2, 8], 25))), async {
        listener.incoming().await.expect("a SYN").refuse();
    });
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn peer_that_resets_what_was_accepted_is_told_apart() {
    let (server, client) = pair();
    let (_listener, connect, incoming) = asked(&server, &client).await;
    // The connect is abandoned; the SYN-ACK then meets a closed port, which answers RST.
    connect.abort();
    sleep(Duration::from_millis(10)).await;
    let error = incoming.accept().await.expect_err("reset");
    let reason = error.get_ref().and_then(|inside| inside.downcast_ref::<CloseReason>());
    assert!(reason == Some(&CloseReason::Refused) || is_gone(&error), "{error:?}");
}
