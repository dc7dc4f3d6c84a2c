//! The same HTTP service by hyper, on whatever stream a stack gives.

use super::BODY;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncRead, AsyncWrite};

/// What every request is answered with.
static ANSWER: [u8; BODY] = [b'x'; BODY];

/// Serves one connection to its end, without any timer, as `linger serve` does.
pub async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&ANSWER))))
    });
    // How a connection ends is the client's affair.
    let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
}
