use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const LIMIT: usize = 64 << 10;

/// A receiver: the buffer, RCV.NXT, and what it was before anything came.
struct Receiver {
    buffer: RecvBuffer,
    irs: SeqNum,
    nxt: SeqNum,
    limit: usize,
}

fn octet(position: u32) -> u8 {
    u8::try_from(position.wrapping_mul(2_654_435_761) >> 24).unwrap()
}

impl Receiver {
    fn new(irs: u32) -> Self {
        Self { buffer: RecvBuffer::default(), irs: SeqNum(irs), nxt: SeqNum(irs), limit: LIMIT }
    }

    /// The octets of the stream at `from .. from + len`, in a frame with headers of 52 octets.
    fn segment(&mut self, from: u32, len: u32) -> Inserted {
        self.in_frame(from, len, len as usize + 52)
    }

    fn in_frame(&mut self, from: u32, len: u32, frame_len: usize) -> Inserted {
        let text: Vec<u8> = (from..from + len).map(octet).collect();
        let (seq, mut text) = (self.irs + from, Bytes::from(text));
        // The next text can come either way.
        let inserted = if seq == self.nxt && len > 0 && !self.buffer.has_gap() && frame_len.is_multiple_of(2)
        {
            let most = RecvBuffer::charge_max(self.limit);
            let charged = self.buffer.push(&mut text, frame_len, self.limit, most);
            assert_eq!((charged, text.len()), (self.buffer.charged(), 0));
            Inserted { advanced: len, stored: true, ..Inserted::default() }
        } else {
            self.buffer.insert(self.nxt, seq, text, frame_len, self.limit)
        };
        self.nxt += inserted.advanced;
        assert!(self.buffer.charged() <= 2 * self.limit, "{} charged", self.buffer.charged());
        inserted
    }

    /// Blocks relative to the first octet.
    fn sack(&self) -> Vec<(u32, u32)> {
        let mut out = ArrayVec::new();
        self.buffer.sack_blocks(self.nxt, &mut out);
        out.iter().map(|(left, right)| (left.since(self.irs), right.since(self.irs))).collect()
    }

    fn read_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(chunk) = self.buffer.read_chunk(usize::MAX) {
            all.extend_from_slice(&chunk);
        }
        all
    }
}

fn stream(len: u32) -> Vec<u8> {
    (0..len).map(octet).collect()
}

#[test]
fn text_in_order_is_kept_as_a_slice_of_its_frame() {
    let mut buffer = RecvBuffer::default();
    let text = Bytes::from(vec![3; 1_000]);
    let inserted = buffer.insert(SeqNum(9), SeqNum(9), text.clone(), 1_052, LIMIT);
    assert_eq!(inserted, Inserted { advanced: 1_000, stored: true, refused: false, copied: 0 });
    assert_eq!((buffer.readable(), buffer.charged()), (1_000, 1_052 + PIECE_COST));
    assert_eq!(buffer.read_chunk(600).unwrap().as_ptr(), text.as_ptr());
    assert_eq!(buffer.charged(), 1_052 + PIECE_COST, "half a slice pins all of its frame");
    assert_eq!(buffer.read_chunk(600).unwrap().len(), 400);
    assert_eq!((buffer.charged(), buffer.is_empty(), buffer.read_chunk(1)), (0, true, None));
}

#[test]
fn text_that_came_in_two_pieces_is_not_taken_for_one() {
    let mut receiver = Receiver::new(5);
    receiver.segment(0, 100);
    receiver.segment(100, 100);
    assert_eq!(receiver.buffer.take_whole(4_000), None);
    assert_eq!(receiver.buffer.take_piece(99), None);
    assert_eq!(receiver.buffer.take_piece(100).unwrap(), stream(100));
    assert_eq!((receiver.buffer.readable(), receiver.buffer.charged()), (100, 152 + PIECE_COST));
    assert_eq!(receiver.buffer.take_piece(4_000).unwrap(), stream(200)[100..]);
    assert_eq!((receiver.buffer.charged(), receiver.buffer.is_empty()), (0, true));
}

