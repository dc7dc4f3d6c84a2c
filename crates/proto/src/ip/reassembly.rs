//! Fragments of packets that are not whole yet (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722).

#[cfg(test)]
mod tests;

use super::slice;
use crate::wire::ip::{ECN_CE, Fragment, IpPacket, IpRepr, emit_header};
use crate::{DropReason, Instant, InterfaceId};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;

/// Most packets under way at once: few enough to be looked through one by one.
const PACKETS_MAX: usize = 256;

/// Most fragments of one packet: 64 KiB in pieces of 576 octets, and a few more.
const FRAGMENTS_MAX: usize = 128;

/// What one fragment is charged besides the frame that it pins, octets.
const OVERHEAD: usize = 64;

/// How long the rest of a packet may take (Linux: `ipfrag_time`; RFC 8200 §4.5).
const TIMEOUT_V4: Duration = Duration::from_secs(30);
const TIMEOUT_V6: Duration = Duration::from_secs(60);

/// Most octets of a whole packet's payload.
const PAYLOAD_MAX_V4: usize = 65_515;
const PAYLOAD_MAX_V6: usize = 65_535;

/// Packets under way, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Reassembly {
    partials: Vec<Partial>,
    octets: usize,
    octets_max: usize,
    evicted: u32,
}

/// What the fragments of one packet have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    identification: u32,
    /// Zero in IPv6, where only the first fragment names it (RFC 8200 §4.5).
    protocol: u8,
    source: IpAddr,
    destination: IpAddr,
}

/// One packet under way.
#[derive(Clone, Debug)]
struct Partial {
    key: Key,
    expires_at: Instant,
    /// Sorted by offset, never overlapping.
    pieces: Vec<Piece>,
    /// Octets of payload in `pieces`.
    received: usize,
    /// Octets of the whole payload, known from the last fragment.
    total: Option<usize>,
    first: Option<First>,
    /// Which ECN codepoints the fragments carried, as a set of bits.
    ecn_seen: u8,
    /// What the pieces are charged.
    octets: usize,
    /// Fragments overlapped: the rest of them is thrown away too (RFC 5722 §4).
    refused: bool,
}

/// What the first fragment says of the whole, and the frame in which it came: an error about the packet quotes it.
#[derive(Clone, Debug)]
pub(crate) struct First {
    protocol: u8,
    hop_limit: u8,
    identification: u16,
    pub(crate) interface: InterfaceId,
    pub(crate) frame: Bytes,
}

#[derive(Clone, Debug)]
struct Piece {
    offset: usize,
    text: Bytes,
}

impl Reassembly {
    /// Holds at most `max_octets` of fragments, each charged for the frame it came in.
    pub(crate) fn new(max_octets: u32) -> Self {
        let octets_max = usize::try_from(max_octets).unwrap_or(usize::MAX);
        Self { partials: Vec::new(), octets: 0, octets_max, evicted: 0 }
    }

    /// Takes a fragment; returns the packet when this was the last one missing: whole, behind one plain header.
    /// A packet that is no fragment is returned as it is.
    ///
    /// # Errors
    ///
    /// The fragment is dropped for [`DropReason::FragmentMalformed`] or [`DropReason::FragmentLimit`].
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        bytes: &Bytes,
    ) -> Result<Option<Bytes>, DropReason> {
        let Some(fragment) = packet.fragment else { return Ok(Some(bytes.clone())) };
        check(packet, fragment)?;
        let charge = bytes.len() + OVERHEAD;
        if charge > self.octets_max {
            return Err(DropReason::FragmentLimit);
        }
        let key = Key {
            identification: fragment.identification,
            protocol: if packet.source.is_ipv4() { packet.protocol } else { 0 },
            source: packet.source,
            destination: packet.destination,
        };
        let mut index = self.index_of(now, key);
        // Room first: what is evicted may stand before this packet, or be this packet.
        while self.octets + charge > self.octets_max && !self.partials.is_empty() {
            self.evict_oldest();
            index = self.index_of(now, key);
        }
        let Some(partial) = self.partials.get_mut(index) else { return Err(DropReason::FragmentLimit) };
        let before = partial.octets;
        let added = partial.add(packet, fragment, slice(bytes, packet.payload.clone()), charge);
        if added.is_ok() && fragment.offset == 0 && partial.first.is_none() {
            partial.first = Some(First {
                protocol: packet.protocol,
                hop_limit: packet.hop_limit,
                identification: packet.identification,
                interface,
                frame: bytes.clone(),
            });
        }
        self.octets = self.octets - before + partial.octets;
        added?;
        if !partial.is_whole() {
            return Ok(None);
        }
        let whole = self.partials.remove(index);
        self.octets -= whole.octets;
        whole.assemble().map(Some)
    }

    /// Forgets the packets whose time is over. `late` hears of each that lacked only fragments, with its first fragment if
    /// that has come (RFC 1122 §3.3.2, RFC 8200 §4.5).
    pub(crate) fn handle_timeout(&mut self, now: Instant, mut late: impl FnMut(Option<&First>)) {
        let octets = &mut self.octets;
        self.partials.retain(|partial| {
            let keep = partial.expires_at > now;
            if !keep {
                *octets -= partial.octets;
                if !partial.refused {
                    late(partial.first.as_ref());
                }
            }
            keep
        });
    }

    /// When the next packet's time is over.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.partials.iter().map(|partial| partial.expires_at).min()
    }

    /// How many packets had to make room for others since this was last asked: drops for
    /// [`DropReason::FragmentLimit`].
    pub(crate) fn take_evicted(&mut self) -> u32 {
        core::mem::take(&mut self.evicted)
    }

    /// Where the packet of this key stands; it begins now if there is none.
    fn index_of(&mut self, now: Instant, key: Key) -> usize {
        if let Some(index) = self.partials.iter().position(|partial| partial.key == key) {
            return index;
        }
        if self.partials.len() >= PACKETS_MAX {
            self.evict_oldest();
        }
        self.partials.push(Partial::new(now, key));
        self.partials.len() - 1
    }

    fn evict_oldest(&mut self) {
        if self.partials.is_empty() {
            return;
        }
        let oldest = self.partials.remove(0);
        self.octets -= oldest.octets;
        // What was begun only to make room for it, or refused already, is no loss to count.
        self.evicted += u32::from(!oldest.pieces.is_empty());
    }
}

