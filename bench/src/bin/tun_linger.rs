//! The small server on linger behind a TUN with offload: `tun_linger [plain]`. Run it in a network namespace of its own.
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    let plain = std::env::args().nth(1).is_some_and(|word| word == "plain");
    bench::tun::respond(!plain)
}
