use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

impl SendBuffer {
    /// Writes without free blocks.
    fn put(&mut self, text: &[u8]) {
        self.write(text, &mut Blocks::default());
    }
}

fn gathered(buffer: &mut SendBuffer, offset: usize, max: usize) -> (usize, Vec<u8>, usize) {
    let mut out = ArrayVec::new();
    let taken = buffer.gather(offset, max, &mut out);
    (taken, out.iter().flatten().copied().collect(), out.len())
}

/// Text that lies in one piece.
fn short(buffer: &SendBuffer, offset: usize, max: usize) -> Option<&[u8]> {
    buffer.short(offset, max).map(|piece| buffer.text_of(piece))
}

#[test]
fn small_writes_leave_in_one_slice() {
    let mut buffer = SendBuffer::default();
    for octet in 0..200 {
        buffer.put(&[octet]);
    }
    assert_eq!(buffer.len(), 200);
    assert_eq!(gathered(&mut buffer, 0, 1_460), (200, (0..200).collect(), 1));
}

#[test]
fn single_small_write_takes_a_small_block() {
    let mut buffer = SendBuffer::default();
    buffer.put(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(buffer.tail.text.capacity(), BLOCK_MIN);
}

#[test]
fn blocks_grow_with_demand_and_stop_at_64_kib() {
    let mut buffer = SendBuffer::default();
    for _ in 0..1_000 {
        buffer.put(&[7; 1_000]);
    }
    assert_eq!(buffer.len(), 1_000_000);
    assert!(buffer.chunks.len() < 30, "{}", buffer.chunks.len());
    assert!(buffer.chunks.iter().all(|chunk| chunk.text.len() <= BLOCK_MAX));
    let mut large = SendBuffer::default();
    large.put(&vec![1; 200_000]);
    assert_eq!(large.chunks.len(), 3, "and the rest in the tail");
}

#[test]
fn pushed_text_is_not_copied() {
    let text = Bytes::from(vec![1, 2, 3, 4]);
    let mut buffer = SendBuffer::default();
    buffer.put(b"before");
    buffer.push(text.clone());
    buffer.put(b"after");
    let mut out = ArrayVec::new();
    assert_eq!(buffer.gather(7, 3, &mut out), 3);
    assert_eq!(out[0].as_ptr(), text[1..].as_ptr());
    assert_eq!(gathered(&mut buffer, 0, 99).1, b"before\x01\x02\x03\x04after");
}

#[test]
fn segment_takes_no_more_than_its_slots_hold() {
    let mut buffer = SendBuffer::default();
    for _ in 0..40 {
        buffer.push(Bytes::from(vec![9; 1_000]));
    }
    let (taken, text, slots) = gathered(&mut buffer, 500, 64_000);
    assert_eq!((taken, text.len(), slots), (17_500, 17_500, 18));
    assert_eq!(buffer.chunks.len(), 40, "large chunks are not merged by copying");
}

#[test]
fn octets_that_left_one_by_one_are_sent_again_in_one_slice() {
    let mut buffer = SendBuffer::default();
    for octet in 0..100 {
        buffer.put(&[octet]);
        assert_eq!(gathered(&mut buffer, usize::from(octet), 1).1, [octet]);
    }
    assert_eq!(buffer.chunks.len(), 100);
    assert_eq!(gathered(&mut buffer, 10, 60), (60, (10..70).collect(), 1));
    assert_eq!(gathered(&mut buffer, 0, 100), (100, (0..100).collect(), 1));
    assert_eq!(buffer.chunks.len(), 1);
}

#[test]
fn acknowledging_lets_go_of_the_text() {
    let text = Bytes::from(vec![1; 100]);
    let mut buffer = SendBuffer::default();
    buffer.push(text.clone());
    buffer.push(Bytes::from_static(b"tail"));
    buffer.acknowledge(99);
    assert!(!text.is_unique());
    buffer.acknowledge(1);
    assert!(text.is_unique());
    assert_eq!(gathered(&mut buffer, 0, 10).1, b"tail");
    buffer.acknowledge(usize::MAX);
    assert!(buffer.is_empty());
}

#[test]
fn acknowledged_block_is_written_into_again() {
    let mut buffer = SendBuffer::default();
    let mut places = Vec::new();
    for _ in 0..1_000 {
        buffer.put(&[5; 128]);
        let mut out = ArrayVec::new();
        buffer.gather(0, 128, &mut out);
        let place = out[0].as_ptr();
        if !places.contains(&place) {
            places.push(place);
        }
        drop(out);
        buffer.acknowledge(128);
    }
    assert!(places.len() <= 8, "{} places", places.len());
}

#[test]
fn two_blocks_take_turns_while_the_last_segment_is_still_on_its_way() {
    let mut buffer = SendBuffer::default();
    let (mut places, mut out) = (Vec::new(), ArrayVec::new());
    for round in 0..1_100 {
        buffer.put(&[5; 128]);
        out.clear();
        buffer.gather(0, 128, &mut out);
        // While blocks still grow, other tests may take what is given back.
        if round >= 100 && !places.contains(&out[0].as_ptr()) {
            places.push(out[0].as_ptr());
        }
        // The device holds the slice until the next segment.
        buffer.acknowledge(128);
    }
    assert!(places.len() <= 8, "{} places", places.len());
}

#[test]
fn acknowledged_blocks_of_a_bulk_transfer_are_written_into_again() {
    let mut buffer = SendBuffer::default();
    let mut places = Vec::new();
    for _ in 0..200 {
        buffer.put(&[1; BLOCK_MAX]);
        let offset = buffer.len() - BLOCK_MAX;
        let mut out = ArrayVec::new();
        buffer.gather(offset, BLOCK_MAX, &mut out);
        if !places.contains(&out[0].as_ptr()) {
            places.push(out[0].as_ptr());
        }
        if buffer.len() > 3 * BLOCK_MAX {
            buffer.acknowledge(BLOCK_MAX);
        }
    }
    assert!(buffer.ring.len() <= 5);
    assert!(places.len() < 12, "{} places", places.len());
}

#[test]
fn short_text_is_read_where_it_was_written_and_leaves_an_empty_block() {
    let mut buffer = SendBuffer::default();
    for _ in 0..100 {
        buffer.put(b"request");
        assert_eq!(short(&buffer, 0, 1000), Some(&b"request"[..]));
        assert_eq!(short(&buffer, 3, 2), Some(&b"ue"[..]));
        buffer.acknowledge(3);
        assert_eq!(short(&buffer, 0, 1000), Some(&b"uest"[..]));
        buffer.acknowledge(4);
        assert_eq!((buffer.chunks.capacity(), buffer.tail.room()), (0, BLOCK_MIN));
    }
    buffer.put(b"in two ");
    buffer.push(Bytes::from_static(b"pieces"));
    assert_eq!(short(&buffer, 0, 13), None);
    assert_eq!((short(&buffer, 0, 7), short(&buffer, 7, 6)), (Some(&b"in two "[..]), Some(&b"pieces"[..])));
}

#[test]
fn small_writes_that_never_all_are_acknowledged_stay_in_one_block() {
    let mut buffer = SendBuffer::default();
    buffer.put(&[0; 10]);
    for octet in 0..200 {
        buffer.put(&[octet; 10]);
        buffer.acknowledge(10);
        assert_eq!(short(&buffer, 0, 10), Some(&[octet; 10][..]));
    }
    assert_eq!((buffer.chunks.len(), buffer.ring.len(), buffer.tail.size), (0, 0, BLOCK_MIN));
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Push(usize),
    Acknowledge(usize),
    Gather(usize, usize),
    /// From where the last one ended.
    Next(usize),
    Short(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..40).prop_map(Step::Write),
        1 => (0usize..3_000).prop_map(Step::Write),
        1 => (0usize..2_000).prop_map(Step::Push),
        2 => (0usize..2_500).prop_map(Step::Acknowledge),
        5 => (0usize..9_000, 0usize..6_000).prop_map(|(offset, max)| Step::Gather(offset, max)),
        5 => (0usize..1_500).prop_map(Step::Next),
        3 => (0usize..9_000, 1usize..1_000).prop_map(|(offset, max)| Step::Short(offset, max)),
    ]
}

