//! Running services: their processes, their restarts, their end.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::process::Signal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::service::{Exec, KillMode, Kind, Output, Restart, Service};
use super::unit::{Activation, Exit, Finish, Outcome, State};
use super::{Init, words};
use crate::process::{Launch, Launched, Owner, end_of, send};

/// What a program that cannot be executed exits with, from systemd.exec(5).
const EXIT_EXEC: i32 = 203;
/// What a service of an unknown user exits with, from systemd.exec(5).
const EXIT_USER: i32 = 217;

/// An activation that has begun, and what tells that its service counts as started.
pub(super) type Starting = (Arc<Activation>, oneshot::Receiver<()>);

/// One activation of a service under way.
struct Running {
    init: Init,
    name: String,
    service: Service,
    activation: Arc<Activation>,
    /// Told when the service counts as started; dropped unused if it never does.
    started: Option<oneshot::Sender<()>>,
}

impl Init {
    /// Starts a service that is loaded. Returns when it counts as started.
    pub(super) async fn start_service(&self, name: &str, service: Service) -> Result<(), Failure> {
        let Some((activation, starting)) = self.spawn_service(name, service)? else { return Ok(()) };
        if starting.await.is_ok() {
            return Ok(());
        }
        let why = activation.finished().await.map_or("resources", |finish| finish.outcome.name());
        Err(Failure::error(1, format!("Job for {name} failed ({why}).")))
    }

    /// Starts a service that is loaded and returns at once, with what tells that it counts as started. None if it already runs.
    pub(super) fn spawn_service(&self, name: &str, service: Service) -> Result<Option<Starting>, Failure> {
        let Some(activation) = self.activate(name, &service)? else { return Ok(None) };
        let (started, starting) = oneshot::channel();
        let running =
            Running { init: self.clone(), name: name.to_owned(), service, activation: Arc::clone(&activation), started: Some(started) };
        tokio::spawn(running.supervise());
        Ok(Some((activation, starting)))
    }

    /// Takes a service from not running to activating. None if it already runs.
    fn activate(&self, name: &str, service: &Service) -> Result<Option<Arc<Activation>>, Failure> {
        let mut units = self.boot.units();
        let Some(unit) = units.get_mut(name) else { return Err(Failure::error(5, format!("Unit {name} not found."))) };
        if unit.state.is_up() || self.boot.stop.is_cancelled() {
            return Ok(None);
        }
        if !allowed_to_start(&mut unit.starts, service) {
            (unit.state, unit.outcome) = (State::Failed, Outcome::StartLimitHit);
            return Err(Failure::error(1, format!("{name}: Start request repeated too quickly.")));
        }
        let activation = Activation::new();
        unit.activation = Arc::clone(&activation);
        unit.state = State::Activating;
        unit.activated = Some(Timestamp::now());
        (unit.exit, unit.main_pid, unit.restarts) = (None, 0, 0);
        drop(units);
        for setting in &service.unenforced {
            self.guest.host.add_gap(format!("systemd: {setting} is accepted but not enforced"));
            self.guest.say_once(&format!("{name}: {setting} is not enforced here"));
        }
        self.boot.changed.send_replace(());
        Ok(Some(activation))
    }

    /// The environment and the working directory of a service, or the exit code that says what is wrong.
    pub(super) fn surroundings(&self, name: &str, service: &Service) -> Result<(Vec<(String, String)>, PathBuf), i32> {
        let mut environment = self.guest.environment(Some(name));
        environment.extend(service.environment.iter().cloned());
        for file in &service.environment_files {
            match (std::fs::read_to_string(file.trim_start_matches('-')), file.starts_with('-')) {
                (Ok(text), _) => environment.extend(environment_file(&text)),
                (Err(_), true) => {}
                (Err(error), false) => {
                    self.guest.layout.say(&format!("{name}: {file}: {error}"));
                    return Err(1);
                }
            }
        }
        if let Some(user) = &service.user {
            if !self.has_user(user) {
                self.guest.layout.say(&format!("{name}: there is no user {user}"));
                return Err(EXIT_USER);
            }
            self.say_users_are_not_switched(user);
            environment.push(("USER".to_owned(), user.clone()));
            environment.push(("LOGNAME".to_owned(), user.clone()));
        }
        let root = || self.guest.layout.root().to_owned();
        let directory = match &service.working_directory {
            None => root(),
            Some(path) => match path.to_str() {
                Some("~") => self.guest.layout.home(),
                Some(text) => text.strip_prefix('-').map_or_else(|| path.clone(), |optional| existing(optional).unwrap_or_else(root)),
                None => path.clone(),
            },
        };
        Ok((environment, directory))
    }

