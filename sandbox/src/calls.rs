//! The call log: what AWS would have been asked, by whom, and how it ended.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many calls are kept in memory; the file has them all.
pub(crate) const KEPT: usize = 100_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Position in the log, from 1, without holes.
    pub sequence: u64,
    /// When it arrived, by the sandbox's clock.
    pub time: Timestamp,
    /// Service, such as `ec2`.
    pub service: String,
    /// Operation, such as `RunInstances`.
    pub operation: String,
    /// Region it was addressed to.
    pub region: String,
    /// `controller`, `instance i-…`, `function …`, `log of function …`, `role …`, `automation …`, `autoscaling`, `scheduler`, or `unknown`.
    pub caller: String,
    /// `ok` or the error code.
    pub outcome: String,
    /// Real milliseconds it took.
    pub duration_ms: f64,
    /// The rights it took, such as `ec2:RunInstances` and `iam:PassRole`; none for callers that may do everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
}

/// What a call was, before its place in the log is known.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// When it arrived.
    pub(crate) time: Timestamp,
    /// Service.
    pub(crate) service: String,
    /// Operation.
    pub(crate) operation: String,
    /// Region.
    pub(crate) region: String,
    /// Caller's display form.
    pub(crate) caller: String,
    /// `ok` or the error code.
    pub(crate) outcome: String,
    /// Real milliseconds it took.
    pub(crate) duration_ms: f64,
    /// The rights it took.
    pub(crate) rights: Vec<String>,
}

/// A ring in memory and a file of JSON lines.
#[derive(Debug)]
pub(crate) struct CallLog {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kept: VecDeque<CallRecord>,
    next: u64,
    file: File,
}

impl CallLog {
    /// A log that appends to `path`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { state: Mutex::new(State { kept: VecDeque::new(), next: 1, file }) })
    }

    /// Adds a call.
    pub(crate) fn record(&self, call: Call) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let record = CallRecord {
            sequence: state.next,
            time: call.time,
            service: call.service,
            operation: call.operation,
            region: call.region,
            caller: call.caller,
            outcome: call.outcome,
            duration_ms: call.duration_ms,
            rights: call.rights,
        };
        state.next += 1;
        if let Ok(mut line) = serde_json::to_vec(&record) {
            line.push(b'\n');
            // A full disk must not change what the sandbox answers.
            if let Err(error) = state.file.write_all(&line) {
                tracing::warn!(%error, "call log not written");
            }
        }
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(record);
    }

    /// The calls after position `since` (0: all that are kept).
    pub(crate) fn since(&self, since: u64) -> Vec<CallRecord> {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.kept.iter().filter(|call| call.sequence > since).cloned().collect()
    }

    /// The position of the last call.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next - 1
    }
}
