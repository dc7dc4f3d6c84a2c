//! HTTP over our own TCP: what `serve` and `run` have in common. hyper speaks HTTP, tower-http reads files.
//!
//! | file | holds |
//! |---|---|
//! | `server.rs` | listeners, connections, and how all of them end in order |
//! | `site.rs` | what a request is answered with: a directory, or a built-in page |
//! | `log.rs` | one line for each request, written by a thread of its own |

mod log;
mod server;
mod site;

pub(crate) use log::AccessLog;
pub(crate) use server::{Server, Stop, Traffic, Watch};
pub(crate) use site::Site;
