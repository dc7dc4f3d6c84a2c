//! A client that connects, asks and closes, again and again, over the kernel's TCP:
//! `storm ADDRESS:PORT COUNT server-closes|client-closes`.
//!
//! Prints `ok=N` and exits with zero when every reply was a 200.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, count, who] = words.as_slice() else {
        return Err("usage: storm ADDRESS:PORT COUNT server-closes|client-closes".into());
    };
    let (address, count): (SocketAddr, u32) = (address.parse()?, count.parse()?);
    let client_closes = match who.as_str() {
        "client-closes" => true,
        "server-closes" => false,
        other => return Err(format!("who is {other}?").into()),
    };
    for done in 0..count {
        ask(address, client_closes).map_err(|error| format!("request {} of {count}: {error}", done + 1))?;
    }
    println!("ok={count}");
    Ok(())
}

/// One connection. Where the server closes, the reply ends with the connection; else after its `Content-Length`.
fn ask(address: SocketAddr, client_closes: bool) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: linger\r\n\r\n")?;
    let (mut reply, mut block) = (Vec::new(), [0; 1024]);
    loop {
        if client_closes && is_whole(&reply) {
            break;
        }
        match stream.read(&mut block) {
            Ok(0) if client_closes => return Err("the server closed first".into()),
            Ok(0) => break,
            Ok(octets) => reply.extend_from_slice(block.get(..octets).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if reply.starts_with(b"HTTP/1.1 200 ") && is_whole(&reply) {
        Ok(())
    } else {
        Err(format!("bad reply: {:?}", String::from_utf8_lossy(&reply)).into())
    }
}

/// Whether the header and as much text as it promises are there.
fn is_whole(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let Some((header, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = header
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() == length)
}
