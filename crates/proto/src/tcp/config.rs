//! What can be set on a connection, a listener and a connect. Every default is the production value.

use core::net::SocketAddr;
use core::time::Duration;

/// The settings of a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// Maximum segment lifetime; TIME-WAIT lasts twice this. Default 30 s, so that TIME-WAIT holds 60 s as on Linux
    /// (`TCP_TIMEWAIT_LEN`); zero is "without TIME-WAIT", and ten days are the most.
    /// Deviation, RFC 9293 §3.4.2: the nominal MSL is two minutes; no deployed stack waits that long.
    // Ledger: RFC 9293 MUST-13 [1337-5].
    pub msl: Duration,
    /// Largest amount of received text held for the application, and so the largest window. Octets; default 4 MiB
    /// (Linux: `tcp_rmem[2]`).
    pub recv_buffer: u32,
    /// Largest amount of text held for sending. Octets; default 4 MiB (Linux: `tcp_wmem[2]`).
    pub send_buffer: u32,
    /// Offer timestamps (RFC 7323 §3). Default true (Linux: `tcp_timestamps`).
    pub timestamps: bool,
    /// Offer selective acknowledgments (RFC 2018). Default true (Linux: `tcp_sack`).
    pub sack: bool,
    /// Offer window scaling (RFC 7323 §2). Default true (Linux: `tcp_window_scaling`).
    pub window_scaling: bool,
    /// Send small segments at once: no Nagle algorithm (RFC 9293 SHLD-7, MUST-17). Default false (Linux: `TCP_NODELAY`).
    pub nodelay: bool,
    /// How long an acknowledgment may be held back. Default 40 ms, at most 500 ms (RFC 9293 MUST-40; Linux:
    /// `TCP_DELACK_MIN`). Zero acknowledges every segment at once.
    pub delayed_ack: Duration,
    /// Smallest retransmission timeout. Default 200 ms (Linux: `TCP_RTO_MIN`).
    /// Deviation, RFC 6298 §2.4 [6298-4]: one second is asked for; every large deployment uses less.
    pub rto_min: Duration,
    /// Largest retransmission timeout. Default 120 s (RFC 6298 §2.4: at least 60 s; Linux: `TCP_RTO_MAX`).
    pub rto_max: Duration,
    /// How long a SYN is repeated before the connect fails. Default 3 min (RFC 9293 MUST-23).
    pub syn_timeout: Duration,
    /// How long sent text may stay unacknowledged before the connection is given up: the user timeout of RFC 9293
    /// §3.10, R2 of §3.8.3. Default 15 min (Linux: `tcp_retries2`, `TCP_USER_TIMEOUT`).
    // Ledger: [5482-4].
    pub user_timeout: Duration,
    /// Probe an idle peer. Default none (RFC 9293 MUST-25; Linux: `SO_KEEPALIVE`).
    // Ledger: RFC 9293 MUST-24, MUST-27.
    pub keepalive: Option<KeepAlive>,
    /// How long FIN-WAIT-2 lasts when nobody holds the stream any more. Default 60 s (Linux: `tcp_fin_timeout`).
    pub fin_wait_2_timeout: Duration,
    /// How long a connection that nobody holds may go on without the peer taking any of what is left. Default 60 s
    /// (Linux: `tcp_orphan_retries`).
    pub orphan_timeout: Duration,
    /// Ignore RST in TIME-WAIT (RFC 1337). Default true; false closes on an exact one, as RFC 9293 has it.
    pub rfc1337: bool,
    /// Keep the tuple of a connection that this side reset for 2*MSL: a SYN that is not newer gets no connection, and
    /// whatever else comes is answered with RST as before. Default false.
    /// Deviation, RFC 9293 §3.3.2, Figure 5, note 3: an RST leaves nothing behind by default, because no deployed stack
    /// keeps anything and whoever aborts wants the tuple back.
    pub wait_after_abort: bool,
    /// Differentiated services code point of our packets, 0 to 63; only the lower six bits count. Default 0 (RFC 9293
    /// MUST-48; Linux: the upper six bits of `IP_TOS` and `IPV6_TCLASS`). What answers for no connection any more, as in
    /// TIME-WAIT, has that of the host.
    pub dscp: u8,
    /// Hops that our packets may take: TTL, or hop limit of IPv6; zero is taken for one. Default 64 (RFC 9293 MUST-49;
    /// Linux: `ip_default_ttl`, `IP_TTL`, `IPV6_UNICAST_HOPS`).
    pub hop_limit: u8,
    /// Tell the application of trouble that does not end the connection: `Event::Trouble` (RFC 9293 SHLD-20). Default
    /// true (Linux: `IP_RECVERR`).
    pub report_trouble: bool,
    /// Upper bound on segments of both directions, in octets of text, at least 48. Default none (Linux: `TCP_MAXSEG`).
    pub mss: Option<u16>,
}

