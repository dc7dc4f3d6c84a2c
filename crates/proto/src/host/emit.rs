//! The last step of what leaves: headers in front of the text, and whose work the checksum is.

use super::key::Key;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::sends::plain;
use crate::tcp::seq::octets;
use crate::wire::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN};
use crate::wire::packet::{
    Ends, Mark, TIMESTAMP_LEN, Text, Usual, Weight, write_headers, write_ip, write_usual,
};
use crate::wire::tcp::{CHECKSUM_OFFSET, HEADER_LEN, Header, Timestamp};
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

/// The same for a usual segment with `text` octets of text, of which long text is in `out` already. A function of its own,
/// so that it has all registers for itself.
#[inline(never)]
pub(super) fn emit_usual(
    connection: &Connection,
    text: u32,
    flags_and_wnd: u32,
    now_ms: u32,
    offload: bool,
    out: &mut Transmit,
) {
    let Phase::Synchronized(tcb) = &connection.phase else { return };
    let short = if out.text.is_empty() { plain::short(tcb, text) } else { &[] };
    let weight = if out.text.is_empty() {
        Weight::of_short(short, offload)
    } else {
        Weight::of_slices(&out.text, offload)
    };
    let key = &connection.key;
    let (source, destination) = key.addresses();
    let ends = Ends { source, destination, ports: key.ports(), mark: tcb.config.mark };
    let header_len = if tcb.ts().is_some() { HEADER_LEN + TIMESTAMP_LEN } else { HEADER_LEN };
    let length = octets(header_len + weight.len);
    let addresses = write_ip(&ends, length, &mut out.header);
    let timestamp = tcb.ts().map(|ts| Timestamp { val: tcb.ts_val_at(now_ms), ecr: ts.recent });
    let usual = Usual { seq: tcb.snd.nxt, ack: tcb.rcv.nxt, flags_and_wnd, timestamp };
    write_usual(addresses, length, key.ports(), &usual, weight.sum, offload, &mut out.header);
    if !short.is_empty() {
        let fits = out.header.try_extend_from_slice(short);
        debug_assert!(fits.is_ok(), "short text has room");
    }
    out.interface = connection.interface;
    if offload {
        out.checksum = partial(key);
    }
}

/// What is left of the checksum for the device.
fn partial(key: &Key) -> Checksum {
    let start = if key.is_ipv6() { IPV6_HEADER_LEN } else { IPV4_HEADER_LEN };
    Checksum::Partial { start: u16::try_from(start).unwrap_or(u16::MAX), offset: CHECKSUM_OFFSET }
}
