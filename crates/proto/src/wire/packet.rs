//! The headers of a whole TCP packet, written in one go: what depends on both layers is computed once, and the checksum
//! from the fields on their way out.

use super::address::Address;
use super::checksum::Sum;
use super::ip::PROTOCOL_TCP;
use super::tcp::{HEADER_LEN, Header, TIMESTAMP, Timestamp};
use crate::frame::HeaderBytes;
use crate::ip::HOP_LIMIT;
use crate::tcp::seq::SeqNum;
use bytes::Bytes;

/// Version 4, five words of header.
const FIRST_V4: u32 = 0x4500;
/// No router may fragment it.
const DONT_FRAGMENT: u32 = 0x4000;

/// What the IP header says of how a packet is to be treated on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Differentiated services code point, six bits (RFC 9293 MUST-48, SHLD-22).
    pub dscp: u8,
    /// Hops the packet may take (RFC 9293 MUST-49).
    pub hop_limit: u8,
}

impl Default for Mark {
    fn default() -> Self {
        Self { dscp: 0, hop_limit: HOP_LIMIT }
    }
}

/// Between whom a packet goes. The family is that of `source`.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Who sends it.
    pub source: Address,
    /// Whom it is for; of the same family as `source`.
    pub destination: Address,
    /// The port of the sender in the high half, that of the receiver in the low half.
    pub ports: u32,
    /// How it is to be treated on its way.
    pub mark: Mark,
}

/// The text behind the headers: all of it short, to be copied, or all of it in slices, to be left where it is.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Goes behind the headers in one piece with them.
    pub short: &'a [u8],
    /// Stays where it is; its octets count in the length and in the checksum.
    pub slices: &'a [Bytes],
}

/// Replaces `out` by the IP and TCP headers of a segment in front of `text`, which is of at most 65,435 octets. The ports
/// and the length in `header` are not read. With `partial` the checksum field gets only the pseudo-header sum.
#[inline]
pub fn write_headers(ends: Ends, header: &Header, text: Text<'_>, partial: bool, out: &mut HeaderBytes) {
    let weight = if text.slices.is_empty() {
        Weight::of_short(text.short, partial)
    } else {
        Weight::of_slices(text.slices, partial)
    };
    match header.options.few_words() {
        Some(options) => write_few(&ends, header, options, weight, partial, out),
        None => write_many(&ends, header, weight, partial, out),
    }
    if !text.short.is_empty() {
        put(out, text.short);
    }
}

/// The same with few options, as [`few_words`] has them, and without the text.
///
/// [`few_words`]: super::tcp::Options::few_words
#[inline(always)]
pub(crate) fn write_few(
    ends: &Ends,
    header: &Header,
    (options, count): ([u32; 5], usize),
    text: Weight,
    partial: bool,
    out: &mut HeaderBytes,
) {
    write(ends, header, (&options, count), text, partial, out);
    // Room for all was written: zeros that change no sum, and that are cut off.
    out.truncate(out.len().saturating_sub(4 * (options.len() - count)));
}

/// The same with any options.
#[cold]
#[inline(never)]
fn write_many(ends: &Ends, header: &Header, text: Weight, partial: bool, out: &mut HeaderBytes) {
    let words = header.options.words();
    write(ends, header, (&words, words.len()), text, partial, out);
}

/// What the header of a segment says that has no option or only timestamps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual {
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    /// The control bits above the window, as in the fourth word of the header.
    pub(crate) flags_and_wnd: u32,
    pub(crate) timestamp: Option<Timestamp>,
}

/// Replaces `out` by the IP header of a packet with `length` octets after it; returns the sum of the addresses.
#[inline(always)]
pub(crate) fn write_ip(ends: &Ends, length: u32, out: &mut HeaderBytes) -> Sum {
    out.clear();
    match ends.source.to_v4() {
        Some(source) => {
            write_v4(u32::from_be_bytes(source), ends.destination.last_word(), length, ends.mark, out)
        }
        None => write_v6(*ends, length, out),
    }
}

/// Appends the TCP header of a usual segment of `length` octets between addresses of this sum.
#[inline(always)]
pub(crate) fn write_usual(
    addresses: Sum,
    length: u32,
    ports: u32,
    usual: &Usual,
    text: Sum,
    partial: bool,
    out: &mut HeaderBytes,
) {
    let Usual { seq, ack, flags_and_wnd, timestamp } = *usual;
    let (words, [kind, val, ecr]) = timestamp.map_or((5, [0; 3]), |ts| (8, [TIMESTAMP, ts.val, ts.ecr]));
    let fields = [ports, seq.0, ack.0, words << 28 | flags_and_wnd, 0];
    // Room for timestamps is written in any case: zeros that change no sum, and that are cut off.
    write_tcp(addresses, length, fields, &[kind, val, ecr], text, partial, out);
    if timestamp.is_none() {
        out.truncate(out.len().saturating_sub(TIMESTAMP_LEN));
    }
}

