//! What becomes of a command that ends although it is to run: it is started again after a pause.

use std::time::Duration;

use spawn_model::record::Exit;

/// The pause before the first time; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A command that ran for so long was all right: the pauses begin anew.
const STEADY: Duration = Duration::from_secs(600);

/// How long to wait before the command is started again.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// The pause after a run of this length.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        let pause = if ran >= STEADY { FIRST_PAUSE } else { self.next };
        self.next = LONGEST_PAUSE.min(pause * 2);
        pause
    }
}

/// Says how a command ended by itself, and what comes of it.
pub(crate) fn notice(exit: &Exit, pause: Duration) -> String {
    let ended = match exit {
        Exit::Code { code } => format!("the command ended with exit code {code}"),
        Exit::Signal { signal } => format!("the command was killed by signal {signal}"),
        Exit::NotStarted { reason } => format!("the command could not be run: {reason}"),
        Exit::LeaseEnded | Exit::Interrupted | Exit::Idle => "the command was ended".to_owned(),
    };
    format!("{ended}; it is started again in {} s", pause.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_command_is_steady() {
        let mut pauses = Pauses::new();
        let mut after = |seconds| pauses.after(Duration::from_secs(seconds)).as_secs();
        assert_eq!([0, 599, 0, 0, 0, 0, 0, 0, 0].map(&mut after), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!([600, 0, 0].map(&mut after), [1, 2, 4]);
    }

    #[test]
    fn a_notice_says_what_happened_and_what_will() {
        let reason = "\"./gone\" cannot be run: No such file or directory (os error 2)".to_owned();
        for (exit, expected) in [
            (Exit::Code { code: 1 }, "the command ended with exit code 1; it is started again in 2 s"),
            (Exit::Signal { signal: 9 }, "the command was killed by signal 9; it is started again in 2 s"),
            (
                Exit::NotStarted { reason },
                "the command could not be run: \"./gone\" cannot be run: No such file or directory (os error 2); it is started again in 2 s",
            ),
        ] {
            assert_eq!(notice(&exit, Duration::from_secs(2)), expected);
        }
    }
}
