//! Connections, as `/proc/net/tcp` and `/proc/net/tcp6` tell them (the kernel's Documentation/networking/proc_net_tcp.rst).

use std::collections::BTreeSet;

/// The state of a connection over which both sides can speak.
const ESTABLISHED: &str = "01";

/// Reads one of the two lists: the own ports to which somebody is connected, from loopback too, for that is where tunnels end.
pub(super) fn read(text: &str) -> Result<BTreeSet<u32>, String> {
    let mut ports = BTreeSet::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1).and_then(|address| u32::from_str_radix(address.rsplit_once(':')?.1, 16).ok());
        match (local, fields.nth(1)) {
            (Some(port), Some(state)) => drop((state == ESTABLISHED).then(|| ports.insert(port))),
            _ => return Err(format!("a line is no connection: {line:?}")),
        }
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n";

    #[test]
    fn only_established_connections_to_own_ports_count() {
        for (what, line, port) in [
            ("listening", "   0: 00000000:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 489 1", None),
            ("established", "   1: 0100007F:22B8 0100007F:D02E 01 00000000:00000000 00:00000000 00000000     0        0 490 1", Some(8888)),
            (
                "the other end",
                "   2: 020200C0:D02E 507100CB:22B8 01 00000000:00000000 02:00000A2B 00000000     0        0 491 2",
                Some(53294),
            ),
            ("over", "   3: 0100007F:22B8 0100007F:D02E 06 00000000:00000000 03:00000A2B 00000000     0        0 0 3", None),
            (
                "IPv6",
                "   0: 0000000000000000FFFF00000100007F:22B8 0000000000000000FFFF00000100007F:D030 01 00000000:00000000 00:00000000 00000000  1000 0 492 1",
                Some(8888),
            ),
        ] {
            assert_eq!(read(&format!("{HEADING}{line}\n")), Ok(port.into_iter().collect()), "{what}");
        }
        assert_eq!(read(HEADING), Ok(BTreeSet::new()));
        assert!(read(&format!("{HEADING}   0: nonsense\n")).is_err());
    }
}
