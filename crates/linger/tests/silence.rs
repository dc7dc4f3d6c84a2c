//! A cable that is cut in the middle of things: the peer falls silent, and everything still ends.

mod common;

use common::*;
use linger::device::{Channel, ChannelHandle};
use linger::proto::KeepAlive;
use linger::{CloseReason, HostConfig, Net};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Carries frames until it is cut, and then swallows them.
fn cable(one: ChannelHandle, two: ChannelHandle) -> watch::Sender<bool> {
    let (cut, is_cut) = watch::channel(false);
    let ((to_one, from_one), (to_two, from_two)) = (one.split(), two.split());
    for (mut from, mut to) in [(from_one, to_two), (from_two, to_one)] {
        let is_cut = is_cut.clone();
        tokio::spawn(async move {
            while let Some(frame) = from.recv().await {
                if !*is_cut.borrow() && to.send(frame).await.is_err() {
                    break;
                }
            }
        });
    }
    cut
}

fn pair_over_a_cable(config: &HostConfig) -> (Net, Net, watch::Sender<bool>) {
    let (left, one) = Channel::with_handle(256, ABLE);
    let (right, two) = Channel::with_handle(256, ABLE);
    let net = |device, ours| {
        Net::builder().address(device, ours, 24).config(config.clone()).spawn().expect("inside a runtime")
    };
    (net(left, LEFT), net(right, RIGHT), cable(one, two))
}

#[tokio::test(start_paused = true)]
async fn unacknowledged_text_ends_the_connection_after_the_user_timeout() {
    let mut config = config();
    config.tcp.user_timeout = Duration::from_secs(100);
    let (server, client, cut) = pair_over_a_cable(&config);
    let (_listener, theirs, mut ours) = connected(&server, &client).await;
    cut.send(true).expect("the cable");
    let began = tokio::time::Instant::now();
    ours.write_all(b"anybody there?").await.expect("taken");
    assert_eq!(ours.read(&mut [0]).await.expect_err("silence").kind(), ErrorKind::TimedOut);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(100) && waited < Duration::from_secs(250), "{waited:?}");
    assert_eq!(ours.write(b"x").await.expect_err("ended").kind(), ErrorKind::TimedOut);
    drop(ours);
    client.assert_quiescent();
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn close_towards_a_silent_peer_times_out() {
    let (server, client, cut) = pair_over_a_cable(&config());
    let (_listener, theirs, ours) = connected(&server, &client).await;
    cut.send(true).expect("the cable");
    assert_eq!(ours.close().await, Err(CloseReason::TimedOut));
    client.assert_quiescent();
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn keepalive_finds_a_silent_peer_that_nobody_writes_to() {
    let mut config = config();
    config.tcp.keepalive =
        Some(KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 3 });
    let (server, client, cut) = pair_over_a_cable(&config);
    let (_listener, theirs, mut ours) = connected(&server, &client).await;
    let reader = tokio::spawn(async move { ours.read(&mut [0]).await });
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!reader.is_finished(), "the peer answers the probes");
    cut.send(true).expect("the cable");
    let error = reader.await.expect("task").expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn dropped_streams_of_a_silent_peer_leave_no_task() {
    let (server, client, cut) = pair_over_a_cable(&config());
    let (listener, theirs, mut ours) = connected(&server, &client).await;
    cut.send(true).expect("the cable");
    ours.write_all(b"never delivered").await.expect("taken");
    drop((ours, theirs, listener, server, client));
    // Orphans give up after their time; the cable's two tasks end with its ends.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_no_task_left().await;
}
