//! A cable in memory: a bounded queue of frames in each direction.

use crate::offload::{complete_transmit, completed, frame_from_transmit, segment, transmit_from_frame};
use crate::{BATCH, Capabilities, Device};
use linger_proto::{Frame, Transmit};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

#[cfg(test)]
mod tests;

/// One end of a cable in memory, as a device.
///
/// Frames keep what is known about them: between two ends that both complete checksums a partial checksum is never
/// computed, and a super-segment arrives whole where both ends take them. Otherwise it is cut or completed on the way.
#[derive(Debug)]
pub struct Channel {
    sender: ChannelSender,
    receiver: ChannelReceiver,
}

/// The other end of the channel is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the other end of the channel is gone")]
pub struct ChannelClosed;

impl From<ChannelClosed> for io::Error {
    fn from(closed: ChannelClosed) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, closed)
    }
}

impl Channel {
    /// Two connected ends with the same capabilities. Each direction holds at most `capacity` frames, at least one;
    /// a super-segment that has to be cut counts as one until it is.
    pub fn pair(capacity: usize, capabilities: Capabilities) -> (Self, Self) {
        Self::pair_with(capacity, capabilities, capabilities)
    }

    /// Two connected ends that differ in what they offer. The smaller MTU binds both.
    pub fn pair_with(capacity: usize, mut left: Capabilities, mut right: Capabilities) -> (Self, Self) {
        left.mtu = left.mtu.min(right.mtu);
        right.mtu = left.mtu;
        let there = Arc::new(Mutex::new(Pipe::new(capacity)));
        let back = Arc::new(Mutex::new(Pipe::new(capacity)));
        let end = |out: &Arc<Mutex<Pipe>>, into: &Arc<Mutex<Pipe>>, own, other| Self {
            sender: ChannelSender { pipe: out.clone(), own, other },
            receiver: ChannelReceiver { pipe: into.clone() },
        };
        (end(&there, &back, left, right), end(&back, &there, right, left))
    }

    /// A device, and the far end as a plain handle for a program that brings its own packets.
    pub fn with_handle(capacity: usize, capabilities: Capabilities) -> (Self, ChannelHandle) {
        let (device, far) = Self::pair(capacity, capabilities);
        (device, far.into_handle())
    }

    /// This end as a plain handle.
    pub fn into_handle(self) -> ChannelHandle {
        ChannelHandle { sender: self.sender, receiver: self.receiver }
    }
}

impl Device for Channel {
    fn capabilities(&self) -> Capabilities {
        self.sender.own
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.receiver.pipe);
        let count = pipe.queue.len().min(BATCH);
        if count == 0 && !pipe.sender_gone {
            note(&mut pipe.receiver_waker, cx);
            return Poll::Pending;
        }
        batch.extend(pipe.queue.drain(..count));
        pipe.wake_sender();
        Poll::Ready(Ok(count))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        ready!(self.sender.poll_ready(cx))?;
        self.sender.push(frame);
        Poll::Ready(Ok(()))
    }
}

/// One end of a [`Channel`] for a program that makes or takes the packets itself.
///
/// Dropping it tells the device at the other end that no frame will come any more.
#[derive(Debug)]
pub struct ChannelHandle {
    sender: ChannelSender,
    receiver: ChannelReceiver,
}

impl ChannelHandle {
    /// Sends a frame, waiting for room.
    pub async fn send(&mut self, frame: Frame) -> Result<(), ChannelClosed> {
        self.sender.send(frame).await
    }

    /// The next frame; `None` when the other end is gone and all it sent has been received.
    pub async fn recv(&mut self) -> Option<Frame> {
        self.receiver.recv().await
    }

    /// Takes it apart, to send and receive in different tasks.
    pub fn split(self) -> (ChannelSender, ChannelReceiver) {
        (self.sender, self.receiver)
    }
}

