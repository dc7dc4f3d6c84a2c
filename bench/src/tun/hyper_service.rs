//! The same services on whatever stream a stack gives: HTTP by hyper, a sink and a source that copy.

use super::BODY;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What every request is answered with.
static ANSWER: [u8; BODY] = [b'x'; BODY];
/// Octets read and written at once in bulk.
const PIECE: usize = 256 << 10;

/// Serves one connection to its end, without any timer, as `linger serve` does.
pub async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&ANSWER))))
    });
    // How a connection ends is the client's affair.
    let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
}

/// Reads to the end.
pub async fn swallow(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = vec![0; PIECE];
    while stream.read(&mut buffer).await.is_ok_and(|octets| octets > 0) {}
}

/// Writes for as long as somebody takes it.
pub async fn pour(mut stream: impl AsyncWrite + Unpin) {
    let piece = vec![0x5a; PIECE];
    while stream.write_all(&piece).await.is_ok() {}
}
