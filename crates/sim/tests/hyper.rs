//! Unmodified hyper on simulated hosts: same seed, same octets in the capture.
#![cfg(feature = "tokio")]

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::TokioIo;
use linger::Net;
use linger_proto::HostConfig;
use linger_sim::{Link, Report, Seed, Sim, check, fault};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// A writer whose octets can be looked at afterwards.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn page(number: usize) -> Bytes {
    (0..3000 + 700 * number).map(|octet| (octet * (number + 3) % 251).to_le_bytes()[0]).collect()
}

async fn serve(net: Net, at: SocketAddr) {
    let listener = net.listen(at).await.expect("the port is free");
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let service =
                hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                    let number = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
                    Ok::<_, Infallible>(hyper::Response::new(Full::new(page(number))))
                });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn fetch(net: Net, from: SocketAddr, numbers: std::ops::Range<usize>) -> hyper::Result<usize> {
    let stream = net.connect(from).await.expect("the server answers");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let mut octets = 0;
    for number in numbers {
        sender.ready().await?;
        let request =
            hyper::Request::get(format!("/{number}")).header("host", "b").body(Empty::<Bytes>::new());
        let response = sender.send_request(request.expect("a request")).await?;
        let body = response.into_body().collect().await?.to_bytes();
        assert_eq!(body, page(number));
        octets += body.len();
    }
    drop(sender);
    driving.await.expect("no panic")?;
    Ok(octets)
}

/// Three clients on a lossy link, and the capture of it.
fn run(seed: u64) -> (Report, Vec<u8>) {
    let mut sim = Sim::new(Seed(seed));
    let a = sim.host("a", HostConfig::default());
    let b = sim.host("b", HostConfig::default());
    let link = Link::new()
        .delay(Duration::from_millis(10))
        .jitter(Duration::ZERO..Duration::from_millis(2))
        .rate_bps(20_000_000)
        .fault(fault::loss(0.05))
        .fault(fault::duplicate(0.02))
        .fault(fault::reorder(0.05, Duration::from_millis(5)))
        .fault(fault::corrupt(0.01));
    let link = sim.link(a, b, link);
    let capture = Shared::default();
    sim.capture(link, capture.clone());
    sim.check(check::Quiescent);
    let drops = check::DropsCounted::new();
    sim.observe(drops.clone());
    sim.check(drops);
    let fetched = Rc::new(RefCell::new(Vec::new()));
    for (client, address) in [(0, sim.ipv4(b)), (1, sim.ipv6(b)), (2, sim.ipv4(b))] {
        let fetched = Rc::clone(&fetched);
        sim.spawn(a, move |net| async move {
            let octets = fetch(net, SocketAddr::new(address, 80), client..client + 3).await;
            fetched.borrow_mut().push(octets.expect("every reply arrives"));
        });
    }
    for address in [sim.ipv4(b), sim.ipv6(b)] {
        sim.spawn(b, move |net| serve(net, SocketAddr::new(address, 80)));
    }
    let report = sim.run_until_idle(Duration::from_secs(600)).expect("every connection ends");
    assert_eq!(fetched.borrow().len(), 3, "every client is done");
    drop(sim);
    (report, capture.0.take())
}

#[test]
fn hyper_on_a_bad_link_gets_every_octet_and_the_same_seed_gives_the_same_capture() {
    let (report, capture) = run(7);
    for _ in 0..19 {
        let again = run(7);
        assert_eq!(again.0, report);
        assert!(again.1 == capture, "the captures differ");
    }
    let other = run(8);
    assert_ne!(other.0.trace_digest, report.trace_digest);
}

#[test]
fn hyper_gets_every_octet_with_many_seeds() {
    for seed in 0..20 {
        let (report, capture) = run(seed);
        assert!(report.steps > 100 && capture.len() > 10_000, "seed {seed}: {report:?}");
    }
}
