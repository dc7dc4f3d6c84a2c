//! The kernel's TUN: a network interface whose far end is a descriptor of ours.
//!
//! | file | what is in it |
//! |---|---|
//! | `address` | addresses for the kernel's end |
//! | `open` | [`TunBuilder`] and [`TunError`]: making the interface, or taking over an open descriptor |
//! | `queue` | the descriptor in tokio: waiting, reading, gathering writes |
//! | `receive` | buffers for what arrives, and when one is handed on instead of copied |
//! | `vnet` | the virtio header before each packet: partial checksums and super-segments |

mod address;
mod open;
mod queue;
mod receive;
mod vnet;

#[cfg(test)]
mod tests;

pub use open::{TunBuilder, TunError};

use crate::offload::segment;
use crate::{BATCH, BATCH_OCTETS, Capabilities, Device};
use linger_proto::{Frame, Transmit};
use queue::Queue;
use receive::Receiver;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use vnet::VnetHeader;

/// One queue of a TUN interface.
///
/// With offload the kernel hands over TCP super-segments of up to 64 KiB whole, takes them from us whole, and neither
/// side computes a checksum for text that never leaves the machine. An interface that [`TunBuilder`] made is removed
/// when the last of its queues is dropped.
///
/// It is registered with tokio when it is first polled, so it may be opened before a runtime exists.
#[derive(Debug)]
pub struct Tun {
    queue: Queue,
    name: String,
    mtu: u16,
    /// Each packet has a virtio header.
    vnet_hdr: bool,
    receiver: Receiver,
    counters: TunCounters,
}

/// What a [`Tun`] has dropped, readable also while a stack owns it.
#[derive(Clone, Debug, Default)]
pub struct TunCounters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    down: AtomicU64,
    refused: AtomicU64,
    malformed: AtomicU64,
}

impl TunCounters {
    /// Packets dropped because the interface was down, as on a cable that is not plugged in.
    pub fn down(&self) -> u64 {
        self.0.down.load(Ordering::Relaxed)
    }

    /// Packets that the kernel refused: malformed, or no memory for them.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Reads from the kernel that made no sense.
    pub fn malformed(&self) -> u64 {
        self.0.malformed.load(Ordering::Relaxed)
    }
}

/// How large a batch has become.
#[derive(Default)]
struct Count {
    frames: usize,
    octets: usize,
}

impl Count {
    /// Puts a frame into the batch; what made no sense is counted elsewhere.
    fn take(&mut self, frame: Option<Frame>, batch: &mut Vec<Frame>, counters: &TunCounters) {
        let Some(frame) = frame else { return count(&counters.0.malformed) };
        self.frames += 1;
        self.octets += frame.bytes.len();
        batch.push(frame);
    }

    fn is_full(&self) -> bool {
        self.frames >= BATCH || self.octets >= BATCH_OCTETS
    }
}

/// Reads one packet; `None` when it made no sense.
fn read(queue: &Queue, receiver: &mut Receiver, vnet_hdr: bool) -> io::Result<Option<Frame>> {
    queue.try_read(receiver.buffer())?;
    Ok(receiver.frame(vnet_hdr))
}

