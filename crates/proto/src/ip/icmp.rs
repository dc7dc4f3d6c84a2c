//! What an ICMP message means for this host, and what the host answers (RFC 1122 §3.2.2, RFC 4443).

#[cfg(test)]
mod tests;

use super::interface::Interfaces;
use super::outbox::Outbox;
use super::{HOP_LIMIT, slice};
use crate::tcp::seq::SeqNum;
use crate::wire::icmp::{
    ICMP_HEADER_LEN, IcmpRepr, IcmpView, Quote, QuotedTcp, QuotedTransport, Unreachable, transport_v6,
};
use crate::wire::ip::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpPacket, IpRepr, PROTOCOL_ICMP, PROTOCOL_ICMPV6, addresses_v6,
    next_header_at, problem,
};
use crate::{DropReason, FourTuple, Instant, InterfaceId};
use bytes::Bytes;
use core::net::IpAddr;
use core::time::Duration;

/// Errors over all destinations: a thousand a second, fifty at once (Linux: `icmp_msgs_per_sec`, `icmp_msgs_burst`).
const ERRORS: Rate = Rate { interval: Duration::from_millis(1), burst: 50 };

/// Echo replies over all destinations: more than any `ping`, less than a reflector of floods would want.
const ECHOES: Rate = Rate { interval: Duration::from_micros(50), burst: 1000 };

/// An error of ICMP is at most this long (RFC 1812 §4.3.2.3), one of ICMPv6 at most the smallest MTU (RFC 4443 §2.4).
const ERROR_MAX_V4: usize = 576;
const ERROR_MAX_V6: usize = 1280;

/// Sizes of usual links, for routers that do not say what would fit (RFC 1191 §7.1).
const PLATEAUS: [u16; 10] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];

/// What a message asks of the transport layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IcmpOutcome {
    /// An echo request: the reply waits in the outbox.
    Answered,
    /// An error about a segment of ours. The connection must check that `seq` is in flight (RFC 5927 §4).
    TcpError {
        /// The connection as this host sees it.
        tuple: FourTuple,
        /// SEG.SEQ of the segment.
        seq: SeqNum,
        /// What went wrong.
        error: IcmpError,
    },
    /// An error about a datagram of ours.
    UdpError {
        /// From where to where it went; `local` is ours.
        tuple: FourTuple,
        /// What went wrong.
        error: IcmpError,
    },
    /// A message of IPv6 that is for neighbours on a link: of no use on a plain IP interface, and no fault either.
    Nothing,
}

/// What went wrong with a packet of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IcmpError {
    /// It did not arrive.
    Unreachable {
        /// Trying again is pointless (RFC 1122 §4.2.3.9).
        hard: bool,
    },
    /// It was too large for a link.
    PacketTooBig {
        /// What would have fitted; an estimate where the router did not say.
        mtu: u16,
    },
    /// It was too long on its way.
    TimeExceeded,
    /// A field of it made no sense to somebody.
    ParameterProblem,
}

/// The ICMP of a host: reads messages, answers echo, reports errors at a limited rate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Icmp {
    errors: Bucket,
    echoes: Bucket,
}

/// Where an answer goes out, and from which of our addresses to whom.
struct Back<'a> {
    interface: InterfaceId,
    mtu: u16,
    source: IpAddr,
    destination: IpAddr,
    outbox: &'a mut Outbox,
}

