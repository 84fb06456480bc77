//! What a service unit says.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::failure::Failure;
use super::unit_file::{Assignment, Common, boolean, span};
use super::{address, words};

/// A service.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) common: Common,
    pub(crate) kind: Kind,
    pub(crate) start: Vec<Exec>,
    pub(crate) start_pre: Vec<Exec>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) environment_files: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) working_directory: Option<PathBuf>,
    pub(crate) restart: Restart,
    pub(crate) restart_delay: Duration,
    pub(crate) start_limit: (u32, Duration),
    pub(crate) kill_mode: KillMode,
    pub(crate) kill_signal: Signal,
    pub(crate) stop_timeout: Duration,
    pub(crate) runtime_max: Duration,
    pub(crate) remain_after_exit: bool,
    pub(crate) output: Output,
    pub(crate) error_output: Output,
    pub(crate) metadata_denied: bool,
    /// Settings that were accepted but are not enforced; said on the console.
    pub(crate) unenforced: Vec<String>,
}

/// When a service counts as started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// When its process runs.
    Simple,
    /// When its process has ended well.
    Oneshot,
}

/// When a service that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    No,
    OnSuccess,
    OnFailure,
    Always,
}

/// What happens to a service's processes when its main process has ended or is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillMode {
    ControlGroup,
    Mixed,
    Process,
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Console,
    Null,
    /// As the other stream (standard error), or as the default.
    Inherit,
    Append(PathBuf),
    Truncate(PathBuf),
}

/// One command line of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exec {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// A failure of it is no failure of the service.
    pub(crate) may_fail: bool,
    /// Whether variables are put into the arguments.
    pub(crate) expand: bool,
}

/// Settings that only restrict or tune, and whose absence no well-behaved service can notice.
const UNENFORCED: [&str; 12] = [
    "Delegate",
    "LimitCORE",
    "LimitMEMLOCK",
    "LimitNOFILE",
    "LimitNPROC",
    "NoNewPrivileges",
    "Nice",
    "OOMPolicy",
    "OOMScoreAdjust",
    "Slice",
    "SyslogIdentifier",
    "TasksMax",
];

impl Default for Service {
    fn default() -> Self {
        Self {
            common: Common::default(),
            kind: Kind::Simple,
            start: Vec::new(),
            start_pre: Vec::new(),
            environment: Vec::new(),
            environment_files: Vec::new(),
            user: None,
            working_directory: None,
            restart: Restart::No,
            // systemd's defaults, from systemd.service(5), systemd.unit(5) and systemd-system.conf(5).
            restart_delay: Duration::from_millis(100),
            start_limit: (5, Duration::from_secs(10)),
            kill_mode: KillMode::ControlGroup,
            kill_signal: Signal::TERM,
            stop_timeout: Duration::from_secs(90),
            runtime_max: Duration::MAX,
            remain_after_exit: false,
            output: Output::Console,
            error_output: Output::Inherit,
            metadata_denied: false,
            unenforced: Vec::new(),
        }
    }
}

impl Service {
    /// Makes a service from the assignments of its file.
    pub(crate) fn define(name: &str, assignments: &[Assignment]) -> Result<Self, Failure> {
        let mut service = Self::default();
        for assignment in assignments {
            let key = assignment.key.as_str();
            match (assignment.section.as_str(), key) {
                ("Service", _) | ("Unit", "StartLimitBurst" | "StartLimitIntervalSec") => service.set(name, key, &assignment.value)?,
                _ => service.common.set(assignment)?,
            }
        }
        match service.start.len() {
            0 => Err(Failure::error(1, "service has no ExecStart=")),
            count if count > 1 && service.kind == Kind::Simple => Err(Failure::error(1, "more than one ExecStart= needs Type=oneshot")),
            _ => Ok(service),
        }
    }

    /// Takes one assignment of `[Service]`, from a file or from a command line.
    pub(crate) fn set(&mut self, name: &str, key: &str, value: &str) -> Result<(), Failure> {
        match key {
            "Type" => self.kind = kind(value)?,
            "ExecStart" => extend(&mut self.start, exec(name, value)?),
            "ExecStartPre" => extend(&mut self.start_pre, exec(name, value)?),
            "Environment" => self.set_environment(name, value)?,
            "EnvironmentFile" => self.environment_files.push(value.to_owned()),
            "User" => self.user = (!value.is_empty()).then(|| value.to_owned()),
            // Without users there are no groups to choose either, and a user's own is what follows from it anyway.
            "Group" | "SupplementaryGroups" => self.unenforced.push(format!("{key}={value}")),
            "WorkingDirectory" => self.working_directory = Some(PathBuf::from(value)),
            "RemainAfterExit" => self.remain_after_exit = boolean(key, value)?,
            "IPAddressDeny" => self.metadata_denied |= address::denies_metadata(value)?,
            "StandardInput" if value == "null" => {}
            "StandardOutput" => self.output = output(key, value)?,
            "StandardError" => self.error_output = output(key, value)?,
            "Restart" | "RestartSec" | "StartLimitBurst" | "StartLimitIntervalSec" => self.set_restart(key, value)?,
            "KillMode" | "KillSignal" | "TimeoutStopSec" | "TimeoutSec" | "TimeoutStartSec" | "RuntimeMaxSec" => {
                self.set_end(key, value)?
            }
            _ if UNENFORCED.contains(&key) => self.unenforced.push(format!("{key}={value}")),
            _ => return Err(Failure::gap(format!("setting [Service] {key}={value}"))),
        }
        Ok(())
    }

