//! How a connection ends.
//!
//! - `halves`: the synchronized states as a product of two half-closes
//! - `holder`: whether an application still holds the stream, and until when one without holder may live

pub(crate) mod halves;
pub(crate) mod holder;
