//! What the kernel tells about a machine: a tree of files like `/proc`, and devices, in which time goes on.
//!
//! Written from the manual pages proc_stat(5), proc_pid_stat(5), proc_net(5) and the kernel's Documentation/admin-guide/iostats.rst.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the files are written anew.
const EVERY: Duration = Duration::from_millis(50);
/// Ticks in a second.
const TICKS: f64 = 100.0;
const INTERFACES: &str = "Inter-|   Receive                                                |  Transmit\n \
     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
     lo: 123456789 1 0 0 0 0 0 0 123456789 1 0 0 0 0 0 0\n  enX0: 95497739 3219 0 0 0 0 0 0 209540 1950 0 0 0 0 0 0\n";
const DISKS: &str = " 259       0 nvme0n1 23840 4674 2343746 12071 3343 54471 4406800 16264 0 7948 28857 0 0 0 0 519 32\n \
     259       1 nvme0n1p1 23000 4674 2340000 12000 3343 54471 4406800 16264 0 7948 28857 0 0 0 0 0 0\n";
const CONNECTIONS: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
     0: 00000000:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 489 1 0000000000000000 100 0 0 10 0\n";

/// A kernel of two processors and some processes, on which nothing happens until it is told to.
pub(crate) struct Kernel {
    directory: PathBuf,
    /// How much its processors are used, in percent of one.
    load: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    clock: Option<JoinHandle<()>>,
}

impl Kernel {
    pub(crate) fn start(directory: PathBuf) -> Self {
        let (load, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut kernel = Self { directory, load, ended, clock: None };
        std::fs::create_dir_all(kernel.proc().join("net")).unwrap();
        std::fs::create_dir_all(kernel.devices().join("pts")).unwrap();
        kernel.file("net/dev", INTERFACES);
        kernel.file("diskstats", DISKS);
        kernel.file("net/tcp", CONNECTIONS);
        std::fs::write(kernel.devices().join("pts/0"), "").unwrap();
        kernel.process(1, "systemd", 0);
        // Somebody has left a shell open.
        kernel.process(700, "bash", 0x8800);
        write_stat(&kernel.proc(), 0.0, 0.0);
        let (proc, load, ended) = (kernel.proc(), Arc::clone(&kernel.load), Arc::clone(&kernel.ended));
        let clock = std::thread::spawn(move || {
            let (mut busy, mut up, mut last) = (0.0, 0.0, Instant::now());
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(EVERY);
                let elapsed = last.elapsed().as_secs_f64();
                last = Instant::now();
                up += elapsed;
                busy += elapsed * f64::from(u32::try_from(load.load(Ordering::Relaxed)).unwrap()) / 100.0;
                write_stat(&proc, busy, up);
            }
        });
        kernel.clock = Some(clock);
        kernel
    }

    pub(crate) fn proc(&self) -> PathBuf {
        self.directory.join("proc")
    }

    pub(crate) fn devices(&self) -> PathBuf {
        self.directory.join("dev")
    }

    /// Uses so much of a processor from now on.
    pub(crate) fn work(&self, percent: u64) {
        self.load.store(percent, Ordering::Relaxed);
    }

    /// Writes a file of `/proc`.
    pub(crate) fn file(&self, name: &str, content: &str) {
        put(&self.proc(), name, content);
    }

    /// Starts a process, on a terminal if that has a number.
    pub(crate) fn process(&self, pid: u32, name: &str, terminal: u32) {
        std::fs::create_dir_all(self.proc().join(pid.to_string())).unwrap();
        let stat = format!("{pid} ({name}) S 1 {pid} {pid} {terminal} {pid} 4194304 100 0 0 0 1 2 0 0 20 0 1 0 12345 0 0\n");
        self.file(&format!("{pid}/stat"), &stat);
        self.file(&format!("{pid}/cmdline"), &format!("{name}\0"));
    }

    /// Ends a process.
    pub(crate) fn end(&self, pid: u32) {
        std::fs::remove_dir_all(self.proc().join(pid.to_string())).unwrap();
    }

    /// Somebody types.
    pub(crate) fn typed(&self) {
        let now = std::time::SystemTime::now();
        let device = std::fs::File::options().write(true).open(self.devices().join("pts/0")).unwrap();
        device.set_times(std::fs::FileTimes::new().set_accessed(now)).unwrap();
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take() {
            // A panic of it has been told.
            clock.join().ok();
        }
    }
}

fn write_stat(proc: &Path, busy_s: f64, up_s: f64) {
    let (busy, idle) = (busy_s * TICKS, (2.0 * up_s - busy_s).max(0.0) * TICKS);
    let line = |name: &str| format!("{name} {:.0} 0 8400 {:.0} 444 0 41 38 0 0\n", 40_481.0 + busy, 12_804.0 + idle);
    put(proc, "stat", &format!("{}{}{}", line("cpu "), line("cpu0"), line("cpu1")));
}

/// So that nobody reads half of it.
fn put(proc: &Path, name: &str, content: &str) {
    let new = proc.join(format!("{name}.new"));
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, proc.join(name)).unwrap();
}
