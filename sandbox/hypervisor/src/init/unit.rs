//! The units of a boot: what is loaded, enabled, running, and how it ended.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Init;
use super::failure::Failure;
use super::unit_file::{self, Definition, TARGETS};
use crate::process::{Mark, Owner};

/// A unit's state, as systemd names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Inactive,
    Activating,
    Active,
    Deactivating,
    Failed,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Exited(i32),
    Killed(i32),
}

/// How an activation of a unit went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    ExitCode,
    Signal,
    Timeout,
    StartLimitHit,
    Resources,
}

/// The end of one activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finish {
    pub(crate) outcome: Outcome,
    /// How the main process ended, if there was one.
    pub(crate) exit: Option<Exit>,
}

/// One activation of a service, from start to end.
#[derive(Debug)]
pub(crate) struct Activation {
    /// Called to end it.
    pub(crate) stop: CancellationToken,
    /// How it ended, once it has.
    pub(crate) finish: watch::Sender<Option<Finish>>,
}

impl Activation {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { stop: CancellationToken::new(), finish: watch::Sender::new(None) })
    }

    /// Waits for its end.
    pub(crate) async fn finished(&self) -> Option<Finish> {
        let mut receiver = self.finish.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        receiver.wait_for(Option::is_some).await.ok().and_then(|finish| *finish)
    }
}

/// A loaded unit.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) definition: Definition,
    /// It came from a command, not from a file, and is forgotten when it has ended.
    pub(crate) transient: bool,
    /// It is forgotten even if it failed.
    pub(crate) collect: bool,
    pub(crate) state: State,
    pub(crate) outcome: Outcome,
    pub(crate) main_pid: i32,
    pub(crate) exit: Option<Exit>,
    pub(crate) activation: Arc<Activation>,
    pub(crate) activated: Option<Timestamp>,
    pub(crate) deactivated: Option<Timestamp>,
    pub(crate) starts: Vec<Instant>,
    pub(crate) restarts: u32,
    /// Of a timer: when it elapses next.
    pub(crate) next_elapse: Option<Timestamp>,
    /// Of a timer: when it elapsed last.
    pub(crate) last_elapse: Option<Timestamp>,
    pub(crate) mark: Mark,
}

impl Unit {
    /// Whether it is a timer that starts this unit.
    pub(crate) fn starts_unit(&self, name: &str) -> bool {
        matches!(&self.definition, Definition::Timer(timer) if timer.unit == name)
    }
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ExitCode => "exit-code",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::StartLimitHit => "start-limit-hit",
            Self::Resources => "resources",
        }
    }
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Deactivating => "deactivating",
            Self::Failed => "failed",
        }
    }

    /// Whether something of it runs or is about to.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Activating | Self::Active | Self::Deactivating)
    }
}

