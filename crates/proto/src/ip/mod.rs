//! Between packets and transport.
