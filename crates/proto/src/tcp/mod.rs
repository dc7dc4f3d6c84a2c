//! TCP.

pub(crate) mod config;
pub(crate) mod error;
pub(crate) mod info;
pub(crate) mod seq;