/// The sending half of a [`ChannelHandle`].
#[derive(Debug)]
pub struct ChannelSender {
    pipe: Arc<Mutex<Pipe>>,
    own: Capabilities,
    other: Capabilities,
}

impl ChannelSender {
    /// Sends a frame, waiting for room.
    pub async fn send(&mut self, frame: Frame) -> Result<(), ChannelClosed> {
        poll_fn(|cx| self.poll_ready(cx)).await?;
        if frame.segment_size.is_some() && !self.whole_segments() {
            self.push(&transmit_from_frame(&frame));
        } else {
            let frame = if self.partial_checksums() { frame } else { completed(frame) };
            lock(&self.pipe).push([frame]);
        }
        Ok(())
    }

    /// Whether there is room for a frame; `Pending` until there is.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelClosed>> {
        let mut pipe = lock(&self.pipe);
        if pipe.receiver_gone {
            return Poll::Ready(Err(ChannelClosed));
        }
        if pipe.queue.len() >= pipe.capacity {
            note(&mut pipe.sender_waker, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn partial_checksums(&self) -> bool {
        self.own.checksum_offload && self.other.checksum_offload
    }

    fn whole_segments(&self) -> bool {
        self.own.segmentation_offload && self.other.segmentation_offload
    }

    /// Puts a frame in as the other end may see it.
    fn push(&self, frame: &Transmit) {
        if frame.segment_size.is_some() && !self.whole_segments() {
            lock(&self.pipe).push(segment(frame).map(|packet| frame_from_transmit(&packet)));
        } else if self.partial_checksums() {
            lock(&self.pipe).push([frame_from_transmit(frame)]);
        } else {
            let mut frame = frame.clone();
            complete_transmit(&mut frame);
            lock(&self.pipe).push([frame_from_transmit(&frame)]);
        }
    }
}

impl Drop for ChannelSender {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.sender_gone = true;
        pipe.wake_receiver();
    }
}

/// The receiving half of a [`ChannelHandle`].
#[derive(Debug)]
pub struct ChannelReceiver {
    pipe: Arc<Mutex<Pipe>>,
}

impl ChannelReceiver {
    /// The next frame; `None` when the other end is gone and all it sent has been received.
    pub async fn recv(&mut self) -> Option<Frame> {
        poll_fn(|cx| {
            let mut pipe = lock(&self.pipe);
            let Some(frame) = pipe.queue.pop_front() else {
                if pipe.sender_gone {
                    return Poll::Ready(None);
                }
                note(&mut pipe.receiver_waker, cx);
                return Poll::Pending;
            };
            pipe.wake_sender();
            Poll::Ready(Some(frame))
        })
        .await
    }

    /// A frame that has already arrived.
    pub fn try_recv(&mut self) -> Option<Frame> {
        let mut pipe = lock(&self.pipe);
        let frame = pipe.queue.pop_front();
        pipe.wake_sender();
        frame
    }
}

impl Drop for ChannelReceiver {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.receiver_gone = true;
        pipe.queue.clear();
        pipe.wake_sender();
    }
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    queue: VecDeque<Frame>,
    capacity: usize,
    sender_gone: bool,
    receiver_gone: bool,
    sender_waker: Option<Waker>,
    receiver_waker: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            capacity: capacity.max(1),
            sender_gone: false,
            receiver_gone: false,
            sender_waker: None,
            receiver_waker: None,
        }
    }

    fn push(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.queue.extend(frames);
        self.wake_receiver();
    }

    fn wake_sender(&mut self) {
        if self.receiver_gone || self.queue.len() < self.capacity {
            self.sender_waker.take().inspect(Waker::wake_by_ref);
        }
    }

    fn wake_receiver(&mut self) {
        self.receiver_waker.take().inspect(Waker::wake_by_ref);
    }
}

/// The queue stays whole whatever panicked beside it, so a poisoned lock is no reason to panic too.
fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers whom to wake, without cloning the same waker again.
fn note(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
