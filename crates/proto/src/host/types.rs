//! What a host is told and what it tells: settings, the name of a connection, events, counters.

use crate::tcp::config::TcpConfig;
use crate::tcp::error::CloseReason;
use crate::tcp::info::Trouble;
use crate::tcp::seq::SeqNum;
use crate::{ConnectionId, DropCounters, ListenerId, UdpId};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

/// The settings of a host.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Settings of its TCP connections, unless `listen` or `connect` says otherwise.
    pub tcp: TcpConfig,
    /// For laboratories only: the initial sequence number of a connection instead of the keyed one of RFC 9293
    /// §3.4.1. `None` in production.
    pub initial_sequence: Option<fn(&FourTuple) -> SeqNum>,
    /// Ports for connects that name none. Default 32768..=60999 (Linux: `ip_local_port_range`).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// How long a host that begins, at [`Instant::ZERO`](crate::Instant::ZERO) of its clock, throws segments away whose
    /// tuples it does not know, instead of answering with RST: they may be of connections that it had before it was
    /// started again, and an RST would spoil their end. A SYN for a listener is taken all the same. Default zero.
    /// Deviation, RFC 9293 §3.4.3: a host that forgot its sequence numbers is to be quiet for one MSL before it uses any.
    /// Ours derive from a secret that is new, and `Host::import_time_wait` makes a host remember [9293-QT-1].
    pub quiet_time: Duration,
    /// Most connections at once, half-open ones not counted. Default 4 million.
    pub connections_max: u32,
    /// Most half-open connections at once over all listeners. Default 65,536.
    pub half_open_max: u32,
    /// Most half-open connections at once of one source: an IPv4 address, or an IPv6 network of 64 bits; at a listener
    /// that holds SYNs half of its backlog, if that is less. Beyond it SYNs are answered by cookies, or dropped where
    /// they are held; one that reopens a TIME-WAIT is let in, unless it is to be held. Default 1024.
    pub half_open_per_source_max: u32,
    /// Most TIME-WAITs at once; past it the oldest goes. Default 16 million (Linux: `tcp_max_tw_buckets`).
    pub time_wait_max: u32,
    /// Most connections that nobody holds any more; past it the newest is reset. Default 65,536
    /// (Linux: `tcp_max_orphans`).
    pub orphans_max: u32,
    /// Most octets of fragments held for reassembly. Default 4 MiB (Linux: `ipfrag_high_thresh`).
    pub reassembly_max: u32,
    /// Most octets of received text held over all connections. Default 1 GiB.
    pub recv_total_max: u64,
    /// Answer ICMP echo requests. Default true.
    pub echo: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            tcp: TcpConfig::default(),
            initial_sequence: None,
            ephemeral_ports: 32768..=60999,
            quiet_time: Duration::ZERO,
            connections_max: 4_000_000,
            half_open_max: 65_536,
            half_open_per_source_max: 1024,
            time_wait_max: 16_000_000,
            orphans_max: 65_536,
            reassembly_max: 4 << 20,
            recv_total_max: 1 << 30,
            echo: true,
        }
    }
}

impl HostConfig {
    /// The RFCs' own rules wherever the defaults deviate: [`TcpConfig::strict`], and a quiet time of one MSL.
    pub fn strict() -> Self {
        let tcp = TcpConfig::strict();
        Self { quiet_time: tcp.msl, tcp, ..Self::default() }
    }
}

/// The settings of an interface: a plain IP link.
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    /// Our addresses there, each with the length of its prefix. A destination inside the prefix is on this link.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Whether destinations outside every prefix leave through here. Default true.
    pub default_route: bool,
    /// Take TCP segments for every unicast address, not only for ours: a listener at the unspecified address then
    /// accepts connections to any destination, under the address that the peer called (transparent proxies). Everything
    /// but TCP is still only for our own addresses. Default false.
    pub any_address: bool,
    /// Largest IP packet, octets. Default 1500.
    pub mtu: u16,
    /// The device completes partial transport checksums.
    pub checksum_offload: bool,
    /// The device cuts packets of up to 64 KiB into segments.
    pub segmentation_offload: bool,
}

impl Default for InterfaceConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            default_route: true,
            any_address: false,
            mtu: 1500,
            checksum_offload: false,
            segmentation_offload: false,
        }
    }
}

/// A connection as this host sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FourTuple {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

impl FourTuple {
    /// The same connection as the peer sees it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { local: self.remote, remote: self.local }
    }
}

/// What the application should know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection waits for `accept`; where SYNs are held, one for `incoming`.
    Incoming(ListenerId),
    /// A connect succeeded, or a connection is established whose held SYN was admitted.
    Connected(ConnectionId),
    /// There is text to read, or the end of it.
    Readable(ConnectionId),
    /// There is room to write again, after a write that was `Blocked`.
    Writable(ConnectionId),
    /// Something is wrong with the connection, which goes on; once for each change of what is wrong, unless
    /// [`TcpConfig::report_trouble`] is off (RFC 9293 MUST-47).
    Trouble(ConnectionId, Trouble),
    /// The connection has ended. Emitted once for each, orphans included. `Graceful` comes when both FINs are
    /// acknowledged, which for the side that closed first is the entry into TIME-WAIT.
    Closed(ConnectionId, CloseReason),
    /// A datagram waits.
    Datagram(UdpId),
}

