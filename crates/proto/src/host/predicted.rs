//! Header prediction: nearly every frame is a plain IPv4 packet with the next segment of a synchronized connection. Such a
//! frame is recognised by a few words at fixed places and handled in one straight line; for all others nothing has happened
//! yet, and `input` handles them step by step.

use super::Host;
use super::settle::{schedule, tell};
use crate::tcp::arrives::predicted::{Expected, is_expected, take};
use crate::tcp::connection::Phase;
use crate::tcp::seq::SeqNum;
use crate::wire::checksum::{fits, fits_header_v4};
use crate::wire::ip::{IPV4_HEADER_LEN, PROTOCOL_TCP};
use crate::wire::tcp::{Flags, TIMESTAMP, Timestamp};
use crate::{Checksum, ConnectionId, Frame, Instant, InterfaceId};
use bytes::Buf;
use core::num::NonZeroU16;

/// Octets of the headers: IPv4 without options, TCP with timestamps alone.
const HEADERS: usize = IPV4_HEADER_LEN + 32;
/// Data offset and flags, those of [`ANY`] masked out: eight words, ACK and nothing else.
const OFFSET_AND_FLAGS: u16 = 0x8000 | Flags::ACK.0 as u16;
/// Flags that may be there or not.
const ANY: u16 = Flags::PSH.with(Flags::FIN).0 as u16;

/// Headers of the usual shape; each field is read where it is needed.
#[derive(Clone, Copy)]
struct Headers<'a>(&'a [u8; HEADERS]);

impl<'a> Headers<'a> {
    /// The headers of `packet`, if they are of the usual shape.
    #[inline(always)]
    fn of(packet: &'a [u8]) -> Option<Self> {
        let headers = Self(packet.first_chunk()?);
        let length = u32::try_from(packet.len()).ok()?;
        // Version, header and total length; no fragment; TCP; the shape of its header.
        let usual = headers.word::<0>() & 0xff00_ffff == 0x4500_0000 | length
            && headers.half::<6>() & 0x3fff == 0
            && headers.0[9] == PROTOCOL_TCP
            && headers.half::<32>() & !ANY == OFFSET_AND_FLAGS
            && headers.word::<40>() == TIMESTAMP;
        usual.then_some(headers)
    }

    #[inline(always)]
    fn octets<const AT: usize, const N: usize>(self) -> [u8; N] {
        const { assert!(AT + N <= HEADERS) };
        *self.0[AT..].first_chunk().unwrap_or(&[0; N])
    }

    #[inline(always)]
    fn word<const AT: usize>(self) -> u32 {
        u32::from_be_bytes(self.octets::<AT, 4>())
    }

    #[inline(always)]
    fn half<const AT: usize>(self) -> u16 {
        u16::from_be_bytes(self.octets::<AT, 2>())
    }

    #[inline(always)]
    fn segment(self) -> Expected {
        Expected {
            seq: SeqNum(self.word::<24>()),
            ack: SeqNum(self.word::<28>()),
            wnd: self.half::<34>(),
            timestamp: Timestamp { val: self.word::<44>(), ecr: self.word::<48>() },
            fin: Flags(self.0[33]).has(Flags::FIN),
        }
    }
}

impl Host {
    /// Handles a frame with the segment that was expected next of the connection in slot `index`; false for any other frame,
    /// which is left as it is.
    #[inline(always)]
    pub(super) fn handle_predicted(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        index: u32,
        frame: &mut Frame,
    ) -> bool {
        let Some(headers) = Headers::of(&frame.bytes) else { return false };
        let Some(connection) = self.connections.get_mut(index) else { return false };
        let ours = connection.key.is_v4(
            headers.octets::<16, 4>(),
            headers.octets::<12, 4>(),
            headers.octets::<20, 4>(),
        );
        // By this interface came what made the connection: its addresses have been judged.
        if !ours || connection.interface != interface || self.tracing {
            return false;
        }
        let Phase::Synchronized(tcb) = &mut connection.phase else { return false };
        let seg = headers.segment();
        let text_len = frame.bytes.len() - HEADERS;
        if !is_expected(tcb, &seg, text_len) || !fits_header_v4(headers.0.first_chunk().unwrap_or(&[0; 20])) {
            return false;
        }
        if frame.checksum == Checksum::Unknown {
            let (local, remote) = connection.key.addresses();
            if !fits(local, remote, PROTOCOL_TCP, frame.bytes.get(IPV4_HEADER_LEN..).unwrap_or_default()) {
                return false;
            }
        }
        self.take_predicted(now, index, &seg, frame);
        true
    }

    /// Takes the segment of a frame that was expected.
    #[inline(never)]
    fn take_predicted(&mut self, now: Instant, index: u32, seg: &Expected, frame: &mut Frame) {
        let Some((generation, connection)) = self.connections.entry_mut(index) else { return };
        let Phase::Synchronized(tcb) = &mut connection.phase else { return };
        let frame_len = frame.bytes.len();
        frame.bytes.advance(HEADERS);
        let (halves, segment_size) = (tcb.halves, frame.segment_size.map(NonZeroU16::get));
        let charged = take(tcb, &mut self.pools, now, seg, &mut frame.bytes, frame_len, segment_size);
        self.recv_total = self.recv_total.saturating_add_signed(charged as i64);
        if tcb.halves != halves {
            self.settle(now, index);
            return;
        }
        let wake = core::mem::take(&mut tcb.wake);
        if tcb.is_held() {
            tell(&mut self.events, &mut connection.told, wake, ConnectionId { index, generation });
        }
        schedule(&mut self.dirty, &mut self.wheel, connection, now, index);
    }
}
