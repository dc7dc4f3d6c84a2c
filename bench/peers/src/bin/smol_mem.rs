//! smoltcp in memory, one thread: two interfaces back to back through a pair of packet queues.
//!
//! usage: smol_mem bulk MTU 0|1 MIB [BUFKIB [reno|none [IDLE]]]
//!                                                    checksums off or on; buffers of 1024 KiB; no congestion control
//!        smol_mem life LIVES IDLE [RX TX]            buffers of 4096 octets
//!        smol_mem seg CONNECTIONS ROUNDTRIPS [first]
//!        smol_mem mem COUNT RX TX
use peers::{Cpu, Words, resident};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

struct Wire {
    q: RefCell<VecDeque<Vec<u8>>>,
    pkts: Cell<u64>,
}
thread_local! { static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) }; }
fn take(cap: usize) -> Vec<u8> {
    POOL.with(|p| p.borrow_mut().pop()).unwrap_or_else(|| Vec::with_capacity(cap))
}
fn give(v: Vec<u8>) {
    POOL.with(|p| p.borrow_mut().push(v))
}
struct Dev {
    rx: Rc<Wire>,
    tx: Rc<Wire>,
    mtu: usize,
    csum: bool,
    burst: usize,
}
struct Rx(Vec<u8>);
impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let r = f(&self.0);
        give(self.0);
        r
    }
}
struct Tx(Rc<Wire>, usize);
impl TxToken for Tx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut v = take(self.1);
        if v.len() < len {
            v.resize(len, 0)
        } else {
            v.truncate(len)
        }
        let r = f(&mut v);
        self.0.pkts.set(self.0.pkts.get() + 1);
        self.0.q.borrow_mut().push_back(v);
        r
    }
}
impl Device for Dev {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx;
    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx)> {
        let v = self.rx.q.borrow_mut().pop_front()?;
        Some((Rx(v), Tx(self.tx.clone(), self.mtu)))
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx> {
        if self.tx.q.borrow().len() >= self.burst {
            return None;
        }
        Some(Tx(self.tx.clone(), self.mtu))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut c = DeviceCapabilities::default();
        c.medium = Medium::Ip;
        c.max_transmission_unit = self.mtu;
        if !self.csum {
            c.checksum = ChecksumCapabilities::ignored();
        }
        c
    }
}
struct Host {
    dev: Dev,
    ifc: Interface,
    set: SocketSet<'static>,
}
impl Host {
    fn new(mut dev: Dev, last: u8) -> Host {
        let mut cfg = Config::new(HardwareAddress::Ip);
        cfg.random_seed = 42 + last as u64;
        let mut ifc = Interface::new(cfg, &mut dev, Instant::ZERO);
        ifc.update_ip_addrs(|a| a.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24)).unwrap());
        Host { dev, ifc, set: SocketSet::new(vec![]) }
    }
    fn poll(&mut self, t: Instant) {
        self.ifc.poll(t, &mut self.dev, &mut self.set);
    }
    fn add(&mut self, rx: usize, tx: usize) -> SocketHandle {
        let s = tcp::Socket::new(tcp::SocketBuffer::new(vec![0; rx]), tcp::SocketBuffer::new(vec![0; tx]));
        self.set.add(s)
    }
}
fn pair(mtu: usize, csum: bool) -> (Host, Host, Rc<Wire>, Rc<Wire>) {
    let mk = || Rc::new(Wire { q: RefCell::new(VecDeque::with_capacity(4096)), pkts: Cell::new(0) });
    let (ab, ba) = (mk(), mk());
    let a = Host::new(Dev { rx: ba.clone(), tx: ab.clone(), mtu, csum, burst: 2048 }, 1);
    let b = Host::new(Dev { rx: ab.clone(), tx: ba.clone(), mtu, csum, burst: 2048 }, 2);
    (a, b, ab, ba)
}
fn connect(
    a: &mut Host,
    b: &mut Host,
    ca: SocketHandle,
    cb: SocketHandle,
    lport: u16,
    rport: u16,
    t: Instant,
) {
    b.set.get_mut::<tcp::Socket>(cb).listen(rport).unwrap();
    let cx = a.ifc.context();
    a.set.get_mut::<tcp::Socket>(ca).connect(cx, (IpAddress::v4(10, 0, 0, 2), rport), lport).unwrap();
    for _ in 0..3 {
        a.poll(t);
        b.poll(t);
    }
}
/// n idle established connections on both hosts. Setup is O(n) per packet in smoltcp, so connect cheaply:
/// fill a throw-away set of one socket at a time and then move the sockets to the real set.
fn idle(a: &mut Host, b: &mut Host, n: usize, rx: usize, tx: usize) {
    let mut sa = SocketSet::new(Vec::with_capacity(n));
    let mut sb = SocketSet::new(Vec::with_capacity(n));
    for i in 0..n {
        let (ca, cb) = (a.add(rx, tx), b.add(rx, tx));
        connect(a, b, ca, cb, 1024 + (i % 60000) as u16, 1000 + (i / 60000) as u16, Instant::from_micros(1));
        assert_eq!(a.set.get::<tcp::Socket>(ca).state(), tcp::State::Established);
        assert_eq!(b.set.get::<tcp::Socket>(cb).state(), tcp::State::Established);
        let smoltcp::socket::Socket::Tcp(x) = a.set.remove(ca);
        sa.add(x);
        let smoltcp::socket::Socket::Tcp(x) = b.set.remove(cb);
        sb.add(x);
    }
    a.set = sa;
    b.set = sb;
}

