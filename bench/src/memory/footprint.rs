//! What an object costs in memory, by the allocator: everything that the hosts hold, tables included, for each object.

use super::life::Life;
use super::pair::{Pair, Setup};
use super::say;
use crate::{heap, reset_peak};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp};
use linger_proto::{Checksum, Frame, SeqNum};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Object {
    Idle,
    HalfOpen,
    TimeWaitV4,
    TimeWaitV6,
}

impl Object {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "idle" => Some(Self::Idle),
            "half_open" => Some(Self::HalfOpen),
            "time_wait" | "time_wait_v4" => Some(Self::TimeWaitV4),
            "time_wait_v6" => Some(Self::TimeWaitV6),
            _ => None,
        }
    }
}

/// Makes `count` objects of the kind `name`. False when there is no such kind.
pub fn footprint(name: &str, count: u32) -> bool {
    let Some(object) = Object::named(name) else { return false };
    let before = heap();
    let resident = resident();
    reset_peak();
    let setup = Setup { ipv6: object == Object::TimeWaitV6, ..Setup::default() };
    let mut pair = Pair::new(&setup);
    let ends = match object {
        Object::Idle => {
            drop(pair.idle(count));
            2.0
        }
        Object::HalfOpen => {
            half_open(&mut pair, count);
            1.0
        }
        Object::TimeWaitV4 | Object::TimeWaitV6 => {
            time_wait(&mut pair, count);
            1.0
        }
    };
    let after = heap();
    let objects = f64::from(count) * ends;
    say("bytes", format_args!("{:.1}", (after.live - before.live) as f64 / objects));
    say("peak_bytes", format_args!("{:.1}", (after.peak - before.live) as f64 / objects));
    say("resident_bytes", format_args!("{:.1}", resident_since(resident) / objects));
    drop(pair);
    true
}

fn time_wait(pair: &mut Pair, count: u32) {
    let mut life = Life::new();
    // None expires. Slower than that and the timers of lives gone by would be fewer still.
    let step = (Duration::from_secs(50) / count).min(Duration::from_micros(20));
    for number in 0..count {
        pair.wait(step);
        pair.connect_other(number);
        pair.live(&mut life);
    }
    // Timers of the lives come up and are gone.
    pair.settle(&mut life);
    assert_eq!(pair.server.counters().time_wait_entered, u64::from(count));
}

/// The SYNs are written by hand, since a client would hold a connection for each.
fn half_open(pair: &mut Pair, count: u32) {
    let mut number = 0;
    while number < count {
        let frames: Vec<Frame> = (number..count.min(number + 16)).map(|n| syn(pair, n)).collect();
        number += 16;
        pair.server.handle_frames(pair.now, pair.interface, &mut frames.into_iter());
        let mut out = linger_proto::Transmit::default();
        while pair.server.poll_transmit(pair.now, &mut out) {}
    }
    assert_eq!(pair.server.counters().drops, linger_proto::DropCounters::default(), "all are half-open");
}

/// A SYN as Linux makes it.
pub(super) fn syn(pair: &mut Pair, number: u32) -> Frame {
    let (server, client) = pair.other(number);
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (client.ip(), server.ip()) else {
        return Frame::default();
    };
    let options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamp: Some(Timestamp { val: number, ecr: 0 }),
        ..Options::default()
    };
    let header = Header {
        source: client.port(),
        destination: server.port(),
        seq: SeqNum(number),
        flags: Flags::SYN,
        wnd: 64240,
        options,
        ..Header::default()
    };
    Frame {
        checksum: Checksum::Verified,
        ..Frame::from(bytes::Bytes::from(packet(source, destination, &header)))
    }
}

fn packet(source: Ipv4Addr, destination: Ipv4Addr, header: &Header) -> Vec<u8> {
    use linger_proto::wire::ip::{IpRepr, PROTOCOL_TCP, emit_header};
    let mut out = Default::default();
    emit_header(
        &IpRepr {
            source: source.into(),
            destination: destination.into(),
            protocol: PROTOCOL_TCP,
            payload_len: linger_proto::wire::tcp::HEADER_LEN + header.options.wire_len(),
            hop_limit: 64,
            ecn: 0,
            identification: 0,
            dont_fragment: true,
        },
        &mut out,
    );
    linger_proto::wire::tcp::emit(header, 0, &mut out);
    out.to_vec()
}

/// Octets of memory that the process has.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn resident_since(before: u64) -> f64 {
    resident().saturating_sub(before) as f64
}