/// Octets of the timestamp option, padded.
const TIMESTAMP_LEN: usize = 12;

/// What the headers say of the text: its length, and its sum unless the checksum is to be partial.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weight {
    pub(crate) len: usize,
    pub(crate) sum: Sum,
}

impl Weight {
    /// Of text in one piece.
    #[inline(always)]
    pub(crate) fn of_short(text: &[u8], partial: bool) -> Self {
        let sum = if text.is_empty() || partial { Sum::default() } else { Sum::of(text) };
        Self { len: text.len(), sum }
    }

    /// Of text in slices.
    #[inline(never)]
    pub(crate) fn of_slices(slices: &[Bytes], partial: bool) -> Self {
        let mut all = Self::default();
        for slice in slices {
            all.len += slice.len();
            if !partial {
                all.sum.add(slice);
            }
        }
        all
    }
}

/// Both headers, with the words of the options, of which so many count.
#[inline(always)]
fn write(
    ends: &Ends,
    header: &Header,
    (options, count): (&[u32], usize),
    text: Weight,
    partial: bool,
    out: &mut HeaderBytes,
) {
    let header_len = HEADER_LEN + 4 * count;
    let length = u32::try_from(header_len + text.len).unwrap_or(u32::MAX);
    let addresses = write_ip(ends, length, out);
    write_tcp(addresses, length, header.words(ends.ports, header_len), options, text.sum, partial, out);
}

/// Writes the header of a packet with `length` octets after it; returns the sum of the addresses.
#[inline(always)]
fn write_v4(source: u32, destination: u32, length: u32, mark: Mark, out: &mut HeaderBytes) -> Sum {
    let total = length.wrapping_add(20) & 0xffff;
    let first = FIRST_V4 | u32::from(mark.dscp & 63) << 2;
    let life_and_protocol = u32::from(mark.hop_limit) << 8 | u32::from(PROTOCOL_TCP);
    let addresses = u64::from(source) + u64::from(destination);
    let rest = first + total + DONT_FRAGMENT + life_and_protocol;
    let checksum = Sum::of_fields(addresses + u64::from(rest)).finish();
    let words = [
        first << 16 | total,
        DONT_FRAGMENT,
        life_and_protocol << 16 | u32::from(checksum),
        source,
        destination,
    ];
    put(out, words.map(u32::to_be_bytes).as_flattened());
    Sum::of_fields(addresses)
}

/// The same for IPv6.
#[inline(always)]
fn write_v6(ends: Ends, length: u32, out: &mut HeaderBytes) -> Sum {
    let Ends { source, destination, mark, .. } = ends;
    let first = 0x6000_0000 | u32::from(mark.dscp & 63) << 22;
    let words = [first, (length & 0xffff) << 16 | u32::from(PROTOCOL_TCP) << 8 | u32::from(mark.hop_limit)];
    put(out, words.map(u32::to_be_bytes).as_flattened());
    put(out, &source.octets());
    put(out, &destination.octets());
    Sum::of_addresses(source, destination)
}

/// Writes the TCP header of a segment of `length` octets with these words between addresses of this sum.
/// Ledger: RFC 9293 MUST-2.
#[inline(always)]
fn write_tcp(
    addresses: Sum,
    length: u32,
    fields: [u32; 5],
    options: &[u32],
    text: Sum,
    partial: bool,
    out: &mut HeaderBytes,
) {
    let mut sum = addresses;
    let pseudo = u64::from(PROTOCOL_TCP) + u64::from(length);
    if partial {
        sum.add_fields(pseudo);
    } else {
        let of = |words: &[u32]| words.iter().copied().map(u64::from).sum::<u64>();
        sum.add_fields(pseudo + of(&fields) + of(options));
        sum.append(text);
    }
    let checksum = if partial { sum.fold() } else { sum.finish() };
    let [ports, seq, ack, flags, urgent] = fields;
    let last = u32::from(checksum) << 16 | urgent;
    put(out, [ports, seq, ack, flags, last].map(u32::to_be_bytes).as_flattened());
    for word in options {
        put(out, &word.to_be_bytes());
    }
}

