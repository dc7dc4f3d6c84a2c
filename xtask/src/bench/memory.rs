//! The in-memory suite: two stacks back to back in one thread.

use super::memory_targets::{CHARTS, TARGETS};
use super::plan::{Home, Measure, Pick, Program, Ratio, Suite, Yields};

pub(super) const SUITE: Suite = Suite {
    name: "memory",
    about: "two stacks back to back in one thread",
    measures: MEASURES,
    ratios: RATIOS,
    targets: TARGETS,
    charts: CHARTS,
};

const LINGER: Program = Program::new(Home::Own, "linger_mem");
const SMOLTCP: Program = Program::new(Home::Peers, "smol_mem");
const FLOOR: Program = Program::new(Home::Peers, "floor");
const KERNEL: Program = Program::new(Home::Peers, "kernel_mem").alone();
const LWIP: Program = Program::new(Home::Lwip, "lwmem");
const GVISOR: Program = Program::new(Home::Gvisor, "gv");

/// smoltcp where it scans fewer octets: the smallest buffers that hold a response.
const SMALL: &str = "smoltcp (2 KiB buffers)";
/// smoltcp's default controller is none; this is its Reno.
const RENO: &str = "smoltcp (Reno)";
const WIDE: &str = "smoltcp (1 MiB buffers)";
const NO_OFFLOAD: &str = "kernel (no offload)";

const fn pick(key: &'static str, metric: &'static str, unit: &'static str) -> Pick {
    Pick { key, metric, unit }
}

const fn measure(
    topic: &'static str,
    subject: &'static str,
    program: Program,
    words: &'static str,
    yields: Yields,
) -> Measure {
    Measure { topic, subject, program, words, yields }
}

const fn counted(metric: &'static str, few: u32, many: u32, units: f64) -> Yields {
    Yields::Instructions { metric, few, many, units }
}

const LIFE: Yields =
    Yields::Pairs(&[pick("life_per_s", "lifecycle_rate", "1/s"), pick("life_ns", "lifecycle_ns", "ns")]);
const LIFE_100: Yields = Yields::Pairs(&[pick("life_ns", "lifecycle_idle_100_ns", "ns")]);
const LIFE_1K: Yields = Yields::Pairs(&[pick("life_ns", "lifecycle_idle_1k_ns", "ns")]);
const LIFE_10K: Yields = Yields::Pairs(&[pick("life_ns", "lifecycle_idle_10k_ns", "ns")]);
const LIFE_100K: Yields = Yields::Pairs(&[pick("life_ns", "lifecycle_idle_100k_ns", "ns")]);
const LIFE_1M: Yields = Yields::Pairs(&[pick("life_ns", "lifecycle_idle_1m_ns", "ns")]);
const LIFE_10M_TIME_WAIT: Yields = Yields::Pairs(&[pick("life_ns", "lifecycle_time_wait_10m_ns", "ns")]);
const LIFE_COUNTED: Yields = counted("lifecycle_instructions", 4_000, 8_000, 1.0);

const SEG: Yields = Yields::Pairs(&[pick("seg_ns", "segment_ns", "ns")]);
const SEG_1K: Yields = Yields::Pairs(&[pick("seg_ns", "segment_1k_ns", "ns")]);
const SEG_1K_RANDOM: Yields = Yields::Pairs(&[pick("seg_ns", "segment_1k_random_ns", "ns")]);
const SEG_10K_RANDOM: Yields = Yields::Pairs(&[pick("seg_ns", "segment_10k_random_ns", "ns")]);
const SEG_100K_RANDOM: Yields = Yields::Pairs(&[pick("seg_ns", "segment_100k_random_ns", "ns")]);
const SEG_1M_RANDOM: Yields = Yields::Pairs(&[pick("seg_ns", "segment_1m_random_ns", "ns")]);
const SEG_100K_BATCH: Yields = Yields::Pairs(&[pick("seg_ns", "segment_100k_random_batch_16_ns", "ns")]);
/// linger's figures are for each message, so that acknowledgments without text are charged to those with.
const MESSAGE: Yields = Yields::Pairs(&[pick("seg_message_ns", "segment_ns", "ns")]);
const MESSAGE_1K: Yields = Yields::Pairs(&[pick("seg_message_ns", "segment_1k_ns", "ns")]);
const MESSAGE_1K_RANDOM: Yields = Yields::Pairs(&[pick("seg_message_ns", "segment_1k_random_ns", "ns")]);
const MESSAGE_10K_RANDOM: Yields = Yields::Pairs(&[pick("seg_message_ns", "segment_10k_random_ns", "ns")]);
const MESSAGE_100K_RANDOM: Yields = Yields::Pairs(&[pick("seg_message_ns", "segment_100k_random_ns", "ns")]);
const MESSAGE_1M_RANDOM: Yields = Yields::Pairs(&[pick("seg_message_ns", "segment_1m_random_ns", "ns")]);
const MESSAGE_100K_BATCH: Yields =
    Yields::Pairs(&[pick("seg_message_ns", "segment_100k_random_batch_16_ns", "ns")]);

