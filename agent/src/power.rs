//! Ending the machine, now or at a time. Neither needs a permission: a machine that powers off is terminated by EC2.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use spawn_model::stopping::{Ends, HIBERNATES_WITHIN};
use tokio::process::Command;
use tokio::time::sleep;

/// The timer that user data made.
const TIMER: &str = "spawn-deadline.timer";
/// The timer that user data made for a machine that may be started again: it stops one whose agent does not come up.
const BOOT_TIMER: &str = "spawn-boot.timer";
/// How long to wait when the machine refuses to power off.
const PAUSE: Duration = Duration::from_secs(5);

/// Powers the machine off. Comes back when the machine has said that it will.
pub(crate) async fn off() {
    loop {
        for command in [&["systemctl", "poweroff"][..], &["shutdown", "-P", "now"]] {
            if run(command).await {
                return;
            }
        }
        eprintln!("spored: the machine does not power off; trying again");
        sleep(PAUSE).await;
    }
}

/// Has a machine that was started again go on: its agent is there, and its lease is known.
pub(crate) async fn go_on() {
    if !run(&["systemctl", "stop", BOOT_TIMER]).await {
        eprintln!("spored: {BOOT_TIMER} could not be stopped, and ends this machine soon after its boot");
    }
}

/// Moves the machine's own end, both the scheduled shutdown and the timer, to a deadline. A timer of a machine that stops never makes up for
/// a moment that it was off: it would end what was started again after its deadline. One that hibernates has a timer alone. Whether one of the two
/// is armed.
pub(crate) async fn arm(deadline: Timestamp, now: Timestamp, ends: Ends) -> bool {
    // There may be none to cancel.
    run(&["shutdown", "-c"]).await;
    let schedule = async || run(&["shutdown", "-P", &format!("+{}", minutes(deadline, now))]).await;
    let is_scheduled = !ends.hibernates() && schedule().await;
    if !is_scheduled && !ends.hibernates() {
        eprintln!("spored: the shutdown at {deadline} could not be scheduled");
    }
    let path = units().join(TIMER);
    if let Err(error) = std::fs::write(&path, timer(deadline, now, ends)) {
        eprintln!("spored: {}: {error}", path.display());
    }
    let is_timed = run(&["systemctl", "daemon-reload"]).await && run(&["systemctl", "restart", TIMER]).await;
    if !is_timed {
        eprintln!("spored: the timer for {deadline} could not be started");
    }
    // Better an end as it wakes than none.
    is_scheduled || is_timed || (ends.hibernates() && schedule().await)
}

/// Whole minutes until the deadline, rounded up and never none.
fn minutes(deadline: Timestamp, now: Timestamp) -> i64 {
    let seconds = deadline.as_second() - now.as_second();
    ((seconds + 59) / 60).max(1)
}

/// The timer's unit, as user data first wrote it. On a machine that hibernates it counts the time in which the machine is on: a moment that passed
/// meanwhile would end it as it wakes. And it leaves the time that hibernating takes.
fn timer(deadline: Timestamp, now: Timestamp, ends: Ends) -> String {
    let when = if ends.hibernates() {
        format!("OnActiveSec={}", minutes(deadline, now).unsigned_abs() * 60 + HIBERNATES_WITHIN.0)
    } else {
        deadline.strftime("OnCalendar=%Y-%m-%d %H:%M:%S UTC").to_string()
    };
    let persistent = !ends.stops();
    format!(
        "[Unit]\nDescription=End of the lease\n[Timer]\n{when}\nPersistent={persistent}\nAccuracySec=1s\n\
         [Install]\nWantedBy=timers.target\n"
    )
}

/// Where units are.
fn units() -> PathBuf {
    let named = std::env::var("SYSTEMD_UNIT_PATH").ok();
    let first = named.as_deref().and_then(|path| path.split(':').next()).filter(|path| !path.is_empty());
    PathBuf::from(first.unwrap_or("/etc/systemd/system"))
}

/// Runs a command of the machine's and tells whether it went well.
pub(crate) async fn run(argv: &[&str]) -> bool {
    let [program, arguments @ ..] = argv else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    match command.status().await {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("spored: {program}: {error}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use spawn_model::stopping::OnEnd;

    use super::*;

    #[test]
    fn minutes_are_rounded_up() {
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        for (seconds, expected) in [(-5, 1), (0, 1), (1, 1), (60, 1), (61, 2), (3600, 60), (3601, 61)] {
            assert_eq!(minutes(now + jiff::SignedDuration::from_secs(seconds), now), expected, "{seconds}");
        }
    }

    #[test]
    fn the_timer_is_on_the_absolute_time() {
        let (deadline, now) = ("2030-01-02T03:04:05Z".parse().unwrap(), "2030-01-02T02:03:05Z".parse().unwrap());
        insta::assert_snapshot!("timer", timer(deadline, now, Ends::default()));
        let hibernates = Ends { on_idle: OnEnd::Hibernate, ..Ends::default() };
        insta::assert_snapshot!("timer_of_one_that_hibernates", timer(deadline, now, hibernates));
    }
}
