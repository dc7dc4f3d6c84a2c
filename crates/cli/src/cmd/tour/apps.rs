//! The two applications: a real hyper server on HOST2, a real hyper client on HOST1. They note down what they got.

use super::outcome::{Answer, Attempt, Closed, Log, sha256};
use super::page::Page;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use linger::{Net, TcpListener, TcpStream};
use linger_proto::{ConnectConfig, ConnectError};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How the application on HOST1 behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Client {
    /// How many connections it opens, one after the other.
    pub(super) visits: u32,
    /// When it comes back, by its clock, or when it has closed if that is later.
    pub(super) back_at: Duration,
    /// It shuts down its sending side as soon as the request is written.
    pub(super) half_close: bool,
    /// It closes at this time of its clock, or when it has the reply if that is later.
    pub(super) close_at: Duration,
    /// How long it goes on after the reply before it closes.
    pub(super) closes_after: Duration,
    /// It connects from the same port each time.
    pub(super) own_port: bool,
}

/// How HOST2's application comes to its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Opens {
    /// It listens.
    #[default]
    Listens,
    /// It connects, as HOST1's application does, from its own port to that one's.
    Connects,
    /// It does not.
    Never,
}

/// How the application on HOST2 behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Server {
    /// How it comes to its connections.
    pub(super) opens: Opens,
    /// It closes a connection as soon as it has answered on it.
    pub(super) one_reply: bool,
    /// How long it works on a reply.
    pub(super) thinks: Duration,
    /// How long it goes on before it closes a connection on which it has nothing more to do.
    pub(super) closes_after: Duration,
    /// It closes its connections at this time of its clock, without waiting for the peer to close.
    pub(super) close_at: Option<Duration>,
    /// It fails that long after the first half of a reply, and aborts the connection.
    pub(super) fails_after: Option<Duration>,
}

/// What HOST2's application says when it fails.
pub(super) const FAILED: &str = "the program failed in the middle of its reply";
/// The source port of a client that has its own.
const CLIENT_PORT: u16 = 49_152;
/// How long a client waits before it tries again to use its port.
const RETRY: Duration = Duration::from_secs(1);

impl Client {
    /// Fetches the page, as often as it is told to.
    pub(super) async fn run(self, net: Net, server: SocketAddr, log: Log) {
        let start = Instant::now();
        for visit in 0..self.visits {
            if visit > 0 {
                tokio::time::sleep_until(start + self.back_at).await;
            }
            let Some(stream) = self.connect(&net, server, &log, start).await else { return };
            match self.visit(stream, &log, start).await {
                Some(closed) => log.client_closed(closed),
                None => return,
            }
        }
    }

