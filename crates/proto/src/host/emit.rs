//! The last step of what leaves: headers in front of the text, and whose work the checksum is.

use super::key::Key;
use crate::tcp::connection::{Connection, Phase};
use crate::tcp::sends::plain;
use crate::wire::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN};
use crate::wire::packet::{Ends, Mark, Text, Usual, Weight, write_few, write_headers, write_ip, write_usual};
use crate::wire::tcp::{CHECKSUM_OFFSET, Header, Timestamp};
use crate::{Checksum, Instant, InterfaceConfig, InterfaceId, Transmit};

/// Writes IP and TCP headers in front of the slices of text that are already in `out`, or short text behind them. The ports are those of `key`.
#[inline(never)]
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

/// The same for a segment without text.
#[inline(never)]
pub(super) fn emit_bare(
    key: &Key,
    interface: InterfaceId,
    config: &InterfaceConfig,
    mark: Mark,
    header: &Header,
    out: &mut Transmit,
) {
    let Some(options) = header.options.few_words() else {
        return emit(key, interface, config, mark, header, &[], out);
    };
    let offload = config.checksum_offload;
    let (source, destination) = key.addresses();
    let ends = Ends { source, destination, ports: key.ports(), mark };
    write_few(&ends, header, options, Weight::default(), offload, &mut out.header);
    out.interface = interface;
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
    let (short, sum): (&[u8], _) = if out.text.is_empty() {
        let short = plain::short(tcb, text);
        (short, Weight::of_short(short, offload).sum)
    } else {
        (&[], Weight::of_slices(&out.text, offload).sum)
    };
    let key = &connection.key;
    let (source, destination) = key.addresses();
    let ends = Ends { source, destination, ports: key.ports(), mark: tcb.config.mark };
    let words = if tcb.ts().is_some() { 8 } else { 5 };
    let length = text + 4 * words;
    let addresses = write_ip(&ends, length, &mut out.header);
    let timestamp = tcb.ts().map(|ts| Timestamp { val: tcb.ts_val_at(now_ms), ecr: ts.recent });
    let usual = Usual { seq: tcb.snd.nxt, ack: tcb.rcv.nxt, flags_and_wnd, timestamp };
    write_usual(addresses, length, key.ports(), &usual, sum, offload, &mut out.header);
    if !short.is_empty() {
        let fits = out.header.try_extend_from_slice(short);
        debug_assert!(fits.is_ok(), "short text has room");
    }
    out.interface = connection.interface;
    if offload {
        out.checksum = partial(key);
    }
}

/// The SYN or SYN-ACK that is due on a connection, if one is.
#[inline(never)]
pub(super) fn emit_syn(
    connection: &mut Connection,
    config: &InterfaceConfig,
    now: Instant,
    out: &mut Transmit,
) -> bool {
    let Phase::Opening(opening) = &mut connection.phase else { return false };
    if !opening.syn_due {
        return false;
    }
    let ts_val = opening.ts_val(now);
    let header = opening.build_syn(now, ts_val);
    emit_bare(&connection.key, connection.interface, config, opening.config.mark, &header, out);
    true
}

/// What is left of the checksum for the device.
fn partial(key: &Key) -> Checksum {
    let start = if key.is_ipv6() { IPV6_HEADER_LEN } else { IPV4_HEADER_LEN };
    Checksum::Partial { start: u16::try_from(start).unwrap_or(u16::MAX), offset: CHECKSUM_OFFSET }
}
