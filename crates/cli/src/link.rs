//! A TUN link into this process: the device, and the kernel's end of it.

use crate::error::{Error, Result, plain};
use crate::netlink::{Assigned, Netlink};
use crate::prefix::Prefix;
use linger_device::{Tun, TunError};
use std::io;
use std::time::{Duration, Instant};

/// Prefixes tried where any will do: 10.7.N.0/24 and fd07:0:0:N::/64.
const FREE: std::ops::RangeInclusive<u8> = 1..=254;

/// Names tried where any will do: linger0, linger1, ...
const NAMES: u16 = 256;

/// How long the kernel may take to answer for a new address, and how often it is asked. It needs about a millisecond.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(1);
const ADDRESS_POLL: Duration = Duration::from_micros(200);

/// Which addresses our end of a link has.
#[derive(Clone, Debug)]
pub(crate) enum Ours {
    /// These, as the user said.
    Given(Vec<Prefix>),
    /// These unless the user said otherwise; IPv6 is left out where the kernel has it switched off.
    Usual(Vec<Prefix>),
    /// Any prefix that nobody uses: 10.7.N.2/24 and fd07:0:0:N::2/64.
    Free,
    /// These, alone in a network namespace: the kernel knows the way to them and to nothing else, so that every other
    /// destination is unreachable at once instead of after a timeout.
    Alone(Vec<Prefix>),
}

impl Ours {
    /// The user's addresses, or `usual` where none were given.
    pub(crate) fn given_or(given: &[Prefix], usual: &[Prefix]) -> Self {
        if given.is_empty() { Self::Usual(usual.to_vec()) } else { Self::Given(given.to_vec()) }
    }

    /// The user's addresses, or a free prefix where none were given.
    pub(crate) fn given_or_free(given: &[Prefix]) -> Self {
        if given.is_empty() { Self::Free } else { Self::Given(given.to_vec()) }
    }
}

/// The kernel's end of a TUN device: it has its addresses and is up. Dropped, it takes away what it added.
pub(crate) struct Link {
    name: String,
    index: u32,
    ours: Vec<Prefix>,
    added: Vec<Prefix>,
}

impl Link {
    /// Makes the device and gives the kernel's end the first other address of each prefix. Needs a runtime.
    pub(crate) fn open(name: Option<&str>, ours: Ours) -> Result<(Self, Tun)> {
        let mut netlink = Netlink::open().map_err(|error| {
            Error::usage(format!("cannot talk to the kernel by rtnetlink: {}", plain(&error)))
        })?;
        // Told before the device is made, since it is told most clearly then.
        if let Ours::Given(prefixes) | Ours::Usual(prefixes) = &ours {
            refuse_single(prefixes)?;
            refuse_taken(&mut netlink, prefixes, name)?;
        }
        let tun = open_tun(name)?;
        let name = tun.name().to_owned();
        let index = nix::net::if_::if_nametoindex(name.as_str()).map_err(|errno| {
            Error::usage(format!("the interface {name} is gone: {}", plain(&errno.into())))
        })?;
        let mut link = Self { name, index, ours: Vec::new(), added: Vec::new() };
        // A kernel without this switch only costs a few packets.
        let _ = netlink.no_link_local(link.index);
        match ours {
            Ours::Given(prefixes) => link.take_all(&mut netlink, &prefixes, false)?,
            Ours::Usual(prefixes) => link.take_all(&mut netlink, &prefixes, true)?,
            Ours::Free => link.take_free(&mut netlink)?,
            Ours::Alone(prefixes) => return link.alone(&mut netlink, &prefixes).map(|()| (link, tun)),
        }
        link.switch_on(&mut netlink)?;
        Ok((link, tun))
    }

    /// The device's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Our addresses.
    pub(crate) fn ours(&self) -> &[Prefix] {
        &self.ours
    }

    /// Takes every prefix; with `optional_v6`, goes without IPv6 where the kernel does.
    fn take_all(&mut self, netlink: &mut Netlink, prefixes: &[Prefix], optional_v6: bool) -> Result {
        for &prefix in prefixes {
            match self.take(netlink, prefix) {
                Err(error) if optional_v6 && prefix.address.is_ipv6() && lacks_v6(&error) => {}
                taken => taken.map_err(|error| self.cannot("give an address to", &error))?,
            }
        }
        Ok(())
    }

    /// Takes the first pair of prefixes that nobody uses, this one included once it is taken: two processes that
    /// choose at the same moment find each other out.
    fn take_free(&mut self, netlink: &mut Netlink) -> Result {
        for n in FREE {
            let pair = [Prefix::v4(10, 7, n, 2, 24), Prefix::v6(0xfd07, u16::from(n), 2, 64)];
            if !self.others(netlink)?.iter().any(|other| pair.iter().any(|p| p.overlaps(&other.prefix))) {
                self.take_all(netlink, &pair, true)?;
                let lost = |other: &Assigned| other.index < self.index && pair[0].overlaps(&other.prefix);
                if !self.others(netlink)?.iter().any(lost) {
                    return Ok(());
                }
                self.give_back(netlink);
            }
        }
        Err(Error::usage("every network 10.7.N.0/24 is in use on this machine; choose one with --address"))
    }

    /// The only link of a network namespace: addresses without their prefixes, and a way to ours.
    fn alone(&mut self, netlink: &mut Netlink, prefixes: &[Prefix]) -> Result {
        let mut routes = Vec::new();
        for &prefix in prefixes {
            let Some(kernel) = kernel_end(prefix) else { continue };
            match netlink.add_lone_address(self.index, kernel) {
                Ok(()) => {
                    self.ours.push(prefix);
                    routes.push(prefix.address);
                }
                Err(error) if prefix.address.is_ipv6() && lacks_v6(&error) => {}
                Err(error) => return Err(self.cannot("give an address to", &error)),
            }
        }
        self.switch_on(netlink)?;
        for to in routes {
            netlink.add_host_route(self.index, to).map_err(|error| self.cannot("route through", &error))?;
        }
        Ok(())
    }

