//! One IP host as a deterministic value: packets and calls in, packets and events out.
//!
//! [`Host`] holds the whole stack of one host: IPv4 and IPv6, ICMP, UDP and TCP. It reads no clock, opens no socket
//! and draws no random number; time and one [`Secret`] come from outside. Equal inputs give equal octets.
//!
//! Its methods are of four kinds: **A** what is so (`info`, `snapshot`), **B** what happened (`handle_*`),
//! **C** what the application wants (bare verbs), **D** what to do now (`poll_*`).
//!
//! Whoever drives it hands in what arrived and what came due, drains what leaves and what happened, and waits until the
//! next timeout. Here two hosts open a connection over a wire without delay, and time is a number:
//!
//! ```
//! use linger_proto::*;
//! use std::net::{IpAddr, SocketAddr};
//!
//! let addresses: [IpAddr; 2] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
//! let mut hosts = addresses.map(|address| {
//!     let mut host = Host::new(HostConfig::default(), Secret::from_bytes([7; 32]));
//!     host.add_interface(InterfaceConfig { addresses: vec![(address, 24)], ..InterfaceConfig::default() });
//!     host
//! });
//! let (mut now, mut out) = (Instant::ZERO, Transmit::default());
//! let server = SocketAddr::new(addresses[1], 80);
//! let listener = hosts[1].listen(server, ListenConfig::default())?;
//! hosts[0].connect(now, server, ConnectConfig::default())?;
//! while hosts[1].accept(listener).is_none() {
//!     let mut busy = false;
//!     for (from, to) in [(0, 1), (1, 0)] {
//!         while hosts[from].poll_transmit(now, &mut out) {
//!             let frame = Frame { checksum: out.checksum, ..Frame::from(out.to_bytes()) };
//!             hosts[to].handle_frames(now, out.interface, &mut [frame].into_iter());
//!             busy = true;
//!         }
//!     }
//!     if !busy {
//!         now = hosts.iter().filter_map(Host::poll_timeout).min().ok_or("nothing is due")?;
//!         hosts.iter_mut().for_each(|host| host.handle_timeout(now));
//!     }
//! }
//! assert!(matches!(hosts[0].poll_event(), Some(Event::Connected(_))));
//! assert_eq!(now, Instant::ZERO); // no timer was needed
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

extern crate alloc;

mod drop;
mod frame;
mod host;
mod id;
mod ip;
mod secret;
mod sip;
mod table;
pub mod tcp;
mod time;
mod trace;
mod udp;
pub mod wire;

pub use drop::{DropCounters, DropReason};
pub use frame::{Checksum, Frame, HeaderBytes, Transmit};
pub use host::snapshot::{ConnectionSnapshot, ListenerSnapshot, Snapshot, TimeWaitSnapshot};
pub use host::{Counters, Event, FourTuple, Host, HostConfig, InterfaceConfig, ShardMap, Stray, Stream};
pub use id::{ConnectionId, IncomingId, InterfaceId, ListenerId, OwnerId, UdpId};
pub use secret::Secret;
pub use table::growth::Growth;
pub use tcp::config::{ConnectConfig, KeepAlive, ListenConfig, TcpConfig, WhenFull};
pub use tcp::error::{
    AcceptError, CloseReason, ConnectError, ImportError, ListenError, ReadError, WriteError,
};
pub use tcp::info::{State, TcpInfo, Trouble};
pub use tcp::seq::SeqNum;
pub use time::Instant;
pub use trace::{Direction, FrameTrace, TraceEvent};
pub use udp::{Datagram, UdpError};
