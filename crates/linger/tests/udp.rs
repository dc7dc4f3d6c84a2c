//! Datagrams.

mod common;

use bytes::Bytes;
use common::*;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn datagrams_go_both_ways() {
    let (left, right) = pair();
    let server = left.udp_bind((LEFT, 53)).await.expect("free");
    let client = right.udp_bind(([0, 0, 0, 0], 0)).await.expect("free");
    assert_ne!(client.local_addr().port(), 0);
    assert_eq!(client.send_to(b"query", server.local_addr()).await.expect("sent"), 5);
    let mut buffer = [0; 3];
    let (length, from) = server.recv_from(&mut buffer).await.expect("received");
    assert_eq!((&buffer[..length], from.port()), (&b"que"[..], client.local_addr().port()), "what fits");
    server.send_bytes_to(Bytes::from_static(b"answer"), from).await.expect("sent");
    let datagram = client.recv().await.expect("received");
    assert_eq!((&datagram.bytes[..], datagram.from), (&b"answer"[..], server.local_addr()));
    assert_eq!(datagram.to.ip(), std::net::IpAddr::from(RIGHT));
}

#[tokio::test(start_paused = true)]
async fn every_receiver_gets_a_datagram() {
    let (left, right) = pair();
    let server = Arc::new(left.udp_bind((LEFT, 53)).await.expect("free"));
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { server.recv().await.expect("received").bytes })
        })
        .collect();
    tokio::task::yield_now().await;
    let client = right.udp_bind((RIGHT, 0)).await.expect("free");
    for text in [b"1", b"2", b"3"] {
        client.send_to(text, server.local_addr()).await.expect("sent");
    }
    let mut all = Vec::new();
    for receiver in receivers {
        all.push(receiver.await.expect("task"));
    }
    all.sort();
    assert_eq!(all, [&b"1"[..], b"2", b"3"]);
}

#[tokio::test(start_paused = true)]
async fn errors_name_what_is_wrong() {
    let (left, _right) = pair();
    let socket = left.udp_bind((LEFT, 53)).await.expect("free");
    assert_eq!(left.udp_bind((LEFT, 53)).await.expect_err("taken").kind(), ErrorKind::AddrInUse);
    assert_eq!(
        left.udp_bind(([192, 0, 2, 1], 53)).await.expect_err("not ours").kind(),
        ErrorKind::AddrNotAvailable
    );
    let long = vec![0; 70_000];
    assert_eq!(
        socket.send_to(&long, (RIGHT, 53).into()).await.expect_err("long").kind(),
        ErrorKind::InvalidInput
    );
    drop(socket);
    left.assert_quiescent();
    left.udp_bind((LEFT, 53)).await.expect("free again");
}

#[tokio::test(start_paused = true)]
async fn sender_waits_for_room_and_nothing_is_lost_before_the_wire() {
    let (left, right) = pair();
    let server = left.udp_bind((LEFT, 53)).await.expect("free");
    let client = right.udp_bind((RIGHT, 0)).await.expect("free");
    let to = server.local_addr();
    let before = right.counters().frames_out;
    let sender = tokio::spawn(async move {
        for _ in 0..5000 {
            client.send_to(&[0; 1000], to).await.expect("sent");
        }
    });
    sender.await.expect("task");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(right.counters().frames_out - before, 5000);
    drop(server);
}
