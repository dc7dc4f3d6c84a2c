//! Bytes and their meaning, one file for each header. A view borrows and never judges; a representation is valid by
//! construction.
//!
//! | file | header | source |
//! |---|---|---|
//! | [`address`] | none: an address of either family in two words | |
//! | [`checksum`] | the Internet checksum, in progress | RFC 1071 |
//! | [`ip`] | IPv4, IPv6 and its extension headers | RFC 791, RFC 1122, RFC 8200 |
//! | [`tcp`] | TCP and its options | RFC 9293, RFC 7323, RFC 2018 |
//! | [`packet`] | IP and TCP together, as they leave | |
//! | [`udp`] | UDP | RFC 768, RFC 8200 §8.1 |
//! | [`icmp`] | ICMP, ICMPv6 and the packets that they quote | RFC 792, RFC 1191, RFC 4443 |

pub mod address;
pub mod checksum;
pub mod icmp;
pub mod ip;
pub mod packet;
pub mod tcp;
pub mod udp;

#[cfg(test)]
mod tests;

/// The 16-bit field at `at`, where there is one.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The 32-bit field at `at`, where there is one.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}
