//! What runs in a session: a program on a terminal, or a command with pipes, read by tasks of its own.

use std::io;

use sandbox_hypervisor::{Execution, Hypervisor, Line, Signal, Terminal};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::document::Plan;

/// The most that one frame carries.
const CHUNK: usize = 1_024;
/// What may have been read and not been sent.
const AHEAD: usize = 16;
/// What terminals send for interrupt and quit; a command without one is sent the signals.
const SIGNALS: [(u8, Signal); 2] = [(0x03, Signal::INT), (0x1c, Signal::QUIT)];

/// A program in a session.
pub(super) struct Program {
    process: Process,
    chunks: mpsc::Receiver<Vec<u8>>,
    /// Typed by a task of its own: a program that does not read must not keep what it writes from being sent.
    typed: Option<mpsc::UnboundedSender<Vec<u8>>>,
    is_silent: bool,
    is_over: bool,
    /// Ends the tasks, and with them what they hold.
    _over: DropGuard,
}

enum Process {
    Terminal(Terminal),
    Command(Execution),
}

/// What a program does.
pub(super) enum Happened {
    /// It writes.
    Written(Vec<u8>),
    /// Nobody can write any more.
    Silent,
    /// It has ended; something may still be written.
    Ended,
}

impl Program {
    /// Starts what a session is for.
    pub(super) async fn start(hypervisor: &Hypervisor, instance: &str, plan: &Plan) -> io::Result<Self> {
        let (sender, chunks) = mpsc::channel(AHEAD);
        let over = CancellationToken::new();
        let (process, typed) = if matches!(plan, Plan::NonInteractive(_)) {
            let mut execution = hypervisor.execute(instance, plan.errand()).await?;
            for pipe in [execution.take_output(), execution.take_errors()].into_iter().flatten() {
                tokio::spawn(over.clone().run_until_cancelled_owned(read_pipe(pipe, sender.clone())));
            }
            (Process::Command(execution), None)
        } else {
            let terminal = hypervisor.open_terminal(instance, plan.errand()).await?;
            tokio::spawn(over.clone().run_until_cancelled_owned(read_line(terminal.line(), sender)));
            let (typed, typing) = mpsc::unbounded_channel();
            tokio::spawn(write_line(terminal.line(), typing, over.clone()));
            (Process::Terminal(terminal), Some(typed))
        };
        Ok(Self { process, chunks, typed, is_silent: false, is_over: false, _over: over.drop_guard() })
    }

    /// Waits for what it does next; what it writes is read only if that is wanted. May be cancelled and asked again.
    pub(super) async fn next(&mut self, may_read: bool) -> Happened {
        tokio::select! {
            biased;
            chunk = self.chunks.recv(), if may_read && !self.is_silent => {
                self.is_silent = chunk.is_none();
                chunk.map_or(Happened::Silent, Happened::Written)
            }
            () = ended(&mut self.process), if !self.is_over => {
                self.is_over = true;
                Happened::Ended
            }
            else => std::future::pending().await,
        }
    }

    /// Whether it has ended, and everything it wrote has been read.
    pub(super) fn is_done(&self) -> bool {
        self.is_over && self.is_silent
    }

    /// Types something.
    pub(super) fn type_in(&self, data: Vec<u8>) {
        match (&self.process, &self.typed) {
            // Whoever writes it ends only with the terminal.
            (_, Some(typed)) => drop(typed.send(data)),
            (Process::Command(execution), None) => {
                let signal = data.iter().find_map(|byte| SIGNALS.iter().find(|(key, _)| key == byte));
                signal.into_iter().for_each(|(_, signal)| execution.signal(*signal));
            }
            (Process::Terminal(_), None) => {}
        }
    }

    /// Gives its terminal a size, if it has one.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        if let Process::Terminal(terminal) = &self.process
            && let Err(error) = terminal.line().resize(columns, rows)
        {
            tracing::debug!(%error, "terminal not resized");
        }
    }

    /// Ends it if it has not ended: its terminal is hung up, and its process group killed.
    pub(super) fn end(self) {
        match self.process {
            _ if self.is_over => {}
            Process::Terminal(terminal) => terminal.hang_up(),
            Process::Command(execution) => execution.signal(Signal::KILL),
        }
    }
}

async fn ended(process: &mut Process) {
    let ended = match process {
        Process::Terminal(terminal) => terminal.ended().await,
        Process::Command(execution) => execution.ended().await,
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "the program of a session cannot be waited for");
    }
}

async fn read_pipe(mut pipe: pipe::Receiver, chunks: mpsc::Sender<Vec<u8>>) {
    let (mut buffer, mut text) = ([0; CHUNK], Characters::default());
    while let Ok(count) = pipe.read(&mut buffer).await
        && count > 0
    {
        if chunks.send(text.whole(&buffer[..count])).await.is_err() {
            return;
        }
    }
    chunks.send(text.rest).await.ok();
}

async fn read_line(line: Line, chunks: mpsc::Sender<Vec<u8>>) {
    let (mut buffer, mut text) = ([0; CHUNK], Characters::default());
    while let Ok(count) = line.read(&mut buffer).await
        && count > 0
    {
        if chunks.send(text.whole(&buffer[..count])).await.is_err() {
            return;
        }
    }
    chunks.send(text.rest).await.ok();
}

async fn write_line(line: Line, mut typing: mpsc::UnboundedReceiver<Vec<u8>>, over: CancellationToken) {
    let write = async {
        while let Some(data) = typing.recv().await {
            line.write_all(&data).await?;
        }
        Ok::<(), io::Error>(())
    };
    // A program that never reads is no reason to hold on to its terminal.
    if let Some(Err(error)) = over.run_until_cancelled(write).await {
        tracing::debug!(%error, "nobody reads what is typed");
    }
}

/// Keeps characters of several bytes together.
#[derive(Default)]
struct Characters {
    rest: Vec<u8>,
}

impl Characters {
    /// What there is now without the beginning of a character that is not whole; bytes that are no text stay as they are.
    fn whole(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        if let Some(chunk) = all.utf8_chunks().last() {
            let open = chunk.invalid();
            let can_go_on = !open.is_empty() && open.len() < 4 && all.ends_with(open) && is_beginning(open);
            if can_go_on {
                let at = all.len() - open.len();
                self.rest = all.split_off(at);
            }
        }
        all
    }
}

/// Whether bytes that are no character may be the beginning of one.
fn is_beginning(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stay_whole_and_what_is_none_stays() {
        let mut text = Characters::default();
        let bytes = "aä€".as_bytes();
        assert_eq!(text.whole(&bytes[..2]), b"a");
        assert_eq!(text.whole(&bytes[2..5]), "ä".as_bytes());
        assert_eq!(text.whole(&bytes[5..]), "€".as_bytes());
        assert_eq!(text.whole(b"\xffx\xfe"), b"\xffx\xfe");
        assert!(text.rest.is_empty());
    }
}
