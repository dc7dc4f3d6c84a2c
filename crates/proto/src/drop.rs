//! Why packets are thrown away: every one names its reason, and every reason is counted.

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Why a packet or segment was thrown away.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $name,)+ }

        impl DropReason {
            /// Every reason there is, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The reason in a few words, for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

drop_reasons! {
    /// The packet ends before its IP header does.
    IpTruncated => "IP header truncated",
    /// The version nibble is neither 4 nor 6.
    IpVersion => "IP version unknown",
    /// The IPv4 header length is below 20 octets or beyond the packet.
    IpHeaderLength => "IP header length wrong",
    /// The length field names more octets than arrived, or fewer than the header.
    IpTotalLength => "IP length wrong",
    /// The IPv4 header checksum does not fit.
    IpHeaderChecksum => "IPv4 header checksum wrong",
    /// The source address may not be a source: multicast, broadcast, unspecified, or our own.
    IpSource => "IP source address invalid",
    /// No interface of this host has the destination address.
    NotForUs => "not addressed to this host",
    /// An IPv6 extension header is malformed, out of place or asks for the packet to be dropped.
    ExtensionHeader => "IPv6 extension header",
    /// A fragment overlaps another (RFC 5722), is empty, or reaches past 65,535 octets.
    FragmentMalformed => "fragment malformed or overlapping",
    /// A fragment was let go because the bound on reassembly was reached.
    FragmentLimit => "reassembly bound reached",
    /// The rest of a packet did not arrive in time.
    FragmentTimeout => "reassembly timed out",
    /// A transport protocol that this host does not speak.
    UnknownProtocol => "transport protocol unknown",
    /// ICMP: shorter than its header, or than the packet it must quote.
    IcmpTruncated => "ICMP truncated",
    /// ICMP: the checksum does not fit.
    IcmpChecksum => "ICMP checksum wrong",
    /// ICMP: a type that this host has no use for.
    IcmpUnknown => "ICMP type not used",
    /// ICMP: the quoted packet belongs to no connection of ours.
    IcmpUnrelated => "ICMP quotes no packet of ours",
    /// ICMP: the quoted sequence number is not in flight (RFC 5927 §4).
    IcmpOutOfFlight => "ICMP quotes a segment that is not in flight",
    /// ICMP: an answer was withheld by the rate limit.
    IcmpRateLimited => "ICMP answer rate-limited",
    /// UDP: shorter than its header, or its length field is wrong.
    UdpTruncated => "UDP length wrong",
    /// UDP: the checksum does not fit, or is absent where IPv6 requires it.
    UdpChecksum => "UDP checksum wrong",
    /// UDP: nobody is bound to the destination.
    UdpNoPort => "UDP port closed",
    /// UDP: the receive queue of the socket is full.
    UdpQueueFull => "UDP receive queue full",
    /// TCP: shorter than its header.
    TcpTruncated => "TCP header truncated",
    /// TCP: the data offset is below five words or beyond the segment.
    TcpDataOffset => "TCP data offset wrong",
    /// TCP: the checksum does not fit.
    TcpChecksum => "TCP checksum wrong",
    /// TCP: a port is zero.
    TcpPortZero => "TCP port zero",
    /// TCP: an option has an impossible length.
    TcpOptions => "TCP option malformed",
    /// TCP: no connection, no listener; answered with RST unless it was one.
    NoConnection => "no such connection",
    /// TCP: no connection, and the host has begun so recently that an RST could spoil the end of an old one
    /// (RFC 9293 §3.4.3).
    QuietTime => "quiet time after the start",
    /// LISTEN: a segment that opens nothing.
    NotASyn => "not a SYN, in LISTEN",
    /// LISTEN: the queue of half-open connections is full.
    SynQueueFull => "SYN queue full",
    /// LISTEN: the source has as many half-open connections as one may.
    SynSourceFull => "too many half-open connections of one source",
    /// A segment for a SYN that the application has not decided about.
    HeldSyn => "SYN held for the application",
    /// LISTEN: the accept queue is full.
    AcceptQueueFull => "accept queue full",
    /// LISTEN: the host holds as many connections as it may.
    ConnectionLimit => "connection bound reached",
    /// SYN-SENT: an ACK of something never sent.
    UnacceptableAck => "ACK of nothing sent",
    /// SYN-SENT: neither SYN nor RST.
    NoSyn => "neither SYN nor RST, in SYN-SENT",
    /// The sequence number is outside the receive window.
    OutOfWindow => "outside the receive window",
    /// The timestamp is older than the newest one seen (PAWS, RFC 7323 §5).
    Paws => "timestamp too old (PAWS)",
    /// Timestamps were agreed on and this segment has none (RFC 7323 §3.2).
    TimestampMissing => "timestamp missing",
    /// SYN-RECEIVED: an ACK whose echo is older than our first SYN, or ahead of our clock: it answers something else.
    ForeignEcho => "echo of another handshake",
    /// An RST whose sequence number is outside the window (RFC 5961 §3).
    RstOutOfWindow => "RST outside the window",
    /// An RST inside the window but not exact: challenged (RFC 5961 §3).
    RstChallenged => "RST not exact, challenged",
    /// A SYN on a synchronized connection: challenged (RFC 5961 §4).
    SynChallenged => "SYN on a synchronized connection, challenged",
    /// No ACK bit where there must be one.
    AckMissing => "ACK bit missing",
    /// An ACK of text that was not sent yet (RFC 5961 §5).
    AckOfUnsent => "ACK of unsent text",
    /// An ACK older than any window we offered room for (RFC 5961 §5).
    AckTooOld => "ACK too old",
    /// Text that was received already.
    Duplicate => "text received already",
    /// Out-of-order text beyond the bound of the reassembly queue.
    ReassemblyFull => "out-of-order queue full",
    /// Text after the application closed: answered with RST.
    TextAfterClose => "text after close",
    /// TIME-WAIT: an RST, ignored (RFC 1337).
    TimeWaitRst => "RST in TIME-WAIT ignored",
    /// TIME-WAIT: a segment of the old connection.
    TimeWaitStray => "stray segment in TIME-WAIT",
    /// TIME-WAIT: a SYN that is not newer than the old connection.
    TimeWaitSyn => "SYN in TIME-WAIT refused",
    /// The queue to the shard that owns the tuple or the port is full.
    HandOverFull => "queue to another shard full",
    /// The answer to this segment was withheld by the challenge limit.
    ChallengeLimited => "answer rate-limited",
}

/// How often each [`DropReason`] applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropCounters([u64; DropReason::ALL.len()]);

impl Default for DropCounters {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl DropCounters {
    /// How often `reason` applied.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    /// Adds what somebody else counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// All packets thrown away.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that applied at least once, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().copied().map(|reason| (reason, self.get(reason))).filter(|(_, n)| *n > 0)
    }
}
