//! What the tests over the public face of a host share.
//!
//! - `packet`: packets made by hand, good ones and whatever else is wanted
//! - `rig`: a host with listeners and sockets, and everything that leaves it
//! - `peer`: the other end of a connection, played by the test
//! - `world`: a host with a connection in every state, and the books that must balance
//! - `step`: what may happen to it
//! - `conversation`: one connection with a peer that lies about everything but its text
#![allow(dead_code, unused_imports, reason = "every test binary uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect may panic")]

mod conversation;
mod packet;
mod peer;
mod rig;
mod step;
mod world;

pub(crate) use conversation::{Conversation, Move};
pub(crate) use packet::{
    Family, V4, V6, extension, fragment_v6, icmp, icmp_packet, resum, tcp_packet, transport_sum, udp,
    udp_packet,
};
pub(crate) use peer::{Peer, STATES};
pub(crate) use rig::{Answer, HTTP, Rig, SERVICE, answer, increments};
pub(crate) use step::{Near, Spoil, Step, good};
pub(crate) use world::World;
