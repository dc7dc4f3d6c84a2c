//! The small server on the kernel's sockets, one thread: what `tun_linger` is measured against. Port 80 answers HTTP,
//! 5001 is a sink, 5002 a source.
#![forbid(unsafe_code)]

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use bench::tun::{HTTP, SINK, SOURCE, answers, wants_close};

/// Octets read and written at once.
const PIECE: usize = 256 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// Events fetched at once.
const EVENTS: usize = 256;

struct Server {
    poll: OwnedFd,
    listeners: Vec<(OwnedFd, u16)>,
    connections: HashMap<u64, (OwnedFd, u16)>,
    next: u64,
    buffer: Vec<u8>,
    piece: Vec<u8>,
    keep: Vec<u8>,
    close: Vec<u8>,
}

fn main() -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut listeners = Vec::new();
    for port in [HTTP, SINK, SOURCE] {
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
        net::listen(&socket, BACKLOG)?;
        epoll::add(&poll, &socket, EventData::new_u64(listeners.len() as u64), EventFlags::IN)?;
        listeners.push((socket, port));
    }
    let (keep, close) = answers();
    let next = listeners.len() as u64;
    let (buffer, piece) = (vec![0; PIECE], vec![0x5a; PIECE]);
    Server { poll, listeners, connections: HashMap::new(), next, buffer, piece, keep, close }.run()
}

impl Server {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), None) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            for event in &events {
                let token = event.data.u64();
                if token < self.listeners.len() as u64 {
                    self.accept(token as usize)?;
                } else if self.serve(token) {
                    self.connections.remove(&token);
                }
            }
        }
    }

    fn accept(&mut self, index: usize) -> io::Result<()> {
        let (listener, port) = &self.listeners[index];
        while let Ok(socket) = net::accept_with(listener, SocketFlags::NONBLOCK) {
            sockopt::set_tcp_nodelay(&socket, true)?;
            let wanted = if *port == SOURCE { EventFlags::OUT } else { EventFlags::IN };
            epoll::add(&self.poll, &socket, EventData::new_u64(self.next), wanted)?;
            self.connections.insert(self.next, (socket, *port));
            self.next += 1;
        }
        Ok(())
    }

    /// Serves one connection; true when it is to be closed.
    fn serve(&mut self, token: u64) -> bool {
        let Some((socket, port)) = self.connections.get(&token) else { return false };
        if *port == SOURCE {
            let sent = net::send(socket, &self.piece, SendFlags::NOSIGNAL);
            return sent.is_err_and(|error| error != Errno::AGAIN);
        }
        let text = match net::recv(socket, self.buffer.as_mut_slice(), RecvFlags::empty()) {
            Ok((0, _)) => return true,
            Ok((octets, _)) => &self.buffer[..octets],
            Err(error) => return error != Errno::AGAIN,
        };
        if *port == SINK {
            return false;
        }
        // wrk's request always comes whole.
        let close = wants_close(text);
        let answer = if close { &self.close } else { &self.keep };
        net::send(socket, answer, SendFlags::NOSIGNAL).is_err() || close
    }
}