const BULK_1500: Yields = Yields::Pairs(&[
    pick("bulk_gbps", "bulk_1500_gbps", "Gbit/s"),
    pick("bulk_ns_per_byte", "bulk_1500_ns_per_byte", "ns"),
]);
const BULK_1500_NOCSUM: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_1500_nocsum_gbps", "Gbit/s")]);
const BULK_64K: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_64k_gbps", "Gbit/s")]);
const BULK_64K_NOCSUM: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_64k_nocsum_gbps", "Gbit/s")]);
const BULK_IDLE_1K: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_1500_idle_1k_gbps", "Gbit/s")]);
const BULK_IDLE_10K: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_1500_idle_10k_gbps", "Gbit/s")]);
const BULK_IDLE_100K: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_1500_idle_100k_gbps", "Gbit/s")]);
const BULK_IDLE_1M: Yields = Yields::Pairs(&[pick("bulk_gbps", "bulk_1500_idle_1m_gbps", "Gbit/s")]);
const MIB: f64 = 1_048_576.0;

const IDLE: Yields = Yields::Exact(&[
    pick("bytes", "idle_bytes", "B"),
    pick("peak_bytes", "idle_peak_bytes", "B"),
    pick("resident_bytes", "idle_resident_bytes", "B"),
]);
const HALF_OPEN: Yields =
    Yields::Exact(&[pick("bytes", "half_open_bytes", "B"), pick("peak_bytes", "half_open_peak_bytes", "B")]);
const TIME_WAIT_V4: Yields = Yields::Exact(&[
    pick("bytes", "time_wait_v4_bytes", "B"),
    pick("peak_bytes", "time_wait_v4_peak_bytes", "B"),
]);
const TIME_WAIT_V6: Yields = Yields::Exact(&[
    pick("bytes", "time_wait_v6_bytes", "B"),
    pick("peak_bytes", "time_wait_v6_peak_bytes", "B"),
]);
const GROW_IDLE: Yields = Yields::OneCall {
    picks: &[
        pick("largest_call_bytes", "grow_idle_largest_call_bytes", "B"),
        pick("largest_call_entries", "grow_idle_largest_call_entries", "entries"),
        pick("largest_call_allocated", "grow_idle_largest_call_allocated", "B"),
    ],
    call: "largest_call",
    metric: "grow_idle_largest_call_instructions",
};
const GROW_TIME_WAIT: Yields = Yields::OneCall {
    picks: &[
        pick("largest_call_bytes", "grow_time_wait_largest_call_bytes", "B"),
        pick("largest_call_entries", "grow_time_wait_largest_call_entries", "entries"),
        pick("largest_call_allocated", "grow_time_wait_largest_call_allocated", "B"),
    ],
    call: "largest_call",
    metric: "grow_time_wait_largest_call_instructions",
};

