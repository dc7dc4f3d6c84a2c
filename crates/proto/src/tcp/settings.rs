//! The settings of a connection as the paths of segments want them: lengths of time counted as [`Instant`](crate::Instant)
//! counts, and what follows from the rest worked out once.

use crate::tcp::buffer::recv::RecvBuffer;
use crate::tcp::config::{KeepAlive, TcpConfig};
use crate::tcp::opening::negotiate;
use crate::tcp::recovery::rtt::RtoBounds;
use crate::time::Span;
use crate::wire::packet::Mark;
use core::ops::Deref;
use core::time::Duration;

/// No acknowledgment is held back for half a second (RFC 9293 MUST-40).
const DELAY_MAX: Duration = Duration::from_millis(499);
/// Shorter times between two keep-alive probes are taken for this.
const KEEPALIVE_MIN: Duration = Duration::from_millis(1);

/// No send buffer holds more: sequence numbers farther apart could not be told from those behind.
const SEND_MAX: u32 = 1 << 30;

/// When to probe an idle peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probes {
    /// Idle time before the first, as it was set and of use as such only at the beginning.
    pub(crate) first: Span,
    /// The same, long enough to be waited for again and again.
    pub(crate) idle: Span,
    /// Time between two.
    pub(crate) interval: Span,
    /// Unanswered ones after which the connection is given up.
    pub(crate) most: u8,
}

/// A [`TcpConfig`], which it stands for, and what follows from it. A field of the same name hides that of the
/// configuration and means the same.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    config: TcpConfig,
    /// At most half a second.
    pub(crate) delayed_ack: Span,
    pub(crate) syn_timeout: Span,
    pub(crate) user_timeout: Span,
    pub(crate) fin_wait_2_timeout: Span,
    pub(crate) orphan_timeout: Span,
    pub(crate) keepalive: Option<Probes>,
    pub(crate) rto: RtoBounds,
    /// No timer of a synchronized connection is set for less than this ahead.
    pub(crate) soonest: Span,
    /// At most [`SEND_MAX`].
    pub(crate) send_buffer: u32,
    /// What the text in a receive buffer may pin before it is moved together.
    pub(crate) charge_max: usize,
    /// The window of a SYN.
    pub(crate) syn_window: u16,
    /// The bound on segments of both directions.
    pub(crate) mss_bound: u16,
    /// The scale that our SYN offers.
    pub(crate) window_shift: u8,
    /// How our packets are to be treated on their way.
    pub(crate) mark: Mark,
}

impl Settings {
    pub(crate) fn new(config: TcpConfig) -> Self {
        let delayed_ack = Span::of(config.delayed_ack.min(DELAY_MAX));
        let rto = RtoBounds::new(&config);
        let keepalive = config.keepalive.map(probes);
        Self {
            soonest: soonest(&config, delayed_ack, &rto, keepalive.as_ref()),
            delayed_ack,
            syn_timeout: Span::of(config.syn_timeout),
            user_timeout: Span::of(config.user_timeout),
            fin_wait_2_timeout: Span::of(config.fin_wait_2_timeout),
            orphan_timeout: Span::of(config.orphan_timeout),
            keepalive,
            rto,
            send_buffer: config.send_buffer.min(SEND_MAX),
            charge_max: RecvBuffer::charge_max(usize::try_from(config.recv_buffer).unwrap_or(usize::MAX / 2)),
            syn_window: negotiate::syn_window(&config),
            mss_bound: negotiate::mss_bound(&config),
            window_shift: negotiate::window_shift(&config),
            mark: Mark { dscp: config.dscp, hop_limit: config.hop_limit.max(1) },
            config,
        }
    }
}

fn soonest(config: &TcpConfig, delayed_ack: Span, rto: &RtoBounds, keepalive: Option<&Probes>) -> Span {
    // An acknowledgment that is not held back has no timer.
    let ack = if delayed_ack.is_zero() { rto.least() } else { delayed_ack };
    let limits = [config.user_timeout, config.fin_wait_2_timeout, config.orphan_timeout].map(Span::of);
    let probe = keepalive.map_or(ack, |probes| probes.idle.min(probes.interval).min(probes.first));
    limits.into_iter().fold(ack.min(rto.least()).min(probe), Span::min)
}

fn probes(keepalive: KeepAlive) -> Probes {
    Probes {
        first: Span::of(keepalive.idle),
        idle: Span::of(keepalive.idle.max(KEEPALIVE_MIN)),
        interval: Span::of(keepalive.interval.max(KEEPALIVE_MIN)),
        most: keepalive.probes,
    }
}

impl Deref for Settings {
    type Target = TcpConfig;
    fn deref(&self) -> &TcpConfig {
        &self.config
    }
}
