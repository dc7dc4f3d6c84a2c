//! A device made worse on purpose: delay, loss, duplication, reordering, corruption and a rate, from a seed.

mod line;

use crate::offload::{completed, segment, transmit_from_frame};
use crate::{Capabilities, Device};
use line::Line;
use linger_proto::{Checksum, Frame, Transmit};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

#[cfg(test)]
mod tests;

/// Most packets held in one direction, whatever their delay; more are dropped and counted as
/// [`ImpairmentCounters::queue_full`].
const HELD_MAX: usize = 16_384;

/// Batches taken from the inner device before somebody else gets a turn.
const PULLS: usize = 16;

/// What one direction does to its packets. The default does nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Impairment {
    /// How long each packet is on its way. Default zero. Timers have a grain of one millisecond.
    pub delay: Duration,
    /// Up to so much is added to the delay, evenly distributed. It never changes the order. Default zero.
    pub jitter: Duration,
    /// The probability, 0 to 1, that a packet is lost. Default 0.
    pub loss: f64,
    /// The probability that a packet arrives twice. Default 0.
    pub duplicate: f64,
    /// The probability that a packet is held back by [`Self::reorder_by`] while later ones pass it. Default 0.
    pub reorder: f64,
    /// How long a reordered packet is held back. Default 5 ms.
    pub reorder_by: Duration,
    /// The probability that one bit of a packet is flipped. Default 0.
    pub corrupt: f64,
    /// Bits per second; `None` is no limit. Default `None`.
    pub rate_bps: Option<u64>,
    /// Packets that may wait for their turn at that rate; more are dropped. Default 1000 (netem: `limit`).
    pub queue: usize,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_by: Duration::from_millis(5),
            corrupt: 0.0,
            rate_bps: None,
            queue: 1000,
        }
    }
}

/// What happened to the packets of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImpairmentCounters {
    /// Packets that came.
    pub packets: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Delivered twice on purpose.
    pub duplicated: u64,
    /// Held back on purpose.
    pub reordered: u64,
    /// One bit flipped on purpose.
    pub corrupted: u64,
    /// Dropped because the queue was full.
    pub queue_full: u64,
}

/// Reads the counters of an [`Impaired`] device, also while a stack owns it.
#[derive(Clone, Debug)]
pub struct ImpairmentWatch {
    inbound: Arc<Mutex<ImpairmentCounters>>,
    outbound: Arc<Mutex<ImpairmentCounters>>,
}

impl ImpairmentWatch {
    /// Packets from the device to the stack.
    pub fn inbound(&self) -> ImpairmentCounters {
        *self.inbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Packets from the stack to the device.
    pub fn outbound(&self) -> ImpairmentCounters {
        *self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any device, impaired in each direction by its own [`Impairment`].
///
/// Super-segments are cut into packets first, so that a loss is the loss of one packet; arriving packets have
/// complete checksums, so that a flipped bit is noticed. What happens to the n-th packet of a direction depends on
/// the seed and n alone. Delayed packets leave while the owner polls `poll_recv`, as a driver always does.
///
/// To capture as well, put the [`Tee`](crate::Tee) around this one, not inside: it would see frames the host does not.
#[derive(Debug)]
pub struct Impaired<D> {
    inner: D,
    inbound: Line<Frame>,
    outbound: Line<Transmit>,
    timer: Option<Pin<Box<Sleep>>>,
    pulled: Vec<Frame>,
    /// The inner device has said that nothing more will come.
    ended: bool,
}

impl<D: Device> Impaired<D> {
    /// `inner`, with `inbound` applied to what it receives and `outbound` to what it is given to send.
    pub fn new(inner: D, seed: u64, inbound: Impairment, outbound: Impairment) -> Self {
        Self {
            inner,
            inbound: Line::new(inbound, seed, 0),
            outbound: Line::new(outbound, seed, 1),
            timer: None,
            pulled: Vec::new(),
            ended: false,
        }
    }

    /// A handle on the counters.
    pub fn watch(&self) -> ImpairmentWatch {
        ImpairmentWatch { inbound: self.inbound.counters(), outbound: self.outbound.counters() }
    }

    /// Sends what is due; stops where the inner device has no room.
    fn flush(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<()> {
        self.outbound.blocked = false;
        while let Some(frame) = self.outbound.due(now) {
            match self.inner.poll_send(cx, frame) {
                Poll::Ready(result) => {
                    self.outbound.pop();
                    result?;
                }
                Poll::Pending => {
                    self.outbound.blocked = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes what has arrived into the delay line.
    fn pull(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<()> {
        for _ in 0..PULLS {
            if self.ended {
                return Ok(());
            }
            let Poll::Ready(result) = self.inner.poll_recv(cx, &mut self.pulled) else { return Ok(()) };
            self.ended = result? == 0;
            for frame in self.pulled.drain(..) {
                if frame.segment_size.is_none() {
                    self.inbound.admit(now, completed(frame));
                } else {
                    for packet in segment(&transmit_from_frame(&frame)) {
                        self.inbound.admit(now, Frame::from(packet.to_bytes()));
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Ready when a packet has become due; `cx` is woken when the next one does.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let outbound = if self.outbound.blocked { None } else { self.outbound.earliest() };
        let Some(deadline) = self.inbound.earliest().into_iter().chain(outbound).min() else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}

impl<D: Device> Device for Impaired<D> {
    fn capabilities(&self) -> Capabilities {
        Capabilities { segmentation_offload: false, ..self.inner.capabilities() }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        loop {
            let now = Instant::now();
            self.flush(cx, now)?;
            self.pull(cx, now)?;
            let before = batch.len();
            while batch.len() - before < crate::BATCH && self.inbound.due(now).is_some() {
                batch.extend(self.inbound.pop());
            }
            if batch.len() > before {
                return Poll::Ready(Ok(batch.len() - before));
            }
            if self.ended && self.inbound.is_empty() {
                return Poll::Ready(Ok(0));
            }
            if self.poll_timer(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        let now = Instant::now();
        self.flush(cx, now)?;
        if self.outbound.blocked && self.outbound.is_full() {
            return Poll::Pending;
        }
        let whole = frame.segment_size.is_none()
            && (self.inner.capabilities().checksum_offload || frame.checksum == Checksum::Unknown);
        if whole {
            self.outbound.admit(now, frame.clone());
        } else {
            segment(frame).for_each(|packet| self.outbound.admit(now, packet));
        }
        self.flush(cx, now)?;
        // The timer wakes the owner, who polls `poll_recv`; one that has run out already must do so too.
        if self.poll_timer(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }
}
