//! A device that writes down what crosses it.

use super::writer::{PcapInterface, Pcapng, frame_comment};
use crate::offload::complete;
use crate::{Capabilities, Device};
use bytes::Bytes;
use linger_proto::{Checksum, Direction, Frame, FrameTrace, TraceEvent, Transmit};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Most frames, and most trace events, that wait for their other half. A host that traces needs a batch or two; past
/// the bound frames are written without a comment, and events are forgotten.
const WAITING_MAX: usize = 4096;

/// Any device, with every frame written to a capture once the host has said what the frame did.
///
/// Super-segments are written whole, as the kernel's own captures show them, and partial checksums are completed in
/// the written copy. Writing happens inside `poll_recv`, `poll_send` and `handle_trace`, in large pieces, and whenever
/// nothing is left to receive. An error (a full disk) ends the capture, never the traffic: see [`Tee::status`].
#[derive(Debug)]
pub struct Tee<D, W: Write> {
    inner: D,
    pcap: Pcapng<W>,
    interface: PcapInterface,
    host: String,
    /// The time of `Instant::ZERO` on the capture's clock.
    epoch: Duration,
    received: Pairing,
    sent: Pairing,
    /// The time of the latest event, for frames that nobody said anything about.
    last_at: Duration,
    dirty: bool,
    status: TeeStatus,
}

/// Tells whether the capture is whole, also while a stack owns the [`Tee`].
#[derive(Clone, Debug, Default)]
pub struct TeeStatus(Arc<Mutex<Status>>);

#[derive(Debug, Default)]
struct Status {
    failed: bool,
    error: Option<io::Error>,
    uncommented: u64,
}

impl TeeStatus {
    /// The error that ended the capture, given out once.
    pub fn take_error(&self) -> Option<io::Error> {
        self.with(|status| status.error.take())
    }

    /// Whether an error has ended the capture.
    pub fn is_failed(&self) -> bool {
        self.with(|status| status.failed)
    }

    /// Frames written without the host having said what they did.
    pub fn uncommented(&self) -> u64 {
        self.with(|status| status.uncommented)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Status) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<D: Device, W: Write> Tee<D, W> {
    /// `inner`, captured to `out` under the interface name `host`, which also begins each comment. `epoch` is the
    /// time since 1970 at which the host's clock stood at zero; zero keeps a capture reproducible.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(inner: D, out: W, host: &str, epoch: Duration) -> io::Result<Self> {
        let mut pcap = Pcapng::new(out)?;
        let interface = pcap.interface(host)?;
        pcap.flush()?;
        Ok(Self {
            inner,
            pcap,
            interface,
            host: host.to_owned(),
            epoch,
            received: Pairing::default(),
            sent: Pairing::default(),
            last_at: epoch,
            dirty: false,
            status: TeeStatus::default(),
        })
    }

    /// A handle that tells whether the capture is whole.
    pub fn status(&self) -> TeeStatus {
        self.status.clone()
    }

    /// Writes what is left, flushes, and gives out the error that ended the capture, if one did.
    ///
    /// # Errors
    /// The first error of the writer, unless [`TeeStatus::take_error`] has given it out.
    pub fn finish(mut self) -> io::Result<()> {
        self.end();
        self.status.take_error().map_or(Ok(()), Err)
    }
}

impl<D, W: Write> Tee<D, W> {
    fn end(&mut self) {
        for direction in [Direction::In, Direction::Out] {
            while let Some(seen) = self.pairing(direction).frames.pop_front() {
                self.write(direction, &seen, None);
            }
        }
        self.flush();
    }

    fn pairing(&mut self, direction: Direction) -> &mut Pairing {
        match direction {
            Direction::In => &mut self.received,
            Direction::Out => &mut self.sent,
        }
    }

    /// A frame has crossed: written at once if the host has already spoken of it.
    fn frame_seen(&mut self, direction: Direction, seen: Seen) {
        let pairing = self.pairing(direction);
        if let Some(trace) = pairing.traces.pop_front() {
            self.write(direction, &seen, Some(&trace));
            return;
        }
        pairing.frames.push_back(seen);
        if pairing.frames.len() > WAITING_MAX
            && let Some(oldest) = pairing.frames.pop_front()
        {
            self.write(direction, &oldest, None);
        }
    }

    /// The host has spoken of a frame: written at once if it has crossed already.
    fn trace_seen(&mut self, trace: FrameTrace) {
        let pairing = self.pairing(trace.direction);
        if let Some(seen) = pairing.frames.pop_front() {
            self.write(trace.direction, &seen, Some(&trace));
            return;
        }
        pairing.traces.push_back(trace);
        if pairing.traces.len() > WAITING_MAX {
            pairing.traces.pop_front();
        }
    }

    fn write(&mut self, direction: Direction, seen: &Seen, trace: Option<&FrameTrace>) {
        if self.status.is_failed() {
            return;
        }
        let comment = trace.and_then(|trace| frame_comment(&self.host, trace));
        match trace {
            Some(trace) => self.last_at = self.epoch + Duration::from_nanos(trace.at.as_nanos()),
            None => self.status.with(|status| status.uncommented += 1),
        }
        let result =
            self.pcap.packet(self.interface, self.last_at, direction, &seen.octets(), comment.as_deref());
        self.dirty = true;
        self.keep(result);
    }

    fn flush(&mut self) {
        if self.dirty && !self.status.is_failed() {
            let result = self.pcap.flush();
            self.keep(result);
        }
        self.dirty = false;
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.status.with(|status| {
                status.failed = true;
                status.error.get_or_insert(error);
            });
        }
    }
}

impl<D: Device, W: Write + Send + 'static> Device for Tee<D, W> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        let before = batch.len();
        let polled = self.inner.poll_recv(cx, batch);
        for frame in batch.iter().skip(before) {
            self.frame_seen(Direction::In, Seen::Received(frame.bytes.clone(), frame.checksum));
        }
        if polled.is_pending() {
            self.flush();
        }
        polled
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        let polled = self.inner.poll_send(cx, frame);
        // A frame that failed has left the host all the same, and the host has spoken of it.
        if polled.is_ready() {
            self.frame_seen(Direction::Out, Seen::Sent(Box::new(frame.clone())));
        }
        polled
    }

    fn wants_trace(&self) -> bool {
        true
    }

    fn handle_trace(&mut self, event: &TraceEvent) {
        if let TraceEvent::Frame(trace) = event {
            self.trace_seen(*trace);
        }
        self.inner.handle_trace(event);
    }
}

impl<D, W: Write> Drop for Tee<D, W> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Frames of one direction and events about them, whichever of the two came first.
#[derive(Debug, Default)]
struct Pairing {
    frames: VecDeque<Seen>,
    traces: VecDeque<FrameTrace>,
}

/// A frame that has crossed, by reference: it is put together only when it is written.
#[derive(Debug)]
enum Seen {
    Received(Bytes, Checksum),
    Sent(Box<Transmit>),
}

impl Seen {
    /// The packet with its checksum complete.
    fn octets(&self) -> Bytes {
        let (bytes, checksum) = match self {
            Self::Received(bytes, checksum) => (bytes.clone(), *checksum),
            Self::Sent(frame) => (frame.to_bytes(), frame.checksum),
        };
        if !matches!(checksum, Checksum::Partial { .. }) {
            return bytes;
        }
        let mut packet = Vec::from(bytes);
        complete(&mut packet, checksum);
        packet.into()
    }
}
