//! Trouble that does not end a connection is told to whoever waits for it; urgent text is pointed at.

mod common;

use bytes::Bytes;
use common::*;
use linger::device::{Capabilities, Channel};
use linger::proto::wire::icmp::{IcmpRepr, Unreachable};
use linger::proto::wire::ip::{self, IpRepr, PROTOCOL_ICMP};
use linger::proto::{Frame, Transmit};
use linger::{CloseReason, HostConfig, Net, TcpListener, TcpStream, Trouble};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// What becomes of the frames of the client. Those of the server always arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cable {
    Whole,
    /// They are swallowed.
    Cut,
    /// They are swallowed, and a router says so.
    Unreachable,
}

/// A connection over such a cable, and who does not use it.
struct Setup {
    ours: TcpStream,
    theirs: TcpStream,
    cable: watch::Sender<Cable>,
    client: Net,
    _server: (Net, TcpListener),
}

async fn setup(config: HostConfig) -> Setup {
    // Plain packets: a router quotes what is on the wire.
    let plain = Capabilities { mtu: 1500, checksum_offload: false, segmentation_offload: false };
    let (left, one) = Channel::with_handle(256, plain);
    let (right, two) = Channel::with_handle(256, plain);
    let net = |device, ours| {
        Net::builder().address(device, ours, 24).config(config.clone()).spawn().expect("inside a runtime")
    };
    let (server, client) = (net(left, LEFT), net(right, RIGHT));
    let (cable, state) = watch::channel(Cable::Whole);
    let ((mut to_server, mut from_server), (to_client, mut from_client)) = (one.split(), two.split());
    let (reports, mut to_report) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(frame) = from_client.recv().await {
            let now = *state.borrow();
            match now {
                Cable::Whole => drop(to_server.send(frame).await),
                Cable::Cut => {}
                Cable::Unreachable => drop(reports.send(unreachable(&frame))),
            }
        }
    });
    tokio::spawn(async move {
        let mut to_client = to_client;
        loop {
            let frame = tokio::select! {
                biased;
                Some(report) = to_report.recv() => report,
                Some(frame) = from_server.recv() => frame,
                else => break,
            };
            if to_client.send(frame).await.is_err() {
                break;
            }
        }
    });
    let (listener, theirs, ours) = connected(&server, &client).await;
    Setup { ours, theirs, cable, client, _server: (server, listener) }
}

/// What a router says about a packet that it cannot deliver.
fn unreachable(refused: &Frame) -> Frame {
    let (router, client) = (IpAddr::from([10, 0, 0, 254]), IpAddr::V4(Ipv4Addr::from(RIGHT)));
    let quoted = &refused.bytes[..refused.bytes.len().min(500)];
    let message = IcmpRepr::Unreachable(Unreachable::Host).emit(router, client, quoted);
    let mut packet = Transmit::default();
    let repr = IpRepr {
        source: router,
        destination: client,
        protocol: PROTOCOL_ICMP,
        payload_len: message.len() + quoted.len(),
        hop_limit: 64,
        ecn: 0,
        identification: 1,
        dont_fragment: true,
    };
    ip::emit_header(&repr, &mut packet.header);
    packet.text.push(Bytes::from([&message, quoted].concat()));
    Frame::from(packet.to_bytes())
}

// requirement: 9293-MUST-47
// requirement: 9293-SHLD-9
#[tokio::test(start_paused = true)]
async fn silence_is_told_to_who_waits_for_trouble_long_before_it_ends_the_connection() {
    let mut setup = setup(config()).await;
    setup.cable.send_replace(Cable::Cut);
    let began = Instant::now();
    setup.ours.write_all(b"anybody there?").await.expect("taken");
    assert_eq!(setup.ours.trouble().await, Ok(Trouble::Retransmitting));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(setup.ours.info().trouble, Some(Trouble::Retransmitting));
    assert_eq!(setup.ours.trouble().await, Err(CloseReason::TimedOut), "told once, and then the end");
    assert!(began.elapsed() > Duration::from_secs(300), "{:?}", began.elapsed());
    assert_eq!(setup.ours.trouble().await, Err(CloseReason::TimedOut), "and again");
}

