//! What the machine must do at least, with no TCP logic: the same packets, copies, sums and table operations.
//!
//! usage: floor life LIVES IDLE        7 packets, a connection block at each end, one TIME-WAIT
//!        floor bulk|bulk0 MTU MIB     fill, copy and sum into a packet, verify, look; `bulk0` without sums
//!        floor seg CONNECTIONS ROUNDTRIPS [same|random [BATCH]]
//!
//! `seg`: for each packet write and parse 40 octets of header, sum 72 octets at both ends, two copies of 32 octets, and at
//! the receiver one SipHash, one look-up and one read-modify-write of two cold lines. Within a batch look-ups overlap.
use peers::{Cpu, Lottery, Words};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::hint::black_box;

#[target_feature(enable = "avx2")]
fn sum(d: &[u8]) -> u64 {
    let mut a = [0u64; 16];
    let mut it = d.chunks_exact(64);
    for w in &mut it {
        for k in 0..16 {
            a[k] += u32::from_ne_bytes(w[4 * k..4 * k + 4].try_into().unwrap()) as u64;
        }
    }
    let mut s: u64 = a.iter().sum();
    let mut it = it.remainder().chunks_exact(4);
    for w in &mut it {
        s += u32::from_ne_bytes(w.try_into().unwrap()) as u64;
    }
    for &b in it.remainder() {
        s += b as u64;
    }
    s
}

fn sum_small(d: &[u8]) -> u64 {
    let mut s = 0u64;
    let mut it = d.chunks_exact(4);
    for w in &mut it {
        s += u32::from_ne_bytes(w.try_into().unwrap()) as u64;
    }
    for &b in it.remainder() {
        s += b as u64;
    }
    s
}

fn fold(mut s: u64) -> u16 {
    while s >> 16 != 0 {
        s = (s & 0xffff) + (s >> 16);
    }
    s as u16
}