/// What can be said of a fragment alone.
fn check(packet: &IpPacket, fragment: Fragment) -> Result<(), DropReason> {
    let length = packet.payload.len();
    let max = if packet.source.is_ipv4() { PAYLOAD_MAX_V4 } else { PAYLOAD_MAX_V6 };
    let fits = usize::from(fragment.offset) + length <= max;
    let aligned = !fragment.more || length.is_multiple_of(8);
    if length == 0 || !fits || !aligned { Err(DropReason::FragmentMalformed) } else { Ok(()) }
}

impl Partial {
    fn new(now: Instant, key: Key) -> Self {
        let timeout = if key.source.is_ipv4() { TIMEOUT_V4 } else { TIMEOUT_V6 };
        Self {
            key,
            expires_at: now + timeout,
            pieces: Vec::new(),
            received: 0,
            total: None,
            first: None,
            ecn_seen: 0,
            octets: 0,
            refused: false,
        }
    }

    fn add(
        &mut self,
        packet: &IpPacket,
        fragment: Fragment,
        text: Bytes,
        charge: usize,
    ) -> Result<(), DropReason> {
        if self.refused {
            return Err(DropReason::FragmentMalformed);
        }
        let start = usize::from(fragment.offset);
        let end = start + text.len();
        let index = self.pieces.partition_point(|piece| piece.offset < start);
        if self.pieces.get(index).is_some_and(|piece| piece.offset == start && piece.text == text) {
            return Ok(()); // a duplicate (RFC 8200 §4.5)
        }
        if self.overlaps(index, start, end) || self.contradicts(fragment, end) {
            self.refuse();
            return Err(DropReason::FragmentMalformed);
        }
        if self.pieces.len() >= FRAGMENTS_MAX {
            self.refuse();
            return Err(DropReason::FragmentLimit);
        }
        if !fragment.more {
            self.total = Some(end);
        }
        self.ecn_seen |= 1 << (packet.ecn & 0b11);
        self.received += text.len();
        self.octets += charge;
        self.pieces.insert(index, Piece { offset: start, text });
        Ok(())
    }

    /// Whether `start..end` shares octets with the pieces around `index`, where it belongs.
    fn overlaps(&self, index: usize, start: usize, end: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.pieces.get(before));
        let after = self.pieces.get(index);
        before.is_some_and(|piece| piece.offset + piece.text.len() > start)
            || after.is_some_and(|piece| piece.offset < end)
    }

    /// Whether a fragment that ends at `end` says otherwise than the others about where the packet ends.
    fn contradicts(&self, fragment: Fragment, end: usize) -> bool {
        let known_end = self.pieces.last().map_or(0, |piece| piece.offset + piece.text.len());
        match self.total {
            Some(total) => !fragment.more || end > total,
            None => !fragment.more && end < known_end,
        }
    }

    /// Throws away what is here and, until its time is over, what is still to come.
    fn refuse(&mut self) {
        self.refused = true;
        self.first = None;
        self.pieces = Vec::new();
        self.octets = 0;
        self.received = 0;
    }

    fn is_whole(&self) -> bool {
        self.total == Some(self.received)
    }

    /// Puts the pieces together behind the header of the first.
    fn assemble(self) -> Result<Bytes, DropReason> {
        let ecn = self.ecn()?;
        let First { protocol, hop_limit, identification, .. } =
            self.first.ok_or(DropReason::FragmentMalformed)?;
        let repr = IpRepr {
            source: self.key.source,
            destination: self.key.destination,
            protocol,
            payload_len: self.received,
            hop_limit,
            ecn,
            identification,
            dont_fragment: false,
        };
        let mut header = ArrayVec::new();
        emit_header(&repr, &mut header);
        let mut whole = Vec::with_capacity(header.len() + self.received);
        whole.extend_from_slice(&header);
        for piece in &self.pieces {
            whole.extend_from_slice(&piece.text);
        }
        Ok(whole.into())
    }

    /// The codepoint of the whole: congestion seen by one fragment was seen by all; a mixture with Not-ECT is a
    /// fault on the way (RFC 3168 §5.3).
    fn ecn(&self) -> Result<u8, DropReason> {
        const NOT_ECT: u8 = 1;
        const CE: u8 = 1 << ECN_CE;
        match self.ecn_seen {
            NOT_ECT => Ok(0),
            seen if seen & NOT_ECT != 0 => Err(DropReason::FragmentMalformed),
            seen if seen & CE != 0 => Ok(ECN_CE),
            0b0010 => Ok(0b01),
            _ => Ok(0b10),
        }
    }
}
