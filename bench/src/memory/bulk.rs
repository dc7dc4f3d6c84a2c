//! As much text as goes, in one direction.
//!
//! The sending application fills a block of memory and hands it over; the receiving one looks at what came where it
//! lies. The text is written once, copied once into a frame, and summed at both ends.

use super::pair::{App, Pair, Setup};
use super::pool::Pool;
use super::say;
use crate::Cpu;
use bytes::Bytes;
use linger_proto::{ConnectionId, Event, Host, Instant, TcpConfig};
use std::time::Duration;

/// What the sending application hands over at a time, octets.
const BLOCK: usize = 64 << 10;

pub(super) struct Bulk {
    pool: Pool,
    pending: Bytes,
    /// Octets that the sending application has not written yet.
    pub(super) left: u64,
    got: u64,
    client: Option<ConnectionId>,
}

impl Bulk {
    /// A connection with buffers of `buffer` octets at both ends next to `idle` others, and nothing written yet.
    pub(super) fn begin(mtu: u16, checksums: bool, buffer: u32, idle: u32) -> (Pair, Self) {
        let tcp = TcpConfig { send_buffer: buffer, recv_buffer: buffer, ..TcpConfig::default() };
        let mut pair = Pair::new(&Setup { mtu, checksums, tcp, ..Setup::default() });
        pair.idle(idle);
        let mut bulk = Self { pool: Pool::default(), pending: Bytes::new(), left: 0, got: 0, client: None };
        pair.connect();
        pair.run(&mut bulk);
        (pair, bulk)
    }

    /// Writes `octets` and reads them.
    pub(super) fn transfer(&mut self, pair: &mut Pair, octets: u64) {
        (self.left, self.got) = (octets, 0);
        while self.got < octets {
            let before = pair.wire.carried;
            self.fill(&mut pair.client, pair.now);
            pair.run(self);
            assert!(self.got == octets || pair.wire.carried > before, "stuck at {} octets", self.got);
            pair.wait(Duration::from_millis(1));
        }
    }

    /// Writes until the host takes no more.
    fn fill(&mut self, host: &mut Host, now: Instant) {
        let Some(mut stream) = self.client.and_then(|id| host.stream(id)) else { return };
        loop {
            if self.pending.is_empty() {
                let len = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
                if len == 0 {
                    return;
                }
                self.left -= len as u64;
                self.pending = self.pool.fill(BLOCK, |room| room.resize(len, 0x5a));
            }
            if stream.write_chunk(now, &mut self.pending).is_err() {
                return;
            }
        }
    }
}

impl App for Bulk {
    fn client(&mut self, host: &mut Host, now: Instant, event: Event) {
        match event {
            Event::Connected(id) => {
                self.client = Some(id);
                self.fill(host, now);
            }
            Event::Writable(_) => self.fill(host, now),
            _ => {}
        }
    }

    fn server(&mut self, host: &mut Host, now: Instant, event: Event) {
        match event {
            Event::Incoming(listener) => while host.accept(listener).is_some() {},
            Event::Readable(id) => {
                let mut stream = host.stream(id).expect("held");
                while let Ok(Some(chunk)) = stream.read_chunk(now, usize::MAX) {
                    std::hint::black_box(chunk[0]);
                    self.got += chunk.len() as u64;
                }
            }
            _ => {}
        }
    }
}

/// `mib` MiB over one connection with buffers of `buffer` octets at both ends, the beginning of slow start included, next
/// to `idle` others.
pub fn bulk(mtu: u16, checksums: bool, mib: u64, buffer: u32, idle: u32) {
    let total = mib << 20;
    let (mut pair, mut bulk) = Bulk::begin(mtu, checksums, buffer, idle);
    let carried = pair.wire.carried;
    let began = Cpu::now();
    bulk.transfer(&mut pair, total);
    let took = began.elapsed_ns();
    assert_eq!(pair.client.counters().retransmits, 0, "nothing was sent twice");
    say("bulk_gbps", format_args!("{:.3}", total as f64 * 8.0 / took));
    say("bulk_ns_per_byte", format_args!("{:.4}", took / total as f64));
    say("bulk_pkts", pair.wire.carried - carried);
}
