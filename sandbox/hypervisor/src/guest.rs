//! One machine: its directory, its facts, and its power.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use crate::hypervisor::{Event, Halt, Host, is_executable};
use crate::init::{Boot, Init};
use crate::layout::{COMMANDS, Layout};
use crate::machine::{Machine, SpotNotice};
use crate::metadata;
use crate::process::{Launch, Launched, Mark, Owner};
use crate::user_data::UserData;
use crate::view::{self, Used};

/// Where commands are when the host's own search path names too little.
const STANDARD_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What a machine asks of its own power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// Off, in order.
    Off,
    /// Off, without asking anyone.
    ForceOff,
    /// Off and on again, in order.
    Reboot,
    /// Off and on again, without asking anyone.
    ForceReboot,
}

/// What a machine is told before it is reclaimed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notices {
    pub(crate) spot: Option<SpotNotice>,
    pub(crate) rebalance: Option<Timestamp>,
}

/// One machine, on or off.
pub(crate) struct Guest {
    pub(crate) host: Arc<Host>,
    pub(crate) id: Arc<str>,
    pub(crate) layout: Layout,
    pub(crate) mark: Mark,
    facts: RwLock<Arc<Machine>>,
    notices: Mutex<Notices>,
    /// Where its metadata service listens, the same for its whole life: what user data wrote down stays true.
    metadata: SocketAddr,
    closed: CancellationToken,
    /// Held while the power changes.
    pub(crate) switch: tokio::sync::Mutex<()>,
    boot: Mutex<Option<Arc<Boot>>>,
    said: Mutex<HashSet<String>>,
}

impl Guest {
    /// Makes a machine that is off, and its metadata service.
    pub(crate) async fn new(host: Arc<Host>, directory: PathBuf, machine: Machine) -> io::Result<Arc<Self>> {
        let (listener, metadata) = metadata::listen().await?;
        let id: Arc<str> = machine.id.as_str().into();
        let mark = host.table.register(Owner { machine: Arc::clone(&id), unit: None, user: None, metadata_denied: false });
        let guest = Arc::new(Self {
            host,
            id,
            layout: Layout::new(directory),
            mark,
            facts: RwLock::new(Arc::new(machine)),
            notices: Mutex::default(),
            metadata,
            closed: CancellationToken::new(),
            switch: tokio::sync::Mutex::default(),
            boot: Mutex::default(),
            said: Mutex::default(),
        });
        tokio::spawn(metadata::serve(listener, Arc::clone(&guest), guest.closed.clone()));
        Ok(guest)
    }

    /// What the machine is told about itself.
    pub(crate) fn facts(&self) -> Arc<Machine> {
        Arc::clone(&self.facts.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn update(&self, machine: Machine) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(machine);
    }

    pub(crate) fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boot(&self) -> MutexGuard<'_, Option<Arc<Boot>>> {
        self.boot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running_boot().is_some()
    }

    /// The boot it is in, unless it is off or asleep.
    pub(crate) fn running_boot(&self) -> Option<Arc<Boot>> {
        self.boot().clone().filter(|boot| !*boot.asleep.borrow())
    }

    /// Hands out since when the machine runs and what it has used; nothing is done if it does not run.
    pub(crate) fn using<T>(&self, act: impl FnOnce(Timestamp, &Mutex<Used>) -> T) -> Option<T> {
        let boot = self.running_boot()?;
        Some(act(boot.started, &boot.used))
    }

