//! The last step of what leaves: headers in front of the text, and whose work the checksum is.

use super::key::Key;
use crate::wire::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN};
use crate::wire::packet::{Ends, Mark, Text, Usual, write_headers, write_usual};
use crate::wire::tcp::{CHECKSUM_OFFSET, Header};
use crate::{Checksum, InterfaceConfig, InterfaceId, Transmit};

/// Writes IP and TCP headers in front of the slices of text that are already in `out`, or short text behind them. The ports are those of `key`.
#[inline]
pub(super) fn emit(
    key: &Key,
    interface: InterfaceId,
    config: &InterfaceConfig,
    mark: Mark,
    header: &Header,
    short: &[u8],
    out: &mut Transmit,
) {
    out.interface = interface;
    let (source, destination) = key.addresses();
    let ends = Ends { source, destination, ports: key.ports(), mark };
    let offload = config.checksum_offload;
    write_headers(ends, header, Text { short, slices: &out.text }, offload, &mut out.header);
    if offload {
        out.checksum = partial(key);
    }
}

/// The same for a usual segment.
#[inline(always)]
pub(super) fn emit_usual(
    key: &Key,
    interface: InterfaceId,
    config: &InterfaceConfig,
    mark: Mark,
    usual: &Usual,
    short: &[u8],
    out: &mut Transmit,
) {
    out.interface = interface;
    let (source, destination) = key.addresses();
    let ends = Ends { source, destination, ports: key.ports(), mark };
    let offload = config.checksum_offload;
    write_usual(ends, usual, Text { short, slices: &out.text }, offload, &mut out.header);
    if offload {
        out.checksum = partial(key);
    }
}

/// What is left of the checksum for the device.
fn partial(key: &Key) -> Checksum {
    let start = if key.is_ipv6() { IPV6_HEADER_LEN } else { IPV4_HEADER_LEN };
    Checksum::Partial { start: u16::try_from(start).unwrap_or(u16::MAX), offset: CHECKSUM_OFFSET }
}
