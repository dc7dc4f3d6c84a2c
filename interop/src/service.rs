//! The web service of `bin/axum_service.rs`: an axum application on linger, and how a test starts and asks it.

use crate::stack::{self, INTERFACE};
use crate::{LINGER, Namespace, Running, program};
use axum::Router;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use http_body_util::BodyExt;
use linger::Net;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where it listens.
pub const PORT: u16 = 80;
/// What `GET /` answers.
pub const GREETING: &str = "hello over our own TCP\n";

/// `GET /` greets; `PUT /sum` answers with the SHA-256 and the length of what it got. With `closes`, every response
/// says `Connection: close` and the service is the one that closes first.
pub fn router(closes: bool) -> Router {
    let greet = move || async move {
        let mut response = GREETING.into_response();
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    };
    Router::new().route("/", get(greet)).route("/sum", put(sum))
}

async fn sum(mut body: Body) -> Result<String, Response> {
    let (mut sum, mut length) = (Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string().into_response())?;
        if let Ok(text) = frame.into_data() {
            length += text.len();
            sum.update(&text);
        }
    }
    Ok(format!("{} {length}\n", crate::content::hex(&sum.finalize())))
}

/// What the service holds, as it prints it: one line.
#[must_use]
pub fn report(net: &Net, tasks: usize) -> String {
    let (held, counters) = (net.snapshot(), net.counters());
    format!(
        "report connections={} time_wait={} tasks={tasks} reopened={} resets_sent={} accepted={}",
        held.connections.len(),
        held.time_wait.len(),
        counters.reopened,
        counters.resets_sent,
        counters.accepted
    )
}

/// A service that runs in a namespace.
#[derive(Debug)]
pub struct Service {
    running: Running,
    asked: usize,
}

/// What a service holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Connections outside TIME-WAIT.
    pub connections: u64,
    /// Connections in TIME-WAIT.
    pub time_wait: u64,
    /// Tasks of its runtime.
    pub tasks: u64,
    /// TIME-WAITs that a new SYN opened again.
    pub reopened: u64,
    /// RSTs sent.
    pub resets_sent: u64,
    /// Connections accepted.
    pub accepted: u64,
}

impl Service {
    /// Starts it; `options` are those of `axum_service`.
    #[must_use]
    pub fn start(namespace: &Namespace, options: &[&str]) -> Self {
        let mut running = namespace.spawn(program("axum_service"), options);
        running.wait_for_line("opened", Duration::from_secs(10));
        // The kernel's end belongs to the test, so that tests can shape it.
        stack::bring_up(namespace);
        running.tell("serve");
        running.wait_for_line("serving", Duration::from_secs(10));
        Self { running, asked: 0 }
    }

    /// The URL of `path`.
    #[must_use]
    pub fn url(&self, address: IpAddr, path: &str) -> String {
        crate::url(address, PORT, path)
    }

    /// Asks what it holds.
    #[track_caller]
    pub fn report(&mut self) -> Report {
        let seen = self.running.line_count();
        self.asked += 1;
        self.running.tell("report");
        let line = self.running.wait_for_line_after(seen, "report ", Duration::from_secs(20));
        let figure = |key: &str| {
            let field = line.split_whitespace().find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
            field.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no {key} in {line:?}"))
        };
        Report {
            connections: figure("connections"),
            time_wait: figure("time_wait"),
            tasks: figure("tasks"),
            reopened: figure("reopened"),
            resets_sent: figure("resets_sent"),
            accepted: figure("accepted"),
        }
    }
}

/// Our addresses with the service's port.
#[must_use]
pub fn addresses() -> [SocketAddr; 2] {
    LINGER.map(|address| SocketAddr::new(address, PORT))
}

/// The interface that the service makes.
#[must_use]
pub const fn interface() -> &'static str {
    INTERFACE
}
