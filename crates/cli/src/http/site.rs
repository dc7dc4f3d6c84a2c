//! What a request is answered with.

use super::log::AccessLog;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tower_http::services::ServeDir;

/// Octets read from a file at once: a few super-segments' worth, so that the hop to the blocking pool pays.
const FILE_CHUNK: usize = 256 << 10;

const SERVER: HeaderValue = HeaderValue::from_static(concat!("linger/", env!("CARGO_PKG_VERSION")));

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What there is to fetch.
#[derive(Clone)]
pub(crate) enum Site {
    /// The files below a directory.
    Directory {
        /// The directory.
        root: PathBuf,
        /// Who reads them.
        files: ServeDir,
    },
    /// One page at `/`.
    Page(&'static str),
}

impl Site {
    /// The files below `root`: ranges, `index.html`, MIME types; nothing above it.
    pub(crate) fn directory(root: &Path) -> Self {
        Self::Directory { root: root.to_owned(), files: ServeDir::new(root).with_buf_chunk_size(FILE_CHUNK) }
    }

    /// Answers one request and logs it once its body has left.
    pub(crate) async fn answer<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        log: &AccessLog,
    ) -> Response<Logged> {
        let started = Instant::now();
        let method = request.method().clone();
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut response = match self {
            Self::Directory { root, files } => from_directory(root, files.clone(), request).await,
            Self::Page(page) => from_page(page, &request),
        };
        response.headers_mut().insert(header::SERVER, SERVER);
        let status = response.status();
        let promised = promised_octets(&method, &response);
        response.map(|inner| Logged {
            promised,
            complete: inner.is_end_stream(),
            inner,
            octets: 0,
            entry: Entry { log: log.clone(), peer, method, path, status, started },
        })
    }
}

/// Nothing that is neither a file nor a directory is opened: a FIFO would hold a thread until somebody writes to it.
async fn from_directory<B>(root: &Path, files: ServeDir, request: Request<B>) -> Response<Body> {
    let (mut head, _) = request.into_parts();
    let path = percent_decode_str(head.uri.path().trim_start_matches('/')).decode_utf8_lossy().into_owned();
    let path = root.join(path.trim_start_matches('/'));
    if is_special(&path).await || is_special(&path.join("index.html")).await {
        return in_words(StatusCode::NOT_FOUND);
    }
    // A server may always answer with the whole (RFC 9110 §14.2): where only a validator could tell whether the part fits
    // what the client has, and where several parts are asked for.
    let range = head.headers.get(header::RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
    let suffix = range.trim_start().strip_prefix("bytes=-").is_some_and(|octets| octets.trim() != "0");
    if head.headers.contains_key(header::IF_RANGE) || range.contains(',') {
        head.headers.remove(header::RANGE);
    }
    let response = from_files(files.clone(), head.clone()).await;
    if suffix && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // The last octets of a file that has fewer: all of it (RFC 9110 §14.1.2).
        head.headers.remove(header::RANGE);
        return from_files(files, head).await;
    }
    response
}

async fn is_special(path: &Path) -> bool {
    tokio::fs::metadata(path).await.is_ok_and(|found| !found.is_file() && !found.is_dir())
}

async fn from_files(mut files: ServeDir, head: Parts) -> Response<Body> {
    match files.try_call(Request::from_parts(head, Full::<Bytes>::default())).await {
        Ok(found) if found.status().is_success() || found.status().is_redirection() => {
            found.map(|body| body.boxed_unsync())
        }
        // tower-http leaves these empty; a person in front of a browser deserves a word.
        Ok(other) => {
            let mut response = in_words(other.status());
            for (name, value) in other.headers() {
                if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => in_words(StatusCode::FORBIDDEN),
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => in_words(StatusCode::NOT_FOUND),
        Err(_) => in_words(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// How long the body is to be, where that is known: what Content-Length says, and nothing after HEAD.
fn promised_octets(method: &Method, response: &Response<Body>) -> Option<u64> {
    if method == Method::HEAD {
        return Some(0);
    }
    let length =
        response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.or_else(|| response.body().size_hint().exact())
}

fn from_page<B>(page: &'static str, request: &Request<B>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = in_words(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    if request.uri().path() != "/" {
        return in_words(StatusCode::NOT_FOUND);
    }
    let mut response = Response::new(text(Bytes::from_static(page.as_bytes())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// An answer that says only its status, such as `404 Not Found`.
fn in_words(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(text(Bytes::from(format!("{status}\n"))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn text(octets: Bytes) -> Body {
    Full::new(octets).map_err(|never| match never {}).boxed_unsync()
}

/// A body that counts its octets and writes the log line when it is done with.
pub(crate) struct Logged {
    inner: Body,
    octets: u64,
    promised: Option<u64>,
    complete: bool,
    entry: Entry,
}

struct Entry {
    log: AccessLog,
    peer: SocketAddr,
    method: Method,
    path: String,
    status: StatusCode,
    started: Instant,
}

impl hyper::body::Body for Logged {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.octets += u64::try_from(length).unwrap_or(u64::MAX);
            }
            Poll::Ready(None) => self.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let Entry { log, peer, method, path, status, started } = &self.entry;
        let millis = started.elapsed().as_secs_f64() * 1e3;
        // hyper stops asking once Content-Length is reached, so the end may never have been polled for.
        let whole = self.complete || self.promised.is_some_and(|promised| self.octets >= promised);
        let note = if whole { "" } else { " broken off" };
        let (status, octets) = (status.as_u16(), self.octets);
        log.line(format_args!("{peer} {method} {path} {status} {octets} {millis:.1}ms{note}"));
    }
}

#[cfg(test)]
mod tests;
