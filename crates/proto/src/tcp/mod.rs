//! TCP: RFC 9293 and its companions.
//!
//! ```text
//!                 +---------+  passive OPEN    +--------+
//!                 | CLOSED  | ---------------> | LISTEN |  opening/listener
//!                 +---------+                  +--------+
//!     active OPEN |  snd SYN                    rcv SYN | snd SYN,ACK
//!                 v                                     v
//!            +----------+     rcv SYN, snd SYN,ACK   +--------------+
//!            | SYN-SENT | -------------------------> | SYN-RECEIVED |  opening/active, opening/half_open
//!            +----------+                            +--------------+
//!      rcv SYN,ACK |  snd ACK                      rcv ACK of SYN |
//!                  +--------------> +-------------+ <-------------+
//!                                   | ESTABLISHED |  tcb, arrives/, sends/
//!                    CLOSE, snd FIN +-------------+ rcv FIN, snd ACK
//!              +----------------------+         +-----------------------+
//!              v                                                        v
//!        +------------+   rcv FIN, snd ACK   +---------+          +------------+
//!        | FIN-WAIT-1 | -------------------> | CLOSING |          | CLOSE-WAIT |   closing/halves
//!        +------------+                      +---------+          +------------+
//!  rcv ACK of FIN |                    rcv ACK of FIN |     CLOSE, snd FIN |
//!                 v                                   v                    v
//!        +------------+   rcv FIN, snd ACK    +-----------+           +----------+
//!        | FIN-WAIT-2 | --------------------> | TIME-WAIT |           | LAST-ACK |   time_wait
//!        +------------+                       +-----------+           +----------+
//!                                               2*MSL -> CLOSED     rcv ACK of FIN -> CLOSED
//! ```
//!
//! - `seq`, `segment`: sequence numbers; a segment as it arrives
//! - `config`, `error`, `info`: what can be set, what can go wrong, what can be asked; `settings`: what follows from
//!   what was set
//! - `connection`: the object behind a stream, in each phase of its life
//! - `opening/`: LISTEN, SYN-SENT, SYN-RECEIVED
//! - `tcb`, `timers`: the synchronized connection and its deadlines
//! - `arrives/`: a segment arrives; `sends/`: what goes out next
//! - `closing/`: the half-closes; `time_wait`: the table of those that are done
//! - `buffer/`: text to send, text received, text received too early
//! - `recovery/`: what was lost; `congestion/`: how much may fly

pub(crate) mod arrives;
pub(crate) mod buffer;
pub(crate) mod closing;
pub(crate) mod config;
pub(crate) mod congestion;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod info;
pub(crate) mod opening;
pub(crate) mod recovery;
pub(crate) mod segment;
pub(crate) mod sends;
pub(crate) mod seq;
pub(crate) mod settings;
pub(crate) mod tcb;
pub(crate) mod time_wait;
pub(crate) mod timers;
