//! What is done to a server: wrk, bulk transfers, idle connections.

use super::{HTTP, SINK, SOURCE};
use interop::{Namespace, wait};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// Connections that wrk keeps busy.
const CONNECTIONS: u32 = 64;
/// No single wait of a client is longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets a bulk client hands to the kernel at once.
const PIECE: usize = 256 << 10;

/// What wrk says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wrk {
    /// Requests answered.
    pub requests: u64,
    /// Of them in a second.
    pub rate: f64,
    /// Connects, reads and writes that failed, and requests that took longer than two seconds.
    pub errors: u64,
}

/// Runs wrk with one thread and 64 connections against `address`.
///
/// # Errors
/// When wrk is missing, fails, or says something else than it used to.
pub fn wrk(namespace: &Namespace, address: IpAddr, close: bool, length: Duration) -> io::Result<Wrk> {
    let mut command = namespace.command("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", length.as_secs().max(1))]);
    if close {
        command.args(["-H", "Connection: close"]);
    }
    command.arg(format!("http://{address}:{HTTP}/"));
    parse_wrk(&output(&mut command)?)
}

fn parse_wrk(text: &str) -> io::Result<Wrk> {
    let number = |line: &str, at: usize| -> Option<f64> { line.split_whitespace().nth(at)?.parse().ok() };
    let line = |part: &str| text.lines().find(|line| line.contains(part));
    let requests = line("requests in").and_then(|line| number(line, 0));
    let rate = line("Requests/sec").and_then(|line| number(line, 1));
    let (Some(requests), Some(rate)) = (requests, rate) else {
        return Err(io::Error::other(format!("wrk said: {text}")));
    };
    // "Socket errors: connect 0, read 0, write 0, timeout 0", only where there are some; so with "Non-2xx".
    let errors = line("Socket errors").map_or(0, |line| {
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u64>().ok()).sum()
    });
    let refused = line("Non-2xx")
        .map_or(0, |line| line.rsplit(' ').next().and_then(|part| part.parse().ok()).unwrap_or(1));
    Ok(Wrk { requests: requests as u64, rate, errors: errors + refused })
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(io::Error::other(format!("{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr))))
}

/// Which way bulk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the kernel to the server.
    Up,
    /// From the server to the kernel.
    Down,
}

/// What a bulk transfer came to.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// Octets that the client has written or read.
    pub octets: u64,
    /// How long it took.
    pub time: Duration,
}

/// Moves as much as goes in `length` through one connection of the kernel's.
///
/// # Errors
/// When the connection fails or stalls.
pub fn bulk(
    namespace: &Namespace,
    address: IpAddr,
    direction: Direction,
    length: Duration,
) -> io::Result<Bulk> {
    namespace.enter(|| {
        let port = if direction == Direction::Up { SINK } else { SOURCE };
        let mut stream = connect(SocketAddr::new(address, port))?;
        let mut buffer = vec![0x5a; PIECE];
        let (begin, mut octets) = (Instant::now(), 0);
        while begin.elapsed() < length {
            octets += match direction {
                Direction::Up => stream.write(&buffer)?,
                Direction::Down => stream.read(&mut buffer)?,
            } as u64;
        }
        Ok(Bulk { octets, time: begin.elapsed() })
    })
}

/// Opens `count` connections to port 80 that stay idle for as long as they are held. With `ask`, each makes one request
/// first and waits for the answer.
///
/// # Errors
/// When one cannot be opened or is not answered.
pub fn hold(namespace: &Namespace, address: IpAddr, count: usize, ask: bool) -> io::Result<Vec<TcpStream>> {
    namespace.enter(|| {
        let open = || {
            let mut stream = connect(SocketAddr::new(address, HTTP))?;
            if ask {
                request(&mut stream)?;
            }
            Ok(stream)
        };
        (0..count).map(|_| open()).collect()
    })
}

/// Waits until a server answers at port 80.
///
/// # Errors
/// When it does not within ten seconds.
pub fn wait_for(namespace: &Namespace, address: IpAddr) -> io::Result<()> {
    namespace.enter(|| {
        let mut last = io::ErrorKind::TimedOut.into();
        let ask = || connect(SocketAddr::new(address, HTTP)).and_then(|mut stream| request(&mut stream));
        wait::for_some(PATIENCE, || ask().map_err(|error| last = error).ok()).ok_or(last)
    })
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Makes one request and reads its answer to the end.
fn request(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let octets = stream.read(&mut buffer)?;
        if octets == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&buffer[..octets]);
        if whole(&answer).is_some() {
            return Ok(());
        }
    }
}

/// The length of the answer at the front of `text`, once all of it is there.
pub fn whole(text: &[u8]) -> Option<usize> {
    let head = text.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let fields = std::str::from_utf8(&text[..head]).ok()?;
    let length = fields.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head + length?;
    (text.len() >= end).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood_with_and_without_errors() {
        let good = "  370524 requests in 2.10s, 376.32MB read\nRequests/sec: 176349.14\n";
        let wrk = parse_wrk(good).expect("understood");
        assert_eq!((wrk.requests, wrk.errors), (370_524, 0));
        assert!((wrk.rate - 176_349.14).abs() < 0.01);
        let bad = format!("  Socket errors: connect 1, read 2, write 4000, timeout 3\n{good}");
        assert_eq!(parse_wrk(&bad).expect("understood").errors, 4006);
        assert!(parse_wrk("unable to connect to 10.77.0.2:80 Connection refused\n").is_err());
    }

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcX";
        assert_eq!(whole(text), Some(text.len() - 1));
        assert_eq!(whole(&text[..text.len() - 2]), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
