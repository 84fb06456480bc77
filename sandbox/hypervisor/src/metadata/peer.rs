//! Who is at the other end of a loopback connection.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::process::Table;

/// Whether the connection is held by a process of the machine, and by none that is denied the service. Blocking.
///
/// What cannot be found out is refused: the process may have ended, and then nobody waits for an answer.
pub(crate) fn is_admitted(table: &Table, machine: &str, peer: SocketAddr, local: SocketAddr) -> bool {
    let Some(inode) = inode(peer, local) else { return false };
    let socket = format!("socket:[{inode}]");
    let mut admitted = false;
    for process in table.scan().into_iter().filter(|process| &*process.owner.machine == machine) {
        if holds(process.pid, &socket) {
            // A socket may be shared with children; one that is denied it is enough.
            if process.owner.metadata_denied {
                return false;
            }
            admitted = true;
        }
    }
    admitted
}

fn holds(pid: i32, socket: &str) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.flatten().any(|descriptor| std::fs::read_link(descriptor.path()).is_ok_and(|target| target == Path::new(socket)))
}

/// The inode of the socket at the other end, from the kernel's list of connections.
fn inode(peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    let wanted = [(kernel_address(peer)?, kernel_address(local)?), (mapped_address(peer)?, mapped_address(local)?)];
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|list| {
        let text = std::fs::read_to_string(list).ok()?;
        text.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let found = wanted.iter().any(|(from, to)| fields.get(1) == Some(&from.as_str()) && fields.get(2) == Some(&to.as_str()));
            if found { fields.get(9)?.parse().ok() } else { None }
        })
    })
}

/// An address as the kernel lists it: the words of the address in the host's byte order, and the port, in hexadecimal.
fn kernel_address(address: SocketAddr) -> Option<String> {
    match address.ip() {
        IpAddr::V4(ip) => Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port())),
        IpAddr::V6(_) => None,
    }
}

/// The same for a client whose socket speaks IPv6 to an IPv4 address.
fn mapped_address(address: SocketAddr) -> Option<String> {
    let prefix = format!("{:08X}{:08X}{:08X}", 0, 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]));
    kernel_address(address).map(|address| prefix + &address)
}