// requirement: 9293-MUST-47
// requirement: 9293-MUST-56
#[tokio::test(start_paused = true)]
async fn icmp_error_is_told_while_both_halves_are_busy_and_the_connection_goes_on() {
    let setup = setup(config()).await;
    let (mut theirs, cable) = (setup.theirs, setup.cable);
    let (mut read, mut write) = setup.ours.into_split();
    let writer = tokio::spawn(async move {
        cable.send_replace(Cable::Unreachable);
        write.write_all(b"a question").await.expect("taken");
        // The half that writes waits for trouble, while the other one reads.
        let trouble = write.trouble().await;
        cable.send_replace(Cable::Whole);
        (trouble, write)
    });
    let answered = tokio::spawn(async move {
        let mut question = [0; 10];
        theirs.read_exact(&mut question).await.expect("it arrives in the end");
        theirs.write_all(b"an answer").await.expect("written");
        theirs
    });
    let mut answer = [0; 9];
    read.read_exact(&mut answer).await.expect("the connection goes on");
    let (trouble, write) = writer.await.expect("task");
    assert_eq!((trouble, &answer), (Ok(Trouble::Unreachable), b"an answer"));
    let ours = read.reunite(write).expect("one stream");
    let theirs = answered.await.expect("task");
    let again = timeout(Duration::from_secs(600), ours.trouble()).await;
    assert!(again.is_err(), "nothing new: {again:?}");
    let (one, two) = tokio::join!(ours.close(), theirs.close());
    assert_eq!((one, two), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn trouble_that_came_while_nobody_waited_is_told_at_once() {
    let mut setup = setup(config()).await;
    setup.cable.send_replace(Cable::Unreachable);
    setup.ours.write_all(b"?").await.expect("taken");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    assert_eq!(setup.ours.trouble().await, Ok(Trouble::Unreachable));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

// requirement: 9293-SHLD-20
#[tokio::test(start_paused = true)]
async fn who_wants_no_reports_waits_for_the_end_only() {
    let mut config = config();
    config.tcp.report_trouble = false;
    let mut setup = setup(config).await;
    setup.cable.send_replace(Cable::Unreachable);
    setup.ours.write_all(b"?").await.expect("taken");
    assert_eq!(setup.ours.trouble().await, Err(CloseReason::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_trouble_ends_with_the_connection_and_with_the_stack() {
    let mut over = setup(config()).await;
    over.ours.shutdown().await.expect("shut");
    over.theirs.shutdown().await.expect("shut");
    assert_eq!(over.ours.trouble().await, Err(CloseReason::Graceful));

    let reset = setup(config()).await;
    reset.theirs.abort();
    assert_eq!(reset.ours.trouble().await, Err(CloseReason::Reset));

    let left = setup(config()).await;
    let (ours, client) = (left.ours, left.client);
    let waiter = tokio::spawn(async move { ours.trouble().await });
    tokio::task::yield_now().await;
    client.shutdown(Duration::ZERO).await;
    assert_eq!(waiter.await.expect("task"), Err(CloseReason::Aborted));
}

// requirement: 9293-MUST-30
#[tokio::test(start_paused = true)]
async fn urgent_text_stays_in_its_place_and_its_end_is_announced() {
    let mut setup = setup(config()).await;
    setup.ours.write_all(b"calm").await.expect("written");
    assert_eq!(setup.ours.write_urgent(b"now!").await.expect("room"), 4);
    setup.ours.write_all(b"calm").await.expect("written");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.theirs.info().urgent, 8);
    let mut text = [0; 12];
    setup.theirs.read_exact(&mut text).await.expect("text");
    assert_eq!((&text, setup.theirs.info().urgent), (b"calmnow!calm", 0));
    let (_read, mut write) = setup.theirs.into_split();
    assert_eq!(write.write_urgent(b"!").await.expect("room"), 1);
    setup.ours.shutdown().await.expect("shut");
    let closed = setup.ours.write_urgent(b"!").await.expect_err("our half is closed");
    assert_eq!(closed.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn urgent_text_waits_for_room_and_may_be_taken_in_part() {
    let mut config = config();
    (config.tcp.send_buffer, config.tcp.recv_buffer) = (4096, 4096);
    let mut setup = setup(config).await;
    let taken = setup.ours.write_urgent(&[1; 10_000]).await.expect("room");
    assert_eq!(taken, 4096);
    tokio::time::sleep(Duration::from_secs(1)).await;
    setup.ours.write_all(&[2; 4096]).await.expect("the peer's buffer takes the first");
    let blocked = timeout(Duration::from_secs(60), setup.ours.write_urgent(b"!")).await;
    assert!(blocked.is_err(), "both buffers are full: {blocked:?}");
    let mut text = vec![0; 8192];
    let (sent, read) = tokio::join!(setup.ours.write_urgent(b"!"), setup.theirs.read_exact(&mut text));
    assert_eq!((sent.expect("room at last"), read.expect("text")), (1, 8192));
}
