//! Callgrind counts from here to there.

/// Does `work`, and has callgrind count nothing else, when it was started with `--instr-atstart=no`. Without callgrind it
/// just does the work.
pub fn counted_alone<T>(work: impl FnOnce() -> T) -> T {
    request(START);
    let result = work();
    request(STOP);
    result
}

/// `CALLGRIND_START_INSTRUMENTATION` and `CALLGRIND_STOP_INSTRUMENTATION` of valgrind's `callgrind.h`.
const START: u64 = 0x4354_0004;
const STOP: u64 = 0x4354_0005;

#[cfg(target_arch = "x86_64")]
fn request(code: u64) {
    let block = [code, 0, 0, 0, 0, 0];
    // SAFETY: the sequence that valgrind takes for a request to itself; a processor turns a register once around, which
    // changes nothing, and exchanges another with itself. Valgrind reads the block and writes the register of the answer.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") &raw const block,
            inout("rdx") 0_u64 => _,
            options(nostack),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_: u64) {}
