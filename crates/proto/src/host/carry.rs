//! TIME-WAIT across a restart: the table of one host as octets, and those octets into the next host.
//!
//! A stack in a program ends with the program and forgets every TIME-WAIT; the next one at the same address would answer
//! a FIN that comes again with RST, and could give a tuple away too early (RFC 9293 §3.4.3). Times in the octets are
//! relative, because the next host has another clock: the time between the two is not subtracted, so that a tuple is
//! kept longer than it must be and never shorter.
//!
//! | octets | what |
//! |---|---|
//! | 4, 2, 4 | `LTTW`, version 1, number of records; then the records, and after them perhaps another such block |
//! | 1, 1, 1 | flags (bit 0 IPv6, bit 1 timestamps, bit 2 reset), Rcv.Wind.Shift, interface |
//! | 2, 2, 2 | local port, remote port, window |
//! | 4, 4, 4 | SND.NXT, RCV.NXT, TS.Recent |
//! | 8, 4, 4 | MSL in nanoseconds; milliseconds waited; milliseconds left |
//! | 4 + 4 or 16 + 16 | local and remote address |
//!
//! All numbers are big-endian.

use super::Host;
use super::demux::Found;
use super::key::Key;
use super::time_wait::key;
use crate::tcp::error::ImportError;
use crate::tcp::seq::SeqNum;
use crate::tcp::time_wait::{Fields, TimeWait, TimeWaitTable};
use crate::{Instant, InterfaceId, OwnerId};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

const MAGIC: [u8; 4] = *b"LTTW";
const VERSION: u16 = 1;
const IPV6: u8 = 1;
const TIMESTAMPS: u8 = 1 << 1;
const RESET: u8 = 1 << 2;
/// Octets of a record without its addresses.
const FIXED: usize = 37;

/// A record on its way.
struct Carried {
    key: Key,
    fields: Fields<()>,
    msl: Duration,
    age_ms: u32,
    left_ms: u32,
    reset: bool,
}

impl Host {
    /// Every TIME-WAIT of this host, for [`Host::import_time_wait`] of the one that takes its place. About 45 octets for
    /// each of IPv4, 69 for IPv6. Who held the connection is not told.
    ///
    /// The octets name peers, ports and sequence numbers: keep them from strangers, who could reset connections with
    /// such knowledge.
    pub fn export_time_wait(&self, now: Instant) -> Vec<u8> {
        let mut records = Vec::new();
        let four = append(&self.time_wait_4, now, &mut records);
        let six = append(&self.time_wait_6, now, &mut records);
        let mut octets = Vec::with_capacity(records.len() + 10);
        octets.extend_from_slice(&MAGIC);
        octets.extend_from_slice(&VERSION.to_be_bytes());
        octets.extend_from_slice(&four.saturating_add(six).to_be_bytes());
        octets.append(&mut records);
        octets
    }

    /// Takes the TIME-WAITs over that another host exported; several exports, one after another, will do. How many they
    /// were. Addresses and interfaces must be those of that host, and be there already; timestamps of the peers are
    /// compared as before, but a tuple of these is free for `connect` only when its time is over.
    ///
    /// # Errors
    /// See [`ImportError`]; nothing was taken over then.
    pub fn import_time_wait(&mut self, now: Instant, octets: &[u8]) -> Result<usize, ImportError> {
        self.expire_time_wait(now);
        let used = self.connections.len() + self.half_open.len();
        if used + self.time_wait_4.len() + self.time_wait_6.len() > 0 {
            return Err(ImportError::NotFresh);
        }
        let mut all = self.parse(octets)?;
        // The order of entry is the order of expiry.
        all.sort_by_key(|one| one.left_ms);
        // The tables are empty, and these copies of them replace them when everything is in.
        let (mut four, mut six) = (self.time_wait_4.clone(), self.time_wait_6.clone());
        let mut owned = Vec::with_capacity(all.len());
        for one in &all {
            let found = match (one.key.local(), one.key.remote()) {
                (IpAddr::V4(local), IpAddr::V4(remote)) => {
                    restore(&mut four, now, one, local, remote).map(Found::TimeWait4)
                }
                (IpAddr::V6(local), IpAddr::V6(remote)) => {
                    restore(&mut six, now, one, local, remote).map(Found::TimeWait6)
                }
                _ => None,
            };
            owned.push((one.key, found.ok_or(ImportError::TooManyLifetimes)?));
        }
        (self.time_wait_4, self.time_wait_6) = (four, six);
        for (key, found) in owned {
            let hash = self.demux.hash(&key);
            self.own(hash, found);
        }
        Ok(all.len())
    }

