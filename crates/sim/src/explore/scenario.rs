//! What is explored: the settings that stay the same over one search.

use linger_proto::{FourTuple, SeqNum, TcpConfig};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a segment may be on its way: the maximum segment lifetime of the link. One retransmission timeout fits into
/// it, so any timer may expire before or after any delivery, and a segment is overtaken by one repetition at most.
pub const LIFETIME: Duration = Duration::from_millis(1_500);
/// The maximum segment lifetime that the hosts are set to, unless a scenario says otherwise. Longer than the truth, for
/// twice as long must outlast one more repetition of the FIN than the bound may lose or hold back.
pub const MSL: Duration = Duration::from_millis(2_500);
/// The longest that a host takes: ten days.
pub const MSL_MAX: Duration = Duration::from_secs(10 * 24 * 3600);
/// Every retransmission timeout.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// First number of the first incarnation, on both sides. Their spaces have nothing to do with each other.
const BASE: u32 = 0x1000_0000;
/// Octets of text in each direction of each incarnation: one segment.
pub(super) const TEXT: usize = 4;

/// An initial sequence number, relative to that of the first incarnation of the same side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Number {
    /// The first incarnation's.
    Base,
    /// The same again: an old segment stands exactly where a new one is expected.
    Same,
    /// A little before: old text lies ahead in the new window.
    Behind,
    /// Just past everything that the first incarnation has sent.
    Ahead,
    /// Half the number space away.
    Far,
    /// Past everything that both incarnations send.
    Beyond,
}

impl Number {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Base, "base"),
        (Self::Same, "same"),
        (Self::Behind, "behind"),
        (Self::Ahead, "ahead"),
        (Self::Far, "far"),
        (Self::Beyond, "beyond"),
    ];

    /// As the host's settings want it.
    pub(super) fn as_setting(self) -> fn(&FourTuple) -> SeqNum {
        match self {
            Self::Base | Self::Same => |_| SeqNum(BASE),
            Self::Behind => |_| SeqNum(BASE - 2),
            Self::Ahead => |_| SeqNum(BASE + 2 + TEXT as u32),
            Self::Far => |_| SeqNum(BASE ^ 1 << 31),
            Self::Beyond => |_| SeqNum(BASE + 0x10_0000),
        }
    }
}

/// Who ends an incarnation first, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Ending {
    /// The left side closes first; the right side once it has read to the end. It may write until then: half-close.
    Left,
    /// The same with the sides exchanged.
    Right,
    /// Either, at any time after its text: simultaneous close and both of the above.
    Any,
    /// As [`Ending::Any`], and in the first incarnation either side may abort instead.
    Abort,
    /// As [`Ending::Any`], and calls may come before the handshake has ended.
    Early,
}

impl Ending {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Left, "left"),
        (Self::Right, "right"),
        (Self::Any, "any"),
        (Self::Abort, "abort"),
        (Self::Early, "early"),
    ];
}

/// One search: everything that does not change during it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scenario {
    /// The maximum segment lifetime that both hosts believe in. [`LIFETIME`] is the truth; zero is no TIME-WAIT.
    pub msl: Duration,
    /// Both sides use timestamps.
    pub timestamps: bool,
    /// Both sides open at once, instead of one that listens.
    pub simultaneous: bool,
    /// Who ends an incarnation first.
    pub ending: Ending,
    /// How each side numbers its second incarnation.
    pub numbers: [Number; 2],
    /// Segments that may be lost.
    pub losses: u8,
    /// Segments that may arrive twice, the second time at any moment of their lifetime.
    pub duplicates: u8,
    /// Segments that may be held back and overtaken, past the close and into the next incarnation.
    pub delayed: u8,
    /// Timers that may expire while a segment is on its way that is not held back. Others are free: nothing else can
    /// happen but that.
    pub early: u8,
    /// SYNs of an incarnation before the first that may arrive at the right side, numbered past all that follows.
    pub strays: u8,
    /// How many of all of these there may be in one run.
    pub faults: u8,
    /// Milliseconds that may pass before the second opening, beside what timers take.
    pub ticks: u8,
}

impl Scenario {
    /// The settings of both hosts.
    pub(super) fn tcp(&self) -> TcpConfig {
        let never = Duration::MAX;
        TcpConfig {
            msl: self.msl,
            timestamps: self.timestamps,
            sack: false,
            // As large as in production: in a small window the numbers of an acknowledgment betray what is old (RFC 5961 §5).
            recv_buffer: 1 << 20,
            delayed_ack: Duration::ZERO,
            rto_min: TIMEOUT,
            rto_max: TIMEOUT,
            syn_timeout: never,
            user_timeout: never,
            fin_wait_2_timeout: never,
            orphan_timeout: never,
            ..TcpConfig::default()
        }
    }
}

/// Written as `key=value` words, and read again by [`FromStr`].
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "msl={} timestamps={} simultaneous={} ending={} left={} right={} losses={} duplicates={} delayed={} early={} strays={} faults={} ticks={}",
            self.msl.as_millis(),
            u8::from(self.timestamps),
            u8::from(self.simultaneous),
            name(&Ending::ALL, self.ending),
            name(&Number::ALL, self.numbers[0]),
            name(&Number::ALL, self.numbers[1]),
            self.losses,
            self.duplicates,
            self.delayed,
            self.early,
            self.strays,
            self.faults,
            self.ticks
        )
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut scenario = Self {
            msl: MSL,
            timestamps: false,
            simultaneous: false,
            ending: Ending::Any,
            numbers: [Number::Same; 2],
            losses: 0,
            duplicates: 0,
            delayed: 0,
            early: 0,
            strays: 0,
            faults: u8::MAX,
            ticks: 0,
        };
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("'{word}' is no key=value"))?;
            let number =
                || value.parse::<u8>().map_err(|_| format!("'{value}' in '{word}' is no small number"));
            match key {
                "msl" => {
                    let ms = value.parse().map_err(|_| format!("'{value}' in '{word}' is no number"))?;
                    scenario.msl = Duration::from_millis(ms);
                    if scenario.msl > MSL_MAX {
                        return Err(format!("'{word}' is more than ten days"));
                    }
                }
                "timestamps" => scenario.timestamps = number()? != 0,
                "simultaneous" => scenario.simultaneous = number()? != 0,
                "ending" => scenario.ending = named(&Ending::ALL, value)?,
                "left" => scenario.numbers[0] = named(&Number::ALL, value)?,
                "right" => scenario.numbers[1] = named(&Number::ALL, value)?,
                "losses" => scenario.losses = number()?,
                "duplicates" => scenario.duplicates = number()?,
                "delayed" => scenario.delayed = number()?,
                "early" => scenario.early = number()?,
                "strays" => scenario.strays = number()?,
                "faults" => scenario.faults = number()?,
                "ticks" => scenario.ticks = number()?,
                _ => return Err(format!("unknown key '{key}'")),
            }
        }
        Ok(scenario)
    }
}

fn name<T: PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(one, _)| *one == value).map_or("?", |(_, name)| name)
}

fn named<T: Copy>(all: &[(T, &'static str)], text: &str) -> Result<T, String> {
    all.iter().find(|(_, name)| *name == text).map(|(one, _)| *one).ok_or_else(|| format!("unknown '{text}'"))
}
