//! One IP host as a deterministic value: packets and calls in, packets and events out.
//!
//! [`Host`] holds the whole stack of one host: IPv4 and IPv6, ICMP, UDP and TCP. It reads no clock, opens no socket
//! and draws no random number; time and one [`Secret`] come from outside. Equal inputs give equal octets.
//!
//! Its methods are of four kinds: **A** what is so (`info`, `snapshot`), **B** what happened (`handle_*`),
//! **C** what the application wants (bare verbs), **D** what to do now (`poll_*`).
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
mod table;
pub mod tcp;
mod time;
mod trace;
mod udp;
pub mod wire;

pub use drop::{DropCounters, DropReason};
pub use frame::{Checksum, Frame, Transmit};
pub use host::snapshot::{ConnectionSnapshot, ListenerSnapshot, Snapshot, TimeWaitSnapshot};
pub use host::{Counters, Event, FourTuple, Host, HostConfig, InterfaceConfig, Stream};
pub use id::{ConnectionId, InterfaceId, ListenerId, OwnerId, UdpId};
pub use secret::Secret;
pub use tcp::config::{ConnectConfig, KeepAlive, ListenConfig, TcpConfig};
pub use tcp::error::{CloseReason, ConnectError, ListenError, ReadError, WriteError};
pub use tcp::info::{State, TcpInfo};
pub use tcp::seq::SeqNum;
pub use time::Instant;
pub use trace::{Direction, FrameTrace, TraceEvent};
pub use udp::{Datagram, UdpError};
