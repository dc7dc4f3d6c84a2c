//! Ten processes that connect, ask and close, again and again.

use interop::capture::{Capture, SYN_OR_RST, resets, syns_sent_again};
use interop::service::{self, Report, Service};
use interop::{Namespace, Running, program, wait};
use std::net::SocketAddr;
use std::time::Duration;

const CLIENTS: usize = 10;

/// Runs ten clients at once and waits for all of them; each fails at its first reply that is not a 200.
#[track_caller]
fn storm(namespace: &Namespace, to: SocketAddr, each: usize, who: &str) {
    let (to, each) = (to.to_string(), each.to_string());
    let start = |_| namespace.spawn(program("storm"), &[&to, &each, who]);
    let clients: Vec<Running> = (0..CLIENTS).map(start).collect();
    for client in clients {
        assert_eq!(client.succeed(Duration::from_secs(120)).trim(), format!("ok={each}"));
    }
}

/// A service that holds nothing, not even a connection that a client probed it with.
fn quiet(report: Report, tasks: u64) -> bool {
    report.connections == 0 && report.time_wait == 0 && report.tasks == tasks
}

/// A hundred thousand connections; the capture shows every SYN and every RST there was.
#[track_caller]
fn full_storm(namespace: &Namespace, options: &[&str], to: SocketAddr, who: &str) -> Report {
    let mut service = Service::start(namespace, options);
    let capture = Capture::start(namespace, service::interface(), SYN_OR_RST);
    storm(namespace, to, 10_000, who);
    let seen = capture.stop();
    let opening = seen.iter().filter(|segment| segment.opens()).count();
    assert_eq!(opening, CLIENTS * 10_000, "the capture holds every SYN");
    assert_eq!(syns_sent_again(&seen), []);
    assert_eq!(resets(&seen), []);
    service.report()
}

#[test]
fn storm_where_the_server_closes_first_reopens_its_time_waits() {
    let namespace = Namespace::new();
    let report = full_storm(&namespace, &["--close"], service::addresses()[0], "server-closes");
    assert!(report.reopened > 50_000, "{report:?}");
    assert_eq!((report.accepted, report.resets_sent), (100_000, 0), "{report:?}");
    assert!(report.time_wait > 0, "TIME-WAIT lasts its full minute: {report:?}");
}

#[test]
fn storm_where_the_client_closes_first_leaves_no_time_wait_here() {
    let namespace = Namespace::new();
    namespace.sysctl("net.ipv4.tcp_tw_reuse", "1");
    namespace.sysctl("net.ipv4.ip_local_port_range", "1024 65535");
    let report = full_storm(&namespace, &[], service::addresses()[0], "client-closes");
    assert_eq!((report.accepted, report.resets_sent, report.time_wait), (100_000, 0, 0), "{report:?}");
}

/// Ten times a thousand connections with an MSL of a second; after two more seconds nothing may be left.
#[track_caller]
fn short_storm(options: &[&str], to: SocketAddr, who: &str) {
    let namespace = Namespace::new();
    let mut service = Service::start(&namespace, &[options, &["--msl", "1000"]].concat());
    let before = service.report().tasks;
    storm(&namespace, to, 1000, who);
    // Two seconds of TIME-WAIT, one for the machine to be busy with something else.
    wait::until("nothing to be left", Duration::from_secs(3), || quiet(service.report(), before));
}

#[test]
fn nothing_is_left_2_msl_after_a_storm_where_the_server_closes_first() {
    short_storm(&["--close"], service::addresses()[1], "server-closes");
}

#[test]
fn nothing_is_left_2_msl_after_a_storm_where_the_client_closes_first() {
    short_storm(&[], service::addresses()[1], "client-closes");
}