    /// All records of all blocks, each of them possible on this host.
    fn parse(&self, octets: &[u8]) -> Result<Vec<Carried>, ImportError> {
        let most = usize::try_from(self.config.time_wait_max).unwrap_or(usize::MAX);
        let mut reader = Reader(octets);
        let mut all = Vec::new();
        let mut keys = BTreeSet::new();
        loop {
            let count = block(&mut reader)?;
            if all.len() + count > most {
                return Err(ImportError::TooMany);
            }
            if reader.0.len() / FIXED < count {
                return Err(ImportError::Truncated);
            }
            for _ in 0..count {
                let place = all.len();
                let one = record(&mut reader, place)?;
                self.check(&one, place)?;
                if !keys.insert(one.key) {
                    return Err(ImportError::Duplicate(place));
                }
                all.push(one);
            }
            if reader.0.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Whether this host could have had such a TIME-WAIT.
    fn check(&self, one: &Carried, place: usize) -> Result<(), ImportError> {
        let (local, remote) = (one.key.local(), one.key.remote());
        let interface = one.fields.interface;
        let ours = self.interfaces.is_local(local) || self.interfaces.takes_for_all(interface, local);
        if !self.interfaces.has(interface) || !ours {
            return Err(ImportError::NotLocal(place));
        }
        let possible = self.interfaces.may_be_source(remote)
            && !remote.is_unspecified()
            && !remote.is_multicast()
            && one.key.local_port() != 0
            && one.key.remote_port() != 0;
        if !possible {
            return Err(ImportError::Invalid(place));
        }
        // Whole milliseconds that have begun, and one more for each restart.
        let most = one.msl.as_millis().saturating_mul(2).saturating_add(3);
        if one.left_ms == 0 || u128::from(one.left_ms) > most {
            return Err(ImportError::Time(place));
        }
        Ok(())
    }
}

/// Appends what a table holds; how many that is.
fn append<A: Copy + Into<IpAddr>>(table: &TimeWaitTable<A>, now: Instant, octets: &mut Vec<u8>) -> u32 {
    let mut count = 0;
    for (_, one) in table.iter() {
        let left = u32::try_from(one.remaining(now).as_millis()).unwrap_or(u32::MAX);
        if left > 0 {
            write(octets, one, table.msl_of(one), millis32_of(one.age(now)), left);
            count += 1;
        }
    }
    count
}

fn millis32_of(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn write<A: Copy + Into<IpAddr>>(
    octets: &mut Vec<u8>,
    one: &TimeWait<A>,
    msl: Duration,
    age: u32,
    left: u32,
) {
    let key = key(one);
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let flags =
        flag(key.is_ipv6(), IPV6) | flag(one.ts_recent().is_some(), TIMESTAMPS) | flag(one.is_reset(), RESET);
    let interface = u8::try_from(one.interface().index()).unwrap_or(u8::MAX);
    octets.extend_from_slice(&[flags, one.rcv_wind_shift(), interface]);
    for port in [key.local_port(), key.remote_port(), one.window_field()] {
        octets.extend_from_slice(&port.to_be_bytes());
    }
    for number in [one.snd_nxt().0, one.rcv_nxt().0, one.ts_recent().unwrap_or(0)] {
        octets.extend_from_slice(&number.to_be_bytes());
    }
    octets.extend_from_slice(&u64::try_from(msl.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
    octets.extend_from_slice(&age.to_be_bytes());
    octets.extend_from_slice(&left.to_be_bytes());
    for address in [key.local(), key.remote()] {
        match address {
            IpAddr::V4(v4) => octets.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => octets.extend_from_slice(&v6.octets()),
        }
    }
}

/// Octets not yet read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ImportError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ImportError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn half(&mut self) -> Result<u16, ImportError> {
        self.take().map(u16::from_be_bytes)
    }

    fn word(&mut self) -> Result<u32, ImportError> {
        self.take().map(u32::from_be_bytes)
    }

    fn addresses<const N: usize>(&mut self) -> Result<(IpAddr, IpAddr), ImportError>
    where
        IpAddr: From<[u8; N]>,
    {
        Ok((self.take::<N>()?.into(), self.take::<N>()?.into()))
    }
}

/// The head of a block: how many records follow.
fn block(reader: &mut Reader<'_>) -> Result<usize, ImportError> {
    if reader.take()? != MAGIC {
        return Err(ImportError::NotAnExport);
    }
    match reader.half()? {
        VERSION => Ok(usize::try_from(reader.word()?).unwrap_or(usize::MAX)),
        other => Err(ImportError::Version(other)),
    }
}

fn record(reader: &mut Reader<'_>, place: usize) -> Result<Carried, ImportError> {
    let [flags, rcv_wind_shift, interface] = reader.take()?;
    if flags & !(IPV6 | TIMESTAMPS | RESET) != 0 || rcv_wind_shift > 14 {
        return Err(ImportError::Invalid(place));
    }
    let (local_port, remote_port, rcv_wnd) = (reader.half()?, reader.half()?, reader.half()?);
    let (snd_nxt, rcv_nxt) = (SeqNum(reader.word()?), SeqNum(reader.word()?));
    let ts_recent = reader.word()?;
    let msl = Duration::from_nanos(u64::from_be_bytes(reader.take()?));
    let (age_ms, left_ms) = (reader.word()?, reader.word()?);
    let (local, remote) =
        if flags & IPV6 == 0 { reader.addresses::<4>()? } else { reader.addresses::<16>()? };
    let fields = Fields {
        local: (),
        remote: (),
        local_port,
        remote_port,
        snd_nxt,
        rcv_nxt,
        rcv_wnd,
        rcv_wind_shift,
        interface: InterfaceId(u16::from(interface)),
        ts_recent: (flags & TIMESTAMPS != 0).then_some(ts_recent),
        owner: OwnerId::default(),
    };
    let key = Key::new(local, local_port, remote, remote_port);
    if key.is_ipv6() != remote.is_ipv6() {
        return Err(ImportError::Invalid(place));
    }
    Ok(Carried { key, fields, msl, age_ms, left_ms, reset: flags & RESET != 0 })
}

/// `None` where the table has no queue for such a lifetime.
fn restore<A: Copy>(
    table: &mut TimeWaitTable<A>,
    now: Instant,
    one: &Carried,
    local: A,
    remote: A,
) -> Option<u32> {
    let lifetime = table.lifetime(one.msl)?;
    let Fields { local_port, remote_port, snd_nxt, rcv_nxt, rcv_wnd, rcv_wind_shift, interface, .. } =
        one.fields;
    let Fields { ts_recent, owner, .. } = one.fields;
    let fields = Fields {
        local,
        remote,
        local_port,
        remote_port,
        snd_nxt,
        rcv_nxt,
        rcv_wnd,
        rcv_wind_shift,
        interface,
        ts_recent,
        owner,
    };
    table.restore(now, &fields, lifetime, (one.age_ms, one.left_ms), one.reset)
}