#[test]
fn single_octets_in_order_cost_about_an_octet_each() {
    let mut receiver = Receiver::new(u32::MAX - 500);
    for n in 0..30_000 {
        let inserted = receiver.in_frame(n, 1, 41);
        assert_eq!((inserted.advanced, inserted.copied), (1, 1));
    }
    let charged = receiver.buffer.charged();
    assert!(charged < 30_000 * 13 / 10, "{charged}");
    assert_eq!(receiver.read_all(), stream(30_000));
    assert!(receiver.buffer.charged() <= 700 && receiver.buffer.is_empty());
}

#[test]
fn single_octets_in_frames_of_64_kib_do_not_pin_them() {
    let mut receiver = Receiver::new(1);
    for n in 0..30_000 {
        assert!(receiver.in_frame(n, 1, 65_535).stored);
    }
    assert!(receiver.buffer.charged() < 40_000);
}

#[test]
fn text_in_order_is_accepted_to_the_last_octet_of_the_window_whatever_it_pins() {
    // Text that just escapes the rule of the quarter pins four times its size.
    for len in [26, 300, 1_000, 4_000] {
        let mut receiver = Receiver::new(77);
        let mut at = 0;
        while at < u32::try_from(LIMIT).unwrap() {
            let now = len.min(u32::try_from(LIMIT).unwrap() - at);
            let inserted = receiver.in_frame(at, now, len as usize * 4);
            assert_eq!(inserted.advanced, now);
            at += now;
        }
        assert_eq!(receiver.buffer.readable(), LIMIT);
        assert_eq!(receiver.read_all(), stream(at));
    }
}

#[test]
fn hole_that_fills_releases_everything_behind_it() {
    let mut receiver = Receiver::new(u32::MAX - 1_500);
    assert!(receiver.segment(1_000, 1_000).stored);
    assert!(receiver.segment(2_000, 1_000).stored);
    assert!(receiver.segment(4_000, 1_000).stored);
    assert!(receiver.buffer.has_gap());
    assert_eq!(receiver.buffer.readable(), 0);
    assert_eq!(receiver.segment(0, 1_000).advanced, 3_000);
    assert!(receiver.buffer.has_gap());
    assert_eq!(receiver.segment(3_000, 1_000).advanced, 2_000);
    assert!(!receiver.buffer.has_gap());
    assert_eq!(receiver.read_all(), stream(5_000));
    assert_eq!(receiver.buffer.charged(), 0);
}

#[test]
fn duplicate_text_stores_nothing() {
    let mut receiver = Receiver::new(5);
    receiver.segment(0, 1_000);
    assert_eq!(receiver.segment(0, 1_000), Inserted::default());
    assert_eq!(receiver.segment(500, 0), Inserted::default());
    receiver.segment(2_000, 1_000);
    let charged = receiver.buffer.charged();
    assert_eq!(receiver.segment(2_000, 1_000), Inserted::default());
    assert_eq!(receiver.segment(2_200, 100), Inserted::default());
    assert_eq!(receiver.buffer.charged(), charged);
    // Half old, half new.
    assert_eq!(receiver.segment(500, 1_000).advanced, 500);
}

#[test]
fn early_text_covered_by_later_text_is_replaced_and_uncharged() {
    let mut receiver = Receiver::new(5);
    receiver.segment(2_000, 100);
    receiver.segment(3_000, 100);
    receiver.segment(4_000, 100);
    receiver.segment(1_500, 2_550);
    assert_eq!(receiver.sack(), [(1_500, 4_100)]);
    assert_eq!(receiver.segment(0, 5_000).advanced, 5_000);
    assert_eq!(receiver.buffer.charged(), 5_052 + PIECE_COST);
    assert_eq!(receiver.read_all(), stream(5_000));
}

// requirement: 2018-4
#[test]
fn first_sack_block_holds_the_segment_that_came_last() {
    let mut receiver = Receiver::new(u32::MAX - 3_000);
    receiver.segment(1_000, 500);
    receiver.segment(3_000, 500);
    assert_eq!(receiver.sack(), [(3_000, 3_500), (1_000, 1_500)]);
    receiver.segment(1_500, 500);
    assert_eq!(receiver.sack(), [(1_000, 2_000), (3_000, 3_500)]);
    // A duplicate triggers an acknowledgment as well.
    receiver.segment(3_100, 10);
    assert_eq!(receiver.sack(), [(3_000, 3_500), (1_000, 2_000)]);
}