/// A sum by whichever way is shorter.
fn summed(d: &[u8]) -> u16 {
    // SAFETY: every machine that this is measured on has AVX2; one without stops with an illegal instruction.
    fold(if d.len() > 64 { unsafe { sum(d) } } else { sum_small(d) })
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Tcb {
    key: u64,
    snd: u32,
    rcv: u32,
    state: u32,
    next: u32,
    w: [u64; 21],
} // 192 octets

struct End {
    tab: Vec<(u64, u32)>,
    mask: usize,
    slab: Vec<Tcb>,
    free: Vec<u32>,
    wheel: Vec<u32>,
    tw: Vec<[u64; 6]>,
    twp: usize,
}

fn h(k: u64) -> usize {
    ((k as u128 * 0x9e3779b97f4a7c15d6e8feb86659fd93u128) >> 64) as usize
        ^ (k.wrapping_mul(0xd6e8feb86659fd93) >> 29) as usize
}

impl End {
    fn new(idle: usize) -> End {
        let cap = ((idle + 1024) * 2).next_power_of_two();
        let z = Tcb { key: 0, snd: 0, rcv: 0, state: 0, next: 0, w: [0; 21] };
        let mut e = End {
            tab: vec![(0, 0); cap],
            mask: cap - 1,
            slab: vec![z; idle + 1024],
            free: (0..(idle + 1024) as u32).rev().collect(),
            wheel: vec![u32::MAX; 4096],
            tw: vec![[0; 6]; 1 << 16],
            twp: 0,
        };
        for i in 0..idle {
            e.open((0x0b000000u64 + i as u64 / 60000) << 32 | (1024 + i as u64 % 60000));
        }
        e
    }

    fn find(&self, k: u64) -> u32 {
        let mut p = h(k) & self.mask;
        loop {
            if self.tab[p].0 == k {
                return self.tab[p].1;
            }
            if self.tab[p].0 == 0 {
                return u32::MAX;
            }
            p = (p + 1) & self.mask;
        }
    }

    fn open(&mut self, k: u64) -> u32 {
        let i = self.free.pop().unwrap();
        self.slab[i as usize] = Tcb { key: k, snd: 1, rcv: 1, state: 1, next: u32::MAX, w: [0; 21] };
        let mut p = h(k) & self.mask;
        while self.tab[p].0 != 0 {
            p = (p + 1) & self.mask;
        }
        self.tab[p] = (k, i);
        i
    }

    fn close(&mut self, k: u64) {
        let mut p = h(k) & self.mask;
        while self.tab[p].0 != k {
            p = (p + 1) & self.mask;
        }
        self.free.push(self.tab[p].1);
        let mut q = p; // backward shift
        loop {
            q = (q + 1) & self.mask;
            if self.tab[q].0 == 0 {
                break;
            }
            let home = h(self.tab[q].0) & self.mask;
            if (q.wrapping_sub(home) & self.mask) >= (q.wrapping_sub(p) & self.mask) {
                self.tab[p] = self.tab[q];
                p = q;
            }
        }
        self.tab[p] = (0, 0);
    }

    fn timer(&mut self, i: u32, t: usize) {
        let s = t & 4095;
        self.slab[i as usize].next = self.wheel[s];
        self.wheel[s] = i;
    }

    fn tx(&mut self, i: u32, pkt: &mut [u8], payload: &[u8]) -> usize {
        let t = &mut self.slab[i as usize];
        pkt[..8].copy_from_slice(&t.key.to_ne_bytes());
        pkt[8..12].copy_from_slice(&t.snd.to_ne_bytes());
        pkt[12..16].copy_from_slice(&t.rcv.to_ne_bytes());
        pkt[16..40].fill(3);
        pkt[40..40 + payload.len()].copy_from_slice(payload);
        t.snd = t.snd.wrapping_add(payload.len() as u32);
        let c1 = fold(sum_small(&pkt[..20]));
        let n = 40 + payload.len();
        let c2 = summed(&pkt[12..n]);
        pkt[16..18].copy_from_slice(&c1.to_ne_bytes());
        pkt[36..38].copy_from_slice(&c2.to_ne_bytes());
        n
    }

    fn rx(&mut self, pkt: &[u8]) -> u32 {
        black_box(fold(sum_small(&pkt[..20])));
        black_box(summed(&pkt[12..]));
        let k = u64::from_ne_bytes(pkt[..8].try_into().unwrap());
        let i = self.find(k);
        if i != u32::MAX {
            let t = &mut self.slab[i as usize];
            t.rcv = t.rcv.wrapping_add(pkt.len() as u32);
            t.state += 1;
            t.w[3] ^= 1;
        }
        i
    }
}

fn main() {
    let words = Words::from_command_line();
    match words.text(0) {
        "life" => life(words.number(1), words.number(2)),
        "bulk" => bulk(words.number(1), words.number(2), true),
        "bulk0" => bulk(words.number(1), words.number(2), false),
        "seg" => {
            let random = words.text(3) == "random";
            seg(words.number(1), words.number(2), random, words.number_or(4, 1));
        }
        _ => panic!("life, bulk, bulk0 or seg"),
    }
}

fn life(n: usize, idle: usize) {
    let (mut a, mut b) = (End::new(idle), End::new(idle));
    let (mut pa, mut pb) = (vec![0u8; 2048], vec![0u8; 2048]);
    let (req, resp, mut app) = (vec![1u8; 100], vec![2u8; 1024], vec![0u8; 1024]);
    let t = Cpu::now();
    for i in 0..n {
        let k = 0x0a000001u64 << 32 | (i % 60000 + 1024) as u64;
        let ia = a.open(k);
        a.timer(ia, i);
        let l = a.tx(ia, &mut pa, &[]); // SYN
        assert!(b.rx(&pa[..l]) == u32::MAX);
        let ib = b.open(k);
        b.timer(ib, i);
        for s in 0..3 {
            // SYN-ACK, ACK with the request; response with FIN, ACK with FIN; the last ACK
            let l = b.tx(ib, &mut pb, if s == 1 { &resp } else { &[] });
            a.rx(&pb[..l]);
            if s == 1 {
                app.copy_from_slice(&pb[40..40 + 1024]);
            }
            if s == 2 {
                break;
            }
            let l = a.tx(ia, &mut pa, if s == 0 { &req } else { &[] });
            b.rx(&pa[..l]);
            if s == 0 {
                app[..100].copy_from_slice(&pa[40..140]);
            }
            a.timer(ia, i + 7);
        }
        let l = a.tx(ia, &mut pa, &[]); // a seventh packet: the handshake's ACK alone
        b.rx(&pa[..l]);
        a.close(k);
        b.close(k);
        b.twp = (b.twp + 1) & 0xffff;
        let p = b.twp;
        b.tw[p] = [k, i as u64, 3, 4, 5, 6];
    }
    let e = t.ns_per(n);
    black_box(&app);
    println!("life_ns {e:.1} life_per_s {:.0}", 1e9 / e);
}

fn bulk(mtu: usize, mib: usize, sums: bool) {
    let text = mtu - 40;
    let mut ring = vec![0u8; 256 << 10];
    let mut packets: Vec<Vec<u8>> = (0..(256 << 10) / text + 1).map(|_| vec![0u8; mtu]).collect();
    let total = mib << 20;
    let t = Cpu::now();
    let mut done = 0;
    while done < total {
        ring.fill(0x5a);
        for (c, p) in ring.chunks(text).zip(packets.iter_mut()) {
            p[..40].fill(3);
            p[40..40 + c.len()].copy_from_slice(c);
            if sums {
                black_box(summed(&p[..40 + c.len()]));
            }
        }
        for (c, p) in ring.chunks(text).zip(packets.iter()) {
            if sums {
                black_box(summed(&p[..40 + c.len()]));
            }
            black_box(&p[40]);
        }
        done += ring.len();
    }
    let e = t.ns_per(done);
    println!("bulk_ns_per_byte {e:.4} bulk_gbps {:.3}", 8.0 / e);
}

/// The first two lines of a connection.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Lines {
    tuple: [u32; 3],
    snd: u32,
    rcv: u32,
    a: [u32; 11],
    b: [u64; 8],
}

/// One end: an index of four octets a slot that is at most half full, and the connections.
struct Side {
    hasher: SipHasher13,
    index: Vec<u32>,
    mask: usize,
    lines: Vec<Lines>,
}

