//! Segments of 32 octets to and fro, each answered by one.

use super::pair::{App, Pair, Setup};
use super::say;
use crate::Cpu;
use linger_proto::{Event, Host, Instant};
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

struct Echo {
    buffer: [u8; 64],
    answered: usize,
}

impl App for Echo {
    fn client(&mut self, host: &mut Host, now: Instant, event: Event) {
        if let Event::Readable(id) = event {
            let mut stream = host.stream(id).expect("held");
            assert_eq!(stream.read(now, &mut self.buffer), Ok(TEXT));
            self.answered += 1;
        }
    }

    fn server(&mut self, host: &mut Host, now: Instant, event: Event) {
        if let Event::Readable(id) = event {
            let mut stream = host.stream(id).expect("held");
            assert_eq!(stream.read(now, &mut self.buffer), Ok(TEXT));
            assert_eq!(stream.write(now, &[2; TEXT]), Ok(TEXT));
        }
    }
}

/// Numbers that look random (a linear congruence; its upper half).
struct Lottery(u64);

impl Lottery {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % below as u64).unwrap_or(0)
    }
}

/// `rounds` round trips over `connections` connections, `batch` of them at a time. On the same connection, 20 us pass
/// between round trips; at random 100 ns, about what one takes, so that acknowledgments are held back as they would be.
pub fn seg(connections: u32, rounds: u32, choice: Choice, batch: usize) {
    let mut pair = Pair::new(&Setup::default());
    let clients = pair.idle(connections.max(u32::try_from(batch).unwrap_or(u32::MAX))).clients;
    let pause = Duration::from_nanos(if choice == Choice::Same { 20_000 } else { 100 });
    let mut echo = Echo { buffer: [0; 64], answered: 0 };
    let mut lottery = Lottery(1);
    let mut picked = vec![0; batch];
    let (mut began, mut carried, mut allocated) = (Cpu::now(), 0, 0);
    let warm = rounds / 10;
    for round in 0..warm + rounds {
        if round == warm {
            (began, carried, allocated) = (Cpu::now(), pair.wire.carried, crate::heap().calls);
        }
        pair.wait(pause * u32::try_from(batch).unwrap_or(1));
        for place in 0..batch {
            picked[place] = match choice {
                Choice::Same => clients.len() - 1 - place,
                Choice::Random => loop {
                    let client = lottery.draw(clients.len());
                    if !picked[..place].contains(&client) {
                        break client;
                    }
                },
            };
        }
        for &client in &picked {
            let mut stream = pair.client.stream(clients[client]).expect("held");
            assert_eq!(stream.write(pair.now, &[1; TEXT]), Ok(TEXT));
        }
        echo.answered = 0;
        pair.run(&mut echo);
        assert_eq!(echo.answered, batch);
    }
    let took = began.elapsed_ns();
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
    say("seg_allocations", format_args!("{:.4}", (crate::heap().calls - allocated) as f64 / messages));
}
