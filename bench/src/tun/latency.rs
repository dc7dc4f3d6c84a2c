//! An open-loop client: requests are due at fixed instants whatever the server does, and each is timed from the instant
//! it was due. A server that stops for a while is charged for everything that was due meanwhile, which a closed loop
//! such as wrk's leaves out ("coordinated omission").

use super::HTTP;
use super::load::whole;
use interop::Namespace;
use rustix::event::{Timespec, epoll};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Keep-alive connections that the requests are spread over.
const CONNECTIONS: usize = 64;
/// The first part of a run is not counted: connections are opened and caches filled.
const WARM_UP: Duration = Duration::from_millis(300);
/// The kernel wakes nobody more exactly than this: for less the client looks again and again.
const EXACT: Duration = Duration::from_millis(2);
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half of the requests took at most this long.
    pub p50: Duration,
    /// 99 of 100 did.
    pub p99: Duration,
    /// The longest.
    pub worst: Duration,
    /// Requests counted.
    pub requests: usize,
}

struct Client {
    stream: TcpStream,
    /// When the request under way was due.
    due: Option<Instant>,
    answer: Vec<u8>,
}

/// Asks `rate` times a second for `length`, over 64 connections, each with at most one request under way.
///
/// # Errors
/// When a connection fails, or answers stay out for five seconds.
pub fn measure(namespace: &Namespace, address: IpAddr, rate: f64, length: Duration) -> io::Result<Latency> {
    namespace.enter(|| {
        let mut run = Run::open(SocketAddr::new(address, HTTP))?;
        run.ask(rate, WARM_UP + length)?;
        Ok(run.sum_up())
    })
}

struct Run {
    clients: Vec<Client>,
    free: Vec<usize>,
    /// Due, but every connection is busy.
    late: VecDeque<Instant>,
    poll: rustix::fd::OwnedFd,
    begin: Instant,
    times: Vec<Duration>,
}

impl Run {
    fn open(to: SocketAddr) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut clients = Vec::new();
        for index in 0..CONNECTIONS {
            let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(&poll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
            clients.push(Client { stream, due: None, answer: Vec::with_capacity(4096) });
        }
        let free = (0..CONNECTIONS).collect();
        Ok(Self { clients, free, late: VecDeque::new(), poll, begin: Instant::now(), times: Vec::new() })
    }

    fn ask(&mut self, rate: f64, length: Duration) -> io::Result<()> {
        let count = (rate * length.as_secs_f64()) as u32;
        let step = Duration::from_secs_f64(1.0 / rate);
        self.begin = Instant::now();
        let give_up = self.begin + length + PATIENCE;
        let mut asked = 0;
        while asked < count || self.free.len() < CONNECTIONS || !self.late.is_empty() {
            let now = Instant::now();
            if now > give_up {
                return Err(io::ErrorKind::TimedOut.into());
            }
            while asked < count && self.begin + step * asked <= now {
                self.late.push_back(self.begin + step * asked);
                asked += 1;
            }
            while !self.late.is_empty()
                && let Some(index) = self.free.pop()
            {
                self.clients[index].due = self.late.pop_front();
                self.clients[index].stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
            }
            let next = if asked < count { self.begin + step * asked } else { give_up };
            self.wait(next.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Waits for answers, at most until the next request is due.
    fn wait(&mut self, most: Duration) -> io::Result<()> {
        let mut events = Vec::with_capacity(CONNECTIONS);
        let most = if most < EXACT { Duration::ZERO } else { most - EXACT };
        let most = Timespec::try_from(most).map_err(io::Error::other)?;
        match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&most)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            result => result?,
        };
        for event in events {
            self.read(event.data.u64() as usize)?;
        }
        Ok(())
    }

    fn read(&mut self, index: usize) -> io::Result<()> {
        let client = &mut self.clients[index];
        let mut buffer = [0; 4096];
        match client.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(octets) => client.answer.extend_from_slice(&buffer[..octets]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        let Some(due) = client.due.filter(|_| whole(&client.answer).is_some()) else { return Ok(()) };
        client.due = None;
        client.answer.clear();
        self.free.push(index);
        if due >= self.begin + WARM_UP {
            self.times.push(due.elapsed());
        }
        Ok(())
    }

    fn sum_up(mut self) -> Latency {
        self.times.sort_unstable();
        let at = |share: f64| {
            let index = (self.times.len() as f64 * share) as usize;
            self.times.get(index.min(self.times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        Latency { p50: at(0.5), p99: at(0.99), worst: at(1.0), requests: self.times.len() }
    }
}