const NONE: u32 = u32::MAX;

impl Side {
    fn new(connections: usize, key: u64) -> Self {
        let slots = (connections * 2).next_power_of_two();
        let mut side = Self {
            hasher: SipHasher13::new_with_keys(key, !key),
            index: vec![NONE; slots],
            mask: slots - 1,
            lines: Vec::with_capacity(connections),
        };
        for number in 0..connections {
            let tuple = tuple_of(number);
            let mut slot = side.hash(&tuple);
            while side.index[slot] != NONE {
                slot = (slot + 1) & side.mask;
            }
            side.index[slot] = number as u32;
            side.lines.push(Lines { tuple, snd: 1, rcv: 1, a: [0; 11], b: [0; 8] });
        }
        side
    }

    fn hash(&self, tuple: &[u32; 3]) -> usize {
        let mut hasher = self.hasher;
        hasher.write_u64(u64::from(tuple[0]) << 32 | u64::from(tuple[1]));
        hasher.write_u32(tuple[2]);
        hasher.finish() as usize & self.mask
    }

    fn find(&self, tuple: &[u32; 3], mut slot: usize) -> usize {
        loop {
            let number = self.index[slot];
            if number == NONE || self.lines[number as usize].tuple == *tuple {
                return number as usize;
            }
            slot = (slot + 1) & self.mask;
        }
    }
}

/// Two addresses and two ports.
fn tuple_of(number: usize) -> [u32; 3] {
    [0x0a00_0001, 0x0a00_0002 + (number / 60_000) as u32, 80 << 16 | (1024 + number % 60_000) as u32]
}

fn write_packet(packet: &mut [u8; 72], number: usize, turn: u32, text: &[u8; 32]) {
    let tuple = tuple_of(number);
    packet[..12].copy_from_slice(&[0x45, 0, 0, 72, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet[12..16].copy_from_slice(&tuple[0].to_ne_bytes());
    packet[16..20].copy_from_slice(&tuple[1].to_ne_bytes());
    packet[20..24].copy_from_slice(&tuple[2].to_ne_bytes());
    packet[24..28].copy_from_slice(&turn.to_be_bytes());
    packet[28..32].copy_from_slice(&turn.to_be_bytes());
    packet[32..40].copy_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    packet[40..].copy_from_slice(text);
    let checksum = summed(packet);
    packet[36..38].copy_from_slice(&checksum.to_ne_bytes());
}

/// Sums, parses, and says where to begin to look.
fn parse(side: &Side, packet: &[u8; 72]) -> ([u32; 3], usize) {
    black_box(summed(packet));
    assert!(packet[0] == 0x45 && packet[9] == 6 && packet[32] == 0x50);
    let word = |at: usize| u32::from_ne_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
    let tuple = [word(12), word(16), word(20)];
    let slot = side.hash(&tuple);
    (tuple, slot)
}

/// A batch arrives: every look-up is begun before the first is needed.
fn arrive(side: &mut Side, packets: &[[u8; 72]], parsed: &mut Vec<([u32; 3], usize)>, app: &mut [u8; 32]) {
    parsed.clear();
    for packet in packets {
        let (tuple, slot) = parse(side, packet);
        if packets.len() > 1 {
            prefetch(&side.index[slot]);
        }
        parsed.push((tuple, slot));
    }
    if packets.len() > 1 {
        for (_, slot) in parsed.iter() {
            if let Some(lines) = side.lines.get(side.index[*slot] as usize) {
                prefetch(lines);
                prefetch(&lines.b);
            }
        }
    }
    for (packet, (tuple, slot)) in packets.iter().zip(parsed.iter()) {
        let number = side.find(tuple, *slot);
        let lines = &mut side.lines[number];
        lines.rcv = lines.rcv.wrapping_add(32);
        lines.a[0] += 1;
        lines.b[3] ^= 1;
        app.copy_from_slice(&packet[40..]);
        black_box(&app);
    }
}

fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, and the place exists.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    black_box(place);
}

fn seg(connections: usize, rounds: usize, random: bool, batch: usize) {
    let connections = connections.max(batch);
    let (mut client, mut server) = (Side::new(connections, 1), Side::new(connections, 2));
    let mut packets = vec![[0u8; 72]; batch];
    let mut parsed = Vec::with_capacity(batch);
    let mut picked: Vec<usize> = (0..batch).map(|place| connections - 1 - place).collect();
    let mut lottery = Lottery(1);
    let (text, mut app) = ([1u8; 32], [0u8; 32]);
    let warm = rounds / 10;
    let mut t = Cpu::now();
    for round in 0..warm + rounds {
        if round == warm {
            t = Cpu::now();
        }
        if random {
            lottery.pick(connections, &mut picked);
        }
        for side in [&mut server, &mut client] {
            for (packet, &number) in packets.iter_mut().zip(&picked) {
                write_packet(packet, number, round as u32, black_box(&text));
            }
            arrive(side, black_box(&packets), &mut parsed, &mut app);
        }
    }
    println!("seg_ns {:.2}", t.ns_per(2 * rounds * batch));
}