    /// Opens the connection. A client that comes back insists on its port, and waits for it as long as it takes.
    async fn connect(self, net: &Net, server: SocketAddr, log: &Log, start: Instant) -> Option<TcpStream> {
        loop {
            let mut config = ConnectConfig::default();
            if self.own_port {
                config.local = Some(SocketAddr::new(unspecified(server), CLIENT_PORT));
            }
            let result = net.connect_with(server, config).await;
            let at = start.elapsed();
            match result {
                Ok(stream) => {
                    log.attempt(Attempt { at, refused: None });
                    return Some(stream);
                }
                Err(error) => {
                    let reason = connect_error(&error);
                    log.attempt(Attempt { at, refused: Some(error.to_string()) });
                    if reason != Some(ConnectError::AddrInUse) {
                        return None;
                    }
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// One GET, and the close; `None` when it does not come to a close.
    async fn visit(self, stream: TcpStream, log: &Log, start: Instant) -> Option<Closed> {
        stream.set_nodelay(true);
        let io = TokioIo::new(HalfCloser { stream, wanted: self.half_close, wrote: false, done: false });
        let (mut sender, connection) = match hyper::client::conn::http1::handshake(io).await {
            Ok(both) => both,
            Err(error) => {
                log.client_failed(&tell(&error));
                return None;
            }
        };
        let driving = tokio::spawn(connection.without_shutdown());
        let answer = ask(&mut sender).await.map_err(|error| tell(&error));
        drop(sender);
        let whole = answer.is_ok();
        log.received(answer);
        if !whole {
            return None;
        }
        match driving.await {
            Ok(Ok(parts)) => {
                tokio::time::sleep_until(start + self.close_at).await;
                tokio::time::sleep(self.closes_after).await;
                Some(close(parts.io.into_inner().stream).await)
            }
            Ok(Err(error)) => {
                log.client_failed(&tell(&error));
                None
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

fn unspecified(like: SocketAddr) -> IpAddr {
    match like {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn connect_error(error: &io::Error) -> Option<ConnectError> {
    error.get_ref().and_then(|inside| inside.downcast_ref::<ConnectError>()).copied()
}

/// What an error of hyper comes down to: what TCP said, where TCP was the cause.
fn tell(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

async fn close(stream: TcpStream) -> Closed {
    stream.close().await.err()
}

type Sender = hyper::client::conn::http1::SendRequest<Empty<Bytes>>;

async fn ask(sender: &mut Sender) -> hyper::Result<Answer> {
    let mut request = Request::new(Empty::new());
    let host = HeaderValue::from_static("host2.example");
    request.headers_mut().insert(hyper::header::HOST, host);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, octets: body.len(), sha256: sha256(&body) })
}

impl Server {
    /// Serves the page for ever. `client` is the address of HOST1.
    pub(super) async fn run(self, net: Net, at: SocketAddr, client: IpAddr, page: Page, log: Log) {
        let start = Instant::now();
        match self.opens {
            Opens::Listens => {}
            Opens::Never => return,
            Opens::Connects => {
                let mut config = ConnectConfig::default();
                config.local = Some(at);
                match net.connect_with(SocketAddr::new(client, CLIENT_PORT), config).await {
                    Ok(stream) => self.serve(stream, start, page.edition(0), &log).await,
                    Err(error) => log.server_failed(&error.to_string()),
                }
                return;
            }
        }
        let listener = match net.listen(at).await {
            Ok(listener) => listener,
            Err(error) => return log.server_failed(&error.to_string()),
        };
        self.accept(&listener, start, &page, &log).await;
    }

    async fn accept(self, listener: &TcpListener, start: Instant, page: &Page, log: &Log) {
        let mut visit = 0;
        while let Ok((stream, _peer)) = listener.accept().await {
            let edition = page.edition(visit);
            visit += 1;
            let log = log.clone();
            tokio::spawn(async move { self.serve(stream, start, edition, &log).await });
        }
    }

    /// Serves one connection until the client closes, the time to close has come, or a reply fails.
    async fn serve(self, stream: TcpStream, start: Instant, page: Bytes, log: &Log) {
        stream.set_nodelay(true);
        let service = hyper::service::service_fn(|request: Request<Incoming>| -> Reply {
            log.asked(request.uri().path());
            Box::pin(self.reply(page.clone(), log.clone()))
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        // The Date header comes from the machine's clock, and a run must not know it.
        builder.auto_date_header(false).half_close(true).keep_alive(!self.one_reply);
        let mut connection = builder.serve_connection(TokioIo::new(stream), service);
        let served = {
            let serving = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx));
            match self.close_at {
                None => serving.await,
                Some(at) => tokio::select! {
                    biased;
                    served = serving => served,
                    () = tokio::time::sleep_until(start + at) => Ok(()),
                },
            }
        };
        let stream = connection.into_parts().io.into_inner();
        match served {
            Ok(()) => {
                tokio::time::sleep(self.closes_after).await;
                log.server_closed(close(stream).await);
            }
            Err(error) => {
                log.server_failed(&tell(&error));
                stream.abort();
            }
        }
    }

    /// The page, or the first half of it and then a failure.
    async fn reply(self, page: Bytes, log: Log) -> Result<Response<Body>, Infallible> {
        tokio::time::sleep(self.thinks).await;
        log.served(Answer { status: 200, octets: page.len(), sha256: sha256(&page) });
        let length = page.len();
        let body = match self.fails_after {
            None => Full::new(page).map_err(|never| match never {}).boxed_unsync(),
            Some(after) => half(page, after),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(hyper::header::CONTENT_LENGTH, HeaderValue::from(length));
        Ok(response)
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Reply = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The first half of a page, a pause, and an error: what a program that crashes leaves behind.
fn half(page: Bytes, pause: Duration) -> Body {
    let first = page.slice(..page.len() / 2);
    let frames = futures_util::stream::unfold(Some(first), move |first| async move {
        match first {
            Some(text) if !text.is_empty() => Some((Ok(Frame::data(text)), Some(Bytes::new()))),
            _ => {
                tokio::time::sleep(pause).await;
                Some((Err(io::Error::other(FAILED)), None))
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// A stream that shuts down its sending side, when that is wanted, as soon as something is written and flushed.
struct HalfCloser {
    stream: TcpStream,
    wanted: bool,
    wrote: bool,
    done: bool,
}

impl AsyncRead for HalfCloser {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for HalfCloser {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, text))?;
        self.wrote = true;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.wanted && self.wrote && !self.done {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.done = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
