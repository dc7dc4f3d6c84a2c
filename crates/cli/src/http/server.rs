//! Listeners, connections, and how all of them end in order.

use super::log::AccessLog;
use super::site::Site;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use linger::{TcpListener, TcpStream};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// How long a client that was answered already may be silent before it has said everything, and go on in all.
const SILENCE_MAX: Duration = Duration::from_secs(5);
const HEARING_MAX: Duration = Duration::from_secs(30);

/// A site on any number of listeners.
#[derive(Clone)]
pub(crate) struct Server {
    site: Site,
    log: AccessLog,
    watch: Option<Watch>,
    open: Arc<AtomicUsize>,
    phase: watch::Receiver<Phase>,
    /// Held by every connection; when the last one is gone, nothing is served any more.
    alive: mpsc::Sender<Infallible>,
}

/// Where a server is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Serving,
    /// Nobody is accepted any more; requests under way are answered.
    Stopping,
    /// They had their time: every connection is closed after what was written.
    Over,
}

/// What ends a [`Server`].
pub(crate) struct Stop {
    phase: watch::Sender<Phase>,
    gone: mpsc::Receiver<Infallible>,
    open: Arc<AtomicUsize>,
}

/// Told about every accepted connection (its local and remote address); counts its octets where it says.
pub(crate) type Watch = Arc<dyn Fn(SocketAddr, SocketAddr) -> Arc<Traffic> + Send + Sync>;

/// Octets of text that went through one connection.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Read from the peer.
    pub(crate) received: AtomicU64,
    /// Written to the peer.
    pub(crate) sent: AtomicU64,
}

impl Server {
    /// A server that serves once [`Server::listen`] is given a listener.
    pub(crate) fn new(site: Site, log: AccessLog, watch: Option<Watch>) -> (Self, Stop) {
        let (tell, phase) = watch::channel(Phase::Serving);
        let (alive, gone) = mpsc::channel(1);
        let open = Arc::new(AtomicUsize::new(0));
        let server = Self { site, log, watch, open: Arc::clone(&open), phase, alive };
        (server, Stop { phase: tell, gone, open })
    }

