//! The timers of a synchronized connection, and what happens when one expires (RFC 9293 §3.10.8).

use crate::Instant;
use crate::tcp::arrives::Stop;
use crate::tcp::congestion::{Congestion, Controller as _};
use crate::tcp::settings::Probes;
use crate::tcp::tcb::{Tcb, micros32, millis32};
use crate::time::Span;
use core::num::NonZeroU32;
use core::ops::ControlFlow;

/// What the retransmission timer is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Waiting {
    /// Nothing.
    No,
    /// An acknowledgment of what is in flight.
    Ack,
    /// A window: closed, or too small to be worth a segment (RFC 9293 §3.8.6).
    Window,
}

/// Whether an acknowledgment is owed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum AckDue {
    /// Nothing is owed.
    No,
    /// One may wait for the timer, or for text that carries it.
    Delayed,
    /// One leaves as soon as the batch of segments is done.
    Now,
}

/// R1: so many retransmissions without an answer are news to the application (RFC 9293 MUST-20, SHLD-10).
pub(crate) const R1: u8 = 3;
/// The most doublings of the timeout that make a difference.
const BACKOFF_MAX: u8 = 20;

/// The deadlines and debts. [`Instant::FAR_FUTURE`] is "not running".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    pub(crate) waiting: Waiting,
    /// Retransmission or persist timer.
    pub(crate) retransmit_at: Instant,
    /// Since when the peer has acknowledged nothing of what is in flight, or answered no probe, in wrapping milliseconds:
    /// the user timeout counts from here. `None` while every probe of a closed window was answered.
    silent_since_ms: Option<NonZeroU32>,
    /// Delayed acknowledgment, in wrapping microseconds: runs while one is owed that may wait.
    ack_at_us: u32,
    /// Keep-alive; for a connection that nobody holds, its end by force.
    pub(crate) idle_at: Instant,
    /// Nobody holds the stream.
    pub(crate) orphan: bool,
    /// Keep-alive probes since the peer was last heard.
    pub(crate) probes: u8,
    /// The window is closed or too small, and its timer has expired: a segment may leave all the same.
    pub(crate) probe_due: bool,
    /// A keep-alive probe is to leave.
    pub(crate) keepalive_due: bool,
    /// How often the retransmission timeout was doubled since the last sample.
    pub(crate) backoff: u8,
    pub(crate) ack_due: AckDue,
    /// Duplicate ACKs that are to leave, one for each segment out of order: the peer counts them (RFC 5681 §3.2).
    pub(crate) duplicate_acks: u8,
}

impl Timers {
    pub(crate) fn new(now: Instant, keepalive: Option<&Probes>) -> Self {
        Self {
            waiting: Waiting::No,
            retransmit_at: Instant::FAR_FUTURE,
            silent_since_ms: None,
            ack_at_us: 0,
            orphan: false,
            idle_at: keepalive.map_or(Instant::FAR_FUTURE, |k| now + k.first),
            probes: 0,
            probe_due: false,
            keepalive_due: false,
            backoff: 0,
            ack_due: AckDue::No,
            duplicate_acks: 0,
        }
    }

    /// Starts the retransmission or persist timer unless it runs for the same purpose already.
    /// Ledger: [6298-10].
    pub(crate) fn start(&mut self, waiting: Waiting, now: Instant, after: Span) {
        if self.waiting != waiting {
            if self.waiting == Waiting::No || self.silent_since_ms.is_none() {
                self.silent_from(now);
            }
            self.restart(waiting, now, after);
        }
    }

    /// The peer is silent from now on, until it says something.
    pub(crate) fn silent_from(&mut self, now: Instant) {
        // The first millisecond of 49 days passes for the second.
        self.silent_since_ms = NonZeroU32::new(millis32(now)).or(Some(NonZeroU32::MIN));
    }

    /// The peer answers, though it takes nothing.
    pub(crate) fn not_silent(&mut self) {
        self.silent_since_ms = None;
    }

    /// An acknowledgment is owed that may wait for `delay`, below half a second.
    pub(crate) fn delay_ack(&mut self, now: Instant, delay: Span) {
        self.ack_due = AckDue::Delayed;
        self.ack_at_us = micros32(now + delay);
    }

    /// When the delayed acknowledgment leaves.
    pub(crate) fn ack_at(&self, now: Instant) -> Instant {
        if self.ack_due == AckDue::Delayed { now.nearest_micros(self.ack_at_us) } else { Instant::FAR_FUTURE }
    }

    /// Doubles the timeout (RFC 6298 §5.5).
    fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(BACKOFF_MAX);
    }

    /// Starts it anew.
    pub(crate) fn restart(&mut self, waiting: Waiting, now: Instant, after: Span) {
        self.waiting = waiting;
        self.retransmit_at = now + after;
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        self.waiting = Waiting::No;
        self.retransmit_at = Instant::FAR_FUTURE;
    }
}

