//! The kernel's TCP on loopback, both ends in one thread: lives, TIME-WAITs, idle connections, bulk, small messages.
//!
//! usage, in a fresh network namespace: kernel_mem life LIVES
//!        kernel_mem tw COUNT            lives without text, and what a TIME-WAIT costs
//!        kernel_mem idle CONNECTIONS    what a connection costs, and messages of 32 octets
//!        kernel_mem bulk MIB [MTU [nooff]]
use peers::{Cpu, Lottery, Words, sh};
use std::io;
use std::mem::size_of_val;

const LO: u32 = 0x7f00_0001;
/// IP_BIND_ADDRESS_NO_PORT
const BIND_ADDRESS_NO_PORT: i32 = 24;

fn sa(ip: u32, port: u16) -> libc::sockaddr_in {
    // SAFETY: all zeros are a socket address.
    let mut s: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    s.sin_family = libc::AF_INET as u16;
    s.sin_port = port.to_be();
    s.sin_addr.s_addr = ip.to_be();
    s
}

fn ck(r: i32, w: &str) -> i32 {
    assert!(r >= 0, "{w}: {}", io::Error::last_os_error());
    r
}

fn set(fd: i32, level: i32, option: i32, value: i32) {
    // SAFETY: the option is read from an integer that is there.
    unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), 4) };
}

fn socket() -> i32 {
    // SAFETY: no memory is involved.
    ck(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) }, "socket")
}

fn listen(ip: u32, port: u16) -> i32 {
    let l = socket();
    set(l, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
    let a = sa(ip, port);
    // SAFETY: the address is read and is there.
    unsafe {
        ck(libc::bind(l, (&raw const a).cast(), size_of_val(&a) as u32), "bind");
        ck(libc::listen(l, 4096), "listen");
    }
    l
}

fn conn(sip: u32, ip: u32, port: u16) -> i32 {
    let c = socket();
    set(c, libc::IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1);
    // SAFETY: the addresses are read and are there.
    unsafe {
        if sip != 0 {
            let a = sa(sip, 0);
            ck(libc::bind(c, (&raw const a).cast(), size_of_val(&a) as u32), "bind");
        }
        let a = sa(ip, port);
        ck(libc::connect(c, (&raw const a).cast(), size_of_val(&a) as u32), "connect");
    }
    c
}

fn accept(l: i32) -> i32 {
    // SAFETY: nobody asks for the address.
    ck(unsafe { libc::accept(l, std::ptr::null_mut(), std::ptr::null_mut()) }, "accept")
}

fn send(fd: i32, text: &[u8], flags: i32) -> isize {
    // SAFETY: the text is read and is there.
    unsafe { libc::send(fd, text.as_ptr().cast(), text.len(), flags) }
}

fn recv(fd: i32, room: &mut [u8], flags: i32) -> isize {
    // SAFETY: there is room for as much as is asked for.
    unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), flags) }
}

fn close(fd: i32) {
    // SAFETY: no memory is involved.
    unsafe { libc::close(fd) };
}

