//! `systemctl`.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Init;
use super::arguments::{Arguments, Known, Order, Value};
use super::control::Reply;
use super::failure::Failure;
use super::service::signal;
use super::shutdown::{halt_refused, power};
use super::time::show_point;
use super::unit::{Exit, State, Unit, full_name};
use super::unit_file::{Definition, TARGETS};
use crate::guest::is_set;
use crate::process::{Owner, send};

const OPTIONS: [Known; 15] = [
    Known("now", None, Value::No),
    Known("quiet", Some('q'), Value::No),
    Known("no-block", None, Value::No),
    Known("no-pager", None, Value::No),
    Known("no-legend", None, Value::No),
    Known("no-wall", None, Value::No),
    Known("no-ask-password", None, Value::No),
    Known("system", None, Value::No),
    Known("all", Some('a'), Value::No),
    Known("force", Some('f'), Value::No),
    Known("value", None, Value::No),
    Known("property", Some('p'), Value::Yes),
    Known("P", Some('P'), Value::Yes),
    Known("signal", Some('s'), Value::Yes),
    Known("lines", Some('n'), Value::Yes),
];

/// What `systemctl is-active` and `systemctl status` exit with for a unit that is not active, and `status` for one that is not there.
const EXIT_NOT_ACTIVE: i32 = 3;
const EXIT_NOT_FOUND: i32 = 4;

/// Verbs that change nothing, which any user may use.
const LOOKING: [&str; 8] = ["cat", "is-active", "is-enabled", "is-failed", "is-system-running", "list-timers", "show", "status"];

/// Whether these arguments ask for nothing but a look.
pub(super) fn only_looks(arguments: &[String]) -> bool {
    let parsed = Arguments::parse(arguments, &OPTIONS, Order::Free);
    parsed.is_ok_and(|given| given.operands.first().is_none_or(|verb| LOOKING.contains(&verb.as_str())))
}

/// Carries out `systemctl`.
pub(super) async fn systemctl(init: &Init, arguments: &[String]) -> Result<Reply, Failure> {
    let given = Arguments::parse(arguments, &OPTIONS, Order::Free)?;
    let Some((verb, operands)) = given.operands.split_first() else { return Err(Failure::gap("no verb")) };
    let units: Vec<String> = operands.iter().map(|name| full_name(name)).collect();
    if units.is_empty() && NEED_UNITS.contains(&verb.as_str()) {
        return Err(Failure::error(1, "Too few arguments."));
    }
    match verb.as_str() {
        "poweroff" | "reboot" if units.is_empty() => {
            let force = if given.has("force") { vec!["--force".to_owned()] } else { Vec::new() };
            power(verb, &force)
        }
        "halt" => Err(halt_refused()),
        "daemon-reload" => daemon_reload(init),
        "reset-failed" => Ok(reset_failed(init, &units)),
        "enable" | "disable" => enable(init, verb, &units, &given).await,
        "start" | "stop" | "restart" | "try-restart" => control(init, verb, &units, &given).await,
        "kill" => kill(init, &units, &given).await,
        "status" => status(init, &units),
        "is-active" | "is-failed" => Ok(is_state(init, verb, &units, &given)),
        "is-enabled" => Ok(is_enabled(init, &units, &given)),
        "is-system-running" => Ok(is_system_running(init, &given)),
        "show" => show(init, &units, &given),
        "cat" => cat(init, &units),
        "list-timers" => Ok(list_timers(init, &given)),
        _ => Err(Failure::gap(format!("unknown verb {verb}"))),
    }
}

const NEED_UNITS: [&str; 12] =
    ["cat", "disable", "enable", "is-active", "is-enabled", "is-failed", "kill", "restart", "show", "start", "stop", "try-restart"];

/// Reads every unit file again. Real systemd warns of what it does not understand; here it is an error, at the time it can be read.
fn daemon_reload(init: &Init) -> Result<Reply, Failure> {
    for entry in std::fs::read_dir(init.guest.layout.units())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".service") || name.ends_with(".timer") {
            init.reload(&name)?;
        } else if !name.ends_with(".wants") {
            return Err(Failure::gap(format!("{name}: units of this type")));
        }
    }
    init.boot.changed.send_replace(());
    Ok(Reply::default())
}

fn reset_failed(init: &Init, units: &[String]) -> Reply {
    init.boot.units().retain(|name, unit| {
        let chosen = unit.state == State::Failed && (units.is_empty() || units.contains(name));
        if chosen {
            unit.state = State::Inactive;
            unit.starts.clear();
        }
        !(chosen && unit.transient)
    });
    Reply::default()
}

async fn enable(init: &Init, verb: &str, units: &[String], given: &Arguments) -> Result<Reply, Failure> {
    let mut reply = Reply::default();
    for name in units {
        reply.err += &if verb == "enable" { init.enable(name) } else { init.disable(name) }?;
        match verb {
            _ if !given.has("now") => {}
            "enable" => init.start(name).await?,
            _ => init.stop(name).await?,
        }
    }
    if given.has("quiet") {
        reply.err.clear();
    }
    Ok(reply)
}

