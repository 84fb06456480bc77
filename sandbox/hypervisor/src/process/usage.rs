//! What processes have used of the machine they run on.

use std::ops::AddAssign;

/// Processor time in ticks of the kernel's, and bytes that went to and from disks: of a process, and of those of its children that it has
/// waited for. So a sum over a tree does not lose what has ended in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) user: u64,
    pub(crate) system: u64,
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl Usage {
    /// What a process has used; nothing if it is gone.
    pub(crate) fn of(pid: i32) -> Self {
        let (user, system) = times(pid).unwrap_or_default();
        let (read, written) = bytes(pid).unwrap_or_default();
        Self { user, system, read, written }
    }

    /// How much more this is than before. Less than before is no more: what used it has ended, and nobody waited for it.
    pub(crate) fn beyond(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.user += other.user;
        self.system += other.system;
        self.read += other.read;
        self.written += other.written;
    }
}

fn times(pid: i32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in parentheses, which may itself hold spaces and parentheses: proc_pid_stat(5) counts from the third field.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(16)?, field(15)? + field(17)?))
}

fn bytes(pid: i32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some((field("read_bytes:")?, field("write_bytes:")?))
}

/// The sockets that a process holds, as the kernel lists them.
pub(crate) fn sockets(pid: i32) -> Vec<u64> {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let targets = descriptors.flatten().filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    targets.filter_map(|target| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}
