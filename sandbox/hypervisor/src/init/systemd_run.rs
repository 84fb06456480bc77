//! `systemd-run`: services, scopes and timers without files.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use rustix::process::Signal;
use tokio::time::Instant;

use super::arguments::{Arguments, Known, Order, Value};
use super::control::{Link, Reply};
use super::failure::Failure;
use super::run::outcome_of;
use super::service::{Exec, Kind, Service};
use super::timer::Timer;
use super::unit::{Activation, Exit, Finish, Outcome, State, full_name};
use super::unit_file::{Definition, boolean};
use super::{Init, words};
use crate::process::{end_of, send};

const OPTIONS: [Known; 29] = [
    Known("unit", Some('u'), Value::Yes),
    Known("property", Some('p'), Value::Yes),
    Known("description", None, Value::Yes),
    Known("uid", None, Value::Yes),
    Known("gid", None, Value::Yes),
    Known("nice", None, Value::Yes),
    Known("slice", None, Value::Yes),
    Known("setenv", Some('E'), Value::Yes),
    Known("service-type", None, Value::Yes),
    Known("working-directory", None, Value::Yes),
    Known("same-dir", Some('d'), Value::No),
    Known("remain-after-exit", Some('r'), Value::No),
    Known("expand-environment", None, Value::Yes),
    Known("scope", None, Value::No),
    Known("system", None, Value::No),
    Known("no-block", None, Value::No),
    Known("no-ask-password", None, Value::No),
    Known("pipe", Some('P'), Value::No),
    Known("wait", None, Value::No),
    Known("collect", Some('G'), Value::No),
    Known("quiet", Some('q'), Value::No),
    Known("on-active", None, Value::Yes),
    Known("on-boot", None, Value::Yes),
    Known("on-startup", None, Value::Yes),
    Known("on-unit-active", None, Value::Yes),
    Known("on-unit-inactive", None, Value::Yes),
    Known("on-calendar", None, Value::Yes),
    Known("timer-property", None, Value::Yes),
    Known("timer-unit", None, Value::Yes),
];

/// What `systemd-run` exits with when its command was killed by a signal.
const EXIT_EXCEPTION: i32 = 255;

/// Carries out `systemd-run`.
pub(super) async fn run(init: &Init, link: &mut Link, directory: &str, arguments: &[String]) -> Result<Reply, Failure> {
    let given = Arguments::parse(arguments, &OPTIONS, Order::First)?;
    let timer = timer(&given)?;
    let name = match given.value("unit") {
        Some(name) if name.ends_with(".timer") || name.contains('/') => return Err(Failure::gap(format!("--unit={name}"))),
        Some(name) => full_name(name),
        None => format!("run-u{}.service", init.boot.unnamed.fetch_add(1, Ordering::Relaxed)),
    };
    let service = service(init, &name, directory, &given)?;
    if let Some(timer) = timer {
        return start_timer(init, &name, service, timer, &given).await;
    }
    init.add_transient(&name, Definition::Service(Box::new(service.clone())), given.has("collect"))?;
    let said = if given.has("quiet") { String::new() } else { format!("Running as unit: {name}\n") };
    if given.has("pipe") || given.has("scope") {
        return foreground(init, link, &name, service, &given, &said).await;
    }
    let started = init.spawn_service(&name, service)?;
    let (activation, starting) = started.ok_or_else(|| Failure::error(1, "the system is going down"))?;
    // That it failed to start is told by how it ended.
    starting.await.ok();
    if !given.has("wait") {
        return Ok(Reply { err: said, ..Reply::default() });
    }
    // What reads this may be waiting for it before the command has ended.
    link.send(["err", &said]).await?;
    let finish = activation.finished().await.unwrap_or(Finish { outcome: Outcome::Resources, exit: None });
    Ok(ended(finish, &given))
}

