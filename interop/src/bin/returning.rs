//! A client of the kernel that comes back from the same port at once: `returning COUNT`, with `tcp_timestamps` 0, 1 and
//! 2, over IPv4 and IPv6. Needs root. The tests do the same a few thousand times.
//!
//! Prints a line for each and exits with zero when no SYN was refused.
#![forbid(unsafe_code)]

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [count] = words.as_slice() else { return Err("usage: returning COUNT".into()) };
    let count: u32 = count.parse()?;
    let mut refused = 0;
    for timestamps in 0..=2 {
        for v6 in [false, true] {
            let outcome = interop::returning::returning(timestamps, v6, count);
            let family = if v6 { "IPv6" } else { "IPv4" };
            let counters = &outcome.counters;
            println!(
                "tcp_timestamps={timestamps} {family}: {} reopened, {} refused, slowest connect {:?}",
                counters.reopened, counters.syn_refused, outcome.slowest
            );
            // A connect that takes long although nobody refused it: who lost what?
            if !outcome.slow.is_empty() || counters.drops.total() > 0 {
                let drops: Vec<_> = counters.drops.iter().filter(|(_, count)| *count > 0).collect();
                println!("  slow: {:?}\n  dropped: {drops:?}\n  kernel: {:?}", outcome.slow, outcome.kernel);
            }
            refused += counters.syn_refused;
        }
    }
    if refused == 0 { Ok(()) } else { Err(format!("{refused} SYNs were refused").into()) }
}
