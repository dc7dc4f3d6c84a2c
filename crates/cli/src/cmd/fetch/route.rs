//! Whether the kernel will carry us to an address: told beforehand instead of after a timeout.

use super::url::Url;
use crate::args::LinkArgs;
use crate::error::{Error, Result, plain};
use crate::link::Link;
use crate::netlink::Netlink;
use std::net::{IpAddr, SocketAddr};

/// Loopback addresses never come through a link: the kernel throws such packets away as martians.
pub(super) fn refuse_loopback(url: &Url, link: &LinkArgs) -> Result {
    let is_loopback = match url.literal() {
        Some(address) => address.is_loopback(),
        None => url.host() == "localhost" || url.host().ends_with(".localhost"),
    };
    if !is_loopback {
        return Ok(());
    }
    let end = link.address.iter().find_map(|prefix| prefix.other());
    let end = end.unwrap_or(IpAddr::from([10, 7, 1, 1]));
    let port = if url.port() == 80 { String::new() } else { format!(":{}", url.port()) };
    let host = if end.is_ipv6() { format!("[{end}]") } else { end.to_string() };
    Err(Error::usage(format!(
        "{} cannot be reached through a link; use the kernel's end of it, http://{host}{port}{}, \
         and a server that listens on every address",
        url.host(),
        url.path()
    )))
}

/// The addresses of the URL's host that we can try, in the resolver's order.
pub(super) async fn resolve(url: &Url, link: &Link) -> Result<Vec<SocketAddr>> {
    let all = match url.literal() {
        Some(address) => vec![SocketAddr::new(address, url.port())],
        None => look_up(url).await?,
    };
    let have = |v4: bool| link.ours().iter().any(|prefix| prefix.address.is_ipv4() == v4);
    let family: Vec<_> = all.iter().copied().filter(|remote| have(remote.is_ipv4())).collect();
    if family.is_empty() {
        let wanted = if all.iter().all(SocketAddr::is_ipv6) { "IPv6" } else { "IPv4" };
        return Err(Error::usage(format!(
            "{} has only {wanted} addresses and this end has none; give one with --address",
            url.host()
        )));
    }
    let mut reachable = Vec::new();
    let mut objection = None;
    for remote in family {
        match objection_to(remote.ip(), link) {
            None => reachable.push(remote),
            Some(why) => objection = objection.or(Some(why)),
        }
    }
    match objection {
        Some(why) if reachable.is_empty() => Err(Error::failed(why)),
        _ => Ok(reachable),
    }
}

async fn look_up(url: &Url) -> Result<Vec<SocketAddr>> {
    let host = url.host();
    let found = tokio::net::lookup_host((host, url.port())).await;
    let found: Vec<_> = found
        .map_err(|error| Error::failed(format!("cannot resolve '{host}': {}", resolver_said(&error))))?
        .filter(|address| !address.ip().is_loopback())
        .collect();
    if found.is_empty() {
        return Err(Error::failed(format!("'{host}' has no address outside this machine's loopback")));
    }
    Ok(found)
}

fn resolver_said(error: &std::io::Error) -> String {
    let text = plain(error);
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_lowercase()
}

/// Why packets from our link would not get to `address`, as far as the kernel can tell now.
fn objection_to(address: IpAddr, link: &Link) -> Option<String> {
    let mut netlink = Netlink::open().ok()?;
    match netlink.is_local(address) {
        Ok(true) => None,
        Ok(false) if forwards(address, link.name()) => None,
        Ok(false) => {
            let switch =
                if address.is_ipv4() { "net.ipv4.ip_forward" } else { "net.ipv6.conf.all.forwarding" };
            Some(format!(
                "cannot reach {address}: it is not an address of this machine, and the kernel does not forward \
                 packets (sysctl {switch}=1, with NAT towards the Internet)"
            ))
        }
        Err(error) => Some(format!("cannot reach {address}: {}", plain(&error))),
    }
}

/// Whether the kernel forwards what comes from our link.
fn forwards(address: IpAddr, link: &str) -> bool {
    let file = match address {
        IpAddr::V4(_) => format!("/proc/sys/net/ipv4/conf/{link}/forwarding"),
        IpAddr::V6(_) => "/proc/sys/net/ipv6/conf/all/forwarding".to_owned(),
    };
    std::fs::read_to_string(file).is_ok_and(|value| value.trim() != "0")
}
