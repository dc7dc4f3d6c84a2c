//! The last step of what leaves: headers in front of the text, and whose work the checksum is.

use super::Host;
use super::key::Key;
use crate::wire::ip::{IPV4_HEADER_LEN, IPV6_HEADER_LEN};
use crate::wire::packet::{Ends, write_headers};
use crate::wire::tcp::{CHECKSUM_OFFSET, Header};
use crate::{Checksum, InterfaceId, Transmit};

impl Host {
    /// Writes IP and TCP headers in front of the text that is already in `out`. The ports are those of `key`.
    #[inline]
    pub(super) fn emit(&self, key: &Key, interface: InterfaceId, header: &Header, out: &mut Transmit) {
        out.interface = interface;
        let (source, destination) = key.addresses();
        let ends = Ends { source, destination, ports: key.ports() };
        let offload = self.interfaces.config(interface).checksum_offload;
        write_headers(ends, header, &out.text, offload, &mut out.header);
        if offload {
            let start = if key.is_ipv6() { IPV6_HEADER_LEN } else { IPV4_HEADER_LEN };
            let start = u16::try_from(start).unwrap_or(u16::MAX);
            out.checksum = Checksum::Partial { start, offset: CHECKSUM_OFFSET };
        }
    }
}
