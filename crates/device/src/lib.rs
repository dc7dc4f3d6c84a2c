//! Sources and sinks of IP packets for linger.
//!
//! | device | what it is |
//! |---|---|
//! | [`Channel`] | a bounded queue of frames in memory: two stacks in one process, or packets a program brings itself |
//! | [`Fan`] | the far end of several channels: what is behind a device with several queues |
//! | `Tun` (Linux) | the kernel's TUN, with segmentation and checksum offload |
//! | [`Impaired`] | any device made worse: delay, loss, duplication, reordering, corruption, a rate |
//! | [`Tee`] | any device with every frame written to a pcapng capture |
//!
//! [`offload`] does in software what a device cannot: it cuts super-segments and completes checksums.
#![deny(unsafe_code)]

mod channel;
mod fan;
mod impair;
pub mod offload;
pub mod pcap;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
pub mod tun;

pub use channel::{Channel, ChannelClosed, ChannelHandle, ChannelReceiver, ChannelSender};
pub use fan::{Fan, Steer};
pub use impair::{Impaired, Impairment, ImpairmentCounters, ImpairmentWatch};
pub use pcap::{Pcapng, Tee};
#[cfg(target_os = "linux")]
pub use tun::{Tun, TunBuilder, TunError};

use linger_proto::{Frame, TraceEvent, Transmit};
use std::io;
use std::task::{Context, Poll};

/// A source and sink of frames.
pub trait Device: Send + 'static {
    /// What the device can do; asked once, before the first frame.
    fn capabilities(&self) -> Capabilities;

    /// Appends frames that have arrived to `batch` and returns how many; `Pending` when there are none.
    /// `Ready(Ok(0))` means that no frame will ever come again: the other end is gone.
    fn poll_recv(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<io::Result<usize>>;

    /// Sends one frame; `Pending` when there is no room, and then `cx` is woken when there is.
    fn poll_send(&mut self, cx: &mut Context<'_>, frame: &Transmit) -> Poll<io::Result<()>>;

    /// Whether [`Device::handle_trace`] wants to be told what each frame did.
    fn wants_trace(&self) -> bool {
        false
    }

    /// What the host says about the frames of this device, in their order: for captures.
    fn handle_trace(&mut self, _event: &TraceEvent) {}
}

/// What a device can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Largest IP packet, octets.
    pub mtu: u16,
    /// The device completes partial transport checksums.
    pub checksum_offload: bool,
    /// The device cuts packets of up to 64 KiB into segments.
    pub segmentation_offload: bool,
}

/// Most frames one `poll_recv` of a device here hands over, so that the caller gets to answer in between.
const BATCH: usize = 64;

/// And most octets. A sender with a large window works on while a quarter of a batch is read; where all of its window
/// goes into one batch, each of the two waits while the other works.
const BATCH_OCTETS: usize = 512 << 10;
