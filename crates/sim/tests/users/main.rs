//! What broke for the users of other stacks, each as a test: real bugs, with where they were reported.
//!
//! | what must hold | from | test |
//! |---|---|---|
//! | ten processes connect, ask and close 10,000 times each: no RST, every reply a 200 | tailscale-rs #28 | `interop/tests/interop/storm.rs` |
//! | the peer's FIN while the application is idle: the slot is back within an RTO, 10,000 times | microsandbox #1180, smolvm #944 | `slots` |
//! | a client that half-closes and waits gets the whole reply, and both directions end | EasyTier #2569, keploy #4538 | `slots` |
//! | a peer in CLOSE-WAIT in the accept queue: its text, then the end | tailscale-rs #200 | `slots` |
//! | one SYN that is never acknowledged: the listener takes others, the half-open entry expires | memberlist #166, gVisor #11535 | `slots` |
//! | a new SYN on a tuple in TIME-WAIT is taken, not dropped | asterinas #1531, nanos lwip #10 | `again` |
//! | three runs of wrk without keep-alive in a row: none costs more than the first | unikraft lib-lwip #74 | `interop/tests/interop/load.rs` |
//! | close with text queued against a closed window: leaves ESTABLISHED at once, ends by the orphan timeout | gVisor #13393 | `crates/sim/tests/nouns/closing.rs` |
//! | text for a stream that was closed: RST | DragonOS #1900 | `slots` |
//! | no timer but 2*MSL in TIME-WAIT | gVisor #7617 | `again` |
//! | beyond the window, a window that shrinks, ISN 0x8000_0000, numbers that wrap: no panic | smoltcp #1048, #489, #1136 | `numbers` |
//! | timestamps agreed on, then a segment without: a rule, and a count | gVisor #11536 | `numbers` |
//! | MSS 517; a buffer of one MTU with Nagle: no stall | tailscale #6730, asterinas #1396 | `numbers` |
//! | connect, request, response, close in a loop (`TCP_CRR`): no reset | podman #29731 | `again` |
//! | 40,000 idle connections cost a busy one nothing | smoltcp #934 | `bench/tests/idle.rs` |
//! | dropping the whole stack frees all tasks and descriptors | wireguard-go #101, sing-tun #85 | `interop/tests/interop/users.rs` |

mod again;
#[path = "../nouns/forge.rs"]
#[allow(dead_code, reason = "shared with the tests of nouns, which use all of it")]
mod forge;
mod numbers;
mod slots;
#[path = "../nouns/world.rs"]
#[allow(dead_code, reason = "shared with the tests of nouns, which use all of it")]
mod world;