// requirement: 2018-6
#[test]
fn other_sack_blocks_follow_by_how_recently_they_changed() {
    let mut receiver = Receiver::new(0);
    for n in [1_u32, 2, 3, 4, 5, 6] {
        receiver.segment(n * 1_000, 100);
    }
    receiver.segment(2_100, 100);
    let lefts: Vec<u32> = receiver.sack().iter().map(|(left, _)| *left).collect();
    assert_eq!(lefts, [2_000, 6_000, 5_000, 4_000]);
    // Joined blocks are one block.
    receiver.segment(5_100, 900);
    assert_eq!(receiver.sack()[..2], [(5_000, 6_100), (2_000, 2_200)]);
    // What was delivered is reported no more.
    receiver.segment(0, 5_000);
    assert_eq!(receiver.sack(), []);
    assert_eq!(receiver.nxt.since(receiver.irs), 6_100);
}

#[test]
fn forgotten_blocks_fill_the_room_that_the_remembered_ones_leave() {
    let mut receiver = Receiver::new(0);
    for n in 1..=20_u32 {
        receiver.segment(n * 100, 10);
    }
    // Everything remembered becomes one block; the others come from the left.
    receiver.segment(1_200, 900);
    assert_eq!(receiver.sack(), [(1_200, 2_100), (100, 110), (200, 210), (300, 310)]);
}

#[test]
fn early_single_octets_in_random_order_are_bounded_by_the_memory_they_take() {
    let mut receiver = Receiver::new(0);
    let (mut stored, mut refused) = (0, 0);
    let mut position = 1_u32;
    for _ in 0..20_000 {
        position = position * 48_271 % 65_521;
        let inserted = receiver.in_frame(position + 1, 1, 60);
        stored += u32::from(inserted.stored);
        refused += u32::from(inserted.refused);
    }
    assert!(stored > 100 && refused > 10_000, "{stored} stored, {refused} refused");
    assert!(receiver.buffer.charged() <= LIMIT);
    // The bound closes no door: text in order goes on.
    let inserted = receiver.segment(0, 1_000);
    assert!(inserted.advanced >= 1_000);
}

#[test]
fn whole_window_of_full_segments_waits_behind_one_lost_segment() {
    let mut receiver = Receiver::new(0);
    let segments = u32::try_from(LIMIT).unwrap() / 1_448;
    for n in (1..segments).rev() {
        assert!(receiver.in_frame(n * 1_448, 1_448, 1_500).stored);
    }
    assert_eq!(receiver.segment(0, 1_448).advanced, segments * 1_448);
    assert_eq!(receiver.read_all(), stream(segments * 1_448));
}

#[test]
fn leftover_keeps_what_can_be_read_and_nothing_else() {
    let mut receiver = Receiver::new(0);
    receiver.segment(0, 100);
    receiver.segment(500, 100);
    let mut leftover = Box::new(receiver.buffer).into_leftover().unwrap();
    assert!(!leftover.has_gap());
    let mut out = [0; 200];
    assert_eq!(leftover.read(&mut out), 100);
    assert_eq!(out[..100], stream(100));
    let mut early = Receiver::new(0);
    early.segment(500, 100);
    assert!(Box::new(early.buffer).into_leftover().is_none());
}

#[test]
fn reading_in_small_steps_takes_every_octet_once() {
    let mut receiver = Receiver::new(0);
    receiver.segment(0, 1_000);
    for n in 0..200 {
        receiver.in_frame(1_000 + n, 1, 60);
    }
    receiver.segment(1_200, 1_000);
    let mut all = Vec::new();
    let mut out = [0; 7];
    loop {
        let count = receiver.buffer.read(&mut out);
        if count == 0 {
            break;
        }
        all.extend_from_slice(&out[..count]);
    }
    assert_eq!(all, stream(2_200));
}

