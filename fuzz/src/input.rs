//! Octets from the fuzzer, read as what may happen.

use crate::support::{Move, Near, Spoil, Step};

/// The octets that are left; zeros when there are none.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The first octet of the next thing; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    pub(crate) fn word(&mut self) -> u32 {
        u32::from(self.short()) << 16 | u32::from(self.short())
    }

    /// Everything that is left.
    pub(crate) fn all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest).to_vec()
    }

    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken.to_vec()
    }

    /// A number that is mostly small: two bits of the first octet say how large it may be.
    fn offset(&mut self) -> u32 {
        let first = self.octet();
        let small = u32::from(first & 0x1f);
        let value = match first >> 6 {
            0 => 0,
            1 => small,
            2 => small << 8 | u32::from(self.octet()),
            _ => self.word(),
        };
        if first & 0x20 == 0 { value } else { value.wrapping_neg() }
    }

    pub(crate) fn near(&mut self) -> Near {
        Near {
            peer: self.octet().into(),
            flags: self.flags(),
            seq: self.offset(),
            ack: self.offset(),
            wnd: self.short(),
            urgent: 0,
            timestamp: match self.octet() {
                0..200 => Some(0),
                200..220 => None,
                _ => Some(self.offset()),
            },
            text: usize::from(self.short()) % 1460,
        }
    }

    /// Control bits: an octet below 128 means an ACK, with FIN and PSH as it says.
    fn flags(&mut self) -> u8 {
        match self.octet() {
            octet @ 0..128 => 0x10 | if octet & 0x70 == 0x70 { 0x09 } else { 0 },
            _ => self.octet(),
        }
    }

    pub(crate) fn spoils(&mut self) -> Vec<Spoil> {
        let count = self.octet() % 4;
        let spoil = |input: &mut Self| match input.octet() % 5 {
            0 => Spoil::Flip(input.short(), 1 << (input.octet() % 8)),
            1 => Spoil::Set(input.short(), input.octet()),
            2 => Spoil::Truncate(input.short()),
            3 => Spoil::Extend(input.short().into()),
            _ => Spoil::Length(input.short()),
        };
        (0..count).map(|_| spoil(self)).collect()
    }

    /// What happens to a host with many connections.
    pub(crate) fn step(&mut self, control: u8) -> Step {
        let resum = control & 8 == 0;
        match control & 7 {
            1 | 2 => Step::Spoilt { kind: self.octet(), part: self.short(), spoils: self.spoils(), resum },
            3 => Step::Near { near: self.near(), spoils: self.spoils(), resum },
            4 | 5 => Step::Near { near: self.near(), spoils: Vec::new(), resum: true },
            6 => Step::Wait(self.short().into()),
            _ => Step::Use(self.octet().into(), self.octet()),
        }
    }

    /// What happens to one connection.
    pub(crate) fn action(&mut self, control: u8) -> Move {
        match control & 7 {
            0..4 => Move::Segment {
                flags: self.flags(),
                seq: self.offset().cast_signed(),
                ack: self.offset().cast_signed(),
                wnd: if control & 8 == 0 { 0xffff } else { self.short() },
                clock: if control & 16 == 0 { 0 } else { self.octet().cast_signed() },
                text: self.short() % 20_000,
            },
            4 => Move::Write(self.short() % 8192),
            5 => Move::Read(self.short()),
            6 if control == 0xfe => Move::Shutdown,
            _ => Move::Wait(self.short()),
        }
    }
}