fn main() {
    let words = Words::from_command_line();
    match words.text(0) {
        "bulk" => bulk(&words),
        "life" => life(&words),
        "seg" => seg(&words),
        "mem" => mem(&words),
        _ => panic!("bulk, life, seg or mem"),
    }
}

fn bulk(words: &Words) {
    let (mtu, csum, mib) = (words.number(1), words.number(2) == 1, words.number(3));
    let buf = words.number_or(4, 1024) << 10;
    let reno = words.text(5) == "reno";
    let (mut a, mut b, ab, ba) = pair(mtu, csum);
    idle(&mut a, &mut b, words.number_or(6, 0), 64, 64);
    let (ca, cb) = (a.add(65536, buf), b.add(buf, 65536));
    let control = if reno { tcp::CongestionControl::Reno } else { tcp::CongestionControl::None };
    a.set.get_mut::<tcp::Socket>(ca).set_congestion_control(control);
    let mut us = 1i64;
    connect(&mut a, &mut b, ca, cb, 2000, 80, Instant::from_micros(us));
    let total = mib << 20;
    let (mut sent, mut got) = (0usize, 0usize);
    let t0 = Cpu::now();
    let mut iters = 0u64;
    while got < total {
        us += 10;
        let t = Instant::from_micros(us);
        let s = a.set.get_mut::<tcp::Socket>(ca);
        // The application writes into the buffer in place.
        while sent < total && s.can_send() {
            let left = total - sent;
            sent += s
                .send(|d| {
                    let n = d.len().min(left);
                    d[..n].fill(0x5a);
                    (n, n)
                })
                .unwrap();
        }
        a.poll(t);
        b.poll(t);
        let s = b.set.get_mut::<tcp::Socket>(cb);
        while s.can_recv() {
            got += s
                .recv(|d| {
                    std::hint::black_box(&d[0]);
                    (d.len(), d.len())
                })
                .unwrap();
        }
        b.poll(t);
        iters += 1;
        assert!(iters < 10_000_000, "stuck at {got}");
    }
    let e = t0.elapsed().as_secs_f64();
    println!("bulk_gbps {:.3}", got as f64 * 8.0 / e / 1e9);
    println!("bulk_ns_per_byte {:.4}", e * 1e9 / got as f64);
    println!("bulk_pkts_fwd {} pkts_back {} bytes {}", ab.pkts.get(), ba.pkts.get(), got);
}

fn life(words: &Words) {
    let (n, k) = (words.number(1), words.number(2));
    let (rx, tx) = (words.number_or(3, 4096), words.number_or(4, 4096));
    let (mut a, mut b, ab, ba) = pair(1500, true);
    idle(&mut a, &mut b, k, 64, 64);
    let (ca, cb) = (a.add(rx, tx), b.add(rx, tx));
    ab.pkts.set(0);
    ba.pkts.set(0);
    let mut us = 1_000i64;
    let mut buf = [0u8; 4096];
    let t0 = Cpu::now();
    for i in 0..n {
        us += 20;
        let t = Instant::from_micros(us);
        b.set.get_mut::<tcp::Socket>(cb).listen(80).unwrap();
        let cx = a.ifc.context();
        let remote = (IpAddress::v4(10, 0, 0, 2), 80);
        a.set.get_mut::<tcp::Socket>(ca).connect(cx, remote, 2000 + (i % 60000) as u16).unwrap();
        one_life(&mut a, &mut b, ca, cb, t, &mut buf);
    }
    let e = t0.elapsed().as_secs_f64();
    println!("life_per_s {:.0}", n as f64 / e);
    println!("life_ns {:.0}", e * 1e9 / n as f64);
    println!("life_pkts_per {:.2}", (ab.pkts.get() + ba.pkts.get()) as f64 / n as f64);
}