/// The answer of a command that waited.
fn ended(finish: Finish, given: &Arguments) -> Reply {
    let (code, how) = match finish.exit {
        Some(Exit::Exited(code)) => (code, format!("code=exited/status={code}")),
        Some(Exit::Killed(signal)) => (EXIT_EXCEPTION, format!("code=killed/status={signal}")),
        None => (1, "code=unknown".to_owned()),
    };
    let code = match finish.outcome {
        Outcome::Success => 0,
        Outcome::ExitCode | Outcome::Signal => code,
        _ => 1,
    };
    let result = finish.outcome.name();
    let said = format!("Finished with result: {result}\nMain processes terminated with: {how}\n");
    Reply { err: if given.has("quiet") { String::new() } else { said }, code, ..Reply::default() }
}

/// The timer the options ask for, if they do.
fn timer(given: &Arguments) -> Result<Option<Timer>, Failure> {
    let keys = [
        ("on-active", "OnActiveSec"),
        ("on-boot", "OnBootSec"),
        ("on-startup", "OnStartupSec"),
        ("on-unit-active", "OnUnitActiveSec"),
        ("on-unit-inactive", "OnUnitInactiveSec"),
        ("on-calendar", "OnCalendar"),
    ];
    let mut timer = Timer::default();
    for (option, key) in keys {
        for value in given.values(option) {
            timer.set(key, value)?;
        }
    }
    for property in given.values("timer-property") {
        let (key, value) = assignment(property)?;
        timer.set(key, value)?;
    }
    let asked = !timer.calendar.is_empty() || !timer.spans.is_empty();
    if asked && ["pipe", "wait", "scope"].iter().any(|option| given.has(option)) {
        return Err(Failure::error(1, "--wait, --pipe and --scope may not be combined with timer operations."));
    }
    Ok(asked.then_some(timer))
}

async fn start_timer(init: &Init, name: &str, service: Service, mut timer: Timer, given: &Arguments) -> Result<Reply, Failure> {
    let timer_name = name.replace(".service", ".timer");
    name.clone_into(&mut timer.unit);
    init.add_transient(name, Definition::Service(Box::new(service)), given.has("collect"))?;
    init.add_transient(&timer_name, Definition::Timer(Box::new(timer)), false)?;
    init.start(&timer_name).await?;
    let said = format!("Running timer as unit: {timer_name}\nWill run service as unit: {name}\n");
    Ok(Reply { err: if given.has("quiet") { String::new() } else { said }, ..Reply::default() })
}

fn assignment(text: &str) -> Result<(&str, &str), Failure> {
    text.split_once('=').ok_or_else(|| Failure::error(1, format!("Not an assignment: {text}")))
}

/// The service the options describe.
fn service(init: &Init, name: &str, directory: &str, given: &Arguments) -> Result<Service, Failure> {
    let Some((program, rest)) = given.operands.split_first() else { return Err(Failure::error(1, "Command line to execute required.")) };
    let found = init.guest.find_program(program);
    let found = found.ok_or_else(|| Failure::error(1, format!("Failed to find executable {program}: No such file or directory")))?;
    let words = std::iter::once(found).chain(rest.iter().cloned()).collect();
    let expand = given.value("expand-environment").map_or(Ok(!given.has("scope")), |value| boolean("--expand-environment", value))?;
    let mut service = Service { start: vec![Exec { words, may_fail: false, expand }], ..Service::default() };
    if let Some(text) = given.value("description") {
        text.clone_into(&mut service.common.description);
    }
    for property in given.values("property") {
        let (key, value) = assignment(property)?;
        if key == "ExecStart" {
            return Err(Failure::gap("property ExecStart"));
        }
        service.set(name, key, value)?;
    }
    let keys = [("uid", "User"), ("gid", "Group"), ("nice", "Nice"), ("slice", "Slice"), ("service-type", "Type")];
    for (option, key) in keys {
        for value in given.values(option) {
            service.set(name, key, value)?;
        }
    }
    for variable in given.values("setenv") {
        let (variable, value) = variable.split_once('=').ok_or_else(|| Failure::gap(format!("--setenv={variable} without a value")))?;
        service.environment.push((variable.to_owned(), value.to_owned()));
    }
    if given.has("same-dir") || given.has("scope") {
        service.working_directory = Some(PathBuf::from(directory));
    }
    if let Some(directory) = given.value("working-directory") {
        service.working_directory = Some(PathBuf::from(directory));
    }
    service.remain_after_exit = given.has("remain-after-exit");
    Ok(service)
}

