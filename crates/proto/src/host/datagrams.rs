//! What the application wants of UDP.

use super::Host;
use crate::{Datagram, Instant, UdpError, UdpId};
use bytes::Bytes;
use core::net::SocketAddr;

impl Host {
    /// Binds a UDP socket. Port zero takes a free one.
    ///
    /// # Errors
    /// [`UdpError::AddrInUse`], [`UdpError::NotLocal`], [`UdpError::NoPorts`].
    pub fn udp_bind(&mut self, _now: Instant, local: SocketAddr) -> Result<UdpId, UdpError> {
        self.udp.bind(local, &self.interfaces, &self.config.ephemeral_ports, &self.secret)
    }

    /// Sends a datagram; one that exceeds the path's MTU leaves in fragments.
    ///
    /// # Errors
    /// [`UdpError::NoRoute`], [`UdpError::TooLong`], [`UdpError::Blocked`], [`UdpError::Closed`].
    pub fn udp_send(&mut self, now: Instant, id: UdpId, to: SocketAddr, text: Bytes) -> Result<(), UdpError> {
        self.udp.send(now, id, to, text, &self.interfaces, &self.path_mtu, &mut self.outbox)
    }

    /// Takes the longest-waiting datagram.
    pub fn udp_recv(&mut self, id: UdpId) -> Option<Datagram> {
        self.udp.recv(id)
    }

    /// Closes a UDP socket.
    pub fn udp_close(&mut self, id: UdpId) {
        self.udp.close(id);
    }
}
