//! What Lambda itself writes to a function's log, and what it answers when a function has not.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

/// The most a function may answer, in bytes: 6 MB, and room for what Lambda adds.
pub(super) const MOST_ANSWER: usize = 6_291_556;

/// How an invocation, or the start of a process, ended.
#[derive(Debug)]
pub(super) enum End {
    /// The function has answered.
    Answered(Bytes),
    /// It has said what went wrong.
    Failed(Bytes),
    /// Its answer was too large.
    TooLarge,
    /// There is nothing to start, and why.
    NoEntry(String),
    /// Its process ended.
    Exited(ExitStatus),
    /// Its time was over.
    TimedOut,
    /// The host refuses.
    Broken(String),
}

/// When in an environment's life something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Init,
    Invoke,
}

impl End {
    /// Whether the function failed.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self, Self::Answered(_))
    }

    /// What whoever invoked it gets.
    pub(super) fn payload(&self, id: &str, timeout: u32) -> Bytes {
        let error = |kind: &str, message: String| Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string());
        match self {
            Self::Answered(payload) | Self::Failed(payload) => payload.clone(),
            Self::TooLarge => error(
                "Function.ResponseSizeTooLarge",
                format!("Response payload size exceeded maximum allowed payload size ({MOST_ANSWER} bytes)."),
            ),
            Self::NoEntry(_) | Self::Exited(_) | Self::Broken(_) => {
                error(self.kind().unwrap_or_default(), format!("RequestId: {id} Error: {}", self.reason()))
            }
            Self::TimedOut => error("Sandbox.Timedout", format!("RequestId: {id} Error: Task timed out after {timeout}.00 seconds")),
        }
    }

    /// The line that says what went wrong, if Lambda says it.
    pub(super) fn line(&self, id: &str, now: Timestamp, took: Duration) -> Option<String> {
        match self {
            Self::Answered(_) | Self::Failed(_) | Self::TooLarge => None,
            Self::NoEntry(_) | Self::Exited(_) | Self::Broken(_) => {
                Some(format!("RequestId: {id} Error: {}\n{}\n", self.reason(), self.kind().unwrap_or_default()))
            }
            Self::TimedOut => Some(format!("{} {id} Task timed out after {:.2} seconds\n\n", crate::times::iso(now), took.as_secs_f64())),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::NoEntry(reason) | Self::Broken(reason) => reason.clone(),
            Self::Exited(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
                (None, Some(code)) if code != 0 => format!("Runtime exited with error: exit status {code}"),
                _ => "Runtime exited without providing a reason".to_owned(),
            },
            Self::Answered(_) | Self::Failed(_) | Self::TooLarge | Self::TimedOut => String::new(),
        }
    }

    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::NoEntry(_) => Some("Runtime.InvalidEntrypoint"),
            Self::Exited(_) => Some("Runtime.ExitError"),
            Self::Broken(_) => Some("Sandbox.Failure"),
            Self::Answered(_) | Self::Failed(_) | Self::TooLarge | Self::TimedOut => None,
        }
    }

    fn status(&self) -> Option<String> {
        match self {
            Self::TimedOut => Some("Status: timeout".to_owned()),
            other => other.kind().map(|kind| format!("Status: error\tError Type: {kind}")),
        }
    }
}

/// What an invocation cost.
pub(super) struct Report<'a> {
    pub(super) id: &'a str,
    pub(super) took: Duration,
    /// Megabytes it may use.
    pub(super) memory: u32,
    /// Bytes it has used, if that is known.
    pub(super) peak: Option<u64>,
    /// How long its environment took to start, if it is the first there.
    pub(super) init: Option<Duration>,
}

impl Report<'_> {
    /// The line at the end of an invocation.
    pub(super) fn line(&self, end: &End) -> String {
        let billed = (self.took + self.init.unwrap_or_default()).as_millis() + 1;
        let mut fields = vec![
            format!("REPORT RequestId: {}", self.id),
            format!("Duration: {} ms", millis(self.took)),
            format!("Billed Duration: {billed} ms"),
            format!("Memory Size: {} MB", self.memory),
        ];
        fields.extend(self.peak.map(|bytes| format!("Max Memory Used: {} MB", bytes.div_ceil(1024 * 1024))));
        fields.extend(self.init.map(|init| format!("Init Duration: {} ms", millis(init))));
        fields.extend(end.status());
        format!("{}\t\n", fields.join("\t"))
    }
}

/// The line of a start that failed.
pub(super) fn init_line(took: Duration, phase: Phase, end: &End) -> String {
    let phase = match phase {
        Phase::Init => "init",
        Phase::Invoke => "invoke",
    };
    // What the function itself said of its failure carries no type of Lambda's.
    let status = end.status().unwrap_or_else(|| "Status: error\tError Type: Runtime.Unknown".to_owned());
    format!("INIT_REPORT Init Duration: {} ms\tPhase: {phase}\t{status}\n", millis(took))
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

/// Signals by the names Lambda's own supervisor has for them.
fn signal_name(signal: i32) -> String {
    match signal {
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}