impl Icmp {
    /// Takes a whole ICMP packet that is addressed to this host.
    ///
    /// # Errors
    ///
    /// The message is dropped: malformed, of no use, quoting a packet that is not ours, or not to be answered.
    #[expect(
        clippy::too_many_arguments,
        reason = "all that an answer needs, each borrowed from another owner"
    )]
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        bytes: &Bytes,
        interfaces: &Interfaces,
        outbox: &mut Outbox,
        echo: bool,
    ) -> Result<IcmpOutcome, DropReason> {
        if packet.protocol != protocol_of(packet.source) {
            return Err(DropReason::UnknownProtocol); // the number of the other family
        }
        let message = bytes.get(packet.payload.clone()).unwrap_or_default();
        let view = IcmpView::new(message).ok_or(DropReason::IcmpTruncated)?;
        if !view.checksum_fits(packet.source, packet.destination) {
            return Err(DropReason::IcmpChecksum);
        }
        if packet.source.is_ipv6() && is_for_neighbours(view.kind()) {
            return Ok(IcmpOutcome::Nothing);
        }
        // Ledger: RFC 9293 MUST-55 [5927-5, 6633-1, 6633-4, 6633-5].
        let error = match IcmpRepr::parse(&view, packet.source)? {
            IcmpRepr::EchoRequest { .. } if !echo => return Err(DropReason::IcmpUnknown),
            IcmpRepr::EchoRequest { .. } if !may_answer(packet.source, packet.destination, interfaces) => {
                return Err(DropReason::NotForUs); // RFC 1122 §3.2.2.6: one to a broadcast may be ignored
            }
            IcmpRepr::EchoRequest { identifier, sequence } => {
                if !self.echoes.take(now, ECHOES) {
                    return Err(DropReason::IcmpRateLimited);
                }
                let body = slice(bytes, packet.payload.start + ICMP_HEADER_LEN..packet.payload.end);
                let back = Back::new(interface, packet.source, packet.destination, interfaces, outbox);
                back.send(IcmpRepr::EchoReply { identifier, sequence }, &body)?;
                return Ok(IcmpOutcome::Answered);
            }
            IcmpRepr::EchoReply { .. } => return Err(DropReason::IcmpUnknown), // this host asks nobody
            IcmpRepr::Unreachable(reason) => IcmpError::Unreachable { hard: reason.is_hard() },
            // Ledger: [1191-1, 8201-2].
            IcmpRepr::PacketTooBig { mtu } => {
                IcmpError::PacketTooBig { mtu: u16::try_from(mtu).unwrap_or(u16::MAX) }
            }
            IcmpRepr::TimeExceeded { .. } => IcmpError::TimeExceeded,
            IcmpRepr::ParameterProblem { .. } => IcmpError::ParameterProblem,
        };
        let quote = Quote::parse(view.body(), packet.source).ok_or(DropReason::IcmpTruncated)?;
        outcome(error, &quote, interfaces)
    }

    /// Tells the sender of a datagram that nobody listens at its port.
    ///
    /// # Errors
    ///
    /// [`DropReason::IcmpRateLimited`]. A packet that must not be answered is passed over in silence.
    pub(crate) fn port_unreachable(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        bytes: &Bytes,
        interfaces: &Interfaces,
        outbox: &mut Outbox,
    ) -> Result<(), DropReason> {
        if !may_report(packet, bytes, interfaces) {
            return Ok(());
        }
        let back = Back::new(interface, packet.source, packet.destination, interfaces, outbox);
        self.report(now, back, IcmpRepr::Unreachable(Unreachable::Port), &slice(bytes, 0..packet.payload.end))
    }

    /// Tells the sender of a packet that this host does not speak its transport protocol.
    ///
    /// # Errors
    ///
    /// As [`Icmp::port_unreachable`].
    pub(crate) fn protocol_unreachable(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        packet: &IpPacket,
        bytes: &Bytes,
        interfaces: &Interfaces,
        outbox: &mut Outbox,
    ) -> Result<(), DropReason> {
        let error = match packet.source {
            IpAddr::V4(_) => IcmpRepr::Unreachable(Unreachable::Protocol),
            // RFC 8200 §4: "unrecognized next header".
            IpAddr::V6(_) => IcmpRepr::ParameterProblem { code: 1, pointer: next_header_at(bytes) },
        };
        if !may_report(packet, bytes, interfaces) {
            return Ok(());
        }
        let back = Back::new(interface, packet.source, packet.destination, interfaces, outbox);
        self.report(now, back, error, &slice(bytes, 0..packet.payload.end))
    }

    /// Tells the sender of a packet, whose first fragment came in `bytes`, that the rest of it did not come in time.
    ///
    /// # Errors
    ///
    /// As [`Icmp::port_unreachable`].
    pub(crate) fn reassembly_took_too_long(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        bytes: &Bytes,
        interfaces: &Interfaces,
        outbox: &mut Outbox,
    ) -> Result<(), DropReason> {
        let Ok(packet) = crate::wire::ip::parse(bytes) else { return Ok(()) };
        if !may_report(&packet, bytes, interfaces) {
            return Ok(());
        }
        let back = Back::new(interface, packet.source, packet.destination, interfaces, outbox);
        let error = IcmpRepr::TimeExceeded { reassembly: true };
        self.report(now, back, error, &slice(bytes, 0..packet.payload.end))
    }

    /// Tells the sender of a frame that `wire::ip::parse` refused what is wrong with it, where RFC 8200 wants that.
    ///
    /// # Errors
    ///
    /// As [`Icmp::port_unreachable`].
    pub(crate) fn parameter_problem(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        bytes: &Bytes,
        interfaces: &Interfaces,
        outbox: &mut Outbox,
    ) -> Result<(), DropReason> {
        let (Some(problem), Some((source, destination))) = (problem(bytes), addresses_v6(bytes)) else {
            return Ok(());
        };
        let (source, destination) = (IpAddr::V6(source), IpAddr::V6(destination));
        let quotes_error = transport_v6(bytes)
            .is_some_and(|(protocol, message)| protocol == PROTOCOL_ICMPV6 && is_error(message, source));
        if quotes_error || !may_answer(source, destination, interfaces) {
            return Ok(());
        }
        let error = IcmpRepr::ParameterProblem { code: problem.code, pointer: problem.pointer };
        let back = Back::new(interface, source, destination, interfaces, outbox);
        self.report(now, back, error, bytes)
    }

    /// Sends an error that quotes as much of `whole` as fits.
    fn report(
        &mut self,
        now: Instant,
        back: Back<'_>,
        error: IcmpRepr,
        whole: &Bytes,
    ) -> Result<(), DropReason> {
        if !self.errors.take(now, ERRORS) {
            return Err(DropReason::IcmpRateLimited);
        }
        let room = match back.source {
            IpAddr::V4(_) => ERROR_MAX_V4 - IPV4_HEADER_LEN - ICMP_HEADER_LEN,
            IpAddr::V6(_) => ERROR_MAX_V6 - IPV6_HEADER_LEN - ICMP_HEADER_LEN,
        };
        back.send(error, &slice(whole, 0..whole.len().min(room)))
    }
}