    /// Ends what is left of a service, as its kill mode says. `main` is its main process, 0 if it has ended.
    pub(super) async fn end_processes(&self, name: &str, service: &Service, main: i32) {
        let table = &self.guest.host.table;
        let own = |owner: &Owner| owner.machine == self.guest.id && owner.unit.as_deref() == Some(name);
        if main != 0 && service.kill_mode != KillMode::ControlGroup {
            send(main, service.kill_signal);
            if timeout(service.stop_timeout, end_of(main)).await.is_err() {
                send(main, Signal::KILL);
            }
        }
        let ended = match service.kill_mode {
            KillMode::Process => return,
            KillMode::Mixed => table.kill(own).await,
            KillMode::ControlGroup => table.terminate(service.kill_signal, service.stop_timeout, &self.boot.cut, own).await,
        };
        if let Err(error) = ended {
            self.guest.layout.say(&format!("{name}: {error}"));
        }
    }

    /// Records the end of an activation, and forgets a transient unit that leaves nothing to look at.
    pub(super) fn settle(&self, name: &str, service: &Service, activation: &Activation, finish: Finish) {
        let remains = service.remain_after_exit && finish.outcome == Outcome::Success && !activation.stop.is_cancelled();
        let mut units = self.boot.units();
        // A timer that will start it again holds on to it.
        let held = units.values().any(|unit| unit.state.is_up() && unit.starts_unit(name));
        if let Some(unit) = units.get_mut(name) {
            unit.outcome = finish.outcome;
            unit.exit = finish.exit.or(unit.exit);
            unit.main_pid = 0;
            unit.state = match finish.outcome {
                _ if remains => State::Active,
                Outcome::Success => State::Inactive,
                _ => State::Failed,
            };
            unit.deactivated = Some(Timestamp::now());
            let over = unit.state == State::Inactive || (unit.state == State::Failed && unit.collect);
            if unit.transient && over && !held {
                units.remove(name);
            }
        }
        drop(units);
        self.guest.layout.say(&format!("{name}: {}", describe(finish)));
        if remains {
            // It counts as active until it is stopped, which then has nothing to end.
            tokio::spawn(linger(self.clone(), name.to_owned(), Arc::clone(&self.boot), finish));
        } else {
            activation.finish.send_replace(Some(finish));
        }
        self.boot.changed.send_replace(());
    }
}

/// Keeps a service that remains active after its end, until it is stopped or the power goes.
async fn linger(init: Init, name: String, boot: Arc<super::Boot>, finish: Finish) {
    let Some(activation) = boot.units().get(&name).map(|unit| Arc::clone(&unit.activation)) else { return };
    tokio::select! {
        () = activation.stop.cancelled() => {}
        () = boot.stop.cancelled() => {}
    }
    init.change(&name, |unit| unit.state = State::Inactive);
    activation.finish.send_replace(Some(finish));
}

fn describe(finish: Finish) -> String {
    let outcome = finish.outcome.name();
    match finish.exit {
        Some(Exit::Exited(code)) => format!("{outcome} (exit code {code})"),
        Some(Exit::Killed(signal)) => format!("{outcome} (signal {signal})"),
        None => outcome.to_owned(),
    }
}

fn existing(path: &str) -> Option<PathBuf> {
    Path::new(path).is_dir().then(|| PathBuf::from(path))
}

/// Counts a start against the limit of starts.
fn allowed_to_start(starts: &mut Vec<Instant>, service: &Service) -> bool {
    let (burst, interval) = service.start_limit;
    let now = Instant::now();
    starts.retain(|start| now.duration_since(*start) < interval);
    let allowed = burst == 0 || interval.is_zero() || (starts.len() as u64) < u64::from(burst);
    if allowed {
        starts.push(now);
    }
    allowed
}

fn environment_file(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let unquote = |value: &str| {
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        quoted.unwrap_or(value).to_owned()
    };
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim().to_owned(), unquote(value.trim()))).collect()
}

/// What an exit means for the service.
pub(super) fn outcome_of(exit: Exit, kind: Kind) -> Outcome {
    let polite = [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE].map(Signal::as_raw);
    match exit {
        Exit::Exited(0) => Outcome::Success,
        Exit::Exited(_) => Outcome::ExitCode,
        Exit::Killed(signal) if kind == Kind::Simple && polite.contains(&signal) => Outcome::Success,
        Exit::Killed(_) => Outcome::Signal,
    }
}

impl Running {
    async fn supervise(mut self) {
        loop {
            let finish = self.run().await;
            if !self.is_restarted(finish.outcome) {
                return self.init.settle(&self.name, &self.service, &self.activation, finish);
            }
            self.init.guest.layout.say(&format!("{}: {}, restarting", self.name, describe(finish)));
            self.init.change(&self.name, |unit| (unit.state, unit.main_pid, unit.exit) = (State::Activating, 0, finish.exit));
            let stopped = tokio::select! {
                () = self.init.boot.sleep_until(Instant::now().checked_add(self.service.restart_delay)) => false,
                () = self.activation.stop.cancelled() => true,
                () = self.init.boot.stop.cancelled() => true,
            };
            let mut allowed = !stopped;
            self.init.change(&self.name, |unit| {
                allowed = allowed && allowed_to_start(&mut unit.starts, &self.service);
                unit.restarts += 1;
            });
            if !allowed {
                let outcome = if stopped { finish.outcome } else { Outcome::StartLimitHit };
                return self.init.settle(&self.name, &self.service, &self.activation, Finish { outcome, exit: finish.exit });
            }
        }
    }

