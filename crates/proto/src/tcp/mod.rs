//! TCP.

// Their first users come with the connection.
#[allow(dead_code, unused_imports)]
pub(crate) mod buffer;
pub(crate) mod config;
pub(crate) mod error;
pub(crate) mod info;
pub(crate) mod seq;
#[allow(dead_code, unused_imports)]
pub(crate) mod time_wait;