/// A unit's full name: what has no suffix is a service.
pub(crate) fn full_name(name: &str) -> String {
    const SUFFIXES: [&str; 9] = ["service", "timer", "target", "socket", "mount", "path", "slice", "scope", "device"];
    match name.rsplit_once('.') {
        Some((_, suffix)) if SUFFIXES.contains(&suffix) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

impl Init {
    /// Makes a unit known. Its file is read again unless something of it runs. A transient unit is as it is.
    pub(crate) fn load(&self, name: &str) -> Result<(), Failure> {
        let up = self.boot.units().get(name).is_some_and(|unit| unit.state.is_up());
        if up { Ok(()) } else { self.reload(name) }
    }

    /// Reads a unit's file. A timer that runs goes by it at once, a service when it is next started.
    pub(crate) fn reload(&self, name: &str) -> Result<(), Failure> {
        if self.boot.units().get(name).is_some_and(|unit| unit.transient) {
            return Ok(());
        }
        let definition = self.read_unit(name)?;
        let mut units = self.boot.units();
        match units.get_mut(name) {
            Some(unit) => unit.definition = definition,
            None => {
                let unit = self.new_unit(name, definition);
                units.insert(name.to_owned(), unit);
            }
        }
        Ok(())
    }

    fn read_unit(&self, name: &str) -> Result<Definition, Failure> {
        let path = self.guest.layout.units().join(name);
        if name.contains('/') {
            return Err(Failure::error(1, format!("Invalid unit name {name}")));
        }
        if self.guest.layout.units().join(format!("{name}.d")).exists() {
            return Err(Failure::gap(format!("{name}: drop-in files")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::error(5, format!("Unit {name} not found.")),
            _ => Failure::error(1, format!("{}: {error}", path.display())),
        })?;
        unit_file::define(name, &unit_file::parse(&text)?)
    }

    /// Makes a transient unit known.
    pub(crate) fn add_transient(&self, name: &str, definition: Definition, collect: bool) -> Result<(), Failure> {
        let taken = self.boot.units().contains_key(name) || self.guest.layout.units().join(name).exists();
        if taken {
            return Err(Failure::error(1, format!("Unit {name} was already loaded or has a fragment file.")));
        }
        let unit = Unit { transient: true, collect, ..self.new_unit(name, definition) };
        self.boot.units().insert(name.to_owned(), unit);
        Ok(())
    }

    fn new_unit(&self, name: &str, definition: Definition) -> Unit {
        let (user, metadata_denied) = match &definition {
            Definition::Service(service) => (service.user.clone().filter(|user| user != "root" && user != "0"), service.metadata_denied),
            Definition::Timer(_) => (None, false),
        };
        let machine = Arc::clone(&self.guest.id);
        let owner = Owner { machine, unit: Some(name.into()), user: user.map(Into::into), metadata_denied };
        Unit {
            definition,
            transient: false,
            collect: false,
            state: State::Inactive,
            outcome: Outcome::Success,
            main_pid: 0,
            exit: None,
            activation: Activation::new(),
            activated: None,
            deactivated: None,
            starts: Vec::new(),
            restarts: 0,
            next_elapse: None,
            last_elapse: None,
            mark: self.guest.host.table.register(owner),
        }
    }

    /// Changes a unit, if it is loaded, and lets everyone who waits for a change look.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Unit)) {
        if let Some(unit) = self.boot.units().get_mut(name) {
            change(unit);
        }
        self.boot.changed.send_replace(());
    }

    /// Starts a unit, and what it wants. Returns when it is started, of a oneshot when it has ended.
    pub(crate) async fn start(&self, name: &str) -> Result<(), Failure> {
        if TARGETS.contains(&name) {
            return Ok(());
        }
        self.load(name)?;
        let definition = self.boot.units().get(name).map(|unit| unit.definition.clone());
        let wants = definition.iter().flat_map(|definition| definition.common().wants.clone()).filter(|wanted| wanted != name);
        for wanted in wants.collect::<Vec<_>>() {
            Box::pin(self.start(&wanted)).await?;
        }
        match definition {
            Some(Definition::Service(service)) => self.start_service(name, *service).await,
            Some(Definition::Timer(timer)) => self.start_timer(name, *timer),
            None => Err(Failure::error(5, format!("Unit {name} not found."))),
        }
    }

    /// Stops a unit and returns when nothing of it is left.
    pub(crate) async fn stop(&self, name: &str) -> Result<(), Failure> {
        self.load(name)?;
        let Some((up, activation)) = self.boot.units().get(name).map(|unit| (unit.state.is_up(), Arc::clone(&unit.activation))) else {
            return Ok(());
        };
        if up {
            activation.stop.cancel();
            activation.finished().await;
        }
        Ok(())
    }

    /// Starts everything that is enabled, without waiting for any of it to be done.
    pub(crate) async fn start_enabled(&self) {
        for name in self.enabled() {
            let init = self.clone();
            let starting = async move {
                if let Err(failure) = init.start(&name).await {
                    init.refuse("systemd", &failure);
                }
            };
            tokio::spawn(starting);
        }
    }

    /// The units that some target wants.
    fn enabled(&self) -> BTreeSet<String> {
        let wanted = |target: &&str| std::fs::read_dir(self.guest.layout.units().join(format!("{target}.wants"))).ok();
        let entries = TARGETS.iter().filter_map(wanted).flatten();
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    }

    /// Enables a unit for every following boot. Returns what was linked, as systemctl says it.
    pub(crate) fn enable(&self, name: &str) -> Result<String, Failure> {
        let definition = self.read_unit(name)?;
        let units = self.guest.layout.units();
        let mut said = String::new();
        for target in &definition.common().wanted_by {
            let wants = units.join(format!("{target}.wants"));
            std::fs::create_dir_all(&wants)?;
            let (link, file) = (wants.join(name), units.join(name));
            match std::os::unix::fs::symlink(&file, &link) {
                Ok(()) => said += &format!("Created symlink {} → {}.\n", link.display(), file.display()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        if definition.common().wanted_by.is_empty() {
            said += &format!("The unit file {name} has no installation config (WantedBy=) and cannot be enabled.\n");
        }
        Ok(said)
    }

    /// Takes a unit out of every following boot.
    pub(crate) fn disable(&self, name: &str) -> Result<String, Failure> {
        let mut said = String::new();
        for target in TARGETS {
            let link = self.guest.layout.units().join(format!("{target}.wants")).join(name);
            match std::fs::remove_file(&link) {
                Ok(()) => said += &format!("Removed \"{}\".\n", link.display()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(said)
    }

    /// What `systemctl is-enabled` says.
    pub(crate) fn enabled_state(&self, name: &str) -> &'static str {
        let transient = self.boot.units().get(name).is_some_and(|unit| unit.transient);
        if transient {
            return "transient";
        }
        match self.read_unit(name) {
            Err(_) => "not-found",
            Ok(_) if self.enabled().contains(name) => "enabled",
            Ok(definition) if definition.common().wanted_by.is_empty() => "static",
            Ok(_) => "disabled",
        }
    }
}
