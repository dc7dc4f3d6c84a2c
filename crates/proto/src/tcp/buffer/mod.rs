//! Text on its way: not yet acknowledged by the peer, not yet read by the application.
//!
//! | file | what |
//! |---|---|
//! | `send` | what was written and not acknowledged; gives slices to segments without a copy |
//! | `recv` | what was received and not read, with its bound on memory |
//! | `reassembly` | what arrived before its turn |
//! | `pool` | empty buffers that wait for the next text |
//! | `run` | a contiguous run of received text, the piece both are made of |

pub(crate) mod pool;
pub(crate) mod reassembly;
pub(crate) mod recv;
pub(crate) mod run;
pub(crate) mod send;
