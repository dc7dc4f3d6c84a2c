use super::*;
use crate::offload::test_packets::{checksums_fit, tcp};
use linger_proto::Checksum;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const OFFLOAD: Capabilities = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };
const PLAIN: Capabilities = Capabilities { mtu: 1500, checksum_offload: false, segmentation_offload: false };

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Calls `f` with a waker that counts.
fn polled<T>(woken: &Arc<Woken>, f: impl FnOnce(&mut Context<'_>) -> T) -> T {
    f(&mut Context::from_waker(&Waker::from(woken.clone())))
}

fn received(end: &mut Channel) -> Vec<Frame> {
    let mut batch = Vec::new();
    let _ = polled(&Arc::default(), |cx| end.poll_recv(cx, &mut batch));
    batch
}

#[test]
fn a_full_channel_is_pending_and_wakes_the_sender_when_drained() {
    let (mut a, mut b) = Channel::pair(2, OFFLOAD);
    let (woken, frame) = (Arc::new(Woken::default()), tcp(4, b"x", 1));
    for _ in 0..2 {
        assert!(polled(&woken, |cx| a.poll_send(cx, &frame)).is_ready());
    }
    assert!(polled(&woken, |cx| a.poll_send(cx, &frame)).is_pending());
    assert_eq!(woken.count(), 0);
    assert_eq!(received(&mut b).len(), 2);
    assert_eq!(woken.count(), 1);
    assert!(polled(&woken, |cx| a.poll_send(cx, &frame)).is_ready());
}

#[test]
fn an_empty_channel_is_pending_and_wakes_the_receiver_when_a_frame_comes() {
    let (mut a, mut b) = Channel::pair(2, OFFLOAD);
    let woken = Arc::new(Woken::default());
    let mut batch = Vec::new();
    assert!(polled(&woken, |cx| b.poll_recv(cx, &mut batch)).is_pending());
    assert!(polled(&Arc::default(), |cx| a.poll_send(cx, &tcp(4, b"x", 1))).is_ready());
    assert_eq!(woken.count(), 1);
    assert!(matches!(polled(&woken, |cx| b.poll_recv(cx, &mut batch)), Poll::Ready(Ok(1))));
}

#[test]
fn a_dropped_end_lets_the_rest_be_received_and_then_says_zero() {
    let (mut a, mut b) = Channel::pair(4, OFFLOAD);
    let woken = Arc::new(Woken::default());
    let mut batch = Vec::new();
    assert!(polled(&woken, |cx| b.poll_recv(cx, &mut batch)).is_pending());
    assert!(polled(&Arc::default(), |cx| a.poll_send(cx, &tcp(4, b"x", 1))).is_ready());
    drop(a);
    assert_eq!(woken.count(), 1);
    assert!(matches!(polled(&woken, |cx| b.poll_recv(cx, &mut batch)), Poll::Ready(Ok(1))));
    assert!(matches!(polled(&woken, |cx| b.poll_recv(cx, &mut batch)), Poll::Ready(Ok(0))));
    let refused = polled(&woken, |cx| b.poll_send(cx, &tcp(4, b"x", 1)));
    assert!(matches!(refused, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe));
}

#[test]
fn a_waiting_receiver_is_woken_by_the_drop_of_the_other_end() {
    let (a, mut b) = Channel::pair(4, OFFLOAD);
    let woken = Arc::new(Woken::default());
    assert!(polled(&woken, |cx| b.poll_recv(cx, &mut Vec::new())).is_pending());
    drop(a);
    assert_eq!(woken.count(), 1);
}

#[test]
fn partial_checksum_and_segment_size_survive_between_ends_that_offer_offload() {
    let (mut a, mut b) = Channel::pair(4, OFFLOAD);
    let frame = tcp(6, &[7; 5000], 1440);
    assert!(polled(&Arc::default(), |cx| a.poll_send(cx, &frame)).is_ready());
    let got = received(&mut b);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].bytes, frame.to_bytes());
    assert_eq!(got[0].checksum, Checksum::Partial { start: 40, offset: 16 });
    assert_eq!(got[0].segment_size, NonZeroU16::new(1440));
}

#[test]
fn an_end_without_offload_gets_packets_with_complete_checksums() {
    let (mut a, mut b) = Channel::pair_with(5, OFFLOAD, PLAIN);
    assert!(polled(&Arc::default(), |cx| a.poll_send(cx, &tcp(6, &[7; 5000], 1440))).is_ready());
    assert!(polled(&Arc::default(), |cx| a.poll_send(cx, &tcp(4, &[7; 10], 0))).is_ready());
    let got = received(&mut b);
    assert_eq!(got.iter().map(|frame| frame.bytes.len()).collect::<Vec<_>>(), [1500, 1500, 1500, 740, 50]);
    assert!(got.iter().all(|frame| checksums_fit(&frame.bytes) && frame.checksum == Checksum::Unknown));
}

#[test]
fn the_smaller_mtu_binds_both_ends() {
    let (a, b) = Channel::pair_with(4, OFFLOAD, Capabilities { mtu: 1280, ..PLAIN });
    assert_eq!((a.capabilities().mtu, b.capabilities().mtu), (1280, 1280));
    assert!(a.capabilities().checksum_offload && !b.capabilities().checksum_offload);
}

#[tokio::test]
async fn a_plain_handle_sends_and_receives_frames() {
    let (mut device, mut handle) = Channel::with_handle(1, PLAIN);
    handle.send(Frame::from(bytes::Bytes::from_static(b"\x45one"))).await.expect("room");
    let blocked = handle.send(Frame::from(bytes::Bytes::from_static(b"\x45two")));
    let reading = async {
        let mut batch = Vec::new();
        while batch.len() < 2 {
            poll_fn(|cx| device.poll_recv(cx, &mut batch)).await.expect("frames");
        }
        batch
    };
    let (sent, batch) = tokio::join!(blocked, reading);
    sent.expect("room again");
    assert_eq!(batch[1].bytes, &b"\x45two"[..]);
    poll_fn(|cx| device.poll_send(cx, &tcp(4, b"back", 0))).await.expect("sent");
    let got = handle.recv().await.expect("a frame");
    assert!(checksums_fit(&got.bytes));
    drop(device);
    assert!(handle.recv().await.is_none());
    assert_eq!(handle.send(Frame::default()).await, Err(ChannelClosed));
}

#[tokio::test]
async fn a_super_segment_from_a_handle_is_cut_for_a_plain_device() {
    let (mut device, mut handle) = Channel::with_handle(8, PLAIN);
    handle.send(frame_from_transmit(&tcp(4, &[1; 4000], 1460))).await.expect("room");
    let got = received(&mut device);
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|frame| checksums_fit(&frame.bytes)));
}
