//! One request on one connection of our own.

use super::url::Url;
use crate::error::{Error, Result};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use linger::{Net, TcpStream};
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;

const USER_AGENT: &str = concat!("linger/", env!("CARGO_PKG_VERSION"));

/// A response whose body is still to come. The connection is closed in order once the body is read or dropped.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
}

/// Connects to the first address that answers and asks for `url` there.
pub(super) async fn get(net: &Net, url: &Url, candidates: &[SocketAddr]) -> Result<Answer> {
    let stream = connect(net, url, candidates).await?;
    stream.set_nodelay(true);
    stream.set_owner("http client");
    let no_answer = |error: hyper::Error| {
        let host = url.host_field();
        Error::failed(format!("no HTTP answer from {host}: {}", cause(&error)))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(no_answer)?;
    // How it ends shows in the body, and there it is reported.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::get(url.path())
        .header(header::HOST, url.host_field())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        // One request a connection: the server closes first and keeps the TIME-WAIT, which would end with us.
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Error::usage(format!("'{url}' cannot be asked for")))?;
    let response = sender.send_request(request).await.map_err(no_answer)?;
    Ok(Answer { response })
}

async fn connect(net: &Net, url: &Url, candidates: &[SocketAddr]) -> Result<TcpStream> {
    let mut last = format!("'{}' has no address", url.host());
    for &remote in candidates {
        match net.connect(remote).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("cannot connect to {}{remote}: {}", by_name(url), explain(&error)),
        }
    }
    Err(Error::failed(last))
}

/// The name an address came from, for messages.
fn by_name(url: &Url) -> String {
    if url.literal().is_some() { String::new() } else { format!("{} at ", url.host()) }
}

/// What a failed connect means and what to do.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused; nothing listens on this port".into(),
        io::ErrorKind::TimedOut => {
            "no answer; a firewall, a wrong address, or --connect-timeout too short".into()
        }
        io::ErrorKind::HostUnreachable => "the host is unreachable".into(),
        io::ErrorKind::NetworkUnreachable => {
            "no address of ours is of this family; give one with --address".into()
        }
        _ => error.to_string(),
    }
}

/// The innermost reason: hyper wraps what TCP said.
pub(super) fn cause(error: &hyper::Error) -> String {
    let mut innermost: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(deeper) = innermost.and_then(|error| error.source()) {
        innermost = Some(deeper);
    }
    match innermost {
        Some(inner) => inner.to_string(),
        None if error.is_incomplete_message() => "the connection was closed too early".into(),
        None if error.is_parse() => "the answer is not HTTP".into(),
        None => error.to_string(),
    }
}
