//! An axum application on linger, for the tests: `axum_service [--close] [--msl MILLISECONDS]
//! [--bad-link SEED]`.
//!
//! It opens the TUN, says `opened`, and waits for `serve` on its standard input. Afterwards each line `report` there is
//! answered by one line that says what the stack and the runtime hold. It ends with its standard input.
#![forbid(unsafe_code)]

use interop::service::{PORT, report, router};
use interop::stack::{interface_config, open_tun};
use linger::Net;
use linger_device::{Impaired, Impairment};
use linger_proto::HostConfig;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

struct Options {
    closes: bool,
    bad_link: Option<u64>,
    config: HostConfig,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { closes: false, bad_link: None, config: HostConfig::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--close" => options.closes = true,
            "--msl" => {
                let millis = words.next().ok_or("--msl needs a number of milliseconds")?.parse()?;
                options.config.tcp.msl = Duration::from_millis(millis);
            }
            "--bad-link" => options.bad_link = Some(words.next().ok_or("--bad-link needs a seed")?.parse()?),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let tun = open_tun();
    println!("opened");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    wait_for(&mut lines, "serve").await?;
    let builder = Net::builder().config(options.config);
    let net = match options.bad_link {
        None => builder.interface(tun, interface_config()),
        Some(seed) => builder.interface(Impaired::new(tun, seed, bad(), bad()), interface_config()),
    }
    .spawn()?;
    for address in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
        let listener = net.listen((address, PORT)).await?;
        tokio::spawn(axum::serve(listener, router(options.closes)).into_future());
    }
    println!("serving");
    while wait_for(&mut lines, "report").await.is_ok() {
        println!("{}", report(&net, tokio::runtime::Handle::current().metrics().num_alive_tasks()));
    }
    Ok(())
}

/// What a bad link does to packets, each way.
fn bad() -> Impairment {
    Impairment { loss: 0.01, duplicate: 0.01, reorder: 0.05, ..Impairment::default() }
}

/// Waits for a line; an error at the end of input.
async fn wait_for(lines: &mut Lines<BufReader<Stdin>>, wanted: &str) -> Result<(), Box<dyn Error>> {
    while let Some(line) = lines.next_line().await? {
        if line.trim() == wanted {
            return Ok(());
        }
    }
    Err(format!("no {wanted} before the end of input").into())
}
