//! A device whose inbound side can be shut: what arrives waits, what leaves is counted, or lost.

use linger_device::{Capabilities, Device};
use linger_proto::wire::{ip, tcp};
use linger_proto::{Frame, TraceEvent, Transmit};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A device behind a [`Valve`].
#[derive(Debug)]
pub struct Gate<D> {
    inner: D,
    valve: Valve,
}

/// Shuts and opens the inbound side of a [`Gate`].
#[derive(Clone, Debug, Default)]
pub struct Valve(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    shut: bool,
    mute: bool,
    waiting: Option<Waker>,
    /// Octets of text in each frame with text that left.
    sent: Vec<usize>,
}

impl Valve {
    /// Nothing arrives any more.
    pub fn shut(&self) {
        self.with(|state| state.shut = true);
    }

    /// Everything that waited arrives.
    pub fn open(&self) {
        let waiting = self.with(|state| {
            state.shut = false;
            state.waiting.take()
        });
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Everything that leaves from now on is lost.
    pub fn mute(&self) {
        self.with(|state| state.mute = true);
    }

    /// Octets of text in each frame with text that has left since the last call.
    pub fn take_sent(&self) -> Vec<usize> {
        self.with(|state| std::mem::take(&mut state.sent))
    }

    /// Frames with text that have left since the last [`Valve::take_sent`].
    pub fn sent_count(&self) -> usize {
        self.with(|state| state.sent.len())
    }

    fn with<R>(&self, action: impl FnOnce(&mut State) -> R) -> R {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<D: Device> Gate<D> {
    /// `inner` behind a gate that is open.
    pub fn new(inner: D) -> (Self, Valve) {
        let valve = Valve::default();
        (Self { inner, valve: valve.clone() }, valve)
    }
}

/// Octets of text in a TCP segment, short text behind the headers included; zero for any other packet.
fn text_len(frame: &Transmit) -> usize {
    let bytes = frame.to_bytes();
    let Ok(packet) = ip::parse(&bytes) else { return 0 };
    let segment = &bytes[packet.payload];
    match tcp::parse(segment) {
        Ok(header) if packet.protocol == ip::PROTOCOL_TCP => segment.len() - header.len,
        _ => 0,
    }
}

impl<D: Device> Device for Gate<D> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        let shut = self.valve.with(|state| {
            state.waiting = Some(cx.waker().clone());
            state.shut
        });
        if shut { Poll::Pending } else { self.inner.poll_recv(cx, batch) }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        if self.valve.with(|state| state.mute) {
            return Poll::Ready(Ok(()));
        }
        // Noted before it leaves: the kernel delivers inside the write, and a reader may look at once. A frame that finds
        // no room comes again and is noted again, which the TUN, as large as it is, never asks for here.
        let text = text_len(frame);
        if text > 0 {
            self.valve.with(|state| state.sent.push(text));
        }
        self.inner.poll_send(cx, frame)
    }

    fn wants_trace(&self) -> bool {
        self.inner.wants_trace()
    }

    fn handle_trace(&mut self, event: &TraceEvent) {
        self.inner.handle_trace(event);
    }
}