impl<'a> Back<'a> {
    /// The way back of what came from `theirs` to `ours`: it leaves as it came.
    fn new(
        interface: InterfaceId,
        theirs: IpAddr,
        ours: IpAddr,
        interfaces: &Interfaces,
        outbox: &'a mut Outbox,
    ) -> Self {
        let mtu = interfaces.config(interface).mtu;
        Self { interface, mtu, source: ours, destination: theirs, outbox }
    }

    fn send(self, message: IcmpRepr, body: &Bytes) -> Result<(), DropReason> {
        let Self { interface, mtu, source, destination, outbox } = self;
        let repr = IpRepr {
            source,
            destination,
            protocol: protocol_of(source),
            payload_len: 0,
            hop_limit: HOP_LIMIT,
            ecn: 0,
            identification: 0,
            dont_fragment: false,
        };
        let header = message.emit(source, destination, body);
        let sent = outbox.send(interface, mtu, &repr, &header, body);
        if sent { Ok(()) } else { Err(DropReason::IcmpRateLimited) }
    }
}

/// What an error about the quoted packet means.
/// Ledger: RFC 9293 MUST-54.
fn outcome(error: IcmpError, quote: &Quote, interfaces: &Interfaces) -> Result<IcmpOutcome, DropReason> {
    if !interfaces.is_local(quote.source) {
        return Err(DropReason::IcmpUnrelated);
    }
    let error = match error {
        IcmpError::PacketTooBig { mtu: 0 } => {
            IcmpError::PacketTooBig { mtu: plateau_below(quote.total_length) }
        }
        other => other,
    };
    match quote.transport {
        QuotedTransport::Tcp(QuotedTcp { tuple, seq }) => Ok(IcmpOutcome::TcpError { tuple, seq, error }),
        QuotedTransport::Udp(tuple) => Ok(IcmpOutcome::UdpError { tuple, error }),
        QuotedTransport::Other(_) => Err(DropReason::IcmpUnrelated),
    }
}

/// The next usual size below that of a packet that did not fit (RFC 1191 §5).
/// Ledger: [1191-2].
fn plateau_below(length: u16) -> u16 {
    PLATEAUS.into_iter().find(|plateau| *plateau < length).unwrap_or(68)
}

const fn protocol_of(family: IpAddr) -> u8 {
    if family.is_ipv4() { PROTOCOL_ICMP } else { PROTOCOL_ICMPV6 }
}

/// Multicast listener discovery and neighbour discovery.
const fn is_for_neighbours(kind: u8) -> bool {
    matches!(kind, 130..=137 | 143)
}

fn is_error(message: &[u8], family: IpAddr) -> bool {
    // What is too short to tell is taken for one: silence is always allowed.
    IcmpView::new(message).is_none_or(|view| view.is_error(family))
}

/// Whether a packet between these may be answered: both must be hosts, not groups of them.
fn may_answer(source: IpAddr, destination: IpAddr, interfaces: &Interfaces) -> bool {
    interfaces.is_local(destination) && interfaces.may_be_source(source) && !source.is_multicast()
}

/// Whether an error about this packet may be sent: it is no error itself, no fragment but the first, and was sent by
/// one host to one other (RFC 1122 §3.2.2, RFC 4443 §2.4 e).
fn may_report(packet: &IpPacket, bytes: &Bytes, interfaces: &Interfaces) -> bool {
    let message = bytes.get(packet.payload.clone()).unwrap_or_default();
    let about_error = packet.protocol == protocol_of(packet.source) && is_error(message, packet.source);
    let later_fragment = packet.fragment.is_some_and(|fragment| fragment.offset != 0);
    !about_error && !later_fragment && may_answer(packet.source, packet.destination, interfaces)
}

/// How often something may happen: once in `interval` for long, `burst` times at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    interval: Duration,
    burst: u32,
}

/// A token bucket without the tokens: it keeps the instant at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let full_at = self.full_at.max(now) + rate.interval;
        let allowed = full_at.since(now) <= rate.interval * rate.burst;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}
