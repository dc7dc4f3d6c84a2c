//! The extension headers of IPv6 (RFC 8200 §4), walked over from the first to the transport header.

use super::{Fragment, IPV6_HEADER_LEN, PROTOCOL_IPV6_FRAGMENT, PROTOCOL_NONE, Problem, Refusal};
use crate::DropReason;
use crate::wire::{u16_at, u32_at};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;

/// Most extension headers of one packet. RFC 8504 §5.3 lets a host draw a line; no honest packet has as many.
const HEADERS_MAX: usize = 8;

/// Where the next header field of the IPv6 header lies.
const FIRST_NAMED_AT: usize = 6;

/// Codes of the parameter problem message (RFC 4443 §3.4, RFC 7112 §5).
const ERRONEOUS_FIELD: u8 = 0;
const UNKNOWN_NEXT_HEADER: u8 = 1;
const UNKNOWN_OPTION: u8 = 2;
const INCOMPLETE_CHAIN: u8 = 3;

/// What the walk found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chain {
    /// What follows the last extension header.
    pub(super) protocol: u8,
    /// Where it begins.
    pub(super) payload_at: usize,
    /// Where the field lies that names it.
    pub(super) named_at: usize,
    /// The fragment header, unless it says that the packet is whole.
    pub(super) fragment: Option<Fragment>,
}

impl Chain {
    /// No extension header at all.
    pub(super) const fn none(protocol: u8) -> Self {
        Self { protocol, payload_at: IPV6_HEADER_LEN, named_at: FIRST_NAMED_AT, fragment: None }
    }
}

fn refuse(reason: DropReason, code: u8, pointer: usize) -> Refusal {
    Refusal { reason, problem: Some(Problem { code, pointer: u32::try_from(pointer).unwrap_or(0) }) }
}

/// Walks over the extension headers of `packet`, which ends where its payload length says.
///
/// The walk stops at the fragment header of a fragment: what follows is for whoever puts the packet together. It
/// only looks whether the first fragment holds all headers (RFC 7112 §5).
pub(super) fn walk(packet: &[u8]) -> Result<Chain, Refusal> {
    let first = packet.get(FIRST_NAMED_AT).copied().ok_or(DropReason::IpTruncated)?;
    let mut here = Chain::none(first);
    let mut found: Option<Chain> = None;
    for _ in 0..=HEADERS_MAX {
        match here.protocol {
            HOP_BY_HOP if here.payload_at != IPV6_HEADER_LEN => {
                return Err(refuse(DropReason::ExtensionHeader, UNKNOWN_NEXT_HEADER, here.named_at));
            }
            HOP_BY_HOP | DESTINATION | ROUTING => here = step(packet, here, found)?,
            PROTOCOL_IPV6_FRAGMENT => {
                let fragment = fragment_header(packet, here)?;
                here = step(packet, here, found)?;
                let Some(fragment) = fragment else { continue };
                if found.is_some() {
                    return Err(DropReason::ExtensionHeader.into());
                }
                let chain = Chain { fragment: Some(fragment), ..here };
                if fragment.offset != 0 {
                    return Ok(chain);
                }
                found = Some(chain);
            }
            PROTOCOL_NONE => return Ok(found.unwrap_or(here)),
            _ if found.is_some() && here.payload_at >= packet.len() => {
                return Err(refuse(DropReason::ExtensionHeader, INCOMPLETE_CHAIN, 0));
            }
            _ => return Ok(found.unwrap_or(here)),
        }
    }
    Err(DropReason::ExtensionHeader.into())
}

/// Past one header, whose options are checked unless they lie inside a fragment: those are looked at when the packet
/// is whole.
fn step(packet: &[u8], here: Chain, found: Option<Chain>) -> Result<Chain, Refusal> {
    let at = here.payload_at;
    let cut_short = || match found {
        Some(_) => refuse(DropReason::ExtensionHeader, INCOMPLETE_CHAIN, 0),
        None => DropReason::ExtensionHeader.into(),
    };
    let header = packet.get(at..).unwrap_or_default();
    let (&protocol, &length) = header.first().zip(header.get(1)).ok_or_else(cut_short)?;
    // The second octet of the fragment header is reserved: it has one length.
    let units = if here.protocol == PROTOCOL_IPV6_FRAGMENT { 0 } else { usize::from(length) };
    let header = header.get(..(units + 1) * 8).ok_or_else(cut_short)?;
    if found.is_none() {
        match here.protocol {
            ROUTING => check_routing(header, at)?,
            HOP_BY_HOP | DESTINATION => check_options(header, at)?,
            _ => {}
        }
    }
    Ok(Chain { protocol, payload_at: at + header.len(), named_at: at, fragment: None })
}

/// Type 0 is dead (RFC 5095 §3). Of the others nothing is known, which is harmless once no segment is left
/// (RFC 8200 §4.4).
fn check_routing(header: &[u8], at: usize) -> Result<(), Refusal> {
    match (header.get(2), header.get(3)) {
        (Some(0), Some(0)) => Err(DropReason::ExtensionHeader.into()),
        (Some(_), Some(0)) => Ok(()),
        _ => Err(refuse(DropReason::ExtensionHeader, ERRONEOUS_FIELD, at + 2)),
    }
}

/// Looks at the options of one header. The two highest bits of an unknown option say what becomes of the packet
/// (RFC 8200 §4.2).
fn check_options(header: &[u8], header_at: usize) -> Result<(), Refusal> {
    const PAD_1: u8 = 0;
    const PAD_N: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut at = 2;
    while let Some(&kind) = header.get(at) {
        if kind == PAD_1 {
            at += 1;
            continue;
        }
        let length = header.get(at + 1).map(|length| usize::from(*length));
        let next = length.map(|length| at + 2 + length).filter(|next| *next <= header.len());
        let Some(next) = next else { return Err(DropReason::ExtensionHeader.into()) };
        match (kind, kind >> 6) {
            (PAD_N | ROUTER_ALERT, _) | (_, 0b00) => {}
            (_, 0b01) => return Err(DropReason::ExtensionHeader.into()),
            // 0b11 spares multicast destinations, which are never answered here anyway.
            _ => return Err(refuse(DropReason::ExtensionHeader, UNKNOWN_OPTION, header_at + at)),
        }
        at = next;
    }
    Ok(())
}

/// The fragment header at `here`; `None` when it says that the packet is whole (RFC 6946).
fn fragment_header(packet: &[u8], here: Chain) -> Result<Option<Fragment>, Refusal> {
    let at = here.payload_at;
    let (Some(field), Some(identification)) = (u16_at(packet, at + 2), u32_at(packet, at + 4)) else {
        return Err(DropReason::ExtensionHeader.into());
    };
    let (offset, more) = (field & !7, field & 1 == 1);
    if offset == 0 && !more {
        return Ok(None);
    }
    let length = packet.len() - (at + 8);
    if more && !length.is_multiple_of(8) {
        return Err(refuse(DropReason::FragmentMalformed, ERRONEOUS_FIELD, 4)); // RFC 8200 §4.5
    }
    if usize::from(offset) + length > usize::from(u16::MAX) {
        return Err(refuse(DropReason::FragmentMalformed, ERRONEOUS_FIELD, at + 2)); // RFC 8200 §4.5
    }
    Ok(Some(Fragment { identification, offset, more }))
}
