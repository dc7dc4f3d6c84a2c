//! The two halves of a stream.

mod common;

use bytes::Bytes;
use common::*;
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn halves_work_in_two_tasks() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    let (mut read, mut write) = ours.into_split();
    assert_eq!(read.local_addr(), write.local_addr());
    assert_eq!(read.peer_addr(), write.peer_addr());
    let writer = tokio::spawn(async move {
        write.write_chunk(Bytes::from_static(b"there")).await?;
        write.write_all(b" and back").await?;
        write.shutdown().await
    });
    let mut text = String::new();
    theirs.read_to_string(&mut text).await.expect("text");
    theirs.write_all(text.to_uppercase().as_bytes()).await.expect("written");
    theirs.shutdown().await.expect("half closed");
    let mut back = Vec::new();
    while let Some(chunk) = read.read_chunk(usize::MAX).await.expect("text") {
        back.extend_from_slice(&chunk);
    }
    assert_eq!(back, b"THERE AND BACK");
    writer.await.expect("task").expect("written");
}

#[tokio::test(start_paused = true)]
async fn dropped_write_half_closes_our_side_only() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    let (mut read, write) = ours.into_split();
    drop(write);
    assert_eq!(theirs.read(&mut [0]).await.expect("FIN"), 0);
    theirs.write_all(b"still open").await.expect("the other direction");
    theirs.shutdown().await.expect("half closed");
    let mut text = String::new();
    read.read_to_string(&mut text).await.expect("text");
    assert_eq!(text, "still open");
}

#[tokio::test(start_paused = true)]
async fn dropped_read_half_leaves_the_connection_to_the_other() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    let (read, mut write) = ours.into_split();
    drop(read);
    write.write_all(b"going on").await.expect("written");
    drop(write);
    let mut text = String::new();
    theirs.read_to_string(&mut text).await.expect("text, then FIN");
    assert_eq!(text, "going on");
    assert_eq!(theirs.close().await, Ok(()), "with the last half the stream was let go of in order");
}

#[tokio::test(start_paused = true)]
async fn reunited_halves_are_the_stream_again() {
    let (server, client) = pair();
    let (_listener, mut theirs, ours) = connected(&server, &client).await;
    let (read, write) = ours.into_split();
    let mut ours = write.reunite(read).expect("of one stream");
    ours.write_all(b"whole").await.expect("our half is still open");
    let mut text = [0; 5];
    theirs.read_exact(&mut text).await.expect("text");
    let (one, two) = tokio::join!(ours.close(), theirs.close());
    assert_eq!((one, two), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn halves_of_different_streams_are_given_back() {
    let (server, client) = pair();
    let (_listener, theirs, ours) = connected(&server, &client).await;
    let (our_read, our_write) = ours.into_split();
    let (their_read, mut their_write) = theirs.into_split();
    let error = our_read.reunite(their_write).expect_err("of different streams");
    assert_eq!(error.to_string(), "the two halves belong to different streams");
    their_write = error.1;
    their_write.write_all(b"alive").await.expect("nothing was closed");
    drop((our_write, their_read, error.0));
    assert_eq!(their_write.write_all(b"x").await.map_err(|error| error.kind()).err(), None);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    // The other stream was dropped with unread text.
    assert_eq!(their_write.write(b"x").await.expect_err("RST").kind(), ErrorKind::ConnectionReset);
}
