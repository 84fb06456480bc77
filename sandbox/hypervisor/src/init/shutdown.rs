//! `shutdown`, `poweroff`, `reboot` and `halt`.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Init;
use super::arguments::{Arguments, Known, Order, Value};
use super::control::Reply;
use super::failure::Failure;
use super::time::{show_point, until};
use crate::guest::Power;

/// A power-off that will come. It does not survive one that comes earlier.
#[derive(Debug)]
pub(super) struct Scheduled {
    at: Timestamp,
    power: Power,
    cancel: CancellationToken,
}

const SHUTDOWN: [Known; 7] = [
    Known("poweroff", Some('P'), Value::No),
    Known("off", Some('h'), Value::No),
    Known("reboot", Some('r'), Value::No),
    Known("halt", Some('H'), Value::No),
    Known("cancel", Some('c'), Value::No),
    Known("no-wall", None, Value::No),
    Known("show", None, Value::No),
];

const POWER: [Known; 3] =
    [Known("force", Some('f'), Value::No), Known("no-wall", None, Value::No), Known("poweroff", Some('p'), Value::No)];

/// When a shutdown is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Now,
    At(Timestamp),
}

/// Carries out `shutdown`.
pub(super) fn shutdown(init: &Init, arguments: &[String]) -> Result<Reply, Failure> {
    let given = Arguments::parse(arguments, &SHUTDOWN, Order::Free)?;
    if given.has("halt") {
        return Err(halt_refused());
    }
    if given.has("show") {
        let pending = init.boot.scheduled().as_ref().map(announce);
        return pending.map(|text| Reply::said(text + "\n")).ok_or_else(|| Failure::error(1, "No scheduled shutdown."));
    }
    if given.has("cancel") {
        cancel(init);
        return Ok(Reply::default());
    }
    let reboot = given.options.iter().rev().find(|(name, _)| *name != "no-wall").is_some_and(|(name, _)| *name == "reboot");
    let power = if reboot { Power::Reboot } else { Power::Off };
    match parse_when(given.operands.first().map(String::as_str), Timestamp::now())? {
        When::Now => Ok(Reply { power: Some(power), ..Reply::default() }),
        When::At(at) => schedule(init, at, power),
    }
}

/// Carries out `poweroff`, `reboot` and `halt`, by whichever name they were called.
pub(super) fn power(name: &str, arguments: &[String]) -> Result<Reply, Failure> {
    let given = Arguments::parse(arguments, &POWER, Order::Free)?;
    if let Some(operand) = given.operands.first() {
        return Err(Failure::gap(format!("operand {operand}")));
    }
    let power = match (name, given.has("force")) {
        ("halt", _) if !given.has("poweroff") => return Err(halt_refused()),
        ("reboot", false) if !given.has("poweroff") => Power::Reboot,
        ("reboot", true) if !given.has("poweroff") => Power::ForceReboot,
        (_, false) => Power::Off,
        (_, true) => Power::ForceOff,
    };
    Ok(Reply { power: Some(power), ..Reply::default() })
}

/// A machine that stands still with its power on would be billed for ever.
pub(super) fn halt_refused() -> Failure {
    Failure::gap("halt leaves a machine powered on, which is not simulated; power off instead")
}

fn schedule(init: &Init, at: Timestamp, power: Power) -> Result<Reply, Failure> {
    cancel(init);
    let scheduled = Scheduled { at, power, cancel: init.boot.stop.child_token() };
    let path = init.guest.layout.scheduled_shutdown();
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mode = if power == Power::Reboot { "reboot" } else { "poweroff" };
    std::fs::write(&path, format!("USEC={}\nWARN_WALL=1\nMODE={mode}\n", at.as_microsecond()))?;
    let said = format!("{}, use 'shutdown -c' to cancel.\n", announce(&scheduled));
    let (waiting, cancelled) = (init.clone(), scheduled.cancel.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = waiting.boot.sleep_until(Instant::now().checked_add(until(at, Timestamp::now()))) => waiting.guest.obey(waiting.boot, power).await,
        }
    });
    *init.boot.scheduled() = Some(scheduled);
    Ok(Reply { err: said, ..Reply::default() })
}

fn cancel(init: &Init) {
    if let Some(scheduled) = init.boot.scheduled().take() {
        scheduled.cancel.cancel();
        // Only a hint to other programs; it goes with the rest of the directory at the next boot anyway.
        std::fs::remove_file(init.guest.layout.scheduled_shutdown()).ok();
    }
}

fn announce(scheduled: &Scheduled) -> String {
    let what = if scheduled.power == Power::Reboot { "Reboot" } else { "Shutdown" };
    format!("{what} scheduled for {}", show_point(scheduled.at))
}

/// Reads `now`, `+minutes` or `hh:mm`. Nothing means in one minute.
fn parse_when(text: Option<&str>, now: Timestamp) -> Result<When, Failure> {
    let text = text.unwrap_or("+1");
    let wrong = || Failure::error(1, format!("Failed to parse time specification: {text}"));
    if matches!(text, "now" | "+0") {
        return Ok(When::Now);
    }
    if let Some((hours, minutes)) = text.split_once(':') {
        let number = |digits: &str| digits.parse::<i8>().map_err(|_| wrong());
        let today = TimeZone::UTC.to_datetime(now);
        let time = jiff::civil::Time::new(number(hours)?, number(minutes)?, 0, 0).map_err(|_| wrong())?;
        let at = TimeZone::UTC.to_timestamp(today.date().to_datetime(time)).map_err(|_| wrong())?;
        let at = if at <= now { at + SignedDuration::from_hours(24) } else { at };
        return Ok(When::At(at));
    }
    let minutes: u64 = text.strip_prefix('+').unwrap_or(text).parse().map_err(|_| wrong())?;
    let delay = minutes.checked_mul(60).map(Duration::from_secs).ok_or_else(wrong)?;
    now.checked_add(delay).map(When::At).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_shutdown_reads_them() {
        let now: Timestamp = "2026-11-23T14:00:00Z".parse().unwrap();
        let at = |text: &str| Ok(When::At(text.parse().unwrap()));
        let table = [
            (None, at("2026-11-23T14:01:00Z")),
            (Some("now"), Ok(When::Now)),
            (Some("+0"), Ok(When::Now)),
            (Some("+90"), at("2026-11-23T15:30:00Z")),
            (Some("5"), at("2026-11-23T14:05:00Z")),
            (Some("15:30"), at("2026-11-23T15:30:00Z")),
            (Some("13:59"), at("2026-11-24T13:59:00Z")),
            (Some("soon"), Err(Failure::error(1, "Failed to parse time specification: soon"))),
            (Some("25:00"), Err(Failure::error(1, "Failed to parse time specification: 25:00"))),
        ];
        for (text, expected) in table {
            assert_eq!(parse_when(text, now), expected, "{text:?}");
        }
    }
}