    fn set_environment(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if value.is_empty() {
            self.environment.clear();
        }
        for word in words::split(value, name)? {
            let (variable, value) = word.split_once('=').ok_or_else(|| Failure::error(1, format!("Environment={word}: no '='")))?;
            self.environment.push((variable.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    fn set_restart(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match key {
            "RestartSec" => self.restart_delay = span(key, value)?,
            "StartLimitIntervalSec" => self.start_limit.1 = span(key, value)?,
            "StartLimitBurst" => {
                self.start_limit.0 = value.parse().map_err(|_| Failure::error(1, format!("{key}={value}: not a number")))?;
            }
            _ => {
                self.restart = match value {
                    "no" => Restart::No,
                    "on-success" => Restart::OnSuccess,
                    "on-failure" => Restart::OnFailure,
                    "always" => Restart::Always,
                    _ => return Err(Failure::gap(format!("Restart={value}"))),
                }
            }
        }
        Ok(())
    }

    fn set_end(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match key {
            "RuntimeMaxSec" => self.runtime_max = span(key, value)?,
            "TimeoutStopSec" | "TimeoutSec" => self.stop_timeout = span(key, value)?,
            // Nothing here is slow to start but a oneshot's command, which has no limit by default.
            "TimeoutStartSec" if matches!(value, "0" | "infinity") => {}
            "TimeoutStartSec" => return Err(Failure::gap(format!("{key}={value}"))),
            "KillSignal" => self.kill_signal = signal(value)?,
            _ => {
                self.kill_mode = match value {
                    "control-group" => KillMode::ControlGroup,
                    "mixed" => KillMode::Mixed,
                    "process" => KillMode::Process,
                    _ => return Err(Failure::gap(format!("KillMode={value}"))),
                }
            }
        }
        Ok(())
    }
}

fn extend(list: &mut Vec<Exec>, exec: Option<Exec>) {
    match exec {
        Some(exec) => list.push(exec),
        None => list.clear(),
    }
}

fn kind(value: &str) -> Result<Kind, Failure> {
    match value {
        "simple" | "exec" => Ok(Kind::Simple),
        "oneshot" => Ok(Kind::Oneshot),
        _ => Err(Failure::gap(format!("Type={value}"))),
    }
}

/// Reads a command line; an empty one takes back all before it.
fn exec(name: &str, value: &str) -> Result<Option<Exec>, Failure> {
    if value.is_empty() {
        return Ok(None);
    }
    let command = value.trim_start_matches(['-', '+', '!', ':', '@']);
    let prefixes = &value[..value.len() - command.len()];
    if prefixes.contains('@') {
        return Err(Failure::gap("the prefix '@' of a command line"));
    }
    let words = words::split(command, name)?;
    if words.is_empty() || words.iter().any(|word| word == ";") {
        return Err(Failure::gap(format!("command line: {value}")));
    }
    Ok(Some(Exec { words, may_fail: prefixes.contains('-'), expand: !prefixes.contains(':') }))
}

fn output(key: &str, value: &str) -> Result<Output, Failure> {
    Ok(match value {
        // There is no journal; what would be in it is on the console.
        "journal" | "journal+console" | "console" | "kmsg" | "syslog" => Output::Console,
        "null" => Output::Null,
        "inherit" => Output::Inherit,
        _ => match value.split_once(':') {
            Some(("append", path)) => Output::Append(PathBuf::from(path)),
            Some(("truncate", path)) => Output::Truncate(PathBuf::from(path)),
            _ => return Err(Failure::gap(format!("{key}={value}"))),
        },
    })
}

/// Reads the name or number of a signal.
pub(crate) fn signal(value: &str) -> Result<Signal, Failure> {
    let known = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("KILL", Signal::KILL),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("TERM", Signal::TERM),
        ("CONT", Signal::CONT),
        ("STOP", Signal::STOP),
    ];
    let name = value.strip_prefix("SIG").unwrap_or(value);
    let found = known.iter().find(|(known, signal)| *known == name || signal.as_raw().to_string() == name);
    found.map(|(_, signal)| *signal).ok_or_else(|| Failure::gap(format!("signal {value}")))
}