#[inline(always)]
fn one_life(
    a: &mut Host,
    b: &mut Host,
    ca: SocketHandle,
    cb: SocketHandle,
    t: Instant,
    buf: &mut [u8; 4096],
) {
    let (mut sent, mut rq, mut rs, mut answered) = (false, 0, 0, false);
    let mut it = 0;
    loop {
        a.poll(t);
        let s = a.set.get_mut::<tcp::Socket>(ca);
        if !sent && s.may_send() {
            s.send_slice(&[7u8; 100]).unwrap();
            sent = true;
            a.poll(t);
        }
        let s = a.set.get_mut::<tcp::Socket>(ca);
        if s.can_recv() {
            rs += s.recv_slice(buf).unwrap();
        }
        if rs == 1024 && s.state() == tcp::State::CloseWait {
            s.close();
            a.poll(t);
        }
        b.poll(t);
        let s = b.set.get_mut::<tcp::Socket>(cb);
        if s.can_recv() {
            rq += s.recv_slice(buf).unwrap();
        }
        if rq == 100 && !answered {
            s.send_slice(&[9u8; 1024]).unwrap();
            s.close();
            answered = true;
            b.poll(t);
        }
        let s = b.set.get_mut::<tcp::Socket>(cb);
        if s.state() == tcp::State::TimeWait {
            b.poll(t);
            a.poll(t);
            if a.set.get_mut::<tcp::Socket>(ca).state() == tcp::State::Closed {
                break;
            }
        }
        it += 1;
        assert!(it <= 50, "stuck: request {rq} response {rs}");
    }
}

fn seg(words: &Words) {
    let (k, rounds) = (words.number(1), words.number(2));
    let (mut a, mut b, ab, ba) = pair(1500, true);
    idle(&mut a, &mut b, k, 64, 64);
    let hs: Vec<_> = a.set.iter().map(|x| x.0).collect();
    let hb: Vec<_> = b.set.iter().map(|x| x.0).collect();
    let at = if words.text(3) == "first" { 0 } else { k - 1 };
    let (ca, cb) = (hs[at], hb[at]);
    ab.pkts.set(0);
    ba.pkts.set(0);
    let mut us = 1_000i64;
    let mut buf = [0u8; 64];
    let t0 = Cpu::now();
    for _ in 0..rounds {
        us += 20;
        let t = Instant::from_micros(us);
        a.set.get_mut::<tcp::Socket>(ca).send_slice(&[1u8; 32]).unwrap();
        a.poll(t);
        b.poll(t);
        let s = b.set.get_mut::<tcp::Socket>(cb);
        assert!(s.recv_slice(&mut buf).unwrap() == 32);
        s.send_slice(&[2u8; 32]).unwrap();
        b.poll(t);
        a.poll(t);
        assert!(a.set.get_mut::<tcp::Socket>(ca).recv_slice(&mut buf).unwrap() == 32);
    }
    let e = t0.elapsed().as_secs_f64();
    let p = ab.pkts.get() + ba.pkts.get();
    println!("seg_ns {:.1}", e * 1e9 / p as f64);
    println!("seg_message_ns {:.1}", e * 1e9 / (2 * rounds) as f64);
    println!("seg_pkts {p} rounds {rounds}");
}

fn mem(words: &Words) {
    let (n, rx, tx) = (words.number(1), words.number(2), words.number(3));
    let (mut a, mut b, _, _) = pair(1500, true);
    println!("sizeof_tcp_socket {}", std::mem::size_of::<tcp::Socket>());
    let before = resident();
    idle(&mut a, &mut b, n, rx, tx);
    // Large buffers are zeroed lazily, so what is not touched does not count.
    println!("bytes {:.0}", (resident() - before) as f64 / (2 * n) as f64);
}
