//! Proof that a process lives, and the look at another's.

use jiff::Timestamp;
use spawn_model::record::Heartbeat;

/// A heartbeat is stale after this many seconds without a beat.
pub const STALE_S: i64 = 30;

/// Seconds between beats: three may be lost.
pub const BEAT_S: u64 = 8;

/// This process's sign of life at `now`.
#[must_use]
pub fn heartbeat(now: Timestamp) -> Heartbeat {
    let pid = std::process::id();
    Heartbeat { at: now, boot_id: host(), pid, start_ticks: start_ticks(pid).unwrap_or_default() }
}

/// Whether two signs of life are of one process.
#[must_use]
pub fn is_same(one: &Heartbeat, other: &Heartbeat) -> bool {
    (&one.boot_id, one.pid, one.start_ticks) == (&other.boot_id, other.pid, other.start_ticks)
}

/// Whether the process behind a heartbeat is surely gone, or has been silent for too long.
#[must_use]
pub fn is_dead(heartbeat: &Heartbeat, now: Timestamp) -> bool {
    let silent_s = now.as_second() - heartbeat.at.as_second();
    silent_s > STALE_S || (heartbeat.boot_id == host() && start_ticks(heartbeat.pid) != Some(heartbeat.start_ticks))
}

/// The kernel's boot id and the PID namespace: only within both does a pid mean the same process.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").map(|path| path.display().to_string()).unwrap_or_default();
    format!("{} {namespace}", boot.trim())
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)), counted after the command's closing parenthesis because the command may hold
/// spaces. Nothing for a process that is gone, or is a zombie: that one will do no more.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_time_is_not() {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let mine = heartbeat(now);
        assert!(!is_dead(&mine, now));
        assert!(is_dead(&Heartbeat { start_ticks: mine.start_ticks + 1, ..mine.clone() }, now));
        assert!(is_dead(&mine, now + jiff::SignedDuration::from_secs(STALE_S + 1)));
        let elsewhere = Heartbeat { boot_id: "another host".into(), pid: 1, start_ticks: 7, at: now };
        assert!(!is_dead(&elsewhere, now));
    }
}
