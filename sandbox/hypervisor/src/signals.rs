//! What machines do not inherit of whoever runs them.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// The signals that something in front of a program may have it ignore: `nohup` the first, a shell that starts it in the background the others.
const OFTEN_IGNORED: [SignalKind; 3] = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];

/// Has machines know signals that this process ignores: what is ignored is inherited, and then no terminal in a machine could be hung up. What
/// is caught is not inherited, and what is caught and dropped is as good as ignored.
pub(crate) fn uninherit_ignored() -> io::Result<()> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status")?);
    for kind in OFTEN_IGNORED.into_iter().filter(|kind| ignored & (1 << (kind.as_raw_value() - 1)) != 0) {
        // Once it is caught it stays so, whether anybody waits for it or not.
        drop(signal(kind)?);
    }
    Ok(())
}

/// The signals that a process ignores, one bit each, the lowest for signal 1 (proc_pid_status(5), `SigIgn`).
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
