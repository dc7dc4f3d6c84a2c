//! Whole lives: connect, request, response, the server closes first, then the client; the server keeps the TIME-WAIT
//! and later lets it go.

use super::pair::{App, Pair, Setup};
use super::say;
use crate::{Cpu, REQUEST, RESPONSE, heap};
use linger_proto::{CloseReason, Event, Host, Instant, ReadError};
use std::time::Duration;

/// 2*MSL of the default settings.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// Both applications.
pub(super) struct Life {
    buffer: [u8; 2048],
    requested: usize,
    responded: usize,
    pub(super) ends: u32,
}

impl Life {
    pub(super) fn new() -> Self {
        Self { buffer: [0; 2048], requested: 0, responded: 0, ends: 0 }
    }

    fn begin(&mut self) {
        (self.requested, self.responded, self.ends) = (0, 0, 0);
    }

    fn ended(&mut self, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Graceful);
        self.ends += 1;
    }
}

impl App for Life {
    #[inline]
    fn client(&mut self, host: &mut Host, now: Instant, event: Event) {
        match event {
            Event::Connected(id) => {
                let mut stream = host.stream(id).expect("held");
                assert_eq!(stream.write(now, &[7; REQUEST]), Ok(REQUEST));
            }
            Event::Readable(id) => {
                let mut stream = host.stream(id).expect("held");
                loop {
                    match stream.read(now, &mut self.buffer) {
                        Ok(0) => return stream.close(now),
                        Ok(octets) => self.responded += octets,
                        Err(ReadError::Blocked) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Event::Closed(_, reason) => self.ended(reason),
            _ => {}
        }
    }

    #[inline]
    fn server(&mut self, host: &mut Host, now: Instant, event: Event) {
        match event {
            Event::Incoming(listener) => while host.accept(listener).is_some() {},
            Event::Readable(id) => {
                let Some(mut stream) = host.stream(id) else { return };
                self.requested += stream.read(now, &mut self.buffer).unwrap_or(0);
                // Each request comes whole, whosever it is.
                if self.requested.is_multiple_of(REQUEST) {
                    assert_eq!(stream.write(now, &[9; RESPONSE]), Ok(RESPONSE));
                    stream.close(now);
                }
            }
            Event::Closed(_, reason) => self.ended(reason),
            _ => {}
        }
    }
}

impl Pair {
    /// One life of the connection that has begun to open.
    pub(super) fn live(&mut self, life: &mut Life) {
        life.begin();
        self.run(life);
        assert_eq!((life.requested, life.responded, life.ends), (REQUEST, RESPONSE, 2), "a whole life");
    }
}

/// `lives` lives, one at a time, next to `idle` connections and `held` TIME-WAITs: each life adds one, and time goes at
/// such a pace that as many expire.
pub fn life(lives: u32, idle: u32, held: u32) {
    let mut pair = Pair::new(&Setup::default());
    pair.idle(idle);
    let mut life = Life::new();
    let step = TIME_WAIT / held.max(1);
    for number in 0..held {
        pair.wait(step);
        pair.connect_other(idle + number);
        pair.live(&mut life);
    }
    // From here on each step of time ends a TIME-WAIT.
    for _ in 0..lives.min(held) / 10 {
        pair.wait(step);
        pair.connect();
        pair.live(&mut life);
    }
    let (carried, allocations) = (pair.wire.carried, heap().calls);
    let began = Cpu::now();
    for _ in 0..lives {
        pair.wait(step);
        pair.connect();
        pair.live(&mut life);
    }
    let took = began.elapsed_ns() / f64::from(lives);
    let allocations = heap().calls - allocations;
    let counters = pair.server.counters();
    assert_eq!(pair.client.counters().retransmits + counters.retransmits, 0, "nothing was sent twice");
    say("life_ns", format_args!("{took:.1}"));
    say("life_per_s", format_args!("{:.0}", 1e9 / took));
    say("life_pkts_per", format_args!("{:.2}", (pair.wire.carried - carried) as f64 / f64::from(lives)));
    say("life_allocations", format_args!("{:.3}", allocations as f64 / f64::from(lives)));
    say("time_waits_entered", counters.time_wait_entered);
    if held <= 100_000 {
        say("time_waits_held", pair.server.snapshot(pair.now).time_wait.len());
    }
}