const MEASURES: &[Measure] = &[
    // One life at a time.
    measure("lifecycle", "linger", LINGER, "life 60000 0", LIFE),
    measure("lifecycle", "smoltcp", SMOLTCP, "life 60000 0", LIFE),
    measure("lifecycle", SMALL, SMOLTCP, "life 60000 0 2048 2048", LIFE),
    measure("lifecycle", "lwip", LWIP, "life 20000 0", LIFE),
    measure("lifecycle", "gvisor", GVISOR, "life 2000 0", LIFE),
    measure("lifecycle", "kernel", KERNEL, "life 10000", LIFE),
    measure("lifecycle", "floor", FLOOR, "life 200000 0", LIFE),
    measure("lifecycle", "linger", LINGER, "life %N 0", LIFE_COUNTED),
    measure("lifecycle", "smoltcp", SMOLTCP, "life %N 0", LIFE_COUNTED),
    measure("lifecycle", "lwip", LWIP, "life %N 0", LIFE_COUNTED),
    measure("lifecycle", "floor", FLOOR, "life %N 0", LIFE_COUNTED),
    measure("lifecycle", "linger", LINGER, "life 4000 0", LIFE_ALLOCATIONS),
    // The same next to others.
    measure("lifecycle", "smoltcp", SMOLTCP, "life 2000 100", LIFE_100),
    measure("lifecycle", "linger", LINGER, "life 40000 1000", LIFE_1K),
    measure("lifecycle", "smoltcp", SMOLTCP, "life 400 1000", LIFE_1K),
    measure("lifecycle", "lwip", LWIP, "life 4000 1000", LIFE_1K),
    measure("lifecycle", "linger", LINGER, "life 40000 10000", LIFE_10K),
    measure("lifecycle", "smoltcp", SMOLTCP, "life 30 10000", LIFE_10K),
    measure("lifecycle", "lwip", LWIP, "life 400 10000", LIFE_10K),
    measure("lifecycle", "linger", LINGER, "life 60000 100000", LIFE_100K),
    measure("lifecycle", "floor", FLOOR, "life 200000 100000", LIFE_100K),
    measure("lifecycle", "linger", LINGER, "life 60000 1000000", LIFE_1M),
    measure("lifecycle", "floor", FLOOR, "life 200000 1000000", LIFE_1M),
    measure("time_wait", "linger", LINGER, "tw 60000 10000000", LIFE_10M_TIME_WAIT),
    // Small segments.
    measure("segment", "linger", LINGER, "seg 1 200000 same 1", MESSAGE),
    measure("segment", "smoltcp", SMOLTCP, "seg 1 50000", SEG),
    measure("segment", "lwip", LWIP, "seg 1 20000", Yields::Pairs(&[pick("seg_ns", "segment_ns", "ns")])),
    measure(
        "segment",
        "gvisor",
        GVISOR,
        "seg 1 5000",
        Yields::Pairs(&[pick("seg_last_ns", "segment_ns", "ns")]),
    ),
    measure(
        "segment",
        "kernel",
        KERNEL,
        "idle 1",
        Yields::Pairs(&[pick("seg_message_ns", "segment_ns", "ns")]),
    ),
    measure("segment", "floor", FLOOR, "seg 1 1000000 same 1", SEG),
    measure(
        "segment",
        "linger",
        LINGER,
        "seg 1 %N same 1",
        counted("segment_instructions", 5_000, 25_000, 2.2),
    ),
    measure("segment", "smoltcp", SMOLTCP, "seg 1 %N", counted("segment_instructions", 2_000, 12_000, 2.0)),
    measure("segment", "lwip", LWIP, "seg 1 %N", counted("segment_instructions", 2_000, 12_000, 4.0)),
    measure(
        "segment",
        "floor",
        FLOOR,
        "seg 1 %N same 1",
        counted("segment_instructions", 5_000, 25_000, 2.2),
    ),
    measure("segment", "linger", LINGER, "seg 100 20000 random 1", SEG_ALLOCATIONS),
    measure("segment", "linger", LINGER, "seg 1000 200000 same 1", MESSAGE_1K),
    measure("segment", "smoltcp", SMOLTCP, "seg 1000 1000", SEG_1K),
    measure("segment", "linger", LINGER, "seg 1000 200000 random 1", MESSAGE_1K_RANDOM),
    measure(
        "segment",
        "lwip",
        LWIP,
        "seg 1000 4000",
        Yields::Pairs(&[
            pick("seg_ns", "segment_1k_ns", "ns"),
            pick("seg_random_ns", "segment_1k_random_ns", "ns"),
        ]),
    ),
    measure(
        "segment",
        "gvisor",
        GVISOR,
        "seg 1000 5000",
        Yields::Pairs(&[
            pick("seg_last_ns", "segment_1k_ns", "ns"),
            pick("seg_random_ns", "segment_1k_random_ns", "ns"),
        ]),
    ),
    measure(
        "segment",
        "kernel",
        KERNEL,
        "idle 1000",
        Yields::Pairs(&[
            pick("seg_message_ns", "segment_1k_ns", "ns"),
            pick("seg_random_message_ns", "segment_1k_random_ns", "ns"),
        ]),
    ),
    measure("segment", "floor", FLOOR, "seg 1000 500000 random 1", SEG_1K_RANDOM),
    measure("segment", "linger", LINGER, "seg 10000 200000 random 1", MESSAGE_10K_RANDOM),
    measure("segment", "lwip", LWIP, "seg 10000 400", SEG_10K_LWIP),
    measure("segment", "floor", FLOOR, "seg 10000 500000 random 1", SEG_10K_RANDOM),
    measure("segment", "linger", LINGER, "seg 100000 400000 random 1", MESSAGE_100K_RANDOM),
    measure("segment", "floor", FLOOR, "seg 100000 1000000 random 1", SEG_100K_RANDOM),
    measure("segment", "linger", LINGER, "seg 100000 30000 random 16", MESSAGE_100K_BATCH),
    measure("segment", "floor", FLOOR, "seg 100000 100000 random 16", SEG_100K_BATCH),
    measure("segment", "linger", LINGER, "seg 1000000 400000 random 1", MESSAGE_1M_RANDOM),
    measure("segment", "floor", FLOOR, "seg 1000000 1000000 random 1", SEG_1M_RANDOM),
    // Text in one direction.
    measure("bulk", "linger", LINGER, "bulk 1500 on 1024", BULK_1500),
    measure("bulk", "smoltcp", SMOLTCP, "bulk 1500 1 1024 256", BULK_1500),
    measure("bulk", WIDE, SMOLTCP, "bulk 1500 1 1024 1024", BULK_1500),
    measure("bulk", RENO, SMOLTCP, "bulk 1500 1 1024 256 reno", BULK_1500),
    measure("bulk", "lwip", LWIP, "bulk 256", BULK_1500),
    measure("bulk", "gvisor", GVISOR, "bulk 1500 128", GVISOR_BULK_1500),
    measure("bulk", "kernel", KERNEL, "bulk 512 1500", BULK_1500),
    measure("bulk", NO_OFFLOAD, KERNEL, "bulk 512 1500 nooff", BULK_1500),
    measure("bulk", "floor", FLOOR, "bulk 1500 2048", BULK_1500),
    measure("bulk", "linger", LINGER, "bulk 1500 off 1024", BULK_1500_NOCSUM),
    measure("bulk", "smoltcp", SMOLTCP, "bulk 1500 0 1024 256", BULK_1500_NOCSUM),
    measure("bulk", "floor", FLOOR, "bulk0 1500 2048", BULK_1500_NOCSUM),
    measure("bulk", "linger", LINGER, "bulk 65535 on 2048", BULK_64K),
    measure("bulk", "smoltcp", SMOLTCP, "bulk 65535 1 2048 256", BULK_64K),
    measure("bulk", "gvisor", GVISOR, "bulk 65535 256", BULK_64K),
    measure("bulk", "kernel", KERNEL, "bulk 1024 65536", BULK_64K),
    measure("bulk", "floor", FLOOR, "bulk 65535 2048", BULK_64K),
    measure("bulk", "linger", LINGER, "bulk 65535 off 4096", BULK_64K_NOCSUM),
    measure("bulk", "smoltcp", SMOLTCP, "bulk 65535 0 2048 256", BULK_64K_NOCSUM),
    measure("bulk", "floor", FLOOR, "bulk0 65535 4096", BULK_64K_NOCSUM),
    measure(
        "bulk",
        "linger",
        LINGER,
        "bulk 1500 on %N",
        counted("bulk_1500_instructions_per_byte", 16, 64, MIB),
    ),
    measure(
        "bulk",
        "smoltcp",
        SMOLTCP,
        "bulk 1500 1 %N 256",
        counted("bulk_1500_instructions_per_byte", 16, 64, MIB),
    ),
    measure("bulk", "lwip", LWIP, "bulk %N", counted("bulk_1500_instructions_per_byte", 8, 24, MIB)),
    measure("bulk", "floor", FLOOR, "bulk 1500 %N", counted("bulk_1500_instructions_per_byte", 16, 64, MIB)),
    measure(
        "bulk",
        "linger",
        LINGER,
        "bulk 1500 off %N",
        counted("bulk_1500_nocsum_instructions_per_byte", 16, 64, MIB),
    ),
    measure(
        "bulk",
        "smoltcp",
        SMOLTCP,
        "bulk 1500 0 %N 256",
        counted("bulk_1500_nocsum_instructions_per_byte", 16, 64, MIB),
    ),
    measure("bulk", "linger", LINGER, "bulk 1500 on 1024 256 1000", BULK_IDLE_1K),
    measure("bulk", "smoltcp", SMOLTCP, "bulk 1500 1 64 256 none 1000", BULK_IDLE_1K),
    measure("bulk", "linger", LINGER, "bulk 1500 on 1024 256 10000", BULK_IDLE_10K),
    measure("bulk", "linger", LINGER, "bulk 1500 on 1024 256 100000", BULK_IDLE_100K),
    measure("bulk", "linger", LINGER, "bulk 1500 on 1024 256 1000000", BULK_IDLE_1M),
    // What things cost in memory.
    measure("footprint", "linger", LINGER, "mem idle 1000000", IDLE),
    measure("footprint", SMOLTCP_SMALLEST, SMOLTCP, "mem 10000 64 64", IDLE_RESIDENT),
    measure("footprint", SMOLTCP_4K, SMOLTCP, "mem 10000 4096 4096", IDLE_RESIDENT),
    measure("footprint", "lwip", LWIP, "seg 10000 1", IDLE_RESIDENT),
    measure(
        "footprint",
        "gvisor",
        GVISOR,
        "seg 5000 1",
        Yields::Exact(&[pick("heap_per_end", "idle_bytes", "B")]),
    ),
    measure("footprint", "kernel", KERNEL, "idle 9000", IDLE_RESIDENT),
    measure("footprint", "linger", LINGER, "mem half_open 1000000", HALF_OPEN),
    measure("footprint", "linger", LINGER, "mem time_wait_v4 10000000", TIME_WAIT_V4),
    measure("footprint", "linger", LINGER, "mem time_wait_v6 2000000", TIME_WAIT_V6),
    measure("footprint", "lwip", LWIP, "tw 10000", TIME_WAIT_RESIDENT),
    measure(
        "footprint",
        "gvisor",
        GVISOR,
        "tw 10000",
        Yields::Exact(&[pick("heap_per_tw", "time_wait_v4_bytes", "B")]),
    ),
    measure("footprint", "kernel", KERNEL, "tw 200000", KERNEL_OBJECTS),
    // Nothing to do, and much to do at once.
    measure("housekeeping", "linger", LINGER, "housekeeping 0 1000000", QUIET),
    measure("housekeeping", "linger", LINGER, "housekeeping 1000000 1000000", QUIET_1M),
    measure(
        "housekeeping",
        "linger",
        LINGER,
        "housekeeping 0 %N",
        counted("housekeeping_instructions", 1_000, 101_000, 1.0),
    ),
    measure(
        "housekeeping",
        "linger",
        LINGER,
        "housekeeping 1000000 %N",
        counted("housekeeping_1m_instructions", 1_000, 101_000, 1.0),
    ),
    measure(
        "housekeeping",
        "lwip",
        LWIP,
        "seg 10000 1",
        Yields::Pairs(&[pick("slowtmr_ns", "housekeeping_10k_ns", "ns")]),
    ),
    measure("grow", "linger", LINGER, "grow idle 1000000 %C", GROW_IDLE),
    measure("grow", "linger", LINGER, "grow time_wait 10000000 %C", GROW_TIME_WAIT),
    // Part of every figure of linger above.
    measure("carry", "linger", LINGER, "carry %N 84", counted("carry_instructions", 10_000, 30_000, 1.0)),
];

