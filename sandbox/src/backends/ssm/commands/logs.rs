//! What scripts write, on its way to CloudWatch Logs: the agent sends it about once a second, as its instance. What it may not send is
//! lost, as on AWS.
//!
//! How the agent does it is read from its source (amazon-ssm-agent, `agentlogstocloudwatch` and `iohandler`): it makes the group first and
//! gives up if it may not; it looks for the group and makes the stream when there is something to send; an event holds as many whole lines
//! as it has room for, and the last line break is left out once the script has ended.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::super::agents::{Agent, Agents};
use super::output::Beginning;

/// How often it sends, in real time, as scripts run.
const EVERY: Duration = Duration::from_secs(1);
/// The most that an event has, and the most of them that go together.
const LARGEST_EVENT: usize = 200 * 1_000;
const MOST_EVENTS: usize = 4;
/// A script that writes faster than this is sent in a second has to wait. The agent itself keeps it on the machine's disk.
const MOST_UNSENT: usize = 64 * 1024 * 1024;

/// One stream of a script: its beginning, and what is still to be sent.
pub(super) struct Stream<'a> {
    beginning: Beginning,
    to: Option<To<'a>>,
    unsent: Vec<u8>,
}

/// Where a stream is sent.
pub(super) struct To<'a> {
    pub(super) agents: &'a Agents,
    pub(super) agent: &'a Agent,
    pub(super) group: String,
    pub(super) stream: String,
    pub(super) is_made: bool,
}

impl<'a> Stream<'a> {
    /// Of which so many characters are reported; all of it is sent, if it is sent anywhere.
    pub(super) fn new(most: usize, to: Option<To<'a>>) -> Self {
        Self { beginning: Beginning::new(most), to, unsent: Vec::new() }
    }

    /// What is reported of it.
    pub(super) fn text(&self) -> String {
        self.beginning.text()
    }

    /// Adds what the agent itself has to say.
    pub(super) fn add(&mut self, text: &str) {
        self.beginning.add(text);
        self.take(text.as_bytes());
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.to.is_some() {
            self.unsent.extend_from_slice(bytes);
        }
    }

    /// Reads a stream to its end, or until it is to stop; what is being sent is sent before.
    pub(super) async fn read(&mut self, pipe: &mut Option<pipe::Receiver>, stop: &CancellationToken) {
        let Some(pipe) = pipe else { return };
        let mut buffer = vec![0; 16 * 1024];
        let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let read = tokio::select! {
                () = stop.cancelled() => return,
                read = pipe.read(&mut buffer), if self.unsent.len() < MOST_UNSENT => Some(read),
                _ = ticks.tick(), if self.to.is_some() => None,
            };
            match read {
                None => self.send(false).await,
                Some(Ok(count)) if count > 0 => {
                    self.beginning.keep(&buffer[..count]);
                    self.take(&buffer[..count]);
                }
                Some(_) => return,
            }
        }
    }

    /// Sends what is new: whole lines, and whatever is left if nothing more comes.
    pub(super) async fn send(&mut self, is_complete: bool) {
        let Some(to) = &mut self.to else { return };
        let whole = self.unsent.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // A line that fills it alone is sent in pieces.
        let end = if is_complete || self.unsent.len() >= MOST_UNSENT { self.unsent.len() } else { whole };
        let news: Vec<u8> = self.unsent.drain(..end).collect();
        if let Err(code) = to.deliver(&events(&news, is_complete)).await {
            tracing::warn!(code, to.group, to.stream, "output of a command not delivered");
            (self.to, self.unsent) = (None, Vec::new());
        }
    }
}

impl To<'_> {
    async fn call(&self, operation: &str, body: &Value) -> Result<(), String> {
        self.agents.call(self.agent, "logs", &format!("Logs_20140328.{operation}"), body).await
    }

    async fn deliver(&mut self, events: &[String]) -> Result<(), String> {
        for batch in events.chunks(MOST_EVENTS) {
            if !self.is_made {
                self.call("DescribeLogGroups", &json!({"logGroupNamePrefix": self.group})).await?;
                self.call("CreateLogStream", &json!({"logGroupName": self.group, "logStreamName": self.stream})).await.or_else(is_there)?;
                self.is_made = true;
            }
            let at = self.agents.now().as_millisecond();
            let events: Vec<Value> = batch.iter().map(|text| json!({"timestamp": at, "message": text})).collect();
            self.call("PutLogEvents", &json!({"logGroupName": self.group, "logStreamName": self.stream, "logEvents": events})).await?;
        }
        Ok(())
    }
}

/// Makes the group that output goes to; false if the instance may not, which ends all sending.
pub(super) async fn open(agents: &Agents, agent: &Agent, group: &str) -> bool {
    let made = agents.call(agent, "logs", "Logs_20140328.CreateLogGroup", &json!({"logGroupName": group})).await;
    made.or_else(is_there).inspect_err(|code| tracing::warn!(code, group, "output of a command not delivered")).is_ok()
}

fn is_there(code: String) -> Result<(), String> {
    if code == "ResourceAlreadyExistsException" { Ok(()) } else { Err(code) }
}

/// Lines, as many as an event has room for.
fn events(bytes: &[u8], is_complete: bool) -> Vec<String> {
    let mut events: Vec<Vec<u8>> = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(LARGEST_EVENT)) {
        match events.last_mut().filter(|event| event.len() + line.len() <= LARGEST_EVENT) {
            Some(event) => event.extend_from_slice(line),
            None => events.push(line.to_vec()),
        }
    }
    let text = |event: Vec<u8>| {
        let text = String::from_utf8_lossy(&event).replace("\r\n", "\n");
        text.strip_suffix('\n').filter(|_| is_complete).map_or(text.clone(), str::to_owned)
    };
    // CloudWatch Logs takes no empty event.
    events.into_iter().map(text).filter(|event| !event.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_hold_whole_lines() {
        let text = format!("{}\n{}", "short\n".repeat(40_000), "x".repeat(250 * 1_000));
        let sizes = |is_complete| events(text.as_bytes(), is_complete).iter().map(String::len).collect::<Vec<_>>();
        assert_eq!(sizes(false), [199_998, 40_003, 200_000, 50_000]);
        assert_eq!(sizes(true), [199_997, 40_002, 200_000, 50_000]);
        assert_eq!(events(b"one\r\ntwo\n", true), ["one\ntwo"]);
        assert_eq!(events(b"\n", true), Vec::<String>::new());
    }
}
