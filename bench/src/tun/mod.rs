//! What the programs that measure over a TUN share.
//!
//! | file | what it holds |
//! |---|---|
//! | `responder.rs` | the smallest server there can be: one thread, one host, one queue of a TUN |
//! | `service.rs` | what it serves: HTTP with a fixed body, a sink and a source of octets |
//! | `hyper_service.rs` | the same services on an async stream, HTTP by hyper |
//! | `subject.rs` | a server to be measured, and the namespaces around it |
//! | `load.rs` | what is done to it: wrk, bulk transfers, idle connections |
//! | `latency.rs` | an open-loop client of our own |
//! | `cpu.rs` | what the kernel says a process has used |
//! | `measure.rs` | the list of measurements and what their figures are called |

pub mod cpu;
mod hyper_service;
pub mod latency;
pub mod load;
mod measure;
mod responder;
mod service;
mod subject;

pub use hyper_service::{pour, serve_connection, swallow};
pub use measure::{Figure, KINDS, Kind, measure};
pub use responder::respond;
pub use service::{Service, answers, wants_close};
pub use subject::{Place, Server, Subject};

use std::net::{IpAddr, Ipv4Addr};

/// The kernel's address on the link.
pub const KERNEL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// The address of the stack that is measured.
pub const STACK: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
/// Length of the link's prefix, bits.
pub const PREFIX: u8 = 24;
/// The name of the interface.
pub const INTERFACE: &str = "tp0";
/// Frames that the kernel queues for us: as many for every peer.
pub const QUEUE: u32 = 4096;

/// Answers HTTP requests.
pub const HTTP: u16 = 80;
/// Takes octets and drops them.
pub const SINK: u16 = 5001;
/// Gives octets for as long as they are taken.
pub const SOURCE: u16 = 5002;
/// Octets of an HTTP body.
pub const BODY: usize = 1024;