#[derive(Clone, Debug)]
enum Step {
    /// Ahead of RCV.NXT by so much (negative: behind), so long, in a frame so many times as large.
    Segment {
        ahead: i32,
        len: u32,
        frame: usize,
    },
    Read(usize),
    ReadChunk(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let segment = |ahead, len| {
        (ahead, len, 1usize..12).prop_map(|(ahead, len, frame)| Step::Segment { ahead, len, frame })
    };
    prop_oneof![
        4 => segment(-30..60_i32, 1..40_u32),
        3 => segment(-2_000..16_000_i32, 0..3_000_u32),
        3 => segment(0..1_i32, 1..3_000_u32),
        1 => (0usize..4_000).prop_map(Step::Read),
        1 => (0usize..4_000).prop_map(Step::ReadChunk),
    ]
}

/// The stream as a receiver without any cleverness has it: octet by octet.
struct Model {
    octets: Vec<Option<u8>>,
    next: usize,
    read: usize,
}

impl Model {
    /// Whether anything of it was new.
    fn store(&mut self, from: usize, text: impl Iterator<Item = u8>) -> bool {
        let mut new = false;
        for (position, octet) in (from..).zip(text) {
            if position >= self.octets.len() {
                self.octets.resize(position + 1, None);
            }
            new |= self.octets[position].replace(octet).is_none();
        }
        while self.octets.get(self.next).is_some_and(Option::is_some) {
            self.next += 1;
        }
        new
    }

    fn blocks(&self) -> Vec<(u32, u32)> {
        let mut blocks = Vec::new();
        let mut open = None;
        for position in self.next..=self.octets.len() {
            let held = self.octets.get(position).is_some_and(Option::is_some);
            match (held, open) {
                (true, None) => open = Some(position),
                (false, Some(start)) => {
                    blocks.push((u32::try_from(start).unwrap(), u32::try_from(position).unwrap()));
                    open = None;
                }
                _ => {}
            }
        }
        blocks
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn receive_buffer_agrees_with_a_vector_of_octets(
        irs in prop_oneof![Just(0), Just(u32::MAX - 3_000), Just(1 << 31), any::<u32>()],
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let limit = 16 << 10;
        let mut receiver = Receiver { limit, ..Receiver::new(irs) };
        let mut model = Model { octets: Vec::new(), next: 0, read: 0 };
        for step in steps {
            match step {
                Step::Segment { ahead, len, frame } => {
                    let next = model.next;
                    let from = u32::try_from(i64::try_from(next).unwrap() + i64::from(ahead)).unwrap_or(0);
                    // The caller trims to the window.
                    let edge = u32::try_from(model.read + limit).unwrap();
                    let len = len.min(edge.saturating_sub(from));
                    let inserted = receiver.in_frame(from, len, len as usize * frame + 52);
                    if inserted.refused {
                        prop_assert!(from as usize > next);
                        prop_assert_eq!(inserted, Inserted { refused: true, ..Inserted::default() });
                    } else {
                        let stored = model.store(from as usize, (from..from + len).map(octet));
                        prop_assert_eq!(inserted.stored, stored);
                        prop_assert_eq!(inserted.advanced as usize, model.next - next);
                    }
                }
                Step::Read(len) => {
                    let mut out = vec![0; len];
                    let count = match receiver.buffer.take_whole(len) {
                        Some(whole) => {
                            out[..whole.len()].copy_from_slice(&whole);
                            prop_assert!(receiver.buffer.is_empty());
                            whole.len()
                        }
                        None => receiver.buffer.read(&mut out),
                    };
                    prop_assert_eq!(count, len.min(model.next - model.read));
                    for octet in &out[..count] {
                        prop_assert_eq!(Some(*octet), model.octets[model.read]);
                        model.read += 1;
                    }
                }
                Step::ReadChunk(max) => {
                    let piece = receiver.buffer.take_piece(max);
                    let chunk = piece.or_else(|| receiver.buffer.read_chunk(max));
                    prop_assert_eq!(chunk.is_none(), max == 0 || model.next == model.read);
                    for octet in chunk.iter().flatten() {
                        prop_assert_eq!(Some(*octet), model.octets[model.read]);
                        model.read += 1;
                    }
                }
            }
            if receiver.buffer.is_empty() {
                receiver.buffer.shrink();
            }
            let blocks = model.blocks();
            prop_assert_eq!(receiver.buffer.readable(), model.next - model.read);
            prop_assert_eq!(receiver.buffer.has_gap(), !blocks.is_empty());
            let sack = receiver.sack();
            prop_assert_eq!(sack.len(), blocks.len().min(4));
            prop_assert!(sack.iter().all(|block| blocks.contains(block)), "{:?} {:?}", sack, blocks);
        }
    }
}
