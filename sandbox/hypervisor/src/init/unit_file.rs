//! Unit files: sections, assignments, and what they mean.

use super::failure::Failure;
use super::service::Service;
use super::timer::Timer;

/// One assignment of a unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What every unit may say about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) description: String,
    pub(crate) wanted_by: Vec<String>,
    /// Services that are started along with it.
    pub(crate) wants: Vec<String>,
}

/// A unit, as written.
#[derive(Clone, Debug)]
pub(crate) enum Definition {
    Service(Box<Service>),
    Timer(Box<Timer>),
}

impl Definition {
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Service(service) => &service.common,
            Self::Timer(timer) => &timer.common,
        }
    }
}

/// Targets that are reached on every boot. What they want is started, and waiting for them is no wait.
pub(crate) const TARGETS: [&str; 9] = [
    "basic.target",
    "cloud-init.target",
    "default.target",
    "local-fs.target",
    "multi-user.target",
    "network-online.target",
    "network.target",
    "sysinit.target",
    "timers.target",
];

/// Services of the image that have run when units are started.
const PASSED_SERVICES: [&str; 4] = ["cloud-init-local.service", "cloud-init.service", "cloud-config.service", "systemd-networkd.service"];

/// Reads the assignments of a unit file.
pub(crate) fn parse(text: &str) -> Result<Vec<Assignment>, Failure> {
    let mut section = String::new();
    let mut assignments = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        while line.ends_with('\\') {
            line.pop();
            line.push(' ');
            line.push_str(lines.next().unwrap_or_default().trim());
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| Failure::error(1, format!("missing '=' in: {line}")))?;
        assignments.push(Assignment { section: section.clone(), key: key.trim().to_owned(), value: value.trim().to_owned() });
    }
    Ok(assignments)
}

/// Makes a unit from its assignments.
pub(crate) fn define(name: &str, assignments: &[Assignment]) -> Result<Definition, Failure> {
    let within = |failure: Failure| match failure {
        Failure::Gap(text) => Failure::Gap(format!("{name}: {text}")),
        Failure::Error(code, text) => Failure::Error(code, format!("{name}: {text}")),
    };
    if name.contains('@') {
        return Err(Failure::gap(format!("{name}: template units")));
    }
    match name.rsplit_once('.') {
        Some((_, "service")) => Service::define(name, assignments).map(|service| Definition::Service(Box::new(service))).map_err(within),
        Some((_, "timer")) => Timer::define(name, assignments).map(|timer| Definition::Timer(Box::new(timer))).map_err(within),
        _ => Err(Failure::gap(format!("{name}: units of this type"))),
    }
}

impl Common {
    /// Takes an assignment of `[Unit]` or `[Install]`.
    pub(crate) fn set(&mut self, assignment: &Assignment) -> Result<(), Failure> {
        let Assignment { section, key, value } = assignment;
        match (section.as_str(), key.as_str()) {
            ("Unit", "Description") => value.clone_into(&mut self.description),
            ("Unit", "Documentation" | "DefaultDependencies") => {}
            // Units of a boot are started together, so an order can only be promised towards what has been reached by then.
            ("Unit", "After") => each(value, key, |name| TARGETS.contains(&name) || PASSED_SERVICES.contains(&name))?,
            ("Unit", "Before") => each(value, key, |name| name.ends_with(".target"))?,
            ("Unit", "Wants" | "Requires") => {
                each(value, key, |name| TARGETS.contains(&name) || name.ends_with(".service"))?;
                self.wants.extend(value.split_whitespace().filter(|name| name.ends_with(".service")).map(str::to_owned));
            }
            ("Install", "WantedBy" | "RequiredBy") => {
                each(value, key, |name| TARGETS.contains(&name))?;
                self.wanted_by.extend(value.split_whitespace().map(str::to_owned));
            }
            _ => return Err(Failure::gap(format!("setting [{section}] {key}="))),
        }
        Ok(())
    }
}

fn each(value: &str, key: &str, known: impl Fn(&str) -> bool) -> Result<(), Failure> {
    match value.split_whitespace().find(|name| !known(name)) {
        Some(name) => Err(Failure::gap(format!("{key}={name}"))),
        None => Ok(()),
    }
}

/// Reads a truth value.
pub(crate) fn boolean(key: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(Failure::error(1, format!("{key}={value}: not a boolean"))),
    }
}

/// Reads a span of time.
pub(crate) fn span(key: &str, value: &str) -> Result<std::time::Duration, Failure> {
    super::time::parse_span(value).ok_or_else(|| Failure::error(1, format!("{key}={value}: not a span of time")))
}
