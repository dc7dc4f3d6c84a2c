//! The straight line of the segment that was expected against the steps of any segment: the same host afterwards.

use super::solo::{Solo, seg};
use super::*;
use crate::TcpConfig;
use crate::tcp::connection::Phase;
use crate::tcp::tcb::Tcb;
use crate::wire::tcp::{Options, Timestamp};
use core::hash::{Hash as _, Hasher as _};
use proptest::prelude::*;
use siphasher::sip::SipHasher13;

/// A segment, told from where the connection stands when it arrives.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    seq: i32,
    /// Octets beyond SND.UNA, of those in flight.
    ack: u32,
    text: usize,
    flags: Flags,
    wnd: u16,
    ts: i32,
    echo: u32,
    bad: Option<usize>,
}

#[derive(Clone, Debug)]
enum Act {
    /// They arrive together.
    Segments(Vec<Arriving>),
    Write(usize),
    Read(usize),
    Transmit,
    Wait(u32),
    Shutdown,
    Close,
}

fn arriving() -> impl Strategy<Value = Arriving> {
    let seq = prop_oneof![12 => Just(0), 1 => Just(-1), 1 => Just(1), 1 => -40..40];
    let ack = prop_oneof![4 => Just(u32::MAX), 2 => Just(0), 2 => 0..3000u32];
    let text = prop_oneof![3 => Just(0usize), 3 => 1..40usize, 2 => Just(988), 1 => 1..2500usize];
    let more = prop_oneof![
        12 => Just(Flags(0)),
        6 => Just(Flags::PSH),
        1 => Just(Flags::FIN),
        1 => Just(Flags::URG),
        1 => Just(Flags::SYN)
    ];
    let wnd = prop_oneof![8 => Just(500), 1 => Just(0), 2 => 0..600u16];
    let ts = prop_oneof![4 => Just(0), 4 => Just(1), 1 => Just(-1), 1 => 2..2000];
    let bad = prop::option::weighted(0.05, 0..84usize);
    (seq, ack, text, more, wnd, ts, 0..3u32, bad).prop_map(|(seq, ack, text, more, wnd, ts, echo, bad)| {
        Arriving { seq, ack, text, flags: Flags::ACK.with(more), wnd, ts, echo, bad }
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => prop::collection::vec(arriving(), 1..4).prop_map(Act::Segments),
        3 => (1..3000usize).prop_map(Act::Write),
        3 => (1..3000usize).prop_map(Act::Read),
        4 => Just(Act::Transmit),
        3 => prop_oneof![1..90u32, 90..9_000u32].prop_map(Act::Wait),
        1 => Just(Act::Shutdown),
        1 => Just(Act::Close),
    ]
}

fn tcb(solo: &Solo) -> Option<&Tcb> {
    match &solo.host.connections.get(solo.id.index)?.phase {
        Phase::Synchronized(tcb) => Some(tcb),
        _ => None,
    }
}

/// The packet of a segment, once as it is and once with a bit set that means nothing and that no expected segment has.
fn packets(solo: &Solo, arriving: &Arriving) -> Option<[Bytes; 2]> {
    let tcb = tcb(solo)?;
    let header = Header {
        seq: tcb.rcv.nxt + arriving.seq.cast_unsigned(),
        ack: tcb.snd.una + arriving.ack.min(tcb.outstanding()),
        flags: arriving.flags,
        wnd: arriving.wnd,
        urgent: 5,
        options: Options {
            timestamp: tcb.ts().map(|ts| Timestamp {
                val: ts.recent.wrapping_add_signed(arriving.ts),
                ecr: tcb.ts_val(solo.now) - arriving.echo,
            }),
            ..Options::default()
        },
        ..Header::default()
    };
    let packet = forge(&solo.tuple.reversed(), &header, &vec![7; arriving.text]).to_vec();
    let mut marked = packet.clone();
    marked[32] |= 1;
    let sum = u16::from_be_bytes([marked[36], marked[37]]);
    let less = sum.checked_sub(0x100).unwrap_or(sum.wrapping_sub(0x101));
    marked[36..38].copy_from_slice(&less.to_be_bytes());
    Some([packet, marked].map(|mut packet| {
        if let Some(at) = arriving.bad {
            let at = at % packet.len();
            packet[at] ^= 2;
        }
        packet.into()
    }))
}

/// All that can be seen of a host.
fn seen(solo: &mut Solo, transmit: bool) -> impl PartialEq + core::fmt::Debug + use<> {
    let mut sent = Vec::new();
    let mut out = Transmit::default();
    while transmit && solo.host.poll_transmit(solo.now, &mut out) {
        sent.push(out.to_bytes());
    }
    let events: Vec<Event> = core::iter::from_fn(|| solo.host.poll_event()).collect();
    let mut hash = SipHasher13::new();
    solo.host.write_canonical(solo.now, &mut hash);
    solo.host.recv_total.hash(&mut hash);
    (sent, events, solo.host.poll_timeout(), alloc::format!("{:?}", solo.host.counters()), hash.finish())
}

fn does(solo: &mut Solo, act: &Act, which: usize) {
    match act {
        Act::Segments(segments) => {
            let frames: Vec<_> = segments
                .iter()
                .filter_map(|arriving| packets(solo, arriving))
                .map(|packets| Frame::from(packets[which].clone()))
                .collect();
            solo.host.handle_frames(solo.now, InterfaceId(0), &mut frames.into_iter());
        }
        Act::Write(octets) => {
            if let Some(mut stream) = solo.host.stream(solo.id) {
                let _may_be_blocked = stream.write(solo.now, &vec![3; *octets]);
            }
        }
        Act::Read(octets) => {
            if let Some(mut stream) = solo.host.stream(solo.id) {
                let _may_be_blocked = stream.read(solo.now, &mut vec![0; *octets]);
            }
        }
        Act::Transmit => {}
        Act::Shutdown => {
            if let Some(mut stream) = solo.host.stream(solo.id) {
                let _may_be_over = stream.shutdown(solo.now);
            }
        }
        Act::Close => {
            if let Some(stream) = solo.host.stream(solo.id) {
                stream.close(solo.now);
            }
        }
        Act::Wait(ms) => {
            solo.now += Duration::from_millis(u64::from(*ms));
            solo.host.handle_timeout(solo.now);
        }
    }
}

fn established(timestamps: bool) -> Solo {
    let tcp = TcpConfig { timestamps, recv_buffer: 6000, ..TcpConfig::default() };
    let mut syn = seg(Flags::SYN, -1, 0).mss(1000);
    syn.options.window_scale = Some(6);
    Solo::listening(tcp).accepted_with(if timestamps { syn.ts(70_000, 0) } else { syn })
}

proptest! {
    #[test]
    fn expected_segments_leave_the_host_as_the_steps_of_any_segment_do(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut straight = established(true);
        let mut stepwise = established(true);
        for act in &acts {
            does(&mut straight, act, 0);
            does(&mut stepwise, act, 1);
            let transmit = matches!(act, Act::Transmit);
            prop_assert_eq!(seen(&mut straight, transmit), seen(&mut stepwise, transmit), "{:?}", act);
        }
    }
}

fn is_predicted(solo: &mut Solo, packet: &Bytes) -> bool {
    solo.host.handle_predicted(solo.now, InterfaceId(0), solo.id.index, &mut Frame::from(packet.clone()))
}

const USUAL: Arriving =
    Arriving { seq: 0, ack: 0, text: 32, flags: Flags::ACK, wnd: 500, ts: 0, echo: 0, bad: None };
const FIN: Arriving = Arriving { flags: Flags::ACK.with(Flags::FIN), ..USUAL };
const BARE: Arriving = Arriving { text: 0, ..USUAL };

/// Whether a segment takes the straight line to such a host.
fn takes_it(solo: &Solo, arriving: Arriving) -> bool {
    let mut solo = Solo { host: solo.host.clone(), events: Vec::new(), ..*solo };
    let [packet, marked] = packets(&solo, &arriving).unwrap();
    assert!(!is_predicted(&mut solo, &marked), "a reserved bit");
    is_predicted(&mut solo, &packet)
}

/// The host has `octets` in flight.
fn sent(solo: &mut Solo, octets: usize) {
    solo.host.stream(solo.id).unwrap().write(solo.now, &vec![3; octets]).unwrap();
    let mut out = Transmit::default();
    while solo.host.poll_transmit(solo.now, &mut out) {}
}

#[test]
fn next_segment_takes_the_straight_line() {
    let mut solo = established(true);
    let push = Arriving { flags: Flags::ACK.with(Flags::PSH), text: 988, ts: 1, ..USUAL };
    let full = Arriving { text: 6000, ..USUAL };
    let full_with_fin = Arriving { text: 5999, ..FIN };
    for arriving in [USUAL, push, full, full_with_fin, FIN, BARE, Arriving { text: 0, ..FIN }] {
        assert!(takes_it(&solo, arriving), "{arriving:?}");
    }
    sent(&mut solo, 1500);
    for arriving in [USUAL, Arriving { ack: 1, ..BARE }, Arriving { ack: u32::MAX, ..BARE }] {
        assert!(takes_it(&solo, arriving), "{arriving:?}");
    }
}

#[test]
fn what_any_step_has_something_to_say_about_does_not() {
    let mut solo = established(true);
    let unusual = [
        Arriving { seq: 1, ..USUAL },
        Arriving { seq: -1, ..USUAL },
        Arriving { ts: -1, ..USUAL },
        Arriving { flags: Flags::ACK.with(Flags::URG), ..USUAL },
        Arriving { flags: Flags::ACK.with(Flags::RST), ..BARE },
        Arriving { text: 6001, ..USUAL },
        Arriving { text: 6000, ..FIN },
        Arriving { bad: Some(60), ..USUAL },
        Arriving { bad: Some(10), ..USUAL },
    ];
    for arriving in unusual {
        assert!(!takes_it(&solo, arriving), "{arriving:?}");
    }
    let [early, _] = packets(&solo, &Arriving { seq: 50, ..USUAL }).unwrap();
    let [next, _] = packets(&solo, &USUAL).unwrap();
    let mut waiting = Solo { host: solo.host.clone(), events: Vec::new(), ..solo };
    waiting.host.handle_frames(waiting.now, InterfaceId(0), &mut [Frame::from(early)].into_iter());
    assert!(!is_predicted(&mut waiting, &next), "it fills a part of a gap");
    sent(&mut solo, 1500);
    assert!(!takes_it(&solo, BARE), "a duplicate ACK");
    assert!(!is_predicted(&mut established(false), &next), "no timestamps");
}

#[test]
fn fin_takes_the_straight_line_to_a_connection_that_nobody_reads_and_text_does_not() {
    let solo = established(true);
    let mut closed = Solo { host: solo.host.clone(), events: Vec::new(), ..solo };
    closed.host.stream(closed.id).unwrap().close(closed.now);
    assert!(takes_it(&closed, Arriving { text: 0, ..FIN }));
    assert!(!takes_it(&closed, USUAL) && !takes_it(&closed, FIN));
    let mut ended = solo;
    let [fin, _] = packets(&ended, &FIN).unwrap();
    assert!(is_predicted(&mut ended, &fin));
    assert!(takes_it(&ended, BARE));
    assert!(!takes_it(&ended, USUAL) && !takes_it(&ended, FIN), "after the end");
}
