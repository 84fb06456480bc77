//! What scripts write, on its way to CloudWatch Logs: the agent delivers it, as its instance. What it may not write is lost, as on AWS.

use serde_json::{Value, json};

use super::super::agents::Agent;
use super::Commands;

/// The most one event may have, and the most of them that go together; below the limits of PutLogEvents.
const LONGEST_LINE: usize = 200 * 1024;
const MOST_LINES: usize = 1_000;
const LARGEST_BATCH: usize = 512 * 1024;

impl Commands {
    /// Writes a stream, line by line. One without a line is not made.
    pub(super) async fn deliver(&self, agent: &Agent, group: &str, stream: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let delivered = async {
            self.open(agent, group, stream).await?;
            for batch in batches(text) {
                let at = self.agents.now().as_millisecond();
                let events: Vec<Value> = batch.into_iter().map(|line| json!({"timestamp": at, "message": line})).collect();
                let body = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
                self.agents.call(agent, "logs", "Logs_20140328.PutLogEvents", &body).await?;
            }
            Ok::<(), String>(())
        };
        if let Err(code) = delivered.await {
            tracing::warn!(code, group, stream, "output of a command not delivered");
        }
    }

    async fn open(&self, agent: &Agent, group: &str, stream: &str) -> Result<(), String> {
        let group = json!({"logGroupName": group});
        let mut names = group.clone();
        names["logStreamName"] = stream.into();
        match self.agents.call(agent, "logs", "Logs_20140328.CreateLogStream", &names).await {
            Err(code) if code == "ResourceNotFoundException" => {}
            other => return other,
        }
        let made = self.agents.call(agent, "logs", "Logs_20140328.CreateLogGroup", &group).await;
        // Another instance may have been quicker.
        made.or_else(|code| if code == "ResourceAlreadyExistsException" { Ok(()) } else { Err(code) })?;
        self.agents.call(agent, "logs", "Logs_20140328.CreateLogStream", &names).await
    }
}

/// Lines, as many as go together.
fn batches(text: &str) -> Vec<Vec<&str>> {
    let mut batches: Vec<Vec<&str>> = vec![Vec::new()];
    let mut size = 0;
    for line in text.lines().filter(|line| !line.is_empty()).flat_map(pieces) {
        if batches.last().is_some_and(|batch| batch.len() == MOST_LINES || size + line.len() > LARGEST_BATCH) {
            batches.push(Vec::new());
            size = 0;
        }
        size += line.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(line);
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// A line in pieces that an event has room for.
fn pieces(mut line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while line.len() > LONGEST_LINE {
        let (piece, rest) = line.split_at(line.floor_char_boundary(LONGEST_LINE));
        pieces.push(piece);
        line = rest;
    }
    pieces.push(line);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_batches() {
        let text = format!("{}\n\n{}", "short\n".repeat(1_500), "ä".repeat(150 * 1024));
        let batches = batches(&text);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 502]);
        let whole: String = batches.concat().concat();
        assert_eq!(whole, text.replace('\n', ""));
    }
}