/// Adds one.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tun {
    /// Makes a TUN interface, or attaches to one prepared with `ip tuntap add NAME mode tun user USER`.
    pub fn builder() -> TunBuilder {
        TunBuilder::default()
    }

    /// Takes over an open TUN descriptor, from another process or a service manager. Whether it has virtio headers is
    /// asked of the kernel; `mtu` is that of the interface. It must have been opened with `IFF_NO_PI`, which the
    /// kernel does not tell. The interface itself is left as it is.
    ///
    /// # Errors
    /// [`TunError::NotATun`] for any other descriptor.
    pub fn from_fd(fd: OwnedFd, mtu: u16) -> Result<Self, TunError> {
        open::adopt(fd, mtu)
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A handle on what it has dropped.
    pub fn counters(&self) -> TunCounters {
        self.counters.clone()
    }

    fn new(fd: OwnedFd, name: String, mtu: u16, vnet_hdr: bool) -> io::Result<Self> {
        Ok(Self {
            queue: Queue::new(fd)?,
            name,
            mtu,
            vnet_hdr,
            receiver: Receiver::default(),
            counters: TunCounters::default(),
        })
    }

    /// For a program with a loop of its own instead of tokio: appends frames that wait in the kernel to `batch`. False
    /// when none is left there; true when it stopped before, because the batch is large enough to be answered. Poll the
    /// descriptor ([`AsFd`]) for more frames, and for an error condition, which is what a deleted interface shows.
    ///
    /// # Errors
    /// `NotConnected` when the interface was deleted, and what else the kernel says.
    pub fn try_recv(&mut self, batch: &mut Vec<Frame>) -> io::Result<bool> {
        let mut count = Count::default();
        while !count.is_full() {
            match read(&self.queue, &mut self.receiver, self.vnet_hdr) {
                Ok(frame) => count.take(frame, batch, &self.counters),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.broken(error)),
            }
        }
        Ok(true)
    }

    /// For a program with a loop of its own instead of tokio: sends one frame.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room, `NotConnected` when the interface was deleted. What the interface drops is
    /// counted ([`Tun::counters`]) and no error.
    pub fn try_send(&self, frame: &Transmit) -> io::Result<()> {
        if self.vnet_hdr { self.write(frame) } else { self.write_cut(frame) }
    }

    /// The error of a read, in words where it means that the interface is gone.
    fn broken(&self, error: io::Error) -> io::Error {
        if error.raw_os_error() == Some(libc::EBADFD) { self.deleted() } else { error }
    }

    /// Writes one packet. What the interface drops is counted; only a deleted interface is an error.
    fn write(&self, frame: &Transmit) -> io::Result<()> {
        let result = if !self.vnet_hdr {
            self.queue.try_write(&[&frame.header], &frame.text)
        } else if let Some(header) = VnetHeader::of(frame) {
            self.queue.try_write(&[&header.to_bytes(), &frame.header], &frame.text)
        } else {
            let (header, frame) = vnet::partial(frame);
            self.queue.try_write(&[&header.to_bytes(), &frame.header], &frame.text)
        };
        match result {
            Err(error) => self.judge(error),
            Ok(()) => Ok(()),
        }
    }

    /// Writes a frame to a device that wants packets. Packets after the first that find no room are dropped, as in any
    /// full queue: the first is out already.
    fn write_cut(&self, frame: &Transmit) -> io::Result<()> {
        for (i, packet) in segment(frame).enumerate() {
            match self.write(&packet) {
                Err(error) if i > 0 && error.kind() == io::ErrorKind::WouldBlock => {
                    count(&self.counters.0.refused);
                }
                result => result?,
            }
        }
        Ok(())
    }

    fn judge(&self, error: io::Error) -> io::Result<()> {
        match error.raw_os_error() {
            Some(libc::EIO) => count(&self.counters.0.down),
            Some(libc::EINVAL | libc::EMSGSIZE | libc::ENOBUFS | libc::ENOMEM) => {
                count(&self.counters.0.refused);
            }
            Some(libc::EBADFD) => return Err(self.deleted()),
            _ => return Err(error),
        }
        Ok(())
    }

    fn deleted(&self) -> io::Error {
        let text = format!("the interface {} was deleted", self.name);
        io::Error::new(io::ErrorKind::NotConnected, text)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl Device for Tun {
    fn capabilities(&self) -> Capabilities {
        Capabilities { mtu: self.mtu, checksum_offload: self.vnet_hdr, segmentation_offload: self.vnet_hdr }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>> {
        let mut count = Count::default();
        let (receiver, counters, vnet_hdr) = (&mut self.receiver, &self.counters, self.vnet_hdr);
        let polled = self.queue.poll_read(cx, |queue| {
            count.take(read(queue, receiver, vnet_hdr)?, batch, counters);
            Ok(!count.is_full())
        });
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broken(error))),
            Poll::Pending if count.frames == 0 => Poll::Pending,
            _ => Poll::Ready(Ok(count.frames)),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>> {
        loop {
            match self.try_send(frame) {
                // An interface that is down is never writable: asked only after a write has found no room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.queue.poll_writable(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }
}
