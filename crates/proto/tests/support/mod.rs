//! What the tests over the public face of a host share.
//!
//! - `packet`: packets made by hand, good ones and whatever else is wanted
//! - `rig`: a host with listeners and sockets, and everything that leaves it
//! - `peer`: the other end of a connection, played by the test
#![allow(dead_code, unused_imports, reason = "every test binary uses its own part of it")]

mod packet;
mod peer;
mod rig;

pub(crate) use packet::{
    Family, V4, V6, extension, fragment_v6, icmp, icmp_packet, resum, tcp_packet, transport_sum, udp,
    udp_packet,
};
pub(crate) use peer::{Peer, STATES};
pub(crate) use rig::{Answer, HTTP, Rig, SERVICE, answer, increments};
