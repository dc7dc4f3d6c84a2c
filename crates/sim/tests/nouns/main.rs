//! Every noun of the stack over the simulator: one file per group, each test a sentence.
//!
//! | file | what |
//! |---|---|
//! | `world` | two hosts, a link, a record of what was on it |
//! | `forge` | packets made by hand |
//! | `bulk` | an application that sends and receives much |
//! | `opening` | handshakes, backlog, initial numbers, ports |
//! | `closing` | orderly and abrupt ends |
//! | `time_wait` | what is remembered of a connection, and for whom |
//! | `options` | MSS, window scale, timestamps, SACK |
//! | `retransmission` | what is sent again, and when |
//! | `windows` | flow control, acknowledgments held back, Nagle |
//! | `patience` | keep-alive, user timeout, dead peers |
//! | `integrity` | octets arrive as they were sent, whatever the link does |
//! | `datagrams` | UDP, fragments, ICMP |
//!
//! What connections cost in memory is measured in `tests/buffers.rs`, a process of its own.

mod bulk;
mod closing;
mod datagrams;
mod forge;
mod integrity;
mod opening;
mod options;
mod patience;
mod retransmission;
mod time_wait;
mod windows;
mod world;
