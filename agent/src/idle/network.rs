//! Network traffic, as `/proc/net/dev` tells it (proc_net(5)).

use super::counters::Counters;

/// Reads `/proc/net/dev`: bytes received and bytes sent by each interface, whatever it is called. Loopback is none: what goes over it is
/// work of processes on this machine, and they are seen by what they do.
pub(super) fn read(text: &str) -> Result<Counters, String> {
    let mut counters = Counters::new();
    for (name, rest) in text.lines().filter_map(|line| line.trim_start().rsplit_once(':')).filter(|(name, _)| *name != "lo") {
        let (received, sent) = bytes(rest).ok_or_else(|| unlike(name, rest))?;
        // Apart, because each of them may run over.
        counters.extend([(format!("{name} received"), received), (format!("{name} sent"), sent)]);
    }
    Ok(counters)
}

fn bytes(rest: &str) -> Option<(u64, u64)> {
    let mut fields = rest.split_whitespace().map(str::parse);
    Some((fields.next()?.ok()?, fields.nth(7)?.ok()?))
}

fn unlike(name: &str, rest: &str) -> String {
    format!("the line of {name} has not the counters that it should: {rest:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_counts_but_loopback() {
        let heading = "Inter-|   Receive                                                |  Transmit\n \
                       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
        for name in ["eth0", "ens5", "enX0", "enp39s0", "wg-home", "veth1.2"] {
            // Kernels before 2.6.39 left no space after the colon once the number was long.
            for gap in [": ", ":"] {
                let lines = format!("    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  {name}{gap}100 1 0 0 0 0 0 0 23 1 0 0 0 0 0 0\n");
                let found = read(&format!("{heading}{lines}")).unwrap();
                assert_eq!(found, Counters::from([(format!("{name} received"), 100), (format!("{name} sent"), 23)]));
            }
        }
        assert_eq!(read(heading), Ok(Counters::new()));
    }

    #[test]
    fn a_line_that_is_something_else_is_said() {
        for line in ["eth0: 1 2 3", "eth0: a 1 0 0 0 0 0 0 23", "eth0:"] {
            assert!(read(line).is_err_and(|problem| problem.contains("eth0")), "{line}");
        }
    }
}
