//! Between packets and transport.
//!
//! | file | what it knows |
//! |---|---|
//! | `interface` | our addresses, which interface leads where, which source suits a destination |
//! | `reassembly` | fragments of packets that are not whole yet |
//! | `path_mtu` | destinations that take less than the interface's MTU |
//! | `icmp` | what an ICMP message means for the host, and what the host may answer |
//! | `outbox` | packets that IP itself makes: ICMP answers and datagrams, fragmented where they must be |
//! | `identification` | numbers that tell the fragments of one packet from those of another |

use bytes::Bytes;
use core::ops::Range;

pub(crate) mod icmp;
pub(crate) mod identification;
pub(crate) mod interface;
pub(crate) mod outbox;
pub(crate) mod path_mtu;
pub(crate) mod reassembly;

/// TTL or hop limit of what this host sends (RFC 1700).
pub(crate) const HOP_LIMIT: u8 = 64;

/// The octets of `range`, not copied; none where `bytes` do not reach as far.
pub(crate) fn slice(bytes: &Bytes, range: Range<usize>) -> Bytes {
    match bytes.get(range.clone()) {
        Some(_) => bytes.slice(range),
        None => Bytes::new(),
    }
}