/// When to probe an idle peer (RFC 9293 §3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Idle time before the first probe. Default two hours (RFC 9293 MUST-28; Linux: `TCP_KEEPIDLE`).
    pub idle: Duration,
    /// Time between probes. Default 75 s (Linux: `TCP_KEEPINTVL`).
    pub interval: Duration,
    /// Unanswered probes after which the connection is given up. Default 9 (Linux: `TCP_KEEPCNT`).
    pub probes: u8,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), probes: 9 }
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            msl: Duration::from_secs(30),
            recv_buffer: 4 << 20,
            send_buffer: 4 << 20,
            timestamps: true,
            sack: true,
            window_scaling: true,
            nodelay: false,
            delayed_ack: Duration::from_millis(40),
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            syn_timeout: Duration::from_secs(180),
            user_timeout: Duration::from_secs(900),
            keepalive: None,
            fin_wait_2_timeout: Duration::from_secs(60),
            orphan_timeout: Duration::from_secs(60),
            rfc1337: true,
            wait_after_abort: false,
            dscp: 0,
            hop_limit: crate::ip::HOP_LIMIT,
            report_trouble: true,
            mss: None,
        }
    }
}

impl TcpConfig {
    /// The RFCs' own rules wherever the defaults deviate: MSL two minutes, minimum RTO one second, a wait after an
    /// abort.
    pub fn strict() -> Self {
        Self {
            msl: Duration::from_secs(120),
            rto_min: Duration::from_secs(1),
            wait_after_abort: true,
            ..Self::default()
        }
    }
}

/// How to listen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenConfig {
    /// Settings of the connections accepted here; the host's when `None`.
    pub tcp: Option<TcpConfig>,
    /// Connections that may wait for `accept`, counted as Linux counts `listen(2)`'s backlog: one more than this is
    /// let in. Default 4096 (`somaxconn`) when `None`.
    pub backlog: Option<u32>,
    /// What to do with who comes while the accept queue is full. Default [`WhenFull::Drop`].
    pub when_full: WhenFull,
    /// Hold each SYN, unanswered, until the application decides: [`Host::incoming`](crate::Host::incoming) hands it out,
    /// `admit`, `refuse` or `ignore` ends the wait. Held SYNs count as half-open connections. Such a listener answers
    /// no SYN by itself and so uses no cookies: beyond a bound SYNs are dropped. Default false.
    pub hold: bool,
    /// How long a SYN is held; then it is forgotten without a word. Default 20 s.
    pub hold_timeout: Duration,
    /// Take SYNs for every port on which nobody else listens at this address. The port of the address must be zero.
    /// Default false.
    pub any_port: bool,
}

/// What becomes of a SYN, or of the handshake's last ACK, that finds the accept queue full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenFull {
    /// It is dropped as if it had been lost: the peer tries again, and gets in when there is room.
    #[default]
    Drop,
    /// It is answered with RST (Linux: `tcp_abort_on_overflow`).
    Reset,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            tcp: None,
            backlog: None,
            when_full: WhenFull::Drop,
            hold: false,
            hold_timeout: Duration::from_secs(20),
            any_port: false,
        }
    }
}

impl ListenConfig {
    /// Sets [`ListenConfig::when_full`].
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Sets [`ListenConfig::hold`].
    #[must_use]
    pub fn hold(mut self, hold: bool) -> Self {
        self.hold = hold;
        self
    }

    /// Sets [`ListenConfig::hold_timeout`].
    #[must_use]
    pub fn hold_timeout(mut self, hold_timeout: Duration) -> Self {
        self.hold_timeout = hold_timeout;
        self
    }

    /// Sets [`ListenConfig::any_port`].
    #[must_use]
    pub fn any_port(mut self, any_port: bool) -> Self {
        self.any_port = any_port;
        self
    }

    /// Sets [`ListenConfig::backlog`].
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = Some(backlog);
        self
    }

    /// Sets [`ListenConfig::tcp`].
    #[must_use]
    pub fn tcp(mut self, tcp: TcpConfig) -> Self {
        self.tcp = Some(tcp);
        self
    }
}

/// How to connect.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConnectConfig {
    /// Settings of the connection; the host's when `None`.
    pub tcp: Option<TcpConfig>,
    /// The source. `None` or a port of zero: chosen by route and RFC 6056.
    pub local: Option<SocketAddr>,
}

impl ConnectConfig {
    /// Sets [`ConnectConfig::local`].
    #[must_use]
    pub fn local(mut self, local: SocketAddr) -> Self {
        self.local = Some(local);
        self
    }

    /// Sets [`ConnectConfig::tcp`].
    #[must_use]
    pub fn tcp(mut self, tcp: TcpConfig) -> Self {
        self.tcp = Some(tcp);
        self
    }
}
