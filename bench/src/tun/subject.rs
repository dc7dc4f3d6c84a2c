//! Who is measured: a server, started in network namespaces that live as long as it does.

use super::load;
use super::{KERNEL, PREFIX, STACK};
use interop::Namespace;
use interop::namespace::join;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Stdio};
use std::str::FromStr;

/// Where a server is, seen from its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Behind a TUN that it makes itself.
    Tun,
    /// In the same namespace, on the kernel's loopback.
    Loopback,
    /// In the kernel of another namespace, at the end of a veth cable.
    Veth,
}

/// A server to be measured: `NAME:PLACE:COMMAND` in words, the command with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// What it is called in the results.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// The program and its arguments.
    pub command: Vec<String>,
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(place), Some(command)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("`{text}` is not NAME:PLACE:COMMAND"));
        };
        let place = match place {
            "tun" => Place::Tun,
            "loopback" => Place::Loopback,
            "veth" => Place::Veth,
            other => return Err(format!("`{other}` is no place: tun, loopback or veth")),
        };
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if command.is_empty() {
            return Err(format!("`{text}` names no program"));
        }
        Ok(Self { name: name.to_owned(), place, command })
    }
}

/// A subject at work. Dropping it ends the server and deletes the namespaces.
#[derive(Debug)]
pub struct Server {
    child: Child,
    client: Namespace,
    /// Where the server is, if not with the client.
    _far: Option<Namespace>,
    address: IpAddr,
}

impl Server {
    /// Makes the namespaces, starts the server, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start or does not answer within ten seconds.
    pub fn start(subject: &Subject) -> io::Result<Self> {
        let client = Namespace::new();
        prepare(&client);
        let (far, address) = match subject.place {
            Place::Tun => (None, STACK),
            Place::Loopback => (None, IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Place::Veth => (Some(cable(&client)), STACK),
        };
        let (program, arguments) = subject.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = far.as_ref().unwrap_or(&client).command(program);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let server = Self { child, client, _far: far, address };
        load::wait_for(&server.client, address).map_err(|error| {
            io::Error::new(error.kind(), format!("{} does not answer: {error}", subject.name))
        })?;
        Ok(server)
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its clients are.
    pub fn client(&self) -> &Namespace {
        &self.client
    }

    /// Where it listens.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Room for many short connections of the kernel's, as much for every subject.
fn prepare(namespace: &Namespace) {
    namespace.sysctl("net.ipv4.ip_local_port_range", "1024 65000");
    namespace.sysctl("net.ipv4.tcp_tw_reuse", "1");
    // No solicitation of routers that are not there.
    namespace.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
}

/// Another namespace behind a cable.
fn cable(client: &Namespace) -> Namespace {
    let far = Namespace::new();
    prepare(&far);
    join(client, &far, "cable");
    client.ip(&format!("addr add {KERNEL}/{PREFIX} dev cable"));
    far.ip(&format!("addr add {STACK}/{PREFIX} dev cable"));
    far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_name_a_place_and_a_command() {
        let subject: Subject = "smoltcp:tun:/bin/smol_tun 1500 256 vnet".parse().expect("a subject");
        assert_eq!((subject.name.as_str(), subject.place), ("smoltcp", Place::Tun));
        assert_eq!(subject.command, ["/bin/smol_tun", "1500", "256", "vnet"]);
        for wrong in ["smoltcp", "a:b", "a:moon:x", "a:tun:  "] {
            assert!(wrong.parse::<Subject>().is_err(), "{wrong}");
        }
    }
}
