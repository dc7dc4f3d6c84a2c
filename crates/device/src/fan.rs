//! The far end of several channels as one device: what a kernel is behind a TUN with several queues.

use crate::{Capabilities, Channel, Device};
use linger_proto::{Frame, Transmit};
use std::io;
use std::task::{Context, Poll, ready};

#[cfg(test)]
mod tests;

/// Decides through which queue a frame arrives at the other side. Any `FnMut(&Transmit) -> usize` is one.
pub trait Steer: Send + 'static {
    /// The queue for this frame, counted from zero; a larger number is taken modulo the number of queues.
    fn steer(&mut self, frame: &Transmit) -> usize;

    /// A frame has come from the other side through `queue`: some remember that.
    fn came(&mut self, _queue: usize, _frame: &Frame) {}
}

impl<F: FnMut(&Transmit) -> usize + Send + 'static> Steer for F {
    fn steer(&mut self, frame: &Transmit) -> usize {
        self(frame)
    }
}

/// One device whose frames go to several channels, and which takes the frames of all of them. Made by
/// [`Channel::fan`].
#[derive(Debug)]
pub struct Fan<S> {
    queues: Vec<Queue>,
    steering: S,
    /// Which queue is asked first.
    turn: usize,
    /// The queue of a frame that found no room there: it goes to none other.
    chosen: Option<usize>,
}

#[derive(Debug)]
struct Queue {
    channel: Channel,
    /// No frame will ever come again.
    ended: bool,
}

impl Channel {
    /// A device with `queues` queues, at least one, for a stack with as many shards; and its far end as one device, for
    /// a stack that knows nothing of queues. `steering` chooses the queue of each frame towards the first. Each queue
    /// holds at most `capacity` frames in each direction.
    pub fn fan<S: Steer>(
        queues: usize,
        capacity: usize,
        capabilities: Capabilities,
        steering: S,
    ) -> (Vec<Self>, Fan<S>) {
        let pairs = (0..queues.max(1)).map(|_| Self::pair(capacity, capabilities));
        let (near, far): (Vec<_>, Vec<_>) =
            pairs.map(|(near, channel)| (near, Queue { channel, ended: false })).unzip();
        (near, Fan { queues: far, steering, turn: 0, chosen: None })
    }
}

impl<S: Steer> Device for Fan<S> {
    fn capabilities(&self) -> Capabilities {
        self.queues[0].channel.capabilities()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        let count = self.queues.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let queue = &mut self.queues[at];
            if queue.ended {
                continue;
            }
            let before = batch.len();
            match queue.channel.poll_recv(cx, batch) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => queue.ended = true,
                Poll::Ready(result) => {
                    // The next call begins with the next queue, so that none waits for ever.
                    self.turn = at + 1;
                    batch[before..].iter().for_each(|frame| self.steering.came(at, frame));
                    return Poll::Ready(result);
                }
            }
        }
        if self.queues.iter().all(|queue| queue.ended) { Poll::Ready(Ok(0)) } else { Poll::Pending }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        let at = match self.chosen {
            Some(at) => at,
            None => self.steering.steer(frame) % self.queues.len(),
        };
        self.chosen = Some(at);
        let result = ready!(self.queues[at].channel.poll_send(cx, frame));
        self.chosen = None;
        Poll::Ready(result)
    }
}
