//! Every noun of the stack over the simulator: one file per group, each test a sentence.
//!
//! | file | what |
//! |---|---|
//! | `world` | two hosts, a link, a record of what was on it |
//! | `forge` | packets made by hand |
//! | `bulk` | an application that sends and receives much |
//! | `opening` | handshakes, backlog, initial numbers, ports |
//! | `closing` | orderly and abrupt ends, TIME-WAIT |
//! | `options` | MSS, window scale, timestamps, SACK |
//! | `retransmission` | what is sent again, and when |
//! | `windows` | flow control, acknowledgments held back, Nagle |
//! | `patience` | keep-alive, user timeout, dead peers |
//! | `integrity` | octets arrive as they were sent, whatever the link does |
//! | `datagrams` | UDP, fragments, ICMP |
//! | `buffers` | what an idle connection does not hold |

mod bulk;
mod closing;
mod datagrams;
mod forge;
mod integrity;
mod opening;
mod options;
mod patience;
mod retransmission;
mod windows;
mod world;