    /// Gives the kernel's end its address in this prefix. One that it has already is fine: a device prepared by an
    /// administrator comes so.
    fn take(&mut self, netlink: &mut Netlink, prefix: Prefix) -> io::Result<()> {
        let Some(kernel) = kernel_end(prefix) else { return Ok(()) };
        let mine = Assigned { index: self.index, prefix: kernel };
        if !netlink.addresses()?.contains(&mine) {
            netlink.add_address(self.index, kernel)?;
            self.added.push(kernel);
        }
        self.ours.push(prefix);
        Ok(())
    }

    fn give_back(&mut self, netlink: &mut Netlink) {
        for prefix in self.added.drain(..) {
            // Where the device has gone, its addresses have gone with it.
            let _ = netlink.remove_address(self.index, prefix);
        }
        self.ours.clear();
    }

    /// Switches the link on and waits until the kernel answers for its addresses: it takes up IPv6 ones in the
    /// background, and a SYN that came before would be lost.
    fn switch_on(&self, netlink: &mut Netlink) -> Result {
        // A prepared device is on already, and its user may not switch it.
        if !netlink.is_up(self.index).unwrap_or(false) {
            netlink.set_up(self.index).map_err(|error| self.cannot("switch on", &error))?;
        }
        let began = Instant::now();
        for kernel in self.ours.iter().filter_map(Prefix::other) {
            while !netlink.is_local(kernel).unwrap_or(false) && began.elapsed() < ADDRESS_PATIENCE {
                std::thread::sleep(ADDRESS_POLL);
            }
        }
        Ok(())
    }

    /// Addresses of the other interfaces.
    fn others(&self, netlink: &mut Netlink) -> Result<Vec<Assigned>> {
        let mut all =
            netlink.addresses().map_err(|error| self.cannot("read the addresses beside", &error))?;
        all.retain(|assigned| assigned.index != self.index);
        Ok(all)
    }

    fn cannot(&self, what: &str, error: &io::Error) -> Error {
        let name = &self.name;
        let why = plain(error);
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "; run as root, or have it prepared: ip addr add ... and ip link set up"
            }
            _ => "",
        };
        Error::usage(format!("cannot {what} {name}: {why}{help}"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A device of our own goes with the process; one that was prepared beforehand stays, without our addresses.
        if let (false, Ok(mut netlink)) = (self.added.is_empty(), Netlink::open()) {
            self.give_back(&mut netlink);
        }
    }
}

/// Makes the device: under this name, or under the first free `lingerN`. It stays down until it has its addresses.
fn open_tun(name: Option<&str>) -> Result<Tun> {
    let open = |name: &str| Tun::builder().name(name).up(false).open();
    let told = |error: TunError| Error::usage(error.to_string());
    if let Some(name) = name {
        return open(name).map_err(told);
    }
    let free = |name: &String| nix::net::if_::if_nametoindex(name.as_str()).is_err();
    for name in (0..NAMES).map(|n| format!("linger{n}")).filter(free) {
        match open(&name) {
            // Somebody else was quicker.
            Err(TunError::Busy { .. }) => {}
            opened => return opened.map_err(told),
        }
    }
    Err(Error::usage("every interface from linger0 to linger255 exists already; choose a name with --tun"))
}

/// The kernel's address in a prefix of ours.
fn kernel_end(prefix: Prefix) -> Option<Prefix> {
    prefix.other().map(|address| Prefix { address, ..prefix })
}

/// The kernel's end of a link needs an address too.
fn refuse_single(prefixes: &[Prefix]) -> Result {
    match prefixes.iter().find(|prefix| prefix.other().is_none()) {
        None => Ok(()),
        Some(prefix) => Err(Error::usage(format!(
            "--address {prefix} leaves no address for the kernel's end of the link; use a shorter prefix, \
             such as /24 or /64"
        ))),
    }
}

/// Two links with the same addresses would both be half reachable: whoever comes second is told.
fn refuse_taken(netlink: &mut Netlink, prefixes: &[Prefix], name: Option<&str>) -> Result {
    let assigned = netlink
        .addresses()
        .map_err(|error| Error::usage(format!("cannot read this machine's addresses: {}", plain(&error))))?;
    for prefix in prefixes {
        let taken = assigned.iter().find(|other| other.prefix.overlaps(prefix));
        if let Some(taken) =
            taken.filter(|taken| name.is_none() || interface_name(taken.index).as_deref() != name)
        {
            let (network, holder) = (prefix.network_name(), interface_name(taken.index).unwrap_or_default());
            return Err(Error::usage(format!(
                "address in use: {network} belongs to interface {holder} ({}); choose another with --address",
                taken.prefix
            )));
        }
    }
    Ok(())
}

fn interface_name(index: u32) -> Option<String> {
    nix::net::if_::if_indextoname(index).ok()?.into_string().ok()
}

/// IPv6 is not compiled in, switched off by `disable_ipv6`, or left out of a device prepared by somebody else.
fn lacks_v6(error: &io::Error) -> bool {
    use nix::libc::{EACCES, EAFNOSUPPORT, EOPNOTSUPP, EPERM};
    let codes = [EACCES, EAFNOSUPPORT, EOPNOTSUPP, EPERM];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}
