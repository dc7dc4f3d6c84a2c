//! Proof that linger-proto needs no std: a program without std that links it, with a panic handler and an allocator
//! of its own. If anything the core reaches linked std, rustc would refuse the second panic handler.
//!
//! Its exit status is zero when the two hosts of `scene` opened, spoke, closed and forgot each other as they should.
//! `cargo xtask proof` builds and runs it: alone, because features unify over the packages of one command.
//!
//! Beside `linger-device` this is the only place where `unsafe` is allowed: a global allocator and exported names
//! cannot do without.
#![no_std]
#![no_main]

mod heap;

use core::panic::PanicInfo;

// The start-up code of C calls `main`; nothing else is taken from there.
#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it takes nothing and does not return.
    unsafe { abort() }
}

/// The compiled `core` names it for unwinding, which this program never does.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Zero when everything was as it should be, else the number of the step that was not: see [`proof::Step`].
#[unsafe(no_mangle)]
extern "C" fn linger_proof() -> u32 {
    match proof::play() {
        Ok(()) => 0,
        Err(step) => step as u32,
    }
}

/// Where C begins.
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    i32::try_from(linger_proof()).unwrap_or(i32::MAX)
}