/// What a host has counted since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets thrown away, by reason.
    pub drops: DropCounters,
    /// Frames handled.
    pub frames_in: u64,
    /// Frames handed to devices.
    pub frames_out: u64,
    /// TCP segments sent again.
    pub retransmits: u64,
    /// RST sent.
    pub resets_sent: u64,
    /// Acceptable RST received.
    pub resets_received: u64,
    /// Connections opened by `connect` that were established.
    pub opened: u64,
    /// Connects that failed before they were established.
    pub connect_failed: u64,
    /// Connections accepted from the network (established, passive).
    pub accepted: u64,
    /// TIME-WAITs entered.
    pub time_wait_entered: u64,
    /// TIME-WAITs that ended because a SYN opened the tuple again.
    pub reopened: u64,
    /// Half-open re-openings that died and gave their tuple back to TIME-WAIT.
    pub uncovered: u64,
    /// TIME-WAITs that went early because of `time_wait_max`.
    pub time_wait_evicted: u64,
    /// FINs that came again in TIME-WAIT and were acknowledged again.
    pub fin_reacked: u64,
    /// RSTs ignored in TIME-WAIT.
    pub time_wait_rst_ignored: u64,
    /// SYNs that were not admitted in TIME-WAIT.
    pub syn_refused: u64,
    /// Connects on a tuple of our own in TIME-WAIT that were allowed by timestamps.
    pub time_wait_reused: u64,
    /// Orphans ended by their time limit.
    pub orphans_timed_out: u64,
    /// Orphans reset because of `orphans_max`.
    pub orphans_refused: u64,
    /// Half-open connections that expired.
    pub half_open_expired: u64,
    /// Held SYNs that the application did not decide about in time.
    pub held_expired: u64,
    /// SYNs beyond what one source may have half-open.
    pub half_open_source_full: u64,
    /// SYNs answered by a cookie, because a bound on half-open connections was reached.
    pub syn_cookies_sent: u64,
    /// Those of them whose peer offered no timestamps: only its MSS is kept, window scaling and SACK are lost.
    pub syn_cookies_plain: u64,
    /// ACKs that were recognised as those of cookies.
    pub syn_cookies_accepted: u64,
    /// ACKs that were not, while cookies were being accepted: answered with RST.
    pub syn_cookies_failed: u64,
    /// Control segments (ACK, RST, SYN-ACK) that did not fit into the queue of those waiting to leave.
    pub replies_dropped: u64,
    /// Frames handed over to another host of the group (see `Host::join`), which owns what they are for, or may.
    pub handed_over: u64,
    /// Frames taken over from another host of the group.
    pub taken_over: u64,
}

impl Counters {
    /// Adds what another host of the same group counted.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            drops,
            frames_in,
            frames_out,
            retransmits,
            resets_sent,
            resets_received,
            opened,
            connect_failed,
            accepted,
            time_wait_entered,
            reopened,
            uncovered,
            time_wait_evicted,
            fin_reacked,
            time_wait_rst_ignored,
            syn_refused,
            time_wait_reused,
            orphans_timed_out,
            orphans_refused,
            half_open_expired,
            held_expired,
            half_open_source_full,
            syn_cookies_sent,
            syn_cookies_plain,
            syn_cookies_accepted,
            syn_cookies_failed,
            replies_dropped,
            handed_over,
            taken_over,
        } = other;
        self.drops.merge(drops);
        self.frames_in += frames_in;
        self.frames_out += frames_out;
        self.retransmits += retransmits;
        self.resets_sent += resets_sent;
        self.resets_received += resets_received;
        self.opened += opened;
        self.connect_failed += connect_failed;
        self.accepted += accepted;
        self.time_wait_entered += time_wait_entered;
        self.reopened += reopened;
        self.uncovered += uncovered;
        self.time_wait_evicted += time_wait_evicted;
        self.fin_reacked += fin_reacked;
        self.time_wait_rst_ignored += time_wait_rst_ignored;
        self.syn_refused += syn_refused;
        self.time_wait_reused += time_wait_reused;
        self.orphans_timed_out += orphans_timed_out;
        self.orphans_refused += orphans_refused;
        self.half_open_expired += half_open_expired;
        self.held_expired += held_expired;
        self.half_open_source_full += half_open_source_full;
        self.syn_cookies_sent += syn_cookies_sent;
        self.syn_cookies_plain += syn_cookies_plain;
        self.syn_cookies_accepted += syn_cookies_accepted;
        self.syn_cookies_failed += syn_cookies_failed;
        self.replies_dropped += replies_dropped;
        self.handed_over += handed_over;
        self.taken_over += taken_over;
    }
}
