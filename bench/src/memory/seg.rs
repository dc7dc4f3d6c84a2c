//! Segments of 32 octets to and fro, each answered by one.

use super::pair::{App, Pair, Setup};
use super::say;
use crate::{Cpu, heap};
use linger_proto::{ConnectionId, Event, Host, Instant};
use std::time::Duration;

/// Octets of text in a segment.
const TEXT: usize = 32;

/// Which connections talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Always the same ones, those opened last.
    Same,
    /// Others each time.
    Random,
}

pub(super) struct Echo {
    buffer: [u8; 64],
    answered: usize,
}

impl Echo {
    pub(super) fn new() -> Self {
        Self { buffer: [0; 64], answered: 0 }
    }
}

impl App for Echo {
    #[inline]
    fn client(&mut self, host: &mut Host, now: Instant, event: Event) {
        if let Event::Readable(id) = event {
            let mut stream = host.stream(id).expect("held");
            assert_eq!(stream.read(now, &mut self.buffer), Ok(TEXT));
            self.answered += 1;
        }
    }

    #[inline]
    fn server(&mut self, host: &mut Host, now: Instant, event: Event) {
        if let Event::Readable(id) = event {
            let mut stream = host.stream(id).expect("held");
            assert_eq!(stream.read(now, &mut self.buffer), Ok(TEXT));
            assert_eq!(stream.write(now, &[2; TEXT]), Ok(TEXT));
        }
    }
}

impl Pair {
    /// Some time passes, then each of `talking` writes and gets its answer.
    pub(super) fn round_trip(&mut self, talking: &[ConnectionId], echo: &mut Echo, pause: Duration) {
        self.wait(pause);
        for &client in talking {
            let mut stream = self.client.stream(client).expect("held");
            assert_eq!(stream.write(self.now, &[1; TEXT]), Ok(TEXT));
        }
        echo.answered = 0;
        self.run(echo);
        assert_eq!(echo.answered, talking.len());
    }
}

/// Numbers that look random (a linear congruence; its upper half).
struct Lottery(u64);

impl Lottery {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % below as u64).unwrap_or(0)
    }

    /// As many different ones as `picked` has places.
    fn pick(&mut self, clients: &[ConnectionId], picked: &mut [ConnectionId]) {
        for place in 0..picked.len() {
            picked[place] = loop {
                let drawn = clients[self.draw(clients.len())];
                if !picked[..place].contains(&drawn) {
                    break drawn;
                }
            };
        }
    }
}

/// `rounds` round trips over `connections` connections, `batch` of them at a time. On the same connection, 20 us pass
/// between round trips; at random 100 ns, about what one takes, so that acknowledgments are held back as they would be.
pub fn seg(connections: u32, rounds: u32, choice: Choice, batch: usize) {
    let mut pair = Pair::new(&Setup::default());
    let clients = pair.idle(connections.max(u32::try_from(batch).unwrap_or(u32::MAX))).clients;
    let pause = Duration::from_nanos(if choice == Choice::Same { 20_000 } else { 100 });
    let mut echo = Echo::new();
    let mut lottery = Lottery(1);
    let mut picked: Vec<ConnectionId> = clients.iter().rev().take(batch).copied().collect();
    let pause = pause * u32::try_from(batch).unwrap_or(1);
    let (mut began, mut carried, mut allocated) = (Cpu::now(), 0, 0);
    let warm = rounds / 10;
    for round in 0..warm + rounds {
        if round == warm {
            (began, carried, allocated) = (Cpu::now(), pair.wire.carried, heap().calls);
        }
        if choice == Choice::Random {
            lottery.pick(&clients, &mut picked);
        }
        pair.round_trip(&picked, &mut echo, pause);
    }
    let took = began.elapsed_ns();
    let allocations = heap().calls - allocated;
    let packets = pair.wire.carried - carried;
    let messages = 2.0 * f64::from(rounds) * batch as f64;
    assert_eq!(
        pair.client.counters().retransmits + pair.server.counters().retransmits,
        0,
        "nothing was sent twice"
    );
    say("seg_ns", format_args!("{:.2}", took / packets as f64));
    say("seg_message_ns", format_args!("{:.2}", took / messages));
    say("seg_pkts_per_message", format_args!("{:.4}", packets as f64 / messages));
    say("seg_allocations", format_args!("{:.4}", allocations as f64 / messages));
}
