//! Single steps of a packet's way, alone, for instruction counters.
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;
use bytes::Bytes;
use linger_proto::SeqNum;
use linger_proto::wire::address::Address;
use linger_proto::wire::checksum::{Sum, fits};
use linger_proto::wire::ip::{PROTOCOL_TCP, Plain, plain_v4, plain_v6};
use linger_proto::wire::packet::{Ends, Mark, Text, write_headers};
use linger_proto::wire::tcp::{Flags, Header, Options, Timestamp, View};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: parts parse 4|6 LEN N
       parts emit 4|6 LEN N
       parts sum LEN N

Does one step N times and says how long one took: reading or writing the headers of a TCP segment with timestamps and
LEN octets of text over IPv4 or IPv6, checksums included; the checksum of LEN octets.
example: parts sum 1460 1000000";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["parse", family, len, n] => {
            packet(family, len, n).map(|(v6, len, n)| timed(n, || parse(v6, len, n)))
        }
        ["emit", family, len, n] => packet(family, len, n).map(|(v6, len, n)| timed(n, || emit(v6, len, n))),
        ["sum", len, n] => number(len).zip(number(n)).map(|(len, n)| timed(n, || sum(len, n))),
        _ => None,
    };
    let Some(nanoseconds) = done else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    println!("{nanoseconds:.2} ns");
    ExitCode::SUCCESS
}

fn packet(family: &str, len: &str, n: &str) -> Option<(bool, usize, usize)> {
    let v6 = match family {
        "4" => false,
        "6" => true,
        _ => return None,
    };
    let len = number(len).filter(|len| *len <= 65_000)?;
    Some((v6, len, number(n)?))
}

/// Nanoseconds for one of `n` times.
fn timed(n: usize, work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e9 / n as f64
}

fn number(word: &str) -> Option<usize> {
    word.parse().ok()
}

fn ends(v6: bool) -> Ends {
    let address = |last| {
        if v6 {
            Address::v6([0xfd, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
        } else {
            Address::v4([10, 0, 0, last])
        }
    };
    Ends { source: address(1), destination: address(2), ports: 40_000 << 16 | 80, mark: Mark::default() }
}

fn header() -> Header {
    let timestamp = Some(Timestamp { val: 0x0102_0304, ecr: 0x0506_0708 });
    Header {
        seq: SeqNum(1_000_000_007),
        ack: SeqNum(2_000_000_011),
        flags: Flags::ACK.with(Flags::PSH),
        wnd: 12_345,
        options: Options { timestamp, ..Options::default() },
        ..Header::default()
    }
}

#[inline(never)]
fn parse(v6: bool, len: usize, n: usize) {
    let (text, mut headers) = (Bytes::from(pattern(len)), ArrayVec::new());
    write_headers(
        ends(v6),
        &header(),
        Text { short: &[], slices: std::slice::from_ref(&text) },
        false,
        &mut headers,
    );
    let frame = [&headers[..], &text].concat();
    for _ in 0..n {
        let good = read(black_box(&frame), &mut Options::default());
        assert!(good.is_some());
    }
}

/// What a host does with a plain packet before it looks for the connection, but for whose the addresses are.
fn read(frame: &[u8], options: &mut Options) -> Option<()> {
    let (source, destination, place) = match plain_v4(frame) {
        Some(Plain { source, destination, segment }) => {
            (Address::v4(source), Address::v4(destination), segment)
        }
        None => {
            let Plain { source, destination, segment } = plain_v6(frame)?;
            (Address::v6(source), Address::v6(destination), segment)
        }
    };
    let segment = &frame[place];
    if !fits(source, destination, PROTOCOL_TCP, segment) {
        return None;
    }
    let view = View::new(segment).ok()?;
    view.read_options(options).ok()?;
    black_box(&mut *options);
    black_box((view.ports().ok()?, view.numbers(), view.flags(), view.window_and_urgent()));
    Some(())
}

#[inline(never)]
fn emit(v6: bool, len: usize, n: usize) {
    let (text, mut out) = (Bytes::from(pattern(len)), ArrayVec::new());
    let text: &[Bytes] = if len == 0 { &[] } else { std::slice::from_ref(&text) };
    let (header, ends) = (header(), ends(v6));
    for _ in 0..n {
        write_headers(
            *black_box(&ends),
            black_box(&header),
            Text { short: &[], slices: black_box(text) },
            false,
            &mut out,
        );
        black_box(&mut out);
    }
}

#[inline(never)]
fn sum(len: usize, n: usize) {
    let octets = pattern(len);
    for _ in 0..n {
        let mut sum = Sum::default();
        sum.add(black_box(&octets));
        black_box(sum.finish());
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}
