//! Many hosts on simulated links under a virtual clock: the same seed gives the same octets on the wire.
//!
//! | file | what |
//! |---|---|
//! | `sim` | [`Sim`]: hosts, links, applications, and the loop that takes one event after another |
//! | `schedule` | the queue of events |
//! | `link`, [`fault`] | what happens to packets between hosts |
//! | `random` | every random number comes from the [`Seed`] |
//! | `app` | applications that drive a host directly |
//! | `tokio_host` | unmodified tokio programs on a host (feature `tokio`) |
//! | `observe` | what happens, for those who watch |
//! | [`check`] | invariants |
//! | `capture` | a link as a pcapng file with the states in its comments |
//! | [`ladder`] | the segments between two hosts as a drawing |
//! | [`explore`] | every way in which two hosts can live through a connection, within a bound
//! | `digest` | one number for everything that happened |
#![forbid(unsafe_code)]

mod app;
mod capture;
pub mod check;
mod digest;
pub mod explore;
pub mod fault;
pub mod ladder;
mod link;
mod node;
mod observe;
mod random;
mod schedule;
mod sim;
#[cfg(feature = "tokio")]
mod tokio_host;

pub use app::App;
pub use check::{Checker, Violation};
pub use fault::{Fault, Packet, Verdict};
pub use link::{Link, Loss};
pub use observe::{Arrived, Observation, Observer, PacketId, Sent, StateChange};
pub use random::{Random, Seed};
pub use sim::{Failure, HostId, LinkId, Report, Sim, Why};
