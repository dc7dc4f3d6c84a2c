//! The suite over a TUN device: one server at a time, the kernel's client against it.

use super::plan::{Bound, Chart, Home, Measure, Program, Ratio, Suite, Target, Yields};

pub(super) const SUITE: Suite = Suite {
    name: "tun",
    about: "servers behind a TUN, against the kernel's client",
    measures: MEASURES,
    ratios: RATIOS,
    targets: TARGETS,
    charts: CHARTS,
};

/// Needs root, since it makes namespaces, and wrk.
const TUN_SUITE: Program = Program::new(Home::Own, "tun_suite");

const fn rows(topic: &'static str, subject: &'static str, words: &'static str) -> Measure {
    Measure { topic, subject, program: TUN_SUITE, words, yields: Yields::Rows }
}

const fn once(topic: &'static str, subject: &'static str, words: &'static str) -> Measure {
    Measure { topic, subject, program: TUN_SUITE, words, yields: Yields::RowsOnce }
}

/// smoltcp listens with 256 sockets: with fewer, connects fail. Its build without offload has 1500-octet packets. One and
/// two shards run on one core, so that their processor time is the same kind of time wherever there are only two cores.
const MEASURES: &[Measure] = &[
    rows(
        "tun",
        "linger",
        "--rounds 1 --kinds up,down,keepalive,close,idle5k,latency,rest --subject linger:tun:{own}/tun_linger",
    ),
    rows(
        "tun",
        "smoltcp",
        "--rounds 1 --kinds up,down,keepalive,close,latency,rest \
         --subject smoltcp:tun:{tso}/smol_tun~1500~256~vnet",
    ),
    rows("tun", "smoltcp", "--rounds 1 --kinds idle5k --subject smoltcp:tun:{tso}/smol_tun~1500~5256~vnet"),
    rows(
        "tun",
        "smoltcp (no offload)",
        "--rounds 1 --kinds up,down,keepalive,close,latency \
         --subject smoltcp_(no_offload):tun:{peers}/smol_tun~1500~256",
    ),
    rows(
        "tun",
        "kernel",
        "--rounds 1 --kinds up,down,keepalive,close,idle5k,latency,rest \
         --subject kernel:loopback:{own}/tun_kernel",
    ),
    rows(
        "tun",
        "kernel (veth)",
        "--rounds 1 --kinds up,down,keepalive,close,latency --subject kernel_(veth):veth:{own}/tun_kernel",
    ),
    rows("tun", "lwip", "--rounds 1 --kinds up,down,keepalive,latency,close --subject lwip:tun:{lwip}/lwtun"),
    rows(
        "tun",
        "ipstack",
        "--rounds 1 --kinds up,down,keepalive,close,latency --subject ipstack:tun:{peers}/ipstack_tun~1500",
    ),
    rows(
        "tun",
        "gvisor",
        "--rounds 1 --kinds up,down,keepalive,close,latency --subject gvisor:tun:{gvisor}/gv~tun~1500",
    ),
    rows(
        "hyper",
        "linger",
        "--rounds 1 --prefix hyper --kinds up,down,keepalive,close,latency,half,held \
         --subject linger:tun:{own}/tun_hyper_linger",
    ),
    rows(
        "hyper",
        "kernel",
        "--rounds 1 --prefix hyper --kinds up,down,keepalive,close,latency,half \
         --subject kernel:loopback:{own}/tun_hyper_kernel",
    ),
    rows(
        "hyper",
        "linger",
        "--rounds 1 --prefix one_shard --kinds keepalive,close \
         --subject linger:tun:taskset~-c~0~{own}/tun_hyper_linger~1",
    ),
    rows(
        "hyper",
        "linger",
        "--rounds 1 --prefix two_shards --kinds keepalive,close \
         --subject linger:tun:taskset~-c~0~{own}/tun_hyper_linger~2",
    ),
    rows(
        "serve",
        "linger",
        "--rounds 1 --prefix serve --kinds rest \
         --subject linger:tun:{own}/linger~serve~--quiet~--address~10.77.0.2/24~{own}",
    ),
    once("minute", "linger", "--rounds 1 --kinds minute --subject linger:tun:{own}/tun_linger"),
];

const fn ratio(
    metric: &'static str,
    of: (&'static str, &'static str),
    to: (&'static str, &'static str),
) -> Ratio {
    Ratio { metric, subject: "linger", of, to }
}