async fn control(init: &Init, verb: &str, units: &[String], given: &Arguments) -> Result<Reply, Failure> {
    for name in units {
        init.load(name).or_else(|failure| if TARGETS.contains(&name.as_str()) { Ok(()) } else { Err(failure) })?;
        let (init, verb, name) = (init.clone(), verb.to_owned(), name.clone());
        let job = async move {
            let up = init.boot.units().get(&name).is_some_and(|unit| unit.state.is_up());
            if verb != "start" {
                init.stop(&name).await?;
            }
            match verb.as_str() {
                "stop" => Ok(()),
                "try-restart" if !up => Ok(()),
                _ => init.start(&name).await,
            }
        };
        if given.has("no-block") {
            tokio::spawn(job);
        } else {
            job.await?;
        }
    }
    Ok(Reply::default())
}

async fn kill(init: &Init, units: &[String], given: &Arguments) -> Result<Reply, Failure> {
    let signal = signal(given.value("signal").unwrap_or("TERM"))?;
    for name in units {
        if !init.boot.units().contains_key(name) {
            return Err(Failure::error(1, format!("Failed to kill unit {name}: Unit {name} not loaded.")));
        }
        let own = |owner: &Owner| owner.machine == init.guest.id && owner.unit.as_deref() == Some(name);
        for process in init.guest.host.table.living(own).await {
            send(process.pid, signal);
        }
    }
    Ok(Reply::default())
}

fn is_state(init: &Init, verb: &str, units: &[String], given: &Arguments) -> Reply {
    let wanted: &[&str] = if verb == "is-active" { &["active"] } else { &["failed"] };
    let states: Vec<&str> = units.iter().map(|name| state(init, name)).collect();
    let code = if states.iter().any(|state| wanted.contains(state)) { 0 } else { EXIT_NOT_ACTIVE };
    let code = if verb == "is-failed" { code.min(1) } else { code };
    Reply { out: lines(&states, given), code, ..Reply::default() }
}

fn state(init: &Init, name: &str) -> &'static str {
    if TARGETS.contains(&name) {
        return State::Active.name();
    }
    init.boot.units().get(name).map_or(State::Inactive, |unit| unit.state).name()
}

fn is_enabled(init: &Init, units: &[String], given: &Arguments) -> Reply {
    let states: Vec<&str> = units.iter().map(|name| init.enabled_state(name)).collect();
    let code = i32::from(!states.iter().any(|state| matches!(*state, "enabled" | "static" | "transient")));
    Reply { out: lines(&states, given), code, ..Reply::default() }
}

fn is_system_running(init: &Init, given: &Arguments) -> Reply {
    let failed = init.boot.units().values().any(|unit| unit.state == State::Failed);
    let state = match () {
        () if init.boot.stop.is_cancelled() => "stopping",
        () if is_set(&init.boot.user_data_running) => "starting",
        () if failed => "degraded",
        () => "running",
    };
    Reply { out: lines(&[state], given), code: i32::from(state != "running"), ..Reply::default() }
}

fn lines(states: &[&str], given: &Arguments) -> String {
    if given.has("quiet") { String::new() } else { states.iter().map(|state| format!("{state}\n")).collect() }
}

fn status(init: &Init, units: &[String]) -> Result<Reply, Failure> {
    if units.is_empty() {
        return Err(Failure::gap("status without a unit"));
    }
    let mut reply = Reply::default();
    for name in units {
        if init.load(name).is_err() {
            reply.err += &format!("Unit {name} could not be found.\n");
            reply.code = EXIT_NOT_FOUND;
            continue;
        }
        let units = init.boot.units();
        let Some(unit) = units.get(name) else { continue };
        let sub = sub_state(unit);
        reply.out += &format!("{name} - {}\n", unit.definition.common().description);
        reply.out += &format!("     Active: {} ({sub})\n", unit.state.name());
        if unit.main_pid != 0 {
            reply.out += &format!("   Main PID: {}\n", unit.main_pid);
        }
        if let Some(next) = unit.next_elapse {
            reply.out += &format!("    Trigger: {}\n", show_point(next));
        }
        if reply.code == 0 && unit.state != State::Active {
            reply.code = EXIT_NOT_ACTIVE;
        }
    }
    Ok(reply)
}

fn sub_state(unit: &Unit) -> &'static str {
    let timer = matches!(unit.definition, Definition::Timer(_));
    match unit.state {
        State::Active if timer && unit.next_elapse.is_none() => "elapsed",
        State::Active if timer => "waiting",
        State::Active if unit.main_pid == 0 => "exited",
        State::Active => "running",
        State::Inactive => "dead",
        State::Failed => "failed",
        State::Activating if unit.restarts > 0 && unit.main_pid == 0 => "auto-restart",
        State::Activating => "start",
        State::Deactivating => "stop-sigterm",
    }
}