    /// Accepts connections until told to stop, each served by a task of its own.
    pub(crate) fn listen(&self, listener: TcpListener) {
        let server = self.clone();
        tokio::spawn(async move {
            let mut phase = server.phase.clone();
            loop {
                let accepted = tokio::select! {
                    biased;
                    _ = phase.wait_for(|phase| *phase >= Phase::Stopping) => break,
                    accepted = listener.accept() => accepted,
                };
                // An error here means that the stack below is gone; whoever drives it reports that.
                let Ok((stream, peer)) = accepted else { return };
                tokio::spawn(server.clone().connection(stream, peer));
            }
            // Their handshakes are over, and their requests may be here; with the listener they would be reset.
            while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
                tokio::spawn(server.clone().connection(stream, peer));
            }
        });
    }

    /// One connection, from its first request to its end.
    async fn connection(mut self, stream: TcpStream, peer: SocketAddr) {
        self.open.fetch_add(1, Relaxed);
        // An answer is written as a whole; what is left of it must not wait for an acknowledgment.
        stream.set_nodelay(true);
        stream.set_owner("http server");
        let traffic = self.watch.as_ref().map(|watch| watch(stream.local_addr(), peer));
        let (give_back, given_back) = oneshot::channel();
        let io = TokioIo::new(Counted { stream: Some(stream), traffic, give_back: Some(give_back) });
        let body = AtomicBool::new(false);
        let garbage = self.serve(io, peer, &body).await;
        // Nobody read all that the client says. Were the stream dropped now, the RST for the rest could overtake the answer.
        if (garbage || body.load(Relaxed))
            && let Ok(stream) = given_back.await
        {
            self.hear_out(stream).await;
        }
        self.open.fetch_sub(1, Relaxed);
        drop(self.alive);
    }

    /// Answers requests until there are no more; `body` tells whether one came with a body. Whether what came last was no
    /// request at all.
    async fn serve(&mut self, io: TokioIo<Counted>, peer: SocketAddr, body: &AtomicBool) -> bool {
        let (site, log) = (&self.site, &self.log);
        let service = service_fn(move |request: Request<Incoming>| async move {
            body.fetch_or(!request.body().is_end_stream(), Relaxed);
            Ok::<_, Infallible>(site.answer(request, peer, log).await)
        });
        // No timer: an idle connection must not wake anyone. Half-close: a client that has said everything still
        // gets its whole answer.
        let connection = http1::Builder::new().half_close(true).serve_connection(io, service);
        let mut connection = pin!(connection);
        let mut next = Phase::Stopping;
        loop {
            tokio::select! {
                biased;
                // How a connection ends is in the access log where it matters, else the client's affair.
                ended = connection.as_mut() => return ended.is_err_and(|error| error.is_parse()),
                _ = self.phase.wait_for(|phase| *phase >= next) => {
                    if next == Phase::Over {
                        return false;
                    }
                    next = Phase::Over;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Everything is said, FIN included: reads on and throws away until the client has said everything too.
    async fn hear_out(&mut self, mut stream: TcpStream) {
        let all = async {
            // What is said in vain lies in no buffer for long.
            let mut waste = [0; 4 << 10];
            stream.shutdown().await?;
            while timeout(SILENCE_MAX, stream.read(&mut waste)).await?? > 0 {}
            Ok::<_, io::Error>(())
        };
        tokio::select! {
            _done_or_broken = timeout(HEARING_MAX, all) => {}
            _ = self.phase.wait_for(|phase| *phase >= Phase::Over) => {}
        }
    }
}

impl Stop {
    /// Connections now open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Stops accepting, lets every request under way finish, closes idle connections; waits at most `patience`, and closes
    /// what is left then after what was written.
    /// Call it after the [`Server`] itself was dropped, else it waits for that too.
    pub(crate) async fn stop(mut self, patience: Duration) {
        self.phase.send_replace(Phase::Stopping);
        // Nothing is ever sent: the channel ends when the last connection has dropped its end.
        if timeout(patience, self.gone.recv()).await.is_err() {
            self.phase.send_replace(Phase::Over);
        }
    }
}

/// A stream that counts what goes through it, and that hyper gives back.
struct Counted {
    /// `None` only after its drop.
    stream: Option<TcpStream>,
    traffic: Option<Arc<Traffic>>,
    give_back: Option<oneshot::Sender<TcpStream>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let (Some(stream), Some(give_back)) = (self.stream.take(), self.give_back.take()) {
            // Where nobody waits for it, it is dropped.
            let _unwanted = give_back.send(stream);
        }
    }
}

impl Counted {
    fn on_stream<T>(
        &mut self,
        poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.stream {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn count_sent(&self, written: &Poll<io::Result<usize>>) {
        if let (Some(traffic), Poll::Ready(Ok(octets))) = (&self.traffic, written) {
            traffic.sent.fetch_add(*octets as u64, Relaxed);
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.on_stream(|stream| stream.poll_read(cx, buffer));
        if let Some(traffic) = &self.traffic {
            traffic.received.fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.on_stream(|stream| stream.poll_write(cx, text));
        self.count_sent(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        texts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.on_stream(|stream| stream.poll_write_vectored(cx, texts));
        self.count_sent(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(TcpStream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.on_stream(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.on_stream(|stream| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linger::Net;
    use linger::device::{Capabilities, Channel};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A stack that listens, another one, and a connection between them.
    async fn connected() -> (Net, TcpListener, Net, TcpStream) {
        let able = Capabilities { mtu: 1500, checksum_offload: true, segmentation_offload: true };
        let (left, right) = Channel::pair(64, able);
        let net = Net::builder().address(left, [10, 0, 0, 1], 24).spawn().expect("server");
        let client = Net::builder().address(right, [10, 0, 0, 2], 24).spawn().expect("client");
        let listener = net.listen(([10, 0, 0, 1], 80)).await.expect("listening");
        let stream = client.connect(([10, 0, 0, 1], 80)).await.expect("connected");
        (net, listener, client, stream)
    }

    #[tokio::test]
    async fn who_waits_to_be_accepted_when_the_end_comes_is_still_answered() {
        let (net, listener, _client, mut stream) = connected().await;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("asked");
        while net.snapshot().listeners[0].accept_queue == 0 {
            tokio::task::yield_now().await;
        }
        let (server, stop) = Server::new(Site::Page("the page"), AccessLog::silent(), None);
        server.listen(listener);
        drop(server);
        // Before the task that accepts has run at all.
        stop.stop(Duration::from_secs(10)).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer, not an RST");
        assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("the page"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn answer_arrives_though_nobody_reads_the_rest_of_what_the_client_says() {
        let upload =
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n{}", "x".repeat(3_000_000));
        for (said, status) in [(upload, "405"), ("no request at all\r\n\r\n".repeat(20_000), "400")] {
            let (_net, listener, _client, stream) = connected().await;
            let (server, _stop) = Server::new(Site::Page("the page"), AccessLog::silent(), None);
            server.listen(listener);
            let (mut read, mut write) = stream.into_split();
            // A client that listens only when it has said everything.
            write.write_all(said.as_bytes()).await.expect("nobody minds");
            drop(write);
            let mut answer = String::new();
            read.read_to_string(&mut answer).await.expect("an answer, not an RST");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_says_a_body_without_end_is_heard_for_half_a_minute() {
        let (net, listener, _client, mut stream) = connected().await;
        let (server, _stop) = Server::new(Site::Page("the page"), AccessLog::silent(), None);
        server.listen(listener);
        let began = tokio::time::Instant::now();
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .expect("asked");
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let heard = began.elapsed();
        assert!(heard >= Duration::from_secs(29) && heard < Duration::from_secs(33), "{heard:?}");
        assert!(net.snapshot().connections.is_empty());
    }

    #[tokio::test]
    async fn request_that_does_not_come_to_its_end_in_time_is_closed_in_order() {
        let (_net, listener, _client, mut stream) = connected().await;
        let (server, stop) = Server::new(Site::Page("the page"), AccessLog::silent(), None);
        server.listen(listener);
        drop(server);
        stream.write_all(b"GET / HT").await.expect("half a request");
        while stop.open() == 0 {
            tokio::task::yield_now().await;
        }
        stop.stop(Duration::from_millis(50)).await;
        assert_eq!(stream.read(&mut [0]).await.expect("a FIN, not an RST"), 0);
    }
}