    fn is_restarted(&self, outcome: Outcome) -> bool {
        let wanted = match self.service.restart {
            Restart::No => false,
            Restart::Always => true,
            Restart::OnSuccess => outcome == Outcome::Success,
            Restart::OnFailure => outcome != Outcome::Success,
        };
        wanted && !self.activation.stop.is_cancelled() && !self.init.boot.stop.is_cancelled()
    }

    async fn run(&mut self) -> Finish {
        let (environment, directory) = match self.init.surroundings(&self.name, &self.service) {
            Ok(surroundings) => surroundings,
            Err(code) => return Finish { outcome: Outcome::ExitCode, exit: Some(Exit::Exited(code)) },
        };
        let deadline = Instant::now().checked_add(self.service.runtime_max);
        let mut last = Finish { outcome: Outcome::Success, exit: None };
        let before = self.service.start_pre.clone().into_iter().map(|line| (line, false));
        let lines: Vec<_> = before.chain(self.service.start.clone().into_iter().map(|line| (line, true))).collect();
        for (line, main) in lines {
            let finish = self.execute(&line, main, &environment, &directory, deadline).await;
            last = Finish { outcome: if line.may_fail { Outcome::Success } else { finish.outcome }, ..finish };
            if last.outcome != Outcome::Success || self.activation.stop.is_cancelled() {
                break;
            }
        }
        if self.service.kind == Kind::Oneshot && last.outcome == Outcome::Success {
            self.has_started();
        }
        last
    }

    fn has_started(&mut self) {
        if let Some(started) = self.started.take() {
            // Whoever started it may have stopped waiting.
            started.send(()).ok();
        }
    }

    async fn execute(
        &mut self,
        line: &Exec,
        main: bool,
        environment: &[(String, String)],
        directory: &Path,
        deadline: Option<Instant>,
    ) -> Finish {
        let mut process = match self.launch(line, environment, directory).await {
            Ok(process) => process,
            Err(error) => {
                self.init.guest.layout.say(&format!("{}: {}: {error}", self.name, line.words[0]));
                return Finish { outcome: Outcome::ExitCode, exit: Some(Exit::Exited(EXIT_EXEC)) };
            }
        };
        let pid = process.pid;
        let simple = self.service.kind == Kind::Simple;
        if main {
            let state = if simple { State::Active } else { State::Activating };
            self.init.change(&self.name, |unit| (unit.main_pid, unit.state) = (pid, state));
            if simple {
                self.has_started();
            }
        }
        let (status, timed_out) = tokio::select! {
            status = process.wait() => (Some(status), false),
            () = self.activation.stop.cancelled() => (None, false),
            () = self.init.boot.sleep_until(deadline) => (None, true),
        };
        let up = !self.init.boot.stop.is_cancelled();
        if up && status.is_none() {
            self.init.change(&self.name, |unit| unit.state = State::Deactivating);
            self.init.end_processes(&self.name, &self.service, pid).await;
        } else if up && main && simple {
            self.init.end_processes(&self.name, &self.service, 0).await;
        }
        let status = match status {
            Some(status) => status,
            None => process.wait().await,
        };
        let Some(exit) = status.ok().and_then(exit_of) else { return Finish { outcome: Outcome::Resources, exit: None } };
        let outcome = if timed_out { Outcome::Timeout } else { outcome_of(exit, self.service.kind) };
        Finish { outcome, exit: Some(exit) }
    }

    async fn launch(&self, line: &Exec, environment: &[(String, String)], directory: &Path) -> io::Result<Launched> {
        let guest = &self.init.guest;
        let program = guest.find_program(&line.words[0]).ok_or(io::ErrorKind::NotFound)?;
        let arguments = if line.expand { words::expand(&line.words[1..], environment) } else { line.words[1..].to_vec() };
        let argv: Vec<String> = std::iter::once(program).chain(arguments).collect();
        let mark = self.init.boot.units().get(&self.name).map(|unit| unit.mark).ok_or(io::ErrorKind::NotFound)?;
        let error_output = if self.service.error_output == Output::Inherit { &self.service.output } else { &self.service.error_output };
        let (stdout, stderr) = (self.open(&self.service.output)?, self.open(error_output)?);
        Launch { argv: &argv, environment, directory, stdout, stderr, terminal: None, mark }.start(&guest.host.table).await
    }

    fn open(&self, output: &Output) -> io::Result<Stdio> {
        let open = |path: &Path, append: bool| File::options().create(true).write(true).append(append).truncate(!append).open(path);
        Ok(match output {
            Output::Null => Stdio::null(),
            Output::Console | Output::Inherit => Stdio::from(self.init.guest.layout.open_console()?),
            Output::Append(path) => Stdio::from(open(path, true)?),
            Output::Truncate(path) => Stdio::from(open(path, false)?),
        })
    }
}

fn exit_of(status: ExitStatus) -> Option<Exit> {
    status.code().map(Exit::Exited).or_else(|| status.signal().map(Exit::Killed))
}