/// Whether what is in flight has been sent again so often that the application is to know (RFC 9293 SHLD-9). A closed
/// window whose probes are answered is no trouble.
pub(crate) fn has_crossed_r1(tcb: &Tcb) -> bool {
    tcb.timers.backoff >= R1 && tcb.timers.waiting == Waiting::Ack && tcb.snd.wnd > 0
}

/// The earliest deadline of a connection.
#[inline(always)]
pub(crate) fn next_deadline(tcb: &Tcb, now: Instant) -> Instant {
    let timers = &tcb.timers;
    timers.retransmit_at.min(timers.ack_at(now)).min(timers.idle_at).min(give_up_at(tcb, now))
}

/// Lets every timer that is due expire.
pub(crate) fn handle_timeout(tcb: &mut Tcb, now: Instant) -> ControlFlow<Stop> {
    if tcb.timers.ack_at(now) <= now {
        tcb.ack_now();
    }
    if (tcb.timers.orphan && tcb.timers.idle_at <= now) || give_up_at(tcb, now) <= now {
        return ControlFlow::Break(Stop::TimedOut);
    }
    if tcb.timers.retransmit_at <= now {
        retransmission_or_persist(tcb, now);
    }
    if tcb.timers.idle_at <= now {
        keepalive(tcb, now)?;
    }
    ControlFlow::Continue(())
}

/// The user timeout bounds how long the peer may leave text unacknowledged (RFC 9293 MUST-20, MUST-21).
/// Ledger: RFC 9293 SHLD-11, SHLD-17.
pub(crate) fn give_up_at(tcb: &Tcb, now: Instant) -> Instant {
    match (tcb.timers.waiting, tcb.timers.silent_since_ms) {
        (Waiting::No, _) | (_, None) => Instant::FAR_FUTURE,
        (_, Some(since_ms)) => now.nearest_millis(since_ms.get()) + tcb.config.user_timeout,
    }
}

// Ledger: RFC 9293 MUST-19 [9293-TO-2, 6298-9, 6298-13, 6298-14, 6298-15, 5681-9].
fn retransmission_or_persist(tcb: &mut Tcb, now: Instant) {
    // A closed window is not a loss: the peer answers, and the connection stays (RFC 9293 MUST-37).
    if tcb.snd.wnd == 0 || tcb.timers.waiting == Waiting::Window {
        tcb.timers.probe_due = true;
        if tcb.timers.silent_since_ms.is_none() {
            tcb.timers.silent_from(now);
        }
    } else {
        // RFC 6298 §5.4-5.7; RFC 5681 §3.1 for the threshold, halved once for one flight.
        let (una, nxt) = (tcb.snd.una, tcb.snd.nxt);
        let in_flight = tcb.in_flight(nxt);
        let rare = tcb.rare_mut();
        rare.loss_at = Some(now);
        if rare.recovery.on_timeout(una, nxt) {
            tcb.congestion.on_congestion(Congestion::Timeout, in_flight, tcb.snd.mss);
        }
        tcb.stop_timing();
    }
    tcb.timers.back_off();
    let rto = tcb.rto();
    tcb.timers.retransmit_at = now + rto;
}

/// RFC 9293 §3.8.4: probes an idle peer, and gives up when none of them is answered.
/// Ledger: RFC 9293 MUST-26, MUST-29, SHLD-12, MAY-5.
fn keepalive(tcb: &mut Tcb, now: Instant) -> ControlFlow<Stop> {
    let Some(config) = tcb.config.keepalive else {
        tcb.timers.idle_at = Instant::FAR_FUTURE;
        return ControlFlow::Continue(());
    };
    // Text in flight has its own timer; a probe would say nothing more.
    if tcb.outstanding() == 0 {
        if tcb.timers.probes >= config.most {
            return ControlFlow::Break(Stop::TimedOut);
        }
        tcb.timers.probes += 1;
        tcb.timers.keepalive_due = true;
    }
    tcb.timers.idle_at = now + config.interval;
    ControlFlow::Continue(())
}

/// A segment of the peer arrived: it lives.
#[inline]
pub(crate) fn peer_was_heard(tcb: &mut Tcb, now: Instant) {
    if let Some(config) = &tcb.config.keepalive
        && !tcb.timers.orphan
    {
        tcb.timers.idle_at = now + config.idle;
        tcb.timers.probes = 0;
    }
}

/// New text was acknowledged: what is left in flight gets a whole timeout (RFC 6298 §5.2, §5.3), if `restart`.
/// Ledger: [6298-11, 6298-12].
#[inline]
pub(crate) fn progress(tcb: &mut Tcb, now: Instant, restart: bool) {
    // Otherwise the doubling lasts until there is a sample (Karn's algorithm, RFC 6298 §5 [6298-18]).
    if tcb.snd.wnd == 0 {
        tcb.timers.backoff = 0;
    }
    tcb.timers.silent_from(now);
    if tcb.outstanding() == 0 {
        tcb.timers.stop();
    } else if restart {
        let rto = tcb.rto();
        tcb.timers.restart(Waiting::Ack, now, rto);
    }
}