proptest! {
    #[test]
    fn send_buffer_agrees_with_a_queue_of_octets(steps in prop::collection::vec(step(), 1..200)) {
        let mut buffer = SendBuffer::default();
        let mut model: VecDeque<u8> = VecDeque::new();
        let (mut octet, mut ended) = (0_u8, 0_usize);
        let mut text = |len: usize| -> Vec<u8> {
            core::iter::repeat_with(|| { octet = octet.wrapping_add(1) % 251; octet }).take(len).collect()
        };
        for step in steps {
            match step {
                Step::Write(len) => {
                    let text = text(len);
                    buffer.put(&text);
                    model.extend(text);
                }
                Step::Push(len) => {
                    let text = text(len);
                    model.extend(&text);
                    buffer.push(Bytes::from(text));
                }
                Step::Acknowledge(len) => {
                    buffer.acknowledge(len);
                    let len = len.min(model.len());
                    model.drain(..len);
                    ended = ended.saturating_sub(len);
                }
                Step::Short(offset, max) => {
                    let there = model.len().saturating_sub(offset).min(max);
                    if let Some(text) = short(&buffer, offset, max) {
                        prop_assert_eq!(text.len(), there);
                        prop_assert!(model.iter().skip(offset).take(there).eq(text));
                    }
                }
                Step::Next(max) => {
                    let (taken, text, slots) = gathered(&mut buffer, ended, max);
                    let there = model.len().saturating_sub(ended).min(max);
                    prop_assert!(taken == there || (taken < there && slots == SLICES));
                    prop_assert!(model.iter().skip(ended).take(taken).eq(text.iter()));
                    ended += taken;
                }
                Step::Gather(offset, max) => {
                    let (taken, text, slots) = gathered(&mut buffer, offset, max);
                    prop_assert_eq!(taken, text.len());
                    let there = model.len().saturating_sub(offset).min(max);
                    prop_assert!(taken == there || (taken < there && slots == SLICES));
                    prop_assert!(model.iter().skip(offset).take(taken).eq(text.iter()));
                }
            }
            prop_assert_eq!(buffer.len(), model.len());
        }
    }
}