fn meminfo(name: &str) -> usize {
    let s = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = s.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

fn slab_growth(before: usize, count: usize) -> f64 {
    (meminfo("Slab:") as f64 - before as f64) / count as f64
}

fn main() {
    let words = Words::from_command_line();
    let n = words.number(1);
    sh("ip link set lo up; sysctl -qw net.ipv4.ip_local_port_range='1024 65000'");
    sh("sysctl -qw net.ipv4.tcp_max_tw_buckets=2000000");
    raise_file_limit();
    match words.text(0) {
        "life" => lives(n, true),
        "tw" => lives(n, false),
        "idle" => idle(n),
        "bulk" => bulk(n, &words),
        _ => panic!("life, tw, idle or bulk"),
    }
}

fn raise_file_limit() {
    let max = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    let limit = libc::rlimit { rlim_cur: max, rlim_max: max };
    // SAFETY: the limit is read and is there.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

/// Connect, request, response, the server closes first, the client closes: TIME-WAIT on the server's side.
fn lives(n: usize, text: bool) {
    let ls: Vec<i32> = (0..16).map(|i| listen(LO, 8000 + i)).collect();
    let mut b = [0u8; 4096];
    let warm = 2000;
    let mut t = Cpu::now();
    let before = meminfo("Slab:");
    for i in 0..n + warm {
        if i == warm {
            t = Cpu::now();
        }
        let k = i % 16;
        let c = conn(0x7f00_0002 + (i / 400_000) as u32, LO, 8000 + k as u16);
        let s = accept(ls[k]);
        if text {
            send(c, &b[..100], 0);
            assert_eq!(recv(s, &mut b, 0), 100);
            send(s, &b[..1024], 0);
            close(s);
            let mut g = 0;
            while g < 1024 {
                g += recv(c, &mut b, 0);
            }
            assert_eq!(recv(c, &mut b, 0), 0);
        } else {
            close(s);
        }
        close(c);
    }
    let e = t.ns_per(n);
    println!("life_ns {e:.0} life_per_s {:.0}", 1e9 / e);
    println!("bytes {:.0}", slab_growth(before, n));
    println!("time_wait_bytes {}", object_size("tw_sock_TCP").unwrap_or(0));
    println!("half_open_bytes {}", object_size("request_sock_TCP").unwrap_or(0));
}

/// What the kernel takes for one object of a kind.
fn object_size(name: &str) -> Option<usize> {
    let s = std::fs::read_to_string("/proc/slabinfo").ok()?;
    let line = s.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn idle(n: usize) {
    let l = listen(LO, 8000);
    let before = meminfo("Slab:");
    let pairs: Vec<(i32, i32)> = (0..n)
        .map(|i| {
            let c = conn(0x7f00_0002 + (i / 50_000) as u32, LO, 8000);
            (c, accept(l))
        })
        .collect();
    println!("bytes {:.0}", slab_growth(before, 2 * n));
    let rounds = 50_000;
    let mut b = [0u8; 64];
    let t = Cpu::now();
    for _ in 0..rounds {
        ping_pong(pairs[n - 1], &mut b);
    }
    println!("seg_message_ns {:.1}", t.ns_per(2 * rounds));
    let mut lottery = Lottery(1);
    let t = Cpu::now();
    for _ in 0..rounds {
        ping_pong(pairs[lottery.draw(n)], &mut b);
    }
    println!("seg_random_message_ns {:.1}", t.ns_per(2 * rounds));
}

fn ping_pong((client, server): (i32, i32), b: &mut [u8; 64]) {
    send(client, &b[..32], 0);
    recv(server, &mut b[..32], 0);
    send(server, &b[..32], 0);
    recv(client, &mut b[..32], 0);
}

/// Alternates writing and reading of 256 KiB.
fn bulk(mib: usize, words: &Words) {
    let mtu = words.number_or(2, 65536);
    sh(&format!("ip link set lo mtu {mtu}"));
    if words.text(3) == "nooff" {
        sh("ethtool -K lo tso off gso off gro off >/dev/null");
    }
    let l = listen(LO, 8000);
    let c = conn(0, LO, 8000);
    let s = accept(l);
    set(c, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 4 << 20);
    set(s, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 4 << 20);
    let mut b = vec![0x5au8; 256 << 10];
    let mut d = vec![0u8; 256 << 10];
    let total = mib << 20;
    let (mut sent, mut got) = (0usize, 0usize);
    let t = Cpu::now();
    while got < total {
        while sent - got < 512 << 10 && sent < total {
            b.fill(0x5a);
            let r = send(c, &b, libc::MSG_DONTWAIT);
            if r <= 0 {
                break;
            }
            sent += r as usize;
        }
        loop {
            let r = recv(s, &mut d, libc::MSG_DONTWAIT);
            if r <= 0 {
                break;
            }
            got += r as usize;
        }
    }
    let e = t.ns_per(got);
    println!("bulk_gbps {:.3} bulk_ns_per_byte {e:.4}", 8.0 / e);
}
