//! ICMP (RFC 792, RFC 1122 §3.2.2) and ICMPv6 (RFC 4443): one set of messages for both.

mod quote;
#[cfg(test)]
mod tests;

use super::checksum::Sum;
use super::ip::PROTOCOL_ICMPV6;
use super::{u16_at, u32_at};
use crate::DropReason;
use core::net::IpAddr;

pub(crate) use quote::transport_v6;
pub use quote::{Quote, QuotedTcp, QuotedTransport};

/// Octets before the body of every message treated here.
pub const ICMP_HEADER_LEN: usize = 8;

/// The numbers of the message types of one family.
struct Types {
    echo_request: u8,
    echo_reply: u8,
    unreachable: u8,
    time_exceeded: u8,
    parameter_problem: u8,
}

const V4: Types =
    Types { echo_request: 8, echo_reply: 0, unreachable: 3, time_exceeded: 11, parameter_problem: 12 };
const V6: Types =
    Types { echo_request: 128, echo_reply: 129, unreachable: 1, time_exceeded: 3, parameter_problem: 4 };

/// ICMPv6 has a type for it, ICMP a code of "unreachable" (RFC 1191 §4).
const V6_PACKET_TOO_BIG: u8 = 2;
const V4_FRAGMENTATION_NEEDED: u8 = 4;

const fn types(family: IpAddr) -> Types {
    match family {
        IpAddr::V4(_) => V4,
        IpAddr::V6(_) => V6,
    }
}

/// A message of either family, as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct IcmpView<'a> {
    kind: u8,
    code: u8,
    word: u32,
    bytes: &'a [u8],
}

impl<'a> IcmpView<'a> {
    /// Looks at the payload of an IP packet; `None` when it is shorter than a header.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { kind: *bytes.first()?, code: *bytes.get(1)?, word: u32_at(bytes, 4)?, bytes })
    }

    /// The type field.
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// The code field.
    pub const fn code(&self) -> u8 {
        self.code
    }

    /// The second word of the header, whose meaning depends on the type.
    pub const fn word(&self) -> u32 {
        self.word
    }

    /// What follows the header: the octets of an echo, or the packet that an error quotes.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(ICMP_HEADER_LEN..).unwrap_or_default()
    }

    /// Whether it reports an error or redirects, so that it is never answered (RFC 1122 §3.2.2, RFC 4443 §2.4 e).
    pub const fn is_error(&self, family: IpAddr) -> bool {
        match family {
            IpAddr::V4(_) => matches!(self.kind, 3 | 4 | 5 | 11 | 12),
            IpAddr::V6(_) => self.kind < 128 || self.kind == 137,
        }
    }

    /// Whether the checksum fits; ICMPv6 covers the addresses too (RFC 4443 §2.3).
    pub fn checksum_fits(&self, source: IpAddr, destination: IpAddr) -> bool {
        let mut sum = covered_addresses(source, destination, self.bytes.len());
        sum.add(self.bytes);
        sum.fold() == 0xffff
    }
}

/// The pseudo-header where the family has one.
fn covered_addresses(source: IpAddr, destination: IpAddr, length: usize) -> Sum {
    match source {
        IpAddr::V4(_) => Sum::default(),
        IpAddr::V6(_) => {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            Sum::pseudo_header(source, destination, PROTOCOL_ICMPV6, length)
        }
    }
}

/// Why a destination cannot be reached: the codes of both families, under one name where they mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Unreachable {
    /// No route.
    Network,
    /// The last router cannot deliver it.
    Host,
    /// The host does not speak the transport protocol. IPv4 only: ICMPv6 calls it a parameter problem.
    Protocol,
    /// Nobody listens at the port.
    Port,
    /// A source route did not work.
    SourceRouteFailed,
    /// The network does not exist. IPv4 only.
    NetworkUnknown,
    /// The host does not exist. IPv4 only.
    HostUnknown,
    /// The sender is isolated. IPv4 only.
    SourceIsolated,
    /// The network may not be reached. IPv4 only.
    NetworkProhibited,
    /// The host may not be reached. IPv4 only.
    HostProhibited,
    /// The network cannot be reached with this type of service. IPv4 only.
    NetworkService,
    /// The host cannot be reached with this type of service. IPv4 only.
    HostService,
    /// A filter forbids it.
    Prohibited,
    /// The precedence is not allowed. IPv4 only.
    PrecedenceViolation,
    /// The precedence is too low. IPv4 only.
    PrecedenceCutoff,
    /// The source address has too small a scope. IPv6 only.
    BeyondScope,
    /// A filter forbids the source address. IPv6 only.
    SourcePolicy,
    /// A route says so. IPv6 only.
    RejectRoute,
}

