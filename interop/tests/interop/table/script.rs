//! Scenarios: what is said to a host, and what it is expected to answer. Each is written once and played to any host.

use linger_proto::wire::tcp::Flags;

/// The state in which a scenario begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// A port that nobody listens at.
    Closed,
    Listen,
    SynReceived,
    Established,
    /// The host has answered `Connection: close` and closed; its FIN is not acknowledged.
    FinWait1,
    FinWait2,
    /// The host has [`IN_FLIGHT`] octets in flight and much more to send; then the probe has closed.
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// Octets in flight in CLOSE-WAIT: the probe's window there.
pub(super) const IN_FLIGHT: i32 = 1000;
pub(super) const IN_FLIGHT_WINDOW: u16 = 1000;
/// Farther than any window without scaling reaches.
pub(super) const FAR: i32 = 70_000;

/// One segment of the probe, its numbers counted from where they should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Say {
    pub(super) flags: Flags,
    /// Counted from RCV.NXT of the host.
    pub(super) seq: i32,
    /// Counted from SND.NXT of the host.
    pub(super) ack: i32,
    pub(super) text: &'static str,
    pub(super) wnd: u16,
    /// Counted from the probe's clock; `None`: no timestamp.
    pub(super) clock: Option<i32>,
    /// It belongs to the connection that had the tuple before.
    pub(super) old: bool,
}

/// How long the answer is listened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    /// It comes at once or not at all.
    AtOnce,
    /// It may be held back for a moment.
    Anything,
    /// The application has its part in it: until so many octets of text have come. Bare ACKs are passed over.
    Text(u32),
    /// Until a FIN has come. Bare ACKs are passed over.
    Fin,
}

/// A segment and the answer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) say: Say,
    pub(super) until: Until,
    /// What linger answers.
    pub(super) gets: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) start: Start,
    /// Rows of the table that it shows, without their `9293-SA-`.
    pub(super) rows: &'static [&'static str],
    pub(super) timestamps: bool,
    pub(super) steps: Vec<Step>,
}

pub(super) fn scenario(
    name: &'static str,
    start: Start,
    rows: &'static [&'static str],
    steps: impl Into<Vec<Step>>,
) -> Scenario {
    Scenario { name, start, rows, timestamps: false, steps: steps.into() }
}

impl Scenario {
    pub(super) fn with_timestamps(self) -> Self {
        Self { timestamps: true, ..self }
    }
}

pub(super) const NONE: Flags = Flags(0);
pub(super) const SYN: Flags = Flags::SYN;
pub(super) const ACK: Flags = Flags::ACK;
pub(super) const RST: Flags = Flags::RST;
pub(super) const FIN: Flags = Flags::FIN;
pub(super) const URG: Flags = Flags::URG;
pub(super) const SYN_ACK: Flags = Flags(0x12);
pub(super) const RST_ACK: Flags = Flags(0x14);
pub(super) const FIN_ACK: Flags = Flags(0x11);
pub(super) const SYN_FIN: Flags = Flags(0x03);
pub(super) const URG_ACK: Flags = Flags(0x30);
pub(super) const RST_SYN: Flags = Flags(0x06);

/// A segment with these control bits and the numbers as they should be.
pub(super) const fn say(flags: Flags) -> Say {
    Say { flags, seq: 0, ack: 0, text: "", wnd: 0xffff, clock: Some(0), old: false }
}

impl Say {
    pub(super) const fn at(self, seq: i32) -> Self {
        Self { seq, ..self }
    }

    pub(super) const fn acking(self, ack: i32) -> Self {
        Self { ack, ..self }
    }

    pub(super) const fn text(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    pub(super) const fn window(self, wnd: u16) -> Self {
        Self { wnd, ..self }
    }

    pub(super) const fn clock(self, clock: i32) -> Self {
        Self { clock: Some(clock), ..self }
    }

    pub(super) const fn without_timestamp(self) -> Self {
        Self { clock: None, ..self }
    }

    pub(super) const fn of_the_old_connection(self) -> Self {
        Self { old: true, ..self }
    }

    pub(super) const fn until(self, until: Until, gets: &'static str) -> Step {
        Step { say: self, until, gets }
    }

    /// What linger answers at once.
    pub(super) const fn gets(self, gets: &'static str) -> Step {
        self.until(Until::AtOnce, gets)
    }
}

impl Step {
    /// The segment in few words, for the list of differences.
    pub(super) fn shown(&self) -> String {
        let Say { flags, seq, ack, text, wnd, clock, old } = self.say;
        let mut shown = if flags == NONE { "no bit".to_owned() } else { flags.to_string() };
        let far = |number: i32| match number {
            FAR => "far".to_owned(),
            i32::MIN => "half the circle".to_owned(),
            _ => format!("{number:+}"),
        };
        if seq != 0 {
            shown += &format!(" at {}", far(seq));
        }
        if ack != 0 && flags.has(ACK) {
            shown += &format!(" acking {}", far(ack));
        }
        match clock {
            Some(0) => {}
            Some(clock) => shown += &format!(" clock {clock:+}"),
            None => shown += " without timestamp",
        }
        if wnd != 0xffff {
            shown += &format!(" window {wnd}");
        }
        if !text.is_empty() {
            shown += " with text";
        }
        if old {
            shown += " of the old connection";
        }
        shown
    }
}
