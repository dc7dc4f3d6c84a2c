use super::*;
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};

const ABLE: Capabilities = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };

fn frame(number: u8) -> Transmit {
    let mut frame = Transmit::default();
    frame.text.push(Bytes::copy_from_slice(&[0x45, number]));
    frame
}

async fn send(device: &mut impl Device, number: u8) {
    poll_fn(|cx| device.poll_send(cx, &frame(number))).await.expect("sent");
}

async fn receive(device: &mut impl Device) -> Vec<u8> {
    let mut batch = Vec::new();
    poll_fn(|cx| device.poll_recv(cx, &mut batch)).await.expect("received");
    batch.iter().map(|frame| frame.bytes[1]).collect()
}

/// By the second octet; and remembers what came.
#[derive(Clone, Default)]
struct ByNumber(Arc<Mutex<Vec<(usize, u8)>>>);

impl Steer for ByNumber {
    fn steer(&mut self, frame: &Transmit) -> usize {
        usize::from(frame.text[0][1])
    }

    fn came(&mut self, queue: usize, frame: &Frame) {
        self.0.lock().expect("whole").push((queue, frame.bytes[1]));
    }
}

#[tokio::test]
async fn frames_go_to_the_queue_that_was_chosen_and_come_from_all() {
    let steering = ByNumber::default();
    let (mut near, mut far) = Channel::fan(3, 8, ABLE, steering.clone());
    for number in 0..6 {
        send(&mut far, number).await;
    }
    for (number, near) in (0..).zip(&mut near) {
        assert_eq!(receive(near).await, [number, number + 3]);
        send(near, 10 + number).await;
        send(near, 20 + number).await;
    }
    for number in 0..3 {
        assert_eq!(receive(&mut far).await, [10 + number, 20 + number], "one queue after another");
    }
    assert_eq!(steering.0.lock().expect("whole")[..2], [(0, 10), (0, 20)]);
}

#[tokio::test]
async fn frame_without_room_keeps_its_queue_and_is_steered_once() {
    let mut asked = 0;
    let (mut near, mut far) = Channel::fan(2, 1, ABLE, move |_: &Transmit| {
        asked += 1;
        asked / 2 // 0, 1, 1, 2
    });
    send(&mut far, 1).await;
    send(&mut far, 2).await;
    let waker = std::task::Waker::noop();
    assert!(far.poll_send(&mut Context::from_waker(waker), &frame(3)).is_pending());
    assert_eq!(receive(&mut near[1]).await, [2]);
    send(&mut far, 3).await;
    assert_eq!((receive(&mut near[0]).await, receive(&mut near[1]).await), (vec![1], vec![3]));
}

#[tokio::test]
async fn far_end_ends_when_the_last_queue_is_gone() {
    let (mut near, mut far) = Channel::fan(2, 8, ABLE, |_: &Transmit| 0);
    drop(near.remove(0));
    send(&mut near[0], 7).await;
    assert_eq!(receive(&mut far).await, [7]);
    drop(near);
    assert!(receive(&mut far).await.is_empty());
}