/// Each reason with its code in ICMP (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1) and in ICMPv6 (RFC 4443 §3.1).
const UNREACHABLE_CODES: [(Unreachable, Option<u8>, Option<u8>); 18] = [
    (Unreachable::Network, Some(0), Some(0)),
    (Unreachable::Host, Some(1), Some(3)),
    (Unreachable::Protocol, Some(2), None),
    (Unreachable::Port, Some(3), Some(4)),
    (Unreachable::SourceRouteFailed, Some(5), Some(7)),
    (Unreachable::NetworkUnknown, Some(6), None),
    (Unreachable::HostUnknown, Some(7), None),
    (Unreachable::SourceIsolated, Some(8), None),
    (Unreachable::NetworkProhibited, Some(9), None),
    (Unreachable::HostProhibited, Some(10), None),
    (Unreachable::NetworkService, Some(11), None),
    (Unreachable::HostService, Some(12), None),
    (Unreachable::Prohibited, Some(13), Some(1)),
    (Unreachable::PrecedenceViolation, Some(14), None),
    (Unreachable::PrecedenceCutoff, Some(15), None),
    (Unreachable::BeyondScope, None, Some(2)),
    (Unreachable::SourcePolicy, None, Some(5)),
    (Unreachable::RejectRoute, None, Some(6)),
];

impl Unreachable {
    fn from_code(family: IpAddr, code: u8) -> Option<Self> {
        let has_code = |row: &&(Self, Option<u8>, Option<u8>)| match family {
            IpAddr::V4(_) => row.1 == Some(code),
            IpAddr::V6(_) => row.2 == Some(code),
        };
        UNREACHABLE_CODES.iter().find(has_code).map(|row| row.0)
    }

    /// Its code; that of [`Unreachable::Host`] where the family has none.
    fn code(self, family: IpAddr) -> u8 {
        let row = UNREACHABLE_CODES.iter().find(|row| row.0 == self);
        match family {
            IpAddr::V4(_) => row.and_then(|row| row.1).unwrap_or(1),
            IpAddr::V6(_) => row.and_then(|row| row.2).unwrap_or(3),
        }
    }

    /// Whether trying again is pointless: it ends a connection that is not yet established (RFC 1122 §4.2.3.9,
    /// RFC 5461 §2.1 for ICMPv6). What a filter forbids counts as such, as it does in Linux.
    /// Ledger: RFC 9293 SHLD-26 [1122-3].
    pub const fn is_hard(self) -> bool {
        matches!(
            self,
            Self::Protocol
                | Self::Port
                | Self::Prohibited
                | Self::NetworkProhibited
                | Self::HostProhibited
                | Self::SourcePolicy
                | Self::RejectRoute
        )
    }
}

/// A message that this host understands or sends, without its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IcmpRepr {
    /// "Are you there?"
    EchoRequest {
        /// Which run of requests.
        identifier: u16,
        /// Which request of the run.
        sequence: u16,
    },
    /// The answer: same numbers, same body.
    EchoReply {
        /// Which run of requests.
        identifier: u16,
        /// Which request of the run.
        sequence: u16,
    },
    /// The quoted packet did not arrive.
    Unreachable(Unreachable),
    /// The quoted packet does not fit a link. ICMP: "fragmentation needed and DF set".
    PacketTooBig {
        /// What would fit, octets; zero from an IPv4 router that does not say (RFC 1191 §5). IPv4 has 16 bits for it.
        mtu: u32,
    },
    /// The quoted packet, or a fragment of it, was too long on its way.
    TimeExceeded {
        /// It was waiting for the rest of its fragments.
        reassembly: bool,
    },
    /// A field of the quoted packet makes no sense.
    ParameterProblem {
        /// Which kind of problem.
        code: u8,
        /// The octet at fault. IPv4 has eight bits for it.
        pointer: u32,
    },
}

