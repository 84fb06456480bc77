//! Terminals of machines: pseudo-terminals of the host.

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::errand::Process;

/// Both ends of a terminal.
pub(crate) struct Pair {
    outer: OwnedFd,
    inner: OwnedFd,
    /// Where a program opens it.
    pub(crate) path: String,
}

/// A program of a machine on a terminal. It goes on if this is dropped, but its terminal is hung up.
pub struct Terminal {
    process: Process,
    line: Line,
    /// Held until the program has ended: before it has opened the terminal, nobody else has.
    inner: Option<OwnedFd>,
}

/// What is connected to a terminal. Cheap to clone; the terminal is hung up with the last one.
#[derive(Clone)]
pub struct Line {
    outer: Arc<AsyncFd<OwnedFd>>,
}

impl Pair {
    pub(crate) fn open() -> io::Result<Self> {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&outer)?;
        unlockpt(&outer)?;
        let path = ptsname(&outer, Vec::new())?.into_string().map_err(io::Error::other)?;
        let inner = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::ioctl_fionbio(&outer, true)?;
        Ok(Self { outer, inner, path })
    }
}

impl Terminal {
    pub(crate) fn new(pair: Pair, process: Process) -> io::Result<Self> {
        let line = Line { outer: Arc::new(watch(pair.outer)?) };
        Ok(Self { process, line, inner: Some(pair.inner) })
    }

    /// What reads and writes the terminal.
    #[must_use]
    pub fn line(&self) -> Line {
        self.line.clone()
    }

    /// Waits for the end of its program. May be cancelled and asked again.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.ended().await;
        self.inner = None;
        status
    }

    /// Whether the machine has lost its power, or is losing it.
    #[must_use]
    pub fn is_machine_off(&self) -> bool {
        self.process.is_machine_off()
    }

    /// Hangs up, and ends the program and its process group. What has a group of its own, and survives a hang-up, goes on.
    pub fn hang_up(self) {
        self.process.signal(Signal::HUP);
        self.process.signal(Signal::KILL);
    }
}

impl Line {
    /// Reads what is written to the terminal; nothing once nobody can write to it any more.
    ///
    /// # Errors
    /// If the terminal is broken.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.outer.readable().await?;
            match ready.try_io(|outer| Ok(rustix::io::read(outer, &mut *buffer)?)) {
                // How the end of a terminal is told.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(0),
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Types something.
    ///
    /// # Errors
    /// If nobody can read it any more.
    pub async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let mut ready = self.outer.writable().await?;
            match ready.try_io(|outer| Ok(rustix::io::write(outer, data)?)) {
                Ok(written) => data = &data[written?..],
                Err(_would_block) => {}
            }
        }
        Ok(())
    }

    /// Gives the terminal a size; what runs on it is told.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(self.outer.get_ref(), size)?)
    }
}

#[expect(deprecated, reason = "its successor needs unsafe, for descriptors that may change under it; an OwnedFd's does not")]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE | Interest::WRITABLE)
}