const LIFE_ALLOCATIONS: Yields =
    Yields::Exact(&[pick("life_allocations", "lifecycle_allocations", "allocations")]);
const SEG_ALLOCATIONS: Yields =
    Yields::Exact(&[pick("seg_allocations", "segment_allocations", "allocations")]);
const SEG_10K_LWIP: Yields = Yields::Pairs(&[pick("seg_random_ns", "segment_10k_random_ns", "ns")]);
const GVISOR_BULK_1500: Yields = Yields::Pairs(&[
    pick("bulk_gbps", "bulk_1500_gbps", "Gbit/s"),
    pick("ns_per_byte", "bulk_1500_ns_per_byte", "ns"),
]);
const SMOLTCP_SMALLEST: &str = "smoltcp (64 B buffers)";
const SMOLTCP_4K: &str = "smoltcp (4 KiB buffers)";
const IDLE_RESIDENT: Yields = Yields::Exact(&[pick("bytes", "idle_bytes", "B")]);
const TIME_WAIT_RESIDENT: Yields = Yields::Exact(&[pick("bytes", "time_wait_v4_bytes", "B")]);
const KERNEL_OBJECTS: Yields = Yields::Exact(&[
    pick("time_wait_bytes", "time_wait_v4_bytes", "B"),
    pick("half_open_bytes", "half_open_bytes", "B"),
]);
const QUIET: Yields = Yields::Pairs(&[pick("housekeeping_ns", "housekeeping_ns", "ns")]);
const QUIET_1M: Yields = Yields::Pairs(&[pick("housekeeping_ns", "housekeeping_1m_ns", "ns")]);

