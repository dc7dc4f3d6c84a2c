use super::*;
use crate::Channel;
use crate::offload::test_packets::{checksums_fit, tcp};
use bytes::Bytes;
use std::future::poll_fn;

const OFFLOAD: Capabilities = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };

/// A frame that says its number.
fn numbered(number: u16) -> Frame {
    Frame::from(Bytes::copy_from_slice(&[&[0x00][..], &number.to_be_bytes(), &[0; 97]].concat()))
}

fn number(frame: &Frame) -> u16 {
    u16::from_be_bytes([frame.bytes[1], frame.bytes[2]])
}

/// Sends `count` frames through `impairment` inbound; returns each that arrived with when, in milliseconds.
async fn inbound(seed: u64, count: u16, impairment: Impairment) -> (Vec<(u64, u16)>, ImpairmentCounters) {
    let (device, mut handle) = Channel::with_handle(usize::from(count), OFFLOAD);
    let mut device = Impaired::new(device, seed, impairment, Impairment::default());
    let started = Instant::now();
    for i in 0..count {
        handle.send(numbered(i)).await.expect("room");
    }
    drop(handle);
    let mut arrived = Vec::new();
    loop {
        let mut batch = Vec::new();
        let got = poll_fn(|cx| device.poll_recv(cx, &mut batch)).await.expect("no error");
        assert_eq!(got, batch.len());
        if got == 0 {
            return (arrived, device.watch().inbound());
        }
        let at = u64::try_from(started.elapsed().as_millis()).expect("short");
        arrived.extend(batch.iter().map(|frame| (at, number(frame))));
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_changes_nothing() {
    let (arrived, counters) = inbound(1, 200, Impairment::default()).await;
    assert_eq!(arrived, (0..200).map(|i| (0, i)).collect::<Vec<_>>());
    assert_eq!(counters, ImpairmentCounters { packets: 200, ..ImpairmentCounters::default() });
}

#[tokio::test(start_paused = true)]
async fn a_delayed_packet_arrives_after_the_delay_and_in_order() {
    let delay = Duration::from_millis(20);
    let (arrived, _) = inbound(1, 3, Impairment { delay, ..Impairment::default() }).await;
    assert_eq!(arrived, [(20, 0), (20, 1), (20, 2)]);
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_packets_without_reordering_them() {
    let jitter = Duration::from_millis(50);
    let (arrived, _) = inbound(7, 100, Impairment { jitter, ..Impairment::default() }).await;
    assert!(arrived.iter().map(|(_, number)| *number).eq(0..100));
    assert!(arrived[99].0 > arrived[0].0 && arrived[99].0 <= 51, "{arrived:?}");
}

#[tokio::test(start_paused = true)]
async fn loss_duplication_and_reordering_happen_about_as_often_as_asked() {
    let impairment = Impairment { loss: 0.1, duplicate: 0.05, reorder: 0.2, ..Impairment::default() };
    let (arrived, counters) = inbound(42, 4000, impairment).await;
    assert!((300..500).contains(&counters.lost), "{counters:?}");
    assert!((120..240).contains(&counters.duplicated), "{counters:?}");
    assert!((600..840).contains(&counters.reordered), "{counters:?}");
    assert_eq!(arrived.len() as u64, counters.packets - counters.lost + counters.duplicated);
    let held_back = arrived.iter().filter(|(at, _)| *at >= 5).count();
    assert!(held_back as u64 >= counters.reordered);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_fate_and_another_seed_another() {
    let impairment = Impairment {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(9),
        loss: 0.2,
        duplicate: 0.2,
        reorder: 0.2,
        rate_bps: Some(10_000_000),
        ..Impairment::default()
    };
    let first = inbound(5, 500, impairment.clone()).await;
    assert_eq!(first, inbound(5, 500, impairment.clone()).await);
    assert_ne!(first, inbound(6, 500, impairment).await);
}

#[tokio::test(start_paused = true)]
async fn a_rate_spaces_packets_and_a_full_queue_drops_them() {
    // 100 octets at 80 kbit/s take 10 ms.
    let impairment = Impairment { rate_bps: Some(80_000), queue: 3, ..Impairment::default() };
    let (arrived, counters) = inbound(1, 5, impairment).await;
    assert_eq!(arrived, [(10, 0), (20, 1), (30, 2)]);
    assert_eq!(counters.queue_full, 2);
}

#[tokio::test(start_paused = true)]
async fn an_arriving_super_segment_is_cut_and_its_checksums_completed() {
    let (mut far, near) = Channel::pair(8, OFFLOAD);
    let mut near = Impaired::new(near, 1, Impairment::default(), Impairment::default());
    assert!(!near.capabilities().segmentation_offload && near.capabilities().checksum_offload);
    poll_fn(|cx| far.poll_send(cx, &tcp(4, &[3; 4000], 1460))).await.expect("sent");
    poll_fn(|cx| far.poll_send(cx, &tcp(4, &[3; 10], 0))).await.expect("sent");
    let mut batch = Vec::new();
    poll_fn(|cx| near.poll_recv(cx, &mut batch)).await.expect("frames");
    assert_eq!(batch.iter().map(|frame| frame.bytes.len()).collect::<Vec<_>>(), [1500, 1500, 1120, 50]);
    for frame in &batch {
        assert!(checksums_fit(&frame.bytes));
        assert_eq!((frame.checksum, frame.segment_size), (Checksum::Unknown, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaving_packet_waits_its_delay_and_leaves_while_the_owner_receives() {
    let (mut far, near) = Channel::pair(8, OFFLOAD);
    let outbound = Impairment { delay: Duration::from_millis(30), ..Impairment::default() };
    let mut near = Impaired::new(near, 1, Impairment::default(), outbound);
    let started = Instant::now();
    poll_fn(|cx| near.poll_send(cx, &tcp(6, &[3; 4000], 1440))).await.expect("sent");
    let driver = tokio::spawn(async move {
        let mut batch = Vec::new();
        poll_fn(|cx| near.poll_recv(cx, &mut batch)).await
    });
    let mut batch = Vec::new();
    poll_fn(|cx| far.poll_recv(cx, &mut batch)).await.expect("frames");
    assert_eq!(started.elapsed(), Duration::from_millis(30));
    assert_eq!(batch.len(), 3);
    assert!(batch.iter().all(|frame| checksums_fit(&frame.bytes)));
    drop(far);
    assert_eq!(driver.await.expect("no panic").expect("no error"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_small_leaving_packet_keeps_its_partial_checksum_unless_it_is_corrupted() {
    for (corrupt, partial) in [(0.0, true), (1.0, false)] {
        let (mut far, near) = Channel::pair(8, OFFLOAD);
        let outbound = Impairment { corrupt, ..Impairment::default() };
        let mut near = Impaired::new(near, 3, Impairment::default(), outbound);
        let frame = tcp(4, &[3; 1000], 0);
        poll_fn(|cx| near.poll_send(cx, &frame)).await.expect("sent");
        let mut batch = Vec::new();
        poll_fn(|cx| far.poll_recv(cx, &mut batch)).await.expect("frames");
        assert_eq!(batch[0].checksum, if partial { frame.checksum } else { Checksum::Unknown });
        assert_eq!(near.watch().outbound().corrupted, u64::from(!partial));
        if !partial {
            let mut complete = frame.clone();
            crate::offload::complete_transmit(&mut complete);
            let flipped: u32 =
                complete.to_bytes().iter().zip(&batch[0].bytes).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(flipped, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_blocked_device_holds_the_sender_back_once_the_queue_is_full() {
    let (mut far, near) = Channel::pair(1, OFFLOAD);
    let outbound = Impairment { queue: 2, ..Impairment::default() };
    let mut near = Impaired::new(near, 1, Impairment::default(), outbound);
    let frame = tcp(4, b"x", 0);
    for _ in 0..3 {
        poll_fn(|cx| near.poll_send(cx, &frame)).await.expect("sent");
    }
    let blocked = poll_fn(|cx| Poll::Ready(near.poll_send(cx, &frame).is_pending())).await;
    assert!(blocked);
    let mut batch = Vec::new();
    poll_fn(|cx| far.poll_recv(cx, &mut batch)).await.expect("one");
    poll_fn(|cx| near.poll_send(cx, &frame)).await.expect("room again");
}
