//! Scratch.
use bytes::{Bytes, BytesMut};
use linger_proto::*;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
fn host(address: &str, secret: u8) -> (Host, InterfaceId) {
    let config = HostConfig { ephemeral_ports: 1024..=65535, ..HostConfig::default() };
    let mut host = Host::new(config, Secret::from_bytes([secret; 32]));
    let address: IpAddr = address.parse().unwrap();
    let i = host.add_interface(InterfaceConfig { addresses: vec![(address, 8)], ..InterfaceConfig::default() });
    (host, i)
}
struct Wire { pool: BytesMut, frames: Vec<Frame>, out: Transmit, n: u64 }
impl Wire {
    #[inline(never)]
    fn carry(&mut self, from: &mut Host, to: &mut Host, i: InterfaceId, now: Instant) {
        while from.poll_transmit(now, &mut self.out) {
            let len = self.out.len();
            if self.pool.capacity() < len { self.pool.reserve(65536); }
            self.pool.extend_from_slice(&self.out.header);
            for t in &self.out.text { self.pool.extend_from_slice(t); }
            let bytes: Bytes = self.pool.split().freeze();
            self.frames.push(Frame::from(bytes));
            self.n += 1;
        }
        self.out.clear();
        to.handle_frames(now, i, &mut self.frames.drain(..));
    }
}
fn main() {
    let av: Vec<String> = std::env::args().collect();
    let n: usize = av[2].parse().unwrap();
    let (mut c, i) = host("10.0.0.1", 1);
    let (mut s, _) = host("10.0.0.2", 2);
    let l = s.listen("0.0.0.0:80".parse().unwrap(), ListenConfig::default()).unwrap();
    let _ = l;
    let remote: SocketAddr = "10.0.0.2:80".parse().unwrap();
    let mut now = Instant::from_millis(1000);
    let mut w = Wire { pool: BytesMut::with_capacity(65536), frames: Vec::new(), out: Transmit::default(), n: 0 };
    let mut buf = [0u8; 2048];
    let step = 61_000_000_000 / 4000;
    for _ in 0..n {
        now += Duration::from_nanos(step);
        c.handle_timeout(now);
        s.handle_timeout(now);
        let id = c.connect(now, remote, ConnectConfig::default()).unwrap();
        w.carry(&mut c, &mut s, i, now);
        w.carry(&mut s, &mut c, i, now);
        while let Some(e) = c.poll_event() { if let Event::Connected(id) = e { c.stream(id).unwrap().write(now, &[7; 100]).unwrap(); } }
        w.carry(&mut c, &mut s, i, now);
        let mut sid = None;
        while let Some(e) = s.poll_event() {
            match e {
                Event::Incoming(l) => { sid = s.accept(l); }
                Event::Readable(x) => {
                    assert_eq!(Some(x), sid);
                    let mut st = s.stream(x).unwrap();
                    assert_eq!(st.read(now, &mut buf), Ok(100));
                    assert_eq!(st.write(now, &[9; 1024]), Ok(1024));
                    st.close(now);
                }
                _ => {}
            }
        }
        w.carry(&mut s, &mut c, i, now);
        while let Some(e) = c.poll_event() {
            if let Event::Readable(x) = e {
                assert_eq!(x, id);
                let mut st = c.stream(x).unwrap();
                assert_eq!(st.read(now, &mut buf), Ok(1024));
                assert_eq!(st.read(now, &mut buf), Ok(0));
                st.close(now);
            }
        }
        w.carry(&mut c, &mut s, i, now);
        w.carry(&mut s, &mut c, i, now);
        while s.poll_event().is_some() {}
        while c.poll_event().is_some() {}
    }
    println!("packets {} tw {}", w.n as f64 / n as f64, s.snapshot(now).time_wait.len());
}