    /// Ends the metadata service and forgets the machine's marks. It must be off.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        self.host.table.unregister(&self.id);
    }

    /// Writes a line to the console, once in the machine's life.
    pub(crate) fn say_once(&self, text: &str) {
        if self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned()) {
            self.layout.say(text);
        }
    }

    /// Switches the machine on, or wakes it.
    pub(crate) async fn power_on(self: &Arc<Self>) -> io::Result<()> {
        let _switch = self.switch.lock().await;
        let asleep = self.boot().clone().filter(|boot| *boot.asleep.borrow());
        match asleep {
            Some(boot) => {
                self.wake(&boot).await;
                Ok(())
            }
            None => self.switch_on().await,
        }
    }

    /// Takes the machine's power away and keeps its memory: what runs stands still until [`Guest::power_on`].
    pub(crate) async fn hibernate(&self) -> io::Result<()> {
        let _switch = self.switch.lock().await;
        let Some(boot) = self.boot().clone() else { return Ok(()) };
        boot.sleeps(true);
        if let Err(error) = self.host.table.stand_still(|owner| owner.machine == self.id).await {
            self.wake(&boot).await;
            return Err(error);
        }
        self.layout.say("memory is kept, power is off");
        Ok(())
    }

    async fn wake(&self, boot: &Boot) {
        self.layout.say("memory is back");
        boot.sleeps(false);
        self.host.table.go_on(|owner| owner.machine == self.id).await;
    }

    async fn switch_on(self: &Arc<Self>) -> io::Result<()> {
        if self.is_running() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is already running", self.id)));
        }
        self.layout.prepare(&self.host.command)?;
        view::begin(&self.layout.proc())?;
        let facts = self.facts();
        self.layout.say(&format!("{} ({}, {}) is booting", facts.id, facts.instance_type, facts.image_id));
        if facts.architecture != std::env::consts::ARCH.replace("aarch64", "arm64") {
            self.layout.say(&format!("{} programs are the host's {} programs here", facts.architecture, std::env::consts::ARCH));
        }
        let boot = Arc::new(Boot::new(Timestamp::now()));
        let init = Init::new(Arc::clone(self), Arc::clone(&boot));
        init.listen()?;
        *self.boot() = Some(boot);
        init.start_enabled().await;
        if let Err(error) = self.run_user_data(&init).await {
            // Without its first process the machine is not up: leave nothing of it.
            self.switch_off(Duration::ZERO).await;
            return Err(error);
        }
        Ok(())
    }

    /// Switches the machine off from outside.
    pub(crate) async fn halt(&self, how: Halt) {
        let grace = match how {
            Halt::Graceful => self.host.options.grace,
            Halt::Pull => {
                // Whoever is switching it off in order is to be quick about it.
                if let Some(boot) = self.boot().as_ref() {
                    boot.cut.cancel();
                }
                Duration::ZERO
            }
        };
        let _switch = self.switch.lock().await;
        self.switch_off(grace).await;
    }

    async fn switch_off(&self, grace: Duration) {
        let Some(boot) = self.boot().clone() else { return };
        boot.stop.cancel();
        let own = |owner: &Owner| owner.machine == self.id;
        // What has no power cannot be asked to end.
        let grace = if *boot.asleep.borrow() { Duration::ZERO } else { grace };
        if let Err(error) = self.host.table.terminate(Signal::TERM, grace, &boot.cut, own).await {
            tracing::error!(%error, id = &*self.id, "machine not ended completely");
        }
        self.host.table.unregister_units(&self.id);
        self.layout.say("power is off");
        *self.boot() = None;
        boot.sleeps(false);
    }

    /// Does what the machine asked of its power, unless it has lost it meanwhile.
    pub(crate) async fn obey(self: Arc<Self>, boot: Arc<Boot>, power: Power) {
        let grace = if matches!(power, Power::Off | Power::Reboot) { self.host.options.grace } else { Duration::ZERO };
        let _switch = loop {
            boot.awake().await;
            let switch = self.switch.lock().await;
            // It may have fallen asleep while somebody else held the switch.
            if !*boot.asleep.borrow() {
                break switch;
            }
        };
        if !self.boot().as_ref().is_some_and(|current| Arc::ptr_eq(current, &boot)) {
            return;
        }
        self.switch_off(grace).await;
        let id = self.id.to_string();
        if matches!(power, Power::Off | Power::ForceOff) {
            return self.host.tell(Event::PoweredOff { id });
        }
        match Box::pin(self.switch_on()).await {
            Ok(()) => self.host.tell(Event::Rebooted { id }),
            Err(error) => self.host.tell(Event::Panicked { id, reason: format!("reboot failed: {error}") }),
        }
    }

    /// The environment of every process of the machine.
    pub(crate) fn environment(&self, unit: Option<&str>) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        let mut environment = vec![
            ("LANG".to_owned(), std::env::var("LANG").unwrap_or_else(|_| "C.UTF-8".to_owned())),
            ("PATH".to_owned(), self.search_path()),
            ("HOME".to_owned(), text(&self.layout.home())),
            ("TMPDIR".to_owned(), text(&self.layout.tmp())),
            ("RUNTIME_DIRECTORY".to_owned(), text(&self.layout.run())),
            ("STATE_DIRECTORY".to_owned(), text(&self.layout.state())),
            ("SYSTEMD_UNIT_PATH".to_owned(), text(&self.layout.units())),
            ("HOST_PROC".to_owned(), text(&self.layout.proc())),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), format!("http://{}", self.metadata)),
        ];
        environment.extend(self.host.environment.iter().cloned());
        environment.push(("SANDBOX_MACHINE".to_owned(), self.host.table.machine_marker(&self.id)));
        if let Some(unit) = unit {
            environment.push(("SANDBOX_UNIT".to_owned(), unit.to_owned()));
        }
        environment
    }

    fn search_path(&self) -> String {
        search_path(Some(&self.layout.bin()))
    }

    /// Finds a program the way the machine sees it: its init's commands wherever an image has them, all else as on the host.
    pub(crate) fn find_program(&self, name: &str) -> Option<String> {
        if let Some((directory, base)) = name.rsplit_once('/') {
            let of_the_image = matches!(directory, "/bin" | "/sbin" | "/usr/bin" | "/usr/sbin") && COMMANDS.contains(&base);
            let path = if of_the_image { self.layout.bin().join(base) } else { PathBuf::from(name) };
            return is_executable(&path).then(|| path.display().to_string());
        }
        let path = self.search_path();
        path.split(':')
            .map(|directory| Path::new(directory).join(name))
            .find(|path| is_executable(path))
            .map(|path| path.display().to_string())
    }

    /// Runs the user data if this is the first boot. What cannot be run is told as an event.
    async fn run_user_data(self: &Arc<Self>, init: &Init) -> io::Result<()> {
        let semaphore = self.layout.user_data_semaphore();
        if semaphore.exists() {
            return Ok(());
        }
        std::fs::write(&semaphore, b"")?;
        let (interpreter, content) = match UserData::read(&self.facts().user_data) {
            Ok(UserData::Empty) => return Ok(()),
            Ok(UserData::Script { interpreter, content }) => (interpreter, content),
            Err(reason) => {
                self.host.add_gap(format!("user data: {reason}"));
                self.panic(reason);
                return Ok(());
            }
        };
        if !is_executable(Path::new(&interpreter[0])) {
            self.panic(format!("user data's interpreter {} is not on this host", interpreter[0]));
            return Ok(());
        }
        let script = self.layout.user_data_script();
        std::fs::write(&script, content)?;
        let mut argv = interpreter;
        argv.push(script.display().to_string());
        let process = self.launch(&argv).await?;
        init.boot.user_data_running.store(true, Ordering::Release);
        tokio::spawn(await_user_data(Arc::clone(self), Arc::clone(&init.boot), process));
        Ok(())
    }

    async fn launch(&self, argv: &[String]) -> io::Result<Launched> {
        let (stdout, stderr) = (self.layout.open_console()?, self.layout.open_console()?);
        let launch = Launch {
            argv,
            environment: &self.environment(None),
            directory: self.layout.root(),
            stdout: Stdio::from(stdout),
            stderr: Stdio::from(stderr),
            terminal: None,
            mark: self.mark,
        };
        launch.start(&self.host.table).await
    }

    fn panic(&self, reason: String) {
        self.layout.say(&format!("refused: {reason}"));
        self.host.tell(Event::Panicked { id: self.id.to_string(), reason });
    }
}

/// Waits for the end of user data and says how it went. What it left running goes on.
async fn await_user_data(guest: Arc<Guest>, boot: Arc<Boot>, mut process: Launched) {
    let ended = process.wait().await;
    boot.user_data_running.store(false, Ordering::Release);
    boot.changed.send_replace(());
    match ended {
        Ok(status) if status.success() => guest.layout.say("user data is done"),
        Ok(status) => guest.layout.say(&format!("user data failed: {status}")),
        Err(error) => guest.layout.say(&format!("user data was lost: {error}")),
    }
}

/// Whether a flag of a boot is set.
pub(crate) fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Acquire)
}

/// Where programs are looked for: in a directory of the machine's own, then where the host looks.
pub(crate) fn search_path(own: Option<&Path>) -> String {
    let mut directories: Vec<String> = own.map(|own| own.display().to_string()).into_iter().collect();
    let host = std::env::var("PATH").unwrap_or_default();
    for directory in host.split(':').chain(STANDARD_PATH) {
        if directory.starts_with('/') && !directories.iter().any(|known| known == directory) {
            directories.push(directory.to_owned());
        }
    }
    directories.join(":")
}
