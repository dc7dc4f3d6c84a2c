//! Sources and sinks of IP packets for linger.
#![deny(unsafe_code)]

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
