//! Captures in pcapng: the writer, and a tee that writes what crosses a device.
//!
//! | file | what is in it |
//! |---|---|
//! | `writer` | [`Pcapng`]: interfaces, packets, comments; the same calls give the same octets |
//! | `tee` | [`Tee`]: pairs the frames of a device with what the host says about them |

mod tee;
mod writer;

pub use tee::{Tee, TeeStatus};
pub use writer::{PcapInterface, Pcapng, frame_comment};

#[cfg(test)]
mod tests;