impl IcmpRepr {
    /// Reads the header of a message from an address of the family of `source`.
    ///
    /// # Errors
    ///
    /// [`DropReason::IcmpUnknown`] for a type or code that this host does nothing with.
    pub fn parse(view: &IcmpView<'_>, source: IpAddr) -> Result<Self, DropReason> {
        let types = types(source);
        let (kind, code, word) = (view.kind(), view.code(), view.word());
        let (identifier, sequence) = (high_half(word), low_half(word));
        match source {
            IpAddr::V6(_) if kind == V6_PACKET_TOO_BIG => return Ok(Self::PacketTooBig { mtu: word }),
            IpAddr::V4(_) if kind == types.unreachable && code == V4_FRAGMENTATION_NEEDED => {
                return Ok(Self::PacketTooBig { mtu: u32::from(low_half(word)) });
            }
            _ => {}
        }
        if kind == types.echo_request {
            Ok(Self::EchoRequest { identifier, sequence })
        } else if kind == types.echo_reply {
            Ok(Self::EchoReply { identifier, sequence })
        } else if kind == types.unreachable {
            Unreachable::from_code(source, code).map(Self::Unreachable).ok_or(DropReason::IcmpUnknown)
        } else if kind == types.time_exceeded && code < 2 {
            Ok(Self::TimeExceeded { reassembly: code == 1 })
        } else if kind == types.parameter_problem {
            let pointer = if source.is_ipv4() { word >> 24 } else { word };
            Ok(Self::ParameterProblem { code, pointer })
        } else {
            Err(DropReason::IcmpUnknown)
        }
    }

    /// The header over `body`, in the family of the addresses, with its checksum.
    #[must_use]
    pub fn emit(&self, source: IpAddr, destination: IpAddr, body: &[u8]) -> [u8; ICMP_HEADER_LEN] {
        let types = types(source);
        let (kind, code, word) = match *self {
            Self::EchoRequest { identifier, sequence } => (types.echo_request, 0, join(identifier, sequence)),
            Self::EchoReply { identifier, sequence } => (types.echo_reply, 0, join(identifier, sequence)),
            Self::Unreachable(reason) => (types.unreachable, reason.code(source), 0),
            Self::PacketTooBig { mtu } if source.is_ipv4() => {
                (types.unreachable, V4_FRAGMENTATION_NEEDED, mtu.min(u32::from(u16::MAX)))
            }
            Self::PacketTooBig { mtu } => (V6_PACKET_TOO_BIG, 0, mtu),
            Self::TimeExceeded { reassembly } => (types.time_exceeded, u8::from(reassembly), 0),
            Self::ParameterProblem { code, pointer } if source.is_ipv4() => {
                (types.parameter_problem, code, pointer.min(0xff) << 24)
            }
            Self::ParameterProblem { code, pointer } => (types.parameter_problem, code, pointer),
        };
        let [w0, w1, w2, w3] = word.to_be_bytes();
        let mut header = [kind, code, 0, 0, w0, w1, w2, w3];
        let mut sum = covered_addresses(source, destination, ICMP_HEADER_LEN + body.len());
        sum.add(&header);
        sum.add(body);
        header[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        header
    }
}

const fn join(high: u16, low: u16) -> u32 {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    u32::from_be_bytes([a, b, c, d])
}

const fn high_half(word: u32) -> u16 {
    let [a, b, _, _] = word.to_be_bytes();
    u16::from_be_bytes([a, b])
}

const fn low_half(word: u32) -> u16 {
    let [_, _, c, d] = word.to_be_bytes();
    u16::from_be_bytes([c, d])
}