/// Properties `systemctl show` prints when none is named.
const PROPERTIES: [&str; 19] = [
    "Id",
    "Description",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "Result",
    "MainPID",
    "ExecMainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "NRestarts",
    "User",
    "Transient",
    "ActiveEnterTimestamp",
    "InactiveEnterTimestamp",
    "NextElapseUSecRealtime",
    "LastTriggerUSec",
    "Unit",
];

fn show(init: &Init, units: &[String], given: &Arguments) -> Result<Reply, Failure> {
    let bare = given.has("value") || given.has("P");
    let named = given.values("property").chain(given.values("P")).flat_map(|value| value.split(',')).collect::<Vec<_>>();
    let names = if named.is_empty() { PROPERTIES.to_vec() } else { named };
    let mut out = String::new();
    for (at, name) in units.iter().enumerate() {
        // A unit that is not there has properties too: those of one that never ran.
        let found = init.load(name);
        let enabled = init.enabled_state(name);
        let loaded = init.boot.units();
        if at > 0 {
            out.push('\n');
        }
        for property in &names {
            let value = show_property(property, name, loaded.get(name), found.is_ok(), enabled)?;
            // Writing to a string cannot fail.
            let _ = if bare { writeln!(out, "{value}") } else { writeln!(out, "{property}={value}") };
        }
    }
    Ok(Reply::said(out))
}

fn show_property(property: &str, name: &str, unit: Option<&Unit>, found: bool, enabled: &str) -> Result<String, Failure> {
    let point = |point: Option<Timestamp>| point.map(show_point).unwrap_or_default();
    let exit = unit.and_then(|unit| unit.exit);
    let pid = unit.map_or(0, |unit| unit.main_pid);
    Ok(match property {
        "Id" => name.to_owned(),
        "Description" => {
            unit.map(|unit| unit.definition.common().description.clone()).filter(|text| !text.is_empty()).unwrap_or(name.into())
        }
        "LoadState" => if found { "loaded" } else { "not-found" }.to_owned(),
        "ActiveState" => unit.map_or(State::Inactive, |unit| unit.state).name().to_owned(),
        "SubState" => unit.map_or("dead", sub_state).to_owned(),
        "UnitFileState" => if enabled == "not-found" { "" } else { enabled }.to_owned(),
        "Result" => unit.map_or("success", |unit| unit.outcome.name()).to_owned(),
        "MainPID" | "ExecMainPID" => pid.to_string(),
        // CLD_EXITED and CLD_KILLED of waitid(2).
        "ExecMainCode" => exit.map_or(0, |exit| if matches!(exit, Exit::Exited(_)) { 1 } else { 2 }).to_string(),
        "ExecMainStatus" => exit.map_or(0, |(Exit::Exited(value) | Exit::Killed(value))| value).to_string(),
        "NRestarts" => unit.map_or(0, |unit| unit.restarts).to_string(),
        "Transient" => if unit.is_some_and(|unit| unit.transient) { "yes" } else { "no" }.to_owned(),
        "ActiveEnterTimestamp" => point(unit.and_then(|unit| unit.activated)),
        "InactiveEnterTimestamp" => point(unit.and_then(|unit| unit.deactivated)),
        "NextElapseUSecRealtime" => point(unit.and_then(|unit| unit.next_elapse)),
        "LastTriggerUSec" => point(unit.and_then(|unit| unit.last_elapse)),
        "User" | "Unit" => match (property, unit.map(|unit| &unit.definition)) {
            ("User", Some(Definition::Service(service))) => service.user.clone().unwrap_or_default(),
            ("Unit", Some(Definition::Timer(timer))) => timer.unit.clone(),
            _ => String::new(),
        },
        _ => return Err(Failure::gap(format!("unknown property {property}"))),
    })
}

fn cat(init: &Init, units: &[String]) -> Result<Reply, Failure> {
    let mut out = String::new();
    for name in units {
        let path = init.guest.layout.units().join(name);
        let text = std::fs::read_to_string(&path).map_err(|_| Failure::error(1, format!("No files found for {name}.")))?;
        out += &format!("# {}\n{text}", path.display());
    }
    Ok(Reply::said(out))
}

fn list_timers(init: &Init, given: &Arguments) -> Reply {
    let point = |point: Option<Timestamp>| point.map_or_else(|| "-".to_owned(), show_point);
    let units = init.boot.units();
    let timers: Vec<String> = units
        .iter()
        .filter_map(|(name, unit)| match &unit.definition {
            Definition::Timer(timer) if unit.state.is_up() || given.has("all") => {
                Some(format!("{:27} {:27} {name} {}\n", point(unit.next_elapse), point(unit.last_elapse), timer.unit))
            }
            _ => None,
        })
        .collect();
    let mut out = String::new();
    if !given.has("no-legend") {
        out += &format!("{:27} {:27} UNIT ACTIVATES\n", "NEXT", "LAST");
    }
    out.extend(timers.iter().map(String::as_str));
    if !given.has("no-legend") {
        out += &format!("\n{} timers listed.\n", timers.len());
    }
    Reply::said(out)
}
