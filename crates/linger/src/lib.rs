//! A host-class user-space TCP/IP stack for tokio: [`Net`], [`TcpListener`], [`TcpStream`], [`UdpSocket`].
//!
//! The protocols are those of [`linger_proto`], the packets go through any [`Device`]: a TUN, an in-memory channel,
//! a capture around either. Two stacks in one process, without any privilege:
//!
//! ```
//! use linger::{Net, device::{Capabilities, Channel}};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let able = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };
//!     let (left, right) = Channel::pair(64, able);
//!     let server = Net::builder().address(left, [10, 0, 0, 1], 24).spawn()?;
//!     let client = Net::builder().address(right, [10, 0, 0, 2], 24).spawn()?;
//!     let listener = server.listen(([10, 0, 0, 1], 80)).await?;
//!     let mut ours = client.connect(([10, 0, 0, 1], 80)).await?;
//!     let (mut theirs, _peer) = listener.accept().await?;
//!     ours.write_all(b"hello").await?;
//!     ours.shutdown().await?; // FIN after the text: the end of it for the reader
//!     let mut text = String::new();
//!     theirs.read_to_string(&mut text).await?;
//!     assert_eq!(text, "hello");
//!     tokio::try_join!(theirs.close(), ours.close())?; // both sides say that it closed in order
//!     Ok(())
//! }
//! ```
//!
//! # How it is made
//!
//! | file | what is in it |
//! |---|---|
//! | `net`, `builder` | the handle, and how a stack is put together |
//! | `driver` | the one future that moves frames between a host and its devices, and between shards |
//! | `shared`, `waiting` | the lock, and who waits for what under it |
//! | `shards` | several hosts, queues and drivers that are one stack |
//! | `listener`, `incoming`, `stream`, `split`, `udp` | what an application holds |
//! | `relay` | two streams joined, FIN and RST carried through |
//! | `shutdown` | the orderly end of a whole stack |
//! | `error`, `clock` | `io::Error`s, time |
//! | `embed` | for those who pump the host themselves |
#![forbid(unsafe_code)]

mod builder;
mod clock;
mod driver;
pub mod embed;
pub mod error;
mod incoming;
mod listener;
mod net;
mod relay;
#[cfg(feature = "axum")]
mod serve;
mod shards;
mod shared;
mod shutdown;
mod split;
mod stream;
mod udp;
mod waiting;

pub use builder::NetBuilder;
pub use clock::Clock;
pub use driver::Driver;
pub use error::StackEnded;
pub use incoming::Incoming;
pub use linger_device::{self as device, Capabilities, Device};
pub use linger_proto::{
    self as proto, AcceptError, CloseReason, ConnectConfig, Counters, HostConfig, ImportError,
    InterfaceConfig, ListenConfig, Secret, Snapshot, State, TcpConfig, TcpInfo, TraceEvent, Trouble,
    WhenFull,
};
pub use listener::TcpListener;
pub use net::Net;
pub use relay::{Abort, Relayed, copy_bidirectional};
pub use shutdown::ShutdownReport;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stream::TcpStream;
pub use udp::UdpSocket;

/// The example in README.md, compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
