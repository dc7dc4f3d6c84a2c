//! What the small server serves: HTTP with a fixed body, a sink and a source of octets.

use super::{BODY, HTTP, SINK, SOURCE, STACK};
use bytes::Bytes;
use linger_proto::{
    ConnectionId, Event, Host, Instant, ListenConfig, ListenError, ListenerId, ReadError, TcpConfig,
    WriteError,
};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;

/// The end of a request's head.
const END: &[u8] = b"\r\n\r\n";
/// Octets that the source writes at once.
const PIECE: usize = 1 << 20;

/// What a connection is for.
enum Use {
    /// HTTP: the part of a request that has come, where it is in more than one segment.
    Http(Vec<u8>),
    Sink,
    Source,
}

/// The service on one host.
pub struct Service {
    listeners: [(ListenerId, u16); 3],
    connections: HashMap<ConnectionId, Use, BuildHasherDefault<IdHasher>>,
    keep: Bytes,
    close: Bytes,
    piece: Bytes,
    buffer: Vec<u8>,
}

impl Service {
    /// Listens on all three ports.
    ///
    /// # Errors
    /// When a port is taken.
    pub fn listen(host: &mut Host) -> Result<Self, ListenError> {
        let tcp = TcpConfig { nodelay: true, ..TcpConfig::default() };
        let config = ListenConfig::default().tcp(tcp);
        let mut listen =
            |port| host.listen(SocketAddr::new(STACK, port), config.clone()).map(|listener| (listener, port));
        let (keep, close) = answers();
        Ok(Self {
            listeners: [listen(HTTP)?, listen(SINK)?, listen(SOURCE)?],
            connections: HashMap::default(),
            keep: keep.into(),
            close: close.into(),
            piece: vec![0x5a; PIECE].into(),
            buffer: vec![0; 16 << 10],
        })
    }

    /// Does what an event asks for.
    pub fn handle(&mut self, host: &mut Host, now: Instant, event: Event) {
        match event {
            Event::Incoming(listener) => self.accept(host, now, listener),
            Event::Readable(id) | Event::Writable(id) => self.serve(host, now, id),
            Event::Closed(id, _) => {
                if self.connections.remove(&id).is_some()
                    && let Some(stream) = host.stream(id)
                {
                    stream.close(now);
                }
            }
            _ => {}
        }
    }

    fn accept(&mut self, host: &mut Host, now: Instant, listener: ListenerId) {
        let port = self.listeners.iter().find(|(id, _)| *id == listener).map_or(0, |(_, port)| *port);
        while let Some(id) = host.accept(listener) {
            let what = match port {
                HTTP => Use::Http(Vec::new()),
                SINK => Use::Sink,
                _ => Use::Source,
            };
            self.connections.insert(id, what);
            // Text may have come with the end of the handshake.
            self.serve(host, now, id);
        }
    }

    fn serve(&mut self, host: &mut Host, now: Instant, id: ConnectionId) {
        let over = match self.connections.get_mut(&id) {
            Some(Use::Http(head)) => {
                let answers = Answers { keep: &self.keep, close: &self.close };
                answers.answer(host, now, id, head, &mut self.buffer)
            }
            Some(Use::Sink) => swallow(host, now, id),
            Some(Use::Source) => pour(host, now, id, &self.piece),
            None => return,
        };
        if over {
            self.connections.remove(&id);
            if let Some(stream) = host.stream(id) {
                stream.close(now);
            }
        }
    }
}

/// The two answers there are.
struct Answers<'a> {
    keep: &'a Bytes,
    close: &'a Bytes,
}

impl Answers<'_> {
    /// Answers the requests that have come whole. True when the connection is to be closed.
    fn answer(
        &self,
        host: &mut Host,
        now: Instant,
        id: ConnectionId,
        head: &mut Vec<u8>,
        buffer: &mut [u8],
    ) -> bool {
        loop {
            let Some(mut stream) = host.stream(id) else { return true };
            let text = match stream.read(now, buffer) {
                Ok(0) => return true,
                Ok(octets) => &buffer[..octets],
                Err(ReadError::Blocked) => return false,
                Err(_) => return true,
            };
            // Nearly always one whole request; nothing is copied then.
            let whole: &[u8] = if head.is_empty() {
                text
            } else {
                head.extend_from_slice(text);
                head
            };
            if !whole.ends_with(END) {
                if head.is_empty() {
                    head.extend_from_slice(text);
                }
                continue;
            }
            let close = wants_close(whole);
            let mut answer = if close { self.close.clone() } else { self.keep.clone() };
            head.clear();
            // An answer is far smaller than the send buffer, and a client waits for it before it asks again.
            if stream.write_chunk(now, &mut answer).is_err() || close {
                return true;
            }
        }
    }
}

/// Takes all text without copying it. True at the end.
fn swallow(host: &mut Host, now: Instant, id: ConnectionId) -> bool {
    let Some(mut stream) = host.stream(id) else { return true };
    loop {
        match stream.read_chunk(now, usize::MAX) {
            Ok(Some(_)) => {}
            Err(ReadError::Blocked) => return false,
            Ok(None) | Err(_) => return true,
        }
    }
}

/// Fills the send buffer. True when nobody takes it any more.
fn pour(host: &mut Host, now: Instant, id: ConnectionId, piece: &Bytes) -> bool {
    let Some(mut stream) = host.stream(id) else { return true };
    loop {
        match stream.write_chunk(now, &mut piece.clone()) {
            Ok(_) => {}
            Err(WriteError::Blocked) => break,
            Err(_) => return true,
        }
    }
    // The client says nothing: what can be read is the end.
    !matches!(stream.read_chunk(now, usize::MAX), Err(ReadError::Blocked))
}

/// Whether a request asks for the connection to be closed.
pub fn wants_close(head: &[u8]) -> bool {
    head.windows(6).any(|part| part == b"close\r")
}

/// The two answers there are: one that keeps the connection, one that says it will be closed.
pub fn answers() -> (Vec<u8>, Vec<u8>) {
    (response(""), response("Connection: close\r\n"))
}

fn response(fields: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {BODY}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; BODY]].concat()
}

/// Ids are small numbers of the host's own making: no defence against chosen keys is needed.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.write_u32(u32::from(*octet)));
    }

    fn write_u32(&mut self, part: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
