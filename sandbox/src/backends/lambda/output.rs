//! What an environment prints, line by line, on its way to CloudWatch Logs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::callers::Caller;
use crate::protocol::Request;
use crate::router;

use super::state::Version;
use super::surroundings::Surroundings;

/// What `LogType=Tail` shows: the last 4 KB.
const TAIL: usize = 4_096;
/// The most one event, and one batch of them, may have; below the limits of PutLogEvents, with its overhead.
const LONGEST_LINE: usize = 256 * 1024 - 64;
const LARGEST_BATCH: usize = 512 * 1024;
const MOST_LINES: usize = 1_000;

/// The log of one environment.
pub(super) struct Output {
    sink: Sink,
    tasks: TaskTracker,
    /// Asks whoever reads a process's output to read what is there.
    drain: Option<mpsc::Sender<oneshot::Sender<()>>>,
}

#[derive(Clone)]
struct Sink {
    around: Arc<Surroundings>,
    lines: mpsc::UnboundedSender<Line>,
    tail: Arc<Mutex<VecDeque<u8>>>,
}

struct Line {
    at: Timestamp,
    message: String,
}

impl Sink {
    fn say(&self, message: String) {
        let mut tail = self.tail();
        tail.extend(message.as_bytes());
        let excess = tail.len().saturating_sub(TAIL);
        tail.drain(..excess);
        drop(tail);
        // Whoever delivers goes on for as long as this is there.
        self.lines.send(Line { at: self.around.clock.now(), message }).ok();
    }

    fn tail(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// A log that is delivered, as the function's role, to a stream of its own.
    pub(super) fn open(around: &Arc<Surroundings>, version: &Version, stream: &str, caller: Caller, tasks: &TaskTracker) -> Self {
        let (lines, receiver) = mpsc::unbounded_channel();
        let delivery = Delivery {
            around: Arc::clone(around),
            region: version.region.clone(),
            group: version.log_group(),
            stream: stream.to_owned(),
            caller,
            open: false,
        };
        tasks.spawn(delivery.run(receiver));
        let sink = Sink { around: Arc::clone(around), lines, tail: Arc::default() };
        Self { sink, tasks: tasks.clone(), drain: None }
    }

    /// Reads what a new process says.
    pub(super) fn attach(&mut self, pipe: pipe::Receiver) {
        let (sender, receiver) = mpsc::channel(1);
        self.drain = Some(sender);
        self.tasks.spawn(pump(pipe, self.sink.clone(), receiver));
    }

    /// Begins the part that [`Output::tail`] shows.
    pub(super) fn begin(&self) {
        self.sink.tail().clear();
    }

    /// Writes a line of Lambda's own.
    pub(super) fn say(&self, message: String) {
        self.sink.say(message);
    }

    /// Returns when everything that was printed until now has been read.
    pub(super) async fn drain(&self) {
        let Some(drain) = &self.drain else { return };
        let (done, drained) = oneshot::channel();
        // An error means that the process, and with it the pump, has ended: everything has been read.
        if drain.send(done).await.is_ok() {
            drained.await.ok();
        }
    }

    /// The last of what was said since [`Output::begin`].
    pub(super) fn tail(&self) -> Vec<u8> {
        self.sink.tail().iter().copied().collect()
    }
}

/// Reads until the last process that could still say something has ended.
async fn pump(pipe: pipe::Receiver, sink: Sink, mut drains: mpsc::Receiver<oneshot::Sender<()>>) {
    let mut partial = Vec::new();
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    let mut asked = true;
    loop {
        let ended = read_available(&pipe, &mut partial, &sink);
        if ended || !waiting.is_empty() {
            flush(&mut partial, &sink);
        }
        for done in waiting.drain(..) {
            done.send(()).ok();
        }
        if ended {
            return;
        }
        tokio::select! {
            // A descriptor that cannot be watched is read when somebody asks.
            readable = pipe.readable() => if readable.is_err() { return },
            drain = drains.recv(), if asked => match drain {
                Some(done) => waiting.push(done),
                None => asked = false,
            },
        }
    }
}

/// Reads what is there; true at the end.
fn read_available(pipe: &pipe::Receiver, partial: &mut Vec<u8>, sink: &Sink) -> bool {
    let mut buffer = [0; 16 * 1024];
    loop {
        match pipe.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => {
                for byte in &buffer[..count] {
                    partial.push(*byte);
                    if *byte == b'\n' || partial.len() >= LONGEST_LINE {
                        flush(partial, sink);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}

fn flush(partial: &mut Vec<u8>, sink: &Sink) {
    if !partial.is_empty() {
        sink.say(String::from_utf8_lossy(&std::mem::take(partial)).into_owned());
    }
}

/// Writes lines to CloudWatch Logs with the function's rights. What may not be written is lost, as on AWS.
struct Delivery {
    around: Arc<Surroundings>,
    region: String,
    group: String,
    stream: String,
    caller: Caller,
    open: bool,
}

impl Delivery {
    async fn run(mut self, mut lines: mpsc::UnboundedReceiver<Line>) {
        let mut batch = Vec::new();
        while lines.recv_many(&mut batch, MOST_LINES).await > 0 {
            let mut part: Vec<Line> = Vec::new();
            let mut size = 0;
            for line in batch.drain(..) {
                if size + line.message.len() > LARGEST_BATCH && !part.is_empty() {
                    self.put(std::mem::take(&mut part)).await;
                    size = 0;
                }
                size += line.message.len();
                part.push(line);
            }
            self.put(part).await;
        }
    }

    async fn put(&mut self, lines: Vec<Line>) {
        self.open = self.open || self.open_stream().await;
        if !self.open {
            return;
        }
        let events: Vec<Value> = lines.iter().map(|line| json!({"timestamp": line.at.as_millisecond(), "message": line.message})).collect();
        let body = json!({"logGroupName": self.group, "logStreamName": self.stream, "logEvents": events});
        // A stream that is gone is made again with the next batch.
        self.open = self.call("PutLogEvents", &body).await.is_ok();
    }

    async fn open_stream(&self) -> bool {
        let stream = json!({"logGroupName": self.group, "logStreamName": self.stream});
        match self.call("CreateLogStream", &stream).await {
            Ok(()) => true,
            Err(code) if code == "ResourceAlreadyExistsException" => true,
            Err(code) if code == "ResourceNotFoundException" => {
                let made = self.call("CreateLogGroup", &json!({"logGroupName": self.group})).await;
                // Another environment may have been quicker.
                let there = made.is_ok() || made.is_err_and(|code| code == "ResourceAlreadyExistsException");
                there && self.call("CreateLogStream", &stream).await.is_ok()
            }
            Err(_) => false,
        }
    }

    /// Makes a call; an error is its code.
    async fn call(&self, operation: &str, body: &Value) -> Result<(), String> {
        let target = format!("Logs_20140328.{operation}");
        let now = self.around.clock.now();
        let request = Request::own("logs", &self.region, self.caller.clone(), body.to_string().into(), Some(&target), now);
        router::call(self.around.router.get(), request).await
    }
}
