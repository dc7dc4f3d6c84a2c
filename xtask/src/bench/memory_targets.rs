//! What the in-memory suite must reach, and what is drawn of it.

use super::plan::{Bound, Chart, Target};

const fn at_most(what: &'static str, metric: &'static str, bound: f64) -> Target {
    Target { what, metric, subject: "linger", bound: Bound::AtMost(bound) }
}

const fn at_least(what: &'static str, metric: &'static str, bound: f64) -> Target {
    Target { what, metric, subject: "linger", bound: Bound::AtLeast(bound) }
}

pub(super) const TARGETS: &[Target] = &[
    at_most("lifecycle: at most 7,000 instructions", "lifecycle_instructions", 7_000.0),
    at_least("lifecycle: at least 2.5x smoltcp's rate", "lifecycle_rate_to_smoltcp", 2.5),
    at_most("lifecycle next to 100 k idle: at most 1.6x our own base", "lifecycle_idle_100k_ratio", 1.6),
    at_most("lifecycle next to 1 M idle: at most 2.0x", "lifecycle_idle_1m_ratio", 2.0),
    at_most("32-byte segment: at most 1,400 instructions", "segment_instructions", 1_400.0),
    at_least("32-byte segment: at least 1.9x smoltcp", "segment_rate_to_smoltcp", 1.9),
    at_most("segment at random among 100 k: at most 2x the floor", "segment_100k_random_to_floor", 2.0),
    at_most(
        "the same in batches of 16: at most 1.5x the floor",
        "segment_100k_random_batch_16_to_floor",
        1.5,
    ),
    at_least("bulk 1500, checksums on: at least 1.8x smoltcp", "bulk_1500_to_smoltcp", 1.8),
    at_least("bulk 1500, checksums off: at least 2.0x smoltcp", "bulk_1500_nocsum_to_smoltcp", 2.0),
    at_most("bulk 1500: at most 1.4 instructions per byte", "bulk_1500_instructions_per_byte", 1.4),
    at_least("bulk 64 KiB segments, checksums on: at least 1.5x smoltcp", "bulk_64k_to_smoltcp", 1.5),
    at_least("bulk 64 KiB segments, checksums off: at least 1.5x smoltcp", "bulk_64k_nocsum_to_smoltcp", 1.5),
    at_most("TIME-WAIT, IPv4: at most 64 B, growth included", "time_wait_v4_peak_bytes", 64.0),
    at_most("TIME-WAIT, IPv6: at most 96 B, growth included", "time_wait_v6_peak_bytes", 96.0),
    at_most("lifecycle with 10 M TIME-WAITs held: at most 2x", "lifecycle_time_wait_10m_ratio", 2.0),
    at_most("idle established connection: at most 256 B", "idle_bytes", 256.0),
    at_most("1 M idle connections in under 300 MB", "idle_peak_bytes", 300.0),
    at_most("half-open connection: at most 160 B", "half_open_bytes", 160.0),
    at_most("housekeeping: at most 150 instructions", "housekeeping_instructions", 150.0),
    at_most("housekeeping next to 1 M connections: the same", "housekeeping_1m_instructions", 150.0),
    at_most(
        "growth to 1 M connections: no call initialises more than 1 MiB",
        "grow_idle_largest_call_bytes",
        1_048_576.0,
    ),
    at_most(
        "growth to 1 M connections: no call moves more than 20,000 entries",
        "grow_idle_largest_call_entries",
        20_000.0,
    ),
    at_most(
        "the largest such call: under 1,000,000 instructions",
        "grow_idle_largest_call_instructions",
        1e6,
    ),
    at_most(
        "growth to 10 M TIME-WAITs: no call initialises more than 1 MiB",
        "grow_time_wait_largest_call_bytes",
        1_048_576.0,
    ),
    at_most(
        "growth to 10 M TIME-WAITs: no call moves more than 20,000 entries",
        "grow_time_wait_largest_call_entries",
        20_000.0,
    ),
    at_most(
        "the largest such call: under 1,000,000 instructions",
        "grow_time_wait_largest_call_instructions",
        1e6,
    ),
];

const fn chart(file: &'static str, title: &'static str, metric: &'static str, more_is_better: bool) -> Chart {
    Chart { file, title, metric, more_is_better, logarithmic: false }
}

const fn wide(chart: Chart) -> Chart {
    Chart { logarithmic: true, ..chart }
}

pub(super) const CHARTS: &[Chart] = &[
    wide(chart("lifecycle.svg", "Lifecycles a second, one at a time, in memory", "lifecycle_rate", true)),
    chart(
        "lifecycle-instructions.svg",
        "Instructions of a lifecycle, both ends",
        "lifecycle_instructions",
        false,
    ),
    wide(chart(
        "lifecycle-1k.svg",
        "A lifecycle next to 1,000 idle connections",
        "lifecycle_idle_1k_ns",
        false,
    )),
    wide(chart("segment.svg", "A 32-byte segment on one connection", "segment_ns", false)),
    wide(chart(
        "segment-1k.svg",
        "A 32-byte segment at random among 1,000 connections",
        "segment_1k_random_ns",
        false,
    )),
    chart("bulk-1500.svg", "Bulk in memory, MTU 1500, checksums on", "bulk_1500_gbps", true),
    chart("bulk-64k.svg", "Bulk in memory, segments of 64 KiB, checksums on", "bulk_64k_gbps", true),
    wide(chart("time-wait.svg", "Memory of a TIME-WAIT, IPv4", "time_wait_v4_bytes", false)),
    wide(chart("idle.svg", "Memory of an idle connection, one end", "idle_bytes", false)),
];
