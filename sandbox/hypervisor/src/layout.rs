//! The directory of one machine: a small root file system's worth of paths.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The commands that speak to the machine's init. All are links to one program, which looks at the name it was called by.
pub(crate) const COMMANDS: [&str; 9] = ["halt", "ip", "poweroff", "reboot", "shutdown", "sudo", "systemctl", "systemd-run", "useradd"];

/// Where everything of one machine lies.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("var/lib")
    }

    pub(crate) fn units(&self) -> PathBuf {
        self.root.join("etc/systemd/system")
    }

    pub(crate) fn passwd(&self) -> PathBuf {
        self.root.join("etc/passwd")
    }

    /// What the machine sees of itself.
    pub(crate) fn proc(&self) -> PathBuf {
        self.root.join("proc")
    }

    pub(crate) fn console(&self) -> PathBuf {
        self.root.join("console.log")
    }

    /// Records when a persistent timer last fired.
    pub(crate) fn timer_stamp(&self, timer: &str) -> PathBuf {
        self.state().join("systemd/timers").join(format!("stamp-{timer}"))
    }

    /// What a pending `shutdown +N` looks like to other programs.
    pub(crate) fn scheduled_shutdown(&self) -> PathBuf {
        self.run().join("systemd/shutdown/scheduled")
    }

    fn cloud(&self) -> PathBuf {
        self.state().join("cloud/instance")
    }

    /// Exists once user data has been started; it is what makes user data run once.
    pub(crate) fn user_data_semaphore(&self) -> PathBuf {
        self.cloud().join("sem/config_scripts_user")
    }

    /// The user data, as a file its interpreter can read.
    pub(crate) fn user_data_script(&self) -> PathBuf {
        self.cloud().join("scripts/part-001")
    }

    /// Makes the directory, or completes what an earlier boot left. Volatile directories are emptied, as they are on a real boot.
    pub(crate) fn prepare(&self, shim: &Path) -> io::Result<()> {
        for volatile in [self.run(), self.tmp()] {
            match std::fs::remove_dir_all(&volatile) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let directories = [self.bin(), self.home(), self.tmp(), self.run(), self.units(), self.state().join("systemd/timers")];
        let cloud = [self.cloud().join("sem"), self.cloud().join("scripts")];
        for directory in directories.iter().chain(&cloud) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        for command in COMMANDS {
            match std::os::unix::fs::symlink(shim, self.bin().join(command)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        if !self.passwd().exists() {
            std::fs::write(self.passwd(), "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")?;
        }
        self.open_console().map(drop)
    }

    /// Opens the console for appending; a process may have it as its output.
    pub(crate) fn open_console(&self) -> io::Result<std::fs::File> {
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(self.console())
    }

    /// Writes one line of the init's own to the console. A console that cannot be written is no reason to fail what is being told.
    pub(crate) fn say(&self, text: &str) {
        let written = self.open_console().and_then(|mut console| console.write_all(format!("[init] {text}\n").as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, console = %self.console().display(), "console not writable");
        }
    }
}