const RATIOS: &[Ratio] = &[
    ratio("tun_down_to_smoltcp", ("tun_down_gbps", "linger"), ("tun_down_gbps", "smoltcp")),
    ratio("tun_down_to_kernel", ("tun_down_gbps", "linger"), ("tun_down_gbps", "kernel")),
    ratio("tun_up_to_smoltcp", ("tun_up_gbps", "linger"), ("tun_up_gbps", "smoltcp")),
    ratio("tun_up_to_kernel", ("tun_up_gbps", "linger"), ("tun_up_gbps", "kernel")),
    ratio(
        "http_keepalive_to_smoltcp",
        ("http_keepalive_per_cpu_s", "linger"),
        ("http_keepalive_per_cpu_s", "smoltcp"),
    ),
    ratio("http_close_to_smoltcp", ("http_close_per_cpu_s", "linger"), ("http_close_per_cpu_s", "smoltcp")),
    ratio("http_close_to_kernel", ("http_close_rate", "linger"), ("http_close_rate", "kernel")),
    ratio(
        "http_keepalive_idle_5k_ratio",
        ("http_keepalive_idle_5k_per_cpu_s", "linger"),
        ("http_keepalive_per_cpu_s", "linger"),
    ),
    ratio(
        "http_close_idle_5k_ratio",
        ("http_close_idle_5k_per_cpu_s", "linger"),
        ("http_close_per_cpu_s", "linger"),
    ),
    ratio(
        "hyper_keepalive_to_kernel",
        ("hyper_keepalive_per_cpu_s", "linger"),
        ("hyper_keepalive_per_cpu_s", "kernel"),
    ),
    ratio("hyper_close_to_kernel", ("hyper_close_per_cpu_s", "linger"), ("hyper_close_per_cpu_s", "kernel")),
    ratio("hyper_p99_to_kernel", ("hyper_p99_us", "linger"), ("hyper_p99_us", "kernel")),
    ratio("hyper_half_p99_to_kernel", ("hyper_half_p99_us", "linger"), ("hyper_half_p99_us", "kernel")),
    // The CPU of a request is what a CPU second is divided by.
    ratio(
        "two_shards_keepalive_cpu",
        ("one_shard_keepalive_per_cpu_s", "linger"),
        ("two_shards_keepalive_per_cpu_s", "linger"),
    ),
    ratio(
        "two_shards_close_cpu",
        ("one_shard_close_per_cpu_s", "linger"),
        ("two_shards_close_per_cpu_s", "linger"),
    ),
];

const fn at_most(what: &'static str, metric: &'static str, bound: f64) -> Target {
    Target { what, metric, subject: "linger", bound: Bound::AtMost(bound) }
}

const fn at_least(what: &'static str, metric: &'static str, bound: f64) -> Target {
    Target { what, metric, subject: "linger", bound: Bound::AtLeast(bound) }
}

const TARGETS: &[Target] = &[
    at_least("TUN, server to client: at least 1.2x smoltcp with its TSO", "tun_down_to_smoltcp", 1.2),
    at_least("TUN, server to client: at least 1.5x kernel loopback", "tun_down_to_kernel", 1.5),
    at_least("TUN, client to server: at least 2.7x smoltcp", "tun_up_to_smoltcp", 2.7),
    at_least("TUN, client to server: not under kernel loopback", "tun_up_to_kernel", 1.0),
    at_least("HTTP keep-alive: at least 1.25x smoltcp per CPU second", "http_keepalive_to_smoltcp", 1.25),
    at_least("HTTP close: at least 1.25x smoltcp per CPU second", "http_close_to_smoltcp", 1.25),
    at_least("HTTP close: at least 2.3x kernel loopback's rate", "http_close_to_kernel", 2.3),
    at_least("keep-alive next to 5,000 idle: at least 95 %", "http_keepalive_idle_5k_ratio", 0.95),
    at_least("close next to 5,000 idle: at least 95 %", "http_close_idle_5k_ratio", 0.95),
    at_most("keep-alive: no socket error", "http_keepalive_errors", 0.0),
    at_most("close: no socket error", "http_close_errors", 0.0),
    at_most("a minute of close, ports coming round: no socket error", "http_close_minute_errors", 0.0),
    at_most("a minute of close: no stall of a quarter of a second", "http_close_minute_stall", 250.0),
    at_least(
        "hyper keep-alive: at least 0.9x kernel sockets per CPU second",
        "hyper_keepalive_to_kernel",
        0.9,
    ),
    at_least("hyper close: at least 1.2x kernel sockets per CPU second", "hyper_close_to_kernel", 1.2),
    at_most(
        "two shards on a TUN, keep-alive: at most 1.15x the CPU of one",
        "two_shards_keepalive_cpu",
        1.15,
    ),
    at_most("two shards on a TUN, close: at most 1.15x the CPU of one", "two_shards_close_cpu", 1.15),
    at_most("linger serve, idle: under 20 MB", "serve_idle_rss", 20.0),
    at_most(
        "10,000 idle hyper connections: at most 512 B more than on pipes",
        "hyper_held_extra_bytes",
        512.0,
    ),
    at_most(
        "p99 at the same rate, 20,000 a second: at most 1.5x kernel loopback",
        "hyper_p99_to_kernel",
        1.5,
    ),
    at_most(
        "p99 at half the highest rate of each: at most 1.5x kernel loopback",
        "hyper_half_p99_to_kernel",
        1.5,
    ),
];

const fn chart(file: &'static str, title: &'static str, metric: &'static str) -> Chart {
    Chart { file, title, metric, more_is_better: true, logarithmic: false }
}

const CHARTS: &[Chart] = &[
    chart("tun-down.svg", "Bulk through a TUN, server to client", "tun_down_gbps"),
    chart("tun-up.svg", "Bulk through a TUN, client to server", "tun_up_gbps"),
    chart(
        "http-keepalive.svg",
        "HTTP requests per server CPU second, kept connections",
        "http_keepalive_per_cpu_s",
    ),
    chart("http-close.svg", "HTTP requests per server CPU second, a connection each", "http_close_per_cpu_s"),
];
