//! What `linger serve` does, on the kernel's sockets: for tests that ask both the same.
//!
//! `kernel_serve PORT`: answers `GET /` with a greeting and `GET /big` with 16 MiB; closes first when the request says
//! `Connection: close`, else when the client has.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::process::ExitCode;

const BIG: usize = 16 << 20;

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let Some(port) = port else {
        eprintln!("kernel_serve: call it with a port");
        return ExitCode::from(2);
    };
    match listen(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kernel_serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn listen(port: u16) -> io::Result<()> {
    // Of both families: an IPv4 client comes as a mapped address.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?;
    println!("serving");
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            // A client that resets is what the tests are about.
            let _ = answer(stream);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut block = [0; 4096];
    loop {
        let octets = stream.read(&mut block)?;
        request.extend_from_slice(block.get(..octets).unwrap_or_default());
        while let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = request.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let body = if head.starts_with("get /big ") { vec![b'x'; BIG] } else { b"hello".to_vec() };
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[reply.as_bytes(), &body].concat())?;
            if head.contains("connection: close") {
                // FIN and letting go are one call: between two of them the peer's ACK might come.
                return Ok(());
            }
        }
        if octets == 0 {
            return Ok(());
        }
    }
}
