//! smoltcp behind a TUN: HTTP at port 80 (1 KiB), a sink at 5001, a source at 5002. One thread.
//!
//! usage: smol_tun MTU SOCKETS [vnet]   SOCKETS listen at port 80; in a namespace of its own, as 10.77.0.2
//!
//! `vnet`, with the feature `smolseg`: virtio headers, partial checksums and super-segments both ways.
use peers::{VNET, answers, tun_open, wants_close};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::cell::RefCell;
use std::os::fd::AsRawFd;
use std::rc::Rc;

/// Folds a sum and inverts it.
fn finish(mut s: u32) -> u16 {
    while s >> 16 != 0 {
        s = (s & 0xffff) + (s >> 16);
    }
    !(s as u16)
}
struct Dev {
    fd: i32,
    mtu: usize,
    vnet: bool,
    rx: Vec<u8>,
    tx: Rc<RefCell<Vec<u8>>>,
}
struct Rx<'a>(&'a [u8]);
impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}
struct Tx(i32, Rc<RefCell<Vec<u8>>>, bool, PacketMeta);
impl TxToken for Tx {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut b = self.1.borrow_mut();
        let off = if self.2 { VNET } else { 0 };
        if b.len() < len + off {
            b.resize(len + off, 0)
        }
        let r = f(&mut b[off..off + len]);
        if self.2 {
            b[..10].fill(0);
            let p = &mut b[10..10 + len];
            if p[0] == 0x45 && p[9] == 6 {
                let tl = (len - 20) as u32;
                let mut s = 6 + tl;
                for k in 0..4 {
                    s += u16::from_be_bytes([p[12 + 2 * k], p[13 + 2 * k]]) as u32;
                }
                let ps = !finish(s);
                p[36..38].copy_from_slice(&ps.to_be_bytes());
                if len <= 65535 {
                    p[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                }
                p[10..12].fill(0);
                let header = p[..20].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
                let c = finish(header);
                p[10..12].copy_from_slice(&c.to_be_bytes());
                #[cfg(feature = "smolseg")]
                let hl = 20 + (p[32] >> 4) as u16 * 4;
                b[0] = 1;
                b[6..8].copy_from_slice(&20u16.to_le_bytes());
                b[8..10].copy_from_slice(&16u16.to_le_bytes());
                #[cfg(feature = "smolseg")]
                if let Some(g) = self.3.segmentation_offload_size {
                    if len > hl as usize + g.get() as usize {
                        b[1] = 1;
                        b[2..4].copy_from_slice(&hl.to_le_bytes());
                        b[4..6].copy_from_slice(&g.get().to_le_bytes());
                    }
                }
            }
        }
        // SAFETY: the buffer is at least that long.
        let w = unsafe { libc::write(self.0, b.as_ptr() as _, len + off) };
        if w < 0 {
            eprintln!("write {len}: {}", std::io::Error::last_os_error());
        }
        r
    }
    fn set_meta(&mut self, m: PacketMeta) {
        self.3 = m;
    }
}
impl Device for Dev {
    type RxToken<'a> = Rx<'a>;
    type TxToken<'a> = Tx;
    fn receive(&mut self, _: Instant) -> Option<(Rx<'_>, Tx)> {
        // SAFETY: the kernel writes at most as much as there is room for.
        let r = unsafe { libc::read(self.fd, self.rx.as_mut_ptr() as _, self.rx.len()) };
        if r <= 0 {
            return None;
        }
        let off = if self.vnet { VNET } else { 0 };
        Some((Rx(&self.rx[off..r as usize]), Tx(self.fd, self.tx.clone(), self.vnet, PacketMeta::default())))
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx> {
        Some(Tx(self.fd, self.tx.clone(), self.vnet, PacketMeta::default()))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut c = DeviceCapabilities::default();
        c.medium = Medium::Ip;
        c.max_transmission_unit = self.mtu;
        if self.vnet {
            c.checksum = ChecksumCapabilities::ignored();
            #[cfg(feature = "smolseg")]
            {
                c.segmentation.tcpv4 = std::num::NonZeroUsize::new(65000);
            }
        }
        c
    }
}
fn main() {
    let av: Vec<String> = std::env::args().collect();
    let mtu: usize = av[1].parse().unwrap();
    let nh: usize = av[2].parse().unwrap();
    let vnet = av.get(3).map(|x| x == "vnet").unwrap_or(false);
    let tun = tun_open(mtu, vnet).unwrap();
    let fd = tun.as_raw_fd();
    let mut dev = Dev { fd, mtu, vnet, rx: vec![0; 70000], tx: Rc::new(RefCell::new(vec![0; 70000])) };
    let mut cfg = Config::new(HardwareAddress::Ip);
    cfg.random_seed = 1;
    let t0 = std::time::Instant::now();
    let now = || Instant::from_micros(t0.elapsed().as_micros() as i64);
    let mut ifc = Interface::new(cfg, &mut dev, now());
    ifc.update_ip_addrs(|a| a.push(IpCidr::new(IpAddress::v4(10, 77, 0, 2), 24)).unwrap());
    let mut set = SocketSet::new(vec![]);
    let mk = |rx, tx| {
        let mut s =
            tcp::Socket::new(tcp::SocketBuffer::new(vec![0; rx]), tcp::SocketBuffer::new(vec![0; tx]));
        s.set_nagle_enabled(false);
        s
    };
    let http: Vec<_> = (0..nh).map(|_| set.add(mk(4096, 4096))).collect();
    let sink = set.add(mk(1 << 20, 4096));
    let source = set.add(mk(4096, 1 << 20));
    let [ka, cl] = answers();
    let mut req = [0u8; 4096];
    loop {
        let t = now();
        ifc.poll(t, &mut dev, &mut set);
        let mut work = false;
        for &h in &http {
            let s = set.get_mut::<tcp::Socket>(h);
            if !s.is_open() {
                s.listen(80).unwrap();
            } else if s.can_recv() {
                work = true;
                // wrk's request always comes in one segment; recv_slice also joins a request split by the ring's end
                let n = s.recv_slice(&mut req).unwrap();
                let d = &req[..n];
                let done = d.ends_with(b"\r\n\r\n");
                let close = wants_close(d);
                if done {
                    s.send_slice(if close { &cl } else { &ka }).unwrap();
                    if close {
                        s.close();
                    }
                }
            } else if s.state() == tcp::State::CloseWait {
                s.close();
                work = true;
            }
        }
        let s = set.get_mut::<tcp::Socket>(sink);
        if !s.is_open() {
            s.listen(5001).unwrap();
        }
        while s.can_recv() {
            work = true;
            s.recv(|d| (d.len(), ())).unwrap();
        }
        if s.state() == tcp::State::CloseWait {
            s.close();
            work = true;
        }
        let s = set.get_mut::<tcp::Socket>(source);
        if !s.is_open() {
            s.listen(5002).unwrap();
        }
        if s.state() == tcp::State::Established {
            while s.can_send() {
                work = true;
                s.send(|d| {
                    d.fill(0x5a);
                    (d.len(), ())
                })
                .unwrap();
            }
        }
        if s.state() == tcp::State::CloseWait {
            s.abort();
            work = true;
        }
        if !work {
            let d = ifc.poll_delay(t, &set).map(|d| d.total_millis() as i32).unwrap_or(100).min(100);
            let mut p = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: one record is given, and there is one.
            unsafe { libc::poll(&mut p, 1, d.max(0)) };
        }
    }
}