/// Appends what fits: the longest headers have 116 octets, and short text has its own room.
#[inline(always)]
fn put(out: &mut HeaderBytes, octets: &[u8]) {
    let fits = out.try_extend_from_slice(octets);
    debug_assert!(fits.is_ok(), "headers and short text have room");
}

#[cfg(test)]
mod tests {
    use super::{Ends, Mark, Text, write_headers};
    use crate::frame::HeaderBytes;
    use crate::tcp::seq::SeqNum;
    use crate::wire::checksum::Sum;
    use crate::wire::ip::{IpRepr, PROTOCOL_TCP, emit_header, parse};
    use crate::wire::tcp::{self, Flags, Header, Options, Timestamp};
    use alloc::vec::Vec;
    use arrayvec::ArrayVec;
    use bytes::Bytes;
    use core::net::IpAddr;
    use proptest::prelude::*;

    fn options() -> impl Strategy<Value = Options> {
        let timestamp = prop::option::weighted(0.7, (any::<u32>(), any::<u32>()));
        let syn = prop::option::weighted(0.3, (any::<u16>(), 0u8..15, any::<bool>()));
        let sack = prop::collection::vec((any::<u32>(), any::<u32>()), 0..4);
        (timestamp, syn, prop_oneof![Just(Vec::new()), sack]).prop_map(|(timestamp, syn, sack)| Options {
            mss: syn.map(|syn| syn.0),
            window_scale: syn.map(|syn| syn.1),
            sack_permitted: syn.is_some_and(|syn| syn.2),
            timestamp: timestamp.map(|(val, ecr)| Timestamp { val, ecr }),
            sack: if syn.is_some() {
                ArrayVec::new()
            } else {
                sack.into_iter().map(|(left, right)| (SeqNum(left), SeqNum(right))).collect()
            },
        })
    }

    fn header() -> impl Strategy<Value = Header> {
        (1u16.., 1u16.., any::<(u32, u32, u8, u16, u16)>(), options()).prop_map(
            |(source, destination, (seq, ack, flags, wnd, urgent), options)| Header {
                source,
                destination,
                seq: SeqNum(seq),
                ack: SeqNum(ack),
                flags: Flags(flags),
                wnd,
                urgent,
                len: tcp::HEADER_LEN + options.wire_len(),
                options,
            },
        )
    }

    /// Addresses that can stand in a packet, and the octets that name them.
    fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
        let v4 = any::<([u8; 3], [u8; 3])>()
            .prop_map(|(a, b)| (IpAddr::from([10, a[0], a[1], a[2]]), IpAddr::from([192, b[0], b[1], b[2]])));
        let v6 = any::<([u8; 16], [u8; 16])>().prop_map(|(mut a, mut b)| {
            (a[0], b[0]) = (0xfd, 0x20);
            (IpAddr::from(a), IpAddr::from(b))
        });
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn headers_are_those_that_each_layer_writes_alone(
            (source, destination) in addresses(),
            header in header(),
            text in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..5),
            short: bool,
            partial: bool,
        ) {
            let text: Vec<Bytes> = text.into_iter().map(Bytes::from).collect();
            let whole = text.concat();
            let payload_len = header.len + whole.len();
            let mut expected = ArrayVec::new();
            let repr = IpRepr {
                source,
                destination,
                protocol: PROTOCOL_TCP,
                payload_len,
                hop_limit: 64,
                ecn: 0,
                identification: 0,
                dont_fragment: true,
            };
            emit_header(&repr, &mut expected);
            let mut sum = Sum::pseudo_header(source, destination, PROTOCOL_TCP, u32::try_from(payload_len).unwrap());
            let checksum = if partial {
                sum.fold()
            } else {
                let mut unsummed = ArrayVec::new();
                tcp::emit(&header, 0, &mut unsummed);
                sum.add(&unsummed);
                sum.add(&whole);
                sum.finish()
            };
            tcp::emit(&header, checksum, &mut expected);

            let mut out = [7; 128].into_iter().collect::<HeaderBytes>();
            let ports = u32::from(header.source) << 16 | u32::from(header.destination);
            let ends = Ends { source: source.into(), destination: destination.into(), ports, mark: Mark::default() };
            let text = if short {
                Text { short: &whole, slices: &[] }
            } else {
                Text { short: &[], slices: &text }
            };
            write_headers(ends, &header, text, partial, &mut out);
            let bytes = if short { out.to_vec() } else { [&out[..], &whole].concat() };
            prop_assert_eq!(&bytes, &[&expected[..], &whole].concat());

            let packet = parse(&bytes).unwrap();
            prop_assert_eq!(tcp::parse(&bytes[packet.payload]), Ok(header));
        }
    }
}