/// Runs a command whose input and output are those of the asking command, which starts it itself and says how it ended.
async fn foreground(init: &Init, link: &mut Link, name: &str, service: Service, given: &Arguments, said: &str) -> Result<Reply, Failure> {
    let activation = Activation::new();
    let mark = init.boot.units().get_mut(name).map(|unit| {
        unit.activation = Arc::clone(&activation);
        (unit.state, unit.activated) = (State::Activating, Some(Timestamp::now()));
        unit.mark
    });
    let settle = |finish: Finish| {
        init.settle(name, &service, &activation, finish);
        Ok(ended(finish, given))
    };
    let lost = Finish { outcome: Outcome::Resources, exit: None };
    let (environment, directory) = match init.surroundings(name, &service) {
        Ok(surroundings) => surroundings,
        Err(code) => return settle(Finish { outcome: Outcome::ExitCode, exit: Some(Exit::Exited(code)) }),
    };
    if !said.is_empty() && link.send(["err", said]).await.is_err() {
        return settle(lost);
    }
    let Ok(Some(pid)) = launch(link, &service, &environment, &directory.to_string_lossy(), given.has("scope")).await else {
        return settle(lost);
    };
    if let Some(mark) = mark {
        mark.put(pid);
    }
    init.change(name, |unit| (unit.state, unit.main_pid) = (State::Active, pid));
    // If the command is gone by now, its child's gate has closed too.
    link.send(["go"]).await.ok();
    let finish = attend(init, link, name, &service, &activation, pid).await;
    settle(finish)
}

/// Has the asking command start the service, and says as which process.
async fn launch(
    link: &mut Link,
    service: &Service,
    environment: &[(String, String)],
    directory: &str,
    scope: bool,
) -> std::io::Result<Option<i32>> {
    let words = &service.start[0].words;
    let arguments = if service.start[0].expand { words::expand(&words[1..], environment) } else { words[1..].to_vec() };
    let count = environment.len().to_string();
    let variables: Vec<String> = environment.iter().map(|(variable, value)| format!("{variable}={value}")).collect();
    let head = [if scope { "scope" } else { "service" }, directory, &count];
    let argv = std::iter::once(words[0].as_str()).chain(arguments.iter().map(String::as_str));
    link.send(head.into_iter().chain(variables.iter().map(String::as_str)).chain(argv)).await?;
    let started = link.receive().await?;
    Ok(started.and_then(|fields| fields.get(1)?.parse().ok()))
}

/// Waits for the end of a service in the foreground, ends it when that is asked or its time is up, and ends what it leaves.
async fn attend(init: &Init, link: &mut Link, name: &str, service: &Service, activation: &Activation, pid: i32) -> Finish {
    let deadline = Instant::now().checked_add(service.runtime_max);
    let mut timed_out = false;
    let mut report = tokio::select! {
        report = link.receive() => Some(report),
        () = activation.stop.cancelled() => None,
        () = init.boot.sleep_until(deadline) => { timed_out = true; None }
    };
    let up = !init.boot.stop.is_cancelled();
    if up && report.is_none() {
        init.change(name, |unit| unit.state = State::Deactivating);
        init.end_processes(name, service, pid).await;
        report = Some(link.receive().await);
    }
    // Without a report the asking command is gone, or has become the service; the service itself lives on until it ends.
    let exit = match report.and_then(Result::ok).flatten().as_deref() {
        Some([_, how, value]) => value.parse().ok().map(|value| if how == "killed" { Exit::Killed(value) } else { Exit::Exited(value) }),
        _ => None,
    };
    if exit.is_none() && up {
        tokio::select! {
            () = end_of(pid) => {}
            () = activation.stop.cancelled() => init.end_processes(name, service, pid).await,
            () = init.boot.sleep_until(deadline) => { timed_out = true; send(pid, Signal::KILL); }
        }
    }
    if up {
        init.end_processes(name, service, 0).await;
    }
    let outcome = match exit {
        _ if timed_out => Outcome::Timeout,
        Some(exit) => outcome_of(exit, Kind::Simple),
        // Nobody is left who could tell; a scope never has anyone.
        None => Outcome::Success,
    };
    Finish { outcome, exit }
}