const fn ratio(
    metric: &'static str,
    of: (&'static str, &'static str),
    to: (&'static str, &'static str),
) -> Ratio {
    Ratio { metric, subject: "linger", of, to }
}

/// linger against another subject in the same metric.
const fn against(metric: &'static str, of: &'static str, peer: &'static str) -> Ratio {
    ratio(metric, (of, "linger"), (of, peer))
}

const RATIOS: &[Ratio] = &[
    against("lifecycle_rate_to_smoltcp", "lifecycle_rate", "smoltcp"),
    against("lifecycle_rate_to_lwip", "lifecycle_rate", "lwip"),
    against("lifecycle_rate_to_gvisor", "lifecycle_rate", "gvisor"),
    against("lifecycle_rate_to_kernel", "lifecycle_rate", "kernel"),
    against("lifecycle_rate_to_floor", "lifecycle_rate", "floor"),
    ratio("lifecycle_idle_1k_ratio", ("lifecycle_idle_1k_ns", "linger"), ("lifecycle_ns", "linger")),
    ratio("lifecycle_idle_10k_ratio", ("lifecycle_idle_10k_ns", "linger"), ("lifecycle_ns", "linger")),
    ratio("lifecycle_idle_100k_ratio", ("lifecycle_idle_100k_ns", "linger"), ("lifecycle_ns", "linger")),
    ratio("lifecycle_idle_1m_ratio", ("lifecycle_idle_1m_ns", "linger"), ("lifecycle_ns", "linger")),
    ratio(
        "lifecycle_time_wait_10m_ratio",
        ("lifecycle_time_wait_10m_ns", "linger"),
        ("lifecycle_ns", "linger"),
    ),
    ratio("segment_rate_to_smoltcp", ("segment_ns", "smoltcp"), ("segment_ns", "linger")),
    ratio("segment_rate_to_floor", ("segment_ns", "floor"), ("segment_ns", "linger")),
    against("segment_100k_random_to_floor", "segment_100k_random_ns", "floor"),
    against("segment_100k_random_batch_16_to_floor", "segment_100k_random_batch_16_ns", "floor"),
    against("bulk_1500_to_smoltcp", "bulk_1500_gbps", "smoltcp"),
    against("bulk_1500_to_kernel", "bulk_1500_gbps", "kernel"),
    against("bulk_1500_to_floor", "bulk_1500_gbps", "floor"),
    against("bulk_1500_nocsum_to_smoltcp", "bulk_1500_nocsum_gbps", "smoltcp"),
    against("bulk_64k_to_smoltcp", "bulk_64k_gbps", "smoltcp"),
    against("bulk_64k_nocsum_to_smoltcp", "bulk_64k_nocsum_gbps", "smoltcp"),
];
